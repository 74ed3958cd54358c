//! The questions: who asks, what the guard says, what the database answers, how it is cited.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use haechi_contract::customers::{
    ColumnEntry, CustomerTables, QueryPlan, QueryResult, ResultColumn, SavedParameter, SavedQueries, SavedQueryEntry,
    TableDescription, TableEntry,
};
use haechi_sql::{Checked, Dialect, Limits, Mask, MaskKind, Options, Rows};
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::commands::Finding;
use crate::masks::{TokenKey, hexadecimal};
use crate::page::{Page, RowWriter, Stream, masked, result_columns};
use crate::policy::{Desk, Policy};
use crate::saved::{self, Saved};
use crate::schema::Schema;
use crate::settings::Settings;
use crate::store::{Bound, Question, Store, dialect_of};
use crate::{CancellationToken, Error, value};

/// Connections when the settings do not say.
const CONNECTIONS_MAX: usize = 8;

/// The database, its policy and its saved queries.
pub struct Customers {
    store: Store,
    schema: Schema,
    policy: Policy,
    saved: BTreeMap<String, Saved>,
    /// One desk per role, made at start, so that a mistake in a role is heard of then.
    desks: BTreeMap<String, Arc<Desk>>,
    role: Option<String>,
}

impl Customers {
    /// Opens everything; relative paths are taken from `base`.
    pub fn open(settings: &Settings, base: &Path) -> Result<Self, Error> {
        let location = settings.location(base)?;
        let Some(policy_path) = &settings.policy else {
            return Err(Error::Settings {
                message: "정책 파일이 정해지지 않았습니다.".to_owned(),
                hint: Some("--policy policy.toml 또는 haechi.toml의 [customers] policy를 쓰세요. 정책 없이는 아무것도 보여 주지 않습니다.".to_owned()),
            });
        };
        let policy = Policy::load(&base.join(policy_path), dialect_of(&location))?;
        let key = match settings.token_key(base)? {
            Some(key) => TokenKey::new(&key),
            None => {
                if has_tokens(&policy) {
                    tracing::warn!("no key for pseudonyms; they change when this process ends (HAECHI_CUSTOMERS_KEY)");
                }
                TokenKey::of_this_process()
            }
        };
        let saved = match &settings.saved {
            Some(folder) => saved::load(&base.join(folder))?,
            None => BTreeMap::new(),
        };
        let store = Store::open(
            &location,
            settings.database_password(base)?.as_deref(),
            key,
            settings.connections_max.unwrap_or(CONNECTIONS_MAX),
        )?;
        if !settings.allow_writable {
            refuse_writable(&store)?;
        }
        Self::with_store(store, policy, saved, settings.role.clone())
    }

    fn with_store(
        store: Store,
        policy: Policy,
        saved: BTreeMap<String, Saved>,
        role: Option<String>,
    ) -> Result<Self, Error> {
        let mut schema = store.schema()?;
        for table in &mut schema.tables {
            table.comment = table.comment.take().or_else(|| policy.comments.get(&table.name).cloned());
            for column in &mut table.columns {
                let full = format!("{}.{}", table.name, column.name);
                column.comment = column.comment.take().or_else(|| policy.comments.get(&full).cloned());
            }
        }
        policy.check(&schema)?;
        let mut desks = BTreeMap::new();
        for name in policy.roles.keys() {
            desks.insert(name.clone(), Arc::new(policy.desk(name, &schema, store.dialect())?));
        }
        if let Some(role) = &role {
            policy.role(role)?;
        }
        for query in saved.values() {
            for role in query.roles.iter().flatten() {
                if !policy.roles.contains_key(role) {
                    return Err(Error::Saved {
                        file: format!("{}.sql", query.name),
                        message: format!("역할 {role}이(가) 정책에 없습니다."),
                    });
                }
            }
        }
        Ok(Self { store, schema, policy, saved, desks, role })
    }

    pub fn dialect(&self) -> Dialect {
        self.store.dialect()
    }

