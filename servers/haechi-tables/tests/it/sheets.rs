//! Workbooks and delimited text.

use haechi_contract::tables::{FindTables, ReadTable, RowFormat, Tables};
use haechi_tables::query::{KIND_COLUMN, PLACE_COLUMN};
use serde_json::json;

use crate::samples;

fn find(folder: &std::path::Path, path: &str) -> Tables {
    let input = FindTables { path: path.to_owned(), ..FindTables::default() };
    samples::library(folder).find_tables(&input, &|| false).unwrap()
}

fn read(folder: &std::path::Path, id: &str, format: RowFormat) -> haechi_contract::tables::TableRows {
    let input = ReadTable { id: id.to_owned(), format, ..ReadTable::default() };
    samples::library(folder).read_table(&input).unwrap()
}

#[test]
fn a_quarterly_workbook_is_understood() {
    let folder = tempfile::tempdir().unwrap();
    samples::loans(folder.path());
    insta::assert_json_snapshot!("loans_found", find(folder.path(), "여신현황.xlsx"));
}

#[test]
fn rows_are_typed_and_cited_to_the_cell() {
    let folder = tempfile::tempdir().unwrap();
    samples::loans(folder.path());
    let rows = read(folder.path(), "여신현황.xlsx#업종별!B3:F8", RowFormat::Records);
    insta::assert_json_snapshot!("loans_read", rows);
}

#[test]
fn other_formats_hold_the_same_rows() {
    let folder = tempfile::tempdir().unwrap();
    samples::loans(folder.path());
    let id = "여신현황.xlsx#업종별!B3:F8";
    let markdown = read(folder.path(), id, RowFormat::Markdown).text.unwrap();
    assert!(markdown.contains("| 제조업 | 1234 | △56 | 23.02% | 2026년 9월 30일 |"), "{markdown}");
    let csv = read(folder.path(), id, RowFormat::Csv).text.unwrap();
    assert!(csv.contains("제조업,1234,-56,0.2302,2026-09-30\n"), "{csv}");
    let grid = read(folder.path(), id, RowFormat::Grid);
    assert_eq!(grid.rows[0], json!(["업종", "2026년 3분기", "2026년 3분기", "연체율", "기준일"]));
    assert_eq!(grid.rows[2], json!(["제조업", "1234", "△56", "23.02%", "2026년 9월 30일"]));
}

#[test]
fn pages_of_rows_join_without_a_gap() {
    let folder = tempfile::tempdir().unwrap();
    samples::loans(folder.path());
    let library = samples::library(folder.path());
    let mut names = Vec::new();
    let mut offset = Some(0);
    while let Some(from) = offset {
        let input = ReadTable {
            id: "여신현황.xlsx#업종별!B3:F8".to_owned(),
            offset: from,
            limit: Some(3),
            columns: vec!["업종".to_owned()],
            ..ReadTable::default()
        };
        let page = library.read_table(&input).unwrap();
        assert_eq!(page.truncated, page.next_offset.is_some());
        names.extend(page.rows.iter().map(|row| row["업종"].as_str().unwrap().to_owned()));
        offset = page.next_offset;
    }
    assert_eq!(names, ["제조업", "건설업", "도소매업", "합 계"]);
}

#[test]
fn codes_keep_their_zeros_and_ranges_are_read_as_asked() {
    let folder = tempfile::tempdir().unwrap();
    samples::loans(folder.path());
    let codes = read(folder.path(), "여신현황.xlsx#업종별!B12:C15", RowFormat::Records);
    assert_eq!(codes.rows[0]["코드"], "01");
    // A range that is no table of its own is read all the same.
    let part = read(folder.path(), "여신현황.xlsx#업종별!B12:B15", RowFormat::Records);
    assert_eq!(part.total_rows, 3);
}

#[test]
fn text_files_in_old_encodings_are_read() {
    let folder = tempfile::tempdir().unwrap();
    let (cp949, _, _) = encoding_rs::EUC_KR.encode("지점,건수,금액\n본점,\"1,234\",10%\n강남,56,△3%\n");
    std::fs::write(folder.path().join("지점.csv"), cp949).unwrap();
    let wide: Vec<u8> = "\u{feff}코드\t값\n001\t1\n002\t2\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
    std::fs::write(folder.path().join("코드.tsv"), wide).unwrap();

    let tables = find(folder.path(), "지점.csv");
    assert_eq!(tables.encoding.as_deref(), Some("cp949"));
    let rows = read(folder.path(), &tables.tables[0].id, RowFormat::Records);
    assert_eq!(rows.rows[0], json!({ "지점": "본점", "건수": 1234, "금액": 10 }));
    assert_eq!(rows.rows[1]["금액"], -3);
    assert_eq!(rows.columns[2].unit.as_deref(), Some("%"));

    let tables = find(folder.path(), "코드.tsv");
    assert_eq!(tables.encoding.as_deref(), Some("utf-16le"));
    let rows = read(folder.path(), &tables.tables[0].id, RowFormat::Records);
    assert_eq!(rows.rows[1], json!({ "코드": "002", "값": 2 }));
}

