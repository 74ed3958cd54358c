//! PostgreSQL: every question in its own READ ONLY transaction that is rolled back, read through a
//! cursor, and stopped from a control connection.

use futures::StreamExt as _;
use haechi_sql::ColumnType;
use serde_json::Value;
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions, PgRow};
use sqlx::{Column as _, Connection as _, PgConnection, Row as _, TypeInfo as _, ValueRef as _};

use super::remote::{Background, CONNECT_TIMEOUT, Stopped, cell, failure, statement, stop, within};
use super::{Bound, Plan, Question, Sink};
use crate::commands::Finding;
use crate::masks::TokenKey;
use crate::schema::{ColumnInfo, Schema, TableInfo, column_type};
use crate::{Error, value};

/// Rows fetched at once: few enough to stop early, many enough to be fast.
const FETCH_ROWS: usize = 1_000;

pub(crate) struct Postgres {
    background: Background,
    pool: PgPool,
    options: PgConnectOptions,
    pads: (String, String),
    lock_ms_max: u64,
}

impl Postgres {
    pub(crate) fn open(
        url: &str,
        password: Option<&str>,
        key: &TokenKey,
        connections_max: usize,
    ) -> Result<Self, Error> {
        let mut options: PgConnectOptions = url.parse().map_err(|_| wrong_address())?;
        if let Some(password) = password {
            options = options.password(password);
        }
        let options = options.application_name("haechi-customers").statement_cache_capacity(0).options([
            ("default_transaction_read_only", "on"),
            ("standard_conforming_strings", "on"),
            ("DateStyle", "ISO"),
            ("bytea_output", "hex"),
            ("search_path", "pg_catalog,public"),
            ("idle_in_transaction_session_timeout", "60000"),
        ]);
        let background = Background::start()?;
        let pool = background.wait(async {
            PgPoolOptions::new()
                .max_connections(u32::try_from(connections_max).unwrap_or(8))
                .acquire_timeout(CONNECT_TIMEOUT)
                .connect_with(options.clone())
                .await
                .map_err(|error| failure(&error, 0))
        })?;
        Ok(Self { background, pool, options, pads: key.pads(), lock_ms_max: 500 })
    }

    pub(crate) fn ask(&self, question: &Question<'_>, sink: &mut (dyn Sink + Send)) -> Result<(), Error> {
        self.background.wait(self.transaction(question, async |connection: &mut PgConnection| {
            self.declare(connection, question).await?;
            let mut first = true;
            loop {
                let mut fetched = 0;
                let mut rows = sqlx::raw_sql(statement(format!("FETCH FORWARD {FETCH_ROWS} FROM haechi_rows")))
                    .fetch(&mut *connection);
                while let Some(row) = rows.next().await {
                    let row = row?;
                    fetched += 1;
                    if first {
                        first = false;
                        sink.columns(columns(&row));
                    }
                    if !sink.row(cells(&row, question.cell_chars_max)?) {
                        return Ok(());
                    }
                }
                drop(rows);
                if fetched < FETCH_ROWS {
                    break;
                }
            }
            Ok(())
        }))
    }

    async fn declare(&self, connection: &mut PgConnection, question: &Question<'_>) -> Result<(), sqlx::Error> {
        let sql = format!("DECLARE haechi_rows NO SCROLL CURSOR FOR {}", question.sql);
        if question.parameters.is_empty() {
            sqlx::raw_sql(statement(sql)).execute(&mut *connection).await?;
        } else {
            let mut query = sqlx::query(statement(sql)).persistent(false);
            for parameter in question.parameters {
                query = query.bind(text_of(parameter));
            }
            query.execute(&mut *connection).await?;
        }
        Ok(())
    }

