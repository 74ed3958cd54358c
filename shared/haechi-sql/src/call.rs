//! Function calls: the name on the list, the arguments within bounds, aggregates over protected columns.

use sqlparser::ast::{
    CastKind, DataType, ExactNumberInfo, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArgOperator,
    FunctionArgumentClause, FunctionArguments, Ident, ObjectName, ObjectNamePart, UnaryOperator, Value,
};

use crate::check::Checker;
use crate::expression::literal_text;
use crate::fence::hidden;
use crate::limits::{BUILT_CHARS_MAX, SERIES_ROWS_MAX};
use crate::refusal::nearest;
use crate::relation::arguments;
use crate::{Dialect, MaskKind, Masks, Reason, Refusal, functions};

impl Checker<'_> {
    pub(crate) fn call(&mut self, function: &mut Function) -> Result<Masks, Refusal> {
        let seen = self.columns_seen;
        let name = self.function_name(&mut function.name, &function.args)?;
        let Function { name: _, uses_odbc_syntax, parameters, args, within_group, filter, null_treatment: _, over } =
            function;
        if *uses_odbc_syntax || !matches!(parameters, FunctionArguments::None) {
            return Err(Refusal::new(Reason::Function, "이 형태의 함수 호출은 쓸 수 없습니다."));
        }
        if over.is_none() && within_group.is_empty() && functions::is_statistic(&name) && self.statistic(args)? {
            if filter.is_some() {
                return Err(Refusal::new(Reason::Aggregate, "집계 전용 열의 집계에는 FILTER를 쓸 수 없습니다.")
                    .hint("조건은 WHERE에 쓰거나 GROUP BY로 묶으세요."));
            }
            return Ok(Masks::of(MaskKind::Aggregate));
        }
        self.check_arguments(&name, function)?;
        // now() is read when the statement runs, so what fails on it may fail for some rows only.
        if arguments(function).is_empty() {
            self.columns_seen += 1;
        }
        // A unit that came from a column, or that does not exist, fails on some rows only.
        let calm_unit = match (name.as_str(), arguments(function).as_slice()) {
            ("date_trunc" | "date_part", [Expr::Value(unit), ..]) => literal_text(&unit.value)
                .is_some_and(|unit| CALM_UNITS.iter().any(|known| unit.eq_ignore_ascii_case(known))),
            ("to_char", [_, Expr::Value(format)]) => literal_text(&format.value)
                .is_some_and(|format| format.chars().all(|character| "YMDHISQ24:-/ ".contains(character))),
            _ => false,
        };
        let Function { args, within_group, filter, over, .. } = function;
        let mut masks = match args {
            FunctionArguments::None => Masks::NONE,
            FunctionArguments::Subquery(query) => {
                self.query(query, false)?.columns.iter().fold(Masks::NONE, |all, column| all.with(column.masks))
            }
            FunctionArguments::List(list) => {
                let mut masks = Masks::NONE;
                let aggregate = functions::is_aggregate(&name);
                // The first argument of these is a word of the language, not a column.
                let units = usize::from(
                    matches!(name.as_str(), "timestampdiff" | "timestampadd") && list.args.first().is_some_and(is_unit),
                );
                for argument in list.args.iter_mut().skip(units) {
                    masks = masks.with(self.argument(argument, &name, aggregate)?);
                }
                for clause in &mut list.clauses {
                    masks = masks.with(self.clause(clause)?);
                }
                masks
            }
        };
        for order in within_group.iter_mut() {
            if order.with_fill.is_some() {
                return Err(Refusal::clause("WITH FILL"));
            }
            masks = masks.with(self.plain(&mut order.expr)?);
        }
        if let Some(filter) = filter {
            self.filter(filter)?;
        }
        if let Some(over) = over {
            self.window_type(over)?;
        }
        let can_fail = match self.dialect {
            Dialect::Sqlite => {
                name.starts_with("json")
                    || matches!(
                        name.as_str(),
                        "abs" | "percentile" | "percentile_cont" | "percentile_disc" | "format" | "printf" | "replace"
                    )
            }
            Dialect::Postgres | Dialect::MySql => !is_calm(&name) && !calm_unit,
        };
        self.note_failure(can_fail, seen);
        // A count says nothing of the values that it counted.
        Ok(if name == "count" { Masks::NONE } else { masks })
    }

    /// `ARRAY(SELECT …)` comes as a call whose argument is a query.
    fn is_array_query(&self, name: &str, args: &FunctionArguments) -> bool {
        self.dialect == Dialect::Postgres && name == "array" && matches!(args, FunctionArguments::Subquery(_))
    }

    fn function_name(&mut self, name: &mut ObjectName, args: &FunctionArguments) -> Result<String, Refusal> {
        if name.0.len() == 2
            && self.dialect == Dialect::Postgres
            && matches!(name.0.first(), Some(ObjectNamePart::Identifier(schema)) if schema.value.eq_ignore_ascii_case("pg_catalog"))
        {
            name.0.remove(0);
        }
        let [ObjectNamePart::Identifier(ident)] = name.0.as_mut_slice() else {
            return Err(Refusal::new(Reason::Function, "스키마 이름이 붙은 함수는 쓸 수 없습니다."));
        };
        let lowered = ident.value.to_ascii_lowercase();
        if !functions::is_allowed(self.dialect, &lowered) && !self.is_array_query(&lowered, args) {
            let refusal = Refusal::new(Reason::Function, format!("함수 {}은(는) 쓸 수 없습니다.", ident.value));
            let hint = functions::instead(&lowered)
                .map(ToOwned::to_owned)
                .or_else(|| nearest(&lowered, functions::all(self.dialect)))
                .unwrap_or_else(|| {
                    "count, sum, avg, min, max, round, coalesce, substr, lower 같은 함수를 쓰세요.".to_owned()
                });
            return Err(refusal.hint(hint));
        }
        // PostgreSQL's own function, whatever the search path holds; the special forms have no schema.
        *ident = Ident::new(lowered.clone());
        Ok(lowered)
    }

    /// An aggregate whose only argument is an aggregate-only column: takes the hidden column.
    fn statistic(&mut self, args: &mut FunctionArguments) -> Result<bool, Refusal> {
        let FunctionArguments::List(list) = args else { return Ok(false) };
        if list.duplicate_treatment.is_some() || !list.clauses.is_empty() {
            return Ok(false);
        }
        let [FunctionArg::Unnamed(FunctionArgExpr::Expr(argument))] = list.args.as_mut_slice() else {
            return Ok(false);
        };
        let Some(column) = bare_column(argument) else { return Ok(false) };
        // The names of the select list cannot stand inside an aggregate.
        let aliases_visible = std::mem::replace(&mut self.aliases_visible, false);
        let found = self.column_or_aggregate(column);
        self.aliases_visible = aliases_visible;
        let found = found?;
        let Some((frame, relation_index, position)) = found.aggregate else {
            // The walk that follows resolves it again; nothing was changed but quotes.
            return Ok(false);
        };
        if frame + 1 != self.frames.len() {
            return Err(Refusal::new(Reason::Aggregate, "바깥 질의의 집계 전용 열은 하위 질의에서 쓸 수 없습니다."));
        }
        let Some(relation) = self.frames.get_mut(frame).and_then(|frame| frame.relations.get_mut(relation_index))
        else {
            return Ok(false);
        };
        if !relation.statistics.contains(&position) {
            relation.statistics.push(position);
        }
        let Some(known) = relation.columns.get(position) else { return Ok(false) };
        let source = relation
            .base
            .and_then(|base| self.catalogue.fenced(base))
            .and_then(|fenced| fenced.table.columns.get(known.source));
        let Some(source) = source else { return Ok(false) };
        let name = Ident::with_quote(self.dialect.quote(), hidden(&source.name));
        *column = match column {
            Expr::CompoundIdentifier(parts) => {
                let mut parts = std::mem::take(parts);
                parts.pop();
                parts.push(name);
                Expr::CompoundIdentifier(parts)
            }
            _ => Expr::Identifier(name),
        };
        Ok(true)
    }

    fn argument(&mut self, argument: &mut FunctionArg, name: &str, aggregate: bool) -> Result<Masks, Refusal> {
        let value = match argument {
            FunctionArg::Unnamed(value) => value,
            FunctionArg::Named {
                name: argument,
                arg,
                operator: FunctionArgOperator::RightArrow | FunctionArgOperator::Assignment,
            } if self.dialect == Dialect::Postgres => {
                crate::literal::requote(argument, self.dialect)?;
                arg
            }
            FunctionArg::Named { .. } | FunctionArg::ExprNamed { .. } => {
                return Err(Refusal::new(Reason::Function, format!("함수 {name}의 인자를 읽을 수 없습니다.")));
            }
        };
        match value {
            FunctionArgExpr::Expr(expression) if aggregate => self.plain(expression),
            FunctionArgExpr::Expr(expression) => self.expression(expression),
            FunctionArgExpr::Wildcard if name == "count" => Ok(Masks::NONE),
            FunctionArgExpr::Wildcard
            | FunctionArgExpr::QualifiedWildcard(_)
            | FunctionArgExpr::WildcardWithOptions(_) => {
                Err(Refusal::new(Reason::Function, format!("함수 {name}에는 *를 쓸 수 없습니다."))
                    .hint("열 이름을 쓰세요."))
            }
        }
    }

    fn clause(&mut self, clause: &mut FunctionArgumentClause) -> Result<Masks, Refusal> {
        match clause {
            FunctionArgumentClause::OrderBy(order) => self.order(order).map(|()| Masks::NONE),
            FunctionArgumentClause::Separator(value) => self.literal(&mut value.value).map(|()| Masks::NONE),
            FunctionArgumentClause::IgnoreOrRespectNulls(_) => Ok(Masks::NONE),
            FunctionArgumentClause::Where(_)
            | FunctionArgumentClause::Limit(_)
            | FunctionArgumentClause::OnOverflow(_)
            | FunctionArgumentClause::Having(_)
            | FunctionArgumentClause::JsonNullClause(_)
            | FunctionArgumentClause::JsonReturningClause(_) => Err(Refusal::clause("함수 안의 이")),
        }
    }

    /// Bounds on what a function may be asked to build, while the arguments are still as written.
    fn check_arguments(&mut self, name: &str, function: &Function) -> Result<(), Refusal> {
        let arguments = arguments(function);
        match name {
            "repeat" | "lpad" | "rpad" | "space" => {
                let length = if name == "space" { arguments.first() } else { arguments.get(1) };
                match length.and_then(|length| literal_number(length)) {
                    Some(length) if length <= i128::from(BUILT_CHARS_MAX) => Ok(()),
                    _ => Err(Refusal::new(
                        Reason::TooLarge,
                        format!("함수 {name}의 길이는 {BUILT_CHARS_MAX} 이하의 숫자여야 합니다."),
                    )
                    .hint(format!("{name}(…, 10)처럼 숫자를 그대로 쓰세요."))),
                }
            }
            "format" | "printf" if self.dialect != Dialect::MySql => {
                let text = arguments.first().and_then(|first| match first {
                    Expr::Value(value) => literal_text(&value.value),
                    _ => None,
                });
                match text {
                    Some(text) if widths_are_small(&text) => Ok(()),
                    _ => Err(Refusal::new(
                        Reason::Function,
                        format!("함수 {name}의 형식은 폭이 작은 글자 상수여야 합니다."),
                    )
                    .hint("format('%s', 열)처럼 쓰세요.")),
                }
            }
            "regexp_replace"
            | "regexp_match"
            | "regexp_matches"
            | "regexp_count"
            | "regexp_instr"
            | "regexp_like"
            | "regexp_substr"
            | "regexp_split_to_array"
            | "regexp_split_to_table" => arguments.get(1).map_or(Ok(()), |pattern| self.pattern(pattern)),
            "generate_series" => check_bounds(&arguments),
            _ => Ok(()),
        }
    }
}

