//! What a workflow asks for, and whether what was given is that.

use std::path::Path;

use indexmap::IndexMap;
use serde_json::Value;

use crate::nearest::nearest;
use crate::workspace::Workspace;

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Input {
    pub kind: InputKind,
    pub default: Option<Value>,
    pub prompt: Option<String>,
    pub description: Option<String>,
    pub examples: Vec<Value>,
    pub choices: Option<Vec<Value>>,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum InputKind {
    Text { pattern: Option<String>, length_min: Option<usize>, length_max: Option<usize> },
    Integer { minimum: Option<i64>, maximum: Option<i64> },
    Number { minimum: Option<f64>, maximum: Option<f64> },
    Boolean,
    Date,
    File { extensions: Vec<String> },
}

impl InputKind {
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Text { .. } => "글",
            Self::Integer { .. } => "정수",
            Self::Number { .. } => "숫자",
            Self::Boolean => "참/거짓 (true, false)",
            Self::Date => "날짜 (예: 2026-09-30)",
            Self::File { .. } => "파일",
        }
    }
}

/// What is wrong with a given value: the message, and what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Wrong {
    pub message: String,
    pub hint: Option<String>,
}

fn wrong(message: impl Into<String>, hint: Option<String>) -> Wrong {
    Wrong { message: message.into(), hint }
}

/// Resolves every input from `name=value` texts and defaults.
///
/// # Errors
///
/// The first value that is missing, unknown or not what its input says.
pub(crate) fn resolve(
    inputs: &IndexMap<String, Input>,
    given: &[(String, String)],
    workspace: &Workspace,
) -> Result<IndexMap<String, Value>, Wrong> {
    for (position, (name, _)) in given.iter().enumerate() {
        if !inputs.contains_key(name) {
            let known = inputs.keys().map(String::as_str);
            let hint = nearest(name, known.clone())
                .map(|near| format!("비슷한 이름: `{near}`"))
                .or_else(|| Some(format!("받는 입력: {}", known.collect::<Vec<_>>().join(", "))));
            return Err(wrong(format!("`{name}`은(는) 이 업무 흐름의 입력이 아닙니다"), hint));
        }
        if given[..position].iter().any(|(earlier, _)| earlier == name) {
            return Err(wrong(format!("입력 `{name}`을(를) 두 번 주었습니다"), None));
        }
    }
    let mut resolved = IndexMap::new();
    for (name, input) in inputs {
        let value = match given.iter().find(|(other, _)| other == name) {
            Some((_, text)) => input.read(name, text, workspace)?,
            None => match &input.default {
                Some(default) => input.accept(name, default.clone(), workspace)?,
                None => {
                    let what = input.prompt.as_deref().or(input.description.as_deref()).unwrap_or(input.kind.name());
                    let example = input.examples.first().map_or_else(|| "값".to_owned(), plain);
                    return Err(wrong(
                        format!("입력 `{name}`({what})이(가) 필요합니다"),
                        Some(format!("`-i {name}={example}`처럼 주십시오")),
                    ));
                }
            },
        };
        resolved.insert(name.clone(), value);
    }
    Ok(resolved)
}

/// A value as a person writes it.
pub(crate) fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned)
}

impl Input {
    fn read(&self, name: &str, text: &str, workspace: &Workspace) -> Result<Value, Wrong> {
        let not = || wrong(format!("입력 `{name}`에는 {} 와야 합니다", crate::josa::subject(self.kind.name())), None);
        let value = match &self.kind {
            InputKind::Text { .. } | InputKind::Date | InputKind::File { .. } => Value::from(text),
            InputKind::Integer { .. } => text.trim().parse::<i64>().map(Value::from).map_err(|_| not())?,
            InputKind::Number { .. } => {
                serde_json::from_str::<serde_json::Number>(text.trim()).map(Value::Number).map_err(|_| not())?
            }
            InputKind::Boolean => text.trim().parse::<bool>().map(Value::from).map_err(|_| not())?,
        };
        self.accept(name, value, workspace)
    }

    /// Checks a value that already has a JSON type and gives its final form.
    ///
    /// # Errors
    ///
    /// When it is not what the input says.
    pub(crate) fn accept(&self, name: &str, value: Value, workspace: &Workspace) -> Result<Value, Wrong> {
        let fail = |message: String| Err(wrong(format!("입력 `{name}`: {message}"), self.example()));
        if let Some(choices) = &self.choices
            && !choices.contains(&value)
        {
            let listed = choices.iter().map(plain).collect::<Vec<_>>().join(", ");
            return fail(format!("{listed} 가운데 하나여야 합니다"));
        }
        let not = format!("{} 와야 합니다", crate::josa::subject(self.kind.name()));
        match &self.kind {
            InputKind::Text { pattern, length_min, length_max } => {
                let Some(text) = value.as_str() else { return fail(not) };
                let length = text.chars().count();
                if length_min.is_some_and(|minimum| length < minimum)
                    || length_max.is_some_and(|maximum| maximum < length)
                {
                    return fail("글자 수가 맞지 않습니다".to_owned());
                }
                if let Some(pattern) = pattern
                    && !regex::Regex::new(pattern).is_ok_and(|regex| regex.is_match(text))
                {
                    return fail(format!("정해진 꼴({pattern})이 아닙니다"));
                }
            }
            InputKind::Integer { minimum, maximum } => {
                let Some(number) = value.as_i64() else { return fail(not) };
                if minimum.is_some_and(|minimum| number < minimum) {
                    return fail(format!("{} 이상이어야 합니다", minimum.unwrap_or_default()));
                }
                if maximum.is_some_and(|maximum| maximum < number) {
                    return fail(format!("{} 이하여야 합니다", maximum.unwrap_or_default()));
                }
            }
            InputKind::Number { minimum, maximum } => {
                let Some(number) = value.as_f64() else { return fail(not) };
                if minimum.is_some_and(|minimum| number < minimum) {
                    return fail(format!("{} 이상이어야 합니다", minimum.unwrap_or_default()));
                }
                if maximum.is_some_and(|maximum| maximum < number) {
                    return fail(format!("{} 이하여야 합니다", maximum.unwrap_or_default()));
                }
            }
            InputKind::Boolean => {
                if !value.is_boolean() {
                    return fail(not);
                }
            }
            InputKind::Date => {
                let Some(date) = value.as_str().and_then(|text| text.parse::<jiff::civil::Date>().ok()) else {
                    return fail(not);
                };
                return Ok(date.to_string().into());
            }
            InputKind::File { extensions } => {
                let Some(text) = value.as_str() else { return fail(not) };
                let extension = Path::new(text)
                    .extension()
                    .and_then(|extension| extension.to_str())
                    .unwrap_or_default()
                    .to_lowercase();
                if !extensions.is_empty() && !extensions.contains(&extension) {
                    return fail(format!("확장자가 {} 가운데 하나여야 합니다", extensions.join(", ")));
                }
                return match workspace.input_file(text) {
                    Ok(path) => Ok(path.into()),
                    Err(message) => {
                        let hint = format!("경로를 확인하거나 `-i {name}=경로`로 다른 파일을 주십시오");
                        Err(wrong(format!("입력 `{name}`: {message}"), self.example().or(Some(hint))))
                    }
                };
            }
        }
        Ok(value)
    }

    fn example(&self) -> Option<String> {
        self.examples.first().map(|example| format!("예: {}", plain(example)))
    }
}
