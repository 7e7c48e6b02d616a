//! Tiles by their bytes and their places. What other programs read from them is tested with GDAL and MapLibre.

use super::*;

#[test]
fn the_example_of_the_standard_comes_out_byte_for_byte() {
    // Section 4.3.5 of the standard, a polygon: MoveTo(3,6), LineTo(8,12), LineTo(20,34), ClosePath.
    let mut layer = LayerWriter::new("x");
    layer.polygons(Some(1), &[vec![vec![[3, 6], [8, 12], [20, 34]]]], &[]);
    let bytes = layer.finish();
    let strokes = [9_u8, 6, 12, 18, 10, 12, 24, 44, 15];
    let place = bytes.windows(strokes.len()).position(|part| part == strokes);
    assert!(place.is_some(), "{bytes:?}");
    // Layer 3: name "x"; feature 2: id 1, no tags, a polygon, 9 bytes of strokes; extent 4096; version 2.
    let whole = [
        vec![26, 29, 10, 1, b'x', 18, 17, 8, 1, 18, 0, 24, 3, 34, 9],
        strokes.to_vec(),
        vec![40, 128, 32, 120, 2],
    ];
    let mut whole = whole.concat();
    whole[1] = u8::try_from(whole.len() - 2).unwrap();
    assert_eq!(bytes, whole);
}

#[test]
fn a_key_and_a_value_stand_once_however_often_they_are_used() {
    let mut layer = LayerWriter::new("devices");
    for id in 0..1_000 {
        let properties =
            [("kind", Value::Text("methane".to_owned())), ("status", Value::Number(0))];
        layer.point(Some(id), [5, 7], &properties);
    }
    assert_eq!(layer.len(), 1_000);
    let bytes = layer.finish();
    assert_eq!(bytes.windows(7).filter(|part| *part == b"methane").count(), 1);
    assert!(bytes.len() < 20_000, "{}", bytes.len());
    assert!(LayerWriter::new("nothing").finish().is_empty());
}

#[test]
fn outer_rings_run_clockwise_and_holes_the_other_way_whatever_they_came_as() {
    let square = |low: i32, high: i32| vec![[low, low], [high, low], [high, high], [low, high]];
    let bytes = |outer: Vec<[i32; 2]>, hole: Vec<[i32; 2]>| {
        let mut layer = LayerWriter::new("x");
        layer.polygons(Some(1), &[vec![outer, hole]], &[]);
        layer.finish()
    };
    let reversed = |mut ring: Vec<[i32; 2]>| {
        ring.reverse();
        ring
    };
    assert!(cut::doubled_area(&square(0, 9)) > 0, "the square is clockwise as it stands");
    let right = bytes(square(0, 9), reversed(square(3, 6)));
    assert_eq!(bytes(square(0, 9), square(3, 6)), right);
}

#[test]
fn a_tile_is_where_everybody_has_it() {
    assert_eq!(Tile::new(0, 1, 0), None);
    assert_eq!(Tile::new(23, 0, 0), None);
    // Chongqing's centre at zoom 10, as any map of the web numbers it.
    let tile = Tile::new(10, 815, 423).unwrap();
    let [x, y] = tile.local([106.55, 29.56]);
    assert!((0.0..4_096.0).contains(&x) && (0.0..4_096.0).contains(&y), "{x} {y}");
    assert!(tile.bounds().contains([106.55, 29.56]));
    let whole = Tile::new(0, 0, 0).unwrap();
    assert!((whole.local([180.0, 0.0])[0] - 4_096.0).abs() < 1e-6);
    assert!(whole.local([0.0, 89.0])[1].abs() < 1e-6, "the map ends before the pole");
}

#[test]
fn a_shape_is_seen_on_the_tiles_it_meets_and_on_no_other() {
    let shape = Shape {
        polygons: vec![vec![
            vec![[106.0, 29.0], [107.0, 29.0], [107.0, 30.0], [106.0, 30.0]],
            vec![[106.48, 29.48], [106.52, 29.48], [106.52, 29.52], [106.48, 29.52]],
        ]],
    };
    let rings = |zoom, x, y| {
        let polygons = Tile::new(zoom, x, y).unwrap().polygons(&shape);
        polygons.iter().map(Vec::len).collect::<Vec<_>>()
    };
    assert_eq!(rings(8, 203, 105), [2], "with its hole");
    assert!(rings(8, 0, 0).is_empty());
    assert_eq!(rings(0, 0, 0), [1], "half a unit wide: the hole has no area left");
    // In the middle of the hole the tile is covered by nothing.
    let [x, y] = world([106.5, 29.5]).map(|part| (part * f64::from(1 << 16)).floor());
    let place = [x, y].map(|part| format!("{part}").parse::<u32>().unwrap());
    let seen = Tile::new(16, place[0], place[1]).unwrap().polygons(&shape);
    let area = |rings: &Vec<Vec<[i32; 2]>>| {
        let mut areas = rings.iter().map(|ring| cut::doubled_area(ring).abs());
        areas.next().unwrap_or(0) - areas.sum::<i64>()
    };
    assert_eq!(seen.iter().map(area).sum::<i64>(), 0);
}
