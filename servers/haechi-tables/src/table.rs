//! A table with named, typed columns, whether it came from a sheet or from a page.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use crate::content::Content;
use crate::region::unit_of;
use crate::sheet::{Span, cell_name, column_letters};
use crate::value::{Value, is_nil, written_number};

/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum ColumnKind {
    Integer,
    Number,
    /// A ratio that its format shows in per cent.
    Percent,
    Date,
    Duration,
    Boolean,
    Text,
    Empty,
}

impl ColumnKind {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Integer => "integer",
            Self::Number => "number",
            Self::Percent => "percent",
            Self::Date => "date",
            Self::Duration => "duration",
            Self::Boolean => "boolean",
            Self::Text => "text",
            Self::Empty => "empty",
        }
    }

    pub fn is_numeric(self) -> bool {
        matches!(self, Self::Integer | Self::Number | Self::Percent)
    }
}

/// A named column; `index` is its place in the grid, where spacers count as well.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Column {
    pub name: String,
    pub kind: ColumnKind,
    pub unit: Option<String>,
    pub index: usize,
    /// Letters in the sheet; nothing on a page.
    pub at: Option<String>,
}

/// What a row is besides data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum RowKind {
    Total,
    Subtotal,
    Section,
}

impl RowKind {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Total => "total",
            Self::Subtotal => "subtotal",
            Self::Section => "section",
        }
    }
}

/// A cell as it is shown and what it is.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Cell {
    pub value: Value,
    pub text: String,
    pub percent: bool,
    /// The cell that the value stands in, where this one is covered by its merged range.
    pub merged_from: Option<String>,
}

impl Cell {
    /// The value as the column's kind reads it: numbers written as text are numbers in a column of
    /// numbers, and a dash is nothing there.
    pub fn typed(&self, kind: ColumnKind) -> Value {
        match &self.value {
            Value::Text(text) if kind.is_numeric() => match written_number(text) {
                Some(written) => Value::Number(written.number),
                None if is_nil(text) => Value::Empty,
                None => self.value.clone(),
            },
            other => other.clone(),
        }
    }
}

/// A row of data.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Row {
    pub range: String,
    pub kind: Option<RowKind>,
    pub hidden: bool,
    pub cells: Vec<Cell>,
}

/// The head of a table: what its columns are. Rows are apart, since they may be many.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Head {
    pub columns: Vec<Column>,
    /// Header rows over the whole width as they are shown.
    pub header: Vec<Vec<String>>,
    pub width: usize,
}

/// Data rows of a span: everything below the headers that holds a cell of its own.
pub fn data_rows(content: &Content, span: Span, header_rows: &[u32]) -> Vec<u32> {
    let below = header_rows.last().map_or(span.top, |last| last + 1);
    content
        .rows
        .range(below..=span.bottom)
        .filter(|(row, _)| !content.own(**row, span.left, span.right).is_empty())
        .map(|(row, _)| *row)
        .collect()
}

/// Reads one row of a sheet.
pub fn row_of(content: &Content, span: Span, row: u32) -> Row {
    let cells: Vec<Cell> = (span.left..=span.right)
        .map(|column| match content.resolved(row, column) {
            None => Cell::default(),
            Some(cell) => Cell {
                value: cell.value.clone(),
                text: cell.text(),
                percent: cell.percent,
                merged_from: (cell.row != row || cell.column != column).then(|| cell_name(cell.row, cell.column)),
            },
        })
        .collect();
    let range = Span { top: row, bottom: row, ..span }.name();
    Row { range, kind: row_kind(&cells), hidden: content.hidden_rows.contains(&row), cells }
}

