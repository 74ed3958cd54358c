//! Exact decimal arithmetic for amounts, as the filters of workflows and reports use it.
//!
//! Invariant: no value passes through binary floating point. A JSON number is read from its
//! shortest spelling, which is the decimal that its writer meant.

use std::cmp::Ordering;
use std::fmt;

/// A decimal number: `mantissa × 10^-scale`, normalised so that equal numbers are equal values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Decimal {
    mantissa: i128,
    scale: u32,
}

/// More digits than any amount has; a longer spelling is refused instead of rounded.
const SCALE_MAX: u32 = 30;

impl Decimal {
    pub(crate) const ZERO: Self = Self { mantissa: 0, scale: 0 };

    pub(crate) fn from_integer(value: i128) -> Self {
        Self { mantissa: value, scale: 0 }
    }

    /// Reads `-1,234.50`, `1.5e3` or `△12`; anything else is refused.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let (negative, digits) = match text.strip_prefix(['-', '△', '▲', '−']) {
            Some(rest) => (true, rest),
            None => (false, text.strip_prefix('+').unwrap_or(text)),
        };
        let (digits, exponent) = match digits.find(['e', 'E']) {
            Some(at) => (&digits[..at], digits[at + 1..].parse::<i32>().ok()?),
            None => (digits, 0),
        };
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        if whole.is_empty() || (digits.contains('.') && fraction.is_empty()) {
            return None;
        }
        let mut mantissa: i128 = 0;
        let mut grouped = false;
        for byte in whole.bytes().chain(fraction.bytes()) {
            match byte {
                b'0'..=b'9' => {
                    mantissa = mantissa.checked_mul(10)?.checked_add(i128::from(byte - b'0'))?;
                }
                b',' => grouped = true,
                _ => return None,
            }
        }
        if grouped && !well_grouped(whole, fraction) {
            return None;
        }
        let scale = i64::try_from(fraction.len()).ok()? - i64::from(exponent);
        let mut value = Self { mantissa: if negative { -mantissa } else { mantissa }, scale: 0 };
        if scale < 0 {
            value.mantissa = value.mantissa.checked_mul(power(u32::try_from(-scale).ok()?)?)?;
        } else {
            value.scale = u32::try_from(scale).ok()?;
        }
        let value = value.normal();
        (value.scale <= SCALE_MAX).then_some(value)
    }

    pub(crate) fn plus(self, other: Self) -> Option<Self> {
        let (left, right, scale) = self.aligned(other)?;
        Some(Self { mantissa: left.checked_add(right)?, scale }.normal())
    }

    pub(crate) fn minus(self, other: Self) -> Option<Self> {
        self.plus(Self { mantissa: other.mantissa.checked_neg()?, scale: other.scale })
    }

    pub(crate) fn times(self, other: Self) -> Option<Self> {
        let value =
            Self { mantissa: self.mantissa.checked_mul(other.mantissa)?, scale: self.scale + other.scale }.normal();
        (value.scale <= SCALE_MAX).then_some(value)
    }

    /// The quotient rounded half away from zero to `digits` after the point.
    pub(crate) fn over(self, divisor: Self, digits: u32) -> Option<Self> {
        if divisor.mantissa == 0 || SCALE_MAX < digits {
            return None;
        }
        // (a / 10^s) / (b / 10^t) at `digits` places is a × 10^(t + digits) / (b × 10^s).
        let numerator = self.mantissa.checked_mul(power(divisor.scale + digits)?)?;
        let denominator = divisor.mantissa.checked_mul(power(self.scale)?)?;
        Some(Self { mantissa: divide_half_up(numerator, denominator)?, scale: digits }.normal())
    }

    /// This number rounded half away from zero to `digits` after the point.
    pub(crate) fn rounded(self, digits: u32) -> Self {
        if self.scale <= digits {
            return self;
        }
        // A power too large for the type can only round to zero.
        let Some(divisor) = power(self.scale - digits) else { return Self::ZERO };
        let mantissa = divide_half_up(self.mantissa, divisor).unwrap_or(0);
        Self { mantissa, scale: digits }.normal()
    }

    /// Moves the point `places` to the left: `shifted(8)` turns 원 into 억원.
    pub(crate) fn shifted(self, places: u32) -> Self {
        Self { mantissa: self.mantissa, scale: self.scale + places }.normal()
    }

    pub(crate) fn is_negative(self) -> bool {
        self.mantissa < 0
    }

    pub(crate) fn is_zero(self) -> bool {
        self.mantissa == 0
    }

    pub(crate) fn abs(self) -> Self {
        Self { mantissa: self.mantissa.saturating_abs(), scale: self.scale }
    }

    /// The value as an integer, where it is one.
    pub(crate) fn integer(self) -> Option<i128> {
        (self.scale == 0).then_some(self.mantissa)
    }

    /// How many digits the number is written with, zeros in front not counted.
    pub(crate) fn significant_digits(self) -> usize {
        self.mantissa.unsigned_abs().to_string().len()
    }

    /// The nearest binary number: for coordinates of charts alone, never for an amount.
    #[expect(clippy::cast_precision_loss, reason = "a pixel position needs no more than a float has")]
    pub(crate) fn approximate(self) -> f64 {
        self.mantissa as f64 / 10_f64.powi(i32::try_from(self.scale).unwrap_or(i32::MAX))
    }

    /// `1,234,567.50`: grouped by thousands, with exactly `digits` after the point where given.
    pub(crate) fn grouped(self, digits: Option<u32>) -> String {
        let value = digits.map_or(self, |digits| self.rounded(digits));
        let plain = value.abs().plain(digits.unwrap_or(value.scale));
        let (whole, fraction) = plain.split_once('.').unwrap_or((&plain, ""));
        let mut text = String::with_capacity(plain.len() * 4 / 3 + 4);
        if value.is_negative() {
            text.push('△');
        }
        for (position, digit) in whole.chars().enumerate() {
            if 0 < position && (whole.len() - position).is_multiple_of(3) {
                text.push(',');
            }
            text.push(digit);
        }
        if !fraction.is_empty() {
            text.push('.');
            text.push_str(fraction);
        }
        text
    }

    fn plain(self, digits: u32) -> String {
        let missing = digits.saturating_sub(self.scale);
        let mut text = self.to_string();
        if 0 < missing {
            if self.scale == 0 {
                text.push('.');
            }
            text.extend(std::iter::repeat_n('0', missing as usize));
        }
        text
    }

    fn normal(mut self) -> Self {
        if self.mantissa == 0 {
            return Self::ZERO;
        }
        while 0 < self.scale && self.mantissa % 10 == 0 {
            self.mantissa /= 10;
            self.scale -= 1;
        }
        self
    }

    fn aligned(self, other: Self) -> Option<(i128, i128, u32)> {
        let scale = self.scale.max(other.scale);
        let left = self.mantissa.checked_mul(power(scale - self.scale)?)?;
        let right = other.mantissa.checked_mul(power(scale - other.scale)?)?;
        Some((left, right, scale))
    }
}

