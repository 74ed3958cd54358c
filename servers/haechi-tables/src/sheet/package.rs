//! Parts of a zipped workbook that the library does not give: relations, named tables, what is
//! merged and hidden.

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;

use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};
use zip::ZipArchive;

use super::{NamedTable, SheetExtras, Span};

/// A part larger than this is not searched for what is beside its cells.
const SEARCHED_BYTES_MAX: u64 = 160 << 20;
const MERGES_MAX: usize = 100_000;
const HIDDEN_MAX: usize = 10_000;

pub(super) struct Package {
    archive: ZipArchive<File>,
}

impl Package {
    pub(super) fn open(path: &Path) -> Option<Self> {
        let archive = ZipArchive::new(File::open(path).ok()?).ok()?;
        Some(Self { archive })
    }

    /// The entry's name as the archive spells it.
    fn entry(&self, name: &str) -> Option<String> {
        let wanted = name.trim_start_matches('/');
        self.archive
            .file_names()
            .filter_map(Result::ok)
            .find(|entry| entry.trim_start_matches('/').eq_ignore_ascii_case(wanted))
            .map(std::borrow::Cow::into_owned)
    }

    pub(super) fn size(&mut self, name: &str) -> u64 {
        let Some(name) = self.entry(name) else { return 0 };
        self.archive.by_name(&name).map(|entry| entry.size()).unwrap_or(0)
    }

    /// The bytes of a small part.
    pub(super) fn bytes(&mut self, name: &str, bytes_max: u64) -> Option<Vec<u8>> {
        let name = self.entry(name)?;
        let entry = self.archive.by_name(&name).ok()?;
        let mut bytes = Vec::new();
        entry.take(bytes_max).read_to_end(&mut bytes).ok()?;
        Some(bytes)
    }

    /// Calls back for each start or empty element of a part.
    pub(super) fn elements(&mut self, name: &str, each: &mut dyn FnMut(&BytesStart<'_>) -> bool) -> bool {
        let Some(name) = self.entry(name) else { return false };
        let Ok(entry) = self.archive.by_name(&name) else { return false };
        let mut reader = Reader::from_reader(BufReader::with_capacity(64 << 10, entry));
        reader.config_mut().check_end_names = false;
        let mut buffer = Vec::new();
        loop {
            buffer.clear();
            match reader.read_event_into(&mut buffer) {
                Ok(Event::Start(element) | Event::Empty(element)) => {
                    if !each(&element) {
                        return true;
                    }
                }
                Ok(Event::Eof) => return true,
                Ok(_) => {}
                Err(_) => return false,
            }
        }
    }

    /// Targets of a part's relations by their identifiers, with the end of their type.
    pub(super) fn relations(&mut self, part: &str) -> HashMap<String, (String, String)> {
        let (folder, file) = part.rsplit_once('/').unwrap_or(("", part));
        let mut found = HashMap::new();
        let folder = folder.to_owned();
        self.elements(&format!("{folder}/_rels/{file}.rels"), &mut |element| {
            if element.local_name().as_ref() == "Relationship"
                && let (Some(id), Some(target)) = (attribute(element, "Id"), attribute(element, "Target"))
            {
                let kind = attribute(element, "Type").unwrap_or_default();
                let kind = kind.rsplit('/').next().unwrap_or_default().to_owned();
                found.insert(id, (resolve(&folder, &target), kind));
            }
            true
        });
        found
    }

    /// Names of sheets and the parts that hold them, in the order of the workbook.
    pub(super) fn sheet_parts(&mut self) -> Vec<(String, String)> {
        let relations = self.relations("xl/workbook.xml");
        let mut parts = Vec::new();
        self.elements("xl/workbook.xml", &mut |element| {
            if element.local_name().as_ref() == "sheet"
                && let (Some(name), Some(id)) = (attribute(element, "name"), attribute(element, "id"))
                && let Some((target, _)) = relations.get(&id)
            {
                parts.push((name, target.clone()));
            }
            true
        });
        parts
    }

    pub(super) fn named_tables(&mut self, sheets: &[(String, String)]) -> Vec<NamedTable> {
        let mut tables = Vec::new();
        for (sheet, part) in sheets {
            for (target, kind) in self.relations(part).into_values() {
                if kind != "table" {
                    continue;
                }
                self.elements(&target, &mut |element| {
                    if element.local_name().as_ref() != "table" {
                        return true;
                    }
                    let name = attribute(element, "displayName").or_else(|| attribute(element, "name"));
                    let span = attribute(element, "ref").as_deref().and_then(Span::parse);
                    if let (Some(name), Some(span)) = (name, span) {
                        let count = |key: &str, default: u32| {
                            attribute(element, key).and_then(|text| text.parse().ok()).unwrap_or(default)
                        };
                        let header_rows = count("headerRowCount", 1);
                        let totals_rows = count("totalsRowCount", 0);
                        tables.push(NamedTable { name, sheet: sheet.clone(), span, header_rows, totals_rows });
                    }
                    false
                });
            }
        }
        tables.sort_by(|a, b| (&a.sheet, a.span.top, a.span.left).cmp(&(&b.sheet, b.span.top, b.span.left)));
        tables
    }

    /// Merged cells and hidden rows and columns of an XML sheet.
    pub(super) fn extras(&mut self, part: &str) -> SheetExtras {
        let mut extras = SheetExtras::default();
        if SEARCHED_BYTES_MAX < self.size(part) {
            extras.unknown = true;
            return extras;
        }
        let mut row: u32 = 0;
        self.elements(part, &mut |element| {
            match element.local_name().as_ref() {
                "row" => {
                    row = attribute(element, "r").and_then(|text| text.parse().ok()).unwrap_or(row + 1);
                    if is_true(element, "hidden") && extras.hidden_rows.len() < HIDDEN_MAX {
                        extras.hidden_rows.push(row.saturating_sub(1));
                    }
                }
                "col" if is_true(element, "hidden") => {
                    let number = |key| attribute(element, key).and_then(|text| text.parse::<u32>().ok());
                    if let (Some(first), Some(last)) = (number("min"), number("max")) {
                        extras.hidden_columns.extend((first.saturating_sub(1)..last).take(256));
                    }
                }
                "mergeCell" if extras.merges.len() < MERGES_MAX => {
                    extras.merges.extend(attribute(element, "ref").as_deref().and_then(Span::parse));
                }
                _ => {}
            }
            true
        });
        extras
    }
}

/// An attribute by its local name, unescaped.
pub(super) fn attribute(element: &BytesStart<'_>, name: &str) -> Option<String> {
    element
        .attributes()
        .with_checks(false)
        .filter_map(Result::ok)
        .find(|attribute| attribute.key.local_name().as_ref() == name)
        .and_then(|attribute| quick_xml::escape::unescape(&attribute.value).ok().map(std::borrow::Cow::into_owned))
}

fn is_true(element: &BytesStart<'_>, name: &str) -> bool {
    attribute(element, name).is_some_and(|value| value == "1" || value == "true")
}

/// A target relative to the folder of its part, or absolute in the package.
fn resolve(folder: &str, target: &str) -> String {
    if let Some(absolute) = target.strip_prefix('/') {
        return absolute.to_owned();
    }
    let mut pieces: Vec<&str> = folder.split('/').filter(|piece| !piece.is_empty()).collect();
    for piece in target.split('/') {
        match piece {
            ".." => {
                pieces.pop();
            }
            "." | "" => {}
            other => pieces.push(other),
        }
    }
    pieces.join("/")
}
