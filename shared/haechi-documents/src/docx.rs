//! Word documents (DOCX) to blocks.
//!
//! Headings come from the styles, lists from the numbering properties, tables as they stand.
//! Deleted and hidden text is not text of the document; headers, footers and comments are not read.

use std::{collections::HashMap, io::Read as _};

use quick_xml::{
    Reader as XmlReader, XmlVersion,
    events::{BytesStart, Event},
};

use crate::{
    Block, BlockKind, Document, DocumentError, Format, FrontMatter, Limits, Table, decode,
    lines::{self, Line},
    text,
};

/// The first bytes of an OLE container: what Word makes of a document with a password.
const OLE: &[u8] = &[0xD0, 0xCF, 0x11, 0xE0];
/// Elements inside one another; deeper ones come from nobody's word processor.
const DEPTH_MAX: usize = 512;

pub(crate) fn read(bytes: &[u8], limits: &Limits) -> Result<Document, DocumentError> {
    if bytes.starts_with(OLE) {
        return Err(DocumentError::PasswordRequired);
    }
    let mut archive = zip::ZipArchive::new(std::io::Cursor::new(bytes))
        .map_err(|_| DocumentError::Damaged { detail: "not a zip archive" })?;
    let mut left = limits.unpacked_bytes_max;
    let mut part = |name: &str| -> Result<Option<String>, DocumentError> {
        let Ok(file) = archive.by_name(name) else { return Ok(None) };
        if file.encrypted() {
            return Err(DocumentError::PasswordRequired);
        }
        let mut unpacked = Vec::new();
        let limit = u64::try_from(left).unwrap_or(u64::MAX);
        file.take(limit.saturating_add(1))
            .read_to_end(&mut unpacked)
            .map_err(|_| DocumentError::Damaged { detail: "a part cannot be unpacked" })?;
        left = left.checked_sub(unpacked.len()).ok_or(DocumentError::TooLarge {
            what: "unpacked bytes",
            found: unpacked.len(),
            max: limits.unpacked_bytes_max,
        })?;
        Ok(Some(String::from_utf8_lossy(&unpacked).into_owned()))
    };
    let Some(main) = part("word/document.xml")? else {
        return Err(DocumentError::Damaged { detail: "no main part" });
    };
    let styles = part("word/styles.xml")?.map(|xml| heading_styles(&xml)).unwrap_or_default();
    let stated = part("docProps/core.xml")?.and_then(|xml| stated_title(&xml));
    let mut body = Body { styles, ..Body::default() };
    body.run(&main)?;
    let (text, blocks) = (body.text, body.blocks);
    Ok(Document {
        format: Format::Docx,
        title: text::title(&FrontMatter::default(), &blocks).or(stated),
        front_matter: FrontMatter::default(),
        text,
        blocks,
        encoding: "UTF-8",
    })
}

fn attribute(element: &BytesStart<'_>, name: &str) -> Option<String> {
    element
        .attributes()
        .flatten()
        .find(|attribute| attribute.key.local_name().as_ref() == name)
        .map(|attribute| attribute.value.to_string())
}

/// Tells `<w:vanish/>` from `<w:vanish w:val="false"/>`.
fn switched_on(element: &BytesStart<'_>) -> bool {
    !matches!(attribute(element, "val").as_deref(), Some("0" | "false" | "off"))
}

/// The heading level of every style that has one: by its outline level, else by its name.
fn heading_styles(xml: &str) -> HashMap<String, u8> {
    let mut levels = HashMap::new();
    let mut reader = XmlReader::from_str(xml);
    let mut style = None;
    while let Ok(event) = reader.read_event() {
        match event {
            Event::Start(element) | Event::Empty(element) => match element.local_name().as_ref() {
                "style" => style = attribute(&element, "styleId"),
                "name" => {
                    let name = attribute(&element, "val").unwrap_or_default().to_lowercase();
                    let level = match name.as_str() {
                        "title" | "제목" => Some(1),
                        name => name
                            .strip_prefix("heading ")
                            .or_else(|| name.strip_prefix("제목 "))
                            .and_then(|level| level.trim().parse::<u8>().ok()),
                    };
                    if let (Some(style), Some(level)) = (&style, level) {
                        levels.insert(style.clone(), level.clamp(1, 6));
                    }
                }
                "outlineLvl" => {
                    let level = attribute(&element, "val").and_then(|level| level.parse::<u8>().ok());
                    if let (Some(style), Some(level @ 0..=5)) = (&style, level) {
                        levels.entry(style.clone()).or_insert(level + 1);
                    }
                }
                _ => {}
            },
            Event::Eof => break,
            _ => {}
        }
    }
    levels
}

