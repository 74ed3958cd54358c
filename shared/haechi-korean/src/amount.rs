//! Reads amounts as Koreans write them (`3억 2천만원`, `△1,234`, `(1,234)`, `2.5%p`) exactly.
//!
//! Values are decimals over `i128`, never floats: money that is off by a rounding is wrong. It reads
//! one amount that is the whole text; finding amounts inside prose is not its business.

use std::fmt;

use unicode_normalization::UnicodeNormalization;

/// Longer texts are prose, not amounts, and refusing them keeps the arithmetic inside `i128`.
const TEXT_CHARS_MAX: usize = 64;
const SCALE_MAX: u32 = 18;

/// An exact decimal number: `unscaled / 10^scale`, without trailing zeros after the point.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Exact {
    unscaled: i128,
    scale: u32,
}

impl Exact {
    /// Makes `unscaled / 10^scale` in its shortest form.
    pub fn new(unscaled: i128, scale: u32) -> Self {
        let mut exact = Self { unscaled, scale };
        while exact.scale > 0 && exact.unscaled % 10 == 0 {
            exact.unscaled /= 10;
            exact.scale -= 1;
        }
        exact
    }

    pub fn unscaled(self) -> i128 {
        self.unscaled
    }

    pub fn scale(self) -> u32 {
        self.scale
    }

    /// The value as a whole number, if it is one.
    pub fn whole(self) -> Option<i128> {
        (self.scale == 0).then_some(self.unscaled)
    }

    /// Reads plain digits with an optional sign and point, as `Display` writes them.
    pub fn parse(text: &str) -> Option<Self> {
        let (negative, digits) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text.strip_prefix('+').unwrap_or(text)),
        };
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        let all_digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
        if whole.is_empty() && fraction.is_empty() || !all_digits(whole) || !all_digits(fraction) {
            return None;
        }
        let scale = u32::try_from(fraction.len()).ok().filter(|&scale| scale <= SCALE_MAX)?;
        let unscaled: i128 = format!("{whole}{fraction}").parse().ok()?;
        Some(Self::new(if negative { -unscaled } else { unscaled }, scale))
    }

    fn times(self, factor: i128) -> Option<Self> {
        Some(Self::new(self.unscaled.checked_mul(factor)?, self.scale))
    }

    fn plus(self, other: Self) -> Option<Self> {
        let scale = self.scale.max(other.scale);
        let widen = |value: Self| value.unscaled.checked_mul(10_i128.checked_pow(scale - value.scale)?);
        Some(Self::new(widen(self)?.checked_add(widen(other)?)?, scale))
    }

    fn negated(self) -> Option<Self> {
        Some(Self { unscaled: self.unscaled.checked_neg()?, scale: self.scale })
    }
}

impl fmt::Display for Exact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.scale == 0 {
            return write!(f, "{}", self.unscaled);
        }
        let digits = self.unscaled.unsigned_abs().to_string();
        let scale = usize::try_from(self.scale).unwrap_or_default();
        let digits = format!("{digits:0>width$}", width = scale + 1);
        let (whole, fraction) = digits.split_at(digits.len() - scale);
        let sign = if self.unscaled < 0 { "-" } else { "" };
        write!(f, "{sign}{whole}.{fraction}")
    }
}

/// What an amount counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Unit {
    Won,
    Dollar,
    Percent,
    PercentPoint,
    BasisPoint,
    /// `배`, `명`, `건`, `개` and so on: counted, but no money.
    Count,
}

/// One amount: its exact value and, where it was written, its unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Amount {
    pub value: Exact,
    pub unit: Option<Unit>,
}

/// Reads a text that is one amount as a whole, or answers nothing.
pub fn parse(text: &str) -> Option<Amount> {
    if text.chars().count() > TEXT_CHARS_MAX {
        return None;
    }
    let plain: String = text
        .nfkc()
        .filter(|&letter| !crate::text::is_invisible(letter))
        .map(|letter| match letter {
            '−' | '–' | '—' | '‐' | '‑' | '―' => '-',
            '△' | '▲' | '▵' | '▴' | '∆' => '△',
            '₩' | '￦' => '₩',
            letter if letter.is_whitespace() => ' ',
            letter => letter,
        })
        .collect();
    let (plain, negative) = sign(plain.trim())?;
    let (plain, prefix) = currency_before(plain);
    // The sign may also stand behind the currency: `₩-1,234`.
    let (plain, inner_negative) = if negative { (plain, false) } else { sign(plain)? };
    let (value, rest) = number(plain)?;
    let unit = unit_after(rest.trim_start(), prefix)?;
    let value = if negative || inner_negative { value.negated()? } else { value };
    Some(Amount { value, unit })
}

