//! Messages of the calls, and the domain's values.

use indowater_common::clock;
use indowater_common::domain::request::{Problems, check_id, check_length};
use indowater_common::wire::decimal;
use indowater_proto::notify::v1 as pb;
use rust_decimal::Decimal;
use tonic::Status;

use super::wrong;
use crate::domain::alert;
use crate::domain::delivery::{Delivery, State};
use crate::domain::inbox::{Notification, Tip};
use crate::domain::kinds::AlertType;
use crate::domain::ladder::Outcome;
use crate::domain::preferences::Preferences;
use crate::domain::request::Spending;
use crate::wire;

fn moment(at: i64) -> String {
    jiff::Timestamp::from_second(at).unwrap_or_default().to_string()
}

fn unknown(field: &str, value: i32) -> Status {
    wrong(Problems::of(field, format_args!("{value} is not known")))
}

pub(super) fn alert_type(wanted: i32) -> Result<Option<AlertType>, Status> {
    Ok(match pb::AlertType::try_from(wanted).map_err(|_| unknown("type", wanted))? {
        pb::AlertType::Unspecified => None,
        pb::AlertType::LeakDetected => Some(AlertType::LeakDetected),
        pb::AlertType::LowBalance => Some(AlertType::LowBalance),
        pb::AlertType::HighUsage => Some(AlertType::HighUsage),
        pb::AlertType::DeviceOffline => Some(AlertType::DeviceOffline),
    })
}

pub(super) fn alert_status(wanted: i32) -> Result<Option<alert::Status>, Status> {
    Ok(match pb::AlertStatus::try_from(wanted).map_err(|_| unknown("status", wanted))? {
        pb::AlertStatus::Unspecified => None,
        pb::AlertStatus::Unread => Some(alert::Status::Unread),
        pb::AlertStatus::Read => Some(alert::Status::Read),
        pb::AlertStatus::Acknowledged => Some(alert::Status::Acknowledged),
    })
}

pub(super) fn budget(alert: AlertType, spent: Spending) -> pb::AlertBudget {
    pb::AlertBudget {
        r#type: wire::alert_type(alert).into(),
        budget: super::count(alert.budget()),
        opened: spent.opened,
        customers: spent.customers,
        acknowledged: spent.acknowledged,
        not_helpful: spent.not_helpful,
        over_budget: spent.over_budget,
    }
}

pub(super) fn notification(of: Notification) -> pb::Notification {
    let tone = match &*of.tone {
        "info" => pb::NotificationType::Info,
        "warning" => pb::NotificationType::Warning,
        "success" => pb::NotificationType::Success,
        "error" => pb::NotificationType::Error,
        _ => pb::NotificationType::Unspecified,
    };
    pb::Notification {
        id: of.id,
        user_id: of.user_id,
        r#type: tone.into(),
        title: of.title,
        message: of.message,
        link: of.link,
        read: of.read,
        created_at: of.created_at.to_string(),
        read_at: wire::optional(of.read_at),
    }
}

pub(super) fn preferences(of: &Preferences) -> pb::Preferences {
    let usage = of.threshold_usage_ml.map(|ml| Decimal::new(ml, 6).normalize().to_string());
    pb::Preferences {
        customer_id: of.customer_id.clone(),
        leak_alerts: of.leak_alerts,
        usage_alerts: of.usage_alerts,
        balance_alerts: of.balance_alerts,
        device_alerts: of.device_alerts,
        email_notifications: of.email_notifications,
        push_notifications: of.push_notifications,
        whatsapp_notifications: of.whatsapp_notifications,
        threshold_usage: usage.unwrap_or_default(),
        threshold_balance: of.threshold_balance,
        revision: of.revision,
    }
}

/// The largest thresholds that make sense: beyond what a household's meter passes in a day, and what anybody tops up.
const MOST_CUBIC_METRES: i64 = 10_000;
const MOST_RUPIAH: i64 = 1_000_000_000;

pub(super) fn wanted(of: pb::Preferences) -> Result<Preferences, Status> {
    let mut problems = Problems::default();
    check_id(&of.customer_id, "customer_id", &mut problems);
    let usage = match &*of.threshold_usage {
        "" => None,
        text => {
            let millilitres = decimal("threshold_usage", text)
                .ok()
                .filter(|cubic_metres| (Decimal::ZERO..=MOST_CUBIC_METRES.into()).contains(cubic_metres))
                .and_then(|cubic_metres| i64::try_from(cubic_metres * Decimal::from(1_000_000)).ok());
            if millilitres.is_none_or(|millilitres| millilitres == 0) {
                problems.add("threshold_usage", "must be above 0 and at most 10000 m3, digits with a point");
            }
            millilitres
        }
    };
    if !(0..=MOST_RUPIAH).contains(&of.threshold_balance) {
        problems.add("threshold_balance", "must be between 0 and 1000000000");
    }
    let preferences = Preferences {
        customer_id: of.customer_id,
        leak_alerts: of.leak_alerts,
        usage_alerts: of.usage_alerts,
        balance_alerts: of.balance_alerts,
        device_alerts: of.device_alerts,
        email_notifications: of.email_notifications,
        push_notifications: of.push_notifications,
        whatsapp_notifications: of.whatsapp_notifications,
        threshold_usage_ml: usage,
        threshold_balance: of.threshold_balance,
        revision: 0,
    };
    problems.or(preferences).map_err(wrong)
}