    /// Runs `work` in a read-only transaction; stops it on the server when its time is over.
    async fn transaction<T>(
        &self,
        question: &Question<'_>,
        work: impl AsyncFnOnce(&mut PgConnection) -> Result<T, sqlx::Error>,
    ) -> Result<T, Error> {
        let limit_ms = u64::try_from(question.timeout.as_millis()).unwrap_or(u64::MAX);
        let mut connection = self.pool.acquire().await.map_err(|error| failure(&error, limit_ms))?;
        let backend = match self.begin(&mut connection, limit_ms).await {
            Ok(backend) => backend,
            Err(error) => {
                drop(connection.detach());
                return Err(failure(&error, limit_ms));
            }
        };
        let done = within(work(&mut connection), question.timeout, question.cancel).await;
        match done {
            Ok(answer) => {
                match tokio::time::timeout(CONNECT_TIMEOUT, sqlx::raw_sql("ROLLBACK").execute(&mut *connection)).await {
                    Ok(Ok(_)) => {}
                    Ok(Err(_)) | Err(_) => drop(connection.detach()),
                }
                answer.map_err(|error| failure(&error, limit_ms))
            }
            Err(stopped) => {
                // The socket may be in the middle of an answer, so the connection is not used again.
                drop(connection.detach());
                stop(self.cancel(backend)).await;
                Err(match stopped {
                    Stopped::Deadline => Error::Timeout { limit_ms },
                    Stopped::Cancelled => Error::Cancelled,
                })
            }
        }
    }

    async fn begin(&self, connection: &mut PgConnection, limit_ms: u64) -> Result<i32, sqlx::Error> {
        sqlx::raw_sql("BEGIN READ ONLY").execute(&mut *connection).await?;
        let row = sqlx::query(
            "SELECT pg_backend_pid(), set_config('statement_timeout', $1, true), set_config('lock_timeout', $2, true), \
             set_config('haechi.inner', $3, true), set_config('haechi.outer', $4, true), set_config('work_mem', '32MB', true)",
        )
        .persistent(false)
        .bind(limit_ms.to_string())
        .bind(self.lock_ms_max.to_string())
        .bind(&self.pads.0)
        .bind(&self.pads.1)
        .fetch_one(&mut *connection)
        .await?;
        row.try_get(0)
    }

    async fn cancel(&self, backend: i32) -> Result<(), sqlx::Error> {
        let mut control = PgConnection::connect_with(&self.options).await?;
        sqlx::query("SELECT pg_cancel_backend($1)").persistent(false).bind(backend).execute(&mut control).await?;
        control.close().await
    }

    pub(crate) fn plan(&self, question: &Question<'_>) -> Result<Plan, Error> {
        self.background.wait(self.transaction(question, async |connection: &mut PgConnection| {
            let mut query =
                sqlx::query(statement(format!("EXPLAIN (COSTS ON, VERBOSE OFF) {}", question.sql))).persistent(false);
            for parameter in question.parameters {
                query = query.bind(text_of(parameter));
            }
            let rows = query.fetch_all(&mut *connection).await?;
            let steps: Vec<String> = rows.iter().filter_map(|row| row.try_get(0).ok()).collect();
            let first = steps.first().cloned().unwrap_or_default();
            let number = |label: &str| {
                let rest = first.split_once(label)?.1;
                rest.split(|character: char| !character.is_ascii_digit() && character != '.')
                    .next()?
                    .parse::<f64>()
                    .ok()
            };
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "the planner's estimate is a small whole number"
            )]
            let rows = number("rows=").map(|rows| rows as u64);
            let cost = first.split_once("..").and_then(|(_, rest)| rest.split(' ').next()?.parse().ok());
            Ok(Plan { steps: steps.iter().map(|step| plain_step(step)).collect(), cost, rows })
        }))
    }

    pub(crate) fn account(&self) -> Result<Vec<Finding>, Error> {
        self.background.wait(async {
            let row = sqlx::query(
                "SELECT current_user::text, r.rolsuper, r.rolbypassrls, r.rolcreaterole OR r.rolcreatedb OR r.rolreplication, \
                 (SELECT count(*) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind IN ('r','p','v','m','f') \
                  AND n.nspname NOT IN ('pg_catalog','information_schema') AND n.nspname NOT LIKE 'pg\\_t%' AND \
                  (has_table_privilege(c.oid,'INSERT') OR has_table_privilege(c.oid,'UPDATE') OR has_table_privilege(c.oid,'DELETE') \
                   OR has_table_privilege(c.oid,'TRUNCATE'))), \
                 (SELECT count(*) FROM pg_namespace n WHERE n.nspname NOT LIKE 'pg\\_%' AND n.nspname <> 'information_schema' \
                  AND has_schema_privilege(n.oid,'CREATE')), \
                 pg_has_role(current_user,'pg_read_server_files','MEMBER') OR pg_has_role(current_user,'pg_write_server_files','MEMBER') \
                  OR pg_has_role(current_user,'pg_execute_server_program','MEMBER') \
                 FROM pg_roles r WHERE r.rolname = current_user",
            )
            .persistent(false)
            .fetch_one(&self.pool)
            .await
            .map_err(|error| failure(&error, 0))?;
            let user: String = row.try_get(0).map_err(|error| failure(&error, 0))?;
            let flag = |index: usize| row.try_get::<bool, _>(index).unwrap_or(true);
            let count = |index: usize| row.try_get::<i64, _>(index).unwrap_or(1);
            let mut wrong = Vec::new();
            for (bad, what) in [
                (flag(1), "슈퍼유저".to_owned()),
                (flag(2), "행 보안을 우회(BYPASSRLS)".to_owned()),
                (flag(3), "역할·데이터베이스 생성 또는 복제".to_owned()),
                (count(4) > 0, format!("표 {}개에 쓰기", count(4))),
                (count(5) > 0, format!("스키마 {}개에 만들기(CREATE)", count(5))),
                (flag(6), "서버 파일·프로그램 접근".to_owned()),
            ] {
                if bad {
                    wrong.push(what);
                }
            }
            let good = wrong.is_empty();
            let detail = if good {
                "계정에 쓰기 권한이 없습니다.".to_owned()
            } else {
                format!("계정 {user}이(가) 할 수 있는 것: {}. 읽기 전용 계정을 만드세요:\n{}", wrong.join(", "), grants())
            };
            Ok(vec![Finding { what: "계정 권한", good, detail }])
        })
    }

    pub(crate) fn schema(&self) -> Result<Schema, Error> {
        self.background.wait(async { read_schema(&self.pool).await.map_err(|error| failure(&error, 0)) })
    }
}

