//! Finds passages of documents: by words always, by meaning where a model is configured.
//!
//! Folders of documents become passages along their structure (`ingest`, `cut`), passages become
//! points of a store (`record`, `terms`, `store`), and a search finds them again (`search`). The
//! store is a folder or a Qdrant server; neither changes what is found.

mod commands;
pub mod cut;
pub mod embed;
pub mod error;
pub mod evaluate;
mod freshness;
pub mod ingest;
pub mod library;
mod protect;
pub mod record;
pub mod search;
pub mod settings;
pub mod store;
pub mod terms;
pub mod tools;
pub mod transfer;

pub use commands::run;
pub use freshness::Shared;
