//! Saved queries: SQL files with front matter, typed parameters, and exact totals.

use std::collections::BTreeMap;
use std::path::Path;

use haechi_sql::ParameterType;
use indexmap::IndexMap;
use regex::Regex;
use serde::Deserialize;
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::Error;
use crate::store::Bound;

/// A file in the folder may be this large.
const FILE_BYTES_MAX: u64 = 200_000;
/// A text parameter may be this long.
const TEXT_CHARS_MAX: usize = 1_000;

/// Front matter as it is written.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Front {
    title: String,
    description: Option<String>,
    roles: Option<Vec<String>>,
    #[serde(default)]
    totals: Vec<String>,
    #[serde(default)]
    parameters: IndexMap<String, Parameter>,
}

/// One parameter of a saved query.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Parameter {
    #[serde(rename = "type")]
    kind: String,
    pub description: Option<String>,
    pub example: Option<toml::Value>,
    pattern: Option<String>,
    #[serde(default)]
    pub values: Vec<toml::Value>,
    minimum: Option<toml::Value>,
    maximum: Option<toml::Value>,
    pub default: Option<toml::Value>,
}

/// A saved query, read and checked.
#[derive(Debug, Clone)]
pub(crate) struct Saved {
    pub name: String,
    pub title: String,
    pub description: Option<String>,
    pub roles: Option<Vec<String>>,
    pub totals: Vec<String>,
    pub parameters: IndexMap<String, Parameter>,
    /// The statement without the front matter.
    pub sql: String,
    patterns: BTreeMap<String, Regex>,
}

/// Reads every `NAME.sql` of a folder, by name.
pub(crate) fn load(folder: &Path) -> Result<BTreeMap<String, Saved>, Error> {
    let read = |source| Error::Read { path: folder.to_owned(), source };
    let mut queries = BTreeMap::new();
    for entry in std::fs::read_dir(folder).map_err(read)? {
        let path = entry.map_err(read)?.path();
        if path.extension().is_none_or(|extension| extension != "sql") {
            continue;
        }
        let file = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let wrong = |message: &str| Error::Saved { file: file.clone(), message: message.to_owned() };
        let name = file.trim_end_matches(".sql");
        let plain = name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
            && name.bytes().next().is_some_and(|byte| byte.is_ascii_lowercase());
        if !plain {
            return Err(wrong("파일 이름은 소문자로 시작하고 소문자, 숫자, _만 쓸 수 있습니다."));
        }
        let size = std::fs::metadata(&path).map_err(|source| Error::Read { path: path.clone(), source })?.len();
        if FILE_BYTES_MAX < size {
            return Err(wrong("파일이 너무 큽니다."));
        }
        let text = std::fs::read_to_string(&path).map_err(|source| Error::Read { path: path.clone(), source })?;
        queries.insert(name.to_owned(), parse(name, &file, &text)?);
    }
    Ok(queries)
}

fn parse(name: &str, file: &str, text: &str) -> Result<Saved, Error> {
    let wrong = |message: String| Error::Saved { file: file.to_owned(), message };
    let body = text.trim_start_matches('\u{FEFF}').trim_start();
    let parts = body.strip_prefix("/*---").and_then(|rest| rest.split_once("---*/"));
    let Some((front, sql)) = parts else {
        return Err(wrong("파일은 /*--- 머리말 ---*/ 로 시작해야 합니다.".to_owned()));
    };
    let front: Front = toml::from_str(front).map_err(|error| {
        let line = error.span().map_or(1, |span| front.get(..span.start).unwrap_or(front).matches('\n').count() + 1);
        wrong(format!("{line}행: {}", error.message().lines().next().unwrap_or_default()))
    })?;
    let mut patterns = BTreeMap::new();
    for (parameter, rule) in &front.parameters {
        if type_of(&rule.kind).is_none() {
            return Err(wrong(format!(
                "매개변수 {parameter}: type은 text, integer, decimal, date, boolean 가운데 하나입니다."
            )));
        }
        if let Some(pattern) = &rule.pattern {
            let regex = Regex::new(&format!("^(?:{pattern})$"))
                .map_err(|_| wrong(format!("매개변수 {parameter}: pattern을 읽을 수 없습니다.")))?;
            patterns.insert(parameter.clone(), regex);
        }
    }
    let saved = Saved {
        name: name.to_owned(),
        title: front.title,
        description: front.description,
        roles: front.roles,
        totals: front.totals,
        parameters: front.parameters,
        sql: sql.trim().to_owned(),
        patterns,
    };
    for (parameter, rule) in &saved.parameters {
        for value in rule.example.iter().chain(rule.default.iter()).chain(&rule.values) {
            saved.value(parameter, rule, &from_toml(value)).map_err(|error| match error {
                Error::Parameter { name, message, .. } => wrong(format!("매개변수 {name}의 예나 기본값: {message}")),
                other => other,
            })?;
        }
    }
    Ok(saved)
}

