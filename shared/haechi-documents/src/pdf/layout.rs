//! Words and lines out of the characters of a page.
//!
//! A word is what stands together without a gap; a line is what shares a baseline across the whole
//! page, so columns of text meet in one line here and are told apart by who knows about columns.

use super::model::{Glyph, Page, Rect, Visibility};

/// A gap wider than this part of the letter size ends a word even without a space.
const WORD_GAP: f64 = 0.17;
/// Baselines closer than this part of the letter size are one line.
const BASELINE_TOLERANCE: f64 = 0.28;

/// Characters that stand together.
#[derive(Debug, Clone, PartialEq)]
pub struct Word {
    pub text: String,
    pub rect: Rect,
    pub baseline: f64,
    pub size: f64,
}

/// Words on one baseline, from left to right.
#[derive(Debug, Clone, PartialEq)]
pub struct Line {
    pub words: Vec<Word>,
    pub rect: Rect,
    pub baseline: f64,
    pub size: f64,
}

impl Line {
    /// The words of the line with single spaces between them.
    pub fn text(&self) -> String {
        let mut text = String::new();
        for word in &self.words {
            if !text.is_empty() {
                text.push(' ');
            }
            text.push_str(&word.text);
        }
        text
    }
}

/// The lines of a page from top to bottom, of the text that a person sees (or, on a scan with
/// recognised text, of that text).
pub fn lines(page: &Page) -> Vec<Line> {
    let recognised = page.is_recognised_scan();
    let mut glyphs: Vec<&Glyph> = page
        .glyphs
        .iter()
        .filter(|glyph| {
            glyph.upright
                && match glyph.visibility {
                    Visibility::Seen => true,
                    Visibility::Invisible => recognised,
                    Visibility::Hidden => false,
                }
        })
        .collect();
    glyphs.sort_by(|a, b| a.baseline.total_cmp(&b.baseline));
    let mut rows: Vec<Vec<&Glyph>> = Vec::new();
    let mut anchor = f64::NEG_INFINITY;
    for glyph in glyphs {
        let same = (glyph.baseline - anchor).abs() <= BASELINE_TOLERANCE * glyph.size.max(2.0);
        match rows.last_mut() {
            Some(row) if same => row.push(glyph),
            _ => {
                anchor = glyph.baseline;
                rows.push(vec![glyph]);
            }
        }
    }
    let mut words: Vec<Vec<Word>> = rows.into_iter().map(words_of_row).collect();
    attach_raised_words(&mut words);
    let mut lines: Vec<Line> = words.into_iter().filter_map(line_of).collect();
    lines.sort_by(|a, b| a.baseline.total_cmp(&b.baseline));
    lines
}

fn line_of(words: Vec<Word>) -> Option<Line> {
    let rect = words.iter().map(|word| word.rect).reduce(|a, b| a.union(&b))?;
    let mut sizes: Vec<f64> = words.iter().map(|word| word.size).collect();
    sizes.sort_by(f64::total_cmp);
    let size = *sizes.get(sizes.len() / 2)?;
    let mut baselines: Vec<f64> = words.iter().map(|word| word.baseline).collect();
    baselines.sort_by(f64::total_cmp);
    let baseline = *baselines.get(baselines.len() / 2)?;
    Some(Line { words, rect, baseline, size })
}

fn words_of_row(mut glyphs: Vec<&Glyph>) -> Vec<Word> {
    glyphs.sort_by(|a, b| a.rect.left.total_cmp(&b.rect.left).then(a.order.cmp(&b.order)));
    let mut words: Vec<Word> = Vec::new();
    let mut ended = true;
    let mut last: Option<&Glyph> = None;
    for glyph in glyphs {
        if glyph.character.is_whitespace() {
            // A space that lies over letters is an artefact of how the text was set.
            if words.last().is_none_or(|word| word.rect.right - 0.1 * glyph.size <= glyph.rect.middle_x()) {
                ended = true;
            }
            continue;
        }
        if let Some(before) = last
            && before.character == glyph.character
            && (before.rect.left - glyph.rect.left).abs() < 0.12 * glyph.size
        {
            continue;
        }
        let size = glyph.size;
        match words.last_mut() {
            Some(word)
                if !ended
                    && glyph.rect.left - word.rect.right <= WORD_GAP * size.max(word.size)
                    && size < 2.0 * word.size
                    && word.size < 2.0 * size =>
            {
                word.text.push(glyph.character);
                word.rect = word.rect.union(&glyph.rect);
            }
            _ => {
                words.push(Word { text: glyph.character.to_string(), rect: glyph.rect, baseline: glyph.baseline, size })
            }
        }
        ended = false;
        last = Some(glyph);
    }
    words
}

/// Joins small raised marks to the word they hang on: `조건` + `1)` is one word of the line below.
fn attach_raised_words(rows: &mut [Vec<Word>]) {
    for index in 0..rows.len() {
        let (before, rest) = rows.split_at_mut(index);
        let Some((row, after)) = rest.split_first_mut() else { continue };
        row.retain(|word| {
            let hosts = before.iter_mut().rev().take(2).chain(after.iter_mut().take(2));
            for host in hosts {
                if attach(word, host) {
                    return false;
                }
            }
            true
        });
    }
}

fn attach(word: &Word, row: &mut [Word]) -> bool {
    for host in row {
        let smaller = word.size < 0.85 * host.size;
        let shared = word.rect.bottom.min(host.rect.bottom) - word.rect.top.max(host.rect.top);
        let beside = word.rect.left - host.rect.right;
        let ahead = host.rect.left - word.rect.right;
        let close = 0.2 * host.size;
        if !smaller || shared < 0.45 * word.rect.height() || word.text.chars().count() > 6 {
            continue;
        }
        if (-close..=close).contains(&beside) {
            host.text.push_str(&word.text);
        } else if (-close..=close).contains(&ahead) {
            host.text.insert_str(0, &word.text);
        } else {
            continue;
        }
        host.rect.left = host.rect.left.min(word.rect.left);
        host.rect.right = host.rect.right.max(word.rect.right);
        return true;
    }
    false
}
