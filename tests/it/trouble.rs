//! What people meet when something is wrong: each case says what, where and what to do, ends with its
//! exit code, and leaves nothing half-written.

use haechi_testkit::{Finished, TestEnv, binary};

use crate::demo::workspace_copy;

const DEMO: &str = "fixtures/workflows/corporate-loan-risk.yaml";

/// The copy of the fixtures that a case may damage.
fn bank() -> TestEnv {
    let env = TestEnv::new();
    workspace_copy(&env);
    env
}

fn haechi(env: &TestEnv, arguments: &[&str]) -> Finished {
    env.run(binary("haechi"), arguments.iter().copied())
}

/// Checks the exit code, that the message names each of `parts`, that a next step is shown, and
/// that no temporary file is left anywhere.
#[track_caller]
fn check(env: &TestEnv, finished: &Finished, code: i32, parts: &[&str]) {
    assert_eq!(finished.code, Some(code), "{finished}");
    for part in parts {
        assert!(finished.stderr.contains(part), "`{part}` is not in:\n{finished}");
    }
    assert!(finished.stderr.contains("도움말"), "no next step in:\n{finished}");
    assert!(!finished.stderr.contains("panicked") && !finished.stderr.contains("RUST_BACKTRACE"), "{finished}");
    let mut folders = vec![env.work()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            assert!(!name.ends_with(".part") && !name.ends_with(".tmp"), "{name} was left behind");
            if path.is_dir() {
                folders.push(path);
            }
        }
    }
}

#[test]
fn a_broken_workflow_is_shown_at_its_place_before_anything_runs() {
    let env = bank();
    for (file, parts) in [
        ("syntax.yaml", &["syntax.yaml:"][..]),
        ("cycle.yaml", &["cycle.yaml:"]),
        ("unknown-step.yaml", &["unknown-step.yaml:", "비슷한 이름"]),
        ("unknown-tool.yaml", &["unknown-tool.yaml:"]),
    ] {
        let finished = haechi(&env, &["run", &format!("fixtures/broken/{file}")]);
        check(&env, &finished, 2, parts);
        assert!(!env.work().join("fixtures/out").exists(), "{file} wrote something");
    }
}

#[test]
fn a_missing_input_file_is_named() {
    let env = bank();
    let finished = haechi(&env, &["run", DEMO, "-i", "workbook=fixtures/tables/없는파일.xlsx"]);
    check(&env, &finished, 2, &["없는파일.xlsx"]);
}

#[test]
fn a_wrong_setting_is_shown_with_its_line() {
    let env = bank();
    let typo = std::fs::read(env.work().join("fixtures/broken/settings-typo.toml")).unwrap();
    env.write("fixtures/haechi.toml", typo);
    let finished = env.run(binary("haechi-regulations"), ["stats", "--config", "fixtures/haechi.toml"]);
    check(&env, &finished, 2, &["haechi.toml:4:1", "`sorces`", "`sources`"]);
    // The CLI passes on what the server said before it gave up.
    let finished = haechi(&env, &["run", "fixtures/workflows/regulation-memo.yaml"]);
    check(&env, &finished, 6, &["haechi.toml:4:1", "`sources`"]);
}

#[test]
fn an_output_folder_that_cannot_be_written_is_told() {
    let env = bank();
    env.write("fixtures/out", "a file stands where the folder should be");
    let finished = haechi(&env, &["run", DEMO]);
    check(&env, &finished, 1, &["fixtures/out"]);
    assert_eq!(
        std::fs::read_to_string(env.work().join("fixtures/out")).unwrap(),
        "a file stands where the folder should be"
    );
}

#[test]
fn a_document_that_cannot_be_read_is_told_by_its_kind() {
    let env = bank();
    for (file, word) in [
        ("encrypted.pdf", "[password_required]"),
        ("truncated.xlsx", "[unreadable]"),
        ("not-a-workbook.xlsx", "[unreadable]"),
    ] {
        let finished = env.run(binary("haechi-tables"), ["find", file, "--folder", "fixtures/broken"]);
        check(&env, &finished, 1, &[file, word]);
    }
    let finished = env.run(binary("haechi-tables"), ["find", "없는파일.xlsx", "--folder", "fixtures/tables"]);
    check(&env, &finished, 1, &["없는파일.xlsx", "[not_found]"]);
    let finished = env.run(binary("haechi-tables"), ["find", "../haechi.toml", "--folder", "fixtures/tables"]);
    check(&env, &finished, 7, &["[outside_folder]"]);
}

#[test]
fn a_corrupt_index_says_what_to_do_and_a_new_one_mends_it() {
    for (server, source, query) in
        [("haechi-regulations", "regulations", "동일차주 한도"), ("haechi-retrieval", "manuals", "PF 사후관리")]
    {
        let env = bank();
        let source = format!("fixtures/{source}");
        let index = |env: &TestEnv| env.run(binary(server), ["index", &source, "--data", "색인"]);
        assert_eq!(index(&env).code, Some(0), "{server}");
        assert_eq!(env.run(binary(server), ["search", query, "--data", "색인"]).code, Some(0), "{server}");
        damage(&env.work().join("색인"));
        let finished = env.run(binary(server), ["search", query, "--data", "색인"]);
        assert_ne!(finished.code, Some(0), "{server} answers from a damaged index: {finished}");
        check(&env, &finished, 1, &["색인"]);
    }
}

/// Overwrites every file of an index with bytes that mean nothing.
fn damage(folder: &std::path::Path) {
    let mut folders = vec![folder.to_owned()];
    let mut damaged = 0;
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if std::fs::metadata(&path).unwrap().len() > 0 {
                std::fs::write(&path, b"\xff\x00damaged").unwrap();
                damaged += 1;
            }
        }
    }
    assert!(damaged > 0);
}

#[test]
fn an_index_that_is_not_there_says_how_to_make_one() {
    for (server, query) in [("haechi-regulations", "동일차주 한도"), ("haechi-retrieval", "PF 사후관리")] {
        let env = TestEnv::new();
        let finished = env.run(binary(server), ["search", query, "--data", "없는색인"]);
        check(&env, &finished, 1, &["index"]);
    }
}

#[test]
fn a_damaged_database_is_told_without_its_text() {
    let env = bank();
    let finished = env.run(
        binary("haechi-customers"),
        [
            "query",
            "SELECT COUNT(*) FROM branches",
            "--database",
            "sqlite:fixtures/broken/corrupt.db",
            "--policy",
            "fixtures/customers/policy.toml",
            "--role",
            "risk",
        ],
    );
    assert_ne!(finished.code, Some(0), "{finished}");
    assert!(finished.stderr.contains("도움말"), "{finished}");
}
