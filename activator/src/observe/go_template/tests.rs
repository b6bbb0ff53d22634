//! Templates, and text and numbers as Go writes them.

use super::*;
use rouse_api::config::observability::DEFAULT_REQUEST_LOG_TEMPLATE;

/// Renders each field as its own name.
fn render(text: &str) -> Result<String, TemplateError> {
    let name = |field: &Field, out: &mut String| out.push_str(&format!("<{field:?}>"));
    Template::parse(text).map(|template| template.render(name))
}

#[test]
fn a_template_says_what_its_fields_stand_for() {
    for (template, line) in [
        ("", "\n"),
        ("as it is\n", "as it is\n"),
        ("{{.Request.Method}} {{ .Response.Code }}", "<Method> <Code>\n"),
        ("{{.TraceID}}{{.Revision.PodIP}}", "<TraceId><PodIp>\n"),
        ("{{js .Request.Referer}}", "\\u003CReferer\\u003E\n"),
        ("{{.Request.Referer | js}}", "\\u003CReferer\\u003E\n"),
        ("{{js .Request.Referer | js}}", "\\\\u003CReferer\\\\u003E\n"),
        ("a {{- .TraceID -}} b", "a<TraceId>b\n"),
        ("a{{/* nothing */}}b", "ab\n"),
        (r#"{{.Request.Header.Get "X-Id"}}"#, "<Header(\"x-id\")>\n"),
        ("{{.Request.Header.Get `X-Id` | js}}", "\\u003CHeader(\\\"x-id\\\")\\u003E\n"),
    ] {
        assert_eq!(render(template).as_deref(), Ok(line), "{template}");
    }
}

#[test]
fn what_is_not_supported_is_refused_by_name() {
    for (template, refused) in [
        ("{{.Request.Method", TemplateError::Unclosed),
        (r#"{{.Request.Header.Get "}}"#, TemplateError::Unclosed),
        ("{{}}", TemplateError::Empty),
        ("{{.TraceID | }}", TemplateError::Empty),
        ("{{.Request.Body}}", TemplateError::UnknownField(".Request.Body".to_owned())),
        ("{{.Request}}", TemplateError::UnknownField(".Request".to_owned())),
        ("{{if .TraceID}}x{{end}}", TemplateError::Unsupported("if".to_owned())),
        (r#"{{printf "%d" .Response.Code}}"#, TemplateError::Unsupported("printf".to_owned())),
        ("{{.TraceID | html}}", TemplateError::Unsupported("html".to_owned())),
        ("{{json .TraceID}}", TemplateError::Unsupported("json".to_owned())),
        ("{{.Request.Header.Get X}}", TemplateError::NotAHeader("X".to_owned())),
        (r#"{{.Request.Header.Get "a b"}}"#, TemplateError::NotAHeader("\"a b\"".to_owned())),
        // A quote that is escaped does not end the text, nor the action within it.
        (r#"{{.Request.Header.Get "a\"}}"}}"#, TemplateError::NotAHeader(r#""a\"}}""#.to_owned())),
        ("{{.TraceID .Response.Code}}", TemplateError::Unsupported(".TraceID".to_owned())),
        ("{{end}}", TemplateError::Unsupported("end".to_owned())),
        ("{{/* nothing }}", TemplateError::Unsupported("/*".to_owned())),
        ("{{/*/}}", TemplateError::Unsupported("/*/".to_owned())),
    ] {
        assert_eq!(render(template), Err(refused), "{template}");
    }
}

#[test]
fn knatives_default_is_one_line_of_json() {
    let template = Template::parse(DEFAULT_REQUEST_LOG_TEMPLATE).expect("it is supported");
    let line = template.render(|_, out| out.push('7'));
    let value: serde_json::Value = serde_json::from_str(&line).expect("JSON");
    assert_eq!(value["httpRequest"]["status"], 7);
    assert_eq!(value["httpRequest"]["latency"], "7s");
    assert_eq!(value["traceId"], "7");
}

#[test]
fn text_is_escaped_as_go_does() {
    assert_eq!(js(r#"a\b'c"d"#), r#"a\\b\'c\"d"#);
    let escaped = r#"\u003Ca href\u003D\"x\"\u003E\u0026\u000Aé"#;
    assert_eq!(js("<a href=\"x\">&\né"), escaped);
}

#[test]
fn numbers_are_written_as_go_does() {
    for (number, text) in [
        (0.0, "0"),
        (1.5, "1.5"),
        (0.000_123, "0.000123"),
        (0.000_012_3, "1.23e-05"),
        (123_456.5, "123456.5"),
        (12_345_678.0, "1.2345678e+07"),
        (1e100, "1e+100"),
    ] {
        assert_eq!(float(number), text);
    }
}

proptest::proptest! {
    #[test]
    fn any_text_is_a_template_or_an_error(
        parts in proptest::collection::vec(proptest::sample::select(vec![
            "{{", "}}", "-", " ", ".", ".TraceID", ".Request.Header.Get", "\"", "`", "\\", "|",
            "js", "/*", "*/", "x", "\n", "é",
        ]), 0..12),
    ) {
        let text = parts.concat();
        if let Ok(line) = render(&text) {
            proptest::prop_assert!(line.ends_with('\n'));
            proptest::prop_assert!(text.contains("{{") || line.trim_end_matches('\n') == text.trim_end_matches('\n'));
        }
    }
}
