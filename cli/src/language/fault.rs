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

/// Names of filters, tests and functions that people may have meant.
const FILTERS: &[&str] = &[
    "num",
    "won",
    "eok",
    "percent",
    "total",
    "exact",
    "plus",
    "minus",
    "times",
    "share",
    "quarter_start",
    "quarter_end",
    "quarter_shift",
    "date_shift",
    "date_ko",
    "mask",
    "cite",
    "quote",
    "table",
    "bar_chart",
    "line_chart",
    "length",
    "first",
    "last",
    "list",
    "sort",
    "reverse",
    "map",
    "select",
    "reject",
    "selectattr",
    "rejectattr",
    "groupby",
    "join",
    "default",
    "unique",
    "slice",
    "batch",
    "upper",
    "lower",
    "replace",
    "tojson",
    "items",
    "dictsort",
    "min",
    "max",
    "round",
    "abs",
    "trim",
    "title",
    "int",
    "float",
    "string",
    "sum",
];
const TESTS: &[&str] = &[
    "equals",
    "over",
    "under",
    "at_least",
    "at_most",
    "defined",
    "undefined",
    "none",
    "number",
    "string",
    "sequence",
    "mapping",
    "true",
    "false",
    "in",
    "eq",
    "ne",
    "lt",
    "le",
    "gt",
    "ge",
    "odd",
    "even",
    "divisibleby",
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
        ErrorKind::UnknownFilter => unknown("필터", detail, FILTERS),
        ErrorKind::UnknownTest => unknown("검사", detail, TESTS),
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

/// `filter foo is unknown` names what was written; the nearest known name is the likely meaning.
fn unknown(kind: &str, detail: &str, known: &[&str]) -> (String, Option<String>) {
    let name = detail.split_whitespace().nth(1).unwrap_or_default().trim_matches(['"', '\'', '`']);
    let near = crate::nearest::nearest(name, known.iter().copied()).map(|near| format!("비슷한 이름: `{near}`"));
    (format!("`{name}`이라는 {kind}가 없습니다"), near)
}
