//! Inputs and outputs of `haechi-customers`.
//!
//! Outputs carry plain comments: a doc comment would become a description in the schema and travel
//! in every `tools/list`, where names that speak for themselves are enough.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Input of `list_customer_tables`.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ListCustomerTables {}

// A table as `list_customer_tables` shows it.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct TableEntry {
    pub name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
    // How many columns there are for the asker.
    pub columns: u64,
    // Rows of the whole table, roughly; the asker may see fewer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rows_estimate: Option<u64>,
}

// Output of `list_customer_tables`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct CustomerTables {
    // `sqlite`, `postgres` or `mysql`: the SQL dialect that `query_customers` takes.
    pub dialect: String,
    pub role: String,
    pub tables: Vec<TableEntry>,
}

/// Input of `describe_customer_table`.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DescribeCustomerTable {
    /// 표 이름. 예: `customers`
    pub table: String,
}

// A column as `describe_customer_table` shows it.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct ColumnEntry {
    pub name: String,
    // The type in the database's own words.
    #[serde(rename = "type")]
    pub data_type: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
    pub nullable: bool,
    pub primary_key: bool,
    // `table.column` that this column refers to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub references: Option<String>,
    // The mask that every query sees instead of the value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub masked: Option<String>,
    // The class of the data, where the policy gives one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub class: Option<String>,
}

// Output of `describe_customer_table`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct TableDescription {
    pub name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
    pub columns: Vec<ColumnEntry>,
    // Whether the asker sees only some of the rows.
    pub rows_restricted: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rows_estimate: Option<u64>,
    pub citation: String,
    pub uri: String,
}

/// Input of `query_customers`.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct QueryCustomers {
    /// SELECT 문 하나. 예: `SELECT grade, count(*) AS 고객수 FROM customers GROUP BY grade`
    pub sql: String,
    /// :이름 자리에 넣을 값. 예: `{"branch": 1}`
    #[serde(default)]
    pub parameters: BTreeMap<String, Value>,
    /// 받을 행의 수. 비우면 정책의 한도까지
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u64>,
}

/// Input of `explain_customer_query`.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ExplainCustomerQuery {
    /// 실행하지 않고 계획만 볼 SELECT 문 하나
    pub sql: String,
    /// :이름 자리에 넣을 값
    #[serde(default)]
    pub parameters: BTreeMap<String, Value>,
}

// Output of `explain_customer_query`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct QueryPlan {
    // The plan's steps in the database's own words, without literals of the policy.
    pub plan: Vec<String>,
    // The planner's own unit, where it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub estimated_cost: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub estimated_rows: Option<u64>,
    pub tables: Vec<String>,
    pub columns: Vec<ResultColumn>,
}

// A column of a result.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ResultColumn {
    pub name: String,
    // `integer`, `number`, `decimal`, `text`, `boolean`, `date`, `timestamp`, `json`, `bytes`.
    #[serde(rename = "type")]
    pub data_type: String,
    // The masks that have a part in the values, joined by `+`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub masked: Option<String>,
}

// Output of `query_customers` and `run_saved_query`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct QueryResult {
    pub columns: Vec<ResultColumn>,
    // One array per row, in the order of `columns`.
    pub rows: Vec<Vec<Value>>,
    pub row_count: u64,
    // Exact sums of the columns that the saved query names; absent when rows were cut.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub totals: BTreeMap<String, String>,
    // Rows were left out because of the row or the byte limit.
    pub truncated: bool,
    // Names of the columns whose values are masked.
    pub masked: Vec<String>,
    pub elapsed_ms: u64,
    pub citation: String,
    pub uri: String,
}

/// Input of `list_saved_queries`.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ListSavedQueries {}

// A parameter of a saved query.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct SavedParameter {
    pub name: String,
    // `text`, `integer`, `decimal`, `date` or `boolean`.
    #[serde(rename = "type")]
    pub data_type: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub example: Option<Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default: Option<Value>,
    // The values that it may have, where they are fixed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub values: Vec<Value>,
    pub required: bool,
}

// A saved query as `list_saved_queries` shows it.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct SavedQueryEntry {
    pub name: String,
    pub title: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    pub parameters: Vec<SavedParameter>,
    // Columns that are summed exactly.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub totals: Vec<String>,
}

// Output of `list_saved_queries`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct SavedQueries {
    pub queries: Vec<SavedQueryEntry>,
}

/// Input of `run_saved_query`.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RunSavedQuery {
    /// list_saved_queries가 준 이름. 예: `corporate_exposure`
    pub name: String,
    /// 매개변수. 예: `{"quarter": "2026Q3"}`
    #[serde(default)]
    pub parameters: BTreeMap<String, Value>,
    /// 받을 행의 수. 비우면 정책의 한도까지
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u64>,
}
