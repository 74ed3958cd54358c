//! The head between `---` lines at the start of a Markdown file.
//!
//! Heads are flat lists of `key: value` written by people and converters, so this reads just that
//! (quoted values, `[a, b]`, `- item` lines, `#` comments) and takes the rest as plain text. It is
//! no YAML reader on purpose: anchors, tags and nesting in a document from outside are only risk.

use std::ops::Range;

/// A value of the head.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    One(String),
    Many(Vec<String>),
}

/// The entries of the head in their order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FrontMatter {
    pub entries: Vec<(String, Value)>,
}

impl FrontMatter {
    /// Returns the first value under any of these keys, tried in this order; the first of a list.
    pub fn first(&self, keys: &[&str]) -> Option<&str> {
        self.values(keys).into_iter().next()
    }

    /// Returns all values under the first of these keys that has any.
    pub fn values(&self, keys: &[&str]) -> Vec<&str> {
        for key in keys {
            let found: Vec<&str> = self
                .entries
                .iter()
                .filter(|(name, _)| name.eq_ignore_ascii_case(key))
                .flat_map(|(_, value)| match value {
                    Value::One(one) => std::slice::from_ref(one),
                    Value::Many(many) => many.as_slice(),
                })
                .map(String::as_str)
                .filter(|value| !value.is_empty())
                .collect();
            if !found.is_empty() {
                return found;
            }
        }
        Vec::new()
    }
}

/// Takes the head off a text; returns it with the bytes that it stands in.
pub fn split(text: &str) -> (FrontMatter, Range<usize>) {
    let none = (FrontMatter::default(), 0..0);
    let Some(rest) = text.strip_prefix("---\n") else {
        return none;
    };
    let mut front_matter = FrontMatter::default();
    let mut at = text.len() - rest.len();
    for line in rest.split_inclusive('\n') {
        at += line.len();
        let line = line.trim_end();
        if line == "---" || line == "..." {
            return (front_matter, 0..at);
        }
        take_line(&mut front_matter, line);
    }
    // A line of dashes that is never closed is a rule, not a head.
    none
}

fn take_line(front_matter: &mut FrontMatter, line: &str) {
    let trimmed = line.trim_start();
    if trimmed.is_empty() || trimmed.starts_with('#') {
        return;
    }
    if let Some(item) = trimmed.strip_prefix("- ").or((trimmed == "-").then_some("")) {
        if let Some((_, value)) = front_matter.entries.last_mut() {
            let item = unquote(item);
            match value {
                Value::Many(many) => many.push(item),
                Value::One(one) if one.is_empty() => *value = Value::Many(vec![item]),
                Value::One(_) => {}
            }
        }
        return;
    }
    // Indented lines continue something nested that this reader does not follow.
    if line.starts_with([' ', '\t']) {
        return;
    }
    if let Some((key, value)) = trimmed.split_once(':') {
        front_matter.entries.push((unquote(key), parse_value(value.trim())));
    }
}

fn parse_value(value: &str) -> Value {
    let inline = value.strip_prefix('[').and_then(|inner| inner.strip_suffix(']'));
    match inline {
        Some(inner) if inner.trim().is_empty() => Value::Many(Vec::new()),
        Some(inner) => Value::Many(inner.split(',').map(unquote).collect()),
        None => Value::One(unquote(value)),
    }
}

fn unquote(value: &str) -> String {
    let value = value.trim();
    if let Some(inner) = value.strip_prefix('\'').and_then(|inner| inner.strip_suffix('\'')) {
        return inner.replace("''", "'");
    }
    if let Some(inner) = value.strip_prefix('"').and_then(|inner| inner.strip_suffix('"')) {
        return inner.replace("\\\"", "\"").replace("\\\\", "\\");
    }
    // A comment after a plain value starts with a space, so `#` in a value stays.
    match value.split_once(" #") {
        Some((value, _)) => value.trim_end().to_owned(),
        None => value.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_flat_heads() {
        let text = "---\n제목: 은행법\n법령ID: '001549'\n소관부처:\n- 금융위원회\n- \"기획재정부\"\n\
            tags: [여신, 담보]\n첨부파일: []\n출처: https://example.org/a:b # 주석\n---\n# 은행법\n";
        let (head, span) = split(text);
        assert_eq!(&text[span.end..], "# 은행법\n");
        assert_eq!(head.first(&["title", "제목"]), Some("은행법"));
        assert_eq!(head.first(&["법령ID"]), Some("001549"));
        assert_eq!(head.values(&["소관부처"]), ["금융위원회", "기획재정부"]);
        assert_eq!(head.values(&["TAGS"]), ["여신", "담보"]);
        assert_eq!(head.first(&["첨부파일"]), None);
        assert_eq!(head.first(&["출처"]), Some("https://example.org/a:b"));
    }

    #[test]
    fn a_rule_is_no_head() {
        for text in ["---\n본문\n", "본문\n---\n제목: 가\n---\n", "", "---"] {
            assert_eq!(split(text), (FrontMatter::default(), 0..0), "{text:?}");
        }
    }
}
