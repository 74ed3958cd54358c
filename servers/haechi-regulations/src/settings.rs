//! The section `[regulations]` of the settings.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// Two threads fill the machine that this is sized for; more would only split the memory.
pub const WRITER_THREADS: usize = 2;

/// The results of one search page, at most.
pub const LIMIT_MAX: u32 = 50;
pub const LIMIT_DEFAULT: u32 = 10;
/// How deep a list of results can be paged through.
pub const CANDIDATES_MAX: usize = 200;
pub const QUERY_CHARS_MAX: usize = 1_000;
pub const REPHRASINGS_MAX: usize = 4;
pub const VERIFY_CHARS_MAX: usize = 200_000;
pub const CITATIONS_MAX: usize = 500;
pub const EDGES_MAX: usize = 200;
pub const CHANGES_MAX: usize = 200;
pub const OUTLINE_ENTRIES_MAX: usize = 3_000;
pub const CONTEXT_MAX: u32 = 3;
pub const REGULATIONS_PAGE: usize = 100;

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// The index folder.
    pub data: Option<PathBuf>,
    /// Folders of regulations that `serve` keeps the index up to date with.
    pub sources: Vec<PathBuf>,
    /// A file of short names of one's own.
    pub names: Option<PathBuf>,
    /// A file of everyday words of one's own.
    pub vocabulary: Option<PathBuf>,
}
