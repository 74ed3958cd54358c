//! The command line: the same operations as the tools, for a person without any host.

use std::{
    io::{IsTerminal as _, Write as _},
    path::PathBuf,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use clap::{Args, Parser, Subcommand, ValueEnum};
use haechi_contract::{
    Code, Problem, exit,
    retrieval::{Mode, PassageFilter, SearchPassages},
};
use haechi_serving::{Common, Failure, ServeArgs, Started, answer, start};

use crate::{
    embed::{Embedder, endpoint::Endpoint},
    error::RetrievalError,
    evaluate::Evaluation,
    freshness::Shared,
    ingest::{Outcome, Plan, Progress, Watcher},
    library::{Library, LibraryOptions},
    settings::Settings,
    store::{Store, edge::EdgeStore, qdrant::QdrantStore},
    tools::{self, IDENTITY},
    transfer::transfer,
};

/// 문서에서 질문에 맞는 단락을 찾는 MCP 서버
#[derive(Debug, Parser)]
#[command(name = "haechi-retrieval", version)]
struct Cli {
    #[command(flatten)]
    common: Common,
    #[command(flatten)]
    place: Place,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Args)]
struct Place {
    /// 색인 폴더 (기본: .haechi/retrieval)
    #[arg(long, global = true, value_name = "폴더")]
    data: Option<PathBuf>,
    /// 색인 폴더 대신 쓸 Qdrant 서버 (예: http://127.0.0.1:6334)
    #[arg(long, global = true, value_name = "주소")]
    qdrant: Option<String>,
    /// 컬렉션 이름 (기본: documents)
    #[arg(long, global = true, value_name = "이름")]
    collection: Option<String>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// MCP 서버로 동작 (하위 명령이 없을 때와 같음)
    Serve(ServeArgs),
    /// 문서 폴더를 색인 (바뀐 문서만, 사라진 문서는 삭제)
    Index {
        /// 폴더나 파일. 없으면 설정의 sources
        paths: Vec<PathBuf>,
        /// 무엇이 바뀔지만 보여 줌
        #[arg(long)]
        dry_run: bool,
        /// 컬렉션을 지우고 처음부터 다시 만듦
        #[arg(long)]
        rebuild: bool,
    },
    /// 단락 검색
    Search {
        query: String,
        /// 돌려받을 단락 수
        #[arg(long, default_value_t = 8)]
        limit: usize,
        /// 검색 방식
        #[arg(long, value_enum, default_value_t = ModeFlag::Auto)]
        mode: ModeFlag,
        /// 담당 부서
        #[arg(long)]
        department: Vec<String>,
        /// 문서 종류
        #[arg(long)]
        kind: Vec<String>,
        /// 태그
        #[arg(long)]
        tag: Vec<String>,
    },
    /// 컬렉션과 그 크기
    Status,
    /// 색인 폴더의 컬렉션을 Qdrant 서버로 옮김 (같은 이름은 바뀜)
    Push,
    /// Qdrant 서버의 컬렉션을 색인 폴더로 옮김 (같은 이름은 바뀜)
    Pull,
    /// 질문 파일(JSONL)로 검색 품질을 잼
    Eval {
        file: PathBuf,
        #[arg(long, value_enum, default_value_t = ModeFlag::Auto)]
        mode: ModeFlag,
    },
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum ModeFlag {
    Auto,
    Hybrid,
    Lexical,
    Semantic,
}

impl From<ModeFlag> for Mode {
    fn from(flag: ModeFlag) -> Self {
        match flag {
            ModeFlag::Auto => Self::Auto,
            ModeFlag::Hybrid => Self::Hybrid,
            ModeFlag::Lexical => Self::Lexical,
            ModeFlag::Semantic => Self::Semantic,
        }
    }
}

/// Runs the program.
pub fn run() -> Result<(), Failure> {
    let cli = Cli::parse();
    let started = start(&IDENTITY, &cli.common)?;
    let settings = settings(&started, &cli.place)?;
    if let Some(command @ (Command::Push | Command::Pull)) = &cli.command {
        return move_collection(&settings, matches!(command, Command::Push));
    }
    let library = library(&settings)?;
    match cli.command {
        None => serve(&started, &settings, library, &ServeArgs::default()),
        Some(Command::Serve(arguments)) => serve(&started, &settings, library, &arguments),
        Some(Command::Index { paths, dry_run, rebuild }) => {
            let paths = if paths.is_empty() { settings.sources.clone() } else { paths };
            if paths.is_empty() {
                return Err(Problem::new(Code::InvalidInput, "색인할 폴더가 없습니다")
                    .with_hint("`haechi-retrieval index 폴더`처럼 적거나 [retrieval] sources를 설정하십시오")
                    .into());
            }
            let plan = Plan { rebuild, dry_run, paths, ..plan(&settings)? };
            let outcome = library.index(&plan, &Terminal::default()).map_err(Problem::from)?;
            answer(&if cli.common.json { json(&outcome)? } else { readable_outcome(&outcome) })?;
            // What could be read is indexed; a script still has to hear that something was not.
            if outcome.failed.is_empty() { Ok(()) } else { Err(Failure::silent(exit::INCOMPLETE)) }
        }
        Some(Command::Search { query, limit, mode, department, kind, tag }) => {
            let input = SearchPassages {
                query,
                collection: cli.place.collection,
                limit: Some(limit),
                mode: Some(mode.into()),
                filter: Some(PassageFilter { departments: department, kinds: kind, tags: tag, ..Default::default() }),
                diversity: None,
                per_document: None,
            };
            let found = library.search(&input).map_err(Problem::from)?;
            answer(&if cli.common.json { json(&found)? } else { tools::readable(&found) })
        }
        // Handled above, before a store is chosen.
        Some(Command::Push | Command::Pull) => Ok(()),
        Some(Command::Status) => {
            let found = library.collections().map_err(Problem::from)?;
            answer(&if cli.common.json { json(&found)? } else { tools::readable_collections(&found) })
        }
        Some(Command::Eval { file, mode }) => {
            let text = std::fs::read_to_string(&file).map_err(|error| {
                Problem::new(
                    Code::NotFound,
                    format!("질문 파일을 읽을 수 없습니다: {} ({})", file.display(), error.kind()),
                )
                .with_hint("경로와 권한, UTF-8 인코딩을 확인하십시오")
            })?;
            let evaluation =
                library.evaluate(&text, cli.place.collection.as_deref(), mode.into()).map_err(Problem::from)?;
            answer(&if cli.common.json { json(&evaluation)? } else { readable_evaluation(&evaluation) })
        }
    }
}

/// Reads the settings and makes every path in them absolute.
fn settings(started: &Started, place: &Place) -> Result<Settings, Failure> {
    let mut flags = toml::Table::new();
    if let Some(data) = &place.data {
        // A flag is relative to where the person stands, not to the settings file.
        let data = std::path::absolute(data).unwrap_or_else(|_| data.clone());
        flags.insert("data".into(), toml::Value::String(data.to_string_lossy().into_owned()));
    }
    if let Some(collection) = &place.collection {
        flags.insert("collection".into(), toml::Value::String(collection.clone()));
    }
    let mut settings: Settings = started.settings("retrieval", flags)?;
    if let Some(url) = &place.qdrant {
        settings.qdrant.get_or_insert_default().url.clone_from(url);
    }
    settings.data = started.resolve(&settings.data);
    if let Some(key_file) = settings.qdrant.as_mut().and_then(|options| options.key_file.as_mut()) {
        *key_file = started.resolve(key_file);
    }
    if let Some(key_file) = settings.embedder.as_mut().and_then(|options| options.key_file.as_mut()) {
        *key_file = started.resolve(key_file);
    }
    for source in &mut settings.sources {
        *source = started.resolve(source);
    }
    Ok(settings)
}

fn library(settings: &Settings) -> Result<Library, Failure> {
    let store: Box<dyn Store> = match &settings.qdrant {
        Some(options) => {
            Box::new(QdrantStore::new(options.clone()).map_err(RetrievalError::from).map_err(Problem::from)?)
        }
        None => Box::new(EdgeStore::new(settings.data.clone())),
    };
    let mut options = LibraryOptions { default_collection: settings.collection.clone(), ..LibraryOptions::default() };
    options.fusion.lexical_weight = settings.lexical_weight().map_err(Problem::from)?;
    let embedder: Option<Arc<dyn Embedder>> = match &settings.embedder {
        Some(options) => Some(Arc::new(Endpoint::new(options.clone()).map_err(Problem::from)?)),
        None => None,
    };
    Ok(Library::new(store, embedder, options))
}

fn move_collection(settings: &Settings, push: bool) -> Result<(), Failure> {
    let Some(options) = &settings.qdrant else {
        return Err(Problem::new(Code::InvalidInput, "어느 Qdrant 서버인지 모릅니다")
            .with_hint("--qdrant 주소를 적거나 [retrieval] qdrant를 설정하십시오")
            .into());
    };
    let folder = EdgeStore::new(settings.data.clone());
    let server = QdrantStore::new(options.clone()).map_err(RetrievalError::from).map_err(Problem::from)?;
    let (from, to): (&dyn Store, &dyn Store) = if push { (&folder, &server) } else { (&server, &folder) };
    let terminal = Terminal::default();
    let moved = transfer(from, to, &settings.collection, |moved, passages| {
        terminal.progress(Progress { documents_done: moved, documents: passages, passages: moved });
    })
    .map_err(Problem::from)?;
    answer(&format!("{}: 단락 {moved}개를 {}에서 {}로 옮겼습니다", settings.collection, from.describe(), to.describe()))
}

fn plan(settings: &Settings) -> Result<Plan, Failure> {
    Ok(Plan {
        paths: settings.sources.clone(),
        collection: settings.collection.clone(),
        size: settings.size().map_err(Problem::from)?,
        rebuild: false,
        dry_run: false,
        batch: settings.batch_passages.max(1),
    })
}

fn serve(started: &Started, settings: &Settings, library: Library, arguments: &ServeArgs) -> Result<(), Failure> {
    let plan = if settings.sources.is_empty() { None } else { Some(plan(settings)?) };
    let shared = Shared::new(library, plan);
    shared.start();
    started.serve(tools::service(&shared), arguments)
}

fn json<T: serde::Serialize>(value: &T) -> Result<String, Failure> {
    serde_json::to_string_pretty(value).map_err(|_| Problem::internal().into())
}

fn readable_outcome(outcome: &Outcome) -> String {
    let verb = if outcome.dry_run { "예정" } else { "완료" };
    let mut text = format!(
        "{} 색인 {verb}: 추가 {}, 변경 {}, 그대로 {}, 삭제 {} (단락 {}개 기록, {:.1}초)",
        outcome.collection,
        outcome.added,
        outcome.changed,
        outcome.unchanged,
        outcome.removed,
        outcome.passages,
        outcome.elapsed.as_secs_f64(),
    );
    if outcome.ignored > 0 {
        text.push_str(&format!("\n문서가 아닌 파일 {}개는 건너뛰었습니다", outcome.ignored));
    }
    for failed in &outcome.failed {
        text.push_str(&format!("\n읽지 못함: {} – {}", failed.document, failed.reason));
    }
    text
}

fn readable_evaluation(evaluation: &Evaluation) -> String {
    let mut text = format!(
        "컬렉션 {}, 방식 {}\n{:<14} {:>5} {:>8} {:>8} {:>8} {:>8}\n",
        evaluation.collection,
        evaluation.mode.as_str(),
        "kind",
        "n",
        "nDCG@10",
        "R@10",
        "MRR@10",
        "P@1"
    );
    let all = std::iter::once(("all", &evaluation.all));
    for (kind, scores) in all.chain(evaluation.kinds.iter().map(|(kind, scores)| (kind.as_str(), scores))) {
        text.push_str(&format!(
            "{kind:<14} {:>5} {:>8.3} {:>8.3} {:>8.3} {:>8.3}\n",
            scores.questions, scores.ndcg, scores.recall, scores.mrr, scores.first
        ));
    }
    text.push_str(&format!(
        "답이 없는 질문 {}건, 검색 시간 p50 {:.2} ms, p99 {:.2} ms",
        evaluation.unanswerable, evaluation.p50_ms, evaluation.p99_ms
    ));
    text
}

/// Shows progress to a person at a terminal and nothing to a file.
struct Terminal {
    shown: Mutex<Option<Instant>>,
    terminal: bool,
}

impl Default for Terminal {
    fn default() -> Self {
        Self { shown: Mutex::new(None), terminal: std::io::stderr().is_terminal() }
    }
}

impl Watcher for Terminal {
    fn progress(&self, progress: Progress) {
        if !self.terminal {
            return;
        }
        let Ok(mut shown) = self.shown.lock() else { return };
        let last = progress.documents_done == progress.documents;
        if !last && shown.is_some_and(|at| at.elapsed() < Duration::from_millis(100)) {
            return;
        }
        *shown = Some(Instant::now());
        let mut stderr = std::io::stderr().lock();
        let end = if last { "\n" } else { "" };
        // A terminal that went away does not stop the work.
        let _ = write!(
            stderr,
            "\r문서 {}/{} · 단락 {}{end}",
            progress.documents_done, progress.documents, progress.passages
        );
    }

    fn cancelled(&self) -> bool {
        false
    }
}
