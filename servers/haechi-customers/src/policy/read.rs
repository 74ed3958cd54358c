//! Reading the file: every value with its place, so that every mistake has one.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use haechi_sql::{Attribute, AttributeValue, Condition, Dialect, Mask};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::{ColumnMasks, Place, Policy, PolicyLimits, Role, RowRule};
use crate::Error;

type Item<'t> = (&'t str, Range<usize>, &'t DeValue<'t>, Range<usize>);

struct Reader<'t> {
    text: &'t str,
    file: &'t str,
}

pub(super) fn policy(text: &str, file: &str, dialect: Dialect) -> Result<Policy, Error> {
    let reader = Reader { text, file };
    let document = DeTable::parse(text).map_err(|error| {
        reader.fail(error.span().unwrap_or_default(), format!("TOML을 읽을 수 없습니다: {}", error.message()), None)
    })?;
    let root = document.get_ref();
    let mut policy = Policy {
        file: file.to_owned(),
        default_role: String::new(),
        limits: PolicyLimits::default(),
        roles: BTreeMap::new(),
        masks: BTreeMap::new(),
        rows: BTreeMap::new(),
        comments: BTreeMap::new(),
        classes: BTreeMap::new(),
    };
    let mut version = None;
    let mut default_role = None;
    let mut roles = None;
    for (key, key_span, value, span) in items(root) {
        match key {
            "version" => version = Some(reader.integer(value, span)?),
            "default_role" => default_role = Some((reader.string(value, span.clone())?, span)),
            "limits" => policy.limits = reader.limits(reader.table(value, span)?, PolicyLimits::default(), None)?,
            "roles" => roles = Some(reader.table(value, span)?),
            "mask" => policy.masks = reader.masks(reader.table(value, span)?)?,
            "rows" => policy.rows = reader.rows(reader.table(value, span)?, dialect)?,
            "comments" => policy.comments = reader.strings(reader.table(value, span)?)?,
            "classes" => policy.classes = reader.strings(reader.table(value, span)?)?,
            _ => {
                let known = ["version", "default_role", "limits", "roles", "mask", "rows", "comments", "classes"];
                return Err(reader.unknown(key, key_span, &known));
            }
        }
    }
    if version != Some(1) {
        return Err(reader.fail(0..0, "version = 1 이 있어야 합니다.".to_owned(), None));
    }
    let used: BTreeSet<String> = policy
        .rows
        .values()
        .filter_map(|(rule, _)| match rule {
            RowRule::Where(condition) => Some(condition.attributes().map(str::to_owned)),
            RowRule::All | RowRule::None | RowRule::Via { .. } => None,
        })
        .flatten()
        .collect();
    if let Some(table) = roles {
        for (name, _, value, span) in items(table) {
            let role = reader.role(reader.table(value, span.clone())?, &policy.limits, &used)?;
            for attribute in &used {
                if !role.attributes.contains_key(attribute) {
                    return Err(reader.fail(
                        span,
                        format!("역할 {name}에 속성 {attribute}이(가) 없습니다."),
                        Some(format!("{attribute} = [1] 또는 {attribute} = \"all\"을 더하세요.")),
                    ));
                }
            }
            policy.roles.insert(name.to_owned(), role);
        }
    }
    let Some((default_role, span)) = default_role else {
        return Err(reader.fail(0..0, "default_role이 있어야 합니다.".to_owned(), None));
    };
    if !policy.roles.contains_key(&default_role) {
        return Err(reader.fail(span, format!("역할 {default_role}이(가) [roles]에 없습니다."), None));
    }
    policy.default_role = default_role;
    reader.check_rows(&policy)?;
    Ok(policy)
}

fn items<'t>(table: &'t DeTable<'t>) -> impl Iterator<Item = Item<'t>> {
    table.iter().map(|(key, value): (&Spanned<_>, &Spanned<DeValue<'_>>)| {
        let name: &std::borrow::Cow<'_, str> = key.get_ref();
        (name.as_ref(), key.span(), value.get_ref(), value.span())
    })
}

