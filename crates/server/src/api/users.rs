//! Accounts: made, listed and removed by an administrator, inside the administrator's own area.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use chengmai_model::{AreaPath, Role, error};
use chengmai_store::records::users::UserRow;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::accounts::{self, NewUser};
use crate::city::City;
use crate::http::access::{Caller, Permission};
use crate::http::extract::JsonBody;
use crate::http::list::Page;
use crate::http::problem::{Answer, Problem};

/// An account.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({"name": "duty", "display_name": "值班员", "roles": ["duty_officer"],
    "area": "500103", "agency": null, "second_factor": false, "linked": false}))]
pub(crate) struct AccountJson {
    name: String,
    display_name: String,
    roles: Vec<String>,
    area: String,
    agency: Option<String>,
    /// Whether a second factor is asked for.
    second_factor: bool,
    /// Whether it is linked to a person of the identity provider.
    linked: bool,
}

impl From<UserRow> for AccountJson {
    fn from(user: UserRow) -> Self {
        Self {
            name: user.name,
            display_name: user.display_name,
            roles: user.roles.iter().map(|r| r.word().to_owned()).collect(),
            area: user.area.code().to_owned(),
            agency: user.agency,
            second_factor: false,
            linked: false,
        }
    }
}

/// Accounts inside the caller's area.
#[utoipa::path(get, path = "/api/v1/users", tag = "users",
    responses((status = 200, body = Page<AccountJson>)))]
pub(crate) async fn list_users(
    State(city): State<Arc<City>>,
    caller: Caller,
) -> Answer<Json<Page<AccountJson>>> {
    caller.need(Permission::UserManage)?;
    let users = city.records.users().list(&[caller.scope_path(None)?]).await?;
    let strong = city.records.factors().confirmed().await?;
    let linked = city.records.identities().linked().await?;
    let account = |user: UserRow| {
        let (second_factor, linked) = (strong.contains(&user.name), linked.contains(&user.name));
        AccountJson { second_factor, linked, ..AccountJson::from(user) }
    };
    Ok(Json(Page::whole(users.into_iter().map(account).collect())))
}

/// A new account.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(example = json!({"name": "duty", "display_name": "值班员", "password": "ten characters or more",
    "roles": ["duty_officer"], "area": "500103", "agency": null}))]
pub(crate) struct NewAccount {
    name: String,
    display_name: String,
    password: String,
    roles: Vec<String>,
    area: String,
    agency: Option<String>,
}

/// Make an account. Its area must lie inside the caller's.
#[utoipa::path(post, path = "/api/v1/users", tag = "users",
    request_body = NewAccount, responses((status = 201, body = AccountJson)))]
pub(crate) async fn create_user(
    State(city): State<Arc<City>>,
    caller: Caller,
    JsonBody(new): JsonBody<NewAccount>,
) -> Answer<(StatusCode, Json<AccountJson>)> {
    caller.need(Permission::UserManage)?;
    let area: AreaPath = caller.scope_path(Some(&new.area))?;
    let roles = new.roles.iter().map(|word| {
        Role::from_word(word)
            .ok_or_else(|| Problem::new(&error::BAD_BODY, format!("there is no role {word}")))
    });
    let agency = new.agency.filter(|a| !a.is_empty());
    if let Some(agency) = &agency {
        let known = city.records.agencies().find(agency).await?;
        if known.is_none() {
            return Err(Problem::new(&error::BAD_BODY, format!("there is no agency {agency}")));
        }
    }
    let user = NewUser {
        roles: roles.collect::<Answer<_>>()?,
        name: new.name,
        display_name: new.display_name,
        password: new.password,
        area,
        agency,
    };
    let user = accounts::create(&city.records, user, &caller.user.name).await?;
    Ok((StatusCode::CREATED, Json(user.into())))
}

/// The account, when the caller manages it.
pub(super) async fn managed(city: &City, caller: &Caller, name: &str) -> Answer<UserRow> {
    caller.need(Permission::UserManage)?;
    let user = city.records.users().find(name).await?;
    let scope = caller.scope_path(None)?;
    user.filter(|u| scope.contains(&u.area))
        .ok_or_else(|| Problem::not_found(format!("user {name}")))
}

/// Remove an account; its sessions and tokens end.
#[utoipa::path(delete, path = "/api/v1/users/{name}", tag = "users",
    params(("name" = String, Path, example = "duty")),
    responses((status = 204, description = "removed")))]
pub(crate) async fn delete_user(
    State(city): State<Arc<City>>,
    caller: Caller,
    Path(name): Path<String>,
) -> Answer<StatusCode> {
    let user = managed(&city, &caller, &name).await?;
    if user.name == caller.user.name {
        return Err(Problem::new(&error::NOT_ALLOWED_NOW, "nobody removes their own account"));
    }
    accounts::delete(&city.records, &name, &caller.user.name).await?;
    Ok(StatusCode::NO_CONTENT)
}
