//! Reports: a template and the answers of a run become one draft, and the draft becomes Markdown
//! or one self-contained HTML page.
//!
//! Invariant: a draft depends on the recorded answers alone, and every figure that is cited names a
//! source that a recorded answer holds.

pub(crate) mod chart;
mod filters;
pub(crate) mod html;
pub(crate) mod markdown;
pub(crate) mod markup;
pub(crate) mod sources;
pub(crate) mod table;

use std::sync::{Arc, Mutex, PoisonError};

use indexmap::IndexMap;
use minijinja::{AutoEscape, Value};
use serde::{Deserialize, Serialize};

use crate::answers::Source;
use crate::language::{self, Fault};
use crate::mcp::ServerIdentity;
use chart::Chart;
use table::Table;

/// What a run has recorded about one step, as far as reports cite it.
#[derive(Debug, Clone, Default)]
pub(crate) struct StepRecord {
    pub title: String,
    pub calls: Vec<CallRecord>,
}

/// One recorded call.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct CallRecord {
    pub server: String,
    pub tool: String,
    pub arguments: serde_json::Value,
    pub at: String,
    pub result_sha256: String,
    pub sources: Vec<Source>,
}

/// The steps that a report may cite.
pub(crate) type Known = IndexMap<String, StepRecord>;

/// Something that a report cites.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Cited {
    /// One source of one call of a step.
    Source { step: String, call: usize, source: usize },
    /// A step as a whole, where its calls have several sources or none of their own.
    Step { step: String },
}

/// A table or a chart, waiting for its place.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Block {
    Table(Table),
    Chart(Chart),
}

/// A rendered template, before it has a format.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Draft {
    pub text: String,
    pub blocks: Vec<Block>,
    pub cited: Vec<Cited>,
}

/// What the page says about how it was made.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Provenance {
    pub title: String,
    pub owner: Option<String>,
    pub run: String,
    pub started_at: String,
    pub workflow: String,
    pub workflow_sha256: String,
    pub inputs: IndexMap<String, serde_json::Value>,
    pub servers: Vec<ServerIdentity>,
    pub calls: usize,
    /// The parts that a model wrote, and which model.
    pub models: Vec<String>,
    /// What is missing or was warned of, one sentence each.
    pub notices: Vec<String>,
}

#[derive(Debug, Default)]
pub(crate) struct Registry {
    pub blocks: Vec<Block>,
    pub cited: Vec<Cited>,
}

/// Renders a template over the answers of a run.
///
/// # Errors
///
/// The first fault of the template.
pub(crate) fn render(
    templates: &IndexMap<String, String>,
    name: &str,
    context: &Value,
    known: &Arc<Known>,
) -> Result<Draft, Fault> {
    let registry = Arc::new(Mutex::new(Registry::default()));
    let mut environment = language::environment();
    let loaded = templates.clone();
    environment.set_loader(move |name| Ok(loaded.get(name).cloned()));
    environment.set_auto_escape_callback(|_| AutoEscape::Custom("report".into()));
    filters::install(&mut environment, &registry, known);
    let source = templates.get(name).map(String::as_str).unwrap_or_default();
    let text = environment
        .get_template(name)
        .and_then(|template| template.render(context))
        .map_err(|error| Fault::new(&error, source))?;
    drop(environment);
    let registry = std::mem::take(&mut *registry.lock().unwrap_or_else(PoisonError::into_inner));
    Ok(Draft { text, blocks: registry.blocks, cited: registry.cited })
}
