//! Which regulation a name means: titles, short names, and names inside longer text.
//!
//! One automaton over all names reads a text once, so understanding a query costs less than
//! searching it. Names match without regard to spaces and middle dots, and only as words of their
//! own: 민법 is not in 난민법, nor 상법 in 보상법.

use std::collections::HashMap;

use aho_corasick::{AhoCorasick, MatchKind};

use crate::catalog::{Catalog, family_of};

/// A name found in a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NameMatch {
    pub start: usize,
    pub end: usize,
    /// Indices into the catalogue's regulations; empty where the name is known but not indexed.
    pub regulations: Vec<usize>,
    /// The full title.
    pub title: String,
    /// The name as written is the title, not a short one.
    pub full: bool,
}

/// Every known name.
pub struct Names {
    automaton: Option<AhoCorasick>,
    entries: Vec<Entry>,
    by_name: HashMap<String, usize>,
}

#[derive(Debug, Clone)]
struct Entry {
    title: String,
    regulations: Vec<usize>,
    full: bool,
    chars: usize,
}

/// The file of short names that is shipped; settings may name another one that is read after it.
pub const SHIPPED: &str = include_str!("../data/names.txt");

/// Short names by lines `짧은 이름, 다른 이름 = 제목`.
pub fn read_list(text: &str) -> Vec<(String, String)> {
    let mut pairs = Vec::new();
    for line in text.lines() {
        let line = line.split('#').next().unwrap_or_default();
        let Some((names, title)) = line.split_once('=') else { continue };
        for name in names.split(',').map(str::trim).filter(|name| !name.is_empty()) {
            pairs.push((name.to_owned(), title.trim().to_owned()));
        }
    }
    pairs
}

/// Longer names are found inside words too, since no ordinary word holds them.
const FREE_CHARS_MIN: usize = 7;

impl Names {
    pub fn new(catalog: &Catalog, extra: &[(String, String)]) -> Self {
        let mut names = Builder::default();
        for (at, regulation) in catalog.regulations.iter().enumerate() {
            names.add(&regulation.title, &regulation.title, Some(at), true);
        }
        // `은행법 시행령` is a text of its own even where only 은행법 is indexed.
        for regulation in catalog.regulations.iter().filter(|regulation| !regulation.internal) {
            names.add_levels(&regulation.title);
        }
        for (at, regulation) in catalog.regulations.iter().enumerate() {
            for short in &regulation.short_names {
                names.add(short, &regulation.title, Some(at), false);
            }
        }
        let shipped = read_list(SHIPPED);
        for (short, title) in extra.iter().chain(&shipped) {
            names.add_family(short, title);
        }
        // A text may give the same short name to different laws; then it means neither elsewhere.
        let mut taught: HashMap<&str, Option<&str>> = HashMap::new();
        for (short, title) in catalog.regulations.iter().flat_map(|regulation| &regulation.teaches) {
            let entry = taught.entry(short).or_insert(Some(title));
            if entry.is_some_and(|known| squeeze(known) != squeeze(title)) {
                *entry = None;
            }
        }
        let mut taught: Vec<(&str, &str)> =
            taught.into_iter().filter_map(|(short, title)| Some((short, title?))).collect();
        taught.sort_unstable();
        for (short, title) in taught {
            if names.entries.contains_key(&squeeze(title)) {
                names.add_family(short, title);
            }
        }
        names.build()
    }

    /// The regulations that a whole text names, if it is a name.
    pub fn exact(&self, name: &str) -> Option<NameMatch> {
        let entry = self.by_name.get(&squeeze(name)).and_then(|&at| self.entries.get(at))?;
        Some(NameMatch {
            start: 0,
            end: name.len(),
            regulations: entry.regulations.clone(),
            title: entry.title.clone(),
            full: entry.full,
        })
    }

    /// Finds names in a text, leftmost and longest first, without overlaps.
    pub fn find(&self, text: &str) -> Vec<NameMatch> {
        let Some(automaton) = &self.automaton else { return Vec::new() };
        let squeezed = Squeezed::new(text);
        let mut candidates: Vec<(usize, usize, usize)> = automaton
            .find_overlapping_iter(&squeezed.text)
            .filter_map(|found| {
                let entry = self.entries.get(found.pattern().as_usize())?;
                let (start, end) = squeezed.original(found.start(), found.end())?;
                stands_alone(text, start, end, entry.chars).then_some((start, end, found.pattern().as_usize()))
            })
            .collect();
        candidates.sort_by_key(|&(start, end, _)| (start, std::cmp::Reverse(end)));
        let mut matches: Vec<NameMatch> = Vec::new();
        for (start, end, entry) in candidates {
            if matches.last().is_some_and(|last| start < last.end) {
                continue;
            }
            if let Some(entry) = self.entries.get(entry) {
                matches.push(NameMatch {
                    start,
                    end,
                    regulations: entry.regulations.clone(),
                    title: entry.title.clone(),
                    full: entry.full,
                });
            }
        }
        matches
    }

