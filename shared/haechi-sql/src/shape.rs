//! The one shape of a SELECT that aggregates an aggregate-only column.
//!
//! Every person stands in it once, and in one group. Whatever could count a person twice, put
//! them into two groups, or name the few that a condition leaves out, is refused, not understood.

use sqlparser::ast::{
    BinaryOperator, Expr, FunctionArg, FunctionArgExpr, FunctionArguments, GroupByExpr, Ident, JoinConstraint,
    JoinOperator, ObjectNamePart, Select, SelectItem, TableFactor, UnaryOperator, Value,
};

use crate::check::Checker;
use crate::expression::singles_out;
use crate::relation::arguments;
use crate::scope::{Found, Frame, Relation};
use crate::{Reason, Refusal};

impl Checker<'_> {
    pub(crate) fn simple_shape(&self, select: &Select, frame: &Frame, root: usize) -> Result<(), Refusal> {
        if !joins_multiply_nobody(select, frame, root) {
            return Err(Refusal::new(
                Reason::Aggregate,
                "집계 전용 열을 집계할 때는 서로 다른 표를 상대 표의 기본 키로 잇는 INNER/LEFT JOIN만 쓸 수 있습니다.",
            )
            .hint("FROM 고객표 c JOIN 지점표 b ON b.키 = c.열 형태로 쓰세요."));
        }
        if !select.selection.as_ref().is_none_or(|condition| keeps_groups(condition, true)) {
            return Err(Refusal::new(
                Reason::Aggregate,
                "집계 전용 열을 집계할 때 WHERE에는 열과 값의 =, IN, 범위, LIKE 비교만 쓸 수 있습니다.",
            )
            .hint("<>, NOT, 함수, 하위 질의 없이 열 = 값 형태로 쓰고 AND로 이으세요."));
        }
        let keys = match &select.group_by {
            GroupByExpr::Expressions(keys, _) => keys.as_slice(),
            GroupByExpr::All(_) => &[],
        };
        if !keys.iter().all(|key| self.is_plain_key(key, &select.projection)) {
            return Err(Refusal::new(
                Reason::Aggregate,
                "집계 전용 열을 집계할 때 GROUP BY에는 열이나 날짜·글자의 앞부분만 쓸 수 있습니다.",
            )
            .hint("GROUP BY 등급처럼 열 이름으로 묶으세요."));
        }
        Ok(())
    }

    /// A column, or a coarser reading of one. The names and places of the select list mean its items.
    fn is_plain_key(&self, key: &Expr, items: &[SelectItem]) -> bool {
        // Which of two items of one name is meant differs between databases.
        if let Expr::Identifier(name) = key
            && items.iter().any(|item| {
                matches!(item, SelectItem::ExprWithAlias { expr, alias }
                    if alias.value.eq_ignore_ascii_case(&name.value) && !is_coarse(expr))
            })
        {
            return false;
        }
        let item = match key {
            Expr::Value(value) => {
                let place = match &value.value {
                    Value::Number(number, _) => number.parse::<usize>().ok(),
                    _ => None,
                };
                let item = place.and_then(|place| place.checked_sub(1)).and_then(|place| items.get(place));
                match item {
                    Some(SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. }) => Some(expr),
                    _ => return false,
                }
            }
            _ => None,
        };
        is_coarse(item.unwrap_or(key))
    }
}

