//! HTML to blocks: headings, paragraphs, lists, tables.
//!
//! This is no browser: it runs nothing, fetches nothing, and reads broken markup as far as it goes.
//! What a browser would not show (scripts, styles, hidden elements) is not text of the document.

use crate::{
    Block, BlockKind, Document, DocumentError, Format, FrontMatter, Table, decode,
    lines::{self, Line},
    text,
};

pub(crate) fn read(bytes: &[u8]) -> Result<Document, DocumentError> {
    let decoded = decode::decode(bytes)?;
    let mut reader = Reader::default();
    reader.run(&decoded.text);
    let title = reader.title.trim().to_owned();
    let blocks = reader.blocks;
    Ok(Document {
        format: Format::Html,
        title: text::title(&FrontMatter::default(), &blocks).or((!title.is_empty()).then_some(title)),
        front_matter: FrontMatter::default(),
        blocks,
        encoding: decoded.encoding,
        text: decoded.text,
    })
}

/// Elements whose content is not text of the document.
const SKIPPED: &[&str] = &["script", "style", "noscript", "template", "svg", "iframe", "object", "nav"];
/// Elements that have no end.
const VOID: &[&str] = &["br", "hr", "img", "input", "meta", "link", "col", "wbr", "source", "area", "base", "embed"];

#[derive(Default)]
struct Reader {
    blocks: Vec<Block>,
    title: String,
    in_title: bool,
    /// The line being read and where it began.
    line: String,
    from: Option<usize>,
    to: usize,
    lines: Vec<Line>,
    heading: Option<u8>,
    /// The next number of each open list, where it counts.
    lists: Vec<Option<u64>>,
    marker: Option<String>,
    /// A hidden element and how many of its name are open in it.
    hidden: Option<(String, usize)>,
    table: Option<OpenTable>,
}

#[derive(Default)]
struct OpenTable {
    table: Table,
    from: usize,
    /// Tables within cells are read as text of the cell.
    nested: usize,
    in_cell: bool,
    header_row: bool,
}

struct Tag<'a> {
    name: String,
    closing: bool,
    attributes: &'a str,
}

impl Reader {
    fn run(&mut self, source: &str) {
        let mut at = 0;
        while let Some(rest) = source.get(at..).filter(|rest| !rest.is_empty()) {
            match rest.find('<') {
                Some(0) => at = self.markup(source, at),
                found => {
                    let end = at + found.unwrap_or(rest.len());
                    self.text(source.get(at..end).unwrap_or_default(), at);
                    at = end;
                }
            }
        }
        self.end_block();
        self.end_table(source.len());
    }

    /// Reads what begins with `<` and returns where it ends.
    fn markup(&mut self, source: &str, at: usize) -> usize {
        let rest = source.get(at..).unwrap_or_default();
        if let Some(comment) = rest.strip_prefix("<!--") {
            return at + comment.find("-->").map_or(rest.len(), |end| end + 7);
        }
        let Some((tag, length)) = tag(rest) else {
            // `<` before anything else is text, such as `<개정 2020.1.1>`.
            self.text("<", at);
            return at + 1;
        };
        let end = at + length;
        if let Some((name, depth)) = &mut self.hidden {
            if *name == tag.name {
                *depth = if tag.closing { depth.saturating_sub(1) } else { *depth + 1 };
                if *depth == 0 {
                    self.hidden = None;
                }
            }
            return end;
        }
        let void = VOID.contains(&tag.name.as_str());
        let skipped = SKIPPED.contains(&tag.name.as_str()) || conceals(tag.attributes);
        if !tag.closing && !void && skipped && !tag.attributes.ends_with('/') {
            self.hidden = Some((tag.name, 1));
            return end;
        }
        self.element(&tag, end);
        end
    }

    fn element(&mut self, tag: &Tag<'_>, at: usize) {
        match (tag.name.as_str(), tag.closing) {
            ("title", closing) => self.in_title = !closing,
            ("br", _) => self.end_line(),
            ("h1" | "h2" | "h3" | "h4" | "h5" | "h6", closing) if self.table.is_none() => {
                self.end_block();
                let level = tag.name.as_bytes().get(1).map_or(1, |digit| digit.saturating_sub(b'0'));
                self.heading = (!closing).then_some(level);
            }
            ("ul" | "ol", false) if self.table.is_none() => {
                self.end_block();
                self.lists.push((tag.name == "ol").then_some(1));
            }
            ("ul" | "ol", true) if self.table.is_none() => {
                self.end_block();
                self.lists.pop();
            }
            ("li", false) if self.table.is_none() => {
                self.end_block();
                if let Some(Some(number)) = self.lists.last_mut() {
                    self.marker = Some(format!("{number}. "));
                    *number += 1;
                }
            }
            ("table", false) => match &mut self.table {
                Some(open) => open.nested += 1,
                None => {
                    self.end_block();
                    self.table = Some(OpenTable { from: at, ..OpenTable::default() });
                }
            },
            ("table", true) => match &mut self.table {
                Some(open) if open.nested > 0 => open.nested -= 1,
                _ => self.end_table(at),
            },
            ("tr", closing) => self.row(closing),
            ("td" | "th", closing) => self.cell(tag, closing),
            (
                "p" | "div" | "section" | "article" | "main" | "header" | "footer" | "blockquote" | "pre" | "dl" | "dt"
                | "dd" | "li" | "hr" | "body" | "head" | "html" | "figure" | "figcaption" | "caption" | "form",
                _,
            ) => {
                if self.table.is_some() {
                    self.end_line()
                } else {
                    self.end_block()
                }
            }
            _ => {}
        }
    }

