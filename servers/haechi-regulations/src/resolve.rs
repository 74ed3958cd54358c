//! From names and citations to the text that is meant on a day.

use haechi_contract::{Code, Problem};
use haechi_korean::citation::{Article, Citation, Place, Target};
use haechi_korean::date::{self, Date};

use crate::catalog::Regulation;
use crate::error::Error;
use crate::index::{Library, Section, Stored, article_key};
use crate::names::NameMatch;
use crate::query::{self, Cited};
use crate::structure;
use crate::timeline::{Day, FOREVER};

/// The day that a request is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AsOf {
    pub day: Day,
    /// It was asked for. Without that, a regulation of which only a future text is known shows it.
    pub strict: bool,
}

impl AsOf {
    /// Reads the argument `as_of`, or takes today.
    pub fn read(written: Option<&str>, today: Date) -> Result<Self, Error> {
        match written.map(str::trim).filter(|written| !written.is_empty()) {
            None => Ok(Self { day: today.number(), strict: false }),
            Some(written) => match date::parse(written) {
                Some(day) => Ok(Self { day: day.number(), strict: true }),
                None => Err(Error::invalid(
                    format!("기준일을 읽을 수 없습니다: {}", short(written)),
                    "2026-11-22처럼 연-월-일로 적으십시오",
                )),
            },
        }
    }
}

/// `2025-01-31` for 20250131.
pub fn day_text(day: Day) -> String {
    Date::from_number(day).map_or_else(|| day.to_string(), |day| day.to_string())
}

/// A piece of what the caller wrote that is safe to repeat in a message.
pub fn short(written: &str) -> String {
    let mut short: String = haechi_korean::text::strip_invisible(written).replace('\n', " ").chars().take(60).collect();
    if written.chars().count() > 60 {
        short.push('…');
    }
    short
}

/// What is known of an article on a day.
#[derive(Debug, Clone)]
pub enum Known {
    InForce(Stored),
    Deleted(Stored),
    /// Only a later text is known; `whole` when the regulation itself is only known from then on.
    Later {
        stored: Stored,
        whole: bool,
    },
    /// There was a text, and there is none any more.
    Earlier(Stored),
    Missing,
}

impl Library {
    /// The regulation among several of one title that is meant on a day.
    pub fn choose(&self, name: &NameMatch, day: Day) -> Option<&Regulation> {
        name.regulations.iter().filter_map(|&at| self.catalog.regulations.get(at)).min_by_key(|regulation| {
            let latest = regulation.versions.iter().map(|version| version.effective).max().unwrap_or(0);
            (regulation.repealed, day < regulation.first, std::cmp::Reverse(latest))
        })
    }

    /// Finds a regulation by name, short name or id.
    pub fn regulation(&self, written: &str, day: Day) -> Result<&Regulation, Error> {
        let written = written.trim();
        let id = written.strip_prefix("regulation://").unwrap_or(written);
        if let Some(regulation) = self.by_id(id) {
            return Ok(regulation);
        }
        let whole = self.names.exact(written);
        let named = whole.or_else(|| self.names.find(written).into_iter().next());
        if let Some(name) = &named {
            if let Some(regulation) = self.choose(name, day) {
                return Ok(regulation);
            }
            return Err(self.not_indexed(&name.title));
        }
        let mut problem = Problem::new(Code::NotFound, format!("`{}`라는 규정을 찾을 수 없습니다", short(written)));
        problem.hint = Some(match self.names.nearest(written) {
            Some(near) => format!("혹시 `{near}`입니까? 이름은 list_regulations로 볼 수 있습니다"),
            None => "list_regulations로 색인된 규정의 이름을 확인하십시오".to_owned(),
        });
        Err(Error::Request(problem))
    }

    pub fn not_indexed(&self, title: &str) -> Error {
        Error::Request(
            Problem::new(Code::NotFound, format!("`{title}`은(는) 이 색인에 없어 확인할 수 없습니다"))
                .with_hint("이 규정의 원문 파일을 색인 폴더에 넣고 다시 색인하십시오"),
        )
    }

    /// Every text of an article, by the day it took effect.
    pub fn texts(&self, law: &str, article: Article) -> Result<Vec<Stored>, Error> {
        // 제0조 is how some files call a text that has no articles.
        let article = if article == Article::new(0, None) { structure::WHOLE } else { article };
        let mut texts = self.with_term(self.fields.key, &article_key(law, article), 1_000)?;
        texts.sort_by_key(|stored| stored.meta.from);
        Ok(texts)
    }

    pub fn article(&self, law: &str, article: Article, as_of: AsOf) -> Result<Known, Error> {
        Ok(pick(self.texts(law, article)?, as_of))
    }

    /// Every document of a regulation that is visible on a day, articles first, in order.
    pub fn all(&self, law: &str, as_of: AsOf) -> Result<Vec<Stored>, Error> {
        let mut all = self.with_term(self.fields.law, law, 100_000)?;
        all.retain(|stored| visible(stored, as_of));
        all.sort_by_key(|stored| (section_rank(stored.meta.section), stored.meta.order, stored.meta.from));
        Ok(all)
    }

