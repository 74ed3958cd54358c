//! The main job, run as a newcomer runs it, on a copy of the fixtures; its figures are computed
//! again from the database and the workbook by readers that the program does not use.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use haechi_testkit::{Finished, TestEnv, binary};
use serde_json::Value;
use sqlx::Row as _;

const WORKFLOW: &str = "fixtures/workflows/corporate-loan-risk.yaml";

/// Copies `fixtures/` into the working folder, so that a run leaves nothing in the repository.
pub(crate) fn workspace_copy(env: &TestEnv) -> PathBuf {
    let target = env.work().join("fixtures");
    copy(&haechi_testkit::fixture(""), &target);
    target
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name();
        // What an earlier run left beside the fixtures is not part of them.
        if name == ".haechi" || name == "out" || name == "haechi-fixtures" {
            continue;
        }
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &to.join(name));
        } else {
            std::fs::copy(entry.path(), to.join(name)).unwrap();
        }
    }
}

struct Report {
    env: TestEnv,
    markdown: String,
    html: String,
}

fn run_demo(arguments: &[&str]) -> (TestEnv, Finished) {
    let env = TestEnv::new();
    workspace_copy(&env);
    let finished = env.run(binary("haechi"), [&["run", WORKFLOW], arguments].concat());
    (env, finished)
}

fn report() -> Report {
    let (env, finished) = run_demo(&[]);
    let finished = finished.expect_code(0);
    let read = |name: &str| {
        let path = env.work().join("fixtures/out").join(name);
        assert!(finished.stdout.contains(name), "standard output names {name}: {finished}");
        std::fs::read_to_string(path).unwrap()
    };
    let markdown = read("2026Q3-기업여신-리스크.md");
    let html = read("2026Q3-기업여신-리스크.html");
    Report { env, markdown, html }
}

/// One query on the fixture database, without any of our servers.
fn figures(sql: &'static str) -> Vec<(String, i64)> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let options = sqlx::sqlite::SqliteConnectOptions::new()
            .filename(haechi_testkit::fixture("customers/bank.db"))
            .read_only(true);
        let pool = sqlx::SqlitePool::connect_with(options).await.unwrap();
        let rows = sqlx::query(sql).fetch_all(&pool).await.unwrap();
        rows.iter().map(|row| (row.get::<String, _>(0), row.get::<i64, _>(1))).collect()
    })
}

