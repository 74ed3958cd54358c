//! The databases: one way to ask, whatever stands behind it.

mod mysql;
mod postgres;
mod remote;
mod sqlite;

use std::time::Duration;

use haechi_sql::Dialect;
use serde_json::Value;

use crate::commands::Finding;
use crate::masks::TokenKey;
use crate::schema::Schema;
use crate::settings::Location;
use crate::{CancellationToken, Error};

/// A value that is bound to a statement.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Bound {
    Null,
    Integer(i64),
    Boolean(bool),
    /// Text, dates and decimals, as they are written.
    Text(String),
    /// A decimal where the database has no type for it.
    Real(f64),
}

/// One statement that the guard let through, with its values and its bounds.
pub(crate) struct Question<'a> {
    pub sql: &'a str,
    pub parameters: &'a [Bound],
    pub timeout: Duration,
    pub cell_chars_max: usize,
    pub cancel: &'a CancellationToken,
}

/// Takes the rows one by one; answers whether it wants more.
pub(crate) trait Sink {
    /// Names and type words, before the first row. The word is empty where only the cells say it.
    fn columns(&mut self, columns: Vec<(String, String)>);
    fn row(&mut self, row: Vec<Value>) -> bool;
}

/// A database that only answers.
pub(crate) enum Store {
    Sqlite(sqlite::Sqlite),
    Postgres(postgres::Postgres),
    MySql(mysql::MySql),
}

impl Store {
    pub(crate) fn open(
        location: &Location,
        password: Option<&str>,
        key: TokenKey,
        connections_max: usize,
    ) -> Result<Self, Error> {
        Ok(match location {
            Location::Sqlite(path) => Self::Sqlite(sqlite::Sqlite::open(path, key, connections_max)?),
            Location::Postgres(url) => Self::Postgres(postgres::Postgres::open(url, password, &key, connections_max)?),
            Location::MySql(url) => Self::MySql(mysql::MySql::open(url, password, &key, connections_max)?),
        })
    }

    pub(crate) fn dialect(&self) -> Dialect {
        match self {
            Self::Sqlite(_) => Dialect::Sqlite,
            Self::Postgres(_) => Dialect::Postgres,
            Self::MySql(_) => Dialect::MySql,
        }
    }

    pub(crate) fn schema(&self) -> Result<Schema, Error> {
        match self {
            Self::Sqlite(store) => store.schema(),
            Self::Postgres(store) => store.schema(),
            Self::MySql(store) => store.schema(),
        }
    }

    /// Runs a checked statement.
    pub(crate) fn ask(&self, question: &Question<'_>, sink: &mut (dyn Sink + Send)) -> Result<(), Error> {
        match self {
            Self::Sqlite(store) => store.ask(question, sink),
            Self::Postgres(store) => store.ask(question, sink),
            Self::MySql(store) => store.ask(question, sink),
        }
    }

    /// What the account may do, for `doctor` and for the start.
    pub(crate) fn account(&self) -> Result<Vec<Finding>, Error> {
        match self {
            Self::Sqlite(store) => store.account(),
            Self::Postgres(store) => store.account(),
            Self::MySql(store) => store.account(),
        }
    }

    /// The plan of a checked statement, without running it.
    pub(crate) fn plan(&self, question: &Question<'_>) -> Result<Plan, Error> {
        match self {
            Self::Sqlite(store) => store.plan(question),
            Self::Postgres(store) => store.plan(question),
            Self::MySql(store) => store.plan(question),
        }
    }
}

/// What the planner says.
#[derive(Debug, Clone, Default)]
pub(crate) struct Plan {
    pub steps: Vec<String>,
    pub cost: Option<f64>,
    pub rows: Option<u64>,
}

/// The dialect of a location, before it is opened.
pub(crate) fn dialect_of(location: &Location) -> Dialect {
    match location {
        Location::Sqlite(_) => Dialect::Sqlite,
        Location::Postgres(_) => Dialect::Postgres,
        Location::MySql(_) => Dialect::MySql,
    }
}
