//! A draft as one HTML page: no script, no outside resource, light, dark and print.

use std::collections::HashMap;
use std::fmt::Write;

use pulldown_cmark::{CowStr, Event, HeadingLevel, Options, Parser, Tag, TagEnd};

use super::markup::{Mark, Piece, html, pieces};
use super::sources::{Entry, Numbered, short, written_time};
use super::{Block, CallRecord, Draft, Known, Provenance};

const STYLE: &str = include_str!("page.css");

/// Sources of a step that are listed one by one; the rest is counted.
const STEP_SOURCES_SHOWN: usize = 30;

/// Writes the whole page.
pub(crate) fn write(draft: &Draft, known: &Known, provenance: &Provenance) -> String {
    let numbered = Numbered::new(draft, known);
    let mut writer = Writer {
        draft,
        numbered: &numbered,
        uses: HashMap::new(),
        sections: Vec::new(),
        title: None,
        placed: false,
        links: Vec::new(),
    };
    let body = writer.body();
    let Writer { sections, title, placed, .. } = writer;
    let title = title.unwrap_or_else(|| provenance.title.clone());
    let mut out = String::with_capacity(body.len() + 32 * 1024);
    let _ = write!(
        out,
        "<!doctype html>\n<html lang=\"ko\">\n<head>\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<meta name=\"color-scheme\" content=\"light dark\">\n<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n<title>{}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n<a class=\"skip\" href=\"#content\">본문으로 건너뛰기</a>\n",
        html(&title)
    );
    let owner = provenance.owner.as_deref().unwrap_or(&provenance.title);
    let _ = write!(
        out,
        "<header class=\"masthead\"><span>{}</span><time datetime=\"{}\">{} 작성</time></header>\n<main id=\"content\">\n",
        html(owner),
        html(&provenance.started_at),
        html(&crate::language::written_date(&provenance.started_at).unwrap_or_default())
    );
    let listed = placed || numbered.entries.is_empty();
    let (head, rest) = body.split_once(CONTENTS).unwrap_or(("", &body));
    out.push_str(head);
    out.push_str(&notices(provenance));
    out.push_str(&contents(&sections, !listed));
    out.push_str(rest);
    if !listed {
        out.push_str(&sources(&numbered));
    }
    out.push_str(&appendix(provenance));
    out.push_str("</main>\n</body>\n</html>\n");
    out
}

/// Where the notices and the contents go: behind the first heading. Data cannot hold a comment.
const CONTENTS: &str = "<!--contents-->";

struct Writer<'draft> {
    draft: &'draft Draft,
    numbered: &'draft Numbered<'draft>,
    /// How often each source was linked so far, for the anchors that lead back.
    uses: HashMap<usize, usize>,
    sections: Vec<(String, String)>,
    title: Option<String>,
    placed: bool,
    /// Whether each open link was left out.
    links: Vec<bool>,
}

