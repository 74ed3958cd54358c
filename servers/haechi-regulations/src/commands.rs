//! The command line: the same operations as the tools, for a person without any host.

use std::io::{IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::{Args, Parser, Subcommand};
use haechi_contract::regulations::{
    CompareVersions, GetArticle, GetOutline, ListRegulations, SearchRegulations, TraceReferences, Verdict,
    VerifyCitations,
};
use haechi_contract::{Code, Problem, exit};
use haechi_serving::{Common, Failure, ServeArgs, Started, answer, start};
use serde::Serialize;

use crate::domain::Regulations;
use crate::error::Error;
use crate::ingest::{self, Report};
use crate::rank::Weights;
use crate::settings::Settings;
use crate::tools::{self, IDENTITY};
use crate::{eval, readable};

/// 법령과 내규의 조문을 찾고 읽고 견주고 점검하는 MCP 서버
#[derive(Debug, Parser)]
#[command(name = "haechi-regulations", version)]
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
    /// 색인 폴더 (기본: .haechi/regulations)
    #[arg(long, global = true, value_name = "폴더")]
    data: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// MCP 서버로 동작 (하위 명령이 없을 때와 같음)
    Serve(ServeArgs),
    /// 규정 폴더를 색인 (바뀐 규정만)
    Index {
        /// 폴더나 파일. 없으면 설정의 sources
        paths: Vec<PathBuf>,
        /// 색인을 지우고 처음부터 다시 만듦
        #[arg(long)]
        rebuild: bool,
        /// 다른 색인 작업이 있으면 끝날 때까지 기다림
        #[arg(long)]
        wait: bool,
    },
    /// 조문 검색
    Search {
        query: String,
        /// 돌려받을 조문 수
        #[arg(long, default_value_t = 10)]
        limit: u32,
        /// 기준일 (YYYY-MM-DD)
        #[arg(long, value_name = "날짜")]
        as_of: Option<String>,
        /// 이 규정에서만 (되풀이 가능)
        #[arg(long, value_name = "이름")]
        regulation: Vec<String>,
        /// 이 종류에서만: 법률, 시행령, 내규 등
        #[arg(long, value_name = "종류")]
        kind: Vec<String>,
        /// 부칙도 찾음
        #[arg(long)]
        addenda: bool,
    },
    /// 조문 읽기: `show "은행법 제35조"`
    Show {
        citation: String,
        #[arg(long, value_name = "날짜")]
        as_of: Option<String>,
        /// 앞뒤로 함께 볼 조문 수
        #[arg(long, default_value_t = 0)]
        context: u32,
    },
    /// 차례
    Outline {
        regulation: String,
        #[arg(long, value_name = "날짜")]
        as_of: Option<String>,
    },
    /// 두 날의 조문을 견줌 (신구조문대비표)
    Diff {
        regulation: String,
        from: String,
        to: String,
        /// 한 조문만
        #[arg(long)]
        article: Option<String>,
    },
    /// 조문이 가리키는 것과 조문을 가리키는 것
    Trace {
        citation: String,
        /// out, in, both
        #[arg(long, default_value = "both")]
        direction: String,
        #[arg(long, default_value_t = 1)]
        depth: u32,
        #[arg(long, value_name = "날짜")]
        as_of: Option<String>,
    },
    /// 글 속의 인용을 점검 (`-`는 표준 입력)
    Verify {
        file: PathBuf,
        #[arg(long, value_name = "날짜")]
        as_of: Option<String>,
    },
    /// 색인된 규정의 목록과 크기
    Stats {
        /// 이름의 일부
        query: Option<String>,
    },
    /// 질문 파일(JSONL)로 검색 품질을 잼
    Eval {
        file: PathBuf,
        /// 오늘로 칠 날 (YYYY-MM-DD)
        #[arg(long, value_name = "날짜")]
        today: Option<String>,
        /// 완전히 맞지 않은 질문도 보임
        #[arg(long)]
        misses: bool,
        /// 순위의 무게를 바꾸어 잼: heading=1.5,title=0.4
        #[arg(long, value_name = "목록", hide = true)]
        weights: Option<String>,
    },
}

