//! What words announce or letters give away: plates, e-mail addresses, accounts, names, flats. Not
//! names in the middle of a sentence: without a word before them they cannot be told from others.

use super::super::letter::{is_han, is_latin};
use super::Letters;

const PROVINCES: &str = "京津沪渝冀豫云辽黑湘皖鲁新苏浙赣鄂桂甘晋蒙陕吉闽贵粤青藏川宁琼";
const GAPS: &str = " ·.-•・";
const LINKS: &str = " :是为号码,=“\"";
/// Family names that may follow a word directly.
const FAMILIES: &str = "王李张刘陈杨赵黄周吴徐孙胡朱高林何郭马罗梁宋郑谢韩唐冯于董萧肖程曹袁邓许傅沈曾彭吕苏卢蒋蔡贾丁魏薛叶阎余潘杜戴夏钟汪田任姜范方石姚谭廖邹熊金陆郝孔白崔康毛邱秦江史顾侯邵孟龙万段雷钱汤尹黎易常武乔贺赖龚文庞樊兰殷施陶洪翟颜倪严牛温芦季俞章鲁葛伍韦申尤毕聂焦向柳邢岳齐梅莫庄辛祝左涂谷祁舒耿牟詹关苗凌费纪靳盛童欧甄项曲游阳裴席卫屈鲍覃霍翁隋甘景柏柯阮桂闵柴冉辜饶刁瞿戚丘池滕晋邬臧苟褚廉简娄符奚穆郎冀姬屠郜晏栾郁窦迟敖冷卓仇艾蓝巩仲虞卞封楚佟栗匡宗巫鞠桑荆谌蔺";
/// Family names that are also common words: only after a colon or the like.
const DOUBTFUL_FAMILIES: &str =
    "安车来全和都时成花原官位应商连明房路古米解强华边包单司宁吉党木沙保习台乐计谈宫查管";
const DOUBLE_FAMILIES: [&str; 15] = [
    "欧阳", "上官", "司马", "诸葛", "东方", "皇甫", "尉迟", "公孙", "令狐", "慕容", "司徒", "夏侯",
    "端木", "南宫", "长孙",
];
/// Letters that no longer belong to a name that may have ended.
const AFTER_NAMES: &str =
    "住在是的电手联身我你他她这那有已要想反投举报说到从就也都但及,。,;:、(（〔 ";

/// An e-mail address.
pub(super) fn email(letters: &Letters, at: usize) -> Option<(usize, usize)> {
    let is_local = |letter: char| letter.is_ascii_alphanumeric() || "._%+-".contains(letter);
    if !is_local(letters.at(at)) || letters.at(at) == '.' || is_local(letters.before(at)) {
        return None;
    }
    let local_end = at + letters.run(at, is_local);
    let sign = letters.skip(local_end, 1, " ");
    if letters.at(sign) != '@' {
        return None;
    }
    let domain = letters.skip(sign + 1, 1, " ");
    let is_domain = |letter: char| letter.is_ascii_alphanumeric() || "-.".contains(letter);
    let mut end = domain + letters.run(domain, is_domain);
    while "-.".contains(letters.before(end)) && end > domain {
        end -= 1;
    }
    let top = (domain..end).rev().take_while(|&at| letters.at(at).is_ascii_alphabetic()).count();
    let has_dot = end > domain + top + 1 && letters.at(end - top - 1) == '.';
    (has_dot && top >= 2).then_some((at, end))
}

/// A number plate: province, office, five letters, or six on a new-energy car.
pub(super) fn plate(letters: &Letters, at: usize) -> Option<(usize, usize)> {
    if !PROVINCES.contains(letters.at(at)) {
        return None;
    }
    let office = letters.skip(at + 1, 1, " ");
    if !letters.at(office).is_ascii_alphabetic() {
        return None;
    }
    let mut next = letters.skip(office + 1, 2, GAPS);
    let (mut count, mut digits, mut end) = (0, 0, next);
    while count < 7 && letters.at(next).is_ascii_alphanumeric() {
        count += 1;
        digits += usize::from(letters.is_digit(next));
        end = next + 1;
        next = letters.skip(end, 1, " ·");
    }
    let tail = "挂学警港澳领使临".contains(letters.at(end)) && letters.at(end) != '\0';
    match (count, tail) {
        (4, true) if digits > 0 => Some((at, end + 1)),
        (5 | 6, _) if digits > 0 => Some((at, end)),
        _ => None,
    }
}

