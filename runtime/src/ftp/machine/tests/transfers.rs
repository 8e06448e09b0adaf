//! Transfers, and what comes while one runs.

use crate::ftp::effect::{Ending, FileError, Input, ListForm, TransferEnd, TransferKind};
use crate::ftp::listing::FactSet;
use crate::ftp::reply::ReplyText;

use super::super::MachineSettings;
use super::{World, path, settings};

fn done(world: &mut World, end: TransferEnd) -> String {
    world.feed(Input::TransferDone(end));
    world.said()
}

fn ready(world: &mut World, bytes: Option<u64>) -> String {
    world.feed(Input::TransferReady { bytes });
    world.said()
}

#[test]
fn a_download_tells_its_count_and_uses_the_listener_up() {
    let mut world = World::logged_in();
    let transfer = world.start_transfer("RETR f");
    assert_eq!(transfer.what, TransferKind::Download { path: path("home/f"), offset: 0 });
    assert!(!transfer.ascii && !transfer.protected);
    assert!(world.machine.transfer_running());
    assert_eq!(ready(&mut world, Some(12)), "150 Opening data connection (12 bytes).\r\n");
    assert_eq!(done(&mut world, TransferEnd::Complete), "226 Transfer complete.\r\n");
    assert!(world.send("RETR f").starts_with("425"));
}

#[test]
fn t_63_in_ascii_no_count_is_told() {
    let mut world = World::logged_in();
    world.send("PASV");
    world.send("RETR f");
    assert!(world.transfers[0].ascii);
    assert_eq!(ready(&mut world, Some(12)), "150 Opening data connection.\r\n");
}

#[test]
fn t_74_a_file_that_cannot_be_opened_keeps_the_listener() {
    let mut world = World::logged_in();
    world.start_transfer("RETR missing");
    assert_eq!(done(&mut world, TransferEnd::File(FileError::NotFound)), "550 No such file or directory.\r\n");
    assert_eq!(world.send("RETR f"), "");
    assert_eq!(done(&mut world, TransferEnd::NoConnection), "425 Can't open data connection.\r\n");
}

#[test]
fn t_40_abor_while_the_policies_still_think_has_its_reply_behind_their_refusal() {
    let mut world = World::logged_in();
    world.start_transfer("RETR f");
    assert_eq!(world.send("ABOR"), "");
    world.feed(Input::TransferRefused { text: Some(ReplyText::clean("not now")), close: false });
    assert_eq!(world.said(), "550 not now\r\n226 ABOR command successful.\r\n");
    assert_eq!(world.send("NOOP"), "200 NOOP successful.\r\n");
}

#[test]
fn every_end_has_its_one_reply() {
    for (end, code) in [
        (TransferEnd::Complete, "226"),
        (TransferEnd::File(FileError::Denied), "550"),
        (TransferEnd::File(FileError::NoSpace), "452"),
        (TransferEnd::File(FileError::Quota), "552"),
        (TransferEnd::File(FileError::BadName), "553"),
        (TransferEnd::File(FileError::Io), "451"),
        (TransferEnd::File(FileError::BeyondEnd), "554"),
        (TransferEnd::NoConnection, "425"),
        (TransferEnd::TlsFailed, "522"),
        (TransferEnd::NotResumed, "522"),
        (TransferEnd::Broken, "426"),
        (TransferEnd::Stalled, "426"),
        (TransferEnd::Aborted, "426"),
    ] {
        let mut world = World::logged_in();
        world.start_transfer("STOR f");
        ready(&mut world, None);
        let told = done(&mut world, end);
        assert!(told.starts_with(code) && told.lines().count() == 1, "{end:?}: {told}");
        assert!(!world.machine.transfer_running());
        assert_eq!(done(&mut world, TransferEnd::Complete), "", "an end without a transfer says nothing");
    }
}

#[test]
fn t_64_a_restart_mark_is_for_the_very_next_transfer() {
    let mut world = World::logged_in();
    world.send("TYPE I");
    world.send("REST 5");
    let transfer = world.start_transfer("RETR f");
    assert_eq!(transfer.what, TransferKind::Download { path: path("home/f"), offset: 5 });
    assert_eq!(
        done(&mut world, TransferEnd::File(FileError::BeyondEnd)),
        "554 Invalid restart: position 5 > file size.\r\n"
    );
    world.send("ABOR");
    for (offset, told) in [(13, "554 Invalid restart: position 13 > file size."), (12, "425 Use PASV")] {
        world.send(&format!("REST {offset}"));
        assert!(world.send("STOR f").starts_with(told), "{offset}");
    }
    for spender in ["NOOP", "PWD", "LIST", "RETR f", "XYZZY"] {
        world.send("REST 5");
        world.send(spender);
        if world.machine.transfer_running() {
            done(&mut world, TransferEnd::File(FileError::NotFound));
        }
        let transfer = world.start_transfer("STOR f");
        assert_eq!(transfer.what, TransferKind::Upload { path: path("home/f"), offset: 0 }, "{spender}");
        done(&mut world, TransferEnd::Complete);
    }
    world.send("REST 5");
    assert!(world.send("APPE f").starts_with("450 Can't APPE while REST"));
    world.send("REST 5");
    world.send("TYPE A");
    assert!(world.send("RETR f").starts_with("501"));
}

