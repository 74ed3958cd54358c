//! Real PostgreSQL and MariaDB, started by the tests on free ports and stopped at their end.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// A program on PATH or where Debian puts it.
fn program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
    folders.push("/usr/sbin".into());
    if let Ok(versions) = std::fs::read_dir("/usr/lib/postgresql") {
        folders.extend(versions.flatten().map(|version| version.path().join("bin")));
    }
    folders.into_iter().map(|folder| folder.join(name)).find(|path| path.is_file())
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

fn is_root() -> bool {
    Command::new("id").arg("-u").output().is_ok_and(|output| output.stdout.starts_with(b"0\n"))
}

/// A command that runs as an ordinary user, since both servers refuse root.
fn as_user(user: &str, program: &Path) -> Command {
    if is_root() {
        let mut command = Command::new("runuser");
        command.args(["-u", user, "--"]).arg(program);
        command
    } else {
        Command::new(program)
    }
}

fn owned_folder(user: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    if is_root() {
        let done = Command::new("chown").arg(user).arg(folder.path()).status().unwrap();
        assert!(done.success(), "chown to {user}");
    }
    folder
}

#[track_caller]
fn run(mut command: Command) -> String {
    let output = command.stdin(Stdio::null()).output().unwrap();
    assert!(output.status.success(), "{command:?}\n{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[track_caller]
fn feed(mut command: Command, text: &str) {
    use std::io::Write as _;
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{command:?}\n{}", String::from_utf8_lossy(&output.stderr));
}

pub(crate) struct PostgresServer {
    folder: tempfile::TempDir,
    port: u16,
}

impl PostgresServer {
    /// Starts a server; `None` with the reason printed where PostgreSQL is not installed.
    pub(crate) fn start() -> Option<Self> {
        let (Some(initdb), Some(_), Some(_)) = (program("initdb"), program("pg_ctl"), program("psql")) else {
            eprintln!("skipped: PostgreSQL is not installed (initdb, pg_ctl, psql)");
            return None;
        };
        let folder = owned_folder("postgres");
        let data = folder.path().join("data");
        let mut command = as_user("postgres", &initdb);
        command.arg("-D").arg(&data).args([
            "-U",
            "admin",
            "--auth=trust",
            "-E",
            "UTF8",
            "--locale=C.UTF-8",
            "--no-sync",
        ]);
        run(command);
        let server = Self { folder, port: free_port() };
        let options = format!(
            "-p {} -k {} -c listen_addresses=127.0.0.1 -c fsync=off -c shared_buffers=32MB",
            server.port,
            server.folder.path().display()
        );
        let mut command = server.control();
        command.args(["-w", "-s", "-o", &options, "-l"]).arg(server.folder.path().join("log")).arg("start");
        // The server keeps the pipes of whoever started it.
        let status = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status().unwrap();
        assert!(status.success(), "PostgreSQL did not start");
        Some(server)
    }

    fn control(&self) -> Command {
        let mut command = as_user("postgres", &program("pg_ctl").unwrap());
        command.arg("-D").arg(self.folder.path().join("data"));
        command
    }

    /// Runs SQL as the owner.
    pub(crate) fn sql(&self, database: &str, text: &str) {
        let mut command = Command::new(program("psql").unwrap());
        command.args([
            "-h",
            "127.0.0.1",
            "-p",
            &self.port.to_string(),
            "-U",
            "admin",
            "-d",
            database,
            "-v",
            "ON_ERROR_STOP=1",
            "-q",
        ]);
        feed(command, text);
    }

    /// One value, as the owner sees it.
    pub(crate) fn value(&self, database: &str, sql: &str) -> String {
        let mut command = Command::new(program("psql").unwrap());
        command.args([
            "-h",
            "127.0.0.1",
            "-p",
            &self.port.to_string(),
            "-U",
            "admin",
            "-d",
            database,
            "-At",
            "-c",
            sql,
        ]);
        run(command).trim().to_owned()
    }

    pub(crate) fn url(&self, user: &str, database: &str) -> String {
        format!("postgres://{user}@127.0.0.1:{}/{database}", self.port)
    }

    pub(crate) fn restart(&self) {
        let mut command = self.control();
        let status = command
            .args(["-w", "-s", "-m", "immediate", "-l"])
            .arg(self.folder.path().join("log"))
            .arg("restart")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .unwrap();
        assert!(status.success());
    }
}

impl Drop for PostgresServer {
    fn drop(&mut self) {
        let mut command = self.control();
        let _ = command.args(["-s", "-m", "immediate", "stop"]).stdout(Stdio::null()).stderr(Stdio::null()).status();
    }
}

pub(crate) struct MariaServer {
    folder: tempfile::TempDir,
    port: u16,
    child: Child,
}

impl MariaServer {
    /// Starts a server; `None` with the reason printed where MariaDB is not installed.
    pub(crate) fn start() -> Option<Self> {
        let (Some(install), Some(server), Some(admin), Some(_)) =
            (program("mariadb-install-db"), program("mariadbd"), program("mariadb-admin"), program("mariadb"))
        else {
            eprintln!("skipped: MariaDB is not installed (mariadb-install-db, mariadbd, mariadb-admin, mariadb)");
            return None;
        };
        let folder = owned_folder("mysql");
        let data = folder.path().join("data");
        let mut command = as_user("mysql", &install);
        command.arg("--no-defaults").arg(format!("--datadir={}", data.display())).args([
            "--auth-root-authentication-method=normal",
            "--skip-test-db",
            "--basedir=/usr",
        ]);
        run(command);
        let port = free_port();
        let socket = folder.path().join("socket");
        let mut command = as_user("mysql", &server);
        command
            .arg("--no-defaults")
            .arg(format!("--datadir={}", data.display()))
            .arg(format!("--socket={}", socket.display()))
            .arg(format!("--pid-file={}", folder.path().join("pid").display()))
            .args([
                format!("--port={port}"),
                "--bind-address=127.0.0.1".to_owned(),
                "--innodb-flush-log-at-trx-commit=0".to_owned(),
            ])
            .args(["--skip-name-resolve", "--innodb-buffer-pool-size=32M", "--character-set-server=utf8mb4"]);
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let started = Self { folder, port, child };
        let mut wait = Command::new(admin);
        wait.arg("--no-defaults").arg(format!("--socket={}", socket.display())).args([
            "-u",
            "root",
            "--wait=60",
            "--connect-timeout=60",
            "ping",
        ]);
        run(wait);
        Some(started)
    }

    fn client(&self, name: &str) -> Command {
        let mut command = Command::new(program(name).unwrap());
        command
            .arg("--no-defaults")
            .arg(format!("--socket={}", self.folder.path().join("socket").display()))
            .args(["-u", "root"]);
        command
    }

    /// Runs SQL as root.
    pub(crate) fn sql(&self, database: &str, text: &str) {
        let mut command = self.client("mariadb");
        command.args(["--default-character-set=utf8mb4", database]);
        feed(command, text);
    }

    /// One value, as root sees it.
    pub(crate) fn value(&self, database: &str, sql: &str) -> String {
        let mut command = self.client("mariadb");
        command.args(["-N", "-B", "-e", sql, database]);
        run(command).trim().to_owned()
    }

    pub(crate) fn url(&self, user: &str, database: &str) -> String {
        format!("mysql://{user}@127.0.0.1:{}/{database}", self.port)
    }
}

impl Drop for MariaServer {
    fn drop(&mut self) {
        let _ = self.client("mariadb-admin").arg("shutdown").stdout(Stdio::null()).stderr(Stdio::null()).status();
        let _ = self.child.wait();
    }
}
