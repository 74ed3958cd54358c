//! Number formats of workbooks: the text that a cell shows for its value.
//!
//! Covers what reports use: digits, grouping, per cent, signs by section, literal text, dates and
//! times. Fractions and rare conditions fall back to the plain value rather than guess.

use crate::value::shortest;

/// What a date format shows of a day and time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Moment {
    pub year: u16,
    pub month: u8,
    pub day: u8,
    pub hour: u8,
    pub minute: u8,
    pub second: u8,
}

/// The text that a number shows under a format; `None` where the plain value is shown.
pub fn number(code: &str, value: f64) -> Option<String> {
    if code.is_empty() || code.eq_ignore_ascii_case("general") || code == "@" {
        return None;
    }
    let sections = split_sections(code);
    let (section, value, signed) = match sections.as_slice() {
        [only] => (only, value.abs(), value < 0.0),
        [positive, negative] if value < 0.0 => {
            let _ = positive;
            (negative, -value, false)
        }
        [positive, _] => (positive, value, false),
        [positive, negative, zero, ..] => {
            if value < 0.0 {
                (negative, -value, false)
            } else if value == 0.0 {
                (zero, 0.0, false)
            } else {
                (positive, value, false)
            }
        }
        [] => return None,
    };
    let tokens = tokens(section)?;
    if tokens.iter().any(|token| matches!(token, Token::Date(_))) {
        return None;
    }
    let text = show_number(&tokens, value)?;
    Some(if signed && text.bytes().any(|byte| (b'1'..=b'9').contains(&byte)) { format!("-{text}") } else { text })
}

/// The text that a date shows under a format; `None` where the format is not one of dates.
pub fn moment(code: &str, at: &Moment) -> Option<String> {
    let sections = split_sections(code);
    let tokens = tokens(sections.first()?)?;
    if !tokens.iter().any(|token| matches!(token, Token::Date(_))) {
        return None;
    }
    let twelve = tokens.iter().any(|token| matches!(token, Token::Date(part) if part.contains('/')));
    let mut text = String::new();
    for (index, token) in tokens.iter().enumerate() {
        match token {
            Token::Literal(literal) => text.push_str(literal),
            Token::Date(part) => text.push_str(&show_date_part(part, at, twelve, is_minute(&tokens, index))),
            Token::Point => text.push('.'),
            Token::Comma => text.push(','),
            Token::Digit(_) | Token::Percent | Token::Text | Token::General => {}
        }
    }
    Some(text.trim().to_owned())
}

#[derive(Debug, Clone, PartialEq)]
enum Token {
    Literal(String),
    /// `0`, `#` or `?`.
    Digit(char),
    Point,
    Comma,
    Percent,
    /// `yyyy`, `m`, `AM/PM` …, lower case.
    Date(String),
    Text,
    General,
}

fn split_sections(code: &str) -> Vec<String> {
    let mut sections = vec![String::new()];
    let mut quoted = false;
    let mut escaped = false;
    for character in code.chars() {
        let special = !quoted && !escaped;
        if special && character == ';' {
            sections.push(String::new());
            continue;
        }
        if character == '"' && !escaped {
            quoted = !quoted;
        }
        escaped = special && character == '\\';
        if let Some(section) = sections.last_mut() {
            section.push(character);
        }
    }
    sections
}

fn tokens(section: &str) -> Option<Vec<Token>> {
    let mut found = Vec::new();
    let characters: Vec<char> = section.chars().collect();
    let mut at = 0;
    while let Some(&character) = characters.get(at) {
        at += 1;
        match character {
            '"' => {
                let start = at;
                while characters.get(at).is_some_and(|next| *next != '"') {
                    at += 1;
                }
                found.push(Token::Literal(characters[start..at].iter().collect()));
                at += 1;
            }
            '\\' => {
                found.extend(characters.get(at).map(|next| Token::Literal(next.to_string())));
                at += 1;
            }
            // A space as wide as the next character; a character that fills the cell.
            '_' | '*' => at += 1,
            '[' => {
                let start = at;
                while characters.get(at).is_some_and(|next| *next != ']') {
                    at += 1;
                }
                let inside: String = characters[start..at].iter().collect();
                at += 1;
                let lower = inside.to_ascii_lowercase();
                if let Some(currency) = inside.strip_prefix('$') {
                    let symbol = currency.split('-').next().unwrap_or_default();
                    found.push(Token::Literal(symbol.to_owned()));
                } else if !lower.is_empty() && lower.chars().all(|c| matches!(c, 'h' | 'm' | 's')) {
                    found.push(Token::Date(lower));
                }
            }
            '0' | '#' | '?' => found.push(Token::Digit(character)),
            '.' => found.push(Token::Point),
            ',' => found.push(Token::Comma),
            '%' => found.push(Token::Percent),
            '@' => found.push(Token::Text),
            'E' | 'e' if matches!(characters.get(at), Some('+' | '-')) => return None,
            '/' if found.iter().any(|token| matches!(token, Token::Digit(_))) => return None,
            'y' | 'Y' | 'm' | 'M' | 'd' | 'D' | 'h' | 'H' | 's' | 'S' => {
                let kind = character.to_ascii_lowercase();
                let start = at - 1;
                while characters.get(at).is_some_and(|next| next.to_ascii_lowercase() == kind) {
                    at += 1;
                }
                found.push(Token::Date(characters[start..at].iter().collect::<String>().to_ascii_lowercase()));
            }
            'A' | 'a' => {
                let rest: String = characters[at - 1..].iter().collect::<String>().to_ascii_uppercase();
                if rest.starts_with("AM/PM") {
                    at += 4;
                    found.push(Token::Date("am/pm".to_owned()));
                } else if rest.starts_with("AAAA") {
                    at += 3;
                } else {
                    found.push(Token::Literal(character.to_string()));
                }
            }
            'G' if characters[at - 1..].iter().collect::<String>().starts_with("General") => {
                at += 6;
                found.push(Token::General);
            }
            other => found.push(Token::Literal(other.to_string())),
        }
    }
    Some(found)
}

