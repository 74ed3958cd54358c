//! Databases for the tests: the corpus bank by its generator, and a small one of our own.

use std::path::{Path, PathBuf};
use std::process::Command;

use haechi_customers::{Customers, Settings};
use serde_json::Value;

/// A bank of the corpus in a folder of its own.
pub(crate) struct Bank {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) database: PathBuf,
    /// Raw protected values, by column.
    pub(crate) secrets: Value,
}

/// People in a corpus bank.
const PEOPLE: &str = "200";

/// Builds the corpus bank in SQLite; `None` where the corpus or Python is absent.
pub(crate) fn corpus_sqlite(secret_seed: u32) -> Option<Bank> {
    let sql = corpus_folder()?;
    let folder = tempfile::tempdir().unwrap();
    let (seed, secrets) = generate(&sql, "sqlite", secret_seed, folder.path())?;
    let database = folder.path().join("bank.db");
    let connection = rusqlite::Connection::open(&database).unwrap();
    connection.execute_batch(&std::fs::read_to_string(sql.join("schema-sqlite.sql")).unwrap()).unwrap();
    connection.execute_batch(&seed).unwrap();
    Some(Bank { folder, database, secrets })
}

pub(crate) fn corpus_folder() -> Option<PathBuf> {
    let folder = haechi_testkit::corpus()?.join("sql");
    let python = Command::new("python3").arg("--version").output();
    if !folder.join("generate.py").is_file() || python.is_err() {
        eprintln!("skipped: the SQL corpus or python3 is absent");
        return None;
    }
    Some(folder)
}

/// The seed script and the secrets of the corpus generator.
pub(crate) fn generate(sql: &Path, dialect: &str, secret_seed: u32, folder: &Path) -> Option<(String, Value)> {
    let (seed, secrets) = (folder.join(format!("seed-{dialect}.sql")), folder.join("secrets.json"));
    let done = Command::new("python3")
        .arg(sql.join("generate.py"))
        .args(["--n", PEOPLE, "--dialect", dialect, "--secret-seed", &secret_seed.to_string()])
        .arg("--out")
        .arg(&seed)
        .output()
        .ok()?;
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let done = Command::new("python3")
        .arg(sql.join("generate.py"))
        .args(["--n", PEOPLE, "--secret-seed", &secret_seed.to_string()])
        .arg("--secrets")
        .arg(&secrets)
        .output()
        .ok()?;
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let secrets = serde_json::from_str(&std::fs::read_to_string(secrets).unwrap()).unwrap();
    Some((std::fs::read_to_string(seed).unwrap(), secrets))
}

/// The policy of the corpus.
pub(crate) fn corpus_policy() -> String {
    std::fs::read_to_string(corpus_folder().unwrap().join("policy.toml")).unwrap()
}

/// The same policy with every mask a constant, as the non-interference test needs it.
pub(crate) fn redacting(policy: &str) -> String {
    let mut inside = false;
    policy
        .lines()
        .map(|line| {
            let line = line.trim_end();
            if line.starts_with('[') {
                inside = line.starts_with("[mask.");
            }
            match line.split_once('=') {
                Some((column, mask))
                    if inside && !mask.contains("deny") && !mask.contains("aggregate") && !line.starts_with('#') =>
                {
                    format!("{column}= \"redact\"\n")
                }
                _ => format!("{line}\n"),
            }
        })
        .collect()
}

/// Opens a database with a policy text, beside it in the same folder.
pub(crate) fn open(folder: &Path, database: &str, policy: &str, role: Option<&str>) -> Customers {
    let name = format!("policy-{}.toml", role.unwrap_or("default"));
    std::fs::write(folder.join(&name), policy).unwrap();
    let settings = Settings {
        database: Some(database.to_owned()),
        policy: Some(name.into()),
        role: role.map(str::to_owned),
        key: Some("a key for tests only".to_owned()),
        ..Settings::default()
    };
    Customers::open(&settings, folder).map_err(haechi_contract::Problem::from).unwrap()
}
