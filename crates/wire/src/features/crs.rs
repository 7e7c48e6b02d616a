//! Coordinate reference systems by their address: from and to degrees of longitude and latitude.
//!
//! Not here: datums. CGCS2000 and WGS 84 lie centimetres apart, so positions are passed on as they are.
//! Invariant: what comes out of a reading is finite and on the Earth.

use std::f64::consts::PI;

/// Radius of the sphere of web maps, in metres.
const RADIUS_M: f64 = 6_378_137.0;

/// A reference system in which features are asked for and answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Crs {
    /// Longitude, latitude in degrees, WGS 84: what is meant when none is named.
    #[default]
    Crs84,
    /// Latitude, longitude, WGS 84.
    Epsg4326,
    /// Latitude, longitude, CGCS2000: China's own.
    Epsg4490,
    /// Metres on the map of the web, x and y.
    Epsg3857,
}

impl Crs {
    /// All of them, the default first.
    pub const ALL: [Self; 4] = [Self::Crs84, Self::Epsg4326, Self::Epsg4490, Self::Epsg3857];

    /// Its address.
    pub const fn uri(self) -> &'static str {
        match self {
            Self::Crs84 => "http://www.opengis.net/def/crs/OGC/1.3/CRS84",
            Self::Epsg4326 => "http://www.opengis.net/def/crs/EPSG/0/4326",
            Self::Epsg4490 => "http://www.opengis.net/def/crs/EPSG/0/4490",
            Self::Epsg3857 => "http://www.opengis.net/def/crs/EPSG/0/3857",
        }
    }

    /// From its address, or the short form of it: `[EPSG:4490]`.
    pub fn from_uri(uri: &str) -> Option<Self> {
        let short = uri.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
        Self::ALL.into_iter().find(|crs| {
            crs.uri() == uri
                || short.is_some_and(|short| match short.split_once(':') {
                    Some(("OGC", code)) => *crs == Self::Crs84 && code == "CRS84",
                    Some(("EPSG", code)) => {
                        crs.uri().strip_prefix(EPSG).is_some_and(|own| own == code)
                    }
                    _ => false,
                })
        })
    }

    /// Longitude and latitude of a position in this system; none off the Earth.
    pub fn position_from(self, [first, second]: [f64; 2]) -> Option<[f64; 2]> {
        let [longitude, latitude] = match self {
            Self::Crs84 => [first, second],
            Self::Epsg4326 | Self::Epsg4490 => [second, first],
            Self::Epsg3857 => {
                [(first / RADIUS_M).to_degrees(), (second / RADIUS_M).sinh().atan().to_degrees()]
            }
        };
        // Half the way around in metres comes out a rounding beyond 180.
        let fits = longitude.abs() <= 180.000_001 && latitude.abs() <= 90.0;
        fits.then(|| [longitude.clamp(-180.0, 180.0), latitude])
    }

    /// A position in this system. Near the poles the map of the web ends.
    pub fn position_to(self, [longitude, latitude]: [f64; 2]) -> [f64; 2] {
        match self {
            Self::Crs84 => [longitude, latitude],
            Self::Epsg4326 | Self::Epsg4490 => [latitude, longitude],
            Self::Epsg3857 => {
                let latitude = latitude.clamp(-85.06, 85.06).to_radians();
                let y = (PI / 4.0 + latitude / 2.0).tan().ln() * RADIUS_M;
                [longitude.to_radians() * RADIUS_M, y]
            }
        }
    }

    /// West, south, east and north in degrees of the 4 or 6 numbers of a box; heights play no part.
    pub fn box_from(self, numbers: &[f64]) -> Option<[f64; 4]> {
        let (low, high) = match *numbers {
            [a, b, c, d] => ([a, b], [c, d]),
            [a, b, low, c, d, high] if low <= high => ([a, b], [c, d]),
            _ => return None,
        };
        let ([west, south], [east, north]) = (self.position_from(low)?, self.position_from(high)?);
        // Only on the globe may the west lie east of the east.
        let fits = south <= north && (west <= east || self != Self::Epsg3857);
        fits.then_some([west, south, east, north])
    }
}

const EPSG: &str = "http://www.opengis.net/def/crs/EPSG/0/";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_system_leads_back_to_where_it_came_from() {
        let place = [106.55, 29.56];
        for crs in Crs::ALL {
            let [longitude, latitude] = crs.position_from(crs.position_to(place)).unwrap();
            assert!(
                (longitude - place[0]).abs() < 1e-9 && (latitude - place[1]).abs() < 1e-9,
                "{crs:?}"
            );
            assert_eq!(Crs::from_uri(crs.uri()), Some(crs));
        }
        assert_eq!(Crs::from_uri("[EPSG:4490]"), Some(Crs::Epsg4490));
        assert_eq!(Crs::from_uri("EPSG:4490"), None);
    }

    #[test]
    fn metres_of_the_web_map_are_those_everybody_has() {
        // The corner of the map, and a point that other programs agree on to the centimetre.
        let [x, y] = Crs::Epsg3857.position_to([180.0, 0.0]);
        assert!((x - 20_037_508.342_789).abs() < 1e-5 && y.abs() < 1e-5);
        let [x, y] = Crs::Epsg3857.position_to([106.55, 29.56]);
        assert!((x - 11_861_091.74).abs() < 0.01, "{x}");
        assert!((y - 3_447_116.41).abs() < 0.01, "{y}");
    }

    #[test]
    fn a_box_has_four_or_six_numbers_and_may_cross_the_180th_meridian() {
        assert_eq!(Crs::Crs84.box_from(&[1.0, 2.0, 3.0, 4.0]), Some([1.0, 2.0, 3.0, 4.0]));
        assert_eq!(
            Crs::Crs84.box_from(&[1.0, 2.0, 0.0, 3.0, 4.0, 9.0]),
            Some([1.0, 2.0, 3.0, 4.0])
        );
        assert_eq!(Crs::Epsg4326.box_from(&[2.0, 1.0, 4.0, 3.0]), Some([1.0, 2.0, 3.0, 4.0]));
        assert_eq!(
            Crs::Crs84.box_from(&[170.0, 2.0, -170.0, 4.0]),
            Some([170.0, 2.0, -170.0, 4.0])
        );
        for refused in [
            &[1.0, 4.0, 3.0, 2.0][..],
            &[1.0, 2.0, 3.0],
            &[1.0, 2.0, 300.0, 4.0],
            &[1.0, 2.0, f64::NAN, 4.0],
            &[1.0, 2.0, 9.0, 3.0, 4.0, 0.0],
        ] {
            assert_eq!(Crs::Crs84.box_from(refused), None, "{refused:?}");
        }
    }
}
