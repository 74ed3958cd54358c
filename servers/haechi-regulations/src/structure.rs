//! Reads one file of a regulation into its legal structure: head, divisions, articles, addenda,
//! annexes.
//!
//! It is liberal in what it takes for an article (`##### 제34조의2 (제목)`, `### 제1조(목적)`, a plain
//! line `제1조(목적) …`) and strict in one thing: addenda are cut off first, since their own 제1조
//! collide with the articles and they quote articles of other laws. It merges no versions.

mod head;
mod lines;

use haechi_korean::citation::{Article, Numbered};
use haechi_korean::date::Date;

pub use head::Head;
pub use lines::{paragraphs, strip_marks};

/// One file: one version of one regulation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    pub head: Head,
    /// Text before the first article: the preamble, or the whole of an order without articles.
    pub preamble: String,
    pub articles: Vec<ArticleSource>,
    pub addenda: Vec<AddendumSource>,
    pub annexes: Vec<AnnexSource>,
}

/// One article as it stands in one file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArticleSource {
    pub article: Article,
    pub title: String,
    pub text: String,
    /// Part, chapter, section that it stands in, outermost first.
    pub headings: Vec<String>,
    pub deleted: bool,
}

/// One 부칙 with the number it was promulgated under, where that is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AddendumSource {
    /// `제21296호, 2025.12.30`.
    pub label: String,
    pub date: Option<Date>,
    pub text: String,
}

/// One 별표 or 서식.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AnnexSource {
    /// `별표 1의2`, `별지 제3호서식`.
    pub label: String,
    pub number: Option<Numbered>,
    pub title: String,
    pub text: String,
}

/// Reads the text of a file. `fallback` is the title of a text that gives none of its own.
pub fn read(text: &str, markdown: bool, fallback: &str) -> Source {
    let (front, head) = haechi_documents::front_matter::split(text);
    let body = text.get(head.end..).unwrap_or_default();
    let mut reader = Reader::new(body, markdown);
    reader.read(body);
    let head = Head::new(&front, reader.title.as_deref().unwrap_or(fallback), text);
    let mut source = reader.source;
    source.annexes.extend(head.annexes());
    source.head = head;
    if source.articles.is_empty() && !source.preamble.is_empty() {
        // An order without articles is still text that is in force and can be cited.
        source.articles.push(ArticleSource {
            article: WHOLE,
            title: String::new(),
            text: std::mem::take(&mut source.preamble),
            headings: Vec::new(),
            deleted: false,
        });
    }
    if let [only] = source.articles.as_mut_slice()
        && only.article == Article::new(0, None)
    {
        // Some files of the same order call their whole text 제0조 and others call it nothing.
        only.article = WHOLE;
    }
    source
}

/// The pseudo-article that stands for a text without articles.
pub const WHOLE: Article = Article { number: 0, branch: Some(9_999) };

/// The label of an article for people: the pseudo-article has none.
pub fn label(article: Article) -> String {
    if article == WHOLE { "본문".to_owned() } else { article.to_string() }
}

struct Reader {
    markdown: bool,
    /// The file marks articles by headings, so a line that begins like one is prose.
    headed: bool,
    title: Option<String>,
    divisions: Vec<(u8, String)>,
    part: Part,
    lines: Vec<String>,
    source: Source,
}

enum Part {
    Preamble,
    Article { article: Article, title: String, deleted: bool },
    Addendum { label: String },
    Annex { label: String, number: Option<Numbered>, title: String },
}

impl Reader {
    fn new(body: &str, markdown: bool) -> Self {
        let headed = markdown
            && body.lines().any(|line| lines::heading(line).is_some_and(|(_, text)| lines::article(text).is_some()));
        Self {
            markdown,
            headed,
            title: None,
            divisions: Vec::new(),
            part: Part::Preamble,
            lines: Vec::new(),
            source: Source {
                head: Head::default(),
                preamble: String::new(),
                articles: Vec::new(),
                addenda: Vec::new(),
                annexes: Vec::new(),
            },
        }
    }

    fn read(&mut self, body: &str) {
        for line in body.lines() {
            let heading = if self.markdown { lines::heading(line) } else { None };
            match heading {
                Some((depth, text)) => self.heading(depth, text, line),
                None => self.line(line),
            }
        }
        self.close();
    }

