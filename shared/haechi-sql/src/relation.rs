//! FROM: which relations exist, and the fences that replace base tables.

use std::ops::Range;

use sqlparser::ast::{
    Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments, Ident, Join, JoinConstraint, JoinOperator,
    JsonTableColumn, ObjectName, ObjectNamePart, TableAlias, TableFactor, TableWithJoins,
};

use crate::catalogue::Fenced;
use crate::check::Checker;
use crate::expression::singles_out;
use crate::fence::aggregate_only;
use crate::literal::{requote, verbatim};
use crate::refusal::nearest;
use crate::scope::{Frame, Output, Relation, Visible};
use crate::{Dialect, Mask, MaskKind, Masks, Reason, Refusal, functions, types};

impl Checker<'_> {
    pub(crate) fn from(&mut self, from: &mut [TableWithJoins]) -> Result<Frame, Refusal> {
        let mut frame = Frame::default();
        for table in from {
            self.joined(table, &mut frame)?;
        }
        Ok(frame)
    }

    fn joined(&mut self, table: &mut TableWithJoins, frame: &mut Frame) -> Result<(), Refusal> {
        let first = frame.relations.len();
        self.factor(&mut table.relation, frame)?;
        for Join { relation, global, join_operator } in &mut table.joins {
            if *global {
                return Err(Refusal::clause("GLOBAL JOIN"));
            }
            let right = frame.relations.len();
            self.factor(relation, frame)?;
            // A condition takes no row from the side that an outer join keeps.
            let takes_from = match join_operator {
                JoinOperator::Left(_) | JoinOperator::LeftOuter(_) => right..frame.relations.len(),
                JoinOperator::Right(_) | JoinOperator::RightOuter(_) => first..right,
                JoinOperator::FullOuter(_) => 0..0,
                _ => first..frame.relations.len(),
            };
            let constraint = match join_operator {
                JoinOperator::Join(constraint)
                | JoinOperator::Inner(constraint)
                | JoinOperator::Left(constraint)
                | JoinOperator::LeftOuter(constraint)
                | JoinOperator::Right(constraint)
                | JoinOperator::RightOuter(constraint)
                | JoinOperator::FullOuter(constraint)
                | JoinOperator::CrossJoin(constraint) => constraint,
                JoinOperator::StraightJoin(constraint) if self.dialect == Dialect::MySql => constraint,
                JoinOperator::StraightJoin(_)
                | JoinOperator::Semi(_)
                | JoinOperator::LeftSemi(_)
                | JoinOperator::RightSemi(_)
                | JoinOperator::Anti(_)
                | JoinOperator::LeftAnti(_)
                | JoinOperator::RightAnti(_)
                | JoinOperator::CrossApply
                | JoinOperator::OuterApply
                | JoinOperator::AsOf { .. }
                | JoinOperator::ArrayJoin
                | JoinOperator::LeftArrayJoin
                | JoinOperator::InnerArrayJoin => return Err(Refusal::clause("이 형태의 JOIN")),
            };
            self.constraint(constraint, frame, &takes_from)?;
        }
        Ok(())
    }

    fn constraint(
        &mut self,
        constraint: &mut JoinConstraint,
        frame: &mut Frame,
        takes_from: &Range<usize>,
    ) -> Result<(), Refusal> {
        match constraint {
            JoinConstraint::None => Ok(()),
            JoinConstraint::On(expression) => self.beside(frame, |checker| {
                checker.filter(expression)?;
                checker.push_down(expression, takes_from);
                Ok(())
            }),
            JoinConstraint::Using(names) => {
                for name in names {
                    let [ObjectNamePart::Identifier(ident)] = name.0.as_mut_slice() else {
                        return Err(Refusal::clause("USING의 긴 이름"));
                    };
                    requote(ident, self.dialect)?;
                    let found = self.beside(frame, |checker| checker.resolve(None, ident))?;
                    if found.aggregate.is_some() {
                        return Err(aggregate_only(&ident.value));
                    }
                    self.columns_seen += 1;
                    // Joining with rows that the asker made up picks rows like a list of values.
                    let made_up = frame.relations.iter().any(|relation| {
                        relation.base.is_none()
                            && relation.columns.iter().any(|column| column.name.eq_ignore_ascii_case(&ident.value))
                    });
                    self.picks_rows |= made_up && singles_out(&found);
                }
                Ok(())
            }
            JoinConstraint::Natural => {
                for relation in &mut frame.relations {
                    relation.all = true;
                }
                Ok(())
            }
        }
    }

    /// Walks something that sees the relations to its left: ON, LATERAL, functions in FROM.
    fn beside<T>(
        &mut self,
        frame: &mut Frame,
        walk: impl FnOnce(&mut Self) -> Result<T, Refusal>,
    ) -> Result<T, Refusal> {
        self.frames.push(std::mem::take(frame));
        let done = walk(self);
        *frame = self.frames.pop().unwrap_or_default();
        done
    }

    fn factor(&mut self, factor: &mut TableFactor, frame: &mut Frame) -> Result<(), Refusal> {
        match factor {
            TableFactor::Table {
                name,
                alias,
                args,
                with_hints,
                version,
                with_ordinality,
                partitions,
                json_path,
                sample,
                index_hints,
            } => {
                let plain = with_hints.is_empty()
                    && version.is_none()
                    && partitions.is_empty()
                    && json_path.is_none()
                    && sample.is_none()
                    && index_hints.is_empty();
                if !plain {
                    return Err(Refusal::clause("TABLESAMPLE·힌트·PARTITION·VERSION"));
                }
                if let Some(args) = args {
                    if args.settings.is_some() {
                        return Err(Refusal::clause("SETTINGS"));
                    }
                    let arguments = &mut args.args;
                    let relation = self.function_relation(name, arguments, *with_ordinality, alias, frame)?;
                    frame.relations.push(relation);
                    return Ok(());
                }
                if *with_ordinality {
                    return Err(Refusal::clause("WITH ORDINALITY"));
                }
                let relation = self.table_relation(name, alias)?;
                frame.relations.push(relation);
                Ok(())
            }
            TableFactor::Derived { lateral, subquery, alias, sample } => {
                if sample.is_some() {
                    return Err(Refusal::clause("TABLESAMPLE"));
                }
                let output = if *lateral {
                    self.beside(frame, |checker| checker.query(subquery, false))?
                } else {
                    self.query(subquery, false)?
                };
                let name = self.alias_name(alias.as_mut(), None)?;
                let mut relation = Relation::new(name, output, None);
                rename_columns(&mut relation, alias.as_ref());
                frame.relations.push(relation);
                Ok(())
            }
            TableFactor::Function { lateral: _, name, args, with_ordinality, alias } => {
                let relation = self.function_relation(name, args, *with_ordinality, alias, frame)?;
                frame.relations.push(relation);
                Ok(())
            }
            TableFactor::UNNEST { alias, array_exprs, with_offset, with_offset_alias, with_ordinality } => {
                if *with_offset || with_offset_alias.is_some() || self.dialect != Dialect::Postgres {
                    return Err(Refusal::clause("UNNEST WITH OFFSET"));
                }
                let masks = self.beside(frame, |checker| {
                    array_exprs
                        .iter_mut()
                        .try_fold(Masks::NONE, |all, expression| Ok(all.with(checker.expression(expression)?)))
                })?;
                let name = self.alias_name(alias.as_mut(), Some("unnest"))?;
                let relation = set_relation(name, &[], masks, *with_ordinality, alias.as_ref());
                frame.relations.push(relation);
                Ok(())
            }
            TableFactor::JsonTable { json_expr, json_path, columns, alias } => {
                if self.dialect != Dialect::MySql {
                    return Err(Refusal::clause("JSON_TABLE"));
                }
                let masks = self.beside(frame, |checker| checker.expression(json_expr))?;
                self.literal(&mut json_path.value)?;
                let mut names = Vec::new();
                self.json_columns(columns, &mut names)?;
                let name = self.alias_name(alias.as_mut(), None)?;
                let columns = names.into_iter().map(|name| Visible { name, masks, ..Visible::default() }).collect();
                frame.relations.push(Relation::new(name, Output { columns, open: false }, None));
                Ok(())
            }
            TableFactor::NestedJoin { table_with_joins, alias } => {
                if alias.is_some() {
                    return Err(Refusal::clause("괄호로 묶은 JOIN의 별칭"));
                }
                self.deeper(|checker| checker.joined(table_with_joins, frame))
            }
            TableFactor::TableFunction { .. }
            | TableFactor::OpenJsonTable { .. }
            | TableFactor::Pivot { .. }
            | TableFactor::Unpivot { .. }
            | TableFactor::UnpivotExpr { .. }
            | TableFactor::MatchRecognize { .. }
            | TableFactor::XmlTable { .. }
            | TableFactor::SemanticView { .. } => Err(Refusal::clause("이 형태의 FROM")),
        }
    }

    fn json_columns(&mut self, columns: &mut [JsonTableColumn], names: &mut Vec<String>) -> Result<(), Refusal> {
        for column in columns {
            match column {
                JsonTableColumn::Named(column) => {
                    requote(&mut column.name, self.dialect)?;
                    types::check(&column.r#type)?;
                    self.literal(&mut column.path.value)?;
                    if column.on_empty.is_some() || column.on_error.is_some() {
                        return Err(Refusal::clause("JSON_TABLE ON EMPTY/ERROR"));
                    }
                    names.push(column.name.value.clone());
                }
                JsonTableColumn::ForOrdinality(name) => {
                    requote(name, self.dialect)?;
                    names.push(name.value.clone());
                }
                JsonTableColumn::Nested(_) => return Err(Refusal::clause("JSON_TABLE NESTED")),
            }
        }
        Ok(())
    }

    /// The name that a relation has for the rest of its SELECT.
    fn alias_name(&mut self, alias: Option<&mut TableAlias>, otherwise: Option<&str>) -> Result<String, Refusal> {
        let Some(alias) = alias else { return Ok(otherwise.unwrap_or_default().to_owned()) };
        if alias.at.is_some() {
            return Err(Refusal::clause("AT"));
        }
        requote(&mut alias.name, self.dialect)?;
        for column in &mut alias.columns {
            requote(&mut column.name, self.dialect)?;
            if let Some(data_type) = &column.data_type {
                types::check(data_type)?;
            }
        }
        Ok(alias.name.value.clone())
    }

    fn table_relation(&mut self, name: &mut ObjectName, alias: &mut Option<TableAlias>) -> Result<Relation, Refusal> {
        let mut parts = Vec::with_capacity(2);
        for part in &mut name.0 {
            let ObjectNamePart::Identifier(ident) = part else {
                return Err(Refusal::clause("함수로 만든 이름"));
            };
            requote(ident, self.dialect)?;
            parts.push(ident.clone());
        }
        let (schema, table) = match parts.as_slice() {
            [table] => (None, table.clone()),
            [schema, table] => (Some(schema.value.clone()), table.clone()),
            _ => return Err(self.unknown_table(&name.to_string())),
        };
        if schema.is_none()
            && let Some((written, printed, output)) =
                self.ctes.iter().rev().find(|(written, _, _)| written.eq_ignore_ascii_case(&table.value)).cloned()
        {
            *name = ObjectName(vec![ObjectNamePart::Identifier(verbatim(printed))]);
            if alias.is_none() {
                *alias = Some(plain_alias(Ident {
                    quote_style: Some(self.dialect.quote()),
                    value: fold(&table, self.dialect),
                    ..table
                }));
            }
            let known = self.alias_name(alias.as_mut(), Some(&written))?;
            let mut relation = Relation::new(known, output, None);
            rename_columns(&mut relation, alias.as_ref());
            return Ok(relation);
        }
        if schema.as_ref().is_some_and(|schema| !self.catalogue.knows_schema(schema)) {
            return Err(self.unknown_table(&format!("{}.{}", schema.unwrap_or_default(), table.value)));
        }
        let Some((index, fenced)) = self.catalogue.find(&table.value) else {
            return Err(self.unknown_table(&table.value));
        };
        self.tables_used += 1;
        if self.options.limits.tables_max < self.tables_used {
            return Err(Refusal::new(
                Reason::TooLarge,
                format!("표를 {}개보다 많이 쓸 수 없습니다.", self.options.limits.tables_max),
            )
            .hint("질의를 나누세요."));
        }
        self.tables.insert(fenced.table.name.clone());
        if alias.is_none() {
            *alias = Some(plain_alias(table.clone()));
        }
        let known = self.alias_name(alias.as_mut(), None)?;
        let mut relation = Relation::new(known, base_output(fenced), Some(index));
        relation.reference = alias.as_ref().map(|alias| alias.name.to_string()).unwrap_or_default();
        rename_columns(&mut relation, alias.as_ref());
        Ok(relation)
    }

    fn unknown_table(&self, name: &str) -> Refusal {
        let hint = nearest(name, self.catalogue.tables().map(|table| table.name.as_str()));
        Refusal::new(Reason::Table, format!("표 {name}을(를) 찾을 수 없습니다."))
            .hint(hint.unwrap_or_else(|| "list_customer_tables로 쓸 수 있는 표를 확인하세요.".to_owned()))
    }

    fn function_relation(
        &mut self,
        name: &mut ObjectName,
        arguments: &mut [FunctionArg],
        with_ordinality: bool,
        alias: &mut Option<TableAlias>,
        frame: &mut Frame,
    ) -> Result<Relation, Refusal> {
        let [ObjectNamePart::Identifier(ident)] = name.0.as_mut_slice() else {
            return Err(Refusal::new(Reason::Function, "FROM에 둘 수 없는 함수입니다."));
        };
        requote(ident, self.dialect)?;
        let function = ident.value.to_ascii_lowercase();
        let Some(columns) = functions::table_columns(self.dialect, &function) else {
            return Err(Refusal::new(Reason::Function, format!("FROM에 함수 {function}을(를) 쓸 수 없습니다."))
                .hint("FROM에는 list_customer_tables에 있는 표를 쓰세요."));
        };
        ident.quote_style = None;
        ident.value.clone_from(&function);
        let mut masks = Masks::NONE;
        self.beside(frame, |checker| {
            for argument in arguments.iter_mut() {
                let FunctionArg::Unnamed(FunctionArgExpr::Expr(expression)) = argument else {
                    return Err(Refusal::new(Reason::Function, format!("함수 {function}의 인자를 읽을 수 없습니다.")));
                };
                masks = masks.with(checker.expression(expression)?);
            }
            Ok(())
        })?;
        // A function in FROM may meet rows before the row policy does.
        self.noisy |= !arguments.is_empty();
        crate::call::check_series(&function, arguments)?;
        let known = self.alias_name(alias.as_mut(), Some(&function))?;
        Ok(set_relation(known, columns, masks, with_ordinality, alias.as_ref()))
    }

    /// The name before `.*`.
    pub(crate) fn relation_name(&mut self, name: &mut ObjectName) -> Result<String, Refusal> {
        let count = name.0.len();
        if count == 2
            && let Some(ObjectNamePart::Identifier(schema)) = name.0.first()
            && self.catalogue.knows_schema(&schema.value)
        {
            name.0.remove(0);
        }
        match name.0.as_mut_slice() {
            [ObjectNamePart::Identifier(ident)] => {
                requote(ident, self.dialect)?;
                Ok(ident.value.clone())
            }
            _ => Err(self.unknown_table(&name.to_string())),
        }
    }
}

