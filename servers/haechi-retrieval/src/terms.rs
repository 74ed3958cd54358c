//! Text to sparse vectors: syllable bigrams, hashed, with the weights of BM25.
//!
//! The engine multiplies by the inverse document frequency, so a document vector holds only the
//! saturated term frequency and a query vector only ones. The terms of the title and the headings
//! count several times: they say what a passage is about.

use std::collections::HashMap;

use haechi_korean::{analysis, citation};

use crate::store::Sparse;

/// The numbers of the weighting. A collection records the ones it was built with.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Weighting {
    pub k1: f32,
    pub b: f32,
    /// The length in terms that counts as usual. A constant, so that the same passage has the same
    /// vector whatever else is in the collection; measured on statutes, see docs/benchmarks.
    pub usual_terms: f32,
    /// How often a term of the headings counts.
    pub heading: f32,
    /// How often a term of the title counts.
    pub title: f32,
    /// How often the whole title counts as a term of its own.
    pub whole_title: f32,
}

impl Default for Weighting {
    fn default() -> Self {
        Self { k1: 1.2, b: 0.4, usual_terms: 350.0, heading: 3.0, title: 1.0, whole_title: 2.0 }
    }
}

/// The parts of a passage that it is found by.
#[derive(Debug, Clone, Copy)]
pub struct Parts<'a> {
    pub title: &'a str,
    pub heading: &'a [String],
    pub text: &'a str,
}

/// The vector of a passage.
pub fn of_passage(parts: &Parts<'_>, weighting: &Weighting) -> Sparse {
    let mut counts: HashMap<u32, f32> = HashMap::new();
    let mut length = 0.0_f32;
    let mut count = |text: &str, weight: f32| {
        analysis::visit(text, |term, _, _| {
            *counts.entry(hash(term.as_bytes())).or_default() += weight;
            length += 1.0;
        });
    };
    count(parts.text, 1.0);
    count(parts.title, weighting.title);
    for heading in parts.heading {
        count(heading, weighting.heading);
    }
    for heading in parts.heading {
        for reference in citation::find(heading) {
            if let (0, Some(term)) = (reference.start, article_term(&reference)) {
                *counts.entry(term).or_default() += weighting.heading;
            }
        }
    }
    if let Some(term) = name_term(parts.title) {
        *counts.entry(term).or_default() += weighting.whole_title;
    }
    let norm = weighting.k1 * (1.0 - weighting.b + weighting.b * length / weighting.usual_terms);
    let weighted = |frequency: f32| frequency * (weighting.k1 + 1.0) / (frequency + norm);
    sorted(counts.into_iter().map(|(term, frequency)| (term, weighted(frequency))))
}

/// The vector of a query. A term that stands twice counts once.
pub fn of_query(query: &str) -> Sparse {
    let mut terms: HashMap<u32, f32> = HashMap::new();
    analysis::visit(query, |term, _, _| {
        terms.insert(hash(term.as_bytes()), 1.0);
    });
    // A question that begins with the name of a document means that one and not those whose names
    // contain it, as every decree contains the name of its law.
    let mut name = String::new();
    for word in query.split_whitespace().take(NAME_WORDS_MAX) {
        name.push_str(word);
        terms.extend(name_term(&name).map(|term| (term, 1.0)));
    }
    for reference in citation::find(query) {
        if let Some(term) = article_term(&reference) {
            terms.insert(term, 1.0);
        }
    }
    sorted(terms.into_iter())
}

/// Words of a question that may be the name of a document.
const NAME_WORDS_MAX: usize = 12;

/// A whole name as one term, however it is spaced and quoted.
fn name_term(name: &str) -> Option<u32> {
    let compact: String = name.chars().filter(|letter| letter.is_alphanumeric()).flat_map(char::to_lowercase).collect();
    (!compact.is_empty()).then(|| hash(format!("={compact}").as_bytes()))
}

/// `제34조의2` as one term, since its digits alone stand everywhere. Only headings that begin with
/// an article have it, so that a query for an article finds the article and not who cites it.
fn article_term(reference: &citation::Reference) -> Option<u32> {
    let citation::Target::Place(place) = &reference.target else {
        return None;
    };
    let article = place.article?;
    Some(hash(format!("§{article}").as_bytes()))
}

