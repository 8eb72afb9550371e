//! The alerts against the code and the runbook: every metric that a rule names is one that is counted, every alert has its part
//! in the runbook and its case in the tests that promtool plays.

use std::collections::BTreeSet;

use crate::layout::{Tree, hold};
use crate::manifests::{Manifests, list, text};

const RULES: &str = "components/monitoring/rules.yaml";
/// Series that others tell: Prometheus itself, kube-state-metrics, Strimzi's operator and cert-manager.
const OTHERS: [&str; 4] = [
    "up",
    "kube_deployment_status_replicas_available",
    "strimzi_certificate_expiration_timestamp_ms",
    "certmanager_certificate_expiration_timestamp_seconds",
];

/// The series that Prometheus sees of what the code counts: the exporter adds units and kinds to the names.
fn series<'a>(sources: impl Iterator<Item = (&'a str, &'a str)>) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for (_, text) in sources {
        for (before, after) in
            text.match_indices("\"indowater_").map(|(at, _)| (&text[..at], &text[at + 1..]))
        {
            let name = after.split('"').next().unwrap_or_default();
            let call = before
                .trim_end()
                .trim_end_matches('(')
                .rsplit([' ', ':', '.', '\n'])
                .next()
                .unwrap_or_default();
            let made = after.split(".build()").next().unwrap_or_default();
            let unit = if made.contains("with_unit(\"s\")") { "_seconds" } else { "" };
            match call {
                "counter" => found.extend([format!("{name}_total")]),
                "durations" => {
                    found.extend(["bucket", "count", "sum"].map(|part| format!("{name}_seconds_{part}")))
                }
                call if call.ends_with("gauge") || call.ends_with("up_down_counter") => {
                    found.extend([format!("{name}{unit}")]);
                }
                _ => {}
            }
        }
    }
    found
}

/// The names in an expression that may be series: what stands in braces are labels, and no label of ours has an underscore.
fn named(expression: &str) -> BTreeSet<&str> {
    let outside = expression.split('{').map(|part| part.split_once('}').map_or(part, |(_, after)| after));
    outside
        .flat_map(|part| part.split(|c: char| !(c.is_ascii_alphanumeric() || "_:".contains(c))))
        .filter(|word| word.contains(['_', ':']) || *word == "up")
        .collect()
}

/// PromQL's own functions that have an underscore.
const FUNCTIONS: [&str; 3] = ["clamp_min", "histogram_quantile", "min_over_time"];

#[test]
fn every_metric_of_a_rule_is_counted() {
    let (manifests, tree) = (Manifests::here(), Tree::here());
    let mut known = series(tree.sources());
    assert!(known.len() > 30, "the metrics of the code are found: {known:?}");
    known.extend(OTHERS.map(str::to_owned));
    let rules: Vec<_> = manifests.below(RULES).flat_map(|file| list(&file.says["spec"]["groups"])).collect();
    let rules: Vec<_> = rules.into_iter().flat_map(|group| list(&group["rules"])).collect();
    known.extend(rules.iter().map(|rule| text(&rule["record"]).to_owned()).filter(|name| !name.is_empty()));
    let scaling = manifests.below("components/monitoring/requests.yaml").flat_map(|file| list(&file.says));
    let queries = scaling.map(|patch| text(&patch["value"]["metadata"]["query"]));
    let expressions: Vec<&str> = rules.iter().map(|rule| text(&rule["expr"])).chain(queries).collect();
    assert!(expressions.len() > 20);
    hold(
        "A rule about a metric that nobody counts never fires.",
        expressions
            .iter()
            .flat_map(|expression| named(expression))
            .filter(|name| !FUNCTIONS.contains(name))
            .filter(|name| !known.contains(*name))
            .map(|name| format!("{name} is no metric of ours")),
    );
}

#[test]
fn every_alert_has_its_part_in_the_runbook_and_its_case() {
    let manifests = Manifests::here();
    let groups = manifests.below(RULES).flat_map(|file| list(&file.says["spec"]["groups"]));
    let rules = groups.flat_map(|group| list(&group["rules"])).filter(|rule| rule["alert"].is_string());
    let mut alerts = BTreeSet::new();
    for rule in rules {
        let alert = text(&rule["alert"]);
        let place = format!("deploy/RUNBOOK.md#{}", alert.to_lowercase());
        assert_eq!(rule["annotations"]["runbook"], place, "{alert}");
        assert!(["warning", "critical"].contains(&text(&rule["labels"]["severity"])), "{alert}");
        alerts.insert(alert);
    }
    let runbook = include_str!("../../../deploy/RUNBOOK.md");
    let parts: BTreeSet<&str> = runbook.lines().filter_map(|line| line.strip_prefix("### ")).collect();
    assert_eq!(parts, alerts, "left: parts of the runbook; right: alerts");
    let mut played = BTreeSet::new();
    for course in
        manifests.below("components/monitoring/rules-test.yaml").flat_map(|file| list(&file.says["tests"]))
    {
        // An alert has to be seen silent and seen firing.
        for fires in [false, true] {
            let cases = list(&course["alert_rule_test"]);
            let wanted = cases.filter(|case| {
                case["exp_alerts"].as_array().is_some_and(|alerts| alerts.is_empty() != fires)
            });
            played.extend(wanted.map(|case| (text(&case["alertname"]), fires)));
        }
    }
    let wanted: BTreeSet<(&str, bool)> =
        alerts.iter().flat_map(|alert| [(*alert, false), (*alert, true)]).collect();
    assert_eq!(played, wanted, "left: cases that promtool plays; right: alerts");
}

#[test]
fn names_are_found_in_code_and_in_expressions() {
    let code = "counter(\"indowater_a\", \"\") telemetry::durations(\n \"indowater_b\", \"\") x.i64_gauge(\"indowater_c\").build() \
                m\n.f64_gauge(\"indowater_d\")\n.with_unit(\"s\")";
    let wanted = ["indowater_a_total", "indowater_b_seconds_bucket", "indowater_c", "indowater_d_seconds"];
    let found = series([("a.rs", code)].into_iter());
    assert!(wanted.iter().all(|name| found.contains(*name)), "{found:?}");
    let names = named("sum by (le) (rate(a_total{b_c=\"d_e\"}[5m])) / clamp_min(x:y, 1) and up == 0");
    assert_eq!(names, BTreeSet::from(["a_total", "clamp_min", "x:y", "up"]));
}