impl Writer<'_> {
    fn body(&mut self) -> String {
        let options = Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH;
        let events: Vec<Event<'_>> = merged(Parser::new_ext(&self.draft.text, options));
        let mut out: Vec<Event<'_>> = Vec::with_capacity(events.len());
        let mut cells = TableCells::default();
        let mut position = 0;
        let mut headings = 0;
        while position < events.len() {
            match &events[position] {
                Event::Start(Tag::Paragraph) => {
                    let end = events[position..]
                        .iter()
                        .position(|event| matches!(event, Event::End(TagEnd::Paragraph)))
                        .map_or(events.len() - 1, |length| position + length);
                    self.paragraph(&events[position + 1..end], &mut out);
                    position = end + 1;
                    continue;
                }
                Event::Start(Tag::Heading { level, .. }) => {
                    let level = *level;
                    let end = events[position..]
                        .iter()
                        .position(|event| matches!(event, Event::End(TagEnd::Heading(_))))
                        .map_or(events.len() - 1, |length| position + length);
                    let inside = &events[position + 1..end];
                    let text: String = inside
                        .iter()
                        .filter_map(|event| match event {
                            Event::Text(text) | Event::Code(text) => Some(plain(text)),
                            _ => None,
                        })
                        .collect();
                    headings += 1;
                    let identifier = format!("section-{headings}");
                    if level == HeadingLevel::H1 && self.title.is_none() {
                        self.title = Some(text.clone());
                    }
                    if level == HeadingLevel::H2 {
                        self.sections.push((identifier.clone(), text));
                    }
                    out.push(raw(format!("<{level} id=\"{identifier}\">")));
                    self.inline(inside, &mut out);
                    out.push(raw(format!("</{level}>\n")));
                    if level == HeadingLevel::H1 && headings == 1 {
                        out.push(raw(CONTENTS.to_owned()));
                    }
                    position = end + 1;
                    continue;
                }
                event => {
                    if !cells.event(event, &mut out) {
                        self.inline(std::slice::from_ref(event), &mut out);
                    }
                }
            }
            position += 1;
        }
        let mut text = String::new();
        pulldown_cmark::html::push_html(&mut text, out.into_iter());
        text
    }

    /// A paragraph, or the tables and charts that stand in it.
    fn paragraph<'events>(&mut self, inside: &[Event<'events>], out: &mut Vec<Event<'events>>) {
        let mut open = false;
        let mut waiting: Vec<Event<'events>> = Vec::new();
        let mut flush = |waiting: &mut Vec<Event<'events>>, out: &mut Vec<Event<'events>>| {
            let blank = waiting.iter().all(|event| match event {
                Event::Text(text) => text.trim().is_empty(),
                Event::SoftBreak | Event::HardBreak => true,
                _ => false,
            });
            if !blank {
                out.push(raw("<p>".to_owned()));
                out.append(waiting);
                out.push(raw("</p>\n".to_owned()));
            }
            waiting.clear();
            open = false;
        };
        for event in inside {
            let Event::Text(text) = event else {
                self.inline(std::slice::from_ref(event), &mut waiting);
                continue;
            };
            for piece in pieces(text) {
                match piece {
                    Piece::Mark(Mark::Block(number)) => {
                        flush(&mut waiting, out);
                        let block = self.block(number);
                        out.push(raw(block));
                    }
                    Piece::Mark(Mark::Sources) => {
                        flush(&mut waiting, out);
                        self.placed = true;
                        out.push(raw(sources(self.numbered)));
                    }
                    Piece::Mark(Mark::Cite(cite)) => waiting.push(raw(self.link(cite))),
                    Piece::Text(text) => waiting.push(Event::Text(CowStr::from(text.to_owned()))),
                }
            }
        }
        flush(&mut waiting, out);
    }

    fn inline<'events>(&mut self, events: &[Event<'events>], out: &mut Vec<Event<'events>>) {
        for event in events {
            match event {
                Event::Text(text) => {
                    for piece in pieces(text) {
                        match piece {
                            Piece::Mark(Mark::Cite(cite)) => out.push(raw(self.link(cite))),
                            Piece::Mark(Mark::Block(number)) => {
                                let block = self.block(number);
                                out.push(raw(block));
                            }
                            Piece::Mark(Mark::Sources) => {
                                self.placed = true;
                                out.push(raw(sources(self.numbered)));
                            }
                            Piece::Text(text) => out.push(Event::Text(CowStr::from(text.to_owned()))),
                        }
                    }
                }
                // HTML written in a template is shown as text: markup comes from our filters alone.
                Event::Html(text) | Event::InlineHtml(text) => out.push(Event::Text(CowStr::from(plain(text)))),
                Event::Code(text) => out.push(Event::Code(CowStr::from(plain(text)))),
                // Links lead to other places of the page or to the web, never to a script.
                Event::Start(Tag::Link { dest_url, .. }) => {
                    let left_out = !harmless(dest_url);
                    self.links.push(left_out);
                    out.push(if left_out { raw("<span>".to_owned()) } else { event.clone() });
                }
                Event::End(TagEnd::Link) => {
                    let left_out = self.links.pop().unwrap_or(false);
                    out.push(if left_out { raw("</span>".to_owned()) } else { event.clone() });
                }
                Event::Start(Tag::Image { .. }) => out.push(raw("<span>".to_owned())),
                Event::End(TagEnd::Image) => out.push(raw("</span>".to_owned())),
                other => out.push(other.clone()),
            }
        }
    }

    fn block(&mut self, number: usize) -> String {
        let block = self.draft.blocks.get(number);
        // The link counts its use, so it is made once here and given to the block as it is.
        let cite = match block {
            Some(Block::Table(table)) => table.cite,
            Some(Block::Chart(chart)) => chart.cite,
            None => None,
        };
        let link = match cite {
            Some(Mark::Cite(cite)) => self.link(cite),
            _ => String::new(),
        };
        match block {
            Some(Block::Table(table)) => table.html(|_| link.clone()),
            Some(Block::Chart(chart)) => chart.html(number + 1, |_| link.clone()),
            None => String::new(),
        }
    }

    fn link(&mut self, cite: usize) -> String {
        let Some(number) = self.numbered.number(cite) else { return String::new() };
        let uses = self.uses.entry(number).or_insert(0);
        *uses += 1;
        format!(
            "&#8288;<sup class=\"cite\"><a id=\"cite-{number}-{uses}\" href=\"#source-{number}\" aria-label=\"출처 {number}\">[{number}]</a></sup>"
        )
    }
}

