//! Policies asked as an official would ask: what each role may do, and what nobody may.

use chengmai_model::{Role, Timestamp};

use super::*;

fn user(roles: &[Role], area: &str, agency: Option<&str>) -> UserRow {
    UserRow {
        name: "ann".into(),
        display_name: "Ann".into(),
        password_hash: String::new(),
        roles: roles.to_vec(),
        area: AreaPath::parse(area).unwrap(),
        agency: agency.map(str::to_owned),
        failed_count: 0,
        locked_until: None,
        created_at: Timestamp(0),
    }
}

const TOWN: &str = "/50/500103/500103001/";

fn who(user: &UserRow) -> Who<'_> {
    Who { user, home: &user.area, second_factor: false, emergency: false, program: false }
}

fn may(roles: &[Role], action: Permission, at: &str) -> bool {
    let (policies, user) = (Policies::load(None).unwrap(), user(roles, TOWN, None));
    let area = AreaPath::parse(at).unwrap();
    policies.decide(who(&user), action, What::in_area(&area)).is_allowed
}

/// What each role may do at home.
fn table() -> [(Role, &'static [Permission]); 9] {
    use Permission as P;
    [
        (
            Role::Admin,
            &[
                P::Read,
                P::Ingest,
                P::DeviceManage,
                P::WarningDecide,
                P::AlarmShelve,
                P::CaseDecide,
                P::CaseHandle,
                P::CaseCheck,
                P::RuleManage,
                P::ReviewWrite,
                P::UserManage,
                P::Sql,
                P::Report,
                P::NotifyManage,
                P::LogWitness,
                P::EmergencyReview,
                P::AuditRead,
                P::Propose,
            ],
        ),
        (
            Role::DutyOfficer,
            &[
                P::Read,
                P::WarningDecide,
                P::AlarmShelve,
                P::CaseDecide,
                P::CaseCheck,
                P::ReviewWrite,
                P::Sql,
                P::NotifyManage,
                P::PersonalErase,
                P::Emergency,
                P::Propose,
            ],
        ),
        (Role::AgencyStaff, &[P::Read, P::CaseHandle, P::Propose]),
        (Role::GridWorker, &[P::Read, P::CaseDecide, P::CaseCheck, P::Propose]),
        (
            Role::Supervisor,
            &[
                P::Read,
                P::CaseCheck,
                P::ReviewWrite,
                P::Sql,
                P::LogWitness,
                P::Emergency,
                P::EmergencyReview,
                P::AuditRead,
                P::Propose,
            ],
        ),
        (Role::Engineer, &[P::Read, P::Ingest, P::DeviceManage, P::RuleManage, P::Sql]),
        (Role::Viewer, &[P::Read]),
        (Role::Ingest, &[P::Ingest]),
        (Role::App, &[P::Report]),
    ]
}

#[test]
fn each_role_may_do_what_it_is_there_for_and_nothing_else() {
    for (role, allowed) in table() {
        for &action in Permission::ALL {
            assert_eq!(
                may(&[role], action, TOWN),
                allowed.contains(&action),
                "{role:?} {action:?}"
            );
        }
    }
    for &action in Permission::ALL {
        assert!(!may(&[Role::Citizen], action, TOWN), "{action:?}");
        assert!(!may(&[], action, TOWN), "{action:?}");
    }
}

#[test]
fn nobody_acts_outside_their_area_whatever_their_roles() {
    for &action in Permission::ALL {
        for foreign in ["/50/", "/50/500103/", "/50/500103/500103002/", "/51/510104/"] {
            assert!(!may(&Role::ALL, action, foreign), "{action:?} {foreign}");
        }
    }
    assert!(may(&[Role::Viewer], Permission::Read, "/50/500103/500103001/500103001001/"));
}

#[test]
fn personal_data_is_read_for_a_purpose_by_duty_officers_and_by_the_agency_that_has_the_case() {
    let policies = Policies::load(None).unwrap();
    let area = AreaPath::parse(TOWN).unwrap();
    let ask = |user: &UserRow, action, agency, purpose, program| {
        let what = What { area: &area, class: Class::Personal, agency, purpose };
        policies.decide(Who { program, ..who(user) }, action, what)
    };
    let read = Permission::PersonalRead;
    let duty = user(&[Role::DutyOfficer], TOWN, None);
    assert!(ask(&duty, read, None, Some("handle"), false).is_allowed);
    assert!(!ask(&duty, read, None, None, false).is_allowed);
    assert!(!ask(&duty, read, None, Some("statistics"), false).is_allowed);
    assert_eq!(ask(&duty, read, None, Some("law"), true).by, ["programs-are-not-people"]);
    assert_eq!(
        ask(&duty, Permission::Read, None, Some("law"), false).by,
        ["personal-by-name-only"]
    );
    let roads = user(&[Role::AgencyStaff], TOWN, Some("roads"));
    assert!(ask(&roads, read, Some("roads"), Some("handle"), false).is_allowed);
    assert!(!ask(&roads, read, Some("roads"), Some("law"), false).is_allowed);
    assert!(!ask(&roads, read, Some("gas"), Some("handle"), false).is_allowed);
    assert!(!ask(&roads, read, None, Some("handle"), false).is_allowed);
    let others = [Role::Admin, Role::GridWorker, Role::Supervisor, Role::Engineer, Role::Viewer];
    let others = user(&others, TOWN, Some("roads"));
    assert!(!ask(&others, read, Some("roads"), Some("handle"), false).is_allowed);
}

#[test]
fn an_emergency_widens_what_is_seen_and_never_what_is_done() {
    let policies = Policies::load(None).unwrap();
    let home = AreaPath::parse(TOWN).unwrap();
    let looking = user(&Role::ALL, "/50/", None);
    let foreign = AreaPath::parse("/50/500105/").unwrap();
    for &action in Permission::ALL {
        let who = Who { home: &home, emergency: true, ..who(&looking) };
        let is_allowed = policies.decide(who, action, What::in_area(&foreign)).is_allowed;
        let looks = [Permission::Read, Permission::Sql];
        assert_eq!(is_allowed, looks.contains(&action), "{action:?}");
    }
}

#[test]
fn what_leaves_as_a_file_leaves_for_a_purpose() {
    let policies = Policies::load(None).unwrap();
    let duty = user(&[Role::DutyOfficer], TOWN, None);
    let what = What::in_area(&duty.area);
    let may = |what| policies.decide(who(&duty), Permission::Export, what).is_allowed;
    assert!(!may(what) && may(What { purpose: Some("review"), ..what }));
}

fn with_own(text: &str) -> anyhow::Result<Policies> {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("own.cedar"), text).unwrap();
    Policies::load(Some(folder.path()))
}

