//! What the text of an article refers to: each place in it with the regulation that is meant.
//!
//! Names in brackets, bare names, `같은 법`, `이 법` and the `법`/`영` of decrees are resolved to full
//! titles here; whether such an article exists is asked elsewhere.

use std::sync::LazyLock;

use haechi_korean::citation::{self, Article, Base, Level, Place, Target};
use regex::Regex;

use crate::catalog::family_of;
use crate::names::{NameMatch, Names, squeeze};

/// A reference with the regulation it points into.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outgoing {
    pub start: usize,
    pub end: usize,
    /// Where the name begins, when it stands before the place; otherwise `start`.
    pub written_from: usize,
    pub title: String,
    /// It points into the text that it stands in.
    pub own: bool,
    pub target: Target,
    pub through: Option<Place>,
}

/// Finds the references of a text that belongs to the regulation `own` and to its article `here`.
pub fn outgoing(text: &str, own: &str, here: Option<Article>, names: &Names) -> Vec<Outgoing> {
    let named = names.find(text);
    let mut found: Vec<Outgoing> = Vec::new();
    let mut last_title: Option<String> = None;
    let mut last_article = here;
    for reference in citation::find(text) {
        // A place inside a bracketed name belongs to the name.
        if inside_name(&named, &reference) {
            continue;
        }
        // `같은 조` is in the text named last, as a list is.
        let follows = reference.continues || reference.naming.base == Base::SameArticle && !found.is_empty();
        let resolved = if follows {
            found.last().map(|last| (last.title.clone(), last.own, reference.start))
        } else {
            title_of(text, &reference, own, last_title.as_deref(), &named, names)
        };
        let Some((title, is_own, written_from)) = resolved else { continue };
        let target = match reference.target {
            Target::Place(place) if place.article.is_none() => {
                let same = reference.naming.base == Base::SameArticle;
                let article = if same { last_article } else { here };
                let Some(article) = article else { continue };
                Target::Place(Place { article: Some(article), ..place })
            }
            target => target,
        };
        if reference.bare && is_own {
            continue;
        }
        if let Target::Place(place) = target {
            last_article = place.article;
        }
        if !is_own {
            last_title = Some(title.clone());
        }
        found.push(Outgoing {
            start: reference.start,
            end: reference.end,
            written_from,
            title,
            own: is_own,
            target,
            through: reference.through,
        });
    }
    found
}

fn inside_name(named: &[NameMatch], reference: &citation::Reference) -> bool {
    named.iter().any(|name| name.start <= reference.start && reference.end <= name.end)
}

type Titled = (String, bool, usize);

fn title_of(
    text: &str,
    reference: &citation::Reference,
    own: &str,
    last_title: Option<&str>,
    named: &[NameMatch],
    names: &Names,
) -> Option<Titled> {
    let level = |title: &str, level: Option<Level>| match level {
        Some(Level::Decree) => format!("{} 시행령", family_of(title)),
        Some(Level::Rule) => format!("{} 시행규칙", family_of(title)),
        Some(Level::Law) | None => title.to_owned(),
    };
    let other = |title: String, from: usize| {
        let is_own = squeeze(&title) == squeeze(own);
        Some((title, is_own, from))
    };
    match &reference.naming.base {
        Base::Quoted(range) => {
            let written = text.get(range.clone())?;
            let title = names.exact(written).map_or_else(|| written.trim().to_owned(), |name| name.title);
            other(level(&title, reference.naming.level), range.start.saturating_sub("「".len()))
        }
        Base::This => Some((own.to_owned(), true, reference.start)),
        Base::Same => {
            // `같은 법` right after a name means that law; with nothing named it means this one.
            let known = latest_name(named, reference.start).map(|name| (name.end, name.title.as_str()));
            let quoted = citation::quoted_names(text.get(..reference.start)?).pop();
            let quoted = quoted.and_then(|range| Some((range.end, text.get(range)?)));
            let before = known.into_iter().chain(quoted).max_by_key(|(end, _)| *end).map(|(_, title)| title);
            let base = before.or(last_title).unwrap_or(own);
            let base =
                if reference.naming.level.is_some() { family_of(base) } else { law_of(base, text, reference.start) };
            other(level(base, reference.naming.level), reference.start)
        }
        Base::Family => {
            let title = match reference.naming.level {
                Some(Level::Law) | None => family_of(own).to_owned(),
                level_of => level(own, level_of),
            };
            other(title, reference.start)
        }
        Base::SameArticle => Some((own.to_owned(), true, reference.start)),
        Base::None => {
            if let Some(word) = reference.naming.level {
                return other(level(own, Some(word)), reference.start);
            }
            bare_name(text, reference.start, named, names, own)
        }
    }
}

