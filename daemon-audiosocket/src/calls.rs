//! All calls: who may come in, which bot belongs to whom, who is there.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde::Serialize;
use tokio::sync::{Notify, mpsc, oneshot};

use crate::audiosocket::CallId;
use crate::call::bot::BotSocket;
use crate::call::end::EndReason;
use crate::config::LimitsConfig;

/// How long an announcement holds.
const ANNOUNCED: Duration = Duration::from_secs(60);
/// Announcements and waiting bots at a time.
const MAX_EXPECTED: usize = 100_000;

/// The calls.
pub struct Calls {
    limits: LimitsConfig,
    table: Mutex<Table>,
    draining: AtomicBool,
    /// Told whenever a call has ended.
    ended: Notify,
}

#[derive(Default)]
struct Table {
    live: HashMap<CallId, Entry>,
    pending: usize,
    announced: HashMap<CallId, Instant>,
    waiting: HashMap<CallId, WaitingBot>,
    next_waiting: u64,
}

struct Entry {
    peer: SocketAddr,
    since: Instant,
    state: Arc<CallState>,
    control: mpsc::Sender<Control>,
}

struct WaitingBot {
    serial: u64,
    handed_over: oneshot::Sender<mpsc::Sender<Control>>,
}

/// What a call is told from outside.
pub(crate) enum Control {
    /// To end.
    End(EndReason),
    /// That its bot is here.
    Bot(Box<BotSocket>),
}

/// What others may see of a call.
#[derive(Debug, Default)]
pub(crate) struct CallState {
    /// A bot is connected.
    pub(crate) has_bot: AtomicBool,
    pub(crate) frames_from_caller: AtomicU64,
    pub(crate) frames_to_caller: AtomicU64,
    pub(crate) interruptions: AtomicU64,
    pub(crate) reconnects: AtomicU64,
    pub(crate) underruns: AtomicU64,
    pub(crate) overruns: AtomicU64,
    pub(crate) functions: AtomicU64,
    pub(crate) messages_not_sent: AtomicU64,
    /// Milliseconds, all of these; 0 if there was none.
    pub(crate) queued: AtomicU64,
    pub(crate) bot_to_mouth: AtomicU64,
    pub(crate) first_audio: AtomicU64,
    pub(crate) turn_latency: AtomicU64,
}

/// A call as it is listed.
#[derive(Debug, Serialize)]
pub struct CallView {
    /// Its UUID.
    pub uuid: String,
    /// Where its caller is.
    pub caller: SocketAddr,
    /// Its age.
    pub seconds: f64,
    /// Its bot is connected.
    pub has_bot: bool,
    /// Frames of 20 ms that the caller sent.
    pub frames_from_caller: u64,
    /// Frames of 20 ms that it was sent.
    pub frames_to_caller: u64,
    /// Times that the bot was interrupted.
    pub interruptions: u64,
    /// Times that the bot came back.
    pub reconnects: u64,
    /// Pauses in the bot's talk for want of samples.
    pub underruns: u64,
    /// Times that talk was left out as too much came.
    pub overruns: u64,
    /// Functions that the bot called.
    pub functions: u64,
    /// Messages left out as the bot read none.
    pub messages_not_sent: u64,
    /// Talk that is queued, milliseconds.
    pub queued_ms: u64,
    /// How long the talk waited that is played, milliseconds.
    pub bot_to_mouth_ms: u64,
    /// From the caller's connection to the bot's first audio, milliseconds; 0 if there was none.
    pub first_audio_ms: u64,
    /// From the end of the caller's speech to the bot's answer, of the last turn, milliseconds; 0 if there was none.
    pub turn_latency_ms: u64,
}

/// A connection that has not said which call it is.
pub(crate) struct Pending(Arc<Calls>);

impl Drop for Pending {
    fn drop(&mut self) {
        self.0.table().pending -= 1;
    }
}

/// A call in the table; dropped, it is out of it.
pub(crate) struct Admitted {
    calls: Arc<Calls>,
    id: CallId,
    pub(crate) state: Arc<CallState>,
    pub(crate) control: mpsc::Receiver<Control>,
}

impl Drop for Admitted {
    fn drop(&mut self) {
        self.calls.table().live.remove(&self.id);
        self.calls.ended.notify_waiters();
    }
}

/// What becomes of a bot that dials in.
pub(crate) enum BotPlace {
    /// Its call is there.
    Call(mpsc::Sender<Control>),
    /// Its call may come; dropped, it is not waited for any more.
    Wait(Waiting),
    /// The call has a bot, or another waits for it.
    Taken,
    /// No more bots can wait.
    Full,
}

