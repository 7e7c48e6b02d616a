//! Made-up centres for areas that have no open position: spread evenly inside the parent's shape,
//! closer together around the parent's own centre, and the same on every run.
//!
//! They are not real positions. Whoever shows an area with such a centre says that it is generated.

use crate::geometry::{Bounds, Shape, distance_squared, scale_among};

/// Candidates looked at for each centre wanted.
const CANDIDATES_PER_CENTER: usize = 6;

/// Generated centres are written with six decimals of a degree (a tenth of a metre), so that they
/// do not depend on the last bits of a machine's arithmetic.
const DECIMALS: f64 = 1e6;

/// A centre keeps this far from its parent's border, in degrees of latitude, or it might be rounded
/// across it.
const EDGE_MIN: f64 = 2e-6;

/// Where centres lie closer together.
#[derive(Debug, Clone, Copy)]
pub(super) struct Focus {
    /// The place.
    pub(super) at: [f64; 2],
    /// Spacing at the place itself, as a share of the spacing half the shape's width away.
    pub(super) spacing: f64,
}

/// A number that depends on a code alone (FNV-1a, finished so that near codes differ in all bits).
pub(super) fn seed_of(code: &str) -> u64 {
    let hash = code.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    let mixed = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

/// `count` distinct points inside the shape, away from its border, from those `taken`, and from each
/// other. With a focus they come nearest to it first. Fewer only when the shape is too small.
pub(super) fn scatter(
    shape: &Shape,
    taken: &[[f64; 2]],
    count: usize,
    seed: u64,
    focus: Option<Focus>,
) -> Vec<[f64; 2]> {
    let Some(bounds) = shape.bounds().filter(|_| count > 0) else { return Vec::new() };
    let middle =
        [f64::midpoint(bounds.min[0], bounds.max[0]), f64::midpoint(bounds.min[1], bounds.max[1])];
    let scale = scale_among([middle]);
    let radius = distance_squared(bounds.min, middle, scale).sqrt();
    let spacing = |p: [f64; 2]| {
        focus.map_or(1.0, |f| {
            f.spacing + distance_squared(p, f.at, scale).sqrt() / radius.max(EDGE_MIN)
        })
    };
    // Room of a candidate: how far it is from everything, in units of the spacing wanted there.
    let mut pool: Vec<(f64, [f64; 2])> = Vec::new();
    let wanted = count * CANDIDATES_PER_CENTER;
    for p in candidates(shape, bounds, seed, wanted) {
        let edge = shape.distance_to_edge(p);
        if edge > EDGE_MIN {
            let from_taken = taken.iter().map(|&t| distance_squared(p, t, scale).sqrt());
            let room = from_taken.fold(edge * 1.5, f64::min) / spacing(p);
            pool.push((room, p));
        }
    }
    let mut chosen = Vec::with_capacity(count);
    while chosen.len() < count {
        let Some(best) = roomiest(&pool) else { break };
        chosen.push(best);
        for (room, p) in &mut pool {
            *room = room.min(distance_squared(*p, best, scale).sqrt() / spacing(*p));
        }
    }
    if let Some(focus) = focus {
        chosen.sort_by(|&a, &b| {
            let from = |p| distance_squared(p, focus.at, scale);
            from(a).total_cmp(&from(b))
        });
    }
    chosen
}

fn roomiest(pool: &[(f64, [f64; 2])]) -> Option<[f64; 2]> {
    let free = pool.iter().filter(|(room, _)| *room > 0.0);
    free.max_by(|a, b| a.0.total_cmp(&b.0)).map(|&(_, p)| p)
}

/// Points inside the shape from a sequence that fills the plane evenly (the R2 sequence of
/// Roberts): a parallel is chosen, then a place along its stretches inside, so none is wasted.
fn candidates(
    shape: &Shape,
    bounds: Bounds,
    seed: u64,
    count: usize,
) -> impl Iterator<Item = [f64; 2]> + '_ {
    const STEP: [f64; 2] = [0.754_877_666_246_692_8, 0.569_840_290_998_053_2];
    let share =
        |bits: u64| f64::from(u32::try_from(bits & 0xffff_ffff).unwrap_or(0)) / 4_294_967_296.0;
    let start = [share(seed), share(seed >> 32)];
    let height = bounds.max[1] - bounds.min[1];
    (0..count)
        .filter_map(move |number| {
            let number = number as f64;
            let along = (start[0] + number * STEP[0]).fract();
            let up = (start[1] + number * STEP[1]).fract();
            let latitude = bounds.min[1] + height * up;
            let spans = shape.spans(latitude);
            let mut left = along * spans.iter().map(|[west, east]| east - west).sum::<f64>();
            for [west, east] in spans {
                if left <= east - west {
                    return Some([rounded(west + left), rounded(latitude)]);
                }
                left -= east - west;
            }
            None
        })
        .filter(move |&p| shape.contains(p))
}

