//! Logs on standard error, without colour and without data.

use tracing_subscriber::EnvFilter;

/// What is logged where `HAECHI_LOG` says nothing: our own crates, and the warnings of others.
const DEFAULT: &str = "warn,haechi=info";
/// Crates that stay silent unless `HAECHI_LOG` names them: the protocol crate logs whole requests
/// and answers at its lower levels, and the database driver logs slow statements with the values in
/// them, and the vector engine warns of its every start.
const SILENT: [&str; 3] = ["rmcp", "sqlx", "qdrant_edge"];

/// Starts logging.
pub(crate) fn start() {
    let mut filter = std::env::var("HAECHI_LOG").ok().filter(|filter| !filter.is_empty()).unwrap_or(DEFAULT.to_owned());
    for name in SILENT {
        if !filter.contains(name) {
            filter = format!("{filter},{name}=off");
        }
    }
    let filter = EnvFilter::try_new(&filter).unwrap_or_else(|_| EnvFilter::new(DEFAULT));
    // A second start in one process (tests) keeps the first subscriber.
    let _ = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(false)
        .log_internal_errors(false)
        .try_init();
    // A panic's text often quotes the value that broke an assumption; its place says enough.
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        tracing::error!(%place, "a panic was caught");
    }));
}