fn harmless(url: &str) -> bool {
    url.starts_with('#') || url.starts_with("https://") || url.starts_with("http://") || url.starts_with("mailto:")
}

fn raw(text: String) -> Event<'static> {
    Event::InlineHtml(CowStr::from(text))
}

fn plain(text: &str) -> String {
    pieces(text)
        .into_iter()
        .filter_map(|piece| match piece {
            Piece::Text(text) => Some(text),
            Piece::Mark(_) => None,
        })
        .collect()
}

/// Joins neighbouring text, so that no mark is split between events.
fn merged<'text>(parser: Parser<'text>) -> Vec<Event<'text>> {
    pulldown_cmark::TextMergeStream::new(parser).collect()
}

/// Tables written in Markdown get the same markup as those of the `table` filter.
#[derive(Default)]
struct TableCells {
    alignments: Vec<pulldown_cmark::Alignment>,
    column: usize,
    head: bool,
}

impl TableCells {
    fn event(&mut self, event: &Event<'_>, out: &mut Vec<Event<'_>>) -> bool {
        let text = match event {
            Event::Start(Tag::Table(alignments)) => {
                self.alignments.clone_from(alignments);
                "<div class=\"scroll\" tabindex=\"0\" role=\"group\" aria-label=\"표\">\n<table>\n".to_owned()
            }
            Event::End(TagEnd::Table) => "</tbody>\n</table>\n</div>\n".to_owned(),
            Event::Start(Tag::TableHead) => {
                self.head = true;
                self.column = 0;
                "<thead><tr>".to_owned()
            }
            Event::End(TagEnd::TableHead) => {
                self.head = false;
                "</tr></thead>\n<tbody>\n".to_owned()
            }
            Event::Start(Tag::TableRow) => {
                self.column = 0;
                "<tr>".to_owned()
            }
            Event::End(TagEnd::TableRow) => "</tr>\n".to_owned(),
            Event::Start(Tag::TableCell) => {
                let right = matches!(self.alignments.get(self.column), Some(pulldown_cmark::Alignment::Right));
                let class = if right { " class=\"number\"" } else { "" };
                match (self.head, self.column) {
                    (true, _) => format!("<th scope=\"col\"{class}>"),
                    (false, 0) => format!("<th scope=\"row\"{class}>"),
                    (false, _) => format!("<td{class}>"),
                }
            }
            Event::End(TagEnd::TableCell) => {
                let close = if self.head || self.column == 0 { "</th>" } else { "</td>" };
                self.column += 1;
                close.to_owned()
            }
            _ => return false,
        };
        out.push(raw(text));
        true
    }
}

fn notices(provenance: &Provenance) -> String {
    if provenance.notices.is_empty() {
        return String::new();
    }
    let items: String = provenance.notices.iter().map(|notice| format!("<li>{}</li>", html(notice))).collect();
    format!("<aside class=\"notice\" aria-label=\"주의\"><strong>살펴볼 점</strong><ul>{items}</ul></aside>\n")
}

fn contents(sections: &[(String, String)], listed: bool) -> String {
    if sections.len() < 3 {
        return String::new();
    }
    let mut out = String::from("<nav class=\"contents\" aria-label=\"차례\"><ol>");
    for (identifier, title) in sections {
        let _ = write!(out, "<li><a href=\"#{identifier}\">{}</a></li>", html(title));
    }
    if listed {
        out.push_str("<li><a href=\"#sources\">출처</a></li>");
    }
    out.push_str("</ol></nav>\n");
    out
}

fn sources(numbered: &Numbered<'_>) -> String {
    if numbered.entries.is_empty() {
        return String::new();
    }
    let mut out = String::from("<section id=\"sources\" class=\"appendix\">\n<h2>출처</h2>\n<ol class=\"sources\">\n");
    for entry in &numbered.entries {
        out.push_str(&source(entry));
    }
    out.push_str("</ol>\n</section>\n");
    out
}

