//! What a new process knows of the session that the process before it left at the broker: that
//! nothing of ours was under way.
//!
//! That is true because all we ever send is subscriptions, which every connection makes anew, and
//! acknowledgements. Without it the library refuses to subscribe in a session it did not open
//! itself, and a topic added to the settings would stay unheard. Nothing is stored.

use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, ready};
use rumqttc::{
    MqttOptions, PersistedAckMode, PersistedSession, SessionStore, SessionStoreError,
    SessionStoreKey,
};

/// Version of the library's model of a session.
const FORMAT_VERSION: u16 = 1;

/// A session without anything under way.
#[derive(Debug)]
pub(super) struct NothingUnderWay(PersistedSession);

impl NothingUnderWay {
    /// For a client that acknowledges by hand.
    pub(super) fn new(options: &MqttOptions) -> Self {
        Self(PersistedSession {
            format_version: FORMAT_VERSION,
            client_id: options.client_id(),
            clean_start: options.clean_start(),
            session_expiry_interval: None,
            outgoing_inflight_upper_limit: options.get_outgoing_inflight_upper_limit(),
            ack_mode: PersistedAckMode::Manual,
            last_pkid: 0,
            last_puback: 0,
            replay: Vec::new(),
            incoming_qos2: Vec::new(),
        })
    }
}

impl SessionStore for NothingUnderWay {
    fn load<'a>(
        &'a self,
        _key: &'a SessionStoreKey,
    ) -> BoxFuture<'a, Result<Option<PersistedSession>, SessionStoreError>> {
        ready(Ok(Some(self.0.clone()))).boxed()
    }

    fn save<'a>(
        &'a self,
        _key: &'a SessionStoreKey,
        _session: &'a PersistedSession,
    ) -> BoxFuture<'a, Result<(), SessionStoreError>> {
        ready(Ok(())).boxed()
    }

    fn clear<'a>(
        &'a self,
        _key: &'a SessionStoreKey,
    ) -> BoxFuture<'a, Result<(), SessionStoreError>> {
        ready(Ok(())).boxed()
    }
}
