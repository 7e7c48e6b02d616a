//! One message on its way by e-mail: plain text, for staff in their language, for citizens in both.
//! Blocking.
//!
//! Not here: when it is tried again (`notify`). Invariants: no address stands in an error or a log; what
//! comes from outside cannot begin a new header.

use std::time::Duration;

use anyhow::Context as _;
use lettre::message::header::{ContentType, HeaderName, HeaderValue};
use lettre::message::{Mailbox, Message as Mail, MessageBuilder};
use lettre::transport::smtp::Error as SmtpError;
use lettre::{Address, SmtpTransport, Transport as _};

use super::message::Message;
use super::send::Failure;
use crate::config::notify::Smtp;
use crate::pages::Language;

/// How long the mail server may take for a step.
const PATIENCE: Duration = Duration::from_secs(10);

/// The way to the mail server.
#[derive(Debug)]
pub(crate) struct Mailer {
    transport: SmtpTransport,
    from: Mailbox,
}

/// A mail that is ready but for its envelope.
#[derive(Debug)]
pub(crate) struct Letter {
    pub(crate) subject: String,
    pub(crate) text: String,
    /// Where one request ends further mail.
    pub(crate) stop: Option<String>,
}

impl Mailer {
    /// From the settings; asks nobody yet.
    pub(crate) fn new(settings: &Smtp) -> anyhow::Result<Self> {
        let from = settings.from.parse().context("--smtp-from is no e-mail address")?;
        // The error would name the password.
        let builder = SmtpTransport::from_url(&settings.url)
            .map_err(|_secret| anyhow::anyhow!("--smtp-url is no address of a mail server"))?;
        Ok(Self { transport: builder.timeout(Some(PATIENCE)).build(), from })
    }

    /// Sends a mail.
    pub(crate) fn send(&self, id: &str, to: &str, letter: &Letter) -> Result<(), Failure> {
        let mail = self.mail(id, to, letter)?;
        self.transport.send(&mail).map(|_said| ()).map_err(|error| failure(&error))
    }

    fn mail(&self, id: &str, to: &str, letter: &Letter) -> Result<Mail, Failure> {
        let to: Address = to.parse().map_err(|_bad| Failure::Never("no e-mail address".into()))?;
        let mut builder: MessageBuilder = Mail::builder()
            .from(self.from.clone())
            .to(Mailbox::new(None, to))
            .subject(one_line(&letter.subject))
            .message_id(Some(format!("<{id}@{}>", self.from.email.domain())))
            .raw_header(plain("Auto-Submitted", "auto-generated"))
            .header(ContentType::TEXT_PLAIN);
        if let Some(stop) = &letter.stop {
            builder = builder
                .raw_header(plain("List-Unsubscribe", &format!("<{}>", one_line(stop))))
                .raw_header(plain("List-Unsubscribe-Post", "List-Unsubscribe=One-Click"));
        }
        let mail = builder.body(letter.text.clone());
        mail.map_err(|_bad| Failure::Never("the mail cannot be put together".into()))
    }
}

/// A header of plain letters, as it stands: an address must not be folded.
fn plain(name: &'static str, value: &str) -> HeaderValue {
    let name = HeaderName::new_from_ascii_str(name);
    HeaderValue::dangerous_new_pre_encoded(name, value.to_owned(), value.to_owned())
}

/// Without what could begin a new line.
fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// The server's words may repeat the address: only its number is told. A refused sign-in is ours to mend
/// and is tried again; another refusal for good is the receiver's.
fn failure(error: &SmtpError) -> Failure {
    let Some(code) = error.status() else {
        let what = if error.is_timeout() {
            "no answer in time"
        } else if error.is_tls() {
            "TLS failed"
        } else {
            "the connection failed"
        };
        return Failure::Later(format!("SMTP: {what}"));
    };
    let said = format!("SMTP {code}");
    let is_sign_in = said.starts_with("SMTP 53");
    if error.is_permanent() && !is_sign_in { Failure::Never(said) } else { Failure::Later(said) }
}

/// Mail for staff: what is said in a chat, its first line as the subject.
pub(crate) fn for_staff(words: &str) -> Letter {
    let subject = words.lines().next().unwrap_or_default().to_owned();
    Letter { subject, text: words.to_owned(), stop: None }
}