fn show_number(tokens: &[Token], value: f64) -> Option<String> {
    if tokens.iter().any(|token| matches!(token, Token::General | Token::Text)) {
        let mut text = String::new();
        for token in tokens {
            match token {
                Token::Literal(literal) => text.push_str(literal),
                Token::General | Token::Text => text.push_str(&shortest(value)),
                _ => {}
            }
        }
        return Some(text);
    }
    let digits: Vec<usize> =
        tokens.iter().enumerate().filter(|(_, token)| matches!(token, Token::Digit(_))).map(|(i, _)| i).collect();
    let (Some(&first), Some(&last)) = (digits.first(), digits.last()) else {
        // Only literal text, as in a zero section of "-".
        let text: String = tokens
            .iter()
            .filter_map(|token| match token {
                Token::Literal(literal) => Some(literal.as_str()),
                Token::Percent => Some("%"),
                _ => None,
            })
            .collect();
        return Some(text.trim().to_owned());
    };
    let point = tokens.iter().position(|token| *token == Token::Point);
    let mut scaled = value;
    for token in tokens {
        if *token == Token::Percent {
            scaled *= 100.0;
        }
    }
    // Commas right after the last digit divide by a thousand each.
    let trailing = tokens.iter().skip(last + 1).take_while(|token| **token == Token::Comma).count();
    for _ in 0..trailing {
        scaled /= 1000.0;
    }
    let grouped = tokens
        .iter()
        .enumerate()
        .any(|(i, token)| *token == Token::Comma && first < i && i < last && point.is_none_or(|point| i < point));
    let decimals = digits.iter().filter(|i| point.is_some_and(|point| point < **i)).count();
    let required_decimals = digits
        .iter()
        .filter(|i| point.is_some_and(|point| point < **i) && tokens.get(**i) == Some(&Token::Digit('0')))
        .count();
    let required_whole = digits
        .iter()
        .filter(|i| point.is_none_or(|point| **i < point) && tokens.get(**i) == Some(&Token::Digit('0')))
        .count();
    let fixed = fixed(scaled, decimals.min(15));
    let (whole, fraction) = fixed.split_once('.').unwrap_or((&fixed, ""));
    let mut whole = whole.to_owned();
    if whole == "0" && required_whole == 0 && 0 < decimals {
        whole.clear();
    }
    while whole.len() < required_whole {
        whole.insert(0, '0');
    }
    if grouped {
        whole = group(&whole);
    }
    let mut fraction = fraction.to_owned();
    while required_decimals < fraction.len() && fraction.ends_with('0') {
        fraction.pop();
    }
    let mut shown = whole;
    if !fraction.is_empty() {
        shown.push('.');
        shown.push_str(&fraction);
    }
    let mut text = String::new();
    for (index, token) in tokens.iter().enumerate() {
        if index == first {
            text.push_str(&shown);
        }
        match token {
            Token::Literal(literal) if index < first || last < index => text.push_str(literal),
            Token::Percent => text.push('%'),
            _ => {}
        }
    }
    Some(text.trim().to_owned())
}

