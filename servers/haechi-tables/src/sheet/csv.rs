//! Delimited text: encoding, delimiter and rows.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use encoding_rs::{EUC_KR, Encoding, UTF_8, UTF_16BE, UTF_16LE};

use super::{Flow, Kind, SheetCell, SheetEntry, Visibility};
use crate::error::Error;
use crate::value::{Value, clean_text};

/// How much of a file decides about its encoding and delimiter.
const SAMPLE_BYTES: usize = 256 << 10;
const COLUMNS_MAX: usize = 16_384;

pub(super) struct Book {
    path: PathBuf,
    encoding: &'static Encoding,
    delimiter: u8,
}

pub(super) fn open(path: &Path, shown: &str) -> Result<super::Book, Error> {
    let file = File::open(path).map_err(|_| Error::NoFile { path: shown.to_owned() })?;
    let mut sample = Vec::new();
    file.take(u64::try_from(SAMPLE_BYTES).unwrap_or(u64::MAX)).read_to_end(&mut sample).map_err(|_| {
        Error::Damaged { path: shown.to_owned(), what: "파일을 끝까지 읽지 못했습니다".to_owned() }
    })?;
    let Some((encoding, name)) = detect_encoding(&sample) else {
        return Err(Error::Damaged { path: shown.to_owned(), what: "글자로 된 파일이 아닙니다".to_owned() });
    };
    let (text, _, _) = encoding.decode(&sample);
    let by_name = shown.to_ascii_lowercase();
    let delimiter = detect_delimiter(&text, by_name.ends_with(".tsv") || by_name.ends_with(".tab"));
    let stem = Path::new(shown).file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
    Ok(super::Book {
        path: String::new(),
        kind: Kind::Csv,
        sheets: vec![SheetEntry { name: stem, visibility: Visibility::Visible, has_cells: true }],
        named_tables: Vec::new(),
        encoding: Some(name),
        notes: Vec::new(),
        reader: super::Reader::Csv(Book { path: path.to_path_buf(), encoding, delimiter }),
    })
}

impl Book {
    pub(super) fn cells(&mut self, each: &mut dyn FnMut(SheetCell) -> Flow) -> Result<(), &'static str> {
        let file = File::open(&self.path).map_err(|_| "파일을 열 수 없습니다")?;
        let decoded = Decoder { file, decoder: self.encoding.new_decoder(), pending: Vec::new(), at: 0, done: false };
        let mut reader = ::csv::ReaderBuilder::new()
            .has_headers(false)
            .flexible(true)
            .delimiter(self.delimiter)
            .from_reader(decoded);
        let mut record = ::csv::StringRecord::new();
        let mut row: u32 = 0;
        loop {
            match reader.read_record(&mut record) {
                Ok(true) => {}
                Ok(false) => return Ok(()),
                Err(_) => return Err("따옴표나 글자가 맞지 않는 줄이 있습니다"),
            }
            // Blank lines are skipped by the reader; its line number says where the record stands.
            if let Some(position) = record.position() {
                row = row.max(u32::try_from(position.line().saturating_sub(1)).unwrap_or(u32::MAX));
            }
            for (column, field) in record.iter().enumerate().take(COLUMNS_MAX) {
                let Ok(column) = u32::try_from(column) else { continue };
                if field.trim().is_empty() {
                    continue;
                }
                let cell = SheetCell {
                    row,
                    column,
                    value: Value::Text(clean_text(field)),
                    shown: None,
                    percent: false,
                    formula: false,
                };
                if each(cell).is_break() {
                    return Ok(());
                }
            }
            row = row.saturating_add(1);
        }
    }
}

