//! A YAML document as a tree in which every value and key knows its place.
//!
//! The reader of workflows walks this tree by hand instead of deriving, so that every mistake is
//! told in our own words at its exact place. Aliases and anchors are refused: a workflow is short,
//! and an expanding document is the oldest way to stop a YAML reader.

use std::fmt;
use std::ops::Range;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::Spanned;

use crate::diagnostic::Diagnostic;

/// Larger workflow files are refused before they are parsed.
pub(crate) const FILE_BYTES_MAX: usize = 1 << 20;

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Node {
    pub kind: Kind,
    pub span: Range<usize>,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Kind {
    Null,
    Bool(bool),
    Number(serde_json::Number),
    Text(String),
    List(Vec<Node>),
    Map(Vec<(Key, Node)>),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Key {
    pub name: String,
    pub span: Range<usize>,
}

impl Node {
    pub(crate) fn text(&self) -> Option<&str> {
        match &self.kind {
            Kind::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The kind of the value in the words of a message.
    pub(crate) fn kind_name(&self) -> &'static str {
        match self.kind {
            Kind::Null => "빈 값",
            Kind::Bool(_) => "참/거짓",
            Kind::Number(_) => "숫자",
            Kind::Text(_) => "글",
            Kind::List(_) => "목록",
            Kind::Map(_) => "`이름: 값` 묶음",
        }
    }

    pub(crate) fn to_json(&self) -> serde_json::Value {
        match &self.kind {
            Kind::Null => serde_json::Value::Null,
            Kind::Bool(value) => (*value).into(),
            Kind::Number(number) => serde_json::Value::Number(number.clone()),
            Kind::Text(text) => text.clone().into(),
            Kind::List(items) => items.iter().map(Self::to_json).collect(),
            Kind::Map(entries) => serde_json::Value::Object(
                entries.iter().map(|(key, value)| (key.name.clone(), value.to_json())).collect(),
            ),
        }
    }

    /// The node under a path of keys and positions, or the deepest one that exists.
    pub(crate) fn at<'path>(&self, path: impl IntoIterator<Item = &'path str>) -> &Node {
        let mut node = self;
        for part in path {
            let next = match &node.kind {
                Kind::Map(entries) => entries.iter().find(|(key, _)| key.name == part).map(|(_, value)| value),
                Kind::List(items) => part.parse::<usize>().ok().and_then(|position| items.get(position)),
                _ => None,
            };
            match next {
                Some(next) => node = next,
                None => break,
            }
        }
        node
    }
}

/// Parses a whole document.
///
/// # Errors
///
/// A [`Diagnostic`] at the place where the text stops being YAML we accept.
pub(crate) fn parse(source: &str) -> Result<Node, Box<Diagnostic>> {
    if FILE_BYTES_MAX < source.len() {
        return Err(Box::new(Diagnostic::new(0..0, format!("파일이 너무 큽니다 (상한 {} KB)", FILE_BYTES_MAX / 1024))));
    }
    let options = serde_saphyr::options! {
        duplicate_keys: serde_saphyr::options::DuplicateKeyPolicy::Error,
        with_snippet: false,
        strict_booleans: true,
        budget: serde_saphyr::budget! {
            max_aliases: 0,
            max_anchors: 0,
            max_depth: 64,
            max_documents: 1,
            max_nodes: 100_000,
        },
    };
    match serde_saphyr::from_str_with_options::<Spanned<Kind>>(source, options) {
        Ok(spanned) => Ok(node(spanned)),
        Err(error) => Err(Box::new(broken(&error, source))),
    }
}

fn broken(error: &serde_saphyr::Error, source: &str) -> Diagnostic {
    let text = error.without_snippet().to_string();
    let span = error.location().map_or(0..0, |location| place(&location));
    // Some errors know their place only in words.
    let span = if span == (0..0) { told_place(&text, source).unwrap_or(span) } else { span };
    let start = span.start.min(source.len());
    let lowered = text.to_lowercase();
    let (message, help) = if lowered.contains("duplicate") {
        ("같은 키를 두 번 적었습니다", "하나만 남기십시오")
    } else if lowered.contains("alias") || lowered.contains("anchor") || lowered.contains("budget") {
        ("별칭(&, *)이나 지나치게 큰 구조는 쓸 수 없습니다", "값을 그대로 적으십시오")
    } else if source[..start].lines().last().is_some_and(|line| line.starts_with('\t')) || lowered.contains("tab") {
        ("들여쓰기에 탭을 썼습니다", "빈칸으로 들여 쓰십시오")
    } else {
        (
            "YAML 문법이 틀렸습니다",
            "`{`로 시작하거나 `: `, `#`, `?`가 든 값은 따옴표로 감싸고, 들여쓰기와 괄호의 짝을 살피십시오",
        )
    };
    let end = span.end.max(start + 1);
    Diagnostic::new(start..end, message).label(text.lines().next().unwrap_or_default().to_owned()).help(help)
}

/// The place of an error that says `at line 7, column 15`.
fn told_place(text: &str, source: &str) -> Option<Range<usize>> {
    let (_, rest) = text.split_once("at line ")?;
    let (line, rest) = rest.split_once(", column ")?;
    let digits = rest.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(rest.len());
    let (line, column): (usize, usize) = (line.trim().parse().ok()?, rest[..digits].parse().ok()?);
    let start: usize = source.split_inclusive('\n').take(line.checked_sub(1)?).map(str::len).sum();
    let inside: usize = source
        .get(start..)?
        .chars()
        .take(column.saturating_sub(1))
        .take_while(|letter| *letter != '\n')
        .map(char::len_utf8)
        .sum();
    Some(start + inside..start + inside + 1)
}

fn place(location: &serde_saphyr::Location) -> Range<usize> {
    let span = location.span();
    let start = usize::try_from(span.byte_offset().unwrap_or(0)).unwrap_or(0);
    let length = usize::try_from(span.byte_len().unwrap_or(0)).unwrap_or(0);
    start..start + length
}

fn node(spanned: Spanned<Kind>) -> Node {
    Node { span: place(&spanned.referenced), kind: spanned.value }
}

impl<'de> Deserialize<'de> for Kind {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(KindVisitor)
    }
}

struct KindVisitor;

impl<'de> Visitor<'de> for KindVisitor {
    type Value = Kind;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a YAML value")
    }

    fn visit_unit<E>(self) -> Result<Kind, E> {
        Ok(Kind::Null)
    }

    fn visit_none<E>(self) -> Result<Kind, E> {
        Ok(Kind::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Kind, D::Error> {
        Kind::deserialize(deserializer)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Kind, E> {
        Ok(Kind::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Kind, E> {
        Ok(Kind::Number(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Kind, E> {
        Ok(Kind::Number(value.into()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Kind, E> {
        Ok(serde_json::Number::from_f64(value).map_or_else(|| Kind::Text(value.to_string()), Kind::Number))
    }

    fn visit_str<E>(self, value: &str) -> Result<Kind, E> {
        Ok(Kind::Text(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Kind, E> {
        Ok(Kind::Text(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Kind, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element::<Spanned<Kind>>()? {
            list.push(node(item));
        }
        Ok(Kind::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Kind, A::Error> {
        let mut map = Vec::new();
        while let Some(key) = entries.next_key::<Spanned<String>>()? {
            let value = entries.next_value::<Spanned<Kind>>()?;
            map.push((Key { name: key.value, span: place(&key.referenced) }, node(value)));
        }
        Ok(Kind::Map(map))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_scalar_knows_its_bytes() {
        let source = "이름: 값\nlist:\n  - 12\n  - \"{{ a }}\"\n  - { deep: yes please }\n";
        let root = parse(source).unwrap();
        let at = |path: &[&str]| {
            let node = root.at(path.iter().copied());
            (source[node.span.clone()].to_owned(), node.to_json())
        };
        assert_eq!(at(&["이름"]), ("값".to_owned(), "값".into()));
        assert_eq!(at(&["list", "0"]), ("12".to_owned(), 12.into()));
        assert_eq!(at(&["list", "1"]), ("\"{{ a }}\"".to_owned(), "{{ a }}".into()));
        assert_eq!(at(&["list", "2", "deep"]), ("yes please".to_owned(), "yes please".into()));
        let Kind::Map(entries) = &root.kind else { panic!("a map") };
        assert_eq!(&source[entries[0].0.span.clone()], "이름");
    }

    #[track_caller]
    fn check_broken(source: &str, message: &str) {
        let diagnostic = parse(source).unwrap_err();
        assert_eq!(diagnostic.message, message, "{diagnostic:?}");
        assert!(diagnostic.span.start <= source.len());
    }

    #[test]
    fn what_is_not_plain_yaml_is_refused() {
        check_broken("a: 1\na: 2\n", "같은 키를 두 번 적었습니다");
        check_broken("a: &x [1]\nb: *x\n", "별칭(&, *)이나 지나치게 큰 구조는 쓸 수 없습니다");
        check_broken("a: { b: [1, 2 }\n", "YAML 문법이 틀렸습니다");
        check_broken(&format!("a: {}", "x".repeat(FILE_BYTES_MAX)), "파일이 너무 큽니다 (상한 1024 KB)");
    }

    #[test]
    fn a_bomb_ends_at_once() {
        let mut bomb = String::from("a: &a [x,x,x,x,x,x,x,x,x]\n");
        for (name, before) in ["b", "c", "d", "e", "f", "g"].iter().zip(["a", "b", "c", "d", "e", "f"]) {
            bomb.push_str(&format!("{name}: &{name} [{}]\n", vec![format!("*{before}"); 9].join(",")));
        }
        assert!(parse(&bomb).is_err());
    }
}
