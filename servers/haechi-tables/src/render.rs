//! Rows as records, Markdown and CSV.

use serde_json::{Map, Value as Json};

use crate::table::{Column, Row};
use crate::value::Value;

/// A row as an object by column name; `raw` gives the text that is shown.
pub fn record(row: &Row, columns: &[Column], raw: bool) -> Json {
    let mut object = Map::new();
    for column in columns {
        let value = match row.cells.get(column.index) {
            None => Json::Null,
            Some(cell) if raw => {
                if cell.value.is_empty() { Json::Null } else { cell.text.clone().into() }
            }
            Some(cell) => match cell.typed(column.kind) {
                Value::Text(text) => text.trim().into(),
                typed => typed.json(),
            },
        };
        object.insert(column.name.clone(), value);
    }
    Json::Object(object)
}

/// A Markdown table of what is shown; figures stand at the right.
pub fn markdown(columns: &[Column], rows: &[Row]) -> String {
    let escape = |text: &str| {
        text.split_whitespace().collect::<Vec<_>>().join(" ").replace('\\', "\\\\").replace('|', "\\|")
    };
    let mut text = String::from("|");
    for column in columns {
        text.push_str(&format!(" {} |", escape(&column.name)));
    }
    text.push_str("\n|");
    for column in columns {
        text.push_str(if column.kind.is_numeric() { " ---: |" } else { " --- |" });
    }
    text.push('\n');
    for row in rows {
        text.push('|');
        for column in columns {
            let shown = row.cells.get(column.index).map_or("", |cell| cell.text.as_str());
            text.push_str(&format!(" {} |", escape(shown)));
        }
        text.push('\n');
    }
    text
}

/// CSV with a header row; values are exact unless `raw`. A text that a spreadsheet would run as a
/// formula is quoted by an apostrophe.
pub fn csv(columns: &[Column], rows: &[Row], raw: bool) -> String {
    let mut writer = ::csv::Writer::from_writer(Vec::new());
    let guarded = |text: String| {
        if text.starts_with(['=', '@', '\t', '\r']) { format!("'{text}") } else { text }
    };
    // Writing into memory does not fail.
    let _ = writer.write_record(columns.iter().map(|column| guarded(column.name.clone())));
    for row in rows {
        let _ = writer.write_record(columns.iter().map(|column| {
            row.cells.get(column.index).map_or_else(String::new, |cell| {
                let text = if raw { cell.text.clone() } else { cell.typed(column.kind).plain() };
                guarded(text)
            })
        }));
    }
    writer.into_inner().ok().and_then(|bytes| String::from_utf8(bytes).ok()).unwrap_or_default()
}
