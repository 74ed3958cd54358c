//! Columns by alignment: turns the lines of a region into a grid, with the help of what horizontal
//! rules there are.
//!
//! Columns are the stretches that no gap of the body runs through. Headers are read apart from the
//! body: a rule under a header tells what it spans, and a header without one reaches over the
//! headers below it.

use haechi_documents::pdf::Rect;
use haechi_documents::pdf::layout::Word;

use super::chunks::{Chunk, Row};
use super::grid::{Cell, Evidence, Grid, text_of};
use super::rules::Segment;

/// A rule counts as one over the whole width from this part on.
const FULL_WIDTH: f64 = 0.8;
const HEADER_LINES_MAX: usize = 9;

/// What a region holds: lines from top to bottom, and horizontal rules inside it.
pub struct Region<'a, 'w> {
    pub rows: &'a [Row<'w>],
    pub rules: &'a [Segment],
    pub rect: Rect,
}

/// Builds the grid of a region; nothing where it has no two columns.
pub fn build(region: &Region<'_, '_>, evidence: Evidence) -> Option<Grid> {
    let rows = region.rows;
    if rows.len() < 2 {
        return None;
    }
    let width = region.rect.width().max(1.0);
    let (top, bottom) = (rows.first()?.top, rows.last()?.bottom);
    let inner = |segment: &&Segment| top + 1.0 < segment.at && segment.at < bottom - 1.0;
    let full: Vec<f64> = merged_places(region.rules.iter().filter(inner), |covered| FULL_WIDTH * width <= covered);
    let partial: Vec<Segment> = region
        .rules
        .iter()
        .filter(inner)
        .filter(|segment| 6.0 < segment.length() && !full.iter().any(|at| (at - segment.at).abs() < 2.5))
        .copied()
        .collect();
    let header_count = header_lines(rows, &full);
    let columns = columns_of(rows, header_count)?;
    let mut cells = Vec::new();
    let header_rows = header_cells(rows.get(..header_count)?, &partial, &columns, &mut cells);
    let body_rows = body_cells(rows.get(header_count..)?, &full, &columns, header_rows, &mut cells);
    let mut grid = Grid {
        rows: header_rows + body_rows,
        columns: columns.len(),
        cells,
        rect: region.rect,
        evidence,
        confidence: 0.8,
    };
    grid.drop_empty_lines();
    (2 <= grid.columns && 2 <= grid.rows).then_some(grid)
}

/// Heights at which the rules together are long enough.
fn merged_places<'s>(segments: impl Iterator<Item = &'s Segment>, enough: impl Fn(f64) -> bool) -> Vec<f64> {
    let mut places: Vec<(f64, f64)> = Vec::new();
    for segment in segments {
        match places.iter_mut().find(|(at, _)| (*at - segment.at).abs() < 2.5) {
            Some((_, covered)) => *covered += segment.length(),
            None => places.push((segment.at, segment.length())),
        }
    }
    let mut found: Vec<f64> = places.into_iter().filter(|(_, covered)| enough(*covered)).map(|(at, _)| at).collect();
    found.sort_by(f64::total_cmp);
    found
}

/// How many lines at the top are headers.
fn header_lines(rows: &[Row<'_>], full: &[f64]) -> usize {
    let above = |at: f64| rows.iter().take_while(|row| row.baseline <= at + 1.0).count();
    let is_periods = |row: &Row<'_>| {
        let figures: Vec<&Chunk<'_>> = row.chunks.iter().filter(|chunk| chunk.numeric).collect();
        !figures.is_empty()
            && figures.iter().all(|chunk| {
                let text = chunk.text();
                text.len() == 4 && text.parse::<u32>().is_ok_and(|year| (1900..2101).contains(&year))
            })
    };
    let first_data = rows.iter().position(|row| row.is_data() && !is_periods(row)).unwrap_or(rows.len());
    // The last rule over the whole width above the first row of figures closes the headers.
    let mut by_rule = 0;
    for at in full {
        let count = above(*at);
        if 0 < count && count < rows.len() && count <= HEADER_LINES_MAX && (by_rule == 0 || count <= first_data) {
            by_rule = count;
        }
        if first_data <= count {
            break;
        }
    }
    if 0 < by_rule {
        return by_rule;
    }
    if first_data == rows.len() {
        return usize::from(1 < rows.first().map_or(0, |row| row.chunks.len()));
    }
    let mut count = first_data.min(HEADER_LINES_MAX);
    // A line that only names a section stands between the headers and the figures.
    while 1 < count
        && rows.get(count - 1).is_some_and(|row| row.chunks.len() == 1)
        && rows.get(..count - 1).is_some_and(|above| above.iter().any(|row| 1 < row.chunks.len()))
    {
        let lonely = rows.get(count - 1).is_some_and(|row| {
            let first_left = rows.iter().skip(count).map(Row::left).fold(f64::INFINITY, f64::min);
            row.left() <= first_left + 2.0 * row.size
        });
        if !lonely {
            break;
        }
        count -= 1;
    }
    count
}

