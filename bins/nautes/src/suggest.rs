//! Nearest names, for "did you mean".

/// Returns the nearest of some words, whatever their case; nothing when all are far.
#[must_use]
pub fn nearest<'w>(text: &str, words: impl IntoIterator<Item = &'w str>) -> Option<&'w str> {
    let text = text.to_lowercase();
    // Of equal ones the first by name, whatever the order.
    words
        .into_iter()
        .map(|word| (strsim::osa_distance(&text, &word.to_lowercase()), word))
        .filter(|(distance, word)| *distance <= 1 + word.len() / 4)
        .min()
        .map(|(_, word)| word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_words_are_found_and_far_ones_are_not() {
        let words = ["environment", "cluster", "envType"];
        assert_eq!(nearest("Enviroment", words), Some("environment"));
        assert_eq!(nearest("envtyp", words), Some("envType"));
        assert_eq!(nearest("something-else", words), None);
        assert_eq!(nearest("", words), None);
    }
}
