//! The corpus and the promises about time, restarts and accounts, on real servers.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use haechi_contract::{Code, Problem};
use haechi_customers::{CancellationToken, Customers, Settings};
use serde_json::json;

use crate::servers::{MariaServer, PostgresServer};
use crate::{bank, corpus};

/// What must stay the same whatever a statement tries.
const FINGERPRINT: &str = "SELECT (SELECT count(*) FROM customers) + (SELECT count(*) FROM consents) * 7 + (SELECT count(*) FROM prices) * 31 \
                           + (SELECT sum(balance) FROM accounts)";

fn postgres_bank(server: &PostgresServer, database: &str, secret_seed: u32) -> Option<serde_json::Value> {
    let folder = tempfile::tempdir().unwrap();
    let sql = bank::corpus_folder()?;
    let (seed, secrets) = bank::generate(&sql, "postgres", secret_seed, folder.path())?;
    server.sql("postgres", &format!("CREATE DATABASE {database};"));
    server.sql(database, &std::fs::read_to_string(sql.join("schema-postgres.sql")).unwrap());
    server.sql(database, &seed);
    server.sql(
        database,
        "REVOKE CREATE ON SCHEMA public FROM PUBLIC; GRANT SELECT ON ALL TABLES IN SCHEMA public TO reader; ANALYZE;",
    );
    Some(secrets)
}

#[test]
fn every_case_of_the_corpus_on_postgres() {
    let Some(server) = PostgresServer::start() else { return };
    server.sql("postgres", "CREATE ROLE reader LOGIN NOSUPERUSER;");
    let Some(secrets) = postgres_bank(&server, "bank", 0) else { return };
    if postgres_bank(&server, "benk", 1).is_none() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let policy = bank::corpus_policy();
    let first = bank::open(folder.path(), &server.url("reader", "bank"), &policy, None);
    let redacted = bank::redacting(&policy);
    let twins = ["bank", "benk"].map(|name| bank::open(folder.path(), &server.url("reader", name), &redacted, None));
    let before = server.value("bank", FINGERPRINT);
    corpus::judge("postgres", &first, &secrets, [&twins[0], &twins[1]]);
    assert_eq!(before, server.value("bank", FINGERPRINT));
    assert_eq!(server.value("bank", "SELECT count(*) FROM pg_class WHERE relname LIKE 'stolen%'"), "0");
}

fn maria_bank(server: &MariaServer, database: &str, secret_seed: u32) -> Option<serde_json::Value> {
    let folder = tempfile::tempdir().unwrap();
    let sql = bank::corpus_folder()?;
    let (seed, secrets) = bank::generate(&sql, "mysql", secret_seed, folder.path())?;
    server.sql(
        "mysql",
        &format!(
            "CREATE DATABASE {database} CHARACTER SET utf8mb4; GRANT SELECT ON {database}.* TO 'reader'@'127.0.0.1';"
        ),
    );
    server.sql(database, &std::fs::read_to_string(sql.join("schema-mysql.sql")).unwrap());
    server.sql(database, &seed);
    Some(secrets)
}

#[test]
fn every_case_of_the_corpus_on_mariadb() {
    let Some(server) = MariaServer::start() else { return };
    server.sql("mysql", "CREATE USER 'reader'@'127.0.0.1';");
    let Some(secrets) = maria_bank(&server, "bank", 0) else { return };
    if maria_bank(&server, "benk", 1).is_none() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let policy = bank::corpus_policy();
    let first = bank::open(folder.path(), &server.url("reader", "bank"), &policy, None);
    let redacted = bank::redacting(&policy);
    let twins = ["bank", "benk"].map(|name| bank::open(folder.path(), &server.url("reader", name), &redacted, None));
    let before = server.value("bank", FINGERPRINT);
    corpus::judge("mysql", &first, &secrets, [&twins[0], &twins[1]]);
    assert_eq!(before, server.value("bank", FINGERPRINT));
}

const POLICY: &str = "version = 1\ndefault_role = \"r\"\n[limits]\nstatement_ms = 1000\n[roles.r]\nfree_sql = true\n\
                      [mask.people]\nno = { kind = \"token\", prefix = \"t_\" }\nmemo = \"scan\"\nphone = { kind = \"partial\", keep_last = 4 }\n\
                      [rows]\npeople = \"all\"\n";

