//! What the server answers: files, tables and rows, from the folders it may read.

use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use haechi_contract::tables::{
    Column as ContractColumn, FileEntry, Files, FindTables, ListFiles, Pages, ReadPages, ReadTable, RowFormat,
    RowSource, SheetSummary, TableRows, TableSummary, Tables,
};
use haechi_documents::pdf::PdfLimits;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use crate::error::Error;
use crate::folders::{Folders, Found};
use crate::pdf;
use crate::region::{self, Region};
use crate::render;
use crate::sheet::{self, Book, Kind, SheetEntry, Span, Visibility};
use crate::source::{self, Place, SheetTables, Table, uri_of};
use crate::table::{self, Row};

pub const FILES_PER_PAGE: usize = 200;
pub const TABLES_MAX: usize = 300;
pub const PREVIEW_ROWS: u64 = 3;
pub const ROWS_DEFAULT: u64 = 200;
pub const ROWS_MAX: u64 = 5_000;
/// Characters of a cell in a preview; `read_table` gives the whole text.
const PREVIEW_CHARS: usize = 80;

/// How much of a document is read.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    pub pdf: PdfLimits,
}

impl Default for Limits {
    fn default() -> Self {
        Self { pdf: PdfLimits { time_max: Duration::from_secs(12), ..PdfLimits::default() } }
    }
}

/// The files of the allowed folders.
#[derive(Debug, Clone)]
pub struct Library {
    folders: Folders,
    limits: Limits,
}

/// A table with its rows, as the operations on tables take it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Loaded {
    pub file: String,
    pub table: Table,
    pub rows: Vec<Row>,
    /// Not all rows were loaded.
    pub truncated: bool,
}

impl Loaded {
    pub fn id(&self) -> String {
        self.table.id(&self.file)
    }

    pub fn citation(&self) -> String {
        self.table.citation(&self.file)
    }

    pub fn uri(&self) -> String {
        uri_of(&self.id())
    }
}

impl Library {
    pub fn new(folders: Folders, limits: Limits) -> Self {
        Self { folders, limits }
    }

    pub fn folders(&self) -> &Folders {
        &self.folders
    }

    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// The files of the folders, by name.
    pub fn list_files(&self, input: &ListFiles) -> Result<Files, Error> {
        let (files, _) = self.folders.list(input.folder.as_deref(), input.pattern.as_deref())?;
        let start = match input.cursor.as_deref() {
            None => 0,
            Some(cursor) => cursor.parse::<usize>().map_err(|_| Error::Input {
                message: "cursor가 올바르지 않습니다".to_owned(),
                hint: Some("앞 결과의 next_cursor를 그대로 적어 주십시오".to_owned()),
            })?,
        };
        let total = files.len();
        let entries = files
            .iter()
            .skip(start)
            .take(FILES_PER_PAGE)
            .map(|file| FileEntry {
                path: file.shown.clone(),
                kind: file.kind.as_str().to_owned(),
                bytes: file.bytes,
                modified: file.modified.map(utc),
                sheets: None,
                pages: None,
            })
            .collect();
        let next = start.saturating_add(FILES_PER_PAGE);
        Ok(Files {
            files: entries,
            total: u64::try_from(total).unwrap_or(u64::MAX),
            next_cursor: (next < total).then(|| next.to_string()),
        })
    }

    /// The tables of one file.
    pub fn find_tables(&self, input: &FindTables, stop: &dyn Fn() -> bool) -> Result<Tables, Error> {
        let file = self.folders.resolve(&input.path)?;
        match sheet::kind_of(&file.path, &file.shown)? {
            Kind::Pdf => self.find_in_pdf(&file, input.pages.as_deref()),
            _ => find_in_book(&file, &input.sheets, stop),
        }
    }

    fn find_in_pdf(&self, file: &Found, wanted: Option<&str>) -> Result<Tables, Error> {
        let wanted = wanted.map(parse_pages).transpose()?.unwrap_or_default();
        let pdf = source::of_pdf(file, wanted, self.limits.pdf)?;
        let mut notes = source::notes_of_pdf(&pdf.document);
        let truncated = TABLES_MAX < pdf.found.len();
        let mut tables = Vec::new();
        for (found, number) in pdf::numbered(&pdf.found).into_iter().take(TABLES_MAX) {
            let (content, region, table) = source::of_grid(found, number);
            let rows = source::grid_rows(found, &content, &region);
            tables.push(summary(&file.shown, &table, &rows));
        }
        if tables.is_empty() && notes.is_empty() {
            notes.push("표를 찾지 못했습니다".to_owned());
        }
        Ok(Tables {
            path: file.shown.clone(),
            kind: Kind::Pdf.as_str().to_owned(),
            tables,
            notes,
            sheets: Vec::new(),
            pages: u64::try_from(pdf.document.page_count).ok(),
            encoding: None,
            truncated,
        })
    }

