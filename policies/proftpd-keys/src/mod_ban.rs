//! A key as mod_ban spells it, byte by byte: `BanCacheOptions UseJSON`, or its default, tpl.

use serde::Deserialize;

use crate::Kind;

/// A longer one has no room in memcached once it is written in base64.
const BYTES_MAX: usize = 186;

/// Which of the two forms. They do not see each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Form {
    /// `BanCacheOptions UseJSON`
    Json,
    /// Without.
    Tpl,
}

/// The key of a ban; nothing for a name that is too long.
pub fn key(form: Form, kind: Kind, name: &str) -> Option<Vec<u8>> {
    let number: u16 = match kind {
        Kind::Class => 1,
        Kind::Host => 2,
        Kind::User => 3,
        Kind::UserAtHost => 4,
    };
    let rest = match form {
        Form::Json => {
            let name = serde_json::Value::from(name);
            format!("{{\"ban_type_id\":{number},\"ban_name\":{name}}}\0").into_bytes()
        }
        Form::Tpl => {
            let length = |bytes: usize| u32::try_from(bytes).ok().map(u32::to_le_bytes);
            let name = [&length(name.len() + 1)?, name.as_bytes()].concat();
            let packed = [b"vs\0", &number.to_le_bytes()[..], &name].concat();
            [b"tpl\x02", &length(8 + packed.len())?[..], &packed].concat()
        }
    };
    let key = [b"mod_ban.", rest.as_slice()].concat();
    (key.len() <= BYTES_MAX).then_some(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn p_33_p_35_keys_are_mod_bans() {
        let json = key(Form::Json, Kind::Host, "127.0.0.1").expect("short");
        assert_eq!(json, b"mod_ban.{\"ban_type_id\":2,\"ban_name\":\"127.0.0.1\"}\0");
        let tpl = key(Form::Tpl, Kind::Host, "127.0.0.31").expect("short");
        assert_eq!(tpl, b"mod_ban.tpl\x02\x1b\0\0\0vs\0\x02\0\x0b\0\0\x00127.0.0.31");
        let quoted = key(Form::Json, Kind::User, "a\"b\\c").expect("short");
        assert_eq!(quoted, b"mod_ban.{\"ban_type_id\":3,\"ban_name\":\"a\\\"b\\\\c\"}\0");
        assert_eq!(key(Form::Tpl, Kind::User, &"n".repeat(200)), None);
    }
}
