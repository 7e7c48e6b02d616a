//! A ring simplified, cut to a box, and put on whole units.

type Point = [f64; 2];

/// What of a ring is seen between `low` and `high` on both axes; none when that has no area.
pub(super) fn ring(ring: &[Point], tolerance: f64, [low, high]: [f64; 2]) -> Option<Vec<[i32; 2]>> {
    let apart = (0..2)
        .any(|axis| ring.iter().all(|p| p[axis] < low) || ring.iter().all(|p| p[axis] > high));
    if apart {
        return None;
    }
    let mut points = simplified(ring, tolerance);
    for (axis, limit, is_low) in
        [(0, low, true), (0, high, false), (1, low, true), (1, high, false)]
    {
        points = halved(&points, axis, limit, is_low);
    }
    let mut whole: Vec<[i32; 2]> = points.iter().map(|p| p.map(rounded)).collect();
    whole.dedup();
    if whole.len() > 1 && whole.first() == whole.last() {
        whole.pop();
    }
    (whole.len() >= 3 && doubled_area(&whole) != 0).then_some(whole)
}

/// Twice the area, positive where the ring runs clockwise on a screen whose y grows downward.
pub(super) fn doubled_area(ring: &[[i32; 2]]) -> i64 {
    let next = ring.iter().cycle().skip(1);
    let part = |(a, b): (&[i32; 2], &[i32; 2])| {
        i64::from(a[0]) * i64::from(b[1]) - i64::from(b[0]) * i64::from(a[1])
    };
    ring.iter().zip(next).map(part).sum()
}

#[expect(clippy::cast_possible_truncation, reason = "cut to a few thousand units before")]
fn rounded(part: f64) -> i32 {
    part.round() as i32
}

/// What lies on one side of a line across an axis (Sutherland and Hodgman).
fn halved(ring: &[Point], axis: usize, limit: f64, keeps_above: bool) -> Vec<Point> {
    let inside = |p: Point| if keeps_above { p[axis] >= limit } else { p[axis] <= limit };
    let mut kept = Vec::with_capacity(ring.len());
    let Some(&last) = ring.last() else { return kept };
    let mut before = last;
    for &point in ring {
        if inside(before) != inside(point) {
            let share = (limit - before[axis]) / (point[axis] - before[axis]);
            let other = 1 - axis;
            let mut crossing = [0.0; 2];
            crossing[axis] = limit;
            crossing[other] = before[other] + share * (point[other] - before[other]);
            kept.push(crossing);
        }
        if inside(point) {
            kept.push(point);
        }
        before = point;
    }
    kept
}

/// The ring without corners that move it by less than `tolerance` (Douglas and Peucker), between its first
/// corner and the one farthest from it. Works with a list of what is left to do: outlines are long.
fn simplified(ring: &[Point], tolerance: f64) -> Vec<Point> {
    if ring.len() <= 4 {
        return ring.to_vec();
    }
    let far =
        farthest(ring, ring[0], |p, from| (p[0] - from[0]).powi(2) + (p[1] - from[1]).powi(2));
    let mut closed = ring.to_vec();
    closed.push(ring[0]);
    let mut keep = vec![false; closed.len()];
    for place in [0, far, closed.len() - 1] {
        keep[place] = true;
    }
    let mut left = vec![(0, far), (far, closed.len() - 1)];
    while let Some((from, to)) = left.pop() {
        if to <= from + 1 {
            continue;
        }
        let (a, b) = (closed[from], closed[to]);
        let between = &closed[from + 1..to];
        let place = farthest(between, a, |p, _| squared_distance(p, a, b));
        if squared_distance(between[place], a, b) > tolerance * tolerance {
            let place = from + 1 + place;
            keep[place] = true;
            left.extend([(from, place), (place, to)]);
        }
    }
    let kept = closed.iter().zip(keep).filter(|(_, keep)| *keep).map(|(point, _)| *point);
    let mut kept: Vec<Point> = kept.collect();
    kept.pop();
    kept
}

fn farthest(points: &[Point], from: Point, distance: impl Fn(Point, Point) -> f64) -> usize {
    let far = points.iter().enumerate().map(|(n, &p)| (n, distance(p, from)));
    far.max_by(|a, b| a.1.total_cmp(&b.1)).map_or(0, |(n, _)| n)
}

/// From a point to the stretch between two others.
fn squared_distance(p: Point, a: Point, b: Point) -> f64 {
    let [dx, dy] = [b[0] - a[0], b[1] - a[1]];
    let length = dx * dx + dy * dy;
    let share = if length > 0.0 {
        (((p[0] - a[0]) * dx + (p[1] - a[1]) * dy) / length).clamp(0.0, 1.0)
    } else {
        0.0
    };
    (p[0] - a[0] - share * dx).powi(2) + (p[1] - a[1] - share * dy).powi(2)
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOX: [f64; 2] = [0.0, 100.0];

    #[test]
    fn a_ring_is_cut_where_it_leaves_the_box() {
        let square = [[-50.0, 20.0], [50.0, 20.0], [50.0, 60.0], [-50.0, 60.0]];
        let seen = ring(&square, 1.0, BOX).unwrap();
        assert_eq!(doubled_area(&seen).abs(), 2 * 50 * 40);
        assert!(seen.iter().flatten().all(|&part| (0..=100).contains(&part)), "{seen:?}");
        let beyond = square.map(|[x, y]| [x - 60.0, y]);
        assert_eq!(ring(&beyond, 1.0, BOX), None);
        let around = [[-500.0, -500.0], [500.0, -500.0], [500.0, 500.0], [-500.0, 500.0]];
        assert_eq!(doubled_area(&ring(&around, 1.0, BOX).unwrap()).abs(), 2 * 100 * 100);
    }

    #[test]
    fn corners_within_the_tolerance_go_and_others_stay() {
        let wavy: Vec<Point> = (0..=90)
            .map(|n| [f64::from(n), if n % 2 == 0 { 0.0 } else { 0.4 }])
            .chain([[90.0, 50.0], [0.0, 50.0]])
            .collect();
        assert_eq!(ring(&wavy, 1.0, BOX).unwrap().len(), 4);
        assert!(ring(&wavy, 0.1, BOX).unwrap().len() >= 4);
    }

    #[test]
    fn what_has_no_area_left_is_nothing() {
        let thin = [[0.0, 0.0], [0.2, 0.0], [0.2, 0.2], [0.0, 0.2]];
        assert_eq!(ring(&thin, 0.0, BOX), None);
    }
}
