//! Finds places in prose with the words that say which law they belong to.
//!
//! Lists and ranges (`제19조 및 제20조`, `제31조부터 제35조까지`) give one reference per member,
//! each with its own offsets, and the law named once at the front holds for all of them.

use std::ops::Range;

use super::{Article, Numbered, Place, Target};

/// Which text a place is in, as far as the words right before it tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Naming {
    pub base: Base,
    /// A word like `시행령` that moves from a law to what was made under it.
    pub level: Option<Level>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Base {
    /// Nothing recognisable stands before it; a bare name may.
    None,
    /// `「은행법」`: the bytes between the brackets.
    Quoted(Range<usize>),
    /// `이 법`, `이 영`, `이 규정`.
    This,
    /// `같은 법`, `동법`: the law named last.
    Same,
    /// `법`, `영`, `규칙` alone, as decrees call the texts above them.
    Family,
    /// `같은 조`: only the article is the one named last.
    SameArticle,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    Law,
    Decree,
    Rule,
}

/// One place found in a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reference {
    /// Bytes of the place itself, without the name before it.
    pub start: usize,
    pub end: usize,
    pub naming: Naming,
    pub target: Target,
    /// The last member of a range, `제31조부터 제35조까지`.
    pub through: Option<Place>,
    /// Written without `제` (`19조1항`): only believable right after the name of a law.
    pub bare: bool,
    /// Joined to the reference before it by a comma or an `및`; its name is that one's.
    pub continues: bool,
}

/// Finds every reference of a text in reading order.
pub fn find(text: &str) -> Vec<Reference> {
    let mut found: Vec<Reference> = Vec::new();
    let mut at = 0;
    while let Some(start) = next_candidate(text, at) {
        let Some((target, end, bare)) = target_at(text, start) else {
            at = start + first_len(text, start);
            continue;
        };
        at = end;
        let gap = found.last().map(|last| text.get(last.end..start).unwrap_or_default());
        match gap.map(Joint::of) {
            Some(Joint::Range) => {
                if let (Some(last), Target::Place(place)) = (found.last_mut(), target) {
                    let through = follow(last.target, place);
                    last.through = Some(through);
                    last.end = range_end(text, end);
                    at = last.end;
                    continue;
                }
            }
            Some(Joint::List) => {
                if let Some(last) = found.last() {
                    let naming = last.naming.clone();
                    let target = match target {
                        Target::Place(place) => follow_target(last.target, place),
                        other => other,
                    };
                    let bare = bare && last.bare;
                    found.push(Reference { start, end, naming, target, through: None, bare, continues: true });
                    continue;
                }
            }
            Some(Joint::Apart) | None => {}
        }
        let naming = naming_before(text, start);
        found.push(Reference { start, end, naming, target, through: None, bare, continues: false });
    }
    found
}

/// Fills what a later member of a list leaves out: in `제10조제2항 및 제3항` the article.
fn follow(before: Target, place: Place) -> Place {
    let (Target::Place(before) | Target::Addendum(before)) = before else { return place };
    match (place.article, place.paragraph, place.item) {
        (Some(_), _, _) => place,
        (None, Some(_), _) => Place { article: before.article, ..place },
        (None, None, Some(_)) => Place { article: before.article, paragraph: before.paragraph, ..place },
        (None, None, None) => {
            Place { article: before.article, paragraph: before.paragraph, item: before.item, ..place }
        }
    }
}

fn follow_target(before: Target, place: Place) -> Target {
    match before {
        Target::Addendum(_) => Target::Addendum(follow(before, place)),
        Target::Place(_) | Target::Annex(_) | Target::Form(_) => Target::Place(follow(before, place)),
    }
}

/// Takes the `까지` of a range with it.
fn range_end(text: &str, end: usize) -> usize {
    if text.get(end..).is_some_and(|rest| rest.starts_with("까지")) { end + "까지".len() } else { end }
}

enum Joint {
    Range,
    List,
    Apart,
}

impl Joint {
    fn of(gap: &str) -> Self {
        let words = gap.trim();
        match words {
            "부터" | "내지" | "~" | "∼" | "～" | "-" | "–" => Self::Range,
            "," | "·" | "ㆍ" | "‧" | "•" | "・" | "및" | ", 및" | "또는" | "과" | "와" | "이나" | "나" | "하고"
            | "이랑" | "랑" | "/" | "와, " => Self::List,
            _ => Self::Apart,
        }
    }
}

