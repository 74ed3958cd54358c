//! What a collection holds, as points: passages, one record per document, one for the collection.
//!
//! The state of the index lies beside the passages in the same collection, so that an embedded
//! folder and a cluster work the same way and a copy of the points is a copy of everything. Records
//! have no vectors, so no search finds them.

use haechi_contract::retrieval::Passage;
use haechi_korean::date::Date;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use uuid::Uuid;

use crate::{
    store::{Condition, FieldType, Filter, Point, Vectors},
    terms::Weighting,
};

/// Goes up whenever the fields below change their meaning.
pub const SCHEMA_VERSION: u32 = 1;

/// The fields that filters use; a server in strict mode refuses a filter on any other.
pub const FIELDS: &[(&str, FieldType)] = &[
    (RECORD, FieldType::Keyword),
    (DOCUMENT, FieldType::Keyword),
    (TITLE, FieldType::Keyword),
    (KIND, FieldType::Keyword),
    (DEPARTMENT, FieldType::Keyword),
    (TAGS, FieldType::Keyword),
    (DIGEST, FieldType::Keyword),
    (DATE, FieldType::Integer),
    (ORDINAL, FieldType::Integer),
];

pub const RECORD: &str = "record";
pub const DOCUMENT: &str = "document";
pub const TITLE: &str = "title";
pub const KIND: &str = "kind";
pub const DEPARTMENT: &str = "department";
pub const TAGS: &str = "tags";
pub const DIGEST: &str = "digest";
pub const DATE: &str = "date";
pub const ORDINAL: &str = "ordinal";

/// The namespace of our ids; version 5 ids of it are the same on every machine.
const NAMESPACE: Uuid = Uuid::from_u128(0x6861_6563_6869_5072_8000_0070_6173_7361);

/// A passage as it is stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredPassage {
    pub record: String,
    pub document: String,
    /// What the document's bytes and the way of reading them hash to; tells stale passages.
    pub digest: String,
    /// The position in the document, from 0.
    pub ordinal: u32,
    pub title: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub heading: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub page: Option<u32>,
    pub text: String,
    /// Bytes of the text that repeat the passage before.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub repeated: usize,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub addenda: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub department: Option<String>,
    /// `yyyymmdd`, so that a range is a comparison of numbers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub date: Option<u32>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
fn is_zero(value: &usize) -> bool {
    *value == 0
}

impl StoredPassage {
    /// The passage as it goes over the wire.
    pub fn shown(self, id: Uuid, collection: &str, score: Option<f32>) -> Passage {
        let mut citation = self.title.clone();
        for heading in &self.heading {
            citation.push_str(" › ");
            citation.push_str(heading);
        }
        if let Some(page) = self.page {
            citation.push_str(&format!(" (p. {page})"));
        }
        Passage {
            uri: format!("passage://{collection}/{id}"),
            id: id.to_string(),
            collection: collection.to_owned(),
            document: self.document,
            title: self.title,
            heading: self.heading,
            page: self.page,
            text: self.text,
            // Four digits rank as well as all of them and read better.
            score: score.map(|score| (f64::from(score) * 10_000.0).round() / 10_000.0),
            citation,
            kind: self.kind,
            department: self.department,
            date: self.date.and_then(Date::from_number).map(|date| date.to_string()),
            tags: self.tags,
        }
    }

    /// The id: the same content at the same place of the same document keeps it, whatever is
    /// inserted before; other content never gets it. `occurrence` tells equal passages apart.
    pub fn id(collection: &str, document: &str, heading: &[String], text: &str, occurrence: usize) -> Uuid {
        let mut name = Vec::with_capacity(text.len() + 128);
        for part in [collection, document].into_iter().chain(heading.iter().map(String::as_str)) {
            name.extend_from_slice(part.as_bytes());
            name.push(0);
        }
        name.extend_from_slice(text.as_bytes());
        name.push(0);
        name.extend_from_slice(&u64::try_from(occurrence).unwrap_or(u64::MAX).to_le_bytes());
        Uuid::new_v5(&NAMESPACE, &name)
    }
}

/// A document that is completely stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredDocument {
    pub record: String,
    pub document: String,
    pub digest: String,
    pub passages: usize,
    pub bytes: u64,
}

impl StoredDocument {
    pub fn id(collection: &str, document: &str) -> Uuid {
        Uuid::new_v5(&NAMESPACE, format!("document\0{collection}\0{document}").as_bytes())
    }
}

/// How a collection was built; other settings would find other things in it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StoredCollection {
    pub record: String,
    pub schema: u32,
    pub analyser: u32,
    pub weighting: Weighting,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<StoredModel>,
    /// Whether the last indexing run came to its end; if not, the next one looks for leftovers.
    pub clean: bool,
    /// RFC 3339, when an indexing run last came to its end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub updated_at: Option<String>,
}

/// The embedding model of a collection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredModel {
    pub name: String,
    pub dimension: usize,
    /// What tells this model and its use from every other: name, prefixes, pooling, weights.
    pub fingerprint: String,
}

impl StoredCollection {
    pub fn new(model: Option<StoredModel>) -> Self {
        Self {
            record: "collection".into(),
            schema: SCHEMA_VERSION,
            analyser: haechi_korean::analysis::ANALYSER_VERSION,
            weighting: Weighting::default(),
            model,
            clean: true,
            updated_at: None,
        }
    }

    pub fn id() -> Uuid {
        Uuid::new_v5(&NAMESPACE, b"collection")
    }
}

/// Matches all points of one kind.
pub fn of_record(record: &str) -> Filter {
    Filter { must: vec![is(RECORD, record)], must_not: Vec::new() }
}

pub fn is(field: &'static str, value: &str) -> Condition {
    Condition::Any { field, values: vec![value.to_owned()] }
}

/// A record as a point without vectors.
pub fn point<T: Serialize>(id: Uuid, record: &T, vectors: Vectors) -> Point {
    let payload = match serde_json::to_value(record) {
        Ok(Value::Object(payload)) => payload,
        // Structs with string keys always serialise to objects.
        Ok(_) | Err(_) => Map::new(),
    };
    Point { id, vectors, payload }
}

/// Reads a record back; nothing where the point is something else.
pub fn read<T: for<'de> Deserialize<'de>>(payload: Map<String, Value>) -> Option<T> {
    serde_json::from_value(Value::Object(payload)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_depend_on_content_and_not_on_position() {
        let heading = ["3. 담보평가".to_owned()];
        let id = StoredPassage::id("manuals", "manuals/여신.md", &heading, "시가로 평가한다.", 0);
        assert_eq!(id, StoredPassage::id("manuals", "manuals/여신.md", &heading, "시가로 평가한다.", 0));
        for other in [
            StoredPassage::id("other", "manuals/여신.md", &heading, "시가로 평가한다.", 0),
            StoredPassage::id("manuals", "manuals/수신.md", &heading, "시가로 평가한다.", 0),
            StoredPassage::id("manuals", "manuals/여신.md", &[], "시가로 평가한다.", 0),
            StoredPassage::id("manuals", "manuals/여신.md", &heading, "시가로 평가했다.", 0),
            StoredPassage::id("manuals", "manuals/여신.md", &heading, "시가로 평가한다.", 1),
        ] {
            assert_ne!(id, other);
        }
    }

    #[test]
    fn records_come_back() {
        let record = StoredCollection::new(None);
        let point = point(StoredCollection::id(), &record, Vectors::default());
        assert_eq!(read::<StoredCollection>(point.payload), Some(record));
    }
}
