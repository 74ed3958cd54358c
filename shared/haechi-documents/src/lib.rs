//! Bytes of a document to structured text with positions.
//!
//! Every reader gives the same [`Document`]: the decoded text once, and blocks (headings,
//! paragraphs, list items, tables, page breaks) that point into it. What reads documents here knows
//! nothing of passages, articles or tables of figures; those are decided by who asked.
//!
//! Invariant: no file is opened here and nothing is fetched. A document is untrusted input, so
//! sizes are limited, damage is an error and never a panic, and characters that a reader cannot
//! see are gone before the text leaves this crate.

pub mod block;
pub mod decode;
mod docx;
pub mod error;
pub mod front_matter;
mod html;
mod lines;
mod markdown;
mod pages;
pub mod pdf;
pub mod text;

pub use block::{Block, BlockKind, Table};
pub use error::DocumentError;
pub use front_matter::FrontMatter;

/// Goes up whenever the same bytes may give other blocks, so that an index knows it is stale.
pub const READER_VERSION: u32 = 2;

/// How large a document may be; what is larger is refused, not cut, since half a rule misleads.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    pub bytes_max: usize,
    pub blocks_max: usize,
    /// Bytes that a compressed document may unpack to, against archives made to explode.
    pub unpacked_bytes_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { bytes_max: 64 << 20, blocks_max: 1_000_000, unpacked_bytes_max: 256 << 20 }
    }
}

/// What a file name says about its content.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Format {
    Markdown,
    Text,
    Docx,
    Html,
    Pdf,
}

impl Format {
    /// Tells the format by the name's extension; nothing for kinds that this crate cannot read.
    pub fn of_name(name: &str) -> Option<Self> {
        let (_, extension) = name.rsplit_once('.')?;
        match extension.to_ascii_lowercase().as_str() {
            "md" | "markdown" => Some(Self::Markdown),
            "txt" | "text" => Some(Self::Text),
            "docx" => Some(Self::Docx),
            "html" | "htm" | "xhtml" => Some(Self::Html),
            "pdf" => Some(Self::Pdf),
            _ => None,
        }
    }

    /// The name of the format as indexes and filters show it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Markdown => "markdown",
            Self::Text => "text",
            Self::Docx => "docx",
            Self::Html => "html",
            Self::Pdf => "pdf",
        }
    }
}

/// A document as every reader gives it.
#[derive(Debug, Clone)]
pub struct Document {
    pub format: Format,
    /// The title that the document itself gives, from its head or its first heading.
    pub title: Option<String>,
    pub front_matter: FrontMatter,
    /// The decoded text that the spans of the blocks point into.
    pub text: String,
    pub blocks: Vec<Block>,
    /// What the text was encoded in, for people who wonder about broken letters.
    pub encoding: &'static str,
}

/// Reads a document; the name only says which reader it is for.
pub fn read(name: &str, bytes: &[u8], limits: &Limits) -> Result<Document, DocumentError> {
    let format = Format::of_name(name).ok_or_else(|| DocumentError::Unsupported {
        extension: name.rsplit_once('.').map(|(_, extension)| extension.to_ascii_lowercase()).unwrap_or_default(),
    })?;
    if limits.bytes_max < bytes.len() {
        return Err(DocumentError::TooLarge { what: "bytes", found: bytes.len(), max: limits.bytes_max });
    }
    let document = match format {
        Format::Markdown => markdown::read(bytes)?,
        Format::Text => text::read(bytes)?,
        Format::Docx => docx::read(bytes, limits)?,
        Format::Html => html::read(bytes)?,
        Format::Pdf => pages::read(bytes, limits.bytes_max)?,
    };
    if limits.blocks_max < document.blocks.len() {
        return Err(DocumentError::TooLarge { what: "blocks", found: document.blocks.len(), max: limits.blocks_max });
    }
    if document.blocks.iter().all(Block::is_blank) {
        return Err(DocumentError::NoText);
    }
    Ok(document)
}
