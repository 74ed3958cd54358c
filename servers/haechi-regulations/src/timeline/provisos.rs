//! Days that an addendum sets apart: `다만, 제26조제4항의 개정규정은 공포한 날부터 시행한다.`
//!
//! It reads the addendum of the version itself, not those that the file repeats from earlier ones.
//! Only days before the version's own count: a later start is often a range or left to a decree
//! (`공포 후 2년이 넘지 아니하는 범위에서 대통령령으로 정하는 날`), and the file shows the text already.

use std::collections::HashMap;
use std::sync::LazyLock;

use haechi_korean::citation::{self, Article, Place, Target};
use haechi_korean::date::{self, Date};
use regex::Regex;

use super::{Day, effective};
use crate::structure::Source;

#[expect(clippy::expect_used, reason = "a constant pattern that the tests compile")]
static CLAUSE: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"다만,\s*([^.]*?)의\s*개정규정은\s*([^.]*?(?:\d{4}년[^.]*?|공포[^.]*?))부터\s*시행")
        .expect("a constant pattern")
});

#[expect(clippy::expect_used, reason = "a constant pattern that the tests compile")]
static LISTED: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"(?m)^\s*\d+\.\s*([^:\n]*?)(?:의\s*개정규정)?\s*:\s*([^\n]+)$").expect("a constant pattern")
});

#[expect(clippy::expect_used, reason = "a constant pattern that the tests compile")]
static AFTER: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"공포\s*후\s*(\d+)\s*(년|개월|일)이\s*(?:경과한|지난)").expect("a constant pattern"));

/// The days of single articles that differ from the day of the version.
pub(super) fn split_days(version: &Source) -> HashMap<Article, Day> {
    let mut days = HashMap::new();
    let (Some(promulgated), Some(number)) = (version.head.promulgated, &version.head.promulgation_no) else {
        return days;
    };
    let wanted = number.trim_start_matches('0');
    let own = version.addenda.iter().find(|addendum| {
        addendum
            .label
            .split(|letter: char| !letter.is_ascii_digit())
            .any(|digits| !wanted.is_empty() && digits.trim_start_matches('0') == wanted)
    });
    let Some(own) = own else { return days };
    let first = first_article(&own.text);
    let mut note = |places: &str, when: &str| {
        let Some(day) = day_of(when, promulgated) else { return };
        if day.number() < effective(version) {
            days.extend(articles(places).into_iter().map(|article| (article, day.number())));
        }
    };
    for captures in CLAUSE.captures_iter(first) {
        if let (Some(places), Some(when)) = (captures.get(1), captures.get(2)) {
            note(places.as_str(), when.as_str());
        }
    }
    if first.contains("다음 각 호의") {
        for captures in LISTED.captures_iter(first) {
            if let (Some(places), Some(when)) = (captures.get(1), captures.get(2)) {
                note(places.as_str(), when.as_str());
            }
        }
    }
    days
}

/// The article on the day of effect: up to the second one.
fn first_article(text: &str) -> &str {
    let end = text.find("\n제2조").unwrap_or(text.len());
    text.get(..end).unwrap_or(text)
}

fn articles(places: &str) -> Vec<Article> {
    let mut articles = Vec::new();
    // Places in brackets or of other laws are none of this one.
    for reference in citation::find(places) {
        if reference.bare {
            continue;
        }
        let Target::Place(Place { article: Some(article), .. }) = reference.target else { continue };
        articles.push(article);
        if let Some(Place { article: Some(last), .. }) = reference.through {
            articles.extend(
                (article.number + 1..=last.number.min(article.number + 100)).map(|number| Article::new(number, None)),
            );
        }
    }
    articles
}

fn day_of(when: &str, promulgated: Date) -> Option<Date> {
    if let Some(captures) = AFTER.captures(when) {
        let count: u32 = captures.get(1)?.as_str().parse().ok()?;
        return match captures.get(2)?.as_str() {
            "년" => after_months(promulgated, count.checked_mul(12)?),
            "개월" => after_months(promulgated, count),
            _ => (0..=count.min(1_000)).try_fold(promulgated, |day, _| next(day)),
        };
    }
    if let Some(found) = date::find(when).into_iter().find(|found| found.day.is_some()) {
        return found.first_day();
    }
    when.contains("공포한 날").then_some(promulgated)
}

/// The day after so many months have passed.
fn after_months(from: Date, months: u32) -> Option<Date> {
    let index = u32::from(from.year()) * 12 + u32::from(from.month()) - 1 + months;
    let year = u16::try_from(index / 12).ok()?;
    let month = u8::try_from(index % 12 + 1).ok()?;
    let last = Date::month_end(year, month)?;
    next(Date::new(year, month, from.day().min(last.day()))?)
}

fn next(day: Date) -> Option<Date> {
    Date::new(day.year(), day.month(), day.day() + 1)
        .or_else(|| Date::new(day.year(), day.month() + 1, 1))
        .or_else(|| Date::new(day.year() + 1, 1, 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(addendum: &str, expected: &[(&str, u32)]) {
        let text = format!(
            "---\n제목: 시험령\n법령ID: '1'\n공포일자: 2023-08-01\n공포번호: '33656'\n시행일자: 2023-11-02\n---\n##### 제1조 (가)\n\n나\n\n## 부칙\n\n부칙 <제33656호,2023.8.1>\n\n제1조(시행일) {addendum}\n\n제2조(적용례) 다만, 제9조의 개정규정은 공포한 날부터 시행한다.\n"
        );
        let version = crate::structure::read(&text, true, "x");
        let mut found: Vec<(String, u32)> =
            split_days(&version).into_iter().map(|(article, day)| (article.to_string(), day)).collect();
        found.sort();
        let expected: Vec<(String, u32)> =
            expected.iter().map(|(article, day)| ((*article).to_owned(), *day)).collect();
        assert_eq!(found, expected, "{addendum}");
    }

    #[test]
    fn reads_days_set_apart() {
        let main = "이 영은 공포 후 3개월이 경과한 날부터 시행한다.";
        check(main, &[]);
        check(
            &format!("{main} 다만, 제14조제1항 단서 및 제26조제4항의 개정규정은 공포한 날부터 시행한다."),
            &[("제14조", 20_230_801), ("제26조", 20_230_801)],
        );
        check(
            &format!("{main} 다만, 제7조의 개정규정은 공포 후 1개월이 경과한 날부터 시행한다."),
            &[("제7조", 20_230_902)],
        );
        check(&format!("{main} 다만, 제6조의 개정규정은 공포 후 6개월이 경과한 날부터 시행한다."), &[]);
    }
}