fn grants() -> &'static str {
    "CREATE ROLE haechi_reader LOGIN PASSWORD '…' NOSUPERUSER NOCREATEDB NOCREATEROLE NOBYPASSRLS;\n\
     REVOKE CREATE ON SCHEMA public FROM PUBLIC;\n\
     GRANT USAGE ON SCHEMA public TO haechi_reader;\n\
     GRANT SELECT ON ALL TABLES IN SCHEMA public TO haechi_reader;\n\
     ALTER ROLE haechi_reader SET default_transaction_read_only = on;"
}

fn wrong_address() -> Error {
    Error::Settings {
        message: "PostgreSQL 주소를 읽을 수 없습니다.".to_owned(),
        hint: Some("postgres://사용자@호스트:5432/데이터베이스 형태로 쓰세요.".to_owned()),
    }
}

fn text_of(parameter: &Bound) -> Option<String> {
    match parameter {
        Bound::Null => None,
        Bound::Integer(number) => Some(number.to_string()),
        Bound::Boolean(value) => Some(value.to_string()),
        Bound::Text(text) => Some(text.clone()),
        Bound::Real(number) => Some(number.to_string()),
    }
}

fn columns(row: &PgRow) -> Vec<(String, String)> {
    row.columns().iter().map(|column| (column.name().to_owned(), kind(column.type_info().name()).to_owned())).collect()
}

/// Our word for a type of PostgreSQL.
fn kind(name: &str) -> &'static str {
    match name {
        "BOOL" => "boolean",
        "INT2" | "INT4" | "INT8" | "OID" => "integer",
        "FLOAT4" | "FLOAT8" => "number",
        "NUMERIC" => "decimal",
        "DATE" => "date",
        "TIMESTAMP" | "TIMESTAMPTZ" => "timestamp",
        "JSON" | "JSONB" => "json",
        "BYTEA" => "bytes",
        _ => "text",
    }
}

