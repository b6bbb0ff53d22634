//! Revisions and Configurations that list a Route.

use std::sync::Arc;

use rouse_api::Revision;
use rouse_kit::plan::Action;

use crate::lookups::served::Serving;
use crate::route::testing::{
    LATEST, ONE_READY, after, configuration, one_ready, plan, revision, route, seen,
};

#[test]
fn labels_are_added_before_traffic_and_taken_away_once_it_is_served() {
    let two = "{observedGeneration: 2, latestCreatedRevisionName: greet-2, latestReadyRevisionName: greet-2}";
    let mut seen = seen(
        configuration(two),
        vec![revision("greet-1", "active", "True"), revision("greet-2", "pending", "True")],
    );
    let first = plan(&route(LATEST), &seen);
    assert_eq!(
        first.to_string(),
        "create Service shop/hello\npatch Revision shop/greet-2\n",
        "greet-1 is kept while the new state is not served"
    );
    seen.revisions.insert("greet-2".to_owned(), revision("greet-2", "active", "True"));
    let written = after(&route(LATEST), &mut seen);
    seen.serving = Serving::Known { version: i64::MAX };
    let ready = after(&written, &mut seen);
    let last = plan(&ready, &seen);
    assert_eq!(last.to_string(), "patch Revision shop/greet-1\n");
    let Action::Patch(patch) = &last.writes[0].action else { panic!("{last}") };
    assert_eq!(patch["metadata"]["labels"]["serving.knative.dev/routingState"], "reserve");
    assert!(patch["metadata"]["annotations"]["serving.knative.dev/routes"].is_null());
}

#[test]
fn a_revision_that_its_configuration_has_not_observed_yet_stays_active() {
    let of_generation = |name: &str, generation: u8| {
        let mut revision = revision(name, "active", "Unknown");
        let label = ("serving.knative.dev/configurationGeneration", generation.to_string());
        let labels = Arc::make_mut(&mut revision).metadata.labels.as_mut().unwrap();
        labels.insert(label.0.to_owned(), label.1);
        revision
    };
    let ready = Arc::new(Revision {
        status: revision("greet-1", "active", "True").status.clone(),
        ..(*of_generation("greet-1", 1)).clone()
    });
    let mut seen = seen(configuration(ONE_READY), vec![ready]);
    let written = after(&route(LATEST), &mut seen);
    seen.serving = Serving::Known { version: i64::MAX };
    let settled = after(&written, &mut seen);
    seen.revisions.insert("greet-3".to_owned(), of_generation("greet-3", 3));
    assert_eq!(plan(&settled, &seen).to_string(), "");
    // The Configuration has observed this one, and was rolled back from it.
    seen.revisions.insert("greet-2".to_owned(), of_generation("greet-2", 2));
    assert_eq!(plan(&settled, &seen).to_string(), "patch Revision shop/greet-2\n");
}

#[test]
fn the_configurations_and_revisions_in_traffic_list_the_route() {
    let plan = |routes: &str, state: &str, traffic: &str, settled: bool| {
        let mut seen = one_ready();
        let list =
            |routes: &str| [("serving.knative.dev/routes".to_owned(), routes.to_owned())].into();
        let revision = Arc::make_mut(seen.revisions.get_mut("greet-1").unwrap());
        revision.metadata.annotations = Some(list(routes));
        let label = ("serving.knative.dev/routingState".to_owned(), state.to_owned());
        revision.metadata.labels = Some([label].into());
        let configuration = Arc::make_mut(seen.configurations.get_mut("greet").unwrap());
        configuration.metadata.annotations = Some(list(routes));
        let mut route = after(&route(traffic), &mut seen);
        if settled {
            seen.serving = Serving::Known { version: i64::MAX };
            for _ in 0..2 {
                route = after(&route, &mut seen);
            }
        }
        plan(&route, &seen)
    };
    let both = "patch Revision shop/greet-1\npatch Configuration shop/greet\n";
    let nobody = "[]";
    for (routes, state, traffic, settled, expected) in [
        ("hello", "active", LATEST, false, ""),
        ("hello", "reserve", LATEST, false, "patch Revision shop/greet-1\n"),
        ("blue", "active", LATEST, false, both),
        ("", "pending", LATEST, false, both),
        ("hello", "active", nobody, false, ""),
        ("hello", "active", nobody, true, both),
        ("blue", "active", nobody, true, ""),
    ] {
        let plan = plan(routes, state, traffic, settled);
        assert_eq!(plan.to_string(), expected, "{routes} {state} {traffic} {settled}");
    }
    let gone = plan("blue,hello", "active", nobody, true);
    let Action::Patch(patch) = &gone.writes[1].action else { panic!("{gone}") };
    assert_eq!(patch["metadata"]["annotations"]["serving.knative.dev/routes"], "blue");
    let added = plan("blue", "active", LATEST, false);
    let Action::Patch(patch) = &added.writes[1].action else { panic!("{added}") };
    assert_eq!(patch["metadata"]["annotations"]["serving.knative.dev/routes"], "blue,hello");
}

#[test]
fn a_route_looks_at_the_configurations_that_it_may_have_to_label() {
    for (traffic, routes, expected) in [
        (LATEST, "", true),
        ("[{configurationName: other}]", "", false),
        ("[{configurationName: other}]", "blue,hello", true),
        ("[{configurationName: other}]", "blue", false),
        // It may be the one of the Revision.
        ("[{revisionName: greet-1}]", "", true),
    ] {
        let mut configuration = Arc::unwrap_or_clone(configuration("{}"));
        let list = ("serving.knative.dev/routes".to_owned(), routes.to_owned());
        configuration.metadata.annotations = Some([list].into());
        let route = route(traffic);
        let concerns = super::concerns_configuration(&route, &configuration);
        assert_eq!(concerns, expected, "{traffic} {routes}");
    }
}
