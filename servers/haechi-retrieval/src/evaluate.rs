//! Scores a collection with questions and their known answers.
//!
//! A bank decides with its own questions whether a model pays; this only counts. A line of the
//! question file is `{"query", "relevant": [{"law" or "document", "article" or "heading"?,
//! "grade"?}], "kind"?}`.

use std::{
    collections::{BTreeMap, HashSet},
    time::Instant,
};

use haechi_contract::retrieval::{Mode, Passage, SearchPassages};
use haechi_korean::citation::{self, Article, Target};
use serde::{Deserialize, Serialize};

use crate::{error::RetrievalError, library::Library, search::PASSAGES_MAX};

/// The rank that the measures look at.
pub const RANK: usize = 10;

#[derive(Debug, Clone, Deserialize)]
struct Question {
    query: String,
    #[serde(default)]
    kind: Option<String>,
    #[serde(default)]
    relevant: Vec<Relevant>,
}

/// A place that answers a question.
#[derive(Debug, Clone, Deserialize)]
struct Relevant {
    /// The title of a law, or the title or path of a document.
    #[serde(alias = "law", alias = "title")]
    document: String,
    #[serde(default)]
    article: Option<String>,
    #[serde(default)]
    heading: Option<String>,
    #[serde(default = "answers")]
    grade: i32,
}

fn answers() -> i32 {
    2
}

/// The measures over some questions.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub struct Scores {
    pub questions: usize,
    /// Gains 2^grade − 1, discounted by the logarithm of the rank, against the best possible.
    pub ndcg: f64,
    /// The part of the relevant places among the first ten.
    pub recall: f64,
    /// One over the rank of the first relevant place.
    pub mrr: f64,
    /// The part of the questions whose first place is relevant.
    pub first: f64,
}

/// What an evaluation measured.
#[derive(Debug, Clone, Serialize)]
pub struct Evaluation {
    pub collection: String,
    pub mode: Mode,
    pub all: Scores,
    pub kinds: BTreeMap<String, Scores>,
    /// Questions without an answer in the collection; they are asked for the time only.
    pub unanswerable: usize,
    pub p50_ms: f64,
    pub p99_ms: f64,
}

impl Library {
    /// Asks every question of a file and scores the answers.
    pub fn evaluate(&self, file: &str, collection: Option<&str>, mode: Mode) -> Result<Evaluation, RetrievalError> {
        let questions = parse(file)?;
        let mut all = Sum::default();
        let mut kinds: BTreeMap<String, Sum> = BTreeMap::new();
        let mut unanswerable = 0;
        let mut times = Vec::with_capacity(questions.len());
        let mut used = mode;
        let mut name = String::new();
        for question in &questions {
            let input = SearchPassages {
                query: question.query.clone(),
                collection: collection.map(str::to_owned),
                // Several passages of one article count as one place, so more are needed.
                limit: Some(PASSAGES_MAX),
                mode: Some(mode),
                filter: None,
                diversity: None,
                per_document: None,
            };
            let started = Instant::now();
            let found = self.search(&input)?;
            times.push(started.elapsed().as_secs_f64() * 1_000.0);
            used = found.mode;
            name = found.collection;
            if question.relevant.is_empty() {
                unanswerable += 1;
                continue;
            }
            let measured = measure(&question.relevant, &found.passages);
            all.add(measured);
            if let Some(kind) = &question.kind {
                kinds.entry(kind.clone()).or_default().add(measured);
            }
        }
        times.sort_by(f64::total_cmp);
        let at = |part: usize| times.get(times.len() * part / 100).or(times.last()).copied().unwrap_or_default();
        Ok(Evaluation {
            collection: name,
            mode: used,
            all: all.mean(),
            kinds: kinds.into_iter().map(|(kind, sum)| (kind, sum.mean())).collect(),
            unanswerable,
            p50_ms: at(50),
            p99_ms: at(99),
        })
    }
}

fn parse(file: &str) -> Result<Vec<Question>, RetrievalError> {
    let mut questions = Vec::new();
    for (index, line) in file.lines().enumerate() {
        if line.trim().is_empty() {
            continue;
        }
        let question = serde_json::from_str(line).map_err(|_| RetrievalError::Questions {
            line: index + 1,
            detail: r#"한 줄에 {"query": "…", "relevant": [{"document": "…", "article": "제3조", "grade": 2}]} 하나씩 적으십시오"#,
        })?;
        questions.push(question);
    }
    Ok(questions)
}

#[derive(Debug, Clone, Copy, Default)]
struct Sum {
    scores: Scores,
}

impl Sum {
    fn add(&mut self, one: Scores) {
        self.scores.questions += 1;
        self.scores.ndcg += one.ndcg;
        self.scores.recall += one.recall;
        self.scores.mrr += one.mrr;
        self.scores.first += one.first;
    }

