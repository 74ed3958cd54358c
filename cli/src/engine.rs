//! Runs a checked workflow: what can run runs side by side, and what came of it does not depend on
//! which answer came first.
//!
//! Invariant: the engine knows nothing of what a tool means. It evaluates expressions, makes calls
//! through [`Tools`], notes everything in the run's folder and remembers outcomes.

mod model;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use futures::stream::{FuturesUnordered, StreamExt};
use indexmap::IndexMap;
use minijinja::{Environment, Value};
use tokio::sync::Semaphore;

use crate::answers;
use crate::approvals::Approval;
use crate::language::data::{Misfit, evaluate, evaluate_value};
use crate::language::{Data, Fault, values};
use crate::record::{CallKey, Event, EventKind, RunFolder};
use crate::report::{self, CallRecord, Draft, Known, StepRecord};
use crate::shape;
use crate::state::{self, Item, Outcome, Status, Steps};
use crate::tools::Tools;
use crate::trouble::Trouble;
use crate::ui;
use crate::workflow::check::{Checked, template_mistake};
use crate::workflow::{Action, Approve, Call, Check, OnError, Render, Step};

/// More items than this in one `foreach` are refused.
const ITEMS_MAX: usize = 10_000;

/// Everything that a run has beside its workflow.
pub(crate) struct Run<'run> {
    pub checked: &'run Checked,
    /// The workflow's file name and text, for errors that point into it.
    pub file: &'run str,
    pub text: &'run str,
    pub inputs: &'run IndexMap<String, serde_json::Value>,
    pub id: &'run str,
    pub started_at: &'run str,
    pub folder: &'run RunFolder,
    pub tools: &'run Tools,
    /// What people decided so far.
    pub approvals: &'run [Approval],
    /// What the run before gave.
    pub previous: &'run serde_json::Value,
    pub quiet: bool,
}

/// What came of all steps, by position.
#[derive(Debug, Default)]
pub(crate) struct Ended {
    pub outcomes: Vec<Outcome>,
    pub calls: usize,
}

struct Engine<'run> {
    run: &'run Run<'run>,
    environment: Environment<'static>,
    base: [(&'static str, Value); 5],
    steps: Arc<Steps>,
    outcomes: Mutex<Vec<Option<Outcome>>>,
    calls: AtomicUsize,
    slots: Semaphore,
}

/// What an action gave, before the step's status is decided.
#[derive(Debug, Default)]
struct Done {
    out: Option<serde_json::Value>,
    calls: Vec<CallRecord>,
    draft: Option<Draft>,
    error: Option<Trouble>,
    /// A status that the action itself decides.
    status: Option<Status>,
    reason: Option<String>,
}

/// What an expression may name beside the common names.
#[derive(Clone, Default)]
struct Scope {
    names: Vec<(String, Value)>,
    item: Option<usize>,
    fallback: bool,
}

impl Run<'_> {
    /// Runs every step that can run.
    ///
    /// # Errors
    ///
    /// When the record of the run cannot be written; a failed step is no error here.
    pub(crate) async fn steps(&self) -> Result<Ended, Trouble> {
        let workflow = &self.checked.workflow;
        let steps = Arc::new(Steps::default());
        let base = state::names(workflow, self.inputs, self.id, self.started_at, &steps, self.previous);
        let engine = Engine {
            run: self,
            environment: crate::language::environment(),
            base,
            steps,
            outcomes: Mutex::new(vec![None; workflow.steps.len()]),
            calls: AtomicUsize::new(0),
            slots: Semaphore::new(workflow.defaults.parallel),
        };
        engine.all().await?;
        let outcomes = engine.outcomes.into_inner().unwrap_or_else(PoisonError::into_inner);
        Ok(Ended {
            outcomes: outcomes.into_iter().map(Option::unwrap_or_default).collect(),
            calls: engine.calls.into_inner(),
        })
    }
}

