//! Merges the dated versions of one regulation article by article.
//!
//! The newest file is not the text in force: files are consolidated in the order of promulgation,
//! and an amendment promulgated later may take effect earlier. So each article has its own line of
//! changes, and on a given day the last-promulgated change that is in effect by then wins. A file
//! that merely repeats an article is no change. Where an amendment changes an article that an
//! earlier, not yet effective one had changed too, its file holds both changes; nothing tells them
//! apart, and the later text wins as a whole. Where an addendum lets single articles take effect on
//! another day than the rest (`다만, 제26조제4항의 개정규정은 공포한 날부터`), that day counts for them.

mod provisos;

use std::collections::HashMap;

use haechi_korean::citation::Article;

use crate::structure::{AddendumSource, Source, strip_marks};

/// The day after which nothing is known: an open end.
pub const FOREVER: u32 = 99_991_231;

/// Days as numbers that sort: 20250131.
pub type Day = u32;

/// What has a history of its own.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Key {
    Article(Article),
    /// By its label, `별표 1의2`.
    Annex(String),
}

/// An article or an annex as it stands in one version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unit {
    pub key: Key,
    pub title: String,
    pub text: String,
    pub headings: Vec<String>,
    pub deleted: bool,
}

/// One text of one article with the days it is in force: from `from` until before `to`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interval {
    pub from: Day,
    pub to: Day,
    pub unit: Unit,
    /// The days on which the versions that hold this text took effect.
    pub versions: Vec<Day>,
    /// The regulation is known from this day on; before it nothing can be said.
    pub first: bool,
}

/// The history of one regulation.
#[derive(Debug, Clone)]
pub struct Timeline {
    /// The versions in the order of promulgation, without repetitions.
    pub versions: Vec<Source>,
    pub intervals: Vec<Interval>,
    /// Each addendum once, with its day.
    pub addenda: Vec<(AddendumSource, Day)>,
    pub first: Day,
}

pub fn effective(source: &Source) -> Day {
    source.head.effective.map_or(10_101, haechi_korean::date::Date::number)
}

fn promulgated(source: &Source) -> (Day, u64) {
    let number = source.head.promulgation_no.as_deref().unwrap_or_default();
    let digits: String = number.chars().filter(char::is_ascii_digit).collect();
    let day = source.head.promulgated.map_or_else(|| effective(source), haechi_korean::date::Date::number);
    (day, digits.parse().unwrap_or(0))
}

/// Merges the versions of one regulation; their order does not matter.
pub fn merge(mut versions: Vec<Source>) -> Timeline {
    versions.sort_by_key(|source| (promulgated(source), effective(source)));
    versions.dedup_by(|right, left| {
        promulgated(right) == promulgated(left)
            && effective(right) == effective(left)
            && left.head.promulgation_no == right.head.promulgation_no
    });
    let first = versions.iter().map(effective).min().unwrap_or(10_101);
    let mut keys: Vec<Key> = Vec::new();
    let mut changes: HashMap<Key, Vec<Change>> = HashMap::new();
    for (at, version) in versions.iter().enumerate() {
        let units = units(version);
        let present: HashMap<&Key, &Unit> = units.iter().rev().map(|unit| (&unit.key, unit)).collect();
        for unit in &units {
            if !changes.contains_key(&unit.key) {
                keys.push(unit.key.clone());
                changes.insert(unit.key.clone(), Vec::new());
            }
        }
        let split = provisos::split_days(version);
        for (key, line) in &mut changes {
            let day = match key {
                Key::Article(article) => split.get(article).copied(),
                Key::Annex(_) => None,
            };
            record(line, at, day.unwrap_or_else(|| effective(version)), effective(version), present.get(key).copied());
        }
    }
    keys.sort_by_key(|key| match key {
        Key::Article(article) => (0, article.order()),
        Key::Annex(_) => (1, 0),
    });
    let mut intervals = Vec::new();
    for key in keys {
        if let Some(line) = changes.remove(&key) {
            intervals.extend(spread(line, first));
        }
    }
    let addenda = gather_addenda(&versions);
    Timeline { versions, intervals, addenda, first }
}

