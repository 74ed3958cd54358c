//! OpenDocument sheets, read as a stream: values, the text that cells show, merged and hidden cells.
//!
//! The library for the other kinds holds a whole document in dense blocks and does not tell what is
//! merged, so this kind is read here.

use std::io::Read;
use std::path::{Path, PathBuf};

use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};

use super::package::{Package, attribute};
use super::{Flow, Kind, SheetCell, SheetEntry, SheetExtras, Span, Visibility};
use crate::error::Error;
use crate::value::{Value, clean_text};

/// A run of equal rows or cells longer than this at the end of a sheet is its unused rest.
const REPEAT_MAX: u32 = 4_096;
const CONTENT_BYTES_MAX: u64 = 512 << 20;
const TEXT_CHARS_MAX: usize = 1 << 20;

pub(super) struct Book {
    path: PathBuf,
}

pub(super) fn open(path: &Path, shown: &str) -> Result<super::Book, Error> {
    let damaged = || Error::Damaged { path: shown.to_owned(), what: "문서의 구조가 깨졌습니다".to_owned() };
    let mut package = Package::open(path).ok_or_else(damaged)?;
    let mut sheets: Vec<SheetEntry> = Vec::new();
    let mut hidden_styles: Vec<String> = Vec::new();
    let mut current_style: Option<String> = None;
    let whole = package.elements("content.xml", &mut |element| {
        match element.local_name().as_ref() {
            "style" if attribute(element, "family").as_deref() == Some("table") => {
                current_style = attribute(element, "name");
            }
            "table-properties" if attribute(element, "display").as_deref() == Some("false") => {
                hidden_styles.extend(current_style.clone());
            }
            "table" => {
                let hidden = attribute(element, "style-name").is_some_and(|style| hidden_styles.contains(&style));
                sheets.push(SheetEntry {
                    name: attribute(element, "name").unwrap_or_default(),
                    visibility: if hidden { Visibility::Hidden } else { Visibility::Visible },
                    has_cells: true,
                });
            }
            _ => {}
        }
        true
    });
    if !whole {
        return Err(damaged());
    }
    Ok(super::Book {
        path: String::new(),
        kind: Kind::Ods,
        sheets,
        named_tables: Vec::new(),
        encoding: None,
        notes: Vec::new(),
        reader: super::Reader::Ods(Book { path: path.to_path_buf() }),
    })
}

