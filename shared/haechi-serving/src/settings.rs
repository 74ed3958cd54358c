//! Settings in layers: flags over environment over `haechi.toml` over defaults.
//!
//! Every layer is checked by itself before the layers are merged, so that a mistake is reported
//! where it was made: with file, line and column, or with the name of the variable. The
//! environment is read here and nowhere else.

use std::ops::Range;
use std::path::{Path, PathBuf};

use haechi_contract::{Code, Problem};
use serde::de::DeserializeOwned;
use toml::de::{DeTable, ValueDeserializer};

use crate::io_reason;
use crate::service::nearest;

/// The name of the settings file that is searched for.
pub const FILE_NAME: &str = "haechi.toml";

/// The sections that a settings file may have; each program checks its own and passes the others.
const SECTIONS: &[&str] = &[
    "access",
    "audit",
    "customers",
    "http",
    "limits",
    "models",
    "policy",
    "profile",
    "regulations",
    "retrieval",
    "roles",
    "runs",
    "servers",
    "tables",
    "tls",
];

/// A settings file that was found, or none.
#[derive(Debug, Clone, Default)]
pub struct SettingsFile {
    path: Option<PathBuf>,
    text: String,
}

impl SettingsFile {
    /// Reads `explicit`, or searches [`FILE_NAME`] upward from each of `from` in turn, then in the
    /// user's configuration folder.
    ///
    /// # Errors
    ///
    /// A file that is named and missing, cannot be read, is not TOML, or has an unknown section.
    pub fn find(explicit: Option<&Path>, from: &[PathBuf]) -> Result<Self, Problem> {
        let path = match explicit {
            Some(path) => Some(absolute(path)),
            None => from.iter().find_map(|folder| search_upward(&absolute(folder))).or_else(user_file),
        };
        let Some(path) = path else { return Ok(Self::default()) };
        let text = std::fs::read_to_string(&path).map_err(|error| {
            Problem::new(
                Code::InvalidSettings,
                format!("설정 파일을 읽을 수 없습니다: {} ({})", path.display(), io_reason(&error)),
            )
            .with_hint("--config에 적은 경로와 파일의 권한, UTF-8 인코딩을 확인하십시오")
        })?;
        let file = Self { path: Some(path), text };
        file.check_sections()?;
        Ok(file)
    }

    /// The file's path, absolute, where there is a file.
    pub fn path(&self) -> Option<&Path> {
        self.path.as_deref()
    }

    /// The folder that relative paths in the file refer to: the file's own, or the working
    /// directory where there is no file.
    pub fn base(&self) -> PathBuf {
        match self.path.as_deref().and_then(Path::parent) {
            Some(folder) => folder.to_owned(),
            None => absolute(Path::new(".")),
        }
    }

    /// The settings of `section`: `flags` over the environment over the file over `T`'s defaults.
    ///
    /// `T` must have a default for every field, refuse unknown fields, and take a relative path as
    /// relative to [`SettingsFile::base`].
    ///
    /// # Errors
    ///
    /// The first mistake, with its place.
    pub fn section<T: DeserializeOwned>(&self, section: &str, flags: toml::Table) -> Result<T, Problem> {
        self.section_with(section, flags, &environment(section))
    }

    fn section_with<T: DeserializeOwned>(
        &self,
        section: &str,
        flags: toml::Table,
        environment: &[(String, String)],
    ) -> Result<T, Problem> {
        let mut merged = toml::Table::new();
        if let Some(table) = self.check_section::<T>(section)? {
            merged = table;
        }
        for (name, raw) in environment {
            let key = name.trim_start_matches(&prefix(section)).to_ascii_lowercase();
            merged.insert(key.clone(), from_environment::<T>(name, &key, raw)?);
        }
        for (key, value) in flags {
            merged.insert(key, value);
        }
        toml::Value::Table(merged).try_into().map_err(|error: toml::de::Error| {
            Problem::new(Code::InvalidSettings, format!("`{section}` 설정이 맞지 않습니다: {}", error.message()))
        })
    }

    fn check_sections(&self) -> Result<(), Problem> {
        let document = DeTable::parse(&self.text).map_err(|error| self.mistake(&error, None))?;
        for (key, _) in document.get_ref() {
            if !SECTIONS.contains(&key.get_ref().as_ref()) {
                let name = key.get_ref();
                let hint = match nearest(name, SECTIONS.iter().copied()) {
                    Some(near) => format!("`[{near}]`를 쓰려던 것입니까?"),
                    None => format!("쓸 수 있는 절: {}", SECTIONS.join(", ")),
                };
                let problem = Problem::new(
                    Code::InvalidSettings,
                    format!("{}: `[{name}]`이라는 절은 없습니다", self.place(key.span())),
                );
                return Err(problem.with_hint(hint));
            }
        }
        Ok(())
    }

