//! One workflow with its inputs, from its file to the bytes of its outputs.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use haechi_contract::{Code, Problem, exit};
use haechi_serving::Failure;
use indexmap::IndexMap;
use minijinja::Value;
use sha2::{Digest, Sha256};

use crate::approvals::Approval;
use crate::diagnostic::Diagnostic;
use crate::engine::{self, Ended};
use crate::llm::{Endpoint, Models};
use crate::mcp::{ServerIdentity, hex};
use crate::record::{Manifest, OutputSummary, Start, StepSummary, now};
use crate::report::{self, Provenance};
use crate::servers::{Finder, Spec};
use crate::state::Status;
use crate::trouble::Trouble;
use crate::ui;
use crate::workflow::check::{self, Checked};
use crate::workflow::{Action, Format, OnError};
use crate::workspace::{Workspace, reason};

/// A workflow file as it lies on the disk.
#[derive(Debug, Clone)]
pub(crate) struct Loaded {
    /// The path as a person gave it.
    pub shown: String,
    /// The folder that templates are relative to.
    pub folder: PathBuf,
    pub text: String,
    pub workspace: Workspace,
}

impl Loaded {
    /// Reads the file and finds its workspace.
    ///
    /// # Errors
    ///
    /// When the file cannot be read or the settings are wrong.
    pub(crate) fn read(path: &Path, config: Option<&Path>) -> Result<Self, Problem> {
        let text = std::fs::read_to_string(path).map_err(|error| {
            Problem::new(
                Code::InvalidInput,
                format!("업무 흐름 {}을(를) 읽을 수 없습니다: {}", path.display(), reason(&error)),
            )
            .with_hint("파일 이름과 지금 있는 폴더를 살피십시오")
        })?;
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new(".")).to_owned();
        let workspace = Workspace::find(config, Some(&folder))?;
        Ok(Self { shown: path.display().to_string(), folder, text, workspace })
    }

    /// Checks everything that needs no server.
    ///
    /// # Errors
    ///
    /// Every mistake of the file.
    pub(crate) fn check(&self) -> Result<Checked, Vec<Diagnostic>> {
        let environment = crate::language::environment();
        let workflow = crate::workflow::read::read(&self.text, &environment)?;
        check::check(workflow, &self.folder, &environment)
    }

    /// Tells a person about mistakes and ends with the code of a wrong workflow.
    pub(crate) fn refuse(&self, mistakes: &[Diagnostic]) -> Failure {
        for mistake in mistakes {
            ui::line(&mistake.draw(&self.shown, &self.text));
            ui::line("");
        }
        ui::line(&format!("{}: 틀린 곳 {}군데", self.shown, mistakes.len()));
        Failure::silent(exit::USAGE)
    }
}

/// How to reach every server that the workflow calls.
///
/// # Errors
///
/// The first that cannot be found.
pub(crate) fn specs(checked: &Checked, workspace: &Workspace) -> Result<Vec<Spec>, Problem> {
    let finder = Finder::new(workspace)?;
    let names: BTreeSet<&str> = checked.workflow.calls().map(|call| call.server.as_str()).collect();
    names.into_iter().map(|name| finder.find(name, checked.workflow.servers.get(name))).collect()
}

/// How to reach those servers of the workflow that can be found; a run that goes on may need none.
///
/// # Errors
///
/// A mistake in the settings file.
pub(crate) fn specs_found(checked: &Checked, workspace: &Workspace) -> Result<Vec<Spec>, Problem> {
    let finder = Finder::new(workspace)?;
    let names: BTreeSet<&str> = checked.workflow.calls().map(|call| call.server.as_str()).collect();
    Ok(names.into_iter().filter_map(|name| finder.find(name, checked.workflow.servers.get(name)).ok()).collect())
}

/// A workflow that runs, or ran.
#[derive(Debug)]
pub(crate) struct Job<'job> {
    pub checked: &'job Checked,
    pub text: &'job str,
    pub start: Start,
    pub approvals: Vec<Approval>,
    pub previous: serde_json::Value,
}

/// A file that a run gives, before it is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Artifact {
    pub from: String,
    /// Relative to the workspace.
    pub path: String,
    pub bytes: Vec<u8>,
}

/// How a run ended.
#[derive(Debug)]
pub(crate) struct Verdict {
    pub status: &'static str,
    pub exit: u8,
    pub problem: Option<Trouble>,
}