    /// The desk of an asker: the role of the settings, else the first of theirs that the policy
    /// knows, else the default role.
    pub fn desk(&self, roles: &[String]) -> Result<Arc<Desk>, Error> {
        let role = self
            .role
            .as_ref()
            .or_else(|| roles.iter().find(|role| self.desks.contains_key(*role)))
            .unwrap_or(&self.policy.default_role);
        self.desks.get(role).cloned().ok_or(Error::Internal)
    }

    pub fn tables(&self, desk: &Desk) -> CustomerTables {
        let tables = desk
            .catalogue
            .tables()
            .filter_map(|table| {
                let info = self.schema.table(&table.name)?;
                Some(TableEntry {
                    name: table.name.clone(),
                    comment: info.comment.clone(),
                    columns: table.columns.iter().filter(|column| column.mask != Some(Mask::Deny)).count() as u64,
                    rows_estimate: info.rows_estimate,
                })
            })
            .collect();
        CustomerTables { dialect: dialect_name(self.dialect()).to_owned(), role: desk.role.clone(), tables }
    }

    pub fn describe(&self, desk: &Desk, name: &str) -> Result<TableDescription, Error> {
        let missing = || Error::NoTable {
            name: name.to_owned(),
            near: crate::nearest(name, desk.catalogue.tables().map(|table| table.name.as_str())).map(ToOwned::to_owned),
        };
        let table = desk.catalogue.table(name).ok_or_else(missing)?;
        let info = self.schema.table(&table.name).ok_or_else(missing)?;
        let columns = table
            .columns
            .iter()
            .filter(|column| column.mask != Some(Mask::Deny))
            .filter_map(|column| {
                let known = info.column(&column.name)?;
                Some(ColumnEntry {
                    name: column.name.clone(),
                    data_type: known.declared.clone(),
                    comment: known.comment.clone(),
                    nullable: known.nullable,
                    primary_key: info.primary_key.contains(&column.name),
                    references: known
                        .references
                        .clone()
                        .filter(|target| desk.catalogue.table(target.split('.').next().unwrap_or_default()).is_some()),
                    masked: column.mask.as_ref().map(|mask| mask.kind().as_str().to_owned()),
                    class: self.policy.classes.get(&format!("{}.{}", table.name, column.name)).cloned(),
                })
            })
            .collect();
        Ok(TableDescription {
            name: table.name.clone(),
            comment: info.comment.clone(),
            columns,
            rows_restricted: table.rows != Rows::All,
            rows_estimate: info.rows_estimate,
            citation: format!("고객 데이터베이스 {} 표의 구조", table.name),
            uri: format!("schema://customers/{}", table.name),
        })
    }

    /// What the guard makes of a statement, without asking the database.
    pub fn check(
        &self,
        desk: &Desk,
        sql: &str,
        parameters: &BTreeMap<String, Value>,
        limit: Option<u64>,
    ) -> Result<Checked, Error> {
        let types = parameters.iter().map(|(name, value)| (name.clone(), saved::guess(value))).collect();
        self.guard(desk, sql, types, limit)
    }

    fn guard(
        &self,
        desk: &Desk,
        sql: &str,
        parameters: BTreeMap<String, haechi_sql::ParameterType>,
        limit: Option<u64>,
    ) -> Result<Checked, Error> {
        let limits = &desk.rules.limits;
        let size = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
        let options = Options {
            limits: Limits {
                sql_bytes_max: size(limits.sql_bytes_max),
                nesting_max: size(limits.nesting_max),
                tables_max: size(limits.tables_max),
                in_items_max: size(limits.in_items_max),
            },
            // One more than wanted, to know whether there are more.
            row_limit: limit.map(|limit| limit + 1),
            parameters,
        };
        Ok(haechi_sql::check(sql, &desk.catalogue, &options)?)
    }

    /// Free SQL.
    pub fn query(
        &self,
        desk: &Desk,
        sql: &str,
        parameters: &BTreeMap<String, Value>,
        limit: Option<u64>,
        cancel: &CancellationToken,
    ) -> Result<QueryResult, Error> {
        if !desk.rules.free_sql {
            return Err(Error::SavedOnly { role: desk.role.clone() });
        }
        let rows_max = rows_max(desk, limit);
        let checked = self.check(desk, sql, parameters, Some(rows_max))?;
        let values = bound(parameters)?;
        let hash = hexadecimal(&Sha256::digest(sql.as_bytes()));
        let uri = format!("query://sql/{}", hash.get(..16).unwrap_or(&hash));
        let citation = format!(
            "고객 데이터베이스 질의({}) · {} 조회",
            checked.tables.iter().cloned().collect::<Vec<_>>().join(", "),
            today()
        );
        self.answer(desk, &checked, &values, rows_max, &[], (citation, uri), cancel)
    }

