//! The audit file: one JSON line per call, each carrying the hash of the line before it.
//!
//! Several processes may write one file (a host often starts a server per client), so a line is
//! appended under the file's lock and chained to whatever line is last by then. A line holds who
//! asked what and how it ended, never the data that was asked for.

use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use haechi_contract::{Code, Problem};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::Principal;

/// The hash that the first line of a file refers to.
const GENESIS: &str = "0000000000000000000000000000000000000000000000000000000000000000";
/// The longest line that is looked for at the end of a file; ours stay far below.
const LINE_BYTES_MAX: u64 = 65_536;

/// The section `[audit]` of the settings.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct AuditSettings {
    pub(crate) enabled: bool,
    /// The file; relative to the settings file.
    pub(crate) file: Option<PathBuf>,
    /// Refuse to answer what cannot be recorded.
    pub(crate) required: bool,
    /// Wait for the disk after every line.
    pub(crate) fsync: bool,
}

impl Default for AuditSettings {
    fn default() -> Self {
        Self { enabled: true, file: None, required: false, fsync: false }
    }
}

/// What is recorded of a call.
pub(crate) struct Event<'a> {
    pub(crate) principal: &'a Principal,
    pub(crate) transport: &'static str,
    pub(crate) client: Option<String>,
    pub(crate) tool: &'a str,
    pub(crate) arguments: Value,
    pub(crate) outcome: &'a str,
    pub(crate) returned: Value,
    pub(crate) elapsed: Duration,
}

#[derive(Serialize)]
struct Line<'a> {
    sequence: u64,
    time: String,
    server: &'a str,
    version: &'a str,
    process: u32,
    principal: &'a str,
    roles: &'a [String],
    transport: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    client: Option<&'a str>,
    tool: &'a str,
    arguments: &'a Value,
    outcome: &'a str,
    returned: &'a Value,
    elapsed_us: u128,
    previous: &'a str,
}

/// Writes the audit file of one server process.
pub(crate) struct Audit {
    server: &'static str,
    version: &'static str,
    required: bool,
    fsync: bool,
    state: Mutex<State>,
}

enum State {
    Off,
    Open(Chain),
    /// The file cannot be written; the reason has been logged once.
    Broken,
}

struct Chain {
    file: File,
    path: PathBuf,
    /// Length of the file after the last line that we know of.
    length: u64,
    sequence: u64,
    hash: String,
}

impl Audit {
    pub(crate) fn off(server: &'static str, version: &'static str) -> Self {
        Self { server, version, required: false, fsync: false, state: Mutex::new(State::Off) }
    }

    /// Opens `path` for appending, making its folder.
    ///
    /// # Errors
    ///
    /// Where the file cannot be opened or its last line cannot be read, and a record is required.
    pub(crate) fn open(
        server: &'static str,
        version: &'static str,
        path: &Path,
        settings: &AuditSettings,
    ) -> Result<Self, Problem> {
        let state = match Chain::open(path) {
            Ok(chain) => State::Open(chain),
            Err(error) if settings.required => {
                return Err(Problem::new(
                    Code::Unavailable,
                    format!("감사 기록 파일을 열 수 없습니다: {} ({})", path.display(), crate::io_reason(&error)),
                )
                .with_hint("쓸 수 있는 경로를 audit.file에 적거나 audit.required를 끄십시오"));
            }
            Err(error) => {
                tracing::warn!(path = %path.display(), kind = %error.kind(), "calls will not be audited");
                State::Broken
            }
        };
        Ok(Self { server, version, required: settings.required, fsync: settings.fsync, state: Mutex::new(state) })
    }

