//! Why a question has no answer. Nothing here ever holds a value or a text of the database.

use std::path::PathBuf;

use haechi_contract::{Code, Problem};
use haechi_sql::{Reason, Refusal};

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("{file}:{line}:{column}: {message}")]
    Policy { file: String, line: usize, column: usize, message: String, hint: Option<String> },
    #[error("{file}: {message}")]
    Saved { file: String, message: String },
    #[error("{message}")]
    Settings { message: String, hint: Option<String> },
    #[error("cannot read {}", path.display())]
    Read {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("refused: {}", .0.reason.as_str())]
    Refused(Refusal),
    #[error("free SQL is not open to role {role}")]
    SavedOnly { role: String },
    #[error("no role {role} in the policy")]
    NoRole { role: String, known: Vec<String> },
    #[error("no table {name}")]
    NoTable { name: String, near: Option<String> },
    #[error("no saved query {name}")]
    NoSaved { name: String, near: Option<String> },
    #[error("parameter {name}: {message}")]
    Parameter { name: String, message: String, hint: Option<String> },
    #[error("the database does not answer")]
    Unavailable,
    #[error("the query took longer than {limit_ms} ms")]
    Timeout { limit_ms: u64 },
    #[error("cancelled")]
    Cancelled,
    #[error("every connection is in use")]
    Busy,
    /// The database refused or failed the statement; `class` is our own word for why.
    #[error("the database failed the statement: {class}")]
    Database { class: &'static str },
    #[error("the account can write: {0}")]
    Writable(String),
    #[error("internal")]
    Internal,
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        match error {
            Error::Policy { file, line, column, message, hint } => {
                with(Problem::new(Code::InvalidSettings, format!("{file}:{line}:{column}: {message}")), hint)
            }
            Error::Saved { file, message } => Problem::new(Code::InvalidSettings, format!("{file}: {message}"))
                .with_hint("저장 질의 파일의 머리말을 고치세요. 형식은 docs/customers.md에 있습니다."),
            Error::Settings { message, hint } => with(Problem::new(Code::InvalidSettings, message), hint),
            Error::Read { path, source } => Problem::new(
                Code::InvalidSettings,
                format!("{}을(를) 읽을 수 없습니다({}).", path.display(), source.kind()),
            )
            .with_hint("경로와 읽기 권한을 확인하세요."),
            Error::Refused(refusal) => {
                let code = match refusal.reason {
                    Reason::TooLarge => Code::TooLarge,
                    Reason::Parameter | Reason::Syntax => Code::InvalidInput,
                    _ => Code::Refused,
                };
                with(Problem::new(code, refusal.message), refusal.hint)
            }
            Error::SavedOnly { role } => {
                Problem::new(Code::Denied, format!("역할 {role}은(는) 저장 질의만 쓸 수 있습니다."))
                    .with_hint("list_saved_queries로 쓸 수 있는 질의를 확인하세요.")
            }
            Error::NoRole { role, known } => Problem::new(Code::Denied, format!("정책에 역할 {role}이(가) 없습니다."))
                .with_hint(format!("쓸 수 있는 역할: {}", known.join(", "))),
            Error::NoTable { name, near } => {
                let hint = near.map_or_else(
                    || "list_customer_tables로 표 이름을 확인하세요.".to_owned(),
                    |near| format!("혹시 {near}입니까?"),
                );
                Problem::new(Code::NotFound, format!("표 {name}이(가) 없습니다.")).with_hint(hint)
            }
            Error::NoSaved { name, near } => {
                let hint = near.map_or_else(
                    || "list_saved_queries로 이름을 확인하세요.".to_owned(),
                    |near| format!("혹시 {near}입니까?"),
                );
                Problem::new(Code::NotFound, format!("저장 질의 {name}이(가) 없습니다.")).with_hint(hint)
            }
            Error::Parameter { name, message, hint } => {
                with(Problem::new(Code::InvalidInput, format!("매개변수 {name}: {message}")), hint)
            }
            Error::Unavailable => Problem::new(Code::Unavailable, "고객 데이터베이스가 답하지 않습니다.")
                .with_hint("haechi-customers doctor로 연결을 확인하세요."),
            Error::Timeout { limit_ms } => {
                Problem::new(Code::Timeout, format!("질의가 {limit_ms}밀리초 안에 끝나지 않아 멈췄습니다."))
                    .with_hint("조건을 더하거나 기간을 줄이세요.")
            }
            Error::Cancelled => Problem::new(Code::Cancelled, "요청이 취소되어 질의를 멈췄습니다."),
            Error::Busy => Problem::new(Code::Busy, "동시에 처리하는 질의가 너무 많습니다.")
                .with_hint("잠시 뒤에 다시 요청하세요."),
            Error::Database { class } => {
                Problem::new(Code::InvalidInput, format!("데이터베이스가 이 질의를 실행하지 못했습니다({class})."))
                    .with_hint("열 이름, 자료형, 함수 인자를 확인하고 explain_customer_query로 점검하세요.")
            }
            Error::Writable(message) => Problem::new(Code::InvalidSettings, message)
                .with_hint("haechi-customers doctor가 보여 주는 GRANT 문으로 읽기 전용 계정을 만드세요."),
            Error::Internal => Problem::new(Code::Internal, "서버 안에서 오류가 났습니다. 로그를 확인하세요."),
        }
    }
}

fn with(problem: Problem, hint: Option<String>) -> Problem {
    match hint {
        Some(hint) => problem.with_hint(hint),
        None => problem,
    }
}