    fn heading(&mut self, depth: usize, text: &str, line: &str) {
        let text = &lines::unescape(text);
        if let Some(label) = lines::addendum(text) {
            self.open(Part::Addendum { label });
        } else if let Some((label, number, title)) = lines::annex(text) {
            self.open(Part::Annex { label, number, title });
        } else if matches!(self.part, Part::Addendum { .. }) {
            // Headings inside 부칙 are its own articles.
            self.lines.push(text.clone());
        } else if let Some(found) = lines::article(text) {
            self.open_article(found);
        } else if let Some((rank, name)) = lines::division(text) {
            self.open_division(rank, name);
        } else if self.title.is_none() && depth == 1 && self.source.articles.is_empty() {
            self.title = Some(text.trim().to_owned());
        } else {
            self.lines.push(if self.markdown { text.clone() } else { line.to_owned() });
        }
    }

    fn line(&mut self, line: &str) {
        let trimmed = line.trim();
        if let Some(label) = lines::addendum_line(trimmed, matches!(self.part, Part::Addendum { .. })) {
            self.open(Part::Addendum { label });
            return;
        }
        if !self.headed && !matches!(self.part, Part::Addendum { .. }) {
            if let Some(found) = lines::article_line(trimmed) {
                self.open_article(found);
                return;
            }
            if let Some((rank, name)) = lines::division(trimmed).filter(|_| trimmed.chars().count() < 60) {
                self.open_division(rank, name);
                return;
            }
            let plain_title = self.title.is_none()
                && !self.markdown
                && matches!(self.part, Part::Preamble)
                && self.lines.is_empty()
                && (1..80).contains(&trimmed.chars().count());
            if plain_title {
                self.title = Some(trimmed.to_owned());
                return;
            }
        }
        if !self.headed
            && let Some((label, number, title)) = lines::annex(trimmed).filter(|_| trimmed.starts_with(['[', '■']))
        {
            self.open(Part::Annex { label, number, title });
            return;
        }
        self.lines.push(if self.markdown { lines::unescape(line) } else { line.to_owned() });
    }

    fn open_article(&mut self, found: lines::ArticleLine) {
        let lines::ArticleLine { article, title, rest } = found;
        self.open(Part::Article { article, title, deleted: false });
        if !rest.is_empty() {
            self.lines.push(rest);
        }
    }

    fn open_division(&mut self, rank: u8, name: String) {
        self.close();
        self.divisions.retain(|(other, _)| *other < rank);
        self.divisions.push((rank, name));
        self.part = Part::Preamble;
    }

    fn open(&mut self, part: Part) {
        self.close();
        self.part = part;
    }

