//! Greeting, TLS, login, and what ends a connection.

use crate::ftp::effect::{Answer, Ending, Input, LoginAnswer, Ruled};
use crate::ftp::line::{Line, LineFault};
use crate::ftp::reply::ReplyText;
use crate::waits::Wait;

use super::super::{Machine, MachineSettings};
use super::{NOW, World, settings};

fn tls_required() -> World {
    World::with(MachineSettings { tls_required: true, ..settings() })
}

#[test]
fn a_login_is_user_then_password() {
    let mut world = World::new();
    assert_eq!(world.send("PASS secret"), "503 Login with USER first.\r\n");
    assert_eq!(world.send("PWD"), "530 Log in with USER and PASS first.\r\n");
    assert_eq!(world.send("USER alice"), "331 Password required.\r\n");
    assert_eq!(world.send("PASS secret"), "230 Login successful.\r\n");
    assert_eq!(world.send("PASS secret"), "503 User already authenticated.\r\n");
    assert_eq!(world.machine.user(), Some("alice"));
    assert_eq!(world.send("PWD"), "257 \"/home\" is the current directory.\r\n");
}

#[test]
fn s_20_an_unknown_user_and_a_wrong_password_are_told_the_same_bytes() {
    let mut world = World::new();
    let mut told = Vec::new();
    for user in ["alice", "nobody-of-that-name"] {
        let mut bytes = world.send(&format!("USER {user}"));
        bytes += &world.send("PASS wrong");
        told.push(bytes);
    }
    assert_eq!(told[0], told[1]);
    assert_eq!(told[0], "331 Password required.\r\n530 Authentication failed.\r\n");
}

#[test]
fn the_last_failed_login_is_answered_and_ends_the_connection() {
    let (mut world, mut last) = (World::new(), String::new());
    for _ in 0..3 {
        assert_eq!(world.ended, None);
        world.send("USER alice");
        last = world.send("PASS wrong");
    }
    assert_eq!(world.ended, Some(Ending::TooManyTries));
    assert_eq!(last, "530 Authentication failed; too many failed logins, goodbye.\r\n");
    assert_eq!(world.send("NOOP"), "", "nothing is said after the end");
    assert!(world.machine.ended() && world.machine.is_full());
}

#[test]
fn s_14_an_endless_password_is_never_checked() {
    let mut world = World::new();
    world.send("USER alice");
    assert_eq!(world.send(&format!("PASS {}", "x".repeat(65))), "501 The password is too long.\r\n");
    assert!(world.asked.is_empty());
    assert_eq!(world.machine.failed_logins(), 1);
}

#[test]
fn t_06_s_17_user_in_clear_is_refused_and_changes_nothing_where_tls_is_required() {
    let mut world = tls_required();
    assert_eq!(world.send("USER alice"), "534 TLS is required, use AUTH TLS first.\r\n");
    assert_eq!(world.send("PASS secret"), "503 Login with USER first.\r\n");
    assert!(world.asked.is_empty() && world.ended.is_none());
    assert_eq!(world.machine.user(), None);
    assert_eq!(world.send("AUTH TLS"), "234 AUTH TLS successful.\r\n");
    assert!(world.machine.is_full());
    world.feed(Input::TlsUp);
    assert!(world.machine.protected() && !world.machine.is_full());
    assert_eq!(world.send("USER alice"), "331 Password required.\r\n");
}

#[test]
fn t_01_s_15_bytes_behind_auth_end_the_connection() {
    let mut world = tls_required();
    world.send("AUTH TLS");
    assert_eq!(world.others, ["start-tls"]);
    world.feed(Input::Injected);
    assert_eq!(world.ended, Some(Ending::Injection));
    assert_eq!(world.said(), "");
}

#[test]
fn t_03_s_16_auth_after_a_login_in_clear_forgets_everything() {
    let mut world = World::logged_in();
    world.send("OPTS MLST size;");
    world.send("PASV");
    world.send("AUTH TLS");
    assert_eq!(world.others, ["drop-data", "logout", "start-tls"]);
    world.feed(Input::TlsUp);
    assert!(!world.machine.logged_in());
    assert_eq!(world.machine.user(), None);
    assert!(world.send("FEAT").contains(" MLST type*;perm*;"));
    assert_eq!(world.send("AUTH TLS"), "503 Already using TLS.\r\n");
}

