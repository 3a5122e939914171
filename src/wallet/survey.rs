//! Judging the surveys of a party's bet queue: when has every bet been decided that was there at some moment?
//!
//! Pure. One survey is: the broker says how many bets are ready and how many consumers the queue has; then every
//! session that consumes it, of whichever process, says how many bets it had received for the first time, once it has
//! decided all that it had received when it was asked ([`Survey::answers`]). A bet that was in the queue before is then
//! ready, decided, or in the hands of a session that did not answer. So
//!
//! - nobody may be missing: as many sessions as the queue has consumers answered this survey *and* an earlier one, so
//!   that none of them came, and none left, between the broker's word and theirs. Where one is frozen or cut off, the
//!   survey fails until the broker has ended it and taken its bets back;
//! - and no bet of then may be ready any more: either none is, or so many were received for the first time since an
//!   earlier survey, whose sessions are all still there, as were ready then. A queue is first in, first out, and what it
//!   took back it hands out first.

use std::collections::{BTreeMap, BTreeSet};

use uuid::Uuid;

use super::backlog::Mark;

/// Earlier surveys that are remembered, since some bets of theirs were still ready: so many marks pass one after
/// another. With more the last is replaced, and whoever asked before it waits a little longer.
const MAX_POSITIONS: usize = 16;

/// One session of one process, named at random when it begins.
pub type SessionId = Uuid;

/// A completed survey.
#[derive(Debug, Clone)]
pub struct Survey {
    /// Whoever has a mark up to this one took it before the survey began.
    pub mark: Mark,
    /// Bets that were ready, by the broker.
    pub ready: u64,
    /// Consumers of the queue at the same moment, by the broker.
    pub consumers: usize,
    /// Bets that each session had received for the first time when it was asked.
    pub answers: BTreeMap<SessionId, u64>,
    /// Sessions that consume no more and may still have bets in their hands.
    pub leaving: BTreeSet<SessionId>,
}

/// How far the queue was at an earlier survey.
#[derive(Debug)]
struct Position {
    mark: Mark,
    ready: u64,
    received: BTreeMap<SessionId, u64>,
    /// Whether so many have been received since. It takes one more survey until they are decided.
    is_reached: bool,
}

/// What is remembered from survey to survey.
#[derive(Debug, Default)]
pub struct Surveys {
    /// Who answered the last one.
    known: BTreeSet<SessionId>,
    positions: Vec<Position>,
}

impl Survey {
    /// Whether nobody is missing: every consumer has answered, and everyone who is leaving.
    pub(crate) fn is_complete(&self) -> bool {
        let consuming = self.answers.keys().filter(|session| !self.leaving.contains(session)).count();
        consuming >= self.consumers && self.leaving.iter().all(|session| self.answers.contains_key(session))
    }
}

impl Surveys {
    /// The highest mark that is passed by what this survey tells, if one is.
    pub fn judge(&mut self, survey: Survey) -> Option<Mark> {
        let was_known = |session: &&SessionId| self.known.contains(session) && !survey.leaving.contains(session);
        let steady = survey.answers.keys().filter(was_known).count();
        let is_steady = survey.is_complete() && steady >= survey.consumers;
        self.known = survey.answers.keys().copied().collect();
        self.positions.retain(|position| position.is_comparable(&survey));
        if !is_steady {
            return None;
        }
        let mut passed = None;
        for position in &mut self.positions {
            if position.is_reached {
                passed = passed.max(Some(position.mark));
            }
            position.is_reached |= position.received_since(&survey) >= position.ready;
        }
        if survey.ready == 0 {
            passed = Some(survey.mark);
        }
        self.positions.retain(|position| Some(position.mark) > passed);
        if survey.ready > 0 {
            self.remember(survey);
        }
        passed
    }

    fn remember(&mut self, survey: Survey) {
        if self.positions.len() == MAX_POSITIONS {
            self.positions.pop();
        }
        let Survey { mark, ready, answers, .. } = survey;
        self.positions.push(Position { mark, ready, received: answers, is_reached: false });
    }
}

impl Position {
    /// Whether all of its sessions are still there: what one that is gone had in its hands is ready again.
    fn is_comparable(&self, survey: &Survey) -> bool {
        self.received.keys().all(|session| survey.answers.contains_key(session))
    }

