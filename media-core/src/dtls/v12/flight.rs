//! What we send: flights of messages, again and again until the peer answers (RFC 6347 §4.2.4).

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::wire::dtls::{
    ALERT, CHANGE_CIPHER_SPEC, DTLS_1_2, HANDSHAKE, HANDSHAKE_HEADER_LEN, RECORD_HEADER_LEN,
};

use super::record::{Cipher, EPOCH, OVERHEAD};

/// Longest time between two attempts.
const MAX_RTO: Duration = Duration::from_secs(4);
/// Least time between two answers to a peer that repeats itself, and how many there are to one flight:
/// a forger must not make us send more than it does.
const REPEAT_SPACING: Duration = Duration::from_millis(50);
const MAX_REPEATS: u32 = 20;
/// A fragment shorter than this is not worth its header, unless it is the last.
const MIN_FRAGMENT: usize = 32;
const FATAL: u8 = 2;
const WARNING: u8 = 1;

/// A message, or the ChangeCipherSpec between two.
struct Item {
    epoch: u16,
    content_type: u8,
    /// Type and number of a handshake message.
    message: Option<(u8, u16)>,
    body: Vec<u8>,
}

/// The flight that the peer has not answered yet, and the records it travels in.
pub(super) struct Flight {
    items: Vec<Item>,
    cipher: Option<Cipher>,
    /// A ChangeCipherSpec has gone out, so that the peer expects protection.
    is_protected: bool,
    /// Next record's number, by epoch.
    sequence: [u64; 2],
    mtu: usize,
    first_rto: Duration,
    rto: Duration,
    timer: Option<Instant>,
    last_sent: Option<Instant>,
    repeats: u32,
    /// How often it was sent again without being asked, and how often it may be.
    unasked: u32,
    max_unasked: u32,
    out: VecDeque<Vec<u8>>,
}

impl Flight {
    pub(super) fn new(mtu: usize, first_rto: Duration, max_unasked: u32) -> Self {
        Self {
            items: Vec::new(),
            cipher: None,
            is_protected: false,
            sequence: [0; 2],
            mtu,
            first_rto,
            rto: first_rto,
            timer: None,
            last_sent: None,
            repeats: 0,
            unasked: 0,
            max_unasked,
            out: VecDeque::new(),
        }
    }

    /// The key for what comes behind the next ChangeCipherSpec.
    pub(super) fn set_cipher(&mut self, cipher: Cipher) {
        self.cipher = Some(cipher);
    }

    /// The peer has answered all of the flight before.
    pub(super) fn begin(&mut self) {
        self.items.clear();
        self.timer = None;
        self.repeats = 0;
        self.unasked = 0;
        self.rto = self.first_rto;
    }

    pub(super) fn message(&mut self, epoch: u16, kind: u8, seq: u16, body: Vec<u8>) {
        self.items.push(Item {
            epoch,
            content_type: HANDSHAKE,
            message: Some((kind, seq)),
            body,
        });
    }

    pub(super) fn change_cipher_spec(&mut self) {
        self.is_protected = true;
        self.items.push(Item {
            epoch: 0,
            content_type: CHANGE_CIPHER_SPEC,
            message: None,
            body: vec![1],
        });
    }

    /// Sends the flight; where an answer is due, again after a while.
    pub(super) fn send(&mut self, now: Instant, wants_answer: bool) {
        self.transmit(now);
        self.timer = wants_answer.then(|| now + self.rto);
    }

    /// Sends it again if its time has come.
    pub(super) fn handle_timeout(&mut self, now: Instant) {
        if self.timer.is_none_or(|at| at > now) {
            return;
        }
        if self.unasked >= self.max_unasked {
            self.timer = None;
        } else {
            self.unasked += 1;
            self.rto = (self.rto * 2).min(MAX_RTO);
            self.send(now, true);
        }
    }

    /// The peer sends again what this flight answered: it has got lost.
    pub(super) fn repeat(&mut self, now: Instant) {
        let due = self
            .last_sent
            .is_none_or(|at| now.saturating_duration_since(at) >= REPEAT_SPACING);
        if due && self.repeats < MAX_REPEATS {
            self.repeats += 1;
            let wants_answer = self.timer.is_some();
            self.send(now, wants_answer);
        }
    }

    pub(super) fn timer(&self) -> Option<Instant> {
        self.timer
    }

    /// Sends nothing any more but this alert, fatal unless it is close_notify.
    pub(super) fn end(&mut self, description: u8) {
        self.begin();
        let level = if description == 0 { WARNING } else { FATAL };
        let epoch = if self.is_protected { EPOCH } else { 0 };
        if let Some(record) = self.record(epoch, ALERT, &[level, description]) {
            self.out.push_back(record);
        }
    }

    pub(super) fn pop(&mut self) -> Option<Vec<u8>> {
        self.out.pop_front()
    }

    /// Puts all items into as few datagrams as they fit.
    fn transmit(&mut self, now: Instant) {
        self.last_sent = Some(now);
        // What has not left yet is all in here again.
        self.out.clear();
        let items = std::mem::take(&mut self.items);
        let mut datagram = Vec::with_capacity(self.mtu);
        for item in &items {
            let mut offset = 0;
            loop {
                let left = item.body.len() - offset;
                let overhead = RECORD_HEADER_LEN
                    + if item.message.is_some() {
                        HANDSHAKE_HEADER_LEN
                    } else {
                        0
                    }
                    + if item.epoch == 0 { 0 } else { OVERHEAD };
                let room = self.mtu.saturating_sub(datagram.len() + overhead);
                if room < left.min(MIN_FRAGMENT) && !datagram.is_empty() {
                    self.out.push_back(std::mem::take(&mut datagram));
                    continue;
                }
                let take = left.min(room.max(MIN_FRAGMENT));
                let piece = item.body.get(offset..offset + take).unwrap_or_default();
                let plain = plain(item, offset, piece);
                if let Some(record) = self.record(item.epoch, item.content_type, &plain) {
                    datagram.extend_from_slice(&record);
                }
                offset += take;
                if offset == item.body.len() {
                    break;
                }
            }
        }
        self.items = items;
        if !datagram.is_empty() {
            self.out.push_back(datagram);
        }
    }

    /// A record with the next number of its epoch.
    fn record(&mut self, epoch: u16, content_type: u8, plain: &[u8]) -> Option<Vec<u8>> {
        let next = self.sequence.get_mut(usize::from(epoch))?;
        let sequence = *next;
        *next += 1;
        let sealed;
        let fragment = if epoch == 0 {
            plain
        } else {
            sealed = self.cipher.as_ref()?.seal(content_type, sequence, plain)?;
            &sealed
        };
        let number = (u64::from(epoch) << 48 | sequence).to_be_bytes();
        let len = u16::try_from(fragment.len()).ok()?.to_be_bytes();
        let version = DTLS_1_2.to_be_bytes();
        Some([&[content_type], &version[..], &number, &len, fragment].concat())
    }
}

/// A fragment with its handshake header, if it has one.
fn plain(item: &Item, offset: usize, piece: &[u8]) -> Vec<u8> {
    let Some((kind, seq)) = item.message else {
        return piece.to_vec();
    };
    let bytes = |n: usize| {
        let [_, h, m, l] = u32::try_from(n)
            .expect("invariant: our messages are short")
            .to_be_bytes();
        [h, m, l]
    };
    [
        &[kind],
        &bytes(item.body.len())[..],
        &seq.to_be_bytes(),
        &bytes(offset),
        &bytes(piece.len()),
        piece,
    ]
    .concat()
}
