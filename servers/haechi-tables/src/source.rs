//! One file opened for tables: the same shape for a sheet and for a page.

use std::path::Path;

use haechi_documents::pdf::{self as pages, PageFault, PdfDocument, PdfError, PdfLimits, PdfOptions};

use serde::{Deserialize, Serialize};

use crate::content::{Content, Tail};
use crate::error::{Error, Unsupported};
use crate::folders::Found;
use crate::pdf::{self, PdfTable};
use crate::region::{self, Region};
use crate::sheet::{Book, Flow, SheetCell, SheetExtras, Span, Visibility};
use crate::table::{self, Head, Row};
use crate::value::{Value, clean_text};

/// Where a table stands in its file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Place {
    Sheet { sheet: String, span: Span },
    Pages { pages: Vec<usize>, number: usize, bbox: [f64; 4] },
}

/// A table with everything but its rows.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Table {
    pub place: Place,
    pub name: Option<String>,
    pub title: Option<String>,
    pub unit: Option<String>,
    pub footnotes: Vec<String>,
    pub head: Head,
    pub header_rows: u64,
    pub rows_total: u64,
    pub merged: Vec<String>,
    pub confidence: f64,
    pub notes: Vec<String>,
}

impl Table {
    /// The part of an identifier after the file: `업종별!B4:F12` or `p3.1`.
    pub fn local_id(&self) -> String {
        match &self.place {
            Place::Sheet { sheet, span } => format!("{sheet}!{}", span.name()),
            Place::Pages { pages, number, .. } => format!("p{}.{number}", pages.first().copied().unwrap_or(1)),
        }
    }

    pub fn id(&self, file: &str) -> String {
        format!("{file}#{}", self.local_id())
    }

    pub fn citation(&self, file: &str) -> String {
        match &self.place {
            Place::Sheet { sheet, span } => format!("{file} › {sheet} › {}", span.name()),
            Place::Pages { pages, number, .. } => {
                let shown = match (pages.first(), pages.last()) {
                    (Some(first), Some(last)) if first != last => format!("{first}–{last}쪽"),
                    (Some(first), _) => format!("{first}쪽"),
                    _ => String::new(),
                };
                format!("{file} › {shown} › 표 {number}")
            }
        }
    }
}

/// The URI of a table: its identifier with what a URI may not hold escaped. Korean letters stay, so
/// that people can read the address.
pub fn uri_of(id: &str) -> String {
    let mut uri = String::from("table://");
    for character in id.chars() {
        if !character.is_ascii() || character.is_ascii_alphanumeric() || "-._~/!:,".contains(character) {
            uri.push(character);
        } else {
            uri.push_str(&format!("%{:02X}", u32::from(character)));
        }
    }
    uri
}

/// The identifier in a URI of a table.
pub fn id_of_uri(uri: &str) -> Option<String> {
    let escaped = uri.strip_prefix("table://")?;
    let mut bytes = Vec::new();
    let mut rest = escaped.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let pair = [rest.next()?, rest.next()?];
            bytes.push(u8::from_str_radix(std::str::from_utf8(&pair).ok()?, 16).ok()?);
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).ok()
}

/// The tables of a sheet and its cells.
pub struct SheetTables {
    pub content: Content,
    pub tables: Vec<(Region, Table)>,
}

/// Finds the tables of one sheet.
pub fn of_sheet(book: &mut Book, sheet: &str) -> Result<SheetTables, Error> {
    let content = Content::load(book, sheet)?;
    let named: Vec<_> = book.named_tables.iter().filter(|table| table.sheet == sheet).cloned().collect();
    let regions = region::find(&content, &named);
    let tables = regions.into_iter().map(|region| with_head(&content, sheet, region)).collect();
    Ok(SheetTables { content, tables })
}

