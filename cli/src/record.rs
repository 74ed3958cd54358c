//! The folder of a run: what was asked, every call, what came out, tied together by hashes.
//!
//! While a run goes on its journal is appended to as things happen, so that a crash loses nothing.
//! When it ends, the journal is rewritten in the order of the plan, each line carrying the hash of
//! the one before, and the manifest is written last: a folder without a manifest did not end.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use haechi_contract::{Code, Problem};
use indexmap::IndexMap;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::approvals::Approval;
use crate::mcp::{ServerIdentity, hex};
use crate::trouble::Trouble;
use crate::workspace::{Workspace, reason, unwritable, write_whole};

/// One line of a journal. Fields that only a later version knows are kept out of old readers' way.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Event {
    pub event: EventKind,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub item: Option<usize>,
    #[serde(default, skip_serializing_if = "is_false")]
    pub fallback: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempt: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub arguments: Option<Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub read_only: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result_sha256: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub citations: Option<Vec<String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<Trouble>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server: Option<ServerIdentity>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    pub at: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub elapsed_ms: Option<u64>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature that serde asks for")]
fn is_false(value: &bool) -> bool {
    !value
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum EventKind {
    Run,
    Server,
    /// A call that was made and has not ended; gone from a finished journal.
    Started,
    Call,
    Step,
    Output,
    End,
}

impl Event {
    pub(crate) fn new(event: EventKind) -> Self {
        Self {
            event,
            step: None,
            item: None,
            fallback: false,
            attempt: None,
            tool: None,
            arguments: None,
            read_only: None,
            status: None,
            result_sha256: None,
            citations: None,
            problem: None,
            reason: None,
            server: None,
            path: None,
            at: now(),
            elapsed_ms: None,
        }
    }

    /// What tells one call of a run from another.
    pub(crate) fn key(&self) -> CallKey {
        CallKey {
            step: self.step.clone().unwrap_or_default(),
            item: self.item,
            fallback: self.fallback,
            attempt: self.attempt.unwrap_or(1),
        }
    }
}

/// The place of a call in a run.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct CallKey {
    pub step: String,
    pub item: Option<usize>,
    pub fallback: bool,
    pub attempt: u32,
}

/// What ties a run together; written last.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Manifest {
    pub run: String,
    pub workflow: String,
    pub title: String,
    pub status: String,
    pub exit: u8,
    pub started_at: String,
    pub finished_at: String,
    pub haechi: String,
    pub user: String,
    pub workflow_sha256: String,
    pub inputs: IndexMap<String, Value>,
    pub templates: IndexMap<String, String>,
    pub servers: Vec<ServerIdentity>,
    pub steps: IndexMap<String, StepSummary>,
    pub outputs: Vec<OutputSummary>,
    pub calls: usize,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub approvals: Vec<Approval>,
    /// The hash of the last line of the journal.
    pub journal_sha256: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<Trouble>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct StepSummary {
    pub status: String,
    pub elapsed_ms: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<Trouble>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct OutputSummary {
    pub from: String,
    pub path: String,
    pub sha256: String,
    pub bytes: usize,
}

/// What a run starts from; written first.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Start {
    pub run: String,
    pub workflow: String,
    pub title: String,
    pub started_at: String,
    pub inputs: IndexMap<String, Value>,
    /// Where the workflow file lay, for templates and people.
    pub file: String,
    pub templates: IndexMap<String, String>,
    pub user: String,
    pub haechi: String,
    /// The answers of the run before, as this run saw them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous_sha256: Option<String>,
}

/// The folder of one run.
#[derive(Debug)]
pub(crate) struct RunFolder {
    path: PathBuf,
    journal: Mutex<File>,
    events: Mutex<Vec<Event>>,
}

