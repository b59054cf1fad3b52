//! HTTP: health, readiness, the list of calls, metrics.

use std::sync::Arc;
use std::time::Instant;

use axum::Router;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::http::header::{CONTENT_TYPE, HeaderValue};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tokio::net::TcpListener;

use crate::audiosocket::CallId;
use crate::call::Shared;
use crate::call::end::EndReason;
use crate::ops::metrics;

/// Serves health and calls for ever.
pub(crate) async fn serve(listener: TcpListener, shared: Arc<Shared>) {
    let router = Router::new()
        .route("/health", get(|| async { "ok\n" }))
        .route("/ready", get(ready))
        .route("/calls", get(list))
        .route("/calls/{uuid}", get(one).put(announce).delete(end))
        .with_state(shared);
    run(listener, router).await;
}

/// Serves metrics for ever.
pub(crate) async fn serve_metrics(listener: TcpListener, shared: Arc<Shared>) {
    let router = Router::new()
        .route("/metrics", get(page))
        .with_state(shared);
    run(listener, router).await;
}

async fn run(listener: TcpListener, router: Router) {
    if let Err(error) = axum::serve(listener, router).await {
        tracing::error!(%error, "HTTP listener has ended");
    }
}

async fn ready(State(shared): State<Arc<Shared>>) -> Response {
    let why = if shared.calls.is_draining() {
        "draining\n"
    } else if shared.calls.is_full() {
        "as many calls as are allowed\n"
    } else {
        return "ready\n".into_response();
    };
    (StatusCode::SERVICE_UNAVAILABLE, why).into_response()
}

async fn list(State(shared): State<Arc<Shared>>) -> Response {
    json(&shared.calls.list(Instant::now(), None))
}

async fn one(State(shared): State<Arc<Shared>>, Path(uuid): Path<String>) -> Response {
    let Ok(id) = uuid.parse::<CallId>() else {
        return not_a_uuid();
    };
    match shared.calls.list(Instant::now(), Some(id)).first() {
        Some(call) => json(call),
        None => no_call(),
    }
}

async fn announce(State(shared): State<Arc<Shared>>, Path(uuid): Path<String>) -> Response {
    let Ok(id) = uuid.parse::<CallId>() else {
        return not_a_uuid();
    };
    if shared.calls.announce(Instant::now(), id) {
        StatusCode::NO_CONTENT.into_response()
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "too many announcements\n").into_response()
    }
}

async fn end(State(shared): State<Arc<Shared>>, Path(uuid): Path<String>) -> Response {
    let Ok(id) = uuid.parse::<CallId>() else {
        return not_a_uuid();
    };
    if shared.calls.end(id, EndReason::Deleted) {
        StatusCode::NO_CONTENT.into_response()
    } else {
        no_call()
    }
}

async fn page(State(shared): State<Arc<Shared>>) -> Response {
    let text = metrics::page(&shared.metrics, &shared.calls);
    document(
        "text/plain; version=0.0.4; charset=utf-8",
        text.into_bytes(),
    )
}

fn not_a_uuid() -> Response {
    (StatusCode::BAD_REQUEST, "not a UUID\n").into_response()
}

fn no_call() -> Response {
    (StatusCode::NOT_FOUND, "no such call\n").into_response()
}

fn json(value: &impl serde::Serialize) -> Response {
    match serde_json::to_vec(value) {
        Ok(body) => document("application/json", body),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

fn document(kind: &'static str, body: Vec<u8>) -> Response {
    ([(CONTENT_TYPE, HeaderValue::from_static(kind))], body).into_response()
}
