//! Logs on standard error, without colour and without data.

use tracing_subscriber::EnvFilter;

/// Starts logging. `default` is the level of our own crates unless `HAECHI_LOG` says otherwise.
///
/// The protocol crate logs whole requests and answers at its lower levels, so it stays at `warn`
/// unless it is named, which `docs/OPERATIONS.md` warns of.
pub(crate) fn start(default: &str) {
    let filter = std::env::var("HAECHI_LOG").unwrap_or_default();
    let filter = if filter.is_empty() { default.to_owned() } else { filter };
    let filter = if filter.contains("rmcp") { filter } else { format!("{filter},rmcp=off") };
    let filter = EnvFilter::try_new(&filter).unwrap_or_else(|_| EnvFilter::new("info,rmcp=off"));
    // A second start in one process (tests) keeps the first subscriber.
    let _ = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(false).try_init();
    // A panic's text often quotes the value that broke an assumption; its place says enough.
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        tracing::error!(%place, "a panic was caught");
    }));
}
