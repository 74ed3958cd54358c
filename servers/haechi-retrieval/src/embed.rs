//! Text to vectors of meaning.
//!
//! A model is optional: without one passages are found by words and every answer says so. What a
//! model is called and how it is used goes into its fingerprint, since vectors of two models look
//! alike and mean nothing to each other.

pub mod endpoint;

use crate::{error::RetrievalError, record::StoredModel};

/// Something that turns texts into vectors. Methods block.
pub trait Embedder: Send + Sync {
    /// The model as a collection remembers it.
    fn model(&self) -> Result<StoredModel, RetrievalError>;
    /// Vectors of passages, in the order of the texts.
    fn passages(&self, texts: &[String]) -> Result<Vec<Vec<f32>>, RetrievalError>;
    /// The vector of a query; some models read queries differently from passages.
    fn query(&self, text: &str) -> Result<Vec<f32>, RetrievalError>;
}