/// Rounds half away from zero, as spreadsheets do; the shortest decimal decides what is a half.
fn fixed(value: f64, decimals: usize) -> String {
    let exact = shortest(value);
    let (whole, fraction) = exact.split_once('.').unwrap_or((&exact, ""));
    if fraction.len() <= decimals {
        return if decimals == 0 { whole.to_owned() } else { format!("{whole}.{fraction:0<decimals$}") };
    }
    let mut digits: Vec<u8> = whole.bytes().chain(fraction.bytes().take(decimals)).collect();
    if fraction.as_bytes().get(decimals).is_some_and(|digit| b'5' <= *digit) {
        let mut carry = true;
        for digit in digits.iter_mut().rev() {
            if *digit == b'9' {
                *digit = b'0';
            } else {
                *digit += 1;
                carry = false;
                break;
            }
        }
        if carry {
            digits.insert(0, b'1');
        }
    }
    let text: String = digits.into_iter().map(char::from).collect();
    if decimals == 0 {
        return text;
    }
    let split = text.len() - decimals;
    format!("{}.{}", &text[..split], &text[split..])
}

fn group(digits: &str) -> String {
    let mut grouped = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if 0 < index && (digits.len() - index).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// `m` is a minute right after hours or right before seconds.
fn is_minute(tokens: &[Token], index: usize) -> bool {
    let dates = |token: &Token| match token {
        Token::Date(part) => part.chars().next(),
        _ => None,
    };
    let before = tokens.iter().take(index).filter_map(dates).next_back();
    let after = tokens.iter().skip(index + 1).find_map(dates);
    before == Some('h') || after == Some('s')
}

fn show_date_part(part: &str, at: &Moment, twelve: bool, minute: bool) -> String {
    const MONTHS: [&str; 12] = [
        "January",
        "February",
        "March",
        "April",
        "May",
        "June",
        "July",
        "August",
        "September",
        "October",
        "November",
        "December",
    ];
    let month = MONTHS.get(usize::from(at.month).saturating_sub(1)).copied().unwrap_or_default();
    let hour = if twelve { (at.hour + 11) % 12 + 1 } else { at.hour };
    match part {
        "yy" | "y" => format!("{:02}", at.year % 100),
        part if part.starts_with('y') => at.year.to_string(),
        "m" if minute => at.minute.to_string(),
        "mm" if minute => format!("{:02}", at.minute),
        "m" => at.month.to_string(),
        "mm" => format!("{:02}", at.month),
        "mmm" => month.get(..3).unwrap_or(month).to_owned(),
        part if part.starts_with('m') => month.to_owned(),
        "d" => at.day.to_string(),
        "dd" => format!("{:02}", at.day),
        "h" => hour.to_string(),
        part if part.starts_with('h') => format!("{hour:02}"),
        "s" => at.second.to_string(),
        part if part.starts_with('s') => format!("{:02}", at.second),
        "am/pm" => if at.hour < 12 { "AM" } else { "PM" }.to_owned(),
        // Names of weekdays need the calendar and add nothing to a date that is shown.
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(code: &str, value: f64, expected: &str) {
        assert_eq!(number(code, value).unwrap_or_else(|| shortest(value)), expected, "{code} of {value}");
    }

    #[test]
    fn numbers_show_as_their_format_says() {
        check("0.00%", 0.2302, "23.02%");
        check("#,##0", 1_234_567.0, "1,234,567");
        check("#,##0.0", 12.25, "12.3");
        check("#,##0;[Red]△#,##0", -1234.0, "△1,234");
        check("#,##0_);(#,##0)", -1234.0, "(1,234)");
        check("_-* #,##0_-;-* #,##0_-;_-* \"-\"_-;_-@_-", 0.0, "-");
        check("0", -0.4, "0");
        check("0", -12.0, "-12");
        check("General", 0.1, "0.1");
        check("#,##0,", 1_234_567.0, "1,235");
        check("0.0#", 1.5, "1.5");
        check("[$₩-412]#,##0", 5000.0, "₩5,000");
        check("#,##0\"억원\"", 320.0, "320억원");
        check("0.00", 1.005, "1.01");
        check("0000", 7.0, "0007");
        check(".00", 0.5, ".50");
        check("0", 999_999_999_999.5, "1000000000000");
    }

    #[test]
    fn dates_show_as_their_format_says() {
        let at = Moment { year: 2026, month: 9, day: 3, hour: 14, minute: 5, second: 9 };
        for (code, expected) in [
            ("yyyy-mm-dd", "2026-09-03"),
            ("yyyy\"년\" m\"월\" d\"일\"", "2026년 9월 3일"),
            ("m/d/yy h:mm", "9/3/26 14:05"),
            ("h:mm AM/PM", "2:05 PM"),
            ("mmm-yy", "Sep-26"),
            ("[$-412]yyyy. mm. dd", "2026. 09. 03"),
        ] {
            assert_eq!(moment(code, &at).as_deref(), Some(expected), "{code}");
        }
        assert_eq!(moment("0.00", &at), None);
    }
}
