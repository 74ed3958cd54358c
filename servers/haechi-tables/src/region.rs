//! Where the tables of a sheet lie: blocks of cells, cut from titles above and notes below, with
//! their header rows.
//!
//! Blank rows and columns part tables, but not always: a report leaves a blank row under its
//! headers and a narrow column between groups. What belongs together is decided by what the cells
//! are, not by the gap alone.

use crate::content::Content;
use crate::sheet::{NamedTable, SheetCell, Span};
use crate::value::{Value, is_nil, written_number};

/// Rows that may be headers.
const HEADER_ROWS_MAX: usize = 6;
/// Rows of the body that are looked at to tell what its columns hold.
const BODY_ROWS_LOOKED_AT: usize = 200;
/// Blank rows that a table may hold.
const BLANK_ROWS_MAX: u32 = 2;

/// A table's place on its sheet.
#[derive(Debug, Clone, PartialEq)]
pub struct Region {
    pub span: Span,
    /// Sheet rows that hold headers.
    pub header_rows: Vec<u32>,
    pub name: Option<String>,
    pub title: Option<String>,
    pub unit: Option<String>,
    pub footnotes: Vec<String>,
    pub confidence: f64,
}

/// The tables of a sheet from top to bottom.
pub fn find(content: &Content, named: &[NamedTable]) -> Vec<Region> {
    let Some(used) = content.used() else { return Vec::new() };
    let mut blocks = Vec::new();
    split(content, used, &mut blocks, 0);
    blocks.sort_by_key(|block| (block.top, block.left));
    let blocks = join_over_blank_rows(content, blocks);
    let mut regions: Vec<Region> = named.iter().map(|table| of_named(content, table)).collect();
    for block in &blocks {
        if named.iter().any(|table| table.span.overlaps(block)) {
            continue;
        }
        regions.extend(of_block(content, *block));
    }
    regions.sort_by_key(|region| (region.span.top, region.span.left));
    for index in 0..regions.len() {
        let ceiling = regions
            .iter()
            .take(index)
            .filter(|above| {
                above.span.left <= regions[index].span.right && regions[index].span.left <= above.span.right
            })
            .map(|above| above.span.bottom + 1)
            .max()
            .unwrap_or(0);
        let (title, unit) = words_above(content, &regions[index], ceiling);
        let region = &mut regions[index];
        region.title = region.title.take().or(title);
        region.unit = region.unit.take().or(unit);
    }
    regions
}

/// Cuts a part of the sheet at blank rows, then at blank columns, until nothing is left to cut.
fn split(content: &Content, part: Span, found: &mut Vec<Span>, depth: usize) {
    const DEPTH_MAX: usize = 12;
    let rows: Vec<u32> = occupied_rows(content, part);
    for run in runs(&rows, 1) {
        let Some(block) = shrink(content, Span { top: run.0, bottom: run.1, ..part }) else { continue };
        let pieces = column_pieces(content, block);
        if pieces.len() == 1 || DEPTH_MAX < depth {
            found.push(block);
        } else {
            for (left, right) in pieces {
                split(content, Span { left, right, ..block }, found, depth + 1);
            }
        }
    }
}

fn occupied_rows(content: &Content, part: Span) -> Vec<u32> {
    let mut rows: Vec<u32> = content
        .rows
        .range(part.top..=part.bottom)
        .filter(|(row, _)| !content.own(**row, part.left, part.right).is_empty())
        .map(|(row, _)| *row)
        .collect();
    for merge in &content.extras.merges {
        // Merges taller than the sheet's cells say nothing about where tables end.
        if merge.top != merge.bottom
            && merge.rows() < 1_000
            && part.contains(merge.top, merge.left)
            && content.cell(merge.top, merge.left).is_some()
        {
            rows.extend(merge.top..=merge.bottom.min(part.bottom));
        }
    }
    rows.sort_unstable();
    rows.dedup();
    rows
}

/// Runs of numbers whose neighbours differ by at most `step`.
fn runs(numbers: &[u32], step: u32) -> Vec<(u32, u32)> {
    let mut found: Vec<(u32, u32)> = Vec::new();
    for number in numbers {
        match found.last_mut() {
            Some(run) if *number <= run.1 + step => run.1 = *number,
            _ => found.push((*number, *number)),
        }
    }
    found
}

