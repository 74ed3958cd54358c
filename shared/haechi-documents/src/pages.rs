//! The text of a PDF as a document: lines to headings, items and paragraphs, page by page.
//!
//! A PDF says where letters stand and nothing of what they are, so this guesses from size and
//! wording, and drops what repeats at the edge of every page. Tables stay lines of text here; who
//! needs their cells reads them with the table server.

use std::collections::HashMap;

use crate::{
    Block, BlockKind, Document, DocumentError, Format, FrontMatter, decode,
    lines::{self, Line},
    pdf::{self, PdfError, PdfLimits, PdfOptions, layout},
    text,
};

/// Letters so much larger than those of the body make a heading.
const HEADING_SIZE: f64 = 1.15;
/// A gap between lines wider than this part of the letter size ends a paragraph.
const PARAGRAPH_GAP: f64 = 0.9;
/// The part of a page at its top and bottom where running heads and page numbers stand.
const EDGE: f64 = 0.08;
/// Characters of the longest heading.
const HEADING_CHARACTERS_MAX: usize = 80;

struct PageLine {
    text: String,
    size: f64,
    top: f64,
    bottom: f64,
    /// Whether it stands where running heads stand.
    edge: bool,
    page: usize,
}

pub(crate) fn read(bytes: &[u8], bytes_max: usize) -> Result<Document, DocumentError> {
    let limits = PdfLimits { bytes_max, ..PdfLimits::default() };
    let options = PdfOptions { limits, ..PdfOptions::default() };
    let read = pdf::read(bytes.to_vec(), &options).map_err(refusal)?;
    let mut lines = Vec::new();
    for page in &read.pages {
        for line in layout::lines(page) {
            let text = decode::clean(&line.text());
            if text.trim().is_empty() {
                continue;
            }
            let (top, bottom) = (line.rect.top.min(line.rect.bottom), line.rect.top.max(line.rect.bottom));
            let edge = bottom < page.height * EDGE || page.height * (1.0 - EDGE) < top;
            lines.push(PageLine { text, size: line.size, top, bottom, edge, page: page.number });
        }
    }
    drop_running_heads(&mut lines, read.pages.len());
    let (text, blocks) = assemble(&lines);
    Ok(Document {
        format: Format::Pdf,
        title: text::title(&FrontMatter::default(), &blocks),
        front_matter: FrontMatter::default(),
        text,
        blocks,
        encoding: "PDF",
    })
}

fn refusal(error: PdfError) -> DocumentError {
    match error {
        PdfError::PasswordRequired | PdfError::UnsupportedEncryption => DocumentError::PasswordRequired,
        PdfError::Damaged => DocumentError::Damaged { detail: "not a readable PDF" },
        PdfError::NoPages => DocumentError::NoText,
        PdfError::TooLarge { what, max } => DocumentError::TooLarge { what, found: max.saturating_add(1), max },
        PdfError::TimedOut { .. } => DocumentError::Damaged { detail: "reading takes too long" },
    }
}

/// Removes the lines at the edges that return on most pages; numbers in them count as equal.
fn drop_running_heads(lines: &mut Vec<PageLine>, pages: usize) {
    let shape = |text: &str| -> String {
        text.chars()
            .filter(|letter| !letter.is_whitespace())
            .map(|letter| if letter.is_ascii_digit() { '0' } else { letter })
            .collect()
    };
    let mut seen: HashMap<String, usize> = HashMap::new();
    for line in lines.iter().filter(|line| line.edge) {
        *seen.entry(shape(&line.text)).or_default() += 1;
    }
    let is_number = |text: &str| text.chars().all(|letter| letter.is_ascii_digit() || " -–/".contains(letter));
    lines.retain(|line| {
        let repeated = seen.get(&shape(&line.text)).is_some_and(|count| 3 <= *count && pages <= count * 2);
        !line.edge || !(repeated || is_number(&line.text))
    });
}

