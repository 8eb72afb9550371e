//! From where gRPC can be reached, and with what those who reach it prove who they are.

/// The one service that others ask over HTTP alone.
const HTTP_ONLY: &str = "api-gateway";
const TOLD: &str = "INDOWATER_GRPC_LISTEN";
const EVERYWHERE: &str = "0.0.0.0:9000";

/// A default that other machines can reach.
pub fn default(file: &str, text: &str) -> Vec<String> {
    let declared = text.split("#[arg(").filter(|argument| argument.contains(&format!("env = \"{TOLD}\"")));
    let strange = declared.filter(|argument| !argument.contains("default_value = \"127.0.0.1:"));
    strange.map(|_| format!("{file} lets {TOLD} be reached from outside by default")).collect()
}

/// Services whose image listens for itself alone although others ask it, or the other way round.
pub fn images(text: &str, services: &[&str]) -> Vec<String> {
    let stages: Vec<(&str, &str)> = text
        .split("\nFROM ")
        .skip(1)
        .filter_map(|stage| {
            let (head, body) = stage.split_once('\n')?;
            Some((head.rsplit(' ').next()?, body))
        })
        .collect();
    let told = |body: &str| body.lines().any(|line| line == format!("ENV {TOLD}={EVERYWHERE}"));
    services
        .iter()
        .filter_map(|service| match stages.iter().find(|(name, _)| name == service) {
            None => Some(format!("deploy/Dockerfile has no stage {service}")),
            Some((_, body)) if told(body) == (*service == HTTP_ONLY) => {
                Some(format!("deploy/Dockerfile tells {service} the wrong {TOLD}"))
            }
            Some(_) => None,
        })
        .collect()
}

/// The same of the compose file.
pub fn containers(text: &str, services: &[&str]) -> Vec<String> {
    let serving = |name: &str| {
        block(text, "", name).is_some_and(|block| block.contains(&format!("{TOLD}: {EVERYWHERE}")))
    };
    if !serving("x-serving: &serving") || serving("x-system: &system") {
        return vec![format!("docker-compose.yml: x-serving tells {TOLD}, x-system does not")];
    }
    let inherited =
        block(text, "", "x-service: &service").is_some_and(|all| all.contains("environment: *serving"));
    services
        .iter()
        .filter_map(|service| {
            let own = block(text, "  ", &format!("{service}:"))?;
            let told = match own.split_once("environment:") {
                Some((_, own)) => own.contains("<<: *serving"),
                None => inherited && own.contains("<<: *service"),
            };
            let published = own.contains(":9000\"");
            (told == (*service == HTTP_ONLY) || published)
                .then(|| format!("docker-compose.yml tells {service} the wrong {TOLD}, or publishes it"))
        })
        .collect()
}

/// Programs of the compose file that do not prove who they are with the certificate that is theirs, or that ask in plain:
/// (the block's name, who it is).
pub fn certificates(text: &str, programs: &[(&str, &str)]) -> Vec<String> {
    const SETTING: &str = "INDOWATER_CERTIFICATES: /certificates";
    let proving = block(text, "", "x-proving: &proving").is_some_and(|block| block.contains(SETTING));
    let serving = block(text, "", "x-serving: &serving").is_some_and(|block| block.contains("<<: *proving"));
    if !proving || !serving {
        return vec!["docker-compose.yml: x-proving tells of certificates, and x-serving with it".to_owned()];
    }
    let wrong = |(name, identity): &(&str, &str)| {
        let own = block(text, "  ", &format!("{name}:"))?;
        let mounted: Vec<&str> =
            own.split("subpath: ").skip(1).filter_map(|rest| rest.split(['}', '\n']).next()).collect();
        let alias = mounted.is_empty() && own.contains("volumes: [*as-operator]") && *identity == "operator";
        let read_only = alias || own.contains("read_only: true\n        volume:");
        let told = match own.split_once("environment:") {
            Some((_, own)) => own.contains("*serving") || own.contains("*proving"),
            None => own.contains("<<: *service"),
        };
        let right = (alias || mounted == [*identity]) && read_only && told;
        let plain = own.lines().any(|line| line.contains("http://") && line.contains(":9000"));
        (!right || plain).then(|| {
            format!("docker-compose.yml: {name} does not prove that it is {identity}, or asks in plain")
        })
    };
    programs.iter().filter_map(wrong).collect()
}