/// Names and types the columns of a span.
pub fn head(content: &Content, span: Span, header_rows: &[u32], unit: Option<&str>, letters: bool) -> Head {
    let header: Vec<Vec<String>> = header_rows
        .iter()
        .map(|row| {
            (span.left..=span.right)
                .map(|column| content.resolved(*row, column).map_or_else(String::new, |cell| one_line(&cell.text())))
                .collect()
        })
        .collect();
    let rows: Vec<Row> =
        data_rows(content, span, header_rows).into_iter().map(|row| row_of(content, span, row)).collect();
    let width = usize::try_from(span.columns()).unwrap_or(0);
    let mut columns = Vec::new();
    let mut seen: HashMap<String, usize> = HashMap::new();
    for index in 0..width {
        let letter = column_letters(span.left + u32::try_from(index).unwrap_or(u32::MAX));
        let own_header = header_rows.iter().any(|row| {
            let column = span.left + u32::try_from(index).unwrap_or(u32::MAX);
            content.cell(*row, column).is_some()
        });
        let filled = rows
            .iter()
            .any(|row| row.cells.get(index).is_some_and(|cell| !cell.value.is_empty() && cell.merged_from.is_none()));
        // Spacers, and columns that only lie under merged cells, are no columns of data.
        if !own_header && !filled {
            continue;
        }
        let mut path: Vec<&str> = Vec::new();
        for row in &header {
            let text = row.get(index).map_or("", String::as_str);
            if !text.is_empty() && path.last() != Some(&text) {
                path.push(text);
            }
        }
        let (kind, written_unit) = kind_of(&rows, index);
        let mut name = path.join("/");
        if name.is_empty() {
            name = if letters { format!("열 {letter}") } else { format!("열 {}", index + 1) };
        }
        let count = seen.entry(name.clone()).or_insert(0);
        *count += 1;
        if 1 < *count {
            name = format!("{name} ({count})");
        }
        let unit = unit_of_header(&path).or(written_unit).or_else(|| {
            (kind.is_numeric() && kind != ColumnKind::Percent && !is_counter(&name))
                .then(|| unit.map(str::to_owned))
                .flatten()
        });
        columns.push(Column { name, kind, unit, index, at: letters.then_some(letter) });
    }
    Head { columns, header, width }
}

/// A unit in the brackets of a header: `잔액(억원)`, `비중 (%)`.
fn unit_of_header(path: &[&str]) -> Option<String> {
    const KNOWN: [&str; 40] = [
        "%",
        "%p",
        "%P",
        "원",
        "천원",
        "만원",
        "백만원",
        "억원",
        "십억원",
        "조원",
        "건",
        "명",
        "좌",
        "개",
        "개사",
        "인",
        "개월",
        "년",
        "일",
        "배",
        "점",
        "bp",
        "bps",
        "천명",
        "만명",
        "세대",
        "가구",
        "대",
        "회",
        "호",
        "㎡",
        "kg",
        "톤",
        "USD",
        "달러",
        "천달러",
        "백만달러",
        "억달러",
        "$",
        "€",
    ];
    path.iter().rev().find_map(|text| {
        if let Some(unit) = unit_of(text) {
            return Some(unit);
        }
        let open = text.rfind(['(', '[', '（'])?;
        let inside = text[open..].chars().skip(1).collect::<String>();
        let inside = inside.split([')', ']', '）']).next()?.trim().to_owned();
        let known = KNOWN.contains(&inside.as_str())
            || inside.split([',', '/', '·']).all(|part| KNOWN.contains(&part.trim())) && !inside.is_empty();
        known.then_some(inside)
    })
}

/// Columns of ordinal numbers and years carry no unit of the table.
fn is_counter(name: &str) -> bool {
    let lower = name.to_lowercase();
    ["no", "no.", "번호", "순번", "순위", "연번", "코드", "연도", "년도", "year", "id"]
        .iter()
        .any(|word| lower == *word || lower.ends_with(&format!("/{word}")))
}

