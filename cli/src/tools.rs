//! Where the answers of a run come from: living servers, or the record of an earlier run.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::Value;
use tokio::sync::Mutex;

use crate::llm::Models;
use crate::mcp::{ANSWER_BYTES_MAX, Answer, Client, ServerIdentity};
use crate::record::{CallKey, EventKind, Recorded, now};
use crate::servers::{Spec, ToolInfo};
use crate::trouble::Trouble;

/// As many attempts as a workflow may ask for.
const ATTEMPTS_MAX: u32 = 10;

/// The server under which questions to models are recorded.
pub(crate) const MODEL: &str = "model";

/// The servers of a run, each started once and started again after it has gone.
#[derive(Debug)]
pub(crate) struct Pool {
    servers: BTreeMap<String, Slot>,
    stderr: Option<PathBuf>,
}

#[derive(Debug)]
struct Slot {
    spec: Spec,
    client: Mutex<Option<Arc<Client>>>,
}

impl Pool {
    pub(crate) fn new(specs: Vec<Spec>) -> Self {
        let servers =
            specs.into_iter().map(|spec| (spec.name.clone(), Slot { spec, client: Mutex::new(None) })).collect();
        Self { servers, stderr: None }
    }

    /// Keeps what the servers say on standard error in this folder.
    pub(crate) fn keep_stderr(&mut self, folder: PathBuf) {
        self.stderr = Some(folder);
    }

    /// Starts every server, side by side.
    ///
    /// # Errors
    ///
    /// What went wrong with each that did not start.
    pub(crate) async fn start(&self) -> Result<(), Vec<Trouble>> {
        let started = futures::future::join_all(self.servers.keys().map(|name| self.client(name))).await;
        let troubles: Vec<Trouble> = started.into_iter().filter_map(Result::err).collect();
        if troubles.is_empty() { Ok(()) } else { Err(troubles) }
    }

    async fn client(&self, name: &str) -> Result<Arc<Client>, Trouble> {
        let slot = self
            .servers
            .get(name)
            .ok_or_else(|| Trouble::failed("internal", format!("서버 `{name}`이(가) 준비되지 않았습니다")))?;
        let mut client = slot.client.lock().await;
        if let Some(running) = client.as_ref().filter(|running| !running.is_gone()) {
            return Ok(Arc::clone(running));
        }
        let file = self.stderr.as_ref().map(|folder| folder.join(format!("{name}.log")));
        let started = Arc::new(Client::connect(&slot.spec, file).await?);
        *client = Some(Arc::clone(&started));
        Ok(started)
    }

    /// The tools that each started server publishes.
    pub(crate) async fn catalogue(&self) -> BTreeMap<String, Vec<ToolInfo>> {
        let mut catalogue = BTreeMap::new();
        for (name, slot) in &self.servers {
            if let Some(client) = slot.client.lock().await.as_ref() {
                catalogue.insert(name.clone(), client.tools().to_vec());
            }
        }
        catalogue
    }

    pub(crate) async fn identities(&self) -> Vec<ServerIdentity> {
        let mut identities = Vec::new();
        for slot in self.servers.values() {
            if let Some(client) = slot.client.lock().await.as_ref() {
                identities.push(client.identity().clone());
            }
        }
        identities
    }

    /// What a server publishes about a tool; the server is started where it was not yet.
    async fn info(&self, server: &str, tool: &str) -> Result<Option<ToolInfo>, Trouble> {
        let client = self.client(server).await?;
        Ok(client.tools().iter().find(|info| info.name == tool).cloned())
    }

    pub(crate) async fn call(&self, server: &str, tool: &str, arguments: &Value, timeout: Duration) -> Answer {
        let client = self.client(server).await?;
        client.call(tool, arguments, timeout).await
    }

    /// Ends every server.
    pub(crate) async fn close(&self) {
        let closing = self.servers.values().map(|slot| async {
            if let Some(client) = slot.client.lock().await.take()
                && let Some(client) = Arc::into_inner(client)
            {
                client.close().await;
            }
        });
        futures::future::join_all(closing).await;
    }
}

/// One answered call.
#[derive(Debug)]
pub(crate) struct Called {
    pub answer: Answer,
    pub at: String,
    pub elapsed_ms: u64,
}

/// What an earlier run was answered.
#[derive(Debug, Default)]
pub(crate) struct Recording {
    calls: HashMap<CallKey, RecordedCall>,
    /// Calls that were made and never ended.
    pub open: Vec<(CallKey, String, bool)>,
}

#[derive(Debug)]
struct RecordedCall {
    tool: String,
    arguments: Value,
    answer: Answer,
    at: String,
    elapsed_ms: u64,
    read_only: bool,
}

