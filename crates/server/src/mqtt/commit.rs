//! From a worker to the disk and back: jobs are begun in their order and answered in their order,
//! by one task a worker.
//!
//! It knows no connection: what to do with an answer the worker decides, who is woken only when its
//! mailbox was empty.

use std::sync::Arc;

use chengmai_model::Reading;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesOrdered;
use futures_util::{FutureExt as _, StreamExt as _};
use parking_lot::Mutex;
use tokio::sync::mpsc;

use super::ear::Parcel;
use super::line::Arrival;
use super::protocol::Ended;
use super::{Message, MqttSink, Papers, TakeError, Taken, Verdict};

/// Whom to answer when a message is durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Receipt {
    pub(super) place: u32,
    pub(super) serial: u32,
    /// None at quality of service 0, which asks for no answer.
    pub(super) id: Option<u16>,
    pub(super) exactly_once: bool,
}

/// What is to become durable.
#[derive(Debug)]
pub(super) enum Job<P> {
    /// Readings of many connections.
    Readings(Vec<Reading>, Vec<Receipt>),
    /// A message that needs more than a look.
    Message(Arc<P>, Message, Receipt),
}

/// What became of a job.
#[derive(Debug)]
pub(super) enum Done {
    Readings(Result<(), TakeError>, Vec<Receipt>),
    /// With the bytes of the message.
    Message(Result<Taken, TakeError>, Receipt, usize),
}

/// What a worker is told.
pub(super) enum Mail<P> {
    /// Somebody connected.
    Arrived(Arrival),
    /// What those who showed these papers may do; none when they may not come in.
    Recognised(Papers, Option<P>),
    /// A job ended.
    Done(Done),
    /// The connection with that place and serial number is to end: another took its name, or it may not be
    /// told any more.
    End(u32, u32, Ended),
    /// A message for it.
    Told(u32, u32, Parcel<P>),
    /// What its SUBSCRIBE with that number is granted.
    Granted((u32, u32), u16, Vec<Verdict>),
    /// Take nothing more.
    Stop,
}

/// Where a worker is told things from other threads.
pub(super) struct Mailbox<P> {
    mail: Mutex<Vec<Mail<P>>>,
    bell: mio::Waker,
}

impl<P> Mailbox<P> {
    pub(super) fn new(bell: mio::Waker) -> Self {
        Self { mail: Mutex::new(Vec::new()), bell }
    }

    pub(super) fn post(&self, mail: Mail<P>) {
        let mut waiting = self.mail.lock();
        waiting.push(mail);
        let first = waiting.len() == 1;
        drop(waiting);
        if first && let Err(error) = self.bell.wake() {
            tracing::error!(error = %error, "an MQTT worker cannot be woken");
        }
    }

    pub(super) fn take(&self) -> Vec<Mail<P>> {
        std::mem::take(&mut self.mail.lock())
    }
}

/// Carries out jobs until their sender is gone and all are answered.
pub(super) async fn carry_out<S: MqttSink>(
    sink: Arc<S>,
    mut jobs: mpsc::UnboundedReceiver<Job<S::Permit>>,
    mailbox: Arc<Mailbox<S::Permit>>,
) {
    let mut under_way = FuturesOrdered::new();
    let mut more = true;
    loop {
        tokio::select! {
            job = jobs.recv(), if more => match job {
                Some(job) => under_way.push_back(begin(Arc::clone(&sink), job)),
                None => more = false,
            },
            Some(done) = under_way.next() => mailbox.post(Mail::Done(done)),
            else => return,
        }
    }
}

fn begin<S: MqttSink>(sink: Arc<S>, job: Job<S::Permit>) -> BoxFuture<'static, Done> {
    match job {
        Job::Readings(readings, receipts) => {
            async move { Done::Readings(sink.keep(readings).await, receipts) }.boxed()
        }
        Job::Message(permit, message, receipt) => async move {
            let bytes = message.payload.len();
            Done::Message(sink.take(&permit, message).await, receipt, bytes)
        }
        .boxed(),
    }
}
