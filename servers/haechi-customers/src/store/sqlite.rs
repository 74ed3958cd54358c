//! SQLite: a file that is opened for reading, with an authorizer that knows nothing but reading.
//!
//! This module alone turns text into statements, and the text comes from the guard or stands here.
//! Three walls stand one behind the other: the file is opened read-only, `query_only` refuses
//! writes to temporary tables too, and the authorizer refuses every action that is not reading a
//! table, calling a function of the list or recursing. Limits of the engine bound what one
//! statement may build; the progress handler ends it when its time is over or its caller is gone.

use std::path::{Path, PathBuf};
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rusqlite::config::DbConfig;
use rusqlite::functions::{Context, FunctionFlags};
use rusqlite::hooks::{AuthAction, AuthContext, Authorization};
use rusqlite::limits::Limit;
use rusqlite::types::ValueRef;
use rusqlite::{Connection, ErrorCode, OpenFlags, Statement, ToSql};
use serde_json::Value;

use super::{Bound, Plan, Question, Sink};
use crate::commands::Finding;
use crate::masks::{self, TokenKey};
use crate::schema::{ColumnInfo, Schema, TableInfo, column_type};
use crate::{Error, value};

/// How many virtual machine steps pass between two looks at the clock: some microseconds.
const STEPS_BETWEEN_LOOKS: i32 = 200;
/// How long a call waits for a free connection.
const CONNECTION_WAIT: Duration = Duration::from_secs(5);
/// Text and blobs that a statement may build, in bytes.
const BUILT_BYTES_MAX: i32 = 1_000_000;
/// Memory of the engine in this process, over all connections.
const HEAP_BYTES_MAX: u32 = 256 * 1024 * 1024;

pub(crate) struct Sqlite {
    path: PathBuf,
    key: TokenKey,
    pool: Mutex<Pool>,
    freed: Condvar,
}

struct Pool {
    idle: Vec<Connection>,
    open: usize,
    open_max: usize,
}

impl Sqlite {
    pub(crate) fn open(path: &Path, key: TokenKey, connections_max: usize) -> Result<Self, Error> {
        if !path.is_file() {
            return Err(Error::Settings {
                message: format!("데이터베이스 파일 {}이(가) 없습니다.", path.display()),
                hint: Some("--database 또는 [customers] database의 경로를 확인하세요.".to_owned()),
            });
        }
        let store = Self {
            path: path.to_owned(),
            key,
            pool: Mutex::new(Pool { idle: Vec::new(), open: 0, open_max: connections_max.max(1) }),
            freed: Condvar::new(),
        };
        // A file that is not a database is heard of now, not at the first question.
        let connection = store.connect().map_err(|_| Error::Settings {
            message: format!("{}은(는) 열 수 있는 SQLite 데이터베이스가 아닙니다.", path.display()),
            hint: Some("파일 형식과 읽기 권한을 확인하세요.".to_owned()),
        })?;
        store.put_back(Some(connection), true);
        Ok(store)
    }