/// The bounds of what a part really holds.
fn shrink(content: &Content, part: Span) -> Option<Span> {
    let mut bounds: Option<Span> = None;
    for (row, _) in content.rows.range(part.top..=part.bottom) {
        let own = content.own(*row, part.left, part.right);
        let (Some(first), Some(last)) = (own.first(), own.last()) else { continue };
        let line = Span { top: *row, bottom: *row, left: first.column, right: last.column };
        bounds = Some(match bounds {
            None => line,
            Some(sum) => Span {
                top: sum.top.min(*row),
                bottom: sum.bottom.max(*row),
                left: sum.left.min(line.left),
                right: sum.right.max(line.right),
            },
        });
    }
    let mut bounds = bounds?;
    // A merge in the first row reaches as far as the table does; one in a later row may stick out.
    for merge in &content.extras.merges {
        if merge.top == bounds.top && bounds.contains(merge.top, merge.left) {
            bounds.right = bounds.right.max(merge.right.min(part.right.max(bounds.right + 32)));
        }
        if merge.left == bounds.left && bounds.contains(merge.top, merge.left) && merge.rows() < 1_000 {
            bounds.bottom = bounds.bottom.max(merge.bottom);
        }
    }
    Some(bounds)
}

/// Groups of columns that belong together.
fn column_pieces(content: &Content, block: Span) -> Vec<(u32, u32)> {
    let mut columns: Vec<u32> = Vec::new();
    for (row, _) in content.rows.range(block.top..=block.bottom) {
        for cell in content.own(*row, block.left, block.right) {
            columns.push(cell.column);
            if let Some(merge) = content.merge(*row, cell.column) {
                columns.extend(cell.column..=merge.right.min(block.right));
            }
        }
        if 200_000 < columns.len() {
            columns.sort_unstable();
            columns.dedup();
        }
    }
    columns.sort_unstable();
    columns.dedup();
    let mut pieces: Vec<(u32, u32)> = Vec::new();
    for run in runs(&columns, 1) {
        match pieces.last_mut() {
            Some(last) if run.0 - last.1 <= 3 && belong_together(content, block, *last, run) => last.1 = run.1,
            _ => pieces.push(run),
        }
    }
    if pieces.is_empty() {
        pieces.push((block.left, block.right));
    }
    pieces
}

/// Two groups with one blank column between are one table when they fill the same rows and do not
/// repeat the same headers.
fn belong_together(content: &Content, block: Span, left: (u32, u32), right: (u32, u32)) -> bool {
    let (mut both, mut either) = (0_usize, 0_usize);
    let mut heads: Option<(Vec<String>, Vec<String>)> = None;
    for (row, _) in content.rows.range(block.top..=block.bottom) {
        let a = content.own(*row, left.0, left.1);
        let b = content.own(*row, right.0, right.1);
        // A title above the headers stands on one side only.
        either += usize::from((!a.is_empty() && (0 < both || 1 < a.len())) || !b.is_empty());
        if !a.is_empty() && !b.is_empty() {
            both += 1;
            let texts = |cells: &[SheetCell]| cells.iter().map(SheetCell::text).collect::<Vec<_>>();
            heads.get_or_insert_with(|| (texts(a), texts(b)));
        }
    }
    let repeated = heads.is_some_and(|(a, b)| 2 <= a.len() && a == b);
    if repeated {
        return false;
    }
    // Headers alone leave many cells blank.
    if right.0 - left.1 == 2 {
        return if either <= 3 { either <= 2 * both } else { either * 6 <= both * 10 };
    }
    // A wider gap is inside one table only where every row fills both sides and the right one goes
    // on with figures instead of naming its rows anew.
    let figures = content
        .rows
        .range(block.top..=block.bottom)
        .filter_map(|(row, _)| content.own(*row, right.0, right.1).first())
        .skip(1)
        .all(|cell| !is_words(cell));
    figures && 3 <= both && either * 9 <= both * 10
}

fn join_over_blank_rows(content: &Content, blocks: Vec<Span>) -> Vec<Span> {
    let mut joined: Vec<Span> = Vec::new();
    for block in blocks {
        let above = joined.iter_mut().rev().find(|above| {
            above.bottom < block.top
                && block.top - above.bottom - 1 <= blank_rows_max(content, **above, block)
                && above.left <= block.left
                && block.right <= above.right
        });
        match above {
            Some(above) if continues(content, *above, block) => {
                above.bottom = block.bottom.max(above.bottom);
            }
            _ => joined.push(block),
        }
    }
    joined
}

