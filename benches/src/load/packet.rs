//! The packets: RTP headers (RFC 3550 §5.1) and marked payloads.
//!
//! ```text
//! 0          12     16      20        28
//! | RTP header | VOXP | stream | number | pattern from offset number mod 256 … |
//! ```

use super::batch::SLOT_BYTES;

/// RTP header without CSRCs or extension.
const HEADER_BYTES: usize = 12;
/// Magic, stream and number.
const MARK_BYTES: usize = 16;
const MAGIC: &[u8; 4] = b"VOXP";

/// RTP header fields that vary.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) payload_type: u8,
    pub(crate) marker: bool,
    pub(crate) sequence: u16,
    pub(crate) timestamp: u32,
    pub(crate) ssrc: u32,
}

/// What a payload says about itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Mark {
    /// Index of the sending stream.
    pub(crate) stream: u32,
    /// Packets that stream had sent before.
    pub(crate) number: u64,
}

/// Why a datagram is not one of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Defect {
    /// Not a plain RTP packet.
    Malformed,
    /// RTCP on the RTP port (rtcp-mux).
    Rtcp,
    /// The payload is not marked, or its pattern or length is wrong.
    Payload,
}

/// Writes a packet and returns its length. `buffer` holds at least 28 bytes and the payload.
pub(crate) fn write(buffer: &mut [u8], header: Header, mark: Mark, payload_bytes: usize) -> usize {
    write_header(buffer, header);
    buffer[12..16].copy_from_slice(MAGIC);
    buffer[16..20].copy_from_slice(&mark.stream.to_be_bytes());
    buffer[20..28].copy_from_slice(&mark.number.to_be_bytes());
    let len = HEADER_BYTES + payload_bytes.max(MARK_BYTES);
    let filling = &mut buffer[HEADER_BYTES + MARK_BYTES..len];
    filling.copy_from_slice(pattern(mark.number, filling.len()));
    len
}

/// Writes a packet and returns its length. `buffer` holds at least 12 bytes and the payload.
pub(crate) fn write_payload(buffer: &mut [u8], header: Header, payload: &[u8]) -> usize {
    let len = HEADER_BYTES + payload.len();
    write_header(buffer, header);
    buffer[HEADER_BYTES..len].copy_from_slice(payload);
    len
}

fn write_header(buffer: &mut [u8], header: Header) {
    buffer[0] = 0x80;
    buffer[1] = header.payload_type | if header.marker { 0x80 } else { 0 };
    buffer[2..4].copy_from_slice(&header.sequence.to_be_bytes());
    buffer[4..8].copy_from_slice(&header.timestamp.to_be_bytes());
    buffer[8..12].copy_from_slice(&header.ssrc.to_be_bytes());
}

/// Whether a packet, secured or not, is RTCP (RFC 5761 §4: packet types 192 to 223).
pub(crate) fn is_rtcp(packet: &[u8]) -> bool {
    packet.get(1).is_some_and(|kind| (192..224).contains(kind))
}

/// Reads a packet's header.
pub(crate) fn read_header(packet: &[u8]) -> Result<(Header, &[u8]), Defect> {
    let (Some((header, payload)), Some(0x80)) =
        (packet.split_first_chunk::<HEADER_BYTES>(), packet.first())
    else {
        return Err(Defect::Malformed);
    };
    if is_rtcp(packet) {
        return Err(Defect::Rtcp);
    }
    let [_, kind, s0, s1, t0, t1, t2, t3, c0, c1, c2, c3] = *header;
    let header = Header {
        payload_type: kind & 0x7f,
        marker: kind & 0x80 != 0,
        sequence: u16::from_be_bytes([s0, s1]),
        timestamp: u32::from_be_bytes([t0, t1, t2, t3]),
        ssrc: u32::from_be_bytes([c0, c1, c2, c3]),
    };
    Ok((header, payload))
}

/// Reads a packet and checks every byte of it but the header's fields.
pub(crate) fn read(packet: &[u8], payload_bytes: usize) -> Result<(Header, Mark), Defect> {
    let (header, payload) = read_header(packet)?;
    let Some((mark, filling)) = payload.split_first_chunk::<MARK_BYTES>() else {
        return Err(Defect::Payload);
    };
    let [m0, m1, m2, m3, i0, i1, i2, i3, number @ ..] = *mark;
    let mark = Mark {
        stream: u32::from_be_bytes([i0, i1, i2, i3]),
        number: u64::from_be_bytes(number),
    };
    if [m0, m1, m2, m3] != *MAGIC
        || payload.len() != payload_bytes.max(MARK_BYTES)
        || filling != pattern(mark.number, filling.len())
    {
        return Err(Defect::Payload);
    }
    Ok((header, mark))
}

/// `len` bytes that differ from packet to packet; `len` is at most a slot.
fn pattern(number: u64, len: usize) -> &'static [u8] {
    const BYTES: [u8; SLOT_BYTES + 256] = {
        let mut bytes = [0; SLOT_BYTES + 256];
        let (mut i, mut value) = (0, 3_u8);
        while i < bytes.len() {
            bytes[i] = value;
            // 7 is odd, so 256 steps pass every value; the rest tells apart what lies 256 bytes apart.
            value = value.wrapping_add(if i % 256 == 255 { 10 } else { 7 });
            i += 1;
        }
        bytes
    };
    static PATTERN: [u8; SLOT_BYTES + 256] = BYTES;
    let [.., from] = number.to_be_bytes();
    let from = usize::from(from);
    &PATTERN[from..from + len]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> (Vec<u8>, Header, Mark) {
        let header = Header {
            payload_type: 0,
            marker: true,
            sequence: 65_535,
            timestamp: 0xfeed_beef,
            ssrc: 7,
        };
        let mark = Mark {
            stream: 3,
            number: 70_000,
        };
        let mut buffer = vec![0; SLOT_BYTES];
        let len = write(&mut buffer, header, mark, 160);
        buffer.truncate(len);
        (buffer, header, mark)
    }

    #[test]
    fn what_is_written_reads_back() {
        let (packet, header, mark) = sample();
        assert_eq!(packet.len(), 172);
        assert_eq!(read(&packet, 160), Ok((header, mark)));
    }

    #[test]
    fn a_change_of_any_payload_byte_but_the_streams_is_seen() {
        let (packet, _, mark) = sample();
        for at in 12..packet.len() {
            let mut damaged = packet.clone();
            damaged[at] ^= 0x20;
            match read(&damaged, 160) {
                Err(Defect::Payload) => {}
                // The mark itself: the caller sees another stream or a number never sent.
                Ok((_, read)) => assert_ne!(read, mark, "byte {at}"),
                other => panic!("byte {at}: {other:?}"),
            }
        }
        assert_eq!(read(&packet[..171], 160), Err(Defect::Payload));
        assert_eq!(read(&packet[..11], 160), Err(Defect::Malformed));
        assert_eq!(
            read(&[0x80, 200, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0], 160),
            Err(Defect::Rtcp)
        );
    }
}
