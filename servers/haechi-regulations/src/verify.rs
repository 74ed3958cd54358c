//! Answers `verify_citations`: is what a text cites there, in force, and said so.
//!
//! Right, wrong and could-not-be-checked are three answers. A law that is not indexed is never
//! called wrong, and a name that is part of a longer word is never taken for a law.

use haechi_contract::regulations::{CitationStatus, Verdict, Verification, VerifiedCitation, VerifyCitations};
use haechi_korean::citation::{Numbered, Place, Target};

use crate::catalog::Regulation;
use crate::domain::Regulations;
use crate::error::Error;
use crate::index::{Library, Stored};
use crate::names::squeeze;
use crate::references::{self, Outgoing};
use crate::resolve::{AsOf, Known, day_text};
use crate::search::citation;
use crate::settings::{CITATIONS_MAX, VERIFY_CHARS_MAX};
use crate::structure::{paragraphs, strip_marks};
use crate::timeline;

/// Shorter quotations are terms, not sentences of the law.
const QUOTE_CHARS_MIN: usize = 10;

impl Regulations {
    pub fn verify(&self, input: &VerifyCitations) -> Result<Verification, Error> {
        if VERIFY_CHARS_MAX < input.text.chars().count() {
            return Err(Error::invalid(
                format!("글이 너무 깁니다 (최대 {VERIFY_CHARS_MAX}자)"),
                "장이나 절로 나누어 점검하십시오",
            ));
        }
        let library = self.library()?;
        let as_of = AsOf::read(input.as_of.as_deref(), self.today())?;
        let text = &input.text;
        let mut found = references::outgoing(text, "", None, &library.names);
        adopt(&mut found, text);
        let truncated = CITATIONS_MAX < found.len();
        found.truncate(CITATIONS_MAX);
        let quotes = quotations(text, &found);
        let mut citations = Vec::with_capacity(found.len());
        for (at, reference) in found.iter().enumerate() {
            let mine: Vec<&str> = quotes.iter().filter(|(_, owner)| *owner == at).map(|(quote, _)| *quote).collect();
            citations.push(library.check(text, reference, &mine, as_of)?);
        }
        let any = |statuses: &[CitationStatus]| citations.iter().any(|citation| statuses.contains(&citation.status));
        let verdict = if citations.is_empty() {
            Verdict::Empty
        } else if any(&[CitationStatus::NotFound, CitationStatus::NotInForce, CitationStatus::QuoteMismatch]) {
            Verdict::Wrong
        } else if any(&[CitationStatus::Ambiguous, CitationStatus::NotChecked]) {
            Verdict::Unchecked
        } else {
            Verdict::Right
        };
        let mut notes = Vec::new();
        let unchecked = citations.iter().filter(|citation| citation.status == CitationStatus::NotChecked).count();
        if unchecked > 0 {
            notes.push(format!("{unchecked}건은 그 규정이 색인에 없어 확인하지 못했습니다. 틀렸다는 뜻이 아닙니다"));
        }
        Ok(Verification { citations, verdict, as_of: day_text(as_of.day), truncated, notes })
    }
}

/// Gives places without a name the one law that the text is about, if it is about one.
fn adopt(found: &mut [Outgoing], text: &str) {
    let mut titles: Vec<String> =
        found.iter().map(|reference| reference.title.clone()).filter(|title| !title.is_empty()).collect();
    titles.sort();
    titles.dedup();
    let [only] = titles.as_slice() else { return };
    let first =
        found.iter().find(|reference| !reference.title.is_empty()).map_or(usize::MAX, |reference| reference.start);
    let only = only.clone();
    for reference in found.iter_mut().filter(|reference| reference.title.is_empty() && first < reference.start) {
        // A capital `제` alone is a place; anything counted is not.
        if text.get(reference.start..).is_some_and(|rest| rest.starts_with('제')) {
            reference.title.clone_from(&only);
            reference.own = false;
        }
    }
}

