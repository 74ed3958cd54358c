//! Inputs and outputs of `haechi-regulations`.
//!
//! Dates are `YYYY-MM-DD` text. Outputs carry plain comments instead of documentation comments on
//! most fields, since every description of a schema is paid for by the reader of `tools/list`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

fn is_false(value: &bool) -> bool {
    !value
}

// ---- search_regulations ----

#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SearchRegulations {
    /// 질문, 낱말, 조문 번호(금소법 19조1항)
    pub query: String,
    /// 같은 질문을 법률 용어로 바꿔 쓴 것(최대 4개)
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rephrasings: Vec<String>,
    /// 결과 수(기본 10, 최대 50)
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
    /// 기준일 YYYY-MM-DD(기본 오늘)
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub as_of: Option<String>,
    /// 이 규정들에서만(이름, 약칭, id)
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub regulations: Vec<String>,
    /// 종류: 법률, 시행령, 시행규칙, 내규 등
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub kinds: Vec<String>,
    /// 부칙도 찾기
    #[serde(default, skip_serializing_if = "is_false")]
    pub include_addenda: bool,
    /// 앞 결과의 next_cursor
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
}

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct RegulationHits {
    pub hits: Vec<RegulationHit>,
    pub total: u64,
    pub confidence: Confidence,
    pub as_of: String,
    // Spellings the query may have meant, when little was found.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub suggestions: Vec<String>,
    // What the caller should know: a date that was read from the query, a cited article that is missing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct RegulationHit {
    pub citation: String,
    pub regulation: String,
    pub article: String,
    pub title: String,
    pub snippet: String,
    pub score: f64,
    pub status: Status,
    pub effective_from: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub effective_to: Option<String>,
    // The statute that a decree or rule belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub family: Option<String>,
    pub uri: String,
}

/// How far the answer can be relied on; `none` means that the caller should say so and refuse.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Confidence {
    High,
    Medium,
    Low,
    None,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    InForce,
    NotYetInForce,
    NoLongerInForce,
    Deleted,
}

// ---- get_article ----

#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GetArticle {
    /// 조문 인용: 은행법 제34조의2, 금소법 19조1항
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub citation: Option<String>,
    /// regulation://… (citation 대신)
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uri: Option<String>,
    /// 기준일 YYYY-MM-DD(기본 오늘)
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub as_of: Option<String>,
    /// 앞뒤로 함께 볼 조문 수(최대 3)
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub context: Option<u32>,
}

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct ArticleText {
    pub citation: String,
    pub regulation: String,
    pub article: String,
    pub title: String,
    pub text: String,
    pub paragraphs: Vec<Paragraph>,
    pub status: Status,
    pub effective_from: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub effective_to: Option<String>,
    // Part, chapter and section that the article stands in.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub headings: Vec<String>,
    pub references: Vec<ArticleReference>,
    // The neighbours that `context` asked for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub neighbours: Vec<Neighbour>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    pub uri: String,
}

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Paragraph {
    // Absent where the article has no numbered paragraphs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub number: Option<u32>,
    pub text: String,
}

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct ArticleReference {
    pub text: String,
    pub to: String,
    pub resolved: bool,
}

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Neighbour {
    pub citation: String,
    pub text: String,
    pub uri: String,
}

// ---- get_outline ----

#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GetOutline {
    /// 규정 이름, 약칭 또는 id
    pub regulation: String,
    /// 기준일 YYYY-MM-DD(기본 오늘)
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub as_of: Option<String>,
}

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Outline {
    pub id: String,
    pub regulation: String,
    pub effective_from: String,
    pub entries: Vec<OutlineEntry>,
    #[serde(default, skip_serializing_if = "is_false")]
    pub truncated: bool,
    pub uri: String,
    pub citation: String,
}

// The tree in reading order; `depth` says how deep an entry stands.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct OutlineEntry {
    pub depth: u32,
    pub label: String,
    pub title: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uri: Option<String>,
}

