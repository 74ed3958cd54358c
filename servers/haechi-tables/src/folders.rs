//! The jail: which files may be read, and by what name callers know them.
//!
//! A path is canonical before it is compared with the folders, so neither `..` nor a link leads
//! out, and what is not a regular file is refused before it is opened.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::error::Error;
use crate::sheet::Kind;

/// Files listed at most; a folder with more is listed by pattern.
pub const FILES_MAX: usize = 10_000;
const DEPTH_MAX: usize = 12;

/// Folders that were allowed, in the order of the settings.
#[derive(Debug, Clone)]
pub struct Folders {
    roots: Vec<Root>,
}

#[derive(Debug, Clone)]
struct Root {
    path: PathBuf,
    /// What the folder is called where several are configured.
    name: String,
}

/// A file inside the folders.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    pub path: PathBuf,
    /// As callers write it: relative to its folder, with the folder's name where there are several.
    pub shown: String,
}

/// A file of a listing.
#[derive(Debug, Clone)]
pub struct Listed {
    pub shown: String,
    pub path: PathBuf,
    pub kind: Kind,
    pub bytes: u64,
    pub modified: Option<SystemTime>,
}

impl Folders {
    /// Takes the folders that exist; the error names the first that does not.
    pub fn new(paths: &[PathBuf]) -> Result<Self, PathBuf> {
        let mut roots: Vec<Root> = Vec::new();
        for path in paths {
            let canonical = path.canonicalize().map_err(|_| path.clone())?;
            if !canonical.is_dir() {
                return Err(path.clone());
            }
            if roots.iter().any(|root| root.path == canonical) {
                continue;
            }
            let base =
                canonical.file_name().map_or_else(|| "folder".to_owned(), |name| name.to_string_lossy().into_owned());
            let mut name = base.clone();
            let mut number = 2;
            while roots.iter().any(|root| root.name == name) {
                name = format!("{base}-{number}");
                number += 1;
            }
            roots.push(Root { path: canonical, name });
        }
        Ok(Self { roots })
    }

    pub fn is_empty(&self) -> bool {
        self.roots.is_empty()
    }

    pub fn names(&self) -> Vec<String> {
        self.roots.iter().map(|root| root.name.clone()).collect()
    }

    /// The folders themselves, for a process that shall read the same files.
    pub fn paths(&self) -> Vec<PathBuf> {
        self.roots.iter().map(|root| root.path.clone()).collect()
    }

    fn shown(&self, root: &Root, path: &Path) -> Option<String> {
        let relative = path.strip_prefix(&root.path).ok()?;
        let relative = relative.to_string_lossy().replace('\\', "/");
        Some(if self.roots.len() == 1 { relative } else { format!("{}/{relative}", root.name) })
    }

    /// Finds the file that a caller means.
    pub fn resolve(&self, written: &str) -> Result<Found, Error> {
        let written = written.trim();
        if written.is_empty() || written.contains('\0') || 4_096 < written.len() {
            return Err(Error::Input { message: "파일 경로를 적어 주십시오".to_owned(), hint: None });
        }
        let given = Path::new(written);
        let mut candidates: Vec<PathBuf> = Vec::new();
        if given.is_absolute() {
            candidates.push(given.to_path_buf());
        } else {
            for root in &self.roots {
                candidates.push(root.path.join(given));
                if let Ok(rest) = given.strip_prefix(&root.name) {
                    candidates.push(root.path.join(rest));
                }
            }
        }
        let mut outside = false;
        let mut found: Vec<Found> = Vec::new();
        for candidate in candidates {
            // A name in composed and decomposed Hangul is the same name to a person.
            let Some(canonical) = canonical(&candidate) else {
                outside |= candidate.components().any(|part| part == std::path::Component::ParentDir);
                continue;
            };
            let root = self
                .roots
                .iter()
                .filter(|root| canonical.starts_with(&root.path))
                .max_by_key(|root| root.path.as_os_str().len());
            let Some(root) = root else {
                outside = true;
                continue;
            };
            if !canonical.is_file() {
                return Err(Error::NotAFile { path: written.to_owned() });
            }
            if let Some(shown) = self.shown(root, &canonical)
                && !found.iter().any(|other| other.path == canonical)
            {
                found.push(Found { path: canonical, shown });
            }
        }
        match found.len() {
            1 => found.pop().ok_or(Error::Internal),
            0 if outside => Err(Error::OutsideFolder),
            0 => Err(Error::NoFile { path: written.to_owned() }),
            _ => Err(Error::Ambiguous {
                path: written.to_owned(),
                folders: found.into_iter().map(|found| found.shown).collect(),
            }),
        }
    }

