//! Masks, written as expressions of each dialect so that they stand inside the fence.
//!
//! PostgreSQL and MariaDB have the functions that the masks need. SQLite has none of them, so the
//! program that owns the connection registers `haechi_token`, `haechi_scan`, `haechi_json`,
//! `haechi_partial` and `haechi_bucket`; a caller cannot name them, since the list of functions
//! does not have them.

use crate::{ColumnType, Dialect};

/// What happens to a protected column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mask {
    /// A constant.
    Redact {
        value: String,
    },
    Null,
    /// The year of a date.
    Year,
    /// The lower bound of a bucket of this size; a decimal number without a sign.
    Bucket {
        size: String,
    },
    /// Some characters stay, the others become the fill character.
    Partial {
        keep_first: u32,
        keep_last: u32,
        keep_domain: bool,
        fill: char,
    },
    /// A keyed pseudonym; columns with the same prefix share pseudonyms.
    Token {
        prefix: String,
    },
    /// Free text: personal data inside it is replaced.
    Scan,
    /// A JSON object: only these keys stay.
    Json {
        allow: Vec<String>,
    },
    /// Only inside an aggregate over enough people.
    Aggregate,
    /// The column does not exist.
    Deny,
}

/// The name of a mask, without its arguments.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum MaskKind {
    Redact,
    Null,
    Year,
    Bucket,
    Partial,
    Token,
    Scan,
    Json,
    Aggregate,
    Deny,
}

impl MaskKind {
    pub const ALL: [Self; 10] = [
        Self::Redact,
        Self::Null,
        Self::Year,
        Self::Bucket,
        Self::Partial,
        Self::Token,
        Self::Scan,
        Self::Json,
        Self::Aggregate,
        Self::Deny,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Redact => "redact",
            Self::Null => "null",
            Self::Year => "year",
            Self::Bucket => "bucket",
            Self::Partial => "partial",
            Self::Token => "token",
            Self::Scan => "scan",
            Self::Json => "json",
            Self::Aggregate => "aggregate",
            Self::Deny => "deny",
        }
    }
}

/// A set of mask kinds: what an expression was made from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub struct Masks(u16);

impl Masks {
    pub const NONE: Self = Self(0);

    pub fn of(kind: MaskKind) -> Self {
        Self(1 << (kind as u16))
    }

    #[must_use]
    pub fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    pub fn kinds(self) -> impl Iterator<Item = MaskKind> {
        MaskKind::ALL.into_iter().filter(move |kind| self.0 & (1 << (*kind as u16)) != 0)
    }
}

/// Patterns of personal data in free text, for the regular expressions of PostgreSQL and MariaDB.
/// The order matters: a longer number is named before a shorter one could eat a part of it.
/// Full-width digits count as digits, since they read the same.
const PATTERNS: &[(&str, &str)] = &[
    (r"[A-Za-z0-9._%+-]+@[A-Za-z0-9.-]+", "[이메일]"),
    (r"[0-9０-９]{6}[-－–— ]?[1-80９０1-8][0-9０-９]{6}", "[주민등록번호]"),
    (r"[0-9０-９]{4}[-－–— ]?[0-9０-９]{4}[-－–— ]?[0-9０-９]{4}[-－–— ]?[0-9０-９]{1,7}", "[카드번호]"),
    (r"[0-9０-９]{2}-[0-9０-９]{2}-[0-9０-９]{6}-[0-9０-９]{2}", "[운전면허번호]"),
    (r"[0０][0-9０-９]{1,2}[-－–—. ]?[0-9０-９]{3,4}[-－–—. ]?[0-9０-９]{4}", "[전화번호]"),
    (r"[0-9０-９]{2,6}[-－–—][0-9０-９]{2,6}([-－–—][0-9０-９]{1,7})+", "[계좌번호]"),
    (r"[0-9０-９]{9,}", "[번호]"),
    (r"[MSRODGmsrodg][0-9]{3}[A-Za-z0-9][0-9]{4}", "[여권번호]"),
    (r"[가-힣]+(시|도) [가-힣]+(구|군|시) [가-힣0-9]+(로|길) ?[0-9-]+[0-9, 가-힣-]*(동|호|층)?", "[주소]"),
    (
        r"[김이박최정강조윤장임한오서신권황안송류홍전고문양손배백허유남심노하곽성차주우구나진지엄채원천방공현함변염여추도소석선설마길연위표명기반라왕금옥육인맹제모탁국어은편용][가-힣]{1,2} ?(님|씨|고객)",
        "[성명]",
    ),
];

/// What a scanned text shows where personal data stood; shared with the scanner of SQLite.
impl Mask {
    pub fn kind(&self) -> MaskKind {
        match self {
            Self::Redact { .. } => MaskKind::Redact,
            Self::Null => MaskKind::Null,
            Self::Year => MaskKind::Year,
            Self::Bucket { .. } => MaskKind::Bucket,
            Self::Partial { .. } => MaskKind::Partial,
            Self::Token { .. } => MaskKind::Token,
            Self::Scan => MaskKind::Scan,
            Self::Json { .. } => MaskKind::Json,
            Self::Aggregate => MaskKind::Aggregate,
            Self::Deny => MaskKind::Deny,
        }
    }

