//! The index on disk: its schema, how it is opened, and the documents in it.
//!
//! One document is one text of one article with the days it is in force. Addenda and annexes are
//! documents too, with their words in a field of their own, so that they neither rank among the
//! articles nor change what a word is worth there.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

use haechi_korean::citation::Article;
use serde::{Deserialize, Serialize};
use tantivy::schema::{Field, IndexRecordOption, STORED, STRING, Schema, TextFieldIndexing, TextOptions, Value as _};
use tantivy::tokenizer::{Token, TokenStream, Tokenizer};
use tantivy::{Index, IndexReader, ReloadPolicy, Searcher, TantivyDocument, Term};

use crate::catalog::{Catalog, Regulation, stamp};
use crate::error::Error;
use crate::names::Names;
use crate::timeline::Day;

/// The name of our analyser inside the engine.
const ANALYSER: &str = "korean";
const STAMP_FILE: &str = "haechi-regulations.json";
const ENGINE_FOLDER: &str = "engine";

#[derive(Debug, Clone, Copy)]
pub struct Fields {
    /// One per document for look-up: `{law}|m|{order}`.
    pub key: Field,
    pub law: Field,
    pub heading: Field,
    pub body: Field,
    pub addenda: Field,
    pub cites: Field,
    pub from: Field,
    /// Like `from`, but zero for what is in the first known version of its regulation.
    pub seen_from: Field,
    pub to: Field,
    pub meta: Field,
    pub text: Field,
}

/// What a document is about, stored beside its text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Meta {
    #[serde(rename = "l")]
    pub law: String,
    #[serde(rename = "s")]
    pub section: Section,
    /// Sorts the articles of a regulation; addenda and annexes count on their own.
    #[serde(rename = "o")]
    pub order: u64,
    /// `제34조의2`, `부칙 제21296호`, `별표 1`.
    #[serde(rename = "n")]
    pub label: String,
    #[serde(rename = "t")]
    pub title: String,
    #[serde(rename = "h", default, skip_serializing_if = "Vec::is_empty")]
    pub headings: Vec<String>,
    #[serde(rename = "f")]
    pub from: Day,
    #[serde(rename = "u")]
    pub to: Day,
    #[serde(rename = "d", default, skip_serializing_if = "is_false")]
    pub deleted: bool,
    /// It is in the first version that is known of its regulation.
    #[serde(rename = "1", default, skip_serializing_if = "is_false")]
    pub first: bool,
    /// Days on which versions with this same text took effect, if more than the first.
    #[serde(rename = "v", default, skip_serializing_if = "Vec::is_empty")]
    pub versions: Vec<Day>,
}

fn is_false(value: &bool) -> bool {
    !value
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Section {
    #[serde(rename = "m")]
    Main,
    #[serde(rename = "a")]
    Addendum,
    #[serde(rename = "x")]
    Annex,
}

impl Meta {
    pub fn article(&self) -> Option<Article> {
        (self.section == Section::Main).then(|| Article::from_order(self.order)).flatten()
    }

    pub fn uri(&self) -> String {
        format!("regulation://{}/{}", self.law, self.label.replace(' ', ""))
    }

    /// The day the version that this text has on `day` took effect. Versions repeat unchanged
    /// articles, and people cite the version.
    pub fn effective_on(&self, day: Day) -> Day {
        self.versions.iter().copied().filter(|&effective| effective <= day).max().unwrap_or(self.from).max(self.from)
    }
}

/// A document as it is read back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    pub meta: Meta,
    pub text: String,
}

/// The key that finds an article of a regulation.
pub fn article_key(law: &str, article: Article) -> String {
    format!("{law}|m|{}", article.order())
}

pub fn schema() -> (Schema, Fields) {
    let mut builder = Schema::builder();
    // Positions are not kept: phrases over bigrams ranked worse, and they double the index.
    let words = TextOptions::default().set_indexing_options(
        TextFieldIndexing::default().set_tokenizer(ANALYSER).set_index_option(IndexRecordOption::WithFreqs),
    );
    let day = tantivy::schema::NumericOptions::default().set_fast();
    let fields = Fields {
        key: builder.add_text_field("key", STRING),
        law: builder.add_text_field("law", STRING),
        heading: builder.add_text_field("heading", words.clone()),
        body: builder.add_text_field("body", words.clone()),
        addenda: builder.add_text_field("addenda", words),
        cites: builder.add_text_field("cites", STRING),
        from: builder.add_u64_field("from", day.clone()),
        seen_from: builder.add_u64_field("seen_from", day.clone()),
        to: builder.add_u64_field("to", day),
        meta: builder.add_bytes_field("meta", STORED),
        text: builder.add_text_field("text", STORED),
    };
    (builder.build(), fields)
}

