//! `haechi-tables` from outside: real files, the real program.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod corpus;
mod hostile;
mod pdf;
mod samples;
mod server;
mod sheets;
