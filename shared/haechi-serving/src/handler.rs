//! Answers protocol requests from a [`Service`]: the one place that knows both.
//!
//! A refusal that the caller can mend is a tool result with `isError`; a request that is broken is
//! a protocol error. A panic is caught per call, since the SDK would otherwise leave the caller
//! waiting for an answer that never comes.

use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::FutureExt as _;
use haechi_contract::{Code, Problem};
use rmcp::ErrorData;
use rmcp::ServerHandler;
use rmcp::model::{
    CacheScope, CallToolRequestParams, CallToolResponse, CallToolResult, CompleteRequestParams, CompleteResult,
    CompletionInfo, ContentBlock, GetPromptRequestParams, GetPromptResponse, GetPromptResult, Implementation,
    ListPromptsResult, ListResourceTemplatesResult, ListResourcesResult, ListToolsResult, PaginatedRequestParams,
    PromptMessage, ReadResourceRequestParams, ReadResourceResponse, ReadResourceResult, Reference, ResourceContents,
    Role, ServerCapabilities, ServerConfig,
};
use rmcp::service::{RequestContext, RoleServer};
use serde_json::{Value, json};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::access::Roles;
use crate::audit::{Audit, Event};
use crate::metrics::Metrics;
use crate::service::{Outcome, Resources, Service, Tool};
use crate::{Call, Limits, Principal};

/// How long a client may keep a list: the lists of a process never change while it runs.
const LIST_TTL_MS: u64 = 300_000;
/// Resources follow the index, which may be renewed at any time.
const RESOURCE_TTL_MS: u64 = 10_000;
/// How much of a resource's address an audit line holds.
const SUBJECT_CHARS_MAX: usize = 200;

/// The service with everything that bounds and records its calls. Cheap to clone, since the HTTP
/// transport makes one for every request.
#[derive(Clone)]
pub(crate) struct Handler {
    shared: Arc<Shared>,
}

struct Shared {
    parts: Parts,
    limits: Arc<Limits>,
    turns: Arc<Semaphore>,
    /// Calls that were begun and not yet answered.
    running: TaskTracker,
    stopping: CancellationToken,
}

/// What a handler is made of.
pub(crate) struct Parts {
    pub(crate) service: Service,
    pub(crate) limits: Limits,
    /// Who asks where nobody was authenticated: over stdio the user of the process, over HTTP
    /// nobody in particular.
    pub(crate) principal: Arc<Principal>,
    pub(crate) roles: Roles,
    pub(crate) audit: Audit,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) transport: &'static str,
}

impl Handler {
    pub(crate) fn new(parts: Parts) -> Self {
        let turns = Arc::new(Semaphore::new(parts.limits.calls_max.max(1)));
        let limits = Arc::new(parts.limits.clone());
        let (running, stopping) = (TaskTracker::new(), CancellationToken::new());
        Self { shared: Arc::new(Shared { parts, limits, turns, running, stopping }) }
    }

    /// Who sent the request: whom the HTTP transport authenticated, or the user of the process.
    fn principal(&self, context: &RequestContext<RoleServer>) -> Arc<Principal> {
        context
            .extensions
            .get::<axum::http::request::Parts>()
            .and_then(|request| request.extensions.get::<Arc<Principal>>())
            .unwrap_or(&self.shared.parts.principal)
            .clone()
    }

