//! Searching by meaning, with an embedding server of our own that knows a few concepts.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{TcpListener, TcpStream},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use haechi_testkit::{Era, Finished, Server, TestEnv};
use serde_json::{Value, json};

use crate::manuals::{APPRAISAL, manuals, program};

/// Words that mean the same to this model, in two languages.
const CONCEPTS: &[&[&str]] = &[
    &["감정가", "시세", "appraisal", "collateral"],
    &["담보인정비율", "비율", "ratio"],
    &["민원", "회신", "complaint"],
    &["조기경보", "등급", "재심사", "early warning", "downgrade"],
];

/// What the server does with the next requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Behaviour {
    Good,
    /// Fails so many times, then is good.
    Failing(usize),
    Nonsense,
    OtherDimension,
    Denied,
}

/// An embedding server on a free port of loopback.
struct Model {
    url: String,
    behaviour: Arc<Mutex<Behaviour>>,
    texts: Arc<AtomicUsize>,
}

impl Model {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/v1/embeddings", listener.local_addr().unwrap());
        let behaviour = Arc::new(Mutex::new(Behaviour::Good));
        let texts = Arc::new(AtomicUsize::new(0));
        let (shared, counted) = (Arc::clone(&behaviour), Arc::clone(&texts));
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (shared, counted) = (Arc::clone(&shared), Arc::clone(&counted));
                std::thread::spawn(move || answer(stream.unwrap(), &shared, &counted));
            }
        });
        Self { url, behaviour, texts }
    }

    fn behave(&self, behaviour: Behaviour) {
        *self.behaviour.lock().unwrap() = behaviour;
    }

    fn configure(&self, env: &TestEnv) {
        env.write(
            "haechi.toml",
            format!(
                "[retrieval]\nembedder = {{ url = \"{}\", model = \"concepts\", retries = 2, batch = 2 }}\n",
                self.url
            ),
        );
    }
}

fn answer(stream: TcpStream, behaviour: &Mutex<Behaviour>, counted: &AtomicUsize) {
    let mut writer = stream.try_clone().unwrap();
    let mut reader = BufReader::new(stream);
    loop {
        let mut length = 0;
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line).unwrap_or(0) == 0 {
                return;
            }
            if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse().unwrap();
            }
            if line.trim().is_empty() {
                break;
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body).unwrap();
        let request: Value = serde_json::from_slice(&body).unwrap();
        let texts: Vec<&str> = request["input"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
        assert!(texts.len() <= 2, "the batch size is kept");
        let now = {
            let mut behaviour = behaviour.lock().unwrap();
            let now = *behaviour;
            if let Behaviour::Failing(times) = now {
                *behaviour = if times > 1 { Behaviour::Failing(times - 1) } else { Behaviour::Good };
            }
            now
        };
        let (status, body) = match now {
            Behaviour::Failing(_) => ("503 Service Unavailable", String::new()),
            Behaviour::Denied => ("401 Unauthorized", String::new()),
            Behaviour::Nonsense => ("200 OK", "<html>로그인하십시오</html>".to_owned()),
            Behaviour::Good | Behaviour::OtherDimension => {
                counted.fetch_add(texts.len(), Ordering::Relaxed);
                let cut = usize::from(now == Behaviour::OtherDimension);
                let data: Vec<Value> = texts
                    .iter()
                    .enumerate()
                    .map(|(index, text)| json!({ "index": index, "embedding": vector(text)[cut..] }))
                    .collect();
                ("200 OK", json!({ "data": data }).to_string())
            }
        };
        let head =
            format!("HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n", body.len());
        if writer.write_all(format!("{head}{body}").as_bytes()).is_err() {
            return;
        }
    }
}

fn vector(text: &str) -> Vec<f32> {
    let lower = text.to_lowercase();
    let mut vector: Vec<f32> =
        CONCEPTS.iter().map(|words| if words.iter().any(|word| lower.contains(word)) { 1.0 } else { 0.0 }).collect();
    vector.push(0.1);
    vector
}

fn search(env: &TestEnv, arguments: &[&str]) -> Value {
    let arguments: Vec<&str> = ["--json", "search"].into_iter().chain(arguments.iter().copied()).collect();
    serde_json::from_str(&Finished::of(&mut program(env, &arguments)).expect_code(0).stdout).unwrap()
}