#[test]
fn failed_logins_stay_counted_over_auth_user_and_rein() {
    let mut world = World::new();
    for again in ["REIN", "USER bob", "AUTH TLS"] {
        world.send("USER alice");
        world.send("PASS wrong");
        world.send(again);
    }
    assert_eq!(world.ended, Some(Ending::TooManyTries));
}

#[test]
fn auth_aliases_and_other_mechanisms() {
    for (mechanism, reply) in
        [("tls", "234"), ("TLS-C", "234"), ("SSL", "234"), ("GSSAPI", "504"), ("KERBEROS_V4", "504")]
    {
        assert!(World::new().send(&format!("AUTH {mechanism}")).starts_with(reply), "{mechanism}");
    }
    let mut without = World::with(MachineSettings { tls_available: false, ..settings() });
    assert_eq!(without.send("AUTH TLS"), "502 TLS is not offered.\r\n");
    assert!(!without.send("FEAT").contains("AUTH"));
}

#[test]
fn protection_of_data_connections() {
    let mut world = tls_required();
    assert_eq!(world.send("PBSZ 0"), "503 PBSZ not allowed on insecure control connection.\r\n");
    assert_eq!(world.send("PROT P"), "503 PROT not allowed on insecure control connection.\r\n");
    world.send("AUTH TLS");
    world.feed(Input::TlsUp);
    assert_eq!(world.send("PBSZ 1024"), "200 PBSZ=0 successful.\r\n");
    assert!(world.send("PBSZ x").starts_with("501"));
    assert!(!world.machine.data_protected());
    assert!(world.send("PROT C").starts_with("534"));
    assert!(world.send("PROT S").starts_with("536"));
    assert!(world.send("PROT X").starts_with("504"));
    assert!(world.send("PROT p").starts_with("200"));
    assert!(world.machine.data_protected());
    assert!(world.send("CCC").starts_with("534"));
    world.send("USER alice");
    assert_eq!(world.send("REIN"), "220 Ready for a new user.\r\n");
    assert!(world.machine.protected() && world.machine.data_protected(), "nobody goes on in clear");
}

#[test]
fn t_05_on_an_implicit_listener_data_is_protected_from_the_start() {
    let mut machine = Machine::new(settings());
    machine.on(Input::Admitted { protected: true }, NOW);
    assert!(machine.protected() && machine.data_protected());
}

#[test]
fn a_certificate_may_take_the_place_of_the_password() {
    let mut world = World::with(MachineSettings { certificate_logins: true, ..settings() });
    assert_eq!(world.send("USER alice"), "331 Password required.\r\n", "nobody shows a certificate in clear");
    world.send("AUTH TLS");
    world.feed(Input::TlsUp);
    world.said();
    assert_eq!(world.send("USER bob"), "331 Password required.\r\n");
    assert_eq!(world.send("PASS wrong"), "530 Authentication failed.\r\n");
    assert_eq!(world.send("USER alice"), "230 Login successful.\r\n");
    assert_eq!(world.send("PASS any"), "503 User already authenticated.\r\n");
    assert!(world.machine.logged_in());
}

#[test]
fn host_chooses_a_server_before_user_and_rein_forgets_it() {
    let mut world = World::new();
    assert_eq!(world.send("HOST shop.example"), "220 Shop\r\n");
    assert_eq!(world.send("HOST elsewhere.example"), "504 There is no such host here.\r\n");
    assert_eq!(world.send("HOST shop.example:21"), "501 Invalid parameter.\r\n");
    assert_eq!(world.send("HOST"), "501 Syntax error: command needs an argument.\r\n");
    world.send("USER alice");
    assert_eq!(world.send("HOST shop.example"), "503 HOST comes before USER.\r\n");
    world.send("REIN");
    assert_eq!(world.others, ["logout", "leave-host"]);
    assert_eq!(world.send("HOST shop.example"), "220 Shop\r\n");
}

