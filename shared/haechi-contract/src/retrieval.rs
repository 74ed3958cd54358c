//! Inputs and outputs of `haechi-retrieval`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How passages are looked for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// 색인과 질의에 맞는 방식을 스스로 고른다
    #[default]
    Auto,
    /// 낱말과 의미를 함께
    Hybrid,
    /// 낱말만
    Lexical,
    /// 의미만 (임베딩 모델이 있어야 한다)
    Semantic,
}

impl Mode {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Hybrid => "hybrid",
            Self::Lexical => "lexical",
            Self::Semantic => "semantic",
        }
    }
}

/// 검색 범위를 좁히는 조건. 적은 조건을 모두 만족하는 단락만 찾는다.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PassageFilter {
    /// 문서 경로 또는 제목. 여럿이면 그중 하나 (예: ["manuals/여신심사.md"])
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub documents: Vec<String>,
    /// 문서 종류. 여럿이면 그중 하나 (예: ["매뉴얼"])
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub kinds: Vec<String>,
    /// 담당 부서. 여럿이면 그중 하나 (예: ["여신심사부"])
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub departments: Vec<String>,
    /// 이 날짜부터 (YYYY-MM-DD). 문서의 시행일이나 작성일과 견준다
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// 이 날짜까지 (YYYY-MM-DD)
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    /// 태그. 여럿이면 그중 하나
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
}

/// 단락 검색
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SearchPassages {
    /// 찾을 내용. 문장이나 낱말 (예: "아파트 담보 감정가 산정 방법")
    pub query: String,
    /// 찾을 컬렉션. 비우면 기본 컬렉션
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub collection: Option<String>,
    /// 돌려받을 단락 수 (1~50, 기본 8)
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<usize>,
    /// 검색 방식 (기본 auto)
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<Mode>,
    /// 범위를 좁히는 조건
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub filter: Option<PassageFilter>,
    /// 서로 다른 내용을 고르게 섞는 정도 (0~1, 기본 0). 1에 가까울수록 비슷한 단락을 덜 돌려준다
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub diversity: Option<f64>,
    /// 문서 하나에서 돌려받을 최대 단락 수
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub per_document: Option<usize>,
}

/// One passage, as a search finds it and a report quotes it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Passage {
    pub id: String,
    pub collection: String,
    /// The path of the document below the folder that was indexed, with that folder's name.
    pub document: String,
    pub title: String,
    /// The headings above the passage, outermost first.
    pub heading: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub page: Option<u32>,
    pub text: String,
    /// How well it matches; comparable within one answer only. Absent where nothing was searched.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub score: Option<f64>,
    /// A label that a person can check, e.g. `여신심사 매뉴얼 › 3. 담보평가`.
    pub citation: String,
    pub uri: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub department: Option<String>,
    /// The day that the document states as its own, `YYYY-MM-DD`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub date: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
}

/// The answer of a search.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Passages {
    pub passages: Vec<Passage>,
    /// What was really used: `lexical`, `semantic` or `hybrid`.
    pub mode: Mode,
    /// Why not what was asked for, or what the mode means for the reader.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode_reason: Option<String>,
    pub collection: String,
    /// Whether there is more than was asked for.
    pub truncated: bool,
}

/// 단락 하나와 그 앞뒤
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GetPassage {
    /// 단락의 id 또는 uri (예: "passage://documents/…")
    pub id: String,
    /// 컬렉션. uri를 적었으면 비워도 된다
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub collection: Option<String>,
    /// 함께 돌려받을 앞 단락 수 (0~10, 기본 0)
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<usize>,
    /// 함께 돌려받을 뒤 단락 수 (0~10, 기본 0)
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<usize>,
}

/// A passage with its neighbours in reading order.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PassageInContext {
    pub passage: Passage,
    pub before: Vec<Passage>,
    pub after: Vec<Passage>,
}

/// 비슷한 단락 찾기
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FindSimilar {
    /// 기준이 되는 단락의 id 또는 uri. text와 함께 쓰지 않는다
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// 기준이 되는 글. id와 함께 쓰지 않는다
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// 컬렉션. 비우면 기본 컬렉션
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub collection: Option<String>,
    /// 돌려받을 단락 수 (1~50, 기본 8)
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<usize>,
    /// 범위를 좁히는 조건
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub filter: Option<PassageFilter>,
}

/// 컬렉션 목록
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ListCollections {}

/// One collection.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CollectionEntry {
    pub name: String,
    pub documents: usize,
    pub passages: usize,
    /// The embedding model, where passages can be found by meaning.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// When it last changed, RFC 3339; absent for one that was never indexed to the end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub updated_at: Option<String>,
    /// Whether it is the one that a search without `collection` looks into.
    pub default: bool,
}

/// What collections there are.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Collections {
    pub collections: Vec<CollectionEntry>,
    /// Where they are: `edge:…` or the address of a server.
    pub store: String,
}
