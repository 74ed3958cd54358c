//! Reads dates as Korean documents write them, and writes them one way: `2025-01-31`.
//!
//! It knows the calendar but no clock and no time zone; `오늘` is for the caller to resolve.

use std::fmt;
use std::sync::LazyLock;

use regex::Regex;

/// A day of the Gregorian calendar.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Date {
    year: u16,
    month: u8,
    day: u8,
}

impl Date {
    /// Makes a date that exists, or nothing.
    pub fn new(year: u16, month: u8, day: u8) -> Option<Self> {
        let valid =
            (1..=9999).contains(&year) && (1..=12).contains(&month) && (1..=days_of(year, month)).contains(&day);
        valid.then_some(Self { year, month, day })
    }

    pub fn year(self) -> u16 {
        self.year
    }

    pub fn month(self) -> u8 {
        self.month
    }

    pub fn day(self) -> u8 {
        self.day
    }

    /// The date as a number that sorts like it: `20250131`.
    pub fn number(self) -> u32 {
        u32::from(self.year) * 10_000 + u32::from(self.month) * 100 + u32::from(self.day)
    }

    /// Reads back what `number` gave.
    pub fn from_number(number: u32) -> Option<Self> {
        let year = u16::try_from(number / 10_000).ok()?;
        Self::new(year, u8::try_from(number / 100 % 100).ok()?, u8::try_from(number % 100).ok()?)
    }

    /// The day before, if there is one.
    pub fn previous(self) -> Option<Self> {
        if self.day > 1 {
            return Self::new(self.year, self.month, self.day - 1);
        }
        match self.month {
            1 => Self::new(self.year.checked_sub(1)?, 12, 31),
            month => Self::new(self.year, month - 1, days_of(self.year, month - 1)),
        }
    }

    /// The last day of a month.
    pub fn month_end(year: u16, month: u8) -> Option<Self> {
        Self::new(year, month, days_of(year, month))
    }
}

impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}-{:02}", self.year, self.month, self.day)
    }
}

fn days_of(year: u16, month: u8) -> u8 {
    let leap = year.is_multiple_of(4) && !year.is_multiple_of(100) || year.is_multiple_of(400);
    match month {
        2 if leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// A date, or as much of one as was written, with the bytes it covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Found {
    pub start: usize,
    pub end: usize,
    pub year: u16,
    pub month: Option<u8>,
    pub day: Option<u8>,
}

impl Found {
    /// The day that was written; the first of the month or year when no more was written.
    pub fn first_day(self) -> Option<Date> {
        Date::new(self.year, self.month.unwrap_or(1), self.day.unwrap_or(1))
    }

    /// The day that was written; the last of the month or year when no more was written.
    pub fn last_day(self) -> Option<Date> {
        match (self.month, self.day) {
            (Some(month), Some(day)) => Date::new(self.year, month, day),
            (Some(month), None) => Date::month_end(self.year, month),
            (None, _) => Date::new(self.year, 12, 31),
        }
    }
}

/// Reads a text that is one full date: `2025-01-31`, `2025. 1. 31.`, `2025년 1월 31일`, `20250131`.
pub fn parse(text: &str) -> Option<Date> {
    let text = text.trim();
    if text.len() == 8 && text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Date::from_number(text.parse().ok()?);
    }
    match find(text)[..] {
        [found] if found.start == 0 && found.end == text.len() && found.day.is_some() => found.first_day(),
        _ => None,
    }
}

#[expect(clippy::expect_used, reason = "a constant pattern that every test compiles")]
static PATTERN: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(concat!(
        r"(?P<y1>\d{4})\s*년(?:\s*(?P<m1>\d{1,2})\s*월(?:\s*(?P<d1>\d{1,2})\s*일)?)?",
        r"|(?P<y2>\d{4})\s*(?:-|/|\.)\s*(?P<m2>\d{1,2})\s*(?:-|/|\.)\s*(?P<d2>\d{1,2})\.?",
        r"|(?P<y3>\d{4})-(?P<m3>\d{2})",
    ))
    .expect("a constant pattern")
});

/// Finds the dates of a text, also those of a year or a month alone (`2025년`, `2025년 1월`).
pub fn find(text: &str) -> Vec<Found> {
    let mut dates = Vec::new();
    let mut at = 0;
    while let Some(captures) = PATTERN.captures_at(text, at) {
        let Some(whole) = captures.get(0) else { break };
        let part = |names: [&str; 3]| {
            names.iter().find_map(|name| captures.name(name)).and_then(|part| part.as_str().parse::<u16>().ok())
        };
        let small = |names: [&str; 3]| part(names).and_then(|number| u8::try_from(number).ok());
        let edge = |letter: Option<char>| letter.is_some_and(|letter| letter.is_ascii_alphanumeric());
        let glued = edge(text.get(..whole.start()).and_then(|before| before.chars().next_back()))
            || edge(text.get(whole.end()..).and_then(|after| after.chars().next()));
        let found = part(["y1", "y2", "y3"]).map(|year| Found {
            start: whole.start(),
            end: whole.end(),
            year,
            month: small(["m1", "m2", "m3"]),
            day: small(["d1", "d2", "d2"]),
        });
        match found.filter(|found| !glued && found.first_day().is_some()) {
            Some(found) => {
                dates.push(found);
                at = whole.end();
            }
            None => at = whole.start() + 1,
        }
    }
    dates
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: Option<&str>) {
        assert_eq!(parse(text).map(|date| date.to_string()).as_deref(), expected, "reading {text:?}");
    }

    #[test]
    fn reads_full_dates() {
        for text in [
            "2025-01-31",
            "2025. 1. 31.",
            "2025.1.31",
            "2025년 1월 31일",
            "2025년1월31일",
            "20250131",
            "2025/1/31",
            " 2025-01-31 ",
        ] {
            check(text, Some("2025-01-31"));
        }
        check("2024-02-29", Some("2024-02-29"));
        for text in ["2025-02-29", "2025-13-01", "2025년", "2025년 1월", "12025-01-31", "", "1900-02-29", "2025-01-311"]
        {
            check(text, None);
        }
    }

    #[test]
    fn finds_dates_in_prose() {
        let found = find("2018년 2월 7일 최고이자율과 2020년 이자, 2024-07 기준");
        let days: Vec<_> = found.iter().map(|date| date.last_day().unwrap().to_string()).collect();
        assert_eq!(days, ["2018-02-07", "2020-12-31", "2024-07-31"]);
        assert_eq!(found[1].first_day().unwrap().to_string(), "2020-01-01");
        assert!(find("전화 1234-56-7890123").is_empty());
    }

    #[test]
    fn walks_backwards_over_edges() {
        let previous = |text: &str| parse(text).unwrap().previous().unwrap().to_string();
        assert_eq!(previous("2025-01-01"), "2024-12-31");
        assert_eq!(previous("2024-03-01"), "2024-02-29");
        assert_eq!(Date::new(1, 1, 1).unwrap().previous(), None);
    }

    proptest::proptest! {
        #[test]
        fn round_trips(year in 1_u16..=9999, month in 1_u8..=12, day in 1_u8..=31) {
            if let Some(date) = Date::new(year, month, day) {
                proptest::prop_assert_eq!(parse(&date.to_string()), Some(date));
                proptest::prop_assert_eq!(Date::from_number(date.number()), Some(date));
            }
        }

        #[test]
        fn never_panics(text in "[0-9년월일./ -]{0,24}") {
            let _ = find(&text);
        }
    }
}