/// What a step means to whoever reported the case, in Chinese and English; nothing of the other steps.
const CITIZENS: [(&str, &str, &str); 9] = [
    ("case.reported", "已收到您的上报", "Your report was received"),
    ("case.joined", "已为您附议", "You were added to a report"),
    ("case.filed", "您上报的问题已立案", "Your report is now a case"),
    ("case.dispatched", "您上报的问题已派遣", "Your report was given to an agency"),
    ("case.finished", "您上报的问题已处置，待核查", "Your report was handled and is being checked"),
    (
        "case.returned",
        "您上报的问题已退回，正重新安排",
        "Your report was given back and is being assigned anew",
    ),
    ("case.closed", "您上报的问题已结案，请评价", "Your report was closed: please rate it"),
    ("case.force_closed", "您上报的问题已结案，请评价", "Your report was closed: please rate it"),
    ("case.refused", "您上报的问题不予立案", "Your report was not taken up"),
];

/// Whether a citizen is told of it.
pub(crate) fn is_for_citizens(kind: &str) -> bool {
    CITIZENS.iter().any(|(known, _, _)| *known == kind)
}

/// Mail for a citizen, their language first. `link` is the tracking link, `base` our address.
pub(crate) fn for_citizen(message: &Message, language: Language, link: &str) -> Option<Letter> {
    let (_, zh, en) = CITIZENS.iter().find(|(known, _, _)| *known == message.kind)?;
    let facts = &message.data;
    let stop = format!("{link}/mail");
    let part = |of: Language| {
        let say = |zh, en| of.say(zh, en);
        let mut lines = vec![format!("{}{}", say(*zh, *en), say("。", "."))];
        lines.push(format!("{}{}", say("案件号：", "Case: "), facts.id));
        lines.push(format!("{}{}", say("类别：", "Kind: "), of.of_text(&facts.name)));
        let agency = facts.agency.as_ref().filter(|_| message.kind != "case.reported");
        if let Some(agency) = agency {
            lines.push(format!(
                "{}{}",
                say("办理单位：", "Who sees to it: "),
                of.of_text(&agency.name)
            ));
        }
        if message.kind.ends_with("closed") {
            lines.push(
                say(
                    "办得怎么样？请打开下面的链接评价；没有解决也请在那里告诉我们。",
                    "How was it done? Rate it by the link below; say there too if it is not fixed.",
                )
                .to_owned(),
            );
        }
        lines.push(format!("{}{link}?lang={}", say("查看进展：", "See what happens: "), of.word()));
        lines.push(
            say("链接是您个人的，请勿转发。", "The link is yours alone: do not pass it on.")
                .to_owned(),
        );
        lines.push(format!(
            "{}{stop}?lang={}",
            say("不再接收邮件：", "No more e-mail: "),
            of.word()
        ));
        lines.join("\n")
    };
    let other = match language {
        Language::Zh => Language::En,
        Language::En => Language::Zh,
    };
    let mark = if facts.simulated { "［模拟 simulated］" } else { "" };
    let subject = format!("{mark}{} {}", language.say(zh, en), facts.id);
    let text = format!("{mark}{}\n\n――――\n\n{}\n", part(language), part(other));
    Some(Letter { subject, text, stop: Some(stop) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mailer() -> Mailer {
        let settings =
            Smtp { url: "smtp://127.0.0.1:1".into(), from: "城运中心 <a@city.example>".into() };
        Mailer::new(&settings).unwrap()
    }

    #[test]
    fn nothing_from_outside_begins_a_new_header() {
        let letter = Letter {
            subject: "井盖\r\nBcc: everybody@example.org".into(),
            text: "一\n二".into(),
            stop: Some("https://city.example/track/x/mail\r\nBcc: all@example.org".into()),
        };
        let mail = mailer().mail("msg_1", "zhang@example.org", &letter).unwrap().formatted();
        let mail = String::from_utf8(mail).unwrap();
        assert!(!mail.lines().any(|line| line.starts_with("Bcc")), "{mail}");
        assert!(mail.contains("Message-ID: <msg_1@city.example>"), "{mail}");
        assert!(mail.contains("List-Unsubscribe-Post: List-Unsubscribe=One-Click"), "{mail}");
        let bad = mailer().mail("m", "zhang@example.org\r\nBcc: x@example.org", &letter);
        assert_eq!(bad.unwrap_err(), Failure::Never("no e-mail address".into()));
    }

    #[test]
    fn a_bad_sender_or_server_is_refused_without_its_password() {
        let refused = |url: &str, from: &str| {
            let error = Mailer::new(&Smtp { url: url.into(), from: from.into() }).unwrap_err();
            format!("{error:#}")
        };
        assert!(refused("smtp://h:25", "nobody").contains("--smtp-from"));
        let said = refused("smtp://u:secret@h:25?tls=odd", "a@b.example");
        assert!(said.contains("--smtp-url") && !said.contains("secret"), "{said}");
    }
}
