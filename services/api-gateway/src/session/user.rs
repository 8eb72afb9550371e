//! People: who they are, what they may change about themselves, and what a password must be.

use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::access::{Actor, Role, UserId};
use crate::failure::{Failure, Faults};
use crate::wire::Shown;

/// A user as people see one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct User {
    /// Unique id.
    pub id: UserId,
    /// E-mail address, unique, in lower case.
    #[schema(example = "customer@indowater.com", format = Email)]
    pub email: String,
    /// Full name.
    #[schema(example = "Siti Rahayu")]
    pub full_name: String,
    /// What the user is to the utility.
    pub role: Role,
    /// Telephone number; null if it is not known.
    #[schema(required = true, example = "+62 812 3456 7890")]
    pub phone: Option<String>,
    /// Postal address; null if it is not known.
    #[schema(required = true, example = "Jl. Merdeka 10, Bandung")]
    pub address: Option<String>,
    /// Whether the user may log in.
    pub is_active: bool,
    /// When the account was made.
    #[schema(value_type = String, format = DateTime, example = "2026-01-05T02:00:00Z")]
    pub created_at: Timestamp,
    /// When it last changed.
    #[schema(value_type = String, format = DateTime, example = "2026-01-05T02:00:00Z")]
    pub updated_at: Timestamp,
}

impl User {
    /// The user as someone who asks.
    pub fn actor(&self) -> Actor {
        Actor { id: self.id.clone(), role: self.role }
    }
}

impl Shown for User {
    fn redact(&mut self, _: Role) {}
}

/// A user together with what proves to be the user.
#[derive(Clone, Debug)]
pub struct Account {
    /// The user.
    pub user: User,
    /// The bcrypt hash of the password.
    pub hashed_password: SecretString,
}

/// The longest e-mail address there is (RFC 5321).
const LONGEST_EMAIL: usize = 254;
/// More than any password manager makes. It bounds what is copied and hashed for a guess.
const LONGEST_GUESS: usize = 1_024;

/// An e-mail address in the one form it is stored and looked up in: trimmed, lower case.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Email(String);

impl Email {
    /// The address in its one form.
    pub fn new(text: &str) -> Self {
        Self(text.trim().to_lowercase())
    }

    /// The address.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What someone says who logs in. Not whether it is right, only whether it is worth looking up.
///
/// # Errors
/// [`Failure::Invalid`] if either is missing or too long.
pub fn check_credentials(email: &str, password: &SecretString) -> Result<Email, Failure> {
    let mut faults = Faults::default();
    let email = Email::new(email);
    if email.0.is_empty() || email.0.len() > LONGEST_EMAIL {
        faults.add("email", "must be an e-mail address");
    }
    check_guess("password", password, &mut faults);
    faults.none().map(|()| email)
}

fn check_guess(field: &str, guess: &SecretString, faults: &mut Faults) {
    match guess.expose_secret().len() {
        0 => faults.add(field, "must not be empty"),
        1..=LONGEST_GUESS => {}
        _ => faults.add(field, format!("must not be longer than {LONGEST_GUESS} bytes")),
    }
}

/// A password has so many characters at least (NIST SP 800-63B asks for eight, and length is what counts).
const SHORTEST_PASSWORD: usize = 10;
/// bcrypt reads 72 bytes, the last of them the terminating zero; the rest would be ignored without a word.
const LONGEST_PASSWORD: usize = 71;

/// Whether `old` may be replaced by `new`.
///
/// # Errors
/// [`Failure::Invalid`] with what is wrong with either.
pub fn check_new_password(old: &SecretString, new: &SecretString) -> Result<(), Failure> {
    let mut faults = Faults::default();
    check_guess("old_password", old, &mut faults);
    let (old, new) = (old.expose_secret(), new.expose_secret());
    if new.chars().count() < SHORTEST_PASSWORD {
        faults.add("new_password", format!("must have at least {SHORTEST_PASSWORD} characters"));
    } else if new.len() > LONGEST_PASSWORD {
        faults.add("new_password", format!("must not be longer than {LONGEST_PASSWORD} bytes"));
    } else if new == old {
        faults.add("new_password", "must differ from the old one");
    }
    faults.none()
}

/// What users change about themselves. Absent: as it is. `null`: no longer known.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ProfileChange {
    /// Full name, up to 100 characters.
    #[schema(example = "Siti Rahayu", min_length = 1, max_length = 100)]
    pub full_name: Option<String>,
    /// Telephone number: digits, blanks and hyphens, with an optional leading +; `null` removes it.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<String>, example = "+62 812 3456 7890", pattern = r"^\+?[0-9][0-9 \-]{4,24}$")]
    pub phone: Option<Option<String>>,
    /// Postal address, up to 300 characters; `null` removes it.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<String>, example = "Jl. Merdeka 10, Bandung", max_length = 300)]
    pub address: Option<Option<String>>,
}