fn source(entry: &Entry<'_>) -> String {
    let number = entry.number;
    let mut out = format!("<li id=\"source-{number}\"><p class=\"label\">{}", html(&entry.label()));
    let backs: Vec<String> = (1..=entry.uses)
        .map(|place| {
            format!(
                "<a href=\"#cite-{number}-{place}\" aria-label=\"본문 {place}번째 자리로\">↑{}</a>",
                if entry.uses == 1 { String::new() } else { place.to_string() }
            )
        })
        .collect();
    let _ = writeln!(out, " <span class=\"back\">{}</span></p>", backs.join(" "));
    if let Some(source) = entry.source {
        if let Some(excerpt) = &source.excerpt {
            let _ = writeln!(out, "<details><summary>원문 보기</summary><pre>{}</pre></details>", html(excerpt));
        }
        let _ = writeln!(out, "<p class=\"address\"><code>{}</code></p>", html(&source.uri));
    } else {
        let all: Vec<_> = entry.calls.iter().flat_map(|call| &call.sources).collect();
        if !all.is_empty() {
            let _ = write!(out, "<details><summary>출처 {}건 보기</summary><ul>", all.len());
            for source in all.iter().take(STEP_SOURCES_SHOWN) {
                let _ = write!(out, "<li>{} <code>{}</code></li>", html(&source.citation), html(&source.uri));
            }
            if STEP_SOURCES_SHOWN < all.len() {
                let _ = write!(out, "<li>이 밖에 {}건</li>", all.len() - STEP_SOURCES_SHOWN);
            }
            out.push_str("</ul></details>\n");
        }
    }
    match entry.calls {
        [call] => out.push_str(&call_line(call, entry.step)),
        calls => {
            let _ = write!(out, "<details><summary>호출 {}건 보기</summary>", calls.len());
            for call in calls.iter().take(STEP_SOURCES_SHOWN) {
                out.push_str(&call_line(call, entry.step));
            }
            out.push_str("</details>\n");
        }
    }
    out.push_str("</li>\n");
    out
}

fn call_line(call: &CallRecord, step: &str) -> String {
    format!(
        "<p class=\"call\"><span>단계 <code>{}</code></span> <span><code>{}.{}</code></span> <span>{}</span> <span>결과 <code title=\"sha256:{}\">{}</code></span><br><code class=\"arguments\">{}</code></p>\n",
        html(step),
        html(&call.server),
        html(&call.tool),
        html(&written_time(&call.at)),
        html(&call.result_sha256),
        html(short(&call.result_sha256)),
        html(&call.arguments.to_string())
    )
}

fn appendix(provenance: &Provenance) -> String {
    let mut out = String::from("<section id=\"provenance\" class=\"appendix\">\n<h2>작성 경위</h2>\n<dl>\n");
    let mut item = |term: &str, value: String| {
        let _ = writeln!(out, "<div><dt>{term}</dt><dd>{value}</dd></div>");
    };
    item("실행", format!("<code>{}</code>", html(&provenance.run)));
    item("시각", html(&written_time(&provenance.started_at)));
    item(
        "업무 흐름",
        format!(
            "{} <code title=\"sha256:{}\">{}</code>",
            html(&provenance.workflow),
            html(&provenance.workflow_sha256),
            html(short(&provenance.workflow_sha256))
        ),
    );
    let inputs: Vec<String> = provenance
        .inputs
        .iter()
        .map(|(name, value)| format!("<code>{}</code> {}", html(name), html(&crate::workflow::inputs::plain(value))))
        .collect();
    if !inputs.is_empty() {
        item("입력", inputs.join("<br>"));
    }
    let servers: Vec<String> = provenance
        .servers
        .iter()
        .map(|server| {
            let version = format!("{} {}", server.program, server.version);
            format!("{} <span class=\"muted\">MCP {}</span>", html(version.trim()), html(&server.protocol))
        })
        .collect();
    if !servers.is_empty() {
        item("서버", servers.join("<br>"));
    }
    item("도구 호출", format!("{}회", provenance.calls));
    if !provenance.models.is_empty() {
        let parts: Vec<String> = provenance.models.iter().map(|part| html(part)).collect();
        item("모델이 쓴 글", parts.join("<br>"));
    }
    out.push_str("</dl>\n<p class=\"note\">이 문서의 수치와 인용은 위 실행의 기록에서 왔으며, 본문의 번호를 누르면 출처로 갑니다.</p>\n</section>\n");
    out
}
