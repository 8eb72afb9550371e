//! Who may know whom.
//!
//! A module called `tests` is bound by the purity of the domain only: it may wire edges together to try one of them.

use super::code::{Named, lines_with, paths};

/// What the name of an edge begins with, and the crates that only such an edge touches.
const TECHNOLOGIES: [(&str, &[&str]); 4] = [
    ("kafka", &["rdkafka"]),
    ("mongo", &["mongodb", "bson"]),
    ("grpc", &["tonic", "tonic_health", "tonic_reflection"]),
    ("http", &["axum", "hyper", "hyper_util", "reqwest", "tower_http", "utoipa_axum"]),
];

/// A service that serves nothing yet wires up the routes it does not have.
const NO_ROUTES: (&str, &str) = ("lib", "tonic::service::Routes");

/// The one place where two edges meet by their nature: a table of messages, and the relay that publishes it.
const OUTBOX: &str = "services/common/src/mongo/outbox.rs";

/// The one way to serve, which HTTP and gRPC share, for gRPC is HTTP too: (where it stands, its technology).
const SERVING: (&str, &str) = ("services/common/src/serve/", "http");

/// Crates that wait, log, or take chances.
const IMPURE_CRATES: [&str; 8] =
    ["futures", "indowater_proto", "opentelemetry", "prometheus", "rand", "rand_chacha", "tokio", "tracing"];

/// Parts of the standard library that reach the outside world or its clock.
const IMPURE_STD: [&str; 7] = [
    "std::env",
    "std::fs",
    "std::net",
    "std::process",
    "std::thread",
    "std::time::Instant",
    "std::time::SystemTime",
];

/// The modules of a source file of a service or of the common library; of the tool none.
///
/// `services/billing/src/mongo/ledger.rs` is `["mongo", "ledger"]`, and `ledger_tests.rs` beside it, by our habit,
/// the module `tests` of that one.
fn modules(file: &str) -> Option<Vec<&str>> {
    let (crate_name, path) = file.strip_prefix("services/")?.split_once("/src/")?;
    let path = path.strip_suffix(".rs").filter(|_| crate_name != "indowater")?;
    let (path, tests) = match path.strip_suffix("_tests") {
        Some(tested) => (tested, Some("tests")),
        None => (path, None),
    };
    Some(path.strip_suffix("/mod").unwrap_or(path).split('/').chain(tests).collect())
}

/// The paths that `text` names; the crate's root is no module.
fn named(text: &str, modules: &[&str]) -> Vec<Named> {
    paths(text, if matches!(modules, ["lib" | "main"]) { &[] } else { modules })
}

/// The technology whose edge a module of this name is.
fn technology_of_module(name: &str) -> Option<&'static str> {
    TECHNOLOGIES.iter().map(|(technology, _)| *technology).find(|technology| name.starts_with(technology))
}

fn technology_of_crate(name: &str) -> Option<&'static str> {
    TECHNOLOGIES.iter().find(|(_, crates)| crates.contains(&name)).map(|(technology, _)| *technology)
}

/// The module of ours that a path leads into: of this crate or of the common one.
fn own_module(path: &Named) -> Option<&str> {
    let mut segments = path.segments();
    matches!(segments.next(), Some("crate" | "indowater_common")).then(|| segments.next()).flatten()
}

/// Uses of a technology's crates outside its edge.
pub fn technologies(file: &str, text: &str) -> Vec<String> {
    let Some(modules) = modules(file) else {
        return Vec::new();
    };
    let is_edge_of = |technology: &str| {
        let serving = file.starts_with(SERVING.0) && technology == SERVING.1;
        serving || modules.iter().any(|module| module.starts_with(technology))
    };
    let misplaced = named(text, &modules).into_iter().filter_map(|named| {
        let technology = named.segments().next().and_then(technology_of_crate)?;
        let no_routes = modules == [NO_ROUTES.0] && named.path == NO_ROUTES.1;
        let allowed = is_edge_of(technology) || named.in_tests || no_routes;
        (!allowed).then(|| format!("{file}:{} names {}; its place is {technology}*", named.line, named.path))
    });
    misplaced.collect()
}

