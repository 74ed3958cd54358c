//! The tools over MCP. No logic: inputs go to the library, answers come back.

use std::collections::BTreeMap;
use std::sync::Arc;

use haechi_contract::Problem;
use haechi_contract::tables::{
    CompareTables, FindTables, ListFiles, NamedSource, Pages, ProfileTable, QueryRows, QueryTables, ReadPages,
    ReadTable, RowFormat, TableComparison, TableProfile, TableRows, Tables,
};
use haechi_serving::{
    Call, CancellationToken, Identity, Principal, Prompt, PromptArgument, Reply, ResourceEntry, ResourcePage,
    ResourceTemplate, ResourceText, Resources, Service, Tool,
};
use serde_json::json;

use crate::engine::Engine;
use crate::error::Error;
use crate::library::Loaded;
use crate::source::uri_of;
use crate::{compare, profile, query};

pub const IDENTITY: Identity = Identity {
    name: "haechi-tables",
    title: "표 읽기",
    version: env!("CARGO_PKG_VERSION"),
    description: "통합 문서(xlsx, xls, xlsb, ods), CSV, PDF 안의 표를 찾아 열 이름·단위·값과 출처를 붙여 읽습니다",
    instructions: "list_files로 파일을 보고, find_tables로 표와 id를 찾은 뒤, read_table로 행을 읽습니다. \
        숫자는 정확한 값으로, 화면에 보이는 글자는 cells의 shown에 있습니다. 보고서에는 citation을 그대로 적어 주십시오.",
};

/// The tools over a library.
pub fn service(engine: Arc<Engine>) -> Service {
    Service::new(IDENTITY)
        .tool(list_files(engine.clone()))
        .tool(find_tables(engine.clone()))
        .tool(read_table(engine.clone()))
        .tool(query_tables(engine.clone()))
        .tool(profile_table(engine.clone()))
        .tool(compare_tables(engine.clone()))
        .tool(read_pages(engine.clone()))
        .resources(TableResources(engine))
        .prompt(summary_prompt())
}

fn list_files(engine: Arc<Engine>) -> Tool {
    Tool::read_only(
        "list_files",
        "표 파일 목록",
        "읽을 수 있는 통합 문서, CSV, PDF 파일의 목록을 줍니다. pattern으로 이름을 거릅니다. 예: {\"pattern\": \"*여신*.xlsx\"}",
    )
    .audited(|input: &ListFiles| json!({ "folder": input.folder, "pattern": input.pattern }))
    .handler(move |call: Call, input: ListFiles| {
        let engine = engine.clone();
        async move {
            let files = call.blocking(move |_: &CancellationToken| engine.list_files(&input)).await?;
            let text = files
                .files
                .iter()
                .map(|file| format!("- {} ({}, {} bytes)\n", file.path, file.kind, file.bytes))
                .collect::<String>();
            let returned = json!({ "files": files.files.len() });
            Ok(Reply::new(files).text(text).returned(returned))
        }
    })
}

fn find_tables(engine: Arc<Engine>) -> Tool {
    Tool::read_only(
        "find_tables",
        "표 찾기",
        "파일 하나에서 표를 모두 찾아 제목, 열 이름과 형식·단위, 범위, 미리보기와 read_table에 쓸 id를 줍니다. \
         숨긴 시트나 글자가 없는 쪽은 notes에 적습니다. 예: {\"path\": \"여신현황.xlsx\"}, {\"path\": \"보고서.pdf\", \"pages\": \"1-5\"}",
    )
    .audited(|input: &FindTables| json!({ "path": input.path, "sheets": input.sheets, "pages": input.pages }))
    .handler(move |call: Call, input: FindTables| {
        let engine = engine.clone();
        async move {
            let tables = call
                .blocking(move |cancel: &CancellationToken| engine.find_tables(input, &|| cancel.is_cancelled()))
                .await?;
            let text = tables_text(&tables);
            let returned = json!({ "tables": tables.tables.len() });
            Ok(Reply::new(tables).text(text).returned(returned))
        }
    })
}

