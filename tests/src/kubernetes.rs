//! The manifests of `deploy/kubernetes` against the code: what the code requires is set, what is set exists, and nothing
//! extra. Whatever a service gains (a setting, a call, a metric, a topic) is missed here until the manifests have it.

mod rules;

use std::collections::{BTreeMap, BTreeSet};

use clap::{Arg, Args};
use indowater_common::config::Common;
use indowater_common::lifecycle::Host;
use indowater_proto::topics;

use crate::layout::hold;
use crate::manifests::{Manifests, SERVICES, Source, list, text};

/// The settings that a service's `start` takes, and those of every service.
fn settings<S: Args, F>(_: fn(S, Host) -> F) -> Vec<Arg> {
    let command = Common::augment_args(clap::Command::new("service"));
    S::augment_args(command).get_arguments().cloned().collect()
}

fn settings_of(service: &str) -> Vec<Arg> {
    match service {
        "ingest" => settings(ingest::start),
        "usage-aggregator" => settings(usage_aggregator::start),
        "anomaly-detector" => settings(anomaly_detector::start),
        "billing" => settings(billing::start),
        "voucher" => settings(voucher::start),
        "notifier" => settings(notifier::start),
        "api-gateway" => settings(api_gateway::start),
        _ => unreachable!("{service} is no service"),
    }
}

fn variable(setting: &Arg) -> Option<&str> {
    setting.get_env()?.to_str()
}

fn default(setting: &Arg) -> String {
    setting.get_default_values().iter().map(|value| value.to_string_lossy()).collect()
}

/// The default of the setting that is read from `name`.
fn default_of(settings: &[Arg], name: &str) -> String {
    let setting = settings.iter().find(|setting| variable(setting) == Some(name));
    setting.map(default).unwrap_or_default()
}

/// Settings whose default suits one machine alone, or which are secrets and have none.
fn required(settings: &[Arg]) -> impl Iterator<Item = &str> {
    settings.iter().filter_map(|setting| {
        let secret = setting.is_hide_env_values_set();
        (default(setting).contains("127.0.0.1:") || secret).then(|| variable(setting))?
    })
}

fn names(settings: &[Arg]) -> BTreeSet<&str> {
    settings.iter().filter_map(variable).collect()
}

#[test]
fn what_the_code_requires_is_set() {
    let manifests = Manifests::here();
    for service in SERVICES {
        let (settings, set) = (settings_of(service), manifests.environment(manifests.container(service)));
        // Nobody asks the door over gRPC; how to speak with a broker comes with the component that brings one.
        let of_broker = ["INDOWATER_KAFKA_PASSWORD", "INDOWATER_KAFKA_OPTIONS"];
        let missing = required(&settings)
            .filter(|name| !set.contains_key(*name) && !of_broker.contains(name))
            .filter(|name| (service, *name) != ("api-gateway", "INDOWATER_GRPC_LISTEN"));
        hold(
            "A setting whose default is for one machine, or a secret, is set in the base, or the service asks itself.",
            missing.map(|name| format!("base/{service}/deployment.yaml does not set {name}")),
        );
        let open = settings.iter().filter(|setting| setting.is_hide_env_values_set()).filter_map(variable);
        hold(
            "A secret comes from a secret.",
            open.filter(|name| matches!(set.get(*name), Some(Source::Value(_))))
                .map(|name| format!("{service}: {name}")),
        );
    }
}

#[test]
fn nothing_is_set_that_the_code_does_not_read() {
    let manifests = Manifests::here();
    let mut known = BTreeSet::new();
    for service in SERVICES {
        let settings = settings_of(service);
        let strange = manifests.environment(manifests.container(service)).into_keys();
        hold(
            "A variable that no setting reads is a misspelt one.",
            strange
                .filter(|name| !names(&settings).contains(name.as_str()))
                .map(|name| format!("{service}: {name}")),
        );
        known.extend(settings.iter().filter_map(variable).map(str::to_owned));
    }
    let added = manifests.added();
    let used = |name: &str| {
        let mention = format!("$({name})");
        added.iter().any(|(_, _, source)| matches!(source, Source::Value(value) if value.contains(&mention)))
    };
    let strange = added.iter().filter(|(_, name, _)| !known.contains(name) && !used(name));
    hold(
        "What a component or an overlay adds is a setting of a service, or used in one.",
        strange.map(|(file, name, _)| format!("{file}: {name}")),
    );
    assert!(added.len() > SERVICES.len(), "variables are added by components: {added:?}");
}

