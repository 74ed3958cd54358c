//! What a person reads while a command works: lines on standard error, nothing else.
//!
//! Invariant: standard output holds only the answer of a command, which `haechi_serving::answer`
//! writes.

/// One line for a person.
///
/// A reader that went away, or a full disk behind standard error, stops no work.
pub(crate) fn line(text: &str) {
    use std::io::Write as _;
    let _ = writeln!(std::io::stderr(), "{text}");
}

/// An error with its code and its next step.
pub(crate) fn error(message: &str, code: Option<&str>, hint: Option<&str>) {
    match code {
        Some(code) => line(&format!("오류: {message} [{code}]")),
        None => line(&format!("오류: {message}")),
    }
    if let Some(hint) = hint {
        line(&format!("도움말: {hint}"));
    }
}

/// A time as a person reads it.
pub(crate) fn elapsed(milliseconds: u64) -> String {
    if milliseconds < 1_000 {
        format!("{milliseconds}ms")
    } else {
        format!("{}.{}s", milliseconds / 1_000, milliseconds % 1_000 / 100)
    }
}

/// Text padded to a width in columns, where Hangul takes two.
pub(crate) fn padded(text: &str, width: usize) -> String {
    let taken = unicode_width::UnicodeWidthStr::width(text);
    format!("{text}{}", " ".repeat(width.saturating_sub(taken)))
}

/// Rows as aligned columns.
pub(crate) fn columns(header: &[&str], rows: &[Vec<String>]) -> String {
    let mut widths: Vec<usize> = header.iter().map(|cell| unicode_width::UnicodeWidthStr::width(*cell)).collect();
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(unicode_width::UnicodeWidthStr::width(cell.as_str()));
        }
    }
    let write = |cells: &mut dyn Iterator<Item = &str>| {
        let line: Vec<String> = cells.zip(&widths).map(|(cell, width)| padded(cell, *width)).collect();
        format!("{}\n", line.join("  ").trim_end())
    };
    let mut text = write(&mut header.iter().copied());
    for row in rows {
        text.push_str(&write(&mut row.iter().map(String::as_str)));
    }
    text
}
