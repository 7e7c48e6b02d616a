//! Who is told what: the messages that a notice makes, and, at the last moment, receiver and words of a
//! message.
//!
//! Not here: when (`notify`), how it is said (`message`, `mail`). Invariant: a notice that is out of date
//! makes no message.

use chengmai_model::case::{Case, CaseStep};
use chengmai_model::{AreaPath, Timestamp};
use chengmai_store::records::Result;
use chengmai_store::records::deliveries::{DeliveryRow, NewDelivery, Recipient};
use chengmai_store::records::notices::{Follower, News, Notice};
use chengmai_store::records::subscriptions::{Channel, Matter, STOPPED, SubscriptionRow};

use super::mail::{Letter, for_citizen, for_staff, is_for_citizens};
use super::message::{Message, matters_of, message_id};
use super::send::{Failure, Posted};
use crate::accounts::hash_token;
use crate::city::City;
use crate::clock;
use crate::pages::Language;

/// Everything that goes to one receiver, looked up at the last moment.
#[derive(Debug)]
pub(super) enum Parcel {
    Web(Box<SubscriptionRow>, String, String),
    Program(Posted),
    Mail(String, Letter),
}

impl City {
    /// The messages that a notice makes.
    pub(super) fn messages(
        &self,
        notice: &Notice,
        subscriptions: &[SubscriptionRow],
        followers: &[Follower],
        now: Timestamp,
    ) -> Vec<NewDelivery> {
        let Some((message, wanted)) = self.news(notice) else { return Vec::new() };
        let body = serde_json::to_string(&message).expect("our own types have text keys");
        let make = |to: Recipient, key: &str, area: AreaPath| NewDelivery {
            id: message_id(key, &notice.kind, &notice.object, notice.number),
            to,
            area,
            what: message.kind.clone(),
            object: notice.object.clone(),
            made_at: now,
            body: body.clone(),
        };
        let told = subscriptions
            .iter()
            .filter(|row| wanted.wants(row, &message))
            .map(|row| make(Recipient::Subscription(row.id.clone()), &row.id, row.area.clone()));
        let mut made: Vec<NewDelivery> = told.collect();
        if is_for_citizens(&message.kind) {
            let own =
                |follower: &&Follower| wanted.own.as_ref().is_none_or(|n| *n == follower.reporter);
            made.extend(followers.iter().filter(own).map(|follower| {
                let to = Recipient::Reporter(follower.reporter.clone());
                make(to, &follower.reporter, wanted.area.clone())
            }));
        }
        made
    }

    /// What a notice says, and who may want it. Nothing when it is out of date: a clock that was
    /// answered or moved in between.
    fn news(&self, notice: &Notice) -> Option<(Message, Wanted)> {
        let at = Timestamp(notice.number);
        let of_case = |case: &Case, matters: &[Matter]| {
            let parts = case.circumstances.parts.iter().map(|part| part.agency.clone());
            Wanted {
                matters: matters.to_vec(),
                area: case.area.clone(),
                agencies: case.agency.iter().cloned().chain(parts).collect(),
                own: None,
            }
        };
        match &notice.news {
            News::Step(case, event) => {
                let mut wanted = of_case(case, matters_of(event.step));
                wanted.area = event.area.clone();
                wanted.agencies.extend(event.agency.clone());
                let is_own = matches!(event.step, CaseStep::Reported | CaseStep::Joined);
                wanted.own = is_own.then(|| event.actor.clone());
                Some((self.told_of_step(case, event), wanted))
            }
            News::Yellow(case) => {
                let holds = case.clock.as_ref().is_some_and(|clock| clock.yellow_at() == at);
                let message = || self.told_of_clock(case, Matter::DueSoon, at);
                holds.then(|| (message(), of_case(case, &[Matter::DueSoon])))
            }
            News::Overdue(case) => {
                let stage = case.clock.as_ref().is_some_and(|clock| clock.due_at == at);
                let holds = stage || (case.closed_at.is_none() && case.due_at == Some(at));
                let message = || self.told_of_clock(case, Matter::Overdue, at);
                holds.then(|| (message(), of_case(case, &[Matter::Overdue])))
            }
            News::Warning(row) => {
                let wanted = Wanted {
                    matters: vec![Matter::Warning],
                    area: row.area.clone(),
                    agencies: Vec::new(),
                    own: None,
                };
                Some((self.told_of_warning(row, notice.at), wanted))
            }
            News::Gone => None,
        }
    }

