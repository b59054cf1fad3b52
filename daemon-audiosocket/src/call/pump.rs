//! The loop of a call.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use codecs::SampleRate;
use media_core::voice::{
    AudioFormat, Encoding, EnergyVad, FRAME, FrameClock, Intake, LawDetector, Playout,
    PlayoutConfig, PlayoutCounters, Pulled, Uplink, UplinkFrame, VadConfig, VadEvent, samples_in,
    wav,
};
use tokio::time::{Instant, sleep_until};
use tokio_tungstenite::tungstenite::Message as WsMessage;

use super::Shared;
use super::bot::{BotEvent, BotLink, BotSocket, Gone, SETTLED};
use super::caller::Caller;
use super::end::EndReason;
use super::functions::{Answer, Functions};
use crate::audiosocket::{CallId, Message};
use crate::calls::{Admitted, Control};
use crate::config::{CallerEncoding, DtmfStyle};
use crate::pipecat::frame::{self, Audio, Frame};
use crate::pipecat::rtvi::{self, FromBot, FunctionCall, ToBot};

/// The bot that our own detector interrupts has not noticed itself: what it says is not heard until it pauses for
/// this long, or begins anew.
const REFUSAL: Duration = Duration::from_millis(300);

/// Digits that are kept for a bot that is still to come; later ones are forgotten.
const MAX_EARLY_DIGITS: usize = 32;

/// What a call comes to.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Summary {
    pub(crate) frames_from_caller: u64,
    pub(crate) frames_to_caller: u64,
    pub(crate) frames_not_sent: u64,
    pub(crate) messages_not_sent: u64,
    pub(crate) bad_frames: u64,
    pub(crate) interruptions: u64,
    pub(crate) reconnects: u64,
    pub(crate) playout: PlayoutCounters,
}

/// A call at work.
pub(super) struct Pump {
    id: CallId,
    shared: Arc<Shared>,
    admitted: Admitted,
    caller: Caller,
    bot: BotLink,
    accepted: Instant,
    clock: FrameClock,
    uplink: Uplink,
    law: LawDetector,
    vad: EnergyVad,
    intake: Intake,
    playout: Playout,
    rate: SampleRate,
    frame: Box<[i16]>,
    heard_from: Instant,
    /// The caller has sent audio, so that the rate is settled.
    rate_known: bool,
    warned_of_law: bool,
    /// Since when there is a bot.
    with_bot: Option<Instant>,
    /// Since when there is no bot that stays.
    without_bot: Instant,
    had_bot: bool,
    had_audio: bool,
    /// When the caller stopped speaking, until the bot answers.
    turn: Option<Instant>,
    /// When the bot was interrupted, until the caller hears nothing of it.
    interrupted: Option<Instant>,
    /// The bot says itself when it is interrupted.
    bot_interrupts: bool,
    functions: Functions,
    /// Pressed while there is no bot.
    early_digits: Vec<char>,
    next_id: u64,
    summary: Summary,
    scratch: Vec<u8>,
}

enum Event {
    Tick,
    Control(Option<Control>),
    Caller(io::Result<bool>),
    Bot(BotEvent),
    Function(Answer),
}

impl Pump {
    pub(super) fn new(
        id: CallId,
        caller: Caller,
        admitted: Admitted,
        shared: Arc<Shared>,
        accepted: Instant,
    ) -> Self {
        let config = &shared.config;
        let now = Instant::now();
        let rate = config.caller_rate.unwrap_or(SampleRate::HZ_8000);
        let vad = VadConfig::default();
        Self {
            bot: BotLink::new(id, Arc::clone(&shared)),
            clock: FrameClock::start(now.into_std()),
            uplink: Uplink::new(now.into_std(), config.bot_rate),
            law: LawDetector::default(),
            vad: EnergyVad::new(vad),
            intake: Intake::new(rate),
            playout: playout(&shared, rate),
            rate,
            frame: vec![0; samples_in(FRAME, rate)].into(),
            heard_from: now,
            rate_known: config.caller_rate.is_some(),
            warned_of_law: false,
            with_bot: None,
            without_bot: now,
            had_bot: false,
            had_audio: false,
            turn: None,
            interrupted: None,
            bot_interrupts: false,
            functions: Functions::default(),
            early_digits: Vec::new(),
            next_id: 0,
            summary: Summary::default(),
            scratch: Vec::new(),
            id,
            shared,
            admitted,
            caller,
            accepted,
        }
    }

