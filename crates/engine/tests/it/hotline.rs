//! A seeded generator of citizens' reports, in Chinese and some English, for every case type of the
//! shipped packs: simulated, and only for tests and measurements. It can keep back ways of speaking,
//! places and words, so that what was taught is not what is asked. Not a model of how people call:
//! the sentences are put together from lists in `hotline/lexicon.txt`.

use std::fmt::Write as _;

/// Numbers that a seed decides.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// From 0 to less than 1.
    pub(crate) fn unit(&mut self) -> f64 {
        (self.bits() >> 11) as f64 / (1u64 << 53) as f64
    }

    pub(crate) fn happens(&mut self, share: f64) -> bool {
        self.unit() < share
    }

    pub(crate) fn below(&mut self, count: usize) -> usize {
        usize::try_from(self.bits() % count as u64).unwrap()
    }

    pub(crate) fn one<'a, T>(&mut self, list: &'a [T]) -> &'a T {
        &list[self.below(list.len())]
    }

    /// Around 0, mostly within 1: the sum of twelve draws.
    pub(crate) fn normal(&mut self) -> f64 {
        (0..12).map(|_| self.unit()).sum::<f64>() - 6.0
    }
}

/// Words that are taught, and words that are kept back.
#[derive(Debug, Clone, Default)]
struct Words {
    taught: Vec<String>,
    kept: Vec<String>,
}

impl Words {
    fn parse(text: &str) -> Self {
        let list = |text: &str| text.split(',').map(|word| word.trim().to_owned()).collect();
        match text.split_once('/') {
            Some((taught, kept)) => Self { taught: list(taught), kept: list(kept) },
            None => Self { taught: list(text), kept: Vec::new() },
        }
    }

    fn one(&self, dice: &mut Dice, kept: f64) -> &str {
        let from =
            if dice.happens(kept) && !self.kept.is_empty() { &self.kept } else { &self.taught };
        dice.one::<String>(from)
    }
}

/// One case type and how people speak of it.
#[derive(Debug, Clone)]
pub(crate) struct Class {
    pub(crate) id: String,
    pub(crate) family: u16,
    names: Words,
    faults: Words,
    english_names: Words,
    english_faults: Words,
}

/// How the reports are to sound.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Style {
    /// Ways of speaking and places that were kept back.
    pub(crate) kept_frames: bool,
    /// Share of the names and of the faults that are words kept back.
    pub(crate) kept_words: f64,
    /// Share of reports with a slip of the keyboard.
    pub(crate) slips: f64,
    /// Share of reports in English.
    pub(crate) english: f64,
}

impl Style {
    pub(crate) const TAUGHT: Self =
        Self { kept_frames: false, kept_words: 0.0, slips: 0.15, english: 0.08 };
    /// Ways of speaking and places never taught.
    pub(crate) const KEPT_FRAMES: Self =
        Self { kept_frames: true, kept_words: 0.0, slips: 0.25, english: 0.08 };
    /// And a third of the words never taught either.
    pub(crate) const KEPT_WORDS: Self =
        Self { kept_frames: true, kept_words: 0.33, slips: 0.25, english: 0.08 };
}

#[derive(Debug)]
pub(crate) struct Hotline {
    pub(crate) classes: Vec<Class>,
}

const TAUGHT_FRAMES: [&str; 10] = [
    "{place}{name}{fault}，{ask}",
    "你好，{place}的{name}{fault}{since}",
    "{since}{place}{name}{fault}",
    "投诉：{place}，{name}{fault}，{harm}",
    "{place}附近{name}{fault}，{harm}，{ask}",
    "请问{place}的{name}{fault}怎么没人处理",
    "{name}{fault}，位置在{place}",
    "{place}有{name}{fault}，{since}，{ask}",
    "市民反映{place}{name}{fault}",
    "{harm}！{place}{name}{fault}",
];
const KEPT_FRAMES: [&str; 8] = [
    "我要反映一个问题，就是{place}那里，{name}{fault}，{harm}",
    "{name}{fault}咯，在{place}，搞快来看一下嘛",
    "麻烦转一下相关部门，{place}这边{name}{fault}{since}了都没见人来",
    "打了好几次电话了！{place}{name}{fault}！！",
    "路过{place}发现{name}{fault}，拍了照片，{ask}",
    "我是附近居民，{name}{fault}，{place}这一段，{harm}",
    "{place}嘛，{name}硬是{fault}，{ask}",
    "{since}的事情，{name}，{place}，{fault}，{harm}",
];
const TAUGHT_ENGLISH: [&str; 3] = [
    "The {name} near {place} {fault}",
    "Hello, {name} at {place} {fault}, please fix",
    "{place}: {name} {fault}",
];
const KEPT_ENGLISH: [&str; 2] = [
    "I want to report that the {name} {fault} by {place}",
    "Can somebody look at {place}? The {name} {fault}",
];
const ROADS: [[&str; 12]; 2] = [
    [
        "人民路",
        "解放路",
        "建设大道",
        "幸福路",
        "长江二路",
        "民生巷",
        "青年路",
        "团结街",
        "龙山大道",
        "学府路",
        "朝阳街",
        "中山三路",
    ],
    [
        "石桥铺渝州路",
        "金渝大道",
        "松石支路",
        "天星桥正街",
        "汉渝路",
        "五里店",
        "黄桷坪正街",
        "火炬大道",
        "红锦大道",
        "南滨路",
        "白鹤路",
        "回兴街道兴科四路",
    ],
];
const MARKS: [[&str; 10]; 2] = [
    [
        "小学门口",
        "菜市场",
        "公交站旁",
        "医院对面",
        "小区北门",
        "银行门口",
        "天桥下",
        "加油站对面",
        "公园东门",
        "3号楼下",
    ],
    [
        "轻轨站2出口",
        "药房隔壁",
        "幼儿园后门",
        "社区服务中心",
        "万达广场侧面",
        "洗车场旁",
        "老年大学",
        "派出所斜对面",
        "篮球场边",
        "桥头",
    ],
];
const SINCES: [[&str; 6]; 2] = [
    ["三天了", "昨天晚上", "从上周开始", "已经半个月", "今天早上", "好久了"],
    ["国庆节后", "前天下暴雨那阵", "差不多一个礼拜", "打从月初", "刚才", "天天如此"],
];
const ASKS: [[&str; 5]; 2] = [
    ["请尽快处理", "希望派人来修", "请核实", "麻烦处理一下", "要求整改"],
    ["得行不嘛", "你们管不管", "盼回复", "给个说法", "来个人看看"],
];
const HARMS: [[&str; 6]; 2] = [
    ["影响出行", "很不安全", "老人摔了一跤", "太影响市容", "居民意见很大", "差点出事"],
    ["恼火得很", "娃儿上学都要从那过", "迟早要出事故", "简直没法住", "轮椅过不去", "看着心烦"],
];
const SLIPS: [(&str, &str); 12] = [
    ("坏", "怀"),
    ("的", "得"),
    ("在", "再"),
    ("盖", "改"),
    ("灯", "登"),
    ("漏", "露"),
    ("很", "狠"),
    ("垃圾", "拉圾"),
    ("路", "陆"),
    ("没", "莫"),
    ("水", "睡"),
    ("了", "勒"),
];