    /// Appends the line of one call.
    ///
    /// # Errors
    ///
    /// Where the line could not be written and a record is required.
    pub(crate) fn record(&self, event: &Event<'_>) -> Result<(), Problem> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let written = match &mut *state {
            State::Off => return Ok(()),
            State::Broken => Err(std::io::ErrorKind::Other.into()),
            State::Open(chain) => chain.append(self, event),
        };
        let Err(error) = written else { return Ok(()) };
        if !matches!(*state, State::Broken) {
            tracing::error!(kind = %error.kind(), "an audit line could not be written");
        }
        if self.required {
            return Err(Problem::new(Code::Unavailable, "감사 기록을 남길 수 없어 답하지 않습니다")
                .with_hint("디스크 공간과 감사 파일의 권한을 확인하십시오"));
        }
        Ok(())
    }
}

impl Chain {
    fn open(path: &Path) -> std::io::Result<Self> {
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        let file = OpenOptions::new().create(true).append(true).read(true).open(path)?;
        let mut chain = Self { file, path: path.to_owned(), length: 0, sequence: 0, hash: GENESIS.to_owned() };
        chain.file.lock()?;
        let caught_up = chain.catch_up();
        chain.file.unlock()?;
        caught_up?;
        Ok(chain)
    }

    /// Learns the last line of the file, where another process has written since.
    fn catch_up(&mut self) -> std::io::Result<()> {
        let length = self.file.metadata()?.len();
        if length == self.length {
            return Ok(());
        }
        let from = length.saturating_sub(LINE_BYTES_MAX);
        self.file.seek(SeekFrom::Start(from))?;
        let mut tail = Vec::new();
        (&self.file).take(LINE_BYTES_MAX).read_to_end(&mut tail)?;
        if !tail.ends_with(b"\n") {
            // A process died while writing; its line stays as it is and verification reports it.
            self.file.write_all(b"\n")?;
            tail.push(b'\n');
        }
        let text = String::from_utf8_lossy(&tail);
        let last = text.lines().rev().find_map(|line| {
            let line: Value = serde_json::from_str(line).ok()?;
            Some((line.get("sequence")?.as_u64()?, line.get("hash")?.as_str()?.to_owned()))
        });
        match last {
            Some((sequence, hash)) => {
                self.sequence = sequence;
                self.hash = hash;
            }
            None if length == 0 => {}
            None => {
                tracing::error!(path = %self.path.display(), "the audit file does not end with an audit line");
                return Err(std::io::ErrorKind::InvalidData.into());
            }
        }
        self.length = self.file.metadata()?.len();
        Ok(())
    }

    fn append(&mut self, audit: &Audit, event: &Event<'_>) -> std::io::Result<()> {
        self.file.lock()?;
        let written = self.append_locked(audit, event);
        self.file.unlock()?;
        written
    }

    fn append_locked(&mut self, audit: &Audit, event: &Event<'_>) -> std::io::Result<()> {
        self.catch_up()?;
        let line = Line {
            sequence: self.sequence + 1,
            time: jiff::Timestamp::now().to_string(),
            server: audit.server,
            version: audit.version,
            process: std::process::id(),
            principal: &event.principal.name,
            roles: &event.principal.roles,
            transport: event.transport,
            client: event.client.as_deref(),
            tool: event.tool,
            arguments: &event.arguments,
            outcome: event.outcome,
            returned: &event.returned,
            elapsed_us: event.elapsed.as_micros(),
            previous: &self.hash,
        };
        let body = serde_json::to_string(&line)?;
        let hash = hash_of(&body);
        // The hash joins the object as its last field, in place of the closing brace.
        let line = format!("{},\"hash\":\"{hash}\"}}\n", &body[..body.len() - 1]);
        self.file.write_all(line.as_bytes())?;
        if audit.fsync {
            self.file.sync_data()?;
        }
        self.length += line.len() as u64;
        self.sequence += 1;
        self.hash = hash;
        Ok(())
    }
}

