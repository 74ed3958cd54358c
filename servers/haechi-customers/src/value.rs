//! Cells: from what a database holds to JSON that keeps every digit.

use serde_json::{Number, Value};

/// The largest whole number that every JSON reader keeps exactly.
const EXACT_MAX: i128 = 1 << 53;

/// Whole numbers beyond 2^53 become strings.
pub(crate) fn integer(number: i128) -> Value {
    if (-EXACT_MAX..=EXACT_MAX).contains(&number)
        && let Ok(number) = i64::try_from(number)
    {
        return Value::from(number);
    }
    Value::String(number.to_string())
}

/// The shortest number that reads back the same; what JSON cannot say becomes a string.
pub(crate) fn real(number: f64) -> Value {
    Number::from_f64(number).map_or_else(|| Value::String(number.to_string()), Value::Number)
}

/// Text without characters that turn the reading order around, cut at `chars_max`.
pub(crate) fn text(text: &str, chars_max: usize) -> Value {
    let mut kept: String = text.chars().filter(|character| !is_invisible(*character)).take(chars_max + 1).collect();
    if let Some((cut, _)) = kept.char_indices().nth(chars_max) {
        kept.truncate(cut);
        kept.push('…');
    }
    Value::String(kept)
}

fn is_invisible(character: char) -> bool {
    matches!(character, '\u{200B}'..='\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2060}'..='\u{206F}' | '\u{FEFF}')
        || (character.is_control() && !matches!(character, '\n' | '\t' | '\r'))
}

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Bytes as `base64:…`.
pub(crate) fn bytes(bytes: &[u8], chars_max: usize) -> Value {
    let mut text = String::from("base64:");
    for chunk in bytes.chunks(3) {
        let word = chunk.iter().fold(0_u32, |word, byte| (word << 8) | u32::from(*byte)) << (8 * (3 - chunk.len()));
        for position in 0..4 {
            if position <= chunk.len() {
                let digit = (word >> (18 - 6 * position)) & 63;
                text.push(ALPHABET.get(digit as usize).map_or('=', |byte| char::from(*byte)));
            } else {
                text.push('=');
            }
        }
        if chars_max < text.len() {
            text.push('…');
            break;
        }
    }
    Value::String(text)
}

/// Roughly how many bytes a cell takes in the answer.
pub(crate) fn weight(value: &Value) -> usize {
    match value {
        Value::Null => 5,
        Value::Bool(_) => 6,
        Value::Number(_) => 12,
        Value::String(text) => text.len() + 3,
        Value::Array(items) => items.iter().map(weight).sum::<usize>() + 2,
        Value::Object(members) => members.iter().map(|(key, value)| key.len() + 4 + weight(value)).sum::<usize>() + 2,
    }
}

/// The word for a column's type, from its cells.
pub(crate) fn kind_of(value: &Value) -> Option<&'static str> {
    match value {
        Value::Null => None,
        Value::Bool(_) => Some("boolean"),
        Value::Number(number) if number.is_f64() => Some("number"),
        Value::Number(_) => Some("integer"),
        Value::String(text) if text.starts_with("base64:") => Some("bytes"),
        Value::String(_) => Some("text"),
        Value::Array(_) | Value::Object(_) => Some("json"),
    }
}

/// An exact decimal sum, as it is needed for totals.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Decimal {
    digits: i128,
    scale: u32,
}

impl Decimal {
    /// Reads `-12.340` or `1.5e3`; a sign, digits, one point, an exponent.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (mantissa, exponent) = match text.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().ok()?),
            None => (text, 0),
        };
        let (negative, unsigned) = match mantissa.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, mantissa.strip_prefix('+').unwrap_or(mantissa)),
        };
        let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, ""));
        if whole.is_empty() && fraction.is_empty()
            || !whole.bytes().chain(fraction.bytes()).all(|byte| byte.is_ascii_digit())
        {
            return None;
        }
        let digits: i128 = format!("{whole}{fraction}").parse().ok()?;
        let scale = i32::try_from(fraction.len()).ok()? - exponent;
        let (digits, scale) = if scale < 0 {
            (digits.checked_mul(10_i128.checked_pow(scale.unsigned_abs())?)?, 0)
        } else {
            (digits, scale.unsigned_abs())
        };
        Some(Self { digits: if negative { -digits } else { digits }, scale })
    }

    pub(crate) fn add(self, other: Self) -> Option<Self> {
        let scale = self.scale.max(other.scale);
        let raise = |number: Self| number.digits.checked_mul(10_i128.checked_pow(scale - number.scale)?);
        Some(Self { digits: raise(self)?.checked_add(raise(other)?)?, scale })
    }
}

impl std::fmt::Display for Decimal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let sign = if self.digits < 0 { "-" } else { "" };
        let digits = self.digits.unsigned_abs().to_string();
        let scale = self.scale as usize;
        if scale == 0 {
            return write!(f, "{sign}{digits}");
        }
        let padded = format!("{digits:0>width$}", width = scale + 1);
        let (whole, fraction) = padded.split_at(padded.len() - scale);
        write!(f, "{sign}{whole}.{fraction}")
    }
}

/// The sum of a column, exactly; `None` where a cell is not a number.
pub(crate) fn total<'v>(cells: impl Iterator<Item = &'v Value>) -> Option<Decimal> {
    cells.filter(|cell| !cell.is_null()).try_fold(Decimal::default(), |sum, cell| {
        let written = match cell {
            Value::Number(number) => number.to_string(),
            Value::String(text) => text.clone(),
            Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => return None,
        };
        sum.add(Decimal::parse(&written)?)
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[track_caller]
    fn check_total(cells: &Value, expected: Option<&str>) {
        let sum = total(cells.as_array().unwrap().iter()).map(|sum| sum.to_string());
        assert_eq!(sum.as_deref(), expected, "{cells}");
    }

    #[test]
    fn totals_keep_every_digit() {
        check_total(&json!([0.1, 0.2, null]), Some("0.3"));
        check_total(&json!(["9007199254740993", 1]), Some("9007199254740994"));
        check_total(&json!(["-0.05", "0.04"]), Some("-0.01"));
        check_total(&json!([1.5e3, "2.50"]), Some("1502.50"));
        check_total(&json!([]), Some("0"));
        check_total(&json!(["가"]), None);
        check_total(&json!([true]), None);
    }

    #[test]
    fn cells_keep_what_they_say() {
        assert_eq!(integer(9_007_199_254_740_993), json!("9007199254740993"));
        assert_eq!(integer(-5), json!(-5));
        assert_eq!(real(f64::INFINITY), json!("inf"));
        assert_eq!(bytes(b"Man", 100), json!("base64:TWFu"));
        assert_eq!(bytes(b"Ma", 100), json!("base64:TWE="));
        assert_eq!(text("가나다라", 2), json!("가나…"));
        assert_eq!(text("a\u{202e}b", 10), json!("ab"));
    }
}
