//! Alerts 对外预警 as the outside reads them: a message in the words of CAP 1.2, signed with the city's key.
//!
//! Not here: when there is a message (`store::records::alerts`), its bytes (`wire::cap`), who may read it
//! (`api::cap`). Invariants: a message of made-up data says so and asks nobody to act; an outline that was
//! made up is not told as where a danger is; nobody who answered is named.

use anyhow::Context as _;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use chengmai_model::{AreaId, Text, Tier, Timestamp};
use chengmai_store::records::alerts::{AlertKind, AlertRow, Earlier};
use chengmai_wire::cap::{
    self, Alert, Area, Certainty, Info, Kind, Reference, Response, Status, Urgency,
};
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use sha2::{Digest as _, Sha256};

use super::City;
use crate::http::problem::{Answer, Problem};
use crate::pages::Language;

/// Most significant severity that may wait an hour.
const SOON_SEVERITY_MAX: u8 = 2;
/// Digits of a code of GB/T 2260.
const DIVISION_DIGITS: usize = 6;

/// The key that alerts are signed with.
pub(crate) struct AlertKey(Box<EcdsaKeyPair>);

/// A key is printed nowhere.
impl std::fmt::Debug for AlertKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AlertKey").finish_non_exhaustive()
    }
}

impl AlertKey {
    /// A new one, as PKCS #8.
    pub(crate) fn generate() -> anyhow::Result<Vec<u8>> {
        let algorithm = &ECDSA_P256_SHA256_FIXED_SIGNING;
        let made = EcdsaKeyPair::generate_pkcs8(algorithm, &SystemRandom::new());
        let made = made.ok().context("the operating system gives no random numbers")?;
        Ok(made.as_ref().to_vec())
    }

    /// The key in PKCS #8.
    pub(crate) fn new(secret: &[u8]) -> anyhow::Result<Self> {
        let random = SystemRandom::new();
        let read = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, secret, &random);
        read.map(|pair| Self(Box::new(pair))).ok().context("is no key of the curve P-256")
    }

    /// Its public half as programs read it.
    pub(crate) fn public_pem(&self) -> String {
        cap::key_pem(self.0.public_key().as_ref(), |bytes| BASE64.encode(bytes))
    }

    /// A canonical alert with its signature.
    fn sign(&self, alert: &str, key_name: &str) -> anyhow::Result<String> {
        let info = cap::signed_info(&BASE64.encode(Sha256::digest(alert)));
        let signature = self.0.sign(&SystemRandom::new(), info.as_bytes());
        let signature = signature.ok().context("the operating system gives no random numbers")?;
        let (signature, key) =
            (BASE64.encode(signature.as_ref()), BASE64.encode(self.0.public_key().as_ref()));
        Ok(cap::signed(alert, &info, &signature, key_name, &key))
    }
}

impl City {
    /// Whose alerts these are: this installation's and no other's.
    pub(crate) fn alert_sender(&self) -> String {
        cap::name(self.proof.key().name())
    }

    /// A message as it is given to everybody: signed when somebody first asks for it, and the same bytes
    /// from then on.
    pub(crate) async fn alert_text(&self, row: &AlertRow) -> Answer<String> {
        if let Some(text) = &row.text {
            return Ok(text.clone());
        }
        let sender = self.alert_sender();
        let xml = cap::alert(&self.alert(row, &sender), &self.profile.zone());
        let text =
            self.outlet.alert_key.sign(&xml, &sender).map_err(|error| super::internal(&error))?;
        let kept = self.records.alerts().keep_text(&row.id, &text).await?;
        kept.ok_or_else(|| Problem::not_found(format!("alert {}", row.id)))
    }

    fn alert(&self, row: &AlertRow, sender: &str) -> Alert {
        let reference =
            |earlier: &Earlier| Reference { identifier: earlier.id.clone(), sent: earlier.sent };
        let is_test = self.is_made_up(row);
        Alert {
            identifier: row.id.clone(),
            sender: sender.to_owned(),
            sent: row.sent,
            status: if is_test { Status::Test } else { Status::Actual },
            kind: match row.kind {
                AlertKind::Alert => Kind::Alert,
                AlertKind::Update => Kind::Update,
                AlertKind::Cancel => Kind::Cancel,
            },
            restriction: "持有本系统账号者 / holders of an account of this system".to_owned(),
            note: is_test
                .then(|| "模拟数据，请勿据此行动 / Simulated: do not act on it".to_owned()),
            references: row.body.earlier.iter().map(reference).collect(),
            incident: row.warning.to_string(),
            infos: vec![
                self.alert_info(row, Language::Zh, "zh-CN"),
                self.alert_info(row, Language::En, "en"),
            ],
        }
    }

    /// Whether anything behind a message is simulated.
    pub(crate) fn is_made_up(&self, row: &AlertRow) -> bool {
        self.config.simulated || row.body.facts.simulated
    }

