//! What templates of reports can do beyond the filters of every expression.

use std::sync::{Arc, Mutex, PoisonError};

use minijinja::value::{Kwargs, ValueKind};
use minijinja::{Environment, Error, ErrorKind, Value};

use super::chart::{Chart, Kind, Series};
use super::markup::{Mark, escaped};
use super::table::{self, Rule, Style, Wish};
use super::{Block, Cited, Known, Registry};
use crate::language::values;
use crate::state::StepValue;

type Shared = Arc<Mutex<Registry>>;

pub(super) fn install(environment: &mut Environment<'_>, registry: &Shared, known: &Arc<Known>) {
    environment.set_formatter(|out, _, value| {
        if value.is_safe() {
            out.write_str(value.as_str().unwrap_or_default())?;
            return Ok(());
        }
        match value.kind() {
            ValueKind::Undefined => return Err(Error::from(ErrorKind::UndefinedError)),
            ValueKind::None => out.write_str(crate::language::EMPTY)?,
            ValueKind::Bool => out.write_str(if value.is_true() { "예" } else { "아니오" })?,
            ValueKind::Number | ValueKind::String => out.write_str(&escaped(&value.to_string()))?,
            _ => {
                return Err(wrong(format!(
                    "{} 그대로 쓸 수 없습니다. `table`, `join`이나 `{{% for %}}`을 쓰십시오",
                    crate::josa::topic(values::kind_name(value))
                )));
            }
        }
        Ok(())
    });

    let (cite_registry, cite_known) = (Arc::clone(registry), Arc::clone(known));
    environment.add_filter("cite", move |value: &Value, source: &Value| {
        let mark = cite(&cite_registry, &cite_known, source)?;
        Ok::<_, Error>(Value::from_safe_string(format!("{}{}", shown(value)?, mark.text())))
    });

    let (quote_registry, quote_known) = (Arc::clone(registry), Arc::clone(known));
    environment.add_filter("quote", move |value: &Value, kwargs: Kwargs| {
        let mark = optional_cite(&quote_registry, &quote_known, &kwargs)?;
        kwargs.assert_all_used()?;
        let text = value.as_str().ok_or_else(|| {
            wrong(format!("`quote`에는 글이 와야 하는데 {} 왔습니다", crate::josa::subject(values::kind_name(value))))
        })?;
        let lines: Vec<String> = text.lines().map(escaped).filter(|line| !line.is_empty()).collect();
        let mark = mark.map(Mark::text).unwrap_or_default();
        Ok::<_, Error>(Value::from_safe_string(format!("\n\n> {}{mark}\n\n", lines.join("\\\n> "))))
    });

    let (table_registry, table_known) = (Arc::clone(registry), Arc::clone(known));
    environment.add_filter("table", move |records: &Value, kwargs: Kwargs| {
        let mark = optional_cite(&table_registry, &table_known, &kwargs)?;
        let columns = match kwargs.get::<Option<Value>>("columns")? {
            Some(columns) => {
                Some(columns.try_iter()?.map(|column| Style::read(&column)).collect::<Result<Vec<_>, _>>()?)
            }
            None => None,
        };
        let wish = Wish {
            columns,
            total: names(kwargs.get("total")?)?,
            total_label: kwargs.get("total_label")?,
            mark: kwargs.get::<Option<Value>>("mark")?.map(|mark| Rule::read(&mark)).transpose()?,
            rows_max: kwargs.get("rows_max")?,
        };
        let mut table = table::build(records, &wish)?;
        table.cite = mark;
        table.caption = kwargs.get("caption")?;
        table.note = kwargs.get("note")?;
        if let Some(empty) = kwargs.get::<Option<String>>("empty")? {
            table.empty = empty;
        }
        if let Some(text) = kwargs.get::<Option<String>>("mark_text")? {
            table.mark_text = text;
        }
        kwargs.assert_all_used()?;
        Ok::<_, Error>(block(&table_registry, Block::Table(table)))
    });

    for (name, kind) in [("bar_chart", Kind::Bar), ("line_chart", Kind::Line)] {
        let (chart_registry, chart_known) = (Arc::clone(registry), Arc::clone(known));
        environment.add_filter(name, move |records: &Value, kwargs: Kwargs| {
            let mark = optional_cite(&chart_registry, &chart_known, &kwargs)?;
            let chart = chart(kind, records, &kwargs, mark)?;
            kwargs.assert_all_used()?;
            Ok::<_, Error>(block(&chart_registry, Block::Chart(chart)))
        });
    }

    environment.add_function("sources", || Value::from_safe_string(format!("\n\n{}\n\n", Mark::Sources.text())));
}