    /// Runs until there is a reason not to.
    pub(super) async fn run(&mut self) -> EndReason {
        let sleep = sleep_until(Instant::from_std(self.clock.deadline()));
        tokio::pin!(sleep);
        // Bytes that came with the UUID.
        if let Err(reason) = self.read_messages() {
            return reason;
        }
        loop {
            let event = tokio::select! {
                () = &mut sleep => Event::Tick,
                control = self.admitted.control.recv() => Event::Control(control),
                read = self.caller.read() => Event::Caller(read),
                event = self.bot.next() => Event::Bot(event),
                answer = self.functions.next(), if !self.functions.is_empty() => Event::Function(answer),
            };
            let handled = match event {
                Event::Tick => {
                    let handled = self.tick();
                    sleep
                        .as_mut()
                        .reset(Instant::from_std(self.clock.deadline()));
                    handled
                }
                Event::Control(Some(Control::End(reason))) => Err(reason),
                Event::Control(Some(Control::Bot(socket))) => {
                    self.attach(socket);
                    Ok(())
                }
                Event::Control(None) => Err(EndReason::Internal),
                Event::Caller(Ok(true)) => {
                    self.heard_from = Instant::now();
                    self.read_messages()
                }
                Event::Caller(Ok(false)) => Err(EndReason::CallerHungUp),
                Event::Caller(Err(error)) => Err(lost(&error)),
                Event::Bot(event) => self.bot_event(event),
                Event::Function(answer) => self.answered(&answer),
            };
            if let Err(reason) = handled {
                return reason;
            }
        }
    }

    /// Says goodbye on both sides.
    pub(super) async fn finish(mut self, reason: EndReason) -> Summary {
        let last = self.message(ToBot::DisconnectBot);
        let gone = matches!(reason, EndReason::CallerHungUp | EndReason::CallerLost);
        let to_caller = async {
            if !gone {
                self.caller.hang_up().await;
            }
        };
        self.summary.playout = self.playout.counters();
        self.summary.messages_not_sent = self.bot.dropped();
        tokio::join!(to_caller, self.bot.close(Some(last)));
        drop(self.admitted);
        self.summary
    }

    fn tick(&mut self) -> Result<(), EndReason> {
        let now = Instant::now();
        let late = now.saturating_duration_since(Instant::from_std(self.clock.deadline()));
        let owed = self.clock.due(now.into_std());
        if owed == 0 {
            return Ok(());
        }
        let shared = Arc::clone(&self.shared);
        shared.metrics.clock_error.observe(late);
        self.caller.write(now).map_err(|error| lost(&error))?;
        let room = !self.caller.is_stuck();
        for _ in 0..owed {
            let pulled = self.playout.pull(now.into_std(), &mut self.frame);
            self.pulled(now, pulled);
            if room {
                self.caller.put_frame(self.rate.get(), &self.frame);
            }
        }
        self.caller.write(now).map_err(|error| lost(&error))?;
        let state = &self.admitted.state;
        if room {
            if self.summary.frames_to_caller == 0 {
                shared.metrics.first_frame.observe(now - self.accepted);
            }
            self.summary.frames_to_caller += u64::from(owed);
            state
                .frames_to_caller
                .fetch_add(u64::from(owed), Ordering::Relaxed);
            shared.metrics.frames_to_callers.add(u64::from(owed));
        } else {
            self.summary.frames_not_sent += u64::from(owed);
        }
        let (bot, scratch, rate) = (&mut self.bot, &mut self.scratch, shared.config.bot_rate);
        self.uplink.tick(now.into_std(), |frame| {
            send_audio(bot, scratch, rate, &frame)
        });
        self.judge(now)
    }

    /// Notes what a frame was made of.
    fn pulled(&mut self, now: Instant, pulled: Pulled) {
        let (metrics, state) = (&self.shared.metrics, &self.admitted.state);
        if let Some(waited) = self.playout.waited() {
            metrics.bot_to_mouth.observe(waited);
            state.bot_to_mouth.store(millis(waited), Ordering::Relaxed);
        }
        if pulled == Pulled::Silence
            && let Some(since) = self.interrupted.take()
        {
            metrics.barge_in.observe(now - since);
        }
        let counters = self.playout.counters();
        for (counter, value) in [
            (&state.underruns, counters.underruns),
            (&state.overruns, counters.overruns),
            (&state.queued, millis(self.playout.queued())),
            (&state.messages_not_sent, self.bot.dropped()),
        ] {
            counter.store(value, Ordering::Relaxed);
        }
    }

