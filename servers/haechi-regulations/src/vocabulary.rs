//! Everyday words to the words of statutes, from an editable file.

use aho_corasick::AhoCorasick;

use crate::names::squeeze;

/// The file that is shipped; settings may name another one that is read as well.
pub const SHIPPED: &str = include_str!("../data/vocabulary.txt");

/// What to search for besides what was written.
pub struct Vocabulary {
    automaton: Option<AhoCorasick>,
    /// For every everyday word the legal words of its line.
    legal: Vec<Vec<String>>,
}

impl Vocabulary {
    pub fn new(own: Option<&str>) -> Self {
        let mut everyday = Vec::new();
        let mut legal = Vec::new();
        for line in SHIPPED.lines().chain(own.unwrap_or_default().lines()) {
            let line = line.split('#').next().unwrap_or_default();
            let Some((left, right)) = line.split_once('=') else { continue };
            let words: Vec<String> =
                right.split(',').map(str::trim).filter(|word| !word.is_empty()).map(str::to_owned).collect();
            for word in left.split(',').map(|word| squeeze(word).to_lowercase()).filter(|word| !word.is_empty()) {
                everyday.push(word);
                legal.push(words.clone());
            }
        }
        let automaton = AhoCorasick::builder().build(&everyday).ok();
        Self { automaton, legal }
    }

    /// The legal words for the everyday words that a query holds, each once.
    pub fn expand(&self, query: &str) -> Vec<String> {
        let Some(automaton) = &self.automaton else { return Vec::new() };
        let squeezed = squeeze(query).to_lowercase();
        let mut words: Vec<String> = Vec::new();
        for found in automaton.find_overlapping_iter(&squeezed) {
            // `페이` is a payment service, not a piece of `페이지`: Latin words match as whole ones.
            let latin = |letter: Option<char>| letter.is_some_and(|letter| letter.is_ascii_alphanumeric());
            let first = squeezed.get(found.start()..).and_then(|rest| rest.chars().next());
            let glued = latin(first)
                && (latin(squeezed.get(..found.start()).and_then(|before| before.chars().next_back()))
                    || latin(squeezed.get(found.end()..).and_then(|after| after.chars().next())));
            if glued {
                continue;
            }
            for word in self.legal.get(found.pattern().as_usize()).into_iter().flatten() {
                if !words.contains(word) {
                    words.push(word.clone());
                }
            }
        }
        words
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expands_whatever_the_spacing() {
        let vocabulary = Vocabulary::new(Some("도우미 = 고객응대직원"));
        let check = |query: &str, expected: &str| {
            assert!(vocabulary.expand(query).iter().any(|word| word == expected), "{query}");
        };
        check("돈 세탁이 의심", "자금세탁행위");
        check("도우미를 부르다", "고객응대직원");
        check("KYC 절차", "고객확인의무");
        assert!(!vocabulary.expand("skycdd").iter().any(|word| word == "고객확인의무"));
    }
}
