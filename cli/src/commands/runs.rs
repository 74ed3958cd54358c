//! `haechi runs`, `explain` and `verify`: what the records say.

use clap::{Args, Subcommand};
use haechi_contract::{Code, Problem, exit};
use haechi_serving::Failure;
use serde_json::{Value, json};

use super::Context;
use crate::job::sha256;
use crate::language::decimal::Decimal;
use crate::record::{EventKind, Recorded, list, verify_journal};
use crate::report::sources::written_time;
use crate::ui;
use crate::workflow::inputs::plain;
use crate::workspace::Workspace;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// 지난 실행들을 봅니다
    List,
    /// 실행 하나를 봅니다
    Show {
        /// 실행 ID(앞이나 뒤의 몇 글자, 또는 last)나 기록 폴더
        run: String,
    },
    /// 두 실행이 어떻게 다른지 봅니다
    Diff {
        /// 먼저 한 실행
        left: String,
        /// 나중에 한 실행
        right: String,
    },
}

#[derive(Debug, Args)]
pub(super) struct ExplainArguments {
    /// 실행 ID(앞이나 뒤의 몇 글자, 또는 last)나 기록 폴더
    run: String,
    /// 찾을 값 (예: "1,235억원", "0.69", "제35조")
    value: String,
}

#[derive(Debug, Args)]
pub(super) struct VerifyArguments {
    /// 실행 ID(앞이나 뒤의 몇 글자, 또는 last)나 기록 폴더
    run: String,
}

pub(super) fn run(context: &Context, command: &Command) -> Result<(), Failure> {
    let recorded = |run: &str| Recorded::read(&context.run(run)?.1);
    match command {
        Command::List => show_list(context, &context.workspace()?),
        Command::Show { run } => show(context, &recorded(run)?),
        Command::Diff { left, right } => diff(context, &recorded(left)?, &recorded(right)?),
    }
}

fn show_list(context: &Context, workspace: &Workspace) -> Result<(), Failure> {
    let mut rows = Vec::new();
    let mut listed = Vec::new();
    for id in list(workspace).into_iter().rev() {
        // One damaged record must not hide the others.
        let Ok(recorded) = Recorded::read(&workspace.runs().join(&id)) else {
            rows.push(vec![id.clone(), String::new(), "읽을 수 없음".into(), String::new(), String::new()]);
            listed.push(json!({ "run": id, "status": "unreadable" }));
            continue;
        };
        let status = recorded.manifest.as_ref().map_or("unfinished", |manifest| manifest.status.as_str());
        let inputs: Vec<String> =
            recorded.start.inputs.iter().map(|(name, value)| format!("{name}={}", plain(value))).collect();
        rows.push(vec![
            id.clone(),
            written_time(&recorded.start.started_at),
            status_word(status).into(),
            recorded.start.workflow.clone(),
            inputs.join(" "),
        ]);
        listed.push(json!({ "run": id, "status": status, "workflow": recorded.start.workflow, "started_at": recorded.start.started_at, "inputs": recorded.start.inputs }));
    }
    if context.json {
        return super::json(&json!({ "runs": listed }));
    }
    if rows.is_empty() {
        return haechi_serving::answer("아직 실행이 없습니다.");
    }
    haechi_serving::answer(&ui::columns(&["실행", "시각", "결과", "업무 흐름", "입력"], &rows))
}

fn status_word(status: &str) -> &str {
    match status {
        "whole" => "완료",
        "incomplete" => "일부 빠짐",
        "failed" => "실패",
        "interrupted" => "중단",
        "unfinished" => "끝나지 않음",
        "ok" => "됨",
        "skipped" => "건너뜀",
        "blocked" => "실행 안 됨",
        "recovered" => "대신함",
        "waiting" => "승인 기다림",
        "rejected" => "반려",
        other => other,
    }
}

