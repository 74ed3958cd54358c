//! Workbooks and delimited text as sheets of cells.
//!
//! Cells are streamed: a sheet whose cells lie far apart, or one of a million rows, never becomes a
//! dense block. What a library would believe about a file (sizes, counts) is checked before the
//! library sees it, since a lie there ends the whole process.

mod csv;
pub mod format;
mod guard;
mod ods;
mod package;
mod xls;
mod xlsb;
mod xlsx;

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::error::{Error, Unsupported};
use crate::value::Value;

/// What a file is, told by its content; the name only decides between kinds of text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    Xlsx,
    Xls,
    Xlsb,
    Ods,
    Csv,
    Pdf,
}

impl Kind {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Xlsx => "xlsx",
            Self::Xls => "xls",
            Self::Xlsb => "xlsb",
            Self::Ods => "ods",
            Self::Csv => "csv",
            Self::Pdf => "pdf",
        }
    }

    /// By the name alone, for listings that open nothing.
    pub fn of_name(name: &str) -> Option<Self> {
        let (_, extension) = name.rsplit_once('.')?;
        match extension.to_ascii_lowercase().as_str() {
            "xlsx" | "xlsm" | "xltx" | "xltm" | "xlam" => Some(Self::Xlsx),
            "xls" | "xlt" | "xla" => Some(Self::Xls),
            "xlsb" => Some(Self::Xlsb),
            "ods" | "ots" | "fods" => Some(Self::Ods),
            "csv" | "tsv" | "tab" => Some(Self::Csv),
            "pdf" => Some(Self::Pdf),
            _ => None,
        }
    }
}

/// Whether a sheet is shown in its program.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Visibility {
    Visible,
    Hidden,
    VeryHidden,
}

/// A sheet as the workbook lists it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SheetEntry {
    pub name: String,
    pub visibility: Visibility,
    /// Chart, dialog and macro sheets hold no cells.
    pub has_cells: bool,
}

/// A rectangle of cells, both ends inclusive, from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Span {
    pub top: u32,
    pub left: u32,
    pub bottom: u32,
    pub right: u32,
}

impl Span {
    pub fn contains(&self, row: u32, column: u32) -> bool {
        (self.top..=self.bottom).contains(&row) && (self.left..=self.right).contains(&column)
    }

    pub fn overlaps(&self, other: &Self) -> bool {
        self.top <= other.bottom && other.top <= self.bottom && self.left <= other.right && other.left <= self.right
    }

    pub fn rows(&self) -> u32 {
        self.bottom - self.top + 1
    }

    pub fn columns(&self) -> u32 {
        self.right - self.left + 1
    }

    /// `B4:F12`, or `B4` for a single cell.
    pub fn name(&self) -> String {
        let first = cell_name(self.top, self.left);
        if self.top == self.bottom && self.left == self.right {
            return first;
        }
        format!("{first}:{}", cell_name(self.bottom, self.right))
    }

    /// Reads `B4:F12` or `B4`.
    pub fn parse(text: &str) -> Option<Self> {
        let (first, last) = text.split_once(':').unwrap_or((text, text));
        let (top, left) = parse_cell(first)?;
        let (bottom, right) = parse_cell(last)?;
        (top <= bottom && left <= right).then_some(Self { top, left, bottom, right })
    }
}

/// `A1` of a row and a column from 0.
pub fn cell_name(row: u32, column: u32) -> String {
    format!("{}{}", column_letters(column), row + 1)
}

/// `A`, `Z`, `AA` … of a column from 0.
pub fn column_letters(column: u32) -> String {
    let mut letters = Vec::new();
    let mut rest = u64::from(column) + 1;
    while 0 < rest {
        rest -= 1;
        letters.push(char::from(b'A' + u8::try_from(rest % 26).unwrap_or(0)));
        rest /= 26;
    }
    letters.into_iter().rev().collect()
}

fn parse_cell(text: &str) -> Option<(u32, u32)> {
    let text = text.trim();
    let digits = text.find(|character: char| character.is_ascii_digit())?;
    let (letters, number) = text.split_at(digits);
    if letters.is_empty() || 3 < letters.len() || 7 < number.len() {
        return None;
    }
    let mut column: u32 = 0;
    for letter in letters.chars() {
        let value = u32::from(letter.to_ascii_uppercase()).checked_sub(u32::from('A'))?;
        if 25 < value {
            return None;
        }
        column = column * 26 + value + 1;
    }
    let row: u32 = number.parse().ok()?;
    Some((row.checked_sub(1)?, column - 1))
}

