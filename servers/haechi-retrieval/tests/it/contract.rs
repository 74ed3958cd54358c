//! The tool definitions as hosts see them. Changing one is a change of contract.

use std::sync::Arc;

use haechi_retrieval::{
    Shared,
    library::{Library, LibraryOptions},
    store::edge::EdgeStore,
    tools,
};

#[test]
fn tool_definitions_are_stable() {
    let folder = tempfile::tempdir().unwrap();
    let store = Box::new(EdgeStore::new(folder.path().to_owned()));
    let shared: Arc<Shared> = Shared::new(Library::new(store, None, LibraryOptions::default()), None);
    let definitions = tools::service(&shared).definitions();
    let names: Vec<&str> = definitions.iter().filter_map(|tool| tool["name"].as_str()).collect();
    assert_eq!(names, ["find_similar", "get_passage", "list_collections", "search_passages"]);
    for tool in &definitions {
        let name = tool["name"].as_str().unwrap();
        insta::with_settings!({ snapshot_suffix => name, sort_maps => true, omit_expression => true }, {
            insta::assert_json_snapshot!("tool", tool);
        });
    }
}
