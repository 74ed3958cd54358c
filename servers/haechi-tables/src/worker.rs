//! The process that reads documents, apart from the server.
//!
//! A document of a stranger may ask for all memory or never end. Here that takes down a process
//! that holds nothing: memory is limited by the system, time by whoever asked, and the next
//! question gets a new process. One line of JSON comes in, one goes out.

use std::io::{BufRead, Write};
use std::path::PathBuf;

use haechi_contract::tables::{FindTables, Pages, ReadPages, ReadTable, TableRows, Tables};
use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::library::{self, Library, Limits, Loaded};

/// Address space of a worker; a large workbook needs some hundred megabytes.
const MEMORY_BYTES_MAX: u64 = 3 << 30;

/// A question to a worker.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum Ask {
    Find(FindTables),
    Read(ReadTable),
    Load { id: String, offset: u64, limit: u64 },
    Pages(ReadPages),
}

/// Its answer.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum Answer {
    Find(Box<Tables>),
    Read(Box<TableRows>),
    Load(Box<Loaded>),
    Pages(Box<Pages>),
    Failed(Error),
}

/// Answers a question in this process.
pub fn answer(library: &Library, ask: &Ask, stop: &dyn Fn() -> bool) -> Answer {
    let answered = match ask {
        Ask::Find(input) => library.find_tables(input, stop).map(|tables| Answer::Find(Box::new(tables))),
        Ask::Read(input) => library.read_table(input).map(|rows| Answer::Read(Box::new(rows))),
        Ask::Load { id, offset, limit } => {
            library.load(id, *offset, *limit).map(|loaded| Answer::Load(Box::new(loaded)))
        }
        Ask::Pages(input) => library.read_pages(input).map(|pages| Answer::Pages(Box::new(pages))),
    };
    answered.unwrap_or_else(Answer::Failed)
}

/// Serves questions until the input ends.
pub fn run(folders: &[PathBuf]) -> Result<(), haechi_contract::Problem> {
    limit_memory();
    let library = library::open(folders, Limits::default()).map_err(|_| haechi_contract::Problem::internal())?;
    let mut input = std::io::stdin().lock();
    let mut line = String::new();
    loop {
        line.clear();
        match input.read_line(&mut line) {
            Ok(0) | Err(_) => return Ok(()),
            Ok(_) => {}
        }
        let answered = match serde_json::from_str::<Ask>(&line) {
            Ok(ask) => std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| answer(&library, &ask, &|| false)))
                .unwrap_or(Answer::Failed(Error::Internal)),
            Err(_) => Answer::Failed(Error::Internal),
        };
        let Ok(mut text) = serde_json::to_string(&answered) else { return Ok(()) };
        text.push('\n');
        let mut output = std::io::stdout().lock();
        if output.write_all(text.as_bytes()).and_then(|()| output.flush()).is_err() {
            return Ok(());
        }
    }
}

/// Asking for more memory then ends this process alone.
#[cfg(unix)]
fn limit_memory() {
    use rustix::process::{Resource, Rlimit, setrlimit};
    let limit = Rlimit { current: Some(MEMORY_BYTES_MAX), maximum: Some(MEMORY_BYTES_MAX) };
    if setrlimit(Resource::As, limit).is_err() {
        tracing::warn!("the memory of the worker is not limited");
    }
    // A dying worker must not leave its memory, which holds a document, on disk.
    let _ = setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) });
}

#[cfg(not(unix))]
fn limit_memory() {
    tracing::warn!("the memory of the worker is not limited on this system");
}