/// Takes the sign off: a dash, a triangle as bookkeepers draw it, or brackets around the whole.
fn sign(text: &str) -> Option<(&str, bool)> {
    if let Some(inner) = text.strip_prefix('(') {
        // `(1,234)원` and `(1,234원)` both occur; a bracket that never closes is no amount.
        let inner = inner.trim_start();
        return inner.strip_suffix(')').map(|inner| (inner.trim_end(), true));
    }
    for mark in ['-', '△'] {
        if let Some(rest) = text.strip_prefix(mark) {
            return Some((rest.trim_start(), true));
        }
    }
    Some((text.strip_prefix('+').unwrap_or(text).trim_start(), false))
}

fn currency_before(text: &str) -> (&str, Option<Unit>) {
    for (mark, unit) in [
        ("₩", Unit::Won),
        ("KRW", Unit::Won),
        ("US$", Unit::Dollar),
        ("USD", Unit::Dollar),
        ("$", Unit::Dollar),
        ("금", Unit::Won),
    ] {
        if let Some(rest) = text.strip_prefix(mark) {
            return (rest.trim_start(), Some(unit));
        }
    }
    (text, None)
}

fn unit_after(rest: &str, prefix: Option<Unit>) -> Option<Option<Unit>> {
    let unit = match rest {
        "" => return Some(prefix),
        "원" | "원정" | "원整" | "KRW" => Unit::Won,
        "달러" | "불" | "USD" => Unit::Dollar,
        "%" | "퍼센트" | "프로" => Unit::Percent,
        "%p" | "%P" | "%포인트" | "퍼센트포인트" | "% p" | "p" | "P" => Unit::PercentPoint,
        "bp" | "bps" | "BP" | "베이시스포인트" => Unit::BasisPoint,
        "배" | "명" | "인" | "건" | "개" | "주" | "좌" | "회" | "사" | "세대" => Unit::Count,
        _ => return None,
    };
    match prefix {
        Some(prefix) if prefix != unit => None,
        _ => Some(Some(unit)),
    }
}

const LARGE: [(char, i128); 4] =
    [('만', 10_000), ('억', 100_000_000), ('조', 1_000_000_000_000), ('경', 10_000_000_000_000_000)];
const SMALL: [(char, i128); 3] = [('십', 10), ('백', 100), ('천', 1_000)];

/// Reads the number at the start and returns what follows it.
fn number(text: &str) -> Option<(Exact, &str)> {
    if let Some((denominator, rest)) = fraction(text) {
        return Some((denominator, rest));
    }
    let mut total = Exact::new(0, 0);
    // What has been read since the last 만, 억, 조, and inside it since the last 십, 백, 천.
    let mut section = Exact::new(0, 0);
    let mut pending: Option<Exact> = None;
    let mut seen = false;
    let mut large_before = i128::MAX;
    let mut small_before = i128::MAX;
    let mut rest = text;
    loop {
        let trimmed = if seen { rest.trim_start() } else { rest };
        let Some(letter) = trimmed.chars().next() else { break };
        let after = trimmed.get(letter.len_utf8()..).unwrap_or_default();
        if letter.is_ascii_digit() || letter == '.' {
            if pending.is_some() {
                return None;
            }
            let (value, next) = digits(trimmed)?;
            pending = Some(value);
            rest = next;
        } else if let Some(digit) = hangul_digit(letter).filter(|_| pending.is_none() && starts_number(after)) {
            pending = Some(Exact::new(digit, 0));
            rest = after;
        } else if let Some((_, factor)) = SMALL.iter().find(|(name, _)| *name == letter) {
            if !seen && pending.is_none() && !starts_number(after) && !after.is_empty() || *factor >= small_before {
                return None;
            }
            section = section.plus(pending.take().unwrap_or(Exact::new(1, 0)).times(*factor)?)?;
            small_before = *factor;
            rest = after;
        } else if let Some((_, factor)) = LARGE.iter().find(|(name, _)| *name == letter) {
            if *factor >= large_before || (!seen && pending.is_none()) {
                return None;
            }
            let part = section.plus(pending.take().unwrap_or(Exact::new(0, 0)))?;
            let part = if part.unscaled == 0 && !seen { Exact::new(1, 0) } else { part };
            total = total.plus(part.times(*factor)?)?;
            section = Exact::new(0, 0);
            large_before = *factor;
            small_before = i128::MAX;
            rest = after;
        } else {
            break;
        }
        seen = true;
    }
    if !seen {
        return None;
    }
    let value = total.plus(section)?.plus(pending.unwrap_or(Exact::new(0, 0)))?;
    Some((value, rest))
}

