//! What the fuzz targets do with their input, and what must hold then. A test of the stable compiler does the same
//! with the seeds, so that what was found once stays found.
#![allow(dead_code, unreachable_pub, reason = "each program uses one of them")]

use nautes_model::Scopes;
use nautes_model::manifest::{self, Context, Form, Limits};
use nautes_model::name::ProductName;
use nautes_validate::{Access, Graph, RuleSet, check, check_change, order, organisation};

/// Small limits, so that inputs stay fast and limits are reached.
fn context(form: Form) -> Context<'static> {
    Context {
        limits: Limits {
            bytes: 64 << 10,
            documents: 64,
            depth: 32,
            nodes: 4000,
            findings: 100,
        },
        ..Context::new("fuzz.yaml", form)
    }
}

/// The reader: any bytes give the same verdict twice, in order, with places that exist.
pub fn reader(data: &[u8]) {
    let product = ProductName::new("demo").ok();
    for form in [Form::Git, Form::Request] {
        for product in [None, product.as_ref()] {
            let context = context(form).product(product);
            let parsed = manifest::parse_bytes(data, &context);
            assert_eq!(
                parsed,
                manifest::parse_bytes(data, &context),
                "the same input, the same verdict"
            );
            let lines = data.iter().filter(|b| **b == b'\n').count() + 1;
            let returns = data.iter().filter(|b| **b == b'\r').count();
            for finding in &parsed.findings {
                assert!(!finding.message.is_empty());
                assert!(
                    finding
                        .position
                        .is_none_or(|p| p.line <= lines + returns + 1 && p.column > 0)
                );
            }
            assert!(parsed.findings.len() <= context.limits.findings + 1);
            assert!(parsed.resources.len() <= context.limits.documents);
            for resource in &parsed.resources {
                let _ = manifest::locate(&resource.source, "spec.destination.environment");
                let text = manifest::render(&resource.resource).expect("what was read can be written");
                let own = resource.identity.product.as_ref();
                let again = Context::new("again", Form::Git).product(own);
                assert!(
                    manifest::same_meaning(&text, &resource.resource, &again),
                    "what is written reads as the same:\n{text}"
                );
            }
        }
    }
}

/// What mends: the fix of a finding is refused, or the finding is gone and all other documents stay.
pub fn mender(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    for form in [Form::Git, Form::Request] {
        let context = context(form);
        let parsed = manifest::parse(text, &context);
        let mendable: Vec<_> = parsed.findings.iter().filter(|f| f.fix.is_some()).collect();
        let fixes: Vec<_> = mendable.iter().filter_map(|f| f.fix.as_ref()).collect();
        let text_of = |file: &str| (file == "fuzz.yaml").then_some(text);
        let all = manifest::mend(text_of, &fixes, &context);
        assert_eq!(
            all.done.len() + all.refused.len(),
            fixes.len(),
            "every fix has an outcome"
        );
        for (finding, fix) in mendable.iter().zip(&fixes).take(16) {
            let mended = manifest::mend(text_of, &[fix], &context);
            let Some(file) = mended.files.get("fuzz.yaml") else {
                assert!(
                    !mended.refused.is_empty(),
                    "a fix changes something or is refused: {fix:?}"
                );
                continue;
            };
            let again = manifest::parse(&file.text, &context).findings;
            let alike = |other: &&nautes_model::Finding| {
                other.rule == finding.rule && other.field == finding.field && other.message == finding.message
            };
            let (before, after) = (parsed.findings.iter().filter(alike), again.iter().filter(alike));
            let is_cut = parsed.findings.len() > context.limits.findings;
            assert!(
                after.count() < before.count() || is_cut,
                "the finding is gone: {finding}\n{}",
                file.text
            );
        }
    }
}

/// The converter: a text stays as it is or says the same, and converting twice changes nothing more.
pub fn converter(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let product = ProductName::new("demo").ok();
    for product in [None, product.as_ref()] {
        let context = context(Form::Request).product(product);
        let converted = manifest::convert(text, &context);
        if !converted.findings.is_empty() || converted.changes.is_empty() {
            assert_eq!(converted.text, text, "nothing is half done");
            continue;
        }
        let again = manifest::convert(&converted.text, &context);
        assert_eq!(again.text, converted.text, "once is enough");
        let read = |text: &str| -> Vec<_> {
            let parsed = manifest::parse(text, &context);
            let resources = parsed.resources.into_iter();
            resources.map(|r| (r.identity, r.resource, r.secrets)).collect()
        };
        assert_eq!(read(text), read(&converted.text), "the meaning stays");
        let marks = |text: &str| text.matches('#').count();
        assert_eq!(marks(text), marks(&converted.text), "comments stay");
        let _ = manifest::without_secrets(&converted.text, &context);
    }
}

/// The rules: whatever is declared has a verdict, in whatever order it came.
pub fn rules(data: &[u8]) {
    let parsed = manifest::parse_bytes(data, &context(Form::Request));
    let platform = |reverse: bool, leave_out: Option<usize>| {
        let mut scopes = Scopes::default();
        let mut all = parsed.resources.clone();
        if let Some(index) = leave_out {
            all.remove(index);
        }
        if reverse {
            all.reverse();
        }
        for resource in all {
            scopes.insert(resource);
        }
        scopes
    };
    let rules = RuleSet::standard();
    let scopes = platform(false, None);
    let report = check(&scopes, &rules);
    assert_eq!(
        report,
        check(&platform(true, None), &rules),
        "the order of the input is no matter"
    );
    assert!(report.findings.is_sorted(), "findings are in order");
    assert!(
        check_change(&scopes, &scopes, &rules).is_ok(),
        "what stays is not rejected"
    );
    let graph = Graph::of(&scopes);
    assert_eq!(graph.apply_order().len(), scopes.iter().count());
    assert_eq!(order(&parsed.resources).len(), parsed.resources.len());
    let _ = (graph.svg(), Access::of(&scopes));
    for index in 0..parsed.resources.len().min(8) {
        let fewer = platform(false, Some(index));
        let _ = check(&fewer, &rules);
        let removal = check_change(&scopes, &fewer, &rules);
        assert!(removal.rejected.iter().all(|f| !f.message.is_empty()));
    }
}

/// Rules of an organisation: any text is read the same twice, and what was read judges whatever its examples hold.
pub fn organisation(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    if text.len() > 64 << 10 {
        return;
    }
    let read = organisation::read("rules.yaml", text);
    let again = organisation::read("rules.yaml", text);
    assert_eq!(read.findings, again.findings, "the same text, the same findings");
    assert_eq!(read.rules.len(), again.rules.len());
    let tried = organisation::test_rules(&read.rules);
    assert_eq!(
        tried,
        organisation::test_rules(&again.rules),
        "the same rules, the same verdict"
    );
    for finding in read.findings.iter().chain(&tried) {
        assert!(!finding.message.is_empty());
    }
}
