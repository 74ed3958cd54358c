//! What is refused, and that nothing panics.

use haechi_sql::{Dialect, Reason};
use proptest::prelude::*;

use crate::run;

#[track_caller]
fn check(dialect: Dialect, sql: &str, expected: Reason) {
    match run(dialect, sql) {
        Ok(checked) => panic!("{sql:?} was allowed as {:?}", checked.sql),
        Err(refusal) => assert_eq!(refusal.reason, expected, "{sql:?}: {refusal}"),
    }
}

#[test]
fn only_one_query_runs() {
    check(Dialect::Sqlite, "SELECT 1; DELETE FROM loans", Reason::NotOne);
    check(Dialect::Sqlite, "", Reason::NotOne);
    check(Dialect::Sqlite, "DELETE FROM loans", Reason::Statement);
    check(Dialect::Postgres, "WITH d AS (DELETE FROM loans RETURNING *) SELECT * FROM d", Reason::Statement);
    check(Dialect::Postgres, "EXPLAIN ANALYZE SELECT 1", Reason::Statement);
    check(Dialect::Postgres, "SELECT * INTO x FROM loans", Reason::Clause);
    check(Dialect::Postgres, "SELECT * FROM loans FOR UPDATE", Reason::Clause);
}

#[test]
fn what_nobody_can_see_is_refused() {
    check(Dialect::Sqlite, "SELECT\u{a0}1", Reason::Characters);
    check(Dialect::Sqlite, "SELECT 1 \0", Reason::Characters);
    check(Dialect::Sqlite, "\u{feff}SELECT 1", Reason::Characters);
    check(Dialect::Sqlite, "SELECT 1 -- \u{202e}", Reason::Characters);
    check(Dialect::Postgres, "SELECT 1 --\r; DELETE FROM loans", Reason::Characters);
    check(Dialect::MySql, "SELECT 1 /*!50000 + 1 */", Reason::Characters);
    check(Dialect::Postgres, "SELECT U&'\\0072'", Reason::Characters);
    check(Dialect::Sqlite, "SELECT haechi_row FROM loans", Reason::Characters);
}

#[test]
fn what_the_asker_may_not_see_does_not_exist() {
    check(Dialect::Sqlite, "SELECT pin FROM customers", Reason::Column);
    check(Dialect::Sqlite, "SELECT rowid FROM customers", Reason::Column);
    check(Dialect::Sqlite, "SELECT * FROM credentials", Reason::Table);
    check(Dialect::Sqlite, "SELECT * FROM sqlite_master", Reason::Table);
    check(Dialect::Postgres, "SELECT * FROM pg_catalog.pg_class", Reason::Table);
    check(Dialect::Postgres, "SELECT * FROM cust\u{43e}mers", Reason::Table);
    check(Dialect::Sqlite, "SELECT load_extension('x')", Reason::Function);
    check(Dialect::Postgres, "SELECT * FROM pg_read_file('x')", Reason::Function);
    check(Dialect::Postgres, "SELECT 'x'::regclass", Reason::Type);
    check(Dialect::MySql, "SELECT @@version", Reason::Characters);
}

#[test]
fn aggregate_columns_do_not_answer_about_one_person() {
    for sql in [
        "SELECT score FROM customers",
        "SELECT max(score) FROM customers",
        "SELECT avg(score) FROM customers WHERE customer_id = 17",
        "SELECT avg(score) FROM customers WHERE customer_id + 0 <= 99",
        "SELECT (SELECT sum(score) FROM customers) - (SELECT sum(score) FROM customers WHERE grade = 'A')",
        "SELECT sum(CASE WHEN customer_id = 17 THEN score END) FROM customers",
        "SELECT avg(score) FILTER (WHERE customer_id < 9) FROM customers",
        "SELECT avg(score) OVER (PARTITION BY customer_id) FROM customers",
        "SELECT count(*) FROM customers WHERE score > 700",
        "SELECT avg(c.score) FROM customers c NATURAL JOIN loans",
        "SELECT avg(score) FROM customers JOIN (SELECT 17 AS x) p ON p.x = customer_id",
        "SELECT avg(score) FROM customers WHERE customer_id IN (SELECT customer_id FROM loans LIMIT 9)",
        "SELECT avg(score) FROM customers WHERE customer_id IN (VALUES (1), (2), (3), (4), (5))",
        "SELECT avg(score) FROM customers JOIN (SELECT 1 AS customer_id UNION SELECT 2) v USING (customer_id)",
        "SELECT avg(score) FROM customers WHERE phone <> '***-****-1234'",
    ] {
        check(Dialect::Sqlite, sql, Reason::Aggregate);
    }
    check(Dialect::Postgres, "SELECT avg(score), json_agg(c) FROM customers c", Reason::Aggregate);
    for cast in ["score::numeric(8,0)", "score::text::bigint", "(score::float8)::bigint", "score::int2"] {
        let refusal = run(Dialect::Postgres, &format!("SELECT sum({cast}) FROM customers"));
        assert!(refusal.is_err(), "{cast}: {refusal:?}");
    }
}

