//! Answers `search_regulations`: cited articles first, then what ranks best, with an honest word on
//! how sure that is.

use haechi_contract::regulations::{Confidence, RegulationHit, RegulationHits, SearchRegulations, Status};
use haechi_korean::citation::Target;

use crate::catalog::{Regulation, family_of};
use crate::domain::Regulations;
use crate::error::Error;
use crate::index::{Library, Section, Stored};
use crate::names::NameMatch;
use crate::query::{self, Cited, Understood};
use crate::rank::{self, Ranked};
use crate::references;
use crate::resolve::{AsOf, Known, day_text, open_end, short};
use crate::settings::{CANDIDATES_MAX, LIMIT_DEFAULT, LIMIT_MAX, QUERY_CHARS_MAX, REPHRASINGS_MAX};
use crate::snippet;

/// A search with what only a measurement wants to know.
pub struct Searched {
    pub answer: RegulationHits,
    /// Between 0 and 1; `confidence` is this in four steps.
    pub certainty: f32,
}

impl Regulations {
    pub fn search(&self, input: &SearchRegulations) -> Result<RegulationHits, Error> {
        Ok(self.search_measured(input)?.answer)
    }

    pub fn search_measured(&self, input: &SearchRegulations) -> Result<Searched, Error> {
        let library = self.library()?;
        check(input)?;
        let limit = usize::try_from(input.limit.unwrap_or(LIMIT_DEFAULT).clamp(1, LIMIT_MAX)).unwrap_or(1);
        let offset = offset(input.cursor.as_deref())?;
        let understood = query::understand(&input.query, &library.names);
        let mut notes = Vec::new();
        let mut as_of = AsOf::read(input.as_of.as_deref(), self.today())?;
        if let (None, Some(day)) = (&input.as_of, understood.day) {
            as_of = AsOf { day: day.number(), strict: true };
            notes.push(format!("질의의 날짜에 따라 {day} 기준으로 찾았습니다"));
        }
        let only = library.only(input, as_of)?;
        let mut found = Found::default();
        library.find_cited(&understood, as_of, &mut found, &mut notes)?;
        let missing = found.missing && found.direct.is_empty();
        let (ranked, candidates) = if missing {
            (Vec::new(), 0)
        } else {
            let wanted = (offset + limit).min(CANDIDATES_MAX);
            self.ranked(&library, input, &understood, only.as_deref(), as_of, wanted)?
        };
        let certainty = if missing { 0.0 } else { certainty(&found, &ranked, &understood) };
        let direct = std::mem::take(&mut found.direct);
        let best = ranked.first().map_or(1.0, |ranked| ranked.score);
        let mut entries: Vec<(Stored, f32)> = Vec::new();
        for (at, stored) in direct.into_iter().enumerate() {
            #[expect(clippy::cast_precision_loss, reason = "a few citations")]
            let score = best * 2.0 - at as f32 * 0.01;
            push_new(&mut entries, stored, score);
        }
        for ranked in ranked {
            push_new(&mut entries, ranked.stored, ranked.score);
        }
        if let Some(only) = &only {
            entries.retain(|(stored, _)| only.contains(&stored.meta.law));
        }
        // What was not read was only counted; paging reads on as far as `CANDIDATES_MAX`.
        let total = entries.len().max(candidates).min(CANDIDATES_MAX);
        let words = format!("{} {}", understood.words, input.rephrasings.join(" "));
        let hits: Vec<RegulationHit> = entries
            .iter()
            .skip(offset)
            .take(limit)
            .filter_map(|(stored, score)| library.hit(stored, *score, as_of, &words))
            .collect();
        if let Some(first) = hits.first().filter(|hit| hit.status == Status::NotYetInForce) {
            notes.push(format!(
                "{}은(는) 색인에 {} 시행본만 있어 아직 시행 전인 글을 보여 드립니다",
                first.regulation, first.effective_from
            ));
        }
        let confidence = confidence(certainty, hits.is_empty());
        let suggestions = if matches!(confidence, Confidence::High | Confidence::Medium) {
            Vec::new()
        } else {
            self.suggestions(&library, &understood)?
        };
        if confidence == Confidence::None && notes.is_empty() {
            notes.push("색인된 규정에는 이 질문에 답하는 조문이 없는 것으로 보입니다".to_owned());
        }
        let next = offset + hits.len();
        let next_cursor = (next < total && !hits.is_empty()).then(|| next.to_string());
        let total = u64::try_from(total).unwrap_or(u64::MAX);
        let answer =
            RegulationHits { hits, total, confidence, as_of: day_text(as_of.day), suggestions, notes, next_cursor };
        Ok(Searched { answer, certainty })
    }

