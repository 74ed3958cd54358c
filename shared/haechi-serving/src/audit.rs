//! The audit file: one JSON line per call, each carrying the hash of the line before it.
//!
//! Several processes may write one file (a host often starts a server per client), so a line is
//! appended under the file's lock and chained to whatever line is last by then. Waiting for a lock
//! or a disk is done by a thread of its own: a file that somebody else holds must not hold the
//! server. A line holds who asked what and how it ended, never the data that was asked for.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::{Duration, Instant};

use haechi_contract::{Code, Problem};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tokio::sync::oneshot;

use crate::{Principal, io_reason};

/// The hash that the first line of a file refers to.
const GENESIS: &str = "0000000000000000000000000000000000000000000000000000000000000000";
/// The longest line that is written; what a caller can make long is left out of a longer one.
const LINE_BYTES_MAX: usize = 16_384;
/// How far from its end a file is looked through for its last line.
const TAIL_BYTES_MAX: u64 = 4 * LINE_BYTES_MAX as u64;
/// Characters of what a client says of itself and of names that a caller makes up.
const WORD_CHARS_MAX: usize = 200;
/// Lines that wait for the writing thread.
const WAITING_MAX: usize = 1_024;
/// How long a call waits for its line to be written.
const PATIENCE: Duration = Duration::from_secs(2);

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

/// A line without its place in the chain.
#[derive(Serialize)]
struct Entry {
    time: String,
    server: &'static str,
    version: &'static str,
    process: u32,
    principal: String,
    roles: Vec<String>,
    transport: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    client: Option<String>,
    tool: String,
    arguments: Value,
    outcome: String,
    returned: Value,
    elapsed_us: u64,
}

#[derive(Serialize)]
struct Line<'a> {
    sequence: u64,
    #[serde(flatten)]
    entry: &'a Entry,
    /// The hash of a line before this one that a process left half-written.
    #[serde(skip_serializing_if = "Option::is_none")]
    torn: Option<&'a str>,
    /// The last hash of the file that stood in this one's place before.
    #[serde(skip_serializing_if = "Option::is_none")]
    continues: Option<&'a str>,
    previous: &'a str,
}

/// Writes the audit file of one server process.
pub(crate) struct Audit {
    server: &'static str,
    version: &'static str,
    required: bool,
    /// `None` where nothing is recorded.
    writer: Option<SyncSender<(Entry, oneshot::Sender<bool>)>>,
}

impl Audit {
    pub(crate) fn off(server: &'static str, version: &'static str) -> Self {
        Self { server, version, required: false, writer: None }
    }

    /// Opens `path` for appending, making its folder, and starts the writing thread.
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
        let chain = match Chain::open(path, settings.fsync) {
            Ok(chain) => chain,
            Err(error) if settings.required => {
                return Err(Problem::new(
                    Code::Unavailable,
                    format!("감사 기록 파일을 열 수 없습니다: {} ({})", path.display(), io_reason(&error)),
                )
                .with_hint("쓸 수 있는 경로를 audit.file에 적거나 audit.required를 끄십시오"));
            }
            Err(error) => {
                tracing::warn!(path = %path.display(), kind = %error.kind(), "calls will not be audited");
                return Ok(Self::off(server, version));
            }
        };
        let (writer, lines) = sync_channel(WAITING_MAX);
        std::thread::Builder::new().name("audit".to_owned()).spawn(move || chain.write_all(&lines)).map_err(
            |error| {
                tracing::error!(kind = %error.kind(), "no thread for the audit");
                Problem::internal()
            },
        )?;
        Ok(Self { server, version, required: settings.required, writer: Some(writer) })
    }

    /// Appends the line of one call and waits until it is written.
    ///
    /// # Errors
    ///
    /// Where the line could not be written in time and a record is required.
    pub(crate) async fn record(&self, event: Event<'_>) -> Result<(), Problem> {
        let Some(writer) = &self.writer else { return Ok(()) };
        let entry = Entry {
            time: jiff::Timestamp::now().to_string(),
            server: self.server,
            version: self.version,
            process: std::process::id(),
            principal: event.principal.name.clone(),
            roles: event.principal.roles.clone(),
            transport: event.transport,
            client: event.client.as_deref().map(word),
            tool: word(event.tool),
            arguments: event.arguments,
            outcome: event.outcome.to_owned(),
            returned: event.returned,
            elapsed_us: u64::try_from(event.elapsed.as_micros()).unwrap_or(u64::MAX),
        };
        let (sender, written) = oneshot::channel();
        let written = match writer.try_send((entry, sender)) {
            Ok(()) => tokio::time::timeout(PATIENCE, written).await,
            Err(_) => Ok(Ok(false)),
        };
        if matches!(written, Ok(Ok(true))) {
            return Ok(());
        }
        tracing::error!("an audit line could not be written");
        if self.required {
            return Err(Problem::new(Code::Unavailable, "감사 기록을 남길 수 없어 답하지 않습니다")
                .with_hint("디스크 공간과 감사 파일의 권한을 확인하십시오"));
        }
        Ok(())
    }
}