    /// Finds what a citation means.
    pub fn cited(&self, written: &str, as_of: AsOf) -> Result<(&Regulation, Target), Error> {
        let understood = query::understand(written, &self.names);
        if let Some(Cited { name, target, .. }) = understood.cited.first() {
            let regulation = self.choose(name, as_of.day).ok_or_else(|| self.not_indexed(&name.title))?;
            return Ok((regulation, *target));
        }
        if let Some(name) = understood.laws.first().filter(|_| understood.words.is_empty()) {
            let regulation = self.choose(name, as_of.day).ok_or_else(|| self.not_indexed(&name.title))?;
            return Ok((regulation, Target::Place(Place::article(structure::WHOLE))));
        }
        match Citation::parse(written) {
            Some(Citation { name: Some(name), target }) => Ok((self.regulation(&name, as_of.day)?, target)),
            Some(Citation { name: None, .. }) => Err(Error::invalid(
                format!("어느 규정의 조문인지 알 수 없습니다: {}", short(written)),
                "`은행법 제35조`처럼 규정의 이름을 함께 적으십시오",
            )),
            None => {
                // A name alone that is not known, or no citation at all.
                self.regulation(written, as_of.day)
                    .map(|regulation| (regulation, Target::Place(Place::article(structure::WHOLE))))
                    .map_err(|error| match error {
                        Error::Request(problem) if problem.code == Code::NotFound => Error::Request(
                            Problem::new(
                                Code::InvalidInput,
                                format!("조문 인용으로 읽을 수 없습니다: {}", short(written)),
                            )
                            .with_hint("`은행법 제34조의2제1항`처럼 적거나 search_regulations로 찾으십시오"),
                        ),
                        error => error,
                    })
            }
        }
    }

    /// Reads `regulation://{id}/{article}`.
    pub fn by_uri(&self, uri: &str) -> Result<(&Regulation, Option<Target>), Error> {
        let decoded = percent_decode(uri);
        let not_ours = || {
            Error::invalid(
                format!("규정의 주소가 아닙니다: {}", short(&decoded)),
                "`regulation://001549/제35조`처럼 적거나 citation을 쓰십시오",
            )
        };
        let rest = decoded.strip_prefix("regulation://").ok_or_else(not_ours)?;
        let (id, place) = rest.split_once('/').map_or((rest, None), |(id, place)| (id, Some(place)));
        let regulation = self.by_id(id).ok_or_else(|| {
            Error::Request(
                Problem::new(Code::NotFound, format!("`{}`라는 규정이 없습니다", short(id)))
                    .with_hint("list_regulations로 색인된 규정의 id를 확인하십시오"),
            )
        })?;
        let target = match place.filter(|place| !place.is_empty()) {
            None => None,
            Some("본문") => Some(Target::Place(Place::article(structure::WHOLE))),
            Some(place) => {
                Some(Citation::parse(place).filter(|citation| citation.name.is_none()).ok_or_else(not_ours)?.target)
            }
        };
        Ok((regulation, target))
    }

    /// An annex by its label.
    pub fn annex(&self, regulation: &Regulation, label: &str, as_of: AsOf) -> Result<Known, Error> {
        let mut texts = self.with_term(self.fields.law, &regulation.id, 100_000)?;
        let wanted = crate::names::squeeze(label);
        texts.retain(|stored| {
            stored.meta.section == Section::Annex && crate::names::squeeze(&stored.meta.label) == wanted
        });
        texts.sort_by_key(|stored| stored.meta.from);
        Ok(pick(texts, as_of))
    }
}

fn section_rank(section: Section) -> u8 {
    match section {
        Section::Main => 0,
        Section::Annex => 1,
        Section::Addendum => 2,
    }
}

/// Tells whether a text holds on a day, or stands in for one where nothing earlier is known.
pub fn visible(stored: &Stored, as_of: AsOf) -> bool {
    let meta = &stored.meta;
    let begun = meta.from <= as_of.day || (meta.first && !as_of.strict);
    begun && as_of.day < meta.to
}

fn pick(texts: Vec<Stored>, as_of: AsOf) -> Known {
    let mut earlier = None;
    let mut later = None;
    for stored in texts {
        if stored.meta.from <= as_of.day && as_of.day < stored.meta.to {
            return if stored.meta.deleted { Known::Deleted(stored) } else { Known::InForce(stored) };
        }
        if stored.meta.to <= as_of.day {
            earlier = Some(stored);
        } else if later.is_none() {
            later = Some(stored);
        }
    }
    match (later, earlier) {
        (Some(stored), None) => {
            let whole = stored.meta.first;
            Known::Later { stored, whole }
        }
        (_, Some(stored)) => Known::Earlier(stored),
        (None, None) => Known::Missing,
    }
}

pub fn open_end(to: Day) -> Option<String> {
    (to != FOREVER).then(|| day_text(to))
}

fn percent_decode(text: &str) -> String {
    if !text.contains('%') {
        return text.to_owned();
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        let mut ahead = rest.clone();
        let digit = |byte: Option<u8>| byte.and_then(|byte| char::from(byte).to_digit(16));
        match (byte, digit(ahead.next()), digit(ahead.next())) {
            (b'%', Some(high), Some(low)) => {
                bytes.push(u8::try_from(high * 16 + low).unwrap_or(b'?'));
                rest = ahead;
            }
            _ => bytes.push(byte),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decodes_addresses() {
        assert_eq!(percent_decode("regulation://001549/%EC%A0%9C35%EC%A1%B0"), "regulation://001549/제35조");
        assert_eq!(percent_decode("100%"), "100%");
    }
}
