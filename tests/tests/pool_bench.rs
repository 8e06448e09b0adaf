//! The bench of the pool can measure each of its figures; what they are is for a machine that does nothing else.

use tests::place;
use tests::program::Program;

#[tokio::test]
async fn every_figure_of_the_pool_can_be_measured() {
    let bench = Program::new(env!("CARGO_BIN_EXE_pool_bench")).arg("--smoke").env("PORTCULLIS_BIN", place::binary());
    let told = bench.for_at_most(tests::deadline::LATE).run().await.good().out;
    for words in [
        "a connect that asks memcached",
        "whose ban memcached alone knows",
        "that a ban did not stop: 0.00 connects",
        "sessions at another node end",
        "memcached killed",
        "memcached hangs",
        "sealed look-ups on one core",
        "look-ups of 64 tasks",
        "p99 of these look-ups",
    ] {
        assert!(told.contains(words), "`{words}` is missing:\n{told}");
    }
    let verdicts = told.lines().filter(|line| line.starts_with("reached") || line.starts_with("MISSED")).count();
    assert_eq!(verdicts, 11, "{told}");
}