/// A bot waiting for its call.
pub(crate) struct Waiting {
    calls: Arc<Calls>,
    id: CallId,
    serial: u64,
    pub(crate) call: oneshot::Receiver<mpsc::Sender<Control>>,
}

impl Drop for Waiting {
    fn drop(&mut self) {
        let mut table = self.calls.table();
        if table
            .waiting
            .get(&self.id)
            .is_some_and(|w| w.serial == self.serial)
        {
            table.waiting.remove(&self.id);
        }
    }
}

impl Calls {
    /// None yet.
    #[must_use]
    pub fn new(limits: LimitsConfig) -> Self {
        Self {
            limits,
            table: Mutex::default(),
            draining: AtomicBool::new(false),
            ended: Notify::new(),
        }
    }

    /// Takes a connection in; it has to say which call it is.
    pub(crate) fn connect(self: &Arc<Self>) -> Result<Pending, EndReason> {
        if self.is_draining() {
            return Err(EndReason::Draining);
        }
        let mut table = self.table();
        if table.pending >= self.limits.max_pending {
            return Err(EndReason::TooManyCalls);
        }
        table.pending += 1;
        Ok(Pending(Arc::clone(self)))
    }

    /// Makes a call of it.
    pub(crate) fn admit(
        self: &Arc<Self>,
        now: Instant,
        id: CallId,
        peer: SocketAddr,
    ) -> Result<Admitted, EndReason> {
        if self.is_draining() {
            return Err(EndReason::Draining);
        }
        let mut table = self.table();
        if table.live.contains_key(&id) {
            return Err(EndReason::DuplicateUuid);
        }
        let announced = table.announced.remove(&id);
        let announced = announced.is_some_and(|at| now.saturating_duration_since(at) < ANNOUNCED);
        if self.limits.announced_only && !announced {
            return Err(EndReason::UnknownUuid);
        }
        if table.live.len() >= self.limits.max_calls {
            return Err(EndReason::TooManyCalls);
        }
        let (sender, control) = mpsc::channel(4);
        if let Some(waiting) = table.waiting.remove(&id) {
            // An error means that the bot has gone in this very moment.
            let _ = waiting.handed_over.send(sender.clone());
        }
        let state = Arc::new(CallState::default());
        let entry = Entry {
            peer,
            since: now,
            state: Arc::clone(&state),
            control: sender,
        };
        table.live.insert(id, entry);
        Ok(Admitted {
            calls: Arc::clone(self),
            id,
            state,
            control,
        })
    }

    /// Says that a call will come; false if too many were.
    pub(crate) fn announce(&self, now: Instant, id: CallId) -> bool {
        let mut table = self.table();
        if table.announced.len() >= MAX_EXPECTED {
            table
                .announced
                .retain(|_, at| now.saturating_duration_since(*at) < ANNOUNCED);
        }
        let fits = table.announced.len() < MAX_EXPECTED;
        if fits {
            table.announced.insert(id, now);
        }
        fits
    }

    /// Finds the place of a bot that dials in for a call.
    pub(crate) fn place_bot(self: &Arc<Self>, id: CallId) -> BotPlace {
        let mut table = self.table();
        if let Some(entry) = table.live.get(&id) {
            return if entry.state.has_bot.load(Ordering::Relaxed) {
                BotPlace::Taken
            } else {
                BotPlace::Call(entry.control.clone())
            };
        }
        if table.waiting.contains_key(&id) {
            return BotPlace::Taken;
        }
        if table.waiting.len() >= self.limits.max_calls.min(MAX_EXPECTED) {
            return BotPlace::Full;
        }
        let (handed_over, call) = oneshot::channel();
        let serial = table.next_waiting;
        table.next_waiting += 1;
        table.waiting.insert(
            id,
            WaitingBot {
                serial,
                handed_over,
            },
        );
        BotPlace::Wait(Waiting {
            calls: Arc::clone(self),
            id,
            serial,
            call,
        })
    }

    /// Ends a call; false if there is none.
    pub(crate) fn end(&self, id: CallId, reason: EndReason) -> bool {
        let table = self.table();
        // A full queue means that it is being told already.
        let told = table
            .live
            .get(&id)
            .map(|e| e.control.try_send(Control::End(reason)));
        told.is_some()
    }

    /// Refuses new calls from now on.
    pub(crate) fn drain(&self) {
        self.draining.store(true, Ordering::Relaxed);
    }

