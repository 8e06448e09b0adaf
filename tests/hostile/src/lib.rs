//! One guest that misbehaves in every way that a mode names; `README.md` lists them.
//!
//! `evaluate` and `derive` follow `{"mode": "..."}` of the settings. What happens before there are settings
//! follows a marker in the data segment, which a test overwrites in the component's bytes.

mod abuse;
mod ban;
mod keys;
#[cfg(target_arch = "wasm32")]
mod memory;

use std::cell::RefCell;

use portcullis_sdk::{Description, HostInfo, SettingError, host::log, setting_error};

/// `HOSTILE-PHASE:` and 48 bytes, in which a test writes `describe=MODE` or `configure=MODE`.
static PHASE: [u8; 62] = *b"HOSTILE-PHASE:                                                ";

/// The component.
#[derive(Debug)]
pub struct Hostile;

thread_local! { static MODE: RefCell<String> = const { RefCell::new(String::new()) } }

fn mode() -> String {
    MODE.with_borrow(Clone::clone)
}

/// What the marker says of this phase, or nothing.
fn phase(name: &str) -> Option<String> {
    let marker = std::hint::black_box(&PHASE);
    let text = String::from_utf8_lossy(&marker["HOSTILE-PHASE:".len()..]).trim().to_owned();
    Some(text.strip_prefix(name)?.strip_prefix('=')?.to_owned())
}

fn describe(events: &[&str]) -> Description {
    let mut description = Description {
        name: "hostile".to_owned(),
        version: "1.0.0".to_owned(),
        summary: "Misbehaves.".to_owned(),
        events: events.iter().map(|&event| event.to_owned()).collect(),
        facts: Vec::new(),
        settings_schema: r#"{ "type": "object", "properties": { "mode": { "type": "string" } } }"#.to_owned(),
    };
    match phase("describe").as_deref() {
        None => {}
        Some("host-call") => log::info("described"),
        Some("bad-name") => description.name = "../../Hostile \r\n".to_owned(),
        Some("long-name") => description.name = "h".repeat(4096),
        Some("unknown-event") => description.events.push("moon-rises".to_owned()),
        Some("optional-event") => description.events.push("moon-rises?".to_owned()),
        Some("many-events") => description.events = vec!["connect".to_owned(); 100_000],
        Some("bad-schema") => description.settings_schema = "{ \"type\": ".to_owned(),
        Some("false-schema") => description.settings_schema = r#"{ "type": "no-such-type" }"#.to_owned(),
        Some("huge-schema") => description.settings_schema = format!("{{\"title\":\"{}\"}}", "x".repeat(10 << 20)),
        Some(mode) => abuse::run(mode),
    }
    description
}

fn configure(_: &HostInfo, settings: &str) -> Result<(), Vec<SettingError>> {
    match phase("configure").as_deref() {
        None => {}
        Some("host-call") => log::info("configured"),
        Some("refuse") => return Err(vec![setting_error("mode", "refused\r\nas told")]),
        Some("many-errors") => return Err(vec![setting_error("mode", "no"); 100_000]),
        Some("huge-error") => return Err(vec![setting_error("mode", "x".repeat(10 << 20))]),
        Some(mode) => abuse::run(mode),
    }
    let settings: serde_json::Value =
        serde_json::from_str(settings).map_err(|error| vec![setting_error("", error.to_string())])?;
    let mode = settings["mode"].as_str().unwrap_or("pass").to_owned();
    MODE.with_borrow_mut(|kept| kept.clone_from(&mode));
    #[cfg(target_arch = "wasm32")]
    memory::misbehave(&mode);
    // What is cleaned up behind this would be the first misdeed.
    std::mem::forget(mode);
    Ok(())
}

#[cfg(target_arch = "wasm32")]
mod exports {
    use super::Hostile;
    use portcullis_sdk::bindings;

    #[allow(unsafe_code, reason = "the names under which the server finds the exports")]
    const _: () = {
        bindings::ban::export_ban_guest!(Hostile with_types_in bindings::ban);
        bindings::keys::export_key_guest!(Hostile with_types_in bindings::keys);
    };
}
