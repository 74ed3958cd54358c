//! SQL over extracted tables: an in-memory database that holds nothing else, behind the guard for
//! read-only statements.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use haechi_contract::tables::{Column as ContractColumn, NamedSource, QueryRows, QueryTables, Source};
use haechi_sql::{Catalogue, Dialect, Options};
use serde_json::Value as Json;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteRow};
use sqlx::{AssertSqlSafe, Column as _, ConnectOptions, Row as _, TypeInfo as _, ValueRef as _};

use crate::error::Error;
use crate::library::{Loaded, contract_column};
use crate::table::ColumnKind;
use crate::value::{Value, json_number};

pub const ROWS_DEFAULT: u64 = 200;
pub const ROWS_MAX: u64 = 5_000;
pub const TABLES_MAX: usize = 12;
/// Rows of a table that a query works on.
pub const TABLE_ROWS_MAX: u64 = 200_000;
const TIME_MAX: Duration = Duration::from_secs(10);

/// Columns that every table has besides its own: where a row stands, and whether it is a total.
pub const PLACE_COLUMN: &str = "_위치";
pub const KIND_COLUMN: &str = "_행구분";

/// Checks the names that tables shall have in a statement.
pub fn check_names(tables: &[NamedSource]) -> Result<(), Error> {
    let input = |message: &str, hint: &str| Error::Input { message: message.to_owned(), hint: Some(hint.to_owned()) };
    if tables.is_empty() || TABLES_MAX < tables.len() {
        return Err(input(
            "조회할 표를 1개 이상 12개 이하로 적어 주십시오",
            "tables에 {\"id\": …, \"name\": …}을 적습니다",
        ));
    }
    for (index, table) in tables.iter().enumerate() {
        let name = table.name.as_str();
        let fits = !name.is_empty()
            && name.chars().count() <= 60
            && name.chars().all(|character| character.is_alphanumeric() || character == '_')
            && !name.to_lowercase().starts_with("sqlite");
        if !fits {
            return Err(input("표 이름에는 글자, 숫자, 밑줄만 쓸 수 있습니다", "예: loans, 업종별"));
        }
        if tables.iter().take(index).any(|other| other.name.eq_ignore_ascii_case(name)) {
            return Err(input("같은 이름을 두 표에 쓸 수 없습니다", "표마다 다른 name을 적어 주십시오"));
        }
    }
    Ok(())
}

