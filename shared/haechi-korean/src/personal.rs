//! Finds and masks personal numbers in free text: what an audit line or a message must not hold.
//!
//! It works on the shape a reader sees: compatibility forms, dash variants and invisible
//! characters are undone first, and offsets still point into the original. It errs towards
//! masking: a number that looks personal is masked whether or not its check digit is right, since
//! resident numbers issued since 2020 have none.

use std::ops::Range;
use std::sync::LazyLock;

use regex::Regex;
use unicode_normalization::UnicodeNormalization;

/// What kind of personal datum a piece of text is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Kind {
    ResidentNumber,
    ForeignerNumber,
    DriverLicence,
    Passport,
    Card,
    Account,
    Phone,
    Email,
}

impl Kind {
    /// The stable name for programs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ResidentNumber => "resident_number",
            Self::ForeignerNumber => "foreigner_number",
            Self::DriverLicence => "driver_licence",
            Self::Passport => "passport",
            Self::Card => "card",
            Self::Account => "account",
            Self::Phone => "phone",
            Self::Email => "email",
        }
    }

    /// The name for people, which also stands in the masked text.
    pub fn label(self) -> &'static str {
        match self {
            Self::ResidentNumber => "주민등록번호",
            Self::ForeignerNumber => "외국인등록번호",
            Self::DriverLicence => "운전면허번호",
            Self::Passport => "여권번호",
            Self::Card => "카드번호",
            Self::Account => "계좌번호",
            Self::Phone => "전화번호",
            Self::Email => "이메일",
        }
    }
}

/// One personal datum and the bytes of the original text that it covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Found {
    pub kind: Kind,
    pub start: usize,
    pub end: usize,
}

/// Returns the personal data of a text in reading order, without overlaps.
pub fn find(text: &str) -> Vec<Found> {
    // Nothing personal is shorter than this, and most short arguments end here.
    if text.len() < 6 {
        return Vec::new();
    }
    let plain = Plain::new(text);
    let mut taken: Vec<(Range<usize>, Kind)> = Vec::new();
    for rule in RULES.iter() {
        plain.apply(rule, &mut taken);
    }
    taken.sort_by_key(|(range, _)| range.start);
    taken
        .into_iter()
        .map(|(range, kind)| {
            let range = plain.original(&range);
            Found { kind, start: range.start, end: range.end }
        })
        .collect()
}

/// Returns the text with every personal datum replaced by its bracketed name, and the kinds found.
pub fn mask(text: &str) -> (String, Vec<Kind>) {
    let mut masked = String::with_capacity(text.len());
    let mut kinds = Vec::new();
    let mut at = 0;
    for found in find(text) {
        masked.push_str(text.get(at..found.start).unwrap_or_default());
        masked.push('[');
        masked.push_str(found.kind.label());
        masked.push(']');
        kinds.push(found.kind);
        at = found.end;
    }
    masked.push_str(text.get(at..).unwrap_or_default());
    (masked, kinds)
}

/// The text as a reader sees it, in plain digits, letters and dashes, with a way back.
struct Plain {
    text: String,
    /// For every character of `text`: its byte offset and the bytes of the original behind it.
    origins: Vec<(usize, Range<usize>)>,
    original_bytes: usize,
}

impl Plain {
    fn new(original: &str) -> Self {
        let mut text = String::with_capacity(original.len());
        let mut origins = Vec::with_capacity(original.len() / 2);
        crate::text::visit_segments(original, |segment, start| {
            for letter in segment.nfkc().filter(|&letter| !crate::text::is_invisible(letter)) {
                origins.push((text.len(), start..start + segment.len()));
                text.push(plain_letter(letter));
            }
        });
        Self { text, origins, original_bytes: original.len() }
    }

    fn original(&self, range: &Range<usize>) -> Range<usize> {
        let first = self.origins.partition_point(|(at, _)| *at < range.start);
        let last = self.origins.partition_point(|(at, _)| *at < range.end);
        let start = self.origins.get(first).map_or(self.original_bytes, |(_, origin)| origin.start);
        let end = last.checked_sub(1).and_then(|last| self.origins.get(last)).map_or(start, |(_, origin)| origin.end);
        start..end
    }

