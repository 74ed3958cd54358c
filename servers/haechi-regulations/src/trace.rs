//! Answers `trace_references`: what an article points at, what points at it, and what was made
//! under it, through statutes and internal rules alike.

use std::collections::HashSet;

use haechi_contract::regulations::{EdgeKind, ReferenceEdge, ReferenceTrace, TraceReferences};
use haechi_korean::citation::{Article, Place, Target};

use crate::catalog::Regulation;
use crate::domain::Regulations;
use crate::error::Error;
use crate::index::{Library, Section, Stored};
use crate::references::{self, Outgoing};
use crate::resolve::{AsOf, Known, day_text, visible};
use crate::search::citation;
use crate::settings::EDGES_MAX;

const DEPTH_MAX: u32 = 3;

impl Regulations {
    pub fn trace(&self, input: &TraceReferences) -> Result<ReferenceTrace, Error> {
        let library = self.library()?;
        let as_of = AsOf::read(input.as_of.as_deref(), self.today())?;
        let (out, into) = match input.direction.as_deref().unwrap_or("both") {
            "out" => (true, false),
            "in" => (false, true),
            "both" => (true, true),
            _ => return Err(Error::invalid("direction이 올바르지 않습니다", "out, in, both 가운데 하나를 적으십시오")),
        };
        let (regulation, target) = library.cited(&input.citation, as_of)?;
        let Target::Place(Place { article: Some(article), .. }) = target else {
            return Err(Error::invalid("조문을 적어야 합니다", "`은행법 제35조`처럼 조까지 적으십시오"));
        };
        let root = library.article_text(regulation, target, as_of, 0)?;
        let mut walk = Walk { library: &library, as_of, edges: Vec::new(), seen: HashSet::new(), truncated: false };
        let mut frontier = vec![(regulation.id.clone(), article)];
        for depth in 1..=input.depth.unwrap_or(1).clamp(1, DEPTH_MAX) {
            let mut next = Vec::new();
            for (law, article) in std::mem::take(&mut frontier) {
                if walk.seen.insert((law.clone(), article)) {
                    walk.step(&law, article, out, into, depth, &mut next)?;
                }
            }
            frontier = next;
        }
        Ok(ReferenceTrace { citation: root.citation, edges: walk.edges, truncated: walk.truncated, uri: root.uri })
    }
}

type Node = (String, Article);

struct Walk<'a> {
    library: &'a Library,
    as_of: AsOf,
    edges: Vec<ReferenceEdge>,
    seen: HashSet<Node>,
    truncated: bool,
}

