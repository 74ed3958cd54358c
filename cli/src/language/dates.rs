//! Filters over dates, quarters and names.

use jiff::civil::Date;
use minijinja::value::Kwargs;
use minijinja::{Environment, Error, ErrorKind};

pub(super) fn install(environment: &mut Environment<'_>) {
    environment.add_filter("quarter_start", |text: &str| {
        let quarter = Quarter::parse(text)?;
        Ok::<_, Error>(format!("{:04}-{:02}-01", quarter.year, quarter.number * 3 - 2))
    });
    environment.add_filter("quarter_end", |text: &str| {
        let quarter = Quarter::parse(text)?;
        let day = if matches!(quarter.number, 1 | 4) { 31 } else { 30 };
        Ok::<_, Error>(format!("{:04}-{:02}-{day}", quarter.year, quarter.number * 3))
    });
    environment.add_filter("quarter_shift", |text: &str, quarters: i32| {
        let quarter = Quarter::parse(text)?;
        let count = quarter.year * 4 + quarter.number - 1 + quarters;
        Ok::<_, Error>(format!("{:04}Q{}", count.div_euclid(4), count.rem_euclid(4) + 1))
    });
    environment.add_filter("date_shift", date_shift);
    environment.add_filter("date_ko", |text: &str| written_date(text).ok_or_else(|| wrong(text, "날짜", "2026-09-30")));
    environment.add_filter("mask", |text: &str, kwargs: Kwargs| {
        let keep: Option<usize> = kwargs.get("keep")?;
        kwargs.assert_all_used()?;
        Ok::<_, Error>(mask(text, keep.unwrap_or(1)))
    });
}

/// `2026년 9월 30일`, for a date or for the start of a timestamp.
pub(crate) fn written_date(text: &str) -> Option<String> {
    let date: Date = text.get(..10)?.parse().ok()?;
    Some(format!("{}년 {}월 {}일", date.year(), date.month(), date.day()))
}

struct Quarter {
    year: i32,
    number: i32,
}

impl Quarter {
    fn parse(text: &str) -> Result<Self, Error> {
        let parse = || {
            let (year, number) = text.trim().split_once(['Q', 'q'])?;
            let year = (year.len() == 4).then(|| year.parse().ok())??;
            let number = number.parse().ok().filter(|number| (1..=4).contains(number))?;
            Some(Self { year, number })
        };
        parse().ok_or_else(|| wrong(text, "분기", "2026Q3"))
    }
}

fn date_shift(text: &str, kwargs: Kwargs) -> Result<String, Error> {
    let days: Option<i32> = kwargs.get("days")?;
    let months: Option<i32> = kwargs.get("months")?;
    let years: Option<i32> = kwargs.get("years")?;
    kwargs.assert_all_used()?;
    let date: Date =
        text.get(..10).and_then(|date| date.parse().ok()).ok_or_else(|| wrong(text, "날짜", "2026-09-30"))?;
    let beyond = || Error::new(ErrorKind::InvalidOperation, "`date_shift`의 결과가 달력을 벗어납니다");
    // Each unit apart, since one span cannot go both ways.
    let mut shifted = date;
    for span in [
        jiff::Span::new().try_years(years.unwrap_or(0)),
        jiff::Span::new().try_months(months.unwrap_or(0)),
        jiff::Span::new().try_days(days.unwrap_or(0)),
    ] {
        shifted = shifted.checked_add(span.map_err(|_| beyond())?).map_err(|_| beyond())?;
    }
    Ok(shifted.to_string())
}

fn wrong(text: &str, what: &str, example: &str) -> Error {
    let length = text.chars().count();
    Error::new(ErrorKind::InvalidOperation, format!("{what}가 아닌 글({length}자)입니다. {example}처럼 적습니다"))
}

/// Keeps the first letters of each word and hides the rest.
fn mask(text: &str, keep: usize) -> String {
    text.split(' ')
        .map(|word| word.chars().enumerate().map(|(at, letter)| if at < keep { letter } else { '*' }).collect())
        .collect::<Vec<String>>()
        .join(" ")
}

#[cfg(test)]
mod tests {
    #[track_caller]
    fn check(expression: &str, expected: &str) {
        let environment = crate::language::environment();
        let shown = match environment.compile_expression(expression).and_then(|compiled| compiled.eval(())) {
            Ok(value) => value.to_string(),
            Err(error) => format!("error: {}", error.detail().unwrap_or_default()),
        };
        assert_eq!(shown, expected, "{expression}");
    }

    #[test]
    fn quarters_and_dates_move() {
        check("'2026Q3' | quarter_end", "2026-09-30");
        check("'2026Q1' | quarter_end", "2026-03-31");
        check("'2026Q3' | quarter_start", "2026-07-01");
        check("'2026Q1' | quarter_shift(-1)", "2025Q4");
        check("'2026Q3' | quarter_shift(6)", "2028Q1");
        check("'2026-09-30' | date_shift(months=-7)", "2026-02-28");
        check("'2026-09-30' | date_shift(years=-1, days=1)", "2025-10-01");
        check("'2026-09-30' | date_ko", "2026년 9월 30일");
        check("'2026Q5' | quarter_end", "error: 분기가 아닌 글(6자)입니다. 2026Q3처럼 적습니다");
        check("'어제' | date_shift(days=1)", "error: 날짜가 아닌 글(2자)입니다. 2026-09-30처럼 적습니다");
        check("'2026-09-30' | date_shift(days=2000000000)", "error: `date_shift`의 결과가 달력을 벗어납니다");
    }

    #[test]
    fn masks_all_but_the_first_letters() {
        check("'김해치' | mask", "김**");
        check("'홍 길동' | mask(keep=1)", "홍 길*");
        check("'' | mask", "");
    }
}
