//! Answers `get_article`, `get_outline` and `list_regulations`: reading what is there.

use haechi_contract::regulations::{
    ArticleReference, ArticleText, GetArticle, GetOutline, ListRegulations, Neighbour, Outline, OutlineEntry,
    Paragraph, RegulationList, RegulationSummary, Status,
};
use haechi_contract::{Code, Problem};
use haechi_korean::citation::{Place, Target};

use crate::catalog::Regulation;
use crate::domain::Regulations;
use crate::error::Error;
use crate::index::{Library, Section, Stored};
use crate::names::squeeze;
use crate::references;
use crate::resolve::{AsOf, Known, day_text, open_end};
use crate::search::{citation, status};
use crate::settings::{CONTEXT_MAX, OUTLINE_ENTRIES_MAX, REGULATIONS_PAGE};
use crate::structure::{self, paragraphs};

const REFERENCES_MAX: usize = 50;

impl Regulations {
    pub fn get_article(&self, input: &GetArticle) -> Result<ArticleText, Error> {
        let library = self.library()?;
        let as_of = AsOf::read(input.as_of.as_deref(), self.today())?;
        let (regulation, target) = match (&input.citation, &input.uri) {
            (Some(written), None) => library.cited(written, as_of)?,
            (None, Some(uri)) => match library.by_uri(uri)? {
                (regulation, Some(target)) => (regulation, target),
                (regulation, None) => (regulation, Target::Place(Place::article(structure::WHOLE))),
            },
            _ => {
                return Err(Error::invalid(
                    "citation과 uri 가운데 하나만 적어야 합니다",
                    "`citation`에 `은행법 제35조`처럼 적거나 `uri`에 검색 결과의 주소를 적으십시오",
                ));
            }
        };
        library.article_text(regulation, target, as_of, input.context.unwrap_or(0).min(CONTEXT_MAX))
    }

    pub fn get_outline(&self, input: &GetOutline) -> Result<Outline, Error> {
        let library = self.library()?;
        let as_of = AsOf::read(input.as_of.as_deref(), self.today())?;
        let regulation = library.regulation(&input.regulation, as_of.day)?;
        let all = library.all(&regulation.id, as_of)?;
        if all.is_empty() {
            return Err(unknown_on(regulation, as_of));
        }
        let mut entries = Vec::new();
        let mut open: Vec<String> = Vec::new();
        for stored in &all {
            push_entries(&mut entries, &mut open, stored);
        }
        let truncated = OUTLINE_ENTRIES_MAX < entries.len();
        entries.truncate(OUTLINE_ENTRIES_MAX);
        let effective_from = day_text(regulation.effective_on(as_of.day));
        Ok(Outline {
            id: regulation.id.clone(),
            regulation: regulation.title.clone(),
            citation: format!("{} ({effective_from} 시행)", regulation.title),
            effective_from,
            entries,
            truncated,
            uri: regulation.uri(),
        })
    }

