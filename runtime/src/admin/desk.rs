//! Carries out what was asked over the socket. Parses what was typed; decides nothing else.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tracing::{info, warn};

use super::request::{AddedBan, Explained, ImportRow, Refusal, Reply, Request, Status};
use super::socket::{Caller, Told};
use crate::auth::UserName;
use crate::config::Mistake;
use crate::events::Custom;
use crate::gate::Gate;
use crate::ledger::forgotten;
use crate::ledger::keeper::Which;
use crate::ledger::{Ban, BanId, BanWriter, Reach, Subject};
use crate::moment::Moment;
use crate::net::Networks;
use crate::policy::{KeyPolicy, Policies, PolicyStatus};
use crate::session::House;
use crate::store::SharedStore;
use crate::tls::Sessions;

/// Someone waits to hear how a reload went.
pub type ReloadOrder = oneshot::Sender<Result<(), Vec<Mistake>>>;

/// What the socket may do, and with what.
pub struct Desk {
    /// Changes and asks the ledger.
    pub bans: BanWriter,
    /// For addresses that are banned by a class.
    pub networks: Arc<Networks>,
    /// Counts connections.
    pub gate: Gate,
    /// For its health.
    pub store: SharedStore,
    /// The policies in force.
    pub policies: Arc<Policies>,
    /// The key policy in force.
    pub keys: Arc<KeyPolicy>,
    /// Tells the policies what somebody raises.
    pub house: Arc<House>,
    /// TLS sessions that clients may resume.
    pub sessions: Arc<Sessions>,
    /// Takes orders to reload.
    pub reloads: mpsc::Sender<ReloadOrder>,
    /// What does not change while the server runs.
    pub about: About,
}

/// Bytes of an operator's reason: it travels with the ban through the store.
const REASON_BYTES_MAX: usize = 500;

/// Bytes of the name of a raised event, and of what comes with it: a guest's memory is bounded too.
const EVENT_NAME_BYTES_MAX: usize = 64;
const EVENT_DATA_BYTES_MAX: usize = 16 * 1024;

/// What does not change while the server runs.
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "as in `Status`")]
pub struct About {
    pub site: String,
    pub node: String,
    pub started: Moment,
    pub addresses: Vec<SocketAddr>,
    pub state: PathBuf,
}

impl Desk {
    /// The answer.
    pub async fn answer(&self, caller: Caller, request: Request) -> Told {
        let now = Moment::now();
        Told::Reply(match request {
            Request::BansList { filter, page } => {
                return Told::List(page.of(self.bans.bans().list(&filter, now).await));
            }
            Request::BansExport { filter } => {
                let bans = self.bans.bans().list(&filter, now).await;
                audit(&caller, "bans-export", &format!("{} bans", bans.len()), Ok("told"));
                return Told::Whole(bans);
            }
            Request::Status {} => Reply::done(&self.status(now)),
            Request::BansAdd { subject, seconds, reason, reach } => {
                let added = self.add(&caller, &subject, seconds, reason, reach, now).await;
                audit(&caller, "bans-add", &subject, added.as_ref().map(AddedBan::word).map_err(Reply::why));
                added.map_or_else(|refusal| refusal, |added| Reply::done(&added))
            }
            Request::BansImport { bans } => Reply::done(&self.import(&caller, bans, now).await),
            Request::BansLift { which } => match which_of(&which) {
                None => Reply::usage(nothing(&which)),
                Some(wanted) => {
                    let gone = self.bans.lift(wanted, &caller.name, now).await;
                    let word = if gone.is_empty() { "not banned" } else { "lifted" };
                    audit(&caller, "bans-lift", &which, Ok(word));
                    Reply::done(&gone.iter().map(|ban| super::BanRow::from(&**ban)).collect::<Vec<_>>())
                }
            },
            Request::BansExplain { which } => match which_of(&which) {
                None => Reply::usage(nothing(&which)),
                Some(which) => {
                    let explained = |ban: &Arc<Ban>| Explained { ban: Ban::clone(ban), learnt: self.is_learnt(ban) };
                    Reply::done(&self.banning(&which, now).iter().map(explained).collect::<Vec<_>>())
                }
            },
            Request::EventRaise { name, host, user, data } => {
                let told = self.raise(&name, host, user.as_deref(), &data).await;
                audit(&caller, "event-raise", &name, if told.is_good() { Ok("told") } else { Err(told.why()) });
                told
            }
            Request::ClusterForget { node, site } => {
                if !forgotten::is_name(&node) || !site.as_deref().is_none_or(forgotten::is_name) {
                    return Told::Reply(Reply::usage(
                        "names of nodes and sites have 1 to 256 bytes and no control characters",
                    ));
                }
                let gone = self.bans.forget_node(&node, site.as_deref(), &caller.name, now).await;
                let came = format!("{} bans ended", gone.ended);
                audit(&caller, "cluster-forget", &format!("{} of site {}", gone.node, gone.site), Ok(&came));
                Reply::done(&gone)
            }
            Request::TlsSessionsInfo {} => Reply::done(&self.sessions.info(now)),
            Request::TlsSessionsClear {} => {
                let cleared = self.sessions.clear(now).await;
                audit(&caller, "tls-sessions-clear", "", Ok("cleared"));
                Reply::done(&cleared)
            }
            Request::PolicyList {} => Reply::done(&self.policies()),
            Request::PolicyReload {} => {
                let told = self.reload().await;
                audit(&caller, "policy-reload", "", if told.is_good() { Ok("in force") } else { Err(told.why()) });
                told
            }
        })
    }

