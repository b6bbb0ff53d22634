//! Options of `logs`.

use clap::Args;
use rouse_k8s::GoDuration;

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  rouse logs hello                       all pods; at zero, what the last one wrote
  rouse logs hello -f --tail 20          the last 20 lines, and what comes
  rouse logs hello --previous            what a container wrote before it was started again
  rouse logs hello --since 5m -o json    one JSON object a line")]
pub(crate) struct Logs {
    /// Name of the service
    pub(crate) name: String,
    /// Keep printing, of pods that come later as well
    #[arg(short, long, conflicts_with = "previous")]
    pub(crate) follow: bool,
    /// Of the run before: what a container wrote until it ended or crashed
    #[arg(short, long)]
    pub(crate) previous: bool,
    /// Only lines that are newer than this, such as 30s, 5m or 1h
    #[arg(long, value_name = "DURATION", value_parser = positive_duration)]
    pub(crate) since: Option<GoDuration>,
    /// Put the time before each line
    #[arg(long)]
    pub(crate) timestamps: bool,
    /// Of this container only
    #[arg(short, long, value_name = "NAME")]
    pub(crate) container: Option<String>,
    /// How many of the last lines, of each container
    #[arg(long, visible_alias = "limit", value_name = "LINES", value_parser = clap::value_parser!(i64).range(0..))]
    pub(crate) tail: Option<i64>,
    /// Of this revision only
    #[arg(long, value_name = "REVISION")]
    pub(crate) revision: Option<String>,
}

/// A span of time that ended before now.
fn positive_duration(text: &str) -> Result<GoDuration, String> {
    let duration = GoDuration::parse(text).map_err(|error| error.to_string())?;
    if duration.to_std().is_zero() {
        return Err("write a time span such as 30s, 5m or 1h".to_owned());
    }
    Ok(duration)
}
