//! The command line and the process as a server.

use haechi_testkit::{Era, Finished, Server, TestEnv};
use serde_json::{Value, json};

use crate::rules::{environment, program};

#[track_caller]
fn passes(env: &TestEnv, arguments: &[&str]) {
    let _ = run(env, arguments, 0);
}

#[track_caller]
fn run(env: &TestEnv, arguments: &[&str], code: i32) -> Finished {
    Finished::of(&mut program(env, arguments)).expect_code(code)
}

fn index(env: &TestEnv) -> Value {
    serde_json::from_str(&run(env, &["--json", "index", "rules"], 0).stdout).unwrap()
}

#[test]
fn a_folder_is_followed_as_it_changes() {
    let env = environment();
    let first = index(&env);
    assert_eq!(
        (&first["files"], &first["regulations"], &first["regulations_changed"]),
        (&json!(4), &json!(3), &json!(3))
    );
    let again = index(&env);
    assert_eq!((&again["files_changed"], &again["regulations_changed"]), (&json!(0), &json!(0)));
    std::fs::remove_file(env.work().join("rules/new.md")).unwrap();
    env.write("rules/cp949.txt", b"\xbf\xb9\xb1\xdd\xb1\xd4\xc1\xa4\n\n\xc1\xa61\xc1\xb6(\xb8\xf1\xc0\xfb) \xbf\xb9\xb1\xdd\xc0\xbb \xc1\xa4\xc7\xd1\xb4\xd9.\n");
    let changed = index(&env);
    assert_eq!(
        (&changed["files_changed"], &changed["files_removed"], &changed["regulations_changed"]),
        (&json!(1), &json!(1), &json!(2))
    );
    let shown = run(&env, &["show", "여신심사규정 제3조"], 0);
    assert!(shown.stdout.contains("매월"), "{shown}");
    let shown = run(&env, &["show", "예금규정 제1조"], 0);
    assert!(shown.stdout.contains("예금을 정한다."), "{shown}");
}

#[test]
fn an_unreadable_file_is_named_and_the_rest_is_indexed() {
    let env = environment();
    let noise: Vec<u8> = (0..4000_u32).map(|at| (at.wrapping_mul(7919) >> 3) as u8 | 0x80).collect();
    env.write("rules/broken.txt", noise);
    let report: Value = serde_json::from_str(&run(&env, &["--json", "index", "rules"], 3).stdout).unwrap();
    assert_eq!(report["regulations"], 3);
    assert!(report["unreadable"][0][0].as_str().unwrap().ends_with("broken.txt"), "{report}");
}

#[test]
fn problems_say_what_to_do() {
    let env = environment();
    let check = |arguments: &[&str], code: i32, parts: &[&str]| {
        let finished = run(&env, arguments, code);
        for part in parts {
            assert!(finished.stderr.contains(part), "{part} is missing:\n{finished}");
        }
    };
    check(&["search", "한도"], 1, &["not_ready", "haechi-regulations index"]);
    check(&["index", "nowhere"], 1, &["not_found", "nowhere"]);
    check(&["index"], 2, &["sources"]);
    index(&env);
    let data = env.work().join(".haechi/regulations");
    let stamp = data.join("haechi-regulations.json");
    let written = std::fs::read(&stamp).unwrap();
    std::fs::write(&stamp, r#"{"stamp":"0.0"}"#).unwrap();
    check(&["search", "한도"], 1, &["version_mismatch", "--rebuild"]);
    std::fs::write(&stamp, written).unwrap();
    let meta = data.join("engine/meta.json");
    std::fs::write(&meta, "{").unwrap();
    check(&["search", "한도"], 1, &["corrupt", "--rebuild"]);
    passes(&env, &["index", "rules", "--rebuild"]);
    passes(&env, &["search", "한도"]);
    let lock = std::fs::File::options().write(true).open(data.join("lock")).unwrap();
    lock.lock().unwrap();
    check(&["index", "rules", "--rebuild"], 1, &["busy", "--wait"]);
}

#[test]
fn the_server_indexes_its_sources_before_the_first_answer() {
    let env = environment();
    env.write("haechi.toml", "[regulations]\ndata = \"index\"\nsources = [\"rules\"]\n");
    for era in [Era::Initialize, Era::Stateless] {
        let mut server = Server::start(&mut program(&env, &["serve"]), era);
        assert_eq!(server.tools().len(), 7);
        let found = server.call("search_regulations", json!({ "query": "중도상환수수료" }));
        assert_eq!(found["hits"][0]["citation"], "여신심사규정 제5조 (2026-07-01 시행)");
        let article = server.call("get_article", json!({ "citation": "여신심사규정 별표 1", "as_of": "2026-06-30" }));
        assert_eq!(article["uri"], "regulation://여신-900/별표1");
        let refusal = server.refusal("get_article", json!({ "citation": "여신심사규정 제77조" }));
        assert_eq!(refusal["code"], "not_found");
        let (status, _) = server.close();
        assert!(status.success());
    }
}

#[test]
fn verify_ends_with_a_code_and_names_the_line() {
    let env = environment();
    index(&env);
    env.write("memo.md", "# 메모\n\n시험은행법 제36조에 따라\n");
    let finished = run(&env, &["verify", "memo.md"], 1);
    assert!(finished.stdout.contains("3행: [없음] 시험은행법 제36조"), "{finished}");
    env.write("memo.md", "시험은행법 제35조에 따라\n");
    passes(&env, &["verify", "memo.md"]);
}
