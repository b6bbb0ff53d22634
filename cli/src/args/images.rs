//! Options of `images`, and of the hidden digits example.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use rouse_k8s::GoDuration;

use super::examples;

#[derive(Debug, Args)]
#[command(after_help = examples::IMAGES)]
pub(crate) struct Images {
    #[command(subcommand)]
    pub(crate) command: Option<ImagesCommand>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ImagesCommand {
    /// List the images, their sizes, and the Revisions that use them
    #[command(visible_alias = "ls")]
    #[command(after_help = examples::IMAGES_LIST)]
    List,
    /// Bring in the images of an archive, as docker save, podman save or skopeo write it
    #[command(visible_alias = "load")]
    Import(ImportImages),
    /// Remove images by their names
    #[command(visible_alias = "remove")]
    Rm(RmImages),
    /// Remove the images that no Revision and nothing else refers to
    Prune(PruneImages),
}

#[derive(Debug, Args)]
#[command(after_help = examples::IMAGES_IMPORT)]
pub(crate) struct ImportImages {
    /// Archive, compressed or not; - is stdin
    pub(crate) file: PathBuf,
    /// Name of the image, instead of the one in the archive
    #[arg(long, short = 't', visible_alias = "tag", value_name = "NAME")]
    pub(crate) image: Option<String>,
}

#[derive(Debug, Args)]
#[command(after_help = examples::IMAGES_RM)]
pub(crate) struct RmImages {
    /// Names of the images, or NAME@DIGEST
    #[arg(required = true, value_name = "IMAGE")]
    pub(crate) images: Vec<String>,
    /// Also those that Revisions use, which then cannot start
    #[arg(short, long)]
    pub(crate) force: bool,
}

#[derive(Debug, Args)]
#[command(after_help = examples::IMAGES_PRUNE)]
pub(crate) struct PruneImages {
    /// Say what would be removed, and remove nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Only images that were made longer ago than this
    #[arg(long, value_name = "DURATION", default_value = "10m", value_parser = GoDuration::parse)]
    pub(crate) older_than: GoDuration,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Digits {
    /// Train both models, each into a folder that `rouse build` takes
    Train {
        /// Where the folders v1 and v2 go
        dir: PathBuf,
    },
    /// Serve one model on $PORT
    Serve {
        /// Model file
        #[arg(long, value_name = "FILE")]
        model: PathBuf,
    },
}