/// Quoted sentences, each with the citation it belongs to: the one before it in its line, else the
/// one after it there, else the last one before it.
fn quotations<'a>(text: &'a str, found: &[Outgoing]) -> Vec<(&'a str, usize)> {
    let mut quotes = Vec::new();
    let mut line_start = 0;
    for line in text.split_inclusive('\n') {
        let line_end = line_start + line.len();
        for (start, end) in quoted(line) {
            let (start, end) = (line_start + start, line_start + end);
            let Some(quote) = text.get(start..end) else { continue };
            if squeeze(quote).chars().count() < QUOTE_CHARS_MIN {
                continue;
            }
            let outside = |reference: &Outgoing| reference.end <= start || end <= reference.start;
            let in_line = |reference: &Outgoing| line_start <= reference.start && reference.end <= line_end;
            let before = found.iter().rposition(|reference| in_line(reference) && reference.end <= start);
            let after = found.iter().position(|reference| in_line(reference) && end <= reference.start);
            let earlier = found.iter().rposition(|reference| outside(reference) && reference.end <= start);
            if let Some(owner) = before.or(after).or(earlier) {
                quotes.push((quote, owner));
            }
        }
        line_start = line_end;
    }
    quotes
}

/// Byte ranges of what stands in quotation marks, or behind the mark of a quoted line.
fn quoted(line: &str) -> Vec<(usize, usize)> {
    let mut ranges = Vec::new();
    if let Some(rest) = line.trim_start().strip_prefix('>') {
        let start = line.len() - rest.len();
        return vec![(start, start + rest.trim_end().len())];
    }
    let mut open: Option<(usize, char)> = None;
    for (at, letter) in line.char_indices() {
        match (open, letter) {
            (None, '“' | '"' | '‘' | '\'' | '『') => {
                let close = match letter {
                    '“' => '”',
                    '‘' => '’',
                    '『' => '』',
                    other => other,
                };
                open = Some((at + letter.len_utf8(), close));
            }
            (Some((start, close)), letter) if letter == close => {
                ranges.push((start, at));
                open = None;
            }
            _ => {}
        }
    }
    ranges
}

struct Judged {
    status: CitationStatus,
    actual: Option<String>,
    suggestion: Option<String>,
}

/// A judgement with the text that it was made on, where there is one.
type Judgement<'a> = (Judged, Option<(&'a Regulation, Stored)>);

impl Judged {
    fn new(status: CitationStatus) -> Self {
        Self { status, actual: None, suggestion: None }
    }

    fn with(status: CitationStatus, suggestion: impl Into<String>) -> Self {
        Self { status, actual: None, suggestion: Some(suggestion.into()) }
    }
}

impl Library {
    fn check(&self, text: &str, reference: &Outgoing, quotes: &[&str], as_of: AsOf) -> Result<VerifiedCitation, Error> {
        let from = reference.written_from.min(reference.start);
        let written = text.get(from..reference.end).unwrap_or_default().to_owned();
        let chars =
            |byte: usize| u32::try_from(text.get(..byte).unwrap_or_default().chars().count()).unwrap_or(u32::MAX);
        let line = u32::try_from(text.get(..from).unwrap_or_default().matches('\n').count() + 1).unwrap_or(u32::MAX);
        let (judged, found) = self.judge(text, reference, quotes, as_of)?;
        let label = found.as_ref().map(|(regulation, stored)| {
            let place = match reference.target {
                Target::Place(place) => place.to_string(),
                other => other.to_string(),
            };
            citation(&regulation.title, &place, &day_text(stored.meta.effective_on(as_of.day)))
        });
        Ok(VerifiedCitation {
            written,
            start: chars(from),
            end: chars(reference.end),
            line,
            status: judged.status,
            citation: label,
            uri: found.map(|(_, stored)| stored.meta.uri()),
            actual: judged.actual,
            suggestion: judged.suggestion,
        })
    }

