//! Who is asking: log-ins, sessions, passwords, and what users see and change about themselves.

mod accounts;
mod credentials;
mod limits;
mod login;
mod mongo;
pub mod signer;
mod state;
pub mod token;
pub mod user;

pub use self::credentials::Passwords;
pub use self::limits::LoginLimits;
pub use self::login::{Caller, Tokens};
pub use self::mongo::Store;
pub use self::signer::Signer;
pub use self::state::{Lives, Sessions, standings};
