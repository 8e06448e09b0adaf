//! The command line as clap reads it. The doc comments are the `--help` texts.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::ledger;

/// An FTPS server whose gate is programmable: WebAssembly policies decide who is let in, who is banned and
/// for how long.
#[derive(Debug, Parser)]
#[command(
    name = "portcullis",
    version,
    max_term_width = 100,
    subcommand_required = true,
    arg_required_else_help = true,
    after_help = "Exit codes: 0 good, 1 no or failed, 2 wrong usage or configuration, 3 no server answers."
)]
pub struct Arguments {
    /// Answer in JSON
    #[arg(long, global = true)]
    pub json: bool,
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Serve at once: no configuration, a demo user, default policies on
    Quickstart(Quickstart),
    /// Serve with a configuration
    Serve {
        /// Configuration file
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
        /// Written once every listener accepts: addresses, admin socket, certificate, as JSON
        #[arg(long, value_name = "FILE")]
        ready_file: Option<PathBuf>,
    },
    /// Find everything that `serve` would refuse, without serving
    Check {
        /// Configuration file
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
    },
    /// Print the FTP commands that are spoken, as a page in Markdown
    Commands,
    /// Print the documented defaults, or what is in force
    #[command(subcommand)]
    Config(ConfigCommand),
    /// List, add, lift, explain, export and import bans of a running server
    Bans {
        #[command(subcommand)]
        command: BansCommand,
        #[command(flatten)]
        reach: Reach,
    },
    /// Tell the policies of a running server what another tool knows
    Event {
        #[command(subcommand)]
        command: EventCommand,
        #[command(flatten)]
        reach: Reach,
    },
    /// Look at policies, and reload those of a running server
    #[command(subcommand)]
    Policy(PolicyCommand),
    /// The key that the nodes of a cluster share, and what one of them did
    #[command(subcommand)]
    Cluster(ClusterCommand),
    /// TLS of a running server
    Tls {
        #[command(subcommand)]
        command: TlsCommand,
        #[command(flatten)]
        reach: Reach,
    },
    /// How a running server is
    Status {
        #[command(flatten)]
        reach: Reach,
    },
    /// Help with the file of users
    #[command(subcommand)]
    User(UserCommand),
    /// Compile a component from stdin to stdout, for a server that has started this process
    #[command(name = crate::policy::COMPILE, hide = true)]
    Compile {
        /// Bytes of address space
        #[arg(long)]
        memory: u64,
        /// Seconds of CPU time
        #[arg(long)]
        seconds: u64,
    },
}

