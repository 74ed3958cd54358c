//! Between the values of expressions, JSON and exact decimals.

use minijinja::value::ValueKind;
use minijinja::{Error, ErrorKind, Value};

use super::decimal::Decimal;

/// Marks in rendered text (see `report::markup`) are made of these, so data may not hold them.
pub(crate) const MARK_OPEN: char = '\u{E000}';
pub(crate) const MARK_CLOSE: char = '\u{E001}';

/// A JSON value as an expression sees it, without the characters reserved for our own marks.
pub(crate) fn from_json(json: &serde_json::Value) -> Value {
    match json {
        serde_json::Value::Null => Value::from(()),
        serde_json::Value::Bool(value) => Value::from(*value),
        serde_json::Value::Number(number) => number
            .as_i64()
            .map(Value::from)
            .or_else(|| number.as_u64().map(Value::from))
            .or_else(|| number.as_f64().map(Value::from))
            .unwrap_or_else(|| Value::from(number.to_string())),
        serde_json::Value::String(text) => Value::from(without_marks(text)),
        serde_json::Value::Array(items) => items.iter().map(from_json).collect(),
        serde_json::Value::Object(map) => {
            Value::from_pairs(map.iter().map(|(key, value)| (without_marks(key), from_json(value))))
        }
    }
}

fn without_marks(text: &str) -> String {
    if text.contains([MARK_OPEN, MARK_CLOSE]) { text.replace([MARK_OPEN, MARK_CLOSE], "") } else { text.to_owned() }
}

/// What an expression gave, as JSON; a value that is not there is refused.
///
/// # Errors
///
/// When the value or a part of it is undefined or has no JSON form.
pub(crate) fn to_json(value: &Value) -> Result<serde_json::Value, Error> {
    match value.kind() {
        ValueKind::Undefined => Err(Error::from(ErrorKind::UndefinedError)),
        ValueKind::None => Ok(serde_json::Value::Null),
        ValueKind::Bool => Ok(serde_json::Value::Bool(value.is_true())),
        ValueKind::Number => Ok(number_to_json(value)),
        ValueKind::String => Ok(serde_json::Value::String(value.as_str().unwrap_or_default().to_owned())),
        ValueKind::Seq | ValueKind::Iterable => {
            value.try_iter()?.map(|item| to_json(&item)).collect::<Result<Vec<_>, _>>().map(serde_json::Value::Array)
        }
        ValueKind::Map => {
            let mut map = serde_json::Map::new();
            for key in value.try_iter()? {
                let item = value.get_item(&key)?;
                // A key without a value happens only in dynamic objects such as `steps`.
                if !item.is_undefined() {
                    map.insert(key.to_string(), to_json(&item)?);
                }
            }
            Ok(serde_json::Value::Object(map))
        }
        kind => Err(Error::new(ErrorKind::BadSerialization, format!("{kind} 값은 내보낼 수 없습니다"))),
    }
}

fn number_to_json(value: &Value) -> serde_json::Value {
    if value.is_integer() {
        if let Ok(integer) = i64::try_from(value.clone()) {
            return integer.into();
        }
        if let Ok(integer) = u64::try_from(value.clone()) {
            return integer.into();
        }
        return serde_json::Value::String(value.to_string());
    }
    f64::try_from(value.clone())
        .ok()
        .and_then(serde_json::Number::from_f64)
        .map_or_else(|| serde_json::Value::String(value.to_string()), serde_json::Value::Number)
}

/// The exact decimal of an integer, a number or a text such as `"608330.50"`.
pub(crate) fn decimal(value: &Value) -> Option<Decimal> {
    match value.kind() {
        ValueKind::Number if value.is_integer() => i128::try_from(value.clone()).ok().map(Decimal::from_integer),
        // The shortest spelling that reads back as this float is the decimal its writer meant.
        ValueKind::Number => f64::try_from(value.clone()).ok().and_then(|float| Decimal::parse(&float.to_string())),
        ValueKind::String => value.as_str().and_then(Decimal::parse),
        _ => None,
    }
}

/// A decimal as an expression sees it: an integer or float where either is exact, else its text.
pub(crate) fn from_decimal(decimal: Decimal) -> Value {
    if let Some(integer) = decimal.integer() {
        return i64::try_from(integer).map_or_else(|_| Value::from(integer), Value::from);
    }
    if decimal.significant_digits() <= 15
        && let Ok(float) = decimal.to_string().parse::<f64>()
    {
        return Value::from(float);
    }
    Value::from(decimal.to_string())
}

/// A kind of value in the words of a message.
pub(crate) fn kind_name(value: &Value) -> &'static str {
    match value.kind() {
        ValueKind::Undefined => "없는 값",
        ValueKind::None => "빈 값",
        ValueKind::Bool => "참/거짓",
        ValueKind::Number => "숫자",
        ValueKind::String => "글",
        ValueKind::Seq | ValueKind::Iterable => "목록",
        ValueKind::Map => "기록",
        _ => "다른 값",
    }
}
