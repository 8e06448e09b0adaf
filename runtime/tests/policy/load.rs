//! What is no policy is refused with a reason that an operator can act on.

use std::path::Path;

use portcullis::policy::{Engine, LoadFault};

use super::fixture::{hostile, hostile_bytes, settings, try_load};

async fn fault(text: &str) -> LoadFault {
    try_load(text).await.expect_err("refused").remove(0).fault
}

/// A policy whose component is these bytes.
async fn fault_of(bytes: &[u8]) -> LoadFault {
    let folder = tempfile::tempdir().expect("folder");
    let file = folder.path().join("policy.wasm");
    std::fs::write(&file, bytes).expect("written");
    fault(&policy_at(&file)).await
}

fn policy_at(file: &Path) -> String {
    format!("[[policy]]\nname = 'x'\nsource = 'file:{}'\nsettings = {{}}\n", file.display())
}

#[tokio::test]
async fn w_13_what_is_no_component_is_refused_by_name() {
    assert_eq!(fault_of(b"").await, LoadFault::NotWasm);
    assert_eq!(fault_of(b"(component)").await, LoadFault::NotWasm);
    assert_eq!(fault_of(b"\x7fELF\x02\x01\x01\0").await, LoadFault::NotWasm);
    assert!(matches!(
        fault_of(b"\0asm\x01\0\0\0").await,
        LoadFault::NoComponentType(_) | LoadFault::UnknownContract { .. }
    ));
    assert!(matches!(fault_of(b"\0asm\x0d\0\x01\0").await, LoadFault::UnknownContract { .. }));
    let missing = fault(&policy_at(Path::new("/nowhere/x.wasm"))).await;
    assert!(matches!(missing, LoadFault::Unreadable { .. }), "{missing}");
    assert!(matches!(
        fault("[[policy]]\nname='x'\nsource='builtin:nothing'\nsettings={}\n").await,
        LoadFault::NoSuchBuiltin { .. }
    ));
    let wrong = fault("[[policy]]\nname='x'\nsource='builtin:default-keys'\nsettings={}\n").await;
    assert_eq!(wrong, LoadFault::WrongWorld("ban-guest"));
}

#[tokio::test]
async fn w_13_a_component_cut_anywhere_is_refused() {
    let whole = hostile_bytes();
    let folder = tempfile::tempdir().expect("folder");
    let defaults = settings("");
    let engine = Engine::start(&defaults).expect("engine");
    let mut policy = defaults.chain[0].clone();
    let file = folder.path().join("cut.wasm");
    policy.source = portcullis::config::settings::Source::File(file.clone());
    for cut in (0..64).map(|part| whole.len() * part / 64).chain(whole.len() - 3..whole.len()) {
        std::fs::write(&file, &whole[..cut]).expect("written");
        let told = portcullis::policy::check(&engine, &policy, &defaults.policies).await;
        let fault = told.expect_err("refused").fault;
        assert!(!matches!(fault, LoadFault::Crashed), "at {cut}");
        assert!(fault.to_string().len() < 3000, "at {cut}: {fault}");
    }
}

#[tokio::test]
async fn w_14_imports_without_a_grant_are_named() {
    let told = fault(&hostile("pass", "grants = ['store', 'log']")).await;
    let LoadFault::MissingGrants(missing) = &told else { panic!("{told}") };
    assert_eq!(format!("{missing:?}"), "[Bans, Networks, Clock, Metrics]");
    assert!(told.to_string().contains(r#"grants = ["bans", "networks", "clock", "metrics"]"#), "{told}");
}

#[tokio::test]
async fn w_14_an_unknown_import_is_named() {
    let mut bytes = hostile_bytes();
    for at in 0..bytes.len() - 24 {
        if bytes[at..].starts_with(b"portcullis:policy/clock@") {
            bytes[at..at + 23].copy_from_slice(b"portcullis:policy/crock");
        }
    }
    let told = fault_of(&bytes).await;
    assert!(told.to_string().contains("portcullis:policy/crock"), "{told}");
}

#[tokio::test]
async fn settings_that_do_not_fit_are_named_with_their_key_path() {
    let told = fault("[[policy]]\nname='x'\nsource='builtin:brute-force'\nsettings={ limit = 'many' }\n").await;
    assert!(told.to_string().contains("settings.limit"), "{told}");
    let told =
        fault("[[policy]]\nname='x'\nsource='builtin:brute-force'\nsettings={ ban = '2h', longest = '1h' }\n").await;
    assert!(told.to_string().contains("settings.longest"), "{told}");
}

#[tokio::test]
async fn w_01_s_60_s_62_what_misbehaves_before_it_has_settings_is_refused() {
    let folder = tempfile::tempdir().expect("folder");
    let file = folder.path().join("told.wasm");
    let settings = settings("[policies]\nload-deadline = '10s'\n");
    let engine = Engine::start(&settings).expect("engine");
    let mut policy = settings.chain[0].clone();
    policy.source = portcullis::config::settings::Source::File(file.clone());
    policy.settings = serde_json::json!({});
    for (phase, words) in [
        ("describe=loop", "`describe`: over its CPU"),
        ("describe=recurse", "`describe`: "),
        ("describe=grow-memory", "`describe`: it trapped"),
        ("describe=trap", "`describe`: it trapped"),
        ("describe=host-call", "`describe`: it trapped"),
        ("describe=bad-name", "`name`"),
        ("describe=long-name", "`name`"),
        ("describe=unknown-event", "`moon-rises`"),
        ("describe=many-events", "transfer-bytes"),
        ("describe=bad-schema", "settings-schema"),
        ("describe=false-schema", "settings-schema"),
        ("describe=huge-schema", "transfer-bytes"),
        ("configure=loop", "`configure`: over its CPU"),
        ("configure=host-call", "`configure`: it trapped"),
        ("configure=refuse", "settings.mode: refused\\r\\nas told"),
        ("configure=many-errors", "transfer-bytes"),
        ("configure=huge-error", "transfer-bytes"),
    ] {
        std::fs::write(&file, in_phase(phase)).expect("written");
        let told = portcullis::policy::check(&engine, &policy, &settings.policies).await;
        let told = told.expect_err(phase).to_string();
        assert!(told.contains(words) && told.len() < 4000, "{phase}: {told}");
    }
    std::fs::write(&file, in_phase("describe=optional-event")).expect("written");
    portcullis::policy::check(&engine, &policy, &settings.policies).await.expect("wanted where it exists");
}

fn in_phase(phase: &str) -> Vec<u8> {
    let mut bytes = hostile_bytes();
    let marker = b"HOSTILE-PHASE:";
    let found = bytes.windows(marker.len()).position(|part| part == marker).expect("the marker");
    let at = found + marker.len();
    bytes[at..at + 48].fill(b' ');
    bytes[at..at + phase.len()].copy_from_slice(phase.as_bytes());
    bytes
}

#[tokio::test]
async fn a_component_can_be_inspected_without_settings() {
    let settings = settings("");
    let engine = Engine::start(&settings).expect("engine");
    let told = portcullis::policy::inspect(&engine, &settings.chain[0], &settings.policies).await.expect("inspection");
    assert_eq!((told.description.name.as_str(), told.contract.as_str()), ("brute-force", "0.1.0"));
    assert!(told.imports.iter().any(|name| name == "portcullis:policy/store@0.1.0"), "{:?}", told.imports);
    assert_eq!(told.description.events, ["login-failed"]);
    portcullis::policy::inspect(&engine, &settings.keys, &settings.policies).await.expect("a key policy too");
    portcullis::policy::check(&engine, &settings.keys, &settings.policies).await.expect("a key policy too");
}
