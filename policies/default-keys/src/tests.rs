use super::*;
use portcullis_sdk::Entry;

fn policy(v4: &[u8], v6: &[u8], site_name: &str) -> DefaultKeys {
    let settings = Settings { site_name: site_name.into(), v4_prefixes: v4.to_vec(), v6_prefixes: v6.to_vec() };
    let host = HostInfo { version: String::new(), events: vec![], facts: vec![], effects: vec![] };
    DefaultKeys::configure(settings, &host).expect("good settings")
}

fn keys(policy: &DefaultKeys, purpose: Purpose) -> Vec<String> {
    let request = Request { purpose, site: "home".into(), server: None };
    policy.derive(&request).into_iter().map(|key| String::from_utf8(key.key).expect("ASCII")).collect()
}

fn default() -> DefaultKeys {
    policy(&[24, 16], &[64, 56, 48], "")
}

#[test]
fn every_stored_ban_of_a_network_is_found_from_its_addresses() {
    for (cidr, inside) in [
        ("192.0.2.0/24", "192.0.2.200"),
        ("192.0.2.128/26", "192.0.2.130"),
        ("192.0.0.0/20", "192.0.2.7"),
        ("192.0.0.0/16", "192.0.255.1"),
        ("192.0.2.7/32", "192.0.2.7"),
        ("2001:db8::/64", "2001:db8::7"),
        ("2001:db8::/50", "2001:db8:0:1::7"),
        ("2001:db8::4/126", "2001:db8::5"),
    ] {
        for reach in [Reach::Site, Reach::Everywhere] {
            let stored = keys(&default(), Purpose::StoreBan((Subject::network(cidr), reach)));
            let looked = keys(&default(), Purpose::LookUpBan(Subject::host(inside)));
            assert_eq!(stored.len(), 1, "{cidr}");
            assert!(looked.contains(&stored[0]), "{cidr}: {stored:?} is not in {looked:?}");
            assert!(looked.len() <= 8);
        }
    }
}

#[test]
fn a_network_that_no_address_looks_for_is_not_shared() {
    assert!(keys(&default(), Purpose::StoreBan((Subject::network("10.0.0.0/8"), Reach::Site))).is_empty());
}

#[test]
fn a_ban_of_this_node_alone_is_not_shared() {
    assert!(keys(&default(), Purpose::StoreBan((Subject::host("192.0.2.7"), Reach::Node))).is_empty());
}

#[test]
fn s_22_spellings_of_one_address_have_one_key() {
    let plain = keys(&default(), Purpose::LookUpBan(Subject::host("192.0.2.7")));
    assert_eq!(keys(&default(), Purpose::LookUpBan(Subject::host("::ffff:192.0.2.7"))), plain);
    assert_eq!(plain[0], "home/host/192.0.2.7");
    let long = keys(&default(), Purpose::LookUpBan(Subject::host("2001:0db8:0:0:0:0:0:1")));
    assert_eq!(long[0], "home/host/2001:db8::1");
}

#[test]
fn sites_of_one_name_share() {
    let entry = || Purpose::Entry(Entry { policy: "brute-force".into(), key: "failures".into() });
    assert_eq!(keys(&default(), entry()), ["home/failures"]);
    assert_eq!(keys(&policy(&[], &[], "both"), entry()), ["both/failures"]);
}

#[test]
fn a_site_cannot_take_the_name_of_everywhere() {
    let star = policy(&[24], &[64], "*");
    assert_eq!(keys(&star, Purpose::StoreBan((Subject::user("al"), Reach::Site))), ["%2a/user/al"]);
}

#[test]
fn s_29_a_user_cannot_slide_into_a_host() {
    let one = keys(&default(), Purpose::StoreBan((Subject::user_at_host("a/192.0.2.7", "192.0.2.8"), Reach::Site)));
    assert_eq!(one, ["home/user-at-host/a%2f192.0.2.7/192.0.2.8"]);
}

#[test]
fn all_keys_are_within_the_contract() {
    let name = "ü".repeat(500);
    let purposes = [
        Purpose::StoreBan((Subject::user_at_host(&name, "2001:db8:1111:2222:3333:4444:5555:6666"), Reach::Site)),
        Purpose::Entry(Entry { policy: "p".into(), key: "k".repeat(120) }),
        Purpose::TlsSession(vec![0xff; 32]),
        Purpose::LookUpBan(Subject::Class(name.clone())),
    ];
    for purpose in purposes {
        for key in keys(&policy(&[24], &[64], &name), purpose) {
            assert!(key.len() <= 180 && key.bytes().all(|byte| byte.is_ascii_graphic()), "{} {key}", key.len());
        }
    }
}

#[test]
fn nonsense_addresses_have_no_keys() {
    for text in ["", "alice", "1.2.3", "192.0.2.7/33", "/", "::/129"] {
        assert!(keys(&default(), Purpose::LookUpBan(Subject::host(text))).is_empty(), "{text}");
        assert!(keys(&default(), Purpose::StoreBan((Subject::network(text), Reach::Site))).is_empty(), "{text}");
    }
}
