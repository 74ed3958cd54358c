//! The pieces that a document consists of, in reading order.

use std::ops::Range;

/// One piece of a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Block {
    pub kind: BlockKind,
    /// The text as a reader sees it, without markup. Lines are kept where they carry structure.
    pub text: String,
    /// The bytes of [`crate::Document::text`] that this block was read from.
    pub span: Range<usize>,
    /// One-based, where the format has pages.
    pub page: Option<u32>,
}

/// What a block is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BlockKind {
    /// A heading, level 1 for the title of the document.
    Heading {
        level: u8,
    },
    Paragraph,
    /// An item of a list or an enumerated line, depth 0 for the outermost.
    ListItem {
        depth: u8,
    },
    Table(Table),
    PageBreak,
}

/// The rows of a table as text. Rows may differ in length, as documents do.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Table {
    pub rows: Vec<Vec<String>>,
    /// How many of the first rows name the columns.
    pub header_rows: usize,
}

impl Table {
    /// Returns the rows as lines with bars between the cells.
    pub fn to_lines(&self) -> String {
        let mut lines = String::new();
        for row in &self.rows {
            if !lines.is_empty() {
                lines.push('\n');
            }
            lines.push_str(&row.join(" | "));
        }
        lines
    }
}

impl Block {
    /// Tells whether nothing can be read here.
    pub fn is_blank(&self) -> bool {
        self.text.chars().all(char::is_whitespace)
    }
}
