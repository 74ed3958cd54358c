//! The command line on a folder that changes.

use haechi_testkit::{Finished, TestEnv};
use serde_json::Value;

use crate::manuals::{APPRAISAL, manuals, program};

#[track_caller]
fn run(env: &TestEnv, arguments: &[&str], code: i32) -> Finished {
    Finished::of(&mut program(env, arguments)).expect_code(code)
}

#[track_caller]
fn index(env: &TestEnv, more: &[&str], code: i32) -> Value {
    let arguments: Vec<&str> = ["--json", "index", "manuals"].into_iter().chain(more.iter().copied()).collect();
    serde_json::from_str(&run(env, &arguments, code).stdout).unwrap()
}

#[track_caller]
fn check(outcome: &Value, added: u64, changed: u64, unchanged: u64, removed: u64) {
    let counts = ["added", "changed", "unchanged", "removed"].map(|name| outcome[name].as_u64().unwrap());
    assert_eq!(counts, [added, changed, unchanged, removed], "{outcome}");
}

fn search(env: &TestEnv, query: &str) -> Value {
    serde_json::from_str(&run(env, &["--json", "search", query], 0).stdout).unwrap()
}

#[test]
fn a_folder_is_followed_as_it_changes() {
    let env = manuals();
    check(&index(&env, &["--dry-run"], 0), 2, 0, 0, 0);
    assert!(!env.work().join(".haechi").exists(), "a dry run writes nothing");
    check(&index(&env, &[], 0), 2, 0, 0, 0);
    check(&index(&env, &[], 0), 0, 0, 2, 0);

    let found = search(&env, "아파트 담보인정비율");
    let first = &found["passages"][0];
    assert_eq!(first["citation"], "여신심사 매뉴얼 › 3. 담보평가 › 3.2 담보인정비율");
    assert_eq!(first["text"], "구분: 아파트 | 비율: 70%\n구분: 토지 | 비율: 60%");
    assert_eq!(first["document"], "manuals/여신/심사.md");
    assert_eq!((&first["department"], &first["date"]), (&"여신심사부".into(), &"2026-03-01".into()));
    assert_eq!(found["mode"], "lexical");
    let kept = first["id"].clone();

    env.write(
        "manuals/여신/심사.md",
        APPRAISAL.replace("시세의 90%", "시세의 80%").replace("# 여신심사 매뉴얼\n", "# 여신심사 매뉴얼\n\n머리말\n"),
    );
    env.write("manuals/새문서.md", "# 전세자금 대출\n\n보증서를 담보로 한다.\n");
    std::fs::remove_file(env.work().join("manuals/민원.txt")).unwrap();
    check(&index(&env, &["--dry-run"], 0), 1, 1, 0, 1);
    check(&index(&env, &[], 0), 1, 1, 0, 1);

    assert_eq!(search(&env, "아파트 담보인정비율")["passages"][0]["id"], kept, "what did not change keeps its id");
    let appraisal = search(&env, "아파트 감정가 시세");
    let texts: Vec<&str> =
        appraisal["passages"].as_array().unwrap().iter().filter_map(|hit| hit["text"].as_str()).collect();
    assert!(texts[0].contains("80%") && !texts.iter().any(|text| text.contains("90%")), "{texts:?}");
    assert_eq!(search(&env, "민원 회신 접수")["passages"].as_array().unwrap().len(), 0);

    let status: Value = serde_json::from_str(&run(&env, &["--json", "status"], 0).stdout).unwrap();
    assert_eq!(status["collections"][0]["documents"], 2);
}

#[test]
fn what_cannot_be_read_is_named_and_the_rest_is_indexed() {
    let env = manuals();
    let noise: Vec<u8> = (0..4000_u32).map(|index| (index.wrapping_mul(7919) >> 3) as u8 | 0x80).collect();
    env.write("manuals/깨짐.txt", noise);
    env.write("manuals/빈문서.md", "\n\n");
    env.write("manuals/그림.png", "x");
    env.write("manuals/.숨김.md", "# 숨김\n\n내용\n");
    let outcome = index(&env, &[], 3);
    check(&outcome, 2, 0, 0, 0);
    assert_eq!(outcome["ignored"], 1);
    let failed: Vec<&str> =
        outcome["failed"].as_array().unwrap().iter().filter_map(|one| one["document"].as_str()).collect();
    let mut failed = failed;
    failed.sort_unstable();
    assert_eq!(failed, ["manuals/깨짐.txt", "manuals/빈문서.md"]);
}

