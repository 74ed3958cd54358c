//! The streamable HTTP transport: stateless, JSON answers, loopback only.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use haechi_contract::{Code, Problem};
use rmcp::transport::streamable_http_server::session::never::NeverSessionManager;
use rmcp::transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService};
use serde::Deserialize;
use tokio_util::sync::CancellationToken;

use crate::Limits;
use crate::handler::Handler;

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

/// Serves at `http://ADDRESS/mcp` until a signal asks to stop.
///
/// # Errors
///
/// An address that is not loopback, or cannot be bound.
pub(crate) async fn serve(
    handler: Handler,
    address: SocketAddr,
    settings: &HttpSettings,
    limits: &Limits,
    stop: CancellationToken,
) -> Result<(), Problem> {
    if !address.ip().is_loopback() {
        return Err(Problem::new(
            Code::Denied,
            format!("{address}는 이 컴퓨터 밖에서 닿는 주소인데 접근 통제가 켜져 있지 않습니다"),
        )
        .with_hint("127.0.0.1 주소를 쓰십시오"));
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
    let mut hosts: Vec<String> = ["localhost", "127.0.0.1", "::1"].map(str::to_owned).to_vec();
    hosts.extend(settings.allowed_hosts.iter().cloned());
    // A page that this very server gave to a browser is no stranger; one from another port is.
    let mut origins: Vec<String> =
        ["localhost", "127.0.0.1", "[::1]"].map(|host| format!("http://{host}:{}", bound.port())).to_vec();
    origins.extend(settings.allowed_origins.iter().cloned());
    let config = StreamableHttpServerConfig::default()
        .with_cancellation_token(stop.child_token())
        .with_allowed_hosts(hosts)
        .with_allowed_origins(origins)
        .enforce_origin_validation()
        .with_legacy_session_mode(false)
        .with_json_response(true)
        .with_max_request_body_bytes(limits.request_bytes_max);
    let service =
        StreamableHttpService::new(move || Ok(handler.clone()), Arc::new(NeverSessionManager::default()), config);
    let router = Router::new()
        .nest_service("/mcp", service)
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(|| async { "ok\n" }));
    tracing::info!("listening on http://{bound}/mcp");
    let drained = stop.clone();
    let server = axum::serve(listener, router).with_graceful_shutdown(async move { drained.cancelled().await });
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