fn kind_of(rows: &[Row], index: usize) -> (ColumnKind, Option<String>) {
    let mut counts: HashMap<&'static str, usize> = HashMap::new();
    let mut count = |name: &'static str| *counts.entry(name).or_insert(0) += 1;
    let mut integers = true;
    let mut codes = false;
    let mut percent = 0_usize;
    let mut units: HashMap<&'static str, usize> = HashMap::new();
    let sections: usize = rows.iter().filter(|row| row.kind == Some(RowKind::Section)).count();
    for row in rows {
        let Some(cell) = row.cells.get(index) else { continue };
        if row.kind == Some(RowKind::Section) && sections * 2 < rows.len() {
            continue;
        }
        match &cell.value {
            Value::Empty => {}
            Value::Number(number) => {
                count("number");
                integers &= number.fract() == 0.0;
                percent += usize::from(cell.percent);
            }
            Value::Bool(_) => count("boolean"),
            Value::Date(_) => count("date"),
            Value::Duration(_) => count("duration"),
            Value::Error(_) => count("error"),
            Value::Text(text) if is_nil(text) => count("nil"),
            Value::Text(text) => match written_number(text) {
                Some(written) => {
                    count("number");
                    integers &= written.number.fract() == 0.0;
                    if let Some(unit) = written.unit {
                        *units.entry(unit).or_insert(0) += 1;
                    }
                }
                None => {
                    let trimmed = text.trim();
                    codes |= 1 < trimmed.len()
                        && trimmed.starts_with('0')
                        && trimmed.bytes().all(|byte| byte.is_ascii_digit());
                    count("text");
                }
            },
        }
    }
    let of = |name: &str| counts.get(name).copied().unwrap_or(0);
    let (numbers, texts) = (of("number"), of("text"));
    let meant = numbers + texts + of("boolean") + of("date") + of("duration");
    let unit = units
        .iter()
        .max_by_key(|(_, times)| **times)
        .filter(|(_, times)| numbers < 2 * **times)
        .map(|(unit, _)| (*unit).to_owned());
    let kind = if meant == 0 {
        if of("error") + of("nil") == 0 { ColumnKind::Empty } else { ColumnKind::Text }
    } else if !codes && meant * 7 <= numbers * 10 {
        if numbers < 2 * percent {
            ColumnKind::Percent
        } else if integers {
            ColumnKind::Integer
        } else {
            ColumnKind::Number
        }
    } else if meant * 7 <= of("date") * 10 {
        ColumnKind::Date
    } else if meant * 7 <= of("duration") * 10 {
        ColumnKind::Duration
    } else if meant == of("boolean") {
        ColumnKind::Boolean
    } else {
        ColumnKind::Text
    };
    (kind, unit.filter(|_| kind.is_numeric()))
}

fn row_kind(cells: &[Cell]) -> Option<RowKind> {
    let own: Vec<&Cell> = cells.iter().filter(|cell| !cell.value.is_empty()).collect();
    let first = own.first()?;
    let Value::Text(text) = &first.value else { return None };
    let plain: String = text
        .chars()
        .filter(|character| {
            !character.is_whitespace() && !matches!(character, '(' | ')' | '[' | ']' | '<' | '>' | ':' | '：')
        })
        .collect::<String>()
        .to_lowercase();
    let figures = own.iter().any(|cell| !matches!(&cell.value, Value::Text(text) if written_number(text).is_none()));
    if figures || 1 < own.len() {
        const TOTALS: [&str; 14] = [
            "합계",
            "총계",
            "계",
            "총합계",
            "전체합계",
            "총액",
            "합",
            "total",
            "totals",
            "grandtotal",
            "합계액",
            "合计",
            "总计",
            "資産總計",
        ];
        const SUBTOTALS: [&str; 8] = ["소계", "중계", "누계", "subtotal", "sub-total", "小计", "소합계", "부분합"];
        if TOTALS.contains(&plain.as_str()) {
            return Some(RowKind::Total);
        }
        if SUBTOTALS.contains(&plain.as_str()) || plain.ends_with("소계") {
            return Some(RowKind::Subtotal);
        }
        return None;
    }
    (own.len() == 1 && first.merged_from.is_none() && 2 < cells.len()).then_some(RowKind::Section)
}

pub fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
