//! The whole way of one statement: tokens, tree, walk, print.

use std::collections::BTreeSet;

use sqlparser::ast::{Expr, LimitClause, Query, SetExpr, Statement, Value};
use sqlparser::parser::{Parser, ParserError};

use crate::lexical;
use crate::limits::ParameterType;
use crate::scope::{Frame, Output};
use crate::{Catalogue, Dialect, MaskKind, Masks, Options, Reason, Refusal};

/// A column of the result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutputColumn {
    /// The name that the statement gives it, or the expression as it was written.
    pub name: String,
    /// The mask of the column when the result is that column and nothing else.
    pub direct: Option<MaskKind>,
    /// Every mask that has a part in the result.
    pub masks: Masks,
}

/// A statement that may run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checked {
    /// The text to run, printed from the checked tree.
    pub sql: String,
    /// The parameters in the order in which they are bound.
    pub parameters: Vec<String>,
    /// The result columns; shorter than the result where only the database knows them.
    pub columns: Vec<OutputColumn>,
    /// The tables of the catalogue that it reads.
    pub tables: BTreeSet<String>,
    /// It stands in an aggregate over a column that only aggregates may use.
    pub statistics: bool,
    /// The LIMIT of the options is on it, so one row more than wanted means more rows exist.
    pub limited: bool,
}

/// Checks one statement against what the asker may see.
pub fn check(sql: &str, catalogue: &Catalogue, options: &Options) -> Result<Checked, Refusal> {
    let dialect = catalogue.dialect();
    let tokens = lexical::tokens(sql, dialect, &options.limits)?;
    let mut query = parse(tokens, dialect, options)?;
    let mut checker = Checker::new(catalogue, options);
    let output = checker.query(&mut query, true)?;
    checker.finish()?;
    let limited = options.row_limit.is_some_and(|limit| clamp(&mut query, limit));
    let (sql, parameters) = checker.print(&query);
    Ok(Checked {
        sql,
        parameters,
        columns: output
            .columns
            .iter()
            .map(|column| OutputColumn {
                name: if column.name.is_empty() { column.title.clone() } else { column.name.clone() },
                direct: column.direct,
                masks: column.masks,
            })
            .collect(),
        tables: checker.tables,
        statistics: checker.statistics_scopes > 0,
        limited,
    })
}

fn parse(
    tokens: Vec<sqlparser::tokenizer::TokenWithSpan>,
    dialect: Dialect,
    options: &Options,
) -> Result<Box<Query>, Refusal> {
    // One level of nesting costs the parser about two calls that it counts.
    let depth = options.limits.nesting_max.saturating_mul(2).max(20);
    let statements = Parser::new(dialect.grammar())
        .with_recursion_limit(depth)
        .with_tokens_with_locations(tokens)
        .parse_statements()
        .map_err(|error| match error {
            ParserError::RecursionLimitExceeded => {
                Refusal::new(Reason::TooLarge, "괄호나 하위 질의가 너무 깊습니다.").hint("WITH 절로 나누어 쓰세요.")
            }
            ParserError::TokenizerError(message) | ParserError::ParserError(message) => {
                lexical::syntax(&place(&message))
            }
        })?;
    let mut statements = statements.into_iter();
    let (Some(statement), None) = (statements.next(), statements.next()) else {
        return Err(Refusal::new(Reason::NotOne, "SQL은 한 문장이어야 합니다.")
            .hint("SELECT 문 하나만 쓰고 ;는 끝에만 두세요."));
    };
    match statement {
        Statement::Query(query) => Ok(query),
        Statement::Explain { .. } | Statement::ExplainTable { .. } => {
            Err(Refusal::new(Reason::Statement, "EXPLAIN은 여기서 쓸 수 없습니다.")
                .hint("실행 계획은 explain_customer_query로 보세요."))
        }
        // Everything that is not a query, known to the parser or added to it later.
        _ => Err(Refusal::new(Reason::Statement, "조회(SELECT) 문만 쓸 수 있습니다.").hint("SELECT 문 하나를 쓰세요.")),
    }
}

