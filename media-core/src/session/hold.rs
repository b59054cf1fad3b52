//! Audio that is held back: to come evenly, as `jitter-buffer` asks, or later, as `delay-buffer` does.

use super::Options;
use super::call::Call;
use crate::media::jitter::{Hold, MAX_DELAY_MS};

impl Call {
    /// Takes what an offer or an answer asks for; a delay once asked for stays until it is set to 0. `default`:
    /// how calls are held that ask for nothing.
    pub(super) fn hear_hold(&mut self, is_new: bool, default: Hold, options: &Options) {
        let default = match options.no_jitter_buffer {
            true => Hold::Order,
            false => default,
        };
        if is_new || options.no_jitter_buffer && self.delay_ms == 0 {
            self.hold = default;
        }
        match options.delay_buffer_ms {
            Some(0) if self.delay_ms > 0 => {
                self.delay_ms = 0;
                self.hold = default;
            }
            Some(ms @ 1..) => {
                self.delay_ms = ms.min(MAX_DELAY_MS);
                self.hold = Hold::Delay {
                    min_ms: self.delay_ms,
                    max_ms: self.delay_ms,
                };
            }
            _ => {}
        }
    }
}