    fn text(&mut self, raw: &str, at: usize) {
        if self.hidden.is_some() {
            return;
        }
        let shown = entities(raw);
        if self.in_title {
            self.title.push_str(&shown);
            return;
        }
        for letter in shown.chars() {
            if letter.is_whitespace() {
                if !self.line.is_empty() && !self.line.ends_with(' ') {
                    self.line.push(' ');
                }
            } else {
                self.line.push(letter);
            }
        }
        if !raw.trim().is_empty() {
            self.from.get_or_insert(at);
            self.to = at + raw.len();
        }
    }

    fn end_line(&mut self) {
        let line = std::mem::take(&mut self.line);
        let from = self.from.take();
        if line.trim().is_empty() {
            return;
        }
        let text = match self.marker.take() {
            Some(marker) => format!("{marker}{}", line.trim()),
            None => line.trim().to_owned(),
        };
        self.lines.push(Line { text, span: from.unwrap_or(self.to)..self.to });
    }

    fn end_block(&mut self) {
        self.end_line();
        let lines = std::mem::take(&mut self.lines);
        let (Some(first), Some(last)) = (lines.first(), lines.last()) else { return };
        if let Some(level) = self.heading {
            let span = first.span.start..last.span.end;
            let text = lines.iter().map(|line| line.text.as_str()).collect::<Vec<_>>().join(" ");
            self.blocks.push(Block { kind: BlockKind::Heading { level }, text, span, page: None });
            return;
        }
        let kind = match u8::try_from(self.lists.len()) {
            Ok(0) | Err(_) => BlockKind::Paragraph,
            Ok(depth) => BlockKind::ListItem { depth: depth - 1 },
        };
        lines::group(&lines, &kind, &mut self.blocks);
    }

    fn row(&mut self, closing: bool) {
        self.end_cell();
        if let Some(open) = self.table.as_mut().filter(|open| open.nested == 0) {
            if !closing {
                open.table.rows.push(Vec::new());
                open.header_row = true;
            } else if open.header_row && open.table.header_rows + 1 == open.table.rows.len() {
                // Only rows of nothing but header cells at the top name the columns.
                let named = open.table.rows.last().is_some_and(|row| !row.is_empty());
                open.table.header_rows += usize::from(named);
            }
        }
    }

    fn cell(&mut self, tag: &Tag<'_>, closing: bool) {
        if self.table.as_ref().is_none_or(|open| open.nested > 0) {
            self.end_line();
            return;
        }
        self.end_cell();
        if let Some(open) = self.table.as_mut().filter(|_| !closing) {
            open.in_cell = true;
            open.header_row &= tag.name == "th";
            if open.table.rows.is_empty() {
                open.table.rows.push(Vec::new());
            }
        }
    }

    fn end_cell(&mut self) {
        if self.table.as_ref().is_none_or(|open| !open.in_cell || open.nested > 0) {
            return;
        }
        self.end_line();
        let lines = std::mem::take(&mut self.lines);
        let cell = lines.iter().map(|line| line.text.as_str()).collect::<Vec<_>>().join(" ");
        if let Some(open) = &mut self.table {
            open.in_cell = false;
            if let Some(row) = open.table.rows.last_mut() {
                row.push(cell);
            }
        }
    }

    fn end_table(&mut self, at: usize) {
        self.end_cell();
        let Some(mut open) = self.table.take() else { return };
        open.table.rows.retain(|row| row.iter().any(|cell| !cell.is_empty()));
        open.table.header_rows = open.table.header_rows.min(open.table.rows.len());
        if !open.table.rows.is_empty() {
            let text = open.table.to_lines();
            self.blocks.push(Block { kind: BlockKind::Table(open.table), text, span: open.from..at, page: None });
        }
    }
}

/// Reads a tag at the start of `rest`; nothing where it is none.
fn tag(rest: &str) -> Option<(Tag<'_>, usize)> {
    let inner = rest.strip_prefix('<')?;
    let closing = inner.starts_with('/');
    let named = inner.trim_start_matches('/');
    let first = named.chars().next()?;
    if !first.is_ascii_alphabetic() && !matches!(first, '!' | '?') {
        return None;
    }
    let mut quote = None;
    let end = rest.char_indices().skip(1).find(|(_, letter)| {
        match (quote, letter) {
            (None, '"' | '\'') => quote = Some(*letter),
            (Some(open), letter) if open == *letter => quote = None,
            (None, '>') => return true,
            _ => {}
        }
        false
    });
    let end = end.map_or(rest.len(), |(at, _)| at);
    let body = rest.get(1..end)?.trim_start_matches('/');
    let name_bytes = body.find(|letter: char| letter.is_whitespace() || letter == '/').unwrap_or(body.len());
    let (name, attributes) = body.split_at(name_bytes);
    Some((Tag { name: name.to_ascii_lowercase(), closing, attributes: attributes.trim() }, (end + 1).min(rest.len())))
}

