//! The list of sources of a report: each once, numbered in the order in which the text cites them.

use super::markup::{Mark, marks};
use super::{Block, CallRecord, Cited, Draft, Known};
use crate::answers::Source;

/// One numbered source.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Entry<'known> {
    pub number: usize,
    pub step: &'known str,
    pub step_title: &'known str,
    /// The source cited; `None` where the whole step is.
    pub source: Option<&'known Source>,
    /// The call it came from, or all calls of the step.
    pub calls: &'known [CallRecord],
    /// How often the text cites it.
    pub uses: usize,
}

impl Entry<'_> {
    /// What a person is told the source is.
    pub(crate) fn label(&self) -> String {
        self.source
            .map_or_else(|| format!("{} (출처 {}건)", self.step_title, self.count()), |source| source.citation.clone())
    }

    pub(crate) fn count(&self) -> usize {
        self.calls.iter().map(|call| call.sources.len()).sum()
    }
}

/// The sources of a draft.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Numbered<'known> {
    pub entries: Vec<Entry<'known>>,
    /// The number of each citation of the draft; `None` where the text does not use it.
    numbers: Vec<Option<usize>>,
}

impl<'known> Numbered<'known> {
    pub(crate) fn new(draft: &Draft, known: &'known Known) -> Self {
        let mut numbers = vec![None; draft.cited.len()];
        let mut entries: Vec<Entry<'known>> = Vec::new();
        for cite in cites(draft) {
            let Some(cited) = draft.cited.get(cite) else { continue };
            if let Some(number) = numbers[cite] {
                let entry: &mut Entry<'_> = &mut entries[number - 1];
                entry.uses += 1;
                continue;
            }
            let (Cited::Source { step, .. } | Cited::Step { step }) = cited;
            let Some((step, record)) = known.get_key_value(step) else { continue };
            let (source, calls) = match cited {
                Cited::Source { call, source, .. } => (
                    record.calls.get(*call).and_then(|call| call.sources.get(*source)),
                    record.calls.get(*call..=*call).unwrap_or_default(),
                ),
                Cited::Step { .. } => (None, record.calls.as_slice()),
            };
            let number = entries.len() + 1;
            numbers[cite] = Some(number);
            entries.push(Entry { number, step, step_title: &record.title, source, calls, uses: 1 });
        }
        Self { entries, numbers }
    }

    /// The number of a citation.
    pub(crate) fn number(&self, cite: usize) -> Option<usize> {
        self.numbers.get(cite).copied().flatten()
    }
}

/// The citations in the order of the finished page, those of tables and charts at their place.
fn cites(draft: &Draft) -> Vec<usize> {
    let mut cites = Vec::new();
    for mark in marks(&draft.text) {
        match mark {
            Mark::Cite(cite) => cites.push(cite),
            Mark::Block(block) => {
                let cite = match draft.blocks.get(block) {
                    Some(Block::Table(table)) => table.cite,
                    Some(Block::Chart(chart)) => chart.cite,
                    None => None,
                };
                if let Some(Mark::Cite(cite)) = cite {
                    cites.push(cite);
                }
            }
            Mark::Sources => {}
        }
    }
    cites
}

/// A time as people read it: the stored one without its fraction, in its own zone.
pub(crate) fn written_time(at: &str) -> String {
    let (date, time) = at.split_once('T').unwrap_or((at, ""));
    let time = time.get(..5).unwrap_or_default();
    let zone = if at.ends_with('Z') || at.ends_with("+00:00") { " UTC" } else { "" };
    if time.is_empty() { date.to_owned() } else { format!("{date} {time}{zone}") }
}

/// A hash short enough to compare by eye.
pub(crate) fn short(hash: &str) -> &str {
    hash.get(..12).unwrap_or(hash)
}
