//! `haechi serve`: workflows as tools for any MCP host.

use std::path::{Path, PathBuf};

use clap::Args;
use haechi_contract::{Code, Problem};
use haechi_serving::Failure;
use serde_json::{Map, Value, json};

use super::Context;
use crate::job::Loaded;
use crate::mcp::server::{Offer, serve};
use crate::workflow::Workflow;
use crate::workflow::inputs::{Input, InputKind};

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// 제공할 업무 흐름 파일 (적지 않으면 작업 폴더의 workflows/*.yaml)
    workflows: Vec<PathBuf>,
}

pub(super) fn run(context: &Context, arguments: &Arguments) -> Result<(), Failure> {
    let files = if arguments.workflows.is_empty() {
        let folder = context.workspace()?.folder().join("workflows");
        found(&folder)?
    } else {
        arguments.workflows.clone()
    };
    let mut offers: Vec<Offer> = Vec::new();
    for file in files {
        let loaded = Loaded::read(&file, context.config.as_deref())?;
        // A host must not be offered what cannot run.
        let checked = loaded.check().map_err(|mistakes| loaded.refuse(&mistakes))?;
        let offer = offer(&checked.workflow, std::path::absolute(&file).unwrap_or(file));
        if let Some(other) = offers.iter().find(|other| other.name == offer.name) {
            let problem = Problem::new(
                Code::InvalidInput,
                format!("{}와(과) {}의 이름이 같습니다", other.file.display(), offer.file.display()),
            );
            return Err(problem.with_hint("`name`을 다르게 적으십시오").into());
        }
        offers.push(offer);
    }
    super::block_on(serve(offers, context.config.clone()))??;
    Ok(())
}

fn found(folder: &Path) -> Result<Vec<PathBuf>, Problem> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder)
        .map(|entries| entries.flatten().map(|entry| entry.path()).collect())
        .unwrap_or_default();
    files.retain(|file| file.extension().is_some_and(|extension| extension == "yaml"));
    files.sort();
    if files.is_empty() {
        return Err(Problem::new(Code::NotFound, format!("{}에 업무 흐름이 없습니다", folder.display()))
            .with_hint("`haechi serve 흐름.yaml`처럼 파일을 주십시오"));
    }
    Ok(files)
}

fn offer(workflow: &Workflow, file: PathBuf) -> Offer {
    let mut properties = Map::new();
    let mut required = Vec::new();
    for (name, input) in &workflow.inputs {
        properties.insert(name.clone(), property(input));
        if input.default.is_none() {
            required.push(Value::from(name.as_str()));
        }
    }
    let mut schema = Map::new();
    schema.insert("type".into(), "object".into());
    schema.insert("properties".into(), Value::Object(properties));
    schema.insert("required".into(), Value::Array(required));
    schema.insert("additionalProperties".into(), false.into());
    let said = workflow.description.clone().unwrap_or_default();
    Offer {
        name: format!("run_{}", workflow.name.replace('-', "_")),
        title: workflow.title.clone(),
        description: format!("{} 업무 흐름을 실행해 근거가 달린 보고서를 씁니다. {said}", workflow.title)
            .trim_end()
            .to_owned(),
        schema,
        file,
    }
}

/// One input as a property of a portable schema.
fn property(input: &Input) -> Value {
    let mut schema = Map::new();
    let mut put = |key: &str, value: Option<Value>| {
        if let Some(value) = value {
            schema.insert(key.to_owned(), value);
        }
    };
    match &input.kind {
        InputKind::Text { pattern, length_min, length_max } => {
            put("type", Some("string".into()));
            put("pattern", pattern.clone().map(Value::from));
            put("minLength", length_min.map(Value::from));
            put("maxLength", length_max.map(Value::from));
        }
        InputKind::Integer { minimum, maximum } => {
            put("type", Some("integer".into()));
            put("minimum", minimum.map(Value::from));
            put("maximum", maximum.map(Value::from));
        }
        InputKind::Number { minimum, maximum } => {
            put("type", Some("number".into()));
            put("minimum", minimum.map(Value::from));
            put("maximum", maximum.map(Value::from));
        }
        InputKind::Boolean => put("type", Some("boolean".into())),
        InputKind::Date => {
            put("type", Some("string".into()));
            put("pattern", Some("^[0-9]{4}-[0-9]{2}-[0-9]{2}$".into()));
        }
        InputKind::File { .. } => put("type", Some("string".into())),
    }
    put("enum", input.choices.clone().map(Value::Array));
    put("default", input.default.clone());
    let words: Vec<&str> = [input.prompt.as_deref(), input.description.as_deref()].into_iter().flatten().collect();
    let kind = matches!(input.kind, InputKind::File { .. }).then_some("작업 폴더 안의 파일 경로");
    let words: Vec<&str> = words.into_iter().chain(kind).collect();
    put("description", (!words.is_empty()).then(|| json!(words.join(". "))));
    put("examples", (!input.examples.is_empty()).then(|| Value::Array(input.examples.clone())));
    Value::Object(schema)
}
