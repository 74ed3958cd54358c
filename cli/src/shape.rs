//! Whether a JSON value has the shape that a JSON Schema asks for, told in Korean.
//!
//! Messages name keys, types and limits and never show the value: arguments may hold what only
//! the server may see.

use jsonschema::error::ValidationErrorKind;
use serde_json::Value;

use crate::josa::subject;
use crate::nearest::nearest;

/// One way in which a value is not what a schema asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mismatch {
    /// The JSON pointer of the part that is wrong.
    pub pointer: String,
    /// The key that is too much, where that is the mistake.
    pub key: Option<String>,
    pub message: String,
    pub hint: Option<String>,
}

/// At most this many mistakes are told at once.
const MISMATCHES_MAX: usize = 10;

/// Everything that is wrong with `value`, apart from the parts at the pointers in `computed`,
/// whose values are not known yet.
pub(crate) fn mismatches(schema: &Value, value: &Value, computed: &[String]) -> Vec<Mismatch> {
    let Ok(validator) = jsonschema::options().build(schema) else {
        // A schema we cannot read is the server's matter: the server itself will check.
        return Vec::new();
    };
    validator
        .iter_errors(value)
        .filter(|error| {
            let pointer = error.instance_path().to_string();
            let inside = computed.iter().any(|known| pointer == *known || pointer.starts_with(&format!("{known}/")));
            // Whether one of several shapes fits cannot be said before the parts are known.
            let combined = matches!(
                error.kind(),
                ValidationErrorKind::AnyOf { .. }
                    | ValidationErrorKind::OneOfNotValid { .. }
                    | ValidationErrorKind::OneOfMultipleValid { .. }
                    | ValidationErrorKind::Not { .. }
                    | ValidationErrorKind::UniqueItems
            );
            let above = computed.iter().any(|known| known.starts_with(&format!("{pointer}/")));
            !(inside || combined && above)
        })
        .take(MISMATCHES_MAX)
        .map(|error| describe(schema, value, &error))
        .collect()
}

fn describe(schema: &Value, value: &Value, error: &jsonschema::ValidationError<'_>) -> Mismatch {
    let pointer = error.instance_path().to_string();
    let name = pointer.rsplit('/').next().filter(|name| !name.is_empty()).unwrap_or("값").to_owned();
    let part = value.pointer(&pointer);
    let mut key = None;
    let mut hint = None;
    let message = match error.kind() {
        ValidationErrorKind::AdditionalProperties { unexpected }
        | ValidationErrorKind::UnevaluatedProperties { unexpected } => {
            let strange = unexpected.first().cloned().unwrap_or_default();
            let known = known_keys(schema, &error.schema_path().to_string());
            hint = nearest(&strange, known.iter().map(String::as_str))
                .map(|near| format!("비슷한 이름: `{near}`"))
                .or_else(|| (!known.is_empty()).then(|| format!("쓸 수 있는 이름: {}", known.join(", "))));
            let message = format!("`{strange}`라는 값은 받지 않습니다");
            key = Some(strange);
            message
        }
        ValidationErrorKind::Required { property } => {
            format!("`{}` 값이 빠졌습니다", property.as_str().unwrap_or_default())
        }
        ValidationErrorKind::Type { .. } => {
            let wanted = schema_keyword(schema, &error.schema_path().to_string()).map(type_name).unwrap_or_default();
            format!(
                "`{name}`에는 {} 와야 하는데 {} 왔습니다",
                subject(&wanted),
                subject(part.map_or("없는 값", value_name))
            )
        }
        ValidationErrorKind::Enum { options } => {
            let listed: Vec<String> = options
                .as_array()
                .map(|list| list.iter().map(crate::workflow::inputs::plain).collect())
                .unwrap_or_default();
            hint = part
                .and_then(Value::as_str)
                .and_then(|written| nearest(written, listed.iter().map(String::as_str)))
                .map(|near| format!("비슷한 값: `{near}`"));
            format!("`{name}`은(는) {} 가운데 하나여야 합니다", listed.join(", "))
        }
        ValidationErrorKind::Minimum { limit } | ValidationErrorKind::ExclusiveMinimum { limit } => {
            format!("`{name}`은(는) {limit} 이상이어야 합니다")
        }
        ValidationErrorKind::Maximum { limit } | ValidationErrorKind::ExclusiveMaximum { limit } => {
            format!("`{name}`은(는) {limit} 이하여야 합니다")
        }
        ValidationErrorKind::MinLength { limit } => format!("`{name}`은(는) {limit}자 이상이어야 합니다"),
        ValidationErrorKind::MaxLength { limit } => format!("`{name}`은(는) {limit}자 이하여야 합니다"),
        ValidationErrorKind::MinItems { limit } => format!("`{name}`에는 항목이 {limit}개 이상 있어야 합니다"),
        ValidationErrorKind::MaxItems { limit } => format!("`{name}`에는 항목이 {limit}개까지 올 수 있습니다"),
        ValidationErrorKind::Pattern { pattern } => format!("`{name}`이(가) 정해진 꼴({pattern})이 아닙니다"),
        ValidationErrorKind::Format { format } => format!("`{name}`이(가) {format} 꼴이 아닙니다"),
        other => format!("`{name}`이(가) 정해진 모양이 아닙니다 ({})", other.keyword()),
    };
    Mismatch { pointer, key, message, hint }
}

