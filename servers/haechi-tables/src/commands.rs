//! The command line: the same operations without a host.

use std::path::PathBuf;
use std::sync::Arc;

use clap::{Args, Parser, Subcommand, ValueEnum};
use haechi_contract::tables::{
    CompareTables, FindTables, ListFiles, NamedSource, ProfileTable, QueryTables, ReadPages, ReadTable, RowFormat,
};
use haechi_contract::{Code, Problem};
use haechi_serving::{Common, Failure, ServeArgs, Started};

use crate::engine::{self, Engine};
use crate::library::{self, Limits};
use crate::render;
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
    /// 여러 표를 SQL로 조회합니다
    Query(QueryArgs),
    /// 표의 열마다 값을 살피고 합계를 검산합니다
    Profile {
        /// find가 준 표의 id
        id: String,
    },
    /// 두 표를 행별로 비교합니다
    Compare {
        left: String,
        right: String,
        /// 행을 맞출 열. 여러 번 적을 수 있습니다
        #[arg(long = "key", value_name = "열", required = true)]
        keys: Vec<String>,
    },
    /// PDF의 쪽을 읽는 순서대로 읽습니다
    Pages {
        path: String,
        /// 읽을 쪽. 예: 1-5,8
        #[arg(long, value_name = "쪽")]
        pages: Option<String>,
    },
    /// 표를 파일로 내보냅니다
    Export(ExportArgs),
    /// 문서를 읽는 별도 프로세스 (서버가 띄웁니다)
    #[command(hide = true)]
    Worker,
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
struct QueryArgs {
    /// SELECT 한 문장. 예: SELECT "업종", "잔액" FROM loans
    sql: String,
    /// 이름=표의 id. 여러 번 적을 수 있습니다. 예: loans=여신현황.xlsx#업종별!B4:F12
    #[arg(long = "table", value_name = "이름=id", required = true)]
    tables: Vec<String>,
    #[arg(long)]
    limit: Option<u64>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum ExportFormat {
    Csv,
    Markdown,
    Html,
    Json,
}

#[derive(Debug, Args)]
struct ExportArgs {
    /// find가 준 표의 id
    id: String,
    #[arg(long, value_enum, default_value = "csv")]
    format: ExportFormat,
    /// 쓸 파일. 없으면 화면에 씁니다
    #[arg(long, value_name = "파일")]
    out: Option<PathBuf>,
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
    // A worker has no settings and no log of its own; whoever started it has both.
    if let Some(Command::Worker) = cli.command {
        return crate::worker::run(&cli.folders).map_err(Failure::from);
    }
    let start = haechi_serving::start(&IDENTITY, &cli.common)?;
    let json = cli.common.json;
    match cli.command {
        None => start.serve(tools::service(configured(&start, &cli.folders, None)?), &ServeArgs::default()),
        Some(Command::Serve(arguments)) => {
            start.serve(tools::service(configured(&start, &cli.folders, None)?), &arguments)
        }
        Some(Command::List(arguments)) => {
            let engine = configured(&start, &cli.folders, None)?;
            let files = engine
                .list_files(&ListFiles { pattern: arguments.pattern, ..ListFiles::default() })
                .map_err(Problem::from)?;
            print(json, &files, || {
                files.files.iter().map(|file| format!("{}\t{}\t{}\n", file.path, file.kind, file.bytes)).collect()
            })
        }
        Some(Command::Find(arguments)) => {
            let engine = configured(&start, &cli.folders, Some(&arguments.path))?;
            let input = FindTables { path: arguments.path, sheets: arguments.sheets, pages: arguments.pages };
            let tables = engine.find_tables(input, &|| false).map_err(Problem::from)?;
            print(json, &tables, || tools::tables_text(&tables))
        }
        Some(Command::Read(arguments)) => {
            let file = file_of(&arguments.id);
            let engine = configured(&start, &cli.folders, Some(&file))?;
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
            let rows = engine.read_table(input, &|| false).map_err(Problem::from)?;
            print(json, &rows, || match format {
                RowFormat::Csv => rows.text.clone().unwrap_or_default(),
                _ => tools::rows_text(&rows),
            })
        }
        Some(Command::Predict(arguments)) => {
            crate::predict::run(&arguments.paths, &arguments.out).map_err(Failure::from)
        }
        Some(Command::Query(arguments)) => {
            let tables = arguments.tables.iter().map(|table| named(table)).collect::<Result<Vec<_>, _>>()?;
            let file = tables.first().map(|table| file_of(&table.id));
            let engine = configured(&start, &cli.folders, file.as_deref())?;
            let input = QueryTables { tables, sql: arguments.sql, limit: arguments.limit };
            let loaded = tools::load_all(&engine, &input.tables, &|| false).map_err(Problem::from)?;
            let runtime =
                tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|_| Problem::internal())?;
            let rows = runtime.block_on(crate::query::run(&input, &loaded, || false)).map_err(Problem::from)?;
            print(json, &rows, || tools::query_text(&rows))
        }
        Some(Command::Profile { id }) => {
            let engine = configured(&start, &cli.folders, Some(&file_of(&id)))?;
            let profile = tools::profile(&engine, &ProfileTable { id }, &|| false).map_err(Problem::from)?;
            print(json, &profile, || tools::profile_text(&profile))
        }
        Some(Command::Compare { left, right, keys }) => {
            let engine = configured(&start, &cli.folders, Some(&file_of(&left)))?;
            let compared =
                tools::compare(&engine, &CompareTables { left, right, keys }, &|| false).map_err(Problem::from)?;
            print(json, &compared, || tools::comparison_text(&compared))
        }
        Some(Command::Pages { path, pages }) => {
            let engine = configured(&start, &cli.folders, Some(&path))?;
            let read = engine.read_pages(ReadPages { path, pages }, &|| false).map_err(Problem::from)?;
            print(json, &read, || tools::pages_text(&read))
        }
        Some(Command::Export(arguments)) => {
            let engine = configured(&start, &cli.folders, Some(&file_of(&arguments.id)))?;
            let loaded = engine.load(&arguments.id, crate::query::TABLE_ROWS_MAX, &|| false).map_err(Problem::from)?;
            let columns = &loaded.table.head.columns;
            let text = match arguments.format {
                ExportFormat::Csv => render::csv(columns, &loaded.rows, false),
                ExportFormat::Markdown => render::markdown(columns, &loaded.rows),
                ExportFormat::Html => render::html(&loaded),
                ExportFormat::Json => render::json(columns, &loaded.rows),
            };
            match arguments.out {
                None => haechi_serving::answer(&text),
                Some(path) => write_whole(&path, &text),
            }
        }
        Some(Command::Worker) => Ok(()),
        Some(Command::Inspect { path, page }) => haechi_serving::answer(&crate::predict::inspect(&path, page)?),
    }
}

