//! What single lines of a regulation are: article headings, divisions, addenda, annexes, prose.

use haechi_korean::citation::{Article, Numbered, circled};

/// An article heading and what follows it on the line.
pub(super) struct ArticleLine {
    pub(super) article: Article,
    pub(super) title: String,
    pub(super) rest: String,
}

/// Reads a Markdown heading: its depth and text.
pub(super) fn heading(line: &str) -> Option<(usize, &str)> {
    let depth = line.bytes().take_while(|&byte| byte == b'#').count();
    let rest = line.get(depth..)?;
    ((1..=6).contains(&depth) && rest.starts_with([' ', '\t'])).then(|| (depth, rest.trim()))
}

/// Reads `제34조의2 (제목)` as the text of a heading; whatever follows the title is kept.
pub(super) fn article(text: &str) -> Option<ArticleLine> {
    let (article, rest) = article_number(text)?;
    let rest = rest.trim_start();
    if let Some((title, rest)) = bracketed(rest) {
        return Some(ArticleLine { article, title, rest: rest.trim().to_owned() });
    }
    // A heading of a deleted article, or one with an amendment mark only.
    let bare = rest.is_empty() || rest.starts_with(['<', '[', '삭', '〈', '{']);
    bare.then(|| ArticleLine { article, title: String::new(), rest: rest.to_owned() })
}

/// Reads a plain line as an article heading; without headings to go by, a title is required.
pub(super) fn article_line(line: &str) -> Option<ArticleLine> {
    let (article, rest) = article_number(line)?;
    let after = rest.trim_start();
    match bracketed(after) {
        // `제3조(정의)의 규정에` is prose: the title is followed by a space or nothing.
        Some((title, rest)) if rest.is_empty() || rest.starts_with([' ', '\t', '<', '[']) || starts_text(rest) => {
            Some(ArticleLine { article, title, rest: rest.trim().to_owned() })
        }
        Some(_) => None,
        None => (after.starts_with("삭제") || after.starts_with("(삭제")).then(|| ArticleLine {
            article,
            title: String::new(),
            rest: after.to_owned(),
        }),
    }
}

fn starts_text(rest: &str) -> bool {
    rest.chars().next().is_some_and(|letter| circled(letter).is_some())
}

fn article_number(text: &str) -> Option<(Article, &str)> {
    let rest = text.strip_prefix('제')?.trim_start();
    let (number, rest) = number(rest)?;
    let rest = rest.trim_start().strip_prefix('조')?;
    if let Some(branch) = rest.strip_prefix('의').map(str::trim_start)
        && let Some((branch, rest)) = self::number(branch)
    {
        return Some((Article::new(number, Some(branch)), rest));
    }
    Some((Article::new(number, None), rest))
}

fn number(text: &str) -> Option<(u32, &str)> {
    let len = text.bytes().take_while(u8::is_ascii_digit).count();
    if !(1..=5).contains(&len) {
        return None;
    }
    let (digits, rest) = text.split_at(len);
    Some((digits.parse().ok()?, rest))
}

/// Reads a balanced bracket at the start. Old files carry titles twice bracketed, `((목적))`.
fn bracketed(text: &str) -> Option<(String, &str)> {
    if !text.starts_with(['(', '（', '【']) {
        return None;
    }
    let mut depth = 0_usize;
    for (at, letter) in text.char_indices() {
        match letter {
            '(' | '（' | '【' => depth += 1,
            ')' | '）' | '】' => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    let open = text.chars().next().map_or(0, char::len_utf8);
                    let mut title = text.get(open..at)?.trim();
                    while let Some(inner) = title.strip_prefix('(').and_then(|title| title.strip_suffix(')')) {
                        title = inner.trim();
                    }
                    return Some((title.to_owned(), text.get(at + letter.len_utf8()..)?));
                }
            }
            _ => {}
        }
    }
    None
}

/// Reads `제1장 총칙 <개정 …>`: its rank (편 1 … 관 4) and its name without the mark.
pub(super) fn division(text: &str) -> Option<(u8, String)> {
    let rest = text.strip_prefix('제')?.trim_start();
    let (_, rest) = number(rest)?;
    let rest = rest.trim_start();
    let (rank, rest) = [("편", 1), ("장", 2), ("절", 3), ("관", 4)]
        .iter()
        .find_map(|(word, rank)| rest.strip_prefix(word).map(|rest| (*rank, rest)))?;
    let branch_len = rest
        .strip_prefix('의')
        .and_then(|branch| number(branch).map(|(_, after)| rest.len() - after.len()))
        .unwrap_or(0);
    // `제1장의 규정에` is prose.
    let after = rest.get(branch_len..)?;
    if !(after.is_empty() || after.starts_with([' ', '\t', '<', '['])) {
        return None;
    }
    let name = text.split(['<', '〈']).next().unwrap_or(text).trim();
    Some((rank, name.to_owned()))
}