    fn judge<'a>(
        &'a self,
        text: &str,
        reference: &Outgoing,
        quotes: &[&str],
        as_of: AsOf,
    ) -> Result<Judgement<'a>, Error> {
        if reference.title.is_empty() {
            return Ok((
                Judged::with(
                    CitationStatus::Ambiguous,
                    "어느 규정의 조문인지 알 수 없습니다. 규정의 이름을 함께 적으십시오",
                ),
                None,
            ));
        }
        let name = self.names.exact(&reference.title);
        let Some(regulation) = name.as_ref().and_then(|name| self.choose(name, as_of.day)) else {
            let near = self.names.nearest(&reference.title).filter(|_| name.is_none()).map_or_else(
                || format!("{}은(는) 색인에 없습니다", reference.title),
                |near| format!("혹시 {near}입니까?"),
            );
            return Ok((Judged::with(CitationStatus::NotChecked, near), None));
        };
        let known = match reference.target {
            Target::Place(Place { article: Some(article), .. }) => self.article(&regulation.id, article, as_of)?,
            Target::Annex(_) | Target::Form(_) => self.annex(regulation, &reference.target.to_string(), as_of)?,
            Target::Place(_) | Target::Addendum(_) => {
                return Ok((Judged::with(CitationStatus::NotChecked, "부칙은 점검하지 않습니다"), None));
            }
        };
        let title = &regulation.title;
        let stored = match known {
            Known::InForce(stored) => stored,
            Known::Later { stored, whole: true } if !as_of.strict => stored,
            Known::Later { stored, whole: true } => {
                let message = format!(
                    "색인에는 {title} {} 시행본부터 있어 그 전은 확인할 수 없습니다",
                    day_text(stored.meta.from)
                );
                return Ok((Judged::with(CitationStatus::NotChecked, message), None));
            }
            Known::Later { stored, .. } => {
                let message = format!("{}부터 시행됩니다", day_text(stored.meta.from));
                return Ok((Judged::with(CitationStatus::NotInForce, message), Some((regulation, stored))));
            }
            Known::Earlier(stored) => {
                let message = format!("{}에 없어졌습니다", day_text(stored.meta.to));
                return Ok((Judged::with(CitationStatus::NotInForce, message), Some((regulation, stored))));
            }
            Known::Deleted(stored) => {
                let message = format!("삭제된 조문입니다: {}", stored.text.lines().next().unwrap_or_default());
                return Ok((Judged::with(CitationStatus::NotInForce, message), Some((regulation, stored))));
            }
            Known::Missing => {
                let message = format!("{title}에는 {}이(가) 없습니다", label(reference.target));
                return Ok((Judged::with(CitationStatus::NotFound, message), None));
            }
        };
        let judged = self.judge_content(text, regulation, &stored, reference, quotes, as_of)?;
        Ok((judged, Some((regulation, stored))))
    }

    fn judge_content(
        &self,
        text: &str,
        regulation: &Regulation,
        stored: &Stored,
        reference: &Outgoing,
        quotes: &[&str],
        as_of: AsOf,
    ) -> Result<Judged, Error> {
        let mut said = strip_marks(&stored.text);
        if let Target::Place(place) = reference.target {
            match narrow(&said, place) {
                Ok(part) => said = part,
                Err(missing) => {
                    let message = format!("{} {}에는 {missing}이(가) 없습니다", regulation.title, stored.meta.label);
                    return Ok(Judged::with(CitationStatus::NotFound, message));
                }
            }
        }
        if let Some(Place { article: Some(last), .. }) = reference.through
            && matches!(self.article(&regulation.id, last, as_of)?, Known::Missing)
        {
            return Ok(Judged::with(
                CitationStatus::NotFound,
                format!("{}에는 {last}이(가) 없습니다", regulation.title),
            ));
        }
        if let Some(title) = written_title(text, reference)
            && !agrees(title, &stored.meta.title)
        {
            return Ok(Judged {
                status: CitationStatus::QuoteMismatch,
                actual: Some(format!("{}({})", stored.meta.label, stored.meta.title)),
                suggestion: Some(format!("조문의 제목이 다릅니다: 쓴 것은 `{title}`")),
            });
        }
        let whole = timeline::squeeze(&said);
        for quote in quotes {
            if !holds(&whole, quote) {
                let elsewhere = holds(&timeline::squeeze(&strip_marks(&stored.text)), quote);
                return Ok(Judged {
                    status: CitationStatus::QuoteMismatch,
                    actual: nearest_sentence(&said, quote),
                    suggestion: Some(if elsewhere {
                        format!("인용문은 {}에 있으나 적은 항이나 호의 글이 아닙니다", stored.meta.label)
                    } else {
                        "인용문이 조문의 글과 다릅니다".to_owned()
                    }),
                });
            }
        }
        Ok(Judged::new(CitationStatus::Verified))
    }
}