fn stated_title(xml: &str) -> Option<String> {
    let (_, rest) = xml.split_once("<dc:title>")?;
    let (title, _) = rest.split_once("</dc:title>")?;
    let title = decode::clean(title).trim().to_owned();
    (!title.is_empty()).then_some(title)
}

#[derive(Default)]
struct Body {
    styles: HashMap<String, u8>,
    text: String,
    blocks: Vec<Block>,
    paragraph: String,
    heading: Option<u8>,
    list_depth: Option<u8>,
    hidden_run: bool,
    in_text: bool,
    /// Tables that are open, the outermost first; inner ones become text of the outer cell.
    tables: Vec<OpenTable>,
}

#[derive(Default)]
struct OpenTable {
    table: Table,
    cell: Vec<String>,
    span: usize,
    header_row: bool,
    from: usize,
}

impl Body {
    fn run(&mut self, xml: &str) -> Result<(), DocumentError> {
        let mut reader = XmlReader::from_str(xml);
        let mut depth = 0_usize;
        loop {
            let event =
                reader.read_event().map_err(|_| DocumentError::Damaged { detail: "the main part is no XML" })?;
            match event {
                Event::Start(element) => {
                    depth += 1;
                    if DEPTH_MAX < depth {
                        return Err(DocumentError::Damaged { detail: "elements are nested too deeply" });
                    }
                    self.start(&element);
                }
                Event::Empty(element) => {
                    self.start(&element);
                    self.end(element.local_name().as_ref());
                }
                Event::End(element) => {
                    depth = depth.saturating_sub(1);
                    self.end(element.local_name().as_ref());
                }
                Event::Text(piece) if self.in_text && !self.hidden_run => {
                    self.paragraph.push_str(&piece.xml_content(XmlVersion::Implicit1_0));
                }
                Event::GeneralRef(reference) if self.in_text && !self.hidden_run => {
                    let letter = match &*reference {
                        "amp" => Some('&'),
                        "lt" => Some('<'),
                        "gt" => Some('>'),
                        "quot" => Some('"'),
                        "apos" => Some('\''),
                        other => other.strip_prefix('#').and_then(|number| {
                            let code = match number.strip_prefix('x') {
                                Some(hex) => u32::from_str_radix(hex, 16).ok()?,
                                None => number.parse().ok()?,
                            };
                            char::from_u32(code)
                        }),
                    };
                    self.paragraph.extend(letter);
                }
                Event::Eof => {
                    self.end_paragraph();
                    return Ok(());
                }
                _ => {}
            }
        }
    }

    fn start(&mut self, element: &BytesStart<'_>) {
        match element.local_name().as_ref() {
            "p" => {
                self.heading = None;
                self.list_depth = None;
            }
            "pStyle" => {
                self.heading = attribute(element, "val").and_then(|style| self.styles.get(&style).copied());
            }
            "ilvl" => {
                self.list_depth = attribute(element, "val").and_then(|level| level.parse().ok()).or(Some(0));
            }
            "r" => self.hidden_run = false,
            "vanish" => self.hidden_run = switched_on(element),
            "t" => self.in_text = true,
            "tab" if !self.hidden_run => self.paragraph.push(' '),
            "br" | "cr" if !self.hidden_run => self.paragraph.push('\n'),
            "tbl" => self.tables.push(OpenTable { from: self.text.len(), ..OpenTable::default() }),
            "tr" => {
                if let Some(open) = self.tables.last_mut() {
                    open.table.rows.push(Vec::new());
                    open.header_row = false;
                }
            }
            "tblHeader" => {
                if let Some(open) = self.tables.last_mut() {
                    open.header_row = switched_on(element);
                }
            }
            "tc" => {
                if let Some(open) = self.tables.last_mut() {
                    open.cell.clear();
                    open.span = 1;
                }
            }
            "gridSpan" => {
                if let (Some(open), Some(span)) = (self.tables.last_mut(), attribute(element, "val")) {
                    open.span = span.parse().unwrap_or(1).clamp(1, 64);
                }
            }
            _ => {}
        }
    }

