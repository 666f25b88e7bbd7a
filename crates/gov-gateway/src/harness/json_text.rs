//! JSON as its author wrote it: a tree of places in the text, to change one and keep the rest.
//!
//! Line and block comments and trailing commas are taken as settings files of editors have them;
//! a key that stands twice in one object is refused, since readers differ in which they take.

use std::ops::Range;

use serde_json::Value;

mod edit;
mod read;

pub use self::edit::Edited;

/// The deepest nesting that is read.
pub const MAX_DEPTH: usize = 64;

/// A text with the tree of its values.
#[derive(Debug)]
pub struct JsonText<'a> {
    text: &'a str,
    root: Node,
}

/// One value, and where it stands.
#[derive(Debug)]
pub struct Node {
    span: Range<usize>,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    Object(Vec<(String, Node)>),
    Array(Vec<Node>),
    Scalar(Value),
}

/// The text cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, column {column}: {problem}")]
pub struct TextError {
    /// Counted from 1.
    pub line: usize,
    /// In characters, counted from 1.
    pub column: usize,
    /// What is wrong there.
    pub problem: String,
}

impl<'a> JsonText<'a> {
    /// Reads one value, with comments around and in it.
    ///
    /// # Errors
    ///
    /// [`TextError`] with the place and what is wrong.
    pub fn parse(text: &'a str) -> Result<Self, TextError> {
        read::read(text).map(|root| Self { text, root })
    }

    /// The outermost value.
    #[must_use]
    pub fn root(&self) -> &Node {
        &self.root
    }
}

impl Node {
    /// The member of an object; `None` where there is none, or no object.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Self> {
        match &self.kind {
            Kind::Object(members) => members.iter().find(|(it, _)| it == key).map(|(_, it)| it),
            _ => None,
        }
    }

    /// The elements of an array; `None` where it is none.
    #[must_use]
    pub fn elements(&self) -> Option<&[Self]> {
        match &self.kind {
            Kind::Array(elements) => Some(elements),
            _ => None,
        }
    }

    /// Whether it is an object.
    #[must_use]
    pub fn is_object(&self) -> bool {
        matches!(self.kind, Kind::Object(_))
    }

    /// The text of a string; `None` where it is none.
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        match &self.kind {
            Kind::Scalar(value) => value.as_str(),
            _ => None,
        }
    }

    /// The value without its place.
    #[must_use]
    pub fn to_value(&self) -> Value {
        match &self.kind {
            Kind::Object(members) => {
                members.iter().map(|(key, node)| (key.clone(), node.to_value())).collect()
            }
            Kind::Array(elements) => elements.iter().map(Self::to_value).collect(),
            Kind::Scalar(value) => value.clone(),
        }
    }
}
