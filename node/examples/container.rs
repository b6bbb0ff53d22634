//! The program in the containers of the tests: answers HTTP on `PORT`, or does what it is told.
//!
//! `GET /env?NAME` gives a variable, `/args` the arguments, `/file?PATH` a file, `/cwd` the working
//! directory, `/eat` takes memory until it is stopped, `/exit` ends the program with code 7.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};

fn main() {
    let port = std::env::var("PORT").ok().and_then(|port| port.parse().ok()).unwrap_or(8080);
    let listener = match TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)) {
        Ok(listener) => listener,
        Err(error) => {
            eprintln!("cannot listen on {port}: {error}");
            return;
        }
    };
    println!("listening on {port}");
    for stream in listener.incoming().flatten() {
        answer(stream);
    }
}

#[expect(clippy::exit, reason = "told to, by the request")]
fn answer(mut stream: TcpStream) {
    let mut line = String::new();
    if BufReader::new(&stream).read_line(&mut line).is_err() {
        return;
    }
    let target = line.split(' ').nth(1).unwrap_or_default();
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let text = match path {
        "/env" => std::env::var(query).unwrap_or_default(),
        "/args" => std::env::args().skip(1).collect::<Vec<_>>().join(" "),
        "/file" => std::fs::read_to_string(query).unwrap_or_else(|error| error.to_string()),
        "/cwd" => {
            std::env::current_dir().map_or_else(|e| e.to_string(), |d| d.display().to_string())
        }
        "/eat" => eat(),
        "/exit" => {
            eprintln!("told to exit");
            std::process::exit(7)
        }
        _ => "hello".to_owned(),
    };
    let length = text.len();
    // A client that went away needs no answer.
    let _ = write!(
        stream,
        "HTTP/1.1 200 OK\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{text}"
    );
}

fn eat() -> String {
    let mut all = Vec::new();
    for _ in 0..2048 {
        all.push(vec![1_u8; 1 << 20]);
    }
    all.len().to_string()
}