/// The lines below a key, up to the next one of its depth.
fn block<'a>(text: &'a str, indent: &str, key: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(&format!("\n{indent}{key}\n"))?;
    let next = |line: &str| !line.trim().is_empty() && !line.starts_with(&format!("{indent} "));
    let end = rest.split_inclusive('\n').scan(0, |at, line| {
        let here = *at;
        *at += line.len();
        Some((here, line))
    });
    let end = end.into_iter().find(|(_, line)| next(line)).map_or(rest.len(), |(at, _)| at);
    Some(&rest[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_default_that_is_open_is_found() {
        let of = |address: &str| {
            format!("#[arg(long, env = \"INDOWATER_GRPC_LISTEN\", default_value = \"{address}\")]")
        };
        assert!(default("a", &of("127.0.0.1:9000")).is_empty());
        assert_eq!(default("a", &of("0.0.0.0:9000")).len(), 1);
    }

    #[test]
    fn an_image_that_others_cannot_ask_is_found() {
        let good = "\nFROM service AS ingest\nENV INDOWATER_GRPC_LISTEN=0.0.0.0:9000\n\nFROM service AS api-gateway\nX\n";
        assert!(images(good, &["ingest", "api-gateway"]).is_empty());
        assert_eq!(images(&good.replace("ENV", "#"), &["ingest", "api-gateway"]).len(), 1);
        assert_eq!(images(good, &["billing"]).len(), 1);
    }

    #[test]
    fn a_container_that_does_not_prove_who_it_is_is_found() {
        let good = "\nx-proving: &proving\n  INDOWATER_CERTIFICATES: /certificates\nx-serving: &serving\n  <<: *proving\nservices:\n  \
                    ingest:\n    <<: *service\n    volumes:\n      - source: certificates\n        read_only: true\n        volume: \
                    {subpath: ingest}\n  simulate:\n    command: [--registry, \"https://ingest:9000\"]\n    volumes: \
                    [*as-operator]\n    environment: *proving\n";
        let all = [("ingest", "ingest"), ("simulate", "operator")];
        assert_eq!(certificates(good, &all), Vec::<String>::new());
        for (from, to) in [
            ("subpath: ingest", "subpath: billing"),
            ("read_only: true", "read_only: false"),
            ("environment: *proving", "environment: *system"),
            ("https://", "http://"),
            ("  <<: *proving", "  <<: *system"),
        ] {
            assert_eq!(certificates(&good.replacen(from, to, 1), &all).len(), 1, "{from}");
        }
    }

    #[test]
    fn a_container_that_others_cannot_ask_is_found() {
        let good = "\nx-system: &system\n  A: b\nx-serving: &serving\n  <<: *system\n  INDOWATER_GRPC_LISTEN: 0.0.0.0:9000\n\
                    x-service: &service\n  environment: *serving\nservices:\n  ingest:\n    <<: *service\n  billing:\n    \
                    <<: *service\n    environment:\n      <<: *serving\n  api-gateway:\n    <<: *service\n    environment:\n      \
                    <<: *system\n";
        let all = ["ingest", "billing", "api-gateway"];
        assert_eq!(containers(good, &all), Vec::<String>::new());
        assert_eq!(containers(&good.replace("      <<: *serving", "      <<: *system"), &all).len(), 1);
        assert_eq!(
            containers(&good.replace("  environment: *serving", "  environment: *system"), &all).len(),
            1
        );
    }
}
