//! 3.4: what the conditions of each kind say, and when.

use anyhow::ensure;
use serde_json::{Value, json};

use crate::Case;
use crate::cluster::{Runtime, Space, condition, observed};
use crate::manifests::{env, service, to_version, version, with};

pub(crate) const CASES: &[Case] = &[
    ("s3_4::each_kind_has_its_conditions_sorted_by_type", kinds),
    ("s3_4::generation_1_is_observed_when_it_is_first_ready", first_generation),
    ("s3_4::a_missing_image_fails_all_that_needs_it", missing_image),
    ("s3_4::an_exit_fails_all_that_needs_it_with_its_message", exit_code),
    ("s3_4::a_program_that_never_listens_exceeds_its_deadline", deadline),
    ("s3_4::a_container_that_cannot_be_made_says_why", config_error),
    ("s3_4::a_pod_that_fits_nowhere_is_unschedulable", unschedulable),
    ("s3_4::a_quota_is_said_that_is_exceeded_or_binds_nobody", quota),
    ("s3_4::a_failed_service_recovers_with_its_next_revision", recovers),
    ("s3_4::a_configuration_of_anothers_is_not_owned", not_owned),
    ("s3_4::a_route_to_nothing_says_what_is_missing", route_to_nothing),
    ("s3_4::transition_times_move_only_with_the_condition", transition_times),
    ("s3_4::a_domain_is_its_namespaces_that_claims_it", domain_claimed),
    ("s3_4::a_domain_mapping_waits_for_what_it_refers_to", unresolved),
];

fn types(object: &Value) -> Vec<String> {
    let all = object["status"]["conditions"].as_array();
    all.into_iter().flatten().filter_map(|c| c["type"].as_str().map(str::to_owned)).collect()
}

fn kinds(space: &Space<'_>) -> anyhow::Result<()> {
    let ksvc = space.deploy(&version(space, "hello", "1"))?;
    assert_eq!(types(&ksvc), ["ConfigurationsReady", "Ready", "RoutesReady"]);
    assert_eq!(types(&space.get("configuration", "hello")?), ["Ready"]);
    let route = space.get("route", "hello")?;
    assert_eq!(
        types(&route),
        ["AllTrafficAssigned", "CertificateProvisioned", "IngressReady", "Ready"]
    );
    assert_eq!(condition(&route, "CertificateProvisioned")["reason"], "TLSNotEnabled");
    let revision = space.get("revision", "hello-00001")?;
    assert_eq!(types(&revision), ["Active", "ContainerHealthy", "Ready", "ResourcesAvailable"]);
    assert_eq!(condition(&revision, "Active")["severity"], "Info");
    ensure!(
        condition(&revision, "Ready")["severity"].as_str().unwrap_or("").is_empty(),
        "{revision}"
    );
    let scaler = space.get("podautoscaler", "hello-00001")?;
    for kind in ["Active", "Ready", "ScaleTargetInitialized"] {
        assert_eq!(condition(&scaler, kind)["status"], "True", "{kind}: {}", scaler["status"]);
    }
    Ok(())
}

fn first_generation(space: &Space<'_>) -> anyhow::Result<()> {
    let ksvc = space.deploy(&version(space, "hello", "1"))?;
    assert_eq!(ksvc["status"]["observedGeneration"], 1);
    assert_eq!(ksvc["status"]["latestCreatedRevisionName"], "hello-00001");
    assert_eq!(ksvc["status"]["latestReadyRevisionName"], "hello-00001");
    for kind in ["configuration", "route"] {
        ensure!(observed(&space.get(kind, "hello")?), "{kind}");
    }
    Ok(())
}