/// A wide table of records may leave more rows blank between its parts.
fn blank_rows_max(content: &Content, above: Span, below: Span) -> u32 {
    let cells = content.own(below.top, below.left, below.right).len();
    if 5 <= above.columns() && 3 <= cells { BLANK_ROWS_MAX + 2 } else { BLANK_ROWS_MAX }
}

/// Whether the rows below a gap go on with the table above it: they hold data of its kinds, not a
/// title and not headers of their own.
fn continues(content: &Content, above: Span, below: Span) -> bool {
    if above.columns() < 2 {
        return false;
    }
    let first = content.own(below.top, below.left, below.right);
    let figures = first.iter().filter(|cell| !is_words(cell)).count();
    let begins_at_left = first.first().is_some_and(|cell| cell.column == above.left);
    if figures == first.len() && 0 < figures {
        return true;
    }
    if !begins_at_left || first.len() < 2 {
        return false;
    }
    if 0 < figures {
        return true;
    }
    let names_total = |cell: &SheetCell| {
        let text: String = cell.text().split_whitespace().collect::<String>().to_lowercase();
        ["합계", "총계", "소계", "合计", "总计", "小计", "total", "subtotal"].iter().any(|word| text.ends_with(word))
    };
    if first.first().is_some_and(names_total) {
        return true;
    }
    // Both hold nothing but words.
    let words_only = |span: Span| {
        content
            .rows
            .range(span.top..=span.bottom)
            .take(BODY_ROWS_LOOKED_AT)
            .all(|(row, _)| content.own(*row, span.left, span.right).iter().all(is_words))
    };
    words_only(above) && words_only(below) && below.columns() == above.columns()
}

/// Text that is neither a number nor a sign for nothing.
fn is_words(cell: &SheetCell) -> bool {
    match &cell.value {
        // `01` is a code: no number, but a value and not a word.
        Value::Text(text) => {
            !is_nil(text) && written_number(text).is_none() && !text.trim().bytes().all(|byte| byte.is_ascii_digit())
        }
        _ => false,
    }
}

fn of_named(content: &Content, table: &NamedTable) -> Region {
    let header = table.header_rows.min(table.span.rows());
    Region {
        span: table.span,
        header_rows: (table.span.top..table.span.top + header).collect(),
        name: Some(table.name.clone()),
        title: None,
        unit: unit_in(content, Span { bottom: table.span.top + header, ..table.span }),
        footnotes: Vec::new(),
        confidence: 1.0,
    }
}

fn of_block(content: &Content, block: Span) -> Option<Region> {
    let mut span = block;
    let mut title = None;
    let mut unit = None;
    // Titles, units and labels of the form above the headers.
    while span.top < span.bottom && is_above_table(content, span) {
        let texts: Vec<String> = content.own(span.top, span.left, span.right).iter().map(SheetCell::text).collect();
        for text in texts {
            if let Some(found) = unit_of(&text) {
                unit = unit.or(Some(found));
            } else if title.is_none() && !text.contains([':', '：']) {
                title = Some(one_line(&text));
            }
        }
        let tall = content.merge(span.top, span.left).map_or(span.top, |merge| merge.bottom);
        let next = content.rows.range(tall.max(span.top) + 1..=span.bottom).next().map(|(row, _)| *row);
        span = shrink(content, Span { top: next?, ..span })?;
    }
    let footnotes = cut_notes(content, &mut span);
    let span = shrink(content, span)?;
    let rows = content.rows.range(span.top..=span.bottom).count();
    if span.columns() < 2 {
        return single_column(content, span, title, unit);
    }
    if rows < 2 {
        return None;
    }
    // Two cells that stand alone are a label and its value, not a table.
    let cells: usize =
        content.rows.range(span.top..=span.bottom).map(|(row, _)| content.own(*row, span.left, span.right).len()).sum();
    if cells < 4 {
        return None;
    }
    let header_rows = header_rows(content, span);
    let unit = unit.or_else(|| {
        let bottom = header_rows.last().copied().unwrap_or(span.top);
        unit_in(content, Span { bottom, ..span })
    });
    let confidence = if header_rows.is_empty() { 0.7 } else { 0.95 };
    Some(Region { span, header_rows, name: None, title, unit, footnotes, confidence })
}

