//! Objects in files: YAML or JSON, several documents, lists.

use std::io::Read;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::outcome::{Context, Failure, Result};

/// Most bytes of one file.
const SIZE_MAX: u64 = 64 << 20;
/// Most folders one below another.
const DEPTH_MAX: usize = 32;
const EXTENSIONS: [&str; 3] = ["yaml", "yml", "json"];

/// The objects of all files, in their order.
pub(super) fn read(names: &[PathBuf], recursive: bool) -> Result<Vec<Value>> {
    let mut objects = Vec::new();
    for name in names {
        if name.as_os_str() == "-" {
            let text = text_of(std::io::stdin().lock(), "stdin")?;
            objects.extend(parse(&text, "stdin")?);
            continue;
        }
        for file in files(name, recursive)? {
            let shown = file.display().to_string();
            let open = std::fs::File::open(&file).or_fail(|| format!("cannot read {shown}"))?;
            objects.extend(parse(&text_of(open, &shown)?, &shown)?);
        }
    }
    if objects.is_empty() {
        let names: Vec<_> = names.iter().map(|name| name.display().to_string()).collect();
        return Err(Failure::usage(format!("there is no object in {}", names.join(", "))));
    }
    Ok(objects)
}

fn text_of(source: impl Read, shown: &str) -> Result<String> {
    let mut text = String::new();
    let cannot = || format!("cannot read {shown}");
    source.take(SIZE_MAX.saturating_add(1)).read_to_string(&mut text).or_fail(cannot)?;
    if text.len() as u64 > SIZE_MAX {
        return Err(Failure::usage(format!("{shown} is larger than {} MiB", SIZE_MAX >> 20)));
    }
    Ok(text)
}

/// The file itself, or those of a folder by name.
fn files(name: &Path, recursive: bool) -> Result<Vec<PathBuf>> {
    if !name.is_dir() {
        return Ok(vec![name.to_owned()]);
    }
    let mut files = Vec::new();
    collect(name, if recursive { DEPTH_MAX } else { 0 }, &mut files)?;
    if files.is_empty() {
        let shown = name.display();
        let failure =
            Failure::usage(format!("the folder {shown} has no .yaml, .yml or .json file"));
        return Err(if recursive { failure } else { failure.next("-R, for the folders in it") });
    }
    Ok(files)
}

fn collect(folder: &Path, below: usize, files: &mut Vec<PathBuf>) -> Result {
    let cannot = || format!("cannot list {}", folder.display());
    let entries: std::io::Result<Vec<_>> = std::fs::read_dir(folder).or_fail(cannot)?.collect();
    let mut paths: Vec<PathBuf> = entries.or_fail(cannot)?.into_iter().map(|e| e.path()).collect();
    paths.sort();
    for path in paths {
        let extension = path.extension().and_then(|extension| extension.to_str());
        if path.is_dir() {
            if below > 0 {
                collect(&path, below - 1, files)?;
            }
        } else if extension.is_some_and(|extension| EXTENSIONS.contains(&extension)) {
            files.push(path);
        }
    }
    Ok(())
}

/// The objects of a text: its documents, and the items of lists in them.
fn parse(text: &str, shown: &str) -> Result<Vec<Value>> {
    let documents: Vec<Value> =
        serde_yaml::from_multiple_with_options(text, rouse_apiserver::yaml_options())
            .or_fail(|| format!("{shown} is no YAML"))?;
    let mut objects = Vec::new();
    for document in documents {
        flatten(document, &mut objects);
    }
    for object in &objects {
        let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str);
        let missing = ["/apiVersion", "/kind", "/metadata/name"]
            .into_iter()
            .find(|pointer| text(pointer).is_none_or(str::is_empty));
        if let Some(missing) = missing {
            let field = missing.trim_start_matches('/').replace('/', ".");
            let kind = text("/kind").unwrap_or("object");
            let failure = Failure::usage(format!("{shown}: a {kind} has no {field}"));
            let generated = text("/metadata/generateName").is_some();
            return Err(if generated {
                failure.because("an object with generateName is made anew each time, not applied")
            } else {
                failure
            });
        }
    }
    Ok(objects)
}

/// An object, or the items of a list of objects.
fn flatten(document: Value, objects: &mut Vec<Value>) {
    let is_list = document["kind"].as_str().is_some_and(|kind| kind.ends_with("List"));
    match document {
        Value::Null => {}
        Value::Array(items) => items.into_iter().for_each(|item| flatten(item, objects)),
        Value::Object(mut fields)
            if is_list && fields.get("items").is_some_and(Value::is_array) =>
        {
            flatten(fields.remove("items").unwrap_or_default(), objects);
        }
        object => objects.push(object),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(text: &str) -> Vec<String> {
        let name = |o: &Value| o["metadata"]["name"].as_str().unwrap().to_owned();
        parse(text, "x").unwrap().iter().map(name).collect()
    }

    #[test]
    fn documents_and_lists_are_read_in_order() {
        let one = |name: &str| format!("{{apiVersion: v1, kind: A, metadata: {{name: {name}}}}}");
        let list = format!("{{apiVersion: v1, kind: List, items: [{}, {}]}}", one("b"), one("c"));
        assert_eq!(names(&format!("{}\n---\n---\n# none\n---\n{list}", one("a"))), ["a", "b", "c"]);
        assert_eq!(names(&format!("[{}, {}]", one("a"), one("b"))), ["a", "b"]);
        let object = parse(&one("a"), "x").unwrap().remove(0);
        assert_eq!(
            object,
            serde_json::json!({"apiVersion": "v1", "kind": "A", "metadata": {"name": "a"}})
        );
    }

    #[test]
    fn what_is_no_object_is_refused_by_what_it_lacks() {
        for (text, complaint) in [
            ("kind: A", "a A has no apiVersion"),
            ("{apiVersion: v1, kind: A, metadata: {}}", "has no metadata.name"),
            ("{apiVersion: v1, kind: A, metadata: {generateName: x-}}", "made anew each time"),
            ("a: [", "x is no YAML"),
            ("text", "a object has no apiVersion"),
        ] {
            let error = parse(text, "x").unwrap_err().to_string();
            assert!(error.contains(complaint), "{text}: {error}");
        }
    }

    #[test]
    fn a_folder_is_its_manifests_by_name() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("inner")).unwrap();
        for file in ["b.yaml", "a.json", "notes.txt", "inner/c.yml"] {
            std::fs::write(dir.path().join(file), "").unwrap();
        }
        let found = |recursive| -> Vec<String> {
            let found = files(dir.path(), recursive).unwrap();
            let within =
                |path: &PathBuf| path.strip_prefix(dir.path()).unwrap().display().to_string();
            found.iter().map(within).collect()
        };
        assert_eq!(found(false), ["a.json", "b.yaml"]);
        assert_eq!(found(true), ["a.json", "b.yaml", "inner/c.yml"]);
        assert!(files(&dir.path().join("inner/none"), false).unwrap().len() == 1);
    }
}
