//! What a channel is: something that takes a letter, and says what became of it.

use std::collections::HashMap;
use std::sync::Arc;

use futures::future::BoxFuture;

use crate::domain::ladder::{Channel, Outcome};
use crate::domain::person::Language;
use crate::domain::words::Text;

/// A message on its way to one address.
#[derive(Clone, Debug)]
pub struct Letter {
    /// What the channel recognises a repetition by.
    pub id: String,
    /// Where it goes.
    pub address: String,
    /// What the reader is called; empty if nobody knows.
    pub name: String,
    /// In which language it is.
    pub language: Language,
    /// In a line.
    pub title: String,
    /// What it says: one text, or those of a digest.
    pub texts: Vec<Text>,
    /// The words before it, on the way to more, and after it.
    pub frame: Frame,
    /// Where the console shows more; a path.
    pub link: String,
    /// The approved template that says the same, for channels that take nothing else.
    pub template: Template,
}

/// A message as a template and what fills it.
#[derive(Clone, Debug)]
pub struct Template {
    /// Its name, the same in every language.
    pub name: &'static str,
    /// In their order.
    pub parameters: Vec<String>,
}

/// The words around a message.
#[derive(Clone, Debug)]
pub struct Frame {
    /// "Hello …,".
    pub greeting: String,
    /// "See more".
    pub more: String,
    /// Why the reader gets it, and how to stop it.
    pub footer: String,
}

#[cfg(test)]
impl Letter {
    /// One to try channels with.
    pub fn sample() -> Self {
        let text = Text { title: "Low".to_owned(), message: "You have Rp 48,500 left.".to_owned() };
        Self {
            id: "alert-1.1".to_owned(),
            address: "budi@example.com".to_owned(),
            name: "Budi".to_owned(),
            language: Language::English,
            title: "Your credit is running low".to_owned(),
            texts: vec![text],
            frame: Frame {
                greeting: "Hello Budi,".to_owned(),
                more: "See more".to_owned(),
                footer: "You get this message because".to_owned(),
            },
            link: "/balance".to_owned(),
            template: Template { name: "balance_low", parameters: vec![] },
        }
    }
}

/// A channel.
pub trait Carrier: Send + Sync {
    /// Sends a letter, at least once. It ends within the channel's time-out.
    fn carry<'a>(&'a self, letter: &'a Letter) -> BoxFuture<'a, Outcome>;
}

/// The channels that are set up.
pub type Carriers = HashMap<Channel, Arc<dyn Carrier>>;
