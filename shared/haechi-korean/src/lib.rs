//! Rules of the Korean language and of Korean law texts, as pure functions.
//!
//! Invariant: no I/O, no clock, no settings, nothing of ours below it. Everything here takes text
//! and gives values, so that every server reads `제34조의2`, `3억 2천만원` and a resident number
//! the same way.

pub mod amount;
pub mod analysis;
pub mod citation;
pub mod date;
pub mod personal;
pub mod text;
