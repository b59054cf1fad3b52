//! Resampling and tones allocate nothing once they are set up. One test in a process of its own, so that
//! the counting allocator sees it alone.
#![allow(unsafe_code, reason = "a counting allocator wraps the system's")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use codecs::SampleRate;
use codecs::resample::Resampler;
use codecs::tone::{Digit, DtmfDetector, Generator, SilenceDetector, Tone};

struct Counting;

static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);

// SAFETY: every call goes to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
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
    let before = ALLOCATIONS.load(Ordering::Relaxed);
    run();
    ALLOCATIONS.load(Ordering::Relaxed) - before
}

#[test]
fn frames_of_any_length_allocate_nothing() {
    let rate = |hz| SampleRate::new(hz).expect("not 0");
    assert!(allocations(|| drop(std::hint::black_box(vec![1]))) > 0);
    for (from, to) in [
        (8000, 16_000),
        (48_000, 8000),
        (32_000, 12_000),
        (44_100, 8000),
    ] {
        let mut resampler = Resampler::new(rate(from), rate(to)).expect("rates within bounds");
        let input = vec![999; 20_000];
        let mut out = vec![0; 200_000];
        let count = allocations(|| {
            for len in (0..2000).chain([20_000]) {
                let given = resampler.process(&input[..len], &mut out);
                assert!(given.is_ok());
            }
        });
        assert_eq!(count, 0, "{from} → {to}");
    }
    let digit = Digit::from_event(5).expect("a key");
    let ms = Duration::from_millis;
    let tone = Tone {
        repeats: None,
        ..Tone::dtmf(digit, -10.0, ms(80), ms(80))
    };
    let mut generator = Generator::new(&tone, rate(8000)).expect("a digit fits");
    let mut detector = DtmfDetector::new(rate(8000)).expect("a telephony rate");
    let mut silence = SilenceDetector::new(rate(8000), -50.0, ms(200));
    let mut frame = [0; 160];
    let mut events = 0;
    let count = allocations(|| {
        for _ in 0..1000 {
            generator.fill(&mut frame);
            detector.process(&frame, |_| events += 1);
            silence.process(&frame);
        }
    });
    assert_eq!(count, 0);
    assert_eq!(events, 2 * (1000 / 8));
}