/// The port at the end of an address.
fn port(address: &str) -> Option<u64> {
    address.rsplit(':').next()?.parse().ok()
}

#[test]
fn every_port_is_served_and_every_served_port_is_there() {
    let manifests = Manifests::here();
    for service in SERVICES {
        let settings = settings_of(service);
        let set = manifests.environment(manifests.container(service));
        let address = |name: &str| match set.get(name) {
            Some(Source::Value(value)) => value.clone(),
            _ => default_of(&settings, name),
        };
        let mut served = BTreeMap::from([("admin", port(&address("INDOWATER_ADMIN_LISTEN")))]);
        match service {
            "api-gateway" => served.insert("http", port(&address("INDOWATER_HTTP_LISTEN"))),
            _ => served.insert("grpc", port(&address("INDOWATER_GRPC_LISTEN"))),
        };
        let told: BTreeMap<&str, Option<u64>> = list(&manifests.container(service)["ports"])
            .map(|port| (text(&port["name"]), port["containerPort"].as_u64()))
            .collect();
        assert_eq!(told, served, "ports of {service}");
        let exposed = list(&manifests.of(service, "Service")["spec"]["ports"]);
        let exposed: Vec<&str> = exposed.map(|port| text(&port["targetPort"])).collect();
        let main = if service == "api-gateway" { "http" } else { "grpc" };
        assert_eq!(exposed, [main], "what the Service of {service} leads to: never the admin port");
    }
}

#[test]
fn who_calls_is_let_in_and_nobody_else() {
    let manifests = Manifests::here();
    let (mut calls, mut allowed) = (BTreeSet::new(), BTreeSet::new());
    for service in SERVICES {
        for (name, source) in manifests.environment(manifests.container(service)) {
            let Source::Value(value) = source else { continue };
            let Some((host, port)) = value.strip_prefix("https://").and_then(|rest| rest.split_once(':'))
            else {
                continue;
            };
            let target = list(&manifests.of(host, "Service")["spec"]["ports"]).next().expect("a port");
            assert_eq!(target["port"].as_u64(), port.parse().ok(), "{service}: {name}={value}");
            calls.insert((service.to_owned(), host.to_owned()));
        }
        for rule in list(&manifests.of(service, "NetworkPolicy")["spec"]["ingress"]) {
            let callers = list(&rule["from"])
                .map(|from| text(&from["podSelector"]["matchLabels"]["app.kubernetes.io/name"]));
            allowed.extend(
                callers.filter(|name| !name.is_empty()).map(|name| (name.to_owned(), service.to_owned())),
            );
        }
    }
    assert_eq!(allowed, calls, "left: whom network policies let in; right: who has the address of whom");
}

