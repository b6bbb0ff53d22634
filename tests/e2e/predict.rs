//! Files of rows, scored through a service.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use rouse_tests::{Platform, wait};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

/// A model of the V1 protocol: the sum of each instance. It refuses a request that has a text in it,
/// and writes down each instance that it scored.
const MODEL: &str = "
import http.server, json, os, time
class Model(http.server.BaseHTTPRequestHandler):
    protocol_version = 'HTTP/1.1'
    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers['content-length'])))
        time.sleep(float(os.environ.get('TAKES', '0')))
        try:
            answer, status = {'predictions': [sum(row) for row in body['instances']]}, 200
        except (TypeError, KeyError) as error:
            answer, status = {'error': str(error)}, 400
        if self.path != '/v1/models/sums:predict':
            answer, status = {'error': 'no such model'}, 404
        if status == 200:
            with open(os.environ['SEEN'], 'a') as seen:
                seen.write(''.join(json.dumps(row) + '\\n' for row in body['instances']))
        text = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header('content-length', str(len(text)))
        self.end_headers()
        self.wfile.write(text)
    def log_message(self, *args):
        pass
http.server.ThreadingHTTPServer(('', int(os.environ['PORT'])), Model).serve_forever()
";

/// A platform with the model, and a folder for files.
struct Stage {
    platform: Platform,
    folder: tempfile::TempDir,
}

impl Stage {
    fn new(takes: &str) -> anyhow::Result<Self> {
        let (platform, folder) = (Platform::start_with("process")?, tempfile::tempdir()?);
        let source = folder.path().join("source");
        std::fs::create_dir(&source)?;
        std::fs::write(source.join("main.py"), MODEL)?;
        std::fs::write(source.join("Procfile"), "web: python3 main.py\n")?;
        let stage = Self { platform, folder };
        stage.platform.rouse_ok(&format!(
            "deploy sums --source {} --env SEEN={} --env TAKES={takes} --max-instances 3",
            source.display(),
            stage.at("seen").display()
        ))?;
        Ok(stage)
    }

    fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn words<'a>(input: &'a str, out: &'a str, more: &[&'a str]) -> Vec<&'a str> {
        let mut words = vec!["predict", "sums", "--input", input, "--output", out, "-o", "json"];
        words.extend(more);
        words
    }
}

fn text(path: &Path) -> anyhow::Result<&str> {
    path.to_str().context("a path of text")
}

fn lines(path: &Path) -> anyhow::Result<Vec<Value>> {
    let text = std::fs::read_to_string(path)?;
    text.lines().map(|line| Ok(serde_json::from_str(line)?)).collect()
}

#[test]
fn rows_are_scored_in_their_order_and_those_that_cannot_be_are_named() -> anyhow::Result<()> {
    let stage = Stage::new("0")?;
    let (input, out) = (stage.at("rows.csv"), stage.at("scores.jsonl"));
    let row = |n: usize| match n {
        3 => "c3,1\n".to_owned(),
        7 => "c7,x,2\n".to_owned(),
        _ => format!("c{n},{n},1\n"),
    };
    let rows: String = (1..=200).map(row).collect();
    std::fs::write(&input, format!("id,a,b\n{rows}"))?;
    let words = Stage::words(text(&input)?, text(&out)?, &["--key", "id", "--batch", "16"]);
    let done = stage.platform.rouse(&words)?;
    let said = String::from_utf8_lossy(&done.stderr).into_owned();
    assert_eq!(done.status.code(), Some(1), "two rows have no score: {said}");
    assert!(said.contains("rows.csv:4: it has 2 fields, and the heading has 3"), "{said}");
    assert!(said.contains("rows.csv:8: 400 Bad Request: {\"error\""), "{said}");
    let scores = lines(&out)?;
    assert_eq!(scores.len(), 200);
    for (at, score) in scores.iter().enumerate() {
        let n = at + 1;
        let known = (score["row"].as_u64(), score["key"].as_str());
        match n {
            3 => assert_eq!(known, (Some(3), None), "{score}"),
            7 => assert!(known == (Some(7), Some("c7")) && score["error"].is_string(), "{score}"),
            _ => {
                let whole = json!({ "row": n, "key": format!("c{n}"), "prediction": n + 1 });
                assert_eq!(*score, whole);
            }
        }
    }
    let summary: Value = serde_json::from_slice(&done.stdout)?;
    assert_eq!((&summary["rows"], &summary["failed"]), (&json!(200), &json!(2)), "{summary}");
    assert!(summary["cost"]["used"]["vCPU-s"].as_f64() > Some(0.0), "{summary}");
    let again = stage.platform.rouse(&words)?;
    assert_eq!(again.status.code(), Some(2), "finished scores are not written over");
    Ok(())
}

