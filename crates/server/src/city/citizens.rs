//! Citizens 公众: reports taken in, joined, followed by a secret link, and the steps that the one who
//! holds the link may take.
//!
//! Not here: pages (`pages`), Open311 (`api::geo_report`), what is allowed (`engine::case`). Invariants:
//! what goes into a case's events has no personal data that `scrub` finds; of a link only its hash is
//! kept (it follows from a key in the data folder); a report is answered when case and contact are on disk.

use chengmai_engine::case::{ReportRequest, decide, report};
use chengmai_engine::triage::scrub::scrub;
use chengmai_model::case::{Case, CaseId, CaseSource, Command, CommandKind, Photo};
use chengmai_model::{Actor, AreaId, AreaPath, Role, Text, error};
use chengmai_store::records::citizens::{ContactRow, NewContact};

use super::City;
use super::triage::Proposed;
use crate::accounts::{hash_token, hex};
use crate::clock;
use crate::http::problem::{Answer, Problem};

pub(crate) mod public;

/// Digits of the name by which a case knows its reporter.
const NAME_DIGITS: usize = 12;

/// A report as it came in.
#[derive(Debug, Clone)]
pub(crate) struct NewReport {
    /// Case type; none when the citizen does not know.
    pub(crate) type_id: Option<String>,
    /// Longitude and latitude.
    pub(crate) position: Option<[f64; 2]>,
    /// Code of the area, where there is no position.
    pub(crate) area: Option<String>,
    /// Where, in words.
    pub(crate) address: Option<String>,
    /// What was said.
    pub(crate) words: String,
    pub(crate) photos: Vec<Photo>,
    pub(crate) source: CaseSource,
    pub(crate) person: Person,
}

/// Who reports, as far as they said.
#[derive(Debug, Clone, Default)]
pub(crate) struct Person {
    pub(crate) name: Option<String>,
    pub(crate) phone: Option<String>,
    pub(crate) email: Option<String>,
    /// Whether each step is to be told by e-mail.
    pub(crate) mails: bool,
    /// `zh` or `en`.
    pub(crate) language: String,
    /// Account of the app it came by.
    pub(crate) app: Option<String>,
}

/// A report that is on disk.
#[derive(Debug, Clone)]
pub(crate) struct Reported {
    pub(crate) case: Case,
    /// Secret of the tracking link, shown once.
    pub(crate) token: String,
}

/// A case and the one who holds a link to it.
#[derive(Debug, Clone)]
pub(crate) struct Tracked {
    pub(crate) contact: ContactRow,
    pub(crate) case: Case,
    /// What may be done with the link now.
    pub(crate) allowed: Vec<CommandKind>,
}

impl City {
    /// Takes a report in.
    pub(crate) async fn report(&self, new: NewReport) -> Answer<Reported> {
        let area = self.reported_area(&new)?;
        // What the citizen left open is decided only where the city's own cases say that it may be.
        let decided = match &new.type_id {
            Some(_) => None,
            None => self.propose(&new.words, &area).decided,
        };
        let type_id = new.type_id.as_deref().or(decided.as_ref().map(|likely| likely.id.as_str()));
        let case_type = type_id.map(|id| self.case_type(id)).transpose()?;
        let lead = case_type.and_then(|t| self.case_rules.responsible(&t.id, &new.words, &area));
        let (token, contact) = self.contact(&new.person, words_of(&new));
        let request = ReportRequest {
            type_id,
            area: area.clone(),
            position: new.position,
            description: without_personal_data(&new.words),
            agency: lead.map(|lead| lead.agency.to_owned()),
            reporter: Some(contact.reporter.clone()),
            source: new.source,
            external: None,
            photos: new.photos.clone(),
            simulated: self.config.simulated,
        };
        let now = clock::now();
        let mut events = report(&request, &self.citizen(&contact.reporter), now, &self.case_rules)?;
        // In the history, where staff reads it; never part of what is public.
        let address = new.address.as_deref().map(without_personal_data);
        let by_words = decided.as_ref().map(|likely| {
            let percent = likely.probability * 100.0;
            format!("类别由程序按文字判定，把握 {percent:.0} % / kind decided by the program from the words, {percent:.0} % sure")
        });
        let notes: Vec<String> = address.into_iter().chain(by_words).collect();
        if let Some(first) = events.first_mut() {
            first.note = Some(notes.join("\n")).filter(|note| !note.is_empty());
        }
        tokio::task::block_in_place(|| self.photos.name(&new.photos))?;
        let draft = CaseId::draft(&area, self.profile.local_date(now));
        let case = self.records.citizens().report(draft, &events, &contact).await?;
        self.publish_case(&case);
        Ok(Reported { case, token })
    }

    /// Adds someone to a report that is there already.
    pub(crate) async fn join(&self, case: &Case, person: &Person, words: &str) -> Answer<Reported> {
        let (token, contact) = self.contact(person, words.to_owned());
        let said = without_personal_data(words);
        let command = Command {
            note: Some(said).filter(|text| !text.trim().is_empty()),
            ..Command::new(CommandKind::Join)
        };
        let actor = self.citizen(&contact.reporter);
        let events = decide(case, &command, &actor, clock::now(), &self.case_rules)?;
        let case = self.records.citizens().join(case, &events, &contact).await?;
        self.publish_case(&case);
        Ok(Reported { case, token })
    }

