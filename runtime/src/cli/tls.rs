//! `portcullis tls sessions`.

use std::time::Duration;

use super::arguments::Reach;
use super::complain::Complaint;
use super::{Answer, table};
use crate::admin::Request;
use crate::config::settings::TlsSessions;
use crate::moment::Moment;
use crate::tls::{ClearedSessions, SessionsInfo};

/// How sessions are resumed, and how often.
pub fn info(reach: &Reach, json: bool) -> Result<Answer, Complaint> {
    let info: SessionsInfo = reach.open()?.ask(&Request::TlsSessionsInfo {})?;
    if json {
        return Answer::json(&info);
    }
    let now = Moment::now();
    let whose = match info.cluster_keys {
        0 => "this node's own keys".to_owned(),
        1 => "the cluster's key".to_owned(),
        count => format!("{count} cluster keys"),
    };
    let way = match info.way {
        TlsSessions::Tickets => "tickets, taken by every node with the cluster's key",
        TlsSessions::Store => "store: sealed in memcached, taken by every node",
        TlsSessions::Node => "node: tickets that this node alone takes",
    };
    let span = |seconds| table::span(Duration::from_secs(seconds));
    let mut rows = vec![
        ["way".to_owned(), way.to_owned()],
        ["life".to_owned(), format!("{} from a full handshake", span(info.life_seconds))],
        ["rotation".to_owned(), format!("each {}, from {whose}", span(info.rotation_seconds))],
    ];
    for key in &info.keys {
        let use_of = if key.seals { "seals and opens" } else { "opens" };
        rows.push([format!("key {}", key.span), format!("{use_of}, {} old", table::span(key.began.until(now)))]);
    }
    let cleared = info.cleared.map_or_else(|| "never".to_owned(), |at| format!("{} ago", table::span(at.until(now))));
    rows.push(["cleared".to_owned(), cleared]);
    let control = format!("{} resumed, {} full; {} offered a session", info.resumed, info.full, info.offered);
    rows.push(["control".to_owned(), control]);
    rows.push(["data".to_owned(), format!("{} resumed, {} full", info.data_resumed, info.data_full)]);
    rows.extend(info.refused.iter().map(|(reason, count)| [format!("refused {reason}"), count.to_string()]));
    rows.push(["kept here".to_owned(), info.kept.to_string()]);
    if let Some(store) = info.store {
        let (found, lost) = (store.fetched, store.missed);
        rows.push([
            "stored".to_owned(),
            format!("{}, {} waiting, {} deleted by a clear", store.stored, store.waiting, store.deleted),
        ]);
        let not = format!("{} refused by the store, {} without room to wait", store.not_stored, store.dropped);
        rows.push(["not stored".to_owned(), not]);
        rows.push(["fetched".to_owned(), format!("{found} found, {lost} missed, {} not in time", store.unavailable)]);
        rows.push(["forged".to_owned(), store.forged.to_string()]);
    }
    Ok(Answer::good(table::table(["TLS SESSIONS", ""], rows)))
}

/// Refuses all that were issued so far.
pub fn clear(reach: &Reach, json: bool) -> Result<Answer, Complaint> {
    let cleared: ClearedSessions = reach.open()?.ask(&Request::TlsSessionsClear {})?;
    if json {
        return Answer::json(&cleared);
    }
    let others = match cleared.pool {
        Some(true) => format!("the other nodes follow within {}s", cleared.within_seconds),
        Some(false) => "the store does not answer: the other nodes follow once it does".to_owned(),
        None => "no other node is told: there is no store that they share and have a key for".to_owned(),
    };
    Ok(Answer::good(format!(
        "sessions issued until now are refused on this node, and {} were forgotten; {others}\n",
        cleared.forgotten
    )))
}
