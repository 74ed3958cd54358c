//! Entry point of the program; see `lib.rs` for what it answers.

fn main() -> std::process::ExitCode {
    haechi_serving::exit(haechi_regulations::run())
}
