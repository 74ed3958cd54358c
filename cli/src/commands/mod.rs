//! The commands: flags in, an answer on standard output, an exit code.

mod approve;
mod audit;
mod call;
mod doctor;
mod plan;
mod run;
mod runs;
mod serve;
mod token;
mod validate;

use std::path::PathBuf;

use clap::{Parser, Subcommand};
use haechi_contract::Problem;
use haechi_serving::{Common, Failure};

/// MCP 서버들을 엮어 근거가 달린 보고서를 만듭니다
#[derive(Debug, Parser)]
#[command(name = "haechi", version, about = crate::IDENTITY.description, max_term_width = 100)]
pub(crate) struct Cli {
    #[command(flatten)]
    common: Common,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// 업무 흐름을 실행해 보고서를 쓰고 그 경로를 출력합니다
    Run(run::Arguments),
    /// 업무 흐름을 실행하지 않고 전부 검사합니다
    Validate(validate::Arguments),
    /// 무엇을 어떤 순서로 할지 보여 줍니다 (도구를 부르지 않습니다)
    Plan(plan::Arguments),
    /// 멈춘 실행을 이어 갑니다 (끝난 호출은 다시 하지 않습니다)
    Resume(run::ResumeArguments),
    /// 기록만으로 같은 보고서를 다시 만들어 견줍니다 (서버 없이)
    Replay(run::ReplayArguments),
    /// 기다리는 승인에 답하고 실행을 이어 갑니다
    Approve(approve::Arguments),
    /// 기다리는 승인을 반려합니다
    Reject(approve::Arguments),
    /// 실행 기록을 봅니다
    #[command(subcommand)]
    Runs(runs::Command),
    /// 보고서에 나온 값이 어디서 왔는지 보여 줍니다
    Explain(runs::ExplainArguments),
    /// 실행 기록과 내보낸 파일이 바뀌지 않았는지 확인합니다
    Verify(runs::VerifyArguments),
    /// 서버들의 도구를 보여 줍니다
    Tools(call::ToolsArguments),
    /// 도구 하나를 부릅니다
    Call(call::Arguments),
    /// 업무 흐름들을 MCP 도구로 제공합니다 (표준 입출력)
    Serve(serve::Arguments),
    /// 서버와 설정을 점검합니다
    Doctor(doctor::Arguments),
    /// 서버의 감사 기록을 확인합니다
    #[command(subcommand)]
    Audit(audit::Command),
    /// HTTP로 쓰는 서버의 토큰을 만들고, 보고, 폐기합니다
    #[command(subcommand)]
    Token(token::Command),
    /// 파일 형식의 JSON Schema를 출력합니다
    #[command(subcommand)]
    Schema(SchemaCommand),
}

#[derive(Debug, Subcommand)]
enum SchemaCommand {
    /// 업무 흐름 파일 (편집기의 yaml-language-server에 씁니다)
    Workflow,
}

/// Runs the command that was given.
///
/// # Errors
///
/// Whatever made it fail.
pub(crate) fn run(cli: Cli) -> Result<(), Failure> {
    // Logging starts here; the settings of a run are found from its workflow instead.
    let quiet = Common { config: None, json: cli.common.json };
    haechi_serving::start(&crate::IDENTITY, &quiet).or_else(|failure| match &cli.common.config {
        // A broken file in the working directory is no matter when another was named.
        Some(_) => Err(failure).or_else(|_| haechi_serving::start(&crate::IDENTITY, &cli.common)),
        None => Err(failure),
    })?;
    let context = Context { config: cli.common.config, json: cli.common.json };
    match cli.command {
        Command::Run(arguments) => run::run(&context, &arguments),
        Command::Validate(arguments) => validate::run(&context, &arguments),
        Command::Plan(arguments) => plan::run(&context, &arguments),
        Command::Resume(arguments) => run::resume(&context, &arguments),
        Command::Replay(arguments) => run::replay(&context, &arguments),
        Command::Approve(arguments) => approve::approve(&context, &arguments),
        Command::Reject(arguments) => approve::reject(&context, &arguments),
        Command::Runs(command) => runs::run(&context, &command),
        Command::Explain(arguments) => runs::explain(&context, &arguments),
        Command::Verify(arguments) => runs::verify(&context, &arguments),
        Command::Tools(arguments) => call::tools(&context, &arguments),
        Command::Call(arguments) => call::run(&context, &arguments),
        Command::Serve(arguments) => serve::run(&context, &arguments),
        Command::Doctor(arguments) => doctor::run(&context, &arguments),
        Command::Audit(command) => audit::run(&context, &command),
        Command::Token(command) => token::run(&context, &command),
        Command::Schema(SchemaCommand::Workflow) => haechi_serving::answer(crate::workflow::SCHEMA),
    }
}

/// What every command is given.
#[derive(Debug)]
struct Context {
    config: Option<PathBuf>,
    json: bool,
}

impl Context {
    fn workspace(&self) -> Result<crate::workspace::Workspace, Problem> {
        crate::workspace::Workspace::find(self.config.as_deref(), None)
    }
}

impl Context {
    /// The record of a run, by its id or its folder.
    fn run(&self, wanted: &str) -> Result<(crate::workspace::Workspace, PathBuf), Problem> {
        let folder = PathBuf::from(wanted);
        if folder.join("run.json").is_file() {
            let workspace = crate::workspace::Workspace::of_run(&folder, self.config.as_deref())?;
            let name = folder.canonicalize().ok().and_then(|folder| folder.file_name().map(ToOwned::to_owned));
            let path = name.map_or(folder, |name| workspace.runs().join(name));
            return Ok((workspace, path));
        }
        let workspace = self.workspace()?;
        let path = crate::record::find(&workspace, wanted)?;
        Ok((workspace, path))
    }
}

/// Inputs as `name=value`.
fn input(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.trim().is_empty() => Ok((name.trim().to_owned(), value.to_owned())),
        _ => Err("`이름=값` 꼴이어야 합니다 (예: -i quarter=2026Q3)".to_owned()),
    }
}

/// The runtime of one command: everything waits in one thread, so few are needed.
fn block_on<T>(future: impl Future<Output = T>) -> Result<T, Failure> {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().map_err(|error| {
            tracing::error!(kind = %error.kind(), "no runtime");
            Problem::internal()
        })?;
    let answer = runtime.block_on(future);
    runtime.shutdown_background();
    Ok(answer)
}

fn json(value: &serde_json::Value) -> Result<(), Failure> {
    haechi_serving::answer(&serde_json::to_string_pretty(value).unwrap_or_default())
}
