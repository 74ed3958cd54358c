//! Answers as text that people and models read.

use std::fmt::Write as _;

use haechi_contract::regulations::{
    ArticleText, Change, ChangeKind, CitationStatus, Comparison, Confidence, EdgeKind, Outline, ReferenceTrace,
    RegulationHits, RegulationList, Status, Verdict, Verification, WordChangeKind,
};

pub fn hits(answer: &RegulationHits) -> String {
    let mut text = String::new();
    for (at, hit) in answer.hits.iter().enumerate() {
        let title = if hit.title.is_empty() { String::new() } else { format!("({})", hit.title) };
        let status = status(hit.status);
        let _ = writeln!(
            text,
            "{}. **{} {}{title}** {}시행{status}",
            at + 1,
            hit.regulation,
            hit.article,
            spaced(&hit.effective_from)
        );
        let _ = writeln!(text, "   {}", hit.snippet);
        let _ = writeln!(text, "   {}", hit.uri);
    }
    if answer.hits.is_empty() {
        text.push_str("찾은 조문이 없습니다.\n");
    }
    let confidence = match answer.confidence {
        Confidence::High => "높음",
        Confidence::Medium => "보통",
        Confidence::Low => "낮음",
        Confidence::None => "없음(답할 근거가 보이지 않음)",
    };
    let _ = writeln!(text, "\n확신: {confidence} · 기준일 {} · 후보 {}건", answer.as_of, answer.total);
    for note in &answer.notes {
        let _ = writeln!(text, "참고: {note}");
    }
    if !answer.suggestions.is_empty() {
        let _ = writeln!(text, "혹시: {}", answer.suggestions.join(", "));
    }
    if let Some(cursor) = &answer.next_cursor {
        let _ = writeln!(text, "더 보기: cursor={cursor}");
    }
    text
}

fn spaced(day: &str) -> String {
    format!("{day} ")
}

fn status(status: Status) -> &'static str {
    match status {
        Status::InForce => "",
        Status::NotYetInForce => " [시행 전]",
        Status::NoLongerInForce => " [효력 없음]",
        Status::Deleted => " [삭제]",
    }
}

pub fn article(answer: &ArticleText) -> String {
    let mut text = String::new();
    if !answer.headings.is_empty() {
        let _ = writeln!(text, "{}", answer.headings.join(" › "));
    }
    let title = if answer.title.is_empty() { String::new() } else { format!("({})", answer.title) };
    let _ = writeln!(text, "# {} {}{title}{}\n", answer.regulation, answer.article, status(answer.status));
    let _ = writeln!(text, "{}\n", answer.text);
    let until = answer.effective_to.as_ref().map(|to| format!(", {to} 전까지")).unwrap_or_default();
    let _ = writeln!(text, "출처: {}{until} · {}", answer.citation, answer.uri);
    for note in &answer.notes {
        let _ = writeln!(text, "참고: {note}");
    }
    let unresolved = |resolved: bool| if resolved { "" } else { " (색인에 없음)" };
    if !answer.references.is_empty() {
        let list: Vec<String> = answer
            .references
            .iter()
            .map(|reference| format!("{}{}", reference.to, unresolved(reference.resolved)))
            .collect();
        let _ = writeln!(text, "가리키는 조문: {}", list.join(", "));
    }
    for neighbour in &answer.neighbours {
        let _ = writeln!(text, "\n## {}\n\n{}", neighbour.citation, neighbour.text);
    }
    text
}

pub fn outline(answer: &Outline) -> String {
    let mut text = format!("# {}\n\n", answer.citation);
    for entry in &answer.entries {
        let title = match (entry.title.is_empty(), entry.uri.is_some()) {
            (true, _) => String::new(),
            (false, true) => format!("({})", entry.title),
            (false, false) => format!(" {}", entry.title),
        };
        let _ = writeln!(text, "{}- {}{title}", "  ".repeat(usize::try_from(entry.depth).unwrap_or(0)), entry.label);
    }
    if answer.truncated {
        text.push_str("… (잘렸습니다)\n");
    }
    text
}

pub fn list(answer: &RegulationList) -> String {
    let mut text = String::from("| 규정 | 종류 | 시행 | 조문 | 판 | id |\n|---|---|---|---|---|---|\n");
    for regulation in &answer.regulations {
        let short = regulation.short_names.first().map(|short| format!(" ({short})")).unwrap_or_default();
        let _ = writeln!(
            text,
            "| {}{short} | {} | {} | {} | {} | {} |",
            regulation.name,
            regulation.kind,
            regulation.effective_from,
            regulation.articles,
            regulation.versions,
            regulation.id
        );
    }
    let _ = writeln!(text, "\n모두 {}개", answer.total);
    if let Some(cursor) = &answer.next_cursor {
        let _ = writeln!(text, "더 보기: cursor={cursor}");
    }
    text
}

