//! The setting of the demo: a platform, a namespace, and commands that are shown as they run.

use std::cell::Cell;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use clap::Parser;
use futures::future::LocalBoxFuture;
use k8s_openapi::api::core::v1::Namespace;
use kube::api::{Api, PostParams};

use super::made::Made;
use crate::args::{Cli, Command, Demo, Global, Runtime, Up};
use crate::commands::digits;
use crate::commands::serving;
use crate::datadir::DataDir;
use crate::outcome::{Context, Failure, Result, refused};
use crate::platform;
use crate::printer::Printer;
use crate::shell::{export, quoted};
use crate::target::Target;

pub(super) const NAMESPACE: &str = "demo";
pub(super) const SERVICE: &str = "digits";
/// Longest until an earlier demo's revisions are gone.
const LEFTOVERS_TIMEOUT: Duration = Duration::from_secs(30);

/// Runs one of the user's commands, as the binary would.
pub(crate) type Runner = for<'a> fn(Command, &'a Global, &'a Printer) -> LocalBoxFuture<'a, Result>;

pub(super) struct Stage {
    pub(super) printer: Printer,
    pub(super) dir: DataDir,
    pub(super) target: Target,
    global: Global,
    runner: Runner,
    step: Cell<u32>,
}

impl Stage {
    /// Starts the platform if none runs in the data directory, and makes the namespace.
    pub(super) async fn set(
        args: &Demo,
        global: &Global,
        printer: &Printer,
        runner: Runner,
    ) -> Result<Self> {
        let dir = DataDir::chosen(global.data_dir.as_deref())?;
        introduce(&dir, global, printer);
        let step = Cell::new(0);
        title(printer, &step, "Start the platform");
        let started = Instant::now();
        let up = match dir.running() {
            Some(up) => {
                printer.line(format!("   it runs already: process {}", up.pid));
                up
            }
            None => {
                dir.create()?;
                let state = is_empty(dir.path());
                Made { platform: true, state, ..Made::default() }.note(&dir)?;
                command(printer, &format!("rouse up -d --runtime {}", args.runtime.name()));
                platform::start_detached(&detached(args.runtime), &dir, &printer.quiet())?
            }
        };
        printer.line(format!(
            "   answers after {:.2} s: API {}, gateway {}, pods are run by {}",
            started.elapsed().as_secs_f64(),
            up.api,
            up.http,
            up.runtime
        ));
        command(printer, "eval \"$(rouse env)\"");
        let global = local(global, &dir);
        let target = Target::connect(&global).await?;
        let stage = Self { printer: *printer, dir, target, global, runner, step };
        stage.namespace().await?;
        stage.clear().await?;
        Ok(stage)
    }

    async fn namespace(&self) -> Result {
        let api: Api<Namespace> = Api::all(self.client());
        let exists = api.get_opt(NAMESPACE).await.map_err(|e| refused(&e, "read the namespace"))?;
        if exists.is_some() {
            return Ok(());
        }
        Made { namespace: true, ..Made::default() }.note(&self.dir)?;
        command(&self.printer, &format!("kubectl create namespace {NAMESPACE}"));
        let mut namespace = Namespace::default();
        namespace.metadata.name = Some(NAMESPACE.to_owned());
        let made = api.create(&PostParams::default(), &namespace).await;
        made.map(drop).map_err(|e| refused(&e, "create the namespace"))
    }

