//! Looks at a whole workflow before anything runs: names, templates, circles, tools.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::path::{Path, PathBuf};

use indexmap::IndexMap;
use minijinja::Environment;

use super::graph::{self, Graph};
use super::yaml::Kind;
use super::{Action, Call, Format, OnError, Previous, Step, Workflow};
use crate::diagnostic::Diagnostic;
use crate::language::data::Source;
use crate::language::{Data, Fault};
use crate::nearest::nearest;
use crate::servers::ToolInfo;
use crate::shape;

/// Larger templates are refused.
const TEMPLATE_BYTES_MAX: u64 = 1 << 20;

/// A workflow whose names, templates and order hold.
#[derive(Debug, Clone)]
pub(crate) struct Checked {
    pub workflow: Workflow,
    pub graph: Graph,
    /// Every template that is rendered or included, by its name, as it was when it was checked.
    pub templates: IndexMap<String, String>,
}

/// Checks everything that needs no server.
///
/// # Errors
///
/// Every mistake, in the order of the file.
pub(crate) fn check(
    workflow: Workflow,
    folder: &Path,
    environment: &Environment<'_>,
) -> Result<Checked, Vec<Diagnostic>> {
    check_with(workflow, folder, environment, IndexMap::new())
}

/// Checks a workflow whose templates are known already, as those of a recorded run.
///
/// # Errors
///
/// Every mistake, in the order of the file.
pub(crate) fn check_with(
    workflow: Workflow,
    folder: &Path,
    environment: &Environment<'_>,
    templates: IndexMap<String, String>,
) -> Result<Checked, Vec<Diagnostic>> {
    let mut checker =
        Checker { workflow: &workflow, folder: folder.to_owned(), environment, templates, mistakes: Vec::new() };
    let dependencies: Vec<BTreeSet<usize>> =
        workflow.steps.iter().enumerate().map(|(position, step)| checker.step(position, step)).collect();
    checker.outputs();
    checker.servers();
    let Checker { templates, mut mistakes, .. } = checker;
    match graph::order(dependencies) {
        Ok(graph) if mistakes.is_empty() => return Ok(Checked { workflow, graph, templates }),
        Ok(_) => {}
        Err(circle) => {
            let names: Vec<&str> = circle.iter().map(|&step| workflow.steps[step].id.as_str()).collect();
            let first = names.first().copied().unwrap_or_default();
            let place = circle.first().map_or(0..0, |&step| workflow.steps[step].id_span.clone());
            mistakes.push(
                Diagnostic::new(place, "단계들이 서로를 기다립니다")
                    .label("여기서 돕니다")
                    .help(format!("{} → {first}", names.join(" → "))),
            );
        }
    }
    mistakes.sort_by_key(|mistake| mistake.span.start);
    Err(mistakes)
}

struct Checker<'all> {
    workflow: &'all Workflow,
    folder: PathBuf,
    environment: &'all Environment<'all>,
    templates: IndexMap<String, String>,
    mistakes: Vec<Diagnostic>,
}

/// What a source may name beside `inputs`, `steps`, `run` and `workflow`.
#[derive(Clone, Copy, Default)]
struct Scope<'names> {
    row: Option<&'names str>,
    error: bool,
    data: bool,
    /// A prompt may not reach into the steps.
    prompt: bool,
}

