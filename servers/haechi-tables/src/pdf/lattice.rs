//! Tables drawn with rules around their cells.
//!
//! Rules that touch form a component; its columns and rows are where rules lie, and two cells with
//! no rule between them are one. Borders may be missing at the outer sides and at corners.

use haechi_documents::pdf::Rect;
use haechi_documents::pdf::layout::{Line, Word};

use super::grid::{Cell, Evidence, Grid, text_of};
use super::refine;
use super::rules::{Rules, Segment, coverage};

/// How far a rule may end before the one it should meet.
const REACH: f64 = 5.0;
/// Rules closer than this bound the same column or row.
pub(super) const SAME: f64 = 3.5;
/// A side of a cell counts as drawn when this much of it is.
const DRAWN: f64 = 0.6;
/// A page with more rules than this is a drawing; the cost of joining them is quadratic.
const RULES_MAX: usize = 3_000;
const CELLS_MAX: usize = 20_000;

/// The ruled tables among the rules of a page.
pub fn find(rules: &Rules, lines: &[Line]) -> Vec<Grid> {
    if RULES_MAX < rules.horizontal.len() + rules.vertical.len() {
        return Vec::new();
    }
    components(rules)
        .into_iter()
        .filter_map(|component| {
            let grid = build(&component, lines)?;
            Some(refine::refined(grid, &component, lines))
        })
        .collect()
}

/// What a component of rules encloses.
pub fn bounds(rules: &Rules) -> Option<Rect> {
    let across = rules.horizontal.iter().map(|rule| Rect::new(rule.from, rule.at, rule.to, rule.at));
    let down = rules.vertical.iter().map(|rule| Rect::new(rule.at, rule.from, rule.at, rule.to));
    across.chain(down).reduce(|a, b| a.union(&b))
}

/// Groups of rules that touch each other.
pub fn components(rules: &Rules) -> Vec<Rules> {
    if RULES_MAX < rules.horizontal.len() + rules.vertical.len() {
        return Vec::new();
    }
    let count = rules.horizontal.len();
    let total = count + rules.vertical.len();
    let mut parent: Vec<usize> = (0..total).collect();
    for (i, horizontal) in rules.horizontal.iter().enumerate() {
        for (j, vertical) in rules.vertical.iter().enumerate() {
            let meets = horizontal.from - REACH <= vertical.at
                && vertical.at <= horizontal.to + REACH
                && vertical.from - REACH <= horizontal.at
                && horizontal.at <= vertical.to + REACH;
            if meets {
                let (a, b) = (root(&mut parent, i), root(&mut parent, count + j));
                if let Some(slot) = parent.get_mut(a) {
                    *slot = b;
                }
            }
        }
    }
    let mut found: std::collections::BTreeMap<usize, Rules> = std::collections::BTreeMap::new();
    for (i, segment) in rules.horizontal.iter().enumerate() {
        found.entry(root(&mut parent, i)).or_default().horizontal.push(*segment);
    }
    for (j, segment) in rules.vertical.iter().enumerate() {
        found.entry(root(&mut parent, count + j)).or_default().vertical.push(*segment);
    }
    found.into_values().filter(|group| !group.horizontal.is_empty() && !group.vertical.is_empty()).collect()
}

fn root(parent: &mut [usize], mut node: usize) -> usize {
    while let Some(&up) = parent.get(node) {
        if up == node {
            break;
        }
        if let Some(&above) = parent.get(up) {
            parent[node] = above;
        }
        node = up;
    }
    node
}

/// Distinct places of rules along one axis.
fn stops(segments: &[Segment]) -> Vec<f64> {
    let mut places: Vec<f64> = segments.iter().map(|segment| segment.at).collect();
    places.sort_by(f64::total_cmp);
    let mut kept: Vec<f64> = Vec::new();
    for place in places {
        match kept.last() {
            Some(last) if place - last <= SAME => {}
            _ => kept.push(place),
        }
    }
    kept
}

/// Adds a side that the table does not draw but its crossing rules reach to.
fn close_sides(places: &mut Vec<f64>, crossing: &[Segment]) {
    const OPEN_SIDE_MIN: f64 = 8.0;
    let first = crossing.iter().map(|segment| segment.from).fold(f64::INFINITY, f64::min);
    let last = crossing.iter().map(|segment| segment.to).fold(f64::NEG_INFINITY, f64::max);
    if places.first().is_some_and(|place| first < place - OPEN_SIDE_MIN) {
        places.insert(0, first);
    }
    if places.last().is_some_and(|place| place + OPEN_SIDE_MIN < last) {
        places.push(last);
    }
}