/// `1234` as a report writes 1,234억원.
fn eok(won: i64) -> String {
    let number = (won / 100_000_000).to_string();
    let mut grouped = String::new();
    for (index, digit) in number.chars().enumerate() {
        if index > 0 && (number.len() - index).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    format!("{grouped}억원")
}

#[test]
fn the_report_shows_what_the_database_and_the_workbook_hold() {
    let report = report();
    let total = figures("SELECT quarter, SUM(exposure_amount) FROM corporate_exposures WHERE quarter = '2026Q3'")[0].1;
    let sectors = figures(
        "SELECT s.sector_name, SUM(e.exposure_amount) FROM corporate_exposures e \
         JOIN corporations c USING (customer_id) JOIN sectors s USING (sector_code) \
         WHERE e.quarter = '2026Q3' GROUP BY s.sector_name",
    );
    let groups = figures(
        "SELECT g.group_name, SUM(e.exposure_amount) AS balance FROM corporate_exposures e \
         JOIN corporations c USING (customer_id) JOIN borrower_groups g USING (group_id) \
         WHERE e.quarter = '2026Q3' GROUP BY g.group_name ORDER BY balance DESC LIMIT 10",
    );
    let equity = figures("SELECT quarter, equity_amount FROM bank_capital WHERE quarter = '2026Q3'")[0].1;
    for text in [&report.markdown, &report.html] {
        assert!(text.contains(&eok(total)), "the total {}", eok(total));
        for (name, balance) in sectors.iter().chain(&groups) {
            assert!(text.contains(name.as_str()), "{name}");
            assert!(text.contains(eok(*balance).trim_end_matches("억원")), "{name}: {}", eok(*balance));
        }
        assert!(text.contains(eok(equity).trim_end_matches("억원")));
    }

    // The breaches follow from the figures and from the limits: 25 % of equity, and the annex's per cent.
    let broken: Vec<&str> =
        groups.iter().filter(|(_, balance)| balance * 4 > equity).map(|(name, _)| name.as_str()).collect();
    assert_eq!(broken, ["미르담그룹"]);
    let limits = workbook_limits();
    let over: Vec<&str> = sectors
        .iter()
        .filter(|(name, balance)| (*balance as f64) / (total as f64) > limits[name.as_str()])
        .map(|(name, _)| name.as_str())
        .collect();
    assert_eq!(over, ["건설업"]);
    for name in broken.iter().chain(&over) {
        assert!(report.markdown.contains(name), "{name}");
    }
    assert!(report.markdown.contains("**2건**"), "two breaches are announced");

    // The workbook's own column of balances, read cell by cell, is the same money.
    let book: f64 = workbook_column("신용공여 잔액", "합계").iter().sum();
    assert!((book * 100_000_000.0 - total as f64).abs() < 1.0, "workbook {book} and database {total}");
}

/// Rows of the sheet 업종별 as calamine gives them.
fn workbook() -> Vec<Vec<calamine::Data>> {
    use calamine::Reader as _;
    let path = haechi_testkit::fixture("tables/여신현황-2026Q3.xlsx");
    let mut book: calamine::Xlsx<_> = calamine::open_workbook(path).unwrap();
    book.worksheet_range("업종별").unwrap().rows().map(<[calamine::Data]>::to_vec).collect()
}

/// Whether a row is one of an industry: a code, then its name.
fn is_sector(row: &[calamine::Data]) -> bool {
    let code = row.first().map(ToString::to_string).unwrap_or_default();
    code.len() == 1 && code.chars().all(|letter| letter.is_ascii_uppercase())
}

/// The numbers of the industries in the column whose heading is `lower` below the merged `upper`.
fn workbook_column(upper: &str, lower: &str) -> Vec<f64> {
    let rows = workbook();
    let heading = rows.iter().position(|row| row.iter().any(|cell| *cell == *upper)).unwrap();
    let from = rows[heading].iter().position(|cell| *cell == *upper).unwrap();
    let column = from + rows[heading + 1][from..].iter().position(|cell| *cell == *lower).unwrap();
    rows.iter()
        .filter(|row| is_sector(row))
        .map(|row| match &row[column] {
            calamine::Data::Float(number) => *number,
            calamine::Data::Int(number) => *number as f64,
            other => panic!("not a number: {other:?}"),
        })
        .collect()
}

fn workbook_limits() -> BTreeMap<String, f64> {
    let names = workbook().into_iter().filter(|row| is_sector(row)).map(|row| row[1].to_string());
    names.zip(workbook_column("편중 관리", "한도")).collect()
}

#[test]
fn every_link_of_the_page_resolves_and_nothing_is_fetched() {
    let html = report().html;
    let attribute = |name: &str| -> BTreeSet<String> {
        let mark = format!(" {name}=\"");
        html.split(&mark).skip(1).map(|rest| rest.split('"').next().unwrap().to_owned()).collect()
    };
    let ids = attribute("id");
    let links = attribute("href");
    assert!(links.iter().any(|link| link.starts_with("#source-")), "figures link to their sources: {links:?}");
    for link in &links {
        let target = link.strip_prefix('#').unwrap_or_else(|| panic!("{link} leads out of the page"));
        assert!(ids.contains(target), "{link} leads nowhere");
    }
    assert!(attribute("src").is_empty(), "{:?}", attribute("src"));
    for word in ["<script", "@import", "url(http", "<link"] {
        assert!(!html.contains(word), "the page holds {word}");
    }
    // One source of each kind: an article with its date, a workbook's range, a page of the PDF, a query.
    for part in ["여신업무규정 제27조", "여신현황-2026Q3.xlsx", "거시금융-2026Q3.pdf", "corporate_exposure"]
    {
        assert!(html.contains(part), "no source names {part}");
    }
    assert!(html.contains("prefers-color-scheme: dark") && html.contains("@media print"));
    assert!(html.contains("<svg") && html.contains("lang=\"ko\""));
}

#[test]
fn no_personal_data_is_in_the_report_or_in_the_record_of_the_run() {
    let report = report();
    let people = figures("SELECT name, 0 FROM customers WHERE customer_type = '개인'");
    let numbers = figures("SELECT rrn, 0 FROM customers WHERE rrn IS NOT NULL");
    assert!(people.len() > 100 && numbers.len() > 100);
    let mut texts = vec![report.html];
    let mut folders =
        vec![report.env.work().join("fixtures/.haechi/runs"), report.env.work().join("fixtures/.haechi/audit")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                texts.push(String::from_utf8_lossy(&std::fs::read(&path).unwrap()).into_owned());
            }
        }
    }
    assert!(texts.len() > 5, "the run and the audit were looked through");
    for text in &texts {
        for (number, _) in &numbers {
            assert!(!text.contains(number.as_str()), "a resident number came through");
        }
    }
}

