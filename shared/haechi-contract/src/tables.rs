//! Inputs and outputs of `haechi-tables`.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Input of `list_files`.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ListFiles {
    /// 볼 폴더. 비우면 허용된 폴더 전부
    pub folder: Option<String>,
    /// 파일 이름의 무늬. 예: `*.xlsx`, `2026/*여신*`
    pub pattern: Option<String>,
    /// 앞 결과의 next_cursor. 이어서 볼 때만 적습니다
    pub cursor: Option<String>,
}

/// A file that holds tables.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct FileEntry {
    pub path: String,
    /// `xlsx`, `xls`, `xlsb`, `ods`, `csv` or `pdf`.
    pub kind: String,
    pub bytes: u64,
    /// UTC, e.g. `2026-09-30T01:02:03Z`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub modified: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sheets: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pages: Option<u64>,
}

/// Output of `list_files`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Files {
    pub files: Vec<FileEntry>,
    pub total: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}

/// Input of `find_tables`.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FindTables {
    /// list_files가 준 파일 경로. 예: `여신현황.xlsx`
    pub path: String,
    /// 볼 시트 이름. 비우면 모든 시트
    #[serde(default)]
    pub sheets: Vec<String>,
    /// 볼 PDF 쪽. 예: `3`, `1-5,8`. 비우면 모든 쪽
    #[serde(default)]
    pub pages: Option<String>,
}

/// A column of a table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Column {
    /// Headers from top to bottom, joined by `/`: `2026년/3분기/잔액`.
    pub name: String,
    /// `integer`, `number`, `percent` (a ratio shown in per cent), `date`, `duration`, `boolean`,
    /// `text` or `empty`.
    #[serde(rename = "type")]
    pub kind: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
    /// Letters of the column in its sheet, so that a cell is `at` + the row of its range.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<String>,
}

/// A table as `find_tables` describes it.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct TableSummary {
    pub id: String,
    pub citation: String,
    pub uri: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sheet: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub page: Option<u64>,
    /// All pages of a table that goes on over several.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pages: Vec<u64>,
    /// Cells of the sheet with headers and without title and notes: `B4:F12`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub range: Option<String>,
    /// Left, top, right and bottom on the page in points from its top left corner.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub bbox: Vec<f64>,
    /// The name that the workbook itself gives to the table.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// The unit that stands beside the table, e.g. `억원`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
    pub columns: Vec<Column>,
    /// Rows of data, without headers.
    pub rows: u64,
    pub header_rows: u64,
    /// From 0 to 1.
    pub confidence: f64,
    /// Merged cells inside the table.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub merged: Vec<String>,
    /// The first rows of data as they are shown.
    pub preview: Vec<Vec<String>>,
    /// Notes and sources that stand under the table.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub footnotes: Vec<String>,
}

/// A sheet of a workbook.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SheetSummary {
    pub name: String,
    /// `visible`, `hidden`, `very hidden` or `chart sheet`.
    pub visibility: String,
}

/// Output of `find_tables`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Tables {
    pub path: String,
    pub kind: String,
    pub tables: Vec<TableSummary>,
    /// What a reader of the result must know: hidden sheets, pages without text, limits reached.
    pub notes: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sheets: Vec<SheetSummary>,
    /// Pages of the PDF.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pages: Option<u64>,
    /// Encoding of a text file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub encoding: Option<String>,
    #[serde(default)]
    pub truncated: bool,
}

/// How `read_table` gives rows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum RowFormat {
    #[default]
    Records,
    Grid,
    Markdown,
    Csv,
}

/// Input of `read_table`.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ReadTable {
    /// find_tables가 준 표의 id. 예: `여신현황.xlsx#업종별!B4:F12`
    pub id: String,
    /// 몇 번째 자료 행부터 읽을지 (0부터)
    #[serde(default)]
    pub offset: u64,
    /// 몇 행을 읽을지 (기본 200, 최대 5000)
    #[serde(default)]
    pub limit: Option<u64>,
    /// 읽을 열 이름. 비우면 모든 열
    #[serde(default)]
    pub columns: Vec<String>,
    /// records(열 이름을 단 행, 기본), grid(머리행까지 격자로), markdown, csv
    #[serde(default)]
    pub format: RowFormat,
    /// true면 숫자로 풀지 않고 화면에 보이는 글자 그대로 줍니다
    #[serde(default)]
    pub raw: bool,
}

/// Where a row stands and what is special about it.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct RowSource {
    /// Cells of the sheet (`B5:F5`), or page and row of a PDF table (`p3 r5`).
    pub range: String,
    /// `total` for sums, `subtotal` for sums of a part, `section` for a row that only names what follows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    #[serde(default, skip_serializing_if = "is_false")]
    pub hidden: bool,
    /// What cells show where that differs from the value: `{"증감": "△1,234"}`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub shown: BTreeMap<String, String>,
    /// Columns whose value comes from a merged cell that begins elsewhere, with that cell.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub merged_from: BTreeMap<String, String>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature that serde asks for")]
fn is_false(value: &bool) -> bool {
    !value
}

