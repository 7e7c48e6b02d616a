//! Who is connected under which client id: of two with the same, the later has it and the earlier is
//! told to go, as the standard says.
//!
//! It knows no account: an id counts together with the token or certificate it came with, so that
//! nobody is sent away by a stranger who knows his id. Invariant: a name is held by one connection.

use std::sync::Arc;

use hashbrown::HashMap;
use parking_lot::Mutex;

use super::Papers;
use super::commit::{Mail, Mailbox};
use super::protocol::Ended;

/// Names of all listeners. A name is kept as a hash: there are as many as connections.
pub(crate) struct Names<P> {
    hash: foldhash::quality::RandomState,
    holders: Mutex<HashMap<u64, Holder<P>, foldhash::fast::RandomState>>,
}

/// Where a connection is served.
pub(super) struct Holder<P> {
    mailbox: Arc<Mailbox<P>>,
    place: u32,
    serial: u32,
}

impl<P> Default for Names<P> {
    fn default() -> Self {
        Self { hash: foldhash::quality::RandomState::default(), holders: Mutex::default() }
    }
}

impl<P> Names<P> {
    /// The name of a client; none without an id.
    pub(super) fn of(&self, papers: &Papers, client_id: &str) -> Option<u64> {
        use std::hash::BuildHasher as _;
        let named = (&papers.password, &papers.device, client_id);
        (!client_id.is_empty()).then(|| self.hash.hash_one(named))
    }

    /// Gives the name to that connection; whoever had it is told.
    pub(super) fn take(&self, name: u64, mailbox: &Arc<Mailbox<P>>, place: u32, serial: u32) {
        let holder = Holder { mailbox: Arc::clone(mailbox), place, serial };
        let before = self.holders.lock().insert(name, holder);
        if let Some(Holder { mailbox, place, serial }) = before {
            mailbox.post(Mail::End(place, serial, Ended::TakenOver));
        }
    }

    /// Frees the name, if that connection still has it.
    pub(super) fn leave(&self, name: u64, mailbox: &Arc<Mailbox<P>>, place: u32, serial: u32) {
        let mut holders = self.holders.lock();
        let is_mine = holders.get(&name).is_some_and(|holder| {
            Arc::ptr_eq(&holder.mailbox, mailbox)
                && (holder.place, holder.serial) == (place, serial)
        });
        if is_mine {
            holders.remove(&name);
        }
    }
}
