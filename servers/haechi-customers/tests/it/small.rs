//! A bank of five lines: what the tools answer, exactly.

use std::collections::BTreeMap;

use haechi_contract::Problem;
use haechi_customers::{CancellationToken, Customers};
use serde_json::{Value, json};

use crate::bank;

const SCHEMA: &str = "CREATE TABLE people (
  id INTEGER NOT NULL, -- 번호
  branch INTEGER NOT NULL, -- 영업점
  name TEXT, -- 성명
  account TEXT, -- 계좌번호
  income NUMERIC, -- 소득
  memo TEXT, -- 메모
  PRIMARY KEY (id)
);
CREATE TABLE moves (id INTEGER PRIMARY KEY, account TEXT, amount NUMERIC, big INTEGER);
CREATE TABLE forgotten (id INTEGER PRIMARY KEY);
INSERT INTO people VALUES
  (1, 1, '김가온', '111-11', 10, '연락처 010-0000-1111'),
  (2, 1, '이나래', '222-22', 20, '특이 사항 없음'),
  (3, 1, '박다솜', '333-33', 30, NULL),
  (4, 1, '최라온', '444-44', 40, NULL),
  (5, 1, '정마루', '555-55', 50, NULL),
  (6, 2, '숨은이', '666-66', 60, '비밀');
INSERT INTO moves VALUES (1, '111-11', 0.1, 9007199254740993), (2, '111-11', 0.2, 1), (3, '666-66', 5, 2);";

const POLICY: &str = r#"
version = 1
default_role = "analyst"
[limits]
max_rows = 4
[roles.analyst]
free_sql = true
branches = [1]
[roles.teller]
free_sql = false
branches = [1]
[roles.auditor]
free_sql = true
branches = "all"
unmask = ["people.name"]
[mask.people]
name = { kind = "partial", keep_first = 1 }
account = { kind = "token", prefix = "acct_" }
income = "aggregate"
memo = "scan"
[mask.moves]
account = { kind = "token", prefix = "acct_" }
[rows]
people = "branch in :branches"
moves = "all"
"#;

fn customers(role: Option<&str>) -> (tempfile::TempDir, Customers) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("small.db");
    rusqlite::Connection::open(&path).unwrap().execute_batch(SCHEMA).unwrap();
    let customers = bank::open(folder.path(), "sqlite:small.db", POLICY, role);
    (folder, customers)
}

fn ask(
    customers: &Customers,
    sql: &str,
    parameters: Value,
) -> Result<haechi_contract::customers::QueryResult, Problem> {
    let parameters: BTreeMap<String, Value> = parameters.as_object().unwrap().clone().into_iter().collect();
    let desk = customers.desk(&[]).map_err(Problem::from)?;
    customers.query(&desk, sql, &parameters, None, &CancellationToken::new()).map_err(Problem::from)
}

#[track_caller]
fn check(sql: &str, expected: Value) {
    let (_folder, customers) = customers(None);
    match ask(&customers, sql, json!({})) {
        Ok(result) => assert_eq!(json!(result.rows), expected, "{sql}"),
        Err(problem) => panic!("{sql}: {} {:?}", problem.message, problem.hint),
    }
}

#[test]
fn masks_hold_through_expressions() {
    check("SELECT name, upper(name) FROM people WHERE id = 1", json!([["김**", "김**"]]));
    check("SELECT count(*) FROM people WHERE name = '김가온'", json!([[0]]));
    check("SELECT memo FROM people WHERE id <= 2", json!([["연락처 [전화번호]"], ["특이 사항 없음"]]));
    check("SELECT count(*) FROM people WHERE memo LIKE '%010%'", json!([[0]]));
    check("SELECT id FROM people WHERE memo LIKE '%특이%'", json!([[2]]));
}

#[test]
fn pseudonyms_join_and_group_and_hidden_rows_do_not_exist() {
    check(
        "SELECT p.id, sum(m.amount) > 0 FROM people p JOIN moves m ON m.account = p.account GROUP BY p.id",
        json!([[1, 1]]),
    );
    check("SELECT count(DISTINCT account) FROM moves", json!([[2]]));
    check("SELECT id FROM people WHERE branch = 2", json!([]));
    check("SELECT count(*) FROM people", json!([[5]]));
}

#[test]
fn aggregates_count_people_and_not_rows() {
    check("SELECT avg(income), count(*) FROM people", json!([[30.0, 5]]));
    let (_folder, customers) = customers(None);
    let joined = "SELECT avg(p.income) FROM people p JOIN moves m ON m.account = p.account";
    assert_eq!(ask(&customers, joined, json!({})).unwrap_err().code, haechi_contract::Code::Refused);
}

#[test]
fn results_say_what_was_cut_and_masked_and_where_they_come_from() {
    let (_folder, customers) = customers(None);
    let result = ask(&customers, "SELECT id, name FROM people ORDER BY id", json!({})).unwrap();
    assert_eq!((result.row_count, result.truncated), (4, true));
    assert_eq!(result.masked, ["name"]);
    assert_eq!(result.columns[1].masked.as_deref(), Some("partial"));
    assert_eq!(result.columns[0].data_type, "integer");
    assert!(result.uri.starts_with("query://sql/"), "{}", result.uri);
    assert!(result.citation.contains("people"), "{}", result.citation);
    let result = ask(&customers, "SELECT big FROM moves WHERE id = :id", json!({"id": 1})).unwrap();
    assert_eq!(json!(result.rows), json!([["9007199254740993"]]));
}

