//! The party's side of ICE, on a socket of the dialogue: what a daemon tells once a pair is chosen.

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use media_core::ice::{
    Agent, AgentConfig, Candidate, Component, Credentials, Mode, Role, State, Timing,
};

use crate::support::rtp::Endpoint;

/// How the party does it.
#[derive(Clone, Debug)]
pub(crate) struct Party {
    /// What `+ice(ufrag=…)` says; the password is the usual one.
    pub(crate) ufrag: String,
    pub(crate) controlling: bool,
    /// The only address of the daemon's that it can reach.
    pub(crate) reaches: IpAddr,
}

/// The password of `+ice` without `pwd=`.
const PASSWORD: &[u8] = b"passwordpasswordpassword";

impl Party {
    /// Checks until a pair is nominated and the daemon's own check of it answered. `None`: in time; otherwise
    /// what is wrong.
    pub(crate) fn run(&self, endpoint: &Endpoint, sdp: &str, patience: Duration) -> Option<String> {
        let value = |name: &str| {
            let line = sdp.lines().find_map(|line| line.strip_prefix(name));
            line.map(str::trim_end)
        };
        let (Some(ufrag), Some(pwd)) = (value("a=ice-ufrag:"), value("a=ice-pwd:")) else {
            return Some("there is no ICE in the reply".to_owned());
        };
        let known =
            |ufrag: &str, pwd: &[u8]| Credentials::new(ufrag.as_bytes(), pwd).expect("fine");
        let role = if self.controlling {
            Role::Controlling
        } else {
            Role::Controlled
        };
        let mut agent = Agent::new(AgentConfig {
            component: Component::RTP,
            mode: Mode::Full(role),
            credentials: known(&self.ufrag, PASSWORD),
            tie_breaker: 1,
            timing: Timing::default(),
        });
        let local = endpoint.address();
        agent.add_local(local, u16::MAX).expect("a usable address");
        agent.set_remote_credentials(now(), known(ufrag, pwd.as_bytes()));
        let lines = sdp
            .lines()
            .filter_map(|line| line.strip_prefix("a=candidate:"));
        for candidate in lines.filter_map(|line| Candidate::parse(line.trim_end().as_bytes()).ok())
        {
            let address = candidate.socket_addr().map(|address| address.ip());
            if address == Some(self.reaches) {
                agent.add_remote_candidate(now(), &candidate);
            }
        }
        self.exchange(&mut agent, endpoint, local, patience)
    }

    fn exchange(
        &self,
        agent: &mut Agent,
        endpoint: &Endpoint,
        local: SocketAddr,
        patience: Duration,
    ) -> Option<String> {
        let deadline = Instant::now() + patience;
        let mut buffer = [0; Agent::MAX_MESSAGE];
        let mut asked = false;
        while agent.state() != State::Nominated || !asked {
            while let Some(transmit) = agent.poll_transmit(&mut buffer) {
                endpoint.send(transmit.pair.remote, &buffer[..transmit.len]);
            }
            if Instant::now() > deadline {
                return Some(format!("the party's ICE is {:?}", agent.state()));
            }
            for (from, bytes) in endpoint.receive(1, Duration::from_millis(5)) {
                if from.ip() == self.reaches {
                    // A Binding request (RFC 8489 §5).
                    asked |= bytes.starts_with(&[0, 1]);
                    agent.handle_stun(now(), local, from, &bytes);
                }
            }
            agent.handle_timeout(now());
        }
        while let Some(transmit) = agent.poll_transmit(&mut buffer) {
            endpoint.send(transmit.pair.remote, &buffer[..transmit.len]);
        }
        None
    }
}

fn now() -> Instant {
    Instant::now()
}
