//! Brings a collection to what the folders hold: new, changed and gone documents.
//!
//! A document counts as done only when its passages are durable: its record is written one batch
//! after them. A run that dies at any point leaves documents without a record, which the next run
//! does again; ids come from content, so doing it again changes nothing else.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    path::{Path, PathBuf},
    sync::{
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
    time::{Duration, Instant},
};

use haechi_documents::{Document, DocumentError, Format, Limits};
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use crate::{
    cut::{CUTTER_VERSION, Draft, Size, cut},
    embed::Embedder,
    error::RetrievalError,
    library::{Library, Shelf},
    record::{DIGEST, DOCUMENT, RECORD, StoredDocument, StoredPassage, TITLE, is, of_record, point, read},
    store::{Condition, Filter, Point, Vectors},
    terms::{self, Parts, Weighting},
};

/// Passages that are written and flushed together by default; a crash costs at most two batches.
pub const BATCH_PASSAGES: usize = 1_024;
/// Changed points from which rebuilding the search structures pays.
const OPTIMISE_POINTS: usize = 5_000;
/// Documents that wait between readers and the writer, so that memory stays bounded.
const QUEUE_DOCUMENTS: usize = 32;
/// Documents read from the store at a time.
const PAGE_RECORDS: usize = 2_000;

/// What to index and how.
#[derive(Debug, Clone)]
pub struct Plan {
    pub paths: Vec<PathBuf>,
    pub collection: String,
    pub size: Size,
    /// Throws the collection away first.
    pub rebuild: bool,
    /// Only says what would be done.
    pub dry_run: bool,
    /// Passages that are written and flushed together.
    pub batch: usize,
}

/// How far a run is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Progress {
    pub documents_done: usize,
    pub documents: usize,
    pub passages: usize,
}

/// Who hears of progress and may stop the run.
pub trait Watcher: Sync {
    fn progress(&self, progress: Progress);
    fn cancelled(&self) -> bool;
}

/// What a run did, or in a dry run would do.
#[derive(Debug, Clone, Default, serde::Serialize)]
pub struct Outcome {
    pub collection: String,
    pub added: usize,
    pub changed: usize,
    pub unchanged: usize,
    pub removed: usize,
    /// Passages written.
    pub passages: usize,
    /// Files of kinds that are not documents.
    pub ignored: usize,
    pub failed: Vec<FailedDocument>,
    pub dry_run: bool,
    #[serde(skip)]
    pub elapsed: Duration,
}

/// A document that could not be read; what was indexed of it before stays.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct FailedDocument {
    pub document: String,
    /// Korean, for the person who looks after the folder.
    pub reason: String,
}

impl Library {
    /// Brings a collection up to date with its folders.
    pub fn index(&self, plan: &Plan, watcher: &dyn Watcher) -> Result<Outcome, RetrievalError> {
        let started = Instant::now();
        let sources = gather(&plan.paths)?;
        let mut outcome = Outcome {
            collection: plan.collection.clone(),
            ignored: sources.ignored,
            dry_run: plan.dry_run,
            ..Outcome::default()
        };
        if plan.dry_run {
            self.rehearse(plan, &sources, &mut outcome)?;
            outcome.elapsed = started.elapsed();
            return Ok(outcome);
        }
        let (shelf, fresh) = self.shelf_to_write(&plan.collection, plan.rebuild)?;
        let stored = documents(&shelf)?;
        let mut writer = Writer::new(self, &shelf, fresh, plan.batch);
        let built = shelf.built();
        if !fresh && !built.clean {
            sweep(&shelf, &stored, &sources)?;
        }
        read_all(plan, &sources, &stored, &built.weighting, &mut writer, &mut outcome, watcher)?;
        let gone: Vec<String> = gone(&stored, &sources).cloned().collect();
        outcome.removed = gone.len();
        writer.remove(gone)?;
        let touched = writer.finish()?;
        outcome.passages = touched;
        if OPTIMISE_POINTS <= touched {
            shelf.collection.optimize()?;
        }
        outcome.elapsed = started.elapsed();
        Ok(outcome)
    }

    fn rehearse(&self, plan: &Plan, sources: &Sources, outcome: &mut Outcome) -> Result<(), RetrievalError> {
        let exists = self.names()?.contains(&plan.collection);
        let stored =
            if exists && !plan.rebuild { documents(&*self.shelf(Some(&plan.collection))?)? } else { HashMap::new() };
        for (document, path) in &sources.files {
            match load(path, &plan.size) {
                Err(reason) => outcome.failed.push(FailedDocument { document: document.clone(), reason }),
                Ok((_, digest)) => match stored.get(document) {
                    Some(record) if record.digest == digest => outcome.unchanged += 1,
                    Some(_) => outcome.changed += 1,
                    None => outcome.added += 1,
                },
            }
        }
        outcome.removed = gone(&stored, sources).count();
        Ok(())
    }
}