/// What a file of a `domain/` knows besides values and rules.
pub fn domain(file: &str, text: &str) -> Vec<String> {
    let Some(modules) = modules(file).filter(|modules| modules.contains(&"domain")) else {
        return Vec::new();
    };
    let impure = named(text, &modules).into_iter().filter_map(|named| {
        let first = named.segments().next()?;
        let impure = IMPURE_CRATES.contains(&first)
            || technology_of_crate(first).is_some()
            || IMPURE_STD
                .iter()
                .any(|part| named.path == *part || named.path.starts_with(&format!("{part}::")))
            || own_module(&named).is_some_and(|module| module != "domain");
        impure.then(|| format!("{file}:{} names {}", named.line, named.path))
    });
    let waiting = ["async", "await"].into_iter().flat_map(|word| {
        lines_with(text, word).into_iter().map(move |line| format!("{file}:{line} is {word}"))
    });
    impure.chain(waiting).collect()
}

/// Names of one edge in another.
pub fn edges(file: &str, text: &str) -> Vec<String> {
    let Some(modules) = modules(file).filter(|_| file != OUTBOX) else {
        return Vec::new();
    };
    let Some(own) = modules.first().copied().and_then(technology_of_module) else {
        return Vec::new();
    };
    let foreign = named(text, &modules).into_iter().filter(|named| {
        let technology = own_module(named).and_then(technology_of_module);
        technology.is_some_and(|technology| technology != own) && !named.in_tests
    });
    foreign.map(|Named { line, path, .. }| format!("{file}:{line} names {path}")).collect()
}

/// Our own crates that the manifest of another one of ours must not name.
pub fn dependencies(file: &str, text: &str, services: &[&str]) -> Vec<String> {
    let allowed: &[&str] = match file {
        // The root names all of them, and the tests start all of them.
        "Cargo.toml" | "tests/Cargo.toml" => return Vec::new(),
        "proto/Cargo.toml" => &[],
        "services/common/Cargo.toml" | "services/auditor/Cargo.toml" => &["indowater-proto"],
        // The tool has the auditor compute again what the services did, and evaluates the detector's own domain code: a copy of
        // the rules would measure the copy.
        "services/indowater/Cargo.toml" => {
            &["indowater-proto", "indowater-common", "auditor", "anomaly-detector"]
        }
        _ => &["indowater-proto", "indowater-common"],
    };
    let ours = ["indowater-proto", "indowater-common", "auditor", "indowater", "indowater-tests"];
    let forbidden = ours.iter().chain(services).filter(|name| !allowed.contains(name));
    let mut found = Vec::new();
    for name in forbidden {
        let mut section = "";
        for (line, number) in text.lines().zip(1..) {
            if let Some(header) = line.strip_prefix('[') {
                section = header.trim_end_matches(']');
            }
            if depends(section, line, name) {
                found.push(format!("{file}:{number} names {name}"));
            }
        }
    }
    found
}