impl Recording {
    /// Reads the calls of a recorded run; `failures` says whether refusals are kept too.
    ///
    /// # Errors
    ///
    /// When a recorded answer is missing or was changed.
    pub(crate) fn read(recorded: &Recorded, failures: bool) -> Result<Self, haechi_contract::Problem> {
        let mut recording = Self::default();
        let mut open: HashMap<CallKey, (String, bool)> = HashMap::new();
        for event in &recorded.events {
            match event.event {
                EventKind::Started => {
                    open.insert(
                        event.key(),
                        (event.tool.clone().unwrap_or_default(), event.read_only.unwrap_or(false)),
                    );
                }
                EventKind::Call => {
                    open.remove(&event.key());
                    let answer = match (&event.result_sha256, &event.problem) {
                        (Some(hash), _) => {
                            let bytes = recorded.blob(hash)?;
                            let value = serde_json::from_slice(&bytes).map_err(|_| {
                                haechi_contract::Problem::new(
                                    haechi_contract::Code::Corrupt,
                                    "기록된 결과를 읽을 수 없습니다",
                                )
                            })?;
                            Ok(value)
                        }
                        (None, Some(problem)) if failures => Err(problem.clone()),
                        _ => continue,
                    };
                    recording.calls.insert(
                        event.key(),
                        RecordedCall {
                            tool: event.tool.clone().unwrap_or_default(),
                            arguments: event.arguments.clone().unwrap_or_default(),
                            answer,
                            at: event.at.clone(),
                            elapsed_ms: event.elapsed_ms.unwrap_or(0),
                            read_only: event.read_only.unwrap_or(false),
                        },
                    );
                }
                _ => {}
            }
        }
        recording.open = open.into_iter().map(|(key, (tool, read_only))| (key, tool, read_only)).collect();
        recording.open.sort();
        Ok(recording)
    }
}

/// The answers of a run.
#[derive(Debug, Default)]
pub(crate) struct Tools {
    pub pool: Option<Pool>,
    pub recording: Option<Recording>,
    pub models: Models,
}

impl Tools {
    /// The recorded answer to this very call.
    fn recorded(&self, key: &CallKey, name: &str, arguments: &Value) -> Option<&RecordedCall> {
        let recording = self.recording.as_ref()?;
        let found = recording.calls.get(key).or_else(|| {
            // A resumed run may need another number of attempts than the run before it.
            self.pool.as_ref()?;
            (1..=ATTEMPTS_MAX).find_map(|attempt| recording.calls.get(&CallKey { attempt, ..key.clone() }))
        });
        found.filter(|call| call.tool == name && call.arguments == *arguments)
    }

    /// What is known about a tool before it is called, and whether it may be called again; a
    /// recorded call needs no server.
    pub(crate) async fn info(
        &self,
        key: &CallKey,
        server: &str,
        tool: &str,
        arguments: &Value,
    ) -> Result<(Option<ToolInfo>, bool), Trouble> {
        if let Some(call) = self.recorded(key, &format!("{server}.{tool}"), arguments) {
            return Ok((None, call.read_only));
        }
        let info = match &self.pool {
            Some(pool) => pool.info(server, tool).await?,
            None => None,
        };
        let read_only = info.as_ref().is_some_and(|info| info.read_only || info.idempotent);
        Ok((info, read_only))
    }

    /// Answers a call: from the record where it holds this very call, else from the server.
    pub(crate) async fn call(
        &self,
        key: &CallKey,
        server: &str,
        tool: &str,
        arguments: &Value,
        timeout: Duration,
    ) -> Called {
        let name = format!("{server}.{tool}");
        if let Some(call) = self.recorded(key, &name, arguments) {
            return Called { answer: call.answer.clone(), at: call.at.clone(), elapsed_ms: call.elapsed_ms };
        }
        if self.pool.is_none() {
            let trouble = Trouble {
                code: "replay_mismatch".into(),
                message: format!("`{}` 단계의 `{name}` 호출이 기록과 다릅니다", key.step),
                hint: Some("기록된 실행과 업무 흐름이나 틀이 다릅니다".into()),
                exit: haechi_contract::exit::MISMATCH,
            };
            return Called { answer: Err(trouble), at: now(), elapsed_ms: 0 };
        }
        let at = now();
        let started = Instant::now();
        let answer = match &self.pool {
            Some(_) if server == MODEL => self.models.ask(tool, arguments, timeout).await,
            Some(pool) => pool.call(server, tool, arguments, timeout).await,
            None => Err(Trouble::failed("internal", "서버가 준비되지 않았습니다")),
        };
        let answer = answer.map(without_timing).and_then(bounded);
        let elapsed_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
        Called { answer, at, elapsed_ms }
    }
}

/// How long the server took is no part of what it answered: with it, no two runs would compare.
fn without_timing(mut answer: Value) -> Value {
    if let Some(map) = answer.as_object_mut() {
        map.shift_remove("elapsed_ms");
    }
    answer
}

fn bounded(answer: Value) -> Answer {
    // A cheap estimate first: most answers are small.
    let bytes = answer.to_string().len();
    if ANSWER_BYTES_MAX < bytes {
        return Err(Trouble::failed("too_large", format!("답이 너무 큽니다 ({} MB)", bytes >> 20))
            .hint("질의를 좁히거나 limit을 줄이십시오"));
    }
    Ok(answer)
}
