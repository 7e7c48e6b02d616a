//! Passwords: argon2id hashes, and which passwords are taken.
//!
//! What it is not: it knows no account. Invariant: so many are worked out at once and no more, since each takes
//! 19 MiB: a flood of sign-ins waits and does not fill the memory.

use argon2::Argon2;
use argon2::password_hash::{PasswordHasher as _, PasswordVerifier as _, phc::PasswordHash};
use chengmai_model::error;
use tokio::sync::Semaphore;

use super::random_token;
use crate::city::internal;
use crate::http::problem::{Answer, Problem};

/// Least length of a password, in characters.
pub(crate) const LEN_MIN: usize = 10;
/// Longest password, in bytes.
const BYTES_MAX: usize = 1_024;
/// Least strength of a password, 0 to 4: 3 takes ten thousand million guesses.
const STRENGTH_MIN: zxcvbn::Score = zxcvbn::Score::Three;
/// Characters whose strength is estimated; the time it takes grows with the square.
const ESTIMATED_CHARS: usize = 64;
/// Passwords worked out at once.
const AT_ONCE: usize = 4;

static ROOM: Semaphore = Semaphore::const_new(AT_ONCE);

/// Goes on only with a password that is hard to guess, also for one who knows these words about its owner.
pub(crate) fn check_strength(password: &str, known: &[&str]) -> Answer<()> {
    let weak = |why: String| Err(Problem::new(&error::WEAK_PASSWORD, why));
    if password.chars().count() < LEN_MIN {
        return weak(format!("{} < {LEN_MIN}", password.chars().count()));
    }
    if password.len() > BYTES_MAX {
        return weak(format!("{} bytes > {BYTES_MAX}", password.len()));
    }
    let begin: String = password.chars().take(ESTIMATED_CHARS).collect();
    let entropy = zxcvbn::zxcvbn(&begin, known);
    if entropy.score() < STRENGTH_MIN {
        let why = entropy.feedback().and_then(zxcvbn::feedback::Feedback::warning);
        return weak(why.map(|why| why.to_string()).unwrap_or_default());
    }
    Ok(())
}

pub(super) async fn hash(password: String) -> Answer<String> {
    let _room = ROOM.acquire().await.map_err(|e| internal(&e))?;
    let work = move || Argon2::default().hash_password(password.as_bytes()).map(|h| h.to_string());
    let done = tokio::task::spawn_blocking(work).await.map_err(|e| internal(&e))?;
    done.map_err(|e| internal(&e))
}

pub(super) async fn verify(password: String, stored: String) -> Answer<bool> {
    if password.len() > BYTES_MAX {
        return Ok(false);
    }
    let _room = ROOM.acquire().await.map_err(|e| internal(&e))?;
    let work = move || {
        PasswordHash::new(&stored)
            .map(|parsed| Argon2::default().verify_password(password.as_bytes(), &parsed).is_ok())
    };
    let done = tokio::task::spawn_blocking(work).await.map_err(|e| internal(&e))?;
    done.map_err(|e| internal(&e))
}

/// A hash that no password has, with the same cost as a real one.
pub(super) fn unknown_user_hash() -> &'static str {
    static HASH: std::sync::OnceLock<String> = std::sync::OnceLock::new();
    HASH.get_or_init(|| {
        let made = Argon2::default().hash_password(random_token().as_bytes());
        made.map(|h| h.to_string()).unwrap_or_default()
    })
}

#[cfg(test)]
mod tests {
    use super::check_strength;

    #[test]
    fn passwords_that_people_guess_are_refused() {
        let taken = |password: &str| check_strength(password, &["wanglei", "王磊"]).is_ok();
        for weak in
            ["short", "1234567890", "password123", "qwertyuiop", "aaaaaaaaaaaa", "wanglei2026"]
        {
            assert!(!taken(weak), "{weak}");
        }
        assert!(!taken(&"x".repeat(2_000)));
        for strong in ["correct horse battery", "嘉陵江边的路灯坏了三盏", "f3Kq-8vLw-2zNt"]
        {
            assert!(taken(strong), "{strong}");
        }
    }
}
