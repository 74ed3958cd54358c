//! A draft as a Markdown file: footnotes for sources, pipe tables, charts as tables of their values.

use std::fmt::Write;

use super::markup::{Mark, Piece, escaped, pieces};
use super::sources::{Numbered, short, written_time};
use super::{Block, Draft, Known, Provenance};

/// Writes the whole file.
pub(crate) fn write(draft: &Draft, known: &Known, provenance: &Provenance) -> String {
    let numbered = Numbered::new(draft, known);
    let mut out = String::new();
    let mut placed = false;
    for piece in pieces(&draft.text) {
        match piece {
            Piece::Text(text) => out.push_str(text),
            Piece::Mark(Mark::Cite(cite)) => out.push_str(&note(&numbered, cite)),
            Piece::Mark(Mark::Block(block)) => match draft.blocks.get(block) {
                Some(Block::Table(table)) => out.push_str(&table.markdown(|cite| note(&numbered, cite))),
                Some(Block::Chart(chart)) => out.push_str(&chart.table().markdown(|cite| note(&numbered, cite))),
                None => {}
            },
            Piece::Mark(Mark::Sources) => {
                placed = true;
                out.push_str(&list(&numbered));
            }
        }
    }
    if !placed {
        out.push_str("\n\n");
        out.push_str(&list(&numbered));
    }
    out.push_str("\n\n");
    out.push_str(&appendix(provenance));
    tidy(&out)
}

fn note(numbered: &Numbered<'_>, cite: usize) -> String {
    numbered.number(cite).map(|number| format!("[^{number}]")).unwrap_or_default()
}

fn list(numbered: &Numbered<'_>) -> String {
    if numbered.entries.is_empty() {
        return String::new();
    }
    let mut out = String::from("## 출처\n\n");
    for entry in &numbered.entries {
        let mut parts = vec![escaped(&entry.label())];
        if let Some(source) = entry.source {
            parts.push(code(&source.uri));
        }
        match entry.calls {
            [call] => {
                parts.push(format!(
                    "{} {}",
                    code(&format!("{}.{}", call.server, call.tool)),
                    code(&call.arguments.to_string())
                ));
                parts.push(written_time(&call.at));
                parts.push(format!("결과 sha256:{}", short(&call.result_sha256)));
            }
            calls => parts.push(format!("호출 {}건 (단계 {})", calls.len(), escaped(entry.step))),
        }
        let _ = writeln!(out, "[^{}]: {}", entry.number, parts.join(" · "));
    }
    out
}

fn appendix(provenance: &Provenance) -> String {
    let mut out = String::from("## 작성 경위\n\n");
    for notice in &provenance.notices {
        let _ = writeln!(out, "- **주의**: {}", escaped(notice));
    }
    let _ = writeln!(out, "- 실행: {} ({})", code(&provenance.run), written_time(&provenance.started_at));
    let _ =
        writeln!(out, "- 업무 흐름: {} (sha256:{})", escaped(&provenance.workflow), short(&provenance.workflow_sha256));
    for (name, value) in &provenance.inputs {
        let _ = writeln!(out, "- 입력 {}: {}", escaped(name), escaped(&crate::workflow::inputs::plain(value)));
    }
    for server in &provenance.servers {
        let _ = writeln!(
            out,
            "- 서버 {}: {} {}",
            escaped(&server.name),
            escaped(&server.program),
            escaped(&server.version)
        );
    }
    let _ = writeln!(out, "- 도구 호출: {}회", provenance.calls);
    for part in &provenance.models {
        let _ = writeln!(out, "- 모델이 쓴 글: {}", escaped(part));
    }
    out
}

/// Inline code that cannot be closed from within.
fn code(text: &str) -> String {
    let text = text.replace(['\n', '\r'], " ");
    let longest = text.split(|letter| letter != '`').map(str::len).max().unwrap_or(0);
    let fence = "`".repeat(longest + 1);
    if longest == 0 { format!("{fence}{text}{fence}") } else { format!("{fence} {text} {fence}") }
}

/// At most one empty line in a row, none at the start, one line end at the end.
fn tidy(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut empty = 0;
    for line in text.lines() {
        let line = if line.trim().is_empty() { "" } else { line.trim_end_matches([' ', '\t']) };
        if line.is_empty() {
            empty += 1;
            continue;
        }
        if !out.is_empty() {
            out.push('\n');
            if 0 < empty {
                out.push('\n');
            }
        }
        empty = 0;
        out.push_str(line);
    }
    out.push('\n');
    out
}
