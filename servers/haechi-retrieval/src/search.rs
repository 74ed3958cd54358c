//! Finding passages: by words, by meaning, by both; passages near a passage; one passage in its
//! place.
//!
//! What was really done is part of every answer: a search that could only compare words says so,
//! since "nothing found" then means something else.

use std::collections::{BTreeMap, HashMap};

use haechi_contract::retrieval::{
    FindSimilar, GetPassage, Mode, Passage, PassageFilter, PassageInContext, Passages, SearchPassages,
};
use uuid::Uuid;

use crate::{
    error::RetrievalError,
    library::{Library, Shelf},
    record::{DATE, DEPARTMENT, DIGEST, DOCUMENT, KIND, ORDINAL, RECORD, StoredPassage, TAGS, TITLE, is, read},
    store::{Condition, Filter, Ranking, Scored, Search, Sparse},
    terms,
};

/// Passages that one answer may hold.
pub const PASSAGES_MAX: usize = 50;
const PASSAGES_DEFAULT: usize = 8;
/// Characters of a query; longer texts belong to `find_similar`.
pub const QUERY_CHARACTERS_MAX: usize = 2_000;
/// Characters of a text that similar passages are wanted for; the rest would change nothing.
const TEXT_CHARACTERS_MAX: usize = 8_000;
/// Neighbours on each side of a passage.
const NEIGHBOURS_MAX: usize = 10;
/// Values of one filter.
const FILTER_VALUES_MAX: usize = 100;
/// Candidates that are looked at to choose the answer from.
const CANDIDATES_MAX: usize = 400;
/// The terms of a passage by which similar ones are found: its most telling ones.
const SIMILAR_TERMS: usize = 60;
/// What a passage of the addenda keeps of its score. Addenda repeat the words of the articles that
/// they amend and answer few questions; measured in docs/benchmarks.
const ADDENDA_PART: f32 = 0.5;
/// Words by which a question shows that it means the addenda.
const ADDENDA_WORDS: &[&str] = &["부칙", "경과조치", "시행일", "적용례", "특례"];

/// A passage that was found, before it is shown.
#[derive(Debug, Clone)]
pub(crate) struct Found {
    pub(crate) id: Uuid,
    pub(crate) passage: StoredPassage,
    pub(crate) score: f32,
    lexical: Option<Sparse>,
    dense: Option<Vec<f32>>,
}

impl Library {
    /// Answers a search.
    pub fn search(&self, input: &SearchPassages) -> Result<Passages, RetrievalError> {
        let query = input.query.trim();
        check_query(query)?;
        let limit = bounded("limit", input.limit, PASSAGES_DEFAULT, 1..=PASSAGES_MAX)?;
        let diversity = input.diversity.unwrap_or(0.0);
        if !(0.0..=1.0).contains(&diversity) {
            return Err(RetrievalError::Argument {
                argument: "diversity", expected: "0부터 1 사이로 적으십시오"
            });
        }
        let per_document = match input.per_document {
            Some(0) => {
                return Err(RetrievalError::Argument {
                    argument: "per_document", expected: "1 이상으로 적으십시오"
                });
            }
            other => other,
        };
        let filter = to_filter(input.filter.as_ref())?;
        let shelf = self.shelf(input.collection.as_deref())?;
        let (ranking, mode, mode_reason) = self.rank(&shelf, query, input.mode.unwrap_or_default())?;
        let widened = per_document.is_some() || diversity > 0.0;
        let candidates = (limit * if widened { 10 } else { 4 }).clamp(40, CANDIDATES_MAX);
        let search = Search { ranking, filter, limit: candidates, with_vectors: diversity > 0.0 };
        let mut found = self.find(&shelf, &search)?;
        if !ADDENDA_WORDS.iter().any(|word| query.contains(word)) {
            for hit in &mut found {
                if hit.passage.addenda {
                    hit.score *= ADDENDA_PART;
                }
            }
            found.sort_by(|left, right| right.score.total_cmp(&left.score));
        }
        if let Some(per_document) = per_document {
            let mut seen: HashMap<String, usize> = HashMap::new();
            found.retain(|hit| {
                let count = seen.entry(hit.passage.document.clone()).or_default();
                *count += 1;
                *count <= per_document
            });
        }
        let truncated = limit < found.len();
        if diversity > 0.0 {
            #[expect(clippy::cast_possible_truncation, reason = "a weight between 0 and 1")]
            let weight = diversity as f32;
            found = diverse(found, limit, weight);
        }
        found.truncate(limit);
        Ok(Passages { passages: shown(&shelf, found), mode, mode_reason, collection: shelf.name.clone(), truncated })
    }

