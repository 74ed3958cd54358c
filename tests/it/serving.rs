//! What `haechi-serving` promises, shown on a real process that holds a few odd tools.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::process::Command;

use haechi_testkit::{Era, Server, TestEnv};
use serde_json::{Value, json};

pub(crate) const SERVER: &str = env!("CARGO_BIN_EXE_haechi-fixture-server");

const BOTH_ERAS: [Era; 2] = [Era::Initialize, Era::Stateless];

/// The environment must outlive the server, whose working folder it holds.
struct Started {
    server: Server,
    env: TestEnv,
}

fn start(era: Era, settings: &str) -> Started {
    let env = TestEnv::new();
    env.write("haechi.toml", settings);
    let server = Server::start(&mut env.command(SERVER), era);
    Started { server, env }
}

fn audit_lines(env: &TestEnv) -> Vec<Value> {
    let text = std::fs::read_to_string(env.work().join(".haechi/audit/haechi-fixture-server.jsonl")).unwrap();
    let report = haechi_serving::verify_audit(&text);
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((report.lines, report.torn, report.findings), (lines.len() as u64, 0, Vec::new()));
    lines
}

#[test]
fn a_call_is_answered_in_both_eras_with_structure_and_text() {
    for era in BOTH_ERAS {
        let mut started = start(era, "");
        let result = started.server.call_result("echo", json!({ "text": "은행법", "times": 2 }));
        assert_eq!(result["structuredContent"], json!({ "text": "은행법은행법", "principal": "tester" }), "{era:?}");
        assert_eq!(result["content"][0]["text"], "은행법은행법");
        let (status, _) = started.server.close();
        assert_eq!(status.code(), Some(0), "end of input is a clean end");
    }
}

#[test]
fn end_of_input_before_any_message_is_a_clean_end() {
    let env = TestEnv::new();
    let finished = env.run(SERVER, []).expect_code(0);
    assert_eq!(finished.stdout, "");
}

#[test]
fn sigterm_ends_the_process_while_its_input_stays_open() {
    let mut started = start(Era::Initialize, "");
    started.server.call("echo", json!({ "text": "a" }));
    let killed = Command::new("kill").args(["-TERM", &started.server.id().to_string()]).status().unwrap();
    assert!(killed.success());
    assert_eq!(started.server.wait().code(), Some(0));
}

#[test]
fn a_panic_is_answered_and_the_server_goes_on() {
    for era in BOTH_ERAS {
        let mut started = start(era, "");
        for tool in ["panic_at_once", "panic_in_work"] {
            let problem = started.server.refusal(tool, json!({}));
            assert_eq!(problem["code"], "internal", "{tool}");
        }
        started.server.call("echo", json!({ "text": "아직 살아 있음" }));
        let log = started.server.stderr();
        assert!(log.contains("a panic was caught"), "{log}");
        assert!(!log.contains("991332"), "a panic's text must not reach the log: {log}");
    }
}

#[test]
fn a_cancelled_call_stops_its_work() {
    let mut started = start(Era::Initialize, "");
    let id = started.server.begin("tools/call", json!({ "name": "wait", "arguments": { "ms": 50_000 } }));
    started.server.wait_for_log("work began");
    started.server.call("echo", json!({ "text": "기다리는 동안에도 답한다" }));
    started.server.send(&json!({
        "jsonrpc": "2.0", "method": "notifications/cancelled", "params": { "requestId": id, "reason": "test" },
    }));
    started.server.wait_for_log("work was cancelled");
}

#[test]
fn a_call_over_its_time_is_stopped_and_told() {
    let mut started = start(Era::Initialize, "[limits]\ncall_ms_max = 50\n");
    let problem = started.server.refusal("wait", json!({ "ms": 50_000 }));
    assert_eq!(problem["code"], "timeout");
    started.server.wait_for_log("work was cancelled");
}

#[test]
fn calls_beyond_the_bound_wait_and_then_are_refused_as_busy() {
    let mut started = start(Era::Initialize, "[limits]\ncalls_max = 1\nqueue_ms_max = 30\n");
    let go = started.env.work().join("go");
    let first = started.server.begin("tools/call", json!({ "name": "wait_for_file", "arguments": { "path": go } }));
    started.server.wait_for_log("work began");
    let problem = started.server.refusal("echo", json!({ "text": "a" }));
    assert_eq!(problem["code"], "busy");
    // Once the one that holds the turn has ended, the turn is free again.
    std::fs::write(&go, "").unwrap();
    assert_eq!(started.server.answer(first)["result"]["structuredContent"]["waited"], true);
    started.server.call("echo", json!({ "text": "a" }));
}