/// The Service, once both of its parts are False; with the Revision's condition of that type.
fn cascade(space: &Space<'_>, made: &Value, kind: &str) -> anyhow::Result<Value> {
    space.create("ksvc", made)?;
    let ksvc = space.until("ksvc", "hello", "both parts False", |object| {
        observed(object)
            && ["ConfigurationsReady", "RoutesReady", "Ready"]
                .iter()
                .all(|kind| condition(object, kind)["status"] == "False")
    })?;
    let reason = |object: &Value, kind: &str| condition(object, kind)["reason"].clone();
    assert_eq!(reason(&ksvc, "ConfigurationsReady"), "RevisionFailed");
    assert_eq!(reason(&ksvc, "RoutesReady"), "RevisionMissing");
    let configuration = space.get("configuration", "hello")?;
    assert_eq!(reason(&configuration, "Ready"), "RevisionFailed");
    let said =
        condition(&configuration, "Ready")["message"].as_str().unwrap_or_default().to_owned();
    ensure!(said.starts_with("Revision \"hello-00001\" failed with message: "), "{said}");
    assert_eq!(reason(&space.get("route", "hello")?, "AllTrafficAssigned"), "RevisionMissing");
    let revision = space.get("revision", "hello-00001")?;
    assert_eq!(condition(&revision, "Ready")["status"], "False");
    Ok(condition(&revision, kind))
}

fn missing_image(space: &Space<'_>) -> anyhow::Result<()> {
    let mut made = version(space, "hello", "1");
    made["spec"]["template"]["spec"]["containers"][0]["image"] = json!("nobody-built-this:v9");
    let said = cascade(space, &made, "Ready")?;
    // Where the registry cannot be asked, the Revision goes on with the tag, and its pod fails to pull.
    let reason = said["reason"].as_str().unwrap_or_default();
    ensure!(["ContainerMissing", "ErrImagePull", "ImagePullBackOff"].contains(&reason), "{said}");
    let message = said["message"].as_str().unwrap_or_default();
    ensure!(message.contains("nobody-built-this:v9"), "{said}");
    Ok(())
}

fn exit_code(space: &Space<'_>) -> anyhow::Result<()> {
    let said = cascade(space, &service(space, "hello", env(&[("EXIT", "5")])), "ContainerHealthy")?;
    assert_eq!(
        (&said["status"], &said["reason"]),
        (&json!("False"), &json!("ExitCode5")),
        "{said}"
    );
    let message = said["message"].as_str().unwrap_or_default();
    ensure!(message.starts_with("Container failed with: "), "{message}");
    ensure!(message.contains("leaving with 5 as asked"), "{message}");
    Ok(())
}

/// A Service that has to be ready within seconds.
fn hurried(space: &Space<'_>, container: Value) -> Value {
    let notes = json!({ "serving.knative.dev/progress-deadline": "3s" });
    with(space, "hello", container, json!({}), notes)
}

fn deadline(space: &Space<'_>) -> anyhow::Result<()> {
    let made = hurried(space, env(&[("NEVER_LISTEN", "1")]));
    let said = cascade(space, &made, "ResourcesAvailable")?;
    assert_eq!(
        (&said["status"], &said["reason"]),
        (&json!("False"), &json!("ProgressDeadlineExceeded")),
        "{said}"
    );
    Ok(())
}

fn config_error(space: &Space<'_>) -> anyhow::Result<()> {
    let missing = json!([{ "name": "A", "valueFrom": { "secretKeyRef": { "name": "nowhere", "key": "k" } } }]);
    let made = hurried(space, json!({ "env": missing }));
    let said = cascade(space, &made, "ResourcesAvailable")?;
    assert_eq!(said["reason"], "CreateContainerConfigError", "{said}");
    ensure!(said["message"].as_str().is_some_and(|m| m.contains("nowhere")), "{said}");
    Ok(())
}

fn unschedulable(space: &Space<'_>) -> anyhow::Result<()> {
    let made = service(space, "hello", json!({ "resources": { "requests": { "cpu": "5000" } } }));
    let said = cascade(space, &made, "ResourcesAvailable")?;
    assert_eq!(
        (&said["status"], &said["reason"]),
        (&json!("False"), &json!("Unschedulable")),
        "{said}"
    );
    ensure!(said["message"].as_str().is_some_and(|m| m.contains("Insufficient cpu")), "{said}");
    Ok(())
}

