//! Inputs and outputs of `haechi-regulations`.
