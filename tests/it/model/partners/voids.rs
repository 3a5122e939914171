//! Voids that an operator decides on.

use super::*;

impl Model {
    pub(in crate::model) fn queue_void(&mut self, queue: &QueueVoid) -> String {
        let (source, attempt) = (queue.source, queue.attempt);
        if let Some(before) = self.partners.queued.get(&(source, attempt)) {
            return if before == queue { "200 void_queued" } else { "400 key_reused" }.to_owned();
        }
        if self.find(source).is_none_or(|told| told.player != queue.player.as_str()) {
            return UNKNOWN.to_owned();
        }
        let is_next = match self.partners.voids.get(&source) {
            None => attempt == 0,
            Some((last, verdict)) => *verdict == Verdict::Dismissed && attempt == last + 1,
        };
        if !is_next {
            return "refused void_unknown".to_owned();
        }
        self.partners.queued.insert((source, attempt), queue.clone());
        self.partners.voids.insert(source, (attempt, Verdict::Pending));
        "200 void_queued".to_owned()
    }

    pub(in crate::model) fn resolve_void(&mut self, resolve: &ResolveVoid, number: i64) -> String {
        let key = (resolve.source, resolve.attempt, resolve.approve);
        // An answer that was given is given again, whoever asks.
        if let Some(answer) = self.partners.resolved.get(&key) {
            return answer.clone();
        }
        if !self.players.contains_key(resolve.player.as_str()) {
            return "495 player_unknown".to_owned();
        }
        let Some(known) = self.partners.voids.get(&resolve.source).copied() else {
            return "refused void_unknown".to_owned();
        };
        let source = self.find(resolve.source).cloned().expect("what is queued is known");
        if source.player != resolve.player.as_str() {
            return UNKNOWN.to_owned();
        }
        if known != (resolve.attempt, Verdict::Pending) {
            return "refused void_resolved".to_owned();
        }
        let answer = if resolve.approve { self.approve(source, number) } else { "200 void_dismissed".to_owned() };
        if answer.starts_with("200") {
            let verdict = if resolve.approve { Verdict::Approved } else { Verdict::Dismissed };
            self.partners.voids.insert(resolve.source, (resolve.attempt, verdict));
            self.partners.resolved.insert(key, answer.clone());
        }
        answer
    }

    fn approve(&mut self, source: Told, number: i64) -> String {
        if !matches!(source.fate, Fate::Open | Fate::Settled | Fate::Done) {
            return ENDED.to_owned();
        }
        let (moved, external) = (source.moved.map(|minor| -minor), -source.external);
        let about = source.number;
        let reversal = Told {
            number,
            name: None,
            moved,
            external,
            is_stake: false,
            source: Some(about),
            fate: Fate::Reversal,
            ended_by: None,
            ..source
        };
        if let Err(refusal) = self.move_all(reversal) {
            return refusal;
        }
        self.end(about, Fate::Voided(number), number);
        format!("200 void_approved {number}")
    }
}
