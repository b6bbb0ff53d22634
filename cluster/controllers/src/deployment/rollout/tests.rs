//! Rollouts, row by row and step by step.

use super::*;

fn set(name: &str, replicas: i32, available: i32) -> Set {
    let created = name.to_owned();
    Set { name: name.to_owned(), created, replicas, available, pods: replicas, desired: None }
}

const ROLLING: Strategy = Strategy::Rolling { surge: 1, unavailable: 1 };

fn named(changes: &[(&str, i32)]) -> Vec<(String, i32)> {
    changes.iter().map(|(name, replicas)| ((*name).to_owned(), *replicas)).collect()
}

#[test]
fn percentages_are_of_the_replicas_up_for_surge_and_down_for_unavailable() {
    let spec = |replicas, surge, unavailable| DeploymentSpec {
        replicas: Some(replicas),
        strategy: Some(k8s_openapi::api::apps::v1::DeploymentStrategy {
            type_: Some("RollingUpdate".to_owned()),
            rolling_update: Some(k8s_openapi::api::apps::v1::RollingUpdateDeployment {
                max_surge: Some(surge),
                max_unavailable: Some(unavailable),
            }),
        }),
        ..Default::default()
    };
    let percent = |p: &str| IntOrString::String(p.to_owned());
    let rows = [
        (10, percent("25%"), percent("25%"), 3, 2),
        (1, percent("25%"), percent("25%"), 1, 0),
        (3, IntOrString::Int(0), IntOrString::Int(0), 0, 1),
        (2, IntOrString::Int(1), IntOrString::Int(5), 1, 2),
    ];
    for (replicas, surge, unavailable, up, down) in rows {
        let found = strategy(&spec(replicas, surge, unavailable));
        assert_eq!(found, Strategy::Rolling { surge: up, unavailable: down }, "{replicas}");
    }
}

#[test]
fn a_single_set_follows_the_scale() {
    assert_eq!(next(5, ROLLING, &set("a", 2, 2), &[]), named(&[("a", 5)]));
    assert_eq!(next(0, ROLLING, &set("a", 2, 2), &[]), named(&[("a", 0)]));
    assert_eq!(next(2, ROLLING, &set("a", 2, 0), &[]), []);
}

#[test]
fn a_rollout_never_leaves_its_bounds_and_ends_with_the_new_set() {
    let (mut old, mut new) = (set("a", 4, 4), set("b", 1, 0));
    for _ in 0..50 {
        for (name, to) in next(4, ROLLING, &new, std::slice::from_ref(&old)) {
            let target = if name == "a" { &mut old } else { &mut new };
            target.replicas = to;
            target.available = target.available.min(to);
        }
        assert!(old.replicas + new.replicas <= 5, "{old:?} {new:?}");
        assert!(old.available + new.available >= 3, "{old:?} {new:?}");
        new.available = (new.available + 1).min(new.replicas);
    }
    assert_eq!((old.replicas, new.replicas), (0, 4));
}

#[test]
fn unavailable_pods_are_deleted_first() {
    let old = [set("a", 3, 0), set("b", 3, 3)];
    let changes = next(5, ROLLING, &set("c", 0, 0), &old);
    assert_eq!(changes, named(&[("a", 1)]));
}

#[test]
fn recreate_waits_until_all_old_pods_are_gone() {
    let mut old = set("a", 2, 2);
    let new = set("b", 0, 0);
    assert_eq!(next(2, Strategy::Recreate, &new, std::slice::from_ref(&old)), named(&[("a", 0)]));
    old.replicas = 0;
    assert_eq!(next(2, Strategy::Recreate, &new, std::slice::from_ref(&old)), []);
    old.pods = 0;
    assert_eq!(next(2, Strategy::Recreate, &new, &[old]), named(&[("b", 2)]));
}

#[test]
fn a_scale_during_a_rollout_is_shared_by_the_replica_sets() {
    let old = Set { desired: Some(10), ..set("a", 8, 8) };
    let new = Set { desired: Some(10), ..set("b", 3, 0) };
    let changes = next(20, Strategy::Rolling { surge: 2, unavailable: 1 }, &new, &[old]);
    assert_eq!(changes, named(&[("a", 16), ("b", 6)]));
}

