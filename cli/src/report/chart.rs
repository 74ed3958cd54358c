//! Bar and line charts as inline SVG.
//!
//! The picture carries its values as text, a title and a description, and tells series apart by
//! shape and dash as well as by tone, so that it reads in grey, in print and by screen reader.
//! Colours come from the page's tokens, which is how one picture serves light and dark.

use std::fmt::Write;

use super::markup::{Mark, html};
use super::table::{Column, Row, Table};
use crate::language::decimal::Decimal;

/// The width of the drawing; the page scales it.
const WIDTH: f64 = 540.0;
const FONT: f64 = 14.0;

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Chart {
    pub kind: Kind,
    pub title: String,
    pub description: Option<String>,
    pub cite: Option<Mark>,
    pub label_title: String,
    pub labels: Vec<String>,
    pub series: Vec<Series>,
    pub limit: Option<(Decimal, String)>,
    /// How the values are written: `percent`, `eok` or as they are, and what follows them.
    pub format: Option<String>,
    pub unit: String,
    /// Rows that were not drawn.
    pub left: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Bar,
    Line,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Series {
    pub name: String,
    /// The value and how it is written; a gap where there is none.
    pub points: Vec<Option<(Decimal, String)>>,
}

impl Series {
    /// What stands at the end of the line: the name and the last value.
    fn end(&self) -> String {
        let last = self.points.iter().flatten().last().map(|(_, text)| text.as_str()).unwrap_or_default();
        format!("{} {last}", self.name).trim_end().to_owned()
    }
}

impl Chart {
    /// The values as a table: what Markdown shows, and what a screen reader is offered.
    pub(crate) fn table(&self) -> Table {
        let mut columns = vec![Column { title: self.label_title.clone(), right: false }];
        columns.extend(self.series.iter().map(|series| Column { title: series.name.clone(), right: true }));
        let rows = self
            .labels
            .iter()
            .enumerate()
            .map(|(position, label)| {
                let cells = self.series.iter().map(|series| {
                    let point = series.points.get(position).and_then(Option::as_ref);
                    point.map_or_else(|| "–".to_owned(), |(_, text)| text.clone())
                });
                Row { cells: std::iter::once(label.clone()).chain(cells).collect(), marked: false }
            })
            .collect();
        let note = self.limit.as_ref().map(|(_, label)| format!("기준선: {label}"));
        Table {
            caption: Some(self.title.clone()),
            cite: self.cite,
            columns,
            rows,
            total: None,
            note,
            empty: "그릴 값이 없습니다".to_owned(),
            mark_text: String::new(),
            left: self.left,
        }
    }

    /// The chart as a figure.
    pub(crate) fn html(&self, identifier: usize, number: impl Fn(usize) -> String) -> String {
        let cite = match self.cite {
            Some(Mark::Cite(cite)) => number(cite),
            _ => String::new(),
        };
        if self.labels.is_empty() {
            return format!("<p class=\"empty\"><strong>{}</strong>{cite} 그릴 값이 없습니다</p>\n", html(&self.title));
        }
        let drawing = match self.kind {
            Kind::Bar => self.bars(),
            Kind::Line => self.lines(),
        };
        let left = if 0 < self.left {
            format!(" <span class=\"muted\">(이 밖에 {}개)</span>", self.left)
        } else {
            String::new()
        };
        let mut out = format!("<figure class=\"chart\">\n<figcaption>{}{cite}{left}</figcaption>\n", html(&self.title));
        let _ = writeln!(
            out,
            "<div class=\"scroll\" tabindex=\"0\" role=\"group\" aria-label=\"{title}\"><svg viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" aria-labelledby=\"chart-{identifier}-title chart-{identifier}-description\">\n<title id=\"chart-{identifier}-title\">{title}</title>\n<desc id=\"chart-{identifier}-description\">{description}</desc>\n{body}</svg></div>",
            title = html(&self.title),
            height = round(drawing.height),
            description = html(&self.described()),
            body = drawing.body,
        );
        out.push_str("</figure>\n");
        out
    }

    fn described(&self) -> String {
        let mut text = self.description.clone().unwrap_or_default();
        for series in &self.series {
            if !text.is_empty() {
                text.push(' ');
            }
            let values: Vec<String> = self
                .labels
                .iter()
                .zip(&series.points)
                .map(|(label, point)| format!("{label} {}", point.as_ref().map_or("없음", |(_, text)| text)))
                .collect();
            let _ = write!(text, "{}: {}.", series.name, values.join(", "));
        }
        if let Some((_, label)) = &self.limit {
            let _ = write!(text, " 기준선 {label}.");
        }
        text
    }

    fn bounds(&self) -> (f64, f64) {
        let values =
            self.series.iter().flat_map(|series| series.points.iter().flatten()).map(|(value, _)| value.approximate());
        let values = values.chain(self.limit.iter().map(|(value, _)| value.approximate()));
        values.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| (low.min(value), high.max(value)))
    }

    /// The ticks written like the values.
    fn tick_texts(&self, ticks: &[f64]) -> Vec<String> {
        let (factor, suffix) = match self.format.as_deref() {
            Some("percent") => (100.0, "%"),
            Some("eok") => (1e-8, ""),
            _ => (1.0, self.unit.as_str()),
        };
        let scaled: Vec<f64> = ticks.iter().map(|tick| tick * factor).collect();
        let decimals = decimals(&scaled);
        let digits = u32::try_from(decimals).ok();
        let written = scaled.iter().map(|tick| {
            let text = format!("{tick:.decimals$}");
            Decimal::parse(&text).map_or_else(|| text.clone(), |value| value.grouped(digits))
        });
        written.map(|text| format!("{text}{suffix}")).collect()
    }

    fn bars(&self) -> Drawing {
        let (low, high) = self.bounds();
        let (low, high) = (low.min(0.0), high.max(0.0));
        let span = if high > low { high - low } else { 1.0 };
        let label_width = self.labels.iter().map(|label| width(label)).fold(0.0, f64::max).clamp(40.0, 170.0);
        let written = self.series.iter().flat_map(|series| series.points.iter().flatten()).map(|(_, text)| width(text));
        let value_width = written.fold(0.0, f64::max);
        let negative = low < 0.0;
        let left = label_width + 12.0 + if negative { value_width + 8.0 } else { 0.0 };
        let right = WIDTH - value_width - 10.0;
        let scale = |value: f64| left + (value - low) / span * (right - left).max(40.0);
        let count = self.series.len().max(1);
        let bar: f64 = if count == 1 { 18.0 } else { 14.0 };
        #[expect(clippy::cast_precision_loss, reason = "a chart has few series")]
        let row = bar.mul_add(count as f64, 10.0);
        let mut top = 6.0;
        if self.limit.is_some() {
            top += 20.0;
        }
        if 1 < count {
            top += 24.0;
        }
        let mut body = String::new();
        if 1 < count {
            self.legend(&mut body);
        }
        for (position, label) in self.labels.iter().enumerate() {
            #[expect(clippy::cast_precision_loss, reason = "a chart has few rows")]
            let y = row.mul_add(position as f64, top);
            let _ = writeln!(
                body,
                "<text class=\"label\" x=\"{}\" y=\"{}\" text-anchor=\"end\">{}</text>",
                round(label_width),
                round(y + row / 2.0),
                html(&fitted(label, label_width))
            );
            for (order, series) in self.series.iter().enumerate() {
                let Some(Some((value, text))) = series.points.get(position) else { continue };
                let number = value.approximate();
                let (from, to) = (scale(number.min(0.0)), scale(number.max(0.0)));
                #[expect(clippy::cast_precision_loss, reason = "a chart has few series")]
                let bar_y = bar.mul_add(order as f64, y + 5.0);
                let over = self.limit.as_ref().is_some_and(|(limit, _)| limit < value);
                let _ = writeln!(
                    body,
                    "<rect class=\"bar tone-{}{}\" x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\"/>",
                    order % 4,
                    if over { " over" } else { "" },
                    round(from),
                    round(bar_y),
                    round((to - from).max(0.5)),
                    round(bar - 2.0)
                );
                let (x, anchor) = if number < 0.0 { (from - 5.0, "end") } else { (to + 5.0, "start") };
                let _ = writeln!(
                    body,
                    "<text class=\"value\" x=\"{}\" y=\"{}\" text-anchor=\"{anchor}\">{}</text>",
                    round(x),
                    round(bar_y + bar / 2.0 - 1.0),
                    html(text)
                );
            }
        }
        #[expect(clippy::cast_precision_loss, reason = "a chart has few rows")]
        let bottom = row.mul_add(self.labels.len() as f64, top);
        let zero = round(scale(0.0));
        let _ = writeln!(
            body,
            "<line class=\"axis\" x1=\"{zero}\" y1=\"{}\" x2=\"{zero}\" y2=\"{}\"/>",
            round(top),
            round(bottom)
        );
        if let Some((limit, label)) = &self.limit {
            let at = scale(limit.approximate());
            let x = round(at);
            let half = width(label) / 2.0;
            let _ = writeln!(
                body,
                "<line class=\"limit\" x1=\"{x}\" y1=\"{}\" x2=\"{x}\" y2=\"{}\"/>\n<text class=\"limit-label\" x=\"{}\" y=\"{}\" text-anchor=\"middle\">{}</text>",
                round(top - 4.0),
                round(bottom),
                round(at.clamp(half, WIDTH - half)),
                round(top - 12.0),
                html(label)
            );
        }
        Drawing { body, height: bottom + 6.0 }
    }

    fn legend(&self, body: &mut String) {
        let mut x = 4.0;
        for (order, series) in self.series.iter().enumerate() {
            let _ = writeln!(
                body,
                "<rect class=\"bar tone-{}\" x=\"{}\" y=\"5\" width=\"12\" height=\"12\"/>\n<text class=\"label\" x=\"{}\" y=\"11\">{}</text>",
                order % 4,
                round(x),
                round(x + 17.0),
                html(&series.name)
            );
            x += width(&series.name) + 36.0;
        }
    }

    fn lines(&self) -> Drawing {
        let height = 270.0;
        let (low, high) = self.bounds();
        let ticks = ticks(low, high);
        let (low, high) = (ticks.first().copied().unwrap_or(0.0), ticks.last().copied().unwrap_or(1.0));
        let span = if high > low { high - low } else { 1.0 };
        let tick_texts = self.tick_texts(&ticks);
        let left = tick_texts.iter().map(|text| width(text)).fold(0.0, f64::max) + 10.0;
        let ends: Vec<String> = self.series.iter().map(Series::end).collect();
        let names = ends.iter().map(|end| width(end)).fold(0.0, f64::max);
        let last =
            self.series.iter().filter_map(|series| series.points.iter().flatten().last()).map(|(_, text)| width(text));
        let margin = last.fold(0.0, f64::max) / 2.0 + 8.0;
        let right = WIDTH - if 1 < self.series.len() { names + 14.0 } else { margin };
        let (top, bottom) = (26.0, height - 30.0);
        #[expect(clippy::cast_precision_loss, reason = "a chart has few points")]
        let step = if 1 < self.labels.len() { (right - left - 20.0) / (self.labels.len() - 1) as f64 } else { 0.0 };
        #[expect(clippy::cast_precision_loss, reason = "a chart has few points")]
        let at = |position: usize| step.mul_add(position as f64, left + 10.0);
        let scale = |value: f64| bottom - (value - low) / span * (bottom - top);
        let mut body = String::new();
        for (tick, text) in ticks.iter().zip(&tick_texts) {
            let y = round(scale(*tick));
            let _ = writeln!(
                body,
                "<line class=\"grid\" x1=\"{}\" y1=\"{y}\" x2=\"{}\" y2=\"{y}\"/>\n<text class=\"tick\" x=\"{}\" y=\"{y}\" text-anchor=\"end\">{}</text>",
                round(left),
                round(right),
                round(left - 6.0),
                html(text)
            );
        }
        // Labels that would run into each other are left out, the last one never.
        let widest = self.labels.iter().map(|label| width(label)).fold(1.0, f64::max) + 10.0;
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a small positive count")]
        let every = if step > 0.0 { (widest / step).ceil().max(1.0) as usize } else { 1 };
        for (position, label) in self.labels.iter().enumerate() {
            if (self.labels.len() - 1 - position).is_multiple_of(every) {
                let _ = writeln!(
                    body,
                    "<text class=\"label\" x=\"{}\" y=\"{}\" text-anchor=\"middle\">{}</text>",
                    round(at(position)),
                    round(bottom + 18.0),
                    html(label)
                );
            }
        }
        if let Some((limit, label)) = &self.limit {
            let y = scale(limit.approximate());
            let _ = writeln!(
                body,
                "<line class=\"limit\" x1=\"{}\" y1=\"{y}\" x2=\"{}\" y2=\"{y}\"/>\n<text class=\"limit-label\" x=\"{}\" y=\"{}\" text-anchor=\"start\">{}</text>",
                round(left),
                round(right),
                round(left + 4.0),
                round(y - 8.0),
                html(label),
                y = round(y)
            );
        }
        for (order, series) in self.series.iter().enumerate() {
            let tone = order % 4;
            let mut path = String::new();
            let mut pen = 'M';
            for (position, point) in series.points.iter().enumerate() {
                match point {
                    Some((value, _)) => {
                        let _ = write!(path, "{pen}{} {} ", round(at(position)), round(scale(value.approximate())));
                        pen = 'L';
                    }
                    None => pen = 'M',
                }
            }
            let _ = writeln!(body, "<path class=\"line tone-{tone}\" d=\"{}\"/>", path.trim_end());
            let known = series
                .points
                .iter()
                .enumerate()
                .filter_map(|(position, point)| point.as_ref().map(|point| (position, point)));
            let known: Vec<_> = known.collect();
            let every_value = self.series.len() == 1 && known.len() <= 12;
            for (position, (value, text)) in &known {
                let (x, y) = (at(*position), scale(value.approximate()));
                body.push_str(&marker(tone, x, y));
                if every_value {
                    let _ = writeln!(
                        body,
                        "<text class=\"value\" x=\"{}\" y=\"{}\" text-anchor=\"middle\">{}</text>",
                        round(x),
                        round(y - 13.0),
                        html(text)
                    );
                }
            }
            if 1 < self.series.len()
                && let Some((position, (value, _))) = known.last()
            {
                let _ = writeln!(
                    body,
                    "<text class=\"label\" x=\"{}\" y=\"{}\">{}</text>",
                    round(at(*position) + 10.0),
                    round(scale(value.approximate())),
                    html(&ends[order])
                );
            }
        }
        Drawing { body, height }
    }
}

