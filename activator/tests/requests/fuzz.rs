//! Bytes that no client and no pod would send: well-formed messages with random damage.
//!
//! `ROUSE_FUZZ_SEED` repeats a run, `ROUSE_FUZZ_CASES` makes it longer.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::Mutex;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::harness::{HOST, SOON, Spec, one_pod, says};
use crate::raw::{PREFACE, frame, raw_pod, request};

/// xorshift64*: the same numbers for the same seed, on every machine.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(bound.max(1)).expect("small")).expect("small")
    }
}

fn number(variable: &str, default: u64) -> u64 {
    std::env::var(variable).map_or(default, |text| text.parse().expect("a number"))
}

/// Pieces of messages that parsers take differently.
const PIECES: [&[u8]; 16] = [
    b"\r\n",
    b"\n",
    b"\r",
    b"\0",
    b" ",
    b":",
    b"\r\n\r\n",
    b"Transfer-Encoding: chunked\r\n",
    b"Content-Length: 5\r\n",
    b"Content-Length: -1\r\n",
    b"Host: other\r\n",
    b"HTTP/1.1 ",
    b"0\r\n\r\n",
    b"ffffffff\r\n",
    b"\xff\xfe",
    b"Connection: upgrade\r\nUpgrade: websocket\r\n",
];

/// One to four changes: bits, cuts, repeats, pieces.
fn damaged(message: &[u8], random: &mut Random) -> Vec<u8> {
    let mut bytes = message.to_vec();
    for _ in 0..=random.below(4) {
        let at = random.below(bytes.len() + 1);
        let end = (at + 1 + random.below(16)).min(bytes.len());
        match random.below(5) {
            0 => {
                if let Some(byte) = bytes.get_mut(at) {
                    *byte ^= 1 << random.below(8);
                }
            }
            1 => bytes.truncate(at),
            2 => drop(bytes.drain(at.min(end)..end)),
            3 => {
                let again = bytes[at.min(end)..end].to_vec();
                bytes.splice(at..at, again);
            }
            _ => drop(bytes.splice(at..at, PIECES[random.below(PIECES.len())].iter().copied())),
        }
    }
    bytes
}

fn requests() -> Vec<Vec<u8>> {
    // `:method: POST`, `:scheme: http`, `:path: /` of the static table, and a literal authority.
    let mut head = vec![0x83, 0x86, 0x84, 0x41];
    head.push(u8::try_from(HOST.len()).expect("short"));
    head.extend(HOST.as_bytes());
    let h2 = [
        PREFACE.to_vec(),
        frame(4, 0, 0, &[]),
        frame(1, 4, 1, &head),
        frame(0, 1, 1, b"hello"),
        frame(8, 0, 0, &1000_u32.to_be_bytes()),
        frame(6, 0, 0, &[0; 8]),
    ];
    let upgrade = ["Connection: upgrade", "Upgrade: websocket"];
    vec![
        request("GET /a?b=c", &["Accept: */*", "Cookie: a=b"]).into_bytes(),
        (request("POST /", &["Content-Length: 5"]) + "hello").into_bytes(),
        (request("POST /", &["Transfer-Encoding: chunked"]) + "5\r\nhello\r\n0\r\n\r\n")
            .into_bytes(),
        (request("PUT /", &["Expect: 100-continue", "Content-Length: 2"]) + "ok").into_bytes(),
        request("GET /", &upgrade).into_bytes(),
        request("GET /", &[]).repeat(3).into_bytes(),
        h2.concat(),
    ]
}

fn answers() -> Vec<Vec<u8>> {
    [
        "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nx: y\r\n\r\n",
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 201 Created\r\ncontent-length: 0\r\n\r\n",
        "HTTP/1.1 204 No Content\r\n\r\n",
        "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\nx",
        "HTTP/1.0 200 OK\r\n\r\nuntil the end",
    ]
    .map(|text| text.as_bytes().to_vec())
    .to_vec()
}

/// Sends bytes, and perhaps that no more will come; what comes back until the connection is closed.
async fn exchange(address: std::net::SocketAddr, bytes: &[u8], ends: bool) -> Vec<u8> {
    let mut client = TcpStream::connect(address).await.expect("it listens");
    let mut seen = Vec::new();
    // It may be closed before all is sent, or with a reset.
    let _ = client.write_all(bytes).await;
    if ends {
        let _ = client.shutdown().await;
    }
    let reading = client.read_to_end(&mut seen);
    let _ = timeout(SOON, reading).await.unwrap_or_else(|_| panic!("never ends: {bytes:?}"));
    seen
}

#[tokio::test]
async fn damaged_requests_harm_no_other_request() {
    let (seed, cases) = (number("ROUSE_FUZZ_SEED", 7), number("ROUSE_FUZZ_CASES", 1500));
    println!("{cases} requests, seed {seed}");
    let stage = one_pod(Spec::default(), says("hello").await).await;
    let (mut random, messages) = (Random(seed.max(1)), requests());
    for case in 0..cases {
        let bytes = damaged(&messages[random.below(messages.len())], &mut random);
        if PREFACE.starts_with(&bytes) {
            // The rest of it is waited for as long as for any head, which is longer than a test.
            continue;
        }
        exchange(stage.handle.public_addr(), &bytes, true).await;
        assert_eq!(stage.panics(), 0, "case {case}: {:?}", String::from_utf8_lossy(&bytes));
    }
    stage.until(|stats| (stats.in_flight, stats.queued) == (0, 0)).await;
    assert_eq!(stage.get().await.1, "hello");
}

#[tokio::test]
async fn damaged_answers_harm_no_other_request() {
    let (seed, cases) = (number("ROUSE_FUZZ_SEED", 7), number("ROUSE_FUZZ_CASES", 1500));
    println!("{cases} answers, seed {seed}");
    let answer = Arc::new(Mutex::new(Vec::new()));
    let served = Arc::new(AtomicUsize::new(0));
    let (sent, count) = (Arc::clone(&answer), Arc::clone(&served));
    let pod = raw_pod(move |mut pod| {
        let (sent, count) = (Arc::clone(&sent), Arc::clone(&count));
        async move {
            pod.head().await;
            count.fetch_add(1, Ordering::SeqCst);
            let bytes = sent.lock().clone();
            // The gateway may have closed it by then.
            let _ = pod.0.write_all(&bytes).await;
        }
    });
    let stage = one_pod(Spec::default(), pod.await).await;
    let (mut random, messages) = (Random(seed.max(1)), answers());
    let ask = request("GET /", &["Connection: close"]);
    for case in 0..cases {
        let bytes = damaged(&messages[random.below(messages.len())], &mut random);
        answer.lock().clone_from(&bytes);
        let seen = exchange(stage.handle.public_addr(), ask.as_bytes(), false).await;
        let text = String::from_utf8_lossy(&bytes).into_owned();
        // Nothing, if the answer broke off before its head was written.
        let answered = seen.is_empty() || seen.starts_with(b"HTTP/1.1 ");
        assert!(answered, "case {case}: {text:?}");
        assert_eq!(stage.panics(), 0, "case {case}: {text:?}");
    }
    assert!(served.load(Ordering::SeqCst) >= usize::try_from(cases).expect("small"));
    answer.lock().clone_from(&answers()[0]);
    stage.until(|stats| (stats.in_flight, stats.queued) == (0, 0)).await;
    assert_eq!(stage.get().await.1, "hello");
}
