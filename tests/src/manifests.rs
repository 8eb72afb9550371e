//! The manifests of `deploy/kubernetes` as they stand in the repository: read, not rendered, so that no tool is needed.
//!
//! What kustomize makes of them is proved by a real API server (`deploy/kubernetes/prove`); what is said here is what the
//! files say, by services and kinds.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use serde_json::Value;

/// The services, by the names of their folders in the base.
pub const SERVICES: [&str; 7] =
    ["ingest", "usage-aggregator", "anomaly-detector", "billing", "voucher", "notifier", "api-gateway"];

/// One YAML document of a file.
pub struct Manifest {
    /// Path of the file below `deploy/kubernetes`.
    pub file: String,
    /// What it says.
    pub says: Value,
}

/// All of them.
pub struct Manifests(Vec<Manifest>);

/// Where the value of an environment variable comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// It stands in the manifest.
    Value(String),
    /// A secret of the cluster holds it.
    Secret,
}

/// A consumer group and a topic that it reads, without the prefix.
pub type Consumer = (String, String);

impl Manifests {
    /// Those of this repository.
    ///
    /// # Panics
    /// A file cannot be read, or is not YAML.
    pub fn here() -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/kubernetes");
        let mut all = Self(Vec::new());
        all.collect(&root, "");
        all
    }

    #[allow(clippy::panic, reason = "a harness")]
    fn collect(&mut self, folder: &Path, prefix: &str) {
        for entry in fs::read_dir(folder).expect("deploy/kubernetes can be listed") {
            let path = entry.expect("deploy/kubernetes can be listed").path();
            let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
            let file = format!("{prefix}{name}");
            if path.is_dir() {
                self.collect(&path, &format!("{file}/"));
            } else if name.ends_with(".yaml") {
                let text = fs::read_to_string(&path).expect("a manifest is text");
                let documents: Vec<Value> =
                    serde_saphyr::from_multiple(&text).unwrap_or_else(|error| panic!("{file}: {error}"));
                self.0.extend(documents.into_iter().map(|says| Manifest { file: file.clone(), says }));
            }
        }
    }

    /// Every document below `folder`.
    pub fn below<'a>(&'a self, folder: &'a str) -> impl Iterator<Item = &'a Manifest> {
        self.0.iter().filter(move |manifest| manifest.file.starts_with(folder))
    }

    /// Every document of a kind.
    pub fn of_kind<'a>(&'a self, kind: &'a str) -> impl Iterator<Item = &'a Manifest> {
        self.0.iter().filter(move |manifest| manifest.says["kind"] == kind)
    }

    /// The one document of `kind` that the base has for `service`.
    ///
    /// # Panics
    /// There is none.
    #[allow(clippy::panic, reason = "a harness")]
    pub fn of(&self, service: &str, kind: &str) -> &Value {
        let folder = format!("base/{service}/");
        let found = self.0.iter().find(|one| one.file.starts_with(&folder) && one.says["kind"] == kind);
        found.map(|manifest| &manifest.says).unwrap_or_else(|| panic!("{folder} has no {kind}"))
    }

    /// The container that the base runs as `service`.
    pub fn container(&self, service: &str) -> &Value {
        &self.of(service, "Deployment")["spec"]["template"]["spec"]["containers"][0]
    }

    /// What every service has in common: the patch of all Deployments, its pod.
    pub fn pod(&self) -> &Value {
        let patch = self.below("base/pod.yaml").next().expect("base/pod.yaml is there");
        &patch.says["spec"]["template"]["spec"]
    }

    /// What the base puts into the environment of `container`: its own variables, and those of the system.
    pub fn environment(&self, container: &Value) -> BTreeMap<String, Source> {
        let mut variables = BTreeMap::new();
        if list(&container["envFrom"]).any(|from| from["configMapRef"]["name"] == "system") {
            variables.extend(self.system("base/kustomization.yaml"));
        }
        variables.extend(list(&container["env"]).map(variable));
        variables
    }

    /// The literals of the ConfigMap `system` that a kustomization makes or merges.
    fn system(&self, kustomization: &str) -> impl Iterator<Item = (String, Source)> {
        let maps = self.below(kustomization).flat_map(|manifest| list(&manifest.says["configMapGenerator"]));
        let literals = maps.filter(|map| map["name"] == "system").flat_map(|map| list(&map["literals"]));
        let pairs: Vec<_> = literals
            .filter_map(|literal| literal.as_str()?.split_once('='))
            .map(|(name, value)| (name.to_owned(), Source::Value(value.to_owned())))
            .collect();
        pairs.into_iter()
    }

    /// Every variable that a component or an overlay may add to any container, with the file that says so.
    pub fn added(&self) -> Vec<(&str, String, Source)> {
        let mut found = Vec::new();
        for Manifest { file, says } in self.below("components/").chain(self.below("overlays/")) {
            for container in list(&says["spec"]["template"]["spec"]["containers"]) {
                // What is not ours has settings of its own.
                if container["name"] == "service" || container["name"] == "tool" {
                    found.extend(list(&container["env"]).map(variable).map(|(n, v)| (file.as_str(), n, v)));
                }
            }
            let operations = list(says).filter(|patch| path_of(patch).contains("/env/"));
            found.extend(
                operations.map(|patch| variable(&patch["value"])).map(|(n, v)| (file.as_str(), n, v)),
            );
            if file.ends_with("kustomization.yaml") {
                found.extend(self.system(file).map(|(n, v)| (file.as_str(), n, v)));
            }
        }
        found
    }

    /// Whom KEDA asks the lag of for `service`.
    pub fn scaled_by(&self, service: &str) -> BTreeSet<Consumer> {
        let triggers = list(&self.of(service, "ScaledObject")["spec"]["triggers"]);
        triggers
            .filter(|trigger| trigger["type"] == "kafka")
            .map(|trigger| {
                let bare = |key: &str| {
                    let name = trigger["metadata"][key].as_str().unwrap_or_default();
                    name.strip_prefix("indowater.").unwrap_or_default().to_owned()
                };
                (bare("consumerGroup"), bare("topic"))
            })
            .collect()
    }
}

/// The elements of a list; none where there is no list.
pub fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

/// The text of a value; empty where it is none.
pub fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn path_of(patch: &Value) -> &str {
    text(&patch["path"])
}

fn variable(entry: &Value) -> (String, Source) {
    let source = match entry["value"].as_str() {
        Some(value) => Source::Value(value.to_owned()),
        None => Source::Secret,
    };
    (text(&entry["name"]).to_owned(), source)
}
