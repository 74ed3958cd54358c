//! The folder a run works in: where the settings are, where files may be read and written.
//!
//! Invariant: every path that leaves here lies inside the workspace, symbolic links followed, and
//! every file appears whole or not at all.

use std::io::Write;
use std::path::{Component, Path, PathBuf};

use haechi_contract::{Code, Problem};
use haechi_serving::settings::SettingsFile;

#[derive(Debug, Clone)]
pub(crate) struct Workspace {
    /// The folder, absolute and without symbolic links.
    folder: PathBuf,
    settings: SettingsFile,
    /// Where the command was given; a path typed by a person is tried here first.
    current: PathBuf,
}

impl Workspace {
    /// Finds the settings upward from `start` (the folder of a workflow), then from the working
    /// directory; an explicit file wins.
    ///
    /// # Errors
    ///
    /// When the explicit file does not exist, the file is wrong, or the folder cannot be read.
    pub(crate) fn find(explicit: Option<&Path>, start: Option<&Path>) -> Result<Self, Problem> {
        let current =
            std::env::current_dir().map_err(|_| Problem::new(Code::Unreadable, "지금 있는 폴더를 읽을 수 없습니다"))?;
        let from: Vec<PathBuf> =
            start.map(|start| current.join(start)).into_iter().chain(std::iter::once(current.clone())).collect();
        // Links are followed first, so that "upward" means what a person sees.
        let from: Vec<PathBuf> =
            from.iter().map(|folder| folder.canonicalize().unwrap_or_else(|_| folder.clone())).collect();
        let settings = SettingsFile::find(explicit, &from)?;
        let folder = settings
            .path()
            .and_then(Path::parent)
            // The user's own settings lie in no workspace: the work happens where the command is given.
            .filter(|folder| explicit.is_some() || from.iter().any(|start| start.starts_with(folder)))
            .unwrap_or(&current);
        let folder = folder.canonicalize().map_err(|error| unreadable(folder, &error))?;
        Ok(Self { folder, settings, current })
    }

    /// The workspace that a run's folder lies in: `WORKSPACE/.haechi/runs/ID`.
    ///
    /// # Errors
    ///
    /// When the folder cannot be read or its settings are wrong.
    pub(crate) fn of_run(run: &Path, explicit: Option<&Path>) -> Result<Self, Problem> {
        let current =
            std::env::current_dir().map_err(|_| Problem::new(Code::Unreadable, "지금 있는 폴더를 읽을 수 없습니다"))?;
        let run = run.canonicalize().map_err(|error| unreadable(run, &error))?;
        let folder = run.ancestors().nth(3).unwrap_or(&run).to_owned();
        let settings = SettingsFile::find(explicit, std::slice::from_ref(&folder))?;
        Ok(Self { folder, settings, current })
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// The path of the settings file, where there is one.
    pub(crate) fn settings(&self) -> Option<&Path> {
        self.settings.path()
    }

    pub(crate) fn settings_file(&self) -> &SettingsFile {
        &self.settings
    }

    pub(crate) fn runs(&self) -> PathBuf {
        self.folder.join(".haechi").join("runs")
    }

    /// A path of this workspace as a person reads it from where they are.
    pub(crate) fn shown(&self, path: &Path) -> String {
        let current = self.current.canonicalize().unwrap_or_else(|_| self.current.clone());
        path.strip_prefix(&current).unwrap_or(path).display().to_string()
    }

    /// An existing file, given relative to the workspace or to the working directory, as the path
    /// relative to the workspace that servers are given.
    ///
    /// # Errors
    ///
    /// A Korean sentence: no such file, or outside the workspace.
    pub(crate) fn input_file(&self, written: &str) -> Result<String, String> {
        let candidates = [self.folder.join(written), self.current.join(written)];
        let Some(found) = candidates.iter().filter_map(|path| path.canonicalize().ok()).find(|path| path.is_file())
        else {
            return Err(format!("{written} 파일이 없습니다 (작업 폴더 {} 기준)", self.folder.display()));
        };
        found
            .strip_prefix(&self.folder)
            .map(|relative| relative.to_string_lossy().replace('\\', "/"))
            .map_err(|_| format!("{written}은(는) 작업 폴더 {} 밖에 있습니다", self.folder.display()))
    }

    /// Where an output goes: inside the workspace, whatever links or `..` say.
    ///
    /// # Errors
    ///
    /// When the path is absolute, climbs out, or a folder on the way is a link to the outside.
    pub(crate) fn output_path(&self, written: &str) -> Result<PathBuf, Problem> {
        let outside = || {
            Problem::new(Code::OutsideFolder, format!("출력 경로 {written}이(가) 작업 폴더를 벗어납니다"))
                .with_hint("`to`에는 작업 폴더 안의 상대 경로를 적으십시오")
        };
        let relative = Path::new(written);
        let plain = relative.components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir));
        if !plain || relative.file_name().is_none() {
            return Err(outside());
        }
        // Records and settings are not outputs, and a name that hides or breaks a line is a mistake
        // of an input that the path was made from.
        let parts: Vec<_> = relative.components().map(|part| part.as_os_str().to_string_lossy()).collect();
        let strange = |part: &str| part.starts_with('.') && part != "." || part.chars().any(char::is_control);
        if parts.iter().any(|part| strange(part)) || parts.last().is_some_and(|name| name == "haechi.toml") {
            return Err(Problem::new(Code::OutsideFolder, format!("출력 경로 {}에는 쓸 수 없습니다", written.escape_debug()))
                .with_hint("점으로 시작하는 이름, 줄바꿈이 든 이름, haechi.toml은 쓸 수 없습니다. `to`와 그 안의 입력값을 확인하십시오"));
        }
        let target = self.folder.join(relative);
        // The deepest folder that exists decides: what is below it will be made by us.
        let mut existing = target.parent();
        while let Some(folder) = existing {
            if let Ok(real) = folder.canonicalize() {
                if !real.starts_with(&self.folder) {
                    return Err(outside());
                }
                break;
            }
            existing = folder.parent();
        }
        Ok(target)
    }
}

