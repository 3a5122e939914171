use super::*;

fn plan() -> Plan {
    let filter = LetterFilter { id: None, reason: None, error: None, queue: None, died_since: None };
    let plan = Plan::new(Party::parse("acme").unwrap(), LetterAct::Drop, filter);
    plan.state().touched = vec![Fingerprint::from_bytes([1; 32]), Fingerprint::from_bytes([2; 32])];
    plan
}

#[test]
fn the_letters_are_written_once_all_of_them_are_known() {
    let written = Stage::ALL.map(|stage| plan().kept(stage).unwrap().touched);
    let all = [[1; 32], [2; 32]].concat();
    assert_eq!(written, [None, Some(all), None, None, None]);
}

/// As another process finds one that is ready.
fn ready() -> (Uuid, FoundPlan) {
    let plan = plan();
    let digest = plan.digest();
    plan.state().told.digest = digest;
    let KeptPlan { id, stage, written_at, plan, touched, .. } = plan.kept(Stage::Ready).unwrap();
    (id, FoundPlan { stage: stage.to_owned(), written_at: written_at.0, plan, touched: touched.unwrap() })
}

fn found(id: Uuid, found: FoundPlan) -> Result<Option<Plan>, StoreError> {
    Plan::found(Party::parse("acme").unwrap(), id, found)
}

#[test]
fn another_process_finds_all_of_it() {
    let (id, ready) = ready();
    let found = found(id, ready).unwrap().unwrap();
    assert_eq!((found.stage(), found.shown().touches, found.act), (Stage::Ready, 2, LetterAct::Drop));
}

#[test]
fn what_cannot_be_read_says_which_plan_it_is_of() {
    type Damage = fn(&mut FoundPlan);
    let damages: [(&str, Damage); 5] = [
        ("EOF while parsing", |found| found.plan.truncate(20)),
        ("missing field `act`", |found| found.plan = found.plan.replacen("act", "act_of", 1)),
        ("its stage is unknown", |found| found.stage = "redy".to_owned()),
        ("the last of its letters is there in part", |found| found.touched.truncate(63)),
        ("its letters are not those that it was made for", |found| found.touched.truncate(32)),
    ];
    for (why, damage) in damages {
        let (id, mut damaged) = ready();
        damage(&mut damaged);
        let error = found(id, damaged).map(drop).unwrap_err().to_string();
        assert!(error.contains(&format!("plan {id} of dead letters: ")) && error.contains(why), "{error}");
    }
}

#[test]
fn one_that_is_forgotten_is_not_found() {
    let (id, mut old) = ready();
    old.written_at -= i64::try_from(KEPT.as_micros()).unwrap();
    assert!(found(id, old).unwrap().is_none());
}
