//! Values with templates in them, as `with` and `set` hold them.

use std::ops::Range;

use minijinja::{Environment, Value};

use super::{Fault, values, whole_expression};
use crate::diagnostic::Diagnostic;
use crate::workflow::yaml::{Kind, Node};

/// A value of a workflow file: fixed, or to be computed.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Data {
    Literal(serde_json::Value),
    /// The value was exactly one `{{ expression }}`, so the result keeps its type.
    Expression(Source),
    /// Text with expressions among it.
    Text(Source),
    List(Vec<Data>),
    Map(Vec<(String, Data)>),
}

/// An expression or template and where in the file it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Source {
    pub text: String,
    /// The bytes in the file; for a text that YAML folded, those of the whole value.
    pub span: Range<usize>,
    /// Whether byte `n` of the text is byte `span.start + n` of the file.
    pub exact: bool,
}

impl Source {
    /// Finds the text inside its span, since quotes and block marks stand around it.
    pub(crate) fn locate(text: &str, span: &Range<usize>, file: &str) -> Self {
        let exact = file.get(span.clone()).and_then(|shown| shown.find(text)).map(|at| span.start + at);
        match exact {
            Some(start) if !text.is_empty() => {
                Self { text: text.to_owned(), span: start..start + text.len(), exact: true }
            }
            _ => Self { text: text.to_owned(), span: span.clone(), exact: false },
        }
    }

    /// The bytes in the file of a part of the text.
    pub(crate) fn part(&self, range: Option<Range<usize>>) -> Range<usize> {
        match range {
            Some(range) if self.exact && range.end <= self.text.len() => {
                self.span.start + range.start..self.span.start + range.end
            }
            _ => self.span.clone(),
        }
    }

    pub(crate) fn diagnostic(&self, fault: &Fault) -> Diagnostic {
        let mut diagnostic = Diagnostic::new(self.part(fault.range.clone()), fault.message.clone());
        if let Some(hint) = &fault.hint {
            diagnostic = diagnostic.help(hint.clone());
        }
        diagnostic
    }
}

/// A fault and the source it happened in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Misfit {
    pub source: Source,
    pub fault: Fault,
}

impl Data {
    pub(crate) fn from_node(environment: &Environment<'_>, node: &Node, file: &str) -> Self {
        match &node.kind {
            Kind::Text(text) if text.contains("{{") || text.contains("{%") => {
                match whole_expression(environment, text) {
                    Some(expression) => Self::Expression(Source::locate(expression, &node.span, file)),
                    None => Self::Text(Source::locate(text, &node.span, file)),
                }
            }
            Kind::List(items) => {
                Self::List(items.iter().map(|item| Self::from_node(environment, item, file)).collect())
            }
            Kind::Map(entries) => Self::Map(
                entries
                    .iter()
                    .map(|(key, value)| (key.name.clone(), Self::from_node(environment, value, file)))
                    .collect(),
            ),
            _ => Self::Literal(node.to_json()),
        }
    }

    /// Calls `visit` for every source in the value; the flag says whether it is an expression.
    pub(crate) fn sources<'data>(&'data self, visit: &mut dyn FnMut(&'data Source, bool)) {
        match self {
            Self::Literal(_) => {}
            Self::Expression(source) => visit(source, true),
            Self::Text(source) => visit(source, false),
            Self::List(items) => items.iter().for_each(|item| item.sources(visit)),
            Self::Map(entries) => entries.iter().for_each(|(_, value)| value.sources(visit)),
        }
    }

    /// Computes the value.
    ///
    /// # Errors
    ///
    /// The first source that fails, with its fault.
    pub(crate) fn evaluate(
        &self,
        environment: &Environment<'_>,
        context: &Value,
    ) -> Result<serde_json::Value, Box<Misfit>> {
        Ok(match self {
            Self::Literal(value) => value.clone(),
            Self::Expression(source) => evaluate(environment, source, context)?,
            Self::Text(source) => serde_json::Value::String(render(environment, source, context)?),
            Self::List(items) => {
                items.iter().map(|item| item.evaluate(environment, context)).collect::<Result<_, _>>()?
            }
            Self::Map(entries) => serde_json::Value::Object(
                entries
                    .iter()
                    .map(|(key, value)| Ok((key.clone(), value.evaluate(environment, context)?)))
                    .collect::<Result<_, Box<Misfit>>>()?,
            ),
        })
    }

    /// The value with every computed part left null, and the JSON pointers of those parts.
    pub(crate) fn outline(&self) -> (serde_json::Value, Vec<String>) {
        let mut computed = Vec::new();
        let value = self.outline_at("", &mut computed);
        (value, computed)
    }

