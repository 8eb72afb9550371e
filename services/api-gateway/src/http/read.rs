//! Reads queries and bodies: serde says which value is wrong, this says it in our own words, and goes on until all that is
//! wrong is known. What a caller wrote never comes back, for it may be a password.

use std::fmt::{self, Display};

use serde::de::value::StrDeserializer;
use serde::de::{self, DeserializeOwned, DeserializeSeed, Deserializer, IntoDeserializer, Visitor};
use serde::{Deserialize, forward_to_deserialize_any};
use serde_json::Number;

use crate::failure::Fault;

/// A query or a body, before anybody says what it should be.
#[derive(Clone, Debug, PartialEq)]
pub enum Node {
    /// `null`
    Null,
    /// `true` or `false`
    Bool(bool),
    /// A number.
    Number(Number),
    /// A text.
    Text(String),
    /// A value of a query: a text of which anything may be read.
    Value(String),
    /// A list.
    List(Vec<Node>),
    /// An object, with all its fields, also those that come twice.
    Fields(Vec<(String, Node)>),
    /// An item of a list whose fault is reported already: as if it were not there, and the others keep their places.
    Removed,
}

/// What is wrong with which value. The path is kept from the inside to the outside.
#[derive(Debug)]
pub struct Wrong {
    path: Vec<Step>,
    detail: String,
}

#[derive(Clone, Debug, PartialEq)]
enum Step {
    Field(String),
    Item(usize),
}

/// Faults that are reported at most: each costs another reading, and who sends more did not mean this route.
const MOST_FAULTS: usize = 50;

/// Reads `T` from `node`.
///
/// # Errors
/// All that is wrong up to [`MOST_FAULTS`], but of missing fields only the first.
pub fn read<T: DeserializeOwned>(mut node: Node) -> Result<T, Vec<Fault>> {
    let mut faults: Vec<Fault> = Vec::new();
    loop {
        let wrong = match T::deserialize(&node) {
            Ok(value) if faults.is_empty() => return Ok(value),
            Ok(_) => return Err(faults),
            Err(wrong) => wrong,
        };
        let field = wrong.field();
        // What was taken out is missing now, which is no news: then what it was a part of goes too.
        let is_news = faults.iter().all(|fault| fault.field != field);
        let mut places = (0..wrong.path.len()).skip(usize::from(!is_news));
        let removed = places.any(|inside| node.remove(&wrong.path[inside..]));
        if is_news {
            faults.push(Fault::new(field, wrong.detail));
        }
        if !removed || faults.len() == MOST_FAULTS {
            return Err(faults);
        }
    }
}

impl Node {
    /// Takes a value out; whether it was there.
    fn remove(&mut self, path: &[Step]) -> bool {
        match (self, path) {
            (Self::Fields(fields), [Step::Field(name)]) => {
                let place = fields.iter().position(|(field, _)| field == name);
                place.map(|place| fields.remove(place)).is_some()
            }
            (Self::Fields(fields), [inside @ .., Step::Field(name)]) => {
                let field = fields.iter_mut().find(|(field, _)| field == name);
                field.is_some_and(|(_, node)| node.remove(inside))
            }
            (Self::List(items), [Step::Item(place)]) => {
                items.get_mut(*place).map(|item| std::mem::replace(item, Self::Removed)).is_some()
            }
            (Self::List(items), [inside @ .., Step::Item(place)]) => {
                items.get_mut(*place).is_some_and(|item| item.remove(inside))
            }
            _ => false,
        }
    }
}

impl Wrong {
    fn at(mut self, step: Step) -> Self {
        self.path.push(step);
        self
    }

    /// The path as `blocks[0].price`.
    fn field(&self) -> String {
        let mut field = String::new();
        for step in self.path.iter().rev() {
            match step {
                Step::Field(name) if field.is_empty() => field.push_str(name),
                Step::Field(name) => field.extend([".", name]),
                Step::Item(place) => field.push_str(&format!("[{place}]")),
            }
        }
        field
    }
}

impl Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.detail)
    }
}

impl std::error::Error for Wrong {}

