//! Ranks the articles for words: BM25 over syllable bigrams first, then a closer look at the best.
//!
//! `docs/regulations.md` explains the weights. Names, dates and citations never come here: the
//! query was understood before.

use std::collections::HashMap;

use haechi_korean::analysis;
use tantivy::collector::TopDocs;
use tantivy::query::{BooleanQuery, BoostQuery, ConstScoreQuery, Occur, Query, TermQuery, TermSetQuery};
use tantivy::schema::IndexRecordOption;
use tantivy::{DocAddress, Searcher, Term};

use crate::error::Error;
use crate::index::{Library, Section, Stored};
use crate::names::squeeze;
use crate::query;
use crate::resolve::{AsOf, visible};

/// The weights of the ranking, in one place so that a measurement can change them.
#[derive(Debug, Clone)]
pub struct Weights {
    /// The title of an article says more than a word in its text.
    pub heading: f32,
    /// What the vocabulary adds counts less than what was written.
    pub expansion: f32,
    /// Added for articles of a regulation that the query names.
    pub law: f32,
    /// How much of the best article's score each closer look may add.
    pub coverage: f32,
    pub title: f32,
    pub word: f32,
    /// What a legal word of the vocabulary counts among what an answer should hold.
    pub covered: f32,
    /// What a corrected slip counts beside what was written.
    pub correction: f32,
    /// Added for statutes over what was made under them, as a part of the best score.
    pub statute: f32,
}

impl Default for Weights {
    fn default() -> Self {
        Self {
            heading: 1.0,
            expansion: 0.7,
            law: 12.0,
            coverage: 0.3,
            title: 0.3,
            word: 0.2,
            covered: 0.7,
            correction: 0.7,
            statute: 0.05,
        }
    }
}

impl Weights {
    /// Changes weights by a list `heading=1.5,title=0.4`, for measurements.
    pub fn changed(mut self, list: &str) -> Option<Self> {
        for pair in list.split(',').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=')?;
            let value = value.trim().parse().ok()?;
            *match name.trim() {
                "heading" => &mut self.heading,
                "expansion" => &mut self.expansion,
                "law" => &mut self.law,
                "coverage" => &mut self.coverage,
                "title" => &mut self.title,
                "word" => &mut self.word,
                "covered" => &mut self.covered,
                "correction" => &mut self.correction,
                "statute" => &mut self.statute,
                _ => return None,
            } = value;
        }
        Some(self)
    }
}

/// So many of the best are read and looked at closely; the rest stay as BM25 left them.
const LOOKED_AT: usize = 50;
/// The first fetch; it grows while texts of other days crowd out the wanted ones.
const FETCH_FIRST: usize = 120;
const FETCH_MAX: usize = 4_000;

/// What to rank, and among what.
pub struct Request<'a> {
    pub words: &'a str,
    pub expansions: &'a [String],
    /// Ids of regulations that were named in the query.
    pub laws: &'a [String],
    /// Ids of regulations that nothing outside is wanted of.
    pub only: Option<&'a [String]>,
    pub addenda: bool,
    pub as_of: AsOf,
    pub limit: usize,
}

/// One ranked text.
#[derive(Debug, Clone)]
pub struct Ranked {
    pub address: DocAddress,
    pub stored: Stored,
    pub score: f32,
    /// The part of the telling words' weight that the text holds.
    pub coverage: f32,
}

struct Weighted {
    text: String,
    weight: f32,
}

impl Library {
    /// Ranks texts by words, best first, and tells how many candidates there were.
    pub fn rank(&self, request: &Request<'_>, weights: &Weights) -> Result<(Vec<Ranked>, usize), Error> {
        let searcher = self.searcher();
        let mut terms = self.weigh(request, weights);
        for (_, corrected) in self.corrections(&searcher, request.words)? {
            push_terms(&mut terms, &corrected, weights.correction);
        }
        if terms.is_empty() {
            return Ok((Vec::new(), 0));
        }
        let query = self.engine_query(&terms, request, weights);
        let (found, candidates) = self.fetch(&searcher, &query, request)?;
        let mut telling = self.weigh_telling(&searcher, request.words)?;
        // A legal word for what was said covers it as well, at the vocabulary's weight.
        for (term, idf) in self.weigh_telling(&searcher, &request.expansions.join(" "))? {
            if telling.iter().all(|(other, _)| *other != term) {
                telling.push((term, idf * weights.covered));
            }
        }
        let is_statute = |law: &str| self.by_id(law).is_some_and(|regulation| regulation.family() == regulation.title);
        Ok((look_closer(found, &telling, request, weights, &is_statute), candidates))
    }

