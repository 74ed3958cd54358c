//! Runs a program in an environment of its own and holds everything it printed.

use std::fmt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

/// A home, a working folder and an environment that no other test and no user shares.
pub struct TestEnv {
    folder: TempDir,
}

impl Default for TestEnv {
    fn default() -> Self {
        Self::new()
    }
}

impl TestEnv {
    pub fn new() -> Self {
        let folder = tempfile::Builder::new().prefix("해치 시험 ").tempdir().expect("a temporary folder");
        std::fs::create_dir(folder.path().join("home")).expect("a home");
        std::fs::create_dir(folder.path().join("work")).expect("a working folder");
        Self { folder }
    }

    /// The working folder; its path holds Korean letters and a space, as users' paths do.
    pub fn work(&self) -> PathBuf {
        self.folder.path().join("work")
    }

    pub fn home(&self) -> PathBuf {
        self.folder.path().join("home")
    }

    /// Writes a file below the working folder, with its parent folders, and answers its path.
    pub fn write(&self, path: &str, contents: impl AsRef<[u8]>) -> PathBuf {
        let path = self.work().join(path);
        std::fs::create_dir_all(path.parent().expect("a file has a folder")).expect("folders are made");
        std::fs::write(&path, contents).expect("a fixture is written");
        path
    }

    /// A command with nothing of the outer environment but `PATH`.
    pub fn command(&self, program: impl AsRef<Path>) -> Command {
        let mut command = Command::new(program.as_ref());
        command
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", self.home())
            .env("USER", "tester")
            .env("LANG", "ko_KR.UTF-8")
            .env("TZ", "Asia/Seoul")
            .current_dir(self.work());
        command
    }

    /// Runs `program` to its end with no standard input.
    pub fn run<'a>(&self, program: impl AsRef<Path>, arguments: impl IntoIterator<Item = &'a str>) -> Finished {
        let mut command = self.command(program);
        command.args(arguments).stdin(Stdio::null());
        Finished::of(&mut command)
    }
}

/// What a program left: both streams and its exit status, to be compared as one text.
#[must_use = "compare the output or assert the exit status"]
#[derive(Debug, Clone)]
pub struct Finished {
    pub stdout: String,
    pub stderr: String,
    /// The exit code; `None` after a signal.
    pub code: Option<i32>,
}

impl Finished {
    /// Runs `command` to its end.
    pub fn of(command: &mut Command) -> Self {
        let output = command.output().unwrap_or_else(|error| panic!("{command:?} did not start: {error}"));
        Self {
            stdout: String::from_utf8(output.stdout).expect("standard output is UTF-8"),
            stderr: String::from_utf8(output.stderr).expect("standard error is UTF-8"),
            code: output.status.code(),
        }
    }

    /// The same, after checking that the program ended with `code`.
    #[track_caller]
    pub fn expect_code(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{self}");
        self
    }
}

impl fmt::Display for Finished {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.stdout)?;
        if !self.stderr.is_empty() {
            writeln!(f, "------- stderr -------")?;
            f.write_str(&self.stderr)?;
        }
        match self.code {
            Some(0) => Ok(()),
            Some(code) => writeln!(f, "[exit status: {code}]"),
            None => writeln!(f, "[ended by a signal]"),
        }
    }
}
