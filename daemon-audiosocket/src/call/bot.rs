//! The connection to a call's bot: made, kept, lost and made again, without ever holding up the call.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::{Sink, Stream};
use socket2::SockRef;
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio::time::{Instant, Sleep, sleep_until, timeout};
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::{HeaderName, HeaderValue};
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error as WsError, Message};
use tokio_tungstenite::{
    Connector, MaybeTlsStream, WebSocketStream, connect_async_tls_with_config,
};

use super::{SEND_BUFFER, Shared};
use crate::audiosocket::CallId;

/// A connected bot.
pub(crate) type BotSocket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// Messages that wait for a bot that is slow to read: a second of audio, and some words.
const QUEUE: usize = 64;
/// A bot that reads nothing for this long is lost.
const STUCK: Duration = Duration::from_secs(10);
/// Pauses between attempts: the first, and the longest.
const BACKOFF: [Duration; 2] = [Duration::from_millis(100), Duration::from_secs(2)];

/// A connection that lasted for less was none: servers with one client accept others and send them away.
pub(super) const SETTLED: Duration = Duration::from_secs(2);

/// Sizes of a connection's buffers; small, as there are thousands.
pub(crate) fn socket_config() -> WebSocketConfig {
    WebSocketConfig::default()
        .read_buffer_size(4 * 1024)
        .write_buffer_size(8 * 1024)
        .max_write_buffer_size(512 * 1024)
        .max_message_size(Some(512 * 1024))
        .max_frame_size(Some(512 * 1024))
}

/// What has happened.
pub(crate) enum BotEvent {
    /// It is there.
    Up,
    /// It has said something.
    Frame(Message),
    /// It is gone; what follows depends on why.
    Down(Gone),
}

/// Why a bot is gone.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Gone {
    /// It closed the connection in good order.
    #[error("closed")]
    Closed,
    /// It closed the connection for another reason.
    #[error("closed with code {0}")]
    ClosedWith(u16),
    /// It could not be reached.
    #[error("not reached within {0:?}")]
    Timeout(Duration),
    /// It reads nothing.
    #[error("reads nothing")]
    Stuck,
    /// The connection ended without a word.
    #[error("end of file")]
    Eof,
    /// The connection.
    #[error(transparent)]
    Socket(Box<WsError>),
    /// The task that dialled.
    #[error("dialling failed")]
    Dialling,
}

enum State {
    Dialling(JoinHandle<Result<BotSocket, Gone>>),
    /// It is to dial us.
    Awaited,
    Up(Box<BotSocket>),
    /// Until the next attempt.
    Pausing(Pin<Box<Sleep>>),
}

struct Queued {
    message: Message,
    /// When its sound came from the caller; `None` if it is words.
    heard: Option<Instant>,
}

/// A call's bot.
pub(crate) struct BotLink {
    id: CallId,
    shared: Arc<Shared>,
    state: State,
    queue: VecDeque<Queued>,
    /// Something was sent that may not have left.
    unflushed: bool,
    /// When the sound in that came from its caller.
    heard: Vec<Instant>,
    /// Since when nothing leaves.
    stuck_since: Option<Instant>,
    pause: Duration,
    up_since: Option<Instant>,
    dropped: u64,
}

impl BotLink {
    /// Dials at once, if it is we who dial.
    pub(crate) fn new(id: CallId, shared: Arc<Shared>) -> Self {
        let mut link = Self {
            id,
            shared,
            state: State::Awaited,
            queue: VecDeque::new(),
            unflushed: false,
            heard: Vec::new(),
            stuck_since: None,
            pause: BACKOFF[0],
            up_since: None,
            dropped: 0,
        };
        link.dial();
        link
    }

    /// Takes the connection of a bot that dialled us; gives it back if there is one already.
    pub(crate) fn attach(&mut self, socket: Box<BotSocket>) -> Result<(), Box<BotSocket>> {
        if self.is_up() {
            return Err(socket);
        }
        self.come_up(socket);
        Ok(())
    }

