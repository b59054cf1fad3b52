//! Passwords reach no log and no debug output.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

use crate::net::{FULL_PAIR, Net, credentials};

/// Writes down everything that is logged, at every level.
#[derive(Clone, Default)]
struct Log {
    text: Arc<Mutex<String>>,
    events: Arc<AtomicU64>,
}

struct Fields<'a>(&'a mut String);

impl Visit for Fields<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        write!(self.0, "{field}={value:?} ").unwrap();
    }
}

impl Subscriber for Log {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }
    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }
    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn event(&self, event: &Event<'_>) {
        self.events.fetch_add(1, Ordering::Relaxed);
        event.record(&mut Fields(&mut self.text.lock().unwrap()));
    }
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

#[test]
fn no_password_is_logged_or_shown() {
    let log = Log::default();
    let net = tracing::subscriber::with_default(log.clone(), || {
        // Proves that the log listens.
        tracing::trace!("listening");
        let mut net = Net::new(FULL_PAIR);
        net.signal_all();
        net.run(Duration::from_secs(5));
        net.sides[0].agent.restart(credentials(3));
        net.signal_all();
        net.run(Duration::from_secs(5));
        assert!(net.is_connected());
        net
    });
    let text = log.text.lock().unwrap();
    assert!(text.contains("listening"), "{text}");
    let shown = format!("{:?} {:?}", net.sides[0].agent, net.sides[1].agent);
    for seed in 1..=3 {
        let secret = credentials(seed);
        assert!(!text.contains(secret.pwd()), "a password is in the log");
        assert!(!shown.contains(secret.pwd()), "a password is in {shown}");
    }
    // Not one line per packet either.
    assert_eq!(log.events.load(Ordering::Relaxed), 1);
}