    /// The section as a table, after checking that it alone is right.
    fn check_section<T: DeserializeOwned>(&self, section: &str) -> Result<Option<toml::Table>, Problem> {
        let mut document = DeTable::parse(&self.text).map_err(|error| self.mistake(&error, None))?.into_inner();
        let Some((_, value)) = document.remove_entry(section) else { return Ok(None) };
        T::deserialize(ValueDeserializer::from(value)).map_err(|error| self.mistake(&error, Some(section)))?;
        let mut table: toml::Table = toml::from_str(&self.text).map_err(|error| self.mistake(&error, None))?;
        match table.remove(section) {
            Some(toml::Value::Table(table)) => Ok(Some(table)),
            _ => Ok(None),
        }
    }

    fn mistake(&self, error: &toml::de::Error, section: Option<&str>) -> Problem {
        let place = self.place(error.span().unwrap_or_default());
        mistake(&place, error.message(), section)
    }

    /// `path:line:column` of a byte range of the file.
    fn place(&self, span: Range<usize>) -> String {
        let path = self.path.as_deref().unwrap_or(Path::new(FILE_NAME)).display();
        let (line, column) = line_and_column(&self.text, span.start);
        format!("{path}:{line}:{column}")
    }
}

/// The line and the column, in characters and from 1, of the byte `offset` of `text`.
pub fn line_and_column(text: &str, offset: usize) -> (usize, usize) {
    let before = text.get(..offset).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    (line, column)
}

/// A serde message about a setting in our words.
fn mistake(place: &str, message: &str, section: Option<&str>) -> Problem {
    let mut quoted = message.split('`').skip(1).step_by(2);
    if message.starts_with("unknown field") {
        let key = quoted.next().unwrap_or_default();
        let known: Vec<&str> = quoted.collect();
        let hint = match nearest(key, known.iter().copied()) {
            Some(near) => format!("`{near}`을(를) 쓰려던 것입니까?"),
            None => format!("쓸 수 있는 설정: {}", known.join(", ")),
        };
        let within = section.map(|section| format!("`[{section}]`에 ")).unwrap_or_default();
        return Problem::new(Code::InvalidSettings, format!("{place}: {within}`{key}`라는 설정은 없습니다"))
            .with_hint(hint);
    }
    let message = message.lines().next().unwrap_or_default();
    Problem::new(Code::InvalidSettings, format!("{place}: 설정을 읽을 수 없습니다: {message}"))
        .with_hint("그 줄의 값과 따옴표, 형식을 고치십시오")
}

fn prefix(section: &str) -> String {
    format!("HAECHI_{}_", section.to_ascii_uppercase())
}

/// The variables `HAECHI_<SECTION>_<KEY>`, sorted by name. A value that is not UTF-8 is passed over.
fn environment(section: &str) -> Vec<(String, String)> {
    let prefix = prefix(section);
    let mut found: Vec<(String, String)> = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        // An empty value is how many launchers say that a variable is not set.
        .filter(|(name, value)| name.starts_with(&prefix) && !value.is_empty())
        .collect();
    found.sort();
    found
}

/// One variable of the environment, or `None` where it is unset, empty or not UTF-8.
pub fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// A variable's value as the kind of value that `T` takes under `key`.
fn from_environment<T: DeserializeOwned>(name: &str, key: &str, raw: &str) -> Result<toml::Value, Problem> {
    let string = toml::Value::String(raw.to_owned());
    // A list may be written as `a:b`, as paths are everywhere else; an address has colons of its own
    // and is one entry, and several are written as in the file: `["…", "…"]`.
    let list = toml::Value::Array(match raw.contains("://") {
        true => vec![string.clone()],
        false => raw.split(':').map(|part| toml::Value::String(part.to_owned())).collect(),
    });
    let typed =
        toml::from_str::<toml::Table>(&format!("value = {raw}")).ok().and_then(|mut table| table.remove("value"));
    let mut first_error = None;
    for candidate in [Some(string), typed, Some(list)].into_iter().flatten() {
        let table = toml::Table::from_iter([(key.to_owned(), candidate.clone())]);
        match toml::Value::Table(table).try_into::<T>() {
            Ok(_) => return Ok(candidate),
            Err(error) => first_error = first_error.or(Some(error)),
        }
    }
    let message = first_error.as_ref().map_or("", |error| error.message());
    Err(mistake(name, message, None))
}

