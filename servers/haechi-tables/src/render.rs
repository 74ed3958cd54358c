//! Rows as records, Markdown and CSV.

use serde_json::{Map, Value as Json};

use crate::library::Loaded;
use crate::table::{Column, Row};
use crate::value::Value;

/// A row as an object by column name; `raw` gives the text that is shown.
pub fn record(row: &Row, columns: &[Column], raw: bool) -> Json {
    let mut object = Map::new();
    for column in columns {
        let value = match row.cells.get(column.index) {
            None => Json::Null,
            Some(cell) if raw => {
                if cell.value.is_empty() {
                    Json::Null
                } else {
                    cell.text.clone().into()
                }
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
    let escape =
        |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ").replace('\\', "\\\\").replace('|', "\\|");
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

/// All rows as JSON objects.
pub fn json(columns: &[Column], rows: &[Row]) -> String {
    let records: Vec<Json> = rows.iter().map(|row| record(row, columns, false)).collect();
    serde_json::to_string_pretty(&records).unwrap_or_default()
}

/// A page with the table, its merged headers and its source.
pub fn html(loaded: &Loaded) -> String {
    let escape =
        |text: &str| text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;");
    let columns = &loaded.table.head.columns;
    let title = loaded.table.title.clone().unwrap_or_else(|| loaded.citation());
    let mut text = format!(
        "<!doctype html>\n<html lang=\"ko\"><head><meta charset=\"utf-8\"><title>{0}</title><style>\
         body{{font-family:sans-serif;margin:2rem}}table{{border-collapse:collapse}}\
         th,td{{border:1px solid #999;padding:.3rem .6rem}}td.number{{text-align:right}}tr.total{{font-weight:bold}}\
         </style></head><body><h1>{0}</h1><table><thead><tr>",
        escape(&title)
    );
    for column in columns {
        let unit = column.unit.as_deref().map(|unit| format!(" ({})", escape(unit))).unwrap_or_default();
        text.push_str(&format!("<th>{}{unit}</th>", escape(&column.name)));
    }
    text.push_str("</tr></thead><tbody>\n");
    for row in &loaded.rows {
        let class = row.kind.map_or("", |kind| kind.as_str());
        text.push_str(&format!("<tr class=\"{class}\" data-range=\"{}\">", escape(&row.range)));
        for column in columns {
            let shown = row.cells.get(column.index).map_or("", |cell| cell.text.as_str());
            let class = if column.kind.is_numeric() { "number" } else { "" };
            text.push_str(&format!("<td class=\"{class}\">{}</td>", escape(shown)));
        }
        text.push_str("</tr>\n");
    }
    text.push_str(&format!("</tbody></table><p>출처: {}</p></body></html>\n", escape(&loaded.citation())));
    text
}
