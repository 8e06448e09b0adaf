//! Users whom PAM knows, by the real PAM with modules and service files of the test's own: Debian's libpam-wrapper
//! lets a process have them without touching the system's. The server is the one built with the feature.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use tests::config::{CHEAP_PASSWORD, Config, USER, make_password_cheap};
use tests::deadline::{self, SOON};
use tests::place::built_with;
use tests::program::Program;
use tests::server::{Server, portcullis};

const HERE: &str = "127.0.0.1";
const SERVICE: &str = "portcullis-test";
const GROUP: &str = "[[group]]\nname = 'system'\nhome = 'homes/%u'\npermissions = ['list', 'read']\n";

/// The module that knows users and passwords by a file.
fn matrix() -> PathBuf {
    let lib = fs::read_dir("/usr/lib").expect("/usr/lib").filter_map(Result::ok);
    let found = lib.map(|entry| entry.path().join("pam_wrapper/pam_matrix.so")).find(|path| path.is_file());
    found.expect("Debian's libpam-wrapper; tests/run installs it")
}

fn script(place: &Path, text: &str) {
    fs::write(place, format!("#!/bin/sh\n{text}\n")).expect("a script");
    fs::set_permissions(place, fs::Permissions::from_mode(0o700)).expect("a mode");
}

/// A server that asks PAM about whoever is not in its file of users, where `demo` is. PAM knows alice, locked
/// (who may not come in), sleeper (whose module waits for the FIFO `wake`) and demo, with another password.
async fn with_pam(change: impl FnOnce(&mut Config)) -> Server {
    prompting(1, change).await
}

/// As [`with_pam`], with modules that ask for the password so many times.
async fn prompting(times: usize, change: impl FnOnce(&mut Config)) -> Server {
    let mut server = Server::prepared(|config| {
        config
            .set("users.pam.service", SERVICE)
            .set("users.pam.group", "system")
            .set("users.pam.failure-time", "0s")
            .set("users.forbidden", vec!["root", "bin"]);
        config.no_policies();
        change(config);
    })
    .await;
    let folder = server.folder().to_owned();
    make_password_cheap(&folder);
    let users = folder.join("users.toml");
    fs::write(&users, format!("{}\n{GROUP}", fs::read_to_string(&users).expect("users"))).expect("users");
    for name in ["alice", "locked", "sleeper"] {
        fs::create_dir_all(folder.join("homes").join(name)).expect("a home");
        fs::write(folder.join("homes").join(name).join("whose"), name).expect("a file");
    }
    let known = ["alice", "locked", "sleeper", "demo", "bin"].map(|name| format!("{name}:of-{name}:{SERVICE}\n"));
    // The last stands for another service only.
    fs::write(folder.join("passdb"), format!("{}elsewhere:of-elsewhere:other\n", known.concat())).expect("passwords");
    fs::write(folder.join("locked"), "locked\n").expect("a list");
    fs::set_permissions(folder.join("locked"), fs::Permissions::from_mode(0o600)).expect("a mode");
    fs::write(folder.join("strangers"), "nobody-by-that-name\n").expect("a list");
    fs::set_permissions(folder.join("strangers"), fs::Permissions::from_mode(0o600)).expect("a mode");
    let wake = folder.join("wake");
    let made = Command::new("mkfifo").arg(&wake).status().expect("mkfifo");
    assert!(made.success(), "a FIFO");
    script(&folder.join("sleep"), &format!("[ \"$PAM_USER\" != sleeper ] || timeout 120 cat {}", wake.display()));
    script(&folder.join("note"), &format!("echo \"$PAM_USER $PAM_RHOST $PAM_SERVICE\" >> {}/asked", folder.display()));
    let services = folder.join("services");
    fs::create_dir(&services).expect("a folder");
    let at = |name: &str| folder.join(name).display().to_string();
    let stack = format!(
        "auth required pam_exec.so quiet {sleep}\n\
         auth optional pam_echo.so a secret of the module\n\
         auth [success=1 default=ignore] pam_listfile.so item=user sense=deny onerr=fail file={strangers}\n\
         auth requisite pam_debug.so auth=user_unknown\n\
         {passwords}\
         account required pam_exec.so quiet {note}\n\
         account required {matrix} passdb={passdb}\n\
         account required pam_listfile.so item=user sense=deny onerr=succeed file={locked}\n",
        sleep = at("sleep"),
        passwords = format!("auth required {} passdb={}\n", matrix().display(), at("passdb")).repeat(times),
        strangers = at("strangers"),
        note = at("note"),
        matrix = matrix().display(),
        passdb = at("passdb"),
        locked = at("locked"),
    );
    fs::write(services.join(SERVICE), stack).expect("a service");
    // What PAM asks where a service is silent.
    fs::write(services.join("other"), "auth required pam_deny.so\naccount required pam_deny.so\n").expect("a service");
    let mut command = Command::new(built_with("pam"));
    command.env("LD_PRELOAD", "libpam_wrapper.so").env("PAM_WRAPPER", "1").env("PAM_WRAPPER_SERVICE_DIR", &services);
    server.start_by(command, Stdio::null()).await;
    server
}

