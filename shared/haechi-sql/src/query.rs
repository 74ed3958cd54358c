//! Queries: WITH, set operations, SELECT, ORDER BY, LIMIT.

use sqlparser::ast::{
    Distinct, Expr, Fetch, GroupByExpr, GroupByWithModifier, Ident, LimitClause, NamedWindowExpr, OrderBy, OrderByExpr,
    OrderByKind, Query, Select, SelectFlavor, SelectItem, SelectItemQualifiedWildcardKind, SelectModifiers, SetExpr,
    SetOperator, SetQuantifier, Value, WildcardAdditionalOptions, With,
};

use crate::check::Checker;
use crate::literal::requote;
use crate::scope::{Frame, Output, Visible};
use crate::{Dialect, Reason, Refusal};

impl Checker<'_> {
    pub(crate) fn query(&mut self, query: &mut Query, outermost: bool) -> Result<Output, Refusal> {
        self.deeper(|checker| checker.query_inside(query, outermost))
    }

    fn query_inside(&mut self, query: &mut Query, outermost: bool) -> Result<Output, Refusal> {
        let Query {
            with,
            body,
            order_by,
            limit_clause,
            fetch,
            locks,
            for_clause,
            settings,
            format_clause,
            pipe_operators,
        } = query;
        if !locks.is_empty() {
            return Err(Refusal::clause("FOR UPDATE/SHARE"));
        }
        if for_clause.is_some() || settings.is_some() || format_clause.is_some() || !pipe_operators.is_empty() {
            return Err(Refusal::clause("FOR/SETTINGS/FORMAT/|>"));
        }
        self.queries += 1;
        // A query is no constant: what fails with it may fail for some rows only.
        self.columns_seen += 1;
        let quiet = std::mem::replace(&mut self.quiet, false);
        let aliases_visible = std::mem::replace(&mut self.aliases_visible, false);
        let ctes = self.ctes.len();
        if let Some(with) = with {
            self.with(with)?;
        }
        let output = match (body.as_mut(), order_by.as_mut()) {
            // ORDER BY of a plain SELECT sees its relations; that of a set operation only its columns.
            (SetExpr::Select(select), order_by) => self.select(select, order_by, outermost)?,
            (body, order_by) => {
                let output = self.set_expression(body)?;
                if let Some(order_by) = order_by {
                    let aliases = output.columns.iter().map(|column| (column.name.clone(), column.masks)).collect();
                    self.frames.push(Frame { aliases, ..Frame::default() });
                    self.aliases_visible = true;
                    let done = self.order_by(order_by);
                    self.aliases_visible = false;
                    self.frames.pop();
                    done?;
                }
                output
            }
        };
        if let Some(limit) = limit_clause {
            self.picks_by_place |= !outermost;
            self.limit(limit)?;
        }
        if let Some(fetch) = fetch {
            self.picks_by_place |= !outermost;
            self.fetch(fetch)?;
        }
        self.ctes.truncate(ctes);
        self.quiet = quiet;
        self.aliases_visible = aliases_visible;
        Ok(output)
    }

    /// Counts one level of nesting around a piece of the walk.
    pub(crate) fn deeper<T>(&mut self, walk: impl FnOnce(&mut Self) -> Result<T, Refusal>) -> Result<T, Refusal> {
        self.depth += 1;
        if self.options.limits.nesting_max < self.depth {
            return Err(Refusal::new(
                Reason::TooLarge,
                format!("식이나 하위 질의가 {}단계보다 깊습니다.", self.options.limits.nesting_max),
            )
            .hint("WITH 절로 나누어 쓰세요."));
        }
        let done = walk(self);
        self.depth -= 1;
        done
    }

    fn with(&mut self, with: &mut With) -> Result<(), Refusal> {
        for cte in &mut with.cte_tables {
            if cte.from.is_some() || cte.alias.at.is_some() {
                return Err(Refusal::clause("WITH … FROM"));
            }
            let written = cte.alias.name.value.clone();
            // A name of ours can never be read as a table, whatever the database folds or does not.
            let printed = format!("haechi_cte_{}", self.ctes_made);
            self.ctes_made += 1;
            cte.alias.name = Ident::new(printed.clone());
            for column in &mut cte.alias.columns {
                if column.data_type.is_some() {
                    return Err(Refusal::clause("WITH 열 자료형"));
                }
                requote(&mut column.name, self.dialect)?;
            }
            let names: Vec<String> = cte.alias.columns.iter().map(|column| column.name.value.clone()).collect();
            let recursive = with.recursive && mentions(&cte.query, &written);
            if recursive {
                let guess = first_arm(&cte.query.body).map(named_items).unwrap_or_default();
                let columns = if names.is_empty() { guess } else { names.clone() };
                let open = columns.is_empty() || columns.iter().any(String::is_empty);
                let columns = columns.into_iter().map(|name| Visible { name, ..Visible::default() }).collect();
                self.ctes.push((written.clone(), printed.clone(), Output { columns, open }));
                check_recursion(&cte.query, &written)?;
            }
            let mut output = self.query(&mut cte.query, false)?;
            rename(&mut output, &names);
            if recursive {
                self.ctes.pop();
            }
            self.ctes.push((written, printed, output));
        }
        Ok(())
    }

    fn set_expression(&mut self, body: &mut SetExpr) -> Result<Output, Refusal> {
        match body {
            SetExpr::Select(select) => self.select(select, None, false),
            SetExpr::Query(query) => self.query(query, false),
            SetExpr::SetOperation { .. } => self.set_operation(body),
            SetExpr::Values(values) => {
                if values.explicit_row || values.value_keyword {
                    return Err(Refusal::clause("VALUES ROW"));
                }
                let mut columns: Vec<Visible> = Vec::new();
                if self.options.limits.in_items_max < values.rows.len() {
                    return Err(Refusal::new(Reason::TooLarge, "VALUES의 행이 너무 많습니다."));
                }
                for row in &mut values.rows {
                    for (index, expression) in row.content.iter_mut().enumerate() {
                        let masks = self.expression(expression)?;
                        match columns.get_mut(index) {
                            Some(column) => column.masks = column.masks.with(masks),
                            None => {
                                let name = match self.dialect {
                                    Dialect::Sqlite | Dialect::Postgres => format!("column{}", index + 1),
                                    Dialect::MySql => String::new(),
                                };
                                columns.push(Visible { name, masks, ..Visible::default() });
                            }
                        }
                    }
                }
                let open = self.dialect == Dialect::MySql;
                Ok(Output { columns, open })
            }
            SetExpr::Insert(_) | SetExpr::Update(_) | SetExpr::Delete(_) | SetExpr::Merge(_) => {
                Err(Refusal::new(Reason::Statement, "조회(SELECT) 문만 쓸 수 있습니다.")
                    .hint("WITH 안에도 SELECT만 쓰세요."))
            }
            SetExpr::Table(_) => Err(Refusal::new(Reason::Statement, "TABLE 문은 이 자리에 쓸 수 없습니다.")
                .hint("SELECT * FROM 표 로 쓰세요.")),
        }
    }

    /// Walks `a UNION b UNION c …`, which leans to the left and may be long, without recursion.
    fn set_operation(&mut self, body: &mut SetExpr) -> Result<Output, Refusal> {
        let mut arms: Vec<&mut SetExpr> = Vec::new();
        let mut next = body;
        loop {
            match next {
                SetExpr::SetOperation { left, op, set_quantifier, right } => {
                    match op {
                        SetOperator::Union | SetOperator::Except | SetOperator::Intersect => {}
                        SetOperator::Minus => return Err(Refusal::clause("MINUS")),
                    }
                    match set_quantifier {
                        SetQuantifier::All | SetQuantifier::Distinct | SetQuantifier::None => {}
                        SetQuantifier::ByName | SetQuantifier::AllByName | SetQuantifier::DistinctByName => {
                            return Err(Refusal::clause("BY NAME"));
                        }
                    }
                    arms.push(right);
                    next = left;
                }
                other => {
                    arms.push(other);
                    break;
                }
            }
            if 100 < arms.len() {
                return Err(
                    Refusal::new(Reason::TooLarge, "UNION으로 이은 질의가 너무 많습니다.").hint("질의를 나누세요.")
                );
            }
        }
        let mut output: Option<Output> = None;
        for arm in arms.into_iter().rev() {
            let columns = self.deeper(|checker| checker.set_expression(arm))?;
            match &mut output {
                None => output = Some(columns),
                Some(first) => {
                    for (column, other) in first.columns.iter_mut().zip(&columns.columns) {
                        column.masks = column.masks.with(other.masks);
                        column.direct = if column.direct == other.direct { column.direct } else { None };
                        column.unique = false;
                    }
                }
            }
        }
        Ok(output.unwrap_or_default())
    }

    fn select(
        &mut self,
        select: &mut Select,
        order_by: Option<&mut OrderBy>,
        outermost: bool,
    ) -> Result<Output, Refusal> {
        check_clauses(select, self.dialect)?;
        self.selects += 1;
        let queries = self.queries;
        let frame = self.from(&mut select.from)?;
        self.frames.push(frame);
        let frames = self.frames.len();

        if let Some(selection) = &mut select.selection {
            // SQLite alone lets a condition use the names of the select list; the frame has none yet.
            self.aliases_visible = false;
            self.filter(selection)?;
            self.push_down(selection, &(0..usize::MAX));
        }
        for definition in &mut select.named_window {
            requote(&mut definition.0, self.dialect)?;
            match &mut definition.1 {
                NamedWindowExpr::NamedWindow(name) => requote(name, self.dialect)?,
                NamedWindowExpr::WindowSpec(window) => self.window(window)?,
            }
        }
        self.quiet = outermost;
        match &mut select.distinct {
            None | Some(Distinct::All | Distinct::Distinct) => {}
            Some(Distinct::On(expressions)) => {
                self.picks_by_place = true;
                for expression in expressions {
                    self.plain(expression)?;
                }
            }
        }
        let output = self.projection(&mut select.projection)?;
        let aliases = output
            .columns
            .iter()
            .filter(|column| !column.name.is_empty())
            .map(|column| (column.name.clone(), column.masks))
            .collect();
        if let Some(frame) = self.frames.last_mut() {
            frame.aliases = aliases;
        }
        self.aliases_visible = true;
        let sets = self.group_by(&mut select.group_by)?;
        self.quiet = false;
        if let Some(having) = &mut select.having {
            self.filter(having)?;
        }
        self.quiet = outermost;
        if let Some(order_by) = order_by {
            self.order_by(order_by)?;
        }
        self.aliases_visible = false;
        self.quiet = false;
        debug_assert_eq!(frames, self.frames.len(), "every walk leaves the frames as it found them");
        let frame = self.frames.pop().unwrap_or_default();
        self.require_groups(select, &frame, sets, queries != self.queries)?;
        self.fence(&mut select.from, &frame)?;
        Ok(output)
    }

    fn projection(&mut self, items: &mut [SelectItem]) -> Result<Output, Refusal> {
        let mut output = Output::default();
        for item in items {
            match item {
                SelectItem::UnnamedExpr(expression) => {
                    let name = name_of(expression, self.dialect);
                    let title = if name.is_none() { expression.to_string() } else { String::new() };
                    let mut column = self.item(expression)?;
                    output.open |= name.is_none();
                    column.title = title;
                    column.name = name.unwrap_or_default();
                    output.columns.push(column);
                }
                SelectItem::ExprWithAlias { expr, alias } => {
                    let mut column = self.item(expr)?;
                    requote(alias, self.dialect)?;
                    column.name = alias.value.clone();
                    output.columns.push(column);
                }
                SelectItem::Wildcard(options) => {
                    check_wildcard(options)?;
                    self.whole(None, &mut output)?;
                }
                SelectItem::QualifiedWildcard(SelectItemQualifiedWildcardKind::ObjectName(name), options) => {
                    check_wildcard(options)?;
                    let relation = self.relation_name(name)?;
                    self.whole(Some(&relation), &mut output)?;
                }
                SelectItem::QualifiedWildcard(SelectItemQualifiedWildcardKind::Expr(expression), options) => {
                    check_wildcard(options)?;
                    self.expression(expression)?;
                    output.open = true;
                }
                SelectItem::ExprWithAliases { .. } => return Err(Refusal::clause("AS (…)")),
            }
        }
        Ok(output)
    }

    /// One item of a select list; a bare column keeps what is known of it.
    fn item(&mut self, expression: &mut Expr) -> Result<Visible, Refusal> {
        match self.column_of(expression)? {
            Some(found) => {
                Ok(Visible { masks: found.masks, direct: found.direct, unique: found.unique, ..Visible::default() })
            }
            None => Ok(Visible { masks: self.expression(expression)?, ..Visible::default() }),
        }
    }

    /// `*` and `t.*`: every column that can be seen; aggregate columns are not among them.
    fn whole(&mut self, name: Option<&str>, output: &mut Output) -> Result<(), Refusal> {
        let Some(frame) = self.frames.last_mut() else { return Ok(()) };
        let mut found = false;
        for relation in &mut frame.relations {
            if name.is_some_and(|name| !relation.name.eq_ignore_ascii_case(name)) {
                continue;
            }
            found = true;
            relation.all = true;
            self.columns_seen += 1;
            output.open |= relation.open;
            output.columns.extend(relation.columns.iter().filter(|column| !column.aggregate).cloned());
        }
        match name {
            Some(name) if !found => {
                // A row of an outer query may be meant; its columns are masked like any other.
                let outer = self.frames.iter_mut().rev().skip(1).find_map(|frame| {
                    frame.relations.iter_mut().find(|relation| relation.name.eq_ignore_ascii_case(name))
                });
                let Some(relation) = outer else {
                    return Err(Refusal::new(Reason::Table, format!("{name}.*: FROM에 {name}이(가) 없습니다."))
                        .hint("FROM 절의 표 이름이나 별칭을 쓰세요."));
                };
                relation.all = true;
                let columns: Vec<Visible> =
                    relation.columns.iter().filter(|column| !column.aggregate).cloned().collect();
                output.columns.extend(columns);
                self.frames.iter_mut().for_each(|frame| frame.outer = true);
            }
            None if !found => return Err(Refusal::new(Reason::Column, "FROM 없이 *를 쓸 수 없습니다.")),
            Some(_) | None => {}
        }
        Ok(())
    }

    /// Answers whether the groups overlap (ROLLUP, CUBE, GROUPING SETS).
    fn group_by(&mut self, group_by: &mut GroupByExpr) -> Result<bool, Refusal> {
        let mut sets = false;
        match group_by {
            GroupByExpr::All(_) => return Err(Refusal::clause("GROUP BY ALL")),
            GroupByExpr::Expressions(expressions, modifiers) => {
                for expression in expressions {
                    match expression {
                        Expr::GroupingSets(groups) | Expr::Cube(groups) | Expr::Rollup(groups) => {
                            sets = true;
                            for expression in groups.iter_mut().flatten() {
                                self.plain(expression)?;
                            }
                        }
                        other => {
                            self.plain(other)?;
                        }
                    }
                }
                for modifier in modifiers {
                    match modifier {
                        GroupByWithModifier::Rollup | GroupByWithModifier::Cube => sets = true,
                        GroupByWithModifier::Totals => return Err(Refusal::clause("WITH TOTALS")),
                        GroupByWithModifier::GroupingSets(_) => return Err(Refusal::clause("GROUPING SETS")),
                    }
                }
            }
        }
        Ok(sets)
    }

    fn order_by(&mut self, order_by: &mut OrderBy) -> Result<(), Refusal> {
        if order_by.interpolate.is_some() {
            return Err(Refusal::clause("INTERPOLATE"));
        }
        match &mut order_by.kind {
            OrderByKind::All(_) => Err(Refusal::clause("ORDER BY ALL")),
            OrderByKind::Expressions(expressions) => self.order(expressions),
        }
    }

    pub(crate) fn order(&mut self, expressions: &mut [OrderByExpr]) -> Result<(), Refusal> {
        for order in expressions {
            if order.with_fill.is_some() {
                return Err(Refusal::clause("WITH FILL"));
            }
            match &order.options.sort {
                None | Some(sqlparser::ast::OrderBySort::Asc | sqlparser::ast::OrderBySort::Desc) => {}
                Some(_) => return Err(Refusal::clause("ORDER BY USING")),
            }
            self.plain(&mut order.expr)?;
        }
        Ok(())
    }

    fn limit(&mut self, limit: &mut LimitClause) -> Result<(), Refusal> {
        match limit {
            LimitClause::LimitOffset { limit, offset, limit_by } => {
                if !limit_by.is_empty() {
                    return Err(Refusal::clause("LIMIT BY"));
                }
                if let Some(limit) = limit {
                    self.count(limit)?;
                }
                if let Some(offset) = offset {
                    self.count(&mut offset.value)?;
                }
                Ok(())
            }
            LimitClause::OffsetCommaLimit { offset, limit } => {
                self.count(offset)?;
                self.count(limit)
            }
        }
    }

    fn fetch(&mut self, fetch: &mut Fetch) -> Result<(), Refusal> {
        if fetch.percent {
            return Err(Refusal::clause("FETCH … PERCENT"));
        }
        fetch.quantity.as_mut().map_or(Ok(()), |quantity| self.count(quantity))
    }

    /// A number of rows: a literal or a parameter, so that it cannot say anything about a row.
    fn count(&mut self, expression: &mut Expr) -> Result<(), Refusal> {
        match expression {
            Expr::Value(value) if matches!(value.value, Value::Number(..) | Value::Placeholder(_) | Value::Null) => {
                self.expression(expression).map(|_| ())
            }
            _ => Err(Refusal::new(Reason::Clause, "LIMIT와 OFFSET에는 숫자나 매개변수만 쓸 수 있습니다.")
                .hint("LIMIT 100처럼 쓰세요.")),
        }
    }
}

