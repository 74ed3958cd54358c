//! The three dialects: how each is read, and how names and text are written in it.

use sqlparser::dialect::{Dialect as Grammar, MySqlDialect, PostgreSqlDialect, SQLiteDialect};

/// The database that will run the statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Dialect {
    Sqlite,
    Postgres,
    /// MariaDB and MySQL.
    MySql,
}

impl Dialect {
    pub(crate) fn grammar(self) -> &'static dyn Grammar {
        match self {
            Self::Sqlite => &SQLiteDialect {},
            Self::Postgres => &PostgreSqlDialect {},
            Self::MySql => &MySqlDialect {},
        }
    }

    pub(crate) fn quote(self) -> char {
        match self {
            Self::Sqlite | Self::Postgres => '"',
            Self::MySql => '`',
        }
    }

    /// Writes a name so that the database reads exactly this name, whatever is in it.
    pub fn name(self, name: &str) -> String {
        let quote = self.quote();
        let mut written = String::with_capacity(name.len() + 2);
        written.push(quote);
        for character in name.chars() {
            if character == quote {
                written.push(quote);
            }
            written.push(character);
        }
        written.push(quote);
        written
    }

    /// Writes text as a literal that reads the same under every setting of the server.
    pub fn text(self, text: &str) -> String {
        if !text.contains('\\') {
            return format!("'{}'", text.replace('\'', "''"));
        }
        match self {
            Self::Sqlite => format!("'{}'", text.replace('\'', "''")),
            // Without `E` the meaning of a backslash depends on standard_conforming_strings.
            Self::Postgres => format!("E'{}'", text.replace('\\', "\\\\").replace('\'', "''")),
            // Without hexadecimal the meaning of a backslash depends on NO_BACKSLASH_ESCAPES.
            Self::MySql => {
                let digits: String = text.bytes().map(|byte| format!("{byte:02x}")).collect();
                format!("_utf8mb4 X'{digits}'")
            }
        }
    }

    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Sqlite => "SQLite",
            Self::Postgres => "PostgreSQL",
            Self::MySql => "MariaDB/MySQL",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_text(dialect: Dialect, text: &str, expected: &str) {
        assert_eq!(dialect.text(text), expected);
    }

    #[test]
    fn a_quote_never_ends_a_literal_early() {
        check_text(Dialect::Sqlite, "a'b", "'a''b'");
        check_text(Dialect::Sqlite, "a\\'b", "'a\\''b'");
        check_text(Dialect::Postgres, "a\\'b", "E'a\\\\''b'");
        check_text(Dialect::MySql, "\\", "_utf8mb4 X'5c'");
        assert_eq!(Dialect::MySql.name("a`b"), "`a``b`");
    }
}
