//! The embedded store: one folder per collection, the engine of Qdrant inside this process.
//!
//! Three facts of the engine shape this file. It never replays its log, so only what was flushed
//! survives a crash. It never trims that log either, so closed pieces are removed here. And its
//! `flush` panics where it cannot write or where a write runs beside it, so all writes take turns
//! and a panic becomes an error.

use std::{
    fs::{self, File, OpenOptions},
    io::{ErrorKind, Read as _, Seek as _, Write as _},
    num::NonZeroUsize,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard},
};

use qdrant_edge::{
    AnyVariants, CountRequest, CreateIndex, Distance, EdgeConfig, EdgeConfigBuilder, EdgeOptimizersConfig, EdgeShard,
    EdgeSparseVectorParams, EdgeVectorParams, FieldCondition, FieldIndexOperations, Match, Modifier, NamedQuery,
    OperationError, Payload, PayloadFieldSchema, PayloadSchemaType, PointId, PointInsertOperations, PointOperations,
    PointStructPersisted, Prefetch, QueryEnum, QueryRequest, Range, ScoringQuery, ScrollRequest, SparseVector,
    UpdateOperation, Vector, VectorInternal, VectorStructInternal, VectorStructPersisted, WalOptions,
    WithPayloadInterface, WithVector, external::ordered_float::OrderedFloat,
};
use uuid::Uuid;

use super::{
    Cause, Collection, Condition, DENSE, FieldType, Filter, Holder, LEXICAL, Point, Ranking, Schema, Scored, Search,
    Sparse, Store, StoreError, Vectors,
};

/// The engine's own default of 32 MiB would cost that much per collection before the first word.
const WAL_SEGMENT_BYTES: usize = 4 << 20;

/// A folder whose subfolders are collections.
#[derive(Debug)]
pub struct EdgeStore {
    folder: PathBuf,
}

impl EdgeStore {
    pub fn new(folder: PathBuf) -> Self {
        Self { folder }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }
}

impl Store for EdgeStore {
    fn describe(&self) -> String {
        format!("edge:{}", self.folder.display())
    }

    fn names(&self) -> Result<Vec<String>, StoreError> {
        let entries = match fs::read_dir(&self.folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(StoreError::Failed { source: Cause::of(error) }),
        };
        let mut names: Vec<String> = entries
            .flatten()
            .filter(|entry| entry.path().join(SHARD).is_dir())
            .filter_map(|entry| entry.file_name().into_string().ok())
            .filter(|name| !name.starts_with('.'))
            .collect();
        names.sort();
        Ok(names)
    }

    fn open(&self, name: &str) -> Result<Option<Box<dyn Collection>>, StoreError> {
        let path = self.path(name);
        if !path.join(SHARD).is_dir() {
            return Ok(None);
        }
        let owner = Owner::take(&path, name)?;
        trim_log(&path.join(SHARD));
        let shard = guarded(|| EdgeShard::load(&path.join(SHARD), None))
            .and_then(|loaded| loaded.map_err(Cause::of))
            .map_err(|source| StoreError::Corrupt { name: name.to_owned(), source })?;
        Ok(Some(Box::new(EdgeCollection::new(shard, path.join(SHARD), owner))))
    }

    fn create(&self, name: &str, schema: &Schema) -> Result<Box<dyn Collection>, StoreError> {
        let path = self.path(name);
        fs::create_dir_all(&path).map_err(not_writable)?;
        let owner = Owner::take(&path, name)?;
        // A collection appears under its final name only when it is whole: a process that died
        // while creating one leaves a folder that the next one throws away.
        let draft = path.join(".creating");
        if draft.exists() {
            fs::remove_dir_all(&draft).map_err(not_writable)?;
        }
        fs::create_dir_all(&draft).map_err(not_writable)?;
        let shard = guarded(|| EdgeShard::new(&draft, config(schema)))
            .and_then(|created| created.map_err(Cause::of))
            .map_err(|source| StoreError::NotWritable { source })?;
        for (field, kind) in schema.fields {
            let field_name = qdrant_edge::JsonPath::try_from(*field)
                .map_err(|()| StoreError::Failed { source: Cause(format!("field name {field}")) })?;
            let operation = UpdateOperation::FieldIndexOperation(FieldIndexOperations::CreateIndex(CreateIndex {
                field_name,
                field_schema: Some(PayloadFieldSchema::FieldType(match kind {
                    FieldType::Keyword => PayloadSchemaType::Keyword,
                    FieldType::Integer => PayloadSchemaType::Integer,
                })),
            }));
            shard.update(operation).map_err(failed)?;
        }
        guarded(|| drop(shard)).map_err(|source| StoreError::NotWritable { source })?;
        fs::rename(&draft, path.join(SHARD)).map_err(not_writable)?;
        let shard = guarded(|| EdgeShard::load(&path.join(SHARD), None))
            .and_then(|loaded| loaded.map_err(Cause::of))
            .map_err(|source| StoreError::Corrupt { name: name.to_owned(), source })?;
        Ok(Box::new(EdgeCollection::new(shard, path.join(SHARD), owner)))
    }