impl Reader<'_> {
    fn place(&self, span: &Range<usize>) -> Place {
        let before = self.text.get(..span.start).unwrap_or(self.text);
        Place {
            line: before.matches('\n').count() + 1,
            column: before.rsplit('\n').next().unwrap_or_default().chars().count() + 1,
        }
    }

    fn fail(&self, span: Range<usize>, message: String, hint: Option<String>) -> Error {
        let Place { line, column } = self.place(&span);
        Error::Policy { file: self.file.to_owned(), line, column, message, hint }
    }

    fn unknown(&self, key: &str, span: Range<usize>, known: &[&str]) -> Error {
        let near = crate::nearest(key, known.iter().copied());
        let hint =
            near.map_or_else(|| format!("쓸 수 있는 이름: {}", known.join(", ")), |near| format!("혹시 {near}입니까?"));
        self.fail(span, format!("{key}라는 설정은 없습니다."), Some(hint))
    }

    fn table<'t>(&self, value: &'t DeValue<'t>, span: Range<usize>) -> Result<&'t DeTable<'t>, Error> {
        match value {
            DeValue::Table(table) => Ok(table),
            _ => Err(self.fail(span, "표([…])여야 합니다.".to_owned(), None)),
        }
    }

    fn string(&self, value: &DeValue<'_>, span: Range<usize>) -> Result<String, Error> {
        match value {
            DeValue::String(text) => Ok(text.to_string()),
            _ => Err(self.fail(span, "글자(\"…\")여야 합니다.".to_owned(), None)),
        }
    }

    fn integer(&self, value: &DeValue<'_>, span: Range<usize>) -> Result<i64, Error> {
        let number = match value {
            DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix()).ok(),
            _ => None,
        };
        number.ok_or_else(|| self.fail(span, "정수여야 합니다.".to_owned(), None))
    }

    fn bool(&self, value: &DeValue<'_>, span: Range<usize>) -> Result<bool, Error> {
        match value {
            DeValue::Boolean(value) => Ok(*value),
            _ => Err(self.fail(span, "true 또는 false여야 합니다.".to_owned(), None)),
        }
    }

    fn list(&self, value: &DeValue<'_>, span: Range<usize>) -> Result<Vec<String>, Error> {
        match value {
            DeValue::Array(items) => items.iter().map(|item| self.string(item.get_ref(), item.span())).collect(),
            _ => Err(self.fail(span, "글자의 목록([\"…\"])이어야 합니다.".to_owned(), None)),
        }
    }

    fn strings(&self, table: &DeTable<'_>) -> Result<BTreeMap<String, String>, Error> {
        items(table).map(|(key, _, value, span)| Ok((key.to_owned(), self.string(value, span)?))).collect()
    }

    fn limits(
        &self,
        table: &DeTable<'_>,
        start: PolicyLimits,
        ceiling: Option<&PolicyLimits>,
    ) -> Result<PolicyLimits, Error> {
        let mut limits = start;
        for (key, key_span, value, span) in items(table) {
            if !self.limit(&mut limits, key, value, span, ceiling)? {
                return Err(self.unknown(key, key_span, LIMITS));
            }
        }
        Ok(limits)
    }

    /// Sets one limit; answers whether the key is one.
    fn limit(
        &self,
        limits: &mut PolicyLimits,
        key: &str,
        value: &DeValue<'_>,
        span: Range<usize>,
        ceiling: Option<&PolicyLimits>,
    ) -> Result<bool, Error> {
        let pick = |limits: &PolicyLimits| match key {
            "max_rows" => limits.rows_max,
            "max_result_bytes" => limits.result_bytes_max,
            "max_cell_chars" => limits.cell_chars_max,
            "statement_ms" => limits.statement_ms_max,
            "lock_ms" => limits.lock_ms_max,
            "max_sql_bytes" => limits.sql_bytes_max,
            "max_nesting" => limits.nesting_max,
            "max_tables" => limits.tables_max,
            "max_in_items" => limits.in_items_max,
            "max_plan_cost" => limits.plan_cost_max,
            _ => limits.group_min,
        };
        if !LIMITS.contains(&key) {
            return Ok(false);
        }
        let number = u64::try_from(self.integer(value, span.clone())?).ok().filter(|number| 0 < *number);
        let Some(number) = number else {
            return Err(self.fail(span, "1 이상의 정수여야 합니다.".to_owned(), None));
        };
        if let Some(ceiling) = ceiling {
            let wider = if key == "min_group" { number < pick(ceiling) } else { pick(ceiling) < number };
            if wider {
                return Err(self.fail(
                    span,
                    format!("역할은 {key}을(를) [limits]의 {}보다 느슨하게 할 수 없습니다.", pick(ceiling)),
                    None,
                ));
            }
        }
        let slot = match key {
            "max_rows" => &mut limits.rows_max,
            "max_result_bytes" => &mut limits.result_bytes_max,
            "max_cell_chars" => &mut limits.cell_chars_max,
            "statement_ms" => &mut limits.statement_ms_max,
            "lock_ms" => &mut limits.lock_ms_max,
            "max_sql_bytes" => &mut limits.sql_bytes_max,
            "max_nesting" => &mut limits.nesting_max,
            "max_tables" => &mut limits.tables_max,
            "max_in_items" => &mut limits.in_items_max,
            "max_plan_cost" => &mut limits.plan_cost_max,
            _ => &mut limits.group_min,
        };
        *slot = number;
        Ok(true)
    }

    fn role(&self, table: &DeTable<'_>, limits: &PolicyLimits, attributes: &BTreeSet<String>) -> Result<Role, Error> {
        let mut role = Role { limits: *limits, ..Role::default() };
        for (key, key_span, value, span) in items(table) {
            match key {
                "free_sql" => role.free_sql = self.bool(value, span)?,
                "tables" => role.tables = Some(self.list(value, span)?),
                "tables_denied" => role.tables_denied = self.list(value, span)?,
                "unmask" => role.unmask = self.list(value, span)?,
                _ if LIMITS.contains(&key) => {
                    self.limit(&mut role.limits, key, value, span, Some(limits))?;
                }
                // Whatever else a role has must be asked for by a row rule, or it is a slip of the pen.
                _ if attributes.contains(key) => {
                    role.attributes.insert(key.to_owned(), self.attribute(value, span)?);
                }
                _ => {
                    let mut known = vec!["free_sql", "tables", "tables_denied", "unmask"];
                    known.extend(LIMITS);
                    known.extend(attributes.iter().map(String::as_str));
                    return Err(self.unknown(key, key_span, &known));
                }
            }
        }
        Ok(role)
    }

    fn attribute(&self, value: &DeValue<'_>, span: Range<usize>) -> Result<Attribute, Error> {
        match value {
            DeValue::String(text) if text.as_ref() == "all" => Ok(Attribute::All),
            DeValue::Array(items) => {
                let values = items.iter().map(|item| self.attribute_value(item.get_ref(), item.span()));
                Ok(Attribute::Values(values.collect::<Result<_, _>>()?))
            }
            other => Ok(Attribute::Values(vec![self.attribute_value(other, span)?])),
        }
    }

    fn attribute_value(&self, value: &DeValue<'_>, span: Range<usize>) -> Result<AttributeValue, Error> {
        match value {
            DeValue::String(text) => Ok(AttributeValue::Text(text.to_string())),
            DeValue::Integer(_) => self.integer(value, span).map(AttributeValue::Integer),
            _ => Err(self.fail(span, "글자나 정수여야 합니다.".to_owned(), None)),
        }
    }

    fn masks(&self, table: &DeTable<'_>) -> Result<BTreeMap<String, ColumnMasks>, Error> {
        let mut masks = BTreeMap::new();
        for (name, _, value, span) in items(table) {
            let mut columns = BTreeMap::new();
            for (column, key_span, value, span) in items(self.table(value, span)?) {
                let place = self.place(&key_span);
                columns.insert(column.to_owned(), (self.mask(name, column, value, span)?, place));
            }
            masks.insert(name.to_owned(), columns);
        }
        Ok(masks)
    }

    fn mask(&self, table: &str, column: &str, value: &DeValue<'_>, span: Range<usize>) -> Result<Mask, Error> {
        let empty = DeTable::new();
        let (kind, kind_span, arguments) = match value {
            DeValue::String(kind) => (kind.to_string(), span.clone(), &empty),
            DeValue::Table(arguments) => {
                let kind = items(arguments).find(|(key, ..)| *key == "kind");
                let Some((_, _, kind, kind_span)) = kind else {
                    return Err(self.fail(span, "kind가 있어야 합니다.".to_owned(), None));
                };
                (self.string(kind, kind_span.clone())?, kind_span, arguments)
            }
            _ => return Err(self.fail(span, "글자나 표여야 합니다.".to_owned(), None)),
        };
        let allowed: &[&str] = match kind.as_str() {
            "redact" => &["kind", "value"],
            "partial" => &["kind", "keep_first", "keep_last", "keep_domain", "fill"],
            "token" => &["kind", "prefix"],
            "bucket" => &["kind", "size"],
            "json" => &["kind", "allow"],
            "year" | "null" | "deny" | "scan" | "aggregate" => &["kind"],
            other => {
                let kinds =
                    ["redact", "partial", "token", "bucket", "json", "year", "null", "deny", "scan", "aggregate"];
                let near = crate::nearest(other, kinds.into_iter());
                let hint = near.map_or_else(
                    || format!("쓸 수 있는 가림: {}", kinds.join(", ")),
                    |near| format!("혹시 {near}입니까?"),
                );
                return Err(self.fail(kind_span, format!("{other}라는 가림은 없습니다."), Some(hint)));
            }
        };
        let mut value_text = "[비공개]".to_owned();
        let (mut first, mut last, mut domain, mut fill) = (0_u32, 0_u32, false, '*');
        let mut prefix = None;
        let mut size = None;
        let mut allow = None;
        for (key, key_span, value, span) in items(arguments) {
            let small = |reader: &Self| {
                reader.integer(value, span.clone()).and_then(|number| {
                    u32::try_from(number)
                        .ok()
                        .filter(|number| *number <= 64)
                        .ok_or_else(|| reader.fail(span.clone(), "0에서 64 사이의 정수여야 합니다.".to_owned(), None))
                })
            };
            match key {
                _ if !allowed.contains(&key) => return Err(self.unknown(key, key_span, allowed)),
                "value" => value_text = self.string(value, span)?,
                "keep_first" => first = small(self)?,
                "keep_last" => last = small(self)?,
                "keep_domain" => domain = self.bool(value, span)?,
                "fill" => {
                    let text = self.string(value, span.clone())?;
                    let mut characters = text.chars();
                    fill = match (characters.next(), characters.next()) {
                        (Some(fill), None) => fill,
                        _ => return Err(self.fail(span, "한 글자여야 합니다.".to_owned(), None)),
                    };
                }
                "prefix" => prefix = Some(self.string(value, span)?),
                "size" => {
                    let written = match value {
                        DeValue::Integer(number) => number.as_str().to_owned(),
                        DeValue::Float(number) => number.as_str().to_owned(),
                        _ => return Err(self.fail(span, "숫자여야 합니다.".to_owned(), None)),
                    };
                    let plain = written.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
                    if !plain || written.parse::<f64>().is_ok_and(|number| number <= 0.0) {
                        return Err(self.fail(span, "0보다 큰 십진수여야 합니다.".to_owned(), None));
                    }
                    size = Some(written);
                }
                "allow" => allow = Some(self.list(value, span)?),
                _ => {}
            }
        }
        Ok(match kind.as_str() {
            "redact" => Mask::Redact { value: value_text },
            "partial" => {
                if first == 0 && last == 0 && !domain {
                    let hint = Some("전부 가리려면 \"redact\"를 쓰세요.".to_owned());
                    return Err(self.fail(
                        span,
                        "keep_first, keep_last, keep_domain 가운데 하나가 있어야 합니다.".to_owned(),
                        hint,
                    ));
                }
                Mask::Partial { keep_first: first, keep_last: last, keep_domain: domain, fill }
            }
            "token" => Mask::Token { prefix: prefix.unwrap_or_else(|| format!("{table}.{column}_")) },
            "bucket" => match size {
                Some(size) => Mask::Bucket { size },
                None => return Err(self.fail(span, "size가 있어야 합니다.".to_owned(), None)),
            },
            "json" => Mask::Json { allow: allow.unwrap_or_default() },
            "year" => Mask::Year,
            "null" => Mask::Null,
            "scan" => Mask::Scan,
            "aggregate" => Mask::Aggregate,
            _ => Mask::Deny,
        })
    }

    fn rows(&self, table: &DeTable<'_>, dialect: Dialect) -> Result<BTreeMap<String, (RowRule, Place)>, Error> {
        let mut rows = BTreeMap::new();
        for (name, key_span, value, span) in items(table) {
            let rule = match value {
                DeValue::String(text) => match text.as_ref() {
                    "all" => RowRule::All,
                    "none" => RowRule::None,
                    condition => RowRule::Where(Box::new(Condition::parse(condition, dialect).map_err(|error| {
                        self.fail(
                            span,
                            format!("행 규칙: {error}"),
                            Some("\"branch_id in :branches\"처럼 쓰세요.".to_owned()),
                        )
                    })?)),
                },
                DeValue::Table(path) => self.via(path, span)?,
                _ => return Err(self.fail(span, "글자나 { via = \"표.열\" }이어야 합니다.".to_owned(), None)),
            };
            rows.insert(name.to_owned(), (rule, self.place(&key_span)));
        }
        Ok(rows)
    }

    fn via(&self, path: &DeTable<'_>, span: Range<usize>) -> Result<RowRule, Error> {
        let mut via = None;
        let mut own = None;
        for (key, key_span, value, span) in items(path) {
            match key {
                "via" => via = Some(self.string(value, span)?),
                "column" => own = Some(self.string(value, span)?),
                _ => return Err(self.unknown(key, key_span, &["via", "column"])),
            }
        }
        let parts = via.as_deref().and_then(|via| via.split_once('.'));
        let Some((table, parent_column)) = parts else {
            return Err(self.fail(span, "via = \"표.열\"이 있어야 합니다.".to_owned(), None));
        };
        Ok(RowRule::Via {
            table: table.to_owned(),
            parent_column: parent_column.to_owned(),
            column: own.unwrap_or_else(|| parent_column.to_owned()),
        })
    }

    /// Paths must lead to a rule and never in a circle.
    fn check_rows(&self, policy: &Policy) -> Result<(), Error> {
        for (name, (_, place)) in &policy.rows {
            let mut at = name.clone();
            let mut steps = 0;
            while let Some((RowRule::Via { table, .. }, _)) = policy.rows.get(&at) {
                steps += 1;
                let wrong = if !policy.rows.contains_key(table) {
                    Some(format!("표 {table}에 행 규칙이 없습니다."))
                } else if policy.rows.len() < steps {
                    Some(format!("{name}의 via가 제자리로 돌아옵니다."))
                } else {
                    None
                };
                if let Some(message) = wrong {
                    return Err(Error::Policy {
                        file: self.file.to_owned(),
                        line: place.line,
                        column: place.column,
                        message,
                        hint: Some("[rows]에 그 표의 규칙을 더하거나 via를 고치세요.".to_owned()),
                    });
                }
                at = table.clone();
            }
        }
        Ok(())
    }
}

const LIMITS: &[&str] = &[
    "max_rows",
    "max_result_bytes",
    "max_cell_chars",
    "statement_ms",
    "lock_ms",
    "max_sql_bytes",
    "max_nesting",
    "max_tables",
    "max_in_items",
    "max_plan_cost",
    "min_group",
];