fn quota(space: &Space<'_>) -> anyhow::Result<()> {
    let none = json!({ "apiVersion": "v1", "kind": "ResourceQuota", "metadata": { "name": "none" },
        "spec": { "hard": { "pods": "0" } } });
    let warnings = space.create_warned("quota", &none)?;
    if space.cluster.runtime != Runtime::Kubelet {
        // It is stored and binds nobody, as `docs/charts.md` says, and whoever writes it is told so.
        ensure!(warnings.iter().any(|said| said.contains("resourcequotas")), "{warnings:?}");
        assert_eq!(space.get("quota", "none")?["spec"]["hard"]["pods"], "0");
        space.deploy(&version(space, "hello", "1"))?;
        return Ok(());
    }
    let said = cascade(space, &version(space, "hello", "1"), "ResourcesAvailable")?;
    ensure!(
        said["message"].as_str().is_some_and(|m| m.contains("forbidden: exceeded quota")),
        "{said}"
    );
    Ok(())
}

fn recovers(space: &Space<'_>) -> anyhow::Result<()> {
    cascade(space, &service(space, "hello", env(&[("EXIT", "5")])), "ContainerHealthy")?;
    let ksvc = space.changed("hello", &to_version(space, "hello", "2"))?;
    assert_eq!(ksvc["status"]["latestReadyRevisionName"], "hello-00002");
    assert_eq!(space.body(&ksvc, "/")?, "version 2 of hello-00002");
    Ok(())
}

fn not_owned(space: &Space<'_>) -> anyhow::Result<()> {
    let mut alone = version(space, "hello", "1");
    alone["kind"] = json!("Configuration");
    space.create("configuration", &alone)?;
    space.create("ksvc", &version(space, "hello", "2"))?;
    let ksvc = space.until("ksvc", "hello", "NotOwned", |object| {
        condition(object, "ConfigurationsReady")["reason"] == "NotOwned"
    })?;
    let said = condition(&ksvc, "ConfigurationsReady");
    assert_eq!(said["status"], "False");
    assert_eq!(said["message"], "There is an existing Configuration \"hello\" that we do not own.");
    Ok(())
}

fn route_to_nothing(space: &Space<'_>) -> anyhow::Result<()> {
    let route = |name: &str, target: Value| {
        json!({ "apiVersion": "serving.knative.dev/v1", "kind": "Route", "metadata": { "name": name },
            "spec": { "traffic": [target] } })
    };
    space.create(
        "route",
        &route("one", json!({ "configurationName": "nothing", "percent": 100 })),
    )?;
    space.create(
        "route",
        &route("two", json!({ "revisionName": "nothing-00001", "percent": 100 })),
    )?;
    for (name, reason, words) in
        [("one", "ConfigurationMissing", "nothing"), ("two", "RevisionMissing", "nothing-00001")]
    {
        let route = space.until("route", name, "a missing target", |object| {
            condition(object, "AllTrafficAssigned")["status"] == "False"
        })?;
        let said = condition(&route, "AllTrafficAssigned");
        assert_eq!(said["reason"], reason, "{said}");
        ensure!(said["message"].as_str().is_some_and(|m| m.contains(words)), "{said}");
    }
    Ok(())
}

fn transition_times(space: &Space<'_>) -> anyhow::Result<()> {
    let before = space.deploy(&version(space, "hello", "1"))?;
    // Labels alone make no generation, and change no condition.
    let labelled = json!({ "metadata": { "labels": { "team": "ml" } } });
    space.changed("hello", &labelled)?;
    space.until("route", "hello", "the label on the Route", |object| {
        object["metadata"]["labels"]["team"] == "ml"
    })?;
    let after = space.ready("ksvc", "hello")?;
    assert_eq!(after["status"]["conditions"], before["status"]["conditions"]);
    assert_eq!(after["metadata"]["generation"], 1);
    Ok(())
}

