//! The command line: the same operations without a host.

use std::path::PathBuf;
use std::sync::Arc;

use clap::{Args, Parser, Subcommand, ValueEnum};
use haechi_contract::tables::{FindTables, ListFiles, ReadTable, RowFormat};
use haechi_contract::{Code, Problem};
use haechi_serving::{Common, Failure, ServeArgs, Started};

use crate::library::{self, Library, Limits};
use crate::settings::Settings;
use crate::tools::{self, IDENTITY};

/// 통합 문서, CSV, PDF의 표를 찾고 읽습니다.
#[derive(Debug, Parser)]
#[command(name = "haechi-tables", version, about)]
struct Cli {
    #[command(flatten)]
    common: Common,

    /// 읽을 수 있는 폴더. 여러 번 적을 수 있습니다
    #[arg(long = "folder", global = true, value_name = "폴더")]
    folders: Vec<PathBuf>,

    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// MCP 서버로 응답합니다 (기본)
    Serve(ServeArgs),
    /// 읽을 수 있는 파일 목록
    List(ListArgs),
    /// 파일의 표를 찾습니다
    Find(FindArgs),
    /// 표의 행을 읽습니다
    Read(ReadArgs),
    /// 채점기의 형식으로 PDF의 표를 적습니다
    #[command(hide = true)]
    Predict(PredictArgs),
    /// 한 쪽의 선과 글줄을 그대로 보여 줍니다
    #[command(hide = true)]
    Inspect {
        path: PathBuf,
        #[arg(default_value_t = 1)]
        page: usize,
    },
}

#[derive(Debug, Args)]
struct ListArgs {
    /// 이름의 무늬. 예: *.xlsx
    pattern: Option<String>,
}

#[derive(Debug, Args)]
struct FindArgs {
    /// 파일 경로
    path: String,
    /// 볼 시트. 여러 번 적을 수 있습니다
    #[arg(long = "sheet", value_name = "시트")]
    sheets: Vec<String>,
    /// 볼 쪽. 예: 1-5,8
    #[arg(long, value_name = "쪽")]
    pages: Option<String>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum FormatName {
    Records,
    Grid,
    Markdown,
    Csv,
}

#[derive(Debug, Args)]
struct ReadArgs {
    /// find가 준 표의 id
    id: String,
    #[arg(long, default_value_t = 0)]
    offset: u64,
    #[arg(long)]
    limit: Option<u64>,
    /// 읽을 열. 여러 번 적을 수 있습니다
    #[arg(long = "column", value_name = "열")]
    columns: Vec<String>,
    #[arg(long, value_enum, default_value = "markdown")]
    format: FormatName,
    /// 화면에 보이는 글자 그대로
    #[arg(long)]
    raw: bool,
}

#[derive(Debug, Args)]
struct PredictArgs {
    /// PDF 파일 또는 폴더
    paths: Vec<PathBuf>,
    /// 결과를 쓸 폴더
    #[arg(long)]
    out: PathBuf,
}

/// Runs the program.
pub fn run() -> Result<(), Failure> {
    let cli = Cli::parse();
    let start = haechi_serving::start(&IDENTITY, &cli.common)?;
    let json = cli.common.json;
    match cli.command {
        None => start.serve(tools::service(Arc::new(configured(&start, &cli.folders, None)?)), &ServeArgs::default()),
        Some(Command::Serve(arguments)) => {
            start.serve(tools::service(Arc::new(configured(&start, &cli.folders, None)?)), &arguments)
        }
        Some(Command::List(arguments)) => {
            let library = configured(&start, &cli.folders, None)?;
            let files = library
                .list_files(&ListFiles { pattern: arguments.pattern, ..ListFiles::default() })
                .map_err(Problem::from)?;
            print(json, &files, || {
                files.files.iter().map(|file| format!("{}\t{}\t{}\n", file.path, file.kind, file.bytes)).collect()
            })
        }
        Some(Command::Find(arguments)) => {
            let library = configured(&start, &cli.folders, Some(&arguments.path))?;
            let input = FindTables { path: arguments.path, sheets: arguments.sheets, pages: arguments.pages };
            let tables = library.find_tables(&input, &|| false).map_err(Problem::from)?;
            print(json, &tables, || tools::tables_text(&tables))
        }
        Some(Command::Read(arguments)) => {
            let file = arguments.id.split('#').next().unwrap_or_default().to_owned();
            let library = configured(&start, &cli.folders, Some(&file))?;
            let format = match (json, arguments.format) {
                (true, FormatName::Markdown) | (_, FormatName::Records) => RowFormat::Records,
                (_, FormatName::Grid) => RowFormat::Grid,
                (false, FormatName::Markdown) => RowFormat::Markdown,
                (_, FormatName::Csv) => RowFormat::Csv,
            };
            let input = ReadTable {
                id: arguments.id,
                offset: arguments.offset,
                limit: arguments.limit,
                columns: arguments.columns,
                format,
                raw: arguments.raw,
            };
            let rows = library.read_table(&input).map_err(Problem::from)?;
            print(json, &rows, || match format {
                RowFormat::Csv => rows.text.clone().unwrap_or_default(),
                _ => tools::rows_text(&rows),
            })
        }
        Some(Command::Predict(arguments)) => crate::predict::run(&arguments.paths, &arguments.out).map_err(Failure::from),
        Some(Command::Inspect { path, page }) => haechi_serving::answer(&crate::predict::inspect(&path, page)?),
    }
}

/// The library over the folders of the flags, of the settings, or, for a command on one file, of
/// the folder that the file lies in.
fn configured(start: &Started, flags: &[PathBuf], file: Option<&str>) -> Result<Library, Failure> {
    let settings: Settings = start.settings("tables", toml::Table::new())?;
    let mut folders: Vec<PathBuf> = Vec::new();
    for folder in flags {
        folders.push(std::path::absolute(folder).map_err(|_| missing(folder))?);
    }
    if folders.is_empty() {
        folders.extend(settings.folders.iter().map(|folder| start.resolve(folder)));
    }
    // A person who names a file on the command line may read it; the jail is for callers over MCP.
    if let Some(path) = file.map(PathBuf::from)
        && flags.is_empty()
        && path.is_file()
    {
        let absolute = std::path::absolute(&path).map_err(|_| missing(&path))?;
        let inside = folders.iter().any(|folder| absolute.starts_with(folder));
        if !inside {
            let parent = if path.is_relative() { PathBuf::from(".") } else { absolute.parent().map(PathBuf::from).unwrap_or_default() };
            folders = vec![parent];
        }
    }
    if folders.is_empty() {
        return Err(Problem::new(Code::InvalidSettings, "읽을 폴더가 정해지지 않았습니다")
            .with_hint("--folder 폴더를 적거나 haechi.toml의 [tables] folders에 적어 주십시오")
            .into());
    }
    library::open(&folders, Limits::default()).map_err(|path| missing(&path))
}

fn missing(path: &std::path::Path) -> Failure {
    Problem::new(Code::InvalidSettings, format!("`{}` 폴더가 없습니다", path.display()))
        .with_hint("--folder나 haechi.toml의 [tables] folders를 고쳐 주십시오")
        .into()
}

fn print<T: serde::Serialize>(json: bool, value: &T, text: impl FnOnce() -> String) -> Result<(), Failure> {
    if json {
        let text = serde_json::to_string_pretty(value).map_err(|_| Problem::internal())?;
        return haechi_serving::answer(&text);
    }
    haechi_serving::answer(&text())
}
