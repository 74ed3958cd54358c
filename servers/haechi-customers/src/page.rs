//! Rows on their way out: limits, the last look for personal data, names and types of columns.

use haechi_contract::customers::ResultColumn;
use haechi_sql::{Checked, MaskKind};
use serde_json::Value;

use crate::store::Sink;
use crate::value;

/// Takes the names alone first, then every row; answers whether it wants more.
pub type RowWriter<'w> = dyn FnMut(&[String], Option<&[Value]>) -> bool + Send + 'w;

/// A second net under the policy: a resident number that stands written out in a column that nobody
/// masked. A bare number of thirteen digits may be an amount and stays.
fn without_resident_numbers(text: &str) -> Option<String> {
    use haechi_korean::personal::{Kind, find};
    if text.len() < 14 || text.bytes().filter(u8::is_ascii_digit).count() < 13 || !text.contains('-') {
        return None;
    }
    let numbers = find(text).into_iter().filter(|found| {
        matches!(found.kind, Kind::ResidentNumber | Kind::ForeignerNumber)
            && text.get(found.start..found.end).is_some_and(|number| number.contains('-'))
    });
    let mut masked = String::new();
    let mut at = 0;
    for found in numbers {
        masked.push_str(text.get(at..found.start).unwrap_or_default());
        masked.push_str("[주민등록번호]");
        at = found.end;
    }
    if at == 0 {
        return None;
    }
    masked.push_str(text.get(at..).unwrap_or_default());
    Some(masked)
}

/// Collects rows up to the limits.
#[derive(Default)]
pub(crate) struct Page {
    pub(crate) columns: Vec<(String, String)>,
    pub(crate) rows: Vec<Vec<Value>>,
    pub(crate) rows_max: usize,
    pub(crate) bytes_max: usize,
    pub(crate) bytes: usize,
    pub(crate) truncated: bool,
    /// Columns of a year mask: the day that stands for the year is not shown.
    pub(crate) years: Vec<bool>,
}

impl Sink for Page {
    fn columns(&mut self, columns: Vec<(String, String)>) {
        self.columns = columns;
    }

    fn row(&mut self, mut row: Vec<Value>) -> bool {
        tidy(&mut row, &self.years);
        self.bytes += row.iter().map(value::weight).sum::<usize>() + 2;
        if self.rows_max <= self.rows.len() || self.bytes_max < self.bytes {
            self.truncated = true;
            return false;
        }
        self.rows.push(row);
        true
    }
}

/// What every row passes on its way out, whichever way that is.
fn tidy(row: &mut [Value], years: &[bool]) {
    if years.len() == row.len() {
        for (cell, is_year) in row.iter_mut().zip(years) {
            if *is_year && let Value::String(text) = cell {
                text.truncate(text.find('-').unwrap_or(text.len()));
            }
        }
    }
    for cell in row {
        if let Value::String(text) = cell
            && let Some(masked) = without_resident_numbers(text)
        {
            *text = masked;
        }
    }
}

/// Hands rows on as they come.
pub(crate) struct Stream<'s> {
    pub(crate) names: Vec<String>,
    pub(crate) years: Vec<bool>,
    pub(crate) rows_left: u64,
    pub(crate) write: &'s mut RowWriter<'s>,
}

impl Sink for Stream<'_> {
    fn columns(&mut self, columns: Vec<(String, String)>) {
        if columns.len() != self.names.len() {
            self.names = columns.into_iter().map(|(name, _)| name).collect();
        }
        (self.write)(&self.names, None);
    }

    fn row(&mut self, mut row: Vec<Value>) -> bool {
        if self.rows_left == 0 {
            return false;
        }
        self.rows_left -= 1;
        tidy(&mut row, &self.years);
        (self.write)(&self.names, Some(&row))
    }
}

pub(crate) fn result_columns(checked: &Checked, page: &Page) -> Vec<ResultColumn> {
    if page.columns.is_empty() {
        // Without a row the servers name no columns; the statement itself does.
        return checked
            .columns
            .iter()
            .map(|column| ResultColumn {
                name: column.name.clone(),
                data_type: "text".to_owned(),
                masked: masked(column.direct, column.masks),
            })
            .collect();
    }
    let known = checked.columns.len() == page.columns.len();
    page.columns
        .iter()
        .enumerate()
        .map(|(index, (name, data_type))| {
            let by_place = checked.columns.get(index).filter(|_| known);
            let column =
                by_place.or_else(|| checked.columns.iter().find(|column| column.name.eq_ignore_ascii_case(name)));
            let data_type = if data_type.is_empty() { column_kind(page, index) } else { data_type };
            ResultColumn {
                name: by_place
                    .map(|column| column.name.clone())
                    .filter(|name| !name.is_empty())
                    .unwrap_or_else(|| name.clone()),
                data_type: data_type.to_owned(),
                masked: column.and_then(|column| masked(column.direct, column.masks)),
            }
        })
        .collect()
}

/// The type that fits every cell of a column.
fn column_kind(page: &Page, index: usize) -> &'static str {
    let mut kinds = page.rows.iter().filter_map(|row| row.get(index).and_then(value::kind_of));
    let Some(first) = kinds.next() else { return "text" };
    kinds.fold(first, |known, next| match (known, next) {
        (known, next) if known == next => known,
        ("integer" | "number", "integer" | "number") => "number",
        _ => "text",
    })
}

pub(crate) fn masked(direct: Option<MaskKind>, masks: haechi_sql::Masks) -> Option<String> {
    match direct {
        Some(kind) => Some(kind.as_str().to_owned()),
        None if masks.is_empty() => None,
        None => Some(masks.kinds().map(MaskKind::as_str).collect::<Vec<_>>().join("+")),
    }
}
