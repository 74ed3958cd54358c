//! Offers workflows to any MCP host: one tool for each, its inputs as schema.
//!
//! A call runs this very program once more, so a workflow that fails takes nothing with it and a
//! cancelled call ends its run and its servers.

use std::path::PathBuf;
use std::process::Stdio;

use haechi_contract::{Code, Problem};
use rmcp::ServerHandler;
use rmcp::model::{
    CallToolRequestParams, CallToolResponse, CallToolResult, ContentBlock, ErrorData, Implementation, JsonObject,
    ListToolsResult, PaginatedRequestParams, ServerCapabilities, ServerConfig, Tool, ToolAnnotations,
};
use rmcp::service::{RequestContext, RoleServer};
use serde_json::{Value, json};

/// A longer report is cut in the answer; the whole lies in the file.
const REPORT_BYTES_MAX: usize = 256 * 1024;

/// A workflow that a host may run.
#[derive(Debug, Clone)]
pub(crate) struct Offer {
    /// The name of the tool.
    pub(crate) name: String,
    pub(crate) title: String,
    pub(crate) description: String,
    pub(crate) schema: JsonObject,
    pub(crate) file: PathBuf,
}

#[derive(Debug, Clone)]
struct Workflows {
    offers: Vec<Offer>,
    program: PathBuf,
    config: Option<PathBuf>,
}

/// Serves over stdio until the host goes.
///
/// # Errors
///
/// When the host does not speak the protocol.
pub(crate) async fn serve(offers: Vec<Offer>, config: Option<PathBuf>) -> Result<(), Problem> {
    let program = std::env::current_exe().map_err(|_| Problem::internal())?;
    let workflows = Workflows { offers, program, config };
    let begun = rmcp::service::serve_server(workflows, rmcp::transport::io::stdio_pipes()).await;
    match begun {
        Ok(running) => {
            let _ = running.waiting().await;
            Ok(())
        }
        // A host that only probes the program closes the pipe before it says anything.
        Err(rmcp::service::ServerInitializeError::ConnectionClosed(_)) => Ok(()),
        Err(_) => Err(Problem::new(Code::InvalidInput, "클라이언트가 MCP 연결 절차를 지키지 않았습니다")
            .with_hint("MCP 클라이언트로 연결하십시오. 사람이 직접 쓰려면 `haechi run`을 쓰십시오")),
    }
}

impl ServerHandler for Workflows {
    fn get_info(&self) -> ServerConfig {
        ServerConfig::new(ServerCapabilities::builder().enable_tools().build())
            .with_server_info(
                Implementation::new(crate::IDENTITY.name, crate::IDENTITY.version).with_title(crate::IDENTITY.title),
            )
            .with_instructions(
                "업무 흐름을 도구로 제공합니다. 도구를 부르면 보고서가 파일로 쓰이고 본문이 답에 담깁니다.",
            )
    }

    async fn list_tools(
        &self,
        _request: Option<PaginatedRequestParams>,
        _context: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        Ok(ListToolsResult::with_all_items(self.offers.iter().map(tool).collect()))
    }

    fn get_tool(&self, name: &str) -> Option<Tool> {
        self.offers.iter().find(|offer| offer.name == name).map(tool)
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let Some(offer) = self.offers.iter().find(|offer| offer.name == request.name) else {
            return Err(ErrorData::invalid_params("tool not found", None));
        };
        let arguments = Value::Object(request.arguments.unwrap_or_default());
        let schema = Value::Object(offer.schema.clone());
        if let Some(mismatch) = crate::shape::mismatches(&schema, &arguments, &[]).into_iter().next() {
            let problem = Problem { code: Code::InvalidInput, message: mismatch.message, hint: mismatch.hint };
            return Ok(refused(&problem).into());
        }
        let result = tokio::select! {
            result = self.run(offer, &arguments) => result,
            () = context.ct.cancelled() => Err(Problem::new(Code::Cancelled, "호출이 취소되어 실행을 멈췄습니다")),
        };
        Ok(result.unwrap_or_else(|problem| refused(&problem)).into())
    }
}

impl Workflows {
    async fn run(&self, offer: &Offer, arguments: &Value) -> Result<CallToolResult, Problem> {
        let mut command = tokio::process::Command::new(&self.program);
        if let Some(config) = &self.config {
            command.arg("--config").arg(config);
        }
        command.args(["run", "--json", "--quiet"]).arg(&offer.file);
        for (name, value) in arguments.as_object().into_iter().flatten() {
            command.arg("-i").arg(format!("{name}={}", crate::workflow::inputs::plain(value)));
        }
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        let output = command.output().await.map_err(|_| Problem::internal())?;
        let Ok(told) = serde_json::from_slice::<Value>(&output.stdout) else {
            // Wrong inputs end before a run begins; what was said is for the caller.
            let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
            return Err(Problem::new(
                Code::InvalidInput,
                if said.is_empty() { "실행하지 못했습니다".to_owned() } else { said },
            ));
        };
        let report = told["outputs"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .find(|path| path.ends_with(".md"))
            .and_then(|path| std::fs::read_to_string(path).ok())
            .map(|text| cut(&text));
        let text = report.unwrap_or_else(|| told.to_string());
        let mut result = CallToolResult::structured(told.clone());
        result.content = vec![ContentBlock::text(text)];
        // A report with a gap and a run that waits for a person are answers, not failures.
        let exit = told["exit"].as_u64().unwrap_or(1);
        let answered =
            [haechi_contract::exit::WHOLE, haechi_contract::exit::INCOMPLETE, haechi_contract::exit::WAITING];
        result.is_error = Some(!answered.iter().any(|code| u64::from(*code) == exit));
        Ok(result)
    }
}

fn tool(offer: &Offer) -> Tool {
    let mut tool = Tool::new(offer.name.clone(), offer.description.clone(), offer.schema.clone());
    tool.title = Some(offer.title.clone());
    // A run writes its record and its report into the workspace, and nothing else anywhere.
    tool.annotations =
        Some(ToolAnnotations::new().read_only(false).destructive(false).idempotent(false).open_world(false));
    tool
}

fn refused(problem: &Problem) -> CallToolResult {
    let mut result = CallToolResult::structured_error(json!(problem));
    result.content = vec![ContentBlock::text(problem.to_string())];
    result
}

fn cut(text: &str) -> String {
    if text.len() <= REPORT_BYTES_MAX {
        return text.to_owned();
    }
    let mut end = REPORT_BYTES_MAX;
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}\n\n(이후는 파일을 보십시오)", &text[..end])
}
