//! The second factor 双因子: codes of an authenticator (RFC 6238), and recovery codes for when it is lost.
//!
//! What it is not: it signs nobody in. Invariants: a code is taken once; the secret is shown once and lies sealed; it
//! is asked for only after a code of it was shown.

use chengmai_model::{Timestamp, error};
use chengmai_store::records::Records;
use chengmai_store::records::users::UserRow;
use totp_rs::{Algorithm, Secret, TOTP};

use super::{hash_token, hex, note, percent_encoded};
use crate::city::internal;
use crate::clock;
use crate::http::problem::{Answer, Problem};

/// Seconds that a code holds.
const STEP_S: u64 = 30;
/// Steps that a clock may be off.
const SKEW: u64 = 1;
const DIGITS: usize = 6;
/// Bytes of a secret, as RFC 4226 advises.
const SECRET_BYTES: usize = 20;
/// How many recovery codes there are.
const RECOVERY_CODES: usize = 10;
/// Random bytes of one.
const RECOVERY_BYTES: usize = 10;

/// A new second factor, shown once.
#[derive(Debug)]
pub(crate) struct Begun {
    /// To be typed into an authenticator.
    pub(crate) secret: String,
    /// The same for a program.
    pub(crate) uri: String,
    /// The same as a picture.
    pub(crate) svg: String,
}

fn totp(secret: &str) -> Option<TOTP> {
    let bytes = Secret::Encoded(secret.to_owned()).to_bytes().ok()?;
    TOTP::new(Algorithm::SHA1, DIGITS, u8::try_from(SKEW).ok()?, STEP_S, bytes).ok()
}

/// The time step whose code this is, if it is one of now.
fn step_of(secret: &str, code: &str, now: Timestamp) -> Option<u64> {
    let totp = totp(secret)?;
    let step = u64::try_from(now.0 / 1_000).ok()? / STEP_S;
    let given: String = code.chars().filter(|c| !c.is_whitespace()).collect();
    let steps = step.saturating_sub(SKEW)..=step + SKEW;
    // Compared in whole: nothing is learnt from the time it takes.
    let same = |a: &str, b: &str| {
        a.len() == b.len() && a.bytes().zip(b.bytes()).fold(0, |all, (a, b)| all | (a ^ b)) == 0
    };
    steps.rev().find(|step| same(&totp.generate(step * STEP_S), &given))
}

/// Begins: a new secret, which is asked for when a code of it was shown.
pub(crate) async fn begin(records: &Records, user: &UserRow, city: &str) -> Answer<Begun> {
    let mut bytes = [0; SECRET_BYTES];
    getrandom::fill(&mut bytes).map_err(|e| internal(&e))?;
    let secret = Secret::Raw(bytes.to_vec()).to_encoded().to_string();
    if !records.factors().begin(&user.name, &secret).await? {
        return Err(Problem::new(&error::NOT_ALLOWED_NOW, "there is a second factor already"));
    }
    let issuer = percent_encoded(&format!("Chengmai {city}"));
    let uri = format!(
        "otpauth://totp/{issuer}:{}?secret={secret}&issuer={issuer}&period={STEP_S}&digits={DIGITS}",
        percent_encoded(&user.name)
    );
    let code = qrcode::QrCode::new(&uri).map_err(|e| internal(&e))?;
    let svg = code.render::<qrcode::render::svg::Color<'_>>().min_dimensions(200, 200).build();
    Ok(Begun { secret, uri, svg })
}

/// Confirms by a code; recovery codes, shown once.
pub(crate) async fn confirm(records: &Records, user: &str, code: &str) -> Answer<Vec<String>> {
    let now = clock::now();
    let begun = records.factors().find(user).await?.filter(|f| f.confirmed_at.is_none());
    let begun = begun.ok_or_else(|| {
        Problem::new(&error::NOT_ALLOWED_NOW, "no second factor waits to be confirmed")
    })?;
    let step = step_of(&begun.secret, code, now);
    let step = step.ok_or_else(|| Problem::new(&error::WRONG_CODE, ""))?;
    let mut codes = Vec::with_capacity(RECOVERY_CODES);
    for _ in 0..RECOVERY_CODES {
        let mut bytes = [0; RECOVERY_BYTES];
        getrandom::fill(&mut bytes).map_err(|e| internal(&e))?;
        let digits = hex(&bytes);
        let parts: Vec<&str> =
            digits.as_bytes().chunks(5).filter_map(|p| std::str::from_utf8(p).ok()).collect();
        codes.push(parts.join("-"));
    }
    let hashes: Vec<String> = codes.iter().map(|code| hash_token(&bare(code))).collect();
    if !records.factors().confirm(user, step, &hashes, now).await? {
        return Err(Problem::new(&error::NOT_ALLOWED_NOW, "confirmed already"));
    }
    note(records, now, user, "second_factor_set", user).await?;
    Ok(codes)
}

/// A recovery code as it is hashed: however it was typed.
fn bare(code: &str) -> String {
    code.chars().filter(char::is_ascii_hexdigit).map(|c| c.to_ascii_lowercase()).collect()
}

/// Whether a code, of the authenticator or for recovery, is right; it is used up.
pub(crate) async fn take(records: &Records, user: &str, secret: &str, code: &str) -> Answer<bool> {
    if let Some(step) = step_of(secret, code, clock::now()) {
        return Ok(records.factors().take_step(user, step).await?);
    }
    let bare = bare(code);
    if bare.len() != RECOVERY_BYTES * 2 {
        return Ok(false);
    }
    let is_taken = records.factors().take_recovery(user, &hash_token(&bare)).await?;
    if is_taken {
        note(records, clock::now(), user, "recovery_code_used", user).await?;
    }
    Ok(is_taken)
}

/// Takes a second factor away; false when there was none.
pub(crate) async fn remove(records: &Records, user: &str, by: &str) -> Answer<bool> {
    let is_gone = records.factors().delete(user).await?;
    if is_gone {
        note(records, clock::now(), by, "second_factor_removed", user).await?;
    }
    Ok(is_gone)
}

#[cfg(test)]
mod tests {
    use chengmai_model::Timestamp;

    use super::{bare, step_of};

    /// Appendix B of RFC 6238, cut to six digits: `12345678901234567890`.
    const SECRET: &str = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";

    #[test]
    fn codes_are_those_of_the_standard() {
        for (seconds, code) in [
            (59_i64, "287082"),
            (1_111_111_109, "081804"),
            (1_111_111_111, "050471"),
            (1_234_567_890, "005924"),
            (2_000_000_000, "279037"),
        ] {
            let now = Timestamp(seconds * 1_000);
            assert_eq!(step_of(SECRET, code, now), Some(seconds.cast_unsigned() / 30), "{seconds}");
        }
    }

    #[test]
    fn a_clock_may_be_off_by_one_step_and_no_more() {
        let at = |seconds: i64| step_of(SECRET, "287082", Timestamp(seconds * 1_000));
        assert_eq!([at(0), at(30), at(89), at(90)], [Some(1), Some(1), Some(1), None]);
        assert_eq!(step_of(SECRET, "", Timestamp(59_000)), None);
        assert_eq!(step_of(SECRET, "28708", Timestamp(59_000)), None);
        assert_eq!(step_of(SECRET, "287 082", Timestamp(59_000)), Some(1));
    }

    #[test]
    fn a_recovery_code_is_the_same_however_it_is_typed() {
        assert_eq!(bare("0A1b2-c3d4e "), "0a1b2c3d4e");
    }
}
