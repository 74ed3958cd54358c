//! Tables between horizontal rules: a rule above, one under the headers, one at the end, and
//! columns told by alignment.

use haechi_documents::pdf::Rect;
use haechi_documents::pdf::layout::Line;

use super::chunks::{Row, cut};
use super::grid::{Evidence, Grid};
use super::rules::Segment;
use super::textgrid::{self, Region};

/// A rule shorter than this is under a word, not over a table.
const RULE_LENGTH_MIN: f64 = 70.0;
/// Rules with sides closer than this frame the same table.
const SIDES: f64 = 14.0;
/// Gaps in a line that part chunks, in letter sizes.
pub(super) const CHUNK_GAP: f64 = 0.62;

/// Rules at one height taken together.
#[derive(Debug, Clone)]
struct Shelf {
    at: f64,
    from: f64,
    to: f64,
}

/// Tables framed by the horizontal rules given; those of other finders are taken out before.
pub fn find(horizontal: &[Segment], lines: &[Line]) -> Vec<Grid> {
    let shelves = shelves(horizontal);
    let mut used = vec![false; shelves.len()];
    let mut found = Vec::new();
    for index in 0..shelves.len() {
        if used[index] {
            continue;
        }
        let group: Vec<usize> = (index..shelves.len())
            .filter(|other| {
                !used[*other]
                    && (shelves[*other].from - shelves[index].from).abs() < SIDES
                    && (shelves[*other].to - shelves[index].to).abs() < SIDES
            })
            .collect();
        let ats: Vec<f64> = group.iter().map(|index| shelves[*index].at).collect();
        let (left, right) = (shelves[index].from - 4.0, shelves[index].to + 4.0);
        for (first, last) in chains(&ats, left, right, lines) {
            let Some(grid) = table(&ats[first..=last], left, right, horizontal, lines) else { continue };
            for member in &group[first..=last] {
                used[*member] = true;
            }
            found.push(grid);
        }
        used[index] = true;
    }
    found
}

/// Rules at the same height, taken together where they leave only narrow gaps.
fn shelves(horizontal: &[Segment]) -> Vec<Shelf> {
    let mut sorted: Vec<&Segment> = horizontal.iter().collect();
    sorted.sort_by(|a, b| a.at.total_cmp(&b.at).then(a.from.total_cmp(&b.from)));
    let mut rows: Vec<Vec<&Segment>> = Vec::new();
    for segment in sorted {
        match rows.last_mut() {
            Some(row) if row.first().is_some_and(|first| segment.at - first.at < 2.5) => row.push(segment),
            _ => rows.push(vec![segment]),
        }
    }
    let mut found = Vec::new();
    for mut row in rows {
        row.sort_by(|a, b| a.from.total_cmp(&b.from));
        let mut open: Option<Shelf> = None;
        for segment in row {
            match &mut open {
                Some(shelf) if segment.from - shelf.to < 36.0 => shelf.to = shelf.to.max(segment.to),
                other => {
                    found.extend(other.take());
                    *other = Some(Shelf { at: segment.at, from: segment.from, to: segment.to });
                }
            }
        }
        found.extend(open);
    }
    found.retain(|shelf| RULE_LENGTH_MIN <= shelf.to - shelf.from);
    found.sort_by(|a, b| a.at.total_cmp(&b.at));
    found
}

/// What lies between two rules.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Band {
    Empty,
    Tabular,
    /// A line or two that could be a section or a heading.
    Short,
    Prose,
}

pub(super) fn rows_between<'w>(lines: &'w [Line], top: f64, bottom: f64, left: f64, right: f64) -> Vec<Row<'w>> {
    lines
        .iter()
        .filter(|line| top < line.baseline - 0.3 * line.size && line.baseline - 0.3 * line.size < bottom)
        .filter_map(|line| cut(line, left, right, CHUNK_GAP))
        .collect()
}

