//! The requests for rows by a model's protocol, and the part of an answer that is each row's.
//!
//! `v1` is the protocol of TensorFlow Serving and KServe (`instances`, `predictions`), `v2` the Open
//! Inference Protocol (tensors); with `row` each row is a request of its own.

use bytes::Bytes;
use serde::Deserialize;
use serde_json::value::{RawValue, to_raw_value};
use serde_json::{Map, Value, json};

use crate::args::Protocol;

/// The scores of a request's rows, in their order; or what is wrong with the answer.
pub(super) type Scores = Result<Vec<Box<RawValue>>, String>;

/// The path of a model.
pub(super) fn path(protocol: Protocol, model: &str) -> String {
    match protocol {
        Protocol::V1 => format!("/v1/models/{model}:predict"),
        Protocol::V2 => format!("/v2/models/{model}/infer"),
        Protocol::Row => "/".to_owned(),
    }
}

/// The body of a request for rows, of which there is at least one.
///
/// # Errors
/// If the protocol has no form for these rows.
pub(super) fn body(protocol: Protocol, rows: &[&RawValue]) -> Result<Bytes, String> {
    match protocol {
        Protocol::V1 => Ok(joined("{\"instances\":[", rows, "]}")),
        Protocol::V2 => tensors(rows),
        Protocol::Row => Ok(joined("", rows, "")),
    }
}

fn joined(before: &str, rows: &[&RawValue], after: &str) -> Bytes {
    let rows: Vec<&str> = rows.iter().map(|row| row.get()).collect();
    Bytes::from(format!("{before}{}{after}", rows.join(",")))
}

/// The scores of `count` rows in an answer.
pub(super) fn scores(protocol: Protocol, answer: &[u8], count: usize) -> Scores {
    let found = match protocol {
        Protocol::V1 => predictions(answer)?,
        Protocol::V2 => outputs(answer, count)?,
        Protocol::Row => {
            // Text that is no JSON is a score as well.
            let raw = serde_json::from_slice(answer.trim_ascii());
            let text = || Value::from(String::from_utf8_lossy(answer).into_owned());
            vec![raw.or_else(|_| to_raw_value(&text())).map_err(|error| error.to_string())?]
        }
    };
    if found.len() == count {
        Ok(found)
    } else {
        Err(format!("the answer has {} scores for {count} rows", found.len()))
    }
}

fn predictions(answer: &[u8]) -> Scores {
    #[derive(Deserialize)]
    struct Answer {
        predictions: Vec<Box<RawValue>>,
    }
    let answer: Answer = serde_json::from_slice(answer)
        .map_err(|error| format!("the answer is not {{\"predictions\": […]}}: {error}"))?;
    Ok(answer.predictions)
}

/// Rows as tensors: one for each field of objects, one named `input-0` for arrays and numbers.
fn tensors(rows: &[&RawValue]) -> Result<Bytes, String> {
    let rows: Vec<Value> = rows
        .iter()
        .map(|row| serde_json::from_str(row.get()))
        .collect::<Result<_, _>>()
        .map_err(|error| error.to_string())?;
    let Some(Value::Object(first)) = rows.first() else {
        return written(vec![tensor("input-0", &rows.iter().collect::<Vec<_>>())?]);
    };
    let odd = |row: &Value| row.as_object().is_none_or(|object| object.len() != first.len());
    if rows.iter().any(odd) {
        return Err("the rows do not have the same fields".to_owned());
    }
    let column = |name: &String| {
        let value = |row: &'_ Value| -> Result<Value, String> {
            let object: Option<&Map<String, Value>> = row.as_object();
            let found = object.and_then(|object| object.get(name)).cloned();
            found.ok_or_else(|| format!("a row has no field {name:?}, which others have"))
        };
        let values = rows.iter().map(value).collect::<Result<Vec<_>, _>>()?;
        tensor(name, &values.iter().collect::<Vec<_>>())
    };
    written(first.keys().map(column).collect::<Result<_, _>>()?)
}

fn written(inputs: Vec<Value>) -> Result<Bytes, String> {
    Ok(Bytes::from(json!({ "inputs": inputs }).to_string()))
}

