//! Literals and names, written by us.
//!
//! The parser's own printer guesses whether a quote inside a literal is already escaped, and knows
//! nothing of backslashes in MariaDB. So every literal becomes a node that is printed as it is,
//! holding text from [`Dialect::text`].

use sqlparser::ast::{Ident, Value};

use crate::check::{FENCE_MARK, PARAMETER_MARK};
use crate::{Dialect, Options, Reason, Refusal};

/// Rewrites a literal into its one safe spelling.
pub(crate) fn rewrite(
    value: &mut Value,
    dialect: Dialect,
    options: &Options,
    used: &mut Vec<String>,
) -> Result<(), Refusal> {
    let text = match value {
        Value::Number(number, long) => {
            let plain = number.bytes().all(|byte| {
                byte.is_ascii_hexdigit() || matches!(byte, b'.' | b'e' | b'E' | b'+' | b'-' | b'_' | b'x' | b'X')
            });
            return if plain && !*long { Ok(()) } else { Err(Refusal::expression("이 형태의 숫자")) };
        }
        Value::SingleQuotedString(text) | Value::EscapedStringLiteral(text) | Value::NationalStringLiteral(text) => {
            std::mem::take(text)
        }
        Value::DollarQuotedString(dollar) => std::mem::take(&mut dollar.value),
        Value::DoubleQuotedString(text) if dialect == Dialect::MySql => std::mem::take(text),
        Value::HexStringLiteral(digits) => {
            return if digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
                Ok(())
            } else {
                Err(Refusal::expression("이 형태의 16진수"))
            };
        }
        // In PostgreSQL this is a bit string; elsewhere it is something else.
        Value::SingleQuotedByteStringLiteral(bits)
            if dialect == Dialect::Postgres && bits.bytes().all(|bit| matches!(bit, b'0' | b'1')) =>
        {
            return Ok(());
        }
        Value::Boolean(_) | Value::Null => return Ok(()),
        Value::Placeholder(name) => return placeholder(name, options, used),
        Value::DoubleQuotedString(_)
        | Value::TripleSingleQuotedString(_)
        | Value::TripleDoubleQuotedString(_)
        | Value::UnicodeStringLiteral(_)
        | Value::SingleQuotedByteStringLiteral(_)
        | Value::DoubleQuotedByteStringLiteral(_)
        | Value::TripleSingleQuotedByteStringLiteral(_)
        | Value::TripleDoubleQuotedByteStringLiteral(_)
        | Value::SingleQuotedRawStringLiteral(_)
        | Value::DoubleQuotedRawStringLiteral(_)
        | Value::TripleSingleQuotedRawStringLiteral(_)
        | Value::TripleDoubleQuotedRawStringLiteral(_)
        | Value::QuoteDelimitedStringLiteral(_)
        | Value::NationalQuoteDelimitedStringLiteral(_) => return Err(Refusal::expression("이 형태의 글자 상수")),
    };
    if text.contains(['\0', FENCE_MARK, PARAMETER_MARK]) {
        return Err(Refusal::expression("제어 문자가 든 글자 상수"));
    }
    *value = Value::Placeholder(dialect.text(&text));
    Ok(())
}

fn placeholder(name: &mut String, options: &Options, used: &mut Vec<String>) -> Result<(), Refusal> {
    let Some(bare) = name.strip_prefix(':') else {
        return Err(Refusal::new(Reason::Parameter, "변수와 번호 매개변수(@a, ?, $1)는 쓸 수 없습니다.")
            .hint("매개변수는 :이름 으로 쓰고 parameters에 값을 주세요."));
    };
    if !options.parameters.contains_key(bare) {
        return Err(Refusal::new(Reason::Parameter, format!("매개변수 :{bare}의 값이 없습니다."))
            .hint(format!("parameters에 \"{bare}\" 값을 주세요.")));
    }
    let bare = bare.to_owned();
    *name = format!("{PARAMETER_MARK}{bare}{PARAMETER_MARK}");
    if !used.contains(&bare) {
        used.push(bare);
    }
    Ok(())
}

/// Rewrites the quotes of a name into the dialect's own.
///
/// An alias may also have been written as a string, which the check of words has not seen.
pub(crate) fn requote(ident: &mut Ident, dialect: Dialect) -> Result<(), Refusal> {
    crate::lexical::check_word(&ident.value, ident.quote_style)?;
    if ident.quote_style.is_some() {
        ident.quote_style = Some(dialect.quote());
    }
    Ok(())
}

/// A node that prints this text as it is. Only for text that the guard made itself.
pub(crate) fn verbatim(text: String) -> Ident {
    Ident::new(text)
}
