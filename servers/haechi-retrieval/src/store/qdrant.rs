//! The store on a Qdrant server or cluster.
//!
//! The server's version is read first: older servers drop fields that they do not know without a
//! word, so what they cannot do is done here instead of asked for. The client's own version check
//! stays off, since it prints to standard output, which belongs to the protocol.

use std::{
    future::Future,
    sync::{Arc, OnceLock},
    time::Duration,
};

use qdrant_client::{
    Payload, Qdrant, QdrantError,
    qdrant::{
        Condition as WireCondition, CountPointsBuilder, CreateCollectionBuilder, CreateFieldIndexCollectionBuilder,
        DeletePointsBuilder, Distance, FieldType as WireFieldType, Filter as WireFilter, GetPointsBuilder,
        HnswConfigDiffBuilder, Modifier, NamedVectors, PointId, PointStruct, PrefetchQueryBuilder, Query, QueryPoints,
        QueryPointsBuilder, Range, RrfBuilder, ScalarQuantizationBuilder, ScoredPoint, ScrollPointsBuilder,
        SparseVectorParamsBuilder, SparseVectorsConfigBuilder, StrictModeConfigBuilder, UpsertPointsBuilder,
        Value as WireValue, Vector, VectorInput, VectorParamsBuilder, VectorsConfigBuilder, VectorsOutput,
        point_id::PointIdOptions, vector_output::Vector as OutputVector,
    },
};
use serde_json::{Map, Value};
use uuid::Uuid;

use super::{
    Cause, Collection, Condition, DENSE, FieldType, Filter, Fusion, LEXICAL, Point, Ranking, Schema, Scored, Search,
    Sparse, Store, StoreError, Vectors, fuse,
};

/// Points per request, so that a request stays far below the size that servers accept.
const UPSERT_POINTS: usize = 256;
/// The first server that weighs the lists of a fusion.
const WEIGHTED_FUSION: (u32, u32) = (1, 17);

/// How to reach a server and how its collections are made.
#[derive(Clone, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct QdrantOptions {
    /// The gRPC address, e.g. `http://127.0.0.1:6334`.
    pub url: String,
    /// A file that holds the API key; keys never stand in settings or arguments.
    pub key_file: Option<std::path::PathBuf>,
    /// What the names of our collections begin with, since a server may hold others.
    pub prefix: String,
    pub timeout_ms: u64,
    pub shards: Option<u32>,
    pub replicas: Option<u32>,
    /// How many replicas must have written before a write counts.
    pub write_consistency: Option<u32>,
    /// `none` or `scalar`: a quarter of the memory for dense vectors at nearly the same answers.
    pub quantisation: Quantisation,
    /// Lets the server refuse filters on fields without an index, which would read everything.
    pub strict: bool,
}

/// How dense vectors are kept in memory.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Quantisation {
    #[default]
    None,
    Scalar,
}

impl Default for QdrantOptions {
    fn default() -> Self {
        Self {
            url: String::new(),
            key_file: None,
            prefix: "haechi-".into(),
            timeout_ms: 30_000,
            shards: None,
            replicas: None,
            write_consistency: None,
            quantisation: Quantisation::None,
            strict: true,
        }
    }
}

impl std::fmt::Debug for QdrantOptions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("QdrantOptions").field("url", &self.url).field("prefix", &self.prefix).finish_non_exhaustive()
    }
}

/// The collections of one server.
pub struct QdrantStore {
    server: Arc<Server>,
}

struct Server {
    client: Qdrant,
    /// The client only works inside a runtime, and the callers of a store are outside of any.
    runtime: Option<tokio::runtime::Runtime>,
    options: QdrantOptions,
    version: OnceLock<(u32, u32)>,
}