/// One column is a table only as a heading with figures under it.
fn single_column(content: &Content, span: Span, title: Option<String>, unit: Option<String>) -> Option<Region> {
    let mut cells = content.rows.range(span.top..=span.bottom).filter_map(|(row, _)| content.cell(*row, span.left));
    let head = cells.next()?;
    let figures = cells.clone().filter(|cell| !is_words(cell)).count();
    if !is_words(head) || figures == 0 || figures < cells.count() {
        return None;
    }
    Some(Region { span, header_rows: vec![span.top], name: None, title, unit, footnotes: Vec::new(), confidence: 0.6 })
}

/// Whether the first row of a span is a title, a unit or a form's label rather than a header.
fn is_above_table(content: &Content, span: Span) -> bool {
    let cells = content.own(span.top, span.left, span.right);
    if let [only] = cells
        && matches!(only.value, Value::Date(_))
        && 3 <= span.columns()
    {
        return true;
    }
    if cells.iter().any(|cell| !is_words(cell) && !matches!(&cell.value, Value::Text(_))) {
        return false;
    }
    let wide = 2 <= span.columns();
    match cells {
        [] => true,
        [only] if wide => {
            // A header cell that stands alone in the first row heads a group: it does not begin
            // at the left and columns to its left have headers below.
            let merge = content.merge(span.top, only.column);
            let group = span.left < only.column
                && merge.is_some_and(|merge| {
                    merge.top == merge.bottom
                        && merge.right < span.right
                        && (merge.left..=merge.right).all(|column| content.cell(merge.bottom + 1, column).is_some())
                })
                && unit_of(&only.text()).is_none();
            !group
        }
        cells => {
            let labels = cells
                .iter()
                .filter(|cell| {
                    let text = cell.text();
                    text.contains([':', '：']) || unit_of(&text).is_some()
                })
                .count();
            if labels == cells.len() {
                return true;
            }
            // Words at the left and one merged cell over all other columns: the name of a block.
            if let [first, second] = cells
                && first.column == span.left
                && content.merge(span.top, first.column).is_none_or(|merge| merge.top == merge.bottom)
                && content
                    .merge(span.top, second.column)
                    .is_some_and(|merge| merge.top == merge.bottom && merge.right == span.right && 2 < merge.columns())
            {
                return content.cell(span.top + 1, first.column).is_some();
            }
            false
        }
    }
}

/// Cuts rows of notes from the bottom and gives their texts.
fn cut_notes(content: &Content, span: &mut Span) -> Vec<String> {
    if span.columns() < 2 {
        return Vec::new();
    }
    let rows: Vec<u32> = content.rows.range(span.top..=span.bottom).map(|(row, _)| *row).collect();
    let width = span.columns();
    let mut first_note = None;
    for (index, row) in rows.iter().enumerate().rev().take(60) {
        let cells = content.own(*row, span.left, span.right);
        let lonely = match cells {
            [only] => is_words(only),
            [] => false,
            cells => cells.iter().all(|cell| is_words(cell) && cell.text().contains([':', '：'])) && index > 1,
        };
        if !lonely {
            break;
        }
        let Some(only) = cells.first() else { break };
        let text = only.text();
        let merged_wide = content.merge(*row, only.column).is_some_and(|merge| width * 6 <= merge.columns() * 10);
        let labels = 1 < cells.len();
        if labels || merged_wide || looks_like_note(&text) {
            first_note = Some(index);
        } else if only.column != span.left && !text.starts_with(' ') {
            break;
        }
    }
    let Some(first_note) = first_note.filter(|index| 1 < *index) else { return Vec::new() };
    let mut texts = Vec::new();
    for row in rows.iter().skip(first_note) {
        texts.extend(content.own(*row, span.left, span.right).iter().map(|cell| one_line(&cell.text())));
    }
    let last = rows.get(first_note - 1).copied().unwrap_or(span.bottom);
    span.bottom = last;
    texts
}

fn looks_like_note(text: &str) -> bool {
    let trimmed = text.trim_start();
    let lower = trimmed.to_ascii_lowercase();
    let marked = [
        "(", "*", "※", "주)", "주 ", "주:", "注", "note", "source", "자료", "출처", "비고", "1)", "2)", "3)", "†", "‡",
        "＊", "☞",
    ]
    .iter()
    .any(|mark| lower.starts_with(mark));
    marked || 45 < trimmed.chars().count()
}

