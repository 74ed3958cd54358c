//! Workflows as tools of an MCP server, called by our own client as any host would.

use crate::support::Bench;

fn bench() -> Bench {
    let bench = Bench::with(
        "\
description: 업종별 잔액을 정리합니다.
inputs:
  count: { type: integer, minimum: 1, maximum: 5, prompt: 줄 수 }
  day: { type: date, default: 2026-09-30 }
steps:
  - { id: rows, call: toy.rows, with: { count: \"{{ inputs.count }}\" } }
  - { id: report, render: r.md }
outputs:
  - { from: report, to: \"out/{{ inputs.day }}.md\" }
",
    );
    bench.env.write(
        "r.md",
        "# {{ inputs.day | date_ko }}\n\n{{ steps.rows.out.rows | total('잔액') | won | cite(steps.rows) }}\n",
    );
    let settings = bench.read("haechi.toml");
    let program = env!("CARGO_BIN_EXE_haechi");
    bench.env.write(
        "haechi.toml",
        format!("{settings}\n[servers.flows]\ncommand = {program:?}\nargs = [\"serve\", \"flow.yaml\"]\n"),
    );
    bench
}

#[test]
fn a_workflow_is_a_tool_with_its_inputs_as_schema() {
    let bench = bench();
    let listed = bench.run(["tools", "flows", "--json"]).expect_code(0).stdout;
    let tools: serde_json::Value = serde_json::from_str(&listed).unwrap();
    insta::assert_json_snapshot!(tools["flows"]);
}

#[test]
fn calling_it_runs_it() {
    let bench = bench();
    let finished = bench.run(["call", "flows", "run_test_flow", r#"{"count": 2}"#]).expect_code(0);
    let told: serde_json::Value = serde_json::from_str(&finished.stdout).unwrap();
    assert_eq!(told["status"], "whole");
    assert!(bench.read("out/2026-09-30.md").contains("200,000,000원"), "{}", bench.read("out/2026-09-30.md"));
    assert_eq!(bench.runs().len(), 1);
    let finished = bench.run(["call", "flows", "run_test_flow", r#"{"count": 9}"#]).expect_code(2);
    assert!(finished.stderr.contains("5 이하여야 합니다"), "{finished}");
    assert_eq!(bench.runs().len(), 1, "nothing ran");
}

#[test]
fn a_broken_workflow_is_not_offered() {
    let bench = Bench::with("steps:\n  - { id: a, cal: toy.rows }\n");
    let finished = bench.run(["serve", "flow.yaml"]).expect_code(2);
    assert_eq!(finished.stdout, "");
    assert!(finished.stderr.contains("비슷한 이름: `call`"), "{finished}");
}
