//! Answers read-only questions from the customer database, personal data masked.
//!
//! Three walls stand between a statement and the data: the guard of `haechi-sql` (one parsed
//! SELECT, rewritten so that it only meets masked values and permitted rows), a session that cannot
//! write, and an account that should not be able to. It refuses whatever it does not know, and no
//! text of the database's own errors ever leaves it.

mod commands;
mod customers;
mod error;
mod masks;
mod page;
pub mod policy;
mod render;
mod saved;
mod schema;
mod settings;
mod store;
mod tools;
mod value;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::{Args, Parser, Subcommand};
use haechi_contract::Problem;
use haechi_serving::{Common, Failure, ServeArgs};

pub use customers::Customers;
pub use error::Error;
pub use haechi_serving::CancellationToken;
pub use masks::TokenKey;
pub use page::RowWriter;
pub use settings::{Location, Settings};
pub use tools::{IDENTITY, service};

/// 고객 데이터베이스에 읽기 전용으로 묻습니다. 개인정보는 가려집니다.
#[derive(Debug, Parser)]
#[command(name = "haechi-customers", version, about, disable_help_subcommand = true)]
struct Cli {
    #[command(flatten)]
    common: Common,
    #[command(flatten)]
    place: Place,
    #[command(subcommand)]
    command: Option<Command>,
}

/// Where everything is; flags over environment over `haechi.toml`.
#[derive(Debug, Clone, Default, Args)]
struct Place {
    /// 데이터베이스 (sqlite:경로, postgres://…, mysql://…)
    #[arg(long, global = true, value_name = "URL")]
    database: Option<String>,
    /// 정책 파일
    #[arg(long, global = true, value_name = "파일")]
    policy: Option<PathBuf>,
    /// 저장 질의 폴더
    #[arg(long, global = true, value_name = "폴더")]
    saved: Option<PathBuf>,
    /// 묻는 사람의 역할
    #[arg(long, global = true, value_name = "역할")]
    role: Option<String>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// MCP 서버로 실행 (기본)
    Serve(ServeArgs),
    /// SELECT 문 하나를 실행
    Query {
        /// SELECT 문
        sql: String,
        /// 매개변수 이름=값
        #[arg(short, long = "parameter", value_name = "이름=값")]
        parameters: Vec<String>,
        /// 받을 행의 수
        #[arg(long)]
        limit: Option<u64>,
        /// CSV로 출력
        #[arg(long)]
        csv: bool,
    },
    /// 표와 열 보기
    Schema {
        /// 표 이름
        table: Option<String>,
    },
    /// 저장 질의 보기와 실행
    Saved {
        /// 저장 질의 이름
        name: Option<String>,
        /// 매개변수 이름=값
        #[arg(value_name = "이름=값")]
        parameters: Vec<String>,
    },
    /// 연결, 정책, 저장 질의, 계정 권한 점검
    Doctor,
    /// 정책 점검
    #[command(subcommand)]
    Policy(PolicyCommand),
}

#[derive(Debug, Subcommand)]
enum PolicyCommand {
    /// 정책 파일과 저장 질의를 데이터베이스에 대어 점검
    Check,
    /// 질의가 어떻게 고쳐지고 무엇이 가려지는지 보기
    Explain {
        /// SELECT 문
        sql: String,
    },
}

/// Runs the program.
///
/// # Errors
///
/// Wrong settings, or the problem that the command met.
pub fn run() -> Result<(), Failure> {
    let cli = Cli::parse();
    let start = haechi_serving::start(&IDENTITY, &cli.common)?;
    let settings: Settings = start.settings("customers", flags(&cli.place))?;
    let customers = Customers::open(&settings, &start.base()).map_err(Problem::from)?;
    match cli.command {
        None => start.serve(tools::service(Arc::new(customers)), &ServeArgs::default()),
        Some(Command::Serve(arguments)) => start.serve(tools::service(Arc::new(customers)), &arguments),
        Some(Command::Query { sql, parameters, limit, csv }) => {
            commands::query(&customers, &sql, &parameters, limit, csv, cli.common.json)
        }
        Some(Command::Schema { table }) => commands::schema(&customers, table.as_deref(), cli.common.json),
        Some(Command::Saved { name, parameters }) => {
            commands::saved(&customers, name.as_deref(), &parameters, cli.common.json)
        }
        Some(Command::Doctor) => commands::doctor(&customers, cli.common.json),
        Some(Command::Policy(PolicyCommand::Check)) => commands::policy_check(&customers),
        Some(Command::Policy(PolicyCommand::Explain { sql })) => {
            commands::policy_explain(&customers, &sql, cli.common.json)
        }
    }
}

fn flags(place: &Place) -> toml::Table {
    let mut flags = toml::Table::new();
    let absolute = |path: &Path| std::path::absolute(path).unwrap_or_else(|_| path.to_owned()).display().to_string();
    if let Some(database) = &place.database {
        // A path on the command line is meant from where the person stands, not from the file.
        let database = match database.strip_prefix("sqlite:") {
            Some(path) => format!("sqlite:{}", absolute(Path::new(path.strip_prefix("//").unwrap_or(path)))),
            None if database.contains("://") => database.clone(),
            None => format!("sqlite:{}", absolute(Path::new(database))),
        };
        flags.insert("database".to_owned(), database.into());
    }
    for (key, path) in [("policy", &place.policy), ("saved", &place.saved)] {
        if let Some(path) = path {
            flags.insert(key.to_owned(), absolute(path).into());
        }
    }
    if let Some(role) = &place.role {
        flags.insert("role".to_owned(), role.clone().into());
    }
    flags
}

/// The candidate nearest to a misspelt name, if one is near.
pub(crate) fn nearest<'a>(wanted: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let wanted: Vec<char> = wanted.to_lowercase().chars().take(64).collect();
    known
        .map(|name| (distance(&wanted, &name.to_lowercase().chars().take(64).collect::<Vec<_>>()), name))
        .filter(|(far, _)| *far <= 3)
        .min()
        .map(|(_, name)| name)
}

fn distance(left: &[char], right: &[char]) -> usize {
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (index, one) in left.iter().enumerate() {
        let mut next = vec![index + 1];
        for (column, two) in right.iter().enumerate() {
            let (before, above) = (row.get(column).copied().unwrap_or(0), row.get(column + 1).copied().unwrap_or(0));
            let beside = next.last().copied().unwrap_or(0);
            next.push((above + 1).min(beside + 1).min(before + usize::from(one != two)));
        }
        row = next;
    }
    row.last().copied().unwrap_or(0)
}
