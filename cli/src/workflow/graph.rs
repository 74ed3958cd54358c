//! In which order the steps can run.
//!
//! Invariant: the order depends on the file alone, so the journals of two runs compare line by line.

use std::collections::BTreeSet;

/// The dependencies of every step, by position in the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Graph {
    pub dependencies: Vec<BTreeSet<usize>>,
    /// Positions in running order: a step comes after what it waits for, otherwise as in the file.
    pub order: Vec<usize>,
    /// How many steps stand before each step on its longest path.
    pub level: Vec<usize>,
}

/// Orders the steps.
///
/// # Errors
///
/// The positions along a circle of steps that wait for each other.
pub(crate) fn order(dependencies: Vec<BTreeSet<usize>>) -> Result<Graph, Vec<usize>> {
    let count = dependencies.len();
    let mut dependents = vec![Vec::new(); count];
    let mut waiting: Vec<usize> = dependencies.iter().map(BTreeSet::len).collect();
    for (step, needs) in dependencies.iter().enumerate() {
        for &need in needs {
            dependents[need].push(step);
        }
    }
    let mut ready: BTreeSet<usize> = (0..count).filter(|&step| waiting[step] == 0).collect();
    let mut order = Vec::with_capacity(count);
    let mut level = vec![0; count];
    while let Some(step) = ready.pop_first() {
        order.push(step);
        for &dependent in &dependents[step] {
            level[dependent] = level[dependent].max(level[step] + 1);
            waiting[dependent] -= 1;
            if waiting[dependent] == 0 {
                ready.insert(dependent);
            }
        }
    }
    if order.len() == count { Ok(Graph { dependencies, order, level }) } else { Err(circle(&dependencies, &waiting)) }
}

/// Walks backwards from a blocked step until a step repeats.
fn circle(dependencies: &[BTreeSet<usize>], waiting: &[usize]) -> Vec<usize> {
    let mut path: Vec<usize> = Vec::new();
    let mut step = waiting.iter().position(|&count| 0 < count).unwrap_or(0);
    loop {
        if let Some(start) = path.iter().position(|&seen| seen == step) {
            let mut circle = path.split_off(start);
            circle.reverse();
            return circle;
        }
        path.push(step);
        match dependencies[step].iter().find(|&&need| 0 < waiting[need]) {
            Some(&next) => step = next,
            None => return path,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(dependencies: &[&[usize]], expected: Result<&[usize], &[usize]>) {
        let sets = dependencies.iter().map(|needs| needs.iter().copied().collect()).collect();
        let found = order(sets).map(|graph| graph.order);
        assert_eq!(found.as_deref().map_err(Vec::as_slice), expected, "{dependencies:?}");
    }

    #[test]
    fn steps_follow_what_they_wait_for_and_otherwise_the_file() {
        check(&[], Ok(&[]));
        check(&[&[], &[], &[]], Ok(&[0, 1, 2]));
        check(&[&[2], &[], &[1]], Ok(&[1, 2, 0]));
        check(&[&[], &[0], &[0], &[1, 2]], Ok(&[0, 1, 2, 3]));
    }

    #[test]
    fn a_circle_is_named() {
        check(&[&[1], &[0]], Err(&[1, 0]));
        check(&[&[], &[3], &[1], &[2]], Err(&[2, 3, 1]));
        check(&[&[0]], Err(&[0]));
    }

    #[test]
    fn levels_count_the_longest_path() {
        let sets = [vec![], vec![0], vec![0, 1]].into_iter().map(|needs| needs.into_iter().collect()).collect();
        assert_eq!(order(sets).unwrap().level, [0, 1, 2]);
    }
}