/// What a caller made up, cut to a length that fits a line.
fn word(text: &str) -> String {
    text.chars().take(WORD_CHARS_MAX).collect()
}

/// The file and where its chain stands.
struct Chain {
    file: File,
    path: PathBuf,
    fsync: bool,
    /// Length of the file after the last line that we know of.
    length: u64,
    sequence: u64,
    hash: String,
    /// The hash of a half-written line that our next line vouches for.
    torn: Option<String>,
}

impl Chain {
    fn open(path: &Path, fsync: bool) -> io::Result<Self> {
        if let Some(folder) = path.parent() {
            make_folder(folder)?;
        }
        let file = open_file(path)?;
        let mut chain =
            Self { file, path: path.to_owned(), fsync, length: 0, sequence: 0, hash: GENESIS.to_owned(), torn: None };
        chain.lock(Instant::now() + PATIENCE)?;
        let caught_up = chain.catch_up();
        chain.file.unlock()?;
        caught_up?;
        Ok(chain)
    }

    /// Writes lines until the server is gone.
    fn write_all(mut self, lines: &Receiver<(Entry, oneshot::Sender<bool>)>) {
        for (entry, done) in lines {
            let written = self.append(&entry);
            if let Err(error) = &written {
                tracing::error!(kind = %error.kind(), "the audit file cannot be written");
            }
            // A call that no longer waits has been answered as its settings say.
            let _ = done.send(written.is_ok());
        }
    }

    /// Waits for the file's lock without giving it the power to stop us for good.
    fn lock(&self, until: Instant) -> io::Result<()> {
        loop {
            match self.file.try_lock() {
                Ok(()) => return Ok(()),
                Err(std::fs::TryLockError::WouldBlock) if Instant::now() < until => {
                    std::thread::sleep(Duration::from_millis(1));
                }
                Err(std::fs::TryLockError::WouldBlock) => return Err(io::ErrorKind::TimedOut.into()),
                Err(std::fs::TryLockError::Error(error)) => return Err(error),
            }
        }
    }

    fn append(&mut self, entry: &Entry) -> io::Result<()> {
        let until = Instant::now() + PATIENCE;
        self.lock(until)?;
        // A file that was moved away or removed is still open here, and nobody would find its lines.
        let mut continues = None;
        if !is_same_file(&self.file, &self.path) {
            tracing::warn!("the audit file was replaced; a new one continues it");
            self.file.unlock()?;
            self.file = open_file(&self.path)?;
            self.lock(until)?;
            if self.file.metadata()?.len() == 0 {
                continues = Some(std::mem::replace(&mut self.hash, GENESIS.to_owned()));
                self.sequence = 0;
            }
            self.length = 0;
        }
        let written = self.append_locked(entry, continues.as_deref());
        self.file.unlock()?;
        written
    }

    fn append_locked(&mut self, entry: &Entry, continues: Option<&str>) -> io::Result<()> {
        self.catch_up()?;
        let line =
            Line { sequence: self.sequence + 1, entry, torn: self.torn.as_deref(), continues, previous: &self.hash };
        let mut body = serde_json::to_string(&line)?;
        if body.len() > LINE_BYTES_MAX {
            let omitted = json!({ "omitted_bytes": body.len() });
            let entry = Entry {
                time: entry.time.clone(),
                principal: word(&entry.principal),
                roles: Vec::new(),
                client: entry.client.clone(),
                tool: entry.tool.clone(),
                arguments: omitted.clone(),
                outcome: entry.outcome.clone(),
                returned: omitted,
                ..*entry
            };
            body = serde_json::to_string(&Line { entry: &entry, ..line })?;
        }
        let hash = hash_of(body.as_bytes());
        // The hash joins the object as its last field, in place of the closing brace.
        let line = format!("{},\"hash\":\"{hash}\"}}\n", &body[..body.len() - 1]);
        self.file.write_all(line.as_bytes())?;
        if self.fsync {
            self.file.sync_data()?;
        }
        self.length += line.len() as u64;
        self.sequence += 1;
        self.hash = hash;
        self.torn = None;
        Ok(())
    }

