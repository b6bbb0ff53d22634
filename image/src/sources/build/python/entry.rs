//! How a Python module is served: as a function, as an application of a web framework, or as a script.
//!
//! | in the module | served by |
//! |---|---|
//! | a function that functions-framework decorates, or the one that takes a request | functions-framework |
//! | an application: `app = Flask(__name__)`, `app = FastAPI()` | gunicorn, uvicorn |
//! | `streamlit` or `gradio` imported | that |
//! | `if __name__ == "__main__":`, or a call that serves | itself, as a script |
//!
//! Signatures are those of functions-framework; applications are found as Google's builders find them. Any other
//! module is refused: its Service would answer every request with an error. Pure.

use super::module::{Function, Module};
use super::requirement;

/// How a module is served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Entry {
    Function {
        name: String,
        signature: Signature,
    },
    /// `NAME` of the module, by the server that its framework needs.
    App {
        name: String,
        server: Server,
    },
    Streamlit,
    Gradio,
    Script,
}

/// The parameters of a function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Signature {
    /// A Flask request.
    Http,
    /// The request's JSON, as a dictionary.
    Json,
    /// An event's data and its context.
    Event,
    CloudEvent,
    /// The type given to its decorator.
    Typed,
}

impl Signature {
    /// As functions-framework's `FUNCTION_SIGNATURE_TYPE`.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Http | Self::Json => "http",
            Self::Event => "event",
            Self::CloudEvent => "cloudevent",
            Self::Typed => "typed",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Server {
    /// For WSGI.
    Gunicorn,
    /// For ASGI.
    Uvicorn,
}

/// Constructors of applications, and their servers.
const FRAMEWORKS: [(&str, Server); 19] = [
    ("flask.Flask", Server::Gunicorn),
    ("flask.app.Flask", Server::Gunicorn),
    ("bottle.Bottle", Server::Gunicorn),
    ("bottle.default_app", Server::Gunicorn),
    ("falcon.App", Server::Gunicorn),
    ("falcon.API", Server::Gunicorn),
    ("django.core.wsgi.get_wsgi_application", Server::Gunicorn),
    ("apiflask.APIFlask", Server::Gunicorn),
    ("fastapi.FastAPI", Server::Uvicorn),
    ("fastapi.applications.FastAPI", Server::Uvicorn),
    ("starlette.applications.Starlette", Server::Uvicorn),
    ("quart.Quart", Server::Uvicorn),
    ("litestar.Litestar", Server::Uvicorn),
    ("sanic.Sanic", Server::Uvicorn),
    ("falcon.asgi.App", Server::Uvicorn),
    ("django.core.asgi.get_asgi_application", Server::Uvicorn),
    ("blacksheep.Application", Server::Uvicorn),
    ("connexion.AsyncApp", Server::Uvicorn),
    ("connexion.FlaskApp", Server::Uvicorn),
];
/// Packages that tell the server of an application made by a factory.
const PACKAGES: [(&str, Server); 9] = [
    ("fastapi", Server::Uvicorn),
    ("starlette", Server::Uvicorn),
    ("quart", Server::Uvicorn),
    ("litestar", Server::Uvicorn),
    ("sanic", Server::Uvicorn),
    ("flask", Server::Gunicorn),
    ("bottle", Server::Gunicorn),
    ("django", Server::Gunicorn),
    ("dash", Server::Gunicorn),
];
/// The names that applications usually have, the most usual first.
const APP_NAMES: [&str; 4] = ["app", "application", "api", "server"];
/// The last names of calls that do not return: they serve.
const SERVING: [&str; 7] =
    ["run", "serve", "serve_forever", "launch", "run_app", "run_forever", "start"];
const DECORATORS: [(&str, Signature); 3] = [
    ("functions_framework.http", Signature::Http),
    ("functions_framework.cloud_event", Signature::CloudEvent),
    ("functions_framework.typed", Signature::Typed),
];

/// Decides how the module in `file` is served; `requirements` is the text of its requirements, `function` the name that
/// the user gave. An error says what to write.
pub(super) fn entry(
    module: &Module,
    file: &str,
    requirements: &str,
    function: Option<&str>,
) -> Result<Entry, String> {
    if let Some(name) = function {
        return named(module, name, requirements);
    }
    let decorated: Vec<&Function> =
        module.functions.iter().filter(|function| decorator(function).is_some()).collect();
    match decorated.as_slice() {
        [] => {}
        [one] => return of_function(one),
        several => return Err(unclear(several)),
    }
    let imports = |package: &str| module.packages.iter().any(|known| known == package);
    if imports("streamlit") {
        return Ok(Entry::Streamlit);
    }
    if let Some(app) = application(module) {
        return Ok(app);
    }
    if imports("gradio") {
        return Ok(Entry::Gradio);
    }
    let public: Vec<&Function> =
        module.functions.iter().filter(|function| !function.name.starts_with('_')).collect();
    let takes_request: Vec<&Function> =
        public.iter().copied().filter(|function| is_for_requests(function)).collect();
    if takes_request.is_empty()
        && let Some(app) = made_by_factory(module, requirements)
    {
        return Ok(app);
    }
    let serves = module.calls.iter().any(|call| serves(call));
    if serves || (module.guard && takes_request.is_empty()) {
        return Ok(Entry::Script);
    }
    match (takes_request.as_slice(), outermost(module, &public).as_slice(), public.as_slice()) {
        ([one], _, _) | ([], [one], _) | ([], _, [one]) => of_function(one),
        ([], _, []) => Err(format!(
            "nothing in {file} is recognised: write a function `def NAME(request):`, an application such as \
             `app = Flask(__name__)`, what starts a server under `if __name__ == \"__main__\":`, or a Procfile with \
             `web: COMMAND`"
        )),
        (several, _, all) => {
            let candidates = if several.is_empty() { all } else { several };
            match candidates.iter().find(|function| function.name == "main") {
                Some(main) => of_function(main),
                None => Err(unclear(candidates)),
            }
        }
    }
}

fn named(module: &Module, name: &str, requirements: &str) -> Result<Entry, String> {
    if let Some(function) = module.functions.iter().find(|function| function.name == name) {
        return of_function(function);
    }
    let app = module.apps.iter().find(|app| app.name == name);
    if let Some(app) = app
        && let Some(server) = server_of(&app.call)
    {
        return Ok(Entry::App { name: name.to_owned(), server });
    }
    if module.names.iter().any(|known| known == name) {
        return Ok(match by_package(module, requirements).filter(|_| APP_NAMES.contains(&name)) {
            Some(server) => Entry::App { name: name.to_owned(), server },
            None => Entry::Function { name: name.to_owned(), signature: Signature::Http },
        });
    }
    let all: Vec<&Function> = module.functions.iter().collect();
    Err(format!("it defines no function {name:?}; it defines: {}", names(&all)))
}

fn of_function(function: &Function) -> Result<Entry, String> {
    let name = function.name.clone();
    if let Some(signature) = decorator(function) {
        return Ok(Entry::Function { name, signature });
    }
    let takes_none = function.parameters.is_empty() && !function.takes_more;
    let signature = match (takes_none, function.required) {
        (true, _) => {
            return Err(format!(
                "the function {name} takes nothing, and is called with a request: write `def {name}(request):`"
            ));
        }
        (_, 3..) => {
            return Err(format!(
                "the function {name} takes {} arguments; a function takes a request, or an event and its context",
                function.required
            ));
        }
        (_, 2) => Signature::Event,
        _ => of_parameter(function),
    };
    Ok(Entry::Function { name, signature })
}

fn of_parameter(function: &Function) -> Signature {
    let Some(parameter) = function.parameters.first() else { return Signature::Http };
    match parameter.kind.as_deref().map(last_part) {
        Some("dict" | "Dict" | "Mapping" | "MutableMapping") => Signature::Json,
        Some("CloudEvent") => Signature::CloudEvent,
        None if parameter.name == "cloud_event" || parameter.name == "cloudevent" => {
            Signature::CloudEvent
        }
        _ => Signature::Http,
    }
}

/// Whether a function takes a request or an event, by its parameters.
fn is_for_requests(function: &Function) -> bool {
    let Some(first) = function.parameters.first() else { return false };
    let by_name = ["request", "req", "event", "cloud_event", "cloudevent"];
    let by_kind = ["Request", "CloudEvent"];
    function.required <= 2
        && (by_name.contains(&first.name.as_str())
            || first.kind.as_deref().is_some_and(|kind| by_kind.contains(&last_part(kind))))
}

/// Functions that no other function of the module uses.
fn outermost<'a>(module: &Module, public: &[&'a Function]) -> Vec<&'a Function> {
    let used = |function: &&&Function| module.used.contains(&function.name);
    public.iter().filter(|function| !used(function)).copied().collect()
}