fn sorted(terms: impl Iterator<Item = (u32, f32)>) -> Sparse {
    let mut terms: Vec<(u32, f32)> = terms.collect();
    terms.sort_by_key(|(term, _)| *term);
    let (indices, values) = terms.into_iter().unzip();
    Sparse { indices, values }
}

/// MurmurHash3, 32 bits, seed 0: the numbering of terms that Qdrant's own sparse encoders use.
fn hash(bytes: &[u8]) -> u32 {
    const C1: u32 = 0xcc9e_2d51;
    const C2: u32 = 0x1b87_3593;
    let scramble = |block: u32| block.wrapping_mul(C1).rotate_left(15).wrapping_mul(C2);
    let mut state = 0_u32;
    let mut blocks = bytes.chunks_exact(4);
    for block in &mut blocks {
        let block = block.iter().rev().fold(0, |word, byte| word << 8 | u32::from(*byte));
        state = (state ^ scramble(block)).rotate_left(13).wrapping_mul(5).wrapping_add(0xe654_6b64);
    }
    let tail = blocks.remainder();
    if !tail.is_empty() {
        state ^= scramble(tail.iter().rev().fold(0, |word, byte| word << 8 | u32::from(*byte)));
    }
    state ^= u32::try_from(bytes.len()).unwrap_or(u32::MAX);
    state = (state ^ state >> 16).wrapping_mul(0x85eb_ca6b);
    state = (state ^ state >> 13).wrapping_mul(0xc2b2_ae35);
    state ^ state >> 16
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_as_published() {
        // Vectors of the reference implementation with seed 0.
        let check = |text: &str, expected: u32| assert_eq!(hash(text.as_bytes()), expected, "{text}");
        check("", 0);
        check("a", 0x3c25_69b2);
        check("test", 0xba6b_d213);
        check("hello", 0x248b_fa47);
        check("Hello, world!", 0xc036_3e43);
        check("The quick brown fox jumps over the lazy dog", 0x2e4f_f723);
    }

    fn overlap(left: &Sparse, right: &Sparse) -> f32 {
        left.indices
            .iter()
            .zip(&left.values)
            .filter_map(|(term, value)| {
                let at = right.indices.binary_search(term).ok()?;
                Some(value * right.values.get(at)?)
            })
            .sum()
    }

    #[test]
    fn particles_do_not_hide_a_word_and_headings_weigh_more() {
        let heading = ["제20조(중도상환수수료)".to_owned()];
        let weighting = Weighting::default();
        let titled = of_passage(&Parts { title: "법", heading: &heading, text: "받지 못한다." }, &weighting);
        let mentioned =
            of_passage(&Parts { title: "법", heading: &[], text: "중도상환수수료는 받지 못한다." }, &weighting);
        let query = of_query("중도상환수수료");
        assert!(overlap(&mentioned, &query) > 0.0);
        assert!(overlap(&titled, &query) > overlap(&mentioned, &query));
    }

    #[test]
    fn the_name_of_a_law_is_not_that_of_its_decree() {
        let weighting = Weighting::default();
        let [law, decree] = ["은행법", "은행법 시행령"]
            .map(|title| of_passage(&Parts { title, heading: &[], text: "이를 정한다." }, &weighting));
        let query = of_query("「은행법」 제35조");
        assert!(overlap(&law, &query) > overlap(&decree, &query));
        let query = of_query("은행법 시행령 제35조");
        assert!(overlap(&decree, &query) > overlap(&law, &query));
    }

    #[test]
    fn an_article_is_found_by_its_number_in_any_spelling() {
        let heading = ["제34조의2 (불건전 영업행위)".to_owned()];
        let parts = Parts { title: "은행법", heading: &heading, text: "" };
        let other = ["제34조 (경영지도)".to_owned()];
        let weighting = Weighting::default();
        let query = of_query("은행법 34조의2");
        let wanted = overlap(&of_passage(&parts, &weighting), &query);
        let beside = overlap(&of_passage(&Parts { heading: &other, ..parts }, &weighting), &query);
        assert!(wanted > beside + 1.0, "{wanted} {beside}");
    }
}
