//! Why a step or a run did not do its job: a code for programs, Korean for people, an exit code.

use haechi_contract::{Problem, exit};
use haechi_serving::Failure;
use serde::{Deserialize, Serialize};

/// A problem of any server or of our own. Unlike [`Problem`], its code may be a stranger's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Trouble {
    pub code: String,
    pub message: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    pub exit: u8,
}

impl Trouble {
    pub(crate) fn failed(code: &str, message: impl Into<String>) -> Self {
        Self { code: code.to_owned(), message: message.into(), hint: None, exit: exit::FAILED }
    }

    pub(crate) fn unreachable(message: impl Into<String>) -> Self {
        Self { code: "unavailable".to_owned(), message: message.into(), hint: None, exit: exit::UNREACHABLE }
    }

    pub(crate) fn timeout(message: impl Into<String>) -> Self {
        Self { code: "timeout".to_owned(), message: message.into(), hint: None, exit: exit::UNREACHABLE }
    }

    pub(crate) fn denied(message: impl Into<String>) -> Self {
        Self { code: "denied".to_owned(), message: message.into(), hint: None, exit: exit::DENIED }
    }

    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self { code: "invalid_input".to_owned(), message: message.into(), hint: None, exit: exit::USAGE }
    }

    #[must_use]
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Tells a person and ends with the right code.
    pub(crate) fn into_failure(self) -> Failure {
        crate::ui::error(&self.message, Some(&self.code), self.hint.as_deref());
        Failure::silent(self.exit)
    }
}

impl From<Problem> for Trouble {
    fn from(problem: Problem) -> Self {
        Self {
            code: problem.code.as_str().to_owned(),
            message: problem.message,
            hint: problem.hint,
            exit: problem.code.exit(),
        }
    }
}

impl std::fmt::Display for Trouble {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} [{}]", self.message, self.code)
    }
}

impl std::error::Error for Trouble {}
