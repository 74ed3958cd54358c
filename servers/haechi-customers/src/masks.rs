//! Masks that SQLite cannot compute itself: pseudonyms, free text, JSON keys, kept characters.
//!
//! PostgreSQL and MariaDB compute the same in SQL; a pseudonym is the same in all three, so that a
//! bank may move its data without its analysts losing their joins.

use std::fmt::Write as _;
use std::sync::LazyLock;

use regex::Regex;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

/// The key of the pseudonyms, as the two pads of HMAC-SHA256.
#[derive(Clone)]
pub struct TokenKey {
    inner: [u8; 64],
    outer: [u8; 64],
}

impl TokenKey {
    pub fn new(key: &[u8]) -> Self {
        let mut block = [0_u8; 64];
        let short: Vec<u8> = if key.len() > 64 { Sha256::digest(key).to_vec() } else { key.to_vec() };
        for (slot, byte) in block.iter_mut().zip(&short) {
            *slot = *byte;
        }
        Self { inner: block.map(|byte| byte ^ 0x36), outer: block.map(|byte| byte ^ 0x5c) }
    }

    /// A key that lasts as long as the process, for settings without one.
    pub fn of_this_process() -> Self {
        // The standard library seeds its hash maps from the system's random source.
        use std::hash::{BuildHasher as _, Hasher as _};
        let mut bytes = Vec::with_capacity(64);
        while bytes.len() < 64 {
            let state = std::collections::hash_map::RandomState::new();
            let mut hasher = state.build_hasher();
            hasher.write_usize(bytes.len());
            bytes.extend_from_slice(&hasher.finish().to_ne_bytes());
        }
        Self::new(&bytes)
    }

    /// The pads in hexadecimal, for databases that compute pseudonyms themselves.
    pub fn pads(&self) -> (String, String) {
        (hexadecimal(&self.inner), hexadecimal(&self.outer))
    }

    /// The pseudonym of a value: the prefix and 64 bits of the keyed hash.
    pub fn token(&self, prefix: &str, value: &str) -> String {
        let inner = Sha256::new()
            .chain_update(self.inner)
            .chain_update(prefix)
            .chain_update("\n")
            .chain_update(value)
            .finalize();
        let outer = Sha256::new().chain_update(self.outer).chain_update(inner).finalize();
        let digits = hexadecimal(&outer);
        format!("{prefix}{}", digits.get(..16).unwrap_or(&digits))
    }
}

pub(crate) fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Names of people where the text itself says that it is one, and postal addresses. Numbers are
/// found by `haechi_korean::personal`.
static PEOPLE: LazyLock<Vec<(Regex, &str)>> = LazyLock::new(|| {
    let family = "김이박최정강조윤장임한오서신권황안송류홍전고문양손배백허유남심노하곽성차주우구나진지엄채원천방공현함변염여추도소석선설마길연위표명기반라왕금옥육인맹제모탁국어은편용";
    let rules = [
        (format!("[{family}][가-힣]{{1,2}}(?P<keep> ?(?:님|씨|고객))"), "[성명]"),
        (
            r"[A-Z]{3,} (?:ALPHA|BRAVO|CHARLIE|DELTA|ECHO)|[A-Z]{2,}(?: [A-Z]{2,}){1,3}(?P<keep> ?(?:님|씨|고객))"
                .to_owned(),
            "[성명]",
        ),
        (
            r"[가-힣]+(?:시|도) [가-힣]+(?:구|군|시) [가-힣0-9]+(?:로|길) ?[0-9-]+(?:[0-9, -]*(?:동|호|층))*"
                .to_owned(),
            "[주소]",
        ),
    ];
    rules.into_iter().filter_map(|(pattern, label)| Regex::new(&pattern).ok().map(|regex| (regex, label))).collect()
});

