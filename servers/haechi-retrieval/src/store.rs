//! Where passages live: an embedded engine in a folder, or a Qdrant server or cluster.
//!
//! One small seam, two implementations, one test suite over both. It stores points and finds them;
//! it knows nothing of documents, passages or languages. A write that returned is durable: callers
//! record work as done on that promise.

pub mod edge;
pub mod qdrant;

use std::fmt;

use serde_json::{Map, Value};
use uuid::Uuid;

/// The name of the sparse vector that holds the terms.
pub const LEXICAL: &str = "lexical";
/// The name of the dense vector that holds the meaning, where a model is configured.
pub const DENSE: &str = "dense";

/// Term hashes and their weights; the hashes are unique and ascending.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Sparse {
    pub indices: Vec<u32>,
    pub values: Vec<f32>,
}

/// What a point can be found by. A point without vectors is a record that no search returns.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Vectors {
    pub lexical: Option<Sparse>,
    pub dense: Option<Vec<f32>>,
}

/// One stored point.
#[derive(Debug, Clone, PartialEq)]
pub struct Point {
    pub id: Uuid,
    pub vectors: Vectors,
    pub payload: Map<String, Value>,
}

/// A point found by a search.
#[derive(Debug, Clone)]
pub struct Scored {
    pub point: Point,
    pub score: f32,
}

/// One condition on an indexed payload field.
#[derive(Debug, Clone, PartialEq)]
pub enum Condition {
    /// The field holds any of these words.
    Any { field: &'static str, values: Vec<String> },
    /// Any of these conditions holds.
    Either(Vec<Condition>),
    /// The field is an integer from `from` to `to`, both included.
    Between { field: &'static str, from: Option<i64>, to: Option<i64> },
}

/// All of `must` and none of `must_not`.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Filter {
    pub must: Vec<Condition>,
    pub must_not: Vec<Condition>,
}

/// How points are ranked.
#[derive(Debug, Clone)]
pub enum Ranking {
    Lexical(Sparse),
    Dense(Vec<f32>),
    /// Both, joined by reciprocal ranks. The weights stretch ranks; see [`Fusion`].
    Fused {
        lexical: Sparse,
        dense: Vec<f32>,
        fusion: Fusion,
    },
}

/// How two rankings become one: the score of a point is the sum over the rankings of
/// `1 / ((rank + 1) / weight + k − 1)`, ranks from 0. This is what Qdrant computes; a weight
/// stretches the ranks of its list, so `k` must stay small for the weights to say anything.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Fusion {
    pub k: u32,
    pub lexical_weight: f32,
    pub dense_weight: f32,
    /// How many points of each ranking take part.
    pub candidates: usize,
}

/// One search.
#[derive(Debug, Clone)]
pub struct Search {
    pub ranking: Ranking,
    pub filter: Filter,
    pub limit: usize,
    pub with_vectors: bool,
}

/// The type of an indexed payload field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FieldType {
    Keyword,
    Integer,
}

/// What a new collection holds.
#[derive(Debug, Clone)]
pub struct Schema {
    /// The dimension of the dense vector, where there is one.
    pub dense_size: Option<usize>,
    pub fields: &'static [(&'static str, FieldType)],
}

/// One open collection. Methods block; callers keep them off the runtime.
pub trait Collection: Send + Sync {
    /// Adds or replaces points. They are durable after the next [`Collection::flush`].
    fn upsert(&self, points: Vec<Point>) -> Result<(), StoreError>;
    /// Removes all points that the filter matches; an empty filter is refused.
    fn remove(&self, filter: &Filter) -> Result<(), StoreError>;
    /// Makes everything written so far durable.
    fn flush(&self) -> Result<(), StoreError>;
    fn search(&self, search: &Search) -> Result<Vec<Scored>, StoreError>;
    /// Returns the points with these ids, in their order; what does not exist is left out.
    fn fetch(&self, ids: &[Uuid], with_vectors: bool) -> Result<Vec<Point>, StoreError>;
    /// Returns a page of points in the order of their ids, and where to go on.
    fn scroll(
        &self,
        filter: &Filter,
        from: Option<Uuid>,
        limit: usize,
        with_vectors: bool,
    ) -> Result<(Vec<Point>, Option<Uuid>), StoreError>;
    fn count(&self, filter: &Filter) -> Result<usize, StoreError>;
    /// Rebuilds what makes searches fast. May take minutes; searches go on meanwhile.
    fn optimize(&self) -> Result<(), StoreError>;
}

/// A place of collections.
pub trait Store: Send + Sync {
    /// Says what kind of store this is and where, for people; never with a credential.
    fn describe(&self) -> String;
    fn names(&self) -> Result<Vec<String>, StoreError>;
    /// Opens a collection; nothing where there is none of this name.
    fn open(&self, name: &str) -> Result<Option<Box<dyn Collection>>, StoreError>;
    fn create(&self, name: &str, schema: &Schema) -> Result<Box<dyn Collection>, StoreError>;
    fn delete(&self, name: &str) -> Result<(), StoreError>;
}

/// Why a store refuses or fails.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error("collection `{name}` is held by another process")]
    Held { name: String, holder: Option<Holder> },
    #[error("collection `{name}` is damaged")]
    Corrupt {
        name: String,
        #[source]
        source: Cause,
    },
    #[error("the store cannot be reached")]
    Unreachable {
        #[source]
        source: Cause,
    },
    #[error("the store refused the credentials")]
    Denied,
    #[error("the store failed")]
    Failed {
        #[source]
        source: Cause,
    },
    #[error("disk of the store is full or not writable")]
    NotWritable {
        #[source]
        source: Cause,
    },
    #[error("the vector has {received} dimensions, the collection {expected}")]
    Dimension { expected: usize, received: usize },
}

/// The process that holds a collection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    pub pid: u32,
    pub command: String,
}

/// The words of an engine about its failure: for the log, never for the caller.
#[derive(Debug)]
pub struct Cause(pub String);

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Cause {}

impl Cause {
    pub fn of(error: impl fmt::Display) -> Self {
        Self(error.to_string())
    }
}

/// Joins two rankings as [`Fusion`] says, for engines that cannot.
pub fn fuse(lexical: Vec<Scored>, dense: Vec<Scored>, fusion: Fusion, limit: usize) -> Vec<Scored> {
    let mut joined: Vec<Scored> = Vec::with_capacity(lexical.len() + dense.len());
    let mut positions = std::collections::HashMap::new();
    let lists = [(lexical, fusion.lexical_weight), (dense, fusion.dense_weight)];
    for (list, weight) in lists {
        if weight <= 0.0 {
            continue;
        }
        for (rank, scored) in list.into_iter().enumerate() {
            #[expect(clippy::cast_precision_loss, reason = "ranks and k are small")]
            let score = 1.0 / ((rank as f32 + 1.0) / weight + fusion.k as f32 - 1.0);
            let position = *positions.entry(scored.point.id).or_insert_with(|| {
                joined.push(Scored { score: 0.0, ..scored });
                joined.len() - 1
            });
            if let Some(entry) = joined.get_mut(position) {
                entry.score += score;
            }
        }
    }
    joined.sort_by(|left, right| right.score.total_cmp(&left.score).then_with(|| left.point.id.cmp(&right.point.id)));
    joined.truncate(limit);
    joined
}
