//! `haechi run`, `resume` and `replay`: three ways through the one engine.

use std::path::{Path, PathBuf};

use clap::Args;
use haechi_contract::{Code, Problem, exit};
use haechi_serving::Failure;
use serde_json::json;

use super::Context;
use super::plan::wrong_input;
use crate::approvals;
use crate::engine::{Ended, Run};
use crate::job::{self, Artifact, Job, Loaded, Verdict};
use crate::mcp::ServerIdentity;
use crate::record::{Event, EventKind, OutputSummary, Recorded, RunFolder};
use crate::state::Status;
use crate::tools::{Pool, Recording, Tools};
use crate::trouble::Trouble;
use crate::ui;
use crate::workflow::check::{self, Checked};
use crate::workflow::inputs;
use crate::workspace::{Workspace, write_whole};

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// 업무 흐름 파일 (`--like`를 주면 적지 않아도 됩니다)
    workflow: Option<PathBuf>,
    /// 이 실행과 같은 입력으로 시작합니다 (`-i`로 준 것만 바뀝니다)
    #[arg(long, value_name = "실행")]
    like: Option<String>,
    /// 입력값 (되풀이할 수 있음)
    #[arg(short, long = "input", value_name = "이름=값", value_parser = super::input)]
    input: Vec<(String, String)>,
    /// 진행 상황을 보이지 않습니다
    #[arg(short, long)]
    quiet: bool,
}

#[derive(Debug, Args)]
pub(super) struct ResumeArguments {
    /// 실행 ID(앞이나 뒤의 몇 글자, 또는 last)나 기록 폴더
    pub(super) run: String,
    /// 진행 상황을 보이지 않습니다
    #[arg(short, long)]
    pub(super) quiet: bool,
}

#[derive(Debug, Args)]
pub(super) struct ReplayArguments {
    /// 실행 ID(앞이나 뒤의 몇 글자, 또는 last)나 기록 폴더
    run: String,
    /// 다시 만든 파일을 둘 폴더 (적지 않으면 견주기만 합니다)
    #[arg(long, value_name = "폴더")]
    to: Option<PathBuf>,
}

pub(super) fn run(context: &Context, arguments: &Arguments) -> Result<(), Failure> {
    let like = match &arguments.like {
        Some(run) => {
            let (workspace, path) = context.run(run)?;
            Some((workspace, Recorded::read(&path)?))
        }
        None => None,
    };
    let (loaded, checked) = match (&arguments.workflow, &like) {
        (Some(path), _) => {
            let loaded = Loaded::read(path, context.config.as_deref())?;
            let checked = loaded.check().map_err(|mistakes| loaded.refuse(&mistakes))?;
            (loaded, checked)
        }
        // The same version of the workflow, as that run recorded it.
        (None, Some((workspace, recorded))) => {
            let loaded = recorded_file(recorded, workspace.clone());
            let checked = check_recorded(recorded, &loaded)?;
            (loaded, checked)
        }
        (None, None) => {
            let problem = Problem::new(Code::InvalidInput, "무엇을 실행할지 빠졌습니다")
                .with_hint("업무 흐름 파일이나 `--like 실행`을 주십시오");
            return Err(problem.into());
        }
    };
    let given = match &like {
        Some((_, recorded)) => merged_inputs(recorded, &loaded, &checked, &arguments.input),
        None => arguments.input.clone(),
    };
    let inputs = inputs::resolve(&checked.workflow.inputs, &given, &loaded.workspace).map_err(wrong_input)?;
    let mut start = job::start(&loaded, &checked, inputs);
    let previous = crate::previous::look_up(&loaded.workspace, &checked.workflow.name, &checked.workflow.previous)?;
    let previous_bytes = (!previous.is_null()).then(|| previous.to_string().into_bytes());
    start.previous_sha256 = previous_bytes.as_deref().map(job::sha256);
    let folder =
        RunFolder::create(&loaded.workspace, &start, &loaded.text, &checked.templates, previous_bytes.as_deref())
            .map_err(|problem| Failure::with_exit(problem, exit::FAILED))?;
    let job = Job { checked: &checked, text: &loaded.text, start, approvals: Vec::new(), previous };
    let quiet = arguments.quiet || context.json;
    let live = Live { context, loaded: &loaded, folder: &folder, job: &job, quiet, known_servers: Vec::new() };
    super::block_on(live.run(None))?
}

