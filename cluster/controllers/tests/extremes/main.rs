//! Every number, quantity and time of every kind that is served, at its extremes: by create, update and merge patch, with
//! the built-in controllers running. Nothing panics, every answer is a success or says what is wrong, and other objects
//! are still reconciled.
//!
//! The fields are found in the table of kinds and in the schemas of the CRDs, so that new fields are tested too. All
//! combinations take many minutes, so a sample is drawn, larger for fields that the controllers calculate with. Its seed
//! is printed and can be given in `ROUSE_EXTREMES_SEED`; `ROUSE_EXTREMES=all` tries them all.
#![expect(clippy::unwrap_used, reason = "a test may stop at what it did not expect")]

mod cluster;
mod fields;
mod objects;

use std::sync::Arc;

use rouse_schema::kinds::Resource;
use serde_json::Value;

use self::cluster::{Answer, Running, collection};
use self::fields::{Field, PLACE};

/// Values and verbs drawn for one field.
const DRAWN: usize = 2;
const DRAWN_OF_COUNTED: usize = 8;
/// Numbers, as options of a request carry them.
const OPTIONS: [&str; 11] = [
    "0",
    "-1",
    "1",
    "2147483648",
    "4294967296",
    "9223372036854775807",
    "9223372036854775808",
    "-9223372036854775808",
    "18446744073709551616",
    "1.5",
    "1e99",
];

#[derive(Clone, Copy, Debug, PartialEq)]
enum Verb {
    Create,
    Update,
    Patch,
}

struct Case {
    resource: Arc<Resource>,
    field: Field,
    value: &'static str,
    verb: Verb,
}

impl std::fmt::Display for Case {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { resource, field, value, verb } = self;
        let sub = field.subresource.map(|sub| format!("/{sub}")).unwrap_or_default();
        let (kind, path) = (resource.qualified_kind(), fields::shown(&field.path));
        write!(f, "{verb:?} {kind}{sub} {path} = {value}")
    }
}

