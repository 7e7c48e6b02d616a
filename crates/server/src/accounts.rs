//! Local accounts: argon2id passwords, sessions and API tokens. Tokens are random, shown once, and
//! stored only as hashes; a session is a token in a cookie that scripts cannot read.

use argon2::Argon2;
use argon2::password_hash::{PasswordHasher as _, PasswordVerifier as _, phc::PasswordHash};
use chengmai_model::case::Refusal;
use chengmai_model::time::{DAY_MS, MINUTE_MS};
use chengmai_model::{AreaPath, Role, Timestamp, error};
use chengmai_store::records::audit::AuditRow;
use chengmai_store::records::tokens::TokenKind;
use chengmai_store::records::users::UserRow;
use chengmai_store::records::{Records, RecordsError};
use sha2::{Digest as _, Sha256};

use crate::city::{City, internal};
use crate::clock;
use crate::http::problem::{Answer, Problem};

/// How long a session lasts.
pub(crate) const SESSION_MS: i64 = 12 * 60 * MINUTE_MS;
/// How long an API token lasts.
const API_TOKEN_MS: i64 = 3_650 * DAY_MS;
/// Failures in a row that lock an account.
const FAILURES_MAX: u32 = 5;
/// For how long.
const LOCK_MS: i64 = 15 * MINUTE_MS;
/// Least length of a password, in characters.
const PASSWORD_LEN_MIN: usize = 10;
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

/// The account behind a token.
pub(crate) async fn by_token(city: &City, token: &str) -> Answer<UserRow> {
    let found = city.records.tokens().find(&hash_token(token), clock::now()).await?;
    let (user, _) = found.ok_or_else(|| Problem::new(&error::SIGN_IN, "the token is not valid"))?;
    Ok(user)
}

/// Checks name and password; a new session token when they are right.
pub(crate) async fn sign_in(city: &City, name: &str, password: &str) -> Answer<(UserRow, String)> {
    let now = clock::now();
    let user = city.records.users().find(name).await?;
    if user.as_ref().is_some_and(|u| u.locked_until.is_some_and(|until| now < until)) {
        return Err(Problem::new(&error::LOCKED, ""));
    }
    // An unknown name costs the same time as a wrong password, so that names cannot be guessed.
    let hash = match &user {
        Some(user) => user.password_hash.clone(),
        None => unknown_user_hash().to_owned(),
    };
    let right = verify(password.to_owned(), hash).await?;
    let Some(user) = user.filter(|_| right) else {
        city.records.users().note_failure(name, FAILURES_MAX, now.plus_ms(LOCK_MS)).await?;
        return Err(Problem::new(&error::BAD_CREDENTIALS, ""));
    };
    city.records.users().note_success(name).await?;
    let token = random_token();
    let tokens = city.records.tokens();
    tokens.purge(now).await?;
    let until = Some(now.plus_ms(SESSION_MS));
    tokens.insert(&hash_token(&token), name, TokenKind::Session, now, until).await?;
    note(&city.records, now, name, "sign_in", name).await?;
    Ok((user, token))
}

/// Makes a token void.
pub(crate) async fn revoke(city: &City, token: &str) -> Answer<()> {
    city.records.tokens().delete(&hash_token(token)).await?;
    Ok(())
}

/// A new bearer token that acts as the account.
pub(crate) async fn new_token(records: &Records, name: &str) -> Result<String, RecordsError> {
    let (token, now) = (random_token(), clock::now());
    let until = Some(now.plus_ms(API_TOKEN_MS));
    records.tokens().insert(&hash_token(&token), name, TokenKind::Api, now, until).await?;
    note(records, now, name, "new_token", name).await?;
    Ok(token)
}

/// Removes an account. Who did it is on record first.
pub(crate) async fn delete(records: &Records, name: &str, by: &str) -> Result<(), RecordsError> {
    note(records, clock::now(), by, "user_removed", name).await?;
    records.users().delete(name).await?;
    Ok(())
}

async fn note(
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
    check_strength(&new.password)?;
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

/// Changes a password after checking the old one.
pub(crate) async fn change_password(
    city: &City,
    user: &UserRow,
    old: &str,
    new: &str,
) -> Answer<()> {
    check_strength(new)?;
    if !verify(old.to_owned(), user.password_hash.clone()).await? {
        return Err(Problem::new(&error::BAD_CREDENTIALS, ""));
    }
    city.records.users().set_password(&user.name, &hash(new.to_owned()).await?).await?;
    let now = clock::now();
    note(&city.records, now, &user.name, "password_changed", &user.name).await?;
    Ok(())
}

/// Sets a password without the old one: for the command line, which owns the data folder.
pub(crate) async fn set_password(records: &Records, name: &str, new: &str) -> Answer<()> {
    check_strength(new)?;
    records.users().set_password(name, &hash(new.to_owned()).await?).await?;
    Ok(())
}

fn check_strength(password: &str) -> Answer<()> {
    if password.chars().count() < PASSWORD_LEN_MIN {
        return Err(Problem::new(&error::WEAK_PASSWORD, ""));
    }
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

pub(crate) fn hash_token(token: &str) -> String {
    hex(&Sha256::digest(token.as_bytes()))
}

async fn hash(password: String) -> Answer<String> {
    let work = move || Argon2::default().hash_password(password.as_bytes()).map(|h| h.to_string());
    let done = tokio::task::spawn_blocking(work).await.map_err(|e| internal(&e))?;
    done.map_err(|e| internal(&e))
}

async fn verify(password: String, stored: String) -> Answer<bool> {
    let work = move || {
        PasswordHash::new(&stored)
            .map(|parsed| Argon2::default().verify_password(password.as_bytes(), &parsed).is_ok())
    };
    let done = tokio::task::spawn_blocking(work).await.map_err(|e| internal(&e))?;
    done.map_err(|e| internal(&e))
}

/// A hash that no password has, with the same cost as a real one.
fn unknown_user_hash() -> &'static str {
    static HASH: std::sync::OnceLock<String> = std::sync::OnceLock::new();
    HASH.get_or_init(|| {
        let made = Argon2::default().hash_password(random_token().as_bytes());
        made.map(|h| h.to_string()).unwrap_or_default()
    })
}
