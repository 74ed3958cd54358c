//! Bytes to text: which encoding, one normal form, nothing invisible.
//!
//! Korean files come as UTF-8, as CP949 from older office programs, as UTF-16 from Windows, and
//! with decomposed syllables from macOS. Positions in documents count from the text made here.

use encoding_rs::{EUC_KR, Encoding, UTF_8, UTF_16BE, UTF_16LE};
use unicode_normalization::{IsNormalized, UnicodeNormalization, is_nfc_quick};

use crate::DocumentError;

/// One unreadable character in so many is a slip; more of them is the wrong encoding or no text.
const CHARACTERS_PER_REPLACEMENT_MIN: usize = 200;

/// How many bytes are looked at to tell UTF-16 without a mark from other encodings.
const PROBE_BYTES: usize = 4096;

/// Decoded text and the name of its encoding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decoded {
    pub text: String,
    pub encoding: &'static str,
}

/// Decodes the bytes of a text file.
pub fn decode(bytes: &[u8]) -> Result<Decoded, DocumentError> {
    let (encoding, mark_bytes) =
        Encoding::for_bom(bytes).or_else(|| guess_utf16(bytes).map(|encoding| (encoding, 0))).unwrap_or((UTF_8, 0));
    let bytes = bytes.get(mark_bytes..).unwrap_or_default();
    let encoding = if encoding == UTF_8 && std::str::from_utf8(bytes).is_err() { EUC_KR } else { encoding };
    let (text, damaged) = encoding.decode_without_bom_handling(bytes);
    if damaged {
        let replaced = text.chars().filter(|&letter| letter == '\u{FFFD}').count();
        let characters = text.chars().count();
        if characters < replaced.saturating_mul(CHARACTERS_PER_REPLACEMENT_MIN) {
            return Err(DocumentError::Damaged { detail: "the bytes are text in no known encoding" });
        }
    }
    Ok(Decoded {
        text: clean(&text),
        encoding: match encoding {
            encoding if encoding == EUC_KR => "CP949",
            encoding => encoding.name(),
        },
    })
}

/// Brings text into the form that every block has: NFC, `\n` line ends, nothing invisible.
pub fn clean(text: &str) -> String {
    let mut cleaned = String::with_capacity(text.len());
    let mut push = |letter: char| {
        // A form feed is the page break of plain text, so it stays; other controls say nothing.
        let kept = matches!(letter, '\n' | '\t' | '\u{0C}')
            || (!letter.is_control() && !haechi_korean::text::is_invisible(letter));
        if kept {
            cleaned.push(letter);
        }
    };
    let unified = LineEnds { letters: text.chars().peekable() };
    if is_nfc_quick(text.chars()) == IsNormalized::Yes {
        unified.for_each(&mut push);
    } else {
        // Filler jamo are stripped after composing, since they stand for missing parts of syllables.
        unified.nfc().for_each(&mut push);
    }
    cleaned
}

/// Gives every kind of line end as one `\n`.
struct LineEnds<'a> {
    letters: std::iter::Peekable<std::str::Chars<'a>>,
}

impl Iterator for LineEnds<'_> {
    type Item = char;

    fn next(&mut self) -> Option<char> {
        match self.letters.next()? {
            '\r' => {
                self.letters.next_if_eq(&'\n');
                Some('\n')
            }
            '\u{85}' | '\u{2028}' | '\u{2029}' => Some('\n'),
            letter => Some(letter),
        }
    }
}

/// Tells UTF-16 without a mark by its zero bytes: ASCII spaces and line ends have one each.
fn guess_utf16(bytes: &[u8]) -> Option<&'static Encoding> {
    let probe = bytes.get(..PROBE_BYTES.min(bytes.len())).unwrap_or_default();
    if probe.len() < 4 || !bytes.len().is_multiple_of(2) {
        return None;
    }
    let zeros = |offset: usize| probe.iter().skip(offset).step_by(2).filter(|&&byte| byte == 0).count();
    let (even, odd) = (zeros(0), zeros(1));
    let pairs = probe.len() / 2;
    // A binary file has zeros on both sides; text has them on one.
    if odd * 20 > pairs && even == 0 {
        return Some(UTF_16LE);
    }
    if even * 20 > pairs && odd == 0 {
        return Some(UTF_16BE);
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn check(bytes: &[u8], text: &str, encoding: &str) {
        let decoded = decode(bytes).unwrap();
        assert_eq!((decoded.text.as_str(), decoded.encoding), (text, encoding));
    }

    fn utf16(text: &str, little: bool) -> Vec<u8> {
        text.encode_utf16().flat_map(|unit| if little { unit.to_le_bytes() } else { unit.to_be_bytes() }).collect()
    }

    #[test]
    fn reads_the_encodings_of_korean_files() {
        check("은행법\r\n제1조".as_bytes(), "은행법\n제1조", "UTF-8");
        check("\u{FEFF}은행법".as_bytes(), "은행법", "UTF-8");
        let (cp949, _, _) = EUC_KR.encode("여신 똠방각하");
        check(&cp949, "여신 똠방각하", "CP949");
        check(&utf16("\u{FEFF}은행 법", true), "은행 법", "UTF-16LE");
        check(&utf16("은행 법 제1조\n목적", true), "은행 법 제1조\n목적", "UTF-16LE");
        check(&utf16("은행 법 제1조\n목적", false), "은행 법 제1조\n목적", "UTF-16BE");
        let decomposed: String = "은행법".nfd().collect();
        check(decomposed.as_bytes(), "은행법", "UTF-8");
        check("은\u{200B}행\u{202E}법\u{7}".as_bytes(), "은행법", "UTF-8");
    }

    #[test]
    fn refuses_what_is_no_text() {
        let noise: Vec<u8> = (0..2000_u32).map(|index| (index.wrapping_mul(7919) >> 3) as u8 | 0x80).collect();
        assert!(matches!(decode(&noise), Err(DocumentError::Damaged { .. })));
    }

    proptest! {
        #[test]
        fn any_bytes_are_text_or_an_error(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            if let Ok(decoded) = decode(&bytes) {
                prop_assert_eq!(clean(&decoded.text), decoded.text);
            }
        }
    }
}
