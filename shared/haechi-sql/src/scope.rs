//! Names: what a column reference means, frame by frame, from the inside out.

use sqlparser::ast::Ident;

use crate::check::Checker;
use crate::refusal::nearest;
use crate::{Dialect, MaskKind, Masks, Reason, Refusal};

/// A column as the rest of the statement sees it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Visible {
    pub(crate) name: String,
    /// The expression as it was written, for columns without a name.
    pub(crate) title: String,
    pub(crate) masks: Masks,
    /// The mask of the base column when this is that column and nothing else.
    pub(crate) direct: Option<MaskKind>,
    pub(crate) unique: bool,
    pub(crate) aggregate: bool,
    /// Position in the base table.
    pub(crate) source: usize,
}

/// The columns of a query, a CTE or a derived table.
#[derive(Debug, Clone, Default)]
pub(crate) struct Output {
    pub(crate) columns: Vec<Visible>,
    /// Some columns have names that only the database knows.
    pub(crate) open: bool,
}

#[derive(Debug, Clone, Default)]
pub(crate) struct Relation {
    pub(crate) name: String,
    /// The name as it is printed.
    pub(crate) reference: String,
    pub(crate) columns: Vec<Visible>,
    pub(crate) open: bool,
    /// The table of the catalogue, when this is one.
    pub(crate) base: Option<usize>,
    pub(crate) used: Vec<bool>,
    /// Every column is wanted: `*`, a whole row, NATURAL.
    pub(crate) all: bool,
    /// Aggregate columns that the fence must carry under a hidden name.
    pub(crate) statistics: Vec<usize>,
    /// Leak-proof conditions that may stand inside the fence, in the dialect's words.
    pub(crate) pushed: Vec<String>,
}

impl Relation {
    pub(crate) fn new(name: String, output: Output, base: Option<usize>) -> Self {
        let used = vec![false; output.columns.len()];
        Self { name, used, columns: output.columns, open: output.open, base, ..Self::default() }
    }
}

/// The relations of one SELECT.
#[derive(Debug, Clone, Default)]
pub(crate) struct Frame {
    pub(crate) relations: Vec<Relation>,
    /// Names that the select list makes, for ORDER BY, GROUP BY and HAVING.
    pub(crate) aliases: Vec<(String, Masks)>,
    /// Something in it, or in a query inside it, is a column of a query around it.
    pub(crate) outer: bool,
}

/// Where a name led.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) masks: Masks,
    pub(crate) direct: Option<MaskKind>,
    pub(crate) unique: bool,
    /// Frame, relation and column of an aggregate column.
    pub(crate) aggregate: Option<(usize, usize, usize)>,
    /// Frame, relation and column of a column of a base table.
    pub(crate) base: Option<(usize, usize, usize)>,
    /// Only the database knows; the name must be quoted so that it can be nothing but a column.
    pub(crate) unknown: bool,
}

impl Found {
    fn computed(masks: Masks) -> Self {
        Self { masks, direct: None, unique: false, aggregate: None, base: None, unknown: false }
    }
}

