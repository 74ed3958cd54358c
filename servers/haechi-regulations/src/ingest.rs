//! Brings the index up to date with folders of regulations.
//!
//! A regulation is the unit: when one of its files changed, all of them are read again and merged
//! anew, since versions only make sense together. A run is one commit; until then readers see the
//! old index, and a run that dies leaves it as it was.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs::File;
use std::io::{Read as _, Seek as _, Write as _};
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};
use tantivy::{IndexWriter, TantivyDocument, Term};

use crate::catalog::{Catalog, FileEntry, Regulation, VersionEntry, stamp};
use crate::error::Error;
use crate::index::{self, Fields, Meta, Section};
use crate::names::{Names, squeeze};
use crate::structure::{self, Source};
use crate::timeline::{self, FOREVER, Key, Timeline};
use crate::{references, settings};

/// One statute with its addenda is under 3 MB; what is larger is no regulation.
pub const FILE_BYTES_MAX: u64 = 32 << 20;
const WRITER_MEMORY_BYTES: usize = 96 << 20;

/// What a run is to do.
pub struct Request<'a> {
    pub data: &'a Path,
    pub paths: &'a [PathBuf],
    /// Files of other folders leave the index too: the paths are all there is.
    pub exact: bool,
    pub rebuild: bool,
    pub wait: bool,
    pub names: &'a [(String, String)],
}

/// What a run did.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
pub struct Report {
    pub files: usize,
    pub files_changed: usize,
    pub files_removed: usize,
    pub regulations: usize,
    pub regulations_changed: usize,
    pub documents: usize,
    pub bytes: u64,
    /// Files that could not be read, with the reason.
    pub unreadable: Vec<(String, String)>,
}

impl Report {
    pub fn changed(&self) -> bool {
        self.regulations_changed > 0 || self.files_removed > 0 || self.files_changed > 0
    }
}

/// Brings the index in `data` up to date. `progress` hears how many regulations are done.
pub fn run(request: &Request<'_>, progress: &mut dyn FnMut(usize, usize)) -> Result<Report, Error> {
    std::fs::create_dir_all(request.data).map_err(|error| Error::io("create", request.data, &error))?;
    let _lock = Lock::take(request.data, request.wait)?;
    if request.rebuild {
        index::remove(request.data)?;
    }
    let (engine, fields, catalog) = index::create_or_open(request.data)?;
    let found = scan(request.paths)?;
    if found.is_empty() && !request.exact {
        return Err(Error::NothingToIndex { paths: request.paths.to_vec() });
    }
    let mut plan = Plan::new(catalog, &found, request);
    plan.report.files = found.len();
    if plan.dirty.is_empty() && plan.catalog.stamp == stamp() {
        plan.report.regulations = plan.catalog.regulations.len();
        return Ok(plan.report);
    }
    let mut writer: IndexWriter = engine.writer_with_num_threads(settings::WRITER_THREADS, WRITER_MEMORY_BYTES)?;
    plan.write(&mut writer, fields, request.names, progress)?;
    plan.catalog.stamp = stamp();
    plan.catalog.regulations.sort_by(|left, right| left.title.cmp(&right.title).then_with(|| left.id.cmp(&right.id)));
    plan.report.regulations = plan.catalog.regulations.len();
    let mut commit = writer.prepare_commit()?;
    let name = plan.catalog.write(request.data, commit.opstamp())?;
    commit.set_payload(&name);
    commit.commit()?;
    writer.wait_merging_threads()?;
    index::remove_catalogs(request.data, Some(&name));
    Ok(plan.report)
}

struct Plan {
    catalog: Catalog,
    /// Regulations whose documents must be made anew.
    dirty: BTreeSet<String>,
    /// Texts that were read while planning, so that a file is read once.
    texts: HashMap<String, Source>,
    report: Report,
}

impl Plan {
    fn new(catalog: Catalog, found: &BTreeMap<String, FoundFile>, request: &Request<'_>) -> Self {
        let mut plan = Self { catalog, dirty: BTreeSet::new(), texts: HashMap::new(), report: Report::default() };
        plan.drop_missing(found, request);
        for (path, file) in found {
            plan.look_at(path, file);
        }
        plan
    }

