//! Finds, reads, compares and checks articles of regulations and statutes.
//!
//! It answers from an index that it builds itself out of folders of documents; it fetches nothing
//! and gives no legal advice. What it cannot know (a date before its first version, a law that is
//! not indexed) it says.

pub mod article;
pub mod catalog;
mod commands;
pub mod compare;
pub mod correct;
pub mod domain;
pub mod error;
pub mod eval;
pub mod index;
pub mod ingest;
pub mod names;
pub mod query;
pub mod rank;
pub mod readable;
pub mod references;
pub mod resolve;
pub mod search;
pub mod settings;
pub mod snippet;
pub mod structure;
pub mod timeline;
pub mod tools;
pub mod trace;
pub mod verify;
pub mod vocabulary;

pub use commands::run;
pub use domain::Regulations;
pub use error::Error;
