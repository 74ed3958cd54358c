//! Thousands of statements that nobody wrote: the same on two databases that differ in secrets, and
//! the same with and without the guard where nothing is protected.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use haechi_contract::Problem;
use haechi_customers::{CancellationToken, Customers};
use serde_json::{Value, json};

use crate::{bank, corpus};

/// Protected columns of the corpus policy, by table and key.
const COLUMNS: &[(&str, &str, &[&str])] = &[
    (
        "customers",
        "customer_id",
        &["name", "name_en", "rrn", "frn", "birth_date", "mobile", "email", "address", "profile", "memo"],
    ),
    ("accounts", "account_id", &["account_no"]),
    ("cards", "card_id", &["card_no"]),
    ("transactions", "txn_id", &["counterparty_name", "counterparty_account", "memo"]),
    ("loans", "loan_id", &["collateral"]),
    ("complaints", "complaint_id", &["title", "body"]),
    ("contact_logs", "contact_id", &["summary"]),
];

/// What is made of a column: `{c}`.
const EXPRESSIONS: &[&str] = &[
    "{c}",
    "{c} || ''",
    "upper({c})",
    "lower({c})",
    "length({c})",
    "substr({c}, 1, 3)",
    "substr({c}, -4)",
    "replace({c}, '0', '')",
    "instr({c}, '1')",
    "hex({c})",
    "quote({c})",
    "unicode({c})",
    "coalesce(NULL, {c})",
    "nullif({c}, 'x')",
    "trim({c}, '0123456789')",
    "CAST({c} AS INTEGER)",
    "CAST({c} AS REAL)",
    "CAST({c} AS BLOB)",
    "{c} < '5'",
    "{c} BETWEEN '1' AND '8'",
    "{c} LIKE '%8%'",
    "{c} GLOB '*[5-9]'",
    "{c} IN ('가', '010')",
    "CASE WHEN {c} > '6' THEN 1 ELSE 0 END",
    "json_array({c})",
    "json_quote({c})",
    "typeof({c})",
    "round({c})",
    "strftime('%m', {c})",
    "{c} = (SELECT min({c}) FROM {t})",
    "iif({c} > 'm', 'a', 'b')",
    "printf('%s', {c})",
    "{c} IS NULL",
];

/// Statements around an expression `{e}` over the table `{t}` with the key `{k}`.
const STATEMENTS: &[&str] = &[
    "SELECT {k}, {e} FROM {t} ORDER BY {k}",
    "SELECT {k} FROM {t} WHERE {e} ORDER BY {k}",
    "SELECT {k} FROM {t} ORDER BY {e}, {k} LIMIT 7",
    "SELECT {e}, count(*) FROM {t} GROUP BY 1 ORDER BY 1, 2",
    "SELECT min({e}), max({e}), count(DISTINCT {e}) FROM {t}",
    "SELECT x FROM (SELECT {e} AS x, {k} FROM {t}) ORDER BY x LIMIT 5",
    "WITH s(x, k) AS (SELECT {e}, {k} FROM {t}) SELECT a.k, b.k FROM s a JOIN s b ON a.x = b.x AND a.k < b.k ORDER BY 1, 2 LIMIT 9",
    "SELECT {k}, rank() OVER (ORDER BY {e}) FROM {t} ORDER BY {k} LIMIT 20",
    "SELECT {k} FROM {t} GROUP BY {k} HAVING max({e}) ORDER BY {k}",
    "SELECT {k} FROM {t} WHERE EXISTS (SELECT 1 FROM {t} o WHERE o.{k} = {t}.{k} AND {e}) ORDER BY {k} LIMIT 9",
    "SELECT {e} FROM {t} UNION SELECT 'z' ORDER BY 1 LIMIT 9",
    "SELECT group_concat({e}, '|') FROM (SELECT * FROM {t} ORDER BY {k}) AS {t}",
];