/// A WeChat or QQ name or number after its word.
pub(super) fn account(letters: &Letters, at: usize) -> Option<(usize, usize)> {
    let chinese = ["微信", "薇信", "威信", "v信", "加v", "扣扣", "企鹅号"];
    let latin = ["wechat", "weixin", "vx", "wx", "qq"];
    let (after, is_chinese) = match letters.any_word(at, &chinese) {
        Some(end) => (end, true),
        None if is_latin(letters.before(at)) => return None,
        None => (letters.any_word(at, &latin)?, false),
    };
    let after = letters.word(after, "群").unwrap_or(after);
    let from = letters.skip(after, 5, LINKS);
    let is_name = |letter: char| letter.is_ascii_alphanumeric() || "-_".contains(letter);
    let length = letters.run(from, is_name);
    let digits = letters.digits(from);
    let is_apart = is_chinese || from > after;
    let is_number = (6..=12).contains(&digits) && length == digits;
    let is_word = is_apart && (6..=20).contains(&length) && letters.at(from).is_ascii_alphabetic();
    (is_number || is_word).then_some((from, from + length))
}

/// A Chinese name after a word that announces it.
pub(super) fn name(letters: &Letters, at: usize) -> Option<(usize, usize)> {
    let words = [
        "我叫",
        "我名叫",
        "联系人",
        "姓名",
        "名字叫",
        "名字是",
        "投诉人",
        "反映人",
        "举报人",
        "报修人",
        "报案人",
        "户主",
        "当事人",
        "来电人",
    ];
    let after = letters.any_word(at, &words)?;
    let from = letters.skip(after, 3, LINKS);
    let from = letters.skip(from, 1, "小老");
    let first = if letters.any_word(from, &DOUBLE_FAMILIES).is_some() {
        from + 2
    } else if is_one_of(letters, from, FAMILIES)
        || (from > after && is_one_of(letters, from, DOUBTFUL_FAMILIES))
    {
        from + 1
    } else {
        return long_name(letters, from);
    };
    if letters.at(from.wrapping_sub(1)) == '小' || letters.at(from.wrapping_sub(1)) == '老' {
        return Some((from - 1, first));
    }
    let is_given = |at: usize| is_han(letters.at(at)) && !AFTER_NAMES.contains(letters.at(at));
    if !is_given(first) {
        return None;
    }
    Some((from, if is_given(first + 1) { first + 2 } else { first + 1 }))
}

/// Names of several parts, joined by a dot.
fn long_name(letters: &Letters, from: usize) -> Option<(usize, usize)> {
    let is_part = |at: &usize| is_han(letters.at(*at)) || letters.at(*at) == '·';
    let length = (from..from + 20).take_while(is_part).count();
    let has_dot = (from + 1..from + length).any(|at| letters.at(at) == '·');
    has_dot.then_some((from, from + length))
}

/// An English name after words that announce it: up to three words with capitals.
pub(super) fn english_name(letters: &Letters, at: usize) -> Option<(usize, usize)> {
    let words = ["my name is ", "contact person: ", "name: ", "this is mr ", "this is ms "];
    if is_latin(letters.before(at)) {
        return None;
    }
    let from = letters.any_word(at, &words)?;
    let mut end = None;
    let mut next = from;
    while letters.is_capital(next) && end.is_none_or(|end| next == end + 1) {
        let length = letters.run(next, is_latin);
        end = Some(next + length);
        next = letters.skip(next + length, 1, " ");
    }
    Some((from, end?))
}

/// Unit and flat. The building before them stays: it is where help must go.
pub(super) fn flat(letters: &Letters, at: usize) -> Option<(usize, usize)> {
    english_flat(letters, at).or_else(|| {
        let before = letters.before(at);
        let starts = numeral(letters.at(at)) && !numeral(before);
        if !starts || is_latin(before) || "-.第".contains(before) {
            return None;
        }
        let end = in_unit(letters, at)
            .or_else(|| three_parts(letters, at))
            .or_else(|| in_building(letters, at))
            .or_else(|| room(letters, at))?;
        Some((at, end))
    })
}

