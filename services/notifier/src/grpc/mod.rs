//! What people ask of notifier, over gRPC: calls to the store and back, failures to status codes.

mod answers;

use indowater_common::clock;
use indowater_common::domain::request::{Page, Problems, check_length};
use indowater_common::grpc::continue_trace;
use indowater_proto::notify::v1 as pb;
use indowater_proto::notify::v1::notify_service_server::{NotifyService, NotifyServiceServer};
use jiff::SignedDuration;
use tonic::service::Routes;
use tonic::{Request, Response, Status};
use tracing::{Instrument, Span};

use crate::app::Store;
use crate::domain::request::{AlertFilter, Deed, Refusal};
use crate::observe;

/// What notifier serves.
pub fn routes(store: Store) -> Routes {
    Routes::new(NotifyServiceServer::new(Calls(store)))
}

struct Calls(Store);

type Answer<T> = Result<Response<T>, Status>;

/// The days of which alerts count for the budget.
const BUDGET_DAYS: i64 = 30;

fn status(refusal: Refusal) -> Status {
    let message = refusal.to_string();
    match refusal {
        Refusal::Invalid(_) => Status::invalid_argument(message),
        Refusal::NotFound(_) => Status::not_found(message),
        Refusal::Stale => Status::aborted(message),
        Refusal::Precondition(_) => Status::failed_precondition(message),
        Refusal::Unavailable(_) => Status::unavailable(message),
    }
}

fn wrong(problems: Problems) -> Status {
    Status::invalid_argument(problems.to_string())
}

fn page(size: i32, after: String) -> Result<Page, Status> {
    Page::new(size, after).map_err(wrong)
}

fn required<'a>(value: &'a str, field: &str) -> Result<&'a str, Status> {
    let mut problems = Problems::default();
    if value.is_empty() {
        problems.add(field, "is missing");
    }
    check_length(value, 300, field, &mut problems);
    problems.or(value).map_err(wrong)
}

/// Firebase's tokens are some 160 characters today, and it promises no length.
fn push_token(token: &str) -> Result<&str, Status> {
    let is_one = (1..=1_000).contains(&token.len()) && token.bytes().all(|byte| byte.is_ascii_graphic());
    is_one
        .then_some(token)
        .ok_or_else(|| wrong(Problems::of("token", "must be 1 to 1000 visible characters")))
}

fn some(value: &str) -> Option<&str> {
    (!value.is_empty()).then_some(value)
}

