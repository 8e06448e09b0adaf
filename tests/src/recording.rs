//! A recording as a busy site would make it, from a seed: the same seed gives the same bytes.

use std::io::{BufWriter, Write};
use std::path::Path;

/// Where the day begins: 2026-01-01.
const START_MS: u64 = 1_767_225_600_000;
/// Milliseconds between two events.
const STEP_MS: u64 = 25;

/// Of every hundred events so many are failed logins; the rest are connections, logins and their ends.
const FAILED_PERCENT: u64 = 20;

/// Writes `count` events of some 5,000 clients: a tenth guess passwords, the others work and mistype at times.
pub fn write(path: &Path, count: u64, seed: u64) {
    let file = std::fs::File::create(path).expect("a recording can be made");
    let mut out = BufWriter::with_capacity(1 << 20, file);
    let header = r#"{"portcullis-events":1,"site":"s","node":"a","sets":["office"],"pseudonyms":false}"#;
    writeln!(out, "{header}").expect("written");
    let mut chance = Chance(seed);
    for number in 0..count {
        let at = START_MS + number * STEP_MS;
        // Who guesses comes often.
        let guesses = chance.below(10) < 3;
        let client = if guesses { chance.below(500) * 10 } else { chance.below(500) * 10 + 1 + chance.below(9) };
        let user = format!("user-{}", if guesses { chance.below(300) } else { client % 300 });
        let failed = chance.below(100) < FAILED_PERCENT && (guesses || chance.below(10) == 0);
        let kind = match (failed, chance.below(3)) {
            (true, _) => {
                // Who mistypes does so alike; who guesses does not.
                let tag = if guesses { chance.below(4096) } else { client % 4096 };
                format!(r#""kind":"login-failed","detail":{{"cause":"wrong-password","attempt_tag":{tag}}}"#)
            }
            (false, 0) => r#""kind":"connect""#.to_owned(),
            (false, 1) => r#""kind":"login-succeeded""#.to_owned(),
            (false, _) => r#""kind":"disconnected","detail":"quit""#.to_owned(),
        };
        let classes = if client == 7 { r#"["office"]"# } else { "[]" };
        let (high, low) = (client / 250, client % 250 + 1);
        writeln!(
            out,
            r#"{{"at":{at},"site":"s","node":"a","server":"main","connection":{number},"peer":"192.0.{high}.{low}:40000","local":"198.51.100.1:21","classes":{classes},"user":"{user}","logged_in":false,"session":{{"started":{at},"commands":2,"unknown_commands":0,"failed_logins":0,"transfers":0,"bytes_in":0,"bytes_out":0}},"tls":{{"version":"1.3","cipher":"TLS13_AES_256_GCM_SHA384","server_name":null,"alpn":null,"resumed":false,"ja4":null,"client_certificate":null}},"store_degraded":false,{kind}}}"#
        )
        .expect("written");
    }
    out.flush().expect("written");
}

/// xorshift64*: the same numbers on every machine.
struct Chance(u64);

impl Chance {
    fn below(&mut self, most: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) % most
    }
}
