//! The rows.

use super::Feature::{Always, Facts, Hashes, WithActiveMode, WithTls};
use super::Handler::{Any, LoggedIn};
use super::Shape::{Needed, Nothing, Optional};
use super::{Command, refused, row};
use crate::ftp::machine::{change, control, data, files, hash, login, parameters, transfer};
use crate::ftp::reply::Reply;

const CHANGE: &[&str] = &["write", "append", "overwrite"];

/// Every verb that is known.
#[rustfmt::skip]
pub static COMMANDS: [Command; 85] = [
    row("AUTH", Any(control::auth),              Needed,   "protect the control connection: AUTH TLS").feature(WithTls(&["AUTH TLS", "AUTH SSL"])),
    row("PBSZ", Any(control::pbsz),              Needed,   "protection buffer size: PBSZ 0").feature(WithTls(&["PBSZ"])).under_tls(Reply::pbsz_in_clear),
    row("PROT", Any(control::prot),              Needed,   "protect data connections: PROT P or C").feature(WithTls(&["PROT"])).under_tls(Reply::prot_in_clear),
    row("HOST", Any(login::host),                Needed,   "choose a virtual server").feature(Always(&["HOST"])),
    row("USER", Any(login::user),                Needed,   "name the user").if_none_waits(),
    row("PASS", Any(login::pass),                Optional, "give the password"),
    row("ACCT", Any(login::acct),                Optional, "superfluous"),
    row("QUIT", Any(control::quit),              Nothing,  "end the connection").if_none_waits(),
    row("REIN", Any(login::rein),                Nothing,  "start anew as another user").if_none_waits().behind_user(),
    row("FEAT", Any(control::feat),              Nothing,  "list what is offered"),
    row("OPTS", Any(control::opts),              Needed,   "set an option: OPTS UTF8 ON, OPTS MLST facts, OPTS HASH algorithm").feature(Always(&["UTF8"])),
    row("SYST", Any(control::syst),              Nothing,  "tell the system"),
    row("STAT", Any(control::stat),              Optional, "tell the state, or list a path").at_once().path(),
    row("HELP", Any(control::help),              Optional, "list the commands, or explain one"),
    row("NOOP", Any(control::noop),              Nothing,  "do nothing").at_once(),
    row("CLNT", Any(control::clnt),              Needed,   "name the client").feature(Always(&["CLNT"])),
    row("LANG", Any(control::lang),              Optional, "choose the language of replies").feature(Always(&["LANG EN*"])),
    row("CCC",  Any(control::ccc),               Nothing,  "").under_tls(Reply::ccc_in_clear),
    row("SITE", Any(control::site),              Needed,   "commands of this server: SITE HELP").path(),

    row("TYPE", LoggedIn(parameters::r#type),    Needed,   "set the type: TYPE A or I").before_transfer(),
    row("MODE", LoggedIn(parameters::mode),      Needed,   "set the mode: MODE S"),
    row("STRU", LoggedIn(parameters::stru),      Needed,   "set the structure: STRU F"),
    row("ALLO", LoggedIn(files::allo),           Needed,   "ask whether there is room for an upload: ALLO bytes"),
    row("AVBL", LoggedIn(files::avbl),           Optional, "tell how much room there is").feature(Always(&["AVBL"])).path(),
    row("REST", LoggedIn(parameters::rest),      Needed,   "start the next transfer at an offset").feature(Always(&["REST STREAM"])),

    row("PASV", LoggedIn(data::pasv),            Nothing,  "open a data port").before_transfer(),
    row("EPSV", LoggedIn(data::epsv),            Optional, "open a data port, any network").feature(Always(&["EPSV"])).before_transfer(),
    row("PORT", LoggedIn(data::port),            Needed,   "name a data port").before_transfer(),
    row("EPRT", LoggedIn(data::eprt),            Needed,   "name a data port, any network").feature(WithActiveMode(&["EPRT"])).before_transfer(),
    row("ABOR", LoggedIn(transfer::abor),        Nothing,  "abort the transfer").at_once(),

    row("RETR", LoggedIn(transfer::retr),        Needed,   "download a file").needs(&["read"]).path(),
    row("STOR", LoggedIn(transfer::stor),        Needed,   "upload a file").needs(&["write", "overwrite", "append"]).path(),
    row("STOU", LoggedIn(transfer::stou),        Optional, "upload a file under a name that is free").needs(&["write"]).path(),
    row("APPE", LoggedIn(transfer::appe),        Needed,   "append to a file").needs(&["append", "write"]).path(),
    row("LIST", LoggedIn(transfer::list),        Optional, "list a folder").needs(&["list"]).path(),
    row("NLST", LoggedIn(transfer::nlst),        Optional, "list the names in a folder").needs(&["list"]).path(),
    row("MLSD", LoggedIn(transfer::mlsd),        Optional, "list the facts of a folder's entries").needs(&["list"]).path(),

    row("MLST", LoggedIn(files::mlst),           Optional, "tell the facts of one entry").feature(Facts).path(),
    row("SIZE", LoggedIn(files::size),           Needed,   "tell a file's size").feature(Always(&["SIZE"])).path(),
    row("MDTM", LoggedIn(change::mdtm),          Needed,   "tell when a file changed").feature(Always(&["MDTM"])).path(),
    row("MFMT", LoggedIn(change::mfmt),          Needed,   "set when a file changed: MFMT time path").feature(Always(&["MFMT"])).needs(CHANGE).path(),
    row("MFF",  LoggedIn(change::mff),           Needed,   "set facts of a file: MFF Modify=time;UNIX.mode=mode; path").feature(Always(&["MFF Modify;UNIX.mode;"])).needs(&["write", "append", "overwrite", "chmod"]).path(),
    row("HASH", LoggedIn(hash::hash),            Needed,   "hash a file with the algorithm that OPTS HASH chose").feature(Hashes).needs(&["read"]).path(),
    row("XCRC", LoggedIn(hash::xcrc),            Needed,   "CRC-32 of a file: finds accidents, not forgery").feature(Always(&["XCRC"])).needs(&["read"]).path(),
    row("XMD5", LoggedIn(hash::xmd5),            Needed,   "MD5 of a file: weak, finds accidents, not forgery").feature(Always(&["XMD5"])).needs(&["read"]).path(),
    row("XSHA", LoggedIn(hash::xsha1),           Needed,   "SHA-1 of a file: weak, finds accidents, not forgery").feature(Always(&["XSHA"])).needs(&["read"]).path(),
    row("XSHA1", LoggedIn(hash::xsha1),          Needed,   "SHA-1 of a file: weak, finds accidents, not forgery").feature(Always(&["XSHA1"])).needs(&["read"]).path(),
    row("XSHA256", LoggedIn(hash::xsha256),      Needed,   "SHA-256 of a file").feature(Always(&["XSHA256"])).needs(&["read"]).path(),
    row("XSHA512", LoggedIn(hash::xsha512),      Needed,   "SHA-512 of a file").feature(Always(&["XSHA512"])).needs(&["read"]).path(),
    row("MD5",  LoggedIn(hash::md5),             Needed,   "MD5 of a file: weak, finds accidents, not forgery").feature(Always(&["MD5"])).needs(&["read"]).path(),
    row("PWD",  LoggedIn(files::pwd),            Nothing,  "tell the working folder").feature(Always(&["TVFS"])),
    row("XPWD", LoggedIn(files::pwd),            Nothing,  "same as PWD"),
    row("CWD",  LoggedIn(files::cwd),            Optional, "change the working folder").path(),
    row("XCWD", LoggedIn(files::cwd),            Optional, "same as CWD").path(),
    row("CDUP", LoggedIn(files::cdup),           Nothing,  "go to the folder above"),
    row("XCUP", LoggedIn(files::cdup),           Nothing,  "same as CDUP"),
    row("MKD",  LoggedIn(files::mkd),            Needed,   "make a folder").needs(&["mkdir"]).path(),
    row("XMKD", LoggedIn(files::mkd),            Needed,   "same as MKD").needs(&["mkdir"]).path(),
    row("RMD",  LoggedIn(files::rmd),            Needed,   "remove a folder").needs(&["delete"]).path(),
    row("XRMD", LoggedIn(files::rmd),            Needed,   "same as RMD").needs(&["delete"]).path(),
    row("DELE", LoggedIn(files::dele),           Needed,   "delete a file").needs(&["delete"]).path(),
    row("RNFR", LoggedIn(files::rnfr),           Needed,   "rename from").needs(&["rename"]).path(),
    row("RNTO", LoggedIn(files::rnto),           Needed,   "rename to").needs(&["rename"]).path(),

    refused("ADAT", Reply::no_adat),
    refused("MIC",  Reply::no_protected_command),
    refused("CONF", Reply::no_protected_command),
    refused("ENC",  Reply::no_protected_command),
    refused("SMNT", Reply::not_offered),
    refused("LPRT", Reply::not_offered),
    refused("LPSV", Reply::not_offered),
    refused("SPSV", Reply::not_offered),
    refused("CPSV", Reply::not_offered),
    refused("SSCN", Reply::not_offered),
    refused("PRET", Reply::not_offered),
    refused("DSIZ", Reply::not_offered),
    refused("THMB", Reply::not_offered),
    refused("COMB", Reply::not_offered),
    refused("XRSQ", Reply::not_offered),
    refused("XSEM", Reply::not_offered),
    refused("XSEN", Reply::not_offered),
    refused("XRCP", Reply::not_offered),
    refused("MFCT", Reply::not_offered),
    refused("CSID", Reply::not_offered),
    refused("RANG", Reply::not_offered),
    refused("RMDA", Reply::not_offered),
];

/// What stands behind SITE.
#[rustfmt::skip]
pub static SITE: [Command; 4] = [
    row("CHMOD", LoggedIn(change::chmod),        Needed,   "set a mode: SITE CHMOD 644 path").needs(&["chmod"]).path(),
    row("HELP",  Any(control::site_help),        Optional, "list the SITE commands, or explain one"),
    row("IDLE",  LoggedIn(parameters::idle),     Optional, "tell or set how long the connection may idle: SITE IDLE seconds"),
    row("UTIME", LoggedIn(change::utime),        Needed,   "set when a file changed: SITE UTIME time path").needs(CHANGE).path(),
];