fn first_len(text: &str, at: usize) -> usize {
    text.get(at..).and_then(|rest| rest.chars().next()).map_or(1, char::len_utf8)
}

/// Returns where the next reference may begin: at `제`, a digit, a bracketed or named annex.
fn next_candidate(text: &str, from: usize) -> Option<usize> {
    let rest = text.get(from..)?;
    let mut previous = text.get(..from).and_then(|before| before.chars().next_back());
    for (at, letter) in rest.char_indices() {
        let glued_number = previous.is_some_and(|letter| letter.is_ascii_alphanumeric() || matches!(letter, '.' | ','));
        let starts = match letter {
            '제' | '별' | '부' | '[' => true,
            '0'..='9' => !glued_number,
            _ => false,
        };
        if starts {
            return Some(from + at);
        }
        previous = Some(letter);
    }
    None
}

fn target_at(text: &str, start: usize) -> Option<(Target, usize, bool)> {
    let rest = text.get(start..)?;
    if rest.starts_with("별표") || rest.starts_with("[별표") {
        return annex_at(text, start);
    }
    if rest.starts_with("별지") {
        let after = skip_spaces(text, start + "별지".len());
        let (number, end) = numbered(text, skip_word(text, after, "제"), "호")?;
        let end = skip_word(text, skip_spaces(text, end), "서식");
        return Some((Target::Form(number), end, false));
    }
    if rest.starts_with("부칙") {
        return addendum_at(text, start);
    }
    let (place, end, bare) = place_at(text, start)?;
    Some((Target::Place(place), end, bare))
}

fn annex_at(text: &str, start: usize) -> Option<(Target, usize, bool)> {
    let bracket = text.get(start..)?.starts_with('[');
    let after = start + usize::from(bracket) + "별표".len();
    let at = skip_word(text, skip_spaces(text, after), "제");
    let (number, end) = match digits(text, at) {
        Some((number, end)) => {
            let end = skip_word(text, end, "호");
            let (branch, end) = branch(text, end, false);
            (Some(Numbered::new(number, branch)), end)
        }
        None => (None, after),
    };
    let end = if bracket { skip_word(text, skip_spaces(text, end), "]") } else { end };
    Some((Target::Annex(number), end, false))
}

fn addendum_at(text: &str, start: usize) -> Option<(Target, usize, bool)> {
    let after = start + "부칙".len();
    let mut at = skip_spaces(text, after);
    if let Some(rest) = text.get(at..)
        && let Some(inside) = rest.strip_prefix(['<', '(', '〈'])
        && let Some(close) = inside.find(['>', ')', '〉']).filter(|&close| close < 80)
    {
        let closing = inside.get(close..).and_then(|rest| rest.chars().next()).map_or(1, char::len_utf8);
        at = skip_spaces(text, text.len() - inside.len() + close + closing);
    }
    match place_at(text, at).filter(|(_, _, bare)| !bare) {
        Some((place, end, _)) => Some((Target::Addendum(place), end, false)),
        None => Some((Target::Addendum(Place::default()), after, false)),
    }
}

/// Reads a place at `start`: its value, where it ends, and whether it was written without `제`.
pub(super) fn place_at(text: &str, start: usize) -> Option<(Place, usize, bool)> {
    let mut place = Place::default();
    let after_mark = skip_spaces(text, skip_word(text, start, "제"));
    let bare = after_mark == start;
    let mut end;
    if let Some((number, at)) = unit(text, after_mark, "조") {
        if bare && counts_money(text, at) {
            return None;
        }
        let (branch, at) = branch(text, at, true);
        // A common slip: `제401조의2조`.
        let at = if branch.is_some() { skip_word(text, at, "조") } else { at };
        place.article = Some(Article::new(number, branch));
        end = at;
    } else {
        end = start;
    }
    if let Some((number, at)) = paragraph(text, end, start) {
        place.paragraph = Some(number);
        end = at;
    }
    let at = skip_spaces_if(text, end, end != start);
    let mark = skip_spaces(text, skip_word(text, at, "제"));
    if let Some((item, at)) = numbered(text, mark, "호") {
        // `3호` alone is a thing's number more often than a place.
        if place.is_empty() && mark == at {
            return None;
        }
        place.item = Some(item);
        end = at;
    }
    if (place.item.is_some() || place.is_empty())
        && let Some((letter, at)) = subitem(text, skip_spaces_if(text, end, end != start))
    {
        place.subitem = Some(letter);
        end = at;
    }
    (!place.is_empty() && end > start).then_some((place, end, bare))
}

