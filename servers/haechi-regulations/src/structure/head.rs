//! The head of a file: what regulation it is, of what kind, since when.

use haechi_documents::FrontMatter;
use haechi_korean::citation::Numbered;
use haechi_korean::date::{self, Date};

use super::AnnexSource;

/// What the front matter says, with the gaps filled from the title.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Head {
    pub title: String,
    /// The number of the law, which tells two laws of one title apart.
    pub id: Option<String>,
    /// `법률`, `시행령`, `시행규칙`, or what an internal rule calls itself.
    pub kind: String,
    /// A rule of the bank's own, not a statute.
    pub internal: bool,
    pub promulgated: Option<Date>,
    pub promulgation_no: Option<String>,
    pub effective: Option<Date>,
    pub short_names: Vec<String>,
    pub department: Option<String>,
    annexes: Vec<(String, String, String, String)>,
}

impl Head {
    pub(super) fn new(front: &FrontMatter, fallback: &str, text: &str) -> Self {
        let first =
            |keys: &[&str]| front.first(keys).map(|value| value.trim().to_owned()).filter(|value| !value.is_empty());
        let day = |keys: &[&str]| first(keys).and_then(|value| date::parse(&value));
        let title = first(&["제목", "규정명", "법령명", "명칭", "title"]).unwrap_or_else(|| fallback.trim().to_owned());
        let id = first(&["법령ID", "규정ID", "규정번호", "문서번호", "id"]);
        let written = first(&["법령구분", "종류", "구분", "유형", "kind"]);
        let statute = front.first(&["법령ID", "법령구분", "법령MST"]).is_some();
        let kind = if title.ends_with("시행령") {
            "시행령".to_owned()
        } else if title.ends_with("시행규칙") {
            "시행규칙".to_owned()
        } else {
            written.unwrap_or_else(|| {
                if statute || title.ends_with('법') || title.ends_with("법률") { "법률" } else { "내규" }.to_owned()
            })
        };
        let internal =
            !statute && !["법률", "시행령", "시행규칙", "대통령령", "총리령", "부령", "법령"].contains(&kind.as_str());
        let promulgated = day(&["공포일자", "개정일자", "제정일자", "공포일", "개정일", "제정일"]);
        Self {
            id,
            kind,
            internal,
            promulgated,
            promulgation_no: first(&["공포번호", "개정번호", "개정차수", "버전"]),
            effective: day(&["시행일자", "시행일", "effective"]).or(promulgated),
            short_names: front
                .values(&["약칭", "별칭", "short_names"])
                .into_iter()
                .map(|value| value.trim().to_owned())
                .filter(|value| !value.is_empty())
                .collect(),
            department: first(&["소관부처", "소관부서", "주관부서", "부서"]),
            annexes: listed_annexes(text),
            title,
        }
    }

    /// Annexes that the head lists without their content, as the statutes of law.go.kr come.
    pub(super) fn annexes(&self) -> Vec<AnnexSource> {
        self.annexes
            .iter()
            .filter_map(|(kind, number, branch, title)| {
                let number: u32 = number.parse().ok()?;
                let branch = branch.parse::<u32>().ok().filter(|&branch| branch > 0);
                let label = match (kind.as_str(), branch) {
                    ("별표", None) => format!("별표 {number}"),
                    ("별표", Some(branch)) => format!("별표 {number}의{branch}"),
                    (_, None) => format!("별지 제{number}호서식"),
                    (_, Some(branch)) => format!("별지 제{number}호의{branch}서식"),
                };
                Some(AnnexSource {
                    label,
                    number: Some(Numbered::new(number, branch)),
                    title: title.clone(),
                    text: String::new(),
                })
            })
            .collect()
    }
}

/// Reads the list of attachments, which is nested deeper than the front matter's plain pairs.
fn listed_annexes(text: &str) -> Vec<(String, String, String, String)> {
    let Some(head) = text.strip_prefix("---").and_then(|rest| rest.find("\n---").and_then(|end| rest.get(..end)))
    else {
        return Vec::new();
    };
    let Some(at) = head.find("\n첨부파일:") else { return Vec::new() };
    let mut found: Vec<(String, String, String, String)> = Vec::new();
    for line in head.get(at..).unwrap_or_default().lines().skip(2) {
        let item = line.trim_start();
        let opens = item.starts_with("- ");
        let Some((key, value)) = item.trim_start_matches("- ").split_once(':') else { continue };
        let value = value.trim().trim_matches(['\'', '"']).to_owned();
        if opens {
            found.push(Default::default());
        }
        let Some(last) = found.last_mut() else { continue };
        match key.trim() {
            "별표구분" => last.0 = value,
            "별표번호" => last.1 = value,
            "별표가지번호" => last.2 = value,
            "제목" => last.3 = value,
            _ => {}
        }
    }
    found.retain(|(kind, number, _, _)| (kind == "별표" || kind == "서식") && !number.is_empty());
    found
}
