//! Bots that dial us: WebSockets on `/ws/UUID`.
//!
//! | close code | meaning |
//! |---|---|
//! | 1013 | the call has a bot already, or there are too many that wait |
//! | 1008 | no such call came in time |

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, mpsc};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};
use tokio_tungstenite::tungstenite::http::StatusCode;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::{MaybeTlsStream, accept_hdr_async_with_config};

use crate::audiosocket::CallId;
use crate::call::Shared;
use crate::call::bot::{BotSocket, socket_config};
use crate::calls::{BotPlace, Control, Waiting};

/// Longest that a request may take.
const HANDSHAKE: Duration = Duration::from_secs(5);
/// Longest that a goodbye may take.
const GOODBYE: Duration = Duration::from_secs(1);
/// Requests at a time; more wait in the kernel.
const MAX_HANDSHAKES: usize = 512;

/// Accepts bots for ever.
pub(crate) async fn serve(listener: TcpListener, shared: Arc<Shared>) {
    let handshakes = Arc::new(Semaphore::new(MAX_HANDSHAKES));
    loop {
        let Ok(permit) = Arc::clone(&handshakes).acquire_owned().await else {
            return;
        };
        match listener.accept().await {
            Ok((stream, _)) => {
                let shared = Arc::clone(&shared);
                tokio::spawn(async move {
                    let accepted = timeout(HANDSHAKE, accept(stream)).await.ok().flatten();
                    drop(permit);
                    if let Some((id, socket)) = accepted {
                        place(id, socket, &shared).await;
                    }
                });
            }
            Err(error) => {
                tracing::warn!(%error, "cannot accept a bot");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

async fn accept(stream: TcpStream) -> Option<(CallId, Box<BotSocket>)> {
    let _ = stream.set_nodelay(true);
    let mut id = None;
    #[expect(clippy::result_large_err, reason = "the library's type")]
    let check = |request: &Request, response: Response| -> Result<Response, ErrorResponse> {
        let path = request.uri().path().strip_prefix("/ws/");
        id = path.and_then(|uuid| uuid.parse::<CallId>().ok());
        if id.is_some() {
            return Ok(response);
        }
        let mut refusal = ErrorResponse::new(Some("bots dial /ws/UUID\n".into()));
        *refusal.status_mut() = StatusCode::NOT_FOUND;
        Err(refusal)
    };
    let stream = MaybeTlsStream::Plain(stream);
    let socket = accept_hdr_async_with_config(stream, check, Some(socket_config())).await;
    Some((id?, Box::new(socket.ok()?)))
}

async fn place(id: CallId, socket: Box<BotSocket>, shared: &Shared) {
    let (call, socket) = match shared.calls.place_bot(id) {
        BotPlace::Call(call) => (call, socket),
        BotPlace::Wait(waiting) => match wait(waiting, socket, shared).await {
            Some(found) => found,
            None => return,
        },
        BotPlace::Taken | BotPlace::Full => {
            shared.metrics.bots_refused.add(1);
            tracing::info!(uuid = %id, "bot refused: the call has one, or too many wait");
            return refuse(socket).await;
        }
    };
    // An error means that the call has ended in this very moment; dropped, the connection closes.
    let _ = call.send(Control::Bot(socket)).await;
}

/// Waits for the call. What the bot says meanwhile is heard by nobody.
async fn wait(
    mut waiting: Waiting,
    mut socket: Box<BotSocket>,
    shared: &Shared,
) -> Option<(mpsc::Sender<Control>, Box<BotSocket>)> {
    let patience = tokio::time::sleep(shared.config.bot_patience);
    tokio::pin!(patience);
    loop {
        tokio::select! {
            call = &mut waiting.call => return Some((call.ok()?, socket)),
            message = socket.next() => match message {
                Some(Ok(message)) if message.is_binary() => shared.metrics.bot_frames_early.add(1),
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return None,
            },
            () = &mut patience => {
                shared.metrics.bots_refused.add(1);
                say_goodbye(socket, CloseCode::Policy, "no such call").await;
                return None;
            }
        }
    }
}

/// Sends a bot away whose place is taken.
pub(crate) async fn refuse(socket: Box<BotSocket>) {
    say_goodbye(socket, CloseCode::Again, "the call has a bot").await;
}

async fn say_goodbye(mut socket: Box<BotSocket>, code: CloseCode, reason: &'static str) {
    let goodbye = async {
        let frame = CloseFrame {
            code,
            reason: reason.into(),
        };
        if socket.close(Some(frame)).await.is_ok() {
            // Until it has answered: closed with bytes unread, it would see a reset.
            while let Some(Ok(_)) = socket.next().await {}
        }
    };
    let _ = timeout(GOODBYE, goodbye).await;
}
