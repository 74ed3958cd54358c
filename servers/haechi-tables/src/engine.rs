//! The library behind workers: every document is read in a process of its own, kept for the next
//! question.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use haechi_contract::tables::{Files, FindTables, ListFiles, Pages, ReadPages, ReadTable, TableRows, Tables};

use crate::error::Error;
use crate::library::{Library, Loaded};
use crate::worker::{Answer, Ask, answer};

/// Longer than the reader's own limit, so that its clearer answer comes first.
const TIME_MAX: Duration = Duration::from_secs(14);
const IDLE_WORKERS_MAX: usize = 4;
/// A worker is replaced after so many answers, since documents leave memory fragmented.
const ANSWERS_PER_WORKER_MAX: u32 = 500;

/// Answers questions about the files of a library.
pub struct Engine {
    library: Library,
    workers: Option<Workers>,
}

struct Workers {
    program: PathBuf,
    folders: Vec<PathBuf>,
    idle: Mutex<Vec<Worker>>,
}

struct Worker {
    child: Child,
    input: ChildStdin,
    lines: Receiver<String>,
    answers: u32,
}

impl Drop for Worker {
    fn drop(&mut self) {
        // It may be in the middle of a document that never ends.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Engine {
    /// Reads documents in this process: for tests, and where no worker can be started.
    pub fn in_process(library: Library) -> Self {
        Self { library, workers: None }
    }

    /// Reads documents in processes of `program`, which must be this program.
    pub fn with_workers(library: Library, program: PathBuf) -> Self {
        let folders = library.folders().paths();
        Self { library, workers: Some(Workers { program, folders, idle: Mutex::new(Vec::new()) }) }
    }

    pub fn list_files(&self, input: &ListFiles) -> Result<Files, Error> {
        self.library.list_files(input)
    }

    pub fn find_tables(&self, input: FindTables, stop: &dyn Fn() -> bool) -> Result<Tables, Error> {
        let path = input.path.clone();
        match self.ask(Ask::Find(input), &path, stop)? {
            Answer::Find(tables) => Ok(*tables),
            _ => Err(Error::Internal),
        }
    }

    pub fn read_table(&self, input: ReadTable, stop: &dyn Fn() -> bool) -> Result<TableRows, Error> {
        let id = input.id.clone();
        match self.ask(Ask::Read(input), &id, stop)? {
            Answer::Read(rows) => Ok(*rows),
            _ => Err(Error::Internal),
        }
    }

    pub fn read_pages(&self, input: ReadPages, stop: &dyn Fn() -> bool) -> Result<Pages, Error> {
        let path = input.path.clone();
        match self.ask(Ask::Pages(input), &path, stop)? {
            Answer::Pages(pages) => Ok(*pages),
            _ => Err(Error::Internal),
        }
    }

    /// A whole table, as far as a limit of rows allows.
    pub fn load(&self, id: &str, limit: u64, stop: &dyn Fn() -> bool) -> Result<Loaded, Error> {
        match self.ask(Ask::Load { id: id.to_owned(), offset: 0, limit }, id, stop)? {
            Answer::Load(loaded) => Ok(*loaded),
            _ => Err(Error::Internal),
        }
    }

    fn ask(&self, ask: Ask, about: &str, stop: &dyn Fn() -> bool) -> Result<Answer, Error> {
        let answered = match &self.workers {
            None => answer(&self.library, &ask, stop),
            Some(workers) => workers.ask(&ask, about, stop)?,
        };
        match answered {
            Answer::Failed(error) => Err(error),
            other => Ok(other),
        }
    }
}

impl Workers {
    fn ask(&self, ask: &Ask, about: &str, stop: &dyn Fn() -> bool) -> Result<Answer, Error> {
        const LOOK_EVERY: Duration = Duration::from_millis(40);
        let path = about.split('#').next().unwrap_or(about).to_owned();
        let mut worker = self.take()?;
        let mut line = serde_json::to_string(ask).map_err(|_| Error::Internal)?;
        line.push('\n');
        if worker.input.write_all(line.as_bytes()).and_then(|()| worker.input.flush()).is_err() {
            // It died while it was idle; a fresh one gets the question.
            worker = self.spawn()?;
            worker.input.write_all(line.as_bytes()).and_then(|()| worker.input.flush()).map_err(|_| Error::Internal)?;
        }
        let deadline = Instant::now() + TIME_MAX;
        let answered = loop {
            match worker.lines.recv_timeout(LOOK_EVERY) {
                Ok(line) => break line,
                // The system ended it for its memory, or a fault of the reader did.
                Err(RecvTimeoutError::Disconnected) => {
                    tracing::warn!("a worker died over a document");
                    return Err(Error::TooLarge {
                        path, what: "읽는 데 메모리가 너무 많이 듭니다".to_owned()
                    });
                }
                Err(RecvTimeoutError::Timeout) if stop() => return Err(Error::Cancelled),
                Err(RecvTimeoutError::Timeout) if deadline <= Instant::now() => {
                    tracing::warn!("a worker was stopped after its time");
                    return Err(Error::TimedOut { path });
                }
                Err(RecvTimeoutError::Timeout) => {}
            }
        };
        let answered = serde_json::from_str(&answered).map_err(|_| Error::Internal)?;
        worker.answers += 1;
        if worker.answers < ANSWERS_PER_WORKER_MAX {
            let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
            if idle.len() < IDLE_WORKERS_MAX {
                idle.push(worker);
            }
        }
        Ok(answered)
    }

    fn take(&self) -> Result<Worker, Error> {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        idle.map_or_else(|| self.spawn(), Ok)
    }

    fn spawn(&self) -> Result<Worker, Error> {
        let mut command = Command::new(&self.program);
        command.arg("worker");
        for folder in &self.folders {
            command.arg("--folder").arg(folder);
        }
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().map_err(|error| {
                tracing::error!(kind = %error.kind(), "no worker");
                Error::Internal
            })?;
        let (Some(input), Some(output)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(Error::Internal);
        };
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines() {
                let Ok(line) = line else { return };
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        Ok(Worker { child, input, lines, answers: 0 })
    }
}

/// The engine of a program: with workers of its own executable where that is known.
pub fn of_program(library: Library) -> Arc<Engine> {
    let program = std::env::current_exe().ok().filter(|path| Path::is_file(path));
    Arc::new(match program {
        Some(program) => Engine::with_workers(library, program),
        None => Engine::in_process(library),
    })
}
