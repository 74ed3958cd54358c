//! A model on a scripted endpoint: grounded, corrected once, replaced, never trusted.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use crate::support::Bench;

/// An endpoint that gives these answers in turn and keeps what it was asked.
struct Script {
    address: String,
    asked: Arc<Mutex<Vec<Value>>>,
}

fn script(answers: Vec<String>) -> Script {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}/v1", listener.local_addr().unwrap());
    let asked = Arc::new(Mutex::new(Vec::new()));
    let kept = Arc::clone(&asked);
    std::thread::spawn(move || {
        for answer in answers {
            let Ok((stream, _)) = listener.accept() else { return };
            let mut reader = BufReader::new(stream.try_clone().unwrap());
            let mut length = 0;
            loop {
                let mut line = String::new();
                reader.read_line(&mut line).unwrap();
                if let Some(value) = line.to_lowercase().strip_prefix("content-length:") {
                    length = value.trim().parse().unwrap();
                }
                if line.trim().is_empty() {
                    break;
                }
            }
            let mut body = vec![0; length];
            reader.read_exact(&mut body).unwrap();
            kept.lock().unwrap().push(serde_json::from_slice(&body).unwrap());
            let mut stream = stream;
            let head = format!(
                "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
                answer.len()
            );
            let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(answer.as_bytes()));
        }
    });
    Script { address, asked }
}

fn says(text: &str) -> String {
    finishes(text, "stop")
}

fn finishes(text: &str, reason: &str) -> String {
    json!({ "model": "scripted-1", "choices": [{ "message": { "role": "assistant", "content": text }, "finish_reason": reason }] }).to_string()
}

fn bench(script: &Script) -> Bench {
    let bench = Bench::with(&format!(
        "\
models:
  writer: {{ base_url: \"{}\", model: small, max_tokens: 200 }}
steps:
  - {{ id: rows, call: toy.rows }}
  - id: narrative
    title: 요약 글
    model: writer
    prompt: ask.md
    data: {{ total: \"{{{{ steps.rows.out.rows | total('잔액') }}}}\" }}
    schema: {{ type: object, additionalProperties: false, required: [summary], properties: {{ summary: {{ type: string }} }} }}
    ground: {{ numbers: in_data }}
    on_error: {{ fallback: {{ set: {{ summary: 모델 없이 쓴 글 }} }} }}
  - {{ id: report, render: r.md }}
outputs:
  - {{ from: report, to: out.md }}
",
        script.address
    ));
    bench.env.write("ask.md", "잔액 합계는 {{ data.total | eok(digits=1) }}이다. 한 문장으로 요약하라.");
    bench.env.write("r.md", "# 보고서\n\n{{ steps.narrative.out.summary }}\n");
    bench
}

#[test]
fn a_grounded_answer_is_used_marked_and_replayed() {
    let script = script(vec![says("```json\n{\"summary\": \"합계는 4.5억원입니다\"}\n```")]);
    let bench = bench(&script);
    bench.ends(["run", "flow.yaml"], 0);
    let report = bench.read("out.md");
    assert!(report.contains("합계는 4.5억원입니다"), "{report}");
    assert!(report.contains("모델이 쓴 글: ‘요약 글’ — writer (small)"), "{report}");
    let asked = script.asked.lock().unwrap().clone();
    assert_eq!(asked.len(), 1);
    assert_eq!(asked[0]["messages"][1]["content"], "잔액 합계는 4.5억원이다. 한 문장으로 요약하라.");
    assert_eq!(asked[0]["response_format"]["type"], "json_schema");
    assert!(!asked[0].to_string().contains("제조업"), "what `data` does not name is not shown");
    // The endpoint is gone by now; the record has its answer.
    bench.ends(["replay", "last"], 0);
}

#[test]
fn an_invented_figure_goes_back_once_and_is_corrected() {
    let script =
        script(vec![says(r#"{"summary": "합계는 9.9억원입니다"}"#), says(r#"{"summary": "합계는 4.5억원입니다"}"#)]);
    let bench = bench(&script);
    bench.ends(["run", "flow.yaml"], 0);
    assert!(bench.read("out.md").contains("4.5억원"));
    let asked = script.asked.lock().unwrap().clone();
    let correction = asked[1]["messages"][3]["content"].as_str().unwrap();
    assert!(correction.contains("자료에 없는 숫자가 있다: 9.9"), "{correction}");
    bench.ends(["replay", "last"], 0);
}

#[test]
fn what_cannot_be_accepted_is_replaced_by_the_fallback() {
    for (answers, why) in [
        (vec![says(r#"{"summary": "9.9억원"}"#), says(r#"{"summary": "8.8억원"}"#)], "자료에 없는 숫자"),
        (vec![says("JSON이 아닌 글"), says("또 글")], "JSON이 아니다"),
        (vec![says(r#"{"text": "다른 모양"}"#), says(r#"{"text": "다른 모양"}"#)], "`text`라는 값은"),
        (vec![finishes(r#"{"summary": "4.5억"#, "length")], "길이 제한에 잘렸습니다"),
        (vec!["쓰레기".to_owned()], "JSON이 아닙니다"),
    ] {
        let script = script(answers);
        let bench = bench(&script);
        bench.ends(["run", "flow.yaml"], 0);
        let report = bench.read("out.md");
        assert!(report.contains("모델 없이 쓴 글"), "{report}");
        let problem = bench.manifest()["steps"]["narrative"]["problem"]["message"].as_str().unwrap().to_owned();
        assert!(problem.contains(why), "{why}: {problem}");
        assert!(!report.contains("writer (small)"), "no mark on what no model wrote");
    }
}

#[test]
fn a_prompt_cannot_reach_into_the_run() {
    let script = script(Vec::new());
    let bench = bench(&script);
    bench.env.write("ask.md", "{{ steps.rows.out.rows[0].업종 }}");
    let finished = bench.run(["validate", "flow.yaml"]).expect_code(2);
    assert!(finished.stderr.contains("모델에 보일 값은 `data`로 넘깁니다"), "{finished}");
}

#[test]
fn a_model_that_is_not_there() {
    let bench = bench(&Script { address: "http://127.0.0.1:9/v1".into(), asked: Arc::default() });
    bench.ends(["run", "flow.yaml"], 0);
    let problem = bench.manifest()["steps"]["narrative"]["problem"].clone();
    assert_eq!(problem["code"], "unavailable", "{problem}");
}