#[test]
fn an_aggregate_column_is_read_in_one_plain_shape() {
    for sql in [
        // A statistic for every row of the query around it.
        "SELECT c.grade, (SELECT sum(x.score) FROM customers x WHERE x.grade <> c.grade) FROM customers c",
        "SELECT c.grade, (SELECT sum(x.score) FROM customers x WHERE x.grade = c.grade) FROM customers c",
        "SELECT c.grade, (SELECT sum(x.score) FROM customers x GROUP BY c.grade) FROM customers c",
        "SELECT c.grade, (SELECT sum(x.score) FROM customers x HAVING c.grade > 'A') FROM customers c",
        // Overlapping groups and weights.
        "SELECT c.grade, sum(x.score) FROM customers c JOIN customers x ON x.grade <> c.grade GROUP BY c.grade",
        "SELECT c.grade, sum(x.score) FROM customers c JOIN customers x ON x.customer_id = c.customer_id GROUP BY c.grade",
        "SELECT b.k, sum(c.score) FROM customers c JOIN (SELECT 'a' k UNION ALL SELECT 'b') b ON b.k = 'a' OR c.grade > 'A' GROUP BY b.k",
        "WITH RECURSIVE w(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM w WHERE n < 9) SELECT sum(c.score) FROM customers c JOIN w ON c.grade = w.n",
        "SELECT sum(c.score) FROM customers c, loans l",
        "SELECT sum(c.score) FROM customers c CROSS JOIN loans l",
        "SELECT l.amount, sum(c.score) FROM customers c JOIN loans l ON l.customer_id = c.customer_id GROUP BY l.amount",
        "SELECT l.amount, sum(c.score) FROM customers c LEFT JOIN loans l ON l.loan_id = c.grade OR 1 = 1 GROUP BY l.amount",
        // Everybody but a few.
        "SELECT sum(score) - sum(score) FILTER (WHERE grade = 'A') FROM customers",
        "SELECT sum(score) FROM customers WHERE customer_id NOT IN (SELECT loan_id FROM loans)",
        "SELECT sum(score) FROM customers c WHERE NOT EXISTS (SELECT 1 FROM loans l WHERE l.loan_id = c.customer_id)",
        "SELECT sum(score) FROM customers WHERE customer_id NOT IN (SELECT min(customer_id) FROM customers)",
        "SELECT sum(score) FROM customers WHERE grade <> 'A'",
        "SELECT sum(score) FROM customers WHERE NOT grade = 'A'",
        "SELECT sum(score) FROM customers WHERE grade NOT IN ('A')",
        "SELECT sum(score) FROM customers WHERE grade NOT LIKE 'A%'",
        "SELECT sum(score) FROM customers WHERE grade < 'A' OR grade > 'A'",
        "SELECT sum(score) FROM customers WHERE coalesce(nullif(grade, 'A'), '') > ''",
        "SELECT sum(score) FROM customers GROUP BY grade <> 'A'",
        "SELECT grade = 'A' AS g, sum(score) FROM customers GROUP BY g",
        "SELECT CASE WHEN grade = 'A' THEN 1 END, sum(score) FROM customers GROUP BY 1",
        "SELECT grade AS g, grade = 'A' AS g, sum(score) FROM customers GROUP BY g",
    ] {
        check(Dialect::Sqlite, sql, Reason::Aggregate);
    }
    check(
        Dialect::Postgres,
        "SELECT s.t FROM loans l, LATERAL (SELECT sum(x.score) AS t FROM customers x WHERE x.grade = l.amount) s",
        Reason::Aggregate,
    );
    for sql in [
        "SELECT grade, sum(score) FROM customers WHERE grade IN ('A', 'B') AND grade LIKE 'A%' GROUP BY grade",
        "SELECT sum(score) FROM customers WHERE grade = 'A' OR grade = 'B'",
        "SELECT substr(grade, 1, 1), avg(CAST(score AS REAL)) FROM customers WHERE grade >= 'A' GROUP BY 1 HAVING count(*) > 9",
        "SELECT l.amount, sum(c.score) FROM customers c LEFT JOIN loans l ON l.loan_id = c.grade GROUP BY l.amount",
        "SELECT g, s FROM (SELECT grade AS g, sum(score) AS s FROM customers GROUP BY grade) t WHERE g <> 'A'",
    ] {
        let checked = run(Dialect::Sqlite, sql);
        assert!(checked.is_ok(), "{sql}: {checked:?}");
    }
}