    async fn call(
        &self,
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResult, ErrorData> {
        let parts = &self.shared.parts;
        let principal = self.principal(&context);
        let record = Record::new(&principal, self.client(&context), &request.name);
        let tool = parts.service.tools.get(request.name.as_ref());
        let Some(tool) = tool.filter(|_| parts.roles.allow(&principal, &request.name)) else {
            let error = self.unknown_tool(&principal, &request.name);
            // Who tries doors is what an auditor looks for; the name alone is kept, cut to a length.
            return match self.record(record, "denied", Value::Null, Value::Null).await {
                Ok(()) => Err(error),
                Err(problem) => Ok(refusal(&problem)),
            };
        };
        // Our own token: the call's time limit must stop the work without cancelling anything else.
        let cancel = context.ct.child_token();
        let mut words = Value::Null;
        let answer = self
            .bounded(&cancel, |turn| {
                let progress = context.meta.get_progress_token().map(|token| (context.peer.clone(), token));
                let call = Call::new(principal.clone(), cancel.clone(), self.shared.limits.clone(), progress, turn);
                let (arguments, work) = (tool.handler)(call, request.arguments.unwrap_or_default())?;
                words = arguments;
                Ok(work)
            })
            .await;
        let answer = answer.and_then(|outcome| self.fits(outcome));
        let outcome = answer.as_ref().err().map_or("ok", |problem| problem.code.as_str());
        let returned = answer.as_ref().map_or(Value::Null, |(outcome, _)| outcome.returned.clone());
        parts.metrics.called(&request.name, outcome, record.started.elapsed());
        // An answer that cannot be recorded is not given where the operator demands a record.
        let answer = self.record(record, outcome, words, returned).await.and(answer);
        Ok(match answer {
            Ok((outcome, json)) => {
                let text = outcome.text.unwrap_or(json);
                let mut result = CallToolResult::success(vec![ContentBlock::text(text)]);
                result.structured_content = Some(outcome.structured);
                result
            }
            Err(problem) => refusal(&problem),
        })
    }

    /// Appends the audit line of a request.
    async fn record(
        &self,
        record: Record<'_>,
        outcome: &str,
        arguments: Value,
        returned: Value,
    ) -> Result<(), Problem> {
        let event = Event {
            principal: record.principal,
            transport: self.shared.parts.transport,
            client: record.client,
            tool: record.what,
            arguments,
            outcome,
            returned,
            elapsed: record.started.elapsed(),
        };
        self.shared.parts.audit.record(event).await
    }

    /// What the client says it is. Over HTTP a request speaks for itself alone: the protocol
    /// library fills the gap with its own name there, which would be recorded as a client's.
    fn client(&self, context: &RequestContext<RoleServer>) -> Option<String> {
        let client = match self.shared.parts.transport {
            "stdio" => context.client_info(),
            _ => context.meta.client_info(),
        };
        client.map(|client| format!("{} {}", client.name, client.version))
    }

    /// Waits for a turn, then prepares the work and runs it, within the call's time. A panic in
    /// either is caught, and nothing new is begun once the server is asked to stop.
    async fn bounded<T, W>(
        &self,
        cancel: &CancellationToken,
        prepare: impl FnOnce(OwnedSemaphorePermit) -> Result<W, Problem>,
    ) -> Result<T, Problem>
    where
        W: Future<Output = Result<T, Problem>>,
    {
        let shared = &self.shared;
        let limits = &shared.limits;
        if shared.stopping.is_cancelled() {
            return Err(
                Problem::new(Code::Unavailable, "서버를 끝내는 중입니다").with_hint("잠시 뒤에 다시 연결하십시오")
            );
        }
        let _running = shared.parts.metrics.running();
        let _counted = shared.running.token();
        let deadline = tokio::time::Instant::now() + Duration::from_millis(limits.call_ms_max);
        let turn = tokio::time::timeout(
            Duration::from_millis(limits.queue_ms_max.min(limits.call_ms_max)),
            shared.turns.clone().acquire_owned(),
        );
        let turn = tokio::select! {
            turn = turn => match turn {
                Ok(Ok(turn)) => turn,
                _ => return Err(Problem::new(Code::Busy, format!("동시에 처리하는 요청이 {}건을 넘었습니다", limits.calls_max))
                    .with_hint("잠시 뒤에 다시 시도하거나 설정 limits.calls_max를 늘리십시오")),
            },
            () = cancel.cancelled() => return Err(Call::cancelled()),
        };
        let prepared = std::panic::catch_unwind(AssertUnwindSafe(|| prepare(turn)));
        let work = prepared.unwrap_or_else(|_| Err(Problem::internal()))?;
        let work = AssertUnwindSafe(work).catch_unwind();
        let answer = tokio::select! {
            answer = work => answer.unwrap_or_else(|_| Err(Problem::internal())),
            () = cancel.cancelled() => Err(Call::cancelled()),
            () = tokio::time::sleep_until(deadline) => {
                Err(Problem::new(Code::Timeout, format!("{}초 안에 끝나지 않아 멈추었습니다", limits.call_ms_max / 1000))
                    .with_hint("범위를 좁혀 다시 요청하거나 설정 limits.call_ms_max를 늘리십시오"))
            }
        };
        cancel.cancel();
        answer
    }

    /// Takes no new call and gives the running ones `patience` to end.
    pub(crate) async fn stop(&self, patience: Duration) {
        self.shared.stopping.cancel();
        self.shared.running.close();
        let _ = tokio::time::timeout(patience, self.shared.running.wait()).await;
    }

    /// The outcome with its JSON text, unless it is larger than a client should be sent.
    fn fits(&self, outcome: Outcome) -> Result<(Outcome, String), Problem> {
        let json = outcome.structured.to_string();
        let bytes_max = self.shared.limits.result_bytes_max;
        let bytes = json.len().max(outcome.text.as_ref().map_or(0, String::len));
        if bytes > bytes_max {
            return Err(Problem::new(
                Code::TooLarge,
                format!("답이 {bytes}바이트로 한도 {bytes_max}바이트를 넘습니다"),
            )
            .with_hint("limit을 줄이거나 열과 조건을 좁혀 나누어 요청하십시오"));
        }
        Ok((outcome, json))
    }

    /// A tool that does not exist, or that this principal may not use: the two look the same.
    fn unknown_tool(&self, principal: &Principal, name: &str) -> ErrorData {
        let names: Vec<&str> = self.tools(principal).map(|tool| tool.definition.name.as_ref()).collect();
        let near = crate::service::nearest(name, names.iter().copied());
        ErrorData::invalid_params("tool not found", Some(json!({ "tools": names, "nearest": near })))
    }

    /// The tools that `principal` may use, by name.
    fn tools(&self, principal: &Principal) -> impl Iterator<Item = &Tool> {
        let parts = &self.shared.parts;
        parts.service.tools.values().filter(|tool| parts.roles.allow(principal, &tool.definition.name))
    }

    /// Runs a blocking resource method within the same bounds, and with the same record, as a tool
    /// call. `subject` is what is asked for: a resource's address or a prompt's name. `None` means
    /// that the principal may not have it, which must look as if it did not exist.
    async fn resource<T: Send + 'static>(
        &self,
        context: &RequestContext<RoleServer>,
        what: &'static str,
        subject: Option<&str>,
        work: impl FnOnce(&dyn Resources, &Principal) -> Result<T, Problem> + Send + 'static,
    ) -> Result<Option<T>, ErrorData> {
        let Some(resources) = self.shared.parts.service.resources.clone() else {
            return Err(ErrorData::method_not_found::<rmcp::model::ReadResourceRequestMethod>());
        };
        let principal = self.principal(context);
        let record = Record::new(&principal, self.client(context), what);
        let cancel = context.ct.child_token();
        let allowed = self.may_read(&principal, resources.as_ref(), subject);
        let answer = if allowed {
            let principal = principal.clone();
            self.bounded(&cancel, |turn| {
                let work = move || {
                    let _turn = turn;
                    work(resources.as_ref(), &principal)
                };
                let work = tokio::task::spawn_blocking(work);
                Ok(async move { work.await.unwrap_or_else(|_| Err(Problem::internal())).map(Some) })
            })
            .await
        } else {
            Ok(None)
        };
        let outcome = match &answer {
            Ok(Some(_)) => "ok",
            Ok(None) => "denied",
            Err(problem) => problem.code.as_str(),
        };
        self.shared.parts.metrics.called(what, outcome, record.started.elapsed());
        let arguments = subject.map_or(
            Value::Null,
            |subject| json!({ "subject": subject.chars().take(SUBJECT_CHARS_MAX).collect::<String>() }),
        );
        let recorded = self.record(record, outcome, arguments, Value::Null).await;
        recorded.and(answer).map_err(|problem| protocol_error(&problem))
    }

