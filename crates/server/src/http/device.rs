//! Devices that come with a certificate of the city's authority instead of a token.
//!
//! Not here: whether the certificate is good, which the TLS handshake has settled. Invariant: a
//! certificate signs in an account that only sends readings and sees nothing, whatever else the account
//! was given: who takes a key out of a device has taken no more than a device.

use chengmai_model::{Role, error};
use chengmai_store::records::tokens::{TokenKind, TokenRow, TokenScope};
use chengmai_store::records::users::UserRow;

use super::access::Permission;
use super::problem::{Answer, Problem};
use crate::city::City;

/// The account that a device's certificate names, and what stands for its token.
pub(crate) async fn account(city: &City, name: &str) -> Answer<(UserRow, TokenRow)> {
    let user = city.records.users().find(name).await?;
    let user = user.filter(|user| user.roles == [Role::Ingest]);
    let user = user.ok_or_else(|| Problem::new(&error::DEVICE_ACCOUNT, name.to_owned()))?;
    let permissions = Some(vec![Permission::Ingest.word().to_owned()]);
    let token = TokenRow {
        id: "certificate".to_owned(),
        user: user.name.clone(),
        kind: TokenKind::Api,
        scope: TokenScope { permissions, ..TokenScope::default() },
        created_at: user.created_at,
        expires_at: None,
        seen_at: None,
        seen_from: None,
        strong: true,
    };
    Ok((user, token))
}
