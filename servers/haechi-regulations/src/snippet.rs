//! The piece of an article that shows why it was found.

use std::collections::HashSet;

use haechi_korean::analysis;

use crate::structure::{paragraphs, strip_marks};

pub const SNIPPET_CHARS: usize = 220;

/// Returns the paragraph with most of the words, cut around the densest place.
pub fn snippet(text: &str, words: &str) -> String {
    let wanted: HashSet<String> = analysis::terms(words).into_iter().map(|term| term.text).collect();
    let plain = strip_marks(text);
    let count = |text: &str| {
        let mut seen = HashSet::new();
        analysis::visit(text, |term, _, _| {
            if wanted.contains(term) {
                seen.insert(term.to_owned());
            }
        });
        seen.len()
    };
    let parts = paragraphs(&plain);
    // The first of equals: `max_by_key` would take the last.
    let Some((_, best)) = parts.iter().rev().max_by_key(|(_, text)| count(text)) else { return String::new() };
    let best = best.split_whitespace().collect::<Vec<_>>().join(" ");
    cut(&best, &wanted)
}

fn cut(text: &str, wanted: &HashSet<String>) -> String {
    let letters: Vec<(usize, char)> = text.char_indices().collect();
    if letters.len() <= SNIPPET_CHARS {
        return text.to_owned();
    }
    let mut hits: Vec<usize> = Vec::new();
    analysis::visit(text, |term, start, _| {
        if wanted.contains(term) {
            hits.push(letters.partition_point(|(at, _)| *at < start));
        }
    });
    let window = SNIPPET_CHARS;
    let densest = hits
        .iter()
        .rev()
        .map(|&hit| (hits.iter().filter(|&&other| (hit..hit + window).contains(&other)).count(), hit))
        .max_by_key(|(count, _)| *count)
        .map_or(0, |(_, hit)| hit);
    let from = densest.saturating_sub(20).min(letters.len() - window);
    let from = if from < 10 { 0 } else { from };
    let until = (from + window).min(letters.len());
    let byte = |at: usize| letters.get(at).map_or(text.len(), |(byte, _)| *byte);
    let piece = text.get(byte(from)..byte(until)).unwrap_or_default().trim();
    let before = if from > 0 { "… " } else { "" };
    let after = if until < letters.len() { " …" } else { "" };
    format!("{before}{piece}{after}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shows_the_paragraph_with_the_words() {
        let text = "① 은행은 설명하여야 한다.\n\n② 중도상환수수료를 부과하는 행위 <개정 2020.1.1>";
        assert_eq!(snippet(text, "중도상환수수료"), "② 중도상환수수료를 부과하는 행위");
        let long = format!("{} 중도상환수수료 {}", "가나 ".repeat(200), "다라 ".repeat(200));
        let piece = snippet(&long, "중도상환수수료");
        assert!(piece.contains("중도상환수수료") && piece.starts_with('…') && piece.ends_with('…'), "{piece}");
    }
}