    /// Learns the last line of the file, where another process has written since, and closes what a
    /// process left half-written at its end.
    fn catch_up(&mut self) -> io::Result<()> {
        let length = self.file.metadata()?.len();
        if length == self.length {
            return Ok(());
        }
        if length < self.length {
            // Somebody cut the file. The chain goes on from what we know, so that the cut shows.
            tracing::error!("the audit file became shorter than it was");
            self.length = length;
            return Ok(());
        }
        self.file.seek(SeekFrom::Start(length.saturating_sub(TAIL_BYTES_MAX)))?;
        let mut tail = Vec::new();
        (&self.file).take(TAIL_BYTES_MAX).read_to_end(&mut tail)?;
        if !tail.ends_with(b"\n") {
            let from = tail.iter().rposition(|byte| *byte == b'\n').map_or(0, |position| position + 1);
            self.torn = Some(hash_of(&tail[from..]));
            self.file.write_all(b"\n")?;
            tail.push(b'\n');
        }
        let text = String::from_utf8_lossy(&tail);
        let last = text.lines().rev().find_map(|line| {
            let line: Value = serde_json::from_str(line).ok()?;
            Some((line.get("sequence")?.as_u64()?, line.get("hash")?.as_str()?.to_owned()))
        });
        if let Some((sequence, hash)) = last {
            self.sequence = sequence;
            self.hash = hash;
        } else if self.torn.is_none() {
            tracing::error!(path = %self.path.display(), "the audit file does not end with an audit line");
            return Err(io::ErrorKind::InvalidData.into());
        }
        self.length = self.file.metadata()?.len();
        Ok(())
    }
}

/// The file of a chain: readable by its owner alone, since it tells who asked what.
fn open_file(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.create(true).append(true).read(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        options.mode(0o600);
    }
    options.open(path)
}

fn make_folder(folder: &Path) -> io::Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::DirBuilderExt as _;
        builder.mode(0o700);
    }
    builder.create(folder)
}

/// Whether `path` still names the open file.
fn is_same_file(file: &File, path: &Path) -> bool {
    let (Ok(open), Ok(named)) = (file.metadata(), std::fs::metadata(path)) else { return false };
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt as _;
        open.dev() == named.dev() && open.ino() == named.ino()
    }
    #[cfg(not(unix))]
    {
        open.created().ok() == named.created().ok()
    }
}

