use super::*;

fn plan() -> Plan {
    let filter = LetterFilter { id: None, reason: None, error: None, queue: None, died_since: None };
    let plan = Plan::new(Party::parse("acme").unwrap(), LetterAct::Drop, filter);
    plan.state().touched = vec![Fingerprint::from_bytes([1; 32]), Fingerprint::from_bytes([2; 32])];
    plan
}

#[test]
fn the_letters_are_written_once_all_of_them_are_known() {
    let written = Stage::ALL.map(|stage| plan().kept(stage).touched);
    let all = [[1; 32], [2; 32]].concat();
    assert_eq!(written, [None, Some(all), None, None, None]);
}

#[test]
fn another_process_finds_all_of_it() {
    let KeptPlan { id, party, stage, written_at, plan, touched } = plan().kept(Stage::Ready);
    let found = FoundPlan { stage: stage.to_owned(), written_at: written_at.0, plan, touched: touched.unwrap() };
    let found = Plan::found(party, id, found).unwrap();
    assert_eq!((found.stage(), found.shown().touches, found.act), (Stage::Ready, 2, LetterAct::Drop));
}
