//! Pictures of many products: bands of products side by side.

use std::collections::BTreeSet;

use nautes_model::name::ProductName;
use nautes_model::{Identity, Kind};

use super::{MARGIN, Picture, View};

/// The greatest height of a picture that is one band.
const TALL: f64 = 2400.0;
/// How much higher than wide a picture of several bands is to be.
const SHAPE: f64 = 1.2;

/// Splits a view into bands, so that nobody has to scroll past all products to find the clusters that one is on: each
/// has its own providers and clusters beside it, so that one that several use is drawn in each of them. Returns the
/// view itself where it is not too high, or is of one product.
pub(super) fn split(view: &View) -> Vec<View> {
    let whole = Picture::of(view, MARGIN);
    let (height, width) = (whole.height, whole.right());
    if height <= TALL || whole.frames.len() < 2 {
        return vec![view.clone()];
    }
    let count = (height / (SHAPE * width)).sqrt().ceil().max(1.0);
    let each = height / count;
    let mut bands: Vec<(f64, BTreeSet<ProductName>)> = Vec::new();
    for frame in &whole.frames {
        match bands.last_mut() {
            // At least half of it still fits.
            Some((used, names)) if *used + frame.height / 2.0 <= each => {
                *used += frame.height;
                names.insert(frame.name.clone());
            }
            _ => bands.push((frame.height, BTreeSet::from([frame.name.clone()]))),
        }
    }
    let mut views: Vec<View> = bands.iter().map(|(_, names)| band(view, names)).collect();
    // What no product has to do with stands in the first.
    let drawn: BTreeSet<_> = views.iter().flat_map(|v| v.nodes.keys()).collect();
    let rest: Vec<_> = view.nodes.iter().filter(|(i, _)| !drawn.contains(i)).collect();
    let rest: Vec<_> = rest.into_iter().map(|(i, n)| (i.clone(), n.clone())).collect();
    if let Some(first) = views.first_mut() {
        first.nodes.extend(rest);
        for ((from, to), edge) in &view.edges {
            if from.product.is_none() && first.nodes.contains_key(from) && first.nodes.contains_key(to) {
                first.edges.insert((from.clone(), to.clone()), edge.clone());
            }
        }
    }
    views
}

/// Some products, with what stands at the ends of arrows that are drawn from and to them: none is drawn to a product.
fn band(view: &View, names: &BTreeSet<ProductName>) -> View {
    let mut band = view.clone().of_products(names);
    let is_of = |i: &Identity| match &i.product {
        Some(product) => names.contains(product),
        None => i.kind != Kind::Product || names.iter().any(|name| name.as_str() == i.name.as_str()),
    };
    let drawn: BTreeSet<Identity> = band
        .edges
        .keys()
        .filter(|(from, to)| from.kind != Kind::Product && to.kind != Kind::Product)
        .flat_map(|(from, to)| [from.clone(), to.clone()])
        .collect();
    band.nodes.retain(|i, _| is_of(i) || drawn.contains(i));
    let nodes = &band.nodes;
    band.edges
        .retain(|(from, to), _| nodes.contains_key(from) && nodes.contains_key(to));
    band
}
