//! HTTP: NG requests, and the pages for operators.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Bytes;
use axum::extract::{ConnectInfo, DefaultBodyLimit, State};
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use media_core::driver::Driver;
use media_core::session::Sessions;

use super::framer::Framer;
use crate::ng::document::Encoding;
use crate::ops::calls::CallLog;
use crate::ops::health::Health;
use crate::ops::metrics::{Sources, page};
use crate::ops::requests::RequestCounters;
use crate::ops::traffic::Traffic;
use crate::service::{Handled, Service};

/// Time that a repeated request waits for the reply to its original.
const PATIENCE: Duration = Duration::from_secs(10);

/// What the pages are made of.
pub(crate) struct Site {
    pub(crate) service: Arc<Service>,
    pub(crate) sessions: Arc<Sessions>,
    pub(crate) requests: Arc<RequestCounters>,
    pub(crate) traffic: Arc<Traffic>,
    pub(crate) calls: Arc<CallLog>,
    pub(crate) health: Arc<Health>,
    pub(crate) started: Instant,
    pub(crate) io: &'static str,
}

/// Serves for ever.
pub(crate) async fn serve(listener: tokio::net::TcpListener, site: Arc<Site>) {
    let router = Router::new()
        .route("/ng", post(ng))
        .route("/ng-plain", post(ng_plain))
        .route("/ping", get(|| async { "pong\n" }))
        .route("/health", get(health))
        .route("/ready", get(ready))
        .route("/metrics", get(metrics))
        .layer(DefaultBodyLimit::max(Framer::MAX_FRAME))
        .with_state(site)
        .into_make_service_with_connect_info::<SocketAddr>();
    if let Err(error) = axum::serve(listener, router).await {
        tracing::error!(%error, "HTTP listener has ended");
    }
}

/// A cookie and a document, as in a datagram.
async fn ng(
    State(site): State<Arc<Site>>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    body: Bytes,
) -> Response {
    // A client may repeat a request on another connection: its port does not count.
    let peer = SocketAddr::new(peer.ip(), 0);
    let reply = match site.service.handle_datagram(peer, &body, &mut Vec::new()) {
        Handled::Reply(reply) => Some(reply),
        Handled::Executing(pending) => tokio::task::spawn_blocking(move || pending.wait(PATIENCE))
            .await
            .ok()
            .flatten(),
        Handled::NoCookie => return (StatusCode::BAD_REQUEST, "no cookie\n").into_response(),
    };
    match reply {
        Some(reply) => document("application/x-rtpengine-ng", reply.to_vec()),
        None => StatusCode::SERVICE_UNAVAILABLE.into_response(),
    }
}

/// A bare document.
async fn ng_plain(
    State(site): State<Arc<Site>>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    body: Bytes,
) -> Response {
    let mut out = Vec::with_capacity(512);
    match site.service.handle_document(peer, &body, &mut out) {
        Encoding::Json => document("application/json", out),
        Encoding::Bencode => document("application/x-rtpengine-ng", out),
    }
}

fn document(kind: &'static str, body: Vec<u8>) -> Response {
    ([(CONTENT_TYPE, HeaderValue::from_static(kind))], body).into_response()
}

async fn health(State(site): State<Arc<Site>>) -> Response {
    if site.health.is_alive() {
        "ok\n".into_response()
    } else {
        let body = "a media thread has died\n";
        (StatusCode::SERVICE_UNAVAILABLE, body).into_response()
    }
}

async fn ready(State(site): State<Arc<Site>>) -> Response {
    match site.health.ready() {
        Ok(()) => "ready\n".into_response(),
        Err(why) => (StatusCode::SERVICE_UNAVAILABLE, format!("{why}\n")).into_response(),
    }
}

async fn metrics(State(site): State<Arc<Site>>) -> Response {
    let now = Driver::now();
    let text = page(&Sources {
        sessions: &site.sessions.statistics(now),
        proxies: &site.requests.snapshot(),
        traffic: &site.traffic,
        calls: &site.calls,
        uptime: now.monotonic.duration_since(site.started),
        io: site.io,
        ready: site.health.ready().is_ok(),
        now: now.monotonic,
    });
    document(
        "text/plain; version=0.0.4; charset=utf-8",
        text.into_bytes(),
    )
}