#[derive(Debug, Args)]
pub struct Quickstart {
    /// Where to listen; port 0 lets the system choose
    #[arg(long, value_name = "ADDRESS")]
    pub listen: Option<SocketAddr>,
    /// Folder that clients see [default: `files` in the state folder]
    #[arg(long, value_name = "FOLDER")]
    pub root: Option<PathBuf>,
    /// Folder for bans, keys and the demo user's password [default: ~/.local/state/portcullis]
    #[arg(long, value_name = "FOLDER")]
    pub state: Option<PathBuf>,
    /// Written once every listener accepts: addresses, admin socket, certificate, user and password, as JSON
    #[arg(long, value_name = "FILE")]
    pub ready_file: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub enum ConfigCommand {
    /// Print every setting with its default, range and meaning
    Defaults,
    /// Print what is in force and where each value comes from
    Show {
        /// Configuration file
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
    },
}

#[derive(Debug, Subcommand)]
pub enum BansCommand {
    /// List the bans in force, oldest first
    List(BansList),
    /// Ban somebody; a second time changes nothing, unless it ends over a minute later
    Add(BansAdd),
    /// Lift a ban, on every node that it reaches
    Lift {
        /// Subject or id of the ban, as `bans list` shows them
        #[arg(value_name = "SUBJECT|ID")]
        which: String,
    },
    /// Tell everything about a ban: which policy, why, on what evidence, until when
    Explain {
        /// Subject, address or id of a ban
        #[arg(value_name = "SUBJECT|ADDRESS|ID")]
        which: String,
    },
    /// Print bans with everything about them, one JSON object a line, for `bans import`
    Export(BansFilter),
    /// Take in bans that were exported; those that are in force already stay as they are
    Import {
        /// File of an export; `-` or nothing: stdin
        #[arg(value_name = "FILE")]
        file: Option<PathBuf>,
    },
}

#[derive(Debug, Args)]
pub struct BansList {
    #[command(flatten)]
    pub filter: BansFilter,
    /// Leave out so many of the oldest
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub skip: usize,
    /// At most so many
    #[arg(long, value_name = "N")]
    pub limit: Option<usize>,
}

/// Which bans; each condition that is given must hold.
#[derive(Debug, Args)]
pub struct BansFilter {
    /// Of this kind of subject
    #[arg(long, value_name = "KIND", value_parser = ledger::subject::KINDS)]
    pub kind: Option<String>,
    /// Decided by this policy
    #[arg(long, value_name = "NAME")]
    pub policy: Option<String>,
    /// Of addresses and networks within this one, and of networks around it
    #[arg(long, value_name = "NETWORK", value_parser = network)]
    pub network: Option<ipnet::IpNet>,
    /// With this text in subject, reason, or the name of who decided
    #[arg(long, value_name = "TEXT")]
    pub text: Option<String>,
    /// That end within a span such as 1h30m, or before a moment such as 2030-01-31T12:00:00Z
    #[arg(long, value_name = "SPAN|MOMENT", value_parser = moment)]
    pub expiring_before: Option<crate::moment::Moment>,
}

impl From<&BansFilter> for ledger::Filter {
    fn from(typed: &BansFilter) -> ledger::Filter {
        ledger::Filter {
            kind: typed.kind.clone(),
            policy: typed.policy.clone(),
            network: typed.network,
            text: typed.text.clone(),
            expiring_before: typed.expiring_before,
        }
    }
}

/// An address is a network of one.
fn network(typed: &str) -> Result<ipnet::IpNet, String> {
    let address = typed.parse::<std::net::IpAddr>().map(ipnet::IpNet::from);
    typed.parse().or(address).map_err(|_| "try 192.0.2.0/24 or an address".to_owned())
}

fn moment(typed: &str) -> Result<crate::moment::Moment, String> {
    if let Ok(span) = humantime::parse_duration(typed) {
        return Ok(crate::moment::Moment::now().plus(span));
    }
    crate::moment::Moment::parse(typed).ok_or_else(|| "try 1h30m or 2030-01-31T12:00:00Z".to_owned())
}

#[derive(Debug, Args)]
pub struct BansAdd {
    /// An address, a network such as 192.0.2.0/24, user:NAME, NAME@ADDRESS, class:NAME,
    /// client-certificate:SHA256 or tls-fingerprint:JA4
    pub subject: String,
    /// How long, such as 1h30m
    #[arg(long = "for", value_name = "SPAN", value_parser = humantime::parse_duration)]
    #[arg(required_unless_present = "permanent", conflicts_with = "permanent")]
    pub span: Option<Duration>,
    /// Until it is lifted
    #[arg(long)]
    pub permanent: bool,
    /// Why, for those who read `bans explain`
    #[arg(long, value_name = "TEXT", default_value = "banned by hand")]
    pub reason: String,
    /// How far
    #[arg(long, value_enum, default_value_t = How::Site)]
    pub reach: How,
}

/// How far a ban reaches.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum How {
    /// This node alone
    Node,
    /// Every node of the site
    Site,
    /// Every site that shares the store
    Everywhere,
}

impl From<How> for ledger::Reach {
    fn from(how: How) -> ledger::Reach {
        match how {
            How::Node => ledger::Reach::Node,
            How::Site => ledger::Reach::Site,
            How::Everywhere => ledger::Reach::Everywhere,
        }
    }
}

#[derive(Debug, Subcommand)]
pub enum PolicyCommand {
    /// List the policies of a running server in order of asking
    List {
        #[command(flatten)]
        reach: Reach,
    },
    /// Read configuration and components again, all or nothing
    Reload {
        #[command(flatten)]
        reach: Reach,
    },
    /// Tell what a component says of itself and what its settings may be
    Inspect {
        /// Component file, or builtin:NAME
        file: String,
    },
    /// Play recorded events again: who would have been banned, when and why?
    Replay(Replay),
    /// Load a component as the server would, and say what is wrong with it
    Check {
        /// Component file, or builtin:NAME
        file: String,
        /// Its settings as a JSON object
        #[arg(long, value_name = "JSON")]
        settings: Option<String>,
    },
}