impl RunFolder {
    /// Makes the folder of a new run and writes what it starts from.
    ///
    /// # Errors
    ///
    /// When the workspace cannot be written.
    pub(crate) fn create(
        workspace: &Workspace,
        start: &Start,
        workflow: &str,
        templates: &IndexMap<String, String>,
        previous: Option<&[u8]>,
    ) -> Result<Self, Problem> {
        let path = workspace.runs().join(&start.run);
        for folder in ["blobs/sha256", "stderr", "outputs"] {
            let folder = path.join(folder);
            std::fs::create_dir_all(&folder).map_err(|error| unwritable(&folder, &error))?;
        }
        // Records of a run hold what the servers answered; they do not belong in a repository.
        if let Some(state) = workspace.runs().parent() {
            let ignore = state.join(".gitignore");
            if !ignore.exists() {
                write_whole(&ignore, b"*\n")?;
            }
        }
        write_whole(&path.join("workflow.yaml"), workflow.as_bytes())?;
        write_whole(&path.join("run.json"), &pretty(start))?;
        let folder = Self::open(path)?;
        for bytes in templates.values().map(String::as_bytes).chain(previous) {
            folder.blob(bytes)?;
        }
        Ok(folder)
    }

    /// Opens the folder of a run that did not end, to go on with it.
    ///
    /// # Errors
    ///
    /// When its journal cannot be written.
    pub(crate) fn open(path: PathBuf) -> Result<Self, Problem> {
        let file = path.join("journal.jsonl");
        let journal = std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(&file)
            .map_err(|error| unwritable(&file, &error))?;
        let written = file.metadata().is_ok_and(|metadata| 0 < metadata.len());
        let events = if written { read_events(&path)? } else { Vec::new() };
        // A line that a crash cut off is dropped, or the next one would be written behind it.
        if written {
            let text = read(&file)?;
            let whole = text.rfind('\n').map_or(0, |at| at + 1);
            if whole < text.len() {
                let cut = u64::try_from(whole).unwrap_or(0);
                journal.set_len(cut).map_err(|error| unwritable(&file, &error))?;
            }
        }
        Ok(Self { path, journal: Mutex::new(journal), events: Mutex::new(events) })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Notes what happened, at once.
    ///
    /// # Errors
    ///
    /// When the disk refuses: a run whose record is lost must not go on.
    pub(crate) fn note(&self, event: Event) -> Result<(), Problem> {
        let mut line = serde_json::to_vec(&event).map_err(|_| Problem::internal())?;
        line.push(b'\n');
        let written = self.journal.lock().unwrap_or_else(PoisonError::into_inner).write_all(&line);
        written.map_err(|error| unwritable(&self.path.join("journal.jsonl"), &error))?;
        self.events.lock().unwrap_or_else(PoisonError::into_inner).push(event);
        Ok(())
    }

    /// Keeps bytes under their hash and gives the hash.
    ///
    /// # Errors
    ///
    /// When the disk refuses.
    pub(crate) fn blob(&self, bytes: &[u8]) -> Result<String, Problem> {
        let hash = hex(&Sha256::digest(bytes));
        let path = blob_path(&self.path, &hash);
        if !path.exists() {
            // The name is the check: a file cut short by a crash does not have its hash.
            let temporary = path.with_extension("partial");
            let write = || {
                std::fs::write(&temporary, bytes)?;
                std::fs::rename(&temporary, &path)
            };
            write().map_err(|error| unwritable(&path, &error))?;
        }
        Ok(hash)
    }

    /// Ends the record: the journal in its final order, then the manifest.
    ///
    /// # Errors
    ///
    /// When the disk refuses.
    pub(crate) fn finish(&self, order: &[&str], mut manifest: Manifest) -> Result<(), Problem> {
        let events = std::mem::take(&mut *self.events.lock().unwrap_or_else(PoisonError::into_inner));
        let (text, head) = final_journal(events, order);
        write_whole(&self.path.join("journal.jsonl"), text.as_bytes())?;
        manifest.journal_sha256 = head;
        write_whole(&self.path.join("manifest.json"), &pretty(&manifest))
    }
}

fn blob_path(run: &Path, hash: &str) -> PathBuf {
    run.join("blobs/sha256").join(hash)
}

fn pretty(value: &impl Serialize) -> Vec<u8> {
    let mut bytes = serde_json::to_vec_pretty(value).unwrap_or_default();
    bytes.push(b'\n');
    bytes
}

/// The journal in the order of the plan, each line with its number, the hash of the line before
/// and its own.
fn final_journal(mut events: Vec<Event>, order: &[&str]) -> (String, String) {
    let ended: std::collections::HashSet<CallKey> =
        events.iter().filter(|event| event.event == EventKind::Call).map(Event::key).collect();
    events.retain(|event| event.event != EventKind::Started || !ended.contains(&event.key()));
    // A resumed run notes again what it took over; of a step and of the end, the last word counts.
    let mut seen = std::collections::HashSet::new();
    let mut kept: Vec<Event> = Vec::with_capacity(events.len());
    for event in events.into_iter().rev() {
        let identity = match event.event {
            EventKind::Step => format!("step {:?}", event.step),
            EventKind::End => "end".to_owned(),
            EventKind::Run => "run".to_owned(),
            EventKind::Server => format!("server {:?}", event.server.as_ref().map(|server| &server.name)),
            EventKind::Output => format!("output {:?}", event.path),
            EventKind::Started | EventKind::Call => serde_json::to_string(&event).unwrap_or_default(),
        };
        if seen.insert(identity) {
            kept.push(event);
        }
    }
    kept.reverse();
    let mut events = kept;
    let places: std::collections::HashMap<&str, usize> =
        order.iter().enumerate().map(|(place, id)| (*id, place)).collect();
    let position = |event: &Event| {
        let step = event.step.as_deref().and_then(|step| places.get(step).copied());
        match event.event {
            EventKind::Run => (0, 0, 0),
            EventKind::Server => (1, 0, 0),
            EventKind::Started | EventKind::Call => (2, step.unwrap_or(usize::MAX), 0),
            EventKind::Step => (2, step.unwrap_or(usize::MAX), 1),
            EventKind::Output => (3, 0, 0),
            EventKind::End => (4, 0, 0),
        }
    };
    events.sort_by(|left, right| {
        let name = |event: &Event| event.server.as_ref().map(|server| server.name.clone());
        (position(left), name(left), left.item, left.fallback, left.attempt).cmp(&(
            position(right),
            name(right),
            right.item,
            right.fallback,
            right.attempt,
        ))
    });
    let mut text = String::new();
    let mut previous = "0".repeat(64);
    for (number, event) in events.iter().enumerate() {
        let mut line = serde_json::Map::new();
        line.insert("seq".into(), (number + 1).into());
        if let Ok(Value::Object(fields)) = serde_json::to_value(event) {
            line.extend(fields);
        }
        line.insert("previous".into(), previous.clone().into());
        let hash = hex(&Sha256::digest(Value::Object(line.clone()).to_string().as_bytes()));
        line.insert("hash".into(), hash.clone().into());
        text.push_str(&Value::Object(line).to_string());
        text.push('\n');
        previous = hash;
    }
    (text, previous)
}

/// Whether a finished journal is whole: the first line that does not fit is named.
///
/// # Errors
///
/// A Korean sentence with the number of the line.
pub(crate) fn verify_journal(text: &str, head: &str) -> Result<(), String> {
    let mut previous = "0".repeat(64);
    for (number, line) in text.lines().enumerate() {
        let number = number + 1;
        let broken = |why: &str| format!("journal.jsonl {number}번째 줄: {why}");
        let Ok(Value::Object(mut fields)) = serde_json::from_str::<Value>(line) else {
            return Err(broken("JSON이 아닙니다"));
        };
        let hash = fields.shift_remove("hash").and_then(|hash| hash.as_str().map(ToOwned::to_owned));
        if fields.get("seq").and_then(Value::as_u64) != u64::try_from(number).ok() {
            return Err(broken("번호가 이어지지 않습니다 (줄이 빠졌거나 순서가 바뀜)"));
        }
        if fields.get("previous").and_then(Value::as_str) != Some(previous.as_str()) {
            return Err(broken("앞줄의 해시와 맞지 않습니다"));
        }
        let computed = hex(&Sha256::digest(Value::Object(fields).to_string().as_bytes()));
        if hash.as_deref() != Some(computed.as_str()) {
            return Err(broken("내용이 바뀌었습니다"));
        }
        previous = computed;
    }
    if previous == head { Ok(()) } else { Err("journal.jsonl의 끝이 잘렸습니다".to_owned()) }
}

fn read_events(run: &Path) -> Result<Vec<Event>, Problem> {
    let path = run.join("journal.jsonl");
    let text = read(&path)?;
    let mut events = Vec::new();
    for (number, line) in text.lines().enumerate() {
        match serde_json::from_str(line) {
            Ok(event) => events.push(event),
            // A crash in the middle of a line leaves its beginning; only the last may be so.
            Err(_) if number + 1 == text.lines().count() && !text.ends_with('\n') => {}
            Err(_) => {
                return Err(Problem::new(
                    Code::Corrupt,
                    format!("실행 기록의 {}번째 줄을 읽을 수 없습니다", number + 1),
                ));
            }
        }
    }
    Ok(events)
}

fn read(path: &Path) -> Result<String, Problem> {
    std::fs::read_to_string(path).map_err(|error| {
        Problem::new(Code::Unreadable, format!("{}을(를) 읽을 수 없습니다: {}", path.display(), reason(&error)))
    })
}

/// A run as it was recorded.
#[derive(Debug, Clone)]
pub(crate) struct Recorded {
    pub path: PathBuf,
    pub start: Start,
    pub workflow: String,
    pub events: Vec<Event>,
    /// `None` where the run did not end.
    pub manifest: Option<Manifest>,
}

impl Recorded {
    /// Reads the record of a run.
    ///
    /// # Errors
    ///
    /// When a part is missing or damaged.
    pub(crate) fn read(path: &Path) -> Result<Self, Problem> {
        let damaged = |file: &str| Problem::new(Code::Corrupt, format!("실행 기록의 {file}을(를) 읽을 수 없습니다"));
        let start = serde_json::from_str(&read(&path.join("run.json"))?).map_err(|_| damaged("run.json"))?;
        let manifest_file = path.join("manifest.json");
        let manifest = if manifest_file.is_file() {
            Some(serde_json::from_str(&read(&manifest_file)?).map_err(|_| damaged("manifest.json"))?)
        } else {
            None
        };
        Ok(Self {
            path: path.to_owned(),
            start,
            workflow: read(&path.join("workflow.yaml"))?,
            events: read_events(path)?,
            manifest,
        })
    }

