//! Inputs and outputs of `haechi-tables`.