/// Splitmix64: the same cases for the same seed.
fn draw(seed: &mut u64, below: usize) -> usize {
    *seed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut mixed = (*seed ^ (*seed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    usize::try_from((mixed ^ (mixed >> 31)) % u64::try_from(below).unwrap()).unwrap()
}

/// The cases of a kind: all of them, or some for each field.
fn cases(resource: &Arc<Resource>, all: bool, seed: &mut u64) -> Vec<Case> {
    let mut cases = Vec::new();
    for field in fields::of(resource) {
        let only_created = !resource.verbs.iter().any(|verb| verb == "update");
        let verbs: &[Verb] = match field.subresource {
            _ if only_created => &[Verb::Create],
            None => &[Verb::Create, Verb::Update, Verb::Patch],
            Some(_) => &[Verb::Update, Verb::Patch],
        };
        let mut combined: Vec<(&'static str, Verb)> = fields::values(field.of)
            .into_iter()
            .flat_map(|value| verbs.iter().map(move |verb| (value, *verb)))
            .collect();
        let drawn = if field.is_counted() { DRAWN_OF_COUNTED } else { DRAWN };
        while !all && combined.len() > drawn {
            combined.swap_remove(draw(seed, combined.len()));
        }
        let case = |(value, verb)| Case {
            resource: Arc::clone(resource),
            field: field.clone(),
            value,
            verb,
        };
        cases.extend(combined.into_iter().map(case));
    }
    cases
}

/// The objects of one kind under test.
struct Objects {
    running: Running,
    /// An object that no case has changed yet.
    unchanged: Option<Value>,
    made: usize,
    failures: Vec<String>,
    count: usize,
    accepted: usize,
}

fn name(object: &Value) -> String {
    object["metadata"]["name"].as_str().unwrap().to_owned()
}

impl Objects {
    fn next(&mut self, resource: &Resource) -> Value {
        self.made += 1;
        objects::valid(resource, &format!("x{}", self.made), cluster::NAMESPACE)
    }

    /// Makes the write of a case, and the requests that may follow it.
    async fn run(&mut self, case: &Case) {
        let resource = &case.resource;
        let collection = collection(resource);
        let before = match (case.verb, self.unchanged.take()) {
            (Verb::Create, unchanged) => {
                self.unchanged = unchanged;
                self.next(resource)
            }
            (Verb::Update | Verb::Patch, Some(unchanged)) => unchanged,
            (Verb::Update | Verb::Patch, None) => {
                let object = self.next(resource);
                let made = self.running.ask("POST", &collection, object.to_string()).await;
                assert_eq!(made.code, 201, "{object}: {}", made.value);
                self.running.turns().await;
                object
            }
        };
        let path = format!("{collection}/{}", name(&before));
        let answer = self.write(case, &before, &collection, &path).await;
        self.count += 1;
        if !answer.is_proper() {
            self.failures.push(format!("{case}: {} {}", answer.code, answer.value));
        }
        self.running.turns().await;
        if answer.is_success() {
            self.accepted += 1;
            self.follow(case, &path).await;
        } else if case.verb != Verb::Create {
            self.unchanged = Some(before);
        }
        if let Some(how) = self.running.broken() {
            self.failures.push(format!("{case}: {how}"));
        }
    }

    async fn write(&self, case: &Case, before: &Value, collection: &str, path: &str) -> Answer {
        let field = &case.field.path;
        let base = match case.field.subresource {
            Some("scale") => serde_json::json!({ "apiVersion": "autoscaling/v1", "kind": "Scale",
                "metadata": { "name": before["metadata"]["name"], "namespace": cluster::NAMESPACE },
                "spec": { "replicas": 1 } }),
            Some(_) | None => before.clone(),
        };
        let mut after = base.clone();
        fields::place(case.resource.schema.root(), &mut after, field);
        let path = match case.field.subresource {
            Some(sub) => format!("{path}/{sub}"),
            None => path.to_owned(),
        };
        let (method, path, body) = match case.verb {
            Verb::Create => ("POST", collection, after),
            Verb::Update => ("PUT", path.as_str(), after),
            Verb::Patch => ("PATCH", path.as_str(), fields::patch(&base, &after, field)),
        };
        let body = body.to_string();
        let place = format!("\"{PLACE}\"");
        assert!(body.contains(&place), "{case}: {body}");
        self.running.ask(method, path, body.replace(&place, case.value)).await
    }

    /// Reads, scales and deletes an object that was accepted, as users do.
    async fn follow(&mut self, case: &Case, path: &str) {
        if case.resource.verbs.iter().all(|verb| verb != "get") {
            return;
        }
        let shown = self.running.table(path).await;
        if !shown.is_proper() {
            self.failures.push(format!("{case}: as a table: {} {}", shown.code, shown.value));
        }
        if case.resource.kind == "CustomResourceDefinition" {
            let plural = path.rsplit('/').next().and_then(|name| name.split('.').next()).unwrap();
            let things = format!("/apis/test.io/v1/namespaces/{}/{plural}", cluster::NAMESPACE);
            for thing in [
                r#"{"n":9223372036854775807,"f":1e308,"s":"x","l":["y"]}"#,
                r#"{"n":-9223372036854775808,"f":-1e-308,"s":"","l":[]}"#,
                r#"{"n":0,"f":0}"#,
            ] {
                let meta = r#"{"apiVersion":"test.io/v1","kind":"Thing","metadata":{"generateName":"t-"},"#;
                let made = self.running.ask("POST", &things, thing.replacen('{', meta, 1)).await;
                if !made.is_proper() {
                    self.failures.push(format!("{case}: {thing}: {} {}", made.code, made.value));
                }
            }
            let shown = self.running.table(&things).await;
            if !shown.is_proper() {
                self.failures.push(format!("{case}: its table: {} {}", shown.code, shown.value));
            }
        }
        if case.resource.scale.is_some() {
            let none = r#"{"spec":{"replicas":0}}"#;
            let scaled = self.running.ask("PATCH", &format!("{path}/scale"), none).await;
            if !scaled.is_proper() {
                self.failures.push(format!("{case}: to zero: {} {}", scaled.code, scaled.value));
            }
            self.running.turns().await;
        }
        let deleted = self.running.ask("DELETE", path, "").await;
        if !deleted.is_proper() {
            self.failures.push(format!("{case}: deleted: {} {}", deleted.code, deleted.value));
        }
        self.running.turns().await;
    }

    async fn check(&mut self, after: &str) {
        self.running.sweep().await;
        if let Err(why) = self.running.goes_on().await {
            self.failures.push(format!("after {after}: {why}"));
        }
        if let Some(how) = self.running.broken() {
            self.failures.push(format!("after {after}: {how}"));
        }
    }

    /// Tries extreme numbers in the options of requests.
    async fn options(&mut self, resource: &Resource) {
        let collection = collection(resource);
        for number in OPTIONS {
            let mut requests = Vec::new();
            for option in ["limit", "timeoutSeconds", "resourceVersion", "continue"] {
                requests.push(("GET", format!("{collection}?{option}={number}"), String::new()));
                let watch = format!("{collection}?watch=1&{option}={number}");
                requests.push(("GET", watch, String::new()));
            }
            for option in ["gracePeriodSeconds", "timeoutSeconds"] {
                let object = self.next(resource);
                self.running.ask("POST", &collection, object.to_string()).await;
                self.running.turns().await;
                let path = format!("{collection}/{}", name(&object));
                let body = format!("{{\"{option}\":{number}}}");
                requests.push(("DELETE", path.clone(), body));
                requests.push(("DELETE", format!("{path}?{option}={number}"), String::new()));
                requests.push(("DELETE", format!("{path}?gracePeriodSeconds=0"), String::new()));
            }
            for (method, path, body) in requests {
                let answer = self.running.ask(method, &path, body.clone()).await;
                self.count += 1;
                self.accepted += usize::from(answer.is_success());
                // Kubernetes answers 504 to a future version, and 500 to a watch from an invalid one.
                let version = path.contains("resourceVersion=")
                    && answer.value["message"]
                        .as_str()
                        .is_some_and(|why| why.to_lowercase().contains("version"));
                if !answer.is_proper() && !version {
                    let Answer { code, value } = answer;
                    self.failures.push(format!("{method} {path} {body}: {code} {value}"));
                }
                self.running.turns().await;
                if let Some(how) = self.running.broken() {
                    self.failures.push(format!("{method} {path} {body}: {how}"));
                }
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn extremes_of_every_field_are_refused_or_accepted_and_nothing_breaks() {
    let all = std::env::var("ROUSE_EXTREMES").is_ok_and(|wanted| wanted == "all");
    let given = std::env::var("ROUSE_EXTREMES_SEED").ok().and_then(|seed| seed.parse().ok());
    let first: u64 = given.unwrap_or_else(|| u64::from(std::process::id()));
    let mut seed = first;
    let running = Running::start().await;
    let kinds = running.cluster.registry().kinds.all();
    let served = kinds.iter().filter(|kind| kind.verbs.iter().any(|verb| verb == "create"));
    let served: Vec<Arc<Resource>> = served.cloned().collect();
    let mut objects =
        Objects { running, unchanged: None, made: 0, failures: Vec::new(), count: 0, accepted: 0 };
    let mut fed = 0;
    for resource in &served {
        let cases = cases(resource, all, &mut seed);
        fed += fields::of(resource).len();
        for (at, case) in cases.iter().enumerate() {
            objects.run(case).await;
            if at % 25 == 24 {
                objects.running.sweep().await;
            }
        }
        objects.unchanged = None;
        if resource.verbs.iter().any(|verb| verb == "watch") {
            objects.options(resource).await;
        }
        objects.check(&resource.qualified_kind()).await;
    }
    let Objects { running, count, accepted, failures, .. } = objects;
    running.end().await;
    println!(
        "extremes: {count} of (kind, field, value, verb) over {fed} fields of {} kinds, seed {first}: \
         {accepted} accepted, {} failed",
        served.len(),
        failures.len(),
    );
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    assert!(accepted > count / 10, "the objects are not valid: {accepted} of {count} accepted");
}
