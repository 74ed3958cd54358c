//! Row rules of a policy: a condition over the table's own columns and the asker's attributes.

use std::collections::{BTreeMap, BTreeSet};

use sqlparser::ast::{BinaryOperator, Expr, UnaryOperator, Value};
use sqlparser::parser::Parser;
use sqlparser::tokenizer::{Token, Tokenizer, Whitespace};

use crate::Dialect;

/// What an asker is, for row rules: everything, or some values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Attribute {
    All,
    Values(Vec<AttributeValue>),
}

/// One value of an attribute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AttributeValue {
    Integer(i64),
    Text(String),
}

/// A rule that was read and checked.
#[derive(Debug, Clone)]
pub struct Condition {
    expression: Expr,
    columns: BTreeSet<String>,
    attributes: BTreeSet<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConditionError {
    #[error("조건을 읽을 수 없습니다")]
    Syntax,
    #[error("조건에 쓸 수 없는 식이 있습니다: {0}")]
    Expression(String),
    #[error("속성 :{0}의 값이 없습니다")]
    Attribute(String),
}

impl Condition {
    /// Reads `branch_id in :branches and status <> 'DRAFT'`.
    pub fn parse(text: &str, dialect: Dialect) -> Result<Self, ConditionError> {
        let tokens = Tokenizer::new(dialect.grammar(), text).tokenize().map_err(|_| ConditionError::Syntax)?;
        let mut parser = Parser::new(dialect.grammar()).with_tokens(bracket_lists(tokens));
        let expression = parser.parse_expr().map_err(|_| ConditionError::Syntax)?;
        if parser.peek_token().token != Token::EOF {
            return Err(ConditionError::Syntax);
        }
        let mut condition = Self { expression, columns: BTreeSet::new(), attributes: BTreeSet::new() };
        let mut names = (BTreeSet::new(), BTreeSet::new());
        collect(&condition.expression, &mut names)?;
        (condition.columns, condition.attributes) = names;
        Ok(condition)
    }

    /// Columns that it names.
    pub fn columns(&self) -> impl Iterator<Item = &str> {
        self.columns.iter().map(String::as_str)
    }

    /// Attributes that it needs.
    pub fn attributes(&self) -> impl Iterator<Item = &str> {
        self.attributes.iter().map(String::as_str)
    }