pub(super) fn resume(context: &Context, arguments: &ResumeArguments) -> Result<(), Failure> {
    let (workspace, path) = context.run(&arguments.run)?;
    let recorded = Recorded::read(&path)?;
    if let Some(manifest) = &recorded.manifest
        && manifest.exit == exit::WHOLE
    {
        ui::line("이미 끝난 실행입니다.");
        return haechi_serving::answer(&shown_outputs(
            &workspace,
            manifest.outputs.iter().map(|output| output.path.as_str()),
        ));
    }
    let recording = Recording::read(&recorded, false)?;
    if let Some((key, tool, _)) = recording.open.iter().find(|(_, _, read_only)| !read_only) {
        let problem = Problem::new(
            Code::Refused,
            format!("`{}` 단계의 `{tool}` 호출이 끝났는지 알 수 없어 이어 갈 수 없습니다", key.step),
        )
        .with_hint("읽기 전용이라고 밝히지 않은 도구는 두 번 부르지 않습니다. 결과를 확인한 뒤 새로 실행하십시오");
        return Err(Failure::with_exit(problem, exit::DENIED));
    }
    let loaded = recorded_file(&recorded, workspace);
    let checked = check_recorded(&recorded, &loaded)?;
    // An ended run is opened again: what is noted from here decides how it ends.
    let manifest = path.join("manifest.json");
    if manifest.exists() {
        std::fs::remove_file(&manifest).map_err(|error| crate::workspace::unwritable(&manifest, &error))?;
    }
    let folder = RunFolder::open(path)?;
    let approvals = approvals::read(&recorded.path)?;
    let previous = recorded.previous()?;
    let job = Job { checked: &checked, text: &loaded.text, start: recorded.start.clone(), approvals, previous };
    let quiet = arguments.quiet || context.json;
    let known_servers = recorded.events.iter().filter_map(|event| event.server.clone()).collect();
    let live = Live { context, loaded: &loaded, folder: &folder, job: &job, quiet, known_servers };
    super::block_on(live.run(Some(recording)))?
}

/// The inputs of an earlier run with those given now over them; what changes is told.
fn merged_inputs(
    recorded: &Recorded,
    loaded: &Loaded,
    checked: &Checked,
    given: &[(String, String)],
) -> Vec<(String, String)> {
    if recorded.workflow != loaded.text {
        ui::line("업무 흐름이 그 실행 뒤에 바뀌었습니다. 지금 파일로 실행합니다.");
    }
    for (name, value) in given {
        if let Some(before) = recorded.start.inputs.get(name) {
            ui::line(&format!("입력 {name}: {} → {value}", inputs::plain(before)));
        }
    }
    let kept = recorded.start.inputs.iter().filter(|(name, _)| {
        checked.workflow.inputs.contains_key(*name) && !given.iter().any(|(other, _)| other == *name)
    });
    given.iter().cloned().chain(kept.map(|(name, value)| (name.clone(), inputs::plain(value)))).collect()
}

/// A workflow as a run recorded it; its templates come from the record too.
fn recorded_file(recorded: &Recorded, workspace: Workspace) -> Loaded {
    Loaded {
        shown: recorded.start.file.clone(),
        folder: recorded.path.join("templates"),
        text: recorded.workflow.clone(),
        workspace,
    }
}

fn check_recorded(recorded: &Recorded, loaded: &Loaded) -> Result<Checked, Failure> {
    let environment = crate::language::environment();
    let templates = recorded.templates()?;
    let read = crate::workflow::read::read(&loaded.text, &environment)
        .and_then(|workflow| check::check_with(workflow, &loaded.folder, &environment, templates));
    read.map_err(|mistakes| loaded.refuse(&mistakes))
}

/// A run with living servers.
struct Live<'run> {
    context: &'run Context,
    loaded: &'run Loaded,
    folder: &'run RunFolder,
    job: &'run Job<'run>,
    quiet: bool,
    /// The servers that answered before this run went on.
    known_servers: Vec<ServerIdentity>,
}

