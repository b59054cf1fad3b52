//! What a peer connection tells about itself (W3C webrtc-stats).

use serde_json::Value;

/// A snapshot.
#[derive(Clone, Debug)]
pub(crate) struct Stats(Vec<Value>);

impl Stats {
    /// From the list of all RTCStats.
    pub(crate) fn new(list: Value) -> Self {
        match list {
            Value::Array(all) => Self(all),
            other => panic!("not a list: {other}"),
        }
    }

    fn of_type<'a>(&'a self, kind: &str) -> impl Iterator<Item = &'a Value> {
        self.0.iter().filter(move |stat| stat["type"] == kind)
    }
    /// The only one of a type; an empty object if there is none or several.
    fn only(&self, kind: &str) -> &Value {
        static NONE: Value = Value::Null;
        let mut all = self.of_type(kind);
        match (all.next(), all.next()) {
            (Some(stat), None) => stat,
            _ => &NONE,
        }
    }
    fn by_id(&self, id: &Value) -> Option<&Value> {
        self.0.iter().find(|stat| &stat["id"] == id)
    }

    /// Why this is no good call with this codec over DTLS-SRTP; nothing if it is one.
    pub(crate) fn complaints(&self, codec_name: &str) -> Vec<String> {
        let mut all = Vec::new();
        let mut expect = |good: bool, what: &str, stat: &Value| {
            if !good {
                all.push(format!("{what}: {stat}"));
            }
        };
        let transport = self.only("transport");
        expect(transport["dtlsState"] == "connected", "DTLS", transport);
        let ice = &transport["iceState"];
        expect(*ice == "connected" || *ice == "completed", "ICE", transport);

        // After a restart the pair of before stays on the list, nominated but dead.
        let alive = |pair: &&Value| {
            pair["nominated"] == true && pair["state"] == "succeeded" && pair["writable"] != false
        };
        let pairs: Vec<&Value> = self.of_type("candidate-pair").collect();
        let nominated: Vec<&Value> = pairs.iter().copied().filter(alive).collect();
        let listed = Value::from_iter(pairs.into_iter().cloned());
        expect(nominated.len() == 1, "not one nominated pair", &listed);
        if let [pair] = nominated[..] {
            let selected = pair["id"] == transport["selectedCandidatePairId"];
            expect(selected, "another pair is selected", pair);
        }

        let inbound = self.only("inbound-rtp");
        expect(
            inbound["packetsReceived"].as_u64() > Some(0),
            "inbound",
            inbound,
        );
        let missing = inbound["packetsLost"].as_i64();
        expect(missing.is_some_and(|n| n <= 0), "lost", inbound);
        let outbound = self.only("outbound-rtp");
        expect(
            outbound["packetsSent"].as_u64() > Some(0),
            "outbound",
            outbound,
        );
        for stream in [inbound, outbound] {
            let codec = self.by_id(&stream["codecId"]);
            let name = format!("audio/{codec_name}");
            let right = codec.is_some_and(|codec| codec["mimeType"] == *name);
            expect(right, "codec", codec.unwrap_or(stream));
        }
        all
    }

    /// RTP packets that the browser has had.
    pub(crate) fn packets_received(&self) -> u64 {
        self.only("inbound-rtp")["packetsReceived"]
            .as_u64()
            .unwrap_or(0)
    }
    /// RTP packets that the browser has sent.
    pub(crate) fn packets_sent(&self) -> u64 {
        self.only("outbound-rtp")["packetsSent"]
            .as_u64()
            .unwrap_or(0)
    }
    /// The browser's ICE user name fragment and the peer's (RFC 8839 §5.4).
    pub(crate) fn ufrags(&self) -> (String, String) {
        let transport = self.only("transport");
        let remote = self
            .by_id(&transport["selectedCandidatePairId"])
            .and_then(|pair| self.by_id(&pair["remoteCandidateId"]));
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        (
            text(&transport["iceLocalUsernameFragment"]),
            remote.map_or_else(String::new, |remote| text(&remote["usernameFragment"])),
        )
    }
    /// The role that the browser has in DTLS: `client` or `server`.
    pub(crate) fn dtls_role(&self) -> &str {
        self.only("transport")["dtlsRole"].as_str().unwrap_or("")
    }
    /// The version of DTLS as on the wire: `FEFD` is 1.2, `FEFC` is 1.3.
    pub(crate) fn tls_version(&self) -> &str {
        self.only("transport")["tlsVersion"].as_str().unwrap_or("")
    }
    /// The suite of SRTP by its name in SDP (RFC 4568, RFC 7714); the browser has the name of DTLS (RFC 5764
    /// §4.1.2).
    pub(crate) fn srtp_cipher(&self) -> &str {
        match self.only("transport")["srtpCipher"].as_str() {
            Some("SRTP_AES128_CM_HMAC_SHA1_80") => "AES_CM_128_HMAC_SHA1_80",
            Some("SRTP_AEAD_AES_128_GCM") => "AEAD_AES_128_GCM",
            Some("SRTP_AEAD_AES_256_GCM") => "AEAD_AES_256_GCM",
            other => other.unwrap_or("none"),
        }
    }
    /// What DTLS agreed on, for the log. The version as on the wire: FEFD is 1.2, FEFC is 1.3.
    pub(crate) fn security(&self) -> String {
        let transport = self.only("transport");
        format!(
            "DTLS {} {} as {}, SRTP {}, {} packets received, {} sent",
            transport["tlsVersion"],
            transport["dtlsCipher"],
            transport["dtlsRole"],
            transport["srtpCipher"],
            self.packets_received(),
            self.packets_sent(),
        )
    }
}
