//! Fields that are put into a text, in the style of what surrounds them.

/// A field with its comments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Item {
    /// Whole lines that stand before it, without indentation.
    pub(super) comments: Vec<String>,
    pub(super) key: String,
    pub(super) value: Content,
}

/// What a field holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Content {
    /// A value as it is written, and what follows it on its line.
    Raw(String, String),
    /// A word of ours, which needs no quotes in YAML.
    Word(String),
    /// Fields.
    Map(Vec<Item>),
}

impl Item {
    pub(super) fn word(key: &str, word: &str) -> Self {
        Self {
            comments: Vec::new(),
            key: key.to_owned(),
            value: Content::Word(word.to_owned()),
        }
    }

    pub(super) fn map(key: &str, fields: Vec<Self>) -> Self {
        Self {
            comments: Vec::new(),
            key: key.to_owned(),
            value: Content::Map(fields),
        }
    }

    /// Writes it as lines.
    pub(super) fn block(&self, indent: &str, line_end: &str) -> String {
        let mut out = String::new();
        for comment in &self.comments {
            out += &format!("{indent}{comment}{line_end}");
        }
        match &self.value {
            Content::Raw(value, after) => {
                out += &format!("{indent}{}: {value}{after}{line_end}", self.key);
            }
            Content::Word(word) => out += &format!("{indent}{}: {word}{line_end}", self.key),
            Content::Map(fields) => {
                out += &format!("{indent}{}:{line_end}", self.key);
                for field in fields {
                    out += &field.block(&format!("{indent}  "), line_end);
                }
            }
        }
        out
    }

    /// Writes it for a mapping in braces, with quotes around words if that is how it is written; comments have
    /// no place there.
    pub(super) fn flow(&self, quotes: bool) -> String {
        let mark = if quotes { "\"" } else { "" };
        let value = match &self.value {
            Content::Raw(value, _) => value.clone(),
            Content::Word(word) => format!("{mark}{word}{mark}"),
            Content::Map(fields) => {
                let fields: Vec<String> = fields.iter().map(|f| f.flow(quotes)).collect();
                format!("{{{}}}", fields.join(", "))
            }
        };
        format!("{mark}{}{mark}: {value}", self.key)
    }

    /// Whether it, or a field below it, has a comment.
    pub(super) fn has_comments(&self) -> bool {
        !self.comments.is_empty()
            || match &self.value {
                Content::Raw(_, after) => !after.trim().is_empty(),
                Content::Word(_) => false,
                Content::Map(fields) => fields.iter().any(Self::has_comments),
            }
    }
}
