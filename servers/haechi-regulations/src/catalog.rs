//! The catalogue of an index: which regulations it holds, under which names, from which files.
//!
//! It is one JSON file beside the engine's files. The engine's commit names the file, so both
//! change at once; it holds no text of articles.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::timeline::Day;

/// Goes up when the index or the catalogue is written differently.
pub const FORMAT: u32 = 1;

/// What wrote an index; an index of another stamp is refused, not guessed at.
pub fn stamp() -> String {
    format!("{FORMAT}.{}", haechi_korean::analysis::ANALYSER_VERSION)
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Catalog {
    pub stamp: String,
    pub regulations: Vec<Regulation>,
    pub files: BTreeMap<String, FileEntry>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Regulation {
    pub id: String,
    pub title: String,
    pub kind: String,
    pub internal: bool,
    pub short_names: Vec<String>,
    pub department: Option<String>,
    pub versions: Vec<VersionEntry>,
    /// Articles in the newest version that are not deleted.
    pub articles: u32,
    /// The first day that anything is known of this regulation.
    pub first: Day,
    /// It says nothing but that it is repealed.
    pub repealed: bool,
    /// Short names that this text gives to other regulations.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub teaches: Vec<(String, String)>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct VersionEntry {
    pub effective: Day,
    pub promulgated: Option<Day>,
    pub number: Option<String>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct FileEntry {
    pub hash: String,
    pub bytes: u64,
    pub modified_ns: u64,
    pub regulation: String,
}

impl Regulation {
    /// The title of the statute that a decree or rule was made under, or its own.
    pub fn family(&self) -> &str {
        family_of(&self.title)
    }

    /// The day the version that holds on `day` took effect.
    pub fn effective_on(&self, day: Day) -> Day {
        self.versions
            .iter()
            .map(|version| version.effective)
            .filter(|&effective| effective <= day)
            .max()
            .unwrap_or(self.first)
    }

    pub fn uri(&self) -> String {
        format!("regulation://{}", self.id)
    }
}

/// `은행법` for `은행법 시행령`.
pub fn family_of(title: &str) -> &str {
    for suffix in ["시행령", "시행규칙"] {
        if let Some(base) = title.strip_suffix(suffix) {
            return base.trim_end();
        }
    }
    title
}

impl Catalog {
    pub fn read(folder: &Path, name: &str) -> Result<Self, Error> {
        let path = folder.join(name);
        let corrupt = |detail: String| Error::IndexCorrupt { path: folder.to_owned(), detail };
        let bytes = std::fs::read(&path).map_err(|error| corrupt(format!("catalogue {}", error.kind())))?;
        serde_json::from_slice(&bytes).map_err(|error| corrupt(format!("catalogue line {}", error.line())))
    }

    /// Writes the catalogue under a new name, synced, and returns the name.
    pub fn write(&self, folder: &Path, serial: u64) -> Result<String, Error> {
        let name = format!("catalog-{serial}.json");
        let path = folder.join(&name);
        let temporary = folder.join(format!("{name}.tmp"));
        let write = || -> std::io::Result<()> {
            let mut file = std::fs::File::create(&temporary)?;
            let bytes = serde_json::to_vec(self).map_err(std::io::Error::other)?;
            file.write_all(&bytes)?;
            file.sync_all()?;
            std::fs::rename(&temporary, &path)
        };
        write().map_err(|error| Error::io("write", &path, &error))?;
        Ok(name)
    }
}
