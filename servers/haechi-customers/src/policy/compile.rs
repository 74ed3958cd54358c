//! The policy of one role, held against the database: a catalogue for the guard.

use haechi_sql::{Catalogue, Column, Dialect, Mask, Rows, Table};

use super::{Place, Policy, Role, RowRule};
use crate::Error;
use crate::schema::{Schema, TableInfo};

/// What one role may see of this database, ready for use.
#[derive(Debug, Clone)]
pub struct Desk {
    pub role: String,
    pub rules: Role,
    pub catalogue: Catalogue,
}

impl Policy {
    /// Checks every name against the database. A policy that speaks of what is not there would
    /// leave open what its writer meant to close.
    pub fn check(&self, schema: &Schema) -> Result<(), Error> {
        let fail = |place: &Place, message: String, hint: Option<String>| Error::Policy {
            file: self.file.clone(),
            line: place.line,
            column: place.column,
            message,
            hint,
        };
        let tables = || schema.tables.iter().map(|table| table.name.as_str());
        let near_table = |name: &str| crate::nearest(name, tables()).map(|near| format!("혹시 {near}입니까?"));
        for (name, (rule, place)) in &self.rows {
            let Some(table) = schema.table(name) else {
                return Err(fail(
                    place,
                    format!("[rows]의 표 {name}이(가) 데이터베이스에 없습니다."),
                    near_table(name),
                ));
            };
            let columns: Vec<&str> = match rule {
                RowRule::All | RowRule::None => Vec::new(),
                RowRule::Where(condition) => condition.columns().collect(),
                RowRule::Via { column, table: parent, parent_column } => {
                    if schema.table(parent).and_then(|parent| parent.column(parent_column)).is_none() {
                        return Err(fail(
                            place,
                            format!("{parent}.{parent_column}이(가) 데이터베이스에 없습니다."),
                            None,
                        ));
                    }
                    vec![column]
                }
            };
            if let Some(missing) = columns.into_iter().find(|column| table.column(column).is_none()) {
                return Err(fail(
                    place,
                    format!("표 {name}에 열 {missing}이(가) 없습니다."),
                    near_column(table, missing),
                ));
            }
        }
        for (name, columns) in &self.masks {
            for (column, (_, place)) in columns {
                let Some(table) = schema.table(name) else {
                    return Err(fail(
                        place,
                        format!("[mask]의 표 {name}이(가) 데이터베이스에 없습니다."),
                        near_table(name),
                    ));
                };
                if table.column(column).is_none() {
                    return Err(fail(
                        place,
                        format!("표 {name}에 열 {column}이(가) 없습니다."),
                        near_column(table, column),
                    ));
                }
            }
        }
        let start = Place { line: 1, column: 1 };
        for (name, role) in &self.roles {
            for table in role.tables_denied.iter().chain(role.tables.iter().flatten()) {
                if schema.table(table).is_none() {
                    return Err(fail(
                        &start,
                        format!("역할 {name}의 표 {table}이(가) 데이터베이스에 없습니다."),
                        near_table(table),
                    ));
                }
            }
            for column in &role.unmask {
                let known = column.split_once('.').and_then(|(table, column)| schema.table(table)?.column(column));
                if known.is_none() {
                    return Err(fail(
                        &start,
                        format!("역할 {name}의 unmask {column}이(가) 데이터베이스에 없습니다."),
                        None,
                    ));
                }
            }
        }
        Ok(())
    }

    /// The desk of one role.
    pub fn desk(&self, role: &str, schema: &Schema, dialect: Dialect) -> Result<Desk, Error> {
        let rules = self.role(role)?;
        let mut tables = Vec::new();
        let mut schemas = Vec::new();
        for info in &schema.tables {
            let denied = rules.tables_denied.iter().any(|name| name.eq_ignore_ascii_case(&info.name));
            let listed = rules
                .tables
                .as_ref()
                .is_none_or(|names| names.iter().any(|name| name.eq_ignore_ascii_case(&info.name)));
            // No rule, no table: what nobody has thought about is not shown.
            let Some(rows) = self.rows_of(&info.name, rules, schema, dialect)? else { continue };
            if denied || !listed {
                continue;
            }
            if let Some(schema) = &info.schema
                && !schemas.contains(schema)
            {
                schemas.push(schema.clone());
            }
            tables.push(self.table(info, rows, rules));
        }
        let group_min = u32::try_from(rules.limits.group_min).unwrap_or(u32::MAX);
        let catalogue = Catalogue::new(dialect, tables).with_schemas(schemas).with_group_min(group_min);
        Ok(Desk { role: role.to_owned(), rules: rules.clone(), catalogue })
    }

    fn table(&self, info: &TableInfo, rows: Rows, rules: &Role) -> Table {
        let masks = self.masks.iter().find(|(name, _)| name.eq_ignore_ascii_case(&info.name)).map(|(_, masks)| masks);
        let columns = info
            .columns
            .iter()
            .map(|column| {
                let full = format!("{}.{}", info.name, column.name);
                let unmasked = rules.unmask.iter().any(|name| name.eq_ignore_ascii_case(&full));
                let mask: Option<Mask> = masks
                    .and_then(|masks| masks.iter().find(|(name, _)| name.eq_ignore_ascii_case(&column.name)))
                    .filter(|_| !unmasked)
                    .map(|(_, (mask, _))| mask.clone());
                Column { name: column.name.clone(), data_type: column.data_type, mask, unique: column.unique }
            })
            .collect();
        Table {
            name: info.name.clone(),
            schema: info.schema.clone(),
            columns,
            rows,
            person: info.primary_key.first().cloned(),
        }
    }

    /// The rows of a table for a role; none where the policy has no rule.
    fn rows_of(&self, name: &str, rules: &Role, schema: &Schema, dialect: Dialect) -> Result<Option<Rows>, Error> {
        let rule = self.rows.iter().find(|(table, _)| table.eq_ignore_ascii_case(name));
        let Some((_, (rule, place))) = rule else { return Ok(None) };
        Ok(Some(match rule {
            RowRule::All => Rows::All,
            RowRule::None => Rows::None,
            RowRule::Where(condition) => {
                let text = condition.bind(&rules.attributes, dialect).map_err(|error| Error::Policy {
                    file: self.file.clone(),
                    line: place.line,
                    column: place.column,
                    message: error.to_string(),
                    hint: None,
                })?;
                if text == "1 = 1" { Rows::All } else { Rows::Where(text) }
            }
            RowRule::Via { table, parent_column, column } => match self.rows_of(table, rules, schema, dialect)? {
                None | Some(Rows::None) => Rows::None,
                Some(Rows::All) => Rows::All,
                Some(Rows::Where(condition)) => {
                    let parent = schema.table(table);
                    let quoted = dialect.name(table);
                    let parent_name = match parent.and_then(|parent| parent.schema.as_ref()) {
                        Some(schema) => format!("{}.{quoted}", dialect.name(schema)),
                        None => quoted,
                    };
                    Rows::Where(format!(
                        "{} IN (SELECT {} FROM {parent_name} WHERE {condition})",
                        dialect.name(column),
                        dialect.name(parent_column)
                    ))
                }
            },
        }))
    }
}

fn near_column(table: &TableInfo, column: &str) -> Option<String> {
    crate::nearest(column, table.columns.iter().map(|column| column.name.as_str()))
        .map(|near| format!("혹시 {near}입니까?"))
}