fn count(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn span<T>(call: &'static str, request: &Request<T>) -> Span {
    let span = tracing::info_span!("notify", call);
    continue_trace(&span, request);
    span
}

impl Calls {
    async fn deal_with(
        &self,
        id: &str,
        customer_id: &str,
        deed: Deed,
        span: Span,
    ) -> Result<pb::Alert, Status> {
        let done = self.0.deal_with(required(id, "id")?, some(customer_id), deed, clock::now());
        let alert = done.instrument(span).await.map_err(status)?;
        observe::dealt_with(deed);
        Ok(crate::wire::alert(&alert))
    }
}

#[tonic::async_trait]
impl NotifyService for Calls {
    async fn list_alerts(&self, request: Request<pb::ListAlertsRequest>) -> Answer<pb::ListAlertsResponse> {
        let span = span("ListAlerts", &request);
        let request = request.into_inner();
        let wanted = AlertFilter {
            customer_id: some(&request.customer_id).map(str::to_owned),
            alert: answers::alert_type(request.r#type)?,
            status: answers::alert_status(request.status)?,
            open_only: request.open_only,
        };
        let page = page(request.page_size, request.page_token)?;
        let (alerts, next_page_token) =
            self.0.list_alerts(&wanted, &page).instrument(span).await.map_err(status)?;
        let alerts = alerts.iter().map(crate::wire::alert).collect();
        Ok(Response::new(pb::ListAlertsResponse { alerts, next_page_token }))
    }

    async fn count_unread_alerts(
        &self,
        request: Request<pb::CountUnreadAlertsRequest>,
    ) -> Answer<pb::CountUnreadAlertsResponse> {
        let span = span("CountUnreadAlerts", &request);
        let customer_id = required(&request.get_ref().customer_id, "customer_id")?;
        let unread = self.0.unread_alerts(customer_id).instrument(span).await.map_err(status)?;
        Ok(Response::new(pb::CountUnreadAlertsResponse { unread: count(unread) }))
    }

    async fn read_alert(&self, request: Request<pb::ReadAlertRequest>) -> Answer<pb::ReadAlertResponse> {
        let span = span("ReadAlert", &request);
        let pb::ReadAlertRequest { id, customer_id } = request.into_inner();
        let alert = Some(self.deal_with(&id, &customer_id, Deed::Read, span).await?);
        Ok(Response::new(pb::ReadAlertResponse { alert }))
    }

    async fn acknowledge_alert(
        &self,
        request: Request<pb::AcknowledgeAlertRequest>,
    ) -> Answer<pb::AcknowledgeAlertResponse> {
        let span = span("AcknowledgeAlert", &request);
        let pb::AcknowledgeAlertRequest { id, customer_id } = request.into_inner();
        let alert = Some(self.deal_with(&id, &customer_id, Deed::Acknowledge, span).await?);
        Ok(Response::new(pb::AcknowledgeAlertResponse { alert }))
    }

    async fn mark_alert_not_helpful(
        &self,
        request: Request<pb::MarkAlertNotHelpfulRequest>,
    ) -> Answer<pb::MarkAlertNotHelpfulResponse> {
        let span = span("MarkAlertNotHelpful", &request);
        let pb::MarkAlertNotHelpfulRequest { id, customer_id } = request.into_inner();
        let alert = Some(self.deal_with(&id, &customer_id, Deed::NotHelpful, span).await?);
        Ok(Response::new(pb::MarkAlertNotHelpfulResponse { alert }))
    }

    async fn read_all_alerts(
        &self,
        request: Request<pb::ReadAllAlertsRequest>,
    ) -> Answer<pb::ReadAllAlertsResponse> {
        let span = span("ReadAllAlerts", &request);
        let customer_id = required(&request.get_ref().customer_id, "customer_id")?;
        let read =
            self.0.read_all_alerts(customer_id, clock::now()).instrument(span).await.map_err(status)?;
        Ok(Response::new(pb::ReadAllAlertsResponse { read: count(read) }))
    }

    async fn get_alert_budget(
        &self,
        request: Request<pb::GetAlertBudgetRequest>,
    ) -> Answer<pb::GetAlertBudgetResponse> {
        let span = span("GetAlertBudget", &request);
        let now = clock::now();
        let since = now.saturating_sub(SignedDuration::from_hours(24 * BUDGET_DAYS)).unwrap_or(now);
        let spending = self.0.spending(since).instrument(span).await.map_err(status)?;
        let budgets = spending.into_iter().map(|(alert, spent)| answers::budget(alert, spent)).collect();
        Ok(Response::new(pb::GetAlertBudgetResponse { budgets }))
    }

    async fn list_notifications(
        &self,
        request: Request<pb::ListNotificationsRequest>,
    ) -> Answer<pb::ListNotificationsResponse> {
        let span = span("ListNotifications", &request);
        let request = request.into_inner();
        let page = page(request.page_size, request.page_token)?;
        let user_id = required(&request.user_id, "user_id")?;
        let asked = self.0.notifications(user_id, request.unread_only, &page);
        let (found, next_page_token) = asked.instrument(span).await.map_err(status)?;
        let notifications = found.into_iter().map(answers::notification).collect();
        Ok(Response::new(pb::ListNotificationsResponse { notifications, next_page_token }))
    }

    async fn count_unread_notifications(
        &self,
        request: Request<pb::CountUnreadNotificationsRequest>,
    ) -> Answer<pb::CountUnreadNotificationsResponse> {
        let span = span("CountUnreadNotifications", &request);
        let user_id = required(&request.get_ref().user_id, "user_id")?;
        let unread = self.0.unread(user_id).instrument(span).await.map_err(status)?;
        Ok(Response::new(pb::CountUnreadNotificationsResponse { unread: count(unread) }))
    }

    async fn read_notification(
        &self,
        request: Request<pb::ReadNotificationRequest>,
    ) -> Answer<pb::ReadNotificationResponse> {
        let span = span("ReadNotification", &request);
        let pb::ReadNotificationRequest { id, user_id } = request.into_inner();
        let asked = self.0.read(required(&user_id, "user_id")?, required(&id, "id")?);
        let notification = Some(answers::notification(asked.instrument(span).await.map_err(status)?));
        Ok(Response::new(pb::ReadNotificationResponse { notification }))
    }

    async fn read_all_notifications(
        &self,
        request: Request<pb::ReadAllNotificationsRequest>,
    ) -> Answer<pb::ReadAllNotificationsResponse> {
        let span = span("ReadAllNotifications", &request);
        let user_id = required(&request.get_ref().user_id, "user_id")?;
        let read = self.0.read_all(user_id).instrument(span).await.map_err(status)?;
        Ok(Response::new(pb::ReadAllNotificationsResponse { read: count(read) }))
    }

    async fn delete_notification(
        &self,
        request: Request<pb::DeleteNotificationRequest>,
    ) -> Answer<pb::DeleteNotificationResponse> {
        let span = span("DeleteNotification", &request);
        let pb::DeleteNotificationRequest { id, user_id } = request.into_inner();
        let done = self.0.throw_away(required(&user_id, "user_id")?, required(&id, "id")?);
        done.instrument(span).await.map_err(status)?;
        Ok(Response::new(pb::DeleteNotificationResponse {}))
    }

    async fn get_preferences(
        &self,
        request: Request<pb::GetPreferencesRequest>,
    ) -> Answer<pb::GetPreferencesResponse> {
        let span = span("GetPreferences", &request);
        let customer_id = required(&request.get_ref().customer_id, "customer_id")?;
        let found = self.0.preferences(&[customer_id]).instrument(span).await;
        let found = found.map_err(|error| Status::unavailable(error.to_string()))?;
        let preferences = found.get(customer_id).map(answers::preferences);
        Ok(Response::new(pb::GetPreferencesResponse { preferences }))
    }

    async fn put_preferences(
        &self,
        request: Request<pb::PutPreferencesRequest>,
    ) -> Answer<pb::PutPreferencesResponse> {
        let span = span("PutPreferences", &request);
        let pb::PutPreferencesRequest { preferences, revision } = request.into_inner();
        let wanted =
            answers::wanted(preferences.ok_or_else(|| wrong(Problems::of("preferences", "is missing")))?)?;
        let put = self.0.put_preferences(wanted, revision).instrument(span).await.map_err(status)?;
        Ok(Response::new(pb::PutPreferencesResponse { preferences: Some(answers::preferences(&put)) }))
    }

    async fn keep_push_token(
        &self,
        request: Request<pb::KeepPushTokenRequest>,
    ) -> Answer<pb::KeepPushTokenResponse> {
        let span = span("KeepPushToken", &request);
        let pb::KeepPushTokenRequest { user_id, token } = request.into_inner();
        let kept = self.0.keep_push_token(required(&user_id, "user_id")?, push_token(&token)?);
        kept.instrument(span).await.map_err(|error| Status::unavailable(error.to_string()))?;
        Ok(Response::new(pb::KeepPushTokenResponse {}))
    }

    async fn forget_push_token(
        &self,
        request: Request<pb::ForgetPushTokenRequest>,
    ) -> Answer<pb::ForgetPushTokenResponse> {
        let span = span("ForgetPushToken", &request);
        let pb::ForgetPushTokenRequest { user_id, token } = request.into_inner();
        let gone = self.0.take_push_token(required(&user_id, "user_id")?, push_token(&token)?);
        gone.instrument(span).await.map_err(|error| Status::unavailable(error.to_string()))?;
        Ok(Response::new(pb::ForgetPushTokenResponse {}))
    }

    async fn list_tips(&self, request: Request<pb::ListTipsRequest>) -> Answer<pb::ListTipsResponse> {
        let span = span("ListTips", &request);
        let pb::ListTipsRequest { category, page_size, page_token } = request.into_inner();
        let page = page(page_size, page_token)?;
        let asked = self.0.tips(some(&category), &page);
        let (tips, next_page_token) = asked.instrument(span).await.map_err(status)?;
        let tips = tips.into_iter().map(answers::tip).collect();
        Ok(Response::new(pb::ListTipsResponse { tips, next_page_token }))
    }

    async fn put_tip(&self, request: Request<pb::PutTipRequest>) -> Answer<pb::PutTipResponse> {
        let span = span("PutTip", &request);
        let tip = request.into_inner().tip.ok_or_else(|| wrong(Problems::of("tip", "is missing")))?;
        let tip = self.0.put_tip(&answers::written_tip(tip)?).instrument(span).await.map_err(status)?;
        Ok(Response::new(pb::PutTipResponse { tip: Some(answers::tip(tip)) }))
    }

    async fn delete_tip(&self, request: Request<pb::DeleteTipRequest>) -> Answer<pb::DeleteTipResponse> {
        let span = span("DeleteTip", &request);
        let id = required(&request.get_ref().id, "id")?;
        self.0.delete_tip(id).instrument(span).await.map_err(status)?;
        Ok(Response::new(pb::DeleteTipResponse {}))
    }

    async fn mark_tip_helpful(
        &self,
        request: Request<pb::MarkTipHelpfulRequest>,
    ) -> Answer<pb::MarkTipHelpfulResponse> {
        let span = span("MarkTipHelpful", &request);
        let pb::MarkTipHelpfulRequest { id, user_id } = request.into_inner();
        let done = self.0.tip_helped(required(&id, "id")?, required(&user_id, "user_id")?);
        let tip = Some(answers::tip(done.instrument(span).await.map_err(status)?));
        Ok(Response::new(pb::MarkTipHelpfulResponse { tip }))
    }

    async fn list_deliveries(
        &self,
        request: Request<pb::ListDeliveriesRequest>,
    ) -> Answer<pb::ListDeliveriesResponse> {
        let span = span("ListDeliveries", &request);
        let pb::ListDeliveriesRequest { user_id, state, page_size, page_token } = request.into_inner();
        let (page, state) = (page(page_size, page_token)?, answers::state(state)?);
        let asked = self.0.deliveries(some(&user_id), state, &page);
        let (found, next_page_token) = asked.instrument(span).await.map_err(status)?;
        let deliveries = found.into_iter().map(answers::delivery).collect();
        Ok(Response::new(pb::ListDeliveriesResponse { deliveries, next_page_token }))
    }

    async fn resend_delivery(
        &self,
        request: Request<pb::ResendDeliveryRequest>,
    ) -> Answer<pb::ResendDeliveryResponse> {
        let span = span("ResendDelivery", &request);
        let id = required(&request.get_ref().id, "id")?;
        let resent = self.0.resend(id, clock::now()).instrument(span).await.map_err(status)?;
        Ok(Response::new(pb::ResendDeliveryResponse { delivery: Some(answers::delivery(resent)) }))
    }
}
