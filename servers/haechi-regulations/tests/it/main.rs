//! The server from outside: its surface, its answers on small rules, the corpus where it is present.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "tests fail by panicking and print what they counted"
)]

mod answers;
mod commands;
mod contract;
mod corpus;
mod kill;
mod rules;
mod verify;