/// Tells `null` from absent.
fn present<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Option<String>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}

impl ProfileChange {
    /// The change with blanks trimmed, if every part of it is acceptable.
    ///
    /// # Errors
    /// [`Failure::Invalid`] with what is not.
    pub fn check(mut self) -> Result<Self, Failure> {
        let mut faults = Faults::default();
        let texts = [
            self.full_name.as_mut(),
            self.phone.iter_mut().flatten().next(),
            self.address.iter_mut().flatten().next(),
        ];
        for text in texts.into_iter().flatten() {
            *text = text.trim().to_owned();
        }
        if self.full_name.as_deref().is_some_and(|name| !is_line(name, 100)) {
            faults.add("full_name", "must have 1 to 100 characters, none of them a control character");
        }
        if self.phone.iter().flatten().any(|phone| !is_phone(phone)) {
            faults.add("phone", "must have 5 to 25 digits, blanks and hyphens, with an optional leading +");
        }
        if self.address.iter().flatten().any(|address| !is_line(address, 300)) {
            faults.add("address", "must have 1 to 300 characters, none of them a control character");
        }
        faults.none().map(|()| self)
    }
}

fn is_line(text: &str, longest: usize) -> bool {
    !text.is_empty() && text.chars().count() <= longest && !text.chars().any(char::is_control)
}

fn is_phone(text: &str) -> bool {
    let digits = text.strip_prefix('+').unwrap_or(text);
    (5..=25).contains(&digits.len())
        && digits.starts_with(|c: char| c.is_ascii_digit())
        && digits.chars().all(|c| c.is_ascii_digit() || c == ' ' || c == '-')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields<T>(checked: Result<T, Failure>) -> Vec<String> {
        match checked {
            Ok(_) => Vec::new(),
            Err(Failure::Invalid(faults)) => faults.into_iter().map(|fault| fault.field).collect(),
            Err(other) => panic!("{other:?}"),
        }
    }

    #[test]
    fn credentials_are_bounded_and_addresses_have_one_form() {
        let password = SecretString::from("secret");
        assert_eq!(
            check_credentials(" Siti@IndoWater.com ", &password).unwrap().as_str(),
            "siti@indowater.com"
        );
        assert_eq!(fields(check_credentials("", &SecretString::from(""))), ["email", "password"]);
        let long = "x".repeat(LONGEST_GUESS + 1);
        assert_eq!(
            fields(check_credentials(&long, &SecretString::from(long.as_str()))),
            ["email", "password"]
        );
    }

    #[test]
    fn passwords() {
        for (old, new, wrong) in [
            ("old", "ten chars!", vec![]),
            ("old", "kata sandi yang panjang", vec![]),
            ("old", "nine char", vec!["new_password"]),
            ("old", "ééééééééé", vec!["new_password"]),
            ("", "ten chars!", vec!["old_password"]),
            ("ten chars!", "ten chars!", vec!["new_password"]),
        ] {
            assert_eq!(fields(check_new_password(&old.into(), &new.into())), wrong, "{old} {new}");
        }
        for (bytes, wrong) in [(71, vec![]), (72, vec!["new_password"])] {
            assert_eq!(fields(check_new_password(&"old".into(), &"x".repeat(bytes).into())), wrong);
        }
    }

    #[test]
    fn absent_and_null_differ() {
        let change: ProfileChange = serde_json::from_str(r#"{"phone": null}"#).unwrap();
        assert_eq!(change, ProfileChange { phone: Some(None), ..ProfileChange::default() });
        assert!(serde_json::from_str::<ProfileChange>(r#"{"role": "admin"}"#).is_err());
    }

    #[test]
    fn profiles() {
        let change = |full_name: &str, phone: &str, address: &str| ProfileChange {
            full_name: Some(full_name.to_owned()),
            phone: Some(Some(phone.to_owned())),
            address: Some(Some(address.to_owned())),
        };
        let checked = change(" Siti ", " +62 812-34 ", "Jl. Merdeka 10").check().unwrap();
        assert_eq!(checked, change("Siti", "+62 812-34", "Jl. Merdeka 10"));
        let long = "x".repeat(301);
        assert_eq!(fields(change("", "tel", " ").check()), ["full_name", "phone", "address"]);
        assert_eq!(fields(change("a\nb", "1234", &long).check()), ["full_name", "phone", "address"]);
        assert_eq!(fields(ProfileChange::default().check()), Vec::<String>::new());
    }
}
