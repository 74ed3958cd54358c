//! How large a statement may be, before and after parsing.

use std::collections::BTreeMap;

/// Bounds on one statement. Each is counted before the work that it bounds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    pub sql_bytes_max: usize,
    /// How deep expressions and subqueries may nest.
    pub nesting_max: usize,
    pub tables_max: usize,
    pub in_items_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { sql_bytes_max: 100_000, nesting_max: 60, tables_max: 12, in_items_max: 1_000 }
    }
}

/// A chain such as `1+1+1+…` is as deep as it is long once it is a tree.
pub(crate) const CHAIN_MAX: usize = 500;
/// Words and operators together; literals and commas are not counted, they do not nest.
pub(crate) const WORDS_MAX: usize = 3_000;
/// Text that a function may be asked to build, in characters.
pub(crate) const BUILT_CHARS_MAX: u64 = 10_000;
/// Rows that a series may produce.
pub(crate) const SERIES_ROWS_MAX: i128 = 1_000_000;
/// A longer regular expression is refused.
pub(crate) const PATTERN_CHARS_MAX: usize = 200;

/// What belongs to one call of [`crate::check()`].
#[derive(Debug, Clone, Default)]
pub struct Options {
    pub limits: Limits,
    /// Puts this LIMIT on the outermost query when it has none or a larger one.
    pub row_limit: Option<u64>,
    /// Names that `:name` may use, with the type that the value will have.
    pub parameters: BTreeMap<String, ParameterType>,
}

/// The type of a bound value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ParameterType {
    Text,
    Integer,
    Decimal,
    Date,
    Boolean,
}