pub(crate) fn mapping(name: &str) -> Value {
    json!({
        "apiVersion": "serving.knative.dev/v1beta1", "kind": "DomainMapping",
        "metadata": { "name": name },
        "spec": { "ref": { "name": "hello", "kind": "Service", "apiVersion": "serving.knative.dev/v1" } },
    })
}

/// A domain of this test's own, claimed for a namespace as an administrator does; given back at the end.
struct Claim<'a> {
    space: &'a Space<'a>,
    domain: String,
}

impl<'a> Claim<'a> {
    fn new(space: &'a Space<'a>) -> anyhow::Result<Self> {
        let claim = Self { space, domain: format!("{}.example.org", space.name) };
        claim.give(&space.name)?;
        Ok(claim)
    }

    fn give(&self, namespace: &str) -> anyhow::Result<()> {
        Ok(self.space.cluster.claim_domain(&self.domain, namespace)?)
    }

    fn take(&self) -> anyhow::Result<()> {
        Ok(self.space.cluster.unclaim_domain(&self.domain)?)
    }
}

impl Drop for Claim<'_> {
    fn drop(&mut self) {
        let _taken_already = self.take();
    }
}

fn domain_claimed(space: &Space<'_>) -> anyhow::Result<()> {
    let other = Space::new(space.cluster, "other")?;
    let first = space.deploy(&version(space, "hello", "1"))?;
    other.deploy(&version(&other, "hello", "2"))?;
    let claim = Claim::new(space)?;
    space.create("domainmapping", &mapping(&claim.domain))?;
    let mapped = space.ready("domainmapping", &claim.domain)?;
    let call = |space: &Space<'_>, url: &Value| space.call_with(url, "/", &[], None);
    assert_eq!(call(space, &mapped["status"]["url"])?.body, "version 1 of hello-00001");
    ensure!(first["status"]["url"] != mapped["status"]["url"], "{mapped}");
    other.create("domainmapping", &mapping(&claim.domain))?;
    let second = other.until("domainmapping", &claim.domain, "a claim refused", |object| {
        condition(object, "DomainClaimed")["status"] == "False" && observed(object)
    })?;
    assert_eq!(condition(&second, "DomainClaimed")["reason"], "DomainAlreadyClaimed", "{second}");
    assert_eq!(condition(&second, "Ready")["status"], "False", "{second}");
    assert_eq!(call(space, &mapped["status"]["url"])?.body, "version 1 of hello-00001");
    space.delete("domainmapping", &claim.domain)?;
    space.until_gone("domainmapping", &claim.domain)?;
    claim.take()?;
    claim.give(&other.name)?;
    let second = other.ready("domainmapping", &claim.domain)?;
    assert_eq!(call(&other, &second["status"]["url"])?.body, "version 2 of hello-00001");
    Ok(())
}

fn unresolved(space: &Space<'_>) -> anyhow::Result<()> {
    let claim = Claim::new(space)?;
    space.create("domainmapping", &mapping(&claim.domain))?;
    let found = space.until("domainmapping", &claim.domain, "a failed reference", |object| {
        condition(object, "ReferenceResolved")["status"] == "False" && observed(object)
    })?;
    assert_eq!(condition(&found, "DomainClaimed")["status"], "True", "{found}");
    assert_eq!(condition(&found, "ReferenceResolved")["reason"], "ResolveFailed", "{found}");
    assert_eq!(condition(&found, "Ready")["status"], "False");
    space.deploy(&version(space, "hello", "1"))?;
    let mapped = space.ready("domainmapping", &claim.domain)?;
    let answer = space.call_with(&mapped["status"]["url"], "/", &[], None)?;
    assert_eq!(answer.body, "version 1 of hello-00001");
    Ok(())
}