/// An open index with its catalogue and the names in it.
pub struct Library {
    pub folder: PathBuf,
    pub fields: Fields,
    pub catalog: Catalog,
    pub names: Names,
    by_id: HashMap<String, usize>,
    /// Ids of regulations that say nothing but that they are repealed.
    pub repealed: HashSet<String>,
    reader: IndexReader,
    /// Tells whether another process has committed since.
    mark: Mark,
}

type Mark = Option<(std::time::SystemTime, u64)>;

impl Library {
    /// Opens the index in a folder for reading.
    pub fn open(folder: &Path, names: &[(String, String)]) -> Result<Self, Error> {
        let mark = mark(folder);
        let (index, fields) = open_engine(folder)?;
        let catalog = committed_catalog(folder, &index)?;
        let reader = index
            .reader_builder()
            .reload_policy(ReloadPolicy::Manual)
            .try_into()
            .map_err(|error| corrupt(folder, &error))?;
        let names = Names::new(&catalog, names);
        let by_id =
            catalog.regulations.iter().enumerate().map(|(at, regulation)| (regulation.id.clone(), at)).collect();
        let repealed = catalog
            .regulations
            .iter()
            .filter(|regulation| regulation.repealed)
            .map(|regulation| regulation.id.clone())
            .collect();
        Ok(Self { folder: folder.to_owned(), fields, catalog, names, by_id, repealed, reader, mark })
    }

    pub fn by_id(&self, id: &str) -> Option<&Regulation> {
        self.by_id.get(id).and_then(|&at| self.catalog.regulations.get(at))
    }

    /// Tells whether the index on disk is no longer the one that was opened.
    pub fn is_stale(&self) -> bool {
        mark(&self.folder) != self.mark
    }

    pub fn searcher(&self) -> Searcher {
        self.reader.searcher()
    }

    pub fn read(&self, searcher: &Searcher, address: tantivy::DocAddress) -> Result<Stored, Error> {
        let document: TantivyDocument = searcher.doc(address)?;
        let damaged =
            || Error::IndexCorrupt { path: self.folder.clone(), detail: "a document without its fields".to_owned() };
        let meta = document.get_first(self.fields.meta).and_then(|value| value.as_bytes()).ok_or_else(damaged)?;
        let meta = serde_json::from_slice(meta).map_err(|_| damaged())?;
        let text = document.get_first(self.fields.text).and_then(|value| value.as_str()).unwrap_or_default().to_owned();
        Ok(Stored { meta, text })
    }

    /// Every document with a term, in no order.
    pub fn with_term(&self, field: Field, term: &str, documents_max: usize) -> Result<Vec<Stored>, Error> {
        let searcher = self.searcher();
        let query = tantivy::query::TermQuery::new(Term::from_field_text(field, term), IndexRecordOption::Basic);
        let mut addresses: Vec<_> =
            searcher.search(&query, &tantivy::collector::DocSetCollector)?.into_iter().collect();
        addresses.sort_unstable();
        addresses.into_iter().take(documents_max).map(|address| self.read(&searcher, address)).collect()
    }
}

fn mark(folder: &Path) -> Mark {
    let meta = std::fs::metadata(folder.join(ENGINE_FOLDER).join("meta.json")).ok()?;
    Some((meta.modified().ok()?, meta.len()))
}

fn corrupt(folder: &Path, error: &dyn std::fmt::Display) -> Error {
    Error::IndexCorrupt { path: folder.to_owned(), detail: error.to_string() }
}

#[derive(Serialize, Deserialize)]
struct Stamp {
    stamp: String,
}

/// Checks that the folder holds an index of this format.
pub fn check_stamp(folder: &Path) -> Result<(), Error> {
    let bytes = match std::fs::read(folder.join(STAMP_FILE)) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return Err(Error::IndexMissing { path: folder.to_owned() });
        }
        Err(error) => return Err(Error::io("read", folder, &error)),
    };
    let found: Stamp = serde_json::from_slice(&bytes).map_err(|error| corrupt(folder, &error))?;
    if found.stamp != stamp() {
        return Err(Error::IndexVersion { path: folder.to_owned(), found: found.stamp, expected: stamp() });
    }
    Ok(())
}

fn open_engine(folder: &Path) -> Result<(Index, Fields), Error> {
    check_stamp(folder)?;
    let (schema, fields) = schema();
    let index = Index::open_in_dir(folder.join(ENGINE_FOLDER)).map_err(|error| match error {
        tantivy::TantivyError::OpenReadError(tantivy::directory::error::OpenReadError::FileDoesNotExist(_))
        | tantivy::TantivyError::OpenDirectoryError(_) => Error::IndexMissing { path: folder.to_owned() },
        error => corrupt(folder, &error),
    })?;
    if index.schema() != schema {
        return Err(corrupt(folder, &"another schema under this format"));
    }
    register(&index);
    Ok((index, fields))
}

