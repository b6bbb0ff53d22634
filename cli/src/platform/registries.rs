//! Registries as `rouse up` is told of them.

use rouse_image::Registries;

use crate::args::Up;
use crate::outcome::{Context, Failure, Result};

/// The configuration of registries that the arguments make.
pub(super) fn registries(args: &Up) -> Result<Registries> {
    let mut registries = match &args.registry_config {
        None => Registries::default(),
        Some(file) => Registries::read(file)
            .or_fail(|| format!("--registry-config {} cannot be used", file.display()))?,
    };
    for host in &args.insecure_registries {
        let allowed = registries.allow_insecure(host);
        allowed.map_err(|why| Failure::usage(format!("--insecure-registry {why}")))?;
    }
    Ok(registries)
}

/// A note on the keys of the file that have no effect.
pub(super) fn unused(args: &Up, registries: &Registries) -> Option<String> {
    let (file, unused) = (args.registry_config.as_ref()?, registries.unused());
    (!unused.is_empty()).then(|| format!("no effect in {}: {}", file.display(), unused.join(", ")))
}