    /// Text of the pages of a PDF.
    pub fn read_pages(&self, input: &ReadPages) -> Result<Pages, Error> {
        let file = self.folders.resolve(&input.path)?;
        crate::pages::read(&file, input, &self.limits)
    }

    /// Rows of one table.
    pub fn read_table(&self, input: &ReadTable) -> Result<TableRows, Error> {
        let limit = input.limit.unwrap_or(ROWS_DEFAULT).clamp(1, ROWS_MAX);
        let loaded = self.load(&input.id, input.offset, limit)?;
        let columns = chosen(&loaded.table, &input.columns)?;
        let total = loaded.table.rows_total;
        let given = u64::try_from(loaded.rows.len()).unwrap_or(u64::MAX);
        let next = input.offset.saturating_add(given);
        let next_offset = (next < total && 0 < given).then_some(next);
        let mut answer = TableRows {
            id: loaded.id(),
            citation: loaded.citation(),
            uri: loaded.uri(),
            title: loaded.table.title.clone(),
            unit: loaded.table.unit.clone(),
            columns: columns.iter().map(contract_column).collect(),
            rows: Vec::new(),
            text: None,
            cells: Vec::new(),
            merged: loaded.table.merged.clone(),
            header_rows: loaded.table.header_rows,
            offset: input.offset,
            total_rows: total,
            next_offset,
            truncated: next_offset.is_some(),
            notes: loaded.table.notes.clone(),
        };
        match input.format {
            RowFormat::Records => {
                answer.rows = loaded.rows.iter().map(|row| render::record(row, &columns, input.raw)).collect();
                answer.cells = loaded.rows.iter().map(|row| row_source(row, &columns)).collect();
            }
            RowFormat::Grid => {
                if input.offset == 0 {
                    answer.rows.extend(loaded.table.head.header.iter().map(|row| Json::from(row.clone())));
                }
                answer.rows.extend(loaded.rows.iter().map(|row| {
                    let texts: Vec<&str> = row.cells.iter().map(|cell| cell.text.as_str()).collect();
                    Json::from(texts)
                }));
                answer.cells = loaded.rows.iter().map(|row| row_source(row, &[])).collect();
            }
            RowFormat::Markdown => answer.text = Some(render::markdown(&columns, &loaded.rows)),
            RowFormat::Csv => answer.text = Some(render::csv(&columns, &loaded.rows, input.raw)),
        }
        Ok(answer)
    }

    /// A table by its identifier or URI, with a window of its rows.
    pub fn load(&self, id: &str, offset: u64, limit: u64) -> Result<Loaded, Error> {
        let id = match id.strip_prefix("table://") {
            Some(_) => source::id_of_uri(id).ok_or_else(|| Error::NoTable { id: id.to_owned() })?,
            None => id.trim().to_owned(),
        };
        let missing = || Error::NoTable { id: id.clone() };
        let (file, local) = self.split_id(&id)?;
        if sheet::kind_of(&file.path, &file.shown)? == Kind::Pdf {
            return self.load_from_pdf(&file, &local, offset, limit).and_then(|found| found.ok_or_else(missing));
        }
        let (sheet, range) = local.rsplit_once('!').ok_or_else(missing)?;
        let span = Span::parse(range).ok_or_else(missing)?;
        let mut book = Book::open(&file.path, &file.shown)?;
        if !book.sheets.iter().any(|entry| entry.name == sheet) {
            return Err(Error::NoSheet { sheet: sheet.to_owned(), present: sheet_names(&book.sheets) });
        }
        let SheetTables { content, tables } = source::of_sheet(&mut book, sheet)?;
        let found = tables.into_iter().find(|(region, _)| region.span == span);
        // A range that is no table of ours is read as it was asked for.
        let (region, table) = match found {
            Some(found) => found,
            None => {
                if content.used().is_none_or(|used| !used.overlaps(&span)) {
                    return Err(missing());
                }
                let header_rows = region::header_rows(&content, span);
                let region = Region {
                    span,
                    header_rows,
                    name: None,
                    title: None,
                    unit: None,
                    footnotes: Vec::new(),
                    confidence: 0.5,
                };
                source::with_head(&content, sheet, region)
            }
        };
        let rows = source::sheet_rows(&mut book, sheet, &content, &region, offset, limit)?;
        let truncated = offset.saturating_add(u64::try_from(rows.len()).unwrap_or(0)) < table.rows_total;
        Ok(Loaded { file: file.shown, table, rows, truncated })
    }