    /// Receiver and words of a message, as they are now.
    pub(super) async fn parcel(
        &self,
        row: &DeliveryRow,
    ) -> Result<std::result::Result<Parcel, Failure>> {
        let never = |why: &str| Ok(Err(Failure::Never(why.to_owned())));
        if let Recipient::Program(id) = &row.made.to {
            let posted = self.posted(id, &row.made.body).await?;
            return Ok(posted.map(Parcel::Program));
        }
        let Ok(message) = serde_json::from_str::<Message>(&row.made.body) else {
            return never("the message is damaged");
        };
        let subscription = match &row.made.to {
            Recipient::Subscription(id) => self.records.subscriptions().find(id).await?,
            Recipient::Reporter(name) => return self.letter(&message, name).await,
            Recipient::Program(_) => None,
        };
        let Some(to) = subscription.filter(|to| to.active) else {
            return never(STOPPED);
        };
        let words = self.said(&message, Language::of_word(&to.language));
        Ok(Ok(match to.channel {
            Channel::Email => Parcel::Mail(to.address, for_staff(&words)),
            _ => Parcel::Web(Box::new(to), row.made.body.clone(), words),
        }))
    }

    /// A citizen's mail, if they still want it.
    async fn letter(
        &self,
        message: &Message,
        reporter: &str,
    ) -> Result<std::result::Result<Parcel, Failure>> {
        let citizens = self.records.citizens();
        let contact = citizens.follower(reporter).await?;
        let base = self.config.notify.public_url.as_deref();
        let token = self.outlet.link_token(reporter);
        if citizens.by_token(&hash_token(&token)).await?.is_none() {
            return Ok(Err(Failure::Never("the key of tracking links is another one".to_owned())));
        }
        let ready = contact.zip(base).and_then(|(contact, base)| {
            let link = format!("{base}/track/{token}");
            let letter = for_citizen(message, Language::of_word(&contact.language), &link)?;
            Some(Parcel::Mail(contact.email?, letter))
        });
        Ok(ready.ok_or_else(|| Failure::Never("no e-mail wanted".to_owned())))
    }

    /// Gives a message to its receiver. Blocking.
    pub(super) fn hand_over(&self, id: &str, parcel: &Parcel) -> std::result::Result<(), Failure> {
        match (parcel, &self.outlet.mailer) {
            (Parcel::Web(to, body, words), _) => {
                self.outlet.sender.send(to, id, body, words, clock::now())
            }
            (Parcel::Program(posted), _) => self.outlet.sender.post(posted),
            (Parcel::Mail(to, letter), Some(mailer)) => mailer.send(id, to, letter),
            (Parcel::Mail(..), None) => Err(Failure::Later("no mail server is set up".to_owned())),
        }
    }
}

/// Who may want a message.
#[derive(Debug)]
struct Wanted {
    matters: Vec<Matter>,
    area: AreaPath,
    /// Those who have the case, or a part of it.
    agencies: Vec<String>,
    /// Only this citizen.
    own: Option<String>,
}

impl Wanted {
    fn wants(&self, row: &SubscriptionRow, message: &Message) -> bool {
        let severe = message.kind != Matter::Warning.word()
            || message.data.severity >= row.severity_min.number();
        let agency = row.agency.as_ref().is_none_or(|agency| self.agencies.contains(agency));
        row.area.contains(&self.area)
            && severe
            && agency
            && self.matters.iter().any(|matter| row.matters.contains(matter))
    }
}
