//! A table as rows and columns of cells, however it was found.

use haechi_documents::pdf::Rect;
use haechi_documents::pdf::layout::Word;

/// A cell of a table on a page; one that spans several stands where it begins.
#[derive(Debug, Clone, PartialEq)]
pub struct Cell {
    pub row: usize,
    pub column: usize,
    pub rows: usize,
    pub columns: usize,
    pub text: String,
    pub rect: Rect,
}

/// What a table was recognised by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Evidence {
    /// Rules or shades around its cells.
    Ruled,
    /// Horizontal rules, and columns by alignment.
    Framed,
    /// Alignment alone.
    Aligned,
}

/// A table on one page.
#[derive(Debug, Clone, PartialEq)]
pub struct Grid {
    pub rows: usize,
    pub columns: usize,
    pub cells: Vec<Cell>,
    pub rect: Rect,
    pub evidence: Evidence,
    /// From 0 to 1: how sure the finder is that this is a table and cut rightly.
    pub confidence: f64,
}

impl Grid {
    pub fn cell(&self, row: usize, column: usize) -> Option<&Cell> {
        self.cells.iter().find(|cell| {
            (cell.row..cell.row + cell.rows).contains(&row)
                && (cell.column..cell.column + cell.columns).contains(&column)
        })
    }

    /// Takes out rows and columns that hold no text, as double borders and spacers make them.
    pub fn drop_empty_lines(&mut self) {
        for row in (0..self.rows).rev() {
            let empty = !self.cells.iter().any(|cell| cell.row == row && !cell.text.is_empty());
            if empty && self.cells.iter().all(|cell| cell.row != row || cell.text.is_empty()) {
                self.remove_row(row);
            }
        }
        for column in (0..self.columns).rev() {
            if !self.cells.iter().any(|cell| cell.column == column && !cell.text.is_empty()) {
                self.remove_column(column);
            }
        }
    }

    pub fn remove_row(&mut self, row: usize) {
        self.cells.retain_mut(|cell| {
            if cell.row == row && (cell.rows == 1 || cell.text.is_empty()) {
                return false;
            }
            if row < cell.row {
                cell.row -= 1;
            } else if row < cell.row + cell.rows {
                cell.rows -= 1;
            }
            0 < cell.rows
        });
        self.rows -= 1;
    }

    pub fn remove_column(&mut self, column: usize) {
        self.cells.retain_mut(|cell| {
            if cell.column == column && (cell.columns == 1 || cell.text.is_empty()) {
                return false;
            }
            if column < cell.column {
                cell.column -= 1;
            } else if column < cell.column + cell.columns {
                cell.columns -= 1;
            }
            0 < cell.columns
        });
        self.columns -= 1;
    }

    /// Columns and rows that hold any text of their own.
    pub fn occupied(&self) -> (usize, usize) {
        let rows = (0..self.rows)
            .filter(|row| self.cells.iter().any(|cell| cell.row == *row && !cell.text.is_empty()))
            .count();
        let columns = (0..self.columns)
            .filter(|column| self.cells.iter().any(|cell| cell.column == *column && !cell.text.is_empty()))
            .count();
        (rows, columns)
    }
}

/// The text of a cell: its words by line, lines joined by a space.
pub fn text_of(mut words: Vec<&Word>) -> String {
    words.sort_by(|a, b| a.baseline.total_cmp(&b.baseline));
    let mut lines: Vec<Vec<&Word>> = Vec::new();
    for word in words {
        match lines.last_mut() {
            Some(line)
                if line.first().is_some_and(|first| {
                    (word.baseline - first.baseline).abs() <= 0.5 * first.size.min(word.size).max(2.0)
                }) =>
            {
                line.push(word);
            }
            _ => lines.push(vec![word]),
        }
    }
    let mut text = String::new();
    for line in &mut lines {
        line.sort_by(|a, b| a.rect.left.total_cmp(&b.rect.left));
        for word in line.iter() {
            if !text.is_empty() {
                text.push(' ');
            }
            text.push_str(&word.text);
        }
    }
    text
}
