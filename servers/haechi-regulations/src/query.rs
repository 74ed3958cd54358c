//! Understands a query before anything is searched: citations, names, dates, then words.
//!
//! What is understood is taken out of the words, so that a law's name does not outweigh the
//! question. It looks nothing up in the index.

use haechi_korean::citation::{self, Base, Level, Place, Target};
use haechi_korean::date::{self, Date};

use crate::catalog::family_of;
use crate::names::{NameMatch, Names};

/// A query as it was understood.
#[derive(Debug, Clone, Default)]
pub struct Understood {
    /// Places that were cited, with the regulation that is meant.
    pub cited: Vec<Cited>,
    /// Regulations that were named without a place.
    pub laws: Vec<NameMatch>,
    pub day: Option<Date>,
    /// What is left to search for.
    pub words: String,
}

#[derive(Debug, Clone)]
pub struct Cited {
    pub name: NameMatch,
    pub target: Target,
    pub through: Option<Place>,
}

/// Understands a query with the names that are known.
pub fn understand(query: &str, names: &Names) -> Understood {
    let plain = haechi_korean::text::plain(query);
    let mut understood = Understood::default();
    let mut taken: Vec<(usize, usize)> = Vec::new();
    let named = names.find(&plain);
    let mut used = vec![false; named.len()];
    understood.day = take_date(&plain, &named, &mut taken);
    let mut last: Option<NameMatch> = None;
    for reference in citation::find(&plain) {
        let inside = named.iter().any(|name| name.start <= reference.start && reference.end <= name.end);
        if inside || overlaps(&taken, reference.start, reference.end) {
            continue;
        }
        let owner = if reference.continues || matches!(reference.naming.base, Base::Same | Base::SameArticle) {
            last.clone()
        } else {
            let before = named.iter().enumerate().rev().find(|(_, name)| name.end <= reference.start);
            before.map(|(at, name)| {
                if let Some(flag) = used.get_mut(at) {
                    *flag = true;
                }
                name.clone()
            })
        };
        let Some(owner) = owner.map(|owner| at_level(owner, reference.naming.level, names)) else { continue };
        // `3조` away from a name counts something else.
        let gap = plain.get(owner.end..reference.start).unwrap_or_default();
        if reference.bare && !reference.continues && !gap.trim_matches([' ', '」', '의', '제']).is_empty() {
            continue;
        }
        let target = match (reference.target, understood.cited.last()) {
            (Target::Place(place), Some(Cited { target: Target::Place(before), .. })) if place.article.is_none() => {
                Target::Place(Place { article: before.article, ..place })
            }
            (target, _) => target,
        };
        if matches!(target, Target::Place(Place { article: None, .. })) {
            continue;
        }
        taken.push((reference.start, reference.end));
        last = Some(owner.clone());
        understood.cited.push(Cited { name: owner, target, through: reference.through });
    }
    for (name, used) in named.into_iter().zip(used) {
        taken.push((name.start, name.end));
        if !used {
            understood.laws.push(name);
        }
    }
    understood.words = without(&plain, taken);
    understood
}

fn at_level(name: NameMatch, level: Option<Level>, names: &Names) -> NameMatch {
    let word = match level {
        Some(Level::Decree) => "시행령",
        Some(Level::Rule) => "시행규칙",
        Some(Level::Law) | None => return name,
    };
    let title = format!("{} {word}", family_of(&name.title));
    match names.exact(&title) {
        Some(found) => NameMatch { start: name.start, end: name.end, ..found },
        None => NameMatch { regulations: Vec::new(), title, ..name },
    }
}

fn overlaps(taken: &[(usize, usize)], start: usize, end: usize) -> bool {
    taken.iter().any(|&(from, to)| start < to && from < end)
}

/// Reads the day a query asks about, and takes the words around it out with it.
fn take_date(plain: &str, named: &[NameMatch], taken: &mut Vec<(usize, usize)>) -> Option<Date> {
    let found = date::find(plain).into_iter().find(|found| {
        (1945..=2100).contains(&found.year)
            && !named.iter().any(|name| name.start < found.end && found.start < name.end)
    })?;
    let after = plain.get(found.end..).unwrap_or_default();
    let trimmed = after.trim_start();
    let mut day = found.last_day()?;
    let mut end = found.end;
    const AFTER: [&str; 17] = [
        "기준으로",
        "기준",
        "현재",
        "당시에",
        "당시",
        "시점에",
        "시점",
        "이전에",
        "이전",
        "이후에",
        "이후",
        "부터",
        "까지",
        "자로",
        "에는",
        "에",
        "자",
    ];
    if let Some(word) = AFTER.iter().find(|word| trimmed.starts_with(**word)) {
        end = found.end + (after.len() - trimmed.len()) + word.len();
        if word.starts_with("이전") {
            day = found.first_day()?.previous()?;
        }
    }
    taken.push((found.start, end));
    Some(day)
}

/// The text without the taken pieces and without brackets that are left empty.
fn without(plain: &str, mut taken: Vec<(usize, usize)>) -> String {
    taken.sort_unstable();
    let mut words = String::with_capacity(plain.len());
    let mut at = 0;
    for (start, end) in taken {
        if at < start {
            words.push_str(plain.get(at..start).unwrap_or_default());
        }
        words.push(' ');
        at = at.max(end);
    }
    words.push_str(plain.get(at..).unwrap_or_default());
    words.split_whitespace().filter(|word| word.chars().any(char::is_alphanumeric)).collect::<Vec<_>>().join(" ")
}