fn band(rows: &[Row<'_>], width: f64) -> Band {
    if rows.is_empty() {
        return Band::Empty;
    }
    let multi = rows.iter().filter(|row| 1 < row.chunks.len()).count();
    let wide = rows.iter().filter(|row| row.chunks.iter().any(|chunk| 0.62 * width < chunk.width())).count();
    if rows.len() * 4 <= multi * 10 && wide * 2 <= rows.len() {
        return Band::Tabular;
    }
    if rows.len() <= 3 && wide == 0 {
        return Band::Short;
    }
    Band::Prose
}

/// Runs of rules with nothing but rows of tables between them.
fn chains(ats: &[f64], left: f64, right: f64, lines: &[Line]) -> Vec<(usize, usize)> {
    let bands: Vec<Band> =
        ats.windows(2).map(|pair| band(&rows_between(lines, pair[0], pair[1], left, right), right - left)).collect();
    let mut found = Vec::new();
    let mut start = 0;
    while start < bands.len() {
        if !matches!(bands[start], Band::Tabular | Band::Empty | Band::Short) {
            start += 1;
            continue;
        }
        let mut end = start;
        while end < bands.len() && matches!(bands[end], Band::Tabular | Band::Empty | Band::Short) {
            end += 1;
        }
        // What follows the last tabular band is a heading of something else.
        let last = (start..end).rev().find(|index| bands[*index] == Band::Tabular);
        let first = (start..end).find(|index| {
            bands[*index] == Band::Tabular
                || (bands[*index] == Band::Short && *index + 1 < end && bands[*index + 1] == Band::Tabular)
        });
        if let (Some(first), Some(last)) = (first, last) {
            found.extend(split_at_captions(first, last + 1, ats, left, right, lines));
        }
        start = end;
    }
    found
}

/// Two tables set under each other with a caption between show as a band whose lines hold one chunk
/// each; `band` calls it short, and the rules on both sides close and open a table.
fn split_at_captions(
    first: usize,
    last: usize,
    ats: &[f64],
    left: f64,
    right: f64,
    lines: &[Line],
) -> Vec<(usize, usize)> {
    let mut found = Vec::new();
    let mut start = first;
    for index in first..last {
        let rows = rows_between(lines, ats[index], ats[index + 1], left, right);
        let captions = rows.iter().any(|row| {
            let text = row.text().to_lowercase();
            row.chunks.len() <= 2
                && ["table ", "표 ", "표", "그림", "figure ", "<표", "[표"].iter().any(|word| text.starts_with(word))
                && text.chars().any(|character| character.is_ascii_digit())
        });
        let height = ats[index + 1] - ats[index];
        let sparse = rows.iter().all(|row| row.chunks.len() < 2) && 40.0 < height;
        if captions || sparse && start < index {
            if start < index {
                found.push((start, index));
            }
            start = index + 1;
        }
    }
    if start < last {
        found.push((start, last));
    }
    found
}

fn table(ats: &[f64], left: f64, right: f64, horizontal: &[Segment], lines: &[Line]) -> Option<Grid> {
    let (top, mut bottom) = (*ats.first()?, *ats.last()?);
    let mut rows = rows_between(lines, top, bottom, left, right);
    let width = right - left;
    // A table whose last rule is the one under its headers goes on below it.
    if ats.len() <= 2 && rows.iter().all(|row| !row.is_data()) {
        let below = rows_between(lines, bottom, f64::INFINITY, left - 2.0, right + 2.0);
        let mut previous = bottom + 8.0;
        for row in below {
            let distance = row.baseline - previous;
            let wide = row.chunks.iter().any(|chunk| 0.6 * width < chunk.width());
            if 3.2 * row.size < distance || wide || (row.chunks.len() < 2 && 2.0 * row.size < distance) {
                break;
            }
            previous = row.baseline;
            bottom = row.bottom;
            rows.push(row);
        }
        while rows.last().is_some_and(|row| row.chunks.len() < 2) {
            rows.pop();
        }
        bottom = rows.last().map_or(bottom, |row| row.bottom);
    }
    if rows.len() < 2 || rows.iter().filter(|row| 1 < row.chunks.len()).count() < 2 {
        return None;
    }
    // Headers may stand above the first rule that is as wide as the table.
    let mut top = top;
    if rows.first().is_some_and(Row::is_data) {
        let above = headers_above(top, left, right, horizontal, lines);
        top = above.first().map_or(top, |row| row.top - 1.0);
        rows.splice(0..0, above);
    }
    let rect = Rect::new(left + 4.0, top, right - 4.0, bottom);
    let inside: Vec<Segment> = horizontal
        .iter()
        .filter(|segment| {
            top + 2.0 < segment.at
                && segment.at < bottom - 2.0
                && left - 8.0 <= segment.from
                && segment.to <= right + 8.0
        })
        .copied()
        .collect();
    let grid = textgrid::build(&Region { rows: &rows, rules: &inside, rect }, Evidence::Framed)?;
    is_table(&grid).then_some(grid)
}

/// Lines right above a rule that head columns: several chunks, or one over a rule of its own.
fn headers_above<'w>(top: f64, left: f64, right: f64, horizontal: &[Segment], lines: &'w [Line]) -> Vec<Row<'w>> {
    const LINES_MAX: usize = 5;
    let mut found: Vec<Row<'w>> = Vec::new();
    let mut edge = top;
    for row in rows_between(lines, f64::NEG_INFINITY, top, left, right).into_iter().rev().take(LINES_MAX) {
        let ruled = horizontal.iter().any(|segment| {
            row.baseline < segment.at && segment.at < edge + 1.0 && left <= segment.from && segment.to <= right + 4.0
        });
        let wide = row.chunks.iter().any(|chunk| 0.5 * (right - left) < chunk.width());
        let near = edge - row.baseline < 1.7 * row.size;
        if wide || !near || (row.chunks.len() < 2 && !ruled) {
            break;
        }
        edge = row.baseline - row.size;
        found.push(row);
    }
    found.reverse();
    if found.iter().any(|row| 1 < row.chunks.len()) { found } else { Vec::new() }
}

/// Cells hold few words each in a table, many in columns of prose.
pub(super) fn is_table(grid: &Grid) -> bool {
    let (rows, columns) = grid.occupied();
    if rows < 2 || columns < 2 {
        return false;
    }
    let filled: Vec<usize> =
        grid.cells.iter().filter(|cell| !cell.text.is_empty()).map(|cell| cell.text.chars().count()).collect();
    if filled.len() < 4 || filled.len() * 4 < rows * columns {
        return false;
    }
    let long = filled.iter().filter(|length| 160 < **length).count();
    long * 5 <= filled.len()
}
