//! Normal forms of text: NFC, what a reader cannot see, and how far two spellings are apart.
//!
//! It changes nothing of the meaning: case, spaces and punctuation stay as they are.

use unicode_normalization::{UnicodeNormalization, char::is_combining_mark};

/// Returns the canonical composed form, in which `은` is one character however it was typed.
pub fn nfc(text: &str) -> String {
    text.nfc().collect()
}

/// Returns the text composed, with narrow letters and digits and without invisible characters.
///
/// It stops short of NFKC, which would turn ① into 1 and the middle dot ㆍ into a vowel.
pub fn plain(text: &str) -> String {
    text.nfc().filter(|&letter| !is_invisible(letter)).map(narrow).collect()
}

/// Full-width letters, digits and signs are the same as their narrow forms.
pub fn narrow(letter: char) -> char {
    match letter {
        '\u{FF01}'..='\u{FF5E}' => char::from_u32(u32::from(letter) - 0xFEE0).unwrap_or(letter),
        '\u{3000}' => ' ',
        _ => letter,
    }
}

/// Tells whether a character shows nothing and only steers layout or hides text.
///
/// Zero-width characters split a word for a matcher while a reader sees none of it, and
/// bidirectional controls can make a text read otherwise than it is stored.
pub fn is_invisible(letter: char) -> bool {
    matches!(
        letter,
        '\u{00AD}'
            | '\u{034F}'
            | '\u{061C}'
            | '\u{115F}'
            | '\u{1160}'
            | '\u{17B4}'
            | '\u{17B5}'
            | '\u{180B}'..='\u{180F}'
            | '\u{200B}'..='\u{200F}'
            | '\u{202A}'..='\u{202E}'
            | '\u{2060}'..='\u{206F}'
            | '\u{3164}'
            | '\u{FE00}'..='\u{FE0F}'
            | '\u{FEFF}'
            | '\u{FFA0}'
            | '\u{FFF9}'..='\u{FFFB}'
            | '\u{1D173}'..='\u{1D17A}'
            | '\u{E0000}'..='\u{E01EF}'
    )
}

/// Removes invisible and bidirectional controls, and control codes other than line ends and tabs.
pub fn strip_invisible(text: &str) -> String {
    text.chars()
        .filter(|&letter| !is_invisible(letter) && (!letter.is_control() || matches!(letter, '\n' | '\r' | '\t')))
        .collect()
}

/// Calls `each` with every piece of `text` that normalises by itself, and its byte offset.
///
/// A piece starts at a character that composes with nothing before it: combining marks and the
/// vowel and final jamo of a decomposed syllable belong to the piece of their base.
pub fn visit_segments(text: &str, mut each: impl FnMut(&str, usize)) {
    let mut start = 0;
    for (at, letter) in text.char_indices() {
        let joins = is_combining_mark(letter)
            || unicode_normalization::char::canonical_combining_class(letter) != 0
            || matches!(letter, '\u{1160}'..='\u{11FF}');
        if at != start && !joins {
            if let Some(segment) = text.get(start..at) {
                each(segment, start);
            }
            start = at;
        }
    }
    if let Some(segment) = text.get(start..).filter(|segment| !segment.is_empty()) {
        each(segment, start);
    }
}

/// Returns the letters of a text with every Hangul syllable taken apart into its jamo.
///
/// A typing slip changes one jamo of a syllable, so distance is measured here, not on syllables.
pub fn jamo(text: &str) -> Vec<char> {
    let mut letters = Vec::with_capacity(text.len());
    for letter in text.nfc() {
        match letter {
            '가'..='힣' => {
                let index = u32::from(letter) - 0xAC00;
                letters.extend(char::from_u32(0x1100 + index / 588));
                letters.extend(char::from_u32(0x1161 + index % 588 / 28));
                if index % 28 != 0 {
                    letters.extend(char::from_u32(0x11A7 + index % 28));
                }
            }
            _ => letters.extend(letter.to_lowercase()),
        }
    }
    letters
}

/// Returns how many jamo must be added, taken away, changed or swapped with a neighbour to get
/// from one text to the other, or nothing when it is more than `max`.
pub fn jamo_distance(left: &str, right: &str, max: usize) -> Option<usize> {
    edit_distance(&jamo(left), &jamo(right), max)
}

/// Returns the edit distance with transpositions of two letter sequences if it is at most `max`.
pub fn edit_distance(left: &[char], right: &[char], max: usize) -> Option<usize> {
    if left.len().abs_diff(right.len()) > max {
        return None;
    }
    let mut before: Vec<usize> = Vec::new();
    let mut above: Vec<usize> = (0..=right.len()).collect();
    for (row, &from) in left.iter().enumerate() {
        let mut current = Vec::with_capacity(right.len() + 1);
        current.push(row + 1);
        for (column, &to) in right.iter().enumerate() {
            let cell = |line: &[usize], index: usize| line.get(index).copied().unwrap_or(usize::MAX / 2);
            let mut best = (cell(&above, column) + usize::from(from != to))
                .min(cell(&above, column + 1) + 1)
                .min(cell(&current, column) + 1);
            let swapped = row > 0
                && column > 0
                && left.get(row - 1) == Some(&to)
                && right.get(column - 1) == Some(&from)
                && from != to;
            if swapped {
                best = best.min(cell(&before, column - 1) + 1);
            }
            current.push(best);
        }
        if current.iter().min().is_some_and(|&best| best > max) {
            return None;
        }
        before = std::mem::replace(&mut above, current);
    }
    above.last().copied().filter(|&distance| distance <= max)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strips_what_cannot_be_seen() {
        assert_eq!(strip_invisible("은\u{200B}행\u{202E}법\u{7}\n"), "은행법\n");
    }

    #[test]
    fn segments_cover_the_text() {
        let text: String = "각 金 e\u{301}x".nfd().collect();
        let mut joined = String::new();
        visit_segments(&text, |segment, start| {
            assert_eq!(start, joined.len());
            joined.push_str(segment);
        });
        assert_eq!(joined, text);
    }

    #[test]
    fn distance_counts_jamo() {
        let check = |left: &str, right: &str, max: usize, expected: Option<usize>| {
            assert_eq!(jamo_distance(left, right, max), expected, "{left} {right}");
        };
        check("중도상한수수료", "중도상환수수료", 2, Some(1));
        check("요규권", "요구권", 2, Some(1));
        check("은행", "은행", 0, Some(0));
        check("은행", "보험업", 2, None);
        check("ab", "ba", 1, Some(1));
    }
}