impl Checker<'_> {
    /// Finds a column, marks it as used, and says what it is made of.
    pub(crate) fn resolve(&mut self, qualifier: Option<&Ident>, name: &Ident) -> Result<Found, Refusal> {
        let wanted = name.value.as_str();
        let mut unknown = false;
        if qualifier.is_none()
            && self.aliases_visible
            && let Some(masks) = self.alias(wanted)
        {
            return Ok(Found::computed(masks));
        }
        for depth in (0..self.frames.len()).rev() {
            if let Some(found) = self.resolve_in(depth, qualifier, wanted) {
                self.reaches(depth);
                return Ok(found);
            }
            let Some(frame) = self.frames.get_mut(depth) else { continue };
            if qualifier.is_none() {
                // A relation's own name is the whole row; only PostgreSQL knows that.
                if self.dialect == Dialect::Postgres
                    && let Some(relation) =
                        frame.relations.iter_mut().find(|relation| relation.name.eq_ignore_ascii_case(wanted))
                {
                    relation.all = true;
                    let masks = relation.columns.iter().fold(Masks::NONE, |all, column| all.with(column.masks));
                    self.reaches(depth);
                    return Ok(Found::computed(masks));
                }
            }
            unknown |= frame.relations.iter().any(|relation| {
                relation.open && qualifier.is_none_or(|qualifier| relation.name.eq_ignore_ascii_case(&qualifier.value))
            });
        }
        if unknown {
            // It may be of any frame, and a SELECT that must not reach outside knows its own names.
            self.frames.iter_mut().for_each(|frame| frame.outer = true);
            // A database may fold letters that we do not, so an unknown name keeps to plain ones.
            if wanted.chars().all(|character| character.is_ascii() || is_hangul_or_han(character)) {
                return Ok(Found { unknown: true, ..Found::computed(Masks::NONE) });
            }
            return Err(Refusal::new(Reason::Column, format!("열 {wanted}을(를) 찾을 수 없습니다.")));
        }
        Err(self.unknown_column(qualifier, wanted))
    }

    /// Every query inside the frame that a name led to depends on it.
    pub(crate) fn reaches(&mut self, depth: usize) {
        self.frames.iter_mut().skip(depth + 1).for_each(|frame| frame.outer = true);
    }

    /// A name of the select list. PostgreSQL may mean a column of the same name, so that stays reachable.
    fn alias(&mut self, wanted: &str) -> Option<Masks> {
        let frame = self.frames.last_mut()?;
        let (_, masks) = frame.aliases.iter().find(|(alias, _)| alias.eq_ignore_ascii_case(wanted))?;
        let masks = *masks;
        for relation in &mut frame.relations {
            for (column, used) in relation.columns.iter().zip(&mut relation.used) {
                *used |= !column.aggregate && column.name.eq_ignore_ascii_case(wanted);
            }
        }
        Some(masks)
    }

    fn resolve_in(&mut self, depth: usize, qualifier: Option<&Ident>, wanted: &str) -> Option<Found> {
        let frame = self.frames.get_mut(depth)?;
        let mut first: Option<Found> = None;
        for (index, relation) in frame.relations.iter_mut().enumerate() {
            if qualifier.is_some_and(|qualifier| !relation.name.eq_ignore_ascii_case(&qualifier.value)) {
                continue;
            }
            let Some(position) = relation.columns.iter().position(|column| column.name.eq_ignore_ascii_case(wanted))
            else {
                continue;
            };
            // A column that USING joined belongs to both sides, so every match is kept.
            if let Some(used) = relation.used.get_mut(position) {
                *used = true;
            }
            let Some(column) = relation.columns.get(position) else { continue };
            let place = (depth, index, position);
            let found = Found {
                masks: column.masks,
                direct: column.direct,
                unique: column.unique,
                aggregate: column.aggregate.then_some(place),
                base: relation.base.map(|_| place),
                unknown: false,
            };
            match &mut first {
                None => first = Some(found),
                Some(known) if found.aggregate.is_some() => known.aggregate = found.aggregate,
                Some(_) => {}
            }
        }
        first
    }

    fn unknown_column(&self, qualifier: Option<&Ident>, wanted: &str) -> Refusal {
        let known = self.frames.iter().flat_map(|frame| &frame.relations).flat_map(|relation| &relation.columns);
        let hint = nearest(wanted, known.map(|column| column.name.as_str()));
        let refusal = match qualifier {
            Some(qualifier) => {
                Refusal::new(Reason::Column, format!("열 {}.{wanted}을(를) 찾을 수 없습니다.", qualifier.value))
            }
            None => Refusal::new(Reason::Column, format!("열 {wanted}을(를) 찾을 수 없습니다.")),
        };
        refusal.hint(hint.unwrap_or_else(|| "describe_customer_table로 열 이름을 확인하세요.".to_owned()))
    }
}

fn is_hangul_or_han(character: char) -> bool {
    matches!(character, '\u{AC00}'..='\u{D7A3}' | '\u{3131}'..='\u{318E}' | '\u{4E00}'..='\u{9FFF}')
}