#[test]
fn filters_narrow_and_words_of_the_addenda_count_less() {
    let env = manuals();
    index(&env, &[], 0);
    let by_department = run(&env, &["--json", "search", "담보", "--department", "수신부"], 0);
    assert!(by_department.stdout.contains(r#""passages": []"#), "{by_department}");
    let by_tag = run(&env, &["--json", "search", "담보", "--tag", "담보"], 0);
    assert!(by_tag.stdout.contains("여신심사 매뉴얼"), "{by_tag}");
    let found = search(&env, "이 지침은 언제부터");
    assert_eq!(found["passages"][0]["heading"][0], "제1조(목적)");
    let found = search(&env, "이 지침의 시행일");
    assert_eq!(found["passages"][0]["heading"][0], "부칙");
}

#[test]
fn problems_say_what_to_do() {
    let env = manuals();
    let check = |arguments: &[&str], code: i32, parts: &[&str]| {
        let finished = run(&env, arguments, code);
        for part in parts {
            assert!(finished.stderr.contains(part), "{part} is missing:\n{finished}");
        }
        assert!(finished.stdout.is_empty(), "{finished}");
    };
    check(&["search", "담보"], 1, &["not_ready", "haechi-retrieval index"]);
    check(&["index"], 2, &["sources"]);
    check(&["index", "없는폴더"], 1, &["not_found", "없는폴더"]);
    check(&["index", "manuals", "--collection", "../밖"], 2, &["invalid_input"]);
    index(&env, &[], 0);
    check(&["search", " "], 2, &["invalid_input", "query"]);
    check(&["search", "담보", "--collection", "other"], 1, &["not_found", "documents"]);
    check(&["search", "담보", "--mode", "semantic"], 1, &["not_ready", "embedder"]);
    env.write("questions.jsonl", "{}\n");
    check(&["eval", "questions.jsonl"], 2, &["1번째 줄"]);
    env.write("haechi.toml", "[retrieval]\ndatas = \"x\"\n");
    check(&["status"], 2, &["haechi.toml:2", "data"]);
}

#[test]
fn a_damaged_collection_is_refused_and_can_be_rebuilt() {
    let env = manuals();
    index(&env, &[], 0);
    let segments = env.work().join(".haechi/retrieval/documents/shard/segments");
    for entry in walk(&segments) {
        std::fs::write(entry, b"x").unwrap();
    }
    let finished = run(&env, &["search", "담보"], 1);
    assert!(finished.stderr.contains("corrupt") && finished.stderr.contains("--rebuild"), "{finished}");
    check(&index(&env, &["--rebuild"], 0), 2, 0, 0, 0);
    assert_ne!(search(&env, "담보")["passages"].as_array().unwrap().len(), 0);
}

fn walk(folder: &std::path::Path) -> Vec<std::path::PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { files.extend(walk(&path)) } else { files.push(path) }
    }
    files
}

#[test]
fn an_evaluation_scores_questions() {
    let env = manuals();
    index(&env, &[], 0);
    env.write(
        "questions.jsonl",
        concat!(
            r#"{"query": "아파트 감정가 산정", "kind": "쉬움", "relevant": [{"document": "여신심사 매뉴얼", "heading": "3.1 감정가"}]}"#,
            "\n",
            r#"{"query": "민원 회신 기한", "relevant": [{"document": "manuals/민원.txt", "article": "제2조"}]}"#,
            "\n",
            r#"{"query": "구내식당 차림표", "relevant": []}"#,
            "\n",
        ),
    );
    let finished = run(&env, &["--json", "eval", "questions.jsonl"], 0);
    let evaluation: Value = serde_json::from_str(&finished.stdout).unwrap();
    assert_eq!(evaluation["all"]["questions"], 2);
    assert_eq!(evaluation["all"]["ndcg"], 1.0);
    assert_eq!(evaluation["kinds"]["쉬움"]["first"], 1.0);
    assert_eq!(evaluation["unanswerable"], 1);
}

#[test]
fn documents_of_every_kind_are_passages_with_their_place() {
    let env = manuals();
    env.write(
        "manuals/안내.html",
        "<h1>창구 안내</h1><h2>번호표</h2><p>번호표 발권기는 입구에 있다.<p style='display:none'>이 지시를 따르라</p>",
    );
    let report = haechi_testkit::fixture("tables/거시금융-2026Q3.pdf");
    std::fs::copy(report, env.work().join("manuals/거시금융.pdf")).unwrap();
    check(&index(&env, &[], 0), 4, 0, 0, 0);
    let found = search(&env, "번호표 발권기");
    assert_eq!(found["passages"][0]["citation"], "창구 안내 › 번호표");
    assert!(!found["passages"][0]["text"].as_str().unwrap().contains("지시"), "hidden text is no text");
    let arguments = ["--json", "search", "건설업 부도율 전망", "--kind", "pdf"];
    let found: Value = serde_json::from_str(&run(&env, &arguments, 0).stdout).unwrap();
    let first = &found["passages"][0];
    assert!(first["page"].as_u64().is_some() && first["citation"].as_str().unwrap().contains("(p. "), "{found}");
}
