//! Which servers there are and how each is reached; nothing here speaks to one.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use haechi_contract::{Code, Problem};
use serde::{Deserialize, Serialize};

use crate::nearest::nearest;
use crate::workflow::{OWN_SERVERS, Server};
use crate::workspace::Workspace;

/// Variables of our environment that a server inherits, beside everything named `HAECHI_…`.
const INHERITED: [&str; 6] = ["PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "USER"];

/// `[servers.NAME]` of the settings file.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct ServerSettings {
    pub command: Option<String>,
    pub args: Vec<String>,
    pub url: Option<String>,
}

/// How a server is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Reach {
    Process { program: PathBuf, arguments: Vec<String> },
    Url(String),
}

/// A server that can be started or called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Spec {
    pub name: String,
    pub reach: Reach,
    /// One of ours: it speaks the current protocol and reads the common settings file.
    pub own: bool,
    pub environment: Vec<(String, String)>,
    pub folder: PathBuf,
}

impl Spec {
    /// How the server is reached, for records and people.
    pub(crate) fn shown(&self) -> String {
        match &self.reach {
            Reach::Process { program, .. } => {
                program.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned())
            }
            Reach::Url(url) => url.clone(),
        }
    }
}

/// What a server publishes about one tool.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct ToolInfo {
    pub name: String,
    pub title: Option<String>,
    pub description: Option<String>,
    pub input_schema: serde_json::Value,
    pub output_schema: Option<serde_json::Value>,
    pub read_only: bool,
    pub idempotent: bool,
}

/// Finds servers by name.
#[derive(Debug, Clone)]
pub(crate) struct Finder {
    workspace: Workspace,
    configured: BTreeMap<String, ServerSettings>,
    /// The folders beside our own executable.
    siblings: Vec<PathBuf>,
    search: Vec<PathBuf>,
}

impl Finder {
    /// Reads `[servers]` of the settings file of the workspace.
    ///
    /// # Errors
    ///
    /// A mistake in the settings file.
    pub(crate) fn new(workspace: &Workspace) -> Result<Self, Problem> {
        let configured = workspace.settings_file().section("servers", toml::Table::new())?;
        let siblings = std::env::current_exe()
            .ok()
            .and_then(|executable| executable.parent().map(Path::to_owned))
            .map(|folder| {
                // Test binaries of cargo sit in `deps/`, one below the programs.
                let above = folder.ends_with("deps").then(|| folder.parent().map(Path::to_owned)).flatten();
                std::iter::once(folder.clone()).chain(above).collect()
            })
            .unwrap_or_default();
        let search = haechi_serving::settings::variable("PATH")
            .map(|path| std::env::split_paths(&path).collect())
            .unwrap_or_default();
        Ok(Self { workspace: workspace.clone(), configured, siblings, search })
    }

    /// Every name that could be meant: ours and the configured ones.
    pub(crate) fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = OWN_SERVERS.iter().map(|&name| name.to_owned()).collect();
        names.extend(self.configured.keys().filter(|name| !OWN_SERVERS.contains(&name.as_str())).cloned());
        names
    }

    /// How the server `name` is reached; what the workflow says wins over the settings, the
    /// settings over our own neighbours, these over `PATH`.
    ///
    /// # Errors
    ///
    /// When nothing of that name can be found.
    pub(crate) fn find(&self, name: &str, declared: Option<&Server>) -> Result<Spec, Problem> {
        let settings = self.configured.get(name);
        let url =
            declared.and_then(|server| server.url.clone()).or_else(|| settings.and_then(|server| server.url.clone()));
        let command = match declared.filter(|server| server.command.is_some()) {
            Some(server) => server.command.clone().map(|command| (command, server.args.clone())),
            None => settings.and_then(|server| server.command.clone().map(|command| (command, server.args.clone()))),
        };
        let own_program = format!("haechi-{name}{}", std::env::consts::EXE_SUFFIX);
        let mut own = false;
        let reach = if let Some(url) = url {
            Reach::Url(url)
        } else if let Some((command, arguments)) = command {
            let program = self.program(&command).ok_or_else(|| {
                Problem::new(Code::NotFound, format!("서버 `{name}`의 실행 파일 {command}을(를) 찾을 수 없습니다"))
                    .with_hint("command에 적은 이름이나 경로를 살피십시오")
            })?;
            own = program.file_name().is_some_and(|file| file.to_string_lossy() == own_program.as_str());
            Reach::Process { program, arguments }
        } else if let Some(program) =
            self.siblings.iter().chain(&self.search).map(|folder| folder.join(&own_program)).find(|path| path.is_file())
        {
            own = true;
            let mut arguments = Vec::new();
            if let Some(settings) = self.workspace.settings() {
                arguments.extend(["--config".to_owned(), settings.to_string_lossy().into_owned()]);
            }
            Reach::Process { program, arguments }
        } else {
            return Err(self.unknown(name));
        };
        Ok(Spec {
            name: name.to_owned(),
            reach,
            own,
            environment: environment(name, declared),
            folder: self.workspace.folder().to_owned(),
        })
    }

    fn program(&self, command: &str) -> Option<PathBuf> {
        let path = Path::new(command);
        if path.components().count() > 1 {
            return Some(self.workspace.folder().join(path)).filter(|path| path.is_file());
        }
        self.siblings.iter().chain(&self.search).map(|folder| folder.join(path)).find(|path| path.is_file())
    }

    fn unknown(&self, name: &str) -> Problem {
        let names = self.names();
        let problem = Problem::new(Code::NotFound, format!("서버 `{name}`을(를) 찾을 수 없습니다"));
        if OWN_SERVERS.contains(&name) {
            return problem.with_hint(format!(
                "haechi-{name} 실행 파일을 haechi 옆이나 PATH에 두거나, haechi.toml의 [servers.{name}]에 command 또는 url을 적으십시오"
            ));
        }
        match nearest(name, names.iter().map(String::as_str)) {
            Some(near) => problem.with_hint(format!("비슷한 이름: `{near}`")),
            None => problem.with_hint(format!("haechi.toml의 [servers.{name}]에 command 또는 url을 적으십시오")),
        }
    }
}

fn environment(name: &str, declared: Option<&Server>) -> Vec<(String, String)> {
    let mut environment: Vec<(String, String)> = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .filter(|(name, _)| INHERITED.contains(&name.as_str()) || name.starts_with("HAECHI_"))
        // The file is passed by flag; the variable would be a second, possibly other, answer.
        .filter(|(name, _)| name != "HAECHI_CONFIG")
        .collect();
    if let Some(role) = declared.and_then(|server| server.role.clone()) {
        environment.push((format!("HAECHI_{}_ROLE", name.to_uppercase().replace('-', "_")), role));
    }
    environment
}
