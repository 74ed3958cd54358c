//! What a line of Korean office writing is by how it begins: ①, 1., 가., □, 제3조(…).
//!
//! Regulations and manuals carry their structure in such marks whatever the file format is, so
//! the readers share this. It looks at one line at a time and knows nothing of its neighbours.

use std::ops::Range;

use crate::{Block, BlockKind};

/// A heading longer than this is a sentence that happens to begin like one.
const HEADING_CHARACTERS_MAX: usize = 80;

/// A heading at the start of a line: its level and where its text ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct HeadingStart {
    pub(crate) level: u8,
    /// Bytes of the line that are the heading; what follows is the first paragraph under it.
    pub(crate) bytes: usize,
}

/// Returns the depth of an enumerated line, counted from 항 (0) over 호 (1) to 목 (2) and below.
pub(crate) fn item_depth(line: &str) -> Option<u8> {
    let trimmed = line.trim_start();
    let mut letters = trimmed.chars();
    let first = letters.next()?;
    let rest = letters.as_str();
    match first {
        '\u{2460}'..='\u{2473}' | '\u{3251}'..='\u{325F}' | '\u{32B1}'..='\u{32BF}' => Some(0),
        '0'..='9' => {
            let digits = trimmed.len() - trimmed.trim_start_matches(|letter: char| letter.is_ascii_digit()).len();
            (digits <= 3 && closes_marker(trimmed.get(digits..)?)).then_some(1)
        }
        '가' | '나' | '다' | '라' | '마' | '바' | '사' | '아' | '자' | '차' | '카' | '타' | '파' | '하' => {
            closes_marker(rest).then_some(2)
        }
        '(' => {
            let (inner, after) = rest.split_once(')')?;
            let numbered = !inner.is_empty()
                && inner.chars().count() <= 3
                && inner.chars().all(|letter| letter.is_ascii_digit() || is_item_syllable(letter));
            (numbered && after.starts_with(' ')).then_some(3)
        }
        '□' | '■' | '◆' | '◇' | '▣' | '❑' => Some(0),
        '○' | '●' | 'ㅇ' | '◦' | '◎' | '▶' | '▷' => rest.starts_with(' ').then_some(1),
        '-' | '–' | '*' | '•' | '·' | '▪' | '▫' | '∙' => rest.starts_with(' ').then_some(2),
        _ => None,
    }
}

fn is_item_syllable(letter: char) -> bool {
    "가나다라마바사아자차카타파하".contains(letter)
}

/// Tells `. ` or `) ` after a number from the point of `1.5`.
fn closes_marker(rest: &str) -> bool {
    let Some(rest) = rest.strip_prefix(['.', ')']) else {
        return false;
    };
    rest.is_empty() || rest.starts_with([' ', '\t', '\u{A0}'])
}

/// Recognises a line that starts a division of a regulation: 제1편, 제2장 총칙, 제3조의2(정의), 부칙.
pub(crate) fn division(line: &str) -> Option<HeadingStart> {
    let trimmed = line.trim_start();
    let indent = line.len() - trimmed.len();
    let whole = |level| {
        (trimmed.chars().count() <= HEADING_CHARACTERS_MAX)
            .then_some(HeadingStart { level, bytes: line.trim_end().len() })
    };
    let compact: String = trimmed.chars().filter(|letter| !letter.is_whitespace()).take(6).collect();
    if compact == "부칙" || compact.starts_with("부칙<") || compact.starts_with("부칙(") {
        return whole(2);
    }
    if trimmed.starts_with("[별표") || trimmed.starts_with("[별지") || trimmed.starts_with("<별표") {
        return whole(2);
    }
    let rest = trimmed.strip_prefix('제')?.trim_start();
    let digits = rest.len() - rest.trim_start_matches(|letter: char| letter.is_ascii_digit()).len();
    if digits == 0 || 5 < digits {
        return None;
    }
    let rest = rest.get(digits..)?.trim_start();
    let mut letters = rest.chars();
    let unit = letters.next()?;
    let mut rest = letters.as_str();
    if let Some(branch) = rest.strip_prefix('의') {
        let branch_digits = branch.trim_start_matches(|letter: char| letter.is_ascii_digit());
        if branch_digits.len() < branch.len() {
            rest = branch_digits;
        }
    }
    let level = match unit {
        '편' => 1,
        '장' => 2,
        '절' => 3,
        '관' => 4,
        '조' => return article(line, indent, rest),
        _ => return None,
    };
    (rest.is_empty() || rest.starts_with([' ', '\t', '('])).then(|| whole(level))?
}

/// The title in brackets belongs to the heading of an article; its first sentence does not.
fn article(line: &str, indent: usize, rest: &str) -> Option<HeadingStart> {
    let after = rest.trim_start();
    let bytes = if let Some(inner) = after.strip_prefix('(') {
        let mut open = 1_usize;
        let close = inner.char_indices().find(|(_, letter)| {
            match letter {
                '(' => open += 1,
                ')' => open -= 1,
                _ => {}
            }
            open == 0
        })?;
        line.len() - inner.len() + close.0 + 1
    } else if after.is_empty() || after.starts_with("삭제") || after.starts_with("<삭제") {
        line.len() - rest.len()
    } else {
        // `제3조에 따라 …` is a sentence, not a heading.
        return None;
    };
    let title = line.get(indent..bytes)?;
    (title.chars().count() <= HEADING_CHARACTERS_MAX).then_some(HeadingStart { level: 5, bytes })
}