/// Tells an element that a browser would not show.
fn conceals(attributes: &str) -> bool {
    let compact: String =
        attributes.chars().filter(|letter| !letter.is_whitespace()).flat_map(char::to_lowercase).collect();
    let hidden = attributes.split_whitespace().any(|word| word.eq_ignore_ascii_case("hidden"));
    hidden
        || compact.contains("display:none")
        || compact.contains("visibility:hidden")
        || compact.contains("font-size:0;")
        || compact.contains("font-size:0\"")
        || compact.contains("font-size:0px")
}

fn entities(text: &str) -> String {
    if !text.contains('&') {
        return text.to_owned();
    }
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('&') {
        shown.push_str(before);
        let entity = after.find(';').filter(|end| *end <= 10).and_then(|end| after.get(..end));
        match entity.and_then(|name| Some((name, character(name)?))) {
            Some((name, letter)) => {
                shown.push(letter);
                rest = after.get(name.len() + 1..).unwrap_or_default();
            }
            None => {
                shown.push('&');
                rest = after;
            }
        }
    }
    shown.push_str(rest);
    // References may stand for what the decoder has just removed.
    decode::clean(&shown)
}

fn character(name: &str) -> Option<char> {
    if let Some(number) = name.strip_prefix('#') {
        let code = match number.strip_prefix(['x', 'X']) {
            Some(hex) => u32::from_str_radix(hex, 16).ok()?,
            None => number.parse().ok()?,
        };
        return char::from_u32(code);
    }
    Some(match name {
        "amp" => '&',
        "lt" => '<',
        "gt" => '>',
        "quot" => '"',
        "apos" => '\'',
        "nbsp" => ' ',
        "middot" => '·',
        "hellip" => '…',
        "ndash" => '–',
        "mdash" => '—',
        "lsquo" => '‘',
        "rsquo" => '’',
        "ldquo" => '“',
        "rdquo" => '”',
        "times" => '×',
        "bull" => '•',
        "copy" => '©',
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn check(html: &str, expected: &[(&str, &str)]) {
        let mut reader = Reader::default();
        reader.run(html);
        let shown: Vec<(String, &str)> = reader
            .blocks
            .iter()
            .map(|block| {
                let kind = match &block.kind {
                    BlockKind::Heading { level } => format!("h{level}"),
                    BlockKind::Paragraph => "p".to_owned(),
                    BlockKind::ListItem { depth } => format!("i{depth}"),
                    BlockKind::Table(table) => format!("t{}", table.header_rows),
                    BlockKind::PageBreak => "break".to_owned(),
                };
                (kind, block.text.as_str())
            })
            .collect();
        let shown: Vec<(&str, &str)> = shown.iter().map(|(kind, text)| (kind.as_str(), *text)).collect();
        assert_eq!(shown, expected, "{html}");
    }

    #[test]
    fn reads_what_a_browser_shows() {
        check(
            "<html><head><title>제목</title><style>p{}</style></head><body><h1>여신 <b>지침</b></h1>\
             <p>첫째&nbsp;문단 &lt;개정 2020&gt;<br>둘째 줄<p>셋째 <개정 2020.1.1>\
             <ol><li>하나<li>둘<ul><li>둘의 하나</ul></ol><script>alert('<p>')</script>\
             <div style=\"display: none\">숨은 <div>지시</div></div><p hidden>숨음</p>끝</body></html>",
            &[
                ("h1", "여신 지침"),
                ("p", "첫째 문단 <개정 2020> 둘째 줄"),
                ("p", "셋째 <개정 2020.1.1>"),
                ("i0", "1. 하나"),
                ("i0", "2. 둘"),
                ("i1", "둘의 하나"),
                ("p", "끝"),
            ],
        );
    }

    #[test]
    fn reads_tables() {
        check(
            "<table><tr><th>구분<th>비율</tr><tr><td>토지<td>70%<table><tr><td>안</table></tr><tr></tr></table>",
            &[("t1", "구분 | 비율\n토지 | 70% 안")],
        );
    }

    proptest! {
        #[test]
        fn any_markup_is_read(html in "(<(/?)(p|div|table|tr|td|th|ul|ol|li|h1|script|br)( hidden| style='display:none'|)>|[가-힣a-z&;#<>\"' ]){0,60}") {
            let mut reader = Reader::default();
            reader.run(&html);
            for block in reader.blocks {
                prop_assert!(html.get(block.span.clone()).is_some(), "{:?}", block);
                prop_assert!(!block.is_blank());
            }
        }
    }
}
