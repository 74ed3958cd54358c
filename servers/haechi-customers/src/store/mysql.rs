//! MariaDB and MySQL: a read-only session, text answers, and `KILL QUERY` from a control connection.
//!
//! The text protocol has no parameters, so values are written into the statement as literals by
//! the same function that writes the guard's own literals.

use futures::StreamExt as _;
use haechi_sql::Dialect;
use serde_json::Value;
use sqlx::mysql::{MySqlConnectOptions, MySqlPool, MySqlPoolOptions, MySqlRow};
use sqlx::{Column as _, Connection as _, MySqlConnection, Row as _, TypeInfo as _, ValueRef as _};

use super::remote::{Background, CONNECT_TIMEOUT, Stopped, cell, failure, statement, stop, within};
use super::{Bound, Plan, Question, Sink};
use crate::commands::Finding;
use crate::masks::TokenKey;
use crate::schema::{ColumnInfo, Schema, TableInfo, column_type};
use crate::{Error, value};

pub(crate) struct MySql {
    background: Background,
    pool: MySqlPool,
    options: MySqlConnectOptions,
    pads: (String, String),
    is_mariadb: bool,
}

impl MySql {
    pub(crate) fn open(
        url: &str,
        password: Option<&str>,
        key: &TokenKey,
        connections_max: usize,
    ) -> Result<Self, Error> {
        let mut options: MySqlConnectOptions = url.parse().map_err(|_| Error::Settings {
            message: "MariaDB/MySQL 주소를 읽을 수 없습니다.".to_owned(),
            hint: Some("mysql://사용자@호스트:3306/데이터베이스 형태로 쓰세요.".to_owned()),
        })?;
        if let Some(password) = password {
            options = options.password(password);
        }
        // Defaults of the driver that change what a statement means are switched off.
        let options = options
            .pipes_as_concat(false)
            .no_engine_substitution(false)
            .timezone(None)
            .charset("utf8mb4")
            .statement_cache_capacity(0);
        let background = Background::start()?;
        let (pool, is_mariadb) = background.wait(async {
            let pool = MySqlPoolOptions::new()
                .max_connections(u32::try_from(connections_max).unwrap_or(8))
                .acquire_timeout(CONNECT_TIMEOUT)
                .connect_with(options.clone())
                .await
                .map_err(|error| failure(&error, 0))?;
            let version: String =
                sqlx::query_scalar("SELECT VERSION()").fetch_one(&pool).await.map_err(|error| failure(&error, 0))?;
            Ok((pool, version.contains("MariaDB")))
        })?;
        Ok(Self { background, pool, options, pads: key.pads(), is_mariadb })
    }

    pub(crate) fn ask(&self, question: &Question<'_>, sink: &mut (dyn Sink + Send)) -> Result<(), Error> {
        let sql = inlined(question);
        self.background.wait(self.session(question, async |connection: &mut MySqlConnection| {
            let mut rows = sqlx::raw_sql(statement(sql)).fetch(&mut *connection);
            let mut first = true;
            while let Some(row) = rows.next().await {
                let row = row?;
                if first {
                    first = false;
                    sink.columns(columns(&row));
                }
                if !sink.row(cells(&row, question.cell_chars_max)?) {
                    return Ok(false);
                }
            }
            Ok(true)
        }))
    }

    /// Runs `work` in a read-only transaction; `work` answers whether the connection is clean.
    async fn session(
        &self,
        question: &Question<'_>,
        work: impl AsyncFnOnce(&mut MySqlConnection) -> Result<bool, sqlx::Error>,
    ) -> Result<(), Error> {
        let limit_ms = u64::try_from(question.timeout.as_millis()).unwrap_or(u64::MAX);
        let mut connection = self.pool.acquire().await.map_err(|error| failure(&error, limit_ms))?;
        let thread = match self.begin(&mut connection, limit_ms).await {
            Ok(thread) => thread,
            Err(error) => {
                drop(connection.detach());
                return Err(failure(&error, limit_ms));
            }
        };
        let stopped = match within(work(&mut connection), question.timeout, question.cancel).await {
            Ok(Ok(true)) => {
                match tokio::time::timeout(CONNECT_TIMEOUT, sqlx::raw_sql("ROLLBACK").execute(&mut *connection)).await {
                    Ok(Ok(_)) => {}
                    Ok(Err(_)) | Err(_) => drop(connection.detach()),
                }
                return Ok(());
            }
            // Enough rows: the server may still be sending, so it is told to stop.
            Ok(Ok(false)) => None,
            Ok(Err(error)) => {
                drop(connection.detach());
                return Err(failure(&error, limit_ms));
            }
            Err(stopped) => Some(stopped),
        };
        drop(connection.detach());
        stop(self.kill(thread)).await;
        match stopped {
            None => Ok(()),
            Some(Stopped::Deadline) => Err(Error::Timeout { limit_ms }),
            Some(Stopped::Cancelled) => Err(Error::Cancelled),
        }
    }

