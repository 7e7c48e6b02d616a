//! Personal data planted in simulated reports: how much of it is found, and how often something
//! that is nobody's is taken for it.

use chengmai_engine::triage::scrub::scrub;

use crate::hotline::{Dice, Hotline, Style};

const TEXTS: usize = 5_000;
const FAMILIES: [&str; 12] =
    ["王", "李", "张", "刘", "陈", "杨", "赵", "黄", "周", "吴", "欧阳", "安"];
const GIVEN: [&str; 12] =
    ["伟", "芳", "娜", "秀英", "敏", "静", "丽", "强", "磊", "洋", "国平", "晓东"];

pub(super) fn print() {
    let hotline = Hotline::new();
    let mut dice = Dice::new(5);
    let (mut planted, mut found, mut clean, mut touched) = (0u32, 0u32, 0u32, 0u32);
    let mut missed = Vec::new();
    for _ in 0..TEXTS {
        let class = dice.below(hotline.classes.len());
        let place = Hotline::place(&mut dice, true);
        let report = hotline.report(&mut dice, class, &Style::KEPT_WORDS, &place);
        clean += 1;
        if scrub(&report).total() > 0 {
            touched += 1;
            missed.push(format!("touched: {report}"));
        }
        let (before, secret) = plant(&mut dice);
        let text = format!("{report}。{before}{secret}，请回复");
        planted += 1;
        if scrub(&text).text.contains(&secret) {
            missed.push(format!("missed: {text}"));
        } else {
            found += 1;
        }
    }
    println!(
        "simulated: {found} of {planted} planted found ({:.2} %); {touched} of {clean} reports without any were touched",
        100.0 * f64::from(found) / f64::from(planted)
    );
    missed.iter().take(10).for_each(|line| println!("* {line}"));
}

/// What announces it, and the secret itself.
fn plant(dice: &mut Dice) -> (String, String) {
    let digits = |dice: &mut Dice, count: usize| -> String {
        (0..count).map(|_| char::from(b'0' + u8::try_from(dice.below(10)).unwrap())).collect()
    };
    match dice.below(9) {
        0 => {
            let gap = *dice.one(&["", " ", "-", "—"]);
            let head = dice.one(&["138", "159", "177", "199"]);
            let (middle, last) = (digits(dice, 4), digits(dice, 4));
            ("我电话".into(), format!("{head}{gap}{middle}{gap}{last}"))
        }
        1 => (String::new(), format!("023-6{}", digits(dice, 7))),
        2 => ("身份证".into(), identity(dice)),
        3 => (
            String::new(),
            format!("渝{}{}", dice.one(&["A", "B", "C"]), 10_000 + dice.below(90_000)),
        ),
        4 => (String::new(), format!("渝AD{}", digits(dice, 5))),
        5 => ("邮箱".into(), format!("user{}@example.com", digits(dice, 4))),
        6 => ("微信".into(), format!("wx_{}", digits(dice, 8))),
        7 => {
            let announce = *dice.one(&["我叫", "联系人：", "姓名"]);
            let family = if announce == "联系人：" {
                *dice.one(&FAMILIES)
            } else {
                *dice.one(&FAMILIES[..11])
            };
            (announce.into(), format!("{family}{}", dice.one(&GIVEN)))
        }
        _ => (
            "住".into(),
            format!("{}单元{}{:02}", 1 + dice.below(6), 1 + dice.below(30), 1 + dice.below(8)),
        ),
    }
}

fn identity(dice: &mut Dice) -> String {
    let body = format!(
        "500103{}{:02}{:02}{:03}",
        1940 + dice.below(70),
        1 + dice.below(12),
        1 + dice.below(28),
        dice.below(1000)
    );
    let weights = [7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2];
    let sum: u32 = body.chars().zip(weights).map(|(c, w)| c.to_digit(10).unwrap() * w).sum();
    format!("{body}{}", "10X98765432".chars().nth(sum as usize % 11).unwrap())
}
