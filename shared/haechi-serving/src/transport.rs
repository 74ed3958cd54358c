//! The stdio transport: protocol lines on standard input and output, nothing else.

use std::time::Duration;

use haechi_contract::{Code, Problem};
use rmcp::service::ServerInitializeError;
use tokio_util::sync::CancellationToken;

use crate::handler::Handler;

/// How long running calls may take to end after a signal.
pub(crate) const DRAIN: Duration = Duration::from_secs(5);
/// How long answers and audit lines may take to leave once nothing runs any more.
pub(crate) const FAREWELL: Duration = Duration::from_secs(1);

/// Serves until the client closes its end or a signal asks to stop.
///
/// # Errors
///
/// Where the pipes break in the middle of the handshake.
pub(crate) async fn serve_stdio(handler: Handler, stop: CancellationToken) -> Result<(), Problem> {
    // Non-blocking pipes: with the blocking handles a signal ends the process only at the next
    // line of input, and every message costs two thread hand-offs.
    let cut = CancellationToken::new();
    let begun = rmcp::service::serve_server_with_ct(handler.clone(), rmcp::transport::io::stdio_pipes(), cut.clone());
    let begun = tokio::select! {
        begun = begun => begun,
        () = stop.cancelled() => return Ok(()),
    };
    let running = match begun {
        Ok(running) => running,
        // A host that only probes the program closes the pipe before it says anything.
        Err(ServerInitializeError::ConnectionClosed(_) | ServerInitializeError::Cancelled) => return Ok(()),
        Err(error) => {
            tracing::warn!(kind = kind(&error), "the client did not complete the handshake");
            return Err(Problem::new(Code::InvalidInput, "클라이언트가 MCP 연결 절차를 지키지 않았습니다")
                .with_hint("MCP 클라이언트로 연결하십시오. 사람이 직접 쓰려면 --help로 하위 명령을 확인하십시오"));
        }
    };
    let ended = running.waiting();
    tokio::pin!(ended);
    tokio::select! {
        _ = &mut ended => {}
        () = stop.cancelled() => {
            handler.stop(DRAIN).await;
            cut.cancel();
            let _ = tokio::time::timeout(FAREWELL, ended).await;
        }
    }
    // A client that went away leaves calls behind whose audit lines are still to be written.
    handler.stop(FAREWELL).await;
    Ok(())
}

/// The kind of a handshake failure; the failure's own text would repeat the client's message.
fn kind(error: &ServerInitializeError) -> &'static str {
    match error {
        ServerInitializeError::ExpectedInitializeRequest(_) => "expected_initialize",
        ServerInitializeError::InitializeFailed(_) => "initialize_failed",
        ServerInitializeError::TransportError { .. } => "transport",
        _ => "other",
    }
}

/// A token that is cancelled by SIGTERM, SIGINT or SIGHUP.
pub(crate) fn stop_on_signals() -> std::io::Result<CancellationToken> {
    let stop = CancellationToken::new();
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        for kind in [SignalKind::terminate(), SignalKind::interrupt(), SignalKind::hangup()] {
            let mut arrivals = signal(kind)?;
            let stop = stop.clone();
            tokio::spawn(async move {
                arrivals.recv().await;
                stop.cancel();
            });
        }
    }
    #[cfg(not(unix))]
    {
        let stop = stop.clone();
        tokio::spawn(async move {
            let _ = tokio::signal::ctrl_c().await;
            stop.cancel();
        });
    }
    Ok(stop)
}
