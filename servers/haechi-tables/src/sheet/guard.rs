//! Looks at a file before a library does: what it is, whether it is encrypted, whether it is a bomb.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

use zip::ZipArchive;

use super::Kind;
use crate::error::{Error, Unsupported};

const WORKBOOK_BYTES_MAX: u64 = 512 << 20;
const UNPACKED_BYTES_MAX: u64 = 3 << 30;
/// An entry that unpacks to more than this many times its size is made to explode; real sheets of
/// a million equal rows stay near 100.
const RATIO_MAX: u64 = 250;
const RATIO_MATTERS_FROM: u64 = 32 << 20;
const ENTRIES_MAX: usize = 20_000;

pub(super) fn kind_of(path: &Path, shown: &str) -> Result<Kind, Error> {
    let mut file = File::open(path).map_err(|_| Error::NoFile { path: shown.to_owned() })?;
    let bytes = file.metadata().map_err(|_| Error::NoFile { path: shown.to_owned() })?.len();
    let mut head = vec![0_u8; 4096];
    let read = read_up_to(&mut file, &mut head);
    head.truncate(read);
    if bytes == 0 {
        return Err(damaged(shown, "파일이 비어 있습니다"));
    }
    let unsupported = |why| Error::Unsupported { path: shown.to_owned(), why };
    if head.windows(5).take(2_000).any(|window| window == b"%PDF-") {
        return Ok(Kind::Pdf);
    }
    if WORKBOOK_BYTES_MAX < bytes {
        return Err(Error::TooLarge { path: shown.to_owned(), what: format!("{}MB 이상", WORKBOOK_BYTES_MAX >> 20) });
    }
    if head.starts_with(b"PK\x03\x04") {
        return package_kind(&file, shown);
    }
    if head.starts_with(&[0xd0, 0xcf, 0x11, 0xe0, 0xa1, 0xb1, 0x1a, 0xe1]) {
        return compound_kind(&mut file, shown);
    }
    // BIFF without a container: Excel 2 to 4.
    if head.first() == Some(&0x09) && matches!(head.get(1), Some(0x00 | 0x02 | 0x04)) && head.get(2) == Some(&0x06) {
        return Err(unsupported(Unsupported::OldWorkbook));
    }
    let by_name = Kind::of_name(shown);
    let text = String::from_utf8_lossy(&head).trim_start_matches('\u{feff}').trim_start().to_ascii_lowercase();
    let html = text.starts_with("<html") || text.starts_with("<!doctype html") || text.starts_with("<table");
    match by_name {
        Some(Kind::Csv) => Ok(Kind::Csv),
        Some(Kind::Pdf) => Err(damaged(shown, "PDF 형식이 아닙니다")),
        Some(Kind::Xls | Kind::Xlsx | Kind::Xlsb | Kind::Ods) if html => {
            Err(unsupported(Unsupported::HtmlNamedAsWorkbook))
        }
        Some(Kind::Xls | Kind::Xlsx | Kind::Xlsb | Kind::Ods) => {
            Err(damaged(shown, "이름은 통합 문서인데 내용이 통합 문서 형식이 아닙니다"))
        }
        None if shown.to_ascii_lowercase().ends_with(".txt") => Ok(Kind::Csv),
        None => Err(unsupported(Unsupported::UnknownKind)),
    }
}

fn damaged(shown: &str, what: &str) -> Error {
    Error::Damaged { path: shown.to_owned(), what: what.to_owned() }
}

fn read_up_to(file: &mut File, buffer: &mut [u8]) -> usize {
    let mut filled = 0;
    while let Some(rest) = buffer.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match file.read(rest) {
            Ok(0) | Err(_) => break,
            Ok(count) => filled += count,
        }
    }
    filled
}

