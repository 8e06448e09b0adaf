//! Counters that a policy keeps in the server's metrics: bounded in number and in form.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Where everything is counted that has no series of its own.
const OVERFLOW: &str = "_overflow";
const NAME_BYTES_MAX: usize = 40;
const LABEL_BYTES_MAX: usize = 64;

/// The counters of one policy.
pub(super) struct Series {
    most: usize,
    counts: BTreeMap<(String, String), u64>,
    overflow: u64,
}

/// One counter, as `policy list --json` shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Metric {
    /// Name.
    pub name: String,
    /// What is told apart under the name; may be empty.
    pub label: String,
    /// Since the policy was loaded.
    pub count: u64,
}

impl Series {
    pub(super) const fn new(most: usize) -> Series {
        Series { most, counts: BTreeMap::new(), overflow: 0 }
    }

    pub(super) fn count(&mut self, name: String, label: String, by: u64) {
        let named = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
        let fits = (1..=NAME_BYTES_MAX).contains(&name.len())
            && name.bytes().all(named)
            && !name.starts_with('_')
            && label.len() <= LABEL_BYTES_MAX
            && label.bytes().all(|byte| byte.is_ascii_graphic());
        let full = self.counts.len() >= self.most;
        let key = (name, label);
        let count = match self.counts.get_mut(&key) {
            Some(count) => count,
            None if fits && !full => self.counts.entry(key).or_default(),
            None => &mut self.overflow,
        };
        *count = count.saturating_add(by);
    }

    /// All of them, and the rest under one name.
    pub(super) fn list(&self) -> Vec<Metric> {
        let own = self.counts.iter().map(|((name, label), count)| Metric {
            name: name.clone(),
            label: label.clone(),
            count: *count,
        });
        let rest = Metric { name: OVERFLOW.to_owned(), label: String::new(), count: self.overflow };
        own.chain((self.overflow > 0).then_some(rest)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn w_17_a_label_for_each_address_ends_in_one_overflow() {
        let mut series = Series::new(3);
        for number in 0..1000 {
            series.count("seen".into(), format!("192.0.2.{number}"), 1);
        }
        series.count("seen".into(), "192.0.2.1".into(), 5);
        let told: Vec<(String, u64)> = series
            .list()
            .into_iter()
            .map(|metric| (format!("{} {}", metric.name, metric.label), metric.count))
            .collect();
        let wanted = [("seen 192.0.2.0", 1), ("seen 192.0.2.1", 6), ("seen 192.0.2.2", 1), ("_overflow ", 997)];
        assert_eq!(told, wanted.map(|(name, count)| (name.to_owned(), count)));
    }

    #[test]
    fn w_17_a_name_or_label_of_another_form_has_no_series() {
        let mut series = Series::new(100);
        for (name, label) in [("", ""), ("Big", ""), ("a b", ""), ("_overflow", ""), ("a", "x\ny"), ("a", "é")] {
            series.count(name.into(), label.into(), u64::MAX);
        }
        series.count("a".repeat(41), String::new(), 1);
        assert_eq!(series.list().len(), 1);
        assert_eq!(series.list()[0].count, u64::MAX);
    }
}
