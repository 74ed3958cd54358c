//! The real program over the fictional bank: protocol, commands, figures against the facts.

use std::process::Command;

use haechi_testkit::{Era, Server, TestEnv, fixture};
use serde_json::{Value, json};

const PROGRAM: &str = env!("CARGO_BIN_EXE_haechi-customers");

fn place(command: &mut Command, role: &str) {
    let bank = fixture("customers");
    command
        .args(["--database", &format!("sqlite:{}", bank.join("bank.db").display())])
        .arg("--policy")
        .arg(bank.join("policy.toml"))
        .arg("--saved")
        .arg(bank.join("saved"))
        .args(["--role", role])
        .env("HAECHI_CUSTOMERS_KEY", "a key for tests only");
}

fn serve(env: &TestEnv, role: &str, era: Era) -> Server {
    let mut command = env.command(PROGRAM);
    place(&mut command, role);
    Server::start(&mut command, era)
}

#[test]
fn a_host_asks_and_is_answered_in_both_eras() {
    for era in [Era::Initialize, Era::Stateless] {
        let env = TestEnv::new();
        let mut server = serve(&env, "analyst", era);
        assert_eq!(server.tools().len(), 6);
        let tables = server.call("list_customer_tables", json!({}));
        assert_eq!((&tables["dialect"], &tables["role"]), (&json!("sqlite"), &json!("analyst")));
        let sql = "SELECT name, rrn FROM customers WHERE rrn IS NOT NULL ORDER BY customer_id LIMIT 1";
        let result = server.call("query_customers", json!({ "sql": sql }));
        assert_eq!(result["masked"], json!(["name", "rrn"]));
        assert_eq!(result["rows"][0][1], "******-*******");
        assert!(result["citation"].as_str().unwrap().contains("customers"), "{result}");
        let problem = server.refusal("query_customers", json!({ "sql": "DELETE FROM customers" }));
        assert_eq!(problem["code"], "refused");
        assert!(problem["hint"].is_string());
        let problem =
            server.refusal("query_customers", json!({ "sql": "SELECT password_hash FROM customer_credentials" }));
        assert_eq!(problem["code"], "refused");
        let plan = server.call("explain_customer_query", json!({ "sql": "SELECT count(*) FROM loans" }));
        assert_eq!(plan["tables"], json!(["loans"]));
        let (status, _) = server.close();
        assert!(status.success());
    }
}

#[test]
fn saved_queries_give_the_figures_of_the_facts() {
    let env = TestEnv::new();
    let mut server = serve(&env, "risk", Era::Initialize);
    let facts: Value = serde_json::from_str(&std::fs::read_to_string(fixture("facts/bank.json")).unwrap()).unwrap();
    for quarter in facts["quarters"].as_array().unwrap() {
        let name = quarter["quarter"].as_str().unwrap();
        let result =
            server.call("run_saved_query", json!({ "name": "sector_exposure", "parameters": { "quarter": name } }));
        let expected = quarter["balance"].as_i64().unwrap() * 100_000_000;
        assert_eq!(result["totals"]["balance"], expected.to_string(), "{name}");
        assert_eq!(result["uri"], format!("query://saved/sector_exposure?quarter={name}"));
        let citation = result["citation"].as_str().unwrap();
        assert!(citation.starts_with(&format!("저장 질의 sector_exposure(quarter={name}) · 20")), "{citation}");
    }
    let problem =
        server.refusal("run_saved_query", json!({ "name": "corporate_exposure", "parameters": { "quarter": "2026" } }));
    assert_eq!(problem["code"], "invalid_input");
    let problem = server.refusal("run_saved_query", json!({ "name": "corporate_exposur" }));
    assert_eq!(problem["hint"], "혹시 corporate_exposure입니까?");
}

#[test]
fn every_saved_query_runs_with_its_examples() {
    for role in ["risk", "analyst", "teller"] {
        let env = TestEnv::new();
        let mut server = serve(&env, role, Era::Initialize);
        let queries = server.call("list_saved_queries", json!({}))["queries"].as_array().unwrap().clone();
        assert!(!queries.is_empty(), "{role}");
        for query in queries {
            let parameters: serde_json::Map<String, Value> = query["parameters"]
                .as_array()
                .unwrap()
                .iter()
                .filter_map(|parameter| {
                    let value = parameter.get("example").or_else(|| parameter.get("default"))?;
                    Some((parameter["name"].as_str()?.to_owned(), value.clone()))
                })
                .collect();
            let result = server.call("run_saved_query", json!({ "name": query["name"], "parameters": parameters }));
            assert!(result["row_count"].as_u64().is_some(), "{query}");
        }
    }
}

#[test]
fn commands_answer_without_a_host() {
    let env = TestEnv::new();
    let run = |arguments: &[&str]| {
        let mut command = env.command(PROGRAM);
        command.args(arguments);
        place(&mut command, "analyst");
        let output = command.output().unwrap();
        (output.status.code(), String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap())
    };
    let (status, out, _) = run(&["query", "SELECT count(*) AS 수 FROM branches", "--csv"]);
    assert_eq!((status, out.as_str()), (Some(0), "수\n8\n"));
    let (status, _, error) = run(&["query", "DROP TABLE branches"]);
    assert_eq!(status, Some(i32::from(haechi_contract::exit::DENIED)));
    assert!(error.contains("조회(SELECT) 문만 쓸 수 있습니다."), "{error}");
    let (status, out, _) = run(&["policy", "explain", "SELECT rrn FROM customers"]);
    assert_eq!(status, Some(0));
    assert!(out.contains("· rrn: redact"), "{out}");
    let (status, out, _) = run(&["doctor"]);
    assert_eq!(status, Some(0), "{out}");
    let (status, _, error) = run(&["schema", "custmers"]);
    assert_eq!(status, Some(1));
    assert!(error.contains("혹시 customers입니까?"), "{error}");
}
