//! A bot as Pipecat's transports are one: 40 ms of sound every 40 ms.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use daemon_audiosocket::pipecat::frame::{Audio, Frame, decode, encode};
use futures_util::{SinkExt as _, StreamExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, MissedTickBehavior, interval};
use tokio_tungstenite::accept_hdr_async_with_config;
use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Bytes, Message};

use super::link::{Link, is_loud, tone};

pub(crate) const RATE: u32 = 16_000;
const CHUNK: Duration = Duration::from_millis(40);

/// Serves the bots of these calls for ever.
pub(crate) async fn serve(listener: TcpListener, links: Arc<Vec<Arc<Link>>>) {
    while let Ok((stream, _)) = listener.accept().await {
        let links = Arc::clone(&links);
        tokio::spawn(async move {
            // How a call ends is its caller's to tell.
            let _ = talk(stream, &links).await;
        });
    }
}

/// The samples of a frame of sound, encoded.
pub(crate) fn sound(rate: u32, samples: &[i16]) -> Bytes {
    let bytes: Vec<u8> = samples.iter().flat_map(|s| s.to_le_bytes()).collect();
    let mut out = Vec::new();
    let audio = Audio {
        audio: &bytes,
        sample_rate_hz: rate,
        channels: 1,
        pts_ns: None,
    };
    encode(&Frame::Audio(audio), &mut out);
    out.into()
}

pub(crate) fn interruption() -> Bytes {
    let mut out = Vec::new();
    encode(&Frame::Interruption, &mut out);
    out.into()
}

/// The samples of a frame, if it is one of sound.
pub(crate) fn heard(message: &[u8]) -> Option<Vec<i16>> {
    let Ok(Frame::Audio(audio)) = decode(message) else {
        return None;
    };
    let pairs = audio.audio.as_chunks().0.iter();
    Some(pairs.map(|pair| i16::from_le_bytes(*pair)).collect())
}

async fn talk(stream: TcpStream, links: &[Arc<Link>]) -> anyhow::Result<()> {
    stream.set_nodelay(true)?;
    let mut path = String::new();
    #[expect(clippy::result_large_err, reason = "the library's type")]
    let note = |request: &Request, response: Response| -> Result<Response, ErrorResponse> {
        request.uri().path().clone_into(&mut path);
        Ok(response)
    };
    // The default of 128 KiB is cleared at each read.
    let config = WebSocketConfig::default().read_buffer_size(2048);
    let socket = accept_hdr_async_with_config(stream, note, Some(config)).await?;
    let (mut sink, mut source) = socket.split();
    // The number is the UUID's.
    let number = path.rsplit('/').next().unwrap_or_default().replace('-', "");
    let number = usize::from_str_radix(&number, 16)?;
    let link = links
        .get(number)
        .ok_or_else(|| anyhow::anyhow!("no such call"))?;

    let samples = usize::try_from(RATE)? / 25;
    let murmur = sound(RATE, &tone(16_000, samples, 100));
    let loud = sound(RATE, &tone(16_000, samples, 6000));
    let speaking = async {
        let mut clock = interval(CHUNK);
        clock.set_missed_tick_behavior(MissedTickBehavior::Burst);
        let mut n = link.number;
        loop {
            clock.tick().await;
            n += 1;
            if link.barge_in.load(Ordering::Relaxed) {
                // Two seconds of talk, an interruption, a second of silence.
                match n % 75 {
                    0..50 => sink.send(Message::Binary(loud.clone())).await?,
                    50 => {
                        // Somewhere between two chunks, as speech begins when it likes.
                        let phase = u64::try_from(link.number * 7 % 39)?;
                        tokio::time::sleep(Duration::from_millis(phase)).await;
                        link.interrupted.set(Instant::now());
                        sink.send(Message::Binary(interruption())).await?;
                    }
                    _ => {}
                }
            } else if n % 25 == 0 && link.measured.on.load(Ordering::Relaxed) {
                link.down.set(Instant::now());
                sink.send(Message::Binary(loud.clone())).await?;
            } else {
                sink.send(Message::Binary(murmur.clone())).await?;
            }
        }
        #[expect(unreachable_code, reason = "says what the loop's errors are")]
        anyhow::Ok(())
    };
    let listening = async {
        while let Some(message) = source.next().await {
            let now = Instant::now();
            // Looking costs time: only while something is on its way.
            if let Message::Binary(bytes) = message?
                && link.up.get().is_some()
                && heard(&bytes).is_some_and(|samples| is_loud(&samples))
                && let Some(sent) = link.up.take()
            {
                link.measured.uplink.add(now - sent);
            }
        }
        anyhow::Ok(())
    };
    tokio::select! {
        ended = speaking => ended,
        ended = listening => ended,
    }
}
