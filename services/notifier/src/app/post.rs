//! Messages find their way: what is due is taken in hand, sent on the channel whose turn it is, and what became of it is
//! written down. An instance that dies with one in hand loses it after a while, and the next one sends it again, with what the
//! channel recognises a repetition by.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use indowater_common::error::{Fatal, Retry};
use indowater_common::{clock, telemetry};
use jiff::Timestamp;
use tokio::sync::Mutex;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::carrier::{Carrier, Carriers, Frame, Letter, Template};
use crate::domain::delivery::Delivery;
use crate::domain::figures::Figure;
use crate::domain::ladder::{self, Channel, Course, Outcome, Step, Try};
use crate::domain::person::{Person, Role};
use crate::domain::preferences::Preferences;
use crate::domain::words::Catalogue;
use crate::mongo::Store;
use crate::observe;

/// For how long a message is in hand: longer than any channel takes.
const TERM: Duration = Duration::from_secs(120);
/// How long one may wait in hand for its turn on a channel.
const TURN: Duration = Duration::from_secs(30);
const PAUSE: Duration = Duration::from_millis(500);

/// The way of messages to people.
pub struct Post {
    store: Store,
    catalogue: Arc<Catalogue>,
    carriers: Carriers,
    turns: HashMap<Channel, Turns>,
    whatsapp_people: usize,
}

/// How often a channel may be used by this instance.
pub struct Turns {
    every: Duration,
    next: Mutex<Instant>,
}

impl Turns {
    /// So many a minute, one after the other.
    pub fn a_minute(times: u32) -> Self {
        Self { every: Duration::from_secs(60) / times.max(1), next: Mutex::new(Instant::now()) }
    }

    /// When it is somebody's turn, unless that is too long to wait.
    async fn take(&self) -> Option<Instant> {
        let (mut next, now) = (self.next.lock().await, Instant::now());
        let turn = (*next).max(now);
        (turn - now <= TURN).then(|| {
            *next = turn + self.every;
            turn
        })
    }
}

impl Post {
    /// Over the channels that are set up, each with its turns; on WhatsApp to so many people in a day.
    pub fn new(
        store: Store,
        catalogue: Arc<Catalogue>,
        carriers: Carriers,
        turns: HashMap<Channel, Turns>,
        whatsapp_people: usize,
    ) -> Self {
        Self { store, catalogue, carriers, turns, whatsapp_people }
    }