/// The place in a parser message. The message itself may quote the statement, and so data.
fn place(message: &str) -> String {
    let numbers = message.rsplit_once("Line: ").map(|(_, rest)| rest);
    let parsed = numbers.and_then(|rest| rest.split_once(", Column: "));
    match parsed {
        Some((line, column)) => {
            let digits = |text: &str| text.chars().take_while(char::is_ascii_digit).collect::<String>();
            format!("{}행 {}열", digits(line), digits(column))
        }
        None => "문장 끝".to_owned(),
    }
}

/// Puts the limit on the outermost query, unless it has a smaller one or one that is computed.
fn clamp(query: &mut Query, limit: u64) -> bool {
    let number = |limit: u64| Expr::Value(Value::Number(limit.to_string(), false).into());
    let larger = |expression: &Expr| match expression {
        Expr::Value(value) => match &value.value {
            Value::Number(number, _) => number.parse::<u64>().is_ok_and(|written| limit < written),
            Value::Null => true,
            _ => false,
        },
        _ => false,
    };
    // VALUES takes no LIMIT in SQLite, and its rows are counted before.
    if query.fetch.is_some() || matches!(query.body.as_ref(), SetExpr::Values(_)) {
        return false;
    }
    match &mut query.limit_clause {
        None => {
            query.limit_clause =
                Some(LimitClause::LimitOffset { limit: Some(number(limit)), offset: None, limit_by: Vec::new() });
            true
        }
        Some(LimitClause::LimitOffset { limit: written, .. }) => {
            if written.as_ref().is_none_or(larger) {
                *written = Some(number(limit));
                true
            } else {
                false
            }
        }
        Some(LimitClause::OffsetCommaLimit { limit: written, .. }) => {
            if larger(written) {
                *written = number(limit);
                true
            } else {
                false
            }
        }
    }
}

/// Everything that one walk over the tree knows.
pub(crate) struct Checker<'a> {
    pub(crate) catalogue: &'a Catalogue,
    pub(crate) options: &'a Options,
    pub(crate) dialect: Dialect,
    pub(crate) frames: Vec<Frame>,
    /// CTEs in reach: the name as written, the name as printed, the columns.
    pub(crate) ctes: Vec<(String, String, Output)>,
    pub(crate) ctes_made: usize,
    pub(crate) depth: usize,
    pub(crate) tables: BTreeSet<String>,
    pub(crate) tables_used: usize,
    /// The names of the select list may be meant (ORDER BY, GROUP BY, HAVING).
    pub(crate) aliases_visible: bool,
    /// What stands here is computed only for rows that the asker may see.
    pub(crate) quiet: bool,
    /// Something that can fail on a row may meet a row before the row policy does.
    pub(crate) noisy: bool,
    pub(crate) columns_seen: usize,
    pub(crate) statistics_scopes: usize,
    /// A unique column is compared with something: rows can be picked one by one.
    pub(crate) picks_rows: bool,
    /// Something that can pick rows without a condition: windows, limits inside, DISTINCT ON.
    pub(crate) picks_by_place: bool,
    pub(crate) parameters: Vec<String>,
    /// The ends of fences, decided when the whole statement is known.
    pub(crate) fence_ends: Vec<String>,
    /// Depth of SELECTs, to tell the outermost.
    pub(crate) selects: usize,
    /// Queries that were walked, to tell whether a SELECT holds others.
    pub(crate) queries: usize,
}

/// Stands for a value in statements of MariaDB and MySQL, whose text protocol has no parameters.
/// No literal and no name can hold it.
pub const PARAMETER: &str = "\u{2}";

/// Marks the end of a fence in the printed text; literals and names cannot hold it.
pub(crate) const FENCE_MARK: char = '\u{1}';
/// Marks a parameter in the printed text.
pub(crate) const PARAMETER_MARK: char = '\u{2}';

