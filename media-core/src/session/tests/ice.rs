//! Candidates at several addresses, their ports, and what is shown once ICE has chosen.

use super::security::{ice, secured};
use super::*;
use crate::ice::{Candidate, State};
use crate::sdp::IceOption;

/// `multi` has three addresses, the default interface one.
fn several() -> SessionConfig {
    SessionConfig {
        interfaces: vec![
            interface("default", "127.0.0.1"),
            interface("multi", "127.0.0.2"),
            interface("multi", "::1"),
            interface("multi", "127.0.0.3"),
        ],
        ..SessionConfig::default()
    }
}

fn towards_multi(v6: Option<bool>) -> Options {
    let mut options = Options {
        to_interface: Some("multi".into()),
        address_family_v6: v6,
        ..Options::default()
    };
    options.sdp.ice = IceOption::Force;
    options
}

fn chosen(rewritten: &Rewritten) -> Vec<&str> {
    lines(&rewritten.sdp, "a=remote-candidates:")
}

/// Component, priority, address and port of each candidate.
fn candidates(rewritten: &Rewritten) -> Vec<(u16, u32, String, u16)> {
    let all = lines(&rewritten.sdp, "a=candidate:");
    let all = all
        .iter()
        .map(|line| Candidate::parse(line.as_bytes()).unwrap());
    all.map(|c| (c.component.get(), c.priority, c.address.to_string(), c.port))
        .collect()
}

fn addresses(rewritten: &Rewritten) -> Vec<String> {
    candidates(rewritten).into_iter().map(|c| c.2).collect()
}

impl Desk {
    fn socket(&self, address: &str, port: u16) -> SocketId {
        let local = SocketAddr::new(address.parse().unwrap(), port);
        let inner = self.plane.lock();
        let found = inner.open.iter().find(|(_, at)| **at == local);
        *found.unwrap().0
    }

    /// ICE on the section whose candidates these are has chosen those of `address`, as a shard would say.
    fn nominate(&self, shown: &Rewritten, address: &str, remote: &str, controlling: bool) {
        for component in [1, 2] {
            let at = |address: &str| {
                let all = candidates(shown);
                let found = all.iter().find(|c| c.0 == component && c.2 == address);
                found.map(|c| self.socket(address, c.3))
            };
            let own = candidates(shown)[0].2.clone();
            let (Some(socket), Some(via)) = (at(&own), at(address)) else {
                continue;
            };
            let (call, session) = {
                let inner = self.plane.lock();
                let route = &inner.routes[&socket];
                route.counters.set_ice(State::Nominated);
                (route.call, route.ice.as_ref().unwrap().session)
            };
            let endpoint = format!("{remote}:{}", 5999 + component).parse().unwrap();
            let event = Event::PairNominated {
                call,
                socket,
                via,
                endpoint,
                controlling,
                session,
            };
            self.sessions.handle_event(self.now(), event);
        }
    }
}

#[test]
fn every_address_of_the_interface_is_a_candidate_with_sockets() {
    let desk = Desk::with(several());
    let offered = desk
        .offer(Said {
            options: towards_multi(None),
            ..said("f", "", &sdp(4000))
        })
        .unwrap();
    let all = candidates(&offered);
    let seen: Vec<_> = all
        .iter()
        .map(|c| (c.0, c.1, c.2.as_str(), c.3 % 2))
        .collect();
    assert_eq!(
        seen,
        [
            (1, 2_130_706_431, "127.0.0.2", 0),
            (1, 2_130_706_175, "127.0.0.3", 0),
            (1, 2_130_705_919, "::1", 0),
            (2, 2_130_706_430, "127.0.0.2", 1),
            (2, 2_130_706_174, "127.0.0.3", 1),
            (2, 2_130_705_918, "::1", 1),
        ],
        "its family first, all of the first component before the second"
    );
    for (_, _, address, port) in &all {
        desk.socket(address, *port);
    }
    let route = desk.route_at(&format!("127.0.0.2:{}", all[0].3));
    let alternates: Vec<_> = route.alternates.iter().map(|a| a.address).collect();
    assert_eq!(
        alternates,
        [
            SocketAddr::new("127.0.0.3".parse().unwrap(), all[1].3),
            SocketAddr::new("::1".parse().unwrap(), all[2].3),
        ]
    );
    // Two for the offerer.
    assert_eq!(desk.open_sockets(), 8);
    desk.delete("c", None, 0);
    desk.assert_empty();
}

#[test]
fn plain_parties_cost_no_further_sockets() {
    let desk = Desk::with(several());
    let mut options = towards_multi(None);
    options.sdp.ice = IceOption::Remove;
    desk.offer(Said {
        options,
        ..said("f", "", &sdp(4000))
    })
    .unwrap();
    assert_eq!(desk.open_sockets(), 4);
}

