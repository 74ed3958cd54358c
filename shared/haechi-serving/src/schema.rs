//! Makes generated JSON Schemas acceptable to every host.
//!
//! Hosts differ in what they take: some reject a whole tool list for a numeric `format` they do
//! not know, a `["string", "null"]` type or an `anyOf` with null, and stringify what has no type.
//! The pass below rewrites those forms into plain ones that mean the same to our readers: an
//! optional field is one that may be absent, so a null alternative adds nothing.

use schemars::JsonSchema;
use schemars::generate::{Contract, SchemaSettings};
use serde_json::{Map, Value};

/// The portable schema of `T` as an object; `contract` says whether `T` is read or written.
pub(crate) fn of<T: JsonSchema>(contract: Contract) -> Map<String, Value> {
    let mut settings = SchemaSettings::draft2020_12();
    settings.inline_subschemas = true;
    settings.meta_schema = None;
    settings.contract = contract;
    let mut value = settings.into_generator().into_root_schema_for::<T>().to_value();
    portable(&mut value);
    match value {
        Value::Object(mut object) => {
            // The root carries the Rust type's name and comment, which tell a host nothing.
            object.remove("title");
            object.remove("description");
            if !object.contains_key("type") {
                object.insert("type".to_owned(), "object".into());
            }
            if !object.contains_key("properties") {
                object.insert("properties".to_owned(), Value::Object(Map::new()));
            }
            object
        }
        _ => Map::new(),
    }
}

/// Formats that JSON Schema itself defines and that hosts accept.
const FORMATS: &[&str] = &["date", "date-time", "email", "time", "uri", "uuid"];

/// Rewrites `schema` in place; running it twice changes nothing more.
pub fn portable(schema: &mut Value) {
    if let Value::Bool(true) = schema {
        *schema = Value::Object(Map::new());
    }
    let Value::Object(object) = schema else { return };
    object.remove("$schema");
    if object.get("format").is_some_and(|format| !format.as_str().is_some_and(|name| FORMATS.contains(&name))) {
        object.remove("format");
    }
    if object.get("default").is_some_and(Value::is_null) {
        object.remove("default");
    }
    drop_null_type(object);
    for combinator in ["anyOf", "oneOf"] {
        flatten(object, combinator);
    }
    for key in ["properties", "$defs", "patternProperties"] {
        if let Some(Value::Object(children)) = object.get_mut(key) {
            children.values_mut().for_each(portable);
        }
    }
    // `true` means "no restriction" here and is the plain form already.
    for key in ["items", "additionalProperties", "not", "contains", "propertyNames"] {
        if let Some(child) = object.get_mut(key)
            && !child.is_boolean()
        {
            portable(child);
        }
    }
    if object.get("items").is_some_and(Value::is_boolean) {
        object.insert("items".to_owned(), Value::Object(Map::new()));
    }
    for key in ["anyOf", "oneOf", "allOf", "prefixItems"] {
        if let Some(Value::Array(children)) = object.get_mut(key) {
            children.iter_mut().for_each(portable);
        }
    }
}

fn drop_null_type(object: &mut Map<String, Value>) {
    if let Some(Value::Array(types)) = object.get_mut("type") {
        types.retain(|name| name != "null");
        if let [only] = types.as_slice() {
            let only = only.clone();
            object.insert("type".to_owned(), only);
        }
    }
    if let Some(Value::Array(values)) = object.get_mut("enum") {
        values.retain(|value| !value.is_null());
    }
}

/// Removes the null alternative of a combinator, merges a single alternative into its parent, and
/// turns a list of constant strings into an `enum`.
fn flatten(object: &mut Map<String, Value>, combinator: &str) {
    let Some(Value::Array(alternatives)) = object.get(combinator) else { return };
    let mut alternatives: Vec<Value> = alternatives.clone();
    alternatives.retain(|alternative| alternative.get("type").is_none_or(|name| name != "null"));
    let names: Option<Vec<Value>> = alternatives
        .iter()
        .map(|alternative| match (alternative.get("const"), alternative.get("enum")) {
            (Some(name @ Value::String(_)), _) => Some(vec![name.clone()]),
            (None, Some(Value::Array(names))) => Some(names.clone()),
            _ => None,
        })
        .collect::<Option<Vec<_>>>()
        .map(|groups| groups.into_iter().flatten().collect());
    if let Some(names) = names.filter(|names| !names.is_empty()) {
        // The meaning of each constant stands in its description; keep it where a model reads it.
        let meanings: Vec<String> = alternatives
            .iter()
            .filter_map(|alternative| {
                let name = alternative.get("const")?.as_str()?;
                let meaning = alternative.get("description")?.as_str()?;
                Some(format!("{name}: {meaning}"))
            })
            .collect();
        object.remove(combinator);
        object.insert("type".to_owned(), "string".into());
        object.insert("enum".to_owned(), Value::Array(names));
        if !meanings.is_empty() {
            let mut text = object.get("description").and_then(Value::as_str).unwrap_or_default().to_owned();
            if !text.is_empty() {
                text.push_str(if text.ends_with('.') { " " } else { ". " });
            }
            text.push_str(&meanings.join("; "));
            object.insert("description".to_owned(), text.into());
        }
    } else if let [only] = alternatives.as_slice() {
        let only = only.clone();
        object.remove(combinator);
        if let Value::Object(only) = only {
            for (key, value) in only {
                // The parent's own words describe the field; the child's describe its type.
                object.entry(key).or_insert(value);
            }
        }
        drop_null_type(object);
    } else {
        object.insert(combinator.to_owned(), Value::Array(alternatives));
    }
}

#[cfg(test)]
mod tests {
    use serde::{Deserialize, Serialize};
    use serde_json::json;

    use super::*;

    /// How strict a search is.
    #[derive(Serialize, Deserialize, JsonSchema)]
    #[serde(rename_all = "snake_case")]
    enum Mode {
        /// 낱말
        Lexical,
        /// 뜻
        Semantic,
    }

    /// An input.
    #[derive(Serialize, Deserialize, JsonSchema)]
    struct Input {
        /// 검색어
        query: String,
        limit: Option<u32>,
        mode: Option<Mode>,
        tags: Option<Vec<String>>,
    }

    #[test]
    fn optional_fields_enums_and_number_formats_become_plain() {
        assert_eq!(
            Value::Object(of::<Input>(Contract::Deserialize)),
            json!({
                "type": "object",
                "properties": {
                    "query": { "type": "string", "description": "검색어" },
                    "limit": { "type": "integer", "minimum": 0 },
                    "mode": {
                        "type": "string",
                        "enum": ["lexical", "semantic"],
                        "description": "How strict a search is. lexical: 낱말; semantic: 뜻"
                    },
                    "tags": { "type": "array", "items": { "type": "string" } }
                },
                "required": ["query"]
            })
        );
    }

    #[test]
    fn the_pass_is_idempotent() {
        let mut once = Value::Object(of::<Input>(Contract::Serialize));
        let before = once.clone();
        portable(&mut once);
        assert_eq!(once, before);
    }

    #[test]
    fn a_type_without_fields_is_still_an_object() {
        #[derive(Deserialize, JsonSchema)]
        struct Nothing {}
        assert_eq!(Value::Object(of::<Nothing>(Contract::Deserialize)), json!({ "type": "object", "properties": {} }));
    }
}