fn units(version: &Source) -> Vec<Unit> {
    let articles = version.articles.iter().map(|source| Unit {
        key: Key::Article(source.article),
        title: source.title.clone(),
        text: source.text.clone(),
        headings: source.headings.clone(),
        deleted: source.deleted,
    });
    let annexes = version.annexes.iter().map(|source| Unit {
        key: Key::Annex(source.label.clone()),
        title: source.title.clone(),
        text: source.text.clone(),
        headings: Vec::new(),
        deleted: false,
    });
    articles.chain(annexes).collect()
}

/// Statutes repeat every addendum in every version, internal rules only bring the newest; either
/// way each is wanted once.
fn gather_addenda(versions: &[Source]) -> Vec<(AddendumSource, Day)> {
    let mut seen = std::collections::HashSet::new();
    let mut addenda = Vec::new();
    for version in versions {
        for addendum in &version.addenda {
            let key = if addendum.label.is_empty() { squeeze(&addendum.text) } else { squeeze(&addendum.label) };
            if seen.insert(key) {
                let day = addendum.date.map_or_else(|| effective(version), haechi_korean::date::Date::number);
                addenda.push((addendum.clone(), day));
            }
        }
    }
    addenda
}

/// A version that says something else of an article than the one promulgated before it.
struct Change {
    version: usize,
    effective: Day,
    content: Option<Content>,
}

struct Content {
    unit: Unit,
    /// The text without what typography and history differ in.
    essence: String,
    days: Vec<Day>,
}

/// Notes what a version says of an article. `day` is when a change of it takes effect, which an
/// addendum may set apart from the day of the version.
fn record(line: &mut Vec<Change>, version: usize, day: Day, effective: Day, now: Option<&Unit>) {
    let Some(unit) = now else {
        if line.last().is_some_and(|last| last.content.is_some()) {
            line.push(Change { version, effective: day, content: None });
        }
        return;
    };
    let essence = essence(&unit.title, &unit.text);
    match line.last_mut().and_then(|last| last.content.as_mut()) {
        Some(content) if content.essence == essence => {
            // The same text, newly typeset: keep the newest letters and the old days.
            content.unit = unit.clone();
            content.days.push(effective);
        }
        _ => {
            // In the first known version nothing tells what it changed.
            let day = if line.is_empty() && version == 0 { effective } else { day };
            let content = Content { unit: unit.clone(), essence, days: vec![day, effective] };
            line.push(Change { version, effective: day, content: Some(content) });
        }
    }
}

/// Lays the changes of one article out over the days.
fn spread(line: Vec<Change>, first: Day) -> Vec<Interval> {
    let mut days: Vec<Day> = line.iter().map(|change| change.effective).collect();
    days.sort_unstable();
    days.dedup();
    let mut intervals: Vec<(Day, Day, usize)> = Vec::new();
    for (at, &day) in days.iter().enumerate() {
        let until = days.get(at + 1).copied().unwrap_or(FOREVER);
        let winner = line
            .iter()
            .enumerate()
            .filter(|(_, change)| change.effective <= day)
            .max_by_key(|(_, change)| change.version)
            .map(|(at, _)| at);
        let Some(winner) = winner else { continue };
        match intervals.last_mut() {
            Some((_, to, last)) if *last == winner && *to == day => *to = until,
            _ => intervals.push((day, until, winner)),
        }
    }
    intervals
        .into_iter()
        .filter_map(|(from, to, winner)| {
            let content = line.get(winner)?.content.as_ref()?;
            let mut versions: Vec<Day> = content.days.iter().copied().filter(|day| (from..to).contains(day)).collect();
            versions.push(from);
            versions.sort_unstable();
            versions.dedup();
            Some(Interval { from, to, unit: content.unit.clone(), versions, first: from == first })
        })
        .collect()
}