/// Recognises outline numbers: `Ⅱ. 심사`, `3.2 담보평가`, `1.2.3 예외`.
pub(crate) fn outline(line: &str) -> Option<HeadingStart> {
    let trimmed = line.trim();
    if trimmed.chars().count() > 60 || trimmed.ends_with(['.', ',', ';', ':']) || trimmed.ends_with("다") {
        return None;
    }
    let heading = |level| Some(HeadingStart { level, bytes: line.trim_end().len() });
    let first = trimmed.chars().next()?;
    if ('\u{2160}'..='\u{216B}').contains(&first) {
        let rest = trimmed.trim_start_matches(|letter| ('\u{2160}'..='\u{216B}').contains(&letter));
        return if rest.starts_with('.') || rest.starts_with(' ') { heading(1) } else { None };
    }
    let number_bytes =
        trimmed.len() - trimmed.trim_start_matches(|letter: char| letter.is_ascii_digit() || letter == '.').len();
    let number = trimmed.get(..number_bytes)?.trim_end_matches('.');
    let parts = number.split('.').count();
    let title = trimmed.get(number_bytes..)?;
    let numbered = number.split('.').all(|part| !part.is_empty() && part.len() <= 2);
    let titled =
        title.strip_prefix(' ').is_some_and(|title| title.trim_start().chars().next().is_some_and(char::is_alphabetic));
    if (2..=5).contains(&parts) && numbered && titled {
        return heading(u8::try_from(parts).unwrap_or(5));
    }
    None
}

/// Recognises `1. 자금용도 점검`, a heading only where it stands alone between empty lines.
pub(crate) fn numbered(line: &str) -> Option<HeadingStart> {
    let trimmed = line.trim();
    let short = trimmed.chars().count() <= 40;
    let sentence = trimmed.ends_with(['.', ',', ';', ':', '다', '음', '함']);
    (short && !sentence && line.starts_with(|letter: char| letter.is_ascii_digit()) && item_depth(line) == Some(1))
        .then_some(HeadingStart { level: 2, bytes: line.trim_end().len() })
}

/// A line of a paragraph with the bytes it came from.
#[derive(Debug, Clone)]
pub(crate) struct Line {
    pub(crate) text: String,
    pub(crate) span: Range<usize>,
}

/// Groups the lines of one paragraph into blocks: an enumerated line starts an item, a line
/// without a mark goes on with the one before.
pub(crate) fn group(lines: &[Line], kind: &BlockKind, blocks: &mut Vec<Block>) {
    let mut open = false;
    for line in lines {
        let text = line.text.trim();
        if text.is_empty() {
            continue;
        }
        let depth = item_depth(&line.text);
        if let (None, true, Some(last)) = (depth, open, blocks.last_mut()) {
            last.text.push(' ');
            last.text.push_str(text);
            last.span.end = line.span.end;
            continue;
        }
        let kind = match (depth, kind) {
            (Some(depth), BlockKind::Paragraph) => BlockKind::ListItem { depth },
            (_, kind) => kind.clone(),
        };
        blocks.push(Block { kind, text: text.to_owned(), span: line.span.clone(), page: None });
        open = true;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_items_from_sentences() {
        let check = |line: &str, depth: Option<u8>| assert_eq!(item_depth(line), depth, "{line:?}");
        check("① 은행은", Some(0));
        check("  1. \"은행업\"이란", Some(1));
        check("12) 담보", Some(1));
        check("    가. 동일인", Some(2));
        check("(2) 예외", Some(3));
        check("○ 대상", Some(1));
        check("- 예외", Some(2));
        check("1.5%를 넘는", None);
        check("2026. 3. 1.", None);
        check("가계대출", None);
        check("-3억원", None);
        check("(주)한강", None);
    }

    #[test]
    fn finds_divisions_and_where_their_titles_end() {
        let check = |line: &str, expected: Option<(u8, &str)>| {
            let found = division(line).map(|heading| (heading.level, line.get(..heading.bytes).unwrap().trim()));
            assert_eq!(found, expected, "{line:?}");
        };
        check("제1장 총칙", Some((2, "제1장 총칙")));
        check("제1조(목적) 이 규정은", Some((5, "제1조(목적)")));
        check("제 12 조의2 (용어(정의)의 뜻) ①", Some((5, "제 12 조의2 (용어(정의)의 뜻)")));
        check("제7조 삭제 <2020.1.1>", Some((5, "제7조")));
        check("제3조에 따라 심사한다.", None);
        check("제3조제1항의 경우", None);
        check("제2절", Some((3, "제2절")));
        check("제3장에서 정한", None);
        check("부 칙", Some((2, "부 칙")));
        check("부칙 <2020. 1. 1.>", Some((2, "부칙 <2020. 1. 1.>")));
        check("부칙에서 정한", None);
        check("[별표 1] 담보인정비율", Some((2, "[별표 1] 담보인정비율")));
    }

    #[test]
    fn finds_outline_numbers() {
        let check = |line: &str, level: Option<u8>| {
            assert_eq!(outline(line).map(|heading| heading.level), level, "{line:?}");
        };
        check("3.2 담보평가", Some(2));
        check("1.2.3. 예외 승인", Some(3));
        check("Ⅱ. 심사 기준", Some(1));
        check("3.2 %를 넘는다", None);
        check("1.5배를 적용한다", None);
        check("2026.3.1 시행한다", None);
        check("10.5 이상", Some(2));
    }
}
