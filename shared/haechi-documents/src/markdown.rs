//! Markdown to blocks.
//!
//! Law texts and office manuals put enumerated lines (①, 1., 가.) into one paragraph, and indent
//! the deeper ones until Markdown takes them for code; both become list items here.

use std::ops::Range;

use pulldown_cmark::{CodeBlockKind, Event, HeadingLevel, Options, Parser, Tag, TagEnd};

use crate::{
    Block, BlockKind, Document, DocumentError, Format, Table, decode, front_matter,
    lines::{self, Line},
    text,
};

pub(crate) fn read(bytes: &[u8]) -> Result<Document, DocumentError> {
    let decoded = decode::decode(bytes)?;
    let (front_matter, head) = front_matter::split(&decoded.text);
    let blocks = blocks(&decoded.text, head.end);
    Ok(Document {
        format: Format::Markdown,
        title: text::title(&front_matter, &blocks),
        front_matter,
        blocks,
        encoding: decoded.encoding,
        text: decoded.text,
    })
}

fn blocks(text: &str, from: usize) -> Vec<Block> {
    let body = text.get(from..).unwrap_or_default();
    let mut reader = Reader { from, ..Reader::default() };
    let options = Options::ENABLE_TABLES | Options::ENABLE_FOOTNOTES;
    for (event, span) in Parser::new_ext(body, options).into_offset_iter() {
        reader.event(event, span);
    }
    reader.blocks
}

#[derive(Default)]
struct Reader {
    /// Where the body starts; the parser counts from there.
    from: usize,
    blocks: Vec<Block>,
    lines: Vec<Line>,
    line_open: bool,
    list_depth: u8,
    /// The next number of each open list, where it counts.
    numbers: Vec<Option<u64>>,
    /// The number that the item at hand begins with, until its first text comes.
    number: Option<u64>,
    indented_code: bool,
    table: Option<Table>,
    row: Vec<String>,
}

impl Reader {
    fn event(&mut self, event: Event<'_>, span: Range<usize>) {
        let span = self.from + span.start..self.from + span.end;
        match event {
            Event::Start(tag) => self.start(&tag),
            Event::End(tag) => self.end(tag, span),
            Event::Text(piece) | Event::Code(piece) => self.text(&piece, span),
            Event::InlineMath(piece) | Event::DisplayMath(piece) => self.text(&piece, span),
            Event::SoftBreak | Event::HardBreak => self.line_open = false,
            Event::InlineHtml(tag) => {
                if tag.starts_with("<br") || tag.starts_with("<BR") {
                    self.line_break_in_place();
                }
            }
            Event::Html(html) => {
                let stripped = strip_tags(&html);
                self.text(&stripped, span);
            }
            Event::FootnoteReference(_) | Event::TaskListMarker(_) | Event::Rule => {}
        }
    }

    fn start(&mut self, tag: &Tag<'_>) {
        match tag {
            Tag::List(first) => {
                self.numbers.push(*first);
                self.flush(&self.leaf());
                self.list_depth = self.list_depth.saturating_add(1);
            }
            Tag::Item => {
                self.number = self.numbers.last().copied().flatten();
                if let Some(Some(next)) = self.numbers.last_mut() {
                    *next += 1;
                }
            }
            Tag::CodeBlock(CodeBlockKind::Indented) => self.indented_code = true,
            Tag::Table(_) => self.table = Some(Table::default()),
            Tag::TableCell => self.lines.clear(),
            _ => {}
        }
        self.line_open = false;
    }

    fn end(&mut self, tag: TagEnd, span: Range<usize>) {
        match tag {
            TagEnd::Heading(level) => self.flush_whole(BlockKind::Heading { level: level_number(level) }),
            TagEnd::Paragraph | TagEnd::HtmlBlock | TagEnd::FootnoteDefinition => {
                self.flush(&self.leaf());
            }
            TagEnd::CodeBlock => {
                self.flush(&self.leaf());
                self.indented_code = false;
            }
            TagEnd::Item => self.flush(&self.leaf()),
            TagEnd::List(_) => {
                self.numbers.pop();
                self.list_depth = self.list_depth.saturating_sub(1);
            }
            TagEnd::TableCell => {
                let cell = self.lines.drain(..).map(|line| line.text.trim().to_owned()).collect::<Vec<_>>().join(" ");
                self.row.push(cell);
            }
            TagEnd::TableHead | TagEnd::TableRow => {
                let row = std::mem::take(&mut self.row);
                if let Some(table) = &mut self.table {
                    table.rows.push(row);
                    table.header_rows = 1;
                }
            }
            TagEnd::Table => {
                if let Some(table) = self.table.take() {
                    self.blocks.push(Block { text: table.to_lines(), kind: BlockKind::Table(table), span, page: None });
                }
            }
            _ => return,
        }
        self.line_open = false;
    }

    /// Inside a list everything belongs to its item.
    fn leaf(&self) -> BlockKind {
        match self.list_depth {
            0 => BlockKind::Paragraph,
            depth => BlockKind::ListItem { depth: depth - 1 },
        }
    }

