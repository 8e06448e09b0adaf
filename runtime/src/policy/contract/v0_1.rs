//! `portcullis:policy@0.1.0`: its bindings, and the conversion between its values and the server's words.

/// Bindings of both worlds; the values are those of the first.
pub(in crate::policy) mod ban {
    wasmtime::component::bindgen!({
        path: "../wit/0.1.0",
        world: "ban-policy",
        imports: { "portcullis:policy/store": async | trappable, default: trappable },
        exports: { default: async },
    });
}

/// See [`ban`].
pub(in crate::policy) mod key {
    wasmtime::component::bindgen!({
        path: "../wit/0.1.0",
        world: "key-policy",
        exports: { default: async },
        with: { "portcullis:policy/types": super::ban::portcullis::policy::types },
    });
}

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use ban::portcullis::policy::types as wit;
use key::exports::portcullis::policy::key_guest as keys;

use crate::events::{self, Cause, Direction, Kind, TransferResult};
use crate::ledger::{Reach, Subject};
use crate::moment::Moment;
use crate::policy::PolicyStamp;
use crate::policy::describe::{Description, HISTORY, HostInfo, JA4};
use crate::policy::fault::{Failure, FailureKind, SETTING_FAULTS_MAX, SettingFault};
use crate::policy::ruling::{BanOrder, Decision, LiftOrder};
use crate::policy::text;
use crate::policy::verdict::Verdict;
use crate::store::Purpose;

/// Longest reason and longest message of a ban, as the contract says.
const BAN_TEXT_BYTES_MAX: usize = 200;
/// Longest name of a user or class that a verdict may hold.
const NAME_BYTES_MAX: usize = 255;
/// Alerts in one verdict.
const ALERTS_MAX: usize = 16;

/// The event as a guest of this version sees it.
pub(in crate::policy) fn event(event: &events::Event) -> wit::Event {
    let facts = &event.facts;
    wit::Event {
        at: event.at.millis(),
        site: facts.site.as_str().to_owned(),
        node: facts.node.as_str().to_owned(),
        server: facts.server.as_str().to_owned(),
        connection: facts.connection,
        peer: endpoint(facts.peer),
        local: endpoint(facts.local),
        classes: facts.classes.iter().map(|class| class.as_str().to_owned()).collect(),
        user: facts.user.clone(),
        logged_in: facts.logged_in,
        session: wit::SessionFacts {
            started: facts.session.started.millis(),
            commands: facts.session.commands,
            unknown_commands: facts.session.unknown_commands,
            failed_logins: facts.session.failed_logins,
            transfers: facts.session.transfers,
            bytes_in: facts.session.bytes_in,
            bytes_out: facts.session.bytes_out,
        },
        tls: facts.tls.as_ref().map(tls),
        history: None,
        place: None,
        store_degraded: facts.store_degraded,
        more: Vec::new(),
        kind: kind(&event.kind),
    }
}

/// Facts that a policy sees only if it asks for them by name.
pub(in crate::policy) struct CostlyFacts {
    history: Option<wit::History>,
    ja4: Option<String>,
}

impl CostlyFacts {
    /// Those of an event.
    pub(in crate::policy) fn of(facts: &events::Facts) -> CostlyFacts {
        CostlyFacts {
            history: facts.history.map(|past| wit::History {
                last_success: past.last_success.map(Moment::millis),
                good_users: past.good_users,
                earlier_bans: past.earlier_bans,
            }),
            ja4: facts.tls.as_ref().and_then(|tls| tls.ja4.clone()),
        }
    }

    /// Puts those into their event that a policy asks for, and takes the others out of it.
    pub(in crate::policy) fn show(&mut self, event: &mut wit::Event, asked: u32) {
        event.history = self.history.filter(|_| asked & HISTORY != 0);
        if let Some(tls) = &mut event.tls
            && tls.ja4.is_some() != (asked & JA4 != 0)
        {
            std::mem::swap(&mut tls.ja4, &mut self.ja4);
        }
    }
}

fn endpoint(address: SocketAddr) -> wit::Endpoint {
    wit::Endpoint { address: address.ip().to_canonical().to_string(), port: address.port() }
}

fn tls(facts: &events::TlsFacts) -> wit::TlsFacts {
    wit::TlsFacts {
        version: facts.version.clone(),
        cipher: facts.cipher.clone(),
        server_name: facts.server_name.clone(),
        alpn: facts.alpn.clone(),
        resumed: facts.resumed,
        ja4: None,
        client_certificate: facts.client_certificate.clone(),
    }
}

