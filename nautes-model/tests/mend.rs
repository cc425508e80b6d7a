//! Fixes become edits of the text: by examples, and by property on texts of every style.
#![allow(clippy::unwrap_used, reason = "a test may fail")]

use std::sync::Arc;

use nautes_model::fix::{Action, Edit, Fix, Value};
use nautes_model::manifest::{self, Context, Form};
use nautes_model::yaml::{self, DocumentLimits};
use proptest::prelude::*;
use proptest::sample::{Index, select};
use serde_json::{Value as Json, json};

const HEAD: &str = "apiVersion: nautes.resource.nautes.io/v1alpha1\nkind: CodeRepo\n";

fn edit(action: Action) -> Edit {
    Edit {
        file: Arc::from("f.yaml"),
        resource: None,
        line: None,
        action,
    }
}

fn context() -> Context<'static> {
    Context::new("f.yaml", Form::Git)
}

/// Makes actions as one fix; returns the new text, or why there is none.
fn mend(text: &str, actions: &[Action]) -> Result<String, String> {
    let fix = Fix {
        edits: actions.iter().cloned().map(edit).collect(),
    };
    let mut mended = manifest::mend(|file| (file == "f.yaml").then_some(text), &[&fix], &context());
    match mended.refused.pop() {
        Some(refused) => {
            assert!(mended.files.is_empty() && mended.done.is_empty());
            Err(refused.reason)
        }
        None => Ok(mended
            .files
            .remove("f.yaml")
            .map_or_else(|| text.to_owned(), |f| f.text)),
    }
}

/// Checks what becomes of what stands below `spec:`.
fn check(spec: &str, actions: &[Action], expected: &str) {
    let whole = |spec: &str| format!("{HEAD}spec:\n{spec}");
    assert_eq!(mend(&whole(spec), actions), Ok(whole(expected)), "{actions:?}");
}

fn refused(spec: &str, action: Action, why: &str) {
    let reason = mend(&format!("{HEAD}spec:\n{spec}"), &[action]).unwrap_err();
    assert!(reason.contains(why), "{reason}");
}

#[test]
fn a_value_takes_the_quotes_of_the_one_before() {
    let to = |value: &str| [Action::set("spec.a", value)];
    check("  a: x # why\n", &to("z"), "  a: z # why\n");
    check("  a: 'x'\n", &to("z"), "  a: 'z'\n");
    check("  a: \"x\"\n", &to("z"), "  a: \"z\"\n");
    check("  a: x\n", &to("true"), "  a: \"true\"\n");
    check("  a: 'x'\n", &to("it's"), "  a: \"it's\"\n");
    check("  a:\n  b: 1\n", &to("z"), "  a: z\n  b: 1\n");
    check("  a: # why\n", &to("z"), "  a: z # why\n");
    check("  {a: x, b: 1}\n", &to("z"), "  {a: z, b: 1}\n");
    check("  a: ~\n", &[Action::set("spec.a", true)], "  a: true\n");
    check("  a: 8080\n", &to("8080"), "  a: \"8080\"\n");
    refused("  a: 0o17\n", Action::set("spec.a", "15"), "unusual");
    refused("  a: |\n    x\n", Action::set("spec.a", "z"), "several lines");
}