pub(super) fn tip(of: Tip) -> pb::Tip {
    pb::Tip {
        id: of.id,
        title: of.title,
        description: of.description,
        category: of.category,
        impact_level: of.impact_level,
        estimated_savings: of.estimated_savings,
        title_en: of.title_en,
        description_en: of.description_en,
        estimated_savings_en: of.estimated_savings_en,
        created_at: of.created_at.to_string(),
        shown: of.shown,
        helpful: of.helpful,
    }
}

pub(super) fn written_tip(of: pb::Tip) -> Result<Tip, Status> {
    let mut problems = Problems::default();
    let id = if of.id.is_empty() { clock::new_id("tip") } else { of.id };
    check_id(&id, "id", &mut problems);
    for (text, most, field) in [
        (&of.title, 200, "title"),
        (&of.description, 2_000, "description"),
        (&of.estimated_savings, 200, "estimated_savings"),
        (&of.title_en, 200, "title_en"),
        (&of.description_en, 2_000, "description_en"),
        (&of.estimated_savings_en, 200, "estimated_savings_en"),
    ] {
        check_length(text, most, field, &mut problems);
        if text.is_empty() && !field.ends_with("_en") {
            problems.add(field, "is missing");
        }
    }
    if !["bathroom", "kitchen", "outdoor", "general"].contains(&&*of.category) {
        problems.add("category", "must be bathroom, kitchen, outdoor or general");
    }
    if !["low", "medium", "high"].contains(&&*of.impact_level) {
        problems.add("impact_level", "must be low, medium or high");
    }
    let tip = Tip {
        id,
        title: of.title,
        description: of.description,
        category: of.category,
        impact_level: of.impact_level,
        estimated_savings: of.estimated_savings,
        title_en: of.title_en,
        description_en: of.description_en,
        estimated_savings_en: of.estimated_savings_en,
        created_at: clock::now(),
        shown: 0,
        helpful: 0,
    };
    problems.or(tip).map_err(wrong)
}

pub(super) fn state(wanted: i32) -> Result<Option<State>, Status> {
    Ok(match pb::DeliveryState::try_from(wanted).map_err(|_| unknown("state", wanted))? {
        pb::DeliveryState::Unspecified => None,
        pb::DeliveryState::Waiting => Some(State::Waiting),
        pb::DeliveryState::Sent => Some(State::Sent),
        pb::DeliveryState::Heard => Some(State::Heard),
        pb::DeliveryState::Past => Some(State::Past),
        pb::DeliveryState::Unreachable => Some(State::Unreachable),
        pb::DeliveryState::Dead => Some(State::Dead),
    })
}

pub(super) fn delivery(of: Delivery) -> pb::Delivery {
    let state = match of.state {
        State::Waiting => pb::DeliveryState::Waiting,
        State::Sent => pb::DeliveryState::Sent,
        State::Heard => pb::DeliveryState::Heard,
        State::Past => pb::DeliveryState::Past,
        State::Unreachable => pb::DeliveryState::Unreachable,
        State::Dead => pb::DeliveryState::Dead,
    };
    let tries = of.tries.into_iter().map(|one| {
        let (outcome, detail) = match one.outcome {
            Outcome::Sent(detail) => ("sent", detail),
            Outcome::Failed(detail) => ("failed", detail),
            Outcome::Refused(detail) => ("refused", detail),
            Outcome::Ended(detail) => ("ended", detail),
        };
        pb::DeliveryTry {
            channel: one.channel.name().to_owned(),
            at: moment(one.at),
            outcome: outcome.to_owned(),
            detail,
        }
    });
    pb::Delivery {
        id: of.id,
        user_id: of.user_id,
        kind: of.content.kind().name().to_owned(),
        severity: wire::severity(of.severity).into(),
        alert_id: of.alert_id.unwrap_or_default(),
        in_digest: of.in_digest,
        state: state.into(),
        created_at: of.created_at.to_string(),
        due_at: moment(of.due),
        tries: tries.collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thresholds_are_exact_and_have_bounds() {
        let of = |threshold_usage: &str, threshold_balance| pb::Preferences {
            customer_id: "customer-001".to_owned(),
            threshold_usage: threshold_usage.to_owned(),
            threshold_balance,
            ..Default::default()
        };
        let taken = wanted(of("0.75", 75_000)).unwrap();
        assert_eq!((taken.threshold_usage_ml, taken.threshold_balance), (Some(750_000), 75_000));
        assert_eq!(preferences(&taken).threshold_usage, "0.75");
        assert_eq!(wanted(of("", 0)).unwrap().threshold_usage_ml, None);
        for (usage, balance, field) in [
            ("0", 1, "threshold_usage"),
            ("-1", 1, "threshold_usage"),
            ("1e3", 1, "threshold_usage"),
            ("10001", 1, "threshold_usage"),
            ("", -1, "threshold_balance"),
        ] {
            let refused = wanted(of(usage, balance)).unwrap_err();
            assert!(refused.message().contains(field), "{usage}, {balance}: {refused:?}");
        }
    }

    #[test]
    fn a_tip_needs_its_words_and_a_known_category() {
        let refused =
            written_tip(pb::Tip { category: "garden".to_owned(), ..Default::default() }).unwrap_err();
        for field in ["title", "description", "category", "impact_level", "estimated_savings"] {
            assert!(refused.message().contains(field), "{field}: {refused:?}");
        }
        assert!(!refused.message().contains("_en"));
    }
}
