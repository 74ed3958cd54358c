//! The spreadsheet facts of the corpus, where it is present.

use haechi_contract::tables::FindTables;
use serde_json::Value;

use crate::samples;

#[test]
fn every_fact_about_real_sheets_holds() {
    let Some(corpus) = haechi_testkit::corpus() else { return };
    let folder = corpus.join("spreadsheets");
    let library = samples::library(&folder);
    let facts = std::fs::read_to_string(folder.join("expected-dev.jsonl")).unwrap();
    let mut wrong = Vec::new();
    let mut count = 0;
    for line in facts.lines() {
        let fact: Value = serde_json::from_str(line).unwrap();
        let path = fact["file"].as_str().unwrap();
        let found = library.find_tables(&FindTables { path: path.to_owned(), ..FindTables::default() }, &|| false);
        count += 1;
        match (fact["expect"].as_str(), found) {
            (Some("password"), Err(haechi_tables::error::Error::PasswordRequired { .. })) => {}
            (Some("empty"), Ok(tables)) if tables.tables.is_empty() => {}
            (None, Ok(tables)) => {
                let table = tables.tables.iter().find(|table| {
                    table.range.as_deref() == fact["range"].as_str()
                        && (fact["sheet"].is_null() || table.sheet.as_deref() == fact["sheet"].as_str())
                });
                let rows = fact["header_rows"].as_array().map_or(0, Vec::len);
                let fits = table.is_some_and(|table| {
                    usize::try_from(table.header_rows).unwrap() == rows
                        && (fact["unit"].is_null() || table.unit.as_deref() == fact["unit"].as_str())
                });
                if !fits {
                    wrong.push(format!(
                        "{path} {} {}: {:?}",
                        fact["sheet"],
                        fact["range"],
                        table.map(|table| (table.header_rows, &table.unit))
                    ));
                }
            }
            (_, found) => wrong.push(format!("{path}: {found:?}")),
        }
    }
    assert!(wrong.is_empty(), "{} of {count} facts fail:\n{}", wrong.len(), wrong.join("\n"));
}
