//! Files and paths of somebody who means harm.

use std::time::Duration;

use haechi_contract::tables::FindTables;
use haechi_documents::pdf::PdfLimits;
use haechi_tables::error::Error;
use haechi_tables::folders::Folders;
use haechi_tables::library::{Library, Limits};

use crate::samples;

#[track_caller]
fn refusal(folder: &std::path::Path, path: &str) -> Error {
    let input = FindTables { path: path.to_owned(), ..FindTables::default() };
    samples::library(folder).find_tables(&input, &|| false).unwrap_err()
}

#[test]
fn no_path_leads_out_of_the_folder() {
    let outer = tempfile::tempdir().unwrap();
    let folder = outer.path().join("표");
    std::fs::create_dir(&folder).unwrap();
    std::fs::write(outer.path().join("secret.csv"), "a,b\n1,2\n3,4\n").unwrap();
    std::fs::write(folder.join("mine.csv"), "a,b\n1,2\n3,4\n").unwrap();
    #[cfg(unix)]
    {
        std::os::unix::fs::symlink(outer.path().join("secret.csv"), folder.join("link.csv")).unwrap();
        std::os::unix::fs::symlink(outer.path(), folder.join("up")).unwrap();
        std::os::unix::fs::symlink("/dev/zero", folder.join("zero.csv")).unwrap();
    }
    let absolute = outer.path().join("secret.csv").display().to_string();
    for path in [
        "../secret.csv",
        "link.csv",
        "up/secret.csv",
        "x/../../secret.csv",
        "zero.csv",
        absolute.as_str(),
        "/etc/passwd",
    ] {
        let error = refusal(&folder, path);
        assert!(matches!(error, Error::OutsideFolder), "{path}: {error:?}");
    }
    for path in ["", "nothing.csv", "a\0b"] {
        assert!(matches!(refusal(&folder, path), Error::NoFile { .. } | Error::Input { .. }), "{path:?}");
    }
    assert!(matches!(refusal(outer.path(), "표"), Error::NotAFile { .. }));
    // What leads out is not listed either.
    let listed = samples::library(&folder).list_files(&haechi_contract::tables::ListFiles::default()).unwrap();
    let names: Vec<&str> = listed.files.iter().map(|file| file.path.as_str()).collect();
    assert_eq!(names, ["mine.csv"]);
}

#[test]
fn a_file_that_is_not_what_its_name_says_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, bytes: &[u8]| std::fs::write(folder.path().join(name), bytes).unwrap();
    write("empty.xlsx", b"");
    write("text.xlsx", b"a,b\n1,2\n");
    write("page.xls", b"<html><table><tr><td>1</td></tr></table></html>");
    write("page.pdf", b"<html></html>");
    write("cut.pdf", b"%PDF-1.7\n1 0 obj\n<< /Type /Catalog");
    write("noise.bin", &[1, 2, 3, 4]);
    for (name, unsupported) in [
        ("empty.xlsx", false),
        ("text.xlsx", false),
        ("page.xls", true),
        ("page.pdf", false),
        ("cut.pdf", false),
        ("noise.bin", true),
    ] {
        let error = refusal(folder.path(), name);
        let fits = if unsupported {
            matches!(error, Error::Unsupported { .. })
        } else {
            matches!(error, Error::Damaged { .. })
        };
        assert!(fits, "{name}: {error:?}");
    }
}

#[test]
fn a_workbook_that_lies_about_itself_costs_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let far = "<row r=\"1\"><c r=\"A1\"><v>1</v></c></row><row r=\"1048576\"><c r=\"XFD1048576\"><v>2</v></c></row>";
    samples::package(&folder.path().join("far.xlsx"), &samples::workbook_parts(far, "uniqueCount=\"0\">"));
    let input = FindTables { path: "far.xlsx".to_owned(), ..FindTables::default() };
    let tables = samples::library(folder.path()).find_tables(&input, &|| false).unwrap();
    assert!(tables.tables.is_empty());

    let one = "<row r=\"1\"><c r=\"A1\" t=\"s\"><v>0</v></c></row>";
    let lie = samples::workbook_parts(one, "uniqueCount=\"4294967295\"><si><t>x</t></si>");
    samples::package(&folder.path().join("lie.xlsx"), &lie);
    assert!(matches!(refusal(folder.path(), "lie.xlsx"), Error::Damaged { .. }));

    let mut bomb = samples::workbook_parts(one, "uniqueCount=\"1\"><si><t>x</t></si>");
    bomb.push(("xl/media/a.xml", " ".repeat(64 << 20)));
    samples::package(&folder.path().join("bomb.xlsx"), &bomb);
    assert!(matches!(refusal(folder.path(), "bomb.xlsx"), Error::TooLarge { .. }));
}

#[test]
fn a_pdf_that_never_ends_is_stopped() {
    let folder = tempfile::tempdir().unwrap();
    // Each form draws the next ten times: ten thousand million characters in a kilobyte.
    let mut objects = vec![
        "<< /Type /Catalog /Pages 2 0 R >>".to_owned(),
        "<< /Type /Pages /Kids [3 0 R] /Count 1 >>".to_owned(),
        "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Resources << /XObject << /X 5 0 R >> >> /Contents 4 0 R >>".to_owned(),
        "<< /Length 5 >>\nstream\n/X Do\nendstream".to_owned(),
    ];
    for index in 0..10 {
        let body = "/X Do ".repeat(10);
        objects.push(format!(
            "<< /Type /XObject /Subtype /Form /BBox [0 0 9 9] /Resources << /XObject << /X {} 0 R >> >> /Length {} >>\nstream\n{body}\nendstream",
            6 + index,
            body.len()
        ));
    }
    let mut file = "%PDF-1.7\n".to_owned();
    for (index, object) in objects.iter().enumerate() {
        file.push_str(&format!("{} 0 obj\n{object}\nendobj\n", index + 1));
    }
    file.push_str("trailer\n<< /Root 1 0 R >>\n%%EOF\n");
    std::fs::write(folder.path().join("deep.pdf"), file).unwrap();
    let input = FindTables { path: "deep.pdf".to_owned(), ..FindTables::default() };
    let limits = Limits { pdf: PdfLimits { time_max: Duration::from_millis(300), ..PdfLimits::default() } };
    let library = Library::new(Folders::new(&[folder.path().to_path_buf()]).unwrap(), limits);
    let answer = library.find_tables(&input, &|| false);
    assert!(matches!(answer, Err(Error::TimedOut { .. })), "{answer:?}");
}

#[test]
fn a_worker_that_dies_is_replaced() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("a.csv"), "a,b\n1,2\n3,4\n").unwrap();
    let input = || FindTables { path: "a.csv".to_owned(), ..FindTables::default() };
    // A program that ends at once stands for a worker that the system killed.
    let broken = haechi_tables::engine::Engine::with_workers(samples::library(folder.path()), "/bin/true".into());
    assert!(broken.find_tables(input(), &|| false).is_err());
    let engine = haechi_tables::engine::Engine::with_workers(
        samples::library(folder.path()),
        env!("CARGO_BIN_EXE_haechi-tables").into(),
    );
    for _ in 0..3 {
        assert_eq!(engine.find_tables(input(), &|| false).unwrap().tables.len(), 1);
    }
}