    fn text(&mut self, piece: &str, span: Range<usize>) {
        // Entities and code are shorter or longer than their source; positions then stay coarse.
        let exact = piece.len() == span.len();
        let mut at = span.start;
        for part in piece.split_inclusive('\n') {
            let part_span = if exact { at..at + part.len() } else { span.clone() };
            at += part.len();
            let content = part.trim_end_matches('\n');
            match self.lines.last_mut().filter(|_| self.line_open) {
                Some(line) => {
                    line.text.push_str(content);
                    line.span.end = part_span.end;
                }
                None => {
                    // The number belongs to what a reader sees and quotes: `2. 담보가치 평가`.
                    let text = match self.number.take() {
                        Some(number) => format!("{number}. {content}"),
                        None => content.to_owned(),
                    };
                    self.lines.push(Line { text, span: part_span });
                }
            }
            self.line_open = !part.ends_with('\n');
        }
    }

    fn line_break_in_place(&mut self) {
        match self.lines.last_mut().filter(|_| self.table.is_some()) {
            Some(line) => line.text.push(' '),
            None => self.line_open = false,
        }
    }

    fn flush(&mut self, kind: &BlockKind) {
        let mut paragraph = std::mem::take(&mut self.lines);
        if self.indented_code {
            for line in &mut paragraph {
                line.text = line.text.replace("\\.", ".");
            }
        }
        lines::group(&paragraph, kind, &mut self.blocks);
    }

    fn flush_whole(&mut self, kind: BlockKind) {
        let paragraph = std::mem::take(&mut self.lines);
        let (Some(first), Some(last)) = (paragraph.first(), paragraph.last()) else {
            return;
        };
        let span = first.span.start..last.span.end;
        let text = paragraph.iter().map(|line| line.text.trim()).collect::<Vec<_>>().join(" ");
        self.blocks.push(Block { kind, text, span, page: None });
    }
}

fn level_number(level: HeadingLevel) -> u8 {
    match level {
        HeadingLevel::H1 => 1,
        HeadingLevel::H2 => 2,
        HeadingLevel::H3 => 3,
        HeadingLevel::H4 => 4,
        HeadingLevel::H5 => 5,
        HeadingLevel::H6 => 6,
    }
}

/// Drops the tags of an HTML passage inside Markdown and keeps what a reader would see.
fn strip_tags(html: &str) -> String {
    let mut shown = String::with_capacity(html.len());
    let mut rest = html;
    while let Some((before, tag)) = rest.split_once('<') {
        shown.push_str(before);
        // `<개정 2010.5.17>` is text of the law; tags begin with an ASCII letter or a mark.
        let is_tag = tag.starts_with(|letter: char| letter.is_ascii_alphabetic() || matches!(letter, '/' | '!' | '?'));
        match tag.split_once('>').filter(|_| is_tag) {
            Some((_, after)) => rest = after,
            None => {
                shown.push('<');
                rest = tag;
            }
        }
    }
    shown.push_str(rest);
    shown
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &[(BlockKind, &str)]) {
        let found: Vec<(BlockKind, String)> =
            blocks(text, 0).into_iter().map(|block| (block.kind, block.text)).collect();
        let expected: Vec<(BlockKind, String)> =
            expected.iter().map(|(kind, text)| (kind.clone(), (*text).to_owned())).collect();
        assert_eq!(found, expected);
    }

    fn item(depth: u8) -> BlockKind {
        BlockKind::ListItem { depth }
    }

    #[test]
    fn reads_a_statute() {
        check(
            "# 은행법\n\n##### 제2조 (정의)\n\n**①** 뜻은 다음과 같다. <개정 2013.8.13>\n\n  1\\. \"은행업\"이란\n    가\\. 예금을 받아\n",
            &[
                (BlockKind::Heading { level: 1 }, "은행법"),
                (BlockKind::Heading { level: 5 }, "제2조 (정의)"),
                (item(0), "① 뜻은 다음과 같다. <개정 2013.8.13>"),
                (item(1), "1. \"은행업\"이란"),
                (item(2), "가. 예금을 받아"),
            ],
        );
        check("본문\n\n    가\\. 예금\n", &[(BlockKind::Paragraph, "본문"), (item(2), "가. 예금")]);
    }

    #[test]
    fn reads_lists_and_tables() {
        check(
            "- 가계\n  - 주택\n- 기업\n\n1. 첫째\n\n   이어서\n",
            &[(item(0), "가계"), (item(1), "주택"), (item(0), "기업"), (item(0), "1. 첫째"), (item(0), "이어서")],
        );
        check(
            "| 구분 | 비율 |\n|---|---|\n| 토지<br>건물 | **70%** |\n",
            &[(
                BlockKind::Table(Table {
                    rows: vec![vec!["구분".into(), "비율".into()], vec!["토지 건물".into(), "70%".into()]],
                    header_rows: 1,
                }),
                "구분 | 비율\n토지 건물 | 70%",
            )],
        );
    }

    #[test]
    fn spans_point_at_the_source() {
        let text = "# 은행법\n\n가 **나** 다\n라\n";
        let found = blocks(text, 0);
        assert_eq!(&text[found[0].span.clone()], "은행법");
        assert_eq!(&text[found[1].span.clone()], "가 **나** 다\n라");
    }

    proptest! {
        #[test]
        fn any_text_gives_blocks_inside_it(text in "[가-힣a-z0-9 |*#>`<\\[\\]()①1.\\-\\\\\n\t]{0,200}") {
            for block in blocks(&text, 0) {
                prop_assert!(text.get(block.span.clone()).is_some(), "{:?}", block);
            }
        }
    }
}