impl Walk<'_> {
    fn step(
        &mut self,
        law: &str,
        article: Article,
        out: bool,
        into: bool,
        depth: u32,
        next: &mut Vec<Node>,
    ) -> Result<(), Error> {
        let library = self.library;
        let Some(regulation) = library.by_id(law) else { return Ok(()) };
        let here = format!("{} {article}", regulation.title);
        if out
            && let Known::InForce(stored) | Known::Later { stored, .. } = library.article(law, article, self.as_of)?
        {
            for reference in references::outgoing(&stored.text, &regulation.title, Some(article), &library.names) {
                self.outgoing(regulation, &stored, &reference, &here, depth, next)?;
            }
        }
        let key = references::key(&regulation.title, article);
        let mut citing = library.with_term(library.fields.cites, &key, 2_000)?;
        citing.retain(|stored| visible(stored, self.as_of) && stored.meta.section == Section::Main);
        citing.sort_by(|left, right| (&left.meta.law, left.meta.order).cmp(&(&right.meta.law, right.meta.order)));
        for stored in citing {
            let Some(other) = library.by_id(&stored.meta.law) else { continue };
            let made_under = other.id != regulation.id && other.family() == regulation.title && !other.internal;
            // What was made under an article follows from it; everything else points at it.
            if made_under && out || !made_under && into {
                self.incoming(other, &stored, regulation, article, &here, made_under, depth, next);
            }
        }
        Ok(())
    }

    fn outgoing(
        &mut self,
        regulation: &Regulation,
        stored: &Stored,
        reference: &Outgoing,
        here: &str,
        depth: u32,
        next: &mut Vec<Node>,
    ) -> Result<(), Error> {
        let Target::Place(Place { article: Some(article), .. }) = reference.target else { return Ok(()) };
        if reference.own && stored.meta.article() == Some(article) {
            return Ok(());
        }
        let library = self.library;
        let owner = if reference.own {
            Some(regulation)
        } else {
            library.names.exact(&reference.title).and_then(|name| library.choose(&name, self.as_of.day))
        };
        let found = match owner {
            Some(owner) => match library.article(&owner.id, article, self.as_of)? {
                Known::InForce(found) | Known::Later { stored: found, .. } => {
                    next.push((owner.id.clone(), article));
                    Some((owner, found))
                }
                _ => None,
            },
            None => None,
        };
        let through = reference.through.map(|place| format!("부터 {place}까지")).unwrap_or_default();
        let text = stored.text.get(reference.written_from..reference.end).unwrap_or_default();
        let (label, uri) = match &found {
            Some((owner, found)) => (self.label(owner, found), found.meta.uri()),
            None => (
                format!("{} {}", reference.title, reference.target),
                format!("regulation://{}", crate::names::squeeze(&reference.title)),
            ),
        };
        self.push(ReferenceEdge {
            from: here.to_owned(),
            to: format!("{} {}{through}", reference.title, reference.target),
            text: text.to_owned(),
            kind: EdgeKind::Reference,
            depth,
            resolved: found.is_some(),
            citation: label,
            uri,
        });
        Ok(())
    }

    #[expect(clippy::too_many_arguments, reason = "one edge has two ends, and each end is a text of a regulation")]
    fn incoming(
        &mut self,
        other: &Regulation,
        stored: &Stored,
        regulation: &Regulation,
        article: Article,
        here: &str,
        made_under: bool,
        depth: u32,
        next: &mut Vec<Node>,
    ) {
        let there = format!("{} {}", other.title, stored.meta.label);
        if stored.meta.law == regulation.id && stored.meta.article() == Some(article) {
            return;
        }
        let references = references::outgoing(&stored.text, &other.title, stored.meta.article(), &self.library.names);
        let words = references
            .iter()
            .find(|reference| {
                crate::names::squeeze(&reference.title) == crate::names::squeeze(&regulation.title)
                    && covers(reference, article)
            })
            .and_then(|reference| stored.text.get(reference.written_from..reference.end))
            .unwrap_or_default();
        let (from, to, kind) = if made_under {
            (here.to_owned(), there, EdgeKind::Delegation)
        } else {
            (there, here.to_owned(), EdgeKind::Reference)
        };
        let edge = ReferenceEdge {
            from,
            to,
            text: words.to_owned(),
            kind,
            depth,
            resolved: true,
            citation: self.label(other, stored),
            uri: stored.meta.uri(),
        };
        if let Some(article) = stored.meta.article() {
            next.push((other.id.clone(), article));
        }
        self.push(edge);
    }

    fn label(&self, regulation: &Regulation, stored: &Stored) -> String {
        citation(&regulation.title, &stored.meta.label, &day_text(stored.meta.effective_on(self.as_of.day)))
    }

    fn push(&mut self, edge: ReferenceEdge) {
        let known =
            self.edges.iter().any(|other| other.from == edge.from && other.to == edge.to && other.kind == edge.kind);
        if known {
            return;
        }
        if EDGES_MAX <= self.edges.len() {
            self.truncated = true;
            return;
        }
        self.edges.push(edge);
    }
}

fn covers(reference: &Outgoing, article: Article) -> bool {
    let Target::Place(Place { article: Some(first), .. }) = reference.target else { return false };
    match reference.through {
        Some(Place { article: Some(last), .. }) => first <= article && article <= last,
        _ => first == article,
    }
}
