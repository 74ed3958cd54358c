//! The guard from outside: what runs, as it is printed, and what is refused.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod hostile;
mod open;
mod rewrite;

use haechi_sql::{Catalogue, Checked, Column, ColumnType, Dialect, Mask, Options, ParameterType, Refusal, Rows, Table};

pub(crate) fn column(name: &str, mask: Option<Mask>) -> Column {
    Column {
        name: name.to_owned(),
        data_type: ColumnType::Text,
        mask,
        unique: name == "customer_id" || name == "loan_id",
    }
}

/// Two tables with one of everything.
pub(crate) fn bank(dialect: Dialect) -> Catalogue {
    let schema = match dialect {
        Dialect::Sqlite => "main",
        Dialect::Postgres => "public",
        Dialect::MySql => "bank",
    };
    let customers = Table {
        name: "customers".to_owned(),
        schema: Some(schema.to_owned()),
        columns: vec![
            column("customer_id", None),
            column("grade", None),
            column("rrn", Some(Mask::Redact { value: "***".to_owned() })),
            column("pin", Some(Mask::Deny)),
            column("phone", Some(Mask::Partial { keep_first: 0, keep_last: 4, keep_domain: false, fill: '*' })),
            column("score", Some(Mask::Aggregate)),
        ],
        rows: Rows::Where("branch_id IN (1, 2)".to_owned()),
        person: Some("customer_id".to_owned()),
    };
    let loans = Table {
        name: "loans".to_owned(),
        schema: Some(schema.to_owned()),
        columns: vec![column("loan_id", None), column("customer_id", None), column("amount", None)],
        rows: Rows::All,
        person: Some("loan_id".to_owned()),
    };
    Catalogue::new(dialect, vec![customers, loans]).with_schemas([schema.to_owned()])
}

pub(crate) fn run(dialect: Dialect, sql: &str) -> Result<Checked, Refusal> {
    let options = Options {
        parameters: [("q".to_owned(), ParameterType::Text), ("n".to_owned(), ParameterType::Integer)].into(),
        ..Options::default()
    };
    haechi_sql::check(sql, &bank(dialect), &options)
}