impl PartialOrd for Decimal {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Decimal {
    fn cmp(&self, other: &Self) -> Ordering {
        match self.aligned(*other) {
            Some((left, right, _)) => left.cmp(&right),
            // One of them is too large to be aligned, so the magnitudes alone decide.
            None => self.approximate().total_cmp(&other.approximate()),
        }
    }
}

impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.scale == 0 {
            return write!(f, "{}", self.mantissa);
        }
        let digits = self.mantissa.unsigned_abs().to_string();
        let scale = self.scale as usize;
        let sign = if self.is_negative() { "-" } else { "" };
        if digits.len() <= scale {
            write!(f, "{sign}0.{}{digits}", "0".repeat(scale - digits.len()))
        } else {
            write!(f, "{sign}{}.{}", &digits[..digits.len() - scale], &digits[digits.len() - scale..])
        }
    }
}

fn power(exponent: u32) -> Option<i128> {
    10_i128.checked_pow(exponent)
}

fn divide_half_up(numerator: i128, denominator: i128) -> Option<i128> {
    let quotient = numerator.checked_div(denominator)?;
    let remainder = numerator.checked_rem(denominator)?;
    let up = remainder.unsigned_abs() >= denominator.unsigned_abs() - remainder.unsigned_abs();
    if !up || remainder == 0 {
        return Some(quotient);
    }
    let negative = (numerator < 0) != (denominator < 0);
    quotient.checked_add(if negative { -1 } else { 1 })
}

