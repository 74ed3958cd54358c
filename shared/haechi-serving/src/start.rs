//! How a program starts, and how it ends: common flags, settings, exit code.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use clap::Args;
use haechi_contract::{Code, Problem, exit as codes};
use serde::de::DeserializeOwned;

use crate::access::{AccessSettings, Roles, Tokens};
use crate::audit::{Audit, AuditSettings};
use crate::handler::{Handler, Parts};
use crate::http::{Door, HttpSettings};
use crate::metrics::Metrics;
use crate::settings::{SettingsFile, state_folder, variable};
use crate::tls::TlsSettings;
use crate::{Identity, Limits, Principal, Service, http, logging, tls, transport};

/// Flags that every program has, on every subcommand.
#[derive(Debug, Clone, Default, Args)]
pub struct Common {
    /// 설정 파일 (기본: 작업 폴더에서 위로 찾은 haechi.toml)
    #[arg(long, global = true, value_name = "파일", env = "HAECHI_CONFIG")]
    pub config: Option<PathBuf>,

    /// 답을 JSON으로 출력
    #[arg(long, global = true)]
    pub json: bool,
}

/// Flags of `serve`.
#[derive(Debug, Clone, Default, Args)]
pub struct ServeArgs {
    /// 표준 입출력 대신 HTTP로 제공할 주소 (예: 127.0.0.1:7410)
    #[arg(long, value_name = "주소:포트")]
    pub http: Option<SocketAddr>,
}

/// Why a program ends without having done its job.
#[derive(Debug)]
pub struct Failure {
    /// What a person is told; `None` where everything was said already.
    pub problem: Option<Problem>,
    pub exit: u8,
}

impl Failure {
    /// An end with `exit` after the message was already given.
    pub fn silent(exit: u8) -> Self {
        Self { problem: None, exit }
    }

    /// A problem with another exit code than its own.
    pub fn with_exit(problem: Problem, exit: u8) -> Self {
        Self { problem: Some(problem), exit }
    }
}

impl From<Problem> for Failure {
    fn from(problem: Problem) -> Self {
        let exit = problem.code.exit();
        Self { problem: Some(problem), exit }
    }
}

/// The exit code of `result`, after telling a person what went wrong.
pub fn exit(result: Result<(), Failure>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::from(codes::WHOLE),
        Err(failure) => {
            use std::io::Write as _;
            let mut stderr = std::io::stderr();
            if let Some(problem) = failure.problem {
                // A reader that went away does not change how the program ended.
                let _ = writeln!(stderr, "오류: {} [{}]", problem.message, problem.code);
                if let Some(hint) = problem.hint {
                    let _ = writeln!(stderr, "도움말: {hint}");
                }
            }
            ExitCode::from(failure.exit)
        }
    }
}

/// Writes the answer of a command to standard output.
///
/// # Errors
///
/// Where standard output cannot be written; a reader that went away is no error.
pub fn answer(text: &str) -> Result<(), Failure> {
    use std::io::Write as _;
    let mut stdout = std::io::stdout().lock();
    let written = stdout
        .write_all(text.as_bytes())
        .and_then(|()| if text.ends_with('\n') { Ok(()) } else { stdout.write_all(b"\n") });
    match written.and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(Problem::new(Code::Unavailable, format!("표준 출력에 쓸 수 없습니다: {}", io_reason(&error))).into())
        }
        _ => Ok(()),
    }
}

/// Why the operating system refused, in words for people that hold no path and no data.
pub fn io_reason(error: &std::io::Error) -> &'static str {
    use std::io::ErrorKind;
    match error.kind() {
        ErrorKind::NotFound => "파일이나 폴더가 없습니다",
        ErrorKind::PermissionDenied => "권한이 없습니다",
        ErrorKind::ReadOnlyFilesystem => "읽기 전용 디스크입니다",
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => "디스크 공간이 모자랍니다",
        ErrorKind::AlreadyExists | ErrorKind::NotADirectory => "폴더가 있어야 할 자리에 파일이 있습니다",
        ErrorKind::IsADirectory => "파일이 있어야 할 자리에 폴더가 있습니다",
        ErrorKind::InvalidData => "UTF-8이 아니거나 내용이 깨졌습니다",
        ErrorKind::AddrInUse => "다른 프로그램이 이미 쓰고 있습니다",
        _ => "운영체제가 거절했습니다",
    }
}

