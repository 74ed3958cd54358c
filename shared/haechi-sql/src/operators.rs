//! Operators, date units, collations and regular expressions that a statement may use.

use sqlparser::ast::{BinaryOperator, DateTimeField, ObjectName, ObjectNamePart};

use crate::{Dialect, Reason, Refusal};

/// Whether a repeated group holds a repetition: the shape that makes a regular expression explode.
pub(crate) fn repeats_multiply(pattern: &str) -> bool {
    let mut groups: Vec<bool> = Vec::new();
    let mut characters = pattern.chars().peekable();
    let mut in_class = false;
    while let Some(character) = characters.next() {
        match character {
            '\\' => {
                characters.next();
            }
            '[' => in_class = true,
            ']' => in_class = false,
            _ if in_class => {}
            '(' => groups.push(false),
            ')' => {
                let inner = groups.pop().unwrap_or(false);
                let repeated = matches!(characters.peek(), Some('*' | '+' | '{' | '?'));
                if inner && repeated {
                    return true;
                }
                if let Some(outer) = groups.last_mut() {
                    *outer |= inner || repeated;
                }
            }
            '*' | '+' | '{' => {
                if let Some(group) = groups.last_mut() {
                    *group = true;
                }
            }
            _ => {}
        }
    }
    false
}

pub(crate) fn is_pattern(op: &BinaryOperator) -> bool {
    matches!(
        op,
        BinaryOperator::PGRegexMatch
            | BinaryOperator::PGRegexIMatch
            | BinaryOperator::PGRegexNotMatch
            | BinaryOperator::PGRegexNotIMatch
    )
}

/// Refuses operators that are not on the list; answers whether the operator can fail on a row.
pub(crate) fn check_operator(op: &BinaryOperator, dialect: Dialect) -> Result<bool, Refusal> {
    let postgres = dialect == Dialect::Postgres;
    let (allowed, can_fail) = match op {
        BinaryOperator::Gt
        | BinaryOperator::Lt
        | BinaryOperator::GtEq
        | BinaryOperator::LtEq
        | BinaryOperator::Eq
        | BinaryOperator::NotEq
        | BinaryOperator::And
        | BinaryOperator::Or
        | BinaryOperator::StringConcat => (true, false),
        BinaryOperator::Plus
        | BinaryOperator::Minus
        | BinaryOperator::Multiply
        | BinaryOperator::Divide
        | BinaryOperator::Modulo => (true, dialect != Dialect::Sqlite),
        BinaryOperator::BitwiseOr | BinaryOperator::BitwiseAnd => (true, postgres),
        BinaryOperator::BitwiseXor => (dialect == Dialect::MySql, true),
        BinaryOperator::Xor | BinaryOperator::Spaceship | BinaryOperator::MyIntegerDivide => {
            (dialect == Dialect::MySql, true)
        }
        BinaryOperator::Glob => (dialect == Dialect::Sqlite, false),
        BinaryOperator::Arrow | BinaryOperator::LongArrow => (true, true),
        BinaryOperator::PGBitwiseXor | BinaryOperator::PGBitwiseShiftLeft | BinaryOperator::PGBitwiseShiftRight => {
            (true, true)
        }
        BinaryOperator::PGExp
        | BinaryOperator::PGOverlap
        | BinaryOperator::PGRegexMatch
        | BinaryOperator::PGRegexIMatch
        | BinaryOperator::PGRegexNotMatch
        | BinaryOperator::PGRegexNotIMatch
        | BinaryOperator::PGLikeMatch
        | BinaryOperator::PGILikeMatch
        | BinaryOperator::PGNotLikeMatch
        | BinaryOperator::PGNotILikeMatch
        | BinaryOperator::PGStartsWith
        | BinaryOperator::HashArrow
        | BinaryOperator::HashLongArrow
        | BinaryOperator::AtArrow
        | BinaryOperator::ArrowAt
        | BinaryOperator::HashMinus
        | BinaryOperator::Question
        | BinaryOperator::QuestionAnd
        | BinaryOperator::QuestionPipe
        | BinaryOperator::Overlaps => (postgres, true),
        BinaryOperator::DuckIntegerDivide
        | BinaryOperator::Match
        | BinaryOperator::Regexp
        | BinaryOperator::Custom(_)
        | BinaryOperator::PGCustomBinaryOperator(_)
        | BinaryOperator::AtAt
        | BinaryOperator::AtQuestion
        | BinaryOperator::DoubleHash
        | BinaryOperator::LtDashGt
        | BinaryOperator::AndLt
        | BinaryOperator::AndGt
        | BinaryOperator::LtLtPipe
        | BinaryOperator::PipeGtGt
        | BinaryOperator::AndLtPipe
        | BinaryOperator::PipeAndGt
        | BinaryOperator::LtCaret
        | BinaryOperator::GtCaret
        | BinaryOperator::QuestionHash
        | BinaryOperator::QuestionDash
        | BinaryOperator::QuestionDashPipe
        | BinaryOperator::QuestionDoublePipe
        | BinaryOperator::At
        | BinaryOperator::TildeEq
        | BinaryOperator::Assignment => (false, false),
    };
    if allowed {
        Ok(can_fail)
    } else {
        Err(Refusal::new(Reason::Expression, format!("{}에서 연산자 {op}은(는) 쓸 수 없습니다.", dialect.title())))
    }
}

pub(crate) fn check_field(field: &DateTimeField) -> Result<(), Refusal> {
    match field {
        DateTimeField::Custom(name) => crate::lexical::check_word(&name.value, None).and_then(|()| {
            let known =
                ["year_month", "day_hour", "day_minute", "day_second", "hour_minute", "hour_second", "minute_second"];
            if known.iter().any(|known| name.value.eq_ignore_ascii_case(known)) && name.quote_style.is_none() {
                Ok(())
            } else {
                Err(Refusal::expression("이 날짜 단위"))
            }
        }),
        DateTimeField::Week(Some(_)) => Err(Refusal::expression("WEEK(…)")),
        // The others are words of the parser's own list.
        _ => Ok(()),
    }
}

pub(crate) fn check_collation(collation: &ObjectName, dialect: Dialect) -> Result<(), Refusal> {
    let known: &[&str] = match dialect {
        Dialect::Sqlite => &["nocase", "binary", "rtrim"],
        Dialect::Postgres => &["c", "posix", "default", "und-x-icu", "ko-x-icu", "ko_kr", "ko_kr.utf8", "en_us.utf8"],
        Dialect::MySql => &[
            "utf8mb4_bin",
            "utf8mb4_general_ci",
            "utf8mb4_unicode_ci",
            "utf8mb4_0900_ai_ci",
            "utf8mb4_uca1400_ai_ci",
            "binary",
        ],
    };
    match collation.0.as_slice() {
        [ObjectNamePart::Identifier(name)] if known.iter().any(|known| name.value.eq_ignore_ascii_case(known)) => {
            Ok(())
        }
        _ => Err(Refusal::expression("이 COLLATE").hint(format!("{} 가운데 쓰세요.", known.join(", ")))),
    }
}
