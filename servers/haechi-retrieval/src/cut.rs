//! Documents to passages, along their structure.
//!
//! A passage is what a search returns and a report quotes: one section where it is small enough,
//! else a run of its items, sentences or table rows. It is cut where a reader would cut it and
//! never inside a number, a citation or a table cell. Sizes are counted in characters, since that
//! holds for every model and for none.

use haechi_documents::{Block, BlockKind, Document, Table};

use crate::protect::Protected;

/// Goes up whenever the same blocks may give other passages.
pub const CUTTER_VERSION: u32 = 1;

/// How large passages are, in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size {
    /// A passage is closed when the next piece would make it longer than this.
    pub target: usize,
    /// No passage is longer, except for one table cell or one number that is.
    pub max: usize,
    /// How much of the passage before may be repeated at the start of the next.
    pub overlap: usize,
}

impl Size {
    /// Sizes around a target; the other two follow from it.
    pub fn of_target(target: usize) -> Self {
        Self { target, max: target + target / 2, overlap: target / 5 }
    }
}

/// A cell up to so many times the maximum is kept whole; a longer one is text in a table's dress.
const CELL_OVER_MAX: usize = 4;

/// A last passage shorter than this part of the target joins the one before it.
const TAIL_PART: usize = 6;

/// A passage before it has an identity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draft {
    /// The headings above it, outermost first, without the title of the document.
    pub heading: Vec<String>,
    pub text: String,
    /// Where the part begins that the passage before does not have.
    pub fresh_from: usize,
    pub page: Option<u32>,
    /// Whether it stands in the addenda (부칙), which repeat the numbers of the main articles.
    pub addenda: bool,
}

/// Cuts a document into passages.
pub fn cut(document: &Document, title: &str, size: &Size) -> Vec<Draft> {
    let mut cutter = Cutter { title, size, path: Vec::new(), section: Vec::new(), drafts: Vec::new(), used: true };
    for block in &document.blocks {
        cutter.block(block);
    }
    cutter.end_section(0);
    cutter.drafts
}

struct Cutter<'a> {
    title: &'a str,
    size: &'a Size,
    path: Vec<(u8, String)>,
    section: Vec<&'a Block>,
    drafts: Vec<Draft>,
    /// Whether the innermost heading has been carried by a passage.
    used: bool,
}

impl<'a> Cutter<'a> {
    fn block(&mut self, block: &'a Block) {
        match block.kind {
            BlockKind::Heading { level } => {
                self.end_section(level);
                while self.path.last().is_some_and(|(above, _)| level <= *above) {
                    self.path.pop();
                }
                self.path.push((level, block.text.trim().to_owned()));
                self.used = false;
            }
            BlockKind::PageBreak => {}
            BlockKind::Paragraph | BlockKind::ListItem { .. } | BlockKind::Table(_) => {
                if !block.is_blank() {
                    self.section.push(block);
                }
            }
        }
    }

    /// Closes the section before a heading of level `next`.
    fn end_section(&mut self, next: u8) {
        let blocks = std::mem::take(&mut self.section);
        let heading: Vec<String> = self
            .path
            .iter()
            .enumerate()
            .filter(|(index, (_, text))| !(text.is_empty() || *index == 0 && text == self.title))
            .map(|(_, (_, text))| text.clone())
            .collect();
        let addenda = heading.iter().any(|text| text.starts_with("부칙") || text.starts_with("부 칙"));
        if blocks.is_empty() {
            // A heading with nothing under it is still something that the document says.
            let leaf = self.path.last().is_some_and(|(level, _)| next <= *level);
            if let (true, false, Some((_, text))) = (leaf, self.used, self.path.last()) {
                self.drafts.push(Draft { heading, text: text.clone(), fresh_from: 0, page: None, addenda });
            }
            return;
        }
        self.used = true;
        let units = units(&blocks, self.size);
        for packed in pack(&units, self.size) {
            self.drafts.push(Draft {
                heading: heading.clone(),
                text: packed.text,
                fresh_from: packed.fresh_from,
                page: packed.page,
                addenda,
            });
        }
    }
}

/// The smallest piece that packing moves as a whole.
#[derive(Debug, Clone)]
struct Unit {
    text: String,
    characters: usize,
    /// Whether it starts a line, or goes on in the line of the one before.
    starts_line: bool,
    /// Whether it was cut out of a word, so that no space stands before it.
    glued: bool,
    /// How deep an enumerated item it is; a table row repeats its header and needs no lead.
    depth: Option<u8>,
    table: bool,
    page: Option<u32>,
}

