//! The program in the containers of the tests: answers HTTP on `PORT`, or does what it is told.
//!
//! `GET /env?NAME` gives a variable, `/args` the arguments, `/file?PATH` a file, `/cwd` the working
//! directory, `/dir?PATH` the names in a directory, `/port?NUMBER` what answers on that port of
//! localhost, `/write?PATH=TEXT` writes a file, `/eat` takes memory until it is stopped, `/exit` ends the
//! program with code 7.
//!
//! With the arguments `write PATH TEXT` it writes a file and ends; with `fail` it fails.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::process::ExitCode;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match args.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["write", path, text] => {
            let written = std::fs::write(path, text);
            eprintln!("{path}: {written:?}");
            return if written.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE };
        }
        ["fail"] => return ExitCode::FAILURE,
        _ => {}
    }
    let port = std::env::var("PORT").ok().and_then(|port| port.parse().ok()).unwrap_or(8080);
    let listener = match TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)) {
        Ok(listener) => listener,
        Err(error) => {
            eprintln!("cannot listen on {port}: {error}");
            return ExitCode::FAILURE;
        }
    };
    println!("listening on {port}");
    for stream in listener.incoming().flatten() {
        answer(stream);
    }
    ExitCode::SUCCESS
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
        "/dir" => names(query),
        "/port" => ask(query).unwrap_or_else(|error| error.to_string()),
        "/write" => {
            let (path, text) = query.split_once('=').unwrap_or((query, ""));
            std::fs::write(path, text).map_or_else(|e| e.to_string(), |()| "written".to_owned())
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

fn names(dir: &str) -> String {
    let entries = match std::fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) => return error.to_string(),
    };
    let name = |entry: std::fs::DirEntry| entry.file_name().to_string_lossy().into_owned();
    let mut names: Vec<String> = entries.flatten().map(name).collect();
    names.sort();
    names.join(" ")
}

fn ask(port: &str) -> std::io::Result<String> {
    let port: u16 = port.parse().map_err(std::io::Error::other)?;
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    stream.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")?;
    let mut text = String::new();
    stream.read_to_string(&mut text)?;
    Ok(text.split("\r\n\r\n").nth(1).unwrap_or_default().to_owned())
}

fn eat() -> String {
    let mut all = Vec::new();
    for _ in 0..2048 {
        all.push(vec![1_u8; 1 << 20]);
    }
    all.len().to_string()
}
