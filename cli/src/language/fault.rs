//! What went wrong in an expression or template, in our own words.

use std::ops::Range;

use minijinja::ErrorKind;

/// An error of the expression language: a Korean message, and the bytes of the source it is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fault {
    pub message: String,
    pub hint: Option<String>,
    /// Where in the expression or template.
    pub range: Option<Range<usize>>,
    /// The template the error is in, where it is not the one that was asked for.
    pub template: Option<String>,
    pub line: Option<usize>,
}

/// The filters that an expression may use; a test holds the list against the engine.
pub(super) const FILTERS: &[&str] = &[
    "abs",
    "attr",
    "batch",
    "bool",
    "capitalize",
    "chain",
    "count",
    "d",
    "date_ko",
    "date_shift",
    "default",
    "dictsort",
    "eok",
    "exact",
    "first",
    "float",
    "format",
    "groupby",
    "indent",
    "int",
    "items",
    "join",
    "last",
    "length",
    "lines",
    "list",
    "lower",
    "map",
    "mask",
    "max",
    "min",
    "minus",
    "num",
    "percent",
    "plus",
    "pprint",
    "quarter_end",
    "quarter_shift",
    "quarter_start",
    "reject",
    "rejectattr",
    "replace",
    "reverse",
    "round",
    "select",
    "selectattr",
    "share",
    "slice",
    "sort",
    "split",
    "string",
    "sum",
    "times",
    "title",
    "tojson",
    "total",
    "trim",
    "unique",
    "upper",
    "won",
    "zip",
];
/// The filters that only templates of reports have.
pub(super) const REPORT_FILTERS: &[&str] = &["bar_chart", "cite", "line_chart", "quote", "table"];
/// The tests that an expression may use.
pub(super) const TESTS: &[&str] = &[
    "at_least",
    "at_most",
    "boolean",
    "defined",
    "divisibleby",
    "endingwith",
    "eq",
    "equals",
    "equalto",
    "even",
    "false",
    "filter",
    "float",
    "ge",
    "greaterthan",
    "gt",
    "in",
    "integer",
    "iterable",
    "le",
    "lessthan",
    "lower",
    "lt",
    "mapping",
    "ne",
    "none",
    "number",
    "odd",
    "over",
    "safe",
    "sameas",
    "sequence",
    "startingwith",
    "string",
    "test",
    "true",
    "undefined",
    "under",
    "upper",
    "escaped",
];

impl Fault {
    pub(crate) fn new(error: &minijinja::Error, source: &str) -> Self {
        // The innermost error knows the cause: an outer one only says that an include failed.
        let mut innermost = error;
        while let Some(inner) =
            std::error::Error::source(innermost).and_then(|cause| cause.downcast_ref::<minijinja::Error>())
        {
            innermost = inner;
        }
        let range = innermost.range().filter(|range| range.end <= source.len() && source.is_char_boundary(range.start));
        let part = range
            .clone()
            .and_then(|range| innermost.template_source().unwrap_or(source).get(range))
            .map(str::trim)
            .filter(|part| !part.is_empty() && part.chars().count() <= 80);
        let detail = innermost.detail().unwrap_or_default();
        let (message, hint) = describe(innermost.kind(), detail, part);
        Self {
            message,
            hint,
            range,
            template: innermost.name().filter(|name| !name.starts_with('<')).map(ToOwned::to_owned),
            line: innermost.line(),
        }
    }

    /// An expression that gave nothing.
    pub(crate) fn missing(source: &str) -> Self {
        let (message, hint) = describe(ErrorKind::UndefinedError, "", Some(source));
        Self { message, hint, range: None, template: None, line: None }
    }

    pub(crate) fn plain(message: impl Into<String>) -> Self {
        Self { message: message.into(), hint: None, range: None, template: None, line: None }
    }
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Fault {}

fn describe(kind: ErrorKind, detail: &str, part: Option<&str>) -> (String, Option<String>) {
    let shown = part.map(|part| format!(" `{part}`")).unwrap_or_default();
    match kind {
        ErrorKind::UndefinedError => (
            format!("없는 값을 썼습니다:{shown}"),
            Some(
                "이름과 열 이름을 살피십시오. 없을 수도 있는 값이면 `| default('')` 또는 `is defined`로 다룹니다"
                    .into(),
            ),
        ),
        ErrorKind::SyntaxError => (format!("식의 문법이 틀렸습니다: {detail}"), None),
        ErrorKind::UnknownFilter => {
            let name = detail.split_whitespace().nth(1).unwrap_or_default();
            unknown("필터", name.trim_matches(['"', '\'', '`']), FILTERS.iter().chain(REPORT_FILTERS))
        }
        ErrorKind::UnknownTest => {
            let name = detail.split_whitespace().nth(1).unwrap_or_default();
            unknown("검사", name.trim_matches(['"', '\'', '`']), TESTS.iter())
        }
        ErrorKind::UnknownFunction => (format!("없는 함수입니다:{shown}"), None),
        ErrorKind::UnknownMethod => (format!("없는 메서드입니다:{shown}"), None),
        ErrorKind::TemplateNotFound => {
            (format!("틀을 찾을 수 없습니다:{shown}"), Some("업무 흐름 파일이 있는 폴더를 기준으로 적습니다".into()))
        }
        ErrorKind::OutOfFuel => (
            "식이나 틀이 너무 오래 돕니다".into(),
            Some("되풀이하는 목록을 줄이거나 도구에서 먼저 걸러 내십시오".into()),
        ),
        ErrorKind::MissingArgument => (format!("필터에 빠진 값이 있습니다:{shown} {detail}"), None),
        ErrorKind::TooManyArguments => (format!("필터가 모르는 값이 있습니다:{shown} {detail}"), None),
        _ if detail.is_empty() => (format!("식을 계산하지 못했습니다:{shown}"), None),
        // Details of our own filters are Korean sentences; the engine's name types and never values.
        _ => (format!("{detail}{}", part.map(|part| format!(" (`{part}`)")).unwrap_or_default()), None),
    }
}

/// What was written, and the nearest known name.
fn unknown<'name>(kind: &str, name: &str, known: impl Iterator<Item = &'name &'name str>) -> (String, Option<String>) {
    let near = crate::nearest::nearest(name, known.copied()).map(|near| format!("비슷한 이름: `{near}`"));
    (format!("`{name}`이라는 {kind}가 없습니다"), near)
}