/// A program that has its logging and its settings file.
pub struct Started {
    identity: Identity,
    file: SettingsFile,
}

/// Starts logging and finds the settings file, searching upward from the working directory.
///
/// # Errors
///
/// A settings file that is missing, unreadable or wrong.
pub fn start(identity: &Identity, common: &Common) -> Result<Started, Failure> {
    logging::start();
    let file = SettingsFile::find(common.config.as_deref(), &[PathBuf::from(".")])?;
    Ok(Started { identity: *identity, file })
}

impl Started {
    /// The settings file, which may be none.
    pub fn file(&self) -> &SettingsFile {
        &self.file
    }

    /// The folder that relative paths of the settings file refer to.
    pub fn base(&self) -> PathBuf {
        self.file.base()
    }

    /// `path` as it is meant in the settings file.
    pub fn resolve(&self, path: &Path) -> PathBuf {
        self.base().join(path)
    }

    /// The settings of `section`; see [`SettingsFile::section`].
    ///
    /// # Errors
    ///
    /// The first mistake, with its place.
    pub fn settings<T: DeserializeOwned>(&self, section: &str, flags: toml::Table) -> Result<T, Failure> {
        Ok(self.file.section(section, flags)?)
    }

    /// Serves until the client goes or a signal comes.
    ///
    /// # Errors
    ///
    /// Wrong common settings, an audit file that cannot be written though it must, an address that
    /// cannot be used.
    pub fn serve(&self, service: Service, arguments: &ServeArgs) -> Result<(), Failure> {
        let limits: Limits = self.file.section("limits", toml::Table::new())?;
        let http: HttpSettings = self.file.section("http", toml::Table::new())?;
        let access: AccessSettings = self.file.section("access", toml::Table::new())?;
        let roles: Roles = self.file.section("roles", toml::Table::new())?;
        let metrics = Arc::new(Metrics::new(&self.identity));
        let handler = Handler::new(Parts {
            service,
            limits: limits.clone(),
            principal: Arc::new(if arguments.http.is_some() { Principal::anonymous() } else { principal() }),
            roles,
            audit: self.audit()?,
            metrics: metrics.clone(),
            transport: if arguments.http.is_some() { "http" } else { "stdio" },
        });
        // A server over stdio needs neither, and may not be allowed to read the key.
        let door = match arguments.http {
            None => None,
            Some(_) => {
                let tokens = access.tokens.map(|path| Tokens::open(self.resolve(&path))).transpose()?;
                let tls: TlsSettings = self.file.section("tls", toml::Table::new())?;
                Some(Door { settings: http, limits, tokens, tls: tls::configure(&tls, &self.base())?, metrics })
            }
        };
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(|error| {
            tracing::error!(kind = %error.kind(), "no runtime");
            Problem::internal()
        })?;
        let served = runtime.block_on(async {
            let stop = transport::stop_on_signals().map_err(|error| {
                tracing::error!(kind = %error.kind(), "no signal handler");
                Problem::internal()
            })?;
            match arguments.http.zip(door) {
                Some((address, door)) => http::serve(handler, address, door, stop).await,
                None => transport::serve_stdio(handler, stop).await,
            }
        });
        // Work that does not look at its cancellation must not keep a stopped server alive.
        runtime.shutdown_background();
        Ok(served?)
    }

    fn audit(&self) -> Result<Audit, Failure> {
        let settings: AuditSettings = self.file.section("audit", toml::Table::new())?;
        let Identity { name, version, .. } = self.identity;
        if !settings.enabled {
            return Ok(Audit::off(name, version));
        }
        let path = match (&settings.file, self.file.path()) {
            (Some(file), _) => self.resolve(file),
            (None, Some(_)) => self.base().join(".haechi/audit").join(format!("{name}.jsonl")),
            (None, None) => match state_folder() {
                Some(folder) => folder.join("audit").join(format!("{name}.jsonl")),
                None => return Ok(Audit::off(name, version)),
            },
        };
        Ok(Audit::open(name, version, &path, &settings)?)
    }
}

/// Who is asking over stdio: the operating system's user, or whom the host says.
fn principal() -> Principal {
    let name = variable("HAECHI_PRINCIPAL").or_else(|| variable("USER")).unwrap_or_else(|| "local".to_owned());
    let roles = variable("HAECHI_ROLES").unwrap_or_default();
    let roles = roles.split(',').map(str::trim).filter(|role| !role.is_empty()).map(str::to_owned).collect();
    Principal { name, roles }
}
