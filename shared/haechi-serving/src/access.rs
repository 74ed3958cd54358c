//! Who may ask, and which tools they may use.
//!
//! Over HTTP a caller proves who it is with a bearer token, whose hash stands in a file; over
//! stdio the operating system has proved it already and the environment says the roles. Roles then
//! decide the tools. Invariant: a caller who may not use a tool cannot tell it from one that does
//! not exist.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

use haechi_contract::{Code, Problem};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq as _;

use crate::files::stamp;
use crate::{Principal, io_reason};

/// The prefix by which people and secret scanners know a token of ours.
const TOKEN_PREFIX: &str = "haechi_";
/// Bytes of randomness in a token: beyond guessing, so that a fast hash is enough to keep it.
const TOKEN_BYTES: usize = 32;
/// A file that somebody else wrote is not read without bound.
const FILE_BYTES_MAX: u64 = 4 * 1_048_576;

/// The section `[access]` of the settings.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct AccessSettings {
    /// The file of token hashes, relative to the settings file. Without it HTTP asks for nothing
    /// and serves this computer alone.
    pub(crate) tokens: Option<PathBuf>,
}

/// The file of token hashes that `settings` name, where they name one.
///
/// # Errors
///
/// A mistake in the section `[access]`.
pub fn token_file(settings: &crate::settings::SettingsFile) -> Result<Option<PathBuf>, Problem> {
    let access: AccessSettings = settings.section("access", toml::Table::new())?;
    Ok(access.tokens.map(|path| settings.base().join(path)))
}

/// One entry of the section `[roles]`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Role {
    /// Tool names, where `*` at the end stands for any ending; all tools where absent.
    pub(crate) tools: Option<Vec<String>>,
}

/// The section `[roles]`: what each role may use.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(transparent)]
pub(crate) struct Roles(BTreeMap<String, Role>);

impl Roles {
    /// Whether `principal` may use `tool`. Where no role is defined at all, everybody may.
    pub(crate) fn allow(&self, principal: &Principal, tool: &str) -> bool {
        if self.0.is_empty() {
            return true;
        }
        principal.roles.iter().filter_map(|name| self.0.get(name)).any(|role| match &role.tools {
            None => true,
            Some(patterns) => patterns.iter().any(|pattern| match pattern.strip_suffix('*') {
                Some(beginning) => tool.starts_with(beginning),
                None => tool == pattern,
            }),
        })
    }
}

/// One token as its file keeps it: everything but the token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Token {
    /// A name for people, by which it is listed and revoked.
    pub id: String,
    /// SHA-256 of the token, in hexadecimal.
    pub sha256: String,
    /// Whom the audit names.
    pub principal: String,
    pub roles: Vec<String>,
    pub created: String,
    /// From this moment on it is worth nothing.
    pub expires: String,
}

/// The file of token hashes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TokenFile {
    #[serde(rename = "token")]
    pub tokens: Vec<Token>,
}

impl TokenFile {
    /// Reads `path`; a file that is not there has no tokens.
    ///
    /// # Errors
    ///
    /// A file that cannot be read or is not a token file.
    pub fn read(path: &Path) -> Result<Self, Problem> {
        let problem = |why: &str| {
            Problem::new(Code::InvalidSettings, format!("토큰 파일을 읽을 수 없습니다: {} ({why})", path.display()))
                .with_hint("파일의 권한을 확인하십시오. 내용은 `haechi token` 명령으로만 고치십시오")
        };
        match std::fs::metadata(path) {
            Ok(metadata) if metadata.len() > FILE_BYTES_MAX => return Err(problem("너무 큽니다")),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Self::default()),
            _ => {}
        }
        let text = std::fs::read_to_string(path).map_err(|error| problem(io_reason(&error)))?;
        // The parser's own message would quote the file.
        toml::from_str(&text).map_err(|_| problem("형식이 맞지 않습니다"))
    }

    /// Makes a token, keeps its hash, and answers the token itself, which is shown once and never
    /// kept.
    ///
    /// # Errors
    ///
    /// An id that is taken, or an operating system without randomness.
    pub fn create(
        &mut self,
        id: &str,
        principal: &str,
        roles: Vec<String>,
        now: Timestamp,
        expires: Timestamp,
    ) -> Result<String, Problem> {
        if self.tokens.iter().any(|token| token.id == id) {
            return Err(Problem::new(Code::InvalidInput, format!("`{id}`라는 토큰이 이미 있습니다"))
                .with_hint("다른 이름을 쓰거나 먼저 폐기하십시오"));
        }
        let mut bytes = [0_u8; TOKEN_BYTES];
        getrandom::fill(&mut bytes).map_err(|_| Problem::internal())?;
        let token = format!("{TOKEN_PREFIX}{}", hexadecimal(&bytes));
        self.tokens.push(Token {
            id: id.to_owned(),
            sha256: hexadecimal(&Sha256::digest(token.as_bytes())),
            principal: principal.to_owned(),
            roles,
            created: now.to_string(),
            expires: expires.to_string(),
        });
        Ok(token)
    }

    /// Removes the token `id`; answers whether there was one.
    pub fn revoke(&mut self, id: &str) -> bool {
        let before = self.tokens.len();
        self.tokens.retain(|token| token.id != id);
        self.tokens.len() < before
    }

    /// Writes the file beside its place, synchronised, and renames it; only the owner may read it.
    ///
    /// # Errors
    ///
    /// Where it cannot be written.
    pub fn write(&self, path: &Path) -> Result<(), Problem> {
        let problem = |error: std::io::Error| {
            Problem::new(
                Code::Unavailable,
                format!("토큰 파일을 쓸 수 없습니다: {} ({})", path.display(), io_reason(&error)),
            )
            .with_hint("폴더가 있는지와 권한을 확인하십시오")
        };
        let text = toml::to_string(self).map_err(|_| Problem::internal())?;
        crate::write_file(path, text.as_bytes(), Some(0o600)).map_err(problem)
    }

    /// The principal whose token `given` is, unless it has expired at `now`.
    ///
    /// Every hash is compared in full, so that the time tells nothing of which one was near.
    fn principal(&self, given: &str, now: Timestamp) -> Option<Principal> {
        let given = hexadecimal(&Sha256::digest(given.as_bytes()));
        let mut found = None;
        for token in &self.tokens {
            if bool::from(token.sha256.as_bytes().ct_eq(given.as_bytes())) {
                found = Some(token);
            }
        }
        let token = found?;
        // A date that cannot be read is a date that has passed.
        let valid = token.expires.parse::<Timestamp>().is_ok_and(|expires| now < expires);
        valid.then(|| Principal { name: token.principal.clone(), roles: token.roles.clone() })
    }
}