/// Reads a heading `부칙 <…>` and returns its label.
pub(super) fn addendum(text: &str) -> Option<String> {
    let squeezed: String = text.chars().take(3).filter(|letter| !letter.is_whitespace()).collect();
    let rest = text.strip_prefix("부칙").or_else(|| text.strip_prefix("부 칙"));
    let rest = rest
        .or_else(|| squeezed.starts_with("부칙").then_some(text.get("부".len()..)?.trim_start().strip_prefix('칙')?))?;
    Some(addendum_label(rest))
}

fn addendum_label(rest: &str) -> String {
    let rest = rest.trim();
    let inside = rest.trim_start_matches(['<', '(', '〈', '[']).trim_end_matches(['>', ')', '〉', ']']);
    inside.trim().to_owned()
}

/// Reads a line that opens an addendum without being a heading: `부칙 <제1호,2026.1.2>`, `부    칙`.
pub(super) fn addendum_line(line: &str, inside: bool) -> Option<String> {
    let rest = line.strip_prefix('부')?.trim_start().strip_prefix('칙')?;
    let trimmed = rest.trim();
    let labelled = trimmed.starts_with(['<', '(', '〈', '[']) && trimmed.ends_with(['>', ')', '〉', ']']);
    // Inside addenda a bare word may be quoted text, and there only a label opens the next one.
    (labelled || trimmed.is_empty() && !inside).then(|| addendum_label(rest))
}

/// Reads `별표 1의2 (제목)`, `[별표 1] 제목`, `별지 제3호서식`.
pub(super) fn annex(text: &str) -> Option<(String, Option<Numbered>, String)> {
    let text = text.trim_start_matches('■').trim_start();
    let bracket = text.starts_with('[');
    let inner = text.trim_start_matches('[').trim_start();
    let (form, rest) = match (inner.strip_prefix("별표"), inner.strip_prefix("별지")) {
        (Some(rest), _) => (false, rest),
        (None, Some(rest)) => (true, rest),
        (None, None) => return None,
    };
    let after = rest.trim_start();
    let after = after.strip_prefix('제').unwrap_or(after).trim_start();
    let (numbered, mut rest) = match number(after) {
        Some((value, after)) => {
            let after = after.strip_prefix('호').unwrap_or(after);
            match after.strip_prefix('의').and_then(number) {
                Some((branch, after)) => (Some(Numbered::new(value, Some(branch))), after),
                None => (Some(Numbered::new(value, None)), after),
            }
        }
        // `별표와 같다` is prose.
        None if rest.is_empty() || rest.starts_with([' ', ']', '(', '<', ':']) => (None, rest),
        None => return None,
    };
    rest = rest.trim_start();
    rest = rest.strip_prefix("호").unwrap_or(rest).trim_start();
    rest = rest.strip_prefix("서식").unwrap_or(rest).trim_start();
    if bracket {
        rest = rest.strip_prefix(']')?.trim_start();
    }
    let title = rest.split(['<', '〈']).next().unwrap_or_default().trim();
    let title =
        bracketed(title).filter(|(_, after)| after.trim().is_empty()).map_or(title.to_owned(), |(title, _)| title);
    let number = numbered.map(|numbered| {
        numbered.branch.map_or(numbered.number.to_string(), |branch| format!("{}의{branch}", numbered.number))
    });
    let label = match (form, number) {
        (false, Some(number)) => format!("별표 {number}"),
        (false, None) => "별표".to_owned(),
        (true, Some(number)) => match number.split_once('의') {
            Some((number, branch)) => format!("별지 제{number}호의{branch}서식"),
            None => format!("별지 제{number}호서식"),
        },
        (true, None) => "별지서식".to_owned(),
    };
    let title = title.trim_start_matches([':', '.', '-']).trim().to_owned();
    Some((label, numbered, title))
}

