//! Everything that can go wrong here, and what a person is told about it.

use haechi_contract::{Code, Problem};

use crate::store::StoreError;

/// A refusal or failure of retrieval.
#[derive(Debug, thiserror::Error)]
pub enum RetrievalError {
    #[error("the query is empty")]
    EmptyQuery,
    #[error("the query has {characters} characters, the limit is {max}")]
    QueryTooLong { characters: usize, max: usize },
    #[error("argument `{argument}` is out of range")]
    Argument { argument: &'static str, expected: &'static str },
    #[error("collection name is not allowed")]
    CollectionName { name: String },
    #[error("no collection `{name}`")]
    NoCollection { name: String, present: Vec<String> },
    #[error("there is no collection yet")]
    NothingIndexed,
    #[error("several collections and none named")]
    WhichCollection { present: Vec<String> },
    #[error("no passage `{id}`")]
    NoPassage { id: String },
    #[error("collection `{name}` was built differently: {what}")]
    BuiltDifferently { name: String, what: &'static str, stored: String, wanted: String },
    #[error("a semantic search needs a model")]
    NoModel { collection: String },
    #[error("path `{path}` cannot be indexed")]
    Path { path: String, detail: &'static str },
    #[error("two of the folders have the same name `{name}`")]
    SameName { name: String },
    #[error("question file line {line} cannot be read")]
    Questions { line: usize, detail: &'static str },
    #[error("the embedding endpoint failed: {detail}")]
    Embedding { detail: EmbeddingFault },
    #[error("settings are wrong: {detail}")]
    Settings { detail: &'static str },
    #[error("{arrived} of {expected} passages arrived")]
    Incomplete { arrived: usize, expected: usize },
    #[error("the work was cancelled")]
    Cancelled,
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What an embedding endpoint did wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EmbeddingFault {
    Unreachable,
    TimedOut,
    Denied,
    Refused { status: u16 },
    Nonsense { what: &'static str },
    Dimension { expected: usize, received: usize },
}

impl std::fmt::Display for EmbeddingFault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Unreachable => f.write_str("unreachable"),
            Self::TimedOut => f.write_str("timed out"),
            Self::Denied => f.write_str("denied"),
            Self::Refused { status } => write!(f, "status {status}"),
            Self::Nonsense { what } => write!(f, "nonsense: {what}"),
            Self::Dimension { expected, received } => write!(f, "{received} dimensions instead of {expected}"),
        }
    }
}

impl From<RetrievalError> for Problem {
    fn from(error: RetrievalError) -> Self {
        use RetrievalError as E;
        match error {
            E::EmptyQuery => Problem::new(Code::InvalidInput, "찾을 내용이 비어 있습니다")
                .with_hint("query에 찾을 내용을 문장이나 낱말로 적으십시오"),
            E::QueryTooLong { characters, max } => Problem::new(
                Code::TooLarge,
                format!("찾을 내용이 {characters}자로 너무 깁니다 (최대 {max}자)"),
            )
            .with_hint(
                "핵심 문장만 남겨 다시 찾으십시오. 긴 글과 비슷한 단락은 find_similar의 text로 찾을 수 있습니다",
            ),
            E::Argument { argument, expected } => {
                Problem::new(Code::InvalidInput, format!("`{argument}` 값이 맞지 않습니다")).with_hint(expected)
            }
            E::CollectionName { name } => {
                Problem::new(Code::InvalidInput, format!("컬렉션 이름으로 쓸 수 없습니다: {}", shorten(&name)))
                    .with_hint("영문 소문자와 숫자, `-`, `_`로 63자까지 쓰십시오 (예: manuals)")
            }
            E::NoCollection { name, present } => {
                let hint = if present.is_empty() {
                    "`haechi-retrieval index 폴더`로 먼저 색인하십시오".to_owned()
                } else {
                    format!("있는 컬렉션: {}", present.join(", "))
                };
                Problem::new(Code::NotFound, format!("컬렉션이 없습니다: {}", shorten(&name))).with_hint(hint)
            }
            E::NothingIndexed => Problem::new(Code::NotReady, "아직 색인한 문서가 없습니다").with_hint(
                "`haechi-retrieval index 폴더`로 색인하거나 haechi.toml의 [retrieval] sources에 폴더를 적으십시오",
            ),
            E::WhichCollection { present } => Problem::new(Code::Ambiguous, "컬렉션이 여럿이라 고를 수 없습니다")
                .with_hint(format!("collection에 하나를 적으십시오: {}", present.join(", "))),
            E::NoPassage { id } => Problem::new(Code::NotFound, format!("그런 단락이 없습니다: {}", shorten(&id)))
                .with_hint("문서가 바뀌면 단락의 id도 바뀝니다. search_passages로 다시 찾으십시오"),
            E::BuiltDifferently { name, what, stored, wanted } => Problem::new(
                Code::VersionMismatch,
                format!("컬렉션 {name}은 다른 설정으로 만들어졌습니다: {what} (저장된 값 {stored}, 지금 값 {wanted})"),
            )
            .with_hint(format!(
                "설정을 되돌리거나 `haechi-retrieval index 폴더 --collection {name} --rebuild`로 다시 만드십시오"
            )),
            E::NoModel { collection } => Problem::new(
                Code::NotReady,
                format!("컬렉션 {collection}에는 임베딩이 없어 의미로 찾을 수 없습니다"),
            )
            .with_hint(
                "mode를 lexical이나 auto로 바꾸거나, [retrieval] embedder를 설정하고 --rebuild로 다시 색인하십시오",
            ),
            E::Path { path, detail } => {
                Problem::new(Code::NotFound, format!("색인할 수 없는 경로입니다: {path}")).with_hint(detail)
            }
            E::SameName { name } => Problem::new(Code::Ambiguous, format!("이름이 같은 폴더가 둘 있습니다: {name}"))
                .with_hint("컬렉션을 나누어 따로 색인하거나 폴더 이름을 바꾸십시오"),
            E::Questions { line, detail } => {
                Problem::new(Code::InvalidInput, format!("질문 파일 {line}번째 줄을 읽을 수 없습니다"))
                    .with_hint(detail)
            }
            E::Embedding { detail } => embedding(&detail),
            E::Settings { detail } => {
                Problem::new(Code::InvalidSettings, "[retrieval] 설정이 맞지 않습니다").with_hint(detail)
            }
            E::Incomplete { arrived, expected } => {
                Problem::new(Code::Corrupt, format!("단락 {expected}개 가운데 {arrived}개만 옮겨졌습니다"))
                    .with_hint("다른 프로세스가 같은 컬렉션에 쓰고 있지 않은지 확인하고 다시 옮기십시오")
            }
            E::Cancelled => Problem::new(Code::Cancelled, "요청이 취소되었습니다"),
            E::Store(error) => store(error),
        }
    }
}

fn store(error: StoreError) -> Problem {
    match &error {
        StoreError::Held { name, holder } => {
            let who = match holder {
                Some(holder) => format!("프로세스 {} ({})", holder.pid, holder.command),
                None => "다른 프로세스".to_owned(),
            };
            Problem::new(Code::Busy, format!("컬렉션 {name}을 {who}가 쓰고 있습니다")).with_hint(
                "그 프로세스를 끝내거나, 여럿이 함께 쓰려면 `haechi-retrieval serve --http 127.0.0.1:7410` 하나에 모두 연결하십시오",
            )
        }
        StoreError::Corrupt { name, source } => {
            tracing::error!(%source, collection = name, "a collection cannot be opened");
            Problem::new(Code::Corrupt, format!("컬렉션 {name}의 자료가 손상되어 열 수 없습니다"))
                .with_hint(format!("`haechi-retrieval index 폴더 --collection {name} --rebuild`로 다시 만드십시오"))
        }
        StoreError::Unreachable { source } => {
            tracing::error!(%source, "the store cannot be reached");
            Problem::new(Code::Unavailable, "Qdrant 서버에 연결할 수 없습니다")
                .with_hint("[retrieval.qdrant] url과 서버가 켜져 있는지 확인하십시오")
        }
        StoreError::Denied => Problem::new(Code::Denied, "Qdrant 서버가 인증을 거절했습니다")
            .with_hint("[retrieval.qdrant] key_file의 열쇠와 그 권한을 확인하십시오"),
        StoreError::NotWritable { source } => {
            tracing::error!(%source, "the store cannot be written");
            Problem::new(Code::Unavailable, "색인 폴더에 쓸 수 없습니다").with_hint(
                "디스크의 남은 공간과 폴더의 쓰기 권한을 확인한 뒤 다시 색인하십시오. 이미 저장된 문서는 그대로입니다",
            )
        }
        StoreError::Dimension { expected, received } => Problem::new(
            Code::VersionMismatch,
            format!("임베딩의 크기가 컬렉션과 다릅니다 (컬렉션 {expected}, 모델 {received})"),
        )
        .with_hint("컬렉션을 만든 모델로 되돌리거나 --rebuild로 다시 색인하십시오"),
        StoreError::Failed { source } => {
            tracing::error!(%source, "the store failed");
            Problem::internal()
        }
    }
}

fn embedding(fault: &EmbeddingFault) -> Problem {
    match fault {
        EmbeddingFault::Unreachable => Problem::new(Code::Unavailable, "임베딩 서버에 연결할 수 없습니다")
            .with_hint("[retrieval.embedder] url과 서버가 켜져 있는지 확인하십시오"),
        EmbeddingFault::TimedOut => Problem::new(Code::Timeout, "임베딩 서버가 제때 답하지 않았습니다")
            .with_hint("서버의 부하를 확인하거나 [retrieval.embedder] timeout_ms를 늘리십시오"),
        EmbeddingFault::Denied => Problem::new(Code::Denied, "임베딩 서버가 인증을 거절했습니다")
            .with_hint("[retrieval.embedder] key_file의 열쇠를 확인하십시오"),
        EmbeddingFault::Refused { status } => {
            Problem::new(Code::Unavailable, format!("임베딩 서버가 요청을 거절했습니다 (HTTP {status})"))
                .with_hint("모델 이름과 서버의 로그를 확인하십시오")
        }
        EmbeddingFault::Nonsense { what } => {
            tracing::error!(what, "the embedding endpoint answers nonsense");
            Problem::new(Code::Unavailable, "임베딩 서버의 답을 이해할 수 없습니다")
                .with_hint("url이 OpenAI 호환 /v1/embeddings를 가리키는지 확인하십시오")
        }
        EmbeddingFault::Dimension { expected, received } => Problem::new(
            Code::VersionMismatch,
            format!("임베딩의 크기가 설정과 다릅니다 (기대 {expected}, 받음 {received})"),
        )
        .with_hint("컬렉션을 만든 모델과 같은 모델인지 확인하십시오"),
    }
}

/// What a caller wrote, short enough to repeat.
fn shorten(text: &str) -> String {
    let mut short: String = text.chars().filter(|letter| !letter.is_control()).take(60).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    short
}
