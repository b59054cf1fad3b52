//! The functions that a call's bot has called and that are not answered yet.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::audiosocket::CallId;
use crate::pipecat::rtvi::FunctionCall;
use crate::webhook::{Webhook, WebhookError};

/// Functions at work at a time; more are refused.
const MAX: usize = 8;
/// Calls that are remembered: Pipecat may tell of each twice, in its old way and its new one.
const REMEMBERED: usize = 32;
/// The function that ends the call.
const END_CALL: &str = "end_call";

/// What a function gave.
pub(super) struct Answer {
    pub(super) call: FunctionCall,
    pub(super) result: Value,
    /// It went wrong.
    pub(super) failed: bool,
    /// The call is to end.
    pub(super) ends: bool,
    /// The bot that called it is still there.
    pub(super) wanted: bool,
    pub(super) took: Duration,
}

/// Functions at work.
#[derive(Default)]
pub(super) struct Functions {
    tasks: JoinSet<(u64, Answer)>,
    /// Their ids.
    known: VecDeque<String>,
    /// Which of the call's bots is there.
    bot: u64,
}

impl Functions {
    /// Whether none is at work.
    pub(super) fn is_empty(&self) -> bool {
        self.tasks.is_empty()
    }

    /// The bot is gone: nobody waits for what it called.
    pub(super) fn forget(&mut self) {
        self.bot += 1;
        self.known.clear();
    }

    /// Calls a function; false if that was done before.
    pub(super) fn begin(
        &mut self,
        id: CallId,
        call: FunctionCall,
        webhook: Option<&Arc<Webhook>>,
    ) -> bool {
        // The second: a bot that floods gets no answers any more.
        if self.known.contains(&call.tool_call_id) || self.tasks.len() >= MAX * 4 {
            return false;
        }
        if self.known.len() == REMEMBERED {
            self.known.pop_front();
        }
        self.known.push_back(call.tool_call_id.clone());
        let bot = self.bot;
        let busy = self.tasks.len() >= MAX;
        let webhook = webhook.cloned();
        self.tasks.spawn(async move {
            let begin = Instant::now();
            let ends = call.function_name == END_CALL;
            let result = match webhook {
                _ if busy => Err(WebhookError::Busy),
                Some(webhook) => webhook.call(id, &call).await,
                None if ends => Ok(json!({"status": "ok"})),
                None => Err(WebhookError::None),
            };
            let failed = result.is_err();
            let answer = Answer {
                result: result.unwrap_or_else(|error| error.result()),
                failed,
                ends,
                wanted: true,
                took: begin.elapsed(),
                call,
            };
            (bot, answer)
        });
        true
    }

    /// Waits for the next answer; for ever if there is none to come. May be dropped at any time.
    pub(super) async fn next(&mut self) -> Answer {
        loop {
            match self.tasks.join_next().await {
                Some(Ok((bot, mut answer))) => {
                    answer.wanted = bot == self.bot;
                    return answer;
                }
                // A fault of ours in one of them, which the runtime has reported.
                Some(Err(_)) => {}
                None => std::future::pending().await,
            }
        }
    }
}
