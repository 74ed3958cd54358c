//! Tables that go on over pages, as one.

use super::PdfTable;
use super::grid::Grid;

/// Sides of a table may wander by this much from page to page.
const SIDES: f64 = 12.0;
/// A table that goes on ends in the lower part of its page and begins in the upper part of the next.
const ENDS_BELOW: f64 = 0.55;
const BEGINS_ABOVE: f64 = 0.4;
/// Lines that may stand below a part: a note, the foot of the page. Above the next one only a line
/// that says it goes on may stand, since any other is the title of a table of its own.
const LINES_BETWEEN_MAX: usize = 1;
const HEADER_ROWS_MAX: usize = 5;

/// Joins tables that go on; `height_of` gives the height of a page.
pub(super) fn joined(tables: Vec<PdfTable>, height_of: impl Fn(usize) -> f64) -> Vec<PdfTable> {
    let mut found: Vec<PdfTable> = Vec::new();
    let firsts: Vec<bool> = tables
        .iter()
        .enumerate()
        .map(|(index, table)| index == 0 || tables.get(index - 1).is_none_or(|before| before.pages != table.pages))
        .collect();
    for (table, is_first) in tables.into_iter().zip(firsts) {
        let goes_on = is_first
            && found.last().is_some_and(|before| {
                let (last, next) =
                    (before.pages.last().copied().unwrap_or(0), table.pages.first().copied().unwrap_or(0));
                last + 1 == next
                    && ENDS_BELOW * height_of(last) < before.last_bottom
                    && table.grid.rect.top < BEGINS_ABOVE * height_of(next)
                    && same_columns(&before.grid, &table.grid)
                    && before.lines_below <= LINES_BETWEEN_MAX
                    && (table.lines_above == 0 || table.says_continued)
            });
        let repeated =
            if goes_on { found.last().map_or(0, |before| repeated_header(&before.grid, &table.grid)) } else { 0 };
        match found.last_mut() {
            Some(before) if goes_on && (0 < repeated || !has_own_header(&table.grid)) => {
                append(before, table, repeated)
            }
            _ => found.push(table),
        }
    }
    found
}

fn same_columns(a: &Grid, b: &Grid) -> bool {
    a.columns == b.columns && (a.rect.left - b.rect.left).abs() < SIDES && (a.rect.right - b.rect.right).abs() < SIDES
}

fn texts(grid: &Grid, row: usize) -> Vec<(usize, String)> {
    let mut cells: Vec<(usize, String)> = grid
        .cells
        .iter()
        .filter(|cell| cell.row == row && !cell.text.is_empty())
        .map(|cell| (cell.column, cell.text.split_whitespace().collect()))
        .collect();
    cells.sort();
    cells
}

/// How many rows at the top of `b` repeat those at the top of `a`.
fn repeated_header(a: &Grid, b: &Grid) -> usize {
    (0..HEADER_ROWS_MAX.min(a.rows.saturating_sub(1)).min(b.rows))
        .take_while(|row| {
            let first = texts(a, *row);
            !first.is_empty() && first == texts(b, *row)
        })
        .count()
}

/// A first row of nothing but words over columns of figures heads a table of its own.
fn has_own_header(grid: &Grid) -> bool {
    let figures = |row: usize| {
        grid.cells
            .iter()
            .filter(|cell| cell.row == row && super::chunks::is_figure(&cell.text) && !cell.text.is_empty())
            .count()
    };
    figures(0) == 0 && (1..grid.rows).any(|row| 0 < figures(row))
}

fn append(before: &mut PdfTable, mut next: PdfTable, skipped: usize) {
    // A cell of the header that reaches below it would be cut; such a header is dropped whole.
    let start = before.grid.rows;
    next.grid.cells.retain(|cell| skipped <= cell.row);
    for cell in &mut next.grid.cells {
        cell.row = cell.row - skipped + start;
    }
    before.grid.cells.append(&mut next.grid.cells);
    before.grid.rows += next.grid.rows - skipped;
    before.grid.confidence = before.grid.confidence.min(next.grid.confidence);
    before.pages.extend(next.pages);
    before.part_starts.push(start);
    before.last_bottom = next.last_bottom;
    before.lines_below = next.lines_below;
}
