//! One call: from the first byte of its caller to the last goodbye.
//!
//! ```text
//! accepted ─▶ UUID ─▶ admitted ─▶ pumping ─────────────▶ goodbye
//!     │        │         │        20 ms clock, caller,     0x00 to the caller, 1000 to the bot
//!     └────────┴─────────┴──────▶ bot, control             (refused: 0x00 alone)
//! ```
//! All of a call runs in one task. Nothing in its loop waits for a peer: frames are written or dropped, messages
//! for the bot are queued or dropped, and whoever takes nothing for too long is gone.

pub(crate) mod bot;
mod caller;
pub mod end;
mod functions;
mod pump;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rustls::ClientConfig;
use socket2::SockRef;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};

use crate::audiosocket::{CallId, Message};
use crate::calls::Calls;
use crate::config::CallConfig;
use crate::ops::metrics::Metrics;
use crate::webhook::Webhook;
use caller::Caller;
use end::EndReason;
use pump::Pump;
pub(crate) use pump::Summary;

/// A caller whose machine is gone is noticed after this long: it is sent something every 20 ms.
const HALF_OPEN: Duration = Duration::from_secs(10);

/// Bytes on their way to a caller or a bot, as the kernel counts: whoever does not take them would hear them late.
pub(crate) const SEND_BUFFER: usize = 32 * 1024;

/// What all calls share.
pub(crate) struct Shared {
    pub(crate) config: CallConfig,
    pub(crate) webhook: Option<Arc<Webhook>>,
    /// If anything is spoken to over TLS.
    pub(crate) tls: Option<Arc<ClientConfig>>,
    pub(crate) calls: Arc<Calls>,
    pub(crate) metrics: Arc<Metrics>,
}

/// Handles a connection of a caller, whatever becomes of it.
pub(crate) async fn handle(stream: TcpStream, peer: SocketAddr, shared: Arc<Shared>) {
    let accepted = Instant::now();
    // On a socket that is closed already these fail, and reading will show it.
    let _ = stream.set_nodelay(true);
    let socket = SockRef::from(&stream);
    let _ = socket.set_tcp_user_timeout(Some(HALF_OPEN));
    let _ = socket.set_send_buffer_size(SEND_BUFFER);
    let mut caller = Caller::new(stream);
    let admitted = match shared.calls.connect() {
        Err(reason) => Err((None, reason)),
        Ok(_pending) => {
            let id = timeout(shared.config.uuid_timeout, identify(&mut caller)).await;
            match id.unwrap_or(Err(EndReason::NoUuid)) {
                Err(reason) => Err((None, reason)),
                Ok(id) => {
                    let admitted = shared.calls.admit(accepted.into_std(), id, peer);
                    admitted.map(|a| (id, a)).map_err(|r| (Some(id), r))
                }
            }
        }
    };
    let (id, admitted) = match admitted {
        Ok(admitted) => admitted,
        Err((id, reason)) => {
            shared.metrics.refused(reason);
            let uuid = id.map(tracing::field::display);
            tracing::info!(uuid, caller = %peer, reason = reason.name(), "caller refused");
            if !matches!(reason, EndReason::CallerHungUp | EndReason::CallerLost) {
                caller.hang_up().await;
            }
            return;
        }
    };
    shared.metrics.begun();
    tracing::info!(uuid = %id, caller = %peer, "call begins");
    let mut pump = Pump::new(id, caller, admitted, Arc::clone(&shared), accepted);
    let reason = pump.run().await;
    let summary = pump.finish(reason).await;
    shared.metrics.ended(reason, &summary);
    tracing::info!(
        uuid = %id, reason = reason.name(), seconds = accepted.elapsed().as_secs_f64(),
        frames_from_caller = summary.frames_from_caller, frames_to_caller = summary.frames_to_caller,
        underruns = summary.playout.underruns, overruns = summary.playout.overruns,
        interruptions = summary.interruptions, reconnects = summary.reconnects, "call ends"
    );
}

/// Waits for the first message, which names the call.
async fn identify(caller: &mut Caller) -> Result<CallId, EndReason> {
    loop {
        match caller.decoder.next_message() {
            Ok(Some(Message::Uuid(id))) => return Ok(id),
            Ok(Some(Message::Hangup)) => return Err(EndReason::CallerHungUp),
            Ok(Some(_)) | Err(_) => return Err(EndReason::CallerProtocol),
            Ok(None) => {}
        }
        match caller.read().await {
            Ok(true) => {}
            Ok(false) => return Err(EndReason::CallerHungUp),
            Err(_) => return Err(EndReason::CallerLost),
        }
    }
}