impl Checker<'_> {
    fn step(&mut self, position: usize, step: &Step) -> BTreeSet<usize> {
        let mut waits = BTreeSet::new();
        let outside = Scope::default();
        let inside = Scope { row: step.foreach.as_ref().map(|foreach| foreach.name.as_str()), ..outside };
        if let Some(when) = &step.when {
            self.expression(when, outside, &mut waits);
        }
        if let Some(foreach) = &step.foreach {
            self.expression(&foreach.list, outside, &mut waits);
        }
        self.action(&step.action, inside, &mut waits);
        if let Some(OnError::Fallback(action)) = &step.on_error {
            self.action(action, Scope { error: true, ..inside }, &mut waits);
        }
        for (id, span) in &step.needs {
            match self.workflow.steps.iter().position(|other| &other.id == id) {
                Some(other) => {
                    waits.insert(other);
                }
                None => self.no_such_step(id, span.clone()),
            }
        }
        if let Some(schema) = &step.expect
            && jsonschema::options().build(schema).is_err()
        {
            self.mistakes.push(Diagnostic::new(step.expect_span.clone(), "`expect`가 JSON Schema가 아닙니다"));
        }
        if waits.contains(&position) {
            // A step that names itself is a circle of one, which the order reports.
            return BTreeSet::from([position]);
        }
        waits
    }

    fn action(&mut self, action: &Action, scope: Scope<'_>, waits: &mut BTreeSet<usize>) {
        match action {
            Action::Call(call) => self.data(&call.arguments, scope, waits),
            Action::Set(data) => self.data(data, scope, waits),
            Action::Assert(checks) => {
                for check in checks {
                    self.expression(&check.that, scope, waits);
                    self.data(&check.message, scope, waits);
                }
            }
            Action::Model(asked) => {
                if !self.workflow.models.contains_key(&asked.model) {
                    let known = self.workflow.models.keys().map(String::as_str);
                    self.mistakes.push(
                        Diagnostic::new(asked.model_span.clone(), format!("`{}`이라는 모델이 없습니다", asked.model))
                            .near(nearest(&asked.model, known))
                            .help("`models`에 주소와 이름을 적으십시오"),
                    );
                }
                if let Some(schema) = &asked.schema
                    && jsonschema::options().build(schema).is_err()
                {
                    self.mistakes.push(Diagnostic::new(asked.schema_span.clone(), "`schema`가 JSON Schema가 아닙니다"));
                }
                self.data(&asked.data, scope, waits);
                // A model sees what `data` hands over and nothing else of the run.
                let prompt = Scope { data: true, prompt: true, ..Scope::default() };
                self.template(&asked.prompt, &asked.prompt_span, prompt, waits);
            }
            Action::Approve(approve) => {
                for (id, span) in &approve.show {
                    match self.workflow.steps.iter().position(|other| &other.id == id) {
                        Some(other) => {
                            waits.insert(other);
                        }
                        None => self.no_such_step(id, span.clone()),
                    }
                }
                if let Some(message) = &approve.message {
                    self.data(message, scope, waits);
                }
            }
            Action::Render(render) => {
                if let Some(data) = &render.data {
                    self.data(data, scope, waits);
                }
                let scope = Scope { data: true, ..scope };
                self.template(&render.template, &render.span, scope, waits);
            }
        }
    }

    fn data(&mut self, data: &Data, scope: Scope<'_>, waits: &mut BTreeSet<usize>) {
        let mut sources: Vec<(&Source, bool)> = Vec::new();
        data.sources(&mut |source, whole| sources.push((source, whole)));
        for (source, whole) in sources {
            if whole {
                self.expression(source, scope, waits);
            } else {
                match crate::language::names_of_template(self.environment, "", &source.text) {
                    Ok(names) => {
                        self.names(&names, source, scope, waits);
                        for fault in crate::language::unknown_in_template(&source.text, false) {
                            self.mistakes.push(source.diagnostic(&fault));
                        }
                    }
                    Err(fault) => self.mistakes.push(source.diagnostic(&fault)),
                }
            }
        }
    }

    fn expression(&mut self, source: &Source, scope: Scope<'_>, waits: &mut BTreeSet<usize>) {
        match crate::language::names_of_expression(self.environment, &source.text) {
            Ok(names) => {
                self.names(&names, source, scope, waits);
                for fault in crate::language::unknown_in_expression(&source.text) {
                    self.mistakes.push(source.diagnostic(&fault));
                }
            }
            Err(fault) => self.mistakes.push(source.diagnostic(&fault)),
        }
    }

    fn names(&mut self, names: &[String], source: &Source, scope: Scope<'_>, waits: &mut BTreeSet<usize>) {
        for name in names {
            if let Some(mistake) = self.path(name, scope, waits) {
                let at = find_name(&source.text, name).map(|at| at + name.rfind(&mistake.word).unwrap_or(0));
                let range = at.map(|at| at..at + mistake.word.len());
                let rest = range.as_ref().and_then(|range| source.text.get(range.end..)).unwrap_or_default();
                let mistake = mistake.with_quoting(rest);
                self.mistakes.push(mistake.at(source.part(range)));
            }
        }
    }

    /// Looks at one dotted path such as `steps.book.out.rows`.
    fn path(&self, path: &str, scope: Scope<'_>, waits: &mut BTreeSet<usize>) -> Option<NameMistake> {
        let mut parts = path.split('.');
        let root = parts.next().unwrap_or_default();
        let member = parts.next();
        let known_member = |known: &[&str]| {
            let member = member?;
            (!known.contains(&member)).then(|| {
                NameMistake::new(format!("`{root}`에 `{member}`은(는) 없습니다"), member)
                    .near(nearest(member, known.iter().copied()))
            })
        };
        match root {
            "steps" | "previous" if scope.prompt => Some(
                NameMistake::new("모델에 보일 값은 `data`로 넘깁니다", root)
                    .help("단계에 `data: {이름: …}`을 적고 틀에서 `data.이름`으로 쓰십시오"),
            ),
            "steps" => {
                let Some(id) = member else {
                    return Some(NameMistake::new("단계는 `steps.이름`으로 적습니다", "steps").help(
                        "`steps['이름']`이나 `steps` 전체는 쓸 수 없습니다: 무엇을 기다릴지 알 수 없기 때문입니다",
                    ));
                };
                let Some(position) = self.workflow.steps.iter().position(|step| step.id == id) else {
                    let near = nearest(id, self.workflow.steps.iter().map(|step| step.id.as_str()));
                    return Some(
                        NameMistake::new(format!("`{id}` 단계를 찾을 수 없습니다"), id)
                            .label("이런 이름의 단계가 없습니다")
                            .near(near),
                    );
                };
                waits.insert(position);
                let part = parts.next()?;
                let known = ["out", "status", "cites", "items", "error"];
                (!known.contains(&part)).then(|| {
                    let mistake = NameMistake::new(format!("단계의 답에 `{part}`은(는) 없습니다"), part)
                        .near(nearest(part, known));
                    mistake.help(format!("도구의 답은 `steps.{id}.out.{part}`처럼 `out` 아래에 있습니다"))
                })
            }
            "inputs" => {
                let input = member?;
                (!self.workflow.inputs.contains_key(input)).then(|| {
                    NameMistake::new(format!("`{input}`이라는 입력이 없습니다"), input)
                        .near(nearest(input, self.workflow.inputs.keys().map(String::as_str)))
                })
            }
            "run" => known_member(&["id", "started_at", "seed"]),
            "workflow" => known_member(&["name", "title", "owner", "description"]),
            "previous" if self.workflow.previous != Previous::None => {
                known_member(&["run", "started_at", "inputs", "steps"])
            }
            "data" if scope.data => None,
            "error" if scope.error => known_member(&["code", "message"]),
            "index" if scope.row.is_some() => None,
            other if scope.row == Some(other) => None,
            other if self.environment.globals().any(|(name, _)| name == other) => None,
            "sources" if scope.data => None,
            other => {
                let mut known = vec!["steps", "inputs", "run", "workflow"];
                known.extend(scope.row);
                Some(NameMistake::new(format!("`{other}`은(는) 모르는 이름입니다"), other).near(nearest(other, known)))
            }
        }
    }

    fn no_such_step(&mut self, id: &str, span: Range<usize>) {
        let near = nearest(id, self.workflow.steps.iter().map(|step| step.id.as_str()));
        self.mistakes.push(
            Diagnostic::new(span, format!("`{id}` 단계를 찾을 수 없습니다"))
                .label("이런 이름의 단계가 없습니다")
                .near(near),
        );
    }

    fn template(&mut self, name: &str, span: &Range<usize>, scope: Scope<'_>, waits: &mut BTreeSet<usize>) {
        let mut pending = vec![name.to_owned()];
        let mut seen = BTreeSet::new();
        while let Some(name) = pending.pop() {
            if !seen.insert(name.clone()) {
                continue;
            }
            let text = match self.load(&name) {
                Ok(text) => text,
                Err((message, near)) => {
                    let mut mistake = Diagnostic::new(span.clone(), message).near(near.as_deref());
                    mistake = mistake.help(format!(
                        "틀은 업무 흐름 파일이 있는 폴더 {}을(를) 기준으로 적습니다",
                        self.folder.display()
                    ));
                    self.mistakes.push(mistake);
                    continue;
                }
            };
            match crate::language::names_of_template(self.environment, &name, &text) {
                Ok(names) => {
                    for fault in crate::language::unknown_in_template(&text, !scope.prompt) {
                        self.mistakes.push(template_mistake(&name, &text, &fault));
                    }
                    for path in names {
                        if let Some(mistake) = self.path(&path, scope, waits) {
                            let at = find_name(&text, &path).unwrap_or(0);
                            let start = at + path.rfind(&mistake.word).unwrap_or(0);
                            let place = start..(start + mistake.word.len()).min(text.len());
                            let mistake = mistake.with_quoting(&text[place.end..]);
                            self.mistakes.push(mistake.at(place).in_file(&name, &text));
                        }
                    }
                }
                Err(fault) => self.mistakes.push(template_mistake(&name, &text, &fault)),
            }
            pending.extend(included(&text));
            self.templates.insert(name, text);
        }
    }

    fn load(&self, name: &str) -> Result<String, (String, Option<String>)> {
        if let Some(text) = self.templates.get(name) {
            return Ok(text.clone());
        }
        let path = self.folder.join(name);
        let missing = || {
            let folder = path.parent().unwrap_or(&self.folder);
            let siblings: Vec<String> = std::fs::read_dir(folder)
                .map(|entries| {
                    entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
                })
                .unwrap_or_default();
            let file = path.file_name().map(|file| file.to_string_lossy().into_owned()).unwrap_or_default();
            let near = nearest(&file, siblings.iter().map(String::as_str)).map(ToOwned::to_owned);
            (format!("틀 {name}을(를) 찾을 수 없습니다"), near)
        };
        let real = path.canonicalize().map_err(|_| missing())?;
        let folder = self.folder.canonicalize().unwrap_or_else(|_| self.folder.clone());
        if !real.starts_with(&folder) {
            return Err((format!("틀 {name}이(가) 업무 흐름의 폴더를 벗어납니다"), None));
        }
        if std::fs::metadata(&real).map_or(0, |metadata| metadata.len()) > TEMPLATE_BYTES_MAX {
            return Err((format!("틀 {name}이(가) 너무 큽니다 (상한 {} KB)", TEMPLATE_BYTES_MAX / 1024), None));
        }
        std::fs::read_to_string(&real)
            .map_err(|error| (format!("틀 {name}을(를) 읽을 수 없습니다: {}", crate::workspace::reason(&error)), None))
    }

    fn outputs(&mut self) {
        for output in &self.workflow.outputs {
            let Some(step) = self.workflow.step(&output.from) else {
                self.no_such_step(&output.from, output.from_span.clone());
                continue;
            };
            let renders = matches!(step.action, Action::Render(_)) && step.foreach.is_none();
            if matches!(output.format, Format::Markdown | Format::Html) && !renders {
                self.mistakes.push(
                    Diagnostic::new(output.from_span.clone(), format!("`{}` 단계는 글을 쓰지 않습니다", output.from))
                        .help("`.md`와 `.html`은 `render` 단계에서만 나옵니다. 값은 `.json`이나 `.csv`로 내보냅니다"),
                );
            }
            if let Some((id, span)) = &output.requires {
                match self.workflow.step(id) {
                    Some(step) if matches!(step.action, Action::Approve(_)) => {}
                    Some(_) => self.mistakes.push(
                        Diagnostic::new(span.clone(), format!("`{id}`은(는) 승인(approve) 단계가 아닙니다"))
                            .help("`requires`에는 승인 단계를 적습니다"),
                    ),
                    None => self.no_such_step(id, span.clone()),
                }
            }
            let mut waits = BTreeSet::new();
            self.data(&output.to, Scope::default(), &mut waits);
        }
    }

    fn servers(&mut self) {
        for (name, server) in &self.workflow.servers {
            if server.command.is_some() && server.url.is_some() {
                self.mistakes.push(
                    Diagnostic::new(server.span.clone(), format!("서버 `{name}`에 command와 url을 함께 적었습니다"))
                        .help("하나만 남기십시오"),
                );
            }
        }
        for call in self.workflow.calls() {
            if let Some(server) = self.workflow.servers.get(&call.server)
                && let Some(allowed) = &server.tools
                && !allowed.contains(&call.tool)
            {
                self.mistakes.push(
                    Diagnostic::new(
                        call.span.clone(),
                        format!("`{}` 도구는 이 업무 흐름에 허락되지 않았습니다", call.tool),
                    )
                    .label("`servers`의 `tools`에 없습니다")
                    .near(nearest(&call.tool, allowed.iter().map(String::as_str))),
                );
            }
        }
    }
}