/// Each pod has the certificate of its service and of no other, where its setting says.
#[test]
fn every_service_proves_who_it_is() {
    let manifests = Manifests::here();
    let folder = Some(&Source::Value("/certificates".to_owned()));
    for (file, name) in [("base/pod.yaml", "service"), ("base/job.yaml", "tool")] {
        let patch = &manifests.below(file).next().expect("it is there").says;
        let container = &patch["spec"]["template"]["spec"]["containers"][0];
        let mounts: Vec<_> = list(&container["volumeMounts"]).collect();
        assert_eq!(mounts.len(), 1, "{file}");
        assert_eq!((text(&container["name"]), text(&mounts[0]["name"])), (name, "certificates"), "{file}");
        assert_eq!((text(&mounts[0]["mountPath"]), &mounts[0]["readOnly"]), ("/certificates", &true.into()));
    }
    let pods = SERVICES.map(|service| (service, manifests.of(service, "Deployment")));
    for (service, object) in pods.into_iter().chain([("operator", manifests.of("init", "Job"))]) {
        let pod = &object["spec"]["template"]["spec"];
        let set = manifests.environment(&pod["containers"][0]);
        assert_eq!(set.get("INDOWATER_CERTIFICATES"), folder, "{service}");
        let volumes: Vec<(&str, &str)> = list(&pod["volumes"])
            .map(|volume| (text(&volume["name"]), text(&volume["secret"]["secretName"])))
            .collect();
        assert_eq!(volumes, [("certificates", format!("certificate-{service}").as_str())], "{service}");
        let plain =
            set.values().filter(|value| matches!(value, Source::Value(value) if value.contains("http://")));
        assert_eq!(plain.count(), 0, "{service} is told to ask in plain");
        assert_eq!(set.get("INDOWATER_GRPC_REFLECTION"), None, "{service}: production tells no schemas");
    }
    let patches = manifests.below("components/").chain(manifests.below("overlays/"));
    for patch in patches.flat_map(|file| list(&file.says)) {
        let path = text(&patch["path"]);
        let replaces = path.ends_with("/volumes") || path.ends_with("/volumeMounts");
        assert!(!replaces, "{path} takes the certificates away: add to the list, with /-");
    }
}

#[test]
fn a_drain_ends_before_its_time_is_up() {
    let manifests = Manifests::here();
    let pod = manifests.pod();
    let grace = pod["terminationGracePeriodSeconds"].as_u64().expect("a grace");
    let before =
        pod["containers"][0]["lifecycle"]["preStop"]["sleep"]["seconds"].as_u64().expect("a preStop");
    for service in SERVICES {
        let deadline = default_of(&settings_of(service), "INDOWATER_SHUTDOWN_DEADLINE");
        let deadline: u64 = deadline.parse().expect("whole seconds");
        assert!(grace > before + deadline, "{grace} s, but {service} may take {before} s and {deadline} s");
    }
}

#[test]
fn every_pod_is_confined() {
    let manifests = Manifests::here();
    for (file, name) in [("base/pod.yaml", "service"), ("base/job.yaml", "tool")] {
        let patch = &manifests.below(file).next().expect("it is there").says;
        let pod = &patch["spec"]["template"]["spec"];
        let container = &pod["containers"][0];
        assert_eq!(container["name"], name, "{file}");
        assert_eq!(pod["automountServiceAccountToken"], false, "{file}");
        assert_eq!(container["securityContext"]["readOnlyRootFilesystem"], true, "{file}");
    }
    let job = &manifests.of("init", "Job")["spec"]["template"]["spec"];
    let pods = SERVICES.map(|service| &manifests.of(service, "Deployment")["spec"]["template"]["spec"]);
    for pod in pods.into_iter().chain([job]) {
        let (containers, name) = (list(&pod["containers"]), text(&pod["serviceAccountName"]));
        assert_eq!(containers.count(), 1, "{name}: patches know one container");
        assert_eq!(manifests.of(name, "ServiceAccount")["automountServiceAccountToken"], false, "{name}");
        let memory = &pod["containers"][0]["resources"];
        assert!(memory["requests"]["memory"].is_string() && memory["limits"]["memory"].is_string(), "{name}");
    }
}

#[test]
fn images_are_those_that_are_built() {
    let manifests = Manifests::here();
    let dockerfile = include_str!("../../deploy/Dockerfile");
    let tool = &manifests.of("init", "Job")["spec"]["template"]["spec"]["containers"][0];
    let used: BTreeSet<&str> = SERVICES
        .map(|service| text(&manifests.container(service)["image"]))
        .into_iter()
        .chain([text(&tool["image"])])
        .collect();
    let base = &manifests.below("base/kustomization.yaml").next().expect("it is there").says;
    let versioned: BTreeSet<&str> = list(&base["images"]).map(|image| text(&image["name"])).collect();
    assert_eq!(used, versioned, "every image gets its version in one place");
    for image in used {
        let stage = image.strip_prefix("indowater/").unwrap_or(image);
        assert!(dockerfile.contains(&format!(" AS {stage}\n")), "deploy/Dockerfile builds no {stage}");
    }
    for image in list(&base["images"]) {
        assert_eq!(image["newTag"], env!("CARGO_PKG_VERSION"), "{image}");
    }
}

