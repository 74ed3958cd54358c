//! What is checked before the parser sees the text, and what is checked on its tokens.
//!
//! Two readers that disagree about where a literal or a comment ends are how a statement hides in
//! another. So what could be read in two ways is refused here, whatever it would have meant.

use sqlparser::keywords::Keyword;
use sqlparser::tokenizer::{Token, TokenWithSpan, Tokenizer, Whitespace};

use crate::limits::{Limits, WORDS_MAX};
use crate::{Dialect, Reason, Refusal};

/// Reads the text into tokens that have one meaning only.
pub(crate) fn tokens(sql: &str, dialect: Dialect, limits: &Limits) -> Result<Vec<TokenWithSpan>, Refusal> {
    if limits.sql_bytes_max < sql.len() {
        return Err(Refusal::new(
            Reason::TooLarge,
            format!("SQL이 {}바이트로 한도 {}바이트를 넘습니다.", sql.len(), limits.sql_bytes_max),
        )
        .hint("조건을 줄이거나 질의를 나누세요."));
    }
    if sql.trim().is_empty() {
        return Err(Refusal::new(Reason::NotOne, "SQL이 비어 있습니다.").hint("SELECT 문 하나를 쓰세요."));
    }
    if let Some(character) = sql.chars().find(|character| is_forbidden_anywhere(*character)) {
        return Err(invisible(character));
    }
    // A carriage return ends a comment for one reader and not for another.
    if sql.as_bytes().windows(2).any(|pair| matches!(pair, [b'\r', next] if *next != b'\n')) || sql.ends_with('\r') {
        return Err(invisible('\r'));
    }
    if dialect == Dialect::MySql && (sql.contains("/*!") || sql.contains("/*M!") || sql.contains("/*m!")) {
        return Err(
            Refusal::new(Reason::Characters, "실행되는 주석(/*! … */)은 쓸 수 없습니다.").hint("주석을 지우세요.")
        );
    }
    if sql.contains("/*+") {
        return Err(
            Refusal::new(Reason::Characters, "최적화 힌트(/*+ … */)는 쓸 수 없습니다.").hint("주석을 지우세요.")
        );
    }
    let tokens = Tokenizer::new(dialect.grammar(), sql)
        .tokenize_with_location()
        .map_err(|error| syntax(&format!("{}행 {}열", error.location.line, error.location.column)))?;
    let mut words = 0_usize;
    for token in &tokens {
        check_token(&token.token, dialect)?;
        words += usize::from(!matches!(
            token.token,
            Token::Whitespace(_) | Token::Comma | Token::Number(..) | Token::SingleQuotedString(_) | Token::EOF
        ));
    }
    if WORDS_MAX < words {
        return Err(Refusal::new(Reason::TooLarge, format!("SQL의 낱말이 {words}개로 한도 {WORDS_MAX}개를 넘습니다."))
            .hint("질의를 나누세요."));
    }
    Ok(expand_table_command(tokens))
}

fn check_token(token: &Token, dialect: Dialect) -> Result<(), Refusal> {
    match token {
        Token::Word(word) => check_word(&word.value, word.quote_style),
        Token::Whitespace(Whitespace::SingleLineComment { comment, .. } | Whitespace::MultiLineComment(comment)) => {
            // Only looked at because a person reviews the text that was sent.
            comment.chars().find(|character| is_invisible(*character)).map_or(Ok(()), |found| Err(invisible(found)))
        }
        Token::UnicodeStringLiteral(_) => Err(Refusal::new(Reason::Characters, "U&'…' 글자는 쓸 수 없습니다.")
            .hint("보통 따옴표 '…' 안에 글자를 그대로 쓰세요.")),
        Token::Char(character) => Err(Refusal::new(
            Reason::Characters,
            format!("{}의 SQL에 쓰이지 않는 글자가 있습니다(U+{:04X}).", dialect.title(), u32::from(*character)),
        )
        .hint("따옴표와 기호를 반각으로 쓰세요.")),
        _ => Ok(()),
    }
}

pub(crate) fn check_word(value: &str, quote: Option<char>) -> Result<(), Refusal> {
    let wrong = match quote {
        None => value.chars().find(|character| !character.is_alphanumeric() && !matches!(character, '_' | '$')),
        // Quotes and backslashes inside a name are read differently by printer and database.
        Some(_) => {
            value.chars().find(|character| is_invisible(*character) || matches!(character, '"' | '`' | '\'' | '\\'))
        }
    };
    if let Some(character) = wrong {
        return Err(invisible(character));
    }
    // Names that the guard makes begin so; nobody else may.
    if value.as_bytes().windows(7).any(|part| part.eq_ignore_ascii_case(b"haechi_")) {
        return Err(
            Refusal::new(Reason::Characters, "haechi_ 로 시작하는 이름은 쓸 수 없습니다.").hint("다른 이름을 쓰세요.")
        );
    }
    Ok(())
}

fn is_forbidden_anywhere(character: char) -> bool {
    matches!(character, '\0' | '\u{FEFF}')
}

/// Characters that take no place on the screen, or turn the order of the others around.
fn is_invisible(character: char) -> bool {
    let control = character.is_control() && !matches!(character, '\n' | '\t' | '\r');
    control
        || matches!(character,
            '\u{00AD}' | '\u{061C}' | '\u{115F}' | '\u{1160}' | '\u{180E}' | '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}'
            | '\u{2060}'..='\u{206F}' | '\u{3164}' | '\u{FFA0}' | '\u{FFF9}'..='\u{FFFB}')
}

fn invisible(character: char) -> Refusal {
    Refusal::new(
        Reason::Characters,
        format!("보이지 않거나 쓸 수 없는 글자가 있습니다(U+{:04X}).", u32::from(character)),
    )
    .hint("그 글자를 지우고 보통 빈칸과 글자로 다시 쓰세요.")
}

pub(crate) fn syntax(place: &str) -> Refusal {
    Refusal::new(Reason::Syntax, format!("SQL을 읽을 수 없습니다({place})."))
        .hint("SELECT 문 하나를 문법에 맞게 쓰세요. 글자는 '…', 이름은 필요하면 따옴표로 감쌉니다.")
}

/// `TABLE name` is `SELECT * FROM name`; the parser knows only the longer form.
fn expand_table_command(tokens: Vec<TokenWithSpan>) -> Vec<TokenWithSpan> {
    let mut solid = tokens.iter().filter(|token| !matches!(token.token, Token::Whitespace(_)));
    let is_table = solid
        .next()
        .is_some_and(|token| matches!(&token.token, Token::Word(word) if word.quote_style.is_none() && word.keyword == Keyword::TABLE));
    let only_a_name =
        solid.all(|token| matches!(token.token, Token::Word(_) | Token::Period | Token::SemiColon | Token::EOF));
    if !is_table || !only_a_name {
        return tokens;
    }
    let mut expanded: Vec<TokenWithSpan> = [
        Token::make_keyword("SELECT"),
        Token::Whitespace(Whitespace::Space),
        Token::Mul,
        Token::Whitespace(Whitespace::Space),
        Token::make_keyword("FROM"),
        Token::Whitespace(Whitespace::Space),
    ]
    .into_iter()
    .map(TokenWithSpan::wrap)
    .collect();
    let rest = tokens.into_iter().skip_while(|token| matches!(token.token, Token::Whitespace(_))).skip(1);
    expanded.extend(rest);
    expanded
}