    /// Opens a connection and closes every way but reading.
    fn connect(&self) -> Result<Connection, Error> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(&self.path, flags).map_err(|error| failure(&error, 0))?;
        harden(&connection, &self.key).map_err(|error| failure(&error, 0))?;
        Ok(connection)
    }

    fn take(&self) -> Result<Connection, Error> {
        let until = Instant::now() + CONNECTION_WAIT;
        let mut pool = self.pool.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if let Some(connection) = pool.idle.pop() {
                return Ok(connection);
            }
            if pool.open < pool.open_max {
                pool.open += 1;
                drop(pool);
                return self.connect().inspect_err(|_| self.put_back(None, false));
            }
            let now = Instant::now();
            if until <= now {
                return Err(Error::Busy);
            }
            pool = self.freed.wait_timeout(pool, until - now).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn put_back(&self, connection: Option<Connection>, new: bool) {
        let mut pool = self.pool.lock().unwrap_or_else(PoisonError::into_inner);
        pool.open += usize::from(new);
        match connection {
            Some(connection) => pool.idle.push(connection),
            None => pool.open = pool.open.saturating_sub(1),
        }
        drop(pool);
        self.freed.notify_one();
    }

    fn with<T>(&self, work: impl FnOnce(&Connection) -> Result<T, Error>) -> Result<T, Error> {
        let connection = self.take()?;
        let done = work(&connection);
        let cleared = connection.progress_handler(0, None::<fn() -> bool>).is_ok();
        self.put_back(cleared.then_some(connection), false);
        done
    }

    pub(crate) fn ask(&self, question: &Question<'_>, sink: &mut dyn Sink) -> Result<(), Error> {
        let limit_ms = milliseconds(question.timeout);
        self.with(|connection| {
            watch(connection, question).map_err(|error| failure(&error, limit_ms))?;
            let mut statement = connection.prepare(question.sql).map_err(|error| failure(&error, limit_ms))?;
            bind(&mut statement, question.parameters).map_err(|error| failure(&error, limit_ms))?;
            let columns = statement.columns().into_iter();
            sink.columns(columns.map(|column| (column.name().to_owned(), String::new())).collect());
            let width = statement.column_count();
            let mut rows = statement.raw_query();
            loop {
                match rows.next() {
                    Ok(Some(row)) => {
                        let cells = (0..width).map(|index| {
                            row.get_ref(index).map_or(Value::Null, |cell| json(cell, question.cell_chars_max))
                        });
                        if !sink.row(cells.collect()) {
                            return Ok(());
                        }
                    }
                    Ok(None) => return Ok(()),
                    Err(_) if question.cancel.is_cancelled() => return Err(Error::Cancelled),
                    Err(error) => return Err(failure(&error, limit_ms)),
                }
            }
        })
    }

    pub(crate) fn plan(&self, question: &Question<'_>) -> Result<Plan, Error> {
        let limit_ms = milliseconds(question.timeout);
        self.with(|connection| {
            let text = format!("EXPLAIN QUERY PLAN {}", question.sql);
            let mut statement = connection.prepare(&text).map_err(|error| failure(&error, limit_ms))?;
            bind(&mut statement, question.parameters).map_err(|error| failure(&error, limit_ms))?;
            let mut rows = statement.raw_query();
            let mut steps = Vec::new();
            while let Some(row) = rows.next().map_err(|error| failure(&error, limit_ms))? {
                steps.push(row.get::<_, String>(3).map_err(|error| failure(&error, limit_ms))?);
            }
            Ok(Plan { steps, cost: None, rows: None })
        })
    }

    /// Tries to write, which must fail.
    pub(crate) fn account(&self) -> Result<Vec<Finding>, Error> {
        let writes = self.with(|connection| {
            let tried = [
                "CREATE TEMP TABLE haechi_doctor (a)",
                "PRAGMA user_version = 1",
                "ATTACH DATABASE ':memory:' AS haechi_doctor",
            ];
            Ok(tried.iter().any(|sql| connection.execute_batch(sql).is_ok()))
        })?;
        let detail = if writes {
            "연결이 쓰기를 허용합니다."
        } else {
            "읽기 전용으로 열렸고 쓰기 시도가 모두 거절되었습니다."
        };
        Ok(vec![Finding { what: "읽기 전용", good: !writes, detail: detail.to_owned() }])
    }

    /// Reads the catalogue on a connection of its own, since the others may not.
    pub(crate) fn schema(&self) -> Result<Schema, Error> {
        let connection = Connection::open_with_flags(&self.path, OpenFlags::SQLITE_OPEN_READ_ONLY)
            .map_err(|error| failure(&error, 0))?;
        read_schema(&connection).map_err(|error| failure(&error, 0))
    }
}