pub(crate) fn sha256(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

/// What a new run starts from.
pub(crate) fn start(loaded: &Loaded, checked: &Checked, inputs: IndexMap<String, serde_json::Value>) -> Start {
    Start {
        run: ulid::Ulid::generate().to_string(),
        workflow: checked.workflow.name.clone(),
        title: checked.workflow.title.clone(),
        started_at: now(),
        inputs,
        file: loaded.shown.clone(),
        templates: checked.templates.iter().map(|(name, text)| (name.clone(), sha256(text.as_bytes()))).collect(),
        user: haechi_serving::settings::variable("USER").unwrap_or_default(),
        haechi: env!("CARGO_PKG_VERSION").to_owned(),
        previous_sha256: None,
    }
}

impl Job<'_> {
    /// The files of the run, as bytes; nothing is written.
    ///
    /// # Errors
    ///
    /// When a path or a value does not allow it.
    pub(crate) fn artifacts(
        &self,
        ended: &Ended,
        servers: &[ServerIdentity],
        workspace: &Workspace,
    ) -> Result<Vec<Artifact>, Trouble> {
        let workflow = &self.checked.workflow;
        let known = engine::known(&workflow.steps, ended.outcomes.iter().map(Some));
        let provenance = self.provenance(ended, servers);
        let environment = crate::language::environment();
        let steps = std::sync::Arc::new(crate::state::Steps::default());
        for (step, outcome) in workflow.steps.iter().zip(&ended.outcomes) {
            steps.insert(&step.id, outcome);
        }
        let start = &self.start;
        let names = crate::state::names(workflow, &start.inputs, &start.run, &start.started_at, &steps, &self.previous);
        let context = Value::from_pairs(names);
        let mut artifacts: Vec<Artifact> = Vec::new();
        for output in &workflow.outputs {
            let Some(position) = workflow.steps.iter().position(|step| step.id == output.from) else { continue };
            let outcome = &ended.outcomes[position];
            let allowed = output.requires.as_ref().is_none_or(|(approval, _)| {
                let position = workflow.steps.iter().position(|step| &step.id == approval);
                position.is_some_and(|position| ended.outcomes[position].status().answered())
            });
            if !outcome.status().answered() || !allowed {
                continue;
            }
            let path = output.to.evaluate(&environment, &context).map_err(|misfit| {
                Trouble::failed("expression", format!("출력 경로를 정하지 못했습니다: {}", misfit.fault.message))
            })?;
            let path = crate::workflow::inputs::plain(&path);
            workspace.output_path(&path)?;
            if artifacts.iter().any(|other| other.path == path) {
                return Err(Trouble::usage(format!("출력 {path}을(를) 두 번 쓰려 합니다"))
                    .hint("`outputs`의 경로를 다르게 적으십시오"));
            }
            let bytes = match (output.format, &outcome.draft) {
                (Format::Markdown, Some(draft)) => report::markdown::write(draft, &known, &provenance).into_bytes(),
                (Format::Html, Some(draft)) => report::html::write(draft, &known, &provenance).into_bytes(),
                (Format::Csv, _) => csv(outcome.out.as_ref(), &output.from)?,
                _ => {
                    let mut bytes = serde_json::to_vec_pretty(&outcome.out).unwrap_or_default();
                    bytes.push(b'\n');
                    bytes
                }
            };
            artifacts.push(Artifact { from: output.from.clone(), path, bytes });
        }
        Ok(artifacts)
    }

    fn provenance(&self, ended: &Ended, servers: &[ServerIdentity]) -> Provenance {
        let workflow = &self.checked.workflow;
        Provenance {
            title: workflow.title.clone(),
            owner: workflow.owner.clone(),
            run: self.start.run.clone(),
            started_at: self.start.started_at.clone(),
            workflow: format!("{} ({})", workflow.title, workflow.name),
            workflow_sha256: sha256(self.text.as_bytes()),
            inputs: self.start.inputs.clone(),
            servers: servers.to_vec(),
            calls: ended.calls,
            models: written_by_models(self.checked, ended),
            notices: notices(self.checked, ended),
        }
    }

    /// How the run as a whole ended.
    pub(crate) fn verdict(&self, ended: &Ended, artifacts: &[Artifact]) -> Verdict {
        let steps = &self.checked.workflow.steps;
        let failures = || steps.iter().zip(&ended.outcomes).filter(|(_, outcome)| outcome.status() == Status::Failed);
        let tolerated = |step: &crate::workflow::Step| matches!(step.on_error, Some(OnError::Continue));
        let worst =
            failures().filter(|(step, _)| !tolerated(step)).map(|(step, outcome)| (step, outcome.error.clone())).next();
        if let Some((step, error)) = worst {
            let mut error = error.unwrap_or_else(|| Trouble::failed("failed", "알 수 없는 까닭으로 실패했습니다"));
            error.message = format!("`{}` 단계에서 멈췄습니다: {}", step.shown(), error.message);
            let whole = artifacts.is_empty();
            return Verdict {
                status: if whole { "failed" } else { "incomplete" },
                exit: if whole { error.exit } else { exit::INCOMPLETE },
                problem: Some(error),
            };
        }
        let with = |status: Status| steps.iter().zip(&ended.outcomes).find(|(_, outcome)| outcome.status() == status);
        if let Some((_, outcome)) = with(Status::Rejected) {
            return Verdict { status: "rejected", exit: exit::REJECTED, problem: outcome.error.clone() };
        }
        if with(Status::Waiting).is_some() {
            return Verdict { status: "waiting", exit: exit::WAITING, problem: None };
        }
        if failures().next().is_some() {
            return Verdict { status: "incomplete", exit: exit::INCOMPLETE, problem: None };
        }
        Verdict { status: "whole", exit: exit::WHOLE, problem: None }
    }

    /// The manifest of the run; the journal's hash is filled in when it is written.
    pub(crate) fn manifest(
        &self,
        ended: &Ended,
        servers: Vec<ServerIdentity>,
        outputs: Vec<OutputSummary>,
        verdict: &Verdict,
    ) -> Manifest {
        let steps = self
            .checked
            .workflow
            .steps
            .iter()
            .zip(&ended.outcomes)
            .map(|(step, outcome)| {
                let summary = StepSummary {
                    status: outcome.status().as_str().to_owned(),
                    elapsed_ms: outcome.elapsed_ms,
                    reason: outcome.reason.clone(),
                    problem: outcome.error.clone(),
                };
                (step.id.clone(), summary)
            })
            .collect();
        Manifest {
            run: self.start.run.clone(),
            workflow: self.start.workflow.clone(),
            title: self.start.title.clone(),
            status: verdict.status.to_owned(),
            exit: verdict.exit,
            started_at: self.start.started_at.clone(),
            finished_at: now(),
            haechi: env!("CARGO_PKG_VERSION").to_owned(),
            user: self.start.user.clone(),
            workflow_sha256: sha256(self.text.as_bytes()),
            inputs: self.start.inputs.clone(),
            templates: self.start.templates.clone(),
            servers,
            steps,
            outputs,
            calls: ended.calls,
            approvals: self.approvals.clone(),
            journal_sha256: String::new(),
            problem: verdict.problem.clone(),
        }
    }

    /// The addresses of the models, which may come from our own environment variables.
    ///
    /// # Errors
    ///
    /// An address that is not set or that this version cannot reach.
    pub(crate) fn models(&self) -> Result<Models, Trouble> {
        let environment = crate::language::environment();
        let variables = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .filter(|(name, _)| name.starts_with("HAECHI_"));
        let context = Value::from_pairs([("env", Value::from_pairs(variables))]);
        let mut models = Models::default();
        for (name, model) in &self.checked.workflow.models {
            let address = model.base_url.evaluate(&environment, &context).map_err(|misfit| {
                Trouble::usage(format!("모델 `{name}`의 주소를 알 수 없습니다: {}", misfit.fault.message))
                    .hint("환경 변수를 설정하거나 `base_url`에 주소를 적으십시오")
            })?;
            let base_url = crate::workflow::inputs::plain(&address);
            if !base_url.starts_with("http://") {
                return Err(Trouble::usage(format!("모델 `{name}`의 주소는 http://로 시작해야 합니다"))
                    .hint("이 버전은 같은 기계나 내부망의 http 주소만 씁니다"));
            }
            models.0.insert(name.clone(), Endpoint { base_url });
        }
        Ok(models)
    }

    /// The ids of the steps in the order of the plan.
    pub(crate) fn order(&self) -> Vec<&str> {
        self.checked.graph.order.iter().map(|&step| self.checked.workflow.steps[step].id.as_str()).collect()
    }
}

