//! Finds, reads, compares and checks articles of regulations and statutes.
//!
//! It answers from an index that it builds itself out of folders of documents; it fetches nothing
//! and gives no legal advice. What it cannot know (a date before its first version, a law that is
//! not indexed) it says.

mod catalog;
mod error;
mod index;
mod ingest;
mod names;
mod references;
mod settings;
mod structure;
mod timeline;
mod vocabulary;

pub use error::Error;