/// Describes a region; where cells go on below what is kept, so does the region.
pub fn with_head(content: &Content, sheet: &str, mut region: Region) -> (Region, Table) {
    let head = table::head(content, region.span, &region.header_rows, region.unit.as_deref(), true);
    let mut rows_total =
        u64::try_from(table::data_rows(content, region.span, &region.header_rows).len()).unwrap_or(u64::MAX);
    let merged = content
        .extras
        .merges
        .iter()
        // Titles above a table are merged as well, and whoever rebuilds the sheet needs them.
        .filter(|merge| Span { top: region.span.top.saturating_sub(6), ..region.span }.contains(merge.top, merge.left))
        .take(500)
        .map(Span::name)
        .collect();
    let mut notes = Vec::new();
    if let Some(tail) = continued(content, &region) {
        region.span.bottom = tail.last_row;
        rows_total += tail.rows;
        notes.push("큰 시트라 열의 형식은 앞부분의 행으로 판단했습니다".to_owned());
    }
    let table = Table {
        place: Place::Sheet { sheet: sheet.to_owned(), span: region.span },
        name: region.name.clone(),
        title: region.title.clone(),
        unit: region.unit.clone(),
        footnotes: region.footnotes.clone(),
        head,
        header_rows: u64::try_from(region.header_rows.len()).unwrap_or(0),
        rows_total,
        merged,
        confidence: region.confidence,
        notes,
    };
    (region, table)
}

fn continued(content: &Content, region: &Region) -> Option<Tail> {
    let last_kept = content.rows.last_key_value().map(|(row, _)| *row)?;
    content.tail.filter(|tail| region.span.bottom == last_kept && 0 < tail.rows)
}

/// Reads a window of a sheet table's data rows, streaming those that are not kept.
pub fn sheet_rows(
    book: &mut Book,
    sheet: &str,
    content: &Content,
    region: &Region,
    offset: u64,
    limit: u64,
) -> Result<Vec<Row>, Error> {
    let kept = table::data_rows(content, region.span, &region.header_rows);
    let kept_count = u64::try_from(kept.len()).unwrap_or(u64::MAX);
    let from = usize::try_from(offset).unwrap_or(usize::MAX);
    let count = usize::try_from(limit).unwrap_or(usize::MAX);
    let mut rows: Vec<Row> =
        kept.iter().skip(from).take(count).map(|row| table::row_of(content, region.span, *row)).collect();
    let last_kept = content.rows.last_key_value().map_or(0, |(row, _)| *row);
    let wanted = offset.saturating_add(limit);
    if region.span.bottom <= last_kept || wanted <= kept_count {
        return Ok(rows);
    }
    let mut window = Content::default();
    let (mut seen, mut current) = (kept_count, None);
    let span = region.span;
    book.cells(sheet, &mut |cell| {
        if cell.row <= last_kept || cell.value.is_empty() {
            return Flow::Continue(());
        }
        if span.bottom < cell.row {
            return Flow::Break(());
        }
        if current != Some(cell.row) {
            if current.is_some() {
                seen += 1;
            }
            current = Some(cell.row);
        }
        if wanted <= seen {
            return Flow::Break(());
        }
        if offset <= seen && (span.left..=span.right).contains(&cell.column) {
            window.rows.entry(cell.row).or_default().push(cell);
        }
        Flow::Continue(())
    })?;
    let numbers: Vec<u32> = window.rows.keys().copied().collect();
    rows.extend(numbers.into_iter().map(|row| table::row_of(&window, span, row)));
    Ok(rows)
}

/// A PDF that was read, with its tables.
pub struct PdfTables {
    pub document: PdfDocument,
    pub found: Vec<PdfTable>,
}

/// Reads a PDF and finds its tables.
pub fn of_pdf(file: &Found, wanted_pages: Vec<usize>, limits: PdfLimits) -> Result<PdfTables, Error> {
    let document = read_pdf(&file.path, &file.shown, wanted_pages, limits)?;
    let found = pdf::find(&document);
    Ok(PdfTables { document, found })
}

