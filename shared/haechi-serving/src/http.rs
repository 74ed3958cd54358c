//! The streamable HTTP transport: stateless, JSON answers, and closed to other computers unless callers
//! prove who they are and the line is encrypted.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use axum::serve::Listener;
use haechi_contract::{Code, Problem};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use rmcp::transport::streamable_http_server::session::never::NeverSessionManager;
use rmcp::transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService};
use serde::Deserialize;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tower_http::timeout::RequestBodyTimeoutLayer;

use crate::Limits;
use crate::access::Tokens;
use crate::handler::Handler;
use crate::metrics::Metrics;
use crate::tls::TlsListener;
use crate::transport::{DRAIN, FAREWELL};

/// How long a client may take to send the head of a request.
const HEAD: Duration = Duration::from_secs(10);
/// How long a client may take between two parts of a body.
const BODY: Duration = Duration::from_secs(10);

/// The section `[http]` of the settings.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct HttpSettings {
    /// Names by which clients may call this server besides the loopback ones.
    pub(crate) allowed_hosts: Vec<String>,
    /// Origins of browser pages that may call it, e.g. `http://localhost:*`; none by default.
    pub(crate) allowed_origins: Vec<String>,
    /// Connections that may be open at the same time; further ones wait.
    pub(crate) connections_max: usize,
}

impl Default for HttpSettings {
    fn default() -> Self {
        Self { allowed_hosts: Vec::new(), allowed_origins: Vec::new(), connections_max: 512 }
    }
}

/// What stands between a connection and the handler.
pub(crate) struct Door {
    pub(crate) settings: HttpSettings,
    pub(crate) limits: Limits,
    /// Who may enter; without it everybody on this computer.
    pub(crate) tokens: Option<Tokens>,
    pub(crate) tls: Option<rustls::ServerConfig>,
    pub(crate) metrics: Arc<Metrics>,
}

/// Serves at `http://ADDRESS/mcp` until a signal asks to stop.
///
/// # Errors
///
/// An address that is not loopback, or cannot be bound.
pub(crate) async fn serve(
    handler: Handler,
    address: SocketAddr,
    mut door: Door,
    stop: CancellationToken,
) -> Result<(), Problem> {
    if !address.ip().is_loopback() && (door.tokens.is_none() || door.tls.is_none()) {
        return Err(Problem::new(
            Code::Denied,
            format!("{address}는 이 컴퓨터 밖에서 닿는 주소인데 토큰과 TLS가 켜져 있지 않습니다"),
        )
        .with_hint("127.0.0.1 주소를 쓰거나 설정 access.tokens와 tls.certificate, tls.key를 적으십시오"));
    }
    let listener = tokio::net::TcpListener::bind(address).await.map_err(|error| {
        let why = match error.kind() {
            std::io::ErrorKind::AddrInUse => "다른 프로그램이 이미 쓰고 있습니다",
            std::io::ErrorKind::PermissionDenied => "권한이 없습니다",
            _ => "주소를 쓸 수 없습니다",
        };
        Problem::new(Code::Unavailable, format!("{address}에서 기다릴 수 없습니다: {why}"))
            .with_hint("다른 포트를 쓰거나 그 포트를 쓰는 프로그램을 끝내십시오 (포트 0이면 빈 포트를 고릅니다)")
    })?;
    let bound = listener.local_addr().unwrap_or(address);
    let tls = door.tls.take();
    let scheme = if tls.is_some() { "https" } else { "http" };
    let mut hosts: Vec<String> = ["localhost", "127.0.0.1", "::1"].map(str::to_owned).to_vec();
    hosts.extend(door.settings.allowed_hosts.iter().cloned());
    // A page that this very server gave to a browser is no stranger; one from another port is.
    let mut origins: Vec<String> =
        ["localhost", "127.0.0.1", "[::1]"].map(|host| format!("{scheme}://{host}:{}", bound.port())).to_vec();
    origins.extend(door.settings.allowed_origins.iter().cloned());
    // Cancelling this cuts running calls off, so it comes after they had their time to end.
    let cut = CancellationToken::new();
    let config = StreamableHttpServerConfig::default()
        .with_cancellation_token(cut.clone())
        .with_allowed_hosts(hosts.clone())
        .with_allowed_origins(origins)
        .enforce_origin_validation()
        .with_legacy_session_mode(false)
        .with_json_response(true)
        .with_max_request_body_bytes(door.limits.request_bytes_max);
    let answering = handler.clone();
    let service =
        StreamableHttpService::new(move || Ok(answering.clone()), Arc::new(NeverSessionManager::default()), config);
    let connections_max = door.settings.connections_max.max(1);
    let door = Arc::new(Entrance { door, hosts });
    let router = Router::new()
        .nest_service("/mcp", service)
        .route("/metrics", get(metrics).with_state(door.clone()))
        .layer(from_fn_with_state(door, enter))
        // A balancer asks these before it has any token; they tell nothing but that the process answers.
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(|| async { "ok\n" }))
        .layer(RequestBodyTimeoutLayer::new(BODY));
    tracing::info!("listening on {scheme}://{bound}/mcp");
    let free = Arc::new(Semaphore::new(connections_max));
    let connections = Connections { router, graceful: GracefulShutdown::new(), free };
    let connections = match tls {
        None => connections.take(listener, &stop).await,
        Some(config) => {
            let listener = TlsListener::new(listener, config).map_err(|_| Problem::internal())?;
            connections.take(listener, &stop).await
        }
    };
    handler.stop(DRAIN).await;
    cut.cancel();
    // A client that keeps its connection open must not keep a stopped server alive.
    let _ = tokio::time::timeout(FAREWELL, connections.graceful.shutdown()).await;
    Ok(())
}

