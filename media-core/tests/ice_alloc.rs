//! Strangers' messages allocate nothing, and change nothing; the peer's cost little. The counting allocator
//! has the process to itself.
#![allow(unsafe_code, reason = "a counting allocator wraps the system's")]
#![allow(clippy::unwrap_used, reason = "a test fails by panic")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::net::SocketAddr;
use std::time::Duration;

use media_core::ice::{
    Agent, AgentConfig, Component, Credentials, Mode, Role, State, StunVerdict, Timing,
};
use media_core::testing::{Rng, start};
use media_core::wire::stun::{BINDING, Class, IntegrityKey, StunBuilder};

struct Counting;

thread_local! {
    /// Of this thread: the one that runs the test writes and waits in between.
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

// SAFETY: every call goes to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.with(|made| made.set(made.get() + 1));
        // SAFETY: the caller's contract is the system's.
        unsafe { System.alloc(layout) }
    }
    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        // SAFETY: as above.
        unsafe { System.dealloc(at, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn allocations(run: impl FnOnce()) -> u64 {
    let before = ALLOCATIONS.get();
    run();
    ALLOCATIONS.get() - before
}

fn request(receiver: &str, sender: &str, key: &IntegrityKey, nominate: bool) -> Vec<u8> {
    let mut out = [0; 200];
    let mut builder = StunBuilder::new(&mut out, Class::Request, BINDING, &[9; 12])
        .username(receiver.as_bytes(), sender.as_bytes())
        .priority(1_862_270_975)
        .ice_controlling(u64::MAX);
    if nominate {
        builder = builder.use_candidate();
    }
    let len = builder.finish(Some(key)).unwrap();
    out[..len].to_vec()
}

#[test]
fn a_million_messages_of_strangers_allocate_nothing() {
    let mut rng = Rng::new(1);
    let [ours, theirs, other] = [(); 3].map(|()| Credentials::from_random(|out| rng.fill(out)));
    let local: SocketAddr = "192.0.2.1:30000".parse().unwrap();
    let now = start();
    let good = request(ours.ufrag(), theirs.ufrag(), &ours.key(), true);
    let mut cut = good.clone();
    cut.truncate(good.len() - 4);
    let mut answer = [0; 200];
    let len = StunBuilder::new(&mut answer, Class::Success, BINDING, &[1; 12])
        .xor_mapped_address(local)
        .finish(Some(&theirs.key()))
        .unwrap();
    let cheap = [
        request(other.ufrag(), theirs.ufrag(), &ours.key(), true),
        request(ours.ufrag(), other.ufrag(), &ours.key(), true),
        cut,
        answer[..len].to_vec(),
    ];
    let wrong_password = request(ours.ufrag(), theirs.ufrag(), &theirs.key(), true);

    for mode in [Mode::Full(Role::Controlled), Mode::Lite] {
        let mut agent = Agent::new(AgentConfig {
            component: Component::RTP,
            mode,
            credentials: ours.clone(),
            tie_breaker: 1,
            timing: Timing::default(),
        });
        agent.add_local(local, 65_535).unwrap();
        agent.set_remote_credentials(now, theirs.clone());
        let mut out = [0; Agent::MAX_MESSAGE];
        let made = allocations(|| {
            for n in 0..500_000_u32 {
                // Every tenth has the right names, so that its signature is computed.
                let (bytes, expected) = match n % 10 {
                    0 => (&wrong_password, StunVerdict::Unauthenticated),
                    1..4 => (&cheap[0], StunVerdict::Unauthenticated),
                    4..7 => (&cheap[1], StunVerdict::Unauthenticated),
                    7 | 8 => (&cheap[2], StunVerdict::Malformed),
                    _ => (&cheap[3], StunVerdict::NotOurs),
                };
                let [a, b, c, d] = n.to_be_bytes();
                let from = SocketAddr::from(([a, b, c, d], 5000));
                assert_eq!(agent.handle_stun(now, local, from, bytes), expected);
                assert!(agent.poll_transmit(&mut out).is_none());
            }
        });
        assert_eq!(made, 0, "{mode:?}");
        assert_eq!(agent.state(), State::Checking);

        // The peer's first message may allocate, and the next hundred cost a lite agent nothing.
        let peer = SocketAddr::from(([192, 0, 2, 2], 5000));
        let mut check = |n: u32| {
            let now = now + Duration::from_millis(100) * n;
            assert_eq!(
                agent.handle_stun(now, local, peer, &good),
                StunVerdict::Accepted
            );
            while agent.poll_transmit(&mut out).is_some() {}
            while agent.poll_event().is_some() {}
        };
        check(0);
        let made = allocations(|| (1..=100).for_each(&mut check));
        match mode {
            Mode::Lite => assert_eq!(made, 0),
            // `is` is told every six seconds; then it makes ten, for an answer and a check of its own.
            Mode::Full(_) => assert!(made <= 40, "{made} allocations in 100 checks"),
        }
        println!("{mode:?}: {made} allocations in 100 checks of the peer");
    }
}