#[test]
fn work_that_outlives_its_call_keeps_its_turn() {
    let settings = "[limits]\ncalls_max = 1\nqueue_ms_max = 30\ncall_ms_max = 200\n";
    let mut started = start(Era::Initialize, settings);
    let go = started.env.work().join("go");
    let stubborn = json!({ "path": go, "stubborn": true });
    assert_eq!(started.server.refusal("wait_for_file", stubborn)["code"], "timeout");
    assert_eq!(started.server.refusal("echo", json!({ "text": "a" }))["code"], "busy");
    std::fs::write(&go, "").unwrap();
    started.server.wait_for_log("work ended");
    started.server.call("echo", json!({ "text": "a" }));
}

#[test]
fn a_signal_lets_running_calls_end_and_takes_no_new_ones() {
    let mut started = start(Era::Initialize, "");
    let go = started.env.work().join("go");
    let running = started.server.begin("tools/call", json!({ "name": "wait_for_file", "arguments": { "path": go } }));
    started.server.wait_for_log("work began");
    let killed = Command::new("kill").args(["-TERM", &started.server.id().to_string()]).status().unwrap();
    assert!(killed.success());
    // Calls are answered as before until the signal has arrived.
    loop {
        let result = started.server.call_result("echo", json!({ "text": "a" }));
        if result["structuredContent"]["code"] == "unavailable" {
            break;
        }
    }
    std::fs::write(&go, "").unwrap();
    assert_eq!(started.server.answer(running)["result"]["structuredContent"]["waited"], true);
    assert_eq!(started.server.wait().code(), Some(0));
    let lines = audit_lines(&started.env);
    assert!(lines.iter().any(|line| line["tool"] == "wait_for_file" && line["outcome"] == "ok"), "{lines:?}");
}

#[test]
fn an_answer_over_the_limit_is_refused_with_a_way_on() {
    let mut started = start(Era::Initialize, "[limits]\nresult_bytes_max = 100\n");
    let problem = started.server.refusal("echo", json!({ "text": "가나다", "times": 100 }));
    assert_eq!(problem["code"], "too_large");
    assert!(problem["hint"].as_str().unwrap().contains("limit"), "{problem}");
}

#[test]
fn wrong_arguments_are_a_result_the_model_can_act_on() {
    let mut started = start(Era::Stateless, "");
    let problem = started.server.refusal("echo", json!({ "txet": "a" }));
    assert_eq!(problem["code"], "invalid_input");
    assert_eq!(problem["hint"], "`text`를 쓰려던 것입니까? 쓸 수 있는 인자: text, times");
    let problem = started.server.refusal("echo", json!({ "text": 3 }));
    assert_eq!(problem["code"], "invalid_input");
}

#[test]
fn an_unknown_tool_is_a_protocol_error() {
    let mut started = start(Era::Stateless, "");
    let answer = started.server.request("tools/call", json!({ "name": "ehco", "arguments": {} }));
    assert_eq!(answer["error"]["code"], -32602, "{answer}");
    assert_eq!(answer["error"]["data"]["nearest"], "echo");
}

#[test]
fn progress_reaches_a_client_that_asks_for_it() {
    let mut started = start(Era::Initialize, "");
    let parameters = json!({ "name": "count_up", "arguments": {}, "_meta": { "progressToken": "p1" } });
    let answer = started.server.request("tools/call", parameters);
    assert_eq!(answer["result"]["structuredContent"]["done"], true);
    let seen: Vec<f64> = started
        .server
        .notifications()
        .iter()
        .filter(|message| message["method"] == "notifications/progress")
        .map(|message| message["params"]["progress"].as_f64().unwrap())
        .collect();
    assert_eq!(seen, [0.0, 50.0, 100.0]);
}

#[test]
fn every_call_leaves_one_chained_audit_line_without_its_data() {
    let mut started = start(Era::Initialize, "");
    started.server.call("echo", json!({ "text": "비밀스러운 글" }));
    started.server.refusal("echo", json!({ "txet": "비밀스러운 글" }));
    started.server.refusal("panic_at_once", json!({}));
    let lines = audit_lines(&started.env);
    let outcomes: Vec<&Value> = lines.iter().map(|line| &line["outcome"]).collect();
    assert_eq!(outcomes, ["ok", "invalid_input", "internal"]);
    assert_eq!(lines[0]["arguments"], json!({ "text_chars": 7 }));
    assert_eq!(lines[0]["returned"], json!({ "bytes": 19 }));
    assert_eq!(lines[0]["principal"], "tester");
    assert_eq!(lines[0]["client"], "haechi-testkit 0");
    assert!(!json!(lines).to_string().contains("비밀"));
}