/// A cell that holds something.
#[derive(Debug, Clone, PartialEq)]
pub struct SheetCell {
    pub row: u32,
    pub column: u32,
    pub value: Value,
    /// What the cell shows, where that differs from the plain value.
    pub shown: Option<Box<str>>,
    /// The number format marks a percentage.
    pub percent: bool,
    /// The value was calculated by a formula.
    pub formula: bool,
}

impl SheetCell {
    pub fn text(&self) -> String {
        self.shown.as_deref().map_or_else(|| self.value.plain(), str::to_owned)
    }
}

/// A table that the workbook itself names.
#[derive(Debug, Clone, PartialEq)]
pub struct NamedTable {
    pub name: String,
    pub sheet: String,
    pub span: Span,
    pub header_rows: u32,
    pub totals_rows: u32,
}

/// What a sheet holds besides cells.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct SheetExtras {
    pub merges: Vec<Span>,
    pub hidden_rows: Vec<u32>,
    pub hidden_columns: Vec<u32>,
    /// The file kind or its size did not allow to look for merged and hidden cells.
    pub unknown: bool,
}

/// Whether to go on with the next cell.
pub type Flow = std::ops::ControlFlow<()>;

/// An open workbook or text file.
pub struct Book {
    path: String,
    pub kind: Kind,
    pub sheets: Vec<SheetEntry>,
    pub named_tables: Vec<NamedTable>,
    /// What the text of a delimited file was encoded in.
    pub encoding: Option<&'static str>,
    pub notes: Vec<String>,
    reader: Reader,
}

enum Reader {
    Xlsx(Box<xlsx::Book>),
    Xls(Box<xls::Book>),
    Xlsb(Box<xlsb::Book>),
    Ods(ods::Book),
    Csv(csv::Book),
}

/// Tells what a file is by its first bytes and its name.
pub fn kind_of(path: &Path, shown: &str) -> Result<Kind, Error> {
    guard::kind_of(path, shown)
}

impl Book {
    /// Opens a file; `shown` is the path as the caller knows it, for messages.
    pub fn open(path: &Path, shown: &str) -> Result<Self, Error> {
        let kind = kind_of(path, shown)?;
        let path_buffer: PathBuf = path.to_path_buf();
        let mut book = match kind {
            Kind::Xlsx => xlsx::open(&path_buffer, shown)?,
            Kind::Xls => xls::open(&path_buffer, shown)?,
            Kind::Xlsb => xlsb::open(&path_buffer, shown)?,
            Kind::Ods => ods::open(&path_buffer, shown)?,
            Kind::Csv => csv::open(&path_buffer, shown)?,
            Kind::Pdf => return Err(Error::Unsupported { path: shown.to_owned(), why: Unsupported::UnknownKind }),
        };
        shown.clone_into(&mut book.path);
        Ok(book)
    }

    /// Streams the cells of a sheet in order of rows; empty cells are left out.
    pub fn cells(&mut self, sheet: &str, each: &mut dyn FnMut(SheetCell) -> Flow) -> Result<(), Error> {
        let path = self.path.clone();
        let result = match &mut self.reader {
            Reader::Xlsx(book) => book.cells(sheet, each),
            Reader::Xls(book) => book.cells(sheet, each),
            Reader::Xlsb(book) => book.cells(sheet, each),
            Reader::Ods(book) => book.cells(sheet, each),
            Reader::Csv(book) => book.cells(each),
        };
        result.map_err(|what| Error::Damaged { path, what: what.to_owned() })
    }

    /// Merged and hidden cells of a sheet.
    pub fn extras(&mut self, sheet: &str) -> SheetExtras {
        match &mut self.reader {
            Reader::Xlsx(book) => book.extras(sheet),
            Reader::Xls(book) => book.extras(sheet),
            Reader::Xlsb(book) => book.extras(sheet),
            Reader::Ods(book) => book.extras(sheet),
            Reader::Csv(_) => SheetExtras::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_read_and_written_the_same() {
        for name in ["A1", "B4:F12", "Z9:AA10", "XFD1048576", "A1:XFD1048576"] {
            assert_eq!(Span::parse(name).map(|span| span.name()).as_deref(), Some(name));
        }
        for wrong in ["", "A", "1", "A0", "B2:A1", "AAAA1", "A99999999", "가1"] {
            assert_eq!(Span::parse(wrong), None, "{wrong}");
        }
    }
}