    fn idf(&self, searcher: &Searcher, term: &str) -> Result<f32, Error> {
        let documents = searcher.num_docs();
        let found = searcher.doc_freq(&Term::from_field_text(self.fields.body, term))?;
        #[expect(clippy::cast_precision_loss, reason = "a weight, not a count")]
        let idf = (1.0 + (documents as f32 - found as f32 + 0.5) / (found as f32 + 0.5)).ln();
        Ok(idf)
    }

    fn weigh(&self, request: &Request<'_>, weights: &Weights) -> Vec<Weighted> {
        let mut terms = Vec::new();
        push_terms(&mut terms, request.words, 1.0);
        for words in request.expansions {
            push_terms(&mut terms, words, weights.expansion);
        }
        terms
    }

    fn weigh_telling(&self, searcher: &Searcher, words: &str) -> Result<Vec<(String, f32)>, Error> {
        let mut telling: Vec<String> =
            analysis::terms(&query::telling(words)).into_iter().map(|term| term.text).collect();
        telling.sort_unstable();
        telling.dedup();
        telling.into_iter().map(|term| Ok((term.clone(), self.idf(searcher, &term)?))).collect()
    }

    fn engine_query(&self, terms: &[Weighted], request: &Request<'_>, weights: &Weights) -> Box<dyn Query> {
        let mut clauses: Vec<(Occur, Box<dyn Query>)> = Vec::with_capacity(terms.len() * 2 + 2);
        let mut should = |field, text: &str, boost: f32| {
            let query = TermQuery::new(Term::from_field_text(field, text), IndexRecordOption::WithFreqs);
            clauses.push((Occur::Should, Box::new(BoostQuery::new(Box::new(query), boost))));
        };
        for term in terms {
            should(self.fields.body, &term.text, term.weight);
            should(self.fields.heading, &term.text, term.weight * weights.heading);
            if request.addenda {
                should(self.fields.addenda, &term.text, term.weight);
            }
        }
        let law_terms = |laws: &[String]| {
            TermSetQuery::new(laws.iter().map(|law| Term::from_field_text(self.fields.law, law)).collect::<Vec<_>>())
        };
        if !request.laws.is_empty() {
            let query = ConstScoreQuery::new(Box::new(law_terms(request.laws)), weights.law);
            clauses.push((Occur::Should, Box::new(query)));
        }
        let words: Box<dyn Query> = Box::new(BooleanQuery::new(clauses));
        match request.only {
            None => words,
            Some(only) => {
                let filter = BoostQuery::new(Box::new(ConstScoreQuery::new(Box::new(law_terms(only)), 1.0)), 0.0);
                Box::new(BooleanQuery::new(vec![(Occur::Must, words), (Occur::Must, Box::new(filter))]))
            }
        }
    }

    /// Fetches the best texts of the wanted day.
    ///
    /// A day filter inside the engine's query would cost it its shortcuts, while most texts are in
    /// force; so the best are fetched and the others thrown away, more of them when needed.
    fn fetch(
        &self,
        searcher: &Searcher,
        query: &dyn Query,
        request: &Request<'_>,
    ) -> Result<(Vec<Ranked>, usize), Error> {
        let mut days = Vec::new();
        for segment in searcher.segment_readers() {
            let fast = segment.fast_fields();
            let begins = if request.as_of.strict { fast.u64("from")? } else { fast.u64("seen_from")? };
            days.push((begins, fast.u64("to")?));
        }
        let day = u64::from(request.as_of.day);
        let holds = |address: DocAddress| {
            let Some((begins, ends)) = usize::try_from(address.segment_ord).ok().and_then(|at| days.get(at)) else {
                return false;
            };
            begins.first(address.doc_id).is_some_and(|begins| begins <= day)
                && ends.first(address.doc_id).is_some_and(|ends| day < ends)
        };
        let mut fetch = FETCH_FIRST.max(request.limit * 2);
        loop {
            let top = searcher.search(query, &TopDocs::with_limit(fetch).order_by_score())?;
            let exhausted = top.len() < fetch;
            let kept: Vec<(f32, DocAddress)> = top.into_iter().filter(|(_, address)| holds(*address)).collect();
            if exhausted || request.limit.max(LOOKED_AT) <= kept.len() || FETCH_MAX <= fetch {
                let candidates = kept.len();
                let mut ranked = Vec::with_capacity(request.limit.max(LOOKED_AT).min(candidates));
                for (score, address) in kept {
                    if request.limit.max(LOOKED_AT) <= ranked.len() {
                        break;
                    }
                    let stored = self.read(searcher, address)?;
                    let wanted = visible(&stored, request.as_of)
                        && (request.addenda || stored.meta.section != Section::Addendum)
                        && (request.only.is_some() || !self.repealed.contains(&stored.meta.law));
                    if wanted {
                        ranked.push(Ranked { address, stored, score, coverage: 0.0 });
                    }
                }
                return Ok((ranked, candidates));
            }
            fetch *= 4;
        }
    }
}