fn base_output(fenced: &Fenced) -> Output {
    let columns = fenced
        .table
        .columns
        .iter()
        .enumerate()
        .filter(|(_, column)| column.mask != Some(Mask::Deny))
        .map(|(source, column)| Visible {
            name: column.name.clone(),
            title: String::new(),
            masks: column.kind().map_or(Masks::NONE, Masks::of),
            direct: column.kind(),
            unique: column.unique,
            aggregate: column.kind() == Some(MaskKind::Aggregate),
            source,
        })
        .collect();
    Output { columns, open: false }
}

/// A function in FROM: its own columns, or one that is named like its alias.
fn set_relation(
    name: String,
    columns: &[&str],
    masks: Masks,
    with_ordinality: bool,
    alias: Option<&TableAlias>,
) -> Relation {
    let mut names: Vec<String> =
        if columns.is_empty() { vec![name.clone()] } else { columns.iter().map(|&name| name.to_owned()).collect() };
    if with_ordinality {
        names.push("ordinality".to_owned());
    }
    let columns = names.into_iter().map(|name| Visible { name, masks, ..Visible::default() }).collect();
    let mut relation = Relation::new(name, Output { columns, open: false }, None);
    if let Some(alias) = alias {
        for (index, given) in alias.columns.iter().enumerate() {
            match relation.columns.get_mut(index) {
                Some(column) => column.name.clone_from(&given.name.value),
                None => {
                    relation.columns.push(Visible { name: given.name.value.clone(), masks, ..Visible::default() });
                    relation.used.push(false);
                }
            }
        }
    }
    relation
}

