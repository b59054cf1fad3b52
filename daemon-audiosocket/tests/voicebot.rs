//! The example that answers calls with the library alone, called by a strict caller.

mod support;
#[path = "../examples/voicebot.rs"]
#[expect(dead_code, reason = "its `main` is not ours")]
mod voicebot;

use std::net::TcpListener;
use std::time::Duration;

use daemon_audiosocket::audiosocket::Message;
use support::caller::Caller;
use support::{id, is_loud, purity, run, sine};

#[test]
fn voicebot_greets_repeats_and_hangs_up() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let bot = std::thread::spawn(move || {
        let (stream, _) = listener.accept().unwrap();
        voicebot::answer(stream).unwrap()
    });
    run(async {
        let mut caller = Caller::call(address, id(1)).await;
        let mut greeting = caller.hear_something().await;
        greeting.extend(caller.exchange(20, |_| vec![0; 160]).await);
        assert!(purity(&greeting[320..], 440.0, 8000) > 0.98);
        while is_loud(&caller.exchange(5, |_| vec![0; 160]).await) {}
        // What is said comes back, the frames in which speech was not sure yet included.
        let said = |n: usize| sine(1000.0, 8000, n * 160..(n + 1) * 160);
        let heard = caller.exchange(60, said).await;
        let loud = heard.iter().position(|s| s.unsigned_abs() > 1000).unwrap();
        assert!(loud < 160 * 20, "{loud} samples until the echo");
        assert!(purity(&heard[160 * 30..], 1000.0, 8000) > 0.98);
        let mut jitter = caller.jitter();
        jitter.sort();
        let p90 = jitter[jitter.len() * 9 / 10];
        println!("90 % of its frames come within {p90:?} of their time");
        assert!(p90 < Duration::from_millis(20), "{p90:?}");
        caller.send(Message::Dtmf('#'));
        caller.wait_for_end().await;
    });
    assert_eq!(bot.join().unwrap(), "ended by #");
}