    /// Whether `principal` may have what stands behind `subject`: whoever may use the tool that
    /// gives the same, or, where the server names none, every tool of it.
    fn may_read(&self, principal: &Principal, resources: &dyn Resources, subject: Option<&str>) -> bool {
        let parts = &self.shared.parts;
        match resources.guarded_by(subject.unwrap_or_default()) {
            Some(tool) => parts.roles.allow(principal, tool),
            None => parts.service.tools.keys().all(|tool| parts.roles.allow(principal, tool)),
        }
    }
}

/// What an audit line says of a request before it is answered.
struct Record<'a> {
    principal: &'a Principal,
    client: Option<String>,
    what: &'a str,
    started: Instant,
}

impl<'a> Record<'a> {
    fn new(principal: &'a Principal, client: Option<String>, what: &'a str) -> Self {
        Self { principal, client, what, started: Instant::now() }
    }
}

/// A refusal as a tool result: structured for programs, and the same words as text.
fn refusal(problem: &Problem) -> CallToolResult {
    tracing::info!(code = %problem.code, "call refused");
    let mut text = format!("오류 [{}]: {}", problem.code, problem.message);
    if let Some(hint) = &problem.hint {
        text.push_str("\n도움말: ");
        text.push_str(hint);
    }
    let mut result = CallToolResult::error(vec![ContentBlock::text(text)]);
    result.structured_content = Some(json!(problem));
    result
}