    /// Chooses how to rank, as asked and as possible.
    fn rank(
        &self,
        shelf: &Shelf,
        query: &str,
        wanted: Mode,
    ) -> Result<(Ranking, Mode, Option<String>), RetrievalError> {
        let lexical = terms::of_query(query);
        let by_words =
            |reason: Option<&str>| Ok((Ranking::Lexical(lexical.clone()), Mode::Lexical, reason.map(str::to_owned)));
        if wanted == Mode::Lexical {
            return by_words(None);
        }
        let Some(embedder) = self.embedder_for(shelf)? else {
            return match wanted {
                Mode::Semantic => Err(RetrievalError::NoModel { collection: shelf.name.clone() }),
                Mode::Hybrid | Mode::Auto | Mode::Lexical => {
                    by_words(Some("임베딩 모델이 없어 낱말이 겹치는 단락만 찾았습니다"))
                }
            };
        };
        let dense = match embedder.query(query) {
            Ok(dense) => dense,
            Err(error) if wanted == Mode::Semantic => return Err(error),
            Err(error) => {
                tracing::warn!(%error, "the query was not embedded");
                return by_words(Some("임베딩 서버가 답하지 않아 낱말로만 찾았습니다"));
            }
        };
        if wanted == Mode::Semantic {
            return Ok((Ranking::Dense(dense), Mode::Semantic, None));
        }
        // A query in another language shares no word with the collection; its words would only
        // bring chance matches to the top.
        if wanted == Mode::Auto && !self.any_word(shelf, &lexical)? {
            return Ok((
                Ranking::Dense(dense),
                Mode::Semantic,
                Some("겹치는 낱말이 없어 의미로만 찾았습니다".to_owned()),
            ));
        }
        Ok((Ranking::Fused { lexical, dense, fusion: self.options.fusion }, Mode::Hybrid, None))
    }

    fn any_word(&self, shelf: &Shelf, lexical: &Sparse) -> Result<bool, RetrievalError> {
        if lexical.indices.is_empty() {
            return Ok(false);
        }
        let search = Search {
            ranking: Ranking::Lexical(lexical.clone()),
            filter: Filter::default(),
            limit: 1,
            with_vectors: false,
        };
        Ok(!shelf.collection.search(&search)?.is_empty())
    }

    pub(crate) fn find(&self, shelf: &Shelf, search: &Search) -> Result<Vec<Found>, RetrievalError> {
        // The engine refuses an empty sparse vector; a query of punctuation has no terms.
        if matches!(&search.ranking, Ranking::Lexical(lexical) if lexical.indices.is_empty()) {
            return Ok(Vec::new());
        }
        let hits = shelf.collection.search(search)?;
        Ok(hits.into_iter().filter_map(found).collect())
    }

    /// Answers which passages are like a passage or a text.
    pub fn similar(&self, input: &FindSimilar) -> Result<Passages, RetrievalError> {
        let limit = bounded("limit", input.limit, PASSAGES_DEFAULT, 1..=PASSAGES_MAX)?;
        let filter = to_filter(input.filter.as_ref())?;
        let (shelf, ranking, mode, own) = match (&input.id, &input.text) {
            (Some(id), None) => {
                let (shelf, id) = self.locate(id, input.collection.as_deref())?;
                let point = shelf
                    .collection
                    .fetch(&[id], true)?
                    .pop()
                    .ok_or_else(|| RetrievalError::NoPassage { id: id.to_string() })?;
                let (lexical, dense) = (point.vectors.lexical, point.vectors.dense);
                let passage = read::<StoredPassage>(point.payload)
                    .ok_or_else(|| RetrievalError::NoPassage { id: id.to_string() })?;
                let lexical = telling(lexical.unwrap_or_else(|| terms::of_query(&passage.text)));
                let (ranking, mode) = match dense {
                    Some(dense) => (Ranking::Fused { lexical, dense, fusion: self.options.fusion }, Mode::Hybrid),
                    None => (Ranking::Lexical(lexical), Mode::Lexical),
                };
                (shelf, ranking, mode, Some((id, passage)))
            }
            (None, Some(text)) => {
                let text: String = text.trim().chars().take(TEXT_CHARACTERS_MAX).collect();
                if text.is_empty() {
                    return Err(RetrievalError::EmptyQuery);
                }
                let shelf = self.shelf(input.collection.as_deref())?;
                let (mut ranking, mode, _) = self.rank(&shelf, &text, Mode::Auto)?;
                if let Ranking::Lexical(lexical) | Ranking::Fused { lexical, .. } = &mut ranking {
                    let weighting = shelf.built().weighting;
                    let parts = terms::Parts { title: "", heading: &[], text: &text };
                    *lexical = telling(terms::of_passage(&parts, &weighting));
                }
                (shelf, ranking, mode, None)
            }
            _ => {
                return Err(RetrievalError::Argument {
                    argument: "id",
                    expected: "id와 text 가운데 하나만 적으십시오",
                });
            }
        };
        let candidates = (limit * 2 + 10).min(CANDIDATES_MAX);
        let search = Search { ranking, filter, limit: candidates, with_vectors: false };
        let mut found = self.find(&shelf, &search)?;
        if let Some((id, passage)) = own {
            // The neighbours repeat a sentence of it, which says nothing about their content.
            found.retain(|hit| {
                hit.id != id
                    && !(hit.passage.document == passage.document
                        && hit.passage.ordinal.abs_diff(passage.ordinal) == 1
                        && hit.passage.heading == passage.heading)
            });
        }
        let truncated = limit < found.len();
        found.truncate(limit);
        Ok(Passages {
            passages: shown(&shelf, found),
            mode,
            mode_reason: (mode == Mode::Lexical).then(|| "낱말이 겹치는 정도로 견주었습니다".to_owned()),
            collection: shelf.name.clone(),
            truncated,
        })
    }

