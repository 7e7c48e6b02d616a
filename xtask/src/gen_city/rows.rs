//! Names and codes of the four real tiers, from `china-division`, as the compact `areas.csv`.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use serde::Deserialize;

use super::CITY;

/// Endings written as a letter; `city.toml` says the same.
const ENDINGS: [(&str, &str); 2] = [("c", "社区居民委员会"), ("v", "村民委员会")];

pub(super) struct Rows {
    pub(super) text: String,
    /// Cities, districts, towns, communities.
    pub(super) counts: [usize; 4],
}

impl Rows {
    pub(super) fn count(&self) -> usize {
        self.counts.iter().sum()
    }
}

#[derive(Deserialize)]
struct Division {
    code: String,
    name: String,
}

pub(super) fn read(package: &Path) -> Result<Rows> {
    let load = |file: &str| -> Result<Vec<Division>> {
        let all: Vec<Division> =
            serde_json::from_value(super::json(&package.join("dist").join(file))?)
                .with_context(|| format!("{file} has another form than expected"))?;
        let mut own: Vec<Division> =
            all.into_iter().filter(|division| division.code.starts_with(CITY)).collect();
        own.sort_by(|a, b| a.code.cmp(&b.code));
        Ok(own)
    };
    let [cities, districts, towns, communities] =
        ["provinces.json", "areas.json", "streets.json", "villages.json"].map(load);
    write(&[cities?, districts?, towns?, communities?])
}

fn write(tiers: &[Vec<Division>; 4]) -> Result<Rows> {
    let mut text = String::from(
        "# Areas of Chongqing 重庆市区域. Written by `cargo xtask gen city`; sources in SOURCE.md.\n\
         # A code of three digits continues the town above it; endings c and v are in city.toml.\n\
         code,name,ending\n",
    );
    let [cities, districts, towns, communities] = tiers;
    let mut written = cities.len();
    for city in cities {
        writeln!(text, "{},{}", city.code, city.name)?;
    }
    for district in districts {
        writeln!(text, "{},{}", district.code, district.name)?;
        written += 1;
        for town in below(towns, &district.code) {
            writeln!(text, "{},{}", town.code, town.name)?;
            written += 1;
            for community in below(communities, &town.code) {
                let (name, ending) = split(&community.name);
                let separator = if ending.is_empty() { "" } else { "," };
                writeln!(text, "{},{name}{separator}{ending}", &community.code[town.code.len()..])?;
                written += 1;
            }
        }
    }
    let counts = [cities.len(), districts.len(), towns.len(), communities.len()];
    ensure!(
        written == counts.iter().sum::<usize>(),
        "some divisions lie below none of the others: {written} of {counts:?} written"
    );
    Ok(Rows { text, counts })
}

fn below<'a>(all: &'a [Division], parent: &'a str) -> impl Iterator<Item = &'a Division> {
    all.iter().filter(move |division| division.code.starts_with(parent))
}

fn split(name: &str) -> (&str, &str) {
    let known = ENDINGS.iter().find_map(|(id, ending)| Some((name.strip_suffix(ending)?, *id)));
    known.filter(|(stem, _)| !stem.is_empty()).unwrap_or((name, ""))
}

#[cfg(test)]
mod tests {
    use super::{Division, split, write};

    fn divisions(list: &[(&str, &str)]) -> Vec<Division> {
        list.iter()
            .map(|(code, name)| Division { code: (*code).to_owned(), name: (*name).to_owned() })
            .collect()
    }

    #[test]
    fn a_community_keeps_three_digits_and_its_ending_becomes_a_letter() {
        let tiers = [
            divisions(&[("50", "重庆市")]),
            divisions(&[("500101", "万州区")]),
            divisions(&[("500101001", "高笋塘街道")]),
            divisions(&[("500101001001", "东方广场社区居民委员会"), ("500101001200", "工作站")]),
        ];
        let rows = write(&tiers).unwrap();
        assert!(rows.text.ends_with("500101001,高笋塘街道\n001,东方广场,c\n200,工作站\n"));
        assert_eq!(rows.count(), 5);
    }

    #[test]
    fn a_division_without_a_parent_stops_the_generator() {
        let mut tiers = [divisions(&[("50", "市")]), vec![], vec![], vec![]];
        tiers[2] = divisions(&[("500101001", "高笋塘街道")]);
        assert!(write(&tiers).is_err());
    }

    #[test]
    fn a_name_that_is_nothing_but_an_ending_stays_whole() {
        assert_eq!(split("村民委员会"), ("村民委员会", ""));
        assert_eq!(split("大和村民委员会"), ("大和", "v"));
    }
}
