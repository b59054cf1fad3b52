//! One call, shown live: a bot that talks, and a caller who interrupts it.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use codecs::SampleRate;
use codecs::tone::{Generator, Tone};
use daemon_audiosocket::audiosocket::{CallId, Decoder, Message, encode, encode_audio};
use futures_util::{SinkExt as _, StreamExt as _};
use media_core::voice::{EnergyVad, VadConfig, VadEvent};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, interval};
use tokio_tungstenite::accept_async;
use tokio_tungstenite::tungstenite::Message as WsMessage;

use super::bot::{RATE, heard, interruption, sound};
use super::link::is_loud;

/// The caller speaks for the last of so many seconds.
const TURN: u64 = 4;
const NOTES_HZ: [f64; 8] = [440.0, 494.0, 554.0, 587.0, 659.0, 740.0, 831.0, 880.0];

/// What both sides have seen of the present turn.
#[derive(Default)]
struct Turn {
    /// The caller began to speak.
    spoke: Option<Instant>,
    /// Its voice came to the bot.
    came: Option<Instant>,
    /// The bot's detector said so, and the bot told the bridge.
    told: Option<Instant>,
    /// The last that the caller heard of the bot.
    last: Option<Instant>,
    /// The bot spoke again.
    answered: Option<Instant>,
    /// It was heard.
    answer: Option<Instant>,
    frames: u32,
    latest: Duration,
}

type Shared = Arc<Mutex<Turn>>;

fn with<T>(turn: &Shared, f: impl FnOnce(&mut Turn) -> T) -> T {
    f(&mut turn.lock().unwrap_or_else(PoisonError::into_inner))
}

/// Makes the call.
pub(crate) async fn run(
    listener: TcpListener,
    bridge: SocketAddr,
    seconds: u64,
    wav: &Path,
) -> anyhow::Result<()> {
    let turn = Shared::default();
    let serving = Arc::clone(&turn);
    let bot = tokio::spawn(async move { talk(listener.accept().await?.0, &serving).await });
    let seconds = seconds.next_multiple_of(TURN);
    println!(
        "The bot plays a scale; every {TURN} s the caller speaks for a second, and the bot gives way."
    );
    println!("  mouth to bot  bot's detector  barge-in  bot to mouth  frames  latest frame");
    let samples = call(bridge, seconds, &turn).await?;
    bot.abort();
    let spec = hound::WavSpec {
        channels: 1,
        sample_rate: 8000,
        bits_per_sample: 16,
        sample_format: hound::SampleFormat::Int,
    };
    let mut writer = hound::WavWriter::create(wav, spec)?;
    for sample in &samples {
        writer.write_sample(*sample)?;
    }
    writer.finalize()?;
    println!("what the caller heard: {}", wav.display());
    Ok(())
}

/// Notes up and down, 40 ms at a time, until the caller speaks.
async fn talk(stream: TcpStream, turn: &Shared) -> anyhow::Result<()> {
    stream.set_nodelay(true)?;
    let (mut sink, mut source) = accept_async(stream).await?.split();
    let mut vad = EnergyVad::new(VadConfig::default());
    let mut clock = interval(Duration::from_millis(40));
    let (mut note, mut left) = (0, Vec::new());
    let mut quiet = false;
    loop {
        tokio::select! {
            _ = clock.tick() => {
                if quiet {
                    continue;
                }
                if left.is_empty() {
                    let tone = Tone::sine(NOTES_HZ[note % NOTES_HZ.len()], -12.0, Duration::from_millis(360));
                    left = vec![0; 16 * 400];
                    Generator::new(&tone, SampleRate::HZ_16000)?.fill(&mut left);
                    note += 1;
                }
                let chunk: Vec<i16> = left.drain(..640.min(left.len())).collect();
                with(turn, |turn| {
                    if turn.told.is_some() && turn.answered.is_none() {
                        turn.answered = Some(Instant::now());
                    }
                });
                sink.send(WsMessage::Binary(sound(RATE, &chunk))).await?;
            }
            message = source.next() => {
                let Some(message) = message else { return Ok(()) };
                let WsMessage::Binary(bytes) = message? else { continue };
                let Some(samples) = heard(&bytes) else { continue };
                let now = Instant::now();
                if is_loud(&samples) {
                    with(turn, |turn| _ = turn.came.get_or_insert(now));
                }
                match vad.process(&samples) {
                    Some(VadEvent::Started) => {
                        quiet = true;
                        (note, left) = (0, Vec::new());
                        sink.send(WsMessage::Binary(interruption())).await?;
                        with(turn, |turn| turn.told = Some(now));
                    }
                    Some(VadEvent::Stopped) => quiet = false,
                    None => {}
                }
            }
        }
    }
}

