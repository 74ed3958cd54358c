//! Scores the search against questions with known answers: nDCG@10, recall@10 and MRR over all and
//! per kind, how well unanswerable questions are told apart, and texts on a given day.

use std::collections::BTreeMap;

use haechi_contract::regulations::SearchRegulations;
use haechi_korean::citation::Article;
use serde::{Deserialize, Serialize};

use crate::domain::Regulations;
use crate::error::Error;
use crate::names::squeeze;
use crate::resolve::{AsOf, Known};
use crate::structure;

#[derive(Debug, Clone, Deserialize)]
pub struct Question {
    pub id: String,
    pub query: String,
    #[serde(default)]
    pub kind: String,
    #[serde(default = "yes")]
    pub answerable: bool,
    #[serde(default)]
    pub relevant: Vec<Relevant>,
    #[serde(default)]
    pub as_of: Option<String>,
    // Questions about the text on a day.
    #[serde(default)]
    pub law: Option<String>,
    #[serde(default)]
    pub article: Option<String>,
    #[serde(default)]
    pub expect_exists: Option<bool>,
    #[serde(default)]
    pub must_contain: Vec<String>,
    #[serde(default)]
    pub must_not_contain: Vec<String>,
}

fn yes() -> bool {
    true
}

#[derive(Debug, Clone, Deserialize)]
pub struct Relevant {
    pub law: String,
    pub article: String,
    #[serde(default = "two")]
    pub grade: u32,
}

fn two() -> u32 {
    2
}

#[derive(Debug, Clone, Copy, Default, Serialize)]
pub struct Score {
    pub questions: usize,
    pub ndcg: f64,
    pub recall: f64,
    pub mrr: f64,
}

#[derive(Debug, Clone, Default, Serialize)]
pub struct Scores {
    pub all: Score,
    pub kinds: BTreeMap<String, Score>,
    /// The chance that an answerable question is more certain than an unanswerable one.
    pub auroc: Option<f64>,
    pub dated: Option<(usize, usize)>,
    pub microseconds_p50: u64,
    pub microseconds_p99: u64,
    /// How certain each answer was: id, whether it can be answered, certainty.
    pub certainties: Vec<(String, bool, f32)>,
    /// One line per question that is not answered perfectly.
    pub misses: Vec<String>,
}

impl Regulations {
    /// Answers every question and scores the answers.
    pub fn evaluate(&self, questions: &[Question]) -> Result<Scores, Error> {
        let mut scores = Scores::default();
        let mut per_kind: BTreeMap<String, Vec<(f64, f64, f64)>> = BTreeMap::new();
        let (mut answerable, mut unanswerable): (Vec<f32>, Vec<f32>) = (Vec::new(), Vec::new());
        let mut times = Vec::new();
        let mut dated = (0, 0);
        for question in questions {
            if question.expect_exists.is_some() {
                dated.1 += 1;
                match self.dated(question)? {
                    None => dated.0 += 1,
                    Some(miss) => scores.misses.push(format!("{} {}: {miss}", question.id, question.query)),
                }
                continue;
            }
            let input = SearchRegulations {
                query: question.query.clone(),
                as_of: question.as_of.clone(),
                ..Default::default()
            };
            let begun = std::time::Instant::now();
            let searched = self.search_measured(&input)?;
            times.push(u64::try_from(begun.elapsed().as_micros()).unwrap_or(u64::MAX));
            scores.certainties.push((question.id.clone(), question.answerable, searched.certainty));
            if !question.answerable {
                unanswerable.push(searched.certainty);
                if searched.certainty >= 0.6 {
                    scores.misses.push(format!(
                        "{} {}: certainty {:.2} though unanswerable",
                        question.id, question.query, searched.certainty
                    ));
                }
                continue;
            }
            answerable.push(searched.certainty);
            let gains: Vec<u32> =
                searched.answer.hits.iter().map(|hit| grade(question, &hit.regulation, &hit.article)).collect();
            let scored = score(question, &gains);
            if scored.0 < 0.999 {
                let top: Vec<String> = searched
                    .answer
                    .hits
                    .iter()
                    .take(4)
                    .map(|hit| format!("{} {}", hit.regulation, hit.article))
                    .collect();
                scores.misses.push(format!(
                    "{} [{}] {:.2} {} → {}",
                    question.id,
                    question.kind,
                    scored.0,
                    question.query,
                    top.join(" | ")
                ));
            }
            per_kind.entry(question.kind.clone()).or_default().push(scored);
        }
        let all: Vec<(f64, f64, f64)> = per_kind.values().flatten().copied().collect();
        scores.all = mean(&all);
        scores.kinds = per_kind.iter().map(|(kind, scored)| (kind.clone(), mean(scored))).collect();
        scores.auroc = auroc(&answerable, &unanswerable);
        scores.dated = (dated.1 > 0).then_some(dated);
        times.sort_unstable();
        scores.microseconds_p50 = times.get(times.len() / 2).copied().unwrap_or(0);
        scores.microseconds_p99 = times.get(times.len().saturating_sub(1 + times.len() / 100)).copied().unwrap_or(0);
        Ok(scores)
    }