#[test]
fn a_field_that_is_not_there_is_put_where_its_mapping_ends() {
    check(
        "  a:\n    b: 1 # one\n  c: 2\n",
        &[Action::set("spec.a.d", "x")],
        "  a:\n    b: 1 # one\n    d: x\n  c: 2\n",
    );
    check(
        "  a: 1\n",
        &[Action::set("spec.b.c.d", "x")],
        "  a: 1\n  b:\n    c:\n      d: x\n",
    );
    check("  a: 1", &[Action::set("spec.b", "x")], "  a: 1\n  b: x");
    check(
        "  a: {b: 1}\n",
        &[Action::set("spec.a.c", "x")],
        "  a: {b: 1, c: x}\n",
    );
    check("  a: {}\n", &[Action::set("spec.a.c", "x")], "  a: {c: x}\n");
    check(
        "  - a: 1\n    b: 2\n  - a: 3\n",
        &[Action::set("spec[0].c", "x")],
        "  - a: 1\n    b: 2\n    c: x\n  - a: 3\n",
    );
    check(
        "  a: |\n    text\n  \n",
        &[Action::set("spec.c", "x")],
        "  a: |\n    text\n  \n  c: x\n",
    );
    assert_eq!(
        mend("kind: A\nspec:\n  a: 1\n", &[Action::set("apiVersion", "v1")]),
        Ok("apiVersion: v1\nkind: A\nspec:\n  a: 1\n".to_owned())
    );
}

#[test]
fn what_goes_leaves_its_comments() {
    let out = |field: &str| [Action::remove(field)];
    check(
        "  # of a\n  a: 1 # one\n  b: 2\n",
        &out("spec.a"),
        "  # of a\n  # one\n  b: 2\n",
    );
    check("  x:\n    a: 1\n  b: 2\n", &out("spec.x.a"), "  x: {}\n  b: 2\n");
    check("  x: {a: 1, b: 2}\n", &out("spec.x.a"), "  x: {b: 2}\n");
    check("  x: {a: 1, b: 2}\n", &out("spec.x.b"), "  x: {a: 1}\n");
    check("  x: [1, 2, 3]\n", &out("spec.x[1]"), "  x: [1, 3]\n");
    check("  x: [1]\n", &out("spec.x[0]"), "  x: []\n");
    check(
        "  x:\n  - 1\n  - 2 # two\n",
        &out("spec.x[1]"),
        "  x:\n  - 1\n  # two\n",
    );
    check("  x:\n  - 1\n  y: 1\n", &out("spec.x[0]"), "  x: []\n  y: 1\n");
    check(
        "  x:\n    - a: 1\n      b:\n        - c\n    - a: 2\n",
        &out("spec.x[0]"),
        "  x:\n    - a: 2\n",
    );
    check("  a: |\n    text\n  b: 2\n", &out("spec.a"), "  b: 2\n");
    refused(
        "  x:\n    - a: 1\n      # inside\n      b: 2\n    - a: 2\n",
        Action::remove("spec.x[0]"),
        "comment",
    );
    let both = [Action::remove("spec.x[0]"), Action::remove("spec.x[2]")];
    check("  x:\n  - 1\n  - 2\n  - 3\n", &both, "  x:\n  - 2\n");
}

#[test]
fn keys_are_renamed_and_lists_grow_in_their_style() {
    check(
        "  \"a\": 1\n  'b': 2\n  c : 3\n",
        &[
            Action::rename("spec.a", "x"),
            Action::rename("spec.b", "y"),
            Action::rename("spec.c", "z"),
        ],
        "  \"x\": 1\n  'y': 2\n  z : 3\n",
    );
    refused("  a: 1\n  b: 2\n", Action::rename("spec.a", "b"), "safely");
    let more = |values: &[&str]| [Action::append("spec.x", values.iter().copied())];
    check("  x: [a]\n", &more(&["b", "c"]), "  x: [a, b, c]\n");
    check("  x: []\n", &more(&["b"]), "  x: [b]\n");
    check(
        "  x:\n    - a # one\n  y: 1\n",
        &more(&["b"]),
        "  x:\n    - a # one\n    - b\n  y: 1\n",
    );
    check(
        "  x:\n  - - a\n  y: 1\n",
        &more(&["b"]),
        "  x:\n  - - a\n  - b\n  y: 1\n",
    );
    check("  y: 1\n", &more(&["b"]), "  y: 1\n  x:\n  - b\n");
    check("  x:\n  y: 1\n", &more(&["b"]), "  x: [b]\n  y: 1\n");
}