#[test]
fn the_family_asked_for_comes_first_and_has_foundations_of_its_own() {
    let desk = Desk::with(several());
    let foundations = |call_id: &str, v6| {
        let offer = desk
            .offer(Said {
                call_id,
                options: towards_multi(Some(v6)),
                ..said("f", "", &sdp(4000))
            })
            .unwrap();
        let words = lines(&offer.sdp, "a=candidate:");
        let first = |line: &&str| line.split(' ').next().unwrap().to_owned();
        let all: Vec<_> = words.iter().map(first).collect();
        (addresses(&offer)[..3].to_vec(), all)
    };
    let (order, v4) = foundations("v4", false);
    assert_eq!(order, ["127.0.0.2", "127.0.0.3", "::1"]);
    let (order, v6) = foundations("v6", true);
    assert_eq!(order, ["::1", "127.0.0.2", "127.0.0.3"]);
    assert_eq!(v4[..3], v4[3..], "the components of an address share one");
    assert!(v4.iter().all(|word| !v6.contains(word)));
    assert_eq!(foundations("again", false).1, v4);
}

#[test]
fn addresses_without_a_free_port_are_left_out() {
    let mut config = several();
    config.interfaces[2].port_max = 30001;
    let desk = Desk::with(config);
    let plain = sdp(4000);
    let offer = |call_id: &str| {
        let said = Said {
            call_id,
            options: towards_multi(None),
            ..said("f", "", &plain)
        };
        addresses(&desk.offer(said).unwrap()).len()
    };
    assert_eq!(offer("first"), 6);
    assert_eq!(offer("second"), 4);
    desk.delete("first", None, 0);
    desk.settle();
    assert_eq!(offer("third"), 6);
}

#[test]
fn re_offers_show_what_was_chosen_and_by_whom() {
    for (address, controlling) in [("127.0.0.2", true), ("127.0.0.3", false), ("::1", true)] {
        let desk = Desk::with(several());
        let plain = sdp(4000);
        let offer = || Said {
            options: towards_multi(None),
            ..said("f", "t", &plain)
        };
        let first = desk.offer(Said { to: "", ..offer() }).unwrap();
        let answer = secured(5000, &ice("efgh"));
        desk.answer(said("f", "t", &answer)).unwrap();
        let open = desk.open_sockets();
        desk.nominate(&first, address, "192.0.2.7", controlling);

        let again = desk.offer(offer()).unwrap();
        assert_eq!(desk.open_sockets(), open, "no further sockets");
        assert_eq!(addresses(&again), [address, address]);
        let of_address = |c: &(u16, u32, String, u16)| c.2 == address;
        let mut before = candidates(&first);
        before.retain(of_address);
        assert_eq!(candidates(&again), before, "ports and priorities stay");
        let told = "1 192.0.2.7 6000 2 192.0.2.7 6001";
        assert_eq!(chosen(&again), [told; 1][..usize::from(controlling)]);
        // The default candidate is the one in use (RFC 8839 §4.4.1.2.2).
        assert_eq!(port(&again), before[0].3);
        let text = String::from_utf8(again.sdp.clone()).unwrap();
        assert!(text.contains(&format!(" {address}\r\n")), "{text}");
        let local = desk.query("c").tags[1].medias[0].streams[0].local.unwrap();
        assert_eq!(
            (local.ip().to_string(), local.port()),
            (before[0].2.clone(), before[0].3)
        );

        desk.answer(said("f", "t", &answer)).unwrap();
        // In an answer it is not for us to say what was chosen.
        desk.offer(said("t", "f", &answer)).unwrap();
        let answered = desk.answer(said("t", "f", &sdp(4000))).unwrap();
        assert_eq!(addresses(&answered), [address, address]);
        assert!(chosen(&answered).is_empty());

        // A restart opens everything again; until it has come to something, media stays where it is.
        let restarted = secured(5000, &ice("ijkl"));
        desk.offer(said("t", "f", &restarted)).unwrap();
        let answered = desk.answer(said("t", "f", &sdp(4000))).unwrap();
        assert_eq!(candidates(&answered), candidates(&first));
        assert_eq!(port(&answered), before[0].3);
        desk.delete("c", None, 0);
        desk.assert_empty();
    }
}

#[test]
fn one_component_without_a_pair_keeps_all_candidates() {
    let desk = Desk::with(several());
    let first = desk
        .offer(Said {
            options: towards_multi(None),
            ..said("f", "", &sdp(4000))
        })
        .unwrap();
    let answer = secured(5000, &ice("efgh"));
    desk.answer(said("f", "t", &answer)).unwrap();
    desk.nominate(&first, "127.0.0.3", "192.0.2.7", true);
    let second = desk.socket("127.0.0.2", candidates(&first)[3].3);
    let lost = &desk.plane.lock().routes[&second].counters.clone();
    lost.set_ice(State::Disconnected);
    let again = desk.offer(said("f", "t", &sdp(4000))).unwrap();
    assert_eq!(candidates(&again), candidates(&first));
    assert!(chosen(&again).is_empty());
}
