//! What stands before the steps: inputs, servers, defaults, context.

use std::collections::BTreeMap;

use indexmap::IndexMap;
use serde_json::Value;

use super::{ATTEMPTS_MAX, PARALLEL_DEFAULT, PARALLEL_MAX, Reader, TIMEOUT_DEFAULT};
use crate::diagnostic::Diagnostic;
use crate::language::Data;
use crate::nearest::nearest;
use crate::workflow::inputs::{Input, InputKind};
use crate::workflow::yaml::{Key, Kind, Node};
use crate::workflow::{Defaults, Model, ModelStep, Previous, Retry, Server};

impl Reader<'_> {
    pub(super) fn context(&mut self, node: &Node) -> Previous {
        let mut previous = Previous::None;
        for (key, node) in self.map(node, "context", &["previous"]) {
            if key.name == "previous" {
                previous = match self.text(node, "previous").as_deref() {
                    None | Some("none") => Previous::None,
                    Some("last") => Previous::Last,
                    Some("last_approved") => Previous::LastApproved,
                    Some(run) if run.len() == 26 => Previous::Run(run.to_owned()),
                    Some(_) => {
                        self.wrong_kind(node, "previous", "none, last, last_approved 또는 실행 ID");
                        Previous::None
                    }
                };
            }
        }
        previous
    }

    pub(super) fn inputs(&mut self, node: &Node) -> IndexMap<String, Input> {
        let Kind::Map(entries) = &node.kind else {
            self.wrong_kind(node, "inputs", "`이름: {종류}` 묶음");
            return IndexMap::new();
        };
        let mut inputs = IndexMap::new();
        for (key, node) in entries {
            self.name(&key.name, &key.span, "입력의 이름", '_');
            if let Some(input) = self.input(node) {
                inputs.insert(key.name.clone(), input);
            }
        }
        inputs
    }

    pub(super) fn input(&mut self, node: &Node) -> Option<Input> {
        let known = [
            "type",
            "default",
            "prompt",
            "description",
            "examples",
            "enum",
            "pattern",
            "min_length",
            "max_length",
            "minimum",
            "maximum",
            "extensions",
        ];
        let entries = self.map(node, "입력", &known);
        let find = |name: &str| entries.iter().find(|(key, _)| key.name == name).map(|(_, node)| *node);
        let Some(kind_node) = find("type") else {
            if matches!(node.kind, Kind::Map(_)) {
                self.mistake(Diagnostic::new(node.span.clone(), "입력에 `type`이 빠졌습니다"));
            }
            return None;
        };
        let kinds = ["string", "integer", "number", "boolean", "date", "file"];
        let number = |node: Option<&Node>| match node.map(|node| &node.kind) {
            Some(Kind::Number(number)) => Some(number.clone()),
            _ => None,
        };
        let kind_name = self.text(kind_node, "type")?;
        let kind = match kind_name.as_str() {
            "string" => {
                let pattern = find("pattern").and_then(|node| {
                    let pattern = self.text(node, "pattern")?;
                    if regex::Regex::new(&pattern).is_err() {
                        self.mistake(Diagnostic::new(node.span.clone(), "정규식의 문법이 틀렸습니다"));
                    }
                    Some(pattern)
                });
                let mut length = |name| {
                    find(name)
                        .and_then(|node| self.number(node, name, 0..=100_000))
                        .and_then(|length| usize::try_from(length).ok())
                };
                InputKind::Text { pattern, length_min: length("min_length"), length_max: length("max_length") }
            }
            "integer" => InputKind::Integer {
                minimum: number(find("minimum")).and_then(|number| number.as_i64()),
                maximum: number(find("maximum")).and_then(|number| number.as_i64()),
            },
            "number" => InputKind::Number {
                minimum: number(find("minimum")).and_then(|number| number.as_f64()),
                maximum: number(find("maximum")).and_then(|number| number.as_f64()),
            },
            "boolean" => InputKind::Boolean,
            "date" => InputKind::Date,
            "file" => InputKind::File {
                extensions: find("extensions")
                    .map(|node| self.texts(node, "extensions"))
                    .unwrap_or_default()
                    .into_iter()
                    .map(|extension| extension.trim_start_matches('.').to_lowercase())
                    .collect(),
            },
            other => {
                self.mistake(
                    Diagnostic::new(kind_node.span.clone(), format!("`{other}`은(는) 없는 종류입니다"))
                        .near(nearest(other, kinds))
                        .help(format!("쓸 수 있는 종류: {}", kinds.join(", "))),
                );
                return None;
            }
        };
        // YAML reads a bare date or number as it likes; the input decides what it is.
        let choices: Option<Vec<Value>> =
            find("enum").map(|node| self.list(node, "enum").iter().map(Node::to_json).collect());
        Some(Input {
            kind,
            default: find("default").map(Node::to_json).filter(|default| !default.is_null()),
            prompt: find("prompt").and_then(|node| self.text(node, "prompt")),
            description: find("description").and_then(|node| self.text(node, "description")),
            examples: find("examples")
                .map(|node| self.list(node, "examples").iter().map(Node::to_json).collect())
                .unwrap_or_default(),
            choices,
        })
    }

    pub(super) fn servers(&mut self, node: &Node) -> BTreeMap<String, Server> {
        let Kind::Map(entries) = &node.kind else {
            self.wrong_kind(node, "servers", "`이름: {조건}` 묶음");
            return BTreeMap::new();
        };
        let mut servers = BTreeMap::new();
        for (key, node) in entries {
            self.name(&key.name, &key.span, "서버의 이름", '-');
            let mut server = Server { span: key.span.clone(), ..Server::default() };
            let known = ["tools", "read_only", "role", "command", "args", "url", "env", "pin"];
            for (key, node) in self.map(node, "서버", &known) {
                match key.name.as_str() {
                    "tools" => server.tools = Some(self.texts(node, "tools")),
                    "read_only" => match &node.kind {
                        Kind::Bool(value) => server.read_only = *value,
                        Kind::Text(text) if text == "required" => server.read_only = true,
                        _ => self.wrong_kind(node, "read_only", "required"),
                    },
                    "role" => server.role = self.text(node, "role"),
                    "command" => server.command = self.text(node, "command"),
                    "args" => server.args = self.texts(node, "args"),
                    "url" => server.url = self.text(node, "url"),
                    "env" | "pin" => self.later(key.span.clone(), &key.name),
                    _ => {}
                }
            }
            servers.insert(key.name.clone(), server);
        }
        servers
    }

    pub(super) fn defaults(&mut self, node: &Node) -> Defaults {
        let mut defaults = Defaults { timeout: TIMEOUT_DEFAULT, retry: Retry::NONE, parallel: PARALLEL_DEFAULT };
        for (key, node) in self.map(node, "defaults", &["timeout", "retry", "parallel"]) {
            match key.name.as_str() {
                "timeout" => defaults.timeout = self.duration(node, "timeout").unwrap_or(TIMEOUT_DEFAULT),
                "retry" => defaults.retry = self.retry(node),
                "parallel" => defaults.parallel = self.parallel(node),
                _ => {}
            }
        }
        defaults
    }

    pub(super) fn parallel(&mut self, node: &Node) -> usize {
        self.number(node, "parallel", 1..=PARALLEL_MAX)
            .and_then(|count| usize::try_from(count).ok())
            .unwrap_or(PARALLEL_DEFAULT)
    }

    pub(super) fn retry(&mut self, node: &Node) -> Retry {
        let mut retry = Retry { attempts: 3, on: vec!["timeout".into(), "unavailable".into()], ..Retry::NONE };
        for (key, node) in self.map(node, "retry", &["attempts", "backoff", "delay", "on"]) {
            match key.name.as_str() {
                "attempts" => {
                    let attempts = self.number(node, "attempts", 1..=ATTEMPTS_MAX);
                    retry.attempts = attempts.and_then(|attempts| u32::try_from(attempts).ok()).unwrap_or(1);
                }
                "backoff" => match node.text() {
                    Some("exponential") => retry.exponential = true,
                    Some("fixed") => retry.exponential = false,
                    _ => self.wrong_kind(node, "backoff", "exponential 또는 fixed"),
                },
                "delay" => retry.delay = self.duration(node, "delay").unwrap_or(retry.delay),
                "on" => {
                    retry.on = self.texts(node, "on");
                    let known = ["timeout", "unavailable", "busy"];
                    if let Some(strange) = retry.on.iter().find(|code| !known.contains(&code.as_str())) {
                        let mistake =
                            Diagnostic::new(node.span.clone(), format!("`{strange}`에는 다시 부르지 않습니다"))
                                .near(nearest(strange, known))
                                .help(format!("쓸 수 있는 값: {}", known.join(", ")));
                        self.mistake(mistake);
                    }
                }
                _ => {}
            }
        }
        retry
    }

    pub(super) fn models(&mut self, node: &Node) -> BTreeMap<String, Model> {
        let Kind::Map(entries) = &node.kind else {
            self.wrong_kind(node, "models", "`이름: {조건}` 묶음");
            return BTreeMap::new();
        };
        let mut models = BTreeMap::new();
        for (key, node) in entries {
            self.name(&key.name, &key.span, "모델의 이름", '_');
            let mut model = Model {
                base_url: Data::Literal(Value::Null),
                model: String::new(),
                temperature: 0.0,
                seed: 42,
                max_tokens: 2_048,
                span: key.span.clone(),
            };
            for (key, node) in self.map(node, "모델", &["base_url", "model", "temperature", "seed", "max_tokens"]) {
                match key.name.as_str() {
                    "base_url" => model.base_url = self.data(node),
                    "model" => model.model = self.text(node, "model").unwrap_or_default(),
                    "temperature" => match &node.kind {
                        Kind::Number(number) => model.temperature = number.as_f64().unwrap_or(0.0),
                        _ => self.wrong_kind(node, "temperature", "숫자"),
                    },
                    "seed" => model.seed = self.number(node, "seed", 0..=i64::from(u32::MAX)).unwrap_or(42),
                    "max_tokens" => model.max_tokens = self.number(node, "max_tokens", 1..=200_000).unwrap_or(2_048),
                    _ => {}
                }
            }
            if model.base_url == Data::Literal(Value::Null) || model.model.is_empty() {
                let mistake = Diagnostic::new(key.span.clone(), "모델에는 `base_url`과 `model`이 필요합니다");
                self.mistake(mistake.help("예: { base_url: \"{{ env.HAECHI_LLM_URL }}\", model: on-premise-32b }"));
            }
            models.insert(key.name.clone(), model);
        }
        models
    }

    pub(super) fn model_step<'node>(
        &mut self,
        node: &'node Node,
        find: &dyn Fn(&str) -> Option<(&'node Key, &'node Node)>,
    ) -> Option<ModelStep> {
        let model = self.text(node, "model")?;
        let Some((_, prompt)) = find("prompt") else {
            self.mistake(
                Diagnostic::new(node.span.clone(), "모델 단계에 `prompt`가 빠졌습니다")
                    .help("물을 말을 적은 틀의 경로를 적으십시오"),
            );
            return None;
        };
        let mut ground_numbers = false;
        if let Some((_, ground)) = find("ground") {
            for (key, node) in self.map(ground, "ground", &["numbers", "citations"]) {
                match (key.name.as_str(), node.text()) {
                    ("numbers", Some("in_data")) => ground_numbers = true,
                    ("numbers", _) => self.wrong_kind(node, "numbers", "in_data"),
                    _ => self.later(key.span.clone(), "ground.citations"),
                }
            }
        }
        Some(ModelStep {
            model,
            model_span: node.span.clone(),
            prompt: self.text(prompt, "prompt")?,
            prompt_span: prompt.span.clone(),
            data: find("data").map_or_else(|| Data::Map(Vec::new()), |(_, node)| self.data(node)),
            schema: find("schema").map(|(_, node)| node.to_json()),
            schema_span: find("schema").map_or(0..0, |(key, _)| key.span.clone()),
            ground_numbers,
        })
    }
}