    pub(crate) fn is_up(&self) -> bool {
        matches!(self.state, State::Up(_))
    }

    /// Messages that were dropped for a bot that is slow to read.
    pub(crate) fn dropped(&self) -> u64 {
        self.dropped
    }

    /// Queues a message, if there is a bot. The oldest makes room.
    pub(crate) fn send(&mut self, message: Message) {
        self.queue(Queued {
            message,
            heard: None,
        });
    }

    /// Queues sound that came from the caller at `heard`.
    pub(crate) fn send_audio(&mut self, message: Message, heard: Instant) {
        self.queue(Queued {
            message,
            heard: Some(heard),
        });
    }

    fn queue(&mut self, queued: Queued) {
        if !self.is_up() {
            return;
        }
        if self.queue.len() >= QUEUE {
            // Words are rare: audio it is, unless there is none.
            let audio = |queued: &Queued| queued.heard.is_some();
            let oldest = self.queue.iter().position(audio).unwrap_or(0);
            self.queue.remove(oldest);
            self.dropped += 1;
        }
        self.queue.push_back(queued);
    }

    /// Waits for what happens next, and sends what is queued meanwhile. May be dropped at any time.
    pub(crate) async fn next(&mut self) -> BotEvent {
        std::future::poll_fn(|cx| self.poll(cx)).await
    }

    /// Says goodbye. Takes at most a second.
    pub(crate) async fn close(mut self, last: Option<Message>) {
        let State::Up(socket) = &mut self.state else {
            return;
        };
        let frame = CloseFrame {
            code: CloseCode::Normal,
            reason: "".into(),
        };
        let goodbye = async {
            use futures_util::SinkExt as _;
            let queued = self.queue.drain(..).map(|queued| queued.message);
            for message in queued.chain(last) {
                socket.feed(message).await?;
            }
            socket.close(Some(frame)).await
        };
        // Gone or deaf, it needs no goodbye.
        let _ = timeout(Duration::from_secs(1), goodbye).await;
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<BotEvent> {
        loop {
            match &mut self.state {
                State::Awaited => return Poll::Pending,
                State::Pausing(sleep) => {
                    std::task::ready!(sleep.as_mut().poll(cx));
                    self.dial();
                }
                State::Dialling(task) => {
                    let dialled = std::task::ready!(Pin::new(task).poll(cx));
                    match dialled.unwrap_or(Err(Gone::Dialling)) {
                        Ok(socket) => {
                            self.come_up(Box::new(socket));
                            return Poll::Ready(BotEvent::Up);
                        }
                        Err(gone) => return Poll::Ready(self.go_down(gone)),
                    }
                }
                State::Up(_) => {
                    let event = std::task::ready!(self.poll_up(cx));
                    return Poll::Ready(match event {
                        Ok(message) => BotEvent::Frame(message),
                        Err(gone) => self.go_down(gone),
                    });
                }
            }
        }
    }

    fn poll_up(&mut self, cx: &mut Context<'_>) -> Poll<Result<Message, Gone>> {
        let State::Up(socket) = &mut self.state else {
            return Poll::Pending;
        };
        let mut socket = Pin::new(socket.as_mut());
        let failed = |error| Poll::Ready(Err(Gone::Socket(Box::new(error))));
        while !self.queue.is_empty() {
            match socket.as_mut().poll_ready(cx) {
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(error)) => return failed(error),
                Poll::Pending => break,
            }
            if let Some(queued) = self.queue.pop_front() {
                if let Err(error) = socket.as_mut().start_send(queued.message) {
                    return failed(error);
                }
                self.unflushed = true;
                if self.heard.len() < QUEUE {
                    self.heard.extend(queued.heard);
                }
            }
        }
        if self.unflushed {
            match socket.as_mut().poll_flush(cx) {
                Poll::Ready(Ok(())) => {
                    self.unflushed = false;
                    self.stuck_since = None;
                    if !self.heard.is_empty() {
                        let now = Instant::now();
                        for heard in self.heard.drain(..) {
                            let took = now.saturating_duration_since(heard);
                            self.shared.metrics.mouth_to_bot.observe(took);
                        }
                    }
                }
                Poll::Ready(Err(error)) => return failed(error),
                Poll::Pending => {
                    let since = *self.stuck_since.get_or_insert_with(Instant::now);
                    if since.elapsed() > STUCK {
                        return Poll::Ready(Err(Gone::Stuck));
                    }
                }
            }
        }
        match std::task::ready!(socket.poll_next(cx)) {
            Some(Ok(Message::Close(frame))) => {
                let code = frame.map_or(1005, |frame| u16::from(frame.code));
                // With 1000, or no code at all, pipelines end; with 1001 and others servers do.
                Poll::Ready(Err(match code {
                    1000 | 1005 => Gone::Closed,
                    code => Gone::ClosedWith(code),
                }))
            }
            Some(Ok(message)) => Poll::Ready(Ok(message)),
            Some(Err(error)) => failed(error),
            None => Poll::Ready(Err(Gone::Eof)),
        }
    }

