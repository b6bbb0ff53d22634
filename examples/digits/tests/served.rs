//! The example's promises: both models are as good as stated, and served predictions are the
//! model's own.

#![expect(clippy::disallowed_methods, reason = "a double ends with its test")]
#![expect(clippy::unwrap_used, reason = "in a test a failed step is the failure")]

use std::net::SocketAddr;

use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use rouse_digits::{Model, held_out, serve, train};
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;

fn models() -> Vec<Model> {
    train().unwrap()
}

#[test]
fn the_second_model_is_clearly_better_and_both_are_as_stated() {
    let models = models();
    let [v1, v2] = models.as_slice() else { panic!("two models") };
    assert_eq!((v1.version.as_str(), v2.version.as_str()), ("v1", "v2"));
    assert!(v1.accuracy > 0.55 && v1.accuracy < 0.75, "{}", v1.accuracy);
    assert!(v2.accuracy > 0.97, "{}", v2.accuracy);
}

#[test]
fn a_saved_model_predicts_what_it_did_before() {
    let dir = std::env::temp_dir().join(format!("digits-{}", std::process::id()));
    std::fs::create_dir_all(&dir).unwrap();
    let images: Vec<_> = held_out().into_iter().map(|digit| digit.pixels).collect();
    for model in models() {
        let path = dir.join(&model.version);
        model.save(&path).unwrap();
        let loaded = Model::load(&path).unwrap();
        assert_eq!(loaded.predict(&images).unwrap(), model.predict(&images).unwrap());
        assert_eq!(loaded.accuracy, model.accuracy);
    }
    std::fs::write(dir.join("v1"), "{}").unwrap();
    let error = Model::load(&dir.join("v1")).unwrap_err().to_string();
    assert!(error.contains("is not a model file") && error.contains("digits train"), "{error}");
    std::fs::remove_dir_all(dir).unwrap();
}

struct Server {
    address: SocketAddr,
    end: oneshot::Sender<()>,
    task: tokio::task::JoinHandle<()>,
}

async fn start(model: Model) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (end, ended) = oneshot::channel();
    let ended = async { ended.await.unwrap() };
    let task = tokio::spawn(serve(listener, model, "digits-00007".to_owned(), ended));
    Server { address, end, task }
}

struct Answer {
    status: StatusCode,
    version: String,
    json: Value,
}

async fn call(address: SocketAddr, method: Method, path: &str, body: impl ToString) -> Answer {
    let stream = TcpStream::connect(address).await.unwrap();
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let body = Full::new(Bytes::from(body.to_string()));
    let request =
        Request::builder().method(method).uri(path).header("host", "digits").body(body).unwrap();
    let response = sender.send_request(request).await.unwrap();
    let status = response.status();
    let version = response.headers()["x-model-version"].to_str().unwrap().to_owned();
    assert_eq!(response.headers()["x-revision"], "digits-00007");
    let bytes = response.into_body().collect().await.unwrap().to_bytes();
    Answer { status, version, json: serde_json::from_slice(&bytes).unwrap() }
}

const PREDICT: &str = "/v1/models/digits:predict";

#[tokio::test]
async fn served_answers_are_the_models_own() {
    let images: Vec<_> = held_out().into_iter().map(|digit| digit.pixels).collect();
    for model in models() {
        let direct = model.predict(&images).unwrap();
        let version = model.version.clone();
        let server = start(model).await;
        let answer =
            call(server.address, Method::POST, PREDICT, json!({"instances": images})).await;
        assert_eq!(answer.status, StatusCode::OK);
        assert_eq!(answer.version, version);
        assert_eq!(
            answer.json,
            json!({"predictions": direct, "version": version, "revision": "digits-00007"})
        );
    }
}

#[tokio::test]
async fn the_model_says_that_it_is_ready() {
    let server = start(models().remove(0)).await;
    let answer = call(server.address, Method::GET, "/v1/models/digits", "").await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!((&answer.json["name"], &answer.json["ready"]), (&json!("digits"), &json!(true)));
}

#[tokio::test]
async fn bad_requests_are_refused_with_a_sentence() {
    let server = start(models().remove(0)).await;
    for (method, path, body, status, says) in [
        (Method::POST, PREDICT, "{", 400, "instances"),
        (
            Method::POST,
            PREDICT,
            "{\"instances\": [[1, 2]]}",
            400,
            "instance 0 has 2 values; an image has 64",
        ),
        (Method::POST, PREDICT, "{\"instances\": \"x\"}", 400, "instances"),
        (Method::GET, PREDICT, "", 405, "POST"),
        (Method::POST, "/v1/models/digits", "", 405, "GET"),
        (Method::GET, "/v1/models/letters", "", 404, "/v1/models/digits"),
    ] {
        let answer = call(server.address, method, path, body).await;
        assert_eq!(answer.status.as_u16(), status, "{path} {body}");
        let error = answer.json["error"].as_str().unwrap();
        assert!(error.contains(says), "{error}");
    }
}

#[tokio::test]
async fn a_stopping_server_answers_begun_requests_and_takes_no_new_ones() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let server = start(models().remove(0)).await;
    let body = json!({"instances": [held_out()[0].pixels]}).to_string();
    let (first, rest) = body.split_at(10);
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    let head = format!(
        "POST {PREDICT} HTTP/1.1\r\nhost: d\r\nexpect: 100-continue\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    // The interim answer shows that the request was begun before the end.
    let mut interim = [0; 25];
    stream.read_exact(&mut interim).await.unwrap();
    stream.write_all(first.as_bytes()).await.unwrap();
    server.end.send(()).unwrap();
    stream.write_all(rest.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    server.task.await.unwrap();
    assert!(TcpStream::connect(server.address).await.is_err());
}
