//! The orchestrator as a program: real processes, a stranger's server, files on the disk.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod approvals;
mod context;
mod mistakes;
mod models;
mod runs;
mod serve;
mod support;
mod troubles;