    /// Answers one passage with its neighbours in reading order.
    pub fn passage(&self, input: &GetPassage) -> Result<PassageInContext, RetrievalError> {
        let before = bounded("before", input.before, 0, 0..=NEIGHBOURS_MAX)?;
        let after = bounded("after", input.after, 0, 0..=NEIGHBOURS_MAX)?;
        let (shelf, id) = self.locate(&input.id, input.collection.as_deref())?;
        let unknown = || RetrievalError::NoPassage { id: input.id.clone() };
        let point = shelf.collection.fetch(&[id], false)?.pop().ok_or_else(unknown)?;
        let passage =
            read::<StoredPassage>(point.payload).filter(|found| found.record == "passage").ok_or_else(unknown)?;
        let mut around = BTreeMap::new();
        if before + after > 0 {
            let at = i64::from(passage.ordinal);
            let distance = |count: usize| i64::try_from(count).unwrap_or(0);
            let filter = Filter {
                must: vec![
                    is(RECORD, "passage"),
                    is(DOCUMENT, &passage.document),
                    // While the document is being replaced, both versions are there for a moment.
                    is(DIGEST, &passage.digest),
                    Condition::Between {
                        field: ORDINAL,
                        from: Some(at - distance(before)),
                        to: Some(at + distance(after)),
                    },
                ],
                must_not: Vec::new(),
            };
            let (points, _) = shelf.collection.scroll(&filter, None, before + after + 1, false)?;
            for point in points {
                if let Some(neighbour) = read::<StoredPassage>(point.payload) {
                    around.insert(neighbour.ordinal, (point.id, neighbour));
                }
            }
        }
        let mut later = around.split_off(&passage.ordinal);
        later.remove(&passage.ordinal);
        let show = |(_, (id, neighbour)): (u32, (Uuid, StoredPassage))| neighbour.shown(id, &shelf.name, None);
        Ok(PassageInContext {
            passage: passage.shown(id, &shelf.name, None),
            before: around.into_iter().map(show).collect(),
            after: later.into_iter().map(show).collect(),
        })
    }

    /// Reads an id or `passage://collection/id` and opens its collection.
    fn locate(&self, written: &str, collection: Option<&str>) -> Result<(std::sync::Arc<Shelf>, Uuid), RetrievalError> {
        let written = written.trim();
        let (named, id) = match written.strip_prefix("passage://").and_then(|rest| rest.split_once('/')) {
            Some((named, id)) => (Some(named), id),
            None => (None, written),
        };
        if let (Some(named), Some(collection)) = (named, collection)
            && named != collection
        {
            return Err(RetrievalError::Argument {
                argument: "collection",
                expected: "uri에 적힌 컬렉션과 다릅니다. collection을 비우십시오",
            });
        }
        let id = Uuid::try_parse(id).map_err(|_| RetrievalError::NoPassage { id: written.to_owned() })?;
        Ok((self.shelf(named.or(collection))?, id))
    }
}

fn found(hit: Scored) -> Option<Found> {
    let passage = read::<StoredPassage>(hit.point.payload)?;
    Some(Found {
        id: hit.point.id,
        passage,
        score: hit.score,
        lexical: hit.point.vectors.lexical,
        dense: hit.point.vectors.dense,
    })
}

fn shown(shelf: &Shelf, found: Vec<Found>) -> Vec<Passage> {
    found.into_iter().map(|hit| hit.passage.shown(hit.id, &shelf.name, Some(hit.score))).collect()
}

fn check_query(query: &str) -> Result<(), RetrievalError> {
    if query.is_empty() {
        return Err(RetrievalError::EmptyQuery);
    }
    let characters = query.chars().count();
    if QUERY_CHARACTERS_MAX < characters {
        return Err(RetrievalError::QueryTooLong { characters, max: QUERY_CHARACTERS_MAX });
    }
    Ok(())
}

