//! Local accounts: argon2id passwords, second factors, sessions and API tokens. Tokens are random, shown once, and
//! stored only as hashes; a session is a token in a cookie that scripts cannot read.

use chengmai_model::case::Refusal;
use chengmai_model::{AreaPath, Role, Timestamp, error};
use chengmai_store::records::audit::AuditRow;
use chengmai_store::records::users::UserRow;
use chengmai_store::records::{Records, RecordsError};
use sha2::{Digest as _, Sha256};

use crate::city::{City, internal};
use crate::clock;
use crate::http::problem::{Answer, Problem};

pub(crate) mod factor;
mod locks;
pub(crate) mod passwords;
pub(crate) mod provider;
mod sign_in;

pub(crate) use locks::{EMERGENCY_MS_MAX, Locks, REVIEW_MS};
use passwords::{check_strength, hash, verify};
pub(crate) use sign_in::{
    SESSION_MS, TOKEN_DAYS_MAX, by_provider, by_token, end_session, link, new_token, sign_in,
};

/// Who acts when somebody with access to the data folder uses the command line.
pub(crate) const COMMAND_LINE: &str = "command line";
/// Name of the first administrator.
pub(crate) const FIRST_ADMIN: &str = "admin";

impl From<RecordsError> for Problem {
    fn from(failure: RecordsError) -> Self {
        match failure {
            RecordsError::Refused(refusal) => refusal.into(),
            RecordsError::Busy(_) => {
                Self::new(&error::OVERLOADED, "another program was changing the same; try again")
            }
            other => internal(&other),
        }
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        let Refusal { code, detail } = refusal;
        Self::new(code, format!("{} / {}", detail.zh, detail.en))
    }
}

/// Removes an account. Who did it is on record first.
pub(crate) async fn delete(records: &Records, name: &str, by: &str) -> Result<(), RecordsError> {
    note(records, clock::now(), by, "user_removed", name).await?;
    records.users().delete(name).await?;
    Ok(())
}

/// Puts a line into the audit.
pub(crate) async fn note(
    records: &Records,
    at: Timestamp,
    who: &str,
    what: &str,
    object: &str,
) -> Result<(), RecordsError> {
    let row = AuditRow {
        at,
        who: who.to_owned(),
        what: what.to_owned(),
        object: object.to_owned(),
        detail: String::new(),
    };
    records.audit().add(&row).await
}

/// What is needed for a new account.
#[derive(Debug, Clone)]
pub(crate) struct NewUser {
    pub(crate) name: String,
    pub(crate) display_name: String,
    pub(crate) password: String,
    pub(crate) roles: Vec<Role>,
    pub(crate) area: AreaPath,
    pub(crate) agency: Option<String>,
}

/// Adds an account.
pub(crate) async fn create(records: &Records, new: NewUser, by: &str) -> Answer<UserRow> {
    if new.name.is_empty() || new.name.len() > 64 || new.name.chars().any(char::is_whitespace) {
        return Err(Problem::new(&error::BAD_BODY, "a name has 1 to 64 characters and no spaces"));
    }
    check_strength(&new.password, &[&new.name, &new.display_name])?;
    let now = clock::now();
    let user = UserRow {
        password_hash: hash(new.password).await?,
        name: new.name,
        display_name: new.display_name,
        roles: new.roles,
        area: new.area,
        agency: new.agency,
        failed_count: 0,
        locked_until: None,
        created_at: now,
    };
    records.users().insert(&user).await?;
    note(records, now, by, "user_created", &user.name).await?;
    Ok(user)
}

/// Goes on only when it is still the same person: with their password.
pub(crate) async fn same_person(city: &City, user: &UserRow, password: &str) -> Answer<()> {
    city.locks.try_code(&user.name)?;
    if verify(password.to_owned(), user.password_hash.clone()).await? {
        return Ok(());
    }
    Err(Problem::new(&error::BAD_CREDENTIALS, ""))
}

/// Changes a password after checking the old one.
pub(crate) async fn change_password(
    city: &City,
    user: &UserRow,
    old: &str,
    new: &str,
) -> Answer<()> {
    check_strength(new, &[&user.name, &user.display_name])?;
    same_person(city, user, old).await?;
    city.records.users().set_password(&user.name, &hash(new.to_owned()).await?).await?;
    let now = clock::now();
    note(&city.records, now, &user.name, "password_changed", &user.name).await?;
    Ok(())
}

/// Sets a password without the old one: for the command line, which owns the data folder.
pub(crate) async fn set_password(records: &Records, name: &str, new: &str) -> Answer<()> {
    check_strength(new, &[name])?;
    records.users().set_password(name, &hash(new.to_owned()).await?).await?;
    Ok(())
}

/// Makes the first administrator of a new data folder. Returns the password when it was made up
/// here, to be shown once.
pub(crate) async fn first_admin(
    records: &Records,
    city: AreaPath,
    password: Option<String>,
) -> Answer<Option<String>> {
    if records.users().count().await? > 0 {
        return Ok(None);
    }
    let made_up = password.is_none().then(random_token).map(|token| token[3..19].to_owned());
    let new = NewUser {
        name: FIRST_ADMIN.to_owned(),
        display_name: "管理员 Administrator".to_owned(),
        password: password.or_else(|| made_up.clone()).unwrap_or_default(),
        roles: vec![Role::Admin],
        area: city,
        agency: None,
    };
    create(records, new, FIRST_ADMIN).await?;
    Ok(made_up)
}

/// `cm_` and 256 random bits in hexadecimal.
pub(crate) fn random_token() -> String {
    let mut bytes = [0_u8; 32];
    getrandom::fill(&mut bytes).expect("the operating system gives random numbers");
    format!("cm_{}", hex(&bytes))
}

/// A number that nobody guesses, for ids.
pub(crate) fn random_number() -> u64 {
    let mut bytes = [0_u8; 8];
    getrandom::fill(&mut bytes).expect("the operating system gives random numbers");
    u64::from_le_bytes(bytes)
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        use std::fmt::Write as _;
        write!(text, "{byte:02x}").expect("writing to a string cannot fail");
        text
    })
}

/// Every byte that is not a letter, a digit or one of `-._~` by its number (RFC 3986 §2.3).
fn percent_encoded(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                char::from(byte).to_string()
            }
            other => format!("%{other:02X}"),
        })
        .collect()
}

pub(crate) fn hash_token(token: &str) -> String {
    hex(&Sha256::digest(token.as_bytes()))
}