fn read_table(engine: Arc<Engine>) -> Tool {
    Tool::read_only(
        "read_table",
        "표 읽기",
        "find_tables가 준 id의 표에서 행을 읽습니다. 기본(records)은 열 이름을 단 행과, 행마다 셀 범위와 화면에 보이는 글자를 줍니다. \
         큰 표는 next_offset으로 이어 읽습니다. 예: {\"id\": \"여신현황.xlsx#업종별!B4:F12\", \"limit\": 50}",
    )
    .audited(|input: &ReadTable| json!({ "id": input.id, "offset": input.offset, "limit": input.limit }))
    .handler(move |call: Call, input: ReadTable| {
        let engine = engine.clone();
        async move {
            let rows = call.blocking(move |cancel: &CancellationToken| engine.read_table(input, &|| cancel.is_cancelled())).await?;
            let text = rows_text(&rows);
            let returned = json!({ "rows": rows.cells.len(), "citation": rows.citation });
            Ok(Reply::new(rows).text(text).returned(returned))
        }
    })
}

fn query_tables(engine: Arc<Engine>) -> Tool {
    Tool::read_only(
        "query_tables",
        "표 SQL 조회",
        "여러 파일의 표를 이름을 붙여 읽기 전용 SQL(SQLite 문법, SELECT 한 문장)로 조회하고 조인합니다. 한글 열 이름은 큰따옴표로 감쌉니다. \
         표마다 \"_행구분\"(합계 행이면 total)과 \"_위치\"(셀 범위) 열이 더 있습니다. \
         예: {\"tables\": [{\"id\": \"여신현황.xlsx#업종별!B4:F12\", \"name\": \"loans\"}], \"sql\": \"SELECT \\\"업종\\\" FROM loans\"}",
    )
    .audited(|input: &QueryTables| {
        let ids: Vec<&str> = input.tables.iter().map(|table| table.id.as_str()).collect();
        json!({ "tables": ids, "sql_chars": input.sql.chars().count() })
    })
    .handler(move |call: Call, input: QueryTables| {
        let engine = engine.clone();
        async move {
            let tables = input.tables.clone();
            let loaded = call
                .blocking(move |cancel: &CancellationToken| load_all(&engine, &tables, &|| cancel.is_cancelled()))
                .await?;
            let cancel = call.cancel.clone();
            let rows = query::run(&input, &loaded, move || cancel.is_cancelled()).await?;
            let text = query_text(&rows);
            let returned = json!({ "rows": rows.rows.len() });
            Ok(Reply::new(rows).text(text).returned(returned))
        }
    })
}

fn profile_table(engine: Arc<Engine>) -> Tool {
    Tool::read_only(
        "profile_table",
        "표 점검",
        "표의 열마다 형식, 단위, 빈칸, 최솟값·최댓값·합을 세고, 합계 검산, 숫자 열의 글자, 섞인 단위, 중복 행처럼 의심스러운 곳을 알려 줍니다. \
         예: {\"id\": \"여신현황.xlsx#업종별!B4:F12\"}",
    )
    .audited(|input: &ProfileTable| json!({ "id": input.id }))
    .handler(move |call: Call, input: ProfileTable| {
        let engine = engine.clone();
        async move {
            let profile = call
                .blocking(move |cancel: &CancellationToken| profile(&engine, &input, &|| cancel.is_cancelled()))
                .await?;
            let text = profile_text(&profile);
            let returned = json!({ "columns": profile.columns.len(), "suspicious": profile.suspicious.len() });
            Ok(Reply::new(profile).text(text).returned(returned))
        }
    })
}