fn rounded(degrees: f64) -> f64 {
    (degrees * DECIMALS).round() / DECIMALS
}

/// Order in which grid cells are numbered: bands from north to south, in each from west to east.
pub(super) fn reading_order(points: &mut [[f64; 2]]) {
    points.sort_by(|a, b| b[1].total_cmp(&a[1]));
    let rows = (1..=points.len()).find(|rows| rows * rows >= points.len()).unwrap_or(1);
    let width = points.len().div_ceil(rows).max(1);
    for band in points.chunks_mut(width) {
        band.sort_by(|a, b| a[0].total_cmp(&b[0]));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A long shape with a corner, far from the equator of its own box.
    fn bent() -> Shape {
        Shape {
            polygons: vec![vec![vec![
                [106.0, 29.0],
                [107.0, 29.0],
                [107.0, 29.2],
                [106.2, 29.2],
                [106.2, 30.0],
                [106.0, 30.0],
            ]]],
        }
    }

    #[test]
    fn centres_are_distinct_inside_and_the_same_on_every_run() {
        let shape = bent();
        let points = scatter(&shape, &[], 60, seed_of("500103"), None);
        assert_eq!(points.len(), 60);
        assert!(points.iter().all(|&p| shape.contains(p)));
        assert_eq!(points, scatter(&shape, &[], 60, seed_of("500103"), None));
        assert_ne!(points, scatter(&shape, &[], 60, seed_of("500104"), None));
        let scale = scale_among([[106.5, 29.5]]);
        let mut nearest = f64::INFINITY;
        for (index, &a) in points.iter().enumerate() {
            for &b in &points[index + 1..] {
                nearest = nearest.min(distance_squared(a, b, scale).sqrt());
            }
        }
        // Sixty points evenly over 0.31 square degrees lie about 0.07 apart.
        assert!(nearest > 0.02, "{nearest}");
    }

    #[test]
    fn centres_lie_closer_together_near_the_focus_and_come_in_order_from_it() {
        let focus = Focus { at: [106.1, 29.1], spacing: 0.1 };
        let points = scatter(&bent(), &[], 40, 7, Some(focus));
        let far = |p: &[f64; 2]| distance_squared(*p, focus.at, 0.87).sqrt();
        assert!(points.windows(2).all(|pair| far(&pair[0]) <= far(&pair[1]) + 1e-3));
        let near = points.iter().filter(|p| far(p) < 0.2).count();
        assert!(near >= 16, "only {near} of 40 near the focus");
    }

    #[test]
    fn centres_keep_away_from_those_already_there() {
        let shape = bent();
        let taken = scatter(&shape, &[], 5, 1, None);
        let more = scatter(&shape, &taken, 5, 1, None);
        assert!(more.iter().all(|p| !taken.contains(p)));
    }

    #[test]
    fn numbering_runs_from_west_to_east_in_bands_from_the_north() {
        let mut points = vec![[1.0, 0.1], [0.0, 0.0], [0.0, 2.0], [1.0, 2.1]];
        reading_order(&mut points);
        assert_eq!(points, [[0.0, 2.0], [1.0, 2.1], [0.0, 0.0], [1.0, 0.1]]);
    }
}
