//! Stakes, what they are paid, and how they are undone.

use super::*;

impl Model {
    pub(in crate::model) fn adjust(&mut self, adjust: &Adjust, number: i64) -> String {
        if let Some((before, answer)) = self.partners.adjusts.get(&*adjust.name) {
            return if is_same(before, adjust) { answer.clone() } else { "400 key_reused".to_owned() };
        }
        let answer = self.judge_adjust(adjust, number).unwrap_or_else(|refusal| refusal);
        let is_stake = matches!(adjust.change, Change::Stake { .. });
        if answer.starts_with("200") || (is_stake && answer.starts_with("492")) {
            self.partners.adjusts.insert(adjust.name.to_string(), (adjust.clone(), answer.clone()));
        }
        answer
    }

    fn judge_adjust(&mut self, adjust: &Adjust, number: i64) -> Result<String, String> {
        let has_tombstone = |told: &Told| told.name.as_deref() == Some(&*adjust.name);
        if self.partners.transactions.iter().any(has_tombstone) {
            return Err("refused transaction_undone".to_owned());
        }
        if !self.players.contains_key(adjust.player.as_str()) {
            return Err("495 player_unknown".to_owned());
        }
        match &adjust.change {
            Change::Stake { total, external, from } => self.stake(adjust, number, (*total, *external), from),
            Change::Pay { amounts, external, source } => {
                let minors = minors(amounts, 1);
                if minors.iter().any(|minor| *minor < 0) || *external < 0 {
                    return Err(DISAGREE.to_owned());
                }
                let paid_for = source.map(|source| self.theirs(adjust, source)).transpose()?;
                let stake = paid_for.filter(|told| told.is_stake);
                if stake.as_ref().is_some_and(|stake| matches!(stake.fate, Fate::Voided(_) | Fate::RolledBack)) {
                    return Err(ENDED.to_owned());
                }
                let external = i128::from(*external);
                let paid = Told { external, source: *source, ..begun(adjust, number, minors, Fate::Done) };
                let answer = self.move_as(paid, adjust)?;
                if let Some(Told { number: stake, fate: Fate::Open, .. }) = stake {
                    self.end(stake, Fate::Settled, number);
                }
                Ok(answer)
            }
            Change::Void { source, amounts, external } => {
                self.void(adjust, number, *source, (minors(amounts, 1), i128::from(*external)))
            }
            Change::Win { amount } => self.win(adjust, number, i128::from(*amount)),
            Change::Refund { amount, .. } => self.refund(adjust, number, i128::from(*amount)),
            Change::Rollback { name } => self.rollback(adjust, number, name),
        }
    }

    fn stake(
        &mut self,
        adjust: &Adjust,
        number: i64,
        (total, external): (i64, i64),
        from: &[Bucket],
    ) -> Result<String, String> {
        let (total, external) = (i128::from(total), i128::from(external));
        if external < 0 || total < external {
            return Err(DISAGREE.to_owned());
        }
        let mut left = total - external;
        let mut moved = [0; 4];
        let mut spent = Vec::new();
        let mut available = 0;
        for bucket in from {
            if spent.contains(bucket) {
                continue;
            }
            spent.push(*bucket);
            let name = pocket(adjust.currency, adjust.product, *bucket);
            let balance = self.balance(adjust.player.as_str(), &name);
            available += balance;
            let taken = balance.min(left);
            left -= taken;
            let place = Bucket::ALL.iter().position(|other| other == bucket).expect("a bucket");
            moved[place] = -taken;
        }
        if left > 0 {
            return Err(format!("492 insufficient_funds {}", available.min(i128::from(i64::MAX))));
        }
        let stake = Told { external: -external, is_stake: true, ..begun(adjust, number, moved, Fate::Open) };
        self.move_as(stake, adjust)
    }

