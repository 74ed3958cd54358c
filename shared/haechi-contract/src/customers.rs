//! Inputs and outputs of `haechi-customers`.
