//! One read-only SQL statement: parse, allow-list, rewrite, print.
//!
//! [`check()`] takes a statement that nobody trusts and a [`Catalogue`] of what the asker may see.
//! It answers the text that may run, printed from the checked tree, or a [`Refusal`] that says why
//! and what would have been allowed. Every base table with a policy becomes a derived table that
//! holds only the permitted columns, already masked, and only the permitted rows, so whatever the
//! rest of the statement does, it can only meet masked values.
//!
//! Invariants: no I/O; nothing of the asker's text reaches the output except through the tree;
//! a node of the tree that this crate does not know is refused.

mod call;
mod catalogue;
mod check;
mod condition;
mod dialect;
mod expression;
mod fence;
mod functions;
mod lexical;
mod limits;
mod literal;
mod mask;
mod operators;
mod query;
mod refusal;
mod relation;
mod scope;
mod shape;
mod types;

pub use catalogue::{Catalogue, Column, ColumnType, Rows, Table};
pub use check::{Checked, OutputColumn, PARAMETER, check};
pub use condition::{Attribute, AttributeValue, Condition, ConditionError};
pub use dialect::Dialect;
pub use limits::{Limits, Options, ParameterType};
pub use mask::{Mask, MaskKind, Masks};
pub use refusal::{Reason, Refusal};
