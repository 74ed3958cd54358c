//! `haechi tools` and `haechi call`: one server, without a workflow.

use std::time::Duration;

use clap::Args;
use haechi_contract::{Code, Problem};
use haechi_serving::Failure;
use serde_json::{Value, json};

use super::Context;
use crate::mcp::Client;
use crate::nearest::nearest;
use crate::servers::{Finder, ToolInfo};
use crate::shape;
use crate::trouble::Trouble;

#[derive(Debug, Args)]
pub(super) struct ToolsArguments {
    /// 서버 이름 (적지 않으면 모두)
    server: Option<String>,
}

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// 서버 이름
    server: String,
    /// 도구 이름
    tool: String,
    /// 도구에 줄 값 (JSON)
    #[arg(default_value = "{}")]
    arguments: String,
    /// 기다릴 시간
    #[arg(long, default_value = "60s", value_parser = timeout)]
    timeout: Duration,
}

fn timeout(text: &str) -> Result<Duration, String> {
    crate::workflow::read::duration(text).ok_or_else(|| "500ms, 30s, 2m처럼 적습니다".to_owned())
}

pub(super) fn tools(context: &Context, arguments: &ToolsArguments) -> Result<(), Failure> {
    let workspace = context.workspace()?;
    let finder = Finder::new(&workspace)?;
    let names = arguments.server.clone().map_or_else(|| finder.names(), |name| vec![name]);
    let mut listed = Vec::new();
    let mut failed: Option<Trouble> = None;
    for name in &names {
        let connected = match finder.find(name, None) {
            Ok(spec) => super::block_on(async {
                let client = Client::connect(&spec, None).await?;
                let tools = client.tools().to_vec();
                client.close().await;
                Ok(tools)
            })?,
            Err(problem) => Err(Trouble::from(problem)),
        };
        match connected {
            Ok(tools) => listed.push((name.clone(), tools)),
            // One server that is not there must not hide the others.
            Err(trouble) if arguments.server.is_none() => {
                crate::ui::error(&trouble.message, Some(&trouble.code), trouble.hint.as_deref());
                failed = Some(trouble);
            }
            Err(trouble) => return Err(trouble.into_failure()),
        }
    }
    if context.json {
        let servers: serde_json::Map<String, Value> =
            listed.iter().map(|(name, tools)| (name.clone(), json!(tools))).collect();
        super::json(&Value::Object(servers))?;
    } else {
        let mut text = String::new();
        for (name, tools) in &listed {
            for tool in tools {
                text.push_str(&signature(name, tool));
            }
        }
        haechi_serving::answer(&text)?;
    }
    match failed {
        Some(trouble) => Err(Failure::silent(trouble.exit)),
        None => Ok(()),
    }
}

/// One tool as a person reads it: how it is called, what it is, what it takes.
fn signature(server: &str, tool: &ToolInfo) -> String {
    let required: Vec<&str> =
        tool.input_schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let properties = tool.input_schema["properties"].as_object().cloned().unwrap_or_default();
    let names: Vec<String> = properties
        .keys()
        .map(|name| if required.contains(&name.as_str()) { name.clone() } else { format!("{name}?") })
        .collect();
    let mark = if tool.read_only { "" } else { "  [쓰기 가능]" };
    let mut text = format!("{server}.{}({}){mark}\n", tool.name, names.join(", "));
    if let Some(title) = &tool.title {
        text.push_str(&format!("  {title}"));
        if let Some(line) = tool.description.as_deref().and_then(|description| description.lines().next()) {
            text.push_str(&format!(": {line}"));
        }
        text.push('\n');
    }
    for (name, schema) in &properties {
        if let Some(description) = schema["description"].as_str() {
            text.push_str(&format!("    {name}: {}\n", description.lines().next().unwrap_or_default()));
        }
    }
    text.push('\n');
    text
}

pub(super) fn run(context: &Context, arguments: &Arguments) -> Result<(), Failure> {
    let parsed: Value = serde_json::from_str(&arguments.arguments).map_err(|error| {
        Problem::new(
            Code::InvalidInput,
            format!("도구에 줄 값이 JSON이 아닙니다 ({}번째 줄 {}번째 글자)", error.line(), error.column()),
        )
        .with_hint(r#"예: haechi call regulations get_article '{"citation": "은행법 제35조"}'"#)
    })?;
    if !parsed.is_object() {
        return Err(Problem::new(Code::InvalidInput, "도구에 줄 값은 `{…}` 꼴이어야 합니다").into());
    }
    let workspace = context.workspace()?;
    let spec = Finder::new(&workspace)?.find(&arguments.server, None)?;
    let answer = super::block_on(async {
        let client = Client::connect(&spec, None).await?;
        let answer = call(&client, arguments, &parsed).await;
        client.close().await;
        answer
    })?;
    match answer {
        Ok(answer) => super::json(&answer),
        Err(trouble) => {
            if context.json {
                super::json(&json!({ "code": trouble.code, "message": trouble.message, "hint": trouble.hint }))?;
            }
            Err(trouble.into_failure())
        }
    }
}

async fn call(client: &Client, arguments: &Arguments, parsed: &Value) -> Result<Value, Trouble> {
    let Some(tool) = client.tools().iter().find(|tool| tool.name == arguments.tool) else {
        let names = client.tools().iter().map(|tool| tool.name.as_str());
        let trouble = Trouble::usage(format!("서버 `{}`에 `{}` 도구가 없습니다", arguments.server, arguments.tool));
        return Err(match nearest(&arguments.tool, names.clone()) {
            Some(near) => trouble.hint(format!("비슷한 이름: `{near}`")),
            None => trouble.hint(format!("있는 도구: {}", names.collect::<Vec<_>>().join(", "))),
        });
    };
    if let Some(mismatch) = shape::mismatches(&tool.input_schema, parsed, &[]).into_iter().next() {
        return Err(Trouble { hint: mismatch.hint, ..Trouble::usage(mismatch.message) });
    }
    client.call(&arguments.tool, parsed, arguments.timeout).await
}