    fn end(&mut self, name: &str) {
        match name {
            "t" => self.in_text = false,
            "r" => self.hidden_run = false,
            "p" => self.end_paragraph(),
            "tc" => {
                if let Some(open) = self.tables.last_mut() {
                    let cell = open.cell.drain(..).collect::<Vec<_>>().join(" ");
                    // A wide cell names every column that it stands over.
                    let cells = std::iter::repeat_n(cell, open.span.max(1));
                    if let Some(row) = open.table.rows.last_mut() {
                        row.extend(cells);
                    }
                }
            }
            "tr" => {
                if let Some(open) = self.tables.last_mut()
                    && open.header_row
                    && open.table.header_rows + 1 == open.table.rows.len()
                {
                    open.table.header_rows += 1;
                }
            }
            "tbl" => self.end_table(),
            _ => {}
        }
    }

    fn end_paragraph(&mut self) {
        let paragraph = decode::clean(&std::mem::take(&mut self.paragraph));
        if paragraph.trim().is_empty() {
            return;
        }
        if let Some(open) = self.tables.last_mut() {
            open.cell.push(paragraph.split_whitespace().collect::<Vec<_>>().join(" "));
            return;
        }
        let start = self.text.len();
        let mut at = start;
        let lines: Vec<Line> = paragraph
            .split('\n')
            .map(|line| {
                let span = at..at + line.len();
                at += line.len() + 1;
                Line { text: line.to_owned(), span }
            })
            .collect();
        self.text.push_str(&paragraph);
        self.text.push('\n');
        let division = if self.heading.is_none() && lines.len() == 1 { lines::division(&paragraph) } else { None };
        if let Some(level) = self.heading {
            let text = paragraph.split_whitespace().collect::<Vec<_>>().join(" ");
            let span = start..start + paragraph.len();
            self.blocks.push(Block { kind: BlockKind::Heading { level }, text, span, page: None });
        } else if let Some(division) = division {
            // Regulations in Word rarely use styles; their articles say themselves what they are.
            let (title, rest) = paragraph.split_at(division.bytes.min(paragraph.len()));
            self.blocks.push(Block {
                kind: BlockKind::Heading { level: division.level },
                text: title.trim().to_owned(),
                span: start..start + title.len(),
                page: None,
            });
            let span = start + title.len()..start + paragraph.len();
            lines::group(&[Line { text: rest.to_owned(), span }], &BlockKind::Paragraph, &mut self.blocks);
        } else {
            let kind = match self.list_depth {
                Some(depth) => BlockKind::ListItem { depth },
                None => BlockKind::Paragraph,
            };
            lines::group(&lines, &kind, &mut self.blocks);
        }
    }

