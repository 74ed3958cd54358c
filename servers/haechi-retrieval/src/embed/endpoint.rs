//! Embeddings from a server: OpenAI-compatible `/v1/embeddings`, or text-embeddings-inference.
//!
//! The server is trusted with the texts and with nothing else: its answers are checked for number,
//! size and sense before a vector is stored, and its words never reach a caller.

use std::{
    path::PathBuf,
    sync::{Arc, OnceLock},
    time::Duration,
};

use serde::Deserialize;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use ureq::tls::{Certificate, RootCerts, TlsConfig, TlsProvider};

use super::Embedder;
use crate::{
    error::{EmbeddingFault, RetrievalError},
    record::StoredModel,
};

/// Bytes of one answer: a thousand vectors of four thousand numbers as text.
const ANSWER_BYTES_MAX: u64 = 128 << 20;
/// The longest time to wait before trying again, whatever the server asks for.
const PAUSE_MS_MAX: u64 = 10_000;

/// `[retrieval.embedder]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct EndpointOptions {
    pub kind: Kind,
    /// The whole address, e.g. `http://127.0.0.1:8080/v1/embeddings`.
    pub url: String,
    pub model: String,
    /// A file that holds the API key.
    pub key_file: Option<PathBuf>,
    /// What some models want before a query, e.g. `query: `.
    pub query_prefix: String,
    /// What some models want before a passage, e.g. `passage: `.
    pub passage_prefix: String,
    /// Texts per request.
    pub batch: usize,
    pub timeout_ms: u64,
    /// How often a request is tried again after a failure that may pass.
    pub retries: u32,
}

/// What the server speaks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    #[default]
    Openai,
    Tei,
}

impl Default for EndpointOptions {
    fn default() -> Self {
        Self {
            kind: Kind::Openai,
            url: String::new(),
            model: String::new(),
            key_file: None,
            query_prefix: String::new(),
            passage_prefix: String::new(),
            batch: 32,
            timeout_ms: 30_000,
            retries: 3,
        }
    }
}

/// A model behind an address.
pub struct Endpoint {
    options: EndpointOptions,
    key: Option<String>,
    agent: ureq::Agent,
    /// Known after the first answer.
    dimension: OnceLock<usize>,
}

enum Failure {
    /// May pass by itself; the server may say when.
    Passing(EmbeddingFault, Option<u64>),
    Lasting(EmbeddingFault),
}

impl Endpoint {
    /// Prepares the connection; nothing is sent yet.
    pub fn new(options: EndpointOptions) -> Result<Self, RetrievalError> {
        if !options.url.starts_with("http://") && !options.url.starts_with("https://") {
            return Err(RetrievalError::Settings {
                detail: "embedder.url에 http:// 또는 https:// 주소를 적으십시오"
            });
        }
        if options.model.is_empty() && options.kind == Kind::Openai {
            return Err(RetrievalError::Settings { detail: "embedder.model에 모델 이름을 적으십시오" });
        }
        if !(1..=1_000).contains(&options.batch) {
            return Err(RetrievalError::Settings {
                detail: "embedder.batch는 1부터 1000 사이로 적으십시오"
            });
        }
        let key = match &options.key_file {
            None => None,
            Some(path) => Some(
                std::fs::read_to_string(path)
                    .map_err(|_| RetrievalError::Settings { detail: "embedder.key_file을 읽을 수 없습니다" })?
                    .trim()
                    .to_owned(),
            ),
        };
        let agent = ureq::Agent::config_builder()
            .timeout_global(Some(Duration::from_millis(options.timeout_ms)))
            .http_status_as_error(false)
            // A redirect could send texts and the key somewhere that nobody configured.
            .max_redirects(0)
            .tls_config(tls())
            .build()
            .into();
        Ok(Self { options, key, agent, dimension: OnceLock::new() })
    }

    fn embed(&self, prefix: &str, texts: &[String]) -> Result<Vec<Vec<f32>>, RetrievalError> {
        let mut vectors = Vec::with_capacity(texts.len());
        for batch in texts.chunks(self.options.batch) {
            let batch: Vec<String> = batch.iter().map(|text| format!("{prefix}{text}")).collect();
            vectors.extend(self.with_retries(&batch).map_err(|detail| RetrievalError::Embedding { detail })?);
        }
        Ok(vectors)
    }

