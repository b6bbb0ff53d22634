//! `rouse get [KIND] [NAME…]`: objects of any kind, in the columns that the cluster gives them.

mod objects;
mod resource;
mod table;
mod watch;

use serde_json::{Value, json};

use self::objects::{Form, Objects};
use self::resource::{Resource, resolve};
use self::table::View;
use crate::args::{Get, Global};
use crate::outcome::{Failure, Result};
use crate::printer::{Documents, Printer};
use crate::target::Target;

pub(crate) async fn run(args: Get, global: &Global, printer: &Printer) -> Result {
    let target = Target::connect(global).await?;
    let resource = resolve(&target.client, &args.kind).await?;
    if args.watch && args.names.len() > 1 {
        return Err(Failure::usage("--watch takes one name or none"));
    }
    let objects = Objects {
        client: target.client.clone(),
        resource: &resource,
        path: resource.path(&target.namespace, args.all_namespaces),
        form: if printer.json() { Form::Whole } else { Form::Table },
        labels: args.selector.clone(),
        name: args.names.first().cloned(),
    };
    match objects.form {
        Form::Whole if args.watch => {
            let documents = Documents::new(*printer);
            watch::run(&objects, |object| documents.print(&without_managers(object.clone()))).await
        }
        Form::Whole => print_documents(&objects, &args.names, printer).await,
        Form::Table => {
            let namespaced = args.all_namespaces && resource.namespaced;
            let mut view = View::new(&resource, namespaced, printer);
            if args.watch {
                return watch::run(&objects, |table| view.print(table)).await;
            }
            for name in &args.names {
                view.print(&one(&objects, name).await?);
            }
            if args.names.is_empty() {
                view.print(&all(&objects).await?);
                if view.is_empty() {
                    printer.progress(nothing(&resource, &target, args.all_namespaces));
                }
            }
            Ok(())
        }
    }
}

async fn all(objects: &Objects<'_>) -> Result<Value> {
    objects.list().await.map_err(|error| objects.failure(&error))
}

async fn one(objects: &Objects<'_>, name: &str) -> Result<Value> {
    objects.one(name).await.map_err(|error| objects.failure(&error))
}

fn nothing(resource: &Resource, target: &Target, all: bool) -> String {
    if all || !resource.namespaced {
        format!("no {}", resource.plural)
    } else {
        format!("no {} in namespace {:?} (-A lists all)", resource.plural, target.namespace)
    }
}

/// Prints whole objects, several as one list.
async fn print_documents(objects: &Objects<'_>, names: &[String], printer: &Printer) -> Result {
    let document = match names {
        [] => without_managers(all(objects).await?),
        [name] => without_managers(one(objects, name).await?),
        names => {
            let mut items = Vec::new();
            for name in names {
                items.push(without_managers(one(objects, name).await?));
            }
            json!({ "apiVersion": "v1", "kind": "List", "items": items })
        }
    };
    printer.document(&document);
    Ok(())
}

/// An object, or a list of them, without what few want to read: which client owns which field.
fn without_managers(mut object: Value) -> Value {
    let remove = |object: &mut Value| {
        let metadata = object.get_mut("metadata").and_then(Value::as_object_mut);
        metadata.map(|metadata| metadata.remove("managedFields"))
    };
    remove(&mut object);
    let items = object.get_mut("items").and_then(Value::as_array_mut);
    items.into_iter().flatten().for_each(|item| drop(remove(item)));
    object
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_owns_which_field_is_left_out_of_objects_and_lists() {
        let one = || json!({ "metadata": { "name": "a", "managedFields": [{}] } });
        let clean = json!({ "metadata": { "name": "a" } });
        assert_eq!(without_managers(one()), clean);
        assert_eq!(without_managers(json!({ "items": [one()] })), json!({ "items": [clean] }));
    }
}