/// The keyword's own value in the schema, following the path that the validator reports.
fn schema_keyword<'schema>(schema: &'schema Value, path: &str) -> Option<&'schema Value> {
    // A path through `$ref` leaves the literal tree; then the target is looked up by hand.
    let mut node = schema;
    for part in path.split('/').skip(1) {
        let part = part.replace("~1", "/").replace("~0", "~");
        if part == "$ref" {
            let target = node.get("$ref")?.as_str()?.strip_prefix('#')?;
            node = schema.pointer(target)?;
            continue;
        }
        node = match node {
            Value::Array(items) => items.get(part.parse::<usize>().ok()?)?,
            other => other.get(&part)?,
        };
    }
    Some(node)
}

fn known_keys(schema: &Value, path: &str) -> Vec<String> {
    let parent = path.rsplit_once('/').map_or("", |(parent, _)| parent);
    schema_keyword(schema, parent)
        .and_then(|object| object.get("properties"))
        .and_then(Value::as_object)
        .map(|properties| properties.keys().cloned().collect())
        .unwrap_or_default()
}

fn type_name(keyword: &Value) -> String {
    let one = |name: &str| match name {
        "string" => "글",
        "integer" => "정수",
        "number" => "숫자",
        "boolean" => "참/거짓",
        "array" => "목록",
        "object" => "`이름: 값` 묶음",
        _ => "빈 값",
    };
    match keyword {
        Value::String(name) => one(name).to_owned(),
        Value::Array(names) => names.iter().filter_map(Value::as_str).map(one).collect::<Vec<_>>().join(" 또는 "),
        _ => "다른 값".to_owned(),
    }
}

fn value_name(value: &Value) -> &'static str {
    match value {
        Value::Null => "빈 값",
        Value::Bool(_) => "참/거짓",
        Value::Number(number) if number.is_f64() => "소수",
        Value::Number(_) => "정수",
        Value::String(_) => "글",
        Value::Array(_) => "목록",
        Value::Object(_) => "`이름: 값` 묶음",
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[track_caller]
    fn check(value: &Value, computed: &[&str], expected: &[&str]) {
        let schema = json!({
            "type": "object",
            "additionalProperties": false,
            "required": ["citation"],
            "properties": {
                "citation": { "type": "string", "minLength": 2 },
                "limit": { "type": "integer", "minimum": 1, "maximum": 50 },
                "mode": { "enum": ["auto", "hybrid"] },
                "filter": { "$ref": "#/$defs/Filter" }
            },
            "$defs": { "Filter": { "type": "object", "additionalProperties": false, "properties": { "tags": { "type": "array" } } } }
        });
        let computed: Vec<String> = computed.iter().map(|&pointer| pointer.to_owned()).collect();
        let mut found: Vec<String> = mismatches(&schema, value, &computed)
            .into_iter()
            .map(|mismatch| {
                format!(
                    "{} {}{}",
                    mismatch.pointer,
                    mismatch.message,
                    mismatch.hint.map(|hint| format!(" | {hint}")).unwrap_or_default()
                )
            })
            .collect();
        found.sort();
        assert_eq!(found, expected, "{value}");
    }

    #[test]
    fn says_what_is_wrong_and_where() {
        check(&json!({ "citation": "은행법 제35조", "limit": 3 }), &[], &[]);
        check(&json!({}), &[], &[" `citation` 값이 빠졌습니다"]);
        check(
            &json!({ "citation": 3, "limt": 3 }),
            &[],
            &[
                " `limt`라는 값은 받지 않습니다 | 비슷한 이름: `limit`",
                "/citation `citation`에는 글이 와야 하는데 정수가 왔습니다",
            ],
        );
        check(
            &json!({ "citation": "가", "limit": 51, "mode": "hybird", "filter": { "tag": [] } }),
            &[],
            &[
                "/citation `citation`은(는) 2자 이상이어야 합니다",
                "/filter `tag`라는 값은 받지 않습니다 | 비슷한 이름: `tags`",
                "/limit `limit`은(는) 50 이하여야 합니다",
                "/mode `mode`은(는) auto, hybrid 가운데 하나여야 합니다 | 비슷한 값: `hybrid`",
            ],
        );
    }

    #[test]
    fn parts_not_known_yet_are_not_judged() {
        check(&json!({ "citation": null, "limit": null }), &["/citation", "/limit"], &[]);
        check(
            &json!({ "citation": null, "limit": "x" }),
            &["/citation"],
            &["/limit `limit`에는 정수가 와야 하는데 글이 왔습니다"],
        );
    }
}