    fn with_retries(&self, texts: &[String]) -> Result<Vec<Vec<f32>>, EmbeddingFault> {
        let mut pause_ms = 100;
        let mut tries = 0;
        loop {
            match self.request(texts) {
                Ok(vectors) => return Ok(vectors),
                Err(Failure::Lasting(fault)) => return Err(fault),
                Err(Failure::Passing(fault, asked_ms)) => {
                    if self.options.retries <= tries {
                        return Err(fault);
                    }
                    tracing::warn!(%fault, "embedding is tried again");
                    std::thread::sleep(Duration::from_millis(asked_ms.unwrap_or(pause_ms).min(PAUSE_MS_MAX)));
                    tries += 1;
                    pause_ms *= 3;
                }
            }
        }
    }

    fn request(&self, texts: &[String]) -> Result<Vec<Vec<f32>>, Failure> {
        let body = match self.options.kind {
            Kind::Openai => {
                json!({ "model": self.options.model, "input": texts, "encoding_format": "float" })
            }
            Kind::Tei => json!({ "inputs": texts, "truncate": true }),
        };
        let mut request = self.agent.post(&self.options.url).header("Content-Type", "application/json");
        if let Some(key) = &self.key {
            request = request.header("Authorization", format!("Bearer {key}"));
        }
        let mut response = request.send(body.to_string()).map_err(transport)?;
        match response.status().as_u16() {
            200 => {}
            401 | 403 => return Err(Failure::Lasting(EmbeddingFault::Denied)),
            status @ (408 | 429 | 500 | 502 | 503 | 504) => {
                let header = response.headers().get("retry-after").and_then(|value| value.to_str().ok());
                let asked_ms = header.and_then(|value| value.parse::<u64>().ok()).map(|seconds| seconds * 1_000);
                return Err(Failure::Passing(EmbeddingFault::Refused { status }, asked_ms));
            }
            status => return Err(Failure::Lasting(EmbeddingFault::Refused { status })),
        }
        let text = response.body_mut().with_config().limit(ANSWER_BYTES_MAX).read_to_string().map_err(transport)?;
        let vectors = parse(self.options.kind, &text, texts.len())
            .map_err(|what| Failure::Lasting(EmbeddingFault::Nonsense { what }))?;
        for vector in &vectors {
            let expected = *self.dimension.get_or_init(|| vector.len());
            if vector.len() != expected {
                return Err(Failure::Lasting(EmbeddingFault::Dimension { expected, received: vector.len() }));
            }
        }
        Ok(vectors)
    }
}

impl Embedder for Endpoint {
    fn model(&self) -> Result<StoredModel, RetrievalError> {
        let dimension = match self.dimension.get() {
            Some(dimension) => *dimension,
            None => self.embed(&self.options.query_prefix, &["크기".to_owned()])?.first().map_or(0, Vec::len),
        };
        let mut hasher = Sha256::new();
        for part in [&self.options.model, &self.options.query_prefix, &self.options.passage_prefix] {
            hasher.update(part.as_bytes());
            hasher.update([0]);
        }
        hasher.update(dimension.to_le_bytes());
        let fingerprint = hasher.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect();
        let name = if self.options.model.is_empty() { "tei".to_owned() } else { self.options.model.clone() };
        Ok(StoredModel { name, dimension, fingerprint })
    }

    fn passages(&self, texts: &[String]) -> Result<Vec<Vec<f32>>, RetrievalError> {
        self.embed(&self.options.passage_prefix, texts)
    }

    fn query(&self, text: &str) -> Result<Vec<f32>, RetrievalError> {
        let mut vectors = self.embed(&self.options.query_prefix, &[text.to_owned()])?;
        vectors.pop().ok_or(RetrievalError::Embedding { detail: EmbeddingFault::Nonsense { what: "no vector" } })
    }
}

#[derive(Deserialize)]
struct OpenaiAnswer {
    data: Vec<OpenaiVector>,
}

