//! Servers that die, hang and refuse, and disks that say no.

use crate::support::Bench;

#[test]
fn a_server_that_dies_leaves_a_clear_record() {
    let bench = Bench::with(
        "steps:\n  - { id: before, call: toy.rows }\n  - { id: dies, title: 죽는 단계, needs: [before], call: toy.die }\n  - { id: after, needs: [dies], set: { n: 1 } }\noutputs:\n  - { from: after, to: out.json }\n",
    );
    let finished = bench.run(["run", "flow.yaml"]).expect_code(6);
    assert_eq!(finished.stdout, "", "no answer: {finished}");
    assert!(
        finished.stderr.contains("서버 `toy`이(가) `die`을(를) 처리하다가 사라졌습니다 (신호 6을 받고 끝남)"),
        "{finished}"
    );
    assert!(finished.stderr.contains("| 죽기 전에 남기는 말"), "the last words are shown: {finished}");
    let manifest = bench.manifest();
    assert_eq!(manifest["exit"], 6);
    assert_eq!(manifest["steps"]["before"]["status"], "ok");
    assert_eq!(manifest["steps"]["dies"]["status"], "failed");
    assert_eq!(manifest["steps"]["after"]["status"], "blocked");
    assert!(bench.journal().iter().any(|line| line["step"] == "dies" && line["problem"]["code"] == "unavailable"));
    assert!(bench.read(&format!(".haechi/runs/{}/stderr/toy.log", bench.last_run())).contains("죽기 전에"));
    assert!(!bench.path("out.json").exists(), "nothing half-made");
}

#[test]
fn a_died_server_is_started_again_where_a_retry_is_allowed() {
    let bench = Bench::new();
    let file = bench.path("died");
    bench.workflow(&format!(
        "steps:\n  - id: a\n    call: toy.die_once\n    with: {{ file: {file:?} }}\n    retry: {{ attempts: 2, delay: 1ms }}\n"
    ));
    bench.ends(["run", "flow.yaml"], 0);
    let attempts = bench.journal().iter().filter(|line| line["event"] == "call").count();
    assert_eq!(attempts, 2);
}

#[test]
fn a_hanging_call_ends_at_its_limit() {
    let bench = Bench::with("steps:\n  - { id: a, call: toy.slow, with: { ms: 60000 }, timeout: 100ms }\n");
    let finished = bench.run(["run", "flow.yaml"]).expect_code(6);
    assert!(finished.stderr.contains("`toy.slow`이(가) 0.1초 안에 답하지 않았습니다"), "{finished}");
}