    /// Full titles that begin with or contain a text, for completion and for `혹시 …?`.
    pub fn titles(&self) -> impl Iterator<Item = (&str, &[usize])> {
        self.entries.iter().filter(|entry| entry.full).map(|entry| (entry.title.as_str(), entry.regulations.as_slice()))
    }

    /// The known name nearest to a misspelt one.
    pub fn nearest(&self, name: &str) -> Option<&str> {
        let wanted = haechi_korean::text::jamo(&squeeze(name));
        let max = (wanted.len() / 5).clamp(1, 6);
        self.by_name
            .iter()
            .filter_map(|(known, &at)| {
                let distance = haechi_korean::text::edit_distance(&wanted, &haechi_korean::text::jamo(known), max)?;
                Some((distance, self.entries.get(at)?.title.as_str()))
            })
            .min()
            .map(|(_, title)| title)
    }
}

#[derive(Default)]
struct Builder {
    entries: HashMap<String, Entry>,
    order: Vec<String>,
}

impl Builder {
    fn add(&mut self, name: &str, title: &str, regulation: Option<usize>, full: bool) {
        let key = squeeze(name);
        let chars = key.chars().count();
        if chars < 2 {
            return;
        }
        match self.entries.get_mut(&key) {
            // A full title is never taken over by a short name of something else.
            Some(entry) if entry.full == full => entry.regulations.extend(regulation),
            Some(_) => {}
            None => {
                self.order.push(key.clone());
                let regulations = regulation.into_iter().collect();
                self.entries.insert(key, Entry { title: title.to_owned(), regulations, full, chars });
            }
        }
    }

    fn add_levels(&mut self, title: &str) {
        if family_of(title) == title {
            for level in ["시행령", "시행규칙"] {
                let full = format!("{title} {level}");
                if !self.entries.contains_key(&squeeze(&full)) {
                    self.add(&full, &full, None, true);
                }
            }
        }
    }

    /// Adds a short name of a statute and, with it, those of its decree and rule.
    fn add_family(&mut self, short: &str, title: &str) {
        let full = self.entries.get(&squeeze(title)).filter(|entry| entry.full).cloned();
        let (title_known, regulations) = match full {
            Some(entry) => (entry.title, entry.regulations),
            None => {
                self.add(title, title, None, true);
                self.add_levels(title);
                (title.to_owned(), Vec::new())
            }
        };
        let key = squeeze(short);
        if self.entries.contains_key(&key) {
            return;
        }
        self.add(short, &title_known, None, false);
        if let Some(entry) = self.entries.get_mut(&key) {
            entry.regulations = regulations;
        }
        if family_of(title) == title {
            for level in ["시행령", "시행규칙"] {
                if self.entries.contains_key(&squeeze(&format!("{title}{level}"))) {
                    self.add_family(&format!("{short} {level}"), &format!("{title} {level}"));
                }
            }
        }
    }

    fn build(mut self) -> Names {
        let entries: Vec<Entry> = self.order.iter().filter_map(|key| self.entries.remove(key)).collect();
        let by_name = self.order.iter().cloned().enumerate().map(|(at, key)| (key, at)).collect();
        let automaton = AhoCorasick::builder().match_kind(MatchKind::Standard).build(&self.order).ok();
        Names { automaton, entries, by_name }
    }
}

/// A name without what people leave out or type differently.
pub fn squeeze(name: &str) -> String {
    haechi_korean::text::plain(name).chars().filter(|&letter| kept(letter)).collect()
}

fn kept(letter: char) -> bool {
    !letter.is_whitespace()
        && !matches!(
            letter,
            'ㆍ' | '·' | '‧' | '•' | '・' | '･' | '∙' | '「' | '」' | '『' | '』' | '"' | '“' | '”' | '\''
        )
        && !haechi_korean::text::is_invisible(letter)
}

struct Squeezed {
    text: String,
    /// For every kept character: its byte in `text`, and its bytes in the original.
    origins: Vec<(usize, usize, usize)>,
}