fn cells(row: &PgRow, chars_max: usize) -> Result<Vec<Value>, sqlx::Error> {
    row.columns()
        .iter()
        .enumerate()
        .map(|(index, column)| {
            let raw = row.try_get_raw(index)?;
            if raw.is_null() {
                return Ok(Value::Null);
            }
            let text = raw.as_str().map_err(sqlx::Error::Decode)?;
            Ok(match kind(column.type_info().name()) {
                "bytes" => value::bytes(&unhex(text.trim_start_matches("\\x")), chars_max),
                kind => cell(kind, text, chars_max),
            })
        })
        .collect()
}

fn unhex(digits: &str) -> Vec<u8> {
    digits
        .as_bytes()
        .chunks(2)
        .filter_map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok())
        .collect()
}

/// Conditions in a plan hold the masks and the row policy; the shape is what a reader needs.
fn plain_step(step: &str) -> String {
    match step.split_once("Filter:").or_else(|| step.split_once("Cond:")) {
        Some((before, _)) => format!("{before}조건"),
        None => step.to_owned(),
    }
}

async fn read_schema(pool: &PgPool) -> Result<Schema, sqlx::Error> {
    let tables = sqlx::query(
        "SELECT c.oid::int8, n.nspname::text, c.relname::text, obj_description(c.oid, 'pg_class'), c.reltuples::int8 \
         FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
         WHERE c.relkind IN ('r','p','v','m','f') AND n.nspname NOT IN ('pg_catalog','information_schema') AND n.nspname NOT LIKE 'pg\\_t%' \
         ORDER BY n.nspname <> 'public', c.relname",
    )
    .persistent(false)
    .fetch_all(pool)
    .await?;
    let mut schema = Schema::default();
    for table in tables {
        let oid: i64 = table.try_get(0)?;
        let name: String = table.try_get(2)?;
        // The same name in a second schema would be ambiguous for the policy; the first wins.
        if schema.table(&name).is_some() {
            continue;
        }
        let columns = sqlx::query(
            "SELECT a.attname::text, format_type(a.atttypid, a.atttypmod), col_description(a.attrelid, a.attnum), NOT a.attnotnull, \
             EXISTS (SELECT 1 FROM pg_index i WHERE i.indrelid = a.attrelid AND i.indisunique AND i.indnatts = 1 AND i.indkey[0] = a.attnum), \
             (SELECT f.relname || '.' || fa.attname FROM pg_constraint k JOIN pg_class f ON f.oid = k.confrelid \
              JOIN pg_attribute fa ON fa.attrelid = k.confrelid AND fa.attnum = k.confkey[1] \
              WHERE k.contype = 'f' AND k.conrelid = a.attrelid AND k.conkey = ARRAY[a.attnum] LIMIT 1), \
             coalesce((SELECT array_position(i.indkey::int2[], a.attnum) FROM pg_index i WHERE i.indrelid = a.attrelid AND i.indisprimary), -1)::int4 \
             FROM pg_attribute a WHERE a.attrelid = $1::int8::oid AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum",
        )
        .persistent(false)
        .bind(oid)
        .fetch_all(pool)
        .await?;
        let mut keys: Vec<(i32, String)> = Vec::new();
        let mut infos = Vec::with_capacity(columns.len());
        for column in columns {
            let name: String = column.try_get(0)?;
            let declared: String = column.try_get(1)?;
            let position: i32 = column.try_get(6)?;
            if position >= 0 {
                keys.push((position, name.clone()));
            }
            infos.push(ColumnInfo {
                name,
                data_type: match column_type(&declared) {
                    // A PostgreSQL array or range of dates is no date.
                    ColumnType::Date | ColumnType::Timestamp
                        if declared.contains('[') || declared.contains("range") =>
                    {
                        ColumnType::Other
                    }
                    other => other,
                },
                declared,
                comment: column.try_get(2)?,
                nullable: column.try_get(3)?,
                unique: column.try_get(4)?,
                references: column.try_get(5)?,
            });
        }
        keys.sort();
        schema.tables.push(TableInfo {
            name,
            schema: Some(table.try_get(1)?),
            comment: table.try_get(3)?,
            columns: infos,
            primary_key: keys.into_iter().map(|(_, name)| name).collect(),
            rows_estimate: u64::try_from(table.try_get::<i64, _>(4)?).ok(),
        });
    }
    Ok(schema)
}
