//! Frames of HTTP/2 written by hand: a library would not let a client be rude.

use std::io::Write;
use std::net::{SocketAddr, TcpStream};

use anyhow::Context;

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const SETTINGS: u8 = 4;
const WINDOW_UPDATE: u8 = 8;
const HEADERS: u8 = 1;
const END_STREAM_AND_HEADERS: u8 = 5;

/// A connection with this many requests, and all the window that there can be.
pub(crate) fn ask_and_read_nothing(
    address: SocketAddr,
    host: &str,
    path: &str,
    streams: u32,
) -> anyhow::Result<TcpStream> {
    let mut stream = TcpStream::connect(address)?;
    let mut bytes = PREFACE.to_vec();
    // SETTINGS_INITIAL_WINDOW_SIZE.
    bytes.extend(frame(SETTINGS, 0, 0, &[0, 4, 0x7f, 0xff, 0xff, 0xff])?);
    bytes.extend(frame(WINDOW_UPDATE, 0, 0, &0x7000_0000_u32.to_be_bytes())?);
    let head =
        block(&[(":method", "GET"), (":scheme", "http"), (":path", path), (":authority", host)])?;
    for number in 0..streams {
        bytes.extend(frame(HEADERS, END_STREAM_AND_HEADERS, 2 * number + 1, &head)?);
    }
    stream.write_all(&bytes)?;
    Ok(stream)
}

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> anyhow::Result<Vec<u8>> {
    let length = u32::try_from(payload.len())?.to_be_bytes();
    let mut bytes = length[1..].to_vec();
    bytes.extend([kind, flags]);
    bytes.extend(stream.to_be_bytes());
    bytes.extend(payload);
    Ok(bytes)
}

/// A header block of literals that are not indexed.
fn block(fields: &[(&str, &str)]) -> anyhow::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    for (name, value) in fields {
        bytes.push(0);
        for text in [name, value] {
            let length = u8::try_from(text.len()).ok().filter(|length| *length < 127);
            bytes.push(length.context("too long for one byte")?);
            bytes.extend(text.as_bytes());
        }
    }
    Ok(bytes)
}
