//! Options of the commands about services that exist.

use clap::Args;

use super::examples;
use super::values::items;

#[derive(Debug, Args)]
pub(crate) struct Named {
    /// Name of the service
    pub(crate) name: String,
}

#[derive(Debug, Args)]
#[command(after_help = examples::TRAFFIC)]
pub(crate) struct Traffic {
    /// Name of the service
    pub(crate) name: String,
    /// TARGET=PERCENT: a revision, a tag, or @latest
    #[arg(value_name = "TARGET=PERCENT")]
    shares: Vec<String>,
    /// All to the latest revision, and to each later one
    #[arg(long, conflicts_with_all = ["shares", "to_revisions", "to_tags"])]
    to_latest: bool,
    /// TARGET=PERCENT,…, of which LATEST is @latest
    #[arg(long, visible_alias = "traffic", value_name = "LIST")]
    to_revisions: Vec<String>,
    /// TAG=PERCENT,…
    #[arg(long, value_name = "LIST")]
    to_tags: Vec<String>,
    /// Give a revision a host of its own, REVISION=TAG
    #[arg(long, value_name = "REVISION=TAG")]
    tag: Vec<String>,
    /// Give revisions hosts of their own, TAG=REVISION,…
    #[arg(long, value_name = "LIST")]
    update_tags: Vec<String>,
    /// Take a tag away
    #[arg(long, value_name = "TAG")]
    untag: Vec<String>,
    /// Take tags away, TAG,…
    #[arg(long, value_name = "TAGS")]
    remove_tags: Vec<String>,
}

impl Traffic {
    /// TARGET=PERCENT, by whichever option.
    pub(crate) fn shares(&self) -> Vec<String> {
        let mut shares = self.shares.clone();
        shares.extend(self.to_latest.then(|| "@latest=100".to_owned()));
        shares.extend(items(&self.to_revisions).into_iter().chain(items(&self.to_tags)));
        let latest = |share: String| match share.strip_prefix("LATEST=") {
            Some(percent) => format!("@latest={percent}"),
            None => share,
        };
        shares.into_iter().map(latest).collect()
    }

    /// REVISION=TAG, by whichever option.
    pub(crate) fn tags(&self) -> Vec<String> {
        let turned = items(&self.update_tags).into_iter().map(|item| match item.split_once('=') {
            Some((tag, "LATEST")) => format!("@latest={tag}"),
            Some((tag, revision)) => format!("{revision}={tag}"),
            None => item,
        });
        self.tag.iter().cloned().chain(turned).collect()
    }

    pub(crate) fn untags(&self) -> Vec<String> {
        self.untag.iter().cloned().chain(items(&self.remove_tags)).collect()
    }
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  rouse rollback hello                    to the revision that served before
  rouse rollback hello --to hello-00001   to that one
  rouse traffic hello @latest=100         forward again, and with every later deployment")]
pub(crate) struct Rollback {
    /// Name of the service
    pub(crate) name: String,
    /// Revision to send all requests to, instead of the one that served before
    #[arg(long, value_name = "REVISION")]
    pub(crate) to: Option<String>,
}

#[derive(Debug, Args)]
#[command(after_help = examples::LIST)]
pub(crate) struct List {
    /// Names; all where there are none
    #[arg(value_name = "NAME", conflicts_with_all = ["all_namespaces", "selector"])]
    pub(crate) names: Vec<String>,
    /// Only those with these labels, as a=b,c!=d
    #[arg(short = 'l', long, value_name = "LABELS")]
    pub(crate) selector: Option<String>,
    /// Go on, and print each that changes
    #[arg(short, long)]
    pub(crate) watch: bool,
    /// Of all namespaces
    #[arg(short = 'A', long)]
    pub(crate) all_namespaces: bool,
}

#[derive(Debug, Args)]
#[command(after_help = examples::TOP)]
pub(crate) struct Top {
    /// Of all namespaces
    #[arg(short = 'A', long)]
    pub(crate) all_namespaces: bool,
    /// Print once and end; the default where stdout is no terminal
    #[arg(long)]
    pub(crate) once: bool,
    /// Seconds between two updates
    #[arg(long, value_name = "SECONDS", default_value_t = 2)]
    pub(crate) interval: u64,
}

#[derive(Debug, Args)]
#[command(after_help = examples::DELETE)]
pub(crate) struct Delete {
    /// Names of the services
    #[arg(required = true)]
    pub(crate) names: Vec<String>,
}