/// The stretches of the columns, from left to right.
pub fn columns_of(rows: &[Row<'_>], header_count: usize) -> Option<Vec<(f64, f64)>> {
    let body = rows.get(header_count..)?;
    let multi: Vec<&Row<'_>> = body.iter().filter(|row| 1 < row.chunks.len()).collect();
    let data: Vec<&Row<'_>> = multi.iter().copied().filter(|row| row.is_data()).collect();
    let chosen: Vec<&Row<'_>> = if 2 <= data.len() && multi.len() <= 3 * data.len() {
        data
    } else if multi.is_empty() {
        rows.iter().filter(|row| 1 < row.chunks.len()).collect()
    } else {
        multi
    };
    if chosen.is_empty() {
        return None;
    }
    let size = chosen.iter().map(|row| row.size).sum::<f64>() / f64::from(u32::try_from(chosen.len()).ok()?);
    let mut edges: Vec<(f64, i32)> = Vec::new();
    for row in &chosen {
        for chunk in &row.chunks {
            // A leader of dots reaches over the gap that it bridges.
            let words: Vec<&&Word> = chunk.words.iter().filter(|word| !super::chunks::is_leader(&word.text)).collect();
            let right = words.last().map_or(chunk.right, |word| word.rect.right);
            edges.push((chunk.left, 1));
            edges.push((right.max(chunk.left + 0.1), -1));
        }
    }
    edges.sort_by(|a, b| a.0.total_cmp(&b.0).then(b.1.cmp(&a.1)));
    let allowed = i32::try_from(chosen.len() / 14).unwrap_or(0);
    let mut columns: Vec<(f64, f64)> = Vec::new();
    let (mut depth, mut start) = (0, None);
    for (at, step) in edges {
        let before = depth;
        depth += step;
        if before <= allowed && allowed < depth {
            start = Some(at);
        } else if allowed < before
            && depth <= allowed
            && let Some(from) = start.take()
        {
            match columns.last_mut() {
                Some(last) if from - last.1 < 0.25 * size => last.1 = at,
                _ => columns.push((from, at)),
            }
        }
    }
    (2 <= columns.len()).then_some(columns)
}

/// Where one column ends for words that stand between two.
fn borders(columns: &[(f64, f64)]) -> Vec<f64> {
    columns.windows(2).map(|pair| f64::midpoint(pair[0].1, pair[1].0)).collect()
}

fn column_at(borders: &[f64], x: f64) -> usize {
    borders.partition_point(|border| *border <= x)
}

/// Columns that a stretch reaches into, by more than a hair.
fn reach(columns: &[(f64, f64)], left: f64, right: f64) -> Vec<usize> {
    columns
        .iter()
        .enumerate()
        .filter(|(_, column)| {
            let shared = right.min(column.1) - left.max(column.0);
            0.0 < shared && (0.3 * (column.1 - column.0) < shared || 0.5 * (right - left) < shared)
        })
        .map(|(index, _)| index)
        .collect()
}

/// A header over several columns: at which height it ends and which columns it has.
#[derive(Debug, Clone)]
struct Bridge {
    at: f64,
    first: usize,
    last: usize,
}