/// The encoding of a text by its marks, its zero bytes, and whether it is valid UTF-8.
fn detect_encoding(sample: &[u8]) -> Option<(&'static Encoding, &'static str)> {
    if sample.starts_with(&[0xef, 0xbb, 0xbf]) {
        return Some((UTF_8, "utf-8-sig"));
    }
    if sample.starts_with(&[0xff, 0xfe]) {
        return Some((UTF_16LE, "utf-16le"));
    }
    if sample.starts_with(&[0xfe, 0xff]) {
        return Some((UTF_16BE, "utf-16be"));
    }
    let zeros = |offset: usize| sample.iter().skip(offset).step_by(2).take(2_000).filter(|byte| **byte == 0).count();
    let (even, odd) = (zeros(0), zeros(1));
    let pairs = (sample.len() / 2).min(2_000);
    if pairs / 3 < odd && even < pairs / 20 + 1 {
        return Some((UTF_16LE, "utf-16le"));
    }
    if pairs / 3 < even && odd < pairs / 20 + 1 {
        return Some((UTF_16BE, "utf-16be"));
    }
    if sample.contains(&0) {
        return None;
    }
    // The sample may end inside a character.
    let whole = match std::str::from_utf8(sample) {
        Ok(_) => true,
        Err(error) => error.error_len().is_none() && sample.len() - error.valid_up_to() < 4,
    };
    Some(if whole { (UTF_8, "utf-8") } else { (EUC_KR, "cp949") })
}

/// The delimiter that splits most lines into the same number of fields, more than one.
fn detect_delimiter(text: &str, tab_by_name: bool) -> u8 {
    let mut best = (0_usize, if tab_by_name { b'\t' } else { b',' });
    for candidate in [b',', b'\t', b';', b'|'] {
        let mut reader = ::csv::ReaderBuilder::new()
            .has_headers(false)
            .flexible(true)
            .delimiter(candidate)
            .from_reader(text.as_bytes());
        let mut counts = std::collections::BTreeMap::new();
        for record in reader.records().take(200).filter_map(Result::ok) {
            *counts.entry(record.len()).or_insert(0_usize) += 1;
        }
        let score =
            counts.iter().filter(|(fields, _)| 1 < **fields).map(|(fields, lines)| lines * fields.min(&8)).max();
        let bonus = usize::from(candidate == b'\t' && tab_by_name) * 1_000;
        if let Some(score) = score
            && best.0 < score + bonus
        {
            best = (score + bonus, candidate);
        }
    }
    best.1
}

/// Gives UTF-8 from a file in any encoding, in bounded memory.
struct Decoder {
    file: File,
    decoder: encoding_rs::Decoder,
    pending: Vec<u8>,
    at: usize,
    done: bool,
}

impl Read for Decoder {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        while self.at == self.pending.len() && !self.done {
            let mut raw = vec![0_u8; 64 << 10];
            let count = self.file.read(&mut raw)?;
            self.done = count == 0;
            raw.truncate(count);
            let mut text = String::with_capacity(
                self.decoder.max_utf8_buffer_length(count).unwrap_or(count.saturating_mul(4)).max(16),
            );
            // The buffer has room for the worst case, so one call decodes all of it.
            let (_, _, _) = self.decoder.decode_to_string(&raw, &mut text, self.done);
            self.pending = text.into_bytes();
            self.at = 0;
        }
        let rest = self.pending.get(self.at..).unwrap_or_default();
        let count = rest.len().min(buffer.len());
        if let (Some(to), Some(from)) = (buffer.get_mut(..count), rest.get(..count)) {
            to.copy_from_slice(from);
        }
        self.at += count;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encodings_are_told_apart() {
        let (cp949, _, _) = EUC_KR.encode("관서명,살인 발생\n중부서,2\n");
        let wide: Vec<u8> = "이름,값\n가,1\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
        let marked = [&[0xff, 0xfe], wide.as_slice()].concat();
        for (bytes, expected) in [
            (b"a,b\n1,2\n".as_slice(), Some("utf-8")),
            ("\u{feff}a,b\n".as_bytes(), Some("utf-8-sig")),
            (cp949.as_ref(), Some("cp949")),
            (marked.as_slice(), Some("utf-16le")),
            (&[0, 1, 2, 3, 0, 0, 0, 9, 9, 9], None),
        ] {
            assert_eq!(detect_encoding(bytes).map(|(_, name)| name), expected);
        }
    }

    #[test]
    fn the_delimiter_is_what_splits_lines_alike() {
        for (text, expected) in [
            ("a,b,c\n1,2,3\n", b','),
            ("a\tb\n1,5\t2,5\n3,5\t4\n", b'\t'),
            ("a;b;c\n\"1,0\";2;3\n", b';'),
            ("a|b\n1|2\n", b'|'),
            ("one column\nonly\n", b','),
        ] {
            assert_eq!(detect_delimiter(text, false), expected, "{text:?}");
        }
    }
}
