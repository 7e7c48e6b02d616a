//! Case numbers: code of the district (or of the city), local date of filing, serial of that day.

use std::fmt;

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use crate::{AreaCode, AreaPath};

/// `500103-20261121-00001`. Unique in the city; the serial is given by the records database, and 0
/// marks a number that is not given yet.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct CaseId {
    /// Code of the district, or of the city for cases above the districts.
    pub code: AreaCode,
    /// The local day of filing.
    pub date: Date,
    /// From 1 within code and day; 0 before the database gave one.
    pub serial: u32,
}

impl CaseId {
    /// The number of a case about to be filed in `area` on a local day.
    pub fn draft(area: &AreaPath, date: Date) -> Self {
        let code = area.codes().nth(1).unwrap_or_else(|| area.code());
        let code = AreaCode::new(code).expect("parts of a path are area codes");
        Self { code, date, serial: 0 }
    }

    /// Reads its text.
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.rsplitn(3, '-');
        let (serial, date, code) = (parts.next()?, parts.next()?, parts.next()?);
        let digits = |s: &str, n: usize| s.len() >= n && s.bytes().all(|b| b.is_ascii_digit());
        if !digits(serial, 5) || !digits(date, 8) || date.len() != 8 {
            return None;
        }
        let date =
            Date::new(date[..4].parse().ok()?, date[4..6].parse().ok()?, date[6..].parse().ok()?);
        let id =
            Self { code: AreaCode::new(code)?, date: date.ok()?, serial: serial.parse().ok()? };
        // One number has one text: no zeros in front beyond the fifth digit.
        (id.to_string() == text).then_some(id)
    }
}

impl fmt::Display for CaseId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}-{:05}", self.code, self.date.strftime("%Y%m%d"), self.serial)
    }
}

impl TryFrom<String> for CaseId {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        Self::parse(&text).ok_or_else(|| format!("`{text}` is not a case number"))
    }
}

impl From<CaseId> for String {
    fn from(id: CaseId) -> Self {
        id.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_reads_back_and_others_are_refused() {
        for text in ["500103-20261121-00001", "50-20200229-123456", "a-b-20261121-00042"] {
            assert_eq!(CaseId::parse(text).unwrap().to_string(), text);
        }
        for bad in [
            "",
            "500103-20261121-1",
            "500103-20261321-00001",
            "500103-20261121-000001",
            "-20261121-00001",
            "500103-2026112-00001",
            "500103-20261121-0000é",
        ] {
            assert_eq!(CaseId::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_draft_takes_the_district_or_else_the_city() {
        let date = jiff::civil::date(2026, 11, 21);
        let draft = |path| CaseId::draft(&AreaPath::parse(path).unwrap(), date).to_string();
        assert_eq!(draft("/50/500103/500103001/"), "500103-20261121-00000");
        assert_eq!(draft("/50/"), "50-20261121-00000");
    }
}
