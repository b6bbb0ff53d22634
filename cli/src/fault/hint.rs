//! Hints: the change that makes a fault go away. Pure.

/// Modules whose package on PyPI has another name.
const PACKAGES: [(&str, &str); 24] = [
    ("cv2", "opencv-python-headless"),
    ("sklearn", "scikit-learn"),
    ("skimage", "scikit-image"),
    ("PIL", "Pillow"),
    ("yaml", "PyYAML"),
    ("bs4", "beautifulsoup4"),
    ("dotenv", "python-dotenv"),
    ("dateutil", "python-dateutil"),
    ("multipart", "python-multipart"),
    ("jwt", "PyJWT"),
    ("jose", "python-jose"),
    ("psycopg2", "psycopg2-binary"),
    ("MySQLdb", "mysqlclient"),
    ("Crypto", "pycryptodome"),
    ("faiss", "faiss-cpu"),
    ("attr", "attrs"),
    ("docx", "python-docx"),
    ("pptx", "python-pptx"),
    ("magic", "python-magic"),
    ("serial", "pyserial"),
    ("git", "GitPython"),
    ("fitz", "PyMuPDF"),
    ("OpenSSL", "pyOpenSSL"),
    ("zmq", "pyzmq"),
];

/// The hint for an exception at a place, in a log of these lines.
pub(super) fn of(what: &str, place: Option<&str>, lines: &[&str]) -> Option<String> {
    let any = |text: &str| lines.iter().any(|line| line.contains(text));
    if let Some(module) = quoted_after(what, "No module named ") {
        return Some(missing_module(module));
    }
    if let Some(module) = quoted_after(what, "Cannot find module ") {
        let is_file = module.starts_with(['.', '/']);
        return Some(if is_file {
            format!("put {module} into the folder that is deployed")
        } else {
            format!("npm install {module}, so that node_modules has it")
        });
    }
    if let Some((library, _)) = what.split_once(": cannot open shared object file") {
        let library = library.rsplit([' ', ':']).next().unwrap_or(library);
        return Some(if library.starts_with("libGL") {
            "in requirements.txt write opencv-python-headless instead of opencv-python".to_owned()
        } else {
            format!(
                "the library {library} is not here: install it, or use an image that has it with build --base IMAGE"
            )
        });
    }
    if any("Address already in use") || any("EADDRINUSE") || any("address already in use") {
        return Some("listen on the port in the environment variable PORT".to_owned());
    }
    let place = place.unwrap_or_default();
    if let Some(name) = quoted_after(what, "KeyError: ")
        && (place.contains("environ") || any("os.environ["))
    {
        return Some(format!("rouse deploy with --env {name}=VALUE"));
    }
    if let Some((_, file)) = what.split_once("No such file or directory: ") {
        let file = file.trim_matches(|c| c == '\'' || c == '"');
        return Some(format!(
            "put {file} into the folder that is deployed (.gcloudignore and .dockerignore leave files out)"
        ));
    }
    if what.starts_with("MemoryError") || any("JavaScript heap out of memory") {
        return Some("give it more with --memory, such as --memory 1Gi".to_owned());
    }
    if what.starts_with("SyntaxError") || what.starts_with("IndentationError") {
        return place.split(':').next().map(|place| format!("mend {place}"));
    }
    if any("Permission denied") {
        return Some("chmod +x the program, or write only below /tmp".to_owned());
    }
    None
}

fn missing_module(module: &str) -> String {
    let root = module.split('.').next().unwrap_or(module);
    let package = match module.strip_prefix("google.cloud.").or(module.strip_prefix("google.cloud"))
    {
        Some("") => "the google-cloud package that you use".to_owned(),
        Some(rest) => format!("google-cloud-{}", rest.split('.').next().unwrap_or(rest)),
        None => PACKAGES
            .iter()
            .find(|(known, _)| *known == root)
            .map_or_else(|| root.replace('_', "-"), |(_, package)| (*package).to_owned()),
    };
    format!("add {package} to requirements.txt")
}

/// The text in quotes after a phrase.
fn quoted_after<'a>(text: &'a str, phrase: &str) -> Option<&'a str> {
    let rest = text.split_once(phrase)?.1;
    let quote = rest.chars().next().filter(|c| matches!(c, '\'' | '"'))?;
    rest[1..].split(quote).next()
}
