//! Entry point of the program; see `lib.rs` for what it answers.

fn main() {}
