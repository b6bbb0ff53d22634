//! Hosts, and how their requests are split.

use super::*;
use crate::state::keys::RouteKind;

fn routes(split: &[(&str, u8)]) -> BTreeMap<RouteKey, Arc<Routing>> {
    let share = |(revision, percent): &(&str, u8)| routing::Share {
        revision: (*revision).to_owned(),
        percent: *percent,
    };
    let host = routing::Host {
        public: vec!["hello.default.localhost".to_owned()],
        local: vec!["hello.default.svc.cluster.local".to_owned()],
        split: split.iter().map(share).collect(),
        ..Default::default()
    };
    let key = RouteKey { kind: RouteKind::Route, key: ObjectKey::new("default", "hello") };
    [(key, Arc::new(Routing { version: 3, hosts: vec![host] }))].into()
}

type Table = RouteTable<String>;

fn build(split: &[(&str, u8)], previous: &Table) -> Table {
    RouteTable::build(&routes(split), previous, |key| key.name)
}

/// The revision for the next request without headers.
fn next<R>(host: &Host<R>) -> &R {
    host.next(&mut HeaderMap::new())
}

#[test]
fn a_request_names_its_tag_in_a_header_where_that_is_on() {
    let share = |revision: &str| routing::Share { revision: revision.to_owned(), percent: 100 };
    let tag = |tag: &str, revision: &str| routing::TagShares {
        tag: tag.to_owned(),
        split: vec![share(revision)],
    };
    let host = |tag: Option<&str>, by_header: Option<Vec<routing::TagShares>>| {
        let source = routing::Host {
            split: vec![share("main")],
            tag: tag.map(ToOwned::to_owned),
            header_tags: by_header,
            ..routing::Host::default()
        };
        Host::build(&source, "default", &mut |key| key.name).expect("it has a share")
    };
    let off = host(None, None);
    let on = host(None, Some(vec![tag("blue", "b"), tag("green", "g")]));
    let of_tag = host(Some("blue"), Some(Vec::new()));
    let default = [(DEFAULT_ROUTE, "true")];
    for (host, sent, revision, told) in [
        (&off, Some("blue"), "main", &[(TAG, "blue")][..]),
        (&off, None, "main", &[]),
        (&on, Some("blue"), "b", &[(TAG, "blue")]),
        (&on, Some("green"), "g", &[(TAG, "green")]),
        (&on, Some("Blue"), "main", &[(TAG, "Blue"), (DEFAULT_ROUTE, "true")]),
        (&on, Some("red"), "main", &[(TAG, "red"), (DEFAULT_ROUTE, "true")]),
        (&on, None, "main", &default),
        (&of_tag, None, "main", &[(TAG, "blue")]),
        (&of_tag, Some("green"), "main", &[(TAG, "blue")]),
    ] {
        let mut headers = HeaderMap::new();
        if let Some(sent) = sent {
            headers.insert(TAG, HeaderValue::from_static(sent));
        }
        assert_eq!(host.next(&mut headers), revision, "{sent:?}");
        let mut expected = HeaderMap::new();
        expected.extend(
            told.iter().map(|(name, value)| (name.clone(), HeaderValue::from_static(value))),
        );
        assert_eq!(headers, expected, "{sent:?}");
    }
}

#[test]
fn a_host_is_found_however_it_is_written() {
    let table = build(&[("hello-00001", 100)], &RouteTable::default());
    let found = |host| table.find(host, Side::Public).is_some();
    assert!(found("hello.default.localhost"));
    assert!(found("hello.default.localhost:7080"));
    assert!(found("Hello.Default.LOCALHOST.:80"));
    assert!(!found("default.localhost"));
    assert!(!found("x.hello.default.localhost"));
    assert!(!found("[::1]:7080"));
    assert!(!found(""));
}

#[test]
fn a_local_host_is_unknown_to_the_public() {
    let table = build(&[("hello-00001", 100)], &RouteTable::default());
    let local = "hello.default.svc.cluster.local";
    assert!(table.find(local, Side::Public).is_none());
    assert!(table.find(local, Side::Local).is_some());
    assert!(table.find("hello.default.localhost", Side::Local).is_some());
}

#[test]
fn a_local_host_is_found_without_its_namespace_if_only_one_has_it() {
    let of = |namespaces: &[&str]| {
        let route = |namespace: &&str| {
            let key = ObjectKey::new(*namespace, "hello");
            let mut routing = routes(&[("hello-00001", 100)]).into_values().next().expect("one");
            let host = &mut Arc::make_mut(&mut routing).hosts[0];
            host.public.clear();
            host.local = vec![format!("hello.{namespace}.svc"), format!("hello.{namespace}")];
            (RouteKey { kind: RouteKind::Route, key }, routing)
        };
        let all = namespaces.iter().map(route).collect();
        Table::build(&all, &Table::default(), |key| key.to_string())
    };
    let one = of(&["default"]);
    assert_eq!(
        one.find("hello:80", Side::Local).map(|host| next(host).as_str()),
        Some("default/hello-00001")
    );
    assert!(one.find("HELLO", Side::Local).is_some(), "as hosts of any form are");
    assert!(one.find("hello", Side::Public).is_none() && one.find("svc", Side::Local).is_none());
    assert!(of(&["default", "shop"]).find("hello", Side::Local).is_none());
}

