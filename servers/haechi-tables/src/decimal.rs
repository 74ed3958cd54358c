//! Exact sums of numbers as they are written: cents do not drift as they do in binary.

/// A decimal with its places behind the point.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Decimal {
    digits: i128,
    places: u32,
}

const PLACES_MAX: u32 = 12;

impl Decimal {
    pub const ZERO: Self = Self { digits: 0, places: 0 };

    /// The shortest decimal of a double, cut after twelve places.
    pub fn of(number: f64) -> Option<Self> {
        let text = format!("{number}");
        let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
        let fraction = fraction.get(..fraction.len().min(PLACES_MAX as usize)).unwrap_or(fraction);
        let digits: i128 = format!("{whole}{fraction}").parse().ok()?;
        (digits.unsigned_abs() < 1 << 100).then_some(Self { digits, places: u32::try_from(fraction.len()).ok()? })
    }

    fn scaled(self, places: u32) -> i128 {
        self.digits.saturating_mul(10_i128.saturating_pow(places.saturating_sub(self.places)))
    }

    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        let places = self.places.max(other.places);
        Self { digits: self.scaled(places).saturating_add(other.scaled(places)), places }
    }

    #[must_use]
    pub fn minus(self, other: Self) -> Self {
        self.plus(Self { digits: -other.digits, places: other.places })
    }

    pub fn is_zero(self) -> bool {
        self.digits == 0
    }

    /// The smallest step of the number as written.
    pub fn places(self) -> u32 {
        self.places
    }

    /// Whether two numbers are equal but for the rounding of `items` numbers with `places` places.
    pub fn near(self, other: Self, places: u32, items: u64) -> bool {
        let difference = self.minus(other);
        let at = difference.places.max(places);
        // Each rounded number is off by half a step at most.
        let step = 10_i128.saturating_pow(at - places);
        difference.scaled(at).unsigned_abs() * 2 <= step.unsigned_abs() * u128::from(items.max(1))
    }
}

impl std::fmt::Display for Decimal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let sign = if self.digits < 0 { "-" } else { "" };
        let places = self.places as usize;
        let text = format!("{:0>width$}", self.digits.unsigned_abs(), width = places + 1);
        let (whole, fraction) = text.split_at(text.len() - places);
        let fraction = fraction.trim_end_matches('0');
        if fraction.is_empty() { write!(f, "{sign}{whole}") } else { write!(f, "{sign}{whole}.{fraction}") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_are_exact() {
        let sum = |numbers: &[f64]| {
            numbers.iter().filter_map(|n| Decimal::of(*n)).fold(Decimal::ZERO, Decimal::plus).to_string()
        };
        for (numbers, expected) in [
            (&[0.1, 0.2][..], "0.3"),
            (&[1.0, -0.05], "0.95"),
            (&[-1.5, 1.25], "-0.25"),
            (&[1_234_567_890.0, 0.01], "1234567890.01"),
            (&[], "0"),
        ] {
            assert_eq!(sum(numbers), expected);
        }
    }

    #[test]
    fn rounding_is_allowed_for_and_nothing_more() {
        let of = |number| Decimal::of(number).unwrap();
        assert!(of(100.0).near(of(101.0), 0, 3));
        assert!(!of(100.0).near(of(102.0), 0, 3));
        assert!(of(10.05).near(of(10.0), 1, 1));
        assert!(!of(10.2).near(of(10.0), 1, 2));
    }
}