    /// Files of known kinds, by path.
    pub fn list(&self, folder: Option<&str>, pattern: Option<&str>) -> Result<(Vec<Listed>, bool), Error> {
        let mut files = Vec::new();
        let wanted = folder
            .map(|folder| folder.trim().trim_matches('/').to_owned())
            .filter(|folder| !folder.is_empty() && folder != ".");
        for root in &self.roots {
            let start = match &wanted {
                None => root.path.clone(),
                Some(name) if *name == root.name && 1 < self.roots.len() => root.path.clone(),
                Some(name) => {
                    let name = if 1 < self.roots.len() {
                        name.strip_prefix(&format!("{}/", root.name)).unwrap_or(name)
                    } else {
                        name
                    };
                    match canonical(&root.path.join(name)) {
                        Some(path) if path.starts_with(&root.path) && path.is_dir() => path,
                        Some(path) if !path.starts_with(&root.path) => return Err(Error::OutsideFolder),
                        _ => continue,
                    }
                }
            };
            self.walk(root, &start, 0, &mut files);
        }
        if let Some(name) = &wanted
            && files.is_empty()
            && !self.roots.iter().any(|root| root.name == *name || root.path.join(name).is_dir())
        {
            return Err(Error::NoFile { path: name.clone() });
        }
        if let Some(pattern) = pattern.map(str::trim).filter(|pattern| !pattern.is_empty()) {
            files.retain(|file| {
                let name = file.shown.rsplit('/').next().unwrap_or(&file.shown);
                matches(pattern, &file.shown) || matches(pattern, name)
            });
        }
        files.sort_by(|a, b| a.shown.cmp(&b.shown));
        let truncated = FILES_MAX <= files.len();
        Ok((files, truncated))
    }

    fn walk(&self, root: &Root, folder: &Path, depth: usize, files: &mut Vec<Listed>) {
        let Ok(entries) = std::fs::read_dir(folder) else { return };
        for entry in entries.filter_map(Result::ok) {
            if FILES_MAX <= files.len() {
                return;
            }
            let name = entry.file_name().to_string_lossy().into_owned();
            if name.starts_with('.') || name.starts_with("~$") {
                continue;
            }
            // A link is followed only if it stays inside; a folder that is a link is not walked,
            // so that a loop of links ends.
            let path = entry.path();
            let Ok(kind) = entry.file_type() else { continue };
            if kind.is_dir() {
                if depth < DEPTH_MAX {
                    self.walk(root, &path, depth + 1, files);
                }
                continue;
            }
            if kind.is_symlink() && !path.canonicalize().is_ok_and(|target| target.starts_with(&root.path)) {
                continue;
            }
            let Some(kind) = Kind::of_name(&name) else { continue };
            let Ok(metadata) = std::fs::metadata(&path) else { continue };
            if !metadata.is_file() {
                continue;
            }
            if let Some(shown) = self.shown(root, &path) {
                files.push(Listed { shown, path, kind, bytes: metadata.len(), modified: metadata.modified().ok() });
            }
        }
    }
}

/// The canonical path, also where the file system holds the name in the other form of Hangul.
fn canonical(path: &Path) -> Option<PathBuf> {
    if let Ok(found) = path.canonicalize() {
        return Some(found);
    }
    let name = path.file_name()?.to_string_lossy().into_owned();
    let wanted = haechi_korean::text::nfc(&name);
    let folder = path.parent()?.canonicalize().ok()?;
    let entries = std::fs::read_dir(&folder).ok()?;
    entries
        .filter_map(Result::ok)
        .find(|entry| haechi_korean::text::nfc(&entry.file_name().to_string_lossy()) == wanted)
        .and_then(|entry| entry.path().canonicalize().ok())
}

/// `*` stands for anything, `?` for one character; letters match in either case.
fn matches(pattern: &str, text: &str) -> bool {
    let pattern: Vec<char> = pattern.to_lowercase().chars().collect();
    let text: Vec<char> = text.to_lowercase().chars().collect();
    let (mut p, mut t) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while t < text.len() {
        match pattern.get(p) {
            Some('*') => {
                star = Some((p, t));
                p += 1;
            }
            Some(wanted) if *wanted == '?' || Some(wanted) == text.get(t) => {
                p += 1;
                t += 1;
            }
            _ => match star {
                Some((at, from)) => {
                    p = at + 1;
                    t = from + 1;
                    star = Some((at, from + 1));
                }
                None => return false,
            },
        }
    }
    pattern.iter().skip(p).all(|rest| *rest == '*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_whole_names() {
        for (pattern, text, expected) in [
            ("*.xlsx", "여신현황.xlsx", true),
            ("*.xlsx", "여신현황.xls", false),
            ("*여신*", "2026/여신현황.xlsx", true),
            ("2026/?분기*", "2026/3분기.pdf", true),
            ("*", "", true),
            ("", "a", false),
            ("*a*b*c", "xxaxxbxxc", true),
            ("*a*b*c", "xxaxxbxx", false),
            ("*.PDF", "a.pdf", true),
        ] {
            assert_eq!(matches(pattern, text), expected, "{pattern} {text}");
        }
    }
}
