//! What the tools answer on the shared rules.

use haechi_contract::regulations::{
    ChangeKind, CompareVersions, Confidence, EdgeKind, GetArticle, GetOutline, ListRegulations, SearchRegulations,
    Status, TraceReferences,
};
use haechi_contract::{Code, Problem};
use haechi_regulations::Regulations;

use crate::rules::indexed;

fn search(regulations: &Regulations, query: &str) -> haechi_contract::regulations::RegulationHits {
    regulations.search(&SearchRegulations { query: query.to_owned(), ..Default::default() }).unwrap()
}

fn get(
    regulations: &Regulations,
    citation: &str,
    as_of: Option<&str>,
) -> Result<haechi_contract::regulations::ArticleText, Problem> {
    let input =
        GetArticle { citation: Some(citation.to_owned()), as_of: as_of.map(str::to_owned), ..Default::default() };
    regulations.get_article(&input).map_err(Problem::from)
}

#[test]
fn words_and_citations_are_found() {
    let (_env, regulations) = indexed();
    let check = |query: &str, first: &str, confidence: Confidence| {
        let found = search(&regulations, query);
        assert_eq!(found.hits.first().map(|hit| hit.citation.as_str()), Some(first), "{query}");
        assert_eq!(found.confidence, confidence, "{query}");
    };
    check("중도상환수수료", "여신심사규정 제5조 (2026-07-01 시행)", Confidence::High);
    check("시험은행법 35조 1항", "시험은행법 제35조 (2025-01-31 시행)", Confidence::High);
    check("시험은행법 제35조의 2", "시험은행법 제35조의2 (2025-01-31 시행)", Confidence::High);
    check("2026년 6월 30일 중도상환 수수료", "여신심사규정 제4조 (2025-07-01 시행)", Confidence::High);
    check("중도상한수수료", "여신심사규정 제5조 (2026-07-01 시행)", Confidence::Low);
}

#[test]
fn what_does_not_exist_is_said() {
    let (_env, regulations) = indexed();
    let found = search(&regulations, "시험은행법 제999조");
    assert_eq!((found.hits.len(), found.confidence), (0, Confidence::None));
    assert!(found.notes[0].contains("제999조"), "{:?}", found.notes);
    let deleted = search(&regulations, "시험은행법 제5조");
    assert!(deleted.hits.is_empty() && deleted.notes[0].contains("삭제"), "{:?}", deleted.notes);
    assert_eq!(search(&regulations, "코끼리 사육 두수").confidence, Confidence::None);
    let suggested = search(&regulations, "중도상한수수료").suggestions;
    assert_eq!(suggested, ["중도상환수수료"]);
}

#[test]
fn filters_and_pages() {
    let (_env, regulations) = indexed();
    let input = SearchRegulations {
        query: "한도".to_owned(),
        kinds: vec!["내규".to_owned()],
        limit: Some(1),
        ..Default::default()
    };
    let first = regulations.search(&input).unwrap();
    assert!(first.hits.iter().all(|hit| hit.regulation == "여신심사규정"), "{first:?}");
    let cursor = first.next_cursor.clone();
    assert!(cursor.is_some(), "{first:?}");
    let second = regulations.search(&SearchRegulations { cursor, ..input }).unwrap();
    assert_ne!(first.hits[0].uri, second.hits[0].uri);
    let problem = Problem::from(
        regulations
            .search(&SearchRegulations {
                query: "한도".to_owned(),
                regulations: vec!["없는규정".to_owned()],
                ..Default::default()
            })
            .unwrap_err(),
    );
    assert_eq!(problem.code, Code::NotFound);
}

#[test]
fn articles_are_read_as_of_a_day() {
    let (_env, regulations) = indexed();
    let now = get(&regulations, "여신심사규정 제3조제2항", None).unwrap();
    assert_eq!(now.citation, "여신심사규정 제3조제2항 (2026-07-01 시행)");
    assert_eq!(
        now.text,
        "① 동일차주 한도는 「시험은행법」 제35조제1항에 따른다.\n\n② 위원장은 매주 점검한다. <개정 2026.7.1>"
    );
    assert_eq!(now.paragraphs.len(), 2);
    assert_eq!(now.status, Status::InForce);
    assert_eq!(now.headings, ["제1장 총칙"]);
    assert!(now.references[0].resolved && now.references[0].to == "시험은행법 제35조제1항", "{:?}", now.references);
    let then = get(&regulations, "여신심사규정 제3조", Some("2026-06-30")).unwrap();
    assert!(then.text.contains("매월"), "{}", then.text);
    assert_eq!((then.effective_from.as_str(), then.effective_to.as_deref()), ("2025-07-01", Some("2026-07-01")));
    // An unchanged article is cited by the version that is in force.
    assert_eq!(get(&regulations, "여신심사규정 제1조", None).unwrap().effective_from, "2026-07-01");
    assert_eq!(get(&regulations, "여신심사규정 제1조", Some("2025-12-31")).unwrap().effective_from, "2025-07-01");
    assert!(get(&regulations, "여신심사규정 별표 1", None).unwrap().text.contains("10%"));
    assert!(get(&regulations, "여신심사규정 별표 1", Some("2026-06-30")).unwrap().text.contains("12%"));
    assert!(get(&regulations, "여신심사규정 부칙", None).unwrap().text.contains("2026년 7월 1일"));
    let by_uri = regulations
        .get_article(&GetArticle {
            uri: Some("regulation://900001/제35조".to_owned()),
            context: Some(1),
            ..Default::default()
        })
        .unwrap();
    assert_eq!(by_uri.neighbours.len(), 2);
}

