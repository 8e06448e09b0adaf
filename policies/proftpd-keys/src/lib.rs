//! Keys of a pool that is partly ProFTPD: those of `default-keys`, and for each ban of a kind that is to be shared
//! the one under which mod_ban keeps it.
//!
//! A key in ProFTPD's form is taken whole by the server, `mod_ban.` and the NUL at its end included.

mod mod_ban;

use default_keys::DefaultKeys;
use portcullis_sdk::{About, DerivedKey, Format, HostInfo, KeyPolicy, Purpose, Reach, Request, SettingError, Subject};
use serde::Deserialize;

use mod_ban::Form;

/// The policy.
#[derive(Debug)]
pub struct ProftpdKeys {
    own: DefaultKeys,
    form: Form,
    kinds: Vec<Kind>,
}

/// What an operator can set; each is described in `settings.json`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
#[expect(missing_docs, reason = "each is described in settings.json")]
pub struct Settings {
    pub form: Form,
    pub kinds: Vec<Kind>,
    pub site_name: String,
    pub v4_prefixes: Vec<u8>,
    pub v6_prefixes: Vec<u8>,
}

/// What mod_ban can ban.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[expect(missing_docs, reason = "as in settings.json")]
pub enum Kind {
    Class,
    Host,
    User,
    UserAtHost,
}

portcullis_sdk::export_key_policy!(ProftpdKeys);

impl KeyPolicy for ProftpdKeys {
    type Settings = Settings;

    const ABOUT: About = About {
        name: "proftpd-keys",
        version: env!("CARGO_PKG_VERSION"),
        summary: "Keys of a pool that is partly ProFTPD: the default ones, and those of mod_ban.",
        events: &[],
        facts: &[],
        settings_schema: include_str!("../settings.json"),
    };

    fn configure(settings: Settings, host: &HostInfo) -> Result<ProftpdKeys, Vec<SettingError>> {
        let Settings { form, kinds, site_name, v4_prefixes, v6_prefixes } = settings;
        let own = default_keys::Settings { site_name, v4_prefixes, v6_prefixes };
        Ok(ProftpdKeys { own: DefaultKeys::configure(own, host)?, form, kinds })
    }

    fn derive(&self, request: &Request) -> Vec<DerivedKey> {
        let mut keys = self.own.derive(request);
        let shared = match &request.purpose {
            Purpose::LookUpBan(subject) => Some(subject),
            Purpose::StoreBan((subject, Reach::Site | Reach::Everywhere)) => Some(subject),
            Purpose::StoreBan((_, Reach::Node)) | Purpose::Entry(_) | Purpose::TlsSession(_) => None,
        };
        keys.extend(shared.and_then(|subject| self.shared(subject)));
        keys
    }
}

impl ProftpdKeys {
    /// The key of a ban that ProFTPD is to know of.
    fn shared(&self, subject: &Subject) -> Option<DerivedKey> {
        let address = |text: &str| default_keys::host(text).map(|address| address.to_string());
        let (kind, name) = match subject {
            Subject::Class(name) => (Kind::Class, name.clone()),
            Subject::Host(host) => (Kind::Host, address(host)?),
            Subject::User(name) => (Kind::User, name.clone()),
            Subject::UserAtHost((name, host)) => (Kind::UserAtHost, format!("{name}@{}", address(host)?)),
            // mod_ban knows none of these.
            Subject::Network(_) | Subject::ClientCertificate(_) | Subject::TlsFingerprint(_) => return None,
        };
        let format = match self.form {
            Form::Json => Format::ProftpdJson,
            Form::Tpl => Format::ProftpdTpl,
        };
        let key = mod_ban::key(self.form, kind, &name).filter(|_| self.kinds.contains(&kind))?;
        Some(DerivedKey { key, format })
    }
}
