//! What curl's own tests ask of an FTP server (`tests/http/test_30_vsftpd.py`, `test_31_vsftpds.py` and
//! `test_32_ftps_vsftpd.py`), asked with the curl that is installed: in clear, with explicit and with implicit
//! TLS. Left out: their cases 06 and 07, which look for resets with tcpdump and a debug build of curl
//! (`t_24_a_client_that_talks_after_the_end_is_not_reset` looks for the same); 30_12, which needs a program of
//! their tree; and active mode under TLS, where curl 7.88 fails before its handshake
//! (`s_43_t_72_the_server_connects_to_its_client_and_to_no_service` does it with another client).

use std::path::Path;

use tempfile::TempDir;
use tests::program::{Answer, Program};
use tests::server::Server;
use tests::tree;

/// How the control connection is protected.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Mode {
    Clear,
    Explicit,
    Implicit,
}

const MODES: [Mode; 3] = [Mode::Clear, Mode::Explicit, Mode::Implicit];
const DOWNLOADS: [(&str, usize); 4] =
    [("data-0k", 0), ("data-1k", 1024), ("data-1m", 1024 * 1024), ("data-10m", 10 * 1024 * 1024)];
const UPLOADS: [(&str, usize); 4] =
    [("upload-0k", 0), ("upload-1k", 1024), ("upload-100k", 100 * 1024), ("upload-1m", 1024 * 1024)];

struct World {
    server: Server,
    here: TempDir,
    mode: Mode,
}

impl World {
    async fn new(mode: Mode, ascii: &str) -> World {
        let server = Server::serve_with(|config| {
            config.set("limits.unauthenticated-per-address", 100).set("limits.connections-per-address", 100);
            config.set("tls.required", mode != Mode::Clear).set("files.ascii", ascii);
            if mode == Mode::Implicit {
                config.table("listener", "address = \"127.0.0.1:0\"\ntls = \"implicit\"");
            }
        })
        .await;
        let here = TempDir::new().expect("a scratch folder");
        for (name, size) in DOWNLOADS {
            std::fs::write(server.root().join(name), tree::content(5, size)).expect("a file");
        }
        for (name, size) in UPLOADS {
            std::fs::write(here.path().join(name), tree::content(6, size)).expect("a file");
        }
        World { server, here, mode }
    }

    fn url(&self, path: &str) -> String {
        let scheme = if self.mode == Mode::Implicit { "ftps" } else { "ftp" };
        // A listener of its own comes behind the usual one.
        let address = self.server.ready().addresses.last().expect("an address");
        format!("{scheme}://{address}/{path}")
    }

    fn curl(&self) -> Program {
        let curl = Program::new("curl")
            .args(["--silent", "--show-error", "--max-time", "120", "--cacert"])
            .arg(&self.server.ready().certificate)
            .args(["--user", &format!("{}:{}", self.server.user(), self.server.password())])
            .args(["--write-out", "%{stderr}%{response_code} %{num_connects}\\n"])
            .within(self.here.path());
        if self.mode == Mode::Explicit { curl.arg("--ssl-reqd") } else { curl }
    }

    async fn download(&self, name: &str, count: usize, more: &[&str]) -> Answer {
        let fetch = (0..count).fold(self.curl().args(more), |curl, number| {
            curl.args(["--output", &format!("down-{number}"), &self.url(name)])
        });
        let answer = fetch.run().await.good();
        // At once, curl tells the code of its QUIT now and then.
        if !more.contains(&"--parallel") {
            assert_eq!(codes(&answer), vec![226; count], "{:?} {name}: {answer:?}", self.mode);
        }
        let original = std::fs::read(self.server.root().join(name)).expect("a file");
        for number in 0..count {
            assert!(self.read(&format!("down-{number}")) == original, "{:?} {name} {number}", self.mode);
        }
        answer
    }

    async fn upload(&self, name: &str, more: &[&str]) {
        let _ = std::fs::remove_file(self.server.root().join(name));
        let answer = self.curl().args(more).args(["--upload-file", name, &self.url("")]).run().await.good();
        assert_eq!(codes(&answer), [226], "{:?} {name}: {answer:?}", self.mode);
    }

    fn read(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.here.path().join(name)).expect("a file")
    }

    fn stored(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.server.root().join(name)).expect("a file")
    }
}

/// The last reply code and the new connections of each transfer, one line for each.
fn told(answer: &Answer) -> impl Iterator<Item = (u16, usize)> {
    answer.err.lines().filter_map(|line| {
        let (code, connects) = line.split_once(' ')?;
        Some((code.parse().ok()?, connects.parse().ok()?))
    })
}

fn codes(answer: &Answer) -> Vec<u16> {
    told(answer).map(|(code, _)| code).collect()
}

#[tokio::test]
async fn curls_01_to_04_listing_and_downloads_one_ten_and_ten_at_once() {
    for mode in MODES {
        let world = World::new(mode, "convert").await;
        let listed = world.curl().arg(world.url("")).run().await.good();
        assert_eq!((codes(&listed), listed.out.lines().count()), (vec![226], DOWNLOADS.len()), "{mode:?}");
        for (name, _) in DOWNLOADS {
            world.download(name, 1, &[]).await;
            let serial = world.download(name, 10, &[]).await;
            let connects: usize = told(&serial).map(|(_, connects)| connects).sum();
            assert_eq!(connects, 11, "the control connection is used again: {serial:?}");
            world.download(name, 10, &["--parallel", "--parallel-immediate"]).await;
        }
    }
}

#[tokio::test]
async fn curls_05_uploads_of_every_size() {
    for mode in MODES {
        let world = World::new(mode, "convert").await;
        for (name, _) in UPLOADS {
            world.upload(name, &[]).await;
            assert!(world.stored(name) == world.read(name), "{mode:?} {name}");
        }
    }
}

#[tokio::test]
async fn curls_08_to_10_active_mode_both_ways_and_ascii() {
    for mode in [Mode::Clear] {
        let world = World::new(mode, "convert").await;
        let active = ["--ftp-port", "127.0.0.1"];
        world.download("data-1k", 1, &active).await;
        world.download("data-1k", 1, &[&active[..], &["--disable-eprt"]].concat()).await;
        world.upload("upload-1k", &active).await;
        assert!(world.stored("upload-1k") == world.read("upload-1k"), "{mode:?}");
        write_lines(world.here.path());
        world.upload("lines", &[&active[..], &["--use-ascii"]].concat()).await;
        assert_eq!(world.stored("lines"), b"one\ntwo\n", "{mode:?}");
    }
}

#[tokio::test]
async fn t_62_curls_31_08_ascii_uploads_are_stored_as_they_come_where_the_operator_wants_that() {
    for mode in MODES {
        let world = World::new(mode, "passthrough").await;
        write_lines(world.here.path());
        world.upload("lines", &["--use-ascii"]).await;
        assert_eq!(world.stored("lines"), b"one\r\ntwo\r\n", "{mode:?}");
    }
}

#[tokio::test]
async fn curls_11_a_file_that_does_not_exist_is_told_as_such() {
    for mode in MODES {
        let world = World::new(mode, "convert").await;
        let answer = world.curl().arg(world.url("does-not-exist")).run().await.exits(78);
        assert_eq!(codes(&answer), [550], "{mode:?}");
    }
}

fn write_lines(folder: &Path) {
    std::fs::write(folder.join("lines"), "one\ntwo\n").expect("a file");
}
