//! What the reader of manifests finds, explained. Its faults are no rules that a set could be without.

use nautes_model::manifest::rule;

use super::{Explained, Row, of_row};

const ROWS: &[Row] = &[
    (
        rule::API_VERSION,
        "a manifest has the API version of Nautes",
        "the version says how the fields are to be read; another one may mean something else by the same name",
    ),
    (
        rule::CONVERT,
        "a text of an older form is written so that an edit makes it the current one",
        "nautes convert keeps comments and order by changing single words; it leaves alone what it could only write anew",
    ),
    (
        rule::DUPLICATE,
        "a file declares each resource once",
        "of two declarations one would be silently ignored, and nobody could say which",
    ),
    (
        rule::DUPLICATE_KEY,
        "a key stands once in a mapping",
        "tools disagree on which of two values counts, so what people review would not be what happens",
    ),
    (
        rule::ENCODING,
        "a manifest is UTF-8 without a byte order mark",
        "a text in another encoding is read as something else than what its author saw; a byte order mark is only warned of",
    ),
    (
        rule::FIELD_MISSING,
        "a field that the kind requires is given",
        "there is no value that could be assumed without surprise",
    ),
    (
        rule::FIELD_TYPE,
        "a field has a value of its type",
        "a number where a text is expected, or a text where a list is, is mostly a slip of indentation or quotes",
    ),
    (
        rule::FIELD_UNKNOWN,
        "a field is one that the kind has",
        "a misspelt field would be ignored, and what it was to say would be lost without a word",
    ),
    (
        rule::FIELD_VALUE,
        "a field has a value that is allowed",
        "a value out of its range or its list of choices is refused where it is written, not where it fails",
    ),
    (
        rule::KIND,
        "the kind of a manifest is one of Nautes",
        "an object of another kind in a folder of Nautes would never be acted on",
    ),
    (
        rule::LIMIT,
        "a text is not larger, deeper or longer than what is allowed",
        "nothing that somebody hands in may cost more time or memory than what it is worth; see the page of limits",
    ),
    (
        rule::NAME,
        "the name of a resource is a DNS label",
        "names become names of namespaces, accounts and folders, which allow nothing else",
    ),
    (
        rule::PRODUCT,
        "a resource of a product says which, and says the same everywhere",
        "the owner decides who may change a resource; a guess would give it to somebody",
    ),
    (
        rule::SYNTAX,
        "a manifest is well-formed YAML",
        "what cannot be read cannot be judged; the other documents of the file are read all the same",
    ),
];

/// Goes through the faults.
pub(super) fn explained() -> impl Iterator<Item = Explained> {
    ROWS.iter().map(of_row)
}