#[test]
fn the_same_inputs_give_the_same_report() {
    let (first, second) = (report(), report());
    let body = |report: &Report| {
        let (body, _) = report.markdown.split_once("작성 경위").unwrap_or((&report.markdown, ""));
        body.lines().map(without_times).collect::<Vec<_>>()
    };
    assert_eq!(body(&first), body(&second));
    assert!(body(&first).len() > 50);
}

/// A line without the minute and the day on which something was asked.
fn without_times(line: &str) -> String {
    let mut kept = String::new();
    for part in line.split(" · ") {
        if !part.ends_with(" UTC") && !part.ends_with(" 조회") {
            kept.push_str(part);
        }
    }
    kept
}

#[test]
fn another_quarter_has_no_breach() {
    let (env, finished) = run_demo(&["-i", "quarter=2026Q2", "-i", "workbook=fixtures/tables/여신현황-2026Q2.xlsx"]);
    let _ = finished.expect_code(0);
    let text = std::fs::read_to_string(env.work().join("fixtures/out/2026Q2-기업여신-리스크.md")).unwrap();
    assert!(text.contains("한도를 초과한 사항이 없습니다"), "{text}");
}

/// A run that is held at a step of ours until the test lets it go on.
struct Held {
    env: TestEnv,
    child: Option<Child>,
}

impl Held {
    /// Starts a workflow that calls `server`, waits for the file `go`, then calls it again.
    fn start(server: &str, call: &str, with: &str) -> Self {
        let env = TestEnv::new();
        let fixtures = workspace_copy(&env);
        let settings = std::fs::read_to_string(fixtures.join("haechi.toml")).unwrap();
        let holder = env!("CARGO_BIN_EXE_haechi-fixture-server");
        std::fs::write(fixtures.join("haechi.toml"), format!("{settings}\n[servers.holder]\ncommand = \"{holder}\"\n"))
            .unwrap();
        let go = env.work().join("go");
        env.write(
            "fixtures/workflows/held.yaml",
            format!(
                "version: haechi/v1\nname: held\ntitle: 멈춤\nservers:\n  holder: {{}}\nsteps:\n\
                 - id: first\n  call: {server}.{call}\n  with: {with}\n\
                 - id: hold\n  needs: [first]\n  call: holder.wait_for_file\n  with: {{ path: \"{}\" }}\n\
                 - id: second\n  needs: [hold]\n  call: {server}.{call}\n  with: {with}\n\
                 outputs:\n- {{ from: second, to: out/held.json }}\n",
                go.display()
            ),
        );
        let mut command = env.command(binary("haechi"));
        command.args(["run", "fixtures/workflows/held.yaml"]);
        let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        Self { env, child: Some(child) }
    }

