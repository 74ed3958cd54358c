//! A workflow file as values: what was written, already read and checked for shape.
//!
//! [`read`] turns the text into these types and refuses whatever has no meaning; [`check`] looks at
//! names, templates and the tools of servers. Nothing here runs anything.

pub(crate) mod check;
pub(crate) mod graph;
pub(crate) mod inputs;
pub(crate) mod read;
pub(crate) mod yaml;

use std::collections::BTreeMap;
use std::ops::Range;
use std::time::Duration;

use indexmap::IndexMap;

use crate::language::Data;
use crate::language::data::Source;

/// The JSON Schema of the file format, for editors.
pub(crate) const SCHEMA: &str = include_str!("schema.json");

/// Names of servers that need no declaration.
pub(crate) const OWN_SERVERS: [&str; 4] = ["regulations", "retrieval", "tables", "customers"];

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Workflow {
    pub name: String,
    pub title: String,
    pub owner: Option<String>,
    pub description: Option<String>,
    pub inputs: IndexMap<String, inputs::Input>,
    pub servers: BTreeMap<String, Server>,
    pub models: BTreeMap<String, Model>,
    pub calls_max: usize,
    pub previous: Previous,
    pub defaults: Defaults,
    pub steps: Vec<Step>,
    pub outputs: Vec<Output>,
}

impl Workflow {
    pub(crate) fn step(&self, id: &str) -> Option<&Step> {
        self.steps.iter().find(|step| step.id == id)
    }

    /// Every call of the workflow, fallbacks too.
    pub(crate) fn calls(&self) -> impl Iterator<Item = &Call> {
        self.steps.iter().flat_map(|step| {
            let fallback = match &step.on_error {
                Some(OnError::Fallback(action)) => Some(action.as_ref()),
                _ => None,
            };
            std::iter::once(&step.action).chain(fallback).filter_map(|action| match action {
                Action::Call(call) => Some(call),
                _ => None,
            })
        })
    }
}

/// Which earlier run of the workflow its expressions may look at.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) enum Previous {
    #[default]
    None,
    Last,
    LastApproved,
    Run(String),
}

/// What a workflow says about one server.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Server {
    pub tools: Option<Vec<String>>,
    pub read_only: bool,
    pub role: Option<String>,
    pub command: Option<String>,
    pub args: Vec<String>,
    pub url: Option<String>,
    pub span: Range<usize>,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Defaults {
    pub timeout: Duration,
    pub retry: Retry,
    pub parallel: usize,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Retry {
    pub attempts: u32,
    pub exponential: bool,
    pub delay: Duration,
    /// Codes of problems after which a read-only call is made again.
    pub on: Vec<String>,
}

impl Retry {
    pub(crate) const NONE: Self =
        Self { attempts: 1, exponential: true, delay: Duration::from_millis(200), on: Vec::new() };

    /// How long to wait before attempt `attempt` (the second is 2).
    pub(crate) fn wait(&self, attempt: u32) -> Duration {
        let factor = if self.exponential { 1 << attempt.saturating_sub(2).min(6) } else { 1 };
        self.delay * factor
    }
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Step {
    pub id: String,
    pub id_span: Range<usize>,
    pub title: Option<String>,
    pub action: Action,
    pub when: Option<Source>,
    pub reason: Option<String>,
    pub foreach: Option<Foreach>,
    pub needs: Vec<(String, Range<usize>)>,
    pub timeout: Option<Duration>,
    pub retry: Option<Retry>,
    pub expect: Option<serde_json::Value>,
    pub expect_span: Range<usize>,
    pub on_error: Option<OnError>,
}

impl Step {
    pub(crate) fn shown(&self) -> &str {
        self.title.as_deref().unwrap_or(&self.id)
    }
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Foreach {
    pub list: Source,
    pub name: String,
    pub parallel: usize,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Action {
    Call(Call),
    Set(Data),
    Assert(Vec<Check>),
    Render(Render),
    Approve(Approve),
    Model(ModelStep),
}

impl Action {
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Call(_) => "call",
            Self::Set(_) => "set",
            Self::Assert(_) => "assert",
            Self::Render(_) => "render",
            Self::Approve(_) => "approve",
            Self::Model(_) => "model",
        }
    }
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Call {
    pub server: String,
    pub tool: String,
    pub arguments: Data,
    /// The whole `server.tool`.
    pub span: Range<usize>,
    /// The place of `with`, as the tree of the file; mistakes in arguments point into it.
    pub with: Option<yaml::Node>,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Check {
    pub that: Source,
    pub message: Data,
    pub warning: bool,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Render {
    pub template: String,
    pub span: Range<usize>,
    pub data: Option<Data>,
}

/// A model that steps may ask.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Model {
    pub base_url: Data,
    pub model: String,
    pub temperature: f64,
    pub seed: i64,
    pub max_tokens: i64,
    pub span: Range<usize>,
}

/// A question to a model: it sees the prompt and `data`, nothing else of the run.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ModelStep {
    pub model: String,
    pub model_span: Range<usize>,
    pub prompt: String,
    pub prompt_span: Range<usize>,
    pub data: Data,
    pub schema: Option<serde_json::Value>,
    pub schema_span: Range<usize>,
    /// Whether every number of the answer must stand in `data`.
    pub ground_numbers: bool,
}

/// A person's yes, for what the steps in `show` gave.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Approve {
    /// Roles or users that may decide; nobody named means anybody.
    pub by: Vec<String>,
    /// Whether whoever started the run may not decide.
    pub four_eyes: bool,
    pub show: Vec<(String, Range<usize>)>,
    pub expires: Option<Duration>,
    pub message: Option<Data>,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum OnError {
    Continue,
    Fallback(Box<Action>),
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Output {
    pub from: String,
    pub from_span: Range<usize>,
    pub to: Data,
    pub format: Format,
    /// The approval that the file waits for.
    pub requires: Option<(String, Range<usize>)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    Markdown,
    Html,
    Json,
    Csv,
}