impl Saved {
    pub(crate) fn is_open_to(&self, role: &str) -> bool {
        self.roles.as_ref().is_none_or(|roles| roles.iter().any(|known| known == role))
    }

    pub(crate) fn types(&self) -> BTreeMap<String, ParameterType> {
        self.parameters
            .iter()
            .map(|(name, rule)| (name.clone(), type_of(&rule.kind).unwrap_or(ParameterType::Text)))
            .collect()
    }

    /// The values to bind, by name, with defaults in place.
    pub(crate) fn values(&self, given: &BTreeMap<String, Value>) -> Result<BTreeMap<String, (Bound, String)>, Error> {
        if let Some(unknown) = given.keys().find(|name| !self.parameters.contains_key(*name)) {
            let known: Vec<&str> = self.parameters.keys().map(String::as_str).collect();
            let hint = match crate::nearest(unknown, known.iter().copied()) {
                Some(near) => format!("혹시 {near}입니까?"),
                None => format!("쓸 수 있는 매개변수: {}", known.join(", ")),
            };
            return Err(Error::Parameter {
                name: unknown.clone(),
                message: "이 질의에 없습니다.".to_owned(),
                hint: Some(hint),
            });
        }
        self.parameters
            .iter()
            .map(|(name, rule)| {
                let value = match (given.get(name), &rule.default) {
                    (Some(value), _) if !value.is_null() => value.clone(),
                    (_, Some(default)) => from_toml(default),
                    (_, None) => {
                        return Err(Error::Parameter {
                            name: name.clone(),
                            message: "값이 있어야 합니다.".to_owned(),
                            hint: rule.example.as_ref().map(|example| format!("예: {}", plain(&from_toml(example)))),
                        });
                    }
                };
                self.value(name, rule, &value).map(|bound| (name.clone(), (bound, plain(&value))))
            })
            .collect()
    }

    /// A value as a citation may show it. A text of any form may be a person's name, so it is shown
    /// by a hash that only tells two runs apart.
    pub(crate) fn shown(&self, name: &str, value: &str) -> String {
        let bounded = self.parameters.get(name).is_some_and(|rule| {
            type_of(&rule.kind) != Some(ParameterType::Text) || rule.pattern.is_some() || !rule.values.is_empty()
        });
        if bounded {
            return haechi_korean::personal::mask(value).0;
        }
        let hash = crate::masks::hexadecimal(&Sha256::digest(value.as_bytes()));
        format!("#{}", hash.get(..8).unwrap_or(&hash))
    }