#[derive(Deserialize)]
struct OpenaiVector {
    index: usize,
    embedding: Vec<f32>,
}

fn parse(kind: Kind, text: &str, wanted: usize) -> Result<Vec<Vec<f32>>, &'static str> {
    let vectors: Vec<Vec<f32>> = match kind {
        Kind::Openai => {
            let mut answer: OpenaiAnswer = serde_json::from_str(text).map_err(|_| "not the expected JSON")?;
            answer.data.sort_by_key(|one| one.index);
            if answer.data.iter().enumerate().any(|(at, one)| one.index != at) {
                return Err("the indexes are not those that were asked for");
            }
            answer.data.into_iter().map(|one| one.embedding).collect()
        }
        Kind::Tei => {
            let value: Value = serde_json::from_str(text).map_err(|_| "not JSON")?;
            serde_json::from_value(value).map_err(|_| "not a list of vectors")?
        }
    };
    if vectors.len() != wanted {
        return Err("another number of vectors than texts");
    }
    for vector in &vectors {
        if vector.is_empty() || vector.iter().any(|value| !value.is_finite()) {
            return Err("a vector is empty or has no numbers");
        }
        if vector.iter().all(|value| *value == 0.0) {
            return Err("a vector is all zeros");
        }
    }
    Ok(vectors)
}

fn transport(error: ureq::Error) -> Failure {
    match error {
        ureq::Error::Timeout(_) | ureq::Error::BodyStalled => Failure::Passing(EmbeddingFault::TimedOut, None),
        ureq::Error::BodyExceedsLimit(_) => Failure::Lasting(EmbeddingFault::Nonsense { what: "an answer too long" }),
        ureq::Error::Protocol(_) | ureq::Error::Http(_) => {
            Failure::Lasting(EmbeddingFault::Nonsense { what: "not HTTP" })
        }
        ureq::Error::BadUri(_) => Failure::Lasting(EmbeddingFault::Unreachable),
        error => {
            tracing::debug!(%error, "the embedding endpoint was not reached");
            Failure::Passing(EmbeddingFault::Unreachable, None)
        }
    }
}

/// The certificates that the machine trusts, since a bank's endpoint has one of its own authority.
fn tls() -> TlsConfig {
    let found = rustls_native_certs::load_native_certs();
    let certificates: Vec<Certificate<'static>> =
        found.certs.iter().map(|one| Certificate::from_der(one.as_ref()).to_owned()).collect();
    TlsConfig::builder()
        .provider(TlsProvider::Rustls)
        .root_certs(RootCerts::Specific(Arc::new(certificates)))
        .unversioned_rustls_crypto_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .build()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_checked() {
        let good = r#"{"data": [{"index": 1, "embedding": [0, 1]}, {"index": 0, "embedding": [1, 0]}]}"#;
        assert_eq!(parse(Kind::Openai, good, 2), Ok(vec![vec![1.0, 0.0], vec![0.0, 1.0]]));
        assert_eq!(parse(Kind::Tei, "[[1, 0]]", 1), Ok(vec![vec![1.0, 0.0]]));
        for (text, wanted) in [
            ("", 1),
            ("{}", 1),
            ("<html>", 1),
            (good, 1),
            (r#"{"data": [{"index": 1, "embedding": [1]}]}"#, 1),
            (r#"{"data": [{"index": 0, "embedding": []}]}"#, 1),
            (r#"{"data": [{"index": 0, "embedding": [0, 0]}]}"#, 1),
            (r#"{"data": [{"index": 0, "embedding": [1e999]}]}"#, 1),
        ] {
            assert!(parse(Kind::Openai, text, wanted).is_err(), "{text}");
        }
    }

    #[test]
    fn settings_are_checked() {
        for options in [
            EndpointOptions { model: "m".into(), ..EndpointOptions::default() },
            EndpointOptions { url: "http://127.0.0.1:1".into(), ..EndpointOptions::default() },
            EndpointOptions {
                url: "http://127.0.0.1:1".into(),
                model: "m".into(),
                batch: 0,
                ..EndpointOptions::default()
            },
        ] {
            assert!(matches!(Endpoint::new(options), Err(RetrievalError::Settings { .. })));
        }
    }
}
