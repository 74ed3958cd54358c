//! Tables on the pages of a PDF.
//!
//! Three finders look at a page: rules around cells, horizontal rules with aligned columns, and
//! alignment alone. What one has taken, the next does not see. A page without any text is not
//! searched; whoever asked is told so.

pub mod aligned;
pub mod chunks;
pub mod framed;
pub mod grid;
mod join;
pub mod lattice;
mod refine;
pub mod rules;
pub mod textgrid;

use haechi_documents::pdf::layout::{self, Line};
use haechi_documents::pdf::{Page, PdfDocument, Rect};

pub use grid::{Cell, Evidence, Grid};
use rules::Segment;

/// A table of a document, on one page or going on over several.
#[derive(Debug, Clone)]
pub struct PdfTable {
    pub pages: Vec<usize>,
    pub grid: Grid,
    /// The rows at which the parts on later pages begin.
    pub part_starts: Vec<usize>,
    /// Where the last part ends on its page.
    last_bottom: f64,
    /// Lines of text above the first part and below the last, without the margins of the page.
    lines_above: usize,
    lines_below: usize,
    /// A line right above says that the table goes on from the page before.
    says_continued: bool,
    pub title: Option<String>,
    pub unit: Option<String>,
}

impl PdfTable {
    fn on_page(page: usize, grid: Grid) -> Self {
        let last_bottom = grid.rect.bottom;
        Self {
            pages: vec![page],
            grid,
            part_starts: vec![0],
            last_bottom,
            lines_above: 0,
            lines_below: 0,
            says_continued: false,
            title: None,
            unit: None,
        }
    }

    /// The page that a row of the table stands on.
    pub fn page_of_row(&self, row: usize) -> usize {
        let part = self.part_starts.partition_point(|start| *start <= row).max(1) - 1;
        self.pages.get(part).copied().unwrap_or(1)
    }
}

/// The tables of a document in reading order.
pub fn find(document: &PdfDocument) -> Vec<PdfTable> {
    let tables = document.pages.iter().flat_map(tables_of_page).collect();
    let height_of =
        |number: usize| document.pages.iter().find(|page| page.number == number).map_or(0.0, |page| page.height);
    join::joined(tables, height_of)
}

fn tables_of_page(page: &Page) -> Vec<PdfTable> {
    const MARGIN: f64 = 0.075;
    let lines: Vec<Line> = layout::lines(page);
    let (head, foot) = (MARGIN * page.height, (1.0 - MARGIN) * page.height);
    find_in_lines(page, &lines)
        .into_iter()
        .map(|grid| {
            let rect = grid.rect;
            let mut table = PdfTable::on_page(page.number, grid);
            let between = |from: f64, to: f64| {
                lines.iter().filter(|line| from < line.rect.middle_y() && line.rect.middle_y() < to).count()
            };
            table.says_continued = lines.iter().filter(|line| line.rect.middle_y() < rect.top).any(|line| {
                let text = line.text().to_lowercase();
                text.contains("계속")
                    || text.contains("이어서")
                    || text.contains("continued")
                    || text.contains("cont'd")
            });
            table.lines_above = between(head, rect.top);
            table.lines_below = between(rect.bottom, foot);
            table
        })
        .collect()
}

/// The tables of one page from top to bottom.
pub fn find_on_page(page: &Page) -> Vec<Grid> {
    find_in_lines(page, &layout::lines(page))
}

fn find_in_lines(page: &Page, lines: &[Line]) -> Vec<Grid> {
    let rules = rules::of_page(page);
    let enclosed: Vec<Rect> = lattice::components(&rules).iter().filter_map(lattice::bounds).collect();
    let shaded = rules::with_shades(page, &rules, &enclosed);
    let mut found: Vec<Grid> = lattice::find(&shaded, lines).into_iter().filter(lattice::is_table).collect();
    // What a ruled table has taken, the others do not see.
    let free = |rect: &Rect, found: &[Grid]| !found.iter().any(|grid| grid.rect.grown(2.0).overlaps(rect));
    let rest: Vec<Segment> = rules
        .horizontal
        .iter()
        .filter(|segment| {
            let middle = Rect::new(segment.from + 2.0, segment.at - 0.5, segment.to - 2.0, segment.at + 0.5);
            free(&middle, &found)
        })
        .copied()
        .collect();
    let framed = framed::find(&rest, lines);
    for grid in framed {
        if free(&grid.rect, &found) {
            found.push(grid);
        }
    }
    // Shaded cells and stripes frame a table where no rule does.
    let shades = rules::of_shades(page);
    for grid in framed::find(&shades.horizontal, lines) {
        if free(&grid.rect, &found) {
            found.push(grid);
        }
    }
    for grid in aligned::find(lines, &found, &page.images) {
        if free(&grid.rect, &found) {
            found.push(grid);
        }
    }
    found.retain(|grid| !is_chart(grid, page));
    found.sort_by(|a, b| a.rect.top.total_cmp(&b.rect.top).then(a.rect.left.total_cmp(&b.rect.left)));
    found
}

/// A drawing with words in it: curves or slanted lines run through it, or most of it is empty.
fn is_chart(grid: &Grid, page: &Page) -> bool {
    let filled = grid.cells.iter().filter(|cell| !cell.text.is_empty()).count();
    let covered: usize =
        grid.cells.iter().filter(|cell| !cell.text.is_empty()).map(|cell| cell.rows * cell.columns).sum();
    let curves = page
        .curves
        .iter()
        .filter(|(x, y)| {
            // Rounded corners lie on the border.
            let inner = grid.rect.grown(-4.0);
            inner.contains(*x, *y)
        })
        .count();
    let sparse = covered * 3 < grid.rows * grid.columns;
    let ruled = grid.evidence == Evidence::Ruled;
    (filled < 4 * curves) || (3 < curves && sparse) || (sparse && !ruled)
}

/// Each table with its number on the page where it begins.
pub fn numbered(tables: &[PdfTable]) -> Vec<(&PdfTable, usize)> {
    let mut counts = std::collections::HashMap::new();
    tables
        .iter()
        .map(|table| {
            let count = counts.entry(table.pages.first().copied().unwrap_or(1)).or_insert(0_usize);
            *count += 1;
            (table, *count)
        })
        .collect()
}
