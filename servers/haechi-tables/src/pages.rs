//! Pages of a PDF as text in reading order, with its tables where they stand.

use haechi_contract::tables::{PageText, Pages, ReadPages};
use haechi_documents::pdf::layout::{self, Line};
use haechi_documents::pdf::{Page, Rect};

use crate::error::{Error, Unsupported};
use crate::folders::Found;
use crate::library::{Limits, parse_pages};
use crate::pdf::{self, PdfTable, aligned, chunks};
use crate::sheet::{self, Kind};
use crate::source::{self, uri_of};

const PAGES_DEFAULT: usize = 20;
const PAGES_MAX: usize = 100;

/// Something on a page that is read as one: a line, or a table.
struct Piece {
    rect: Rect,
    text: String,
    is_table: bool,
    size: f64,
}

pub fn read(file: &Found, input: &ReadPages, limits: &Limits) -> Result<Pages, Error> {
    if sheet::kind_of(&file.path, &file.shown)? != Kind::Pdf {
        return Err(Error::Unsupported { path: file.shown.clone(), why: Unsupported::UnknownKind });
    }
    let asked = input.pages.as_deref().map(parse_pages).transpose()?;
    let wanted: Vec<usize> = asked.unwrap_or_else(|| (1..=PAGES_DEFAULT).collect());
    let cut = PAGES_MAX < wanted.len();
    let wanted: Vec<usize> = wanted.into_iter().take(PAGES_MAX).collect();
    let document = source::read_pdf(&file.path, &file.shown, wanted, limits.pdf)?;
    let tables = pdf::find(&document);
    let numbered = pdf::numbered(&tables);
    let pages = document
        .pages
        .iter()
        .map(|page| {
            let here: Vec<(&PdfTable, usize)> =
                numbered.iter().filter(|(table, _)| table.pages.first() == Some(&page.number)).copied().collect();
            let id = format!("{}#p{}", file.shown, page.number);
            PageText {
                page: u64::try_from(page.number).unwrap_or(u64::MAX),
                citation: format!("{} › {}쪽", file.shown, page.number),
                uri: uri_of(&id),
                text: text_of(page, &here),
                tables: here.iter().map(|(_, number)| format!("{id}.{number}")).collect(),
            }
        })
        .collect::<Vec<_>>();
    let mut notes = source::notes_of_pdf(&document);
    let total = document.page_count;
    let given = pages.len();
    let truncated = cut || (input.pages.is_none() && given < total);
    if truncated {
        notes.push(format!(
            "전체 {total}쪽 가운데 {given}쪽을 담았습니다. 이어서 읽으려면 pages에 쪽 번호를 적어 주십시오"
        ));
    }
    Ok(Pages {
        path: file.shown.clone(),
        pages,
        total_pages: u64::try_from(total).unwrap_or(u64::MAX),
        notes,
        truncated,
    })
}

/// The text of a page in reading order.
fn text_of(page: &Page, tables: &[(&PdfTable, usize)]) -> String {
    let lines = layout::lines(page);
    let inside = |line: &Line| {
        tables.iter().any(|(table, _)| {
            let rect = table.grid.rect;
            rect.top < line.rect.middle_y()
                && line.rect.middle_y() < rect.bottom
                && rect.left < line.rect.right
                && line.rect.left < rect.right
        })
    };
    let free: Vec<&Line> = lines.iter().filter(|line| !inside(line)).collect();
    let columns = aligned::text_columns(&free);
    let mut pieces: Vec<Piece> = Vec::new();
    for line in &free {
        for (left, right) in &columns {
            let Some(row) = chunks::cut(line, *left, *right, 3.0) else { continue };
            let rect = Rect::new(row.left(), row.top, row.right(), row.bottom);
            pieces.push(Piece { rect, text: row.text(), is_table: false, size: row.size });
        }
    }
    for (table, number) in tables {
        let (content, region, head) = source::of_grid(table, *number);
        let rows = source::grid_rows(table, &content, &region);
        let text = crate::render::markdown(&head.head.columns, &rows);
        pieces.push(Piece { rect: table.grid.rect, text, is_table: true, size: 10.0 });
    }
    pieces.sort_by(|a, b| a.rect.top.total_cmp(&b.rect.top).then(a.rect.left.total_cmp(&b.rect.left)));
    // What reaches over several columns ends what stands above it in each of them.
    let mut ordered: Vec<Piece> = Vec::new();
    let mut waiting: Vec<Vec<Piece>> = columns.iter().map(|_| Vec::new()).collect();
    for piece in pieces {
        let over: Vec<usize> = columns
            .iter()
            .enumerate()
            .filter(|(_, (left, right))| {
                0.3 * (right - left).min(piece.rect.width().max(1.0))
                    < piece.rect.right.min(*right) - piece.rect.left.max(*left)
            })
            .map(|(index, _)| index)
            .collect();
        match over.as_slice() {
            [column] => {
                if let Some(queue) = waiting.get_mut(*column) {
                    queue.push(piece);
                }
            }
            _ => {
                for queue in &mut waiting {
                    ordered.append(queue);
                }
                ordered.push(piece);
            }
        }
    }
    for queue in &mut waiting {
        ordered.append(queue);
    }
    write(&ordered)
}

/// Joins pieces into paragraphs: a wider gap or a table begins a new one.
fn write(pieces: &[Piece]) -> String {
    let mut text = String::new();
    let mut before: Option<&Piece> = None;
    for piece in pieces {
        if let Some(last) = before {
            let gap = piece.rect.top - last.rect.bottom;
            let apart = piece.is_table || last.is_table || gap < -2.0 * piece.size || 0.7 * piece.size < gap;
            text.push_str(if apart { "\n\n" } else { "\n" });
        }
        text.push_str(piece.text.trim_end());
        before = Some(piece);
    }
    text
}
