//! `rouse describe NAME`: URLs in both forms, traffic, revisions and conditions.

use rouse_api::Service;

use super::revisions::{HEADINGS, rows};
use super::serving::{loopback_form, ready_text, revisions, service, status_text};
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
    print_head(&service, printer);
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

fn print_head(service: &Service, printer: &Printer) {
    let status = service.status.clone().unwrap_or_default();
    let (ready, _) = ready_text(&status.conditions);
    let meta = &service.metadata;
    printer.line(format!("Name:       {}", printer.bold(meta.name.as_deref().unwrap_or_default())));
    printer.line(format!("Namespace:  {}", meta.namespace.as_deref().unwrap_or_default()));
    printer.line(format!("Ready:      {ready}"));
    if let Some(url) = &status.url {
        print_urls(url, printer);
    }
    for target in status.traffic.iter().filter(|t| t.tag.is_some()) {
        let (tag, url) =
            (target.tag.as_deref().unwrap_or_default(), target.url.as_deref().unwrap_or_default());
        printer.line(format!("{:<11} {url}", format!("Tag {tag}:")));
    }
}

/// The URL, and its form for programs that cannot resolve `*.localhost`.
pub(crate) fn print_urls(url: &str, printer: &Printer) {
    printer.line(format!("URL:        {url}"));
    if let Some((address, host)) = loopback_form(url) {
        printer.line(format!("            {address} with the header 'Host: {host}'"));
    }
}
