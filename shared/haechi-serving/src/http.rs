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
use futures::future::BoxFuture;
use haechi_contract::{Code, Problem};
use rmcp::transport::streamable_http_server::session::never::NeverSessionManager;
use rmcp::transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService};
use serde::Deserialize;
use tokio_util::sync::CancellationToken;

use crate::Limits;
use crate::access::Tokens;
use crate::handler::Handler;
use crate::metrics::Metrics;
use crate::tls::TlsListener;

/// How long running calls may take to end after a signal.
const DRAIN: Duration = Duration::from_secs(5);

/// The section `[http]` of the settings.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct HttpSettings {
    /// Names by which clients may call this server besides the loopback ones.
    pub(crate) allowed_hosts: Vec<String>,
    /// Origins of browser pages that may call it, e.g. `http://localhost:*`; none by default.
    pub(crate) allowed_origins: Vec<String>,
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
    let config = StreamableHttpServerConfig::default()
        .with_cancellation_token(stop.child_token())
        .with_allowed_hosts(hosts)
        .with_allowed_origins(origins)
        .enforce_origin_validation()
        .with_legacy_session_mode(false)
        .with_json_response(true)
        .with_max_request_body_bytes(door.limits.request_bytes_max);
    let service =
        StreamableHttpService::new(move || Ok(handler.clone()), Arc::new(NeverSessionManager::default()), config);
    let door = Arc::new(door);
    let router = Router::new()
        .nest_service("/mcp", service)
        .route("/metrics", get(metrics).with_state(door.clone()))
        .layer(from_fn_with_state(door, enter))
        // A balancer asks these before it has any token; they tell nothing but that the process answers.
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(|| async { "ok\n" }));
    tracing::info!("listening on {scheme}://{bound}/mcp");
    let drained = stop.clone();
    let drained = async move { drained.cancelled().await };
    let server: BoxFuture<'_, std::io::Result<()>> = match tls {
        None => Box::pin(axum::serve(listener, router).with_graceful_shutdown(drained).into_future()),
        Some(config) => {
            let listener = TlsListener::new(listener, config).map_err(|_| Problem::internal())?;
            Box::pin(axum::serve(listener, router).with_graceful_shutdown(drained).into_future())
        }
    };
    let late = async {
        stop.cancelled().await;
        tokio::time::sleep(DRAIN).await;
    };
    tokio::select! {
        ended = server => ended.map_err(|error| {
            tracing::error!(kind = %error.kind(), "the listener failed");
            Problem::new(Code::Unavailable, "HTTP 서버가 멈추었습니다")
        }),
        // A client that keeps its connection open must not keep a stopped server alive.
        () = late => Ok(()),
    }
}

/// Lets a request through with its principal, or refuses it.
async fn enter(State(door): State<Arc<Door>>, mut request: Request, next: Next) -> Response {
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

async fn metrics(State(door): State<Arc<Door>>) -> Response {
    let kind = HeaderValue::from_static("application/openmetrics-text; version=1.0.0; charset=utf-8");
    ([(header::CONTENT_TYPE, kind)], door.metrics.text()).into_response()
}
