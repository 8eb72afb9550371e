//! The page where a person pays, or does not.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Form, Path, State as Shared};
use axum::http::StatusCode;
use axum::response::{Html, IntoResponse as _, Redirect, Response};
use axum::routing::get;
use serde::Deserialize;

use super::book::{Act, Brand, Order, State};
use super::desk::Desk;

const STYLE: &str = "
body{margin:0;background:#eef4f8;color:#12303f;font:16px/1.5 system-ui,sans-serif}
main{max-width:26rem;margin:3rem auto;padding:2rem;background:#fff;border-radius:1rem;box-shadow:0 4px 24px #0a3a5a22}
h1{font-size:1.1rem;margin:0;color:#0b6a9c}.sum{font-size:2.2rem;font-weight:700;margin:.5rem 0}
p{margin:.3rem 0;color:#48616e}form{margin-top:1.5rem;display:grid;gap:.6rem}
label{display:block;padding:.6rem .8rem;border:1px solid #cfdde6;border-radius:.6rem}
button,a.button{padding:.8rem;border:0;border-radius:.6rem;background:#0b6a9c;color:#fff;font:inherit;font-weight:600;
text-align:center;text-decoration:none;cursor:pointer}button.quiet{background:#e4edf3;color:#12303f}
.note{font-size:.85rem;margin-top:1.5rem}.good{color:#147a3d;font-weight:700}.bad{color:#a32a1e;font-weight:700}";

/// The methods: how they are called at the gateway, and to people.
const METHODS: [(&str, &str); 3] =
    [("qris", "QRIS"), ("bank_transfer", "Transfer Virtual Account"), ("credit_card", "Kartu kredit")];

/// The routes of both gateways' pages.
pub fn routes() -> Router<Arc<Desk>> {
    Router::new()
        .route("/midtrans/snap/v4/redirection/{reference}", get(show).post(choose))
        .route("/xendit/web/{reference}", get(show).post(choose))
}

/// What a person chose.
#[derive(Debug, Deserialize)]
pub struct Choice {
    act: String,
    method: Option<String>,
}

async fn show(Shared(desk): Shared<Arc<Desk>>, Path(reference): Path<String>) -> Response {
    let book = desk.book();
    match book.named(&reference).into_iter().find(|order| order.reference == reference) {
        Some(order) => Html(page(order)).into_response(),
        None => {
            let body = format!("<h1>Tidak ditemukan</h1><p>Halaman {} tidak ada.</p>", escaped(&reference));
            (StatusCode::NOT_FOUND, Html(framed(&body))).into_response()
        }
    }
}

async fn choose(
    Shared(desk): Shared<Arc<Desk>>,
    Path(reference): Path<String>,
    uri: axum::http::Uri,
    Form(choice): Form<Choice>,
) -> Response {
    let act = match choice.act.as_str() {
        "pay" => Act::Pay { amount: None, fee: 0 },
        "deny" => Act::Deny,
        "choose" => Act::Choose,
        _ => Act::Expire,
    };
    let known = METHODS.iter().map(|(name, _)| *name).find(|name| choice.method.as_deref() == Some(name));
    // What cannot happen any more does not; the page shows how the order stands.
    let _ = desk.act(&reference, &act, known.unwrap_or("qris"), false);
    Redirect::to(uri.path()).into_response()
}

fn page(order: &Order) -> String {
    let gateway = match order.brand {
        Brand::Midtrans => "Midtrans",
        Brand::Xendit => "Xendit",
    };
    let mut body = format!(
        "<h1>Pembayaran {gateway} (simulasi)</h1><div class=sum>{}</div><p>{}</p><p>No. pesanan {}</p>",
        rupiah(order.amount),
        escaped(&order.description),
        escaped(&order.id),
    );
    let (class, says) = match order.state() {
        Some(State::Challenged) => ("", "Pembayaran sedang diperiksa"),
        Some(State::Settled) if order.refunded() > 0 => {
            ("good", "Pembayaran diterima, sebagian atau seluruhnya dikembalikan")
        }
        Some(State::Settled) => ("good", "Pembayaran berhasil. Terima kasih!"),
        Some(State::Denied) => ("bad", "Pembayaran ditolak bank"),
        Some(State::Cancelled) => ("bad", "Pesanan dibatalkan"),
        Some(State::ChargedBack) => ("bad", "Dana ditarik kembali oleh bank"),
        Some(State::Expired) => ("bad", "Waktu pembayaran habis"),
        None if order.is_over => ("bad", "Waktu pembayaran habis"),
        Some(State::Pending) => ("", "Menunggu pembayaran"),
        None => ("", "Pilih cara pembayaran"),
    };
    body.push_str(&format!("<p class=\"{class}\">{says}</p>"));
    if !matches!(
        order.state(),
        Some(State::Settled | State::Challenged | State::Cancelled | State::ChargedBack)
    ) {
        body.push_str(&form(order));
    }
    if let Some(url) = order.return_url.as_deref().filter(|url| url.starts_with("http")) {
        body.push_str(&format!("<p><a class=button href=\"{}\">Kembali ke IndoWater</a></p>", escaped(url)));
    }
    body.push_str("<p class=note>Ini gerbang pembayaran tiruan. Tidak ada uang yang berpindah.</p>");
    framed(&body)
}

fn form(order: &Order) -> String {
    let expired = order.is_over;
    let mut form = "<form method=post>".to_owned();
    for (at, (name, label)) in METHODS.iter().enumerate() {
        let checked = if at == 0 { " checked" } else { "" };
        form.push_str(&format!(
            "<label><input type=radio name=method value={name}{checked}> {label}</label>"
        ));
    }
    let pay = if expired { "Tetap bayar (terlambat)" } else { "Bayar sekarang" };
    form.push_str(&format!("<button name=act value=pay>{pay}</button>"));
    if !expired {
        if order.brand == Brand::Midtrans {
            form.push_str("<button class=quiet name=act value=choose>Pilih dulu, bayar nanti</button>");
            form.push_str("<button class=quiet name=act value=deny>Bank menolak</button>");
        }
        form.push_str("<button class=quiet name=act value=expire>Biarkan kedaluwarsa</button>");
    }
    form + "</form>"
}

fn framed(body: &str) -> String {
    format!(
        "<!doctype html><html lang=id><meta charset=utf-8><meta name=viewport content=\"width=device-width\">\
         <title>Pembayaran</title><style>{STYLE}</style><main>{body}</main></html>"
    )
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// `Rp 50.000`.
fn rupiah(amount: i64) -> String {
    let digits = amount.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push('.');
        }
        text.push(digit);
    }
    format!("Rp {text}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_written_as_in_indonesia() {
        for (amount, text) in [(5, "Rp 5"), (50_000, "Rp 50.000"), (1_234_567, "Rp 1.234.567")] {
            assert_eq!(rupiah(amount), text);
        }
    }

    #[test]
    fn what_merchants_write_is_not_markup() {
        assert_eq!(escaped("<b a=\"x\">&"), "&lt;b a=&quot;x&quot;&gt;&amp;");
    }
}