    fn close(&mut self) {
        let text = lines::join(&std::mem::take(&mut self.lines));
        match std::mem::replace(&mut self.part, Part::Preamble) {
            Part::Preamble => {
                // What stands between a chapter's heading and its first article is rare and short.
                if !text.is_empty() && self.source.articles.is_empty() {
                    if !self.source.preamble.is_empty() {
                        self.source.preamble.push_str("\n\n");
                    }
                    self.source.preamble.push_str(&text);
                }
            }
            Part::Article { article, title, deleted } => {
                let deleted = deleted || lines::is_deleted(&title, &text);
                let headings = self.divisions.iter().map(|(_, name)| name.clone()).collect();
                self.source.articles.push(ArticleSource { article, title, text, headings, deleted });
            }
            Part::Addendum { label } => {
                if !text.is_empty() {
                    let date = haechi_korean::date::find(&label)
                        .into_iter()
                        .find_map(|found| found.day.is_some().then(|| found.first_day()).flatten());
                    self.source.addenda.push(AddendumSource { label, date, text });
                }
            }
            Part::Annex { label, number, title } => {
                self.source.annexes.push(AnnexSource { label, number, title, text });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outline(source: &Source) -> Vec<String> {
        let articles = source.articles.iter().map(|article| {
            let deleted = if article.deleted { " 삭제" } else { "" };
            format!(
                "{}({}) [{}]{deleted}: {}",
                article.article,
                article.title,
                article.headings.join(" > "),
                article.text
            )
        });
        let addenda = source.addenda.iter().map(|addendum| format!("부칙 {}: {}", addendum.label, addendum.text));
        let annexes = source.annexes.iter().map(|annex| format!("{} {}: {}", annex.label, annex.title, annex.text));
        articles.chain(addenda).chain(annexes).collect()
    }

    #[test]
    fn reads_statutes() {
        let text = "---\n제목: 시험법\n법령ID: '009999'\n법령구분: 법률\n공포일자: 2025-12-30\n공포번호: '21296'\n시행일자: 2026-07-01\n---\n\n# 시험법\n\n## 제1장 총칙 <개정 2010.5.17>\n\n##### 제1조 (목적)\n\n이 법은 …\n\n##### 제5조\n\n삭제 <2016.5.29>\n\n### 제2절 어음(수표)\n\n##### 제34조의2 (불건전 영업행위 등(제한))\n\n**①** 본문 <개정 2010.5.17>\n\n  1\\. 첫째\n\n## 부칙\n\n부칙 <제21296호,2025.12.30>\n\n제1조(시행일) 이 법은 …\n\n제15조의3의 제목 중\n\n부칙 <제2호,2026.1.2>\n\n둘째\n";
        let source = read(text, true, "x");
        assert_eq!(source.head.title, "시험법");
        assert_eq!(source.head.id.as_deref(), Some("009999"));
        assert_eq!(source.head.kind, "법률");
        assert_eq!(source.head.effective.unwrap().to_string(), "2026-07-01");
        assert_eq!(
            outline(&source),
            [
                "제1조(목적) [제1장 총칙]: 이 법은 …",
                "제5조() [제1장 총칙] 삭제: 삭제 <2016.5.29>",
                "제34조의2(불건전 영업행위 등(제한)) [제1장 총칙 > 제2절 어음(수표)]: ① 본문 <개정 2010.5.17>\n\n  1. 첫째",
                "부칙 제21296호,2025.12.30: 제1조(시행일) 이 법은 …\n\n제15조의3의 제목 중",
                "부칙 제2호,2026.1.2: 둘째",
            ]
        );
    }

    #[test]
    fn reads_internal_rules_in_markdown_and_plain_text() {
        let markdown = "---\n제목: 여신업무규정\n종류: 규정\n시행일자: 2026-01-01\n---\n## 제1장 총칙\n\n### 제1조(목적)\n이 규정은 …\n\n### 제2조(정의) ① 뜻은\n1. 여신\n\n## 부칙\n### 제1조(시행일)\n이 규정은 …\n\n## 별표 1 (한도)\n| a | b |\n";
        let plain = "여신업무규정\n\n제1장 총칙\n제1조(목적) 이 규정은 …\n\n제2조(정의) ① 뜻은\n1. 여신\n\n부    칙\n제1조(시행일) 이 규정은 …\n[별표 1] 한도\n| a | b |\n";
        let markdown = read(markdown, true, "x");
        let plain = read(plain, false, "x");
        assert_eq!(markdown.head.title, "여신업무규정");
        assert_eq!(plain.head.title, "여신업무규정");
        assert_eq!(
            outline(&markdown),
            [
                "제1조(목적) [제1장 총칙]: 이 규정은 …",
                "제2조(정의) [제1장 총칙]: ① 뜻은\n1. 여신",
                "부칙 : 제1조(시행일)\n이 규정은 …",
                "별표 1 한도: | a | b |",
            ]
        );
        assert_eq!(plain.articles, markdown.articles);
        assert_eq!(plain.annexes, markdown.annexes);
    }

    #[test]
    fn an_order_without_articles_is_one_text() {
        let source = read(
            "# 최고이자율에 관한 규정\n\n연 20퍼센트로 한다.\n\n## 부칙\n\n부칙 <제1호,2021.4.6>\n\n이 영은 …\n",
            true,
            "x",
        );
        assert_eq!(source.articles.len(), 1);
        assert_eq!(source.articles[0].article, WHOLE);
        assert_eq!(source.articles[0].text, "연 20퍼센트로 한다.");
    }

    proptest::proptest! {
        #[test]
        fn never_panics(text in "(#{0,3} ?(제[0-9]조|제[0-9]장|부칙|별표 [0-9]|가나|①|\\*\\*|\\\\|[(<「])?[()>」 0-9]{0,4}\n){0,12}", markdown: bool) {
            let _ = read(&text, markdown, "x");
        }
    }
}
