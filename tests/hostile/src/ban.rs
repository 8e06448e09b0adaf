//! The ban policy's misdeeds.

use std::cell::RefCell;

use portcullis_sdk::bindings::ban::exports::portcullis::policy::ban_guest::Guest;
use portcullis_sdk::host::{bans, clock, log, metrics, networks, store};
use portcullis_sdk::{Ban, Description, Event, Fact, HostInfo, Reach, SettingError, Subject, Verdict};

use crate::{Hostile, abuse};

const EVENTS: [&str; 5] = ["connect", "login-attempt", "login-succeeded", "login-failed", "disconnected"];

const HUGE: usize = 1 << 20;

/// Keys that must never reach a wire as they are.
const BAD_KEYS: [&str; 8] = [
    "",
    "a b",
    "a\r\nflush_all\r\n",
    "a\0b",
    "pc1.b.home/host/192.0.2.7",
    "mod_ban.{}",
    "\u{1b}[2J",
    "../../etc/passwd",
];

thread_local! { static KEPT: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) } }

impl Guest for Hostile {
    fn describe() -> Description {
        crate::describe(&EVENTS)
    }

    fn configure(host: HostInfo, settings: String) -> Result<(), Vec<SettingError>> {
        crate::configure(&host, &settings)
    }

    fn evaluate(event: Event) -> Verdict {
        let mode = crate::mode();
        let peer = event.peer.address.as_str();
        match mode.as_str() {
            "allow" => Verdict::allow(),
            "refuse" => Verdict::refuse("refused as told"),
            "refuse-and-close" => Verdict::refuse_and_close("closed as told"),
            "ban-peer" => Verdict::pass().ban(ban(Subject::host(peer))),
            "lift-peer" => Verdict::pass().lift(Subject::host(peer)),

            "host-calls" => repeat(1_000_000, || _ = clock::now()),
            "slow" => repeat(1_000_000, || _ = store::get("slow")),
            "table-of-bans" => repeat(100_000, || _ = bans::find(&Subject::host(peer))),
            "networks" => repeat(100_000, || _ = networks::contains("no such set", peer)),

            "metric-flood" => {
                (0..10_u32.pow(5)).for_each(|number| metrics::count("seen", &number.to_string(), 1));
                Verdict::pass()
            }
            "metric-each" => {
                metrics::count("seen", peer, 1);
                metrics::count("\u{1b}[2J\n", "\r\n", 1);
                Verdict::pass()
            }
            #[cfg(target_arch = "wasm32")]
            "post-return-loop" => {
                let verdict = Verdict::refuse("cleaned up for ever");
                std::mem::forget(event);
                crate::memory::loop_in_free();
                return verdict;
            }

            "log-flood" => repeat(100_000, || log::warn("flood")),
            "log-megabyte" => repeat(1, || log::warn(&"\u{1b}[31m\r\nforged line \0 ".repeat(HUGE / 20))),

            "bad-keys" => bad_keys(),
            "long-key" => tell(store::set(&"k".repeat(2000), b"1", 60)),
            "huge-key" => tell(store::set(&"k".repeat(HUGE), b"1", 60)),
            "huge-value" => tell(store::set("huge", &vec![b'v'; 16 * HUGE], 60)),
            "many-keys" => tell(store::get_many(&vec!["k".to_owned(); 10_000]).map(drop)),
            "many-items" => {
                for number in 0..100_000 {
                    drop(store::count_distinct("items", &number.to_string(), 60));
                }
                Verdict::pass()
            }
            "store-times" => tell(store::set("for-ever", b"1", u32::MAX)),

            "huge-reason" => Verdict::pass().ban(Ban { reason: "r".repeat(HUGE), ..ban(Subject::host(peer)) }),
            "huge-message" => Verdict::pass().ban(ban(Subject::host(peer)).message("m".repeat(HUGE))),
            "huge-text" => Verdict::refuse("t".repeat(16 * HUGE)),
            "crlf-text" => Verdict::refuse("no\r\n230 User logged in\r\n\u{1b}[2J\0"),
            "crlf-message" => Verdict::pass().ban(ban(Subject::host(peer)).message("no\r\n220 Welcome\r\n%a%u%t%n%%")),
            "many-alerts" => Verdict { alerts: vec!["\u{1b}[2Jalert\r\n".to_owned(); 100_000], ..Verdict::pass() },

            "many-bans" => Verdict { bans: (0..100_000_u32).map(one_of_many).collect(), ..Verdict::pass() },
            "ban-everybody" => ["0.0.0.0/0", "::/0", "10.0.0.0/8", "0.0.0.0/1"]
                .iter()
                .fold(Verdict::pass(), |verdict, all| verdict.ban(ban(Subject::network(all)))),
            "ban-ourselves" => Verdict::pass()
                .ban(ban(Subject::host("127.0.0.1")))
                .ban(ban(Subject::network("127.0.0.0/8")))
                .ban(ban(Subject::host("::1")))
                .ban(ban(Subject::host(&event.local.address))),
            "nonsense-subjects" => nonsense(),
            "for-ever" => Verdict::pass().ban(Ban::of(Subject::host(peer), "for ever").reach(Reach::Everywhere)),
            "longest-times" => {
                Verdict::pass().ban(ban(Subject::host(peer)).seconds(u32::MAX)).delay_milliseconds(u32::MAX)
            }
            "no-time" => Verdict::pass().ban(ban(Subject::host(peer)).seconds(0)),
            "unknown-effect" => {
                Verdict { more: vec![Fact { name: "launch".to_owned(), value: "now".to_owned() }], ..Verdict::pass() }
            }

            "keeps-state" => keeps_state(&event),
            #[cfg(target_arch = "wasm32")]
            "no-utf8" => Verdict::refuse(crate::abuse::no_utf8()),
            #[cfg(target_arch = "wasm32")]
            "text-outside-memory" => Verdict::refuse(crate::abuse::text_outside_memory()),

            other => {
                abuse::run(other);
                Verdict::pass()
            }
        }
    }
}