fn assemble(lines: &[PageLine]) -> (String, Vec<Block>) {
    let body = body_size(lines);
    let mut sizes: Vec<i64> =
        lines.iter().map(|line| rank(line.size)).filter(|size| rank(body * HEADING_SIZE) <= *size).collect();
    sizes.sort_unstable_by(|left, right| right.cmp(left));
    sizes.dedup();
    let mut text = String::new();
    let mut blocks: Vec<Block> = Vec::new();
    let mut paragraph: Vec<Line> = Vec::new();
    let mut page = 1;
    let mut above: Option<&PageLine> = None;
    let end = |paragraph: &mut Vec<Line>, blocks: &mut Vec<Block>, page: usize| {
        let from = blocks.len();
        lines::group(&std::mem::take(paragraph), &BlockKind::Paragraph, blocks);
        for block in blocks.iter_mut().skip(from) {
            block.page = u32::try_from(page).ok();
        }
    };
    for line in lines {
        if line.page != page {
            end(&mut paragraph, &mut blocks, page);
            page = line.page;
            above = None;
            text.push('\u{0C}');
            blocks.push(Block {
                kind: BlockKind::PageBreak,
                text: String::new(),
                span: text.len() - 1..text.len(),
                page: u32::try_from(page).ok(),
            });
        }
        let start = text.len();
        text.push_str(&line.text);
        let span = start..text.len();
        text.push('\n');
        let gap = above.is_some_and(|above| line.size * PARAGRAPH_GAP < line.top - above.bottom);
        above = Some(line);
        let larger = sizes.iter().position(|size| *size == rank(line.size));
        let level = larger
            .filter(|_| line.text.chars().count() <= HEADING_CHARACTERS_MAX)
            .map(|at| u8::try_from(at + 1).unwrap_or(6).min(6));
        let division = lines::division(&line.text);
        if level.is_none() && division.is_none() {
            if gap {
                end(&mut paragraph, &mut blocks, page);
            }
            paragraph.push(Line { text: line.text.clone(), span });
            continue;
        }
        end(&mut paragraph, &mut blocks, page);
        let bytes = division.map_or(line.text.len(), |division| division.bytes);
        let (title, rest) = line.text.split_at(bytes.min(line.text.len()));
        blocks.push(Block {
            kind: BlockKind::Heading { level: division.map_or(level.unwrap_or(1), |division| division.level) },
            text: title.trim().to_owned(),
            span: start..start + title.len(),
            page: u32::try_from(page).ok(),
        });
        if !rest.trim().is_empty() {
            paragraph.push(Line { text: rest.to_owned(), span: start + title.len()..span.end });
        }
    }
    end(&mut paragraph, &mut blocks, page);
    (text, blocks)
}

/// The size that most characters have.
fn body_size(lines: &[PageLine]) -> f64 {
    let mut characters: HashMap<i64, usize> = HashMap::new();
    for line in lines {
        *characters.entry(rank(line.size)).or_default() += line.text.chars().count();
    }
    let most = characters.into_iter().max_by_key(|(size, count)| (*count, *size)).map_or(0, |(size, _)| size);
    #[expect(clippy::cast_precision_loss, reason = "letter sizes are small")]
    let size = most as f64 / 2.0;
    size
}

/// Half points: producers write the same size with different last digits.
fn rank(size: f64) -> i64 {
    #[expect(clippy::cast_possible_truncation, reason = "letter sizes are small")]
    let rank = (size * 2.0).round() as i64;
    rank
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(text: &str, size: f64, top: f64, page: usize) -> PageLine {
        PageLine { text: text.into(), size, top, bottom: top + size, edge: top > 750.0, page }
    }

    #[test]
    fn sizes_and_wording_make_headings() {
        let mut lines = vec![
            line("여신심사 매뉴얼", 20.0, 80.0, 1),
            line("심사는 두 단계로", 10.0, 120.0, 1),
            line("한다.", 10.0, 132.0, 1),
            line("제1조(목적) 이를 정한다.", 10.0, 160.0, 1),
            line("해치은행 1", 9.0, 780.0, 1),
            line("둘째 쪽이다.", 10.0, 80.0, 2),
            line("해치은행 2", 9.0, 780.0, 2),
            line("해치은행 3", 9.0, 780.0, 3),
        ];
        drop_running_heads(&mut lines, 3);
        let (text, blocks) = assemble(&lines);
        let shown: Vec<(&BlockKind, &str, Option<u32>)> =
            blocks.iter().map(|block| (&block.kind, block.text.as_str(), block.page)).collect();
        assert_eq!(
            shown,
            [
                (&BlockKind::Heading { level: 1 }, "여신심사 매뉴얼", Some(1)),
                (&BlockKind::Paragraph, "심사는 두 단계로 한다.", Some(1)),
                (&BlockKind::Heading { level: 5 }, "제1조(목적)", Some(1)),
                (&BlockKind::Paragraph, "이를 정한다.", Some(1)),
                (&BlockKind::PageBreak, "", Some(2)),
                (&BlockKind::Paragraph, "둘째 쪽이다.", Some(2)),
            ]
        );
        assert!(blocks.iter().all(|block| text.get(block.span.clone()).is_some()));
    }
}
