//! Who follows what over MQTT: topics as their connections asked for them, found by stream and by kind.
//!
//! Not here: how a message gets to a connection (`crate::mqtt`), and what is told when (`tell`). Invariants:
//! a topic is granted within the caller's area and permission, to nobody who came as a device; what is not
//! there and what lies elsewhere are refused alike; all of it is bounded.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use chengmai_model::error::{self, ErrorCode};
use chengmai_model::{StreamId, Timestamp};
use chengmai_wire::sensorthings::{self as sta, Entity, Id, Kind, Options, Relation, Tail};
use foldhash::fast::FixedState;
use hashbrown::HashMap;
use parking_lot::Mutex;

use super::read::View;
use super::registry::{self, KIND, Key};
use super::{ROOT, property};
use crate::city::City;
use crate::clock;
use crate::http::access::{Caller, Permission};
use crate::http::problem::{Answer, Problem};
use crate::mqtt::{Hears, Told, Verdict, Why};

/// Topics of one connection.
const TOPICS_MAX: usize = 100;
/// Topics of all connections.
const ALL_TOPICS_MAX: usize = 10_000;
/// Of those, such as every reading is held against.
const WIDE_MAX: usize = 100;

/// What a topic means.
#[derive(Debug, Clone)]
pub(super) enum What {
    /// Everything of a kind.
    All(Kind),
    /// The neighbours of an entity.
    Of(Entity, &'static Relation),
    /// An entity.
    One(Kind, Id),
    /// A part of an entity.
    Part(Kind, Id, Vec<String>),
}

/// A topic that somebody follows.
pub(super) struct Following {
    pub(super) topic: Arc<str>,
    pub(super) what: What,
    /// Which fields.
    pub(super) options: Options,
    pub(super) caller: Arc<Caller>,
    at_least_once: bool,
    ear: Arc<dyn Hears>,
    /// The stream whose readings alone concern it.
    stream: Option<StreamId>,
    /// The value that was told last of a part, as a hash.
    last: AtomicU64,
}

/// A connection that follows something.
struct Follower {
    caller: Arc<Caller>,
    /// The hash of its token.
    token: String,
    ear: Arc<dyn Hears>,
    topics: BTreeMap<String, Arc<Following>>,
}

#[derive(Default)]
struct State {
    followers: BTreeMap<u64, Follower>,
    by_stream: HashMap<StreamId, Vec<Arc<Following>>, FixedState>,
    /// All those without a stream.
    others: Vec<Arc<Following>>,
    topics: usize,
}

/// All who follow something.
pub(crate) struct Followers {
    pub(super) city: Arc<City>,
    state: Mutex<State>,
    /// Where entities say that they are.
    pub(super) base: String,
}

impl Following {
    /// Whether readings of any stream may concern it: not what is kept in the records.
    fn is_wide(&self) -> bool {
        let kind = match &self.what {
            What::All(kind) => *kind,
            What::Of(of, _) if of.kind == Kind::MultiDatastream => return false,
            What::Of(of, _) if of.kind == Kind::Datastream && !of.fields.contains_key(KIND) => {
                return false;
            }
            What::Of(_, relation) => relation.to,
            What::One(..) | What::Part(..) => return false,
        };
        kind == Kind::Observation && self.stream.is_none()
    }

    /// Whether only readings of one stream concern it.
    pub(super) fn has_stream(&self) -> bool {
        self.stream.is_some()
    }

    /// Whether entities of that kind may concern it.
    pub(super) fn concerns(&self, kind: Kind, id: &Id) -> bool {
        match &self.what {
            What::All(all) => *all == kind,
            What::Of(_, relation) => relation.to == kind,
            What::One(one, known) | What::Part(one, known, _) => *one == kind && known == id,
        }
    }

    /// What is said of an entity; nothing when a part of it is as it was.
    pub(super) fn payload(&self, entity: &Entity, base: &str) -> Option<Bytes> {
        let json = match &self.what {
            What::Part(_, _, names) => {
                let value = property(entity, names).unwrap_or_default();
                let hash = hashed(&value);
                if self.last.swap(hash, Ordering::AcqRel) == hash {
                    return None;
                }
                let name = names.last().cloned().unwrap_or_default();
                serde_json::Value::Object([(name, value)].into_iter().collect())
            }
            _ => sta::encode_entity(entity, base, &self.options),
        };
        Some(Bytes::from(json.to_string()))
    }

    pub(super) fn tell(&self, payload: Bytes) {
        let (topic, at_least_once) = (Arc::clone(&self.topic), self.at_least_once);
        self.ear.tell(Told { topic, payload, at_least_once });
    }
}

fn hashed(value: &serde_json::Value) -> u64 {
    use std::hash::BuildHasher as _;
    FixedState::default().hash_one(value.to_string())
}

impl std::fmt::Debug for Followers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} topics", self.state.lock().topics)
    }
}

