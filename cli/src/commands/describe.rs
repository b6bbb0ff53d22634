//! `rouse describe NAME`: URLs in every form, what it runs, how it scales, what is wrong with it,
//! traffic, revisions and conditions.

mod facts;

use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{Api, ListParams};
use rouse_api::config::effects;
use rouse_api::usage::LEDGER_MONTH;
use rouse_api::{Service, keys, validation};

use self::facts::Fact;
use super::revisions::{HEADINGS, rows};
use super::serving::{
    age_of, loopback_form, name_of, ready_text, revisions, secure_form, service, status_text,
};
use crate::args::{Global, Named};
use crate::outcome::Result;
use crate::printer::Printer;
use crate::target::Target;

pub(crate) async fn run(args: &Named, global: &Global, printer: &Printer) -> Result {
    let target = Target::connect(global).await?;
    let service = service(&target, &args.name).await?;
    if printer.json() {
        printer.document(&service);
        return Ok(());
    }
    let revisions = revisions(&target, &args.name).await?;
    print(&head(&service, secure_port(&target)), printer);
    if let Some(newest) = revisions.first() {
        print(&facts::of_revision(newest), printer);
        print(&facts::troubles(newest), printer);
    }
    let unread = unread(&target, &service).await;
    print(&[("No effect".to_owned(), unread)], printer);
    let status = service.status.unwrap_or_default();
    printer.line("");
    printer.table(&HEADINGS, &rows(&revisions, &status.traffic));
    printer.line("");
    let conditions: Vec<Vec<String>> = status
        .conditions
        .iter()
        .map(|c| {
            vec![
                c.type_.clone(),
                status_text(c.status).to_owned(),
                c.reason.clone(),
                c.message.clone(),
            ]
        })
        .collect();
    printer.table(&["CONDITION", "STATUS", "REASON", "MESSAGE"], &conditions);
    Ok(())
}

/// Labels in one column, lines beside them.
fn print(facts: &[Fact], printer: &Printer) {
    for (label, lines) in facts {
        let mut label = format!("{label}:");
        for line in lines {
            printer.line(format!("{label:<13}{}{line}", if label.len() < 13 { "" } else { " " }));
            label.clear();
        }
    }
}

fn head(service: &Service, secure_port: Option<u16>) -> Vec<Fact> {
    let status = service.status.clone().unwrap_or_default();
    let meta = &service.metadata;
    let (ready, reason) = ready_text(&status.conditions);
    let ready = if reason.is_empty() { ready } else { format!("{ready} ({reason})") };
    let line = |label: &str, text: String| (label.to_owned(), vec![text]);
    let mut facts = vec![
        line("Name", name_of(service).to_owned()),
        line("Namespace", meta.namespace.clone().unwrap_or_default()),
        line("Ready", ready),
        line("Age", age_of(service)),
        line("Generation", meta.generation.unwrap_or_default().to_string()),
    ];
    facts.extend(status.url.iter().map(|url| ("URL".to_owned(), urls(url, secure_port))));
    for target in status.traffic.iter().filter(|target| target.tag.is_some()) {
        let label = format!("Tag {}", target.tag.as_deref().unwrap_or_default());
        facts.push((label, target.url.iter().flat_map(|url| tag_urls(url, secure_port)).collect()));
    }
    facts
}

fn urls(url: &str, secure_port: Option<u16>) -> Vec<String> {
    let mut urls = tag_urls(url, secure_port);
    if let Some((address, host)) = loopback_form(url) {
        urls.push(format!("{address} with the header 'Host: {host}'"));
    }
    urls
}

fn tag_urls(url: &str, secure_port: Option<u16>) -> Vec<String> {
    let secure = secure_port.and_then(|port| secure_form(url, port));
    [Some(url.to_owned()), secure].into_iter().flatten().collect()
}

/// The port at which a local cluster answers by https.
fn secure_port(target: &Target) -> Option<u16> {
    target.running()?.https.rsplit_once(':')?.1.parse().ok()
}

/// What is written on the service and in Knative's ConfigMaps, and read by nobody.
async fn unread(target: &Target, service: &Service) -> Vec<String> {
    let annotations = service.metadata.annotations.clone().unwrap_or_default();
    let mut lines = validation::unread_on_service(&annotations);
    let maps: Api<ConfigMap> = Api::namespaced(target.client.clone(), keys::SYSTEM_NAMESPACE);
    // The ledgers of use grow by one a namespace and month.
    let settings = ListParams::default().labels(&format!("!{LEDGER_MONTH}"));
    // Who may not read them is not told about them.
    if let Ok(maps) = maps.list(&settings).await {
        for map in maps.items {
            let data = map.data.clone().unwrap_or_default();
            lines.extend(effects::warnings(name_of(&map), &data));
        }
    }
    lines
}

/// The URL, and its form for programs that cannot resolve `*.localhost`.
pub(crate) fn print_urls(url: &str, printer: &Printer) {
    print(&[("URL".to_owned(), urls(url, None))], printer);
}