#[test]
fn meaning_finds_what_words_cannot() {
    let (env, model) = (manuals(), Model::start());
    model.configure(&env);
    let _ = Finished::of(&mut program(&env, &["index", "manuals"])).expect_code(0);
    let first = |found: &Value| found["passages"][0]["heading"].as_array().unwrap().last().unwrap().clone();

    let english = search(&env, &["collateral appraisal"]);
    assert_eq!((first(&english), &english["mode"]), (json!("3.1 감정가"), &json!("semantic")));
    assert!(english["mode_reason"].is_string());
    let both = search(&env, &["아파트 시세"]);
    assert_eq!((first(&both), &both["mode"]), (json!("3.1 감정가"), &json!("hybrid")));
    let words = search(&env, &["아파트 시세", "--mode", "lexical"]);
    assert_eq!(words["mode"], "lexical");
    assert_eq!(search(&env, &["downgrade", "--mode", "semantic"])["passages"][0]["heading"], json!(["4. 사후관리"]));

    // Only what changed is embedded again.
    let before = model.texts.load(Ordering::Relaxed);
    env.write("manuals/여신/심사.md", APPRAISAL.replace("10영업일", "5영업일"));
    let _ = Finished::of(&mut program(&env, &["index", "manuals"])).expect_code(0);
    let embedded = model.texts.load(Ordering::Relaxed) - before;
    assert!(embedded <= 4, "{embedded} texts were embedded for one changed passage");
}

#[test]
fn a_model_that_fails_is_said_openly() {
    let (env, model) = (manuals(), Model::start());
    model.configure(&env);
    model.behave(Behaviour::Failing(2));
    let _ = Finished::of(&mut program(&env, &["index", "manuals"])).expect_code(0);

    let mut server = Server::start(&mut program(&env, &[]), Era::Stateless);
    let query = json!({ "query": "아파트 시세" });
    assert_eq!(server.call("search_passages", query.clone())["mode"], "hybrid");
    let semantic = json!({ "query": "아파트 시세", "mode": "semantic" });
    for (behaviour, code) in [
        (Behaviour::Failing(100), "unavailable"),
        (Behaviour::Nonsense, "unavailable"),
        (Behaviour::OtherDimension, "version_mismatch"),
        (Behaviour::Denied, "denied"),
    ] {
        model.behave(behaviour);
        let fallen = server.call("search_passages", query.clone());
        assert_eq!(fallen["mode"], "lexical", "{behaviour:?}");
        assert!(fallen["mode_reason"].as_str().unwrap().contains("임베딩"), "{fallen}");
        assert_eq!(server.refusal("search_passages", semantic.clone())["code"], code, "{behaviour:?}");
    }
    server.close();

    model.behave(Behaviour::Denied);
    env.write("manuals/새문서.md", "# 새 문서\n\n새 내용이다.\n");
    let refused = Finished::of(&mut program(&env, &["index", "manuals"]));
    assert_ne!(refused.code, Some(0), "{refused}");
    assert!(refused.stderr.contains("[denied]"), "{refused}");
    model.behave(Behaviour::Good);
    let done = Finished::of(&mut program(&env, &["index", "manuals"])).expect_code(0);
    assert!(done.stdout.contains("추가 1") && done.stdout.contains("그대로 2"), "{done}");
}

#[test]
fn another_model_is_refused_until_the_collection_is_rebuilt() {
    let (env, model) = (manuals(), Model::start());
    let _ = Finished::of(&mut program(&env, &["index", "manuals"])).expect_code(0);
    model.configure(&env);
    let refused = Finished::of(&mut program(&env, &["index", "manuals"])).expect_code(1);
    assert!(refused.stderr.contains("version_mismatch") && refused.stderr.contains("--rebuild"), "{refused}");
    let found = search(&env, &["아파트 시세"]);
    assert_eq!(found["mode"], "lexical", "words still work");
    let _ = Finished::of(&mut program(&env, &["index", "manuals", "--rebuild"])).expect_code(0);
    assert_eq!(search(&env, &["아파트 시세"])["mode"], "hybrid");
}
