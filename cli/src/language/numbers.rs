//! Filters and tests over exact decimals.

use minijinja::value::Kwargs;
use minijinja::{Environment, Error, ErrorKind, Value};

use super::decimal::Decimal;
use super::values::{decimal, from_decimal, kind_name};

/// What an empty cell looks like.
pub(crate) const EMPTY: &str = "–";

pub(super) fn install(environment: &mut Environment<'_>) {
    environment.add_filter("num", num);
    environment.add_filter("won", won);
    environment.add_filter("eok", eok);
    environment.add_filter("percent", percent);
    environment.add_filter("total", total);
    environment.add_filter("exact", |value: &Value| exact("exact", value).map(from_decimal));
    environment.add_filter("plus", |value: &Value, other: &Value| calculate("plus", value, other, |a, b| a.plus(b)));
    environment.add_filter("minus", |value: &Value, other: &Value| calculate("minus", value, other, |a, b| a.minus(b)));
    environment.add_filter("times", |value: &Value, other: &Value| calculate("times", value, other, |a, b| a.times(b)));
    environment.add_filter("share", share);
    environment.add_test("equals", |value: &Value, other: &Value| compare("equals", value, other, |a, b| a == b));
    environment.add_test("over", |value: &Value, other: &Value| compare("over", value, other, |a, b| a > b));
    environment.add_test("under", |value: &Value, other: &Value| compare("under", value, other, |a, b| a < b));
    environment.add_test("at_least", |value: &Value, other: &Value| compare("at_least", value, other, |a, b| a >= b));
    environment.add_test("at_most", |value: &Value, other: &Value| compare("at_most", value, other, |a, b| a <= b));
}

fn exact(filter: &str, value: &Value) -> Result<Decimal, Error> {
    decimal(value).ok_or_else(|| {
        Error::new(
            ErrorKind::InvalidOperation,
            format!("`{filter}`에는 숫자가 와야 하는데 {} 왔습니다", crate::josa::subject(kind_name(value))),
        )
    })
}

fn too_large(filter: &str) -> Error {
    Error::new(ErrorKind::InvalidOperation, format!("`{filter}`의 계산 결과가 다룰 수 있는 크기를 넘습니다"))
}

fn calculate(
    filter: &str,
    left: &Value,
    right: &Value,
    operation: impl Fn(Decimal, Decimal) -> Option<Decimal>,
) -> Result<Value, Error> {
    operation(exact(filter, left)?, exact(filter, right)?).map(from_decimal).ok_or_else(|| too_large(filter))
}

fn compare(
    test: &str,
    left: &Value,
    right: &Value,
    relation: impl Fn(Decimal, Decimal) -> bool,
) -> Result<bool, Error> {
    // Rows without the figure are neither over nor under a limit.
    if left.is_none() {
        return Ok(false);
    }
    Ok(relation(exact(test, left)?, exact(test, right)?))
}

fn num(value: &Value, kwargs: Kwargs) -> Result<String, Error> {
    let digits: Option<u32> = kwargs.get("digits")?;
    let unit: Option<String> = kwargs.get("unit")?;
    let sign: Option<bool> = kwargs.get("sign")?;
    kwargs.assert_all_used()?;
    if value.is_none() {
        return Ok(EMPTY.to_owned());
    }
    let number = exact("num", value)?;
    let plus = if sign.unwrap_or(false) && !number.is_negative() && !number.is_zero() { "+" } else { "" };
    Ok(format!("{plus}{}{}", number.grouped(digits), unit.unwrap_or_default()))
}

fn won(value: &Value, kwargs: Kwargs) -> Result<String, Error> {
    kwargs.assert_all_used()?;
    if value.is_none() { Ok(EMPTY.to_owned()) } else { Ok(format!("{}원", exact("won", value)?.grouped(Some(0)))) }
}

fn eok(value: &Value, kwargs: Kwargs) -> Result<String, Error> {
    let digits: Option<u32> = kwargs.get("digits")?;
    let unit: Option<bool> = kwargs.get("unit")?;
    kwargs.assert_all_used()?;
    if value.is_none() {
        return Ok(EMPTY.to_owned());
    }
    let number = exact("eok", value)?.shifted(8);
    Ok(format!("{}{}", number.grouped(Some(digits.unwrap_or(0))), if unit.unwrap_or(true) { "억원" } else { "" }))
}

fn percent(value: &Value, kwargs: Kwargs) -> Result<String, Error> {
    let digits: Option<u32> = kwargs.get("digits")?;
    kwargs.assert_all_used()?;
    if value.is_none() {
        return Ok(EMPTY.to_owned());
    }
    let number = exact("percent", value)?.times(Decimal::from_integer(100)).ok_or_else(|| too_large("percent"))?;
    Ok(format!("{}%", number.grouped(Some(digits.unwrap_or(1)))))
}