/// Words that ask rather than say what is asked about; they do not count as uncovered.
const ASKING: [&str; 74] = [
    "하나",
    "하나요",
    "되나",
    "되나요",
    "있나",
    "있나요",
    "인가",
    "인가요",
    "무엇",
    "무엇인가",
    "무엇인가요",
    "어떻게",
    "어떤",
    "어디",
    "어디에",
    "어디서",
    "언제",
    "언제까지",
    "얼마",
    "얼마나",
    "얼마까지",
    "얼마인가",
    "왜",
    "누가",
    "누구",
    "뭘",
    "뭐",
    "뭔가",
    "경우",
    "때",
    "것",
    "건",
    "거",
    "수",
    "해야",
    "해야하나",
    "하는",
    "하면",
    "할",
    "한",
    "및",
    "또는",
    "그",
    "알려줘",
    "알려주세요",
    "찾아줘",
    "규정",
    "조항",
    "조문",
    "근거",
    "관련",
    "대해",
    "대한",
    "관한",
    "받아도",
    "받을",
    "받나",
    "하려면",
    "되는",
    "된",
    "있는",
    "없는",
    "같은",
    "며칠",
    "몇",
    "안에",
    "불법인가",
    "위반인가",
    "되나요?",
    "안되나",
    "못하나",
    "못",
    "꼭",
    "각각",
];

/// The words of a query that an answer should hold, without particles and question endings.
pub fn telling(words: &str) -> String {
    const ENDINGS: [&str; 44] = [
        "해야하나요",
        "해야하나",
        "하나요",
        "되나요",
        "인가요",
        "있나요",
        "할까요",
        "합니까",
        "됩니까",
        "입니까",
        "습니까",
        "했는데",
        "하는데",
        "하나",
        "되나",
        "인가",
        "있나",
        "까지",
        "부터",
        "에서",
        "에게",
        "한테",
        "으로",
        "이라고",
        "라고",
        "이나",
        "하면",
        "하고",
        "들이",
        "들은",
        "들을",
        "의",
        "을",
        "를",
        "은",
        "는",
        "이",
        "가",
        "에",
        "로",
        "와",
        "과",
        "도",
        "만",
    ];
    words
        .split_whitespace()
        .map(|word| word.trim_matches(|letter: char| !letter.is_alphanumeric()))
        .filter(|word| !ASKING.contains(word))
        .map(|word| {
            let stripped = ENDINGS.iter().find_map(|ending| word.strip_suffix(ending)).unwrap_or(word);
            if stripped.chars().count() >= 2 { stripped } else { word }
        })
        .filter(|word| !ASKING.contains(word))
        .collect::<Vec<_>>()
        .join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::Catalog;

    #[track_caller]
    fn check(query: &str, cited: &[&str], laws: &[&str], day: Option<&str>, words: &str) {
        let names = Names::new(&Catalog::default(), &[]);
        let understood = understand(query, &names);
        let places: Vec<String> =
            understood.cited.iter().map(|cited| format!("{} {}", cited.name.title, cited.target)).collect();
        assert_eq!(places, cited, "{query}");
        assert_eq!(understood.laws.iter().map(|law| law.title.as_str()).collect::<Vec<_>>(), laws, "{query}");
        assert_eq!(understood.day.map(|day| day.to_string()).as_deref(), day, "{query}");
        assert_eq!(understood.words, words, "{query}");
    }

    #[test]
    fn understands() {
        let fcpa = "금융소비자 보호에 관한 법률";
        check("금소법 19조1항", &["금융소비자 보호에 관한 법률 제19조제1항"], &[], None, "");
        check("금소법 17조 적합성", &["금융소비자 보호에 관한 법률 제17조"], &[], None, "적합성");
        check("금소법 설명의무", &[], &[fcpa], None, "설명의무");
        check(
            "금소법 제19조, 제20조제1항",
            &["금융소비자 보호에 관한 법률 제19조", "금융소비자 보호에 관한 법률 제20조제1항"],
            &[],
            None,
            "",
        );
        check("금소법 시행령 26조", &["금융소비자 보호에 관한 법률 시행령 제26조"], &[], None, "");
        check("2025년 9월 1일 기준 예금자보호 한도", &[], &[], Some("2025-09-01"), "예금자보호 한도");
        check(
            "금소법 제30조의3 (2026-06-30 기준)",
            &["금융소비자 보호에 관한 법률 제30조의3"],
            &[],
            Some("2026-06-30"),
            "",
        );
        check("대출 3년 뒤 수수료 2조 5천억", &[], &[], None, "대출 3년 뒤 수수료 2조 5천억");
        check("2024년 7월 3일 이전 책무구조도", &[], &[], Some("2024-07-02"), "책무구조도");
        check("금소법 벌금 3조원", &[], &[fcpa], None, "벌금 3조원");
    }

    #[test]
    fn telling_words_have_no_endings() {
        assert_eq!(telling("계약서류를 고객에게 언제까지 줘야 하나"), "계약서류 고객 줘야");
    }
}