#[test]
fn topics_are_those_of_the_table() {
    let committed = include_str!("../../deploy/kubernetes/components/kafka-strimzi/topics.yaml");
    assert!(
        committed == indowater::topics::resources("indowater", 3),
        "make it anew: cargo run -- topics --kubernetes > deploy/kubernetes/components/kafka-strimzi/topics.yaml"
    );
    let manifests = Manifests::here();
    assert_eq!(manifests.of_kind("KafkaTopic").count(), topics::ALL.len());
}

#[test]
fn scaling_never_goes_beyond_the_partitions() {
    let manifests = Manifests::here();
    let consumer = include_str!("../../services/common/src/kafka/consumer.rs");
    for service in SERVICES {
        let object = &manifests.of(service, "ScaledObject")["spec"];
        let most = object["maxReplicaCount"].as_i64().expect("a bound");
        assert_eq!(object["minReplicaCount"], 1, "{service} answers calls, so it is never scaled to nothing");
        assert_eq!(object["scaleTargetRef"]["name"], service);
        for (group, name) in manifests.scaled_by(service) {
            let topic =
                topics::ALL.into_iter().find(|topic| topic.name("indowater") == format!("indowater.{name}"));
            let topic = topic.unwrap_or_else(|| panic!("{service} is scaled by {name}, which is no topic"));
            assert!(
                most <= i64::from(topic.partitions),
                "{service}: {most} instances of {group} share {name}"
            );
        }
        for trigger in list(&object["triggers"]).filter(|trigger| trigger["type"] == "kafka") {
            let policy = text(&trigger["metadata"]["offsetResetPolicy"]);
            assert!(
                consumer.contains(&format!("(\"auto.offset.reset\", \"{policy}\")")),
                "{service}: {policy}"
            );
        }
    }
}

#[test]
fn users_and_rights_are_those_of_the_tables() {
    let files = [
        (
            "kafka-strimzi",
            "kafka-users",
            include_str!("../../deploy/kubernetes/components/kafka-strimzi/users.yaml"),
            indowater::access::resources::kafka_users("indowater"),
        ),
        (
            "mongodb",
            "database-users",
            include_str!("../../deploy/kubernetes/components/mongodb/users.yaml"),
            indowater::access::resources::database_users("mongodb"),
        ),
    ];
    for (component, command, committed, made) in files {
        assert!(
            committed == made,
            "make it anew: cargo run -- access {command} > deploy/kubernetes/components/{component}/users.yaml"
        );
    }
}

#[test]
fn every_service_is_a_user_of_the_broker_and_of_the_database() {
    let manifests = Manifests::here();
    let wanted: BTreeSet<&str> = SERVICES.into_iter().chain(["init"]).collect();
    let mut told = BTreeSet::new();
    for patch in manifests.below("components/kafka-strimzi/passwords.yaml") {
        let (name, pod) = (text(&patch.says["metadata"]["name"]), &patch.says["spec"]["template"]["spec"]);
        let variables = &pod["containers"][0]["env"];
        assert_eq!(variables[0]["value"], format!("indowater-{name}"));
        assert_eq!(variables[1]["valueFrom"]["secretKeyRef"]["name"], format!("kafka-indowater-{name}"));
        told.insert(name);
    }
    assert_eq!(told, wanted);
    let job = &manifests.of("init", "Job")["spec"]["template"]["spec"]["containers"][0];
    let containers = SERVICES.map(|service| (service, manifests.container(service)));
    for (name, container) in containers.into_iter().chain([("init", job)]) {
        let database = list(&container["env"]).find(|variable| variable["name"] == "INDOWATER_MONGODB");
        let secret = &database.expect("it has a database")["valueFrom"]["secretKeyRef"]["name"];
        assert_eq!(secret, &format!("mongodb-{name}"), "each has a user of its own");
    }
}
