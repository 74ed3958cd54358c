//! The one place that speaks the protocol: starts a server, lists its tools, calls them.
//!
//! Invariant: nothing outside this module names the protocol crate, every call has a time limit,
//! and no process outlives the [`Client`] that started it.

pub(crate) mod server;

use std::collections::VecDeque;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rmcp::model::{CallToolRequestParams, ClientCapabilities, ClientConfig, Implementation, ProtocolVersion};
use rmcp::service::{ClientLifecycleMode, ClientServiceExt, RoleClient, RunningService, ServiceError};
use rmcp::transport::StreamableHttpClientTransport;
use rmcp::transport::streamable_http_client::StreamableHttpClientTransportConfig;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};
use tokio::io::AsyncReadExt;
use tokio::process::Child;

use crate::servers::{Reach, Spec, ToolInfo};
use crate::trouble::Trouble;

/// How long a server may take to come up; ours bring their index up to date in this time.
const START_TIMEOUT: Duration = Duration::from_secs(120);
/// How long a server may take to go once its input is closed.
const STOP_TIMEOUT: Duration = Duration::from_secs(3);
/// More of a server's standard error than this is not kept.
const STDERR_BYTES_MAX: usize = 256 * 1024;
/// How much of it is shown when a server fails.
const STDERR_LINES_SHOWN: usize = 8;
/// A larger answer is refused: a report is not made from it.
pub(crate) const ANSWER_BYTES_MAX: usize = 64 << 20;

/// Who answered: part of the provenance of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ServerIdentity {
    pub name: String,
    /// The server's own name, where it says one.
    pub program: String,
    pub version: String,
    pub protocol: String,
    pub reached: String,
    pub tools_sha256: String,
}

/// What a tool answered, or how it refused.
pub(crate) type Answer = Result<Value, Trouble>;

/// A running server.
pub(crate) struct Client {
    name: String,
    service: RunningService<RoleClient, ClientConfig>,
    child: Mutex<Option<Child>>,
    stderr: Arc<Mutex<Tail>>,
    tools: Vec<ToolInfo>,
    identity: ServerIdentity,
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client").field("name", &self.name).finish_non_exhaustive()
    }
}

/// The last lines of a server's standard error, and a bounded copy in a file.
#[derive(Debug, Default)]
struct Tail {
    lines: VecDeque<String>,
    partial: String,
}

impl Tail {
    fn push(&mut self, text: &str) {
        for character in text.chars() {
            if character == '\n' {
                let line = std::mem::take(&mut self.partial);
                if !line.trim().is_empty() {
                    self.lines.push_back(line);
                }
                if STDERR_LINES_SHOWN < self.lines.len() {
                    self.lines.pop_front();
                }
            } else if self.partial.len() < 400 {
                self.partial.push(character);
            }
        }
    }

    fn shown(&self) -> Vec<String> {
        let partial = Some(self.partial.clone()).filter(|line| !line.trim().is_empty());
        self.lines.iter().cloned().chain(partial).collect()
    }
}

impl Client {
    /// Starts the server or connects to it, and reads its tools.
    ///
    /// `stderr_file` receives a bounded copy of what the process says on standard error.
    ///
    /// # Errors
    ///
    /// When it does not start, does not speak the protocol or takes too long.
    pub(crate) async fn connect(spec: &Spec, stderr_file: Option<PathBuf>) -> Result<Self, Trouble> {
        let stderr = Arc::new(Mutex::new(Tail::default()));
        let connected = tokio::time::timeout(START_TIMEOUT, Self::open(spec, stderr_file, &stderr)).await;
        let (service, child) = match connected {
            Ok(Ok(opened)) => opened,
            Ok(Err(trouble)) => {
                // The process may have said why before it went; let that arrive.
                tokio::time::sleep(Duration::from_millis(50)).await;
                return Err(with_tail(trouble, &stderr));
            }
            Err(_) => {
                let trouble = Trouble::timeout(format!(
                    "서버 `{}`이(가) {}초 안에 준비되지 않았습니다",
                    spec.name,
                    START_TIMEOUT.as_secs()
                ));
                return Err(with_tail(trouble, &stderr));
            }
        };
        let listed = tokio::time::timeout(START_TIMEOUT, service.peer().list_all_tools()).await;
        let listed = match listed {
            Ok(Ok(tools)) => tools,
            Ok(Err(error)) => {
                tracing::debug!(server = %spec.name, %error, "tools/list failed");
                let trouble = Trouble::unreachable(format!("서버 `{}`의 도구 목록을 받지 못했습니다", spec.name));
                return Err(with_tail(trouble, &stderr));
            }
            Err(_) => {
                let trouble = Trouble::timeout(format!("서버 `{}`이(가) 도구 목록을 제때 주지 않았습니다", spec.name));
                return Err(with_tail(trouble, &stderr));
            }
        };
        let tools: Vec<ToolInfo> = listed.into_iter().map(tool_info).collect();
        let identity = identity(spec, &service, &tools);
        Ok(Self { name: spec.name.clone(), service, child: Mutex::new(child), stderr, tools, identity })
    }

