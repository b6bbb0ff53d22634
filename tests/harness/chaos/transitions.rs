//! The changes: what each does, and what it may cost.

use std::time::Duration;

use anyhow::Context;
use serde_json::{Value, json};

use super::random::Random;
use crate::{Platform, wait};

/// Longest until a Service is ready again after a change.
pub(super) const SETTLED: Duration = Duration::from_secs(120);
/// Pauses between changes are shorter than this.
pub(super) const PAUSE: Duration = Duration::from_millis(200);
const NAMES: [&str; 3] = ["alpha", "beta", "gamma"];

/// A kind of change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    NewRevision,
    Concurrency,
    Traffic,
    Tags,
    Settings,
    ScaleToZero,
    ScaleUp,
    DeletePod,
    DeletePods,
    DeleteDeployment,
    DeleteRevision,
    Recreate,
    Restart,
    Crash,
    ForceDelete,
}

/// What a change may cost the requests that overlap it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cost {
    Nothing,
    /// The Service is deleted, and they are answered 404.
    Away,
    /// No server listens for a moment.
    Restart,
    /// The requests in a killed pod.
    InFlight,
}

impl Cost {
    pub(super) fn words(self) -> &'static str {
        match self {
            Self::Nothing => "nothing",
            Self::Away => "404 while it is away",
            Self::Restart => "connections while nobody listens",
            Self::InFlight => "what the pod held",
        }
    }
}

impl Kind {
    pub const ALL: [Self; 15] = [
        Self::NewRevision,
        Self::Concurrency,
        Self::Traffic,
        Self::Tags,
        Self::Settings,
        Self::ScaleToZero,
        Self::ScaleUp,
        Self::DeletePod,
        Self::DeletePods,
        Self::DeleteDeployment,
        Self::DeleteRevision,
        Self::Recreate,
        Self::Restart,
        Self::Crash,
        Self::ForceDelete,
    ];

    #[must_use]
    pub fn cost(self) -> Cost {
        match self {
            Self::Recreate => Cost::Away,
            Self::Restart => Cost::Restart,
            Self::Crash | Self::ForceDelete => Cost::InFlight,
            Self::NewRevision
            | Self::Concurrency
            | Self::Traffic
            | Self::Tags
            | Self::Settings
            | Self::ScaleToZero
            | Self::ScaleUp
            | Self::DeletePod
            | Self::DeletePods
            | Self::DeleteDeployment
            | Self::DeleteRevision => Cost::Nothing,
        }
    }

    pub(super) fn what(self) -> &'static str {
        match self {
            Self::NewRevision => "new revision",
            Self::Concurrency => "another `containerConcurrency`",
            Self::Traffic => "traffic split anew",
            Self::Tags => "tags",
            Self::Settings => "ConfigMaps",
            Self::ScaleToZero => "`kubectl scale --replicas=0`",
            Self::ScaleUp => "`kubectl scale --replicas=3`",
            Self::DeletePod => "`kubectl delete pod`, one",
            Self::DeletePods => "`kubectl delete pod`, all of a Service",
            Self::DeleteDeployment => "a revision's Deployment deleted",
            Self::DeleteRevision => "an old revision deleted",
            Self::Recreate => "Service deleted and made again",
            Self::Restart => "platform restarted",
            Self::Crash => "program crashed",
            Self::ForceDelete => "`kubectl delete pod --grace-period=0 --force`",
        }
    }
}

/// The Services.
pub(super) struct World {
    services: Vec<Service>,
}

struct Service {
    name: &'static str,
    /// A value in the template, so that each change makes a revision.
    generation: usize,
    concurrency: usize,
    tag: Option<String>,
}

impl Service {
    /// The whole manifest; traffic goes to the newest revision.
    fn manifest(&self) -> String {
        let Self { name, generation, concurrency, tag } = self;
        let tag = tag.as_ref().map_or_else(String::new, |tag| {
            format!("\n  - {{latestRevision: true, tag: {tag}, percent: 0}}")
        });
        format!(
            "apiVersion: serving.knative.dev/v1\nkind: Service\nmetadata: {{name: {name}}}\nspec:\n  template:\n    metadata:\n      annotations: {{autoscaling.knative.dev/window: 6s}}\n    spec:\n      containerConcurrency: {concurrency}\n      containers:\n      - image: test-server\n        env: [{{name: GENERATION, value: \"{generation}\"}}]\n  traffic:\n  - {{latestRevision: true, percent: 100}}{tag}\n"
        )
    }
}

impl World {
    /// Makes the Services and waits until they serve.
    pub(super) fn new(platform: &Platform) -> anyhow::Result<Self> {
        let made = |name| Service { name, generation: 0, concurrency: 0, tag: None };
        let world = Self { services: NAMES.into_iter().map(made).collect() };
        for (index, service) in world.services.iter().enumerate() {
            platform.kubectl().apply(&service.manifest())?;
            wait::until("a first answer", SETTLED, || world.answers(index, platform))?;
        }
        Ok(world)
    }

    pub(super) fn len(&self) -> usize {
        self.services.len()
    }

    pub(super) fn hosts(&self, platform: &Platform) -> Vec<String> {
        self.services.iter().map(|service| platform.host(service.name)).collect()
    }

    /// Whether a Service answers.
    pub(super) fn answers(&self, service: usize, platform: &Platform) -> Result<(), String> {
        let name = self.services[service].name;
        match platform.get(name, "/") {
            Ok(answer) if answer.status == 200 => Ok(()),
            Ok(answer) => Err(format!("{name}: {} {}", answer.status, answer.body)),
            Err(error) => Err(format!("{name}: {error:#}")),
        }
    }

