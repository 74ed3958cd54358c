//! Workbooks of Excel 97 to 2003. The library reads them whole; the format's own limit of 65,536
//! rows by 256 columns bounds what that costs.

use std::fs::File;
use std::io::BufReader;
use std::path::PathBuf;

use calamine::{Data, DataRef, Reader as _, Xls, XlsError};

use super::xlsx::{convert, entries};
use super::{Flow, Kind, SheetCell, SheetExtras, Span};
use crate::error::Error;

pub(super) struct Book {
    workbook: Xls<BufReader<File>>,
}

pub(super) fn open(path: &PathBuf, shown: &str) -> Result<super::Book, Error> {
    let file = File::open(path).map_err(|_| Error::NoFile { path: shown.to_owned() })?;
    let workbook = Xls::new(BufReader::new(file)).map_err(|error| match error {
        XlsError::Password => Error::PasswordRequired { path: shown.to_owned() },
        _ => Error::Damaged { path: shown.to_owned(), what: "통합 문서의 구조가 깨졌습니다".to_owned() },
    })?;
    Ok(super::Book {
        path: String::new(),
        kind: Kind::Xls,
        sheets: entries(workbook.sheets_metadata()),
        named_tables: Vec::new(),
        encoding: None,
        notes: Vec::new(),
        reader: super::Reader::Xls(Box::new(Book { workbook })),
    })
}

impl Book {
    pub(super) fn cells(&mut self, sheet: &str, each: &mut dyn FnMut(SheetCell) -> Flow) -> Result<(), &'static str> {
        let range = self.workbook.worksheet_range(sheet).map_err(|_| "시트를 열 수 없습니다")?;
        let Some((top, left)) = range.start() else { return Ok(()) };
        for (row, column, data) in range.used_cells() {
            let (Ok(row), Ok(column)) = (u32::try_from(row), u32::try_from(column)) else { continue };
            let data = match data {
                Data::Int(number) => DataRef::Int(*number),
                Data::Float(number) => DataRef::Float(*number),
                Data::String(text) => DataRef::SharedString(text),
                Data::Bool(bool) => DataRef::Bool(*bool),
                Data::DateTime(moment) => DataRef::DateTime(*moment),
                Data::DateTimeIso(text) => DataRef::DateTimeIso(text.clone()),
                Data::DurationIso(text) => DataRef::DurationIso(text.clone()),
                Data::Error(error) => DataRef::Error(error.clone()),
                Data::Empty => continue,
            };
            if let Some(cell) = convert(&data, top + row, left + column, None)
                && each(cell).is_break()
            {
                return Ok(());
            }
        }
        Ok(())
    }

    pub(super) fn extras(&mut self, sheet: &str) -> SheetExtras {
        let merges = self.workbook.merge_cells_by_sheet_name(sheet).unwrap_or_default();
        let merges = merges
            .iter()
            .map(|merge| Span { top: merge.start.0, left: merge.start.1, bottom: merge.end.0, right: merge.end.1 })
            .collect();
        SheetExtras { merges, ..SheetExtras::default() }
    }
}
