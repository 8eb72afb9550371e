//! What people say is normal: a flow that runs all the time, a time in which nobody is there.

use super::leak::{Period, Stated};

/// What somebody said of a property, which takes the place of all that was said before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statement {
    /// When it was said, seconds since the epoch: it holds from then on.
    pub at: i64,
    /// `users.id`.
    pub by: String,
    /// Millilitres an hour that flow all the time and are no leak.
    pub normal: Option<i64>,
    /// From when until when nobody is there, seconds since the epoch.
    pub away: Option<(i64, i64)>,
}

/// All that was said of a property, oldest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Expectations {
    /// The statements.
    pub statements: Vec<Statement>,
    /// Rises with each.
    pub revision: i64,
}

/// Statements that are kept: of more, the oldest have nothing left to say of reads that still count.
pub const MOST_STATEMENTS: usize = 50;

impl Expectations {
    /// Adds what is said now.
    pub fn state(&mut self, statement: Statement) {
        self.statements.push(statement);
        let surplus = self.statements.len().saturating_sub(MOST_STATEMENTS);
        self.statements.drain(..surplus);
        self.revision += 1;
    }

    /// What follows for the flow, by time: what was said holds until something else is said.
    pub fn periods(&self) -> impl Iterator<Item = Period> + '_ {
        let ends = self.statements.iter().skip(1).map(|next| next.at).chain([i64::MAX]);
        self.statements.iter().zip(ends).flat_map(|(said, end)| {
            let normal =
                said.normal.map(|flow| Period { from: said.at, until: end, what: Stated::Normal(flow) });
            let away = said.away.map(|(from, until)| Period {
                from: from.max(said.at),
                until: until.min(end),
                what: Stated::Away,
            });
            normal.into_iter().chain(away).filter(|period| period.from < period.until)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_holds_until_something_else_is() {
        let mut expectations = Expectations::default();
        let said = |at, normal, away| Statement { at, by: "customer-1".into(), normal, away };
        expectations.state(said(100, Some(5_000), Some((50, 400))));
        expectations.state(said(300, None, Some((500, 600))));
        let periods: Vec<_> = expectations.periods().collect();
        assert_eq!(
            periods,
            [
                Period { from: 100, until: 300, what: Stated::Normal(5_000) },
                Period { from: 100, until: 300, what: Stated::Away },
                Period { from: 500, until: 600, what: Stated::Away },
            ]
        );
        assert_eq!(expectations.revision, 2);
    }

    #[test]
    fn only_the_latest_statements_are_kept() {
        let mut expectations = Expectations::default();
        (0..60).for_each(|at| {
            expectations.state(Statement { at, by: String::new(), normal: Some(at), away: None });
        });
        assert_eq!((expectations.statements.len(), expectations.statements[0].at), (MOST_STATEMENTS, 10));
    }
}
