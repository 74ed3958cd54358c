//! Plain text to blocks, by the lines that carry structure.
//!
//! It recognises what Korean regulations and manuals are written with (제1장, 제3조(…), ①, 1., 가.,
//! outline numbers, underlined titles, form feeds, rows of tabs) and takes the rest as paragraphs.

use crate::{
    Block, BlockKind, Document, DocumentError, Format, FrontMatter, Table, decode, front_matter,
    lines::{self, HeadingStart, Line},
};

/// The name of a label such as `작성부서` is no longer than this.
const LABEL_CHARACTERS_MAX: usize = 8;
/// A first line up to this length stands as the title of a text without marks.
const TITLE_CHARACTERS_MAX: usize = 60;

pub(crate) fn read(bytes: &[u8]) -> Result<Document, DocumentError> {
    let decoded = decode::decode(bytes)?;
    let (mut front_matter, head) = front_matter::split(&decoded.text);
    let blocks = if head.is_empty() {
        let (titled, labels) = title_lines(&decoded.text);
        front_matter = labels;
        let mut found: Vec<Block> = titled.iter().cloned().collect();
        found.extend(blocks(&decoded.text, titled.map_or(0, |title| title.span.end)));
        found
    } else {
        blocks(&decoded.text, head.end)
    };
    Ok(Document {
        format: Format::Text,
        title: title(&front_matter, &blocks),
        front_matter,
        blocks,
        encoding: decoded.encoding,
        text: decoded.text,
    })
}

/// The title from the head, or from the first heading if nothing stands before it.
pub(crate) fn title(front_matter: &FrontMatter, blocks: &[Block]) -> Option<String> {
    if let Some(title) = front_matter.first(&["title", "제목", "문서명", "규정명", "name"]) {
        return Some(title.to_owned());
    }
    let first = blocks.iter().find(|block| !block.is_blank() && block.kind != BlockKind::PageBreak)?;
    match first.kind {
        BlockKind::Heading { level: 1 | 2 } => Some(first.text.clone()),
        _ => None,
    }
}

/// Reads the blocks of text from `from` on; spans count from the start of `text`.
pub fn blocks(text: &str, from: usize) -> Vec<Block> {
    let mut reader = Reader { blocks: Vec::new(), paragraph: Vec::new(), page: text.contains('\u{0C}').then_some(1) };
    let mut at = from;
    let mut remaining = text.get(from..).unwrap_or_default().split_inclusive('\n').peekable();
    let mut blank_before = true;
    while let Some(raw) = remaining.next() {
        let start = at;
        at += raw.len();
        let line = raw.trim_end();
        let underline = remaining.peek().and_then(|next| underline_level(next));
        let blank_after = remaining.peek().is_none_or(|next| next.trim().is_empty());
        if let Some(after) = line.strip_prefix('\u{0C}') {
            reader.page_break(start);
            reader.line(after, start + 1, blank_before, blank_after, underline);
        } else {
            reader.line(line, start, blank_before, blank_after, underline);
        }
        if underline.is_some() && !line.trim().is_empty() {
            at += remaining.next().map_or(0, str::len);
        }
        blank_before = line.trim().is_empty();
    }
    reader.end_paragraph();
    reader.blocks
}

/// Reads the head that people write without marks: a title, then lines such as `부서: 심사부`, then
/// an empty line. The returned heading ends where the text goes on.
fn title_lines(text: &str) -> (Option<Block>, FrontMatter) {
    let none = (None, FrontMatter::default());
    let start = text.len() - text.trim_start_matches('\n').len();
    let mut lines = text.get(start..).unwrap_or_default().split_inclusive('\n');
    let Some(first) = lines.next() else { return none };
    let title = first.trim();
    if title.is_empty() || TITLE_CHARACTERS_MAX < title.chars().count() || title.ends_with(['.', ':']) {
        return none;
    }
    let mut labels = FrontMatter::default();
    let mut at = start + first.len();
    for line in lines {
        at += line.len();
        if line.trim().is_empty() {
            break;
        }
        let label = line.trim().split_once(':').filter(|(key, value)| {
            !key.contains(' ') && (1..=LABEL_CHARACTERS_MAX).contains(&key.chars().count()) && !value.trim().is_empty()
        });
        let Some((key, value)) = label else { return none };
        labels.entries.push((key.to_owned(), front_matter::Value::One(value.trim().to_owned())));
    }
    if labels.entries.is_empty() {
        return none;
    }
    let heading = Block { kind: BlockKind::Heading { level: 1 }, text: title.to_owned(), span: start..at, page: None };
    (Some(heading), labels)
}

struct Reader {
    blocks: Vec<Block>,
    paragraph: Vec<Line>,
    page: Option<u32>,
}

impl Reader {
    fn line(&mut self, line: &str, start: usize, blank_before: bool, blank_after: bool, underline: Option<u8>) {
        if line.trim().is_empty() {
            self.end_paragraph();
            return;
        }
        let found = lines::division(line)
            .or_else(|| (blank_before || blank_after).then(|| lines::outline(line))?)
            .or_else(|| (blank_before && blank_after).then(|| lines::numbered(line))?)
            .or_else(|| {
                let first = self.blocks.iter().all(|block| block.kind == BlockKind::PageBreak)
                    && self.paragraph.is_empty()
                    && blank_after
                    && line.chars().count() <= TITLE_CHARACTERS_MAX
                    && !line.ends_with(['.', '다'])
                    && lines::item_depth(line).is_none();
                let level = underline.or(first.then_some(1))?;
                Some(HeadingStart { level, bytes: line.len() })
            });
        let Some(heading) = found else {
            self.paragraph.push(Line { text: line.to_owned(), span: start..start + line.len() });
            return;
        };
        self.end_paragraph();
        let (title, rest) = line.split_at(heading.bytes.min(line.len()));
        self.blocks.push(Block {
            kind: BlockKind::Heading { level: heading.level },
            text: title.trim().to_owned(),
            span: start..start + title.len(),
            page: self.page,
        });
        if !rest.trim().is_empty() {
            self.paragraph.push(Line { text: rest.to_owned(), span: start + title.len()..start + line.len() });
        }
    }