    fn value(&self, name: &str, rule: &Parameter, value: &Value) -> Result<Bound, Error> {
        let fail = |message: String| Error::Parameter {
            name: name.to_owned(),
            message,
            hint: rule.example.as_ref().map(|example| format!("예: {}", plain(&from_toml(example)))),
        };
        if !rule.values.is_empty() && !rule.values.iter().any(|allowed| from_toml(allowed) == *value) {
            let allowed: Vec<String> = rule.values.iter().map(|value| plain(&from_toml(value))).collect();
            return Err(fail(format!("{} 가운데 하나여야 합니다.", allowed.join(", "))));
        }
        let bound = bind(value, type_of(&rule.kind).unwrap_or(ParameterType::Text)).map_err(fail)?;
        if let (Some(pattern), Bound::Text(text)) = (self.patterns.get(name), &bound)
            && !pattern.is_match(text)
        {
            return Err(fail("정해진 형식에 맞지 않습니다.".to_owned()));
        }
        let number = |value: &toml::Value| plain(&from_toml(value)).parse::<f64>().ok();
        if let Ok(written) = plain(value).parse::<f64>() {
            let low = rule.minimum.as_ref().and_then(number).is_some_and(|minimum| written < minimum);
            let high = rule.maximum.as_ref().and_then(number).is_some_and(|maximum| maximum < written);
            if low || high {
                let show = |value: &Option<toml::Value>| {
                    value.as_ref().map(|value| plain(&from_toml(value))).unwrap_or_default()
                };
                return Err(fail(format!("{} 이상 {} 이하여야 합니다.", show(&rule.minimum), show(&rule.maximum))));
            }
        }
        Ok(bound)
    }
}

pub(crate) fn type_of(kind: &str) -> Option<ParameterType> {
    Some(match kind {
        "text" => ParameterType::Text,
        "integer" => ParameterType::Integer,
        "decimal" => ParameterType::Decimal,
        "date" => ParameterType::Date,
        "boolean" => ParameterType::Boolean,
        _ => return None,
    })
}

pub(crate) fn type_name(kind: ParameterType) -> &'static str {
    match kind {
        ParameterType::Text => "text",
        ParameterType::Integer => "integer",
        ParameterType::Decimal => "decimal",
        ParameterType::Date => "date",
        ParameterType::Boolean => "boolean",
    }
}

/// A JSON value as a value of this type; text is accepted for every type, as commands give it.
pub(crate) fn bind(value: &Value, kind: ParameterType) -> Result<Bound, String> {
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        Value::Bool(value) => value.to_string(),
        Value::Null => return Ok(Bound::Null),
        Value::Array(_) | Value::Object(_) => return Err("글자, 숫자, 참거짓만 쓸 수 있습니다.".to_owned()),
    };
    if TEXT_CHARS_MAX < text.chars().count() {
        return Err(format!("{TEXT_CHARS_MAX}자보다 길 수 없습니다."));
    }
    match kind {
        ParameterType::Text => Ok(Bound::Text(text)),
        ParameterType::Integer => text.parse().map(Bound::Integer).map_err(|_| "정수여야 합니다.".to_owned()),
        ParameterType::Boolean => match text.as_str() {
            "true" => Ok(Bound::Boolean(true)),
            "false" => Ok(Bound::Boolean(false)),
            _ => Err("true 또는 false여야 합니다.".to_owned()),
        },
        ParameterType::Decimal => match crate::value::Decimal::parse(&text) {
            Some(_) => Ok(text.parse().map_or_else(|_| Bound::Real(text.parse().unwrap_or_default()), Bound::Integer)),
            None => Err("십진수여야 합니다.".to_owned()),
        },
        ParameterType::Date => match text.parse::<jiff::civil::Date>() {
            Ok(date) if date.to_string() == text => Ok(Bound::Text(text)),
            _ => Err("2026-11-22 형식의 날짜여야 합니다.".to_owned()),
        },
    }
}

/// The type of a value that nobody declared.
pub(crate) fn guess(value: &Value) -> ParameterType {
    match value {
        Value::Number(number) if number.is_f64() => ParameterType::Decimal,
        Value::Number(_) => ParameterType::Integer,
        Value::Bool(_) => ParameterType::Boolean,
        Value::Null | Value::String(_) | Value::Array(_) | Value::Object(_) => ParameterType::Text,
    }
}

