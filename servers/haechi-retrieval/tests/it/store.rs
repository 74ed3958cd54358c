//! What every store promises, as one suite.

use haechi_retrieval::{
    record::FIELDS,
    store::{
        Condition, Filter, Fusion, Point, Ranking, Schema, Search, Sparse, Store, StoreError, Vectors, edge::EdgeStore,
        fuse,
    },
};
use serde_json::json;
use uuid::Uuid;

fn point(number: u8, document: &str, terms: &[(u32, f32)], dense: [f32; 4]) -> Point {
    let (indices, values) = terms.iter().copied().unzip();
    let payload =
        json!({ "record": "passage", "document": document, "ordinal": number, "date": 20260100 + u32::from(number) });
    Point {
        id: Uuid::from_u128(u128::from(number)),
        vectors: Vectors { lexical: Some(Sparse { indices, values }), dense: Some(dense.to_vec()) },
        payload: payload.as_object().unwrap().clone(),
    }
}

fn any(field: &'static str, value: &str) -> Condition {
    Condition::Any { field, values: vec![value.to_owned()] }
}

fn must(condition: Condition) -> Filter {
    Filter { must: vec![condition], must_not: Vec::new() }
}

/// The suite; `store` must be empty.
pub(crate) fn suite(store: &dyn Store) {
    assert_eq!(store.names().unwrap(), Vec::<String>::new());
    assert!(store.open("first").unwrap().is_none());
    let schema = Schema { dense_size: Some(4), fields: FIELDS };
    let collection = store.create("first", &schema).unwrap();
    let record = Point {
        id: Uuid::from_u128(99),
        vectors: Vectors::default(),
        payload: json!({ "record": "document", "document": "a.md" }).as_object().unwrap().clone(),
    };
    let points = vec![
        point(1, "a.md", &[(1, 1.0), (2, 1.0)], [1.0, 0.0, 0.0, 0.0]),
        point(2, "a.md", &[(2, 2.0)], [0.9, 0.1, 0.0, 0.0]),
        point(3, "b.md", &[(3, 1.0)], [0.0, 1.0, 0.0, 0.0]),
        point(4, "b.md", &[(3, 0.5), (4, 1.0)], [0.0, 0.0, 1.0, 0.0]),
        record,
    ];
    collection.upsert(points.clone()).unwrap();
    collection.upsert(points.clone()).unwrap();
    collection.flush().unwrap();
    assert_eq!(collection.count(&Filter::default()).unwrap(), 5, "writing twice doubles nothing");

    let ids = |ranking: Ranking, filter: Filter| -> Vec<u128> {
        let search = Search { ranking, filter, limit: 10, with_vectors: false };
        collection.search(&search).unwrap().into_iter().map(|hit| hit.point.id.as_u128()).collect()
    };
    let words = |terms: &[u32]| Sparse { indices: terms.to_vec(), values: vec![1.0; terms.len()] };
    assert_eq!(ids(Ranking::Lexical(words(&[2])), Filter::default()), [2, 1], "records have no words");
    assert_eq!(ids(Ranking::Lexical(words(&[3])), must(any("document", "b.md"))), [3, 4]);
    assert_eq!(ids(Ranking::Lexical(words(&[3])), must(any("document", "a.md"))), [] as [u128; 0]);
    assert_eq!(ids(Ranking::Lexical(words(&[77])), Filter::default()), [] as [u128; 0]);
    let between = Condition::Between { field: "date", from: Some(20_260_102), to: Some(20_260_103) };
    assert_eq!(ids(Ranking::Dense(vec![0.0, 1.0, 0.0, 0.0]), must(between)), [3, 2]);
    let either = Condition::Either(vec![any("document", "b.md"), any("record", "none")]);
    assert_eq!(ids(Ranking::Dense(vec![0.0, 0.0, 1.0, 0.0]), must(either)), [4, 3]);
    let not = Filter { must: vec![any("record", "passage")], must_not: vec![any("document", "a.md")] };
    assert_eq!(ids(Ranking::Dense(vec![1.0, 0.0, 0.0, 0.0]), not).len(), 2);

    let fusion = Fusion { k: 2, lexical_weight: 3.0, dense_weight: 1.0, candidates: 10 };
    let (lexical, dense) = (words(&[3]), vec![1.0, 0.0, 0.0, 0.0]);
    let search = |ranking| {
        let search = Search { ranking, filter: Filter::default(), limit: 10, with_vectors: false };
        collection.search(&search).unwrap()
    };
    let fused = search(Ranking::Fused { lexical: lexical.clone(), dense: dense.clone(), fusion });
    let own = fuse(search(Ranking::Lexical(lexical)), search(Ranking::Dense(dense)), fusion, 10);
    assert_eq!(fused.len(), own.len());
    for (engine, ours) in fused.iter().zip(&own) {
        assert!((engine.score - ours.score).abs() < 1e-5, "{} {}", engine.score, ours.score);
    }

    let fetched = collection.fetch(&[Uuid::from_u128(4), Uuid::from_u128(50), Uuid::from_u128(1)], true).unwrap();
    assert_eq!(fetched.iter().map(|point| point.id.as_u128()).collect::<Vec<_>>(), [4, 1]);
    assert_eq!(fetched[1].payload, points[0].payload);
    assert_eq!(fetched[1].vectors.lexical, points[0].vectors.lexical);

    let (page, next) = collection.scroll(&must(any("record", "passage")), None, 3, false).unwrap();
    assert_eq!(page.len(), 3);
    let (rest, end) = collection.scroll(&must(any("record", "passage")), next, 3, false).unwrap();
    assert_eq!((rest.len(), end), (1, None));

    let stale = Filter { must: vec![any("document", "a.md")], must_not: vec![any("record", "document")] };
    collection.remove(&stale).unwrap();
    collection.flush().unwrap();
    assert_eq!(collection.count(&Filter::default()).unwrap(), 3);
    assert!(collection.remove(&Filter::default()).is_err(), "an empty filter is refused");

    let wrong = Point { vectors: Vectors { lexical: None, dense: Some(vec![1.0; 3]) }, ..points[0].clone() };
    assert!(matches!(collection.upsert(vec![wrong]), Err(StoreError::Dimension { expected: 4, received: 3 })));
    collection.optimize().unwrap();
    drop(collection);

    let again = store.open("first").unwrap().unwrap();
    assert_eq!(again.count(&Filter::default()).unwrap(), 3);
    drop(again);
    assert_eq!(store.names().unwrap(), ["first"]);
    store.delete("first").unwrap();
    store.delete("first").unwrap();
    assert_eq!(store.names().unwrap(), Vec::<String>::new());
}