fn ban(subject: Subject) -> Ban {
    Ban::of(subject, "as told").seconds(600)
}

fn one_of_many(number: u32) -> Ban {
    ban(Subject::host(&std::net::Ipv4Addr::from(0xc612_0000_u32.wrapping_add(number)).to_string()))
}

fn repeat(times: u32, mut call: impl FnMut()) -> Verdict {
    (0..times).for_each(|_| call());
    Verdict::pass()
}

/// Says in an alert what the store answered.
fn tell(answer: Result<(), store::Error>) -> Verdict {
    Verdict::pass().alert(format!("the store said {answer:?}"))
}

fn bad_keys() -> Verdict {
    BAD_KEYS.iter().fold(Verdict::pass(), |verdict, key| {
        let written = store::set(key, key.as_bytes(), 60);
        let read = store::get(key);
        let own = read.as_ref().is_ok_and(|value| value.as_deref() == Some(key.as_bytes()));
        verdict.alert(format!("{key:?}: written {written:?}, own value read back: {own}"))
    })
}

fn nonsense() -> Verdict {
    let texts = ["", "alice", "999.1.1.1", "192.0.2.7\r\n", "192.0.2.0/33", "::/129", "\u{1b}[2J", "192.0.2.0/-1"];
    let subjects = texts.iter().flat_map(|text| {
        [
            Subject::host(text),
            Subject::network(text),
            Subject::user_at_host(text, text),
            Subject::ClientCertificate((*text).to_owned()),
            Subject::TlsFingerprint((*text).to_owned()),
        ]
    });
    subjects.fold(Verdict::pass(), |verdict, subject| verdict.lift(subject.clone()).ban(ban(subject)))
}

/// Tells what earlier calls left behind: nothing, where instances are fresh.
fn keeps_state(event: &Event) -> Verdict {
    KEPT.with_borrow_mut(|kept| {
        let verdict = Verdict::pass().alert(format!("kept {}: {}", kept.len(), kept.join(" ")));
        kept.push(event.user.clone().unwrap_or_default());
        verdict
    })
}