fn label(target: Target) -> String {
    match target {
        Target::Place(Place { article: Some(article), .. }) => article.to_string(),
        other => other.to_string(),
    }
}

/// A quotation may leave out pieces by dots; each piece must be there, in order.
fn holds(text: &str, quote: &str) -> bool {
    let mut rest = text;
    let quote = timeline::squeeze(&strip_marks(quote));
    for piece in quote.split(['…', '⋯']).flat_map(|piece| piece.split("...")).flat_map(|piece| piece.split("(중략)"))
    {
        let piece = piece.trim_matches(['.', ',']);
        match rest.find(piece) {
            Some(at) => rest = rest.get(at + piece.len()..).unwrap_or_default(),
            None => return false,
        }
    }
    true
}

/// The text of the paragraph, item and subitem that are cited, or the one that is missing.
fn narrow(text: &str, place: Place) -> Result<String, String> {
    let mut said = text.to_owned();
    if let Some(number) = place.paragraph {
        let parts = paragraphs(text);
        let numbered = parts.iter().any(|(number, _)| number.is_some());
        match parts.into_iter().find(|(other, _)| *other == Some(number)) {
            Some((_, part)) => said = part,
            // An article without numbers is its own first paragraph.
            None if number == 1 && !numbered => {}
            None => return Err(format!("제{number}항")),
        }
    }
    if let Some(item) = place.item {
        said = listed(&said, &item_marks(item), &|line| begins_item(line))
            .ok_or_else(|| Place { item: Some(item), ..Place::default() }.to_string())?;
    }
    if let Some(letter) = place.subitem {
        said = listed(&said, &[format!("{letter}.")], &|line| begins_subitem(line))
            .ok_or_else(|| format!("{letter}목"))?;
    }
    Ok(said)
}

fn item_marks(item: Numbered) -> Vec<String> {
    match item.branch {
        Some(branch) => vec![format!("{}의{branch}.", item.number)],
        None => vec![format!("{}.", item.number)],
    }
}

fn begins_item(line: &str) -> bool {
    let rest = line.trim_start_matches(|letter: char| letter.is_ascii_digit());
    rest.len() != line.len() && (rest.starts_with('.') || rest.starts_with('의'))
}

fn begins_subitem(line: &str) -> bool {
    let mut letters = line.chars();
    letters.next().is_some_and(|letter| "가나다라마바사아자차카타파하거너더러".contains(letter))
        && letters.next() == Some('.')
}

fn listed(text: &str, marks: &[String], begins: &dyn Fn(&str) -> bool) -> Option<String> {
    let mut part: Option<String> = None;
    for line in text.lines() {
        let trimmed = line.trim_start();
        match &mut part {
            None if marks.iter().any(|mark| trimmed.starts_with(mark.as_str())) => part = Some(line.to_owned()),
            None => {}
            Some(_) if begins(trimmed) => break,
            Some(part) => {
                part.push('\n');
                part.push_str(line);
            }
        }
    }
    part
}

