//! Every story that needs a real broker and a real database, in one program that starts them once and stops them.

mod access;
mod api;
mod areas;
mod audit;
mod broker;
mod crashes;
mod doors;
mod gateways;
mod kubernetes;
mod leaks;
mod ledger;
mod lifecycle;
mod money_api;
mod notifier;
mod payments;
mod person;
mod pipeline;
mod prompt;
mod quarantine;
mod readme;
mod redrive;
mod registry;
mod replay;
mod schema;
mod telemetry;
mod vouchers;

use std::future::Future;
use std::pin::Pin;
use std::process::ExitCode;
use std::sync::Arc;

use indowater_tests::base::Base;
use libtest_mimic::{Arguments, Failed, Trial};
use tokio::runtime::Runtime;

type Story = fn(Arc<Base>) -> Pin<Box<dyn Future<Output = anyhow::Result<()>>>>;

/// Stories that share a broker and a database. Each leaves some hundred partitions behind, and a broker may have as few as
/// 20,000 files open.
const TOGETHER: usize = 35;

/// A story under its own name.
macro_rules! stories {
    ($($module:ident::$story:ident),* $(,)?) => {
        [$((concat!(stringify!($module), "::", stringify!($story)), (|base| Box::pin($module::$story(base))) as Story)),*]
    };
}

/// All of them, by what they are about.
#[allow(clippy::too_many_lines, reason = "a list: one line a story")]
fn all() -> Vec<(&'static str, Story)> {
    stories![
        access::each_service_touches_its_own_collections_alone,
        crashes::killed_services_change_nothing,
        crashes::instances_share_and_hand_over_under_load,
        crashes::broker_and_database_restart_in_the_middle,
        crashes::a_zombie_overwrites_nothing,
        crashes::a_graceful_stop_loses_nothing_and_commits,
        broker::compacted_topics_end_on_the_newest_state,
        broker::topics_stand_as_they_are_relied_on,
        broker::a_refused_row_of_an_outbox_has_nothing_sent_again,
        broker::a_message_that_packs_well_takes_no_memory_that_is_not_there,
        ledger::usage_becomes_money_whatever_is_killed,
        ledger::a_zombie_posts_nothing_twice,
        ledger::a_late_read_is_in_the_statement_and_explained,
        ledger::tariffs_are_set_for_days_to_come_and_told,
        leaks::a_leak_is_one_event_whatever_is_killed,
        leaks::a_zombie_opens_nothing_twice,
        leaks::people_have_the_last_word,
        leaks::a_meter_that_complains_is_looked_at,
        leaks::a_device_is_silent_by_the_time_of_the_others,
        leaks::the_demo_shows_a_leak,
        areas::an_area_without_water_and_a_silent_gateway_are_one_event_each,
        notifier::a_low_balance_is_told_once_and_closed_by_a_top_up,
        notifier::kills_lose_nothing_and_double_nothing,
        notifier::each_fact_is_told_to_whom_it_concerns,
        notifier::the_next_channel_is_tried_where_one_refuses,
        pipeline::telemetry_becomes_the_customers_usage,
        pipeline::late_reads_revise_the_days_they_touch,
        pipeline::a_day_of_ten_second_reads,
        pipeline::the_registry_publishes_every_change,
        registry::facts_hold_from_a_day_on_and_are_told,
        registry::findings_become_work_orders,
        redrive::only_what_was_set_aside_is_sent_again,
        quarantine::what_cannot_be_processed_is_set_aside_and_processed_once_mended,
        replay::files_in_any_order_become_days,
        audit::what_is_right_holds_and_what_is_changed_is_named,
        audit::a_fleet_with_every_fault_is_computed_alike,
        api::customers_see_only_what_is_theirs,
        api::sessions_rotate_and_end,
        money_api::money_is_seen_explained_and_corrected,
        money_api::prices_are_told_and_set,
        gateways::midtrans_is_understood,
        gateways::xendit_is_understood,
        gateways::trouble_is_no_refusal,
        gateways::repeated_calls_have_one_effect,
        payments::a_customer_tops_up_through_each_gateway_with_a_voucher,
        payments::notifications_that_lie_credit_nothing,
        payments::balances_have_what_the_gateways_have,
        payments::what_gateways_say_has_an_outcome,
        payments::trouble_at_a_gateway_ends_no_payment,
        payments::a_gateway_that_hangs_starves_nobody,
        payments::bills_are_paid_once,
        payments::payments_of_another_system_are_kept_and_gone_on_with,
        payments::an_empty_database_fills_with_the_same_balances,
        telemetry::one_trace_spans_device_ingest_and_aggregator,
        telemetry::metrics_answer_whether_it_keeps_up,
        lifecycle::every_service_starts_serves_health_and_stops,
        lifecycle::wrong_settings_are_reported_at_once,
        lifecycle::a_part_that_cannot_run_ends_the_process_with_a_failure,
        lifecycle::a_lease_that_was_outlived_is_told_to_its_work,
        schema::indexes_are_those_of_the_data_model,
        vouchers::limits_hold_while_instances_are_killed,
        vouchers::vouchers_are_managed_and_say_why_not,
        vouchers::a_late_payment_redeems_only_what_is_left,
        prompt::every_read_route_answers_at_once,
        readme::examples_do_what_they_say,
        kubernetes::every_service_runs_on_its_manifest,
        doors::services_prove_who_they_are_and_renew_without_a_failed_call,
        doors::a_service_does_not_start_as_another,
        doors::no_secret_is_told,
    ]
    .into()
}

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let stories = all();
    if arguments.list || !stories.iter().any(|(name, _)| is_wanted(&arguments, name)) {
        let trials = stories.into_iter().map(|(name, _)| Trial::test(name, || Ok(()))).collect();
        return libtest_mimic::run(&arguments, trials).exit_code();
    }
    let runtime = Arc::new(Runtime::new().expect("the runtime starts"));
    let mut code = ExitCode::SUCCESS;
    for together in stories.chunks(TOGETHER) {
        if together.iter().any(|(name, _)| is_wanted(&arguments, name))
            && !run(&arguments, &runtime, together)
        {
            code = ExitCode::FAILURE;
        }
    }
    code
}