fn hash_of(body: &str) -> String {
    Sha256::digest(body.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Checks the text of an audit file: every line's own hash and its link to the line before.
///
/// Answers how many lines it holds.
///
/// # Errors
///
/// The number of the first line, from 1, that does not fit, and what is wrong with it.
pub fn verify_text(text: &str) -> Result<u64, (u64, &'static str)> {
    let mut previous = GENESIS.to_owned();
    let mut count = 0;
    for (index, line) in text.lines().enumerate() {
        let number = index as u64 + 1;
        let Some((body, hash)) = line.rsplit_once(",\"hash\":\"") else { return Err((number, "not an audit line")) };
        let Some(hash) = hash.strip_suffix("\"}") else { return Err((number, "not an audit line")) };
        let body = format!("{body}}}");
        if hash_of(&body) != hash {
            return Err((number, "the line was changed"));
        }
        let Ok(value) = serde_json::from_str::<Value>(&body) else { return Err((number, "not an audit line")) };
        if value.get("previous").and_then(Value::as_str) != Some(&previous) {
            return Err((number, "a line before it was removed, added or moved"));
        }
        if value.get("sequence").and_then(Value::as_u64) != Some(number) {
            return Err((number, "the sequence is broken"));
        }
        hash.clone_into(&mut previous);
        count = number;
    }
    Ok(count)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn write(path: &Path, calls: usize) {
        let audit = Audit::open("haechi-test", "0", path, &AuditSettings::default()).unwrap();
        record(&audit, calls);
    }

    fn record(audit: &Audit, calls: usize) {
        let principal = Principal { name: "검사".to_owned(), roles: vec!["audit".to_owned()] };
        for number in 0..calls {
            let event = Event {
                principal: &principal,
                transport: "stdio",
                client: None,
                tool: "echo",
                arguments: json!({ "number": number, "nested": { "deep": {} } }),
                outcome: "ok",
                returned: json!({ "items": {} }),
                elapsed: Duration::from_micros(5),
            };
            audit.record(&event).unwrap();
        }
    }

    #[test]
    fn lines_chain_across_processes() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("감사/audit.jsonl");
        write(&path, 2);
        let first = Audit::open("haechi-test", "0", &path, &AuditSettings::default()).unwrap();
        let second = Audit::open("haechi-test", "0", &path, &AuditSettings::default()).unwrap();
        record(&first, 1);
        record(&second, 2);
        record(&first, 1);
        assert_eq!(verify_text(&std::fs::read_to_string(&path).unwrap()), Ok(6));
    }

    #[test]
    fn a_line_cut_by_a_crash_is_closed_and_reported() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("audit.jsonl");
        write(&path, 2);
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, &text[..text.len() - 20]).unwrap();
        write(&path, 1);
        let text = std::fs::read_to_string(&path).unwrap();
        assert_eq!(text.lines().count(), 3);
        assert_eq!(verify_text(&text).unwrap_err().0, 2);
    }

    #[test]
    fn a_record_that_is_required_and_impossible_refuses() {
        let folder = tempfile::tempdir().unwrap();
        let blocked = folder.path().join("file");
        std::fs::write(&blocked, "").unwrap();
        let settings = AuditSettings { required: true, ..AuditSettings::default() };
        let refused = Audit::open("haechi-test", "0", &blocked.join("audit.jsonl"), &settings);
        assert_eq!(refused.err().unwrap().code, Code::Unavailable);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn any_edit_cut_or_swap_is_found(line in 0_usize..6, column in 0_usize..200, byte in b'a'..b'z', what in 0..3) {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("audit.jsonl");
            write(&path, 6);
            let text = std::fs::read_to_string(&path).unwrap();
            let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
            match what {
                0 => {
                    let mut bytes = std::mem::take(&mut lines[line]).into_bytes();
                    let column = column % bytes.len();
                    prop_assume!(bytes[column] != byte && bytes[column].is_ascii());
                    bytes[column] = byte;
                    lines[line] = String::from_utf8_lossy(&bytes).into_owned();
                }
                // A removed last line leaves a valid shorter chain; only a seal kept elsewhere can tell.
                1 => { prop_assume!(line < 5); lines.remove(line); }
                _ => { prop_assume!(line < 5); lines.swap(line, line + 1); }
            }
            prop_assert!(verify_text(&lines.join("\n")).is_err());
        }
    }
}
