//! Python sources as people have them, built with the real frameworks and served as processes.

use anyhow::Context;
use rouse_tests::Platform;

/// A function that needs nothing but functions-framework.
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

/// A service, the files of its folder, flags of `deploy`, and the answer.
type Row = (&'static str, &'static [(&'static str, &'static str)], &'static str, &'static str);

const SOURCES: [Row; 7] = [
    ("flask", &[("main.py", FLASK), ("requirements.txt", "flask\n")], "", "flask ok"),
    (
        "fast",
        &[
            (
                "main.py",
                "from fastapi import FastAPI\napp = FastAPI()\n@app.get('/')\ndef root():\n    return 'fast ok'\n",
            ),
            ("requirements.txt", "fastapi\n"),
        ],
        "",
        "\"fast ok\"",
    ),
    (
        "proc",
        &[
            ("main.py", FLASK),
            ("requirements.txt", "flask\ngunicorn\n"),
            ("Procfile", "web: gunicorn --bind :$PORT main:app\n"),
        ],
        "",
        "flask ok",
    ),
    (
        "two",
        &[(
            "main.py",
            "def helper(x):\n    return x\ndef one(request):\n    return 'one ok'\ndef two(request):\n    return 'two ok'\n",
        )],
        "--function two",
        "two ok",
    ),
    (
        "dict",
        &[("main.py", "def predict(request: dict):\n    return {'got': request}\n")],
        "",
        "{\"got\":{}}",
    ),
    ("event", &[("main.py", "def on_event(event, context):\n    print(event)\n")], "", ""),
    (
        "script",
        &[(
            "app.py",
            "import os\nfrom http.server import BaseHTTPRequestHandler, HTTPServer\nclass Handler(BaseHTTPRequestHandler):\n    def do_GET(self):\n        self.send_response(200)\n        self.end_headers()\n        self.wfile.write(b'script ok')\nif __name__ == '__main__':\n    HTTPServer(('', int(os.environ['PORT'])), Handler).serve_forever()\n",
        )],
        "",
        "script ok",
    ),
];

/// The quickstart of Cloud Run.
const FLASK: &str = "import os
from flask import Flask
app = Flask(__name__)
@app.route('/')
def hello():
    return 'flask ok'
if __name__ == '__main__':
    app.run(host='0.0.0.0', port=int(os.environ.get('PORT', 8080)))
";

#[test]
fn sources_as_people_have_them_are_served() -> anyhow::Result<()> {
    let platform = Platform::start()?;
    for (name, files, flags, answer) in SOURCES {
        let source = tempfile::tempdir()?;
        for (file, text) in files {
            std::fs::write(source.path().join(file), text)?;
        }
        let dir = source.path().display();
        platform.rouse_ok(&format!("deploy {name} --source {dir} {flags}")).context(name)?;
        let said = platform.rouse_ok(&format!("call {name} /")).context(name)?;
        anyhow::ensure!(said.trim() == answer, "{name}: {said:?} instead of {answer:?}");
    }
    let source = tempfile::tempdir()?;
    std::fs::write(source.path().join("main.py"), SOURCES[3].1[0].1)?;
    let dir = source.path().to_str().context("a path of text")?;
    let refused = platform.rouse(&["deploy", "unclear", "--source", dir])?;
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    anyhow::ensure!(!refused.status.success() && said.contains("one, two"), "{said}");
    Ok(())
}
