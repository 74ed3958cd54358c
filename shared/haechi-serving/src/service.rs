//! What a server offers, as values: tools, resources, prompts.
//!
//! A [`Tool`] is one value that holds its definition, its schemas and its handler, so that a
//! definition and its behaviour cannot drift apart and one test can walk all of them.

use std::any::Any;
use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use haechi_contract::{Code, Problem};
use rmcp::model::{JsonObject, ToolAnnotations};
use schemars::JsonSchema;
use schemars::generate::Contract;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::{Call, schema};

/// Who a server is.
#[derive(Debug, Clone, Copy)]
pub struct Identity {
    /// The name of the binary, e.g. `haechi-regulations`.
    pub name: &'static str,
    /// Korean, for people.
    pub title: &'static str,
    pub version: &'static str,
    /// Korean, one sentence.
    pub description: &'static str,
    /// Korean; tells a model when and how to use the tools.
    pub instructions: &'static str,
}

/// Everything that one server answers.
pub struct Service {
    pub(crate) identity: Identity,
    pub(crate) tools: BTreeMap<String, Tool>,
    pub(crate) prompts: Vec<Prompt>,
    pub(crate) resources: Option<Arc<dyn Resources>>,
}

impl Service {
    pub fn new(identity: Identity) -> Self {
        Self { identity, tools: BTreeMap::new(), prompts: Vec::new(), resources: None }
    }

    /// Adds a tool; one with the same name is replaced.
    #[must_use]
    pub fn tool(mut self, tool: Tool) -> Self {
        self.tools.insert(tool.definition.name.to_string(), tool);
        self
    }

    #[must_use]
    pub fn prompt(mut self, prompt: Prompt) -> Self {
        self.prompts.push(prompt);
        self
    }

    #[must_use]
    pub fn resources(mut self, resources: impl Resources) -> Self {
        self.resources = Some(Arc::new(resources));
        self
    }

    /// The tool definitions as they go over the wire, sorted by name.
    pub fn definitions(&self) -> Vec<Value> {
        self.tools.values().map(|tool| json!(tool.definition)).collect()
    }
}

type Prepared = (Value, Pin<Box<dyn Future<Output = Result<Outcome, Problem>> + Send>>);
type Handler = Arc<dyn Fn(Call, JsonObject) -> Result<Prepared, Problem> + Send + Sync>;

/// A tool: what it is called, what it takes and gives, and what answers it.
pub struct Tool {
    pub(crate) definition: rmcp::model::Tool,
    pub(crate) handler: Handler,
}

/// What a handler gave, ready for the wire.
pub(crate) struct Outcome {
    pub(crate) structured: Value,
    pub(crate) text: Option<String>,
    pub(crate) returned: Value,
}

/// What the audit may hold of an input whose type the handler alone knows.
type AuditWords = Arc<dyn Fn(&dyn Any) -> Value + Send + Sync>;

/// A tool that has a name and words, and waits for its handler.
pub struct ToolDraft {
    name: &'static str,
    title: &'static str,
    description: &'static str,
    audited: Option<AuditWords>,
}

impl Tool {
    /// A tool that reads and changes nothing. `name` is ASCII snake_case; `title` and
    /// `description` are Korean, and the description says when to use the tool, with an example.
    pub fn read_only(name: &'static str, title: &'static str, description: &'static str) -> ToolDraft {
        ToolDraft { name, title, description, audited: None }
    }
}