// ---- list_regulations ----

#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ListRegulations {
    /// 이름의 일부
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub query: Option<String>,
    /// 종류: 법률, 시행령, 내규 등
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// 앞 결과의 next_cursor
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
}

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct RegulationList {
    pub regulations: Vec<RegulationSummary>,
    pub total: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct RegulationSummary {
    pub id: String,
    pub name: String,
    pub short_names: Vec<String>,
    pub kind: String,
    pub versions: u32,
    pub effective_from: String,
    pub articles: u32,
    pub uri: String,
}

// ---- compare_versions ----

#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CompareVersions {
    /// 규정 이름, 약칭 또는 id
    pub regulation: String,
    /// 한 조문만: 제12조
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub article: Option<String>,
    /// 앞 기준일 YYYY-MM-DD
    pub from: String,
    /// 뒤 기준일 YYYY-MM-DD
    pub to: String,
}

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Comparison {
    pub regulation: String,
    pub from: String,
    pub to: String,
    pub changes: Vec<Change>,
    #[serde(default, skip_serializing_if = "is_false")]
    pub truncated: bool,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Change {
    pub article: String,
    pub kind: ChangeKind,
    pub title: String,
    // The article that this one was before it was renumbered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub article_before: Option<String>,
    pub before: String,
    pub after: String,
    pub words: Vec<WordChange>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub effective_from: Option<String>,
    pub citation: String,
    pub uri: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ChangeKind {
    Added,
    Removed,
    Changed,
    Renumbered,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct WordChange {
    pub kind: WordChangeKind,
    pub text: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum WordChangeKind {
    Same,
    Removed,
    Added,
}

// ---- trace_references ----

#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TraceReferences {
    /// 출발 조문: 은행법 제35조
    pub citation: String,
    /// out(이 조문이 가리키는 것), in(이 조문을 가리키는 것), both(기본)
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub direction: Option<String>,
    /// 깊이 1–3(기본 1)
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub depth: Option<u32>,
    /// 기준일 YYYY-MM-DD(기본 오늘)
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub as_of: Option<String>,
}

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct ReferenceTrace {
    pub citation: String,
    pub edges: Vec<ReferenceEdge>,
    #[serde(default, skip_serializing_if = "is_false")]
    pub truncated: bool,
    pub uri: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ReferenceEdge {
    pub from: String,
    pub to: String,
    // The words of the referring text.
    pub text: String,
    // `reference`, or `delegation` where a higher text leaves a matter to a lower one.
    pub kind: EdgeKind,
    pub depth: u32,
    pub resolved: bool,
    // Where the referring text stands.
    pub citation: String,
    pub uri: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum EdgeKind {
    Reference,
    Delegation,
}

// ---- verify_citations ----

#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct VerifyCitations {
    /// 점검할 글
    pub text: String,
    /// 기준일 YYYY-MM-DD(기본 오늘)
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub as_of: Option<String>,
}

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Verification {
    pub citations: Vec<VerifiedCitation>,
    pub verdict: Verdict,
    pub as_of: String,
    #[serde(default, skip_serializing_if = "is_false")]
    pub truncated: bool,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct VerifiedCitation {
    pub written: String,
    // Character offsets in the text that was given.
    pub start: u32,
    pub end: u32,
    pub line: u32,
    pub status: CitationStatus,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub citation: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uri: Option<String>,
    // What the text really says, where a quotation or a title differs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub actual: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suggestion: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CitationStatus {
    Verified,
    NotFound,
    NotInForce,
    QuoteMismatch,
    // Could mean several regulations, or one that is not in the index: it could not be checked.
    Ambiguous,
    NotChecked,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    // Everything was checked and is right.
    Right,
    // Something is wrong.
    Wrong,
    // Nothing is wrong, but something could not be checked.
    Unchecked,
    // The text cites nothing.
    Empty,
}
