//! Tests of what no single package can show.
//!
//! - `serving`: what every server does between `main()` and a tool, on the small fixture server.
//! - `access`: tokens, roles and metrics over HTTP.
//! - `administration`: the commands for tokens and audit files.
//! - `tls`: encrypted calls, renewal, mutual TLS.
//! - `clients`: official MCP clients, the inspector and the conformance suite against it and the four servers.
//! - `demo`: the main job from the fixtures to the report.
//! - `trouble`: what people meet when something is wrong.
//! - `architecture`: the rules of `docs/ARCHITECTURE.md` that the compiler does not hold.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests fail by panicking")]

mod access;
mod administration;
mod architecture;
mod clients;
mod demo;
mod serving;
mod tls;
mod trouble;
