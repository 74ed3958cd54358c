//! How a tool says no: a stable code for programs, a Korean message for people, and the next step.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::exit;

/// The stable codes of refusals. A code never changes its meaning; new ones are only added.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Code {
    /// An argument is missing, misspelt, of the wrong type or out of range.
    InvalidInput,
    /// The settings, the policy or another file of the operator is wrong.
    InvalidSettings,
    /// What was named does not exist.
    NotFound,
    /// What was named could mean several things; the message lists them.
    Ambiguous,
    /// The data is not there yet: no index, no database.
    NotReady,
    /// Stored data is damaged and cannot be trusted.
    Corrupt,
    /// Stored data was written by another version of the program.
    VersionMismatch,
    /// A document cannot be read: damaged or not what its name says.
    Unreadable,
    /// A document is encrypted and needs a password.
    PasswordRequired,
    /// A document has pages without text; it needs character recognition first.
    NoText,
    /// The kind of document or request is not supported.
    Unsupported,
    /// The answer or the input is larger than the limit.
    TooLarge,
    /// A statement or request is refused by a guard.
    Refused,
    /// The principal may not do this.
    Denied,
    /// A path leads outside the folders that were allowed.
    OutsideFolder,
    /// Somebody else holds the resource, or too many calls run at once.
    Busy,
    /// The work took longer than its limit and was stopped.
    Timeout,
    /// The caller cancelled.
    Cancelled,
    /// Something this program depends on (database, model, disk) does not answer.
    Unavailable,
    /// Our own fault; the log has the cause.
    Internal,
}

impl Code {
    /// Every code with the sentence that `docs/errors.md` shows for it.
    pub const ALL: &[(Code, &str)] = &[
        (Code::InvalidInput, "An argument is missing, misspelt, of the wrong type or out of range."),
        (Code::InvalidSettings, "The settings, the policy or another file of the operator is wrong."),
        (Code::NotFound, "What was named does not exist."),
        (Code::Ambiguous, "What was named could mean several things; the message lists them."),
        (Code::NotReady, "The data is not there yet: no index, no database."),
        (Code::Corrupt, "Stored data is damaged and cannot be trusted."),
        (Code::VersionMismatch, "Stored data was written by another version of the program."),
        (Code::Unreadable, "A document cannot be read: damaged or not what its name says."),
        (Code::PasswordRequired, "A document is encrypted and needs a password."),
        (Code::NoText, "A document has pages without text; it needs character recognition first."),
        (Code::Unsupported, "The kind of document or request is not supported."),
        (Code::TooLarge, "The answer or the input is larger than the limit."),
        (Code::Refused, "A statement or request is refused by a guard."),
        (Code::Denied, "The principal may not do this."),
        (Code::OutsideFolder, "A path leads outside the folders that were allowed."),
        (Code::Busy, "Somebody else holds the resource, or too many calls run at once."),
        (Code::Timeout, "The work took longer than its limit and was stopped."),
        (Code::Cancelled, "The caller cancelled."),
        (Code::Unavailable, "Something this program depends on does not answer."),
        (Code::Internal, "Our own fault; the log has the cause."),
    ];

    /// The code as it stands on the wire, e.g. `not_found`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::InvalidInput => "invalid_input",
            Self::InvalidSettings => "invalid_settings",
            Self::NotFound => "not_found",
            Self::Ambiguous => "ambiguous",
            Self::NotReady => "not_ready",
            Self::Corrupt => "corrupt",
            Self::VersionMismatch => "version_mismatch",
            Self::Unreadable => "unreadable",
            Self::PasswordRequired => "password_required",
            Self::NoText => "no_text",
            Self::Unsupported => "unsupported",
            Self::TooLarge => "too_large",
            Self::Refused => "refused",
            Self::Denied => "denied",
            Self::OutsideFolder => "outside_folder",
            Self::Busy => "busy",
            Self::Timeout => "timeout",
            Self::Cancelled => "cancelled",
            Self::Unavailable => "unavailable",
            Self::Internal => "internal",
        }
    }

    /// The exit code of a command that ends with this problem.
    pub fn exit(self) -> u8 {
        match self {
            Self::InvalidInput | Self::InvalidSettings => exit::USAGE,
            Self::Denied | Self::Refused | Self::OutsideFolder => exit::DENIED,
            Self::Unavailable | Self::Timeout => exit::UNREACHABLE,
            Self::Cancelled => exit::INTERRUPTED,
            Self::Internal => exit::INTERNAL,
            Self::NotFound
            | Self::Ambiguous
            | Self::NotReady
            | Self::Corrupt
            | Self::VersionMismatch
            | Self::Unreadable
            | Self::PasswordRequired
            | Self::NoText
            | Self::Unsupported
            | Self::TooLarge
            | Self::Busy => exit::FAILED,
        }
    }
}

impl std::fmt::Display for Code {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What a refused call answers: the structured content of a result with `isError`.
///
/// `message` and `hint` are Korean and hold no personal data, no file contents and no text of
/// another system's error.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Problem {
    pub code: Code,
    /// What is wrong and where, as one Korean sentence without a line break.
    pub message: String,
    /// The next step, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

impl Problem {
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), hint: None }
    }

    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The problem that a person sees for a fault of ours; the cause belongs in the log alone.
    pub fn internal() -> Self {
        Self::new(Code::Internal, "처리하다가 내부 오류가 났습니다")
            .with_hint("같은 요청이 되풀이해 실패하면 서버 로그를 관리자에게 보내 주십시오")
    }
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} [{}]", self.message, self.code)
    }
}

impl std::error::Error for Problem {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_is_listed_once_and_spelt_as_serde_spells_it() {
        let mut seen = std::collections::HashSet::new();
        for (code, explanation) in Code::ALL {
            assert!(seen.insert(code.as_str()), "{code} is listed twice");
            assert_eq!(serde_json::to_value(code).unwrap(), code.as_str());
            assert!(explanation.ends_with('.'));
        }
        // The compiler does not count the variants for us; the wire name of each must parse back.
        for (code, _) in Code::ALL {
            let back: Code = serde_json::from_value(code.as_str().into()).unwrap();
            assert_eq!(back, *code);
        }
    }

    #[test]
    fn the_reference_lists_every_code_with_its_exit() {
        let reference = include_str!("../../../docs/errors.md");
        for (code, explanation) in Code::ALL {
            let row = format!("| `{code}` | {explanation} | {} |", code.exit());
            assert!(reference.contains(&row), "docs/errors.md lacks the row: {row}");
        }
    }
}