    fn come_up(&mut self, socket: Box<BotSocket>) {
        self.leave();
        let stream = match socket.get_ref() {
            MaybeTlsStream::Plain(stream) => Some(stream),
            MaybeTlsStream::Rustls(tls) => Some(tls.get_ref().0),
            _ => None,
        };
        if let Some(stream) = stream {
            // On a socket that is closed already this fails, and reading will show it.
            let _ = SockRef::from(stream).set_send_buffer_size(SEND_BUFFER);
        }
        self.state = State::Up(socket);
        self.up_since = Some(Instant::now());
    }

    fn go_down(&mut self, gone: Gone) -> BotEvent {
        self.leave();
        let lived = self.up_since.take().map(|since| since.elapsed());
        if lived.is_some_and(|lived| lived >= SETTLED) {
            self.pause = BACKOFF[0];
        }
        self.state = if self.shared.config.dial.is_some() {
            let until = Instant::now() + self.pause;
            self.pause = (self.pause * 2).min(BACKOFF[1]);
            State::Pausing(Box::pin(sleep_until(until)))
        } else {
            State::Awaited
        };
        BotEvent::Down(gone)
    }

    fn leave(&mut self) {
        self.queue.clear();
        self.unflushed = false;
        self.heard.clear();
        self.stuck_since = None;
        if let State::Dialling(task) = &self.state {
            task.abort();
        }
    }

    fn dial(&mut self) {
        if self.shared.config.dial.is_some() {
            let connecting = connect(self.id, Arc::clone(&self.shared));
            self.state = State::Dialling(tokio::spawn(connecting));
        }
    }
}

impl Drop for BotLink {
    fn drop(&mut self) {
        self.leave();
    }
}

async fn connect(id: CallId, shared: Arc<Shared>) -> Result<BotSocket, Gone> {
    let dial = shared.config.dial.as_ref().ok_or(Gone::Dialling)?;
    let failed = |error| Gone::Socket(Box::new(error));
    let id = id.to_string();
    let url = dial.url.replace("{uuid}", &id);
    let mut request = url.into_client_request().map_err(failed)?;
    for (name, value) in &dial.headers {
        // Both were tried when they were read.
        if let (Ok(name), Ok(value)) = (
            name.parse::<HeaderName>(),
            value.replace("{uuid}", &id).parse::<HeaderValue>(),
        ) {
            request.headers_mut().insert(name, value);
        }
    }
    let tls = shared
        .tls
        .clone()
        .map_or(Connector::Plain, Connector::Rustls);
    let connecting = connect_async_tls_with_config(request, Some(socket_config()), true, Some(tls));
    match timeout(dial.timeout, connecting).await {
        Ok(Ok((socket, _))) => Ok(socket),
        Ok(Err(error)) => Err(failed(error)),
        Err(_) => Err(Gone::Timeout(dial.timeout)),
    }
}
