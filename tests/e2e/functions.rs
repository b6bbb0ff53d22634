//! Python functions: built with the real functions-framework, served as processes.

use anyhow::Context;
use rouse_tests::Platform;

/// A function of the V1 shape that needs nothing but the framework.
pub(crate) const MAIN: &str = "import functions_framework

@functions_framework.http
def predict(request):
    body = request.get_json(silent=True) or {}
    return {\"sum\": sum(body.get(\"instances\", []))}
";

#[test]
fn a_python_function_is_built_once_and_served_and_its_dependencies_are_used_again()
-> anyhow::Result<()> {
    let platform = Platform::start()?;
    let source = tempfile::tempdir()?;
    std::fs::write(source.path().join("main.py"), MAIN)?;
    std::fs::write(source.path().join("requirements.txt"), "functions-framework==3.*\n")?;
    let dir = source.path().to_str().context("a path of text")?;
    let first: serde_json::Value =
        serde_json::from_str(&platform.rouse_ok(&format!("build {dir} --image adder -o json"))?)?;
    platform.rouse_ok("deploy adder --image adder")?;
    let answer = platform.rouse(&["call", "adder", "/", "-d", "{\"instances\": [1, 2, 4]}"])?;
    let text = String::from_utf8_lossy(&answer.stdout).into_owned();
    assert_eq!(serde_json::from_str::<serde_json::Value>(&text)?["sum"], 7, "{text}");
    std::fs::write(
        source.path().join("main.py"),
        MAIN.replace("sum(", "max(").replace("\"sum\"", "\"max\""),
    )?;
    let second: serde_json::Value =
        serde_json::from_str(&platform.rouse_ok(&format!("build {dir} --image adder -o json"))?)?;
    assert_ne!(first["digest"], second["digest"], "the code changed");
    let layers = second["layers"].as_array().context("layers")?;
    assert!(
        layers.iter().any(|l| l["reused"] == true),
        "the dependencies did not change: {second}"
    );
    Ok(())
}