impl Book {
    pub(super) fn cells(&mut self, sheet: &str, each: &mut dyn FnMut(SheetCell) -> Flow) -> Result<(), &'static str> {
        self.walk(sheet, &mut SheetExtras::default(), each)
    }

    pub(super) fn extras(&mut self, sheet: &str) -> SheetExtras {
        let mut extras = SheetExtras::default();
        if self.walk(sheet, &mut extras, &mut |_| Flow::Continue(())).is_err() {
            extras.unknown = true;
        }
        extras
    }

    fn walk(
        &self,
        sheet: &str,
        extras: &mut SheetExtras,
        each: &mut dyn FnMut(SheetCell) -> Flow,
    ) -> Result<(), &'static str> {
        const BROKEN: &str = "시트의 내용이 깨졌습니다";
        let file = std::fs::File::open(&self.path).map_err(|_| BROKEN)?;
        let mut archive = zip::ZipArchive::new(file).map_err(|_| BROKEN)?;
        let entry = archive.by_name("content.xml").map_err(|_| BROKEN)?;
        let mut reader = Reader::from_reader(std::io::BufReader::new(entry.take(CONTENT_BYTES_MAX)));
        let mut buffer = Vec::new();
        let mut inside = false;
        // Tables may be nested in cells by some writers; only the outer one counts.
        let mut depth = 0_u32;
        let (mut row, mut column, mut row_repeat) = (0_u32, 0_u32, 1_u32);
        let mut definition_column = 0_u32;
        let mut row_cells: Vec<SheetCell> = Vec::new();
        let mut open: Option<OpenCell> = None;
        let mut paragraphs = 0_u32;
        loop {
            buffer.clear();
            let event = reader.read_event_into(&mut buffer).map_err(|_| BROKEN)?;
            let empty = matches!(event, Event::Empty(_));
            match event {
                Event::Start(element) | Event::Empty(element) => match element.local_name().as_ref() {
                    "table" => {
                        depth += u32::from(!empty);
                        if depth == 1 && attribute(&element, "name").as_deref() == Some(sheet) {
                            inside = true;
                            (row, column, definition_column) = (0, 0, 0);
                        }
                    }
                    "table-column" if inside => {
                        let count = repeat(&element, "number-columns-repeated");
                        if is_collapsed(&element) && count <= REPEAT_MAX {
                            extras.hidden_columns.extend(definition_column..definition_column + count);
                        }
                        definition_column = definition_column.saturating_add(count);
                    }
                    "table-row" if inside => {
                        column = 0;
                        row_cells.clear();
                        row_repeat = repeat(&element, "number-rows-repeated");
                        if is_collapsed(&element) && row_repeat <= REPEAT_MAX {
                            extras.hidden_rows.extend(row..row + row_repeat);
                        }
                        if empty {
                            row = row.saturating_add(row_repeat);
                        }
                    }
                    "table-cell" | "covered-table-cell" if inside => {
                        let cell = OpenCell::of(&element, column);
                        if let Some(span) = cell.span(row) {
                            extras.merges.push(span);
                        }
                        paragraphs = 0;
                        if empty {
                            column = column.saturating_add(cell.repeat);
                            cell.finish(row, &mut row_cells);
                        } else {
                            open = Some(cell);
                        }
                    }
                    "p" => {
                        if let Some(cell) = &mut open
                            && 0 < paragraphs
                        {
                            cell.text.push('\n');
                        }
                        paragraphs += 1;
                    }
                    "s" => {
                        if let Some(cell) = &mut open {
                            let count = repeat(&element, "c").min(64);
                            cell.text.extend(std::iter::repeat_n(' ', usize::try_from(count).unwrap_or(1)));
                        }
                    }
                    "tab" => {
                        if let Some(cell) = &mut open {
                            cell.text.push('\t');
                        }
                    }
                    // A comment belongs beside the cell, not into its text.
                    "annotation" if !empty => {
                        let end = element.to_end().into_owned();
                        reader.read_to_end_into(end.name(), &mut Vec::new()).map_err(|_| BROKEN)?;
                    }
                    _ => {}
                },
                Event::Text(text) => {
                    if let Some(cell) = &mut open
                        && 0 < paragraphs
                        && cell.text.len() < TEXT_CHARS_MAX
                    {
                        cell.text.push_str(&text.xml10_content());
                    }
                }
                Event::GeneralRef(reference) => {
                    if let Some(cell) = &mut open {
                        let name = format!("&{};", reference.xml10_content());
                        if let Ok(text) = quick_xml::escape::unescape(&name) {
                            cell.text.push_str(&text);
                        }
                    }
                }
                Event::End(element) => match element.local_name().as_ref() {
                    "table" => {
                        depth = depth.saturating_sub(1);
                        if inside && depth == 0 {
                            return Ok(());
                        }
                    }
                    "table-cell" | "covered-table-cell" if inside => {
                        if let Some(cell) = open.take() {
                            column = column.saturating_add(cell.repeat);
                            cell.finish(row, &mut row_cells);
                        }
                    }
                    "table-row" if inside => {
                        let times = if row_cells.is_empty() { 0 } else { row_repeat.min(REPEAT_MAX) };
                        for copy in 0..times {
                            for cell in &row_cells {
                                let mut cell = cell.clone();
                                cell.row = row + copy;
                                if each(cell).is_break() {
                                    return Ok(());
                                }
                            }
                        }
                        row = row.saturating_add(row_repeat);
                    }
                    _ => {}
                },
                Event::Eof => return Ok(()),
                _ => {}
            }
        }
    }
}

