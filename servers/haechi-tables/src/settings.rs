//! The `[tables]` section of the settings file.

use std::path::PathBuf;

use serde::Deserialize;

/// What the operator configures.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Folders whose files may be read; relative ones lie beside the settings file.
    pub folders: Vec<PathBuf>,
}