fn tensor(name: &str, values: &[&Value]) -> Result<Value, String> {
    let mut shape = vec![values.len()];
    shape.extend(values.first().map(|first| sizes(first)).unwrap_or_default());
    let mut data = Vec::new();
    for value in values {
        if sizes(value) != shape[1..] {
            return Err(format!("the rows of {name} have different shapes"));
        }
        flatten(value, &mut data);
    }
    let datatype = datatype(&data).ok_or_else(|| {
        format!("{name} has values of several types, or empty ones; a tensor has one type")
    })?;
    Ok(json!({ "name": name, "shape": shape, "datatype": datatype, "data": data }))
}

/// The sizes of nested arrays, by the first of each.
fn sizes(value: &Value) -> Vec<usize> {
    let mut sizes = Vec::new();
    let mut inner = value;
    while let Value::Array(items) = inner {
        sizes.push(items.len());
        let Some(first) = items.first() else { break };
        inner = first;
    }
    sizes
}

fn flatten(value: &Value, into: &mut Vec<Value>) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| flatten(item, into)),
        other => into.push(other.clone()),
    }
}

fn datatype(data: &[Value]) -> Option<&'static str> {
    let all = |is: fn(&Value) -> bool| data.iter().all(is);
    [
        ("BOOL", Value::is_boolean as fn(&Value) -> bool),
        ("INT64", Value::is_i64),
        ("FP64", Value::is_number),
        ("BYTES", Value::is_string),
    ]
    .into_iter()
    .find_map(|(name, is)| all(is).then_some(name))
}

#[derive(Deserialize)]
struct Outputs {
    outputs: Vec<Output>,
}

#[derive(Deserialize)]
struct Output {
    name: String,
    shape: Vec<usize>,
    data: Vec<Value>,
}

