//! The server store against a real Qdrant server.
//!
//! The server is somebody's binary, so it runs without rights and in a network of its own that has
//! nothing but loopback: the test starts itself again inside such a network and the server there.
//! `tests/fetch-qdrant.sh` fetches it; without it, or without the right to make a network, these
//! tests say why they prove nothing.

use std::{
    fs,
    net::TcpStream,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use haechi_retrieval::store::{
    Store as _, StoreError,
    qdrant::{QdrantOptions, QdrantStore},
};
use haechi_testkit::Finished;
use tempfile::TempDir;

use crate::{
    manuals::{manuals, program},
    store::suite,
};

const INSIDE: &str = "HAECHI_TEST_INSIDE";
const VERSION: &str = "qdrant-1.16.3";
const KEY: &str = "key-for-tests";

fn skip(why: &str) {
    let mut stderr = std::io::stderr().lock();
    let _ = std::io::Write::write_all(&mut stderr, format!("skipped: {why}\n").as_bytes());
}

fn server_binary() -> Option<PathBuf> {
    let path = match std::env::var_os("HAECHI_QDRANT") {
        Some(path) => PathBuf::from(path),
        None => haechi_testkit::workspace().join("target/tools").join(VERSION),
    };
    if path.is_file() {
        return Some(path);
    }
    skip(&format!("no {} (run tests/fetch-qdrant.sh or set HAECHI_QDRANT)", path.display()));
    None
}

fn root() -> bool {
    Command::new("id").arg("-u").output().is_ok_and(|output| output.stdout.trim_ascii() == b"0")
}

/// Runs `body` in a network without anything but loopback.
fn isolated(test: &str, body: impl FnOnce(&Path)) {
    let Some(binary) = server_binary() else { return };
    if std::env::var_os(INSIDE).is_some() {
        let up = Command::new("ip").args(["link", "set", "lo", "up"]).status().unwrap();
        assert!(up.success());
        return body(&binary);
    }
    let unshare = || {
        let mut command = Command::new("unshare");
        command.arg("--net");
        if !root() {
            command.arg("--map-root-user");
        }
        command
    };
    if !unshare().arg("true").stderr(Stdio::null()).status().is_ok_and(|status| status.success()) {
        return skip("no right to make a network of its own");
    }
    let again = unshare()
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture"])
        .env(INSIDE, "1")
        .status()
        .unwrap();
    assert!(again.success());
}

/// A running server with its folder.
struct Qdrant {
    child: Child,
    _folder: TempDir,
}

impl Drop for Qdrant {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Qdrant {
    fn start(binary: &Path) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o777)).unwrap();
        let own = folder.path().join("qdrant");
        fs::copy(binary, &own).unwrap();
        let mut command = if root() {
            let mut command = Command::new("setpriv");
            command.args(["--reuid=65534", "--regid=65534", "--clear-groups", "--no-new-privs"]).arg(&own);
            command
        } else {
            Command::new(&own)
        };
        let child = command
            .current_dir(folder.path())
            .env_clear()
            .env("QDRANT__SERVICE__HOST", "127.0.0.1")
            .env("QDRANT__SERVICE__API_KEY", KEY)
            .env("QDRANT__STORAGE__STORAGE_PATH", folder.path().join("storage"))
            .env("QDRANT__STORAGE__SNAPSHOTS_PATH", folder.path().join("snapshots"))
            .env("QDRANT__TELEMETRY_DISABLED", "true")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let started = Instant::now();
        while TcpStream::connect(("127.0.0.1", 6334)).is_err() {
            assert!(started.elapsed() < Duration::from_secs(60), "the server does not listen");
            std::thread::yield_now();
        }
        Self { child, _folder: folder }
    }
}

fn options(folder: &Path, key: &str) -> QdrantOptions {
    let key_file = folder.join("key");
    fs::write(&key_file, format!("{key}\n")).unwrap();
    QdrantOptions { url: "http://127.0.0.1:6334".into(), key_file: Some(key_file), ..QdrantOptions::default() }
}

#[test]
fn the_server_store_keeps_its_promises() {
    isolated("qdrant::the_server_store_keeps_its_promises", |binary| {
        let folder = tempfile::tempdir().unwrap();
        let options = options(folder.path(), KEY);
        let unreachable = QdrantStore::new(QdrantOptions { timeout_ms: 500, ..options.clone() }).unwrap();
        let refused = unreachable.names();
        assert!(matches!(refused, Err(StoreError::Unreachable { .. })), "{refused:?}");
        let server = Qdrant::start(binary);
        suite(&QdrantStore::new(options.clone()).unwrap());
        let wrong = self::options(folder.path(), "wrong");
        assert!(matches!(QdrantStore::new(wrong).unwrap().names(), Err(StoreError::Denied)));
        drop(server);
    });
}

#[test]
fn the_commands_work_on_a_server() {
    isolated("qdrant::the_commands_work_on_a_server", |binary| {
        let _server = Qdrant::start(binary);
        let env = manuals();
        env.write("key", KEY);
        env.write("haechi.toml", "[retrieval]\nqdrant = { url = \"http://127.0.0.1:6334\", key_file = \"key\" }\n");
        let run = |arguments: &[&str]| Finished::of(&mut program(&env, arguments)).expect_code(0);
        let indexed = run(&["index", "manuals"]);
        assert!(indexed.stdout.contains("추가 2"), "{indexed}");
        let again = run(&["index", "manuals"]);
        assert!(again.stdout.contains("그대로 2"), "{again}");
        let found = run(&["search", "조기경보 등급"]);
        assert!(found.stdout.contains("여신심사 매뉴얼 › 4. 사후관리"), "{found}");
        std::fs::remove_file(env.work().join("manuals/민원.txt")).unwrap();
        let less = run(&["index", "manuals"]);
        assert!(less.stdout.contains("삭제 1"), "{less}");
        let status = run(&["status"]);
        assert!(
            status.stdout.contains("문서 1건") && status.stdout.contains("qdrant:http://127.0.0.1:6334"),
            "{status}"
        );
    });
}

#[test]
fn a_collection_moves_to_a_server_and_back() {
    isolated("qdrant::a_collection_moves_to_a_server_and_back", |binary| {
        let _server = Qdrant::start(binary);
        let env = manuals();
        env.write("key", KEY);
        let run = |arguments: &[&str]| Finished::of(&mut program(&env, arguments)).expect_code(0);
        let _ = run(&["index", "manuals"]);
        let own = run(&["--json", "search", "담보인정비율"]);
        env.write("haechi.toml", "[retrieval]\nqdrant = { url = \"http://127.0.0.1:6334\", key_file = \"key\" }\n");
        let pushed = run(&["push"]);
        assert!(pushed.stdout.contains("qdrant:http://127.0.0.1:6334로"), "{pushed}");
        assert_eq!(run(&["--json", "search", "담보인정비율"]).stdout, own.stdout, "both stores answer the same");
        // Whoever goes on with the moved collection finds nothing to do.
        let again = run(&["index", "manuals"]);
        assert!(again.stdout.contains("그대로 2"), "{again}");
        std::fs::remove_dir_all(env.work().join(".haechi/retrieval")).unwrap();
        let _ = run(&["pull"]);
        std::fs::remove_file(env.work().join("haechi.toml")).unwrap();
        assert_eq!(run(&["--json", "search", "담보인정비율"]).stdout, own.stdout);
    });
}
