//! Tables without a policy: the list and the limits alone.

use haechi_sql::{Catalogue, Dialect, Options, Reason, check};

fn catalogue() -> Catalogue {
    Catalogue::open(Dialect::Sqlite, [("여신현황".to_owned(), vec!["업종".to_owned(), "잔액(억원)".to_owned()])])
}

#[test]
fn korean_names_work_with_and_without_quotes() {
    for (sql, expected) in [
        (
            "SELECT 업종, sum(\"잔액(억원)\") AS 합계 FROM 여신현황 GROUP BY 업종 ORDER BY 합계 DESC",
            "SELECT 업종, sum(\"잔액(억원)\") AS 합계 FROM \"여신현황\" AS 여신현황 GROUP BY 업종 ORDER BY 합계 DESC",
        ),
        ("SELECT [잔액(억원)] FROM \"여신현황\"", "SELECT \"잔액(억원)\" FROM \"여신현황\" AS \"여신현황\""),
    ] {
        assert_eq!(check(sql, &catalogue(), &Options::default()).unwrap().sql, expected);
    }
}

#[test]
fn unknown_names_come_with_the_nearest_one() {
    let refusal = check("SELECT 업종 FROM 여신현항", &catalogue(), &Options::default()).unwrap_err();
    assert_eq!(refusal.reason, Reason::Table);
    assert_eq!(refusal.hint.as_deref(), Some("혹시 여신현황입니까?"));
}
