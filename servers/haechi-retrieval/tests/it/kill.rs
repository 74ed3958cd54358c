//! Indexing that is killed at any point loses nothing and doubles nothing.

use std::{
    collections::BTreeMap,
    path::Path,
    process::{Child, Stdio},
};

use haechi_retrieval::{
    record::{StoredDocument, StoredPassage, of_record, read},
    store::{Filter, Store as _, edge::EdgeStore},
};
use haechi_testkit::{Finished, TestEnv};

use crate::manuals::program;

const DOCUMENTS: usize = 60;
const SECTIONS: usize = 8;

/// Many small documents and a setting that flushes often, so that a kill has many places to fall.
fn many() -> TestEnv {
    let env = TestEnv::new();
    env.write("haechi.toml", "[retrieval]\nbatch_passages = 32\n");
    for document in 0..DOCUMENTS {
        let mut text = format!("# 지침 {document}\n");
        for section in 0..SECTIONS {
            text.push_str(&format!(
                "\n## {section}. 절차\n\n{document}번 지침의 {section}번째 절차는 담당자가 정한다.\n"
            ));
        }
        env.write(&format!("manuals/{document:03}.md"), text);
    }
    env
}

/// Everything that a collection holds, by id.
fn contents(env: &TestEnv) -> (BTreeMap<String, StoredPassage>, BTreeMap<String, StoredDocument>) {
    let store = EdgeStore::new(env.work().join(".haechi/retrieval"));
    let collection = store.open("documents").unwrap().unwrap();
    let (points, next) = collection.scroll(&Filter::default(), None, 100_000, false).unwrap();
    assert!(next.is_none());
    let mut passages = BTreeMap::new();
    let mut documents = BTreeMap::new();
    for point in points {
        if let Some(passage) = read::<StoredPassage>(point.payload.clone()) {
            passages.insert(point.id.to_string(), passage);
        } else if let Some(document) = read::<StoredDocument>(point.payload) {
            documents.insert(document.document.clone(), document);
        }
    }
    assert_eq!(collection.count(&of_record("passage")).unwrap(), passages.len());
    (passages, documents)
}

fn bytes(folder: &Path) -> u64 {
    let Ok(entries) = std::fs::read_dir(folder) else { return 0 };
    entries
        .flatten()
        .map(|entry| match entry.metadata() {
            Ok(metadata) if metadata.is_dir() => bytes(&entry.path()),
            // The log is allocated in advance; its blocks say how much of it was written.
            Ok(metadata) => std::os::unix::fs::MetadataExt::blocks(&metadata),
            Err(_) => 0,
        })
        .sum()
}

/// Starts indexing and kills it as soon as its folder has grown to `limit`.
fn index_until(env: &TestEnv, limit: u64) -> bool {
    let mut child: Child = program(env, &["index", "manuals"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let folder = env.work().join(".haechi/retrieval");
    loop {
        if child.try_wait().unwrap().is_some() {
            return false;
        }
        if limit <= bytes(&folder) {
            child.kill().unwrap();
            child.wait().unwrap();
            return true;
        }
        std::thread::yield_now();
    }
}

#[test]
fn a_killed_run_is_finished_by_the_next() {
    let whole = many();
    let _ = Finished::of(&mut program(&whole, &["index", "manuals"])).expect_code(0);
    let (expected, documents) = contents(&whole);
    assert_eq!((expected.len(), documents.len()), (DOCUMENTS * SECTIONS, DOCUMENTS));
    let full = bytes(&whole.work().join(".haechi/retrieval"));

    let mut killed = 0;
    for part in [2, 20, 45, 70, 90, 97] {
        let env = many();
        killed += usize::from(index_until(&env, full * part / 100));
        // A second kill in the run that repairs the first.
        killed += usize::from(index_until(&env, full * (part + 3) / 100));
        let _ = Finished::of(&mut program(&env, &["index", "manuals"])).expect_code(0);
        let (passages, records) = contents(&env);
        assert_eq!(passages, expected, "after a kill at {part} %");
        assert_eq!(records, documents, "after a kill at {part} %");
    }
    assert!(killed >= 4, "only {killed} runs were really killed");
}

#[test]
fn leftovers_of_a_killed_run_go_with_their_file() {
    let env = many();
    let full = {
        let whole = many();
        let _ = Finished::of(&mut program(&whole, &["index", "manuals"])).expect_code(0);
        bytes(&whole.work().join(".haechi/retrieval"))
    };
    assert!(index_until(&env, full / 2));
    for document in 0..DOCUMENTS - 1 {
        std::fs::remove_file(env.work().join(format!("manuals/{document:03}.md"))).unwrap();
    }
    let _ = Finished::of(&mut program(&env, &["index", "manuals"])).expect_code(0);
    let (passages, records) = contents(&env);
    assert_eq!((passages.len(), records.len()), (SECTIONS, 1));
}
