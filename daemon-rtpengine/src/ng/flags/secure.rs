//! Words about keys, certificates and ICE, for the table.

use media_core::sdp::{IceOption, RtcpAttribute};
use media_core::session::{DtlsOption, IceLite, Options, SecureProfile, TransportProtocol};
use media_core::srtp::CryptoSuite;

use super::{Flags, once};

/// One item of `SDES`: as word of its list, or behind `SDES-` among the flags.
pub(super) fn sdes(flags: &mut Flags, word: &str) {
    let sdes = &mut flags.options.sdes;
    let suites = |names: &str| -> Vec<CryptoSuite> {
        let known = names
            .split(';')
            .filter_map(|name| CryptoSuite::from_name(name.as_bytes()));
        known.collect()
    };
    if let Some(name) = word.strip_prefix("no-") {
        return sdes.no.extend(suites(name));
    }
    if let Some(name) = word.strip_prefix("only-") {
        return sdes.only.extend(suites(name));
    }
    if let Some(names) = word.strip_prefix("order:") {
        sdes.order = suites(names);
        return;
    }
    match word.replace('-', "_").as_str() {
        "off" | "no" | "disable" => sdes.off = true,
        "nonew" => sdes.no_new = true,
        "offerer_pref" => sdes.offerer_preference = true,
        "static" => sdes.keep = true,
        "prefer" => sdes.prefer = true,
        "pad" => sdes.pad = true,
        "lifetime" => sdes.lifetime = true,
        "unencrypted_srtp" => sdes.unencrypted_srtp = Some(true),
        "encrypted_srtp" => sdes.unencrypted_srtp = Some(false),
        "unencrypted_srtcp" => sdes.unencrypted_srtcp = Some(true),
        "encrypted_srtcp" => sdes.unencrypted_srtcp = Some(false),
        "unauthenticated_srtp" => sdes.unauthenticated_srtp = Some(true),
        "authenticated_srtp" => sdes.unauthenticated_srtp = Some(false),
        other => once::unknown("`SDES` word", other),
    }
}

/// `DTLS`.
pub(super) fn dtls(flags: &mut Flags, word: &str) {
    flags.options.dtls = match word {
        "off" | "no" | "disable" => Some(DtlsOption::Off),
        "passive" => Some(DtlsOption::Passive),
        "active" => Some(DtlsOption::Active),
        other => return once::unknown("`DTLS` word", other),
    };
}

/// One item of `OSRTP`. What is offered is accepted without being told to.
pub(super) fn osrtp(flags: &mut Flags, word: &str) {
    match word.to_ascii_lowercase().as_str() {
        "offer" | "offer-rfc" => flags.options.osrtp_offer = true,
        "accept" | "accept-rfc" | "accept-legacy" => {}
        other => once::unknown("`OSRTP` word", other),
    }
}

/// `ICE-lite`.
pub(super) fn ice_lite(flags: &mut Flags, word: &str) {
    flags.options.ice_lite = match word {
        "off" | "none" | "no" => Some(IceLite::Off),
        "forward" | "offer" => Some(IceLite::Forward),
        "backward" | "backwards" | "reverse" | "answer" => Some(IceLite::Backward),
        "both" => Some(IceLite::Both),
        other => return once::unknown("`ICE-lite` word", other),
    };
}

/// `WebRTC`: what an offer to a browser needs, in one word.
pub(crate) fn webrtc(options: &mut Options) {
    let profile = TransportProtocol::Secure(SecureProfile::UdpTlsRtpSavpf);
    options.transport_protocol = Some(profile);
    options.trickle_ice = true;
    options.sdes.off = true;
    options.sdp.ice = IceOption::Force;
    options.sdp.rtcp_mux.offer = true;
    options.sdp.rtcp_mux.require = true;
    options.sdp.rtcp_attribute = RtcpAttribute::Omit;
    options.sdp.generate_mid = true;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ng::json;
    use media_core::dtls::HashFunction;

    fn of(text: &str) -> Options {
        Flags::of(&json::decode(text.as_bytes()).unwrap()).options
    }

    #[test]
    fn sdes_words_come_as_list_and_as_flags() {
        let list = of(
            r#"{"SDES":["off","no-AEAD_AES_256_GCM","only-AES_CM_128_HMAC_SHA1_80","nonew",
                "order:AES_CM_128_HMAC_SHA1_32;AES_CM_128_HMAC_SHA1_80","offerer_pref","static",
                "pad","lifetime","prefer","unencrypted_srtp","encrypted_srtcp",
                "unauthenticated_srtp","frob","no-frob"]}"#,
        );
        let flags = of(
            r#"{"flags":["SDES-off","SDES-no-AEAD_AES_256_GCM","SDES-only-AES_CM_128_HMAC_SHA1_80",
                "SDES-nonew","SDES-order:AES_CM_128_HMAC_SHA1_32;AES_CM_128_HMAC_SHA1_80",
                "SDES-offerer_pref","SDES-static","SDES-pad","SDES-lifetime","SDES-prefer",
                "SDES-unencrypted_srtp","SDES-encrypted_srtcp","SDES-unauthenticated_srtp"]}"#,
        );
        assert_eq!(list, flags);
        let sdes = &list.sdes;
        assert!(sdes.off && sdes.no_new && sdes.offerer_preference && sdes.keep);
        assert!(sdes.pad && sdes.lifetime && sdes.prefer);
        assert_eq!(sdes.no, [CryptoSuite::AeadAes256Gcm]);
        assert_eq!(sdes.only, [CryptoSuite::AesCm128HmacSha1_80]);
        assert_eq!(
            sdes.order,
            [
                CryptoSuite::AesCm128HmacSha1_32,
                CryptoSuite::AesCm128HmacSha1_80
            ]
        );
        let session = (
            sdes.unencrypted_srtp,
            sdes.unencrypted_srtcp,
            sdes.unauthenticated_srtp,
        );
        assert_eq!(session, (Some(true), Some(false), Some(true)));
    }

    #[test]
    fn certificates_and_ice_have_their_words() {
        let options = of(
            r#"{"DTLS":"passive","DTLS-fingerprint":"SHA-1","DTLS-reverse":"passive",
                "ICE-lite":"both","OSRTP":["offer"],
                "flags":["trickle-ICE","reject ICE","recrypt"]}"#,
        );
        assert_eq!(options.dtls, Some(DtlsOption::Passive));
        assert_eq!(options.dtls_fingerprint, Some(HashFunction::Sha1));
        assert_eq!(options.ice_lite, Some(IceLite::Both));
        assert!(options.dtls_reverse_passive && options.osrtp_offer);
        assert!(options.trickle_ice && options.reject_ice && options.recrypt);
        let odd = r#"{"DTLS":"x","DTLS-fingerprint":"md5","ICE-lite":"x","OSRTP":"offer",
            "SDES":"off","flags":["OSRTP-accept","DTLS","SDES"]}"#;
        assert_eq!(of(odd), Options::default());
    }

    #[test]
    fn webrtc_is_a_preset() {
        assert!(Flags::of(&json::decode(br#"{"flags":["WebRTC"]}"#).unwrap()).webrtc);
        let mut options = Options::default();
        webrtc(&mut options);
        assert!(options.sdes.off && options.trickle_ice && options.sdp.generate_mid);
        assert!(options.sdp.rtcp_mux.offer && options.sdp.rtcp_mux.require);
        assert_eq!(options.sdp.ice, IceOption::Force);
    }
}