    fn outline_at(&self, pointer: &str, computed: &mut Vec<String>) -> serde_json::Value {
        match self {
            Self::Literal(value) => value.clone(),
            Self::Expression(_) | Self::Text(_) => {
                computed.push(pointer.to_owned());
                serde_json::Value::Null
            }
            Self::List(items) => items
                .iter()
                .enumerate()
                .map(|(position, item)| item.outline_at(&format!("{pointer}/{position}"), computed))
                .collect(),
            Self::Map(entries) => serde_json::Value::Object(
                entries
                    .iter()
                    .map(|(key, value)| {
                        let key_pointer = key.replace('~', "~0").replace('/', "~1");
                        (key.clone(), value.outline_at(&format!("{pointer}/{key_pointer}"), computed))
                    })
                    .collect(),
            ),
        }
    }
}

/// Computes one expression; its result keeps its type.
///
/// # Errors
///
/// When it fails or names a value that is not there.
pub(crate) fn evaluate(
    environment: &Environment<'_>,
    source: &Source,
    context: &Value,
) -> Result<serde_json::Value, Box<Misfit>> {
    let value = evaluate_value(environment, source, context)?;
    values::to_json(&value).map_err(|error| {
        // A part of the result is wrong, so no place inside the expression is.
        let fault = Fault { range: None, ..Fault::new(&error, &source.text) };
        Box::new(Misfit { source: source.clone(), fault })
    })
}

/// Computes one expression and leaves its result as the language's own value.
///
/// # Errors
///
/// When it fails or gives nothing.
pub(crate) fn evaluate_value(
    environment: &Environment<'_>,
    source: &Source,
    context: &Value,
) -> Result<Value, Box<Misfit>> {
    let misfit = |fault: Fault| Box::new(Misfit { source: source.clone(), fault });
    let value = environment
        .compile_expression(&source.text)
        .and_then(|expression| expression.eval(context))
        .map_err(|error| misfit(Fault::new(&error, &source.text)))?;
    // The engine is strict about names inside an expression, not about its result.
    if value.is_undefined() {
        return Err(misfit(Fault::missing(&source.text)));
    }
    Ok(value)
}

/// Renders one template text.
///
/// # Errors
///
/// When it fails.
pub(crate) fn render(environment: &Environment<'_>, source: &Source, context: &Value) -> Result<String, Box<Misfit>> {
    environment
        .render_str(&source.text, context)
        .map_err(|error| Box::new(Misfit { source: source.clone(), fault: Fault::new(&error, &source.text) }))
}

#[cfg(test)]
mod tests {
    use minijinja::context;

    use super::*;

    #[track_caller]
    fn check(yaml: &str, expected: &serde_json::Value) {
        let environment = crate::language::environment();
        let node = crate::workflow::yaml::parse(yaml).unwrap();
        let data = Data::from_node(&environment, &node, yaml);
        let context = context! { inputs => context! { n => 3, name => "해치", list => vec![1, 2] } };
        assert_eq!(&data.evaluate(&environment, &context).unwrap(), expected, "{yaml}");
    }

    #[test]
    fn one_whole_expression_keeps_its_type() {
        check("\"{{ inputs.n }}\"", &3.into());
        check("\"{{ inputs.list }}\"", &serde_json::json!([1, 2]));
        check("\"{{ inputs.n }}개\"", &"3개".into());
        check("\"{{ inputs.n }}{{ inputs.n }}\"", &"33".into());
        check("{ a: \"{{ inputs.n + 1 }}\", b: [글, 2] }", &serde_json::json!({ "a": 4, "b": ["글", 2] }));
        check("\"{{ inputs.name }}\"", &"해치".into());
    }

    #[test]
    fn a_fault_points_into_the_file() {
        let yaml = "a: \"{{ inputs.missing }}\"";
        let environment = crate::language::environment();
        let node = crate::workflow::yaml::parse(yaml).unwrap();
        let data = Data::from_node(&environment, &node, yaml);
        let misfit = data.evaluate(&environment, &context! { inputs => context! {} }).unwrap_err();
        assert_eq!(misfit.fault.message, "없는 값을 썼습니다: `inputs.missing`");
        assert_eq!(&yaml[misfit.source.part(misfit.fault.range.clone())], "inputs.missing");
    }

    #[test]
    fn the_outline_names_what_is_computed() {
        let yaml = "{ a: \"{{ x }}\", b: { c: [1, \"{{ y }}\"] } }";
        let environment = crate::language::environment();
        let node = crate::workflow::yaml::parse(yaml).unwrap();
        let (value, computed) = Data::from_node(&environment, &node, yaml).outline();
        assert_eq!(value, serde_json::json!({ "a": null, "b": { "c": [1, null] } }));
        assert_eq!(computed, ["/a", "/b/c/1"]);
    }
}
