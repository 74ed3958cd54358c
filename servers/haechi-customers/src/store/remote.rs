//! What PostgreSQL and MariaDB have in common: a runtime of their own, deadlines, text cells.
//!
//! Only this module makes a statement out of text ([`statement`]); the text comes from the guard
//! or is written here, next to its use. Answers are read in the text protocol, since that shows
//! every type of the database exactly as the database itself would print it.

use std::future::Future;
use std::time::Duration;

use serde_json::Value;
use sqlx::{AssertSqlSafe, SqlSafeStr};

use crate::{CancellationToken, Error, value};

/// How long a connection may take.
pub(super) const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// What a deadline leaves the server to stop by itself before the control connection does it.
pub(super) const GRACE: Duration = Duration::from_millis(50);
/// How long the control connection may take to stop a statement.
const STOP_TIMEOUT: Duration = Duration::from_secs(2);

/// The one place where text becomes a statement.
pub(super) fn statement(sql: impl Into<String>) -> impl SqlSafeStr {
    AssertSqlSafe(sql.into())
}

/// A runtime that may be dropped anywhere.
pub(super) struct Background {
    runtime: Option<tokio::runtime::Runtime>,
}

impl Background {
    pub(super) fn start() -> Result<Self, Error> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .thread_name("haechi-database")
            .enable_all()
            .build()
            .map_err(|_| Error::Internal)?;
        Ok(Self { runtime: Some(runtime) })
    }

    /// Waits for `work`; the caller's thread may block.
    pub(super) fn wait<T>(&self, work: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
        match &self.runtime {
            Some(runtime) => runtime.block_on(work),
            None => Err(Error::Internal),
        }
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// Why waiting ended before the answer came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stopped {
    Deadline,
    Cancelled,
}

/// Waits for `work`, but no longer than the deadline and the caller's patience.
pub(super) async fn within<T>(
    work: impl Future<Output = T>,
    timeout: Duration,
    cancel: &CancellationToken,
) -> Result<T, Stopped> {
    tokio::select! {
        biased;
        done = work => Ok(done),
        () = cancel.cancelled() => Err(Stopped::Cancelled),
        () = tokio::time::sleep(timeout + GRACE) => Err(Stopped::Deadline),
    }
}

/// Stops a statement from another connection; dropping the waiting future would leave it running.
pub(super) async fn stop(work: impl Future<Output = Result<(), sqlx::Error>>) {
    match tokio::time::timeout(STOP_TIMEOUT, work).await {
        Ok(Ok(())) => {}
        Ok(Err(_)) | Err(_) => tracing::warn!("a running statement could not be stopped; its own timeout will"),
    }
}

/// A cell of the text protocol.
pub(super) fn cell(kind: &str, text: &str, chars_max: usize) -> Value {
    match kind {
        "boolean" => match text {
            "t" | "true" | "1" => Value::Bool(true),
            "f" | "false" | "0" => Value::Bool(false),
            other => value::text(other, chars_max),
        },
        "integer" => text.parse::<i128>().map_or_else(|_| value::text(text, chars_max), value::integer),
        "number" => text.parse::<f64>().map_or_else(|_| value::text(text, chars_max), value::real),
        "json" => serde_json::from_str(text).unwrap_or_else(|_| value::text(text, chars_max)),
        _ => value::text(text, chars_max),
    }
}

/// Our own word for a failure of a server; its text may quote values and stays here.
pub(super) fn failure(error: &sqlx::Error, limit_ms: u64) -> Error {
    match error {
        sqlx::Error::Database(database) => {
            let code = database.code().unwrap_or_default().into_owned();
            tracing::debug!(%code, "a statement failed");
            class(&code, limit_ms)
        }
        sqlx::Error::PoolTimedOut => Error::Busy,
        sqlx::Error::Io(_)
        | sqlx::Error::Tls(_)
        | sqlx::Error::PoolClosed
        | sqlx::Error::WorkerCrashed
        | sqlx::Error::Protocol(_) => Error::Unavailable,
        _ => Error::Database { class: "답을 읽을 수 없음" },
    }
}

/// SQLSTATE to our words.
fn class(code: &str, limit_ms: u64) -> Error {
    match code {
        // Cancelled by its own timeout (PostgreSQL; MariaDB and MySQL).
        "57014" | "70100" | "HY000" if code != "HY000" => Error::Timeout { limit_ms },
        "25006" => Error::Database { class: "읽기가 아닌 동작" },
        "55P03" => Error::Busy,
        _ if code.starts_with("08") || code.starts_with("57") => Error::Unavailable,
        _ if code.starts_with("22") => Error::Database { class: "값을 바꾸거나 계산할 수 없음" },
        _ if code.starts_with("21") => Error::Database { class: "하위 질의가 여러 행을 냄" },
        _ if code.starts_with("53") || code.starts_with("54") => Error::Database { class: "자원 한도를 넘음" },
        "42501" => Error::Database { class: "계정에 권한이 없음" },
        _ if code.starts_with("42") => {
            Error::Database { class: "이름, 자료형 또는 함수 인자가 맞지 않음" }
        }
        _ => Error::Database { class: "문장이나 값의 오류" },
    }
}