fn hash_of(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// What the check of an audit file found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AuditReport {
    /// Audit lines, whole ones.
    pub lines: u64,
    /// Lines that a killed process left half-written and that the next line vouches for.
    pub torn: u64,
    /// The number of a line, from 1, and what is wrong with it.
    pub findings: Vec<(u64, &'static str)>,
}

/// Checks the text of an audit file: every line's own hash and its link to the line before.
///
/// A cut at the very end leaves a shorter chain that is whole; only a seal kept elsewhere can tell.
pub fn verify_text(text: &str) -> AuditReport {
    let mut report = AuditReport::default();
    let mut previous = GENESIS.to_owned();
    let mut sequence = 0;
    let mut torn: Option<(u64, String)> = None;
    for (index, line) in text.lines().enumerate() {
        let number = index as u64 + 1;
        let Some((value, hash)) = whole_line(line) else {
            if let Some((number, _)) = torn.replace((number, hash_of(line.as_bytes()))) {
                report.findings.push((number, "not an audit line"));
            }
            continue;
        };
        let word = |key: &str| value.get(key).and_then(Value::as_str);
        let vouched = word("torn");
        if let Some((number, broken)) = torn.take() {
            if vouched == Some(&broken) {
                report.torn += 1;
            } else {
                report.findings.push((number, "the line was changed"));
            }
        } else if vouched.is_some() {
            report.findings.push((number, "the torn line before it was removed"));
        }
        if word("previous") != Some(&previous) {
            report.findings.push((number, "a line before it was removed, added, moved or changed"));
        } else if value.get("sequence").and_then(Value::as_u64) != Some(sequence + 1) {
            report.findings.push((number, "the sequence is broken"));
        }
        sequence = value.get("sequence").and_then(Value::as_u64).unwrap_or(sequence + 1);
        previous = hash;
        report.lines += 1;
    }
    if let Some((number, _)) = torn {
        report.findings.push((number, "not an audit line"));
    }
    report
}

/// A line's object and hash, where the hash is that of the line.
fn whole_line(line: &str) -> Option<(Value, String)> {
    let (body, hash) = line.rsplit_once(",\"hash\":\"")?;
    let hash = hash.strip_suffix("\"}")?;
    let body = format!("{body}}}");
    if hash_of(body.as_bytes()) != hash {
        return None;
    }
    Some((serde_json::from_str(&body).ok()?, hash.to_owned()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn block_on<T>(future: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
    }

    fn open(path: &Path) -> Audit {
        Audit::open("haechi-test", "0", path, &AuditSettings::default()).unwrap()
    }

    fn record(audit: &Audit, calls: usize) {
        let principal = Principal { name: "검사".to_owned(), roles: vec!["audit".to_owned()] };
        for number in 0..calls {
            let event = Event {
                principal: &principal,
                transport: "stdio",
                client: Some("c".repeat(70_000)),
                tool: "echo",
                arguments: json!({ "number": number, "nested": { "deep": {} } }),
                outcome: "ok",
                returned: json!({ "items": {} }),
                elapsed: Duration::from_micros(5),
            };
            block_on(audit.record(event)).unwrap();
        }
    }

    fn verify(path: &Path) -> AuditReport {
        verify_text(&std::fs::read_to_string(path).unwrap())
    }

    fn whole(lines: u64) -> AuditReport {
        AuditReport { lines, ..AuditReport::default() }
    }

    #[test]
    fn lines_chain_across_processes() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("감사/audit.jsonl");
        record(&open(&path), 2);
        let (first, second) = (open(&path), open(&path));
        record(&first, 1);
        record(&second, 2);
        record(&first, 1);
        assert_eq!(verify(&path), whole(6));
    }

    #[test]
    fn a_line_cut_by_a_crash_is_vouched_for_and_hides_no_later_edit() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("audit.jsonl");
        record(&open(&path), 2);
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, &text[..text.len() - 20]).unwrap();
        record(&open(&path), 3);
        assert_eq!(verify(&path), AuditReport { lines: 4, torn: 1, findings: Vec::new() });
        let text = std::fs::read_to_string(&path).unwrap();
        let edited = text.replacen("\"number\":2", "\"number\":7", 1);
        assert_ne!(edited, text);
        assert!(!verify_text(&edited).findings.is_empty());
        let cut = text.replacen("\"sequence\":1,", "", 1);
        assert!(!verify_text(&cut).findings.is_empty(), "no other line passes for a torn one");
    }

    #[test]
    fn what_a_caller_makes_long_is_left_out() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("audit.jsonl");
        let audit = open(&path);
        let principal = Principal { name: "검사".to_owned(), roles: Vec::new() };
        let event = Event {
            principal: &principal,
            transport: "stdio",
            client: None,
            tool: &"t".repeat(1_000_000),
            arguments: json!({ "citation": "가".repeat(100_000) }),
            outcome: "ok",
            returned: Value::Null,
            elapsed: Duration::ZERO,
        };
        block_on(audit.record(event)).unwrap();
        record(&open(&path), 1);
        assert_eq!(verify(&path), whole(2));
        assert!(std::fs::metadata(&path).unwrap().len() < 4_000);
    }

    #[test]
    fn a_file_that_was_moved_away_is_continued_by_a_new_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("audit.jsonl");
        let audit = open(&path);
        record(&audit, 2);
        let old = folder.path().join("audit.1.jsonl");
        std::fs::rename(&path, &old).unwrap();
        record(&audit, 2);
        assert_eq!((verify(&old), verify(&path)), (whole(2), whole(2)));
        let last = std::fs::read_to_string(&old).unwrap().lines().last().unwrap().to_owned();
        let last: Value = serde_json::from_str(&last).unwrap();
        let first = std::fs::read_to_string(&path).unwrap().lines().next().unwrap().to_owned();
        let first: Value = serde_json::from_str(&first).unwrap();
        assert_eq!(first["continues"], last["hash"]);
    }

    #[test]
    fn a_file_that_was_cut_shows_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("audit.jsonl");
        let audit = open(&path);
        record(&audit, 3);
        let text = std::fs::read_to_string(&path).unwrap();
        let first = text.lines().next().unwrap();
        std::fs::write(&path, format!("{first}\n")).unwrap();
        record(&audit, 1);
        assert!(!verify(&path).findings.is_empty());
    }

    #[test]
    fn a_file_that_somebody_holds_does_not_hold_the_server() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("audit.jsonl");
        let settings = AuditSettings { required: true, ..AuditSettings::default() };
        let audit = Audit::open("haechi-test", "0", &path, &settings).unwrap();
        let held = File::open(&path).unwrap();
        held.lock().unwrap();
        let principal = Principal { name: "검사".to_owned(), roles: Vec::new() };
        let event = Event {
            principal: &principal,
            transport: "stdio",
            client: None,
            tool: "echo",
            arguments: Value::Null,
            outcome: "ok",
            returned: Value::Null,
            elapsed: Duration::ZERO,
        };
        assert_eq!(block_on(audit.record(event)).unwrap_err().code, Code::Unavailable);
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
        fn any_edit_cut_or_swap_is_found(line in 0_usize..6, column in 0_usize..200, byte in b'a'..=b'z', what in 0..3) {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("audit.jsonl");
            record(&open(&path), 6);
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
            prop_assert!(!verify_text(&lines.join("\n")).findings.is_empty());
        }
    }
}