#[test]
fn a_field_is_no_call() {
    for sql in [
        "SELECT ('haechi.inner'::text).current_setting",
        "SELECT (3::float8).pg_sleep",
        "SELECT (ARRAY['/etc'])[1].pg_ls_dir",
        "SELECT ((ARRAY['/etc'])[1]).pg_ls_dir",
        "SELECT (c.customer_id).pg_sleep FROM customers c",
        "SELECT (v).current_setting FROM unnest(array['haechi.inner']) v",
    ] {
        let refusal = run(Dialect::Postgres, sql);
        assert!(refusal.is_err(), "{sql}: {refusal:?}");
    }
}

#[test]
fn what_would_not_end_is_refused() {
    check(
        Dialect::Sqlite,
        "WITH RECURSIVE r(n) AS (VALUES(1) UNION ALL SELECT n+1 FROM r) SELECT count(*) FROM r",
        Reason::Unbounded,
    );
    check(Dialect::Postgres, "SELECT count(*) FROM generate_series(1, 1000000000000)", Reason::Unbounded);
    check(Dialect::Postgres, "SELECT repeat('x', 1000000000)", Reason::TooLarge);
    check(Dialect::Sqlite, "SELECT printf('%.*c', 1000000000, 'x')", Reason::Function);
    check(Dialect::Postgres, "SELECT 'aaaaX' ~ '((a*)*)*$'", Reason::TooLarge);
    check(Dialect::Sqlite, &format!("SELECT 1{}", "+1".repeat(4_000)), Reason::TooLarge);
    check(Dialect::Sqlite, &format!("SELECT {}1{}", "(".repeat(20_000), ")".repeat(20_000)), Reason::TooLarge);
    check(Dialect::Sqlite, &format!("SELECT 1 IN ({}1)", "1,".repeat(2_000)), Reason::TooLarge);
}

/// Pieces that build statements close to what is allowed, so that the walk is reached.
fn piece() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("SELECT".to_owned()),
        Just("FROM".to_owned()),
        Just("WHERE".to_owned()),
        Just("customers".to_owned()),
        Just("loans".to_owned()),
        Just("rrn".to_owned()),
        Just("score".to_owned()),
        Just("customer_id".to_owned()),
        Just("(".to_owned()),
        Just(")".to_owned()),
        Just(",".to_owned()),
        Just("*".to_owned()),
        Just("'a'".to_owned()),
        Just("1".to_owned()),
        Just("AND".to_owned()),
        Just("=".to_owned()),
        Just("c".to_owned()),
        Just(".".to_owned()),
        Just("WITH".to_owned()),
        Just("AS".to_owned()),
        Just("UNION".to_owned()),
        Just("avg(score)".to_owned()),
        Just("JOIN".to_owned()),
        Just("ON".to_owned()),
        Just("GROUP BY".to_owned()),
        Just("ORDER BY".to_owned()),
        Just("LIMIT".to_owned()),
        Just("CASE WHEN".to_owned()),
        Just("END".to_owned()),
        Just("THEN".to_owned()),
        Just("::text".to_owned()),
        Just("LATERAL".to_owned()),
        Just("EXISTS".to_owned()),
        Just(":q".to_owned()),
        "\\PC{0,6}",
    ]
}

proptest! {
    #[test]
    fn no_text_makes_the_guard_panic(text in "\\PC{0,200}") {
        for dialect in [Dialect::Sqlite, Dialect::Postgres, Dialect::MySql] {
            let _ = run(dialect, &text);
        }
    }

    #[test]
    fn an_allowed_statement_never_names_the_raw_table_outside_its_fence(pieces in prop::collection::vec(piece(), 1..30)) {
        let sql = format!("SELECT {}", pieces.join(" "));
        for dialect in [Dialect::Sqlite, Dialect::Postgres, Dialect::MySql] {
            if let Ok(checked) = run(dialect, &sql) {
                let quote = if dialect == Dialect::MySql { '`' } else { '"' };
                let raw = format!("{quote}customers{quote}");
                for (at, _) in checked.sql.match_indices(&format!(".{raw}")) {
                    let rest = &checked.sql[at + 1 + raw.len()..];
                    prop_assert!(rest.starts_with(" WHERE (branch_id IN (1, 2))"), "{}", checked.sql);
                }
                prop_assert!(!checked.sql.contains("pin"), "{}", checked.sql);
            }
        }
    }
}