    pub fn list(&self, input: &ListRegulations) -> Result<RegulationList, Error> {
        let library = self.library()?;
        let offset = match &input.cursor {
            None => 0,
            Some(cursor) => cursor
                .parse::<usize>()
                .map_err(|_| Error::invalid("cursor가 올바르지 않습니다", "앞 결과의 next_cursor를 그대로 쓰십시오"))?,
        };
        let wanted = input.query.as_deref().map(squeeze).unwrap_or_default().to_lowercase();
        let named = input.query.as_deref().and_then(|query| library.names.exact(query));
        let today = self.today().number();
        let matching: Vec<&Regulation> = library
            .catalog
            .regulations
            .iter()
            .enumerate()
            .filter(|(at, regulation)| {
                wanted.is_empty()
                    || squeeze(&regulation.title).to_lowercase().contains(&wanted)
                    || regulation.short_names.iter().any(|short| squeeze(short).to_lowercase().contains(&wanted))
                    || named.as_ref().is_some_and(|name| name.regulations.contains(at))
            })
            .map(|(_, regulation)| regulation)
            .filter(|regulation| match input.kind.as_deref().map(str::trim) {
                None | Some("") => true,
                Some("법령") => !regulation.internal,
                Some("내규") => regulation.internal,
                Some(kind) => regulation.kind == kind,
            })
            .collect();
        let total = matching.len();
        let regulations: Vec<RegulationSummary> = matching
            .into_iter()
            .skip(offset)
            .take(REGULATIONS_PAGE)
            .map(|regulation| RegulationSummary {
                id: regulation.id.clone(),
                name: regulation.title.clone(),
                short_names: library.short_names(regulation),
                kind: regulation.kind.clone(),
                versions: u32::try_from(regulation.versions.len()).unwrap_or(u32::MAX),
                effective_from: day_text(regulation.effective_on(today)),
                articles: regulation.articles,
                uri: regulation.uri(),
            })
            .collect();
        let next = offset + regulations.len();
        Ok(RegulationList {
            next_cursor: (next < total && !regulations.is_empty()).then(|| next.to_string()),
            total: u64::try_from(total).unwrap_or(u64::MAX),
            regulations,
        })
    }
}

fn push_entries(entries: &mut Vec<OutlineEntry>, open: &mut Vec<String>, stored: &Stored) {
    let meta = &stored.meta;
    let shared = open.iter().zip(&meta.headings).take_while(|(left, right)| left == right).count();
    for (depth, heading) in meta.headings.iter().enumerate().skip(shared) {
        let (label, title) = heading.split_once(' ').unwrap_or((heading, ""));
        entries.push(OutlineEntry {
            depth: u32::try_from(depth).unwrap_or(0),
            label: label.to_owned(),
            title: title.to_owned(),
            uri: None,
        });
    }
    open.clone_from(&meta.headings);
    let title = if meta.deleted { "삭제".to_owned() } else { meta.title.clone() };
    entries.push(OutlineEntry {
        depth: u32::try_from(meta.headings.len()).unwrap_or(0),
        label: meta.label.clone(),
        title,
        uri: Some(meta.uri()),
    });
}

fn unknown_on(regulation: &Regulation, as_of: AsOf) -> Error {
    Error::Request(
        Problem::new(
            Code::NotFound,
            format!("{}에 시행되던 {}은(는) 이 색인에 없습니다", day_text(as_of.day), regulation.title),
        )
        .with_hint(format!(
            "색인에는 {} 시행본부터 있습니다. 그 뒤의 날짜로 다시 찾으십시오",
            day_text(regulation.first)
        )),
    )
}

