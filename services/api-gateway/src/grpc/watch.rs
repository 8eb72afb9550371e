//! Watches whether services answer.

use std::time::Duration;

use indowater_common::error::Fatal;
use indowater_common::health::Dependency;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tonic::transport::Channel;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;

use crate::observe;

/// How often a service that answers is asked again.
const CALM: Duration = Duration::from_secs(5);
/// How often one that does not is.
const EAGER: Duration = Duration::from_millis(500);
/// How long a service may be silent before the gateway calls itself not ready: a restart is shorter.
const LATELY: Duration = Duration::from_secs(15);

/// Keeps `answers` up to date: whether the service has answered a health check lately.
///
/// Any answer counts, even that it is not ready itself. Its readiness steers its own traffic; a gateway that repeated
/// it would refuse log-ins because a broker is slow.
pub async fn watch(
    service: &'static str,
    channel: Channel,
    answers: Dependency,
    stop: CancellationToken,
) -> Result<(), Fatal> {
    let mut health = HealthClient::new(channel);
    let mut last_answer: Option<Instant> = None;
    loop {
        let asked = health.check(HealthCheckRequest::default());
        let Some(outcome) = stop.run_until_cancelled(asked).await else {
            return Ok(());
        };
        let answered = outcome.is_ok();
        if answered {
            last_answer = Some(Instant::now());
        }
        let lately = last_answer.is_some_and(|at| at.elapsed() < LATELY);
        if answers.set(lately) {
            observe::service_reachable(service, lately);
        }
        let pause = tokio::time::sleep(if answered { CALM } else { EAGER });
        if stop.run_until_cancelled(pause).await.is_none() {
            return Ok(());
        }
    }
}