/// Which steps a model answered.
fn written_by_models(checked: &Checked, ended: &Ended) -> Vec<String> {
    let answered =
        checked.workflow.steps.iter().zip(&ended.outcomes).filter(|(_, outcome)| outcome.status() == Status::Ok);
    answered
        .filter_map(|(step, _)| match &step.action {
            Action::Model(asked) => {
                let model = checked.workflow.models.get(&asked.model)?;
                Some(format!("‘{}’ — {} ({})", step.shown(), asked.model, model.model))
            }
            _ => None,
        })
        .collect()
}

/// What a reader of the report must know: what is missing, replaced or warned of.
fn notices(checked: &Checked, ended: &Ended) -> Vec<String> {
    let mut notices = Vec::new();
    for (step, outcome) in checked.workflow.steps.iter().zip(&ended.outcomes) {
        let why = outcome.error.as_ref().map(|error| error.message.as_str()).unwrap_or_default();
        match outcome.status() {
            Status::Failed => notices.push(format!("‘{}’ 자료를 얻지 못했습니다: {why}", step.shown())),
            Status::Recovered => notices.push(format!("‘{}’ 자료는 대신하는 방법으로 얻었습니다: {why}", step.shown())),
            Status::Skipped => {
                if let Some(reason) = &step.reason {
                    notices.push(format!("‘{}’ 단계를 건너뛰었습니다: {reason}", step.shown()));
                }
            }
            Status::Ok | Status::Blocked | Status::Waiting | Status::Rejected => {}
        }
        if let (Action::Assert(_), Some(out)) = (&step.action, &outcome.out) {
            let checks = out["checks"].as_array().map(Vec::as_slice).unwrap_or_default();
            for check in checks.iter().filter(|check| check["passed"] == false && check["level"] == "warn") {
                notices.push(crate::workflow::inputs::plain(&check["message"]));
            }
        }
    }
    notices
}

