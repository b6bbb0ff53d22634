//! kubectl's writing verbs: what each writes, and which writes are refused.

use anyhow::Context;
use rouse_tests::Platform;
use rouse_tests::kubectl::Kubectl;

const CONFIG: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}\n";

/// Runs arguments that may hold spaces.
fn words(kubectl: &Kubectl, args: &[&str]) -> anyhow::Result<String> {
    let ran = kubectl.try_run(args, "")?;
    anyhow::ensure!(ran.ok, "kubectl {args:?}: {}{}", ran.stdout, ran.stderr);
    Ok(ran.stdout)
}

fn refused(kubectl: &Kubectl, args: &[&str]) -> anyhow::Result<String> {
    let ran = kubectl.try_run(args, "")?;
    anyhow::ensure!(!ran.ok, "kubectl {args:?} succeeded: {}", ran.stdout);
    Ok(ran.stderr)
}

#[test]
fn kubectl_verbs_apply_create_and_replace_write_what_the_file_says() -> anyhow::Result<()> {
    let platform = Platform::start_with("fake")?;
    let kubectl = platform.kubectl();
    let both = format!("{CONFIG}data: {{a: \"1\", b: \"2\"}}\n");
    assert_eq!(kubectl.apply(&both)?, "configmap/c created\n");
    assert_eq!(kubectl.apply(&both)?, "configmap/c unchanged\n");
    let one = format!("{CONFIG}data: {{a: \"3\"}}\n");
    assert_eq!(kubectl.apply(&one)?, "configmap/c configured\n");
    assert_eq!(kubectl.json("get cm c")?["data"], serde_json::json!({"a": "3"}));
    let said = kubectl.fail("apply -f -", &format!("{CONFIG}dta: {{a: b}}\n"))?;
    assert!(said.contains("unknown field \"dta\""), "{said}");

    let said = kubectl.fail("create -f -", &one)?;
    assert!(said.contains("AlreadyExists"), "{said}");
    let dry = CONFIG.replace("name: c", "name: dry");
    let said = kubectl.run_with("create --dry-run=server -f -", &dry)?;
    assert_eq!(said, "configmap/dry created (server dry run)\n");
    assert!(kubectl.fail("get cm dry", "")?.contains("NotFound"));
    assert_eq!(kubectl.run_with("create -f -", &dry)?, "configmap/dry created\n");

    let said = kubectl.run_with("replace -f -", &format!("{CONFIG}data: {{z: \"9\"}}\n"))?;
    assert_eq!(said, "configmap/c replaced\n");
    assert_eq!(kubectl.json("get cm c")?["data"], serde_json::json!({"z": "9"}));
    let stale = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c, resourceVersion: \"1\"}\n";
    let said = kubectl.fail("replace -f -", stale)?;
    assert!(said.contains("Conflict") && said.contains("has been modified"), "{said}");
    let said = kubectl.fail("replace -f -", &CONFIG.replace("name: c", "name: none"))?;
    assert!(said.contains("NotFound"), "{said}");
    Ok(())
}