fn harden(connection: &Connection, key: &TokenKey) -> rusqlite::Result<()> {
    connection.busy_timeout(Duration::from_millis(500))?;
    connection.pragma_update(None, "query_only", true)?;
    connection.pragma_update(None, "trusted_schema", false)?;
    connection.pragma_update(None, "temp_store", "memory")?;
    connection.query_row(&format!("PRAGMA hard_heap_limit = {HEAP_BYTES_MAX}"), [], |_| Ok(()))?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
    // A misspelt column in double quotes is an error, not a text.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DQS_DML, false)?;
    // Reading the schema once makes a file that is no database fail here.
    connection.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(()))?;
    for (limit, value) in [
        (Limit::SQLITE_LIMIT_LENGTH, BUILT_BYTES_MAX),
        (Limit::SQLITE_LIMIT_SQL_LENGTH, 1_000_000),
        (Limit::SQLITE_LIMIT_ATTACHED, 0),
        (Limit::SQLITE_LIMIT_COMPOUND_SELECT, 200),
        (Limit::SQLITE_LIMIT_LIKE_PATTERN_LENGTH, 1_000),
        (Limit::SQLITE_LIMIT_FUNCTION_ARG, 100),
        (Limit::SQLITE_LIMIT_WORKER_THREADS, 0),
    ] {
        connection.set_limit(limit, value)?;
    }
    register(connection, key)?;
    register_mathematics(connection)?;
    connection.authorizer(Some(|context: AuthContext<'_>| match context.action {
        AuthAction::Select | AuthAction::Recursive => Authorization::Allow,
        AuthAction::Read { table_name, .. } if !table_name.to_ascii_lowercase().starts_with("sqlite_") => {
            Authorization::Allow
        }
        AuthAction::Function { function_name } if !is_closed(function_name) => Authorization::Allow,
        // Every other action writes, attaches, or reads what the policy does not know.
        _ => Authorization::Deny,
    }))
}

/// Functions of the engine that reach outside or build at will; the guard's list has none of them.
fn is_closed(name: &str) -> bool {
    matches!(
        name.to_ascii_lowercase().as_str(),
        "load_extension"
            | "readfile"
            | "writefile"
            | "edit"
            | "fts3_tokenizer"
            | "randomblob"
            | "zeroblob"
            | "sqlite_compileoption_get"
    )
}

/// The masks that SQL of this engine cannot say. They answer the same for the same input, so the
/// planner may move them, and views of the file may not call them.
fn register(connection: &Connection, key: &TokenKey) -> rusqlite::Result<()> {
    let flags = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC | FunctionFlags::SQLITE_DIRECTONLY;
    let key = key.clone();
    connection.create_scalar_function("haechi_token", 2, flags, move |context| {
        let prefix = text_argument(context, 0).unwrap_or_default();
        Ok(text_argument(context, 1).map(|value| key.token(&prefix, &value)))
    })?;
    connection.create_scalar_function("haechi_scan", 1, flags, |context| {
        Ok(text_argument(context, 0).map(|text| masks::scan(&text)))
    })?;
    connection.create_scalar_function("haechi_json", 2, flags, |context| {
        let allow = text_argument(context, 1).unwrap_or_default();
        Ok(text_argument(context, 0).and_then(|text| masks::json(&text, &allow)))
    })?;
    connection.create_scalar_function("haechi_partial", 5, flags, |context| {
        let number =
            |index| context.get::<i64>(index).ok().and_then(|number| usize::try_from(number).ok()).unwrap_or(0);
        let fill = text_argument(context, 4).and_then(|fill| fill.chars().next()).unwrap_or('*');
        Ok(text_argument(context, 0).map(|text| masks::partial(&text, number(1), number(2), number(3) != 0, fill)))
    })?;
    connection.create_scalar_function("haechi_bucket", 2, flags, |context| {
        let size: f64 = text_argument(context, 1).and_then(|size| size.parse().ok()).unwrap_or(1.0);
        let whole = matches!(context.get_raw(0), ValueRef::Integer(_)) && size.fract() == 0.0;
        let number = match context.get_raw(0) {
            #[expect(clippy::cast_precision_loss, reason = "a bucket is coarser than the last bits of a large number")]
            ValueRef::Integer(number) => Some(number as f64),
            ValueRef::Real(number) => Some(number),
            ValueRef::Text(_) => text_argument(context, 0).and_then(|text| text.parse().ok()),
            ValueRef::Null | ValueRef::Blob(_) => None,
        };
        Ok(number.map(|number| {
            let lower = masks::bucket(number, size);
            #[expect(clippy::cast_possible_truncation, reason = "a bucket of a whole number is near that number")]
            if whole { rusqlite::types::Value::Integer(lower as i64) } else { rusqlite::types::Value::Real(lower) }
        }))
    })
}