    /// The rankings of the query and its rephrasings, fused.
    fn ranked(
        &self,
        library: &Library,
        input: &SearchRegulations,
        understood: &Understood,
        only: Option<&[String]>,
        as_of: AsOf,
        wanted: usize,
    ) -> Result<(Vec<Ranked>, usize), Error> {
        let mut rankings = Vec::new();
        let mut most = 0;
        let rephrased: Vec<Understood> =
            input.rephrasings.iter().map(|written| query::understand(written, &library.names)).collect();
        for understood in std::iter::once(understood).chain(&rephrased) {
            let mut laws = library.families(&understood.laws, as_of);
            let cited: Vec<NameMatch> = understood.cited.iter().map(|cited| cited.name.clone()).collect();
            laws.extend(library.families(&cited, as_of));
            let words = if understood.words.is_empty() && understood.cited.is_empty() {
                // A name alone: show what the regulation is about.
                "목적 정의 적용범위".to_owned()
            } else {
                understood.words.clone()
            };
            let expansions = self.vocabulary().expand(&words);
            let (ranking, candidates) = library.rank(
                &rank::Request {
                    words: &words,
                    expansions: &expansions,
                    laws: &laws,
                    only,
                    addenda: input.include_addenda,
                    as_of,
                    limit: wanted,
                },
                self.weights(),
            )?;
            most = most.max(candidates);
            rankings.push(ranking);
        }
        Ok((rank::fuse(rankings), most))
    }

    /// What a misspelt query may have meant.
    fn suggestions(&self, library: &Library, understood: &Understood) -> Result<Vec<String>, Error> {
        let corrections = library.corrections(&library.searcher(), &understood.words)?;
        let mut suggestions: Vec<String> = Vec::new();
        if !corrections.is_empty() {
            let words: Vec<String> = understood
                .words
                .split_whitespace()
                .map(|word| corrections.iter().find(|(from, _)| from == word).map_or(word, |(_, to)| to).to_owned())
                .collect();
            suggestions.push(words.join(" "));
        }
        for word in understood.words.split_whitespace().filter(|word| word.chars().count() >= 4) {
            if let Some(near) = library.names.nearest(word)
                && !suggestions.iter().any(|known| known == near)
            {
                suggestions.push(near.to_owned());
            }
        }
        suggestions.truncate(3);
        Ok(suggestions)
    }
}

fn check(input: &SearchRegulations) -> Result<(), Error> {
    if input.query.trim().is_empty() {
        return Err(Error::invalid("찾을 말이 비어 있습니다", "질문이나 낱말, 조문 번호를 query에 적으십시오"));
    }
    let longest = std::iter::once(&input.query).chain(&input.rephrasings).map(|text| text.chars().count()).max();
    if longest.is_some_and(|chars| QUERY_CHARS_MAX < chars) {
        return Err(Error::invalid(
            format!("질의가 너무 깁니다 (최대 {QUERY_CHARS_MAX}자)"),
            "핵심 낱말만 남기거나, 글 전체의 인용을 점검하려면 verify_citations를 쓰십시오",
        ));
    }
    if REPHRASINGS_MAX < input.rephrasings.len() {
        return Err(Error::invalid(
            format!("rephrasings는 {REPHRASINGS_MAX}개까지입니다"),
            "가장 가까운 표현만 남기십시오",
        ));
    }
    Ok(())
}

fn offset(cursor: Option<&str>) -> Result<usize, Error> {
    match cursor {
        None => Ok(0),
        Some(cursor) => cursor
            .parse()
            .ok()
            .filter(|&offset| offset <= CANDIDATES_MAX)
            .ok_or_else(|| Error::invalid("cursor가 올바르지 않습니다", "앞 결과의 next_cursor를 그대로 쓰십시오")),
    }
}