fn latest_name(named: &[NameMatch], before: usize) -> Option<&NameMatch> {
    named.iter().rev().find(|name| name.end <= before)
}

/// `같은 법` after `은행법 시행령` means 은행법; after `은행법` too.
fn law_of<'a>(title: &'a str, text: &str, at: usize) -> &'a str {
    let before = text.get(..at).unwrap_or_default().trim_end();
    if before.ends_with('법') || before.ends_with("법률") { family_of(title) } else { title }
}

#[expect(clippy::expect_used, reason = "a constant pattern that the tests compile")]
static BARE_NAME: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"(?:^|[\s(「『,·ㆍ])([가-힣A-Za-z0-9ㆍ·]{1,40}(?:법|법률|시행령|시행규칙|규정|규칙|지침|기준|세칙|준칙|요령|강령|내규|정관|편람))\s?$")
        .expect("a constant pattern")
});

/// A name without brackets right before the place: a known one, or a word that looks like one.
fn bare_name(text: &str, start: usize, named: &[NameMatch], names: &Names, own: &str) -> Option<Titled> {
    let before = text.get(..start)?;
    if let Some(name) = latest_name(named, start)
        && text.get(name.end..start).is_some_and(|gap| gap.trim_matches([' ', '」', '』', ')', '의']).is_empty())
    {
        let is_own = squeeze(&name.title) == squeeze(own);
        return Some((name.title.clone(), is_own, name.start));
    }
    let tail_from = before.char_indices().rev().take(48).last().map_or(0, |(at, _)| at);
    let tail = before.get(tail_from..)?;
    if let Some(captures) = BARE_NAME.captures(tail)
        && let Some(written) = captures.get(1)
    {
        let word = written.as_str();
        // `이 규정`, `다음 기준`: no names.
        const NOT_NAMES: [&str; 14] = [
            "법",
            "이법",
            "법률",
            "규정",
            "규칙",
            "지침",
            "기준",
            "세칙",
            "내규",
            "본법",
            "동법",
            "시행령",
            "시행규칙",
            "종전규정",
        ];
        if !NOT_NAMES.contains(&word) && word.chars().count() >= 3 {
            let title = names.exact(word).map_or_else(|| word.to_owned(), |name| name.title);
            let is_own = squeeze(&title) == squeeze(own);
            return Some((title, is_own, tail_from + written.start()));
        }
    }
    Some((own.to_owned(), true, start))
}

/// The key under which references to an article are indexed.
pub fn key(title: &str, article: Article) -> String {
    format!("{}/{}", squeeze(title), article.order())
}

/// The key under which references to anything in a regulation are indexed.
pub fn title_key(title: &str) -> String {
    squeeze(title)
}

/// A range may span this many articles and is then cut.
const RANGE_ARTICLES_MAX: u32 = 60;

