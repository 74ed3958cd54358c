//! A small server on `haechi-serving`, for the tests of what all servers share.
//!
//! It is no product: its tools sleep, panic and overflow on request, and some carry the fixed
//! names that the protocol's conformance suite asks for.

use std::collections::BTreeMap;
use std::time::Duration;

use clap::{Parser, Subcommand};
use haechi_contract::{Code, Problem};
use haechi_serving::{
    Call, CancellationToken, Common, Failure, Identity, Principal, Prompt, PromptArgument, Reply, ResourceEntry,
    ResourcePage, ResourceTemplate, ResourceText, Resources, ServeArgs, Service, Tool,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

const IDENTITY: Identity = Identity {
    name: "haechi-fixture-server",
    title: "시험용 서버",
    version: env!("CARGO_PKG_VERSION"),
    description: "haechi-serving을 시험하는 서버",
    instructions: "시험에만 씁니다.",
};

#[derive(Parser)]
#[command(name = "haechi-fixture-server", version)]
struct Cli {
    #[command(flatten)]
    common: Common,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// MCP 서버로 동작
    Serve(ServeArgs),
}

/// Settings of the section `[tables]`, borrowed so that settings can be tested without a section
/// of our own.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Settings {
    #[serde(rename = "folders")]
    _folders: Vec<String>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Echo {
    /// 되돌려 줄 글
    text: String,
    /// 되풀이할 횟수
    times: Option<u32>,
}

#[derive(Serialize, Deserialize, JsonSchema)]
struct Echoed {
    text: String,
    principal: String,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Wait {
    /// 기다릴 밀리초
    ms: u64,
}

#[derive(Serialize, Deserialize, JsonSchema)]
struct Waited {
    waited: bool,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct WaitForFile {
    /// 생기기를 기다릴 파일
    path: std::path::PathBuf,
    /// 취소를 살피지 않음
    stubborn: Option<bool>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Nothing {}

#[derive(Serialize, Deserialize, JsonSchema)]
struct Done {
    done: bool,
}

fn main() -> std::process::ExitCode {
    haechi_serving::exit(run())
}

fn run() -> Result<(), Failure> {
    let cli = Cli::parse();
    let start = haechi_serving::start(&IDENTITY, &cli.common)?;
    let _settings: Settings = start.settings("tables", Default::default())?;
    let serve = match cli.command {
        Some(Command::Serve(arguments)) => arguments,
        None => ServeArgs::default(),
    };
    start.serve(service(), &serve)
}

fn service() -> Service {
    Service::new(IDENTITY)
        .tool(
            Tool::read_only(
                "echo",
                "되풀이",
                "받은 글을 그대로 또는 여러 번 되풀이해 돌려줍니다. 예: text=안녕, times=2",
            )
            .audited(|input: &Echo| json!({ "text_chars": input.text.chars().count() }))
            .handler(async |call: Call, input: Echo| echo(&call, &input)),
        )
        .tool(
            Tool::read_only("wait", "기다리기", "주어진 밀리초만큼 막히는 일을 하며 취소를 살핍니다. 예: ms=1000")
                .handler(async |call: Call, input: Wait| {
                    let waited = call.blocking(move |cancel| wait(input.ms, cancel)).await?;
                    Ok(Reply::new(Waited { waited }))
                }),
        )
        .tool(
            Tool::read_only(
                "wait_for_file",
                "파일 기다리기",
                "주어진 파일이 생길 때까지 기다립니다. 시험이 때를 맞출 때 씁니다.",
            )
            .handler(async |call: Call, input: WaitForFile| {
                let waited = call.blocking(move |cancel| wait_for_file(&input, cancel)).await?;
                Ok(Reply::new(Waited { waited }))
            }),
        )
        .tool(
            Tool::read_only("panic_at_once", "당황", "처리하다가 곧바로 패닉을 일으킵니다. 서버는 살아 있어야 합니다.")
                .handler(async |_: Call, _: Nothing| panic_now()),
        )
        .tool(
            Tool::read_only(
                "panic_in_work",
                "일하다 당황",
                "막히는 일을 하다가 패닉을 일으킵니다. 서버는 살아 있어야 합니다.",
            )
            .handler(async |call: Call, _: Nothing| call.blocking(|_| panic_now()).await),
        )
        .tool(
            Tool::read_only("count_up", "진행 알림", "진행을 세 번 알린 뒤 끝납니다. 진행 표시를 시험할 때 씁니다.")
                .handler(async |call: Call, _: Nothing| count_up(&call).await),
        )
        .tool(
            Tool::read_only(
                "test_simple_text",
                "고정된 글",
                "적합성 시험이 요구하는 이름의 도구로, 고정된 글을 돌려줍니다.",
            )
            .handler(async |_: Call, _: Nothing| {
                Ok(Reply::new(Done { done: true }).text("This is a simple text response for testing."))
            }),
        )
        .tool(
            Tool::read_only(
                "test_error_handling",
                "고정된 오류",
                "적합성 시험이 요구하는 이름의 도구로, 언제나 오류를 돌려줍니다.",
            )
            .handler(async |_: Call, _: Nothing| {
                Err::<Reply<Done>, _>(Problem::new(
                    Code::Refused,
                    "This tool intentionally returns an error for testing",
                ))
            }),
        )
        .tool(
            Tool::read_only(
                "test_tool_with_progress",
                "고정된 진행",
                "적합성 시험이 요구하는 이름의 도구로, 진행을 알린 뒤 끝납니다.",
            )
            .handler(async |call: Call, _: Nothing| count_up(&call).await),
        )
        .prompt(Prompt::new(
            "test_simple_prompt",
            "고정된 프롬프트",
            "적합성 시험이 요구하는 이름의 프롬프트",
            [],
            |_| Ok("This is a simple prompt for testing.".to_owned()),
        ))
        .prompt(Prompt::new(
            "test_prompt_with_arguments",
            "인자가 있는 프롬프트",
            "적합성 시험이 요구하는 이름의 프롬프트",
            [PromptArgument::required("arg1", "첫째 인자"), PromptArgument::required("arg2", "둘째 인자")],
            |arguments| {
                Ok(format!("Prompt with arguments: arg1='{}', arg2='{}'", arguments["arg1"], arguments["arg2"]))
            },
        ))
        .resources(Fixtures)
}

fn echo(call: &Call, input: &Echo) -> Result<Reply<Echoed>, Problem> {
    let text = input.text.repeat(input.times.unwrap_or(1) as usize);
    let bytes = text.len();
    let echoed = Echoed { text: text.clone(), principal: call.principal.name.clone() };
    Ok(Reply::new(echoed).text(text).returned(json!({ "bytes": bytes })))
}

/// Blocks a thread as a search or a parser does, and looks at its cancellation as they must.
fn wait(ms: u64, cancel: &CancellationToken) -> Result<bool, Problem> {
    say("work began");
    let until = std::time::Instant::now() + Duration::from_millis(ms);
    while std::time::Instant::now() < until {
        if cancel.is_cancelled() {
            say("work was cancelled");
            return Err(Call::cancelled());
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    Ok(true)
}

fn wait_for_file(input: &WaitForFile, cancel: &CancellationToken) -> Result<bool, Problem> {
    say("work began");
    while !input.path.exists() {
        if cancel.is_cancelled() && input.stubborn != Some(true) {
            return Err(Call::cancelled());
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    say("work ended");
    Ok(true)
}

#[expect(clippy::print_stderr, reason = "the tests wait for these lines")]
fn say(line: &str) {
    eprintln!("{line}");
}

#[expect(clippy::panic, reason = "this is what the test asks for")]
fn panic_now() -> Result<Reply<Done>, Problem> {
    panic!("주민등록번호 991332-0000000이 든 패닉 문구");
}

async fn count_up(call: &Call) -> Result<Reply<Done>, Problem> {
    for done in [0, 50, 100] {
        call.progress(done, Some(100), "세는 중").await;
    }
    Ok(Reply::new(Done { done: true }))
}

struct Fixtures;

impl Resources for Fixtures {
    fn list(&self, _: &Principal, _: Option<&str>) -> Result<ResourcePage, Problem> {
        let entry = ResourceEntry {
            uri: "test://static-text".to_owned(),
            name: "static-text".to_owned(),
            title: Some("고정된 글".to_owned()),
            description: None,
            mime_type: Some("text/plain"),
        };
        Ok(ResourcePage { entries: vec![entry], next_cursor: None })
    }

    fn templates(&self) -> Vec<ResourceTemplate> {
        vec![ResourceTemplate {
            uri: "test://template/{id}/data",
            name: "template",
            title: "번호별 자료",
            description: "번호로 찾는 자료",
            mime_type: "application/json",
        }]
    }

    fn read(&self, _: &Principal, uri: &str) -> Result<Option<ResourceText>, Problem> {
        if uri == "test://static-text" {
            let text = "This is the content of the static text resource.".to_owned();
            return Ok(Some(ResourceText { text, mime_type: "text/plain" }));
        }
        let id = uri.strip_prefix("test://template/").and_then(|rest| rest.strip_suffix("/data"));
        Ok(id.map(|id| ResourceText {
            text: json!({ "id": id, "templateTest": true, "data": format!("Data for ID: {id}") }).to_string(),
            mime_type: "application/json",
        }))
    }

    fn complete(&self, _: &Principal, _: &str, _: &str, value: &str, _: &BTreeMap<String, String>) -> Vec<String> {
        ["은행법", "은행법 시행령", "보험업법"]
            .into_iter()
            .filter(|name| name.starts_with(value))
            .map(str::to_owned)
            .collect()
    }
}
