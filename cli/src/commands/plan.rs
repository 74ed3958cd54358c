//! `haechi plan`: what a run would do, in order, without calling any tool.

use std::path::PathBuf;

use clap::Args;
use haechi_serving::Failure;
use serde_json::json;

use super::Context;
use crate::job::Loaded;
use crate::trouble::Trouble;
use crate::workflow::{Action, OnError, inputs};

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// 업무 흐름 파일
    workflow: PathBuf,
    /// 입력값 (되풀이할 수 있음)
    #[arg(short, long = "input", value_name = "이름=값", value_parser = super::input)]
    input: Vec<(String, String)>,
}

pub(super) fn run(context: &Context, arguments: &Arguments) -> Result<(), Failure> {
    let loaded = Loaded::read(&arguments.workflow, context.config.as_deref())?;
    let checked = loaded.check().map_err(|mistakes| loaded.refuse(&mistakes))?;
    let workflow = &checked.workflow;
    // A plan without inputs is still a plan; wrong ones are told.
    let resolved = if arguments.input.is_empty() {
        inputs::resolve(&workflow.inputs, &[], &loaded.workspace).ok()
    } else {
        Some(inputs::resolve(&workflow.inputs, &arguments.input, &loaded.workspace).map_err(wrong_input)?)
    };
    let steps: Vec<_> = checked
        .graph
        .order
        .iter()
        .map(|&position| {
            let step = &workflow.steps[position];
            let waits: Vec<&str> =
                checked.graph.dependencies[position].iter().map(|&other| workflow.steps[other].id.as_str()).collect();
            let what = match &step.action {
                Action::Call(call) => format!("{}.{}", call.server, call.tool),
                Action::Render(render) => render.template.clone(),
                Action::Assert(checks) => format!("점검 {}가지", checks.len()),
                Action::Set(_) => "계산".to_owned(),
                Action::Model(asked) => format!("모델 {}", asked.model),
                Action::Approve(approve) if approve.by.is_empty() => "사람의 승인".to_owned(),
                Action::Approve(approve) => format!("{}의 승인", approve.by.join(", ")),
            };
            json!({
                "id": step.id,
                "title": step.title,
                "stage": checked.graph.level[position] + 1,
                "action": step.action.name(),
                "what": what,
                "waits_for": waits,
                "when": step.when.as_ref().map(|when| &when.text),
                "foreach": step.foreach.as_ref().map(|foreach| &foreach.list.text),
                "on_error": match &step.on_error {
                    None => serde_json::Value::Null,
                    Some(OnError::Continue) => "continue".into(),
                    Some(OnError::Fallback(_)) => "fallback".into(),
                },
            })
        })
        .collect();
    if context.json {
        return super::json(
            &json!({ "workflow": workflow.name, "title": workflow.title, "inputs": resolved, "steps": steps }),
        );
    }
    let mut text = format!("{} ({})\n", workflow.title, workflow.name);
    if let Some(resolved) = &resolved {
        for (name, value) in resolved {
            text.push_str(&format!("  입력 {name} = {}\n", inputs::plain(value)));
        }
    }
    text.push('\n');
    let rows: Vec<Vec<String>> = steps
        .iter()
        .map(|step| {
            let word = |key: &str| step[key].as_str().unwrap_or_default().to_owned();
            let waits: Vec<&str> =
                step["waits_for"].as_array().into_iter().flatten().filter_map(|id| id.as_str()).collect();
            let mut notes = Vec::new();
            if let Some(when) = step["when"].as_str() {
                notes.push(format!("조건 {when}"));
            }
            if let Some(foreach) = step["foreach"].as_str() {
                notes.push(format!("되풀이 {foreach}"));
            }
            match step["on_error"].as_str() {
                Some("continue") => notes.push("실패해도 계속".into()),
                Some(_) => notes.push("실패하면 대신함".into()),
                None => {}
            }
            vec![
                step["stage"].to_string(),
                word("id"),
                word("action"),
                word("what"),
                waits.join(", "),
                notes.join("; "),
            ]
        })
        .collect();
    text.push_str(&crate::ui::columns(&["순서", "단계", "할 일", "대상", "기다림", "비고"], &rows));
    text.push_str("\n같은 순서의 단계는 동시에 돕니다.\n");
    for output in &workflow.outputs {
        let mut path = String::new();
        output.to.sources(&mut |source, _| path.clone_from(&source.text));
        if path.is_empty() {
            path = inputs::plain(&output.to.outline().0);
        }
        text.push_str(&format!("내보내기: {} → {path}\n", output.from));
    }
    haechi_serving::answer(&text)
}

pub(super) fn wrong_input(wrong: inputs::Wrong) -> Failure {
    let trouble = Trouble { hint: wrong.hint, ..Trouble::usage(wrong.message) };
    trouble.into_failure()
}
