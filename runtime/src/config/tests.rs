use super::*;

/// The least that a configuration must say.
const LEAST: &str = "[tls]\nself-signed = true\n";

fn read(text: &str) -> Result<Loaded, Vec<Mistake>> {
    parse(text, "portcullis.toml", Path::new("/etc/portcullis"))
}

fn complaints(text: &str) -> String {
    let mistakes = read(text).expect_err("mistakes");
    mistakes.iter().map(|mistake| format!("{mistake}\n")).collect()
}

#[test]
fn the_defaults_need_only_a_certificate() {
    let told = complaints("");
    assert!(told.starts_with("`tls.certificate` is needed") && told.lines().count() == 2, "{told}");
    let loaded = read(LEAST).expect("settings");
    assert_eq!(loaded.settings.chain.len(), 1);
    assert_eq!(loaded.settings.server.state, Path::new("/var/lib/portcullis"));
    assert_eq!(loaded.settings.users.file, Path::new("/etc/portcullis/users.toml"));
}

#[test]
fn every_key_of_the_defaults_file_is_read_and_every_key_that_is_read_is_there() {
    // An unread key of the defaults would be an unknown key; a missing one would panic.
    read(LEAST).expect("settings");
}

#[test]
fn the_comment_above_each_default_tells_the_range_that_is_checked() {
    let typed = tree::read(LEAST).expect("toml");
    let defaults = tree::read(DEFAULTS).expect("toml");
    let (_, sheet) = sheet::Sheet::read("", &typed, &defaults, |top| check::settings(top, Path::new("/")));
    let mut section = String::new();
    let mut comment = String::new();
    for line in DEFAULTS.lines() {
        if let Some(text) = line.strip_prefix('#') {
            comment.push_str(text);
        } else if line.starts_with('[') {
            section = match line {
                "[[policy]]" => "policy.brute-force".to_owned(),
                table => table.trim_matches(['[', ']']).to_owned(),
            };
            comment.clear();
        } else if let Some((key, _)) = line.split_once(" = ") {
            let key = format!("{section}.{key}");
            let told = comment.rsplit_once("Takes: ").map(|(_, told)| told.trim_end_matches('.'));
            let takes = sheet.takes().get(&key).unwrap_or_else(|| panic!("{key} is not read"));
            assert_eq!(told, Some(takes.as_str()), "{key}");
            comment.clear();
        } else {
            comment.clear();
        }
    }
}

#[test]
fn all_mistakes_are_told_at_once_with_place_and_remedy() {
    let told = complaints(
        "colour = 3\n[tls]\nself-signed = true\ndata-resumtion = \"log\"\n\n[timeouts]\nlogin = \"banana\"\nidle = \"3d\"\n\
         [limits]\nlogin-tries = 0\n[[policy]]\nname = \"A\"\n[store]\nengine = \"memcached\"\n",
    );
    let expected = "\
unknown key `colour`
  at portcullis.toml:1
  `portcullis config defaults` lists every key
unknown key `tls.data-resumtion`
  at portcullis.toml:4
  did you mean `tls.data-resumption`? It takes \"off\", \"log\" or \"require\"
`timeouts.login` cannot be \"banana\"
  at portcullis.toml:7
  it takes 100ms to 10m
`timeouts.idle` cannot be \"3d\"
  at portcullis.toml:8
  it takes 100ms to 1d
`limits.login-tries` cannot be 0
  at portcullis.toml:10
  it takes 1 to 100
`policy.A.name` cannot be \"A\"
  at portcullis.toml:12
  it takes 1 to 40 lower-case letters, digits or \"-\"
`policy.A.source` is missing
  at portcullis.toml:12
  it takes \"builtin:NAME\" or \"file:PATH\"
`store.servers` is needed with `store.engine = \"memcached\"`
  name the servers
";
    assert_eq!(told, expected);
}

