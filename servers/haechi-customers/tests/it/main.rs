//! The server from outside: the corpus of attacks, canaries, non-interference, the tool surface.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "tests fail by panicking and print what they counted"
)]

mod bank;
mod corpus;
mod engines;
mod generated;
mod process;
mod server;
mod servers;
mod small;
