//! One call from a WebRTC-like party (side A: ICE, DTLS-SRTP) to a phone with plain RTP (side B), until
//! both hear each other.

use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, UdpSocket};
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use daemon_rtpengine::ng::value::Value;
use media_core::dtls::Certificate;

use super::peer::{DATAGRAM_BYTES, Peer, PeerConfig, PeerError, Setup};
use super::{SecureError, certificate};
use crate::calls::{CallError, ReplyError, Step, accepted, delete, description, request};
use crate::host;
use crate::load::Media;
use crate::load::packet::{self, Header, Mark};
use crate::ng::Client;
use crate::sdp;

/// A call to place.
#[derive(Clone, Copy, Debug)]
pub struct CallOptions {
    /// Side A does ICE; without, media goes where the answer says.
    pub ice: bool,
    /// What side A offers as DTLS role.
    pub setup: Setup,
    /// When the phone sends its first packet, after the last SDP; then one per packet time.
    pub phase: Duration,
    /// How long audio may take before the call has failed.
    pub limit: Duration,
}

impl CallOptions {
    /// What a browser does.
    pub const BROWSER: Self = Self {
        ice: true,
        setup: Setup::ActPass,
        phase: Duration::ZERO,
        limit: Duration::from_secs(5),
    };
}

/// When things were done, counted from the last SDP's arrival at side A.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Times {
    /// A candidate pair was nominated, if ICE was asked for.
    pub ice: Option<Duration>,
    /// There were SRTP keys.
    pub dtls: Duration,
    /// Side A had decrypted the first packet of side B's.
    pub audio: Duration,
    /// Side B had the first packet of side A's.
    pub phone_audio: Duration,
}

/// Places such calls, one after another.
pub struct WebrtcCaller {
    client: Client,
    media: Media,
    certificate: Certificate,
    placed: u32,
}

impl WebrtcCaller {
    /// A caller for the daemon with this NG socket.
    ///
    /// # Errors
    /// No socket, or no certificate.
    pub fn new(ng: SocketAddr) -> Result<Self, SecureError> {
        Ok(Self {
            client: Client::connect(ng, format!("webrtc{}", std::process::id()))?,
            media: Media::PCMU,
            certificate: certificate()?,
            placed: 0,
        })
    }

    /// Places a call, waits for audio both ways, and ends it.
    ///
    /// # Errors
    /// [`SecureError`] says how far it came.
    pub fn place(&mut self, options: &CallOptions) -> Result<Times, SecureError> {
        self.placed += 1;
        let id = format!("webrtc-{}-{}", std::process::id(), self.placed);
        let times = self.talk(&id, options);
        let ended = self.client.ask(&delete(&id)).map(Ok);
        let times = times?;
        accepted(ended?).map_err(|source| call_error(Step::Delete, source.into()))?;
        Ok(times)
    }

    fn talk(&mut self, id: &str, options: &CallOptions) -> Result<Times, SecureError> {
        let sockets = [bind()?, bind()?];
        let mut peer = Peer::new(PeerConfig {
            local: sockets[0].1,
            certificate: self.certificate.clone(),
            ice: options.ice,
            setup: options.setup,
        })
        .map_err(|source| failed(source, None))?;
        let attributes = peer.attributes();
        let offer = sdp::write(sockets[0].1, &self.media, "UDP/TLS/RTP/SAVPF", &attributes);
        let told = self.ask(Step::Offer, id, offer)?;
        let daemon = sdp::endpoint(&told, &self.media)
            .map_err(|source| call_error(Step::Offer, source.into()))?;
        let answer = sdp::write(sockets[1].1, &self.media, "RTP/AVP", &[]);
        let told = self.ask(Step::Answer, id, answer)?;
        let described = Instant::now();
        peer.describe(described, &told, &self.media)
            .map_err(|source| call_error(Step::Answer, source.into()))?;
        let [(client, _), (phone, _)] = sockets;
        Conversation {
            peer,
            client,
            phone,
            daemon,
            media: &self.media,
            described,
            sent: [0; 2],
            heard: [None; 2],
        }
        .run(options)
    }

    fn ask(&mut self, step: Step, id: &str, text: String) -> Result<String, SecureError> {
        let request = describing(step, id, text);
        let reply = self.client.ask(&request);
        description(reply).map_err(|source| call_error(step, source))
    }
}

/// The offer or answer of a call between DTLS-SRTP with RTCP muxed and plain RTP.
pub(super) fn describing(step: Step, id: &str, text: String) -> Value<'_> {
    let mut request = request(step, id);
    request.push("sdp", Value::string(text));
    if step == Step::Offer {
        request
            .push("transport-protocol", Value::str("RTP/AVP"))
            .push("ICE", Value::str("remove"))
            .push("rtcp-mux", Value::List([Value::str("demux")].into()));
    }
    let replace = ["origin", "session-connection"].map(Value::str);
    request.push("replace", Value::List(replace.into()));
    request
}

pub(super) const fn call_error(step: Step, source: ReplyError) -> SecureError {
    SecureError::Call(CallError { step, source })
}

pub(super) fn failed(source: PeerError, peer: Option<&Peer>) -> SecureError {
    SecureError::Peer {
        source,
        progress: peer.map(Peer::progress).unwrap_or_default(),
    }
}