/// The keys of everything that a text refers to.
pub fn keys(text: &str, own: &str, here: Option<Article>, names: &Names) -> Vec<String> {
    let mut keys = Vec::new();
    for reference in outgoing(text, own, here, names) {
        if !reference.own {
            keys.push(title_key(&reference.title));
        }
        let Target::Place(Place { article: Some(article), .. }) = reference.target else { continue };
        // An article that mentions its own paragraphs does not refer to itself.
        if reference.own && Some(article) == here {
            continue;
        }
        keys.push(key(&reference.title, article));
        if let Some(Place { article: Some(last), .. }) = reference.through {
            let until = last.number.min(article.number.saturating_add(RANGE_ARTICLES_MAX));
            keys.extend((article.number + 1..=until).map(|number| key(&reference.title, Article::new(number, None))));
            if last.branch.is_some() {
                keys.push(key(&reference.title, last));
            }
        }
    }
    keys.sort_unstable();
    keys.dedup();
    keys
}

#[expect(clippy::expect_used, reason = "a constant pattern that the tests compile")]
static TEACHES: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r#"「([^「」\n]{2,80})」\s*\((?:이하|약칭)\s*(?:각각\s*)?["“”'‘「]([^"“”'’」\n]{2,30})["“”'’」]\s*(?:이)?라\s*(?:고\s*)?한다"#)
        .expect("a constant pattern")
});

/// Short names that a text gives to other regulations: `「…법」(이하 "…"이라 한다)`.
pub fn teaches(text: &str) -> Vec<(String, String)> {
    let mut taught: Vec<(String, String)> = TEACHES
        .captures_iter(text)
        .filter_map(|captures| {
            let title = captures.get(1)?.as_str().trim();
            let short = captures.get(2)?.as_str().trim();
            // `법`, `영`, `같은 법` mean something only inside that text.
            let telling = short.chars().count() >= 3 && !short.starts_with("같은") && !title.starts_with(short);
            telling.then(|| (short.to_owned(), title.to_owned()))
        })
        .collect();
    taught.sort();
    taught.dedup();
    taught
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::Catalog;

    #[track_caller]
    fn check(own: &str, text: &str, expected: &[&str]) {
        let names = Names::new(&Catalog::default(), &[]);
        let found: Vec<String> = outgoing(text, own, Some(Article::new(9, None)), &names)
            .into_iter()
            .map(|reference| {
                let through = reference.through.map(|place| format!("~{place}")).unwrap_or_default();
                format!("{} {}{through}", reference.title, reference.target)
            })
            .collect();
        assert_eq!(found, expected, "{text}");
    }

    #[test]
    fn resolves_what_is_meant() {
        check("은행법", "「상법」 제3조 및 같은 법 제4조", &["상법 제3조", "상법 제4조"]);
        check("은행법", "제3조제1항에 따라", &["은행법 제3조제1항"]);
        check("은행법", "제1항에 따라", &["은행법 제9조제1항"]);
        check("은행법 시행령", "법 제35조제1항과 영 제2조", &["은행법 제35조제1항", "은행법 시행령 제2조"]);
        check("은행법", "「상법」 제3조, 같은 조 제2항", &["상법 제3조", "상법 제3조제2항"]);
        check("여신업무규정", "「은행법」 및 같은 법 시행령 제20조의4", &["은행법 시행령 제20조의4"]);
        check(
            "여신업무규정",
            "금소법 제19조와 여신심사기준 제5조, 이 규정 제7조",
            &["금융소비자 보호에 관한 법률 제19조", "여신심사기준 제5조", "여신업무규정 제7조"],
        );
        check("은행법", "제31조부터 제33조까지", &["은행법 제31조~제33조"]);
    }

    #[test]
    fn learns_short_names() {
        let text =
            "「자본시장과 금융투자업에 관한 법률」(이하 \"자본시장법\"이라 한다) 제3조, 「상법」(이하 \"법\"이라 한다)";
        assert_eq!(teaches(text), [("자본시장법".to_owned(), "자본시장과 금융투자업에 관한 법률".to_owned())]);
    }

    #[test]
    fn keys_span_ranges() {
        let names = Names::new(&Catalog::default(), &[]);
        let keys = keys("「상법」 제3조부터 제5조까지", "은행법", None, &names);
        assert_eq!(keys, ["상법", "상법/30000", "상법/40000", "상법/50000"]);
    }
}
