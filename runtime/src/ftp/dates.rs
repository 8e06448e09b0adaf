//! Dates in listings and replies, in UTC, for any `i64`: years outside 0..=9999 show as the nearest one inside.

const SECONDS_MIN: i64 = -62_167_219_200;
const SECONDS_MAX: i64 = 253_402_300_799;
const DAY: i64 = 86_400;
/// From 0000-03-01, where the leap day is the last of its year, to 1970-01-01.
const DAYS_TO_EPOCH: i64 = 719_468;
const MONTHS: [&[u8; 3]; 12] =
    [b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec"];

/// A moment in the proleptic Gregorian calendar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Date {
    year: u16,
    month: u8,
    day: u8,
    hour: u8,
    minute: u8,
    second: u8,
}

impl Date {
    pub(super) fn of(seconds: i64) -> Date {
        let seconds = seconds.clamp(SECONDS_MIN, SECONDS_MAX);
        let (days, time) = (seconds.div_euclid(DAY), seconds.rem_euclid(DAY));
        let shifted = days + DAYS_TO_EPOCH;
        let (era, day_of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
        let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let from_march = (5 * day_of_year + 2) / 153;
        let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
        Date {
            year: (era * 400 + year_of_era + i64::from(month <= 2)) as u16,
            month: month as u8,
            day: (day_of_year - (153 * from_march + 2) / 5 + 1) as u8,
            hour: (time / 3600) as u8,
            minute: (time / 60 % 60) as u8,
            second: (time % 60) as u8,
        }
    }

    /// Seconds of Unix time of `YYYYMMDDHHMMSS`, a fraction behind it being ignored; `None` if there is
    /// no such moment.
    pub(super) fn parse_stamp(text: &str) -> Option<i64> {
        let digits = match text.split_once('.') {
            Some((digits, fraction)) if fraction.bytes().all(|byte| byte.is_ascii_digit()) => digits,
            Some(_) => return None,
            None => text,
        };
        if digits.len() != 14 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let number = |from: usize, to: usize| digits[from..to].parse::<i64>().ok();
        let (year, month, day) = (number(0, 4)?, number(4, 6)?, number(6, 8)?);
        let (hour, minute, second) = (number(8, 10)?, number(10, 12)?, number(12, 14)?);
        if !(1..=12).contains(&month) || day < 1 || hour > 23 || minute > 59 || second > 60 {
            return None;
        }
        let (shifted_year, from_march) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
        let (era, year_of_era) = (shifted_year.div_euclid(400), shifted_year.rem_euclid(400));
        let day_of_year = (153 * from_march + 2) / 5 + day - 1;
        let days =
            era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - DAYS_TO_EPOCH;
        let seconds = days * DAY + hour * 3600 + minute * 60 + second.min(59);
        // A day that the month does not have lands in the next month.
        (i64::from(Date::of(seconds).day) == day).then_some(seconds)
    }

    /// `YYYYMMDDHHMMSS` (RFC 3659 section 2.3).
    pub(super) fn write_stamp(self, out: &mut Vec<u8>) {
        self.write_year(out);
        for part in [self.month, self.day, self.hour, self.minute, self.second] {
            out.extend_from_slice(&two(part));
        }
    }

    /// `Jan  2 03:04` or `Jan  2  2024`, as `ls -l` has it.
    pub(super) fn write_ls(self, with_time: bool, out: &mut Vec<u8>) {
        out.extend_from_slice(MONTHS[usize::from(self.month) - 1]);
        let [tens, ones] = two(self.day);
        out.extend_from_slice(&[b' ', if tens == b'0' { b' ' } else { tens }, ones, b' ']);
        if with_time {
            out.extend_from_slice(&two(self.hour));
            out.push(b':');
            out.extend_from_slice(&two(self.minute));
        } else {
            out.push(b' ');
            self.write_year(out);
        }
    }
    fn write_year(self, out: &mut Vec<u8>) {
        out.extend_from_slice(&two((self.year / 100) as u8));
        out.extend_from_slice(&two((self.year % 100) as u8));
    }
}

fn two(number: u8) -> [u8; 2] {
    [b'0' + number / 10, b'0' + number % 10]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn stamp(seconds: i64) -> String {
        let mut out = Vec::new();
        Date::of(seconds).write_stamp(&mut out);
        String::from_utf8(out).expect("ASCII")
    }

    #[test]
    fn t_60_any_time_has_a_date() {
        for (seconds, expected) in [
            (0, "19700101000000"),
            (-1, "19691231235959"),
            (951_782_400, "20000229000000"),
            (1_700_000_000, "20231114221320"),
            (4_102_444_800, "21000101000000"),
            (i64::MIN, "00000101000000"),
            (i64::MAX, "99991231235959"),
        ] {
            assert_eq!(stamp(seconds), expected);
        }
    }

    #[test]
    fn stamps_that_name_no_moment_are_refused() {
        for wrong in [
            "",
            "2024",
            "20240230000000",
            "20241301000000",
            "20240001000000",
            "20240100000000",
            "20240101240000",
            "20240101006000",
            "2024010100000x",
            "+2024010100000",
            "20240101000000.x",
            "202401010000000",
        ] {
            assert_eq!(Date::parse_stamp(wrong), None, "{wrong}");
        }
        assert_eq!(Date::parse_stamp("20231114221320.123"), Some(1_700_000_000));
        assert_eq!(Date::parse_stamp("19691231235959"), Some(-1));
    }

    proptest! {
        #[test]
        fn t_60_stamps_read_back(seconds in SECONDS_MIN..=SECONDS_MAX) {
            prop_assert_eq!(Date::parse_stamp(&stamp(seconds)), Some(seconds));
        }

        #[test]
        fn any_text_is_a_stamp_or_none(text in "\\PC{0,20}") {
            let _ = Date::parse_stamp(&text);
        }
    }
}
