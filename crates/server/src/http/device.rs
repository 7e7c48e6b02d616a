//! Devices that come with a certificate of the city's authority instead of a token.
//!
//! Not here: whether the certificate is good, which the TLS handshake has settled. Invariant: a
//! certificate signs in an account that only sends readings and sees nothing, whatever else the account
//! was given: who takes a key out of a device has taken no more than a device.

use chengmai_model::{Role, error};
use chengmai_store::records::users::UserRow;

use super::problem::{Answer, Problem};
use crate::city::City;

/// The account that a device's certificate names.
pub(crate) async fn account(city: &City, name: &str) -> Answer<UserRow> {
    let user = city.records.users().find(name).await?;
    let user = user.filter(|user| user.roles == [Role::Ingest]);
    user.ok_or_else(|| Problem::new(&error::DEVICE_ACCOUNT, name.to_owned()))
}
