use super::*;

fn told(log: &str) -> (String, String, String) {
    let fault = find(log).unwrap();
    (fault.what, fault.place.unwrap_or_default(), fault.hint.unwrap_or_default())
}

const HEX: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

#[test]
fn the_last_exception_of_python_is_told_with_the_users_own_line() {
    let log = format!(
        "Traceback (most recent call last):\n  File \"/usr/lib/python3.11/runpy.py\", line 196, in _run\n    return _run_code(code)\n  File \"/data/images/rootfs/{HEX}/app/main.py\", line 3, in <module>\n    import pandas as pd\nModuleNotFoundError: No module named 'pandas'\n"
    );
    let expected = (
        "ModuleNotFoundError: No module named 'pandas'".to_owned(),
        "main.py, line 3: import pandas as pd".to_owned(),
        "add pandas to requirements.txt".to_owned(),
    );
    assert_eq!(told(&log), expected);
    // The same again after a restart is told once, and a later server's lines do not hide it.
    let twice =
        format!("{log}{log}[2026-01-01 00:00:00 +0000] [7] [INFO] Worker exiting (pid: 7)\n");
    assert_eq!(told(&twice), expected);
}

#[test]
fn chained_exceptions_and_frames_of_packages_lead_to_the_users_file() {
    let log = format!(
        "Traceback (most recent call last):\n  File \"/x/images/rootfs/{HEX}/python/flask/app.py\", line 1, in f\n    g()\nValueError: first\n\nDuring handling of the above exception, another exception occurred:\n\nTraceback (most recent call last):\n  File \"/x/images/rootfs/{HEX}/app/lib/load.py\", line 12, in load\n    return open('model.pkl', 'rb')\n           ^^^^^^^^^^^^^^^^^^^^^^^\nFileNotFoundError: [Errno 2] No such file or directory: 'model.pkl'\n"
    );
    let (what, place, hint) = told(&log);
    assert_eq!(what, "FileNotFoundError: [Errno 2] No such file or directory: 'model.pkl'");
    assert_eq!(place, "lib/load.py, line 12: return open('model.pkl', 'rb')");
    assert!(hint.starts_with("put model.pkl into the folder"), "{hint}");
}

#[test]
fn each_kind_of_fault_has_its_hint() {
    let raised = |code: &str, exception: &str| {
        format!(
            "Traceback (most recent call last):\n  File \"/app/main.py\", line 1, in <module>\n    {code}\n{exception}\n"
        )
    };
    for (log, hint) in [
        (raised("import cv2", "ModuleNotFoundError: No module named 'cv2'"), "add opencv-python-headless to"),
        (raised("import sklearn.svm", "ModuleNotFoundError: No module named 'sklearn.svm'"), "add scikit-learn to"),
        (
            raised("from google.cloud import storage", "ModuleNotFoundError: No module named 'google.cloud.storage'"),
            "add google-cloud-storage to",
        ),
        (raised("import cv2", "ImportError: libGL.so.1: cannot open shared object file: No such file or directory"), "opencv-python-headless instead"),
        (raised("key = os.environ['API_KEY']", "KeyError: 'API_KEY'"), "rouse deploy with --env API_KEY=VALUE"),
        (raised("app.run(port=80)", "OSError: [Errno 98] Address already in use"), "environment variable PORT"),
        (
            "  File \"/app/main.py\", line 7\n    def f(:\n          ^\nSyntaxError: invalid syntax\n".to_owned(),
            "mend main.py, line 7",
        ),
    ] {
        let (_, _, said) = told(&log);
        assert!(said.contains(hint), "{said:?} for {log}");
    }
}

#[test]
fn faults_of_other_languages_are_told_too() {
    for (log, what, place) in [
        (
            "thread 'main' panicked at src/main.rs:12:5:\nno model\nnote: run with `RUST_BACKTRACE=1`",
            "panic: no model",
            "src/main.rs, line 12",
        ),
        (
            "thread 'main' panicked at 'no model', src/main.rs:12:5",
            "panic: no model",
            "src/main.rs, line 12",
        ),
        (
            "panic: runtime error: index out of range\n\ngoroutine 1 [running]:\nmain.main()\n\t/src/main.go:9 +0x1b\n",
            "panic: runtime error: index out of range",
            "/src/main.go, line 9",
        ),
        (
            "node:internal/modules:1\n  throw err;\n  ^\n\nError: Cannot find module 'express'\nRequire stack:\n- /app/server.js\n    at Module._load (node:internal:1:1)\n    at Object.<anonymous> (/app/server.js:2:17) {\n",
            "Error: Cannot find module 'express'",
            "server.js, line 2",
        ),
        (
            "Exception in thread \"main\" java.lang.IllegalStateException: no\n\tat demo.Main.main(Main.java:5)\n",
            "java.lang.IllegalStateException: no",
            "Main.java, line 5",
        ),
        ("starting\n[x] [ERROR] cannot read the model\nbye\n", "cannot read the model", ""),
    ] {
        let (said, at, _) = told(log);
        assert_eq!((said.as_str(), at.as_str()), (what, place), "{log}");
    }
    assert_eq!(find("listening on 8080\nbye\n"), None);
    assert_eq!(find(""), None);
}
