//! A workspace with a toy server, and the program run in it.

use std::path::PathBuf;

use haechi_testkit::{Finished, TestEnv};
use serde_json::Value;

pub(crate) struct Bench {
    pub(crate) env: TestEnv,
}

impl Bench {
    pub(crate) fn new() -> Self {
        let env = TestEnv::new();
        let settings = format!("[servers.toy]\ncommand = {:?}\n", toy_server());
        env.write("haechi.toml", settings);
        Self { env }
    }

    /// A bench whose workflow has these steps and outputs.
    pub(crate) fn with(steps: &str) -> Self {
        let bench = Self::new();
        bench.workflow(steps);
        bench
    }

    pub(crate) fn workflow(&self, rest: &str) {
        self.env.write(
            "flow.yaml",
            format!("version: haechi/v1\nname: test-flow\ntitle: 시험 보고서\nowner: 시험부\n{rest}"),
        );
    }

    pub(crate) fn run<'a>(&self, arguments: impl IntoIterator<Item = &'a str>) -> Finished {
        self.env.run(env!("CARGO_BIN_EXE_haechi"), arguments)
    }

    /// Runs the program where only how it ends matters.
    #[track_caller]
    pub(crate) fn ends<'a>(&self, arguments: impl IntoIterator<Item = &'a str>, code: i32) {
        let _checked = self.run(arguments).expect_code(code);
    }

    pub(crate) fn path(&self, path: &str) -> PathBuf {
        self.env.work().join(path)
    }

    pub(crate) fn read(&self, path: &str) -> String {
        std::fs::read_to_string(self.path(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
    }

    /// The ids of the runs so far, oldest first.
    pub(crate) fn runs(&self) -> Vec<String> {
        let mut names: Vec<String> = std::fs::read_dir(self.path(".haechi/runs"))
            .map(|entries| entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect())
            .unwrap_or_default();
        names.sort();
        names
    }

    pub(crate) fn last_run(&self) -> String {
        self.runs().pop().expect("a run")
    }

    pub(crate) fn manifest(&self) -> Value {
        serde_json::from_str(&self.read(&format!(".haechi/runs/{}/manifest.json", self.last_run()))).unwrap()
    }

    /// The lines of the last journal.
    pub(crate) fn journal(&self) -> Vec<Value> {
        self.read(&format!(".haechi/runs/{}/journal.jsonl", self.last_run()))
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }
}

/// Cargo builds the examples of a package with its tests, two folders above them.
fn toy_server() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let path =
        test.ancestors().nth(2).unwrap().join("examples").join(format!("toy-server{}", std::env::consts::EXE_SUFFIX));
    assert!(path.is_file(), "{} was built with the tests", path.display());
    path
}