    async fn open(
        spec: &Spec,
        stderr_file: Option<PathBuf>,
        stderr: &Arc<Mutex<Tail>>,
    ) -> Result<(RunningService<RoleClient, ClientConfig>, Option<Child>), Trouble> {
        let handler =
            ClientConfig::new(ClientCapabilities::default(), Implementation::new("haechi", env!("CARGO_PKG_VERSION")));
        let preferred_versions = vec![ProtocolVersion::V_2026_07_28];
        let lifecycle = if spec.own {
            ClientLifecycleMode::Discover { preferred_versions }
        } else {
            ClientLifecycleMode::Auto { preferred_versions, legacy_version: Some(ProtocolVersion::V_2025_11_25) }
        };
        let failed = |error: rmcp::service::ClientInitializeError| {
            tracing::debug!(server = %spec.name, %error, "connection failed");
            Trouble::unreachable(format!("서버 `{}`({})에 연결하지 못했습니다", spec.name, spec.shown()))
                .hint(format!("`haechi doctor`로 서버를 점검하거나 `{}`을(를) 직접 실행해 보십시오", spec.shown()))
        };
        match &spec.reach {
            Reach::Url(url) => {
                let transport = StreamableHttpClientTransport::from_config(
                    StreamableHttpClientTransportConfig::with_uri(url.as_str()),
                );
                let service = handler.serve_with_lifecycle(transport, lifecycle).await.map_err(failed)?;
                Ok((service, None))
            }
            Reach::Process { program, arguments } => {
                let mut command = tokio::process::Command::new(program);
                command
                    .args(arguments)
                    .env_clear()
                    .envs(spec.environment.iter().map(|(name, value)| (name, value)))
                    .current_dir(&spec.folder)
                    .stdin(Stdio::piped())
                    .stdout(Stdio::piped())
                    .stderr(Stdio::piped())
                    .kill_on_drop(true);
                // Ctrl-C reaches us alone, and we end the servers in order.
                #[cfg(unix)]
                command.process_group(0);
                let mut child = command.spawn().map_err(|error| {
                    Trouble::unreachable(format!(
                        "서버 `{}`({})을(를) 실행하지 못했습니다: {}",
                        spec.name,
                        program.display(),
                        crate::workspace::reason(&error)
                    ))
                })?;
                if let Some(pipe) = child.stderr.take() {
                    tokio::spawn(drain(pipe, Arc::clone(stderr), stderr_file));
                }
                let (Some(stdout), Some(stdin)) = (child.stdout.take(), child.stdin.take()) else {
                    return Err(Trouble::failed("internal", "서버와 통신할 통로를 만들지 못했습니다"));
                };
                let service = handler.serve_with_lifecycle((stdout, stdin), lifecycle).await.map_err(failed)?;
                Ok((service, Some(child)))
            }
        }
    }

    pub(crate) fn tools(&self) -> &[ToolInfo] {
        &self.tools
    }

    pub(crate) fn identity(&self) -> &ServerIdentity {
        &self.identity
    }

