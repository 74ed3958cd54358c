//! A person's decision: bound to what was shown, four eyes, nothing without it.

use haechi_testkit::Finished;

use crate::support::Bench;

const FLOW: &str = "\
steps:
  - id: rows
    call: toy.rows
  - id: report
    render: r.md
  - id: sign_off
    title: 부장 결재
    approve: { by: [리스크관리부장], not: requester, show: [report], expires: 7d, message: 보고서를 승인해 주십시오 }
  - id: after
    set: { by: \"{{ steps.sign_off.out.by }}\" }
outputs:
  - { from: report, to: draft.md }
  - { from: report, to: final.html, requires: sign_off }
  - { from: after, to: after.json }
";

fn bench() -> Bench {
    let bench = Bench::with(FLOW);
    bench.env.write("r.md", "# 보고서\n\n{{ steps.rows.out.rows | total('잔액') | won | cite(steps.rows) }}\n");
    bench
}

/// Runs the program as another person than the one who started the run.
fn as_manager(bench: &Bench, arguments: &[&str]) -> Finished {
    let mut command = bench.env.command(env!("CARGO_BIN_EXE_haechi"));
    Finished::of(command.args(arguments).env("USER", "manager"))
}

#[test]
fn nothing_that_requires_approval_is_written_before_it() {
    let bench = bench();
    let finished = bench.run(["run", "flow.yaml"]).expect_code(4);
    assert_eq!(finished.stdout, "draft.md\n", "{finished}");
    assert!(finished.stderr.contains("승인을 기다립니다: 보고서를 승인해 주십시오"), "{finished}");
    assert!(!bench.path("final.html").exists());
    bench.ends(["resume", "last"], 4);

    // Whoever asked may not decide, nor may somebody without the role.
    let finished = bench.run(["approve", "last", "--role", "리스크관리부장"]).expect_code(7);
    assert!(finished.stderr.contains("스스로 승인할 수 없습니다"), "{finished}");
    let finished = as_manager(&bench, &["approve", "last"]).expect_code(7);
    assert!(finished.stderr.contains("리스크관리부장의 몫입니다"), "{finished}");
    assert!(!bench.path("final.html").exists());

    // The servers are not needed to go on: every answer is recorded.
    bench.env.write("haechi.toml", "");
    let finished =
        as_manager(&bench, &["approve", "last", "--role", "리스크관리부장", "--note", "확인함"]).expect_code(0);
    assert_eq!(finished.stdout, "draft.md\nfinal.html\nafter.json\n", "{finished}");
    assert_eq!(bench.read("after.json"), "{\n  \"by\": \"manager\"\n}\n");
    let manifest = bench.manifest();
    assert_eq!(manifest["status"], "whole");
    assert_eq!(manifest["approvals"][0]["note"], "확인함");
    assert_eq!(bench.runs().len(), 1);
    bench.ends(["verify", "last"], 0);
    bench.ends(["replay", "last"], 0);
}

#[test]
fn a_rejected_run_ends() {
    let bench = bench();
    bench.ends(["run", "flow.yaml"], 4);
    let finished =
        as_manager(&bench, &["reject", "last", "--role", "리스크관리부장", "--note", "수치 재확인"]).expect_code(5);
    assert!(finished.stderr.contains("manager이(가) 반려했습니다: 수치 재확인"), "{finished}");
    assert!(!bench.path("final.html").exists());
    assert_eq!(bench.manifest()["status"], "rejected");
}

#[test]
fn an_approval_of_other_content_does_not_count() {
    let bench = bench();
    bench.ends(["run", "flow.yaml"], 4);
    let run = bench.last_run();
    let approval = serde_json::json!({
        "step": "sign_off", "approved": true, "by": "manager", "at": "2026-01-01T00:00:00Z", "shown_sha256": "0".repeat(64),
    });
    bench.env.write(&format!(".haechi/runs/{run}/approvals.jsonl"), format!("{approval}\n"));
    let finished = bench.run(["resume", "last"]).expect_code(4);
    assert!(finished.stderr.contains("내용이 바뀌어 다시 승인"), "{finished}");
    assert!(!bench.path("final.html").exists());
}
