//! What is taken out, what stays, and that nothing is left that would be taken out.

use proptest::prelude::*;

use super::{PersonalKind, find, scrub};

fn check(text: &str, expected: &str) {
    assert_eq!(scrub(text).text, expected, "{text}");
}

#[test]
fn mobile_numbers_are_found_however_they_are_written() {
    check("请回电13800138000谢谢", "请回电〔电话〕谢谢");
    check("电话：138 0013 8000。", "电话：〔电话〕。");
    check("138-0013-8000", "〔电话〕");
    check("１３８００１３８０００找我", "〔电话〕找我");
    check("1 3 8 0 0 1 3 8 0 0 0", "〔电话〕");
    check("+86 13800138000", "〔电话〕");
    check("0086-138-0013-8000", "〔电话〕");
    check("打013800138000", "打〔电话〕");
    check("幺三八零零幺三八零零零", "〔电话〕");
    check("13800138000 13900139000", "〔电话〕 〔电话〕");
    check("138\u{200b}0013\u{200b}8000", "〔电话〕");
}

#[test]
fn landlines_are_found_with_area_code_or_after_their_word() {
    check("023-67891234", "〔电话〕");
    check("(023)6789 1234转8012", "〔电话〕");
    check("（０２３）６７８９１２３４", "〔电话〕");
    check("010 8765 4321", "〔电话〕");
    check("0831-2345678", "〔电话〕");
    check("座机67891234，白天有人", "座机〔电话〕，白天有人");
    check("+86 23 6789 1234", "〔电话〕");
}

#[test]
fn identity_numbers_are_found_by_check_digit_birthday_or_word() {
    check("11010519491231002X", "〔证件号〕");
    check("11010519491231002x本人", "〔证件号〕本人");
    check("110105 19491231 002X", "〔证件号〕");
    check("500524188001010014已失效", "500524188001010014已失效");
    check("110105194912310029", "〔证件号〕");
    check("130503670401001", "〔证件号〕");
    check("身份证：50010320261121000", "身份证：〔证件号〕");
}

#[test]
fn bank_cards_are_found_by_their_last_digit_or_word() {
    check("6222021001116245702", "〔银行卡〕");
    check("6222 0210 0111 6245 702", "〔银行卡〕");
    check("4111-1111-1111-1111", "〔银行卡〕");
    check("6222021001116245703", "6222021001116245703");
    check("卡号6222021001116245703", "卡号〔银行卡〕");
}

#[test]
fn plates_are_found_those_of_new_energy_cars_too() {
    check("渝A12345乱停", "〔车牌〕乱停");
    check("渝A·D12345占道", "〔车牌〕占道");
    check("渝 b 8k7m2", "〔车牌〕");
    check("川AF12345", "〔车牌〕");
    check("渝A1234学", "〔车牌〕");
    check("渝Ａ１２３４５", "〔车牌〕");
}

#[test]
fn addresses_and_accounts_are_found() {
    check("发到zhang.san_1@example.com.cn。", "发到〔邮箱〕。");
    check("13800138000@139.com", "〔邮箱〕");
    check("ａｂｃ＠ｑｑ．ｃｏｍ", "〔邮箱〕");
    check("微信号：cq_wang88，加我", "微信号：〔账号〕，加我");
    check("加v wangwu2020", "加v 〔账号〕");
    check("QQ 123456789", "QQ 〔账号〕");
    check("微信13800138000", "微信〔账号〕");
}

#[test]
fn names_are_found_after_the_words_that_announce_them() {
    check("我叫王小明，住在幸福路", "我叫〔姓名〕，住在幸福路");
    check("我叫王强住在三楼", "我叫〔姓名〕住在三楼");
    check("联系人：欧阳娜娜 电话13800138000", "联系人：〔姓名〕 电话〔电话〕");
    check("姓名 安东 性别男", "姓名 〔姓名〕 性别男");
    check("联系人小王", "联系人〔姓名〕");
    check("联系人张女士", "联系人〔姓名〕");
    check("我叫阿依古丽·买买提", "我叫〔姓名〕");
    check("My name is John Smith and the lamp is out", "My name is 〔姓名〕 and the lamp is out");
}

#[test]
fn units_and_flats_are_found_and_the_building_stays() {
    check("幸福小区5栋3单元502漏水", "幸福小区5栋〔门牌〕漏水");
    check("三单元五楼二号", "〔门牌〕");
    check("12-3-4", "〔门牌〕");
    check("家住8栋12-4", "家住8栋〔门牌〕");
    check("A座1203室", "A座〔门牌〕");
    check("2号楼1单元1502室", "2号楼〔门牌〕");
    check("1101室天花板渗水", "〔门牌〕天花板渗水");
    check("leak at Apt 5B, Elm Road", "leak at 〔门牌〕, Elm Road");
}

