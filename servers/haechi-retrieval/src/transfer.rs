//! Moves a collection from one store to another: `push` to a server, `pull` back.
//!
//! Points, vectors and records go as they are, so nothing is read or embedded again and every
//! address of a passage stays true. The record of the collection goes last: a transfer that dies
//! leaves a collection that says of itself that it is not whole.

use crate::{
    error::RetrievalError,
    record::{FIELDS, RECORD, StoredCollection, is, of_record, point, read},
    store::{Filter, Schema, Store, Vectors},
};

/// Points that are held in memory at a time.
const PAGE_POINTS: usize = 512;

/// Copies a collection, replacing one of the same name; returns how many passages it has.
pub fn transfer(
    from: &dyn Store,
    to: &dyn Store,
    name: &str,
    mut progress: impl FnMut(usize, usize),
) -> Result<usize, RetrievalError> {
    let source = from.open(name)?.ok_or_else(|| RetrievalError::NoCollection {
        name: name.to_owned(),
        present: from.names().unwrap_or_default(),
    })?;
    let mut built = source
        .fetch(&[StoredCollection::id()], false)?
        .pop()
        .and_then(|point| read::<StoredCollection>(point.payload))
        .ok_or(RetrievalError::NothingIndexed)?;
    let passages = source.count(&of_record("passage"))?;
    to.delete(name)?;
    let schema = Schema { dense_size: built.model.as_ref().map(|model| model.dimension), fields: FIELDS };
    let target = to.create(name, &schema)?;
    let whole = built.clean;
    built.clean = false;
    target.upsert(vec![point(StoredCollection::id(), &built, Vectors::default())])?;
    let filter = Filter { must: Vec::new(), must_not: vec![is(RECORD, "collection")] };
    let mut offset = None;
    let mut moved = 0;
    loop {
        let (points, next) = source.scroll(&filter, offset, PAGE_POINTS, true)?;
        moved += points.len();
        target.upsert(points)?;
        target.flush()?;
        progress(moved, passages);
        match next {
            Some(_) => offset = next,
            None => break,
        }
    }
    built.clean = whole;
    target.upsert(vec![point(StoredCollection::id(), &built, Vectors::default())])?;
    target.flush()?;
    let arrived = target.count(&of_record("passage"))?;
    if arrived != passages {
        return Err(RetrievalError::Incomplete { arrived, expected: passages });
    }
    Ok(arrived)
}
