//! Whether a CRD's schema is structural: every field has a type, and nothing contradicts pruning.

use serde_json::Value;

use super::invalid::Invalid;

/// The reasons for which the schema at `path` is not structural.
pub(crate) fn problems(document: &Value, path: &str) -> Vec<Invalid> {
    let mut found = Vec::new();
    if document["type"].as_str() != Some("object") {
        let at = format!("{path}.type");
        found.push(match document.get("type") {
            None => Invalid::required(at, "must not be empty at the root"),
            Some(kind) => Invalid::value(at, kind, "must be object at the root"),
        });
    }
    check(document, path, true, &mut found);
    found
}

/// Refuses all validation rules (CEL) of a schema, by their paths: they would not be evaluated.
pub(crate) fn rules(schema: &Value, path: &str) -> Vec<Invalid> {
    const WHY: &str = "validation rules (CEL) are not evaluated by Rouse, and a rule that is not evaluated does not protect anything: remove x-kubernetes-validations from the schema, or say the same with enum, pattern, minimum, maximum or required";
    let mut found = Vec::new();
    let word = "x-kubernetes-validations";
    if schema[word].as_array().is_some_and(|rules| !rules.is_empty()) {
        found.push(Invalid::forbidden(format!("{path}.{word}"), WHY));
    }
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        found.extend(rules(property, &format!("{path}.properties[{name}]")));
    }
    for word in ["additionalProperties", "items", "not"] {
        if schema[word].is_object() {
            found.extend(rules(&schema[word], &format!("{path}.{word}")));
        }
    }
    for word in ["allOf", "anyOf", "oneOf"] {
        for (index, branch) in schema[word].as_array().into_iter().flatten().enumerate() {
            found.extend(rules(branch, &format!("{path}.{word}[{index}]")));
        }
    }
    found
}

fn check(schema: &Value, path: &str, root: bool, found: &mut Vec<Invalid>) {
    if !schema.is_object() {
        found.push(Invalid::required(path, "must not be empty"));
        return;
    }
    typed(schema, path, root, found);
    forbidden(schema, path, found);
    lists(schema, path, found);
    if let Some(properties) = schema["properties"].as_object() {
        for (name, property) in properties {
            check(property, &format!("{path}.properties[{name}]"), false, found);
        }
        if schema["additionalProperties"].is_object() || schema["additionalProperties"] == true {
            found.push(Invalid::forbidden(
                format!("{path}.additionalProperties"),
                "additionalProperties and properties are mutual exclusive",
            ));
        }
    }
    if schema["additionalProperties"].is_object() {
        check(
            &schema["additionalProperties"],
            &format!("{path}.additionalProperties"),
            false,
            found,
        );
    }
    if schema["items"].is_object() {
        check(&schema["items"], &format!("{path}.items"), false, found);
    }
}

fn typed(schema: &Value, path: &str, root: bool, found: &mut Vec<Invalid>) {
    let flag = |name: &str| schema[name] == true;
    let any = flag("x-kubernetes-int-or-string") || flag("x-kubernetes-preserve-unknown-fields");
    match schema["type"].as_str() {
        None | Some("") if !root && !any => {
            found.push(Invalid::required(
                format!("{path}.type"),
                "must not be empty for specified object fields",
            ));
        }
        Some("array") if !schema["items"].is_object() => {
            found.push(Invalid::required(format!("{path}.items"), "must be specified"));
        }
        Some(kind)
            if !["object", "array", "string", "integer", "number", "boolean", ""]
                .contains(&kind) =>
        {
            let supported =
                ["array", "boolean", "integer", "number", "object", "string"].map(str::to_owned);
            found.push(Invalid::not_supported(format!("{path}.type"), &schema["type"], &supported));
        }
        Some(_) | None => {}
    }
    if flag("x-kubernetes-embedded-resource") && schema["type"] != "object" {
        found.push(Invalid::value(
            format!("{path}.type"),
            &schema["type"],
            "must be object if x-kubernetes-embedded-resource is true",
        ));
    }
}

fn forbidden(schema: &Value, path: &str, found: &mut Vec<Invalid>) {
    for word in
        ["definitions", "dependencies", "patternProperties", "additionalItems", "id", "$ref"]
    {
        if schema.get(word).is_some_and(|v| !v.is_null()) {
            let why = format!("{word} is not supported");
            found.push(Invalid::forbidden(format!("{path}.{word}"), &why));
        }
    }
    if schema["uniqueItems"] == true {
        found.push(Invalid::forbidden(
            format!("{path}.uniqueItems"),
            "uniqueItems cannot be set to true since the runtime complexity becomes quadratic",
        ));
    }
    if schema["additionalProperties"] == false {
        found.push(Invalid::forbidden(
            format!("{path}.additionalProperties"),
            "additionalProperties cannot be set to false",
        ));
    }
    for word in ["allOf", "anyOf", "oneOf"] {
        for (index, branch) in schema[word].as_array().into_iter().flatten().enumerate() {
            value_only(branch, &format!("{path}.{word}[{index}]"), found);
        }
    }
    if schema["not"].is_object() {
        value_only(&schema["not"], &format!("{path}.not"), found);
    }
}

/// Inside `allOf` and its like only values are restricted; types and defaults belong to the structure.
fn value_only(schema: &Value, path: &str, found: &mut Vec<Invalid>) {
    for word in ["default", "nullable", "additionalProperties", "description", "title"] {
        if schema.get(word).is_some_and(|v| !v.is_null() && v != &Value::Bool(false)) {
            let why = "must be undefined to be structural";
            found.push(Invalid::forbidden(format!("{path}.{word}"), why));
        }
    }
    // The one exception: `anyOf` of integer and string says int-or-string to older clients.
    if schema["type"].is_string() && schema["type"] != "integer" && schema["type"] != "string" {
        found.push(Invalid::forbidden(format!("{path}.type"), "must be empty to be structural"));
    }
}

fn lists(schema: &Value, path: &str, found: &mut Vec<Invalid>) {
    let keys = schema["x-kubernetes-list-map-keys"].as_array();
    match schema["x-kubernetes-list-type"].as_str() {
        Some("map") => {
            let Some(keys) = keys.filter(|k| !k.is_empty()) else {
                found.push(Invalid::required(
                    format!("{path}.x-kubernetes-list-map-keys"),
                    "must not be empty if x-kubernetes-list-type is map",
                ));
                return;
            };
            for (index, key) in keys.iter().enumerate() {
                let name = key.as_str().unwrap_or_default();
                if !schema["items"]["properties"][name].is_object() {
                    found.push(Invalid::value(
                        format!("{path}.x-kubernetes-list-map-keys[{index}]"),
                        key,
                        "entries must all be names of item properties",
                    ));
                }
            }
        }
        Some("atomic" | "set") | None => {}
        Some(_) => {
            let supported = ["atomic", "map", "set"].map(str::to_owned);
            let at = format!("{path}.x-kubernetes-list-type");
            found.push(Invalid::not_supported(at, &schema["x-kubernetes-list-type"], &supported));
        }
    }
}

#[cfg(test)]
mod tests;
