//! What the guard costs: parse, check, rewrite and print of every legitimate query of the corpus.
//!
//! `cargo bench -p haechi-sql` prints percentiles over all queries; a single slow query shows in p99.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a bench prints what it measured and stops at the first surprise"
)]

use std::collections::BTreeMap;
use std::hint::black_box;
use std::path::PathBuf;
use std::time::Instant;

use haechi_sql::{Catalogue, Column, ColumnType, Dialect, Mask, Options, Rows, Table, check};

/// Rounds over all queries; enough for a steady p99.
const ROUNDS: usize = 200;

fn corpus() -> Option<PathBuf> {
    let folder = match std::env::var_os("HAECHI_CORPUS") {
        Some(folder) => PathBuf::from(folder),
        None => PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/corpus"),
    };
    folder.join("sql/legit-dev.jsonl").is_file().then(|| folder.join("sql"))
}

/// Tables and columns of the corpus schema, with masks of every cost.
fn catalogue(schema: &str, dialect: Dialect) -> Catalogue {
    let mut tables: Vec<Table> = Vec::new();
    for line in schema.lines() {
        let mut words = line.split_whitespace();
        match (words.next(), words.next(), words.next()) {
            (Some("CREATE"), Some("TABLE"), Some(name)) => {
                let rows = Rows::Where("branch_id IN (1, 2, 3)".to_owned());
                tables.push(Table {
                    name: name.to_owned(),
                    schema: Some("bank".to_owned()),
                    columns: Vec::new(),
                    rows,
                    person: None,
                });
            }
            (Some(column), Some(_), _)
                if line.starts_with("  ") && column.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_') =>
            {
                let mask = match column {
                    "name" | "mobile" => {
                        Some(Mask::Partial { keep_first: 1, keep_last: 0, keep_domain: false, fill: '*' })
                    }
                    "rrn" | "address" => Some(Mask::Redact { value: "*".to_owned() }),
                    "account_no" => Some(Mask::Token { prefix: "acct_".to_owned() }),
                    "memo" | "body" | "summary" | "title" => Some(Mask::Scan),
                    "annual_income" | "credit_score" => Some(Mask::Aggregate),
                    _ => None,
                };
                let column = Column { name: column.to_owned(), data_type: ColumnType::Text, mask, unique: false };
                if let Some(table) = tables.last_mut() {
                    table.person.get_or_insert_with(|| column.name.clone());
                    table.columns.push(column);
                }
            }
            _ => {}
        }
    }
    Catalogue::new(dialect, tables).with_schemas(["bank".to_owned()])
}

/// One string field of a flat JSON line; the bench stays free of a JSON crate.
fn field(line: &str, name: &str) -> String {
    let rest = line.split_once(&format!("\"{name}\": \"")).map(|(_, rest)| rest).unwrap_or_default();
    let mut text = String::new();
    let mut characters = rest.chars();
    while let Some(character) = characters.next() {
        match character {
            '"' => break,
            '\\' => text.push(match characters.next() {
                Some('n') => '\n',
                Some('t') => '\t',
                Some(other) => other,
                None => break,
            }),
            other => text.push(other),
        }
    }
    text
}

fn main() {
    let Some(folder) = corpus() else {
        eprintln!("skipped: no SQL corpus (set HAECHI_CORPUS)");
        return;
    };
    let dialects = [("sqlite", Dialect::Sqlite), ("postgres", Dialect::Postgres), ("mysql", Dialect::MySql)];
    let catalogues: BTreeMap<&str, Catalogue> = dialects
        .iter()
        .map(|(name, dialect)| {
            let schema = std::fs::read_to_string(folder.join(format!("schema-{name}.sql"))).unwrap();
            (*name, catalogue(&schema, *dialect))
        })
        .collect();
    let lines = std::fs::read_to_string(folder.join("legit-dev.jsonl")).unwrap();
    let queries: Vec<(String, String)> =
        lines.lines().map(|line| (field(line, "dialect"), field(line, "sql"))).collect();
    let options = Options { row_limit: Some(1_001), ..Options::default() };
    let mut nanoseconds: Vec<u128> = Vec::with_capacity(queries.len() * ROUNDS);
    let mut refused = 0;
    for round in 0..ROUNDS {
        for (dialect, sql) in &queries {
            let Some(catalogue) = catalogues.get(dialect.as_str()) else { continue };
            let started = Instant::now();
            let checked = black_box(check(black_box(sql), catalogue, &options));
            nanoseconds.push(started.elapsed().as_nanos());
            refused += usize::from(round == 0 && checked.is_err());
        }
    }
    nanoseconds.sort_unstable();
    let at =
        |share: usize| nanoseconds.get(nanoseconds.len() * share / 1_000).copied().unwrap_or_default() as f64 / 1_000.0;
    println!(
        "guard over {} queries x {ROUNDS}: p50 {:.1} us, p90 {:.1} us, p99 {:.1} us, p99.9 {:.1} us; refused {refused}",
        queries.len(),
        at(500),
        at(900),
        at(990),
        at(999)
    );
}
