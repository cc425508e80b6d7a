//! Text for people: each finding with the lines that it is about.

use annotate_snippets::renderer::DecorStyle;
use annotate_snippets::{AnnotationKind, Group, Level, Origin, Renderer, Snippet, normalize_untrusted_str};
use nautes_model::Identity;

use super::{Report, Shown};

/// How many related resources are named.
const MANY: usize = 10;

/// How text is laid out.
#[derive(Clone, Copy, Debug)]
pub(in super::super) struct Style {
    /// Whether there are colours.
    pub(in super::super) colours: bool,
    /// How wide a line may be.
    pub(in super::super) width: usize,
}

pub(super) fn write(report: &Report<'_>) -> String {
    let renderer = if report.style.colours {
        Renderer::styled()
    } else {
        Renderer::plain()
    };
    let renderer = renderer
        .decor_style(DecorStyle::Ascii)
        .term_width(report.style.width);
    let (shown, _) = report.shown();
    let mut out = String::new();
    for shown in shown {
        one(report, shown, &renderer, &mut out);
    }
    out
}

fn one(report: &Report<'_>, shown: Shown<'_>, renderer: &Renderer, out: &mut String) {
    let finding = shown.finding;
    let level = match (shown.is_standing, shown.is_error()) {
        (true, _) => Level::WARNING.with_name("standing"),
        (false, true) => Level::ERROR,
        (false, false) => Level::WARNING,
    };
    let title = level
        .primary_title(finding.message.as_str())
        .id(finding.rule.as_str());
    let mut group = Group::with_title(title);
    let subject = super::subject(finding);
    let excerpt = report.texts.excerpt(finding);
    if let Some(excerpt) = &excerpt {
        let mut mark = AnnotationKind::Primary.span(excerpt.span.clone());
        if !subject.is_empty() {
            mark = mark.label(subject.as_str());
        }
        group = group.element(
            Snippet::source(excerpt.text.as_str())
                .path(&*finding.file)
                .line_start(excerpt.first)
                .fold(false)
                .annotation(mark),
        );
    } else {
        if !finding.file.is_empty() {
            let mut origin = Origin::path(&*finding.file);
            if let Some(at) = finding.position {
                origin = origin.line(at.line).char_column(at.column);
            }
            group = group.element(origin);
        }
        if !subject.is_empty() {
            group = group.element(Level::NOTE.message(normalize_untrusted_str(&subject)));
        }
    }
    let others = finding.related.iter().take(MANY);
    let mut related: Vec<String> = others.map(|other| place(report, other)).collect();
    if !related.is_empty() {
        if let Some(more) = finding.related.len().checked_sub(MANY + 1) {
            related.push(format!("{} more", more + 1));
        }
        let text = format!("see {}", related.join(", "));
        group = group.element(Level::NOTE.message(normalize_untrusted_str(&text)));
    }
    if let Some(hint) = &finding.hint {
        group = group.element(Level::HELP.message(normalize_untrusted_str(hint)));
    }
    out.push_str(&renderer.render(&[group]));
    out.push_str("\n\n");
}

/// A resource, and where it is declared.
fn place(report: &Report<'_>, identity: &Identity) -> String {
    match report.input.scopes.get(identity) {
        Some(found) if !found.source.file.is_empty() => {
            format!("{identity} ({}:{})", found.source.file, found.source.line)
        }
        _ => identity.to_string(),
    }
}