fn push_new(entries: &mut Vec<(Stored, f32)>, stored: Stored, score: f32) {
    let key = |stored: &Stored| (stored.meta.law.clone(), stored.meta.section, stored.meta.order);
    if entries.iter().all(|(other, _)| key(other) != key(&stored)) {
        entries.push((stored, score));
    }
}

#[derive(Default)]
struct Found {
    direct: Vec<Stored>,
    /// A place was cited that does not exist.
    missing: bool,
}

impl Library {
    /// The regulations a search is bound to, by names and kinds.
    fn only(&self, input: &SearchRegulations, as_of: AsOf) -> Result<Option<Vec<String>>, Error> {
        if input.regulations.is_empty() && input.kinds.is_empty() {
            return Ok(None);
        }
        let mut ids = Vec::new();
        if input.regulations.is_empty() {
            ids.extend(self.catalog.regulations.iter().map(|regulation| regulation.id.clone()));
        }
        for written in &input.regulations {
            ids.push(self.regulation(written, as_of.day)?.id.clone());
        }
        if !input.kinds.is_empty() {
            ids.retain(|id| {
                self.by_id(id).is_some_and(|regulation| input.kinds.iter().any(|kind| is_of_kind(regulation, kind)))
            });
        }
        Ok(Some(ids))
    }

    /// The ids of named regulations with their decrees and rules.
    fn families(&self, names: &[NameMatch], as_of: AsOf) -> Vec<String> {
        let mut ids = Vec::new();
        for name in names {
            let Some(regulation) = self.choose(name, as_of.day) else { continue };
            if name.title != regulation.family() {
                ids.push(regulation.id.clone());
                continue;
            }
            let family = regulation.family();
            ids.extend(
                self.catalog
                    .regulations
                    .iter()
                    .filter(|other| other.family() == family && !other.repealed)
                    .map(|other| other.id.clone()),
            );
        }
        ids.sort_unstable();
        ids.dedup();
        ids
    }

    fn find_cited(
        &self,
        understood: &Understood,
        as_of: AsOf,
        found: &mut Found,
        notes: &mut Vec<String>,
    ) -> Result<(), Error> {
        for cited in &understood.cited {
            let Some(regulation) = self.choose(&cited.name, as_of.day) else {
                notes.push(format!("{}은(는) 이 색인에 없어 확인할 수 없습니다", cited.name.title));
                found.missing = true;
                continue;
            };
            self.find_one(regulation, cited, as_of, found, notes)?;
        }
        Ok(())
    }

    fn find_one(
        &self,
        regulation: &Regulation,
        cited: &Cited,
        as_of: AsOf,
        found: &mut Found,
        notes: &mut Vec<String>,
    ) -> Result<(), Error> {
        let name = &regulation.title;
        let (known, label) = match cited.target {
            Target::Place(place) => {
                let Some(article) = place.article else { return Ok(()) };
                (self.article(&regulation.id, article, as_of)?, article.to_string())
            }
            Target::Annex(_) | Target::Form(_) => {
                let label = cited.target.to_string();
                (self.annex(regulation, &label, as_of)?, label)
            }
            Target::Addendum(_) => return Ok(()),
        };
        let day = day_text(as_of.day);
        match known {
            Known::InForce(stored) => {
                let article = stored.meta.article();
                found.direct.push(stored);
                if let Some(article) = article {
                    found.direct.extend(self.made_under(regulation, article, as_of)?);
                }
            }
            Known::Later { stored, whole: true } if !as_of.strict => found.direct.push(stored),
            Known::Later { stored, .. } => {
                found.missing = true;
                notes.push(format!("{name} {label}은(는) {day}에 없고 {}부터 시행됩니다", day_text(stored.meta.from)));
            }
            Known::Earlier(stored) => {
                found.missing = true;
                notes.push(format!("{name} {label}은(는) {}에 없어졌습니다", day_text(stored.meta.to)));
            }
            Known::Deleted(stored) => {
                found.missing = true;
                notes.push(format!("{name} {label}은(는) 삭제된 조문입니다: {}", short(&stored.text)));
            }
            Known::Missing => {
                found.missing = true;
                notes.push(format!("{name}에는 {label}이(가) 없습니다 ({day} 기준)"));
            }
        }
        Ok(())
    }

