//! Why a document could not be read. What to tell a person about it is the caller's business.

/// A refusal to read a document; it never quotes the content.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DocumentError {
    #[error("documents of kind `{extension}` are not supported")]
    Unsupported { extension: String },
    #[error("document is damaged: {detail}")]
    Damaged { detail: &'static str },
    #[error("document is encrypted and needs a password")]
    PasswordRequired,
    #[error("document has no text")]
    NoText,
    #[error("document has {found} {what}, the limit is {max}")]
    TooLarge { what: &'static str, found: usize, max: usize },
}
