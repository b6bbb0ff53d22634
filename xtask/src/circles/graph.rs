//! The graph of one folder: the uses between its files and folders, and the circles of uses.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt;

use super::resolve::Use;
use super::tree::{Id, Tree};

/// One module of a folder uses another, with the place of one use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edge {
    pub from: String,
    pub to: String,
    /// `file:line`.
    pub place: String,
}

impl fmt::Display for Edge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} -> {} ({})", self.from, self.to, self.place)
    }
}

/// The modules of one folder, and one example of each edge between two of them.
#[derive(Debug, Default)]
pub(super) struct Graph {
    nodes: BTreeSet<String>,
    edges: BTreeMap<String, BTreeMap<String, String>>,
}

/// One graph for each folder. An edge belongs to the lowest folder that holds both its ends.
pub(super) fn levels(tree: &Tree, uses: &[Use]) -> BTreeMap<String, Graph> {
    let mut levels: BTreeMap<Id, Graph> = BTreeMap::new();
    for (id, module) in tree.modules.iter().enumerate() {
        if let Some(parent) = module.parent.filter(|_| module.written_in == id) {
            let level = levels.entry(tree.modules[parent].written_in).or_default();
            level.nodes.insert(module.name.clone());
        }
    }
    for one in uses {
        let (from, to) = (tree.line(one.from), tree.line(one.to));
        let shared = from.iter().zip(&to).take_while(|(a, b)| a == b).count();
        let level = from[shared - 1];
        let name = |line: &[Id]| {
            line.get(shared)
                .map_or_else(|| tree.own_name(level), |id| tree.modules[*id].name.clone())
        };
        let place = format!("{}:{}", tree.modules[one.from].file, one.line);
        levels.entry(level).or_default().add(name(&from), name(&to), place);
    }
    levels.into_iter().map(|(id, graph)| (tree.folder_of(id), graph)).collect()
}

impl Graph {
    fn add(&mut self, from: String, to: String, place: String) {
        self.nodes.insert(from.clone());
        self.nodes.insert(to.clone());
        self.edges.entry(from).or_default().entry(to).or_insert(place);
    }

    pub(super) fn edges(&self) -> usize {
        self.edges.values().map(BTreeMap::len).sum()
    }

    fn next(&self, node: &str) -> impl Iterator<Item = (&String, &String)> {
        self.edges.get(node).into_iter().flatten()
    }

    /// Everything that `node` uses, directly or through others. `node` itself is among it if it is in a circle.
    fn reach<'a>(&'a self, node: &'a str) -> BTreeSet<&'a str> {
        let mut found = BTreeSet::new();
        let mut open = vec![node];
        while let Some(at) = open.pop() {
            open.extend(self.next(at).map(|(to, _)| to.as_str()).filter(|to| found.insert(*to)));
        }
        found
    }

    /// The strongly connected components of more than one module, each with its shortest circle.
    pub(super) fn circles(&self) -> Vec<(Vec<String>, Vec<Edge>)> {
        let reach: BTreeMap<&str, BTreeSet<&str>> =
            self.nodes.iter().map(|node| (node.as_str(), self.reach(node))).collect();
        let mut told: BTreeSet<&str> = BTreeSet::new();
        let mut out = Vec::new();
        for node in self.nodes.iter().map(String::as_str) {
            if told.contains(node) || !reach[node].contains(node) {
                continue;
            }
            let members: Vec<&str> =
                reach[node].iter().copied().filter(|other| reach[other].contains(node)).collect();
            told.extend(&members);
            let shortest = members.iter().map(|m| self.shortest_circle(m)).min_by_key(Vec::len);
            let members = members.into_iter().map(str::to_owned).collect();
            out.push((members, shortest.unwrap_or_default()));
        }
        out
    }

    /// The shortest way from a node that is in a circle back to itself.
    fn shortest_circle<'a>(&'a self, node: &'a str) -> Vec<Edge> {
        let mut came: BTreeMap<&str, (&str, &str)> = BTreeMap::new();
        let mut open = VecDeque::from([node]);
        while let Some(at) = open.pop_front() {
            for (to, place) in self.next(at) {
                if came.contains_key(to.as_str()) {
                    continue;
                }
                came.insert(to, (at, place));
                open.push_back(to);
            }
        }
        let mut way = Vec::new();
        let mut at = node;
        while let Some((from, place)) = came.get(at) {
            way.push(Edge {
                from: (*from).to_owned(),
                to: at.to_owned(),
                place: (*place).to_owned(),
            });
            at = from;
            if at == node {
                break;
            }
        }
        way.reverse();
        way
    }

    /// The modules, each after those that it uses. What is in a circle, or uses one, comes last.
    pub(super) fn layers(&self) -> Vec<String> {
        let mut order: Vec<String> = Vec::new();
        let mut left: BTreeSet<&str> = self.nodes.iter().map(String::as_str).collect();
        loop {
            let ready: Vec<&str> = left
                .iter()
                .copied()
                .filter(|node| !self.next(node).any(|(to, _)| left.contains(to.as_str())))
                .collect();
            if ready.is_empty() {
                break;
            }
            order.extend(ready.iter().map(|r| (*r).to_owned()));
            left.retain(|node| !ready.contains(node));
        }
        order.extend(left.into_iter().map(str::to_owned));
        order
    }
}