fn kind(kind: &Kind) -> wit::EventKind {
    match kind {
        Kind::Connect => wit::EventKind::Connect,
        Kind::TlsEstablished => wit::EventKind::TlsEstablished,
        Kind::TlsFailed(reason) => wit::EventKind::TlsFailed(reason.clone()),
        Kind::LoginAttempt(tag) => wit::EventKind::LoginAttempt(*tag),
        Kind::LoginSucceeded => wit::EventKind::LoginSucceeded,
        Kind::LoginFailed(failure) => wit::EventKind::LoginFailed(wit::LoginFailure {
            cause: cause(failure.cause),
            attempt_tag: failure.attempt_tag,
        }),
        Kind::Command(line) => wit::EventKind::Command(command(line)),
        Kind::CommandUnknown(line) => wit::EventKind::CommandUnknown(command(line)),
        Kind::ProtocolMismatch(protocol) => wit::EventKind::ProtocolMismatch(protocol.clone()),
        Kind::TransferStarted(moving) => wit::EventKind::TransferStarted(transfer(moving)),
        Kind::TransferEnded { transfer: moved, result } => {
            wit::EventKind::TransferEnded((transfer(moved), transfer_result(*result)))
        }
        Kind::Timeout(wait) => wit::EventKind::Timeout(wait.clone()),
        Kind::LimitReached(limit) => wit::EventKind::LimitReached(limit.clone()),
        Kind::Disconnected(outcome) => wit::EventKind::Disconnected(outcome.clone()),
        Kind::Custom(custom) => wit::EventKind::Custom((custom.name.clone(), custom.data.clone())),
    }
}

fn command(command: &events::Command) -> wit::Command {
    wit::Command { verb: command.verb.clone(), argument: command.argument.clone() }
}

fn transfer(transfer: &events::Transfer) -> wit::Transfer {
    wit::Transfer {
        direction: match transfer.direction {
            Direction::Upload => wit::Direction::Upload,
            Direction::Download => wit::Direction::Download,
            Direction::Listing => wit::Direction::Listing,
        },
        path: transfer.path.clone(),
        bytes: transfer.bytes,
        milliseconds: transfer.milliseconds,
    }
}

const fn transfer_result(result: TransferResult) -> wit::TransferResult {
    match result {
        TransferResult::Complete => wit::TransferResult::Complete,
        TransferResult::Aborted => wit::TransferResult::Aborted,
        TransferResult::TimedOut => wit::TransferResult::TimedOut,
        TransferResult::Refused => wit::TransferResult::Refused,
        TransferResult::Failed => wit::TransferResult::Failed,
    }
}

const fn cause(cause: Cause) -> wit::LoginCause {
    match cause {
        Cause::UnknownUser => wit::LoginCause::UnknownUser,
        Cause::WrongPassword => wit::LoginCause::WrongPassword,
        Cause::EmptyPassword => wit::LoginCause::EmptyPassword,
        Cause::ForbiddenUser => wit::LoginCause::ForbiddenUser,
        Cause::AnonymousRefused => wit::LoginCause::AnonymousRefused,
        Cause::DeniedByRule => wit::LoginCause::DeniedByRule,
        Cause::CertificateRefused => wit::LoginCause::CertificateRefused,
    }
}

/// What a guest answered, checked: subjects are parsed, texts cleaned and cut, numbers bounded.
///
/// # Errors
/// A failure of kind `BadAnswer` that names what is wrong: nothing of such a verdict is carried out.
pub(in crate::policy) fn verdict(
    verdict: wit::Verdict,
    by: &Arc<PolicyStamp>,
    bans_max: usize,
) -> Result<Verdict, Failure> {
    let too_many = |what: &str, count: usize| nonsense(format!("{count} {what} in one verdict"));
    if verdict.bans.len() > bans_max {
        return Err(too_many("bans", verdict.bans.len()));
    }
    if verdict.lifts.len() > bans_max {
        return Err(too_many("lifts", verdict.lifts.len()));
    }
    if verdict.alerts.len() > ALERTS_MAX {
        return Err(too_many("alerts", verdict.alerts.len()));
    }
    if let Some(effect) = verdict.more.first() {
        return Err(nonsense(format!("this server knows no effect `{}`", text::cut(&effect.name, NAME_BYTES_MAX))));
    }
    Ok(Verdict {
        decision: match verdict.decision {
            wit::Decision::Pass => Decision::Pass,
            wit::Decision::Allow => Decision::Allow,
            wit::Decision::Refuse(refusal) => Decision::Refuse { text: refusal.text, close: refusal.close },
        },
        delay: Duration::from_millis(verdict.delay_milliseconds.into()),
        bans: verdict.bans.into_iter().map(|ban| ban_order(ban, by)).collect::<Result<_, _>>()?,
        lifts: verdict
            .lifts
            .iter()
            .map(|whom| Ok(LiftOrder { subject: subject(whom)?, by: by.clone() }))
            .collect::<Result<_, Failure>>()?,
        alerts: verdict.alerts.iter().map(|alert| text::line(alert)).collect(),
    })
}