#[test]
fn features_are_the_same_before_and_after_login() {
    let before = World::new().send("FEAT");
    assert_eq!(before, World::logged_in().send("FEAT"));
    assert_eq!(
        before,
        "211-Features supported:\r\n AUTH TLS\r\n AUTH SSL\r\n PBSZ\r\n PROT\r\n HOST\r\n UTF8\r\n CLNT\r\n LANG EN*\r\n \
         AVBL\r\n REST STREAM\r\n EPSV\r\n EPRT\r\n \
         MLST type*;perm*;size*;modify*;unique*;unix.mode;unix.uid;unix.gid;\r\n SIZE\r\n MDTM\r\n \
         MFMT\r\n MFF Modify;UNIX.mode;\r\n HASH SHA-256*;SHA-512;SHA-1;MD5;CRC32\r\n XCRC\r\n XMD5\r\n \
         XSHA\r\n XSHA1\r\n XSHA256\r\n XSHA512\r\n MD5\r\n TVFS\r\n211 End FEAT.\r\n"
    );
}

#[test]
fn s_06_unknown_commands_before_login_are_counted_and_never_echoed() {
    let mut world = World::new();
    for _ in 0..2 {
        assert_eq!(world.send("<script> x"), "500 Command not understood.\r\n");
    }
    assert!(world.asked[0].contains("\"<SCRIPT>\""));
    assert!(world.send("<script>").starts_with("421"));
    assert_eq!(world.ended, Some(Ending::TooManyUnknown));

    let mut world = World::logged_in();
    for _ in 0..10 {
        assert_eq!(world.send("XYZZY"), "500 Command not understood.\r\n");
    }
    assert_eq!(world.ended, None);
}

#[test]
fn t_52_faults_are_answered_once_and_counted_before_login() {
    let mut world = World::new();
    world.feed(Input::Fault(LineFault::TooLong));
    world.feed(Input::Fault(LineFault::Nul));
    assert_eq!(world.said(), "500 Line too long.\r\n501 A command cannot hold a NUL.\r\n");
    assert_eq!(world.send("USER al\u{10ffe9}ce"), "421 Too many commands that are not understood.\r\n");
    assert_eq!(world.ended, Some(Ending::TooManyUnknown));
}

#[test]
fn t_70_s_18_other_protocols_end_the_connection_without_an_echo() {
    for line in ["GET /<script> HTTP/1.1", "SSH-2.0-Go", "EHLO evil", "Host: evil"] {
        let mut world = World::new();
        assert_eq!(world.send(line), "421 This is an FTP server.\r\n");
        assert_eq!(world.ended, Some(Ending::ProtocolMismatch));
        assert!(world.asked[0].starts_with("Mismatch"));
    }
    let mut world = World::new();
    world.feed(Input::Fault(LineFault::TlsRecord));
    assert_eq!(world.asked, ["Mismatch(\"tls-on-plain-port\")"]);
    assert_eq!(world.ended, Some(Ending::ProtocolMismatch));
}

#[test]
fn a_policy_refuses_with_its_text_and_may_close() {
    let text = || Some(ReplyText::clean("go\r\naway"));
    for (close, expected, ending) in [(false, "530 go\r\n", None), (true, "530 go\r\n", Some(Ending::Refused))] {
        let mut machine = Machine::new(settings());
        machine.on(Input::Admitted { protected: false }, NOW);
        machine.on(Input::Line(Line("USER alice")), NOW);
        machine.on(Input::Line(Line("PASS x")), NOW);
        let answer = Answer::Login(LoginAnswer::Refused { text: text(), close });
        let effects = format!("{:?}", machine.on(Input::Answer(answer), NOW).collect::<Vec<_>>());
        assert!(effects.contains(&expected.escape_debug().to_string()), "{effects}");
        assert_eq!(machine.ended(), ending.is_some());
    }
    let mut machine = Machine::new(settings());
    machine.on(Input::Admitted { protected: false }, NOW);
    machine.on(Input::Line(Line("XYZZY")), NOW);
    let effects = machine.on(Input::Answer(Answer::Ruled(Ruled::Refuse { text: text(), close: true })), NOW);
    assert!(format!("{effects:?}").contains("421 go"));
    assert!(machine.ended());
}