    /// Free SQL whose rows are handed to `write` as they come, so that nothing is kept; first the
    /// names alone. The row limit holds, the byte limit of an answer does not.
    pub fn stream(
        &self,
        desk: &Desk,
        sql: &str,
        parameters: &BTreeMap<String, Value>,
        limit: Option<u64>,
        cancel: &CancellationToken,
        write: &mut RowWriter<'_>,
    ) -> Result<(), Error> {
        if !desk.rules.free_sql {
            return Err(Error::SavedOnly { role: desk.role.clone() });
        }
        let rows_max = rows_max(desk, limit);
        let checked = self.check(desk, sql, parameters, Some(rows_max))?;
        let values = in_order(&checked, &bound(parameters)?)?;
        let mut sink = Stream {
            names: checked.columns.iter().map(|column| column.name.clone()).collect(),
            years: checked.columns.iter().map(|column| column.direct == Some(MaskKind::Year)).collect(),
            rows_left: rows_max,
            write,
        };
        self.store.ask(&self.question(desk, &checked, &values, cancel), &mut sink)
    }

    /// The plan of free SQL.
    pub fn explain(
        &self,
        desk: &Desk,
        sql: &str,
        parameters: &BTreeMap<String, Value>,
        cancel: &CancellationToken,
    ) -> Result<QueryPlan, Error> {
        if !desk.rules.free_sql {
            return Err(Error::SavedOnly { role: desk.role.clone() });
        }
        let checked = self.check(desk, sql, parameters, Some(desk.rules.limits.rows_max))?;
        let values = bound(parameters)?;
        let parameters = in_order(&checked, &values)?;
        let plan = self.store.plan(&self.question(desk, &checked, &parameters, cancel))?;
        Ok(QueryPlan {
            // A planner quotes the values of conditions; those of the row policy are not the asker's.
            plan: plan.steps.iter().map(|step| without_literals(step)).collect(),
            estimated_cost: plan.cost,
            estimated_rows: plan.rows,
            tables: checked.tables.iter().cloned().collect(),
            columns: checked
                .columns
                .iter()
                .map(|column| ResultColumn {
                    name: column.name.clone(),
                    data_type: String::new(),
                    masked: masked(column.direct, column.masks),
                })
                .collect(),
        })
    }

    pub fn saved_queries(&self, desk: &Desk) -> SavedQueries {
        let queries = self
            .saved
            .values()
            .filter(|saved| saved.is_open_to(&desk.role))
            .map(|saved| {
                let types = saved.types();
                SavedQueryEntry {
                    name: saved.name.clone(),
                    title: saved.title.clone(),
                    description: saved.description.clone(),
                    parameters: saved
                        .parameters
                        .iter()
                        .map(|(name, rule)| SavedParameter {
                            name: name.clone(),
                            data_type: types.get(name).copied().map_or("text", saved::type_name).to_owned(),
                            description: rule.description.clone(),
                            example: rule.example.as_ref().map(saved::from_toml),
                            default: rule.default.as_ref().map(saved::from_toml),
                            values: rule.values.iter().map(saved::from_toml).collect(),
                            required: rule.default.is_none(),
                        })
                        .collect(),
                    totals: saved.totals.clone(),
                }
            })
            .collect();
        SavedQueries { queries }
    }