/// Open connections, each with its own bounds.
struct Connections {
    router: Router,
    graceful: GracefulShutdown,
    free: Arc<Semaphore>,
}

impl Connections {
    /// Takes connections from `listener` until `stop`.
    async fn take<L: Listener>(self, mut listener: L, stop: &CancellationToken) -> Self {
        let mut server = hyper_util::server::conn::auto::Builder::new(TokioExecutor::new()).http1_only();
        server.http1().timer(TokioTimer::new()).header_read_timeout(HEAD);
        loop {
            let accepted = async {
                let place = self.free.clone().acquire_owned().await;
                (listener.accept().await.0, place)
            };
            let (stream, place) = tokio::select! {
                accepted = accepted => accepted,
                () = stop.cancelled() => return self,
            };
            let service = TowerToHyperService::new(self.router.clone());
            let connection = server.serve_connection(TokioIo::new(stream), service).into_owned();
            let connection = self.graceful.watch(connection);
            tokio::spawn(async move {
                let _place = place;
                // What goes wrong on one connection is the client's to notice.
                let _ = connection.await;
            });
        }
    }
}

/// What a request meets before the handler.
struct Entrance {
    door: Door,
    /// The names by which clients may call this server.
    hosts: Vec<String>,
}

impl Entrance {
    /// Whether a `Host` header names this server, whatever the port: a page that made its own name
    /// point to this computer gets nothing.
    fn knows(&self, host: &str) -> bool {
        let name = match host.strip_prefix('[') {
            Some(rest) => rest.split(']').next().unwrap_or_default(),
            None => host.split(':').next().unwrap_or_default(),
        };
        self.hosts.iter().any(|known| known.eq_ignore_ascii_case(name) || known.eq_ignore_ascii_case(host))
    }
}

/// Lets a request through with its principal, or refuses it.
async fn enter(State(entrance): State<Arc<Entrance>>, mut request: Request, next: Next) -> Response {
    let door = &entrance.door;
    let host = request.headers().get(header::HOST).and_then(|value| value.to_str().ok());
    if !host.is_some_and(|host| entrance.knows(host)) {
        return StatusCode::FORBIDDEN.into_response();
    }
    let Some(tokens) = &door.tokens else { return next.run(request).await };
    let given = request.headers().get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let Some(principal) = tokens.authenticate(given) else {
        door.metrics.denied();
        // RFC 6750: a request without a token is told only what kind of proof is wanted.
        let challenge = if given.is_some() {
            "Bearer realm=\"haechi\", error=\"invalid_token\""
        } else {
            "Bearer realm=\"haechi\""
        };
        return (StatusCode::UNAUTHORIZED, [(header::WWW_AUTHENTICATE, HeaderValue::from_static(challenge))])
            .into_response();
    };
    request.extensions_mut().insert(Arc::new(principal));
    next.run(request).await
}

async fn metrics(State(entrance): State<Arc<Entrance>>) -> Response {
    let kind = HeaderValue::from_static("application/openmetrics-text; version=1.0.0; charset=utf-8");
    ([(header::CONTENT_TYPE, kind)], entrance.door.metrics.text()).into_response()
}
