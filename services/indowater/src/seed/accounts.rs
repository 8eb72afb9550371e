//! The demo accounts: an administrator, a technician, and customers.

use std::collections::BTreeSet;

use anyhow::{Context as _, Result};
use bson::{Document, doc};
use futures::TryStreamExt as _;
use indowater_common::mongo::to_bson_time;
use jiff::Timestamp;
use mongodb::Database;

use super::insert_missing;

/// Someone who can log in.
#[derive(Debug, Clone, Copy)]
pub struct Account {
    /// `users.id`.
    pub id: &'static str,
    /// What one logs in with.
    pub email: &'static str,
    /// For people.
    pub full_name: &'static str,
    /// admin, technician or customer.
    pub role: &'static str,
    /// A telephone number that nobody has.
    pub phone: &'static str,
    /// Where they live.
    pub address: &'static str,
}

const fn account(
    id: &'static str,
    email: &'static str,
    full_name: &'static str,
    role: &'static str,
    phone: &'static str,
    address: &'static str,
) -> Account {
    Account { id, email, full_name, role, phone, address }
}

/// The first three are the demo logins; the others own something, so that an administrator has more than one customer.
pub const ACCOUNTS: [Account; 7] = [
    account("admin-001", "admin@indowater.com", "Admin User", "admin", "+62 21 5550 001", "Jakarta Pusat"),
    account(
        "technician-001",
        "technician@indowater.com",
        "Agus Setiawan",
        "technician",
        "+62 812 5550 002",
        "Jakarta Timur",
    ),
    account(
        "customer-001",
        "customer@indowater.com",
        "Siti Rahayu",
        "customer",
        "+62 812 5550 101",
        "Jl. Wijaya I No. 12, Jakarta Selatan",
    ),
    account(
        "customer-002",
        "yohana@indowater.com",
        "Yohana Wanggai",
        "customer",
        "+62 812 5550 102",
        "Jayapura",
    ),
    account("customer-003", "budi@indowater.com", "Budi Hartono", "customer", "+62 812 5550 103", "Surabaya"),
    account("customer-004", "andi@indowater.com", "Andi Baso", "customer", "+62 812 5550 104", "Makassar"),
    account("customer-005", "dewi@indowater.com", "Dewi Lestari", "customer", "+62 812 5550 105", "Bandung"),
];

/// Creates the accounts that are not there yet. Returns how many were new.
pub(super) async fn create(database: &Database, password: &str, now: Timestamp) -> Result<usize> {
    let there: BTreeSet<String> = database
        .collection::<Document>("users")
        .find(doc! { "id": { "$in": ACCOUNTS.map(|account| account.id).to_vec() } })
        .projection(doc! { "id": 1 })
        .await
        .context("the accounts cannot be read")?
        .map_ok(|user| user.get_str("id").unwrap_or_default().to_owned())
        .try_collect()
        .await
        .context("the accounts cannot be read")?;
    let missing: Vec<Account> = ACCOUNTS.into_iter().filter(|account| !there.contains(account.id)).collect();
    let hashes = missing.iter().map(|_| hash(password.to_owned()));
    let hashes = futures::future::try_join_all(hashes).await?;
    let documents =
        std::iter::zip(missing, hashes).map(|(account, hash)| document(account, &hash, now)).collect();
    insert_missing(database, "users", documents).await
}

/// A hash takes a quarter of a second of pure computing, so it has a thread that may block.
async fn hash(password: String) -> Result<String> {
    let hash = tokio::task::spawn_blocking(move || bcrypt::hash(password, bcrypt::DEFAULT_COST)).await?;
    hash.context("the password cannot be hashed: choose one of at most 72 bytes")
}

fn document(account: Account, hashed_password: &str, now: Timestamp) -> Document {
    let now = to_bson_time(now);
    doc! {
        "_id": account.id,
        "id": account.id,
        "email": account.email,
        "full_name": account.full_name,
        "hashed_password": hashed_password,
        "role": account.role,
        "phone": account.phone,
        "address": account.address,
        "is_active": true,
        "created_at": now,
        "updated_at": now,
    }
}