/// Requests other than tool calls have no result that could carry a refusal.
fn protocol_error(problem: &Problem) -> ErrorData {
    match problem.code {
        Code::InvalidInput => ErrorData::invalid_params(problem.message.clone(), Some(json!(problem))),
        Code::NotFound => ErrorData::resource_not_found(problem.message.clone(), Some(json!(problem))),
        _ => ErrorData::internal_error(problem.message.clone(), Some(json!(problem))),
    }
}

impl ServerHandler for Handler {
    fn get_info(&self) -> ServerConfig {
        let service = &self.shared.parts.service;
        let identity = &service.identity;
        let mut capabilities = ServerCapabilities::builder().enable_tools().build();
        if !service.prompts.is_empty() {
            capabilities.prompts = Some(Default::default());
        }
        if service.resources.is_some() {
            capabilities.resources = Some(Default::default());
            capabilities.completions = Some(Default::default());
        }
        ServerConfig::new(capabilities)
            .with_server_info(
                Implementation::new(identity.name, identity.version)
                    .with_title(identity.title)
                    .with_description(identity.description),
            )
            .with_instructions(identity.instructions)
    }

    async fn list_tools(
        &self,
        _request: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        let principal = self.principal(&context);
        let tools = self.tools(&principal).map(|tool| tool.definition.clone()).collect();
        Ok(ListToolsResult::with_all_items(tools).with_ttl_ms(LIST_TTL_MS).with_cache_scope(CacheScope::Private))
    }

    fn get_tool(&self, name: &str) -> Option<rmcp::model::Tool> {
        self.shared.parts.service.tools.get(name).map(|tool| tool.definition.clone())
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        self.call(request, context).await.map(Into::into)
    }

    async fn list_prompts(
        &self,
        _request: Option<PaginatedRequestParams>,
        _context: RequestContext<RoleServer>,
    ) -> Result<ListPromptsResult, ErrorData> {
        let prompts = self
            .shared
            .parts
            .service
            .prompts
            .iter()
            .map(|prompt| {
                let arguments = prompt
                    .arguments
                    .iter()
                    .map(|argument| {
                        rmcp::model::PromptArgument::new(argument.name)
                            .with_description(argument.description)
                            .with_required(argument.required)
                    })
                    .collect();
                rmcp::model::Prompt::new(prompt.name, Some(prompt.description), Some(arguments))
                    .with_title(prompt.title)
            })
            .collect();
        Ok(ListPromptsResult::with_all_items(prompts).with_ttl_ms(LIST_TTL_MS).with_cache_scope(CacheScope::Private))
    }

    async fn get_prompt(
        &self,
        request: GetPromptRequestParams,
        _context: RequestContext<RoleServer>,
    ) -> Result<GetPromptResponse, ErrorData> {
        let Some(prompt) = self.shared.parts.service.prompts.iter().find(|prompt| prompt.name == request.name) else {
            return Err(ErrorData::invalid_params("prompt not found", None));
        };
        let mut arguments = BTreeMap::new();
        for (name, value) in request.arguments.unwrap_or_default() {
            let Value::String(value) = value else {
                return Err(ErrorData::invalid_params(format!("prompt argument `{name}` must be a string"), None));
            };
            arguments.insert(name, value);
        }
        if let Some(missing) =
            prompt.arguments.iter().find(|argument| argument.required && !arguments.contains_key(argument.name))
        {
            return Err(ErrorData::invalid_params(format!("prompt argument `{}` is missing", missing.name), None));
        }
        let text = std::panic::catch_unwind(AssertUnwindSafe(|| (prompt.write)(&arguments)))
            .unwrap_or_else(|_| Err(Problem::internal()))
            .map_err(|problem| protocol_error(&problem))?;
        Ok(GetPromptResult::new(vec![PromptMessage::new_text(Role::User, text)])
            .with_description(prompt.description)
            .into())
    }

