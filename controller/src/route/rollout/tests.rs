//! The schedule of rollouts, by a clock that jumps to each step.

use std::sync::Arc;
use std::time::Duration;

use expect_test::expect;
use jiff::{SignedDuration, Timestamp};
use rouse_api::rollout::Rollout;
use rouse_api::{Route, RouteStatus};
use rouse_kit::Plan;

use crate::lookups::served::Serving;
use crate::route::desired::desired;
use crate::route::observed::Observed;
use crate::route::testing::{LATEST, conditions, configuration, revision, route, seen};
use crate::testing::now;

/// A Route, the objects around it, and the seconds that have passed.
struct World {
    route: Route,
    seen: Observed,
    start: Timestamp,
    passed: SignedDuration,
}

impl World {
    /// A Route whose traffic is served by `greet-1`, `greet-2` or `greet-3`, which all are ready.
    fn new(traffic: &str, duration: &str) -> Self {
        let revisions = ["greet-1", "greet-2", "greet-3"].map(|r| revision(r, "active", "True"));
        let mut seen = seen(configuration("{}"), revisions.into());
        seen.serving = Serving::Known { version: i64::MAX };
        let passed = SignedDuration::ZERO;
        let mut world = Self { route: route(traffic), seen, start: now(), passed };
        world.duration(duration);
        world.latest(1);
        world.pass();
        assert_eq!(world.pass().wake, None, "nothing moves yet");
        world
    }

    fn duration(&mut self, text: &str) {
        let key = rouse_api::keys::ROLLOUT_DURATION.to_owned();
        self.route.metadata.annotations = Some([(key, text.to_owned())].into());
    }

    fn latest(&mut self, number: u8) {
        let status = format!(
            "{{latestCreatedRevisionName: greet-{number}, latestReadyRevisionName: greet-{number}}}"
        );
        self.seen.configurations.insert("greet".to_owned(), configuration(&status));
    }

    /// One pass over the Route, whose status is written.
    fn pass(&mut self) -> Plan<RouteStatus> {
        let now = self.start.saturating_add(self.passed).unwrap();
        let plan = desired(&self.route, &self.seen, now);
        self.route.status.clone_from(&plan.status);
        plan
    }

    fn status(&self) -> &RouteStatus {
        self.route.status.as_ref().unwrap()
    }

    /// Shares of the hosts in the order of the routing: `1: 99, 2: 1`.
    fn shares(&self) -> Vec<String> {
        let hosts = &self.status().routing.as_ref().unwrap().hosts;
        let share = |share: &rouse_api::routing::Share| {
            format!("{}: {}", share.revision.trim_start_matches("greet-"), share.percent)
        };
        hosts.iter().map(|h| h.split.iter().map(share).collect::<Vec<_>>().join(", ")).collect()
    }

    /// Passes at one time until the status stays as it is; returns the time until the next step.
    fn settle(&mut self) -> Option<Duration> {
        for _ in 0..4 {
            let before = self.status().clone();
            let wake = self.pass().wake;
            if *self.status() == before {
                return wake;
            }
        }
        panic!("each pass changes the status: {:?}", self.status());
    }

    /// Passes when each wake is due until nothing is, at most `most` times; a line for each.
    fn run(&mut self, most: usize) -> String {
        let mut told = String::new();
        for _ in 0..most {
            let wake = self.settle();
            let (at, shares) = (self.passed.as_millis(), self.shares().join(" | "));
            told.push_str(&format!("{}.{}s {shares}\n", at / 1000, at % 1000 / 100));
            let Some(wake) = wake else { return told };
            assert_eq!(conditions(self.status())[1], ROLLING);
            self.wait(wake);
        }
        told
    }

    fn wait(&mut self, time: Duration) {
        self.passed += SignedDuration::try_from(time).unwrap();
    }
}

const ROLLING: &str =
    "Unknown RolloutInProgress A gradual rollout of the latest revision(s) is in progress.";
const SECOND: Duration = Duration::from_secs(1);