#[test]
fn a_key_that_stands_again_goes_only_if_it_says_the_same() {
    let again = Action::RemoveRepeated {
        field: "spec.a".to_owned(),
    };
    check(
        "  a: 1\n  b: 2\n  a: 1\n  a: 1\n",
        std::slice::from_ref(&again),
        "  a: 1\n  b: 2\n",
    );
    refused("  a: 1\n  a: 1\n  a: 2\n", again, "another value");
}

#[test]
fn what_stands_twice_is_settled_before_it_is_mended() {
    let text = "apiVersion: nautes.resource.nautes.io/v1alpha1\nkind: Project\nmetadata:\n  name: web\nspec:\n  \
                pqroduct: shop\n  pqroduct: shop # again\n  language: go\n";
    let found = manifest::parse(text, &context()).findings;
    let fixes: Vec<(&str, bool)> = found.iter().map(|f| (&*f.rule, f.fix.is_some())).collect();
    assert_eq!(
        fixes[1..],
        [("ManifestFieldUnknown", false), ("ManifestDuplicateKey", true)]
    );
}

#[test]
fn what_an_anchor_or_an_alias_says_elsewhere_stays() {
    refused("  a: &x one\n  b: *x\n", Action::set("spec.a", "two"), "anchor");
    refused("  a: &x one\n  b: *x\n", Action::set("spec.b", "two"), "alias");
    refused("  a: &x {c: 1}\n  b: *x\n", Action::set("spec.b.c", "two"), "");
    refused(
        "  a: &x {c: one}\n  b: *x\n",
        Action::set("spec.a.c", "two"),
        "safely",
    );
    refused(
        "  a: &x\n    c: one\n  b:\n    <<: *x\n",
        Action::remove("spec.b.c"),
        "alias",
    );
}

#[test]
fn json_and_line_ends_stay_what_they_are() {
    let text = "{\"kind\": \"A\", \"spec\": {\"a\": \"x\", \"l\": [\"p\"]}}";
    let actions = [
        Action::set("spec.a", "y"),
        Action::set("spec.n", true),
        Action::append("spec.l", ["q"]),
    ];
    let new = mend(text, &actions).unwrap();
    assert_eq!(
        serde_json::from_str::<Json>(&new).unwrap(),
        json!({ "kind": "A", "spec": { "a": "y", "n": true, "l": ["p", "q"] } })
    );
    let text = "kind: A\r\nspec:\r\n  a: 1\r\n  x:\r\n  - 1\r\n";
    let new = mend(
        text,
        &[Action::set("spec.b.c", "x"), Action::append("spec.x", ["2"])],
    )
    .unwrap();
    assert_eq!(new.matches('\n').count(), new.matches("\r\n").count(), "{new:?}");
    let text = "\u{feff}kind: A\nspec: {a: 1}\n";
    assert_eq!(
        mend(text, &[Action::set("spec.a", "x")]),
        Ok("\u{feff}kind: A\nspec: {a: x}\n".to_owned())
    );
}

