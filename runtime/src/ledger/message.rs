//! The text that a banned client gets.

use std::net::IpAddr;
use std::time::Duration;

use super::ban::Ban;
use super::subject::Subject;
use crate::moment::Moment;

const NOBODY: &str = "(none)";

/// Expands a ban's message (`default` where it has none) for one client: `%a` its address, `%u` the user,
/// `%c` the class, `%t` the time left, `%%` a per cent sign; anything else stays as it is. Expanded once:
/// what a client put into a name is never expanded again. At most `bytes_max` bytes.
pub fn expand(ban: &Ban, default: &str, ip: IpAddr, user: Option<&str>, now: Moment, bytes_max: usize) -> String {
    let template = ban.message.as_deref().unwrap_or(default);
    let mut text = String::new();
    let mut rest = template;
    while let Some(at) = rest.find('%') {
        text.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        match rest.chars().next() {
            Some('a') => text.push_str(&ip.to_string()),
            Some('u') => text.push_str(user.unwrap_or(NOBODY)),
            Some('c') => text.push_str(class(ban).unwrap_or(NOBODY)),
            Some('t') => text.push_str(&left(ban, now)),
            Some('%') => text.push('%'),
            _ => {
                text.push('%');
                continue;
            }
        }
        rest = &rest[1..];
        if text.len() > bytes_max {
            break;
        }
    }
    text.push_str(rest);
    text.truncate(text.floor_char_boundary(bytes_max));
    text
}

fn class(ban: &Ban) -> Option<&str> {
    match &ban.subject {
        Subject::Class(name) => Some(name),
        _ => None,
    }
}

fn left(ban: &Ban, now: Moment) -> String {
    match ban.expires {
        Some(end) => humantime::format_duration(Duration::from_secs(now.until(end).as_millis().div_ceil(1000) as u64))
            .to_string(),
        None => "no end".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::fixtures::ban;

    const NOW: Moment = Moment::from_millis(1_000_000);

    fn text(subject: &str, template: &str, user: Option<&str>) -> String {
        let ban = ban(subject, NOW, Some(90));
        expand(&ban, template, "192.0.2.7".parse().expect("ip"), user, NOW, 60)
    }

    #[test]
    fn p_19_the_message_names_address_user_class_and_time() {
        assert_eq!(text("user:eve", "%a|%u|%c|%t|100%%|%x|%", Some("eve")), "192.0.2.7|eve|(none)|1m 30s|100%|%x|%");
        assert_eq!(text("class:office", "%u %c", None), "(none) office");
    }

    #[test]
    fn s_40_what_a_client_put_into_its_name_is_not_expanded() {
        assert_eq!(text("user:eve", "%u", Some("%a%u%t")), "%a%u%t");
    }

    #[test]
    fn s_40_the_message_is_bounded_at_a_characters_border() {
        let long = "é".repeat(100);
        assert_eq!(text("user:eve", "x%u%u%u%u", Some(&long)).len(), 59);
        assert_eq!(text("user:eve", &long, None).len(), 60);
    }
}