pub(crate) fn from_toml(value: &toml::Value) -> Value {
    match value {
        toml::Value::String(text) => Value::String(text.clone()),
        toml::Value::Integer(number) => Value::from(*number),
        toml::Value::Float(number) => crate::value::real(*number),
        toml::Value::Boolean(value) => Value::Bool(*value),
        toml::Value::Datetime(date) => Value::String(date.to_string()),
        toml::Value::Array(_) | toml::Value::Table(_) => Value::Null,
    }
}

pub(crate) fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const TEXT: &str = "/*---\ntitle = \"t\"\n[parameters.quarter]\ntype = \"text\"\npattern = \"20[0-9]{2}Q[1-4]\"\nexample = \"2026Q3\"\n\
                        [parameters.top]\ntype = \"integer\"\ndefault = 10\nminimum = 1\nmaximum = 200\n---*/\nSELECT 1";

    #[track_caller]
    fn check(given: Value, expected: Result<&str, &str>) {
        let saved = parse("q", "q.sql", TEXT).unwrap();
        let given = given.as_object().unwrap().clone().into_iter().collect();
        let values = saved.values(&given);
        match (values, expected) {
            (Ok(values), Ok(expected)) => {
                let shown: Vec<String> = values.iter().map(|(name, (_, shown))| format!("{name}={shown}")).collect();
                assert_eq!(shown.join(" "), expected);
            }
            (Err(Error::Parameter { message, .. }), Err(expected)) => assert_eq!(message, expected),
            (other, _) => panic!("{other:?}"),
        }
    }

    #[test]
    fn parameters_are_held_against_their_rules() {
        check(json!({"quarter": "2026Q3"}), Ok("quarter=2026Q3 top=10"));
        check(json!({"quarter": "2026Q3", "top": "5"}), Ok("quarter=2026Q3 top=5"));
        check(json!({"quarter": "2026Q9"}), Err("정해진 형식에 맞지 않습니다."));
        check(json!({"quarter": "x 2026Q3 y"}), Err("정해진 형식에 맞지 않습니다."));
        check(json!({}), Err("값이 있어야 합니다."));
        check(json!({"quarter": "2026Q3", "top": 500}), Err("1 이상 200 이하여야 합니다."));
        check(json!({"quarter": "2026Q3", "tpo": 1}), Err("이 질의에 없습니다."));
    }

    #[test]
    fn a_free_text_is_not_shown() {
        let free = "[parameters.who]\ntype = \"text\"\n---*/";
        let saved = parse("q", "q.sql", &TEXT.replace("---*/", free)).unwrap();
        assert_eq!(saved.shown("quarter", "2026Q3"), "2026Q3");
        assert_eq!(saved.shown("top", "10"), "10");
        let shown = saved.shown("who", "김가온");
        assert!(shown.starts_with('#') && shown.len() == 9 && shown != saved.shown("who", "이나래"), "{shown}");
    }

    #[test]
    fn front_matter_mistakes_name_the_file() {
        for text in [
            "SELECT 1",
            "/*---\ntitel = \"x\"\n---*/ SELECT 1",
            "/*---\ntitle=\"x\"\n[parameters.a]\ntype=\"blob\"\n---*/ SELECT 1",
        ] {
            assert!(matches!(parse("q", "q.sql", text), Err(Error::Saved { file, .. }) if file == "q.sql"));
        }
    }

    #[test]
    fn values_are_typed() {
        assert_eq!(
            bind(&json!("2026-02-30"), ParameterType::Date),
            Err("2026-11-22 형식의 날짜여야 합니다.".to_owned())
        );
        assert_eq!(bind(&json!("1.50"), ParameterType::Decimal), Ok(Bound::Real(1.5)));
        assert_eq!(bind(&json!([1]), ParameterType::Text), Err("글자, 숫자, 참거짓만 쓸 수 있습니다.".to_owned()));
    }
}