#[test]
fn documents_come_and_go() {
    let document = |name: &str| {
        format!("{HEAD}metadata:\n  name: {name}\nspec:\n  product: demo\n  codeRepoProvider: forge\n")
    };
    let of = |name: &str, action: Action| Edit {
        resource: Some(nautes_model::Identity::product(
            nautes_model::Kind::CodeRepo,
            "demo".parse().unwrap(),
            name.parse().unwrap(),
        )),
        ..edit(action)
    };
    let text = format!("# head\n---\n{}---\n{}", document("a"), document("b"));
    let run = |text: &str, edit: Edit| {
        let mended = manifest::mend(|_| Some(text), &[&Fix::one(edit)], &context());
        mended.files.get("f.yaml").map(|f| f.text.clone())
    };
    assert_eq!(
        run(&text, of("b", Action::Delete)).unwrap(),
        format!("# head\n---\n{}", document("a"))
    );
    assert_eq!(
        run(&text, of("a", Action::Delete)).unwrap(),
        format!("# head\n---\n---\n{}", document("b"))
    );
    assert_eq!(run(&text, of("c", Action::Delete)), None);
    let commented = text.replace("product: demo\n", "product: demo # ours\n");
    assert_eq!(
        run(&commented, of("b", Action::Delete)),
        None,
        "its comment would be lost"
    );
    let manifest = Value::from_json(json!({ "kind": "Project", "metadata": { "name": "p" } })).unwrap();
    let added = run(&text, of("c", Action::Add { manifest })).unwrap();
    assert_eq!(added, format!("{text}---\nkind: Project\nmetadata:\n  name: p\n"));
    let list = format!(
        "kind: List\nitems:\n- kind: Project\n  metadata:\n    name: x\n- {}",
        document("b").trim_end().replace('\n', "\n  ")
    ) + "\n";
    let new = run(&list, of("b", Action::set("spec.product", "shop"))).unwrap();
    assert_eq!(new, list.replace("product: demo", "product: shop"));
}

/// A path of a document, as the parts of JSON.
fn paths(value: &Json, at: &str, out: &mut Vec<String>) {
    match value {
        Json::Object(fields) => {
            for (key, inner) in fields {
                let path = format!("{at}.{key}");
                out.push(path.clone());
                paths(inner, &path, out);
            }
        }
        Json::Array(items) => {
            for (index, inner) in items.iter().enumerate() {
                let path = format!("{at}[{index}]");
                out.push(path.clone());
                paths(inner, &path, out);
            }
        }
        _ => {}
    }
}

/// What the field of a path is below, and its last part.
fn pointer(path: &str) -> (String, String) {
    let pointer = format!("/{}", path.replace(['.', '['], "/").replace(']', ""));
    let (above, last) = pointer.rsplit_once('/').unwrap();
    (above.to_owned(), last.to_owned())
}

/// Does an action on JSON: what must come out.
fn intended(mut root: Json, action: &Action) -> Option<Json> {
    let (Action::Set { field, .. }
    | Action::Rename { field, .. }
    | Action::Remove { field }
    | Action::Append { field, .. }) = action
    else {
        return None;
    };
    let (above, last) = pointer(field);
    let above = root.pointer_mut(&above)?;
    match (action, above) {
        (Action::Set { value, .. }, Json::Object(fields)) => {
            fields.insert(last, value.to_json());
        }
        (Action::Set { value, .. }, Json::Array(items)) => {
            *items.get_mut(last.parse::<usize>().ok()?)? = value.to_json();
        }
        (Action::Set { value, .. }, nothing @ Json::Null) => *nothing = json!({ last: value.to_json() }),
        (Action::Remove { .. }, Json::Object(fields)) => {
            fields.remove(&last)?;
        }
        (Action::Remove { .. }, Json::Array(items)) => {
            items.remove(last.parse::<usize>().ok().filter(|i| *i < items.len())?);
        }
        (Action::Rename { key, .. }, Json::Object(fields)) => {
            let value = fields.remove(&last)?;
            fields.insert(key.clone(), value);
        }
        (Action::Append { values, .. }, Json::Array(items)) => {
            let list = items.get_mut(last.parse::<usize>().ok()?)?;
            if list.is_null() {
                *list = json!([]);
            }
            list.as_array_mut()?.extend(values.iter().map(Value::to_json));
        }
        (Action::Append { values, .. }, Json::Object(fields)) => {
            let list = fields.entry(last).or_insert(Json::Null);
            if list.is_null() {
                *list = json!([]);
            }
            list.as_array_mut()?.extend(values.iter().map(Value::to_json));
        }
        _ => return None,
    }
    Some(root)
}