const EXTREMES: [i32; 7] = [i32::MIN, i32::MIN + 1, -1, 0, 1, i32::MAX - 1, i32::MAX];

#[test]
fn a_share_beyond_i32_is_clamped() {
    let percent = |text: &str| Some(IntOrString::String(text.to_owned()));
    for (replicas, value, want) in [
        (i32::MAX, percent("100%"), i32::MAX),
        (i32::MAX, percent("101%"), i32::MAX),
        (i32::MAX, None, 536_870_912),
        (1, percent("2147483648%"), 21_474_837),
        (1, percent("99999999999999999999%"), i32::MAX),
        (0, percent("99999999999999999999%"), 0),
        (3, percent("-5%"), 0),
        (3, percent("many"), 0),
        (3, Some(IntOrString::Int(i32::MIN)), 0),
        (3, Some(IntOrString::Int(i32::MAX)), i32::MAX),
    ] {
        assert_eq!(resolve(value.as_ref(), replicas, Round::Up), want, "{value:?} of {replicas}");
    }
}

#[test]
fn the_most_pods_are_never_beyond_i32() {
    for (replicas, surge, want) in [
        (i32::MAX, i32::MAX, i32::MAX),
        (i32::MAX, 1, i32::MAX),
        (1, i32::MAX, i32::MAX),
        (0, i32::MAX, 0),
        (i32::MIN, i32::MAX, i32::MIN),
        (4, 2, 6),
    ] {
        assert_eq!(most(replicas, Strategy::Rolling { surge, unavailable: 0 }), want);
    }
}

#[test]
fn a_part_of_a_change_is_the_nearest_whole_one() {
    let max = i64::from(i32::MAX);
    for (change, replicas, total, want) in [
        (9, 8, 11, 7),
        (1, 1, 2, 1),
        (-1, 1, 2, -1),
        (4, 1, 3, 1),
        (-5, 1, 3, -2),
        (0, max, max, 0),
        (max, max, max, max),
        (-max, max, max, -max),
        (i64::MIN, 1, 1, i64::MIN),
        (i64::MAX, i64::MAX, 1, i64::MAX),
    ] {
        assert_eq!(part(change, replicas, total), want, "{replicas}/{total} of {change}");
    }
}

#[test]
fn sets_of_any_size_are_given_replicas_that_a_set_can_have() {
    let strategies = EXTREMES.map(|n| Strategy::Rolling { surge: n, unavailable: n.max(0) });
    for strategy in [Strategy::Recreate].into_iter().chain(strategies) {
        for replicas in [0, 1, i32::MAX] {
            for (a, b) in EXTREMES.iter().flat_map(|a| EXTREMES.map(|b| (*a, b))) {
                let desired = Some(b);
                let new = Set { desired, ..set("new", a.max(0), b) };
                let old = [set("one", b.max(0), a), Set { desired, ..set("two", a.max(0), a) }];
                let changes = next(replicas, strategy, &new, &old);
                let fits = changes.iter().all(|(_, to)| *to >= 0);
                assert!(fits, "{replicas} {strategy:?} {new:?} {old:?}: {changes:?}");
                let first = first(replicas, strategy, &old);
                assert!(first.is_none_or(|n| (0..=replicas).contains(&n)), "{first:?}");
            }
        }
    }
}

#[test]
fn the_largest_deployment_rolls_out_within_its_bounds() {
    let strategy = Strategy::Rolling { surge: i32::MAX, unavailable: 1 };
    let old = set("a", i32::MAX, i32::MAX);
    assert_eq!(first(i32::MAX, strategy, std::slice::from_ref(&old)), Some(0));
    let new = set("b", 0, 0);
    assert_eq!(next(i32::MAX, strategy, &new, &[old]), named(&[("a", i32::MAX - 1)]));
    let rescaled = [Set { desired: Some(1), ..set("a", i32::MAX, 0) }];
    let new = Set { desired: Some(1), ..set("b", i32::MAX, 0) };
    let halves = named(&[("b", 1_073_741_823), ("a", 1_073_741_824)]);
    assert_eq!(next(i32::MAX, strategy, &new, &rescaled), halves);
}