/// The tokens a server accepts, following the file as it changes.
pub(crate) struct Tokens {
    path: PathBuf,
    kept: Mutex<Kept>,
}

struct Kept {
    stamp: Option<(SystemTime, u64)>,
    file: TokenFile,
}

impl Tokens {
    /// # Errors
    ///
    /// A file that cannot be read.
    pub(crate) fn open(path: PathBuf) -> Result<Self, Problem> {
        // The stamp comes first: a change in between is then noticed at the next request.
        let stamp = stamp(&path);
        let kept = Mutex::new(Kept { stamp, file: TokenFile::read(&path)? });
        Ok(Self { path, kept })
    }

    /// The principal of an `Authorization` header's value.
    pub(crate) fn authenticate(&self, header: Option<&str>) -> Option<Principal> {
        let (scheme, token) = header?.split_once(' ')?;
        if !scheme.eq_ignore_ascii_case("bearer") {
            return None;
        }
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let now = stamp(&self.path);
        if kept.stamp != now {
            match TokenFile::read(&self.path) {
                Ok(file) => *kept = Kept { stamp: now, file },
                // Whoever broke the file must not thereby open or keep open a door.
                Err(_) => {
                    tracing::error!("the token file cannot be read; every token is refused until it can");
                    *kept = Kept { stamp: None, file: TokenFile::default() };
                }
            }
        }
        kept.file.principal(token.trim(), Timestamp::now())
    }
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn principal(roles: &[&str]) -> Principal {
        Principal { name: "tester".to_owned(), roles: roles.iter().map(|role| (*role).to_owned()).collect() }
    }

    #[test]
    fn roles_decide_tools_by_name_or_beginning() {
        let roles: Roles =
            toml::from_str("analyst = { tools = [\"search_*\", \"get_article\"] }\nadmin = {}\n").unwrap();
        let check = |held: &[&str], tool: &str, expected: bool| {
            assert_eq!(roles.allow(&principal(held), tool), expected, "{held:?} {tool}");
        };
        check(&["analyst"], "search_regulations", true);
        check(&["analyst"], "get_article", true);
        check(&["analyst"], "get_articles", false);
        check(&["analyst"], "query_customers", false);
        check(&["admin"], "query_customers", true);
        check(&["unknown"], "search_regulations", false);
        check(&[], "search_regulations", false);
        assert!(Roles::default().allow(&principal(&[]), "anything"), "no roles are defined, so none are asked for");
    }

    #[test]
    fn a_token_opens_until_it_expires_or_is_revoked() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("토큰.toml");
        let now: Timestamp = "2026-11-22T00:00:00Z".parse().unwrap();
        let expires: Timestamp = "2026-12-22T00:00:00Z".parse().unwrap();
        let mut file = TokenFile::default();
        let token = file.create("kim", "kim@haechi", vec!["analyst".to_owned()], now, expires).unwrap();
        file.create("lee", "lee@haechi", Vec::new(), now, expires).unwrap();
        assert!(file.create("kim", "other", Vec::new(), now, expires).is_err(), "an id is taken once");
        file.write(&path).unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(!text.contains(&token) && !text.contains(TOKEN_PREFIX), "the token itself is never kept");
        let mut read = TokenFile::read(&path).unwrap();
        assert_eq!(read, file);
        assert_eq!(read.principal(&token, now).unwrap().name, "kim@haechi");
        assert_eq!(read.principal(&token, expires), None);
        assert_eq!(read.principal("haechi_0", now), None);
        assert!(read.revoke("kim"));
        assert_eq!(read.principal(&token, now), None);
    }
}