/// A value of a document.
fn value() -> impl Strategy<Value = Json> {
    let leaf = prop_oneof![
        Just(Json::Null),
        any::<bool>().prop_map(Json::from),
        (-50..50_i64).prop_map(Json::from),
        "[a-z]{1,6}".prop_map(Json::from),
        select(vec![
            "",
            "# no comment",
            "a: b",
            "it's",
            "\"x\"",
            "a\nb\n",
            "yes",
            "07",
            "- x",
            "é ü"
        ])
        .prop_map(Json::from),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Json::from),
            prop::collection::btree_map("[a-d]{1,3}", inner, 0..4)
                .prop_map(|fields| Json::Object(fields.into_iter().collect())),
        ]
    })
}

/// Writes values in block style here and in flow style there, with comments where they may stand.
struct Writer {
    style: Vec<u8>,
    at: usize,
    comments: Vec<String>,
}

impl Writer {
    fn one_in(&mut self, count: u8) -> bool {
        self.at += 1;
        self.style[self.at % self.style.len()].is_multiple_of(count)
    }

    fn comment(&mut self) -> String {
        if !self.one_in(3) {
            return String::new();
        }
        let text = format!("# comment {}!", self.comments.len());
        self.comments.push(text.clone());
        text
    }

    fn line_above(&mut self, pad: &str) -> String {
        match self.comment() {
            none if none.is_empty() => none,
            text => format!("{pad}{text}\n"),
        }
    }

    /// What follows the colon of a key.
    fn after_key(&mut self, value: &Json, depth: usize) -> String {
        let is_block = match value {
            Json::Object(fields) => !fields.is_empty(),
            Json::Array(items) => !items.is_empty(),
            _ => false,
        };
        let node = if is_block && !self.one_in(3) {
            String::new()
        } else {
            format!(" {}", self.word(value))
        };
        let comment = match self.comment() {
            none if none.is_empty() => none,
            text => format!(" {text}"),
        };
        let below = if node.is_empty() {
            self.block(value, depth + 1, true)
        } else {
            String::new()
        };
        format!("{node}{comment}\n{below}")
    }

    fn word(&mut self, value: &Json) -> String {
        match value {
            Json::String(text) if self.one_in(3) && !text.contains(char::is_control) => {
                format!("'{}'", text.replace('\'', "''"))
            }
            other => yaml::flow(&yaml::Node::from_json(other.clone())),
        }
    }

    fn block(&mut self, value: &Json, depth: usize, with_first: bool) -> String {
        let pad = "  ".repeat(depth);
        let mut out = String::new();
        match value {
            Json::Object(fields) => {
                for (index, (key, inner)) in fields.iter().enumerate() {
                    if with_first || index > 0 {
                        out += &self.line_above(&pad);
                        out += &pad;
                    }
                    out += &format!("{key}:{}", self.after_key(inner, depth));
                }
            }
            Json::Array(items) => {
                for item in items {
                    out += &self.line_above(&pad);
                    match item {
                        Json::Object(fields) if !fields.is_empty() => {
                            out += &format!("{pad}- {}", self.block(item, depth + 1, false));
                        }
                        other => out += &format!("{pad}- {}\n", self.word(other)),
                    }
                }
            }
            other => out += &format!("{pad}{}\n", self.word(other)),
        }
        out
    }
}

fn action(field: String, kind: u8, word: &str) -> Action {
    match kind % 5 {
        0 => Action::set(field, word),
        1 => Action::remove(field),
        2 => Action::rename(field, "renamed"),
        3 => Action::append(field, [word, "more"]),
        _ => Action::set(format!("{field}.new"), word),
    }
}

