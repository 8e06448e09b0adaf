//! Touches everything of contract 0.1.0: every host function, every case and field of an event and of a
//! verdict, both worlds. Its built form stays in the tests for ever; this source may go when the SDK has
//! moved on to a later contract.

use portcullis_sdk::host::{bans, clock, log, networks, store};
use portcullis_sdk::{
    About, Ban, DerivedKey, Direction, Event, EventKind, Format, HostInfo, KeyPolicy, LoginCause, Policy, Purpose,
    Reach, Request, SettingError, Subject, TransferResult, Verdict, setting_error,
};
use serde::Deserialize;

/// The policy, for both worlds.
#[derive(Debug)]
pub struct Everything {
    answer: String,
    host: String,
}

/// Its settings.
#[derive(Debug, Deserialize)]
pub struct Settings {
    /// `pass`, `allow`, `refuse`, `close`.
    pub answer: String,
}

const SCHEMA: &str = r#"{ "type": "object", "properties": { "answer": { "type": "string", "default": "pass" } } }"#;

const EVENTS: &[&str] = &[
    "connect",
    "tls-established",
    "tls-failed?",
    "login-attempt",
    "login-succeeded",
    "login-failed",
    "command?",
    "command-unknown",
    "protocol-mismatch",
    "transfer-started?",
    "transfer-ended?",
    "timeout",
    "limit-reached?",
    "disconnected",
    "custom?",
    "moon-rises?",
];

portcullis_sdk::export_policy!(Everything);
portcullis_sdk::export_key_policy!(Everything);

impl Everything {
    fn new(settings: Settings, host: &HostInfo) -> Result<Everything, Vec<SettingError>> {
        match settings.answer.as_str() {
            "pass" | "allow" | "refuse" | "close" => Ok(Everything {
                answer: settings.answer,
                host: format!("{} {:?} {:?} {:?}", host.version, host.events, host.facts, host.effects),
            }),
            other => Err(vec![setting_error("answer", format!("`{other}` is no answer"))]),
        }
    }
}

impl Policy for Everything {
    type Settings = Settings;

    const ABOUT: About = About {
        name: "everything",
        version: "0.1.0",
        summary: "Touches all of contract 0.1.0.",
        events: EVENTS,
        facts: &["history?", "place?", "ja4?"],
        settings_schema: SCHEMA,
    };

    fn configure(settings: Settings, host: &HostInfo) -> Result<Everything, Vec<SettingError>> {
        Everything::new(settings, host)
    }

    fn evaluate(&self, event: &Event) -> Verdict {
        let decided = match self.answer.as_str() {
            "allow" => Verdict::allow(),
            "refuse" => Verdict::refuse("as told"),
            "close" => Verdict::refuse_and_close("as told"),
            _ => Verdict::pass(),
        };
        let peer = event.peer.address.as_str();
        let user = event.user.as_deref().unwrap_or("nobody");
        let asked = ask_everything(peer).unwrap_or_else(|error| format!("store: {error:?}"));
        log::info(&asked);
        // What was seen comes back as the reasons of bans, so that a test can read it.
        let reasons = [name(&event.kind), facts(event), asked, self.host.clone()];
        [
            (Subject::host(peer), Reach::Node),
            (Subject::network("198.51.100.0/24"), Reach::Site),
            (Subject::user(user), Reach::Everywhere),
            (Subject::user_at_host(user, peer), Reach::Site),
        ]
        .into_iter()
        .zip(reasons)
        .fold(decided, |verdict, ((subject, reach), reason)| {
            verdict.ban(Ban::of(subject, reason).seconds(60).message("%a %u %c %t").reach(reach))
        })
        .lift(Subject::Class("office".to_owned()))
        .delay_milliseconds(1)
        .alert("contract")
    }
}

/// One call of each host function.
fn ask_everything(peer: &str) -> Result<String, store::Error> {
    store::set("value", b"one", 60)?;
    let added = store::add("value", b"two", 60)?;
    let read = store::get("value")?;
    let many = store::get_many(&["value".to_owned(), "absent".to_owned()])?;
    let versioned = store::get_versioned("value")?;
    let swapped = match versioned {
        Some(found) => store::compare_and_swap("value", b"three", found.version, 60)?,
        None => false,
    };
    let deleted = store::delete("value")?;
    let count = store::increment("count", 2, 60)?;
    let distinct = store::count_distinct("items", "one", 60)?;
    let banned = bans::find(&Subject::host(peer)).map(|ban| (ban.reason, ban.policy, ban.created, ban.expires));
    let inside = networks::contains("no-such-set", peer);
    let around = networks::around(peer, 24, 64);
    let now = clock::now();
    log::write(log::Level::Debug, "asked");
    Ok(format!(
        "added={added} read={read:?} many={many:?} swapped={swapped} deleted={deleted} count={count} \
         distinct={distinct} banned={banned:?} inside={inside:?} around={around:?} now={now}"
    ))
}

