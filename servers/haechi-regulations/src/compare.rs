//! Answers `compare_versions`: what changed between two days, article by article and word by word.
//!
//! Typography and amendment marks are no changes; a moved article is found by its text.

use std::collections::{BTreeMap, HashSet};

use haechi_contract::regulations::{Change, ChangeKind, CompareVersions, Comparison, WordChange, WordChangeKind};
use haechi_korean::citation::Article;

use crate::domain::Regulations;
use crate::error::Error;
use crate::index::{Section, Stored};
use crate::resolve::{AsOf, day_text};
use crate::search::citation;
use crate::settings::CHANGES_MAX;
use crate::structure::strip_marks;
use crate::timeline::{essence, squeeze};

/// Above this product of words the differing middle is shown as a whole.
const WORD_PAIRS_MAX: usize = 4_000_000;

impl Regulations {
    pub fn compare(&self, input: &CompareVersions) -> Result<Comparison, Error> {
        let library = self.library()?;
        let from = AsOf::read(Some(&input.from), self.today())?;
        let to = AsOf::read(Some(&input.to), self.today())?;
        if to.day <= from.day {
            return Err(Error::invalid(
                "from이 to보다 앞선 날이어야 합니다",
                "from에 개정 전, to에 개정 후의 날을 적으십시오",
            ));
        }
        let regulation = library.regulation(&input.regulation, to.day)?;
        let wanted = match &input.article {
            None => None,
            Some(written) => Some(Article::parse(written).ok_or_else(|| {
                Error::invalid("article을 조문으로 읽을 수 없습니다", "`제12조`나 `제34조의2`처럼 적으십시오")
            })?),
        };
        let mut notes = Vec::new();
        if from.day < regulation.first {
            notes.push(format!(
                "색인에는 {} 시행본부터 있어 그 전의 글과는 견줄 수 없습니다",
                day_text(regulation.first)
            ));
        }
        let texts = |as_of: AsOf| -> Result<BTreeMap<(u8, u64, String), Stored>, Error> {
            let all = library.all(&regulation.id, as_of)?;
            Ok(all
                .into_iter()
                .filter(|stored| stored.meta.section != Section::Addendum && !stored.meta.deleted)
                .filter(|stored| wanted.is_none() || stored.meta.article() == wanted)
                .map(|stored| (key(&stored), stored))
                .collect())
        };
        let (before, after) = (texts(from)?, texts(to)?);
        let mut changes = if from.day < regulation.first { Vec::new() } else { changes(&before, &after) };
        for change in &mut changes {
            let stored = after.get(&change.0).or_else(|| before.get(&change.0));
            if let Some(stored) = stored {
                change.1.citation = citation(
                    &regulation.title,
                    &stored.meta.label,
                    &day_text(stored.meta.effective_on(to.day.min(stored.meta.to))),
                );
                change.1.uri = stored.meta.uri();
            }
        }
        let mut changes: Vec<Change> = changes.into_iter().map(|(_, change)| change).collect();
        let truncated = CHANGES_MAX < changes.len();
        changes.truncate(CHANGES_MAX);
        Ok(Comparison {
            regulation: regulation.title.clone(),
            from: day_text(from.day),
            to: day_text(to.day),
            changes,
            truncated,
            notes,
        })
    }
}

type Key = (u8, u64, String);

fn key(stored: &Stored) -> Key {
    match stored.meta.section {
        Section::Main => (0, stored.meta.order, String::new()),
        Section::Annex | Section::Addendum => (1, 0, stored.meta.label.clone()),
    }
}

