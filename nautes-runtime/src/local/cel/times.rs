//! Times as texts, and parts of times where the clocks of a place show them.
#![expect(
    clippy::needless_pass_by_value,
    reason = "the interpreter gives functions values"
)]

use std::sync::Arc;

use jiff::{Timestamp, Zoned, tz};
use kube_cel::cel::{ExecutionError, FunctionContext, Value as Cel};

/// A duration, a time or a truth as the text that it is read from; anything else as it is.
pub(super) fn text(ftx: &FunctionContext<'_, '_>, value: Cel) -> Result<Cel, ExecutionError> {
    let text = match &value {
        Cel::Duration(duration) => {
            let (seconds, nanos) = (duration.num_seconds(), duration.subsec_nanos());
            let sign = if seconds < 0 || nanos < 0 { "-" } else { "" };
            let fraction = format!("{:09}", nanos.unsigned_abs());
            let fraction = fraction.trim_end_matches('0');
            let point = if fraction.is_empty() { "" } else { "." };
            format!("{sign}{}{point}{fraction}s", seconds.unsigned_abs())
        }
        Cel::Timestamp(_) => instant(ftx, &value)?.to_string(),
        Cel::Bool(truth) => truth.to_string(),
        _ => return Ok(value),
    };
    Ok(Cel::String(Arc::new(text)))
}

/// A time, or the seconds that it is after 1970, as text; anything else as it is.
pub(super) fn instant_text(ftx: &FunctionContext<'_, '_>, value: Cel) -> Result<Cel, ExecutionError> {
    match value {
        Cel::Int(seconds) => match Timestamp::from_second(seconds) {
            Ok(time) => Ok(Cel::String(Arc::new(time.to_string()))),
            Err(_) => Err(ftx.error("timestamp overflow")),
        },
        other => text(ftx, other),
    }
}

/// The seconds that a time is after 1970; anything else as it is.
pub(super) fn seconds(value: Cel) -> Result<Cel, ExecutionError> {
    match &value {
        Cel::Timestamp(time) => Ok(Cel::Int(time.timestamp())),
        _ => Ok(value),
    }
}

fn instant(ftx: &FunctionContext<'_, '_>, value: &Cel) -> Result<Timestamp, ExecutionError> {
    let Cel::Timestamp(time) = value else {
        return Err(ftx.error("no such overload"));
    };
    let nanos = i32::try_from(time.timestamp_subsec_nanos()).unwrap_or_default();
    Timestamp::new(time.timestamp(), nanos).map_err(|_| ftx.error("timestamp overflow"))
}

/// The part of a time that a function names, in a time zone: by its name, or as an offset.
pub(super) fn part(
    ftx: &FunctionContext<'_, '_>,
    time: Cel,
    name: Arc<String>,
    zone: Arc<String>,
) -> Result<Cel, ExecutionError> {
    let local = instant(ftx, &time)?.to_zoned(place(ftx, &zone)?);
    let found = match name.as_str() {
        "getFullYear" => i64::from(local.year()),
        "getMonth" => i64::from(local.month()) - 1,
        "getDate" => i64::from(local.day()),
        "getDayOfMonth" => i64::from(local.day()) - 1,
        "getDayOfWeek" => i64::from(local.weekday().to_sunday_zero_offset()),
        "getDayOfYear" => i64::from(local.day_of_year()) - 1,
        "getHours" => i64::from(local.hour()),
        "getMinutes" => i64::from(local.minute()),
        "getSeconds" => i64::from(local.second()),
        "getMilliseconds" => i64::from(Zoned::subsec_nanosecond(&local)) / 1_000_000,
        _ => return Err(ftx.error("no such overload")),
    };
    Ok(Cel::Int(found))
}

fn place(ftx: &FunctionContext<'_, '_>, zone: &str) -> Result<tz::TimeZone, ExecutionError> {
    let unknown = || ftx.error(format!("unknown time zone {zone}"));
    let Some((hours, minutes)) = zone.split_once(':') else {
        return match zone {
            "" | "UTC" => Ok(tz::TimeZone::UTC),
            name => tz::TimeZone::get(name).map_err(|_| unknown()),
        };
    };
    let number = |text: &str| text.parse::<i32>().map_err(|_| unknown());
    let (hours, minutes) = (number(hours)?, number(minutes)?);
    let sign = if zone.starts_with('-') { -1 } else { 1 };
    let seconds = hours * 3600 + sign * minutes * 60;
    let offset = tz::Offset::from_seconds(seconds).map_err(|_| unknown())?;
    Ok(tz::TimeZone::fixed(offset))
}
