//! The lexical analyser that every index of ours shares: text in, terms with byte offsets out.
//!
//! Korean runs become overlapping syllable bigrams, since they rank as well as morphemes on law
//! texts, need no dictionary and survive a typing slip; Latin letters and digits stay whole. It
//! does no stemming and knows no stop words: what a term is worth is the ranking's business.
//!
//! Offsets point into the text as it was given, not into its normal form: NFC is not a no-op on
//! statutes (compatibility ideographs) nor on file names from macOS (decomposed syllables).

use unicode_normalization::{IsNormalized, UnicodeNormalization, is_nfc_quick};

/// Goes up whenever the same text may give other terms, so that an index knows it is stale.
pub const ANALYSER_VERSION: u32 = 1;

/// One term with the bytes of the original text that it covers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Term {
    pub text: String,
    pub start: usize,
    pub end: usize,
}

/// Returns the terms of a text in reading order.
pub fn terms(text: &str) -> Vec<Term> {
    let mut found = Vec::with_capacity(text.len() / 3);
    visit(text, |term, start, end| found.push(Term { text: term.to_owned(), start, end }));
    found
}

/// Calls `each` with every term and its byte offsets; indexing uses it to spare the allocations.
pub fn visit(text: &str, mut each: impl FnMut(&str, usize, usize)) {
    let letters = letters(text);
    let mut buffer = String::with_capacity(32);
    let mut at = 0;
    while let Some(first) = letters.get(at) {
        let class = classify(first.letter);
        let mut end = at + 1;
        while end < letters.len() && continues(&letters, end, class) {
            end += 1;
        }
        if let Some(run) = letters.get(at..end) {
            match class {
                Class::Syllable => syllables(run, &mut buffer, &mut each),
                Class::Word => word(run, &mut buffer, &mut each),
                Class::Separator => {}
            }
        }
        at = end;
    }
}

/// One character of the normal form and the bytes of the original that it came from.
#[derive(Debug, Clone, Copy)]
struct Letter {
    letter: char,
    start: usize,
    end: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Class {
    Syllable,
    Word,
    Separator,
}

fn classify(letter: char) -> Class {
    match letter {
        // Every dot that Korean texts put between nouns; U+318D counts as a Hangul letter in
        // Unicode, which would glue `인가ㆍ허가` together.
        'ㆍ' | '·' | '‧' | '•' | '・' | '･' | '∙' | '⋅' => Class::Separator,
        '가'..='힣' | 'ㄱ'..='ㆎ' | '\u{1100}'..='\u{11FF}' => Class::Syllable,
        '\u{3400}'..='\u{4DBF}' | '\u{4E00}'..='\u{9FFF}' | '\u{F900}'..='\u{FAFF}' | '\u{20000}'..='\u{323AF}' => {
            Class::Syllable
        }
        'ぁ'..='ヿ' => Class::Syllable,
        // Circled and bracketed numbers mark paragraphs; they are no words of the text.
        '\u{2460}'..='\u{24FF}' | '\u{2776}'..='\u{2793}' | '\u{3200}'..='\u{32FF}' => Class::Separator,
        _ if letter.is_alphanumeric() => Class::Word,
        _ => Class::Separator,
    }
}

fn continues(letters: &[Letter], at: usize, class: Class) -> bool {
    let Some(here) = letters.get(at) else {
        return false;
    };
    if classify(here.letter) == class {
        return true;
    }
    class == Class::Word && here.letter == ',' && groups_thousands(letters, at)
}

/// Tells whether the comma at `at` stands inside a number such as `1,000`, not in a list `1,2`.
fn groups_thousands(letters: &[Letter], at: usize) -> bool {
    let digit = |index: Option<usize>| {
        index.and_then(|index| letters.get(index)).is_some_and(|letter| letter.letter.is_ascii_digit())
    };
    digit(at.checked_sub(1))
        && digit(Some(at + 1))
        && digit(Some(at + 2))
        && digit(Some(at + 3))
        && !digit(Some(at + 4))
}

fn syllables(run: &[Letter], buffer: &mut String, each: &mut impl FnMut(&str, usize, usize)) {
    if let [only] = run {
        buffer.clear();
        buffer.push(only.letter);
        each(buffer, only.start, only.end);
    }
    for pair in run.windows(2) {
        let [left, right] = pair else { continue };
        buffer.clear();
        buffer.push(left.letter);
        buffer.push(right.letter);
        each(buffer, left.start, right.end);
    }
}

fn word(run: &[Letter], buffer: &mut String, each: &mut impl FnMut(&str, usize, usize)) {
    let (Some(first), Some(last)) = (run.first(), run.last()) else {
        return;
    };
    buffer.clear();
    buffer.extend(run.iter().map(|letter| letter.letter).filter(|&letter| letter != ',').flat_map(char::to_lowercase));
    each(buffer, first.start, last.end);
}

/// Returns the characters of the normal form without invisible ones, each with its origin.
fn letters(text: &str) -> Vec<Letter> {
    let mut letters = Vec::with_capacity(text.len() / 2);
    let mut push = |letter: char, start: usize, end: usize| {
        if !crate::text::is_invisible(letter) {
            letters.push(Letter { letter: crate::text::narrow(letter), start, end });
        }
    };
    if is_nfc_quick(text.chars()) == IsNormalized::Yes {
        for (start, letter) in text.char_indices() {
            push(letter, start, start + letter.len_utf8());
        }
    } else {
        crate::text::visit_segments(text, |segment, start| {
            for letter in segment.nfc() {
                push(letter, start, start + segment.len());
            }
        });
    }
    letters
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &[&str]) {
        let found = terms(text);
        assert_eq!(found.iter().map(|term| term.text.as_str()).collect::<Vec<_>>(), expected, "{text:?}");
        for term in found {
            assert!(text.get(term.start..term.end).is_some(), "{term:?} does not fall on characters of {text:?}");
        }
    }

    #[test]
    fn splits_into_bigrams_and_words() {
        check("중도상환수수료", &["중도", "도상", "상환", "환수", "수수", "수료"]);
        check("제34조의2", &["제", "34", "조의", "2"]);
        check("법", &["법"]);
        check("P2P lending", &["p2p", "lending"]);
        check("1,000만원", &["1000", "만원"]);
        check("제1,2호", &["제", "1", "2", "호"]);
        check("１억원 Ａ", &["1", "억원", "a"]);
        check("① 은행", &["은행"]);
        check("", &[]);
    }

    #[test]
    fn middle_dots_are_one_class() {
        for dot in ["ㆍ", "·", "‧", "•", "・"] {
            check(&format!("인가{dot}허가"), &["인가", "허가"]);
        }
    }

    #[test]
    fn normal_forms_give_the_same_terms_and_original_offsets() {
        let decomposed: String = "은행법 金".nfd().collect();
        check(&decomposed, &["은행", "행법", "金"]);
        let found = terms(&decomposed);
        let first = &found[0];
        assert_eq!(decomposed[first.start..first.end].nfc().collect::<String>(), "은행");
        check("연간 \u{F98E}", &["연간", "年"]);
    }

    #[test]
    fn invisible_characters_do_not_split_a_word() {
        check("은\u{200B}행\u{FEFF}법", &["은행", "행법"]);
    }
}
