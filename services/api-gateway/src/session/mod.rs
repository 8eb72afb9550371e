//! Who is asking: log-ins, sessions, passwords, and what users see and change about themselves.

mod accounts;
mod credentials;
mod limits;
mod login;
mod mongo;
mod state;
pub mod token;
pub mod user;

pub use self::credentials::{Passwords, Signer};
pub use self::limits::LoginLimits;
pub use self::login::{Caller, Tokens};
pub use self::mongo::Store;
pub use self::state::{Lives, Sessions, standings};
