//! The proof log 存证日志 over HTTP, as C2SP tlog-tiles has it: signed checkpoints, tiles, and, for whoever does
//! not want to read tiles, ready proofs. Second parties send their cosignatures here.
//!
//! Open to all is what says nothing of any decision: hashes and signatures. What leaves stand for (table and
//! key) needs a permission and the whole city.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse as _, Response};
use chengmai_model::{AreaId, error};
use chengmai_store::error::Error as StoreError;
use chengmai_store::proof::note::{NOTE_BYTES_MAX, base64};
use chengmai_store::proof::tiles::{TILE_WIDTH, TileName};
use chengmai_store::proof::{Hash, LogReader};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::city::proof::unreadable;
use crate::city::{City, blocking, internal};
use crate::http::access::{Caller, Permission};
use crate::http::extract::{Body, QueryOf};
use crate::http::problem::{Answer, Problem};

/// A full tile never changes.
const FOR_EVER: &str = "public, max-age=31536000, immutable";
const TEXT: &str = "text/plain; charset=utf-8";

/// Which leaf, in a tree of which size.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct InclusionQuery {
    /// Number of the leaf, from 0.
    #[param(example = 5)]
    index: u64,
    /// Leaves of the tree; the newest checkpoint's if absent.
    #[param(example = 8)]
    size: Option<u64>,
}

/// Which two sizes.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct ConsistencyQuery {
    /// Leaves of the older tree.
    #[param(example = 5)]
    old: u64,
    /// Leaves of the newer one; the newest checkpoint's if absent.
    #[param(example = 8)]
    new: Option<u64>,
}

/// A proof of RFC 6962.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({"size": 8, "root": "XcnaeacGmamstVmp23Aa2dmrnYI60vSWDP6O/kYEMmM=",
    "path": ["47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="]}))]
pub(crate) struct ProofJson {
    /// Leaves of the tree that the path leads to.
    pub(crate) size: u64,
    /// Its head, in base64.
    pub(crate) root: String,
    /// Hashes in base64, in the order in which they are put together.
    pub(crate) path: Vec<String>,
}

/// Who witnessed what.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({"witness": "audit.example", "size": 8}))]
pub(crate) struct WitnessedJson {
    /// Name of the key.
    witness: String,
    /// Leaves of the newest checkpoint that a witness signed.
    size: u64,
}

/// The newest signed head of the log, a signed note. Open to all.
#[utoipa::path(get, path = "/api/v1/log/checkpoint", tag = "log", security(()),
    responses((status = 200, description = "a signed note", body = String, content_type = "text/plain",
        example = "chengmai/50/0a1b2c3d\n8\nXcnaeacGmamstVmp23Aa2dmrnYI60vSWDP6O/kYEMmM=\n\n— chengmai/50/0a1b2c3d Az3…\n")))]
pub(crate) async fn get_checkpoint(State(city): State<Arc<City>>) -> Answer<Response> {
    let note = city.proof.running()?.tip().note.clone();
    Ok(text(note, "no-store"))
}

/// The newest checkpoint that a second party signed too. Open to all.
#[utoipa::path(get, path = "/api/v1/log/witnessed", tag = "log", security(()),
    responses((status = 200, description = "a signed note", body = String, content_type = "text/plain",
        example = "chengmai/50/0a1b2c3d\n8\nXcnaeacGmamstVmp23Aa2dmrnYI60vSWDP6O/kYEMmM=\n\n— chengmai/50/0a1b2c3d Az3…\n— audit.example Bx7…\n")))]
pub(crate) async fn get_witnessed(State(city): State<Arc<City>>) -> Answer<Response> {
    let note = city.proof.witnessed().map_err(|error| internal(&error))?;
    note.map(|note| text(note, "no-store")).ok_or_else(|| not_in_log("nobody witnessed it yet"))
}

/// The public key of the log. Open to all.
#[utoipa::path(get, path = "/api/v1/log/key", tag = "log", security(()),
    responses((status = 200, description = "name+identifier+base64", body = String, content_type = "text/plain",
        example = "chengmai/50/0a1b2c3d+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW\n")))]
pub(crate) async fn get_key(State(city): State<Arc<City>>) -> Response {
    text(format!("{}\n", city.proof.key().text()), "no-cache")
}

/// A tile of hashes. Open to all.
#[utoipa::path(get, path = "/api/v1/log/tile/{*name}", tag = "log", security(()),
    params(("name" = String, Path, description = "row and number: `0/x001/234`, `1/000.p/17`", example = "0/000.p/8")),
    responses((status = 200, description = "up to 256 hashes of 32 bytes")))]
pub(crate) async fn get_tile(
    State(city): State<Arc<City>>,
    Path(name): Path<String>,
) -> Answer<Response> {
    tile(&city, &name).await
}