    pub(super) fn perform(
        &mut self,
        kind: Kind,
        index: usize,
        platform: &mut Platform,
        random: &mut Random,
    ) -> anyhow::Result<()> {
        let kubectl = platform.kubectl();
        let service = &mut self.services[index];
        let name = service.name;
        let selector = format!("-l serving.knative.dev/service={name}");
        match kind {
            Kind::NewRevision => {
                service.generation += 1;
                kubectl.apply(&service.manifest())?;
            }
            Kind::Concurrency => {
                service.concurrency = [0, 1, 2, 8][random.below(4)];
                kubectl.apply(&service.manifest())?;
            }
            Kind::Traffic => self.split(index, platform)?,
            Kind::Tags => {
                service.tag = match service.tag.take() {
                    None => Some(format!("tag{}", random.below(100))),
                    Some(_) => None,
                };
                kubectl.apply(&service.manifest())?;
            }
            Kind::Settings => {
                let seconds = 6 + random.below(60);
                let (map, data) = [
                    ("config-autoscaler", json!({ "stable-window": format!("{seconds}s") })),
                    ("config-gc", json!({ "min-non-active-revisions": seconds.to_string() })),
                    ("config-deployment", json!({ "progress-deadline": format!("{seconds}0s") })),
                ][random.below(3)]
                .clone();
                let patch = json!({ "data": data });
                kubectl.run(&format!(
                    "patch configmap {map} -n knative-serving --type merge -p {patch}"
                ))?;
            }
            Kind::ScaleToZero | Kind::ScaleUp => {
                let replicas = if kind == Kind::ScaleUp { 3 } else { 0 };
                for deployment in
                    kubectl.run(&format!("get deployments {selector} -o name"))?.lines()
                {
                    // It may be gone with its revision.
                    let words = ["scale", &format!("--replicas={replicas}"), deployment];
                    kubectl.try_run(&words, "")?;
                }
            }
            Kind::DeletePod | Kind::ForceDelete => {
                let pods = kubectl.run(&format!("get pods {selector} -o name"))?;
                let pods: Vec<&str> = pods.lines().collect();
                if pods.is_empty() {
                    return Ok(());
                }
                let mut words = vec!["delete", pods[random.below(pods.len())], "--wait=false"];
                if kind == Kind::ForceDelete {
                    words.extend(["--grace-period=0", "--force"]);
                }
                // It may have gone by itself.
                kubectl.try_run(&words, "")?;
            }
            Kind::DeletePods => {
                kubectl.run(&format!("delete pods {selector} --wait=false"))?;
            }
            Kind::DeleteDeployment => {
                kubectl.run(&format!("delete deployments {selector} --wait=false"))?;
            }
            Kind::DeleteRevision => self.delete_old(index, platform)?,
            Kind::Recreate => {
                kubectl.run(&format!("delete ksvc {name}"))?;
                wait::pause(PAUSE.mul_f64(random.fraction()));
                kubectl.apply(&service.manifest())?;
                wait::until("the Service is back", SETTLED, || self.answers(index, platform))?;
            }
            Kind::Restart => {
                platform.stop()?;
                platform.resume()?;
                for service in 0..self.services.len() {
                    wait::until("an answer after a restart", SETTLED, || {
                        self.answers(service, platform)
                    })?;
                }
            }
            Kind::Crash => {
                // The program exits without an answer.
                let _none = platform.get(name, "/exit/3");
            }
        }
        Ok(())
    }

    /// Half to `@latest`, half to the revision that is the latest ready now, if there is one.
    fn split(&self, index: usize, platform: &Platform) -> anyhow::Result<()> {
        let name = self.services[index].name;
        let object = platform.kubectl().json(&format!("get ksvc {name} -o json"))?;
        let ready = object["status"]["latestReadyRevisionName"].as_str().unwrap_or_default();
        if ready.is_empty() {
            return Ok(());
        }
        let traffic = json!({ "spec": { "traffic": [
            { "latestRevision": true, "percent": 50 }, { "revisionName": ready, "percent": 50 },
        ] } });
        platform.kubectl().run(&format!("patch ksvc {name} --type merge -p {traffic}"))?;
        Ok(())
    }

    /// Deletes a revision that gets no traffic, if there is one.
    fn delete_old(&self, index: usize, platform: &Platform) -> anyhow::Result<()> {
        let (name, kubectl) = (self.services[index].name, platform.kubectl());
        let object = kubectl.json(&format!("get ksvc {name} -o json"))?;
        let routed = |revision: &str| {
            let targets = [&object["spec"]["traffic"], &object["status"]["traffic"]];
            let mut targets = targets.into_iter().filter_map(Value::as_array).flatten();
            let newest = ["latestCreatedRevisionName", "latestReadyRevisionName"];
            targets.any(|target| target["revisionName"] == revision)
                || newest.iter().any(|field| object["status"][*field] == revision)
        };
        let selector = format!("-l serving.knative.dev/service={name}");
        let all = kubectl.json(&format!("get revisions {selector} -o json"))?;
        let items = all["items"].as_array().context("a list")?;
        let names = items.iter().filter_map(|item| item["metadata"]["name"].as_str());
        if let Some(old) = names.into_iter().find(|revision| !routed(revision)) {
            kubectl.try_run(&["delete", "revision", old, "--wait=false"], "")?;
        }
        Ok(())
    }
}
