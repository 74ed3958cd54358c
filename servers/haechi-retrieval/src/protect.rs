//! The places of a text where it must not be cut: inside numbers, amounts, dates, citations and
//! quoted names. A passage that ends in `제34조의` or `1,2` would be quoted as something else.

use std::ops::Range;

/// Byte ranges of a text that stay whole, ascending and apart.
#[derive(Debug, Clone, Default)]
pub(crate) struct Protected {
    spans: Vec<Range<usize>>,
}

/// A quoted name longer than this is no name but a passage in brackets, which may be cut.
const QUOTED_BYTES_MAX: usize = 240;

impl Protected {
    pub(crate) fn of(text: &str) -> Self {
        let mut spans = numbers(text);
        spans.extend(haechi_korean::citation::find(text).into_iter().map(|found| found.start..found.end));
        spans.extend(haechi_korean::date::find(text).into_iter().map(|found| found.start..found.end));
        spans.extend(
            haechi_korean::citation::quoted_names(text).into_iter().filter(|name| name.len() <= QUOTED_BYTES_MAX),
        );
        spans.sort_by_key(|span| (span.start, span.end));
        let mut merged: Vec<Range<usize>> = Vec::with_capacity(spans.len());
        for span in spans {
            match merged.last_mut() {
                Some(last) if span.start < last.end => last.end = last.end.max(span.end),
                _ => merged.push(span),
            }
        }
        Self { spans: merged }
    }

    /// Tells whether a cut before the byte `at` falls inside something that stays whole.
    pub(crate) fn forbids(&self, at: usize) -> bool {
        let after = self.spans.partition_point(|span| span.start < at);
        after.checked_sub(1).and_then(|index| self.spans.get(index)).is_some_and(|span| at < span.end)
    }
}

/// Numbers with what belongs to them: `1,234.5%`, `3억 2천만원`, `100 만원`, `2026. 3. 1.`.
fn numbers(text: &str) -> Vec<Range<usize>> {
    let letters: Vec<(usize, char)> = text.char_indices().collect();
    let letter = |index: usize| letters.get(index).map(|(_, letter)| *letter);
    let byte = |index: usize| letters.get(index).map_or(text.len(), |(byte, _)| *byte);
    let mut spans = Vec::new();
    let mut at = 0;
    while at < letters.len() {
        if !letter(at).is_some_and(|letter| letter.is_ascii_digit()) {
            at += 1;
            continue;
        }
        let start = match at.checked_sub(1).and_then(letter) {
            Some('-' | '+' | '△' | '▲' | '−') => at - 1,
            _ => at,
        };
        let mut end = at;
        loop {
            while letter(end).is_some_and(|letter| letter.is_ascii_digit() || is_unit(letter)) {
                end += 1;
            }
            // A point, comma or space goes on only where a digit, or a unit after a space, follows.
            let next = letter(end + 1);
            let goes_on = match letter(end) {
                Some('.' | ',' | '/' | ':' | '~' | '-') => next.is_some_and(|next| next.is_ascii_digit()),
                Some(' ') => next.is_some_and(|next| next.is_ascii_digit() || is_unit(next)),
                _ => false,
            };
            if !goes_on {
                break;
            }
            end += 1;
        }
        spans.push(byte(start)..byte(end));
        at = end.max(at + 1);
    }
    spans
}

fn is_unit(letter: char) -> bool {
    matches!(letter, '십' | '백' | '천' | '만' | '억' | '조' | '원' | '%' | '％' | '년' | '월' | '일')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_numbers_citations_and_names_whole() {
        let check = |text: &str, whole: &[&str]| {
            let found: Vec<&str> = Protected::of(text).spans.iter().filter_map(|span| text.get(span.clone())).collect();
            for expected in whole {
                assert!(found.iter().any(|span| span.contains(expected)), "{expected} is not whole in {found:?}");
            }
        };
        check("한도는 3억 2천만원이다", &["3억 2천만원"]);
        check("금액 1,234,567.8 % 초과", &["1,234,567.8 %"]);
        check("2026. 3. 1.부터", &["2026. 3. 1"]);
        check("은행법 제34조의2 제1항제3호에 따라", &["제34조의2 제1항제3호"]);
        check("「금융소비자 보호에 관한 법률」에 따른", &["금융소비자 보호에 관한 법률"]);
    }

    #[test]
    fn forbids_inside_only() {
        let text = "한도 100원 이하";
        let protected = Protected::of(text);
        let digit = text.find("00원").unwrap();
        assert!(protected.forbids(digit));
        assert!(!protected.forbids(text.find("100").unwrap()));
        assert!(!protected.forbids(text.find(" 이하").unwrap()));
    }
}
