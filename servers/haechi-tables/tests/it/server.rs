//! The program as a host runs it.

use haechi_testkit::{Era, Server, TestEnv};
use serde_json::json;

use crate::samples;

const PROGRAM: &str = env!("CARGO_BIN_EXE_haechi-tables");

fn start(environment: &TestEnv, era: Era) -> Server {
    samples::loans(&environment.work());
    let mut command = environment.command(PROGRAM);
    command.arg("--folder").arg(environment.work());
    Server::start(&mut command, era)
}

#[test]
fn tool_definitions_are_stable() {
    let environment = TestEnv::new();
    let mut server = start(&environment, Era::Stateless);
    for tool in server.tools() {
        let name = tool["name"].as_str().unwrap().to_owned();
        insta::with_settings!({ sort_maps => true }, {
            insta::assert_json_snapshot!(format!("tool_{name}"), tool);
        });
    }
}

#[test]
fn a_host_finds_reads_and_queries() {
    for era in [Era::Initialize, Era::Stateless] {
        let environment = TestEnv::new();
        let mut server = start(&environment, era);
        let files = server.call("list_files", json!({}));
        assert_eq!(files["files"][0]["path"], "여신현황.xlsx");
        let tables = server.call("find_tables", json!({ "path": "여신현황.xlsx" }));
        let id = tables["tables"][0]["id"].as_str().unwrap().to_owned();
        assert_eq!(tables["tables"][0]["citation"], "여신현황.xlsx › 업종별 › B3:F8");
        let rows = server.call("read_table", json!({ "id": id, "limit": 2 }));
        assert_eq!(rows["rows"][0]["2026년 3분기/증감"], -56);
        assert_eq!(rows["next_offset"], 2);
        let query = server.call(
            "query_tables",
            json!({ "tables": [{ "id": id, "name": "t" }], "sql": "SELECT COUNT(*) AS n FROM t WHERE \"_행구분\" IS NULL" }),
        );
        assert_eq!(query["rows"], json!([[3]]));
        let profile = server.call("profile_table", json!({ "id": id }));
        assert_eq!(profile["suspicious"][0]["kind"], "total_confirmed");
        let same = server.call("compare_tables", json!({ "left": id, "right": id, "keys": ["업종"] }));
        assert_eq!(same["unchanged"], 4);
        let (status, _) = server.close();
        assert!(status.success());
    }
}

#[test]
fn refusals_say_what_to_do() {
    let environment = TestEnv::new();
    let mut server = start(&environment, Era::Stateless);
    for (tool, arguments, code) in [
        ("find_tables", json!({ "path": "../x.xlsx" }), "outside_folder"),
        ("find_tables", json!({ "path": "없음.xlsx" }), "not_found"),
        ("find_tables", json!({ "path": "여신현황.xlsx", "sheets": ["없는 시트"] }), "not_found"),
        ("find_tables", json!({ "file": "여신현황.xlsx" }), "invalid_input"),
        ("read_table", json!({ "id": "여신현황.xlsx#업종별!Z90:Z99" }), "not_found"),
        ("read_table", json!({ "id": "여신현황.xlsx#업종별!B3:F8", "columns": ["없음"] }), "not_found"),
        (
            "query_tables",
            json!({ "tables": [{ "id": "여신현황.xlsx#업종별!B3:F8", "name": "t" }], "sql": "DELETE FROM t" }),
            "refused",
        ),
        ("read_pages", json!({ "path": "여신현황.xlsx" }), "unsupported"),
    ] {
        let problem = server.refusal(tool, arguments.clone());
        assert_eq!(problem["code"], code, "{tool} {arguments}: {problem}");
        assert!(problem["hint"].as_str().is_some_and(|hint| !hint.is_empty()), "{tool} {arguments}: {problem}");
    }
}

#[test]
fn commands_work_without_a_host() {
    let environment = TestEnv::new();
    samples::loans(&environment.work());
    let found = environment.run(PROGRAM, ["find", "여신현황.xlsx"]).expect_code(0);
    assert!(found.stdout.contains("업종별 기업여신 현황"), "{}", found.stdout);
    let read = environment.run(PROGRAM, ["read", "여신현황.xlsx#업종별!B3:F8", "--format", "csv"]).expect_code(0);
    assert!(read.stdout.contains("건설업,765.5,12,0.0105,2026-09-30"), "{}", read.stdout);
    let _ = environment
        .run(PROGRAM, ["export", "여신현황.xlsx#업종별!B3:F8", "--format", "html", "--out", "표.html"])
        .expect_code(0);
    let page = std::fs::read_to_string(environment.work().join("표.html")).unwrap();
    assert!(page.contains("<td class=\"number\">△56</td>"), "{page}");
    let missing = environment.run(PROGRAM, ["--folder", ".", "find", "없음.xlsx"]).expect_code(1);
    assert!(missing.stderr.contains("not_found"), "{}", missing.stderr);
}