impl Drop for Server {
    fn drop(&mut self) {
        // Dropping a runtime waits, which is forbidden where the last owner may be a task.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl Server {
    fn wait<T>(&self, work: impl Future<Output = Result<T, QdrantError>>) -> Result<T, StoreError> {
        match &self.runtime {
            Some(runtime) => runtime.block_on(work).map_err(failed),
            None => Err(StoreError::Failed { source: Cause("the runtime is gone".into()) }),
        }
    }

    fn version(&self) -> Result<(u32, u32), StoreError> {
        if let Some(version) = self.version.get() {
            return Ok(*version);
        }
        let reply = self.wait(self.client.health_check())?;
        let mut parts = reply.version.split('.').map(|part| part.parse::<u32>().unwrap_or(0));
        let version = (parts.next().unwrap_or(0), parts.next().unwrap_or(0));
        tracing::info!(version = reply.version, "connected to a Qdrant server");
        Ok(*self.version.get_or_init(|| version))
    }
}

impl QdrantStore {
    /// Prepares the connection; nothing is sent yet.
    pub fn new(options: QdrantOptions) -> Result<Self, StoreError> {
        let key = match &options.key_file {
            None => None,
            Some(path) => {
                Some(std::fs::read_to_string(path).map(|key| key.trim().to_owned()).map_err(|error| {
                    StoreError::Unreachable { source: Cause(format!("key file: {}", error.kind())) }
                })?)
            }
        };
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .thread_name("qdrant")
            .enable_all()
            .build()
            .map_err(|error| StoreError::Failed { source: Cause::of(error) })?;
        let client = {
            let _inside = runtime.enter();
            Qdrant::from_url(&options.url)
                .api_key(key)
                .timeout(Duration::from_millis(options.timeout_ms))
                .connect_timeout(Duration::from_millis(options.timeout_ms.min(5_000)))
                .skip_compatibility_check()
                .build()
                .map_err(failed)?
        };
        Ok(Self { server: Arc::new(Server { client, runtime: Some(runtime), options, version: OnceLock::new() }) })
    }

    fn physical(&self, name: &str) -> String {
        format!("{}{name}", self.server.options.prefix)
    }

    fn handle(&self, name: &str) -> Box<dyn Collection> {
        Box::new(QdrantCollection { server: Arc::clone(&self.server), name: self.physical(name) })
    }
}

impl Store for QdrantStore {
    fn describe(&self) -> String {
        // An address may carry a name and a password before an `@`.
        let url = &self.server.options.url;
        let shown = match url.split_once("://").and_then(|(scheme, rest)| Some((scheme, rest.rsplit_once('@')?.1))) {
            Some((scheme, host)) => format!("{scheme}://{host}"),
            None => url.clone(),
        };
        format!("qdrant:{shown}")
    }

    fn names(&self) -> Result<Vec<String>, StoreError> {
        let found = self.server.wait(self.server.client.list_collections())?;
        let mut names: Vec<String> = found
            .collections
            .into_iter()
            .filter_map(|one| one.name.strip_prefix(&self.server.options.prefix).map(str::to_owned))
            .collect();
        names.sort();
        Ok(names)
    }

    fn open(&self, name: &str) -> Result<Option<Box<dyn Collection>>, StoreError> {
        let exists = self.server.wait(self.server.client.collection_exists(self.physical(name)))?;
        Ok(exists.then(|| self.handle(name)))
    }

    fn create(&self, name: &str, schema: &Schema) -> Result<Box<dyn Collection>, StoreError> {
        let physical = self.physical(name);
        let options = &self.server.options;
        let mut sparse = SparseVectorsConfigBuilder::default();
        sparse.add_named_vector_params(LEXICAL, SparseVectorParamsBuilder::default().modifier(Modifier::Idf));
        let mut create = CreateCollectionBuilder::new(&physical).sparse_vectors_config(sparse).on_disk_payload(true);
        if let Some(size) = schema.dense_size {
            let size = u64::try_from(size).unwrap_or(u64::MAX);
            let mut dense = VectorParamsBuilder::new(size, Distance::Cosine);
            if options.quantisation == Quantisation::Scalar {
                dense = dense.on_disk(true).quantization_config(ScalarQuantizationBuilder::default().always_ram(true));
            }
            let mut vectors = VectorsConfigBuilder::default();
            vectors.add_named_vector_params(DENSE, dense);
            create = create.vectors_config(vectors).hnsw_config(HnswConfigDiffBuilder::default().m(16));
        }
        if let Some(shards) = options.shards {
            create = create.shard_number(shards);
        }
        if let Some(replicas) = options.replicas {
            create = create.replication_factor(replicas);
        }
        if let Some(factor) = options.write_consistency {
            create = create.write_consistency_factor(factor);
        }
        if options.strict {
            create = create.strict_mode_config(
                StrictModeConfigBuilder::default()
                    .enabled(true)
                    .unindexed_filtering_retrieve(false)
                    .unindexed_filtering_update(false)
                    .build(),
            );
        }
        self.server.wait(self.server.client.create_collection(create))?;
        for (field, kind) in schema.fields {
            let kind = match kind {
                FieldType::Keyword => WireFieldType::Keyword,
                FieldType::Integer => WireFieldType::Integer,
            };
            let request = CreateFieldIndexCollectionBuilder::new(&physical, *field, kind).wait(true);
            self.server.wait(self.server.client.create_field_index(request))?;
        }
        Ok(self.handle(name))
    }