    fn apply(&self, rule: &Rule, taken: &mut Vec<(Range<usize>, Kind)>) {
        let mut from = 0;
        while let Some(captures) = rule.pattern.captures_at(&self.text, from) {
            let Some(whole) = captures.get(0) else { return };
            let span = captures.name("n").unwrap_or(whole);
            let range = span.range();
            let free = taken.iter().all(|(other, _)| other.end <= range.start || range.end <= other.start);
            let kind = (free && self.stands_alone(&range, rule)).then(|| (rule.judge)(span.as_str())).flatten();
            from = match kind {
                Some(kind) => {
                    let end = range.end;
                    taken.push((range, kind));
                    end
                }
                // The next candidate may begin inside this one.
                None => next_boundary(&self.text, whole.start()),
            };
            if self.text.len() <= from {
                return;
            }
        }
    }

    /// Tells whether the candidate is a token of its own, not a piece of a longer number, of a
    /// decimal fraction or of an identifier.
    fn stands_alone(&self, range: &Range<usize>, rule: &Rule) -> bool {
        let before = self.text.get(..range.start).unwrap_or_default();
        let after = self.text.get(range.end..).unwrap_or_default();
        let mut backwards = before.chars().rev();
        let previous = backwards.next();
        let one_more = backwards.next();
        let next = after.chars().next();
        if rule.kind_of_edge == Edge::Letters {
            return true;
        }
        let fraction = previous == Some('.') && one_more.is_some_and(|letter| letter.is_ascii_digit());
        let glued = |letter: Option<char>| letter.is_some_and(|letter| letter.is_ascii_alphanumeric());
        let dashed_on = after.strip_prefix('-').is_some_and(|rest| glued(rest.chars().next()));
        let dashed_before = previous == Some('-') && glued(one_more);
        !glued(previous) && !glued(next) && !fraction && !dashed_on && !dashed_before
    }
}

fn next_boundary(text: &str, at: usize) -> usize {
    text.get(at..).and_then(|rest| rest.chars().next()).map_or(text.len(), |letter| at + letter.len_utf8())
}

fn plain_letter(letter: char) -> char {
    match letter {
        '‐' | '‑' | '‒' | '–' | '—' | '―' | '−' | '﹘' | '﹣' | '－' | '⁃' | '˗' | 'ㅡ' | 'ー' | '─' | '~' | '〜'
        | '∼' => '-',
        '\u{00A0}' | '\u{2000}'..='\u{200A}' | '\u{202F}' | '\u{205F}' | '\u{3000}' | '\t' => ' ',
        _ => digit(letter).unwrap_or(letter),
    }
}

/// Digits of other scripts that a number could be written in to slip past a filter.
fn digit(letter: char) -> Option<char> {
    const ZEROS: [u32; 12] =
        [0x0660, 0x06F0, 0x07C0, 0x0966, 0x09E6, 0x0A66, 0x0AE6, 0x0B66, 0x0BE6, 0x0E50, 0x17E0, 0x1810];
    let code = u32::from(letter);
    ZEROS.iter().find(|&&zero| (zero..zero + 10).contains(&code)).and_then(|zero| char::from_digit(code - zero, 10))
}

#[derive(PartialEq, Eq)]
enum Edge {
    /// Digits and ASCII letters may not touch the candidate.
    Number,
    /// The pattern sees to its own edges.
    Letters,
}

struct Rule {
    pattern: Regex,
    kind_of_edge: Edge,
    judge: fn(&str) -> Option<Kind>,
}

