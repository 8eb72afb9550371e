//! Which files of a crate lead back to themselves.

use std::collections::{BTreeMap, BTreeSet};

use super::code::paths;

/// The crates that have none. The others follow as they are touched.
const FREE_OF_THEM: [&str; 1] = ["services/api-gateway"];

/// Circles among the files of the crates that are free of them: each as the files that lead to each other, in order.
/// What a module of tests names leads nowhere, and neither does `mod`: a file may own those that it does not use.
pub fn circles<'a>(files: impl Iterator<Item = (&'a str, &'a str)>) -> Vec<String> {
    let mut crates: BTreeMap<&str, BTreeMap<Vec<&str>, &str>> = BTreeMap::new();
    for (file, text) in files {
        let Some((place, path)) = file.split_once("/src/").filter(|(place, _)| FREE_OF_THEM.contains(place))
        else {
            continue;
        };
        let Some(path) = path.strip_suffix(".rs") else {
            continue;
        };
        let module = path.strip_suffix("/mod").unwrap_or(path).split('/').collect();
        crates.entry(place).or_default().insert(module, text);
    }
    crates.into_iter().flat_map(|(place, files)| of_crate(place, &files)).collect()
}

fn of_crate(place: &str, files: &BTreeMap<Vec<&str>, &str>) -> Vec<String> {
    let mut graph = Graph::new();
    for (module, text) in files {
        let root = matches!(module[..], ["lib" | "main"]);
        let named = paths(text, if root { &[] } else { module }).into_iter().filter(|named| !named.in_tests);
        let to = named.filter_map(|named| file_of(&named.path, files)).filter(|to| to != module);
        graph.insert(module.clone(), to.collect());
    }
    let mut done = BTreeSet::new();
    let mut found = Vec::new();
    for start in graph.keys() {
        walk(start, &graph, &mut Vec::new(), &mut done, &mut found);
    }
    found.into_iter().map(|circle| format!("{place}: {circle}")).collect()
}

/// The file that a path leads into: the longest beginning of it that is one.
fn file_of<'a>(path: &str, files: &BTreeMap<Vec<&'a str>, &str>) -> Option<Vec<&'a str>> {
    let segments: Vec<&str> = path.strip_prefix("crate::")?.split("::").collect();
    (1..=segments.len())
        .rev()
        .find_map(|length| files.keys().find(|module| ***module == segments[..length]))
        .cloned()
}

type Graph<'a> = BTreeMap<Vec<&'a str>, BTreeSet<Vec<&'a str>>>;

fn walk<'a>(
    module: &Vec<&'a str>,
    graph: &Graph<'a>,
    way: &mut Vec<Vec<&'a str>>,
    done: &mut BTreeSet<Vec<&'a str>>,
    found: &mut Vec<String>,
) {
    if let Some(begin) = way.iter().position(|before| before == module) {
        let circle = way[begin..].iter().chain([module]).map(|module| module.join("/"));
        found.push(circle.collect::<Vec<_>>().join(" -> "));
        return;
    }
    if !done.insert(module.clone()) {
        return;
    }
    way.push(module.clone());
    for next in graph.get(module).into_iter().flatten() {
        walk(next, graph, way, done, found);
    }
    way.pop();
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(files: &[(&str, &str)]) -> Vec<String> {
        let files: Vec<_> =
            files.iter().map(|(file, text)| (format!("services/api-gateway/src/{file}"), *text)).collect();
        circles(files.iter().map(|(file, text)| (file.as_str(), *text)))
    }

    #[test]
    fn a_circle_is_found() {
        let two = [("a.rs", "use crate::b::B;"), ("b/mod.rs", "fn f() { super::a::g() }")];
        assert_eq!(found(&two), ["services/api-gateway: a -> b -> a"]);
        let child = [("a/mod.rs", "mod c; pub use self::c::C;"), ("a/c.rs", "use super::A;")];
        assert_eq!(found(&child), ["services/api-gateway: a -> a/c -> a"]);
        let three = [("a.rs", "use crate::b;"), ("b.rs", "use crate::c;"), ("c.rs", "use {crate::a::A};")];
        assert_eq!(found(&three).len(), 1);
    }

    #[test]
    fn what_leads_one_way_is_let_alone() {
        let files = [
            ("lib.rs", "mod a; mod b; use crate::a::A; use crate::b::c::C;"),
            ("a.rs", "use crate::b::c::C; mod tests { use crate::lib; use crate::b; }"),
            ("b/mod.rs", "mod c; use self::c::C;"),
            ("b/c.rs", "use crate::d::D; use super::super::d;"),
            ("d.rs", "mod tests { use crate::a; }"),
        ];
        assert_eq!(found(&files), Vec::<String>::new());
    }
}