fn wrong(message: impl Into<std::borrow::Cow<'static, str>>) -> Error {
    Error::new(ErrorKind::InvalidOperation, message)
}

fn shown(value: &Value) -> Result<String, Error> {
    Ok(match value.kind() {
        _ if value.is_safe() => value.as_str().unwrap_or_default().to_owned(),
        ValueKind::Undefined => return Err(Error::from(ErrorKind::UndefinedError)),
        ValueKind::None => crate::language::EMPTY.to_owned(),
        ValueKind::Bool | ValueKind::Number | ValueKind::String => escaped(&value.to_string()),
        _ => {
            return Err(wrong(format!(
                "`cite`에는 글이나 숫자가 와야 하는데 {} 왔습니다",
                crate::josa::subject(values::kind_name(value))
            )));
        }
    })
}

fn block(registry: &Shared, block: Block) -> Value {
    let mut registry = registry.lock().unwrap_or_else(PoisonError::into_inner);
    registry.blocks.push(block);
    Value::from_safe_string(format!("\n\n{}\n\n", Mark::Block(registry.blocks.len() - 1).text()))
}

fn optional_cite(registry: &Shared, known: &Known, kwargs: &Kwargs) -> Result<Option<Mark>, Error> {
    kwargs.get::<Option<Value>>("cite")?.map(|source| cite(registry, known, &source)).transpose()
}

/// Finds what is cited among the recorded answers, so that a template cannot cite what was not
/// answered.
fn cite(registry: &Shared, known: &Known, source: &Value) -> Result<Mark, Error> {
    let cited = if let Some(step) = source.downcast_object_ref::<StepValue>() {
        let record = known
            .get(step.id())
            .filter(|record| !record.calls.is_empty())
            .ok_or_else(|| wrong(format!("`{}` 단계는 도구를 부르지 않아 출처가 없습니다", step.id())))?;
        let all: usize = record.calls.iter().map(|call| call.sources.len()).sum();
        let only = record.calls.iter().position(|call| call.sources.len() == 1).filter(|_| all == 1);
        match only {
            Some(call) => Cited::Source { step: step.id().to_owned(), call, source: 0 },
            None => Cited::Step { step: step.id().to_owned() },
        }
    } else {
        let text = |key: &str| source.get_attr(key).ok().and_then(|value| value.as_str().map(ToOwned::to_owned));
        let (Some(citation), Some(uri)) = (text("citation"), text("uri")) else {
            return Err(wrong("`cite`에는 단계(steps.이름)나 citation과 uri가 든 결과 항목을 줍니다"));
        };
        find(known, &citation, &uri)
            .ok_or_else(|| wrong("실행 기록에 없는 출처입니다. 도구가 답한 항목을 그대로 주십시오"))?
    };
    let mut registry = registry.lock().unwrap_or_else(PoisonError::into_inner);
    let number = match registry.cited.iter().position(|other| *other == cited) {
        Some(number) => number,
        None => {
            registry.cited.push(cited);
            registry.cited.len() - 1
        }
    };
    Ok(Mark::Cite(number))
}

fn find(known: &Known, citation: &str, uri: &str) -> Option<Cited> {
    known.iter().find_map(|(step, record)| {
        record.calls.iter().enumerate().find_map(|(call, recorded)| {
            let source = recorded.sources.iter().position(|source| source.citation == citation && source.uri == uri)?;
            Some(Cited::Source { step: step.clone(), call, source })
        })
    })
}

/// One name or a list of names.
fn names(value: Option<Value>) -> Result<Vec<String>, Error> {
    match value {
        None => Ok(Vec::new()),
        Some(value) => match value.as_str() {
            Some(name) => Ok(vec![name.to_owned()]),
            None => Ok(value.try_iter()?.map(|name| name.to_string()).collect()),
        },
    }
}

