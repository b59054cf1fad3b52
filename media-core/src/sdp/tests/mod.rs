//! What the text layer does, mostly as rtpengine 10.5.3.5 was seen to do it.

mod answers;
mod malformed;
mod offers;
mod properties;
mod security;
mod transcode;

use std::net::IpAddr;

use crate::sdp::{
    Codec, CodecOptions, LocalMedia, LocalRtcp, LocalSecurity, OfferedCodecs, Protocol, SdpOptions,
    Section, SentDescription, parse, rewrite,
};

/// Session lines that most tests share.
const SESSION: &str = "v=0\no=alice 123 456 IN IP4 192.0.2.1\ns=-\n";
/// A session `c=` and what the rewriter makes of it.
const CONNECTION: &str = "c=IN IP4 192.0.2.1\n";
/// Lines for payload type 101.
const DTMF: &str = "a=rtpmap:101 telephone-event/8000\na=fmtp:101 0-15\n";

/// Our side of one rewriting, set up with what a call would usually say.
struct Rewriter {
    options: SdpOptions,
    address: IpAddr,
    protocol: Option<Protocol>,
    mux: Option<LocalRtcp>,
    sent: SentDescription,
}

impl Rewriter {
    fn new(options: SdpOptions) -> Self {
        Self {
            options,
            address: "127.0.0.1".parse().expect("literal"),
            protocol: None,
            mux: None,
            sent: SentDescription::default(),
        }
    }

    /// Rewrites an offer; section n gets port 20000 + 2n.
    fn offer(&mut self, input: &str) -> String {
        let description = parse(input.as_bytes()).expect("parses");
        let params = description.params();
        let codecs: Vec<Vec<Codec>> = params
            .iter()
            .map(|section| {
                let audio = &*section.media_type == b"audio";
                OfferedCodecs::new(&section.codecs, &self.options.codec, audio).shown()
            })
            .collect();
        let media: Vec<Section<'_>> = params
            .iter()
            .zip(&codecs)
            .zip((20000..).step_by(2))
            .zip(description.media())
            .map(|(((section, codecs), port), media)| {
                if self.options.removes(media) {
                    return Section::LeftOut;
                }
                Section::Shown(LocalMedia {
                    address: self.address,
                    port: if section.rejected { 0 } else { port },
                    rtcp: self.mux.unwrap_or(LocalRtcp {
                        port: port + 1,
                        mux: section.rtcp_mux,
                    }),
                    protocol: self.protocol.as_ref().unwrap_or(&section.protocol),
                    codecs,
                    ptime_ms: self.options.ptime_ms.or(section.ptime_ms),
                    mid: section.mid.as_deref(),
                    security: LocalSecurity::default(),
                })
            })
            .collect();
        let text = rewrite(
            &description,
            &self.options,
            self.address,
            &media,
            "0123456789ab",
            &mut self.sent,
        );
        String::from_utf8(text.expect("rewrites")).expect("was text before")
    }
}

/// The rewritten offer, LF line ends.
fn offer(input: &str, options: SdpOptions) -> String {
    Rewriter::new(options).offer(input).replace("\r\n", "\n")
}

/// The media level of a rewritten offer.
fn offer_media(media: &str, options: SdpOptions) -> String {
    let out = offer(&format!("{SESSION}{CONNECTION}{media}"), options);
    out.split_at(out.find("m=").expect("a section"))
        .1
        .to_owned()
}

/// What follows the protocol in the only `m=` line.
fn formats(text: &str) -> &str {
    let line = text.lines().find(|line| line.starts_with("m="));
    line.and_then(|line| line.splitn(4, ' ').nth(3))
        .unwrap_or("")
}

fn words(list: &[&str]) -> Vec<String> {
    list.iter().map(ToString::to_string).collect()
}

fn hide(strip: &[&str], offer: &[&str], except: &[&str]) -> CodecOptions {
    CodecOptions {
        strip: words(strip),
        offer: words(offer),
        except: words(except),
        ..CodecOptions::default()
    }
}
