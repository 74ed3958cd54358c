//! What the database has, before any policy: tables, columns, keys, comments.

use haechi_sql::ColumnType;

/// Everything that was read from the database's own catalogue at start.
#[derive(Debug, Clone, Default)]
pub struct Schema {
    pub tables: Vec<TableInfo>,
}

#[derive(Debug, Clone, Default)]
pub struct TableInfo {
    pub name: String,
    /// The schema or database that the printed name carries.
    pub schema: Option<String>,
    pub comment: Option<String>,
    pub columns: Vec<ColumnInfo>,
    /// Columns of the primary key, in order.
    pub primary_key: Vec<String>,
    pub rows_estimate: Option<u64>,
}

#[derive(Debug, Clone)]
pub struct ColumnInfo {
    pub name: String,
    /// The type in the database's own words.
    pub declared: String,
    pub data_type: ColumnType,
    pub comment: Option<String>,
    pub nullable: bool,
    /// Unique by itself.
    pub unique: bool,
    pub references: Option<String>,
}

impl Schema {
    pub fn table(&self, name: &str) -> Option<&TableInfo> {
        self.tables.iter().find(|table| table.name.eq_ignore_ascii_case(name))
    }
}

impl TableInfo {
    pub fn column(&self, name: &str) -> Option<&ColumnInfo> {
        self.columns.iter().find(|column| column.name.eq_ignore_ascii_case(name))
    }
}

/// The kind of a declared type, for masks that must tell them apart.
pub(crate) fn column_type(declared: &str) -> ColumnType {
    let declared = declared.to_ascii_lowercase();
    let has = |word: &str| declared.contains(word);
    if declared == "jsonb" {
        ColumnType::JsonBinary
    } else if has("json") {
        ColumnType::Json
    } else if has("timestamp") || has("datetime") {
        ColumnType::Timestamp
    } else if has("date") {
        ColumnType::Date
    } else if has("int") || has("num") || has("dec") || has("real") || has("doub") || has("float") || has("serial") {
        ColumnType::Number
    } else if has("char") || has("text") || has("clob") || has("enum") {
        ColumnType::Text
    } else {
        ColumnType::Other
    }
}