    /// Whether anybody was patient for long enough.
    fn judge(&self, now: Instant) -> Result<(), EndReason> {
        let config = &self.shared.config;
        if self.caller.stuck_for(now) > config.stuck_timeout {
            return Err(EndReason::CallerStuck);
        }
        if now - self.heard_from > config.idle_timeout {
            return Err(EndReason::CallerIdle);
        }
        if config
            .max_duration
            .is_some_and(|most| now - self.accepted > most)
        {
            return Err(EndReason::MaxDuration);
        }
        if self.with_bot.is_none() && now - self.without_bot > config.bot_patience {
            return Err(if self.had_bot {
                EndReason::BotLost
            } else {
                EndReason::NoBot
            });
        }
        Ok(())
    }

    fn read_messages(&mut self) -> Result<(), EndReason> {
        let now = Instant::now();
        loop {
            match self.caller.decoder.next_message() {
                Ok(None) => return Ok(()),
                Ok(Some(Message::Audio { rate_hz, payload })) => {
                    if !self.rate_known {
                        self.rate_known = true;
                        if let Some(rate) = SampleRate::new(rate_hz).filter(|r| *r != self.rate) {
                            self.rate = rate;
                            self.frame = vec![0; samples_in(FRAME, rate)].into();
                            self.intake = Intake::new(rate);
                            self.playout = playout(&self.shared, rate);
                        }
                    }
                    let encoding = match self.shared.config.caller_encoding {
                        _ if rate_hz != 8000 => Encoding::Linear,
                        CallerEncoding::Is(encoding) => encoding,
                        CallerEncoding::Auto if payload.is_empty() => Encoding::Linear,
                        CallerEncoding::Auto => self.law.judge(payload),
                    };
                    if !self.warned_of_law && self.law.settled() == Some(Encoding::MuLaw) {
                        self.warned_of_law = true;
                        tracing::warn!(
                            uuid = %self.id,
                            "the caller sends µ-law as linear: read as µ-law; c(slin) in the dialplan cures it"
                        );
                    }
                    let format = AudioFormat {
                        encoding,
                        ..AudioFormat::linear(rate_hz)
                    };
                    let (bot, scratch, vad) = (&mut self.bot, &mut self.scratch, &mut self.vad);
                    let rate = self.shared.config.bot_rate;
                    let mut change = None;
                    let taken = self.uplink.push(now.into_std(), format, payload, |frame| {
                        change = vad.process(frame.samples).or(change);
                        send_audio(bot, scratch, rate, &frame);
                    });
                    self.summary.frames_from_caller += 1;
                    let counter = &self.admitted.state.frames_from_caller;
                    counter.fetch_add(1, Ordering::Relaxed);
                    self.shared.metrics.frames_from_callers.add(1);
                    taken.map_err(|_| EndReason::CallerProtocol)?;
                    self.speech(now, change);
                }
                Ok(Some(Message::Dtmf(digit))) => {
                    if self.bot.is_up() {
                        self.tell_digit(digit);
                    } else if self.early_digits.len() < MAX_EARLY_DIGITS {
                        self.early_digits.push(digit);
                    }
                }
                Ok(Some(Message::Hangup)) => return Err(EndReason::CallerHungUp),
                Ok(Some(Message::Error(flags))) if flags & 1 != 0 => {
                    return Err(EndReason::CallerHungUp);
                }
                Ok(Some(Message::Error(_))) => return Err(EndReason::CallerError),
                Ok(Some(Message::Uuid(_))) => return Err(EndReason::CallerProtocol),
                Err(error) => {
                    tracing::info!(uuid = %self.id, %error, "the caller does not speak AudioSocket");
                    return Err(EndReason::CallerProtocol);
                }
            }
        }
    }