#[test]
fn any_thousand_requests_split_exactly_wherever_counting_starts() {
    let table = build(&[("a", 70), ("b", 27), ("c", 3)], &RouteTable::default());
    let host = table.find("hello.default.localhost", Side::Public).expect("it is there");
    for _ in 0..37 {
        next(host);
    }
    let mut counts: BTreeMap<String, u32> = BTreeMap::new();
    for _ in 0..1000 {
        *counts.entry(next(host).clone()).or_default() += 1;
    }
    assert_eq!(counts, [("a".into(), 700), ("b".into(), 270), ("c".into(), 30)].into());
}

#[test]
fn a_host_that_did_not_change_keeps_its_turns() {
    let first = build(&[("a", 50), ("b", 50)], &RouteTable::default());
    let again = build(&[("a", 50), ("b", 50)], &first);
    let changed = build(&[("a", 40), ("b", 60)], &first);
    let host = |table: &Table| Arc::clone(&table.hosts["hello.default.localhost"].host);
    assert!(Arc::ptr_eq(&host(&first), &host(&again)));
    assert!(!Arc::ptr_eq(&host(&first), &host(&changed)));
}

#[test]
fn a_host_that_moved_to_another_namespace_is_another_host() {
    let first = build(&[("a", 100)], &RouteTable::default());
    let moved: BTreeMap<_, _> = routes(&[("a", 100)])
        .into_iter()
        .map(|(key, routing)| {
            (RouteKey { key: ObjectKey::new("other", key.key.name), ..key }, routing)
        })
        .collect();
    let table = Table::build(&moved, &first, |key| key.to_string());
    let host = table.find("hello.default.localhost", Side::Public).expect("it is there");
    assert_eq!(next(host), "other/a");
}

#[test]
fn a_route_wins_over_a_domain_mapping_that_claims_its_host() {
    let mut both = routes(&[("a", 100)]);
    let mapping = routes(&[("b", 100)]).into_values().next().expect("one");
    let key = ObjectKey::new("a-first-namespace", "a-first-name");
    both.insert(RouteKey { kind: RouteKind::DomainMapping, key }, mapping);
    let table = Table::build(&both, &Table::default(), |key| key.name);
    let host = table.find("hello.default.localhost", Side::Public).expect("it is there");
    assert_eq!(next(host), "a");
}

#[test]
fn a_port_and_a_final_dot_are_no_part_of_a_name() {
    for (host, name) in [
        ("a.b", "a.b"),
        ("a.b:80", "a.b"),
        ("a.b.:80", "a.b"),
        ("[::1]", "[::1]"),
        ("[::1]:80", "[::1]"),
        ("[::1", "[::1"),
        ("", ""),
    ] {
        assert_eq!(without_port(host), name, "{host}");
    }
}

#[test]
fn a_table_lists_every_host_with_its_side_and_its_source() {
    let mut routes = routes(&[("a", 100)]);
    let route = routes.values_mut().next().expect("one Route");
    Arc::make_mut(route).hosts[0].http = HttpOption::Redirected;
    let table = Table::build(&routes, &Table::default(), |key| key.name);
    let mut hosts: Vec<_> = table.hosts().collect();
    hosts.sort_by_key(|(name, _, _)| *name);
    let known: Vec<_> = hosts.iter().map(|(name, public, _)| (*name, *public)).collect();
    let (public, local) = ("hello.default.localhost", "hello.default.svc.cluster.local");
    assert_eq!((known, table.len()), (vec![(public, true), (local, false)], 2));
    for (_, _, host) in hosts {
        assert_eq!((host.namespace(), host.http), ("default", HttpOption::Redirected));
        assert_eq!(host.source().split[0].revision, "a");
    }
    let plain = build(&[("a", 100)], &table);
    assert!(plain.hosts().all(|(_, _, host)| host.http == HttpOption::Enabled));
}

#[test]
fn a_host_without_shares_is_not_served() {
    let mut routes = routes(&[("hello-00001", 100)]);
    let route = routes.values_mut().next().expect("one Route");
    let hosts = &mut Arc::make_mut(route).hosts;
    let empty = routing::Host {
        public: vec!["empty.default.localhost".to_owned()],
        split: Vec::new(),
        ..hosts[0].clone()
    };
    hosts.push(empty);
    let table = Table::build(&routes, &Table::default(), |key| key.name);
    let found = |name| table.find(name, Side::Public).map(|host| next(host).as_str());
    assert_eq!(found("empty.default.localhost"), None);
    assert_eq!(found("hello.default.localhost"), Some("hello-00001"));
}

proptest::proptest! {
    #[test]
    fn only_its_own_name_finds_a_host(sent in "[hHeElLoO.:\\[\\]0-9 \\-]{0,12}(\\.default\\.localhost)?\\PC{0,3}") {
        let table = build(&[("hello-00001", 100)], &RouteTable::default());
        let name = without_port(&sent).to_ascii_lowercase();
        let found = table.find(&sent, Side::Public).is_some();
        proptest::prop_assert_eq!(found, name == "hello.default.localhost");
        proptest::prop_assert!(table.find(&name, Side::Local).is_some() == found || name.ends_with('.'));
    }
}
