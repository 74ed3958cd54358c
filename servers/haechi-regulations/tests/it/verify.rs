//! True and false citations, and those that cannot be checked.

use haechi_contract::regulations::{CitationStatus, Verdict, VerifyCitations};
use haechi_regulations::Regulations;

use crate::rules::indexed;

#[track_caller]
fn check(regulations: &Regulations, text: &str, expected: &[CitationStatus]) {
    let found = regulations.verify(&VerifyCitations { text: text.to_owned(), as_of: None }).unwrap();
    let statuses: Vec<CitationStatus> = found.citations.iter().map(|citation| citation.status).collect();
    assert_eq!(statuses, expected, "{text}\n{found:#?}");
}

#[test]
fn citations_are_told_apart() {
    use CitationStatus::{Ambiguous, NotChecked, NotFound, NotInForce, QuoteMismatch, Verified};
    let (_env, regulations) = indexed();
    let check = |text: &str, expected: &[CitationStatus]| check(&regulations, text, expected);
    check("시험은행법 제35조제1항에 따라", &[Verified]);
    check("「시험은행법」 제35조의2, 제36조 및 제1조", &[Verified, NotFound, Verified]);
    check("위반은 시험은행법 35조 2항", &[Verified]);
    check("시험은행법 제35조제3항", &[NotFound]);
    check("시험은행법 제35조제1항제2호와 제3호", &[Verified, NotFound]);
    check("시험은행법 제5조", &[NotInForce]);
    check("여신심사규정 제4조", &[NotInForce]);
    check("여신심사규정 별표 1 및 별표 9", &[Verified, NotFound]);
    check("금융소비자 보호에 관한 법률 제19조", &[NotChecked]);
    check("「없는 법률」 제3조", &[NotChecked]);
    check("제3조에 따라", &[Ambiguous]);
    check("시험은행법 제1조를 본다. 나아가 제35조도 본다", &[Verified, Verified]);
    check(
        "같은 법 시행령의 예: 「시험은행법」 제1조 및 같은 법 시행령 제20조, 제21조",
        &[Verified, Verified, NotFound],
    );
    check("시험은행법 제35조(동일차주 등에 대한 신용공여의 한도)", &[Verified]);
    check("시험은행법 제35조(중도상환수수료의 면제)", &[QuoteMismatch]);
    check(
        "시험은행법 제35조의2는 \"대주주에 대한 신용공여는 자기자본의 100분의 10을 넘을 수 없다\"고 한다",
        &[Verified],
    );
    check(
        "시험은행법 제35조의2는 \"대주주에 대한 신용공여는 자기자본의 100분의 20을 넘을 수 없다\"고 한다",
        &[QuoteMismatch],
    );
    check("시험은행법 제35조제2항은 “동일차주에 대하여 자기자본의 100분의 25를 초과하는”이라 한다", &[QuoteMismatch]);
    check("인용이 없는 글", &[]);
}

#[test]
fn verdicts_and_places() {
    let (_env, regulations) = indexed();
    let verify = |text: &str| regulations.verify(&VerifyCitations { text: text.to_owned(), as_of: None }).unwrap();
    assert_eq!(verify("시험은행법 제35조").verdict, Verdict::Right);
    assert_eq!(verify("시험은행법 제36조").verdict, Verdict::Wrong);
    assert_eq!(verify("금소법 제19조").verdict, Verdict::Unchecked);
    assert_eq!(verify("없음").verdict, Verdict::Empty);
    let found = verify("첫 줄\n둘째 줄의 시험은행법 제35조");
    let citation = &found.citations[0];
    assert_eq!((citation.line, citation.start, citation.end), (2, 10, 20));
    assert_eq!(citation.written, "시험은행법 제35조");
    let then = regulations
        .verify(&VerifyCitations {
            text: "여신심사규정 제3조의2".to_owned(), as_of: Some("2026-06-30".to_owned())
        })
        .unwrap();
    assert_eq!(then.citations[0].status, CitationStatus::NotInForce);
}
