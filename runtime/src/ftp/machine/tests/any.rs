//! Whatever a client sends and whatever the driver answers: the body of the fuzz target, by chance.

use proptest::prelude::*;

use crate::ftp::fuzz::machine;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1024))]

    /// A correct driver, any client: every line has exactly one final reply, in the end.
    #[test]
    fn s_55_every_command_has_exactly_one_final_reply(mut bytes in proptest::collection::vec(any::<u8>(), 1..500)) {
        bytes[0] |= 1;
        machine(&bytes);
    }

    /// Any client, any driver: no panic, well-formed replies, silence after the end.
    #[test]
    fn any_order_of_events_is_survived(mut bytes in proptest::collection::vec(any::<u8>(), 1..500)) {
        bytes[0] &= 0xfc;
        machine(&bytes);
    }
}