impl de::Error for Wrong {
    fn custom<T: Display>(detail: T) -> Self {
        Self { path: Vec::new(), detail: detail.to_string() }
    }

    fn invalid_type(_: de::Unexpected<'_>, expected: &dyn de::Expected) -> Self {
        let expected = expected.to_string();
        let kind = match expected.as_str() {
            "i32" | "i64" | "u32" | "u64" | "usize" => "a whole number",
            "a string" => "a text",
            "a boolean" => "true or false",
            "a sequence" => "a list",
            other => other,
        };
        Self::custom(format!("must be {kind}"))
    }

    fn invalid_value(unexpected: de::Unexpected<'_>, expected: &dyn de::Expected) -> Self {
        Self::invalid_type(unexpected, expected)
    }

    fn unknown_variant(_: &str, expected: &'static [&'static str]) -> Self {
        Self::custom(format!("must be one of {}", expected.join(", ")))
    }

    fn unknown_field(field: &str, expected: &'static [&'static str]) -> Self {
        let detail = format!("is not known here; known are {}", expected.join(", "));
        Self { path: vec![Step::Field(field.to_owned())], detail }
    }

    fn missing_field(field: &'static str) -> Self {
        Self { path: vec![Step::Field(field.to_owned())], detail: "is required".to_owned() }
    }

    fn duplicate_field(field: &'static str) -> Self {
        Self { path: vec![Step::Field(field.to_owned())], detail: "is given twice".to_owned() }
    }
}

impl<'de> Deserializer<'de> for &'de Node {
    type Error = Wrong;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
        match self {
            Node::Null | Node::Removed => visitor.visit_unit(),
            Node::Bool(value) => visitor.visit_bool(*value),
            Node::Number(number) => match (number.as_i64(), number.as_u64()) {
                (Some(number), _) => visitor.visit_i64(number),
                (None, Some(number)) => visitor.visit_u64(number),
                (None, None) => Err(de::Error::invalid_type(de::Unexpected::Other("fraction"), &visitor)),
            },
            Node::Text(text) | Node::Value(text) => visitor.visit_str(text),
            Node::List(items) => visitor.visit_seq(Items(items.iter().enumerate())),
            Node::Fields(fields) => visitor.visit_map(Fields { rest: fields.iter(), field: None }),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
        if *self == Node::Null { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Wrong> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Wrong> {
        match self {
            Node::Text(text) | Node::Value(text) => {
                let word: StrDeserializer<'_, Wrong> = text.as_str().into_deserializer();
                visitor.visit_enum(word)
            }
            _ => Err(de::Error::invalid_type(de::Unexpected::Other("no text"), &"a string")),
        }
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
        match self {
            Node::Value(text) => match text.as_str() {
                "true" => visitor.visit_bool(true),
                "false" => visitor.visit_bool(false),
                _ => Err(de::Error::invalid_type(de::Unexpected::Other("text"), &visitor)),
            },
            _ => self.deserialize_any(visitor),
        }
    }

    fn deserialize_i64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
        match self {
            Node::Value(text) => match text.parse() {
                Ok(number) if text.starts_with(|c: char| c == '-' || c.is_ascii_digit()) => {
                    visitor.visit_i64(number)
                }
                _ => Err(de::Error::invalid_type(de::Unexpected::Other("text"), &visitor)),
            },
            _ => self.deserialize_any(visitor),
        }
    }

    fn deserialize_i32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
        self.deserialize_i64(visitor)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Wrong> {
        match self {
            // Not a list of its fields, which serde would take as well.
            Node::Fields(_) => self.deserialize_any(visitor),
            _ => Err(de::Error::custom("must be an object")),
        }
    }

    forward_to_deserialize_any! {
        i8 i16 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct seq tuple
        tuple_struct map identifier ignored_any
    }
}

struct Items<'de>(std::iter::Enumerate<std::slice::Iter<'de, Node>>);

impl<'de> de::SeqAccess<'de> for Items<'de> {
    type Error = Wrong;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Wrong> {
        let item = self.0.find(|(_, item)| **item != Node::Removed);
        item.map(|(place, item)| seed.deserialize(item).map_err(|wrong| wrong.at(Step::Item(place))))
            .transpose()
    }
}