fn ask(
    customers: &Customers,
    sql: &str,
    parameters: &serde_json::Value,
) -> Result<Vec<Vec<serde_json::Value>>, Problem> {
    let parameters: BTreeMap<String, serde_json::Value> = parameters.as_object().unwrap().clone().into_iter().collect();
    let desk = customers.desk(&[]).map_err(Problem::from)?;
    let result = customers.query(&desk, sql, &parameters, None, &CancellationToken::new()).map_err(Problem::from)?;
    Ok(result.rows)
}

/// A statement that would run for minutes, refused by nothing but the clock.
const ENDLESS: &str = "SELECT count(*) FROM people a CROSS JOIN people b CROSS JOIN people c CROSS JOIN people d WHERE a.id + b.id + c.id <> d.id";

fn check_engine(customers: &Customers, waiting: &dyn Fn() -> String) {
    let row = ask(
        customers,
        "SELECT id, no, memo, phone, amount FROM people WHERE id = :id AND memo <> :memo",
        &json!({"id": 1, "memo": "a'b\\"}),
    )
    .unwrap();
    let token = row[0][1].as_str().unwrap().to_owned();
    assert_eq!(
        row,
        [[
            json!(1),
            json!(token),
            json!("연락처 [전화번호]"),
            json!("***-****-2222"),
            json!("12345678901234567890.12")
        ]]
    );
    assert_eq!(ask(customers, "SELECT id FROM people WHERE no = :no", &json!({ "no": token })).unwrap(), [[json!(1)]]);
    assert_eq!(ask(customers, "SELECT id FROM people WHERE id = :id", &json!({"id": -1})).unwrap().len(), 0);

    let started = Instant::now();
    assert_eq!(ask(customers, ENDLESS, &json!({})).unwrap_err().code, Code::Timeout);
    assert!(started.elapsed() < Duration::from_secs(3), "{:?}", started.elapsed());

    let desk = customers.desk(&[]).map_err(Problem::from).unwrap();
    let cancel = CancellationToken::new();
    std::thread::scope(|scope| {
        let asked = scope.spawn(|| customers.query(&desk, ENDLESS, &BTreeMap::new(), None, &cancel));
        // Cancelled once the server says that it runs the statement, and gone from the server after.
        while waiting() != "1" {
            assert!(!asked.is_finished(), "the statement ended by itself");
        }
        let cancelled = Instant::now();
        cancel.cancel();
        let error = asked.join().unwrap().unwrap_err();
        assert!(cancelled.elapsed() < Duration::from_secs(1), "{:?}", cancelled.elapsed());
        assert_eq!(Problem::from(error).code, Code::Cancelled);
    });
    // The server gives up between two rows of its work; asking it takes longer than that.
    let until = Instant::now() + Duration::from_secs(1);
    while waiting() != "0" {
        assert!(Instant::now() < until, "the server still runs the statement");
    }
    assert_eq!(ask(customers, "SELECT count(*) FROM people", &json!({})).unwrap(), [[json!(1000)]]);
}

#[test]
fn postgres_stops_restarts_and_refuses_writers() {
    let Some(server) = PostgresServer::start() else { return };
    server.sql(
        "postgres",
        "CREATE ROLE reader LOGIN; REVOKE CREATE ON SCHEMA public FROM PUBLIC;
         CREATE TABLE people (id int PRIMARY KEY, no text, memo text, phone text, amount numeric, birth date, tags text[], at timestamptz);
         COMMENT ON COLUMN people.no IS '계좌번호';
         INSERT INTO people SELECT n, 'no' || n, '연락처 010-1111-2222', '010-1111-2222', 12345678901234567890.12, '2000-01-01', ARRAY['a','b'], now() FROM generate_series(1, 1000) n;
         GRANT SELECT ON people TO reader;",
    );
    let folder = tempfile::tempdir().unwrap();
    let customers = bank::open(folder.path(), &server.url("reader", "postgres"), POLICY, None);
    check_engine(&customers, &|| {
        server.value("postgres", "SELECT count(*) FROM pg_stat_activity WHERE usename = 'reader' AND state = 'active' AND query LIKE '%FETCH FORWARD%'")
    });
    let desk = customers.desk(&[]).map_err(Problem::from).unwrap();
    let description = customers.describe(&desk, "people").map_err(Problem::from).unwrap();
    assert_eq!(description.columns[1].comment.as_deref(), Some("계좌번호"));
    let problem = ask(&customers, "SELECT CAST(memo AS int) FROM people", &json!({})).unwrap_err();
    assert!(!format!("{problem:?}").contains("010"), "{problem:?}");

    hidden_rows_stay_unheard(&server);

    server.restart();
    assert_eq!(ask(&customers, "SELECT count(*) FROM people", &json!({})).unwrap(), [[json!(1000)]]);

    let settings = |allow_writable| Settings {
        database: Some(server.url("admin", "postgres")),
        policy: Some(folder.path().join("policy-default.toml")),
        allow_writable,
        ..Settings::default()
    };
    let Err(error) = Customers::open(&settings(false), folder.path()) else { panic!("a superuser was accepted") };
    assert_eq!(Problem::from(error).code, Code::InvalidSettings);
    assert!(Customers::open(&settings(true), folder.path()).is_ok());
}