/// The files to read, by the name that their documents have.
#[derive(Debug, Default)]
struct Sources {
    files: BTreeMap<String, PathBuf>,
    /// The first parts of the names: what stands below them and is not here is gone.
    roots: BTreeSet<String>,
    ignored: usize,
}

fn gather(paths: &[PathBuf]) -> Result<Sources, RetrievalError> {
    let mut sources = Sources::default();
    for path in paths {
        let unusable = |detail| RetrievalError::Path { path: path.display().to_string(), detail };
        let canonical = path.canonicalize().map_err(|_| unusable("경로가 있는지, 읽을 권한이 있는지 확인하십시오"))?;
        let root = canonical
            .file_name()
            .map(|name| haechi_korean::text::nfc(&name.to_string_lossy()))
            .ok_or_else(|| unusable("이름이 있는 폴더나 파일을 지정하십시오"))?;
        if !sources.roots.insert(root.clone()) {
            return Err(RetrievalError::SameName { name: root });
        }
        let entries = walkdir::WalkDir::new(&canonical)
            .sort_by_file_name()
            .into_iter()
            .filter_entry(|entry| entry.depth() == 0 || !entry.file_name().to_string_lossy().starts_with('.'));
        for entry in entries {
            let entry = entry.map_err(|_| unusable("아래에 읽을 수 없는 폴더가 있습니다. 권한을 확인하십시오"))?;
            if !entry.file_type().is_file() {
                continue;
            }
            let name = entry.file_name().to_string_lossy();
            // Office programs keep a lock file with this prefix beside every open document.
            if Format::of_name(&name).is_none() || name.starts_with("~$") {
                sources.ignored += 1;
                continue;
            }
            let below = entry.path().strip_prefix(&canonical).unwrap_or(Path::new(""));
            let mut document = root.clone();
            for part in below.components() {
                document.push('/');
                document.push_str(&haechi_korean::text::nfc(&part.as_os_str().to_string_lossy()));
            }
            sources.files.insert(document, entry.into_path());
        }
    }
    Ok(sources)
}

/// The records of all documents that are completely stored.
fn documents(shelf: &Shelf) -> Result<HashMap<String, StoredDocument>, RetrievalError> {
    let mut found = HashMap::new();
    let mut from = None;
    loop {
        let (points, next) = shelf.collection.scroll(&of_record("document"), from, PAGE_RECORDS, false)?;
        for point in points {
            if let Some(record) = read::<StoredDocument>(point.payload) {
                found.insert(record.document.clone(), record);
            }
        }
        match next {
            Some(_) => from = next,
            None => return Ok(found),
        }
    }
}

fn gone<'a>(stored: &'a HashMap<String, StoredDocument>, sources: &'a Sources) -> impl Iterator<Item = &'a String> {
    stored.keys().filter(|document| {
        let root = document.split('/').next().unwrap_or_default();
        sources.roots.contains(root) && !sources.files.contains_key(*document)
    })
}

/// Removes passages of documents that have neither a record nor a file: an interrupted run wrote
/// them, and the file was gone before the next run.
fn sweep(shelf: &Shelf, stored: &HashMap<String, StoredDocument>, sources: &Sources) -> Result<(), RetrievalError> {
    let mut orphans = BTreeSet::new();
    let mut from = None;
    loop {
        let (points, next) = shelf.collection.scroll(&of_record("passage"), from, PAGE_RECORDS, false)?;
        for point in points {
            if let Some(passage) = read::<StoredPassage>(point.payload)
                && !stored.contains_key(&passage.document)
                && !sources.files.contains_key(&passage.document)
            {
                orphans.insert(passage.document);
            }
        }
        if next.is_none() {
            break;
        }
        from = next;
    }
    if orphans.is_empty() {
        return Ok(());
    }
    let documents = Condition::Any { field: DOCUMENT, values: orphans.into_iter().collect() };
    shelf.collection.remove(&Filter { must: vec![documents], must_not: Vec::new() })?;
    shelf.collection.flush()?;
    Ok(())
}

/// A document cut into points.
struct Prepared {
    record: StoredDocument,
    passages: Vec<StoredPassage>,
    points: Vec<Point>,
}

enum Read {
    Unchanged,
    Changed { prepared: Prepared, known: bool },
    Failed { document: String, reason: String },
}