fn changes(before: &BTreeMap<Key, Stored>, after: &BTreeMap<Key, Stored>) -> Vec<(Key, Change)> {
    let mut found: Vec<(Key, Change)> = Vec::new();
    let mut gone: Vec<&Stored> =
        before.iter().filter(|(key, _)| !after.contains_key(*key)).map(|(_, stored)| stored).collect();
    for (key, now) in after {
        match before.get(key) {
            Some(then) if same(then, now) => {}
            Some(then) => found.push((key.clone(), change(ChangeKind::Changed, Some(then), Some(now)))),
            None => {
                let moved = gone
                    .iter()
                    .enumerate()
                    .map(|(at, then)| (likeness(&then.text, &now.text), at))
                    .filter(|(likeness, _)| *likeness >= 0.75)
                    .max_by(|left, right| left.0.total_cmp(&right.0));
                let change = match moved {
                    Some((_, at)) => change(ChangeKind::Renumbered, Some(gone.remove(at)), Some(now)),
                    None => change(ChangeKind::Added, None, Some(now)),
                };
                found.push((key.clone(), change));
            }
        }
    }
    found.extend(gone.into_iter().map(|then| (key(then), change(ChangeKind::Removed, Some(then), None))));
    found.sort_by(|left, right| left.0.cmp(&right.0));
    found
}

fn same(then: &Stored, now: &Stored) -> bool {
    essence(&then.meta.title, &then.text) == essence(&now.meta.title, &now.text)
}

fn change(kind: ChangeKind, then: Option<&Stored>, now: Option<&Stored>) -> Change {
    let text = |stored: Option<&Stored>| {
        stored.map(|stored| {
            let title = if stored.meta.title.is_empty() { String::new() } else { format!("({}) ", stored.meta.title) };
            format!("{title}{}", strip_marks(&stored.text).trim())
        })
    };
    let (before, after) = (text(then).unwrap_or_default(), text(now).unwrap_or_default());
    let words = match kind {
        ChangeKind::Changed | ChangeKind::Renumbered => words(&before, &after),
        ChangeKind::Added | ChangeKind::Removed => Vec::new(),
    };
    let shown = now.or(then);
    Change {
        article: shown.map(|stored| stored.meta.label.clone()).unwrap_or_default(),
        kind,
        title: shown.map(|stored| stored.meta.title.clone()).unwrap_or_default(),
        article_before: then.filter(|_| kind == ChangeKind::Renumbered).map(|stored| stored.meta.label.clone()),
        before,
        after,
        words,
        effective_from: match now {
            Some(now) => Some(day_text(now.meta.from)),
            None => then.map(|then| day_text(then.meta.to)),
        },
        citation: String::new(),
        uri: String::new(),
    }
}

/// How alike two texts are by the syllable pairs they share.
fn likeness(left: &str, right: &str) -> f64 {
    let pairs = |text: &str| -> HashSet<(char, char)> {
        let letters: Vec<char> = squeeze(&strip_marks(text)).chars().collect();
        letters.windows(2).filter_map(|pair| Some((*pair.first()?, *pair.get(1)?))).collect()
    };
    let (left, right) = (pairs(left), pairs(right));
    if left.len() + right.len() == 0 {
        return 0.0;
    }
    let shared = left.intersection(&right).count();
    #[expect(clippy::cast_precision_loss, reason = "small counts")]
    let likeness = 2.0 * shared as f64 / (left.len() + right.len()) as f64;
    likeness
}

/// The difference of two texts word by word, joined into runs.
pub fn words(before: &str, after: &str) -> Vec<WordChange> {
    let (left, right) = (split(before), split(after));
    let same = |left: &str, right: &str| squeeze(left) == squeeze(right);
    let head = left.iter().zip(&right).take_while(|(left, right)| same(left, right)).count();
    let tail = left
        .iter()
        .skip(head)
        .rev()
        .zip(right.iter().skip(head).rev())
        .take_while(|(left, right)| same(left, right))
        .count();
    let slice = |words: &[&str], from: usize, until: usize| -> Vec<String> {
        words.get(from..until).unwrap_or_default().iter().map(|word| (*word).to_owned()).collect()
    };
    let left_middle = slice(&left, head, left.len() - tail);
    let right_middle = slice(&right, head, right.len() - tail);
    let mut runs = Runs::default();
    for word in right.iter().take(head) {
        runs.push(WordChangeKind::Same, word);
    }
    if left_middle.len().saturating_mul(right_middle.len()) <= WORD_PAIRS_MAX {
        middle(&left_middle, &right_middle, &mut runs);
    } else {
        left_middle.iter().for_each(|word| runs.push(WordChangeKind::Removed, word));
        right_middle.iter().for_each(|word| runs.push(WordChangeKind::Added, word));
    }
    for word in right.iter().skip(right.len() - tail) {
        runs.push(WordChangeKind::Same, word);
    }
    runs.0
}