fn unreadable(path: &Path, error: &std::io::Error) -> Problem {
    Problem::new(Code::Unreadable, format!("{}을(를) 읽을 수 없습니다: {}", path.display(), reason(error)))
}

/// Why a file operation failed, in Korean.
pub(crate) fn reason(error: &std::io::Error) -> &'static str {
    match error.kind() {
        std::io::ErrorKind::NotFound => "파일이나 폴더가 없습니다",
        std::io::ErrorKind::PermissionDenied => "권한이 없습니다",
        std::io::ErrorKind::ReadOnlyFilesystem => "읽기 전용 디스크입니다",
        std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => "디스크가 가득 찼습니다",
        std::io::ErrorKind::NotADirectory => "폴더가 아니라 파일이 있습니다",
        std::io::ErrorKind::IsADirectory => "파일이 아니라 폴더가 있습니다",
        std::io::ErrorKind::InvalidData => "UTF-8 글이 아닙니다",
        _ => "입출력 오류가 났습니다",
    }
}

/// A problem with writing, with what to do about it.
pub(crate) fn unwritable(path: &Path, error: &std::io::Error) -> Problem {
    let hint = match error.kind() {
        std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => "자리를 비우고 다시 실행하십시오",
        _ => "폴더의 쓰기 권한을 살피거나 다른 곳에서 실행하십시오",
    };
    Problem::new(Code::Unavailable, format!("{}에 쓸 수 없습니다: {}", path.display(), reason(error))).with_hint(hint)
}

/// Writes a whole file: to a temporary one beside it, to the disk, then into place.
///
/// # Errors
///
/// When the folder or the file cannot be written; nothing is left behind then.
pub(crate) fn write_whole(path: &Path, bytes: &[u8]) -> Result<(), Problem> {
    let folder = path.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder).map_err(|error| unwritable(folder, &error))?;
    let write = || -> std::io::Result<()> {
        let mut file = tempfile::NamedTempFile::new_in(folder)?;
        file.write_all(bytes)?;
        file.as_file().sync_all()?;
        // A temporary file is private; a report is for whoever may read the folder.
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            file.as_file().set_permissions(std::fs::Permissions::from_mode(0o644))?;
        }
        file.persist(path).map_err(|error| error.error)?;
        Ok(())
    };
    write().map_err(|error| unwritable(path, &error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outputs_stay_inside() {
        let outer = tempfile::tempdir().unwrap();
        let folder = outer.path().join("work");
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("haechi.toml"), "").unwrap();
        let workspace = Workspace::find(Some(&folder.join("haechi.toml")), None).unwrap();
        assert!(workspace.output_path("out/보고서.md").is_ok());
        for wrong in ["../x.md", "/tmp/x.md", "out/../../x.md", "", "out/.."] {
            assert_eq!(workspace.output_path(wrong).unwrap_err().code, Code::OutsideFolder, "{wrong}");
        }
        #[cfg(unix)]
        {
            std::os::unix::fs::symlink(outer.path(), folder.join("link")).unwrap();
            assert_eq!(workspace.output_path("link/x.md").unwrap_err().code, Code::OutsideFolder);
        }
    }

    #[test]
    fn input_files_are_relative_to_the_workspace() {
        let outer = tempfile::tempdir().unwrap();
        let folder = outer.path().join("work");
        std::fs::create_dir_all(folder.join("data")).unwrap();
        std::fs::write(folder.join("haechi.toml"), "").unwrap();
        std::fs::write(folder.join("data/a.xlsx"), "x").unwrap();
        std::fs::write(outer.path().join("secret.xlsx"), "x").unwrap();
        let workspace = Workspace::find(Some(&folder.join("haechi.toml")), None).unwrap();
        assert_eq!(workspace.input_file("data/a.xlsx"), Ok("data/a.xlsx".into()));
        assert_eq!(workspace.input_file("./data/../data/a.xlsx"), Ok("data/a.xlsx".into()));
        assert!(workspace.input_file("../secret.xlsx").unwrap_err().contains("밖에"));
        for hidden in [".haechi/runs/x/manifest.json", "out/.md", "haechi.toml", "out/a\nb.md"] {
            assert_eq!(workspace.output_path(hidden).unwrap_err().code, Code::OutsideFolder, "{hidden:?}");
        }
        assert!(workspace.output_path("out/보고서.html").is_ok());
        assert!(workspace.input_file("data/b.xlsx").unwrap_err().contains("없습니다"));
    }

    #[test]
    fn an_unwritable_place_says_what_to_do() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        std::fs::write(&file, "x").unwrap();
        let problem = write_whole(&file.join("below.md"), b"x").unwrap_err();
        assert!(problem.message.contains("쓸 수 없습니다"), "{problem}");
        assert!(problem.hint.is_some());
    }
}
