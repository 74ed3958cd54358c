//! The rules of `docs/ARCHITECTURE.md` that the compiler does not hold. Each message says what to do.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

struct Package {
    name: String,
    folder: PathBuf,
    /// Names of normal and build dependencies.
    dependencies: Vec<String>,
    development: Vec<String>,
}

fn packages() -> Vec<Package> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version=1", "--no-deps", "--offline"])
        .current_dir(haechi_testkit::workspace())
        .output()
        .unwrap();
    let metadata: Value = serde_json::from_slice(&output.stdout).expect("cargo metadata answers JSON");
    metadata["packages"]
        .as_array()
        .unwrap()
        .iter()
        .map(|package| {
            let dependencies = |development: bool| {
                package["dependencies"]
                    .as_array()
                    .unwrap()
                    .iter()
                    .filter(|dependency| (dependency["kind"] == "dev") == development)
                    .map(|dependency| dependency["name"].as_str().unwrap().to_owned())
                    .collect()
            };
            Package {
                name: package["name"].as_str().unwrap().to_owned(),
                folder: Path::new(package["manifest_path"].as_str().unwrap()).parent().unwrap().to_owned(),
                dependencies: dependencies(false),
                development: dependencies(true),
            }
        })
        .collect()
}

fn ours<'a>(package: &'a Package, packages: &'a [Package]) -> Vec<&'a str> {
    package
        .dependencies
        .iter()
        .filter(|name| packages.iter().any(|other| other.name == **name))
        .map(String::as_str)
        .collect()
}

#[test]
fn shared_packages_depend_only_downwards() {
    let packages = packages();
    let allowed: BTreeMap<&str, &[&str]> = BTreeMap::from([
        ("haechi-contract", &[][..]),
        ("haechi-korean", &[]),
        ("haechi-sql", &[]),
        ("haechi-documents", &["haechi-korean"]),
        ("haechi-serving", &["haechi-contract"]),
        ("haechi-testkit", &[]),
    ]);
    for package in &packages {
        if let Some(allowed) = allowed.get(package.name.as_str()) {
            for dependency in ours(package, &packages) {
                assert!(
                    allowed.contains(&dependency),
                    "{} depends on {dependency}: move what both need further down, or copy it",
                    package.name
                );
            }
        }
    }
}

#[test]
fn servers_do_not_know_each_other_and_the_cli_knows_no_server() {
    let packages = packages();
    let servers: Vec<&str> = packages
        .iter()
        .filter(|package| package.folder.parent().unwrap().ends_with("servers"))
        .map(|package| package.name.as_str())
        .collect();
    assert_eq!(servers.len(), 4, "{servers:?}");
    for package in &packages {
        let all = package.dependencies.iter().chain(&package.development);
        for dependency in all {
            assert!(
                !servers.contains(&dependency.as_str()),
                "{} depends on {dependency}: servers are met over MCP alone; move the type to shared/haechi-contract",
                package.name
            );
        }
    }
    let cli = packages.iter().find(|package| package.name == "haechi").unwrap();
    for dependency in ours(cli, &packages) {
        assert!(["haechi-contract", "haechi-serving"].contains(&dependency), "the CLI depends on {dependency}");
    }
}

#[test]
fn the_testkit_is_a_development_dependency_only() {
    for package in packages() {
        assert!(
            !package.dependencies.contains(&"haechi-testkit".to_owned()),
            "{} ships haechi-testkit: make it a dev-dependency",
            package.name
        );
    }
}