    fn delete(&self, name: &str) -> Result<(), StoreError> {
        if self.server.wait(self.server.client.collection_exists(self.physical(name)))? {
            self.server.wait(self.server.client.delete_collection(self.physical(name)))?;
        }
        Ok(())
    }
}

struct QdrantCollection {
    server: Arc<Server>,
    name: String,
}

impl QdrantCollection {
    fn query(&self, search: &Search) -> QueryPointsBuilder {
        QueryPointsBuilder::new(&self.name)
            .limit(number(search.limit))
            .with_payload(true)
            .with_vectors(search.with_vectors)
    }

    fn run(&self, request: impl Into<QueryPoints>) -> Result<Vec<Scored>, StoreError> {
        let response = self.server.wait(self.server.client.query(request))?;
        Ok(response.result.into_iter().filter_map(scored).collect())
    }

    fn single(
        &self,
        search: &Search,
        input: VectorInput,
        using: &str,
        limit: usize,
    ) -> Result<Vec<Scored>, StoreError> {
        let mut request = self.query(search).query(Query::new_nearest(input)).using(using).limit(number(limit));
        if let Some(filter) = wire_filter(&search.filter) {
            request = request.filter(filter);
        }
        self.run(request)
    }

    fn fused(
        &self,
        search: &Search,
        lexical: VectorInput,
        dense: VectorInput,
        fusion: Fusion,
    ) -> Result<Vec<Scored>, StoreError> {
        if self.server.version()? < WEIGHTED_FUSION {
            let left = self.single(search, lexical, LEXICAL, fusion.candidates)?;
            let right = self.single(search, dense, DENSE, fusion.candidates)?;
            return Ok(fuse(left, right, fusion, search.limit));
        }
        let prefetch = |input, using: &str| {
            let prefetch = PrefetchQueryBuilder::default()
                .query(Query::new_nearest(input))
                .using(using)
                .limit(number(fusion.candidates));
            match wire_filter(&search.filter) {
                Some(filter) => prefetch.filter(filter).build(),
                None => prefetch.build(),
            }
        };
        let rrf = RrfBuilder::with_k(fusion.k).weights(vec![fusion.lexical_weight, fusion.dense_weight]);
        let request = self
            .query(search)
            .prefetch(vec![prefetch(lexical, LEXICAL), prefetch(dense, DENSE)])
            .query(Query::new_rrf(rrf));
        self.run(request)
    }
}

impl Collection for QdrantCollection {
    fn upsert(&self, points: Vec<Point>) -> Result<(), StoreError> {
        let mut points = points.into_iter().map(to_wire).collect::<Result<Vec<_>, _>>()?;
        while !points.is_empty() {
            let rest = points.split_off(points.len().min(UPSERT_POINTS));
            let request = UpsertPointsBuilder::new(&self.name, std::mem::replace(&mut points, rest)).wait(true);
            self.server.wait(self.server.client.upsert_points(request))?;
        }
        Ok(())
    }