    fn alert_info(&self, row: &AlertRow, language: Language, tag: &'static str) -> Info {
        let (body, facts) = (&row.body, &row.body.facts);
        let is_over = row.kind == AlertKind::Cancel;
        let is_soon = body.severity.number() > SOON_SEVERITY_MAX;
        Info {
            language: tag,
            categories: self.alert_categories(&facts.pack),
            event: language.of_text(&facts.rule_name),
            response: if is_over { Response::AllClear } else { Response::Monitor },
            urgency: match (is_over, is_soon) {
                (true, _) => Urgency::Past,
                (false, true) => Urgency::Immediate,
                (false, false) => Urgency::Expected,
            },
            severity: body.severity,
            certainty: if body.by_person { Certainty::Observed } else { Certainty::Likely },
            event_codes: vec![("urn:chengmai:rule", facts.rule.clone())],
            onset: body.raised_at,
            sender_name: language.of_text(&self.profile.name),
            headline: self.alert_headline(row, language),
            description: self.alert_description(row, language),
            parameters: vec![
                ("urn:chengmai:severity", body.severity.number().to_string()),
                ("urn:chengmai:value", facts.value.to_string()),
                ("urn:chengmai:unit", facts.unit.clone()),
                ("urn:chengmai:subject", facts.subject_id.clone()),
            ],
            area: self.alert_area(row, language),
        }
    }

    /// What warnings of a pack are about.
    fn alert_categories(&self, pack: &str) -> Vec<String> {
        let pack = self.packs.iter().find(|known| known.head.id == pack);
        let named = pack.map(|pack| pack.head.alerts.clone()).unwrap_or_default();
        if named.is_empty() { vec!["Other".to_owned()] } else { named }
    }

    /// One line: how bad, what, where.
    pub(crate) fn alert_headline(&self, row: &AlertRow, language: Language) -> String {
        let facts = &row.body.facts;
        let (label, event) = (language.of_text(&facts.label), language.of_text(&facts.rule_name));
        let area = self.areas.find(row.area.code());
        let place =
            area.map_or_else(|| row.area.code().to_owned(), |area| self.area_words(area, language));
        let made_up =
            if self.is_made_up(row) { language.say("【模拟】", "[Simulated] ") } else { "" };
        match (language, row.kind) {
            (Language::Zh, AlertKind::Cancel) => {
                format!("{made_up}解除{label}预警：{event}，{place}")
            }
            (Language::Zh, _) => format!("{made_up}{label}预警：{event}，{place}"),
            (Language::En, AlertKind::Cancel) => {
                format!("{made_up}{label} warning is over: {event}, {place}")
            }
            (Language::En, _) => format!("{made_up}{label} warning: {event}, {place}"),
        }
    }

    /// Some sentences: what was measured, since when, and who says that it is real.
    pub(crate) fn alert_description(&self, row: &AlertRow, language: Language) -> String {
        let (body, facts) = (&row.body, &row.body.facts);
        let at = |at: Timestamp| cap::time(at, &self.profile.zone());
        let what = facts.kind.as_deref().map_or_else(Text::default, |kind| self.kind_name(kind));
        let what = language.of_text(&what);
        let (value, unit, subject) = (facts.value, &facts.unit, &facts.subject_id);
        let since = at(body.raised_at);
        let who = match (body.by_person, language) {
            (true, Language::Zh) => "值班人员已确认",
            (true, Language::En) => "Confirmed by a duty officer",
            (false, Language::Zh) => "由规则自动立案，未经人工确认",
            (false, Language::En) => "Filed by a rule, not confirmed by a person",
        };
        let over = body.ended_at.map(at);
        match (language, over) {
            (Language::Zh, None) => {
                format!("{what}{value} {unit}（{subject}），始于 {since}。{who}。")
            }
            (Language::Zh, Some(over)) => {
                format!("原因已于 {over} 消除。{subject}，始于 {since}。")
            }
            (Language::En, None) => {
                let gap = if what.is_empty() { "" } else { " " };
                format!("{what}{gap}{value} {unit} ({subject}), since {since}. {who}.")
            }
            (Language::En, Some(over)) => {
                format!("Its cause was gone at {over}. {subject}, since {since}.")
            }
        }
    }

    /// The names of an area and those above it.
    pub(crate) fn area_words(&self, area: AreaId, language: Language) -> String {
        let path = self.areas.path(area);
        let names = path.into_iter().map(|area| {
            let row = &self.areas.get(area).row;
            let english = self.profile.english_name(&row.code);
            english.filter(|_| language == Language::En).unwrap_or(&row.name)
        });
        names.collect::<Vec<_>>().join(" / ")
    }

    fn alert_area(&self, row: &AlertRow, language: Language) -> Area {
        let code = row.area.code();
        let mut area = Area {
            description: code.to_owned(),
            polygons: Vec::new(),
            circle: None,
            geocodes: vec![("urn:chengmai:area", code.to_owned())],
        };
        // An indicator is about its whole area; where a device stands is known.
        if row.body.facts.subject_kind == "device" {
            area.circle = row.body.facts.position.map(|at| (at, 0.0));
        }
        let Some(id) = self.areas.find(code) else { return area };
        area.description = self.area_words(id, language);
        let outline = self.outlines.of(&self.areas, id).filter(|outline| !outline.generated);
        if let Some(outline) = outline {
            let outer = outline.shape.polygons.iter().filter_map(|polygon| polygon.first());
            area.polygons = outer.cloned().collect();
        }
        let district = self.areas.path(id).into_iter().find(|&above| {
            let row = &self.areas.get(above).row;
            let code = row.code.as_str();
            row.tier == Tier::District
                && code.len() == DIVISION_DIGITS
                && code.bytes().all(|b| b.is_ascii_digit())
        });
        area.geocodes.extend(
            district.map(|above| ("GB/T 2260", self.areas.get(above).row.code.to_string())),
        );
        area
    }
}