/// Words in the rows right above a region: its title, and the unit of its figures.
fn words_above(content: &Content, region: &Region, ceiling: u32) -> (Option<String>, Option<String>) {
    const ROWS_LOOKED_AT: u32 = 4;
    let span = region.span;
    let from = span.top.saturating_sub(ROWS_LOOKED_AT).max(ceiling);
    let (mut title, mut unit) = (None, None);
    for row in (from..span.top).rev() {
        let reach = Span { top: row, left: span.left.saturating_sub(1), bottom: row, right: span.right + 1 };
        for cell in content.own(row, reach.left, reach.right) {
            let text = cell.text();
            if let Some(found) = unit_of(&text) {
                unit = unit.or(Some(found));
            } else if is_words(cell) && !text.contains([':', '：']) && title.is_none() {
                title = Some(one_line(&text));
            }
        }
    }
    (title, unit)
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn unit_in(content: &Content, span: Span) -> Option<String> {
    content.rows.range(span.top..=span.bottom).flat_map(|(row, _)| content.own(*row, span.left, span.right)).find_map(
        |cell| match &cell.value {
            Value::Text(text) => unit_of(text),
            _ => None,
        },
    )
}

/// The unit that a text states: `(단위 : 억원)`, `단위: 천달러, %`, `In millions of CHF`.
pub fn unit_of(text: &str) -> Option<String> {
    const LENGTH_MAX: usize = 40;
    if 80 < text.chars().count() {
        return None;
    }
    let lower = text.trim().to_lowercase();
    for word in ["단위", "单位", "單位", "単位", "unit"] {
        let Some(at) = lower.find(word) else { continue };
        // `编制单位` is who made the form, not what its figures are in.
        if lower[..at].chars().next_back().is_some_and(|before| ('\u{4e00}'..='\u{9fff}').contains(&before)) {
            continue;
        }
        // A company or a sentence may hold the word; a unit follows a colon or stands in brackets.
        let rest = lower[at + word.len()..].trim_start_matches('s').trim_start();
        let rest_original = text.trim().get(text.trim().len().checked_sub(rest.len())?..)?;
        let Some(stated) = rest_original.strip_prefix([':', '：']) else { continue };
        let stated = stated.split([')', '）', ']', '］']).next().unwrap_or_default().trim();
        if !stated.is_empty() && stated.chars().count() <= LENGTH_MAX {
            return Some(stated.to_owned());
        }
    }
    for scale in ["millions", "thousands", "billions", "million", "thousand"] {
        let plain = lower.trim_start_matches(['(', '[']).trim_end_matches([')', ']']);
        if let Some(rest) = plain.strip_prefix("in ").and_then(|rest| rest.strip_prefix(scale)) {
            let original = text.trim().trim_start_matches(['(', '[']).trim_end_matches([')', ']']);
            if rest.is_empty() || rest.starts_with(" of ") {
                return original.get("in ".len()..).map(str::to_owned);
            }
        }
    }
    None
}

/// The rows at the top of a span that hold headers.
pub fn header_rows(content: &Content, span: Span) -> Vec<u32> {
    let rows: Vec<u32> =
        content.rows.range(span.top..=span.bottom).take(BODY_ROWS_LOOKED_AT).map(|(row, _)| *row).collect();
    let cells = |index: usize| rows.get(index).map_or(&[][..], |row| content.own(*row, span.left, span.right));
    let occupancy = |index: usize| {
        rows.get(index).map_or(0, |row| {
            (span.left..=span.right.min(span.left + 512)).filter(|column| content.is_occupied(*row, *column)).count()
        })
    };
    let mut lead = 0;
    while lead < rows.len() && is_header_row(content, span, &rows, lead) {
        lead += 1;
    }
    if lead == rows.len() {
        return if words_have_header(content, span, &rows) { vec![rows[0]] } else { Vec::new() };
    }
    if lead == 0 {
        let numbered = cells(0).iter().all(|cell| matches!(cell.value, Value::Number(_)));
        let wide = occupancy(0) * 10 >= usize::try_from(span.columns()).unwrap_or(usize::MAX).saturating_mul(8);
        let words_below = (1..rows.len().min(30)).all(|index| cells(index).iter().all(is_words));
        return if numbered && wide && words_below && 2 < rows.len() { vec![rows[0]] } else { Vec::new() };
    }
    let fullest = (0..lead).map(occupancy).max().unwrap_or(0);
    // A row that names a section stands right under the headers and holds only words, too.
    while 1 < lead
        && occupancy(lead - 1) * 2 < fullest
        && cells(lead - 1).first().is_some_and(|cell| cell.column == span.left)
    {
        lead -= 1;
    }
    if HEADER_ROWS_MAX < lead {
        let full = (0..lead).find(|index| occupancy(*index) * 10 >= fullest * 9).unwrap_or(0);
        lead = full + 1;
    }
    rows.iter().take(lead).copied().collect()
}

fn is_header_row(content: &Content, span: Span, rows: &[u32], index: usize) -> bool {
    let Some(row) = rows.get(index) else { return false };
    let cells = content.own(*row, span.left, span.right);
    if cells.is_empty() {
        return false;
    }
    if cells.iter().all(is_words) {
        return true;
    }
    // Years and dates over figures are headers as well.
    let period = |cell: &SheetCell| match &cell.value {
        Value::Number(number) => is_year(*number),
        Value::Date(_) => true,
        Value::Text(text) => written_number(text).is_some_and(|written| is_year(written.number)),
        _ => false,
    };
    let periods = cells.iter().filter(|cell| period(cell)).count();
    let begins_with_words = cells.first().is_some_and(|cell| is_words(cell) || cell.column != span.left);
    if periods < 2 || !begins_with_words || cells.iter().any(|cell| !period(cell) && !is_words(cell)) {
        return false;
    }
    let below: Vec<&SheetCell> = rows
        .iter()
        .skip(index + 1)
        .take(3)
        .flat_map(|row| content.own(*row, span.left + 1, span.right))
        .filter(|cell| matches!(cell.value, Value::Number(_) | Value::Date(_)))
        .collect();
    !below.is_empty() && below.iter().filter(|cell| !period(cell)).count() * 2 > below.len()
}

fn is_year(number: f64) -> bool {
    number.fract() == 0.0 && (1900.0..2101.0).contains(&number)
}

/// Whether the first row of a table of nothing but words is its header.
fn words_have_header(content: &Content, span: Span, rows: &[u32]) -> bool {
    let Some((first, body)) = rows.split_first() else { return false };
    let heads = content.own(*first, span.left, span.right);
    let width = usize::try_from(span.columns()).unwrap_or(usize::MAX);
    let tall = heads
        .iter()
        .filter(|cell| content.merge(*first, cell.column).is_some_and(|merge| merge.top < merge.bottom))
        .count();
    if 2 <= heads.len() && heads.len() <= 2 * tall {
        return true;
    }
    let covered = (span.left..=span.right).filter(|column| content.is_occupied(*first, *column)).count();
    if covered * 10 < width * 8 || body.is_empty() {
        return false;
    }
    let mut texts: Vec<String> = heads.iter().map(SheetCell::text).collect();
    texts.sort_unstable();
    if texts.windows(2).any(|pair| pair.first() == pair.last()) {
        return false;
    }
    let below = |column: u32| body.iter().filter_map(move |row| content.cell(*row, column)).map(SheetCell::text);
    if heads.iter().any(|head| below(head.column).any(|text| text == head.text())) {
        return false;
    }
    let has_digit = |text: &str| text.bytes().any(|byte| byte.is_ascii_digit());
    let contrast = heads.iter().any(|head| {
        let with = below(head.column).filter(|text| has_digit(text)).count();
        let all = below(head.column).count();
        !has_digit(&head.text()) && 1 < all && all * 6 <= with * 10
    });
    let digits_in_heads = heads.iter().any(|head| has_digit(&head.text()));
    contrast || (3 <= width && !digits_in_heads && 2 <= body.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_read_where_they_are_stated() {
        for (text, expected) in [
            ("(단위 : 원/리터)", Some("원/리터")),
            ("단위: 억원, %", Some("억원, %")),
            ("[단위：백만원]", Some("백만원")),
            ("单位：元", Some("元")),
            ("In millions of CHF", Some("millions of CHF")),
            ("(Units: KRW million)", Some("KRW million")),
            ("단위조직별 현황", None),
            ("编制单位：上海", None),
            ("잔액", None),
        ] {
            assert_eq!(unit_of(text).as_deref(), expected, "{text}");
        }
    }
}