/// Runs a statement over loaded tables.
pub async fn run(
    input: &QueryTables,
    loaded: &[Loaded],
    cancelled: impl Fn() -> bool + Send + 'static,
) -> Result<QueryRows, Error> {
    let limit = input.limit.unwrap_or(ROWS_DEFAULT).clamp(1, ROWS_MAX);
    let names: Vec<(String, Vec<String>)> =
        input.tables.iter().zip(loaded).map(|(source, table)| (source.name.clone(), column_names(table))).collect();
    let catalogue = Catalogue::open(Dialect::Sqlite, names.clone());
    // One row more than asked tells whether there are more.
    let options = Options { row_limit: Some(limit + 1), ..Options::default() };
    let checked = haechi_sql::check(&input.sql, &catalogue, &options)
        .map_err(|refusal| Error::Refused { message: refusal.message, hint: refusal.hint })?;
    let mut connection = SqliteConnectOptions::new().in_memory(true).connect().await.map_err(internal)?;
    for ((name, columns), table) in names.iter().zip(loaded) {
        fill(&mut connection, name, columns, table).await?;
    }
    sqlx::query("PRAGMA query_only = ON").execute(&mut connection).await.map_err(internal)?;
    let stopped = Arc::new(AtomicBool::new(false));
    watch(&mut connection, stopped.clone(), cancelled).await?;
    // The text was printed by the guard from the tree that it checked.
    let rows = sqlx::query(AssertSqlSafe(checked.sql.clone())).fetch_all(&mut connection).await;
    let rows = match rows {
        Ok(rows) => rows,
        Err(_) if stopped.load(Ordering::Relaxed) => {
            return Err(Error::Refused {
                message: "조회가 너무 오래 걸려 멈췄습니다".to_owned(),
                hint: Some("조인 조건이나 WHERE를 좁혀 주십시오".to_owned()),
            });
        }
        Err(error) => {
            tracing::debug!(kind = ?error.as_database_error().and_then(|error| error.code().map(|code| code.into_owned())), "query failed");
            return Err(Error::Refused {
                message: "SQL을 실행하지 못했습니다".to_owned(),
                hint: Some("열 이름을 큰따옴표로 감쌌는지, 형식이 맞는지 확인해 주십시오".to_owned()),
            });
        }
    };
    let wanted = usize::try_from(limit).unwrap_or(usize::MAX);
    let truncated = wanted < rows.len();
    let columns =
        output_columns(&rows, &checked.columns.iter().map(|column| column.name.clone()).collect::<Vec<_>>(), loaded);
    let values = rows.iter().take(wanted).map(row_values).collect();
    let mut notes = Vec::new();
    for (source, table) in input.tables.iter().zip(loaded) {
        let totals = table.rows.iter().filter(|row| row.kind.is_some()).count();
        if 0 < totals {
            notes.push(format!(
                "`{}`에 합계·구분 행이 {totals}개 있습니다. 빼려면 WHERE \"{KIND_COLUMN}\" IS NULL",
                source.name
            ));
        }
        if table.truncated {
            notes.push(format!("`{}`은(는) 앞의 {}행만 조회했습니다", source.name, table.rows.len()));
        }
    }
    let sources = input
        .tables
        .iter()
        .zip(loaded)
        .map(|(source, table)| Source {
            name: source.name.clone(),
            id: table.id(),
            citation: table.citation(),
            uri: table.uri(),
            columns: table.table.head.columns.iter().map(contract_column).collect(),
            rows: u64::try_from(table.rows.len()).unwrap_or(u64::MAX),
        })
        .collect();
    Ok(QueryRows { columns, rows: values, sql: checked.sql, sources, truncated, notes })
}

fn column_names(table: &Loaded) -> Vec<String> {
    let mut names: Vec<String> = table.table.head.columns.iter().map(|column| column.name.clone()).collect();
    names.push(KIND_COLUMN.to_owned());
    names.push(PLACE_COLUMN.to_owned());
    names
}

fn internal(error: sqlx::Error) -> Error {
    tracing::error!(kind = ?std::mem::discriminant(&error), "in-memory database");
    Error::Internal
}

async fn fill(connection: &mut SqliteConnection, name: &str, names: &[String], table: &Loaded) -> Result<(), Error> {
    let columns = &table.table.head.columns;
    let definitions: Vec<String> = names
        .iter()
        .enumerate()
        .map(|(index, name)| {
            let affinity = match columns.get(index).map(|column| column.kind) {
                Some(ColumnKind::Integer | ColumnKind::Boolean) => "INTEGER",
                Some(ColumnKind::Number | ColumnKind::Percent) => "REAL",
                _ => "TEXT",
            };
            format!("{} {affinity}", Dialect::Sqlite.name(name))
        })
        .collect();
    let quoted = Dialect::Sqlite.name(name);
    // Names are quoted by the dialect, and values are bound.
    let create = format!("CREATE TABLE {quoted} ({})", definitions.join(", "));
    sqlx::query(AssertSqlSafe(create)).execute(&mut *connection).await.map_err(internal)?;
    let marks = vec!["?"; names.len()].join(", ");
    let insert = format!("INSERT INTO {quoted} VALUES ({marks})");
    sqlx::query("BEGIN").execute(&mut *connection).await.map_err(internal)?;
    for row in &table.rows {
        let mut query = sqlx::query(AssertSqlSafe(insert.clone()));
        for column in columns {
            let value = row.cells.get(column.index).map_or(Value::Empty, |cell| cell.typed(column.kind));
            query = match value {
                Value::Empty => query.bind(None::<String>),
                Value::Number(number) if column.kind == ColumnKind::Integer && number.fract() == 0.0 => {
                    #[expect(
                        clippy::cast_possible_truncation,
                        reason = "cells hold integers of at most 53 bits exactly"
                    )]
                    let integer = number as i64;
                    query.bind(integer)
                }
                Value::Number(number) => query.bind(number),
                Value::Bool(bool) => query.bind(i64::from(bool)),
                Value::Text(text) => query.bind(text.trim().to_owned()),
                Value::Date(text) | Value::Duration(text) | Value::Error(text) => query.bind(text),
            };
        }
        query = query.bind(row.kind.map(|kind| kind.as_str())).bind(row.range.clone());
        query.execute(&mut *connection).await.map_err(internal)?;
    }
    sqlx::query("COMMIT").execute(&mut *connection).await.map_err(internal)?;
    Ok(())
}

