//! Entry point of the orchestrator; see `lib.rs` for what it does.
fn main() -> std::process::ExitCode {
    haechi_serving::exit(haechi::run())
}
