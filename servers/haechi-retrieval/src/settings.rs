//! The section `[retrieval]` of the settings.

use std::path::PathBuf;

use serde::Deserialize;

use crate::{cut::Size, embed::endpoint::EndpointOptions, error::RetrievalError, store::qdrant::QdrantOptions};

/// Settings as they are written; see `docs/retrieval.md`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// The folder of the embedded store.
    pub data: PathBuf,
    /// A Qdrant server; with it the folder is not used.
    pub qdrant: Option<QdrantOptions>,
    /// A server that turns texts into vectors; without it passages are found by words.
    pub embedder: Option<EndpointOptions>,
    /// What a hybrid search gives the words, against 1 for the meaning.
    pub lexical_weight: f32,
    /// Folders and files that `serve` keeps indexed.
    pub sources: Vec<PathBuf>,
    /// The collection of the sources, and the one that a search looks into by default.
    pub collection: String,
    /// How long passages are meant to be, in characters.
    pub passage_characters: usize,
    /// How many passages are written between two moments at which all is safely on disk.
    pub batch_passages: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            data: PathBuf::from(".haechi/retrieval"),
            qdrant: None,
            embedder: None,
            lexical_weight: 3.0,
            sources: Vec::new(),
            collection: "documents".into(),
            passage_characters: 600,
            batch_passages: crate::ingest::BATCH_PASSAGES,
        }
    }
}

impl Settings {
    /// The weight of words in a hybrid search, checked.
    pub fn lexical_weight(&self) -> Result<f32, RetrievalError> {
        if (0.05..=20.0).contains(&self.lexical_weight) {
            return Ok(self.lexical_weight);
        }
        Err(RetrievalError::Settings { detail: "lexical_weight는 0.05부터 20 사이로 적으십시오" })
    }

    /// The sizes of passages, checked.
    pub fn size(&self) -> Result<Size, RetrievalError> {
        if !(100..=8_000).contains(&self.passage_characters) {
            return Err(RetrievalError::Settings {
                detail: "passage_characters는 100부터 8000 사이로 적으십시오"
            });
        }
        Ok(Size::of_target(self.passage_characters))
    }
}
