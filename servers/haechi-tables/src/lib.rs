//! Tables in workbooks, delimited text and PDFs: found, named, typed, and cited to the cell.
//!
//! Answers which tables a file holds and what their rows are, with the exact value beside the text
//! that a person sees. Refuses files outside its folders, files that need a password, and files
//! made to exhaust memory or time. It never changes a file, never runs a macro or a formula, and
//! never recognises characters in images.

mod commands;
pub mod compare;
pub mod content;
pub mod decimal;
pub mod engine;
pub mod error;
pub mod folders;
pub mod library;
pub mod pages;
pub mod pdf;
mod predict;
pub mod profile;
pub mod query;
pub mod region;
pub mod render;
pub mod settings;
pub mod sheet;
pub mod source;
pub mod table;
pub mod tools;
pub mod value;
pub mod worker;

pub use commands::run;
