//! The one thing that tools and commands talk to: an index folder, its settings, and today.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use haechi_korean::date::Date;

use crate::error::Error;
use crate::index::Library;
use crate::ingest;
use crate::names;
use crate::rank::Weights;
use crate::settings::Settings;
use crate::vocabulary::Vocabulary;

/// The regulations of one index folder.
pub struct Regulations {
    data: PathBuf,
    sources: Vec<PathBuf>,
    names: Vec<(String, String)>,
    vocabulary: Vocabulary,
    weights: Weights,
    today: Option<Date>,
    library: RwLock<Option<Arc<Library>>>,
    /// Held while the sources are looked at for the first time.
    synced: Mutex<bool>,
}

impl Regulations {
    /// Takes the settings with paths that are already absolute.
    pub fn new(data: PathBuf, settings: &Settings) -> Result<Self, Error> {
        let read = |path: &Option<PathBuf>| -> Result<String, Error> {
            match path {
                Some(path) => std::fs::read_to_string(path).map_err(|error| Error::io("read", path, &error)),
                None => Ok(String::new()),
            }
        };
        let names = names::read_list(&read(&settings.names)?);
        let vocabulary = Vocabulary::new(Some(&read(&settings.vocabulary)?));
        Ok(Self {
            data,
            sources: settings.sources.clone(),
            names,
            vocabulary,
            weights: Weights::default(),
            today: None,
            library: RwLock::new(None),
            synced: Mutex::new(false),
        })
    }

    /// Fixes today, for tests and for measurements that must not change over night.
    #[must_use]
    pub fn on(mut self, today: Date) -> Self {
        self.today = Some(today);
        self
    }

    #[must_use]
    pub fn weighing(mut self, weights: Weights) -> Self {
        self.weights = weights;
        self
    }

    pub fn today(&self) -> Date {
        self.today.unwrap_or_else(|| {
            let date = jiff::Zoned::now().date();
            let part = |value: i8| u8::try_from(value).unwrap_or(1);
            u16::try_from(date.year())
                .ok()
                .and_then(|year| Date::new(year, part(date.month()), part(date.day())))
                .unwrap_or_else(fallback_day)
        })
    }

    pub fn vocabulary(&self) -> &Vocabulary {
        &self.vocabulary
    }

    pub fn weights(&self) -> &Weights {
        &self.weights
    }

    pub fn names(&self) -> &[(String, String)] {
        &self.names
    }

    /// The open index, brought up to date with the configured sources before the first answer, and
    /// opened again when another process has written it.
    pub fn library(&self) -> Result<Arc<Library>, Error> {
        self.sync_once()?;
        if let Some(library) = self.library.read().unwrap_or_else(PoisonError::into_inner).as_ref()
            && !library.is_stale()
        {
            return Ok(library.clone());
        }
        let mut slot = self.library.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(library) = slot.as_ref()
            && !library.is_stale()
        {
            return Ok(library.clone());
        }
        let library = Arc::new(Library::open(&self.data, &self.names)?);
        *slot = Some(library.clone());
        Ok(library)
    }

    fn sync_once(&self) -> Result<(), Error> {
        if self.sources.is_empty() {
            return Ok(());
        }
        let mut synced = self.synced.lock().unwrap_or_else(PoisonError::into_inner);
        if *synced {
            return Ok(());
        }
        let request = ingest::Request {
            data: &self.data,
            paths: &self.sources,
            exact: true,
            rebuild: false,
            wait: true,
            names: &self.names,
        };
        let report = match ingest::run(&request, &mut |_, _| {}) {
            // The index is only a copy of the sources, so one of another format is made anew.
            Err(Error::IndexVersion { .. }) => {
                ingest::run(&ingest::Request { rebuild: true, ..request }, &mut |_, _| {})?
            }
            other => other?,
        };
        if report.changed() {
            tracing::info!(files = report.files, regulations = report.regulations_changed, "index brought up to date");
        }
        for (path, reason) in &report.unreadable {
            tracing::warn!(path, reason, "not indexed");
        }
        *synced = true;
        Ok(())
    }
}

/// What a clock outside the calendar is taken for; it only has to exist.
#[expect(clippy::expect_used, reason = "the first day of a year exists")]
fn fallback_day() -> Date {
    Date::new(2000, 1, 1).expect("a date")
}