/// The catalogue that the engine's last commit names; an empty one before the first.
pub fn committed_catalog(folder: &Path, index: &Index) -> Result<Catalog, Error> {
    let metas = index.load_metas().map_err(|error| corrupt(folder, &error))?;
    match metas.payload {
        Some(name) => Catalog::read(folder, &name),
        None => Err(Error::IndexMissing { path: folder.to_owned() }),
    }
}

/// Opens the index for writing, or makes an empty one.
pub fn create_or_open(folder: &Path) -> Result<(Index, Fields, Catalog), Error> {
    match open_engine(folder) {
        Ok((index, fields)) => {
            let catalog = match committed_catalog(folder, &index) {
                Ok(catalog) => catalog,
                Err(Error::IndexMissing { .. }) => Catalog::default(),
                Err(error) => return Err(error),
            };
            Ok((index, fields, catalog))
        }
        Err(Error::IndexMissing { .. }) => {
            let engine = folder.join(ENGINE_FOLDER);
            std::fs::create_dir_all(&engine).map_err(|error| Error::io("create", &engine, &error))?;
            let (schema, fields) = schema();
            let directory = tantivy::directory::MmapDirectory::open(&engine).map_err(tantivy::TantivyError::from)?;
            let index = Index::open_or_create(directory, schema)?;
            register(&index);
            // Written last: a folder that was killed before this is no index yet.
            let path = folder.join(STAMP_FILE);
            let bytes = serde_json::to_vec(&Stamp { stamp: stamp() }).map_err(|error| corrupt(folder, &error))?;
            write_whole(&path, &bytes)?;
            Ok((index, fields, Catalog::default()))
        }
        Err(error) => Err(error),
    }
}

/// Removes what an index consists of and nothing else that may lie in the folder.
pub fn remove(folder: &Path) -> Result<(), Error> {
    let io = |path: &Path, error: std::io::Error| match error.kind() {
        std::io::ErrorKind::NotFound => Ok(()),
        _ => Err(Error::io("remove", path, &error)),
    };
    let stamp = folder.join(STAMP_FILE);
    std::fs::remove_file(&stamp).or_else(|error| io(&stamp, error))?;
    let engine = folder.join(ENGINE_FOLDER);
    std::fs::remove_dir_all(&engine).or_else(|error| io(&engine, error))?;
    remove_catalogs(folder, None);
    Ok(())
}

/// Removes catalogues that no commit names any more.
pub fn remove_catalogs(folder: &Path, keep: Option<&str>) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if name.starts_with("catalog-") && Some(name.as_ref()) != keep {
            // One that stays behind costs a little space and nothing else.
            let _ = std::fs::remove_file(entry.path());
        }
    }
}

fn write_whole(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    use std::io::Write as _;
    let temporary = path.with_extension("tmp");
    let write = || -> std::io::Result<()> {
        let mut file = std::fs::File::create(&temporary)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        std::fs::rename(&temporary, path)
    };
    write().map_err(|error| Error::io("write", path, &error))
}

fn register(index: &Index) {
    index.tokenizers().register(ANALYSER, Korean);
}

/// The engine's view of the shared analyser.
#[derive(Clone)]
struct Korean;

struct Terms {
    /// All terms of the text, one after the other.
    letters: String,
    spans: Vec<(u32, u32, u32)>,
    next: usize,
    token: Token,
}

impl Tokenizer for Korean {
    type TokenStream<'a> = Terms;

    fn token_stream<'a>(&'a mut self, text: &'a str) -> Terms {
        let mut letters = String::with_capacity(text.len() * 2);
        let mut spans = Vec::with_capacity(text.len() / 3);
        haechi_korean::analysis::visit(text, |term, start, end| {
            letters.push_str(term);
            let number = |value: usize| u32::try_from(value).unwrap_or(u32::MAX);
            spans.push((number(letters.len()), number(start), number(end)));
        });
        Terms { letters, spans, next: 0, token: Token::default() }
    }
}

impl TokenStream for Terms {
    fn advance(&mut self) -> bool {
        let Some(&(until, start, end)) = self.spans.get(self.next) else { return false };
        let from = self.next.checked_sub(1).and_then(|at| self.spans.get(at)).map_or(0, |span| span.0);
        self.token.text.clear();
        self.token.text.push_str(self.letters.get(from as usize..until as usize).unwrap_or_default());
        self.token.offset_from = start as usize;
        self.token.offset_to = end as usize;
        self.token.position = self.next;
        self.next += 1;
        true
    }

    fn token(&self) -> &Token {
        &self.token
    }

    fn token_mut(&mut self) -> &mut Token {
        &mut self.token
    }
}
