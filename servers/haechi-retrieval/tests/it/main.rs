//! The retrieval server from outside: the real binary, real folders, real kills.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod callers;
mod commands;
mod contract;
mod corpus;
mod embedding;
mod kill;
mod manuals;
mod qdrant;
mod serving;
mod store;
