//! Reads and writes citations of law texts: `제34조의2제1항제3호가목`, `별표 1의2`, `부칙 제2조`.
//!
//! It knows the grammar of places and the words that point back (`같은 법`, `이 법`, `법`, `영`). It
//! knows no names of laws: which statute a bare name means is for whoever has the list of them.

use std::fmt;
use std::ops::Range;

mod find;

pub use find::{Base, Level, Naming, Reference, circled, find};

/// A number with the branch of what was inserted later: `34의2` of `제34조의2`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Numbered {
    pub number: u32,
    pub branch: Option<u32>,
}

impl Numbered {
    pub fn new(number: u32, branch: Option<u32>) -> Self {
        Self { number, branch }
    }
}

/// An article, `제53조의2`: articles inserted later carry a branch number, so an integer is not
/// an article.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Article {
    pub number: u32,
    pub branch: Option<u32>,
}

impl Article {
    pub fn new(number: u32, branch: Option<u32>) -> Self {
        Self { number, branch }
    }

    /// Reads a text that is one article and nothing more, in any spelling.
    pub fn parse(text: &str) -> Option<Self> {
        match Place::parse(text)? {
            Place { article: Some(article), paragraph: None, item: None, subitem: None } => Some(article),
            _ => None,
        }
    }

    /// A number that sorts like the article; branches above 9999 do not occur.
    pub fn order(self) -> u64 {
        u64::from(self.number) * 10_000 + u64::from(self.branch.unwrap_or(0).min(9_999))
    }

    /// Reads back what `order` gave.
    pub fn from_order(order: u64) -> Option<Self> {
        let number = u32::try_from(order / 10_000).ok()?;
        let branch = u32::try_from(order % 10_000).ok()?;
        Some(Self { number, branch: (branch > 0).then_some(branch) })
    }
}

impl fmt::Display for Article {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "제{}조", self.number)?;
        self.branch.map_or(Ok(()), |branch| write!(f, "의{branch}"))
    }
}

/// A place in an article, or relative to one when `article` is missing (`제3항` in its own article).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Place {
    pub article: Option<Article>,
    pub paragraph: Option<u32>,
    pub item: Option<Numbered>,
    /// The letter of a 목: `가`.
    pub subitem: Option<char>,
}

impl Place {
    pub fn article(article: Article) -> Self {
        Self { article: Some(article), ..Self::default() }
    }

    /// Reads a text that is one place and nothing more.
    pub fn parse(text: &str) -> Option<Self> {
        let text = crate::text::plain(text);
        let text = text.trim();
        let (place, end, _) = find::place_at(text, 0)?;
        (end == text.len()).then_some(place)
    }

    pub fn is_empty(self) -> bool {
        self == Self::default()
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(article) = self.article {
            write!(f, "{article}")?;
        }
        if let Some(paragraph) = self.paragraph {
            write!(f, "제{paragraph}항")?;
        }
        if let Some(item) = self.item {
            write!(f, "제{}호", item.number)?;
            item.branch.map_or(Ok(()), |branch| write!(f, "의{branch}"))?;
        }
        self.subitem.map_or(Ok(()), |letter| write!(f, "{letter}목"))
    }
}

/// What a citation points at inside a regulation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Target {
    Place(Place),
    /// `별표`, `별표 1의2`.
    Annex(Option<Numbered>),
    /// `별지 제3호서식`.
    Form(Numbered),
    /// `부칙`, `부칙 제2조`.
    Addendum(Place),
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let branch = |number: &Numbered| number.branch.map(|branch| format!("의{branch}")).unwrap_or_default();
        match self {
            Self::Place(place) => write!(f, "{place}"),
            Self::Annex(None) => f.write_str("별표"),
            Self::Annex(Some(number)) => write!(f, "별표 {}{}", number.number, branch(number)),
            Self::Form(number) => write!(f, "별지 제{}호{}서식", number.number, branch(number)),
            Self::Addendum(place) if place.is_empty() => f.write_str("부칙"),
            Self::Addendum(place) => write!(f, "부칙 {place}"),
        }
    }
}

/// A whole citation: a regulation by some name of it, and what is meant in it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Citation {
    pub name: Option<String>,
    pub target: Target,
}

