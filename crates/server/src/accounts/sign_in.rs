//! Who gets in: names and passwords, second factors, and tokens.
//!
//! What it is not: what they may do then (`policy`). Invariants: a wrong name, a wrong password and a wrong code take
//! the same time and say the same; whoever guesses is stopped, and does not stop the person whose account it is: failures
//! are counted by address, and only very many lock the account itself.

use chengmai_model::time::{DAY_MS, HOUR_MS, MINUTE_MS};
use chengmai_model::{Timestamp, error};
use chengmai_store::records::identities::IdentityRow;
use chengmai_store::records::tokens::{NewToken, TokenKind, TokenRow, TokenScope};
use chengmai_store::records::users::UserRow;
use chengmai_store::records::{Records, RecordsError};

use super::passwords::{unknown_user_hash, verify};
use super::provider::Person;
use super::{factor, hash_token, note, random_token};
use crate::city::City;
use crate::clock;
use crate::http::problem::{Answer, Problem};

/// How long a session lasts.
pub(crate) const SESSION_MS: i64 = 12 * HOUR_MS;
/// A session that nobody uses for so long ends: a screen on the wall asks every few seconds.
const IDLE_MS: i64 = HOUR_MS;
/// Longest life of an API token, in days.
pub(crate) const TOKEN_DAYS_MAX: u32 = 3_650;
/// Failures in a row, from wherever, that lock an account.
const FAILURES_MAX: u32 = 100;
/// For how long.
const LOCK_MS: i64 = 15 * MINUTE_MS;
/// Longest token that is looked at.
const TOKEN_BYTES_MAX: usize = 256;

/// The account behind a token, and the token. A session is no API token, and the other way round.
pub(crate) async fn by_token(
    city: &City,
    token: &str,
    kind: TokenKind,
    from: &str,
) -> Answer<(UserRow, TokenRow)> {
    let unknown = || Problem::new(&error::SIGN_IN, "the token is not valid");
    if token.len() > TOKEN_BYTES_MAX {
        return Err(unknown());
    }
    let now = clock::now();
    city.locks.strangers.check(from, now)?;
    let hash = hash_token(token);
    let found = city.records.tokens().find(&hash, now).await?;
    let Some((user, row)) = found.filter(|(_, row)| row.kind == kind && !is_idle(row, now)) else {
        city.locks.strangers.take(from, now)?;
        return Err(unknown());
    };
    if city.locks.is_news(&hash, now) {
        city.records.tokens().seen(&hash, now, from).await?;
    }
    Ok((user, row))
}

/// Whether a session was left alone for too long.
fn is_idle(row: &TokenRow, now: Timestamp) -> bool {
    let used = row.seen_at.unwrap_or(row.created_at);
    row.kind == TokenKind::Session && now.since(used) > IDLE_MS
}

/// Checks name, password and, where there is one, the second factor; a new session token when all are right.
pub(crate) async fn sign_in(
    city: &City,
    name: &str,
    password: &str,
    code: Option<&str>,
    from: &str,
) -> Answer<(UserRow, String)> {
    let now = clock::now();
    let guesser = format!("{from} {name}");
    city.locks.addresses.take(from, now)?;
    city.locks.guesses.check(&guesser, now)?;
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
        return Err(failed(city, name, &guesser, &error::BAD_CREDENTIALS).await?);
    };
    let factor = city.records.factors().find(name).await?.filter(|f| f.confirmed_at.is_some());
    if let Some(factor) = &factor {
        let Some(code) = code.filter(|code| !code.trim().is_empty()) else {
            return Err(Problem::new(&error::SECOND_FACTOR, ""));
        };
        if !factor::take(&city.records, name, &factor.secret, code).await? {
            return Err(failed(city, name, &guesser, &error::WRONG_CODE).await?);
        }
    }
    city.locks.guesses.forget(&guesser);
    city.records.users().note_success(name).await?;
    let token = open_session(city, name, from, factor.is_some(), "sign_in").await?;
    Ok((user, token))
}

/// Who came back from the identity provider: their account, and a new session of it.
pub(crate) async fn by_provider(city: &City, person: &Person, from: &str) -> Answer<String> {
    let records = &city.records;
    let identities = records.identities();
    let known = identities.account(&person.issuer, &person.subject).await?;
    let name = match (known, &person.account) {
        (Some(name), _) => name,
        (None, Some(name)) if records.users().find(name).await?.is_some() => {
            link(city, name, person).await?;
            name.clone()
        }
        (None, told) => {
            let told = told.as_deref().unwrap_or(&person.subject);
            return Err(Problem::new(&error::NO_ACCOUNT, told));
        }
    };
    // An account that asks for a second factor here is not opened by less elsewhere.
    if !person.strong && records.factors().find_confirmed(&name).await? {
        return Err(Problem::new(&error::WEAK_SIGN_IN, name));
    }
    open_session(city, &name, from, person.strong, "sign_in_provider").await
}

/// Gives an account the identity of whoever came back from the provider.
pub(crate) async fn link(city: &City, name: &str, person: &Person) -> Answer<()> {
    let now = clock::now();
    let row = IdentityRow {
        user: name.to_owned(),
        issuer: person.issuer.clone(),
        subject: person.subject.clone(),
        at: now,
    };
    if !city.records.identities().link(&row).await? {
        return Err(Problem::new(&error::LINKED_ALREADY, name));
    }
    note(&city.records, now, name, "provider_linked", name).await?;
    Ok(())
}

/// A new session of an account that has shown who it is.
pub(super) async fn open_session(
    city: &City,
    name: &str,
    from: &str,
    strong: bool,
    how: &str,
) -> Answer<String> {
    let (token, now) = (random_token(), clock::now());
    let tokens = city.records.tokens();
    tokens.purge(now).await?;
    let new = NewToken {
        expires_at: Some(now.plus_ms(SESSION_MS)),
        from: Some(from.to_owned()),
        strong,
        ..NewToken::new(&hash_token(&token), name, TokenKind::Session, now)
    };
    tokens.insert(new).await?;
    note(&city.records, now, name, how, name).await?;
    Ok(token)
}

/// Counts a failure and puts it on record; what is said of it.
async fn failed(
    city: &City,
    name: &str,
    guesser: &str,
    code: &'static error::ErrorCode,
) -> Answer<Problem> {
    let now = clock::now();
    // A bucket that is empty now refuses the next one.
    let _ = city.locks.guesses.take(guesser, now);
    city.counters.refuse(code, 1);
    city.records.users().note_failure(name, FAILURES_MAX, now.plus_ms(LOCK_MS)).await?;
    if city.records.users().find(name).await?.is_some() {
        note(&city.records, now, name, "sign_in_failed", name).await?;
    }
    Ok(Problem::new(code, ""))
}

/// Makes a token void.
pub(crate) async fn end_session(city: &City, token: &str) -> Answer<()> {
    city.records.tokens().delete(&hash_token(token)).await?;
    Ok(())
}

/// A new bearer token of an account, shown once.
pub(crate) async fn new_token(
    records: &Records,
    name: &str,
    scope: TokenScope,
    days: u32,
    by: &str,
) -> Result<String, RecordsError> {
    let (token, now) = (random_token(), clock::now());
    let days = i64::from(days.clamp(1, TOKEN_DAYS_MAX));
    let new = NewToken {
        scope,
        expires_at: Some(now.plus_ms(days * DAY_MS)),
        ..NewToken::new(&hash_token(&token), name, TokenKind::Api, now)
    };
    records.tokens().insert(new).await?;
    note(records, now, by, "new_token", name).await?;
    Ok(token)
}
