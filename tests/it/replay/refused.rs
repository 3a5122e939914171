//! What a replay leaves out, and what stops it.

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn a_number_that_names_another_transaction_stops_the_replay_and_nothing_is_written() {
    let story = |player: &str| {
        format!("open {player} CHF\ndeposit {player} 100 CHF key={player}\nstake {player} {player} g1 10 CHF")
    };
    let original = Fresh::sqlite().await;
    told(&original, &commands("acme", &story("alice"))).await;
    let exported = export(&original, "acme").await;
    for fresh in Fresh::both().await {
        told(&fresh, &commands("acme", &story("bob"))).await;
        let before = digest(&fresh).await;
        for replaying in [Replay::dry_run(fresh.writer()), Replay::new(fresh.writer())] {
            let failed = replay(replaying, &exported).await.expect_err("a number taken twice");
            assert!(matches!(failed, ReplayError::NumberTaken { seq: 3, number: 3 }), "{failed}");
        }
        assert_eq!(digest(&fresh).await, before, "{}", fresh.kind());
    }
}

/// On a fuller ledger what was refused would succeed.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_for_the_record_only_is_never_applied() {
    let original = Fresh::sqlite().await;
    let story = "open alice CHF\nwithdraw alice 50 CHF\nwin alice o1 r1 5 CHF\ndeposit alice 100 CHF key=a\nbet alice o1 r1 10 CHF";
    told(&original, &commands("acme", story)).await;
    let exported = export(&original, "acme").await;
    let unapplied = expected(&exported, ReplayedAs::Equal);
    assert_eq!(unapplied.iter().filter(|comparison| **comparison == ReplayedAs::RecordOnly).count(), 2);
    for fresh in Fresh::both().await {
        replay(Replay::new(fresh.writer()), &exported).await.expect("applied");
        let before = digest(&fresh).await;
        assert_eq!(replay(Replay::new(fresh.writer()), &exported).await.expect("applied"), unapplied);
        assert_eq!(digest(&fresh).await, before, "{}", fresh.kind());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_would_be_decided_otherwise_is_not_written_and_holds_back_what_its_player_did_later() {
    let original = Fresh::sqlite().await;
    let story = "open alice CHF\nopen bob CHF\nbet alice refused r1 70 CHF\ndeposit alice 100 CHF key=a\n\
                 bet alice o1 r1 10 CHF\ndeposit bob 5 CHF key=b";
    told(&original, &commands("acme", story)).await;
    let exported = export(&original, "acme").await;
    for fresh in Fresh::both().await {
        told(&fresh, &commands("acme", "open alice CHF\ndeposit alice 1000 CHF key=more")).await;
        for replaying in [Replay::dry_run(fresh.writer()), Replay::new(fresh.writer())] {
            let compared = replay(replaying, &exported).await.expect("compared");
            let expected = [
                ReplayedAs::Equal,
                ReplayedAs::Applied,
                ReplayedAs::Different(Outcome::Done(Done::Order(OrderDone::BetPlaced))),
                ReplayedAs::Held,
                ReplayedAs::Held,
                ReplayedAs::Applied,
            ];
            assert_eq!(compared, expected, "{}", fresh.kind());
        }
        let mut writer = fresh.writer();
        let all = commands("acme", story);
        let state = writer.load(&ReadSet::of(&all)).await.expect("loaded").roll_back();
        assert!(state.orders.is_empty(), "a refused bet was not placed ({})", fresh.kind());
        audited(&fresh).await;
    }
}
