//! A stranger's MCP server for the tests of the orchestrator: it speaks the older protocol by hand,
//! counts its calls in files and misbehaves on request.

use std::io::{BufRead, Write};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};

type Out = Arc<Mutex<std::io::Stdout>>;

fn main() {
    let out: Out = Arc::new(Mutex::new(std::io::stdout()));
    for line in std::io::stdin().lock().lines() {
        let Ok(line) = line else { break };
        let Ok(message) = serde_json::from_str::<Value>(&line) else { continue };
        let (Some(method), Some(id)) = (message["method"].as_str(), message.get("id").cloned()) else { continue };
        let parameters = message["params"].clone();
        match method {
            "initialize" => answer(
                &out,
                &id,
                &json!({
                    "protocolVersion": "2025-06-18",
                    "capabilities": { "tools": {} },
                    "serverInfo": { "name": "toy", "version": "1.2.3" },
                }),
            ),
            "tools/list" => answer(&out, &id, &json!({ "tools": tools() })),
            "tools/call" => {
                let out = Arc::clone(&out);
                // Each call on its own thread, so that a slow one holds up no other.
                std::thread::spawn(move || answer(&out, &id, &call(&parameters)));
            }
            _ => send(
                &out,
                &json!({ "jsonrpc": "2.0", "id": id, "error": { "code": -32601, "message": "no such method" } }),
            ),
        }
    }
}

fn answer(out: &Out, id: &Value, result: &Value) {
    send(out, &json!({ "jsonrpc": "2.0", "id": id, "result": result }));
}

fn send(out: &Out, message: &Value) {
    if let Ok(mut out) = out.lock() {
        let _ = writeln!(out, "{message}");
        let _ = out.flush();
    }
}

fn tools() -> Value {
    let tool = |name: &str, properties: Value, required: Value, read_only: bool| {
        json!({
            "name": name,
            "title": name,
            "description": "시험용",
            "inputSchema": { "type": "object", "additionalProperties": false, "properties": properties, "required": required },
            "annotations": { "readOnlyHint": read_only },
        })
    };
    let file = json!({ "file": { "type": "string" } });
    json!([
        tool("rows", json!({ "count": { "type": "integer", "minimum": 0, "maximum": 1000 } }), json!([]), true),
        tool("article", json!({ "citation": { "type": "string", "minLength": 2 } }), json!(["citation"]), true),
        tool("echo", json!({ "value": {} }), json!(["value"]), true),
        tool("slow", json!({ "ms": { "type": "integer" } }), json!(["ms"]), true),
        tool("count", file.clone(), json!(["file"]), true),
        tool("write", file.clone(), json!(["file"]), false),
        tool("die", json!({}), json!([]), true),
        tool("die_once", file.clone(), json!(["file"]), true),
        tool("refuse_once", file, json!(["file"]), true),
        tool("refuse", json!({ "code": { "type": "string" } }), json!(["code"]), true),
        tool("noise", json!({}), json!([]), true),
    ])
}

fn call(parameters: &Value) -> Value {
    let arguments = &parameters["arguments"];
    let file = || arguments["file"].as_str().unwrap_or_default().to_owned();
    let good = |value: Value| json!({ "content": [{ "type": "text", "text": "됨" }], "structuredContent": value });
    match parameters["name"].as_str().unwrap_or_default() {
        "rows" => {
            let count = arguments["count"].as_i64().unwrap_or(3);
            let names = ["제조업", "건설업", "도소매업", "부동산업"];
            let rows: Vec<Value> = (0..count)
                .map(|row| {
                    json!([names[usize::try_from(row).unwrap_or(0) % 4], row * 100_000_000 + 50_000_000, "0.10"])
                })
                .collect();
            // A clock in the answer must not make two runs differ.
            let elapsed = std::time::SystemTime::now().elapsed().map_or(1, |time| time.as_nanos());
            good(json!({
                "columns": [{ "name": "업종", "type": "text" }, { "name": "잔액", "type": "integer" }, { "name": "비율", "type": "decimal" }],
                "rows": rows,
                "citation": format!("저장 질의 rows(count={count})"),
                "uri": format!("query://rows?count={count}"),
                "elapsed_ms": u64::try_from(elapsed).unwrap_or(0),
            }))
        }
        "article" => {
            let citation = arguments["citation"].as_str().unwrap_or_default();
            good(json!({
                "citation": format!("{citation} (2025-01-31 시행)"),
                "uri": format!("regulation://{citation}"),
                "title": "<b>한도</b> | *제목*",
                "text": "① 첫째 항 <script>alert(1)</script>\n② 둘째 항",
            }))
        }
        "echo" => good(json!({ "value": arguments["value"] })),
        "slow" => {
            std::thread::sleep(Duration::from_millis(arguments["ms"].as_u64().unwrap_or(0)));
            good(json!({ "slept": true }))
        }
        "count" | "write" => good(json!({ "count": note(&file()) })),
        "die" => {
            eprint_line("죽기 전에 남기는 말");
            std::process::abort()
        }
        "die_once" => {
            if note(&file()) == 1 {
                std::process::abort()
            }
            good(json!({ "alive": true }))
        }
        "refuse_once" => {
            if note(&file()) == 1 {
                return refusal("unavailable");
            }
            good(json!({ "alive": true }))
        }
        "refuse" => refusal(arguments["code"].as_str().unwrap_or("not_found")),
        "noise" => {
            for number in 0..20_000 {
                eprint_line(&format!("소음 {number} {}", "x".repeat(60)));
            }
            good(json!({ "quiet": true }))
        }
        _ => refusal("not_found"),
    }
}

fn refusal(code: &str) -> Value {
    json!({
        "content": [{ "type": "text", "text": "거부" }],
        "structuredContent": { "code": code, "message": "일부러 거부했습니다", "hint": "다른 값을 쓰십시오" },
        "isError": true,
    })
}

/// Adds a line to a file and says how many it has.
fn note(file: &str) -> usize {
    let mut text = std::fs::read_to_string(Path::new(file)).unwrap_or_default();
    text.push_str("called\n");
    let _ = std::fs::write(Path::new(file), &text);
    text.lines().count()
}

fn eprint_line(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}
