//! Bounds that hold for every call of every server; each is a setting of the section `[limits]`.

use serde::Deserialize;

/// Limits of one server process.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Calls that may run at the same time; further ones wait.
    pub calls_max: usize,
    /// How long a call waits for its turn before it is refused as busy.
    pub queue_ms_max: u64,
    /// How long one call may run.
    pub call_ms_max: u64,
    /// The size of a call's structured answer.
    pub result_bytes_max: usize,
    /// The size of an HTTP request body.
    pub request_bytes_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            calls_max: 16,
            queue_ms_max: 10_000,
            // Clients commonly give up after a minute; an answer later than that reaches nobody.
            call_ms_max: 55_000,
            // A model's context is the scarce resource, and clients drop lines over 16 MiB.
            result_bytes_max: 1_048_576,
            request_bytes_max: 4 * 1_048_576,
        }
    }
}
