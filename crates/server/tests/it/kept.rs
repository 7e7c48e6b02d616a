//! A city that lost its disk goes on from a backup and the journal that was kept elsewhere, to its end or to a moment.

use std::fs;
use std::path::Path;

use chengmai_model::Timestamp;

use crate::harness::{City, Folder, now_ms, until};
use crate::proof::{run, said};

fn bytes(folder: &Path) -> u64 {
    let files = fs::read_dir(folder).into_iter().flatten();
    files.map(|file| file.unwrap().metadata().unwrap().len()).sum()
}

/// A moment with nothing else in it: what comes after it comes in a later millisecond.
fn moment() -> i64 {
    let moment = now_ms();
    until("time goes on", || (now_ms() > moment).then_some(()));
    moment
}

#[test]
fn a_lost_city_comes_back_up_to_its_end_or_up_to_a_moment() {
    let folder = Folder::new();
    let kept = folder.path().join("kept");
    let kept = kept.to_str().unwrap();
    let city = City::start(&folder, &["--keep-journal", kept]);
    let row = |id: &str| format!("id,kinds,area,period\n{id},methane,500103001001001,1m\n");
    let write = |device: &str, value: f64| {
        let line = format!("methane,device={device} value={value} {}\n", now_ms());
        assert_eq!(city.write(&city.admin, &line).0, 204);
        moment()
    };
    city.register(&row("m1"));
    write("m1", 1.0);
    let copy = folder.path().join("copy");
    let copy = copy.to_str().unwrap();
    said("backup", &["--to", copy], Some(&folder.data()));
    let good = write("m1", 2.0);
    city.register(&row("m2"));
    write("m1", 3.0);
    write("m2", 4.0);
    until("all of it is kept", || {
        (bytes(&folder.data().join("journal")) == bytes(Path::new(kept))).then_some(())
    });
    city.kill();
    drop(city);
    fs::remove_dir_all(folder.data()).unwrap();

    let whole = Folder::empty();
    let told = said("restore", &["--from", copy, "--journal", kept], Some(&whole.data()));
    assert!(told.contains("its end"), "{told}");
    let city = City::start(&whole, &[]);
    assert_eq!(city.values("m1", 3), [1.0, 2.0, 3.0]);
    assert_eq!(city.values("m2", 1), [4.0]);
    drop(city);

    let back = Folder::empty();
    let time = Timestamp(good).to_rfc3339();
    let asked = ["--from", copy, "--journal", kept, "--until", &time];
    let told = said("restore", &asked, Some(&back.data()));
    assert!(told.contains("cut there") && told.contains("another folder"), "{told}");
    let city = City::start(&back, &[]);
    assert_eq!(city.values("m1", 2), [1.0, 2.0]);
    assert_eq!(city.get("/api/v1/devices/m2", &city.admin).0, 404);
    // It takes readings again, and numbers go on.
    city.register(&row("m3"));
    let line = format!("methane,device=m3 value=5 {}\n", now_ms());
    assert_eq!(city.write(&city.admin, &line).0, 204);
    assert_eq!(city.values("m3", 1), [5.0]);
    drop(city);

    let other = Folder::empty();
    let asked = ["--from", copy, "--journal", kept, "--until", "2020-01-01T00:00:00Z"];
    let output = run("restore", &asked, Some(&other.data()));
    assert!(!output.status.success());
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(text.contains("before the backup"), "{text}");
}
