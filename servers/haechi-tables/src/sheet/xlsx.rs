//! Workbooks of Excel 2007 and later, read by calamine's streaming reader.

use std::collections::HashMap;
use std::fs::File;
use std::io::BufReader;
use std::path::PathBuf;

use calamine::{DataRef, ExcelDateTime, Reader as _, SheetType, SheetVisible, Xlsx, XlsxError};

use super::package::Package;
use super::{Flow, Kind, SheetCell, SheetEntry, SheetExtras, Visibility, format};
use crate::error::Error;
use crate::value::{Value, clean_text};

pub(super) struct Book {
    workbook: Xlsx<BufReader<File>>,
    package: Option<Package>,
    parts: HashMap<String, String>,
}

pub(super) fn open(path: &PathBuf, shown: &str) -> Result<super::Book, Error> {
    let file = File::open(path).map_err(|_| Error::NoFile { path: shown.to_owned() })?;
    let workbook = Xlsx::new(BufReader::new(file)).map_err(|error| match error {
        XlsxError::Password => Error::PasswordRequired { path: shown.to_owned() },
        _ => Error::Damaged { path: shown.to_owned(), what: "통합 문서의 구조가 깨졌습니다".to_owned() },
    })?;
    let sheets = entries(workbook.sheets_metadata());
    let mut package = Package::open(path);
    let parts = package.as_mut().map(Package::sheet_parts).unwrap_or_default();
    let named_tables = package.as_mut().map(|package| package.named_tables(&parts)).unwrap_or_default();
    let book = Book { workbook, package, parts: parts.into_iter().collect() };
    Ok(super::Book {
        path: String::new(),
        kind: Kind::Xlsx,
        sheets,
        named_tables,
        encoding: None,
        notes: Vec::new(),
        reader: super::Reader::Xlsx(Box::new(book)),
    })
}

pub(super) fn entries(sheets: &[calamine::Sheet]) -> Vec<SheetEntry> {
    sheets
        .iter()
        .map(|sheet| SheetEntry {
            name: sheet.name.clone(),
            visibility: match sheet.visible {
                SheetVisible::Visible => Visibility::Visible,
                SheetVisible::Hidden => Visibility::Hidden,
                SheetVisible::VeryHidden => Visibility::VeryHidden,
            },
            has_cells: sheet.typ == SheetType::WorkSheet,
        })
        .collect()
}

impl Book {
    pub(super) fn cells(&mut self, sheet: &str, each: &mut dyn FnMut(SheetCell) -> Flow) -> Result<(), &'static str> {
        let mut reader = self.workbook.worksheet_cells_reader(sheet).map_err(|_| "시트를 열 수 없습니다")?;
        // The format of each style once, since a sheet has few styles and many cells.
        let codes: Vec<Option<String>> = reader
            .styles()
            .iter()
            .map(|style| style.number_format.as_ref().map(|format| format.format_code.clone()))
            .collect();
        loop {
            let cell = reader.next_cell_with_style_id().map_err(|_| "시트의 내용이 깨졌습니다")?;
            let Some((cell, style)) = cell else { return Ok(()) };
            let (row, column) = cell.get_position();
            let code = codes.get(style).and_then(|code| code.as_deref());
            if let Some(cell) = convert(cell.get_value(), row, column, code)
                && each(cell).is_break()
            {
                return Ok(());
            }
        }
    }

    pub(super) fn extras(&mut self, sheet: &str) -> SheetExtras {
        match (&mut self.package, self.parts.get(sheet)) {
            (Some(package), Some(part)) => package.extras(part),
            _ => SheetExtras { unknown: true, ..SheetExtras::default() },
        }
    }
}

/// A library cell as ours; nothing for an empty one.
pub(super) fn convert(data: &DataRef<'_>, row: u32, column: u32, code: Option<&str>) -> Option<SheetCell> {
    let mut shown = None;
    let mut percent = false;
    let value = match data {
        DataRef::Empty => return None,
        DataRef::String(text) => text_value(text)?,
        DataRef::SharedString(text) => text_value(text)?,
        DataRef::Bool(bool) => Value::Bool(*bool),
        DataRef::Error(error) => Value::Error(error.to_string()),
        #[expect(clippy::cast_precision_loss, reason = "cells hold doubles; the library only shortens them")]
        DataRef::Int(number) => number_value(*number as f64, code, &mut shown, &mut percent),
        DataRef::Float(number) => number_value(*number, code, &mut shown, &mut percent),
        DataRef::DateTime(moment) => date_value(moment, code, &mut shown),
        DataRef::DateTimeIso(text) => Value::Date(text.trim_end_matches("T00:00:00").to_owned()),
        DataRef::DurationIso(text) => Value::Duration(text.clone()),
    };
    Some(SheetCell { row, column, value, shown, percent, formula: false })
}

fn text_value(text: &str) -> Option<Value> {
    (!text.is_empty()).then(|| Value::Text(clean_text(text)))
}

fn number_value(number: f64, code: Option<&str>, shown: &mut Option<Box<str>>, percent: &mut bool) -> Value {
    let Some(code) = code else { return Value::Number(number) };
    *percent = code.contains('%');
    *shown = format::number(code, number).map(String::into_boxed_str);
    Value::Number(number)
}

fn date_value(moment: &ExcelDateTime, code: Option<&str>, shown: &mut Option<Box<str>>) -> Value {
    if moment.is_duration() {
        return Value::Duration(duration(moment.as_f64()));
    }
    let (year, month, day, hour, minute, second, milli) = moment.to_ymd_hms_milli();
    // The library cuts milliseconds; a time that was calculated ends at .999 where it means the next second.
    let (hour, minute, second) = if 999 <= milli { carry(hour, minute, second) } else { (hour, minute, second) };
    let at = format::Moment { year, month, day, hour, minute, second };
    *shown = code.and_then(|code| format::moment(code, &at)).map(String::into_boxed_str);
    let whole = moment.as_f64();
    if whole < 1.0 && 0.0 < whole {
        return Value::Duration(format!("{hour:02}:{minute:02}:{second:02}"));
    }
    if hour == 0 && minute == 0 && second == 0 {
        return Value::Date(format!("{year:04}-{month:02}-{day:02}"));
    }
    Value::Date(format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}"))
}

fn carry(hour: u8, minute: u8, second: u8) -> (u8, u8, u8) {
    if second < 59 {
        (hour, minute, second + 1)
    } else if minute < 59 {
        (hour, minute + 1, 0)
    } else if hour < 23 {
        (hour + 1, 0, 0)
    } else {
        (hour, minute, second)
    }
}

fn duration(days: f64) -> String {
    let sign = if days < 0.0 { "-" } else { "" };
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "bounded by the largest serial date")]
    let seconds = (days.abs().min(3_000_000.0) * 86_400.0).round() as u64;
    format!("{sign}{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60)
}