/// Runs the program.
pub fn run() -> Result<(), Failure> {
    let cli = Cli::parse();
    let started = start(&IDENTITY, &cli.common)?;
    let (data, settings) = settings(&started, &cli.place)?;
    let open = || Regulations::new(data.clone(), &settings).map_err(|error| Failure::from(Problem::from(error)));
    let json = cli.common.json;
    match cli.command {
        None => started.serve(tools::service(&Arc::new(open()?)), &ServeArgs::default()),
        Some(Command::Serve(arguments)) => started.serve(tools::service(&Arc::new(open()?)), &arguments),
        Some(Command::Index { paths, rebuild, wait }) => index(&data, &settings, &open()?, paths, rebuild, wait, json),
        Some(Command::Search { query, limit, as_of, regulation, kind, addenda }) => {
            let input = SearchRegulations {
                query,
                limit: Some(limit),
                as_of,
                regulations: regulation,
                kinds: kind,
                include_addenda: addenda,
                ..Default::default()
            };
            show(open()?.search(&input), json, readable::hits)
        }
        Some(Command::Show { citation, as_of, context }) => {
            let (citation, uri) =
                if citation.starts_with("regulation://") { (None, Some(citation)) } else { (Some(citation), None) };
            show(
                open()?.get_article(&GetArticle { citation, uri, as_of, context: Some(context) }),
                json,
                readable::article,
            )
        }
        Some(Command::Outline { regulation, as_of }) => {
            show(open()?.get_outline(&GetOutline { regulation, as_of }), json, readable::outline)
        }
        Some(Command::Diff { regulation, from, to, article }) => {
            show(open()?.compare(&CompareVersions { regulation, article, from, to }), json, readable::comparison)
        }
        Some(Command::Trace { citation, direction, depth, as_of }) => show(
            open()?.trace(&TraceReferences { citation, direction: Some(direction), depth: Some(depth), as_of }),
            json,
            readable::trace,
        ),
        Some(Command::Verify { file, as_of }) => {
            let text = read_text(&file)?;
            let verification = open()?.verify(&VerifyCitations { text, as_of }).map_err(Problem::from)?;
            let verdict = verification.verdict;
            show(Ok(verification), json, readable::verification)?;
            match verdict {
                Verdict::Right | Verdict::Empty => Ok(()),
                Verdict::Wrong => Err(Failure::silent(exit::FAILED)),
                Verdict::Unchecked => Err(Failure::silent(exit::INCOMPLETE)),
            }
        }
        Some(Command::Stats { query }) => {
            show(open()?.list(&ListRegulations { query, ..Default::default() }), json, readable::list)
        }
        Some(Command::Eval { file, today, misses, weights }) => {
            let mut regulations = open()?;
            if let Some(today) = today {
                let today = haechi_korean::date::parse(&today).ok_or_else(|| {
                    Problem::new(Code::InvalidInput, "--today를 날짜로 읽을 수 없습니다")
                        .with_hint("2026-11-22처럼 적으십시오")
                })?;
                regulations = regulations.on(today);
            }
            if let Some(list) = weights {
                let weights = Weights::default().changed(&list).ok_or_else(|| {
                    Problem::new(Code::InvalidInput, "--weights를 읽을 수 없습니다")
                        .with_hint("heading=1.5,title=0.4처럼 적으십시오")
                })?;
                regulations = regulations.weighing(weights);
            }
            evaluate(&regulations, &file, json, misses)
        }
    }
}

fn settings(started: &Started, place: &Place) -> Result<(PathBuf, Settings), Failure> {
    let mut settings: Settings = started.settings("regulations", toml::Table::new())?;
    for path in settings.sources.iter_mut().chain(&mut settings.names).chain(&mut settings.vocabulary) {
        *path = started.resolve(path);
    }
    let data = match &place.data {
        Some(data) => std::path::absolute(data).map_err(|error| Problem::from(Error::io("read", data, &error)))?,
        None => started.resolve(settings.data.as_deref().unwrap_or(Path::new(".haechi/regulations"))),
    };
    Ok((data, settings))
}

fn show<T: Serialize>(answered: Result<T, Error>, json: bool, readable: impl Fn(&T) -> String) -> Result<(), Failure> {
    let value = answered.map_err(Problem::from)?;
    if json { answer(&pretty(&value)?) } else { answer(&readable(&value)) }
}

fn pretty<T: Serialize>(value: &T) -> Result<String, Failure> {
    serde_json::to_string_pretty(value).map_err(|error| {
        tracing::error!(%error, "an answer could not be serialised");
        Problem::internal().into()
    })
}