fn show(context: &Context, recorded: &Recorded) -> Result<(), Failure> {
    if context.json {
        return super::json(&json!({
            "start": recorded.start,
            "manifest": recorded.manifest,
            "calls": recorded.events.iter().filter(|event| event.event == EventKind::Call).collect::<Vec<_>>(),
        }));
    }
    let start = &recorded.start;
    let mut text =
        format!("{} ({})\n실행 {} · {}\n", start.title, start.workflow, start.run, written_time(&start.started_at));
    for (name, value) in &start.inputs {
        text.push_str(&format!("  입력 {name} = {}\n", plain(value)));
    }
    match &recorded.manifest {
        Some(manifest) => {
            text.push_str(&format!("결과: {}\n", status_word(&manifest.status)));
            if let Some(problem) = &manifest.problem {
                text.push_str(&format!("  {} [{}]\n", problem.message, problem.code));
            }
            text.push('\n');
            let rows: Vec<Vec<String>> = manifest
                .steps
                .iter()
                .map(|(id, step)| {
                    let why =
                        step.problem.as_ref().map(|problem| problem.message.clone()).or_else(|| step.reason.clone());
                    vec![
                        id.clone(),
                        status_word(&step.status).into(),
                        ui::elapsed(step.elapsed_ms),
                        why.unwrap_or_default(),
                    ]
                })
                .collect();
            text.push_str(&ui::columns(&["단계", "결과", "시간", "비고"], &rows));
        }
        None => text.push_str("결과: 끝나지 않음 (`haechi resume`으로 이어 갈 수 있습니다)\n"),
    }
    text.push('\n');
    let rows: Vec<Vec<String>> = recorded
        .events
        .iter()
        .filter(|event| matches!(event.event, EventKind::Call | EventKind::Started))
        .map(|event| {
            let item = event.item.map(|item| format!("[{item}]")).unwrap_or_default();
            let outcome = match (event.event, &event.problem) {
                (EventKind::Started, _) => "끝나지 않음".to_owned(),
                (_, Some(problem)) => format!("실패 {}", problem.code),
                _ => {
                    format!("됨 {}", event.result_sha256.as_deref().and_then(|hash| hash.get(..12)).unwrap_or_default())
                }
            };
            vec![
                format!("{}{item}", event.step.clone().unwrap_or_default()),
                event.tool.clone().unwrap_or_default(),
                outcome,
                ui::elapsed(event.elapsed_ms.unwrap_or(0)),
                event.arguments.as_ref().map(ToString::to_string).unwrap_or_default(),
            ]
        })
        .collect();
    text.push_str(&ui::columns(&["호출한 단계", "도구", "결과", "시간", "준 값"], &rows));
    for output in recorded.manifest.iter().flat_map(|manifest| &manifest.outputs) {
        text.push_str(&format!("내보냄: {} (sha256:{})\n", output.path, output.sha256.get(..12).unwrap_or_default()));
    }
    haechi_serving::answer(&text)
}

/// What a step was answered, per call.
fn results(recorded: &Recorded) -> Result<Vec<(String, String, Value)>, Problem> {
    let mut results = Vec::new();
    for event in recorded.events.iter().filter(|event| event.event == EventKind::Call) {
        let Some(hash) = &event.result_sha256 else { continue };
        let value: Value = serde_json::from_slice(&recorded.blob(hash)?)
            .map_err(|_| Problem::new(Code::Corrupt, "기록된 결과를 읽을 수 없습니다"))?;
        let step = event.step.clone().unwrap_or_default();
        let item = event.item.map(|item| format!("[{item}]")).unwrap_or_default();
        results.push((
            format!("{step}{item}"),
            event.tool.clone().unwrap_or_default(),
            crate::answers::with_records(&value),
        ));
    }
    Ok(results)
}

