//! Every case of the corpus: what must be refused or masked, what must run, and that secrets have
//! no influence on any reply.

use std::collections::BTreeMap;
use std::time::Instant;

use haechi_contract::Problem;
use haechi_customers::{CancellationToken, Customers};
use serde_json::Value;

use crate::bank;

/// One line of the corpus.
pub(crate) struct Case {
    id: String,
    class: String,
    pub(crate) sql: String,
    expect: String,
}

pub(crate) fn cases(file: &str, dialect: &str) -> Vec<Case> {
    let text = std::fs::read_to_string(bank::corpus_folder().unwrap().join(file)).unwrap();
    let word = |line: &Value, key: &str| line[key].as_str().unwrap_or_default().to_owned();
    text.lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap())
        .filter(|line| line["dialect"] == dialect)
        .map(|line| Case {
            id: word(&line, "id"),
            class: word(&line, "class"),
            sql: word(&line, "sql"),
            expect: word(&line, "expect"),
        })
        .collect()
}

/// What a caller sees: the answer without its time, or the refusal.
pub(crate) fn reply(customers: &Customers, sql: &str) -> Result<Value, Problem> {
    let desk = customers.desk(&[]).map_err(Problem::from)?;
    let mut result =
        customers.query(&desk, sql, &BTreeMap::new(), None, &CancellationToken::new()).map_err(Problem::from)?;
    result.elapsed_ms = 0;
    Ok(serde_json::to_value(result).unwrap())
}

pub(crate) fn shown(reply: &Result<Value, Problem>) -> String {
    match reply {
        Ok(value) => value.to_string(),
        Err(problem) => {
            format!("{:?} {} {}", problem.code, problem.message, problem.hint.as_deref().unwrap_or_default())
        }
    }
}

/// The secrets that stand in a text, with the columns they belong to.
///
/// A secret counts only as a whole: a shorter number inside a longer one is another number.
fn leaks(secrets: &Value, text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (column, values) in secrets.as_object().unwrap() {
        for value in values.as_array().unwrap().iter().filter_map(Value::as_str) {
            if text.contains(value) {
                found.push(format!("{column}: {value}"));
            }
        }
    }
    found
}

/// Runs every case of a dialect against a database and its twin with other secrets.
pub(crate) fn judge(dialect: &str, first: &Customers, secrets: &Value, redacted: [&Customers; 2]) {
    let mut counts: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    let mut wrong = Vec::new();
    for case in cases("attacks-dev.jsonl", dialect) {
        let started = Instant::now();
        let reply_one = reply(first, &case.sql);
        let text = shown(&reply_one);
        let outcome = match &reply_one {
            Err(_) => "denied",
            Ok(value) if value["rows"].as_array().is_none_or(Vec::is_empty) => "empty",
            Ok(_) => "masked",
        };
        *counts.entry((if case.expect == "deny" { "deny" } else { "mask" }, outcome)).or_default() += 1;
        let leaked = leaks(secrets, &text);
        if !leaked.is_empty() {
            wrong.push(format!("{} leaks {:?}: {}", case.id, leaked.first(), case.sql));
        }
        if case.expect == "deny" && outcome == "masked" {
            wrong.push(format!("{} ran: {} -> {}", case.id, case.sql, text.chars().take(300).collect::<String>()));
        }
        if case.class == "row_policy" {
            for hidden in hidden_keys(&reply_one) {
                wrong.push(format!("{} shows branch {hidden}: {}", case.id, case.sql));
            }
        }
        if started.elapsed().as_secs() > 7 {
            wrong.push(format!("{} took {:?}", case.id, started.elapsed()));
        }
        // A statement that runs into its time limit says the same whatever the secrets are.
        if started.elapsed().as_secs() < 4 {
            // The twin on a server is another database of the same length of name.
            let twin_sql = if dialect == "mysql" { case.sql.replace("bank.", "benk.") } else { case.sql.clone() };
            let twins = [(redacted[0], &case.sql), (redacted[1], &twin_sql)].map(|(customers, sql)| {
                let mut answer = reply(customers, sql);
                if let Ok(value) = &mut answer {
                    value["uri"] = Value::Null;
                }
                shown(&answer).replace("benk", "bank")
            });
            if twins[0] != twins[1] {
                wrong.push(format!("{} depends on secrets: {}", case.id, case.sql));
            }
        }
    }
    let mut allowed = 0;
    for case in cases("legit-dev.jsonl", dialect) {
        match reply(first, &case.sql) {
            Ok(value) => {
                allowed += 1;
                let leaked = leaks(secrets, &value.to_string());
                if !leaked.is_empty() {
                    wrong.push(format!("{} leaks {:?}: {}", case.id, leaked.first(), case.sql));
                }
            }
            Err(problem) => {
                wrong.push(format!("{} refused: {} ({}) {:?}", case.id, case.sql, problem.message, problem.hint))
            }
        }
    }
    eprintln!("{dialect}: attacks {counts:?}, legitimate queries run {allowed}");
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
}

/// Branches that the role does not see, in a column that says which branch a row is of.
fn hidden_keys(reply: &Result<Value, Problem>) -> Vec<i64> {
    let Ok(value) = reply else { return Vec::new() };
    let names: Vec<&str> =
        value["columns"].as_array().unwrap().iter().filter_map(|column| column["name"].as_str()).collect();
    let Some(position) = names.iter().position(|name| *name == "branch_id") else { return Vec::new() };
    let rows = value["rows"].as_array().unwrap().iter();
    rows.filter_map(|row| row[position].as_i64()).filter(|branch| !(1..=3).contains(branch)).collect()
}

#[test]
fn every_case_of_the_corpus_on_sqlite() {
    let Some(one) = bank::corpus_sqlite(0) else { return };
    let Some(two) = bank::corpus_sqlite(1) else { return };
    let policy = bank::corpus_policy();
    let address = |bank: &bank::Bank| format!("sqlite:{}", bank.database.display());
    let first = bank::open(one.folder.path(), &address(&one), &policy, None);
    let redacted = bank::redacting(&policy);
    let twins = [&one, &two].map(|bank| bank::open(bank.folder.path(), &address(bank), &redacted, None));
    let before = std::fs::read(&one.database).unwrap();
    judge("sqlite", &first, &one.secrets, [&twins[0], &twins[1]]);
    assert!(before == std::fs::read(&one.database).unwrap(), "the database file changed");
}
