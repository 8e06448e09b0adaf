//! Where bans, counters and TLS sessions stand in the shared store.
//!
//! A key is `SCOPE/KIND/NAME`: the scope is the site, or `*` for what reaches every site. Parts are written
//! so that none can slide into the next, and different subjects never share a key; see `part`.
//!
//! A ban of a network stands under one of the configured prefix lengths, and an address looks under all of
//! them. What is found under a shorter prefix may be a ban of a smaller network; the server compares the
//! record's subject with the address.

mod networks;
mod part;

use portcullis_sdk::{
    About, DerivedKey, Format, HostInfo, KeyPolicy, Purpose, Reach, Request, SettingError, Subject, setting_error,
};
use serde::Deserialize;

use networks::Network;
pub use networks::host;
use part::part;

/// The policy.
#[derive(Debug)]
pub struct DefaultKeys {
    settings: Settings,
}

/// What an operator can set; each is described in `settings.json`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
#[expect(missing_docs, reason = "each is described in settings.json")]
pub struct Settings {
    pub site_name: String,
    pub v4_prefixes: Vec<u8>,
    pub v6_prefixes: Vec<u8>,
}

/// What reaches every site.
const EVERYWHERE: &str = "*";

#[cfg(feature = "component")]
portcullis_sdk::export_key_policy!(DefaultKeys);

impl KeyPolicy for DefaultKeys {
    type Settings = Settings;

    const ABOUT: About = About {
        name: "default-keys",
        version: env!("CARGO_PKG_VERSION"),
        summary: "Keys by site, IPv6 by network, users without ambiguity.",
        events: &[],
        facts: &[],
        settings_schema: include_str!("../settings.json"),
    };

    fn configure(mut settings: Settings, _: &HostInfo) -> Result<DefaultKeys, Vec<SettingError>> {
        // The most specific key comes first, and a ban goes to the longest prefix that is not longer than its own.
        for (path, prefixes, width) in
            [("v4-prefixes", &mut settings.v4_prefixes, 32), ("v6-prefixes", &mut settings.v6_prefixes, 128)]
        {
            prefixes.sort_unstable_by(|one, other| other.cmp(one));
            if prefixes.iter().any(|&bits| bits == 0 || bits >= width) {
                return Err(vec![setting_error(path, format!("a network has 1 to {} bits", width - 1))]);
            }
        }
        Ok(DefaultKeys { settings })
    }

    fn derive(&self, request: &Request) -> Vec<DerivedKey> {
        let site = match self.settings.site_name.as_str() {
            "" => part(&request.site),
            name => part(name),
        };
        let keys = match &request.purpose {
            Purpose::LookUpBan(subject) => {
                let places = self.places_to_look(subject);
                places.iter().flat_map(|place| [&site, EVERYWHERE].map(|scope| format!("{scope}/{place}"))).collect()
            }
            Purpose::StoreBan((subject, reach)) => match reach {
                Reach::Node => Vec::new(),
                Reach::Site => {
                    self.place_to_stand(subject).map(|place| format!("{site}/{place}")).into_iter().collect()
                }
                Reach::Everywhere => {
                    self.place_to_stand(subject).map(|place| format!("{EVERYWHERE}/{place}")).into_iter().collect()
                }
            },
            Purpose::Entry(entry) => vec![format!("{site}/{}", entry.key)],
            Purpose::TlsSession(id) => vec![format!("{site}/{}", part::hex(id))],
        };
        keys.into_iter().map(|key: String| DerivedKey { key: key.into_bytes(), format: Format::Native }).collect()
    }
}

impl DefaultKeys {
    fn places_to_look(&self, subject: &Subject) -> Vec<String> {
        let Subject::Host(address) = subject else { return self.place_to_stand(subject).into_iter().collect() };
        let Some(address) = host(address) else { return Vec::new() };
        let around = self.prefixes(address).iter().map(|&bits| Network::around(address, bits).place());
        std::iter::once(format!("host/{address}")).chain(around).collect()
    }

    fn place_to_stand(&self, subject: &Subject) -> Option<String> {
        Some(match subject {
            Subject::Host(address) => format!("host/{}", host(address)?),
            Subject::Network(cidr) => {
                let network = Network::parse(cidr)?;
                if network.is_host() {
                    return Some(format!("host/{}", network.address));
                }
                let &bits = self.prefixes(network.address).iter().find(|&&bits| bits <= network.bits)?;
                Network::around(network.address, bits).place()
            }
            Subject::User(name) => format!("user/{}", part(name)),
            Subject::UserAtHost((name, address)) => format!("user-at-host/{}/{}", part(name), host(address)?),
            Subject::Class(name) => format!("class/{}", part(name)),
            Subject::ClientCertificate(digest) => format!("certificate/{}", part(digest)),
            Subject::TlsFingerprint(ja4) => format!("ja4/{}", part(ja4)),
        })
    }

    fn prefixes(&self, address: std::net::IpAddr) -> &[u8] {
        if address.is_ipv4() { &self.settings.v4_prefixes } else { &self.settings.v6_prefixes }
    }
}

#[cfg(test)]
mod tests;
