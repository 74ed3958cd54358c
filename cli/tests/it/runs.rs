//! What a run gives: files, a record, and the same again.

use serde_json::json;

use crate::support::Bench;

const REPORT: &str = "\
inputs:
  quarter: { type: string, pattern: \"^20[0-9]{2}Q[1-4]$\", default: 2026Q3 }
steps:
  - id: exposure
    title: 업종별 잔액
    call: toy.rows
    with: { count: 3 }
  - id: law
    call: toy.article
    with: { citation: 은행법 제35조 }
  - id: sums
    set: { total: \"{{ steps.exposure.out.rows | total('잔액') }}\", rates: \"{{ steps.exposure.out.rows | total('비율') }}\" }
  - id: reconcile
    assert:
      - { that: steps.sums.out.total is equals(450000000), message: 합계 }
  - id: each
    foreach: steps.exposure.out.rows
    as: row
    parallel: 3
    call: toy.echo
    with: { value: \"{{ row.업종 }}\" }
  - id: report
    needs: [reconcile]
    render: report.md
outputs:
  - { from: report, to: \"out/{{ inputs.quarter }}.md\" }
  - { from: report, to: \"out/{{ inputs.quarter }}.html\" }
  - { from: exposure, to: \"out/{{ inputs.quarter }}.csv\" }
";

const TEMPLATE: &str = "\
# {{ inputs.quarter }} 보고서

합계는 {{ steps.sums.out.total | eok(digits=1) | cite(steps.exposure) }}, 비율은 {{ steps.sums.out.rates }}입니다.
조문 제목: {{ steps.law.out.title | cite(steps.law) }}

{{ steps.law.out.text | quote(cite=steps.law) }}

{{ steps.exposure.out.rows | table(caption='업종별', columns=['업종', {'name': '잔액', 'format': 'eok', 'digits': 1}], total=['잔액'], mark={'name': '잔액', 'over': 200000000}, mark_text='한도 초과', cite=steps.exposure) }}

{{ steps.exposure.out.rows | bar_chart(title='잔액', label='업종', value='잔액', format='eok', digits=1, limit=150000000, limit_label='한도') }}

{% for item in steps.each.items %}- {{ item.out.value }}
{% endfor %}
";

fn bench() -> Bench {
    let bench = Bench::with(REPORT);
    bench.env.write("report.md", TEMPLATE);
    bench
}

/// Ids, times and hashes differ between runs of the same inputs; nothing else may.
fn without_run(text: &str, bench: &Bench) -> String {
    let mut text = text.to_owned();
    for run in bench.runs() {
        text = text.replace(&run, "RUN");
    }
    let digits = |text: &str, length: usize| text.len() >= length && text.is_char_boundary(length);
    let mut out = String::new();
    let mut rest = text.as_str();
    while let Some(at) = rest.find("202") {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        // A time such as 2026-11-22 20:58 or 2026-11-22T20:58:01.123+09:00.
        let stamp =
            digits(rest, 16) && rest.as_bytes()[4] == b'-' && rest.as_bytes()[7] == b'-' && rest.as_bytes()[13] == b':';
        let length = if !stamp {
            3
        } else if digits(rest, 29) && rest.as_bytes()[10] == b'T' {
            29
        } else {
            16
        };
        out.push_str(if stamp { "TIME" } else { &rest[..length] });
        rest = &rest[length..];
    }
    out.push_str(rest);
    out
}

#[test]
fn a_report_is_written_with_its_sources_and_the_path_is_the_answer() {
    let bench = bench();
    let finished = bench.run(["run", "flow.yaml"]).expect_code(0);
    assert_eq!(finished.stdout, "out/2026Q3.md\nout/2026Q3.html\nout/2026Q3.csv\n", "{finished}");
    insta::assert_snapshot!("report_markdown", without_run(&bench.read("out/2026Q3.md"), &bench));
    let html = bench.read("out/2026Q3.html");
    assert!(!html.contains("<script"), "data never becomes markup");
    assert!(html.contains("첫째 항 &lt;script&gt;"), "and is shown as it is");
    for target in html.match_indices("href=\"#").map(|(at, _)| html[at + 7..].split('"').next().unwrap()) {
        assert!(html.contains(&format!("id=\"{target}\"")), "#{target} leads somewhere");
    }
    assert!(html.contains("한도 초과"), "a breach is told by words");
    assert_eq!(
        bench.read("out/2026Q3.csv"),
        "\u{feff}업종,잔액,비율\r\n제조업,50000000,0.10\r\n건설업,150000000,0.10\r\n도소매업,250000000,0.10\r\n"
    );
    let manifest = bench.manifest();
    assert_eq!(manifest["status"], "whole");
    assert_eq!(manifest["servers"][0]["program"], "toy");
    assert_eq!(manifest["calls"], 5);
}

#[test]
fn two_runs_of_the_same_inputs_give_the_same_bytes_apart_from_id_and_time() {
    let bench = bench();
    bench.ends(["run", "flow.yaml"], 0);
    let first = (bench.read("out/2026Q3.md"), bench.read("out/2026Q3.html"), bench.journal());
    bench.ends(["run", "flow.yaml"], 0);
    assert_eq!(without_run(&first.0, &bench), without_run(&bench.read("out/2026Q3.md"), &bench));
    assert_eq!(without_run(&first.1, &bench), without_run(&bench.read("out/2026Q3.html"), &bench));
    let comparable = |journal: &[serde_json::Value]| -> Vec<serde_json::Value> {
        let mut lines = journal.to_vec();
        for line in &mut lines {
            for key in ["at", "elapsed_ms", "hash", "previous"] {
                line.as_object_mut().unwrap().shift_remove(key);
            }
            // The report itself holds the run's id and times.
            if line["step"] == "report" || line["event"] == "output" {
                line.as_object_mut().unwrap().shift_remove("result_sha256");
            }
        }
        lines
    };
    assert_eq!(comparable(&first.2), comparable(&bench.journal()), "the journal does not depend on timing");
}

#[test]
fn a_run_is_replayed_byte_for_byte_without_its_server() {
    let bench = bench();
    bench.ends(["run", "flow.yaml"], 0);
    // With no server configured, an answer can only come from the record.
    bench.env.write("haechi.toml", "");
    std::fs::remove_file(bench.path("report.md")).unwrap();
    let finished = bench.run(["replay", "last", "--to", "again"]).expect_code(0);
    assert!(finished.stdout.contains("모두 같습니다"), "{finished}");
    assert_eq!(bench.read("again/out/2026Q3.html"), bench.read("out/2026Q3.html"));

    // A changed record is noticed.
    let run = bench.last_run();
    let journal = bench.read(&format!(".haechi/runs/{run}/journal.jsonl"));
    bench
        .env
        .write(&format!(".haechi/runs/{run}/journal.jsonl"), journal.replacen("은행법 제35조", "은행법 제36조", 1));
    let finished = bench.run(["verify", "last"]).expect_code(8);
    assert!(finished.stdout.contains("내용이 바뀌었습니다"), "{finished}");
    bench.ends(["replay", "last"], 8);
}

#[test]
fn a_figure_is_explained_and_a_report_verified() {
    let bench = bench();
    bench.ends(["run", "flow.yaml"], 0);
    let finished = bench.run(["explain", "last", "1.5억원"]).expect_code(0);
    assert!(finished.stdout.contains("rows[1].잔액 = 150000000"), "{finished}");
    assert!(finished.stdout.contains("저장 질의 rows(count=3)"), "{finished}");
    bench.ends(["explain", "last", "777억원"], 1);
    bench.ends(["verify", "last"], 0);
    bench.env.write("out/2026Q3.md", "바뀐 보고서");
    let finished = bench.run(["verify", "last"]).expect_code(8);
    assert!(finished.stdout.contains("내보낸 파일 out/2026Q3.md이(가) 바뀌었습니다"), "{finished}");
}

#[test]
fn two_runs_are_compared() {
    let bench = Bench::with(
        "inputs:\n  count: { type: integer, default: 2 }\nsteps:\n  - id: rows\n    call: toy.rows\n    with: { count: \"{{ inputs.count }}\" }\n",
    );
    bench.ends(["run", "flow.yaml"], 0);
    bench.ends(["run", "flow.yaml", "-i", "count=3"], 0);
    let runs = bench.runs();
    let finished = bench.run(["runs", "diff", &runs[0], &runs[1]]).expect_code(0);
    assert!(finished.stdout.contains("입력 count"), "{finished}");
    assert!(finished.stdout.contains("rows[도소매업]"), "{finished}");
    let finished = bench.run(["runs", "list"]).expect_code(0);
    assert_eq!(finished.stdout.matches("완료").count(), 2, "{finished}");
    let finished = bench.run(["runs", "show", "last"]).expect_code(0);
    assert!(finished.stdout.contains("toy.rows"), "{finished}");
}

#[test]
fn steps_take_turns_by_reference_and_conditions_skip() {
    let bench = Bench::with(
        "\
steps:
  - id: last
    set: { sum: \"{{ steps.first.out.value.a + 1 }}\", skipped: \"{{ steps.never.status }}\", list: \"{{ steps.each.out | map(attribute='value') | list }}\" }
  - id: first
    call: toy.echo
    with: { value: { a: 41 } }
  - id: never
    when: steps.first.out.value.a > 100
    reason: 값이 작음
    call: toy.die
  - id: each
    foreach: [3, 1, 2]
    as: number
    parallel: 3
    call: toy.echo
    with: { value: \"{{ number }}\" }
outputs:
  - { from: last, to: out.json }
"
        .replace("foreach: [3, 1, 2]", "foreach: \"[3, 1, 2]\"")
        .as_str(),
    );
    bench.ends(["run", "flow.yaml"], 0);
    let out: serde_json::Value = serde_json::from_str(&bench.read("out.json")).unwrap();
    assert_eq!(out, json!({ "sum": 42, "skipped": "skipped", "list": [3, 1, 2] }));
    let manifest = bench.manifest();
    assert_eq!(manifest["steps"]["never"]["reason"], "값이 작음");
}

#[test]
fn independent_calls_run_side_by_side() {
    let steps: String =
        (0..4).map(|step| format!("  - id: s{step}\n    call: toy.slow\n    with: {{ ms: 400 }}\n")).collect();
    let bench = Bench::with(&format!("steps:\n{steps}"));
    bench.ends(["run", "flow.yaml"], 0);
    let journal = bench.journal();
    let calls: Vec<&serde_json::Value> = journal.iter().filter(|line| line["event"] == "call").collect();
    let latest_start = calls.iter().map(|call| call["at"].as_str().unwrap()).max().unwrap();
    let first_step =
        journal.iter().filter(|line| line["event"] == "step").map(|line| line["at"].as_str().unwrap()).min().unwrap();
    assert!(latest_start < first_step, "all four had begun before the first ended: {calls:#?}");
}

#[test]
fn plan_and_json_tell_programs() {
    let bench = bench();
    let plan: serde_json::Value =
        serde_json::from_str(&bench.run(["plan", "flow.yaml", "--json"]).expect_code(0).stdout).unwrap();
    let order: Vec<&str> = plan["steps"].as_array().unwrap().iter().map(|step| step["id"].as_str().unwrap()).collect();
    assert_eq!(order, ["exposure", "law", "sums", "reconcile", "each", "report"]);
    assert_eq!(plan["steps"][5]["waits_for"], json!(["exposure", "law", "sums", "reconcile", "each"]));
    let run: serde_json::Value =
        serde_json::from_str(&bench.run(["run", "flow.yaml", "--json"]).expect_code(0).stdout).unwrap();
    assert_eq!(run["status"], "whole");
    assert_eq!(run["outputs"].as_array().unwrap().len(), 3);
    let schema: serde_json::Value =
        serde_json::from_str(&bench.run(["schema", "workflow"]).expect_code(0).stdout).unwrap();
    assert_eq!(schema["properties"]["version"]["const"], "haechi/v1");
}

#[test]
fn one_tool_is_called_by_hand() {
    let bench = Bench::new();
    let finished = bench.run(["call", "toy", "echo", r#"{"value": "안녕"}"#]).expect_code(0);
    assert_eq!(finished.stdout, "{\n  \"value\": \"안녕\"\n}\n");
    let finished = bench.run(["call", "toy", "ecko", "{}"]).expect_code(2);
    assert!(finished.stderr.contains("비슷한 이름: `echo`"), "{finished}");
    let finished = bench.run(["call", "toy", "echo", "{값}"]).expect_code(2);
    assert!(finished.stderr.contains("JSON이 아닙니다"), "{finished}");
    let finished = bench.run(["call", "toy", "refuse", r#"{"code":"not_found"}"#]).expect_code(1);
    assert!(finished.stderr.contains("일부러 거부했습니다 [not_found]\n도움말: 다른 값을 쓰십시오"), "{finished}");
    let finished = bench.run(["tools", "toy"]).expect_code(0);
    assert!(finished.stdout.contains("toy.write(file)  [쓰기 가능]"), "{finished}");
    let finished = bench.run(["doctor", "toy"]).expect_code(0);
    assert!(finished.stdout.contains("[주의] 서버 toy: toy 1.2.3 · MCP 2025-06-18 · 도구 11개"), "{finished}");
}