fn compare_tables(engine: Arc<Engine>) -> Tool {
    Tool::read_only(
        "compare_tables",
        "표 비교",
        "두 표를 열쇠 열로 맞추어 더해진 행, 빠진 행, 바뀐 셀을 차이와 함께 줍니다. \
         예: {\"left\": \"2분기.xlsx#업종별!B4:F12\", \"right\": \"3분기.xlsx#업종별!B4:F12\", \"keys\": [\"업종\"]}",
    )
    .audited(|input: &CompareTables| json!({ "left": input.left, "right": input.right, "keys": input.keys }))
    .handler(move |call: Call, input: CompareTables| {
        let engine = engine.clone();
        async move {
            let compared = call
                .blocking(move |cancel: &CancellationToken| compare(&engine, &input, &|| cancel.is_cancelled()))
                .await?;
            let text = comparison_text(&compared);
            let returned = json!({ "added": compared.added.len(), "removed": compared.removed.len(), "changed": compared.changed.len() });
            Ok(Reply::new(compared).text(text).returned(returned))
        }
    })
}

fn read_pages(engine: Arc<Engine>) -> Tool {
    Tool::read_only(
        "read_pages",
        "PDF 쪽 읽기",
        "PDF의 글을 읽는 순서대로 주고 표는 그 자리에 Markdown으로 넣습니다. 다단 편집을 풀고, 글자가 없는 쪽은 notes에 적습니다. \
         예: {\"path\": \"보고서.pdf\", \"pages\": \"3-5\"}",
    )
    .audited(|input: &ReadPages| json!({ "path": input.path, "pages": input.pages }))
    .handler(move |call: Call, input: ReadPages| {
        let engine = engine.clone();
        async move {
            let pages = call
                .blocking(move |cancel: &CancellationToken| engine.read_pages(input, &|| cancel.is_cancelled()))
                .await?;
            let text = pages_text(&pages);
            let returned = json!({ "pages": pages.pages.len() });
            Ok(Reply::new(pages).text(text).returned(returned))
        }
    })
}

/// Loads the tables of a statement, in its order.
pub fn load_all(engine: &Engine, tables: &[NamedSource], stop: &dyn Fn() -> bool) -> Result<Vec<Loaded>, Error> {
    query::check_names(tables)?;
    tables.iter().map(|table| engine.load(&table.id, query::TABLE_ROWS_MAX, stop)).collect()
}

/// Profiles one table.
pub fn profile(engine: &Engine, input: &ProfileTable, stop: &dyn Fn() -> bool) -> Result<TableProfile, Error> {
    Ok(profile::of(&engine.load(&input.id, query::TABLE_ROWS_MAX, stop)?))
}

/// Compares two tables.
pub fn compare(engine: &Engine, input: &CompareTables, stop: &dyn Fn() -> bool) -> Result<TableComparison, Error> {
    let left = engine.load(&input.left, query::TABLE_ROWS_MAX, stop)?;
    let right = engine.load(&input.right, query::TABLE_ROWS_MAX, stop)?;
    compare::of(&left, &right, &input.keys)
}

/// The result of a statement for people.
pub fn query_text(rows: &QueryRows) -> String {
    let cell = |value: &serde_json::Value| match value {
        serde_json::Value::Null => String::new(),
        serde_json::Value::String(text) => text.replace('|', "\\|").replace('\n', " "),
        other => other.to_string(),
    };
    let names: Vec<&str> = rows.columns.iter().map(|column| column.name.as_str()).collect();
    let mut text = format!("| {} |\n|{}\n", names.join(" | "), " --- |".repeat(names.len()));
    for row in &rows.rows {
        text.push_str(&format!("| {} |\n", row.iter().map(cell).collect::<Vec<_>>().join(" | ")));
    }
    for source in &rows.sources {
        text.push_str(&format!("\n출처: {} = {}", source.name, source.citation));
    }
    for note in &rows.notes {
        text.push_str(&format!("\n※ {note}"));
    }
    if rows.truncated {
        text.push_str("\n※ 행이 더 있습니다. limit을 늘리거나 조건을 좁혀 주십시오");
    }
    text.push('\n');
    text
}

