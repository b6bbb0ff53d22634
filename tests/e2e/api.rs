//! The API as clients other than kubectl use it: credentials, discovery, watches, refusals.

use std::process::Command;

use anyhow::{Context, ensure};
use rouse_tests::Platform;
use serde_json::{Value, json};

const MAPS: &str = "/api/v1/namespaces/default/configmaps";

/// The API of a platform, asked with curl.
struct Api {
    platform: Platform,
    credential: String,
}

struct Answer {
    status: u16,
    /// The status line and headers as received.
    head: String,
    body: String,
}

impl Answer {
    fn json(&self) -> anyhow::Result<Value> {
        serde_json::from_str(&self.body).with_context(|| self.body.clone())
    }

    fn header(&self, name: &str) -> Option<&str> {
        let lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.into_iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
    }

    /// Checks that it is a `Status` with this status, reason and message.
    fn refuses(&self, status: u16, reason: &str, part: &str) -> anyhow::Result<()> {
        let said = self.json()?;
        let is_so = self.status == status
            && said["kind"] == "Status"
            && said["code"] == status
            && said["reason"] == reason
            && said["message"].as_str().is_some_and(|message| message.contains(part));
        ensure!(is_so, "{} instead of {status} {reason} {part:?}: {said}", self.status);
        Ok(())
    }
}

impl Api {
    fn start() -> anyhow::Result<Self> {
        let platform = Platform::start_with("fake")?;
        let token = "config view --raw -o jsonpath={.users[0].user.token}";
        let token = platform.kubectl().run(token)?;
        Ok(Self { platform, credential: format!("Authorization: Bearer {token}") })
    }

    /// Sends a request with curl, by HTTP/1.1 so that the head is text.
    fn ask(&self, path: &str, words: &[&str]) -> anyhow::Result<Answer> {
        let url = format!("{}{path}", self.platform.api.trim_end_matches('/'));
        let output = Command::new("curl")
            .args(["--silent", "--show-error", "--insecure", "--include", "--http1.1"])
            .args(["--max-time", "20"])
            .args(words)
            .arg(url)
            .output()
            .context("start curl")?;
        let text = String::from_utf8(output.stdout)?;
        ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let (head, body) = text.split_once("\r\n\r\n").context("a head and a body")?;
        let status = head.split(' ').nth(1).context("a status")?.parse()?;
        Ok(Answer { status, head: head.to_owned(), body: body.to_owned() })
    }

    fn get(&self, path: &str) -> anyhow::Result<Answer> {
        self.ask(path, &["--header", &self.credential])
    }

    fn accepting(&self, path: &str, accept: &str) -> anyhow::Result<Answer> {
        self.ask(path, &["--header", &self.credential, "--header", &format!("Accept: {accept}")])
    }

    fn send(&self, method: &str, path: &str, media: &str, body: &str) -> anyhow::Result<Answer> {
        let media = format!("Content-Type: {media}");
        let words =
            ["--request", method, "--header", &self.credential, "--header", &media, "--data", body];
        self.ask(path, &words)
    }

    fn create(&self, query: &str, map: &Value) -> anyhow::Result<Answer> {
        self.send("POST", &format!("{MAPS}{query}"), "application/json", &map.to_string())
    }
}

fn map(name: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {"a": "1"}})
}

/// The lines of a watch that has ended.
fn events(answer: &Answer) -> anyhow::Result<Vec<Value>> {
    answer.body.lines().map(|line| Ok(serde_json::from_str(line)?)).collect()
}

#[test]
fn without_the_kubeconfigs_credential_everything_but_health_is_401() -> anyhow::Result<()> {
    let api = Api::start()?;
    let wrong = ["Authorization: Bearer wrong", "Authorization: Basic YWRtaW46YWRtaW4=", "X: none"];
    for header in wrong {
        for path in ["/api", "/apis", MAPS, "/openapi/v3", "/apis/serving.knative.dev/v1/services"]
        {
            let answer = api.ask(path, &["--header", header])?;
            answer.refuses(401, "Unauthorized", "Unauthorized").context(header)?;
        }
        let post =
            ["--header", header, "--header", "Content-Type: application/json", "--data", "{}"];
        api.ask(MAPS, &post)?.refuses(401, "Unauthorized", "Unauthorized")?;
    }
    assert_eq!(api.ask("/readyz", &[])?.body, "ok");
    assert_eq!(api.get(MAPS)?.status, 200);
    Ok(())
}