fn total(rows: &Value, column: Option<String>) -> Result<Value, Error> {
    let mut sum = Decimal::ZERO;
    for row in rows.try_iter()? {
        let cell = match &column {
            Some(column) => row.get_attr(column)?,
            None => row,
        };
        if cell.is_undefined() {
            let column = column.unwrap_or_default();
            return Err(Error::new(ErrorKind::InvalidOperation, format!("`{column}` 열이 없는 줄이 있습니다")));
        }
        if !cell.is_none() {
            sum = sum.plus(exact("total", &cell)?).ok_or_else(|| too_large("total"))?;
        }
    }
    Ok(from_decimal(sum))
}

fn share(value: &Value, whole: &Value, kwargs: Kwargs) -> Result<Value, Error> {
    let digits: Option<u32> = kwargs.get("digits")?;
    kwargs.assert_all_used()?;
    let whole = exact("share", whole)?;
    if whole.is_zero() {
        return Err(Error::new(ErrorKind::InvalidOperation, "`share`의 전체가 0입니다"));
    }
    let ratio = exact("share", value)?.over(whole, digits.unwrap_or(4)).ok_or_else(|| too_large("share"))?;
    Ok(from_decimal(ratio))
}

/// Filters for the cells of tables and the labels of charts, named as templates name them.
pub(crate) fn formatted(value: &Value, format: Option<&str>, digits: Option<u32>, unit: &str) -> Result<String, Error> {
    if value.is_none() {
        return Ok(EMPTY.to_owned());
    }
    let plain = |value: &Value| decimal(value).map_or_else(|| value.to_string(), |number| number.grouped(digits));
    Ok(match format {
        Some("won") => format!("{}원", exact("won", value)?.grouped(Some(digits.unwrap_or(0)))),
        Some("eok") => exact("eok", value)?.shifted(8).grouped(Some(digits.unwrap_or(0))),
        Some("percent") => {
            let number =
                exact("percent", value)?.times(Decimal::from_integer(100)).ok_or_else(|| too_large("percent"))?;
            format!("{}%", number.grouped(Some(digits.unwrap_or(1))))
        }
        Some("num") => format!("{}{unit}", exact("num", value)?.grouped(digits)),
        Some("date") => super::written_date(value.as_str().unwrap_or_default()).unwrap_or_else(|| value.to_string()),
        Some("text") => format!("{value}{unit}"),
        Some(other) => {
            return Err(Error::new(
                ErrorKind::InvalidOperation,
                format!("`{other}`은(는) 없는 format입니다. text, num, won, eok, percent, date 가운데 하나를 씁니다"),
            ));
        }
        None if value.kind() == minijinja::value::ValueKind::Number => format!("{}{unit}", plain(value)),
        None => format!("{value}{unit}"),
    })
}

#[cfg(test)]
mod tests {
    use minijinja::context;

    #[track_caller]
    fn check(expression: &str, expected: &str) {
        let environment = crate::language::environment();
        let rows =
            crate::language::values::from_json(&serde_json::json!([{ "a": 0.1, "b": "10.05" }, { "a": 0.2, "b": 3 }]));
        let shown =
            match environment.compile_expression(expression).and_then(|compiled| compiled.eval(context! { rows })) {
                Ok(value) => value.to_string(),
                Err(error) => format!("error: {}", super::super::Fault::new(&error, expression)),
            };
        assert_eq!(shown, expected, "{expression}");
    }

    #[test]
    fn figures_are_shown_as_banks_write_them() {
        check("1234567.5 | num(digits=1)", "1,234,567.5");
        check("1234567 | won", "1,234,567원");
        check("123456789012 | eok", "1,235억원");
        check("-150000000 | eok(digits=1, unit=false)", "△1.5");
        check("0.253 | percent", "25.3%");
        check("none | won", "–");
        check("5 | num(sign=true, unit='%p')", "+5%p");
    }

    #[test]
    fn sums_are_exact() {
        check("rows | total('a')", "0.3");
        check("rows | total('b')", "13.05");
        check("(rows | total('a')) is equals('0.30')", "True");
        check("1 | plus('0.1') | times(3)", "3.3");
        check("1 | share(3)", "0.3333");
        check("rows | selectattr('b', 'over', 5) | list | length", "1");
    }

    #[test]
    fn wrong_values_are_named_by_kind_and_never_shown() {
        check("'비밀' | won", "error: `won`에는 숫자가 와야 하는데 글이 왔습니다 (`won`)");
        check("rows | total('c')", "error: `c` 열이 없는 줄이 있습니다 (`total('c')`)");
        check("1 | share(0)", "error: `share`의 전체가 0입니다 (`share(0)`)");
        check("1 | wan", "error: `wan`이라는 필터가 없습니다");
        check("rows[0].missing.deeper", "error: 없는 값을 썼습니다: `.missing.deeper`");
    }
}