impl ToolDraft {
    /// Says what the audit line may hold of the arguments. Without it the line names the
    /// arguments that were given and nothing of their values.
    #[must_use]
    pub fn audited<I: 'static>(mut self, words: impl Fn(&I) -> Value + Send + Sync + 'static) -> Self {
        self.audited = Some(Arc::new(move |input| input.downcast_ref::<I>().map_or(Value::Null, &words)));
        self
    }

    /// Gives the tool its handler; the schemas come from the handler's types.
    pub fn handler<I, O, F, A>(self, handler: F) -> Tool
    where
        I: DeserializeOwned + JsonSchema + Send + 'static,
        O: Serialize + JsonSchema + Send + 'static,
        F: Fn(Call, I) -> A + Send + Sync + 'static,
        A: Future<Output = Result<Reply<O>, Problem>> + Send + 'static,
    {
        let input = schema::of::<I>(Contract::Deserialize);
        let mut output = schema::of::<O>(Contract::Serialize);
        // A refusal carries its problem as structured content, and a client may hold every answer,
        // refused or not, against this schema; so nothing is required at the root.
        output.remove("required");
        let names: Vec<String> = input
            .get("properties")
            .and_then(Value::as_object)
            .map(|properties| properties.keys().cloned().collect())
            .unwrap_or_default();
        let annotations = ToolAnnotations::with_title(self.title)
            .read_only(true)
            .destructive(false)
            .idempotent(true)
            .open_world(false);
        let definition = rmcp::model::Tool::new(self.name, self.description, Arc::new(input))
            .with_title(self.title)
            .with_raw_output_schema(Arc::new(output))
            .with_annotations(annotations);
        let audited = self.audited;
        let handler: Handler = Arc::new(move |call, arguments| {
            let given: Vec<String> = arguments.keys().cloned().collect();
            let input: I = serde_json::from_value(Value::Object(arguments))
                .map_err(|error| invalid_arguments(&error.to_string(), &names))?;
            let words = audited.as_ref().map_or_else(|| json!({ "given": given }), |words| words(&input));
            let answer = handler(call, input);
            let future = async move {
                let reply = answer.await?;
                let structured = serde_json::to_value(reply.value).map_err(|error| {
                    tracing::error!(%error, "an answer could not be serialised");
                    Problem::internal()
                })?;
                Ok(Outcome { structured, text: reply.text, returned: reply.returned })
            };
            Ok((words, Box::pin(future)))
        });
        Tool { definition, handler }
    }
}

/// Turns serde's words about arguments into ours. The values in them are the caller's own.
fn invalid_arguments(error: &str, names: &[String]) -> Problem {
    let short = |text: &str| text.chars().take(QUOTED_CHARS_MAX).collect::<String>();
    let quoted = |text: &str| text.split('`').nth(1).map(short);
    let known = format!("쓸 수 있는 인자: {}", names.join(", "));
    if error.starts_with("unknown field") {
        let field = quoted(error).unwrap_or_default();
        let hint = match nearest(&field, names.iter().map(String::as_str)) {
            Some(near) => format!("`{near}`를 쓰려던 것입니까? {known}"),
            None => known,
        };
        return Problem::new(Code::InvalidInput, format!("`{field}`라는 인자는 없습니다")).with_hint(hint);
    }
    if error.starts_with("missing field") {
        let field = quoted(error).unwrap_or_default();
        return Problem::new(Code::InvalidInput, format!("`{field}` 인자가 빠졌습니다")).with_hint(known);
    }
    Problem::new(Code::InvalidInput, format!("인자의 형식이 맞지 않습니다: {}", short(error))).with_hint(known)
}

/// The longest misspelling that is compared with names.
const WORD_BYTES_MAX: usize = 64;
/// How much of a caller's own words a message repeats.
const QUOTED_CHARS_MAX: usize = 80;

/// The candidate that `word` was most likely meant to be, if one is near enough.
pub(crate) fn nearest<'a>(word: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    // The likeness costs the product of the lengths, and a caller chooses one of them.
    if word.len() > WORD_BYTES_MAX {
        return None;
    }
    candidates
        .map(|candidate| (strsim::jaro_winkler(word, candidate), candidate))
        .filter(|(likeness, _)| *likeness >= 0.75)
        .max_by(|(left, _), (right, _)| left.total_cmp(right))
        .map(|(_, candidate)| candidate)
}

/// An answer: the value that programs read, a text that people and models read, and what the audit
/// line says was returned.
pub struct Reply<T> {
    value: T,
    text: Option<String>,
    returned: Value,
}

impl<T> Reply<T> {
    /// An answer whose readable form is the JSON itself until [`Reply::text`] gives a better one.
    pub fn new(value: T) -> Self {
        Self { value, text: None, returned: Value::Null }
    }

    #[must_use]
    pub fn text(mut self, text: impl Into<String>) -> Self {
        self.text = Some(text.into());
        self
    }

    /// Counts, citations, hashes: what the audit line says of the answer; no personal data.
    #[must_use]
    pub fn returned(mut self, returned: Value) -> Self {
        self.returned = returned;
        self
    }
}

/// An argument of a prompt.
#[derive(Debug, Clone, Copy)]
pub struct PromptArgument {
    pub name: &'static str,
    pub description: &'static str,
    pub required: bool,
}

impl PromptArgument {
    pub fn required(name: &'static str, description: &'static str) -> Self {
        Self { name, description, required: true }
    }

    pub fn optional(name: &'static str, description: &'static str) -> Self {
        Self { name, description, required: false }
    }
}

