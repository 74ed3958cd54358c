//! Why a file or a table cannot be had, and what the caller is told about it.
//!
//! Errors of libraries carry pieces of the document, so only their kind crosses this module.

use haechi_contract::{Code, Problem};

/// What can go wrong between a path and a table.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, serde::Serialize, serde::Deserialize)]
pub enum Error {
    #[error("path leads outside the folders")]
    OutsideFolder,
    #[error("no such file: {path}")]
    NoFile { path: String },
    #[error("not a regular file: {path}")]
    NotAFile { path: String },
    #[error("several folders hold {path}")]
    Ambiguous { path: String, folders: Vec<String> },
    #[error("kind not supported: {path}")]
    Unsupported { path: String, why: Unsupported },
    #[error("encrypted: {path}")]
    PasswordRequired { path: String },
    #[error("damaged: {path}")]
    Damaged { path: String, what: String },
    #[error("too large: {path}: {what}")]
    TooLarge { path: String, what: String },
    #[error("took too long: {path}")]
    TimedOut { path: String },
    #[error("no such table: {id}")]
    NoTable { id: String },
    #[error("no such sheet: {sheet}")]
    NoSheet { sheet: String, present: Vec<String> },
    #[error("no such column: {column}")]
    NoColumn { column: String, present: Vec<String> },
    #[error("wrong input: {message}")]
    Input { message: String, hint: Option<String> },
    #[error("statement refused: {message}")]
    Refused { message: String, hint: Option<String> },
    #[error("cancelled")]
    Cancelled,
    #[error("internal")]
    Internal,
}

/// Why a kind of file is not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum Unsupported {
    UnknownKind,
    HtmlNamedAsWorkbook,
    OldWorkbook,
    Encryption,
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        match error {
            Error::OutsideFolder => Self::new(Code::OutsideFolder, "허용된 폴더 밖의 경로는 읽을 수 없습니다")
                .with_hint("list_files로 읽을 수 있는 파일을 확인해 주십시오"),
            Error::NoFile { path } => Self::new(Code::NotFound, format!("`{path}` 파일이 없습니다"))
                .with_hint("list_files로 파일 이름을 확인해 주십시오"),
            Error::NotAFile { path } => {
                Self::new(Code::Unsupported, format!("`{path}`은(는) 일반 파일이 아니어서 읽지 않습니다"))
                    .with_hint("통합 문서, CSV, PDF 파일의 경로를 적어 주십시오")
            }
            Error::Ambiguous { path, folders } => {
                Self::new(Code::Ambiguous, format!("`{path}`이(가) 여러 폴더에 있습니다: {}", folders.join(", ")))
                    .with_hint("폴더 이름을 앞에 붙여 적어 주십시오")
            }
            Error::Unsupported { path, why } => unsupported(&path, why),
            Error::PasswordRequired { path } => {
                Self::new(Code::PasswordRequired, format!("`{path}`은(는) 암호로 보호되어 있습니다"))
                    .with_hint("암호를 푼 사본을 폴더에 넣고 다시 시도해 주십시오")
            }
            Error::Damaged { path, what } => {
                Self::new(Code::Unreadable, format!("`{path}`을(를) 읽을 수 없습니다: {what}"))
                    .with_hint("원래 프로그램에서 열어 다시 저장한 뒤 시도해 주십시오")
            }
            Error::TooLarge { path, what } => {
                Self::new(Code::TooLarge, format!("`{path}`이(가) 한도를 넘습니다: {what}"))
                    .with_hint("파일을 나누거나 필요한 시트·쪽만 저장해 다시 시도해 주십시오")
            }
            Error::TimedOut { path } => {
                Self::new(Code::Timeout, format!("`{path}`을(를) 읽는 데 시간이 너무 걸려 멈췄습니다"))
                    .with_hint("pages나 sheets로 범위를 줄여 다시 시도해 주십시오")
            }
            Error::NoTable { id } => Self::new(Code::NotFound, format!("`{id}` 표가 없습니다"))
                .with_hint("find_tables가 준 id를 그대로 적어 주십시오. 파일이 바뀌었으면 다시 찾아야 합니다"),
            Error::NoSheet { sheet, present } => Self::new(Code::NotFound, format!("`{sheet}` 시트가 없습니다"))
                .with_hint(format!("있는 시트: {}", present.join(", "))),
            Error::NoColumn { column, present } => Self::new(Code::NotFound, format!("`{column}` 열이 없습니다"))
                .with_hint(format!("있는 열: {}", present.join(", "))),
            Error::Input { message, hint } => Self { code: Code::InvalidInput, message, hint },
            Error::Refused { message, hint } => Self { code: Code::Refused, message, hint },
            Error::Cancelled => Self::new(Code::Cancelled, "요청이 취소되었습니다"),
            Error::Internal => Self::internal(),
        }
    }
}

fn unsupported(path: &str, why: Unsupported) -> Problem {
    match why {
        Unsupported::UnknownKind => {
            Problem::new(Code::Unsupported, format!("`{path}`은(는) 읽을 수 있는 종류의 파일이 아닙니다"))
                .with_hint("xlsx, xlsm, xls, xlsb, ods, csv, tsv, pdf를 읽습니다")
        }
        Unsupported::HtmlNamedAsWorkbook => {
            Problem::new(Code::Unsupported, format!("`{path}`은(는) 이름만 통합 문서이고 내용은 HTML입니다"))
                .with_hint("엑셀에서 열어 xlsx로 다시 저장해 주십시오")
        }
        Unsupported::OldWorkbook => {
            Problem::new(Code::Unsupported, format!("`{path}`은(는) 너무 오래된 형식의 통합 문서입니다"))
                .with_hint("엑셀에서 열어 xlsx로 다시 저장해 주십시오")
        }
        Unsupported::Encryption => {
            Problem::new(Code::PasswordRequired, format!("`{path}`은(는) 지원하지 않는 방식으로 암호화되어 있습니다"))
                .with_hint("암호를 푼 사본을 폴더에 넣고 다시 시도해 주십시오")
        }
    }
}