#[test]
fn deadlines_bans_and_a_stop_end_the_connection_with_one_word() {
    for (input, reply, ending) in [
        (Input::Expired(Wait::Login), "421 Login timeout.\r\n", Ending::LoginTimeout),
        (Input::Expired(Wait::Idle), "421 Idle timeout.\r\n", Ending::IdleTimeout),
        (Input::Stopping, "421 The server is shutting down.\r\n", Ending::Stopping),
        (Input::Banned(ReplyText::clean("Banned.")), "421 Banned.\r\n", Ending::Banned),
        (Input::Revoked, "421 This account was closed.\r\n", Ending::Revoked),
    ] {
        let mut world = World::logged_in();
        world.feed(input);
        assert_eq!(world.said(), reply);
        assert_eq!(world.ended, Some(ending));
    }
    for (input, ending) in [
        (Input::Expired(Wait::Handshake), Ending::LoginTimeout),
        (Input::Stopping, Ending::Stopping),
        (Input::Banned(ReplyText::clean("Banned.")), Ending::Banned),
    ] {
        let mut world = World::new();
        world.send("AUTH TLS");
        world.feed(input);
        assert_eq!((world.said().as_str(), world.ended), ("", Some(ending)), "T-04: no text into a TLS stream");
    }
}

#[test]
fn s_53_what_needs_a_permission_needs_a_login_behind_site_too() {
    for command in crate::ftp::table::SITE.iter().filter(|command| !command.permissions().is_empty()) {
        let mut world = World::new();
        let told = world.send(&format!("SITE {} 644 f", command.verb()));
        assert_eq!(told, "530 Log in with USER and PASS first.\r\n", "{}", command.verb());
        assert!(world.asked.is_empty());
    }
}

#[test]
fn small_commands_have_their_answers() {
    let mut world = World::new();
    for (line, reply) in [
        ("syst", "215 UNIX Type: L8\r\n"),
        ("NOOP", "200 NOOP successful.\r\n"),
        ("NOOP x", "501 Syntax error: command does not accept arguments.\r\n"),
        ("USER", "501 Syntax error: command needs an argument.\r\n"),
        ("opts utf8 on", "200 UTF8 is always on.\r\n"),
        ("OPTS UTF8 OFF", "504 UTF8 cannot be turned off.\r\n"),
        ("OPTS MLST size;type;bogus;", "200 MLST OPTS type;size;\r\n"),
        ("OPTS MLST", "200 MLST OPTS \r\n"),
        ("OPTS MLST bogus", "501 Invalid argument.\r\n"),
        ("OPTS MLST type ;", "501 Invalid number of arguments.\r\n"),
        ("OPTS HASH", "200 SHA-256\r\n"),
        ("OPTS HASH sha-512", "200 SHA-512\r\n"),
        ("OPTS HASH ROT13", "504 Unknown algorithm; FEAT lists them.\r\n"),
        ("OPTS BOGUS", "530 Log in with USER and PASS first.\r\n"),
        ("LANG en-GB", "200 Replies are in English.\r\n"),
        ("LANG de", "504 Replies are in English only.\r\n"),
        ("ACCT x", "202 ACCT is superfluous.\r\n"),
        ("ADAT x", "503 No security data is expected.\r\n"),
        ("HOST x", "504 There is no such host here.\r\n"),
        ("HELP noop", "214 NOOP: do nothing\r\n"),
        ("HELP ADAT", "501 Unrecognized command.\r\n"),
        ("SITE EXEC ls", "500 SITE command not understood.\r\n"),
        ("SITE HELP ?", "501 Unrecognized SITE command.\r\n"),
        ("SITE CHMOD 644 f", "530 Log in with USER and PASS first.\r\n"),
        ("HELP SITE idle", "214 IDLE: tell or set how long the connection may idle: SITE IDLE seconds\r\n"),
        ("CLNT x", "200 Noted.\r\n"),
        ("CCC", "533 The control connection is not protected.\r\n"),
        ("REIN", "530 Log in with USER and PASS first.\r\n"),
        ("QUIT", "221 Goodbye.\r\n"),
    ] {
        assert_eq!(world.send(line), reply, "{line}");
    }
    assert_eq!(world.ended, Some(Ending::Quit));
    let mut world = World::new();
    assert!(world.send("HELP").starts_with("214-The following commands are recognized:\r\n AUTH PBSZ"));
    assert!(world.send("SITE HELP").starts_with("214-The following SITE commands"));
    assert!(world.send("STAT").contains("\r\n Not logged in\r\n"));
}
