//! The field of a kind that somebody asks for, and the nearest where there is none.

use nautes_model::Kind;
use nautes_model::field::whole;
pub use nautes_model::field::{Field, about, description};

use crate::exit::{Exit, Failure};
use crate::suggest::nearest;

/// How many other places of a field are named in a hint.
const PLACES: usize = 3;

/// Returns the fields from the whole kind down to the one that a path names.
///
/// # Errors
/// The kind has no such field; the failure says what it has.
pub fn find<'p>(kind: Kind, path: impl Iterator<Item = &'p str>) -> Result<Vec<Field>, Failure> {
    let mut fields = vec![whole(kind)];
    for word in path {
        // `spec.pipelines[0].name` and `spec.pipelines.name` are the same field.
        let name = word.split('[').next().unwrap_or_default();
        let parent = fields.last().map(Field::children).unwrap_or_default();
        match parent
            .iter()
            .find(|f| f.name == name)
            .or_else(|| parent.iter().find(|f| f.name.eq_ignore_ascii_case(name)))
        {
            Some(field) => fields.push(field.clone()),
            None => return Err(missing(kind, &fields, name, &parent)),
        }
    }
    Ok(fields)
}

/// The path of a field as a user types it, without the kind.
#[must_use]
pub fn path_of(fields: &[Field]) -> String {
    let names: Vec<&str> = fields.iter().skip(1).map(|f| f.name.as_str()).collect();
    names.join(".")
}

fn missing(kind: Kind, at: &[Field], name: &str, siblings: &[Field]) -> Failure {
    let word = kind.name().to_lowercase();
    let place = match path_of(at) {
        path if path.is_empty() => word.clone(),
        path => format!("{word}.{path}"),
    };
    let mut failure = Failure::new(Exit::NotFound, format!("{place} has no field {name:?}"));
    let mut elsewhere = Vec::new();
    places(&whole(kind), &word, name, &mut elsewhere);
    if let Some(near) = nearest(name, siblings.iter().map(|f| f.name.as_str())) {
        failure = failure.hint(format!("did you mean {place}.{near}?"));
    } else if !elsewhere.is_empty() {
        elsewhere.truncate(PLACES);
        failure = failure.hint(format!("did you mean {}?", elsewhere.join(" or ")));
    } else if siblings.is_empty() {
        failure = failure.hint(format!("{place} has no fields"));
    } else {
        let names: Vec<&str> = siblings.iter().map(|f| f.name.as_str()).collect();
        failure = failure.hint(format!("its fields: {}", names.join(", ")));
    }
    failure
}

/// Finds the paths of all fields of a name.
fn places(at: &Field, path: &str, name: &str, found: &mut Vec<String>) {
    for child in at.children() {
        let path = format!("{path}.{}", child.name);
        if child.name.eq_ignore_ascii_case(name) {
            found.push(path.clone());
        }
        places(&child, &path, name, found);
    }
}