/// The title in brackets right behind an article, `제19조(설명의무)`, if that is what it is.
fn written_title<'a>(text: &'a str, reference: &Outgoing) -> Option<&'a str> {
    let Target::Place(Place { article: Some(_), paragraph: None, item: None, subitem: None }) = reference.target else {
        return None;
    };
    let rest = text.get(reference.end..)?;
    let inside = rest.strip_prefix('(')?;
    let title = inside.get(..inside.find([')', '\n'])?)?.trim();
    const NOT_TITLES: [&str; 12] =
        ["이하", "다만", "단서", "본문", "신설", "개정", "삭제", "같은", "제", "시행", "현행", "참조"];
    let plain = title
        .chars()
        .all(|letter| letter.is_alphabetic() || letter.is_whitespace() || matches!(letter, 'ㆍ' | '·' | ','));
    let likely =
        plain && (2..=40).contains(&title.chars().count()) && !NOT_TITLES.iter().any(|word| title.starts_with(word));
    likely.then_some(title)
}

fn agrees(written: &str, actual: &str) -> bool {
    let (written, actual) = (squeeze(written), squeeze(actual));
    actual.is_empty() || actual.contains(&written) || written.contains(&actual)
}

/// The sentence of the article that is most like a quotation.
fn nearest_sentence(text: &str, quote: &str) -> Option<String> {
    let terms = |text: &str| -> std::collections::HashSet<String> {
        haechi_korean::analysis::terms(text).into_iter().map(|term| term.text).collect()
    };
    let wanted = terms(quote);
    text.lines()
        .flat_map(|line| line.split_inclusive(". "))
        .map(str::trim)
        .filter(|sentence| !sentence.is_empty())
        .map(|sentence| (terms(sentence).intersection(&wanted).count(), sentence))
        .filter(|(shared, _)| *shared > 0)
        .max_by_key(|(shared, _)| *shared)
        .map(|(_, sentence)| sentence.chars().take(400).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotations_may_leave_out() {
        let text = timeline::squeeze("은행은 설명하여야 한다. 다만, 그러하지 아니하다.");
        assert!(holds(&text, "은행은 설명하여야 한다"));
        assert!(holds(&text, "은행은 … 그러하지 아니하다."));
        assert!(!holds(&text, "은행은 설명할 수 있다"));
    }

    #[test]
    fn narrows_to_the_cited_place() {
        let text = "① 하나\n  1. 첫째\n    가. 갑\n    나. 을\n  1의2. 덧붙임\n② 둘";
        let place = |written: &str| Place::parse(written).unwrap();
        assert_eq!(narrow(text, place("제1조제2항")).unwrap(), "② 둘");
        assert_eq!(narrow(text, place("제1조제1항제1호나목")).unwrap().trim(), "나. 을");
        assert_eq!(narrow(text, place("제1조제1항제1호의2")).unwrap().trim(), "1의2. 덧붙임");
        assert_eq!(narrow(text, place("제1조제3항")).unwrap_err(), "제3항");
        assert_eq!(narrow(text, place("제1조제1항제7호")).unwrap_err(), "제7호");
        assert_eq!(narrow("그냥", place("제1조제1항")).unwrap(), "그냥");
    }

    #[test]
    fn titles_behind_articles() {
        let check = |text: &str, expected: Option<&str>| {
            let names = crate::names::Names::new(&crate::catalog::Catalog::default(), &[]);
            let found = references::outgoing(text, "", None, &names);
            assert_eq!(written_title(text, &found[0]), expected, "{text}");
        };
        check("금소법 제19조(설명의무)", Some("설명의무"));
        check("금소법 제19조(2025-01-01 시행)", None);
        check("금소법 제19조제1항(설명의무)", None);
        check("금소법 제19조(이하 같다)", None);
    }
}