struct OpenCell {
    column: u32,
    repeat: u32,
    columns: u32,
    rows: u32,
    kind: String,
    value: Option<String>,
    covered: bool,
    formula: bool,
    text: String,
}

impl OpenCell {
    fn of(element: &BytesStart<'_>, column: u32) -> Self {
        let value = ["value", "date-value", "time-value", "boolean-value", "string-value"]
            .iter()
            .find_map(|name| attribute(element, name));
        Self {
            column,
            repeat: repeat(element, "number-columns-repeated"),
            columns: repeat(element, "number-columns-spanned"),
            rows: repeat(element, "number-rows-spanned"),
            kind: attribute(element, "value-type").unwrap_or_default(),
            value,
            covered: element.local_name().as_ref() == "covered-table-cell",
            formula: attribute(element, "formula").is_some(),
            text: String::new(),
        }
    }

    fn span(&self, row: u32) -> Option<Span> {
        (1 < self.rows || 1 < self.columns).then(|| Span {
            top: row,
            left: self.column,
            bottom: row.saturating_add(self.rows - 1),
            right: self.column.saturating_add(self.columns - 1),
        })
    }

    fn finish(self, row: u32, cells: &mut Vec<SheetCell>) {
        if self.covered || (self.kind.is_empty() && self.text.is_empty()) {
            return;
        }
        let text = clean_text(&self.text);
        let number = || self.value.as_deref().and_then(|value| value.parse::<f64>().ok());
        let value = match self.kind.as_str() {
            "float" | "currency" | "percentage" => number().map_or(Value::Text(text.clone()), Value::Number),
            "boolean" => Value::Bool(self.value.as_deref() == Some("true")),
            "date" => Value::Date(self.value.clone().unwrap_or_default().trim_end_matches("T00:00:00").to_owned()),
            "time" => Value::Duration(iso_duration(self.value.as_deref().unwrap_or_default())),
            _ => Value::Text(self.value.clone().filter(|_| text.is_empty()).unwrap_or_else(|| text.clone())),
        };
        if value.is_empty() {
            return;
        }
        let value = match value {
            Value::Text(text) if is_error(&text) => Value::Error(text),
            other => other,
        };
        let shown = (!text.is_empty() && text != value.plain()).then(|| text.clone().into_boxed_str());
        for copy in 0..self.repeat.min(REPEAT_MAX) {
            cells.push(SheetCell {
                row,
                column: self.column + copy,
                value: value.clone(),
                shown: shown.clone(),
                percent: self.kind == "percentage",
                formula: self.formula,
            });
        }
    }
}

fn is_error(text: &str) -> bool {
    text.starts_with('#') && (text.ends_with('!') || text.ends_with('?') || text == "#N/A")
}

fn repeat(element: &BytesStart<'_>, name: &str) -> u32 {
    attribute(element, name).and_then(|text| text.parse().ok()).unwrap_or(1).max(1)
}

fn is_collapsed(element: &BytesStart<'_>) -> bool {
    attribute(element, "visibility").is_some_and(|value| value == "collapse" || value == "filter")
}

/// `PT36H10M05S` as `36:10:05`.
fn iso_duration(text: &str) -> String {
    let mut parts = [0_u64; 3];
    let mut digits = String::new();
    for character in text.trim_start_matches(['P', 'T', '-']).chars() {
        match character {
            'H' => parts[0] = digits.parse().unwrap_or(0),
            'M' => parts[1] = digits.parse().unwrap_or(0),
            'S' => parts[2] = digits.split('.').next().and_then(|whole| whole.parse().ok()).unwrap_or(0),
            other if other.is_ascii_digit() || other == '.' => {
                digits.push(other);
                continue;
            }
            _ => {}
        }
        digits.clear();
    }
    format!("{:02}:{:02}:{:02}", parts[0], parts[1], parts[2])
}