#[test]
fn engines_stay_in_their_server() {
    let homes: BTreeMap<&str, &[&str]> = BTreeMap::from([
        ("tantivy", &["haechi-regulations"][..]),
        ("qdrant-edge", &["haechi-retrieval"]),
        ("qdrant-client", &["haechi-retrieval"]),
        ("calamine", &["haechi-tables"]),
        ("rusqlite", &["haechi-customers"]),
        ("sqlparser", &["haechi-sql"]),
        ("sqlx", &["haechi-customers", "haechi-tables", "haechi", "haechi-fixtures"]),
        ("hayro-interpret", &["haechi-documents"]),
    ]);
    for package in packages() {
        for dependency in &package.dependencies {
            if let Some(homes) = homes.get(dependency.as_str()) {
                assert!(
                    homes.contains(&package.name.as_str()),
                    "{} depends on {dependency}, which belongs to {homes:?}",
                    package.name
                );
            }
        }
    }
}

#[test]
fn rmcp_is_named_at_the_edges_only() {
    for (path, text) in sources() {
        let Some(first) = text.lines().position(|line| line.contains("rmcp::") && !line.trim_start().starts_with("//"))
        else {
            continue;
        };
        let name = path.to_string_lossy().replace('\\', "/");
        let allowed = name.starts_with("shared/haechi-serving/")
            || name.starts_with("shared/haechi-testkit/")
            || name.starts_with("tests/")
            || name == "cli/src/mcp.rs"
            || name.starts_with("cli/src/mcp/")
            || (name.starts_with("servers/") && (name.ends_with("src/tools.rs") || name.ends_with("src/lib.rs")))
            || name.contains("/tests/")
            || name.contains("/benches/");
        assert!(allowed, "{name}:{} names rmcp: keep the protocol at the edge and pass data inwards", first + 1);
    }
}

#[test]
fn every_module_says_what_it_is_for() {
    for (path, text) in sources() {
        assert!(
            text.starts_with("//!"),
            "{} does not open with `//!`: say what the module is for and what it will not do",
            path.display()
        );
    }
}

#[test]
fn nothing_speaks_of_one_machine() {
    let root = haechi_testkit::workspace();
    let output = Command::new("git").args(["ls-files", "-z"]).current_dir(&root).output().unwrap();
    // Written so that this file does not contain what it looks for.
    let forbidden = [["/wo", "rk/"].concat(), ["/ro", "ot/"].concat(), ["/fa", "rm/"].concat()];
    let names = String::from_utf8(output.stdout).unwrap();
    assert!(names.split_terminator('\0').count() > 50, "git lists the files of the repository");
    for name in names.split_terminator('\0') {
        let Ok(text) = std::fs::read_to_string(root.join(name)) else { continue };
        for path in &forbidden {
            assert!(!text.contains(path.as_str()), "{name} holds the path {path} of one machine");
        }
    }
}

#[test]
fn every_relative_link_of_the_documents_resolves() {
    let root = haechi_testkit::workspace();
    let mut files = vec![root.join("README.md"), root.join("README.ko.md"), root.join("fixtures/README.md")];
    let mut folders = vec![root.join("docs")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                files.push(path);
            }
        }
    }
    let mut links = 0;
    for file in files.iter().filter(|file| file.extension().is_some_and(|extension| extension == "md")) {
        let text = std::fs::read_to_string(file).unwrap();
        for target in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let target = target.split('#').next().unwrap();
            if target.is_empty() || target.contains("://") || target.contains(char::is_whitespace) {
                continue;
            }
            links += 1;
            assert!(file.parent().unwrap().join(target).exists(), "{}: {target} leads nowhere", file.display());
        }
    }
    assert!(links > 10);
}

/// Every Rust source file of the workspace with its path from the root.
fn sources() -> Vec<(PathBuf, String)> {
    let root = haechi_testkit::workspace();
    let mut found = Vec::new();
    let mut folders: Vec<PathBuf> =
        ["cli", "servers", "shared", "tests", "fixtures"].iter().map(|folder| root.join(folder)).collect();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() && !path.ends_with("target") && !path.ends_with("node_modules") {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = std::fs::read_to_string(&path).unwrap();
                found.push((path.strip_prefix(&root).unwrap().to_owned(), text));
            }
        }
    }
    assert!(found.len() > 20);
    found
}