/// Free text with everything personal in it replaced by its name.
pub(crate) fn scan(text: &str) -> String {
    let (mut masked, _) = haechi_korean::personal::mask(text);
    for (regex, label) in PEOPLE.iter() {
        if regex.is_match(&masked) {
            masked = regex
                .replace_all(&masked, |found: &regex::Captures<'_>| {
                    let keep = found.name("keep").map_or("", |keep| keep.as_str());
                    format!("{label}{keep}")
                })
                .into_owned();
        }
    }
    masked
}

/// A JSON object with only the allowed keys; whatever is not an object becomes nothing.
pub(crate) fn json(text: &str, allow: &str) -> Option<String> {
    let document: Map<String, Value> = serde_json::from_str(text).ok()?;
    let kept: Map<String, Value> =
        document.into_iter().filter(|(key, _)| allow.lines().any(|allowed| allowed == key)).collect();
    serde_json::to_string(&kept).ok()
}

/// Keeps some characters and the separators between the others.
pub(crate) fn partial(text: &str, first: usize, last: usize, domain: bool, fill: char) -> String {
    let stars = || fill.to_string().repeat(3);
    if domain {
        return match text.find('@') {
            Some(at) => format!("{}{}", stars(), text.get(at..).unwrap_or_default()),
            None => stars(),
        };
    }
    let count = text.chars().count();
    // A value no longer than what may stay would stay whole, so it is hidden whole.
    if count <= first + last {
        return stars();
    }
    text.chars()
        .enumerate()
        .map(|(index, character)| {
            let kept = index < first || count - last <= index || matches!(character, '-' | ' ');
            if kept { character } else { fill }
        })
        .collect()
}

/// The lower bound of the bucket that holds a number.
pub(crate) fn bucket(value: f64, size: f64) -> f64 {
    (value / size).floor() * size
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pseudonyms_are_hmac_sha256() {
        // RFC 4231, test case 2, cut to 64 bits: the key "Jefe" and the data behind a prefix.
        let key = TokenKey::new(b"Jefe");
        let inner = Sha256::new().chain_update(key.inner).chain_update(b"what do ya want for nothing?").finalize();
        let outer = Sha256::new().chain_update(key.outer).chain_update(inner).finalize();
        assert_eq!(hexadecimal(&outer), "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
        assert_eq!(key.token("a_", "1"), key.token("a_", "1"));
        assert_ne!(key.token("a_", "1"), TokenKey::new(b"other").token("a_", "1"));
        assert_ne!(TokenKey::of_this_process().token("a_", "1"), TokenKey::of_this_process().token("a_", "1"));
    }

    #[track_caller]
    fn check_partial(text: &str, first: usize, last: usize, domain: bool, expected: &str) {
        assert_eq!(partial(text, first, last, domain, '*'), expected);
    }

    #[test]
    fn kept_characters_and_separators_stay() {
        check_partial("010-0123-4567", 0, 4, false, "***-****-4567");
        check_partial("김가온", 1, 0, false, "김**");
        check_partial("김", 1, 0, false, "***");
        check_partial("a@example.com", 0, 0, true, "***@example.com");
        check_partial("no at sign", 0, 0, true, "***");
    }

    #[track_caller]
    fn check_scan(text: &str, expected: &str) {
        assert_eq!(scan(text), expected);
    }

    #[test]
    fn free_text_loses_what_is_personal() {
        check_scan("윤슬옹 님께", "[성명] 님께");
        check_scan(
            "강마루 고객 본인 확인 후 주소 변경 (가상시 부산구 해오름로 12, 3동 1201호)",
            "[성명] 고객 본인 확인 후 주소 변경 ([주소])",
        );
        check_scan("연락처 010-0123-4567 로 통화함", "연락처 [전화번호] 로 통화함");
        check_scan("금리 문의 안내", "금리 문의 안내");
    }

    #[test]
    fn json_keeps_only_allowed_keys() {
        assert_eq!(json(r#"{"lang":"ko","phone":"010"}"#, "lang\nchannels").as_deref(), Some(r#"{"lang":"ko"}"#));
        assert_eq!(json("[1]", "lang"), None);
    }
}
