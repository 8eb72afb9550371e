//! What operators see: traces that cross Kafka, and metrics that tell whether it keeps up.

use std::sync::Arc;

use anyhow::{Result, ensure};
use indowater_tests::base::Base;
use indowater_tests::collector::Collector;
use indowater_tests::workload::{Network, garbage, message, messages, meters, partly_bad};
use indowater_tests::world::{World, eventually};
use rust_decimal::Decimal;

/// One trace, taken over OTLP by a real collector, goes from the device's message through ingest to the aggregator.
pub async fn one_trace_spans_device_ingest_and_aggregator(base: Arc<Base>) -> Result<()> {
    let collector = Collector::default();
    let endpoint = collector.start().await?;
    let otlp = [("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint.as_str()), ("OTEL_BSP_SCHEDULE_DELAY", "200")];
    let mut world = World::new(&base, "trace").await?;
    let _ingest = world.start("ingest", &otlp).await?;
    let _usage = world.start("usage-aggregator", &otlp).await?;
    let meters = meters(30, 1, 5);
    world.enrol(&meters).await?;
    let (trace, device_span) = ("4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7");
    let mut traced = message(&meters[0], &meters[0].reads);
    traced.headers.push(("traceparent", format!("00-{trace}-{device_span}-01")));
    world.send(&[traced]).await?;
    world.expect_days(&meters).await?;
    eventually("the collector has the whole trace", async || {
        let spans = collector.trace(trace);
        let ingest =
            spans.iter().find(|span| span.service.contains("ingest") && span.parent_id == device_span);
        let Some(ingest) = ingest else { anyhow::bail!("no span of ingest under the device's: {spans:?}") };
        let usage =
            spans.iter().find(|s| s.service.contains("usage-aggregator") && s.parent_id == ingest.span_id);
        ensure!(usage.is_some(), "no span of usage-aggregator under ingest's: {spans:?}");
        Ok(())
    })
    .await
}

/// The metrics of running services say lag, reads, dead letters by reason and write latency.
pub async fn metrics_answer_whether_it_keeps_up(base: Arc<Base>) -> Result<()> {
    let mut world = World::new(&base, "metrics").await?;
    let ingest = world.start("ingest", &[]).await?;
    let usage = world.start("usage-aggregator", &[]).await?;
    let meters = meters(31, 4, 100);
    world.enrol(&meters).await?;
    let mut all = messages(31, &meters, Network { batch: 10, repeat: 1_000_000, late: 10, disorder: 3 });
    all.extend(garbage(&meters[0]).into_iter().map(|(_, bad)| bad));
    // The same reads once more, the good ones of which count as accepted again.
    let (partly, dead) = partly_bad(&meters[1], &meters[1].reads[..24]);
    all.push(partly);
    world.send(&all).await?;
    world.expect_days(&meters).await?;
    eventually("the metrics tell it", async || {
        let is = async |value: Result<Decimal>, expected: u32, what: &str| {
            let value = value?;
            ensure!(value == Decimal::from(expected), "{what}: {value} instead of {expected}");
            Ok(())
        };
        is(ingest.metric("indowater_reads_accepted_total", "").await, 424, "accepted reads").await?;
        is(usage.metric("indowater_reads_total", "").await, 424, "merged reads").await?;
        is(ingest.metric("indowater_dead_letters_total", "malformed").await, 3, "malformed").await?;
        is(ingest.metric("indowater_dead_letters_total", "unknown_device").await, 1, "unknown devices")
            .await?;
        is(ingest.metric("indowater_reads_dead_total", "malformed").await, 4, "malformed reads").await?;
        for reason in ["impossible_value", "before_installation"] {
            // Two whole messages besides, in which a value is impossible.
            let whole = if reason == "impossible_value" { 2 } else { 0 };
            let expected = u32::try_from(dead[reason] + whole)?;
            is(ingest.metric("indowater_reads_dead_total", reason).await, expected, reason).await?;
        }
        is(ingest.metric("indowater_consumer_lag", "").await, 0, "ingest's lag").await?;
        is(usage.metric("indowater_consumer_lag", "").await, 0, "usage-aggregator's lag").await?;
        ensure!(
            usage.metric("indowater_write_duration_seconds_count", "").await? > Decimal::ZERO,
            "no write was timed"
        );
        Ok(())
    })
    .await
}
