//! Tables of PDFs in the format that the scorer of the table corpus reads; for measurements alone.

use std::path::{Path, PathBuf};

use haechi_contract::{Code, Problem};
use haechi_documents::pdf::PdfLimits;
use serde_json::{Value, json};

use crate::pdf::{self, PdfTable};
use crate::source;

/// Writes one `NAME.json` per PDF below the paths.
pub(crate) fn run(paths: &[PathBuf], out: &Path) -> Result<(), Problem> {
    let unwritable = |_| Problem::new(Code::Unavailable, format!("`{}`에 쓸 수 없습니다", out.display()));
    std::fs::create_dir_all(out).map_err(unwritable)?;
    let mut files = Vec::new();
    for path in paths {
        collect(path, &mut files);
    }
    files.sort();
    for file in files {
        let stem = file.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
        let shown = file.display().to_string();
        let tables: Vec<Value> = match source::read_pdf(&file, &shown, Vec::new(), PdfLimits::default()) {
            Ok(document) => pdf::find(&document).iter().map(prediction).collect(),
            Err(error) => {
                tracing::warn!(%error, "no tables");
                Vec::new()
            }
        };
        let text = json!({ "file": format!("{stem}.pdf"), "tables": tables }).to_string();
        std::fs::write(out.join(format!("{stem}.json")), text).map_err(unwritable)?;
    }
    Ok(())
}

fn collect(path: &Path, files: &mut Vec<PathBuf>) {
    if path.is_dir() {
        for entry in std::fs::read_dir(path).into_iter().flatten().filter_map(Result::ok) {
            collect(&entry.path(), files);
        }
    } else if path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("pdf")) {
        files.push(path.to_path_buf());
    }
}

fn prediction(table: &PdfTable) -> Value {
    let grid = &table.grid;
    let mut rows: Vec<Vec<Value>> = vec![vec![Value::Null; grid.columns]; grid.rows];
    let mut spans = Vec::new();
    for cell in &grid.cells {
        if let Some(slot) = rows.get_mut(cell.row).and_then(|row| row.get_mut(cell.column))
            && !cell.text.is_empty()
        {
            *slot = cell.text.clone().into();
        }
        if 1 < cell.rows || 1 < cell.columns {
            spans.push(json!({ "row": cell.row, "col": cell.column, "rowspan": cell.rows, "colspan": cell.columns }));
        }
    }
    let rect = grid.rect;
    json!({
        "page": table.pages.first(),
        "pages": table.pages,
        "bbox": [rect.left, rect.top, rect.right, rect.bottom],
        "rows": rows,
        "spans": spans,
    })
}

/// What a page holds before any table is found: its joined rules and its lines.
pub(crate) fn inspect(path: &Path, page: usize) -> Result<String, Problem> {
    let shown = path.display().to_string();
    let document = source::read_pdf(path, &shown, vec![page], PdfLimits::default())?;
    let mut text = String::new();
    for page in &document.pages {
        let rules = pdf::rules::of_page(page);
        text.push_str(&format!(
            "page {} {:.0}x{:.0} curves {}\n",
            page.number,
            page.width,
            page.height,
            page.curves.len()
        ));
        for (name, segments) in [("h", &rules.horizontal), ("v", &rules.vertical)] {
            for segment in segments {
                text.push_str(&format!("{name} at {:.1} {:.1}..{:.1}\n", segment.at, segment.from, segment.to));
            }
        }
        for area in &page.areas {
            text.push_str(&format!("area {:?} {:?}\n", area.rect, area.colour));
        }
        for line in haechi_documents::pdf::layout::lines(page) {
            text.push_str(&format!("{:.1} size {:.1}:", line.baseline, line.size));
            for word in &line.words {
                text.push_str(&format!(" [{:.0} {} {:.0}]", word.rect.left, word.text, word.rect.right));
            }
            text.push('\n');
        }
    }
    Ok(text)
}
