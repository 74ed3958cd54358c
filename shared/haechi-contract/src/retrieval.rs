//! Inputs and outputs of `haechi-retrieval`.
