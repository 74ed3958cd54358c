//! Exit codes of every program here; scripts rely on them.

/// The whole job was done.
pub const WHOLE: u8 = 0;
/// It failed, and the message says why.
pub const FAILED: u8 = 1;
/// Wrong usage, workflow, settings or input.
pub const USAGE: u8 = 2;
/// Something was written, but parts are missing and the report says which.
pub const INCOMPLETE: u8 = 3;
/// A run waits for a person's approval.
pub const WAITING: u8 = 4;
/// A person said no.
pub const REJECTED: u8 = 5;
/// A server or a model could not be reached, or went away.
pub const UNREACHABLE: u8 = 6;
/// Policy or budget forbade it.
pub const DENIED: u8 = 7;
/// A replay or an audit file does not match what was recorded.
pub const MISMATCH: u8 = 8;
/// An evaluation drifted from its recorded answers.
pub const DRIFTED: u8 = 9;
/// Our own fault.
pub const INTERNAL: u8 = 70;
/// Interrupted by Ctrl-C.
pub const INTERRUPTED: u8 = 130;
