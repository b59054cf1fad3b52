use super::*;
use std::net::IpAddr;

const OFFER: &str = "v=0\r\no=alice 123 456 IN IP4 192.0.2.1\r\ns=sess name\r\nc=IN IP4 192.0.2.1\r\n\
t=0 0\r\nm=audio 4000 RTP/AVP 0 8 101\r\na=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\n\
a=sendrecv\r\na=ptime:20\r\n";

fn local(address: &str) -> IpAddr {
    address.parse().expect("literal")
}

fn rewrite_plain(input: &str, options: &SdpOptions) -> String {
    let description = parse(input.as_bytes()).expect("parses");
    let params = description.params();
    let codecs: Vec<_> = params
        .iter()
        .map(|params| OfferedCodecs::new(&params.codecs, &options.codec))
        .collect();
    let media: Vec<_> = params
        .iter()
        .zip(&codecs)
        .enumerate()
        .map(|(i, (params, codecs))| {
            let port = 20000 + 2 * u16::try_from(i).expect("few");
            LocalMedia {
                address: local("127.0.0.1"),
                port: if params.rejected { 0 } else { port },
                rtcp: LocalRtcp {
                    port: port + 1,
                    mux: params.rtcp_mux,
                },
                protocol: &params.protocol,
                codecs: codecs.shown(),
                ptime_ms: options.ptime_ms.or(params.ptime_ms),
                mid: params.mid.as_deref(),
            }
        })
        .collect();
    let mut sent = SentDescription::default();
    let out = rewrite(&description, options, &media, "loop", &mut sent).expect("rewrites");
    String::from_utf8(out).expect("text")
}

#[test]
fn plain_offer_gets_our_address_ports_and_static_rtpmaps() {
    assert_eq!(
        rewrite_plain(OFFER, &SdpOptions::default()),
        "v=0\r\no=alice 123 456 IN IP4 192.0.2.1\r\ns=sess name\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n\
         m=audio 20000 RTP/AVP 0 8 101\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:8 PCMA/8000\r\n\
         a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\na=sendrecv\r\na=rtcp:20001\r\n\
         a=ptime:20\r\n"
    );
}