fn application(module: &Module) -> Option<Entry> {
    let apps = module.apps.iter().filter_map(|app| Some((&app.name, server_of(&app.call)?)));
    let apps: Vec<(&String, Server)> = apps.collect();
    // Dash wraps a Flask application, which it has under this name.
    if let Some(dash) = module.apps.iter().find(|app| app.call == "dash.Dash") {
        return Some(Entry::App {
            name: format!("{}.server", dash.name),
            server: Server::Gunicorn,
        });
    }
    let usual = APP_NAMES.iter().find_map(|name| apps.iter().find(|(app, _)| app == name));
    let (name, server) = usual.or(apps.first())?;
    Some(Entry::App { name: (*name).clone(), server: *server })
}

fn server_of(call: &str) -> Option<Server> {
    FRAMEWORKS.iter().find(|(framework, _)| *framework == call).map(|(_, server)| *server)
}

/// `app = create_app()`, or one that is imported.
fn made_by_factory(module: &Module, requirements: &str) -> Option<Entry> {
    let is_usual = |name: &&String| name.as_str() == "app" || name.as_str() == "application";
    let assigned = module.apps.iter().map(|app| &app.name);
    let name = assigned.chain(&module.imported).find(is_usual)?;
    Some(Entry::App { name: name.clone(), server: by_package(module, requirements)? })
}

fn by_package(module: &Module, requirements: &str) -> Option<Server> {
    let listed: Vec<String> = requirements.lines().map(requirement::name).collect();
    let known = |package: &str| {
        module.packages.iter().any(|imported| imported == package)
            || listed.iter().any(|name| name == package)
    };
    PACKAGES.iter().find(|(package, _)| known(package)).map(|(_, server)| *server)
}

fn decorator(function: &Function) -> Option<Signature> {
    let known = |decorator: &String| DECORATORS.iter().find(|(name, _)| name == decorator);
    function.decorators.iter().find_map(known).map(|(_, signature)| *signature)
}

fn serves(call: &str) -> bool {
    SERVING.contains(&last_part(call)) && call.contains('.')
}

fn last_part(name: &str) -> &str {
    name.rsplit('.').next().unwrap_or(name)
}

fn unclear(functions: &[&Function]) -> String {
    format!(
        "which function to serve is not clear (it defines: {}); name it with --function",
        names(functions)
    )
}

fn names(functions: &[&Function]) -> String {
    if functions.is_empty() {
        return "none".to_owned();
    }
    functions.iter().map(|function| function.name.as_str()).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests;
