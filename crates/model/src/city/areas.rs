//! The pack's area files to rows: `areas.csv`, in which a code says its tier and parent by its
//! length, and `districts.geojson`.
//!
//! A row is `code,name` or `code,name,ending`. A code with as many digits as the last tier adds to
//! the one above it continues the last row of the tier above; so eleven thousand communities need
//! three digits each. Lines that begin with `#` are comments.

use super::{City, geojson};
use crate::area::{AreaFault, AreaRow, complete, merge_boundaries};
use crate::{AreaCode, Text, Tier};

const ROWS: &str = "areas.csv";
const BOUNDARIES: &str = "districts.geojson";
const HEADER: &str = "code,name,ending";

pub(super) fn rows(
    city: &City,
    files: &[(String, String)],
) -> Result<Vec<AreaRow>, Vec<AreaFault>> {
    let text = |name: &str| files.iter().find(|(file, _)| file == name).map(|(_, text)| text);
    let Some(csv) = text(ROWS) else {
        return Err(vec![fault(0, format!("缺少文件 {ROWS}"), format!("there is no {ROWS}"))]);
    };
    let mut rows = read_rows(city, csv)?;
    if let Some(json) = text(BOUNDARIES) {
        let boundaries = geojson::boundaries(BOUNDARIES, json).map_err(|fault| vec![fault])?;
        merge_boundaries(&mut rows, boundaries, &city.recoded)?;
    }
    complete(rows)
}

fn fault(line: u32, zh: String, en: String) -> AreaFault {
    AreaFault { line, reason: Text::new(zh, en) }
}

fn read_rows(city: &City, text: &str) -> Result<Vec<AreaRow>, Vec<AreaFault>> {
    let mut rows = Vec::new();
    let mut faults = Vec::new();
    // The code of the last row on each tier the city uses.
    let mut above: Vec<String> = vec![String::new(); city.tiers.len()];
    for (line, text) in (1..).zip(text.lines()) {
        if text.is_empty() || text.starts_with('#') || text == HEADER {
            continue;
        }
        match read_row(city, line, text, &mut above) {
            Ok(row) => rows.push(row),
            Err(fault) => faults.push(fault),
        }
    }
    if faults.is_empty() { Ok(rows) } else { Err(faults) }
}

fn read_row(
    city: &City,
    line: u32,
    text: &str,
    above: &mut [String],
) -> Result<AreaRow, AreaFault> {
    let fields: Vec<&str> = text.split(',').collect();
    let (code, stem, ending) = match fields[..] {
        [code, stem] => (code, stem, ""),
        [code, stem, ending] => (code, stem, ending),
        _ => {
            return Err(fault(line, format!("应为 {HEADER}"), format!("a row is {HEADER}")));
        }
    };
    let (place, code) = whole_code(city, code, above).ok_or_else(|| {
        fault(
            line,
            format!("代码 {code} 的位数不属于任何层级"),
            format!("the code {code} has the digits of no tier"),
        )
    })?;
    let ending = match ending {
        "" => "",
        id => city.areas.endings.iter().find(|e| e.id == id).map(|e| e.text.as_str()).ok_or_else(
            || fault(line, format!("未知的词尾 {id}"), format!("there is no ending {id}")),
        )?,
    };
    above[place].clone_from(&code);
    let refuse_code =
        || fault(line, format!("{code} 不是区域代码"), format!("{code} is no area code"));
    let parent_digits = place.checked_sub(1).map(|above| city.tiers[above].digits);
    let parent = match parent_digits {
        Some(digits) => Some(code.get(..digits).and_then(AreaCode::new).ok_or_else(refuse_code)?),
        None => None,
    };
    Ok(AreaRow {
        line,
        code: AreaCode::new(&code).ok_or_else(refuse_code)?,
        parent,
        name: format!("{stem}{ending}"),
        tier: city.tiers[place].id,
        valid_from: Some(city.areas.valid_from),
        valid_to: None,
        center: None,
        shape: None,
        generated: false,
        note: None,
    })
}