impl Squeezed {
    fn new(original: &str) -> Self {
        let mut text = String::with_capacity(original.len());
        let mut origins = Vec::with_capacity(original.len() / 2);
        for (at, letter) in original.char_indices() {
            if kept(letter) {
                origins.push((text.len(), at, at + letter.len_utf8()));
                text.push(haechi_korean::text::narrow(letter));
            }
        }
        Self { text, origins }
    }

    fn original(&self, start: usize, end: usize) -> Option<(usize, usize)> {
        let first = self.origins.binary_search_by_key(&start, |(at, _, _)| *at).ok()?;
        let last = self.origins.partition_point(|(at, _, _)| *at < end).checked_sub(1)?;
        Some((self.origins.get(first)?.1, self.origins.get(last)?.2))
    }
}

fn stands_alone(text: &str, start: usize, end: usize, chars: usize) -> bool {
    let before = text.get(..start).and_then(|before| before.chars().next_back());
    let after = text.get(end..).unwrap_or_default();
    let glued_before = before.is_some_and(|letter| letter.is_alphanumeric() && !matches!(letter, 'ㆍ'));
    if glued_before && chars < FREE_CHARS_MIN {
        return false;
    }
    // What may follow a name without a space: a particle, a place, or one of these words.
    const AFTER: [&str; 38] = [
        "의", "상", "에", "은", "는", "을", "를", "이", "가", "과", "와", "도", "만", "으로", "로", "제", "및", "중",
        "시행", "별표", "부칙", "령", "규칙", "나", "또는", "하고", "이나", "에서", "에는", "이란", "전체", "관련",
        "위반", "개정", "적용", "조문", "기준", "따라",
    ];
    match after.chars().next() {
        Some('가'..='힣') => {
            let word = AFTER.iter().any(|word| after.starts_with(word));
            // `은행법인`, `민법전`, `상법이론`: the word goes on.
            const LONGER: [&str; 3] = ["이론", "상품", "제도"];
            word && !LONGER.iter().any(|longer| after.starts_with(longer))
        }
        Some(letter) => !letter.is_ascii_alphabetic(),
        None => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::Regulation;

    fn names() -> Names {
        let titles = [
            "은행법",
            "은행법 시행령",
            "민법",
            "난민법",
            "상법",
            "금융소비자 보호에 관한 법률",
            "금융소비자 보호에 관한 법률 시행령",
            "이자제한법",
            "이자제한법 제2조제1항의 최고이자율에 관한 규정",
            "동산ㆍ채권 등의 담보에 관한 법률",
        ];
        let regulations = titles
            .iter()
            .map(|title| Regulation {
                id: squeeze(title),
                title: (*title).to_owned(),
                kind: "법률".to_owned(),
                internal: false,
                short_names: Vec::new(),
                department: None,
                versions: Vec::new(),
                articles: 0,
                first: 10_101,
                repealed: false,
                teaches: vec![("금융소비자법".to_owned(), "금융소비자 보호에 관한 법률".to_owned())],
            })
            .collect();
        Names::new(&Catalog { regulations, ..Catalog::default() }, &[])
    }

    #[track_caller]
    fn check(text: &str, expected: &[&str]) {
        let names = names();
        let found: Vec<String> = names.find(text).into_iter().map(|found| found.title).collect();
        assert_eq!(found, expected, "{text}");
    }

    #[test]
    fn finds_names_as_words() {
        check("은행법 제35조", &["은행법"]);
        check("금소법 시행령 26조", &["금융소비자 보호에 관한 법률 시행령"]);
        check("금소법상 설명의무", &["금융소비자 보호에 관한 법률"]);
        check("금융소비자법 제19조", &["금융소비자 보호에 관한 법률"]);
        check("금융소비자보호에관한법률 제19조", &["금융소비자 보호에 관한 법률"]);
        check("동산·채권 등의 담보에 관한 법률 제3조", &["동산ㆍ채권 등의 담보에 관한 법률"]);
        check("이자제한법 제2조제1항의 최고이자율에 관한 규정", &["이자제한법 제2조제1항의 최고이자율에 관한 규정"]);
        check("이자제한법 제2조", &["이자제한법"]);
        check("「은행법」 및 「상법」", &["은행법", "상법"]);
    }

    #[test]
    fn part_of_a_word_is_no_name() {
        check("난민법 제3조", &["난민법"]);
        check("손해보상법 제3조", &[]);
        check("은행법인 설립", &[]);
        check("민법전 머리말", &[]);
    }
}
