//! `haechi doctor`: whether the settings, the folders and the servers are fit to work.

use clap::Args;
use haechi_contract::exit;
use haechi_serving::Failure;
use serde_json::json;

use super::Context;
use crate::mcp::Client;
use crate::servers::Finder;
use crate::trouble::Trouble;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// 살필 서버 (적지 않으면 모두)
    servers: Vec<String>,
}

struct Finding {
    name: String,
    state: &'static str,
    detail: String,
    hint: Option<String>,
}

pub(super) fn run(context: &Context, arguments: &Arguments) -> Result<(), Failure> {
    let workspace = context.workspace()?;
    let mut findings = vec![match workspace.settings() {
        Some(path) => finding("설정", "통과", path.display().to_string()),
        None => Finding {
            hint: Some("haechi.toml을 만들면 서버들이 함께 읽습니다".into()),
            ..finding("설정", "주의", "haechi.toml이 없습니다".into())
        },
    }];
    let probe = workspace.runs().join(".probe");
    findings.push(match crate::workspace::write_whole(&probe, b"") {
        Ok(()) => {
            let _ = std::fs::remove_file(&probe);
            finding("작업 폴더", "통과", workspace.folder().display().to_string())
        }
        Err(problem) => Finding { hint: problem.hint, ..finding("작업 폴더", "실패", problem.message) },
    });
    let finder = Finder::new(&workspace)?;
    let names = if arguments.servers.is_empty() { finder.names() } else { arguments.servers.clone() };
    for name in &names {
        let started = std::time::Instant::now();
        let connected: Result<_, Trouble> = match finder.find(name, None) {
            Ok(spec) => super::block_on(async {
                let client = Client::connect(&spec, None).await?;
                let identity = client.identity().clone();
                let tools = client.tools().to_vec();
                client.close().await;
                Ok((identity, tools))
            })?,
            Err(problem) => Err(problem.into()),
        };
        let label = format!("서버 {name}");
        findings.push(match connected {
            Ok((identity, tools)) => {
                let writing: Vec<&str> =
                    tools.iter().filter(|tool| !tool.read_only).map(|tool| tool.name.as_str()).collect();
                let elapsed = crate::ui::elapsed(u64::try_from(started.elapsed().as_millis()).unwrap_or(0));
                let detail = format!(
                    "{} {} · MCP {} · 도구 {}개 · {elapsed}",
                    identity.program,
                    identity.version,
                    identity.protocol,
                    tools.len()
                );
                if writing.is_empty() {
                    finding(&label, "통과", detail)
                } else {
                    Finding {
                        hint: Some(format!("읽기 전용이 아닌 도구: {}", writing.join(", "))),
                        ..finding(&label, "주의", detail)
                    }
                }
            }
            Err(trouble) => Finding { hint: trouble.hint, ..finding(&label, "실패", trouble.message) },
        });
    }
    let failed = findings.iter().any(|finding| finding.state == "실패");
    if context.json {
        let list: Vec<_> = findings
            .iter()
            .map(|finding| {
                let state = match finding.state {
                    "통과" => "pass",
                    "주의" => "warn",
                    _ => "fail",
                };
                json!({ "name": finding.name, "state": state, "detail": finding.detail, "hint": finding.hint })
            })
            .collect();
        super::json(&json!({ "findings": list }))?;
    } else {
        let mut text = String::new();
        for finding in &findings {
            text.push_str(&format!("[{}] {}: {}\n", finding.state, finding.name, finding.detail));
            for line in finding.hint.iter().flat_map(|hint| hint.lines()) {
                text.push_str(&format!("       {line}\n"));
            }
        }
        haechi_serving::answer(&text)?;
    }
    if failed { Err(Failure::silent(exit::FAILED)) } else { Ok(()) }
}

fn finding(name: &str, state: &'static str, detail: String) -> Finding {
    Finding { name: name.to_owned(), state, detail, hint: None }
}