/// The library over the folders of the flags, of the settings, or, for a command on one file, of
/// the folder that the file lies in.
fn configured(start: &Started, flags: &[PathBuf], file: Option<&str>) -> Result<Arc<Engine>, Failure> {
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
            let parent = if path.is_relative() {
                PathBuf::from(".")
            } else {
                absolute.parent().map(PathBuf::from).unwrap_or_default()
            };
            folders = vec![parent];
        }
    }
    if folders.is_empty() {
        return Err(Problem::new(Code::InvalidSettings, "읽을 폴더가 정해지지 않았습니다")
            .with_hint("--folder 폴더를 적거나 haechi.toml의 [tables] folders에 적어 주십시오")
            .into());
    }
    let library = library::open(&folders, Limits::default()).map_err(|path| missing(&path))?;
    Ok(engine::of_program(library))
}

fn missing(path: &std::path::Path) -> Failure {
    Problem::new(Code::InvalidSettings, format!("`{}` 폴더가 없습니다", path.display()))
        .with_hint("--folder나 haechi.toml의 [tables] folders를 고쳐 주십시오")
        .into()
}

fn file_of(id: &str) -> String {
    id.split('#').next().unwrap_or_default().to_owned()
}

fn named(text: &str) -> Result<NamedSource, Problem> {
    let (name, id) = text.split_once('=').ok_or_else(|| {
        Problem::new(Code::InvalidInput, "--table에는 이름=id를 적어 주십시오")
            .with_hint("예: --table loans=여신현황.xlsx#업종별!B4:F12")
    })?;
    Ok(NamedSource { id: id.to_owned(), name: name.to_owned() })
}

/// Writes beside the target and renames, so that nobody meets half a file.
fn write_whole(path: &std::path::Path, text: &str) -> Result<(), Failure> {
    use std::io::Write as _;
    let unwritable = || {
        Problem::new(Code::Unavailable, format!("`{}`에 쓸 수 없습니다", path.display()))
            .with_hint("폴더가 있는지, 쓸 권한이 있는지 확인해 주십시오")
    };
    let folder =
        path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or_else(|| std::path::Path::new("."));
    let name = path.file_name().ok_or_else(unwritable)?.to_string_lossy();
    let beside = folder.join(format!(".{name}.{}.part", std::process::id()));
    let written = std::fs::File::create(&beside)
        .and_then(|mut file| file.write_all(text.as_bytes()).and_then(|()| file.sync_all()))
        .and_then(|()| std::fs::rename(&beside, path));
    if written.is_err() {
        let _ = std::fs::remove_file(&beside);
        return Err(unwritable().into());
    }
    haechi_serving::answer(&path.display().to_string())
}

fn print<T: serde::Serialize>(json: bool, value: &T, text: impl FnOnce() -> String) -> Result<(), Failure> {
    if json {
        let text = serde_json::to_string_pretty(value).map_err(|_| Problem::internal())?;
        return haechi_serving::answer(&text);
    }
    haechi_serving::answer(&text())
}