    /// Sends what is due for as long as the service runs.
    ///
    /// # Errors
    /// None: what fails is tried again.
    pub async fn deliver(self: Arc<Self>, stop: CancellationToken) -> Result<(), Fatal> {
        while !stop.is_cancelled() {
            let pause = match self.one(clock::now()).await {
                Ok(true) => continue,
                Ok(false) => PAUSE,
                Err(error) => {
                    observe::post_waits(&error);
                    Duration::from_secs(1)
                }
            };
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = stop.cancelled() => {}
            }
        }
        Ok(())
    }

    /// Deals with one message. False if none is due.
    async fn one(&self, now: Timestamp) -> Result<bool, Retry> {
        let Some(mut delivery) = self.store.claim(now, TERM).await? else { return Ok(false) };
        let (person, channels) = self.reader(&delivery.user_id).await?;
        match self.next(&delivery, &person, &channels, now).await? {
            Step::Send(channel) => {
                let in_digest = delivery.in_digest;
                let mut together = vec![delivery];
                let others = match in_digest {
                    true => self.store.claim_digest(&person.id, now, TERM).await?,
                    false => Vec::new(),
                };
                for mut other in others {
                    match self.next(&other, &person, &channels, now).await? {
                        Step::Send(same) if same == channel => together.push(other),
                        step => {
                            other.step(step, now.as_second());
                            self.write(&other).await?;
                        }
                    }
                }
                self.send(together, &person, channel).await?;
            }
            step => {
                delivery.step(step, now.as_second());
                self.write(&delivery).await?;
            }
        }
        Ok(true)
    }

    /// A reader, and the channels to them that are set up.
    async fn reader(&self, user_id: &str) -> Result<(Person, Vec<Channel>), Retry> {
        let people = self.store.people(&[user_id]).await?;
        let person = people.into_values().next().unwrap_or_else(|| Person::unknown(user_id));
        let preferences = match person.role {
            Role::Customer => self.store.preferences(&[user_id]).await?.into_values().next(),
            Role::Technician | Role::Admin => None,
        };
        let preferences = preferences.unwrap_or_else(|| Preferences::default_of(user_id));
        let has_push = self.carriers.contains_key(&Channel::Push) && person.wants_push;
        let has_push = has_push && !self.store.push_tokens(user_id).await?.is_empty();
        let mut channels = ladder::channels(&person, &preferences, has_push);
        channels.retain(|channel| self.carriers.contains_key(channel));
        Ok((person, channels))
    }

    async fn next(
        &self,
        delivery: &Delivery,
        person: &Person,
        channels: &[Channel],
        now: Timestamp,
    ) -> Result<Step, Retry> {
        let heard = self.store.heard(delivery).await?;
        let course = Course {
            severity: delivery.severity,
            in_digest: delivery.in_digest,
            since: delivery.since,
            tries: &delivery.tries,
            is_heard: heard.is_heard,
            is_past: heard.is_past,
        };
        Ok(ladder::next(&course, person, channels, now.as_second()))
    }

    /// Sends messages as one, and writes down for each what became of it.
    async fn send(
        &self,
        mut together: Vec<Delivery>,
        person: &Person,
        channel: Channel,
    ) -> Result<(), Retry> {
        let turn = match self.turns.get(&channel) {
            Some(turns) => turns.take().await,
            None => Some(Instant::now()),
        };
        let (Some(carrier), Some(turn)) = (self.carriers.get(&channel), turn) else {
            for delivery in &mut together {
                delivery.due = clock::now().as_second() + 60;
                self.write(delivery).await?;
            }
            return Ok(());
        };
        tokio::time::sleep_until(turn).await;
        let outcome = match self.has_room(channel, &person.id).await? {
            true => self.carry(&**carrier, &together, person, channel).await?,
            false => Outcome::Refused("it reached as many people as it may in a day".to_owned()),
        };
        observe::tried(channel, &outcome, together.len());
        let now = clock::now();
        let (person, channels) = self.reader(&person.id).await?;
        for delivery in &mut together {
            delivery.tries.push(Try { channel, at: now.as_second(), outcome: outcome.clone() });
            let step = self.next(delivery, &person, &channels, now).await?;
            delivery.step(step, now.as_second());
            self.write(delivery).await?;
        }
        Ok(())
    }

    async fn write(&self, delivery: &Delivery) -> Result<(), Retry> {
        if self.store.settle(delivery).await? {
            observe::settled(delivery);
        }
        Ok(())
    }

    /// Sends messages as one to each address of the channel. One that took it is enough; an address that is none any more ends.
    async fn carry(
        &self,
        carrier: &dyn Carrier,
        together: &[Delivery],
        person: &Person,
        channel: Channel,
    ) -> Result<Outcome, Retry> {
        let addresses = match channel {
            Channel::Email => person.email.clone().into_iter().collect(),
            Channel::Whatsapp => person.whatsapp.clone().into_iter().collect(),
            Channel::Push => self.store.push_tokens(&person.id).await?,
        };
        let mut outcomes = Vec::new();
        for address in addresses {
            let outcome = carrier.carry(&self.letter(together, person, &address)).await;
            if let Outcome::Ended(reason) = &outcome {
                match channel {
                    Channel::Push => self.store.forget_push_token(&address).await?,
                    _ => self.store.end_address(&person.id, channel, &address, reason).await?,
                }
            }
            outcomes.push(outcome);
        }
        Ok(best(outcomes).unwrap_or_else(|| Outcome::Refused("the address is gone".to_owned())))
    }

    /// WhatsApp lets a new business write to so many people in any moving day; a few more may slip through when several instances send at once.
    async fn has_room(&self, channel: Channel, user_id: &str) -> Result<bool, Retry> {
        if channel != Channel::Whatsapp {
            return Ok(true);
        }
        let since = clock::now().as_second() - 86_400;
        let reached = self.store.reached(channel, since).await?;
        Ok(reached.len() < self.whatsapp_people || reached.iter().any(|known| known == user_id))
    }

    fn letter(&self, together: &[Delivery], person: &Person, address: &str) -> Letter {
        let phrase = |name: &str, figures: &[(&str, Figure<'_>)]| {
            self.catalogue.phrase(person.language, &person.zone, name, figures)
        };
        let text =
            |delivery: &Delivery| self.catalogue.text(&delivery.content, person.language, &person.zone);
        let texts: Vec<_> = together.iter().map(text).collect();
        let count = i64::try_from(texts.len()).unwrap_or(i64::MAX);
        let (title, link, template) = match (&texts[..], together) {
            ([one], [delivery]) => {
                let (row, content) = (delivery.content.kind().row(), &delivery.content);
                let parameters = Catalogue::parameters(content, person.language, &person.zone);
                (one.title.clone(), row.link, Template { name: row.name, parameters })
            }
            _ => {
                let titles: Vec<&str> = texts.iter().map(|text| &*text.title).collect();
                let parameters = vec![count.to_string(), titles.join("; ")];
                let title = phrase("digest-title", &[("count", Figure::Count(count))]);
                (title, "/notifications", Template { name: "digest", parameters })
            }
        };
        let name = if person.name.is_empty() { Figure::Choice("none") } else { Figure::Name(&person.name) };
        Letter {
            id: together.first().map_or_else(String::new, |delivery| delivery.id.clone()),
            address: address.to_owned(),
            name: person.name.clone(),
            language: person.language,
            title,
            texts,
            frame: Frame {
                greeting: phrase("mail-greeting", &[("name", name)]),
                more: phrase("mail-more", &[]),
                footer: phrase("mail-footer", &[]),
            },
            link: link.to_owned(),
            template,
        }
    }

    /// Keeps the gauge of what waits up to date, until `stop`.
    ///
    /// # Errors
    /// None.
    pub async fn watch(self: Arc<Self>, stop: CancellationToken) -> Result<(), Fatal> {
        let waiting = telemetry::meter()
            .u64_gauge("indowater_deliveries_overdue")
            .with_description("Messages for which something is to be done by now")
            .build();
        while !stop.is_cancelled() {
            if let Ok(overdue) = self.store.overdue(clock::now()).await {
                waiting.record(overdue, &[]);
            }
            tokio::select! {
                () = tokio::time::sleep(Duration::from_secs(5)) => {}
                () = stop.cancelled() => {}
            }
        }
        Ok(())
    }
}

