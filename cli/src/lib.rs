//! `haechi`: chains MCP servers into reports.
//!
//! A workflow file says what to ask, which tools to call and what comes out; this program checks it
//! whole, runs it over MCP, records every answer and writes the report with its sources. It knows
//! MCP and nothing of what the servers know: a stranger's server is used like ours.
//!
//! Invariants: standard output carries the answer of a command alone; the protocol crate is named
//! in `mcp` alone; whatever stands in a report was answered by a recorded call.

mod answers;
mod approvals;
mod commands;
mod diagnostic;
mod engine;
mod ground;
mod job;
mod josa;
mod language;
mod llm;
mod mcp;
mod nearest;
mod previous;
mod record;
mod report;
mod servers;
mod shape;
mod state;
mod tools;
mod trouble;
mod ui;
mod workflow;
mod workspace;

use clap::Parser as _;
use haechi_serving::{Failure, Identity};

/// What the program says of itself.
pub const IDENTITY: Identity = Identity {
    name: "haechi",
    title: "해치",
    version: env!("CARGO_PKG_VERSION"),
    description: "MCP 서버들을 엮어 근거가 달린 보고서를 만듭니다.",
    instructions: "",
};

/// Runs the command that was given.
///
/// # Errors
///
/// Whatever made the command fail, with its exit code.
pub fn run() -> Result<(), Failure> {
    let cli = commands::Cli::parse();
    commands::run(cli)
}
