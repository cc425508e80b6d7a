//! What a tenant adds to the catalogue, laid over what is known.
//!
//! What is known wins: an entry of the same name can add settings, and ask more of those that are there, but
//! change nothing else. Of two entries of the extension the first counts.

use std::borrow::Cow;
use std::collections::BTreeSet;

use nautes_model::catalogue::{ComponentEntry, EntryPlace, Extension, HookEntry, PropertyEntry, ShapeEntry};
use nautes_model::kinds::cluster::Slot;
use nautes_model::name::{MAX_LABEL, check_label};

use super::{Catalogue, ComponentInfo, HookInfo, Pattern, Property, Shape, ShapeInfo};

/// Something wrong with an entry of an extension.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Whether it contradicts what is known; else the entry makes no sense by itself.
    pub conflict: bool,
    /// Where.
    pub place: EntryPlace,
    /// What is wrong: lower case, no full stop.
    pub message: String,
    /// The way out.
    pub hint: String,
}

impl Catalogue {
    /// Adds what a tenant adds, and says what of it does not count.
    #[must_use]
    pub fn extended(&self, by: &Extension) -> (Self, Vec<Problem>) {
        let mut extender = Extender {
            to: self.clone(),
            problems: Vec::new(),
        };
        extender.to.incomplete |= by.incomplete;
        let mut seen = BTreeSet::new();
        for entry in &by.components {
            if extender.is_first(&mut seen, &entry.name, &entry.place) {
                extender.component(self, entry);
            }
        }
        let mut seen = BTreeSet::new();
        for entry in &by.hooks {
            if extender.is_first(&mut seen, &entry.name, &entry.place) {
                extender.hook(self, entry);
            }
        }
        for entry in &by.shapes {
            extender.shape(entry);
        }
        (extender.to, extender.problems)
    }
}

struct Extender {
    to: Catalogue,
    problems: Vec<Problem>,
}

impl Extender {
    fn conflict(&mut self, place: &EntryPlace, message: String, hint: impl Into<String>) {
        self.add(true, place, message, hint.into());
    }

    fn wrong(&mut self, place: &EntryPlace, message: String, hint: impl Into<String>) {
        self.add(false, place, message, hint.into());
    }

    fn add(&mut self, conflict: bool, place: &EntryPlace, message: String, hint: String) {
        let place = place.clone();
        self.problems.push(Problem {
            conflict,
            place,
            message,
            hint,
        });
    }

