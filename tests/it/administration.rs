//! `haechi token` and `haechi audit`, with the servers they are for.

use haechi_testkit::{Era, Server, TestEnv, binary};
use serde_json::{Value, json};

use crate::serving::{SERVER, STATELESS_HEADERS, exchange, stateless_call};

#[test]
fn a_token_made_by_the_command_opens_a_running_server_until_it_is_revoked() {
    let env = TestEnv::new();
    env.write("haechi.toml", "[access]\ntokens = \"tokens.toml\"\n");
    let mut command = env.command(SERVER);
    command.args(["serve", "--http", "127.0.0.1:0"]);
    let server = Server::start_silent(&mut command, Era::Stateless);
    let line = server.wait_for_log("listening on http://");
    let address = line.split("http://").nth(1).unwrap().trim_end_matches("/mcp").to_owned();
    let call = |token: &str| {
        let authorization = format!("Bearer {token}");
        let mut headers = vec![("Host", address.as_str()), ("Authorization", authorization.as_str())];
        headers.extend(STATELESS_HEADERS);
        exchange(&address, "POST /mcp", &headers, &stateless_call("안녕"))
    };
    let haechi = |arguments: &[&str]| env.run(binary("haechi"), arguments.iter().copied());

    let made = haechi(&["token", "create", "kim", "--principal", "kim@haechi", "--role", "analyst"]).expect_code(0);
    let token = made.stdout.trim().to_owned();
    assert!(call(&token).starts_with("HTTP/1.1 200"));
    let listed = haechi(&["token", "list"]).expect_code(0);
    assert!(listed.stdout.contains("kim@haechi") && !listed.stdout.contains(&token), "{listed}");

    let _ = haechi(&["token", "create", "kim", "--principal", "other"]).expect_code(2);
    let _ = haechi(&["token", "revoke", "kim"]).expect_code(0);
    assert!(call(&token).starts_with("HTTP/1.1 401"));
    let unknown = haechi(&["token", "revoke", "kim"]).expect_code(1);
    assert!(unknown.stderr.contains("도움말"), "{unknown}");
}

#[test]
fn an_audit_file_is_verified_shown_and_counted() {
    let env = TestEnv::new();
    env.write("haechi.toml", "");
    let mut server = Server::start(&mut env.command(SERVER), Era::Initialize);
    for _ in 0..3 {
        server.call("echo", json!({ "text": "비밀스러운 글" }));
    }
    let _ = server.close();
    let file = env.work().join(".haechi/audit/haechi-fixture-server.jsonl");
    let path = file.to_str().unwrap();
    let haechi = |arguments: &[&str]| env.run(binary("haechi"), arguments.iter().copied());

    assert_eq!(haechi(&["audit", "verify", path]).expect_code(0).stdout, "3줄 모두 이어져 있습니다\n");
    let shown = haechi(&["audit", "show", path, "--last", "2"]).expect_code(0);
    assert_eq!(shown.stdout.lines().count(), 2, "{shown}");
    assert!(!shown.stdout.contains("비밀"), "{shown}");
    let stats: Value =
        serde_json::from_str(&haechi(&["audit", "stats", path, "--json"]).expect_code(0).stdout).unwrap();
    assert_eq!(stats["calls"][0]["calls"], 3);

    let text = std::fs::read_to_string(&file).unwrap().replacen("tester", "nobody", 1);
    std::fs::write(&file, text).unwrap();
    let changed = haechi(&["audit", "verify", path]).expect_code(8);
    assert!(changed.stderr.contains(".jsonl:1:"), "{changed}");
}
