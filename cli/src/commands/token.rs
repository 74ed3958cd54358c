//! `haechi token`: the bearer tokens that the servers accept over HTTP.
//!
//! A token is shown once, when it is made; the file keeps its hash alone.

use std::fmt::Write as _;
use std::path::PathBuf;

use clap::{Args, Subcommand};
use haechi_contract::{Code, Problem};
use haechi_serving::settings::SettingsFile;
use haechi_serving::{Failure, TokenFile, token_file};
use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use super::Context;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// 토큰을 만들어 한 번만 출력합니다
    Create(CreateArguments),
    /// 토큰의 이름, 요청자, 역할, 만료일을 보여 줍니다 (토큰 자체는 보관하지 않습니다)
    List(FileArguments),
    /// 토큰을 폐기합니다. 서버를 다시 시작하지 않아도 곧바로 듣습니다
    Revoke(RevokeArguments),
}

#[derive(Debug, Args)]
pub(super) struct FileArguments {
    /// 토큰 파일 (적지 않으면 설정 access.tokens)
    #[arg(long, value_name = "파일")]
    file: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(super) struct CreateArguments {
    /// 토큰의 이름 (목록과 폐기에 씁니다)
    id: String,
    /// 감사 기록에 남길 요청자
    #[arg(long, value_name = "이름")]
    principal: String,
    /// 역할 (여러 번 적을 수 있습니다)
    #[arg(long = "role", value_name = "역할")]
    roles: Vec<String>,
    /// 쓸 수 있는 날수
    #[arg(long, value_name = "일", default_value_t = 90, value_parser = clap::value_parser!(u16).range(1..=3650))]
    days: u16,
    #[command(flatten)]
    file: FileArguments,
}

#[derive(Debug, Args)]
pub(super) struct RevokeArguments {
    /// 토큰의 이름
    id: String,
    #[command(flatten)]
    file: FileArguments,
}

pub(super) fn run(context: &Context, command: &Command) -> Result<(), Failure> {
    match command {
        Command::Create(arguments) => create(context, arguments),
        Command::List(arguments) => list(context, arguments),
        Command::Revoke(arguments) => revoke(context, arguments),
    }
}

fn path(context: &Context, arguments: &FileArguments) -> Result<PathBuf, Problem> {
    if let Some(file) = &arguments.file {
        return Ok(file.clone());
    }
    let settings = SettingsFile::find(context.config.as_deref(), &[PathBuf::from(".")])?;
    token_file(&settings)?.ok_or_else(|| {
        Problem::new(Code::InvalidSettings, "토큰 파일이 정해져 있지 않습니다")
            .with_hint("haechi.toml의 [access]에 tokens = \"tokens.toml\"을 적거나 --file로 주십시오")
    })
}

fn create(context: &Context, arguments: &CreateArguments) -> Result<(), Failure> {
    let path = path(context, &arguments.file)?;
    let mut file = TokenFile::read(&path)?;
    let now = Timestamp::now();
    let expires =
        now.checked_add(SignedDuration::from_hours(24 * i64::from(arguments.days))).map_err(|_| Problem::internal())?;
    let token = file.create(&arguments.id, &arguments.principal, arguments.roles.clone(), now, expires)?;
    file.write(&path)?;
    if context.json {
        let made = json!({ "id": arguments.id, "token": token, "expires": expires.to_string() });
        return haechi_serving::answer(&made.to_string());
    }
    haechi_serving::answer(&token)
}

fn list(context: &Context, arguments: &FileArguments) -> Result<(), Failure> {
    let file = TokenFile::read(&path(context, arguments)?)?;
    let now = Timestamp::now();
    if context.json {
        let tokens: Vec<_> = file
            .tokens
            .iter()
            .map(|token| {
                json!({
                    "id": token.id, "principal": token.principal, "roles": token.roles,
                    "created": token.created, "expires": token.expires, "expired": past(&token.expires, now),
                })
            })
            .collect();
        return haechi_serving::answer(&json!({ "tokens": tokens }).to_string());
    }
    if file.tokens.is_empty() {
        return haechi_serving::answer("토큰이 없습니다");
    }
    let mut text = String::new();
    for token in &file.tokens {
        let state = if past(&token.expires, now) { "만료됨" } else { "유효" };
        let _ = writeln!(
            text,
            "{}  {}  역할: {}  만료: {}  {state}",
            token.id,
            token.principal,
            if token.roles.is_empty() { "없음".to_owned() } else { token.roles.join(", ") },
            token.expires,
        );
    }
    haechi_serving::answer(&text)
}

fn revoke(context: &Context, arguments: &RevokeArguments) -> Result<(), Failure> {
    let path = path(context, &arguments.file)?;
    let mut file = TokenFile::read(&path)?;
    if !file.revoke(&arguments.id) {
        let known: Vec<&str> = file.tokens.iter().map(|token| token.id.as_str()).collect();
        let problem = Problem::new(Code::NotFound, format!("`{}`라는 토큰이 없습니다", arguments.id));
        let hint = if known.is_empty() {
            "토큰이 하나도 없습니다".to_owned()
        } else {
            format!("있는 토큰: {}", known.join(", "))
        };
        return Err(problem.with_hint(hint).into());
    }
    file.write(&path)?;
    haechi_serving::answer(&format!("`{}` 토큰을 폐기했습니다", arguments.id))
}

/// Whether a moment has come; one that cannot be read has.
fn past(moment: &str, now: Timestamp) -> bool {
    moment.parse::<Timestamp>().map_or(true, |moment| moment <= now)
}