/// Tells whether the `조` after a bare number counts trillions: `3조원`, `1조 2천억`.
fn counts_money(text: &str, at: usize) -> bool {
    let rest = text.get(at..).unwrap_or_default();
    if rest.starts_with('원') || rest.starts_with('달') {
        return true;
    }
    let trimmed = rest.trim_start();
    let after_digits = trimmed.trim_start_matches(|letter: char| letter.is_ascii_digit() || letter == ',');
    trimmed.len() != after_digits.len() && after_digits.starts_with(['억', '천', '만', '백'])
}

fn paragraph(text: &str, end: usize, start: usize) -> Option<(u32, usize)> {
    let at = skip_spaces_if(text, end, end != start);
    let circled =
        text.get(at..).and_then(|rest| rest.chars().next()).and_then(|letter| Some((circled(letter)?, letter)));
    if let Some((number, letter)) = circled {
        return (end != start).then_some((number, at + letter.len_utf8()));
    }
    let (number, at) = unit(text, skip_spaces(text, skip_word(text, at, "제")), "항")?;
    // `3항목` is no paragraph.
    (!text.get(at..).unwrap_or_default().starts_with('목')).then_some((number, at))
}

/// The value of a circled number: ① to ⑳ and on to ㊿.
pub fn circled(letter: char) -> Option<u32> {
    let code = u32::from(letter);
    match letter {
        '①'..='⑳' => Some(code - 0x2460 + 1),
        '㉑'..='㉟' => Some(code - 0x3251 + 21),
        '㊱'..='㊿' => Some(code - 0x32B1 + 36),
        _ => None,
    }
}

fn subitem(text: &str, at: usize) -> Option<(char, usize)> {
    let mut letters = text.get(at..)?.chars();
    let letter =
        letters.next().filter(|letter| "가나다라마바사아자차카타파하거너더러머버서어저처커터퍼허".contains(*letter))?;
    let after = at + letter.len_utf8();
    let mark = skip_spaces(text, after);
    let end = skip_word(text, mark, "목");
    // `가 목적` and `나목걸이` are words.
    let next = text.get(end..).and_then(|rest| rest.chars().next());
    let word_goes_on = matches!(next, Some('적' | '표' | '록' | '걸' | '소'));
    (end != mark && !word_goes_on && (mark == after || !matches!(letter, '이'))).then_some((letter, end))
}

/// Reads `3호` or `3호의2`.
fn numbered(text: &str, at: usize, word: &str) -> Option<(Numbered, usize)> {
    let (number, end) = unit(text, at, word)?;
    let (branch, end) = branch(text, end, false);
    Some((Numbered::new(number, branch), end))
}

/// Reads digits followed by a word, spaces between allowed.
fn unit(text: &str, at: usize, word: &str) -> Option<(u32, usize)> {
    let (number, end) = digits(text, at)?;
    let mark = skip_spaces(text, end);
    let end = skip_word(text, mark, word);
    (end != mark).then_some((number, end))
}

/// Reads `의2`; with a space inside only when nothing is being counted (`제34조의 2개월`).
fn branch(text: &str, end: usize, spaces: bool) -> (Option<u32>, usize) {
    let before = skip_spaces_if(text, end, spaces);
    let after = skip_word(text, before, "의");
    if after == before {
        return (None, end);
    }
    let at = skip_spaces_if(text, after, spaces);
    let Some((number, number_end)) = digits(text, at) else { return (None, end) };
    let spaced = before != end || at != after;
    let next = text.get(number_end..).and_then(|rest| rest.trim_start().chars().next());
    let counted = next.is_some_and(|letter| "개분배명천만억조년월일회인%퍼주종가차".contains(letter))
        && !text.get(number_end..).is_some_and(|rest| rest.starts_with("조") && !rest.starts_with("조원"));
    // `제34조의2분의 1` cannot be told from prose without its spaces either.
    if spaced && counted || text.get(number_end..).is_some_and(|rest| rest.starts_with("분의")) {
        return (None, end);
    }
    (Some(number), number_end)
}

