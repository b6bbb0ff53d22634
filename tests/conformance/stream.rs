//! A connection of HTTP/1.1 that is read piece by piece: streams, upgrades, clients that leave.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use anyhow::{Context, ensure};
use serde_json::Value;

use crate::cluster::Space;

pub(crate) struct Stream(BufReader<TcpStream>);

/// The status of an answer and its header fields, names in lower case.
pub(crate) struct Head {
    pub(crate) status: u16,
    pub(crate) lines: String,
}

impl Stream {
    /// Sends `GET path` with more header lines, each with its line's end.
    pub(crate) fn get(
        space: &Space<'_>,
        object: &Value,
        path: &str,
        more: &str,
    ) -> anyhow::Result<Self> {
        let (gateway, host) = space.at(&object["status"]["url"])?;
        let mut stream = TcpStream::connect(gateway)?;
        stream.set_read_timeout(Some(Duration::from_secs(30)))?;
        write!(stream, "GET {path} HTTP/1.1\r\nHost: {host}\r\n{more}\r\n")?;
        Ok(Self(BufReader::new(stream)))
    }

    /// One that asks for a WebSocket; once the pod took it.
    pub(crate) fn websocket(space: &Space<'_>, object: &Value) -> anyhow::Result<Self> {
        let asks = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
        let mut stream = Self::get(space, object, "/upgrade", asks)?;
        let head = stream.head()?;
        ensure!(head.status == 101, "{}", head.lines);
        let accepted = "sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";
        ensure!(head.lines.contains(accepted), "{}", head.lines);
        Ok(stream)
    }

    pub(crate) fn head(&mut self) -> anyhow::Result<Head> {
        let mut lines = String::new();
        while !lines.ends_with("\r\n\r\n") {
            ensure!(self.0.read_line(&mut lines)? > 0, "it was closed after {lines:?}");
        }
        let status = lines.split(' ').nth(1).context("a status")?.parse()?;
        let lower = lines.lines().map(|line| match line.split_once(':') {
            Some((name, value)) => format!("{}:{value}\n", name.to_ascii_lowercase()),
            None => format!("{line}\n"),
        });
        Ok(Head { status, lines: lower.collect() })
    }

    /// The next chunk of the body; none at its end.
    pub(crate) fn chunk(&mut self) -> anyhow::Result<Option<String>> {
        let mut line = String::new();
        ensure!(self.0.read_line(&mut line)? > 0, "the body broke off");
        let size = usize::from_str_radix(line.trim(), 16).with_context(|| line.clone())?;
        let mut bytes = vec![0; size + 2];
        self.0.read_exact(&mut bytes).context("the body broke off in a chunk")?;
        bytes.truncate(size);
        Ok(if size == 0 { None } else { Some(String::from_utf8(bytes)?) })
    }

    /// Bytes of an upgraded connection, sent and awaited again.
    pub(crate) fn echoed(&mut self, text: &str) -> anyhow::Result<()> {
        self.0.get_mut().write_all(text.as_bytes())?;
        let mut back = vec![0; text.len()];
        self.0.read_exact(&mut back)?;
        ensure!(back == text.as_bytes(), "{}", String::from_utf8_lossy(&back));
        Ok(())
    }

    /// What is left until it is closed.
    pub(crate) fn rest(&mut self) -> anyhow::Result<String> {
        let mut text = String::new();
        self.0.read_to_string(&mut text)?;
        Ok(text)
    }
}