    fn delete(&self, name: &str) -> Result<(), StoreError> {
        let path = self.path(name);
        if !path.exists() {
            return Ok(());
        }
        let owner = Owner::take(&path, name)?;
        fs::remove_dir_all(path.join(SHARD)).map_err(not_writable)?;
        drop(owner);
        fs::remove_dir_all(&path).map_err(not_writable)
    }
}

const SHARD: &str = "shard";
const OWNER: &str = "owner";

fn config(schema: &Schema) -> EdgeConfig {
    let mut builder = EdgeConfigBuilder::new()
        .on_disk_payload(true)
        .sparse_vector(
            LEXICAL,
            EdgeSparseVectorParams { modifier: Some(Modifier::Idf), ..EdgeSparseVectorParams::default() },
        )
        .optimizers(EdgeOptimizersConfig::default())
        .wal_options(WalOptions {
            segment_capacity: WAL_SEGMENT_BYTES,
            segment_queue_len: 0,
            retain_closed: NonZeroUsize::MIN,
        });
    if let Some(size) = schema.dense_size {
        builder = builder.vector(DENSE, EdgeVectorParams::builder(size, Distance::Cosine).build());
    }
    builder.build()
}

/// Removes the closed pieces of the log but the newest, which carries the numbering on.
///
/// The engine neither reads them back nor removes them, and they hold every byte ever written.
fn trim_log(shard: &Path) {
    let Ok(entries) = fs::read_dir(shard.join("wal")) else {
        return;
    };
    let mut closed: Vec<(u64, PathBuf)> = entries
        .flatten()
        .filter_map(|entry| {
            let name = entry.file_name().into_string().ok()?;
            let start = name.strip_prefix("closed-")?.parse().ok()?;
            Some((start, entry.path()))
        })
        .collect();
    closed.sort();
    closed.pop();
    // Oldest first: whatever a crash leaves is then still one run without a gap.
    for (_, path) in closed {
        if let Err(error) = fs::remove_file(&path) {
            tracing::warn!(kind = %error.kind(), "a closed log file could not be removed");
            return;
        }
    }
}

/// The exclusive hold on a collection's folder, with the holder's process written into it.
#[derive(Debug)]
struct Owner {
    file: File,
}

impl Owner {
    fn take(folder: &Path, name: &str) -> Result<Self, StoreError> {
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(folder.join(OWNER))
            .map_err(not_writable)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(fs::TryLockError::WouldBlock) => {
                let mut text = String::new();
                // Somebody may be writing this very moment; then the holder stays unnamed.
                let _ = file.read_to_string(&mut text);
                return Err(StoreError::Held { name: name.to_owned(), holder: parse_holder(&text) });
            }
            Err(fs::TryLockError::Error(error)) => return Err(not_writable(error)),
        }
        let command = std::env::args_os()
            .nth(1)
            .map(|argument| argument.to_string_lossy().into_owned())
            .unwrap_or_else(|| "serve".to_owned());
        let text = format!("{}\n{command}\n", std::process::id());
        file.set_len(0)
            .and_then(|()| file.rewind())
            .and_then(|()| file.write_all(text.as_bytes()))
            .map_err(not_writable)?;
        Ok(Self { file })
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        // The lock goes with the file; an empty file says that nobody is left.
        let _ = self.file.set_len(0);
    }
}

fn parse_holder(text: &str) -> Option<Holder> {
    let mut lines = text.lines();
    Some(Holder { pid: lines.next()?.trim().parse().ok()?, command: lines.next().unwrap_or_default().to_owned() })
}

struct EdgeCollection {
    shard: EdgeShard,
    /// Writes, flushes and optimisations take turns; the engine panics where a flush meets a write.
    writing: Mutex<()>,
    path: PathBuf,
    /// Kept last so that the engine closes before the folder is free for others.
    _owner: Owner,
}

impl EdgeCollection {
    fn new(shard: EdgeShard, path: PathBuf, owner: Owner) -> Self {
        Self { shard, writing: Mutex::new(()), path, _owner: owner }
    }

