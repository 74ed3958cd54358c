//! Where the database, the policy and the saved queries are, and who asks.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::Error;

/// The section `[customers]`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// `sqlite:PATH`, `postgres://…` or `mysql://…`; a bare path is SQLite.
    pub database: Option<String>,
    pub policy: Option<PathBuf>,
    pub saved: Option<PathBuf>,
    pub role: Option<String>,
    /// The key of the pseudonyms; by environment only, a file should hold `key_file`.
    pub key: Option<String>,
    pub key_file: Option<PathBuf>,
    /// The database password; by environment only, a file should hold `password_file`.
    pub password: Option<String>,
    pub password_file: Option<PathBuf>,
    /// Start although the database account can write.
    pub allow_writable: bool,
    /// Connections at most.
    pub connections_max: Option<usize>,
}

/// Which database, by the URL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Location {
    Sqlite(PathBuf),
    Postgres(String),
    MySql(String),
}

impl Settings {
    /// Where the database is; relative paths are taken from `base`.
    pub fn location(&self, base: &Path) -> Result<Location, Error> {
        let Some(url) = &self.database else {
            return Err(Error::Settings {
                message: "고객 데이터베이스가 정해지지 않았습니다.".to_owned(),
                hint: Some("--database sqlite:bank.db 또는 haechi.toml의 [customers] database를 쓰세요.".to_owned()),
            });
        };
        if url.starts_with("postgres://") || url.starts_with("postgresql://") {
            return Ok(Location::Postgres(url.clone()));
        }
        if let Some(rest) = url.strip_prefix("mysql://").or_else(|| url.strip_prefix("mariadb://")) {
            return Ok(Location::MySql(format!("mysql://{rest}")));
        }
        let path = url.strip_prefix("sqlite://").or_else(|| url.strip_prefix("sqlite:")).unwrap_or(url);
        if path.contains("://") {
            return Err(Error::Settings {
                message: "데이터베이스 주소를 알 수 없습니다.".to_owned(),
                hint: Some("sqlite:경로, postgres://…, mysql://… 가운데 쓰세요.".to_owned()),
            });
        }
        Ok(Location::Sqlite(base.join(path)))
    }

    /// The key of the pseudonyms, when one is configured.
    pub fn token_key(&self, base: &Path) -> Result<Option<Vec<u8>>, Error> {
        secret(self.key.as_ref(), self.key_file.as_ref(), base).map(|key| key.map(String::into_bytes))
    }

    /// The password of the database account, when one is configured apart from the URL.
    pub fn database_password(&self, base: &Path) -> Result<Option<String>, Error> {
        secret(self.password.as_ref(), self.password_file.as_ref(), base)
    }
}

fn secret(value: Option<&String>, file: Option<&PathBuf>, base: &Path) -> Result<Option<String>, Error> {
    if let Some(value) = value {
        return Ok(Some(value.clone()));
    }
    let Some(file) = file else { return Ok(None) };
    let path = base.join(file);
    let text = std::fs::read_to_string(&path).map_err(|source| Error::Read { path, source })?;
    Ok(Some(text.trim_end_matches(['\r', '\n']).to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(url: &str, expected: &Location) {
        let settings = Settings { database: Some(url.to_owned()), ..Settings::default() };
        assert_eq!(&settings.location(Path::new("/base")).unwrap(), expected);
    }

    #[test]
    fn the_url_names_the_engine() {
        check("sqlite:bank.db", &Location::Sqlite("/base/bank.db".into()));
        check("sqlite:///data/bank.db", &Location::Sqlite("/data/bank.db".into()));
        check("bank.db", &Location::Sqlite("/base/bank.db".into()));
        check("mariadb://u@h/d", &Location::MySql("mysql://u@h/d".to_owned()));
        check("postgresql://u@h/d", &Location::Postgres("postgresql://u@h/d".to_owned()));
        let unknown = Settings { database: Some("oracle://x".to_owned()), ..Settings::default() };
        assert!(unknown.location(Path::new("/")).is_err());
    }
}
