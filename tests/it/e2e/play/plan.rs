//! What is played, in which disorder.

use super::*;

/// By how many places a message may be late.
const DISORDER: u32 = 40;

/// One thing asked; its correlation id is `<operation>-<order>`.
#[derive(Debug, Clone)]
pub struct Event {
    pub operation: Operation,
    pub order: u32,
    pub player: usize,
    /// What the player gains where this succeeds, minor units; a bet's stake is negative.
    pub gain: i64,
    pub body: Vec<u8>,
}

impl Event {
    pub fn correlation(&self) -> String {
        format!("{}-{}", self.operation.name(), self.order)
    }
}

/// What is to be played, and in which order it is published; an event that stands there twice is a duplicate.
pub struct Plan {
    pub events: Vec<Event>,
    pub publications: Vec<usize>,
}

impl Plan {
    pub fn new(orders: u32, rng: &mut StdRng) -> Self {
        let mut plan = Self { events: Vec::new(), publications: Vec::new() };
        (0..orders).for_each(|order| plan.add_order(order, rng));
        plan.shuffle(rng);
        plan
    }

    /// The same events, published in another order and with other duplicates.
    pub fn reshuffled(&self, rng: &mut StdRng) -> Self {
        let mut plan = Self { events: self.events.clone(), publications: Vec::new() };
        plan.shuffle(rng);
        plan
    }

    fn add_order(&mut self, order: u32, rng: &mut StdRng) {
        let player = rng.random_range(0..PLAYERS.len());
        let stake = rng.random_range(50..150);
        let paid = rng.random_range(1..300);
        let mut add = |operation, gain, more: Value| {
            let mut body =
                json!({ "game": "wallstroulette", "externalId": format!("o-{order}"), "playerId": PLAYERS[player] });
            let Value::Object(more) = more else { panic!("an object") };
            body.as_object_mut().expect("an object").extend(more);
            self.events.push(Event { operation, order, player, gain, body: body.to_string().into_bytes() });
        };
        let fate = rng.random_range(0..100);
        if fate < 96 {
            add(Operation::OrderBet, -stake, json!({ "amount": stake, "currency": "CHF", "round": 1 }));
        }
        // Some are settled and cancelled, and only one of the two can be; some have no bet at all; some stay open.
        if (10..90).contains(&fate) || fate == 98 {
            let (result, gain) = [("win", paid), ("tie", paid), ("lose", 0)][rng.random_range(0..3)];
            let more = json!({ "result": result, "amount": paid, "currency": "CHF", "round": 1 });
            add(Operation::OrderBetResult, gain, more);
        }
        if fate < 15 || fate == 99 {
            add(Operation::OrderBetCancel, stake, json!({}));
        }
    }

    fn shuffle(&mut self, rng: &mut StdRng) {
        let mut places = Vec::new();
        for (index, event) in self.events.iter().enumerate() {
            let copies = [1, 1, 1, 1, 1, 1, 2, 3][rng.random_range(0..8)];
            for _ in 0..copies {
                places.push((event.order * 3 + rng.random_range(0..DISORDER), index));
            }
        }
        places.sort_unstable();
        self.publications = places.into_iter().map(|(_, index)| index).collect();
    }

    pub fn len(&self) -> usize {
        self.events.len()
    }
}
