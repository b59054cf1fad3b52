//! Functions that bots call, and what webhooks make of them: every one has a result in time.
#![expect(clippy::unwrap_used, reason = "a test fails by panic")]

mod support;

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use axum::routing::post;
use daemon_audiosocket::audiosocket::Message;
use serde_json::{Value, json};
use support::bot::{Bot, Heard};
use support::caller::Caller;
use support::{caller_address, id, metric, run, run_bots, start, wait_for_ends};
use tokio::net::TcpListener;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

/// What the webhook was asked: a header, and the body.
type Asked = Arc<Mutex<Vec<(String, Value)>>>;

/// A webhook that does what the function's name says; its option.
async fn webhook() -> (String, Asked) {
    let asked = Asked::default();
    let router = Router::new()
        .route("/f", post(answer))
        .with_state(Arc::clone(&asked));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("--webhook-url=http://{}/f", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await });
    (url, asked)
}

async fn answer(State(asked): State<Asked>, request: Request) -> Response {
    let key = request.headers()["x-key"].to_str().unwrap().to_owned();
    let body = axum::body::to_bytes(request.into_body(), 10_000).await;
    let body: Value = serde_json::from_slice(&body.unwrap()).unwrap();
    asked.lock().unwrap().push((key, body.clone()));
    match body["function_name"].as_str().unwrap() {
        "says_nothing" => StatusCode::NO_CONTENT.into_response(),
        "fails" => StatusCode::BAD_GATEWAY.into_response(),
        "talks" => "not JSON".into_response(),
        "talks_long" => vec![b' '; 100_000].into_response(),
        "sleeps" => std::future::pending().await,
        _ => json!({"you": body["arguments"]})
            .to_string()
            .into_response(),
    }
}

async fn call(bot: &mut Bot, function: &str, tool_call_id: &str) {
    let data =
        json!({"function_name": function, "tool_call_id": tool_call_id, "arguments": {"n": 7}});
    bot.rtvi("llm-function-call-in-progress", data).await;
}

/// The next result: its id, and what it says.
async fn result(bot: &mut Bot) -> (String, Value) {
    let message = bot.message().await;
    assert_eq!(message["type"], "llm-function-call-result", "{message}");
    let id = message["data"]["tool_call_id"].as_str().unwrap();
    (id.to_owned(), message["data"]["result"].clone())
}

#[test]
fn every_function_has_a_result_whatever_the_webhook_does() {
    let (bots, option) = run_bots();
    run(async {
        let (url, asked) = webhook().await;
        let daemon = start(&[
            &option,
            &url,
            "--webhook-header=X-Key: secret",
            "--webhook-timeout=300",
        ]);
        let _caller = Caller::call(caller_address(&daemon), id(1)).await;
        let mut bot = bots.accept().await;
        for (function, part) in [
            ("transfer_call", r#"{"you":{"n":7}}"#),
            ("says_nothing", r#"{"status":"ok"}"#),
            ("fails", "webhook answered 502"),
            ("talks", "not JSON"),
            ("talks_long", "longer than 65536 bytes"),
            ("sleeps", "no answer within 300ms"),
        ] {
            call(&mut bot, function, function).await;
            let (id, result) = result(&mut bot).await;
            assert_eq!(id, function);
            assert!(result.to_string().contains(part), "{function}: {result}");
            let is_error = result["status"] == "error";
            assert_eq!(is_error, part.contains(' '), "{function}: {result}");
        }
        let (key, first) = asked.lock().unwrap()[0].clone();
        assert_eq!(key, "secret");
        let wanted = json!({"uuid": id(1).to_string(), "function_name": "transfer_call",
            "tool_call_id": "transfer_call", "arguments": {"n": 7}});
        assert_eq!(first, wanted);
        assert_eq!(metric(&daemon, "voxplane_audiosocket_functions_total "), 6);
        let failed = metric(&daemon, "voxplane_audiosocket_functions_failed_total ");
        assert_eq!(failed, 4);
        tokio::task::spawn_blocking(|| daemon.stop());
    });
}

#[test]
fn end_call_ends_the_call_even_if_nobody_hears_of_it() {
    let (bots, option) = run_bots();
    run(async {
        let free = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("--webhook-url=http://{}/", free.local_addr().unwrap());
        drop(free);
        let daemon = start(&[&option, &url]);
        let caller = Caller::call(caller_address(&daemon), id(1)).await;
        let mut bot = bots.accept().await;
        call(&mut bot, "end_call", "1").await;
        let (_, result) = result(&mut bot).await;
        assert_eq!(result["status"], "error");
        caller.wait_for_end().await;
        wait_for_ends(&daemon, "ended", "bot_ended_call", 1);
        tokio::task::spawn_blocking(|| daemon.stop());
    });
}

#[test]
fn call_told_twice_is_made_once_and_too_many_are_refused() {
    let (bots, option) = run_bots();
    run(async {
        let (url, asked) = webhook().await;
        let key = "--webhook-header=X-Key: x";
        let daemon = start(&[&option, &url, key, "--webhook-timeout=2000"]);
        let _caller = Caller::call(caller_address(&daemon), id(1)).await;
        let mut bot = bots.accept().await;
        let old = json!({"function_name": "works", "tool_call_id": "a", "args": {}});
        bot.rtvi("llm-function-call", old).await;
        call(&mut bot, "works", "a").await;
        assert_eq!(result(&mut bot).await.0, "a");
        for n in 0..9 {
            call(&mut bot, "sleeps", &n.to_string()).await;
        }
        let (id, refused) = result(&mut bot).await;
        assert_eq!(id, "8");
        assert_eq!(refused["error"], "too many functions at a time");
        for _ in 0..8 {
            assert_eq!(result(&mut bot).await.1["status"], "error");
        }
        assert_eq!(asked.lock().unwrap().len(), 9);
        tokio::task::spawn_blocking(|| daemon.stop());
    });
}

#[test]
fn result_for_a_bot_that_is_gone_is_not_told_to_the_next() {
    let (bots, option) = run_bots();
    run(async {
        let (url, _) = webhook().await;
        let key = "--webhook-header=X-Key: x";
        let daemon = start(&[&option, &url, key, "--webhook-timeout=600"]);
        let caller = Caller::call(caller_address(&daemon), id(1)).await;
        let mut bot = bots.accept().await;
        call(&mut bot, "sleeps", "1").await;
        while metric(&daemon, "voxplane_audiosocket_functions_total ") == 0 {}
        let frame = CloseFrame {
            code: CloseCode::Away,
            reason: "".into(),
        };
        bot.socket.close(Some(frame)).await.unwrap();
        let mut bot = bots.accept().await;
        let begin = Instant::now();
        while begin.elapsed() < Duration::from_secs(1) {
            assert!(matches!(bot.hear().await, Heard::Audio));
        }
        let failed = metric(&daemon, "voxplane_audiosocket_functions_failed_total ");
        assert_eq!(failed, 1, "it has failed, and nobody was told");
        caller.send(Message::Hangup);
        tokio::task::spawn_blocking(|| daemon.stop());
    });
}
