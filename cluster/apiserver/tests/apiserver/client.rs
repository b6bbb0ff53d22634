//! A kube client talks to the cluster in this process, without a socket.

use std::collections::BTreeMap;

use futures::{StreamExt, TryStreamExt};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{
    Api, DeleteParams, ListParams, Patch, PatchParams, PostParams, WatchEvent, WatchParams,
};
use rouse_apiserver::{Cluster, Config, Storage};
use rouse_kit::Clock;
use serde_json::json;

fn cluster() -> Cluster {
    let config = Config {
        storage: Storage::Memory,
        initial: Vec::new(),
        clock: Clock::of_tokio(),
        ca: String::new(),
    };
    Cluster::open(config).unwrap()
}

fn map(name: &str, value: &str) -> ConfigMap {
    let mut map = ConfigMap::default();
    map.metadata.name = Some(name.to_owned());
    map.data = Some(BTreeMap::from([("k".to_owned(), value.to_owned())]));
    map
}

#[tokio::test]
async fn create_get_list_patch_and_delete() {
    let api: Api<ConfigMap> = Api::default_namespaced(cluster().client("system:test"));
    api.create(&PostParams::default(), &map("a", "1")).await.unwrap();
    let again = api.create(&PostParams::default(), &map("a", "1")).await.unwrap_err();
    assert!(
        matches!(again, kube::Error::Api(ref s) if s.code == 409 && s.reason == "AlreadyExists"),
        "{again}"
    );
    let patched = api
        .patch("a", &PatchParams::default(), &Patch::Merge(json!({ "data": { "k": "2" } })))
        .await
        .unwrap();
    assert_eq!(patched.data.unwrap()["k"], "2");
    assert_eq!(api.list(&ListParams::default()).await.unwrap().items.len(), 1);
    api.delete("a", &DeleteParams::default()).await.unwrap();
    assert!(api.get_opt("a").await.unwrap().is_none());
}

#[tokio::test]
async fn all_pages_of_a_list_have_one_version() {
    let api: Api<ConfigMap> = Api::default_namespaced(cluster().client("system:test"));
    for n in 0..5 {
        api.create(&PostParams::default(), &map(&format!("m{n}"), "1")).await.unwrap();
    }
    let first = api.list(&ListParams::default().limit(2)).await.unwrap();
    let token = first.metadata.continue_.clone().unwrap();
    api.delete("m4", &DeleteParams::default()).await.unwrap();
    let rest = api.list(&ListParams::default().continue_token(&token)).await.unwrap();
    assert_eq!((first.items.len(), rest.items.len()), (2, 3));
    assert_eq!(first.metadata.resource_version, rest.metadata.resource_version);
}

#[tokio::test]
async fn a_watch_goes_on_from_a_list() {
    let api: Api<ConfigMap> = Api::default_namespaced(cluster().client("system:test"));
    let listed = api.list(&ListParams::default()).await.unwrap();
    let version = listed.metadata.resource_version.unwrap();
    let mut events = api.watch(&WatchParams::default().timeout(5), &version).await.unwrap().boxed();
    api.create(&PostParams::default(), &map("seen", "1")).await.unwrap();
    match events.try_next().await.unwrap() {
        Some(WatchEvent::Added(map)) => assert_eq!(map.metadata.name.as_deref(), Some("seen")),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn hooks_change_and_refuse_what_is_written() {
    use kube::core::admission::AdmissionResponse;
    use rouse_apiserver::admission::{Hook, Phase, Rule};

    let cluster = cluster();
    let rule = || Rule {
        group: String::new(),
        resources: vec!["configmaps".to_owned()],
        operations: vec!["CREATE".to_owned()],
    };
    let mutate = Hook {
        name: "mutate.test".to_owned(),
        phase: Phase::Mutating,
        rules: vec![rule()],
        review: std::sync::Arc::new(|request| {
            let patch = serde_json::from_value(
                json!([{ "op": "add", "path": "/data/added", "value": "yes" }]),
            )
            .unwrap();
            AdmissionResponse::from(request).with_patch(patch).unwrap()
        }),
    };
    let validate = Hook {
        name: "validate.test".to_owned(),
        phase: Phase::Validating,
        rules: vec![rule()],
        review: std::sync::Arc::new(|request| {
            let bad = request.object.as_ref().is_some_and(|o| o.data["data"]["k"] == "bad");
            let response = AdmissionResponse::from(request);
            if bad { response.deny("no bad things") } else { response }
        }),
    };
    cluster.set_hooks(vec![mutate, validate]);
    let api: Api<ConfigMap> = Api::default_namespaced(cluster.client("system:test"));
    let made = api.create(&PostParams::default(), &map("a", "1")).await.unwrap();
    assert_eq!(made.data.unwrap()["added"], "yes");
    let refused =
        api.create(&PostParams::default(), &map("b", "bad")).await.unwrap_err().to_string();
    assert!(
        refused.contains("admission webhook \"validate.test\" denied the request: no bad things"),
        "{refused}"
    );
}
