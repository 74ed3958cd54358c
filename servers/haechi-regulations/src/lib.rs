//! Finds, reads, compares and checks articles of regulations and statutes.
//!
//! It answers from an index that it builds itself out of folders of documents; it fetches nothing
//! and gives no legal advice. What it cannot know (a date before its first version, a law that is
//! not indexed) it says.

mod catalog;
mod domain;
mod error;
mod eval;
mod index;
mod ingest;
mod names;
mod query;
mod rank;
mod references;
mod resolve;
mod search;
mod settings;
mod snippet;
mod structure;
mod timeline;
mod vocabulary;

pub use domain::Regulations;
pub use error::Error;
