//! `haechi approve` and `reject`: a person's decision, then the run goes on.

use clap::Args;
use haechi_contract::{Code, Problem, exit};
use haechi_serving::Failure;

use super::Context;
use super::run::ResumeArguments;
use crate::approvals::{self, Approval};
use crate::record::{EventKind, Recorded, now};
use crate::workflow::{Action, Approve};

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// 실행 ID(앞이나 뒤의 몇 글자, 또는 last)나 기록 폴더
    run: String,
    /// 승인 단계 (기다리는 단계가 하나면 적지 않아도 됩니다)
    #[arg(long, value_name = "단계")]
    step: Option<String>,
    /// 맡은 역할 (예: 리스크관리부장)
    #[arg(long, value_name = "역할")]
    role: Option<String>,
    /// 남길 말
    #[arg(long, value_name = "글")]
    note: Option<String>,
}

pub(super) fn approve(context: &Context, arguments: &Arguments) -> Result<(), Failure> {
    decide(context, arguments, true)
}

pub(super) fn reject(context: &Context, arguments: &Arguments) -> Result<(), Failure> {
    decide(context, arguments, false)
}

fn decide(context: &Context, arguments: &Arguments, approved: bool) -> Result<(), Failure> {
    let (_, path) = context.run(&arguments.run)?;
    let recorded = Recorded::read(&path)?;
    let environment = crate::language::environment();
    let workflow = crate::workflow::read::read(&recorded.workflow, &environment)
        .map_err(|_| Problem::new(Code::Corrupt, "실행 기록의 workflow.yaml을 읽을 수 없습니다"))?;
    let waiting: Vec<(&str, &Approve)> = workflow
        .steps
        .iter()
        .filter(|step| {
            let manifest = recorded.manifest.as_ref();
            manifest
                .and_then(|manifest| manifest.steps.get(&step.id))
                .is_some_and(|summary| summary.status == "waiting")
        })
        .filter_map(|step| match &step.action {
            Action::Approve(approve) => Some((step.id.as_str(), approve)),
            _ => None,
        })
        .collect();
    let (step, wanted) = choose(&waiting, arguments.step.as_deref())?;
    let user = haechi_serving::settings::variable("USER").unwrap_or_default();
    may_decide(wanted, &user, arguments.role.as_deref(), &recorded)?;
    let event = recorded
        .events
        .iter()
        .rev()
        .find(|event| event.event == EventKind::Step && event.step.as_deref() == Some(step))
        .ok_or_else(|| Problem::new(Code::Corrupt, "승인을 기다린 기록이 없습니다"))?;
    if let Some(expires) = wanted.expires
        && expired(&event.at, expires)
    {
        let problem =
            Problem::new(Code::Refused, "승인할 수 있는 기한이 지났습니다").with_hint("업무 흐름을 새로 실행하십시오");
        return Err(Failure::with_exit(problem, exit::DENIED));
    }
    let shown_sha256 = event
        .result_sha256
        .as_deref()
        .and_then(|hash| recorded.blob(hash).ok())
        .and_then(|bytes| serde_json::from_slice::<serde_json::Value>(&bytes).ok())
        .and_then(|out| out["shown_sha256"].as_str().map(ToOwned::to_owned))
        .ok_or_else(|| Problem::new(Code::Corrupt, "무엇을 보였는지 기록이 없습니다"))?;
    let approval = Approval {
        step: step.to_owned(),
        approved,
        by: user,
        role: arguments.role.clone(),
        note: arguments.note.clone(),
        at: now(),
        shown_sha256,
    };
    approvals::append(&path, &approval).map_err(|problem| Failure::with_exit(problem, exit::FAILED))?;
    crate::ui::line(if approved {
        "승인을 기록했습니다. 실행을 이어 갑니다."
    } else {
        "반려를 기록했습니다."
    });
    super::run::resume(context, &ResumeArguments { run: path.display().to_string(), quiet: false })
}

fn choose<'all>(
    waiting: &[(&'all str, &'all Approve)],
    wanted: Option<&str>,
) -> Result<(&'all str, &'all Approve), Problem> {
    let listed = || waiting.iter().map(|(id, _)| *id).collect::<Vec<_>>().join(", ");
    match (waiting, wanted) {
        ([], _) => Err(Problem::new(Code::NotFound, "이 실행에는 승인을 기다리는 단계가 없습니다")),
        (_, Some(wanted)) => waiting.iter().find(|(id, _)| *id == wanted).copied().ok_or_else(|| {
            Problem::new(Code::NotFound, format!("`{wanted}`은(는) 승인을 기다리는 단계가 아닙니다"))
                .with_hint(format!("기다리는 단계: {}", listed()))
        }),
        ([one], None) => Ok(*one),
        (_, None) => Err(Problem::new(Code::Ambiguous, "승인을 기다리는 단계가 여럿입니다")
            .with_hint(format!("`--step`으로 하나를 고르십시오: {}", listed()))),
    }
}

fn may_decide(wanted: &Approve, user: &str, role: Option<&str>, recorded: &Recorded) -> Result<(), Problem> {
    let named = |name: &str| wanted.by.iter().any(|allowed| allowed == name);
    if !wanted.by.is_empty() && !named(user) && !role.is_some_and(named) {
        return Err(Problem::new(Code::Denied, format!("이 승인은 {}의 몫입니다", wanted.by.join(", ")))
            .with_hint("맡은 역할이면 `--role`로 밝히십시오"));
    }
    if wanted.four_eyes && user == recorded.start.user {
        return Err(Problem::new(Code::Denied, "실행한 사람은 스스로 승인할 수 없습니다")
            .with_hint("다른 사람이 승인해야 합니다"));
    }
    Ok(())
}

fn expired(at: &str, expires: std::time::Duration) -> bool {
    let Ok(asked) = at.parse::<jiff::Timestamp>() else { return true };
    jiff::Timestamp::now().duration_since(asked).unsigned_abs() > expires
}