fn units(blocks: &[&Block], size: &Size) -> Vec<Unit> {
    let mut units = Vec::new();
    for block in blocks {
        match &block.kind {
            BlockKind::Table(table) => {
                for row in verbalise(table, size) {
                    units.push(Unit {
                        characters: row.chars().count(),
                        text: row,
                        starts_line: true,
                        glued: false,
                        depth: None,
                        table: true,
                        page: block.page,
                    });
                }
            }
            kind => {
                let depth = match kind {
                    BlockKind::ListItem { depth } => Some(*depth),
                    _ => None,
                };
                for (index, (text, spaced)) in pieces(&block.text, size).into_iter().enumerate() {
                    units.push(Unit {
                        characters: text.chars().count(),
                        text: text.to_owned(),
                        starts_line: index == 0,
                        glued: !spaced,
                        depth,
                        table: false,
                        page: block.page,
                    });
                }
            }
        }
    }
    units
}

struct Packed {
    text: String,
    fresh_from: usize,
    page: Option<u32>,
}

fn pack(units: &[Unit], size: &Size) -> Vec<Packed> {
    let total: usize = units.iter().map(|unit| unit.characters + 1).sum();
    let limit = if total <= size.max { size.max } else { size.target };
    let mut groups: Vec<std::ops::Range<usize>> = Vec::new();
    let mut start = 0;
    let mut characters = 0;
    for (index, unit) in units.iter().enumerate() {
        if start < index && limit < characters + unit.characters + 1 {
            groups.push(start..index);
            start = index;
            characters = 0;
        }
        characters += unit.characters + 1;
    }
    groups.push(start..units.len());
    // A tail of a few words would be found without anything around it.
    if let [.., before, tail] = groups.as_slice() {
        let length = |range: &std::ops::Range<usize>| {
            units.get(range.clone()).unwrap_or_default().iter().map(|unit| unit.characters + 1).sum::<usize>()
        };
        if length(tail) < size.target / TAIL_PART && length(before) + length(tail) <= size.max {
            let joined = before.start..tail.end;
            groups.truncate(groups.len() - 2);
            groups.push(joined);
        }
    }
    groups
        .into_iter()
        .map(|range| {
            let group = units.get(range.clone()).unwrap_or_default();
            let characters: usize = group.iter().map(|unit| unit.characters + 1).sum();
            let mut text = String::new();
            if let Some(lead) = lead(units, range.start, size)
                && characters + lead.chars().count() <= size.max
            {
                text.push_str(lead);
                text.push('\n');
            }
            let fresh_from = text.len();
            for (index, unit) in group.iter().enumerate() {
                if index > 0 {
                    text.push_str(match (unit.starts_line, unit.glued) {
                        (true, _) => "\n",
                        (false, true) => "",
                        (false, false) => " ",
                    });
                }
                text.push_str(&unit.text);
            }
            Packed { text, fresh_from, page: group.iter().find_map(|unit| unit.page) }
        })
        .collect()
}

/// What a passage that starts at `at` repeats from before: for an item of a deeper list the line
/// that introduces the list, else the sentence before.
fn lead<'a>(units: &'a [Unit], at: usize, size: &Size) -> Option<&'a str> {
    let first = units.get(at)?;
    let before = units.get(..at)?;
    if first.table || first.glued {
        return None;
    }
    let lead = match first.depth.filter(|depth| *depth > 0 && first.starts_line) {
        Some(depth) => before
            .iter()
            .rev()
            .find(|unit| unit.starts_line && !unit.table && unit.depth.is_none_or(|above| above < depth)),
        None => before.last().filter(|unit| !unit.table && !unit.glued),
    }?;
    (lead.characters <= size.overlap).then_some(lead.text.as_str())
}

/// Splits a block that is too long into sentences, and a sentence that is too long where it hurts
/// least. The flag says whether a space stood before the piece.
fn pieces<'t>(text: &'t str, size: &Size) -> Vec<(&'t str, bool)> {
    let text = text.trim();
    if text.chars().count() <= size.target {
        return vec![(text, true)];
    }
    let protected = Protected::of(text);
    let mut pieces = Vec::new();
    let mut start = 0;
    for end in sentence_ends(text, &protected).into_iter().chain([text.len()]) {
        split_long(text, start..end, &protected, size.target, &mut pieces);
        start = end;
    }
    pieces
}

/// The bytes after which a sentence has ended: behind the space that follows its point.
fn sentence_ends(text: &str, protected: &Protected) -> Vec<usize> {
    let mut ends = Vec::new();
    let mut open = 0_usize;
    let mut ended = false;
    let mut before = ' ';
    for (at, letter) in text.char_indices() {
        match letter {
            '(' | '（' | '[' => open += 1,
            ')' | '）' | ']' => open = open.saturating_sub(1),
            _ => {}
        }
        if letter.is_whitespace() {
            let after = at + letter.len_utf8();
            if ended && open == 0 && !protected.forbids(at) && !protected.forbids(after) {
                ends.push(after);
            }
            ended = false;
        } else {
            ended = match letter {
                // `1. ` and `가. ` count items; they end no sentence.
                '.' => !before.is_ascii_digit() && !is_enumerator(text, at),
                '!' | '?' | '。' | '…' => true,
                '"' | '”' | '’' | '\'' | ')' | '>' | '」' => ended,
                _ => false,
            };
        }
        before = letter;
    }
    ends
}