/// Adds the terms of a text that are not there yet.
fn push_terms(terms: &mut Vec<Weighted>, text: &str, weight: f32) {
    analysis::visit(text, |term, _, _| {
        if weight > 0.0 && terms.iter().all(|other| other.text != term) {
            terms.push(Weighted { text: term.to_owned(), weight });
        }
    });
}

/// Orders the best anew by what BM25 over bigrams cannot see.
fn look_closer(
    mut ranked: Vec<Ranked>,
    telling: &[(String, f32)],
    request: &Request<'_>,
    weights: &Weights,
    is_statute: &dyn Fn(&str) -> bool,
) -> Vec<Ranked> {
    let best = ranked.first().map_or(0.0, |ranked| ranked.score);
    let total: f32 = telling.iter().map(|(_, idf)| idf).sum();
    let words: Vec<String> = query::telling(request.words)
        .split_whitespace()
        .map(squeeze)
        .filter(|word| word.chars().count() >= 3)
        .collect();
    let asked = squeeze(&query::telling(request.words));
    for candidate in ranked.iter_mut().take(LOOKED_AT) {
        let heading = squeeze(&candidate.stored.meta.title);
        let body = squeeze(&candidate.stored.text);
        let holds = |term: &str| body.contains(term) || heading.contains(term);
        let covered: f32 =
            telling.iter().filter(|(term, _)| holds(term) || holds(&term.to_uppercase())).map(|(_, idf)| idf).sum();
        candidate.coverage = if total > 0.0 { covered / total } else { 0.0 };
        let whole = words.iter().filter(|word| holds(word)).count();
        #[expect(clippy::cast_precision_loss, reason = "a few words")]
        let whole = if words.is_empty() { 0.0 } else { whole as f32 / words.len() as f32 };
        let statute = if candidate.stored.meta.section == Section::Main && is_statute(&candidate.stored.meta.law) {
            weights.statute
        } else {
            0.0
        };
        candidate.score += best
            * (weights.coverage * candidate.coverage
                + weights.title * title_likeness(&asked, &heading)
                + weights.word * whole
                + statute);
    }
    ranked.sort_by(|left, right| right.score.total_cmp(&left.score));
    ranked
}

/// How alike a query and a title are, by the syllable pairs they share: 1 for the same words.
fn title_likeness(asked: &str, title: &str) -> f32 {
    let pairs = |text: &str| -> Vec<(char, char)> {
        let letters: Vec<char> = text.chars().collect();
        letters.windows(2).filter_map(|pair| Some((*pair.first()?, *pair.get(1)?))).collect()
    };
    let (asked, title) = (pairs(asked), pairs(title));
    if asked.is_empty() || title.is_empty() {
        return 0.0;
    }
    let shared = title.iter().filter(|pair| asked.contains(pair)).count();
    #[expect(clippy::cast_precision_loss, reason = "a few pairs")]
    let likeness = 2.0 * shared as f32 / (asked.len() + title.len()) as f32;
    likeness.min(1.0)
}

/// Fuses several rankings of the same texts by their ranks, the first counting most.
pub fn fuse(rankings: Vec<Vec<Ranked>>) -> Vec<Ranked> {
    /// The usual constant of reciprocal rank fusion; it keeps one ranking from deciding alone.
    const RANK_OFFSET: f32 = 60.0;
    let mut rankings = rankings.into_iter();
    let Some(first) = rankings.next() else { return Vec::new() };
    let others: Vec<Vec<Ranked>> = rankings.filter(|ranking| !ranking.is_empty()).collect();
    if others.is_empty() {
        return first;
    }
    let mut fused: HashMap<DocAddress, (f32, Ranked)> = HashMap::new();
    for ranking in std::iter::once(first).chain(others) {
        for (rank, ranked) in ranking.into_iter().enumerate() {
            #[expect(clippy::cast_precision_loss, reason = "a rank below a few hundred")]
            let gain = 1.0 / (RANK_OFFSET + rank as f32);
            let entry = fused.entry(ranked.address).or_insert_with(|| (0.0, ranked.clone()));
            entry.0 += gain;
            entry.1.coverage = entry.1.coverage.max(ranked.coverage);
        }
    }
    let mut fused: Vec<Ranked> =
        fused.into_values().map(|(score, ranked)| Ranked { score: score * 100.0, ..ranked }).collect();
    fused.sort_by(|left, right| right.score.total_cmp(&left.score).then_with(|| left.address.cmp(&right.address)));
    fused
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn likeness_of_titles() {
        assert!((title_likeness("적합성원칙", "적합성원칙") - 1.0).abs() < 1e-6);
        assert!(title_likeness("적합성웟칙", "적합성원칙") > 0.4);
        assert!(title_likeness("예금", "정의") < 1e-6);
    }
}