/// Output of `read_table`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct TableRows {
    pub id: String,
    pub citation: String,
    pub uri: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
    pub columns: Vec<Column>,
    /// Objects by column name (`records`) or arrays (`grid`, with the header rows first).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rows: Vec<Value>,
    /// The rows as text (`markdown`, `csv`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// Where each row of `rows` stands.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cells: Vec<RowSource>,
    /// Merged cells of the whole table.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub merged: Vec<String>,
    pub header_rows: u64,
    pub offset: u64,
    pub total_rows: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_offset: Option<u64>,
    pub truncated: bool,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

/// A table and the name it has in a statement.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NamedSource {
    /// find_tables가 준 표의 id
    pub id: String,
    /// SQL에서 부를 이름. 예: `loans`, `업종별`
    pub name: String,
}

/// Input of `query_tables`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct QueryTables {
    /// 조회할 표와 SQL에서 쓸 이름. 여러 파일의 표를 함께 적어 조인할 수 있습니다
    pub tables: Vec<NamedSource>,
    /// SELECT 한 문장. 한글 열 이름은 큰따옴표로 감쌉니다. 예: SELECT "업종", "잔액" FROM loans ORDER BY "잔액" DESC
    pub sql: String,
    /// 받을 행 수 (기본 200, 최대 5000)
    #[serde(default)]
    pub limit: Option<u64>,
}

/// Output of `query_tables`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct QueryRows {
    pub columns: Vec<Column>,
    pub rows: Vec<Vec<Value>>,
    /// The statement as it was run.
    pub sql: String,
    pub sources: Vec<Source>,
    pub truncated: bool,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

/// A table that a result was made from.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Source {
    pub name: String,
    pub id: String,
    pub citation: String,
    pub uri: String,
    pub columns: Vec<Column>,
    pub rows: u64,
}

/// Input of `profile_table`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ProfileTable {
    /// find_tables가 준 표의 id
    pub id: String,
}

/// What the values of a column are like.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct ColumnProfile {
    pub name: String,
    #[serde(rename = "type")]
    pub kind: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
    pub nulls: u64,
    pub distinct: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min: Option<Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max: Option<Value>,
    /// Of the rows that are no totals; an exact decimal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sum: Option<String>,
    pub samples: Vec<String>,
}

/// Something in a table that deserves a second look.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Suspicion {
    /// `total_mismatch`, `total_rounded`, `total_confirmed`, `text_in_numbers`, `blank_row`, `duplicate_row`,
    /// `mixed_units`, `error_value`, `hidden_row`.
    pub kind: String,
    /// The cell or row.
    pub range: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub column: Option<String>,
    /// One Korean sentence.
    pub message: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub found: Option<String>,
}

/// Output of `profile_table`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct TableProfile {
    pub id: String,
    pub citation: String,
    pub uri: String,
    pub rows: u64,
    pub columns: Vec<ColumnProfile>,
    pub suspicious: Vec<Suspicion>,
    pub truncated: bool,
}

/// Input of `compare_tables`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CompareTables {
    /// 앞 표의 id
    pub left: String,
    /// 뒤 표의 id
    pub right: String,
    /// 행을 맞출 열 이름. 예: ["업종"]
    pub keys: Vec<String>,
}

/// A cell that differs.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct CellChange {
    pub column: String,
    pub left: Value,
    pub right: Value,
    /// Right minus left, where both are numbers; an exact decimal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub difference: Option<String>,
}

/// A row that both tables have and that differs.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct RowChange {
    pub key: Vec<Value>,
    pub left_range: String,
    pub right_range: String,
    pub cells: Vec<CellChange>,
}

/// A row that only one table has.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct OnlyRow {
    pub key: Vec<Value>,
    pub range: String,
    pub row: BTreeMap<String, Value>,
}

/// One side of a comparison.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Side {
    pub id: String,
    pub citation: String,
    pub uri: String,
    pub rows: u64,
}

/// Output of `compare_tables`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct TableComparison {
    pub left: Side,
    pub right: Side,
    pub keys: Vec<String>,
    pub added: Vec<OnlyRow>,
    pub removed: Vec<OnlyRow>,
    pub changed: Vec<RowChange>,
    pub unchanged: u64,
    pub columns_only_left: Vec<String>,
    pub columns_only_right: Vec<String>,
    pub truncated: bool,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

/// Input of `read_pages`.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ReadPages {
    /// PDF 파일 경로
    pub path: String,
    /// 읽을 쪽. 예: `3`, `1-5,8`. 비우면 처음 20쪽
    #[serde(default)]
    pub pages: Option<String>,
}

/// The text of one page.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct PageText {
    pub page: u64,
    pub citation: String,
    pub uri: String,
    /// Text in reading order, tables as Markdown where they stand.
    pub text: String,
    /// Identifiers of the tables on the page.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tables: Vec<String>,
}

/// Output of `read_pages`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Pages {
    pub path: String,
    pub pages: Vec<PageText>,
    pub total_pages: u64,
    pub notes: Vec<String>,
    pub truncated: bool,
}