    /// A saved query; it passes the same guard.
    pub fn run_saved(
        &self,
        desk: &Desk,
        name: &str,
        parameters: &BTreeMap<String, Value>,
        limit: Option<u64>,
        cancel: &CancellationToken,
    ) -> Result<QueryResult, Error> {
        let open = || self.saved.values().filter(|saved| saved.is_open_to(&desk.role));
        let Some(saved) = open().find(|saved| saved.name == name) else {
            let near = crate::nearest(name, open().map(|saved| saved.name.as_str())).map(ToOwned::to_owned);
            return Err(Error::NoSaved { name: name.to_owned(), near });
        };
        let values = saved.values(parameters)?;
        let rows_max = rows_max(desk, limit);
        let checked = self.guard(desk, &saved.sql, saved.types(), Some(rows_max))?;
        // What a person typed may be personal, and a citation goes into reports and audit lines.
        let shown: Vec<(String, String)> =
            values.iter().map(|(name, (_, shown))| (name.clone(), saved.shown(name, shown))).collect();
        let listed: Vec<String> = shown.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let citation = format!("저장 질의 {name}({}) · {} 조회", listed.join(", "), today());
        let pairs: Vec<String> = shown.iter().map(|(name, value)| format!("{name}={}", percent(value))).collect();
        let uri = if pairs.is_empty() {
            format!("query://saved/{name}")
        } else {
            format!("query://saved/{name}?{}", pairs.join("&"))
        };
        let values = values.into_iter().map(|(name, (bound, _))| (name, bound)).collect();
        self.answer(desk, &checked, &values, rows_max, &saved.totals, (citation, uri), cancel)
    }

    /// Holds every saved query against every role that may run it.
    pub fn check_saved(&self) -> Result<usize, Error> {
        let mut checked = 0;
        for saved in self.saved.values() {
            for (role, desk) in &self.desks {
                if saved.is_open_to(role) {
                    let result = self.guard(desk, &saved.sql, saved.types(), None).map_err(|error| match error {
                        Error::Refused(refusal) => Error::Saved {
                            file: format!("{}.sql", saved.name),
                            message: format!("역할 {role}: {}", refusal.message),
                        },
                        other => other,
                    });
                    // A query that is open to everybody may name tables that some roles have not.
                    if saved.roles.is_some() {
                        result?;
                    } else if result.is_err() {
                        continue;
                    }
                    checked += 1;
                }
            }
        }
        Ok(checked)
    }

    /// What the account may do, for `doctor`.
    pub fn account(&self) -> Result<Vec<Finding>, Error> {
        self.store.account()
    }

    /// Tables that the database has and the policy says nothing of.
    pub fn tables_without_rule(&self) -> Vec<String> {
        let known = |name: &str| self.policy.rows.keys().any(|table| table.eq_ignore_ascii_case(name));
        self.schema.tables.iter().filter(|table| !known(&table.name)).map(|table| table.name.clone()).collect()
    }

    /// Open columns whose names sound personal; a person should look at them.
    pub fn suspicious_columns(&self) -> Vec<String> {
        const WORDS: [&str; 12] = [
            "rrn", "jumin", "resident", "ssn", "passport", "licen", "mobile", "phone", "email", "address", "birth",
            "card_no",
        ];
        let mut found = Vec::new();
        for table in &self.schema.tables {
            let people = ["customer", "client", "person", "member", "card", "account"];
            if !people.iter().any(|word| table.name.to_ascii_lowercase().contains(word)) {
                continue;
            }
            let masks = self
                .policy
                .masks
                .iter()
                .find(|(name, _)| name.eq_ignore_ascii_case(&table.name))
                .map(|(_, masks)| masks);
            for column in &table.columns {
                let masked =
                    masks.is_some_and(|masks| masks.keys().any(|name| name.eq_ignore_ascii_case(&column.name)));
                let hidden = self
                    .policy
                    .roles
                    .values()
                    .all(|role| role.tables_denied.iter().any(|name| name.eq_ignore_ascii_case(&table.name)));
                if !masked && !hidden && WORDS.iter().any(|word| column.name.to_ascii_lowercase().contains(word)) {
                    found.push(format!("{}.{}", table.name, column.name));
                }
            }
        }
        found
    }

