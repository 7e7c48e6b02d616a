//! Every limit of the engine, with its unit last. Memory use is arithmetic, not luck.

/// Longest expression a pack may write, in bytes.
pub const EXPRESSION_LEN_MAX: usize = 2_000;
/// Deepest stack an expression may need.
pub const EXPRESSION_STACK_MAX: usize = 32;
/// Readings a rule remembers of a stream that is not quiet; also the most evidence of a warning.
pub const EVIDENCE_READINGS_MAX: usize = 8;
/// Readings kept for `slope`, whatever the window: closer ones are thinned out.
pub const SLOPE_READINGS_MAX: usize = 16;
/// Kinds, declared and undeclared. Names beyond it share the last kind.
pub const KINDS_MAX: usize = 60_000;
/// Rules, those of indicators included.
pub const RULES_MAX: usize = 60_000;
/// Indicators.
pub const INDICATORS_MAX: usize = 60_000;
/// Conditions such as `count(methane < 20)` kept for one kind and window width.
pub const CONDITIONS_MAX: usize = 64;
/// Values of indicators over areas that are followed at every tick. What lies beyond, from the lowest
/// tier upward, is worked out when asked; values that may raise a warning are always followed.
pub const FOLLOWED_VALUES_MAX: usize = 8_000_000;
/// A reading further in the future than this joins no window and no state, in milliseconds. The
/// edge refuses much smaller leads; this only bounds the number of windows.
pub const FUTURE_MS_MAX: i64 = 86_400_000;
/// The same limit for the largest silence a rule may wait for, in milliseconds: a year.
pub const SILENCE_MS_MAX: i64 = 366 * 86_400_000;
/// Times further than this from 1970 are none that a city has seen, in milliseconds: the year 10000.
/// What a snapshot holds is believed up to here, so that arithmetic on times cannot overflow.
pub const TIME_MS_MAX: i64 = 253_402_300_800_000;

/// Readings or alarms that are believed to have come in all: more than any city counts.
pub(crate) const COUNT_MAX: u64 = 1 << 62;

/// Whether that is a time at all; see [`TIME_MS_MAX`].
pub(crate) const fn is_time(ms: i64) -> bool {
    ms >= -TIME_MS_MAX && ms <= TIME_MS_MAX
}

const _: () = assert!(EVIDENCE_READINGS_MAX <= 8, "the held bits of a rule are one byte");
const _: () = assert!(KINDS_MAX < u16::MAX as usize, "kinds are numbered in u16");
const _: () = assert!(RULES_MAX < u16::MAX as usize, "rules are numbered in u16");
const _: () = assert!(INDICATORS_MAX < u16::MAX as usize, "indicators are numbered in u16");