/// 3单元502, 三单元五楼二号, 1单元5-2.
fn in_unit(letters: &Letters, at: usize) -> Option<usize> {
    let unit = at + numerals(letters, at, 3)?;
    let mut next = letters.skip(letters.word(unit, "单元")?, 1, " -");
    next += numerals(letters, next, 4)?;
    for link in ["-", "楼", "层"] {
        let Some(after) = letters.word(next, link) else { continue };
        let after_gap = letters.skip(after, 1, " ");
        match numerals(letters, after_gap, 4) {
            Some(length) => next = after_gap + length,
            None if link != "-" => next = after,
            None => {}
        }
        break;
    }
    Some(letters.any_word(next, &["号房", "室", "号", "房", "户"]).unwrap_or(next))
}

/// 12-3-4: building, unit, flat. Three pairs of digits may be a date.
fn three_parts(letters: &Letters, at: usize) -> Option<usize> {
    let mut lengths = [0; 3];
    let mut next = at;
    for (part, (length, max)) in lengths.iter_mut().zip([3, 2, 4]).enumerate() {
        *length = letters.digits(next);
        if !(1..=max).contains(length) {
            return None;
        }
        next += *length;
        if part < 2 {
            next = letters.word(next, "-")?;
        }
    }
    let is_date = lengths == [2, 2, 2] && letters.at(at) == '2';
    let goes_on = "-./".contains(letters.at(next)) && letters.is_digit(next + 1);
    (!is_date && !goes_on).then_some(next)
}

/// 8栋502, 3号楼12-4, A座1203室.
fn in_building(letters: &Letters, at: usize) -> Option<usize> {
    let before = if letters.before(at) == ' ' { at - 1 } else { at };
    let is_building = ["栋", "幢", "座", "号楼"].iter().any(|word| {
        let length = word.chars().count();
        before.checked_sub(length).and_then(|start| letters.word(start, word)).is_some()
    });
    if !is_building {
        return None;
    }
    let digits = letters.digits(at);
    let next = at + digits;
    if let Some(second) = letters.word(next, "-") {
        let more = letters.digits(second);
        return ((1..=2).contains(&digits) && (1..=4).contains(&more)).then_some(second + more);
    }
    let counts = "年月日个户人元平米万多点层楼栋路车";
    let is_flat = (3..=4).contains(&digits) && !is_one_of(letters, next, counts);
    is_flat.then(|| letters.any_word(next, &["号房", "室", "号", "房", "户"]).unwrap_or(next))
}

/// 502室, 1203房间.
fn room(letters: &Letters, at: usize) -> Option<usize> {
    let digits = letters.digits(at);
    let end = letters.any_word(at + digits, &["室", "号房", "房间"])?;
    ((3..=4).contains(&digits) && !is_one_of(letters, end, "外内温")).then_some(end)
}

/// Apt 502, Room 12-B.
fn english_flat(letters: &Letters, at: usize) -> Option<(usize, usize)> {
    if is_latin(letters.before(at)) {
        return None;
    }
    let word = letters.any_word(at, &["apartment", "apt", "room"])?;
    let from = letters.skip(word, 2, " .#:");
    let is_part = |letter: char| letter.is_ascii_alphanumeric() || letter == '-';
    let length = letters.run(from, is_part);
    (from > word && letters.is_digit(from) && length <= 6).then_some((at, from + length))
}

fn is_one_of(letters: &Letters, at: usize, these: &str) -> bool {
    letters.at(at) != '\0' && these.contains(letters.at(at))
}

fn numeral(letter: char) -> bool {
    letter.is_ascii_digit() || "〇零一二三四五六七八九十两".contains(letter)
}

/// How many numerals begin here, if it is at least one and at most `max`.
fn numerals(letters: &Letters, at: usize, max: usize) -> Option<usize> {
    let count = letters.run(at, numeral);
    (1..=max).contains(&count).then_some(count)
}
