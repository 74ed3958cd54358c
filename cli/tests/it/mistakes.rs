//! Mistakes in a workflow are told before anything runs, at their place.

use crate::support::Bench;

/// What `validate` prints about a workflow with these lines.
fn mistake(rest: &str) -> String {
    let bench = Bench::with(rest);
    let finished = bench.run(["validate", "flow.yaml"]).expect_code(2);
    assert_eq!(finished.stdout, "", "nothing but errors: {finished}");
    assert!(bench.runs().is_empty(), "nothing ran");
    finished.stderr
}

#[test]
fn an_unknown_key() {
    insta::assert_snapshot!(mistake("steps:\n  - id: a\n    cal: toy.echo\n    with: { value: 1 }\n"));
}

#[test]
fn an_unknown_step() {
    insta::assert_snapshot!(mistake(
        "steps:\n  - id: breaches\n    set: { n: 1 }\n  - id: b\n    when: steps.brreaches.out.n > 0\n    set: { n: 2 }\n"
    ));
}

#[test]
fn an_unknown_input_in_a_text() {
    insta::assert_snapshot!(mistake(
        "inputs:\n  quarter: { type: string, default: 2026Q3 }\nsteps:\n  - id: a\n    set: { text: \"{{ inputs.quater }} 보고서\" }\n"
    ));
}

#[test]
fn a_step_twice() {
    insta::assert_snapshot!(mistake("steps:\n  - { id: a, set: { n: 1 } }\n  - { id: a, set: { n: 2 } }\n"));
}

#[test]
fn a_circle() {
    insta::assert_snapshot!(mistake(
        "steps:\n  - { id: a, set: { n: \"{{ steps.b.out.n }}\" } }\n  - { id: b, set: { n: \"{{ steps.a.out.n }}\" } }\n"
    ));
}

#[test]
fn a_broken_expression_and_an_unknown_filter() {
    insta::assert_snapshot!(mistake("steps:\n  - id: a\n    when: 1 +\n    set: { n: \"{{ 3 | persent }}\" }\n"));
}

#[test]
fn a_missing_template() {
    insta::assert_snapshot!(mistake("steps:\n  - { id: a, render: templates/none.md }\n"));
}

#[test]
fn a_mistake_inside_a_template() {
    let bench = Bench::with("steps:\n  - { id: a, set: { n: 1 } }\n  - { id: r, render: r.md }\n");
    bench.env.write("r.md", "# 제목\n\n{{ steps.aa.out.n }}\n");
    insta::assert_snapshot!(bench.run(["validate", "flow.yaml"]).expect_code(2).stderr);
}

#[test]
fn a_key_without_quotes() {
    let bench = Bench::with("steps:\n  - { id: a, call: toy.rows }\n  - { id: r, render: r.md }\n");
    bench.env.write("r.md", "{{ steps.a.out.rows | table(columns=[{name: '잔액', digits: 1}]) }}\n");
    insta::assert_snapshot!(bench.run(["validate", "flow.yaml"]).expect_code(2).stderr);
}

#[test]
fn arguments_that_the_tool_does_not_take() {
    insta::assert_snapshot!(mistake(
        "steps:\n  - id: a\n    call: toy.rows\n    with: { count: many, limit: 3 }\n  - id: b\n    call: toy.article\n  - id: c\n    call: toy.artikle\n    with: { citation: 은행법 }\n"
    ));
}

#[test]
fn what_this_version_does_not_run() {
    insta::assert_snapshot!(mistake(
        "steps:\n  - id: a\n    ask: { message: x }\n  - id: b\n    agent: { goal: x }\noutputs:\n  - { from: a, to: out.pdf }\n"
    ));
}

#[test]
fn broken_yaml() {
    insta::assert_snapshot!(mistake("steps:\n  - id: a\n    set: { n: [1, 2 }\n"));
}

#[test]
fn all_mistakes_at_once_as_json() {
    let bench = Bench::with("steps:\n  - { id: A, set: { n: 1 } }\n  - { id: b }\n");
    let finished = bench.run(["validate", "--json", "flow.yaml"]).expect_code(2);
    let told: serde_json::Value = serde_json::from_str(&finished.stdout).unwrap();
    assert_eq!(told["valid"], false);
    assert_eq!(told["mistakes"].as_array().unwrap().len(), 2, "{finished}");
    assert_eq!((told["mistakes"][0]["line"].as_u64(), told["mistakes"][0]["column"].as_u64()), (Some(6), Some(11)));
}

#[test]
fn a_server_that_is_nowhere() {
    let bench = Bench::with("steps:\n  - { id: a, call: toi.echo, with: { value: 1 } }\n");
    let finished = bench.run(["run", "flow.yaml"]).expect_code(1);
    assert!(finished.stderr.contains("서버 `toi`을(를) 찾을 수 없습니다"), "{finished}");
    assert!(finished.stderr.contains("비슷한 이름: `toy`"), "{finished}");
}

#[test]
fn wrong_inputs() {
    let bench = Bench::with(
        "inputs:\n  quarter: { type: string, pattern: \"^20[0-9]{2}Q[1-4]$\" }\n  top: { type: integer, default: 3, maximum: 10 }\n  book: { type: file, extensions: [xlsx], default: book.xlsx }\nsteps:\n  - { id: a, set: { n: 1 } }\n",
    );
    bench.env.write("book.xlsx", "x");
    for (arguments, message) in [
        (vec![], "입력 `quarter`(글)이(가) 필요합니다"),
        (vec!["-i", "quarter=어제"], "정해진 꼴"),
        (vec!["-i", "quarter=2026Q3", "-i", "top=11"], "10 이하여야 합니다"),
        (vec!["-i", "quarter=2026Q3", "-i", "tap=1"], "비슷한 이름: `top`"),
        (vec!["-i", "quarter=2026Q3", "-i", "book=none.xlsx"], "none.xlsx 파일이 없습니다"),
        (vec!["-i", "quarter=2026Q3", "-i", "book=/etc/hostname"], "확장자가"),
    ] {
        let finished = bench.run(["run", "flow.yaml"].into_iter().chain(arguments)).expect_code(2);
        assert!(finished.stderr.contains(message), "{message}: {finished}");
    }
    assert!(bench.runs().is_empty(), "nothing ran");
    bench.ends(["run", "flow.yaml", "-i", "quarter=2026Q3"], 0);
}