fn check_wildcard(options: &WildcardAdditionalOptions) -> Result<(), Refusal> {
    let WildcardAdditionalOptions {
        wildcard_token: _,
        opt_ilike,
        opt_exclude,
        opt_except,
        opt_replace,
        opt_rename,
        opt_alias,
    } = options;
    let plain = opt_ilike.is_none()
        && opt_exclude.is_none()
        && opt_except.is_none()
        && opt_replace.is_none()
        && opt_rename.is_none()
        && opt_alias.is_none();
    if plain { Ok(()) } else { Err(Refusal::clause("* EXCEPT/REPLACE")) }
}

/// Clauses of SELECT that no allowed query has. The pattern names every field, so a field that the
/// parser learns later stops the build instead of slipping through.
fn check_clauses(select: &Select, dialect: Dialect) -> Result<(), Refusal> {
    let Select {
        select_token: _,
        optimizer_hints,
        distinct: _,
        select_modifiers,
        top,
        top_before_distinct: _,
        projection: _,
        exclude,
        into,
        from: _,
        lateral_views,
        prewhere,
        selection: _,
        connect_by,
        group_by: _,
        cluster_by,
        distribute_by,
        sort_by,
        having: _,
        named_window: _,
        qualify,
        window_before_qualify: _,
        value_table_mode,
        flavor,
    } = select;
    if into.is_some() {
        return Err(Refusal::clause("INTO"));
    }
    if !optimizer_hints.is_empty() {
        return Err(Refusal::clause("힌트"));
    }
    if let Some(SelectModifiers {
        high_priority,
        straight_join: _,
        sql_small_result: _,
        sql_big_result: _,
        sql_buffer_result,
        sql_no_cache: _,
        sql_calc_found_rows,
    }) = select_modifiers
        && (*high_priority || *sql_buffer_result || *sql_calc_found_rows || dialect != Dialect::MySql)
    {
        return Err(Refusal::clause("SELECT 수식어"));
    }
    let others = top.is_some()
        || exclude.is_some()
        || !lateral_views.is_empty()
        || prewhere.is_some()
        || !connect_by.is_empty()
        || !cluster_by.is_empty()
        || !distribute_by.is_empty()
        || !sort_by.is_empty()
        || qualify.is_some()
        || value_table_mode.is_some();
    if others {
        return Err(Refusal::clause("TOP/QUALIFY/CONNECT BY"));
    }
    match flavor {
        SelectFlavor::Standard => Ok(()),
        SelectFlavor::FromFirst | SelectFlavor::FromFirstNoSelect => Err(Refusal::clause("앞에 놓인 FROM")),
    }
}