    /// Open cases that citizens reported and that may be this one, the most probable first.
    pub(crate) async fn near_reports(
        &self,
        words: &str,
        position: [f64; 2],
        type_id: Option<&str>,
        proposed: &Proposed,
    ) -> Answer<Vec<Case>> {
        let near = self.near_cases(words, position, type_id, proposed).await?;
        let is_open = |case: &Case| case.closed_at.is_none() && case.filing.reporter.is_some();
        Ok(near.into_iter().map(|(case, _)| case).filter(is_open).collect())
    }

    /// What may be said of a report that a citizen is writing; the words of a place outside the city are
    /// looked at as the whole city's.
    pub(crate) fn propose_to_citizen(&self, words: &str, position: Option<[f64; 2]>) -> Proposed {
        let area = position.and_then(|at| self.areas.locate(at)).unwrap_or(AreaId::ROOT);
        self.propose(words, &AreaPath::of(&self.areas, area))
    }

    /// What a tracking link leads to.
    pub(crate) async fn tracked(&self, token: &str) -> Answer<Tracked> {
        let missing = || Problem::new(&error::NO_TRACKING, "");
        let contact = self.records.citizens().by_token(&hash_token(token)).await?;
        let contact = contact.ok_or_else(missing)?;
        let case = self.records.cases().find(&contact.case).await?.ok_or_else(missing)?;
        let actor = self.citizen(&contact.reporter);
        let mut allowed = chengmai_engine::case::allowed(&case, &actor, &self.case_rules);
        allowed.retain(|kind| *kind != CommandKind::Join);
        Ok(Tracked { contact, case, allowed })
    }

    /// A step of the one who holds the link.
    pub(crate) async fn citizen_step(&self, tracked: &Tracked, command: Command) -> Answer<Case> {
        let clean = |text: Option<String>| text.map(|text| without_personal_data(&text));
        let command =
            Command { note: clean(command.note), reason: clean(command.reason), ..command };
        let actor = self.citizen(&tracked.contact.reporter);
        let events = decide(&tracked.case, &command, &actor, clock::now(), &self.case_rules)?;
        self.take_step(&tracked.case, &events).await
    }

    /// A citizen with a link: they see the case of the link, wherever it is handed.
    fn citizen(&self, reporter: &str) -> Actor {
        Actor {
            name: reporter.to_owned(),
            roles: vec![Role::Citizen],
            area: self.root_path(),
            agency: None,
        }
    }

    fn contact(&self, person: &Person, words: String) -> (String, NewContact) {
        // By chance: it leads back to nobody, and is another one for every report.
        let reporter = format!("citizen-{}", &random_digits()[..NAME_DIGITS]);
        let token = self.outlet.link_token(&reporter);
        let contact = NewContact {
            token_hash: hash_token(&token),
            reporter,
            mails: person.mails && person.email.is_some() && self.outlet.mailer.is_some(),
            app: person.app.clone(),
            language: person.language.clone(),
            person: person.name.clone(),
            phone: person.phone.clone(),
            email: person.email.clone(),
            words: Some(words).filter(|text| !text.is_empty()),
        };
        (token, contact)
    }

    /// Where a report belongs: by position, by code, or by the names of areas in its address.
    fn reported_area(&self, new: &NewReport) -> Answer<AreaPath> {
        let outside = || Problem::new(&error::NOT_IN_CITY, "");
        let named = new.area.as_deref().filter(|code| !code.is_empty());
        let found = match (new.position, named, &new.address) {
            (Some(position), _, _) => self.areas.locate(position).ok_or_else(outside)?,
            (None, Some(code), _) => self.areas.find(code).ok_or_else(outside)?,
            (None, None, Some(address)) => self.area_in_words(address),
            (None, None, None) => return Err(outside()),
        };
        Ok(AreaPath::of(&self.areas, found))
    }

    /// The smallest area whose name, and those of all above it below the city, an address holds.
    fn area_in_words(&self, address: &str) -> AreaId {
        let mut at = AreaId::ROOT;
        loop {
            let named = |id: &AreaId| {
                let name = &self.areas.get(*id).row.name;
                !name.is_empty() && address.contains(name.as_str())
            };
            match self.areas.children(at).find(named) {
                Some(child) => at = child,
                None => return at,
            }
        }
    }

    /// The name of a case's agency.
    pub(crate) fn agency_name(&self, case: &Case) -> Option<Text> {
        let agency = self.agencies.get(case.agency.as_deref()?)?;
        Some(agency.name.clone())
    }
}

/// Word for word what a citizen said, with where.
fn words_of(new: &NewReport) -> String {
    let parts = [Some(new.words.as_str()), new.address.as_deref()];
    let parts: Vec<&str> = parts.into_iter().flatten().filter(|part| !part.is_empty()).collect();
    parts.join("\n")
}

/// What a citizen wrote without personal data: the one place where texts are scrubbed.
pub(crate) fn without_personal_data(text: &str) -> String {
    scrub(text).text
}

/// 128 random bits.
fn random_digits() -> String {
    let mut bytes = [0_u8; 16];
    getrandom::fill(&mut bytes).expect("the operating system gives random numbers");
    hex(&bytes)
}

/// Metres between two places that are near each other.
pub(crate) fn metres(a: [f64; 2], b: [f64; 2]) -> f64 {
    let middle = f64::midpoint(a[1], b[1]).to_radians();
    let east = (a[0] - b[0]) * public::DEGREE_M * middle.cos();
    let north = (a[1] - b[1]) * public::DEGREE_M;
    east.hypot(north)
}

#[cfg(test)]
mod tests;
