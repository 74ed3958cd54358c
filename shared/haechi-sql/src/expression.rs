//! Expressions: one match over every node that the parser knows.

use sqlparser::ast::{
    AccessExpr, BinaryOperator, CastKind, CeilFloorKind, DateTimeField, Expr, Ident, Subscript, UnaryOperator, Value,
    WindowFrameBound, WindowSpec, WindowType,
};

use crate::check::Checker;
use crate::fence::aggregate_only;
use crate::limits::{CHAIN_MAX, PATTERN_CHARS_MAX};
use crate::literal::{self, requote};
use crate::operators::{check_collation, check_field, check_operator, is_pattern, repeats_multiply};
use crate::scope::Found;
use crate::{Dialect, MaskKind, Masks, Reason, Refusal, types};

impl Checker<'_> {
    /// Walks an expression and answers which masks have a part in it.
    pub(crate) fn expression(&mut self, expression: &mut Expr) -> Result<Masks, Refusal> {
        self.deeper(|checker| checker.expression_inside(expression))
    }

    /// A condition: what is computed in it may meet rows before the row policy does.
    pub(crate) fn filter(&mut self, expression: &mut Expr) -> Result<Masks, Refusal> {
        let quiet = std::mem::replace(&mut self.quiet, false);
        let masks = self.expression(expression)?;
        self.quiet = quiet;
        Ok(masks)
    }

    /// A place where a bare column picks no row (GROUP BY, ORDER BY, a select list).
    pub(crate) fn plain(&mut self, expression: &mut Expr) -> Result<Masks, Refusal> {
        match self.column_of(expression)? {
            Some(found) => Ok(found.masks),
            None => self.expression(expression),
        }
    }

    /// The column, when the expression is one and nothing else.
    pub(crate) fn column_of(&mut self, expression: &mut Expr) -> Result<Option<Found>, Refusal> {
        match expression {
            Expr::Nested(inner) => self.column_of(inner),
            Expr::Identifier(_) | Expr::CompoundIdentifier(_) => self.column(expression).map(Some),
            _ => Ok(None),
        }
    }

    fn column(&mut self, expression: &mut Expr) -> Result<Found, Refusal> {
        let found = self.column_or_aggregate(expression)?;
        if found.aggregate.is_some() {
            let name = match expression {
                Expr::Identifier(name) => name.value.clone(),
                Expr::CompoundIdentifier(parts) => parts.last().map(|part| part.value.clone()).unwrap_or_default(),
                _ => String::new(),
            };
            return Err(aggregate_only(&name));
        }
        Ok(found)
    }

    /// Resolves a reference; the caller decides whether an aggregate column may stand there.
    pub(crate) fn column_or_aggregate(&mut self, expression: &mut Expr) -> Result<Found, Refusal> {
        self.columns_seen += 1;
        match expression {
            Expr::Identifier(name) => {
                requote(name, self.dialect)?;
                let found = self.resolve(None, name)?;
                if found.unknown {
                    quote_unknown(name, self.dialect);
                }
                Ok(found)
            }
            Expr::CompoundIdentifier(parts) => {
                if parts.len() == 3 && parts.first().is_some_and(|schema| self.catalogue.knows_schema(&schema.value)) {
                    parts.remove(0);
                }
                let [qualifier, name] = parts.as_mut_slice() else {
                    return Err(Refusal::new(Reason::Column, "세 부분이 넘는 열 이름은 쓸 수 없습니다.")
                        .hint("표.열 형태로 쓰세요."));
                };
                requote(qualifier, self.dialect)?;
                requote(name, self.dialect)?;
                let found = self.resolve(Some(qualifier), name)?;
                if found.unknown {
                    quote_unknown(name, self.dialect);
                }
                Ok(found)
            }
            _ => Err(Refusal::expression("이 자리의")),
        }
    }

    fn expression_inside(&mut self, expression: &mut Expr) -> Result<Masks, Refusal> {
        let seen = self.columns_seen;
        let mut can_fail = false;
        let masks = match expression {
            Expr::Identifier(_) | Expr::CompoundIdentifier(_) => {
                let found = self.column(expression)?;
                self.picks_rows |= singles_out(&found);
                found.masks
            }
            Expr::Value(value) => {
                self.literal(&mut value.value)?;
                Masks::NONE
            }
            Expr::Nested(inner)
            | Expr::IsFalse(inner)
            | Expr::IsNotFalse(inner)
            | Expr::IsTrue(inner)
            | Expr::IsNotTrue(inner)
            | Expr::IsNull(inner)
            | Expr::IsNotNull(inner)
            | Expr::IsUnknown(inner)
            | Expr::IsNotUnknown(inner) => self.expression(inner)?,
            Expr::IsDistinctFrom(left, right) | Expr::IsNotDistinctFrom(left, right) => {
                self.expression(left)?.with(self.expression(right)?)
            }
            Expr::InList { expr, list, negated: _ } => {
                if self.options.limits.in_items_max < list.len() {
                    return Err(Refusal::new(
                        Reason::TooLarge,
                        format!("IN 목록이 {}개로 한도 {}개를 넘습니다.", list.len(), self.options.limits.in_items_max),
                    )
                    .hint("조건을 BETWEEN이나 하위 질의로 바꾸세요."));
                }
                let mut masks = self.expression(expr)?;
                for item in list {
                    masks = masks.with(self.expression(item)?);
                }
                masks
            }
            Expr::InSubquery { expr, subquery, negated: _ } => {
                let found = self.column_of(expr)?;
                let masks = match found {
                    Some(found) => found.masks,
                    None => self.expression(expr)?,
                };
                let tables = self.tables_used;
                let output = self.query(subquery, false)?;
                // A list of values in the dress of a query picks rows like any list.
                self.picks_rows |= tables == self.tables_used && found.is_some_and(|found| singles_out(&found));
                output.columns.iter().fold(masks, |all, column| all.with(column.masks))
            }
            Expr::Between { expr, negated: _, low, high } => {
                self.expression(expr)?.with(self.expression(low)?).with(self.expression(high)?)
            }
            Expr::BinaryOp { .. } => return self.operators(expression),
            Expr::Like { negated: _, any, expr, pattern, escape_char }
            | Expr::ILike { negated: _, any, expr, pattern, escape_char } => {
                if *any {
                    return Err(Refusal::expression("LIKE ANY"));
                }
                can_fail = true;
                let mut masks = self.expression(expr)?;
                if matches!(pattern.as_ref(), Expr::Value(value) if literal_text(&value.value).is_some_and(|text| !text.ends_with('\\')))
                    && escape_char.is_none()
                {
                    can_fail = false;
                }
                masks = masks.with(self.expression(pattern)?);
                if let Some(escape) = escape_char {
                    masks = masks.with(self.expression(escape)?);
                }
                masks
            }
            Expr::SimilarTo { negated: _, expr, pattern, escape_char } => {
                self.pattern(pattern)?;
                can_fail = true;
                let masks = self.expression(expr)?.with(self.expression(pattern)?);
                if escape_char.is_some() {
                    return Err(Refusal::expression("SIMILAR TO … ESCAPE"));
                }
                masks
            }
            Expr::RLike { negated: _, expr, pattern, regexp: _ } => {
                self.pattern(pattern)?;
                can_fail = true;
                self.expression(expr)?.with(self.expression(pattern)?)
            }
            Expr::AnyOp { left, compare_op, right, is_some: _ } | Expr::AllOp { left, compare_op, right } => {
                check_operator(compare_op, self.dialect)?;
                self.expression(left)?.with(self.expression(right)?)
            }
            Expr::UnaryOp { op, expr } => {
                match op {
                    UnaryOperator::Plus | UnaryOperator::Minus | UnaryOperator::Not => {}
                    UnaryOperator::BitwiseNot
                    | UnaryOperator::PGAbs
                    | UnaryOperator::PGCubeRoot
                    | UnaryOperator::PGSquareRoot => {
                        can_fail = true;
                    }
                    UnaryOperator::BangNot if self.dialect == Dialect::MySql => {}
                    UnaryOperator::BangNot
                    | UnaryOperator::AtDashAt
                    | UnaryOperator::DoubleAt
                    | UnaryOperator::Hash
                    | UnaryOperator::PGPostfixFactorial
                    | UnaryOperator::PGPrefixFactorial
                    | UnaryOperator::QuestionDash
                    | UnaryOperator::QuestionPipe => return Err(Refusal::expression("이 단항 연산자")),
                }
                self.expression(expr)?
            }
            Expr::Cast { kind, expr, data_type, format } => {
                match kind {
                    CastKind::Cast => {}
                    CastKind::DoubleColon if self.dialect == Dialect::Postgres => {}
                    CastKind::DoubleColon | CastKind::TryCast | CastKind::SafeCast => {
                        return Err(Refusal::expression("이 형태의 CAST"));
                    }
                }
                if format.is_some() {
                    return Err(Refusal::expression("CAST … FORMAT"));
                }
                types::check(data_type)?;
                can_fail = self.dialect != Dialect::Sqlite;
                self.expression(expr)?
            }
            Expr::Convert { is_try, expr, data_type, charset, target_before_value, styles } => {
                let plain = !*is_try && charset.is_none() && !*target_before_value && styles.is_empty();
                let (true, Some(data_type), Dialect::MySql) = (plain, data_type, self.dialect) else {
                    return Err(Refusal::expression("이 형태의 CONVERT").hint("CAST(식 AS 자료형)으로 쓰세요."));
                };
                types::check(data_type)?;
                can_fail = true;
                self.expression(expr)?
            }
            Expr::AtTimeZone { timestamp, time_zone } => {
                can_fail = true;
                self.expression(timestamp)?.with(self.expression(time_zone)?)
            }
            Expr::Extract { field, syntax: _, expr } => {
                check_field(field)?;
                // A date has no hour, and an error would tell which rows were met.
                can_fail = self.dialect == Dialect::Postgres
                    && !matches!(
                        field,
                        DateTimeField::Year
                            | DateTimeField::Quarter
                            | DateTimeField::Month
                            | DateTimeField::Week(None)
                            | DateTimeField::Day
                    );
                self.expression(expr)?
            }
            Expr::Ceil { expr, field } | Expr::Floor { expr, field } => {
                match field {
                    CeilFloorKind::DateTimeField(DateTimeField::NoDateTime) => {}
                    CeilFloorKind::DateTimeField(_) | CeilFloorKind::Scale(_) => {
                        return Err(Refusal::expression("CEIL/FLOOR … TO"));
                    }
                }
                self.expression(expr)?
            }
            Expr::Position { expr, r#in } => self.expression(expr)?.with(self.expression(r#in)?),
            Expr::Substring { expr, substring_from, substring_for, special: _, shorthand: _ } => {
                can_fail = self.dialect == Dialect::Postgres;
                let mut masks = self.expression(expr)?;
                for part in [substring_from, substring_for].into_iter().flatten() {
                    masks = masks.with(self.expression(part)?);
                }
                masks
            }
            Expr::Trim { trim_where: _, trim_what, expr, trim_characters } => {
                let mut masks = self.expression(expr)?;
                for part in trim_what.iter_mut().map(AsMut::as_mut).chain(trim_characters.iter_mut().flatten()) {
                    masks = masks.with(self.expression(part)?);
                }
                masks
            }
            Expr::Overlay { expr, overlay_what, overlay_from, overlay_for } => {
                can_fail = true;
                let mut masks =
                    self.expression(expr)?.with(self.expression(overlay_what)?).with(self.expression(overlay_from)?);
                if let Some(part) = overlay_for {
                    masks = masks.with(self.expression(part)?);
                }
                masks
            }
            Expr::Collate { expr, collation } => {
                check_collation(collation, self.dialect)?;
                self.expression(expr)?
            }
            Expr::TypedString(typed) => {
                types::check(&typed.data_type)?;
                if typed.uses_odbc_syntax {
                    return Err(Refusal::expression("{d '…'}"));
                }
                self.literal(&mut typed.value.value)?;
                Masks::NONE
            }
            Expr::Function(function) => return self.call(function),
            Expr::Case { case_token: _, end_token: _, operand, conditions, else_result } => {
                let mut masks = Masks::NONE;
                if let Some(operand) = operand {
                    masks = masks.with(self.expression(operand)?);
                }
                for when in conditions {
                    masks = masks.with(self.expression(&mut when.condition)?).with(self.expression(&mut when.result)?);
                }
                if let Some(result) = else_result {
                    masks = masks.with(self.expression(result)?);
                }
                masks
            }
            Expr::Exists { subquery, negated: _ } => {
                self.query(subquery, false)?;
                Masks::NONE
            }
            Expr::Subquery(query) => {
                // More than one row is an error, and whether it is one depends on rows.
                can_fail = true;
                self.query(query, false)?.columns.iter().fold(Masks::NONE, |all, column| all.with(column.masks))
            }
            Expr::Tuple(items) => {
                let mut masks = Masks::NONE;
                for item in items {
                    masks = masks.with(self.expression(item)?);
                }
                masks
            }
            Expr::Array(array) if self.dialect == Dialect::Postgres => {
                let mut masks = Masks::NONE;
                for item in &mut array.elem {
                    masks = masks.with(self.expression(item)?);
                }
                masks
            }
            Expr::Interval(interval) => {
                for field in [&interval.leading_field, &interval.last_field].into_iter().flatten() {
                    check_field(field)?;
                }
                if interval.leading_precision.is_some() || interval.fractional_seconds_precision.is_some() {
                    return Err(Refusal::expression("INTERVAL의 정밀도"));
                }
                self.expression(&mut interval.value)?
            }
            Expr::CompoundFieldAccess { root, access_chain } if self.dialect == Dialect::Postgres => {
                can_fail = true;
                let mut masks = self.expression(root)?;
                for access in access_chain {
                    match access {
                        // PostgreSQL reads `(value).name` as the call `name(value)` of any function.
                        AccessExpr::Dot(_) => return Err(Refusal::expression("(값).이름 형태의")),
                        AccessExpr::Subscript(Subscript::Index { index }) => {
                            masks = masks.with(self.expression(index)?)
                        }
                        AccessExpr::Subscript(Subscript::Slice { lower_bound, upper_bound, stride }) => {
                            for part in [lower_bound, upper_bound, stride].into_iter().flatten() {
                                masks = masks.with(self.expression(part)?);
                            }
                        }
                    }
                }
                masks
            }
            Expr::GroupingSets(_) | Expr::Cube(_) | Expr::Rollup(_) => {
                return Err(Refusal::expression("이 자리의 GROUPING SETS"));
            }
            Expr::CompoundFieldAccess { .. }
            | Expr::Array(_)
            | Expr::JsonAccess { .. }
            | Expr::IsJson { .. }
            | Expr::IsNormalized { .. }
            | Expr::InUnnest { .. }
            | Expr::Prefixed { .. }
            | Expr::Struct { .. }
            | Expr::Named { .. }
            | Expr::Dictionary(_)
            | Expr::Map(_)
            | Expr::MatchAgainst { .. }
            | Expr::Wildcard(_)
            | Expr::QualifiedWildcard(..)
            | Expr::OuterJoin(_)
            | Expr::Prior(_)
            | Expr::Lambda(_)
            | Expr::MemberOf(_) => return Err(Refusal::expression("이 형태의")),
        };
        self.note_failure(can_fail, seen);
        Ok(masks)
    }

    /// Something that can fail on a row matters where rows are met that the asker may not see.
    pub(crate) fn note_failure(&mut self, can_fail: bool, seen: usize) {
        if can_fail && !self.quiet && seen < self.columns_seen {
            self.noisy = true;
        }
    }

    pub(crate) fn literal(&mut self, value: &mut Value) -> Result<(), Refusal> {
        literal::rewrite(value, self.dialect, self.options, &mut self.parameters)
    }

    /// Walks `a AND b AND c …`, which leans to the left and may be long, without recursion.
    fn operators(&mut self, expression: &mut Expr) -> Result<Masks, Refusal> {
        let seen = self.columns_seen;
        let mut masks = Masks::NONE;
        let mut can_fail = false;
        let mut next = expression;
        let mut length = 0_usize;
        loop {
            let Expr::BinaryOp { left, op, right } = next else {
                masks = masks.with(self.expression(next)?);
                break;
            };
            length += 1;
            if CHAIN_MAX < length {
                return Err(Refusal::new(Reason::TooLarge, format!("연산자를 {CHAIN_MAX}개 넘게 이을 수 없습니다."))
                    .hint("식을 나누세요."));
            }
            can_fail |= check_operator(op, self.dialect)?;
            if is_pattern(op) {
                self.pattern(right)?;
            }
            // Joining two tables by a key picks no row.
            if *op == BinaryOperator::Eq
                && let (true, true) = (is_column(left), is_column(right))
            {
                let one = self.column_of(left)?;
                let two = self.column_of(right)?;
                for (found, other) in [(one, two), (two, one)] {
                    let Some(found) = found else { continue };
                    masks = masks.with(found.masks);
                    self.picks_rows |= singles_out(&found) && other.is_none_or(|other| other.base.is_none());
                }
                break;
            }
            masks = masks.with(self.expression(right)?);
            next = left;
        }
        self.note_failure(can_fail, seen);
        Ok(masks)
    }

    /// A regular expression must be a short literal whose repetitions do not multiply.
    pub(crate) fn pattern(&mut self, pattern: &Expr) -> Result<(), Refusal> {
        let text = match pattern {
            Expr::Value(value) => literal_text(&value.value),
            _ => None,
        };
        let Some(text) = text else {
            return Err(Refusal::new(Reason::Expression, "정규식은 글자 상수로만 쓸 수 있습니다.")
                .hint("'^[0-9]+$'처럼 상수로 쓰세요."));
        };
        if PATTERN_CHARS_MAX < text.chars().count() || repeats_multiply(&text) {
            return Err(Refusal::new(Reason::TooLarge, "정규식이 너무 길거나 반복이 겹칩니다.")
                .hint("LIKE나 더 짧은 정규식을 쓰세요."));
        }
        Ok(())
    }

    pub(crate) fn window_type(&mut self, window: &mut WindowType) -> Result<(), Refusal> {
        match window {
            WindowType::WindowSpec(window) => self.window(window),
            WindowType::NamedWindow(name) => requote(name, self.dialect),
        }
    }

    pub(crate) fn window(&mut self, window: &mut WindowSpec) -> Result<(), Refusal> {
        self.picks_by_place = true;
        if let Some(name) = &mut window.window_name {
            requote(name, self.dialect)?;
        }
        for expression in &mut window.partition_by {
            self.plain(expression)?;
        }
        self.order(&mut window.order_by)?;
        if let Some(frame) = &mut window.window_frame {
            for bound in std::iter::once(&mut frame.start_bound).chain(frame.end_bound.as_mut()) {
                match bound {
                    WindowFrameBound::CurrentRow
                    | WindowFrameBound::Preceding(None)
                    | WindowFrameBound::Following(None) => {}
                    WindowFrameBound::Preceding(Some(expression)) | WindowFrameBound::Following(Some(expression)) => {
                        self.expression(expression)?;
                    }
                }
            }
        }
        Ok(())
    }
}

/// Whether a condition on this column can mean one person: a key, or what a mask left of an identifier.
pub(crate) fn singles_out(found: &Found) -> bool {
    found.unique
        || found
            .masks
            .kinds()
            .any(|kind| matches!(kind, MaskKind::Partial | MaskKind::Token | MaskKind::Scan | MaskKind::Json))
}

fn is_column(expression: &Expr) -> bool {
    match expression {
        Expr::Nested(inner) => is_column(inner),
        Expr::Identifier(_) | Expr::CompoundIdentifier(_) => true,
        _ => false,
    }
}

/// A name that only the database knows is quoted, so that it cannot be a function without brackets.
fn quote_unknown(name: &mut Ident, dialect: Dialect) {
    if name.quote_style.is_none() {
        if dialect == Dialect::Postgres {
            name.value = name.value.to_ascii_lowercase();
        }
        name.quote_style = Some(dialect.quote());
    }
}

pub(crate) fn literal_text(value: &Value) -> Option<String> {
    match value {
        Value::SingleQuotedString(text) | Value::DoubleQuotedString(text) | Value::EscapedStringLiteral(text) => {
            Some(text.clone())
        }
        Value::DollarQuotedString(dollar) => Some(dollar.value.clone()),
        _ => None,
    }
}