/// Functions in FROM pass the same bounds.
pub(crate) fn check_series(name: &str, arguments: &[FunctionArg]) -> Result<(), Refusal> {
    if name != "generate_series" {
        return Ok(());
    }
    let expressions: Vec<&Expr> = arguments
        .iter()
        .filter_map(|argument| match argument {
            FunctionArg::Unnamed(FunctionArgExpr::Expr(expression)) => Some(expression),
            _ => None,
        })
        .collect();
    check_bounds(&expressions)
}

/// Whole numbers must be near each other; dates are bounded by the time limit alone.
fn check_bounds(arguments: &[&Expr]) -> Result<(), Refusal> {
    let number = |index: usize| arguments.get(index).and_then(|expression| literal_number(expression));
    let rows = match (number(0), number(1)) {
        (Some(from), Some(to)) => (to - from).abs() / number(2).map_or(1, i128::abs).max(1),
        (None, None) if arguments.iter().take(2).all(|expression| !has_number(expression)) => 0,
        _ => i128::MAX,
    };
    if rows <= SERIES_ROWS_MAX {
        Ok(())
    } else {
        Err(Refusal::new(Reason::Unbounded, format!("generate_series는 {SERIES_ROWS_MAX}행을 넘을 수 없습니다."))
            .hint("시작과 끝을 숫자나 날짜 상수로 쓰세요."))
    }
}

