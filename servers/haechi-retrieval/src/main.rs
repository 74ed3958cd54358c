//! Entry point of the retrieval server; see `lib.rs` for what it answers.

fn main() -> std::process::ExitCode {
    haechi_serving::exit(haechi_retrieval::run())
}
