//! The same users and rights as Kubernetes resources, for the operators of the broker and of the database.

use std::fmt::Write as _;

use indowater_proto::topics::DEFAULT_PREFIX;

use super::rights::{Operation, Party, Resource, Right, rights};
use super::roles::privileges;
use crate::system::DEFAULT_DATABASE;

/// Those who are there without being enrolled as `KafkaUser` resources of `cluster`, in YAML.
pub fn kafka_users(cluster: &str) -> String {
    let users: Vec<String> = Party::permanent().map(|party| kafka_user(&party, cluster)).collect();
    format!(
        "# Made by `indowater access kafka-users`, from the table in proto/src/topics.rs.\n{}",
        users.join("---\n")
    )
}

fn kafka_user(party: &Party, cluster: &str) -> String {
    let mut text = format!(
        "apiVersion: kafka.strimzi.io/v1\nkind: KafkaUser\nmetadata:\n  name: {}\n  labels: {{strimzi.io/cluster: {cluster}}}\n\
         spec:\n  authentication: {{type: scram-sha-512}}\n  authorization:\n    type: simple\n    acls:\n",
        party.user(DEFAULT_PREFIX)
    );
    let rights: Vec<Right> = rights(party, DEFAULT_PREFIX).into_iter().collect();
    for on in rights.chunk_by(|one, next| one.on == next.on) {
        let operations: Vec<&str> = on.iter().map(|right| operation(right.operation)).collect();
        // Writing to a string cannot fail.
        let _ = writeln!(text, "      - resource: {}", resource(&on[0].on));
        let _ = writeln!(text, "        operations: [{}]", operations.join(", "));
    }
    text
}

fn resource(on: &Resource) -> String {
    let (kind, name, pattern) = match on {
        Resource::Topic(name) => ("topic", name, "literal"),
        Resource::Topics(name) => ("topic", name, "prefix"),
        Resource::Group(name) => ("group", name, "literal"),
        Resource::Groups(name) => ("group", name, "prefix"),
        Resource::Cluster => return "{type: cluster}".to_owned(),
    };
    format!("{{type: {kind}, name: {name}, patternType: {pattern}}}")
}

fn operation(operation: Operation) -> &'static str {
    match operation {
        Operation::Read => "Read",
        Operation::Write => "Write",
        Operation::Describe => "Describe",
        Operation::DescribeConfigs => "DescribeConfigs",
        Operation::AlterConfigs => "AlterConfigs",
        Operation::Create => "Create",
        Operation::IdempotentWrite => "IdempotentWrite",
    }
}

/// Users and roles of the database as a patch of the `MongoDBCommunity` resource `name`, in YAML: a user of each party, with
/// its password in the secret `mongodb-password-<party>` and its connection string, made by the operator, in `mongodb-<party>`.
pub fn database_users(name: &str) -> String {
    let mut text = format!(
        "# Made by `indowater access database-users`, from the table in services/common/src/mongo/schema.rs.\n\
         apiVersion: mongodbcommunity.mongodb.com/v1\nkind: MongoDBCommunity\nmetadata:\n  name: {name}\nspec:\n  users:\n"
    );
    for party in Party::permanent() {
        let _ = write!(
            text,
            "    - name: {party}\n      db: {DEFAULT_DATABASE}\n      passwordSecretRef: {{name: mongodb-password-{party}}}\n      \
             scramCredentialsSecretName: mongodb-scram-{party}\n      connectionStringSecretName: mongodb-{party}\n      \
             roles:\n        - {{name: {party}, db: {DEFAULT_DATABASE}}}\n"
        );
    }
    text.push_str("  security:\n    roles:\n");
    for party in Party::permanent() {
        let _ = writeln!(
            text,
            "      - role: {party}\n        db: {DEFAULT_DATABASE}\n        roles: []\n        privileges:"
        );
        for privilege in privileges(&party) {
            let _ = writeln!(
                text,
                "          - resource: {{db: {DEFAULT_DATABASE}, collection: \"{}\"}}\n            actions: [{}]",
                privilege.collection,
                privilege.actions.join(", ")
            );
        }
    }
    text
}