type Real = fn(f64) -> f64;
type RealPair = fn(f64, f64) -> f64;

/// Mathematics that this build of the engine leaves out and others have.
fn register_mathematics(connection: &Connection) -> rusqlite::Result<()> {
    let flags = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC | FunctionFlags::SQLITE_INNOCUOUS;
    let unary: [(&str, Real); 25] = [
        ("ceil", f64::ceil),
        ("ceiling", f64::ceil),
        ("floor", f64::floor),
        ("trunc", f64::trunc),
        ("ln", f64::ln),
        ("log", f64::log10),
        ("log10", f64::log10),
        ("log2", f64::log2),
        ("exp", f64::exp),
        ("sqrt", f64::sqrt),
        ("sin", f64::sin),
        ("cos", f64::cos),
        ("tan", f64::tan),
        ("asin", f64::asin),
        ("acos", f64::acos),
        ("atan", f64::atan),
        ("sinh", f64::sinh),
        ("cosh", f64::cosh),
        ("tanh", f64::tanh),
        ("asinh", f64::asinh),
        ("acosh", f64::acosh),
        ("atanh", f64::atanh),
        ("degrees", f64::to_degrees),
        ("radians", f64::to_radians),
        ("cot", |angle| 1.0 / angle.tan()),
    ];
    for (name, function) in unary {
        let whole = matches!(name, "ceil" | "ceiling" | "floor" | "trunc");
        connection.create_scalar_function(name, 1, flags, move |context| {
            // Rounding a whole number leaves it whole.
            if let (true, ValueRef::Integer(number)) = (whole, context.get_raw(0)) {
                return Ok(rusqlite::types::Value::Integer(number));
            }
            Ok(number_argument(context, 0)
                .map(function)
                .filter(|number| !number.is_nan())
                .map_or(rusqlite::types::Value::Null, rusqlite::types::Value::Real))
        })?;
    }
    let binary: [(&str, RealPair); 5] = [
        ("pow", f64::powf),
        ("power", f64::powf),
        ("mod", |left, right| left % right),
        ("atan2", f64::atan2),
        ("log", |base, number| number.log(base)),
    ];
    for (name, function) in binary {
        connection.create_scalar_function(name, 2, flags, move |context| {
            let pair = number_argument(context, 0).zip(number_argument(context, 1));
            Ok(pair.map(|(left, right)| function(left, right)).filter(|number| !number.is_nan()))
        })?;
    }
    connection.create_scalar_function("pi", 0, flags, |_| Ok(std::f64::consts::PI))
}

fn number_argument(context: &Context<'_>, index: usize) -> Option<f64> {
    match context.get_raw(index) {
        #[expect(clippy::cast_precision_loss, reason = "the engine's own mathematics is in doubles as well")]
        ValueRef::Integer(number) => Some(number as f64),
        ValueRef::Real(number) => Some(number),
        ValueRef::Text(_) => text_argument(context, index)?.trim().parse().ok(),
        ValueRef::Null | ValueRef::Blob(_) => None,
    }
}

/// An argument as text; NULL has none, and numbers read as they are written.
fn text_argument(context: &Context<'_>, index: usize) -> Option<String> {
    match context.get_raw(index) {
        ValueRef::Null => None,
        ValueRef::Integer(number) => Some(number.to_string()),
        ValueRef::Real(number) => Some(number.to_string()),
        ValueRef::Text(bytes) | ValueRef::Blob(bytes) => Some(String::from_utf8_lossy(bytes).into_owned()),
    }
}

/// Ends the statement when its time is over or its caller is gone.
fn watch(connection: &Connection, question: &Question<'_>) -> rusqlite::Result<()> {
    let cancel = question.cancel.clone();
    let until = Instant::now() + question.timeout;
    connection.progress_handler(STEPS_BETWEEN_LOOKS, Some(move || cancel.is_cancelled() || until <= Instant::now()))
}

fn bind(statement: &mut Statement<'_>, parameters: &[Bound]) -> rusqlite::Result<()> {
    for (index, parameter) in parameters.iter().enumerate() {
        let value: &dyn ToSql = match parameter {
            Bound::Null => &rusqlite::types::Null,
            Bound::Integer(number) => number,
            Bound::Boolean(value) => value,
            Bound::Text(text) => text,
            Bound::Real(number) => number,
        };
        statement.raw_bind_parameter(index + 1, value)?;
    }
    Ok(())
}

