//! Fences: the derived tables that replace base tables, and the conditions that may stand in them.

use std::ops::Range;

use sqlparser::ast::{BinaryOperator, Expr, ObjectName, ObjectNamePart, Select, TableFactor, TableWithJoins};

use crate::catalogue::Fenced;
use crate::check::{Checker, FENCE_MARK};
use crate::literal::verbatim;
use crate::scope::{Frame, Relation};
use crate::{Dialect, Reason, Refusal, Rows};

impl Checker<'_> {
    /// Replaces the base tables of one FROM by their fences, in the order in which they were met.
    pub(crate) fn fence(&mut self, from: &mut [TableWithJoins], frame: &Frame) -> Result<(), Refusal> {
        let mut relations = frame.relations.iter();
        for table in from {
            self.fence_joined(table, &mut relations)?;
        }
        Ok(())
    }

    fn fence_joined<'f>(
        &mut self,
        table: &mut TableWithJoins,
        relations: &mut impl Iterator<Item = &'f Relation>,
    ) -> Result<(), Refusal> {
        let factors = std::iter::once(&mut table.relation).chain(table.joins.iter_mut().map(|join| &mut join.relation));
        for factor in factors {
            if let TableFactor::NestedJoin { table_with_joins, .. } = factor {
                // A trait object, since the generic function would name itself without end.
                let inner: &mut dyn Iterator<Item = &Relation> = relations;
                self.fence_nested(table_with_joins, inner)?;
                continue;
            }
            let relation = relations.next();
            if let (TableFactor::Table { name, alias, args: None, .. }, Some(relation)) = (factor, relation)
                && let Some(index) = relation.base
            {
                let Some(fenced) = self.catalogue.fenced(index) else { continue };
                let text = if fenced.open { fenced.quoted.clone() } else { self.fence_text(fenced, relation) };
                *name = ObjectName(vec![ObjectNamePart::Identifier(verbatim(text))]);
                if let Some(alias) = alias {
                    alias.explicit = true;
                }
            }
        }
        Ok(())
    }

    fn fence_nested(
        &mut self,
        table: &mut TableWithJoins,
        mut relations: &mut dyn Iterator<Item = &Relation>,
    ) -> Result<(), Refusal> {
        self.fence_joined(table, &mut relations)
    }

    /// The derived table: permitted columns, masked; permitted rows; and the end that keeps
    /// anything that can fail on a row outside, where the statement has such a thing.
    fn fence_text(&mut self, fenced: &Fenced, relation: &Relation) -> String {
        let mut items: Vec<String> = Vec::with_capacity(relation.columns.len());
        for (column, used) in relation.columns.iter().zip(&relation.used) {
            if (relation.all || *used)
                && let Some(Some(text)) = fenced.texts.get(column.source)
            {
                items.push(text.clone());
            }
        }
        for position in &relation.statistics {
            if let Some(known) =
                relation.columns.get(*position).and_then(|column| fenced.table.columns.get(column.source))
            {
                let name = self.dialect.name(&known.name);
                items.push(format!("{name} AS {}", self.dialect.name(&hidden(&known.name))));
            }
        }
        if !relation.statistics.is_empty()
            && let Some(person) = &fenced.table.person
        {
            items.push(format!("{} AS {}", self.dialect.name(person), self.dialect.name(PERSON)));
        }
        if items.is_empty() {
            items.push("1 AS haechi_row".to_owned());
        }
        let mut text = format!("(SELECT {} FROM {}", items.join(", "), fenced.quoted);
        match &fenced.table.rows {
            Rows::All => {}
            Rows::None => text.push_str(" WHERE 1 = 0"),
            Rows::Where(condition) => {
                text.push_str(" WHERE (");
                text.push_str(condition);
                text.push(')');
                let mut end = String::new();
                for pushed in &relation.pushed {
                    end.push_str(" AND ");
                    end.push_str(pushed);
                }
                end.push_str(match self.dialect {
                    Dialect::Sqlite => " LIMIT -1 OFFSET 0",
                    Dialect::Postgres => " OFFSET 0",
                    Dialect::MySql => " LIMIT 18446744073709551615",
                });
                text.push_str(&format!("{FENCE_MARK}{}{FENCE_MARK}", self.fence_ends.len()));
                self.fence_ends.push(end);
            }
        }
        text.push(')');
        text
    }

    /// Notes conditions that may stand inside a fence: an unmasked column against a literal. They
    /// cannot fail on a row, and the outer condition stays, so the answer is the same.
    pub(crate) fn push_down(&mut self, condition: &Expr, relations: &Range<usize>) {
        match condition {
            Expr::Nested(inner) => self.push_down(inner, relations),
            Expr::BinaryOp { left, op: BinaryOperator::And, right } => {
                self.push_down(left, relations);
                self.push_down(right, relations);
            }
            Expr::BinaryOp {
                left,
                op:
                    BinaryOperator::Eq
                    | BinaryOperator::Lt
                    | BinaryOperator::LtEq
                    | BinaryOperator::Gt
                    | BinaryOperator::GtEq,
                right,
            } => {
                let Expr::BinaryOp { op, .. } = condition else { return };
                if let Some((place, name)) = self.pushable_column(left)
                    && matches!(right.as_ref(), Expr::Value(_))
                {
                    self.push(place, relations, format!("{name} {op} {right}"));
                } else if let Some((place, name)) = self.pushable_column(right)
                    && matches!(left.as_ref(), Expr::Value(_))
                {
                    self.push(place, relations, format!("{left} {op} {name}"));
                }
            }
            Expr::InList { expr, list, negated: false } => {
                if let Some((place, name)) = self.pushable_column(expr)
                    && list.iter().all(|item| matches!(item, Expr::Value(_)))
                {
                    let items: Vec<String> = list.iter().map(ToString::to_string).collect();
                    self.push(place, relations, format!("{name} IN ({})", items.join(", ")));
                }
            }
            Expr::Between { expr, negated: false, low, high } => {
                if let Some((place, name)) = self.pushable_column(expr)
                    && matches!((low.as_ref(), high.as_ref()), (Expr::Value(_), Expr::Value(_)))
                {
                    self.push(place, relations, format!("{name} BETWEEN {low} AND {high}"));
                }
            }
            // Every other condition stays where it is.
            _ => {}
        }
    }

    fn push(&mut self, (frame, relation): (usize, usize), relations: &Range<usize>, text: String) {
        if relations.contains(&relation)
            && let Some(relation) = self.frames.get_mut(frame).and_then(|frame| frame.relations.get_mut(relation))
        {
            relation.pushed.push(text);
        }
    }

    fn pushable_column(&mut self, expression: &Expr) -> Option<((usize, usize), String)> {
        let (qualifier, name) = match expression {
            Expr::Identifier(name) => (None, name),
            Expr::CompoundIdentifier(parts) => match parts.as_slice() {
                [qualifier, name] => (Some(qualifier), name),
                _ => return None,
            },
            _ => return None,
        };
        let found = self.resolve(qualifier, name).ok()?;
        let (frame, relation, column) = found.base?;
        if frame + 1 != self.frames.len() || !found.masks.is_empty() || found.aggregate.is_some() {
            return None;
        }
        let relation_of = self.frames.get(frame)?.relations.get(relation)?;
        let source = relation_of.columns.get(column)?.source;
        let known = self.catalogue.fenced(relation_of.base?)?.table.columns.get(source)?;
        Some(((frame, relation), self.dialect.name(&known.name)))
    }

    /// A SELECT that aggregates an aggregate-only column answers for groups of enough people only.
    pub(crate) fn require_groups(
        &mut self,
        select: &mut Select,
        frame: &Frame,
        sets: bool,
        nested: bool,
    ) -> Result<(), Refusal> {
        let mut conditions = Vec::new();
        for (root, relation) in frame.relations.iter().enumerate() {
            if relation.statistics.is_empty() {
                continue;
            }
            let person = relation
                .base
                .and_then(|index| self.catalogue.fenced(index))
                .and_then(|fenced| fenced.table.person.as_ref());
            if person.is_none() {
                return Err(Refusal::new(
                    Reason::Aggregate,
                    "사람을 셀 수 있는 키가 없는 표의 집계 전용 열은 쓸 수 없습니다.",
                ));
            }
            if relation.all || sets || select.distinct.is_some() {
                return Err(Refusal::new(
                    Reason::Aggregate,
                    "집계 전용 열을 집계할 때는 *, 행 전체, ROLLUP, DISTINCT를 함께 쓸 수 없습니다.",
                )
                .hint("필요한 열만 이름으로 쓰고 단순한 GROUP BY로 묶으세요."));
            }
            if frame.outer || nested {
                return Err(Refusal::new(
                    Reason::Aggregate,
                    "집계 전용 열을 집계하는 SELECT에는 하위 질의나 바깥 질의의 열을 쓸 수 없습니다.",
                )
                .hint("표와 조건을 그 SELECT에 직접 쓰세요."));
            }
            self.simple_shape(select, frame, root)?;
            let people = format!("count(DISTINCT {}.{})", relation.reference, self.dialect.name(PERSON));
            conditions.push(format!("{people} >= {}", self.catalogue.group_min));
        }
        if conditions.is_empty() {
            return Ok(());
        }
        self.statistics_scopes += 1;
        let required = Expr::Identifier(verbatim(conditions.join(" AND ")));
        select.having = Some(match select.having.take() {
            None => required,
            Some(having) => Expr::BinaryOp {
                left: Box::new(Expr::Nested(Box::new(having))),
                op: BinaryOperator::And,
                right: Box::new(Expr::Nested(Box::new(required))),
            },
        });
        Ok(())
    }
}

/// The hidden column by which people are counted.
const PERSON: &str = "haechi_person";

/// The name under which an aggregate column stands in its fence.
pub(crate) fn hidden(column: &str) -> String {
    format!("haechi_{column}")
}

pub(crate) fn aggregate_only(column: &str) -> Refusal {
    Refusal::new(Reason::Aggregate, format!("열 {column}은(는) 집계 함수 안에서만 쓸 수 있습니다."))
        .hint(format!("avg({column}), sum({column}), count({column})처럼 쓰고 GROUP BY로 묶으세요."))
}