    fn drop_missing(&mut self, found: &BTreeMap<String, FoundFile>, request: &Request<'_>) {
        let roots: Vec<String> = request.paths.iter().map(|path| path.to_string_lossy().into_owned()).collect();
        let covered = |path: &str| request.exact || roots.iter().any(|root| Path::new(path).starts_with(root));
        let gone: Vec<String> =
            self.catalog.files.keys().filter(|path| !found.contains_key(*path) && covered(path)).cloned().collect();
        for path in gone {
            if let Some(entry) = self.catalog.files.remove(&path) {
                self.dirty.insert(entry.regulation);
                self.report.files_removed += 1;
            }
        }
    }

    fn look_at(&mut self, path: &str, file: &FoundFile) {
        if let Some(entry) = self.catalog.files.get(path)
            && entry.bytes == file.bytes
            && entry.modified_ns == file.modified_ns
        {
            return;
        }
        let (bytes, hash) = match read_file(Path::new(path)) {
            Ok(read) => read,
            Err(reason) => {
                self.unreadable(path, reason);
                return;
            }
        };
        if let Some(entry) = self.catalog.files.get_mut(path)
            && entry.hash == hash
        {
            entry.bytes = file.bytes;
            entry.modified_ns = file.modified_ns;
            return;
        }
        let source = match read_source(path, &bytes) {
            Ok(source) => source,
            Err(reason) => {
                self.unreadable(path, reason);
                return;
            }
        };
        let regulation = identity(&source);
        let entry =
            FileEntry { hash, bytes: file.bytes, modified_ns: file.modified_ns, regulation: regulation.clone() };
        if let Some(before) = self.catalog.files.insert(path.to_owned(), entry) {
            self.dirty.insert(before.regulation);
        }
        self.report.files_changed += 1;
        self.report.bytes += file.bytes;
        self.dirty.insert(regulation);
        self.texts.insert(path.to_owned(), source);
    }

    /// A file that cannot be read leaves the index, loudly; the rest goes on.
    fn unreadable(&mut self, path: &str, reason: String) {
        tracing::warn!(path, reason, "a file could not be read");
        if let Some(entry) = self.catalog.files.remove(path) {
            self.dirty.insert(entry.regulation);
        }
        self.report.unreadable.push((path.to_owned(), reason));
    }

    fn write(
        &mut self,
        writer: &mut IndexWriter,
        fields: Fields,
        extra: &[(String, String)],
        progress: &mut dyn FnMut(usize, usize),
    ) -> Result<(), Error> {
        let dirty = std::mem::take(&mut self.dirty);
        self.report.regulations_changed = dirty.len();
        let mut files: HashMap<&str, Vec<String>> = HashMap::new();
        for (path, entry) in &self.catalog.files {
            if let Some(law) = dirty.get(&entry.regulation) {
                files.entry(law).or_default().push(path.clone());
            }
        }
        self.catalog.regulations.retain(|regulation| !dirty.contains(&regulation.id));
        // The titles must all be known before the references can be resolved.
        let mut timelines = Vec::with_capacity(files.len());
        for law in &dirty {
            writer.delete_term(Term::from_field_text(fields.law, law));
            let mut sources = Vec::new();
            for path in files.remove(law.as_str()).unwrap_or_default() {
                match self.texts.remove(&path).map_or_else(|| read_again(&path), Ok) {
                    Ok(source) => sources.push(source),
                    Err(reason) => self.report.unreadable.push((path, reason)),
                }
            }
            if sources.is_empty() {
                continue;
            }
            let timeline = timeline::merge(sources);
            self.catalog.regulations.push(describe(law, &timeline));
            timelines.push((law.clone(), timeline));
        }
        let names = Names::new(&self.catalog, extra);
        let total = timelines.len();
        for (done, (law, timeline)) in timelines.into_iter().enumerate() {
            progress(done, total);
            self.report.documents += add_documents(writer, fields, &law, timeline, &names)?;
        }
        progress(total, total);
        Ok(())
    }
}

/// Which regulation a file is a version of: its number, or else its title.
fn identity(source: &Source) -> String {
    let plain = |text: &str| {
        text.chars().filter(|letter| letter.is_alphanumeric() || matches!(letter, '-' | '_')).collect::<String>()
    };
    match &source.head.id {
        Some(id) if !plain(id).is_empty() => plain(id),
        _ => plain(&squeeze(&source.head.title)),
    }
}