    fn journal(&self) -> Option<String> {
        let runs = std::fs::read_dir(self.env.work().join("fixtures/.haechi/runs")).ok()?;
        let run = runs.filter_map(Result::ok).map(|entry| entry.path()).find(|path| path.is_dir())?;
        std::fs::read_to_string(run.join("journal.jsonl")).ok()
    }

    /// Kills the server named `name` while it owes the run an answer.
    ///
    /// The server is stopped between the two calls, so that the second one reaches it and stays
    /// unanswered; only then is it killed.
    fn kill_server(&mut self, name: &str) {
        self.wait_for_journal("\"first\"", "\"ok\"");
        let id = child_id(name, self.child.as_ref().unwrap().id()).expect("the server is a child of the run");
        let signal = |signal: &str| {
            assert!(Command::new("kill").args([signal, &id.to_string()]).status().unwrap().success());
        };
        signal("-STOP");
        std::fs::write(self.env.work().join("go"), "").unwrap();
        self.wait_for_journal("\"second\"", "\"started\"");
        signal("-KILL");
    }

    /// Waits until a line of the journal holds both words.
    fn wait_for_journal(&mut self, step: &str, word: &str) {
        let until = std::time::Instant::now() + std::time::Duration::from_secs(60);
        let holds = |journal: String| journal.lines().any(|line| line.contains(step) && line.contains(word));
        while !self.journal().is_some_and(holds) {
            assert!(std::time::Instant::now() < until, "{step} {word} was never recorded: {:?}", self.journal());
            let ended = self.child.as_mut().unwrap().try_wait().unwrap();
            assert!(ended.is_none(), "the run ended before {step} {word}: {:?}", self.journal());
            std::thread::sleep(std::time::Duration::from_millis(2));
        }
    }

    fn finish(&mut self) -> Finished {
        let output = self.child.take().unwrap().wait_with_output().unwrap();
        Finished {
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
            code: output.status.code(),
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// The process below `parent` whose command is `name`.
fn child_id(name: &str, parent: u32) -> Option<u32> {
    std::fs::read_dir("/proc").unwrap().filter_map(Result::ok).find_map(|entry| {
        let id: u32 = entry.file_name().to_str()?.parse().ok()?;
        let command = std::fs::read_to_string(entry.path().join("cmdline")).ok()?;
        let status = std::fs::read_to_string(entry.path().join("status")).ok()?;
        let of_parent = status.lines().any(|line| line == format!("PPid:\t{parent}"));
        (of_parent && command.split('\0').next()?.ends_with(name)).then_some(id)
    })
}

#[test]
fn a_server_killed_in_mid_run_is_told_with_its_exit_code_and_its_record() {
    let cases = [
        ("regulations", "list_regulations", "{}"),
        ("retrieval", "list_collections", "{}"),
        ("tables", "list_files", "{}"),
        ("customers", "list_customer_tables", "{}"),
    ];
    for (server, call, with) in cases {
        let mut held = Held::start(server, call, with);
        held.kill_server(&format!("haechi-{server}"));
        let finished = held.finish();
        // The workflow asks for no retry, so the run ends as unreachable.
        assert_eq!(finished.code, Some(6), "{server}\n{finished}");
        assert!(finished.stderr.contains(server) && finished.stderr.contains("서버"), "{server}\n{finished}");
        let journal = held.journal().unwrap();
        for line in journal.lines() {
            serde_json::from_str::<Value>(line).unwrap_or_else(|_| panic!("half a line in the journal: {line}"));
        }
        assert!(journal.contains("\"second\""), "the journal says where it stopped: {journal}");
        assert!(!held.env.work().join("fixtures/out/held.json").exists());
        let left: Vec<_> =
            std::fs::read_dir(held.env.work().join("fixtures")).unwrap().map(|e| e.unwrap().file_name()).collect();
        assert!(!left.iter().any(|name| name.to_string_lossy().ends_with(".part")), "{left:?}");
    }
}
