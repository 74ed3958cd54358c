//! The name that somebody probably meant.

/// The known name most like `written`, if any is like it at all.
pub(crate) fn nearest<'name>(written: &str, known: impl IntoIterator<Item = &'name str>) -> Option<&'name str> {
    known
        .into_iter()
        .map(|name| (strsim::jaro_winkler(&written.to_lowercase(), &name.to_lowercase()), name))
        .filter(|(likeness, name)| 0.75 <= *likeness || strsim::damerau_levenshtein(written, name) <= 2)
        .max_by(|left, right| left.0.total_cmp(&right.0))
        .map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn finds_slips_and_leaves_strangers() {
        let known = ["breaches", "exposure", "regulations"];
        assert_eq!(nearest("brreaches", known), Some("breaches"));
        assert_eq!(nearest("regulation", known), Some("regulations"));
        assert_eq!(nearest("weather", known), None);
    }
}
