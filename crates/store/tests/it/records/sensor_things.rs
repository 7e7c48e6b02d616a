//! Entities of SensorThings clients: links in both directions, order, areas, removal, notes.

use chengmai_store::records::sensor_things::{NewEntity, NoteRow, Question, Target};

use super::*;

const CITY: &str = "/50/";
const OTHER_TOWN: &str = "/50/500105/500105001/";
const BELOW: [(&str, &str); 2] = [("Thing", "Datastream"), ("Datastream", "Observation")];

fn new(kind: &'static str, area: &str, name: &str, minutes: i64) -> NewEntity {
    NewEntity {
        kind,
        area: path(area),
        name: Some(name.into()),
        at: if minutes == 0 { Timestamp(0) } else { at(minutes) },
        body: format!("{{\"name\":\"{name}\"}}"),
        rank: None,
        links: Vec::new(),
    }
}

fn linked(mut entity: NewEntity, links: &[(&'static str, Target)]) -> NewEntity {
    entity.links.extend_from_slice(links);
    entity
}

fn all(kind: &'static str, area: &str) -> Question {
    Question {
        kind,
        area: path(area),
        above: false,
        linked: None,
        id: None,
        name: None,
        span: (i64::MIN, i64::MAX),
        newest_first: false,
        behind: None,
        limit: 100,
    }
}

/// A Thing with a Datastream of five observations, a minute apart and out of order; their numbers.
async fn station(records: &Records, area: &str) -> Vec<i64> {
    let mut list = vec![
        new("Thing", area, "thing", 0),
        linked(new("Datastream", area, "stream", 0), &[("Thing", Target::New(0))]),
    ];
    for minutes in [3, 1, 5, 2, 4] {
        let observation = new("Observation", area, "", minutes);
        list.push(linked(observation, &[("Datastream", Target::New(1))]));
    }
    records.sensor_things().insert("ann", at(0), &list).await.unwrap()
}

#[tokio::test]
async fn entities_are_found_from_both_ends_of_a_link_in_order_of_time() {
    on_both(async |records| {
        let ids = station(&records, TOWN).await;
        let things = records.sensor_things();
        let question = Question {
            linked: Some(("Datastream", ids[1])),
            newest_first: true,
            limit: 2,
            ..all("Observation", TOWN)
        };
        let first = things.list(&question).await.unwrap();
        assert_eq!(first.iter().map(|row| row.at).collect::<Vec<_>>(), [at(5), at(4)]);
        let behind = first.last().map(|row| (row.at.0, row.id));
        let rest = things.list(&Question { behind, limit: 9, ..question.clone() }).await.unwrap();
        assert_eq!(rest.iter().map(|row| row.at).collect::<Vec<_>>(), [at(3), at(2), at(1)]);
        let span = (at(2).0, at(4).0);
        assert_eq!(things.count(&Question { span, ..question.clone() }).await.unwrap(), 2);
        let up = things
            .linked(("Observation", &ids[2..]), "Datastream", &path(TOWN), false, 100)
            .await
            .unwrap();
        assert!(up.len() == 5 && up.iter().all(|(_, row)| row.id == ids[1]));
        let spans = things.spans(("Datastream", &ids), "Observation").await.unwrap();
        assert_eq!(spans, [(ids[1], at(1), at(5))]);
        let named = things
            .list(&Question { name: Some("thing".into()), ..all("Thing", TOWN) })
            .await
            .unwrap();
        assert_eq!(
            (named.len(), named[0].id, named[0].body.as_str()),
            (1, ids[0], "{\"name\":\"thing\"}")
        );
        // A number of the registry is linked to without being a row.
        let far = 1_i64 << 41;
        things.relink(("Datastream", ids[1], Timestamp(0)), "Thing", &[far]).await.unwrap();
        assert_eq!(
            things.foreign(("Datastream", &ids), "Thing", far).await.unwrap(),
            [(ids[1], far)]
        );
        assert_eq!(
            things
                .list(&Question { linked: Some(("Thing", ids[0])), ..all("Datastream", TOWN) })
                .await
                .unwrap(),
            []
        );
        let back = things
            .list(&Question { linked: Some(("Thing", far)), ..all("Datastream", TOWN) })
            .await
            .unwrap();
        assert_eq!(back.len(), 1);
    })
    .await;
}

#[tokio::test]
async fn an_area_shows_its_own_and_what_a_centre_above_shares() {
    on_both(async |records| {
        let things = records.sensor_things();
        station(&records, TOWN).await;
        let theirs = station(&records, OTHER_TOWN).await;
        things.insert("ann", at(0), &[new("Sensor", CITY, "shared", 0)]).await.unwrap();
        for (kind, area, above, count) in [
            ("Thing", TOWN, false, 1),
            ("Thing", CITY, false, 2),
            ("Thing", "/50/500103/", false, 1),
            ("Sensor", TOWN, false, 0),
            ("Sensor", TOWN, true, 1),
        ] {
            let found = things.list(&Question { above, ..all(kind, area) }).await.unwrap();
            assert_eq!(found.len(), count, "{kind} in {area}");
        }
        let hidden = Question { id: Some(theirs[0]), ..all("Thing", TOWN) };
        assert_eq!(things.list(&hidden).await.unwrap(), []);
        // What hangs below a Thing goes with it.
        things.set_area(("Thing", theirs[0]), &BELOW, &path(TOWN)).await.unwrap();
        assert_eq!(things.list(&all("Observation", TOWN)).await.unwrap().len(), 10);
        assert_eq!(things.list(&all("Observation", OTHER_TOWN)).await.unwrap(), []);
    })
    .await;
}

#[tokio::test]
async fn one_is_removed_with_all_below_it_and_with_no_link_left() {
    on_both(async |records| {
        let things = records.sensor_things();
        let gone = station(&records, TOWN).await;
        let stays = station(&records, TOWN).await;
        assert_eq!(things.remove(("Thing", gone[0]), &BELOW).await.unwrap(), 7);
        assert_eq!(things.list(&all("Observation", TOWN)).await.unwrap().len(), 5);
        for (kind, other) in
            [("Thing", "Datastream"), ("Datastream", "Observation"), ("Observation", "Datastream")]
        {
            assert_eq!(things.foreign((kind, &gone), other, 0).await.unwrap(), []);
            assert_ne!(things.foreign((kind, &stays), other, 0).await.unwrap(), []);
        }
        things.update(stays[0], Some("other"), "{}").await.unwrap();
        let changed = things
            .list(&Question { name: Some("other".into()), ..all("Thing", TOWN) })
            .await
            .unwrap();
        assert_eq!(changed[0].body, "{}");
        things.set_time("Observation", stays[2], at(9)).await.unwrap();
        let question = Question {
            linked: Some(("Datastream", stays[1])),
            newest_first: true,
            limit: 1,
            ..all("Observation", TOWN)
        };
        let newest = things.list(&question).await.unwrap();
        assert_eq!((newest[0].id, newest[0].at), (stays[2], at(9)));
    })
    .await;
}

#[tokio::test]
async fn a_note_is_kept_once_and_the_later_one_counts() {
    on_both(async |records| {
        let things = records.sensor_things();
        let note =
            |feature, body: &str| NoteRow { observation: i64::MAX, feature, body: body.into() };
        things.note(&[note(None, "{}")]).await.unwrap();
        things.note(&[note(Some(7), "{\"a\":1}")]).await.unwrap();
        assert_eq!(things.notes(&[1, i64::MAX]).await.unwrap(), [note(Some(7), "{\"a\":1}")]);
        assert_eq!(things.notes(&[]).await.unwrap(), []);
    })
    .await;
}

#[tokio::test]
async fn what_is_done_together_is_seen_within_and_by_nobody_else_until_it_is_done() {
    on_both(async |records| {
        let things = records.sensor_things();
        let known = things.insert("ann", at(0), &[new("Thing", TOWN, "a", 0)]).await.unwrap()[0];
        for done in [false, true] {
            let set = things.together().await.unwrap();
            let within = set.things(&records);
            within.insert("ann", at(0), &[new("Thing", TOWN, "b", 0)]).await.unwrap();
            within.update(known, Some("c"), "{}").await.unwrap();
            assert_eq!(within.list(&all("Thing", TOWN)).await.unwrap().len(), 2);
            assert_eq!(within.count(&all("Thing", TOWN)).await.unwrap(), 2);
            assert_eq!(things.list(&all("Thing", TOWN)).await.unwrap().len(), 1, "from outside");
            if done {
                set.commit().await.unwrap();
            } else {
                drop(set);
            }
            let rows = things.list(&all("Thing", TOWN)).await.unwrap();
            let changed = rows.iter().any(|row| row.body == "{}");
            assert_eq!((rows.len(), changed), if done { (2, true) } else { (1, false) });
        }
    })
    .await;
}

#[tokio::test]
async fn neighbours_of_one_that_orders_them_come_in_that_order_page_by_page() {
    on_both(async |records| {
        let things = records.sensor_things();
        let properties = ["a", "b", "c"].map(|name| new("ObservedProperty", TOWN, name, 0));
        let ids = things.insert("ann", at(0), &properties).await.unwrap();
        let ranked = (0..).zip(ids.iter().rev());
        let ranked: Vec<_> =
            ranked.map(|(rank, &id)| ("ObservedProperty", Target::Ranked(id, rank))).collect();
        let multi = linked(new("MultiDatastream", TOWN, "m", 0), &ranked);
        let last =
            linked(new("ObservedProperty", TOWN, "d", 0), &[("MultiDatastream", Target::New(0))]);
        let last = NewEntity { rank: Some(3), ..last };
        let made = things.insert("ann", at(0), &[multi, last]).await.unwrap();
        let mut question = Question {
            linked: Some(("MultiDatastream", made[0])),
            limit: 1,
            ..all("ObservedProperty", TOWN)
        };
        let mut seen = Vec::new();
        while let Some(row) = things.list(&question).await.unwrap().pop() {
            question.behind = Some((row.at.0, row.id));
            seen.push(row.body);
        }
        assert_eq!(seen, ["c", "b", "a", "d"].map(|name| format!("{{\"name\":\"{name}\"}}")));
    })
    .await;
}
