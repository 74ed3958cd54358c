//! `haechi audit`: whether an audit file is whole, and what stands in it.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use haechi_contract::{Code, Problem, exit};
use haechi_serving::{Failure, io_reason, verify_audit};
use serde_json::{Value, json};

use super::Context;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// 고치거나 지우거나 옮긴 줄이 없는지 확인합니다
    Verify(FileArguments),
    /// 마지막 기록을 보여 줍니다
    Show(ShowArguments),
    /// 도구와 결과별 건수를 셉니다
    Stats(FileArguments),
}

#[derive(Debug, Args)]
pub(super) struct FileArguments {
    /// 감사 기록 파일
    #[arg(value_name = "파일")]
    file: PathBuf,
}

#[derive(Debug, Args)]
pub(super) struct ShowArguments {
    /// 감사 기록 파일
    #[arg(value_name = "파일")]
    file: PathBuf,
    /// 보여 줄 줄 수
    #[arg(long, default_value_t = 20, value_name = "줄")]
    last: usize,
}

pub(super) fn run(context: &Context, command: &Command) -> Result<(), Failure> {
    match command {
        Command::Verify(arguments) => verify(context, &arguments.file),
        Command::Show(arguments) => show(context, arguments),
        Command::Stats(arguments) => stats(context, &arguments.file),
    }
}

fn read(path: &Path) -> Result<String, Problem> {
    std::fs::read_to_string(path).map_err(|error| {
        let why = io_reason(&error);
        Problem::new(Code::NotFound, format!("감사 기록 파일을 읽을 수 없습니다: {} ({why})", path.display()))
            .with_hint("파일은 보통 haechi.toml 옆의 .haechi/audit/에 있습니다")
    })
}

fn verify(context: &Context, path: &Path) -> Result<(), Failure> {
    let report = verify_audit(&read(path)?);
    if context.json {
        let findings: Vec<_> = report.findings.iter().map(|(line, why)| json!({ "line": line, "why": why })).collect();
        let whole = report.findings.is_empty();
        super::json(&json!({ "whole": whole, "lines": report.lines, "torn": report.torn, "findings": findings }))?;
    }
    if let Some((line, why)) = report.findings.first() {
        let problem = Problem::new(Code::Corrupt, format!("{}:{line}: 기록이 어긋났습니다 ({why})", path.display()))
            .with_hint("그 줄부터는 믿을 수 없습니다. 따로 보관한 사본과 견주어 보십시오");
        return Err(Failure::with_exit(problem, exit::MISMATCH));
    }
    if context.json {
        return Ok(());
    }
    let torn =
        if report.torn == 0 { String::new() } else { format!(" (쓰다가 끊긴 줄 {}개 포함)", report.torn) };
    haechi_serving::answer(&format!("{}줄 모두 이어져 있습니다{torn}", report.lines))
}

/// The lines that can be read; `verify` is what tells of the others.
fn lines(text: &str) -> impl DoubleEndedIterator<Item = Value> {
    text.lines().filter_map(|line| serde_json::from_str(line).ok())
}

fn show(context: &Context, arguments: &ShowArguments) -> Result<(), Failure> {
    let text = read(&arguments.file)?;
    let mut last: Vec<Value> = lines(&text).rev().take(arguments.last).collect();
    last.reverse();
    if context.json {
        return haechi_serving::answer(&json!({ "lines": last }).to_string());
    }
    let mut shown = String::new();
    for line in &last {
        let word = |key: &str| line.get(key).and_then(Value::as_str).unwrap_or("-").to_owned();
        let _ = writeln!(
            shown,
            "{}  {}  {}  {}  {}µs  {}",
            word("time"),
            word("principal"),
            word("tool"),
            word("outcome"),
            line.get("elapsed_us").unwrap_or(&Value::Null),
            line.get("returned").unwrap_or(&Value::Null),
        );
    }
    haechi_serving::answer(&shown)
}

fn stats(context: &Context, path: &Path) -> Result<(), Failure> {
    let text = read(path)?;
    let mut counts: BTreeMap<(String, String), (u64, u64)> = BTreeMap::new();
    for line in lines(&text) {
        let word = |key: &str| line.get(key).and_then(Value::as_str).unwrap_or("-").to_owned();
        let count = counts.entry((word("tool"), word("outcome"))).or_default();
        count.0 += 1;
        count.1 += line.get("elapsed_us").and_then(Value::as_u64).unwrap_or_default();
    }
    if context.json {
        let rows: Vec<_> = counts
            .iter()
            .map(|((tool, outcome), (calls, elapsed_us))| {
                json!({ "tool": tool, "outcome": outcome, "calls": calls, "elapsed_us": elapsed_us })
            })
            .collect();
        return haechi_serving::answer(&json!({ "calls": rows }).to_string());
    }
    let mut shown = String::new();
    for ((tool, outcome), (calls, elapsed_us)) in &counts {
        let _ = writeln!(shown, "{tool}  {outcome}  {calls}건  평균 {}µs", elapsed_us / calls);
    }
    haechi_serving::answer(if shown.is_empty() { "기록이 없습니다" } else { &shown })
}
