//! A caller: says a frame every 20 ms, and notes when frames come.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use daemon_audiosocket::audiosocket::{CallId, Decoder, Message, encode, encode_audio};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::time::{Instant, MissedTickBehavior, interval};

use super::link::{LOUD, Link, is_loud, tone};

const RATE: u32 = 8000;
const FRAME: usize = 160;
const PERIOD: Duration = Duration::from_millis(20);

/// A call until it ends.
pub(crate) async fn call(to: SocketAddr, link: Arc<Link>) -> anyhow::Result<()> {
    let begin = Instant::now();
    let stream = TcpStream::connect(to).await?;
    stream.set_nodelay(true)?;
    let (reader, mut writer) = stream.into_split();
    let mut uuid = Vec::new();
    let number = u128::try_from(link.number)?;
    encode(Message::Uuid(CallId::new(number.to_be_bytes())), &mut uuid);
    writer.write_all(&uuid).await?;
    let listening = listen(reader, begin, Arc::clone(&link));
    let ended = tokio::select! {
        ended = listening => ended,
        ended = speak(writer, Arc::clone(&link)) => ended,
    };
    link.measured.lost.fetch_add(1, Ordering::Relaxed);
    ended
}

/// A frame every 20 ms: a murmur, and once a second, if times are taken, something loud.
async fn speak(mut writer: OwnedWriteHalf, link: Arc<Link>) -> anyhow::Result<()> {
    let mut murmur = Vec::new();
    encode_audio(RATE, &tone(8000, FRAME, 100), &mut murmur);
    let mut loud = Vec::new();
    encode_audio(RATE, &tone(8000, FRAME, 6000), &mut loud);
    let mut clock = interval(PERIOD);
    clock.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let mut n = link.number;
    loop {
        clock.tick().await;
        n += 1;
        let speaks = n.is_multiple_of(50) && link.measured.on.load(Ordering::Relaxed);
        if speaks && !link.barge_in.load(Ordering::Relaxed) {
            link.up.set(Instant::now());
            writer.write_all(&loud).await?;
        } else {
            writer.write_all(&murmur).await?;
        }
    }
}

async fn listen(mut reader: OwnedReadHalf, begin: Instant, link: Arc<Link>) -> anyhow::Result<()> {
    let mut decoder = Decoder::default();
    let mut buffer = vec![0; 8192];
    let mut frames = 0_u64;
    let mut arrivals: Vec<f64> = Vec::new();
    let mut since = begin;
    let mut ear = Ear::default();
    loop {
        let read = reader.read(&mut buffer).await?;
        let now = Instant::now();
        anyhow::ensure!(read > 0, "hung up");
        decoder.push(&buffer[..read]);
        while let Some(message) = decoder.next_message()? {
            let Message::Audio { payload, .. } = message else {
                anyhow::bail!("hung up");
            };
            if frames == 0 {
                link.measured.first_frame.add(now - begin);
            }
            frames += 1;
            if link.measured.on.load(Ordering::Relaxed) {
                link.measured.frames.fetch_add(1, Ordering::Relaxed);
                if arrivals.is_empty() {
                    since = now;
                }
                arrivals.push((now - since).as_secs_f64());
            } else if !arrivals.is_empty() {
                judge(&arrivals, &link);
                arrivals.clear();
            }
            // Looking costs time: only while something is on its way.
            let interrupts = link.barge_in.load(Ordering::Relaxed);
            if !interrupts && link.down.get().is_none() {
                continue;
            }
            let samples: Vec<i16> = payload
                .as_chunks()
                .0
                .iter()
                .map(|pair| i16::from_le_bytes(*pair))
                .collect();
            ear.hear(&samples, now, &link);
        }
    }
}

/// How far each frame was from a grid of 20 ms, laid so that half of them are early and half are late.
fn judge(arrivals: &[f64], link: &Link) {
    let offset = |(n, at): (usize, &f64)| at - n as f64 * PERIOD.as_secs_f64();
    let offsets: Vec<f64> = arrivals.iter().enumerate().map(offset).collect();
    let mut sorted = offsets.clone();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted[sorted.len() / 2];
    for offset in offsets {
        let error = Duration::from_secs_f64((offset - middle).abs());
        link.measured.clock_error.add(error);
    }
}

/// What is waited for in the sound.
#[derive(Default)]
struct Ear {
    /// When the last loud sample is over.
    last_loud: Option<Instant>,
    quiet: u32,
}

impl Ear {
    fn hear(&mut self, samples: &[i16], now: Instant, link: &Link) {
        let loud = is_loud(samples);
        if loud && let Some(sent) = link.down.take() {
            link.measured.downlink.add(now - sent);
        }
        if loud {
            let last = samples.iter().rposition(|s| s.unsigned_abs() > LOUD);
            let into = u64::try_from(last.unwrap_or(0) + 1).unwrap_or(0) * 125;
            self.last_loud = Some(now + Duration::from_micros(into));
            self.quiet = 0;
            return;
        }
        self.quiet += 1;
        // Before the bot goes on there are three times as many.
        if self.quiet >= 8
            && let Some(last) = self.last_loud
            && let Some(interrupted) = link.interrupted.take()
        {
            let rest = last.saturating_duration_since(interrupted);
            link.measured.barge_in.add(rest);
        }
    }
}
