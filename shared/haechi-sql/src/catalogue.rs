//! What one asker may see: tables, columns, masks and rows, ready to be written into a statement.

use std::collections::HashMap;

use crate::{Dialect, Mask, MaskKind};

/// The kinds of column that a mask must tell apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ColumnType {
    Text,
    Number,
    Date,
    Timestamp,
    Json,
    /// PostgreSQL `jsonb`.
    JsonBinary,
    Other,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    pub name: String,
    pub data_type: ColumnType,
    pub mask: Option<Mask>,
    /// One value, one row: the primary key of one column, or a unique column.
    pub unique: bool,
}

impl Column {
    pub fn open(name: impl Into<String>) -> Self {
        Self { name: name.into(), data_type: ColumnType::Other, mask: None, unique: false }
    }
}

/// Which rows of a table exist for the asker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rows {
    All,
    /// A condition over the table's own columns, written by the owner of the policy, not by the asker.
    Where(String),
    None,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    pub name: String,
    /// Schema or database that the printed name carries, so that no search path decides.
    pub schema: Option<String>,
    pub columns: Vec<Column>,
    pub rows: Rows,
    /// The column that tells people apart when a group is counted.
    pub person: Option<String>,
}

impl Table {
    /// A table without a policy.
    pub fn open(name: impl Into<String>, columns: impl IntoIterator<Item = String>) -> Self {
        Self {
            name: name.into(),
            schema: None,
            columns: columns.into_iter().map(Column::open).collect(),
            rows: Rows::All,
            person: None,
        }
    }

    fn is_open(&self) -> bool {
        self.rows == Rows::All && self.columns.iter().all(|column| column.mask.is_none())
    }
}

/// Every table that exists for one asker. Whatever is not in it is refused.
#[derive(Debug, Clone)]
pub struct Catalogue {
    pub(crate) dialect: Dialect,
    tables: Vec<Fenced>,
    by_name: HashMap<String, usize>,
    /// Schema names that a statement may put before a table's name.
    schemas: Vec<String>,
    pub(crate) group_min: u32,
}

/// A table with the texts that its fence is made of.
#[derive(Debug, Clone)]
pub(crate) struct Fenced {
    pub(crate) table: Table,
    pub(crate) quoted: String,
    /// Per column: its text inside the fence; none for columns that cannot be seen.
    pub(crate) texts: Vec<Option<String>>,
    pub(crate) open: bool,
}

impl Catalogue {
    pub fn new(dialect: Dialect, tables: Vec<Table>) -> Self {
        let mut fenced = Vec::with_capacity(tables.len());
        let mut by_name = HashMap::new();
        for table in tables {
            let name = dialect.name(&table.name);
            let quoted =
                table.schema.as_ref().map_or_else(|| name.clone(), |schema| format!("{}.{name}", dialect.name(schema)));
            let texts = table
                .columns
                .iter()
                .map(|column| {
                    let name = dialect.name(&column.name);
                    match &column.mask {
                        None => Some(name),
                        Some(mask) => mask
                            .expression(dialect, &name, column.data_type)
                            .map(|masked| format!("{masked} AS {name}")),
                    }
                })
                .collect();
            by_name.insert(table.name.to_ascii_lowercase(), fenced.len());
            fenced.push(Fenced { open: table.is_open(), quoted, texts, table });
        }
        Self { dialect, tables: fenced, by_name, schemas: Vec::new(), group_min: 5 }
    }

    /// Tables without any policy, as for tables that were read from the asker's own files.
    pub fn open(dialect: Dialect, tables: impl IntoIterator<Item = (String, Vec<String>)>) -> Self {
        Self::new(dialect, tables.into_iter().map(|(name, columns)| Table::open(name, columns)).collect())
    }

    /// Lets a statement write `schema.table`.
    #[must_use]
    pub fn with_schemas(mut self, schemas: impl IntoIterator<Item = String>) -> Self {
        self.schemas = schemas.into_iter().collect();
        self
    }

    /// The smallest number of people that an aggregate over an `aggregate` column may stand for.
    #[must_use]
    pub fn with_group_min(mut self, people: u32) -> Self {
        self.group_min = people;
        self
    }

    pub fn dialect(&self) -> Dialect {
        self.dialect
    }

    pub fn tables(&self) -> impl Iterator<Item = &Table> {
        self.tables.iter().map(|fenced| &fenced.table)
    }

    pub fn table(&self, name: &str) -> Option<&Table> {
        self.find(name).map(|(_, fenced)| &fenced.table)
    }

    /// Only ASCII letters are folded: a look-alike from another script is another name.
    pub(crate) fn find(&self, name: &str) -> Option<(usize, &Fenced)> {
        let index = *self.by_name.get(&name.to_ascii_lowercase())?;
        self.tables.get(index).map(|fenced| (index, fenced))
    }

    pub(crate) fn fenced(&self, index: usize) -> Option<&Fenced> {
        self.tables.get(index)
    }

    pub(crate) fn knows_schema(&self, schema: &str) -> bool {
        self.schemas.iter().any(|known| known.eq_ignore_ascii_case(schema))
    }
}

impl Column {
    pub(crate) fn kind(&self) -> Option<MaskKind> {
        self.mask.as_ref().map(Mask::kind)
    }
}