fn read(text: &str) -> Json {
    let mut all = yaml::documents(text, &DocumentLimits::default()).unwrap();
    assert_eq!(all.len(), 1, "{text}");
    all.remove(0)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    #[test]
    fn a_text_says_what_was_intended_and_keeps_its_comments(
        spec in value(),
        style in prop::collection::vec(any::<u8>(), 1..40),
        which in any::<Index>(),
        kind in any::<u8>(),
        word in select(vec!["plain", "yes", "a: b", "# x", "it's", "7", "", "é"]),
    ) {
        let root = json!({ "kind": "A", "spec": spec });
        let mut writer = Writer { style, at: 0, comments: Vec::new() };
        let text = writer.block(&root, 0, true);
        prop_assert_eq!(&read(&text), &root);
        let mut all = Vec::new();
        paths(&root["spec"], "spec", &mut all);
        all.push("spec".to_owned());
        let field = all[which.index(all.len())].clone();
        let is_scalar = |path: &str| {
            let at = format!("/{}", path.replace(['.', '['], "/").replace(']', ""));
            root.pointer(&at).is_some_and(|v| v.is_string() || v.is_boolean() || v.is_number())
        };
        let (is_set, is_scalar) = (kind % 5 == 0, is_scalar(&field));
        let action = action(field, kind, word);
        match mend(&text, std::slice::from_ref(&action)) {
            Ok(new) => {
                let wanted = intended(root, &action);
                prop_assert_eq!(Some(read(&new)), wanted, "{:?}\n{}\n{}", action, text, new);
                for comment in &writer.comments {
                    prop_assert!(new.contains(comment), "{comment} is lost\n{text}\n{new}");
                }
            }
            // What is plainest is never refused.
            Err(reason) => prop_assert!(!(is_set && is_scalar), "{reason}: {:?}\n{}", action, text),
        }
    }

    #[test]
    fn several_actions_at_once_do_what_each_would(
        spec in prop::collection::btree_map("[a-d]{1,3}", value(), 2..6),
        style in prop::collection::vec(any::<u8>(), 1..40),
        picks in prop::collection::vec((any::<Index>(), any::<u8>()), 2..4),
    ) {
        let root = json!({ "kind": "A", "spec": spec });
        let mut writer = Writer { style, at: 0, comments: Vec::new() };
        let text = writer.block(&root, 0, true);
        // Each field of the first level at most once: what is done to one does not matter to another.
        let keys: Vec<String> = spec.keys().cloned().collect();
        let mut actions = std::collections::BTreeMap::new();
        for (index, (which, kind)) in picks.iter().enumerate() {
            let key = &keys[which.index(keys.len())];
            let one = match action(format!("spec.{key}"), *kind, "word") {
                Action::Rename { field, .. } => Action::rename(field, format!("renamed{index}")),
                other => other,
            };
            actions.insert(key.clone(), one);
        }
        let actions: Vec<Action> = actions.into_values().collect();
        if let Ok(new) = mend(&text, &actions) {
            let wanted = actions.iter().try_fold(root, intended);
            prop_assert_eq!(Some(read(&new)), wanted, "{:?}\n{}\n{}", actions, text, new);
            for comment in &writer.comments {
                prop_assert!(new.contains(comment), "{comment} is lost\n{text}\n{new}");
            }
        }
    }

    #[test]
    fn no_text_makes_it_panic(
        parts in prop::collection::vec(select(vec![
            "a", ": ", "- ", "\n", "  ", "{", "}", "[", "]", ",", "&x ", "*x", "!t ", "'", "\"", "|\n", "# c", "---\n",
            "...\n", "\r\n", "? ", "<<: ", "é", "\u{feff}", "spec:\n", "%YAML 1.2\n", "\t", "1",
        ]), 0..24),
        field in select(vec!["a", "spec", "spec.a", "a[0]", "[0]", "a.a", "spec.a.b", "", "items[0].a"]),
        kind in any::<u8>(),
        line in proptest::option::of(1..3_usize),
    ) {
        let text = parts.concat();
        let mut edit = edit(action(field.to_owned(), kind, "word"));
        edit.line = line;
        let fix = Fix::one(edit);
        let mended = manifest::mend(|_| Some(&text), &[&fix], &context());
        prop_assert_eq!(mended.done.len() + mended.refused.len(), 1);
    }
}
