//! Decisions for modules as people write them, parsed by Python.

use std::path::Path;

use super::super::module;
use super::*;

/// The decision for a module's text.
fn decided(text: &str, requirements: &str, function: Option<&str>) -> Result<Entry, String> {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("main.py");
    std::fs::write(&file, text).unwrap();
    let module = module::read("python3", &file).map_err(|error| error.to_string())?;
    entry(&module, "main.py", requirements, function)
}

fn function(name: &str, signature: Signature) -> Entry {
    Entry::Function { name: name.to_owned(), signature }
}

fn app(name: &str, server: Server) -> Entry {
    Entry::App { name: name.to_owned(), server }
}

#[test]
fn each_form_of_module_has_its_entry() {
    use Signature::{CloudEvent, Event, Http, Json, Typed};
    for (text, entry) in [
        ("def hello(request):\n  return 'x'\n", function("hello", Http)),
        ("def _hidden(): ...\nclass C:\n  def m(self): ...\ndef f(r): ...\n", function("f", Http)),
        (
            "def load(): ...\n@functions_framework.http\ndef f(r): ...\nimport functions_framework\n",
            function("f", Http),
        ),
        (
            "from functions_framework import cloud_event as on\n@on\ndef f(e): ...\ndef g(request): ...\n",
            function("f", CloudEvent),
        ),
        ("import functions_framework as ff\n@ff.typed(int)\ndef f(e): ...\n", function("f", Typed)),
        ("def helper(x): ...\ndef serve(request): ...\n", function("serve", Http)),
        (
            "def square(x): ...\ndef predict(data):\n  return square(data)\n",
            function("predict", Http),
        ),
        ("def a(r): ...\ndef main(r): ...\n", function("main", Http)),
        ("def predict(request: dict): ...\n", function("predict", Json)),
        (
            "from typing import Any\ndef predict(request: 'dict[str, Any]'): ...\n",
            function("predict", Json),
        ),
        ("def on_event(event, context): ...\n", function("on_event", Event)),
        ("def f(cloud_event): ...\n", function("f", CloudEvent)),
        ("def f(request, model=None): ...\n", function("f", Http)),
        ("def f(*args): ...\n", function("f", Http)),
        (
            "def predict(request): ...\nif __name__ == '__main__':\n  print(predict(None))\n",
            function("predict", Http),
        ),
        (
            "from flask import Flask\napp = Flask(__name__)\n@app.route('/')\ndef hello(): ...\nif __name__ == '__main__':\n  app.run()\n",
            app("app", Server::Gunicorn),
        ),
        ("import flask\nweb = flask.Flask('x')\n", app("web", Server::Gunicorn)),
        (
            "from fastapi import FastAPI as F\nif True:\n  app: F = F()\n",
            app("app", Server::Uvicorn),
        ),
        ("import dash\napp = dash.Dash()\n", app("app.server", Server::Gunicorn)),
        (
            "from shop import create_app\napp = create_app()\nimport flask\n",
            app("app", Server::Gunicorn),
        ),
        ("from shop import app\nimport starlette\n", app("app", Server::Uvicorn)),
        ("import streamlit as st\nst.title('x')\n", Entry::Streamlit),
        (
            "import gradio as gr\ndef greet(name): ...\ngr.Interface(greet).launch()\n",
            Entry::Gradio,
        ),
        ("def main(): ...\nif __name__ == '__main__':\n  main()\n", Entry::Script),
        (
            "from http.server import HTTPServer\nHTTPServer(('', 1), None).serve_forever()\n",
            Entry::Script,
        ),
    ] {
        assert_eq!(decided(text, "", None), Ok(entry), "{text}");
    }
    let factory = "from shop import create_app\napp = create_app()\n";
    assert_eq!(decided(factory, "FastAPI>=0.1\n", None), Ok(app("app", Server::Uvicorn)));
}

#[test]
fn a_function_or_application_that_is_named_is_served() {
    let text = "from flask import Flask\napp = Flask('a')\nother = Flask('b')\ndef a(request): ...\ndef b(event, context): ...\nc = a\n";
    assert_eq!(decided(text, "", Some("a")), Ok(function("a", Signature::Http)));
    assert_eq!(decided(text, "", Some("b")), Ok(function("b", Signature::Event)));
    assert_eq!(decided(text, "", Some("c")), Ok(function("c", Signature::Http)));
    assert_eq!(decided(text, "", Some("other")), Ok(app("other", Server::Gunicorn)));
    let error = decided(text, "", Some("d")).unwrap_err();
    assert_eq!(error, "it defines no function \"d\"; it defines: a, b");
}

#[test]
fn a_module_that_cannot_serve_is_refused_with_what_to_write() {
    for (text, says) in [
        ("", "def NAME(request)"),
        ("x = 1\n", "a Procfile"),
        (
            "def one(request): ...\ndef two(request): ...\ndef helper(x): ...\n",
            "(it defines: one, two); name it with --function",
        ),
        ("def a(x): ...\ndef b(x): ...\n", "(it defines: a, b)"),
        ("def hello(): ...\n", "write `def hello(request):`"),
        ("def hello(a, b, c): ...\n", "takes 3 arguments"),
        ("def hello(:\n", "line 1"),
        ("from shop import create_app\napp = create_app()\n", "nothing in main.py is recognised"),
    ] {
        let error = decided(text, "", None).unwrap_err();
        assert!(error.contains(says), "{text}: {error}");
    }
}

#[test]
fn dependencies_of_a_project_are_read_or_the_reason_is_given() {
    let read = |text: &str| {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("pyproject.toml"), text).unwrap();
        module::dependencies("python3", dir.path()).map_err(|error| error.to_string())
    };
    let listed = read("[project]\nname = 'x'\ndependencies = ['flask>=3', 'numpy']\n");
    assert_eq!(listed, Ok(Some(vec!["flask>=3".to_owned(), "numpy".to_owned()])));
    assert_eq!(read("[tool.black]\nline-length = 100\n"), Ok(None));
    assert!(read("[tool.poetry]\nname = 'x'\n").unwrap_err().contains("poetry export"));
    assert!(read("[project\n").unwrap_err().contains("pyproject.toml"));
    assert_eq!(module::dependencies("python3", Path::new("/nowhere")).unwrap(), None);
}