    fn load_from_pdf(&self, file: &Found, local: &str, offset: u64, limit: u64) -> Result<Option<Loaded>, Error> {
        let Some((page, number)) = local.strip_prefix('p').and_then(|rest| rest.split_once('.')) else {
            return Ok(None);
        };
        let (Ok(page), Ok(number)) = (page.parse::<usize>(), number.parse::<usize>()) else { return Ok(None) };
        // All pages are read, since a table may go on over the following ones.
        let pdf = source::of_pdf(file, Vec::new(), self.limits.pdf)?;
        let found = pdf::numbered(&pdf.found)
            .into_iter()
            .find(|(found, index)| found.pages.first() == Some(&page) && *index == number);
        let Some((found, number)) = found else { return Ok(None) };
        let (content, region, table) = source::of_grid(found, number);
        let all = source::grid_rows(found, &content, &region);
        let rows: Vec<Row> = all
            .into_iter()
            .skip(usize::try_from(offset).unwrap_or(usize::MAX))
            .take(usize::try_from(limit).unwrap_or(usize::MAX))
            .collect();
        let truncated = offset.saturating_add(u64::try_from(rows.len()).unwrap_or(0)) < table.rows_total;
        Ok(Some(Loaded { file: file.shown.clone(), table, rows, truncated }))
    }

    /// A file name may hold `#`, so the first part that is a file counts.
    fn split_id(&self, id: &str) -> Result<(Found, String), Error> {
        let mut first_error = None;
        for (at, _) in id.match_indices('#') {
            let (file, local) = (&id[..at], &id[at + 1..]);
            match self.folders.resolve(file) {
                Ok(found) => return Ok((found, local.to_owned())),
                Err(error) => first_error = first_error.or(Some(error)),
            }
        }
        Err(first_error.unwrap_or_else(|| Error::Input {
            message: "표의 id가 올바르지 않습니다".to_owned(),
            hint: Some("find_tables가 준 id를 그대로 적어 주십시오. 예: 여신현황.xlsx#업종별!B4:F12".to_owned()),
        }))
    }
}

fn find_in_book(file: &Found, wanted: &[String], stop: &dyn Fn() -> bool) -> Result<Tables, Error> {
    let mut book = Book::open(&file.path, &file.shown)?;
    for sheet in wanted {
        if !book.sheets.iter().any(|entry| entry.name == *sheet) {
            return Err(Error::NoSheet { sheet: sheet.clone(), present: sheet_names(&book.sheets) });
        }
    }
    let mut notes = std::mem::take(&mut book.notes);
    let mut tables = Vec::new();
    let mut truncated = false;
    for entry in book.sheets.clone() {
        if stop() {
            return Err(Error::Cancelled);
        }
        if !entry.has_cells || (!wanted.is_empty() && !wanted.contains(&entry.name)) {
            continue;
        }
        let found = match source::of_sheet(&mut book, &entry.name) {
            Ok(found) => found,
            Err(Error::Damaged { what, .. }) => {
                notes.push(format!("`{}` 시트를 읽지 못했습니다: {what}", entry.name));
                continue;
            }
            Err(error) => return Err(error),
        };
        notes.extend(notes_of_sheet(&entry, &found));
        for (region, table) in &found.tables {
            if TABLES_MAX <= tables.len() {
                truncated = true;
                break;
            }
            let rows: Vec<Row> = table::data_rows(&found.content, region.span, &region.header_rows)
                .into_iter()
                .take(usize::try_from(PREVIEW_ROWS).unwrap_or(3))
                .map(|row| table::row_of(&found.content, region.span, row))
                .collect();
            tables.push(summary(&file.shown, table, &rows));
        }
    }
    if truncated {
        notes.push(format!("표가 많아 {TABLES_MAX}개까지만 담았습니다. sheets로 시트를 정해 주십시오"));
    }
    if tables.is_empty() {
        notes.push("표를 찾지 못했습니다".to_owned());
    }
    let sheets = book
        .sheets
        .iter()
        .map(|entry| SheetSummary {
            name: entry.name.clone(),
            visibility: source::visibility_word(entry.visibility, entry.has_cells).to_owned(),
        })
        .collect();
    Ok(Tables {
        path: file.shown.clone(),
        kind: book.kind.as_str().to_owned(),
        tables,
        notes,
        sheets: if book.kind == Kind::Csv { Vec::new() } else { sheets },
        pages: None,
        encoding: book.encoding.map(str::to_owned),
        truncated,
    })
}

