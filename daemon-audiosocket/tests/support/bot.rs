//! A bot: Pipecat's wire on a WebSocket, driven by the test.

use std::net::SocketAddr;

use daemon_audiosocket::pipecat::frame::{Audio, Frame, decode, encode};
use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, accept_hdr_async, connect_async};

/// Where bots are dialled.
pub struct Bots {
    pub listener: TcpListener,
}

impl Bots {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        // So that a bot that does not read fills up soon.
        let socket = socket2::SockRef::from(&listener);
        socket.set_recv_buffer_size(32 * 1024).unwrap();
        Self { listener }
    }

    pub fn address(&self) -> SocketAddr {
        self.listener.local_addr().unwrap()
    }

    pub fn option(&self) -> String {
        format!("--bot-url=ws://{}/ws/{{uuid}}", self.address())
    }

    pub async fn accept(&self) -> Bot {
        self.try_accept().await.expect("a bot's connection")
    }

    /// The next connection; `None` if it is given up before a word is said.
    pub async fn try_accept(&self) -> Option<Bot> {
        let (stream, _) = self.listener.accept().await.unwrap();
        stream.set_nodelay(true).ok()?;
        let mut request = Default::default();
        #[expect(clippy::result_large_err, reason = "the library's type")]
        let note = |r: &Request, response: Response| -> Result<Response, ErrorResponse> {
            request = (r.uri().path().to_owned(), r.headers().clone());
            Ok(response)
        };
        let socket = accept_hdr_async(MaybeTlsStream::Plain(stream), note)
            .await
            .ok()?;
        let (path, headers) = request;
        let mut bot = Bot::new(socket);
        bot.path = path;
        bot.headers = headers;
        match bot.hear().await {
            Heard::Message(message) => assert_eq!(message["type"], "client-ready"),
            Heard::Audio => panic!("audio before a word"),
            Heard::Closed(_) => return None,
        }
        Some(bot)
    }
}

pub struct Bot {
    pub socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    pub path: String,
    pub headers: tokio_tungstenite::tungstenite::http::HeaderMap,
    /// Samples heard so far, and where the next begin.
    pub heard: Vec<i16>,
    pub next_pts: Option<u64>,
}

/// What a bot hears.
#[derive(Debug)]
pub enum Heard {
    Audio,
    Message(Value),
    Closed(Option<CloseFrame>),
}

impl Bot {
    fn new(socket: WebSocketStream<MaybeTlsStream<TcpStream>>) -> Self {
        Self {
            socket,
            path: String::new(),
            headers: Default::default(),
            heard: Vec::new(),
            next_pts: None,
        }
    }

    /// Dials the daemon.
    pub async fn dial(to: SocketAddr, path: &str) -> Self {
        let (socket, _) = connect_async(format!("ws://{to}{path}")).await.unwrap();
        Self::new(socket)
    }

    /// The next frame. Checks format and time stamps of audio.
    pub async fn hear(&mut self) -> Heard {
        loop {
            let bytes = match self.socket.next().await {
                Some(Ok(Message::Binary(bytes))) => bytes,
                Some(Ok(Message::Close(frame))) => return Heard::Closed(frame),
                Some(Ok(_)) => continue,
                Some(Err(_)) | None => return Heard::Closed(None),
            };
            match decode(&bytes).unwrap() {
                Frame::Audio(audio) => {
                    assert_eq!((audio.sample_rate_hz, audio.channels), (16_000, 1));
                    assert_eq!(audio.audio.len(), 640);
                    let pts = audio.pts_ns.unwrap();
                    if let Some(next) = self.next_pts {
                        assert!(
                            pts >= next && (pts - next) % 20_000_000 == 0,
                            "{pts} after {next}"
                        );
                    }
                    self.next_pts = Some(pts + 20_000_000);
                    let samples = audio.audio.as_chunks().0.iter();
                    self.heard.extend(samples.map(|b| i16::from_le_bytes(*b)));
                    return Heard::Audio;
                }
                Frame::Message { data } => {
                    return Heard::Message(serde_json::from_str(data).unwrap());
                }
                other => panic!("{other:?}"),
            }
        }
    }

    /// The next message, whatever is heard before it.
    pub async fn message(&mut self) -> Value {
        loop {
            match self.hear().await {
                Heard::Audio => {}
                Heard::Message(message) => return message,
                Heard::Closed(frame) => panic!("closed: {frame:?}"),
            }
        }
    }

    /// Hears this many frames.
    pub async fn hear_frames(&mut self, frames: usize) {
        for _ in 0..frames {
            match self.hear().await {
                Heard::Audio => {}
                other => panic!("{other:?}"),
            }
        }
    }

    /// The close frame, whatever is heard before it, and the last message.
    pub async fn wait_for_close(&mut self) -> (Option<CloseFrame>, Value) {
        let mut last = Value::Null;
        loop {
            match self.hear().await {
                Heard::Audio => {}
                Heard::Message(message) => last = message,
                Heard::Closed(frame) => return (frame, last),
            }
        }
    }

    pub async fn send(&mut self, frame: Frame<'_>) {
        let mut out = Vec::new();
        encode(&frame, &mut out);
        self.socket.send(Message::Binary(out.into())).await.unwrap();
    }

    pub async fn say(&mut self, rate: u32, channels: u32, samples: &[i16]) {
        let audio: Vec<u8> = samples.iter().flat_map(|s| s.to_le_bytes()).collect();
        let audio = Audio {
            audio: &audio,
            sample_rate_hz: rate,
            channels,
            pts_ns: None,
        };
        self.send(Frame::Audio(audio)).await;
    }

    pub async fn rtvi(&mut self, kind: &str, data: Value) {
        let document = json!({"label": "rtvi-ai", "type": kind, "id": "1", "data": data});
        let data = document.to_string();
        self.send(Frame::Message { data: &data }).await;
    }
}