impl Library {
    pub fn article_text(
        &self,
        regulation: &Regulation,
        target: Target,
        as_of: AsOf,
        context: u32,
    ) -> Result<ArticleText, Error> {
        let mut notes = Vec::new();
        let label = match target {
            Target::Place(Place { article: Some(article), .. }) => structure::label(article),
            other => other.to_string(),
        };
        let known = match target {
            Target::Place(Place { article: Some(article), .. }) => self.article(&regulation.id, article, as_of)?,
            Target::Place(_) => Known::Missing,
            Target::Annex(_) | Target::Form(_) => self.annex(regulation, &label, as_of)?,
            Target::Addendum(_) => return self.addendum_text(regulation, target, as_of),
        };
        let name = &regulation.title;
        let day = day_text(as_of.day);
        let not_in_force =
            |message: String, hint: String| Error::Request(Problem::new(Code::NotFound, message).with_hint(hint));
        let stored = match known {
            Known::InForce(stored) | Known::Deleted(stored) => stored,
            Known::Later { stored, .. } if !as_of.strict => {
                notes.push(format!("아직 시행 전입니다: {}부터 시행됩니다", day_text(stored.meta.from)));
                stored
            }
            Known::Later { stored, whole: true } => {
                return Err(not_in_force(
                    format!("{day}에 시행되던 {name} {label}은(는) 이 색인에 없습니다"),
                    format!("색인에는 {} 시행본부터 있습니다", day_text(stored.meta.from)),
                ));
            }
            Known::Later { stored, .. } => {
                return Err(not_in_force(
                    format!("{day}에는 {name} {label}이(가) 없습니다"),
                    format!("{label}은(는) {}부터 시행됩니다. as_of를 그날 뒤로 하십시오", day_text(stored.meta.from)),
                ));
            }
            Known::Earlier(stored) => {
                return Err(not_in_force(
                    format!("{day}에는 {name} {label}이(가) 없습니다"),
                    format!("{label}은(는) {} 전까지 있었습니다. as_of를 그 앞으로 하십시오", day_text(stored.meta.to)),
                ));
            }
            Known::Missing => return Err(self.missing(regulation, &label, as_of)?),
        };
        if stored.meta.deleted {
            notes.push("삭제된 조문입니다".to_owned());
        }
        let meta = &stored.meta;
        let paragraphs: Vec<Paragraph> =
            paragraphs(&stored.text).into_iter().map(|(number, text)| Paragraph { number, text }).collect();
        let wanted = match target {
            Target::Place(place) => place.paragraph,
            _ => None,
        };
        if let Some(number) = wanted
            && !paragraphs.iter().any(|paragraph| paragraph.number == Some(number))
            && !(number == 1 && paragraphs.iter().all(|paragraph| paragraph.number.is_none()))
        {
            return Err(Error::Request(
                Problem::new(Code::NotFound, format!("{name} {label}에는 제{number}항이 없습니다"))
                    .with_hint(format!("{label} 전체를 읽으려면 항 없이 `{name} {label}`로 찾으십시오")),
            ));
        }
        let effective_from = day_text(meta.effective_on(as_of.day));
        let place = match target {
            Target::Place(place) if place.article != Some(structure::WHOLE) => place.to_string(),
            _ => label,
        };
        let neighbours = self.neighbours(regulation, &stored, as_of, context)?;
        Ok(ArticleText {
            citation: citation(name, &place, &effective_from),
            regulation: name.clone(),
            article: meta.label.clone(),
            title: meta.title.clone(),
            paragraphs,
            status: status(&stored, as_of),
            effective_from,
            effective_to: open_end(meta.to),
            headings: meta.headings.clone(),
            references: self.references_of(regulation, &stored, as_of)?,
            neighbours,
            notes,
            uri: meta.uri(),
            text: stored.text,
        })
    }

    /// Says what there is instead of an article that does not exist.
    fn missing(&self, regulation: &Regulation, label: &str, as_of: AsOf) -> Result<Error, Error> {
        let all = self.all(&regulation.id, as_of)?;
        let articles: Vec<&Stored> = all.iter().filter(|stored| stored.meta.section == Section::Main).collect();
        let name = &regulation.title;
        let mut problem = Problem::new(Code::NotFound, format!("{name}에는 {label}이(가) 없습니다"));
        problem.hint = match (articles.first(), articles.last()) {
            (Some(first), Some(last)) if first.meta.article() != Some(structure::WHOLE) => Some(format!(
                "{name}은(는) {}부터 {}까지 있습니다. get_outline으로 차례를 확인하십시오",
                first.meta.label, last.meta.label
            )),
            (Some(_), _) => Some(format!("{name}은(는) 조문 없이 본문만 있습니다. `{name}`으로 읽으십시오")),
            _ => Some(format!("색인에는 {} 시행본부터 있습니다", day_text(regulation.first))),
        };
        Ok(Error::Request(problem))
    }