    fn question<'q>(
        &self,
        desk: &Desk,
        checked: &'q Checked,
        parameters: &'q [Bound],
        cancel: &'q CancellationToken,
    ) -> Question<'q> {
        Question {
            sql: &checked.sql,
            parameters,
            timeout: Duration::from_millis(desk.rules.limits.statement_ms_max),
            cell_chars_max: usize::try_from(desk.rules.limits.cell_chars_max).unwrap_or(usize::MAX),
            cancel,
        }
    }

    #[expect(clippy::too_many_arguments, reason = "the one meeting point of a statement, its values and its citation")]
    fn answer(
        &self,
        desk: &Desk,
        checked: &Checked,
        values: &BTreeMap<String, Bound>,
        rows_max: u64,
        totals: &[String],
        (citation, uri): (String, String),
        cancel: &CancellationToken,
    ) -> Result<QueryResult, Error> {
        let started = Instant::now();
        let parameters = in_order(checked, values)?;
        let mut page = Page {
            rows_max: usize::try_from(rows_max).unwrap_or(usize::MAX),
            bytes_max: usize::try_from(desk.rules.limits.result_bytes_max).unwrap_or(usize::MAX),
            years: checked.columns.iter().map(|column| column.direct == Some(MaskKind::Year)).collect(),
            ..Page::default()
        };
        self.store.ask(&self.question(desk, checked, &parameters, cancel), &mut page)?;
        let columns = result_columns(checked, &page);
        let masked =
            columns.iter().filter(|column| column.masked.is_some()).map(|column| column.name.clone()).collect();
        let mut sums = BTreeMap::new();
        if !page.truncated {
            for name in totals {
                let position = columns.iter().position(|column| column.name.eq_ignore_ascii_case(name));
                let sum =
                    position.and_then(|position| value::total(page.rows.iter().filter_map(|row| row.get(position))));
                if let Some(sum) = sum {
                    sums.insert(name.clone(), sum.to_string());
                }
            }
        }
        Ok(QueryResult {
            columns,
            row_count: page.rows.len() as u64,
            rows: page.rows,
            totals: sums,
            truncated: page.truncated,
            masked,
            elapsed_ms: u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX),
            citation,
            uri,
        })
    }
}

/// An account that can write is one mistake away from writing.
fn refuse_writable(store: &Store) -> Result<(), Error> {
    match store.account()?.into_iter().find(|finding| !finding.good) {
        None => Ok(()),
        Some(finding) => Err(Error::Writable(format!(
            "데이터베이스 계정으로 쓸 수 있어 시작하지 않습니다({}).",
            finding.detail.lines().next().unwrap_or_default()
        ))),
    }
}

fn rows_max(desk: &Desk, limit: Option<u64>) -> u64 {
    limit.unwrap_or(u64::MAX).min(desk.rules.limits.rows_max).max(1)
}

fn bound(parameters: &BTreeMap<String, Value>) -> Result<BTreeMap<String, Bound>, Error> {
    parameters
        .iter()
        .map(|(name, value)| match saved::bind(value, saved::guess(value)) {
            Ok(bound) => Ok((name.clone(), bound)),
            Err(message) => Err(Error::Parameter { name: name.clone(), message, hint: None }),
        })
        .collect()
}

fn in_order(checked: &Checked, values: &BTreeMap<String, Bound>) -> Result<Vec<Bound>, Error> {
    checked.parameters.iter().map(|name| values.get(name).cloned().ok_or(Error::Internal)).collect()
}

fn has_tokens(policy: &Policy) -> bool {
    policy.masks.values().flat_map(BTreeMap::values).any(|(mask, _)| matches!(mask, Mask::Token { .. }))
}

pub(crate) fn dialect_name(dialect: Dialect) -> &'static str {
    match dialect {
        Dialect::Sqlite => "sqlite",
        Dialect::Postgres => "postgres",
        Dialect::MySql => "mysql",
    }
}

fn today() -> String {
    jiff::Zoned::now().date().to_string()
}

/// Writes a value into an address.
fn percent(value: &str) -> String {
    value.bytes().fold(String::with_capacity(value.len()), |mut text, byte| {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~') {
            text.push(char::from(byte));
        } else {
            text.push_str(&format!("%{byte:02X}"));
        }
        text
    })
}

/// A plan step without text literals.
fn without_literals(step: &str) -> String {
    let mut kept = String::with_capacity(step.len());
    let mut inside = false;
    for character in step.chars() {
        match character {
            '\'' => {
                if !inside {
                    kept.push_str("'…'");
                }
                inside = !inside;
            }
            _ if inside => {}
            other => kept.push(other),
        }
    }
    kept
}
