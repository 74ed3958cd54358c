//! Real statutes, where they are present.

use haechi_testkit::{Finished, TestEnv};
use serde_json::Value;

use crate::manuals::program;

#[test]
fn statutes_are_found_article_by_article() {
    let Some(corpus) = haechi_testkit::corpus() else { return };
    let env = TestEnv::new();
    let laws = corpus.join("laws/current");
    let folders = ["은행법", "금융소비자보호에관한법률"].map(|name| laws.join(name).to_string_lossy().into_owned());
    let arguments: Vec<&str> = ["index"].into_iter().chain(folders.iter().map(String::as_str)).collect();
    let _ = Finished::of(&mut program(&env, &arguments)).expect_code(0);
    let check = |query: &str, citation: &str| {
        let finished = Finished::of(&mut program(&env, &["--json", "search", query])).expect_code(0);
        let found: Value = serde_json::from_str(&finished.stdout).unwrap();
        let first = found["passages"][0]["citation"].as_str().unwrap();
        assert!(first.contains(citation), "{query}: {first}");
    };
    check("중도상환수수료", "금융소비자 보호에 관한 법률");
    check("은행법 제35조의4", "제35조의4");
    check("동일차주 신용공여 한도", "제35조");
}