/// Undoes Markdown: emphasis around paragraph numbers and backslashes before signs.
pub(super) fn unescape(line: &str) -> String {
    if !line.contains(['\\', '*']) {
        return line.to_owned();
    }
    let mut plain = String::with_capacity(line.len());
    let mut letters = line.chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            '\\' if letters.peek().is_some_and(char::is_ascii_punctuation) => plain.extend(letters.next()),
            '*' if letters.peek() == Some(&'*') => {
                letters.next();
            }
            _ => plain.push(letter),
        }
    }
    plain
}

/// Joins lines into a text without outer blank lines and with one blank line at most inside.
pub(super) fn join(lines: &[String]) -> String {
    let mut text = String::new();
    let mut blank = 0;
    for line in lines {
        let line = line.trim_end();
        if line.is_empty() {
            blank += 1;
            continue;
        }
        if !text.is_empty() {
            text.push_str(if blank > 0 { "\n\n" } else { "\n" });
        }
        blank = 0;
        text.push_str(line);
    }
    // The first line keeps no indentation: it is where the article begins.
    text.trim_start().to_owned()
}

/// Tells whether an article says nothing but that it was deleted.
pub(super) fn is_deleted(title: &str, text: &str) -> bool {
    let said = strip_marks(text);
    let said = said.trim().trim_end_matches('.').trim_matches(['(', ')']).trim();
    said == "삭제" || (said.is_empty() && title == "삭제")
}

/// Takes amendment marks out: `<개정 2010.5.17>`, `[전문개정 2008.12.31]`, `<신설 …>`.
pub fn strip_marks(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(['<', '[', '〈']) {
        let (before, from) = rest.split_at(at);
        plain.push_str(before);
        let close = match from.chars().next() {
            Some('<') => '>',
            Some('〈') => '〉',
            _ => ']',
        };
        let inside = from.find(close).filter(|&end| end < 400).map(|end| (end, from.get(1..end).unwrap_or_default()));
        match inside {
            Some((end, inside)) if is_mark(inside) => {
                rest = from.get(end + close.len_utf8()..).unwrap_or_default();
            }
            _ => {
                let first = from.chars().next().map_or(0, char::len_utf8);
                plain.push_str(from.get(..first).unwrap_or_default());
                rest = from.get(first..).unwrap_or_default();
            }
        }
    }
    plain.push_str(rest);
    plain
}

/// Tells whether a bracket holds the history of the text, not text.
fn is_mark(inside: &str) -> bool {
    const WORDS: [&str; 10] =
        ["개정", "신설", "삭제", "전문개정", "본조신설", "제목개정", "시행일", "종전", "법률 제", "본항신설"];
    let inside = inside.trim_start_matches(['\u{0080}', ' ']);
    WORDS.iter().any(|word| inside.starts_with(word))
        || inside.starts_with(|letter: char| letter.is_ascii_digit()) && inside.contains('.')
        || inside.contains("에서 이동")
        || inside.contains("으로 이동")
        || inside.contains("로 이동")
}

/// Splits an article at its circled numbers. Text before the first one has no number.
pub fn paragraphs(text: &str) -> Vec<(Option<u32>, String)> {
    let mut found: Vec<(Option<u32>, String)> = Vec::new();
    for line in text.lines() {
        let number = line.trim_start().chars().next().and_then(circled);
        match (number, found.last_mut()) {
            (None, Some((_, text))) => {
                text.push('\n');
                text.push_str(line);
            }
            _ => found.push((number, line.to_owned())),
        }
    }
    for (_, text) in &mut found {
        let kept = text.trim_end().trim_start_matches('\n').len();
        if kept != text.len() {
            *text = text.trim_end().trim_start_matches('\n').to_owned();
        }
    }
    found.retain(|(_, text)| !text.trim().is_empty());
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strips_history_only() {
        let check = |text: &str, expected: &str| assert_eq!(strip_marks(text), expected, "{text}");
        check("본문 <개정 2010.5.17, 2014.1.14>", "본문 ");
        check("본문\n\n[전문개정 2008.12.31]", "본문\n\n");
        check("100[전국은 100분의 15]을 <삭제 2016.5.29>", "100[전국은 100분의 15]을 ");
        check("[제12조에서 이동 <2010.5.17>]", "");
        check("a < b", "a < b");
    }

    #[test]
    fn splits_paragraphs() {
        let found = paragraphs("① 하나\n  1. 가\n\n② 둘");
        assert_eq!(found, [(Some(1), "① 하나\n  1. 가".to_owned()), (Some(2), "② 둘".to_owned())]);
        assert_eq!(paragraphs("그냥"), [(None, "그냥".to_owned())]);
    }
}