    async fn add(
        &self,
        caller: &Caller,
        subject: &str,
        seconds: Option<u64>,
        reason: String,
        reach: Reach,
        now: Moment,
    ) -> Result<AddedBan, Reply> {
        let subject = Subject::parse(subject).map_err(|error| Reply::usage(error.to_string()))?;
        if reason.len() > REASON_BYTES_MAX {
            return Err(Reply::usage(format!("the reason is too long: it has at most {REASON_BYTES_MAX} bytes")));
        }
        let span = seconds.map(Duration::from_secs);
        let added = self.bans.add(subject, span, reason, reach, &caller.name, now).await;
        let added = added.map_err(|error| Reply::refused(error.to_string()))?;
        Ok(AddedBan { ban: Ban::clone(&added.ban), already: added.already })
    }

    async fn import(&self, caller: &Caller, bans: Vec<Ban>, now: Moment) -> Vec<ImportRow> {
        let mut rows = Vec::with_capacity(bans.len());
        for ban in bans {
            let subject = ban.subject.clone();
            let row = match self.bans.import(ban, &caller.name, now).await {
                Ok(outcome) => ImportRow { subject, outcome: Some(outcome), refused: None },
                Err(why) => ImportRow { subject, outcome: None, refused: Some(why.to_string()) },
            };
            let came = row.refused.as_deref().map_or(Ok("taken"), Err);
            audit(caller, "bans-import", &row.subject.to_string(), came);
            rows.push(row);
        }
        rows
    }

    async fn raise(&self, name: &str, host: Option<IpAddr>, user: Option<&str>, data: &serde_json::Value) -> Reply {
        let plain = |mark: u8| mark.is_ascii_lowercase() || mark.is_ascii_digit() || b".-_".contains(&mark);
        if !(1..=EVENT_NAME_BYTES_MAX).contains(&name.len()) || !name.bytes().all(plain) {
            return Reply::usage("an event's name has 1 to 64 lower-case letters, digits, \".\", \"-\" or \"_\"");
        }
        if let Some(Err(why)) = user.map(UserName::parse) {
            return Reply::usage(why.to_string());
        }
        let data = data.to_string();
        if data.len() > EVENT_DATA_BYTES_MAX {
            return Reply::usage(format!("the data is too long: it has at most {EVENT_DATA_BYTES_MAX} bytes"));
        }
        let custom = Custom { name: name.to_owned(), data };
        Reply::done(&self.house.raise(custom, host, user).await)
    }

    fn status(&self, now: Moment) -> Status {
        let (connections, unauthenticated) = self.gate.load();
        Status {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            site: self.about.site.clone(),
            node: self.about.node.clone(),
            started: self.about.started,
            now,
            addresses: self.about.addresses.clone(),
            state: self.about.state.clone(),
            connections,
            unauthenticated,
            bans: self.bans.bans().standing(),
            store: self.store.health(),
            policies: self.policies.list(),
            keys: self.keys.status(),
        }
    }

    fn policies(&self) -> Vec<PolicyStatus> {
        let mut policies = self.policies.list();
        policies.push(self.keys.status());
        policies
    }

    fn is_learnt(&self, ban: &Ban) -> bool {
        (&ban.site, &ban.node) != (&self.about.site, &self.about.node)
    }

    /// What bans a subject: itself, or something wider that includes it.
    fn banning(&self, which: &Which, now: Moment) -> Vec<Arc<Ban>> {
        let bans = self.bans.bans();
        let mut found: Vec<Arc<Ban>> = match which {
            Which::Id(id) => bans.get(*id).into_iter().filter(|ban| ban.in_force(now)).collect(),
            Which::Subject(subject) => bans.find(subject, now).into_iter().collect(),
        };
        let ip = match which {
            Which::Subject(Subject::Host(ip) | Subject::UserAtHost(_, ip)) => *ip,
            _ => return found,
        };
        let at_the_gate = bans.on_host_of(ip, || self.networks.covering(ip), now);
        found.extend(at_the_gate.filter(|ban| found.iter().all(|known| known.id != ban.id)));
        found
    }

    async fn reload(&self) -> Reply {
        let (order, told) = oneshot::channel();
        let stopping = || Reply::refused("the server is stopping");
        if self.reloads.send(order).await.is_err() {
            return stopping();
        }
        match told.await {
            Err(_) => stopping(),
            Ok(Ok(())) => Reply::done(&self.policies()),
            Ok(Err(mistakes)) => {
                let mut why: Vec<String> = mistakes.iter().map(ToString::to_string).collect();
                why.push("what was in force before still is".to_owned());
                Reply::Refused(Refusal { why, usage: false })
            }
        }
    }
}

/// A ban by its id, 32 hex digits, or by its subject.
fn which_of(typed: &str) -> Option<Which> {
    if typed.len() == 32
        && let Ok(id) = typed.parse::<BanId>()
    {
        return Some(Which::Id(id));
    }
    Subject::parse(typed).ok().map(Which::Subject)
}

fn nothing(which: &str) -> String {
    let shown: String = which.chars().take(80).flat_map(char::escape_debug).collect();
    format!("`{shown}` is neither a subject nor the id of a ban")
}

/// Who changed what, or tried to: one line each.
fn audit(caller: &Caller, what: &str, about: &str, came: Result<&str, &str>) {
    let (operator, uid, pid) = (caller.name.escape_debug(), caller.uid, caller.pid.unwrap_or_default());
    let about = about.chars().take(300).flat_map(char::escape_debug).collect::<String>();
    match came {
        Ok(outcome) => info!(%operator, uid, pid, what, %about, outcome, "admin.audit"),
        Err(why) => warn!(%operator, uid, pid, what, %about, outcome = "refused", why, "admin.audit"),
    }
}