#[test]
fn secrets_have_no_influence_on_generated_statements() {
    let Some(one) = bank::corpus_sqlite(0) else { return };
    let Some(two) = bank::corpus_sqlite(1) else { return };
    let policy = bank::redacting(&bank::corpus_policy());
    let twins = [&one, &two]
        .map(|bank| bank::open(bank.folder.path(), &format!("sqlite:{}", bank.database.display()), &policy, None));
    // All of them take minutes; every commit takes each thirteenth, a number that divides neither the
    // count of expressions nor that of statements, so that all of both are met.
    let stride = if std::env::var_os("HAECHI_GENERATED_ALL").is_some() { 1 } else { 13 };
    let (mut asked, mut answered, mut number) = (0, 0, 0_usize);
    let mut wrong = String::new();
    for (table, key, columns) in COLUMNS {
        for column in *columns {
            for expression in EXPRESSIONS {
                let expression = expression.replace("{c}", column).replace("{t}", table);
                for statement in STATEMENTS {
                    let sql = statement.replace("{e}", &expression).replace("{t}", table).replace("{k}", key);
                    number += 1;
                    if number % stride != 0 {
                        continue;
                    }
                    let replies = [corpus::reply(&twins[0], &sql), corpus::reply(&twins[1], &sql)];
                    asked += 1;
                    answered += usize::from(replies[0].is_ok());
                    if corpus::shown(&replies[0]) != corpus::shown(&replies[1]) {
                        let _ = writeln!(wrong, "{sql}");
                    }
                }
            }
        }
    }
    eprintln!("generated: {asked} statements, {answered} answered, none depends on secrets: {}", wrong.is_empty());
    assert!(wrong.is_empty(), "depends on secrets:\n{wrong}");
    assert!(asked / 2 < answered, "most statements are meant to run");
}

#[test]
fn without_a_policy_the_guard_changes_no_answer() {
    let Some(one) = bank::corpus_sqlite(0) else { return };
    let mut policy = String::from(
        "version = 1\ndefault_role = \"r\"\n[limits]\nmax_rows = 100000\nmax_result_bytes = 100000000\n[roles.r]\nfree_sql = true\n[rows]\n",
    );
    let connection = rusqlite::Connection::open(&one.database).unwrap();
    let mut tables = connection.prepare("SELECT name FROM sqlite_schema WHERE type = 'table'").unwrap();
    for table in tables.query_map([], |row| row.get::<_, String>(0)).unwrap() {
        let _ = writeln!(policy, "{} = \"all\"", table.unwrap());
    }
    let customers = bank::open(one.folder.path(), &format!("sqlite:{}", one.database.display()), &policy, None);
    let mut compared = 0;
    for case in corpus::cases("legit-dev.jsonl", "sqlite") {
        let guarded = rows(&customers, &case.sql);
        let mut statement = connection.prepare(&case.sql).unwrap();
        let width = statement.column_count();
        let bare: Vec<Vec<Value>> = statement
            .query_map([], |row| Ok((0..width).map(|index| plain(row.get_ref(index).unwrap())).collect()))
            .unwrap()
            .map(Result::unwrap)
            .collect();
        // Rows without an order of their own may come in another one.
        let sorted = |rows: &[Vec<Value>]| {
            let mut rows: Vec<String> = rows.iter().map(|row| json!(row).to_string()).collect();
            rows.sort();
            rows
        };
        if case.sql.contains("LIMIT") && !case.sql.to_lowercase().contains("order by") {
            assert_eq!(guarded.len(), bare.len(), "{}", case.sql);
        } else {
            assert_eq!(sorted(&guarded), sorted(&bare), "{}", case.sql);
        }
        compared += 1;
    }
    eprintln!("differential: {compared} queries answer the same with and without the guard");
    assert!(0 < compared);
}

fn rows(customers: &Customers, sql: &str) -> Vec<Vec<Value>> {
    let desk = customers.desk(&[]).map_err(Problem::from).unwrap();
    customers.query(&desk, sql, &BTreeMap::new(), None, &CancellationToken::new()).map_err(Problem::from).unwrap().rows
}

fn plain(cell: rusqlite::types::ValueRef<'_>) -> Value {
    match cell {
        rusqlite::types::ValueRef::Null => Value::Null,
        rusqlite::types::ValueRef::Integer(number) => json!(number),
        rusqlite::types::ValueRef::Real(number) => json!(number),
        rusqlite::types::ValueRef::Text(bytes) => json!(String::from_utf8_lossy(bytes).replace('\u{202e}', "")),
        rusqlite::types::ValueRef::Blob(bytes) => json!(bytes),
    }
}