impl Followers {
    pub(crate) fn new(city: &Arc<City>) -> Self {
        // Over MQTT nobody says by which name he knows us.
        let base = city.config.notify.public_url.as_deref().unwrap_or_default();
        Self { city: Arc::clone(city), state: Mutex::default(), base: format!("{base}{ROOT}") }
    }

    /// Has a connection told what is new under these topics, as far as it may know it. `token` is the hash of
    /// the token that it came with.
    pub(crate) async fn follow(
        &self,
        caller: &Arc<Caller>,
        token: &str,
        ear: Arc<dyn Hears>,
        topics: Vec<(String, bool)>,
    ) -> Vec<Verdict> {
        let mut verdicts = Vec::with_capacity(topics.len());
        let may = match caller.token.scope.device {
            Some(_) => Err(Problem::new(&error::FORBIDDEN, "devices send and do not follow")),
            None => caller.need(Permission::Read),
        };
        if let Err(problem) = may {
            let refused = self.refused(Why::Forbidden, &problem);
            return vec![refused; topics.len()];
        }
        for (topic, at_least_once) in topics {
            let verdict = self.one(caller, token, &ear, &topic, at_least_once).await;
            verdicts.push(verdict.unwrap_or_else(|(why, problem)| self.refused(why, &problem)));
        }
        verdicts
    }

    async fn one(
        &self,
        caller: &Arc<Caller>,
        token: &str,
        ear: &Arc<dyn Hears>,
        topic: &str,
        at_least_once: bool,
    ) -> Result<Verdict, (Why, Problem)> {
        if topic.starts_with("$share/") {
            return Err((Why::Shared, Problem::new(&error::STA_TOPIC, "$share")));
        }
        let follow = sta::followed(topic).map_err(|fault| {
            let pattern = topic.contains(['+', '#']);
            (if pattern { Why::Wildcard } else { Why::Unreadable }, super::refused(fault))
        })?;
        let view = View::new(&self.city, caller);
        let what = what(&view, &follow).await.map_err(|problem| {
            let failed = problem.code.status >= 500 || problem.code.status == 429;
            (if failed { Why::Failed } else { Why::Forbidden }, problem)
        })?;
        let last = match &what {
            What::Part(kind, id, names) => {
                let entity = view.find(*kind, id).await.ok().flatten();
                hashed(&entity.and_then(|entity| property(&entity, names)).unwrap_or_default())
            }
            _ => 0,
        };
        let following = Arc::new(Following {
            topic: topic.into(),
            stream: stream_of(&self.city, &what),
            what,
            options: follow.options,
            caller: Arc::clone(caller),
            at_least_once,
            ear: Arc::clone(ear),
            last: AtomicU64::new(last),
        });
        self.add(token, following).map_err(|problem| (Why::TooMany, problem))?;
        Ok(Verdict::Granted(at_least_once))
    }

    /// Notes it, in place of what the connection followed under the same topic.
    fn add(&self, token: &str, following: Arc<Following>) -> Answer<()> {
        let full = |what: &str| Err(Problem::new(&error::STA_TOPICS, what.to_owned()));
        let mut state = self.state.lock();
        let (ear, topic) = (&following.ear, following.topic.to_string());
        let number = ear.number();
        if ear.is_gone() {
            // Whoever left is not asked back by the answer to what it asked before.
            return Ok(());
        }
        let own = state.followers.get(&number);
        if let Some(known) = own.and_then(|own| own.topics.get(&topic)).cloned() {
            self.drop_one(&mut state, number, &known);
        }
        let own = state.followers.get(&number).map_or(0, |own| own.topics.len());
        if own >= TOPICS_MAX {
            return full(&format!("{TOPICS_MAX} topics of a connection"));
        }
        if state.topics >= ALL_TOPICS_MAX {
            return full(&format!("{ALL_TOPICS_MAX} topics of all connections"));
        }
        let wide = following.is_wide();
        if wide && state.others.iter().filter(|other| other.is_wide()).count() >= WIDE_MAX {
            return full(&format!("{WIDE_MAX} topics that every reading may concern"));
        }
        state.topics += 1;
        match following.stream {
            Some(stream) => state.by_stream.entry(stream).or_default().push(Arc::clone(&following)),
            None => state.others.push(Arc::clone(&following)),
        }
        self.city.hub.news.want(following.stream, wide);
        self.city.mqtt.topics.store(state.topics as u64, Ordering::Relaxed);
        let follower = state.followers.entry(number).or_insert_with(|| Follower {
            caller: Arc::clone(&following.caller),
            token: token.to_owned(),
            ear: Arc::clone(ear),
            topics: BTreeMap::new(),
        });
        follower.topics.insert(topic, Arc::clone(&following));
        Ok(())
    }

    fn drop_one(&self, state: &mut State, number: u64, following: &Arc<Following>) {
        let is_other = |other: &Arc<Following>| !Arc::ptr_eq(other, following);
        match following.stream {
            Some(stream) => {
                if let Some(all) = state.by_stream.get_mut(&stream) {
                    all.retain(is_other);
                    if all.is_empty() {
                        state.by_stream.remove(&stream);
                    }
                }
            }
            None => state.others.retain(is_other),
        }
        if let Some(own) = state.followers.get_mut(&number) {
            own.topics.remove(&*following.topic);
        }
        state.topics -= 1;
        self.city.hub.news.forget(following.stream, following.is_wide());
        self.city.mqtt.topics.store(state.topics as u64, Ordering::Relaxed);
    }