/// In the order of certainty: a span belongs to the first rule that takes it.
static RULES: LazyLock<Vec<Rule>> = LazyLock::new(|| {
    let rule = |pattern: &str, kind_of_edge, judge| Rule { pattern: compile(pattern), kind_of_edge, judge };
    vec![
        rule(
            r"[A-Za-z0-9][A-Za-z0-9._%+'-]*@(?:[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?\.)+[A-Za-z]{2,24}",
            Edge::Letters,
            |_| Some(Kind::Email),
        ),
        rule(r"\d{2}-\d{2}-\d{6}-\d{2}", Edge::Number, |_| Some(Kind::DriverLicence)),
        rule(
            r"(?:서울|부산|경기|강원|충북|충남|전북|전남|경북|경남|제주|대구|인천|광주|대전|울산)[ -]{0,2}(?P<n>\d{2}[- ]\d{6}[- ]\d{2})",
            Edge::Number,
            |_| Some(Kind::DriverLicence),
        ),
        rule(r"면허[^\d\n]{0,12}(?P<n>\d{12})", Edge::Number, |_| Some(Kind::DriverLicence)),
        rule(r"\d(?: ?\d){5} {0,2}[-./_:] {0,2}\d(?: ?\d){6}", Edge::Number, resident_dashed),
        rule(r"\d{6} ?\d{7}", Edge::Number, resident_bare),
        rule(r"\d{4}[- ]?\d{4}[- ]?\d{4}[- ]?\d{1,7}", Edge::Number, card),
        rule(r"\d{4}[- ]?\d{6}[- ]?\d{4,5}", Edge::Number, card),
        rule(
            r"(?:\+ ?82|0082)[- )]{0,2}(?:\(0\))?0?(?:1[016789]|2|[3-6]\d|70|50\d)[- )]{0,2}\d{3,4}[- ]{0,2}\d{4}",
            Edge::Letters,
            |_| Some(Kind::Phone),
        ),
        rule(
            r"\(?0(?:1[016789]|2|3[1-3]|4[1-4]|5[1-5]|6[1-4]|70|50\d)\)?[-. ]{0,2}\d{3,4}[-. ]{0,2}\d{4}",
            Edge::Number,
            |_| Some(Kind::Phone),
        ),
        rule(r"\d{2,6}(?:-\d{1,8}){1,4}", Edge::Number, account_dashed),
        rule(r"(?i:계좌|입금|출금|통장|account)[^\d\n]{0,16}(?P<n>\d[\d ]{8,16}\d)", Edge::Number, account_named),
        rule(r"[MSRGDmsrgd](?:\d{8}|\d{3}[A-Za-z]\d{4})", Edge::Number, |_| Some(Kind::Passport)),
    ]
});

#[expect(clippy::expect_used, reason = "the patterns are constants and a test compiles them all")]
fn compile(pattern: &str) -> Regex {
    Regex::new(pattern).expect("a constant pattern")
}

fn digits(written: &str) -> Vec<u32> {
    written.chars().filter_map(|letter| letter.to_digit(10)).collect()
}

fn resident_dashed(written: &str) -> Option<Kind> {
    match digits(written).get(6)? {
        5..=8 => Some(Kind::ForeignerNumber),
        _ => Some(Kind::ResidentNumber),
    }
}

/// Thirteen digits in a row may be a time stamp or an order number; a birthday tells.
fn resident_bare(written: &str) -> Option<Kind> {
    let digits = digits(written);
    let two = |at: usize| Some(digits.get(at)? * 10 + digits.get(at + 1)?);
    let (month, day) = (two(2)?, two(4)?);
    if !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    match digits.get(6)? {
        1..=4 => Some(Kind::ResidentNumber),
        5..=8 => Some(Kind::ForeignerNumber),
        _ => None,
    }
}

fn card(written: &str) -> Option<Kind> {
    let digits = digits(written);
    if !(14..=19).contains(&digits.len()) || !digits.first().is_some_and(|first| (2..=9).contains(first)) {
        return None;
    }
    let sum: u32 = digits
        .iter()
        .rev()
        .enumerate()
        .map(|(at, digit)| match (at % 2 == 1, digit * 2) {
            (true, doubled) if doubled > 9 => doubled - 9,
            (true, doubled) => doubled,
            (false, _) => *digit,
        })
        .sum();
    sum.is_multiple_of(10).then_some(Kind::Card)
}

fn account_dashed(written: &str) -> Option<Kind> {
    let groups: Vec<&str> = written.split('-').collect();
    let total: usize = groups.iter().map(|group| group.len()).sum();
    if !(10..=16).contains(&total) || begins_with_date(&groups) || is_business_number(&groups) {
        return None;
    }
    Some(Kind::Account)
}

fn account_named(written: &str) -> Option<Kind> {
    (10..=16).contains(&digits(written).len()).then_some(Kind::Account)
}