#[test]
fn the_embedded_store_keeps_its_promises() {
    let folder = tempfile::tempdir().unwrap();
    suite(&EdgeStore::new(folder.path().join("store")));
}

#[test]
fn what_was_written_over_and_over_does_not_fill_the_disk() {
    let folder = tempfile::tempdir().unwrap();
    let store = EdgeStore::new(folder.path().to_owned());
    let collection = store.create("first", &Schema { dense_size: None, fields: FIELDS }).unwrap();
    let text = "가".repeat(20_000);
    for round in 0..60_u8 {
        let points = (0..10_u8)
            .map(|number| {
                let mut one = point(number, "a.md", &[(1, 1.0)], [0.0; 4]);
                one.vectors.dense = None;
                one.payload.insert("text".into(), json!(format!("{round}{text}")));
                one
            })
            .collect();
        collection.upsert(points).unwrap();
        collection.flush().unwrap();
    }
    let log: Vec<_> = std::fs::read_dir(folder.path().join("first/shard/wal")).unwrap().flatten().collect();
    let closed = log.iter().filter(|entry| entry.file_name().to_string_lossy().starts_with("closed")).count();
    assert!(closed <= 1, "{log:?}");
    drop(collection);
    // The numbering goes on where it was: a restart from zero would make the engine ignore writes.
    let collection = store.open("first").unwrap().unwrap();
    let mut changed = point(1, "b.md", &[(9, 1.0)], [0.0; 4]);
    changed.vectors.dense = None;
    collection.upsert(vec![changed]).unwrap();
    assert_eq!(collection.count(&must(any("document", "b.md"))).unwrap(), 1);
}