    fn remove(&self, filter: &Filter) -> Result<(), StoreError> {
        let Some(filter) = wire_filter(filter) else {
            return Err(StoreError::Failed { source: Cause("an empty filter would remove everything".into()) });
        };
        let request = DeletePointsBuilder::new(&self.name).points(filter).wait(true);
        self.server.wait(self.server.client.delete_points(request))?;
        Ok(())
    }

    fn flush(&self) -> Result<(), StoreError> {
        // Every write waited for the server, which replays its log after a crash.
        Ok(())
    }

    fn search(&self, search: &Search) -> Result<Vec<Scored>, StoreError> {
        let sparse = |sparse: &Sparse| VectorInput::new_sparse(sparse.indices.clone(), sparse.values.clone());
        match &search.ranking {
            Ranking::Lexical(lexical) => self.single(search, sparse(lexical), LEXICAL, search.limit),
            Ranking::Dense(dense) => self.single(search, VectorInput::new_dense(dense.clone()), DENSE, search.limit),
            Ranking::Fused { lexical, dense, fusion } => {
                self.fused(search, sparse(lexical), VectorInput::new_dense(dense.clone()), *fusion)
            }
        }
    }

    fn fetch(&self, ids: &[Uuid], with_vectors: bool) -> Result<Vec<Point>, StoreError> {
        let wanted: Vec<PointId> = ids.iter().map(|id| PointId::from(id.to_string())).collect();
        let request = GetPointsBuilder::new(&self.name, wanted).with_payload(true).with_vectors(with_vectors);
        let found = self.server.wait(self.server.client.get_points(request))?;
        let mut points: Vec<Point> =
            found.result.into_iter().filter_map(|point| from_wire(point.id?, point.payload, point.vectors)).collect();
        points.sort_by_key(|point| ids.iter().position(|id| *id == point.id));
        Ok(points)
    }

    fn scroll(
        &self,
        filter: &Filter,
        from: Option<Uuid>,
        limit: usize,
        with_vectors: bool,
    ) -> Result<(Vec<Point>, Option<Uuid>), StoreError> {
        let limit = u32::try_from(limit).unwrap_or(u32::MAX);
        let mut request =
            ScrollPointsBuilder::new(&self.name).limit(limit).with_payload(true).with_vectors(with_vectors);
        if let Some(from) = from {
            request = request.offset(PointId::from(from.to_string()));
        }
        if let Some(filter) = wire_filter(filter) {
            request = request.filter(filter);
        }
        let page = self.server.wait(self.server.client.scroll(request))?;
        let next = page.next_page_offset.and_then(|id| uuid_of(&id));
        let points =
            page.result.into_iter().filter_map(|point| from_wire(point.id?, point.payload, point.vectors)).collect();
        Ok((points, next))
    }

    fn count(&self, filter: &Filter) -> Result<usize, StoreError> {
        let mut request = CountPointsBuilder::new(&self.name).exact(true);
        if let Some(filter) = wire_filter(filter) {
            request = request.filter(filter);
        }
        let counted = self.server.wait(self.server.client.count(request))?;
        let count = counted.result.map_or(0, |result| result.count);
        Ok(usize::try_from(count).unwrap_or(usize::MAX))
    }