#[test]
fn a_fallback_takes_over_and_the_report_says_so() {
    let bench = Bench::with(
        "\
steps:
  - id: a
    title: 조문
    call: toy.refuse
    with: { code: not_found }
    on_error: { fallback: { call: toy.echo, with: { value: \"대신 {{ error.code }}\" } } }
  - id: gone
    title: 빠진 자료
    call: toy.refuse
    with: { code: corrupt }
    on_error: continue
  - id: report
    render: r.md
outputs:
  - { from: report, to: out.html }
  - { from: a, to: out.json }
",
    );
    bench.env.write("r.md", "# 제목\n\n{{ steps.a.out.value }} {{ steps.a.status }} {{ steps.gone.status }} {{ steps.gone.error.message }}\n");
    let finished = bench.run(["run", "flow.yaml"]).expect_code(3);
    assert!(finished.stdout.contains("out.html"), "{finished}");
    assert_eq!(bench.read("out.json"), "{\n  \"value\": \"대신 not_found\"\n}\n");
    let html = bench.read("out.html");
    assert!(html.contains("‘빠진 자료’ 자료를 얻지 못했습니다"), "{html}");
    assert!(html.contains("‘조문’ 자료는 대신하는 방법으로 얻었습니다"), "{html}");
    assert!(html.contains("대신 not_found recovered failed 일부러 거부했습니다"), "{html}");
}

#[test]
fn only_reading_tools_are_called_again() {
    let bench = Bench::new();
    let file = bench.path("count");
    bench.workflow(&format!(
        "defaults: {{ retry: {{ attempts: 3, delay: 1ms, on: [unavailable] }} }}\nsteps:\n  - {{ id: a, call: toy.refuse_once, with: {{ file: {file:?} }} }}\n"
    ));
    bench.ends(["run", "flow.yaml"], 0);
    assert_eq!(std::fs::read_to_string(&file).unwrap().lines().count(), 2);
}

#[test]
fn the_budget_of_calls_holds() {
    let bench = Bench::with(
        "policy: { calls_max: 3 }\nsteps:\n  - id: a\n    foreach: range(10) | list\n    call: toy.echo\n    with: { value: \"{{ item }}\" }\n",
    );
    let finished = bench.run(["run", "flow.yaml"]).expect_code(7);
    assert!(finished.stderr.contains("상한 3회"), "{finished}");
    assert_eq!(bench.journal().iter().filter(|line| line["event"] == "call").count(), 3);
}

#[test]
fn a_tool_outside_the_allow_list_is_refused_before_anything_runs() {
    let bench = Bench::with(
        "servers:\n  toy: { tools: [echo], read_only: required }\nsteps:\n  - { id: a, call: toy.write, with: { file: x } }\n",
    );
    let finished = bench.run(["run", "flow.yaml"]).expect_code(2);
    assert!(finished.stderr.contains("허락되지 않았습니다"), "{finished}");
    bench.workflow(
        "servers:\n  toy: { read_only: required }\nsteps:\n  - { id: a, call: toy.write, with: { file: x } }\n",
    );
    let finished = bench.run(["run", "flow.yaml"]).expect_code(2);
    assert!(finished.stderr.contains("읽기 전용이라고 밝히지 않았습니다"), "{finished}");
    assert!(!bench.path("x").exists());
    assert!(bench.runs().is_empty(), "no record of what never ran");
}

#[test]
fn a_flood_on_standard_error_is_bounded() {
    let bench = Bench::with("steps:\n  - { id: a, call: toy.noise }\n");
    bench.ends(["run", "flow.yaml"], 0);
    let kept = bench.read(&format!(".haechi/runs/{}/stderr/toy.log", bench.last_run()));
    assert!(kept.len() < 300 * 1024, "{} bytes", kept.len());
    assert!(kept.ends_with("(이후는 남기지 않음)\n"));
}

#[test]
fn outputs_cannot_leave_the_workspace() {
    let bench = Bench::with("steps:\n  - { id: a, set: { n: 1 } }\noutputs:\n  - { from: a, to: ../out.json }\n");
    let finished = bench.run(["run", "flow.yaml"]).expect_code(7);
    assert!(finished.stderr.contains("작업 폴더를 벗어납니다"), "{finished}");
    assert!(!bench.path("../out.json").exists());
}

#[test]
fn a_place_that_cannot_be_written_says_what_to_do() {
    let bench = Bench::with("steps:\n  - { id: a, set: { n: 1 } }\noutputs:\n  - { from: a, to: out/a.json }\n");
    bench.env.write("out", "a file where a folder should be");
    let finished = bench.run(["run", "flow.yaml"]).expect_code(1);
    assert!(finished.stderr.contains("쓸 수 없습니다"), "{finished}");
    assert!(finished.stderr.contains("도움말:"), "{finished}");
    assert_eq!(bench.manifest()["status"], "failed");
    // Before anything runs, the place of the record is tried.
    let bench = Bench::with("steps:\n  - { id: a, set: { n: 1 } }\n");
    bench.env.write(".haechi", "a file where a folder should be");
    bench.ends(["run", "flow.yaml"], 1);
}

#[test]
fn a_failed_run_goes_on_where_it_stopped() {
    let bench = Bench::new();
    let (count, once) = (bench.path("count"), bench.path("once"));
    bench.workflow(&format!(
        "steps:\n  - {{ id: first, call: toy.count, with: {{ file: {count:?} }} }}\n  - {{ id: second, needs: [first], call: toy.refuse_once, with: {{ file: {once:?} }} }}\n  - {{ id: third, set: {{ n: \"{{{{ steps.first.out.count }}}}\" }}, needs: [second] }}\noutputs:\n  - {{ from: third, to: out.json }}\n"
    ));
    bench.ends(["run", "flow.yaml"], 6);
    let finished = bench.run(["resume", "last"]).expect_code(0);
    assert_eq!(finished.stdout, "out.json\n", "{finished}");
    assert_eq!(std::fs::read_to_string(&count).unwrap().lines().count(), 1, "a finished call is not made again");
    assert_eq!(bench.read("out.json"), "{\n  \"n\": 1\n}\n");
    assert_eq!(bench.runs().len(), 1, "it is the same run");
    bench.ends(["verify", "last"], 0);
    bench.ends(["replay", "last"], 0);
}

#[test]
fn an_unfinished_writing_call_is_never_repeated() {
    let bench = Bench::with("steps:\n  - { id: a, call: toy.write, with: { file: x } }\n");
    bench.ends(["run", "flow.yaml"], 0);
    // The record as a crash in the middle of the call would have left it.
    let run = format!(".haechi/runs/{}", bench.last_run());
    std::fs::remove_file(bench.path(&format!("{run}/manifest.json"))).unwrap();
    let kept: String = bench
        .read(&format!("{run}/journal.jsonl"))
        .lines()
        .filter(|line| line.contains("\"event\":\"call\""))
        .map(|line| line.replace("\"event\":\"call\"", "\"event\":\"started\"") + "\n")
        .collect();
    bench.env.write(&format!("{run}/journal.jsonl"), kept);
    let finished = bench.run(["resume", "last"]).expect_code(7);
    assert!(finished.stderr.contains("끝났는지 알 수 없어"), "{finished}");
    assert_eq!(bench.read("x").lines().count(), 1);
}