/// Reads files on as many threads as there are processors and writes from this one.
fn read_all(
    plan: &Plan,
    sources: &Sources,
    stored: &HashMap<String, StoredDocument>,
    weighting: &Weighting,
    writer: &mut Writer<'_>,
    outcome: &mut Outcome,
    watcher: &dyn Watcher,
) -> Result<(), RetrievalError> {
    let files: Vec<(&String, &PathBuf)> = sources.files.iter().collect();
    let next = AtomicUsize::new(0);
    let (sender, receiver) = mpsc::sync_channel(QUEUE_DOCUMENTS);
    let readers = std::thread::available_parallelism().map_or(1, usize::from).min(files.len().max(1));
    std::thread::scope(|scope| {
        for _ in 0..readers {
            let (sender, files, next) = (sender.clone(), &files, &next);
            scope.spawn(move || {
                while let Some((document, path)) = files.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let read = prepare(&plan.collection, document, path, stored.get(*document), &plan.size, weighting);
                    // The writer went away with an error; it tells, this thread only stops.
                    if sender.send(read).is_err() {
                        return;
                    }
                }
            });
        }
        drop(sender);
        let mut progress = Progress { documents: files.len(), ..Progress::default() };
        for read in receiver {
            if watcher.cancelled() {
                return Err(RetrievalError::Cancelled);
            }
            progress.documents_done += 1;
            match read {
                Read::Unchanged => outcome.unchanged += 1,
                Read::Failed { document, reason } => outcome.failed.push(FailedDocument { document, reason }),
                Read::Changed { prepared, known } => {
                    if known {
                        outcome.changed += 1;
                    } else {
                        outcome.added += 1;
                    }
                    progress.passages += prepared.points.len();
                    writer.write(prepared)?;
                }
            }
            watcher.progress(progress);
        }
        Ok(())
    })
}

fn prepare(
    collection: &str,
    document: &str,
    path: &Path,
    stored: Option<&StoredDocument>,
    size: &Size,
    weighting: &Weighting,
) -> Read {
    let failed = |reason| Read::Failed { document: document.to_owned(), reason };
    let (bytes, digest) = match load(path, size) {
        Ok(loaded) => loaded,
        Err(reason) => return failed(reason),
    };
    if stored.is_some_and(|stored| stored.digest == digest) {
        return Read::Unchanged;
    }
    let file_name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    // A reader of untrusted bytes is not supposed to panic; if it does, one document fails.
    let read = std::panic::catch_unwind(|| haechi_documents::read(&file_name, &bytes, &Limits::default()));
    match read {
        Ok(Ok(parsed)) => Read::Changed {
            prepared: passages(collection, document, &digest, &parsed, bytes.len(), size, weighting),
            known: stored.is_some(),
        },
        Ok(Err(error)) => failed(describe(&error)),
        Err(_) => failed("문서를 읽다가 내부 오류가 났습니다".into()),
    }
}

/// Reads a file and hashes it together with everything that decides what its passages are.
fn load(path: &Path, size: &Size) -> Result<(Vec<u8>, String), String> {
    let limits = Limits::default();
    let unreadable = |error: std::io::Error| format!("파일을 읽을 수 없습니다 ({})", error.kind());
    let length = std::fs::metadata(path).map_err(unreadable)?.len();
    if u64::try_from(limits.bytes_max).is_ok_and(|max| max < length) {
        return Err(describe(&DocumentError::TooLarge {
            what: "bytes",
            found: usize::try_from(length).unwrap_or(usize::MAX),
            max: limits.bytes_max,
        }));
    }
    let bytes = std::fs::read(path).map_err(unreadable)?;
    let mut hasher = Sha256::new();
    hasher.update(format!(
        "{} {CUTTER_VERSION} {} {} {}\n",
        haechi_documents::READER_VERSION,
        size.target,
        size.max,
        size.overlap
    ));
    hasher.update(&bytes);
    let digest = hasher.finalize();
    // 128 bits are more than enough to tell versions of one document apart.
    Ok((bytes, digest.iter().take(16).map(|byte| format!("{byte:02x}")).collect()))
}

fn describe(error: &DocumentError) -> String {
    match error {
        DocumentError::Unsupported { extension } => format!("지원하지 않는 형식입니다 (.{extension})"),
        DocumentError::Damaged { .. } => "문서가 손상되었거나 이름과 다른 형식입니다".into(),
        DocumentError::PasswordRequired => "암호가 걸린 문서입니다. 암호를 푼 사본을 넣으십시오".into(),
        DocumentError::NoText => "글자가 없습니다. 그림뿐인 문서라면 문자 인식을 먼저 하십시오".into(),
        DocumentError::TooLarge { found, max, .. } => format!("문서가 너무 큽니다 ({found}, 최대 {max})"),
        _ => "문서를 읽을 수 없습니다".into(),
    }
}