fn begins_with_date(groups: &[&str]) -> bool {
    let [year, month, day, ..] = groups else {
        return false;
    };
    let within = |group: &str, range: std::ops::RangeInclusive<u32>| {
        group.len() == 2 && group.parse().is_ok_and(|number| range.contains(&number))
    };
    year.len() == 4
        && (year.starts_with("19") || year.starts_with("20"))
        && within(month, 1..=12)
        && within(day, 1..=31)
}

/// Business registration numbers are public and have the shape 3-2-5 with a check digit.
fn is_business_number(groups: &[&str]) -> bool {
    let [3, 2, 5] = groups.iter().map(|group| group.len()).collect::<Vec<_>>()[..] else {
        return false;
    };
    let digits = digits(&groups.concat());
    let weights = [1, 3, 7, 1, 3, 7, 1, 3, 5];
    let sum: u32 = digits.iter().zip(weights).map(|(digit, weight)| digit * weight).sum();
    let carry = digits.get(8).map_or(0, |digit| digit * 5 / 10);
    digits.last() == Some(&((10 - (sum + carry) % 10) % 10))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &str) {
        assert_eq!(mask(text).0, expected, "masking {text:?}");
    }

    // Month 13 or a day that no month has: these people cannot exist.
    #[test]
    fn masks_resident_numbers_in_any_dress() {
        check("번호 991332-1234567입니다", "번호 [주민등록번호]입니다");
        check("991332 - 1234567", "[주민등록번호]");
        check("９９１３３２－１２３４５６７", "[주민등록번호]");
        check("9913\u{200B}32–123\u{FEFF}4567", "[주민등록번호]");
        check("991332-7234567", "[외국인등록번호]");
        check("9902311234567,", "[주민등록번호],");
        check("9 9 1 3 3 2 - 1 2 3 4 5 6 7", "[주민등록번호]");
        check("٩٩١٣٣٢-١٢٣٤٥٦٧", "[주민등록번호]");
    }

    #[test]
    fn masks_the_other_kinds() {
        check("카드 4111-1111-1111-1111 분실", "카드 [카드번호] 분실");
        check("3782 822463 10005", "[카드번호]");
        check("010-0000-0000로 연락", "[전화번호]로 연락");
        check("01000000000", "[전화번호]");
        check("(02) 000-0000", "[전화번호]");
        check("+82-10-0000-0000", "[전화번호]");
        check("메일은 hong.gildong@example.co.kr.", "메일은 [이메일].");
        check("110-000-000000 이체", "[계좌번호] 이체");
        check("계좌번호: 11000000000000", "계좌번호: [계좌번호]");
        check("여권 M12345678", "여권 [여권번호]");
        check("여권 M123A4567", "여권 [여권번호]");
        check("면허 11-22-000000-33", "면허 [운전면허번호]");
        check("서울 11-000000-33", "서울 [운전면허번호]");
    }

    #[test]
    fn leaves_ordinary_numbers_alone() {
        for text in [
            "2026-11-22",
            "2026-11-22-0001",
            "1,234,567,890,123원",
            "0.41111111111111111",
            "550e8400-e29b-41d4-a716-446655440000",
            "제34조의2제1항제3호",
            "1763841254000",
            "1588-0000",
            "123-45-67891",
            "12-345",
            "은행법 제35조",
        ] {
            check(text, text);
        }
    }

    #[test]
    fn offsets_point_into_the_original() {
        let text = "앞 ９９１３３２－１２３４５６７ 뒤 a@b.kr";
        let found = find(text);
        assert_eq!(found.len(), 2);
        assert_eq!(&text[found[0].start..found[0].end], "９９１３３２－１２３４５６７");
        assert_eq!(&text[found[1].start..found[1].end], "a@b.kr");
    }

    proptest::proptest! {
        #[test]
        fn never_breaks_a_text(text in "\\PC{0,60}") {
            let (masked, kinds) = mask(&text);
            if kinds.is_empty() {
                proptest::prop_assert_eq!(masked, text);
            }
        }

        #[test]
        fn masked_text_holds_no_resident_number(before in "[가-힣 ]{0,5}", number in "[0-9]{6}-[1-8][0-9]{6}", after in "[가-힣 ]{0,5}") {
            let text = format!("{before}{number}{after}");
            proptest::prop_assert!(!mask(&text).0.contains(&number[7..]), "{}", text);
        }
    }
}