type Writer = Arc<dyn Fn(&BTreeMap<String, String>) -> Result<String, Problem> + Send + Sync>;

/// A prompt: a text for the model, written from arguments.
pub struct Prompt {
    pub(crate) name: &'static str,
    pub(crate) title: &'static str,
    pub(crate) description: &'static str,
    pub(crate) arguments: Vec<PromptArgument>,
    pub(crate) write: Writer,
}

impl Prompt {
    pub fn new(
        name: &'static str,
        title: &'static str,
        description: &'static str,
        arguments: impl IntoIterator<Item = PromptArgument>,
        write: impl Fn(&BTreeMap<String, String>) -> Result<String, Problem> + Send + Sync + 'static,
    ) -> Self {
        Self { name, title, description, arguments: arguments.into_iter().collect(), write: Arc::new(write) }
    }
}

/// One entry of a resource list.
#[derive(Debug, Clone)]
pub struct ResourceEntry {
    pub uri: String,
    pub name: String,
    pub title: Option<String>,
    pub description: Option<String>,
    pub mime_type: Option<&'static str>,
}

/// One page of a resource list.
#[derive(Debug, Clone, Default)]
pub struct ResourcePage {
    pub entries: Vec<ResourceEntry>,
    pub next_cursor: Option<String>,
}

/// A family of resources; `uri` holds variables in braces, e.g. `regulation://{id}/{article}`.
#[derive(Debug, Clone)]
pub struct ResourceTemplate {
    pub uri: &'static str,
    pub name: &'static str,
    pub title: &'static str,
    pub description: &'static str,
    pub mime_type: &'static str,
}

/// The text of a resource.
#[derive(Debug, Clone)]
pub struct ResourceText {
    pub text: String,
    pub mime_type: &'static str,
}

/// The resources of a server. Every method may block; the caller runs it off the runtime.
pub trait Resources: Send + Sync + 'static {
    /// One page of what there is; `cursor` is what the page before gave.
    ///
    /// # Errors
    ///
    /// A cursor that this server did not give, or data that is not ready.
    fn list(&self, principal: &crate::Principal, cursor: Option<&str>) -> Result<ResourcePage, Problem> {
        let _ = (principal, cursor);
        Ok(ResourcePage::default())
    }

    fn templates(&self) -> Vec<ResourceTemplate> {
        Vec::new()
    }

    /// The tool whose permission the resource or prompt `subject` needs; an empty `subject` means the
    /// list of all. Where it says none, a principal must be allowed every tool of the server.
    fn guarded_by(&self, subject: &str) -> Option<&'static str> {
        let _ = subject;
        None
    }

    /// The text of `uri`, or `None` where there is no such resource for this principal.
    ///
    /// # Errors
    ///
    /// Data that is not ready or cannot be read.
    fn read(&self, principal: &crate::Principal, uri: &str) -> Result<Option<ResourceText>, Problem> {
        let _ = (principal, uri);
        Ok(None)
    }

    /// Values for the variable `argument` of a template or prompt that begin with, or match, `value`.
    fn complete(
        &self,
        principal: &crate::Principal,
        reference: &str,
        argument: &str,
        value: &str,
        others: &BTreeMap<String, String>,
    ) -> Vec<String> {
        let _ = (principal, reference, argument, value, others);
        Vec::new()
    }
}

/// For servers without resources.
pub struct NoResources;

impl Resources for NoResources {}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(error: &str, code: Code, message: &str, hint: &str) {
        let names = ["query".to_owned(), "limit".to_owned()];
        let problem = invalid_arguments(error, &names);
        assert_eq!((problem.code, problem.message.as_str()), (code, message));
        assert_eq!(problem.hint.as_deref(), Some(hint));
    }

    #[test]
    fn a_misspelt_argument_shows_the_nearest_one() {
        check(
            "unknown field `querry`, expected `query` or `limit`",
            Code::InvalidInput,
            "`querry`라는 인자는 없습니다",
            "`query`를 쓰려던 것입니까? 쓸 수 있는 인자: query, limit",
        );
        check(
            "unknown field `x`, expected `query` or `limit`",
            Code::InvalidInput,
            "`x`라는 인자는 없습니다",
            "쓸 수 있는 인자: query, limit",
        );
        check(
            "missing field `query`",
            Code::InvalidInput,
            "`query` 인자가 빠졌습니다",
            "쓸 수 있는 인자: query, limit",
        );
    }
}