    fn turn(&self) -> MutexGuard<'_, ()> {
        // The guarded value is empty, so a panic elsewhere leaves nothing half-changed behind it.
        self.writing.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl Collection for EdgeCollection {
    fn upsert(&self, points: Vec<Point>) -> Result<(), StoreError> {
        if points.is_empty() {
            return Ok(());
        }
        let points = points.into_iter().map(to_engine).collect::<Result<Vec<_>, _>>()?;
        let _turn = self.turn();
        let operation =
            UpdateOperation::PointOperation(PointOperations::UpsertPoints(PointInsertOperations::PointsList(points)));
        guarded(|| self.shard.update(operation)).map_err(|source| StoreError::NotWritable { source })?.map_err(failed)
    }

    fn remove(&self, filter: &Filter) -> Result<(), StoreError> {
        let Some(filter) = engine_filter(filter)? else {
            return Err(StoreError::Failed { source: Cause("an empty filter would remove everything".into()) });
        };
        let _turn = self.turn();
        let operation = UpdateOperation::PointOperation(PointOperations::DeletePointsByFilter(filter));
        guarded(|| self.shard.update(operation)).map_err(|source| StoreError::NotWritable { source })?.map_err(failed)
    }

    fn flush(&self) -> Result<(), StoreError> {
        let _turn = self.turn();
        guarded(|| self.shard.flush()).map_err(|source| StoreError::NotWritable { source })?;
        trim_log(&self.path);
        Ok(())
    }

    fn search(&self, search: &Search) -> Result<Vec<Scored>, StoreError> {
        let filter = engine_filter(&search.filter)?;
        let mut request = QueryRequest {
            prefetches: Vec::new(),
            query: None,
            filter: filter.clone(),
            score_threshold: None,
            limit: search.limit,
            offset: 0,
            params: None,
            with_vector: WithVector::Bool(search.with_vectors),
            with_payload: WithPayloadInterface::Bool(true),
        };
        match &search.ranking {
            Ranking::Lexical(lexical) => request.query = Some(nearest_lexical(lexical)),
            Ranking::Dense(dense) => request.query = Some(nearest_dense(dense)),
            Ranking::Fused { lexical, dense, fusion } => {
                let prefetch = |query| Prefetch {
                    prefetches: Vec::new(),
                    query: Some(query),
                    limit: fusion.candidates,
                    params: None,
                    filter: filter.clone(),
                    score_threshold: None,
                };
                request.prefetches = vec![prefetch(nearest_lexical(lexical)), prefetch(nearest_dense(dense))];
                request.query = Some(ScoringQuery::Fusion(qdrant_edge::Fusion::Rrf {
                    k: usize::try_from(fusion.k).unwrap_or(2),
                    weights: Some(vec![OrderedFloat(fusion.lexical_weight), OrderedFloat(fusion.dense_weight)]),
                }));
            }
        }
        let found = self.shard.query(request).map_err(failed)?;
        Ok(found
            .into_iter()
            .filter_map(|hit| Some(Scored { score: hit.score, point: from_engine(hit.id, hit.payload, hit.vector)? }))
            .collect())
    }

    fn fetch(&self, ids: &[Uuid], with_vectors: bool) -> Result<Vec<Point>, StoreError> {
        let ids: Vec<PointId> = ids.iter().map(|id| PointId::Uuid(*id)).collect();
        let found = self
            .shard
            .retrieve(&ids, Some(WithPayloadInterface::Bool(true)), Some(WithVector::Bool(with_vectors)))
            .map_err(failed)?;
        Ok(found.into_iter().filter_map(|record| from_engine(record.id, record.payload, record.vector)).collect())
    }

    fn scroll(
        &self,
        filter: &Filter,
        from: Option<Uuid>,
        limit: usize,
        with_vectors: bool,
    ) -> Result<(Vec<Point>, Option<Uuid>), StoreError> {
        let request = ScrollRequest {
            offset: from.map(PointId::Uuid),
            limit: Some(limit),
            filter: engine_filter(filter)?,
            with_payload: Some(WithPayloadInterface::Bool(true)),
            with_vector: WithVector::Bool(with_vectors),
            order_by: None,
        };
        let (records, next) = self.shard.scroll(request).map_err(failed)?;
        let points =
            records.into_iter().filter_map(|record| from_engine(record.id, record.payload, record.vector)).collect();
        let next = match next {
            Some(PointId::Uuid(id)) => Some(id),
            Some(PointId::NumId(_)) | None => None,
        };
        Ok((points, next))
    }

    fn count(&self, filter: &Filter) -> Result<usize, StoreError> {
        let request = CountRequest { filter: engine_filter(filter)?, exact: true };
        self.shard.count(request).map_err(failed)
    }

    fn optimize(&self) -> Result<(), StoreError> {
        let _turn = self.turn();
        guarded(|| self.shard.optimize()).map_err(|source| StoreError::NotWritable { source })?.map_err(failed)?;
        guarded(|| self.shard.flush()).map_err(|source| StoreError::NotWritable { source })
    }
}

fn nearest_lexical(sparse: &Sparse) -> ScoringQuery {
    let vector = SparseVector { indices: sparse.indices.clone(), values: sparse.values.clone() };
    nearest(VectorInternal::Sparse(vector), LEXICAL)
}

fn nearest_dense(values: &[f32]) -> ScoringQuery {
    nearest(VectorInternal::Dense(values.to_vec()), DENSE)
}

fn nearest(query: VectorInternal, using: &str) -> ScoringQuery {
    ScoringQuery::Vector(QueryEnum::Nearest(NamedQuery { query, using: Some(using.into()) }))
}

fn to_engine(point: Point) -> Result<PointStructPersisted, StoreError> {
    let mut named = Vec::with_capacity(2);
    if let Some(lexical) = point.vectors.lexical {
        named.push((LEXICAL.to_owned(), Vector::new_sparse(lexical.indices, lexical.values).map_err(failed)?));
    }
    if let Some(dense) = point.vectors.dense {
        named.push((DENSE.to_owned(), Vector::new_dense(dense)));
    }
    let vectors = VectorStructInternal::Named(named.into_iter().map(|(name, vector)| (name, vector.into())).collect());
    Ok(PointStructPersisted {
        id: PointId::Uuid(point.id),
        vector: VectorStructPersisted::from(vectors),
        payload: Some(Payload(point.payload)),
    })
}

fn from_engine(id: PointId, payload: Option<Payload>, vector: Option<VectorStructInternal>) -> Option<Point> {
    let PointId::Uuid(id) = id else {
        return None;
    };
    let mut vectors = Vectors::default();
    if let Some(VectorStructInternal::Named(named)) = vector {
        for (name, vector) in named {
            match vector {
                VectorInternal::Dense(values) if name == DENSE => vectors.dense = Some(values),
                VectorInternal::Sparse(sparse) if name == LEXICAL => {
                    vectors.lexical = Some(Sparse { indices: sparse.indices, values: sparse.values });
                }
                VectorInternal::Dense(_) | VectorInternal::Sparse(_) | VectorInternal::MultiDense(_) => {}
            }
        }
    }
    Some(Point { id, vectors, payload: payload.map(|payload| payload.0).unwrap_or_default() })
}

fn engine_filter(filter: &Filter) -> Result<Option<qdrant_edge::Filter>, StoreError> {
    if filter.must.is_empty() && filter.must_not.is_empty() {
        return Ok(None);
    }
    let conditions = |list: &[Condition]| -> Result<Option<Vec<qdrant_edge::Condition>>, StoreError> {
        if list.is_empty() {
            return Ok(None);
        }
        list.iter().map(engine_condition).collect::<Result<Vec<_>, _>>().map(Some)
    };
    Ok(Some(qdrant_edge::Filter {
        should: None,
        min_should: None,
        must: conditions(&filter.must)?,
        must_not: conditions(&filter.must_not)?,
    }))
}

fn engine_condition(condition: &Condition) -> Result<qdrant_edge::Condition, StoreError> {
    let key = |field: &str| {
        qdrant_edge::JsonPath::try_from(field)
            .map_err(|()| StoreError::Failed { source: Cause(format!("field name {field}")) })
    };
    let field = match condition {
        Condition::Either(conditions) => {
            let should = conditions.iter().map(engine_condition).collect::<Result<Vec<_>, _>>()?;
            return Ok(qdrant_edge::Condition::Filter(qdrant_edge::Filter {
                should: Some(should),
                min_should: None,
                must: None,
                must_not: None,
            }));
        }
        Condition::Any { field, values } => {
            FieldCondition::new_match(key(field)?, Match::from(AnyVariants::Strings(values.iter().cloned().collect())))
        }
        Condition::Between { field, from, to } => {
            // Dates as yyyymmdd and positions in documents are far below 2^53.
            #[expect(clippy::cast_precision_loss, reason = "the values are small")]
            let bound = |value: Option<i64>| value.map(|value| OrderedFloat(value as f64));
            FieldCondition::new_range(key(field)?, Range { lt: None, gt: None, gte: bound(*from), lte: bound(*to) })
        }
    };
    Ok(qdrant_edge::Condition::Field(field))
}

/// Runs something of the engine that may panic where the disk is full or a file is gone.
fn guarded<T>(work: impl FnOnce() -> T) -> Result<T, Cause> {
    catch_unwind(AssertUnwindSafe(work)).map_err(|panic| {
        let text = panic
            .downcast_ref::<String>()
            .cloned()
            .or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
        Cause(text.unwrap_or_else(|| "the engine panicked".to_owned()))
    })
}

fn failed(error: OperationError) -> StoreError {
    match error {
        OperationError::WrongVectorDimension { expected_dim, received_dim } => {
            StoreError::Dimension { expected: expected_dim, received: received_dim }
        }
        error => StoreError::Failed { source: Cause::of(error) },
    }
}

fn not_writable(error: std::io::Error) -> StoreError {
    StoreError::NotWritable { source: Cause::of(error) }
}
