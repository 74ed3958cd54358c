//! The main job, run as a newcomer runs it, on a copy of the fixtures.

use std::path::{Path, PathBuf};

use haechi_testkit::TestEnv;

/// Copies `fixtures/` into the working folder, so that a run leaves nothing in the repository.
pub(crate) fn workspace_copy(env: &TestEnv) -> PathBuf {
    let target = env.work().join("fixtures");
    copy(&haechi_testkit::fixture(""), &target);
    target
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name();
        // What an earlier run left beside the fixtures is not part of them.
        if name == ".haechi" || name == "out" || name == "haechi-fixtures" {
            continue;
        }
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &to.join(name));
        } else {
            std::fs::copy(entry.path(), to.join(name)).unwrap();
        }
    }
}
