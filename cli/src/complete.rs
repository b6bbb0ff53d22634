//! Completion of names in a shell: Services, their revisions and tags, namespaces.

use std::ffi::OsString;
use std::fmt::Debug;
use std::time::Duration;

use clap::{Arg, Command, CommandFactory};
use clap_complete::engine::{ArgValueCandidates, CompletionCandidate};
use k8s_openapi::api::core::v1::Namespace;
use kube::api::{Api, ListParams};
use rouse_api::{Revision, Service};
use serde::de::DeserializeOwned;

use crate::args::{Cli, Global};
use crate::target::Target;

/// Longest that a shell waits for names.
const TIMEOUT: Duration = Duration::from_secs(2);
/// Most names that are asked for.
const NAMES_MAX: u32 = 500;

/// Names that complete an argument.
#[derive(Clone, Copy)]
enum Names {
    Services,
    Revisions,
    /// With `=` after each, for a share.
    Targets,
    Tags,
    Namespaces,
}

/// The arguments, by command, that names complete.
const COMPLETED: [(&str, &str, Names); 21] = [
    ("deploy", "name", Names::Services),
    ("traffic", "name", Names::Services),
    ("traffic", "shares", Names::Targets),
    ("traffic", "untag", Names::Tags),
    ("rollback", "name", Names::Services),
    ("rollback", "to", Names::Revisions),
    ("call", "name", Names::Services),
    ("call", "tag", Names::Tags),
    ("call", "revision", Names::Revisions),
    ("token", "name", Names::Services),
    ("proxy", "name", Names::Services),
    ("proxy", "tag", Names::Tags),
    ("proxy", "revision", Names::Revisions),
    ("list", "names", Names::Services),
    ("describe", "name", Names::Services),
    ("revisions", "name", Names::Services),
    ("logs", "name", Names::Services),
    ("logs", "revision", Names::Revisions),
    ("delete", "names", Names::Services),
    ("explain", "name", Names::Services),
    ("cost", "name", Names::Services),
];

/// The command line, with the names of the cluster that it is about.
pub(crate) fn command() -> Command {
    let completed =
        |names| move |arg: Arg| arg.add(ArgValueCandidates::new(move || candidates(names)));
    let command = Cli::command().mut_arg("namespace", completed(Names::Namespaces));
    COMPLETED.into_iter().fold(command, |command, (sub, arg, names)| {
        command.mut_subcommand(sub, |sub| positioned(sub).mut_arg(arg, completed(names)))
    })
}

/// The command with the places of its positional arguments written down: a change of one moves it to the end.
fn positioned(command: Command) -> Command {
    let mut place = 0;
    command.mut_args(|arg| {
        if !arg.is_positional() || arg.get_index().is_some() {
            return arg;
        }
        place += 1;
        arg.index(place)
    })
}

/// The names; none where the cluster does not answer.
fn candidates(names: Names) -> Vec<CompletionCandidate> {
    let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else {
        return Vec::new();
    };
    let global = typed(std::env::args_os());
    let found =
        runtime.block_on(async { tokio::time::timeout(TIMEOUT, find(names, &global)).await });
    found.ok().flatten().unwrap_or_default().into_iter().map(CompletionCandidate::new).collect()
}

async fn find(names: Names, global: &Global) -> Option<Vec<String>> {
    let target = Target::connect(global).await.ok()?;
    let (client, namespace) = (target.client, target.namespace.as_str());
    let services = || Api::<Service>::namespaced(client.clone(), namespace);
    let revisions = || Api::<Revision>::namespaced(client.clone(), namespace);
    match names {
        Names::Services => named(services()).await,
        Names::Revisions => named(revisions()).await,
        Names::Tags => tags(services()).await,
        Names::Targets => {
            let latest = ["@latest".to_owned()].into_iter();
            let targets = latest.chain(tags(services()).await?).chain(named(revisions()).await?);
            Some(targets.map(|target| format!("{target}=")).collect())
        }
        Names::Namespaces => named(Api::<Namespace>::all(client)).await,
    }
}

async fn some<K>(api: Api<K>) -> Option<Vec<K>>
where
    K: Clone + Debug + DeserializeOwned,
{
    api.list(&ListParams::default().limit(NAMES_MAX)).await.ok().map(|list| list.items)
}

async fn named<K>(api: Api<K>) -> Option<Vec<String>>
where
    K: kube::Resource + Clone + Debug + DeserializeOwned,
{
    let objects = some(api).await?;
    Some(objects.iter().filter_map(|object| object.meta().name.clone()).collect())
}

async fn tags(services: Api<Service>) -> Option<Vec<String>> {
    let traffic = some(services).await?.into_iter().flat_map(|service| service.spec.traffic);
    Some(traffic.filter_map(|target| target.tag).collect())
}

/// The options that choose a cluster, of the words that were typed so far.
fn typed(words: impl Iterator<Item = OsString>) -> Global {
    let mut global = Global::default();
    let mut words = words.skip_while(|word| word != "--").skip(1).peekable();
    while let Some(word) = words.next() {
        let Some(word) = word.to_str().map(str::to_owned) else { continue };
        let (name, value) = match word.split_once('=') {
            Some((name, value)) => (name.to_owned(), Some(OsString::from(value))),
            None => (word, words.peek().cloned()),
        };
        let text = || value.clone().and_then(|value| value.into_string().ok());
        match name.as_str() {
            "-n" | "--namespace" => global.namespace = text(),
            "--context" => global.context = text(),
            "--kubeconfig" => global.kubeconfig = value.map(Into::into),
            "--data-dir" => global.data_dir = value.map(Into::into),
            _ => {}
        }
    }
    global
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_with_names_is_whole_and_reads_arguments_in_their_order() {
        command().debug_assert();
        let read = command().try_get_matches_from(["rouse", "call", "shop", "/path"]).unwrap();
        let call = read.subcommand_matches("call").unwrap();
        assert_eq!(call.get_one::<String>("name").map(String::as_str), Some("shop"));
        assert_eq!(call.get_one::<String>("path").map(String::as_str), Some("/path"));
    }

    #[test]
    fn the_cluster_is_the_one_that_was_typed() {
        let words = ["rouse", "-n", "no", "--", "rouse", "call", "-n", "shop", "--data-dir=/d", ""];
        let global = typed(words.into_iter().map(OsString::from));
        assert_eq!(global.namespace.as_deref(), Some("shop"));
        assert_eq!(global.data_dir.as_deref(), Some(std::path::Path::new("/d")));
        assert_eq!(global.context, None);
    }
}