/// Runs stories on a broker and a database that they share. Says whether all held.
fn run(arguments: &Arguments, runtime: &Arc<Runtime>, stories: &[(&'static str, Story)]) -> bool {
    let base = match runtime.block_on(Base::start()) {
        Ok(base) => Arc::new(base),
        Err(error) => {
            eprintln!("The broker and the database cannot be started.\n{error:?}");
            return false;
        }
    };
    let trials = stories.iter().map(|(name, story)| {
        let (runtime, base, story) = (runtime.clone(), base.clone(), *story);
        Trial::test(*name, move || {
            runtime.block_on(story(base)).map_err(|error| Failed::from(format!("{error:?}")))
        })
    });
    let conclusion = libtest_mimic::run(arguments, trials.collect());
    if conclusion.has_failed()
        && let Some(kept) = keep_logs(&base)
    {
        println!("The services' logs are kept in {kept}");
    }
    if let Ok(base) = Arc::try_unwrap(base) {
        runtime.block_on(base.stop());
    }
    !conclusion.has_failed()
}

fn is_wanted(arguments: &Arguments, name: &str) -> bool {
    let matches = |pattern: &String| if arguments.exact { name == pattern } else { name.contains(pattern) };
    arguments.filter.as_ref().is_none_or(matches) && !arguments.skip.iter().any(matches)
}

/// Copies the logs of the stories away from the folder that goes with the run.
fn keep_logs(base: &Base) -> Option<String> {
    let kept = tempfile::Builder::new().prefix("indowater-failed-").tempdir().ok()?.keep();
    for story in std::fs::read_dir(base.folder.path()).ok()?.flatten() {
        for file in std::fs::read_dir(story.path()).ok()?.flatten() {
            let (folder, file_name) = (story.file_name(), file.file_name());
            if file.path().extension().is_some_and(|ending| ending == "log") {
                let name = format!("{}-{}", folder.to_string_lossy(), file_name.to_string_lossy());
                std::fs::copy(file.path(), kept.join(name)).ok()?;
            }
        }
    }
    Some(kept.display().to_string())
}