/// Filters and tests that do not exist: the engine would notice only when it comes to them.
pub(super) fn unknown_names(source: &str, whole: bool, report: bool) -> Vec<Fault> {
    let mut faults = Vec::new();
    let mut judge = |name: &str, start: usize, test: bool| {
        let known: &[&str] = if test { TESTS } else { FILTERS };
        if known.contains(&name) || (report && !test && REPORT_FILTERS.contains(&name)) {
            return;
        }
        let range = Some(start..start + name.len());
        let (message, hint) = if test {
            unknown("검사", name, TESTS.iter())
        } else if REPORT_FILTERS.contains(&name) {
            (format!("`{name}` 필터는 `render`의 틀에서만 쓸 수 있습니다"), None)
        } else {
            let known: &[&[&str]] = if report { &[FILTERS, REPORT_FILTERS] } else { &[FILTERS] };
            unknown("필터", name, known.iter().flat_map(|names| names.iter()))
        };
        faults.push(Fault { message, hint, range, template: None, line: None });
    };
    for (start, code) in codes(source, whole) {
        for (at, name, test) in uses(code) {
            judge(name, start + at, test);
        }
    }
    faults
}

/// The parts of a template that are code, with their place; a whole expression is one.
fn codes(source: &str, whole: bool) -> Vec<(usize, &str)> {
    if whole {
        return vec![(0, source)];
    }
    let mut parts = Vec::new();
    let mut at = 0;
    while let Some(found) = source[at..].find('{') {
        let open = at + found;
        let close = match source[open..].get(..2) {
            Some("{{") => "}}",
            Some("{%") => "%}",
            Some("{#") => "#}",
            _ => {
                at = open + 1;
                continue;
            }
        };
        let length = source[open + 2..].find(close).unwrap_or(source.len() - open - 2);
        if close != "#}" {
            parts.push((open + 2, &source[open + 2..open + 2 + length]));
        }
        at = open + 2 + length;
    }
    parts
}

/// Names after `|` and `is`, outside quotes: place, name and whether it is a test.
fn uses(code: &str) -> Vec<(usize, &str, bool)> {
    let mut found = Vec::new();
    let mut quote = None;
    let mut previous = ' ';
    let word = |letter: char| letter.is_alphanumeric() || letter == '_';
    for (at, letter) in code.char_indices() {
        match quote {
            Some(open) if letter == open && previous != '\\' => quote = None,
            Some(_) => {}
            None if matches!(letter, '"' | '\'') => quote = Some(letter),
            None => {
                let rest = &code[at..];
                let test = rest.starts_with("is ") && !word(previous) && previous != '.';
                let skipped = if letter == '|' {
                    1
                } else if test {
                    3
                } else {
                    previous = letter;
                    continue;
                };
                let mut after = &rest[skipped..];
                after = after.trim_start();
                if test && let Some(negated) = after.strip_prefix("not ") {
                    after = negated.trim_start();
                }
                let start = code.len() - after.len();
                let end = after.find(|letter: char| !word(letter)).unwrap_or(after.len());
                if 0 < end && after.starts_with(|letter: char| letter.is_alphabetic()) {
                    found.push((start, &after[..end], test));
                }
            }
        }
        previous = letter;
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_listed_name_exists_in_the_engine() {
        let environment = crate::language::environment();
        for name in FILTERS {
            let error = environment.compile_expression(&format!("[] | {name}")).unwrap().eval(()).err();
            assert_ne!(error.map(|error| error.kind()), Some(ErrorKind::UnknownFilter), "{name}");
        }
        for name in TESTS {
            let error = environment.compile_expression(&format!("1 is {name}")).unwrap().eval(()).err();
            assert_ne!(error.map(|error| error.kind()), Some(ErrorKind::UnknownTest), "{name}");
        }
    }

    #[test]
    fn unknown_filters_and_tests_are_found_where_they_stand() {
        let told = |source: &str, whole: bool| -> Vec<String> {
            unknown_names(source, whole, false)
                .into_iter()
                .map(|fault| source[fault.range.unwrap()].to_owned())
                .collect()
        };
        assert_eq!(told("a | persent | num(digits=1) is ovre(3)", true), ["persent", "ovre"]);
        assert_eq!(told("'a | b is c' | upper", true), [] as [&str; 0]);
        assert_eq!(told("| 표 | {{ x | won }} {# | no #} {% if x is not defind %}", false), ["defind"]);
        assert_eq!(told("this is text | more, {{ a|table }}", false), ["table"]);
    }
}