    /// Articles of the decree and the rule that were made under an article.
    fn made_under(
        &self,
        regulation: &Regulation,
        article: haechi_korean::citation::Article,
        as_of: AsOf,
    ) -> Result<Vec<Stored>, Error> {
        const MADE_UNDER_MAX: usize = 3;
        if family_of(&regulation.title) != regulation.title || regulation.internal {
            return Ok(Vec::new());
        }
        let key = references::key(&regulation.title, article);
        let lower: Vec<&str> = self
            .catalog
            .regulations
            .iter()
            .filter(|other| other.family() == regulation.title && other.id != regulation.id)
            .map(|other| other.id.as_str())
            .collect();
        let mut made: Vec<Stored> = self
            .with_term(self.fields.cites, &key, 500)?
            .into_iter()
            .filter(|stored| lower.contains(&stored.meta.law.as_str()) && stored.meta.section == Section::Main)
            .filter(|stored| crate::resolve::visible(stored, as_of) && opens_with(stored, article))
            .collect();
        made.sort_by_key(|stored| stored.meta.order);
        made.truncate(MADE_UNDER_MAX);
        Ok(made)
    }

    fn hit(&self, stored: &Stored, score: f32, as_of: AsOf, words: &str) -> Option<RegulationHit> {
        let regulation = self.by_id(&stored.meta.law)?;
        let meta = &stored.meta;
        let effective_from = day_text(meta.effective_on(as_of.day));
        let family = regulation.family();
        Some(RegulationHit {
            citation: citation(&regulation.title, &meta.label, &effective_from),
            regulation: regulation.title.clone(),
            article: meta.label.clone(),
            title: meta.title.clone(),
            snippet: snippet::snippet(&stored.text, words),
            score: (f64::from(score) * 1_000.0).round() / 1_000.0,
            status: status(stored, as_of),
            effective_from,
            effective_to: open_end(meta.to),
            family: (family != regulation.title).then(|| family.to_owned()),
            uri: meta.uri(),
        })
    }
}

/// The decree's article carries the statute's one out when it names it at once.
fn opens_with(stored: &Stored, article: haechi_korean::citation::Article) -> bool {
    let head: String = stored.text.chars().take(120).collect();
    head.contains(&format!("법 {article}")) || head.contains(&format!("」 {article}"))
}

pub fn citation(title: &str, label: &str, effective_from: &str) -> String {
    format!("{title} {label} ({effective_from} 시행)")
}

pub fn status(stored: &Stored, as_of: AsOf) -> Status {
    if as_of.day < stored.meta.from {
        Status::NotYetInForce
    } else if stored.meta.to <= as_of.day {
        Status::NoLongerInForce
    } else if stored.meta.deleted {
        Status::Deleted
    } else {
        Status::InForce
    }
}

fn is_of_kind(regulation: &Regulation, kind: &str) -> bool {
    let kind = kind.trim();
    match kind {
        "법령" => !regulation.internal,
        "내규" => regulation.internal,
        kind => regulation.kind == kind,
    }
}

/// How sure it is that the best hit answers: 1 for an article that was cited and exists, else by how
/// much of what was asked the best hits hold.
fn certainty(found: &Found, ranked: &[Ranked], understood: &Understood) -> f32 {
    if !found.direct.is_empty() {
        return 1.0;
    }
    if understood.words.is_empty() && !understood.laws.is_empty() {
        return 0.8;
    }
    ranked.iter().take(3).map(|ranked| ranked.coverage).fold(0.0, f32::max)
}

fn confidence(certainty: f32, empty: bool) -> Confidence {
    match certainty {
        _ if empty => Confidence::None,
        certainty if certainty >= 0.8 => Confidence::High,
        certainty if certainty >= 0.6 => Confidence::Medium,
        certainty if certainty >= 0.4 => Confidence::Low,
        _ => Confidence::None,
    }
}
