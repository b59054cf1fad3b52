use proptest::prelude::*;

use super::*;

/// −dBov of samples, not rounded.
fn measured(samples: &[i16]) -> f64 {
    let power: f64 = samples.iter().map(|s| f64::from(*s).powi(2)).sum::<f64>();
    -10.0 * (power / samples.len() as f64 / 32_768.0_f64.powi(2)).log10()
}

fn noise(parameters: NoiseParameters, seconds: usize) -> Vec<i16> {
    let mut generator = NoiseGenerator::new(parameters, 1);
    let mut samples = vec![0; 8000 * seconds];
    for packet in samples.chunks_mut(160) {
        generator.fill(packet);
    }
    samples
}

#[test]
fn payloads_are_those_of_rfc3389() {
    let parameters = NoiseParameters::parse(&[0xc0, 127, 0, 254]).expect("not empty");
    assert_eq!(parameters.level(), 64, "without the reserved bit");
    let k = parameters.reflections();
    assert_eq!(k.len(), 3);
    assert!(k[0].abs() < 1e-6 && (k[1] + 0.999_94).abs() < 1e-4 && (k[2] - 0.999_94).abs() < 1e-4);
    let mut payload = [9; 8];
    assert_eq!(parameters.emit(&mut payload), 4);
    assert_eq!(payload[..4], [64, 127, 0, 254]);
    assert_eq!(parameters.emit(&mut payload[..2]), 2);
    assert_eq!(parameters.emit(&mut []), 0);
    assert!(NoiseParameters::parse(&[]).is_none());
}

#[test]
fn noise_has_the_level_that_was_asked_for() {
    for level in [20, 40, 60] {
        for coefficients in [&[][..], &[60, 190, 100], &[10], &[240, 20, 200, 30]] {
            let payload = [&[level], coefficients].concat();
            let parameters = NoiseParameters::parse(&payload).expect("not empty");
            let measured = measured(&noise(parameters, 10));
            assert!(
                (measured - f64::from(level)).abs() < 1.0,
                "{measured} dB, not {payload:?}"
            );
        }
    }
    assert_eq!(noise(NoiseParameters::white(127), 1), [0; 8000]);
}

#[test]
fn what_is_analysed_is_what_was_made() {
    let payload = [45, 50, 180, 100, 140];
    let asked = NoiseParameters::parse(&payload).expect("not empty");
    let mut analyzer = NoiseAnalyzer::new(4);
    // Longer than a packet, for precision.
    analyzer.hear(&noise(asked, 10));
    let found = analyzer.parameters();
    assert!(
        (i16::from(found.level()) - 45).abs() <= 1,
        "{}",
        found.level()
    );
    for (found, asked) in found.reflections().iter().zip(asked.reflections()) {
        assert!((found - asked).abs() < 0.03, "{found}, not {asked}");
    }
}

#[test]
fn a_loud_click_is_forgotten() {
    let quiet = noise(NoiseParameters::white(60), 1);
    let mut analyzer = NoiseAnalyzer::new(0);
    assert_eq!(analyzer.parameters(), NoiseParameters::white(127));
    analyzer.hear(&[3000; 160]);
    for packet in quiet.chunks(160) {
        analyzer.hear(packet);
    }
    assert!((i16::from(analyzer.parameters().level()) - 60).abs() <= 1);
}

#[test]
fn the_level_changes_over_a_packet() {
    let mut generator = NoiseGenerator::new(NoiseParameters::white(30), 1);
    generator.set(NoiseParameters::white(60));
    let mut packet = [0; 800];
    generator.fill(&mut packet);
    assert!(measured(&packet[..80]) < 36.0 && measured(&packet[600..]) > 36.0);
    generator.fill(&mut packet);
    assert!((measured(&packet) - 60.0).abs() < 1.5);
}

proptest! {
    #[test]
    fn any_payload_makes_noise_that_is_not_louder(
        payload in prop::collection::vec(any::<u8>(), 0..40),
        lengths in prop::collection::vec(0_usize..300, 1..8),
    ) {
        let Some(parameters) = NoiseParameters::parse(&payload) else {
            prop_assert!(payload.is_empty());
            return Ok(());
        };
        let mut emitted = [0; 1 + MAX_ORDER];
        let length = parameters.emit(&mut emitted);
        prop_assert_eq!(NoiseParameters::parse(&emitted[..length]), Some(parameters));
        let mut generator = NoiseGenerator::new(parameters, 7);
        for length in lengths {
            let mut samples = vec![0; length];
            generator.fill(&mut samples);
            generator.set(parameters);
        }
    }

    #[test]
    fn any_samples_can_be_analysed(
        samples in prop::collection::vec(any::<i16>(), 0..400),
        order in 0_usize..20,
    ) {
        let mut analyzer = NoiseAnalyzer::new(order);
        analyzer.hear(&samples);
        analyzer.hear(&vec![i16::MIN; 200]);
        let parameters = analyzer.parameters();
        prop_assert!(parameters.level() <= 127);
        prop_assert!(parameters.reflections().iter().all(|k| k.abs() < 1.0));
    }
}
