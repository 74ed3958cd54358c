//! Mistakes in a file, drawn at their place: file, line, column, what is wrong, what to do.

use std::ops::Range;

use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet, renderer::DecorStyle};

/// A mistake at a place of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Diagnostic {
    /// What is wrong, as one Korean sentence.
    pub message: String,
    /// The bytes it is about.
    pub span: Range<usize>,
    /// What stands beside the underline.
    pub label: String,
    pub help: Vec<String>,
    /// Another file than the workflow, with its text: a template.
    pub file: Option<(String, String)>,
}

impl Diagnostic {
    pub(crate) fn new(span: Range<usize>, message: impl Into<String>) -> Self {
        Self { message: message.into(), span, label: String::new(), help: Vec::new(), file: None }
    }

    #[must_use]
    pub(crate) fn label(mut self, label: impl Into<String>) -> Self {
        self.label = label.into();
        self
    }

    #[must_use]
    pub(crate) fn help(mut self, help: impl Into<String>) -> Self {
        self.help.push(help.into());
        self
    }

    #[must_use]
    pub(crate) fn near(self, near: Option<&str>) -> Self {
        match near {
            Some(near) => self.help(format!("비슷한 이름: `{near}`")),
            None => self,
        }
    }

    #[must_use]
    pub(crate) fn in_file(mut self, name: &str, text: &str) -> Self {
        self.file = Some((name.to_owned(), text.to_owned()));
        self
    }

    /// Draws the mistake in its file, without colour.
    pub(crate) fn draw(&self, path: &str, source: &str) -> String {
        let (path, source) = self.file.as_ref().map_or((path, source), |(name, text)| (name.as_str(), text.as_str()));
        let span = on_one_line(source, self.span.clone());
        let mut group = Level::ERROR.with_name("오류").primary_title(self.message.as_str()).element(
            Snippet::source(source)
                .path(path)
                .annotation(AnnotationKind::Primary.span(span).label(self.label.as_str())),
        );
        for help in &self.help {
            group = group.element(Level::HELP.with_name("도움말").message(help.as_str()));
        }
        let drawn = Renderer::plain().decor_style(DecorStyle::Ascii).term_width(200).render(&[group]);
        // The renderer pads empty lines; nobody needs spaces at the end of a line.
        drawn.lines().map(str::trim_end).collect::<Vec<_>>().join("\n")
    }

    /// Line and column, both from one, the column in characters.
    pub(crate) fn position(&self, source: &str) -> (usize, usize) {
        let source = self.file.as_ref().map_or(source, |(_, text)| text.as_str());
        let before = source.get(..self.span.start).unwrap_or(source);
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        (line, column)
    }
}

/// The part of the span on its first line, inside the text and on character boundaries.
fn on_one_line(source: &str, span: Range<usize>) -> Range<usize> {
    let floor = |mut at: usize| {
        at = at.min(source.len());
        while !source.is_char_boundary(at) {
            at -= 1;
        }
        at
    };
    let start = floor(span.start);
    let end = floor(span.end.max(span.start));
    let line_end = source[start..].find('\n').map_or(source.len(), |length| start + length);
    let end = end.min(line_end).max(start);
    let trimmed = source[start..end].trim_end().len();
    start..(start + trimmed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_the_place_and_the_likely_name() {
        let source = "steps:\n  - id: a\n    when: steps.brreaches.out\n";
        let at = source.find("brreaches").unwrap();
        let drawn = Diagnostic::new(at..at + 9, "`brreaches` 단계를 찾을 수 없습니다")
            .label("이런 이름의 단계가 없습니다")
            .near(Some("breaches"))
            .draw("흐름.yaml", source);
        insta::assert_snapshot!(drawn);
    }

    #[test]
    fn a_span_over_lines_or_past_the_end_is_cut() {
        assert_eq!(on_one_line("ab\ncd", 1..5), 1..2);
        assert_eq!(on_one_line("가나", 1..9), 0..6);
        assert_eq!(on_one_line("", 4..9), 0..0);
    }
}
