//! Everything between `main()` and the first tool call of a server: settings, logging, the tool
//! surface, transports, limits, audit.
//!
//! A server describes what it answers as a [`Service`] of [`Tool`] values and hands it to
//! [`Started::serve`]; this crate does the rest the same way for all of them. Invariant: nothing
//! here knows what a regulation, a passage, a table or a customer is, and the protocol crate is
//! named only in `handler`, `call`, `service` and the two transports.

mod access;
mod audit;
mod call;
mod files;
mod handler;
mod http;
mod limits;
mod logging;
mod metrics;
mod schema;
mod service;
pub mod settings;
mod start;
mod tls;
mod transport;

pub use access::{Token, TokenFile, token_file};
pub use audit::{AuditReport, verify_text as verify_audit};
pub use call::{Call, Principal};
pub use files::write_file;
pub use limits::Limits;
pub use schema::portable as portable_schema;
pub use service::{
    Identity, NoResources, Prompt, PromptArgument, Reply, ResourceEntry, ResourcePage, ResourceTemplate, ResourceText,
    Resources, Service, Tool,
};
pub use start::{Common, Failure, ServeArgs, Started, answer, exit, io_reason, start};
pub use tokio_util::sync::CancellationToken;