fn rename_columns(relation: &mut Relation, alias: Option<&TableAlias>) {
    let Some(alias) = alias else { return };
    if alias.columns.is_empty() {
        return;
    }
    relation.all = true;
    let visible = relation.columns.iter_mut().filter(|column| !column.aggregate);
    let mut named = 0;
    for (column, given) in visible.zip(&alias.columns) {
        column.name.clone_from(&given.name.value);
        named += 1;
    }
    if named < alias.columns.len() {
        relation.columns.extend(
            alias
                .columns
                .iter()
                .skip(named)
                .map(|given| Visible { name: given.name.value.clone(), ..Visible::default() }),
        );
        relation.used.resize(relation.columns.len(), false);
    }
}

fn plain_alias(name: Ident) -> TableAlias {
    TableAlias { explicit: true, name, columns: Vec::new(), at: None }
}

/// PostgreSQL folds names that are not quoted.
fn fold(ident: &Ident, dialect: Dialect) -> String {
    match dialect {
        Dialect::Postgres if ident.quote_style.is_none() => ident.value.to_ascii_lowercase(),
        Dialect::Postgres | Dialect::Sqlite | Dialect::MySql => ident.value.clone(),
    }
}

/// Arguments of a call as expressions, for rules about literals.
pub(crate) fn arguments(function: &Function) -> Vec<&Expr> {
    match &function.args {
        FunctionArguments::List(list) => list
            .args
            .iter()
            .filter_map(|argument| match argument {
                FunctionArg::Unnamed(FunctionArgExpr::Expr(expression)) => Some(expression),
                _ => None,
            })
            .collect(),
        FunctionArguments::None | FunctionArguments::Subquery(_) => Vec::new(),
    }
}