#[test]
fn roles_differ() {
    let (_folder, teller) = customers(Some("teller"));
    assert_eq!(ask(&teller, "SELECT 1", json!({})).unwrap_err().code, haechi_contract::Code::Denied);
    let (_folder, auditor) = customers(Some("auditor"));
    let result = ask(&auditor, "SELECT name FROM people WHERE id = 6", json!({})).unwrap();
    assert_eq!(json!(result.rows), json!([["숨은이"]]));
}

#[test]
fn what_the_policy_forgot_does_not_exist() {
    let (_folder, customers) = customers(None);
    let problem = ask(&customers, "SELECT * FROM forgotten", json!({})).unwrap_err();
    assert_eq!(problem.code, haechi_contract::Code::Refused);
    assert_eq!(customers.tables_without_rule(), ["forgotten"]);
    let desk = customers.desk(&[]).map_err(Problem::from).unwrap();
    assert!(customers.tables(&desk).tables.iter().all(|table| table.name != "forgotten"));
}

#[test]
fn a_hidden_row_is_not_heard_through_an_error() {
    // Row 6 belongs to another branch; on it alone the expression fails.
    check(
        "SELECT count(*) FROM people WHERE abs(CASE WHEN id = 6 THEN -9223372036854775808 ELSE 1 END) = 1",
        json!([[5]]),
    );
    check(
        "SELECT count(*) FROM people WHERE json_extract(CASE id WHEN 6 THEN 'x' ELSE '1' END, '$') = 1",
        json!([[5]]),
    );
}

#[test]
fn resident_numbers_in_forgotten_columns_are_masked() {
    check("SELECT '900101-1234567 확인', 9001011234567", json!([["[주민등록번호] 확인", 9_001_011_234_567_i64]]));
}

#[test]
fn callers_of_different_roles_never_see_each_others_rows() {
    let (_folder, customers) = customers(None);
    std::thread::scope(|scope| {
        for index in 0..64 {
            let customers = &customers;
            scope.spawn(move || {
                let (role, people) = if index % 2 == 0 { ("analyst", 5) } else { ("auditor", 6) };
                let desk = customers.desk(&[role.to_owned()]).map_err(Problem::from).unwrap();
                for _ in 0..20 {
                    let result = customers
                        .query(&desk, "SELECT count(*) FROM people", &BTreeMap::new(), None, &CancellationToken::new())
                        .map_err(Problem::from)
                        .unwrap();
                    assert_eq!(json!(result.rows), json!([[people]]), "{role}");
                }
            });
        }
    });
}

#[test]
fn a_cancelled_question_stops() {
    let (_folder, customers) = customers(None);
    let cancel = CancellationToken::new();
    cancel.cancel();
    let desk = customers.desk(&[]).map_err(Problem::from).unwrap();
    let endless = "WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r WHERE n > 0) SELECT count(*) FROM r";
    let error = customers.query(&desk, endless, &BTreeMap::new(), None, &cancel).unwrap_err();
    assert_eq!(Problem::from(error).code, haechi_contract::Code::Cancelled);
}

#[track_caller]
fn check_policy(from: &str, to: &str, place: &str, message: &str) {
    let folder = tempfile::tempdir().unwrap();
    rusqlite::Connection::open(folder.path().join("small.db")).unwrap().execute_batch(SCHEMA).unwrap();
    std::fs::write(folder.path().join("policy.toml"), POLICY.replace(from, to)).unwrap();
    let settings = haechi_customers::Settings {
        database: Some("sqlite:small.db".to_owned()),
        policy: Some("policy.toml".into()),
        ..haechi_customers::Settings::default()
    };
    let Err(error) = Customers::open(&settings, folder.path()) else { panic!("{to:?} was accepted") };
    let problem = Problem::from(error);
    assert!(problem.message.contains(&format!("policy.toml:{place}: {message}")), "{}", problem.message);
}

#[test]
fn mistakes_in_the_policy_have_a_place() {
    check_policy("memo = \"scan\"", "memo = \"scna\"", "20:8", "scna라는 가림은 없습니다.");
    check_policy("max_rows = 4", "max_row = 4", "5:1", "max_row라는 설정은 없습니다.");
    check_policy("memo = \"scan\"", "meno = \"scan\"", "20:1", "표 people에 열 meno이(가) 없습니다.");
    check_policy("branch in :branches", "branhc in :branches", "24:1", "표 people에 열 branhc이(가) 없습니다.");
    check_policy("branch in :branches", "branch in (", "24:10", "행 규칙: 조건을 읽을 수 없습니다");
    check_policy(
        "free_sql = true\nbranches = [1]",
        "free_sql = true\nmax_rows = 9\nbranches = [1]",
        "8:12",
        "역할은 max_rows을(를)",
    );
}
