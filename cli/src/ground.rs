//! Whether every number of a text stands in the data that its writer was given.
//!
//! Numbers are compared as they are written: `1,235억원` stands for any amount that rounds to it,
//! `25.3%` for 0.253 and for 25.3. What cannot be found is named, so that the writer can mend it.

use serde_json::Value;

use crate::language::decimal::Decimal;

/// A number as a text writes it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Written {
    shown: String,
    number: Decimal,
    digits: u32,
    /// By how many places the point of a plain number moves left to be written so.
    places: u32,
    percent: bool,
}

/// The numbers of `text` that do not stand in `data`.
pub(crate) fn ungrounded(text: &str, data: &Value) -> Vec<String> {
    let mut known = Vec::new();
    collect(data, &mut known);
    written(text)
        .into_iter()
        .filter(|number| !known.iter().any(|known| number.fits(*known)))
        .map(|number| number.shown)
        .collect()
}

impl Written {
    fn fits(&self, known: Decimal) -> bool {
        let known = known.abs();
        let hundred = Decimal::from_integer(100);
        known == self.number
            || known.shifted(self.places).rounded(self.digits) == self.number
            || (self.percent && known.times(hundred).is_some_and(|shown| shown.rounded(self.digits) == self.number))
    }
}

/// Every text of a value, as one.
pub(crate) fn texts(value: &Value) -> String {
    match value {
        Value::String(text) => format!("{text}\n"),
        Value::Number(number) => format!("{number}\n"),
        Value::Array(items) => items.iter().map(texts).collect(),
        Value::Object(map) => map.values().map(texts).collect(),
        Value::Null | Value::Bool(_) => String::new(),
    }
}

fn collect(value: &Value, known: &mut Vec<Decimal>) {
    match value {
        Value::Number(number) => known.extend(Decimal::parse(&number.to_string()).map(Decimal::abs)),
        // 2,171억원 in the data is known as it is written and as the amount it means.
        Value::String(text) => known.extend(written(text).into_iter().flat_map(|number| {
            let factor = Decimal::parse(&format!("1e{}", number.places));
            std::iter::once(number.number).chain(factor.and_then(|factor| number.number.times(factor)))
        })),
        Value::Array(items) => items.iter().for_each(|item| collect(item, known)),
        Value::Object(map) => map.values().for_each(|item| collect(item, known)),
        Value::Null | Value::Bool(_) => {}
    }
}

fn written(text: &str) -> Vec<Written> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some(start) = rest.find(|letter: char| letter.is_ascii_digit()) {
        rest = &rest[start..];
        let length =
            rest.find(|letter: char| !(letter.is_ascii_digit() || matches!(letter, ',' | '.'))).unwrap_or(rest.len());
        let bare = rest[..length].trim_end_matches([',', '.']);
        let after = rest[bare.len()..].trim_start_matches(' ');
        let places = match after.chars().next() {
            Some('만') => 4,
            Some('억') => 8,
            Some('조') => 12,
            _ => 0,
        };
        let percent = after.starts_with('%') || after.starts_with("퍼센트");
        // `1.2.3` and `12,34` are no numbers; their parts are looked at one by one.
        let parts: Vec<&str> = if Decimal::parse(bare).is_some() {
            vec![bare]
        } else {
            bare.split([',', '.']).filter(|part| !part.is_empty()).collect()
        };
        for part in parts {
            if let Some(number) = Decimal::parse(part) {
                let digits =
                    part.split_once('.').and_then(|(_, fraction)| u32::try_from(fraction.len()).ok()).unwrap_or(0);
                found.push(Written { shown: part.to_owned(), number, digits, places, percent });
            }
        }
        rest = &rest[bare.len().max(1)..];
    }
    found
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &[&str]) {
        let data = json!({
            "balance": 217_100_000_000_i64, "ratio": "0.260937", "rate": 2.19, "date": "2026-09-30",
            "text": "한도는 자기자본의 100분의 25이고 총액은 2조 4,600억원", "count": 4,
        });
        assert_eq!(ungrounded(text, &data), expected, "{text}");
    }

    #[test]
    fn numbers_of_the_data_may_be_written_in_many_ways() {
        check("신용공여는 2,171억원으로 26.1%이며 연체율은 2.19%이다.", &[]);
        check("2026년 9월 30일 현재 4건, 한도 25%", &[]);
        check("총액 2조 4,600억원", &[]);
        check("총 4,600억", &[]);
        check("숫자가 없는 글", &[]);
    }

    #[test]
    fn invented_and_merged_numbers_are_named() {
        check("자기자본의 27.1%, 2,172억원", &["27.1", "2,172"]);
        check("거액 5배", &["5"]);
        check("연체율 2.2%", &[]);
        check("연체율 2.1%", &["2.1"]);
    }
}
