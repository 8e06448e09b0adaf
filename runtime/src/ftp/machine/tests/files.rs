//! Folders, facts, renaming, types and addresses.

use crate::ftp::effect::{Answer, Input};
use crate::ftp::line::Line;

use super::super::MachineSettings;
use super::{NOW, World, settings};

#[test]
fn the_working_folder_changes_only_when_it_can_be_entered() {
    let mut world = World::logged_in();
    assert_eq!(world.send("CWD d"), "250 \"/home/d\" is the current directory.\r\n");
    assert_eq!(world.send("CWD /missing"), "550 No such file or directory.\r\n");
    assert_eq!(world.send("XPWD"), "257 \"/home/d\" is the current directory.\r\n");
    assert_eq!(world.send("CDUP"), "250 \"/home\" is the current directory.\r\n");
    assert_eq!(world.send("CWD /"), "250 \"/\" is the current directory.\r\n");
    assert_eq!(world.send("CDUP"), "250 \"/\" is the current directory.\r\n");
    assert_eq!(world.send("CWD ~"), "250 \"/home\" is the current directory.\r\n");
    assert_eq!(world.send("CWD"), "250 \"/home\" is the current directory.\r\n");
    assert!(world.send("CWD a\rb").starts_with("553"));
}

#[test]
fn folders_and_files_come_and_go() {
    let mut world = World::logged_in();
    assert_eq!(world.send("MKD a\"b"), "257 \"/home/a\"\"b\" created.\r\n");
    assert_eq!(world.send("MKD /d"), "550 File exists.\r\n");
    assert_eq!(world.send("RMD d"), "250 Directory removed.\r\n");
    assert_eq!(world.send("RMD /"), "550 Can't remove root directory.\r\n");
    assert_eq!(world.send("DELE f"), "250 File removed.\r\n");
}

#[test]
fn t_65_rnto_follows_rnfr_at_once_or_not_at_all() {
    let mut world = World::logged_in();
    assert!(world.send("RNTO b").starts_with("503 Bad sequence of commands: use RNFR first"));
    world.send("RNFR f");
    assert_eq!(world.send("RNTO /"), "550 File exists.\r\n");
    assert!(world.send("RNFR f").starts_with("350"));
    assert_eq!(world.send("RNTO b"), "250 Renaming ok.\r\n");
    assert!(world.asked.iter().any(|asked| asked.contains("Rename { from: \"/home/f\", to: \"/home/b\" }")));
    for between in ["TYPE I", "NOOP", "XYZZY"] {
        world.send("RNFR f");
        world.send(between);
        assert!(world.send("RNTO b").starts_with("503"), "{between}");
    }
    assert!(world.send("RNFR /missing").starts_with("550"));
    assert!(world.send("RNTO b").starts_with("503"), "a rejected RNFR leaves nothing");
    assert!(world.send("RNFR /").starts_with("550 Can't rename home directory"));
}

#[test]
fn sizes_times_and_facts() {
    let mut world = World::logged_in();
    assert_eq!(world.send("SIZE f"), "550 SIZE not allowed in ASCII mode.\r\n");
    world.send("TYPE I");
    assert_eq!(world.send("SIZE f"), "213 12\r\n");
    assert_eq!(world.send("SIZE d"), "550 File is not retrievable.\r\n");
    assert_eq!(world.send("MDTM f"), "213 20200913122640\r\n");
    assert_eq!(world.send("MDTM 20240102030405 x"), "213 20200913122640\r\n", "a file of that whole name");
    assert_eq!(world.send("MDTM nothing"), "550 No such file or directory; it is not retrievable.\r\n");
    assert_eq!(world.send("MDTM 20240102030405 y"), "213 Modify=20240102030405; /home/y\r\n");
    assert_eq!(world.send("MFMT 20240102030405 f"), "213 Modify=20240102030405; /home/f\r\n");
    assert!(world.send("MFMT 2024 f").starts_with("501 Invalid time format"));
    assert!(world.send("MFMT 19600102030405 f").starts_with("501 Invalid time format"));
    assert!(world.send("MFMT f").starts_with("501"));
    assert_eq!(
        world.send("MLST f"),
        "250-Listing /home/f\r\n type=file;perm=adfrw;size=12;modify=20200913122640;unique=0000000000000007; /home/f\r\n\
         250 End\r\n"
    );
}

