//! SRTP and SRTCP. The first bytes of an input choose suite and parameters, the rest is a packet.

use media_core::buf::{PAYLOAD_MAX, PacketBuf, Slab, TAILROOM};
use media_core::srtp::{
    CryptoSuite, MasterKey, Mki, Protector, SrtpParams, UnprotectError, Unprotector,
};

/// The longest packet that still fits a slot's payload once protected.
const LONGEST: usize = PAYLOAD_MAX - TAILROOM;

/// An input's first two bytes as parameters, with a key that everybody knows; and the rest.
fn params(data: &[u8]) -> Option<(SrtpParams, &[u8])> {
    let (&[suite, flags], packet) = data.split_first_chunk()?;
    let suite = *CryptoSuite::ALL.get(usize::from(suite) % CryptoSuite::ALL.len())?;
    let key: Vec<u8> = (1..).take(suite.key_len() + suite.salt_len()).collect();
    let params = SrtpParams {
        key: MasterKey::new(suite, &key).expect("as long as the suite says"),
        // The low bits are the length of the MKI, 0 for none.
        mki: Mki::new(&[b'k'; 31][..usize::from(flags & 0x1f)]),
        unencrypted_srtp: flags & 0x20 != 0,
        unencrypted_srtcp: flags & 0x40 != 0,
        unauthenticated_srtp: flags & 0x80 != 0,
    };
    Some((params, packet.get(..LONGEST).unwrap_or(packet)))
}

fn slot(bytes: &[u8]) -> PacketBuf {
    let mut packet = Slab::new(1).allocate().expect("a free slot");
    assert!(packet.fill(bytes), "at most a slot's payload");
    packet
}

/// SRTP: what is protected comes back and is then a replay; what was not protected is refused, and
/// disturbs nothing.
pub fn srtp(data: &[u8]) {
    let Some((params, bytes)) = params(data) else {
        return;
    };
    let mut unprotector = Unprotector::new(&params);
    let authenticated = !params.unauthenticated_srtp || params.suite().is_aead();
    let mut received = slot(bytes);
    match unprotector.unprotect_rtp(&mut received) {
        // The key is no secret here: a fuzzer may keep a packet that was protected with it.
        Ok(index) => {
            assert!(received.len() <= bytes.len());
            let mut protected = received;
            Protector::new(&params)
                .protect_rtp(&mut protected)
                .expect("an RTP packet");
            // Not so if its rollover counter was guessed as 1.
            if index.roc().get() == 0 {
                assert_eq!(protected.as_slice(), bytes);
            }
            unprotector = Unprotector::new(&params);
        }
        Err(error) => assert!(authenticated || error != UnprotectError::BadTag),
    }

    let mut packet = slot(bytes);
    if Protector::new(&params).protect_rtp(&mut packet).is_err() {
        assert_eq!(packet.as_slice(), bytes);
        return;
    }
    let protected = packet.as_slice().to_vec();
    let index = unprotector.unprotect_rtp(&mut packet);
    assert_eq!(index.map(|i| i.roc().get()), Ok(0));
    assert_eq!(packet.as_slice(), bytes);
    let again = unprotector.unprotect_rtp(&mut slot(&protected));
    if authenticated {
        assert_eq!(again, Err(UnprotectError::Replayed));
    } else {
        assert!(again.is_ok());
    }
}

/// SRTCP: as [`srtp`]. It is always authenticated, whatever its E says.
pub fn srtcp(data: &[u8]) {
    let Some((params, bytes)) = params(data) else {
        return;
    };
    let mut unprotector = Unprotector::new(&params);
    let mut received = slot(bytes);
    if unprotector.unprotect_rtcp(&mut received).is_ok() {
        assert!(received.len() < bytes.len());
        unprotector = Unprotector::new(&params);
    }

    let mut packet = slot(bytes);
    if Protector::new(&params).protect_rtcp(&mut packet).is_err() {
        assert_eq!(packet.as_slice(), bytes);
        return;
    }
    let protected = packet.as_slice().to_vec();
    // A bit of the tag, wherever it stands: that of the suite's last byte but index and MKI.
    let mut forged = protected.clone();
    let behind = if params.suite().is_aead() {
        4 + usize::from(data[1] & 0x1f)
    } else {
        0
    };
    let at = forged.len() - 1 - behind;
    forged[at] ^= 1;
    let refused = unprotector.unprotect_rtcp(&mut slot(&forged));
    assert_eq!(refused, Err(UnprotectError::BadTag));
    assert_eq!(unprotector.unprotect_rtcp(&mut packet), Ok(()));
    assert_eq!(packet.as_slice(), bytes);
    let again = unprotector.unprotect_rtcp(&mut slot(&protected));
    assert_eq!(again, Err(UnprotectError::Replayed));
}
