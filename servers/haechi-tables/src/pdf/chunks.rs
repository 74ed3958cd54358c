//! Lines cut into chunks: words that belong to one cell because no wide gap parts them.

use haechi_documents::pdf::layout::{Line, Word};

use crate::value::{is_nil, written_number};

/// Words of one line that stand together.
#[derive(Debug, Clone)]
pub struct Chunk<'a> {
    pub left: f64,
    pub right: f64,
    pub words: Vec<&'a Word>,
    pub numeric: bool,
}

impl Chunk<'_> {
    pub fn middle(&self) -> f64 {
        f64::midpoint(self.left, self.right)
    }

    pub fn width(&self) -> f64 {
        self.right - self.left
    }

    pub fn text(&self) -> String {
        self.words.iter().map(|word| word.text.as_str()).collect::<Vec<_>>().join(" ")
    }
}

/// A line between two sides, cut into chunks.
#[derive(Debug, Clone)]
pub struct Row<'a> {
    pub baseline: f64,
    pub top: f64,
    pub bottom: f64,
    pub size: f64,
    pub chunks: Vec<Chunk<'a>>,
}

impl Row<'_> {
    pub fn left(&self) -> f64 {
        self.chunks.first().map_or(0.0, |chunk| chunk.left)
    }

    pub fn right(&self) -> f64 {
        self.chunks.last().map_or(0.0, |chunk| chunk.right)
    }

    pub fn numbers(&self) -> usize {
        self.chunks.iter().filter(|chunk| chunk.numeric).count()
    }

    /// Holds figures beside its first chunk, as rows of data do.
    pub fn is_data(&self) -> bool {
        let beside = self.chunks.iter().skip(1).filter(|chunk| chunk.numeric).count();
        1 < self.chunks.len() && 0 < beside && self.chunks.len() - 1 <= 2 * beside
    }

    pub fn text(&self) -> String {
        self.chunks.iter().map(Chunk::text).collect::<Vec<_>>().join(" ")
    }
}

/// Cuts a line, using only the words between `left` and `right`; gaps wider than `gap` letter
/// sizes part chunks, and two figures are parted by less.
pub fn cut<'a>(line: &'a Line, left: f64, right: f64, gap: f64) -> Option<Row<'a>> {
    let mut chunks: Vec<Chunk<'a>> = Vec::new();
    let words: Vec<&Word> =
        line.words.iter().filter(|word| left <= word.rect.middle_x() && word.rect.middle_x() <= right).collect();
    for (index, word) in words.iter().enumerate() {
        let size = word.size.max(line.size * 0.6);
        let joins = chunks.last().is_some_and(|chunk| {
            let space = word.rect.left - chunk.right;
            let before = chunk.words.last().map_or("", |before| before.text.as_str());
            if space > gap * size {
                return false;
            }
            let figures = looks_numeric(before) && looks_numeric(&word.text);
            !(figures && 0.45 * size < space && !groups_thousands(before, &word.text))
        });
        // Leaders of dots lead the eye over the gap and belong to the label at their left.
        let leader = is_leader(&word.text);
        match chunks.last_mut() {
            Some(chunk) if joins || leader => {
                chunk.right = word.rect.right;
                chunk.words.push(word);
            }
            _ => chunks.push(Chunk { left: word.rect.left, right: word.rect.right, words: vec![word], numeric: false }),
        }
        let _ = index;
    }
    for chunk in &mut chunks {
        chunk.numeric = is_figure(&chunk.text());
    }
    let baselines: Vec<f64> = words.iter().map(|word| word.baseline).collect();
    let baseline = if baselines.is_empty() { return None } else { line.baseline };
    let top = words.iter().map(|word| word.rect.top).fold(f64::INFINITY, f64::min);
    let bottom = words.iter().map(|word| word.rect.bottom).fold(f64::NEG_INFINITY, f64::max);
    Some(Row { baseline, top, bottom, size: line.size, chunks })
}

/// Dots that lead from a label to its figure.
pub fn is_leader(text: &str) -> bool {
    text.chars().all(|character| matches!(character, '.' | '…' | '·' | '‥'))
}

/// `15 455` is one number where the second part has three digits.
fn groups_thousands(before: &str, after: &str) -> bool {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    (1..=3).contains(&before.len()) && digits(before) && after.len() == 3 && digits(after)
}

fn looks_numeric(text: &str) -> bool {
    text.bytes().any(|byte| byte.is_ascii_digit()) && is_figure(text)
}

/// Whether a text is what stands in a column of figures: a number, a nil, a range, a figure with a
/// footnote mark or in brackets.
pub fn is_figure(text: &str) -> bool {
    let text = text.trim();
    if is_nil(text) && !text.is_empty() || written_number(text).is_some() {
        return true;
    }
    let marks = text.chars().filter(|character| {
        character.is_ascii_digit()
            || matches!(
                character,
                '.' | ','
                    | '%'
                    | '('
                    | ')'
                    | '-'
                    | '–'
                    | '—'
                    | '−'
                    | '*'
                    | '$'
                    | '€'
                    | '£'
                    | '±'
                    | '<'
                    | '>'
                    | '~'
                    | '/'
                    | ' '
                    | '†'
                    | '‡'
                    | '#'
                    | '+'
                    | '△'
                    | '▲'
                    | '▽'
                    | '▼'
                    | '₩'
            )
    });
    let letters = text.chars().count();
    let digits = text.bytes().filter(u8::is_ascii_digit).count();
    0 < digits && marks.count() == letters
        || matches!(text, "NA" | "†" | "#" | "‡" | "(X)" | "*" | "**" | "***" | "****" | "*****" | "✓" | "x" | "X")
}