/// The tier's place among the city's tiers, and the code in full.
fn whole_code(city: &City, code: &str, above: &[String]) -> Option<(usize, String)> {
    if let Some(place) = city.tiers.iter().position(|tier| tier.digits == code.len()) {
        return Some((place, code.to_owned()));
    }
    let place = city.tiers.iter().position(|tier| tier.id == Tier::Community)?;
    let over = place.checked_sub(1)?;
    let continues = city.tiers[place].digits - city.tiers[over].digits == code.len();
    (continues && !above[over].is_empty()).then(|| (place, format!("{}{code}", above[over])))
}

#[cfg(test)]
mod tests {
    use super::super::{Ending, TierName};
    use super::*;

    fn city() -> City {
        let digits = [2, 6, 9, 12, 15];
        let tiers = Tier::ALL.into_iter().zip(digits).map(|(id, digits)| TierName {
            id,
            name: Text::default(),
            digits,
        });
        let mut city = City { tiers: tiers.collect(), ..City::default() };
        city.areas.endings.push(Ending { id: "v".into(), text: "村民委员会".into() });
        city
    }

    fn check(csv: &str) -> Result<Vec<AreaRow>, Vec<u32>> {
        let rows = rows(&city(), &[(ROWS.to_owned(), csv.to_owned())]);
        rows.map_err(|faults| faults.iter().map(|f| f.line).collect())
    }

    const GOOD: &str = "# made for a test\ncode,name,ending\n50,重庆市\n500101,万州区\n\
                        500101100,龙沙镇\n200,大和,v\n201,全名村\n500101101,响水镇\n200,万民,v\n";

    #[test]
    fn short_codes_continue_the_last_town_and_endings_are_added() {
        let rows = check(GOOD).unwrap();
        let named = |code: &str| rows.iter().find(|r| r.code.as_str() == code).unwrap();
        assert_eq!(named("500101100200").name, "大和村民委员会");
        assert_eq!(named("500101100201").name, "全名村");
        assert_eq!(named("500101101200").parent.as_ref().unwrap().as_str(), "500101101");
        assert_eq!(named("500101").tier, Tier::District);
        let grids = rows.iter().filter(|r| r.tier == Tier::Grid).count();
        assert!((9..=27).contains(&grids) && rows.len() == 7 + grids, "{}", rows.len());
    }

    #[test]
    fn broken_rows_are_refused_by_line() {
        assert_eq!(check(&GOOD.replace("200,大和,v", "20,大和,v")), Err(vec![6]));
        assert_eq!(check(&GOOD.replace("200,大和,v", "200,大和,x")), Err(vec![6]));
        assert_eq!(check(&GOOD.replace("200,大和,v", "200,大,和,v")), Err(vec![6]));
        assert_eq!(check(&GOOD.replace("200,万民", "!00,万民")), Err(vec![9]));
        assert_eq!(check(&GOOD.replace("500101,万州区\n", "")), Err(vec![4, 7]));
        assert_eq!(rows(&city(), &[]).unwrap_err().len(), 1);
    }

    #[test]
    fn broken_boundaries_are_refused_with_their_place() {
        let with = |json: &str| {
            let files =
                [(ROWS.to_owned(), GOOD.to_owned()), (BOUNDARIES.to_owned(), json.to_owned())];
            rows(&city(), &files)
        };
        let good = r#"{"type":"FeatureCollection","features":[
            {"type":"Feature","id":"500101","properties":{"name":"万州区","center":[108.2,30.2]},
             "geometry":{"type":"Polygon","coordinates":[[[108,30],[109,30],[109,31],[108,30]]]}}]}"#;
        let placed = with(good).unwrap();
        assert!(placed.iter().filter(|r| r.tier == Tier::Grid).all(|r| r.center.is_some()));
        let flat = with(&good.replace("[109,31]", "[110,30]")).unwrap_err();
        assert!(flat[0].reason.en.contains("500101"), "{flat:?}");
        assert_eq!(with(&good.replace("500101", "500199")).unwrap_err()[0].line, 1);
        assert_eq!(with("{").unwrap_err()[0].line, 1);
    }
}
