//! The rules of the layout, checked on every run, so that none of them rests on somebody remembering it.
//!
//! A rule is a small pure function over the name and the text of a file; its own test proves that it catches a
//! violation. This module gives them the repository as it stands on the disk, and tells all that breaks a rule at
//! once, with the reason for the rule.
//!
//! The rules about edges hold for the seven services, for the library they share and for the auditor. They do not hold for the
//! operator's tool and for this crate: each of the tool's commands, and each suite, *is* an edge, and a file for every
//! pair of command and technology would separate what belongs together.

mod arrows;
mod circles;
mod code;
mod house;
mod reach;
mod tree;

pub use tree::Tree;

/// Fails with every violation and why the rule is there.
pub fn hold(rule: &str, violations: impl IntoIterator<Item = String>) {
    let violations: Vec<String> = violations.into_iter().collect();
    assert!(violations.is_empty(), "\n{rule}\n\nThis breaks it:\n  {}\n", violations.join("\n  "));
}

/// Fails with every violation that `check` finds in one of `files`. No file at all is a failure too: a rule that
/// looks at nothing holds nothing.
fn hold_in<'a>(
    rule: &str,
    files: impl Iterator<Item = (&'a str, &'a str)>,
    check: impl Fn(&str, &str) -> Vec<String>,
) {
    let mut files = files.peekable();
    assert!(files.peek().is_some(), "nothing was looked at for: {rule}");
    hold(rule, files.flat_map(|(file, text)| check(file, text)));
}

#[test]
fn a_technology_is_touched_only_where_its_name_stands() {
    hold_in(
        "A library of the outside world is used only in files or folders named after its technology (kafka*, mongo*, \
         grpc*, http*): a change of the library, and of what it speaks, then has one place.",
        Tree::here().sources(),
        arrows::technologies,
    );
}

#[test]
fn the_domain_is_pure() {
    hold_in(
        "domain/ decides and does nothing else: no waiting, clock, chance, files, logs, wire formats or edges. What it \
         needs is passed in, so that tables and properties test it, and so that a replay gives the same figures.",
        Tree::here().sources(),
        arrows::domain,
    );
}

#[test]
fn edges_do_not_know_each_other() {
    hold_in(
        "The edges of a service do not name each other: what has to happen between two of them is a use case, and its \
         place is app.",
        Tree::here().sources(),
        arrows::edges,
    );
}

#[test]
fn no_file_leads_back_to_itself() {
    hold(
        "Files of a crate stand in an order: what a file needs can be read before it, and a change goes one way.",
        circles::circles(Tree::here().sources()),
    );
}

#[test]
fn no_service_depends_on_another() {
    let tree = Tree::here();
    let services = tree.services();
    hold_in(
        "Services meet in topics and calls, never in code: of our own crates a service, and the tool, depends on proto \
         and common only, common on proto, proto on none. The auditor depends on proto only, and the tool alone on \
         the auditor: a check proves nothing with the code that it checks.",
        tree.named("Cargo.toml"),
        |file, text| arrows::dependencies(file, text, &services),
    );
}

#[test]
fn no_source_file_is_too_long() {
    hold_in(
        "A source file that no longer fits into a reader's head wants to be two.",
        Tree::here().files().filter(|(file, _)| file.ends_with(".rs")),
        house::length,
    );
}

#[test]
fn the_top_level_is_fixed() {
    hold(
        "The top level is the map of the house: everything has its place in one of these entries.",
        house::top_level(&Tree::here().top_level()),
    );
}

#[test]
fn every_service_has_its_parts() {
    let tree = Tree::here();
    let services = tree.services();
    assert_eq!(services.len(), 7, "there are seven services, not these: {services:?}");
    hold(
        "Every service is found the same way: README.md says what it is for, src/main.rs only hands over to the common \
         lifecycle, src/lib.rs wires it up, so that a test can start it too.",
        services.iter().flat_map(|service| house::parts(service, |file| tree.text(file))),
    );
}

#[test]
fn every_setting_is_in_its_readme() {
    let tree = Tree::here();
    hold_in(
        "A setting that its README does not name is one that no operator finds.",
        tree.settings(),
        |file, text| house::settings(file, text, |readme| tree.text(readme)),
    );
}

#[test]
fn grpc_is_for_one_machine_unless_told_otherwise() {
    let tree = Tree::here();
    let services = tree.services();
    let text = |file| tree.text(file).expect("it is there");
    let rule = "gRPC asks nobody who they are: by default it listens for its own machine alone, and exactly those services \
                that others ask are told otherwise, by the compose file and by their images.";
    hold_in(rule, tree.settings(), reach::default);
    hold(rule, reach::images(text("deploy/Dockerfile"), &services));
    hold(rule, reach::containers(text("docker-compose.yml"), &services));
}

#[test]
fn containers_prove_who_they_are() {
    let tree = Tree::here();
    let services = tree.services();
    let own = services.iter().map(|service| (*service, *service));
    let programs: Vec<_> = own.chain([("seed", "operator"), ("simulate", "operator")]).collect();
    let compose = tree.text("docker-compose.yml").expect("it is there");
    let rule = "Each container has its own certificate and no other, and asks those who prove who they are.";
    hold(rule, reach::certificates(compose, &programs));
}

#[test]
fn nothing_knows_the_machine_it_was_written_on() {
    hold_in("A path of one machine is wrong on all others.", Tree::here().files(), house::machine_paths);
}