fn has_number(expression: &Expr) -> bool {
    matches!(expression, Expr::Value(value) if matches!(value.value, Value::Number(..)))
}

fn literal_number(expression: &Expr) -> Option<i128> {
    match expression {
        Expr::Value(value) => match &value.value {
            Value::Number(number, _) => number.parse().ok(),
            _ => None,
        },
        Expr::UnaryOp { op: UnaryOperator::Minus, expr } => literal_number(expr).map(|number| -number),
        Expr::Nested(inner) => literal_number(inner),
        _ => None,
    }
}

/// YEAR, MONTH, … as MariaDB's date arithmetic writes them.
fn is_unit(argument: &FunctionArg) -> bool {
    const UNITS: [&str; 9] = ["microsecond", "second", "minute", "hour", "day", "week", "month", "quarter", "year"];
    matches!(argument, FunctionArg::Unnamed(FunctionArgExpr::Expr(Expr::Identifier(name)))
        if name.quote_style.is_none() && UNITS.iter().any(|unit| name.value.eq_ignore_ascii_case(unit)))
}

/// `%1000000s` and `%*s` build as much text as they are told to.
fn widths_are_small(format: &str) -> bool {
    let mut digits = 0;
    for character in format.chars() {
        match character {
            '0'..='9' => digits += 1,
            '*' => return false,
            _ => digits = 0,
        }
        if 2 < digits {
            return false;
        }
    }
    true
}