struct NameMistake {
    message: String,
    word: String,
    label: String,
    help: Vec<String>,
}

impl NameMistake {
    fn new(message: impl Into<String>, word: &str) -> Self {
        Self { message: message.into(), word: word.to_owned(), label: String::new(), help: Vec::new() }
    }

    fn label(mut self, label: &str) -> Self {
        label.clone_into(&mut self.label);
        self
    }

    fn near(self, near: Option<&str>) -> Self {
        match near {
            Some(near) => self.help(format!("비슷한 이름: `{near}`")),
            None => self,
        }
    }

    fn help(mut self, help: impl Into<String>) -> Self {
        self.help.push(help.into());
        self
    }

    /// A bare word before a colon was meant for a key, which the language takes for a name.
    fn with_quoting(self, rest: &str) -> Self {
        if rest.trim_start().starts_with(':') {
            let help = format!("묶음의 이름은 따옴표로 감쌉니다: `'{}': …`", self.word);
            return Self { help: vec![help], ..self };
        }
        self
    }

    fn at(self, span: Range<usize>) -> Diagnostic {
        let mut diagnostic = Diagnostic::new(span, self.message).label(self.label);
        diagnostic.help = self.help;
        diagnostic
    }
}

/// Where a template or expression reads this dotted name: not inside a longer word, not as the
/// name of an argument.
fn find_name(text: &str, path: &str) -> Option<usize> {
    text.match_indices(path).map(|(at, _)| at).find(|&at| {
        let before = text[..at].chars().next_back();
        let after = text[at + path.len()..].trim_start();
        let word = |letter: char| letter.is_alphanumeric() || letter == '_';
        let inside = before.is_some_and(|letter| word(letter) || matches!(letter, '.' | '\'' | '"'))
            || text[at + path.len()..].starts_with(word);
        let argument = after.starts_with('=') && !after.starts_with("==");
        !inside && !argument
    })
}

