//! The runtime's answers, through the API.

mod compatibility;
mod tried;

use rouse_node::runtime::{Capabilities, NO_MOUNTS, process};
use serde_json::json;

use self::tried::{Tried, service};

#[tokio::test]
async fn a_setting_that_is_not_enforced_is_warned_of_by_its_path() {
    let tried = Tried::new();
    let mut object = service();
    object["spec"]["template"]["spec"]["containers"][0]["resources"] =
        json!({ "limits": { "cpu": "500m" } });
    let warnings = tried.service(object).unwrap();
    assert_eq!(
        warnings,
        [
            "the CPU limit of 500m is not enforced by the process runtime: spec.template.spec.containers[0].resources.limits.cpu"
        ]
    );
    assert_eq!(tried.service(service()).unwrap(), [""; 0]);
}

#[tokio::test]
async fn volumes_are_refused_by_their_path_where_there_are_no_mounts() {
    let tried = Tried::new();
    tried.runtime("process", Capabilities { volumes: false, ..process::CAPABILITIES });
    let mut object = service();
    object["spec"]["template"]["spec"]["volumes"] = json!([{ "name": "v", "emptyDir": {} }]);
    object["spec"]["template"]["spec"]["containers"][0]["volumeMounts"] =
        json!([{ "name": "v", "mountPath": "/v" }]);
    let why = tried.service(object).unwrap_err();
    let want = format!("volume \"v\" cannot be mounted: {NO_MOUNTS}: spec.template.spec.volumes");
    assert!(why.ends_with(&want), "{why}");
}
