//! The one language of expressions and templates: minijinja, strict about names, bounded in work.
//!
//! Invariant: evaluation has no clock, no randomness and no I/O, so the same answers always give
//! the same report. An error of the engine never leaves here with its own display, which may show
//! values; [`Fault`] keeps the kind, the place and our own words.

pub(crate) mod data;
mod dates;
pub(crate) mod decimal;
mod fault;
mod numbers;
pub(crate) mod values;

use minijinja::{Environment, UndefinedBehavior};

pub(crate) use data::Data;
pub(crate) use dates::written_date;
pub(crate) use fault::Fault;
pub(crate) use numbers::{EMPTY, formatted};

/// The work one expression or template may do; about ten million steps or 640 MB of text.
const FUEL: u64 = 10_000_000;

/// The environment of expressions in a workflow file.
pub(crate) fn environment() -> Environment<'static> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_fuel(Some(FUEL));
    // The place of an error is kept only in debug mode; its verbose display is never used.
    environment.set_debug(true);
    environment.set_auto_escape_callback(|_| minijinja::AutoEscape::None);
    // Markup is made by our own filters alone, and nothing may print the whole context.
    environment.remove_filter("safe");
    environment.remove_filter("escape");
    environment.remove_filter("e");
    environment.remove_global("debug");
    numbers::install(&mut environment);
    dates::install(&mut environment);
    environment
}

/// The names that an expression reads, as dotted paths such as `steps.book.out`.
///
/// # Errors
///
/// When the expression does not parse.
pub(crate) fn names_of_expression(environment: &Environment<'_>, source: &str) -> Result<Vec<String>, Fault> {
    let expression = environment.compile_expression(source).map_err(|error| Fault::new(&error, source))?;
    Ok(sorted(expression.undeclared_variables(true)))
}

/// The names that a template reads, without those of the templates it includes.
///
/// # Errors
///
/// When the template does not parse.
pub(crate) fn names_of_template(environment: &Environment<'_>, name: &str, source: &str) -> Result<Vec<String>, Fault> {
    let template = environment.template_from_named_str(name, source).map_err(|error| Fault::new(&error, source))?;
    Ok(sorted(template.undeclared_variables(true)))
}

fn sorted(names: std::collections::HashSet<String>) -> Vec<String> {
    let mut names: Vec<String> = names.into_iter().collect();
    names.sort();
    names
}

/// The expression of a text that is exactly one `{{ expression }}`.
pub(crate) fn whole_expression<'text>(environment: &Environment<'_>, text: &'text str) -> Option<&'text str> {
    let inner = text.trim().strip_prefix("{{")?.strip_suffix("}}")?;
    let inner = inner.strip_prefix('-').unwrap_or(inner);
    let inner = inner.strip_suffix('-').unwrap_or(inner);
    // `{{ a }} and {{ b }}` has the same ends, but what is between does not parse.
    environment.compile_expression(inner).ok().map(|_| inner.trim())
}

/// Filters and tests that do not exist, in an expression.
pub(crate) fn unknown_in_expression(source: &str) -> Vec<Fault> {
    fault::unknown_names(source, true, false)
}

/// Filters and tests that do not exist, in a template; `report` says whether it makes a report.
pub(crate) fn unknown_in_template(source: &str, report: bool) -> Vec<Fault> {
    fault::unknown_names(source, false, report)
}
