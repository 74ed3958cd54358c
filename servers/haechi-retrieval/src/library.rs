//! The collections of one store, opened when first asked for and kept open.
//!
//! Opening checks that a collection was built the way this program reads it; what differs is
//! refused with what to do, never read half-right.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock},
};

use haechi_contract::retrieval::{CollectionEntry, Collections};

use crate::{
    embed::Embedder,
    error::RetrievalError,
    record::{FIELDS, SCHEMA_VERSION, StoredCollection, StoredModel, of_record, point, read},
    store::{Collection, Fusion, Schema, Store, Vectors},
};

/// How searches behave where the caller does not say.
#[derive(Debug, Clone)]
pub struct LibraryOptions {
    /// The collection that is meant when none is named.
    pub default_collection: String,
    pub fusion: Fusion,
}

impl Default for LibraryOptions {
    fn default() -> Self {
        Self {
            default_collection: "documents".into(),
            fusion: Fusion { k: 2, lexical_weight: 3.0, dense_weight: 1.0, candidates: 100 },
        }
    }
}

/// All collections of a store.
pub struct Library {
    store: Box<dyn Store>,
    pub(crate) embedder: Option<Arc<dyn Embedder>>,
    pub(crate) options: LibraryOptions,
    open: Mutex<BTreeMap<String, Arc<Shelf>>>,
}

/// One open collection and how it was built.
pub struct Shelf {
    pub(crate) name: String,
    pub(crate) collection: Box<dyn Collection>,
    pub(crate) built: RwLock<StoredCollection>,
}

impl Shelf {
    pub(crate) fn built(&self) -> StoredCollection {
        self.built.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Writes how the collection was built; durable after the next flush.
    pub(crate) fn record(&self, built: StoredCollection) -> Result<(), RetrievalError> {
        self.collection.upsert(vec![point(StoredCollection::id(), &built, Vectors::default())])?;
        *self.built.write().unwrap_or_else(PoisonError::into_inner) = built;
        Ok(())
    }
}

impl Library {
    pub fn new(store: Box<dyn Store>, embedder: Option<Arc<dyn Embedder>>, options: LibraryOptions) -> Self {
        Self { store, embedder, options, open: Mutex::default() }
    }

    pub fn store(&self) -> &dyn Store {
        self.store.as_ref()
    }

    fn opened(&self) -> MutexGuard<'_, BTreeMap<String, Arc<Shelf>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Opens the collection that a caller means.
    pub fn shelf(&self, name: Option<&str>) -> Result<Arc<Shelf>, RetrievalError> {
        if let Some(name) = name {
            check_name(name)?;
            return match self.shelf_if_any(name)? {
                Some(shelf) => Ok(shelf),
                None => Err(RetrievalError::NoCollection { name: name.to_owned(), present: self.store.names()? }),
            };
        }
        if let Some(shelf) = self.shelf_if_any(&self.options.default_collection)? {
            return Ok(shelf);
        }
        let present = self.store.names()?;
        match present.as_slice() {
            [] => Err(RetrievalError::NothingIndexed),
            [only] => self.shelf(Some(only)),
            _ => Err(RetrievalError::WhichCollection { present }),
        }
    }

    fn shelf_if_any(&self, name: &str) -> Result<Option<Arc<Shelf>>, RetrievalError> {
        let mut opened = self.opened();
        if let Some(shelf) = opened.get(name) {
            return Ok(Some(Arc::clone(shelf)));
        }
        let Some(collection) = self.store.open(name)? else {
            return Ok(None);
        };
        let stored = collection
            .fetch(&[StoredCollection::id()], false)?
            .pop()
            .and_then(|point| read::<StoredCollection>(point.payload));
        // A collection whose making was interrupted before its record has nothing in it either.
        let built = match stored {
            Some(built) => built,
            None => StoredCollection::new(self.wanted_model()?),
        };
        self.check(name, &built)?;
        let shelf = Arc::new(Shelf { name: name.to_owned(), collection, built: RwLock::new(built) });
        opened.insert(name.to_owned(), Arc::clone(&shelf));
        Ok(Some(shelf))
    }