    fn optimize(&self) -> Result<(), StoreError> {
        // A server does this by itself.
        Ok(())
    }
}

fn number(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}

fn to_wire(point: Point) -> Result<PointStruct, StoreError> {
    let mut vectors = NamedVectors::default();
    if let Some(lexical) = point.vectors.lexical {
        vectors = vectors.add_vector(LEXICAL, Vector::new_sparse(lexical.indices, lexical.values));
    }
    if let Some(dense) = point.vectors.dense {
        vectors = vectors.add_vector(DENSE, Vector::new_dense(dense));
    }
    let payload = Payload::try_from(Value::Object(point.payload)).map_err(failed)?;
    Ok(PointStruct::new(point.id.to_string(), vectors, payload))
}

fn scored(hit: ScoredPoint) -> Option<Scored> {
    Some(Scored { score: hit.score, point: from_wire(hit.id?, hit.payload, hit.vectors)? })
}

fn from_wire(
    id: PointId,
    payload: std::collections::HashMap<String, WireValue>,
    vectors: Option<VectorsOutput>,
) -> Option<Point> {
    let payload: Map<String, Value> = payload.into_iter().map(|(name, value)| (name, Value::from(value))).collect();
    let named = |name: &str| vectors.as_ref().and_then(|vectors| vectors.get_vector_by_name(name));
    Some(Point {
        id: uuid_of(&id)?,
        vectors: Vectors {
            lexical: match named(LEXICAL) {
                Some(OutputVector::Sparse(sparse)) => Some(Sparse { indices: sparse.indices, values: sparse.values }),
                _ => None,
            },
            dense: match named(DENSE) {
                Some(OutputVector::Dense(dense)) => Some(dense.data),
                _ => None,
            },
        },
        payload,
    })
}

fn uuid_of(id: &PointId) -> Option<Uuid> {
    match id.point_id_options.as_ref()? {
        PointIdOptions::Uuid(id) => Uuid::try_parse(id).ok(),
        PointIdOptions::Num(_) => None,
    }
}

fn wire_filter(filter: &Filter) -> Option<WireFilter> {
    if filter.must.is_empty() && filter.must_not.is_empty() {
        return None;
    }
    Some(WireFilter {
        must: filter.must.iter().map(wire_condition).collect(),
        must_not: filter.must_not.iter().map(wire_condition).collect(),
        ..WireFilter::default()
    })
}

fn wire_condition(condition: &Condition) -> WireCondition {
    match condition {
        Condition::Any { field, values } => WireCondition::matches(*field, values.clone()),
        Condition::Either(conditions) => WireFilter::any(conditions.iter().map(wire_condition)).into(),
        Condition::Between { field, from, to } => {
            #[expect(clippy::cast_precision_loss, reason = "the values are small")]
            let bound = |value: Option<i64>| value.map(|value| value as f64);
            WireCondition::range(*field, Range { lt: None, gt: None, gte: bound(*from), lte: bound(*to) })
        }
    }
}

/// Sorts the server's refusals; its words may hold addresses of other nodes and stay in the log.
fn failed(error: QdrantError) -> StoreError {
    let source = Cause::of(&error);
    match &error {
        QdrantError::ResponseError { status } => match status.code() as i32 {
            // Deadline, unavailable.
            4 | 14 => StoreError::Unreachable { source },
            // The client reports a refused connection as a fault of its own.
            13 if status.message().starts_with("Failed to connect") => StoreError::Unreachable { source },
            // Permission denied, unauthenticated.
            7 | 16 => StoreError::Denied,
            3 => match dimensions(status.message()) {
                Some((expected, received)) => StoreError::Dimension { expected, received },
                None => StoreError::Failed { source },
            },
            _ => StoreError::Failed { source },
        },
        QdrantError::Io(_) | QdrantError::InvalidUri(_) => StoreError::Unreachable { source },
        _ => StoreError::Failed { source },
    }
}

/// Reads `expected dim: 4, got 3` out of the server's words.
fn dimensions(message: &str) -> Option<(usize, usize)> {
    let (_, rest) = message.split_once("expected dim: ")?;
    let (expected, received) = rest.split_once(", got ")?;
    let digits = |text: &str| text.chars().take_while(char::is_ascii_digit).collect::<String>().parse().ok();
    Some((digits(expected)?, digits(received)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_shown_without_its_password() {
        let check = |url: &str, shown: &str| {
            let options = QdrantOptions { url: url.into(), ..QdrantOptions::default() };
            assert_eq!(QdrantStore::new(options).unwrap().describe(), shown);
        };
        check("http://127.0.0.1:6334", "qdrant:http://127.0.0.1:6334");
        check("https://user:secret@qdrant.example:6334", "qdrant:https://qdrant.example:6334");
    }

    #[test]
    fn dimensions_are_read_from_a_refusal() {
        assert_eq!(dimensions("Wrong input: Vector dimension error: expected dim: 4, got 3"), Some((4, 3)));
        assert_eq!(dimensions("something else"), None);
    }
}
