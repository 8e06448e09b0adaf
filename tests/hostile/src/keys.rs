//! The key policy's misdeeds.

use portcullis_sdk::bindings::keys::exports::portcullis::policy::key_guest::Guest;
use portcullis_sdk::{DerivedKey, Description, Format, HostInfo, Request, SettingError};

use crate::{Hostile, abuse};

impl Guest for Hostile {
    fn describe() -> Description {
        crate::describe(&[])
    }

    fn configure(host: HostInfo, settings: String) -> Result<(), Vec<SettingError>> {
        crate::configure(&host, &settings)
    }

    fn derive(request: Request) -> Vec<DerivedKey> {
        let one = |key: &[u8]| vec![DerivedKey { key: key.to_vec(), format: Format::Native }];
        match crate::mode().as_str() {
            "keys-same" => one(b"everybody"),
            "keys-none" => Vec::new(),
            "keys-empty" => one(b""),
            "keys-long" => one(&[b'k'; 251]),
            "keys-blank" => one(b"two words"),
            "keys-crlf" => one(b"a\r\nflush_all\r\n"),
            "keys-nul" => one(b"a\0b"),
            "keys-no-utf8" => one(&[0xff, 0xfe]),
            "keys-many" => (0..10_000_u32).flat_map(|number| one(number.to_string().as_bytes())).collect(),
            "keys-proftpd" => vec![DerivedKey { key: b"mod_ban.{}\0".to_vec(), format: Format::ProftpdJson }],
            other => {
                abuse::run(other);
                one(format!("{:?}", request.purpose).replace(|c: char| !c.is_ascii_graphic(), "_").as_bytes())
            }
        }
    }
}
