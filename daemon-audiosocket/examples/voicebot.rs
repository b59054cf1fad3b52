//! Answers AudioSocket calls without a bot: says a tone, then repeats what the caller says.
//!
//! `cargo run -p daemon-audiosocket --example voicebot -- 127.0.0.1:9000`, and in a dialplan
//! `AudioSocket(${UUID()},127.0.0.1:9000)`. A thread per call; the library does the rest.

use std::error::Error;
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::time::{Duration, Instant};

use codecs::SampleRate;
use codecs::tone::{Generator, Tone};
use daemon_audiosocket::audiosocket::{Decoder, HANGUP, Message, encode_audio};
use media_core::voice::{
    AudioFormat, EnergyVad, FrameClock, Intake, Playout, PlayoutConfig, VadConfig, VadEvent,
};

const RATE: SampleRate = SampleRate::HZ_8000;

fn main() -> Result<(), Box<dyn Error>> {
    let address = std::env::args().nth(1);
    let address = address.unwrap_or_else(|| "127.0.0.1:9000".into());
    let listener = TcpListener::bind(&address)?;
    println!("answering calls on {}", listener.local_addr()?);
    for stream in listener.incoming() {
        let stream = stream?;
        std::thread::spawn(move || {
            let peer = stream.peer_addr();
            let end = answer(stream);
            println!("{peer:?}: {end:?}");
        });
    }
    Ok(())
}

pub(crate) fn answer(mut stream: TcpStream) -> Result<&'static str, Box<dyn Error + Send + Sync>> {
    stream.set_nodelay(true)?;
    let mut clock = FrameClock::start(Instant::now());
    let mut playout = Playout::new(PlayoutConfig::new(RATE));
    let mut intake = Intake::new(RATE);
    let mut vad = EnergyVad::new(VadConfig::default());
    let mut decoder = Decoder::default();
    let mut greeting = [0; 4000];
    let tone = Tone::sine(440.0, -10.0, Duration::from_millis(500));
    Generator::new(&tone, RATE)?.fill(&mut greeting);
    playout.push(Instant::now(), &greeting);
    let (mut bytes, mut frame, mut out) = ([0; 4096], [0; 160], Vec::new());
    loop {
        // Until the next frame is due, listen.
        let now = Instant::now();
        let wait = clock.deadline().saturating_duration_since(now);
        if !wait.is_zero() {
            stream.set_read_timeout(Some(wait))?;
            match stream.read(&mut bytes) {
                Ok(0) => return Ok("hung up"),
                Ok(read) => decoder.push(&bytes[..read]),
                Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
                Err(error) => return Err(error.into()),
            }
        }
        while let Some(message) = decoder.next_message()? {
            match message {
                Message::Audio { rate_hz, payload } => {
                    let format = AudioFormat::linear(rate_hz);
                    intake.push(format, payload, |said| {
                        // Whoever begins to speak interrupts the echo of what they said before.
                        if vad.process(said) == Some(VadEvent::Started) {
                            playout.flush(None);
                        }
                        playout.push(now, said);
                    })?;
                }
                Message::Dtmf('#') => {
                    stream.write_all(&HANGUP)?;
                    // Closed with bytes unread, the connection would be reset.
                    stream.shutdown(Shutdown::Write)?;
                    stream.set_read_timeout(Some(Duration::from_secs(1)))?;
                    while stream.read(&mut bytes).is_ok_and(|read| read > 0) {}
                    return Ok("ended by #");
                }
                Message::Hangup => return Ok("hung up"),
                other => println!("{other:?}"),
            }
        }
        out.clear();
        for _ in 0..clock.due(Instant::now()) {
            playout.pull(Instant::now(), &mut frame);
            encode_audio(RATE.get(), &frame, &mut out);
        }
        stream.write_all(&out)?;
    }
}
