//! Tests of what no single package can show.
//!
//! - `serving`: what every server does between `main()` and a tool, on the small fixture server.
//! - `architecture`: the rules of `docs/ARCHITECTURE.md` that the compiler does not hold.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests fail by panicking")]

mod architecture;
mod serving;