/// Lets the database look at the clock and at the caller every few thousand steps.
async fn watch(
    connection: &mut SqliteConnection,
    stopped: Arc<AtomicBool>,
    cancelled: impl Fn() -> bool + Send + 'static,
) -> Result<(), Error> {
    const STEPS: i32 = 5_000;
    let deadline = Instant::now() + TIME_MAX;
    let mut handle = connection.lock_handle().await.map_err(internal)?;
    handle.set_progress_handler(STEPS, move || {
        let go_on = Instant::now() < deadline && !cancelled();
        if !go_on {
            stopped.store(true, Ordering::Relaxed);
        }
        go_on
    });
    Ok(())
}

fn output_columns(rows: &[SqliteRow], names: &[String], loaded: &[Loaded]) -> Vec<ContractColumn> {
    let known =
        |name: &str| loaded.iter().flat_map(|table| &table.table.head.columns).find(|column| column.name == name);
    let first = rows.first();
    let count = first.map_or(names.len(), |row| row.columns().len());
    (0..count)
        .map(|index| {
            let name = first
                .and_then(|row| row.columns().get(index))
                .map(|column| column.name().to_owned())
                .or_else(|| names.get(index).cloned())
                .unwrap_or_default();
            let kinds: Vec<&str> = rows.iter().map(|row| kind_of(row, index)).filter(|kind| *kind != "empty").collect();
            let kind = match kinds.first() {
                Some(first) if kinds.iter().all(|kind| kind == first) => (*first).to_owned(),
                Some(_) if kinds.iter().all(|kind| matches!(*kind, "integer" | "number")) => "number".to_owned(),
                Some(_) => "text".to_owned(),
                None => known(&name).map_or("empty", |column| column.kind.as_str()).to_owned(),
            };
            let unit = known(&name).and_then(|column| column.unit.clone());
            ContractColumn { name, kind, unit, at: None }
        })
        .collect()
}

fn kind_of(row: &SqliteRow, index: usize) -> &'static str {
    match row.try_get_raw(index) {
        Ok(value) if value.is_null() => "empty",
        Ok(value) => match value.type_info().name() {
            "INTEGER" => "integer",
            "REAL" => "number",
            _ => "text",
        },
        Err(_) => "empty",
    }
}

fn row_values(row: &SqliteRow) -> Vec<Json> {
    (0..row.columns().len())
        .map(|index| match kind_of(row, index) {
            "integer" => row.try_get::<i64, _>(index).map_or(Json::Null, |number| {
                // Beyond 53 bits a JSON number is no longer exact everywhere.
                if number.unsigned_abs() <= 1 << 53 { number.into() } else { number.to_string().into() }
            }),
            "number" => row.try_get::<f64, _>(index).map_or(Json::Null, json_number),
            "text" => row.try_get::<String, _>(index).map_or(Json::Null, Json::from),
            _ => Json::Null,
        })
        .collect()
}
