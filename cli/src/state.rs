//! What is known while a workflow runs: the outcome of every step, as expressions see it.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use indexmap::IndexMap;
use minijinja::Value;
use minijinja::value::{Enumerator, Object};
use serde::{Deserialize, Serialize};

use crate::answers::Source;
use crate::language::values;
use crate::report::{CallRecord, Draft};
use crate::trouble::Trouble;
use crate::workflow::Workflow;

/// How a step ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Status {
    Ok,
    /// Its condition did not hold.
    Skipped,
    Failed,
    /// It failed, and its fallback did the job.
    Recovered,
    /// It waits for a step that failed.
    Blocked,
    /// It waits for a person.
    Waiting,
    /// A person said no.
    Rejected,
}

impl Status {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Skipped => "skipped",
            Self::Failed => "failed",
            Self::Recovered => "recovered",
            Self::Blocked => "blocked",
            Self::Waiting => "waiting",
            Self::Rejected => "rejected",
        }
    }

    /// Whether the step has an answer.
    pub(crate) fn answered(self) -> bool {
        matches!(self, Self::Ok | Self::Recovered)
    }
}

/// What came of a step.
#[derive(Debug, Clone, Default)]
pub(crate) struct Outcome {
    pub status: Option<Status>,
    pub out: Option<serde_json::Value>,
    pub items: Vec<Item>,
    pub error: Option<Trouble>,
    /// Why it was skipped or blocked.
    pub reason: Option<String>,
    pub calls: Vec<CallRecord>,
    pub draft: Option<Draft>,
    pub elapsed_ms: u64,
}

impl Outcome {
    pub(crate) fn of(status: Status) -> Self {
        Self { status: Some(status), ..Self::default() }
    }

    pub(crate) fn status(&self) -> Status {
        self.status.unwrap_or(Status::Blocked)
    }

    pub(crate) fn sources(&self) -> impl Iterator<Item = &Source> {
        self.calls.iter().flat_map(|call| &call.sources)
    }
}

/// One item of a `foreach`.
#[derive(Debug, Clone)]
pub(crate) struct Item {
    pub item: serde_json::Value,
    pub status: Status,
    pub out: Option<serde_json::Value>,
    pub sources: Vec<Source>,
    pub error: Option<Trouble>,
}

/// A step as an expression sees it.
#[derive(Debug)]
pub(crate) struct StepValue {
    id: String,
    status: &'static str,
    out: Option<Value>,
    cites: Value,
    items: Value,
    error: Option<Value>,
}

impl StepValue {
    pub(crate) fn new(id: &str, outcome: &Outcome) -> Self {
        let status = match outcome.status() {
            // A workflow asks whether there is an answer, not whose fault it is that there is none.
            Status::Blocked | Status::Waiting | Status::Rejected => Status::Skipped.as_str(),
            status => status.as_str(),
        };
        Self {
            id: id.to_owned(),
            status,
            out: outcome.out.as_ref().map(values::from_json),
            cites: sources(outcome.sources()),
            items: outcome.items.iter().map(item).collect(),
            error: outcome.error.as_ref().map(trouble),
        }
    }

    pub(crate) fn id(&self) -> &str {
        &self.id
    }
}

fn sources<'all>(sources: impl Iterator<Item = &'all Source>) -> Value {
    sources.map(|source| values::from_json(&serde_json::to_value(source).unwrap_or_default())).collect()
}

pub(crate) fn trouble(trouble: &Trouble) -> Value {
    let texts = [("code", trouble.code.as_str()), ("message", trouble.message.as_str())];
    Value::from_pairs(texts.into_iter().map(|(key, text)| (key, values::from_json(&text.into()))))
}

fn item(item: &Item) -> Value {
    let mut map: BTreeMap<&str, Value> = BTreeMap::new();
    map.insert("item", values::from_json(&item.item));
    map.insert("status", item.status.as_str().into());
    map.insert("cites", sources(item.sources.iter()));
    if let Some(out) = &item.out {
        map.insert("out", values::from_json(out));
    }
    if let Some(error) = &item.error {
        map.insert("error", trouble(error));
    }
    Value::from_pairs(map)
}

impl Object for StepValue {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        match key.as_str()? {
            "id" => Some(self.id.as_str().into()),
            "status" => Some(self.status.into()),
            "out" => self.out.clone(),
            "cites" => Some(self.cites.clone()),
            "items" => Some(self.items.clone()),
            "error" => self.error.clone(),
            _ => None,
        }
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Str(&["id", "status", "out", "cites", "items", "error"])
    }
}

/// The names that every expression of a run may use.
pub(crate) fn names(
    workflow: &Workflow,
    inputs: &IndexMap<String, serde_json::Value>,
    id: &str,
    started_at: &str,
    steps: &Arc<Steps>,
    previous: &serde_json::Value,
) -> [(&'static str, Value); 5] {
    let optional = |text: &Option<String>| values::from_json(&text.clone().into());
    let inputs = inputs.iter().map(|(name, value)| (name.as_str(), values::from_json(value)));
    let run = [("id", Value::from(id)), ("started_at", Value::from(started_at)), ("seed", Value::from(seed(id)))];
    let described = [
        ("name", values::from_json(&workflow.name.clone().into())),
        ("title", values::from_json(&workflow.title.clone().into())),
        ("owner", optional(&workflow.owner)),
        ("description", optional(&workflow.description)),
    ];
    [
        ("inputs", Value::from_pairs(inputs)),
        ("steps", Value::from_dyn_object(Arc::clone(steps))),
        ("run", Value::from_pairs(run)),
        ("workflow", Value::from_pairs(described)),
        ("previous", values::from_json(previous)),
    ]
}

/// A number that is the same whenever the run is replayed.
fn seed(id: &str) -> u32 {
    id.bytes().fold(2_166_136_261_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(16_777_619))
}

/// The steps of a run, growing as they end.
#[derive(Debug, Default)]
pub(crate) struct Steps(RwLock<BTreeMap<String, Value>>);

impl Steps {
    pub(crate) fn insert(&self, id: &str, outcome: &Outcome) {
        let value = Value::from_object(StepValue::new(id, outcome));
        self.0.write().unwrap_or_else(PoisonError::into_inner).insert(id.to_owned(), value);
    }
}

impl Object for Steps {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).get(key.as_str()?).cloned()
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        let names = self.0.read().unwrap_or_else(PoisonError::into_inner);
        Enumerator::Values(names.keys().map(|name| Value::from(name.as_str())).collect())
    }
}