    fn is_first<'e>(&mut self, seen: &mut BTreeSet<&'e str>, name: &'e str, place: &EntryPlace) -> bool {
        if check_label("name", name, MAX_LABEL).is_err() {
            let shown: String = name.chars().take(80).collect();
            self.wrong(
                place,
                format!("{shown:?} is no name"),
                "use lower-case letters, digits and '-'",
            );
            return false;
        }
        let first = seen.insert(name);
        if !first {
            let message = format!("{name:?} is declared twice; the first counts");
            self.conflict(place, message, "keep one of the two");
        }
        first
    }

    fn component(&mut self, known: &Catalogue, entry: &ComponentEntry) {
        let Some(known) = known.components.get(entry.name.as_str()) else {
            self.new_component(entry);
            return;
        };
        let slots: BTreeSet<Slot> = known.slots.iter().copied().collect();
        if !entry.slots.is_empty() && entry.slots != slots {
            let message = format!("{} is known already, and fills {}", known.name, fields(&slots));
            let hint = "leave `slots` out, or give the component another name";
            self.conflict(&entry.place, message, hint);
        }
        if entry.namespace.as_ref().is_some_and(|n| *n != known.namespace) {
            let message = format!(
                "{} is known already, and usually runs in {:?}",
                known.name, known.namespace
            );
            self.conflict(
                &entry.place,
                message,
                "write the namespace in the cluster instead",
            );
        }
        let mut all = known.properties.clone();
        for added in &entry.properties {
            match all.iter_mut().find(|p| p.name == added.name) {
                Some(property) => {
                    if let Some(stronger) = self.stronger(property, added) {
                        *property = stronger;
                    }
                }
                None => all.extend(self.property(added)),
            }
        }
        if let Some(component) = self.to.components.get_mut(entry.name.as_str()) {
            component.properties = all;
        }
    }

    /// A setting that is known, with what the entry asks beyond that; `None` when it would ask for less.
    fn stronger(&mut self, known: &Property, entry: &PropertyEntry) -> Option<Property> {
        let shape = entry.shape.as_deref().map_or(known.shape, shape);
        let other = |known: &Option<Cow<'_, str>>, entry: &Option<String>| matches!((known, entry), (Some(known), Some(entry)) if known != entry);
        let weaker = if known.required && entry.required == Some(false) {
            Some("is required")
        } else if known.shape != Shape::Any && shape != known.shape {
            Some("has another shape")
        } else if other(&known.default, &entry.default) {
            Some("has another default")
        } else {
            None
        };
        if let Some(weaker) = weaker {
            let message = format!("the setting {:?} is known already, and {weaker}", known.name);
            let hint = "leave it out; an entry can only ask more of what is known";
            self.conflict(&entry.place, message, hint);
            return None;
        }
        let asked = self.property(entry)?;
        Some(Property {
            shape,
            pattern: asked.pattern.or_else(|| known.pattern.clone()),
            required: known.required || asked.required,
            default: known.default.clone().or(asked.default),
            ..known.clone()
        })
    }

    fn new_component(&mut self, entry: &ComponentEntry) {
        if entry.slots.is_empty() {
            let message = format!("{:?} fills no slot", entry.name);
            let hint = format!("write `slots:` with some of {}", fields(&Slot::ALL.into()));
            self.wrong(&entry.place, message, hint);
        }
        let namespace = entry.namespace.clone().unwrap_or_else(|| entry.name.clone());
        if check_label("namespace", &namespace, MAX_LABEL).is_err() {
            let message = format!("{namespace:?} is no namespace");
            self.wrong(&entry.place, message, "use lower-case letters, digits and '-'");
        }
        let mut properties: Vec<Property> = Vec::new();
        for added in &entry.properties {
            if properties.iter().any(|p| p.name == added.name) {
                let message = format!("the setting {:?} is declared twice; the first counts", added.name);
                self.conflict(&added.place, message, "keep one of the two");
                continue;
            }
            properties.extend(self.property(added));
        }
        let name: Cow<'static, str> = entry.name.clone().into();
        let info = ComponentInfo {
            name: name.clone(),
            slots: entry.slots.iter().copied().collect(),
            namespace: namespace.into(),
            properties,
        };
        self.to.components.insert(name, info);
    }

    fn property(&mut self, entry: &PropertyEntry) -> Option<Property> {
        let Ok(pattern) = entry.pattern.as_deref().map(Pattern::new).transpose() else {
            let message = "the pattern is not a regular expression, or too large a one".to_owned();
            self.wrong(&entry.place, message, "write for example '[a-z]+'");
            return None;
        };
        let shape = entry.shape.as_deref().map_or(Shape::Any, shape);
        if let Some(default) = &entry.default
            && !(shape.fits(default) && pattern.as_ref().is_none_or(|p| p.fits(default)))
        {
            let message = format!("the default {default:?} does not fit");
            let hint = pattern.as_ref().map_or_else(
                || format!("write {}", shape.describe()),
                |p| format!("write one that matches {}", p.as_str()),
            );
            self.wrong(&entry.place, message, hint);
        }
        Some(Property {
            name: entry.name.clone().into(),
            shape,
            pattern,
            required: entry.required.unwrap_or(false),
            derived: false,
            default: entry.default.clone().map(Into::into),
        })
    }

    fn hook(&mut self, known: &Catalogue, entry: &HookEntry) {
        if known.hooks.contains_key(entry.name.as_str()) {
            let message = format!("the hook {:?} is known already; what is known counts", entry.name);
            self.conflict(&entry.place, message, "give the hook another name");
            return;
        }
        if !entry.before && !entry.after {
            let message = format!("{:?} can stand nowhere", entry.name);
            self.wrong(&entry.place, message, "write `before: true` or `after: true`");
        }
        let name: Cow<'static, str> = entry.name.clone().into();
        let info = HookInfo {
            name: name.clone(),
            before: entry.before,
            after: entry.after,
            event_sources: entry.event_sources.iter().cloned().map(Into::into).collect(),
            vars: entry
                .vars
                .iter()
                .map(|(name, required)| (name.clone().into(), *required))
                .collect(),
        };
        self.to.hooks.insert(name, info);
    }

    fn shape(&mut self, entry: &ShapeEntry) {
        let key = (entry.usage, entry.cluster_type, entry.worker_type);
        let Some(ShapeInfo { slots, required }) = self.to.shapes.get_mut(&key) else {
            let message = "no cluster has this shape".to_owned();
            let hint = "hosts are physical and have no worker type; workers are physical or virtual, for \
                        deployment or pipeline";
            self.wrong(&entry.place, message, hint);
            return;
        };
        slots.extend(&entry.slots);
        if entry.required {
            required.extend(&entry.slots);
        }
    }
}

fn shape(word: &str) -> Shape {
    match word {
        "host" => Shape::Host,
        "port" => Shape::Port,
        _ => Shape::Any,
    }
}

fn fields(slots: &BTreeSet<Slot>) -> String {
    let names: Vec<&str> = slots.iter().map(|s| s.field()).collect();
    names.join(", ")
}