/// Rows are visible through a parent table, so the policy is a join that a planner may put last.
fn hidden_rows_stay_unheard(server: &PostgresServer) {
    server.sql(
        "postgres",
        "CREATE TABLE owners (id int PRIMARY KEY, branch int); CREATE TABLE notes (id int PRIMARY KEY, owner int, text text);
         INSERT INTO owners VALUES (1, 1), (2, 2); INSERT INTO notes VALUES (1, 1, '10'), (2, 2, 'secret');
         GRANT SELECT ON owners, notes TO reader; ANALYZE owners; ANALYZE notes;",
    );
    let policy = "version = 1\ndefault_role = \"r\"\n[roles.r]\nfree_sql = true\nbranch = 1\n[rows]\nowners = \"branch = :branch\"\n\
                  notes = { via = \"owners.id\", column = \"owner\" }\n";
    let folder = tempfile::tempdir().unwrap();
    let customers = bank::open(folder.path(), &server.url("reader", "postgres"), policy, None);
    for sql in [
        "SELECT count(*) FROM notes WHERE CAST(text AS int) = 10",
        "SELECT count(*) FROM notes WHERE 1 / (id - 2) < 0",
        "SELECT count(*) FROM notes n JOIN owners o ON CAST(n.text AS int) = o.id * 10",
        "SELECT count(*) FROM (SELECT CAST(text AS int) AS number FROM notes) s WHERE number = 10",
        "SELECT text, count(*) FROM notes GROUP BY text HAVING CAST(text AS int) = 10",
    ] {
        let rows = ask(&customers, sql, &json!({})).unwrap();
        assert_eq!(rows[0].last(), Some(&json!(1)), "{sql}");
    }
}

#[test]
fn mariadb_stops_and_refuses_writers() {
    let Some(server) = MariaServer::start() else { return };
    server.sql(
        "mysql",
        "CREATE DATABASE small CHARACTER SET utf8mb4; USE small;
         CREATE TABLE people (id int PRIMARY KEY, no varchar(20) COMMENT '계좌번호', memo text, phone varchar(20), amount decimal(30,2));
         INSERT INTO people SELECT seq, concat('no', seq), '연락처 010-1111-2222', '010-1111-2222', 12345678901234567890.12 FROM seq_1_to_1000;
         CREATE USER 'reader'@'127.0.0.1'; GRANT SELECT ON small.* TO 'reader'@'127.0.0.1';
         CREATE USER 'writer'@'127.0.0.1'; GRANT SELECT, INSERT ON small.* TO 'writer'@'127.0.0.1';",
    );
    let folder = tempfile::tempdir().unwrap();
    let customers = bank::open(folder.path(), &server.url("reader", "small"), POLICY, None);
    check_engine(&customers, &|| {
        server.value(
            "mysql",
            "SELECT count(*) FROM information_schema.processlist WHERE user = 'reader' AND info LIKE '%CROSS JOIN%'",
        )
    });
    let settings = Settings {
        database: Some(server.url("writer", "small")),
        policy: Some(folder.path().join("policy-default.toml")),
        ..Settings::default()
    };
    let Err(error) = Customers::open(&settings, folder.path()) else { panic!("a writer was accepted") };
    let problem = Problem::from(error);
    assert!(problem.message.contains("INSERT"), "{}", problem.message);
}
