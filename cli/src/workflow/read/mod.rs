//! Reads the tree of a workflow file into a [`Workflow`], collecting every mistake on the way.
//!
//! Parts of the format that this version does not run are read, so that their place is known, and
//! refused with a message that says so: a workflow must never half-run.

mod declarations;

use std::collections::BTreeMap;
use std::ops::Range;
use std::time::Duration;

use super::yaml::{Key, Kind, Node};
use super::{
    Action, Approve, Call, Check, Defaults, Foreach, Format, OnError, Output, Previous, Render, Retry, Step, Workflow,
};
use crate::diagnostic::Diagnostic;
use crate::language::Data;
use crate::language::data::Source;
use crate::nearest::nearest;
use indexmap::IndexMap;
use minijinja::Environment;

/// More steps than a person can review are refused.
pub(crate) const STEPS_MAX: usize = 2_000;
/// The bound on calls of a run that says nothing else.
pub(crate) const CALLS_MAX_DEFAULT: usize = 200;
/// The bound that a workflow may ask for.
pub(crate) const CALLS_MAX: usize = 10_000;
pub(crate) const PARALLEL_DEFAULT: usize = 4;
/// More calls at once than this help nobody and hurt the servers.
const PARALLEL_MAX: i64 = 16;
pub(crate) const TIMEOUT_DEFAULT: Duration = Duration::from_secs(60);
/// Longer than any tool call has a reason to take.
const TIMEOUT_MAX: Duration = Duration::from_secs(3_600);
const ATTEMPTS_MAX: i64 = 10;

/// Reads a workflow from its text.
///
/// # Errors
///
/// Every mistake in the shape of the file, in the order of the file.
pub(crate) fn read(source: &str, environment: &Environment<'_>) -> Result<Workflow, Vec<Diagnostic>> {
    let root = super::yaml::parse(source).map_err(|diagnostic| vec![*diagnostic])?;
    let mut reader = Reader { source, environment, mistakes: Vec::new() };
    let workflow = reader.workflow(&root);
    if reader.mistakes.is_empty() {
        Ok(workflow)
    } else {
        reader.mistakes.sort_by_key(|mistake| mistake.span.start);
        Err(reader.mistakes)
    }
}

struct Reader<'source> {
    source: &'source str,
    environment: &'source Environment<'source>,
    mistakes: Vec<Diagnostic>,
}

/// Keys of the format that only later versions run.
const LATER_STEPS: [&str; 3] = ["agent", "ask", "use"];

