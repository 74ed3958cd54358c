//! A table of a report, made once and written as Markdown or HTML.

use minijinja::{Error, ErrorKind, Value};

use super::markup::{Mark, escaped, html};
use crate::language::decimal::Decimal;
use crate::language::values;

/// Rows shown unless the template asks for another number.
pub(crate) const ROWS_DEFAULT: usize = 200;
/// A page with more rows is no report.
const ROWS_MAX: usize = 5_000;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Table {
    pub caption: Option<String>,
    pub cite: Option<Mark>,
    pub columns: Vec<Column>,
    pub rows: Vec<Row>,
    pub total: Option<Vec<String>>,
    pub note: Option<String>,
    pub empty: String,
    pub mark_text: String,
    /// Rows that were not shown.
    pub left: usize,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Column {
    pub title: String,
    pub right: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Row {
    pub cells: Vec<String>,
    pub marked: bool,
}

/// How a column is shown, as a template says it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Style {
    pub name: String,
    pub title: String,
    pub format: Option<String>,
    pub digits: Option<u32>,
    pub unit: String,
    pub align: Option<String>,
}

impl Style {
    pub(crate) fn plain(name: &str) -> Self {
        Self { name: name.to_owned(), title: name.to_owned(), ..Self::default() }
    }

    /// Reads `'name'` or `{name: …, title: …}`.
    ///
    /// # Errors
    ///
    /// When it is neither, or has a key that means nothing.
    pub(crate) fn read(value: &Value) -> Result<Self, Error> {
        let wrong = |message: String| Error::new(ErrorKind::InvalidOperation, message);
        if let Some(name) = value.as_str() {
            return Ok(Self::plain(name));
        }
        let mut style = Self::default();
        for key in value
            .try_iter()
            .map_err(|_| wrong("`columns`에는 열 이름이나 {name: …} 묶음의 목록이 와야 합니다".into()))?
        {
            let item = value.get_item(&key)?;
            let text = || item.as_str().map(ToOwned::to_owned).unwrap_or_else(|| item.to_string());
            match key.as_str().unwrap_or_default() {
                "name" => style.name = text(),
                "title" => style.title = text(),
                "format" => style.format = Some(text()),
                "digits" => style.digits = u32::try_from(item.clone()).ok(),
                "unit" => style.unit = text(),
                "align" => style.align = Some(text()),
                other => {
                    let known = ["name", "title", "format", "digits", "unit", "align"];
                    let near = crate::nearest::nearest(other, known).unwrap_or("name");
                    return Err(wrong(format!("`columns`에 `{other}`라는 키는 없습니다 (비슷한 이름: `{near}`)")));
                }
            }
        }
        if style.name.is_empty() {
            return Err(wrong("`columns`의 묶음에 `name`이 빠졌습니다".into()));
        }
        if style.title.is_empty() {
            style.title.clone_from(&style.name);
        }
        Ok(style)
    }

    pub(crate) fn show(&self, value: &Value) -> Result<String, Error> {
        crate::language::formatted(value, self.format.as_deref(), self.digits, &self.unit)
    }

    /// A title with the unit that the cells leave out.
    fn heading(&self) -> String {
        if self.format.as_deref() == Some("eok") && !self.title.contains("억") {
            return format!("{} (억원)", self.title);
        }
        self.title.clone()
    }
}

/// Which rows are marked: those where a column is true, or beyond a limit.
#[derive(Debug)]
pub(crate) struct Rule {
    column: String,
    over: Option<Decimal>,
    at_least: Option<Decimal>,
}

impl Rule {
    /// Reads `'column'`, `{name: 'column', over: 0.25}` or `{name: 'column', at_least: 0.25}`.
    ///
    /// # Errors
    ///
    /// When it is neither.
    pub(crate) fn read(value: &Value) -> Result<Self, Error> {
        if let Some(column) = value.as_str() {
            return Ok(Self { column: column.to_owned(), over: None, at_least: None });
        }
        let wrong = || {
            Error::new(
                ErrorKind::InvalidOperation,
                "`mark`에는 열 이름이나 {name: 열, over: 숫자}, {name: 열, at_least: 숫자}가 옵니다",
            )
        };
        let column =
            value.get_attr("name").ok().and_then(|name| name.as_str().map(ToOwned::to_owned)).ok_or_else(wrong)?;
        let number = |key: &str| value.get_attr(key).ok().and_then(|number| values::decimal(&number));
        let (over, at_least) = (number("over"), number("at_least"));
        if over.is_none() && at_least.is_none() {
            return Err(wrong());
        }
        Ok(Self { column, over, at_least })
    }

    fn holds(&self, record: &Value) -> Result<bool, Error> {
        let value = record.get_attr(&self.column)?;
        if self.over.is_none() && self.at_least.is_none() {
            return Ok(!value.is_undefined() && value.is_true());
        }
        let Some(number) = values::decimal(&value) else { return Ok(false) };
        Ok(self.over.is_some_and(|limit| limit < number) || self.at_least.is_some_and(|limit| limit <= number))
    }
}

/// What a template says about a table.
#[derive(Debug, Default)]
pub(crate) struct Wish {
    pub columns: Option<Vec<Style>>,
    pub total: Vec<String>,
    pub total_label: Option<String>,
    pub mark: Option<Rule>,
    pub rows_max: Option<usize>,
}

/// The styles and rows of a list of records.
///
/// # Errors
///
/// When it is no list of records, a column is missing or a value does not fit its format.
pub(crate) fn build(records: &Value, wish: &Wish) -> Result<Table, Error> {
    let wrong = |message: String| Error::new(ErrorKind::InvalidOperation, message);
    let records: Vec<Value> = records
        .try_iter()
        .map_err(|_| wrong("`table`에는 기록의 목록이 와야 합니다 (예: steps.book.out.rows)".into()))?
        .collect();
    let styles = match &wish.columns {
        Some(styles) => styles.clone(),
        None => match records.first() {
            Some(first) => first
                .try_iter()
                .map_err(|_| wrong("`table`에는 기록의 목록이 와야 합니다 (예: steps.book.out.rows)".into()))?
                .map(|key| Style::plain(&key.to_string()))
                .collect(),
            None => Vec::new(),
        },
    };
    let shown = wish.rows_max.unwrap_or(ROWS_DEFAULT).min(ROWS_MAX);
    let mut rows = Vec::with_capacity(records.len().min(shown));
    let mut numeric: Vec<bool> = vec![!records.is_empty(); styles.len()];
    for (position, record) in records.iter().enumerate() {
        let mut cells = Vec::with_capacity(styles.len());
        for (column, style) in styles.iter().enumerate() {
            let value = record.get_attr(&style.name)?;
            if value.is_undefined() {
                return Err(wrong(format!("`{}` 열이 없습니다", style.name)));
            }
            numeric[column] &= value.is_none() || value.kind() == minijinja::value::ValueKind::Number;
            if position < shown {
                cells.push(style.show(&value)?);
            }
        }
        if position < shown {
            let marked = wish.mark.as_ref().map(|rule| rule.holds(record)).transpose()?.unwrap_or(false);
            rows.push(Row { cells, marked });
        }
    }
    let total = if wish.total.is_empty() || records.is_empty() { None } else { Some(totals(&records, &styles, wish)?) };
    let columns = styles
        .iter()
        .zip(&numeric)
        .map(|(style, &numeric)| {
            let formatted = matches!(style.format.as_deref(), Some("num" | "won" | "eok" | "percent"));
            Column {
                title: style.heading(),
                right: style
                    .align
                    .as_deref()
                    .map_or(formatted || (numeric && style.format.is_none()), |align| align == "right"),
            }
        })
        .collect();
    Ok(Table {
        caption: None,
        cite: None,
        columns,
        left: records.len() - rows.len(),
        rows,
        total,
        note: None,
        empty: "해당 사항 없음".to_owned(),
        mark_text: String::new(),
    })
}

fn totals(records: &[Value], styles: &[Style], wish: &Wish) -> Result<Vec<String>, Error> {
    let wrong = |message: String| Error::new(ErrorKind::InvalidOperation, message);
    if let Some(strange) = wish.total.iter().find(|name| !styles.iter().any(|style| style.name == **name)) {
        return Err(wrong(format!("합계를 낼 `{strange}` 열이 표에 없습니다")));
    }
    let mut cells: Vec<String> = Vec::with_capacity(styles.len());
    for style in styles {
        if !wish.total.contains(&style.name) {
            cells.push(String::new());
            continue;
        }
        let mut sum = Decimal::ZERO;
        for record in records {
            let value = record.get_attr(&style.name)?;
            if !value.is_none() {
                let number = values::decimal(&value).ok_or_else(|| {
                    wrong(format!("`{}` 열에 숫자가 아닌 값이 있어 합계를 낼 수 없습니다", style.name))
                })?;
                sum = sum.plus(number).ok_or_else(|| wrong("합계가 다룰 수 있는 크기를 넘습니다".into()))?;
            }
        }
        cells.push(style.show(&values::from_decimal(sum))?);
    }
    // The label takes the first cell that has no sum.
    if let Some(cell) = cells.iter_mut().find(|cell| cell.is_empty()) {
        *cell = wish.total_label.clone().unwrap_or_else(|| "합계".to_owned());
    }
    Ok(cells)
}

impl Table {
    /// The table as Markdown; `number` gives the footnote of the citation.
    pub(crate) fn markdown(&self, number: impl Fn(usize) -> String) -> String {
        let mut out = String::new();
        if let Some(caption) = &self.caption {
            out.push_str(&format!("**{}**", escaped(caption)));
        }
        if let Some(Mark::Cite(cite)) = self.cite {
            out.push_str(&number(cite));
        }
        if !out.is_empty() {
            out.push_str("\n\n");
        }
        if self.rows.is_empty() {
            out.push_str(&format!("{}\n", escaped(&self.empty)));
            return out;
        }
        let line = |cells: Vec<String>| format!("| {} |\n", cells.join(" | "));
        out.push_str(&line(self.columns.iter().map(|column| escaped(&column.title)).collect()));
        out.push_str(&line(
            self.columns.iter().map(|column| if column.right { "---:" } else { ":---" }.to_owned()).collect(),
        ));
        for row in &self.rows {
            let mut cells: Vec<String> = row.cells.iter().map(|cell| escaped(cell)).collect();
            if row.marked
                && let Some(first) = cells.first_mut()
            {
                *first = format!("**{first}** ({})", escaped(self.mark()));
            }
            out.push_str(&line(cells));
        }
        if let Some(total) = &self.total {
            let bold = |cell: &String| if cell.is_empty() { String::new() } else { format!("**{}**", escaped(cell)) };
            out.push_str(&line(total.iter().map(bold).collect()));
        }
        for note in self.notes() {
            out.push_str(&format!("\n{}\n", escaped(&note)));
        }
        out
    }

    /// The table as HTML; `number` gives the link of the citation.
    pub(crate) fn html(&self, number: impl Fn(usize) -> String) -> String {
        let cite = match self.cite {
            Some(Mark::Cite(cite)) => number(cite),
            _ => String::new(),
        };
        let caption = self.caption.as_deref().map(html).unwrap_or_default();
        if self.rows.is_empty() {
            let strong = if caption.is_empty() { String::new() } else { format!("<strong>{caption}</strong>{cite} ") };
            return format!("<p class=\"empty\">{strong}{}</p>\n", html(&self.empty));
        }
        let mut out = String::from("<div class=\"scroll\" tabindex=\"0\" role=\"group\"");
        out.push_str(&format!(
            " aria-label=\"{}\">\n<table>\n",
            if caption.is_empty() { "표".to_owned() } else { caption.clone() }
        ));
        if !caption.is_empty() || !cite.is_empty() {
            out.push_str(&format!("<caption>{caption}{cite}</caption>\n"));
        }
        out.push_str("<thead><tr>");
        for column in &self.columns {
            out.push_str(&format!("<th scope=\"col\"{}>{}</th>", class(column), html(&column.title)));
        }
        out.push_str("</tr></thead>\n<tbody>\n");
        for row in &self.rows {
            out.push_str(if row.marked { "<tr class=\"marked\">" } else { "<tr>" });
            for (position, (cell, column)) in row.cells.iter().zip(&self.columns).enumerate() {
                if position == 0 {
                    let badge = if row.marked {
                        format!(" <span class=\"badge\">{}</span>", html(self.mark()))
                    } else {
                        String::new()
                    };
                    out.push_str(&format!("<th scope=\"row\"{}>{}{badge}</th>", class(column), html(cell)));
                } else {
                    out.push_str(&format!("<td{}>{}</td>", class(column), html(cell)));
                }
            }
            out.push_str("</tr>\n");
        }
        out.push_str("</tbody>\n");
        if let Some(total) = &self.total {
            out.push_str("<tfoot><tr>");
            for (position, (cell, column)) in total.iter().zip(&self.columns).enumerate() {
                let (open, close) = if position == 0 { ("th scope=\"row\"", "th") } else { ("td", "td") };
                out.push_str(&format!("<{open}{}>{}</{close}>", class(column), html(cell)));
            }
            out.push_str("</tr></tfoot>\n");
        }
        out.push_str("</table>\n</div>\n");
        for note in self.notes() {
            out.push_str(&format!("<p class=\"note\">{}</p>\n", html(&note)));
        }
        out
    }

    fn mark(&self) -> &str {
        if self.mark_text.is_empty() { "주의" } else { &self.mark_text }
    }

    fn notes(&self) -> Vec<String> {
        let left = (0 < self.left).then(|| format!("이 밖에 {}줄이 더 있습니다.", self.left));
        self.note.iter().cloned().chain(left).collect()
    }
}

fn class(column: &Column) -> &'static str {
    if column.right { " class=\"number\"" } else { "" }
}