fn search_upward(folder: &Path) -> Option<PathBuf> {
    folder.ancestors().map(|folder| folder.join(FILE_NAME)).find(|path| path.is_file())
}

fn user_file() -> Option<PathBuf> {
    let folder = match variable("XDG_CONFIG_HOME") {
        Some(folder) => PathBuf::from(folder),
        None => PathBuf::from(variable("HOME")?).join(".config"),
    };
    Some(folder.join("haechi").join(FILE_NAME)).filter(|path| path.is_file())
}

/// The folder for state that is not the user's own work, e.g. audit files of a server that was
/// started without a settings file.
pub(crate) fn state_folder() -> Option<PathBuf> {
    let folder = match variable("XDG_STATE_HOME") {
        Some(folder) => PathBuf::from(folder),
        None => PathBuf::from(variable("HOME")?).join(".local/state"),
    };
    Some(folder.join("haechi"))
}

fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Default, Deserialize, PartialEq)]
    #[serde(deny_unknown_fields, default)]
    struct Settings {
        data: Option<PathBuf>,
        sources: Vec<String>,
        hits_max: Option<u32>,
    }

    fn file(text: &str) -> SettingsFile {
        SettingsFile { path: Some(PathBuf::from("/settings/haechi.toml")), text: text.to_owned() }
    }

    #[track_caller]
    fn check_refused(text: &str, message: &str, hint: &str) {
        let file = file(text);
        let problem = file
            .check_sections()
            .and_then(|()| file.section_with::<Settings>("regulations", toml::Table::new(), &[]).map(|_| ()))
            .unwrap_err();
        assert_eq!(problem.code, Code::InvalidSettings);
        assert_eq!(problem.message, message);
        assert_eq!(problem.hint.as_deref().unwrap_or_default(), hint);
    }

    #[test]
    fn a_mistake_is_shown_at_its_line_with_the_nearest_name() {
        check_refused(
            "[regulations]\ndata = \"x\"\n  datta = 1\n",
            "/settings/haechi.toml:3:3: `[regulations]`에 `datta`라는 설정은 없습니다",
            "`data`을(를) 쓰려던 것입니까?",
        );
        check_refused(
            "[regulation]\n",
            "/settings/haechi.toml:1:2: `[regulation]`이라는 절은 없습니다",
            "`[regulations]`를 쓰려던 것입니까?",
        );
        check_refused(
            "[regulations]\nhits_max = \"many\"\n",
            "/settings/haechi.toml:2:12: 설정을 읽을 수 없습니다: invalid type: string \"many\", expected u32",
            "그 줄의 값과 따옴표, 형식을 고치십시오",
        );
    }

    #[test]
    fn flags_win_over_environment_over_file_over_defaults() {
        let file = file("[regulations]\ndata = \"from-file\"\nhits_max = 3\nsources = [\"a\"]\n");
        let environment = [
            ("HAECHI_REGULATIONS_HITS_MAX".to_owned(), "7".to_owned()),
            ("HAECHI_REGULATIONS_SOURCES".to_owned(), "b:c".to_owned()),
        ];
        let flags = toml::Table::from_iter([("data".to_owned(), "from-flag".into())]);
        let settings: Settings = file.section_with("regulations", flags, &environment).unwrap();
        let expected = Settings {
            data: Some("from-flag".into()),
            sources: vec!["b".to_owned(), "c".to_owned()],
            hits_max: Some(7),
        };
        assert_eq!(settings, expected);
    }

    #[test]
    fn a_misspelt_variable_is_refused_by_name() {
        let environment = [("HAECHI_REGULATIONS_DATTA".to_owned(), "x".to_owned())];
        let problem = file("").section_with::<Settings>("regulations", toml::Table::new(), &environment).unwrap_err();
        assert_eq!(problem.message, "HAECHI_REGULATIONS_DATTA: `datta`라는 설정은 없습니다");
    }

    #[test]
    fn a_named_file_that_is_missing_is_an_error_and_a_searched_one_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let missing = folder.path().join("설정/haechi.toml");
        assert_eq!(SettingsFile::find(Some(&missing), &[]).unwrap_err().code, Code::InvalidSettings);
        std::fs::create_dir_all(folder.path().join("가/나")).unwrap();
        std::fs::write(folder.path().join("haechi.toml"), "[limits]\n").unwrap();
        let found = SettingsFile::find(None, &[folder.path().join("가/나")]).unwrap();
        assert_eq!(found.base(), folder.path());
    }
}