#[test]
fn no_answer_is_given_that_must_be_recorded_and_cannot_be() {
    let env = TestEnv::new();
    env.write("haechi.toml", "[audit]\nrequired = true\nfile = \"blocked/audit.jsonl\"\n");
    env.write("blocked", "a file where the folder should be");
    let finished = env.run(SERVER, []).expect_code(6);
    insta::assert_snapshot!(finished.stderr.replace(env.work().to_str().unwrap(), "WORK"), @r"
    오류: 감사 기록 파일을 열 수 없습니다: WORK/blocked/audit.jsonl (폴더가 있어야 할 자리에 파일이 있습니다) [unavailable]
    도움말: 쓸 수 있는 경로를 audit.file에 적거나 audit.required를 끄십시오
    ");
}

#[test]
fn a_wrong_setting_is_shown_at_its_place() {
    let env = TestEnv::new();
    env.write("haechi.toml", "[limits]\ncalls_max = 4\ncall_ms = 5\n");
    let finished = env.run(SERVER, []).expect_code(2);
    insta::assert_snapshot!(finished.stderr.replace(env.work().to_str().unwrap(), "WORK"), @r"
    오류: WORK/haechi.toml:3:1: `[limits]`에 `call_ms`라는 설정은 없습니다 [invalid_settings]
    도움말: `call_ms_max`을(를) 쓰려던 것입니까?
    ");
}

#[test]
fn tool_definitions_are_portable_and_stable() {
    let mut started = start(Era::Initialize, "");
    let tools = started.server.tools();
    let echo = tools.iter().find(|tool| tool["name"] == "echo").unwrap();
    insta::with_settings!({ sort_maps => true }, { insta::assert_json_snapshot!(echo, @r#"
    {
      "annotations": {
        "destructiveHint": false,
        "idempotentHint": true,
        "openWorldHint": false,
        "readOnlyHint": true,
        "title": "되풀이"
      },
      "description": "받은 글을 그대로 또는 여러 번 되풀이해 돌려줍니다. 예: text=안녕, times=2",
      "inputSchema": {
        "additionalProperties": false,
        "properties": {
          "text": {
            "description": "되돌려 줄 글",
            "type": "string"
          },
          "times": {
            "description": "되풀이할 횟수",
            "minimum": 0,
            "type": "integer"
          }
        },
        "required": [
          "text"
        ],
        "type": "object"
      },
      "name": "echo",
      "outputSchema": {
        "properties": {
          "principal": {
            "type": "string"
          },
          "text": {
            "type": "string"
          }
        },
        "type": "object"
      },
      "title": "되풀이"
    }
    "#); });
}

#[test]
fn resources_prompts_and_completions_are_served() {
    for era in BOTH_ERAS {
        let mut started = start(era, "");
        let server = &mut started.server;
        let read = server.request("resources/read", json!({ "uri": "test://template/7/data" }));
        assert!(read["result"]["contents"][0]["text"].as_str().unwrap().contains("Data for ID: 7"), "{read}");
        let missing = server.request("resources/read", json!({ "uri": "test://nothing" }));
        let expected = if era == Era::Initialize { -32002 } else { -32602 };
        assert_eq!(missing["error"]["code"], expected);
        let parameters = json!({ "name": "test_prompt_with_arguments", "arguments": { "arg1": "가", "arg2": "나" } });
        let prompt = server.request("prompts/get", parameters);
        assert!(prompt.to_string().contains("arg1='가'"), "{prompt}");
        let missing = server.request("prompts/get", json!({ "name": "test_prompt_with_arguments", "arguments": {} }));
        assert_eq!(missing["error"]["code"], -32602);
        let parameters = json!({
            "ref": { "type": "ref/resource", "uri": "test://template/{id}/data" },
            "argument": { "name": "id", "value": "은행" },
        });
        let complete = server.request("completion/complete", parameters);
        assert_eq!(complete["result"]["completion"]["values"], json!(["은행법", "은행법 시행령"]));
    }
}

/// A raw HTTP exchange, so that headers can be wrong on purpose.
pub(crate) fn exchange(address: &str, target: &str, headers: &[(&str, &str)], body: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    let mut request = format!(
        "{target} HTTP/1.1\r\nConnection: close\r\nContent-Type: application/json\r\n\
        Accept: application/json, text/event-stream\r\n"
    );
    for (name, value) in headers {
        request.push_str(&format!("{name}: {value}\r\n"));
    }
    request.push_str(&format!("Content-Length: {}\r\n\r\n{body}", body.len()));
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

fn post(address: &str, headers: &[(&str, &str)], body: &str) -> String {
    exchange(address, "POST /mcp", headers, body)
}

fn start_http(settings: &str) -> (Started, String) {
    let env = TestEnv::new();
    env.write("haechi.toml", settings);
    let mut command = env.command(SERVER);
    command.args(["serve", "--http", "127.0.0.1:0"]);
    let server = Server::start_silent(&mut command, Era::Stateless);
    let line = server.wait_for_log("listening on http://");
    let address = line.split("http://").nth(1).unwrap().trim_end_matches("/mcp").to_owned();
    (Started { server, env }, address)
}

pub(crate) fn stateless_call(text: &str) -> String {
    json!({
        "jsonrpc": "2.0", "id": 1, "method": "tools/call",
        "params": {
            "name": "echo", "arguments": { "text": text },
            "_meta": {
                "io.modelcontextprotocol/protocolVersion": "2026-07-28",
                "io.modelcontextprotocol/clientCapabilities": {},
            },
        },
    })
    .to_string()
}

pub(crate) const STATELESS_HEADERS: [(&str, &str); 3] =
    [("MCP-Protocol-Version", "2026-07-28"), ("Mcp-Method", "tools/call"), ("Mcp-Name", "echo")];

#[test]
fn http_answers_as_json_without_a_session_in_both_eras() {
    let (mut started, address) = start_http("");
    let headers = [&[("Host", address.as_str())], &STATELESS_HEADERS[..]].concat();
    let answer = post(&address, &headers, &stateless_call("안녕"));
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(answer.contains("application/json") && answer.contains("\"text\":\"안녕\""), "{answer}");

    let legacy = json!({ "jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {
        "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": { "name": "t", "version": "0" } } });
    let answer = post(&address, &[("Host", &address)], &legacy.to_string());
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(!answer.to_ascii_lowercase().contains("mcp-session-id"), "{answer}");
    assert_eq!(audit_lines(&started.env)[0]["transport"], "http");

    let killed = Command::new("kill").args(["-TERM", &started.server.id().to_string()]).status().unwrap();
    assert!(killed.success());
    assert_eq!(started.server.wait().code(), Some(0));
}

#[test]
fn http_refuses_foreign_hosts_and_origins() {
    let (_started, address) = start_http("");
    let evil = [&[("Host", "evil.example")], &STATELESS_HEADERS[..]].concat();
    assert!(post(&address, &evil, &stateless_call("a")).starts_with("HTTP/1.1 403"));
    let origin = [&[("Host", address.as_str()), ("Origin", "http://evil.example")], &STATELESS_HEADERS[..]].concat();
    assert!(post(&address, &origin, &stateless_call("a")).starts_with("HTTP/1.1 403"));
}

#[test]
fn http_refuses_a_body_over_the_limit() {
    let (_started, address) = start_http("[limits]\nrequest_bytes_max = 1000\n");
    let headers = [&[("Host", address.as_str())], &STATELESS_HEADERS[..]].concat();
    let answer = post(&address, &headers, &stateless_call(&"가".repeat(1000)));
    assert!(answer.starts_with("HTTP/1.1 413"), "{answer}");
}

#[test]
fn a_port_in_use_and_an_open_address_are_refused_with_what_to_do() {
    let (_started, address) = start_http("");
    let env = TestEnv::new();
    let finished = env.run(SERVER, ["serve", "--http", &address]).expect_code(6);
    insta::assert_snapshot!(finished.stderr.replace(&address, "ADDRESS"), @r"
    오류: ADDRESS에서 기다릴 수 없습니다: 다른 프로그램이 이미 쓰고 있습니다 [unavailable]
    도움말: 다른 포트를 쓰거나 그 포트를 쓰는 프로그램을 끝내십시오 (포트 0이면 빈 포트를 고릅니다)
    ");
    let finished = env.run(SERVER, ["serve", "--http", "0.0.0.0:0"]).expect_code(7);
    assert!(finished.stderr.contains("127.0.0.1 주소를 쓰거나"), "{finished}");
}
