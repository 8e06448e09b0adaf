//! The process that compiles policies, as a running server starts it.

use std::fs;
use std::process::{Command, Stdio};

use tests::config::replace;
use tests::place;
use tests::swap::{in_force, limit, with_component_file};

/// It is the same program whatever stands in its place by now, and narrower limits than its own are no obstacle.
#[tokio::test]
async fn s_63_a_server_whose_file_was_replaced_by_an_upgrade_compiles_as_before() {
    let (mut server, component) = with_component_file().await;
    server.stop().await;
    server.config.set("policies.compiled-cache", "0 B").set("policies.load-deadline", "10m");
    server.rewrite();
    let program = server.folder().join("portcullis");
    fs::copy(place::binary(), &program).expect("the program can be copied");
    let mut command = Command::new("sh");
    // `load-deadline` allows the compiler more CPU time than that.
    command.arg("-c").arg("ulimit -t 300; exec \"$0\" \"$@\"").arg(&program);
    server.start_by(command, Stdio::null()).await;

    for (number, step) in [(2, "replaced"), (3, "removed")] {
        match step {
            "replaced" => replace(&program, b"#!/bin/false\n"),
            _ => fs::remove_file(&program).expect("it can be removed"),
        }
        let before = in_force(&server).await;
        limit(&mut server.config, &component, number);
        server.rewrite();
        server.admin(&["policy", "reload"]).await.good();
        assert_ne!(in_force(&server).await, before, "{step}: other settings are in force");
    }
    let tries = server.guess_until_banned("127.0.0.2", 7).await;
    assert!((3..=5).contains(&tries), "banned after {tries}");
}