fn package_kind(file: &File, shown: &str) -> Result<Kind, Error> {
    let file = file.try_clone().map_err(|_| Error::Internal)?;
    let mut archive = ZipArchive::new(file).map_err(|_| damaged(shown, "압축이 깨졌거나 잘렸습니다"))?;
    if ENTRIES_MAX < archive.len() {
        return Err(Error::TooLarge { path: shown.to_owned(), what: format!("항목 {ENTRIES_MAX}개 이상") });
    }
    let mut unpacked = 0_u64;
    let mut kind = None;
    let mut shared_strings = None;
    let mut manifest = None;
    for index in 0..archive.len() {
        let Ok(entry) = archive.by_index_raw(index) else { continue };
        unpacked = unpacked.saturating_add(entry.size());
        if RATIO_MATTERS_FROM < entry.size() && RATIO_MAX < entry.size() / entry.compressed_size().max(1) {
            return Err(Error::TooLarge {
                path: shown.to_owned(),
                what: format!(
                    "압축을 풀면 {}배로 불어나는 항목이 있습니다",
                    entry.size() / entry.compressed_size().max(1)
                ),
            });
        }
        let Ok(name) = entry.name() else { continue };
        match name.trim_start_matches('/').to_ascii_lowercase().as_str() {
            "xl/workbook.xml" => kind = Some(Kind::Xlsx),
            "xl/workbook.bin" => kind = Some(Kind::Xlsb),
            "content.xml" => kind = kind.or(Some(Kind::Ods)),
            "meta-inf/manifest.xml" => manifest = Some(index),
            name if name.ends_with("sharedstrings.xml") => shared_strings = Some(index),
            _ => {}
        }
    }
    if UNPACKED_BYTES_MAX < unpacked {
        return Err(Error::TooLarge {
            path: shown.to_owned(),
            what: format!("압축을 풀면 {}GB가 넘습니다", UNPACKED_BYTES_MAX >> 30),
        });
    }
    if kind == Some(Kind::Ods)
        && let Some(index) = manifest
        && head_of_entry(&mut archive, index, 256 << 10).contains("encryption-data")
    {
        return Err(Error::PasswordRequired { path: shown.to_owned() });
    }
    if let Some(index) = shared_strings {
        check_string_count(&mut archive, index, shown)?;
    }
    kind.ok_or_else(|| Error::Unsupported { path: shown.to_owned(), why: Unsupported::UnknownKind })
}

fn head_of_entry(archive: &mut ZipArchive<File>, index: usize, bytes_max: u64) -> String {
    let mut head = Vec::new();
    if let Ok(entry) = archive.by_index(index) {
        // A damaged entry gives what could be read; the library meets the damage itself.
        let _ = entry.take(bytes_max).read_to_end(&mut head);
    }
    String::from_utf8_lossy(&head).into_owned()
}

/// The library reserves memory for as many strings as the file says it has.
fn check_string_count(archive: &mut ZipArchive<File>, index: usize, shown: &str) -> Result<(), Error> {
    const STRING_BYTES_MIN: u64 = 5; // `<si/>`
    let size = archive.by_index_raw(index).map(|entry| entry.size()).unwrap_or(0);
    let head = head_of_entry(archive, index, 4096);
    let Some(position) = head.find("uniqueCount=") else { return Ok(()) };
    let digits: String =
        head[position..].chars().skip("uniqueCount=\"".len()).take_while(char::is_ascii_digit).collect();
    let claimed: u64 = digits.parse().unwrap_or(u64::MAX);
    if size / STRING_BYTES_MIN + 1_000 < claimed {
        return Err(damaged(shown, "문자열 개수가 실제와 다르게 적혀 있습니다"));
    }
    Ok(())
}

/// Old workbooks, and encrypted new ones, live in a compound file.
fn compound_kind(file: &mut File, shown: &str) -> Result<Kind, Error> {
    const BOF: [u8; 8] = [0x09, 0x08, 0x10, 0x00, 0x00, 0x06, 0x05, 0x00];
    const LOOKED_AT_MAX: u64 = 64 << 20;
    let mut bytes = Vec::new();
    file.seek(SeekFrom::Start(0)).map_err(|_| Error::Internal)?;
    file.take(LOOKED_AT_MAX).read_to_end(&mut bytes).map_err(|_| damaged(shown, "파일을 끝까지 읽지 못했습니다"))?;
    let named = |name: &str| {
        let wide: Vec<u8> = name.encode_utf16().flat_map(u16::to_le_bytes).collect();
        bytes.windows(wide.len()).any(|window| window == wide)
    };
    if named("EncryptedPackage") || named("EncryptionInfo") {
        return Err(Error::PasswordRequired { path: shown.to_owned() });
    }
    if let Some(start) = bytes.windows(BOF.len()).position(|window| window == BOF) {
        // The record after the first tells whether the stream is encrypted (FILEPASS); some
        // writers put a write-access record before it.
        let mut at = start + 20;
        for _ in 0..4 {
            match bytes.get(at..at + 4) {
                Some(&[0x2f, 0x00, ..]) => return Err(Error::PasswordRequired { path: shown.to_owned() }),
                Some(&[_, _, low, high]) => at += 4 + usize::from(u16::from_le_bytes([low, high])),
                _ => break,
            }
        }
        return Ok(Kind::Xls);
    }
    if named("Workbook") || named("Book") {
        return Ok(Kind::Xls);
    }
    Err(Error::Unsupported { path: shown.to_owned(), why: Unsupported::UnknownKind })
}