/// A fault in a template, at its place in the template's file.
pub(crate) fn template_mistake(name: &str, text: &str, fault: &Fault) -> Diagnostic {
    let line_start = |line: usize| text.split_inclusive('\n').take(line.saturating_sub(1)).map(str::len).sum::<usize>();
    let range = fault.range.clone().unwrap_or_else(|| {
        let start = line_start(fault.line.unwrap_or(1));
        start..start + text[start.min(text.len())..].lines().next().map_or(0, str::len)
    });
    let mut mistake = Diagnostic::new(range, fault.message.clone()).in_file(name, text);
    if let Some(hint) = &fault.hint {
        mistake = mistake.help(hint.clone());
    }
    mistake
}

/// The names of templates that a template includes or extends by a literal name.
fn included(text: &str) -> Vec<String> {
    let mut names = Vec::new();
    for block in text.split("{%").skip(1) {
        let block = block.split("%}").next().unwrap_or_default().trim_start_matches('-').trim_start();
        let Some(rest) = ["include", "extends", "import", "from"].iter().find_map(|word| block.strip_prefix(word))
        else {
            continue;
        };
        let rest = rest.trim_start();
        if let Some(quote) = rest.chars().next().filter(|quote| matches!(quote, '"' | '\''))
            && let Some(name) = rest[1..].split(quote).next()
        {
            names.push(name.to_owned());
        }
    }
    names
}