impl Reader<'_> {
    fn mistake(&mut self, mistake: Diagnostic) {
        self.mistakes.push(mistake);
    }

    fn later(&mut self, span: Range<usize>, what: &str) {
        self.mistake(
            Diagnostic::new(span, format!("`{what}`은(는) 이 버전에서 아직 쓸 수 없습니다"))
                .label("형식에는 있으나 아직 돌지 않습니다"),
        );
    }

    /// The entries of a map, with every key that is not in `known` reported.
    fn map<'node>(&mut self, node: &'node Node, what: &str, known: &[&str]) -> Vec<(&'node Key, &'node Node)> {
        let Kind::Map(entries) = &node.kind else {
            self.mistake(
                Diagnostic::new(node.span.clone(), format!("{what}에는 `이름: 값` 묶음이 와야 합니다"))
                    .label(format!("{} 왔습니다", crate::josa::subject(node.kind_name()))),
            );
            return Vec::new();
        };
        for (key, _) in entries {
            if !known.contains(&key.name.as_str()) {
                self.mistake(
                    Diagnostic::new(key.span.clone(), format!("{what}에 `{}`라는 키는 없습니다", key.name))
                        .label("모르는 키입니다")
                        .near(nearest(&key.name, known.iter().copied()))
                        .help(format!("쓸 수 있는 키: {}", known.join(", "))),
                );
            }
        }
        entries.iter().map(|(key, value)| (key, value)).collect()
    }

    fn wrong_kind(&mut self, node: &Node, what: &str, wanted: &str) {
        self.mistake(
            Diagnostic::new(node.span.clone(), format!("{what}에는 {} 와야 합니다", crate::josa::subject(wanted)))
                .label(format!("{} 왔습니다", crate::josa::subject(node.kind_name()))),
        );
    }

    fn text(&mut self, node: &Node, what: &str) -> Option<String> {
        if let Some(text) = node.text() {
            return Some(text.to_owned());
        }
        self.wrong_kind(node, what, "글");
        None
    }

    fn source_of(&mut self, node: &Node, what: &str) -> Option<Source> {
        // `when: true` is an expression too, so the bytes of the file are the text.
        let text = match &node.kind {
            Kind::Text(text) => text.clone(),
            Kind::Bool(value) => value.to_string(),
            Kind::Number(value) => value.to_string(),
            _ => {
                self.wrong_kind(node, what, "식");
                return None;
            }
        };
        let bare = crate::language::whole_expression(self.environment, &text).unwrap_or(text.trim());
        Some(Source::locate(bare, &node.span, self.source))
    }

    fn number(&mut self, node: &Node, what: &str, range: std::ops::RangeInclusive<i64>) -> Option<i64> {
        let number = match &node.kind {
            Kind::Number(number) => number.as_i64(),
            _ => None,
        };
        if let Some(number) = number.filter(|number| range.contains(number)) {
            return Some(number);
        }
        self.wrong_kind(node, what, &format!("{}부터 {}까지의 정수", range.start(), range.end()));
        None
    }

    fn list<'node>(&mut self, node: &'node Node, what: &str) -> &'node [Node] {
        if let Kind::List(items) = &node.kind {
            return items;
        }
        self.wrong_kind(node, what, "목록");
        &[]
    }

    fn texts(&mut self, node: &Node, what: &str) -> Vec<String> {
        self.list(node, what).iter().filter_map(|item| self.text(item, what)).collect()
    }

    fn duration(&mut self, node: &Node, what: &str) -> Option<Duration> {
        let written = match &node.kind {
            Kind::Number(number) => number.as_u64().map(Duration::from_secs),
            Kind::Text(text) => duration(text),
            _ => None,
        };
        if let Some(value) = written.filter(|value| !value.is_zero() && *value <= TIMEOUT_MAX) {
            return Some(value);
        }
        self.wrong_kind(node, what, "시간(예: 500ms, 30s, 2m; 1시간까지)");
        None
    }

    fn name(&mut self, name: &str, span: &Range<usize>, what: &str, extra: char) -> bool {
        let fine = !name.is_empty()
            && name.len() <= 64
            && name.starts_with(|letter: char| letter.is_ascii_lowercase())
            && name.chars().all(|letter| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == extra);
        if !fine {
            self.mistake(
                Diagnostic::new(
                    span.clone(),
                    format!("{what}은(는) 영문 소문자로 시작하고 소문자, 숫자, `{extra}`만 씁니다"),
                )
                .label("쓸 수 없는 이름입니다"),
            );
        }
        fine
    }

    fn workflow(&mut self, root: &Node) -> Workflow {
        let mut workflow = Workflow {
            name: String::new(),
            title: String::new(),
            owner: None,
            description: None,
            inputs: IndexMap::new(),
            servers: BTreeMap::new(),
            models: BTreeMap::new(),
            calls_max: CALLS_MAX_DEFAULT,
            previous: Previous::None,
            defaults: Defaults { timeout: TIMEOUT_DEFAULT, retry: Retry::NONE, parallel: PARALLEL_DEFAULT },
            steps: Vec::new(),
            outputs: Vec::new(),
        };
        let known = [
            "version",
            "name",
            "title",
            "owner",
            "description",
            "inputs",
            "context",
            "servers",
            "models",
            "policy",
            "defaults",
            "steps",
            "outputs",
        ];
        let entries = self.map(root, "업무 흐름", &known);
        for required in ["version", "name", "steps"] {
            if matches!(root.kind, Kind::Map(_)) && !entries.iter().any(|(key, _)| key.name == required) {
                self.mistake(Diagnostic::new(0..0, format!("`{required}`이(가) 빠졌습니다")).help(
                    if required == "version" {
                        "맨 위에 `version: haechi/v1`을 적으십시오"
                    } else {
                        "반드시 적어야 하는 키입니다"
                    },
                ));
            }
        }
        // Defaults come first wherever they stand, since steps lean on them.
        for (key, node) in &entries {
            match key.name.as_str() {
                "version" if node.text() != Some("haechi/v1") => {
                    let mistake = Diagnostic::new(node.span.clone(), "모르는 형식 버전입니다");
                    self.mistake(mistake.label("`haechi/v1`이어야 합니다"));
                }
                "name" => {
                    if let Some(name) = self.text(node, "name") {
                        self.name(&name, &node.span, "`name`", '-');
                        workflow.name = name;
                    }
                }
                "title" => workflow.title = self.text(node, "title").unwrap_or_default(),
                "owner" => workflow.owner = self.text(node, "owner"),
                "description" => workflow.description = self.text(node, "description"),
                "inputs" => workflow.inputs = self.inputs(node),
                "context" => workflow.previous = self.context(node),
                "servers" => workflow.servers = self.servers(node),
                "models" => workflow.models = self.models(node),
                "policy" => {
                    for (key, node) in self.map(node, "policy", &["calls_max", "models_may_see", "env"]) {
                        if key.name == "calls_max"
                            && let Some(calls) = self.number(node, "calls_max", 1..=10_000)
                        {
                            workflow.calls_max = usize::try_from(calls).unwrap_or(CALLS_MAX);
                        }
                    }
                }
                "defaults" => workflow.defaults = self.defaults(node),
                "steps" => workflow.steps = self.steps(node),
                "outputs" => workflow.outputs = self.outputs(node),
                _ => {}
            }
        }
        if workflow.title.is_empty() {
            workflow.title.clone_from(&workflow.name);
        }
        workflow
    }

    fn steps(&mut self, node: &Node) -> Vec<Step> {
        let items = self.list(node, "steps");
        if items.len() > STEPS_MAX {
            self.mistake(Diagnostic::new(node.span.clone(), format!("단계가 너무 많습니다 (상한 {STEPS_MAX})")));
            return Vec::new();
        }
        let mut steps: Vec<Step> = Vec::with_capacity(items.len());
        for item in items {
            let Some(step) = self.step(item) else { continue };
            if let Some(first) = steps.iter().find(|other| other.id == step.id) {
                let line = self.source[..first.id_span.start].matches('\n').count() + 1;
                self.mistake(
                    Diagnostic::new(step.id_span.clone(), format!("`{}` 단계가 두 번 나옵니다", step.id))
                        .label("이미 있는 이름입니다")
                        .help(format!("처음 나온 곳은 {line}번째 줄입니다")),
                );
            }
            steps.push(step);
        }
        steps
    }

    fn step(&mut self, node: &Node) -> Option<Step> {
        let known = [
            "id", "title", "call", "with", "set", "assert", "render", "data", "model", "prompt", "schema", "ground",
            "agent", "approve", "ask", "use", "when", "reason", "foreach", "as", "parallel", "needs", "timeout",
            "retry", "cache", "expect", "on_error",
        ];
        let entries = self.map(node, "단계", &known);
        if entries.is_empty() {
            return None;
        }
        let find = |name: &str| entries.iter().find(|(key, _)| key.name == name).copied();
        let (id, id_span) = match find("id") {
            Some((_, node)) => {
                let id = self.text(node, "id")?;
                self.name(&id, &node.span, "단계의 이름", '_');
                (id, node.span.clone())
            }
            None => {
                let first = entries.first().map_or(node.span.clone(), |(key, _)| key.span.clone());
                self.mistake(Diagnostic::new(first, "단계에 `id`가 빠졌습니다").label("이 단계입니다"));
                (String::new(), node.span.clone())
            }
        };
        let action = self.action(&entries, &id_span, true)?;
        let foreach = find("foreach").and_then(|(_, node)| {
            let list = self.source_of(node, "foreach")?;
            let name = match find("as") {
                Some((_, node)) => {
                    let name = self.text(node, "as").unwrap_or_default();
                    self.name(&name, &node.span, "`as`의 이름", '_');
                    if ["inputs", "steps", "run", "workflow", "data", "error", "index"].contains(&name.as_str()) {
                        self.mistake(Diagnostic::new(
                            node.span.clone(),
                            format!("`{name}`은(는) 다른 뜻으로 쓰는 이름입니다"),
                        ));
                    }
                    name
                }
                None => "item".to_owned(),
            };
            let parallel = find("parallel").map_or(PARALLEL_DEFAULT, |(_, node)| self.parallel(node));
            Some(Foreach { list, name, parallel })
        });
        if foreach.is_none() {
            for name in ["as", "parallel"] {
                if let Some((key, _)) = find(name) {
                    self.mistake(Diagnostic::new(key.span.clone(), format!("`{name}`은(는) `foreach`와 함께 씁니다")));
                }
            }
        }
        if let Some((key, _)) = find("cache") {
            self.later(key.span.clone(), "cache");
        }
        let needs = find("needs").map(|(_, node)| self.list(node, "needs")).unwrap_or_default();
        Some(Step {
            title: find("title").and_then(|(_, node)| self.text(node, "title")),
            action,
            when: find("when").and_then(|(_, node)| self.source_of(node, "when")),
            reason: find("reason").and_then(|(_, node)| self.text(node, "reason")),
            foreach,
            needs: needs.iter().filter_map(|node| Some((self.text(node, "needs")?, node.span.clone()))).collect(),
            timeout: find("timeout").and_then(|(_, node)| self.duration(node, "timeout")),
            retry: find("retry").map(|(_, node)| self.retry(node)),
            expect: find("expect").map(|(_, node)| node.to_json()),
            expect_span: find("expect").map_or(0..0, |(key, _)| key.span.clone()),
            on_error: find("on_error").and_then(|(_, node)| self.on_error(node, &id_span)),
            id,
            id_span,
        })
    }

    fn on_error(&mut self, node: &Node, id_span: &Range<usize>) -> Option<OnError> {
        if node.text() == Some("continue") {
            return Some(OnError::Continue);
        }
        if !matches!(node.kind, Kind::Map(_)) {
            self.wrong_kind(node, "on_error", "continue 또는 {fallback: …}");
            return None;
        }
        let entries = self.map(node, "on_error", &["fallback"]);
        let (_, fallback) = entries.first()?;
        let entries = self.map(fallback, "fallback", &["call", "with", "set", "render", "data"]);
        self.action(&entries, id_span, false).map(|action| OnError::Fallback(Box::new(action)))
    }

    fn action(&mut self, entries: &[(&Key, &Node)], place: &Range<usize>, asserts: bool) -> Option<Action> {
        let find = |name: &str| entries.iter().find(|(key, _)| key.name == name).copied();
        let names = ["call", "set", "assert", "render", "model", "agent", "approve", "ask", "use"];
        let found: Vec<(&Key, &Node)> = names.iter().filter_map(|name| find(name)).collect();
        let (key, node) = match found.as_slice() {
            // A misspelt action was told already.
            [] if entries.iter().any(|(key, _)| nearest(&key.name, names).is_some()) => return None,
            [] => {
                let wanted = if asserts { "call, set, assert, render, model, approve" } else { "call, set, render" };
                self.mistake(
                    Diagnostic::new(place.clone(), "할 일이 없습니다")
                        .label("이 단계입니다")
                        .help(format!("{wanted} 가운데 하나를 적으십시오")),
                );
                return None;
            }
            [one] => *one,
            [first, second, ..] => {
                self.mistake(
                    Diagnostic::new(second.0.span.clone(), "한 단계에 할 일이 둘입니다")
                        .label(format!("`{}`이(가) 이미 있습니다", first.0.name))
                        .help("단계를 둘로 나누십시오"),
                );
                return None;
            }
        };
        if LATER_STEPS.contains(&key.name.as_str()) {
            self.later(key.span.clone(), &key.name);
            return None;
        }
        for (companion, actions) in [
            ("with", &["call"][..]),
            ("data", &["render", "model"]),
            ("prompt", &["model"]),
            ("schema", &["model"]),
            ("ground", &["model"]),
        ] {
            if let Some((other, _)) = find(companion)
                && !actions.contains(&key.name.as_str())
            {
                let mistake = Diagnostic::new(
                    other.span.clone(),
                    format!("`{companion}`은(는) `{}`과 함께 씁니다", actions.join("`, `")),
                );
                self.mistake(mistake);
            }
        }
        match key.name.as_str() {
            "call" => {
                let written = self.text(node, "call")?;
                let located = Source::locate(&written, &node.span, self.source);
                let Some((server, tool)) =
                    written.split_once('.').filter(|(server, tool)| !server.is_empty() && !tool.is_empty())
                else {
                    self.mistake(
                        Diagnostic::new(node.span.clone(), "`call`에는 `서버.도구`를 적습니다")
                            .help("예: regulations.get_article"),
                    );
                    return None;
                };
                let with = find("with").map(|(_, node)| node);
                if let Some(node) = with
                    && !matches!(node.kind, Kind::Map(_))
                {
                    self.wrong_kind(node, "with", "`이름: 값` 묶음");
                }
                Some(Action::Call(Call {
                    server: server.to_owned(),
                    tool: tool.to_owned(),
                    arguments: with.map_or_else(|| Data::Map(Vec::new()), |node| self.data(node)),
                    span: located.span,
                    with: with.cloned(),
                }))
            }
            "set" => {
                if !matches!(node.kind, Kind::Map(_)) {
                    self.wrong_kind(node, "set", "`이름: 값` 묶음");
                }
                Some(Action::Set(self.data(node)))
            }
            "assert" => Some(Action::Assert(self.checks(node))),
            "approve" => Some(Action::Approve(self.approve(node))),
            "model" => self.model_step(node, &find).map(Action::Model),
            _ => Some(Action::Render(Render {
                template: self.text(node, "render")?,
                span: node.span.clone(),
                data: find("data").map(|(_, node)| self.data(node)),
            })),
        }
    }

    fn data(&mut self, node: &Node) -> Data {
        Data::from_node(self.environment, node, self.source)
    }

    fn approve(&mut self, node: &Node) -> Approve {
        let mut approve = Approve { by: Vec::new(), four_eyes: false, show: Vec::new(), expires: None, message: None };
        for (key, node) in self.map(node, "approve", &["by", "not", "show", "expires", "message"]) {
            match key.name.as_str() {
                "by" => approve.by = self.texts(node, "by"),
                "not" => match node.text() {
                    Some("requester") => approve.four_eyes = true,
                    _ => self.wrong_kind(node, "not", "requester"),
                },
                "show" => {
                    for item in self.list(node, "show") {
                        if let Some(id) = self.text(item, "show") {
                            approve.show.push((id, item.span.clone()));
                        }
                    }
                }
                "expires" => match node.text().and_then(days) {
                    Some(expires) => approve.expires = Some(expires),
                    None => self.wrong_kind(node, "expires", "기간(예: 12h, 7d)"),
                },
                "message" => approve.message = Some(self.data(node)),
                _ => {}
            }
        }
        if approve.show.is_empty() {
            self.mistake(
                Diagnostic::new(node.span.clone(), "무엇을 보고 승인할지 빠졌습니다")
                    .help("`show: [report]`처럼 단계를 적으십시오. 승인은 그 내용에 묶입니다"),
            );
        }
        approve
    }

    fn checks(&mut self, node: &Node) -> Vec<Check> {
        let mut checks = Vec::new();
        for item in self.list(node, "assert") {
            let entries = self.map(item, "점검", &["that", "message", "level"]);
            let find = |name: &str| entries.iter().find(|(key, _)| key.name == name).map(|(_, node)| *node);
            let Some(that) = find("that") else {
                if matches!(item.kind, Kind::Map(_)) {
                    self.mistake(Diagnostic::new(item.span.clone(), "점검에 `that`이 빠졌습니다"));
                }
                continue;
            };
            let Some(that) = self.source_of(that, "that") else { continue };
            let warning = match find("level").map(|node| (node, node.text())) {
                None | Some((_, Some("error"))) => false,
                Some((_, Some("warn"))) => true,
                Some((node, _)) => {
                    self.wrong_kind(node, "level", "error 또는 warn");
                    false
                }
            };
            let message = find("message").map_or_else(
                || Data::Literal(format!("점검이 맞지 않습니다: {}", that.text).into()),
                |node| self.data(node),
            );
            checks.push(Check { that, message, warning });
        }
        checks
    }

    fn outputs(&mut self, node: &Node) -> Vec<Output> {
        let mut outputs = Vec::new();
        for item in self.list(node, "outputs") {
            let entries = self.map(item, "내보내기", &["from", "to", "requires"]);
            let find = |name: &str| entries.iter().find(|(key, _)| key.name == name).copied();
            let (Some((_, from)), Some((_, to))) = (find("from"), find("to")) else {
                if matches!(item.kind, Kind::Map(_)) {
                    self.mistake(Diagnostic::new(item.span.clone(), "내보내기에는 `from`과 `to`가 필요합니다"));
                }
                continue;
            };
            let (Some(step), Some(path)) = (self.text(from, "from"), self.text(to, "to")) else { continue };
            let extension = path.rsplit('.').next().unwrap_or_default().to_lowercase();
            let format = match extension.as_str() {
                "md" => Format::Markdown,
                "html" => Format::Html,
                "json" => Format::Json,
                "csv" => Format::Csv,
                "pdf" | "docx" | "xlsx" => {
                    self.later(to.span.clone(), &format!(".{extension}"));
                    continue;
                }
                _ => {
                    self.mistake(
                        Diagnostic::new(to.span.clone(), "파일의 형식을 알 수 없습니다")
                            .help("확장자: .md, .html, .json, .csv"),
                    );
                    continue;
                }
            };
            let requires =
                find("requires").and_then(|(_, node)| Some((self.text(node, "requires")?, node.span.clone())));
            outputs.push(Output { from: step, from_span: from.span.clone(), to: self.data(to), format, requires });
        }
        outputs
    }
}

/// Reads `12h` or `7d`.
fn days(text: &str) -> Option<Duration> {
    let (number, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let hours: u64 = match unit {
        "h" => number.parse().ok()?,
        "d" => number.parse::<u64>().ok()?.checked_mul(24)?,
        _ => return None,
    };
    (0 < hours && hours <= 24 * 366).then(|| Duration::from_secs(hours * 3_600))
}

/// Reads `500ms`, `30s` or `2m`.
pub(crate) fn duration(text: &str) -> Option<Duration> {
    let text = text.trim();
    let digits = text.find(|letter: char| !letter.is_ascii_digit())?;
    let number: u64 = text[..digits].parse().ok()?;
    match &text[digits..] {
        "ms" => Some(Duration::from_millis(number)),
        "s" => Some(Duration::from_secs(number)),
        "m" => Some(Duration::from_secs(number.checked_mul(60)?)),
        _ => None,
    }
}
