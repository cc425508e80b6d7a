//! What the interpreter calls where an expression has a macro or asks for what may not be there.
#![expect(
    clippy::needless_pass_by_value,
    reason = "the interpreter gives functions values"
)]

use std::{collections::HashMap, sync::Arc};

use kube_cel::cel::{
    Context, ExecutionError, FunctionContext, Value as Cel,
    extractors::This,
    objects::{Key, Map, Opaque, OptionalValue},
};

use super::{times, value::optional};

/// Adds these functions. No expression can name them.
pub(super) fn add(context: &mut Context<'static>) {
    context.add_function("@entries", entries);
    context.add_function("@part", part);
    context.add_function("@same", |a: Cel, b: Cel| -> Result<Cel, ExecutionError> {
        Ok(Cel::Bool(a == b))
    });
    context.add_function("@known", |value: Cel| -> Result<Cel, ExecutionError> {
        Ok(optional((value != Cel::Null).then_some(value)))
    });
    context.add_function("@size", size);
    context.add_function("@text", times::text);
    context.add_function("@seconds", times::seconds);
    context.add_function("@sum", sum);
    context.add_function("@instant", times::instant_text);
    context.add_function("@time", times::part);
    context.add_function("@or", |ftx: &FunctionContext<'_, '_>| decided(ftx, true));
    context.add_function("@and", |ftx: &FunctionContext<'_, '_>| decided(ftx, false));
    context.add_function("@settled", settled);
    context.add_function("@mapOf", map_of);
    context.add_function("@sortByAssociatedKeys", sorted);
}

/// What a map or list has under a key or at a place, if it has something there; of an optional, what its value has.
fn part(ftx: &FunctionContext<'_, '_>, of: Cel, key: Cel) -> Result<Cel, ExecutionError> {
    let value = match (&of, &key) {
        (Cel::Map(map), _) => {
            let key: Key = key.try_into().map_err(|_| ftx.error("no such overload"))?;
            map.get(&key).cloned()
        }
        (Cel::List(list), Cel::Int(at)) => usize::try_from(*at).ok().and_then(|at| list.get(at).cloned()),
        (Cel::Opaque(_), _) => {
            let held: &OptionalValue = (&of).try_into()?;
            match held.value() {
                Some(value) => return part(ftx, value.clone(), key),
                None => None,
            }
        }
        _ => return Err(ftx.error("no such overload")),
    };
    Ok(optional(value))
}

/// What a loop with two variables goes through: pairs of places and items, or of keys and values.
fn entries(ftx: &FunctionContext<'_, '_>, range: Cel) -> Result<Cel, ExecutionError> {
    let pair = |key: Cel, value: &Cel| Cel::List(Arc::new(vec![key, value.clone()]));
    let pairs = match &range {
        Cel::List(list) => (0..)
            .zip(list.iter())
            .map(|(at, item)| pair(Cel::Int(at), item))
            .collect(),
        Cel::Map(map) => {
            let mut keys: Vec<&Key> = map.map.keys().collect();
            keys.sort();
            let of = |key: &Key| map.map.get(key).map(|value| pair(key.into(), value));
            keys.into_iter().filter_map(of).collect()
        }
        _ => return Err(ftx.error("no such overload")),
    };
    Ok(Cel::List(Arc::new(pairs)))
}

/// A map of what a list holds: pairs of keys and values, and maps alone. No key may be there twice.
fn map_of(ftx: &FunctionContext<'_, '_>, list: Arc<Vec<Cel>>) -> Result<Cel, ExecutionError> {
    let mut fields = HashMap::with_capacity(list.len());
    let mut put = |key: Key, value: Cel| {
        let shown = shown(&key);
        match fields.insert(key, value) {
            None => Ok(()),
            Some(_) => Err(ftx.error(format!("insert failed: key {shown} already exists"))),
        }
    };
    for item in list.iter() {
        let Cel::List(parts) = item else {
            return Err(ftx.error("no such overload"));
        };
        match parts.as_slice() {
            [Cel::Map(other)] => {
                for (key, value) in other.map.iter() {
                    put(key.clone(), value.clone())?;
                }
            }
            [key, value] => {
                let key = key.clone().try_into();
                put(key.map_err(|_| ftx.error("unsupported key type"))?, value.clone())?;
            }
            _ => return Err(ftx.error("no such overload")),
        }
    }
    Ok(Cel::Map(Map {
        map: Arc::new(fields),
    }))
}