#[derive(Debug, Subcommand)]
pub enum EventCommand {
    /// Raise an event of kind `custom`
    Raise(EventRaise),
}

#[derive(Debug, Args)]
pub struct EventRaise {
    /// Its name, for the policies: lower-case letters, digits, ".", "-" or "_"
    pub name: String,
    /// Whom it is about
    #[arg(long, value_name = "ADDRESS")]
    pub host: Option<std::net::IpAddr>,
    /// Which user
    #[arg(long, value_name = "NAME")]
    pub user: Option<String>,
    /// Anything, for the policies to read
    #[arg(long, value_name = "JSON", value_parser = json, default_value = "null")]
    pub data: serde_json::Value,
}

fn json(typed: &str) -> Result<serde_json::Value, String> {
    serde_json::from_str(typed).map_err(|error| error.to_string())
}

#[derive(Debug, Args)]
pub struct Replay {
    /// Recorded files (`record.file`), of several nodes and in any order; repeat the option
    #[arg(long, value_name = "FILE", required = true)]
    pub events: Vec<PathBuf>,
    /// Component file, or builtin:NAME
    #[arg(long, value_name = "FILE", required_unless_present = "config", conflicts_with = "config")]
    pub policy: Option<String>,
    /// Its settings as a JSON object
    #[arg(long, value_name = "JSON", requires = "policy")]
    pub settings: Option<String>,
    /// The whole chain of this configuration instead, with its networks and its rules for bans
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Another component or configuration (a `.toml` file): print what it would have done otherwise
    #[arg(long, value_name = "FILE")]
    pub against: Option<String>,
    /// Settings of the other component; without it those of the first
    #[arg(long, value_name = "JSON", requires = "against")]
    pub against_settings: Option<String>,
}

#[derive(Debug, Subcommand)]
pub enum ClusterCommand {
    /// Make a cluster key; copy it to every node and name it in `store.cluster-key`
    Keygen {
        /// Where to write it, with mode 0600; a file that is there stays as it is [default: stdout]
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
        /// Only one more `seal` line, to be added to a key file: see the comments there
        #[arg(long)]
        seal: bool,
    },
    /// End every ban that a node made until now, here and on every node of the pool, for good
    ///
    /// What it bans afterwards counts again. If its key was stolen, make a new cluster key first and give it to the
    /// other nodes: whoever holds the key can write under any node's name.
    Forget {
        /// Name of the node, as `bans explain` shows it
        node: String,
        /// Its site [default: that of the server that is asked]
        #[arg(long)]
        site: Option<String>,
        #[command(flatten)]
        reach: Reach,
    },
}

#[derive(Debug, Subcommand)]
pub enum TlsCommand {
    /// Sessions that clients may resume
    #[command(subcommand)]
    Sessions(SessionsCommand),
}

#[derive(Clone, Copy, Debug, Subcommand)]
pub enum SessionsCommand {
    /// Tell how they are resumed, with which keys, and how often
    Info,
    /// Refuse every one that was issued so far, here at once and on the other nodes as far as it says
    Clear,
}

#[derive(Debug, Subcommand)]
pub enum UserCommand {
    /// Make a password hash for the file of users, from a prompt or from stdin
    Hash,
    /// List the users, as the server would read them
    List {
        /// Configuration file
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
    },
}

/// How to find the running server; without any of these: the one that `quickstart` started.
#[derive(Debug, Args)]
#[command(next_help_heading = "Which server")]
pub struct Reach {
    /// Its admin socket
    #[arg(long, global = true, value_name = "SOCKET", conflicts_with_all = ["state", "config"])]
    pub admin: Option<PathBuf>,
    /// Its state folder
    #[arg(long, global = true, value_name = "FOLDER", conflicts_with = "config")]
    pub state: Option<PathBuf>,
    /// Its configuration file
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
}