fn is_coarse(expression: &Expr) -> bool {
    const CALLS: [&str; 14] = [
        "strftime",
        "substr",
        "substring",
        "left",
        "date_trunc",
        "date_part",
        "year",
        "month",
        "quarter",
        "date",
        "date_format",
        "to_char",
        "upper",
        "lower",
    ];
    match expression {
        Expr::Identifier(_) | Expr::CompoundIdentifier(_) => true,
        Expr::Nested(inner) => is_coarse(inner),
        Expr::Extract { expr, .. } => is_coarse(expr),
        Expr::Substring { expr, substring_from, substring_for, .. } => {
            is_coarse(expr) && [substring_from, substring_for].into_iter().flatten().all(|part| is_value(part))
        }
        Expr::Function(function) => {
            let known = matches!(function.name.0.as_slice(), [ObjectNamePart::Identifier(name)]
                if CALLS.iter().any(|known| name.value.eq_ignore_ascii_case(known)));
            let count = match &function.args {
                FunctionArguments::List(list) => list.args.len(),
                FunctionArguments::None | FunctionArguments::Subquery(_) => return false,
            };
            let arguments = arguments(function);
            known
                && function.over.is_none()
                && arguments.len() == count
                && arguments.iter().all(|argument| is_value(argument) || is_coarse(argument))
        }
        _ => false,
    }
}

/// Conditions that name who is in, never who is out. OR joins equalities only: two ranges around
/// one value are that value's exception.
fn keeps_groups(condition: &Expr, ranges: bool) -> bool {
    match condition {
        Expr::Nested(inner) => keeps_groups(inner, ranges),
        Expr::BinaryOp { left, op: BinaryOperator::And, right } => {
            keeps_groups(left, ranges) && keeps_groups(right, ranges)
        }
        Expr::BinaryOp { left, op: BinaryOperator::Or, right } => {
            keeps_groups(left, false) && keeps_groups(right, false)
        }
        Expr::BinaryOp { left, op: BinaryOperator::Eq, right } => compares(left, right),
        Expr::BinaryOp {
            left,
            op: BinaryOperator::Lt | BinaryOperator::LtEq | BinaryOperator::Gt | BinaryOperator::GtEq,
            right,
        } => ranges && compares(left, right),
        Expr::InList { expr, list, negated: false } => is_name(expr) && list.iter().all(is_value),
        Expr::Between { expr, negated: false, low, high } => ranges && is_name(expr) && is_value(low) && is_value(high),
        Expr::Like { negated: false, any: false, expr, pattern, escape_char: None }
        | Expr::ILike { negated: false, any: false, expr, pattern, escape_char: None } => {
            ranges && is_name(expr) && is_value(pattern)
        }
        Expr::IsNotNull(inner) => ranges && is_name(inner),
        _ => false,
    }
}

fn compares(left: &Expr, right: &Expr) -> bool {
    (is_name(left) && is_value(right)) || (is_value(left) && is_name(right))
}

fn is_name(expression: &Expr) -> bool {
    match expression {
        Expr::Nested(inner) => is_name(inner),
        Expr::Identifier(_) | Expr::CompoundIdentifier(_) => true,
        _ => false,
    }
}

/// A value that is the same for every row.
fn is_value(expression: &Expr) -> bool {
    match expression {
        Expr::Value(_) | Expr::TypedString(_) => true,
        Expr::Nested(expr)
        | Expr::Cast { expr, .. }
        | Expr::UnaryOp { op: UnaryOperator::Minus | UnaryOperator::Plus, expr } => is_value(expr),
        Expr::Interval(interval) => is_value(&interval.value),
        Expr::BinaryOp { left, op: BinaryOperator::Minus | BinaryOperator::Plus, right } => {
            is_value(left) && is_value(right)
        }
        Expr::Function(function) => match &function.args {
            FunctionArguments::None => true,
            FunctionArguments::Subquery(_) => false,
            FunctionArguments::List(list) => {
                // RANDOM() is another value on every row.
                const CALLS: [&str; 5] = ["now", "curdate", "date", "current_date", "current_timestamp"];
                matches!(function.name.0.as_slice(), [ObjectNamePart::Identifier(name)]
                    if CALLS.iter().any(|known| name.value.eq_ignore_ascii_case(known)))
                    && list.args.iter().all(|argument| {
                        matches!(argument, FunctionArg::Unnamed(FunctionArgExpr::Expr(expression)) if is_value(expression))
                    })
            }
        },
        _ => false,
    }
}