struct Drawing {
    body: String,
    height: f64,
}

/// Series differ by marker as well as by tone.
fn marker(tone: usize, x: f64, y: f64) -> String {
    match tone {
        0 => format!("<circle class=\"dot tone-0\" cx=\"{}\" cy=\"{}\" r=\"4\"/>\n", round(x), round(y)),
        1 => format!(
            "<rect class=\"dot tone-1\" x=\"{}\" y=\"{}\" width=\"8\" height=\"8\"/>\n",
            round(x - 4.0),
            round(y - 4.0)
        ),
        2 => format!("<path class=\"dot tone-2\" d=\"M{} {} l5 9 h-10 z\"/>\n", round(x), round(y - 5.0)),
        _ => format!("<path class=\"dot tone-3\" d=\"M{} {} l5 5 l-5 5 l-5 -5 z\"/>\n", round(x), round(y - 5.0)),
    }
}

/// Coordinates with one digit after the point, so that equal charts are equal bytes.
fn round(value: f64) -> String {
    let text = format!("{value:.1}");
    text.strip_suffix(".0").map_or_else(|| text.clone(), ToOwned::to_owned)
}

/// About how wide a text is: Hangul fills its square, Latin letters and digits about half.
fn width(text: &str) -> f64 {
    text.chars().map(|letter| if letter.is_ascii() { 0.58 } else { 0.96 }).sum::<f64>() * FONT
}