fn notes_of_sheet(entry: &SheetEntry, found: &SheetTables) -> Vec<String> {
    let name = &entry.name;
    let mut notes = Vec::new();
    match entry.visibility {
        Visibility::Visible => {}
        Visibility::Hidden => notes.push(format!("`{name}`은(는) 숨긴 시트입니다")),
        Visibility::VeryHidden => notes.push(format!("`{name}`은(는) 매크로로 깊이 숨긴 시트입니다")),
    }
    let extras = &found.content.extras;
    if !extras.hidden_rows.is_empty() {
        let shown: Vec<String> = extras.hidden_rows.iter().take(20).map(|row| (row + 1).to_string()).collect();
        let more = if 20 < extras.hidden_rows.len() { " …" } else { "" };
        notes.push(format!("`{name}` 시트의 숨긴 행: {}{more}", shown.join(", ")));
    }
    if !extras.hidden_columns.is_empty() {
        let shown: Vec<String> =
            extras.hidden_columns.iter().take(20).map(|column| sheet::column_letters(*column)).collect();
        notes.push(format!("`{name}` 시트의 숨긴 열: {}", shown.join(", ")));
    }
    if extras.unknown {
        notes.push(format!("`{name}` 시트는 커서 병합과 숨김을 확인하지 않았습니다"));
    }
    if found.content.tail.is_some_and(|tail| tail.more_below) {
        notes.push(format!("`{name}` 시트는 커서 아래쪽의 다른 표는 찾지 않았습니다"));
    }
    notes
}

fn summary(file: &str, table: &Table, rows: &[Row]) -> TableSummary {
    let (sheet, range, page, pages, bbox) = match &table.place {
        Place::Sheet { sheet, span } => (Some(sheet.clone()), Some(span.name()), None, Vec::new(), Vec::new()),
        Place::Pages { pages, bbox, .. } => {
            let numbers: Vec<u64> = pages.iter().filter_map(|page| u64::try_from(*page).ok()).collect();
            let first = numbers.first().copied();
            (None, None, first, if 1 < numbers.len() { numbers } else { Vec::new() }, bbox.to_vec())
        }
    };
    let preview = rows
        .iter()
        .take(usize::try_from(PREVIEW_ROWS).unwrap_or(3))
        .map(|row| {
            table
                .head
                .columns
                .iter()
                .map(|column| row.cells.get(column.index).map_or_else(String::new, |cell| short(&cell.text)))
                .collect()
        })
        .collect();
    let id = table.id(file);
    TableSummary {
        citation: table.citation(file),
        uri: uri_of(&id),
        id,
        sheet,
        page,
        pages,
        range,
        bbox,
        name: table.name.clone(),
        title: table.title.clone(),
        unit: table.unit.clone(),
        columns: table.head.columns.iter().map(contract_column).collect(),
        rows: table.rows_total,
        header_rows: table.header_rows,
        confidence: table.confidence,
        merged: table.merged.iter().take(100).cloned().collect(),
        preview,
        footnotes: table.footnotes.iter().take(20).cloned().collect(),
    }
}

fn short(text: &str) -> String {
    let line = table::one_line(text);
    if line.chars().count() <= PREVIEW_CHARS {
        return line;
    }
    line.chars().take(PREVIEW_CHARS).chain(['…']).collect()
}

pub fn contract_column(column: &table::Column) -> ContractColumn {
    ContractColumn {
        name: column.name.clone(),
        kind: column.kind.as_str().to_owned(),
        unit: column.unit.clone(),
        at: column.at.clone(),
    }
}

/// The columns that were asked for, by name, by the last part of the name, or by letter.
pub fn chosen(table: &Table, names: &[String]) -> Result<Vec<table::Column>, Error> {
    if names.is_empty() {
        return Ok(table.head.columns.clone());
    }
    names.iter().map(|name| column_named(table, name).cloned()).collect()
}