/// Whether every other table is reached from the people's through its own key, so that each
/// person meets one row of it, and never through what tells people apart.
fn joins_multiply_nobody(select: &Select, frame: &Frame, root: usize) -> bool {
    let [from] = select.from.as_slice() else { return select.from.is_empty() };
    let relations = frame.relations.as_slice();
    let bases: std::collections::BTreeSet<usize> = relations.iter().filter_map(|relation| relation.base).collect();
    if bases.len() != relations.len() || relations.len() != from.joins.len() + 1 {
        return false;
    }
    let factors = std::iter::once(&from.relation).chain(from.joins.iter().map(|join| &join.relation));
    if !factors.into_iter().all(|factor| matches!(factor, TableFactor::Table { args: None, .. })) {
        return false;
    }
    let mut edges = Vec::with_capacity(from.joins.len());
    for (index, join) in from.joins.iter().enumerate() {
        let (JoinOperator::Join(constraint)
        | JoinOperator::Inner(constraint)
        | JoinOperator::Left(constraint)
        | JoinOperator::LeftOuter(constraint)) = &join.join_operator
        else {
            return false;
        };
        let Some(edge) = edge(constraint, relations.get(..index + 2).unwrap_or_default()) else { return false };
        edges.push(edge);
    }
    let mut reached = vec![false; relations.len()];
    if let Some(reached) = reached.get_mut(root) {
        *reached = true;
    }
    for _ in 0..relations.len() {
        for (one, two) in edges.iter().flat_map(|(one, two)| [(one, two), (two, one)]) {
            let from_here = reached.get(one.0).copied().unwrap_or_default();
            if from_here
                && two.1.unique
                && !singles_out(&one.1)
                && let Some(reached) = reached.get_mut(two.0)
            {
                *reached = true;
            }
        }
    }
    reached.into_iter().all(|reached| reached)
}

type End = (usize, Found);

/// The two columns that a join compares, of the newest relation and of one before it.
fn edge(constraint: &JoinConstraint, relations: &[Relation]) -> Option<(End, End)> {
    let newest = relations.len().checked_sub(1)?;
    let (one, two) = match constraint {
        JoinConstraint::On(condition) => {
            let mut condition = condition;
            while let Expr::Nested(inner) = condition {
                condition = inner;
            }
            let Expr::BinaryOp { left, op: BinaryOperator::Eq, right } = condition else { return None };
            (end(left, relations)?, end(right, relations)?)
        }
        JoinConstraint::Using(names) => {
            let [name] = names.as_slice() else { return None };
            let [ObjectNamePart::Identifier(name)] = name.0.as_slice() else { return None };
            (find(None, name, relations.get(..newest)?)?, {
                let (_, found) = find(None, name, relations.get(newest..)?)?;
                (newest, found)
            })
        }
        JoinConstraint::Natural | JoinConstraint::None => return None,
    };
    ((one.0 == newest) != (two.0 == newest)).then_some((one, two))
}

fn end(expression: &Expr, relations: &[Relation]) -> Option<End> {
    match expression {
        Expr::Nested(inner) => end(inner, relations),
        Expr::Identifier(name) => find(None, name, relations),
        Expr::CompoundIdentifier(parts) => match parts.as_slice() {
            [qualifier, name] => find(Some(qualifier), name, relations),
            _ => None,
        },
        _ => None,
    }
}

/// The one relation that has the column, unmasked.
fn find(qualifier: Option<&Ident>, name: &Ident, relations: &[Relation]) -> Option<End> {
    let mut ends = relations.iter().enumerate().filter_map(|(index, relation)| {
        if qualifier.is_some_and(|qualifier| !relation.name.eq_ignore_ascii_case(&qualifier.value)) {
            return None;
        }
        let column = relation.columns.iter().find(|column| column.name.eq_ignore_ascii_case(&name.value))?;
        let found = Found {
            masks: column.masks,
            direct: column.direct,
            unique: column.unique,
            aggregate: None,
            base: None,
            unknown: false,
        };
        column.masks.is_empty().then_some((index, found))
    });
    match (ends.next(), ends.next()) {
        (Some(end), None) => Some(end),
        _ => None,
    }
}
