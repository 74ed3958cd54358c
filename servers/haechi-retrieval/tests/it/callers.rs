//! Many callers at once, while the collection under them changes.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};

use haechi_contract::retrieval::SearchPassages;
use haechi_retrieval::{
    cut::Size,
    ingest::{Plan, Progress, Watcher},
    library::{Library, LibraryOptions},
    store::edge::EdgeStore,
};

struct Silent;

impl Watcher for Silent {
    fn progress(&self, _: Progress) {}

    fn cancelled(&self) -> bool {
        false
    }
}

/// Cancels after so many documents.
struct Impatient(AtomicUsize);

impl Watcher for Impatient {
    fn progress(&self, progress: Progress) {
        self.0.store(progress.documents_done, Ordering::Relaxed);
    }

    fn cancelled(&self) -> bool {
        self.0.load(Ordering::Relaxed) >= 3
    }
}

fn write(folder: &std::path::Path, round: usize) {
    std::fs::create_dir_all(folder).unwrap();
    for document in 0..20 {
        let text = format!("# 지침 {document}\n\n## 절차\n\n{document}번 담보 절차의 {round}판이다.\n");
        std::fs::write(folder.join(format!("{document:02}.md")), text).unwrap();
    }
}

fn question() -> SearchPassages {
    serde_json::from_value(serde_json::json!({ "query": "담보 절차", "limit": 5 })).unwrap()
}

#[test]
fn sixty_four_callers_are_answered_while_documents_change() {
    let folder = tempfile::tempdir().unwrap();
    let manuals = folder.path().join("manuals");
    write(&manuals, 0);
    let store = Box::new(EdgeStore::new(folder.path().join("store")));
    let library = Arc::new(Library::new(store, None, LibraryOptions::default()));
    let plan = Plan {
        paths: vec![manuals.clone()],
        collection: "documents".into(),
        size: Size::of_target(600),
        rebuild: false,
        dry_run: false,
        batch: 4,
    };
    library.index(&plan, &Silent).unwrap();
    let done = AtomicBool::new(false);
    let answered = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..64 {
            scope.spawn(|| {
                while !done.load(Ordering::Relaxed) {
                    let found = library.search(&question()).unwrap();
                    assert_eq!(found.passages.len(), 5);
                    answered.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        write(&manuals, 1);
        let outcome = library.index(&plan, &Silent).unwrap();
        assert_eq!(outcome.changed, 20);
        done.store(true, Ordering::Relaxed);
    });
    assert!(answered.load(Ordering::Relaxed) > 0);
    let found = library.search(&question()).unwrap();
    assert!(found.passages.iter().all(|passage| passage.text.contains("1판")), "{found:?}");

    // A run that is cancelled is finished by the next, too.
    write(&manuals, 2);
    assert!(library.index(&plan, &Impatient(AtomicUsize::new(0))).is_err());
    library.index(&plan, &Silent).unwrap();
    let found = library.search(&question()).unwrap();
    assert!(found.passages.iter().all(|passage| passage.text.contains("2판")), "{found:?}");
    assert_eq!(library.collections().unwrap().collections[0].passages, 20);
}
