//! Small files that the tests write themselves: every figure in them is invented.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use haechi_tables::folders::Folders;
use haechi_tables::library::{Library, Limits};
use rust_xlsxwriter::{ExcelDateTime, Format, Workbook};

/// A library over one folder.
pub(crate) fn library(folder: &Path) -> Library {
    Library::new(Folders::new(&[folder.to_path_buf()]).unwrap(), Limits::default())
}

/// The quarterly loans: a title, a unit beside it, two header rows with merges, negatives with a
/// triangle, ratios in per cent, a total; a second table below; a hidden row and a hidden sheet.
pub(crate) fn loans(folder: &Path) -> PathBuf {
    let triangle = Format::new().set_num_format("#,##0;[Red]△#,##0");
    let percent = Format::new().set_num_format("0.00%");
    let date = Format::new().set_num_format("yyyy\"년\" m\"월\" d\"일\"");
    let plain = Format::new();
    let mut workbook = Workbook::new();
    let sheet = workbook.add_worksheet().set_name("업종별").unwrap();
    sheet.write(0, 1, "업종별 기업여신 현황").unwrap();
    sheet.write(1, 5, "(단위: 억원)").unwrap();
    sheet.merge_range(2, 1, 3, 1, "업종", &plain).unwrap();
    sheet.merge_range(2, 2, 2, 3, "2026년 3분기", &plain).unwrap();
    sheet.merge_range(2, 4, 3, 4, "연체율", &plain).unwrap();
    sheet.merge_range(2, 5, 3, 5, "기준일", &plain).unwrap();
    sheet.write(3, 2, "잔액").unwrap();
    sheet.write(3, 3, "증감").unwrap();
    let rows: [(&str, f64, f64, f64); 3] =
        [("제조업", 1_234.0, -56.0, 0.2302), ("건설업", 765.5, 12.0, 0.0105), ("도소매업", 400.0, -4.0, 0.004)];
    for (index, (name, balance, change, ratio)) in rows.into_iter().enumerate() {
        let row = 4 + u32::try_from(index).unwrap();
        sheet.write(row, 1, name).unwrap();
        sheet.write(row, 2, balance).unwrap();
        sheet.write_with_format(row, 3, change, &triangle).unwrap();
        sheet.write_with_format(row, 4, ratio, &percent).unwrap();
        let day = ExcelDateTime::from_ymd(2026, 9, 30).unwrap();
        sheet.write_with_format(row, 5, &day, &date).unwrap();
    }
    sheet.write(7, 1, "합 계").unwrap();
    sheet.write(7, 2, 2_399.5).unwrap();
    sheet.write_with_format(7, 3, -48.0, &triangle).unwrap();
    sheet.write(8, 1, "※ 주: 시험용으로 지어낸 수치").unwrap();
    sheet.set_row_hidden(6).unwrap();
    sheet.write(11, 1, "코드").unwrap();
    sheet.write(11, 2, "이름").unwrap();
    for (row, (code, name)) in [("01", "가계"), ("02", "기업"), ("10", "공공")].into_iter().enumerate() {
        let row = 12 + u32::try_from(row).unwrap();
        sheet.write(row, 1, code).unwrap();
        sheet.write(row, 2, name).unwrap();
    }
    let hidden = workbook.add_worksheet().set_name("기초자료").unwrap();
    hidden.write(0, 0, "항목").unwrap();
    hidden.write(0, 1, "값").unwrap();
    hidden.write(1, 0, "가").unwrap();
    hidden.write(1, 1, 1).unwrap();
    hidden.set_hidden(true);
    let path = folder.join("여신현황.xlsx");
    workbook.save(&path).unwrap();
    path
}

/// A PDF of one page per content stream, with Helvetica; `extra` goes into the trailer.
pub(crate) fn pdf(contents: &[String]) -> Vec<u8> {
    let mut out = b"%PDF-1.7\n".to_vec();
    let mut offsets = Vec::new();
    let mut add = |out: &mut Vec<u8>, body: String| {
        offsets.push(out.len());
        out.extend_from_slice(format!("{} 0 obj\n{body}\nendobj\n", offsets.len()).as_bytes());
    };
    let pages: Vec<String> = (0..contents.len()).map(|index| format!("{} 0 R", 4 + 2 * index)).collect();
    add(&mut out, "<< /Type /Catalog /Pages 2 0 R >>".to_owned());
    add(&mut out, format!("<< /Type /Pages /Kids [{}] /Count {} >>", pages.join(" "), pages.len()));
    add(&mut out, "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>".to_owned());
    for (index, content) in contents.iter().enumerate() {
        add(
            &mut out,
            format!(
                "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Resources << /Font << /F1 3 0 R >> >> /Contents {} 0 R >>",
                5 + 2 * index
            ),
        );
        add(&mut out, format!("<< /Length {} >>\nstream\n{content}\nendstream", content.len()));
    }
    let start = out.len();
    out.extend_from_slice(format!("xref\n0 {}\n0000000000 65535 f \n", offsets.len() + 1).as_bytes());
    for offset in &offsets {
        out.extend_from_slice(format!("{offset:010} 00000 n \n").as_bytes());
    }
    let end = format!("trailer\n<< /Size {} /Root 1 0 R >>\nstartxref\n{start}\n%%EOF\n", offsets.len() + 1);
    out.extend_from_slice(end.as_bytes());
    out
}