/// The code and the text of one login.
async fn log_in(server: &Server, user: &str, password: &str) -> (u16, String) {
    log_in_from(HERE, server, user, password).await
}

async fn log_in_from(source: &str, server: &Server, user: &str, password: &str) -> (u16, String) {
    let reply = server.try_login(source, user, password).await.expect("an answer");
    (reply.code, reply.text())
}

#[tokio::test]
async fn users_of_the_system_come_in_by_pam_and_get_what_their_group_says() {
    let mut server = with_pam(|_| {}).await;
    let fetched = Program::new("curl")
        .args(["--silent", "--show-error", "--ssl-reqd", "--max-time", "60", "--cacert"])
        .arg(&server.ready().certificate)
        .args(["--user", "alice:of-alice"])
        .arg(format!("ftp://{}/whose", server.address()))
        .run()
        .await
        .good();
    assert_eq!(fetched.out, "alice");
    let asked = fs::read_to_string(server.folder().join("asked")).expect("the account was looked at");
    assert_eq!(asked, format!("alice {HERE} {SERVICE}\n"), "with the client's address");
    let mut client = server.protected(HERE).await;
    client.log_in("alice", "of-alice").await.expect("an answer").expect(230);
    client.command("DELE whose").await.expect(550);
    // Users of the file go before: their own password counts, and PAM's does not.
    assert_eq!(log_in(&server, USER, CHEAP_PASSWORD).await.0, 230);
    assert_eq!(log_in(&server, USER, "of-demo").await.0, 530);
    let asked = fs::read_to_string(server.folder().join("asked")).expect("a list");
    assert!(!asked.contains(USER), "{asked}");
    assert_eq!(server.stop().await, Some(0));
}

#[tokio::test]
async fn wrong_unknown_locked_and_forbidden_read_alike_and_no_module_speaks_to_the_client() {
    let mut server = with_pam(|_| {}).await;
    let causes = [
        ("alice", "other", "WrongPassword"),
        ("nobody-by-that-name", "other", "UnknownUser"),
        ("../alice", "of-alice", "UnknownUser"),
        ("locked", "of-locked", "DeniedByRule"),
        ("elsewhere", "of-elsewhere", "DeniedByRule"),
        ("bin", "of-bin", "ForbiddenUser"),
        (USER, "other", "WrongPassword"),
    ];
    let mut replies = Vec::new();
    for (at, (user, password, _)) in causes.into_iter().enumerate() {
        // Each from elsewhere: so many failures are a reason for a ban.
        replies.push(log_in_from(&format!("127.0.1.{}", at + 1), &server, user, password).await);
    }
    assert!(replies.iter().all(|reply| reply.0 == 530 && *reply == replies[0]), "{replies:?}");
    // What the log says of a connection stands before its end.
    server.outcomes(causes.len()).await;
    let failed = server.log().into_iter().filter(|line| line.message() == "login.failed");
    let told: Vec<String> = failed.map(|line| line.text("cause").to_owned()).collect();
    assert_eq!(told, causes.map(|(_, _, cause)| cause), "{}", server.words());
    assert!(!server.words().contains("secret of the module"));
    // A right password, and no home: the operator's fault, which counts against nobody.
    fs::remove_dir_all(server.folder().join("homes/alice")).expect("it goes");
    assert_eq!(log_in(&server, "alice", "of-alice").await, replies[0]);
    let line = server.logged("the trouble", |line| line.message() == "login.pam-trouble").await;
    assert!(line.text("why").contains("homes/%u"), "{}", line.text("why"));
    assert_eq!(server.stop().await, Some(0));
}