    /// Deletes an earlier demo's service, whose revisions would be counted on.
    async fn clear(&self) -> Result {
        let services: Api<rouse_api::Service> = Api::namespaced(self.client(), NAMESPACE);
        let found = services.get_opt(SERVICE).await;
        if found.map_err(|e| refused(&e, "read the service"))?.is_none() {
            return Made { service: true, ..Made::default() }.note(&self.dir);
        }
        if !Made::read(&self.dir).is_some_and(|made| made.service) {
            return Err(Failure::new(format!(
                "namespace {NAMESPACE} has a service {SERVICE} that the demo did not make"
            ))
            .next("rouse demo --data-dir DIR, for a platform of its own"));
        }
        self.run(&["rouse", "delete", SERVICE, "-n", NAMESPACE]).await?;
        let started = Instant::now();
        while !serving::revisions(&self.target, SERVICE).await?.is_empty() {
            if started.elapsed() > LEFTOVERS_TIMEOUT {
                return Err(Failure::not_ready("the revisions of an earlier demo are still there")
                    .next("rouse demo --stop"));
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(())
    }

    pub(super) fn client(&self) -> kube::Client {
        self.target.client.clone()
    }

    /// The folder of the models.
    pub(super) fn folder(&self) -> PathBuf {
        self.dir.join("demo")
    }

    /// One digit as a request's body.
    pub(super) fn digit(&self) -> PathBuf {
        digits::request_file(&self.folder())
    }

    /// The same in the form that `rouse call -d` takes.
    pub(super) fn digit_shown(&self) -> String {
        quoted(&format!("@{}", shown(&self.digit())))
    }

    pub(super) fn title(&self, text: &str) {
        title(&self.printer, &self.step, text);
    }

    pub(super) fn say(&self, text: impl AsRef<str>) {
        self.printer.line(format!("   {}", text.as_ref()).trim_end());
    }

    /// Shows a command that the demo does not run itself.
    pub(super) fn by_hand(&self, line: &str) {
        command(&self.printer, line);
    }

    /// Shows a `rouse` command and runs exactly that.
    pub(super) async fn run(&self, words: &[&str]) -> Result {
        let line = words.iter().map(|word| quoted(word)).collect::<Vec<_>>().join(" ");
        command(&self.printer, &line);
        let cli = Cli::try_parse_from(words)
            .or_fail(|| format!("the demo's own command is wrong: {line}"))?;
        let global = Global { namespace: cli.global.namespace.clone(), ..self.global.clone() };
        let quiet = self.printer.quiet();
        (self.runner)(cli.command, &global, &quiet).await
    }

    pub(super) fn farewell(&self, started: Instant) {
        let (name, digit) = (SERVICE, self.digit_shown());
        self.printer.line("");
        self.printer.line(format!(
            "Done in {:.0} s. The platform runs on. Try:",
            started.elapsed().as_secs_f64()
        ));
        self.by_hand(&format!(
            "rouse call {name} /v1/models/digits:predict -n {NAMESPACE} -d {digit}"
        ));
        self.by_hand(&format!("rouse rollback {name} -n {NAMESPACE}"));
        self.by_hand(&format!("rouse describe {name} -n {NAMESPACE}"));
        self.printer.line("and this removes everything:");
        self.by_hand("rouse demo --stop");
    }
}

/// Prints the environment that the shown commands need in a shell.
fn introduce(dir: &DataDir, global: &Global, printer: &Printer) {
    let on_path = std::env::var_os("PATH")
        .is_some_and(|path| std::env::split_paths(&path).any(|p| p.join("rouse").is_file()));
    if let (false, Ok(me)) = (on_path, std::env::current_exe()) {
        printer.line(format!("`rouse` below is {}", shown(&me)));
    }
    let elsewhere = std::env::var_os("KUBECONFIG").is_some_and(|v| !v.is_empty());
    if global.data_dir.is_some() || elsewhere {
        printer.line(format!(
            "the commands below want: {}; eval \"$(rouse env)\"",
            export("ROUSE_DATA_DIR", &shown(dir.path()))
        ));
    }
}

fn title(printer: &Printer, step: &Cell<u32>, text: &str) {
    step.set(step.get() + 1);
    printer.line("");
    printer.line(printer.bold(&format!("{}. {text}", step.get())));
}

fn command(printer: &Printer, line: &str) {
    printer.line(format!("   {}", printer.dim(&format!("$ {line}"))));
}

pub(super) fn shown(path: &Path) -> String {
    path.display().to_string()
}

/// The platform of the data directory, whatever KUBECONFIG says.
pub(super) fn local(global: &Global, dir: &DataDir) -> Global {
    Global {
        kubeconfig: None,
        context: None,
        data_dir: Some(dir.path().to_owned()),
        namespace: Some(NAMESPACE.to_owned()),
        ..global.clone()
    }
}

fn is_empty(dir: &Path) -> bool {
    std::fs::read_dir(dir).is_ok_and(|mut entries| entries.next().is_none())
}

pub(super) fn detached(runtime: Runtime) -> Up {
    Up {
        keep_images: false,
        ephemeral: false,
        recover: false,
        api_port: None,
        http_port: None,
        https_port: None,
        admin_port: None,
        binds: crate::args::Binds::default(),
        domain: None,
        runtime,
        registry_config: None,
        insecure_registries: Vec::new(),
        ready_file: None,
        detach: true,
        log_format: crate::args::LogFormat::Text,
        quiet: true,
    }
}
