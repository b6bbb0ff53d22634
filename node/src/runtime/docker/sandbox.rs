//! The container that holds the network of a pod with several containers.
//!
//! The pod's containers join its network, so that each of them can be restarted alone and the pod
//! keeps its address. It runs a program of some 130 bytes that only waits; the image with it is made
//! here, so nothing is pulled. A pod of one container has none.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use bollard::Docker;
use bollard::models::ContainerCreateBody;
use bollard::query_parameters::{
    CreateContainerOptions, CreateContainerOptionsBuilder, CreateImageOptionsBuilder,
    InspectContainerOptions, StartContainerOptions,
};
use futures::TryStreamExt as _;

use super::container;
use super::end::remove_container;
use super::engine::{engine, is_code};
use crate::runtime::interface::Error;

const REPOSITORY: &str = "rouse/sandbox";
const TAG: &str = "1";
/// The image, by its name in the engine.
pub(super) const IMAGE: &str = "rouse/sandbox:1";
const PROGRAM: &str = "pause";
const FAILED: &str = "cannot start the container that holds the pod's network";

/// A running sandbox.
#[derive(Clone)]
pub(super) struct Sandbox {
    pub(super) id: String,
    pub(super) ip: Option<IpAddr>,
    /// The addresses at which the engine published the pod's ports.
    pub(super) published: BTreeMap<u16, SocketAddr>,
}

/// Starts a sandbox; `body` is its container without image and command, `name` is for people.
pub(super) async fn start(
    docker: &Docker,
    architecture: &str,
    name: &str,
    body: ContainerCreateBody,
) -> Result<Sandbox, Error> {
    let failed = engine(FAILED);
    let body = ContainerCreateBody {
        image: Some(IMAGE.to_owned()),
        entrypoint: Some(vec![format!("/{PROGRAM}")]),
        ..body
    };
    let named = CreateContainerOptionsBuilder::default().name(name).build();
    let create =
        |options: Option<CreateContainerOptions>| docker.create_container(options, body.clone());
    let created = match create(Some(named.clone())).await {
        Err(error) if is_code(&error, 404) => {
            import(docker, architecture).await?;
            create(Some(named)).await
        }
        // Another container may have the name.
        Err(error) if is_code(&error, 409) => create(None).await,
        created => created,
    };
    let id = created.map_err(&failed)?.id;
    let running = async {
        docker.start_container(&id, None::<StartContainerOptions>).await?;
        docker.inspect_container(&id, None::<InspectContainerOptions>).await
    };
    match running.await {
        Ok(inspected) => {
            let (ip, published) = (container::ip(&inspected), container::published(&inspected));
            Ok(Sandbox { id, ip, published })
        }
        Err(error) => {
            remove_container(docker, &id).await;
            Err(failed(error))
        }
    }
}

/// Whether a sandbox still runs. An engine that does not answer counts as running it.
pub(super) async fn runs(docker: &Docker, id: &str) -> bool {
    match docker.inspect_container(id, None::<InspectContainerOptions>).await {
        Ok(inspected) => inspected.state.and_then(|state| state.running) == Some(true),
        Err(error) => !is_code(&error, 404),
    }
}

/// Gives the engine the image.
async fn import(docker: &Docker, architecture: &str) -> Result<(), Error> {
    let failed = |why: String| Error::Engine { what: FAILED, why };
    let program = program(architecture)
        .ok_or_else(|| failed(format!("no program for an engine of {architecture}")))?;
    let archive = archive(&program).map_err(|error| failed(error.to_string()))?;
    let options =
        CreateImageOptionsBuilder::default().from_src("-").repo(REPOSITORY).tag(TAG).build();
    let imported =
        docker.create_image(Some(options), Some(bollard::body_full(archive.into())), None);
    imported.try_collect::<Vec<_>>().await.map(drop).map_err(engine(FAILED))
}

fn archive(program: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut header = tar::Header::new_ustar();
    header.set_size(program.len() as u64);
    header.set_mode(0o755);
    header.set_entry_type(tar::EntryType::Regular);
    let mut archive = tar::Builder::new(Vec::new());
    archive.append_data(&mut header, PROGRAM, program)?;
    archive.into_inner()
}

/// A static ELF program that waits for ever; `architecture` as the engine says it.
fn program(architecture: &str) -> Option<Vec<u8>> {
    const BASE: u64 = 0x40_0000;
    const HEADERS: u16 = 64 + 56;
    let (machine, code): (u16, &[u8]) = match architecture {
        // again: mov eax, 34 (pause); syscall; jmp again
        "amd64" => (0x3e, &[0xb8, 0x22, 0, 0, 0, 0x0f, 0x05, 0xeb, 0xf7]),
        // again: mov x0…x4, 0; mov x8, 73 (ppoll); svc 0; b again
        "arm64" => (
            0xb7,
            &[
                0x00, 0x00, 0x80, 0xd2, 0x01, 0x00, 0x80, 0xd2, 0x02, 0x00, 0x80, 0xd2, 0x03, 0x00,
                0x80, 0xd2, 0x04, 0x00, 0x80, 0xd2, 0x28, 0x09, 0x80, 0xd2, 0x01, 0x00, 0x00, 0xd4,
                0xf9, 0xff, 0xff, 0x17,
            ],
        ),
        _ => return None,
    };
    let size = u64::from(HEADERS) + code.len() as u64;
    let mut elf = Vec::new();
    // 64 bits, little-endian, version 1.
    elf.extend([0x7f, b'E', b'L', b'F', 2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    elf.extend(2_u16.to_le_bytes());
    elf.extend(machine.to_le_bytes());
    elf.extend(1_u32.to_le_bytes());
    // Entry point, program headers, section headers.
    for offset in [BASE + u64::from(HEADERS), 64, 0] {
        elf.extend(offset.to_le_bytes());
    }
    elf.extend(0_u32.to_le_bytes());
    for count in [64_u16, 56, 1, 0, 0, 0] {
        elf.extend(count.to_le_bytes());
    }
    // One segment to load, readable and executable.
    elf.extend(1_u32.to_le_bytes());
    elf.extend(5_u32.to_le_bytes());
    for value in [0, BASE, BASE, size, size, 0x1_0000] {
        elf.extend(value.to_le_bytes());
    }
    elf.extend(code);
    Some(elf)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;
    use std::process::Command;

    use super::*;

    #[test]
    fn the_program_of_a_sandbox_waits_until_it_is_ended() {
        assert!(program("riscv64").is_none());
        assert_eq!(program("arm64").unwrap().len(), 120 + 32);
        let here = match std::env::consts::ARCH {
            "x86_64" => "amd64",
            "aarch64" => "arm64",
            other => other,
        };
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(PROGRAM);
        std::fs::write(&path, program(here).unwrap()).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        let ended = Command::new("timeout").arg("0.2").arg(&path).status().unwrap();
        assert_eq!(ended.code(), Some(124), "ended by timeout, not by itself");
    }
}