impl Live<'_> {
    async fn run(&self, recording: Option<Recording>) -> Result<(), Failure> {
        let checked = self.job.checked;
        if !self.quiet {
            ui::line(&format!("{} · 실행 {}", checked.workflow.title, self.job.start.run));
        }
        let tools = match recording {
            None => self.started().await?,
            Some(recording) => self.taken_over(recording)?,
        };
        let noted = match &tools.pool {
            Some(pool) => self.note_start(&pool.identities().await),
            None => Ok(()),
        };
        let ended = match noted {
            Ok(()) => self.steps(&tools).await,
            Err(problem) => Err(problem.into()),
        };
        let mut servers = self.known_servers.clone();
        if let Some(pool) = &tools.pool {
            for server in pool.identities().await {
                servers.retain(|other| other.name != server.name);
                servers.push(server);
            }
            pool.close().await;
        }
        servers.sort_by(|left, right| left.name.cmp(&right.name));
        match ended {
            Ok(Some(ended)) => self.finish(&ended, servers),
            Ok(None) => {
                let hint = format!(
                    "`haechi resume {}`으로 이어 갈 수 있습니다",
                    self.loaded.workspace.shown(self.folder.path())
                );
                Err(self.stopped(interrupted().hint(hint), servers))
            }
            Err(trouble) => Err(self.stopped(trouble, servers)),
        }
    }

    /// The servers of a new run: all there, and the workflow checked against their tools.
    async fn started(&self) -> Result<Tools, Failure> {
        let checked = self.job.checked;
        let models = self.job.models().map_err(|trouble| self.stopped(trouble, Vec::new()))?;
        let mut pool = match job::specs(checked, &self.loaded.workspace) {
            Ok(specs) => Pool::new(specs),
            Err(problem) => return Err(self.stopped(problem.into(), Vec::new())),
        };
        pool.keep_stderr(self.folder.path().join("stderr"));
        let begun = tokio::select! {
            begun = pool.start() => begun,
            () = asked_to_stop() => {
                pool.close().await;
                return Err(self.stopped(interrupted().hint("다시 실행하십시오"), Vec::new()));
            }
        };
        if let Err(troubles) = begun {
            pool.close().await;
            let mut troubles = troubles.into_iter();
            let first = troubles.next().unwrap_or_else(|| Trouble::unreachable("서버를 시작하지 못했습니다"));
            for other in troubles {
                ui::error(&other.message, Some(&other.code), other.hint.as_deref());
            }
            return Err(self.stopped(first, Vec::new()));
        }
        let mistakes = check::tools(checked, &pool.catalogue().await);
        if !mistakes.is_empty() {
            pool.close().await;
            // Nothing ran, so there is nothing to keep.
            let _ = std::fs::remove_dir_all(self.folder.path());
            return Err(self.loaded.refuse(&mistakes));
        }
        Ok(Tools { pool: Some(pool), recording: None, models })
    }

    /// The servers of a run that goes on: each is started only when a call needs it.
    fn taken_over(&self, recording: Recording) -> Result<Tools, Failure> {
        let mut pool = Pool::new(job::specs_found(self.job.checked, &self.loaded.workspace)?);
        pool.keep_stderr(self.folder.path().join("stderr"));
        let models = self.job.models().map_err(|trouble| self.stopped(trouble, Vec::new()))?;
        Ok(Tools { pool: Some(pool), recording: Some(recording), models })
    }

    fn note_start(&self, servers: &[ServerIdentity]) -> Result<(), Problem> {
        self.folder.note(Event { at: self.job.start.started_at.clone(), ..Event::new(EventKind::Run) })?;
        for server in servers {
            self.folder.note(Event { server: Some(server.clone()), ..Event::new(EventKind::Server) })?;
        }
        Ok(())
    }

    /// Runs the steps, or `None` where the person stopped it.
    async fn steps(&self, tools: &Tools) -> Result<Option<Ended>, Trouble> {
        let run = Run {
            checked: self.job.checked,
            file: &self.loaded.shown,
            text: self.job.text,
            inputs: &self.job.start.inputs,
            id: &self.job.start.run,
            started_at: &self.job.start.started_at,
            folder: self.folder,
            tools,
            approvals: &self.job.approvals,
            previous: &self.job.previous,
            quiet: self.quiet,
        };
        tokio::select! {
            ended = run.steps() => ended.map(Some),
            () = asked_to_stop() => Ok(None),
        }
    }

    /// Ends a run that could not go on, with a record that says why.
    fn stopped(&self, trouble: Trouble, servers: Vec<ServerIdentity>) -> Failure {
        let outcomes = vec![crate::state::Outcome::default(); self.job.checked.workflow.steps.len()];
        let status = if trouble.exit == exit::INTERRUPTED { "interrupted" } else { "failed" };
        let verdict = Verdict { status, exit: trouble.exit, problem: Some(trouble.clone()) };
        let ended = Ended { outcomes, calls: 0 };
        let told = self
            .end(&ended, servers, Vec::new(), &verdict)
            .map_err(Failure::from)
            .and_then(|()| if self.context.json { self.tell_json(&verdict, &[]) } else { Ok(()) });
        if let Err(failure) = told {
            return failure;
        }
        ui::line(&format!("실행 기록: {}", self.loaded.workspace.shown(self.folder.path())));
        trouble.into_failure()
    }

    fn end(
        &self,
        ended: &Ended,
        servers: Vec<ServerIdentity>,
        outputs: Vec<OutputSummary>,
        verdict: &Verdict,
    ) -> Result<(), Problem> {
        let problem = verdict.problem.clone();
        self.folder.note(Event { status: Some(verdict.status.to_owned()), problem, ..Event::new(EventKind::End) })?;
        self.folder.finish(&self.job.order(), self.job.manifest(ended, servers, outputs, verdict))
    }

    fn finish(&self, ended: &Ended, servers: Vec<ServerIdentity>) -> Result<(), Failure> {
        let workspace = &self.loaded.workspace;
        let written = self
            .job
            .artifacts(ended, &servers, workspace)
            .and_then(|artifacts| self.write(&artifacts).map(|outputs| (artifacts, outputs)));
        let (artifacts, outputs) = match written {
            Ok(written) => written,
            Err(mut trouble) => {
                // Nothing was reached for: the place to write is the person's to mend.
                if trouble.exit == exit::UNREACHABLE {
                    trouble.exit = exit::FAILED;
                }
                let verdict = Verdict { status: "failed", exit: trouble.exit, problem: Some(trouble.clone()) };
                self.end(ended, servers, Vec::new(), &verdict)?;
                ui::line(&format!("실행 기록: {}", workspace.shown(self.folder.path())));
                return Err(trouble.into_failure());
            }
        };
        let verdict = self.job.verdict(ended, &artifacts);
        self.end(ended, servers, outputs, &verdict)?;
        if self.context.json {
            self.tell_json(&verdict, &artifacts)?;
        } else if !artifacts.is_empty() {
            haechi_serving::answer(&shown_outputs(workspace, artifacts.iter().map(|artifact| artifact.path.as_str())))?;
        }
        if !self.quiet || verdict.exit != exit::WHOLE {
            ui::line(&format!("실행 기록: {}", workspace.shown(self.folder.path())));
        }
        match verdict.problem {
            Some(trouble) => {
                let exit = verdict.exit;
                Err(Failure::silent(Trouble { exit, ..trouble }.into_failure().exit))
            }
            None if verdict.exit == exit::WHOLE => Ok(()),
            None if verdict.exit == exit::WAITING => {
                self.tell_waiting(ended);
                Err(Failure::silent(verdict.exit))
            }
            None => {
                ui::line("일부 단계가 실패해 보고서에 빠진 것이 있습니다. 보고서 앞머리에 적었습니다.");
                Err(Failure::silent(verdict.exit))
            }
        }
    }

    fn tell_waiting(&self, ended: &Ended) {
        for (step, outcome) in self.job.checked.workflow.steps.iter().zip(&ended.outcomes) {
            if outcome.status() == Status::Waiting {
                ui::line(&format!("승인을 기다립니다: {}", outcome.reason.as_deref().unwrap_or(step.shown())));
            }
        }
        let run = self.loaded.workspace.shown(self.folder.path());
        ui::line(&format!("기록을 살핀 뒤 `haechi approve {run}` 또는 `haechi reject {run}`으로 정해 주십시오."));
    }

    /// Puts every file in its place, and a copy into the record.
    fn write(&self, artifacts: &[Artifact]) -> Result<Vec<OutputSummary>, Trouble> {
        let mut outputs = Vec::new();
        for artifact in artifacts {
            let target = self.loaded.workspace.output_path(&artifact.path)?;
            write_whole(&target, &artifact.bytes)?;
            write_whole(&self.folder.path().join("outputs").join(&artifact.path), &artifact.bytes)?;
            let sha256 = job::sha256(&artifact.bytes);
            self.folder.note(Event {
                step: Some(artifact.from.clone()),
                path: Some(artifact.path.clone()),
                result_sha256: Some(sha256.clone()),
                ..Event::new(EventKind::Output)
            })?;
            outputs.push(OutputSummary {
                from: artifact.from.clone(),
                path: artifact.path.clone(),
                sha256,
                bytes: artifact.bytes.len(),
            });
        }
        Ok(outputs)
    }

    fn tell_json(&self, verdict: &Verdict, artifacts: &[Artifact]) -> Result<(), Failure> {
        let outputs: Vec<String> = artifacts
            .iter()
            .map(|artifact| self.loaded.workspace.folder().join(&artifact.path).display().to_string())
            .collect();
        super::json(&json!({
            "run": self.job.start.run,
            "status": verdict.status,
            "exit": verdict.exit,
            "outputs": outputs,
            "record": self.folder.path().display().to_string(),
            "problem": verdict.problem.as_ref().map(|problem| json!({ "code": problem.code, "message": problem.message, "hint": problem.hint })),
        }))
    }
}

