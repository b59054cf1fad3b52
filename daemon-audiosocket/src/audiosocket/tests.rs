use super::*;

fn decode_all(bytes: &[u8], cut: usize) -> Result<Vec<String>, FrameError> {
    let mut decoder = Decoder::default();
    let mut messages = Vec::new();
    for piece in bytes.chunks(cut) {
        decoder.push(piece);
        while let Some(message) = decoder.next_message()? {
            messages.push(format!("{message:?}"));
        }
    }
    Ok(messages)
}

fn every_message(payload: &[u8]) -> Vec<Message<'_>> {
    let mut all = vec![
        Message::Uuid(CallId::new([7; 16])),
        Message::Dtmf('5'),
        Message::Error(2),
    ];
    all.extend(RATES_HZ.map(|rate_hz| Message::Audio { rate_hz, payload }));
    all.push(Message::Hangup);
    all
}

#[test]
fn every_message_reads_as_written_however_it_is_cut() {
    for len in [0, 1, 320, 333, MAX_PAYLOAD] {
        let payload = vec![0x42; len];
        let all = every_message(&payload);
        let mut bytes = Vec::new();
        all.iter().for_each(|message| encode(*message, &mut bytes));
        let expected: Vec<_> = all.iter().map(|m| format!("{m:?}")).collect();
        for cut in [1, 2, 3, 5, 1448, bytes.len()] {
            if cut < 5 && len > 1000 {
                continue;
            }
            assert_eq!(decode_all(&bytes, cut).as_ref(), Ok(&expected), "{cut}");
        }
    }
}

#[test]
fn longest_message_by_single_bytes() {
    let payload = vec![0x42; MAX_PAYLOAD];
    let mut bytes = Vec::new();
    let message = Message::Audio {
        rate_hz: 8000,
        payload: &payload,
    };
    encode(message, &mut bytes);
    let mut decoder = Decoder::default();
    for (n, byte) in bytes.iter().enumerate() {
        assert_eq!(decoder.next_message(), Ok(None), "{n}");
        decoder.push(&[*byte]);
    }
    assert_eq!(decoder.next_message(), Ok(Some(message)));
    assert_eq!(decoder.pending(), 0);
}

#[test]
fn hangup_does_not_wait_for_its_length() {
    assert_eq!(decode_all(b"\x00\xff\xff", 1), Ok(vec!["Hangup".into()]));
}

#[test]
fn what_is_wrong_is_named_and_final() {
    let wrong = [
        (&b"\x02\0\0"[..], FrameError::UnknownKind { kind: 2 }),
        (b"\x19\0\0", FrameError::UnknownKind { kind: 0x19 }),
        (b"GET / HTTP/1.1", FrameError::UnknownKind { kind: b'G' }),
        (b"\x01\0\x0f", FrameError::BadLength { kind: 1, len: 15 }),
        (b"\x03\0\x02", FrameError::BadLength { kind: 3, len: 2 }),
        (b"\xff\0\x02", FrameError::BadLength { kind: 0xff, len: 2 }),
        (b"\x03\0\x01x", FrameError::BadDigit { byte: b'x' }),
    ];
    for (bytes, error) in wrong {
        assert_eq!(decode_all(bytes, 1), Err(error));
        let mut decoder = Decoder::default();
        decoder.push(bytes);
        assert_eq!(decoder.next_message(), Err(error));
        decoder.push(b"\x03\0\x011");
        assert_eq!(decoder.next_message(), Err(error));
    }
}

#[test]
fn empty_buffer_lets_go_of_memory() {
    let mut decoder = Decoder::default();
    let mut bytes = Vec::new();
    let payload = &[0; MAX_PAYLOAD][..];
    let rate_hz = 192_000;
    encode(Message::Audio { rate_hz, payload }, &mut bytes);
    decoder.push(&bytes);
    assert!(decoder.next_message().is_ok_and(|m| m.is_some()));
    decoder.push(&[]);
    decoder.push(&[3]);
    assert!(format!("{decoder:?}").len() < 200);
    assert_eq!(decoder.pending(), 1);
}

#[test]
fn audio_of_ours_is_never_empty_or_unknown() {
    let mut out = Vec::new();
    encode_audio(8000, &[], &mut out);
    encode_audio(11_025, &[1], &mut out);
    encode_audio(8000, &[0; 32_768], &mut out);
    assert!(out.is_empty());
    encode_audio(16_000, &[1, -2], &mut out);
    assert_eq!(out, b"\x12\0\x04\x01\0\xfe\xff");
}
