//! What the cutter promises: nothing is lost, nothing that belongs together is torn.

use haechi_documents::{Limits, read};
use proptest::prelude::*;

use super::*;

const SMALL: Size = Size { target: 60, max: 90, overlap: 30 };
const TIGHT: Size = Size { target: 50, max: 70, overlap: 30 };

fn drafts(text: &str, size: &Size) -> Vec<Draft> {
    let document = read("규정.md", text.as_bytes(), &Limits::default()).unwrap();
    let title = document.title.clone().unwrap_or_default();
    cut(&document, &title, size)
}

fn compact(text: &str) -> String {
    text.chars().filter(|letter| !letter.is_whitespace()).collect()
}

#[test]
fn a_section_that_fits_is_one_passage_under_its_headings() {
    let found = drafts(
        "# 여신심사 매뉴얼\n\n머리말이다.\n\n## 3. 담보평가\n\n### 3.2 감정\n\n시가로 평가한다.\n\n- 토지\n- 건물\n\n## 4. 사후관리\n",
        &Size::of_target(800),
    );
    let shown: Vec<(String, &str)> =
        found.iter().map(|draft| (draft.heading.join(" › "), draft.text.as_str())).collect();
    assert_eq!(
        shown,
        [
            (String::new(), "머리말이다."),
            ("3. 담보평가 › 3.2 감정".into(), "시가로 평가한다.\n토지\n건물"),
            ("4. 사후관리".into(), "4. 사후관리"),
        ]
    );
}

#[test]
fn a_long_section_repeats_the_sentence_before() {
    let found = drafts(
        "## 절차\n\n첫째 문장은 이것이다. 둘째 문장은 조금 더 길게 이어진다. 셋째 문장도 그만큼 길게 이어진다. 넷째 문장이 끝을 맺는다고 한다. 다섯째다.\n",
        &TIGHT,
    );
    let [first, second] = found.as_slice() else { panic!("{found:?}") };
    assert!(first.text.ends_with("길게 이어진다."), "{first:?}");
    let repeated = &second.text[..second.fresh_from];
    assert!(!repeated.is_empty() && first.text.ends_with(repeated.trim()), "{second:?}");
}

#[test]
fn an_item_repeats_what_introduces_its_list() {
    let found = drafts(
        "## 제9조(한도)\n\n① 다음 각 호는 제외한다.\n\n  1\\. 담보가 있는 가계대출로서 본점이 승인한 것은 제외한다\n  2\\. 보증이 있는 기업대출로서 본점이 승인한 것은 제외한다\n",
        &TIGHT,
    );
    let texts: Vec<&str> = found.iter().map(|draft| draft.text.as_str()).collect();
    assert_eq!(
        texts,
        [
            "① 다음 각 호는 제외한다.\n1. 담보가 있는 가계대출로서 본점이 승인한 것은 제외한다",
            "① 다음 각 호는 제외한다.\n2. 보증이 있는 기업대출로서 본점이 승인한 것은 제외한다",
        ]
    );
}

#[test]
fn rows_carry_their_header() {
    let found = drafts("## 비율\n\n| 구분 | LTV |\n|---|---|\n| 토지 | 70% |\n| 건물 | |\n", &Size::of_target(800));
    assert_eq!(found[0].text, "구분: 토지 | LTV: 70%\n구분: 건물");
}

#[test]
fn addenda_are_marked() {
    let found = drafts("# 규정\n\n## 제1조(목적)\n\n정한다.\n\n## 부칙\n\n공포한 날부터 시행한다.\n", &SMALL);
    assert_eq!(found.iter().map(|draft| draft.addenda).collect::<Vec<_>>(), [false, true]);
}

/// Sentences out of words that must stay whole.
fn sentence() -> impl Strategy<Value = String> {
    let word = prop_oneof![
        Just("여신은".to_owned()),
        Just("심사한다.".to_owned()),
        Just("(단서를".to_owned()),
        Just("제외)한다.".to_owned()),
        Just("은행법".to_owned()),
        (1_u32..99, 1_u32..9).prop_map(|(article, paragraph)| format!("제{article}조의2제{paragraph}항에")),
        (1_u64..9_999_999).prop_map(|number| format!("{number}원을")),
        (1_u32..999, 0_u32..99).prop_map(|(whole, part)| format!("{whole},{part:03}.5%")),
        "[가-힣]{1,40}",
    ];
    proptest::collection::vec(word, 1..60).prop_map(|words| words.join(" "))
}

proptest! {
    #[test]
    fn nothing_is_lost_and_nothing_is_torn(paragraphs in proptest::collection::vec(sentence(), 1..5)) {
        let text = format!("## 절\n\n{}\n", paragraphs.join("\n\n"));
        let document = read("규정.md", text.as_bytes(), &Limits::default()).unwrap();
        let found = cut(&document, "", &SMALL);
        let fresh: String = found.iter().map(|draft| compact(&draft.text[draft.fresh_from..])).collect();
        let whole: String = document
            .blocks
            .iter()
            .filter(|block| !matches!(block.kind, BlockKind::Heading { .. }))
            .map(|block| compact(&block.text))
            .collect();
        prop_assert_eq!(fresh, whole);
        for draft in &found {
            prop_assert!(draft.text.chars().count() <= SMALL.max, "{}", draft.text);
        }
        for pair in found.windows(2) {
            let [before, after] = pair else { continue };
            let last = before.text.chars().next_back();
            let first = after.text[after.fresh_from..].chars().next();
            let torn = last.is_some_and(|letter| letter.is_ascii_digit() || letter == ',')
                && first.is_some_and(|letter| letter.is_ascii_digit() || letter == ',');
            prop_assert!(!torn, "{} / {}", before.text, after.text);
            prop_assert!(!before.text.ends_with("조의"), "{}", before.text);
        }
    }

    #[test]
    fn any_text_is_cut_within_limits(text in "\\PC{0,600}", target in 20_usize..200) {
        let size = Size::of_target(target);
        let document = read("규정.txt", format!("가 {text}").as_bytes(), &Limits::default());
        if let Ok(document) = document {
            for draft in cut(&document, "", &size) {
                prop_assert!(draft.text.get(draft.fresh_from..).is_some());
                prop_assert!(!draft.text.trim().is_empty());
            }
        }
    }
}
