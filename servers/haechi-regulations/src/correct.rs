//! Corrects slips of the finger without a dictionary: a word none of whose readings occurs is tried
//! with one letter of a syllable changed, and the change that does occur is taken.
//!
//! The index knows only pairs of syllables, so a word occurs when one text holds all of its pairs.
//! It corrects for ranking and for `혹시 …`; it never replaces what was written.

use tantivy::collector::Count;
use tantivy::query::{BooleanQuery, Occur, Query, TermQuery};
use tantivy::schema::IndexRecordOption;
use tantivy::{Searcher, Term};

use crate::error::Error;
use crate::index::Library;

/// Longer words are compounds whose parts correct themselves; shorter ones are too easily another.
const SYLLABLES: std::ops::RangeInclusive<usize> = 3..=12;
/// A reading of three syllables must occur this often to be believed.
const SHORT_TEXTS_MIN: usize = 3;
/// So many readings are counted at most; the likeliest first.
const READINGS_MAX: usize = 12;

impl Library {
    /// Words of a query that do not occur, each with the likeliest reading that does.
    pub fn corrections(&self, searcher: &Searcher, words: &str) -> Result<Vec<(String, String)>, Error> {
        let mut corrections = Vec::new();
        for word in words.split_whitespace() {
            let syllables: Vec<char> = word.chars().filter(|letter| letter.is_alphanumeric()).collect();
            let hangul = syllables.iter().all(|letter| matches!(letter, '가'..='힣'));
            if !hangul || !SYLLABLES.contains(&syllables.len()) || self.texts_with(searcher, &syllables)? > 0 {
                continue;
            }
            if let Some(corrected) = self.correct(searcher, &syllables)? {
                corrections.push((word.to_owned(), corrected));
            }
        }
        Ok(corrections)
    }

    fn correct(&self, searcher: &Searcher, syllables: &[char]) -> Result<Option<String>, Error> {
        let mut readings: Vec<(u64, Vec<char>)> = Vec::new();
        for at in 0..syllables.len() {
            let Some(&written) = syllables.get(at) else { continue };
            for other in near(written) {
                let mut reading = syllables.to_vec();
                if let Some(slot) = reading.get_mut(at) {
                    *slot = other;
                }
                // The rarer of the two pairs that the change makes.
                let mut rarest = u64::MAX;
                for pair in reading.windows(2).enumerate().filter(|(start, _)| *start == at || *start + 1 == at) {
                    let term: String = pair.1.iter().collect();
                    rarest = rarest.min(searcher.doc_freq(&Term::from_field_text(self.fields.body, &term))?);
                    if rarest == 0 {
                        break;
                    }
                }
                if rarest > 0 {
                    readings.push((rarest, reading));
                }
            }
        }
        readings.sort_by_key(|(rarest, _)| std::cmp::Reverse(*rarest));
        let needed = if syllables.len() <= 3 { SHORT_TEXTS_MIN } else { 1 };
        let mut best: Option<(usize, String)> = None;
        for (_, reading) in readings.into_iter().take(READINGS_MAX) {
            let texts = self.texts_with(searcher, &reading)?;
            if needed <= texts && best.as_ref().is_none_or(|(most, _)| *most < texts) {
                best = Some((texts, reading.into_iter().collect()));
            }
        }
        Ok(best.map(|(_, reading)| reading))
    }

    /// How many texts hold every pair of syllables of a word.
    fn texts_with(&self, searcher: &Searcher, syllables: &[char]) -> Result<usize, Error> {
        let clauses: Vec<(Occur, Box<dyn Query>)> = syllables
            .windows(2)
            .map(|pair| {
                let term = Term::from_field_text(self.fields.body, &pair.iter().collect::<String>());
                let query: Box<dyn Query> = Box::new(TermQuery::new(term, IndexRecordOption::Basic));
                (Occur::Must, query)
            })
            .collect();
        Ok(searcher.search(&BooleanQuery::new(clauses), &Count)?)
    }
}

/// The syllables that differ from one in a single letter.
fn near(syllable: char) -> Vec<char> {
    let Some(index) = u32::from(syllable).checked_sub(0xAC00).filter(|index| *index < 11_172) else {
        return Vec::new();
    };
    let (first, middle, last) = (index / 588, index % 588 / 28, index % 28);
    let make = |first: u32, middle: u32, last: u32| char::from_u32(0xAC00 + first * 588 + middle * 28 + last);
    let firsts = (0..19).filter(|other| *other != first).filter_map(|other| make(other, middle, last));
    let middles = (0..21).filter(|other| *other != middle).filter_map(|other| make(first, other, last));
    let lasts = (0..28).filter(|other| *other != last).filter_map(|other| make(first, middle, other));
    firsts.chain(middles).chain(lasts).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_syllables_differ_in_one_letter() {
        let near = near('환');
        assert_eq!(near.len(), 18 + 20 + 27);
        assert!(
            near.contains(&'한')
                && near.contains(&'관')
                && near.contains(&'황')
                && !near.contains(&'환')
                && !near.contains(&'각')
        );
    }
}