/// A profile for people.
pub fn profile_text(profile: &TableProfile) -> String {
    let mut text = format!("{} ({}행)\n", profile.citation, profile.rows);
    for column in &profile.columns {
        let unit = column.unit.as_deref().map(|unit| format!(", {unit}")).unwrap_or_default();
        let sum = column.sum.as_deref().map(|sum| format!(", 합 {sum}")).unwrap_or_default();
        let range = match (&column.min, &column.max) {
            (Some(min), Some(max)) => format!(", {min} ~ {max}"),
            _ => String::new(),
        };
        text.push_str(&format!(
            "- {} [{}{unit}]: 빈칸 {}, 서로 다른 값 {}{range}{sum}\n",
            column.name, column.kind, column.nulls, column.distinct
        ));
    }
    for suspicion in &profile.suspicious {
        let column = suspicion.column.as_deref().map(|column| format!(" ({column})")).unwrap_or_default();
        let numbers = match (&suspicion.expected, &suspicion.found) {
            (Some(expected), Some(found)) => format!(": 항목의 합 {expected}, 적힌 값 {found}"),
            (None, Some(found)) => format!(": {found}"),
            _ => String::new(),
        };
        text.push_str(&format!("! {}{column} {}{numbers}\n", suspicion.range, suspicion.message));
    }
    text
}

/// A comparison for people.
pub fn comparison_text(compared: &TableComparison) -> String {
    let mut text = format!(
        "앞: {}\n뒤: {}\n더해진 행 {}, 빠진 행 {}, 바뀐 행 {}, 같은 행 {}\n",
        compared.left.citation,
        compared.right.citation,
        compared.added.len(),
        compared.removed.len(),
        compared.changed.len(),
        compared.unchanged
    );
    let key = |key: &[serde_json::Value]| key.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    for row in &compared.added {
        text.push_str(&format!("+ {} ({})\n", key(&row.key), row.range));
    }
    for row in &compared.removed {
        text.push_str(&format!("- {} ({})\n", key(&row.key), row.range));
    }
    for row in &compared.changed {
        for cell in &row.cells {
            let difference =
                cell.difference.as_deref().map(|difference| format!(" ({difference})")).unwrap_or_default();
            text.push_str(&format!(
                "~ {} {}: {} → {}{difference}\n",
                key(&row.key),
                cell.column,
                cell.left,
                cell.right
            ));
        }
    }
    for note in &compared.notes {
        text.push_str(&format!("※ {note}\n"));
    }
    text
}

/// Pages for people.
pub fn pages_text(pages: &Pages) -> String {
    let mut text = String::new();
    for page in &pages.pages {
        text.push_str(&format!("# {}\n\n{}\n\n", page.citation, page.text));
    }
    for note in &pages.notes {
        text.push_str(&format!("※ {note}\n"));
    }
    text
}

/// A table list for people and for models that read text alone.
pub fn tables_text(tables: &Tables) -> String {
    let mut text = format!("{} ({}): 표 {}개\n", tables.path, tables.kind, tables.tables.len());
    for table in &tables.tables {
        let title = table.title.as_deref().or(table.name.as_deref()).unwrap_or("(제목 없음)");
        let unit = table.unit.as_deref().map(|unit| format!(", 단위 {unit}")).unwrap_or_default();
        text.push_str(&format!("\n## {title}\n"));
        text.push_str(&format!("- id: {}\n- 출처: {}\n", table.id, table.citation));
        text.push_str(&format!(
            "- {}행 × {}열, 머리행 {}{unit}, 신뢰도 {:.2}\n",
            table.rows,
            table.columns.len(),
            table.header_rows,
            table.confidence
        ));
        let columns: Vec<String> = table
            .columns
            .iter()
            .map(|column| match &column.unit {
                Some(unit) => format!("{} [{}, {unit}]", column.name, column.kind),
                None => format!("{} [{}]", column.name, column.kind),
            })
            .collect();
        text.push_str(&format!("- 열: {}\n", columns.join(" · ")));
    }
    for note in &tables.notes {
        text.push_str(&format!("\n※ {note}"));
    }
    text.push('\n');
    text
}