#[test]
fn traffic_moves_in_equal_steps_over_the_duration() {
    let mut world = World::new(LATEST, "10s");
    world.latest(2);
    expect![[r#"
        0.0s 1: 99, 2: 1
        1.0s 1: 88, 2: 12
        2.0s 1: 77, 2: 23
        3.0s 1: 66, 2: 34
        4.0s 1: 55, 2: 45
        5.0s 1: 44, 2: 56
        6.0s 1: 33, 2: 67
        7.0s 1: 22, 2: 78
        8.0s 1: 11, 2: 89
        9.0s 2: 100
    "#]]
    .assert_eq(&world.run(100));
    assert_eq!(conditions(world.status()), ["True", "True"]);
    assert_eq!(world.status().traffic.len(), 1);
}

#[test]
fn a_step_is_at_least_one_percent() {
    let mut world = World::new(LATEST, "100m");
    world.latest(2);
    world.run(2);
    let mut steps = Vec::new();
    let mut last = world.passed;
    for step in 3..=100 {
        world.run(1);
        assert_eq!(
            world.shares().join(""),
            format!("1: {}, 2: {step}", 100 - step).replace("1: 0, ", "")
        );
        steps.push((world.passed - last).as_secs());
        last = world.passed;
    }
    // 5999 s after the first second, in 99 steps.
    assert_eq!((steps.len(), steps[0], steps[96], steps[97]), (98, 60, 60, 0), "{steps:?}");
    assert_eq!(world.passed.as_secs(), 5998);
}

#[test]
fn steps_are_as_long_as_the_first_percent_took_to_be_served() {
    let mut world = World::new(LATEST, "100s");
    world.latest(2);
    world.seen.serving = Serving::Unknown;
    assert_eq!(world.pass().wake, None, "it waits for activators");
    world.wait(SECOND * 19 + SECOND / 2);
    assert_eq!(world.pass().wake, None);
    assert_eq!(world.shares(), ["1: 99, 2: 1"]);
    world.seen.serving = Serving::Known { version: i64::MAX };
    expect![[r#"
        19.5s 1: 99, 2: 1
        39.5s 1: 74, 2: 26
        59.5s 1: 49, 2: 51
        79.5s 1: 24, 2: 76
        99.5s 2: 100
    "#]]
    .assert_eq(&world.run(100));
    // Longer than the duration: one step.
    let mut world = World::new(LATEST, "5s");
    world.latest(2);
    world.seen.serving = Serving::Unknown;
    world.pass();
    world.wait(SECOND * 60);
    world.seen.serving = Serving::Known { version: i64::MAX };
    assert_eq!(world.run(100), "60.0s 1: 99, 2: 1\n61.0s 2: 100\n");
}

#[test]
fn a_restart_in_the_middle_goes_on_from_the_written_state() {
    let mut world = World::new(LATEST, "10s");
    world.latest(2);
    world.run(4);
    // What was written went through JSON, and no activator has been asked since.
    let written = serde_json::to_string(world.status()).unwrap();
    world.route.status = Some(serde_json::from_str(&written).unwrap());
    world.seen.serving = Serving::Unknown;
    world.wait(SECOND * 30);
    expect![[r#"
        34.0s 1: 55, 2: 45
        35.0s 1: 44, 2: 56
        36.0s 1: 33, 2: 67
        37.0s 1: 22, 2: 78
        38.0s 1: 11, 2: 89
        39.0s 2: 100
    "#]]
    .assert_eq(&world.run(100));
}

#[test]
fn a_new_revision_in_the_middle_begins_with_one_percent_and_takes_from_the_newest() {
    let mut world = World::new(LATEST, "4s");
    world.latest(2);
    world.run(2);
    world.latest(3);
    expect![[r#"
        2.0s 1: 66, 2: 33, 3: 1
        3.0s 1: 66, 3: 34
        4.0s 1: 33, 3: 67
        5.0s 3: 100
    "#]]
    .assert_eq(&world.run(100));
}

#[test]
fn a_revision_that_becomes_the_latest_again_keeps_its_traffic() {
    let mut world = World::new(LATEST, "4s");
    world.latest(2);
    world.run(2);
    world.latest(1);
    world.pass();
    assert_eq!(world.shares(), ["2: 33, 1: 67"]);
    world.run(100);
    assert_eq!(world.shares(), ["1: 100"]);
}

#[test]
fn a_changed_duration_holds_for_the_next_rollout_and_zero_at_once() {
    let mut world = World::new(LATEST, "10s");
    world.latest(2);
    world.run(2);
    world.duration("1000s");
    assert_eq!(world.run(2), "2.0s 1: 77, 2: 23\n3.0s 1: 66, 2: 34\n");
    world.duration("0s");
    assert_eq!(world.run(100), "4.0s 2: 100\n");
    // Without an annotation, the cluster's setting holds.
    Arc::make_mut(&mut world.seen.config).network.rollout_duration = 2;
    world.latest(3);
    assert_eq!(world.run(100), "4.0s 2: 99, 3: 1\n5.0s 3: 100\n");
}

#[test]
fn tags_and_shares_are_rolled_out_each_for_itself() {
    let traffic = "[{configurationName: greet, percent: 40, tag: next}, {revisionName: greet-3, percent: 60}, {configurationName: greet, tag: idle}]";
    let mut world = World::new(traffic, "3s");
    world.latest(2);
    expect![[r#"
        0.0s 1: 39, 2: 1, 3: 60 | 1: 99, 2: 1 | 1: 99, 2: 1
        1.0s 1: 19, 2: 21, 3: 60 | 1: 49, 2: 51 | 1: 49, 2: 51
        2.0s 2: 40, 3: 60 | 2: 100 | 2: 100
    "#]]
    .assert_eq(&world.run(100));
    world.latest(1);
    world.run(1);
    expect![[r#"
        - tag: next
          revisionName: greet-2
          latestRevision: true
          percent: 39
          url: http://next-hello.shop.localhost:7080
        - tag: next
          revisionName: greet-1
          latestRevision: true
          percent: 1
          url: http://next-hello.shop.localhost:7080
        - revisionName: greet-3
          latestRevision: false
          percent: 60
        - tag: idle
          revisionName: greet-1
          latestRevision: true
          percent: 0
          url: http://idle-hello.shop.localhost:7080
    "#]]
    .assert_eq(&serde_yaml::to_string(&world.status().traffic).unwrap());
}

#[test]
fn a_changed_percentage_gives_to_the_newest_and_takes_from_the_oldest() {
    let split = |percent: u8| {
        format!(
            "[{{configurationName: greet, percent: {percent}}}, {{revisionName: greet-3, percent: {}}}]",
            100 - percent
        )
    };
    let mut world = World::new(&split(60), "4s");
    world.latest(2);
    world.run(2);
    let shares = |world: &mut World, percent| {
        world.route.spec = route(&split(percent)).spec;
        world.pass();
        world.shares().join("")
    };
    // The step of 20 % is due.
    assert_eq!(shares(&mut world, 70), "1: 19, 2: 51, 3: 30");
    assert_eq!(shares(&mut world, 60), "1: 9, 2: 51, 3: 40");
    assert_eq!(shares(&mut world, 20), "2: 20, 3: 80");
    assert_eq!(shares(&mut world, 1), "2: 1, 3: 99");
    world.latest(1);
    assert_eq!(shares(&mut world, 1), "1: 1, 3: 99", "one percent moves at once");
    assert_eq!(shares(&mut world, 0), "3: 100");
    assert_eq!(world.run(100).lines().count(), 1);
}

#[test]
fn a_target_added_in_the_middle_has_nothing_to_move_from() {
    let mut world = World::new("[{revisionName: greet-1, percent: 100}]", "10s");
    world.route.spec = route(LATEST).spec;
    world.latest(2);
    assert_eq!(world.run(100), "0.0s 2: 100\n");
}

#[test]
fn traffic_of_a_deleted_revision_goes_to_the_next_newer_one() {
    let mut world = World::new(LATEST, "10s");
    world.latest(2);
    world.run(2);
    world.latest(3);
    world.run(1);
    assert_eq!(world.shares(), ["1: 88, 2: 11, 3: 1"]);
    world.seen.revisions.remove("greet-1");
    world.pass();
    assert_eq!(world.shares(), ["2: 88, 3: 12"]);
    world.seen.revisions.remove("greet-2");
    assert_eq!(world.run(100).lines().last(), Some("3.0s 3: 100"));
}

#[test]
fn an_edited_state_that_makes_no_sense_is_dropped() {
    let good = World::new(LATEST, "10s").status().rollout.clone().unwrap();
    assert!(super::is_valid(&good));
    for edit in [
        |rollout: &mut Rollout| rollout.configurations[0].percent = 50,
        |rollout: &mut Rollout| rollout.configurations[0].percent = i64::MAX,
        |rollout: &mut Rollout| rollout.configurations[0].revisions[0].percent = i64::MIN,
        |rollout: &mut Rollout| rollout.configurations[0].step_params.step_size = 101,
        |rollout: &mut Rollout| rollout.configurations[0].step_params.step_size = -1,
        |rollout: &mut Rollout| rollout.configurations[0].step_params.step_duration = i64::MIN,
    ] {
        let mut world = World::new(LATEST, "10s");
        edit(world.route.status.as_mut().unwrap().rollout.as_mut().unwrap());
        world.latest(2);
        assert_eq!(world.run(100), "0.0s 2: 100\n");
    }
    // Extreme times saturate.
    let mut world = World::new(LATEST, "2540400h");
    world.latest(2);
    world.run(1);
    let steps = &mut world.route.status.as_mut().unwrap().rollout.as_mut().unwrap();
    steps.configurations[0].step_params.next_step_time = i64::MAX;
    steps.configurations[0].step_params.step_duration = i64::MAX;
    let wake = world.pass().wake.unwrap();
    assert!(wake > SECOND * 60 * 60 * 24 * 365);
}