    /// The expression that stands for the column inside the fence. `column` is already quoted.
    /// Columns that may not be seen at all have none.
    pub(crate) fn expression(&self, dialect: Dialect, column: &str, data_type: ColumnType) -> Option<String> {
        let text = |value: &str| dialect.text(value);
        let unless_null = |value: String| format!("CASE WHEN {column} IS NULL THEN NULL ELSE {value} END");
        Some(match self {
            Self::Deny | Self::Aggregate => return None,
            Self::Null => "NULL".to_owned(),
            Self::Redact { value } => unless_null(text(value)),
            Self::Year => match dialect {
                // The last day stands for the year, so that nobody is thought older than they are.
                Dialect::Sqlite => format!("substr({column}, 1, 4) || '-12-31'"),
                Dialect::Postgres => format!("make_date(EXTRACT(YEAR FROM {column})::int, 12, 31)"),
                Dialect::MySql => format!("CAST(CONCAT(YEAR({column}), '-12-31') AS DATE)"),
            },
            Self::Bucket { size } => match dialect {
                Dialect::Sqlite => format!("haechi_bucket({column}, {})", text(size)),
                Dialect::Postgres | Dialect::MySql => format!("floor({column} / {size}) * {size}"),
            },
            Self::Partial { keep_first, keep_last, keep_domain, fill } => {
                partial(dialect, column, *keep_first, *keep_last, *keep_domain, *fill)
            }
            Self::Token { prefix } => match dialect {
                Dialect::Sqlite => format!("haechi_token({}, {column})", text(prefix)),
                Dialect::Postgres => unless_null(format!(
                    "{} || left(encode(sha256(decode(current_setting('haechi.outer'), 'hex') || \
                     sha256(decode(current_setting('haechi.inner'), 'hex') || convert_to({} || {column}::text, 'UTF8'))), 'hex'), 16)",
                    text(prefix),
                    text(&format!("{prefix}\n")),
                )),
                Dialect::MySql => unless_null(format!(
                    "CONCAT({}, LEFT(SHA2(CONCAT(UNHEX(@haechi_outer), UNHEX(SHA2(CONCAT(UNHEX(@haechi_inner), \
                     CAST(CONCAT({}, {column}) AS BINARY)), 256))), 256), 16))",
                    text(prefix),
                    text(&format!("{prefix}\n")),
                )),
            },
            Self::Scan => match dialect {
                Dialect::Sqlite => format!("haechi_scan({column})"),
                Dialect::Postgres => PATTERNS.iter().fold(format!("{column}::text"), |inner, (pattern, label)| {
                    format!("regexp_replace({inner}, {}, {}, 'g')", text(pattern), text(label))
                }),
                Dialect::MySql => PATTERNS.iter().fold(column.to_owned(), |inner, (pattern, label)| {
                    format!("REGEXP_REPLACE({inner}, {}, {})", text(pattern), text(label))
                }),
            },
            Self::Json { allow } => match dialect {
                Dialect::Sqlite => format!("haechi_json({column}, {})", text(&allow.join("\n"))),
                Dialect::Postgres => {
                    let (document, back) = match data_type {
                        ColumnType::JsonBinary => (column.to_owned(), ""),
                        ColumnType::Json => (format!("{column}::jsonb"), "::json"),
                        ColumnType::Text
                        | ColumnType::Number
                        | ColumnType::Date
                        | ColumnType::Timestamp
                        | ColumnType::Other => (format!("{column}::jsonb"), ""),
                    };
                    let keys: Vec<String> = allow.iter().map(|key| text(key)).collect();
                    format!(
                        "CASE WHEN jsonb_typeof({document}) = 'object' THEN (SELECT coalesce(jsonb_object_agg(k, v), \
                         '{{}}'::jsonb) FROM jsonb_each({document}) AS haechi_e(k, v) WHERE k IN ({})){back} END",
                        if keys.is_empty() { "NULL".to_owned() } else { keys.join(", ") }
                    )
                }
                Dialect::MySql => {
                    let members: Vec<String> = allow
                        .iter()
                        .map(|key| {
                            let path = format!("$.\"{}\"", key.replace(['"', '\\'], ""));
                            format!("{}, JSON_EXTRACT({column}, {})", text(key), text(&path))
                        })
                        .collect();
                    unless_null(format!("JSON_OBJECT({})", members.join(", ")))
                }
            },
        })
    }
}

fn partial(dialect: Dialect, column: &str, first: u32, last: u32, domain: bool, fill: char) -> String {
    let fill_text = dialect.text(&fill.to_string());
    let stars = dialect.text(&fill.to_string().repeat(3));
    match dialect {
        Dialect::Sqlite => format!("haechi_partial({column}, {first}, {last}, {}, {fill_text})", i32::from(domain)),
        Dialect::Postgres if domain => {
            format!(
                "CASE WHEN strpos({column}::text, '@') > 0 THEN {stars} || substr({column}::text, strpos({column}::text, '@')) WHEN {column} IS NOT NULL THEN {stars} END"
            )
        }
        Dialect::MySql if domain => {
            format!(
                "CASE WHEN LOCATE('@', {column}) > 0 THEN CONCAT({stars}, SUBSTRING({column}, LOCATE('@', {column}))) WHEN {column} IS NOT NULL THEN {stars} END"
            )
        }
        // A value no longer than what may stay would stay whole, so it is hidden whole.
        Dialect::Postgres => format!(
            "CASE WHEN char_length({column}::text) > {kept} THEN left({column}::text, {first}) || \
             regexp_replace(substr({column}::text, {first} + 1, char_length({column}::text) - {kept}), '[^- ]', {fill_text}, 'g') || \
             right({column}::text, {last}) WHEN {column} IS NOT NULL THEN {stars} END",
            kept = first + last,
        ),
        Dialect::MySql => format!(
            "CASE WHEN CHAR_LENGTH({column}) > {kept} THEN CONCAT(LEFT({column}, {first}), \
             REGEXP_REPLACE(SUBSTRING({column}, {first} + 1, CHAR_LENGTH({column}) - {kept}), '[^- ]', {fill_text}), \
             RIGHT({column}, {last})) WHEN {column} IS NOT NULL THEN {stars} END",
            kept = first + last,
        ),
    }
}