/// One column by what a caller calls it.
pub fn column_named<'a>(table: &'a Table, name: &str) -> Result<&'a table::Column, Error> {
    let columns = &table.head.columns;
    let wanted = name.trim();
    let last_part = |column: &&table::Column| column.name.rsplit('/').next() == Some(wanted);
    columns
        .iter()
        .find(|column| column.name == wanted)
        .or_else(|| {
            let mut ending = columns.iter().filter(last_part);
            ending.next().filter(|_| ending.next().is_none())
        })
        .or_else(|| columns.iter().find(|column| column.at.as_deref() == Some(wanted)))
        .ok_or_else(|| Error::NoColumn {
            column: wanted.to_owned(),
            present: columns.iter().take(50).map(|column| column.name.clone()).collect(),
        })
}

fn row_source(row: &Row, columns: &[table::Column]) -> RowSource {
    let mut shown = std::collections::BTreeMap::new();
    let mut merged_from = std::collections::BTreeMap::new();
    for column in columns {
        let Some(cell) = row.cells.get(column.index) else { continue };
        let typed = cell.typed(column.kind);
        if !cell.text.is_empty() && typed.plain() != cell.text {
            shown.insert(column.name.clone(), cell.text.clone());
        }
        if let Some(from) = &cell.merged_from {
            merged_from.insert(column.name.clone(), from.clone());
        }
    }
    RowSource {
        range: row.range.clone(),
        kind: row.kind.map(|kind| kind.as_str().to_owned()),
        hidden: row.hidden,
        shown,
        merged_from,
    }
}

fn sheet_names(sheets: &[SheetEntry]) -> Vec<String> {
    sheets.iter().take(50).map(|entry| entry.name.clone()).collect()
}

/// Reads `3`, `1-5,8` or `2-` into page numbers.
pub fn parse_pages(text: &str) -> Result<Vec<usize>, Error> {
    const PAGES_NAMED_MAX: usize = 5_000;
    let wrong = || Error::Input {
        message: format!("쪽 번호 `{}`을(를) 알 수 없습니다", text.chars().take(40).collect::<String>()),
        hint: Some("예: 3, 1-5,8".to_owned()),
    };
    let mut pages = Vec::new();
    for part in text.split([',', ' ']).map(str::trim).filter(|part| !part.is_empty()) {
        let (first, last) = part.split_once(['-', '~', '–']).unwrap_or((part, part));
        let first: usize = first.trim().parse().map_err(|_| wrong())?;
        let last: usize = last.trim().parse().map_err(|_| wrong())?;
        if first == 0 || last < first || PAGES_NAMED_MAX < last - first {
            return Err(wrong());
        }
        pages.extend(first..=last);
    }
    pages.sort_unstable();
    pages.dedup();
    if pages.is_empty() { Err(wrong()) } else { Ok(pages) }
}

/// `2026-09-30T01:02:03Z` of a moment.
fn utc(moment: SystemTime) -> String {
    let seconds = moment.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |passed| passed.as_secs());
    let (days, rest) = (seconds / 86_400, seconds % 86_400);
    // Days since 1970 to a civil date, counted in eras of 400 years that begin in March.
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_index = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_index + 2) / 5 + 1;
    let month = if month_index < 10 { month_index + 3 } else { month_index - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}Z", rest / 3600, rest / 60 % 60, rest % 60)
}

/// Opens a library over folders; the error says which folder is missing.
pub fn open(paths: &[PathBuf], limits: Limits) -> Result<Library, PathBuf> {
    Ok(Library::new(Folders::new(paths)?, limits))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_are_read_as_people_write_them() {
        for (text, expected) in [
            ("3", Some(vec![3])),
            ("1-3,8", Some(vec![1, 2, 3, 8])),
            ("2~3", Some(vec![2, 3])),
            ("3, 1", Some(vec![1, 3])),
            ("0", None),
            ("3-1", None),
            ("a", None),
            ("", None),
            ("1-999999", None),
        ] {
            assert_eq!(parse_pages(text).ok(), expected, "{text}");
        }
    }

    #[test]
    fn moments_are_told_in_utc() {
        for (seconds, expected) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (1_795_392_000, "2026-11-23T00:00:00Z"),
        ] {
            assert_eq!(utc(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)), expected);
        }
    }
}
