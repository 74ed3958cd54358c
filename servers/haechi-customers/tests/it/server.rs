//! The tool surface, as a contract.

use std::sync::Arc;

use crate::bank;

#[test]
fn tool_definitions_are_stable() {
    let folder = tempfile::tempdir().unwrap();
    rusqlite::Connection::open(folder.path().join("a.db"))
        .unwrap()
        .execute_batch("CREATE TABLE a (id INTEGER PRIMARY KEY)")
        .unwrap();
    let policy = "version = 1\ndefault_role = \"r\"\n[roles.r]\nfree_sql = true\n[rows]\na = \"all\"\n";
    let customers = bank::open(folder.path(), "sqlite:a.db", policy, None);
    let definitions = haechi_customers::service(Arc::new(customers)).definitions();
    let bytes: usize = definitions.iter().map(|definition| definition.to_string().len()).sum();
    eprintln!("tools/list: {} tools, {bytes} bytes", definitions.len());
    for definition in definitions {
        let name = definition["name"].as_str().unwrap().to_owned();
        insta::with_settings!({ snapshot_suffix => name, sort_maps => true }, {
            insta::assert_json_snapshot!("tool", definition);
        });
    }
}