    /// Opens a collection to write into; makes it where there is none. The flag says that it was
    /// made now.
    pub fn shelf_to_write(&self, name: &str, rebuild: bool) -> Result<(Arc<Shelf>, bool), RetrievalError> {
        check_name(name)?;
        if rebuild {
            self.opened().remove(name);
            self.store.delete(name)?;
        } else if let Some(shelf) = self.shelf_if_any(name)? {
            self.check_model(&shelf)?;
            return Ok((shelf, false));
        }
        let model = self.wanted_model()?;
        let schema = Schema { dense_size: model.as_ref().map(|model| model.dimension), fields: FIELDS };
        let collection = self.store.create(name, &schema)?;
        let built = StoredCollection::new(model);
        let shelf = Arc::new(Shelf { name: name.to_owned(), collection, built: RwLock::new(built.clone()) });
        shelf.record(built)?;
        shelf.collection.flush()?;
        self.opened().insert(name.to_owned(), Arc::clone(&shelf));
        Ok((shelf, true))
    }

    fn wanted_model(&self) -> Result<Option<StoredModel>, RetrievalError> {
        self.embedder.as_ref().map(|embedder| embedder.model()).transpose()
    }

    /// Refuses what this program would read wrongly.
    fn check(&self, name: &str, built: &StoredCollection) -> Result<(), RetrievalError> {
        let analyser = haechi_korean::analysis::ANALYSER_VERSION;
        let versions = [("구조 버전", built.schema, SCHEMA_VERSION), ("낱말 분석 버전", built.analyser, analyser)];
        for (what, stored, wanted) in versions {
            if stored != wanted {
                return Err(RetrievalError::BuiltDifferently {
                    name: name.to_owned(),
                    what,
                    stored: stored.to_string(),
                    wanted: wanted.to_string(),
                });
            }
        }
        Ok(())
    }

    /// Refuses to write vectors of one model among those of another.
    fn check_model(&self, shelf: &Shelf) -> Result<(), RetrievalError> {
        let (stored, wanted) = (shelf.built().model, self.wanted_model()?);
        if stored == wanted {
            return Ok(());
        }
        let shown = |model: Option<StoredModel>| match model {
            Some(model) => format!("{} {}", model.name, model.fingerprint),
            None => "없음".to_owned(),
        };
        Err(RetrievalError::BuiltDifferently {
            name: shelf.name.clone(),
            what: "임베딩 모델",
            stored: shown(stored),
            wanted: shown(wanted),
        })
    }

    /// The embedder, where it is the one that the collection was built with.
    pub(crate) fn embedder_for(&self, shelf: &Shelf) -> Result<Option<&Arc<dyn Embedder>>, RetrievalError> {
        let Some(embedder) = &self.embedder else {
            return Ok(None);
        };
        if shelf.built().model.is_none() {
            return Ok(None);
        }
        self.check_model(shelf)?;
        Ok(Some(embedder))
    }

    /// Lists the collections with their sizes.
    pub fn collections(&self) -> Result<Collections, RetrievalError> {
        let mut collections = Vec::new();
        let names = self.store.names()?;
        let only = names.len() == 1;
        for name in names {
            let Some(shelf) = self.shelf_if_any(&name)? else {
                continue;
            };
            let built = shelf.built();
            collections.push(CollectionEntry {
                documents: shelf.collection.count(&of_record("document"))?,
                passages: shelf.collection.count(&of_record("passage"))?,
                model: built.model.map(|model| model.name),
                updated_at: built.updated_at,
                default: only || name == self.options.default_collection,
                name,
            });
        }
        Ok(Collections { collections, store: self.store.describe() })
    }

    /// Names of all collections, without opening any.
    pub fn names(&self) -> Result<Vec<String>, RetrievalError> {
        Ok(self.store.names()?)
    }
}

/// Names become folders and parts of addresses, so they are few and plain.
fn check_name(name: &str) -> Result<(), RetrievalError> {
    let plain = |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit() || matches!(letter, '-' | '_');
    let starts = name.starts_with(|letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit());
    if starts && name.len() <= 63 && name.chars().all(plain) {
        return Ok(());
    }
    Err(RetrievalError::CollectionName { name: name.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_plain() {
        for name in ["documents", "manuals-2026", "a_b"] {
            assert!(check_name(name).is_ok(), "{name}");
        }
        for name in ["", "../x", "매뉴얼", "A", ".creating", "-a", &"a".repeat(64)] {
            assert!(check_name(name).is_err(), "{name}");
        }
    }
}
