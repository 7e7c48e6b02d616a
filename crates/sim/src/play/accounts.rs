//! The players' accounts, made through the interface when they are first needed.

use std::collections::BTreeMap;
use std::hash::{BuildHasher as _, Hasher as _};

use anyhow::{Result, ensure};
use serde_json::json;

use crate::client::Client;

/// Tokens by account name.
pub(super) struct Accounts {
    client: Client,
    admin: String,
    tokens: BTreeMap<String, String>,
}

impl Accounts {
    pub(super) fn new(client: Client, admin: String) -> Self {
        Self { client, admin, tokens: BTreeMap::new() }
    }

    /// The administrator's token, for looking.
    pub(super) fn admin(&self) -> &str {
        &self.admin
    }

    /// A duty officer of the centre of an area.
    pub(super) fn duty_officer(&mut self, area: &str) -> Result<String> {
        self.token(&format!("sim-duty-{area}"), "模拟值班员", "duty_officer", area, None)
    }

    /// Staff of an agency, whose id ends in the code of its area.
    pub(super) fn staff(&mut self, agency: &str) -> Result<String> {
        let area = agency.rsplit_once('-').map_or(agency, |(_, area)| area);
        self.token(&format!("sim-{agency}"), "模拟处置人员", "agency_staff", area, Some(agency))
    }

    fn token(
        &mut self,
        name: &str,
        display: &str,
        role: &str,
        area: &str,
        agency: Option<&str>,
    ) -> Result<String> {
        if let Some(token) = self.tokens.get(name) {
            return Ok(token.clone());
        }
        // The account may be there from an earlier play.
        let mut token = self.client.token_for(&self.admin, name);
        if token.is_err() {
            let account = json!({
                "name": name, "display_name": format!("{display} {area}"), "password": password(),
                "roles": [role], "area": area, "agency": agency,
            });
            let (status, answer) = self.client.post("/api/v1/users", &self.admin, &account)?;
            ensure!(status == 201, "account {name}: status {status}: {}", answer["detail"]);
            token = self.client.token_for(&self.admin, name);
        }
        let token = token?;
        self.tokens.insert(name.to_owned(), token.clone());
        Ok(token)
    }
}

/// Nobody signs in with it: the players use tokens.
fn password() -> String {
    let draw = || std::hash::RandomState::new().build_hasher().finish();
    format!("{:016x}{:016x}", draw(), draw())
}