fn build(rules: &Rules, lines: &[Line]) -> Option<Grid> {
    let mut xs = stops(&rules.vertical);
    let mut ys = stops(&rules.horizontal);
    close_sides(&mut xs, &rules.horizontal);
    close_sides(&mut ys, &rules.vertical);
    if xs.len() < 2 || ys.len() < 2 || CELLS_MAX < (xs.len() - 1) * (ys.len() - 1) {
        return None;
    }
    let (columns, rows) = (xs.len() - 1, ys.len() - 1);
    let index = |row: usize, column: usize| row * columns + column;
    let mut parent: Vec<usize> = (0..rows * columns).collect();
    let unite = |parent: &mut Vec<usize>, a: usize, b: usize| {
        let (a, b) = (root(parent, a), root(parent, b));
        if let Some(slot) = parent.get_mut(a.max(b)) {
            *slot = a.min(b);
        }
    };
    for row in 0..rows {
        for column in 0..columns {
            if column + 1 < columns && coverage(&rules.vertical, xs[column + 1], SAME, ys[row], ys[row + 1]) < DRAWN {
                unite(&mut parent, index(row, column), index(row, column + 1));
            }
            if row + 1 < rows && coverage(&rules.horizontal, ys[row + 1], SAME, xs[column], xs[column + 1]) < DRAWN {
                unite(&mut parent, index(row, column), index(row + 1, column));
            }
        }
    }
    let owner: Vec<usize> = (0..rows * columns).map(|cell| root(&mut parent, cell)).collect();
    let mut taken = vec![false; rows * columns];
    let mut cells = Vec::new();
    for row in 0..rows {
        for column in 0..columns {
            if taken[index(row, column)] {
                continue;
            }
            let group = owner[index(row, column)];
            let mine = |r: usize, c: usize, taken: &[bool]| owner[index(r, c)] == group && !taken[index(r, c)];
            let mut width = 1;
            while column + width < columns && mine(row, column + width, &taken) {
                width += 1;
            }
            let mut height = 1;
            while row + height < rows && (column..column + width).all(|c| mine(row + height, c, &taken)) {
                height += 1;
            }
            for r in row..row + height {
                for c in column..column + width {
                    taken[index(r, c)] = true;
                }
            }
            let rect = Rect::new(xs[column], ys[row], xs[column + width], ys[row + height]);
            cells.push(Cell { row, column, rows: height, columns: width, text: String::new(), rect });
        }
    }
    let rect = Rect::new(xs[0], ys[0], xs[columns], ys[rows]);
    fill(&mut cells, &rect, lines);
    let mut grid = Grid { rows, columns, cells, rect, evidence: Evidence::Ruled, confidence: 0.95 };
    grid.drop_empty_lines();
    Some(grid)
}

/// Puts each word into the cell that holds its middle.
fn fill(cells: &mut [Cell], rect: &Rect, lines: &[Line]) {
    let inside: Vec<&Word> = lines
        .iter()
        .filter(|line| rect.top - 2.0 <= line.rect.bottom && line.rect.top <= rect.bottom + 2.0)
        .flat_map(|line| &line.words)
        .collect();
    for cell in cells {
        let words: Vec<&Word> = inside
            .iter()
            .copied()
            .filter(|word| {
                // The middle of the letters, which stand on the baseline, not of the line's height.
                let y = word.baseline - 0.3 * word.size;
                let x = word.rect.middle_x();
                cell.rect.left <= x && x < cell.rect.right && cell.rect.top <= y && y < cell.rect.bottom
            })
            .collect();
        cell.text = text_of(words);
    }
}

/// Whether a ruled grid is a table: a box around a paragraph, a chart and a form's frame are not.
pub fn is_table(grid: &Grid) -> bool {
    let (rows, columns) = grid.occupied();
    if rows < 2 || columns < 2 {
        return false;
    }
    let filled = grid.cells.iter().filter(|cell| !cell.text.is_empty()).count();
    // The grid lines of a chart make many cells and hold almost no text.
    filled >= 3 && grid.cells.len() < 8 * filled
}
