//! The `SSRC` dictionary of `query` and `delete`, in rtpengine's layout.

use media_core::media::quality::Sample;
use media_core::session::QualityReport;

use super::reply::int;
use super::value::Value;

/// One entry per source.
pub(super) fn all(reports: Vec<QualityReport>) -> Value<'static> {
    let mut out = Value::dict();
    for report in reports {
        let key = report.ssrc.get().to_string();
        if out.get(&key).is_none() {
            out.push(key, one(&report));
        }
    }
    out
}

fn one(report: &QualityReport) -> Value<'static> {
    let mut out = Value::dict_of(5);
    out.push("cumulative loss", int(report.lost));
    let mut average = figures(&report.average);
    average.push("samples", int(report.samples));
    out.push("average MOS", average);
    out.push("lowest MOS", dated(&report.lowest));
    out.push("highest MOS", dated(&report.highest));
    let mut progression = Value::dict_of(2);
    progression.push("interval", int(report.interval.as_secs()));
    let entries = report.progression.iter().map(dated).collect();
    progression.push("entries", Value::List(entries));
    out.push("MOS progression", progression);
    out
}

fn dated(sample: &Sample) -> Value<'static> {
    let mut out = figures(sample);
    out.push("reported at", int(sample.at_s));
    out
}

fn figures(sample: &Sample) -> Value<'static> {
    let mut out = Value::dict_of(6);
    out.push("MOS", int(sample.mos));
    out.push("round-trip time", int(sample.round_trip_us));
    out.push("round-trip time leg", int(sample.leg_us));
    out.push("jitter", int(sample.jitter_ms));
    out.push("packet loss", int(sample.loss_percent));
    out
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use media_core::units::Ssrc;

    use super::*;
    use crate::ng::json;

    /// What rtpengine 10.5.3.5 answered about such a source.
    #[test]
    fn an_entry_is_laid_out_like_rtpengines() {
        let sample = |at_s| Sample::new(25, 10, 40_276, 20_106, at_s);
        let report = QualityReport {
            ssrc: Ssrc::new(2_863_267_841),
            lost: 41,
            samples: 2,
            average: sample(0),
            lowest: sample(1_795_842_777),
            highest: sample(1_795_842_777),
            interval: Duration::ZERO,
            progression: vec![sample(1_795_842_777), sample(1_795_842_779)],
        };
        let mut text = Vec::new();
        json::encode(&all(vec![report.clone(), report]), &mut text);
        let figures = concat!(
            r#""MOS":35,"round-trip time":40276,"round-trip time leg":20106,"#,
            r#""jitter":10,"packet loss":9"#
        );
        let expected = format!(
            concat!(
                r#"{{"2863267841":{{"cumulative loss":41,"average MOS":{{{0},"samples":2}},"#,
                r#""lowest MOS":{{{0},"reported at":1795842777}},"#,
                r#""highest MOS":{{{0},"reported at":1795842777}},"#,
                r#""MOS progression":{{"interval":0,"entries":["#,
                r#"{{{0},"reported at":1795842777}},{{{0},"reported at":1795842779}}]}}}}}}"#
            ),
            figures
        );
        assert_eq!(String::from_utf8(text).unwrap(), expected);
    }
}
