//! Indexing that is killed at any point leaves the old index answering, and the next run completes.

use std::process::{Child, Stdio};

use haechi_testkit::{Finished, TestEnv};

use crate::rules::program;

const RULES: usize = 120;

fn write(env: &TestEnv, word: &str) {
    for rule in 0..RULES {
        let articles: String = (1..20)
            .map(|number| format!("### 제{number}조({word})\n\n{rule}번 규정의 {number}번째 {word}를 정한다.\n\n"))
            .collect();
        env.write(
            &format!("rules/{rule:03}.md"),
            format!("---\n제목: 제{rule}호규정\n시행일자: 2026-01-01\n---\n\n{articles}"),
        );
    }
}

#[test]
fn killed_indexers_lose_nothing() {
    let env = TestEnv::new();
    write(&env, "여신");
    let _ = Finished::of(&mut program(&env, &["index", "rules"])).expect_code(0);
    write(&env, "수신업무");
    let mut killed = 0;
    for delay in 0..50_u64 {
        let mut child: Child = program(&env, &["index", "rules"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        // A spread of moments over the run, by spinning, since the run is short.
        let until = std::time::Instant::now() + std::time::Duration::from_micros(delay * delay * 120);
        while std::time::Instant::now() < until {
            std::hint::spin_loop();
        }
        killed += usize::from(child.try_wait().unwrap().is_none());
        let _ = child.kill();
        child.wait().unwrap();
        if delay % 10 == 9 {
            let shown = Finished::of(&mut program(&env, &["show", "제7호규정 제3조"])).expect_code(0);
            assert!(shown.stdout.contains("7번 규정의 3번째"), "{shown}");
        }
    }
    assert!(0 < killed, "no run was killed");
    let _ = Finished::of(&mut program(&env, &["index", "rules"])).expect_code(0);
    let shown = Finished::of(&mut program(&env, &["show", "제7호규정 제3조"])).expect_code(0);
    assert!(shown.stdout.contains("수신업무"), "{shown}");
    let stats = Finished::of(&mut program(&env, &["stats"])).expect_code(0);
    assert!(stats.stdout.contains(&format!("모두 {RULES}개")), "{stats}");
}