/// Reads the pages of a PDF in a thread whose stack bears what documents nest.
pub fn read_pdf(path: &Path, shown: &str, wanted: Vec<usize>, limits: PdfLimits) -> Result<PdfDocument, Error> {
    const STACK_BYTES: usize = 64 << 20;
    let size = std::fs::metadata(path).map_err(|_| Error::NoFile { path: shown.to_owned() })?.len();
    if usize::try_from(size).unwrap_or(usize::MAX) > limits.bytes_max {
        return Err(Error::TooLarge { path: shown.to_owned(), what: format!("{}MB 이상", limits.bytes_max >> 20) });
    }
    let bytes = std::fs::read(path).map_err(|_| Error::NoFile { path: shown.to_owned() })?;
    let options = PdfOptions { pages: wanted, password: None, limits };
    let worker = std::thread::Builder::new()
        .name("pdf".to_owned())
        .stack_size(STACK_BYTES)
        .spawn(move || pages::read(bytes, &options))
        .map_err(|_| Error::Internal)?;
    let read = worker
        .join()
        .map_err(|_| Error::Damaged { path: shown.to_owned(), what: "읽다가 멈췄습니다".to_owned() })?;
    read.map_err(|error| of_pdf_error(shown, &error))
}

fn of_pdf_error(shown: &str, error: &PdfError) -> Error {
    let path = shown.to_owned();
    match error {
        PdfError::PasswordRequired => Error::PasswordRequired { path },
        PdfError::UnsupportedEncryption => Error::Unsupported { path, why: Unsupported::Encryption },
        PdfError::Damaged => {
            Error::Damaged { path, what: "PDF의 구조가 깨졌거나 PDF가 아닙니다".to_owned() }
        }
        PdfError::NoPages => Error::Damaged { path, what: "쪽이 하나도 없습니다".to_owned() },
        PdfError::TooLarge { max, .. } => Error::TooLarge { path, what: format!("{}MB 이상", max >> 20) },
        PdfError::TimedOut { .. } => Error::TimedOut { path },
    }
}

/// What a reader of the tables must know about the pages.
pub fn notes_of_pdf(document: &PdfDocument) -> Vec<String> {
    let mut notes = Vec::new();
    let list = |numbers: &[usize]| {
        let shown: Vec<String> = numbers.iter().take(30).map(ToString::to_string).collect();
        let more = if 30 < numbers.len() { " …" } else { "" };
        format!("{}쪽{more}", shown.join(", "))
    };
    let numbers = |wanted: &dyn Fn(&pages::Page) -> bool| -> Vec<usize> {
        document.pages.iter().filter(|page| wanted(page)).map(|page| page.number).collect()
    };
    let scans = numbers(&pages::Page::is_scan);
    if !scans.is_empty() {
        notes.push(format!(
            "글자 층이 없는 쪽(스캔 이미지): {}. 문자 인식(OCR)을 거친 PDF를 넣으면 읽을 수 있습니다",
            list(&scans)
        ));
    }
    let recognised = numbers(&pages::Page::is_recognised_scan);
    if !recognised.is_empty() {
        notes.push(format!(
            "스캔에 문자 인식을 한 쪽: {}. 글자가 틀릴 수 있으니 원본과 대조해 주십시오",
            list(&recognised)
        ));
    }
    let unmapped = numbers(&|page: &pages::Page| page.glyphs.len() < page.unmapped * 5 && 10 < page.unmapped);
    if !unmapped.is_empty() {
        notes.push(format!("글꼴 정보가 모자라 읽지 못한 글자가 많은 쪽: {}", list(&unmapped)));
    }
    let hidden = numbers(&|page: &pages::Page| {
        20 < page.glyphs.iter().filter(|glyph| glyph.visibility == pages::Visibility::Hidden).count()
    });
    if !hidden.is_empty() {
        notes.push(format!("사람 눈에 보이지 않는 글자가 있어 뺀 쪽: {}", list(&hidden)));
    }
    for (kind, message) in [
        (PageFault::Damaged, "손상되어 일부만 읽은 쪽"),
        (PageFault::TooLarge, "너무 커서 일부만 읽은 쪽"),
        (PageFault::TimedOut, "시간이 모자라 일부만 읽은 쪽"),
    ] {
        let faulty: Vec<usize> =
            document.faults.iter().filter(|(_, fault)| *fault == kind).map(|(number, _)| *number).collect();
        if !faulty.is_empty() {
            notes.push(format!("{message}: {}", list(&faulty)));
        }
    }
    if 0 < document.pages_left_out {
        notes.push(format!("쪽이 많아 {}쪽은 읽지 않았습니다. pages로 범위를 정해 주십시오", document.pages_left_out));
    }
    notes
}