#[test]
fn t_29_in_clear_nothing_moves_where_tls_is_required() {
    let mut world = World::with(MachineSettings { tls_required: true, ..settings() });
    world.send("AUTH TLS");
    world.feed(Input::TlsUp);
    world.send("USER alice");
    world.send("PASS secret");
    world.send("PASV");
    for line in ["RETR f", "STOR f", "APPE f", "LIST", "NLST d", "MLSD"] {
        assert!(world.send(line).starts_with("521"), "{line}");
    }
    world.send("PROT P");
    assert_eq!(world.send("RETR f"), "", "the listener is still there");
    assert!(world.transfers[0].protected);
}

#[test]
fn t_40_abor_ends_the_transfer_and_has_its_own_reply() {
    let mut world = World::logged_in();
    world.start_transfer("RETR f");
    ready(&mut world, None);
    assert_eq!(world.send("ABOR"), "");
    assert_eq!(world.others.last(), Some(&"abort"));
    assert_eq!(
        done(&mut world, TransferEnd::Aborted),
        "426 Transfer aborted via ABOR.\r\n226 ABOR command successful.\r\n"
    );
    assert_eq!(world.send("ABOR"), "225 No transfer to abort.\r\n");
    world.send("PASV");
    assert_eq!(world.send("ABOR"), "225 ABOR command successful; data channel closed.\r\n");
    assert_eq!(world.others.last(), Some(&"drop-data"));
}

#[test]
fn t_40_abor_behind_a_data_connection_that_its_client_closed_first() {
    let mut world = World::logged_in();
    world.start_transfer("RETR f");
    ready(&mut world, None);
    assert!(done(&mut world, TransferEnd::Broken).starts_with("426 "));
    assert_eq!(world.send("ABOR"), "226 ABOR command successful.\r\n");
    assert_eq!(world.send("ABOR"), "225 No transfer to abort.\r\n");
}

#[test]
fn t_40_abor_that_comes_too_late_and_abor_twice() {
    let mut world = World::logged_in();
    world.start_transfer("RETR f");
    world.send("ABOR");
    assert_eq!(world.send("ABOR"), "");
    assert_eq!(
        done(&mut world, TransferEnd::Complete),
        "226 Transfer complete.\r\n225 No transfer to abort.\r\n225 ABOR command successful; data channel closed.\r\n"
    );
    assert_eq!(world.others.iter().filter(|other| **other == "abort").count(), 1);
}

#[test]
fn t_42_while_a_transfer_runs_some_are_answered_and_the_rest_wait_in_order() {
    let mut world = World::logged_in();
    world.start_transfer("STOR f");
    ready(&mut world, None);
    assert_eq!(world.send("NOOP"), "200 NOOP successful.\r\n");
    assert!(world.send("STAT").contains("A transfer is under way"));
    assert_eq!(world.send("STAT f").lines().count(), 3);
    for line in ["PWD", "SIZE f", "PWD", "QUIT"] {
        assert!(!world.machine.is_full());
        assert_eq!(world.send(line), "");
    }
    assert!(world.machine.is_full(), "the driver stops reading");
    let told = done(&mut world, TransferEnd::Complete);
    let codes: Vec<&str> = told.lines().filter(|line| !line.starts_with(' ')).map(|line| &line[..4]).collect();
    assert_eq!(codes, ["226 ", "257 ", "213 ", "257 ", "221 "]);
    assert_eq!(world.ended, Some(Ending::Quit));
}

#[test]
fn quit_and_rein_let_the_transfer_finish() {
    let mut world = World::logged_in();
    world.start_transfer("STOR f");
    ready(&mut world, None);
    assert_eq!(world.send("QUIT"), "221 Goodbye.\r\n");
    assert_eq!(world.send("NOOP"), "", "nothing is taken up behind QUIT");
    assert_eq!(done(&mut world, TransferEnd::Complete), "226 Transfer complete.\r\n");
    assert_eq!(world.ended, Some(Ending::Quit));

    for again in ["REIN", "USER bob"] {
        let mut world = World::logged_in();
        world.start_transfer("RETR f");
        ready(&mut world, None);
        assert!(world.send(again).starts_with(if again == "REIN" { "220" } else { "331" }));
        assert_eq!(world.send("TYPE A"), "530 Log in with USER and PASS first.\r\n");
        assert_eq!(world.send("PASS secret"), "", "a login waits for the end");
        assert_eq!(world.send("PWD"), "", "and so does what comes behind it");
        let told = done(&mut world, TransferEnd::Complete);
        let codes: Vec<&str> = told.lines().map(|line| &line[..3]).collect();
        assert_eq!(codes, if again == "REIN" { ["226", "503", "530"] } else { ["226", "530", "530"] });
    }
}

