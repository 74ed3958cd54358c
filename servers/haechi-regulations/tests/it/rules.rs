//! A few rules of a fictional bank and a statute that the tests share.

use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;

use haechi_korean::date;
use haechi_regulations::Regulations;
use haechi_regulations::ingest;
use haechi_regulations::settings::Settings;
use haechi_testkit::TestEnv;

pub(crate) const BINARY: &str = env!("CARGO_BIN_EXE_haechi-regulations");

const LAW: &str = "---\n제목: 시험은행법\n법령ID: '900001'\n법령구분: 법률\n공포일자: 2025-01-01\n공포번호: '90001'\n시행일자: 2025-01-31\n---\n\n# 시험은행법\n\n## 제1장 총칙\n\n##### 제1조 (목적)\n\n이 법은 시험의 건전한 운영을 목적으로 한다.\n\n##### 제5조\n\n삭제 <2016.5.29>\n\n## 제2장 한도\n\n##### 제35조 (동일차주 등에 대한 신용공여의 한도)\n\n**①** 시험은행은 동일차주에 대하여 자기자본의 100분의 25를 초과하는 신용공여를 할 수 없다. <개정 2025.1.1>\n\n  1\\. 국민경제를 위한 경우\n  2\\. 환율이 변동한 경우\n\n**②** 제1항에 불구하고 대통령령으로 정하는 경우에는 그러하지 아니하다.\n\n##### 제35조의2 (대주주에 대한 신용공여의 한도)\n\n대주주에 대한 신용공여는 자기자본의 100분의 10을 넘을 수 없다.\n\n## 부칙\n\n부칙 <제90001호,2025.1.1>\n\n제1조(시행일) 이 법은 2025년 1월 31일부터 시행한다.\n";

const DECREE: &str = "---\n제목: 시험은행법 시행령\n법령ID: '900002'\n법령구분: 대통령령\n공포일자: 2025-01-01\n공포번호: '90002'\n시행일자: 2025-01-31\n---\n\n##### 제20조 (신용공여 한도의 예외)\n\n법 제35조제2항에서 \"대통령령으로 정하는 경우\"란 위원회가 인정하는 경우를 말한다.\n";

const RULE_OLD: &str = "---\n제목: 여신심사규정\n규정번호: 여신-900\n종류: 내규\n개정일자: 2025-06-01\n시행일자: 2025-07-01\n---\n\n# 여신심사규정\n\n## 제1장 총칙\n\n### 제1조(목적)\n\n이 규정은 여신의 심사를 정한다.\n\n### 제3조(한도)\n\n① 동일차주 한도는 「시험은행법」 제35조제1항에 따른다.\n\n② 위원장은 매월 점검한다.\n\n### 제4조(중도상환수수료)\n\n대출이 실행된 날부터 3년이 지난 뒤에는 중도상환수수료를 받지 아니한다.\n\n## 별표 1 (업종별 한도)\n\n| 업종 | 한도 |\n|---|---|\n| 건설업 | 12% |\n";

const RULE_NEW: &str = "---\n제목: 여신심사규정\n규정번호: 여신-900\n종류: 내규\n개정일자: 2026-06-01\n시행일자: 2026-07-01\n---\n\n# 여신심사규정\n\n## 제1장 총칙\n\n### 제1조(목적)\n\n이 규정은 여신의 심사를 정한다.\n\n### 제3조(한도)\n\n① 동일차주 한도는 「시험은행법」 제35조제1항에 따른다.\n\n② 위원장은 매주 점검한다. <개정 2026.7.1>\n\n### 제3조의2(거액 여신)\n\n거액 여신은 위원회가 승인한다.\n\n### 제5조(중도상환수수료)\n\n대출이 실행된 날부터 3년이 지난 뒤에는 중도상환수수료를 받지 아니한다.\n\n## 부칙\n\n### 제1조(시행일)\n\n이 규정은 2026년 7월 1일부터 시행한다.\n\n## 별표 1 (업종별 한도)\n\n| 업종 | 한도 |\n|---|---|\n| 건설업 | 10% |\n";

/// An environment with the rules in `rules/`.
pub(crate) fn environment() -> TestEnv {
    let env = TestEnv::new();
    env.write("rules/law.md", LAW);
    env.write("rules/decree.md", DECREE);
    env.write("rules/old.md", RULE_OLD);
    env.write("rules/new.md", RULE_NEW);
    env
}

pub(crate) fn program(env: &TestEnv, arguments: &[&str]) -> Command {
    let mut command = env.command(BINARY);
    command.args(arguments);
    command
}

/// The rules, indexed, with a fixed today.
pub(crate) fn indexed() -> (TestEnv, Arc<Regulations>) {
    let env = environment();
    let regulations = open(&env.work().join("index"), &[env.work().join("rules")]);
    (env, regulations)
}

pub(crate) fn open(data: &std::path::Path, paths: &[PathBuf]) -> Arc<Regulations> {
    let request = ingest::Request { data, paths, exact: false, rebuild: false, wait: false, names: &[] };
    ingest::run(&request, &mut |_, _| {}).unwrap();
    let today = date::parse("2026-11-22").unwrap();
    Arc::new(Regulations::new(data.to_owned(), &Settings::default()).unwrap().on(today))
}