fn fitted(label: &str, room: f64) -> String {
    if width(label) <= room + 1.0 {
        return label.to_owned();
    }
    let mut kept = String::new();
    for letter in label.chars() {
        kept.push(letter);
        if room < width(&kept) + FONT {
            break;
        }
    }
    kept.push('…');
    kept
}

/// Four or five round values around the range.
fn ticks(low: f64, high: f64) -> Vec<f64> {
    let (low, high) = if low.is_finite() && high.is_finite() { (low, high) } else { (0.0, 1.0) };
    // A rate that moves between 0.6 and 0.8 is drawn from zero only where zero is near.
    let low = if low > 0.0 && low < high / 2.0 { 0.0 } else { low };
    let span = if high > low { high - low } else { high.abs().max(1.0) };
    let raw = span / 4.0;
    let magnitude = 10_f64.powf(raw.log10().floor());
    let step =
        [1.0, 2.0, 2.5, 5.0, 10.0].iter().map(|factor| factor * magnitude).find(|step| raw <= *step).unwrap_or(raw);
    let start = (low / step).floor();
    let end = (high / step).ceil().max(start + 1.0);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a handful of ticks")]
    let count = (end - start).round().min(12.0) as u32;
    (0..=count).map(|tick| (start + f64::from(tick)) * step).collect()
}

fn decimals(ticks: &[f64]) -> usize {
    (0..4)
        .find(|&digits| {
            let factor = 10_f64.powi(digits);
            ticks.iter().all(|tick| ((tick * factor).round() - tick * factor).abs() < 1e-6)
        })
        .and_then(|digits| usize::try_from(digits).ok())
        .unwrap_or(4)
}