/// Sentences as they come in every day, with numbers that are nobody's.
const ORDINARY: [&str; 38] = [
    "部件编号5001030101000001的井盖破损",
    "路灯杆号3205080101000001不亮",
    "案件号500103-20261121-00001请尽快处理",
    "500103202611210000100 这个单号没人管",
    "网格500103001002003卫生很差",
    "20位专业网格01500103001002003001",
    "人民路138号门口积水",
    "建设大道1388号附近1500米有黄土",
    "2026年11月21日到2026-11-25停水",
    "2026-11-21 08:30:00开始停气",
    "26-11-21报过一次",
    "欠费1234.56元，已交20000元",
    "一共损失138000元",
    "早上8:00-12:00，下午14:00-18:00",
    "拨打12345和110都没人来",
    "12319、96116热线",
    "客服电话400-820-8820打不通",
    "坐123路、321路公交到3号线",
    "G50高速和212国道交叉口",
    "东经106.551556，北纬29.563009",
    "管径DN300，压力0.4MPa，长1200米",
    "PM2.5浓度138，AQI 213",
    "三单元门口的灯坏了",
    "3栋楼下垃圾成堆",
    "5号楼2023年就开始漏",
    "10栋1200户居民停水",
    "教室外面施工噪音大",
    "微信支付扫码停车收费混乱",
    "关注微信公众号也查不到",
    "微信12345小程序打不开",
    "我叫他们不要乱倒，他们不听",
    "我叫车来了也进不去",
    "联系人一直没有回电",
    "请填写姓名和电话",
    "第12-3-4条款说得很清楚",
    "版本号1.2.3.4，编号A-12-3-4",
    "共有13800138000000个菌落",
    "Street lamp 12 on Elm Road is out since 21 November 2026, phone 311",
];

#[test]
fn a_sentence_without_personal_data_is_not_touched() {
    for sentence in ORDINARY {
        check(sentence, sentence);
    }
}

#[test]
fn each_kind_is_counted() {
    let scrubbed = scrub("我叫王小明，13800138000，13900139000，渝A12345");
    assert_eq!(scrubbed.count(PersonalKind::Phone), 2);
    assert_eq!(scrubbed.count(PersonalKind::Name), 1);
    assert_eq!(scrubbed.count(PersonalKind::Plate), 1);
    assert_eq!(scrubbed.count(PersonalKind::Email), 0);
    assert_eq!(scrubbed.total(), 4);
}

fn texts() -> impl Strategy<Value = String> {
    let pieces = prop::sample::select(vec![
        "1",
        "3",
        "8",
        "0",
        "62",
        "138",
        "0013",
        "8000",
        "023",
        "-",
        " ",
        "－",
        "@",
        ".com",
        "渝",
        "A",
        "b",
        "单元",
        "栋",
        "室",
        "我叫",
        "王",
        "小明",
        "联系人",
        "：",
        "微信",
        "qq",
        "号",
        "电话",
        "，",
        "12",
        "11010519491231002X",
        "〔电话〕",
        "转",
        "+86",
        "(",
        "·",
        "一",
        "路",
    ]);
    prop::collection::vec(pieces, 0..24).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn scrubbing_twice_is_scrubbing_once_and_leaves_nothing_to_find(text in texts()) {
        let once = scrub(&text);
        let twice = scrub(&once.text);
        prop_assert_eq!(&twice.text, &once.text);
        prop_assert_eq!(twice.total(), 0);
        prop_assert!(find(&super::Letters::new(&once.text)).is_empty());
    }

    #[test]
    fn any_text_at_all_is_scrubbed_without_harm(text in ".{0,60}") {
        let scrubbed = scrub(&text);
        prop_assert!(scrubbed.total() > 0 || scrubbed.text == text);
    }

    #[test]
    fn every_mobile_number_is_found_with_any_gaps(
        digits in "1[3-9][0-9]{9}", gap in prop::sample::select(vec!["", " ", "-", "－", "　", "."]),
        groups in prop::sample::select(vec![[3, 4, 4], [3, 3, 5], [4, 3, 4]]),
    ) {
        let (a, rest) = digits.split_at(groups[0]);
        let (b, c) = rest.split_at(groups[1]);
        let scrubbed = scrub(&format!("请打{a}{gap}{b}{gap}{c}谢谢"));
        prop_assert_eq!(scrubbed.text, "请打〔电话〕谢谢");
    }

    #[test]
    fn every_right_identity_number_is_found(
        area in prop::sample::select(vec!["500103", "110105", "440524", "650102"]),
        year in 1930u32..2030, month in 1u32..=12, day in 1u32..=28, serial in 0u32..1000,
    ) {
        let body = format!("{area}{year}{month:02}{day:02}{serial:03}");
        let weights = [7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2];
        let sum: u32 = body.chars().zip(weights).map(|(c, w)| c.to_digit(10).unwrap() * w).sum();
        let check = "10X98765432".chars().nth(sum as usize % 11).unwrap();
        prop_assert_eq!(scrub(&format!("证{body}{check}。")).text, "证〔证件号〕。");
    }
}
