//! Korean particles after words that are only known when the message is made.

/// The word with 이 or 가.
pub(crate) fn subject(word: &str) -> String {
    format!("{word}{}", if ends_in_consonant(word) { "이" } else { "가" })
}

/// The word with 은 or 는.
pub(crate) fn topic(word: &str) -> String {
    format!("{word}{}", if ends_in_consonant(word) { "은" } else { "는" })
}

/// Whether the last syllable has a final consonant; brackets behind it are no part of the word.
fn ends_in_consonant(word: &str) -> bool {
    let bare = word.split(['(', '{']).next().unwrap_or(word).trim_end_matches(|letter: char| !letter.is_alphanumeric());
    match bare.chars().next_back() {
        Some(last @ '가'..='힣') => !(u32::from(last) - 0xAC00).is_multiple_of(28),
        // 영, 일, 삼, 육, 칠, 팔 as digits; l, m, n and r as letters.
        Some(last) => matches!(last.to_ascii_lowercase(), '0' | '1' | '3' | '6' | '7' | '8' | 'l' | 'm' | 'n' | 'r'),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn particles_follow_the_last_syllable() {
        for (word, expected) in [
            ("글", "글이"),
            ("정수", "정수가"),
            ("빈 값", "빈 값이"),
            ("날짜 (예: 2026-09-30)", "날짜 (예: 2026-09-30)가"),
            ("`이름: 값` 묶음", "`이름: 값` 묶음이"),
        ] {
            assert_eq!(subject(word), expected);
        }
        assert_eq!(topic("파일"), "파일은");
    }
}