#[test]
fn what_can_be_changed_about_a_file_is_told_back() {
    let mut world = World::logged_in();
    for (line, reply) in [
        ("MFF Modify=20240102030405;UNIX.mode=0640; a b", "213 Modify=20240102030405;UNIX.mode=0640; /home/a b"),
        ("MFF unix.MODE=4755; f", "213 UNIX.mode=0755; /home/f"),
        ("MFF Create=20240102030405; f", "504 This fact cannot be set; FEAT lists those that can."),
        ("MFF Modify=1; f", "501 Invalid time format."),
        ("MFF UNIX.mode=9; f", "501 Invalid parameter."),
        ("MFF nothing; f", "501 Invalid parameter."),
        ("MFF f", "501 Syntax error: command needs two arguments."),
        ("SITE CHMOD 640 f", "200 SITE CHMOD successful."),
        ("SITE CHMOD 778 f", "501 Invalid SITE CHMOD format."),
        ("SITE CHMOD 640", "501 Syntax error: command needs two arguments."),
        ("SITE CHMOD", "501 Syntax error: command needs an argument."),
        ("SITE UTIME 202401020304 f", "200 SITE UTIME successful."),
        ("SITE UTIME f 20240102030405 20240102030405 20240102030405 UTC", "200 SITE UTIME successful."),
        ("SITE UTIME f", "501 Invalid time format."),
    ] {
        assert_eq!(world.send(line), format!("{reply}\r\n"), "{line}");
    }
    assert!(world.asked[0].contains("Change(\"/home/a b\"") && world.asked[0].contains("mode: Some(416)"));
}

#[test]
fn hashes_are_told_in_the_form_of_their_command() {
    let mut world = World::logged_in();
    for (line, reply) in [
        ("HASH f", "213 SHA-256 0-12 00ff /home/f"),
        ("OPTS HASH MD5", "200 MD5"),
        ("HASH f", "213 MD5 0-12 00ff /home/f"),
        ("XCRC f", "250 00ff"),
        ("XMD5 \"f\" 3", "250 00ff"),
        ("XSHA \"f\" 3 5", "250 00ff"),
        ("XSHA1 f", "250 00ff"),
        ("XSHA256 f", "250 00ff"),
        ("XSHA512 f", "250 00ff"),
        ("XSHA512 \"f\" 5 3", "501 Invalid parameter."),
        ("MD5 f", "251 \"/home/f\" 00ff"),
    ] {
        assert_eq!(world.send(line), format!("{reply}\r\n"), "{line}");
    }
    assert!(world.asked.iter().any(|asked| asked.contains("algorithm: Sha1, from: 3, to: Some(5)")));
    assert!(world.send("FEAT").contains(" HASH SHA-256;SHA-512;SHA-1;MD5*;CRC32\r\n"));
}

#[test]
fn t_67_status_of_a_path_is_listing_lines_behind_a_space() {
    let mut world = World::logged_in();
    let told = world.send("STAT d");
    let lines: Vec<&str> = told.lines().collect();
    assert_eq!(lines[0], "213-Status of /home/d:");
    assert!(lines[1].starts_with(" -rw-r--r--") && lines[2].starts_with(" d"));
    assert_eq!(lines[3], "213 End of status; there is more, use LIST.");
    assert_eq!(world.send("STAT f").lines().count(), 3);
    assert!(world.send("STAT missing").starts_with("550"));
    assert_eq!(world.send("STAT *"), "550 Globbing not supported.\r\n");
    assert!(world.send("STAT").contains(" Logged in as alice"));
    assert!(World::new().send("STAT d").starts_with("530"));
}