    /// The bytes kept under a hash, checked against it.
    ///
    /// # Errors
    ///
    /// When they are missing or were changed.
    pub(crate) fn blob(&self, hash: &str) -> Result<Vec<u8>, Problem> {
        let path = blob_path(&self.path, hash);
        let bytes = std::fs::read(&path).map_err(|_| {
            Problem::new(Code::Corrupt, format!("실행 기록에 {} 원문이 없습니다", hash.get(..12).unwrap_or(hash)))
        })?;
        if hex(&Sha256::digest(&bytes)) != hash {
            return Err(Problem::new(
                Code::Corrupt,
                format!("실행 기록의 {} 원문이 바뀌었습니다", hash.get(..12).unwrap_or(hash)),
            ));
        }
        Ok(bytes)
    }

    /// What the run before gave, as this run saw it.
    ///
    /// # Errors
    ///
    /// When it is missing or was changed.
    pub(crate) fn previous(&self) -> Result<Value, Problem> {
        match &self.start.previous_sha256 {
            Some(hash) => Ok(serde_json::from_slice(&self.blob(hash)?).unwrap_or_default()),
            None => Ok(Value::Null),
        }
    }

    /// The templates of the run.
    ///
    /// # Errors
    ///
    /// When one is missing or was changed.
    pub(crate) fn templates(&self) -> Result<IndexMap<String, String>, Problem> {
        self.start
            .templates
            .iter()
            .map(|(name, hash)| Ok((name.clone(), String::from_utf8_lossy(&self.blob(hash)?).into_owned())))
            .collect()
    }
}

/// Finds a run by its id, the beginning of it, or `last`.
///
/// # Errors
///
/// When there is none, or several begin so.
pub(crate) fn find(workspace: &Workspace, wanted: &str) -> Result<PathBuf, Problem> {
    let names = list(workspace);
    let wanted_upper = wanted.to_uppercase();
    let found: Vec<&String> = if wanted == "last" {
        names.iter().rev().take(1).collect()
    } else {
        // Ids of one day begin alike, so their last letters are accepted too.
        names.iter().filter(|name| name.starts_with(&wanted_upper) || name.ends_with(&wanted_upper)).collect()
    };
    match found.as_slice() {
        [one] => Ok(workspace.runs().join(one)),
        [] => Err(Problem::new(Code::NotFound, format!("실행 `{wanted}`을(를) 찾을 수 없습니다"))
            .with_hint("`haechi runs list`로 실행들을 볼 수 있습니다")),
        several => Err(Problem::new(Code::Ambiguous, format!("`{wanted}`에 맞는 실행이 {}개입니다", several.len()))
            .with_hint("ID를 더 길게 적으십시오")),
    }
}

/// The ids of all runs, oldest first.
pub(crate) fn list(workspace: &Workspace) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(workspace.runs())
        .map(|entries| entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect())
        .unwrap_or_default();
    names.retain(|name| name.len() == 26);
    names.sort();
    names
}

