//! Binary workbooks. Cells come from the library's streaming reader; merged cells, which it does
//! not give, are read from the records themselves.

use std::collections::HashMap;
use std::fs::File;
use std::io::BufReader;
use std::path::PathBuf;

use calamine::{Reader as _, Xlsb, XlsbError};

use super::package::Package;
use super::xlsx::{convert, entries};
use super::{Flow, Kind, SheetCell, SheetExtras, Span};
use crate::error::Error;

const PART_BYTES_MAX: u64 = 64 << 20;
const RECORD_SHEET: u32 = 156;
const RECORD_ROW: u32 = 0;
const RECORD_COLUMN: u32 = 60;
const RECORD_MERGE: u32 = 176;

pub(super) struct Book {
    workbook: Xlsb<BufReader<File>>,
    package: Option<Package>,
    parts: HashMap<String, String>,
}

pub(super) fn open(path: &PathBuf, shown: &str) -> Result<super::Book, Error> {
    let file = File::open(path).map_err(|_| Error::NoFile { path: shown.to_owned() })?;
    let workbook = Xlsb::new(BufReader::new(file)).map_err(|error| match error {
        XlsbError::Password => Error::PasswordRequired { path: shown.to_owned() },
        _ => Error::Damaged { path: shown.to_owned(), what: "통합 문서의 구조가 깨졌습니다".to_owned() },
    })?;
    let sheets = entries(workbook.sheets_metadata());
    let mut package = Package::open(path);
    let parts = package.as_mut().map(sheet_parts).unwrap_or_default();
    Ok(super::Book {
        path: String::new(),
        kind: Kind::Xlsb,
        sheets,
        named_tables: Vec::new(),
        encoding: None,
        notes: Vec::new(),
        reader: super::Reader::Xlsb(Box::new(Book { workbook, package, parts })),
    })
}

impl Book {
    pub(super) fn cells(&mut self, sheet: &str, each: &mut dyn FnMut(SheetCell) -> Flow) -> Result<(), &'static str> {
        let mut reader = self.workbook.worksheet_cells_reader(sheet).map_err(|_| "시트를 열 수 없습니다")?;
        loop {
            let cell = reader.next_cell().map_err(|_| "시트의 내용이 깨졌습니다")?;
            let Some(cell) = cell else { return Ok(()) };
            let (row, column) = cell.get_position();
            if let Some(cell) = convert(cell.get_value(), row, column, None)
                && each(cell).is_break()
            {
                return Ok(());
            }
        }
    }

    pub(super) fn extras(&mut self, sheet: &str) -> SheetExtras {
        let unknown = SheetExtras { unknown: true, ..SheetExtras::default() };
        let (Some(package), Some(part)) = (&mut self.package, self.parts.get(sheet)) else { return unknown };
        if PART_BYTES_MAX < package.size(part) {
            return unknown;
        }
        let Some(bytes) = package.bytes(part, PART_BYTES_MAX) else { return unknown };
        let mut extras = SheetExtras::default();
        for (kind, data) in Records(&bytes) {
            match kind {
                RECORD_MERGE => {
                    if let (Some(top), Some(bottom), Some(left), Some(right)) =
                        (word(data, 0), word(data, 4), word(data, 8), word(data, 12))
                        && top <= bottom
                        && left <= right
                    {
                        extras.merges.push(Span { top, left, bottom, right });
                    }
                }
                // Row header: number, style, height, flags; the hidden bit is the fifth of byte 11.
                RECORD_ROW => {
                    if let (Some(row), Some(flags)) = (word(data, 0), data.get(11))
                        && flags & 0x10 != 0
                        && extras.hidden_rows.len() < 10_000
                    {
                        extras.hidden_rows.push(row);
                    }
                }
                RECORD_COLUMN => {
                    if let (Some(first), Some(last), Some(flags)) = (word(data, 0), word(data, 4), data.get(16))
                        && flags & 0x01 != 0
                    {
                        extras.hidden_columns.extend((first..=last).take(256));
                    }
                }
                _ => {}
            }
        }
        extras
    }
}

fn sheet_parts(package: &mut Package) -> HashMap<String, String> {
    let relations = package.relations("xl/workbook.bin");
    let Some(bytes) = package.bytes("xl/workbook.bin", PART_BYTES_MAX) else { return HashMap::new() };
    let mut parts = HashMap::new();
    for (kind, data) in Records(&bytes) {
        if kind != RECORD_SHEET {
            continue;
        }
        // State and number of the sheet, then its relation and its name as counted UTF-16.
        let Some((id, next)) = wide_string(data, 8) else { continue };
        let Some((name, _)) = wide_string(data, next) else { continue };
        if let Some((target, _)) = relations.get(&id) {
            parts.insert(name, target.clone());
        }
    }
    parts
}

/// Records of a binary part: a kind and a length in seven bits a byte, then the data.
struct Records<'a>(&'a [u8]);

impl<'a> Iterator for Records<'a> {
    type Item = (u32, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let mut at = 0;
        let kind = {
            let first = u32::from(*self.0.first()?);
            at += 1;
            if first & 0x80 == 0 {
                first
            } else {
                let second = u32::from(*self.0.get(at)?);
                at += 1;
                (first & 0x7f) | ((second & 0x7f) << 7)
            }
        };
        let mut length = 0_usize;
        for shift in 0..4 {
            let byte = *self.0.get(at)?;
            at += 1;
            length |= usize::from(byte & 0x7f) << (7 * shift);
            if byte & 0x80 == 0 {
                break;
            }
        }
        let data = self.0.get(at..at.checked_add(length)?)?;
        self.0 = self.0.get(at + length..)?;
        Some((kind, data))
    }
}

fn word(data: &[u8], at: usize) -> Option<u32> {
    let bytes: [u8; 4] = data.get(at..at + 4)?.try_into().ok()?;
    Some(u32::from_le_bytes(bytes))
}

fn wide_string(data: &[u8], at: usize) -> Option<(String, usize)> {
    let count = usize::try_from(word(data, at)?).ok()?;
    let end = at.checked_add(4)?.checked_add(count.checked_mul(2)?)?;
    let units: Vec<u16> =
        data.get(at + 4..end)?.chunks_exact(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]])).collect();
    Some((String::from_utf16_lossy(&units), end))
}