    async fn begin(&self, connection: &mut MySqlConnection, limit_ms: u64) -> Result<u64, sqlx::Error> {
        let limit = if self.is_mariadb {
            format!("max_statement_time = {}", limit_ms as f64 / 1000.0)
        } else {
            format!("max_execution_time = {limit_ms}")
        };
        // The pads are hexadecimal digits of our own.
        let settings = format!(
            "SET SESSION sql_mode = 'STRICT_TRANS_TABLES,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION', SESSION {limit}, \
             SESSION group_concat_max_len = 65536, SESSION max_recursive_iterations = 100000, SESSION lock_wait_timeout = 1, \
             @haechi_inner = '{}', @haechi_outer = '{}'",
            self.pads.0, self.pads.1
        );
        let settings = if self.is_mariadb {
            settings
        } else {
            settings.replace("max_recursive_iterations", "cte_max_recursion_depth")
        };
        sqlx::raw_sql(statement(settings)).execute(&mut *connection).await?;
        sqlx::raw_sql("START TRANSACTION READ ONLY").execute(&mut *connection).await?;
        let row = sqlx::raw_sql("SELECT CONNECTION_ID()").fetch_one(&mut *connection).await?;
        text_at(&row, 0).and_then(|text| text.parse().map_err(|_| sqlx::Error::WorkerCrashed))
    }

    async fn kill(&self, thread: u64) -> Result<(), sqlx::Error> {
        let mut control = MySqlConnection::connect_with(&self.options).await?;
        sqlx::raw_sql(statement(format!("KILL QUERY {thread}"))).execute(&mut control).await?;
        control.close().await
    }

    pub(crate) fn plan(&self, question: &Question<'_>) -> Result<Plan, Error> {
        let sql = format!("EXPLAIN {}", inlined(question));
        let mut plan = Plan::default();
        self.background.wait(self.session(question, async |connection: &mut MySqlConnection| {
            let rows = sqlx::raw_sql(statement(sql)).fetch_all(&mut *connection).await?;
            for row in &rows {
                let part = |name: &str| {
                    let index = row.columns().iter().position(|column| column.name().eq_ignore_ascii_case(name));
                    index.and_then(|index| text_at(row, index).ok()).unwrap_or_default()
                };
                plan.rows = Some(plan.rows.unwrap_or(1).saturating_mul(part("rows").parse().unwrap_or(1)));
                plan.steps.push(format!(
                    "{} {} {} key={} rows={}",
                    part("select_type"),
                    part("table"),
                    part("type"),
                    part("key"),
                    part("rows")
                ));
            }
            Ok(true)
        }))?;
        Ok(plan)
    }

    pub(crate) fn account(&self) -> Result<Vec<Finding>, Error> {
        self.background.wait(async {
            let rows = sqlx::raw_sql("SHOW GRANTS FOR CURRENT_USER").fetch_all(&self.pool).await.map_err(|error| failure(&error, 0))?;
            let mut wrong = Vec::new();
            for row in &rows {
                let grant = text_at(row, 0).unwrap_or_default();
                let Some((privileges, _)) = grant.strip_prefix("GRANT ").and_then(|rest| rest.split_once(" ON ")) else { continue };
                for privilege in privileges.split(", ") {
                    let name = privilege.split('(').next().unwrap_or_default().trim().to_uppercase();
                    if !matches!(name.as_str(), "SELECT" | "USAGE" | "SHOW VIEW" | "PROXY") && !wrong.contains(&name) {
                        wrong.push(name);
                    }
                }
            }
            let good = wrong.is_empty();
            let detail = if good {
                "계정에 쓰기 권한이 없습니다.".to_owned()
            } else {
                format!(
                    "계정이 가진 권한: {}. 읽기 전용 계정을 만드세요:\nCREATE USER 'haechi_reader'@'%' IDENTIFIED BY '…';\nGRANT SELECT ON `데이터베이스`.* TO 'haechi_reader'@'%';",
                    wrong.join(", ")
                )
            };
            Ok(vec![Finding { what: "계정 권한", good, detail }])
        })
    }

    pub(crate) fn schema(&self) -> Result<Schema, Error> {
        self.background.wait(async { read_schema(&self.pool).await.map_err(|error| failure(&error, 0)) })
    }
}

/// Puts the values in place of the guard's marks.
fn inlined(question: &Question<'_>) -> String {
    let mut values = question.parameters.iter();
    let mut sql = String::with_capacity(question.sql.len());
    let mut rest = question.sql;
    while let Some((before, after)) = rest.split_once(haechi_sql::PARAMETER) {
        sql.push_str(before);
        sql.push_str(&values.next().map_or_else(|| "NULL".to_owned(), literal));
        rest = after;
    }
    sql.push_str(rest);
    sql
}

fn literal(parameter: &Bound) -> String {
    match parameter {
        Bound::Null => "NULL".to_owned(),
        Bound::Integer(number) => number.to_string(),
        Bound::Boolean(value) => if *value { "TRUE" } else { "FALSE" }.to_owned(),
        Bound::Real(number) => number.to_string(),
        Bound::Text(text) => Dialect::MySql.text(text),
    }
}