    fn speech(&mut self, now: Instant, change: Option<VadEvent>) {
        match change {
            Some(VadEvent::Started) => {
                self.turn = None;
                if self.shared.config.vad {
                    self.interrupt(Some(REFUSAL));
                }
            }
            Some(VadEvent::Stopped) => {
                self.turn = now.checked_sub(VadConfig::default().hangover);
            }
            None => {}
        }
    }

    fn bot_event(&mut self, event: BotEvent) -> Result<(), EndReason> {
        match event {
            BotEvent::Up => {
                self.bot_is_here();
                Ok(())
            }
            BotEvent::Down(gone) => {
                self.admitted.state.has_bot.store(false, Ordering::Relaxed);
                self.functions.forget();
                let up = self.with_bot.take();
                if up.is_some() && matches!(gone, Gone::Closed) {
                    return Err(EndReason::BotHungUp);
                }
                self.shared.metrics.bot_failures.add(1);
                if let Some(since) = up {
                    tracing::warn!(uuid = %self.id, %gone, "bot lost");
                    if since.elapsed() >= SETTLED {
                        self.without_bot = Instant::now();
                    }
                } else {
                    tracing::debug!(uuid = %self.id, %gone, "no bot");
                }
                Ok(())
            }
            BotEvent::Frame(WsMessage::Binary(bytes)) => self.bot_frame(&bytes),
            BotEvent::Frame(WsMessage::Text(_)) => {
                self.summary.bad_frames += 1;
                Ok(())
            }
            BotEvent::Frame(_) => Ok(()),
        }
    }

    fn attach(&mut self, socket: Box<BotSocket>) {
        match self.bot.attach(socket) {
            Ok(()) => self.bot_is_here(),
            Err(socket) => {
                self.shared.metrics.bots_refused.add(1);
                tokio::spawn(crate::listen::bots::refuse(socket));
            }
        }
    }

    fn bot_is_here(&mut self) {
        if self.had_bot {
            self.summary.reconnects += 1;
            self.admitted
                .state
                .reconnects
                .fetch_add(1, Ordering::Relaxed);
            self.shared.metrics.reconnects.add(1);
        }
        self.had_bot = true;
        self.with_bot = Some(Instant::now());
        self.bot_interrupts = false;
        self.intake.reset();
        self.admitted.state.has_bot.store(true, Ordering::Relaxed);
        tracing::debug!(uuid = %self.id, "bot connected");
        self.tell(ToBot::ClientReady);
        for digit in std::mem::take(&mut self.early_digits) {
            self.tell_digit(digit);
        }
    }

    fn tell_digit(&mut self, digit: char) {
        self.tell(match self.shared.config.dtmf {
            DtmfStyle::Rtvi => ToBot::Dtmf(digit),
            DtmfStyle::ClientMessage => ToBot::DtmfMessage(digit),
        });
    }

    fn bot_frame(&mut self, bytes: &[u8]) -> Result<(), EndReason> {
        match frame::decode(bytes) {
            Ok(Frame::Audio(audio)) => self.bot_audio(&audio),
            Ok(Frame::Interruption) => self.interrupt(None),
            Ok(Frame::Text {
                text: "FLUSH_MEDIA",
            }) => self.interrupt(None),
            Ok(Frame::Message { data }) => return self.bot_message(data),
            Ok(Frame::Text { .. } | Frame::Transcription { .. } | Frame::Unknown) => {}
            Err(_) => self.summary.bad_frames += 1,
        }
        Ok(())
    }

    fn bot_audio(&mut self, audio: &Audio<'_>) {
        let now = Instant::now();
        if !self.had_audio {
            self.had_audio = true;
            let took = now - self.accepted;
            self.shared.metrics.first_audio.observe(took);
            let first = &self.admitted.state.first_audio;
            first.store(millis(took).max(1), Ordering::Relaxed);
        }
        if let Some(turn) = self.turn.take() {
            let took = now - turn;
            self.shared.metrics.turn_latency.observe(took);
            let latency = &self.admitted.state.turn_latency;
            latency.store(millis(took).max(1), Ordering::Relaxed);
        }
        let format = AudioFormat {
            channels: audio.channels,
            ..AudioFormat::linear(audio.sample_rate_hz)
        };
        let playout = &mut self.playout;
        let push = |samples: &[i16]| playout.push(now.into_std(), samples);
        if self
            .intake
            .push(format, wav::strip(audio.audio), push)
            .is_err()
        {
            self.summary.bad_frames += 1;
        }
    }

