//! Which bans somebody wants to see. Pure.

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use super::ban::{Ban, By};
use super::subject::Subject;
use crate::moment::Moment;

/// Every condition that is set must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Filter {
    /// Kind of the subject, as in its text form: `host`, `user-at-host`, ...
    pub kind: Option<String>,
    /// The operator's name of the policy that decided.
    pub policy: Option<String>,
    /// Addresses and networks within this one, and networks around it.
    pub network: Option<IpNet>,
    /// In the subject, the reason, or the name of who decided; upper and lower case are alike.
    pub text: Option<String>,
    /// Ends before this moment; bans without an end do not.
    pub expiring_before: Option<Moment>,
}

impl Filter {
    /// Whether the ban is wanted.
    pub fn fits(&self, ban: &Ban) -> bool {
        let (By::Policy { name: by, .. } | By::Operator { name: by }) = &ban.by;
        let of_policy = |wanted: &String| matches!(ban.by, By::Policy { .. }) && by == wanted;
        self.kind.as_ref().is_none_or(|kind| kind == ban.subject.kind())
            && self.policy.as_ref().is_none_or(of_policy)
            && self.network.is_none_or(|net| touches(&ban.subject, net))
            && self.text.as_ref().is_none_or(|text| {
                let text = text.to_lowercase();
                [&ban.subject.to_string(), &ban.reason, by].iter().any(|place| place.to_lowercase().contains(&text))
            })
            && self.expiring_before.is_none_or(|moment| ban.expires.is_some_and(|end| end < moment))
    }
}

fn touches(subject: &Subject, net: IpNet) -> bool {
    match subject {
        Subject::Host(ip) | Subject::UserAtHost(_, ip) => net.contains(ip),
        Subject::Network(own) => net.contains(own) || own.contains(&net),
        _ => false,
    }
}

/// Which part of a list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Page {
    /// So many of the oldest are left out.
    pub skip: usize,
    /// At most so many; `None`: all.
    pub limit: Option<usize>,
}

impl Page {
    /// The part of a whole list.
    pub fn of<T>(self, mut all: Vec<T>) -> Vec<T> {
        all.drain(..self.skip.min(all.len()));
        all.truncate(self.limit.unwrap_or(usize::MAX));
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::fixtures::ban;

    const NOW: Moment = Moment::from_millis(1_000_000);

    #[test]
    fn each_condition_leaves_out_what_does_not_meet_it() {
        let bans = [
            ban("host:192.0.2.7", NOW, Some(60)),
            ban("network:192.0.0.0/16", NOW, None),
            ban("user:Éve", NOW, Some(600)),
            ban("user-at-host:bob@2001:db8::1", NOW, Some(6000)),
        ];
        let numbers = |filter: Filter| -> Vec<usize> {
            bans.iter().enumerate().filter(|(_, ban)| filter.fits(ban)).map(|(number, _)| number).collect()
        };
        let net = |text: &str| Some(text.parse().expect(text));
        assert_eq!(numbers(Filter::default()), [0, 1, 2, 3]);
        assert_eq!(numbers(Filter { kind: Some("user".into()), ..Filter::default() }), [2]);
        assert_eq!(numbers(Filter { network: net("192.0.2.0/24"), ..Filter::default() }), [0, 1]);
        assert_eq!(numbers(Filter { network: net("2001:db8::/32"), ..Filter::default() }), [3]);
        assert_eq!(numbers(Filter { text: Some("éV".into()), ..Filter::default() }), [2]);
        assert_eq!(numbers(Filter { text: Some("ROOT".into()), ..Filter::default() }), [0, 1, 2, 3]);
        assert_eq!(numbers(Filter { policy: Some("root".into()), ..Filter::default() }), [0; 0]);
        let soon = Some(NOW.plus(std::time::Duration::from_secs(600)));
        assert_eq!(numbers(Filter { expiring_before: soon, ..Filter::default() }), [0]);
    }

    #[test]
    fn pages_cover_a_list_without_gaps() {
        let all: Vec<u32> = (0..10).collect();
        let page = |skip, limit| Page { skip, limit }.of(all.clone());
        assert_eq!(page(0, None), all);
        assert_eq!(page(4, Some(3)), [4, 5, 6]);
        assert_eq!(page(8, Some(3)), [8, 9]);
        assert_eq!(page(99, Some(3)), [0; 0]);
    }
}