/// The rows of an answer's tensors: values of the only one, or objects of several by name.
fn outputs(answer: &[u8], count: usize) -> Scores {
    let answer: Outputs = serde_json::from_slice(answer).map_err(|error| {
        format!("the answer is not {{\"outputs\": […]}} with data in JSON: {error}")
    })?;
    let columns = answer.outputs.into_iter().map(|output| {
        let Output { name, shape, mut data } = output;
        // Some servers nest the data as the shape says.
        if data.iter().any(Value::is_array) {
            let mut flat = Vec::new();
            data.iter().for_each(|value| flatten(value, &mut flat));
            data = flat;
        }
        let width = data.len().checked_div(count).unwrap_or_default();
        if shape.first() != Some(&count) || width * count != data.len() || width == 0 {
            return Err(format!("output {name} has shape {shape:?} for {count} rows"));
        }
        let row = |part: &[Value]| match part {
            [one] => one.clone(),
            several => Value::from(several.to_vec()),
        };
        Ok((name, data.chunks(width).map(row).collect::<Vec<_>>()))
    });
    let mut columns = columns.collect::<Result<Vec<_>, _>>()?;
    let rows: Vec<Value> = match &mut columns[..] {
        [(_, only)] => std::mem::take(only),
        several => (0..count)
            .map(|at| {
                several.iter_mut().map(|(name, rows)| (name.clone(), rows[at].take())).collect()
            })
            .collect(),
    };
    rows.iter().map(|row| to_raw_value(row).map_err(|error| error.to_string())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(protocol: Protocol, rows: &[&str]) -> Result<String, String> {
        let rows: Vec<Box<RawValue>> =
            rows.iter().map(|row| serde_json::from_str(row).unwrap()).collect();
        let rows: Vec<&RawValue> = rows.iter().map(AsRef::as_ref).collect();
        body(protocol, &rows).map(|bytes| String::from_utf8(bytes.to_vec()).unwrap())
    }

    fn got(protocol: Protocol, answer: &str, count: usize) -> Result<Vec<String>, String> {
        let scores = scores(protocol, answer.as_bytes(), count)?;
        Ok(scores.iter().map(|score| score.get().to_owned()).collect())
    }

    #[test]
    fn v1_sends_instances_and_reads_predictions() {
        let body = asked(Protocol::V1, &["[1, 2]", "{\"a\":1.0}"]).unwrap();
        assert_eq!(body, "{\"instances\":[[1, 2],{\"a\":1.0}]}");
        let answer = "{\"predictions\": [7, {\"p\": [0.5]}], \"version\": 1}";
        assert_eq!(got(Protocol::V1, answer, 2).unwrap(), ["7", "{\"p\": [0.5]}"]);
        let short = got(Protocol::V1, "{\"predictions\": [7]}", 2).unwrap_err();
        assert_eq!(short, "the answer has 1 scores for 2 rows");
        let other = got(Protocol::V1, "<html>", 1).unwrap_err();
        assert!(other.starts_with("the answer is not {\"predictions\": […]}"), "{other}");
    }

    #[test]
    fn v2_sends_a_tensor_for_each_field_or_one_for_arrays() {
        for (rows, inputs) in [
            (
                &["[1, 2]", "[3, 4.5]"][..],
                json!([{ "name": "input-0", "shape": [2, 2], "datatype": "FP64", "data": [1, 2, 3, 4.5] }]),
            ),
            (
                &["7"],
                json!([{ "name": "input-0", "shape": [1], "datatype": "INT64", "data": [7] }]),
            ),
            (
                &["{\"a\": \"x\", \"b\": [true]}"],
                json!([
                    { "name": "a", "shape": [1], "datatype": "BYTES", "data": ["x"] },
                    { "name": "b", "shape": [1, 1], "datatype": "BOOL", "data": [true] }
                ]),
            ),
        ] {
            let body: Value = serde_json::from_str(&asked(Protocol::V2, rows).unwrap()).unwrap();
            assert_eq!(body, json!({ "inputs": inputs }));
        }
        for (rows, why) in [
            (&["[1]", "[1, 2]"][..], "different shapes"),
            (&["[1, \"x\"]"], "several types"),
            (&["{\"a\": 1}", "{\"b\": 1}"], "no field \"a\""),
            (&["{\"a\": 1}", "{\"a\": 1, \"b\": 1}"], "the same fields"),
            (&["null"], "empty ones"),
        ] {
            let error = asked(Protocol::V2, rows).unwrap_err();
            assert!(error.contains(why), "{error}");
        }
    }

    #[test]
    fn v2_reads_rows_from_tensors() {
        let output = |name: &str, shape: Value, data: Value| json!({ "name": name, "shape": shape, "datatype": "FP64", "data": data });
        let answer = |outputs: &[Value]| json!({ "outputs": outputs }).to_string();
        let one = answer(&[output("p", json!([2]), json!([1, 0]))]);
        assert_eq!(got(Protocol::V2, &one, 2).unwrap(), ["1", "0"]);
        let wide = answer(&[output("p", json!([2, 2]), json!([[0.1, 0.9], [0.8, 0.2]]))]);
        assert_eq!(got(Protocol::V2, &wide, 2).unwrap(), ["[0.1,0.9]", "[0.8,0.2]"]);
        let two = answer(&[
            output("label", json!([2, 1]), json!([1, 0])),
            output("score", json!([2]), json!([0.9, 0.8])),
        ]);
        assert_eq!(
            got(Protocol::V2, &two, 2).unwrap(),
            ["{\"label\":1,\"score\":0.9}", "{\"label\":0,\"score\":0.8}"]
        );
        let short = answer(&[output("p", json!([1]), json!([1]))]);
        assert_eq!(got(Protocol::V2, &short, 2).unwrap_err(), "output p has shape [1] for 2 rows");
    }

    #[test]
    fn a_row_of_its_own_is_the_body_and_the_answer_its_score() {
        assert_eq!(asked(Protocol::Row, &["{\"x\": 1}"]).unwrap(), "{\"x\": 1}");
        assert_eq!(got(Protocol::Row, "{\"y\": 2}\n", 1).unwrap(), ["{\"y\": 2}"]);
        assert_eq!(got(Protocol::Row, "spam", 1).unwrap(), ["\"spam\""]);
    }
}