impl Citation {
    /// Reads a text that is one citation: `금소법 19조1항`, `「은행법」 제34조의2`, `제3조`.
    ///
    /// The name is whatever stands before the place, without its brackets; nobody has checked that
    /// such a regulation exists.
    pub fn parse(text: &str) -> Option<Self> {
        let plain = crate::text::plain(text);
        let plain = plain.trim();
        // Names hold places themselves (`이자제한법 제2조제1항의 최고이자율에 관한 규정`), so the
        // last one counts, and it has to end the text.
        let reference = find(plain).pop().filter(|reference| reference.end == plain.len())?;
        if reference.through.is_some() {
            return None;
        }
        let name =
            plain.get(..reference.start)?.trim().trim_matches(['「', '」', '『', '』', '"', '\'', '“', '”']).trim();
        Some(Self { name: (!name.is_empty()).then(|| name.to_owned()), target: reference.target })
    }
}

impl fmt::Display for Citation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.name {
            Some(name) => write!(f, "{name} {}", self.target),
            None => write!(f, "{}", self.target),
        }
    }
}

/// The bytes of a quoted name `「…」` without its brackets.
pub fn quoted_names(text: &str) -> Vec<Range<usize>> {
    let mut names = Vec::new();
    let mut open = None;
    for (at, letter) in text.char_indices() {
        match letter {
            '「' | '『' => open = Some(at + letter.len_utf8()),
            '」' | '』' => {
                if let Some(start) = open.take() {
                    names.push(start..at);
                }
            }
            _ => {}
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &str) {
        let found = Citation::parse(text).map(|citation| citation.to_string());
        assert_eq!(found.as_deref(), (!expected.is_empty()).then_some(expected), "reading {text:?}");
    }

    #[test]
    fn reads_citations_in_any_spelling() {
        check("금소법 19조1항", "금소법 제19조제1항");
        check("「은행법」 제34조의2제1항제3호가목", "은행법 제34조의2제1항제3호가목");
        check("은행법 제34조의 2", "은행법 제34조의2");
        check("은행법제34조 의2", "은행법 제34조의2");
        check("예금자보호법 시행령 18조 7항", "예금자보호법 시행령 제18조제7항");
        check("상법 제401조의2조", "상법 제401조의2");
        check("은행법 제35조 ①", "은행법 제35조제1항");
        check("은행법 제35조 ㉑", "은행법 제35조제21항");
        check("은행법 제２조", "은행법 제2조");
        check("제3조", "제3조");
        check("은행법 시행령 별표 1의2", "은행법 시행령 별표 1의2");
        check("은행법 시행령 별표28", "은행법 시행령 별표 28");
        check("은행법 시행령 [별표 3]", "은행법 시행령 별표 3");
        check("은행법 시행규칙 별지 제3호의2서식", "은행법 시행규칙 별지 제3호의2서식");
        check("은행법 부칙 제2조", "은행법 부칙 제2조");
        check("은행법 제8조제2항제1호의2 나목", "은행법 제8조제2항제1호의2나목");
        check("이자제한법 제2조제1항의 최고이자율에 관한 규정", "");
        check("은행법", "");
        check("3조원", "");
        check("1조 2천억원", "");
    }

    prop_compose! {
        fn places()(
            article in prop::option::of((0_u32..2000, prop::option::of(1_u32..200))),
            paragraph in prop::option::of(1_u32..60),
            item in prop::option::of((1_u32..200, prop::option::of(1_u32..30))),
            subitem in prop::option::of(prop::sample::select(vec!['가', '나', '하'])),
        ) -> Place {
            Place {
                article: article.map(|(number, branch)| Article::new(number, branch)),
                paragraph,
                item: item.map(|(number, branch)| Numbered::new(number, branch)),
                subitem: subitem.filter(|_| item.is_some()),
            }
        }
    }

    proptest! {
        #[test]
        fn places_round_trip(place in places().prop_filter("empty", |place| !place.is_empty())) {
            prop_assert_eq!(Place::parse(&place.to_string()), Some(place));
        }

        #[test]
        fn citations_round_trip(
            name in prop::sample::select(vec!["은행법", "은행법 시행령", "여신업무규정", "특정 금융거래정보의 보고 및 이용 등에 관한 법률"]),
            place in places().prop_filter("whole", |place| place.article.is_some()),
            kind in 0..4,
        ) {
            let number = place.item.unwrap_or(Numbered::new(1, None));
            let target = match kind {
                0 => Target::Place(place),
                1 => Target::Annex(Some(number)),
                2 => Target::Form(number),
                _ => Target::Addendum(place),
            };
            let citation = Citation { name: Some(name.to_owned()), target };
            prop_assert_eq!(Citation::parse(&citation.to_string()), Some(citation));
        }

        #[test]
        fn never_panics(text in "[제0-9조의항호가나목별표부칙 「」같은법①,및]{0,30}") {
            for reference in find(&text) {
                prop_assert!(text.get(reference.start..reference.end).is_some());
            }
        }
    }
}