/// What the head of a document says about it.
struct Labels {
    title: String,
    kind: Option<String>,
    department: Option<String>,
    date: Option<u32>,
    tags: Vec<String>,
}

fn labels(document: &str, parsed: &Document) -> Labels {
    let head = &parsed.front_matter;
    let one = |keys: &[&str]| head.first(keys).map(str::to_owned);
    let stem = document.rsplit('/').next().unwrap_or(document);
    let stem = stem.rsplit_once('.').map_or(stem, |(stem, _)| stem);
    Labels {
        title: parsed.title.clone().unwrap_or_else(|| stem.to_owned()),
        kind: one(&["kind", "type", "종류", "문서종류", "구분", "법령구분"])
            .or_else(|| Some(parsed.format.as_str().to_owned())),
        department: one(&["department", "부서", "담당부서", "소관부서", "소관부처", "owner"]),
        date: head
            .first(&["date", "effective", "effective_from", "시행일자", "시행일", "개정일", "작성일", "날짜"])
            .and_then(haechi_korean::date::parse)
            .map(haechi_korean::date::Date::number),
        tags: head.values(&["tags", "태그", "keywords", "키워드"]).into_iter().map(str::to_owned).collect(),
    }
}

fn passages(
    collection: &str,
    document: &str,
    digest: &str,
    parsed: &Document,
    bytes: usize,
    size: &Size,
    weighting: &Weighting,
) -> Prepared {
    let labels = labels(document, parsed);
    let drafts = cut(parsed, &labels.title, size);
    let mut occurrences: HashMap<(Vec<String>, String), usize> = HashMap::new();
    let mut passages = Vec::with_capacity(drafts.len());
    let mut points = Vec::with_capacity(drafts.len());
    for (ordinal, draft) in drafts.into_iter().enumerate() {
        let Draft { heading, text, fresh_from, page, addenda } = draft;
        let occurrence = occurrences.entry((heading.clone(), text.clone())).or_default();
        let id = StoredPassage::id(collection, document, &heading, &text, *occurrence);
        *occurrence += 1;
        let passage = StoredPassage {
            record: "passage".into(),
            document: document.to_owned(),
            digest: digest.to_owned(),
            ordinal: u32::try_from(ordinal).unwrap_or(u32::MAX),
            title: labels.title.clone(),
            heading,
            page,
            text,
            repeated: fresh_from,
            addenda,
            kind: labels.kind.clone(),
            department: labels.department.clone(),
            date: labels.date,
            tags: labels.tags.clone(),
        };
        let parts = Parts { title: &passage.title, heading: &passage.heading, text: &passage.text };
        let lexical = terms::of_passage(&parts, weighting);
        points.push(point(id, &passage, Vectors { lexical: Some(lexical), dense: None }));
        passages.push(passage);
    }
    let record = StoredDocument {
        record: "document".into(),
        document: document.to_owned(),
        digest: digest.to_owned(),
        passages: points.len(),
        bytes: u64::try_from(bytes).unwrap_or(u64::MAX),
    };
    Prepared { record, passages, points }
}

/// Collects points into batches and keeps the order in which they become durable.
struct Writer<'a> {
    library: &'a Library,
    shelf: &'a Shelf,
    fresh: bool,
    batch_passages: usize,
    points: Vec<Point>,
    passages: Vec<StoredPassage>,
    records: Vec<StoredDocument>,
    /// Records of documents whose passages were flushed; they go with the next batch.
    durable: Vec<StoredDocument>,
    written: usize,
    dirty: bool,
}

impl<'a> Writer<'a> {
    fn new(library: &'a Library, shelf: &'a Shelf, fresh: bool, batch_passages: usize) -> Self {
        Self {
            library,
            shelf,
            fresh,
            batch_passages,
            points: Vec::new(),
            passages: Vec::new(),
            records: Vec::new(),
            durable: Vec::new(),
            written: 0,
            dirty: false,
        }
    }

    fn write(&mut self, prepared: Prepared) -> Result<(), RetrievalError> {
        self.points.extend(prepared.points);
        self.passages.extend(prepared.passages);
        self.records.push(prepared.record);
        if self.batch_passages <= self.points.len() { self.batch() } else { Ok(()) }
    }

    /// Marks the collection as being written, before the first change.
    fn begin(&mut self) -> Result<(), RetrievalError> {
        if self.dirty {
            return Ok(());
        }
        self.dirty = true;
        let mut built = self.shelf.built();
        built.clean = false;
        self.shelf.record(built)?;
        self.shelf.collection.flush()?;
        Ok(())
    }