    /// Whether new calls are refused.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Relaxed)
    }

    /// Whether there is room for a call.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.len() >= self.limits.max_calls
    }

    /// Waits until there are no calls.
    pub(crate) async fn wait_until_empty(&self) {
        loop {
            let ended = self.ended.notified();
            tokio::pin!(ended);
            ended.as_mut().enable();
            if self.is_empty() {
                return;
            }
            ended.await;
        }
    }

    /// Ends all of them.
    pub(crate) fn end_all(&self, reason: EndReason) {
        for entry in self.table().live.values() {
            let _ = entry.control.try_send(Control::End(reason));
        }
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.table().live.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Connections that have not yet said which call they are.
    #[must_use]
    pub fn pending(&self) -> usize {
        self.table().pending
    }

    /// One of them, or all.
    pub(crate) fn list(&self, now: Instant, only: Option<CallId>) -> Vec<CallView> {
        let table = self.table();
        let wanted = |(id, _): &(&CallId, &Entry)| only.is_none_or(|only| only == **id);
        let views = table.live.iter().filter(wanted).map(|(id, entry)| {
            let of = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
            let state = &entry.state;
            CallView {
                uuid: id.to_string(),
                caller: entry.peer,
                seconds: now.saturating_duration_since(entry.since).as_secs_f64(),
                has_bot: state.has_bot.load(Ordering::Relaxed),
                frames_from_caller: of(&state.frames_from_caller),
                frames_to_caller: of(&state.frames_to_caller),
                interruptions: of(&state.interruptions),
                reconnects: of(&state.reconnects),
                underruns: of(&state.underruns),
                overruns: of(&state.overruns),
                functions: of(&state.functions),
                messages_not_sent: of(&state.messages_not_sent),
                queued_ms: of(&state.queued),
                bot_to_mouth_ms: of(&state.bot_to_mouth),
                first_audio_ms: of(&state.first_audio),
                turn_latency_ms: of(&state.turn_latency),
            }
        });
        views.collect()
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn calls(change: impl FnOnce(&mut LimitsConfig)) -> Arc<Calls> {
        let mut limits = LimitsConfig {
            max_calls: 2,
            max_pending: 2,
            announced_only: false,
        };
        change(&mut limits);
        Arc::new(Calls::new(limits))
    }

    fn admit(calls: &Arc<Calls>, n: u8) -> Result<Admitted, EndReason> {
        let peer = "127.0.0.1:1".parse().unwrap();
        calls.admit(Instant::now(), CallId::new([n; 16]), peer)
    }

    #[test]
    fn refusals_have_their_reasons() {
        let calls = calls(|_| ());
        let first = admit(&calls, 1).unwrap();
        assert_eq!(admit(&calls, 1).err(), Some(EndReason::DuplicateUuid));
        let second = admit(&calls, 2).unwrap();
        assert_eq!(admit(&calls, 3).err(), Some(EndReason::TooManyCalls));
        drop(first);
        let again = admit(&calls, 1).unwrap();
        drop((again, second));
        calls.drain();
        assert_eq!(admit(&calls, 4).err(), Some(EndReason::Draining));
        assert_eq!(calls.connect().err(), Some(EndReason::Draining));
        assert!(calls.is_empty());
    }

    #[test]
    fn connections_without_a_uuid_are_limited() {
        let calls = calls(|_| ());
        let one = calls.connect().ok().unwrap();
        let _two = calls.connect().ok().unwrap();
        assert_eq!(calls.connect().err(), Some(EndReason::TooManyCalls));
        drop(one);
        assert!(calls.connect().is_ok());
    }

    #[test]
    fn announced_calls_alone_come_in_and_once() {
        let calls = calls(|limits| limits.announced_only = true);
        assert_eq!(admit(&calls, 1).err(), Some(EndReason::UnknownUuid));
        assert!(calls.announce(Instant::now(), CallId::new([1; 16])));
        drop(admit(&calls, 1).unwrap());
        assert_eq!(admit(&calls, 1).err(), Some(EndReason::UnknownUuid));
    }

    #[test]
    fn bots_find_their_calls_and_calls_their_bots() {
        let calls = calls(|_| ());
        let id = CallId::new([1; 16]);
        let BotPlace::Wait(mut waiting) = calls.place_bot(id) else {
            panic!("there is no call yet");
        };
        assert!(matches!(calls.place_bot(id), BotPlace::Taken));
        let call = admit(&calls, 1).unwrap();
        assert!(waiting.call.try_recv().is_ok());
        drop(waiting);
        assert!(matches!(calls.place_bot(id), BotPlace::Call(_)));
        call.state.has_bot.store(true, Ordering::Relaxed);
        assert!(matches!(calls.place_bot(id), BotPlace::Taken));
        let other = CallId::new([2; 16]);
        drop(calls.place_bot(other));
        assert!(
            matches!(calls.place_bot(other), BotPlace::Wait(_)),
            "gone, it is not waited for"
        );
    }
}