/// Reads the share that statutes write as `100분의 25`.
fn fraction(text: &str) -> Option<(Exact, &str)> {
    let (denominator, rest) = digits(text)?;
    let rest = rest.trim_start().strip_prefix("분의")?.trim_start();
    let (numerator, rest) = digits(rest)?;
    let scale = match denominator.whole()? {
        10 => 1,
        100 => 2,
        1_000 => 3,
        10_000 => 4,
        _ => return None,
    };
    Some((Exact::new(numerator.unscaled, numerator.scale + scale), rest))
}

/// Reads digits with thousands separators and a point; `1,23` is a list, not a number.
fn digits(text: &str) -> Option<(Exact, &str)> {
    let end = text
        .char_indices()
        .find(|(_, letter)| !letter.is_ascii_digit() && *letter != ',' && *letter != '.')
        .map_or(text.len(), |(at, _)| at);
    let (written, rest) = text.split_at(end);
    let whole = written.split('.').next().unwrap_or_default();
    let mut groups = whole.split(',');
    let first = groups.next().unwrap_or_default();
    let mut grouped = false;
    for group in groups {
        if group.len() != 3 {
            return None;
        }
        grouped = true;
    }
    if grouped && !(1..=3).contains(&first.len()) {
        return None;
    }
    let plain: String = written.chars().filter(|&letter| letter != ',').collect();
    // A comma after the point, or a point at the end, means prose.
    if written.ends_with(['.', ','])
        || written.rsplit('.').next().is_some_and(|tail| written.contains('.') && tail.contains(','))
    {
        return None;
    }
    Some((Exact::parse(&plain)?, rest))
}

fn hangul_digit(letter: char) -> Option<i128> {
    let digits = ['영', '일', '이', '삼', '사', '오', '육', '칠', '팔', '구'];
    digits.iter().position(|&digit| digit == letter).and_then(|digit| i128::try_from(digit).ok())
}

/// Tells whether a Hangul digit is followed by a place name or a unit, so that it is a digit.
fn starts_number(after: &str) -> bool {
    let next = after.trim_start().chars().next();
    next.is_some_and(|letter| {
        SMALL.iter().chain(&LARGE).any(|(name, _)| *name == letter)
            || letter.is_ascii_digit()
            || hangul_digit(letter).is_some()
            || letter == '원'
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: Option<(&str, Option<Unit>)>) {
        let found = parse(text).map(|amount| (amount.value.to_string(), amount.unit));
        assert_eq!(found.as_ref().map(|(value, unit)| (value.as_str(), *unit)), expected, "reading {text:?}");
    }

    #[test]
    fn reads_won() {
        let won = Some(Unit::Won);
        check("3억 2천만원", Some(("320000000", won)));
        check("1,200만 원", Some(("12000000", won)));
        check("5백만원", Some(("5000000", won)));
        check("1.5억원", Some(("150000000", won)));
        check("1조 2,345억 6,789만원", Some(("1234567890000", won)));
        check("금 삼천만원정", Some(("30000000", won)));
        check("₩1,234", Some(("1234", won)));
        check("천만원", Some(("10000000", won)));
        check("2천5백억원", Some(("250000000000", won)));
        check("1억원", Some(("100000000", won)));
    }

    #[test]
    fn reads_signs_and_forms() {
        check("△1,234", Some(("-1234", None)));
        check("▲ 12.5", Some(("-12.5", None)));
        check("(1,234)", Some(("-1234", None)));
        check("(1,234.50)", Some(("-1234.5", None)));
        check("-3.0", Some(("-3", None)));
        check("－１２，３４５", Some(("-12345", None)));
        check("△3억원", Some(("-300000000", Some(Unit::Won))));
        check("12.3%", Some(("12.3", Some(Unit::Percent))));
        check("△0.5%p", Some(("-0.5", Some(Unit::PercentPoint))));
        check("15bp", Some(("15", Some(Unit::BasisPoint))));
        check("100분의 25", Some(("0.25", None)));
        check("1,000분의 5", Some(("0.005", None)));
        check("0.000", Some(("0", None)));
        check("3배", Some(("3", Some(Unit::Count))));
    }

    #[test]
    fn refuses_what_is_no_amount() {
        for text in
            ["", "원", "1,23", "1.2.3", "-", "()", "(1,234", "3억 5조원", "은행", "조", "2025-01-31", "1,234,", "$5원"]
        {
            check(text, None);
        }
    }

    proptest::proptest! {
        #[test]
        fn exact_round_trips(unscaled in -10_i128.pow(20)..10_i128.pow(20), scale in 0_u32..12) {
            let exact = Exact::new(unscaled, scale);
            proptest::prop_assert_eq!(Exact::parse(&exact.to_string()), Some(exact));
        }

        #[test]
        fn never_panics(text in "[0-9억만조천백십.,△()%원 -]{0,20}") {
            let _ = parse(&text);
        }
    }
}