/// The name of a column that has no alias, where it is certain.
fn name_of(expression: &Expr, dialect: Dialect) -> Option<String> {
    match expression {
        Expr::Identifier(name) => Some(name.value.clone()),
        Expr::CompoundIdentifier(parts) => parts.last().map(|part| part.value.clone()),
        Expr::Nested(inner) if dialect == Dialect::Postgres => name_of(inner, dialect),
        Expr::Function(function) if dialect == Dialect::Postgres => {
            function.name.0.last().and_then(|part| part.as_ident()).map(|name| name.value.to_ascii_lowercase())
        }
        Expr::Cast { expr, .. } if dialect == Dialect::Postgres => name_of(expr, dialect),
        Expr::Case { .. } if dialect == Dialect::Postgres => Some("case".to_owned()),
        _ => None,
    }
}

fn named_items(select: &Select) -> Vec<String> {
    select
        .projection
        .iter()
        .map(|item| match item {
            SelectItem::ExprWithAlias { alias, .. } => alias.value.clone(),
            SelectItem::UnnamedExpr(expression) => name_of(expression, Dialect::Sqlite).unwrap_or_default(),
            _ => String::new(),
        })
        .collect()
}

fn rename(output: &mut Output, names: &[String]) {
    for (column, name) in output.columns.iter_mut().zip(names) {
        column.name.clone_from(name);
    }
    if !names.is_empty() && output.columns.len() <= names.len() {
        output.open = false;
    }
}