/// A socket on a port of the system's choice.
fn bind() -> Result<(UdpSocket, SocketAddrV4), SecureError> {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
    socket.set_nonblocking(true)?;
    let port = socket.local_addr()?.port();
    Ok((socket, SocketAddrV4::new(Ipv4Addr::LOCALHOST, port)))
}

/// The two parties of an answered call; 0 is the client, 1 the phone.
struct Conversation<'a> {
    peer: Peer,
    client: UdpSocket,
    phone: UdpSocket,
    /// Where the phone sends to.
    daemon: SocketAddrV4,
    media: &'a Media,
    described: Instant,
    sent: [u64; 2],
    /// First audio.
    heard: [Option<Duration>; 2],
}

impl Conversation<'_> {
    fn run(mut self, options: &CallOptions) -> Result<Times, SecureError> {
        let mut due = [self.described, self.described + options.phase];
        let begun = self.peer.handle_timeout(self.described);
        self.check(begun)?;
        loop {
            let now = Instant::now();
            if self.peer.poll_timeout().is_some_and(|at| at <= now) {
                let result = self.peer.handle_timeout(now);
                self.check(result)?;
            }
            self.transmit()?;
            for (side, due) in due.iter_mut().enumerate() {
                // The client's first packet is due when it has its keys.
                if *due <= now && (side == 1 || self.peer.progress().dtls.is_some()) {
                    self.speak(side)?;
                    *due = now.max(*due) + self.media.interval();
                }
            }
            self.listen()?;
            self.transmit()?;
            let progress = self.peer.progress();
            if let ([Some(audio), Some(phone_audio)], Some(dtls)) = (self.heard, progress.dtls) {
                return Ok(Times {
                    ice: progress.ice,
                    dtls,
                    audio,
                    phone_audio,
                });
            }
            let end = self.described + options.limit;
            if now >= end {
                return Err(SecureError::NoAudio {
                    after: options.limit,
                    client: self.heard[0].is_some(),
                    phone: self.heard[1].is_some(),
                    progress,
                });
            }
            // Without keys the client's clock does not run.
            let clock = progress.dtls.map(|_| due[0]);
            let next = [Some(due[1]), Some(end), clock, self.peer.poll_timeout()];
            let next = next.into_iter().flatten().min().unwrap_or(end);
            let sockets = [self.client.as_fd(), self.phone.as_fd()];
            host::wait_readable(&sockets, next.saturating_duration_since(Instant::now()))?;
        }
    }

    /// Sends what the client's transport has to say.
    fn transmit(&mut self) -> Result<(), SecureError> {
        let mut out = [0; DATAGRAM_BYTES];
        while let Some((to, len)) = self.peer.poll_transmit(&mut out) {
            self.client.send_to(&out[..len], to)?;
        }
        Ok(())
    }

    /// Sends one side's next packet of audio.
    fn speak(&mut self, side: usize) -> Result<(), SecureError> {
        let number = self.sent[side];
        self.sent[side] += 1;
        let stream = u32::try_from(side).unwrap_or(0);
        let low = u32::try_from(number).unwrap_or(0);
        let ticks = self.media.clock_rate_hz / 1000 * self.media.ptime_ms;
        let header = Header {
            payload_type: self.media.payload_type,
            marker: number == 0,
            sequence: u16::try_from(number).unwrap_or(0),
            timestamp: low.wrapping_mul(ticks),
            ssrc: 0x5eed_0000 | stream,
        };
        let payload_bytes = self.media.payload_bytes;
        let write =
            |to: &mut [u8]| packet::write(to, header, Mark { stream, number }, payload_bytes);
        let mut out = [0; DATAGRAM_BYTES];
        if side == 1 {
            let len = write(&mut out);
            self.phone.send_to(&out[..len], self.daemon)?;
        } else if let Some((to, len)) = self.peer.protect(&mut out, write) {
            self.client.send_to(&out[..len], to)?;
        }
        Ok(())
    }

    /// Takes what has come.
    fn listen(&mut self) -> Result<(), SecureError> {
        let mut buffer = [0; DATAGRAM_BYTES];
        while let Ok((len, from)) = self.client.recv_from(&mut buffer) {
            let now = Instant::now();
            match self.peer.handle_datagram(now, from, &buffer[..len]) {
                Ok(Some(packet)) => {
                    let genuine = is_of(packet, 1, self.media);
                    self.hear(0, now, genuine)?;
                }
                Ok(None) => {}
                Err(source) => return Err(failed(source, Some(&self.peer))),
            }
        }
        while let Ok((len, from)) = self.phone.recv_from(&mut buffer) {
            if from == SocketAddr::V4(self.daemon) && !packet::is_rtcp(&buffer[..len]) {
                let genuine = is_of(&buffer[..len], 0, self.media);
                self.hear(1, Instant::now(), genuine)?;
            }
        }
        Ok(())
    }

    fn hear(&mut self, side: usize, now: Instant, genuine: bool) -> Result<(), SecureError> {
        if !genuine {
            return Err(SecureError::Damaged);
        }
        self.heard[side] = self.heard[side].or(Some(now - self.described));
        Ok(())
    }

    fn check(&self, result: Result<(), PeerError>) -> Result<(), SecureError> {
        result.map_err(|source| failed(source, Some(&self.peer)))
    }
}

/// Whether a packet is what this side sent.
fn is_of(packet: &[u8], side: u32, media: &Media) -> bool {
    packet::read(packet, media.payload_bytes).is_ok_and(|(header, mark)| {
        header.payload_type == media.payload_type && mark.stream == side
    })
}