#[test]
fn refusals_say_what_to_do() {
    let (_env, regulations) = indexed();
    let check = |citation: &str, as_of: Option<&str>, code: Code, hint: &str| {
        let problem = get(&regulations, citation, as_of).unwrap_err();
        assert_eq!(problem.code, code, "{problem}");
        assert!(problem.hint.as_deref().is_some_and(|text| text.contains(hint)), "{problem:?}");
    };
    check("여신심사규정 제3조의2", Some("2026-06-30"), Code::NotFound, "2026-07-01");
    check("여신심사규정 제4조", None, Code::NotFound, "2026-07-01");
    check("여신심사규정 제1조", Some("2020-01-01"), Code::NotFound, "2025-07-01");
    check("여신심사규정 제77조", None, Code::NotFound, "get_outline");
    check("여신심사규정 제3조제9항", None, Code::NotFound, "제3조");
    check("은행법 제35조", None, Code::NotFound, "list_regulations");
    check("무엇이든", None, Code::InvalidInput, "search_regulations");
    check("금소법 제19조", None, Code::NotFound, "원문 파일");
    check("제3조", None, Code::InvalidInput, "이름");
    check("여신심사규정 제3조", Some("어제"), Code::InvalidInput, "2026-11-22");
}

#[test]
fn outlines_and_lists() {
    let (_env, regulations) = indexed();
    let outline = regulations.get_outline(&GetOutline { regulation: "시험은행법".to_owned(), as_of: None }).unwrap();
    let lines: Vec<String> = outline
        .entries
        .iter()
        .map(|entry| format!("{}{} {}", "  ".repeat(entry.depth as usize), entry.label, entry.title))
        .collect();
    assert_eq!(
        lines,
        [
            "제1장 총칙",
            "  제1조 목적",
            "  제5조 삭제",
            "제2장 한도",
            "  제35조 동일차주 등에 대한 신용공여의 한도",
            "  제35조의2 대주주에 대한 신용공여의 한도",
            "부칙 <제90001호,2025.1.1> ",
        ]
    );
    let list = regulations.list(&ListRegulations { kind: Some("내규".to_owned()), ..Default::default() }).unwrap();
    assert_eq!(list.regulations.len(), 1);
    assert_eq!((list.regulations[0].versions, list.regulations[0].articles), (2, 4));
}

#[test]
fn versions_are_compared() {
    let (_env, regulations) = indexed();
    let comparison = regulations
        .compare(&CompareVersions {
            regulation: "여신심사규정".to_owned(),
            article: None,
            from: "2026-06-30".to_owned(),
            to: "2026-07-01".to_owned(),
        })
        .unwrap();
    let found: Vec<(ChangeKind, &str, Option<&str>)> = comparison
        .changes
        .iter()
        .map(|change| (change.kind, change.article.as_str(), change.article_before.as_deref()))
        .collect();
    assert_eq!(
        found,
        [
            (ChangeKind::Changed, "제3조", None),
            (ChangeKind::Added, "제3조의2", None),
            (ChangeKind::Renumbered, "제5조", Some("제4조")),
            (ChangeKind::Changed, "별표 1", None),
        ]
    );
    let words: Vec<&str> = comparison.changes[0].words.iter().map(|word| word.text.trim()).collect();
    assert!(words.contains(&"매월") && words.contains(&"매주"), "{words:?}");
    assert_eq!(comparison.changes[0].citation, "여신심사규정 제3조 (2026-07-01 시행)");
}

#[test]
fn references_are_traced_both_ways() {
    let (_env, regulations) = indexed();
    let trace =
        regulations.trace(&TraceReferences { citation: "시험은행법 제35조".to_owned(), ..Default::default() }).unwrap();
    let edges: Vec<(&str, &str, EdgeKind)> =
        trace.edges.iter().map(|edge| (edge.from.as_str(), edge.to.as_str(), edge.kind)).collect();
    assert!(edges.contains(&("시험은행법 제35조", "시험은행법 시행령 제20조", EdgeKind::Delegation)), "{edges:?}");
    assert!(edges.contains(&("여신심사규정 제3조", "시험은행법 제35조", EdgeKind::Reference)), "{edges:?}");
    let out = regulations
        .trace(&TraceReferences {
            citation: "여신심사규정 제3조".to_owned(),
            direction: Some("out".to_owned()),
            depth: Some(2),
            as_of: None,
        })
        .unwrap();
    let depths: Vec<(&str, u32)> = out.edges.iter().map(|edge| (edge.to.as_str(), edge.depth)).collect();
    assert_eq!(depths, [("시험은행법 제35조제1항", 1), ("시험은행법 시행령 제20조", 2)]);
}