#[test]
fn a_long_sheet_is_paged_to_its_end() {
    const ROWS: u32 = 30_000;
    let folder = tempfile::tempdir().unwrap();
    let mut data = String::from("번호,값,이름,구분,비고,가,나,다\n");
    for row in 0..ROWS {
        data.push_str(&format!("{row},{},이름{row},A,-,1,2,3\n", row * 2));
    }
    std::fs::write(folder.path().join("긴표.csv"), data).unwrap();
    let tables = find(folder.path(), "긴표.csv");
    assert_eq!(tables.tables[0].rows, u64::from(ROWS));
    let input = ReadTable {
        id: tables.tables[0].id.clone(),
        offset: u64::from(ROWS) - 2,
        limit: Some(10),
        ..ReadTable::default()
    };
    let rows = samples::library(folder.path()).read_table(&input).unwrap();
    assert_eq!(rows.rows.len(), 2);
    assert_eq!(rows.rows[1]["번호"], ROWS - 1);
    assert_eq!(rows.next_offset, None);
}

#[test]
fn statements_run_over_tables_of_several_files() {
    use haechi_contract::tables::{NamedSource, QueryTables};
    let folder = tempfile::tempdir().unwrap();
    samples::loans(folder.path());
    std::fs::write(folder.path().join("한도.csv"), "업종,한도\n제조업,1500\n건설업,700\n도소매업,900\n").unwrap();
    let engine = haechi_tables::engine::Engine::in_process(samples::library(folder.path()));
    let source = |id: &str, name: &str| NamedSource { id: id.to_owned(), name: name.to_owned() };
    let input = QueryTables {
        tables: vec![source("여신현황.xlsx#업종별!B3:F8", "loans"), source("한도.csv#한도!A1:B4", "한도")],
        sql: format!(
            "SELECT l.\"업종\", l.\"2026년 3분기/잔액\" - h.\"한도\" AS \"초과\", l.\"{PLACE_COLUMN}\" FROM loans l JOIN \"한도\" h ON h.\"업종\" = l.\"업종\" WHERE l.\"{KIND_COLUMN}\" IS NULL AND l.\"2026년 3분기/잔액\" > h.\"한도\""
        ),
        limit: None,
    };
    let loaded = haechi_tables::tools::load_all(&engine, &input.tables, &|| false).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let rows = runtime.block_on(haechi_tables::query::run(&input, &loaded, || false)).unwrap();
    assert_eq!(serde_json::to_value(&rows.rows).unwrap(), json!([["건설업", 65.5, "B6:F6"]]));
    assert_eq!(rows.notes.len(), 1, "the total row is mentioned: {:?}", rows.notes);

    for refused in ["DROP TABLE loans", "SELECT 1; SELECT 2", "SELECT * FROM sqlite_master", "PRAGMA query_only = OFF"]
    {
        let input = QueryTables { sql: refused.to_owned(), ..input.clone() };
        let answer = runtime.block_on(haechi_tables::query::run(&input, &loaded, || false));
        assert!(matches!(answer, Err(haechi_tables::error::Error::Refused { .. })), "{refused}: {answer:?}");
    }
}

#[test]
fn a_profile_adds_up_totals() {
    let folder = tempfile::tempdir().unwrap();
    samples::loans(folder.path());
    std::fs::write(folder.path().join("틀림.csv"), "항목,금액\n가,10\n나,20\n다,많음\n합계,35\n").unwrap();
    let library = samples::library(folder.path());
    let right = haechi_tables::profile::of(&library.load("여신현황.xlsx#업종별!B3:F8", 0, 100).unwrap());
    let kinds: Vec<&str> = right.suspicious.iter().map(|found| found.kind.as_str()).collect();
    assert_eq!(kinds, ["total_confirmed", "total_confirmed", "hidden_row"]);
    assert_eq!(right.columns[1].sum.as_deref(), Some("2399.5"));
    let wrong = haechi_tables::profile::of(&library.load("틀림.csv#틀림!A1:B5", 0, 100).unwrap());
    let found: Vec<(&str, &str)> =
        wrong.suspicious.iter().map(|found| (found.kind.as_str(), found.range.as_str())).collect();
    assert_eq!(found, [("text_in_numbers", "B4"), ("total_mismatch", "B5")]);
    assert_eq!(wrong.suspicious[1].expected.as_deref(), Some("30"));
}

#[test]
fn tables_are_compared_by_their_keys() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("a.csv"), "업종,잔액\n제조업,10.1\n건설업,5\n광업,1\n").unwrap();
    std::fs::write(folder.path().join("b.csv"), "업종,잔액\n건설업,5\n제조업,10.4\n운수업,2\n").unwrap();
    let library = samples::library(folder.path());
    let left = library.load("a.csv#a!A1:B4", 0, 100).unwrap();
    let right = library.load("b.csv#b!A1:B4", 0, 100).unwrap();
    let compared = haechi_tables::compare::of(&left, &right, &["업종".to_owned()]).unwrap();
    assert_eq!(compared.unchanged, 1);
    assert_eq!(compared.added[0].key, [json!("운수업")]);
    assert_eq!(compared.removed[0].key, [json!("광업")]);
    let change = &compared.changed[0].cells[0];
    assert_eq!((change.column.as_str(), change.difference.as_deref()), ("잔액", Some("0.3")));
    assert!(haechi_tables::compare::of(&left, &right, &["없는 열".to_owned()]).is_err());
}