    fn addendum_text(&self, regulation: &Regulation, target: Target, as_of: AsOf) -> Result<ArticleText, Error> {
        let mut addenda: Vec<Stored> = self
            .all(&regulation.id, as_of)?
            .into_iter()
            .filter(|stored| stored.meta.section == Section::Addendum)
            .collect();
        addenda.sort_by_key(|stored| stored.meta.from);
        let newest =
            addenda.pop().ok_or_else(|| Error::not_found(format!("{}에는 부칙이 없습니다", regulation.title)))?;
        let effective_from = day_text(newest.meta.from);
        let mut notes = vec![format!("가장 최근의 부칙입니다: {}", newest.meta.label)];
        if !addenda.is_empty() {
            notes.push(format!(
                "앞선 부칙이 {}개 더 있습니다. search_regulations에 include_addenda를 쓰십시오",
                addenda.len()
            ));
        }
        Ok(ArticleText {
            citation: citation(&regulation.title, &target.to_string(), &effective_from),
            regulation: regulation.title.clone(),
            article: newest.meta.label.clone(),
            title: String::new(),
            paragraphs: vec![Paragraph { number: None, text: newest.text.clone() }],
            status: Status::InForce,
            effective_from,
            effective_to: None,
            headings: Vec::new(),
            references: Vec::new(),
            neighbours: Vec::new(),
            notes,
            uri: newest.meta.uri(),
            text: newest.text,
        })
    }

    fn neighbours(
        &self,
        regulation: &Regulation,
        stored: &Stored,
        as_of: AsOf,
        context: u32,
    ) -> Result<Vec<Neighbour>, Error> {
        if context == 0 || stored.meta.section != Section::Main {
            return Ok(Vec::new());
        }
        let context = usize::try_from(context).unwrap_or(0);
        let articles: Vec<Stored> =
            self.all(&regulation.id, as_of)?.into_iter().filter(|other| other.meta.section == Section::Main).collect();
        let Some(here) = articles.iter().position(|other| other.meta.order == stored.meta.order) else {
            return Ok(Vec::new());
        };
        Ok(articles
            .into_iter()
            .enumerate()
            .filter(|(at, _)| *at != here && at.abs_diff(here) <= context)
            .map(|(_, other)| Neighbour {
                citation: citation(&regulation.title, &other.meta.label, &day_text(other.meta.effective_on(as_of.day))),
                uri: other.meta.uri(),
                text: other.text,
            })
            .collect())
    }

    fn references_of(
        &self,
        regulation: &Regulation,
        stored: &Stored,
        as_of: AsOf,
    ) -> Result<Vec<ArticleReference>, Error> {
        let here = stored.meta.article();
        let mut found: Vec<ArticleReference> = Vec::new();
        for reference in references::outgoing(&stored.text, &regulation.title, here, &self.names) {
            let Target::Place(Place { article: Some(article), .. }) = reference.target else { continue };
            if reference.own && Some(article) == here {
                continue;
            }
            let to = format!("{} {}", reference.title, reference.target);
            if found.iter().any(|other| other.to == to) {
                continue;
            }
            let owner = if reference.own {
                Some(regulation)
            } else {
                self.names.exact(&reference.title).and_then(|name| self.choose(&name, as_of.day))
            };
            let resolved = match owner {
                Some(owner) => !matches!(self.article(&owner.id, article, as_of)?, Known::Missing),
                None => false,
            };
            let text = stored.text.get(reference.written_from..reference.end).unwrap_or_default().to_owned();
            found.push(ArticleReference { text, to, resolved });
            if REFERENCES_MAX <= found.len() {
                break;
            }
        }
        Ok(found)
    }

    /// The names that a regulation goes by besides its title.
    pub fn short_names(&self, regulation: &Regulation) -> Vec<String> {
        let shipped = crate::names::read_list(crate::names::SHIPPED);
        let title = squeeze(&regulation.title);
        let mut names = regulation.short_names.clone();
        names.extend(
            shipped
                .into_iter()
                .filter(|(short, of)| squeeze(of) == title && squeeze(short) != title)
                .map(|(short, _)| short),
        );
        names.dedup();
        names
    }
}