    fn batch(&mut self) -> Result<(), RetrievalError> {
        self.begin()?;
        let mut points = std::mem::take(&mut self.points);
        let passages = std::mem::take(&mut self.passages);
        if let Some(embedder) = self.library.embedder_for(self.shelf)? {
            self.embed(embedder.as_ref(), &mut points, &passages)?;
        }
        self.written += points.len();
        let collection = &self.shelf.collection;
        collection.upsert(points)?;
        if !self.fresh && !self.records.is_empty() {
            // Whatever these documents left from before: older passages, an older record, pieces of
            // a run that died.
            let names = self.records.iter().map(|record| record.document.clone()).collect();
            let digests = self.records.iter().map(|record| record.digest.clone()).collect();
            collection.remove(&Filter {
                must: vec![Condition::Any { field: DOCUMENT, values: names }],
                must_not: vec![Condition::Any { field: DIGEST, values: digests }],
            })?;
        }
        let durable = std::mem::take(&mut self.durable);
        collection.upsert(
            durable
                .iter()
                .map(|record| {
                    let id = StoredDocument::id(&self.shelf.name, &record.document);
                    point(id, record, Vectors::default())
                })
                .collect(),
        )?;
        collection.flush()?;
        self.durable = std::mem::take(&mut self.records);
        Ok(())
    }

    /// Gives every point its vector. A passage that is already stored keeps the one that it has:
    /// its id comes from its content, and embedding is what costs.
    fn embed(
        &self,
        embedder: &dyn Embedder,
        points: &mut [Point],
        passages: &[StoredPassage],
    ) -> Result<(), RetrievalError> {
        let mut known: HashMap<Uuid, Vec<f32>> = HashMap::new();
        if !self.fresh {
            let titles: HashMap<Uuid, &str> =
                points.iter().zip(passages).map(|(point, passage)| (point.id, passage.title.as_str())).collect();
            let ids: Vec<Uuid> = points.iter().map(|point| point.id).collect();
            for stored in self.shelf.collection.fetch(&ids, true)? {
                let same =
                    stored.payload.get(TITLE).and_then(|title| title.as_str()) == titles.get(&stored.id).copied();
                if let (true, Some(vector)) = (same, stored.vectors.dense) {
                    known.insert(stored.id, vector);
                }
            }
        }
        let missing: Vec<usize> = (0..points.len())
            .filter(|at| points.get(*at).is_some_and(|point| !known.contains_key(&point.id)))
            .collect();
        let texts: Vec<String> = missing.iter().filter_map(|at| passages.get(*at)).map(embedded_text).collect();
        let vectors = embedder.passages(&texts)?;
        for (at, vector) in missing.into_iter().zip(vectors) {
            if let Some(point) = points.get_mut(at) {
                point.vectors.dense = Some(vector);
            }
        }
        for point in points {
            if point.vectors.dense.is_none() {
                point.vectors.dense = known.remove(&point.id);
            }
        }
        Ok(())
    }

    fn remove(&mut self, documents: Vec<String>) -> Result<(), RetrievalError> {
        if documents.is_empty() {
            return Ok(());
        }
        self.begin()?;
        for names in documents.chunks(PAGE_RECORDS) {
            let filter = Filter {
                must: vec![
                    Condition::Any { field: DOCUMENT, values: names.to_vec() },
                    Condition::Either(vec![is(RECORD, "document"), is(RECORD, "passage")]),
                ],
                must_not: Vec::new(),
            };
            self.shelf.collection.remove(&filter)?;
        }
        Ok(())
    }

    /// Writes what is left and returns how many passages were written.
    fn finish(mut self) -> Result<usize, RetrievalError> {
        while !self.points.is_empty() || !self.records.is_empty() || !self.durable.is_empty() {
            self.batch()?;
        }
        let mut built = self.shelf.built();
        if self.dirty || built.updated_at.is_none() || !built.clean {
            built.clean = true;
            built.updated_at = Some(jiff::Timestamp::now().round(jiff::Unit::Second).unwrap_or_default().to_string());
            self.shelf.record(built)?;
            self.shelf.collection.flush()?;
        }
        Ok(self.written)
    }
}

/// What a model reads of a passage: where it stands says as much as what it says.
pub(crate) fn embedded_text(passage: &StoredPassage) -> String {
    let mut text = passage.title.clone();
    for heading in &passage.heading {
        text.push_str(" › ");
        text.push_str(heading);
    }
    text.push('\n');
    text.push_str(&passage.text);
    text
}