fn diff(context: &Context, left: &Recorded, right: &Recorded) -> Result<(), Failure> {
    let mut changes: Vec<(String, String)> = Vec::new();
    let mut compare = |what: String, before: Option<String>, after: Option<String>| {
        if before != after {
            let shown = |value: Option<String>| value.unwrap_or_else(|| "없음".into());
            changes.push((what, format!("{} → {}", shown(before), shown(after))));
        }
    };
    let names = |one: &Recorded, other: &Recorded| {
        let mut names: Vec<String> = one.start.inputs.keys().cloned().collect();
        names.extend(other.start.inputs.keys().filter(|name| !one.start.inputs.contains_key(*name)).cloned());
        names
    };
    for name in names(left, right) {
        compare(
            format!("입력 {name}"),
            left.start.inputs.get(&name).map(plain),
            right.start.inputs.get(&name).map(plain),
        );
    }
    compare(
        "업무 흐름".into(),
        Some(sha256(left.workflow.as_bytes())[..12].to_owned()),
        Some(sha256(right.workflow.as_bytes())[..12].to_owned()),
    );
    if let (Some(before), Some(after)) = (&left.manifest, &right.manifest) {
        let (old, new) =
            (crate::job::identities_by_name(&before.servers), crate::job::identities_by_name(&after.servers));
        for name in old.keys().chain(new.keys().filter(|name| !old.contains_key(*name))) {
            let version = |server: Option<&&crate::mcp::ServerIdentity>| {
                server.map(|server| {
                    format!(
                        "{} {} 도구 {}",
                        server.program,
                        server.version,
                        server.tools_sha256.get(..12).unwrap_or_default()
                    )
                })
            };
            compare(format!("서버 {name}"), version(old.get(name)), version(new.get(name)));
        }
        for (step, summary) in &before.steps {
            let status = |summary: &crate::record::StepSummary| status_word(&summary.status).to_owned();
            compare(format!("단계 {step}"), Some(status(summary)), after.steps.get(step).map(status));
        }
    }
    let (old, new) = (results(left)?, results(right)?);
    for (step, _, before) in &old {
        if let Some((_, _, after)) = new.iter().find(|(other, ..)| other == step) {
            let mut parts = Vec::new();
            value_changes(&mut parts, "", before, after);
            let more = parts.len().saturating_sub(CHANGES_SHOWN);
            for (path, before, after) in parts.into_iter().take(CHANGES_SHOWN) {
                changes.push((format!("{step} {path}"), format!("{before} → {after}")));
            }
            if 0 < more {
                changes.push((step.clone(), format!("이 밖에 {more}곳이 다릅니다")));
            }
        }
    }
    if context.json {
        let list: Vec<_> = changes.iter().map(|(what, change)| json!({ "what": what, "change": change })).collect();
        return super::json(&json!({ "left": left.start.run, "right": right.start.run, "changes": list }));
    }
    if changes.is_empty() {
        return haechi_serving::answer("두 실행은 입력도 답도 같습니다.");
    }
    let rows: Vec<Vec<String>> = changes.into_iter().map(|(what, change)| vec![what, change]).collect();
    haechi_serving::answer(&ui::columns(&["무엇이", "어떻게"], &rows))
}

/// Differences of one answer that are listed one by one.
const CHANGES_SHOWN: usize = 20;

/// Every place where two answers differ: a record is known by its first text, else by its position.
fn value_changes(changes: &mut Vec<(String, String, String)>, path: &str, before: &Value, after: &Value) {
    let shown = |value: &Value| {
        let text = plain(value);
        if text.chars().count() <= 60 { text } else { format!("{}…", text.chars().take(60).collect::<String>()) }
    };
    match (before, after) {
        (Value::Object(old), Value::Object(new)) => {
            for (key, value) in old {
                let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                match new.get(key) {
                    Some(other) => value_changes(changes, &path, value, other),
                    None => changes.push((path, shown(value), "없음".into())),
                }
            }
            for (key, value) in new.iter().filter(|(key, _)| !old.contains_key(*key)) {
                changes.push((
                    if path.is_empty() { key.clone() } else { format!("{path}.{key}") },
                    "없음".into(),
                    shown(value),
                ));
            }
        }
        (Value::Array(old), Value::Array(new)) => {
            let name = |item: &Value, position: usize| {
                let label =
                    item.as_object().and_then(|record| record.values().find_map(Value::as_str)).map(ToOwned::to_owned);
                label.unwrap_or_else(|| position.to_string())
            };
            for (position, item) in old.iter().enumerate() {
                let label = name(item, position);
                let other = new.iter().enumerate().find(|(other, candidate)| name(candidate, *other) == label);
                match other {
                    Some((_, other)) => value_changes(changes, &format!("{path}[{label}]"), item, other),
                    None => changes.push((format!("{path}[{label}]"), shown(item), "없음".into())),
                }
            }
            for (position, item) in new.iter().enumerate() {
                let label = name(item, position);
                if !old.iter().enumerate().any(|(other, candidate)| name(candidate, other) == label) {
                    changes.push((format!("{path}[{label}]"), "없음".into(), shown(item)));
                }
            }
        }
        _ if before != after => changes.push((path.to_owned(), shown(before), shown(after))),
        _ => {}
    }
}

