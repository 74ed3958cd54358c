//! A real server process with a client that writes and reads protocol lines.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

/// How long a test waits for anything before it fails; far above what a loaded machine needs.
const PATIENCE: Duration = Duration::from_secs(60);

/// How long a loop rests between two looks, so that the program under test gets the processor.
const PAUSE: Duration = Duration::from_millis(2);

/// The two ways to open a conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Era {
    /// The handshake of the revisions up to 2025-11-25.
    Initialize,
    /// The stateless requests of 2026-07-28.
    Stateless,
}

/// A running server. Dropping it ends the process.
pub struct Server {
    child: Child,
    stdin: Option<ChildStdin>,
    lines: Receiver<String>,
    stderr: Arc<Mutex<String>>,
    era: Era,
    next_id: u64,
    /// Messages that arrived while another one was waited for.
    aside: Vec<Value>,
}

impl Server {
    /// Starts `command` and opens the conversation.
    pub fn start(command: &mut Command, era: Era) -> Self {
        let mut server = Self::start_silent(command, era);
        if era == Era::Initialize {
            let parameters = json!({
                "protocolVersion": "2025-11-25",
                "capabilities": {},
                "clientInfo": { "name": "haechi-testkit", "version": "0" },
            });
            let answer = server.request("initialize", parameters);
            assert!(answer.get("result").is_some(), "initialize: {answer}");
            server.send(&json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }));
        }
        server
    }

    /// Starts `command` and says nothing yet.
    pub fn start_silent(command: &mut Command, era: Era) -> Self {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{command:?} did not start: {error}"));
        let stdin = child.stdin.take();
        let stdout = BufReader::new(child.stdout.take().expect("piped"));
        let mut errors = BufReader::new(child.stderr.take().expect("piped"));
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            for line in stdout.lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
        let stderr = Arc::new(Mutex::new(String::new()));
        let kept = stderr.clone();
        std::thread::spawn(move || {
            let mut line = String::new();
            while errors.read_line(&mut line).is_ok_and(|read| read > 0) {
                kept.lock().expect("not poisoned").push_str(&line);
                line.clear();
            }
        });
        Self { child, stdin, lines, stderr, era, next_id: 0, aside: Vec::new() }
    }

    /// The process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// What the server has logged so far.
    pub fn stderr(&self) -> String {
        self.stderr.lock().expect("not poisoned").clone()
    }

    /// Waits until a line of the log holds `part`, and answers the line.
    pub fn wait_for_log(&self, part: &str) -> String {
        let until = Instant::now() + PATIENCE;
        while Instant::now() < until {
            if let Some(line) = self.stderr().lines().find(|line| line.contains(part)) {
                return line.to_owned();
            }
            std::thread::sleep(PAUSE);
        }
        panic!("no `{part}` in the log:\n{}", self.stderr());
    }

    /// Sends one message.
    pub fn send(&mut self, message: &Value) {
        self.send_line(&message.to_string());
    }

    /// Sends one line as it is.
    pub fn send_line(&mut self, line: &str) {
        let stdin = self.stdin.as_mut().expect("the conversation is open");
        stdin.write_all(line.as_bytes()).and_then(|()| stdin.write_all(b"\n")).expect("the server reads");
        stdin.flush().expect("the server reads");
    }

    /// Sends a request without waiting for its answer, and answers its id.
    pub fn begin(&mut self, method: &str, mut parameters: Value) -> u64 {
        self.next_id += 1;
        if self.era == Era::Stateless {
            let meta = parameters
                .as_object_mut()
                .expect("parameters are an object")
                .entry("_meta")
                .or_insert_with(|| json!({}));
            let meta = meta.as_object_mut().expect("_meta is an object");
            meta.insert("io.modelcontextprotocol/protocolVersion".to_owned(), json!("2026-07-28"));
            meta.insert("io.modelcontextprotocol/clientCapabilities".to_owned(), json!({}));
            meta.insert(
                "io.modelcontextprotocol/clientInfo".to_owned(),
                json!({ "name": "haechi-testkit", "version": "0" }),
            );
        }
        let id = self.next_id;
        self.send(&json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": parameters }));
        id
    }

    /// Waits for the answer to request `id`. Every line the server prints must be a message.
    pub fn answer(&mut self, id: u64) -> Value {
        if let Some(position) = self.aside.iter().position(|message| message["id"] == id) {
            return self.aside.remove(position);
        }
        let until = Instant::now() + PATIENCE;
        loop {
            let line = match self.lines.recv_timeout(until.saturating_duration_since(Instant::now())) {
                Ok(line) => line,
                Err(RecvTimeoutError::Timeout) => panic!("no answer to request {id}; log:\n{}", self.stderr()),
                Err(RecvTimeoutError::Disconnected) => {
                    panic!("the server closed before answering request {id}; log:\n{}", self.stderr())
                }
            };
            let message: Value = serde_json::from_str(&line)
                .unwrap_or_else(|_| panic!("standard output holds something else than the protocol: {line}"));
            assert_eq!(message["jsonrpc"], "2.0", "not a protocol message: {line}");
            if message["id"] == id {
                return message;
            }
            self.aside.push(message);
        }
    }

    /// Notifications that have arrived so far, oldest first.
    pub fn notifications(&mut self) -> Vec<Value> {
        let (notifications, answers) =
            std::mem::take(&mut self.aside).into_iter().partition(|message| message.get("id").is_none());
        self.aside = answers;
        notifications
    }

    /// Sends a request and waits for its answer.
    pub fn request(&mut self, method: &str, parameters: Value) -> Value {
        let id = self.begin(method, parameters);
        self.answer(id)
    }

    /// The definitions of all tools.
    pub fn tools(&mut self) -> Vec<Value> {
        let answer = self.request("tools/list", json!({}));
        answer["result"]["tools"].as_array().unwrap_or_else(|| panic!("tools/list: {answer}")).clone()
    }

    /// Calls a tool and answers its result, refused or not.
    pub fn call_result(&mut self, tool: &str, arguments: Value) -> Value {
        let answer = self.request("tools/call", json!({ "name": tool, "arguments": arguments }));
        answer.get("result").unwrap_or_else(|| panic!("{tool}: {answer}")).clone()
    }

    /// Calls a tool that must succeed and answers its structured content.
    #[track_caller]
    pub fn call(&mut self, tool: &str, arguments: Value) -> Value {
        let result = self.call_result(tool, arguments);
        assert_ne!(result["isError"], true, "{tool}: {result}");
        result["structuredContent"].clone()
    }

    /// Calls a tool that must refuse and answers the problem: code, message, hint.
    #[track_caller]
    pub fn refusal(&mut self, tool: &str, arguments: Value) -> Value {
        let result = self.call_result(tool, arguments);
        assert_eq!(result["isError"], true, "{tool} was expected to refuse: {result}");
        result["structuredContent"].clone()
    }

    /// Closes the server's input, as a host does, and waits for its end.
    pub fn close(mut self) -> (ExitStatus, String) {
        self.stdin = None;
        let status = self.wait();
        (status, self.stderr())
    }

    /// Kills the process without giving it a chance.
    pub fn kill(&mut self) {
        self.child.kill().expect("the process can be killed");
        self.wait();
    }

    /// Waits for the process to end by itself.
    pub fn wait(&mut self) -> ExitStatus {
        let until = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().expect("the process can be waited for") {
                return status;
            }
            assert!(Instant::now() < until, "the server did not end; log:\n{}", self.stderr());
            std::thread::sleep(PAUSE);
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