fn bounded(
    argument: &'static str,
    value: Option<usize>,
    default: usize,
    range: std::ops::RangeInclusive<usize>,
) -> Result<usize, RetrievalError> {
    let value = value.unwrap_or(default);
    if range.contains(&value) {
        return Ok(value);
    }
    let expected = if *range.end() == PASSAGES_MAX {
        "1부터 50 사이로 적으십시오"
    } else {
        "0부터 10 사이로 적으십시오"
    };
    Err(RetrievalError::Argument { argument, expected })
}

fn to_filter(input: Option<&PassageFilter>) -> Result<Filter, RetrievalError> {
    let Some(input) = input else {
        return Ok(Filter::default());
    };
    let mut must = Vec::new();
    let words = [(KIND, &input.kinds), (DEPARTMENT, &input.departments), (TAGS, &input.tags)];
    let all = words.iter().map(|(_, values)| values.len()).chain([input.documents.len()]);
    if all.into_iter().any(|length| FILTER_VALUES_MAX < length) {
        return Err(RetrievalError::Argument {
            argument: "filter", expected: "조건마다 값은 100개까지입니다"
        });
    }
    for (field, values) in words {
        if !values.is_empty() {
            must.push(Condition::Any { field, values: values.clone() });
        }
    }
    if !input.documents.is_empty() {
        must.push(Condition::Either(vec![
            Condition::Any { field: DOCUMENT, values: input.documents.clone() },
            Condition::Any { field: TITLE, values: input.documents.clone() },
        ]));
    }
    let day = |written: &Option<String>, argument| match written {
        None => Ok(None),
        Some(written) => haechi_korean::date::parse(written)
            .map(|date| Some(i64::from(date.number())))
            .ok_or(RetrievalError::Argument { argument, expected: "날짜를 2026-03-01처럼 적으십시오" }),
    };
    let (from, to) = (day(&input.from, "from")?, day(&input.to, "to")?);
    if from.is_some() || to.is_some() {
        must.push(Condition::Between { field: DATE, from, to });
    }
    Ok(Filter { must, must_not: Vec::new() })
}

/// The heaviest terms of a passage's vector, each counting once, as a query.
fn telling(vector: Sparse) -> Sparse {
    let mut terms: Vec<(u32, f32)> = vector.indices.into_iter().zip(vector.values).collect();
    terms.sort_by(|left, right| right.1.total_cmp(&left.1));
    terms.truncate(SIMILAR_TERMS);
    terms.sort_by_key(|(term, _)| *term);
    let (indices, values) = terms.into_iter().unzip();
    Sparse { indices, values }
}

/// Chooses `limit` passages so that each is good and unlike those chosen before it.
fn diverse(mut found: Vec<Found>, limit: usize, weight: f32) -> Vec<Found> {
    let best = found.first().map_or(1.0, |hit| hit.score).max(f32::EPSILON);
    let mut chosen: Vec<Found> = Vec::with_capacity(limit);
    let mut nearest = vec![0.0_f32; found.len()];
    while chosen.len() < limit && !found.is_empty() {
        let worth = |index: usize, hit: &Found| {
            let near = nearest.get(index).copied().unwrap_or_default();
            (1.0 - weight) * hit.score / best - weight * near
        };
        let next = found
            .iter()
            .enumerate()
            .map(|(index, hit)| (index, worth(index, hit)))
            .max_by(|left, right| left.1.total_cmp(&right.1).then(right.0.cmp(&left.0)))
            .map_or(0, |(index, _)| index);
        let hit = found.remove(next);
        nearest.remove(next);
        for (near, other) in nearest.iter_mut().zip(&found) {
            *near = near.max(likeness(&hit, other));
        }
        chosen.push(hit);
    }
    chosen
}

/// The cosine of two passages, by meaning where both have it, else by words.
fn likeness(left: &Found, right: &Found) -> f32 {
    if let (Some(left), Some(right)) = (&left.dense, &right.dense) {
        let dot: f32 = left.iter().zip(right).map(|(left, right)| left * right).sum();
        let norm = |vector: &[f32]| vector.iter().map(|value| value * value).sum::<f32>().sqrt();
        return dot / (norm(left) * norm(right)).max(f32::EPSILON);
    }
    let (Some(left), Some(right)) = (&left.lexical, &right.lexical) else {
        return 0.0;
    };
    let weights: HashMap<u32, f32> = right.indices.iter().copied().zip(right.values.iter().copied()).collect();
    let dot: f32 =
        left.indices.iter().zip(&left.values).filter_map(|(term, value)| Some(value * weights.get(term)?)).sum();
    let norm = |vector: &Sparse| vector.values.iter().map(|value| value * value).sum::<f32>().sqrt();
    dot / (norm(left) * norm(right)).max(f32::EPSILON)
}