#[test]
fn watches_end_with_a_bookmark_from_which_another_goes_on() -> anyhow::Result<()> {
    let api = Api::start()?;
    let watch = "watch=1&allowWatchBookmarks=true&timeoutSeconds=1";
    let first = events(&api.get(&format!("{MAPS}?{watch}"))?)?;
    let last = first.last().context("an event")?;
    assert_eq!((&last["type"], &last["object"]["kind"]), (&"BOOKMARK".into(), &"ConfigMap".into()));
    let from = last["object"]["metadata"]["resourceVersion"].as_str().context("a version")?;
    assert_eq!(api.create("", &map("later"))?.status, 201);
    let then = events(&api.get(&format!("{MAPS}?{watch}&resourceVersion={from}"))?)?;
    let seen: Vec<_> = then
        .iter()
        .map(|e| (e["type"].as_str(), e["object"]["metadata"]["name"].as_str()))
        .collect();
    assert_eq!(seen, [(Some("ADDED"), Some("later")), (Some("BOOKMARK"), None)]);
    let plain =
        events(&api.get(&format!("{MAPS}?watch=1&timeoutSeconds=1&resourceVersion={from}"))?)?;
    assert!(plain.iter().all(|event| event["type"] != "BOOKMARK"), "nobody asked: {plain:?}");
    Ok(())
}

#[test]
fn features_that_are_not_served_yet_are_refused_by_name() -> anyhow::Result<()> {
    let api = Api::start()?;
    let list = "?watch=1&sendInitialEvents=true&allowWatchBookmarks=true&resourceVersionMatch=NotOlderThan";
    api.get(&format!("{MAPS}{list}"))?.refuses(422, "Invalid", "sendInitialEvents")?;
    for subresource in ["exec", "portforward", "attach"] {
        let path = format!("/api/v1/namespaces/default/pods/any/{subresource}");
        let name = format!("pods/{subresource} is not served by Rouse yet");
        api.send("POST", &path, "application/json", "")?.refuses(501, "NotImplemented", &name)?;
    }
    Ok(())
}

#[test]
fn both_forms_of_discovery_name_the_same_kinds() -> anyhow::Result<()> {
    let api = Api::start()?;
    let aggregated = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";
    let new = api.accepting("/apis", &format!("{aggregated},application/json"))?;
    assert_eq!(new.header("content-type"), Some(aggregated));
    let document = new.json()?;
    assert_eq!(document["kind"], "APIGroupDiscoveryList");
    let old = api.accepting("/apis", "application/json")?.json()?;
    assert_eq!(old["kind"], "APIGroupList");
    let mut count = 0;
    for group in document["items"].as_array().context("groups")? {
        let name = group["metadata"]["name"].as_str().context("a name")?;
        ensure!(old["groups"].as_array().is_some_and(|all| all.iter().any(|g| g["name"] == name)));
        for version in group["versions"].as_array().context("versions")? {
            let version_name = version["version"].as_str().context("a version")?;
            let list = api.get(&format!("/apis/{name}/{version_name}"))?.json()?;
            let listed: Vec<_> = list["resources"].as_array().into_iter().flatten().collect();
            for resource in version["resources"].as_array().context("resources")? {
                let plural = &resource["resource"];
                ensure!(listed.iter().any(|l| l["name"] == *plural), "{plural} of {name}");
                count += 1;
            }
        }
    }
    assert!(count >= 15, "kinds: {count}");
    let etag = new.header("etag").context("an ETag")?;
    let words = ["--header", &api.credential, "--header", &format!("Accept: {aggregated}")];
    let again =
        api.ask("/apis", &[&words[..], &["--header", &format!("If-None-Match: {etag}")]].concat())?;
    assert_eq!((again.status, again.body.as_str()), (304, ""));
    Ok(())
}

#[test]
fn unknown_fields_are_refused_warned_of_or_dropped_as_the_client_says() -> anyhow::Result<()> {
    let api = Api::start()?;
    let mut wrong = map("wrong");
    wrong["dta"] = json!({"a": "1"});
    let strict = api.create("?fieldValidation=Strict", &wrong)?;
    strict.refuses(400, "BadRequest", "unknown field \"dta\"")?;
    let warned = api.create("?fieldValidation=Warn", &wrong)?;
    assert_eq!(warned.status, 201);
    let warning = warned.header("warning").context("a warning")?;
    assert!(warning.starts_with("299 - ") && warning.contains("unknown field"), "{warning}");
    assert!(warned.json()?["dta"].is_null(), "dropped");
    wrong["metadata"]["name"] = "silent".into();
    let ignored = api.create("?fieldValidation=Ignore", &wrong)?;
    assert_eq!((ignored.status, ignored.header("warning")), (201, None));
    let twice =
        r#"{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"t"},"data":{},"data":{}}"#;
    let path = format!("{MAPS}?fieldValidation=Strict");
    let said = api.send("POST", &path, "application/json", twice)?;
    said.refuses(400, "BadRequest", "duplicate field \"data\"")?;
    Ok(())
}