/// Reads headers into cells and says how many rows they make.
fn header_cells(rows: &[Row<'_>], partial: &[Segment], columns: &[(f64, f64)], cells: &mut Vec<Cell>) -> usize {
    let (Some(first), Some(last)) = (rows.first(), rows.last()) else { return 0 };
    let bridges = bridges(rows, partial, columns);
    let mut heights: Vec<f64> = Vec::new();
    for bridge in &bridges {
        if !heights.iter().any(|at| (at - bridge.at).abs() < 3.0) {
            heights.push(bridge.at);
        }
    }
    heights.sort_by(f64::total_cmp);
    let levels = heights.len() + 1;
    let borders = borders(columns);
    // For each column, the height of every level at which something ends above it.
    let bridge_at = |level: usize, column: usize| {
        let at = heights.get(level)?;
        bridges.iter().find(|bridge| (bridge.at - at).abs() < 3.0 && bridge.first <= column && column <= bridge.last)
    };
    let level_top = |level: usize| if level == 0 { f64::NEG_INFINITY } else { heights[level - 1] };
    let level_bottom = |level: usize| heights.get(level).copied().unwrap_or(f64::INFINITY);
    let mut taken = vec![false; levels * columns.len()];
    for column in 0..columns.len() {
        let mut level = 0;
        while level < levels {
            let mut end = level;
            while end + 1 < levels && bridge_at(end, column).is_none() {
                end += 1;
            }
            if taken[level * columns.len() + column] {
                level = end + 1;
                continue;
            }
            let (from, to) = match bridge_at(end, column) {
                Some(bridge) if end + 1 < levels => (bridge.first, bridge.last),
                _ => (column, column),
            };
            // A header over columns whose headers lie at other heights keeps to those still free.
            let is_free = |inside: usize| (level..=end).all(|row| !taken[row * columns.len() + inside]);
            let from = (from..=column).rev().take_while(|inside| is_free(*inside)).last().unwrap_or(column);
            let to = (column..=to).take_while(|inside| is_free(*inside)).last().unwrap_or(column);
            let left = if from == 0 { f64::NEG_INFINITY } else { borders[from - 1] };
            let right = borders.get(to).copied().unwrap_or(f64::INFINITY);
            let words: Vec<&Word> = rows
                .iter()
                .filter(|row| level_top(level) < middle_height(row) && middle_height(row) <= level_bottom(end))
                .flat_map(|row| &row.chunks)
                .flat_map(|chunk| &chunk.words)
                .filter(|word| left <= word.rect.middle_x() && word.rect.middle_x() < right)
                .copied()
                .collect();
            let rect = Rect::new(columns[from].0, first.top, columns[to].1, last.bottom);
            for row in level..=end {
                for inside in from..=to {
                    taken[row * columns.len() + inside] = true;
                }
            }
            cells.push(Cell {
                row: level,
                column: from,
                rows: end - level + 1,
                columns: to - from + 1,
                text: text_of(words),
                rect,
            });
            level = end + 1;
        }
    }
    levels
}

fn middle_height(row: &Row<'_>) -> f64 {
    row.baseline - 0.3 * row.size
}

/// What spans what in the headers: by the rules under them, else by headers that lie over others.
fn bridges(rows: &[Row<'_>], partial: &[Segment], columns: &[(f64, f64)]) -> Vec<Bridge> {
    let (Some(first), Some(last)) = (rows.first(), rows.last()) else { return Vec::new() };
    let mut found: Vec<Bridge> = Vec::new();
    for segment in partial.iter().filter(|segment| first.baseline - 1.0 < segment.at && segment.at < last.baseline) {
        let under: Vec<usize> = columns
            .iter()
            .enumerate()
            .filter(|(_, column)| {
                let middle = f64::midpoint(column.0, column.1);
                segment.from - 3.0 <= middle && middle <= segment.to + 3.0
            })
            .map(|(index, _)| index)
            .collect();
        if let (Some(from), Some(to)) = (under.first(), under.last())
            && !found
                .iter()
                .any(|bridge| (bridge.at - segment.at).abs() < 3.0 && bridge.first <= *to && *from <= bridge.last)
        {
            found.push(Bridge { at: segment.at, first: *from, last: *to });
        }
    }
    if !found.is_empty() {
        return found;
    }
    for (index, row) in rows.iter().enumerate() {
        // The headers below may stand on another line than one that is as tall as both.
        let Some(below) = rows.iter().skip(index + 1).take(3).find(|below| row.chunks.len() < below.chunks.len())
        else {
            continue;
        };
        let spanning = row.chunks.iter().any(|chunk| 1 < reach(columns, chunk.left, chunk.right).len());
        if below.chunks.len() < 2 || (row.chunks.len() == 1 && !spanning && below.chunks.len() < 3) {
            continue;
        }
        let at = below.baseline - 0.95 * below.size;
        if at <= row.baseline - 0.5 * row.size {
            continue;
        }
        // Headers below are shared out among the headers above, each to the nearest.
        let mut shares: Vec<Vec<&Chunk<'_>>> = row.chunks.iter().map(|_| Vec::new()).collect();
        for under in &below.chunks {
            let nearest =
                row.chunks.iter().enumerate().min_by(|a, b| {
                    (a.1.middle() - under.middle()).abs().total_cmp(&(b.1.middle() - under.middle()).abs())
                });
            if let Some(share) = nearest.and_then(|(chunk, _)| shares.get_mut(chunk)) {
                share.push(under);
            }
        }
        for (chunk, mut share) in row.chunks.iter().zip(shares) {
            let reached = reach(columns, chunk.left, chunk.right);
            let fits = |share: &[&Chunk<'_>]| match (share.first(), share.last()) {
                (Some(left), Some(right)) if 1 < share.len() => {
                    let middle = f64::midpoint(left.left, right.right);
                    (middle - chunk.middle()).abs() < 0.1 * (right.right - left.left) + 0.6 * row.size
                }
                _ => false,
            };
            // A header over the labels at the left is nobody's share.
            if !fits(&share) && 2 < share.len() && share.first().is_some_and(|first| first.left <= columns[0].1) {
                share.remove(0);
            }
            let (first, last) = if fits(&share) {
                let left = share.first().map_or(0.0, |chunk| chunk.left);
                let right = share.last().map_or(0.0, |chunk| chunk.right);
                let over: Vec<usize> = columns
                    .iter()
                    .enumerate()
                    .filter(|(_, column)| column.0 < right && left < column.1)
                    .map(|(index, _)| index)
                    .collect();
                match (over.first(), over.last()) {
                    (Some(first), Some(last)) => (*first, *last),
                    _ => continue,
                }
            } else {
                match (reached.first(), reached.last()) {
                    (Some(first), Some(last)) => (*first, *last),
                    _ => continue,
                }
            };
            let taken =
                found.iter().any(|bridge| (bridge.at - at).abs() < 3.0 && bridge.first <= last && first <= bridge.last);
            if first < last && !taken {
                found.push(Bridge { at, first, last });
            }
        }
    }
    found
}

/// A row of the body while its lines are gathered.
struct Open<'w> {
    cells: Vec<(usize, usize, Vec<&'w Word>)>,
    last_baseline: f64,
    top: f64,
    bottom: f64,
}

/// Reads the body into cells and says how many rows it makes.
fn body_cells(rows: &[Row<'_>], full: &[f64], columns: &[(f64, f64)], from_row: usize, cells: &mut Vec<Cell>) -> usize {
    let borders = borders(columns);
    let bands = ruled_bands(rows, full);
    let leading = typical_leading(rows);
    let mut open: Vec<Open<'_>> = Vec::new();
    for (index, row) in rows.iter().enumerate() {
        let parts = parts_of(row, columns, &borders);
        let same_band = index
            .checked_sub(1)
            .and_then(|before| rows.get(before))
            .is_some_and(|before| !full.iter().any(|at| before.baseline - 1.0 < *at && *at < row.baseline));
        let joins = match open.last() {
            None => false,
            Some(last) if bands => {
                let _ = last;
                same_band
            }
            Some(last) => same_band && continues(last, row, &parts, rows.get(index + 1), leading, columns.len()),
        };
        match open.last_mut() {
            Some(last) if joins => {
                for (first, end, words) in parts {
                    match last.cells.iter_mut().find(|cell| cell.0 <= end && first <= cell.1) {
                        Some(cell) => {
                            cell.0 = cell.0.min(first);
                            cell.1 = cell.1.max(end);
                            cell.2.extend(words);
                        }
                        None => last.cells.push((first, end, words)),
                    }
                }
                last.last_baseline = row.baseline;
                last.bottom = row.bottom;
            }
            _ => open.push(Open { cells: parts, last_baseline: row.baseline, top: row.top, bottom: row.bottom }),
        }
    }
    for (index, row) in open.iter_mut().enumerate() {
        row.cells.sort_by_key(|cell| cell.0);
        let mut next_free = 0;
        for (first, last, words) in &row.cells {
            let first = (*first).max(next_free);
            if *last < first {
                continue;
            }
            next_free = last + 1;
            cells.push(Cell {
                row: from_row + index,
                column: first,
                rows: 1,
                columns: last - first + 1,
                text: text_of(words.clone()),
                rect: Rect::new(columns[first].0, row.top, columns[*last].1, row.bottom),
            });
        }
    }
    open.len()
}

/// Whether rules part the rows of the body: then a row is what stands between two of them.
fn ruled_bands(rows: &[Row<'_>], full: &[f64]) -> bool {
    let (Some(first), Some(last)) = (rows.first(), rows.last()) else { return false };
    let inside = full.iter().filter(|at| first.baseline < **at && **at < last.baseline).count();
    3 <= inside && rows.len() <= 4 * (inside + 1) || (1..3).contains(&inside) && rows.len() <= 2 * (inside + 1)
}

/// The usual distance between the lines of the body.
fn typical_leading(rows: &[Row<'_>]) -> f64 {
    let mut gaps: Vec<f64> = rows.windows(2).map(|pair| pair[1].baseline - pair[0].baseline).collect();
    gaps.sort_by(f64::total_cmp);
    gaps.get(gaps.len() / 2).copied().unwrap_or(0.0)
}

/// The parts of a line by column; a chunk over several columns is cut between its words where that
/// fits, else it spans them.
fn parts_of<'w>(row: &Row<'w>, columns: &[(f64, f64)], borders: &[f64]) -> Vec<(usize, usize, Vec<&'w Word>)> {
    let mut parts: Vec<(usize, usize, Vec<&'w Word>)> = Vec::new();
    let lonely = row.chunks.len() == 1;
    for chunk in &row.chunks {
        let words: Vec<&'w Word> = chunk.words.clone();
        let right = words.last().map_or(chunk.right, |word| word.rect.right);
        let reached = reach(columns, chunk.left, right);
        match reached.as_slice() {
            // The name of a section may be longer than its column is wide.
            [0, ..] if lonely => parts.push((0, 0, words)),
            [] | [_] => {
                let column =
                    reached.first().copied().unwrap_or_else(|| column_at(borders, f64::midpoint(chunk.left, right)));
                push_part(&mut parts, column, column, words);
            }
            [first, .., last] => {
                let straddles = words.iter().any(|word| {
                    let (a, b) = (column_at(borders, word.rect.left + 0.5), column_at(borders, word.rect.right - 0.5));
                    a != b
                });
                let figures = words.iter().filter(|word| super::chunks::is_figure(&word.text)).count();
                if !straddles && (words.len() <= 2 * figures || 2 < row.chunks.len()) {
                    for word in words {
                        let column = column_at(borders, word.rect.middle_x());
                        push_part(&mut parts, column, column, vec![word]);
                    }
                } else {
                    push_part(&mut parts, *first, *last, words);
                }
            }
        }
    }
    parts
}

fn push_part<'w>(parts: &mut Vec<(usize, usize, Vec<&'w Word>)>, first: usize, last: usize, words: Vec<&'w Word>) {
    match parts.last_mut() {
        Some(part) if first <= part.1 => {
            part.1 = part.1.max(last);
            part.2.extend(words);
        }
        _ => parts.push((first, last, words)),
    }
}

/// Whether a line goes on with the row above instead of beginning one.
fn continues(
    last: &Open<'_>,
    row: &Row<'_>,
    parts: &[(usize, usize, Vec<&Word>)],
    next: Option<&Row<'_>>,
    leading: f64,
    column_count: usize,
) -> bool {
    let distance = row.baseline - last.last_baseline;
    // Labels of two lines beside a figure set at their middle overlap in height.
    if distance < 0.8 * row.size.min(8.0_f64.max(row.size)) && (parts.len() == 1 || last.cells.len() == 1) {
        return true;
    }
    if 2.2 * row.size < distance || row.chunks.iter().any(|chunk| chunk.numeric && 1 < row.chunks.len()) {
        return false;
    }
    let has_first = parts.first().is_some_and(|part| part.0 == 0);
    let above = |column: usize| last.cells.iter().any(|cell| cell.0 <= column && column <= cell.1);
    let tight = distance < 0.86 * leading;
    let text = row.text();
    let begins_small =
        text.chars().next().is_some_and(|first| first.is_lowercase() || matches!(first, '(' | '[' | '&'));
    if !has_first {
        // Text that goes on in a column beside the labels, under text.
        return parts.iter().all(|part| above(part.0) && !row.chunks.iter().any(|chunk| chunk.numeric))
            && parts.len() < column_count
            && (tight || above(0));
    }
    if 1 < parts.len() {
        return tight && parts.len() < column_count && parts.iter().all(|part| above(part.0));
    }
    // A label alone: it ends the label above, or names what follows.
    let figures_above = last.cells.iter().any(|cell| 0 < cell.0);
    let follows_with_figures = next.is_some_and(|next| 1 < next.chunks.len());
    let above_ends_open = last.cells.first().and_then(|cell| cell.2.last()).is_some_and(|word| {
        word.text.ends_with([',', '-', '–', '/'])
            || matches!(word.text.as_str(), "and" | "of" | "the" | "or" | "for" | "in" | "to")
    });
    if begins_small || above_ends_open {
        return figures_above || follows_with_figures || tight;
    }
    tight && figures_above && !follows_with_figures
}
