//! The few functions of probability that ratings need: normal and Student distributions.
//!
//! Not here: draws ([`super::draws`]). Accurate to 1e-7 or better; not bit for bit the same on every
//! machine, since logarithms are not, and nothing here is ever replayed.

/// P(Z <= z) of a standard normal.
pub(super) fn normal_cdf(z: f64) -> f64 {
    // Abramowitz and Stegun 26.2.17: absolute error below 7.5e-8.
    let t = 1.0 / (1.0 + 0.231_641_9 * z.abs());
    let poly = t
        * (0.319_381_530
            + t * (-0.356_563_782
                + t * (1.781_477_937 + t * (-1.821_255_978 + t * 1.330_274_429))));
    let tail = normal_density(z) * poly;
    if z >= 0.0 { 1.0 - tail } else { tail }
}

/// Density of a standard normal.
pub(super) fn normal_density(z: f64) -> f64 {
    const ROOT: f64 = 0.398_942_280_401_432_7;
    ROOT * (-0.5 * z * z).exp()
}

/// P(|T| > t) of Student's distribution with `freedom` degrees of freedom, which need not be whole.
pub(super) fn student_tails(t: f64, freedom: f64) -> f64 {
    incomplete_beta(freedom / 2.0, 0.5, freedom / (freedom + t * t))
}

/// The t that `share` (0.95) of Student's distribution lies within.
pub(super) fn student_within(share: f64, freedom: f64) -> f64 {
    let (mut low, mut high) = (0.0, 1.0);
    while student_tails(high, freedom) > 1.0 - share && high < 1e9 {
        high *= 2.0;
    }
    for _ in 0..100 {
        let middle = 0.5 * (low + high);
        if student_tails(middle, freedom) > 1.0 - share {
            low = middle;
        } else {
            high = middle;
        }
    }
    0.5 * (low + high)
}

/// Logarithm of the gamma function (Lanczos, g = 7, nine terms).
fn ln_gamma(x: f64) -> f64 {
    const TERMS: [f64; 8] = [
        676.520_368_121_885_1,
        -1_259.139_216_722_402_8,
        771.323_428_777_653_1,
        -176.615_029_162_140_6,
        12.507_343_278_686_905,
        -0.138_571_095_265_720_12,
        9.984_369_578_019_572e-6,
        1.505_632_735_149_311_6e-7,
    ];
    let x = x - 1.0;
    let mut sum = 0.999_999_999_999_809_9;
    for (place, term) in (1_u8..).zip(TERMS) {
        sum += term / (x + f64::from(place));
    }
    let t = x + 7.5;
    0.918_938_533_204_672_8 + (x + 0.5) * t.ln() - t + sum.ln()
}

/// Regularised incomplete beta function by its continued fraction (Lentz).
fn incomplete_beta(a: f64, b: f64, x: f64) -> f64 {
    if x <= 0.0 || x >= 1.0 {
        return x.clamp(0.0, 1.0);
    }
    let front = (ln_gamma(a + b) - ln_gamma(a) - ln_gamma(b) + a * x.ln() + b * (-x).ln_1p()).exp();
    // The fraction converges quickly on one side only.
    if x < (a + 1.0) / (a + b + 2.0) {
        front * fraction(a, b, x) / a
    } else {
        1.0 - front * fraction(b, a, 1.0 - x) / b
    }
}

fn fraction(a: f64, b: f64, x: f64) -> f64 {
    const TINY: f64 = 1e-300;
    let solid = |value: f64| if value.abs() < TINY { TINY } else { value };
    let mut upper = 1.0;
    let mut lower = 1.0 / solid(1.0 - (a + b) * x / (a + 1.0));
    let mut result = lower;
    for step in 1..=300_u16 {
        let step = f64::from(step);
        let even = step * (b - step) * x / ((a + 2.0 * step - 1.0) * (a + 2.0 * step));
        let odd = -(a + step) * (a + b + step) * x / ((a + 2.0 * step) * (a + 2.0 * step + 1.0));
        for term in [even, odd] {
            lower = 1.0 / solid(1.0 + term * lower);
            upper = solid(1.0 + term / upper);
            result *= lower * upper;
        }
        if (lower * upper - 1.0).abs() < 1e-14 {
            break;
        }
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(found: f64, expected: f64) {
        assert!((found - expected).abs() < 2e-4 * expected.abs().max(1e-3), "{found} {expected}");
    }

    #[test]
    fn values_are_those_of_printed_tables() {
        check(normal_cdf(0.0), 0.5);
        check(normal_cdf(1.959_964), 0.975);
        check(normal_cdf(-3.0), 0.001_349_9);
        // Quantiles of Student's distribution for 95 % and 99 %.
        check(student_within(0.95, 1.0), 12.706_2);
        check(student_within(0.95, 5.0), 2.570_58);
        check(student_within(0.95, 30.0), 2.042_27);
        check(student_within(0.99, 10.0), 3.169_27);
        check(student_within(0.95, 1e7), 1.959_964);
        check(student_tails(2.570_58, 5.0), 0.05);
        check(ln_gamma(10.0), 362_880_f64.ln());
        check(ln_gamma(0.5), std::f64::consts::PI.sqrt().ln());
    }
}