fn json(cell: ValueRef<'_>, chars_max: usize) -> Value {
    match cell {
        ValueRef::Null => Value::Null,
        ValueRef::Integer(number) => value::integer(number.into()),
        ValueRef::Real(number) => value::real(number),
        ValueRef::Text(bytes) => value::text(&String::from_utf8_lossy(bytes), chars_max),
        ValueRef::Blob(bytes) => value::bytes(bytes, chars_max),
    }
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// Our own word for a failure; the engine's text may quote values and stays here.
fn failure(error: &rusqlite::Error, limit_ms: u64) -> Error {
    let code = match error {
        rusqlite::Error::SqlInputError { error, .. } => Some(error.code),
        other => other.sqlite_error_code(),
    };
    let Some(code) = code else {
        return Error::Database { class: "매개변수의 오류" };
    };
    tracing::debug!(?code, "a statement failed");
    match code {
        ErrorCode::OperationInterrupted => Error::Timeout { limit_ms },
        ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked => Error::Busy,
        ErrorCode::CannotOpen | ErrorCode::SystemIoFailure | ErrorCode::PermissionDenied => Error::Unavailable,
        ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt => Error::Unavailable,
        ErrorCode::TooBig | ErrorCode::OutOfMemory => Error::Database { class: "결과나 중간 값이 너무 큼" },
        ErrorCode::TypeMismatch => Error::Database { class: "자료형이 맞지 않음" },
        ErrorCode::AuthorizationForStatementDenied => Error::Database { class: "읽기가 아닌 동작" },
        _ => Error::Database { class: "문장이나 값의 오류" },
    }
}

fn read_schema(connection: &Connection) -> rusqlite::Result<Schema> {
    let mut statement = connection
        .prepare("SELECT name, coalesce(sql, '') FROM sqlite_schema WHERE type IN ('table', 'view') AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY name")?;
    let names: Vec<(String, String)> =
        statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect::<rusqlite::Result<_>>()?;
    let mut tables = Vec::with_capacity(names.len());
    for (name, sql) in names {
        let comments = comments(&sql);
        let mut columns = Vec::new();
        let mut keys: Vec<(i64, String)> = Vec::new();
        let mut statement =
            connection.prepare("SELECT name, type, \"notnull\", pk FROM pragma_table_info(?1) ORDER BY cid")?;
        let mut rows = statement.query([&name])?;
        while let Some(row) = rows.next()? {
            let column: String = row.get(0)?;
            let declared: String = row.get(1)?;
            let key: i64 = row.get(3)?;
            if 0 < key {
                keys.push((key, column.clone()));
            }
            columns.push(ColumnInfo {
                data_type: column_type(&declared),
                comment: comments
                    .iter()
                    .find(|(name, _)| name.eq_ignore_ascii_case(&column))
                    .map(|(_, comment)| comment.clone()),
                name: column,
                declared,
                nullable: row.get::<_, i64>(2)? == 0 && key == 0,
                unique: false,
                references: None,
            });
        }
        keys.sort();
        let mut unique: Vec<String> =
            if keys.len() == 1 { keys.iter().map(|(_, name)| name.clone()).collect() } else { Vec::new() };
        let mut statement = connection.prepare(
            "SELECT max(i.name) FROM pragma_index_list(?1) l JOIN pragma_index_info(l.name) i WHERE l.\"unique\" = 1 GROUP BY l.name HAVING count(*) = 1",
        )?;
        let mut rows = statement.query([&name])?;
        while let Some(row) = rows.next()? {
            unique.extend(row.get::<_, Option<String>>(0)?);
        }
        let mut statement =
            connection.prepare("SELECT \"from\", \"table\", coalesce(\"to\", '') FROM pragma_foreign_key_list(?1)")?;
        let mut rows = statement.query([&name])?;
        while let Some(row) = rows.next()? {
            let (from, table, to): (String, String, String) = (row.get(0)?, row.get(1)?, row.get(2)?);
            if let Some(column) =
                columns.iter_mut().find(|column: &&mut ColumnInfo| column.name.eq_ignore_ascii_case(&from))
            {
                column.references = Some(if to.is_empty() { table } else { format!("{table}.{to}") });
            }
        }
        for column in &mut columns {
            column.unique = unique.iter().any(|name| name.eq_ignore_ascii_case(&column.name));
        }
        tables.push(TableInfo {
            rows_estimate: estimate(connection, &name),
            name,
            schema: Some("main".to_owned()),
            comment: None,
            columns,
            primary_key: keys.into_iter().map(|(_, name)| name).collect(),
        });
    }
    Ok(Schema { tables })
}

/// Small tables are counted; of large ones the two ends are read, since counting reads them whole.
fn estimate(connection: &Connection, name: &str) -> Option<u64> {
    const COUNTED_MAX: u64 = 10_000;
    let quoted = haechi_sql::Dialect::Sqlite.name(name);
    let number = |sql: String| connection.query_row(&sql, [], |row| row.get::<_, Option<i64>>(0)).ok().flatten();
    let counted = number(format!("SELECT count(*) FROM (SELECT 1 FROM {quoted} LIMIT {})", COUNTED_MAX + 1))?;
    let counted = u64::try_from(counted).ok()?;
    if counted <= COUNTED_MAX {
        return Some(counted);
    }
    let ends = number(format!("SELECT max(rowid) - min(rowid) + 1 FROM {quoted}"))?;
    u64::try_from(ends).ok()
}

/// `-- text` at the end of a column's line in CREATE TABLE is its comment; SQLite keeps no other.
fn comments(sql: &str) -> Vec<(String, String)> {
    sql.lines()
        .filter_map(|line| {
            let (definition, comment) = line.split_once("--")?;
            let name = definition.split_whitespace().next()?;
            let name = name.trim_matches(['"', '`', '[', ']']).trim_end_matches(',');
            let comment = comment.trim();
            (!comment.is_empty()).then(|| (name.to_owned(), comment.to_owned()))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn opened() -> (tempfile::TempDir, Sqlite) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("bank.db");
        let writer = Connection::open(&path).unwrap();
        writer
            .execute_batch("CREATE TABLE people (\n  id INTEGER NOT NULL, -- 번호\n  name TEXT, -- 이름\n  PRIMARY KEY (id)\n);\nINSERT INTO people VALUES (1, '가'), (2, '나');")
            .unwrap();
        drop(writer);
        let store = Sqlite::open(&path, TokenKey::new(b"k"), 2).unwrap();
        (folder, store)
    }

    #[test]
    fn the_engine_itself_refuses_whatever_is_not_reading() {
        let (folder, store) = opened();
        let copy = folder.path().join("copy.db");
        for sql in [
            "DELETE FROM people".to_owned(),
            "CREATE TEMP TABLE t AS SELECT * FROM people".to_owned(),
            format!("VACUUM INTO '{}'", copy.display()),
            "ATTACH DATABASE ':memory:' AS x".to_owned(),
            "PRAGMA query_only = 0".to_owned(),
            "SELECT * FROM sqlite_schema".to_owned(),
            "SELECT zeroblob(10)".to_owned(),
            "SELECT fts3_tokenizer('simple')".to_owned(),
        ] {
            let failed =
                store.with(|connection| connection.query_row(&sql, [], |_| Ok(())).map_err(|error| failure(&error, 0)));
            assert!(failed.is_err(), "{sql}");
        }
        assert!(!copy.exists());
        let count = store.with(|connection| {
            connection
                .query_row("SELECT count(*) FROM people", [], |row| row.get::<_, i64>(0))
                .map_err(|error| failure(&error, 0))
        });
        assert_eq!(count.unwrap(), 2);
    }

    #[test]
    fn comments_of_create_table_are_read() {
        let (_folder, store) = opened();
        let schema = store.schema().unwrap();
        let people = schema.table("PEOPLE").unwrap();
        assert_eq!(people.column("name").unwrap().comment.as_deref(), Some("이름"));
        assert!(people.column("id").unwrap().unique);
        assert_eq!(people.rows_estimate, Some(2));
    }
}