/// Words with the space behind them.
fn split(text: &str) -> Vec<&str> {
    let mut words: Vec<&str> = Vec::new();
    let mut start = 0;
    let mut in_space = false;
    for (at, letter) in text.char_indices() {
        if in_space && !letter.is_whitespace() {
            words.extend(text.get(start..at));
            start = at;
        }
        in_space = letter.is_whitespace();
    }
    words.extend(text.get(start..).filter(|rest| !rest.is_empty()));
    words
}

#[derive(Default)]
struct Runs(Vec<WordChange>);

impl Runs {
    fn push(&mut self, kind: WordChangeKind, word: &str) {
        match self.0.last_mut() {
            Some(last) if last.kind == kind => last.text.push_str(word),
            _ => self.0.push(WordChange { kind, text: word.to_owned() }),
        }
    }
}

/// The longest common subsequence by the plain table; the ends were cut off before.
fn middle(left: &[String], right: &[String], runs: &mut Runs) {
    let keys = |words: &[String]| -> Vec<String> { words.iter().map(|word| squeeze(word)).collect() };
    let (left_keys, right_keys) = (keys(left), keys(right));
    let width = right.len() + 1;
    let mut table = vec![0_u32; (left.len() + 1) * width];
    let cell = |table: &[u32], row: usize, column: usize| table.get(row * width + column).copied().unwrap_or(0);
    for (row, left_key) in left_keys.iter().enumerate().rev() {
        for (column, right_key) in right_keys.iter().enumerate().rev() {
            let best = if left_key == right_key {
                cell(&table, row + 1, column + 1) + 1
            } else {
                cell(&table, row + 1, column).max(cell(&table, row, column + 1))
            };
            if let Some(slot) = table.get_mut(row * width + column) {
                *slot = best;
            }
        }
    }
    let (mut row, mut column) = (0, 0);
    while let (Some(from), Some(to)) = (left.get(row), right.get(column)) {
        if left_keys.get(row) == right_keys.get(column) {
            runs.push(WordChangeKind::Same, to);
            row += 1;
            column += 1;
        } else if cell(&table, row + 1, column) >= cell(&table, row, column + 1) {
            runs.push(WordChangeKind::Removed, from);
            row += 1;
        } else {
            runs.push(WordChangeKind::Added, to);
            column += 1;
        }
    }
    left.iter().skip(row).for_each(|word| runs.push(WordChangeKind::Removed, word));
    right.iter().skip(column).for_each(|word| runs.push(WordChangeKind::Added, word));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(before: &str, after: &str, expected: &str) {
        let shown: String = words(before, after)
            .iter()
            .map(|word| match word.kind {
                WordChangeKind::Same => word.text.clone(),
                WordChangeKind::Removed => format!("-{}-", word.text.trim()),
                WordChangeKind::Added => format!("+{}+", word.text.trim()),
            })
            .collect();
        assert_eq!(shown, expected);
    }

    #[test]
    fn shows_changed_words() {
        check("자기자본의 5억원 이상", "자기자본의 50억원 이상", "자기자본의 -5억원-+50억원+이상");
        check("인가ㆍ허가를 받은 자", "인가·허가를 받은 자", "인가·허가를 받은 자");
        check("가 나 다", "가 다 라", "가 -나-다 +라+");
    }

    proptest::proptest! {
        #[test]
        fn both_sides_can_be_read_back(before in "[가나다 ]{0,20}", after in "[가나다 ]{0,20}") {
            let words = words(&before, &after);
            let side = |skip: WordChangeKind| -> String {
                words.iter().filter(|word| word.kind != skip).map(|word| squeeze(&word.text)).collect()
            };
            proptest::prop_assert_eq!(side(WordChangeKind::Added), squeeze(&before));
            proptest::prop_assert_eq!(side(WordChangeKind::Removed), squeeze(&after));
        }
    }
}
