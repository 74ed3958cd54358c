//! The databases: one way to ask, whatever stands behind it.

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
}

impl Store {
    pub(crate) fn open(location: &Location, key: TokenKey, connections_max: usize) -> Result<Self, Error> {
        match location {
            Location::Sqlite(path) => Ok(Self::Sqlite(sqlite::Sqlite::open(path, key, connections_max)?)),
            Location::Postgres(_) | Location::MySql(_) => Err(Error::Settings {
                message: "이 데이터베이스는 아직 지원하지 않습니다.".to_owned(),
                hint: Some("sqlite:경로를 쓰세요.".to_owned()),
            }),
        }
    }

    pub(crate) fn dialect(&self) -> Dialect {
        match self {
            Self::Sqlite(_) => Dialect::Sqlite,
        }
    }

    pub(crate) fn schema(&self) -> Result<Schema, Error> {
        match self {
            Self::Sqlite(store) => store.schema(),
        }
    }

    /// Runs a checked statement.
    pub(crate) fn ask(&self, question: &Question<'_>, sink: &mut dyn Sink) -> Result<(), Error> {
        match self {
            Self::Sqlite(store) => store.ask(question, sink),
        }
    }

    /// What the account may do, for `doctor`.
    pub(crate) fn account(&self) -> Result<Vec<Finding>, Error> {
        match self {
            Self::Sqlite(store) => store.account(),
        }
    }

    /// The plan of a checked statement, without running it.
    pub(crate) fn plan(&self, question: &Question<'_>) -> Result<Plan, Error> {
        match self {
            Self::Sqlite(store) => store.plan(question),
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