/// Checks every call against the tools that the servers publish.
pub(crate) fn tools(checked: &Checked, catalogue: &BTreeMap<String, Vec<ToolInfo>>) -> Vec<Diagnostic> {
    let mut mistakes = Vec::new();
    for call in checked.workflow.calls() {
        let Some(published) = catalogue.get(&call.server) else { continue };
        let Some(tool) = published.iter().find(|tool| tool.name == call.tool) else {
            mistakes.push(
                Diagnostic::new(call.span.clone(), format!("서버 `{}`에 `{}` 도구가 없습니다", call.server, call.tool))
                    .near(nearest(&call.tool, published.iter().map(|tool| tool.name.as_str())))
                    .help(format!("`haechi tools {}`로 도구를 볼 수 있습니다", call.server)),
            );
            continue;
        };
        let needs_read_only = checked.workflow.servers.get(&call.server).is_some_and(|server| server.read_only);
        if needs_read_only && !tool.read_only {
            mistakes.push(
                Diagnostic::new(call.span.clone(), format!("`{}` 도구는 읽기 전용이라고 밝히지 않았습니다", call.tool))
                    .label("이 서버에는 `read_only: required`가 걸려 있습니다"),
            );
        }
        mistakes.extend(arguments(call, tool));
    }
    mistakes.sort_by_key(|mistake| mistake.span.start);
    mistakes
}