/// The text without spaces, amendment marks and kinds of dots and brackets, in which two versions
/// of an unchanged article are equal.
pub fn essence(title: &str, text: &str) -> String {
    let mut essence = squeeze(title);
    essence.push('\n');
    essence.push_str(&squeeze(&strip_marks(text)));
    essence
}

/// Reduces a text to what distinguishes its meaning in print.
pub fn squeeze(text: &str) -> String {
    text.chars()
        .filter(|letter| !letter.is_whitespace() && !haechi_korean::text::is_invisible(*letter))
        .map(|letter| match letter {
            'ㆍ' | '‧' | '•' | '・' | '･' | '∙' => '·',
            '“' | '”' | '″' => '"',
            '‘' | '’' | '′' => '\'',
            '『' => '「',
            '』' => '」',
            letter => haechi_korean::text::narrow(letter),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use haechi_korean::date;

    use super::*;

    fn version(promulgated: &str, effective: &str, articles: &[(u32, &str)]) -> Source {
        let text: String =
            articles.iter().map(|(number, text)| format!("##### 제{number}조 (가)\n\n{text}\n\n")).collect();
        crate::structure::read(
            &format!("---\n제목: 시험법\n공포일자: {promulgated}\n시행일자: {effective}\n---\n{text}"),
            true,
            "x",
        )
    }

    fn lines(timeline: &Timeline) -> Vec<String> {
        timeline
            .intervals
            .iter()
            .map(|interval| {
                let Key::Article(article) = &interval.unit.key else { return String::new() };
                format!("{article} {}–{} {}", interval.from, interval.to, interval.unit.text)
            })
            .collect()
    }

    #[test]
    fn interleaved_amendments_merge_article_by_article() {
        // The second is promulgated before the third and takes effect after it; its file lacks 제2조.
        let timeline = merge(vec![
            version("2023-10-04", "2023-10-12", &[(1, "새"), (2, "신설")]),
            version("2022-12-08", "2022-12-08", &[(1, "옛")]),
            version("2023-08-01", "2023-11-02", &[(1, "새")]),
        ]);
        assert_eq!(
            lines(&timeline),
            ["제1조 20221208–20231102 옛", "제1조 20231102–99991231 새", "제2조 20231012–99991231 신설"]
        );
    }

    #[test]
    fn a_repealed_article_ends_and_typography_is_no_change() {
        let timeline = merge(vec![
            version("2020-01-01", "2020-01-01", &[(1, "인가ㆍ허가"), (2, "둘")]),
            version("2021-01-01", "2021-01-01", &[(1, "인가·허가 <개정 2021.1.1>")]),
        ]);
        assert_eq!(
            lines(&timeline),
            ["제1조 20200101–99991231 인가·허가 <개정 2021.1.1>", "제2조 20200101–20210101 둘"]
        );
        assert!(timeline.intervals[0].first);
    }

    proptest::proptest! {
        #[test]
        fn intervals_of_an_article_never_overlap(
            versions in proptest::collection::vec((0_u8..28, 0_u8..28, proptest::collection::vec((1_u32..4, 0_u8..3), 0..4)), 1..6)
        ) {
            let sources = versions
                .iter()
                .map(|(promulgated, effective, articles)| {
                    let mut texts = vec!["가", "나", "다"];
                    let articles: Vec<(u32, &str)> = articles.iter().map(|(number, text)| (*number, texts.get(usize::from(*text)).copied().unwrap_or("라"))).collect();
                    texts.clear();
                    version(&format!("2024-01-{:02}", promulgated + 1), &format!("2024-02-{:02}", effective + 1), &articles)
                })
                .collect();
            let timeline = merge(sources);
            for (at, left) in timeline.intervals.iter().enumerate() {
                proptest::prop_assert!(left.from < left.to);
                for right in timeline.intervals.iter().skip(at + 1).filter(|right| right.unit.key == left.unit.key) {
                    proptest::prop_assert!(left.to <= right.from || right.to <= left.from);
                }
            }
            proptest::prop_assert!(date::Date::from_number(timeline.first).is_some());
        }
    }
}