/// What leaves stand for: table, key and commitment, a bundle of 256. Needs the whole city.
#[utoipa::path(get, path = "/api/v1/log/tile/entries/{*name}", tag = "log",
    params(("name" = String, Path, description = "number: `x001/234`, `000.p/17`", example = "000.p/8")),
    responses((status = 200, description = "up to 256 entries, each with its length in two bytes before it")))]
pub(crate) async fn get_entries(
    State(city): State<Arc<City>>,
    caller: Caller,
    Path(name): Path<String>,
) -> Answer<Response> {
    of_whole_city(&caller)?;
    tile(&city, &format!("entries/{name}")).await
}

/// What shows that a leaf is in the log. Open to all.
#[utoipa::path(get, path = "/api/v1/log/proof/inclusion", tag = "log", security(()), params(InclusionQuery),
    responses((status = 200, body = ProofJson)))]
pub(crate) async fn prove_inclusion(
    State(city): State<Arc<City>>,
    QueryOf(query): QueryOf<InclusionQuery>,
) -> Answer<Json<ProofJson>> {
    let size = size(city.proof.reader()?, query.size);
    proof(&city, size, move |log| log.inclusion(query.index, size)).await
}

/// What shows that one checkpoint continues another. Open to all.
#[utoipa::path(get, path = "/api/v1/log/proof/consistency", tag = "log", security(()), params(ConsistencyQuery),
    responses((status = 200, body = ProofJson)))]
pub(crate) async fn prove_consistency(
    State(city): State<Arc<City>>,
    QueryOf(query): QueryOf<ConsistencyQuery>,
) -> Answer<Json<ProofJson>> {
    let size = size(city.proof.reader()?, query.new);
    proof(&city, size, move |log| log.consistency(query.old, size)).await
}

/// Takes a checkpoint of this log with the cosignature of a second party under it. The party's key is named at
/// the start by `--witnesses`.
#[utoipa::path(post, path = "/api/v1/log/cosignatures", tag = "log",
    request_body(content = String, content_type = "text/plain",
        example = "chengmai/50/0a1b2c3d\n8\nXcnaeacGmamstVmp23Aa2dmrnYI60vSWDP6O/kYEMmM=\n\n— chengmai/50/0a1b2c3d Az3…\n— audit.example Bx7…\n"),
    responses((status = 200, body = WitnessedJson)))]
pub(crate) async fn cosign(
    State(city): State<Arc<City>>,
    caller: Caller,
    Body(body): Body,
) -> Answer<Json<WitnessedJson>> {
    of_whole_city(&caller)?;
    let body = std::str::from_utf8(&body).ok().filter(|text| text.len() <= NOTE_BYTES_MAX);
    let note = body.ok_or_else(|| Problem::new(&error::NO_CHECKPOINT, ""))?.to_owned();
    let (witness, size) = blocking(move || city.proof.witness(&note)).await??;
    Ok(Json(WitnessedJson { witness, size }))
}

fn of_whole_city(caller: &Caller) -> Answer<()> {
    caller.need(Permission::LogWitness)?;
    if caller.area == AreaId::ROOT {
        return Ok(());
    }
    Err(Problem::new(&error::FORBIDDEN, "the log is the whole city's"))
}

fn size(log: &LogReader, asked: Option<u64>) -> u64 {
    asked.unwrap_or_else(|| log.tip().checkpoint.size)
}

async fn tile(city: &City, name: &str) -> Answer<Response> {
    let asked = TileName::parse(name).ok_or_else(|| not_in_log(name))?;
    let log = city.proof.reader()?.clone();
    let bytes = blocking(move || log.tile(asked)).await?.map_err(unreadable)?;
    let bytes = bytes.ok_or_else(|| not_in_log(name))?;
    let cache = if asked.width == TILE_WIDTH { FOR_EVER } else { "no-store" };
    Ok(kept("application/octet-stream", cache, bytes.into_response()))
}

async fn proof(
    city: &City,
    size: u64,
    path: impl FnOnce(&LogReader) -> Result<Option<Vec<Hash>>, StoreError> + Send + 'static,
) -> Answer<Json<ProofJson>> {
    let log = city.proof.reader()?.clone();
    let made = blocking(move || Ok::<_, StoreError>((path(&log)?, log.root(size)?))).await?;
    let (Some(path), Some(root)) = made.map_err(unreadable)? else {
        return Err(not_in_log(format!(
            "the newest checkpoint has {} leaves",
            self::size(city.proof.reader()?, None)
        )));
    };
    Ok(Json(ProofJson { size, root: base64(&root), path: path.iter().map(base64).collect() }))
}

fn not_in_log(what: impl Into<String>) -> Problem {
    Problem::new(&error::NOT_IN_LOG, what)
}

fn text(text: String, cache: &'static str) -> Response {
    kept(TEXT, cache, text.into_response())
}

fn kept(kind: &'static str, cache: &'static str, mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(cache));
    response
}
