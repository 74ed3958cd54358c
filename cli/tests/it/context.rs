//! Runs that go on after a crash, and runs that know the run before.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::support::Bench;

const FLOW: &str = "\
inputs:
  count: { type: integer, default: 2 }
context: { previous: last }
steps:
  - id: rows
    call: toy.rows
    with: { count: \"{{ inputs.count }}\" }
  - id: each
    foreach: steps.rows.out.rows
    call: toy.echo
    with: { value: \"{{ item.업종 }}\" }
  - id: report
    needs: [each]
    render: r.md
outputs:
  - { from: report, to: \"out/{{ inputs.count }}.md\" }
";

const TEMPLATE: &str = "\
# 보고서

합계 {{ steps.rows.out.rows | total('잔액') | eok(digits=1) | cite(steps.rows) }}

{% if previous %}지난번({{ previous.inputs.count }}줄) {{ previous.steps.rows.out.rows | total('잔액') | eok(digits=1) }}, {{ previous.steps.each.out | length }}건{% else %}처음입니다{% endif %}
";

fn bench() -> Bench {
    let bench = Bench::with(FLOW);
    bench.env.write("r.md", TEMPLATE);
    bench
}

#[test]
fn a_run_sees_what_the_one_before_gave() {
    let bench = bench();
    bench.ends(["run", "flow.yaml"], 0);
    assert!(bench.read("out/2.md").contains("처음입니다"));
    bench.ends(["run", "flow.yaml", "-i", "count=3"], 0);
    assert!(bench.read("out/3.md").contains("지난번(2줄) 2.0억원, 2건"), "{}", bench.read("out/3.md"));
    // The record holds what was seen, so the earlier run is not needed again.
    let first = bench.runs()[0].clone();
    std::fs::remove_dir_all(bench.path(&format!(".haechi/runs/{first}"))).unwrap();
    bench.ends(["replay", "last"], 0);
}

#[test]
fn the_same_report_for_another_input() {
    let bench = bench();
    bench.ends(["run", "flow.yaml"], 0);
    // The recorded version of the workflow and its template is run, whatever the files say now.
    bench.env.write("r.md", "바뀐 틀");
    let finished = bench.run(["run", "--like", "last", "-i", "count=4"]).expect_code(0);
    assert_eq!(finished.stdout, "out/4.md\n", "{finished}");
    assert!(finished.stderr.contains("입력 count: 2 → 4"), "{finished}");
    assert!(bench.read("out/4.md").contains("지난번(2줄)"));
    bench.ends(["run"], 2);
}

/// A process that is killed leaves the beginning of its journal and no manifest; wherever the cut
/// is, going on must give the bytes of the undisturbed run.
#[test]
fn killed_at_every_boundary_and_resumed_a_run_ends_with_the_same_bytes() {
    let bench = bench();
    bench.ends(["run", "flow.yaml"], 0);
    let run = format!(".haechi/runs/{}", bench.last_run());
    let whole = bench.read("out/2.md");
    let journal = bench.read(&format!("{run}/journal.jsonl"));
    let lines: Vec<&str> = journal.lines().collect();
    for cut in 0..lines.len() {
        std::fs::remove_file(bench.path(&format!("{run}/manifest.json"))).unwrap();
        std::fs::remove_file(bench.path("out/2.md")).unwrap();
        let kept: String = lines[..cut].iter().map(|line| format!("{line}\n")).collect();
        // The last line may have been cut in its middle.
        let torn = lines[cut].get(..20).unwrap_or_default();
        bench.env.write(&format!("{run}/journal.jsonl"), format!("{kept}{torn}"));
        bench.ends(["resume", "last"], 0);
        let recorded = lines[..cut].iter().filter(|line| line.contains("\"event\":\"call\"")).count();
        let resumed = bench.read("out/2.md");
        if recorded == 3 {
            assert_eq!(resumed, whole, "cut at line {cut}");
        }
        assert_eq!(without_times(&resumed), without_times(&whole), "cut at line {cut}");
        bench.ends(["verify", "last"], 0);
    }
}

/// A call that was made again has another time; everything else is the same.
fn without_times(text: &str) -> String {
    text.lines()
        .map(|line| match line.split_once(" · 20") {
            Some((before, after)) if line.starts_with("[^") => {
                format!("{before}{}", after.get(14..).unwrap_or_default())
            }
            _ => line.to_owned(),
        })
        .collect::<Vec<_>>()
        .join("\n")
}

#[cfg(unix)]
#[test]
fn an_interrupted_run_can_go_on() {
    let bench = Bench::with(
        "steps:\n  - { id: a, call: toy.rows }\n  - { id: b, needs: [a], call: toy.slow, with: { ms: 20000 } }\n",
    );
    let mut command = bench.env.command(env!("CARGO_BIN_EXE_haechi"));
    let mut child = command.args(["run", "flow.yaml"]).stdin(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        assert!(Instant::now() < deadline, "the slow call begins");
        let journal = bench
            .runs()
            .pop()
            .and_then(|run| std::fs::read_to_string(bench.path(&format!(".haechi/runs/{run}/journal.jsonl"))).ok());
        if journal.is_some_and(|journal| journal.contains("\"step\":\"b\"")) {
            break;
        }
        std::thread::yield_now();
    }
    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert_eq!(bench.manifest()["status"], "interrupted");
    bench.workflow("steps: []\n");
    // The record has the first call; the second was only started and is made again.
    let journal = bench.journal();
    assert_eq!(journal.iter().filter(|line| line["event"] == "call").count(), 1);
    assert_eq!(journal.iter().filter(|line| line["event"] == "started").count(), 1);
}
