//! The health of the routes.

use super::*;
use crate::admission::report::ReportSignal;
use crate::control::issuers::Issuers;
use rouse_kit::Component;

#[tokio::test]
async fn routes_that_are_not_kept_up_to_date_are_not_ready() {
    let component = Component::alone("activator");
    let Component { tasks, health, clock, .. } = &component;
    let registry = Arc::new(Registry::new(Arc::new(ReportSignal::default()), 1));
    let part = health.part("routes");
    let mut directory = Directory::new(
        Arc::new(Shared::new(Issuers::new().0)),
        registry,
        tasks.clone(),
        part,
        *clock,
    );
    let mut after = |change| {
        directory.apply(change);
        directory.publish();
        let part = health.report().remove(0);
        (part.ready, part.reason)
    };
    let outage = || Some("the watch of Pods fails".to_owned());
    let starting = (false, Some("starting".to_owned()));
    assert_eq!(after(Change::Outage(outage())), starting);
    assert_eq!(after(Change::Complete), (false, outage()));
    assert_eq!(after(Change::Outage(None)), (true, None));
    assert_eq!(after(Change::Outage(outage())), (false, outage()));
}
