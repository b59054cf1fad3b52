use std::collections::HashMap;

use proptest::prelude::*;

use super::*;

#[test]
fn a_dropped_packet_frees_its_slot() {
    let slab = Slab::new(2);
    let a = slab.allocate().unwrap();
    let b = slab.allocate().unwrap();
    assert!(slab.allocate().is_none());
    drop(a);
    assert_eq!(slab.free_slots(), 1);
    drop(b);
    assert_eq!(slab.free_slots(), 2);
}

#[test]
fn a_completion_for_a_slot_not_in_flight_changes_nothing() {
    let slab = Slab::new(1);
    let packet = slab.allocate().unwrap();
    slab.complete(0);
    slab.complete(77);
    assert_eq!(slab.free_slots(), 0);
    let slot = packet.into_flight();
    assert!(slab.adopt(slot, 10).is_none());
    slab.complete(slot);
    slab.complete(slot);
    assert_eq!(slab.free_slots(), 1);
}

#[test]
fn a_datagram_longer_than_a_slot_frees_it() {
    let slab = Slab::new(1);
    let slot = slab.publish().unwrap();
    assert!(slab.adopt(slot, PAYLOAD_MAX + 1).is_none());
    assert_eq!(slab.free_slots(), 1);
}

#[test]
fn copies_are_independent() {
    let slab = Slab::new(2);
    let mut packet = slab.allocate().unwrap();
    assert!(packet.fill(b"abc"));
    let copy = slab.copy(&packet).unwrap();
    packet.as_mut_slice()[0] = b'x';
    assert_eq!(copy.as_slice(), b"abc");
    assert!(slab.copy(&packet).is_none());
}

#[test]
fn a_full_packet_grows_by_the_tailroom_and_no_further() {
    let slab = Slab::new(2);
    let mut packet = slab.allocate().unwrap();
    assert!(packet.fill(&[7; PAYLOAD_MAX]));
    assert!(!packet.grow(TAILROOM + 1));
    assert!(!packet.grow(usize::MAX));
    assert_eq!(packet.len(), PAYLOAD_MAX);
    assert!(packet.grow(TAILROOM));
    packet.as_mut_slice()[PAYLOAD_MAX..].fill(9);
    assert!(!packet.grow(1));
    let copy = slab.copy(&packet).unwrap();
    assert_eq!(copy.as_slice(), packet.as_slice());
    assert_eq!(&copy.as_slice()[PAYLOAD_MAX..], [9; TAILROOM]);
}

#[test]
fn truncation_only_shortens() {
    let slab = Slab::new(1);
    let mut packet = slab.allocate().unwrap();
    assert!(packet.fill(b"abcdef"));
    packet.truncate(7);
    packet.truncate(usize::MAX);
    assert_eq!(packet.as_slice(), b"abcdef");
    packet.truncate(2);
    assert_eq!(packet.as_slice(), b"ab");
    assert!(packet.grow(4));
    assert_eq!(packet.as_slice(), b"abcdef");
}

proptest! {
    /// Whatever the order of transfers, each slot has one owner and none is lost.
    #[test]
    fn ownership_follows_the_model(steps in proptest::collection::vec((0u8..5, any::<u16>()), 1..400)) {
        const SLOTS: u16 = 8;
        let slab = Slab::new(SLOTS);
        let mut core: Vec<PacketBuf> = Vec::new();
        let mut elsewhere: HashMap<u16, State> = HashMap::new();
        for (what, pick) in steps {
            match what {
                0 => core.extend(slab.allocate()),
                1 => if let Some(slot) = slab.publish() {
                    prop_assert!(elsewhere.insert(slot, State::Kernel).is_none());
                },
                2 => {
                    let slot = pick % SLOTS;
                    let adopted = slab.adopt(slot, 100);
                    prop_assert_eq!(adopted.is_some(), elsewhere.get(&slot) == Some(&State::Kernel));
                    if adopted.is_some() {
                        elsewhere.remove(&slot);
                    }
                    core.extend(adopted);
                }
                3 => if !core.is_empty() {
                    let packet = core.swap_remove(usize::from(pick) % core.len());
                    elsewhere.insert(packet.into_flight(), State::InFlight);
                },
                _ => {
                    let slot = pick % SLOTS;
                    slab.complete(slot);
                    if elsewhere.get(&slot) == Some(&State::InFlight) {
                        elsewhere.remove(&slot);
                    } else if !core.is_empty() {
                        core.pop();
                    }
                }
            }
            let mut owned: Vec<u16> = core.iter().map(|p| p.slot).chain(elsewhere.keys().copied()).collect();
            owned.sort_unstable();
            let total = owned.len();
            owned.dedup();
            prop_assert_eq!(owned.len(), total);
            prop_assert_eq!(slab.free_slots() + total, usize::from(SLOTS));
        }
    }
}
