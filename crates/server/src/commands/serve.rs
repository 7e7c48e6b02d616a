//! `chengmai serve`: runs a city until it is told to stop.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::Context as _;
use tokio::net::TcpListener;
use tokio::sync::watch;

use super::{runtime, say};
use crate::accounts;
use crate::city::City;
use crate::city::start::{Prepared, prepare};
use crate::city::stop::Running;
use crate::config::Config;
use crate::doors;
use crate::http::listener;
use crate::http::router::router;
use crate::tls::Tls;

/// Password of the first administrator of a new data folder.
pub(crate) const ADMIN_PASSWORD: &str = "CHENGMAI_ADMIN_PASSWORD";

pub(crate) fn run(config: Config) -> anyhow::Result<()> {
    runtime()?.block_on(async {
        let prepared = prepare(config).await?;
        first_admin(&prepared).await?;
        let open = open(prepared).await?;
        say(format!("chengmai is open on {}://{}", open.scheme(), open.http));
        open.until_stopped(stop_signal()).await
    })
}

/// Makes the first administrator; prints a made-up password once.
pub(crate) async fn first_admin(prepared: &Prepared) -> anyhow::Result<()> {
    let given = std::env::var(ADMIN_PASSWORD).ok().filter(|p| !p.is_empty());
    let made = accounts::first_admin(prepared.records(), prepared.root_path(), given).await;
    let made = made.map_err(|problem| {
        anyhow::anyhow!("{ADMIN_PASSWORD}: {} ({})", problem.code.en, problem.code.hint_en)
    })?;
    if let Some(password) = made {
        say("A new data folder: the first administrator is");
        say(format!("    name     {}\n    password {password}", accounts::FIRST_ADMIN));
        say("This is shown once. Change it after signing in.");
    }
    Ok(())
}

/// A city with its doors open.
#[derive(Debug)]
pub(crate) struct Open {
    pub(crate) city: Arc<City>,
    pub(crate) http: SocketAddr,
    listener: TcpListener,
    tls: Option<Arc<Tls>>,
    running: Running,
    doors: doors::Doors,
    stop: watch::Sender<bool>,
}

/// Starts the threads and binds all listeners; nothing is served yet over HTTP.
pub(crate) async fn open(prepared: Prepared) -> anyhow::Result<Open> {
    let running = prepared.start()?;
    let city = Arc::clone(&running.city);
    let (stop, _) = watch::channel(false);
    let bound = bind(&city).await;
    let (listener, tls, doors) = match bound {
        Ok(bound) => bound,
        Err(error) => {
            running.stop().await;
            return Err(error);
        }
    };
    let http = listener.local_addr()?;
    Ok(Open { city, http, listener, tls, running, doors, stop })
}

type Bound = (TcpListener, Option<Arc<Tls>>, doors::Doors);

async fn bind(city: &Arc<City>) -> anyhow::Result<Bound> {
    let address = city.config.http;
    let tls = city.config.tls.clone().map(Tls::read).transpose()?.map(Arc::new);
    if tls.is_none() && !address.ip().is_loopback() {
        tracing::warn!(%address, "HTTP is spoken in the clear to other machines: give --tls-cert, or put a TLS proxy before it");
    }
    let listener = TcpListener::bind(address).await.with_context(|| {
        format!("cannot listen on http {address}: is another program there? Choose --http")
    })?;
    let doors = doors::open(city, tls.as_ref())?;
    Ok((listener, tls, doors))
}

impl Open {
    /// What the HTTP address speaks.
    fn scheme(&self) -> &'static str {
        if self.tls.is_some() { "https" } else { "http" }
    }

    /// Serves until the signal, then closes in order: doors, threads, files.
    pub(crate) async fn until_stopped(
        self,
        signal: impl Future<Output = ()> + Send + 'static,
    ) -> anyhow::Result<()> {
        let stop = self.stop;
        let mut stopped = stop.subscribe();
        tokio::spawn(async move {
            signal.await;
            tracing::info!("stopping");
            stop.send_replace(true);
        });
        tokio::spawn(reload_on_hangup(Arc::clone(&self.city), self.tls.clone()));
        if let Some(tls) = self.tls.clone() {
            let stopped = stopped.clone();
            tokio::spawn(async move { tls.watch(stopped).await });
        }
        let server = tokio::spawn(listener::serve(
            self.listener,
            router(Arc::clone(&self.city)),
            self.tls,
            Arc::clone(&self.city.entrances.crowd),
            stopped.clone(),
        ));
        let _ = stopped.wait_for(|&stop| stop).await;
        self.city.hub.close();
        self.doors.close().await;
        // Open live streams end with the hub; a client that keeps a request open is not waited for.
        let patience = std::time::Duration::from_secs(5);
        match tokio::time::timeout(patience, server).await {
            Ok(joined) => joined?,
            Err(_slow) => tracing::warn!("some connections did not end in time"),
        }
        self.running.stop().await;
        say("chengmai has stopped; everything acknowledged is on disk");
        Ok(())
    }
}

/// Takes up a model that was trained beside the city and a new certificate, at every SIGHUP.
async fn reload_on_hangup(city: Arc<City>, tls: Option<Arc<Tls>>) {
    match tokio::signal::unix::signal(tokio::signal::unix::SignalKind::hangup()) {
        Ok(mut signal) => {
            while signal.recv().await.is_some() {
                city.triage.reload();
                tracing::info!("the routing model was read again");
                if let Some(tls) = &tls {
                    tls.look(true);
                }
            }
        }
        Err(error) => tracing::warn!(%error, "SIGHUP cannot be watched"),
    }
}

/// Resolves on Ctrl-C or SIGTERM.
pub(crate) async fn stop_signal() {
    let interrupt = tokio::signal::ctrl_c();
    let terminate = async {
        match tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
            Ok(mut signal) => {
                signal.recv().await;
            }
            Err(error) => {
                tracing::warn!(%error, "SIGTERM cannot be watched");
                std::future::pending::<()>().await;
            }
        }
    };
    tokio::select! {
        outcome = interrupt => {
            if let Err(error) = outcome {
                tracing::warn!(%error, "Ctrl-C cannot be watched");
            }
        }
        () = terminate => {}
    }
}