/// The table in an answer as CSV that a spreadsheet opens with its Korean intact.
fn csv(out: Option<&serde_json::Value>, step: &str) -> Result<Vec<u8>, Trouble> {
    let rows = out
        .and_then(|out| if out.is_array() { Some(out) } else { out.get("rows") })
        .and_then(serde_json::Value::as_array)
        .ok_or_else(|| {
            Trouble::failed("unsupported", format!("`{step}` 단계의 답에 표(rows)가 없어 CSV로 쓸 수 없습니다"))
        })?;
    let mut names: Vec<&str> = Vec::new();
    for row in rows {
        for name in row.as_object().into_iter().flat_map(serde_json::Map::keys) {
            if !names.contains(&name.as_str()) {
                names.push(name);
            }
        }
    }
    // The mark at the start is how Excel knows the file for UTF-8.
    let mut text = String::from("\u{feff}");
    let mut line = |cells: Vec<String>| {
        text.push_str(&cells.join(","));
        text.push_str("\r\n");
    };
    line(names.iter().map(|name| cell(name)).collect());
    for row in rows {
        line(
            names
                .iter()
                .map(|name| match row.get(*name) {
                    None | Some(serde_json::Value::Null) => String::new(),
                    Some(serde_json::Value::String(text)) => cell(text),
                    Some(other) => cell(&other.to_string()),
                })
                .collect(),
        );
    }
    Ok(text.into_bytes())
}

/// One cell; text that a spreadsheet would take for a formula is kept as text.
fn cell(text: &str) -> String {
    let number = text.parse::<f64>().is_ok();
    let text = if !number && text.starts_with(['=', '+', '-', '@', '\t', '\r']) {
        format!("'{text}")
    } else {
        text.to_owned()
    };
    if text.contains([',', '"', '\n', '\r']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text }
}

/// The servers of a run as they were recorded.
pub(crate) fn identities_by_name(servers: &[ServerIdentity]) -> BTreeMap<&str, &ServerIdentity> {
    servers.iter().map(|server| (server.name.as_str(), server)).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn csv_keeps_korean_and_hides_formulas() {
        let out = json!({ "rows": [{ "업종": "제조, 기타", "잔액": -3 }, { "업종": "=1+1", "비고": null }] });
        let text = String::from_utf8(csv(Some(&out), "x").unwrap()).unwrap();
        assert_eq!(text, "\u{feff}업종,잔액,비고\r\n\"제조, 기타\",-3,\r\n'=1+1,,\r\n");
        assert!(csv(Some(&json!({ "text": "a" })), "x").is_err());
    }
}
