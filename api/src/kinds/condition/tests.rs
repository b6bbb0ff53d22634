//! Ready as the sum of its dependents.

use super::*;

const SET: ConditionSet = ConditionSet::new(&["Bar", "Foo"]);

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

/// `Type=Status(reason)@second`, one per condition.
fn shown(list: &[Condition]) -> String {
    let one = |c: &Condition| {
        let time = c.last_transition_time.as_ref().unwrap().0.as_second();
        format!("{}={:?}({})@{time}", c.type_, c.status, c.reason)
    };
    list.iter().map(one).collect::<Vec<_>>().join(" ")
}

#[test]
fn ready_is_true_when_every_dependent_is() {
    let mut list = Vec::new();
    SET.manage(&mut list, at(1)).initialize();
    assert_eq!(shown(&list), "Bar=Unknown()@1 Foo=Unknown()@1 Ready=Unknown()@1");
    SET.manage(&mut list, at(2)).mark_true("Foo");
    assert_eq!(shown(&list), "Bar=Unknown()@1 Foo=True()@2 Ready=Unknown()@1");
    SET.manage(&mut list, at(3)).mark_true("Bar");
    assert_eq!(shown(&list), "Bar=True()@3 Foo=True()@2 Ready=True()@3");
}

#[test]
fn a_failed_dependent_gives_ready_its_reason() {
    let mut list = Vec::new();
    SET.manage(&mut list, at(1)).initialize();
    SET.manage(&mut list, at(2)).mark_false("Foo", "Broken", "it broke");
    assert_eq!(shown(&list), "Bar=Unknown()@1 Foo=False(Broken)@2 Ready=False(Broken)@2");
    SET.manage(&mut list, at(3)).mark_unknown("Bar", "Waiting", "");
    assert_eq!(shown(&list), "Bar=Unknown(Waiting)@3 Foo=False(Broken)@2 Ready=False(Broken)@2");
    SET.manage(&mut list, at(4)).mark_true("Foo");
    assert_eq!(shown(&list), "Bar=Unknown(Waiting)@3 Foo=True()@4 Ready=Unknown(Waiting)@4");
}

#[test]
fn of_two_failures_ready_shows_the_latest() {
    let mut list = Vec::new();
    let three = ConditionSet::new(&["A", "B", "C"]);
    three.manage(&mut list, at(1)).mark_false("B", "Second", "");
    three.manage(&mut list, at(2)).mark_false("A", "First", "");
    three.manage(&mut list, at(3)).mark_true("C");
    assert_eq!(find(&list, READY).unwrap().reason, "First");
}

#[test]
fn the_transition_time_stays_while_nothing_changes() {
    let mut list = Vec::new();
    SET.manage(&mut list, at(1)).mark_false("Foo", "Broken", "it broke");
    let before = list.clone();
    SET.manage(&mut list, at(9)).mark_false("Foo", "Broken", "it broke");
    assert_eq!(list, before);
}

#[test]
fn a_new_generation_resets_ready_alone() {
    let mut list = Vec::new();
    let mut conditions = SET.manage(&mut list, at(1));
    conditions.mark_true("Foo");
    conditions.mark_true("Bar");
    SET.begin(&mut list, Some(1), Some(2), at(5));
    assert_eq!(shown(&list), "Bar=True()@1 Foo=True()@1 Ready=Unknown(NewObservedGenFailure)@5");
    SET.begin(&mut list, Some(2), Some(2), at(6));
    assert!(!is_ready(&list, Some(2), Some(2)));
}

#[test]
fn conditions_that_do_not_decide_ready_are_informational() {
    let mut list = Vec::new();
    SET.manage(&mut list, at(1)).initialize();
    SET.manage(&mut list, at(2)).mark_false("Active", "NoTraffic", "");
    assert_eq!(find(&list, "Active").unwrap().severity, "Info");
    assert!(find(&list, READY).unwrap().is_unknown());
    SET.manage(&mut list, at(3)).clear("Active");
    assert_eq!(find(&list, "Active"), None);
}

#[test]
fn a_set_without_dependents_sets_ready_itself() {
    let mut list = Vec::new();
    let alone = ConditionSet::new(&[]);
    alone.manage(&mut list, at(1)).initialize();
    alone.manage(&mut list, at(2)).mark_true(READY);
    assert_eq!(shown(&list), "Ready=True()@2");
    alone.manage(&mut list, at(3)).mark_false(READY, "RevisionFailed", "no");
    assert_eq!(shown(&list), "Ready=False(RevisionFailed)@3");
}
