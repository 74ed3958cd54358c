//! Who may enter over HTTP, and what roles leave of the tools, on a real process.

use haechi_serving::TokenFile;
use haechi_testkit::{Era, Server, TestEnv};
use serde_json::json;

use crate::serving::{SERVER, STATELESS_HEADERS, exchange, stateless_call};

const ROLES: &str = "[roles.reader]\ntools = [\"echo\"]\n[roles.tester]\n";

struct Guarded {
    _server: Server,
    env: TestEnv,
    address: String,
    token: String,
}

fn guarded() -> Guarded {
    let env = TestEnv::new();
    env.write("haechi.toml", format!("[access]\ntokens = \"토큰.toml\"\n{ROLES}"));
    let mut file = TokenFile::default();
    let now = "2026-01-01T00:00:00Z".parse().unwrap();
    let token =
        file.create("kim", "kim@haechi", vec!["reader".to_owned()], now, "2999-01-01T00:00:00Z".parse().unwrap());
    let expired = file.create("old", "old@haechi", vec!["reader".to_owned()], now, now);
    file.write(&env.work().join("토큰.toml")).unwrap();
    env.write("expired", expired.unwrap());
    let mut command = env.command(SERVER);
    command.args(["serve", "--http", "127.0.0.1:0"]);
    let server = Server::start_silent(&mut command, Era::Stateless);
    let line = server.wait_for_log("listening on http://");
    let address = line.split("http://").nth(1).unwrap().trim_end_matches("/mcp").to_owned();
    Guarded { _server: server, env, address, token: token.unwrap() }
}

impl Guarded {
    fn call(&self, token: Option<&str>) -> String {
        let authorization = token.map(|token| format!("Bearer {token}"));
        let mut headers = vec![("Host", self.address.as_str())];
        headers.extend(STATELESS_HEADERS);
        if let Some(authorization) = &authorization {
            headers.push(("Authorization", authorization));
        }
        exchange(&self.address, "POST /mcp", &headers, &stateless_call("안녕"))
    }
}

#[test]
fn without_a_valid_token_nothing_is_answered() {
    let guarded = guarded();
    let expired = std::fs::read_to_string(guarded.env.work().join("expired")).unwrap();
    for token in [None, Some("haechi_wrong"), Some(expired.as_str())] {
        let answer = guarded.call(token);
        assert!(answer.starts_with("HTTP/1.1 401"), "{answer}");
        assert!(answer.to_ascii_lowercase().contains("www-authenticate: bearer"), "{answer}");
        assert!(!answer.contains("echo"), "{answer}");
    }
    let metrics = exchange(&guarded.address, "GET /metrics", &[("Host", &guarded.address)], "");
    assert!(metrics.starts_with("HTTP/1.1 401"), "{metrics}");
    let health = exchange(&guarded.address, "GET /healthz", &[("Host", &guarded.address)], "");
    assert!(health.starts_with("HTTP/1.1 200"), "{health}");
}

#[test]
fn a_token_names_its_principal_until_it_is_revoked() {
    let guarded = guarded();
    let answer = guarded.call(Some(&guarded.token));
    assert!(answer.contains("\"principal\":\"kim@haechi\""), "{answer}");
    let audit = std::fs::read_to_string(guarded.env.work().join(".haechi/audit/haechi-fixture-server.jsonl")).unwrap();
    assert!(audit.contains("\"principal\":\"kim@haechi\"") && !audit.contains(&guarded.token), "{audit}");

    let path = guarded.env.work().join("토큰.toml");
    let mut file = TokenFile::read(&path).unwrap();
    assert!(file.revoke("kim"));
    file.write(&path).unwrap();
    assert!(guarded.call(Some(&guarded.token)).starts_with("HTTP/1.1 401"));
}

#[test]
fn metrics_count_calls_without_data() {
    let guarded = guarded();
    guarded.call(Some(&guarded.token));
    guarded.call(None);
    let authorization = format!("Bearer {}", guarded.token);
    let headers = [("Host", guarded.address.as_str()), ("Authorization", authorization.as_str())];
    let metrics = exchange(&guarded.address, "GET /metrics", &headers, "");
    assert!(metrics.contains("haechi_calls_total{tool=\"echo\",outcome=\"ok\"} 1"), "{metrics}");
    assert!(metrics.contains("haechi_requests_denied_total 1"), "{metrics}");
    assert!(!metrics.contains("안녕") && !metrics.contains("kim"), "{metrics}");
}

#[test]
fn a_tool_that_is_not_allowed_looks_like_one_that_does_not_exist() {
    let env = TestEnv::new();
    env.write("haechi.toml", ROLES);
    let mut command = env.command(SERVER);
    command.env("HAECHI_ROLES", "reader");
    let mut server = Server::start(&mut command, Era::Stateless);
    // What a resource would tell, only those may have who may use the tools that tell the same.
    assert_eq!(server.request("resources/list", json!({}))["result"]["resources"], json!([]));
    let denied = server.request("resources/read", json!({ "uri": "test://static-text" }));
    let missing = server.request("resources/read", json!({ "uri": "test://nothing" }));
    assert_eq!(denied["error"]["message"], missing["error"]["message"]);
    assert_eq!(denied["error"]["code"], missing["error"]["code"]);
    let names: Vec<String> = server.tools().iter().map(|tool| tool["name"].as_str().unwrap().to_owned()).collect();
    assert_eq!(names, ["echo"]);
    let denied = server.request("tools/call", json!({ "name": "wait", "arguments": { "ms": 1 } }));
    let missing = server.request("tools/call", json!({ "name": "xxxx", "arguments": { "ms": 1 } }));
    assert_eq!(denied["error"], missing["error"]);
    server.call("echo", json!({ "text": "a" }));
    let audit = std::fs::read_to_string(env.work().join(".haechi/audit/haechi-fixture-server.jsonl")).unwrap();
    let denied = audit.lines().filter(|line| line.contains("\"outcome\":\"denied\"")).count();
    assert_eq!(denied, 5, "a list, two resources and two tools were refused: {audit}");
}

#[test]
fn metrics_are_told_to_this_server_s_own_names_only() {
    let guarded = guarded();
    let authorization = format!("Bearer {}", guarded.token);
    let headers = [("Host", "evil.example"), ("Authorization", authorization.as_str())];
    assert!(exchange(&guarded.address, "GET /metrics", &headers, "").starts_with("HTTP/1.1 403"));
}