#[test]
fn a_dry_run_answers_like_a_write_and_changes_nothing() -> anyhow::Result<()> {
    let api = Api::start()?;
    assert_eq!(api.create("", &map("kept"))?.status, 201);
    let before = api.get(&format!("{MAPS}/kept"))?.json()?;
    assert_eq!(api.create("?dryRun=All", &map("dry"))?.json()?["metadata"]["name"], "dry");
    let path = format!("{MAPS}/kept?dryRun=All");
    let patch = r#"{"data":{"a":"2"}}"#;
    let patched = api.send("PATCH", &path, "application/merge-patch+json", patch)?;
    assert_eq!(patched.json()?["data"]["a"], "2");
    assert_eq!(api.send("DELETE", &path, "application/json", "")?.status, 200);
    assert_eq!(api.get(&format!("{MAPS}/kept"))?.json()?, before);
    api.get(&format!("{MAPS}/dry"))?.refuses(404, "NotFound", "\"dry\" not found")?;
    api.create("?dryRun=Some", &map("x"))?.refuses(400, "BadRequest", "dryRun")?;
    Ok(())
}

#[test]
fn pages_continue_and_an_expired_page_is_410() -> anyhow::Result<()> {
    let mut api = Api::start()?;
    for name in ["p1", "p2", "p3"] {
        assert_eq!(api.create("", &map(name))?.status, 201);
    }
    let mut names = Vec::new();
    let mut token = String::new();
    loop {
        let page = api.get(&format!("{MAPS}?limit=1&continue={token}"))?.json()?;
        names.extend(page["items"][0]["metadata"]["name"].as_str().map(str::to_owned));
        assert_eq!(page["items"].as_array().map(Vec::len), Some(1), "{page}");
        match page["metadata"]["continue"].as_str() {
            Some(next) => next.clone_into(&mut token),
            None => break,
        }
    }
    names.retain(|name| name.starts_with('p'));
    assert_eq!(names, ["p1", "p2", "p3"]);
    let forged = api.get(&format!("{MAPS}?limit=1&continue=forged"))?;
    forged.refuses(400, "BadRequest", "continue")?;
    assert!(api.platform.stop()?.success());
    api.platform.restart()?;
    let late = api.get(&format!("{MAPS}?limit=1&continue={token}"))?;
    late.refuses(410, "Expired", "start a new list")?;
    Ok(())
}

#[test]
fn the_user_of_an_old_kubectl_is_told_which_one_works() -> anyhow::Result<()> {
    let api = Api::start()?;
    let agent = |agent: &str| api.ask(MAPS, &["--header", &api.credential, "--user-agent", agent]);
    let old = agent("kubectl/v1.20.2 (linux/amd64) kubernetes/faecb19")?;
    let warning = old.header("warning").context("a warning")?;
    assert!(
        warning.contains("this kubectl is v1.20.2") && warning.contains("1.27 or newer"),
        "{warning}"
    );
    assert_eq!(old.status, 200, "what works, works");
    assert_eq!(agent("kubectl/v1.27.0 (linux/amd64)")?.header("warning"), None);
    Ok(())
}

/// A client that verifies as strictly as Python has since 3.13.
const STRICT: &str = r#"
import base64, socket, ssl, sys
host, port = sys.argv[1].removeprefix("https://").rstrip("/").rsplit(":", 1)
context = ssl.create_default_context(cadata=base64.b64decode(sys.argv[2]).decode())
context.verify_flags |= ssl.VERIFY_X509_STRICT
for name in sys.argv[3:]:
    with socket.create_connection((host, int(port))) as plain:
        with context.wrap_socket(plain, server_hostname=name) as connection:
            print(name, connection.version())
"#;

#[test]
fn strict_clients_take_the_certificate_by_every_name_of_the_api() -> anyhow::Result<()> {
    let platform = Platform::start_with("fake")?;
    let authority =
        "config view --raw -o jsonpath={.clusters[0].cluster.certificate-authority-data}";
    let authority = platform.kubectl().run(authority)?;
    let names = [
        "localhost",
        "kubernetes",
        "kubernetes.default",
        "kubernetes.default.svc",
        "kubernetes.default.svc.cluster.local",
    ];
    let python = |names: &[&str]| {
        let mut python = Command::new("python3");
        python.args(["-c", STRICT, &platform.api, &authority]).args(names).output()
    };
    let output = python(&names)?;
    let (said, error) = (String::from_utf8(output.stdout)?, String::from_utf8(output.stderr)?);
    ensure!(said.lines().count() == names.len(), "{said}{error}");
    ensure!(!python(&["elsewhere"])?.status.success(), "any name is taken");
    Ok(())
}