impl<'a> Checker<'a> {
    fn new(catalogue: &'a Catalogue, options: &'a Options) -> Self {
        Self {
            catalogue,
            options,
            dialect: catalogue.dialect(),
            frames: Vec::new(),
            ctes: Vec::new(),
            ctes_made: 0,
            depth: 0,
            tables: BTreeSet::new(),
            tables_used: 0,
            aliases_visible: false,
            quiet: false,
            noisy: false,
            columns_seen: 0,
            statistics_scopes: 0,
            picks_rows: false,
            picks_by_place: false,
            parameters: Vec::new(),
            fence_ends: Vec::new(),
            selects: 0,
            queries: 0,
        }
    }

    /// Rules about the statement as a whole.
    fn finish(&self) -> Result<(), Refusal> {
        if self.statistics_scopes == 0 {
            return Ok(());
        }
        let people = self.catalogue.group_min;
        if 1 < self.statistics_scopes {
            return Err(Refusal::new(Reason::Aggregate, "집계 전용 열은 한 문장에서 한 번만 집계할 수 있습니다.")
                .hint("두 집계의 차이로 한 사람의 값이 드러날 수 있습니다. 질의를 하나의 GROUP BY로 쓰세요."));
        }
        if self.picks_rows || self.picks_by_place {
            return Err(Refusal::new(
                Reason::Aggregate,
                "집계 전용 열을 집계할 때는 개별 고객을 골라내는 조건을 쓸 수 없습니다.",
            )
            .hint(format!("등급·지점처럼 {people}명 이상이 속하는 속성으로 거르거나 묶으세요.")));
        }
        Ok(())
    }

    /// Prints the tree and settles what was marked.
    fn print(&self, query: &Query) -> (String, Vec<String>) {
        let printed = query.to_string();
        let mut sql = String::with_capacity(printed.len());
        let mut bound: Vec<String> = Vec::new();
        let mut rest = printed.as_str();
        while let Some(start) = rest.find([FENCE_MARK, PARAMETER_MARK]) {
            let (before, marked) = rest.split_at(start);
            sql.push_str(before);
            let is_fence = marked.starts_with(FENCE_MARK);
            let mut parts = marked.splitn(3, [FENCE_MARK, PARAMETER_MARK]);
            let inner = parts.nth(1).unwrap_or_default();
            rest = parts.next().unwrap_or_default();
            if is_fence {
                if self.noisy
                    && let Some(end) = inner.parse::<usize>().ok().and_then(|index| self.fence_ends.get(index))
                {
                    // A fence end may itself hold parameters that were pushed inside.
                    let mut end_rest = end.as_str();
                    while let Some((before, after)) = end_rest.split_once(PARAMETER_MARK) {
                        sql.push_str(before);
                        let (name, after) = after.split_once(PARAMETER_MARK).unwrap_or((after, ""));
                        sql.push_str(&self.bind(name, &mut bound));
                        end_rest = after;
                    }
                    sql.push_str(end_rest);
                }
            } else {
                sql.push_str(&self.bind(inner, &mut bound));
            }
        }
        sql.push_str(rest);
        (sql, bound)
    }

    fn bind(&self, name: &str, bound: &mut Vec<String>) -> String {
        let position = |bound: &mut Vec<String>| match bound.iter().position(|known| known == name) {
            Some(index) => index + 1,
            None => {
                bound.push(name.to_owned());
                bound.len()
            }
        };
        let data_type = self.options.parameters.get(name).copied().unwrap_or(ParameterType::Text);
        match self.dialect {
            Dialect::Sqlite => format!("?{}", position(bound)),
            Dialect::Postgres => {
                let number = position(bound);
                match data_type {
                    ParameterType::Text => format!("${number}::text"),
                    ParameterType::Integer => format!("${number}::text::bigint"),
                    ParameterType::Decimal => format!("${number}::text::numeric"),
                    ParameterType::Date => format!("${number}::text::date"),
                    ParameterType::Boolean => format!("${number}::text::boolean"),
                }
            }
            Dialect::MySql => {
                bound.push(name.to_owned());
                match data_type {
                    ParameterType::Text | ParameterType::Integer | ParameterType::Boolean => PARAMETER.to_owned(),
                    ParameterType::Decimal => format!("CAST({PARAMETER} AS DECIMAL(38, 10))"),
                    ParameterType::Date => format!("CAST({PARAMETER} AS DATE)"),
                }
            }
        }
    }
}
