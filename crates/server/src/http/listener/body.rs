//! Bodies at the door: one that comes in must come at a pace, one that goes out is noticed until its
//! end.
//!
//! What it is not: a limit of size, which stands at each route. Invariant: a body is passed on as it is.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes};
use hyper::body::{Body as HttpBody, Frame, Incoming, SizeHint};
use tokio::time::{Instant, Sleep, sleep_until, timeout};

/// What any body may take to come in.
const PATIENCE: Duration = Duration::from_secs(30);
/// So many bytes buy another second: slower than any line a device has.
const BYTES_PER_SECOND: u64 = 8 * 1024;

/// What is read of a body that nobody wanted, and for how long: some clients hear an answer only when
/// they have said all.
const UNWANTED_BYTES_MAX: usize = 1024 * 1024;
const UNWANTED_PATIENCE: Duration = Duration::from_secs(2);

/// A body came too slowly.
#[derive(Debug, thiserror::Error)]
#[error("the body comes too slowly")]
pub(crate) struct TooSlow;

impl TooSlow {
    /// Whether an error came of that.
    pub(crate) fn is_in(error: &(dyn std::error::Error + 'static)) -> bool {
        error.is::<Self>() || error.source().is_some_and(Self::is_in)
    }
}

type Fault = Box<dyn std::error::Error + Send + Sync>;

/// What a body that comes in is made of.
pub(super) trait Inner:
    HttpBody<Data = Bytes, Error: Into<Fault>> + Send + Unpin + 'static
{
}

impl<B: HttpBody<Data = Bytes, Error: Into<Fault>> + Send + Unpin + 'static> Inner for B {}

/// A body that comes in.
pub(super) struct Paced<B: Inner = Incoming> {
    /// Set until its end was seen.
    inner: Option<B>,
    began: Instant,
    bytes: u64,
    alarm: Option<Pin<Box<Sleep>>>,
    is_left: Left,
}

/// Whether more of a body was left unread than is read over, so that the connection is over with the answer.
pub(super) type Left = Arc<AtomicBool>;

impl<B: Inner> Paced<B> {
    pub(super) fn new(inner: B, is_left: Left) -> Self {
        Self { inner: Some(inner), began: Instant::now(), bytes: 0, alarm: None, is_left }
    }

    /// When it has to have come on.
    fn deadline(&self) -> Instant {
        self.began + PATIENCE + Duration::from_secs(self.bytes / BYTES_PER_SECOND)
    }
}

impl<B: Inner> HttpBody for Paced<B> {
    type Data = Bytes;
    type Error = Fault;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Fault>>> {
        let this = self.get_mut();
        let Some(inner) = &mut this.inner else { return Poll::Ready(None) };
        if let Poll::Ready(frame) = Pin::new(inner).poll_frame(cx) {
            match &frame {
                Some(Ok(frame)) => {
                    this.bytes += frame.data_ref().map_or(0, |data| data.len() as u64);
                }
                Some(Err(_)) | None => this.inner = None,
            }
            return Poll::Ready(frame.map(|frame| frame.map_err(Into::into)));
        }
        let deadline = this.deadline();
        // Most bodies are there at once and never need one.
        let alarm = this.alarm.get_or_insert_with(|| Box::pin(sleep_until(deadline)));
        if alarm.deadline() != deadline {
            alarm.as_mut().reset(deadline);
        }
        alarm.as_mut().poll(cx).map(|()| Some(Err(TooSlow.into())))
    }

    fn is_end_stream(&self) -> bool {
        self.inner.as_ref().is_none_or(HttpBody::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.as_ref().map_or(SizeHint::with_exact(0), HttpBody::size_hint)
    }
}

impl<B: Inner> Drop for Paced<B> {
    /// An answer was given before the body was read: the rest of a short one is read over.
    fn drop(&mut self) {
        let rest = self.inner.take().filter(|rest| !rest.is_end_stream());
        let (Some(mut rest), Ok(runtime)) = (rest, tokio::runtime::Handle::try_current()) else {
            return;
        };
        if rest.size_hint().upper().is_none_or(|most| most > UNWANTED_BYTES_MAX as u64) {
            self.is_left.store(true, Ordering::Relaxed);
        }
        runtime.spawn(timeout(UNWANTED_PATIENCE, async move {
            let mut left = UNWANTED_BYTES_MAX;
            while let Some(Ok(frame)) = poll_fn(|cx| Pin::new(&mut rest).poll_frame(cx)).await {
                let len = frame.data_ref().map_or(0, Bytes::len);
                let Some(after) = left.checked_sub(len) else { return };
                left = after;
            }
        }));
    }
}

/// What goes on on a connection.
#[derive(Debug, Default)]
pub(super) struct Activity {
    begun: AtomicU64,
    open: AtomicUsize,
}

/// A request whose answer is not yet at its end.
#[derive(Debug)]
pub(super) struct Open(Arc<Activity>);

impl Activity {
    pub(super) fn begin(activity: &Arc<Self>) -> Open {
        activity.begun.fetch_add(1, Ordering::Relaxed);
        activity.open.fetch_add(1, Ordering::Relaxed);
        Open(Arc::clone(activity))
    }

    /// Requests so far.
    pub(super) fn begun(&self) -> u64 {
        self.begun.load(Ordering::Relaxed)
    }

    /// Whether an answer is being given.
    pub(super) fn is_open(&self) -> bool {
        self.open.load(Ordering::Relaxed) > 0
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A body that goes out.
pub(super) struct Watched {
    inner: Body,
    _open: Open,
}

impl Watched {
    pub(super) fn new(inner: Body, open: Open) -> Self {
        Self { inner, _open: open }
    }
}

impl HttpBody for Watched {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.inner).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use super::*;

    /// Pieces that are there at once; after them nothing, or the end.
    struct Pieces(Vec<usize>, bool);

    impl HttpBody for Pieces {
        type Data = Bytes;
        type Error = Infallible;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            _cx: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
            match self.0.pop() {
                Some(len) => Poll::Ready(Some(Ok(Frame::data(Bytes::from(vec![0; len]))))),
                None if self.1 => Poll::Ready(None),
                None => Poll::Pending,
            }
        }
    }

    async fn next(body: &mut Paced<Pieces>) -> Option<Result<Frame<Bytes>, Fault>> {
        poll_fn(|cx| Pin::new(&mut *body).poll_frame(cx)).await
    }

    #[tokio::test]
    async fn a_body_that_stands_still_is_cut_off_when_its_time_is_over() {
        let mut body = Paced::new(Pieces(vec![1], false), Left::default());
        assert!(next(&mut body).await.unwrap().is_ok());
        body.began = Instant::now().checked_sub(PATIENCE).unwrap();
        let fault = next(&mut body).await.unwrap().unwrap_err();
        assert!(fault.is::<TooSlow>(), "{fault}");
    }

    #[tokio::test]
    async fn bytes_buy_time_and_a_body_that_is_there_needs_none() {
        let mut body = Paced::new(Pieces(vec![9_000, 80_000], true), Left::default());
        assert_eq!(body.deadline() - body.began, PATIENCE);
        body.began = Instant::now().checked_sub(2 * PATIENCE).unwrap();
        assert!(next(&mut body).await.unwrap().is_ok() && next(&mut body).await.unwrap().is_ok());
        assert_eq!(body.deadline() - body.began, PATIENCE + Duration::from_secs(10));
        assert!(next(&mut body).await.is_none());
    }
}
