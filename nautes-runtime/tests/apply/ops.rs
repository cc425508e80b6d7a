//! Whatever happens in whatever order: what is so is left alone, and what is held or foreign is not touched.

use std::collections::{BTreeMap, BTreeSet};

use nautes_runtime::apply::Hold;
use nautes_runtime::plan::ClusterPlan;
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::world::{World, config, hold, namespace, plan, planned};

const OWNERS: [&str; 3] = ["dev", "test", "prod"];

/// What is wanted: for each object, who wants it, and its value.
type Model = BTreeMap<u8, (BTreeSet<usize>, u8)>;

#[derive(Clone, Debug)]
enum Op {
    /// The plan becomes this, with these owners held.
    Plan(Model, BTreeSet<usize>),
    /// Somebody changes the object, if it is there.
    Edit(u8),
    /// Somebody removes the object.
    Delete(u8),
    /// Somebody makes an object of that name, if there is none.
    Foreign(u8),
}

fn op() -> impl Strategy<Value = Op> {
    let owners = prop::collection::btree_set(0..OWNERS.len(), 1..3);
    let model = prop::collection::btree_map(0_u8..6, (owners, 0_u8..3), 0..6);
    prop_oneof![
        4 => (model, prop::collection::btree_set(0..OWNERS.len(), 0..2)).prop_map(|(m, h)| Op::Plan(m, h)),
        1 => (0_u8..6).prop_map(Op::Edit),
        1 => (0_u8..6).prop_map(Op::Delete),
        1 => (0_u8..6).prop_map(Op::Foreign),
    ]
}

fn name(number: u8) -> String {
    format!("map-{number}")
}

fn to_plan(model: &Model) -> ClusterPlan {
    let names =
        |owners: &BTreeSet<usize>| -> Vec<&str> { owners.iter().map(|owner| OWNERS[*owner]).collect() };
    let maps = model
        .iter()
        .map(|(number, (owners, value))| {
            planned(
                config("shop", &name(*number), json!({"v": value.to_string()})),
                &names(owners),
            )
        })
        .collect();
    plan(vec![vec![planned(namespace("shop"), &["always"])], maps])
}

fn to_hold(held: &BTreeSet<usize>) -> Hold {
    hold(&held.iter().map(|owner| OWNERS[*owner]).collect::<Vec<_>>())
}

struct Run {
    world: World,
    foreign: BTreeMap<u8, Value>,
    /// Who last wanted each object that we made.
    wanted_by: BTreeMap<u8, BTreeSet<usize>>,
}

impl Run {
    async fn live(&self, number: u8) -> Option<Value> {
        self.world.get("ConfigMap", Some("shop"), &name(number)).await
    }

    async fn step(&mut self, op: Op) {
        match op {
            Op::Plan(model, held) => self.plan(&model, &held).await,
            Op::Edit(number) => {
                if self.live(number).await.is_some() && !self.foreign.contains_key(&number) {
                    let patch = json!({"data": {"v": "edited"}});
                    self.world
                        .edit("ConfigMap", Some("shop"), &name(number), patch)
                        .await;
                }
            }
            Op::Delete(number) => {
                let maps = self.world.api("ConfigMap", Some("shop"));
                let _ = maps.delete(&name(number), &Default::default()).await;
                self.foreign.remove(&number);
            }
            Op::Foreign(number) => {
                if self.live(number).await.is_none() {
                    self.world
                        .by_hand(config("shop", &name(number), json!({"theirs": "1"})))
                        .await;
                    self.foreign.insert(number, self.live(number).await.unwrap());
                    self.wanted_by.remove(&number);
                }
            }
        }
    }

    async fn plan(&mut self, model: &Model, held: &BTreeSet<usize>) {
        let mut before = BTreeMap::new();
        for (number, owners) in &self.wanted_by {
            if !owners.is_disjoint(held)
                && let Some(live) = self.live(*number).await
            {
                before.insert(*number, live);
            }
        }
        let (plan, hold) = (to_plan(model), to_hold(held));
        self.world.apply_holding("demo", &plan, &hold).await;

        let mark = self.world.cluster.audit().mark();
        let again = self.world.apply_holding("demo", &plan, &hold).await;
        assert_eq!(self.world.cluster.audit().writes_since(mark), vec![], "{again:?}");
        for (number, live) in &self.foreign {
            assert_eq!(self.live(*number).await.as_ref(), Some(live), "foreign {number}");
        }
        for (number, live) in &before {
            assert_eq!(self.live(*number).await.as_ref(), Some(live), "held {number}");
        }
        for number in 0..6 {
            if self.foreign.contains_key(&number) || before.contains_key(&number) {
                continue;
            }
            let live = self.live(number).await;
            match model.get(&number) {
                Some((owners, value)) if owners.is_disjoint(held) => {
                    let live = live.unwrap_or_else(|| panic!("{number} is missing: {again:?}"));
                    assert_eq!(live["data"], json!({"v": value.to_string()}));
                    let old = self.wanted_by.remove(&number).unwrap_or_default();
                    // What a held owner had a part in stays his too.
                    let kept = old.intersection(held).copied();
                    self.wanted_by
                        .insert(number, owners.iter().copied().chain(kept).collect());
                }
                Some(_) => {}
                None => {
                    assert_eq!(live, None, "{number} is left over");
                    self.wanted_by.remove(&number);
                }
            }
        }
        for (number, owners) in &mut self.wanted_by {
            if let Some((now, _)) = model.get(number) {
                let kept: BTreeSet<usize> = owners.intersection(held).copied().collect();
                *owners = now.union(&kept).copied().collect();
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn twice_writes_nothing_and_held_or_foreign_objects_are_never_touched(
        ops in prop::collection::vec(op(), 1..10)
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let mut run = Run {
                world: World::new().await,
                foreign: BTreeMap::new(),
                wanted_by: BTreeMap::new(),
            };
            run.plan(&Model::new(), &BTreeSet::new()).await;
            for op in ops {
                run.step(op).await;
            }
        });
    }
}