pub(super) fn explain(context: &Context, arguments: &ExplainArguments) -> Result<(), Failure> {
    let recorded = Recorded::read(&context.run(&arguments.run)?.1)?;
    let wanted = Wanted::new(&arguments.value);
    let mut found = Vec::new();
    for event in recorded.events.iter().filter(|event| event.event == EventKind::Call) {
        let Some(hash) = &event.result_sha256 else { continue };
        let value: Value = serde_json::from_slice(&recorded.blob(hash)?)
            .map_err(|_| Problem::new(Code::Corrupt, "기록된 결과를 읽을 수 없습니다"))?;
        let mut places = Vec::new();
        wanted.search(&mut places, "", &crate::answers::with_records(&value), None);
        for place in places.into_iter().take(PLACES_SHOWN) {
            found.push(json!({
                "step": event.step,
                "item": event.item,
                "tool": event.tool,
                "arguments": event.arguments,
                "at": event.at,
                "result_sha256": hash,
                "path": place.path,
                "value": place.value,
                "record": place.record,
                "citation": place.source.as_ref().map(|source| &source.0),
                "uri": place.source.as_ref().map(|source| &source.1),
            }));
        }
    }
    if context.json {
        super::json(&json!({ "value": arguments.value, "found": found }))?;
    } else if !found.is_empty() {
        let mut text = String::new();
        for place in &found {
            let word = |key: &str| place[key].as_str().unwrap_or_default().to_owned();
            text.push_str(&format!("{} = {}\n", word("path"), plain(&place["value"])));
            text.push_str(&format!("  단계 {} · {} {}\n", word("step"), word("tool"), place["arguments"]));
            if place["citation"].is_string() {
                text.push_str(&format!("  출처 {} ({})\n", word("citation"), word("uri")));
            }
            if place["record"].is_object() {
                text.push_str(&format!("  기록 {}\n", place["record"]));
            }
            text.push_str(&format!(
                "  {} · 결과 sha256:{}\n\n",
                written_time(&word("at")),
                word("result_sha256").get(..12).unwrap_or_default()
            ));
        }
        haechi_serving::answer(&text)?;
    }
    if found.is_empty() {
        let problem =
            Problem::new(Code::NotFound, format!("이 실행의 답에서 {}을(를) 찾지 못했습니다", arguments.value))
                .with_hint("합계처럼 계산한 값이면 더한 값들로 찾아보십시오");
        return Err(problem.into());
    }
    Ok(())
}

/// Places in one answer that are listed.
const PLACES_SHOWN: usize = 10;

struct Place {
    path: String,
    value: Value,
    record: Option<Value>,
    source: Option<(String, String)>,
}

/// A value as a report shows it: a text, and the numbers it may stand for.
struct Wanted {
    text: String,
    /// The number, how many digits after the point it is shown with, and by how many places the
    /// point of a recorded number moves left before the two are compared: 8 for 억원, -2 for %.
    numbers: Vec<(Decimal, u32, i32)>,
}

impl Wanted {
    fn new(written: &str) -> Self {
        let text = written.trim().to_owned();
        let bare = text.trim_end_matches(|letter: char| !letter.is_ascii_digit());
        let suffix = text[bare.len()..].trim();
        let mut numbers = Vec::new();
        if let Some(number) = Decimal::parse(bare) {
            let digits = bare.split_once('.').and_then(|(_, fraction)| u32::try_from(fraction.len()).ok()).unwrap_or(0);
            numbers.push((number, digits, 0));
            if suffix.starts_with('억') {
                numbers.push((number, digits, 8));
            }
            if suffix.starts_with('%') {
                numbers.push((number, digits, -2));
            }
        }
        Self { text, numbers }
    }