fn ban_order(ban: wit::Ban, by: &Arc<PolicyStamp>) -> Result<BanOrder, Failure> {
    Ok(BanOrder {
        subject: subject(&ban.subject)?,
        span: match ban.seconds {
            Some(0) => return Err(nonsense("a ban of 0 seconds".into())),
            seconds => seconds.map(|seconds| Duration::from_secs(seconds.into())),
        },
        reason: text::cut(&ban.reason, BAN_TEXT_BYTES_MAX),
        message: ban.message.map(|message| text::cut(&message, BAN_TEXT_BYTES_MAX)),
        reach: match ban.reach {
            wit::Reach::Node => Reach::Node,
            wit::Reach::Site => Reach::Site,
            wit::Reach::Everywhere => Reach::Everywhere,
        },
        by: by.clone(),
        accesses: Arc::default(),
    })
}

/// Whom a guest means.
///
/// # Errors
/// A failure of kind `BadAnswer` with the guest's text.
pub(in crate::policy) fn subject(subject: &wit::Subject) -> Result<Subject, Failure> {
    let wrong = |text: &str| nonsense(format!("`{}` names no subject", text::cut(text, NAME_BYTES_MAX)));
    let address = |text: &str| text.parse::<IpAddr>().map_err(|_| wrong(text));
    let name = |text: &str| {
        let fits = !text.is_empty() && text.len() <= NAME_BYTES_MAX && !text.contains(char::is_control);
        if fits { Ok(text.to_owned()) } else { Err(wrong(text)) }
    };
    Ok(match subject {
        wit::Subject::Host(host) => Subject::host(address(host)?),
        wit::Subject::Network(net) => Subject::network(net.parse().map_err(|_| wrong(net))?),
        wit::Subject::User(user) => Subject::User(name(user)?),
        wit::Subject::UserAtHost((user, host)) => Subject::UserAtHost(name(user)?, address(host)?.to_canonical()),
        wit::Subject::Class(class) => Subject::Class(name(class)?),
        wit::Subject::ClientCertificate(digest) => {
            let hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
            if digest.len() != 64 || !digest.bytes().all(hex) {
                return Err(wrong(digest));
            }
            Subject::ClientCertificate(digest.clone())
        }
        wit::Subject::TlsFingerprint(ja4) if ja4.bytes().all(|byte| byte.is_ascii_graphic()) => {
            Subject::TlsFingerprint(name(ja4)?)
        }
        wit::Subject::TlsFingerprint(ja4) => return Err(wrong(ja4)),
    })
}

fn nonsense(detail: String) -> Failure {
    Failure::new(FailureKind::BadAnswer, detail)
}

/// The server's subject in the words of this version.
pub(in crate::policy) fn subject_of(subject: &Subject) -> wit::Subject {
    match subject {
        Subject::Host(ip) => wit::Subject::Host(ip.to_string()),
        Subject::Network(net) => wit::Subject::Network(net.to_string()),
        Subject::User(user) => wit::Subject::User(user.clone()),
        Subject::UserAtHost(user, ip) => wit::Subject::UserAtHost((user.clone(), ip.to_string())),
        Subject::Class(class) => wit::Subject::Class(class.clone()),
        Subject::ClientCertificate(digest) => wit::Subject::ClientCertificate(digest.clone()),
        Subject::TlsFingerprint(ja4) => wit::Subject::TlsFingerprint(ja4.clone()),
    }
}

/// What a key policy is asked.
pub(in crate::policy) fn key_request(purpose: &Purpose, site: &str) -> keys::Request {
    keys::Request {
        purpose: match purpose {
            Purpose::LookUpBan(subject) => keys::Purpose::LookUpBan(subject_of(subject)),
            Purpose::StoreBan(subject, reach) => keys::Purpose::StoreBan((
                subject_of(subject),
                match reach {
                    Reach::Node => wit::Reach::Node,
                    Reach::Site => wit::Reach::Site,
                    Reach::Everywhere => wit::Reach::Everywhere,
                },
            )),
            Purpose::Entry { policy, key } => {
                keys::Purpose::Entry(keys::Entry { policy: policy.clone(), key: key.clone() })
            }
            Purpose::TlsSession(id) => keys::Purpose::TlsSession(id.clone()),
        },
        site: site.to_owned(),
        server: None,
    }
}

/// What a guest says that it is; the names in it are checked by the loader.
pub(in crate::policy) fn description(description: wit::Description) -> Description {
    Description {
        name: description.name,
        version: description.version,
        summary: description.summary,
        events: description.events,
        facts: description.facts,
        schema: description.settings_schema,
    }
}

/// What `configure` is told.
pub(in crate::policy) fn host_info(host: &HostInfo) -> wit::HostInfo {
    let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    wit::HostInfo {
        version: host.version.to_owned(),
        events: owned(host.events),
        facts: owned(host.facts),
        effects: owned(host.effects),
    }
}

/// What `configure` did not like, cleaned.
pub(in crate::policy) fn setting_faults(errors: &[wit::SettingError]) -> Vec<SettingFault> {
    let clean = |error: &wit::SettingError| SettingFault {
        path: text::cut(&error.path, NAME_BYTES_MAX),
        problem: text::line(&error.problem),
        line: error.line,
        column: error.column,
    };
    errors.iter().take(SETTING_FAULTS_MAX).map(clean).collect()
}
