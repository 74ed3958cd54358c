//! What an allowed statement becomes.

use haechi_sql::Dialect;

use crate::run;

#[track_caller]
fn check(sql: &str, expected: &str) {
    check_in(Dialect::Sqlite, sql, expected);
}

#[track_caller]
fn check_in(dialect: Dialect, sql: &str, expected: &str) {
    match run(dialect, sql) {
        Ok(checked) => assert_eq!(checked.sql, expected, "rewriting {sql:?}"),
        Err(refusal) => panic!("{sql:?} was refused: {refusal} {:?}", refusal.hint),
    }
}

const RRN: &str = "CASE WHEN \"rrn\" IS NULL THEN NULL ELSE '***' END AS \"rrn\"";
const PHONE: &str = "haechi_partial(\"phone\", 0, 4, 0, '*') AS \"phone\"";
const ROWS: &str = "FROM \"main\".\"customers\" WHERE (branch_id IN (1, 2))";

#[test]
fn a_base_table_becomes_a_fence_with_the_columns_that_are_used() {
    check("select rrn from customers", &format!("SELECT rrn FROM (SELECT {RRN} {ROWS}) AS customers"));
    check(
        "SELECT c.* FROM customers c",
        &format!("SELECT c.* FROM (SELECT \"customer_id\", \"grade\", {RRN}, {PHONE} {ROWS}) AS c"),
    );
    check(
        "SELECT count(*) FROM main.customers",
        &format!("SELECT count(*) FROM (SELECT 1 AS haechi_row {ROWS}) AS customers"),
    );
    check("SELECT loan_id FROM loans", "SELECT loan_id FROM \"main\".\"loans\" AS loans");
}

#[test]
fn what_can_fail_on_a_row_stays_outside_the_fence() {
    check(
        "SELECT customer_id FROM customers WHERE abs(grade) = 1 AND customer_id = 7",
        &format!(
            "SELECT customer_id FROM (SELECT \"customer_id\", \"grade\" {ROWS} AND \"customer_id\" = 7 LIMIT -1 OFFSET 0) \
             AS customers WHERE abs(grade) = 1 AND customer_id = 7"
        ),
    );
    // The select list is computed for rows that passed, so the fence may be open there.
    check(
        "SELECT abs(customer_id) FROM customers",
        &format!("SELECT abs(customer_id) FROM (SELECT \"customer_id\" {ROWS}) AS customers"),
    );
}

#[test]
fn a_with_name_can_never_be_read_as_a_table() {
    check(
        "WITH Customers AS (SELECT 1 AS a) SELECT a FROM customers",
        "WITH haechi_cte_0 AS (SELECT 1 AS a) SELECT a FROM haechi_cte_0 AS \"customers\"",
    );
    check(
        "WITH customers AS (SELECT grade FROM main.customers) SELECT count(*) FROM customers",
        &format!(
            "WITH haechi_cte_0 AS (SELECT grade FROM (SELECT \"grade\" {ROWS}) AS customers) SELECT count(*) FROM haechi_cte_0 AS \"customers\""
        ),
    );
}

#[test]
fn an_aggregate_column_answers_for_groups_only() {
    check(
        "SELECT grade, avg(score) AS score FROM customers c GROUP BY grade ORDER BY score",
        &format!(
            "SELECT grade, avg(\"haechi_score\") AS score FROM (SELECT \"grade\", \"score\" AS \"haechi_score\", \
             \"customer_id\" AS \"haechi_person\" {ROWS}) AS c GROUP BY grade HAVING count(DISTINCT c.\"haechi_person\") >= 5 ORDER BY score"
        ),
    );
}

#[test]
fn a_join_condition_enters_only_the_side_that_it_can_take_from() {
    let of = |join: &str| {
        let sql = format!(
            "SELECT CAST(l.amount AS int) FROM loans l {join} JOIN customers c ON c.customer_id = l.customer_id AND c.grade = 'A' \
             WHERE CAST(l.amount AS int) > 1"
        );
        run(Dialect::Postgres, &sql).unwrap().sql.contains("AND \"grade\" = 'A'")
    };
    assert_eq!(["", "LEFT", "RIGHT", "FULL"].map(of), [true, true, false, false]);
}

#[test]
fn a_unit_that_may_fail_stays_outside_the_fence() {
    for (unit, barred) in [("'year'", false), ("'bogus'", true), ("grade", true)] {
        let sql = format!("SELECT count(*) FROM customers WHERE date_part({unit}, grade) = 1");
        assert_eq!(run(Dialect::Postgres, &sql).unwrap().sql.contains("OFFSET 0"), barred, "{unit}");
    }
}

#[test]
fn literals_have_one_reading_in_every_dialect() {
    check("SELECT 'a''b', 'c\\' ", "SELECT 'a''b', 'c\\'");
    check_in(Dialect::Postgres, r"SELECT E'\'; DELETE FROM x; --'", "SELECT '''; DELETE FROM x; --'");
    check_in(Dialect::Postgres, r"SELECT 'a\b'", r"SELECT E'a\\b'");
    check_in(Dialect::MySql, r"SELECT '\'; DELETE FROM x; -- '", "SELECT '''; DELETE FROM x; -- '");
    check_in(Dialect::MySql, r#"SELECT "x\\'y""#, "SELECT _utf8mb4 X'785c2779'");
}

#[test]
fn parameters_are_bound_in_the_way_of_the_database() {
    check(
        "SELECT loan_id FROM loans WHERE amount > :n AND customer_id = :n",
        "SELECT loan_id FROM \"main\".\"loans\" AS loans WHERE amount > ?1 AND customer_id = ?1",
    );
    check_in(Dialect::Postgres, "SELECT :q, :n, :q", "SELECT $1::text, $2::text::bigint, $1::text");
    check_in(Dialect::MySql, "SELECT :q, :n, :q", "SELECT \u{2}, \u{2}, \u{2}");
    assert_eq!(run(Dialect::MySql, "SELECT :q, :n, :q").unwrap().parameters, ["q", "n", "q"]);
}

#[test]
fn the_outermost_query_gets_the_row_limit() {
    let options = haechi_sql::Options { row_limit: Some(11), ..haechi_sql::Options::default() };
    let catalogue = crate::bank(Dialect::Sqlite);
    for (sql, end, limited) in [
        ("SELECT 1", "SELECT 1 LIMIT 11", true),
        ("SELECT 1 LIMIT 5", "SELECT 1 LIMIT 5", false),
        ("SELECT 1 LIMIT 5000 OFFSET 3", "SELECT 1 LIMIT 11 OFFSET 3", true),
        ("SELECT 1 UNION SELECT 2", "SELECT 1 UNION SELECT 2 LIMIT 11", true),
    ] {
        let checked = haechi_sql::check(sql, &catalogue, &options).unwrap();
        assert_eq!((checked.sql.as_str(), checked.limited), (end, limited));
    }
}

#[test]
fn the_result_says_what_is_masked() {
    let checked =
        run(Dialect::Sqlite, "SELECT rrn, rrn || '' AS x, grade, count(rrn) FROM customers GROUP BY 1, 2, 3").unwrap();
    let masks: Vec<(Option<&str>, bool)> = checked
        .columns
        .iter()
        .map(|column| (column.direct.map(|kind| kind.as_str()), column.masks.is_empty()))
        .collect();
    assert_eq!(masks, [(Some("redact"), false), (None, false), (None, true), (None, true)]);
}
