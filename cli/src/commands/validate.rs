//! `haechi validate`: everything that can be wrong with a workflow, without running it.

use std::path::PathBuf;

use clap::Args;
use haechi_contract::exit;
use haechi_serving::Failure;
use serde_json::json;

use super::Context;
use crate::diagnostic::Diagnostic;
use crate::job::{self, Loaded};
use crate::tools::Pool;
use crate::workflow::check;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// 업무 흐름 파일
    workflow: PathBuf,
    /// 서버를 띄우지 않고 파일만 검사합니다
    #[arg(long)]
    offline: bool,
}

pub(super) fn run(context: &Context, arguments: &Arguments) -> Result<(), Failure> {
    let loaded = Loaded::read(&arguments.workflow, context.config.as_deref())?;
    let checked = match loaded.check() {
        Ok(checked) => checked,
        Err(mistakes) => return refuse(context, &loaded, &mistakes),
    };
    if !arguments.offline {
        let pool = Pool::new(job::specs(&checked, &loaded.workspace)?);
        let (started, catalogue) = super::block_on(async {
            let started = pool.start().await;
            let catalogue = pool.catalogue().await;
            pool.close().await;
            (started, catalogue)
        })?;
        if let Err(troubles) = started {
            return Err(troubles
                .into_iter()
                .map(crate::trouble::Trouble::into_failure)
                .next_back()
                .unwrap_or_else(|| Failure::silent(exit::UNREACHABLE)));
        }
        let mistakes = check::tools(&checked, &catalogue);
        if !mistakes.is_empty() {
            return refuse(context, &loaded, &mistakes);
        }
    }
    if context.json {
        return super::json(&json!({ "valid": true, "steps": checked.workflow.steps.len(), "mistakes": [] }));
    }
    let with = if arguments.offline { " (서버의 도구는 보지 않음)" } else { "" };
    haechi_serving::answer(&format!(
        "{}: 틀린 곳이 없습니다. 단계 {}개{with}",
        loaded.shown,
        checked.workflow.steps.len()
    ))
}

fn refuse(context: &Context, loaded: &Loaded, mistakes: &[Diagnostic]) -> Result<(), Failure> {
    if context.json {
        let mistakes: Vec<_> = mistakes
            .iter()
            .map(|mistake| {
                let (line, column) = mistake.position(&loaded.text);
                let file = mistake.file.as_ref().map_or(loaded.shown.as_str(), |(name, _)| name);
                json!({ "file": file, "line": line, "column": column, "message": mistake.message, "help": mistake.help })
            })
            .collect();
        super::json(&json!({ "valid": false, "mistakes": mistakes }))?;
        return Err(Failure::silent(exit::USAGE));
    }
    Err(loaded.refuse(mistakes))
}