fn facts(event: &Event) -> String {
    let tls = event.tls.as_ref().map(|tls| {
        format!(
            "{} {} {:?} {:?} {} {:?} {:?}",
            tls.version, tls.cipher, tls.server_name, tls.alpn, tls.resumed, tls.ja4, tls.client_certificate
        )
    });
    let history = event.history.map(|past| (past.last_success, past.good_users, past.earlier_bans));
    let place = event.place.as_ref().map(|place| (&place.country, place.as_number, &place.as_name));
    let session = &event.session;
    format!(
        "at={} site={} node={} server={} connection={} peer={}:{} local={}:{} classes={:?} user={:?} in={} \
         session={:?} tls={tls:?} history={history:?} place={place:?} degraded={} more={}",
        event.at,
        event.site,
        event.node,
        event.server,
        event.connection,
        event.peer.address,
        event.peer.port,
        event.local.address,
        event.local.port,
        event.classes,
        event.user,
        event.logged_in,
        (
            session.started,
            session.commands,
            session.unknown_commands,
            session.failed_logins,
            session.transfers,
            session.bytes_in,
            session.bytes_out
        ),
        event.store_degraded,
        event.more.len(),
    )
}

fn name(kind: &EventKind) -> String {
    match kind {
        EventKind::Connect => "connect".to_owned(),
        EventKind::TlsEstablished => "tls-established".to_owned(),
        EventKind::TlsFailed(reason) => format!("tls-failed {reason}"),
        EventKind::LoginAttempt(tag) => format!("login-attempt {tag}"),
        EventKind::LoginSucceeded => "login-succeeded".to_owned(),
        EventKind::LoginFailed(failure) => format!("login-failed {} {}", cause(failure.cause), failure.attempt_tag),
        EventKind::Command(command) => format!("command {} {:?}", command.verb, command.argument),
        EventKind::CommandUnknown(command) => format!("command-unknown {} {:?}", command.verb, command.argument),
        EventKind::ProtocolMismatch(protocol) => format!("protocol-mismatch {protocol}"),
        EventKind::TransferStarted(transfer) => {
            format!("transfer-started {} {}", way(transfer.direction), transfer.path)
        }
        EventKind::TransferEnded((transfer, result)) => {
            format!("transfer-ended {} {} {} {}", transfer.path, transfer.bytes, transfer.milliseconds, end(*result))
        }
        EventKind::Timeout(wait) => format!("timeout {wait}"),
        EventKind::LimitReached(limit) => format!("limit-reached {limit}"),
        EventKind::Disconnected(outcome) => format!("disconnected {outcome}"),
        EventKind::Custom((name, data)) => format!("custom {name} {data}"),
        EventKind::Other(other) => format!("other {} {}", other.name, other.facts.len()),
    }
}

fn cause(cause: LoginCause) -> &'static str {
    match cause {
        LoginCause::UnknownUser => "unknown-user",
        LoginCause::WrongPassword => "wrong-password",
        LoginCause::EmptyPassword => "empty-password",
        LoginCause::ForbiddenUser => "forbidden-user",
        LoginCause::AnonymousRefused => "anonymous-refused",
        LoginCause::DeniedByRule => "denied-by-rule",
        LoginCause::CertificateRefused => "certificate-refused",
    }
}

fn way(direction: Direction) -> &'static str {
    match direction {
        Direction::Upload => "upload",
        Direction::Download => "download",
        Direction::Listing => "listing",
    }
}

fn end(result: TransferResult) -> &'static str {
    match result {
        TransferResult::Complete => "complete",
        TransferResult::Aborted => "aborted",
        TransferResult::TimedOut => "timed-out",
        TransferResult::Refused => "refused",
        TransferResult::Failed => "failed",
    }
}

impl KeyPolicy for Everything {
    type Settings = Settings;

    const ABOUT: About = About { events: &[], facts: &[], ..<Everything as Policy>::ABOUT };

    fn configure(settings: Settings, host: &HostInfo) -> Result<Everything, Vec<SettingError>> {
        Everything::new(settings, host)
    }

    fn derive(&self, request: &Request) -> Vec<DerivedKey> {
        let purpose = match &request.purpose {
            Purpose::LookUpBan(subject) => format!("look/{}", whom(subject)),
            Purpose::StoreBan((_, Reach::Node)) => return Vec::new(),
            Purpose::StoreBan((subject, Reach::Site | Reach::Everywhere)) => format!("look/{}", whom(subject)),
            Purpose::Entry(entry) => format!("entry/{}/{}", entry.policy, entry.key),
            Purpose::TlsSession(id) => format!("tls/{}", id.len()),
        };
        let key = format!("{}/{}/{purpose}", request.site, request.server.as_deref().unwrap_or("-"));
        vec![DerivedKey { key: key.into_bytes(), format: Format::Native }]
    }
}

fn whom(subject: &Subject) -> String {
    match subject {
        Subject::Host(name) => format!("host/{name}"),
        Subject::Network(name) => format!("network/{name}"),
        Subject::User(name) => format!("user/{name}"),
        Subject::UserAtHost((name, address)) => format!("user-at-host/{name}/{address}"),
        Subject::Class(name) => format!("class/{name}"),
        Subject::ClientCertificate(name) => format!("certificate/{name}"),
        Subject::TlsFingerprint(name) => format!("ja4/{name}"),
    }
}
