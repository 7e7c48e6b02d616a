//! The HTTP door: takes connections, inside TLS or not, and bounds what each may cost: how many there
//! are, how long a stranger may think, how many header fields and streams, how slowly a body may come.
//!
//! Not here: routes, and who may use them. Invariants: a connection on which nothing is asked ends, an
//! answer that is still being given (a live stream, say) is never cut; and what a request claims to have
//! been told by a proxy is believed only of a proxy on this machine.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::request::Parts;
use axum::http::uri::Authority;
use axum::http::{HeaderValue, Request, Response, Version, header};
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep, timeout};
use tower::Service as _;

use crate::tls::{HANDSHAKE, Tls, name_of};

pub(crate) mod body;
pub(crate) mod crowd;

use body::{Activity, Left, Paced, Watched};
use crowd::Crowd;

/// From the connection, or the end of the handshake, to the whole head of the first request.
const FIRST_REQUEST: Duration = Duration::from_secs(15);
/// How long a connection may rest between requests, the next head included.
const REST: Duration = Duration::from_secs(75);
/// What an ending connection gets to end by itself.
const GRACE: Duration = Duration::from_secs(5);
/// Wait after the system refuses a new connection (out of file handles, say).
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// Fields of one head.
const HEADERS_MAX: usize = 100;
/// Bytes of one head.
const HEAD_BYTES_MAX: usize = 32 * 1024;
/// Requests at a time on one HTTP/2 connection.
const STREAMS_MAX: u32 = 100;
/// Streams that a client opened and took back before we looked at them; more end the connection.
const RESETS_MAX: usize = 20;
/// How often an HTTP/2 client is asked whether it is still there.
const PING: Duration = Duration::from_secs(30);
/// What proxies say of whom they speak for.
const TOLD: [&str; 4] = ["forwarded", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto"];

/// The name in a client's certificate, signed by the city's authority for devices.
#[derive(Debug, Clone)]
pub(crate) struct DeviceName(pub(crate) String);

/// What is known of who is at the other end.
#[derive(Debug, Clone)]
struct Guest {
    peer: SocketAddr,
    /// It came inside TLS.
    is_secure: bool,
    device: Option<DeviceName>,
}

/// Serves until `stop` turns true, then until every connection has ended.
pub(crate) async fn serve(
    socket: TcpListener,
    router: Router,
    tls: Option<Arc<Tls>>,
    crowd: Arc<Crowd>,
    mut stop: watch::Receiver<bool>,
) {
    let (alive, mut all_gone) = mpsc::channel::<()>(1);
    loop {
        let accepted = tokio::select! {
            _ = stop.wait_for(|stop| *stop) => break,
            accepted = socket.accept() => accepted,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) if is_theirs(&error) => continue,
            Err(error) => {
                tracing::warn!(%error, "cannot accept an HTTP connection");
                sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        // Closing at once is all that can be said before a request.
        let Some(seat) = Crowd::seat(&crowd, peer.ip()) else { continue };
        let (router, tls, stop, alive) = (router.clone(), tls.clone(), stop.clone(), alive.clone());
        tokio::spawn(async move {
            welcome(stream, peer, router, tls, &seat, stop).await;
            drop((seat, alive));
        });
    }
    drop((socket, alive));
    let _ = all_gone.recv().await;
}

/// True when the connection itself was at fault, and not our means.
fn is_theirs(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}

async fn welcome(
    stream: TcpStream,
    peer: SocketAddr,
    router: Router,
    tls: Option<Arc<Tls>>,
    seat: &crowd::Seat,
    stop: watch::Receiver<bool>,
) {
    // Answers are waited for; a socket that is broken already says so at the first read.
    let _ = stream.set_nodelay(true);
    let Some(tls) = tls else {
        let guest = Guest { peer, is_secure: false, device: None };
        return talk(TokioIo::new(stream), guest, router, seat, stop).await;
    };
    match timeout(HANDSHAKE, tls.http().accept(stream)).await {
        Ok(Ok(stream)) => {
            let device = name_of(stream.get_ref().1.peer_certificates()).map(DeviceName);
            let guest = Guest { peer, is_secure: true, device };
            talk(TokioIo::new(stream), guest, router, seat, stop).await;
        }
        failed => {
            tracing::debug!(error = ?failed.err(), "a TLS handshake failed");
            seat.note_handshake();
        }
    }
}

/// Answers requests until the client leaves, asks nothing for too long, or we stop.
async fn talk<I>(
    io: I,
    guest: Guest,
    router: Router,
    seat: &crowd::Seat,
    mut stop: watch::Receiver<bool>,
) where
    I: hyper::rt::Read + hyper::rt::Write + Unpin + Send + 'static,
{
    let activity = Arc::new(Activity::default());
    let begun = Arc::clone(&activity);
    let service = hyper::service::service_fn(move |request: Request<Incoming>| {
        let open = Activity::begin(&begun);
        let (mut parts, body) = request.into_parts();
        guest.introduce(&mut parts);
        let (is_left, is_plain) = (Left::default(), parts.version <= Version::HTTP_11);
        let body = Paced::new(body, Arc::clone(&is_left));
        let answer = router.clone().call(Request::from_parts(parts, Body::new(body)));
        async move {
            let answer: Result<Response<Body>, Infallible> = answer.await;
            answer.map(|mut answer| {
                // Said, so that no client sends its next request into a connection that ends.
                if is_plain && is_left.load(Ordering::Relaxed) {
                    let close = HeaderValue::from_static("close");
                    answer.headers_mut().insert(header::CONNECTION, close);
                }
                answer.map(|body| Watched::new(body, open))
            })
        }
    });
    let builder = builder();
    let mut connection = pin!(builder.serve_connection(io, service));
    let mut alarm = pin!(sleep(FIRST_REQUEST));
    let (mut seen, mut is_leaving) = (0, false);
    loop {
        tokio::select! {
            outcome = connection.as_mut() => {
                if let Err(error) = outcome {
                    tracing::debug!(error, "an HTTP connection broke");
                }
                return;
            }
            () = alarm.as_mut() => {
                let begun = activity.begun();
                let is_busy = activity.is_open() || begun != seen;
                if !is_busy && (begun == 0 || is_leaving) {
                    seat.note_idle();
                    return;
                }
                if !is_busy {
                    is_leaving = true;
                    connection.as_mut().graceful_shutdown();
                }
                seen = begun;
                alarm.as_mut().reset(Instant::now() + if is_busy { REST } else { GRACE });
            }
            _ = stop.wait_for(|stop| *stop), if !is_leaving => {
                is_leaving = true;
                connection.as_mut().graceful_shutdown();
            }
        }
    }
}

fn builder() -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(REST)
        .max_headers(HEADERS_MAX)
        .max_buf_size(HEAD_BYTES_MAX);
    builder
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(PING)
        .keep_alive_timeout(PING)
        .max_concurrent_streams(STREAMS_MAX)
        .max_pending_accept_reset_streams(RESETS_MAX)
        .max_header_list_size(u32::try_from(HEAD_BYTES_MAX).unwrap_or(u32::MAX));
    builder
}

impl Guest {
    /// Writes into a request's head what is known of who sent it, and takes out what only a proxy of
    /// ours may say.
    fn introduce(&self, parts: &mut Parts) {
        parts.extensions.insert(ConnectInfo(self.peer));
        if !self.peer.ip().to_canonical().is_loopback() {
            for name in TOLD {
                parts.headers.remove(name);
            }
        }
        if self.is_secure {
            parts.headers.insert("x-forwarded-proto", HeaderValue::from_static("https"));
        }
        // HTTP/2 names the host beside the head; everybody here asks for it in the head.
        let authority = parts.uri.authority().map(Authority::as_str);
        if let Some(host) = authority.and_then(|host| HeaderValue::from_str(host).ok()) {
            parts.headers.insert(header::HOST, host);
        }
        if let Some(device) = &self.device {
            parts.extensions.insert(device.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn introduced(peer: &str, is_secure: bool, uri: &str) -> Parts {
        let request = Request::builder().uri(uri).header("x-forwarded-for", "10.0.0.9");
        let request = request.header("x-forwarded-host", "evil").header("forwarded", "for=1");
        let mut parts = request.header("host", "city").body(()).unwrap().into_parts().0;
        let guest = Guest { peer: peer.parse().unwrap(), is_secure, device: None };
        guest.introduce(&mut parts);
        parts
    }

    #[test]
    fn what_a_stranger_says_in_a_proxys_words_is_taken_out_at_the_door() {
        for peer in ["192.0.2.7:1", "[2001:db8::1]:1", "[::ffff:192.0.2.7]:1"] {
            let parts = introduced(peer, false, "/");
            assert_eq!(TOLD.map(|name| parts.headers.contains_key(name)), [false; 4], "{peer}");
        }
        for peer in ["127.0.0.1:1", "[::1]:1", "[::ffff:127.0.0.1]:1"] {
            assert_eq!(introduced(peer, false, "/").headers["x-forwarded-for"], "10.0.0.9");
        }
    }

    #[test]
    fn a_request_inside_tls_says_so_and_the_host_is_the_one_it_was_sent_to() {
        let parts = introduced("192.0.2.7:1", true, "https://city.example:8443/x");
        assert_eq!(parts.headers["x-forwarded-proto"], "https");
        assert_eq!(parts.headers["host"], "city.example:8443");
        assert_eq!(introduced("192.0.2.7:1", false, "/x").headers["host"], "city");
    }
}