/// Separators stand at every third digit from the right, or the text is not a number.
fn well_grouped(whole: &str, fraction: &str) -> bool {
    let mut groups = whole.split(',');
    let first = groups.next().unwrap_or("");
    !fraction.contains(',') && (1..=3).contains(&first.len()) && groups.all(|group| group.len() == 3)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn number(text: &str) -> Decimal {
        Decimal::parse(text).unwrap_or_else(|| panic!("{text} is a number"))
    }

    #[test]
    fn reads_the_spellings_of_amounts() {
        for (written, plain) in [
            ("0", "0"),
            ("608330.50", "608330.5"),
            ("-1,234.5", "-1234.5"),
            ("△12", "-12"),
            ("1.5e3", "1500"),
            ("1e-3", "0.001"),
            ("-0.05", "-0.05"),
        ] {
            assert_eq!(number(written).to_string(), plain, "reading {written}");
        }
        for wrong in ["", ".", "1.", "abc", "1,23", "12 3", "--1", "1e", "NaN", "1,234,5"] {
            assert_eq!(Decimal::parse(wrong), None, "{wrong:?} is no number");
        }
    }

    #[test]
    fn adds_without_the_error_of_floats() {
        let sum = ["0.1", "0.2", "0.3", "608330.05"].iter().try_fold(Decimal::ZERO, |sum, text| sum.plus(number(text)));
        assert_eq!(sum.unwrap().to_string(), "608330.65");
    }

    #[test]
    fn rounds_half_away_from_zero() {
        for (value, digits, rounded) in
            [("2.5", 0, "3"), ("-2.5", 0, "-3"), ("0.125", 2, "0.13"), ("0.1249", 2, "0.12")]
        {
            assert_eq!(number(value).rounded(digits).to_string(), rounded, "rounding {value}");
        }
        assert_eq!(number("1").over(number("3"), 4).unwrap().to_string(), "0.3333");
        assert_eq!(number("-2").over(number("3"), 2).unwrap().to_string(), "-0.67");
        assert_eq!(number("1").over(Decimal::ZERO, 2), None);
    }

    #[test]
    fn groups_by_thousands_and_marks_negatives() {
        assert_eq!(number("1234567.5").grouped(Some(2)), "1,234,567.50");
        assert_eq!(number("-1234").grouped(Some(0)), "△1,234");
        assert_eq!(number("-0.4").grouped(Some(0)), "0");
        assert_eq!(number("999").grouped(None), "999");
    }

    proptest! {
        #[test]
        fn printing_and_reading_agree(mantissa in any::<i64>(), scale in 0_u32..12) {
            let value = Decimal { mantissa: i128::from(mantissa), scale }.normal();
            prop_assert_eq!(Decimal::parse(&value.to_string()), Some(value));
            prop_assert_eq!(Decimal::parse(&value.grouped(None)), Some(value));
        }

        #[test]
        fn subtraction_undoes_addition(left in any::<i64>(), right in any::<i64>(), scale in 0_u32..9) {
            let (left, right) = (
                Decimal { mantissa: i128::from(left), scale }.normal(),
                Decimal::from_integer(i128::from(right)),
            );
            prop_assert_eq!(left.plus(right).and_then(|sum| sum.minus(right)), Some(left));
        }

        #[test]
        fn reading_never_panics(text in ".{0,24}") {
            let _ = Decimal::parse(&text);
        }
    }
}