    /// Answers a question about the text on a day; what is wrong, if anything.
    fn dated(&self, question: &Question) -> Result<Option<String>, Error> {
        let library = self.library()?;
        let as_of = AsOf::read(question.as_of.as_deref(), self.today())?;
        let Some(law) = &question.law else { return Ok(Some("no law".to_owned())) };
        let regulation = library.regulation(law, as_of.day)?;
        let article = question.article.as_deref().map_or(Some(structure::WHOLE), Article::parse);
        let Some(article) = article else { return Ok(Some("no article".to_owned())) };
        let expected = question.expect_exists.unwrap_or(true);
        match library.article(&regulation.id, article, as_of)? {
            Known::InForce(stored) if expected => {
                let text = squeeze(&stored.text);
                let lacks = question.must_contain.iter().find(|words| !text.contains(&squeeze(words)));
                let wrong = question.must_not_contain.iter().find(|words| text.contains(&squeeze(words)));
                Ok(match (lacks, wrong) {
                    (Some(words), _) => Some(format!("lacks {words}")),
                    (_, Some(words)) => Some(format!("holds {words}")),
                    (None, None) => None,
                })
            }
            Known::InForce(_) => Ok(Some("exists though it must not".to_owned())),
            _ if expected => Ok(Some("does not exist".to_owned())),
            _ => Ok(None),
        }
    }
}

fn grade(question: &Question, law: &str, article: &str) -> u32 {
    question
        .relevant
        .iter()
        .filter(|relevant| squeeze(&relevant.law) == squeeze(law) && relevant.article == article)
        .map(|relevant| relevant.grade)
        .max()
        .unwrap_or(0)
}

fn score(question: &Question, gains: &[u32]) -> (f64, f64, f64) {
    let gain = |grade: u32| f64::from(2_u32.pow(grade) - 1);
    let discount = |rank: usize| (u32::try_from(rank).map_or(f64::MAX, f64::from) + 2.0).log2();
    let dcg: f64 = gains.iter().take(10).enumerate().map(|(rank, &grade)| gain(grade) / discount(rank)).sum();
    let mut ideal: Vec<u32> = question.relevant.iter().map(|relevant| relevant.grade).collect();
    ideal.sort_unstable_by(|left, right| right.cmp(left));
    let ideal: f64 = ideal.iter().take(10).enumerate().map(|(rank, &grade)| gain(grade) / discount(rank)).sum();
    let found = gains.iter().take(10).filter(|&&grade| grade > 0).count();
    #[expect(clippy::cast_precision_loss, reason = "small counts")]
    let recall = found as f64 / question.relevant.len().max(1) as f64;
    #[expect(clippy::cast_precision_loss, reason = "small counts")]
    let mrr = gains.iter().position(|&grade| grade > 0).map_or(0.0, |rank| 1.0 / (rank as f64 + 1.0));
    (if ideal > 0.0 { dcg / ideal } else { 0.0 }, recall, mrr)
}

#[expect(clippy::cast_precision_loss, reason = "small counts")]
fn mean(scored: &[(f64, f64, f64)]) -> Score {
    let count = scored.len().max(1) as f64;
    Score {
        questions: scored.len(),
        ndcg: scored.iter().map(|score| score.0).sum::<f64>() / count,
        recall: scored.iter().map(|score| score.1).sum::<f64>() / count,
        mrr: scored.iter().map(|score| score.2).sum::<f64>() / count,
    }
}

#[expect(clippy::cast_precision_loss, reason = "small counts")]
fn auroc(answerable: &[f32], unanswerable: &[f32]) -> Option<f64> {
    if answerable.is_empty() || unanswerable.is_empty() {
        return None;
    }
    let wins: f64 = answerable
        .iter()
        .flat_map(|yes| {
            unanswerable.iter().map(move |no| {
                if yes > no {
                    1.0
                } else if yes < no {
                    0.0
                } else {
                    0.5
                }
            })
        })
        .sum();
    Some(wins / (answerable.len() * unanswerable.len()) as f64)
}

impl Scores {
    /// The figures as a Markdown table.
    pub fn table(&self) -> String {
        let mut table = String::from("| kind | questions | nDCG@10 | recall@10 | MRR |\n|---|---|---|---|---|\n");
        let mut row = |kind: &str, score: &Score| {
            table.push_str(&format!(
                "| {kind} | {} | {:.3} | {:.3} | {:.3} |\n",
                score.questions, score.ndcg, score.recall, score.mrr
            ));
        };
        if self.all.questions > 0 {
            row("all", &self.all);
        }
        for (kind, score) in &self.kinds {
            row(kind, score);
        }
        if let Some(auroc) = self.auroc {
            table.push_str(&format!("\nunanswerable AUROC {auroc:.3}\n"));
        }
        if let Some((right, all)) = self.dated {
            table.push_str(&format!("\ntexts on a given day: {right}/{all} right\n"));
        }
        table.push_str(&format!("\nsearch p50 {} µs, p99 {} µs\n", self.microseconds_p50, self.microseconds_p99));
        table
    }
}