pub fn comparison(answer: &Comparison) -> String {
    let mut text = format!("# {} 신구조문대비표 ({} → {})\n\n", answer.regulation, answer.from, answer.to);
    if answer.changes.is_empty() {
        text.push_str("두 날 사이에 바뀐 조문이 없습니다.\n");
    }
    for change in &answer.changes {
        let _ = writeln!(text, "## {}", change_title(change));
        match change.kind {
            ChangeKind::Added => {
                let _ = writeln!(text, "\n{}\n", change.after);
            }
            ChangeKind::Removed => {
                let _ = writeln!(text, "\n{}\n", change.before);
            }
            ChangeKind::Changed | ChangeKind::Renumbered => {
                text.push('\n');
                for word in &change.words {
                    match word.kind {
                        WordChangeKind::Same => text.push_str(&shortened(&word.text)),
                        WordChangeKind::Removed => {
                            let _ = write!(text, "~~{}~~", word.text.trim());
                        }
                        WordChangeKind::Added => {
                            let _ = write!(text, "**{}**", word.text.trim());
                        }
                    }
                }
                text.push_str("\n\n");
            }
        }
    }
    for note in &answer.notes {
        let _ = writeln!(text, "참고: {note}");
    }
    if answer.truncated {
        text.push_str("… (잘렸습니다. article로 한 조문씩 보십시오)\n");
    }
    text
}

fn change_title(change: &Change) -> String {
    let title = if change.title.is_empty() { String::new() } else { format!("({})", change.title) };
    match (change.kind, &change.article_before) {
        (ChangeKind::Added, _) => format!("{}{title} 신설", change.article),
        (ChangeKind::Removed, _) => format!("{}{title} 삭제", change.article),
        (ChangeKind::Renumbered, Some(before)) => format!("{before} → {}{title} 이동", change.article),
        (ChangeKind::Changed | ChangeKind::Renumbered, _) => format!("{}{title} 개정", change.article),
    }
}

/// What did not change is shown at its ends only.
fn shortened(same: &str) -> String {
    const ENDS: usize = 60;
    let letters: Vec<char> = same.chars().collect();
    if letters.len() <= ENDS * 2 + 10 {
        return same.to_owned();
    }
    let head: String = letters.iter().take(ENDS).collect();
    let tail: String = letters.iter().skip(letters.len() - ENDS).collect();
    format!("{head} …(같음)… {tail}")
}

pub fn trace(answer: &ReferenceTrace) -> String {
    let mut text = format!("# {}의 참조\n\n", answer.citation);
    for edge in &answer.edges {
        let kind = match edge.kind {
            EdgeKind::Reference => "참조",
            EdgeKind::Delegation => "위임",
        };
        let unresolved = if edge.resolved { "" } else { " (색인에 없음)" };
        let indent = "  ".repeat(usize::try_from(edge.depth.saturating_sub(1)).unwrap_or(0));
        let _ = writeln!(text, "{indent}- {} → {} [{kind}]{unresolved}: {}", edge.from, edge.to, edge.text);
    }
    if answer.edges.is_empty() {
        text.push_str("이어지는 조문이 없습니다.\n");
    }
    if answer.truncated {
        text.push_str("… (잘렸습니다. depth를 줄이거나 direction을 정하십시오)\n");
    }
    text
}

pub fn verification(answer: &Verification) -> String {
    let mut text = String::new();
    for citation in &answer.citations {
        let mark = match citation.status {
            CitationStatus::Verified => "맞음",
            CitationStatus::NotFound => "없음",
            CitationStatus::NotInForce => "시행 중 아님",
            CitationStatus::QuoteMismatch => "인용문 다름",
            CitationStatus::Ambiguous => "불분명",
            CitationStatus::NotChecked => "확인 못 함",
        };
        let _ = write!(text, "{}행: [{mark}] {}", citation.line, citation.written);
        if let Some(found) = &citation.citation {
            let _ = write!(text, " → {found}");
        }
        text.push('\n');
        if let Some(actual) = &citation.actual {
            let _ = writeln!(text, "    실제: {actual}");
        }
        if let Some(suggestion) = &citation.suggestion {
            let _ = writeln!(text, "    {suggestion}");
        }
    }
    let verdict = match answer.verdict {
        Verdict::Right => "모두 맞습니다",
        Verdict::Wrong => "틀린 인용이 있습니다",
        Verdict::Unchecked => "틀린 인용은 없으나 확인하지 못한 것이 있습니다",
        Verdict::Empty => "인용이 없습니다",
    };
    let _ = writeln!(text, "\n{verdict} (인용 {}건, 기준일 {})", answer.citations.len(), answer.as_of);
    for note in &answer.notes {
        let _ = writeln!(text, "참고: {note}");
    }
    text
}