    /// The condition in the dialect's words, with the attributes of one asker in it.
    pub fn bind(&self, attributes: &BTreeMap<String, Attribute>, dialect: Dialect) -> Result<String, ConditionError> {
        write(&self.expression, attributes, dialect)
    }
}

/// `in :list` becomes `in (:list)`, which is what the grammar knows.
fn bracket_lists(tokens: Vec<Token>) -> Vec<Token> {
    let solid: Vec<Token> = tokens
        .into_iter()
        .filter(|token| !matches!(token, Token::Whitespace(Whitespace::Space | Whitespace::Newline | Whitespace::Tab)))
        .collect();
    let mut bracketed = Vec::with_capacity(solid.len() + 4);
    let mut rest = solid.into_iter().peekable();
    while let Some(token) = rest.next() {
        let is_in = matches!(&token, Token::Word(word) if word.value.eq_ignore_ascii_case("in"));
        bracketed.push(token);
        match rest.peek() {
            Some(Token::Colon) if is_in => {
                bracketed.push(Token::LParen);
                bracketed.extend(rest.next());
                bracketed.extend(rest.next());
                bracketed.push(Token::RParen);
            }
            Some(Token::Placeholder(_)) if is_in => {
                bracketed.push(Token::LParen);
                bracketed.extend(rest.next());
                bracketed.push(Token::RParen);
            }
            _ => {}
        }
    }
    bracketed
}

fn attribute(expression: &Expr) -> Option<&str> {
    match expression {
        Expr::Value(value) => match &value.value {
            Value::Placeholder(name) => name.strip_prefix(':'),
            _ => None,
        },
        _ => None,
    }
}

fn collect(expression: &Expr, names: &mut (BTreeSet<String>, BTreeSet<String>)) -> Result<(), ConditionError> {
    let wrong = || ConditionError::Expression(expression.to_string());
    match expression {
        Expr::Identifier(name) => {
            names.0.insert(name.value.clone());
            Ok(())
        }
        Expr::Value(value) => match &value.value {
            Value::Placeholder(name) => {
                names.1.insert(name.strip_prefix(':').ok_or_else(wrong)?.to_owned());
                Ok(())
            }
            Value::Number(..) | Value::SingleQuotedString(_) | Value::Boolean(_) | Value::Null => Ok(()),
            _ => Err(wrong()),
        },
        Expr::Nested(inner) | Expr::IsNull(inner) | Expr::IsNotNull(inner) => collect(inner, names),
        Expr::UnaryOp { op: UnaryOperator::Not | UnaryOperator::Minus, expr } => collect(expr, names),
        Expr::BinaryOp {
            left,
            op:
                BinaryOperator::And
                | BinaryOperator::Or
                | BinaryOperator::Eq
                | BinaryOperator::NotEq
                | BinaryOperator::Lt
                | BinaryOperator::LtEq
                | BinaryOperator::Gt
                | BinaryOperator::GtEq,
            right,
        } => collect(left, names).and_then(|()| collect(right, names)),
        Expr::InList { expr, list, .. } => {
            collect(expr, names)?;
            list.iter().try_for_each(|item| collect(item, names))
        }
        Expr::Between { expr, low, high, .. } => {
            collect(expr, names)?;
            collect(low, names)?;
            collect(high, names)
        }
        Expr::Like { expr, pattern, escape_char: None, any: false, .. } => {
            collect(expr, names)?;
            collect(pattern, names)
        }
        _ => Err(wrong()),
    }
}

fn write(
    expression: &Expr,
    attributes: &BTreeMap<String, Attribute>,
    dialect: Dialect,
) -> Result<String, ConditionError> {
    let inner = |expression: &Expr| write(expression, attributes, dialect);
    let find = |name: &str| attributes.get(name).ok_or_else(|| ConditionError::Attribute(name.to_owned()));
    Ok(match expression {
        Expr::Identifier(name) => dialect.name(&name.value),
        Expr::Value(value) => match &value.value {
            Value::Placeholder(name) => match find(name.trim_start_matches(':'))? {
                Attribute::Values(values) => match values.as_slice() {
                    [value] => value_text(value, dialect),
                    _ => return Err(ConditionError::Expression(format!("{name}: 값이 하나여야 합니다"))),
                },
                Attribute::All => {
                    return Err(ConditionError::Expression(format!("{name}: \"all\"은 in 뒤에만 쓸 수 있습니다")));
                }
            },
            Value::SingleQuotedString(text) => dialect.text(text),
            other => other.to_string(),
        },
        Expr::Nested(nested) => format!("({})", inner(nested)?),
        Expr::IsNull(nested) => format!("{} IS NULL", inner(nested)?),
        Expr::IsNotNull(nested) => format!("{} IS NOT NULL", inner(nested)?),
        Expr::UnaryOp { op, expr } => format!("{op} {}", inner(expr)?),
        Expr::BinaryOp { left, op, right } => {
            // `= :attribute` with everything allowed is no condition at all.
            if *op == BinaryOperator::Eq && attribute(right).map(find).transpose()? == Some(&Attribute::All) {
                return Ok("1 = 1".to_owned());
            }
            format!("({} {op} {})", inner(left)?, inner(right)?)
        }
        Expr::InList { expr, list, negated } => {
            let mut items = Vec::new();
            for item in list {
                match attribute(item).map(find).transpose()? {
                    Some(Attribute::All) => return Ok(if *negated { "1 = 0" } else { "1 = 1" }.to_owned()),
                    Some(Attribute::Values(values)) => {
                        items.extend(values.iter().map(|value| value_text(value, dialect)))
                    }
                    None => items.push(inner(item)?),
                }
            }
            match (items.is_empty(), negated) {
                (true, false) => "1 = 0".to_owned(),
                (true, true) => "1 = 1".to_owned(),
                (false, _) => {
                    format!("{} {}IN ({})", inner(expr)?, if *negated { "NOT " } else { "" }, items.join(", "))
                }
            }
        }
        Expr::Between { expr, low, high, negated } => {
            format!(
                "{} {}BETWEEN {} AND {}",
                inner(expr)?,
                if *negated { "NOT " } else { "" },
                inner(low)?,
                inner(high)?
            )
        }
        Expr::Like { expr, pattern, negated, .. } => {
            format!("{} {}LIKE {}", inner(expr)?, if *negated { "NOT " } else { "" }, inner(pattern)?)
        }
        other => return Err(ConditionError::Expression(other.to_string())),
    })
}

fn value_text(value: &AttributeValue, dialect: Dialect) -> String {
    match value {
        AttributeValue::Integer(number) => number.to_string(),
        AttributeValue::Text(text) => dialect.text(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(rule: &str, branches: Attribute, expected: &str) {
        let attributes = BTreeMap::from([("branches".to_owned(), branches)]);
        let condition = Condition::parse(rule, Dialect::Sqlite).unwrap();
        assert_eq!(condition.bind(&attributes, Dialect::Sqlite).unwrap(), expected);
    }

    #[test]
    fn an_attribute_is_written_as_literals() {
        let some = Attribute::Values(vec![AttributeValue::Integer(1), AttributeValue::Integer(2)]);
        check("branch_id in :branches", some.clone(), "\"branch_id\" IN (1, 2)");
        check(
            "branch_id in :branches and status <> 'a''b'",
            some.clone(),
            "(\"branch_id\" IN (1, 2) AND (\"status\" <> 'a''b'))",
        );
        check("branch_id in :branches", Attribute::All, "1 = 1");
        check("branch_id not in :branches", Attribute::All, "1 = 0");
        check("branch_id in :branches", Attribute::Values(vec![]), "1 = 0");
    }

    #[test]
    fn a_rule_cannot_call_functions() {
        assert!(matches!(Condition::parse("abs(branch_id) = 1", Dialect::Sqlite), Err(ConditionError::Expression(_))));
        assert_eq!(Condition::parse("branch_id in", Dialect::Sqlite).unwrap_err(), ConditionError::Syntax);
    }
}