#[test]
fn stou_tells_a_name_that_is_free() {
    let mut world = World::logged_in();
    assert!(world.send("STOU").starts_with("425"));
    assert_eq!(world.send("STOU /missing"), "550 Not enough privileges.\r\n", "told before anything about data");
    let transfer = world.start_transfer("STOU a");
    assert_eq!(transfer.what, TransferKind::Unique { path: path("home/a.7") });
    assert_eq!(ready(&mut world, None), "150 FILE: a.7\r\n");
    assert_eq!(done(&mut world, TransferEnd::Complete), "226 Transfer complete.\r\n");
    world.start_transfer("STOU /d/a");
    assert_eq!(ready(&mut world, None), "150 FILE: /d/a.7\r\n");
    done(&mut world, TransferEnd::Complete);
    world.send("REST 5");
    assert!(world.send("STOU").starts_with("450 Can't STOU while REST"));
}

#[test]
fn a_stop_lets_the_transfer_finish() {
    let mut world = World::logged_in();
    world.start_transfer("RETR f");
    world.feed(Input::Stopping);
    assert_eq!(world.said(), "");
    assert_eq!(
        done(&mut world, TransferEnd::Complete),
        "226 Transfer complete.\r\n421 The server is shutting down.\r\n"
    );
    assert_eq!(world.ended, Some(Ending::Stopping));
}

#[test]
fn auth_with_commands_waiting_behind_it_is_an_injection() {
    let mut world = World::logged_in();
    world.start_transfer("RETR f");
    world.send("AUTH TLS");
    world.send("USER evil");
    done(&mut world, TransferEnd::Complete);
    assert_eq!(world.ended, Some(Ending::Injection));
}

#[test]
fn t_56_t_57_options_globs_and_prefixes_of_listings() {
    let cases = [
        ("LIST", "home", None, false, ""),
        ("LIST -la", "home", None, true, ""),
        ("LIST -l -a /d", "d", None, true, ""),
        ("LIST -a", "home/-a", None, false, ""),
        ("LIST d", "home/d", None, false, ""),
        ("LIST /d/*.txt", "d", Some("*.txt"), false, ""),
        ("LIST .*", "home", Some(".*"), true, ""),
        ("NLST", "home", None, false, ""),
        ("NLST /d", "d", None, false, "/d/"),
        ("NLST d/", "home/d", None, false, "d/"),
        ("NLST /home", "home", None, false, ""),
        ("NLST /", "", None, false, "/"),
        ("NLST f", "home/f", None, false, ""),
        ("NLST ../f", "f", None, false, "../"),
        ("NLST d/?", "home/d", Some("?"), false, "d/"),
        ("NLST -l", "home", None, false, ""),
    ];
    for (line, folder, wanted_glob, wanted_hidden, wanted_prefix) in cases {
        let mut world = World::logged_in();
        let TransferKind::Listing { path: listed, form, glob, hidden, prefix } = world.start_transfer(line).what else {
            panic!("{line}: no listing")
        };
        let long = if line.starts_with("LIST") { ListForm::Long } else { ListForm::Names };
        assert_eq!((listed, form), (path(folder), long), "{line}");
        assert_eq!((glob.as_deref(), hidden, prefix.as_str()), (wanted_glob, wanted_hidden, wanted_prefix), "{line}");
    }
    let mut world = World::logged_in();
    world.send("PASV");
    assert!(world.send("NLST missing").starts_with("550"), "T-58");
}

#[test]
fn mlsd_tells_the_chosen_facts_and_a_file_is_no_folder() {
    let mut world = World::logged_in();
    world.send("OPTS MLST size;");
    let transfer = world.start_transfer("MLSD /f");
    let form = ListForm::Facts(FactSet::parse("size"));
    let prefix = String::new();
    assert_eq!(transfer.what, TransferKind::Listing { path: path("f"), form, glob: None, hidden: true, prefix });
    assert_eq!(done(&mut world, TransferEnd::File(FileError::NotAFolder)), "501 Not a directory.\r\n");
}

#[test]
fn p_27_a_ban_ends_the_transfer_with_its_reply_before_it_ends_the_connection() {
    let mut world = World::logged_in();
    world.start_transfer("STOR f");
    ready(&mut world, None);
    world.feed(Input::Banned(ReplyText::clean("Banned.")));
    let said = world.said();
    assert!(said.starts_with("426 ") && said.ends_with("421 Banned.\r\n") && said.lines().count() == 2, "{said}");
    assert_eq!(world.ended, Some(Ending::Banned));
}
