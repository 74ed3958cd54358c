//! Two tables row by row: what came, what went, what changed.

use std::collections::{BTreeMap, HashMap};

use haechi_contract::tables::{CellChange, OnlyRow, RowChange, Side, TableComparison};
use serde_json::Value as Json;

use crate::decimal::Decimal;
use crate::error::Error;
use crate::library::{Loaded, column_named};
use crate::table::{Column, Row};
use crate::value::Value;

const DIFFERENCES_MAX: usize = 2_000;

pub fn of(left: &Loaded, right: &Loaded, keys: &[String]) -> Result<TableComparison, Error> {
    if keys.is_empty() {
        return Err(Error::Input {
            message: "행을 맞출 열을 keys에 적어 주십시오".to_owned(),
            hint: Some(format!(
                "앞 표의 열: {}",
                left.table.head.columns.iter().map(|column| column.name.as_str()).collect::<Vec<_>>().join(", ")
            )),
        });
    }
    let left_keys = keys.iter().map(|key| column_named(&left.table, key)).collect::<Result<Vec<_>, _>>()?;
    let right_keys = keys.iter().map(|key| column_named(&right.table, key)).collect::<Result<Vec<_>, _>>()?;
    let shared: Vec<(&Column, &Column)> = left
        .table
        .head
        .columns
        .iter()
        .filter(|column| !left_keys.iter().any(|key| key.index == column.index))
        .filter_map(|column| {
            right.table.head.columns.iter().find(|other| other.name == column.name).map(|other| (column, other))
        })
        .collect();
    let only = |these: &Loaded, others: &Loaded, keys: &[&Column]| {
        these
            .table
            .head
            .columns
            .iter()
            .filter(|column| !keys.iter().any(|key| key.index == column.index))
            .filter(|column| !others.table.head.columns.iter().any(|other| other.name == column.name))
            .map(|column| column.name.clone())
            .collect::<Vec<_>>()
    };
    let mut notes = Vec::new();
    let (left_rows, left_doubles) = by_key(left, &left_keys);
    let (right_rows, right_doubles) = by_key(right, &right_keys);
    for (name, doubles) in [("앞", left_doubles), ("뒤", right_doubles)] {
        if 0 < doubles {
            notes.push(format!("{name} 표에 열쇠가 같은 행이 {doubles}개 더 있어 첫 행만 비교했습니다"));
        }
    }
    let (mut removed, mut changed, mut unchanged) = (Vec::new(), Vec::new(), 0_u64);
    for (key, row) in ordered(left, &left_keys, &left_rows) {
        let Some(other) = right_rows.get(&key) else {
            removed.push(only_row(row, left, &left_keys));
            continue;
        };
        let cells: Vec<CellChange> =
            shared.iter().filter_map(|(column, other_column)| cell_change(row, other, column, other_column)).collect();
        if cells.is_empty() {
            unchanged += 1;
        } else {
            changed.push(RowChange {
                key: key_values(row, &left_keys),
                left_range: row.range.clone(),
                right_range: other.range.clone(),
                cells,
            });
        }
    }
    let mut added: Vec<OnlyRow> = ordered(right, &right_keys, &right_rows)
        .into_iter()
        .filter(|(key, _)| !left_rows.contains_key(key))
        .map(|(_, row)| only_row(row, right, &right_keys))
        .collect();
    let cut = DIFFERENCES_MAX < added.len() || DIFFERENCES_MAX < removed.len() || DIFFERENCES_MAX < changed.len();
    added.truncate(DIFFERENCES_MAX);
    removed.truncate(DIFFERENCES_MAX);
    changed.truncate(DIFFERENCES_MAX);
    let side = |table: &Loaded| Side {
        id: table.id(),
        citation: table.citation(),
        uri: table.uri(),
        rows: table.table.rows_total,
    };
    Ok(TableComparison {
        left: side(left),
        right: side(right),
        keys: left_keys.iter().map(|key| key.name.clone()).collect(),
        added,
        removed,
        changed,
        unchanged,
        columns_only_left: only(left, right, &left_keys),
        columns_only_right: only(right, left, &right_keys),
        truncated: cut || left.truncated || right.truncated,
        notes,
    })
}

fn key_of(row: &Row, keys: &[&Column]) -> Vec<String> {
    keys.iter()
        .map(|key| {
            let plain = row.cells.get(key.index).map_or_else(String::new, |cell| cell.typed(key.kind).plain());
            plain.split_whitespace().collect::<String>()
        })
        .collect()
}

fn key_values(row: &Row, keys: &[&Column]) -> Vec<Json> {
    keys.iter().map(|key| row.cells.get(key.index).map_or(Json::Null, |cell| cell.typed(key.kind).json())).collect()
}

/// Rows by their key, and how many further rows have a key that is taken.
fn by_key<'a>(table: &'a Loaded, keys: &[&Column]) -> (HashMap<Vec<String>, &'a Row>, usize) {
    let mut rows = HashMap::new();
    let mut doubles = 0;
    for row in &table.rows {
        let key = key_of(row, keys);
        if key.iter().all(String::is_empty) {
            continue;
        }
        match rows.entry(key) {
            std::collections::hash_map::Entry::Occupied(_) => doubles += 1,
            std::collections::hash_map::Entry::Vacant(place) => {
                place.insert(row);
            }
        }
    }
    (rows, doubles)
}

/// The rows of `by_key` in the order of the table.
fn ordered<'a>(
    table: &'a Loaded,
    keys: &[&Column],
    rows: &HashMap<Vec<String>, &'a Row>,
) -> Vec<(Vec<String>, &'a Row)> {
    table
        .rows
        .iter()
        .filter_map(|row| {
            let key = key_of(row, keys);
            rows.get(&key).filter(|first| std::ptr::eq(**first, row)).map(|first| (key.clone(), *first))
        })
        .collect()
}

fn cell_change(row: &Row, other: &Row, column: &Column, other_column: &Column) -> Option<CellChange> {
    let left = row.cells.get(column.index).map_or(Value::Empty, |cell| cell.typed(column.kind));
    let right = other.cells.get(other_column.index).map_or(Value::Empty, |cell| cell.typed(other_column.kind));
    let same = match (&left, &right) {
        (Value::Number(left), Value::Number(right)) => {
            (left - right).abs() <= f64::EPSILON * left.abs().max(right.abs())
        }
        (Value::Text(left), Value::Text(right)) => left.trim() == right.trim(),
        (left, right) => left == right || left.is_empty() && right.is_empty(),
    };
    if same {
        return None;
    }
    let difference = match (&left, &right) {
        (Value::Number(left), Value::Number(right)) => {
            Decimal::of(*right).zip(Decimal::of(*left)).map(|(right, left)| right.minus(left).to_string())
        }
        _ => None,
    };
    Some(CellChange { column: column.name.clone(), left: left.json(), right: right.json(), difference })
}

fn only_row(row: &Row, table: &Loaded, keys: &[&Column]) -> OnlyRow {
    let values: BTreeMap<String, Json> = table
        .table
        .head
        .columns
        .iter()
        .map(|column| {
            let value = row.cells.get(column.index).map_or(Json::Null, |cell| cell.typed(column.kind).json());
            (column.name.clone(), value)
        })
        .collect();
    OnlyRow { key: key_values(row, keys), range: row.range.clone(), row: values }
}
