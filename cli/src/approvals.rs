//! Who said yes or no to what: bound to the bytes that were shown.
//!
//! Invariant: an approval counts only for the hash it was given for, so a change upstream voids it.
//! The name is the operating system's user; the role is what that person declares, kept as such.

use std::io::Write;
use std::path::Path;

use haechi_contract::{Code, Problem};
use serde::{Deserialize, Serialize};

use crate::workspace::unwritable;

const FILE: &str = "approvals.jsonl";

/// One decision of a person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Approval {
    pub(crate) step: String,
    pub(crate) approved: bool,
    pub(crate) by: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) role: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) note: Option<String>,
    pub(crate) at: String,
    /// The hash of everything that was shown.
    pub(crate) shown_sha256: String,
}

/// The decisions that were made about a run, oldest first.
///
/// # Errors
///
/// When the file is damaged.
pub(crate) fn read(run: &Path) -> Result<Vec<Approval>, Problem> {
    let Ok(text) = std::fs::read_to_string(run.join(FILE)) else { return Ok(Vec::new()) };
    text.lines()
        .map(serde_json::from_str)
        .collect::<Result<_, _>>()
        .map_err(|_| Problem::new(Code::Corrupt, format!("실행 기록의 {FILE}을 읽을 수 없습니다")))
}

/// Adds a decision.
///
/// # Errors
///
/// When the record cannot be written.
pub(crate) fn append(run: &Path, approval: &Approval) -> Result<(), Problem> {
    let path = run.join(FILE);
    let mut line = serde_json::to_vec(approval).map_err(|_| Problem::internal())?;
    line.push(b'\n');
    let write = || {
        let mut file = std::fs::OpenOptions::new().create(true).append(true).open(&path)?;
        file.write_all(&line)?;
        file.sync_all()
    };
    write().map_err(|error| unwritable(&path, &error))
}
