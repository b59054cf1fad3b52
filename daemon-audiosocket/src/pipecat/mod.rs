//! Pipecat's wire: protobuf frames in WebSocket messages ([`frame`]), and RTVI's JSON in frames of kind `message`
//! ([`rtvi`]).
//!
//! How the vocabulary of a bridge maps to it:
//!
//! | meaning | wire |
//! |---|---|
//! | INPUT_AUDIO_RAW | `audio`, to the bot: the pipeline's rate, mono, `pts` in nanoseconds |
//! | OUTPUT_AUDIO_RAW | `audio`, from the bot: any rate |
//! | CONTROL start | `message`: RTVI `client-ready`, when the connection is up |
//! | CONTROL stop | `message`: RTVI `disconnect-bot`, then the WebSocket's close, code 1000 |
//! | LLM_FUNCTION_CALL | `message`: RTVI `llm-function-call-in-progress` (or the older `llm-function-call`) |
//! | LLM_FUNCTION_CALL_RESULT | `message`: RTVI `llm-function-call-result` |
//! | barge-in | `interruption`, or `message`: RTVI `bot-interrupted` (or `user-started-speaking`, of pipecat-ai before 1.3), or `text`: `FLUSH_MEDIA` |
//! | what was played of it | `message`: RTVI `client-message` of type `playback-interrupted` |
//! | DTMF | `message`: RTVI `dtmf` |
//! | the bot hangs up | `message`: RTVI `server-message` whose data's `type` is `hangup` or `end_call` |

pub mod frame;
pub mod rtvi;
mod wire;
