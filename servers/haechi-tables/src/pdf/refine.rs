//! Ruled grids that leave rows or columns to the eye: cut again by the text inside.
//!
//! Many tables draw a box, a line under the headers and lines between columns, and set a hundred
//! rows into one ruled cell. Others draw the rows and leave the columns. Such a grid is taken apart
//! by the alignment of its text, and kept as ruled where its text does not ask for more.

use haechi_documents::pdf::layout::Line;

use super::chunks::{Row, cut};
use super::framed::CHUNK_GAP;
use super::grid::{Evidence, Grid};
use super::lattice::SAME;
use super::rules::Rules;
use super::textgrid::{self, Region};

/// The grid, or a finer one where its cells hold rows or columns of figures.
pub(super) fn refined(mut grid: Grid, rules: &Rules, lines: &[Line]) -> Grid {
    split_tall_cells(&mut grid, lines);
    if !is_coarse(&grid, lines) {
        return grid;
    }
    let rect = grid.rect;
    let uprights: Vec<f64> =
        rules.vertical.iter().filter(|rule| 0.5 * rect.height() < rule.length()).map(|rule| rule.at).collect();
    let rows: Vec<Row<'_>> = lines
        .iter()
        .filter(|line| {
            let y = line.baseline - 0.3 * line.size;
            rect.top < y && y < rect.bottom
        })
        .filter_map(|line| cut(line, rect.left, rect.right, CHUNK_GAP))
        .map(|row| cut_at(row, &uprights))
        .collect();
    let region = Region { rows: &rows, rules: &rules.horizontal, rect };
    match textgrid::build(&region, Evidence::Ruled) {
        Some(finer) if grid.rows * grid.columns < finer.rows * finer.columns => finer,
        _ => grid,
    }
}

/// Parts chunks that reach over an upright rule.
fn cut_at<'w>(mut row: Row<'w>, uprights: &[f64]) -> Row<'w> {
    for at in uprights {
        let mut parted = Vec::with_capacity(row.chunks.len() + 1);
        for mut chunk in row.chunks {
            let split = chunk.words.iter().position(|word| *at < word.rect.middle_x()).unwrap_or(chunk.words.len());
            if split == 0 || split == chunk.words.len() {
                parted.push(chunk);
                continue;
            }
            let mut later = chunk.clone();
            later.words = chunk.words.split_off(split);
            for part in [&mut chunk, &mut later] {
                part.left = part.words.first().map_or(part.left, |word| word.rect.left);
                part.right = part.words.last().map_or(part.right, |word| word.rect.right);
                part.numeric = super::chunks::is_figure(&part.text());
            }
            parted.push(chunk);
            parted.push(later);
        }
        row.chunks = parted;
    }
    row
}

/// Whether single ruled cells hold several rows or columns of figures.
fn is_coarse(grid: &Grid, lines: &[Line]) -> bool {
    let mut coarse = 0;
    let mut figures_cells = 0;
    for cell in grid.cells.iter().filter(|cell| !cell.text.is_empty()) {
        let rows: Vec<Row<'_>> = lines
            .iter()
            .filter(|line| {
                let y = line.baseline - 0.3 * line.size;
                cell.rect.top < y && y < cell.rect.bottom
            })
            .filter_map(|line| cut(line, cell.rect.left, cell.rect.right, CHUNK_GAP))
            .collect();
        let figures = rows.iter().map(Row::numbers).sum::<usize>();
        if 0 < figures {
            figures_cells += 1;
        }
        let stacked = 2 < rows.len() && rows.len() * 6 <= figures * 10;
        // A row of figures without rules between its columns.
        let abreast = rows.iter().any(|row| 1 < row.numbers());
        if stacked || abreast {
            coarse += 1;
        }
    }
    0 < coarse && figures_cells <= 3 * coarse
}

/// A cell at the left of many ruled rows that holds one label for each of them is as many cells.
fn split_tall_cells(grid: &mut Grid, lines: &[Line]) {
    let mut index = 0;
    while index < grid.cells.len() {
        let cell = grid.cells[index].clone();
        index += 1;
        if cell.rows < 3 || cell.columns != 1 {
            continue;
        }
        let band = |row: usize| {
            grid.cells
                .iter()
                .find(|other| other.row == row && other.rows == 1 && other.column != cell.column)
                .map(|other| (other.rect.top, other.rect.bottom))
        };
        let bands: Vec<Option<(f64, f64)>> = (cell.row..cell.row + cell.rows).map(band).collect();
        let mut texts: Vec<Vec<&haechi_documents::pdf::layout::Word>> = vec![Vec::new(); cell.rows];
        let mut lines_in = 0;
        for line in lines {
            let y = line.baseline - 0.3 * line.size;
            if y < cell.rect.top || cell.rect.bottom < y {
                continue;
            }
            let words: Vec<_> = line
                .words
                .iter()
                .filter(|word| cell.rect.left <= word.rect.middle_x() && word.rect.middle_x() < cell.rect.right)
                .collect();
            if words.is_empty() {
                continue;
            }
            lines_in += 1;
            let row =
                bands.iter().position(|band| band.is_some_and(|(top, bottom)| top - SAME <= y && y <= bottom + SAME));
            if let Some(slot) = row.and_then(|row| texts.get_mut(row)) {
                slot.extend(words);
            }
        }
        let filled = texts.iter().filter(|words| !words.is_empty()).count();
        if filled < 3 || lines_in < filled || filled * 10 < cell.rows * 7 {
            continue;
        }
        grid.cells.remove(index - 1);
        for (offset, words) in texts.into_iter().enumerate() {
            let (top, bottom) = bands.get(offset).copied().flatten().unwrap_or((cell.rect.top, cell.rect.bottom));
            let mut part = cell.clone();
            part.row = cell.row + offset;
            part.rows = 1;
            part.rect.top = top;
            part.rect.bottom = bottom;
            part.text = super::grid::text_of(words);
            grid.cells.push(part);
        }
    }
}
