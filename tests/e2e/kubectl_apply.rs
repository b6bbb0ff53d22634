//! kubectl's server-side apply, its migration from client-side apply, its diffs and its prunes.

use std::io::Write;
use std::process::Stdio;

use anyhow::Context;
use rouse_tests::Platform;
use rouse_tests::kubectl::{Kubectl, Ran};
use serde_json::{Value, json};

const CONFIG: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c, labels: {app: x}}\n";

const SERVICE: &str = r#"
apiVersion: serving.knative.dev/v1
kind: Service
metadata: {name: hello}
spec:
  template:
    spec:
      containers:
      - image: example.com/hello
        env: [{name: A, value: "1"}]
"#;

fn data(data: &str) -> String {
    format!("{CONFIG}data: {data}\n")
}

fn ran(kubectl: &Kubectl, line: &str, stdin: &str) -> anyhow::Result<Ran> {
    let words: Vec<&str> = line.split_whitespace().collect();
    kubectl.try_run(&words, stdin)
}

/// The managers of an object, with their operations.
fn managers(object: &Value) -> Vec<String> {
    let entries = object["metadata"]["managedFields"].as_array().cloned().unwrap_or_default();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    entries.iter().map(|e| format!("{} {}", text(&e["manager"]), text(&e["operation"]))).collect()
}

#[test]
fn kubectl_applies_on_the_server_and_conflicts_are_told_or_forced() -> anyhow::Result<()> {
    let platform = Platform::start_with("fake")?;
    let kubectl = platform.kubectl();
    let apply = "apply --server-side -f -";
    let applied = "configmap/c serverside-applied\n";
    assert_eq!(kubectl.run_with(apply, &data("{a: \"1\", b: \"2\"}"))?, applied);
    let before = kubectl.json("get cm c")?;
    assert_eq!(managers(&before), Vec::<String>::new(), "hidden unless asked for");
    assert_eq!(kubectl.run_with(apply, &data("{a: \"1\", b: \"2\"}"))?, applied);
    assert_eq!(kubectl.json("get cm c")?, before, "the same again is no write");
    let shown = kubectl.json("get cm c --show-managed-fields")?;
    assert_eq!(managers(&shown), ["kubectl Apply"]);

    let other = "apply --server-side --field-manager=other -f -";
    let said = kubectl.fail(other, &data("{a: \"9\"}"))?;
    assert!(
        said.contains("Apply failed with 1 conflict: conflict with \"kubectl\": .data.a"),
        "{said}"
    );
    let forced = "apply --server-side --force-conflicts --field-manager=other -f -";
    assert_eq!(kubectl.run_with(forced, &data("{a: \"9\"}"))?, applied);
    assert_eq!(kubectl.run_with(apply, &data("{}"))?, applied);
    assert_eq!(kubectl.json("get cm c")?["data"], json!({"a": "9"}), "the other's stays");

    let said = kubectl.run_with(&format!("{apply} --dry-run=server"), &data("{z: \"1\"}"))?;
    assert_eq!(said, "configmap/c serverside-applied (server dry run)\n");
    let said = kubectl.fail(apply, &format!("{CONFIG}dta: {{}}\n"))?;
    assert!(said.contains(".dta: field not declared in schema"), "{said}");
    Ok(())
}

#[test]
fn kubectl_migrates_from_client_side_apply_and_shows_what_an_apply_would_change()
-> anyhow::Result<()> {
    let platform = Platform::start_with("fake")?;
    let kubectl = platform.kubectl();
    kubectl.apply(&data("{a: \"1\", gone: \"1\"}"))?;
    kubectl.apply(SERVICE)?;
    kubectl.run_with("apply --server-side -f -", &data("{a: \"2\"}"))?;
    assert_eq!(kubectl.json("get cm c")?["data"], json!({"a": "2"}));
    let shown = kubectl.json("get cm c --show-managed-fields")?;
    assert!(
        managers(&shown).iter().all(|name| !name.starts_with("kubectl-client-side-apply")),
        "{:?}",
        managers(&shown)
    );
    // Its containers are one field, and differ by their defaults from what was applied.
    kubectl.run_with("apply --server-side --force-conflicts -f -", SERVICE)?;
    let newer = SERVICE.replace("value: \"1\"", "value: \"2\"");
    let mut diff = kubectl
        .command(&["diff", "--server-side", "-f", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    let mut input = diff.stdin.take().context("piped")?;
    input.write_all(newer.as_bytes())?;
    drop(input);
    let diff = diff.wait_with_output()?;
    let said = String::from_utf8_lossy(&diff.stdout);
    assert_eq!(diff.status.code(), Some(1), "{said}{}", String::from_utf8_lossy(&diff.stderr));
    assert!(said.contains("value: \"2\""), "{said}");
    kubectl.run_with("apply --server-side -f -", &newer)?;
    let hello = kubectl.json("get ksvc hello")?;
    assert_eq!(
        hello["spec"]["template"]["spec"]["containers"][0]["env"],
        json!([{"name": "A", "value": "2"}])
    );
    assert_eq!(ran(&kubectl, "diff --server-side -f -", &data("{a: \"2\"}"))?.stdout, "");
    Ok(())
}

#[test]
fn kubectl_prunes_by_label_and_by_apply_set() -> anyhow::Result<()> {
    let platform = Platform::start_with("fake")?;
    let kubectl = platform.kubectl();
    let two = format!("{}---\n{}", data("{}"), data("{}").replace("name: c", "name: d"));
    let line = "apply --prune -l app=x -n default -f -";
    kubectl.run_with(line, &two)?;
    let said = kubectl.run_with(line, &data("{}"))?;
    assert!(said.contains("configmap/d pruned"), "{said}");
    assert!(kubectl.fail("get cm d", "")?.contains("NotFound"));
    let sets = |stdin: &str| -> anyhow::Result<String> {
        let mut child = kubectl
            .command(&["apply", "--prune", "--applyset=set", "-n", "default", "-f", "-"])
            .env("KUBECTL_APPLYSET", "true")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        let mut input = child.stdin.take().context("piped")?;
        input.write_all(stdin.as_bytes())?;
        drop(input);
        let done = child.wait_with_output()?;
        let said = String::from_utf8_lossy(&done.stdout).into_owned();
        anyhow::ensure!(done.status.success(), "{said}{}", String::from_utf8_lossy(&done.stderr));
        Ok(said)
    };
    let two = two.replace("name: c", "name: e").replace("name: d", "name: f");
    sets(&two)?;
    let said = sets(&data("{}").replace("name: c", "name: e"))?;
    assert!(said.contains("configmap/f pruned"), "{said}");
    assert!(kubectl.run("get cm c e -o name")?.contains("configmap/e"));
    Ok(())
}

#[test]
fn kubectl_is_warned_of_kinds_that_have_no_effect() -> anyhow::Result<()> {
    let platform = Platform::start_with("fake")?;
    let kubectl = platform.kubectl();
    let role = |verb: &str| {
        format!(
            "apiVersion: rbac.authorization.k8s.io/v1\nkind: Role\nmetadata: {{name: r}}\nrules: [{{apiGroups: [\"\"], resources: [pods], verbs: [{verb}]}}]\n"
        )
    };
    for (verb, said) in [("get", "created"), ("list", "configured")] {
        let applied = ran(&kubectl, "apply -f -", &role(verb))?;
        assert!(applied.ok && applied.stdout.ends_with(&format!("{said}\n")), "{applied:?}");
        assert!(applied.stderr.contains("they have no effect"), "{}", applied.stderr);
    }
    Ok(())
}