fn arguments(call: &Call, tool: &ToolInfo) -> Vec<Diagnostic> {
    let (outline, computed) = call.arguments.outline();
    shape::mismatches(&tool.input_schema, &outline, &computed)
        .into_iter()
        .map(|mismatch| {
            let node = call.with.as_ref().map(|with| {
                with.at(mismatch
                    .pointer
                    .split('/')
                    .skip(1)
                    .map(|part| part.replace("~1", "/").replace("~0", "~"))
                    .collect::<Vec<_>>()
                    .iter()
                    .map(String::as_str))
            });
            let span = match (node, &mismatch.key) {
                (Some(node), Some(key)) => match &node.kind {
                    Kind::Map(entries) => entries
                        .iter()
                        .find(|(other, _)| other.name == *key)
                        .map_or(call.span.clone(), |(key, _)| key.span.clone()),
                    _ => node.span.clone(),
                },
                // What is missing has no place of its own: the call has.
                (Some(node), None) if !mismatch.pointer.is_empty() => node.span.clone(),
                _ => call.span.clone(),
            };
            let mut mistake = Diagnostic::new(span, mismatch.message)
                .label(format!("`{}.{}`에 주는 값입니다", call.server, call.tool));
            if let Some(hint) = mismatch.hint {
                mistake = mistake.help(hint);
            }
            mistake
        })
        .collect()
}
