//! The tools over MCP. No logic: inputs go to the library, answers come back.

use std::collections::BTreeMap;
use std::sync::Arc;

use haechi_contract::Problem;
use haechi_contract::tables::{FindTables, ListFiles, ReadTable, RowFormat, TableRows, Tables};
use haechi_serving::{
    Call, CancellationToken, Identity, Principal, Prompt, PromptArgument, Reply, ResourceEntry, ResourcePage,
    ResourceTemplate, ResourceText, Resources, Service, Tool,
};
use serde_json::json;

use crate::library::Library;
use crate::source::uri_of;

pub const IDENTITY: Identity = Identity {
    name: "haechi-tables",
    title: "표 읽기",
    version: env!("CARGO_PKG_VERSION"),
    description: "통합 문서(xlsx, xls, xlsb, ods), CSV, PDF 안의 표를 찾아 열 이름·단위·값과 출처를 붙여 읽습니다",
    instructions: "list_files로 파일을 보고, find_tables로 표와 id를 찾은 뒤, read_table로 행을 읽습니다. \
        숫자는 정확한 값으로, 화면에 보이는 글자는 cells의 shown에 있습니다. 보고서에는 citation을 그대로 적어 주십시오.",
};

/// The tools over a library.
pub fn service(library: Arc<Library>) -> Service {
    Service::new(IDENTITY)
        .tool(list_files(library.clone()))
        .tool(find_tables(library.clone()))
        .tool(read_table(library.clone()))
        .resources(TableResources(library))
        .prompt(summary_prompt())
}

fn list_files(library: Arc<Library>) -> Tool {
    Tool::read_only(
        "list_files",
        "표 파일 목록",
        "읽을 수 있는 통합 문서, CSV, PDF 파일의 목록을 줍니다. pattern으로 이름을 거릅니다. 예: {\"pattern\": \"*여신*.xlsx\"}",
    )
    .audited(|input: &ListFiles| json!({ "folder": input.folder, "pattern": input.pattern }))
    .handler(move |call: Call, input: ListFiles| {
        let library = library.clone();
        async move {
            let files = call.blocking(move |_: &CancellationToken| library.list_files(&input)).await?;
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

fn find_tables(library: Arc<Library>) -> Tool {
    Tool::read_only(
        "find_tables",
        "표 찾기",
        "파일 하나에서 표를 모두 찾아 제목, 열 이름과 형식·단위, 범위, 미리보기와 read_table에 쓸 id를 줍니다. \
         숨긴 시트나 글자가 없는 쪽은 notes에 적습니다. 예: {\"path\": \"여신현황.xlsx\"}, {\"path\": \"보고서.pdf\", \"pages\": \"1-5\"}",
    )
    .audited(|input: &FindTables| json!({ "path": input.path, "sheets": input.sheets, "pages": input.pages }))
    .handler(move |call: Call, input: FindTables| {
        let library = library.clone();
        async move {
            let tables = call
                .blocking(move |cancel: &CancellationToken| library.find_tables(&input, &|| cancel.is_cancelled()))
                .await?;
            let text = tables_text(&tables);
            let returned = json!({ "tables": tables.tables.len() });
            Ok(Reply::new(tables).text(text).returned(returned))
        }
    })
}

fn read_table(library: Arc<Library>) -> Tool {
    Tool::read_only(
        "read_table",
        "표 읽기",
        "find_tables가 준 id의 표에서 행을 읽습니다. 기본(records)은 열 이름을 단 행과, 행마다 셀 범위와 화면에 보이는 글자를 줍니다. \
         큰 표는 next_offset으로 이어 읽습니다. 예: {\"id\": \"여신현황.xlsx#업종별!B4:F12\", \"limit\": 50}",
    )
    .audited(|input: &ReadTable| json!({ "id": input.id, "offset": input.offset, "limit": input.limit }))
    .handler(move |call: Call, input: ReadTable| {
        let library = library.clone();
        async move {
            let rows = call.blocking(move |_: &CancellationToken| library.read_table(&input)).await?;
            let text = rows_text(&rows);
            let returned = json!({ "rows": rows.cells.len(), "citation": rows.citation });
            Ok(Reply::new(rows).text(text).returned(returned))
        }
    })
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

struct TableResources(Arc<Library>);

impl Resources for TableResources {
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
            rows_text(&self.0.read_table(&input)?)
        } else {
            let input = FindTables { path: id, ..FindTables::default() };
            tables_text(&self.0.find_tables(&input, &|| false)?)
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
        [
            PromptArgument::required("path", "파일 경로"),
            PromptArgument::optional("question", "알고 싶은 것"),
        ],
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