    fn end_paragraph(&mut self) {
        let from = self.blocks.len();
        let paragraph = std::mem::take(&mut self.paragraph);
        match table(&paragraph) {
            Some(block) => self.blocks.push(block),
            None => lines::group(&paragraph, &BlockKind::Paragraph, &mut self.blocks),
        }
        for block in self.blocks.iter_mut().skip(from) {
            block.page = self.page;
        }
    }

    fn page_break(&mut self, at: usize) {
        self.end_paragraph();
        self.page = self.page.map(|page| page + 1);
        self.blocks.push(Block { kind: BlockKind::PageBreak, text: String::new(), span: at..at + 1, page: self.page });
    }
}

fn underline_level(line: &str) -> Option<u8> {
    let line = line.trim();
    if line.len() < 3 {
        return None;
    }
    match line {
        _ if line.chars().all(|letter| letter == '=') => Some(1),
        _ if line.chars().all(|letter| letter == '-') => Some(2),
        _ => None,
    }
}

/// Two lines or more with the same number of tabs are the rows of a table pasted as text.
fn table(lines: &[Line]) -> Option<Block> {
    let (first, last) = (lines.first()?, lines.last()?);
    let tabs = |line: &Line| line.text.trim_end().matches('\t').count();
    let columns = tabs(first);
    if lines.len() < 2 || columns == 0 || lines.iter().any(|line| tabs(line) != columns) {
        return None;
    }
    let table = Table {
        rows: lines.iter().map(|line| line.text.split('\t').map(|cell| cell.trim().to_owned()).collect()).collect(),
        header_rows: 1,
    };
    Some(Block {
        text: table.to_lines(),
        kind: BlockKind::Table(table),
        span: first.span.start..last.span.end,
        page: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &[(&str, &str)]) {
        let found = blocks(text, 0);
        let shown: Vec<(String, &str)> = found
            .iter()
            .map(|block| {
                let kind = match &block.kind {
                    BlockKind::Heading { level } => format!("h{level}"),
                    BlockKind::Paragraph => "p".to_owned(),
                    BlockKind::ListItem { depth } => format!("i{depth}"),
                    BlockKind::Table(_) => "t".to_owned(),
                    BlockKind::PageBreak => "break".to_owned(),
                };
                (kind, block.text.as_str())
            })
            .collect();
        let shown: Vec<(&str, &str)> = shown.iter().map(|(kind, text)| (kind.as_str(), *text)).collect();
        assert_eq!(shown, expected);
        for block in &found {
            assert!(text.get(block.span.clone()).is_some(), "{block:?}");
        }
    }

    #[test]
    fn reads_a_regulation() {
        check(
            "여신업무규정\n\n제1장 총칙\n제1조(목적) 이 규정은 여신을 정한다.\n② 예외는\n따로 정한다.\n 1. 담보\n\n부칙\n이 규정은 공포한 날부터 시행한다.\n",
            &[
                ("h1", "여신업무규정"),
                ("h2", "제1장 총칙"),
                ("h5", "제1조(목적)"),
                ("p", "이 규정은 여신을 정한다."),
                ("i0", "② 예외는 따로 정한다."),
                ("i1", "1. 담보"),
                ("h2", "부칙"),
                ("p", "이 규정은 공포한 날부터 시행한다."),
            ],
        );
    }

    #[test]
    fn reads_manuals_tables_and_pages() {
        check(
            "심사 매뉴얼\n====\n\n3.2 담보평가\n담보는 시가로 평가한다.\n\n구분\t비율\n토지\t70%\n\u{0C}다음 쪽이다.\n",
            &[
                ("h1", "심사 매뉴얼"),
                ("h2", "3.2 담보평가"),
                ("p", "담보는 시가로 평가한다."),
                ("t", "구분 | 비율\n토지 | 70%"),
                ("break", ""),
                ("p", "다음 쪽이다."),
            ],
        );
    }

    #[test]
    fn a_head_without_marks_is_read() {
        let document = read(
            "여신 사후관리 업무편람\n부서: 여신관리부\n작성일: 2025-09-01\n\n1. 자금용도 점검\n\n점검한다.\n"
                .as_bytes(),
        )
        .unwrap();
        assert_eq!(document.title.as_deref(), Some("여신 사후관리 업무편람"));
        assert_eq!(document.front_matter.first(&["부서"]), Some("여신관리부"));
        let shown: Vec<(&BlockKind, &str)> =
            document.blocks.iter().map(|block| (&block.kind, block.text.as_str())).collect();
        assert_eq!(
            shown,
            [
                (&BlockKind::Heading { level: 1 }, "여신 사후관리 업무편람"),
                (&BlockKind::Heading { level: 2 }, "1. 자금용도 점검"),
                (&BlockKind::Paragraph, "점검한다."),
            ]
        );
        let document = read("가나다\n라마바\n\n사아자\n".as_bytes()).unwrap();
        assert!(document.front_matter.entries.is_empty());
    }

    #[test]
    fn counts_pages() {
        let pages: Vec<Option<u32>> = blocks("가\n\u{0C}나\n", 0).iter().map(|block| block.page).collect();
        assert_eq!(pages, [Some(1), Some(2), Some(2)]);
    }
}