#[test]
fn kubectl_verbs_patch_edit_label_and_annotate_change_one_thing() -> anyhow::Result<()> {
    let platform = Platform::start_with("fake")?;
    let kubectl = platform.kubectl();
    kubectl.apply(&format!("{CONFIG}data: {{a: \"1\"}}\n"))?;
    words(&kubectl, &["patch", "cm", "c", "--type=merge", "-p", r#"{"data":{"a":null,"b":"2"}}"#])?;
    assert_eq!(kubectl.json("get cm c")?["data"], serde_json::json!({"b": "2"}));
    let json = r#"[{"op":"test","path":"/data/b","value":"2"},{"op":"replace","path":"/data/b","value":"3"}]"#;
    words(&kubectl, &["patch", "cm", "c", "--type=json", "-p", json])?;
    assert_eq!(kubectl.run("get cm c -o jsonpath={.data.b}")?, "3");
    let said = refused(&kubectl, &["patch", "cm", "c", "--type=json", "-p", json])?;
    assert!(said.contains("did not match"), "{said}");
    let said = refused(&kubectl, &["patch", "cm", "c", "--type=merge", "-p", r#"{"data":7}"#])?;
    assert!(said.contains("data"), "{said}");
    assert!(kubectl.fail("patch cm none --type=merge -p {}", "")?.contains("NotFound"));

    kubectl.apply(DEPLOYMENT)?;
    let strategic =
        r#"{"spec":{"template":{"spec":{"containers":[{"name":"extra","image":"x"}]}}}}"#;
    words(&kubectl, &["patch", "deploy", "d", "-p", strategic])?;
    let names = kubectl.run("get deploy d -o jsonpath={.spec.template.spec.containers[*].name}")?;
    assert!(names.contains("main") && names.contains("extra"), "merged by name: {names}");
    let nameless = r#"{"spec":{"template":{"spec":{"containers":[{"image":"x"}]}}}}"#;
    let said = refused(&kubectl, &["patch", "deploy", "d", "-p", nameless])?;
    assert!(said.contains("name"), "{said}");

    let editor = |script: &str| -> anyhow::Result<std::process::Output> {
        Ok(kubectl
            .command(&["edit", "cm", "c"])
            .env("TMPDIR", platform.dir())
            .env("KUBE_EDITOR", format!("sed -i '{script}'"))
            .output()?)
    };
    let edited = editor("s/b:.*3.*/b: edited/")?;
    anyhow::ensure!(edited.status.success(), "{}", String::from_utf8_lossy(&edited.stderr));
    assert_eq!(kubectl.run("get cm c -o jsonpath={.data.b}")?, "edited");
    let edited = editor("s/^data:.*/data: wrong/;/b: edited/d")?;
    let said = String::from_utf8_lossy(&edited.stderr);
    assert!(!edited.status.success() && said.contains("could not be patched"), "{said}");
    assert_eq!(kubectl.run("get cm c -o jsonpath={.data.b}")?, "edited");
    assert!(kubectl.fail("edit cm none", "")?.contains("NotFound"));

    assert_eq!(kubectl.run("label cm c tier=back")?, "configmap/c labeled\n");
    assert!(kubectl.fail("label cm c tier=front", "")?.contains("--overwrite"));
    assert!(kubectl.fail("label cm c --overwrite tier=a_", "")?.to_lowercase().contains("invalid"));
    kubectl.run("label cm c --overwrite tier=front")?;
    assert_eq!(kubectl.run("get cm -l tier=front -o name")?, "configmap/c\n");
    kubectl.run("label cm c tier-")?;
    assert_eq!(kubectl.run("get cm -l tier -o name")?, "");
    assert_eq!(kubectl.run("annotate cm c note=kept")?, "configmap/c annotated\n");
    assert_eq!(kubectl.run("get cm c -o jsonpath={.metadata.annotations.note}")?, "kept");
    assert!(kubectl.fail("annotate cm none note=lost", "")?.contains("NotFound"));
    Ok(())
}

pub(crate) const DEPLOYMENT: &str = "apiVersion: apps/v1
kind: Deployment
metadata: {name: d, labels: {app: d}}
spec:
  replicas: 1
  selector: {matchLabels: {app: d}}
  template:
    metadata: {labels: {app: d}}
    spec:
      containers: [{name: main, image: any}]
";

#[test]
fn kubectl_verbs_scale_and_delete_change_how_many_there_are() -> anyhow::Result<()> {
    let platform = Platform::start_with("fake")?;
    let kubectl = platform.kubectl();
    kubectl.apply(DEPLOYMENT)?;
    assert_eq!(kubectl.run("scale deploy d --replicas=3")?, "deployment.apps/d scaled\n");
    kubectl.run("wait deploy/d --for=jsonpath={.status.replicas}=3 --timeout=20s")?;
    assert_eq!(kubectl.run("get pods -l app=d -o name")?.lines().count(), 3);
    let said = kubectl.fail("scale deploy d --current-replicas=7 --replicas=1", "")?;
    assert!(said.contains("7"), "{said}");
    let said = kubectl.run("delete deploy d --cascade=background --wait --timeout=20s")?;
    assert!(said.starts_with("deployment.apps \"d\" deleted"), "{said}");
    kubectl.run("wait pods -l app=d --for=delete --timeout=20s")?;
    assert_eq!(kubectl.run("get rs,pods -l app=d -o name")?, "");
    assert!(kubectl.fail("delete deploy d", "")?.contains("NotFound"));

    let held = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: held, labels: {del: me}, finalizers: [example.com/held]}\n";
    kubectl.apply(held)?;
    kubectl.apply(
        &held.replace("name: held", "name: free").replace(", finalizers: [example.com/held]", ""),
    )?;
    assert!(kubectl.fail("delete cm held --timeout=1s", "")?.contains("timed out"));
    let stamp = kubectl.run("get cm held -o jsonpath={.metadata.deletionTimestamp}")?;
    assert!(!stamp.is_empty(), "it waits for its finalizer");
    words(
        &kubectl,
        &["patch", "cm", "held", "--type=merge", "-p", r#"{"metadata":{"finalizers":null}}"#],
    )?;
    assert!(kubectl.fail("get cm held", "")?.contains("NotFound"));
    kubectl.run("delete cm -l del=me --wait")?;
    assert!(kubectl.fail("get cm free", "")?.contains("NotFound"));

    kubectl.apply("apiVersion: v1\nkind: Namespace\nmetadata: {name: gone}\n")?;
    kubectl.apply(&CONFIG.replace("name: c", "name: c, namespace: gone"))?;
    kubectl.run("delete namespace gone --wait --timeout=20s")?;
    assert!(kubectl.fail("get namespace gone", "")?.contains("NotFound"));
    assert_eq!(kubectl.run("get cm -n gone -o name")?, "");
    Ok(())
}

const CRD: &str = "apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: toys.example.com}
spec:
  group: example.com
  scope: Namespaced
  names: {plural: toys, singular: toy, kind: Toy, shortNames: [ty]}
  versions:
  - name: v1
    served: true
    storage: true
    subresources:
      status: {}
      scale: {specReplicasPath: .spec.replicas, statusReplicasPath: .status.replicas}
    additionalPrinterColumns:
    - {name: Colour, type: string, jsonPath: .spec.colour}
    schema:
      openAPIV3Schema:
        type: object
        properties:
          spec:
            type: object
            required: [size]
            properties:
              size: {type: integer, minimum: 1, description: How large it is.}
              colour: {type: string, default: red}
              replicas: {type: integer}
          status: {type: object, properties: {replicas: {type: integer}}}
";

#[test]
fn kubectl_verbs_work_on_a_kind_of_the_users_own() -> anyhow::Result<()> {
    let platform = Platform::start_with("fake")?;
    let kubectl = platform.kubectl();
    kubectl.apply(CRD)?;
    kubectl.run("wait crd/toys.example.com --for=condition=Established --timeout=10s")?;
    let toy = "apiVersion: example.com/v1\nkind: Toy\nmetadata: {name: bear}\nspec: {size: 2}\nstatus: {replicas: 9}\n";
    assert_eq!(kubectl.apply(toy)?, "toy.example.com/bear created\n");
    let stored = kubectl.json("get ty bear")?;
    assert_eq!(stored["spec"]["colour"], "red", "defaulted: {stored}");
    assert!(stored["status"].is_null(), "status is a subresource: {stored}");
    let table = kubectl.run("get toys")?;
    assert!(table.contains("COLOUR") && table.contains("red"), "{table}");
    let said = kubectl.fail("apply -f -", &toy.replace("size: 2", "size: 0"))?;
    assert!(said.contains("spec.size") && said.contains("greater than or equal to 1"), "{said}");
    let extra = toy.replace("size: 2", "size: 2, wheels: 4");
    assert!(kubectl.fail("apply -f -", &extra)?.contains("unknown field \"spec.wheels\""));
    kubectl.run_with("apply --validate=false -f -", &extra)?;
    assert!(kubectl.json("get toy bear")?["spec"]["wheels"].is_null(), "pruned");

    kubectl.run("scale toy bear --replicas=5")?;
    assert_eq!(kubectl.run("get toy bear -o jsonpath={.spec.replicas}")?, "5");
    let status = r#"{"status":{"replicas":5},"spec":{"size":7}}"#;
    words(
        &kubectl,
        &["patch", "toy", "bear", "--subresource=status", "--type=merge", "-p", status],
    )?;
    let stored = kubectl.json("get toy bear")?;
    assert_eq!((&stored["status"]["replicas"], &stored["spec"]["size"]), (&5.into(), &2.into()));
    let said = refused(
        &kubectl,
        &["patch", "toy", "bear", "--type=strategic", "-p", r#"{"spec":{"size":3}}"#],
    )?;
    assert!(
        said.contains("strategic-merge-patch+json is not supported by example.com/v1"),
        "{said}"
    );
    assert_eq!(kubectl.run("get toy bear -o jsonpath={.spec.size}")?, "2");
    let explained = kubectl.run("explain toy.spec.size")?;
    assert!(explained.contains("How large it is."), "{explained}");
    kubectl.run("delete toy bear --wait")?;
    kubectl.run("delete crd toys.example.com --wait --timeout=20s")?;
    let said = kubectl.fail("get toys", "").context("the kind is gone")?;
    assert!(said.contains("toys"), "{said}");
    Ok(())
}

/// Newer kubectls send objects made from flags as protobuf.
#[test]
fn kubectl_creates_objects_from_flags_whatever_form_it_sends_them_in() -> anyhow::Result<()> {
    let platform = Platform::start_with("fake")?;
    let kubectl = platform.kubectl();
    let made = [
        ("create namespace team", "namespace/team created\n"),
        ("create configmap c --from-literal=a=b -n team", "configmap/c created\n"),
        ("create secret generic s --from-literal=k=v -n team", "secret/s created\n"),
        ("create serviceaccount robot -n team", "serviceaccount/robot created\n"),
        ("create service clusterip web --tcp=80:8080 -n team", "service/web created\n"),
        (
            "create deployment web --image=nginx:1 --replicas=2 --port=80 -n team",
            "deployment.apps/web created\n",
        ),
    ];
    for (line, said) in made {
        assert_eq!(kubectl.run(line)?, said);
    }
    assert_eq!(kubectl.json("get cm c -n team")?["data"], serde_json::json!({"a": "b"}));
    assert_eq!(kubectl.run("get secret s -n team -o jsonpath={.data.k}")?, "dg==");
    let spec = &kubectl.json("get deployment web -n team")?["spec"];
    assert_eq!(spec["replicas"], 2);
    assert_eq!(spec["template"]["spec"]["containers"][0]["ports"][0]["containerPort"], 80);
    assert_eq!(kubectl.run("get svc web -n team -o jsonpath={.spec.ports[0].targetPort}")?, "8080");
    assert!(kubectl.run("auth whoami")?.contains("rouse-admin"));

    let said = kubectl.fail("create namespace team", "")?;
    assert!(said.contains("AlreadyExists"), "{said}");
    let said = kubectl.fail("create configmap A_b -n team", "")?;
    assert!(said.contains("metadata.name") && said.contains("RFC 1123"), "{said}");
    let driver = "apiVersion: storage.k8s.io/v1\nkind: CSIDriver\nmetadata: {name: x}\nspec: {}\n";
    let said = kubectl.fail("apply -f -", driver)?;
    assert!(said.contains("CSIDriver"), "{said}");
    Ok(())
}

/// Kinds that charts bring, and that nothing here acts on.
const INERT: &str = "apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: 'app:reader', labels: {app: shop}}
rules: [{apiGroups: [''], resources: [pods], verbs: [get]}]
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: shop, labels: {app: shop}}
spec: {defaultBackend: {service: {name: shop, port: {number: 80}}}}
---
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata: {name: shop, labels: {app: shop}}
spec: {minAvailable: 1, selector: {matchLabels: {app: shop}}}
---
apiVersion: batch/v1
kind: Job
metadata: {name: migrate, labels: {app: shop}}
spec: {template: {spec: {restartPolicy: Never, containers: [{name: c, image: i}]}}}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: data, labels: {app: shop}}
spec: {podSelector: {matchLabels: {app: shop}}}
";

#[test]
fn kubectl_stores_kinds_that_nothing_acts_on_and_is_told_so() -> anyhow::Result<()> {
    let platform = Platform::start_with("fake")?;
    let kubectl = platform.kubectl();
    let ran = kubectl.try_run(&["apply", "-f", "-"], INERT)?;
    anyhow::ensure!(ran.ok, "{}", ran.stderr);
    for kind in [
        "roles.rbac.authorization.k8s.io",
        "ingresses.networking.k8s.io",
        "poddisruptionbudgets.policy",
        "jobs.batch",
        "networkpolicies.networking.k8s.io",
    ] {
        let warning = format!("Warning: {kind} are stored here, and nothing acts on them");
        anyhow::ensure!(ran.stderr.contains(&warning), "{warning}: {}", ran.stderr);
    }
    let names = kubectl.run("get role,ing,pdb,job,netpol -o name")?;
    anyhow::ensure!(names.lines().count() == 5 && names.contains("app:reader"), "{names}");
    // A budget's selector is patched as a whole each time, in any cluster.
    let again = kubectl.apply(INERT)?;
    anyhow::ensure!(again.matches("unchanged").count() == 4, "{again}");
    // Wrong fields are refused as those of any kind are.
    let wrong = INERT.replace("minAvailable: 1", "minAvailable: {}");
    let refused = kubectl.fail("apply -f -", &wrong)?;
    anyhow::ensure!(refused.contains("minAvailable"), "{refused}");
    Ok(())
}

#[test]
fn kubectl_prunes_what_is_no_longer_among_the_manifests() -> anyhow::Result<()> {
    let platform = Platform::start_with("fake")?;
    let kubectl = platform.kubectl();
    let map = |name: &str| {
        format!(
            "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}, labels: {{a: b}}}}\n---\n"
        )
    };
    let prune = "apply --prune -l a=b -f -";
    kubectl.run_with(prune, &[map("one"), map("two")].concat())?;
    let said = kubectl.run_with(prune, &map("two"))?;
    anyhow::ensure!(said.contains("configmap/one pruned"), "{said}");
    let left = kubectl.run("get configmaps -l a=b -o name")?;
    anyhow::ensure!(left.trim() == "configmap/two", "{left}");
    Ok(())
}