#[test]
fn a_job_that_was_interrupted_goes_on_and_scores_no_row_twice() -> anyhow::Result<()> {
    let stage = Stage::new("0.02")?;
    let (input, out) = (stage.at("rows.jsonl"), stage.at("scores.jsonl"));
    let rows: String = (0..300).map(|n| format!("[{n}]\n")).collect();
    std::fs::write(&input, rows)?;
    let more = ["--batch", "2", "--parallel", "4", "--no-cost"];
    let words = Stage::words(text(&input)?, text(&out)?, &more);
    let mut first = stage.platform.rouse_command(&words).spawn()?;
    let part = stage.at("scores.jsonl.part");
    wait::until("some scores", Duration::from_secs(30), || {
        let written = std::fs::read_to_string(&part).unwrap_or_default().lines().count();
        if written >= 20 { Ok(()) } else { Err(format!("{written} scores")) }
    })?;
    let pid = Pid::from_child(&first);
    kill_process(pid, Signal::INT)?;
    assert_eq!(first.wait()?.code(), Some(1));
    assert!(part.exists() && !out.exists(), "it is not whole");
    let resumed = lines(&part)?.len();
    let done = stage.platform.rouse(&words)?;
    let summary: Value = serde_json::from_slice(&done.stdout)?;
    assert_eq!(
        (&summary["rows"], &summary["resumed"]),
        (&json!(300), &json!(resumed)),
        "{summary}"
    );
    let scores = lines(&out)?;
    let all: Vec<Value> = (0..300).map(|n| json!({ "row": n + 1, "prediction": n })).collect();
    assert_eq!(scores, all);
    let mut seen: Vec<u64> =
        lines(&stage.at("seen"))?.iter().filter_map(|row| row[0].as_u64()).collect();
    seen.sort_unstable();
    assert_eq!(seen, (0..300).collect::<Vec<u64>>(), "each was scored once");
    Ok(())
}

#[test]
fn what_cannot_be_scored_at_all_ends_at_once_and_says_why() -> anyhow::Result<()> {
    let stage = Stage::new("0")?;
    let (input, out) = (stage.at("rows.jsonl"), stage.at("scores.jsonl"));
    std::fs::write(&input, "[1]\n")?;
    let refused = |more: &[&str]| -> anyhow::Result<String> {
        let done = stage.platform.rouse(&Stage::words(text(&input)?, text(&out)?, more))?;
        anyhow::ensure!(!done.status.success(), "it was taken: {more:?}");
        Ok(String::from_utf8_lossy(&done.stderr).into_owned())
    };
    let other = refused(&["--model", "other"])?;
    assert!(other.contains("404 Not Found: {\"error\": \"no such model\"}"), "{other}");
    assert!(other.contains("name the model with --model"), "{other}");
    let format = refused(&["--overwrite", "--protocol", "v2"])?;
    assert!(format.contains("404"), "{format}");
    let words = ["predict", "sums", "--input", "rows.data"];
    let unknown = stage.platform.rouse(&words)?;
    let said = String::from_utf8_lossy(&unknown.stderr).into_owned();
    assert!(said.contains("add --format jsonl or --format csv"), "{said}");
    Ok(())
}