    /// Whether the server has gone.
    pub(crate) fn is_gone(&self) -> bool {
        self.service.is_transport_closed() || self.exit_status().is_some()
    }

    /// Calls a tool; dropping the future tells the server to stop.
    ///
    /// # Errors
    ///
    /// The tool's own refusal, a time limit, or a server that has gone.
    pub(crate) async fn call(&self, tool: &str, arguments: &Value, timeout: Duration) -> Answer {
        let arguments = arguments.as_object().cloned().unwrap_or_default();
        let parameters = CallToolRequestParams::new(tool.to_owned()).with_arguments(arguments);
        let called = tokio::time::timeout(timeout, self.service.call_tool(parameters)).await;
        let result = match called {
            Ok(Ok(result)) => result,
            Ok(Err(error)) => return Err(self.broken(tool, &error).await),
            Err(_) => {
                return Err(Trouble::timeout(format!(
                    "`{}.{tool}`이(가) {}초 안에 답하지 않았습니다",
                    self.name,
                    timeout.as_secs_f64()
                ))
                .hint("단계에 `timeout`을 늘리거나 질의를 줄이십시오"));
            }
        };
        let text = || {
            let parts: Vec<&str> =
                result.content.iter().filter_map(|block| block.as_text().map(|text| text.text.as_str())).collect();
            parts.join("\n")
        };
        if result.is_error == Some(true) {
            return Err(refusal(&self.name, tool, result.structured_content.as_ref(), &text()));
        }
        Ok(match result.structured_content {
            Some(value) => value,
            None => serde_json::json!({ "text": text() }),
        })
    }

