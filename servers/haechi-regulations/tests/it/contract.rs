//! The tool definitions as hosts see them. Changing one is a change of contract.

use haechi_regulations::tools;

use crate::rules::indexed;

#[test]
fn tool_definitions_are_stable() {
    let (_env, regulations) = indexed();
    let definitions = tools::service(&regulations).definitions();
    let names: Vec<&str> = definitions.iter().filter_map(|tool| tool["name"].as_str()).collect();
    assert_eq!(
        names,
        [
            "compare_versions",
            "get_article",
            "get_outline",
            "list_regulations",
            "search_regulations",
            "trace_references",
            "verify_citations"
        ]
    );
    for tool in &definitions {
        let name = tool["name"].as_str().unwrap();
        insta::with_settings!({ snapshot_suffix => name, sort_maps => true, omit_expression => true }, {
            insta::assert_json_snapshot!("tool", tool);
        });
    }
    let bytes = serde_json::to_string(&definitions).unwrap().len();
    let inputs: usize = definitions
        .iter()
        .map(|tool| tool["inputSchema"].to_string().len() + tool["description"].to_string().len())
        .sum();
    eprintln!("tools/list: {bytes} bytes, {inputs} of them names of inputs and descriptions");
}