#[tokio::test]
async fn several_modules_may_ask_for_the_password_and_none_may_ask_for_ever() {
    let mut server = prompting(3, |_| {}).await;
    assert_eq!(log_in(&server, "alice", "of-alice").await.0, 230);
    assert_eq!(server.stop().await, Some(0));
    let mut server = prompting(40, |_| {}).await;
    assert_eq!(log_in(&server, "alice", "of-alice").await.0, 530);
    assert_eq!(server.stop().await, Some(0));
}

#[tokio::test]
async fn no_wrong_password_is_answered_sooner_than_the_failure_time() {
    const TIME: Duration = Duration::from_millis(700);
    let mut server = with_pam(|config| {
        config.set("users.pam.failure-time", "700ms");
    })
    .await;
    for user in ["alice", "nobody-by-that-name", "bin", USER] {
        let mut client = server.protected(HERE).await;
        client.command(&format!("USER {user}")).await.expect(331);
        let started = Instant::now();
        client.command("PASS other").await.expect(530);
        assert!(started.elapsed() >= TIME, "{user}: {:?}", started.elapsed());
    }
    let started = Instant::now();
    assert_eq!(log_in(&server, "alice", "of-alice").await.0, 230);
    assert!(started.elapsed() < TIME * 4, "a right one need not wait");
    assert_eq!(server.stop().await, Some(0));
}

#[tokio::test]
async fn modules_that_hang_keep_their_own_clients_waiting_and_nobody_longer_than_the_deadline() {
    let mut server = with_pam(|config| {
        config.set("timeouts.pam", "1s").set("users.pam.at-once", 2);
    })
    .await;
    let hangs = || log_in(&server, "sleeper", "of-sleeper");
    let bystander = async {
        for _ in 0..5 {
            assert_eq!(log_in(&server, USER, CHEAP_PASSWORD).await.0, 230, "a user of the file");
        }
    };
    let (one, two, ()) = tokio::join!(hangs(), hangs(), bystander);
    assert_eq!((one.0, two.0), (530, 530));
    // Both places are held: others are told so in time, and users of the file notice nothing.
    assert_eq!(log_in(&server, "alice", "of-alice").await.0, 530);
    assert_eq!(log_in(&server, USER, CHEAP_PASSWORD).await.0, 230);
    // The bystander's five, these two, and those of the two who hung.
    server.outcomes(9).await;
    let troubles = server.log().iter().filter(|line| line.message() == "login.pam-trouble").count();
    assert_eq!(troubles, 3, "{}", server.words());
    // It opens as somebody reads; closed, it is the end for all who do.
    let wake = server.folder().join("wake");
    fs::OpenOptions::new().write(true).open(&wake).expect("the modules wait there");
    let freed = async || (log_in(&server, "alice", "of-alice").await.0 == 230).then_some(());
    deadline::until_asked(SOON, "a place for PAM", freed).await;
    assert_eq!(server.stop().await, Some(0));
}

#[tokio::test]
async fn a_server_built_without_pam_says_what_to_do() {
    let server = Server::prepared(|config| {
        config.set("users.pam.service", SERVICE).set("users.pam.group", "system");
    })
    .await;
    let place = server.config_file();
    let answer = portcullis(&["check", "--config", &place.to_string_lossy()]).run().await.exits(2);
    assert!(answer.err.contains("`users.pam.service` needs a server that was built with PAM"), "{}", answer.err);
    assert!(answer.err.contains("--features pam"), "{}", answer.err);
    // The other says what else is missing.
    let answer = Program::new(built_with("pam")).args(["check", "--config", &place.to_string_lossy()]).run().await;
    let answer = answer.exits(2);
    assert!(answer.err.contains("`users.pam.group`: there is no group `system` with a `home`"), "{}", answer.err);
}
