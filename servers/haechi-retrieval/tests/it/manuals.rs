//! A small folder of documents of the fictional bank that the tests share.

use std::process::Command;

use haechi_testkit::TestEnv;

pub(crate) const BINARY: &str = env!("CARGO_BIN_EXE_haechi-retrieval");

pub(crate) const APPRAISAL: &str = "---\ntitle: 여신심사 매뉴얼\nkind: 매뉴얼\ndepartment: 여신심사부\ndate: 2026-03-01\ntags: [담보, 심사]\n---\n\
# 여신심사 매뉴얼\n\n## 3. 담보평가\n\n### 3.1 감정가\n\n아파트 담보의 감정가는 시세의 90%를 넘지 않게 산정한다.\n\n\
### 3.2 담보인정비율\n\n| 구분 | 비율 |\n|---|---|\n| 아파트 | 70% |\n| 토지 | 60% |\n\n\
## 4. 사후관리\n\n조기경보 등급이 두 단계 떨어지면 10영업일 안에 재심사한다.\n";

pub(crate) const COMPLAINTS: &str = "민원처리 지침\n\n제1조(목적) 이 지침은 민원의 처리 절차를 정한다.\n\
제2조(회신) ① 민원은 접수한 날부터 14일 안에 회신한다.\n② 중도상환수수료는 약관에 따라 면제할 수 있다.\n\n\
부칙\n이 지침은 2026년 4월 1일부터 시행한다.\n";

/// An environment with two documents in `manuals/`.
pub(crate) fn manuals() -> TestEnv {
    let env = TestEnv::new();
    env.write("manuals/여신/심사.md", APPRAISAL);
    env.write("manuals/민원.txt", COMPLAINTS);
    env
}

/// The program in that environment.
pub(crate) fn program(env: &TestEnv, arguments: &[&str]) -> Command {
    let mut command = env.command(BINARY);
    command.args(arguments);
    command
}