struct Fields<'de> {
    rest: std::slice::Iter<'de, (String, Node)>,
    field: Option<&'de (String, Node)>,
}

impl<'de> de::MapAccess<'de> for Fields<'de> {
    type Error = Wrong;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Wrong> {
        self.field = self.rest.next();
        let name = |(name, _): &'de (String, Node)| -> StrDeserializer<'de, Wrong> {
            name.as_str().into_deserializer()
        };
        self.field.map(|field| seed.deserialize(name(field))).transpose()
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Wrong> {
        let (name, node) = self.field.ok_or_else(|| <Wrong as de::Error>::custom("is no field"))?;
        seed.deserialize(node).map_err(|wrong| wrong.at(Step::Field(name.clone())))
    }
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Json)
    }
}

/// Takes JSON as it is.
struct Json;

impl<'de> Visitor<'de> for Json {
    type Value = Node;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Node, E> {
        Ok(Node::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Node, E> {
        Ok(Node::Bool(value))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Node, E> {
        Ok(Node::Number(number.into()))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Node, E> {
        Ok(Node::Number(number.into()))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Node, E> {
        Ok(Number::from_f64(number).map_or(Node::Null, Node::Number))
    }

    fn visit_str<E>(self, text: &str) -> Result<Node, E> {
        Ok(Node::Text(text.to_owned()))
    }

    fn visit_seq<A: de::SeqAccess<'de>>(self, mut items: A) -> Result<Node, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Node::List(list))
    }

    fn visit_map<A: de::MapAccess<'de>>(self, mut fields: A) -> Result<Node, A::Error> {
        let mut all = Vec::new();
        while let Some(field) = fields.next_entry()? {
            all.push(field);
        }
        Ok(Node::Fields(all))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Form {
        amount: i64,
        #[serde(default)]
        by_hand: bool,
        blocks: Option<Vec<Block>>,
    }

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Block {
        price: String,
    }

    fn faults(json: &str) -> Vec<(String, String)> {
        let faults = read::<Form>(serde_json::from_str(json).unwrap()).unwrap_err();
        faults.into_iter().map(|fault| (fault.field, fault.detail)).collect()
    }

    #[test]
    fn all_that_is_wrong_is_told_in_our_words() {
        for (json, expected) in [
            (r#"{"amount": 1.5}"#, vec![("amount", "must be a whole number")]),
            (r#"{"amount": "hunter2"}"#, vec![("amount", "must be a whole number")]),
            (r#"{}"#, vec![("amount", "is required")]),
            ("[]", vec![("", "must be an object")]),
            (
                r#"{"amount": 5000.0, "by_hand": "yes", "made_by": 1}"#,
                vec![
                    ("amount", "must be a whole number"),
                    ("by_hand", "must be true or false"),
                    ("made_by", "is not known here; known are amount, by_hand, blocks"),
                ],
            ),
            (
                r#"{"amount": 1, "blocks": [{"price": 1}, {"price": "2"}, {"price": "3", "x": 1}]}"#,
                vec![
                    ("blocks[0].price", "must be a text"),
                    ("blocks[2].x", "is not known here; known are price"),
                ],
            ),
            (r#"{"amount": 1, "amount": 2}"#, vec![("amount", "is given twice")]),
        ] {
            let expected: Vec<_> =
                expected.into_iter().map(|(field, detail)| (field.to_owned(), detail.to_owned())).collect();
            assert_eq!(faults(json), expected, "{json}");
        }
    }

    #[test]
    fn anything_is_read_of_a_query() {
        let value = |text: &str| Node::Value(text.to_owned());
        let query = |amount: &str, by_hand: &str| {
            read::<Form>(Node::Fields(vec![
                ("amount".to_owned(), value(amount)),
                ("by_hand".to_owned(), value(by_hand)),
            ]))
        };
        assert_eq!(query("-7", "true").unwrap(), Form { amount: -7, by_hand: true, blocks: None });
        for wrong in ["", "+7", "7.0", " 7", "seven", "99999999999999999999"] {
            assert_eq!(query(wrong, "perhaps").unwrap_err().len(), 2, "{wrong}");
        }
    }
}
