//! Why a request about regulations cannot be answered, and what a person is told.

use std::path::PathBuf;

use haechi_contract::{Code, Problem};

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("no index in `{}`", path.display())]
    IndexMissing { path: PathBuf },
    #[error("index in `{}` has format {found}, this program writes {expected}", path.display())]
    IndexVersion { path: PathBuf, found: String, expected: String },
    #[error("index in `{}` is damaged: {detail}", path.display())]
    IndexCorrupt { path: PathBuf, detail: String },
    #[error("index is being written by {holder}")]
    Locked { holder: String },
    #[error("cannot {action} `{}`: {kind}", path.display())]
    Io { action: &'static str, path: PathBuf, kind: std::io::ErrorKind },
    #[error("search engine: {0}")]
    Engine(#[from] tantivy::TantivyError),
    #[error("nothing to index in {}", paths.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", "))]
    NothingToIndex { paths: Vec<PathBuf> },
    #[error("cancelled")]
    Cancelled,
    /// The request itself is at fault; the problem says how.
    #[error("{0}")]
    Request(Problem),
}

impl Error {
    pub fn io(action: &'static str, path: &std::path::Path, error: &std::io::Error) -> Self {
        Self::Io { action, path: path.to_owned(), kind: error.kind() }
    }

    pub fn not_found(message: impl Into<String>) -> Self {
        Self::Request(Problem::new(Code::NotFound, message))
    }

    pub fn invalid(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::Request(Problem::new(Code::InvalidInput, message).with_hint(hint))
    }
}

impl From<Problem> for Error {
    fn from(problem: Problem) -> Self {
        Self::Request(problem)
    }
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        match error {
            Error::IndexMissing { path } => Self::new(
                Code::NotReady,
                format!("규정 색인이 아직 없습니다: {}", path.display()),
            )
            .with_hint(format!("`haechi-regulations index 규정폴더 --data {}`로 색인을 만드십시오", path.display())),
            Error::IndexVersion { path, found, expected } => Self::new(
                Code::VersionMismatch,
                format!("규정 색인의 형식({found})이 이 프로그램의 형식({expected})과 다릅니다: {}", path.display()),
            )
            .with_hint(format!(
                "원본은 그대로입니다. `{}` 폴더를 지우거나 `index --rebuild`로 다시 색인하십시오",
                path.display()
            )),
            Error::IndexCorrupt { path, detail } => {
                tracing::error!(%detail, "the index is damaged");
                Self::new(Code::Corrupt, format!("규정 색인이 손상되었습니다: {}", path.display())).with_hint(format!(
                    "`haechi-regulations index 규정폴더 --rebuild --data {}`로 다시 만드십시오",
                    path.display()
                ))
            }
            Error::Locked { holder } => {
                Self::new(Code::Busy, format!("다른 작업이 같은 색인을 쓰고 있습니다 ({holder})"))
                    .with_hint("그 작업이 끝난 뒤 다시 하거나 `--wait`로 기다리십시오")
            }
            Error::Io { action, path, kind } => {
                tracing::error!(action, path = %path.display(), %kind, "file access failed");
                let (code, message) = match kind {
                    std::io::ErrorKind::NotFound => (Code::NotFound, "파일이나 폴더가 없습니다"),
                    std::io::ErrorKind::PermissionDenied => (Code::Unavailable, "파일이나 폴더에 대한 권한이 없습니다"),
                    std::io::ErrorKind::StorageFull => (Code::Unavailable, "디스크에 빈 공간이 없습니다"),
                    _ => (Code::Unavailable, "파일이나 폴더를 읽거나 쓸 수 없습니다"),
                };
                Self::new(code, format!("{message}: {}", path.display()))
                    .with_hint("경로와 권한, 남은 공간을 확인하십시오")
            }
            Error::Engine(error) => {
                tracing::error!(%error, "the search engine failed");
                Self::new(Code::Unavailable, "규정 색인을 읽거나 쓰다가 실패했습니다")
                    .with_hint("디스크의 빈 공간과 권한을 확인하고, 되풀이되면 `index --rebuild`로 다시 색인하십시오")
            }
            Error::NothingToIndex { paths } => {
                let paths: Vec<String> = paths.iter().map(|path| path.display().to_string()).collect();
                Self::new(Code::NotFound, format!("색인할 규정 파일이 없습니다: {}", paths.join(", ")))
                    .with_hint("Markdown(.md)이나 텍스트(.txt) 파일이 든 폴더를 주십시오")
            }
            Error::Cancelled => Self::new(Code::Cancelled, "요청이 취소되었습니다"),
            Error::Request(problem) => problem,
        }
    }
}
