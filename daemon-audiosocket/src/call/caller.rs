//! A caller's connection: messages in, frames out, never waiting for either.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};

use crate::audiosocket::{Decoder, HANGUP, encode_audio};

/// Bytes read at a time.
const CHUNK: usize = 4096;
/// After our end the caller has this long to see it.
const GOODBYE: Duration = Duration::from_secs(1);

/// A caller.
pub(crate) struct Caller {
    stream: TcpStream,
    pub(crate) decoder: Decoder,
    chunk: Box<[u8]>,
    out: Vec<u8>,
    /// Bytes of `out` that have left.
    left: usize,
    stuck_since: Option<Instant>,
}

impl Caller {
    pub(crate) fn new(stream: TcpStream) -> Self {
        Self {
            stream,
            decoder: Decoder::default(),
            chunk: vec![0; CHUNK].into(),
            out: Vec::with_capacity(1024),
            left: 0,
            stuck_since: None,
        }
    }

    /// Waits for bytes and gives them to the decoder; false at the end of the stream. May be dropped at any time.
    pub(crate) async fn read(&mut self) -> io::Result<bool> {
        let read = self.stream.read(&mut self.chunk).await?;
        self.decoder.push(&self.chunk[..read]);
        Ok(read > 0)
    }

    /// Puts a frame behind those of this turn.
    pub(crate) fn put_frame(&mut self, rate_hz: u32, samples: &[i16]) {
        encode_audio(rate_hz, samples, &mut self.out);
    }

    /// Whether frames of before are still on their way: then there is no room for more.
    pub(crate) fn is_stuck(&self) -> bool {
        self.left < self.out.len()
    }

    /// How long that has been so.
    pub(crate) fn stuck_for(&self, now: Instant) -> Duration {
        self.stuck_since
            .map_or(Duration::ZERO, |since| now.saturating_duration_since(since))
    }

    /// Writes what there is, in one piece and without waiting.
    pub(crate) fn write(&mut self, now: Instant) -> io::Result<()> {
        while self.is_stuck() {
            match self.stream.try_write(&self.out[self.left..]) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => self.left += written,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.stuck_since.get_or_insert(now);
                    return Ok(());
                }
                Err(error) => return Err(error),
            }
        }
        self.out.clear();
        self.left = 0;
        self.stuck_since = None;
        Ok(())
    }

    /// Ends the call in good order: what is half-written, 0x00, end of file, and then waits for the caller's own. Closed
    /// with bytes unread, the kernel would send a reset, for which Asterisk drops the call.
    pub(crate) async fn hang_up(mut self) {
        let goodbye = async {
            let rest = self.out.split_off(self.left);
            self.stream.write_all(&rest).await?;
            self.stream.write_all(&HANGUP).await?;
            self.stream.shutdown().await?;
            while self.stream.read(&mut self.chunk).await? > 0 {}
            io::Result::Ok(())
        };
        let _ = timeout(GOODBYE, goodbye).await;
    }
}
