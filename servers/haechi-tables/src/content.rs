//! The cells of one sheet in memory, as far as a limit allows; beyond it only where they end.

use std::collections::{BTreeMap, HashSet};

use crate::error::Error;
use crate::sheet::{Book, Flow, SheetCell, SheetExtras, Span};

/// Cells kept for finding tables; a sheet with more is known by its head and its extent.
pub const CELLS_MAX: usize = 200_000;
/// Cells of merged ranges that are looked at; a merge over a whole sheet is cut to what is used.
const COVERED_MAX: usize = 200_000;

/// What goes on below the cells that are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tail {
    /// The last row before the first blank one.
    pub last_row: u32,
    pub rows: u64,
    /// Cells were found below that blank row; they were not searched.
    pub more_below: bool,
}

/// The cells of a sheet by row.
#[derive(Debug, Default)]
pub struct Content {
    pub rows: BTreeMap<u32, Vec<SheetCell>>,
    pub extras: SheetExtras,
    /// Where cells of merged ranges get their value from.
    covered: BTreeMap<(u32, u32), Span>,
    pub tail: Option<Tail>,
    pub hidden_rows: HashSet<u32>,
}

impl Content {
    /// Reads a sheet. Text of blanks is no cell.
    pub fn load(book: &mut Book, sheet: &str) -> Result<Self, Error> {
        let mut content = Self::default();
        let mut count = 0_usize;
        let mut sorted = true;
        book.cells(sheet, &mut |cell| {
            if cell.value.is_empty() {
                return Flow::Continue(());
            }
            count += 1;
            match &mut content.tail {
                None if count <= CELLS_MAX || content.rows.contains_key(&cell.row) => {
                    let row = content.rows.entry(cell.row).or_default();
                    sorted &= row.last().is_none_or(|last| last.column < cell.column);
                    row.push(cell);
                }
                None => {
                    let above = content.rows.last_key_value().map_or(0, |(row, _)| *row);
                    let adjoining = cell.row <= above + 1;
                    content.tail = Some(Tail {
                        last_row: if adjoining { cell.row } else { above },
                        rows: u64::from(adjoining),
                        more_below: !adjoining,
                    });
                }
                Some(tail) if tail.more_below || cell.row <= tail.last_row => {}
                Some(tail) if cell.row == tail.last_row + 1 => {
                    tail.last_row = cell.row;
                    tail.rows += 1;
                }
                Some(tail) => tail.more_below = true,
            }
            Flow::Continue(())
        })?;
        if !sorted {
            for row in content.rows.values_mut() {
                row.sort_by_key(|cell| cell.column);
                row.dedup_by_key(|cell| cell.column);
            }
        }
        content.extras = book.extras(sheet);
        content.hidden_rows = content.extras.hidden_rows.iter().copied().collect();
        content.cover();
        Ok(content)
    }

    /// Takes what is merged and hidden from elsewhere than a workbook.
    pub fn set_extras(&mut self, extras: SheetExtras) {
        self.extras = extras;
        self.cover();
    }

    fn cover(&mut self) {
        let Some(last_row) = self.rows.last_key_value().map(|(row, _)| *row) else { return };
        let last_column = self.rows.values().filter_map(|row| row.last()).map(|cell| cell.column).max().unwrap_or(0);
        // A merge may reach beyond the last cell, since its other cells are empty; not by much.
        let (row_max, column_max) = (last_row.saturating_add(64), last_column.saturating_add(64));
        let merges = std::mem::take(&mut self.extras.merges);
        for merge in &merges {
            if self.cell(merge.top, merge.left).is_none() {
                continue;
            }
            for row in merge.top..=merge.bottom.min(row_max) {
                for column in merge.left..=merge.right.min(column_max) {
                    if COVERED_MAX < self.covered.len() {
                        break;
                    }
                    self.covered.insert((row, column), *merge);
                }
            }
        }
        self.extras.merges = merges;
    }

    /// The cell that stands here itself.
    pub fn cell(&self, row: u32, column: u32) -> Option<&SheetCell> {
        let row = self.rows.get(&row)?;
        row.binary_search_by_key(&column, |cell| cell.column).ok().and_then(|index| row.get(index))
    }

    /// The merged range that covers this place.
    pub fn merge(&self, row: u32, column: u32) -> Option<&Span> {
        self.covered.get(&(row, column))
    }

    /// The cell here, or the one whose merged range reaches here.
    pub fn resolved(&self, row: u32, column: u32) -> Option<&SheetCell> {
        self.cell(row, column).or_else(|| {
            let merge = self.merge(row, column)?;
            self.cell(merge.top, merge.left)
        })
    }

    pub fn is_occupied(&self, row: u32, column: u32) -> bool {
        self.cell(row, column).is_some() || self.covered.contains_key(&(row, column))
    }

    /// Cells of a row between two columns that stand there themselves.
    pub fn own(&self, row: u32, left: u32, right: u32) -> &[SheetCell] {
        let Some(cells) = self.rows.get(&row) else { return &[] };
        let from = cells.partition_point(|cell| cell.column < left);
        let to = cells.partition_point(|cell| cell.column <= right);
        cells.get(from..to).unwrap_or_default()
    }

    /// The part of the sheet that holds anything.
    pub fn used(&self) -> Option<Span> {
        let (top, _) = self.rows.first_key_value()?;
        let (bottom, _) = self.rows.last_key_value()?;
        let left = self.rows.values().filter_map(|row| row.first()).map(|cell| cell.column).min()?;
        let right = self.rows.values().filter_map(|row| row.last()).map(|cell| cell.column).max()?;
        Some(Span { top: *top, left, bottom: *bottom, right })
    }
}
