//! The warnings that the API server's answers carry, printed once each.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use http::HeaderMap;
use http::header::WARNING;
use kube::Client;

use crate::printer::Printer;

/// The same client, which prints the warnings of its answers on stderr.
pub(crate) fn printing(client: Client, namespace: &str, printer: Printer) -> Client {
    let said: Arc<Mutex<BTreeSet<String>>> = Arc::default();
    let service = tower::service_fn(move |request| {
        let (client, said) = (client.clone(), Arc::clone(&said));
        async move {
            let answer = client.send(request).await?;
            for text in texts(answer.headers()) {
                // A set stays whole whoever panics.
                if said.lock().unwrap_or_else(PoisonError::into_inner).insert(text.clone()) {
                    printer.progress(format!("warning: {text}"));
                }
            }
            Ok::<_, kube::Error>(answer)
        }
    });
    Client::new(service, namespace)
}

/// The texts of the headers `Warning: 299 AGENT "TEXT"`.
fn texts(headers: &HeaderMap) -> Vec<String> {
    headers.get_all(WARNING).iter().filter_map(|value| text(value.to_str().ok()?)).collect()
}

fn text(value: &str) -> Option<String> {
    let quoted = value.strip_prefix("299 ")?.split_once('"')?.1;
    let mut text = String::new();
    let mut chars = quoted.chars();
    loop {
        match chars.next()? {
            '"' => return Some(text),
            '\\' => text.push(chars.next()?),
            other => text.push(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_of_a_warning_is_what_is_quoted() {
        assert_eq!(text(r#"299 - "a \"b\" c\\d""#).as_deref(), Some(r#"a "b" c\d"#));
        assert_eq!(text(r#"299 - "" "Thu""#).as_deref(), Some(""));
        for other in ["199 - \"x\"", "299 -", "299 - \"open", ""] {
            assert_eq!(text(other), None, "{other}");
        }
    }
}
