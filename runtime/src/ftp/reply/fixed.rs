//! Replies whose text never changes.

use super::Reply;

macro_rules! fixed {
    ($($name:ident: $text:literal;)*) => {
        impl Reply {
            $(
                #[doc = concat!("`", $text, "`")]
                pub const fn $name() -> Reply {
                    Reply::fixed(concat!($text, "\r\n"))
                }
            )*
        }

        #[cfg(test)]
        const ALL: &[Reply] = &[$(Reply::$name()),*];
    };
}

fixed! {
    // The connection as a whole. lftp backs off when it reads "Too many connections"; FileZilla tries
    // again after a 4yz and stops for good after a 5yz.
    too_many_connections: "421 Too many connections, try again later.";
    network_not_served: "421 Your network is not served here.";
    shutting_down: "421 The server is shutting down.";
    login_timeout: "421 Login timeout.";
    idle_timeout: "421 Idle timeout.";
    too_many_unknown: "421 Too many commands that are not understood.";
    foreign_protocol: "421 This is an FTP server.";
    goodbye: "221 Goodbye.";

    // Lines.
    line_too_long: "500 Line too long.";
    nul_in_line: "501 A command cannot hold a NUL.";
    not_utf8: "501 A command must be UTF-8.";
    not_understood: "500 Command not understood.";
    not_offered: "502 Command not offered.";
    needs_argument: "501 Syntax error: command needs an argument.";
    needs_two_arguments: "501 Syntax error: command needs two arguments.";
    takes_no_argument: "501 Syntax error: command does not accept arguments.";
    bad_parameter: "501 Invalid parameter.";
    too_many_queued: "450 Too many commands wait.";

    // TLS.
    auth_tls: "234 AUTH TLS successful.";
    already_tls: "503 Already using TLS.";
    tls_not_offered: "502 TLS is not offered.";
    auth_unknown: "504 Unknown AUTH mechanism, use TLS.";
    no_adat: "503 No security data is expected.";
    no_protected_command: "533 Protected commands are not offered, use AUTH TLS.";
    pbsz: "200 PBSZ=0 successful.";
    pbsz_in_clear: "503 PBSZ not allowed on insecure control connection.";
    prot_in_clear: "503 PROT not allowed on insecure control connection.";
    prot_private: "200 Protection set to Private.";
    prot_clear: "200 Protection set to Clear.";
    prot_clear_forbidden: "534 Data connections must be protected, use PROT P.";
    prot_level: "536 PROT S and PROT E are not offered, use P.";
    prot_unknown: "504 Unknown PROT level, use P or C.";
    data_must_be_protected: "521 Data connections must be protected, use PROT P.";
    tls_required: "534 TLS is required, use AUTH TLS first.";
    ccc_in_clear: "533 The control connection is not protected.";
    ccc_refused: "534 The control connection stays protected.";
    ready_again: "220 Ready for a new user.";

    // Login.
    host_too_late: "503 HOST comes before USER.";
    host_unknown: "504 There is no such host here.";
    need_password: "331 Password required.";
    logged_in: "230 Login successful.";
    authentication_failed: "530 Authentication failed.";
    too_many_tries: "530 Authentication failed; too many failed logins, goodbye.";
    password_too_long: "501 The password is too long.";
    user_first: "503 Login with USER first.";
    already_logged_in: "503 User already authenticated.";
    log_in_first: "530 Log in with USER and PASS first.";
    too_many_sessions: "421 Too many connections of this user, try again later.";
    account_closed: "421 This account was closed.";
    acct_superfluous: "202 ACCT is superfluous.";

    // Parameters.
    system: "215 UNIX Type: L8";
    noop: "200 NOOP successful.";
    allo: "202 No storage allocation necessary.";
    type_ascii: "200 Type set to: ASCII.";
    type_binary: "200 Type set to: Binary.";
    type_unsupported: "504 Unsupported type.";
    type_unknown: "501 Unsupported type.";
    mode_stream: "200 Transfer mode set to: S";
    mode_unimplemented: "504 Unimplemented MODE type.";
    mode_unknown: "504 Unrecognized MODE type.";
    structure_file: "200 File transfer structure set to: F.";
    structure_unimplemented: "504 Unimplemented STRU type.";
    structure_unknown: "504 Unrecognized STRU type.";
    utf8_on: "200 UTF8 is always on.";
    utf8_off: "504 UTF8 cannot be turned off.";
    opts_unknown: "501 Unsupported command for OPTS.";
    opts_argument: "501 Invalid argument.";
    opts_arguments: "501 Invalid number of arguments.";
    hash_unknown: "504 Unknown algorithm; FEAT lists them.";
    client_noted: "200 Noted.";
    language_english: "200 Replies are in English.";
    language_unknown: "504 Replies are in English only.";
    site_unknown: "500 SITE command not understood.";
    site_help_unknown: "501 Unrecognized SITE command.";
    help_unknown: "501 Unrecognized command.";

    // Data connections.
    no_port: "425 No port for a data connection, try again later.";
    no_address: "425 Use PASV, EPSV, PORT or EPRT first.";
    cannot_open_data: "425 Can't open data connection.";
    data_tls_failed: "522 TLS negotiation failed on the data connection.";
    not_resumed: "522 The data connection must resume the TLS session of its control connection.";
    broken: "426 Connection closed; transfer aborted.";
    stalled: "426 No data for too long; transfer aborted.";
    aborted: "426 Transfer aborted via ABOR.";
    abor_done: "226 ABOR command successful.";
    abor_nothing: "225 No transfer to abort.";
    abor_closed_data: "225 ABOR command successful; data channel closed.";
    opening: "150 Opening data connection.";
    complete: "226 Transfer complete.";
    epsv_all: "200 EPSV ALL OK.";
    after_epsv_all: "501 Not allowed after EPSV ALL.";
    pasv_needs_ipv4: "522 PASV needs IPv4, use EPSV.";
    unknown_family: "522 Network protocol not supported, use (1,2)";
    family_is_1: "522 Network protocol not supported, use (1)";
    family_is_2: "522 Network protocol not supported, use (2)";
    active_off: "502 Active mode is not offered, use EPSV or PASV.";
    active_noted: "200 Active data connection will be established.";
    port_format: "501 Invalid PORT format.";
    eprt_format: "501 Invalid EPRT format.";
    privileged_port: "501 Can't connect over a privileged port.";
    foreign_address: "501 Can't connect to a foreign address.";

    // Files.
    deleted: "250 File removed.";
    folder_removed: "250 Directory removed.";
    renamed: "250 Renaming ok.";
    rename_ready: "350 Ready for destination name.";
    rnfr_first: "503 Bad sequence of commands: use RNFR first.";
    not_the_root: "550 Can't remove root directory.";
    not_the_home: "550 Can't rename home directory.";
    not_retrievable: "550 File is not retrievable.";
    size_in_ascii: "550 SIZE not allowed in ASCII mode.";
    rest_in_ascii: "501 Resuming transfers not allowed in ASCII mode.";
    append_while_rest: "450 Can't APPE while REST request is pending.";
    unique_while_rest: "450 Can't STOU while REST request is pending.";
    no_file_to_date: "550 No such file or directory; it is not retrievable.";
    chmod_done: "200 SITE CHMOD successful.";
    chmod_format: "501 Invalid SITE CHMOD format.";
    utime_done: "200 SITE UTIME successful.";
    fact_unknown: "504 This fact cannot be set; FEAT lists those that can.";
    bad_time: "501 Invalid time format.";
    no_glob: "550 Globbing not supported.";
    mlsd_of_a_file: "501 Not a directory.";
    local_error: "451 Local error.";

    // What went wrong with a file.
    not_found: "550 No such file or directory.";
    exists: "550 File exists.";
    not_a_folder: "550 Not a directory.";
    is_a_folder: "550 Is a directory; it is not retrievable.";
    not_empty: "550 Directory not empty.";
    denied: "550 Not enough privileges.";
    not_regular: "550 Not a regular file; it is not retrievable.";
    bad_name: "553 File name not allowed.";
    not_replaceable: "553 File exists and may not be replaced.";
    no_space: "452 No space left on device.";
    over_quota: "552 Quota exceeded.";
    too_many_transfers: "450 Too many transfers of this user, try again later.";
    busy: "450 File is busy.";
    too_large: "550 The file is too large to be hashed.";
    timed_out: "451 That took too long.";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn t_67_every_fixed_reply_is_one_well_formed_line() {
        for reply in ALL {
            let wire = std::str::from_utf8(reply.wire()).expect("ASCII");
            let line = wire.strip_suffix("\r\n").expect("line end");
            assert!((100..=599).contains(&reply.code()), "{line}");
            assert_eq!(&line[3..4], " ", "{line}");
            assert!(line[4..].bytes().all(|byte| byte.is_ascii_graphic() || byte == b' '), "{line}");
        }
    }
}