impl Engine<'_> {
    async fn all(&self) -> Result<(), Trouble> {
        let graph = &self.run.checked.graph;
        let mut waiting: Vec<usize> = graph.dependencies.iter().map(std::collections::BTreeSet::len).collect();
        let mut dependents = vec![Vec::new(); waiting.len()];
        for (step, needs) in graph.dependencies.iter().enumerate() {
            for &need in needs {
                dependents[need].push(step);
            }
        }
        let mut running: FuturesUnordered<_> =
            graph.order.iter().filter(|&&step| waiting[step] == 0).map(|&step| self.step(step)).collect();
        while let Some(ended) = running.next().await {
            let position = ended?;
            for &dependent in &dependents[position] {
                waiting[dependent] -= 1;
                if waiting[dependent] == 0 {
                    running.push(self.step(dependent));
                }
            }
        }
        Ok(())
    }

    fn outcome<T>(&self, position: usize, read: impl FnOnce(&Outcome) -> T) -> Option<T> {
        let outcomes = self.outcomes.lock().unwrap_or_else(PoisonError::into_inner);
        outcomes.get(position).and_then(Option::as_ref).map(read)
    }

    /// Runs one step and notes what came of it; the error is that of the record, not of the step.
    async fn step(&self, position: usize) -> Result<usize, Trouble> {
        let step = &self.run.checked.workflow.steps[position];
        let started = Instant::now();
        let mut outcome = self.attempt(position, step).await?;
        outcome.elapsed_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
        let event = Event {
            step: Some(step.id.clone()),
            status: Some(outcome.status().as_str().to_owned()),
            problem: outcome.error.clone(),
            reason: outcome.reason.clone(),
            elapsed_ms: Some(outcome.elapsed_ms),
            result_sha256: match &outcome.out {
                Some(out) if !matches!(step.action, Action::Call(_)) => {
                    Some(self.run.folder.blob(out.to_string().as_bytes())?)
                }
                _ => None,
            },
            ..Event::new(EventKind::Step)
        };
        self.run.folder.note(event)?;
        if !self.run.quiet {
            self.tell(step, &outcome);
        }
        self.steps.insert(&step.id, &outcome);
        self.outcomes.lock().unwrap_or_else(PoisonError::into_inner)[position] = Some(outcome);
        Ok(position)
    }

    fn tell(&self, step: &Step, outcome: &Outcome) {
        let (mark, word) = match outcome.status() {
            Status::Ok => ("✓", ui::elapsed(outcome.elapsed_ms)),
            Status::Recovered => ("↺", format!("대신함 {}", ui::elapsed(outcome.elapsed_ms))),
            Status::Skipped => ("–", "건너뜀".to_owned()),
            Status::Blocked => ("–", "실행되지 않음".to_owned()),
            Status::Failed => ("✗", "실패".to_owned()),
            Status::Waiting => ("…", "승인을 기다림".to_owned()),
            Status::Rejected => ("✗", "반려됨".to_owned()),
        };
        let count = if step.foreach.is_some() { format!(" [{}건]", outcome.items.len()) } else { String::new() };
        ui::line(&format!("  {mark} {}{count}  {word}", step.shown()));
        if let Some(error) = outcome.error.as_ref().filter(|_| outcome.status() == Status::Failed) {
            ui::line(&format!("      {}", error.message));
        }
    }

    async fn attempt(&self, position: usize, step: &Step) -> Result<Outcome, Trouble> {
        let workflow = &self.run.checked.workflow;
        for &need in &self.run.checked.graph.dependencies[position] {
            let other = &workflow.steps[need];
            let blocked = self
                .outcome(need, |outcome| match outcome.status() {
                    Status::Blocked | Status::Waiting | Status::Rejected => true,
                    Status::Failed => !matches!(other.on_error, Some(OnError::Continue)),
                    _ => false,
                })
                .unwrap_or(true);
            if blocked {
                let reason = format!("`{}` 단계가 끝나지 못했습니다", other.shown());
                return Ok(Outcome { reason: Some(reason), ..Outcome::of(Status::Blocked) });
            }
        }
        let scope = Scope::default();
        if let Some(when) = &step.when {
            match evaluate_value(&self.environment, when, &self.context(&scope)) {
                Ok(value) if value.is_true() => {}
                Ok(_) => {
                    let reason = step.reason.clone().unwrap_or_else(|| format!("조건이 맞지 않음: {}", when.text));
                    return Ok(Outcome { reason: Some(reason), ..Outcome::of(Status::Skipped) });
                }
                Err(misfit) => {
                    let error = self.misfit(&misfit);
                    return Ok(Outcome { error: Some(error), ..Outcome::of(Status::Failed) });
                }
            }
        }
        if step.foreach.is_some() {
            return self.each(step).await;
        }
        let (status, done) = self.guarded(step, scope).await?;
        Ok(Outcome {
            status: Some(status),
            out: done.out,
            error: done.error,
            reason: done.reason,
            calls: done.calls,
            draft: done.draft,
            ..Outcome::default()
        })
    }

    async fn each(&self, step: &Step) -> Result<Outcome, Trouble> {
        let Some(foreach) = &step.foreach else { return Ok(Outcome::of(Status::Failed)) };
        let list = match evaluate(&self.environment, &foreach.list, &self.context(&Scope::default())) {
            Ok(serde_json::Value::Array(list)) if list.len() <= ITEMS_MAX => list,
            Ok(serde_json::Value::Array(list)) => {
                let error =
                    Trouble::denied(format!("`foreach`의 항목이 {}개로 상한 {ITEMS_MAX}개를 넘습니다", list.len()));
                return Ok(Outcome { error: Some(error), ..Outcome::of(Status::Failed) });
            }
            Ok(_) => {
                let error = self.misfit(&Misfit {
                    source: foreach.list.clone(),
                    fault: Fault::plain("`foreach`에는 목록이 와야 합니다"),
                });
                return Ok(Outcome { error: Some(error), ..Outcome::of(Status::Failed) });
            }
            Err(misfit) => return Ok(Outcome { error: Some(self.misfit(&misfit)), ..Outcome::of(Status::Failed) }),
        };
        let tasks = list.into_iter().enumerate().map(|(index, item)| {
            let scope = Scope {
                names: vec![(foreach.name.clone(), values::from_json(&item)), ("index".to_owned(), Value::from(index))],
                item: Some(index),
                fallback: false,
            };
            async move { self.guarded(step, scope).await.map(|(status, done)| (item, status, done)) }
        });
        // In the order of the list, so that the first failure is the same in every run.
        let mut running = futures::stream::iter(tasks).buffered(foreach.parallel);
        let mut outcome = Outcome::of(Status::Ok);
        let mut outs = Vec::new();
        while let Some(ended) = running.next().await {
            let (item, status, done) = ended?;
            let sources = done.calls.iter().flat_map(|call| call.sources.clone()).collect();
            outcome.calls.extend(done.calls);
            if status.answered() {
                outs.push(done.out.clone().unwrap_or_default());
            }
            outcome.items.push(Item { item, status, out: done.out, sources, error: done.error.clone() });
            match status {
                Status::Recovered => {
                    outcome.status = Some(Status::Recovered);
                    outcome.error = outcome.error.or(done.error);
                }
                Status::Failed => {
                    outcome.error = outcome.error.or(done.error);
                    if matches!(step.on_error, Some(OnError::Continue)) {
                        outcome.status = Some(Status::Failed);
                        continue;
                    }
                    outcome.status = Some(Status::Failed);
                    break;
                }
                _ => {}
            }
        }
        drop(running);
        outcome.out = Some(outs.into());
        Ok(outcome)
    }

    /// Runs the action of a step and, where it fails, its fallback.
    async fn guarded(&self, step: &Step, scope: Scope) -> Result<(Status, Done), Trouble> {
        let mut done = self.action(step, &step.action, &scope).await?;
        if done.error.is_none()
            && let (Some(schema), Some(out)) = (&step.expect, &done.out)
            && let Some(mismatch) = shape::mismatches(schema, out, &[]).into_iter().next()
        {
            done.error = Some(Trouble::failed("unexpected", format!("답이 `expect`와 다릅니다: {}", mismatch.message)));
        }
        if let Some(status) = done.status {
            return Ok((status, done));
        }
        let Some(error) = done.error.clone() else { return Ok((Status::Ok, done)) };
        let Some(OnError::Fallback(action)) = &step.on_error else { return Ok((Status::Failed, done)) };
        let mut names = scope.names.clone();
        names.push(("error".to_owned(), state::trouble(&error)));
        let scope = Scope { names, fallback: true, ..scope };
        let mut other = self.action(step, action, &scope).await?;
        let status = if other.error.is_none() { Status::Recovered } else { Status::Failed };
        // Why the fallback was needed is worth more than how it went.
        other.error = other.error.or(Some(error));
        done.calls.append(&mut other.calls);
        Ok((status, Done { calls: done.calls, ..other }))
    }

    async fn action(&self, step: &Step, action: &Action, scope: &Scope) -> Result<Done, Trouble> {
        match action {
            Action::Call(call) => self.call(step, call, scope).await,
            Action::Set(data) => Ok(self.set(data, scope)),
            Action::Assert(checks) => Ok(self.assert(checks, scope)),
            Action::Render(render) => Ok(self.render(render, scope)),
            Action::Approve(approve) => Ok(self.approve(step, approve, scope)),
            Action::Model(asked) => self.model(step, asked, scope).await,
        }
    }

    fn set(&self, data: &Data, scope: &Scope) -> Done {
        match data.evaluate(&self.environment, &self.context(scope)) {
            Ok(value) => Done { out: Some(value), ..Done::default() },
            Err(misfit) => Done { error: Some(self.misfit(&misfit)), ..Done::default() },
        }
    }

    fn assert(&self, checks: &[Check], scope: &Scope) -> Done {
        let context = self.context(scope);
        let mut results = Vec::new();
        let mut failed: Vec<String> = Vec::new();
        for check in checks {
            let passed = match evaluate_value(&self.environment, &check.that, &context) {
                Ok(value) => value.is_true(),
                Err(misfit) => return Done { error: Some(self.misfit(&misfit)), ..Done::default() },
            };
            let message = match check.message.evaluate(&self.environment, &context) {
                Ok(message) => crate::workflow::inputs::plain(&message),
                Err(misfit) => return Done { error: Some(self.misfit(&misfit)), ..Done::default() },
            };
            if !passed && !check.warning {
                failed.push(message.clone());
            }
            let level = if check.warning { "warn" } else { "error" };
            results.push(serde_json::json!({ "message": message, "passed": passed, "level": level }));
        }
        let passed = results.iter().all(|result| result["passed"] == true);
        let error = (!failed.is_empty()).then(|| Trouble::failed("check_failed", failed.join("; ")));
        Done { out: Some(serde_json::json!({ "passed": passed, "checks": results })), error, ..Done::default() }
    }

    /// Looks for a decision about exactly what this run would show.
    fn approve(&self, step: &Step, approve: &Approve, scope: &Scope) -> Done {
        let shown_sha256 = crate::job::sha256(self.shown(approve).to_string().as_bytes());
        let message = match &approve.message {
            Some(message) => match message.evaluate(&self.environment, &self.context(scope)) {
                Ok(message) => crate::workflow::inputs::plain(&message),
                Err(misfit) => return Done { error: Some(self.misfit(&misfit)), ..Done::default() },
            },
            None => format!("{} 단계의 승인", step.shown()),
        };
        let mut about = self.run.approvals.iter().filter(|approval| approval.step == step.id).peekable();
        let asked_before = about.peek().is_some();
        let decided = about.rfind(|approval| approval.shown_sha256 == shown_sha256);
        let out = serde_json::json!({
            "message": message,
            "shown_sha256": shown_sha256,
            "approved": decided.map(|approval| approval.approved),
            "by": decided.map(|approval| &approval.by),
            "role": decided.and_then(|approval| approval.role.as_ref()),
            "at": decided.map(|approval| &approval.at),
            "note": decided.and_then(|approval| approval.note.as_ref()),
        });
        match decided {
            Some(approval) if approval.approved => Done { out: Some(out), ..Done::default() },
            Some(approval) => {
                let note = approval.note.as_ref().map(|note| format!(": {note}")).unwrap_or_default();
                let error = Trouble {
                    code: "rejected".into(),
                    message: format!("{}이(가) 반려했습니다{note}", approval.by),
                    hint: None,
                    exit: haechi_contract::exit::REJECTED,
                };
                Done { out: Some(out), error: Some(error), status: Some(Status::Rejected), ..Done::default() }
            }
            None => {
                let reason = if asked_before {
                    "승인한 뒤에 내용이 바뀌어 다시 승인을 받아야 합니다".to_owned()
                } else {
                    message
                };
                Done { out: Some(out), status: Some(Status::Waiting), reason: Some(reason), ..Done::default() }
            }
        }
    }

    /// What a person is shown before deciding.
    fn shown(&self, approve: &Approve) -> serde_json::Value {
        let steps = &self.run.checked.workflow.steps;
        let outcomes = self.outcomes.lock().unwrap_or_else(PoisonError::into_inner);
        approve
            .show
            .iter()
            .filter_map(|(id, _)| steps.iter().position(|other| &other.id == id))
            .map(|position| {
                let outcome = outcomes[position].as_ref();
                serde_json::json!({
                    "step": steps[position].id,
                    "status": outcome.map(|outcome| outcome.status().as_str()),
                    "out": outcome.and_then(|outcome| outcome.out.as_ref()),
                })
            })
            .collect()
    }

    fn render(&self, render: &Render, scope: &Scope) -> Done {
        let mut scope = scope.clone();
        if let Some(data) = &render.data {
            match data.evaluate(&self.environment, &self.context(&scope)) {
                Ok(value) => scope.names.push(("data".to_owned(), values::from_json(&value))),
                Err(misfit) => return Done { error: Some(self.misfit(&misfit)), ..Done::default() },
            }
        }
        let known = Arc::new(self.known());
        match report::render(&self.run.checked.templates, &render.template, &self.context(&scope), &known) {
            Ok(draft) => {
                let text: String = report::markup::pieces(&draft.text)
                    .into_iter()
                    .filter_map(|piece| match piece {
                        report::markup::Piece::Text(text) => Some(text),
                        report::markup::Piece::Mark(_) => None,
                    })
                    .collect();
                Done { out: Some(serde_json::json!({ "text": text })), draft: Some(draft), ..Done::default() }
            }
            Err(fault) => {
                let name = fault.template.clone().unwrap_or_else(|| render.template.clone());
                let text = self.run.checked.templates.get(&name).map(String::as_str).unwrap_or_default();
                let mistake = template_mistake(&name, text, &fault);
                let (line, _) = mistake.position("");
                let error = Trouble::failed("template", format!("틀 {name} {line}번째 줄: {}", fault.message))
                    .hint(format!("\n{}", mistake.draw(&name, text)));
                Done { error: Some(error), ..Done::default() }
            }
        }
    }

    /// What reports may cite: the recorded calls of every step that has ended.
    fn known(&self) -> Known {
        let outcomes = self.outcomes.lock().unwrap_or_else(PoisonError::into_inner);
        known(&self.run.checked.workflow.steps, outcomes.iter().map(Option::as_ref))
    }

    async fn call(&self, step: &Step, call: &Call, scope: &Scope) -> Result<Done, Trouble> {
        let failed = |error: Trouble| Ok(Done { error: Some(error), ..Done::default() });
        let arguments = match call.arguments.evaluate(&self.environment, &self.context(scope)) {
            Ok(arguments) => arguments,
            Err(misfit) => return failed(self.misfit(&misfit)),
        };
        let key = CallKey { step: step.id.clone(), item: scope.item, fallback: scope.fallback, attempt: 1 };
        let (info, read_only) = match self.run.tools.info(&key, &call.server, &call.tool, &arguments).await {
            Ok(known) => known,
            Err(error) => return failed(error),
        };
        if let Some(info) = &info
            && let Some(mismatch) = shape::mismatches(&info.input_schema, &arguments, &[]).into_iter().next()
        {
            let mut error = Trouble::failed(
                "invalid_input",
                format!("`{}.{}`에 줄 값이 맞지 않습니다: {}", call.server, call.tool, mismatch.message),
            );
            error.hint = mismatch.hint;
            return failed(error);
        }
        let defaults = &self.run.checked.workflow.defaults;
        let retry = step.retry.as_ref().unwrap_or(&defaults.retry);
        let timeout = step.timeout.unwrap_or(defaults.timeout);
        let mut attempt = 1;
        loop {
            let ended =
                self.once(step, (&call.server, &call.tool), scope, &arguments, attempt, timeout, read_only).await?;
            let again = match &ended.error {
                Some(error) => attempt < retry.attempts && read_only && retry.on.contains(&error.code),
                None => false,
            };
            if !again {
                return Ok(ended);
            }
            attempt += 1;
            // A replay has its answers already, so it waits for nothing.
            if self.run.tools.pool.is_some() {
                tokio::time::sleep(retry.wait(attempt)).await;
            }
        }
    }

    #[expect(clippy::too_many_arguments, reason = "one call with all that decides it")]
    async fn once(
        &self,
        step: &Step,
        (server, tool): (&str, &str),
        scope: &Scope,
        arguments: &serde_json::Value,
        attempt: u32,
        timeout: std::time::Duration,
        read_only: bool,
    ) -> Result<Done, Trouble> {
        let key = CallKey { step: step.id.clone(), item: scope.item, fallback: scope.fallback, attempt };
        let limit = self.run.checked.workflow.calls_max;
        if limit <= self.calls.fetch_add(1, Ordering::Relaxed) {
            self.calls.fetch_sub(1, Ordering::Relaxed);
            let error = Trouble::denied(format!("도구 호출이 상한 {limit}회를 넘으려 합니다"))
                .hint("`policy.calls_max`를 늘리거나 되풀이를 줄이십시오");
            return Ok(Done { error: Some(error), ..Done::default() });
        }
        let Ok(_slot) = self.slots.acquire().await else {
            return Err(Trouble::failed("internal", "내부 오류: 호출 순번을 얻지 못했습니다"));
        };
        let event = Event {
            step: Some(key.step.clone()),
            item: key.item,
            fallback: key.fallback,
            attempt: (1 < attempt).then_some(attempt),
            tool: Some(format!("{}.{}", server, tool)),
            arguments: Some(arguments.clone()),
            read_only: Some(read_only),
            ..Event::new(EventKind::Started)
        };
        self.run.folder.note(event.clone())?;
        let called = self.run.tools.call(&key, server, tool, arguments, timeout).await;
        let mut event =
            Event { event: EventKind::Call, at: called.at.clone(), elapsed_ms: Some(called.elapsed_ms), ..event };
        match called.answer {
            Ok(answer) => {
                let hash = self.run.folder.blob(answer.to_string().as_bytes())?;
                let sources = answers::sources(&answer);
                event.status = Some("ok".into());
                event.result_sha256 = Some(hash.clone());
                event.citations = Some(sources.iter().map(|source| source.citation.clone()).collect());
                self.run.folder.note(event)?;
                let record = CallRecord {
                    server: server.to_owned(),
                    tool: tool.to_owned(),
                    arguments: arguments.clone(),
                    at: called.at,
                    result_sha256: hash,
                    sources,
                };
                Ok(Done { out: Some(answers::with_records(&answer)), calls: vec![record], ..Done::default() })
            }
            Err(error) => {
                event.status = Some("failed".into());
                event.problem = Some(error.clone());
                self.run.folder.note(event)?;
                Ok(Done { error: Some(error), ..Done::default() })
            }
        }
    }

    fn context(&self, scope: &Scope) -> Value {
        let common = self.base.iter().map(|(name, value)| ((*name).to_owned(), value.clone()));
        Value::from_pairs(common.chain(scope.names.iter().cloned()))
    }

    /// A fault in the workflow file that shows only at run time, at its place.
    fn misfit(&self, misfit: &Misfit) -> Trouble {
        let diagnostic = misfit.source.diagnostic(&misfit.fault);
        let (line, column) = diagnostic.position(self.run.text);
        let hint = format!("\n{}", diagnostic.draw(self.run.file, self.run.text));
        Trouble::failed("expression", format!("{}:{line}:{column}: {}", self.run.file, misfit.fault.message)).hint(hint)
    }
}

/// What a report may cite, from outcomes by position.
pub(crate) fn known<'all>(steps: &[Step], outcomes: impl Iterator<Item = Option<&'all Outcome>>) -> Known {
    steps
        .iter()
        .zip(outcomes)
        .filter_map(|(step, outcome)| {
            let record = StepRecord { title: step.shown().to_owned(), calls: outcome?.calls.clone() };
            Some((step.id.clone(), record))
        })
        .collect()
}
