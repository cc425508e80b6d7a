//! JSON: everything, for scripts.

use serde_json::{Value, json};

use super::Report;

pub(super) fn write(report: &Report<'_>) -> String {
    let (shown, rest) = report.shown();
    let of = |is_standing: bool| -> Vec<Value> {
        let some = shown.iter().filter(|shown| shown.is_standing == is_standing);
        some.map(|shown| json!(shown.finding)).collect()
    };
    let unchecked: Vec<Value> = report
        .verdict
        .unchecked
        .iter()
        .map(|u| {
            json!({
                "resource": u.resource, "by": u.by, "file": u.file, "position": u.position, "field": u.field,
            })
        })
        .collect();
    let mut all = json!({
        "accepted": report.verdict.errors() == 0,
        "summary": {
            "errors": report.verdict.errors(),
            "warnings": report.verdict.warnings(),
            "standing": report.verdict.standing.len(),
            "files": report.input.files,
            "resources": report.input.scopes.iter().count(),
            "notShown": rest,
        },
        "findings": of(false),
        "notChecked": unchecked,
        "notes": report.input.notes,
    });
    if report.is_change {
        all["standing"] = of(true).into();
    }
    format!("{all:#}\n")
}