/// The column inside brackets and at most one cast to a number that every value fits, if that is
/// all there is. A precision would fail for some people and not for others.
fn bare_column(expression: &mut Expr) -> Option<&mut Expr> {
    match expression {
        Expr::Identifier(_) | Expr::CompoundIdentifier(_) => Some(expression),
        Expr::Nested(inner) => bare_column(inner),
        Expr::Cast {
            kind: CastKind::Cast | CastKind::DoubleColon,
            expr,
            data_type:
                DataType::Numeric(ExactNumberInfo::None)
                | DataType::Decimal(ExactNumberInfo::None)
                | DataType::Double(ExactNumberInfo::None)
                | DataType::DoublePrecision
                | DataType::Real
                | DataType::BigInt(None),
            format: None,
            ..
        } => {
            let mut inner = expr.as_mut();
            while let Expr::Nested(nested) = inner {
                inner = nested;
            }
            matches!(inner, Expr::Identifier(_) | Expr::CompoundIdentifier(_)).then_some(inner)
        }
        _ => None,
    }
}

/// Units that every date and every time has.
const CALM_UNITS: [&str; 5] = ["year", "quarter", "month", "week", "day"];

/// Functions that answer for every value that they can meet.
fn is_calm(name: &str) -> bool {
    functions::is_aggregate(name)
        || matches!(
            name,
            "coalesce"
                | "nullif"
                | "greatest"
                | "least"
                | "lower"
                | "upper"
                | "length"
                | "char_length"
                | "character_length"
                | "trim"
                | "ltrim"
                | "rtrim"
                | "btrim"
                | "left"
                | "right"
                | "reverse"
                | "strpos"
                | "position"
                | "instr"
                | "locate"
                | "extract"
                | "now"
                | "current_date"
                | "current_timestamp"
                | "ifnull"
                | "if"
                | "year"
                | "month"
                | "day"
                | "dayofweek"
                | "dayofmonth"
                | "quarter"
                | "weekday"
                | "date"
                | "curdate"
                | "datediff"
                | "md5"
                | "row_number"
                | "rank"
                | "dense_rank"
                | "ntile"
                | "lag"
                | "lead"
                | "first_value"
                | "last_value"
                | "concat"
                | "concat_ws"
                | "starts_with"
                | "hour"
                | "minute"
                | "date_format"
        )
}