fn shown(key: &Key) -> String {
    match key {
        Key::Int(number) => number.to_string(),
        Key::Uint(number) => number.to_string(),
        Key::Bool(truth) => truth.to_string(),
        Key::String(text) => text.as_ref().clone(),
    }
}

/// A list in the order of the keys of its items.
fn sorted(
    ftx: &FunctionContext<'_, '_>,
    This(list): This<Arc<Vec<Cel>>>,
    keys: Arc<Vec<Cel>>,
) -> Result<Cel, ExecutionError> {
    let mut is_ordered = true;
    let mut all: Vec<(&Cel, &Cel)> = keys.iter().zip(list.iter()).collect();
    all.sort_by(|(a, _), (b, _)| {
        a.partial_cmp(b).unwrap_or_else(|| {
            is_ordered = false;
            std::cmp::Ordering::Equal
        })
    });
    if is_ordered {
        let items = all.into_iter().map(|(_, item)| item.clone());
        Ok(Cel::List(Arc::new(items.collect())))
    } else {
        Err(ftx.error("no such overload"))
    }
}

/// How many characters, bytes, items or entries there are.
fn size(ftx: &FunctionContext<'_, '_>, of: Cel) -> Result<Cel, ExecutionError> {
    let size = match &of {
        Cel::String(text) => text.chars().count(),
        Cel::Bytes(bytes) => bytes.len(),
        Cel::List(list) => list.len(),
        Cel::Map(map) => map.map.len(),
        _ => return Err(ftx.error("no such overload")),
    };
    Ok(Cel::Int(i64::try_from(size).unwrap_or(i64::MAX)))
}

/// The sum of the items of a list.
fn sum(list: Arc<Vec<Cel>>) -> Result<Cel, ExecutionError> {
    let mut items = list.iter().cloned();
    let first = items.next().unwrap_or(Cel::Int(0));
    items.try_fold(first, |sum, item| sum + item)
}

/// What a turn of a loop could not evaluate, as long as no other turn decides.
#[derive(Debug, PartialEq)]
struct Undecided(ExecutionError);

impl Eq for Undecided {}

impl Opaque for Undecided {
    fn runtime_type_name(&self) -> &'static str {
        "undecided"
    }
}

/// What was gathered, and one turn more: a turn that gives `decides` settles it.
fn decided(ftx: &FunctionContext<'_, '_>, decides: bool) -> Result<Cel, ExecutionError> {
    let [gathered, turn] = ftx.args else {
        return Err(ftx.error("no such overload"));
    };
    let gathered = Cel::resolve(gathered, ftx.ptx)?;
    if gathered == Cel::Bool(decides) {
        return Ok(gathered);
    }
    match Cel::resolve(turn, ftx.ptx) {
        Ok(Cel::Bool(found)) if found == decides => Ok(Cel::Bool(found)),
        Ok(Cel::Bool(_)) => Ok(gathered),
        _ if matches!(gathered, Cel::Opaque(_)) => Ok(gathered),
        Ok(_) => Ok(Cel::Opaque(Arc::new(Undecided(ftx.error("no such overload"))))),
        Err(error) => Ok(Cel::Opaque(Arc::new(Undecided(error)))),
    }
}

/// The result of a loop, or why there is none.
fn settled(gathered: Cel) -> Result<Cel, ExecutionError> {
    match &gathered {
        Cel::Opaque(value) => match value.downcast_ref::<Undecided>() {
            Some(Undecided(error)) => Err(error.clone()),
            None => Ok(gathered),
        },
        _ => Ok(gathered),
    }
}