/// Text at a place, from the lower left corner of the page.
pub(crate) fn text(x: f64, y: f64, words: &str) -> String {
    let escaped = words.replace('\\', "\\\\").replace('(', "\\(").replace(')', "\\)");
    format!("BT /F1 10 Tf {x} {y} Td ({escaped}) Tj ET\n")
}

/// A table of cells with or without its rules; the top left corner is at `x`, `y`.
pub(crate) fn table(x: f64, y: f64, widths: &[f64], rows: &[&[&str]], ruled: bool) -> String {
    const HEIGHT: f64 = 18.0;
    let mut out = String::new();
    let right: f64 = x + widths.iter().sum::<f64>();
    let count = f64::from(u32::try_from(rows.len()).unwrap());
    if ruled {
        for row in 0..=rows.len() {
            let at = y - HEIGHT * f64::from(u32::try_from(row).unwrap());
            out.push_str(&format!("{x} {at} m {right} {at} l S\n"));
        }
        let mut at = x;
        for width in widths.iter().chain([&0.0]) {
            out.push_str(&format!("{at} {y} m {at} {} l S\n", y - HEIGHT * count));
            at += width;
        }
    }
    for (index, row) in rows.iter().enumerate() {
        let baseline = y - HEIGHT * f64::from(u32::try_from(index).unwrap()) - 13.0;
        let mut at = x;
        for (cell, width) in row.iter().zip(widths) {
            if !cell.is_empty() {
                out.push_str(&text(at + 4.0, baseline, cell));
            }
            at += width;
        }
    }
    out
}

/// A package with the parts given.
pub(crate) fn package(path: &Path, parts: &[(&str, String)]) {
    let mut writer = zip::ZipWriter::new(std::fs::File::create(path).unwrap());
    let options = zip::write::SimpleFileOptions::default();
    for (name, text) in parts {
        writer.start_file(*name, options).unwrap();
        writer.write_all(text.as_bytes()).unwrap();
    }
    writer.finish().unwrap();
}

/// The parts of a workbook with one sheet whose data and shared strings are given.
pub(crate) fn workbook_parts(sheet_data: &str, shared_strings: &str) -> Vec<(&'static str, String)> {
    let main = "http://schemas.openxmlformats.org/spreadsheetml/2006/main";
    let relations = "http://schemas.openxmlformats.org/officeDocument/2006/relationships";
    let package = "http://schemas.openxmlformats.org/package/2006/relationships";
    vec![
        (
            "[Content_Types].xml",
            "<Types xmlns=\"http://schemas.openxmlformats.org/package/2006/content-types\"><Default Extension=\"xml\" ContentType=\"application/xml\"/></Types>".to_owned(),
        ),
        (
            "_rels/.rels",
            format!("<Relationships xmlns=\"{package}\"><Relationship Id=\"rId1\" Type=\"{relations}/officeDocument\" Target=\"xl/workbook.xml\"/></Relationships>"),
        ),
        (
            "xl/workbook.xml",
            format!("<workbook xmlns=\"{main}\" xmlns:r=\"{relations}\"><sheets><sheet name=\"S\" sheetId=\"1\" r:id=\"rId1\"/></sheets></workbook>"),
        ),
        (
            "xl/_rels/workbook.xml.rels",
            format!("<Relationships xmlns=\"{package}\"><Relationship Id=\"rId1\" Type=\"{relations}/worksheet\" Target=\"worksheets/sheet1.xml\"/><Relationship Id=\"rId2\" Type=\"{relations}/sharedStrings\" Target=\"sharedStrings.xml\"/></Relationships>"),
        ),
        ("xl/worksheets/sheet1.xml", format!("<worksheet xmlns=\"{main}\"><sheetData>{sheet_data}</sheetData></worksheet>")),
        ("xl/sharedStrings.xml", format!("<sst xmlns=\"{main}\" {shared_strings}</sst>")),
    ]
}