/// Rows for people and for models that read text alone.
pub fn rows_text(rows: &TableRows) -> String {
    let mut text = format!("{} ({})\n\n", rows.citation, rows.uri);
    match &rows.text {
        Some(body) => text.push_str(body),
        None => {
            for row in &rows.rows {
                text.push_str(&format!("{row}\n"));
            }
        }
    }
    if let Some(next) = rows.next_offset {
        text.push_str(&format!("\n※ 전체 {}행. 이어서 읽으려면 offset {next}\n", rows.total_rows));
    }
    text
}

struct TableResources(Arc<Engine>);

impl Resources for TableResources {
    fn guarded_by(&self, _: &str) -> Option<&'static str> {
        Some("find_tables")
    }

    fn list(&self, _: &Principal, cursor: Option<&str>) -> Result<ResourcePage, Problem> {
        let input = ListFiles { cursor: cursor.map(str::to_owned), ..ListFiles::default() };
        let files = self.0.list_files(&input)?;
        let entries = files
            .files
            .into_iter()
            .map(|file| ResourceEntry {
                uri: uri_of(&file.path),
                name: file.path.clone(),
                title: None,
                description: Some(format!("{} 파일의 표", file.kind)),
                mime_type: Some("text/markdown"),
            })
            .collect();
        Ok(ResourcePage { entries, next_cursor: files.next_cursor })
    }

    fn templates(&self) -> Vec<ResourceTemplate> {
        vec![ResourceTemplate {
            uri: "table://{+id}",
            name: "table",
            title: "표",
            description: "파일의 표 목록(table://파일) 또는 표 하나(table://파일%23시트!범위)를 Markdown으로 줍니다",
            mime_type: "text/markdown",
        }]
    }

    fn read(&self, _: &Principal, uri: &str) -> Result<Option<ResourceText>, Problem> {
        let Some(id) = crate::source::id_of_uri(uri) else { return Ok(None) };
        let text = if id.contains('#') {
            let input = ReadTable { id, format: RowFormat::Markdown, ..ReadTable::default() };
            rows_text(&self.0.read_table(input, &|| false)?)
        } else {
            let input = FindTables { path: id, ..FindTables::default() };
            tables_text(&self.0.find_tables(input, &|| false)?)
        };
        Ok(Some(ResourceText { text, mime_type: "text/markdown" }))
    }

    fn complete(&self, _: &Principal, _: &str, _: &str, value: &str, _: &BTreeMap<String, String>) -> Vec<String> {
        let Ok(files) = self.0.list_files(&ListFiles::default()) else { return Vec::new() };
        files.files.into_iter().map(|file| file.path).filter(|path| path.contains(value)).take(100).collect()
    }
}

fn summary_prompt() -> Prompt {
    Prompt::new(
        "summarise_table",
        "표 요약",
        "파일의 표를 찾아 핵심 수치와 합계 검산을 출처와 함께 정리합니다",
        [PromptArgument::required("path", "파일 경로"), PromptArgument::optional("question", "알고 싶은 것")],
        |arguments: &BTreeMap<String, String>| {
            let path = arguments.get("path").map_or("", String::as_str);
            let question = arguments.get("question").map_or("주요 수치와 눈에 띄는 변화", String::as_str);
            Ok(format!(
                "`{path}` 파일에서 find_tables로 표를 찾고 read_table로 필요한 표를 읽어 다음을 정리해 주십시오: {question}\n\
                 - 단위를 반드시 적고, 합계 행이 있으면 항목의 합과 맞는지 확인해 주십시오.\n\
                 - 수치마다 citation과 셀 범위를 붙여 주십시오.\n\
                 - notes에 적힌 주의(숨긴 시트, 글자 없는 쪽)를 함께 알려 주십시오."
            ))
        },
    )
}