fn shown_outputs<'path>(workspace: &Workspace, paths: impl Iterator<Item = &'path str>) -> String {
    paths.map(|path| workspace.shown(&workspace.folder().join(path))).collect::<Vec<_>>().join("\n")
}

pub(super) fn replay(context: &Context, arguments: &ReplayArguments) -> Result<(), Failure> {
    let (workspace, path) = context.run(&arguments.run)?;
    let recorded = Recorded::read(&path)?;
    let manifest = recorded.manifest.clone().ok_or_else(|| {
        Problem::new(Code::NotReady, "끝나지 않은 실행은 다시 만들 수 없습니다")
            .with_hint("`haechi resume`으로 먼저 끝내십시오")
    })?;
    let loaded = recorded_file(&recorded, workspace);
    let checked = check_recorded(&recorded, &loaded)?;
    let recording = Recording::read(&recorded, true)?;
    let scratch = tempfile::tempdir().map_err(|error| crate::workspace::unwritable(Path::new("임시 폴더"), &error))?;
    for folder in ["blobs/sha256", "stderr", "outputs"] {
        std::fs::create_dir_all(scratch.path().join(folder))
            .map_err(|error| crate::workspace::unwritable(scratch.path(), &error))?;
    }
    let folder = RunFolder::open(scratch.path().to_owned())?;
    let approvals = approvals::read(&recorded.path)?;
    let previous = recorded.previous()?;
    let job = Job { checked: &checked, text: &loaded.text, start: recorded.start.clone(), approvals, previous };
    let tools = Tools { pool: None, recording: Some(recording), models: crate::llm::Models::default() };
    let run = Run {
        checked: &checked,
        file: &loaded.shown,
        text: &loaded.text,
        inputs: &recorded.start.inputs,
        id: &recorded.start.run,
        started_at: &recorded.start.started_at,
        folder: &folder,
        tools: &tools,
        approvals: &job.approvals,
        previous: &job.previous,
        quiet: true,
    };
    let ended = super::block_on(run.steps())?.map_err(Trouble::into_failure)?;
    let artifacts = job.artifacts(&ended, &manifest.servers, &loaded.workspace).map_err(Trouble::into_failure)?;
    let mut differences = Vec::new();
    for output in &manifest.outputs {
        match artifacts.iter().find(|artifact| artifact.path == output.path) {
            Some(artifact) if job::sha256(&artifact.bytes) == output.sha256 => {}
            Some(_) => differences.push(format!("{}: 내용이 다릅니다", output.path)),
            None => differences.push(format!("{}: 만들어지지 않았습니다", output.path)),
        }
    }
    for artifact in &artifacts {
        if !manifest.outputs.iter().any(|output| output.path == artifact.path) {
            differences.push(format!("{}: 기록에 없는 파일입니다", artifact.path));
        }
    }
    if let Some(target) = &arguments.to {
        for artifact in &artifacts {
            write_whole(&target.join(&artifact.path), &artifact.bytes)
                .map_err(|problem| Failure::with_exit(problem, exit::FAILED))?;
        }
    }
    if context.json {
        super::json(
            &json!({ "run": manifest.run, "same": differences.is_empty(), "outputs": manifest.outputs, "differences": differences }),
        )?;
    } else if differences.is_empty() {
        let mut text = format!("기록만으로 다시 만든 파일 {}개가 모두 같습니다.\n", artifacts.len());
        for output in &manifest.outputs {
            text.push_str(&format!("  {}  sha256:{}\n", output.path, output.sha256));
        }
        haechi_serving::answer(&text)?;
    } else {
        haechi_serving::answer(&differences.join("\n"))?;
    }
    if differences.is_empty() {
        return Ok(());
    }
    let problem = Problem::new(Code::Corrupt, "다시 만든 결과가 기록과 다릅니다");
    Err(Failure::with_exit(problem, exit::MISMATCH))
}

fn interrupted() -> Trouble {
    Trouble {
        code: "cancelled".into(), message: "중간에 멈췄습니다".into(), hint: None, exit: exit::INTERRUPTED
    }
}

/// Waits until a person or the system asks the run to stop.
async fn asked_to_stop() {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        let (Ok(mut terminate), Ok(mut hangup)) = (signal(SignalKind::terminate()), signal(SignalKind::hangup()))
        else {
            let _ = tokio::signal::ctrl_c().await;
            return;
        };
        tokio::select! {
            _ = tokio::signal::ctrl_c() => {}
            _ = terminate.recv() => {}
            _ = hangup.recv() => {}
        }
    }
    #[cfg(not(unix))]
    {
        let _ = tokio::signal::ctrl_c().await;
    }
}
