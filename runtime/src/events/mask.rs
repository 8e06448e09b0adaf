//! A name that nobody has, wherever it stands in what is kept of an event: its pseudonym goes there instead.

use serde_json::Value;

use super::event::Event;

/// A name and its pseudonym.
#[derive(Clone, Copy, Debug)]
pub struct Mask<'a> {
    name: &'a str,
    shown: &'a str,
}

impl Event {
    /// What is to be masked in whatever is kept of it; `None`: nothing.
    pub fn mask(&self) -> Option<Mask<'_>> {
        let (name, shown) = self.facts.user.as_deref().zip(self.facts.pseudonym.as_deref())?;
        (!name.is_empty()).then_some(Mask { name, shown })
    }
}

impl Mask<'_> {
    /// The pseudonym, if this is the name.
    pub fn of_name(&self, name: &str) -> Option<&str> {
        (name == self.name).then_some(self.shown)
    }

    /// A text with the pseudonym wherever the name stands as a word of its own.
    pub fn text(&self, text: &str) -> String {
        let mut masked = String::new();
        let (mut copied, mut from) = (0, 0);
        while let Some(found) = text.get(from..).and_then(|rest| rest.find(self.name)).map(|at| from + at) {
            let end = found + self.name.len();
            let joins = |mark: Option<char>| mark.is_some_and(char::is_alphanumeric);
            if joins(text[..found].chars().next_back()) || joins(text[end..].chars().next()) {
                from = found + text[found..].chars().next().map_or(1, char::len_utf8);
                continue;
            }
            masked.push_str(&text[copied..found]);
            masked.push_str(self.shown);
            (copied, from) = (end, end);
        }
        masked.push_str(&text[copied..]);
        masked
    }

    /// Each text in a value.
    pub fn value(&self, value: &mut Value) {
        match value {
            Value::String(text) => *text = self.text(text),
            Value::Array(all) => all.iter_mut().for_each(|value| self.value(value)),
            Value::Object(fields) => fields.values_mut().for_each(|value| self.value(value)),
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::events::Kind;
    use crate::moment::Moment;

    const MASK: Mask<'_> = Mask { name: "s3cret", shown: "unknown~3fa" };

    #[test]
    fn s_87_the_name_gives_way_where_it_is_a_word() {
        for (text, wanted) in [
            ("", ""),
            ("s3cret", "unknown~3fa"),
            ("sources/s3cret", "sources/unknown~3fa"),
            ("s3cret s3cret, s3cret", "unknown~3fa unknown~3fa, unknown~3fa"),
            ("s3crets and as3cret", "s3crets and as3cret"),
            ("ß3s3cretß s3cret\u{301}", "ß3s3cretß unknown~3fa\u{301}"),
            ("nobody", "nobody"),
        ] {
            assert_eq!(MASK.text(text), wanted, "{text}");
        }
        let one = Mask { name: "aa", shown: "x" };
        assert_eq!((one.text("aaa"), one.text("aa aa")), ("aaa".to_owned(), "x x".to_owned()));
    }

    #[test]
    fn s_87_every_text_of_a_value_is_masked() {
        let mut value = json!({ "user": "s3cret", "n": 7, "detail": ["USER s3cret", null, { "deep": "s3cret" }] });
        MASK.value(&mut value);
        let wanted = json!({
            "user": "unknown~3fa", "n": 7, "detail": ["USER unknown~3fa", null, { "deep": "unknown~3fa" }],
        });
        assert_eq!(value, wanted);
    }

    #[test]
    fn an_event_whose_user_is_known_masks_nothing() {
        let mut event = Event::ordinary(Kind::Connect, ([192, 0, 2, 7], 1).into(), Moment::from_millis(0));
        assert!(event.mask().is_none());
        event.facts.user = Some("alice".into());
        assert!(event.mask().is_none());
        event.facts.pseudonym = Some("unknown~001".into());
        assert_eq!(
            event.mask().and_then(|mask| mask.of_name("alice").map(str::to_owned)).as_deref(),
            Some("unknown~001")
        );
        event.facts.user = Some(String::new());
        assert!(event.mask().is_none());
    }
}