/// What came of several addresses of one channel: sent if one took it, else what may be otherwise later.
fn best(outcomes: Vec<Outcome>) -> Option<Outcome> {
    let rank = |outcome: &Outcome| match outcome {
        Outcome::Sent(_) => 0,
        Outcome::Failed(_) => 1,
        Outcome::Refused(_) => 2,
        Outcome::Ended(_) => 3,
    };
    outcomes.into_iter().min_by_key(rank)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_phone_that_took_it_is_enough() {
        let (sent, failed) = (|| Outcome::Sent("1".to_owned()), || Outcome::Failed("503".to_owned()));
        let ended = || Outcome::Ended("UNREGISTERED".to_owned());
        assert_eq!(best(vec![ended(), failed(), sent()]), Some(sent()));
        assert_eq!(best(vec![ended(), failed()]), Some(failed()));
        assert_eq!(best(vec![ended()]), Some(ended()));
        assert_eq!(best(vec![]), None);
    }

    #[tokio::test(start_paused = true)]
    async fn turns_follow_each_other_and_nobody_waits_for_long() {
        let turns = Turns::a_minute(60);
        let begun = Instant::now();
        for second in 0..=30_u64 {
            assert_eq!(turns.take().await.map(|turn| turn - begun), Some(Duration::from_secs(second)));
        }
        assert_eq!(turns.take().await, None);
    }
}
