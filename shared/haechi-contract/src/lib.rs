//! The words that cross a wire: what the tools take, what they answer, how they say no.
//!
//! Invariant: no I/O and no logic beyond constructors. A server turns its own types into these at
//! its edge (`tools.rs`), and other programs rely on the field names, so a change here is a change
//! of contract. Inputs refuse unknown fields, since a misspelt argument must be heard by the model
//! that wrote it; outputs never do, since an older client reads a newer server.

pub mod customers;
pub mod exit;
pub mod problem;
pub mod regulations;
pub mod retrieval;
pub mod tables;

pub use problem::{Code, Problem};