    fn end_table(&mut self) {
        let Some(mut open) = self.tables.pop() else { return };
        open.table.rows.retain(|row| row.iter().any(|cell| !cell.is_empty()));
        if open.table.rows.is_empty() {
            return;
        }
        let text = open.table.to_lines();
        if let Some(outer) = self.tables.last_mut() {
            outer.cell.push(text.replace('\n', " "));
            return;
        }
        open.table.header_rows = open.table.header_rows.clamp(1, open.table.rows.len());
        self.text.push_str(&text);
        let span = open.from..self.text.len();
        self.text.push('\n');
        self.blocks.push(Block { kind: BlockKind::Table(open.table), text, span, page: None });
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    fn archive(parts: &[(&str, &str)]) -> Vec<u8> {
        let mut writer = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
        for (name, content) in parts {
            writer.start_file(*name, zip::write::SimpleFileOptions::default()).unwrap();
            writer.write_all(content.as_bytes()).unwrap();
        }
        writer.finish().unwrap().into_inner()
    }

    fn document(body: &str) -> Vec<u8> {
        let styles = r#"<w:styles xmlns:w="w"><w:style w:styleId="a1"><w:name w:val="heading 1"/></w:style>
            <w:style w:styleId="x2"><w:name w:val="본부제목"/><w:pPr><w:outlineLvl w:val="1"/></w:pPr></w:style></w:styles>"#;
        archive(&[
            ("word/document.xml", &format!(r#"<w:document xmlns:w="w"><w:body>{body}</w:body></w:document>"#)),
            ("word/styles.xml", styles),
        ])
    }

    #[test]
    fn reads_styles_lists_tables_and_articles() {
        let bytes = document(
            r#"<w:p><w:pPr><w:pStyle w:val="a1"/></w:pPr><w:r><w:t>여신</w:t></w:r><w:r><w:t xml:space="preserve"> 지침</w:t></w:r></w:p>
            <w:p><w:pPr><w:pStyle w:val="x2"/></w:pPr><w:r><w:t>담보 &amp; 보증</w:t></w:r></w:p>
            <w:p><w:r><w:t>본문</w:t></w:r><w:r><w:rPr><w:vanish/></w:rPr><w:t>숨은 지시</w:t></w:r><w:del><w:r><w:delText>지운 말</w:delText></w:r></w:del></w:p>
            <w:p><w:pPr><w:numPr><w:ilvl w:val="0"/></w:numPr></w:pPr><w:r><w:t>항목</w:t></w:r></w:p>
            <w:p><w:r><w:t>제3조(한도) 한도는 10억원으로 한다.</w:t></w:r></w:p>
            <w:tbl><w:tr><w:tc><w:p><w:r><w:t>구분</w:t></w:r></w:p></w:tc><w:tc><w:tcPr><w:gridSpan w:val="2"/></w:tcPr><w:p><w:r><w:t>비율</w:t></w:r></w:p></w:tc></w:tr>
            <w:tr><w:tc><w:p><w:r><w:t>토지</w:t></w:r></w:p></w:tc><w:tc><w:p><w:r><w:t>60%</w:t></w:r></w:p></w:tc><w:tc><w:p/></w:tc></w:tr></w:tbl>"#,
        );
        let found = read(&bytes, &Limits::default()).unwrap();
        assert_eq!(found.title.as_deref(), Some("여신 지침"));
        let shown: Vec<(&BlockKind, &str)> =
            found.blocks.iter().map(|block| (&block.kind, block.text.as_str())).take(6).collect();
        assert_eq!(
            shown,
            [
                (&BlockKind::Heading { level: 1 }, "여신 지침"),
                (&BlockKind::Heading { level: 2 }, "담보 & 보증"),
                (&BlockKind::Paragraph, "본문"),
                (&BlockKind::ListItem { depth: 0 }, "항목"),
                (&BlockKind::Heading { level: 5 }, "제3조(한도)"),
                (&BlockKind::Paragraph, "한도는 10억원으로 한다."),
            ]
        );
        assert_eq!(found.blocks[6].text, "구분 | 비율 | 비율\n토지 | 60% | ");
        assert!(found.blocks.iter().all(|block| found.text.get(block.span.clone()).is_some()));
    }

    #[test]
    fn refuses_what_is_no_document() {
        let check = |bytes: &[u8], limits: &Limits, expected: &str| {
            let refused = read(bytes, limits).unwrap_err().to_string();
            assert!(refused.contains(expected), "{refused}");
        };
        let limits = Limits::default();
        check(b"PK\x03\x04 broken", &limits, "not a zip");
        check(&[OLE, &[0; 600]].concat(), &limits, "password");
        check(&archive(&[("other.xml", "<a/>")]), &limits, "no main part");
        check(&archive(&[("word/document.xml", "<a><b></a>")]), &limits, "no XML");
        let bomb = document(&"<w:p><w:r><w:t>가</w:t></w:r></w:p>".repeat(1_000));
        check(&bomb, &Limits { unpacked_bytes_max: 10_000, ..limits }, "unpacked bytes");
        check(&document(&"<w:p>".repeat(600)), &limits, "nested");
    }
}