fn first_arm(body: &SetExpr) -> Option<&Select> {
    let mut next = body;
    loop {
        match next {
            SetExpr::SetOperation { left, .. } => next = left,
            SetExpr::Select(select) => return Some(select),
            SetExpr::Query(query) => next = &query.body,
            _ => return None,
        }
    }
}

/// Whether a query names this relation anywhere.
fn mentions(query: &Query, name: &str) -> bool {
    sqlparser::ast::visit_relations(query, |relation| {
        let hit = relation.0.len() == 1
            && relation
                .0
                .last()
                .and_then(|part| part.as_ident())
                .is_some_and(|part| part.value.eq_ignore_ascii_case(name));
        if hit { std::ops::ControlFlow::Break(()) } else { std::ops::ControlFlow::Continue(()) }
    })
    .is_break()
}

/// The arm that repeats must have something that ends it.
fn check_recursion(query: &Query, name: &str) -> Result<(), Refusal> {
    let endless = Refusal::new(Reason::Unbounded, "재귀 WITH에 끝나는 조건이 없습니다.")
        .hint("반복하는 SELECT에 WHERE n < 100처럼 끝나는 조건을 두세요.");
    if query.limit_clause.is_some() {
        return Ok(());
    }
    let mut next = query.body.as_ref();
    while let SetExpr::SetOperation { left, right, .. } = next {
        if let SetExpr::Select(select) = right.as_ref() {
            let repeats = select.from.iter().any(|table| {
                let names = |factor: &sqlparser::ast::TableFactor| {
                    matches!(factor, sqlparser::ast::TableFactor::Table { name: table, .. }
                        if table.0.last().and_then(|part| part.as_ident()).is_some_and(|part| part.value.eq_ignore_ascii_case(name)))
                };
                names(&table.relation) || table.joins.iter().any(|join| names(&join.relation))
            });
            let joined = select.from.iter().any(|table| !table.joins.is_empty());
            if repeats && select.selection.is_none() && !joined {
                return Err(endless);
            }
        }
        next = left;
    }
    Ok(())
}
