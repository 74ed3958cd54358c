//! A library that brings its configured sources up to date before it first answers.
//!
//! The work starts with the server and every call waits for it, so that an answer is never made
//! from yesterday's documents. Where nothing changed, that is reading and hashing the files.

use std::sync::{Arc, Mutex, PoisonError};

use haechi_contract::Problem;

use crate::{
    ingest::{Plan, Progress, Watcher},
    library::Library,
};

/// The library of a serving process.
pub struct Shared {
    library: Library,
    plan: Option<Plan>,
    /// Whether the sources are indexed. A failure is not kept: a folder that another process held,
    /// or a disk that was full, may be free at the next call.
    ready: Mutex<bool>,
}

impl Shared {
    pub fn new(library: Library, plan: Option<Plan>) -> Arc<Self> {
        Arc::new(Self { library, plan, ready: Mutex::new(false) })
    }

    /// Starts the work without waiting for it.
    pub fn start(self: &Arc<Self>) {
        if self.plan.is_some() {
            let shared = Arc::clone(self);
            std::thread::spawn(move || shared.ready().map(|_| ()));
        }
    }

    /// The library, once it is up to date.
    pub fn ready(&self) -> Result<&Library, Problem> {
        let Some(plan) = &self.plan else {
            return Ok(&self.library);
        };
        let mut ready = self.ready.lock().unwrap_or_else(PoisonError::into_inner);
        if *ready {
            return Ok(&self.library);
        }
        let outcome = self.library.index(plan, &Logged).map_err(Problem::from)?;
        *ready = true;
        tracing::info!(
            collection = outcome.collection,
            added = outcome.added,
            changed = outcome.changed,
            unchanged = outcome.unchanged,
            removed = outcome.removed,
            failed = outcome.failed.len(),
            passages = outcome.passages,
            elapsed_ms = u64::try_from(outcome.elapsed.as_millis()).unwrap_or(u64::MAX),
            "sources are up to date"
        );
        for failed in &outcome.failed {
            tracing::warn!(document = failed.document, "a document was not indexed");
        }
        Ok(&self.library)
    }
}

/// Nobody watches the indexing of a server; its end is logged.
struct Logged;

impl Watcher for Logged {
    fn progress(&self, _: Progress) {}

    fn cancelled(&self) -> bool {
        false
    }
}
