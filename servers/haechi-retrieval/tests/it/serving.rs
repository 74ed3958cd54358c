//! The server as a process: tools, refusals, two processes on one folder, sources kept fresh.

use haechi_testkit::{Era, Finished, Server};
use serde_json::json;

use crate::manuals::{APPRAISAL, manuals, program};

#[test]
fn tools_answer_over_stdio() {
    let env = manuals();
    let _ = Finished::of(&mut program(&env, &["index", "manuals"])).expect_code(0);
    let mut server = Server::start(&mut program(&env, &[]), Era::Initialize);
    let found = server.call("search_passages", json!({ "query": "조기경보 등급이 떨어지면", "limit": 2 }));
    let first = &found["passages"][0];
    assert_eq!(first["heading"], json!(["4. 사후관리"]));
    assert!(first["citation"].is_string() && first["uri"].as_str().unwrap().starts_with("passage://documents/"));

    let context = server.call("get_passage", json!({ "id": first["uri"], "before": 1, "after": 1 }));
    assert_eq!(context["passage"]["id"], first["id"]);
    assert_eq!(context["before"][0]["heading"], json!(["3. 담보평가", "3.2 담보인정비율"]));
    assert_eq!(context["after"], json!([]));

    let similar = server.call("find_similar", json!({ "id": first["id"] }));
    assert!(similar["passages"].as_array().unwrap().iter().all(|hit| hit["id"] != first["id"]));
    let similar = server.call("find_similar", json!({ "text": "등급이 하락하면 다시 심사한다" }));
    assert_eq!(similar["passages"][0]["id"], first["id"]);

    let narrowed = server.call(
        "search_passages",
        json!({ "query": "담보", "filter": { "documents": ["여신심사 매뉴얼"], "from": "2026-01-01", "to": "2026-12-31" } }),
    );
    assert_ne!(narrowed["passages"], json!([]));
    let outside = server.call("search_passages", json!({ "query": "담보", "filter": { "to": "2025-12-31" } }));
    assert_eq!(outside["passages"], json!([]));
    let spread = server.call("search_passages", json!({ "query": "담보 민원", "per_document": 1, "diversity": 0.5 }));
    let mut documents: Vec<&str> =
        spread["passages"].as_array().unwrap().iter().filter_map(|hit| hit["document"].as_str()).collect();
    documents.sort_unstable();
    documents.dedup();
    assert_eq!(documents.len(), spread["passages"].as_array().unwrap().len());

    let resource = server.request("resources/read", json!({ "uri": first["uri"] }));
    assert!(resource["result"]["contents"][0]["text"].as_str().unwrap().contains("재심사"), "{resource}");

    for (tool, arguments, code) in [
        ("search_passages", json!({ "query": "  " }), "invalid_input"),
        ("search_passages", json!({ "query": "담보", "limit": 0 }), "invalid_input"),
        ("search_passages", json!({ "query": "담보", "diversity": 2 }), "invalid_input"),
        ("search_passages", json!({ "query": "담보", "collection": "none" }), "not_found"),
        ("search_passages", json!({ "query": "담보", "filter": { "from": "언젠가" } }), "invalid_input"),
        ("search_passages", json!({ "query": "가".repeat(2001) }), "too_large"),
        ("get_passage", json!({ "id": "00000000-0000-0000-0000-000000000000" }), "not_found"),
        ("get_passage", json!({ "id": "없는 것" }), "not_found"),
        ("find_similar", json!({}), "invalid_input"),
    ] {
        assert_eq!(server.refusal(tool, arguments.clone())["code"], code, "{tool} {arguments}");
    }
    assert_eq!(server.call("list_collections", json!({}))["collections"][0]["documents"], 2);
    let (status, stderr) = server.close();
    assert!(status.success(), "{stderr}");
}

#[test]
fn a_second_process_is_told_who_holds_the_folder() {
    let env = manuals();
    let _ = Finished::of(&mut program(&env, &["index", "manuals"])).expect_code(0);
    let mut holder = Server::start(&mut program(&env, &["serve"]), Era::Stateless);
    holder.call("list_collections", json!({}));
    let refused = Finished::of(&mut program(&env, &["search", "담보"])).expect_code(1);
    for part in ["busy", &holder.id().to_string(), "serve", "--http"] {
        assert!(refused.stderr.contains(part), "{part} is missing:\n{refused}");
    }
    let mut second = Server::start(&mut program(&env, &["serve"]), Era::Initialize);
    assert_eq!(second.refusal("search_passages", json!({ "query": "담보" }))["code"], "busy");
    // Killed without a chance to tidy up, the holder still lets go.
    holder.kill();
    assert_ne!(second.call("search_passages", json!({ "query": "담보" }))["passages"], json!([]));
}

#[test]
fn sources_are_fresh_before_the_first_answer() {
    let env = manuals();
    env.write("haechi.toml", "[retrieval]\nsources = [\"manuals\"]\n");
    let percent = |server: &mut Server| {
        let found = server.call("search_passages", json!({ "query": "아파트 감정가 시세", "limit": 1 }));
        found["passages"][0]["text"].as_str().unwrap().to_owned()
    };
    let mut server = Server::start(&mut program(&env, &[]), Era::Stateless);
    assert!(percent(&mut server).contains("90%"));
    server.close();
    env.write("manuals/여신/심사.md", APPRAISAL.replace("90%", "85%"));
    let mut server = Server::start(&mut program(&env, &[]), Era::Initialize);
    assert!(percent(&mut server).contains("85%"));
    server.close();
}

#[test]
fn sources_that_are_missing_are_a_problem_of_the_call() {
    let env = manuals();
    env.write("haechi.toml", "[retrieval]\nsources = [\"없는폴더\"]\n");
    let mut server = Server::start(&mut program(&env, &[]), Era::Stateless);
    let query = json!({ "query": "담보" });
    assert_eq!(server.refusal("search_passages", query.clone())["code"], "not_found");
    std::fs::rename(env.work().join("manuals"), env.work().join("없는폴더")).unwrap();
    assert_ne!(server.call("search_passages", query)["passages"], json!([]), "a failure is not kept");
}