fn columns(row: &MySqlRow) -> Vec<(String, String)> {
    row.columns().iter().map(|column| (column.name().to_owned(), kind(column.type_info().name()).to_owned())).collect()
}

/// Our word for a type of MariaDB.
fn kind(name: &str) -> &'static str {
    match name {
        "TINYINT" | "SMALLINT" | "MEDIUMINT" | "INT" | "BIGINT" | "YEAR" | "BOOLEAN" => "integer",
        _ if name.ends_with("UNSIGNED") => "integer",
        "FLOAT" | "DOUBLE" => "number",
        "DECIMAL" => "decimal",
        "DATE" => "date",
        "DATETIME" | "TIMESTAMP" => "timestamp",
        "JSON" => "json",
        "BLOB" | "TINYBLOB" | "MEDIUMBLOB" | "LONGBLOB" | "BINARY" | "VARBINARY" | "GEOMETRY" | "BIT" => "bytes",
        _ => "text",
    }
}

fn bytes_at(row: &MySqlRow, index: usize) -> Result<Option<Vec<u8>>, sqlx::Error> {
    if row.try_get_raw(index)?.is_null() {
        return Ok(None);
    }
    row.try_get_unchecked::<Vec<u8>, _>(index).map(Some)
}

fn text_at(row: &MySqlRow, index: usize) -> Result<String, sqlx::Error> {
    Ok(bytes_at(row, index)?.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default())
}

fn cells(row: &MySqlRow, chars_max: usize) -> Result<Vec<Value>, sqlx::Error> {
    row.columns()
        .iter()
        .enumerate()
        .map(|(index, column)| {
            let Some(bytes) = bytes_at(row, index)? else { return Ok(Value::Null) };
            let name = column.type_info().name();
            let kind = kind(name);
            Ok(match (kind, std::str::from_utf8(&bytes)) {
                // JSON and computed text come under the name of a blob.
                ("bytes", Ok(text))
                    if name.ends_with("BLOB")
                        && !text.contains(|character: char| character.is_control() && !character.is_whitespace()) =>
                {
                    cell("text", text, chars_max)
                }
                ("bytes", _) | (_, Err(_)) => value::bytes(&bytes, chars_max),
                (kind, Ok(text)) => cell(kind, text, chars_max),
            })
        })
        .collect()
}

async fn read_schema(pool: &MySqlPool) -> Result<Schema, sqlx::Error> {
    let tables = sqlx::raw_sql(
        "SELECT table_name, table_schema, table_comment, table_rows FROM information_schema.tables \
         WHERE table_schema = DATABASE() AND table_type IN ('BASE TABLE', 'VIEW') ORDER BY table_name",
    )
    .fetch_all(pool)
    .await?;
    let mut schema = Schema::default();
    for table in &tables {
        let comment = text_at(table, 2)?;
        schema.tables.push(TableInfo {
            name: text_at(table, 0)?,
            schema: Some(text_at(table, 1)?),
            comment: (!comment.is_empty() && comment != "VIEW").then_some(comment),
            rows_estimate: text_at(table, 3)?.parse().ok(),
            ..TableInfo::default()
        });
    }
    let columns = sqlx::raw_sql(
        "SELECT c.table_name, c.column_name, c.column_type, c.column_comment, c.is_nullable, c.column_key, \
         (SELECT CONCAT(k.referenced_table_name, '.', k.referenced_column_name) FROM information_schema.key_column_usage k \
          WHERE k.table_schema = c.table_schema AND k.table_name = c.table_name AND k.column_name = c.column_name \
          AND k.referenced_table_name IS NOT NULL LIMIT 1), \
         (SELECT COUNT(*) FROM information_schema.columns p WHERE p.table_schema = c.table_schema AND p.table_name = c.table_name \
          AND p.column_key = 'PRI') \
         FROM information_schema.columns c WHERE c.table_schema = DATABASE() ORDER BY c.table_name, c.ordinal_position",
    )
    .fetch_all(pool)
    .await?;
    for column in &columns {
        let (table, name, declared) = (text_at(column, 0)?, text_at(column, 1)?, text_at(column, 2)?);
        let Some(info) = schema.tables.iter_mut().find(|info| info.name == table) else { continue };
        let key = text_at(column, 5)?;
        if key == "PRI" {
            info.primary_key.push(name.clone());
        }
        let (comment, references) = (text_at(column, 3)?, text_at(column, 6)?);
        info.columns.push(ColumnInfo {
            data_type: column_type(&declared),
            declared,
            comment: (!comment.is_empty()).then_some(comment),
            nullable: text_at(column, 4)? == "YES",
            unique: key == "UNI" || (key == "PRI" && text_at(column, 7)? == "1"),
            references: (!references.is_empty()).then_some(references),
            name,
        });
    }
    Ok(schema)
}
