//! What the values of a table are like, and what in it deserves a second look.

use std::collections::{BTreeSet, HashMap};

use haechi_contract::tables::{ColumnProfile, Suspicion, TableProfile};
use serde_json::Value as Json;

use crate::decimal::Decimal;
use crate::library::Loaded;
use crate::table::{Column, Row, RowKind};
use crate::value::{Value, is_nil, json_number, written_number};

const SAMPLES: usize = 5;
const SUSPICIONS_MAX: usize = 200;
const DISTINCT_MAX: usize = 100_000;

pub fn of(table: &Loaded) -> TableProfile {
    let columns = &table.table.head.columns;
    let mut suspicious = Vec::new();
    let profiles = columns.iter().map(|column| of_column(table, column, &mut suspicious)).collect();
    check_totals(table, &mut suspicious);
    check_rows(table, &mut suspicious);
    let truncated = table.truncated || SUSPICIONS_MAX < suspicious.len();
    suspicious.truncate(SUSPICIONS_MAX);
    TableProfile {
        id: table.id(),
        citation: table.citation(),
        uri: table.uri(),
        rows: table.table.rows_total,
        columns: profiles,
        suspicious,
        truncated,
    }
}

fn of_column(table: &Loaded, column: &Column, suspicious: &mut Vec<Suspicion>) -> ColumnProfile {
    let mut nulls = 0_u64;
    let mut distinct = BTreeSet::new();
    let mut samples: Vec<String> = Vec::new();
    let (mut least, mut most): (Option<f64>, Option<f64>) = (None, None);
    let (mut first, mut last): (Option<String>, Option<String>) = (None, None);
    let mut sum = Some(Decimal::ZERO);
    let mut units: HashMap<&'static str, String> = HashMap::new();
    for row in &table.rows {
        let Some(cell) = row.cells.get(column.index) else { continue };
        let value = cell.typed(column.kind);
        if value.is_empty() {
            nulls += u64::from(row.kind.is_none());
            continue;
        }
        if row.kind.is_none() {
            if distinct.len() < DISTINCT_MAX {
                distinct.insert(value.plain());
            }
            if samples.len() < SAMPLES && !samples.contains(&cell.text) {
                samples.push(cell.text.clone());
            }
        }
        match &value {
            Value::Number(number) if row.kind.is_none() => {
                least = Some(least.map_or(*number, |least| least.min(*number)));
                most = Some(most.map_or(*number, |most| most.max(*number)));
                sum = sum.and_then(|sum| Decimal::of(*number).map(|number| sum.plus(number)));
            }
            Value::Date(date) => {
                first = Some(first.map_or_else(|| date.clone(), |first| first.min(date.clone())));
                last = Some(last.map_or_else(|| date.clone(), |last| last.max(date.clone())));
            }
            Value::Error(error) => suspicious.push(Suspicion {
                kind: "error_value".to_owned(),
                range: place(row, column),
                column: Some(column.name.clone()),
                message: format!("수식 오류 {error}이(가) 있습니다"),
                expected: None,
                found: Some(error.clone()),
            }),
            Value::Text(text) if column.kind.is_numeric() && !is_nil(text) => suspicious.push(Suspicion {
                kind: "text_in_numbers".to_owned(),
                range: place(row, column),
                column: Some(column.name.clone()),
                message: "숫자 열에 글자가 있어 합계에서 빠집니다".to_owned(),
                expected: None,
                found: Some(text.clone()),
            }),
            _ => {}
        }
        if let Value::Text(text) = &cell.value
            && let Some(unit) = written_number(text).and_then(|written| written.unit)
        {
            units.entry(unit).or_insert_with(|| place(row, column));
        }
    }
    if 1 < units.len() {
        let mut names: Vec<&str> = units.keys().copied().collect();
        names.sort_unstable();
        suspicious.push(Suspicion {
            kind: "mixed_units".to_owned(),
            range: units.values().min().cloned().unwrap_or_default(),
            column: Some(column.name.clone()),
            message: format!("한 열에 단위가 섞여 있습니다: {}", names.join(", ")),
            expected: None,
            found: None,
        });
    }
    let numeric = column.kind.is_numeric();
    ColumnProfile {
        name: column.name.clone(),
        kind: column.kind.as_str().to_owned(),
        unit: column.unit.clone(),
        nulls,
        distinct: u64::try_from(distinct.len()).unwrap_or(u64::MAX),
        min: if numeric { least.map(json_number) } else { first.map(Json::from) },
        max: if numeric { most.map(json_number) } else { last.map(Json::from) },
        sum: sum.filter(|_| numeric && least.is_some()).map(|sum| sum.to_string()),
        samples,
    }
}

