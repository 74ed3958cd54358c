//! (the crate's contents follow)