impl Hotline {
    pub(crate) fn new() -> Self {
        let text = include_str!("hotline/lexicon.txt");
        let rows: Vec<Vec<&str>> = text
            .lines()
            .filter(|line| !line.starts_with('#'))
            .map(|line| line.split('|').collect())
            .collect();
        let shared = |part: &'_ str, column: usize| -> Words {
            let row = rows.iter().find(|row| row[0] == part);
            Words::parse(row.map_or(part, |row| row[column]))
        };
        let mut families: Vec<&str> = Vec::new();
        let mut classes = Vec::new();
        for row in rows.iter().filter(|row| !row[0].starts_with('@')) {
            let family =
                families.iter().position(|family| *family == row[1]).unwrap_or_else(|| {
                    families.push(row[1]);
                    families.len() - 1
                });
            classes.push(Class {
                id: row[0].to_owned(),
                family: u16::try_from(family).unwrap(),
                names: Words::parse(row[2]),
                faults: shared(row[3], 1),
                english_names: Words::parse(row[4]),
                english_faults: shared(row[5], 2),
            });
        }
        Self { classes }
    }

    /// A place people would name.
    pub(crate) fn place(dice: &mut Dice, kept: bool) -> String {
        let kept = usize::from(kept);
        let mut place = (*dice.one(&ROADS[kept])).to_owned();
        if dice.happens(0.5) {
            write!(place, "{}号", 1 + dice.below(300)).unwrap();
        }
        if dice.happens(0.6) {
            place.push_str(dice.one::<&str>(&MARKS[kept]));
        }
        place
    }

    /// One report of a class, at a place.
    pub(crate) fn report(
        &self,
        dice: &mut Dice,
        class: usize,
        style: &Style,
        place: &str,
    ) -> String {
        let class = &self.classes[class];
        let kept = usize::from(style.kept_frames);
        let fill = |dice: &mut Dice, frame: &str, names: &Words, faults: &Words| {
            frame
                .replace("{place}", place)
                .replace("{name}", names.one(dice, style.kept_words))
                .replace("{fault}", faults.one(dice, style.kept_words))
                .replace("{since}", dice.one::<&str>(&SINCES[kept]))
                .replace("{ask}", dice.one::<&str>(&ASKS[kept]))
                .replace("{harm}", dice.one::<&str>(&HARMS[kept]))
        };
        let text = if dice.happens(style.english) {
            let frame = if style.kept_frames {
                *dice.one(&KEPT_ENGLISH)
            } else {
                *dice.one(&TAUGHT_ENGLISH)
            };
            fill(dice, frame, &class.english_names, &class.english_faults)
        } else {
            let frame =
                if style.kept_frames { *dice.one(&KEPT_FRAMES) } else { *dice.one(&TAUGHT_FRAMES) };
            fill(dice, frame, &class.names, &class.faults)
        };
        if dice.happens(style.slips) { slip(dice, &text) } else { text }
    }
}

/// One slip of the keyboard: another sign of the same sound, one too few, or one too many.
fn slip(dice: &mut Dice, text: &str) -> String {
    let (right, wrong) = dice.one(&SLIPS);
    if dice.happens(0.6) {
        return text.replacen(right, wrong, 1);
    }
    let mut letters: Vec<char> = text.chars().collect();
    let place = dice.below(letters.len());
    if dice.happens(0.5) {
        letters.remove(place);
    } else {
        letters.insert(place, letters[place]);
    }
    letters.into_iter().collect()
}

/// Sentences written by hand, each with the classes that would be right.
pub(crate) fn by_hand() -> Vec<(Vec<&'static str>, &'static str)> {
    include_str!("hotline/by_hand.txt")
        .lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| {
            let (classes, sentence) = line.split_once('|').unwrap();
            (classes.split('+').collect(), sentence)
        })
        .collect()
}
