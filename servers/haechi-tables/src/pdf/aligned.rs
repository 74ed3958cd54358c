//! Tables without any rules: lines whose words stand in columns.
//!
//! Text in columns of a page looks like this, too, so the finder asks for figures or short cells
//! and looks at each text column of the page alone.

use haechi_documents::pdf::Rect;
use haechi_documents::pdf::layout::Line;

use super::chunks::{Row, cut, is_leader};
use super::framed;
use super::grid::{Evidence, Grid};
use super::textgrid::{self, Region};

/// Gaps that part columns here are wider than between rules, where less is left to chance.
const CHUNK_GAP: f64 = 1.0;
const LINES_MIN: usize = 3;

/// Tables among the lines that no other finder has taken.
pub fn find(lines: &[Line], taken: &[Grid], charts: &[Rect]) -> Vec<Grid> {
    let free: Vec<&Line> = lines
        .iter()
        .filter(|line| {
            let inside = |rect: &Rect| rect.top < line.rect.middle_y() && line.rect.middle_y() < rect.bottom;
            !taken
                .iter()
                .any(|grid| inside(&grid.rect) && grid.rect.left < line.rect.right && line.rect.left < grid.rect.right)
        })
        .collect();
    let mut found = Vec::new();
    for (left, right) in text_columns(&free) {
        let rows: Vec<Row<'_>> = free.iter().filter_map(|line| cut(line, left, right, CHUNK_GAP)).collect();
        let mut start = 0;
        while start < rows.len() {
            let end = run_end(&rows, start);
            if let Some(grid) = table(&rows[start..end])
                && !charts.iter().any(|chart| chart.overlaps(&grid.rect))
            {
                found.push(grid);
            }
            start = end.max(start + 1);
        }
    }
    found
}

/// The columns of running text on the page; one where it has none.
pub fn text_columns(lines: &[&Line]) -> Vec<(f64, f64)> {
    let left = lines.iter().map(|line| line.rect.left).fold(f64::INFINITY, f64::min);
    let right = lines.iter().map(|line| line.rect.right).fold(f64::NEG_INFINITY, f64::max);
    let whole = vec![(left - 1.0, right + 1.0)];
    let width = right - left;
    let mut gutters: Vec<f64> = Vec::new();
    for line in lines {
        let Some(row) = cut(line, left - 1.0, right + 1.0, 0.75) else { continue };
        for pair in row.chunks.windows(2) {
            let prose = |chunk: &super::chunks::Chunk<'_>| 0.22 * width < chunk.width() && 4 <= chunk.words.len();
            if prose(&pair[0]) && prose(&pair[1]) {
                gutters.push(f64::midpoint(pair[0].right, pair[1].left));
            }
        }
    }
    gutters.sort_by(f64::total_cmp);
    let mut groups: Vec<Vec<f64>> = Vec::new();
    for gutter in gutters {
        match groups.last_mut() {
            Some(group) if group.last().is_some_and(|last| gutter - last < 12.0) => group.push(gutter),
            _ => groups.push(vec![gutter]),
        }
    }
    groups.retain(|group| 5 <= group.len());
    if groups.is_empty() {
        return whole;
    }
    let mut borders = vec![left - 1.0];
    borders.extend(groups.iter().filter_map(|group| group.get(group.len() / 2).copied()));
    borders.push(right + 1.0);
    borders.windows(2).map(|pair| (pair[0], pair[1])).collect()
}

/// Where a run of lines in columns ends that begins at `start`.
fn run_end(rows: &[Row<'_>], start: usize) -> usize {
    if rows.get(start).is_none_or(|row| row.chunks.len() < 2) {
        return start + 1;
    }
    let mut end = start + 1;
    let mut lonely = 0;
    let mut last_multi = end;
    while let (Some(before), Some(row)) = (rows.get(end - 1), rows.get(end)) {
        let distance = row.baseline - before.baseline;
        if 3.0 * row.size.max(before.size) < distance {
            break;
        }
        if row.chunks.len() < 2 {
            lonely += 1;
            // A label or a section may stand alone; text does not.
            let widest = rows
                .get(start..end)
                .map_or(0.0, |run| run.iter().map(|row| row.right() - row.left()).fold(0.0, f64::max));
            if 2 < lonely || 0.55 * widest < row.right() - row.left() {
                break;
            }
        } else {
            lonely = 0;
            last_multi = end + 1;
        }
        end += 1;
    }
    last_multi
}

fn table(rows: &[Row<'_>]) -> Option<Grid> {
    let multi = rows.iter().filter(|row| 1 < row.chunks.len()).count();
    if multi < LINES_MIN {
        return None;
    }
    let leaders = rows
        .iter()
        .filter(|row| {
            row.chunks.iter().any(|chunk| chunk.words.iter().any(|word| is_leader(&word.text) && 3 < word.text.len()))
        })
        .count();
    if rows.len() < 2 * leaders {
        // A table of contents.
        return None;
    }
    let left = rows.iter().map(Row::left).fold(f64::INFINITY, f64::min);
    let right = rows.iter().map(Row::right).fold(f64::NEG_INFINITY, f64::max);
    let rect = Rect::new(left, rows.first()?.top, right, rows.last()?.bottom);
    let mut grid = textgrid::build(&Region { rows, rules: &[], rect }, Evidence::Aligned)?;
    if !framed::is_table(&grid) {
        return None;
    }
    let (filled_rows, columns) = grid.occupied();
    let texts = |column: usize| {
        grid.cells.iter().filter(move |cell| cell.column == column && cell.columns == 1 && !cell.text.is_empty())
    };
    let figures = (1..columns)
        .filter(|column| {
            let all = texts(*column).count();
            let numeric = texts(*column).filter(|cell| super::chunks::is_figure(&cell.text)).count();
            1 < numeric && all * 6 <= numeric * 10 + 10
        })
        .count();
    let spans = grid.cells.iter().filter(|cell| 1 < cell.columns).count();
    let filled = grid.cells.iter().filter(|cell| !cell.text.is_empty()).count();
    let longest = grid.cells.iter().map(|cell| cell.text.chars().count()).max().unwrap_or(0);
    let density = filled * 100 / (filled_rows * columns).max(1);
    // Marks of a list and page numbers make a narrow column of their own.
    let list = columns == 2 && texts(0).all(|cell| cell.text.chars().count() <= 4);
    let convincing = if 0 < figures {
        45 <= density && spans * 3 <= filled && longest < 120
    } else {
        3 <= columns && 5 <= multi && 75 <= density && spans == 0 && longest < 40
    };
    if !convincing || list || (columns == 2 && (figures == 0 || multi < 4)) {
        return None;
    }
    grid.confidence = 0.7;
    Some(grid)
}