/// The time now, to the millisecond, in the zone of this machine: a report shows it as it stands.
pub(crate) fn now() -> String {
    jiff::Zoned::now().strftime("%Y-%m-%dT%H:%M:%S%.3f%:z").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(kind: EventKind, step: Option<&str>, item: Option<usize>) -> Event {
        Event { step: step.map(ToOwned::to_owned), item, at: "2026-01-01T00:00:00Z".into(), ..Event::new(kind) }
    }

    #[test]
    fn the_final_journal_does_not_depend_on_timing_and_shows_changes() {
        let events = vec![
            event(EventKind::Run, None, None),
            event(EventKind::Started, Some("b"), None),
            event(EventKind::Call, Some("b"), Some(1)),
            event(EventKind::Call, Some("b"), Some(0)),
            event(EventKind::Step, Some("b"), None),
            event(EventKind::Call, Some("a"), None),
            event(EventKind::Step, Some("a"), None),
            event(EventKind::End, None, None),
        ];
        let mut other = events.clone();
        other.swap(2, 5);
        other.swap(3, 6);
        let (text, head) = final_journal(events, &["a", "b"]);
        assert_eq!(final_journal(other, &["a", "b"]).0, text);
        verify_journal(&text, &head).unwrap();
        let changed = text.replacen("\"step\":\"a\"", "\"step\":\"c\"", 1);
        assert_eq!(verify_journal(&changed, &head), Err("journal.jsonl 2번째 줄: 내용이 바뀌었습니다".into()));
        let cut: String = text.lines().take(3).map(|line| format!("{line}\n")).collect();
        assert_eq!(verify_journal(&cut, &head), Err("journal.jsonl의 끝이 잘렸습니다".into()));
        let removed: String =
            text.lines().enumerate().filter(|(at, _)| *at != 1).map(|(_, line)| format!("{line}\n")).collect();
        assert!(verify_journal(&removed, &head).is_err());
    }
}
