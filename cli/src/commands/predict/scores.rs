//! The file of scores: a line for each row, in the rows' order, and what is needed to go on with it.
//!
//! Until all rows are done the file is `NAME.part`, with `NAME.job` beside it, which says of what it
//! is. Rows are written in order, so the number of whole lines is where to go on.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead as _, BufReader, BufWriter, Write as _};
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;

use crate::outcome::{Context, Failure, Result};

/// What the scores are of. Scores of another job are not continued.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Job {
    pub(super) input: PathBuf,
    pub(super) input_bytes: u64,
    /// Nanoseconds of the Unix time.
    pub(super) input_modified: u128,
    pub(super) url: String,
    /// How rows are read and sent.
    pub(super) options: String,
}

impl Job {
    pub(super) fn new(input: &Path, url: String, options: String) -> Result<Self> {
        let unreadable = || format!("cannot read {}", input.display());
        let metadata = fs::metadata(input).or_fail(unreadable)?;
        let modified = metadata.modified().or_fail(unreadable)?;
        Ok(Self {
            input: input.canonicalize().or_fail(unreadable)?,
            input_bytes: metadata.len(),
            input_modified: modified.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos()),
            url,
            options,
        })
    }
}

/// A line of the file.
#[derive(Serialize)]
pub(super) struct Line<'a> {
    pub(super) row: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) key: Option<&'a Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) prediction: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) error: Option<&'a str>,
}

/// A file of scores that is being written.
pub(super) struct Scores {
    path: PathBuf,
    out: BufWriter<File>,
    /// Rows that were there already.
    pub(super) done: u64,
    /// Those of them without a score.
    pub(super) failed: u64,
}

impl Scores {
    /// Begins the file, or goes on with it. With `overwrite`, what is there is of no account.
    pub(super) fn open(path: &Path, job: &Job, overwrite: bool) -> Result<Self> {
        let shown = path.display();
        if path.exists() && !overwrite {
            return Err(Failure::usage(format!("{shown} is there already"))
                .next("name another file with --out, or add --overwrite"));
        }
        let (part, job_file) = (part(path), job_file(path));
        let unwritable = || format!("cannot write {}", part.display());
        let (mut done, mut failed) = (0, 0);
        if part.exists() && !overwrite {
            let text = fs::read(&job_file).unwrap_or_default();
            if serde_json::from_slice::<Job>(&text).ok().as_ref() != Some(job) {
                return Err(Failure::usage(format!(
                    "{} holds scores of another job: of other rows, another service or other options",
                    part.display()
                ))
                .next("add --overwrite to begin anew, or name another file with --out"));
            }
            (done, failed) = whole_lines(&part).or_fail(unwritable)?;
        } else {
            let text = serde_json::to_vec(job).or_fail(|| "cannot describe the job".to_owned())?;
            fs::write(&job_file, text)
                .or_fail(|| format!("cannot write {}", job_file.display()))?;
            File::create(&part).or_fail(unwritable)?;
        }
        let file = OpenOptions::new().append(true).open(&part).or_fail(unwritable)?;
        Ok(Self { path: path.to_owned(), out: BufWriter::new(file), done, failed })
    }

    pub(super) fn write(&mut self, line: &Line<'_>) -> Result {
        let written = serde_json::to_writer(&mut self.out, line).map_err(io::Error::from);
        written
            .and_then(|()| self.out.write_all(b"\n"))
            .or_fail(|| format!("cannot write {}", part(&self.path).display()))
    }

    /// Hands what was written to the system.
    pub(super) fn flush(&mut self) -> Result {
        self.out.flush().or_fail(|| format!("cannot write {}", part(&self.path).display()))
    }

    /// All rows are done: the file gets its name.
    pub(super) fn finish(mut self) -> Result {
        self.flush()?;
        let shown = self.path.display();
        self.out.get_ref().sync_all().or_fail(|| format!("cannot write {shown}"))?;
        fs::rename(part(&self.path), &self.path).or_fail(|| format!("cannot write {shown}"))?;
        // Without the part it means nothing.
        let _left = fs::remove_file(job_file(&self.path));
        Ok(())
    }
}

pub(super) fn part(path: &Path) -> PathBuf {
    beside(path, ".part")
}

fn job_file(path: &Path) -> PathBuf {
    beside(path, ".job")
}

fn beside(path: &Path, end: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(end);
    name.into()
}

/// Counts the lines, and those of them with an error; cuts off a last one that is not whole.
fn whole_lines(path: &Path) -> io::Result<(u64, u64)> {
    #[derive(Deserialize)]
    struct Written<'a> {
        #[serde(borrow)]
        error: Option<&'a RawValue>,
    }
    let (mut lines, mut failed, mut bytes) = (0, 0, 0);
    let mut reader = BufReader::new(File::open(path)?);
    let mut line = Vec::new();
    loop {
        line.clear();
        let length = reader.read_until(b'\n', &mut line)? as u64;
        let written: Option<Written<'_>> = serde_json::from_slice(&line).ok();
        let (true, Some(written)) = (line.ends_with(b"\n"), written) else { break };
        lines += 1;
        failed += u64::from(written.error.is_some());
        bytes += length;
    }
    OpenOptions::new().write(true).open(path)?.set_len(bytes)?;
    Ok((lines, failed))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job(options: &str) -> Job {
        Job {
            input: "/rows".into(),
            input_bytes: 1,
            input_modified: 2,
            url: "http://a/".to_owned(),
            options: options.to_owned(),
        }
    }

    fn line(row: u64, error: Option<&'static str>) -> Line<'static> {
        Line { row, key: None, prediction: None, error }
    }

    #[test]
    fn a_file_that_was_broken_off_goes_on_after_its_last_whole_line() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("scores.jsonl");
        let mut scores = Scores::open(&path, &job(""), false).unwrap();
        scores.write(&line(1, None)).unwrap();
        scores.write(&line(2, Some("no"))).unwrap();
        scores.flush().unwrap();
        drop(scores);
        let whole = fs::read_to_string(part(&path)).unwrap();
        fs::write(part(&path), format!("{whole}{{\"row\":3,\"pre")).unwrap();

        let mut scores = Scores::open(&path, &job(""), false).unwrap();
        assert_eq!((scores.done, scores.failed), (2, 1));
        scores.write(&line(3, None)).unwrap();
        scores.finish().unwrap();
        let text = fs::read_to_string(&path).unwrap();
        assert_eq!(text, "{\"row\":1}\n{\"row\":2,\"error\":\"no\"}\n{\"row\":3}\n");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "nothing is left beside it");
    }

    #[test]
    fn scores_of_another_job_and_finished_ones_are_kept() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("scores.jsonl");
        let mut scores = Scores::open(&path, &job("one"), false).unwrap();
        scores.write(&line(1, None)).unwrap();
        scores.flush().unwrap();
        drop(scores);
        let refused = |options| match Scores::open(&path, &job(options), false) {
            Ok(_) => panic!("it was taken"),
            Err(failure) => failure.to_string(),
        };
        assert!(refused("other").contains("scores of another job"));
        let anew = Scores::open(&path, &job("other"), true).unwrap();
        assert_eq!(anew.done, 0);
        anew.finish().unwrap();
        assert!(refused("other").contains("is there already"));
    }
}
