//! How the guard says no: a stable reason, a Korean sentence, and the nearest allowed form.

/// Why a statement was refused. The name never changes its meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Reason {
    /// Larger, deeper or longer than a limit.
    TooLarge,
    /// Characters that a person cannot see, or that are not part of SQL.
    Characters,
    /// It does not parse.
    Syntax,
    /// More than one statement, or none.
    NotOne,
    /// A statement that is not a query.
    Statement,
    /// A clause that is not on the list.
    Clause,
    /// An expression or operator that is not on the list.
    Expression,
    /// A function that is not on the list, or an argument that it may not have.
    Function,
    /// A data type that is not on the list.
    Type,
    /// A table that does not exist for this asker.
    Table,
    /// A column that does not exist for this asker.
    Column,
    /// A column that may only be used in aggregates.
    Aggregate,
    /// A parameter that was not given.
    Parameter,
    /// A query that would not end.
    Unbounded,
}

impl Reason {
    /// The reason as it stands in logs and in machine-readable answers.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::TooLarge => "too_large",
            Self::Characters => "characters",
            Self::Syntax => "syntax",
            Self::NotOne => "not_one",
            Self::Statement => "statement",
            Self::Clause => "clause",
            Self::Expression => "expression",
            Self::Function => "function",
            Self::Type => "type",
            Self::Table => "table",
            Self::Column => "column",
            Self::Aggregate => "aggregate",
            Self::Parameter => "parameter",
            Self::Unbounded => "unbounded",
        }
    }
}

/// A statement that may not run.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Refusal {
    pub reason: Reason,
    /// One Korean sentence.
    pub message: String,
    /// The nearest allowed form, where there is one.
    pub hint: Option<String>,
}

impl Refusal {
    pub(crate) fn new(reason: Reason, message: impl Into<String>) -> Self {
        Self { reason, message: message.into(), hint: None }
    }

    #[must_use]
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// A clause that no allowed query has.
    pub(crate) fn clause(clause: &str) -> Self {
        Self::new(Reason::Clause, format!("{clause} 절은 쓸 수 없습니다."))
            .hint("SELECT … FROM … WHERE … GROUP BY … HAVING … ORDER BY … LIMIT 형태로 쓰세요.")
    }

    pub(crate) fn expression(what: &str) -> Self {
        Self::new(Reason::Expression, format!("{what} 식은 쓸 수 없습니다."))
    }
}

/// The names nearest to a misspelt one, as a hint; `known` are the names the asker may see.
pub(crate) fn nearest<'a>(wanted: &str, known: impl Iterator<Item = &'a str>) -> Option<String> {
    let wanted = wanted.to_ascii_lowercase();
    let mut scored: Vec<(usize, &str)> =
        known.map(|name| (distance(&wanted, &name.to_ascii_lowercase()), name)).collect();
    scored.sort();
    scored.dedup();
    let near: Vec<&str> = scored.iter().filter(|(far, _)| *far <= 3).take(3).map(|(_, name)| *name).collect();
    if near.is_empty() { None } else { Some(format!("혹시 {}입니까?", near.join(", "))) }
}

/// Edits between two short names. Names are at most a few dozen characters, so the square is cheap.
fn distance(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.chars().take(64).collect();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (index, one) in left.chars().take(64).enumerate() {
        let mut before = row.first().copied().unwrap_or(0);
        if let Some(first) = row.first_mut() {
            *first = index + 1;
        }
        for (column, two) in right.iter().enumerate() {
            let above = row.get(column + 1).copied().unwrap_or(0);
            let beside = row.get(column).copied().unwrap_or(0);
            let best = (above + 1).min(beside + 1).min(before + usize::from(one != *two));
            before = above;
            if let Some(cell) = row.get_mut(column + 1) {
                *cell = best;
            }
        }
    }
    row.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_is_offered() {
        assert_eq!(nearest("custmers", ["customers", "cards"].into_iter()).as_deref(), Some("혹시 customers입니까?"));
        assert_eq!(nearest("zzzzzzzz", ["customers"].into_iter()), None);
    }
}