    fn bot_message(&mut self, data: &str) -> Result<(), EndReason> {
        match rtvi::parse(data) {
            Ok(FromBot::Interrupted) => self.interrupt(None),
            Ok(FromBot::StartedSpeaking) => self.playout.accept(),
            Ok(FromBot::Hangup) => return Err(EndReason::BotEndedCall),
            Ok(FromBot::FunctionCall(call)) => self.function_call(call),
            Ok(FromBot::Error { message, fatal }) => {
                tracing::warn!(uuid = %self.id, message, fatal, "the bot reports an error");
            }
            Ok(FromBot::UserStartedSpeaking) if !self.bot_interrupts => self.interrupt(None),
            Ok(FromBot::Ready { interrupts }) => self.bot_interrupts = interrupts,
            Ok(FromBot::UserStartedSpeaking | FromBot::StoppedSpeaking | FromBot::Other) => {}
            Err(_) => self.summary.bad_frames += 1,
        }
        Ok(())
    }

    fn function_call(&mut self, call: FunctionCall) {
        let name = call.function_name.clone();
        if self
            .functions
            .begin(self.id, call, self.shared.webhook.as_ref())
        {
            tracing::info!(uuid = %self.id, function = name, "function call");
            self.shared.metrics.functions.add(1);
            let functions = &self.admitted.state.functions;
            functions.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn answered(&mut self, answer: &Answer) -> Result<(), EndReason> {
        self.shared.metrics.function_time.observe(answer.took);
        if answer.failed {
            self.shared.metrics.functions_failed.add(1);
            let function = &answer.call.function_name;
            tracing::warn!(uuid = %self.id, function, result = %answer.result, "function failed");
        }
        if answer.wanted {
            self.tell(ToBot::FunctionResult {
                call: &answer.call,
                result: &answer.result,
            });
        }
        if answer.ends {
            return Err(EndReason::BotEndedCall);
        }
        Ok(())
    }

    fn interrupt(&mut self, refuse: Option<Duration>) {
        // Told twice, by an interruption and by RTVI, before the fade is over.
        let again = self.interrupted.is_some() && self.playout.queued().is_zero();
        if again || !self.playout.is_talking() {
            return;
        }
        let flushed = self.playout.flush(refuse);
        self.interrupted = Some(Instant::now());
        self.summary.interruptions += 1;
        self.admitted
            .state
            .interruptions
            .fetch_add(1, Ordering::Relaxed);
        self.tell(ToBot::PlaybackInterrupted {
            played: flushed.played,
            dropped: flushed.dropped,
        });
    }

    fn tell(&mut self, what: ToBot<'_>) {
        let message = self.message(what);
        self.bot.send(message);
    }

    fn message(&mut self, what: ToBot<'_>) -> WsMessage {
        let document = what.document(self.next_id);
        self.next_id += 1;
        let mut out = Vec::with_capacity(document.len() + 8);
        frame::encode(&Frame::Message { data: &document }, &mut out);
        WsMessage::Binary(out.into())
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

fn playout(shared: &Shared, sample_rate: SampleRate) -> Playout {
    let config = &shared.config;
    Playout::new(PlayoutConfig {
        sample_rate,
        target: config.playout_target,
        stall: config.playout_stall,
        cap: config.playout_cap,
        fade: config.playout_fade,
    })
}

/// Asterisk that hangs up with data unread resets the connection: that is how calls end.
fn lost(error: &io::Error) -> EndReason {
    match error.kind() {
        io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => EndReason::CallerHungUp,
        _ => EndReason::CallerLost,
    }
}

fn send_audio(bot: &mut BotLink, scratch: &mut Vec<u8>, rate: SampleRate, frame: &UplinkFrame<'_>) {
    if !bot.is_up() {
        return;
    }
    scratch.clear();
    scratch.extend(frame.samples.iter().flat_map(|s| s.to_le_bytes()));
    let mut out = Vec::with_capacity(scratch.len() + 32);
    let audio = Audio {
        audio: scratch,
        sample_rate_hz: rate.get(),
        channels: 1,
        pts_ns: u64::try_from(frame.pts.as_nanos()).ok(),
    };
    frame::encode(&Frame::Audio(audio), &mut out);
    bot.send_audio(WsMessage::Binary(out.into()), frame.since.into());
}