fn describe(law: &str, timeline: &Timeline) -> Regulation {
    let newest = timeline.versions.last();
    let head = newest.map(|source| source.head.clone()).unwrap_or_default();
    let mut short_names: Vec<String> =
        timeline.versions.iter().flat_map(|source| source.head.short_names.clone()).collect();
    short_names.sort();
    short_names.dedup();
    let live = newest.map_or(0, |source| source.articles.iter().filter(|article| !article.deleted).count());
    let repealed = newest.is_some_and(|source| {
        matches!(source.articles.as_slice(), [only] if only.text.contains("폐지") && only.text.chars().count() < 60)
    });
    let mut teaches: Vec<(String, String)> = timeline
        .intervals
        .iter()
        .filter(|interval| interval.to == FOREVER)
        .flat_map(|interval| references::teaches(&interval.unit.text))
        .collect();
    teaches.sort();
    teaches.dedup();
    Regulation {
        id: law.to_owned(),
        title: head.title.clone(),
        kind: head.kind.clone(),
        internal: head.internal,
        short_names,
        department: head.department.clone(),
        versions: timeline
            .versions
            .iter()
            .map(|source| VersionEntry {
                effective: timeline::effective(source),
                promulgated: source.head.promulgated.map(haechi_korean::date::Date::number),
                number: source.head.promulgation_no.clone(),
            })
            .collect(),
        articles: u32::try_from(live).unwrap_or(u32::MAX),
        first: timeline.first,
        repealed,
        teaches,
    }
}

fn add_documents(
    writer: &IndexWriter,
    fields: Fields,
    law: &str,
    mut timeline: Timeline,
    names: &Names,
) -> Result<usize, Error> {
    let Some(newest) = timeline.versions.pop() else { return Ok(0) };
    let title = newest.head.title.clone();
    let mut count = 0;
    let mut annexes = 0;
    for interval in std::mem::take(&mut timeline.intervals) {
        let unit = interval.unit;
        let (section, order, label, here) = match unit.key {
            Key::Article(article) => (Section::Main, article.order(), structure::label(article), Some(article)),
            Key::Annex(label) => {
                annexes += 1;
                (Section::Annex, annexes, label, None)
            }
        };
        let versions = if interval.versions.len() > 1 { interval.versions } else { Vec::new() };
        let meta = Meta {
            law: law.to_owned(),
            section,
            order,
            label,
            title: unit.title,
            headings: unit.headings,
            from: interval.from,
            to: interval.to,
            deleted: unit.deleted,
            first: interval.first,
            versions,
        };
        let mut document = document(fields, &meta, &unit.text)?;
        if section == Section::Annex && unit.text.is_empty() {
            // Only its title is known; it must not rank among articles by that alone.
            document.add_text(fields.addenda, format!("{title} {} {}", meta.label, meta.title));
        } else if !unit.deleted {
            document.add_text(fields.heading, format!("{title} {} {}", meta.label, meta.title));
            let words = structure::strip_marks(&unit.text);
            for key in references::keys(&words, &title, here, names) {
                document.add_text(fields.cites, key);
            }
            document.add_text(fields.body, words);
        }
        writer.add_document(document)?;
        count += 1;
    }
    for (at, (addendum, day)) in timeline.addenda.into_iter().enumerate() {
        let label =
            if addendum.label.is_empty() { "부칙".to_owned() } else { format!("부칙 <{}>", addendum.label) };
        let meta = Meta {
            law: law.to_owned(),
            section: Section::Addendum,
            order: u64::try_from(at).unwrap_or(u64::MAX),
            label,
            title: String::new(),
            headings: Vec::new(),
            from: day,
            to: FOREVER,
            deleted: false,
            first: true,
            versions: Vec::new(),
        };
        let mut document = document(fields, &meta, &addendum.text)?;
        document.add_text(fields.addenda, format!("{title} {}\n{}", meta.label, addendum.text));
        writer.add_document(document)?;
        count += 1;
    }
    Ok(count)
}

fn document(fields: Fields, meta: &Meta, text: &str) -> Result<TantivyDocument, Error> {
    let mut document = TantivyDocument::default();
    let section = match meta.section {
        Section::Main => "m",
        Section::Addendum => "a",
        Section::Annex => "x",
    };
    document.add_text(fields.key, format!("{}|{section}|{}", meta.law, meta.order));
    document.add_text(fields.law, &meta.law);
    document.add_u64(fields.from, u64::from(meta.from));
    document.add_u64(fields.seen_from, if meta.first { 0 } else { u64::from(meta.from) });
    document.add_u64(fields.to, u64::from(meta.to));
    let bytes = serde_json::to_vec(meta)
        .map_err(|error| Error::IndexCorrupt { path: PathBuf::new(), detail: error.to_string() })?;
    document.add_bytes(fields.meta, &bytes);
    document.add_text(fields.text, text);
    Ok(document)
}