fn chart(kind: Kind, records: &Value, kwargs: &Kwargs, cite: Option<Mark>) -> Result<Chart, Error> {
    let label: String =
        kwargs.get::<Option<String>>("label")?.ok_or_else(|| wrong("그림에는 `label`(이름 열)이 필요합니다"))?;
    let single: Option<Value> = kwargs.get("value")?;
    let several: Option<Value> = kwargs.get("values")?;
    let columns = match single.or(several) {
        Some(value) if value.kind() == ValueKind::Map => vec![Style::read(&value)?],
        Some(value) if value.as_str().is_some() => vec![Style::read(&value)?],
        Some(value) => value.try_iter()?.map(|column| Style::read(&column)).collect::<Result<_, _>>()?,
        None => return Err(wrong("그림에는 `value` 또는 `values`(값 열)가 필요합니다")),
    };
    let format: Option<String> = kwargs.get("format")?;
    let digits: Option<u32> = kwargs.get("digits")?;
    let unit: String = kwargs.get::<Option<String>>("unit")?.unwrap_or_default();
    // The unit belongs to every value of an 억원 chart, since there is no column title to hold it.
    let shown_unit =
        if format.as_deref() == Some("eok") && unit.is_empty() { "억원".to_owned() } else { unit.clone() };
    let show = |value: &Value| -> Result<String, Error> {
        match format.as_deref() {
            Some("eok") => Ok(format!("{}{shown_unit}", crate::language::formatted(value, Some("eok"), digits, "")?)),
            other => crate::language::formatted(value, other, digits, &unit),
        }
    };
    let rows_max = kwargs.get::<Option<usize>>("rows_max")?.unwrap_or(if kind == Kind::Bar { 20 } else { 60 }).min(200);
    let mut series: Vec<Series> =
        columns.iter().map(|column| Series { name: column.title.clone(), points: Vec::new() }).collect();
    let mut labels = Vec::new();
    let mut left = 0;
    for record in records.try_iter().map_err(|_| wrong("그림에는 기록의 목록이 와야 합니다"))? {
        if labels.len() == rows_max {
            left += 1;
            continue;
        }
        let name = record.get_attr(&label)?;
        if name.is_undefined() {
            return Err(wrong(format!("`{label}` 열이 없습니다")));
        }
        labels.push(if name.is_none() { crate::language::EMPTY.to_owned() } else { name.to_string() });
        for (column, series) in columns.iter().zip(&mut series) {
            let value = record.get_attr(&column.name)?;
            if value.is_undefined() {
                return Err(wrong(format!("`{}` 열이 없습니다", column.name)));
            }
            let number = if value.is_none() {
                None
            } else {
                let number = values::decimal(&value)
                    .ok_or_else(|| wrong(format!("`{}` 열에 숫자가 아닌 값이 있습니다", column.name)))?;
                Some((number, show(&value)?))
            };
            series.points.push(number);
        }
    }
    let limit = match kwargs.get::<Option<Value>>("limit")? {
        Some(value) if !value.is_none() => {
            let number = values::decimal(&value).ok_or_else(|| wrong("`limit`에는 숫자가 와야 합니다"))?;
            let written = show(&value)?;
            let label: Option<String> = kwargs.get("limit_label")?;
            Some((number, label.map_or_else(|| format!("기준 {written}"), |label| format!("{label} {written}"))))
        }
        _ => {
            kwargs.get::<Option<String>>("limit_label")?;
            None
        }
    };
    let title: Option<String> = kwargs.get("title")?;
    let description: Option<String> = kwargs.get("description")?;
    let names = columns.iter().map(|column| column.title.as_str()).collect::<Vec<_>>().join(", ");
    let label_title: Option<String> = kwargs.get("label_title")?;
    Ok(Chart {
        kind,
        title: title.unwrap_or_else(|| format!("{label}별 {names}")),
        description,
        cite,
        label_title: label_title.unwrap_or(label),
        labels,
        series,
        limit,
        format,
        unit,
        left,
    })
}
