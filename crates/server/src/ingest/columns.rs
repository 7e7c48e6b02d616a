//! Columns of numbered readings, as gateways send them that asked for the numbers before.

use chengmai_model::error;
use chengmai_model::{Reading, StreamId, Timestamp};
use chengmai_wire::gateway;

use super::rows::one_stream;
use super::{Outcome, Resolved, Speaker, check_scope, check_value, fault, finish, resolve};
use crate::city::City;
use crate::city::registry::{Claim, Refused};
use crate::city::sequencer::Refusal;

/// Numbers of streams as a gateway names them: device, kind, area. Registers where the city allows.
pub(crate) fn number_streams<'n>(
    city: &City,
    speaker: Speaker,
    names: impl Iterator<Item = (&'n str, Option<&'n str>, Option<&'n str>)>,
    now: Timestamp,
) -> Vec<Result<StreamId, Refused>> {
    let mut registry = city.registry.write();
    let number = |(device, kind, area): (&str, Option<&str>, Option<&str>)| {
        let known = registry.find(device);
        let only = known.and_then(|device| one_stream(&registry, device));
        let kind = match (kind, only) {
            (Some(kind), _) => kind.to_owned(),
            (None, Some(stream)) => registry.kind(registry.stream(stream).kind).name.to_string(),
            (None, None) => return Err(Refused::new(&error::UNKNOWN_KIND, "give the kind")),
        };
        resolve(&mut registry, &Claim { device, kind: &kind, area, position: None }, speaker, now)
    };
    names.map(number).collect()
}

/// Columns of numbered readings to readings on disk.
pub(crate) async fn take_columns(
    city: &City,
    speaker: Speaker,
    body: &[u8],
    now: Timestamp,
) -> Result<Outcome, Refusal> {
    finish(city, resolve_columns(city, speaker, body, now)).await
}

fn resolve_columns(city: &City, speaker: Speaker, body: &[u8], now: Timestamp) -> Resolved {
    let registry = city.registry.read_recursive();
    let (mut readings, mut faults) = (Vec::with_capacity(body.len() / 16), Vec::new());
    let mut not_finite = Vec::new();
    let take = |reading: Reading, number| {
        let Reading { stream, at, value } = reading;
        let outcome = match registry.kind_of(stream.0) {
            None => Err(Refused::new(&error::UNKNOWN_DEVICE, format!("stream {}", stream.0))),
            Some(kind) => check_value(registry.kind(kind).range, now, at, value)
                .and_then(|()| check_scope(&registry, speaker, stream)),
        };
        match outcome {
            Ok(()) => readings.push(reading),
            Err(refused) => faults.push(fault(&refused, number, 0)),
        }
    };
    let whole = gateway::decode(body, take, |fault| not_finite.push(fault));
    faults.extend(not_finite);
    faults.extend(whole.err());
    faults.sort_by_key(|fault| fault.line);
    Resolved { readings, faults }
}
