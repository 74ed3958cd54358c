//! What a trivial call costs, beside the same tool on the official Python SDK in the same run.
//!
//! `cargo bench -p haechi-tests --bench calls` prints the table of `docs/benchmarks/calls.md`. The
//! client is a bare pipe, so that what is measured is the server. Audit and metrics are on.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a benchmark prints its table and has nobody to report an error to"
)]

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

const WARM_UP: usize = 200;

fn main() {
    let ours = env!("CARGO_BIN_EXE_haechi-fixture-server");
    let home = tempfile::tempdir().unwrap();
    let command = || {
        let mut command = Command::new(ours);
        command.env("HOME", home.path()).current_dir(home.path()).env_remove("HAECHI_CONFIG");
        command
    };
    println!("| server | transport | median | p99 | RSS after | spawn to `tools/list` |");
    println!("|---|---|---|---|---|---|");
    let calls = 5_000;
    stdio("haechi-serving", &mut command(), calls, 20);
    http(&mut command(), calls);
    let clients = haechi_testkit::workspace().join("tests/clients");
    let python = clients.join(".venv/bin/python");
    if python.is_file() {
        stdio("Python SDK", Command::new(python).arg(clients.join("python_server.py")), 1_000, 5);
    } else {
        println!("| Python SDK | not installed: run tests/clients/install | | | | |");
    }
}

struct Pipe {
    child: Child,
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
    id: u64,
}

impl Pipe {
    fn start(command: &mut Command) -> Self {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let stdin = child.stdin.take().unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let mut pipe = Self { child, stdin, stdout, id: 0 };
        pipe.request(
            "initialize",
            &json!({
                "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": { "name": "bench", "version": "0" },
            }),
        );
        pipe.stdin.write_all(b"{\"jsonrpc\":\"2.0\",\"method\":\"notifications/initialized\"}\n").unwrap();
        pipe
    }

    fn request(&mut self, method: &str, parameters: &Value) -> String {
        self.id += 1;
        let line = json!({ "jsonrpc": "2.0", "id": self.id, "method": method, "params": parameters }).to_string();
        self.stdin.write_all(format!("{line}\n").as_bytes()).unwrap();
        let mut answer = String::new();
        self.stdout.read_line(&mut answer).unwrap();
        assert!(answer.contains("\"result\""), "{answer}");
        answer
    }

    fn rss_mb(&self) -> f64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap_or_default();
        let kilobytes =
            status.lines().find_map(|line| line.strip_prefix("VmRSS:")?.trim().split(' ').next()?.parse::<f64>().ok());
        kilobytes.unwrap_or_default() / 1024.0
    }
}

impl Drop for Pipe {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn stdio(name: &str, command: &mut Command, calls: usize, starts: usize) {
    let mut cold: Vec<Duration> = (0..starts)
        .map(|_| {
            let started = Instant::now();
            let mut pipe = Pipe::start(command);
            pipe.request("tools/list", &json!({}));
            started.elapsed()
        })
        .collect();
    cold.sort();
    let mut pipe = Pipe::start(command);
    let parameters = json!({ "name": "echo", "arguments": { "text": "은행법 제35조" } });
    let times = measure(calls, || {
        pipe.request("tools/call", &parameters);
    });
    print(name, "stdio", &times, Some(pipe.rss_mb()), Some(cold[cold.len() / 2]));
}

fn http(command: &mut Command, calls: usize) {
    let mut child = command
        .args(["serve", "--http", "127.0.0.1:0"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut log = BufReader::new(child.stderr.take().unwrap()).lines().map_while(Result::ok);
    let line = log.find(|line| line.contains("listening on")).unwrap();
    std::thread::spawn(move || log.for_each(drop));
    let address = line.split("http://").nth(1).unwrap().trim_end_matches("/mcp").to_owned();
    let body = json!({
        "jsonrpc": "2.0", "id": 1, "method": "tools/call",
        "params": {
            "name": "echo", "arguments": { "text": "은행법 제35조" },
            "_meta": {
                "io.modelcontextprotocol/protocolVersion": "2026-07-28",
                "io.modelcontextprotocol/clientCapabilities": {},
            },
        },
    })
    .to_string();
    let request = format!(
        "POST /mcp HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/json\r\n\
        Accept: application/json, text/event-stream\r\nMCP-Protocol-Version: 2026-07-28\r\nMcp-Method: tools/call\r\n\
        Mcp-Name: echo\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let mut stream = TcpStream::connect(&address).unwrap();
    stream.set_nodelay(true).unwrap();
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let times = measure(calls, || {
        stream.write_all(request.as_bytes()).unwrap();
        let mut length = 0;
        loop {
            let mut line = String::new();
            reader.read_line(&mut line).unwrap();
            if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse().unwrap();
            }
            if line == "\r\n" {
                break;
            }
        }
        let mut answer = vec![0; length];
        reader.read_exact(&mut answer).unwrap();
        assert!(length > 0);
    });
    print("haechi-serving", "HTTP", &times, None, None);
    let _ = child.kill();
    let _ = child.wait();
}

fn measure(calls: usize, mut call: impl FnMut()) -> Vec<Duration> {
    for _ in 0..WARM_UP {
        call();
    }
    let mut times: Vec<Duration> = (0..calls)
        .map(|_| {
            let started = Instant::now();
            call();
            started.elapsed()
        })
        .collect();
    times.sort();
    times
}

fn print(name: &str, transport: &str, times: &[Duration], rss_mb: Option<f64>, cold: Option<Duration>) {
    let micros = |duration: Duration| format!("{} µs", duration.as_micros());
    println!(
        "| {name} | {transport} | {} | {} | {} | {} |",
        micros(times[times.len() / 2]),
        micros(times[times.len() * 99 / 100]),
        rss_mb.map_or(String::new(), |rss| format!("{rss:.1} MB")),
        cold.map_or(String::new(), |cold| format!("{:.1} ms", cold.as_secs_f64() * 1000.0)),
    );
}