#[test]
fn types_modes_and_structures() {
    let mut world = World::logged_in();
    for (line, reply) in [
        ("TYPE a", "200 Type set to: ASCII."),
        ("TYPE A N", "200 Type set to: ASCII."),
        ("TYPE l8", "200 Type set to: Binary."),
        ("TYPE L 8", "200 Type set to: Binary."),
        ("TYPE E", "504 Unsupported type."),
        ("TYPE ?!?", "501 Unsupported type."),
        ("MODE s", "200 Transfer mode set to: S"),
        ("MODE Z", "504 Unimplemented MODE type."),
        ("MODE ?", "504 Unrecognized MODE type."),
        ("STRU F", "200 File transfer structure set to: F."),
        ("STRU P", "504 Unimplemented STRU type."),
        ("STRU ?", "504 Unrecognized STRU type."),
        ("ALLO 100", "202 No storage allocation necessary."),
        ("ALLO 100 R 10", "202 No storage allocation necessary."),
        ("ALLO x", "202 No storage allocation necessary."),
        ("ALLO 1001", "552 Quota exceeded."),
        ("AVBL", "213 1000"),
        ("AVBL d", "213 1000"),
        ("SITE IDLE", "200 Idle time is 300 seconds, at most 3600."),
        ("SITE IDLE 600", "200 Idle time is 600 seconds, at most 3600."),
        ("SITE IDLE 9", "501 Idle time is 10 to 3600 seconds."),
        ("SITE IDLE 3601", "501 Idle time is 10 to 3600 seconds."),
        ("site idle", "200 Idle time is 600 seconds, at most 3600."),
        ("REST 5", "350 Restarting at position 5."),
        ("REST x", "501 Invalid parameter."),
        ("REST 18446744073709551615", "501 Invalid parameter."),
        ("REST -1", "501 Invalid parameter."),
    ] {
        assert_eq!(world.send(line), format!("{reply}\r\n"), "{line}");
    }
    world.send("TYPE A");
    assert_eq!(world.send("REST 0"), "350 Restarting at position 0.\r\n");
    assert!(world.send("REST 1").starts_with("501"), "T-63");

    let mut passing = World::with(MachineSettings { ascii_passthrough: true, ..settings() });
    passing.send("USER alice");
    passing.send("PASS secret");
    assert_eq!(passing.send("SIZE f"), "213 12\r\n", "T-63");
    assert!(passing.send("REST 1").starts_with("350"), "T-63");
    passing.send("PASV");
    passing.send("RETR f");
    assert!(!passing.transfers[0].ascii);
}

#[test]
fn passive_and_active_addresses() {
    let mut world = World::logged_in();
    assert_eq!(world.send("PASV"), "227 Entering passive mode (192,0,2,7,195,81).\r\n");
    assert_eq!(world.send("EPSV"), "229 Entering extended passive mode (|||50001|).\r\n");
    assert_eq!(world.send("EPSV 1"), "229 Entering extended passive mode (|||50001|).\r\n");
    assert_eq!(world.send("EPSV 2"), "522 Network protocol not supported, use (1)\r\n");
    assert_eq!(world.send("EPSV 3"), "522 Network protocol not supported, use (1,2)\r\n");
    assert!(world.send("EPSV x").starts_with("501"));
    assert_eq!(world.send("PORT 192,0,2,9,195,81"), "200 Active data connection will be established.\r\n");
    assert_eq!(world.send("EPRT |1|192.0.2.9|50001|"), "200 Active data connection will be established.\r\n");
    assert_eq!(world.send("PORT 192,0,2,10,195,81"), "501 Can't connect to a foreign address.\r\n");
    assert_eq!(world.send("PORT 192,0,2,9,0,25"), "501 Can't connect over a privileged port.\r\n");
    assert_eq!(world.send("PORT 1,2"), "501 Invalid PORT format.\r\n");
    assert_eq!(world.send("EPRT |1|"), "501 Invalid EPRT format.\r\n");
    assert!(world.send("EPRT |3|x|1|").starts_with("522 Network protocol not supported"));

    let mut off = World::with(MachineSettings { active_mode: false, ..settings() });
    off.send("USER alice");
    off.send("PASS secret");
    assert!(off.send("PORT 192,0,2,9,195,81").starts_with("502"));
    assert!(off.send("EPRT |1|192.0.2.9|50001|").starts_with("502"));
    assert!(!off.send("FEAT").contains("EPRT"));
}

#[test]
fn t_77_pasv_on_ipv6_is_522_and_closes_the_listener() {
    let mut world = World::logged_in();
    let machine = &mut world.machine;
    assert_eq!(machine.on(Input::Line(Line("PASV")), NOW).count(), 1);
    let v6 = Answer::Listening(Some("[2001:db8::1]:50001".parse().expect("address")));
    let effects = format!("{:?}", machine.on(Input::Answer(v6), NOW));
    assert!(effects.contains("DropData") && effects.contains("522 "), "{effects}");
    machine.on(Input::Line(Line("EPSV")), NOW);
    let effects = format!("{:?}", machine.on(Input::Answer(Answer::Listening(None)), NOW));
    assert!(effects.contains("425 "), "{effects}");
}

#[test]
fn t_77_after_epsv_all_only_epsv_is_left() {
    let mut world = World::logged_in();
    assert_eq!(world.send("EPSV ALL"), "200 EPSV ALL OK.\r\n");
    for line in ["PASV", "PORT 192,0,2,9,195,81", "EPRT |1|192.0.2.9|50001|"] {
        assert!(world.send(line).starts_with("501"), "{line}");
    }
    assert!(world.send("EPSV").starts_with("229"));
}