    fn fits(&self, value: &Value) -> bool {
        let number = match value {
            Value::Number(number) => Decimal::parse(&number.to_string()),
            Value::String(text) => Decimal::parse(text),
            _ => None,
        };
        if let Some(number) = number {
            return self.numbers.iter().any(|&(wanted, digits, places)| {
                let shown = match u32::try_from(places) {
                    Ok(places) => Some(number.shifted(places)),
                    Err(_) => number.times(Decimal::from_integer(100)),
                };
                shown.is_some_and(|shown| shown.rounded(digits) == wanted)
            });
        }
        value.as_str().is_some_and(|text| 2 <= self.text.chars().count() && text.contains(&self.text))
    }

    fn search(
        &self,
        places: &mut Vec<Place>,
        path: &str,
        value: &Value,
        above: Option<(&Value, Option<(String, String)>)>,
    ) {
        match value {
            Value::Object(map) => {
                let own = map.get("citation").and_then(Value::as_str).zip(map.get("uri").and_then(Value::as_str));
                let source = own
                    .map(|(citation, uri)| (citation.to_owned(), uri.to_owned()))
                    .or_else(|| above.as_ref().and_then(|(_, source)| source.clone()));
                for (key, item) in map {
                    let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                    self.search(places, &path, item, Some((value, source.clone())));
                }
            }
            Value::Array(items) => {
                for (position, item) in items.iter().enumerate() {
                    self.search(places, &format!("{path}[{position}]"), item, above.clone());
                }
            }
            leaf if self.fits(leaf) => {
                let (record, source) = above.map_or((None, None), |(record, source)| (Some(record), source));
                let flat = record.filter(|record| {
                    record.as_object().is_some_and(|map| {
                        map.len() <= 20 && map.values().all(|value| !value.is_array() && !value.is_object())
                    })
                });
                places.push(Place { path: path.to_owned(), value: leaf.clone(), record: flat.cloned(), source });
            }
            _ => {}
        }
    }
}

pub(super) fn verify(context: &Context, arguments: &VerifyArguments) -> Result<(), Failure> {
    let (workspace, path) = context.run(&arguments.run)?;
    let recorded = Recorded::read(&path)?;
    let Some(manifest) = &recorded.manifest else {
        return Err(Problem::new(Code::NotReady, "끝나지 않은 실행은 확인할 수 없습니다").into());
    };
    let mut wrong = Vec::new();
    let journal = std::fs::read_to_string(path.join("journal.jsonl")).unwrap_or_default();
    if let Err(broken) = verify_journal(&journal, &manifest.journal_sha256) {
        wrong.push(broken);
    }
    if sha256(recorded.workflow.as_bytes()) != manifest.workflow_sha256 {
        wrong.push("workflow.yaml이 바뀌었습니다".to_owned());
    }
    let hashes = recorded
        .events
        .iter()
        .filter(|event| event.event == EventKind::Call)
        .filter_map(|event| event.result_sha256.as_ref());
    for hash in hashes.chain(manifest.templates.values()) {
        if let Err(problem) = recorded.blob(hash) {
            wrong.push(problem.message);
        }
    }
    for output in &manifest.outputs {
        for (file, what) in [
            (workspace.folder().join(&output.path), "내보낸 파일"),
            (path.join("outputs").join(&output.path), "기록의 사본"),
        ] {
            match std::fs::read(&file) {
                Ok(bytes) if sha256(&bytes) == output.sha256 => {}
                Ok(_) => wrong.push(format!("{what} {}이(가) 바뀌었습니다", output.path)),
                Err(_) => wrong.push(format!("{what} {}이(가) 없습니다", output.path)),
            }
        }
    }
    wrong.dedup();
    if context.json {
        super::json(&json!({ "run": manifest.run, "whole": wrong.is_empty(), "wrong": wrong }))?;
    } else if wrong.is_empty() {
        haechi_serving::answer(&format!(
            "실행 {}: 기록과 내보낸 파일 {}개가 그대로입니다 (기록 끝 sha256:{})",
            manifest.run,
            manifest.outputs.len(),
            manifest.journal_sha256
        ))?;
    } else {
        haechi_serving::answer(&wrong.join("\n"))?;
    }
    if wrong.is_empty() {
        return Ok(());
    }
    Err(Failure::with_exit(
        Problem::new(Code::Corrupt, format!("맞지 않는 것이 {}가지 있습니다", wrong.len())),
        exit::MISMATCH,
    ))
}