/// The caller; what it heard.
async fn call(bridge: SocketAddr, seconds: u64, turn: &Shared) -> anyhow::Result<Vec<i16>> {
    let mut stream = TcpStream::connect(bridge).await?;
    stream.set_nodelay(true)?;
    let mut out = Vec::new();
    encode(Message::Uuid(CallId::new([0xd0; 16])), &mut out);
    stream.write_all(&out).await?;
    let (mut reader, mut writer) = stream.into_split();
    let speaking = async {
        let mut clock = interval(Duration::from_millis(20));
        let mut voice = [0; 160];
        let tone = Tone::sine(250.0, -9.0, Duration::from_millis(20));
        Generator::new(&tone, SampleRate::HZ_8000)?.fill(&mut voice);
        for n in 0..seconds * 50 {
            clock.tick().await;
            let speaks = n / 50 % TURN == TURN - 2;
            if n > 0 && n % (TURN * 50) == 0 {
                with(turn, |turn| show(&std::mem::take(turn)));
            }
            if speaks {
                with(turn, |turn| _ = turn.spoke.get_or_insert(Instant::now()));
            }
            out.clear();
            encode_audio(8000, if speaks { &voice } else { &[0; 160] }, &mut out);
            writer.write_all(&out).await?;
        }
        out.clear();
        encode(Message::Hangup, &mut out);
        writer.write_all(&out).await?;
        with(turn, |turn| show(&std::mem::take(turn)));
        anyhow::Ok(())
    };
    let mut heard = Vec::new();
    let listening = async {
        let mut decoder = Decoder::default();
        let mut buffer = vec![0; 4096];
        let (mut before, mut at) = (None, Instant::now());
        loop {
            let read = reader.read(&mut buffer).await?;
            anyhow::ensure!(read > 0, "the bridge hung up");
            decoder.push(&buffer[..read]);
            while let Some(message) = decoder.next_message()? {
                let Message::Audio { payload, .. } = message else {
                    anyhow::bail!("the bridge hung up");
                };
                let pairs = payload.as_chunks().0.iter();
                let samples: Vec<i16> = pairs.map(|pair| i16::from_le_bytes(*pair)).collect();
                let now = Instant::now();
                with(turn, |turn| {
                    turn.frames += 1;
                    if before.is_some() {
                        let due = at + Duration::from_millis(20);
                        turn.latest = turn.latest.max(now.saturating_duration_since(due));
                        at = due.min(now);
                    }
                    if is_loud(&samples) {
                        if turn.answered.is_none() {
                            turn.last = Some(now);
                        } else {
                            turn.answer.get_or_insert(now);
                        }
                    }
                });
                if before.replace(()).is_none() {
                    at = now;
                }
                heard.extend(samples);
            }
        }
        #[expect(unreachable_code, reason = "says what the loop's errors are")]
        anyhow::Ok(())
    };
    tokio::select! {
        spoken = speaking => spoken?,
        ended = listening => ended?,
    }
    Ok(heard)
}

fn show(turn: &Turn) {
    let ms = |from: Option<Instant>, to: Option<Instant>| match (from, to) {
        (Some(from), Some(to)) => {
            format!(
                "{:.1} ms",
                to.saturating_duration_since(from).as_secs_f64() * 1e3
            )
        }
        _ => "–".to_owned(),
    };
    println!(
        "  {:>12}  {:>14}  {:>8}  {:>12}  {:>6}  {:>9.1} ms",
        ms(turn.spoke, turn.came),
        ms(turn.came, turn.told),
        ms(turn.told, turn.last),
        ms(turn.answered, turn.answer),
        turn.frames,
        turn.latest.as_secs_f64() * 1e3,
    );
}