/// A table of a PDF as cells of a sheet, so that headers, types and totals are told the same way.
pub fn of_grid(found: &PdfTable, number: usize) -> (Content, Region, Table) {
    let grid = &found.grid;
    let mut content = Content::default();
    for cell in &grid.cells {
        let (Ok(row), Ok(column)) = (u32::try_from(cell.row), u32::try_from(cell.column)) else { continue };
        let text = clean_text(&cell.text);
        if !text.is_empty() {
            content.rows.entry(row).or_default().push(SheetCell {
                row,
                column,
                value: Value::Text(text),
                shown: None,
                percent: false,
                formula: false,
            });
        }
    }
    for row in content.rows.values_mut() {
        row.sort_by_key(|cell| cell.column);
    }
    let merges: Vec<Span> = grid
        .cells
        .iter()
        .filter(|cell| 1 < cell.rows || 1 < cell.columns)
        .filter_map(|cell| {
            Some(Span {
                top: u32::try_from(cell.row).ok()?,
                left: u32::try_from(cell.column).ok()?,
                bottom: u32::try_from(cell.row + cell.rows - 1).ok()?,
                right: u32::try_from(cell.column + cell.columns - 1).ok()?,
            })
        })
        .collect();
    content.set_extras(SheetExtras { merges: merges.clone(), ..SheetExtras::default() });
    let span = Span {
        top: 0,
        left: 0,
        bottom: u32::try_from(grid.rows.max(1) - 1).unwrap_or(0),
        right: u32::try_from(grid.columns.max(1) - 1).unwrap_or(0),
    };
    let header_rows = region::header_rows(&content, span);
    let head = table::head(&content, span, &header_rows, found.unit.as_deref(), false);
    let rows_total = u64::try_from(table::data_rows(&content, span, &header_rows).len()).unwrap_or(0);
    let rect = grid.rect;
    let bbox = [rect.left, rect.top, rect.right, rect.bottom].map(|value| (value * 10.0).round() / 10.0);
    let table = Table {
        place: Place::Pages { pages: found.pages.clone(), number, bbox },
        name: None,
        title: found.title.clone(),
        unit: found.unit.clone(),
        footnotes: Vec::new(),
        head,
        header_rows: u64::try_from(header_rows.len()).unwrap_or(0),
        rows_total,
        merged: merges.iter().map(Span::name).collect(),
        confidence: (grid.confidence * 100.0).round() / 100.0,
        notes: Vec::new(),
    };
    let region = Region {
        span,
        header_rows,
        name: None,
        title: found.title.clone(),
        unit: found.unit.clone(),
        footnotes: Vec::new(),
        confidence: grid.confidence,
    };
    (content, region, table)
}

/// Data rows of a PDF table; their range is the page and the row of the table.
pub fn grid_rows(found: &PdfTable, content: &Content, region: &Region) -> Vec<Row> {
    table::data_rows(content, region.span, &region.header_rows)
        .into_iter()
        .map(|number| {
            let mut row = table::row_of(content, region.span, number);
            let index = usize::try_from(number).unwrap_or(0);
            row.range = format!("p{} r{}", found.page_of_row(index), index + 1);
            row
        })
        .collect()
}

/// How a sheet's visibility is told.
pub fn visibility_word(visibility: Visibility, has_cells: bool) -> &'static str {
    match visibility {
        _ if !has_cells => "chart sheet",
        Visibility::Visible => "visible",
        Visibility::Hidden => "hidden",
        Visibility::VeryHidden => "very hidden",
    }
}