    async fn list_resources(
        &self,
        request: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> Result<ListResourcesResult, ErrorData> {
        if self.shared.parts.service.resources.is_none() {
            return Ok(ListResourcesResult::default());
        }
        let cursor = request.and_then(|request| request.cursor).map(|cursor| cursor.to_string());
        let page = self
            .resource(&context, "resources/list", None, move |resources, principal| {
                resources.list(principal, cursor.as_deref())
            })
            .await?
            .unwrap_or_default();
        let entries = page
            .entries
            .into_iter()
            .map(|entry| {
                let mut resource = rmcp::model::Resource::new(entry.uri, entry.name);
                resource.title = entry.title;
                resource.description = entry.description;
                resource.mime_type = entry.mime_type.map(str::to_owned);
                resource
            })
            .collect();
        let mut result = ListResourcesResult::with_all_items(entries)
            .with_ttl_ms(RESOURCE_TTL_MS)
            .with_cache_scope(CacheScope::Private);
        result.next_cursor = page.next_cursor;
        Ok(result)
    }

    async fn list_resource_templates(
        &self,
        _request: Option<PaginatedRequestParams>,
        _context: RequestContext<RoleServer>,
    ) -> Result<ListResourceTemplatesResult, ErrorData> {
        let templates =
            self.shared.parts.service.resources.as_ref().map(|resources| resources.templates()).unwrap_or_default();
        let templates = templates
            .into_iter()
            .map(|template| {
                rmcp::model::ResourceTemplate::new(template.uri, template.name)
                    .with_title(template.title)
                    .with_description(template.description)
                    .with_mime_type(template.mime_type)
            })
            .collect();
        Ok(ListResourceTemplatesResult::with_all_items(templates)
            .with_ttl_ms(LIST_TTL_MS)
            .with_cache_scope(CacheScope::Private))
    }

    async fn read_resource(
        &self,
        request: ReadResourceRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<ReadResourceResponse, ErrorData> {
        let uri = request.uri.clone();
        let text = self
            .resource(&context, "resources/read", Some(&request.uri), move |resources, principal| {
                resources.read(principal, &uri)
            })
            .await?;
        let Some(text) = text.flatten() else {
            return Err(ErrorData::resource_not_found("resource not found", Some(json!({ "uri": request.uri }))));
        };
        if text.text.len() > self.shared.limits.result_bytes_max {
            let problem = Problem::new(Code::TooLarge, "자원이 한 번에 보낼 수 있는 크기를 넘습니다")
                .with_hint("도구로 필요한 부분만 읽으십시오");
            return Err(protocol_error(&problem));
        }
        let contents = ResourceContents::text(text.text, request.uri).with_mime_type(text.mime_type);
        Ok(ReadResourceResult::new(vec![contents])
            .with_ttl_ms(RESOURCE_TTL_MS)
            .with_cache_scope(CacheScope::Private)
            .into())
    }

    async fn complete(
        &self,
        request: CompleteRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CompleteResult, ErrorData> {
        let reference = match request.r#ref {
            Reference::Resource(resource) => resource.uri,
            Reference::Prompt(prompt) => prompt.name,
            // A kind of reference that this version does not know has no values.
            _ => return Ok(CompleteResult::default()),
        };
        let others: BTreeMap<String, String> =
            request.context.and_then(|context| context.arguments).unwrap_or_default().into_iter().collect();
        let argument = request.argument;
        let subject = reference.clone();
        let mut values = self
            .resource(&context, "completion/complete", Some(&subject), move |resources, principal| {
                Ok(resources.complete(principal, &reference, &argument.name, &argument.value, &others))
            })
            .await?
            .unwrap_or_default();
        let total = values.len();
        values.truncate(CompletionInfo::MAX_VALUES);
        let more = total > values.len();
        let total = u32::try_from(total).ok();
        let info = CompletionInfo::with_pagination(values, total, more)
            .map_err(|error| ErrorData::internal_error(error, None))?;
        Ok(CompleteResult::new(info))
    }
}