    fn void(
        &mut self,
        adjust: &Adjust,
        number: i64,
        source: i64,
        (amounts, external): ([i128; 4], i128),
    ) -> Result<String, String> {
        let stake = self.theirs(adjust, source)?;
        if !stake.is_stake {
            return Err(UNKNOWN.to_owned());
        }
        match stake.fate {
            Fate::Open => {}
            Fate::Voided(by) => return Ok(format!("200 already_voided {by}")),
            _ => return Err(ENDED.to_owned()),
        }
        if stake.moved.map(|minor| -minor) != amounts || -stake.external != external {
            return Err(DISAGREE.to_owned());
        }
        let (currency, product) = (stake.currency, stake.product);
        let begun = begun(adjust, number, amounts, Fate::Done);
        let void = Told { external, source: Some(source), currency, product, ..begun };
        let answer = self.move_as(void, adjust)?;
        self.end(source, Fate::Voided(number), number);
        Ok(answer)
    }

    fn win(&mut self, adjust: &Adjust, number: i64, amount: i128) -> Result<String, String> {
        if amount < 0 {
            return Err(DISAGREE.to_owned());
        }
        let stakes = self.stakes(adjust);
        let open = stakes.iter().find(|stake| stake.fate == Fate::Open).map(|stake| stake.number);
        if !stakes.is_empty() && open.is_none() {
            return Err(ENDED.to_owned());
        }
        let win = Told { source: open, ..begun(adjust, number, [amount, 0, 0, 0], Fate::Done) };
        let answer = self.move_as(win, adjust)?;
        if let Some(stake) = open {
            self.end(stake, Fate::Settled, number);
        }
        Ok(answer)
    }

    fn refund(&mut self, adjust: &Adjust, number: i64, amount: i128) -> Result<String, String> {
        if amount < 0 {
            return Err(DISAGREE.to_owned());
        }
        let stakes = self.stakes(adjust);
        if stakes.is_empty() {
            return Err(UNKNOWN.to_owned());
        }
        let open: Vec<&Told> = stakes.iter().filter(|stake| stake.fate == Fate::Open).collect();
        if open.is_empty() {
            return Err(ENDED.to_owned());
        }
        let fits = |stake: &&&Told| stake.currency == currency_of(adjust) && stake.moved == [-amount, 0, 0, 0];
        let Some(stake) = open.iter().find(fits) else {
            return Err(DISAGREE.to_owned());
        };
        let (stake, currency, product) = (stake.number, stake.currency, stake.product);
        let begun = begun(adjust, number, [amount, 0, 0, 0], Fate::Done);
        let refund = Told { source: Some(stake), currency, product, ..begun };
        let answer = self.move_as(refund, adjust)?;
        self.end(stake, Fate::Voided(number), number);
        Ok(answer)
    }

    fn rollback(&mut self, adjust: &Adjust, number: i64, name: &str) -> Result<String, String> {
        let nothing_undone = |model: &Self| format!("200 nothing_undone {}", model.real(adjust));
        let known = self.partners.transactions.iter().find(|told| told.name.as_deref() == Some(name)).cloned();
        let Some(undone) = known else {
            let tombstone = Told { name: Some(name.to_owned()), ..begun(adjust, number, [0; 4], Fate::Tombstone) };
            self.partners.transactions.push(tombstone);
            return Ok(nothing_undone(self));
        };
        if undone.player != adjust.player.as_str() {
            return Err(UNKNOWN.to_owned());
        }
        match undone.fate {
            Fate::RolledBack | Fate::Tombstone => return Ok(nothing_undone(self)),
            Fate::Settled | Fate::Voided(_) | Fate::Reversal => return Err(ENDED.to_owned()),
            Fate::Open | Fate::Done => {}
        }
        let moved = undone.moved.map(|minor| -minor);
        let (currency, product) = (undone.currency, undone.product);
        let source = Some(undone.number);
        let reversal = Told { currency, product, source, ..begun(adjust, number, moved, Fate::Reversal) };
        let answer = self.move_as(reversal, adjust)?;
        self.end(undone.number, Fate::RolledBack, number);
        if let Some(stake) = undone.source.and_then(|source| self.find(source))
            && stake.ended_by == Some(undone.number)
            && matches!(stake.fate, Fate::Settled | Fate::Voided(_))
        {
            stake.fate = Fate::Open;
            stake.ended_by = None;
        }
        Ok(answer)
    }
}