    fn mean(self) -> Scores {
        #[expect(clippy::cast_precision_loss, reason = "nobody asks so many questions")]
        let count = self.scores.questions.max(1) as f64;
        let round = |sum: f64| (sum / count * 1_000.0).round() / 1_000.0;
        Scores {
            questions: self.scores.questions,
            ndcg: round(self.scores.ndcg),
            recall: round(self.scores.recall),
            mrr: round(self.scores.mrr),
            first: round(self.scores.first),
        }
    }
}

/// Scores one answer. Passages of the same place count once, at their best rank.
fn measure(relevant: &[Relevant], passages: &[Passage]) -> Scores {
    let mut places = HashSet::new();
    let mut unseen: Vec<&Relevant> = relevant.iter().collect();
    let mut gained = 0.0;
    let mut hits = 0.0;
    let mut reciprocal = 0.0;
    let mut rank = 0;
    for passage in passages {
        if !places.insert((&passage.document, &passage.heading)) {
            continue;
        }
        rank += 1;
        if RANK < rank {
            break;
        }
        let Some(at) = unseen.iter().position(|place| place.is_in(passage)) else {
            continue;
        };
        let place = unseen.remove(at);
        hits += 1.0;
        gained += gain(place.grade) / discount(rank);
        if reciprocal == 0.0 {
            reciprocal = 1.0 / number(rank);
        }
    }
    let mut grades: Vec<i32> = relevant.iter().map(|place| place.grade).collect();
    grades.sort_unstable_by(|left, right| right.cmp(left));
    let ideal: f64 =
        grades.iter().take(RANK).enumerate().map(|(index, grade)| gain(*grade) / discount(index + 1)).sum();
    Scores {
        questions: 1,
        ndcg: if ideal > 0.0 { gained / ideal } else { 0.0 },
        recall: hits / number(relevant.len().min(RANK)),
        mrr: reciprocal,
        first: if reciprocal >= 1.0 { 1.0 } else { 0.0 },
    }
}

fn gain(grade: i32) -> f64 {
    2.0_f64.powi(grade) - 1.0
}

fn discount(rank: usize) -> f64 {
    (number(rank) + 1.0).log2()
}

#[expect(clippy::cast_precision_loss, reason = "ranks are small")]
fn number(count: usize) -> f64 {
    count as f64
}

impl Relevant {
    fn is_in(&self, passage: &Passage) -> bool {
        let same = |left: &str, right: &str| compact(left) == compact(right);
        if !same(&self.document, &passage.title) && !same(&self.document, &passage.document) {
            return false;
        }
        if let Some(article) = &self.article {
            // The addenda number their own articles from 1 again.
            let addenda = passage.heading.iter().any(|heading| heading.starts_with("부칙"));
            return !addenda && passage.heading.iter().any(|heading| article_of(heading) == Article::parse(article));
        }
        match &self.heading {
            Some(wanted) => passage.heading.iter().any(|heading| compact(heading).contains(&compact(wanted))),
            None => true,
        }
    }
}

fn article_of(heading: &str) -> Option<Article> {
    let reference = citation::find(heading).into_iter().next().filter(|reference| reference.start == 0)?;
    match reference.target {
        Target::Place(place) => place.article,
        _ => None,
    }
}

fn compact(text: &str) -> String {
    text.chars().filter(|letter| letter.is_alphanumeric()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passage(title: &str, heading: &str) -> Passage {
        Passage {
            id: String::new(),
            collection: String::new(),
            document: format!("laws/{title}.md"),
            title: title.to_owned(),
            heading: vec![heading.to_owned()],
            page: None,
            text: String::new(),
            score: None,
            citation: String::new(),
            uri: String::new(),
            kind: None,
            department: None,
            date: None,
            tags: Vec::new(),
        }
    }

    #[test]
    fn counts_places_once_and_by_grade() {
        let questions = parse(
            r#"{"query": "가", "relevant": [{"law": "은행법", "article": "제35조", "grade": 2}, {"law": "은행법", "article": "제34조의2", "grade": 1}]}"#,
        )
        .unwrap();
        let [question] = questions.as_slice() else { panic!() };
        let perfect = [
            passage("은행법", "제35조 (동일차주)"),
            passage("은행법", "제35조 (동일차주)"),
            passage("은행법", "제34조의2 (영업행위)"),
        ];
        let scores = measure(&question.relevant, &perfect);
        assert!((scores.ndcg - 1.0).abs() < 1e-9 && (scores.recall - 1.0).abs() < 1e-9, "{scores:?}");
        let late = [passage("은행법", "제34조 (지도)"), passage("은행법", "제35조 (동일차주)")];
        let scores = measure(&question.relevant, &late);
        assert!((scores.mrr - 0.5).abs() < 1e-9 && scores.first == 0.0 && scores.ndcg < 0.7, "{scores:?}");
        assert_eq!(measure(&question.relevant, &[passage("상법", "제35조 (회사)")]).recall, 0.0);
    }

    #[test]
    fn a_broken_line_is_named() {
        assert!(matches!(parse("{}\n"), Err(RetrievalError::Questions { line: 1, .. })));
    }
}