/// Whether a line of a manifest makes a dependency on `name`, under its own name or under another.
fn depends(section: &str, line: &str, name: &str) -> bool {
    let (table, single) = match section.split_once("dependencies.") {
        Some((before, single)) => (before, Some(single)),
        None => (section.strip_suffix("dependencies").unwrap_or("no"), None),
    };
    let is_table = table.is_empty() || table.ends_with(['.', '-']);
    let key = line.split(['.', '=', ' ']).next().unwrap_or_default();
    let header = line.starts_with('[');
    let called = if header { single == Some(name) } else { single.is_none() && key == name };
    let renamed = !header && (line.contains(&format!("\"{name}\"")) || line.contains(&format!("/{name}\"")));
    is_table && (called || renamed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_crate_outside_its_edge_is_found() {
        let text = "use mongodb::Database;";
        assert_eq!(technologies("services/billing/src/app.rs", text).len(), 1);
        assert_eq!(technologies("services/billing/src/kafka/mod.rs", "use {std::fmt, bson::doc};").len(), 1);
        assert_eq!(technologies("services/billing/src/app.rs", "let x = axum::Router::new();").len(), 1);
        assert_eq!(technologies("services/billing/src/lib.rs", "use tonic::transport::Server;").len(), 1);
        for edge in ["mongo.rs", "mongo/ledger.rs", "app/mongo_ledger.rs"] {
            assert!(technologies(&format!("services/billing/src/{edge}"), text).is_empty(), "{edge}");
        }
    }

    #[test]
    fn the_tool_tests_and_empty_routes_are_let_alone() {
        assert!(technologies("services/billing/src/http/tests.rs", "use mongodb::Client;").is_empty());
        assert!(edges("services/billing/src/http.rs", "mod tests { use crate::mongo::Store; }").is_empty());
        assert!(technologies("services/indowater/src/seed.rs", "use mongodb::Database;").is_empty());
        assert!(technologies("services/billing/src/lib.rs", "use tonic::service::Routes;").is_empty());
    }

    #[test]
    fn an_impure_domain_is_found() {
        for text in [
            "use tokio::sync::mpsc;",
            "use std::{fmt, fs};",
            "let now = std::time::Instant::now();",
            "tracing::info!(x);",
            "use crate::mongo::Store;",
            "use super::super::app;",
            "use indowater_common::{clock, domain::zone::Zone};",
            "async fn wait() {}",
        ] {
            assert!(!domain("services/billing/src/domain/ledger.rs", text).is_empty(), "{text}");
            assert!(domain("services/billing/src/app.rs", text).is_empty(), "{text}");
        }
    }

    #[test]
    fn a_pure_domain_is_let_alone() {
        let text = "use std::time::Duration;\nuse super::money::Rupiah;\nuse indowater_common::domain::zone::Zone;\n\
                    mod tests { use super::*; use super::super::money; }\n// async, tokio::time";
        assert_eq!(domain("services/billing/src/domain/ledger.rs", text), Vec::<String>::new());
        assert_eq!(
            domain("services/billing/src/domain/mod.rs", "mod tests { use super::word; }"),
            Vec::<String>::new()
        );
    }

    #[test]
    fn an_edge_in_another_is_found() {
        assert_eq!(edges("services/billing/src/grpc.rs", "use crate::mongo::Store;").len(), 1);
        assert_eq!(edges("services/billing/src/grpc.rs", "use super::mongo_ledger::Store;").len(), 1);
        assert_eq!(
            edges("services/billing/src/kafka/mod.rs", "use indowater_common::{grpc, kafka};").len(),
            1
        );
        assert!(
            edges("services/billing/src/kafka/mod.rs", "use super::domain; use crate::kafka::x;").is_empty()
        );
        assert!(edges("services/billing/src/app.rs", "use crate::mongo::Store;").is_empty());
        assert!(edges(OUTBOX, "use crate::kafka::Publisher;").is_empty());
    }

    #[test]
    fn a_dependency_on_a_service_is_found() {
        let found = |file: &str, text: &str| dependencies(file, text, &["billing", "voucher"]).len();
        for text in [
            "[dependencies]\nbilling.workspace = true",
            "[dev-dependencies]\nbilling = { path = \"../billing\" }",
            "[dependencies.billing]\nworkspace = true",
            "[dependencies]\nmoney = { package = \"billing\", version = \"1\" }",
            "[target.'cfg(unix)'.dependencies]\nbilling.workspace = true",
        ] {
            assert_eq!(found("services/voucher/Cargo.toml", text), 1, "{text}");
            assert_eq!(found("tests/Cargo.toml", text), 0, "{text}");
        }
        let common = "[dependencies]\nindowater-common.workspace = true";
        assert_eq!(found("services/voucher/Cargo.toml", common), 0);
        assert_eq!(found("services/common/Cargo.toml", common), 1);
        let auditor = "[dependencies]\nauditor.workspace = true";
        assert_eq!(found("services/indowater/Cargo.toml", auditor), 0);
        assert_eq!(found("services/billing/Cargo.toml", auditor), 1);
        assert_eq!(
            found("services/auditor/Cargo.toml", "[dependencies]\nindowater-proto.workspace = true"),
            0
        );
        for of_theirs in ["indowater-common", "billing", "indowater"] {
            let text = format!("[dev-dependencies]\n{of_theirs}.workspace = true");
            assert_eq!(found("services/auditor/Cargo.toml", &text), 1, "{of_theirs}");
        }
        assert_eq!(
            found(
                "services/billing/Cargo.toml",
                "[package]\nname = \"billing\"\n[[bin]]\nname = \"billing\""
            ),
            0
        );
    }
}
