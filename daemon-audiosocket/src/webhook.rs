//! Functions that a bot calls, as HTTP requests: one POST each, and its JSON answer is the result.
//!
//! ```text
//! POST /functions HTTP/1.1
//! {"uuid": …, "function_name": "transfer_call", "tool_call_id": …, "arguments": {…}}
//! ```
//! An answer of 2xx without a body is `{"status": "ok"}`. Whatever goes wrong is an error of [`WebhookError`] in
//! time: a bot never waits for ever.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::{BodyExt as _, Limited};
use hyper::header::{CONNECTION, CONTENT_TYPE, HOST, HeaderName, HeaderValue};
use hyper::{Request, StatusCode, Uri};
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio_rustls::TlsConnector;

use crate::audiosocket::CallId;
use crate::config::WebhookConfig;
use crate::pipecat::rtvi::FunctionCall;

/// Longest answer that is read, bytes.
const MAX_ANSWER: usize = 64 * 1024;

/// Why a function gave no result.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WebhookError {
    /// There is no webhook.
    #[error("no such function")]
    None,
    /// The call has too many functions at work.
    #[error("too many functions at a time")]
    Busy,
    /// No connection.
    #[error("webhook not reached: {0}")]
    Connect(#[source] io::Error),
    /// The connection, or what came over it.
    #[error("webhook failed: {0}")]
    Http(#[from] hyper::Error),
    /// Neither yes nor no.
    #[error("webhook gave no answer within {0:?}")]
    Timeout(Duration),
    /// No.
    #[error("webhook answered {0}")]
    Status(StatusCode),
    /// The body is cut off or too long.
    #[error("webhook's answer is incomplete, or longer than {MAX_ANSWER} bytes")]
    Body,
    /// The body is something else.
    #[error("webhook's answer is not JSON")]
    NotJson,
}

impl WebhookError {
    /// As the bot is told.
    pub(crate) fn result(&self) -> Value {
        json!({"status": "error", "error": self.to_string()})
    }
}

/// Where functions are called.
pub(crate) struct Webhook {
    config: WebhookConfig,
    tls: Option<Arc<ClientConfig>>,
}

impl Webhook {
    /// `tls` is needed for `https`.
    pub(crate) fn new(config: WebhookConfig, tls: Option<Arc<ClientConfig>>) -> Self {
        Self { config, tls }
    }

    /// Calls a function.
    pub(crate) async fn call(
        &self,
        id: CallId,
        call: &FunctionCall,
    ) -> Result<Value, WebhookError> {
        let limit = self.config.timeout;
        let answer = tokio::time::timeout(limit, self.exchange(id, call)).await;
        answer.unwrap_or(Err(WebhookError::Timeout(limit)))
    }

    async fn exchange(&self, id: CallId, call: &FunctionCall) -> Result<Value, WebhookError> {
        let url = &self.config.url;
        let is_tls = url.scheme_str() == Some("https");
        let host = url.host().unwrap_or_default();
        // Of an IPv6 address, without its brackets.
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let port = url.port_u16().unwrap_or(if is_tls { 443 } else { 80 });
        let stream = TcpStream::connect((host, port))
            .await
            .map_err(WebhookError::Connect)?;
        let request = self.request(id, call);
        if !is_tls {
            return send(stream, request).await;
        }
        let tls = self
            .tls
            .as_ref()
            .map(|tls| TlsConnector::from(Arc::clone(tls)));
        let name = ServerName::try_from(host.to_owned());
        let (Some(tls), Ok(name)) = (tls, name) else {
            return Err(WebhookError::Connect(io::ErrorKind::InvalidInput.into()));
        };
        let stream = tls
            .connect(name, stream)
            .await
            .map_err(WebhookError::Connect)?;
        send(stream, request).await
    }

    fn request(&self, id: CallId, call: &FunctionCall) -> Request<String> {
        let url = &self.config.url;
        let body = json!({
            "uuid": id.to_string(),
            "function_name": call.function_name,
            "tool_call_id": call.tool_call_id,
            "arguments": call.arguments,
        });
        let mut request = Request::new(body.to_string());
        *request.method_mut() = hyper::Method::POST;
        let target = url.path_and_query().map_or("/", |target| target.as_str());
        *request.uri_mut() = target.parse::<Uri>().unwrap_or_default();
        let headers = request.headers_mut();
        if let Some(Ok(host)) = url.authority().map(|a| a.as_str().parse()) {
            headers.insert(HOST, host);
        }
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(CONNECTION, HeaderValue::from_static("close"));
        for (name, value) in &self.config.headers {
            // Both were tried when they were read.
            if let (Ok(name), Ok(value)) = (name.parse::<HeaderName>(), value.parse()) {
                headers.insert(name, value);
            }
        }
        request
    }
}

async fn send<S>(stream: S, request: Request<String>) -> Result<Value, WebhookError>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    // Dropped with this future, whatever becomes of it.
    let mut driver = JoinSet::new();
    driver.spawn(connection);
    let answer = sender.send_request(request).await?;
    let status = answer.status();
    if !status.is_success() {
        return Err(WebhookError::Status(status));
    }
    let body = Limited::new(answer.into_body(), MAX_ANSWER).collect().await;
    let body = body.map_err(|_| WebhookError::Body)?.to_bytes();
    if body.is_empty() {
        return Ok(json!({"status": "ok"}));
    }
    serde_json::from_slice(&body).map_err(|_| WebhookError::NotJson)
}
