//! What tests share: where things are, a hermetic environment for programs, and a client that
//! speaks MCP line by line to a real server process.
//!
//! Invariant: a dev-dependency only. The client is written by hand on purpose: it must be able to
//! say what the official SDKs would never say, and to see every byte that a server prints.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "a test helper fails by panicking and says why a test is skipped"
)]

mod program;
mod server;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

pub use program::{Finished, TestEnv};
pub use server::{Era, Server};

/// The folder of the workspace's `Cargo.toml`.
pub fn workspace() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).expect("testkit lies two folders below the workspace").to_owned()
}

/// A path below `fixtures/`.
pub fn fixture(path: &str) -> PathBuf {
    workspace().join("fixtures").join(path)
}

/// The evaluation corpus, where it is present: `HAECHI_CORPUS`, or `shared/corpus` beside the
/// workspace. It is real input that is not part of the repository; a test that needs it and does
/// not find it says so and proves nothing.
pub fn corpus() -> Option<PathBuf> {
    let folder = match std::env::var_os("HAECHI_CORPUS") {
        Some(folder) => PathBuf::from(folder),
        None => workspace().parent()?.join("shared/corpus"),
    };
    if folder.is_dir() {
        return Some(folder);
    }
    skipped(&format!("no corpus at {} (set HAECHI_CORPUS)", folder.display()));
    None
}

/// Says that the running test proves nothing here and why, past the capture of test output.
///
/// For data that continuous integration does not have either; see [`skipped_unless_required`].
pub fn skipped(why: &str) {
    use std::io::Write as _;
    let _ = writeln!(std::io::stderr(), "skipped: {why}");
}

/// As [`skipped`], for what continuous integration installs: a failure there.
///
/// # Panics
///
/// Where `HAECHI_REQUIRE_ALL` is set.
pub fn skipped_unless_required(why: &str) {
    assert!(std::env::var_os("HAECHI_REQUIRE_ALL").is_none(), "required here, but {why}");
    skipped(why);
}

/// The path of one of the workspace's binaries, built with the profile of the running test.
///
/// Cargo tells a test only the binaries of its own package, so cargo is asked once per process; it
/// answers at once when nothing changed. A test of the binary's own package takes
/// `env!("CARGO_BIN_EXE_…")` instead. `HAECHI_TEST_BINARIES` names a folder to use as it is.
pub fn binary(name: &str) -> PathBuf {
    if let Some(folder) = std::env::var_os("HAECHI_TEST_BINARIES") {
        return PathBuf::from(folder).join(name);
    }
    static BUILT: OnceLock<HashMap<String, PathBuf>> = OnceLock::new();
    let built = BUILT.get_or_init(build_binaries);
    built.get(name).unwrap_or_else(|| panic!("the workspace has no binary `{name}`")).clone()
}

fn build_binaries() -> HashMap<String, PathBuf> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.args(["build", "--workspace", "--bins", "--message-format=json", "--quiet"]).current_dir(workspace());
    if !cfg!(debug_assertions) {
        command.arg("--release");
    }
    // The test's own executable lies in TARGET/PROFILE/deps; build into the same place.
    if let Ok(executable) = std::env::current_exe()
        && let Some(target) = executable.ancestors().nth(3)
    {
        command.arg("--target-dir").arg(target);
    }
    let output = command.output().expect("cargo starts");
    assert!(output.status.success(), "cargo build failed:\n{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout)
        .lines()
        .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok())
        .filter_map(|message| {
            let path = PathBuf::from(message.get("executable")?.as_str()?);
            let name = message.get("target")?.get("name")?.as_str()?.to_owned();
            Some((name, path))
        })
        .collect()
}