struct FoundFile {
    bytes: u64,
    modified_ns: u64,
}

fn scan(paths: &[PathBuf]) -> Result<BTreeMap<String, FoundFile>, Error> {
    let mut found = BTreeMap::new();
    for path in paths {
        std::fs::metadata(path).map_err(|error| Error::io("read", path, &error))?;
        for entry in walkdir::WalkDir::new(path).follow_links(false).sort_by_file_name() {
            let entry = entry.map_err(|error| {
                let at = error.path().unwrap_or(path).to_owned();
                Error::Io {
                    action: "read",
                    path: at,
                    kind: error.io_error().map_or(std::io::ErrorKind::Other, std::io::Error::kind),
                }
            })?;
            let name = entry.file_name().to_string_lossy();
            let readable = haechi_documents::Format::of_name(&name).is_some_and(is_supported);
            let is_readme = name.to_ascii_lowercase().starts_with("readme");
            if !entry.file_type().is_file() || !readable || is_readme || name.starts_with('.') {
                continue;
            }
            let Ok(metadata) = entry.metadata() else { continue };
            let modified_ns = metadata
                .modified()
                .ok()
                .and_then(|time| time.duration_since(std::time::UNIX_EPOCH).ok())
                .map_or(0, |age| u64::try_from(age.as_nanos()).unwrap_or(u64::MAX));
            found.insert(entry.path().to_string_lossy().into_owned(), FoundFile { bytes: metadata.len(), modified_ns });
        }
    }
    Ok(found)
}

fn is_supported(format: haechi_documents::Format) -> bool {
    matches!(format, haechi_documents::Format::Markdown | haechi_documents::Format::Text)
}

fn read_file(path: &Path) -> Result<(Vec<u8>, String), String> {
    let mut file = File::open(path).map_err(|error| error.kind().to_string())?;
    let mut bytes = Vec::new();
    std::io::Read::by_ref(&mut file)
        .take(FILE_BYTES_MAX + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| error.kind().to_string())?;
    if u64::try_from(bytes.len()).is_ok_and(|bytes| FILE_BYTES_MAX < bytes) {
        return Err(format!("larger than {FILE_BYTES_MAX} bytes"));
    }
    let hash = Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    Ok((bytes, hash))
}

fn read_again(path: &str) -> Result<Source, String> {
    let (bytes, _) = read_file(Path::new(path))?;
    read_source(path, &bytes)
}

fn read_source(path: &str, bytes: &[u8]) -> Result<Source, String> {
    let decoded = haechi_documents::decode::decode(bytes).map_err(|error| error.to_string())?;
    let name =
        Path::new(path).file_stem().map(|name| haechi_korean::text::nfc(&name.to_string_lossy())).unwrap_or_default();
    let markdown = matches!(haechi_documents::Format::of_name(path), Some(haechi_documents::Format::Markdown));
    let source = structure::read(&decoded.text, markdown, &name);
    if source.articles.is_empty() && source.annexes.is_empty() {
        return Err("no articles and no text".to_owned());
    }
    Ok(source)
}

/// Held while an index is written; the operating system lets go of it when the process dies.
struct Lock {
    _file: File,
}

impl Lock {
    fn take(data: &Path, wait: bool) -> Result<Self, Error> {
        let path = data.join("lock");
        let mut file = File::options()
            .create(true)
            .truncate(false)
            .read(true)
            .write(true)
            .open(&path)
            .map_err(|error| Error::io("open", &path, &error))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(std::fs::TryLockError::WouldBlock) if wait => {
                tracing::info!(path = %path.display(), "waiting for another indexer");
                file.lock().map_err(|error| Error::io("lock", &path, &error))?;
            }
            Err(std::fs::TryLockError::WouldBlock) => {
                let mut holder = String::new();
                let _ = file.read_to_string(&mut holder);
                let holder =
                    if holder.trim().is_empty() { "다른 프로세스".to_owned() } else { holder.trim().to_owned() };
                return Err(Error::Locked { holder });
            }
            Err(std::fs::TryLockError::Error(error)) => return Err(Error::io("lock", &path, &error)),
        }
        // Only a courtesy to whoever has to wait; the lock itself is what counts.
        let _ = file.set_len(0);
        let _ = file.rewind();
        let _ = write!(file, "프로세스 {}", std::process::id());
        let _ = file.flush();
        Ok(Self { _file: file })
    }
}