fn index(
    data: &Path,
    settings: &Settings,
    regulations: &Regulations,
    paths: Vec<PathBuf>,
    rebuild: bool,
    wait: bool,
    json: bool,
) -> Result<(), Failure> {
    let mut paths = if paths.is_empty() { settings.sources.clone() } else { paths };
    if paths.is_empty() {
        return Err(Problem::new(Code::InvalidInput, "색인할 폴더가 없습니다")
            .with_hint("`haechi-regulations index 폴더`처럼 적거나 [regulations] sources를 설정하십시오")
            .into());
    }
    for path in &mut paths {
        *path = std::path::absolute(&*path).map_err(|error| Problem::from(Error::io("read", path, &error)))?;
    }
    let begun = std::time::Instant::now();
    let mut terminal = Terminal::default();
    let request = ingest::Request { data, paths: &paths, exact: false, rebuild, wait, names: regulations.names() };
    let report = ingest::run(&request, &mut |done, total| terminal.progress(done, total)).map_err(Problem::from)?;
    terminal.done();
    let text = if json { pretty(&report)? } else { report_text(&report, begun.elapsed()) };
    answer(&text)?;
    // What could be read is indexed; a script still has to hear that something was not.
    if report.unreadable.is_empty() { Ok(()) } else { Err(Failure::silent(exit::INCOMPLETE)) }
}

fn report_text(report: &Report, took: std::time::Duration) -> String {
    let mut text = if report.changed() {
        format!(
            "규정 {}개(바뀐 것 {}개), 파일 {}개(바뀐 것 {}개, 사라진 것 {}개), 문서 {}개를 색인했습니다 ({:.1}초)\n",
            report.regulations,
            report.regulations_changed,
            report.files,
            report.files_changed,
            report.files_removed,
            report.documents,
            took.as_secs_f32()
        )
    } else {
        format!("바뀐 것이 없습니다 (규정 {}개, 파일 {}개)\n", report.regulations, report.files)
    };
    for (path, reason) in &report.unreadable {
        text.push_str(&format!("읽지 못함: {path} ({reason})\n"));
    }
    text
}

fn read_text(file: &Path) -> Result<String, Failure> {
    use std::io::Read as _;
    let mut bytes = Vec::new();
    let read = if file == Path::new("-") {
        std::io::stdin().lock().read_to_end(&mut bytes).map(|_| ())
    } else {
        std::fs::read(file).map(|read| bytes = read)
    };
    read.map_err(|error| Problem::from(Error::io("read", file, &error)))?;
    let decoded = haechi_documents::decode::decode(&bytes).map_err(|_| {
        Problem::new(Code::Unreadable, format!("글로 읽을 수 없는 파일입니다: {}", file.display()))
            .with_hint("UTF-8이나 CP949로 된 텍스트 또는 Markdown 파일을 주십시오")
    })?;
    Ok(decoded.text)
}

fn evaluate(regulations: &Regulations, file: &Path, json: bool, misses: bool) -> Result<(), Failure> {
    let text = std::fs::read_to_string(file).map_err(|error| Problem::from(Error::io("read", file, &error)))?;
    let mut questions = Vec::new();
    for (at, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let question: eval::Question = serde_json::from_str(line).map_err(|error| {
            Problem::new(Code::InvalidInput, format!("{}번째 줄의 질문을 읽을 수 없습니다: {error}", at + 1)).with_hint(
                "한 줄에 {\"id\", \"query\", \"relevant\": [{\"law\", \"article\", \"grade\"}]} 하나씩 적으십시오",
            )
        })?;
        questions.push(question);
    }
    let scores = regulations.evaluate(&questions).map_err(Problem::from)?;
    if json {
        return answer(&pretty(&scores)?);
    }
    let mut text = scores.table();
    if misses {
        text.push('\n');
        text.push_str(&scores.misses.join("\n"));
    }
    answer(&text)
}

/// A line of progress for a person; nothing when nobody watches.
#[derive(Default)]
struct Terminal {
    shown: bool,
}

impl Terminal {
    fn progress(&mut self, done: usize, total: usize) {
        let mut stderr = std::io::stderr();
        if stderr.is_terminal() && (done.is_multiple_of(50) || done == total) {
            // A terminal that went away is no reason to stop.
            let _ = write!(stderr, "\r색인 중 {done}/{total}");
            self.shown = true;
        }
    }

    fn done(&mut self) {
        if self.shown {
            let _ = writeln!(std::io::stderr());
        }
    }
}
