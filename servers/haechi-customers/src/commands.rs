//! The same operations without a host: tables for people, JSON for programs.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{BufWriter, Write as _};

use haechi_contract::{Code, Problem};
use haechi_serving::{Failure, answer};
use serde::Serialize;
use serde_json::Value;

use crate::{CancellationToken, Customers, Error, render};

pub(crate) fn query(
    customers: &Customers,
    sql: &str,
    parameters: &[String],
    limit: Option<u64>,
    csv: bool,
    json: bool,
) -> Result<(), Failure> {
    let desk = desk(customers)?;
    let parameters = pairs(parameters)?;
    if csv {
        return export(customers, &desk, sql, &parameters, limit);
    }
    let result = customers.query(&desk, sql, &parameters, limit, &CancellationToken::new()).map_err(Problem::from)?;
    shown(&result, json, render::result)
}

/// Writes rows to standard output as they come, however many there are.
fn export(
    customers: &Customers,
    desk: &crate::policy::Desk,
    sql: &str,
    parameters: &BTreeMap<String, Value>,
    limit: Option<u64>,
) -> Result<(), Failure> {
    let mut out = BufWriter::with_capacity(1 << 16, std::io::stdout());
    let mut written = Ok(());
    let cancel = CancellationToken::new();
    customers
        .stream(desk, sql, parameters, limit, &cancel, &mut |names, row| {
            let line = match row {
                None => render::csv_row(names.iter().cloned()),
                Some(row) => render::csv_row(row.iter().map(render::cell)),
            };
            written = out.write_all(line.as_bytes());
            written.is_ok()
        })
        .map_err(Problem::from)?;
    match written.and_then(|()| out.flush()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(Problem::new(Code::Unavailable, format!("표준 출력에 쓸 수 없습니다({}).", error.kind())).into())
        }
        Ok(()) | Err(_) => Ok(()),
    }
}

pub(crate) fn schema(customers: &Customers, table: Option<&str>, json: bool) -> Result<(), Failure> {
    let desk = desk(customers)?;
    match table {
        None => shown(&customers.tables(&desk), json, render::tables),
        Some(table) => shown(&customers.describe(&desk, table).map_err(Problem::from)?, json, render::description),
    }
}

pub(crate) fn saved(
    customers: &Customers,
    name: Option<&str>,
    parameters: &[String],
    json: bool,
) -> Result<(), Failure> {
    let desk = desk(customers)?;
    match name {
        None => shown(&customers.saved_queries(&desk), json, render::saved),
        Some(name) => {
            let parameters = pairs(parameters)?;
            let result = customers
                .run_saved(&desk, name, &parameters, None, &CancellationToken::new())
                .map_err(Problem::from)?;
            shown(&result, json, render::result)
        }
    }
}

/// A line of `doctor`.
#[derive(Debug, Serialize)]
pub struct Finding {
    pub what: &'static str,
    pub good: bool,
    pub detail: String,
}

pub(crate) fn doctor(customers: &Customers, json: bool) -> Result<(), Failure> {
    let mut findings = customers.account().map_err(Problem::from)?;
    let desk = desk(customers)?;
    let tables = customers.tables(&desk);
    findings.push(Finding {
        what: "정책",
        good: true,
        detail: format!("역할 {}이(가) 표 {}개를 봅니다.", tables.role, tables.tables.len()),
    });
    match customers.check_saved() {
        Ok(count) => findings.push(Finding {
            what: "저장 질의",
            good: true,
            detail: format!("{count}개(역할별)가 정책을 지킵니다."),
        }),
        Err(error) => {
            findings.push(Finding { what: "저장 질의", good: false, detail: Problem::from(error).message })
        }
    }
    let unmasked = customers.suspicious_columns();
    let detail = if unmasked.is_empty() {
        "이름으로 보아 가리지 않은 개인정보 열이 없습니다.".to_owned()
    } else {
        format!("가림이 없는 열을 확인하세요: {}", unmasked.join(", "))
    };
    findings.push(Finding { what: "가림", good: unmasked.is_empty(), detail });
    let good = findings.iter().all(|finding| finding.good);
    shown(&findings, json, |findings| {
        findings.iter().fold(String::new(), |mut text, finding| {
            let _ = writeln!(text, "{} {}: {}", if finding.good { "✓" } else { "✗" }, finding.what, finding.detail);
            text
        })
    })?;
    if good { Ok(()) } else { Err(Failure::silent(haechi_contract::exit::FAILED)) }
}

pub(crate) fn policy_check(customers: &Customers) -> Result<(), Failure> {
    let checked = customers.check_saved().map_err(Problem::from)?;
    let mut text = String::from("정책이 데이터베이스와 맞습니다.\n");
    for name in customers.tables_without_rule() {
        let _ = writeln!(text, "행 규칙이 없어 아무에게도 보이지 않는 표: {name}");
    }
    let _ = write!(text, "저장 질의 {checked}개(역할별)를 점검했습니다.");
    answer(&text)
}

pub(crate) fn policy_explain(customers: &Customers, sql: &str, json: bool) -> Result<(), Failure> {
    let desk = desk(customers)?;
    let checked = customers.check(&desk, sql, &BTreeMap::new(), None).map_err(Problem::from)?;
    let columns: Vec<(String, String)> = checked
        .columns
        .iter()
        .map(|column| {
            let kinds: Vec<&str> = column.masks.kinds().map(haechi_sql::MaskKind::as_str).collect();
            (column.name.clone(), if kinds.is_empty() { "열림".to_owned() } else { kinds.join("+") })
        })
        .collect();
    if json {
        let columns: Vec<Value> =
            columns.iter().map(|(name, mask)| serde_json::json!({ "name": name, "mask": mask })).collect();
        let value =
            serde_json::json!({ "role": desk.role, "sql": checked.sql, "tables": checked.tables, "columns": columns });
        return answer(&value.to_string());
    }
    let mut text =
        format!("역할: {}\n읽는 표: {}\n", desk.role, checked.tables.iter().cloned().collect::<Vec<_>>().join(", "));
    for (name, mask) in columns {
        let _ = writeln!(text, "· {name}: {mask}");
    }
    let _ = write!(text, "실행되는 문장:\n{}", checked.sql);
    answer(&text)
}

fn desk(customers: &Customers) -> Result<std::sync::Arc<crate::policy::Desk>, Failure> {
    Ok(customers.desk(&[]).map_err(Problem::from)?)
}

fn shown<T: Serialize>(value: &T, json: bool, text: impl Fn(&T) -> String) -> Result<(), Failure> {
    if json {
        let text = serde_json::to_string_pretty(value).map_err(|_| Problem::from(Error::Internal))?;
        return answer(&text);
    }
    answer(&text(value))
}

fn pairs(parameters: &[String]) -> Result<BTreeMap<String, Value>, Failure> {
    parameters
        .iter()
        .map(|pair| match pair.split_once('=') {
            Some((name, value)) => Ok((name.to_owned(), typed(value))),
            None => Err(Problem::new(Code::InvalidInput, format!("{pair}: 이름=값 형태로 쓰세요.")).into()),
        })
        .collect()
}

/// A whole number on the command line is a number; everything else is text.
fn typed(value: &str) -> Value {
    match value.parse::<i64>() {
        Ok(number) if number.to_string() == value => Value::from(number),
        _ => Value::String(value.to_owned()),
    }
}