    /// Takes topics back; for each whether it was followed.
    pub(crate) fn unfollow(&self, number: u64, topics: &[String]) -> Vec<bool> {
        let mut state = self.state.lock();
        let one = |topic: &String| {
            let own = state.followers.get(&number).and_then(|own| own.topics.get(topic)).cloned();
            let was = own.is_some();
            if let Some(following) = own {
                self.drop_one(&mut state, number, &following);
            }
            was
        };
        topics.iter().map(one).collect()
    }

    /// A connection has ended.
    pub(crate) fn leave(&self, number: u64) {
        let mut state = self.state.lock();
        let own = state.followers.get(&number).map(|own| own.topics.values().cloned().collect());
        let own: Vec<Arc<Following>> = own.unwrap_or_default();
        for following in &own {
            self.drop_one(&mut state, number, following);
        }
        state.followers.remove(&number);
    }

    /// Those whom a reading of the stream concerns.
    pub(super) fn of_stream(&self, stream: StreamId) -> Vec<Arc<Following>> {
        self.state.lock().by_stream.get(&stream).cloned().unwrap_or_default()
    }

    /// Those without a stream whom an entity may concern.
    pub(super) fn others(&self, kind: Kind, id: Option<&Id>) -> Vec<Arc<Following>> {
        let state = self.state.lock();
        let fits = |following: &&Arc<Following>| match id {
            Some(id) => following.concerns(kind, id),
            None => following.is_wide(),
        };
        state.others.iter().filter(fits).cloned().collect()
    }

    /// Something was lost on the way: everybody is sent away, to come back and ask what there is.
    pub(super) fn send_all_away(&self) {
        let state = self.state.lock();
        state.followers.values().for_each(|follower| follower.ear.send_away(false));
    }

    /// Sends away whoever may not be told any more as it was granted: whose token has ended, or whose account
    /// was changed.
    pub(super) async fn look_again(&self) {
        let all: Vec<(Arc<Caller>, String, Arc<dyn Hears>)> = {
            let state = self.state.lock();
            let one = |f: &Follower| (Arc::clone(&f.caller), f.token.clone(), Arc::clone(&f.ear));
            state.followers.values().map(one).collect()
        };
        for (caller, token, ear) in all {
            if !self.still(&caller, &token, clock::now()).await {
                ear.send_away(true);
            }
        }
    }

    async fn still(&self, caller: &Caller, token: &str, now: Timestamp) -> bool {
        match self.city.records.tokens().find(token, now).await {
            Ok(Some((user, token))) => {
                let same = user.roles == caller.user.roles && token.scope == caller.token.scope;
                let again = Caller::new(&self.city, user, token);
                same && again.is_ok_and(|again| again.area == caller.area)
            }
            Ok(None) => false,
            // The records cannot be asked now: what was granted holds until they can.
            Err(error) => {
                tracing::warn!(%error, "a follower's token could not be looked up");
                true
            }
        }
    }

    fn refused(&self, why: Why, problem: &Problem) -> Verdict {
        let code: &ErrorCode = problem.code;
        if code.status < 500 {
            self.city.counters.refuse(problem.code, 1);
        }
        Verdict::Refused(why, format!("{} {} {}", code.label(), code.en, problem.detail))
    }
}

/// What an address means; it must lead to something that the caller sees.
async fn what(view: &View<'_>, follow: &sta::Follow) -> Answer<What> {
    let steps = &follow.path.steps;
    if !follow.path.is_set() {
        let entity = view.follow(steps).await?;
        return Ok(match &follow.path.tail {
            Tail::Property(names) => What::Part(entity.kind, entity.id, names.clone()),
            _ => What::One(entity.kind, entity.id),
        });
    }
    let (last, before) = steps.split_last().ok_or_else(|| Problem::new(&error::STA_TOPIC, ""))?;
    match last.relation {
        None => Ok(What::All(last.kind)),
        Some(relation) => Ok(What::Of(view.follow(before).await?, relation)),
    }
}

/// The stream whose readings alone concern a topic.
fn stream_of(city: &City, what: &What) -> Option<StreamId> {
    let registry = city.registry.read();
    let (kind, id) = match what {
        What::Of(entity, relation) if relation.to == Kind::Observation => (entity.kind, &entity.id),
        What::One(Kind::Observation, id) | What::Part(Kind::Observation, id, _) => {
            (Kind::Observation, id)
        }
        _ => return None,
    };
    match (kind, registry::key(&registry, kind, id)?) {
        (Kind::Datastream, Key::Stream(stream)) | (_, Key::Reading(stream, _)) => Some(stream),
        (Kind::Datastream, Key::Stored(id)) => registry::backing_stream(&registry, id),
        _ => None,
    }
}