fn digits(text: &str, at: usize) -> Option<(u32, usize)> {
    let rest = text.get(at..)?;
    let len = rest.bytes().take_while(u8::is_ascii_digit).count();
    // Longer numbers are amounts and registration numbers.
    (1..=4).contains(&len).then(|| rest.get(..len)?.parse().ok().map(|number| (number, at + len)))?
}

fn skip_spaces(text: &str, at: usize) -> usize {
    // Not across lines: `제3조` at the end of one and `1항` on the next are two things.
    let rest = text.get(at..).unwrap_or_default();
    at + (rest.len() - rest.trim_start_matches([' ', '\u{A0}', '\u{3000}']).len())
}

fn skip_spaces_if(text: &str, at: usize, allowed: bool) -> usize {
    if allowed { skip_spaces(text, at) } else { at }
}

fn skip_word(text: &str, at: usize, word: &str) -> usize {
    if text.get(at..).is_some_and(|rest| rest.starts_with(word)) { at + word.len() } else { at }
}

/// Reads the words before a place backwards.
fn naming_before(text: &str, start: usize) -> Naming {
    let before = text.get(..start).unwrap_or_default().trim_end();
    let (before, level) = match strip_level(before) {
        Some((before, level)) => (before, Some(level)),
        None => (before, None),
    };
    let bare = strip_brackets(before);
    if bare.ends_with(['」', '』']) {
        if let Some(range) = super::quoted_names(bare).pop() {
            return Naming { base: Base::Quoted(range), level };
        }
    } else if bare.len() != before.len() && level.is_none() {
        // `상법(이하 "법"이라 한다) 제3조`: the brackets explain the name before them.
        return naming_words(bare, level);
    }
    naming_words(before, level)
}

fn naming_words(before: &str, level: Option<Level>) -> Naming {
    const SAME: [&str; 16] = [
        "같은 법",
        "같은법",
        "동법",
        "동 법",
        "같은 법률",
        "같은 영",
        "같은영",
        "동 영",
        "동영",
        "같은 규칙",
        "같은규칙",
        "동 규칙",
        "같은 규정",
        "동 규정",
        "같은 기준",
        "같은 지침",
    ];
    const THIS: [&str; 12] = [
        "이 법",
        "이법",
        "이 영",
        "이 규칙",
        "이 규정",
        "이 기준",
        "이 지침",
        "이 세칙",
        "이 요령",
        "이 법률",
        "본 규정",
        "본 법",
    ];
    let ends = |word: &str| before.ends_with(word) && starts_word(before, word);
    if before.ends_with("같은 조") || before.ends_with("같은조") || before.ends_with("동조") {
        return Naming { base: Base::SameArticle, level };
    }
    if let Some(word) = SAME.iter().find(|word| ends(word)) {
        return Naming { base: Base::Same, level: level.or_else(|| level_of(word)) };
    }
    if THIS.iter().any(|word| ends(word)) {
        return Naming { base: Base::This, level };
    }
    for (word, of) in [("법", Level::Law), ("영", Level::Decree), ("규칙", Level::Rule)] {
        if before.ends_with(word) && starts_word(before, word) && level.is_none() {
            return Naming { base: Base::Family, level: Some(of) };
        }
    }
    // `시행령 제3조`, `동 시행령 제3조` with no name before.
    if let Some(level) = level {
        let base = if before.ends_with('동') || before.ends_with("같은") { Base::Same } else { Base::None };
        return Naming { base, level: Some(level) };
    }
    Naming { base: Base::None, level: None }
}

fn level_of(word: &str) -> Option<Level> {
    if word.ends_with('영') {
        Some(Level::Decree)
    } else if word.ends_with("규칙") {
        Some(Level::Rule)
    } else {
        None
    }
}

/// Tells whether `word` at the end of `before` is a word of its own: `법` is, `은행법` is not.
fn starts_word(before: &str, word: &str) -> bool {
    before
        .strip_suffix(word)
        .and_then(|rest| rest.chars().next_back())
        .is_none_or(|letter| !letter.is_alphanumeric() && letter != '」')
}

