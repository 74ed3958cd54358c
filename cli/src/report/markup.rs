//! The marks between a template and the finished page, and the escaping of data.
//!
//! A filter cannot know whether its text ends in Markdown or HTML, so citations, tables and charts
//! leave a mark (a number between two private characters) that each writer replaces. Data can hold
//! neither the characters (they are removed on the way in) nor markup (it is escaped here), so what
//! stands in a report beyond the template's own words was made by our filters.

use crate::language::values::{MARK_CLOSE, MARK_OPEN};

/// What a mark stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Mark {
    /// Citation number `n` of the draft.
    Cite(usize),
    /// Block number `n`: a table or chart.
    Block(usize),
    /// The place of the list of sources.
    Sources,
}

impl Mark {
    pub(crate) fn text(self) -> String {
        match self {
            Self::Cite(number) => format!("{MARK_OPEN}C{number}{MARK_CLOSE}"),
            Self::Block(number) => format!("{MARK_OPEN}B{number}{MARK_CLOSE}"),
            Self::Sources => format!("{MARK_OPEN}S{MARK_CLOSE}"),
        }
    }

    fn parse(inside: &str) -> Option<Self> {
        match inside.split_at_checked(1)? {
            ("C", number) => number.parse().ok().map(Self::Cite),
            ("B", number) => number.parse().ok().map(Self::Block),
            ("S", "") => Some(Self::Sources),
            _ => None,
        }
    }
}

/// A piece of rendered text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Piece<'text> {
    Text(&'text str),
    Mark(Mark),
}

/// Splits text at its marks.
pub(crate) fn pieces(text: &str) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while let Some(start) = rest.find(MARK_OPEN) {
        let after = &rest[start + MARK_OPEN.len_utf8()..];
        let Some(end) = after.find(MARK_CLOSE) else { break };
        if 0 < start {
            pieces.push(Piece::Text(&rest[..start]));
        }
        if let Some(mark) = Mark::parse(&after[..end]) {
            pieces.push(Piece::Mark(mark));
        }
        rest = &after[end + MARK_CLOSE.len_utf8()..];
    }
    if !rest.is_empty() {
        pieces.push(Piece::Text(rest));
    }
    pieces
}

/// Every mark of the text, in order.
pub(crate) fn marks(text: &str) -> Vec<Mark> {
    pieces(text)
        .into_iter()
        .filter_map(|piece| match piece {
            Piece::Mark(mark) => Some(mark),
            Piece::Text(_) => None,
        })
        .collect()
}

/// Data as Markdown that shows exactly these characters, on one line.
pub(crate) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 8);
    let line: String =
        text.split(['\n', '\r']).map(str::trim).filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" ");
    let characters: Vec<char> = line.chars().collect();
    // A list or heading can only begin at the beginning.
    let digits = characters.iter().take_while(|character| character.is_ascii_digit()).count();
    for (position, &character) in characters.iter().enumerate() {
        let next = characters.get(position + 1).copied();
        let previous = position.checked_sub(1).and_then(|before| characters.get(before)).copied();
        let opens = match character {
            '\\' | '`' | '*' | '[' | ']' | '<' | '>' | '|' | '~' => true,
            // Inside a word an underscore emphasises nothing.
            '_' => !(previous.is_some_and(char::is_alphanumeric) && next.is_some_and(char::is_alphanumeric)),
            '&' => next.is_some_and(|next| next.is_ascii_alphanumeric() || next == '#'),
            '#' | '=' => position == 0,
            '-' | '+' => position == 0 && next.is_none_or(|next| next == ' ' || next == character),
            '.' | ')' => 0 < digits && position == digits && next.is_none_or(|next| next == ' '),
            _ => false,
        };
        if opens {
            out.push('\\');
        }
        if !character.is_control() {
            out.push(character);
        }
    }
    out
}

/// Text for the inside of an HTML element or attribute.
pub(crate) fn html(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 8);
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            MARK_OPEN | MARK_CLOSE => {}
            _ => out.push(character),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn shown(markdown: &str) -> String {
        let mut text = String::new();
        for event in pulldown_cmark::Parser::new_ext(markdown, pulldown_cmark::Options::ENABLE_TABLES) {
            match event {
                pulldown_cmark::Event::Text(part) | pulldown_cmark::Event::Code(part) => text.push_str(&part),
                pulldown_cmark::Event::Html(_) | pulldown_cmark::Event::InlineHtml(_) => panic!("raw html"),
                pulldown_cmark::Event::Start(tag) => assert_eq!(tag, pulldown_cmark::Tag::Paragraph, "{markdown}"),
                _ => {}
            }
        }
        text
    }

    #[test]
    fn data_never_becomes_markup() {
        for data in [
            "<script>alert(1)</script>",
            "[눌러](javascript:alert(1))",
            "| a | b |",
            "# 제목",
            "- 목록",
            "1. 목록",
            "**굵게** _기울임_ `코드`",
            "R&D &amp; A",
            "a_b_c",
            "=== ~~~ ---",
            "\\* 별",
        ] {
            assert_eq!(shown(&escaped(data)), data, "{data}");
        }
        assert_eq!(escaped("한 줄\n두 줄"), "한 줄 두 줄");
    }

    proptest! {
        #[test]
        fn any_text_reads_back(words in "[ -~가-힣]{1,40}") {
            let line = words.split_whitespace().collect::<Vec<_>>().join(" ");
            prop_assume!(!line.is_empty());
            prop_assert_eq!(shown(&escaped(&line)), line);
        }
    }

    #[test]
    fn marks_are_found_and_broken_ones_left_out() {
        let text = format!("가{}나{}", Mark::Cite(3).text(), Mark::Block(0).text());
        assert_eq!(
            pieces(&text),
            [Piece::Text("가"), Piece::Mark(Mark::Cite(3)), Piece::Text("나"), Piece::Mark(Mark::Block(0))]
        );
        assert_eq!(marks(&format!("{MARK_OPEN}X9{MARK_CLOSE}")), []);
    }
}