    async fn broken(&self, tool: &str, error: &ServiceError) -> Trouble {
        tracing::debug!(server = %self.name, tool, %error, "call failed");
        match error {
            // The server is there and refuses the request itself.
            ServiceError::McpError(refused) => Trouble::failed(
                "invalid_input",
                format!("`{}.{tool}`이(가) 요청을 거부했습니다: {}", self.name, refused.message),
            )
            .hint(format!("`haechi tools {}`로 도구와 받는 값을 살피십시오", self.name)),
            ServiceError::UnexpectedResponse | ServiceError::InputRequiredRoundsExceeded { .. } => Trouble::failed(
                "unsupported",
                format!("`{}.{tool}`이(가) 이 프로그램이 다루지 않는 답을 했습니다", self.name),
            ),
            _ => {
                // The process usually dies a moment before the status can be read.
                for _ in 0..20 {
                    if self.exit_status().is_some() {
                        break;
                    }
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
                let how = self.exit_status().map(|status| format!(" ({status})")).unwrap_or_default();
                let trouble = Trouble::unreachable(format!(
                    "서버 `{}`이(가) `{tool}`을(를) 처리하다가 사라졌습니다{how}",
                    self.name
                ))
                .hint("서버가 남긴 말은 실행 기록의 stderr 폴더에 있습니다. 서버를 점검한 뒤 다시 실행하십시오");
                with_tail(trouble, &self.stderr)
            }
        }
    }

    fn lock_child(&self) -> std::sync::MutexGuard<'_, Option<Child>> {
        self.child.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How the process ended, in Korean, once it has.
    fn exit_status(&self) -> Option<String> {
        let mut child = self.lock_child();
        let status = child.as_mut()?.try_wait().ok()??;
        #[cfg(unix)]
        {
            use std::os::unix::process::ExitStatusExt;
            if let Some(signal) = status.signal() {
                return Some(format!("신호 {signal}을 받고 끝남"));
            }
        }
        Some(format!("종료 코드 {}", status.code().unwrap_or(-1)))
    }

    /// Ends the server: its input is closed, and what does not go is killed.
    pub(crate) async fn close(self) {
        let Self { mut service, child, .. } = self;
        // Dropping the transport closes the pipes, which a server takes as the end.
        let _ = service.close_with_timeout(STOP_TIMEOUT).await;
        drop(service);
        let child = child.into_inner().unwrap_or_else(PoisonError::into_inner);
        if let Some(mut child) = child
            && tokio::time::timeout(STOP_TIMEOUT, child.wait()).await.is_err()
        {
            let _ = child.kill().await;
        }
    }
}

fn with_tail(mut trouble: Trouble, stderr: &Mutex<Tail>) -> Trouble {
    let lines = stderr.lock().unwrap_or_else(PoisonError::into_inner).shown();
    if !lines.is_empty() {
        let said = lines.iter().map(|line| format!("  | {line}")).collect::<Vec<_>>().join("\n");
        let hint = trouble.hint.map(|hint| format!("{hint}\n")).unwrap_or_default();
        trouble.hint = Some(format!("{hint}서버가 마지막에 남긴 말:\n{said}"));
    }
    trouble
}

/// A refusal: ours and those of servers that answer in the same shape keep their code and hint.
fn refusal(server: &str, tool: &str, structured: Option<&Value>, text: &str) -> Trouble {
    if let Some(problem) =
        structured.and_then(|value| serde_json::from_value::<haechi_contract::Problem>(value.clone()).ok())
    {
        return Trouble::from(problem);
    }
    let said: String = text.chars().take(400).collect();
    Trouble::failed("failed", format!("`{server}.{tool}`이(가) 실패했다고 답했습니다: {said}"))
}

/// Reads a server's standard error to the end, so that it never blocks, keeping a bounded part.
async fn drain(mut pipe: tokio::process::ChildStderr, tail: Arc<Mutex<Tail>>, file: Option<PathBuf>) {
    use tokio::io::AsyncWriteExt;
    let mut copy = match file {
        Some(path) => tokio::fs::OpenOptions::new().create(true).append(true).open(path).await.ok(),
        None => None,
    };
    let mut kept = 0;
    let mut buffer = vec![0; 8 * 1024];
    while let Ok(count) = pipe.read(&mut buffer).await {
        if count == 0 {
            break;
        }
        let part = &buffer[..count];
        tail.lock().unwrap_or_else(PoisonError::into_inner).push(&String::from_utf8_lossy(part));
        if let Some(file) = &mut copy
            && kept < STDERR_BYTES_MAX
        {
            let part = &part[..count.min(STDERR_BYTES_MAX - kept)];
            kept += part.len();
            let _ = file.write_all(part).await;
            if kept == STDERR_BYTES_MAX {
                let _ = file.write_all("\n(이후는 남기지 않음)\n".as_bytes()).await;
            }
            let _ = file.flush().await;
        }
    }
}

fn tool_info(tool: rmcp::model::Tool) -> ToolInfo {
    let annotations = tool.annotations.as_ref();
    ToolInfo {
        name: tool.name.to_string(),
        title: tool.title.clone().or_else(|| annotations.and_then(|annotations| annotations.title.clone())),
        description: tool.description.as_ref().map(ToString::to_string),
        input_schema: Value::Object(tool.input_schema.as_ref().clone()),
        output_schema: tool.output_schema.as_ref().map(|schema| Value::Object(schema.as_ref().clone())),
        read_only: annotations.and_then(|annotations| annotations.read_only_hint).unwrap_or(false),
        idempotent: annotations.and_then(|annotations| annotations.idempotent_hint).unwrap_or(false),
    }
}

fn identity(spec: &Spec, service: &RunningService<RoleClient, ClientConfig>, tools: &[ToolInfo]) -> ServerIdentity {
    let info = service.peer().peer_info();
    let server = info.as_ref().and_then(|info| info.server_info.as_ref());
    let described = serde_json::to_vec(tools).unwrap_or_default();
    ServerIdentity {
        name: spec.name.clone(),
        program: server.map_or_else(|| spec.shown(), |server| server.name.clone()),
        version: server.map_or_else(String::new, |server| server.version.clone()),
        protocol: info.as_ref().map_or_else(String::new, |info| info.protocol_version.to_string()),
        reached: spec.shown(),
        tools_sha256: hex(&Sha256::digest(&described)),
    }
}

/// Bytes as lower-case hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        use std::fmt::Write;
        let _ = write!(text, "{byte:02x}");
        text
    })
}
