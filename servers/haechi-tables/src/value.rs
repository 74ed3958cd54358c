//! The values of cells, and what numbers written by people mean.

use serde::{Deserialize, Serialize};

/// The exact value of a cell.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub enum Value {
    #[default]
    Empty,
    Text(String),
    Number(f64),
    Bool(bool),
    /// `2026-09-30` or `2026-09-30T13:00:00`.
    Date(String),
    /// `HH:MM:SS`, hours beyond a day as they are.
    Duration(String),
    /// `#DIV/0!` and its kin.
    Error(String),
}

impl Value {
    pub fn is_empty(&self) -> bool {
        match self {
            Self::Empty => true,
            Self::Text(text) => text.trim().is_empty(),
            Self::Number(_) | Self::Bool(_) | Self::Date(_) | Self::Duration(_) | Self::Error(_) => false,
        }
    }

    /// The value as plain text, without any number format.
    pub fn plain(&self) -> String {
        match self {
            Self::Empty => String::new(),
            Self::Text(text) | Self::Date(text) | Self::Duration(text) | Self::Error(text) => text.clone(),
            Self::Number(number) => shortest(*number),
            Self::Bool(true) => "TRUE".to_owned(),
            Self::Bool(false) => "FALSE".to_owned(),
        }
    }

    /// The value as JSON: exact, and as short as it can be.
    pub fn json(&self) -> serde_json::Value {
        match self {
            Self::Empty => serde_json::Value::Null,
            Self::Text(text) | Self::Date(text) | Self::Duration(text) | Self::Error(text) => text.clone().into(),
            Self::Bool(bool) => (*bool).into(),
            Self::Number(number) => json_number(*number),
        }
    }
}

/// The shortest decimal that reads back as the same number; never in exponent form below 10^21.
pub fn shortest(number: f64) -> String {
    if number == 0.0 {
        return "0".to_owned();
    }
    format!("{number}")
}

/// Integers as integers, others as the shortest decimal.
pub fn json_number(number: f64) -> serde_json::Value {
    const EXACT_MAX: f64 = 9_007_199_254_740_992.0;
    if number.fract() == 0.0 && number.abs() <= EXACT_MAX {
        #[expect(clippy::cast_possible_truncation, reason = "checked to be an integer of at most 53 bits")]
        let integer = number as i64;
        return integer.into();
    }
    serde_json::Number::from_f64(number).map_or(serde_json::Value::Null, serde_json::Value::Number)
}

/// A number as written in a table.
#[derive(Debug, Clone, PartialEq)]
pub struct Written {
    /// Per cent are not divided: `23.02%` is 23.02 with the unit `%`.
    pub number: f64,
    pub unit: Option<&'static str>,
}

/// Reads a number the way tables write it: `△1,234`, `▲3`, `(1,234)`, `－12.5%`, `１，２３４`, `1.2%p`,
/// with a footnote mark after it. A code with leading zeros is not a number.
pub fn written_number(text: &str) -> Option<Written> {
    let mut plain: String = text.trim().chars().map(half_width).collect();
    let mut negative = false;
    // Parentheses around a number are a minus sign; around anything else they are parentheses.
    if let Some(inner) = plain.strip_prefix('(').and_then(|rest| rest.strip_suffix(')')) {
        negative = true;
        plain = inner.trim().to_owned();
    }
    for mark in ['△', '▲', '-', '−', '–', '▽', '▼'] {
        if let Some(rest) = plain.strip_prefix(mark) {
            negative = !negative;
            plain = rest.trim_start().to_owned();
            break;
        }
    }
    if let Some(rest) = plain.strip_prefix('+') {
        plain = rest.trim_start().to_owned();
    }
    for currency in ['₩', '$', '€', '£', '¥', '￦'] {
        if let Some(rest) = plain.strip_prefix(currency) {
            plain = rest.trim_start().to_owned();
        }
    }
    let mut unit = None;
    for (suffix, name) in [("%p", "%p"), ("%P", "%p"), ("%", "%"), ("bp", "bp"), ("원", "원")] {
        if let Some(rest) = plain.strip_suffix(suffix) {
            unit = Some(name);
            plain = rest.trim_end().to_owned();
            break;
        }
    }
    let plain = plain.trim();
    if !is_grouped_number(plain) {
        return None;
    }
    let number: f64 = plain.replace(',', "").parse().ok()?;
    Some(Written { number: if negative { -number } else { number }, unit })
}

/// Digits with thousands separators where they belong, and at most one point.
fn is_grouped_number(text: &str) -> bool {
    let (whole, fraction) = text.split_once('.').map_or((text, None), |(whole, fraction)| (whole, Some(fraction)));
    if fraction.is_some_and(|digits| digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit())) {
        return false;
    }
    let mut groups = whole.split(',');
    let Some(first) = groups.next() else { return false };
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(first) || 15 < whole.len() + fraction.map_or(0, str::len) {
        return false;
    }
    let grouped = groups.clone().count() > 0;
    if grouped && 3 < first.len() {
        return false;
    }
    // `01` and `007` are codes.
    if !grouped && 1 < first.len() && first.starts_with('0') {
        return false;
    }
    groups.all(|group| group.len() == 3 && digits(group))
}

/// Full-width digits and signs as their common forms.
fn half_width(character: char) -> char {
    match character {
        '！'..='～' => char::from_u32(u32::from(character) - 0xfee0).unwrap_or(character),
        '\u{3000}' | '\u{a0}' => ' ',
        other => other,
    }
}

/// What stands for "nothing" in a column of numbers.
pub fn is_nil(text: &str) -> bool {
    let text = text.trim();
    text.is_empty()
        || matches!(text, "-" | "–" | "—" | "－" | "..." | "…" | ".." | "n/a" | "N/A" | "NA" | "n.a." | "x" | "X" | "*")
}

/// Removes characters that change how text runs or that nobody sees.
pub fn clean_text(text: &str) -> String {
    if text.chars().all(|character| !is_invisible(character)) {
        return text.to_owned();
    }
    text.chars().filter(|character| !is_invisible(*character)).collect()
}

fn is_invisible(character: char) -> bool {
    (character.is_control() && !matches!(character, '\n' | '\t'))
        || matches!(character,
            '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}' | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(written: &str, expected: Option<(f64, Option<&str>)>) {
        let found = written_number(written).map(|found| (found.number, found.unit));
        assert_eq!(found, expected, "reading {written:?}");
    }

    #[test]
    fn numbers_are_read_as_tables_write_them() {
        check("1,234", Some((1234.0, None)));
        check("△1,234", Some((-1234.0, None)));
        check("▲ 3.5", Some((-3.5, None)));
        check("(1,234)", Some((-1234.0, None)));
        check("－12.5%", Some((-12.5, Some("%"))));
        check("１，２３４", Some((1234.0, None)));
        check("0.7%p", Some((0.7, Some("%p"))));
        check("0", Some((0.0, None)));
        check("0.5", Some((0.5, None)));
        check("₩1,000", Some((1000.0, None)));
    }

    #[test]
    fn what_only_looks_like_a_number_stays_text() {
        for text in ["01", "007", "1,23", "12,3456", "1-1", "2026-09-30", "", "-", "A5010002", "(주)", "1.", "1.2.3"] {
            check(text, None);
        }
    }
}