#[test]
fn a_policy_takes_what_it_leaves_open_from_what_holds_for_all() {
    let loaded = read(
        "[tls]\nself-signed = true\n[policies]\non-error = \"refuse\"\n[policies.bounds]\ncpu = \"20ms\"\n\
         [[policy]]\nname = \"one\"\nsource = \"file:one.wasm\"\nbounds = { wall = \"1s\" }\nsettings = { a = [1] }\n\
         [[policy]]\nname = \"two\"\nsource = \"builtin:brute-force\"\nmode = \"off\"\n",
    )
    .expect("settings");
    let [one] = loaded.settings.chain.as_slice() else { panic!("one policy is on") };
    assert_eq!(one.on_error, settings::OnError::Refuse);
    assert_eq!(one.bounds.cpu.as_millis(), 20);
    assert_eq!(one.bounds.wall.as_millis(), 1000);
    assert_eq!(one.bounds.host_calls, 32);
    assert_eq!(one.settings, serde_json::json!({ "a": [1] }));
    assert_eq!(one.source, settings::Source::File("/etc/portcullis/one.wasm".into()));
    assert!(matches!(loaded.settings.keys.instance, settings::Instance::Warm(_)));
}

#[test]
fn what_is_shown_tells_where_it_comes_from() {
    let loaded = read("[tls]\nself-signed = true\n[server]\nsite = \"north\"\n").expect("settings");
    let origin = |key: &str| loaded.shown.iter().find(|shown| shown.key == key).map(|shown| shown.origin.as_str());
    assert_eq!(origin("server.site"), Some("portcullis.toml:4"));
    assert_eq!(origin("server.name"), Some("default"));
    assert_eq!(origin("policy.brute-force.source"), Some("default"));
}

#[test]
fn networks_are_canonical() {
    let text = "[tls]\nself-signed = true\n[networks]\noffice = [\"192.0.2.7/24\", \"::ffff:198.51.100.9\", \"2001:db8::1\"]\n";
    let loaded = read(text).expect("settings");
    let set: Vec<String> = loaded.settings.networks["office"].iter().map(ToString::to_string).collect();
    assert_eq!(set, ["192.0.2.0/24", "198.51.100.9/32", "2001:db8::1/128"]);
}

#[test]
fn errors_are_told_without_the_systems_numbers() {
    let error = std::io::Error::from_raw_os_error(98);
    assert_eq!(plain(&error), "Address already in use");
    let within = std::io::Error::other(format!("cannot listen: {error}; choose another"));
    assert_eq!(plain(&within), "cannot listen: Address already in use; choose another");
}

#[test]
fn a_key_with_control_characters_is_told_on_one_line() {
    let told = complaints("[tls]\nself-signed = true\n\"a\\nb\\u001b[2J\" = 1\n");
    assert!(told.starts_with("unknown key `tls.a\\nb\\u{1b}[2J`\n  at portcullis.toml:3\n"), "{told}");
}

#[test]
fn a_text_that_is_no_toml_is_told_by_line() {
    let told = complaints("[tls]\nself-signed = tru\n");
    assert!(told.contains("at portcullis.toml:2"), "{told}");
}

#[test]
fn tls_sessions_leave_the_node_sealed_or_not_at_all() {
    for way in ["tickets", "store"] {
        let told =
            complaints(&format!("[tls]\nself-signed = true\nsessions = {way:?}\n[store]\nservers = [\"a:1\"]\n"));
        assert!(told.starts_with("`tls.sessions` needs `store.cluster-key`"), "{told}");
        assert!(told.contains(":3\n") && told.contains("portcullis cluster keygen"), "{told}");
    }
    let alone = "[tls]\nself-signed = true\nsessions = \"store\"\n[store]\ncluster-key = \"k\"\n";
    let told = complaints(alone);
    assert!(told.contains("needs memcached servers in `store.servers`"), "{told}");
    let way = |text: &str| read(text).expect("settings").settings.tls.sessions;
    assert_eq!(way("[tls]\nself-signed = true\n"), settings::TlsSessions::Node);
    assert_eq!(way("[tls]\nself-signed = true\n[store]\ncluster-key = \"k\"\n"), settings::TlsSessions::Tickets);
}
