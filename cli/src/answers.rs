//! What a tool's answer means to a workflow: rows as records, and the sources in it.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// More sources in one answer are counted but not listed.
pub(crate) const SOURCES_MAX: usize = 500;
/// How much of a source's text a report quotes.
const EXCERPT_CHARS_MAX: usize = 600;

/// A source that an answer names: a label that a person can check, and its address.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) struct Source {
    pub citation: String,
    pub uri: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub excerpt: Option<String>,
}

/// Every object of the answer that has both `citation` and `uri`, each once, in order.
pub(crate) fn sources(answer: &Value) -> Vec<Source> {
    let mut found: Vec<Source> = Vec::new();
    let mut seen = std::collections::HashSet::new();
    collect(answer, &mut seen, &mut found);
    found
}

fn collect(value: &Value, seen: &mut std::collections::HashSet<(String, String)>, found: &mut Vec<Source>) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| collect(item, seen, found)),
        Value::Object(map) => {
            if let (Some(citation), Some(uri)) = (text(map, "citation"), text(map, "uri"))
                && found.len() < SOURCES_MAX
                && seen.insert((citation.to_owned(), uri.to_owned()))
            {
                found.push(Source {
                    citation: citation.to_owned(),
                    uri: uri.to_owned(),
                    title: text(map, "title").map(ToOwned::to_owned),
                    excerpt: excerpt(map),
                });
            }
            map.values().for_each(|item| collect(item, seen, found));
        }
        _ => {}
    }
}

fn text<'map>(map: &'map Map<String, Value>, key: &str) -> Option<&'map str> {
    map.get(key).and_then(Value::as_str).filter(|text| !text.trim().is_empty())
}

/// A few words of the source itself: its text, or the first rows of its table.
fn excerpt(map: &Map<String, Value>) -> Option<String> {
    if let Some(text) = ["text", "snippet", "quote"].iter().find_map(|key| text(map, key)) {
        return Some(shortened(text));
    }
    let names: Vec<&str> = map
        .get("columns")?
        .as_array()?
        .iter()
        .map(|column| column.get("name").and_then(Value::as_str).or_else(|| column.as_str()).unwrap_or_default())
        .collect();
    let rows = map.get("rows")?.as_array()?;
    let mut lines = vec![names.join(" | ")];
    for row in rows.iter().take(5) {
        let cells: Vec<String> = match row {
            Value::Array(cells) => cells.iter().map(cell).collect(),
            Value::Object(record) => {
                names.iter().map(|name| record.get(*name).map_or_else(String::new, cell)).collect()
            }
            other => vec![cell(other)],
        };
        lines.push(cells.join(" | "));
    }
    if 5 < rows.len() {
        lines.push(format!("… 모두 {}줄", rows.len()));
    }
    Some(shortened(&lines.join("\n")))
}

fn cell(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn shortened(text: &str) -> String {
    let text = text.trim();
    if text.chars().count() <= EXCERPT_CHARS_MAX {
        return text.to_owned();
    }
    let kept: String = text.chars().take(EXCERPT_CHARS_MAX).collect();
    format!("{}…", kept.trim_end())
}

/// The answer with every table's rows as records: `rows[0]["잔액"]` instead of `rows[0][1]`.
pub(crate) fn with_records(answer: &Value) -> Value {
    match answer {
        Value::Array(items) => items.iter().map(with_records).collect(),
        Value::Object(map) => {
            let names = column_names(map);
            Value::Object(
                map.iter()
                    .map(|(key, value)| match (&names, value) {
                        (Some(names), Value::Array(rows)) if key == "rows" => {
                            (key.clone(), rows.iter().map(|row| record(names, row)).collect())
                        }
                        _ => (key.clone(), with_records(value)),
                    })
                    .collect(),
            )
        }
        other => other.clone(),
    }
}

/// The names of a table's columns, where the object is one: `columns` and rows that are arrays.
fn column_names(map: &Map<String, Value>) -> Option<Vec<String>> {
    let rows = map.get("rows")?.as_array()?;
    if !rows.iter().all(Value::is_array) {
        return None;
    }
    let mut names: Vec<String> = Vec::new();
    for column in map.get("columns")?.as_array()? {
        let name = column.get("name").and_then(Value::as_str).or_else(|| column.as_str())?;
        // Two columns of one name would hide each other, so the later one is numbered.
        let mut unique = name.to_owned();
        let mut count = 2;
        while names.contains(&unique) {
            unique = format!("{name}_{count}");
            count += 1;
        }
        names.push(unique);
    }
    Some(names)
}

fn record(names: &[String], row: &Value) -> Value {
    let cells = row.as_array().map(Vec::as_slice).unwrap_or_default();
    Value::Object(
        names
            .iter()
            .enumerate()
            .map(|(position, name)| (name.clone(), cells.get(position).cloned().unwrap_or(Value::Null)))
            .collect(),
    )
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn rows_become_records_wherever_a_table_is() {
        let answer = json!({ "result": { "columns": [{ "name": "업종" }, { "name": "잔액" }, { "name": "잔액" }], "rows": [["제조", 1, 2], ["건설", 3]] } });
        assert_eq!(
            with_records(&answer)["result"]["rows"],
            json!([{ "업종": "제조", "잔액": 1, "잔액_2": 2 }, { "업종": "건설", "잔액": 3, "잔액_2": null }])
        );
        let records = json!({ "columns": [{ "name": "a" }], "rows": [{ "a": 1 }] });
        assert_eq!(with_records(&records), records, "records are left alone");
    }

    #[test]
    fn every_source_is_found_once_with_an_excerpt() {
        let hit = json!({ "citation": "은행법 제35조", "uri": "regulation://a/35", "text": "은행은 …" });
        let answer = json!({
            "hits": [hit, hit, { "citation": "", "uri": "x" }],
            "citation": "여신현황.xlsx › 업종별 › B4:F12", "uri": "table://b",
            "columns": [{ "name": "업종" }, { "name": "잔액" }], "rows": [["제조", 1], ["건설", null]],
        });
        let found = sources(&answer);
        assert_eq!(found.len(), 2);
        assert_eq!(found[0].excerpt.as_deref(), Some("업종 | 잔액\n제조 | 1\n건설 |"));
        assert_eq!(found[1].citation, "은행법 제35조");
    }
}
