//! `rouse apply`, `rouse get` and `rouse list`: objects without kubectl.

use std::io::{BufRead, BufReader, Write};
use std::process::{ChildStdout, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use anyhow::{Context, ensure};
use rouse_tests::Platform;
use serde_json::Value;

use crate::fixtures::{configured, platform as with_image, service};

/// `rouse apply -f -` of a text.
fn apply(platform: &Platform, text: &str, more: &[&str]) -> anyhow::Result<(bool, String, String)> {
    let words: Vec<&str> = ["apply", "-f", "-"].iter().chain(more).copied().collect();
    let mut command = platform.rouse_command(&words);
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    child.stdin.take().context("its input")?.write_all(text.as_bytes())?;
    let output = child.wait_with_output()?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Ok((output.status.success(), text(&output.stdout), text(&output.stderr)))
}

#[test]
fn apply_says_of_each_object_whether_it_changed() -> anyhow::Result<()> {
    let platform = with_image()?;
    let text = configured("shop");
    let lines = |change: &str| {
        ["configmap/settings", "secret/keys", "service.serving.knative.dev/shop"]
            .map(|object| format!("{object} {change}\n"))
            .concat()
    };
    let (_, said, about) = apply(&platform, &text, &["--dry-run"])?;
    ensure!(said == lines("created (dry run)"), "{said}{about}");
    let (_, said, about) = apply(&platform, &text, &[])?;
    ensure!(said == lines("created"), "{said}{about}");
    let (_, said, about) = apply(&platform, &text, &[])?;
    ensure!(said == lines("unchanged"), "{said}{about}");
    let changed = text.replace("[one, two]", "[one]");
    let (_, said, about) = apply(&platform, &changed, &[])?;
    ensure!(said.ends_with("service.serving.knative.dev/shop configured\n"), "{said}{about}");
    // What `deploy` changed is what the file says again.
    platform.rouse_ok("deploy shop --env OTHER=1 --arg three")?;
    let (_, _, about) = apply(&platform, &changed, &[])?;
    let object: Value = serde_json::from_str(&platform.rouse_ok("get ksvc shop -o json")?)?;
    let container = &object["spec"]["template"]["spec"]["containers"][0];
    ensure!(container["args"] == serde_json::json!(["one"]), "{container} {about}");
    Ok(())
}

#[test]
fn apply_shows_warnings_and_goes_on_after_a_failure() -> anyhow::Result<()> {
    let platform = with_image()?;
    let exported = service("shop", &[], &[]).replace(
        "metadata: {name: shop}",
        "metadata: {name: shop, annotations: {run.googleapis.com/launch-stage: BETA, run.googleapis.com/vpc-access-egress: all-traffic}}",
    );
    let bad =
        "apiVersion: serving.kserve.io/v1beta1\nkind: InferenceService\nmetadata: {name: m}\n";
    let wrong = service("Shop_1", &[], &[]);
    let (ended_well, said, about) =
        apply(&platform, &format!("{bad}---\n{wrong}---\n{exported}"), &[])?;
    ensure!(!ended_well && said == "service.serving.knative.dev/shop created\n", "{said}{about}");
    ensure!(about.contains("warning: ") && about.contains("vpc-access-egress"), "{about}");
    ensure!(about.contains("no kind InferenceService"), "{about}");
    ensure!(
        about.contains("cluster refused to apply service.serving.knative.dev/Shop_1"),
        "{about}"
    );
    let (_, _, about) = apply(&platform, "kind: Service\n", &[])?;
    ensure!(about.contains("stdin: a Service has no apiVersion"), "{about}");
    Ok(())
}

#[test]
fn get_and_list_print_names_tables_and_documents() -> anyhow::Result<()> {
    let platform = with_image()?;
    let empty = platform.rouse(&["get", "ksvc"])?;
    ensure!(
        String::from_utf8_lossy(&empty.stderr).contains("no services in namespace"),
        "{empty:?}"
    );
    platform.rouse_ok("deploy shop --image test-server --label team=blue")?;
    let name = "service.serving.knative.dev/shop\n";
    for line in
        ["list -o name", "get -o name", "get services shop -o name", "list -l team=blue -o name"]
    {
        let said = platform.rouse_ok(line)?;
        ensure!(said == name, "{line}: {said}");
    }
    let table = platform.rouse_ok("get pods -A -o wide")?;
    ensure!(table.starts_with("NAMESPACE") && table.contains("shop-00001-deployment"), "{table}");
    let wide = platform.rouse_ok("list -o wide")?;
    ensure!(wide.contains("TRAFFIC") && wide.contains("100% shop-00001"), "{wide}");
    // What is printed can be applied.
    let yaml = platform.rouse_ok("list shop -o yaml")?;
    let (_, said, about) = apply(&platform, &yaml, &[])?;
    ensure!(said.starts_with("service.serving.knative.dev/shop "), "{said}{about}");
    for (line, complaint) in [
        ("get nothings", "has no kind \"nothings\""),
        ("get ksvc none", "\"none\" not found"),
        ("list none", "there is no service \"none\""),
        ("describe shop -o wide", "-o wide is for list and get"),
    ] {
        let refused = platform.rouse_ok(line).err().context(line)?.to_string();
        ensure!(refused.contains(complaint), "{line}: {refused}");
    }
    Ok(())
}

/// The lines of a program, read beside the test: one that prints nothing must not hold it.
fn lines_of(output: ChildStdout) -> Receiver<String> {
    let (line, lines) = channel();
    std::thread::spawn(move || {
        // Ends with the program, or when the test asks no more.
        let mut all = BufReader::new(output).lines().map_while(Result::ok);
        all.all(|text| line.send(text).is_ok())
    });
    lines
}

/// The lines up to one with this word.
fn until_shown(lines: &Receiver<String>, word: &str) -> anyhow::Result<String> {
    let mut seen = String::new();
    while !seen.contains(word) {
        let line = lines.recv_timeout(Duration::from_secs(30));
        seen += &line.with_context(|| format!("no {word:?} after {seen:?}"))?;
    }
    Ok(seen)
}

#[test]
fn list_and_get_print_what_changes() -> anyhow::Result<()> {
    let platform = with_image()?;
    platform.rouse_ok("deploy shop --image test-server")?;
    for line in [
        "list -w -o name",
        "get ksvc -w -o name",
        "list -w",
        "get ksvc -w",
        "list -w -o json",
        "get ksvc -w -o yaml",
    ] {
        let words: Vec<&str> = line.split_whitespace().collect();
        let mut child = platform.rouse_command(&words).stdout(Stdio::piped()).spawn()?;
        let lines = lines_of(child.stdout.take().context("its output")?);
        // The rows that are there, then a change.
        let shown = until_shown(&lines, "shop").and_then(|seen| {
            platform.rouse_ok("deploy later --image test-server --no-wait")?;
            Ok(seen + &until_shown(&lines, "later")?)
        });
        child.kill()?;
        child.wait()?;
        let seen = shown.context(line)?;
        ensure!(!seen.contains("managedFields"), "{line}: {seen}");
        platform.rouse_ok("delete later")?;
    }
    Ok(())
}

#[test]
fn kubectl_needs_the_token_or_the_certificate_of_the_kubeconfig() -> anyhow::Result<()> {
    let platform = with_image()?;
    let text = std::fs::read_to_string(&platform.kubeconfig)?;
    let kubectl = std::env::var("ROUSE_TEST_KUBECTL").unwrap_or_else(|_| "kubectl".to_owned());
    let temp = tempfile::tempdir()?;
    let without = |names: &[&str]| -> anyhow::Result<(bool, String)> {
        let kept = text
            .lines()
            .filter(|line| !names.iter().any(|name| line.trim_start().starts_with(name)));
        let file = temp.path().join("kubeconfig");
        std::fs::write(&file, kept.collect::<Vec<_>>().join("\n"))?;
        let output = Command::new(&kubectl)
            .arg("--kubeconfig")
            .arg(&file)
            .arg("--cache-dir")
            .arg(temp.path())
            .args(["get", "namespace", "default", "-o", "name"])
            .stdin(Stdio::null())
            .output()?;
        let said =
            String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
        Ok((output.status.success(), said.into_owned()))
    };
    let (token, certificate) = ("token:", ["client-certificate-data:", "client-key-data:"]);
    for names in [&[token][..], &certificate] {
        let (allowed, said) = without(names)?;
        ensure!(allowed && said.trim() == "namespace/default", "without {names:?}: {said}");
    }
    let (allowed, said) = without(&[token, certificate[0], certificate[1]])?;
    ensure!(!allowed && !said.contains("namespace/default"), "{said}");
    Ok(())
}