    fn received_since(&self, survey: &Survey) -> u64 {
        let since = |(session, before): (&SessionId, &u64)| {
            survey.answers.get(session).map_or(0, |now| now.saturating_sub(*before))
        };
        self.received.iter().map(since).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::Party;
    use crate::wallet::backlog::BetBacklogs;

    const A: SessionId = Uuid::from_u128(1);
    const B: SessionId = Uuid::from_u128(2);
    const C: SessionId = Uuid::from_u128(3);

    /// Marks come from a queue; this one has nobody waiting.
    struct Queue {
        backlogs: BetBacklogs,
        party: Party,
        surveys: Surveys,
    }

    impl Queue {
        fn new() -> Self {
            let party = Party::parse("acme").unwrap();
            Self { backlogs: BetBacklogs::of([party.clone()]), party, surveys: Surveys::default() }
        }

        /// Surveys, and says whether whoever asked just before it may lose patience now.
        fn survey(&mut self, ready: u64, consumers: usize, answers: &[(SessionId, u64)]) -> bool {
            self.with_leaving(ready, consumers, answers, &[])
        }

        fn with_leaving(
            &mut self,
            ready: u64,
            consumers: usize,
            answers: &[(SessionId, u64)],
            leaving: &[SessionId],
        ) -> bool {
            let mark = self.backlogs.measure(&self.party);
            let (answers, leaving) = (answers.iter().copied().collect(), leaving.iter().copied().collect());
            self.surveys.judge(Survey { mark, ready, consumers, answers, leaving }) == Some(mark)
        }

        fn passed(&mut self, ready: u64, consumers: usize, answers: &[(SessionId, u64)]) -> Option<Mark> {
            let mark = self.backlogs.measure(&self.party);
            let answers = answers.iter().copied().collect();
            self.surveys.judge(Survey { mark, ready, consumers, answers, leaving: BTreeSet::new() })
        }
    }

    #[test]
    fn an_empty_queue_is_passed_by_the_second_survey_that_all_answer() {
        let mut queue = Queue::new();
        assert!(!queue.survey(0, 2, &[(A, 5), (B, 6)]), "who was there when the broker spoke is not known yet");
        assert!(queue.survey(0, 2, &[(A, 5), (B, 6)]));
    }

    #[test]
    fn nothing_is_passed_while_a_consumer_is_silent() {
        let mut queue = Queue::new();
        for _ in 0..3 {
            assert!(!queue.survey(0, 2, &[(A, 5)]));
        }
        assert!(queue.survey(0, 1, &[(A, 5)]), "the broker has ended the other, and has its bets back");
    }

    #[test]
    fn one_who_came_does_not_stand_in_for_one_who_went() {
        let mut queue = Queue::new();
        queue.survey(0, 2, &[(A, 5), (B, 6)]);
        assert!(!queue.survey(0, 2, &[(A, 5), (C, 0)]), "B's bets may have come back after the broker spoke");
        assert!(queue.survey(0, 2, &[(A, 5), (C, 0)]));
    }

    #[test]
    fn what_was_ready_is_passed_when_as_many_came_and_were_decided() {
        let mut queue = Queue::new();
        queue.survey(9, 1, &[(A, 0)]);
        let asked = queue.backlogs.mark(&queue.party).unwrap();
        assert_eq!(queue.passed(10, 1, &[(A, 0)]), None);
        assert_eq!(queue.passed(10, 1, &[(A, 9)]), None, "one of the ten is still to come, though more lie behind");
        assert_eq!(queue.passed(10, 1, &[(A, 10)]), None, "the tenth was received, and the next survey waits for it");
        let passed = queue.passed(10, 1, &[(A, 11)]);
        assert!(passed >= Some(asked) && passed < queue.backlogs.mark(&queue.party));
    }

    #[test]
    fn what_several_received_adds_up_and_who_joins_later_does_not_count() {
        let mut queue = Queue::new();
        queue.survey(10, 2, &[(A, 0), (B, 100)]);
        let asked = queue.backlogs.mark(&queue.party).unwrap();
        assert_eq!(queue.passed(10, 2, &[(A, 0), (B, 100)]), None);
        assert_eq!(queue.passed(10, 3, &[(A, 4), (B, 105), (C, 5)]), None);
        assert_eq!(queue.passed(10, 3, &[(A, 5), (B, 105), (C, 9)]), None);
        assert!(queue.passed(10, 3, &[(A, 5), (B, 105), (C, 9)]) >= Some(asked));
    }

    #[test]
    fn a_session_that_is_gone_makes_the_count_begin_anew() {
        let mut queue = Queue::new();
        queue.survey(10, 2, &[(A, 0), (B, 0)]);
        assert_eq!(queue.passed(10, 2, &[(A, 0), (B, 0)]), None);
        assert_eq!(queue.passed(10, 1, &[(A, 20)]), None);
        assert_eq!(queue.passed(10, 1, &[(A, 20)]), None);
        assert_eq!(queue.passed(10, 1, &[(A, 29)]), None);
        assert_eq!(queue.passed(10, 1, &[(A, 30)]), None);
        assert!(queue.passed(10, 1, &[(A, 30)]).is_some());
    }

    #[test]
    fn who_is_leaving_must_answer_and_is_no_consumer() {
        let mut queue = Queue::new();
        queue.survey(0, 3, &[(A, 5), (B, 6), (C, 7)]);
        assert!(!queue.with_leaving(0, 2, &[(A, 5), (B, 6)], &[B]), "C is missing");
        assert!(!queue.with_leaving(0, 2, &[(A, 5), (C, 7)], &[B]), "B has bets in its hands");
        queue.with_leaving(0, 2, &[(A, 5), (B, 6), (C, 7)], &[B]);
        assert!(queue.with_leaving(0, 2, &[(A, 5), (B, 6), (C, 7)], &[B]));
    }

    #[test]
    fn bets_published_later_do_not_stretch_the_wait() {
        let mut queue = Queue::new();
        queue.survey(50, 1, &[(A, 0)]);
        let asked = queue.backlogs.mark(&queue.party).unwrap();
        let needed = (0..1000).find(|round| queue.passed(50, 1, &[(A, round * 2)]) >= Some(asked));
        assert!(needed.is_some_and(|round| round <= 30), "{needed:?}");
    }
}