fn place(row: &Row, column: &Column) -> String {
    match (&column.at, row.range.split(':').next()) {
        (Some(letters), Some(first)) => {
            let digits: String = first.chars().filter(char::is_ascii_digit).collect();
            format!("{letters}{digits}")
        }
        _ => row.range.clone(),
    }
}

/// Adds up what stands above each total and says whether it agrees.
fn check_totals(table: &Loaded, suspicious: &mut Vec<Suspicion>) {
    // Totals of part of a table tell nothing where not all rows were read.
    if table.truncated {
        return;
    }
    for column in table
        .table
        .head
        .columns
        .iter()
        .filter(|column| column.kind.is_numeric() && column.kind != crate::table::ColumnKind::Percent)
    {
        if column.unit.as_deref().is_some_and(|unit| unit.contains('%')) {
            continue;
        }
        let value = |row: &Row| match row.cells.get(column.index).map(|cell| cell.typed(column.kind)) {
            Some(Value::Number(number)) => Decimal::of(number),
            _ => None,
        };
        for (index, row) in table.rows.iter().enumerate().filter(|(_, row)| row.kind == Some(RowKind::Total)) {
            let Some(found) = value(row) else { continue };
            // A total may stand above its items or below them.
            let above: Vec<&Row> =
                table.rows.iter().take(index).rev().take_while(|row| row.kind != Some(RowKind::Total)).collect();
            let items: Vec<&Row> = if above.is_empty() {
                table.rows.iter().skip(index + 1).take_while(|row| row.kind != Some(RowKind::Total)).collect()
            } else {
                above
            };
            let add = |kind: Option<RowKind>| {
                let numbers: Vec<Decimal> =
                    items.iter().filter(|row| row.kind == kind).filter_map(|row| value(row)).collect();
                (numbers.iter().copied().fold(Decimal::ZERO, Decimal::plus), numbers)
            };
            let (sum, numbers) = add(None);
            if numbers.len() < 2 {
                continue;
            }
            let places = numbers.iter().map(|number| number.places()).chain([found.places()]).max().unwrap_or(0);
            let agrees = |sum: Decimal, count: usize| found.near(sum, places, u64::try_from(count).unwrap_or(1) + 1);
            let (of_subtotals, subtotals) = add(Some(RowKind::Subtotal));
            let whole = |sum: Decimal| found.minus(sum).is_zero();
            let exact = whole(sum) || 1 < subtotals.len() && whole(of_subtotals);
            let rounded = agrees(sum, numbers.len()) || 1 < subtotals.len() && agrees(of_subtotals, subtotals.len());
            let (kind, message) = if exact {
                ("total_confirmed", "합계가 항목의 합과 맞습니다")
            } else if rounded {
                ("total_rounded", "합계와 항목의 합이 반올림으로 생길 만큼 다릅니다")
            } else {
                ("total_mismatch", "합계가 항목의 합과 맞지 않습니다")
            };
            suspicious.push(Suspicion {
                kind: kind.to_owned(),
                range: place(row, column),
                column: Some(column.name.clone()),
                message: message.to_owned(),
                expected: Some(sum.to_string()),
                found: Some(found.to_string()),
            });
        }
    }
}

fn check_rows(table: &Loaded, suspicious: &mut Vec<Suspicion>) {
    let mut seen: HashMap<Vec<&str>, &str> = HashMap::new();
    for row in &table.rows {
        if row.hidden {
            suspicious.push(note("hidden_row", row, "숨긴 행입니다"));
        }
        if row.kind.is_some() {
            continue;
        }
        let texts: Vec<&str> = row.cells.iter().map(|cell| cell.text.as_str()).collect();
        if texts.iter().filter(|text| !text.is_empty()).count() < 2 {
            continue;
        }
        if let Some(first) = seen.get(&texts) {
            let message = format!("{first} 행과 내용이 같습니다");
            suspicious.push(note("duplicate_row", row, &message));
        } else if seen.len() < DISTINCT_MAX {
            seen.insert(texts, row.range.as_str());
        }
    }
}

fn note(kind: &str, row: &Row, message: &str) -> Suspicion {
    Suspicion {
        kind: kind.to_owned(),
        range: row.range.clone(),
        column: None,
        message: message.to_owned(),
        expected: None,
        found: None,
    }
}
