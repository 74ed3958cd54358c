//! The rules of a page, tidied: pieces joined, doubles made one, split by direction.

use haechi_documents::pdf::{Page, Rect, Rule};

/// Parallel rules closer than this are one rule drawn twice.
const DOUBLE_RULE: f64 = 2.6;
/// Pieces of a rule with a smaller gap are one rule: dots, dashes, gaps at the corners.
const GAP_MAX: f64 = 6.0;

/// A straight rule; for a horizontal one `at` is its height on the page and it goes from left to right.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Segment {
    pub at: f64,
    pub from: f64,
    pub to: f64,
}

impl Segment {
    pub fn length(&self) -> f64 {
        self.to - self.from
    }
}

/// All rules of a page by direction.
#[derive(Debug, Clone, Default)]
pub struct Rules {
    pub horizontal: Vec<Segment>,
    pub vertical: Vec<Segment>,
}

/// Drawn rules, and the borders of outlined areas, joined into whole segments.
pub fn of_page(page: &Page) -> Rules {
    let mut pieces: [Vec<Segment>; 2] = [Vec::new(), Vec::new()];
    for rule in &page.rules {
        // White rules count where they part shaded cells, and nowhere else.
        if rule.white && !lies_on_shade(rule, page) {
            continue;
        }
        let (from, to) = rule.extent();
        pieces[usize::from(!rule.horizontal)].push(Segment { at: rule.position(), from, to });
    }
    let [horizontal, vertical] = pieces;
    Rules { horizontal: join(horizontal), vertical: join(vertical) }
}

/// The edges of shaded cells, as rules: what is left where a table draws no lines at all.
pub fn of_shades(page: &Page) -> Rules {
    let mut pieces: [Vec<Segment>; 2] = [Vec::new(), Vec::new()];
    for area in &page.areas {
        if area.is_white() || page.width * page.height * 0.5 < area.rect.area() {
            continue;
        }
        let Rect { left, top, right, bottom } = area.rect;
        for at in [top, bottom] {
            pieces[0].push(Segment { at, from: left, to: right });
        }
        for at in [left, right] {
            pieces[1].push(Segment { at, from: top, to: bottom });
        }
    }
    let [horizontal, vertical] = pieces;
    Rules { horizontal: join(horizontal), vertical: join(vertical) }
}

/// The rules with the edges of shaded cells added wherever these lie inside what rules enclose.
pub fn with_shades(page: &Page, rules: &Rules, enclosed: &[Rect]) -> Rules {
    let mut edges = Vec::new();
    for area in &page.areas {
        if area.is_white() || !enclosed.iter().any(|rect| inside(&area.rect, &rect.grown(4.0))) {
            continue;
        }
        let Rect { left, top, right, bottom } = area.rect;
        // A shade that ends a little beside a rule belongs to that rule; only where none is near
        // does its edge part two rows.
        for at in [top, bottom] {
            let near =
                rules.horizontal.iter().any(|rule| (rule.at - at).abs() < 7.0 && rule.from < right && left < rule.to);
            if !near && 6.0 < bottom - top {
                edges.push(Segment { at, from: left, to: right });
            }
        }
    }
    // Cells shaded one by one say nothing about rows; a stripe through the table does.
    let mut edges = join(edges);
    edges.retain(|edge| {
        enclosed.iter().any(|rect| {
            rect.top <= edge.at
                && edge.at <= rect.bottom
                && 0.6 * rect.width() < edge.length()
                && rect.left - 8.0 < edge.from
        })
    });
    edges.extend(&rules.horizontal);
    Rules { horizontal: join(edges), vertical: rules.vertical.clone() }
}

fn inside(inner: &Rect, outer: &Rect) -> bool {
    outer.left <= inner.left && inner.right <= outer.right && outer.top <= inner.top && inner.bottom <= outer.bottom
}

fn lies_on_shade(rule: &Rule, page: &Page) -> bool {
    let reach = rule.rect.grown(1.5);
    page.areas.iter().any(|area| !area.is_white() && area.rect.overlaps(&reach))
}

/// Joins pieces on one line into whole segments.
pub fn join(mut pieces: Vec<Segment>) -> Vec<Segment> {
    pieces.sort_by(|a, b| a.at.total_cmp(&b.at));
    let mut groups: Vec<Vec<Segment>> = Vec::new();
    for piece in pieces {
        match groups.last_mut() {
            Some(group) if group.first().is_some_and(|first| piece.at - first.at <= DOUBLE_RULE) => group.push(piece),
            _ => groups.push(vec![piece]),
        }
    }
    let mut joined = Vec::new();
    for mut group in groups {
        group.sort_by(|a, b| a.from.total_cmp(&b.from));
        let weight: f64 = group.iter().map(|piece| piece.length().max(0.1)).sum();
        let at = group.iter().map(|piece| piece.at * piece.length().max(0.1)).sum::<f64>() / weight;
        let mut current: Option<Segment> = None;
        for piece in group {
            current = Some(match current {
                Some(mut open) if piece.from - open.to <= GAP_MAX => {
                    open.to = open.to.max(piece.to);
                    open
                }
                Some(closed) => {
                    joined.push(closed);
                    Segment { at, ..piece }
                }
                None => Segment { at, ..piece },
            });
        }
        joined.extend(current);
    }
    joined
}

/// How much of `from..to` is covered by the segments that lie at `at`.
pub fn coverage(segments: &[Segment], at: f64, tolerance: f64, from: f64, to: f64) -> f64 {
    if to <= from {
        return 0.0;
    }
    // Segments of one line do not overlap after joining, so their shares add up.
    let covered: f64 = segments
        .iter()
        .filter(|segment| (segment.at - at).abs() <= tolerance)
        .map(|segment| (segment.to.min(to) - segment.from.max(from)).max(0.0))
        .sum();
    (covered / (to - from)).min(1.0)
}
