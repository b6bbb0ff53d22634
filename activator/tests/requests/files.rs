//! Open files run short: clients wait or are refused, no request fails for it, no pod is blamed.
//!
//! The gateway runs in a process of its own, since the limit is per process: this test, started
//! once more. The clients and the pod are here.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http_body_util::Full;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::net::TcpStream;
use tokio::net::unix::pipe;
use tokio::process::{Child, ChildStdout, Command};
use tokio::sync::mpsc;
use tokio::time::timeout;

use crate::harness::{Client, Gate, HOST, SOON, Spec, get, one_pod, read, server, spawn, text};

const LIMIT: u64 = 256;
/// Far more than may be connected at a time.
const CLIENTS: usize = 400;
const REQUESTS: usize = 5;
const STREAMS: usize = 400;
/// The gateway's limit for one connection.
const STREAMS_EACH: usize = 100;
/// The environment variable that gives the gateway's process the pod's address.
const POD: &str = "GATEWAY_OF_POD";
const TEST: &str = "files::where_open_files_are_short_clients_wait_and_no_pod_is_blamed";

#[tokio::test]
async fn where_open_files_are_short_clients_wait_and_no_pod_is_blamed() {
    match std::env::var(POD) {
        Ok(pod) => gateway(pod.parse().expect("an address")).await,
        Err(_) => clients().await,
    }
}

/// Serves until stdin ends. Prints its address first, and the number of pods in the rotation last.
async fn gateway(pod: SocketAddr) {
    let limits = rustix::process::Rlimit { current: Some(64), maximum: Some(LIMIT) };
    rustix::process::setrlimit(rustix::process::Resource::Nofile, limits).expect("lower");
    assert_eq!(rouse_kit::files::raise_limit().expect("allowed"), LIMIT);
    rouse_kit::telemetry::init("info", rouse_kit::telemetry::Format::Text);
    let stage = one_pod(Spec::default(), pod).await;
    println!("\n{}", stage.handle.public_addr());
    let stdin = std::io::stdin().as_fd().try_clone_to_owned().expect("a descriptor");
    let mut stdin = pipe::Receiver::from_owned_fd(stdin).expect("a pipe");
    stdin.read_to_end(&mut Vec::new()).await.expect("a pipe");
    println!("pods: {}", stage.handle.stats().pods);
}

type Said = Lines<BufReader<ChildStdout>>;

fn start(pod: SocketAddr) -> Child {
    Command::new(std::env::current_exe().expect("this file"))
        .args(["--exact", TEST, "--nocapture"])
        .env(POD, pod.to_string())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .expect("it starts")
}

/// The first result of `read` on a line of the gateway.
async fn said<T>(lines: &mut Said, read: impl Fn(&str) -> Option<T>) -> T {
    let saying = async {
        loop {
            let line = lines.next_line().await.expect("a pipe").expect("it says so");
            if let Some(found) = read(&line) {
                break found;
            }
        }
    };
    timeout(SOON, saying).await.expect("it says so in time")
}

/// Sends requests one after another, over a new connection where the last one was closed.
async fn client(address: SocketAddr) -> Vec<u16> {
    let mut client = Client::connect(address).await;
    let mut codes = Vec::new();
    while codes.len() < REQUESTS {
        match client.send(get("/")).await {
            Ok(response) => {
                let closes = response.headers().contains_key("connection");
                codes.push(read(response).await.0.as_u16());
                if closes {
                    client = Client::connect(address).await;
                }
            }
            Err(error) => panic!("request {} got no answer: {error:?}", codes.len()),
        }
    }
    codes
}

/// The codes that come back for [`STREAMS`] requests at a time over a few HTTP/2 connections.
async fn streams(address: SocketAddr) -> mpsc::UnboundedReceiver<u16> {
    let (codes, received) = mpsc::unbounded_channel();
    for _ in 0..STREAMS / STREAMS_EACH {
        let stream = TcpStream::connect(address).await.expect("it listens");
        let handshake =
            hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream));
        let (mut sender, connection) = handshake.await.expect("h2c");
        spawn(connection);
        for _ in 0..STREAMS_EACH {
            let uri = format!("http://{HOST}/held");
            let request = Request::get(uri).body(Full::<Bytes>::default()).expect("a request");
            sender.ready().await.expect("open");
            let (answer, codes) = (sender.send_request(request), codes.clone());
            spawn(async move {
                let code = answer.await.expect("an answer").status().as_u16();
                codes.send(code).expect("awaited");
            });
        }
    }
    received
}

async fn clients() {
    rouse_kit::files::raise_limit().expect("allowed");
    let (gate, held) = (Gate::shut(), Arc::new(AtomicUsize::new(0)));
    let (inner, holding) = (gate.clone(), Arc::clone(&held));
    let pod = server(move |request| {
        let (gate, held) = (inner.clone(), Arc::clone(&holding));
        async move {
            if request.uri().path() == "/held" {
                held.fetch_add(1, Ordering::SeqCst);
                gate.pass().await;
            }
            text("hello")
        }
    })
    .await;
    let mut gateway = start(pod);
    let mut lines = BufReader::new(gateway.stdout.take().expect("piped")).lines();
    let address: SocketAddr = said(&mut lines, |line| line.parse().ok()).await;
    let running: Vec<_> = (0..CLIENTS).map(|_| spawn(client(address))).collect();
    let mut codes = BTreeMap::<u16, usize>::new();
    let all = async {
        for one in running {
            for code in one.await.expect("every request is answered") {
                *codes.entry(code).or_default() += 1;
            }
        }
    };
    timeout(Duration::from_secs(60), all).await.expect("all have their turn");
    println!("open files: {LIMIT}, clients: {CLIENTS}, answers by code: {codes:?}");

    // Few clients, each with many requests at a time, and so with many connections to the pod.
    let mut streams = streams(address).await;
    let mut refused = 0;
    let filling = async {
        while refused + held.load(Ordering::SeqCst) < STREAMS {
            tokio::select! {
                Some(code) = streams.recv() => {
                    assert_eq!(code, 503);
                    refused += 1;
                }
                () = tokio::task::yield_now() => {}
            }
        }
    };
    timeout(SOON, filling).await.expect("each is held or refused");
    gate.let_through(STREAMS);
    let mut served = 0;
    while let Some(code) = timeout(SOON, streams.recv()).await.expect("all are answered") {
        assert_eq!(code, 200);
        served += 1;
    }
    println!("open files: {LIMIT}, streams: {STREAMS}, 503: {refused}, 200: {served}");
    assert!(served >= 100 && refused >= 100 && served + refused == STREAMS);

    // The gateway serves new clients.
    assert_eq!(client(address).await, [200; REQUESTS]);
    gateway.stdin.take().expect("piped").shutdown().await.expect("open");
    let pods = said(&mut lines, |line| Some(line.strip_prefix("pods: ")?.to_owned())).await;
    let mut log = String::new();
    gateway.stderr.take().expect("piped").read_to_string(&mut log).await.expect("text");
    assert_eq!(codes.keys().copied().collect::<Vec<_>>(), [200], "{log}");
    assert_eq!(codes[&200], CLIENTS * REQUESTS);
    assert_eq!(pods, "1", "the pod is still used: {log}");
    assert_eq!(log.matches("open files are short").count(), 1, "{log}");
}