/// Tells `가.` at the start of a word from the end of a sentence.
fn is_enumerator(text: &str, point: usize) -> bool {
    let Some(word) = text.get(..point).and_then(|head| head.split_whitespace().next_back()) else {
        return true;
    };
    let mut letters = word.chars();
    letters.next().is_none_or(|letter| "가나다라마바사아자차카타파하".contains(letter)) && letters.next().is_none()
}

fn split_long<'t>(
    text: &'t str,
    range: std::ops::Range<usize>,
    protected: &Protected,
    target: usize,
    pieces: &mut Vec<(&'t str, bool)>,
) {
    let mut start = range.start;
    while let Some(rest) = text.get(start..range.end).filter(|rest| !rest.trim().is_empty()) {
        let spaced = start == 0 || text.get(..start).is_some_and(|before| before.ends_with(char::is_whitespace));
        let end = match rest.char_indices().nth(target) {
            None => range.end,
            Some((over, _)) => start + cut_place(rest, over, start, protected),
        };
        let piece = text.get(start..end).unwrap_or_default().trim();
        if !piece.is_empty() {
            pieces.push((piece, spaced));
        }
        start = end;
    }
}

/// Where to cut `rest`, whose first `over` bytes are as many as fit: behind the last comma or
/// space that may be cut, else between any two characters that may, else where it must be.
fn cut_place(rest: &str, over: usize, offset: usize, protected: &Protected) -> usize {
    let head = rest.get(..over).unwrap_or(rest);
    let allowed = |at: &usize| *at > 0 && !protected.forbids(offset + at);
    let spaces: Vec<usize> = head
        .char_indices()
        .filter(|(at, letter)| letter.is_whitespace() && allowed(at))
        .map(|(at, letter)| at + letter.len_utf8())
        .filter(allowed)
        .collect();
    let comma = spaces
        .iter()
        .rev()
        .find(|at| rest.get(..**at).is_some_and(|head| head.trim_end().ends_with([',', ';', 'ㆍ', ':'])));
    // A comma in the first half would leave a stump for the sake of a comma.
    if let Some(comma) = comma.filter(|at| over / 2 < **at) {
        return *comma;
    }
    if let Some(space) = spaces.last() {
        return *space;
    }
    let anywhere = head.char_indices().map(|(at, _)| at).rfind(allowed);
    let later = || rest.char_indices().map(|(at, _)| at).find(|at| over <= *at && allowed(at));
    anywhere.or_else(later).unwrap_or(rest.len())
}

/// A table as one line per row in which every cell is named by its column.
fn verbalise(table: &Table, size: &Size) -> Vec<String> {
    let (header, rows) = table.rows.split_at(table.header_rows.min(table.rows.len()));
    let width = table.rows.iter().map(Vec::len).max().unwrap_or_default();
    let names: Vec<String> = (0..width)
        .map(|column| {
            let mut parts: Vec<&str> = Vec::new();
            for cell in header.iter().filter_map(|row| row.get(column)) {
                let cell = cell.trim();
                if !cell.is_empty() && parts.last() != Some(&cell) {
                    parts.push(cell);
                }
            }
            parts.join("/")
        })
        .collect();
    let mut lines = Vec::new();
    for row in rows {
        let cells: Vec<String> = row
            .iter()
            .enumerate()
            .filter(|(_, cell)| !cell.trim().is_empty())
            .map(|(column, cell)| match names.get(column).filter(|name| !name.is_empty()) {
                Some(name) => format!("{name}: {}", cell.trim()),
                None => cell.trim().to_owned(),
            })
            .collect();
        lines.extend(row_lines(&cells, size));
    }
    if rows.is_empty() && !names.iter().all(String::is_empty) {
        lines.push(names.join(" | "));
    }
    lines
}

/// Joins the cells of a row into lines that fit; a cell that is a text of its own is cut as text.
fn row_lines(cells: &[String], size: &Size) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = String::new();
    let mut characters = 0;
    for cell in cells {
        let length = cell.chars().count();
        if size.max * CELL_OVER_MAX < length {
            if !line.is_empty() {
                lines.push(std::mem::take(&mut line));
                characters = 0;
            }
            lines.extend(pieces(cell, size).into_iter().map(|(piece, _)| piece.to_owned()));
            continue;
        }
        if !line.is_empty() && size.max < characters + 3 + length {
            lines.push(std::mem::take(&mut line));
            characters = 0;
        }
        if !line.is_empty() {
            line.push_str(" | ");
            characters += 3;
        }
        line.push_str(cell);
        characters += length;
    }
    if !line.is_empty() {
        lines.push(line);
    }
    lines
}

#[cfg(test)]
#[path = "cut_tests.rs"]
mod tests;
