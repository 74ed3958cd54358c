//! The policy file: who sees which tables, columns and rows, and how.
//!
//! It is read once at start. Every mistake has its line and column, and what the file does not say
//! is closed: a table without a row rule exists for nobody, an unknown key is an error.

mod compile;
mod read;

use std::collections::BTreeMap;
use std::path::Path;

use haechi_sql::{Attribute, Condition, Dialect, Mask};

use crate::Error;

pub use compile::Desk;

/// The limits of one call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PolicyLimits {
    pub rows_max: u64,
    pub result_bytes_max: u64,
    pub cell_chars_max: u64,
    pub statement_ms_max: u64,
    pub lock_ms_max: u64,
    pub sql_bytes_max: u64,
    pub nesting_max: u64,
    pub tables_max: u64,
    pub in_items_max: u64,
    pub plan_cost_max: u64,
    pub group_min: u64,
}

impl Default for PolicyLimits {
    fn default() -> Self {
        Self {
            rows_max: 1_000,
            result_bytes_max: 1_048_576,
            cell_chars_max: 4_000,
            statement_ms_max: 5_000,
            lock_ms_max: 500,
            sql_bytes_max: 100_000,
            nesting_max: 60,
            tables_max: 12,
            in_items_max: 1_000,
            plan_cost_max: 1_000_000,
            group_min: 5,
        }
    }
}

/// What one role may do.
#[derive(Debug, Clone, Default)]
pub struct Role {
    pub free_sql: bool,
    /// When given, only these tables exist.
    pub tables: Option<Vec<String>>,
    pub tables_denied: Vec<String>,
    /// `table.column` names that are shown unmasked.
    pub unmask: Vec<String>,
    pub attributes: BTreeMap<String, Attribute>,
    pub limits: PolicyLimits,
}

/// A row rule as it was written.
#[derive(Debug, Clone)]
pub enum RowRule {
    All,
    None,
    Where(Box<Condition>),
    /// Visible where the parent's row is.
    Via {
        table: String,
        parent_column: String,
        column: String,
    },
}

/// A place in the file.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Place {
    pub line: usize,
    pub column: usize,
}

/// The masks of one table, by column, with their places in the file.
pub type ColumnMasks = BTreeMap<String, (Mask, Place)>;

/// A policy that was read; names are not yet held against a database.
#[derive(Debug, Clone)]
pub struct Policy {
    pub file: String,
    pub default_role: String,
    pub limits: PolicyLimits,
    pub roles: BTreeMap<String, Role>,
    /// By table, by column.
    pub masks: BTreeMap<String, ColumnMasks>,
    pub rows: BTreeMap<String, (RowRule, Place)>,
    /// By `table` or `table.column`.
    pub comments: BTreeMap<String, String>,
    /// By `table.column`.
    pub classes: BTreeMap<String, String>,
}

impl Policy {
    /// Reads and checks a file; row rules are read in the words of `dialect`.
    pub fn load(path: &Path, dialect: Dialect) -> Result<Self, Error> {
        let text = std::fs::read_to_string(path).map_err(|source| Error::Read { path: path.to_owned(), source })?;
        Self::parse(&text, &path.display().to_string(), dialect)
    }

    pub fn parse(text: &str, file: &str, dialect: Dialect) -> Result<Self, Error> {
        read::policy(text, file, dialect)
    }

    pub fn role(&self, name: &str) -> Result<&Role, Error> {
        self.roles
            .get(name)
            .ok_or_else(|| Error::NoRole { role: name.to_owned(), known: self.roles.keys().cloned().collect() })
    }
}