#[test]
fn a_city_adds_policies_and_a_forbid_wins() {
    let own = "@id(\"sql-needs-two\") forbid (principal, action == Action::\"sql\", resource) \
               unless { context.second_factor };";
    let policies = with_own(own).unwrap();
    let duty = user(&[Role::DutyOfficer], TOWN, None);
    let what = What::in_area(&duty.area);
    let verdict = policies.decide(who(&duty), Permission::Sql, what);
    assert_eq!(verdict, Verdict { is_allowed: false, by: vec!["sql-needs-two".into()] });
    let strong = Who { second_factor: true, ..who(&duty) };
    assert!(policies.decide(strong, Permission::Sql, what).is_allowed);
    assert!(policies.text_of("sql-needs-two").unwrap().contains("second_factor"));
}

#[test]
fn a_policy_that_cannot_be_taken_is_refused_with_its_name() {
    for (text, said) in [
        ("permit (principal, action, resource);", "@id"),
        ("@id(\"a\") permit (principal, action == Action::\"raed\", resource);", "raed"),
        ("@id(\"admin\") permit (principal, action, resource);", "admin"),
        (
            "@id(\"a\") permit (principal, action, resource) when { context.puprose == \"x\" };",
            "puprose",
        ),
        (
            "@id(\"a\") forbid (principal, action, resource) when { resource in Area::\"500105\" };",
            "names an area",
        ),
        ("@id(\"a\") permit (principal, action", "own.cedar"),
    ] {
        let fault = format!("{:#}", with_own(text).unwrap_err());
        assert!(fault.contains(said), "{text}: {fault}");
    }
}