fn strip_level(before: &str) -> Option<(&str, Level)> {
    for (word, level) in [("시행령", Level::Decree), ("시행규칙", Level::Rule)] {
        if let Some(rest) = before.strip_suffix(word) {
            let trimmed = rest.trim_end();
            // `은행법 시행령` unquoted is a name of its own, which the list of names knows.
            let detached = trimmed.is_empty()
                || trimmed.ends_with(['」', '』', ')'])
                || ["같은 법", "같은법", "동법", "동 법", "동", "같은"]
                    .iter()
                    .any(|word| trimmed.ends_with(word) && starts_word(trimmed, word));
            return detached.then_some((trimmed, level));
        }
    }
    None
}

/// Takes off one bracket at the end: `「상법」(이하 "법"이라 한다)`.
fn strip_brackets(before: &str) -> &str {
    if !before.ends_with(')') {
        return before;
    }
    let mut depth = 0_usize;
    for (at, letter) in before.char_indices().rev() {
        match letter {
            ')' => depth += 1,
            '(' => {
                depth -= 1;
                if depth == 0 {
                    return before.get(..at).unwrap_or_default().trim_end();
                }
            }
            _ => {}
        }
        if before.len() - at > 400 {
            break;
        }
    }
    before
}

#[cfg(test)]
mod tests {
    use super::*;

    fn show(text: &str) -> Vec<String> {
        find(text)
            .into_iter()
            .map(|reference| {
                let name = match &reference.naming.base {
                    Base::None => String::new(),
                    Base::Quoted(range) => text[range.clone()].to_owned(),
                    other => format!("{other:?}"),
                };
                let level = reference.naming.level.map(|level| format!("+{level:?}")).unwrap_or_default();
                let through = reference.through.map(|place| format!("~{place}")).unwrap_or_default();
                let bare = if reference.bare { "?" } else { "" };
                format!("{name}{level} {}{through}{bare}", reference.target).trim().to_owned()
            })
            .collect()
    }

    #[track_caller]
    fn check(text: &str, expected: &[&str]) {
        assert_eq!(show(text), expected, "{text:?}");
    }

    #[test]
    fn finds_names_and_words_that_point_back() {
        check("「은행법」 제34조의2제1항에 따른", &["은행법 제34조의2제1항"]);
        check("「상법」(이하 \"법\"이라 한다) 제3조", &["상법 제3조"]);
        check("같은 법 제3조, 같은 조 제2항", &["Same 제3조", "SameArticle 제2항"]);
        check("「은행법」 및 같은 법 시행령 제5조", &["Same+Decree 제5조"]);
        check("법 제52조제1항에서", &["Family+Law 제52조제1항"]);
        check("영 제3조", &["Family+Decree 제3조"]);
        check("이 법 제3조 또는 동법 제4조", &["This 제3조", "Same 제4조"]);
        check("은행법 제35조", &["제35조"]);
        check("「은행법」 시행령 제5조", &["은행법+Decree 제5조"]);
    }

    #[test]
    fn finds_lists_and_ranges() {
        check("「은행법」 제31조부터 제35조까지 및 제37조", &["은행법 제31조~제35조", "은행법 제37조"]);
        check("제10조제2항부터 제4항까지", &["제10조제2항~제10조제4항"]);
        check("민법 제309조·제310조", &["제309조", "제310조"]);
        check("제35조, 제35조의2 및 제36조제1항제2호", &["제35조", "제35조의2", "제36조제1항제2호"]);
        check("제2항 및 제3항", &["제2항", "제3항"]);
        check("제5조제1항제1호 또는 제2호", &["제5조제1항제1호", "제5조제1항제2호"]);
        check("형법 1조 2항", &["제1조제2항?"]);
        check("별표 1의2 및 별지 제3호서식, 부칙 제2조", &["별표 1의2", "별지 제3호서식", "부칙 제2조"]);
        check("부칙 <제21296호,2025.12.30> 제3조", &["부칙 제3조"]);
    }

    #[test]
    fn leaves_prose_alone() {
        check("3조원을 넘는 1조 2천억원, 제3자, 제2의 도시, 100분의 25, 12345조", &[]);
        check("제34조의 2개월 전", &["제34조"]);
        check("3항목을 가 목적으로", &[]);
    }
}
