//! Tables on the pages of a PDF.
//!
//! Three finders look at a page: rules around cells, horizontal rules with aligned columns, and
//! alignment alone. What one has taken, the next does not see. A page without any text is not
//! searched; whoever asked is told so.

pub mod chunks;
pub mod framed;
pub mod grid;
pub mod lattice;
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
    pub title: Option<String>,
    pub unit: Option<String>,
}

impl PdfTable {
    fn on_page(page: usize, grid: Grid) -> Self {
        Self { pages: vec![page], grid, part_starts: vec![0], title: None, unit: None }
    }

    /// The page that a row of the table stands on.
    pub fn page_of_row(&self, row: usize) -> usize {
        let part = self.part_starts.partition_point(|start| *start <= row).max(1) - 1;
        self.pages.get(part).copied().unwrap_or(1)
    }
}

/// The tables of a document in reading order.
pub fn find(document: &PdfDocument) -> Vec<PdfTable> {
    document
        .pages
        .iter()
        .flat_map(|page| find_on_page(page).into_iter().map(|grid| PdfTable::on_page(page.number, grid)))
        .collect()
}

/// The tables of one page from top to bottom.
pub fn find_on_page(page: &Page) -> Vec<Grid> {
    let lines: Vec<Line> = layout::lines(page);
    let rules = rules::of_page(page);
    let mut found: Vec<Grid> = lattice::find(&rules, &lines).into_iter().filter(lattice::is_table).collect();
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
    let framed = framed::find(&rest, &lines);
    for grid in framed {
        if free(&grid.rect, &found) {
            found.push(grid);
        }
    }
    found.sort_by(|a, b| a.rect.top.total_cmp(&b.rect.top).then(a.rect.left.total_cmp(&b.rect.left)));
    found
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
