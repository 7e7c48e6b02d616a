//! Numbered errors. Each has a stable number, what and how to mend it, in Chinese and English, so
//! that a citizen, an operator and a log can all cite `E-204`. Numbers are never reused.
//!
//! Ranges: 1xx readings in, 2xx areas and devices, 3xx packs, 4xx warnings and cases (45x the proof log, 46x SensorThings,
//! 47x features and tiles, 48x the doors and alerts, 49x assistants), 5xx access (52x NGSI-LD, 53x InfluxDB 1 and transit),
//! 6xx the program's own state, 70x questions in SQL, 72x alarm quality, 74x rules and reviews.

use crate::Text;

/// One row of the catalogue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ErrorCode {
    /// Stable number, shown as `E-NNN`.
    pub number: u16,
    /// Stable word for counters and logs, `snake_case`.
    pub name: &'static str,
    /// HTTP status that goes with it.
    pub status: u16,
    /// What is wrong, in Chinese.
    pub zh: &'static str,
    /// What is wrong, in English.
    pub en: &'static str,
    /// How to mend it, in Chinese.
    pub hint_zh: &'static str,
    /// How to mend it, in English.
    pub hint_en: &'static str,
}

impl ErrorCode {
    /// `E-204`.
    pub fn label(&self) -> String {
        format!("E-{}", self.number)
    }

    /// What is wrong.
    pub fn text(&self) -> Text {
        Text::new(self.zh, self.en)
    }

    /// How to mend it.
    pub fn hint(&self) -> Text {
        Text::new(self.hint_zh, self.hint_en)
    }

    /// All of it, for a terminal.
    pub fn line(&self) -> String {
        let Self { zh, en, hint_zh, hint_en, .. } = self;
        format!("{} {zh} / {en}\n    fix 改法: {hint_zh} / {hint_en}\n   ", self.label())
    }
}

macro_rules! catalogue {
    ($($ident:ident = $number:literal $name:literal $status:literal
        $zh:literal / $en:literal ; $hint_zh:literal / $hint_en:literal)*) => {
        $(#[doc = $en]
        pub const $ident: ErrorCode = ErrorCode {
            number: $number, name: $name, status: $status,
            zh: $zh, en: $en, hint_zh: $hint_zh, hint_en: $hint_en,
        };)*
        /// Every error, by number.
        pub const ALL: &[ErrorCode] = &[$($ident),*];
    };
}

catalogue! {
    MALFORMED = 101 "malformed" 400
        "格式错误" / "not well formed" ; "按行号和字节位置更正后重发该行" / "mend the line at the byte named and send that line again"
    NOT_FINITE = 102 "not_finite" 400
        "数值不是有限数" / "the value is not a finite number" ; "不要发送 NaN 或无穷大；无读数就不发" / "do not send NaN or infinity; send nothing when there is no reading"
    OUT_OF_RANGE = 103 "out_of_range" 400
        "数值超出该类型的量程" / "the value is outside the kind's range" ; "检查单位与量程（见场景包 kinds.toml）" / "check unit and range in the pack's kinds.toml"
    WRONG_UNIT = 104 "wrong_unit" 400
        "单位与类型不符" / "the unit is not the kind's" ; "换算成该类型的单位后再发" / "convert to the kind's unit and send again"
    FUTURE_TIME = 105 "future_time" 400
        "时间在未来" / "the time stamp lies in the future" ; "校准设备时钟；检查 precision 参数" / "set the device's clock; check the precision parameter"
    ID_TOO_LONG = 106 "id_too_long" 400
        "标识过长" / "the id is too long" ; "设备标识最长 128 字节" / "device ids have at most 128 bytes"
    BODY_TOO_LARGE = 107 "body_too_large" 413
        "请求体超过上限" / "the body is over the limit" ; "分成较小的批次发送" / "send smaller batches"
    UNKNOWN_DEVICE = 108 "unknown_device" 400
        "设备未登记" / "the device is not registered" ; "先导入设备，或以 --register-unknown 启动" / "import the device first, or start with --register-unknown"
    UNKNOWN_KIND = 109 "unknown_kind" 400
        "没有场景包声明该类型" / "no pack declares this kind" ; "检查类型名，或在场景包 kinds.toml 中声明" / "check the name, or declare it in a pack's kinds.toml"
    UNKNOWN_AREA = 110 "unknown_area" 400
        "没有这个区域代码" / "there is no area with this code" ; "检查代码，或先导入区域" / "check the code, or import the areas first"
    TIME_TOO_OLD = 111 "time_too_old" 400
        "时间早于可接受的最早时间" / "the time stamp is before the earliest accepted" ; "检查 precision 参数与时钟" / "check the precision parameter and the clock"
    BAD_ENCODING = 112 "bad_encoding" 400
        "压缩或编码无法解开" / "the body cannot be decoded" ; "检查 Content-Encoding 与字符集" / "check Content-Encoding and the character set"
    DUPLICATE = 113 "duplicate" 200
        "与该流上一读数相同，未重复计入" / "the same reading as the stream's last one; not counted twice" ; "无需处理" / "nothing to do"
    LATE = 114 "late" 200
        "迟于可更正时限，只进入历史" / "later than the horizon; kept in history only" ; "无需处理；如常见请调大时限" / "nothing to do; raise the horizon if this is common"
    FIELD_NOT_NUMERIC = 115 "field_not_numeric" 400
        "字段不是数值" / "the field is not a number" ; "只发送数值字段；文字字段会被拒收" / "send numeric fields only; text fields are refused"
    SLOW_BODY = 116 "slow_body" 408
        "请求体迟迟没有传完" / "the body did not come in within the time allowed" ; "检查网络，或分成较小的批次发送" / "check the network, or send smaller batches"
    NO_SUCH_READING = 117 "no_such_reading" 404
        "没有这条读数" / "there is no such reading" ; "核对设备、类型、时间（到毫秒）和原值；原始读数过了保存期限便不能再更正" / "check device, kind, time to the millisecond and old value; readings that are kept no longer cannot be corrected"
    CORRECTION_ROW = 118 "correction_row" 400
        "一行更正无效" / "a row of corrections is not valid" ; "每行写明设备、类型、时间、新值（或 withdraw）和原因；同一时间有几条读数时写明原值" / "give device, kind, time, new value (or withdraw) and reason; where several readings have that time, give the old value"
    AREA_FILE = 201 "area_file" 400
        "区域文件被整体拒绝" / "the area file is refused as a whole" ; "按行号更正后重新导入；未做任何改动" / "mend the lines named and import again; nothing was changed"
    DEVICE_FILE = 202 "device_file" 400
        "设备行无效" / "a device row is not valid" ; "按行号更正后重新导入该行" / "mend the lines named and import them again"
    SETPOINT_ROW = 203 "setpoint_row" 400
        "一行限值无效" / "a row of set-points is not valid" ; "四级限值应在量程之内，并随级别一路升高或一路降低" / "levels lie inside the kind's range and rise, or fall, with the severity all the way"
    NOT_FOUND = 204 "not_found" 404
        "没有找到，或不在您的辖区内" / "not found, or outside your areas" ; "检查编号；如需其他辖区权限请联系管理员" / "check the id; ask an administrator for access to other areas"
    BAD_QUERY = 205 "bad_query" 400
        "查询参数无效" / "a query parameter is not valid" ; "见 /api/openapi.json 中该接口的参数" / "see the route's parameters in /api/openapi.json"
    BAD_BODY = 206 "bad_body" 400
        "请求内容无效" / "the request body is not valid" ; "见 /api/openapi.json 中该接口的示例" / "see the route's example in /api/openapi.json"
    NO_SETPOINT_RULE = 207 "no_setpoint_rule" 400
        "没有规则使用该类型的限值" / "no rule asks for set-points of this kind" ; "在场景包 rules.toml 中写 setpoint('red') 等条件后再导入限值" / "write a condition such as value >= setpoint('red') in a pack's rules.toml, then import the set-points"
    PACK_INVALID = 301 "pack_invalid" 400
        "场景包有误" / "the pack has faults" ; "运行 chengmai pack check 查看文件、行号与改法" / "run chengmai pack check for file, line and fix"
    PACK_UNSIGNED = 302 "pack_unsigned" 400
        "场景包没有可信的签名" / "the pack is not signed as it must be" ; "核对文件后由签名人运行 chengmai pack sign 重新签名" / "look at its files, then have a signer run chengmai pack sign"
    NOT_ALLOWED_NOW = 401 "not_allowed_now" 409
        "当前状态不允许该操作" / "this step is not allowed in the present state" ; "刷新后查看可用操作" / "reload and look at the actions offered"
    REASON_REQUIRED = 402 "reason_required" 422
        "必须写明原因" / "a reason is required" ; "填写原因后重试" / "give the reason and try again"
    NO_AGENCY = 403 "no_agency" 422
        "没有可派遣的责任单位" / "no agency to dispatch to" ; "选择责任单位，或在城市包中配置" / "choose an agency, or configure one in the city's pack"
    NO_STANDARD_ROW = 404 "no_standard_row" 422
        "立案必须引用立结案标准的一行" / "filing must cite a row of the filing standard" ; "选择适用的立案条件" / "choose the condition that applies"
    NOT_HOLDER = 405 "not_holder" 403
        "该案件目前不由您办理" / "the case is not in your hands" ; "由当前持有人操作，或由上级收回" / "its holder must act, or a higher centre takes it over"
    ALREADY_ANSWERED = 406 "already_answered" 409
        "该预警已有人处理" / "this warning was already answered" ; "查看处理人与意见" / "see who answered it and how"
    CASE_FILE = 407 "case_file" 400
        "案件文件的一行无效" / "a row of the case file is not valid" ; "按行号更正后重新导入该行；已导入的不会重复" / "mend the lines named and import the file again; cases already imported are not doubled"
    PHOTO_REQUIRED = 408 "photo_required" 422
        "必须附带时间和位置的照片" / "a photo with time and position is required" ; "按提示拍照后重试" / "take the photo named and try again"
    OUTSIDE_DUTIES = 409 "outside_duties" 422
        "不在该单位的权责清单内" / "not on that agency's list of duties" ; "派给清单内的单位，或由中心准入并写明原因" / "choose an agency whose duty it is, or have the centre admit the task with a reason"
    LIMIT_REQUIRED = 410 "limit_required" 422
        "必须写明时间" / "a time is required" ; "写明时长（如 2 work_day）或日期" / "give a length (such as 2 work_day) or a day"
    PETITION = 411 "petition" 409
        "与待批申请不符" / "does not fit what was asked for" ; "刷新后查看待批申请" / "reload and look at what waits for an answer"
    PARTS_OPEN = 412 "parts_open" 409
        "协同任务未完成" / "parts of other agencies are not done" ; "等待协同单位完成，或由中心撤销" / "wait for the agencies named, or have the centre drop their parts"
    RULING_FINAL = 413 "ruling_final" 409
        "权责已由上级裁定" / "the centre above has ruled whose task it is" ; "由裁定的单位办理" / "the agency named in the ruling does it"
    NOTHING_TO_APPEAL = 414 "nothing_to_appeal" 409
        "没有可申诉或待审的记录" / "nothing to appeal against or to review" ; "查看案件的计时记录" / "look at the clocks of the case"
    SAME_PERSON = 415 "same_person" 403
        "须由另一人办理" / "another person must do this" ; "请同级或上级的其他人员办理" / "ask a colleague"
    TOO_LATE = 416 "too_late" 409
        "已超过可反映的期限" / "too late for this step" ; "请重新上报" / "report it anew"
    NO_PLAN = 417 "no_plan" 422
        "没有适用的预案，或已在执行" / "no such plan, or one is already in force" ; "选择场景包中的预案" / "choose a plan of a pack"
    REPORT_FIELD = 418 "report_field" 400
        "上报内容缺项或有误" / "a field of the report is missing or not valid" ; "按提示更正后重新提交" / "mend the field named and send again"
    NO_SERVICE = 419 "no_service" 404
        "没有这类事项" / "there is no such service" ; "从事项列表中选择" / "choose one from the list of services"
    API_KEY = 420 "api_key" 403
        "缺少密钥，或密钥无效" / "the key is missing or not valid" ; "向城市运行中心申请有上报权限的密钥" / "ask the city's centre for a key that may report"
    NO_JURISDICTION = 421 "no_jurisdiction" 404
        "不在本系统管辖范围" / "this jurisdiction is not served here" ; "去掉 jurisdiction_id，或填写本市根区域代码" / "leave jurisdiction_id out, or name the code of this city's root area"
    PHOTO_UNREADABLE = 422 "photo_unreadable" 422
        "照片无法读取" / "the photo cannot be read" ; "请用 JPEG、PNG 或 WebP 格式，不超过大小上限" / "send a JPEG, PNG or WebP within the size limit"
    TOO_MANY_REPORTS = 423 "too_many_reports" 429
        "提交过于频繁" / "too many reports from this address" ; "请稍后再试；紧急情况请拨打电话" / "try again shortly; call by telephone when it is urgent"
    NOT_IN_CITY = 424 "not_in_city" 422
        "该位置不在本市范围" / "this place is not in the city" ; "请在地图上选择位置，或选择所在街道" / "choose a place on the map, or your street from the list"
    NO_TRACKING = 425 "no_tracking" 404
        "跟踪链接无效" / "this tracking link is not valid" ; "请检查链接是否完整" / "check that the link is complete"
    HOOK_ADDRESS = 426 "hook_address" 422
        "通知地址不可用" / "messages cannot be sent to this address" ; "填写可公开访问的 http 或 https 地址；内网地址须在配置中许可" / "give a public http or https address; private ones must be allowed in the configuration"
    REQUEST_KEY = 427 "request_key" 400
        "请求键无效" / "the key of the request is not valid" ; "用 8 至 64 个字母、数字或连字符，每次操作各用一个" / "use 8 to 64 letters, digits or hyphens, another one for each action"
    KEY_REUSED = 428 "key_reused" 409
        "同一请求键已用于别的内容" / "something else was asked under this key before" ; "换一个新的请求键" / "use a new key"
    MOVED_ON = 429 "moved_on" 409
        "您查看之后，案件已有变化" / "the case has moved on since you saw it" ; "看看现在的情况，再决定是否重做" / "look at how it stands now, then decide whether to do it again"
    PATROL_TRACK = 430 "patrol_track" 422
        "巡查轨迹无效" / "the track of the patrol is not valid" ; "时间须先后有序，位置须为经纬度，最多两万个点" / "times must be in order, places longitude and latitude, at most 20,000 points"
    NO_MAIL = 435 "no_mail" 422
        "尚未配置邮件服务" / "e-mail is not set up here" ; "请管理员配置 --smtp-url，或改用其他方式" / "have the operator set --smtp-url, or choose another way"
    SUBSCRIPTION_FIELD = 436 "subscription_field" 422
        "订阅内容缺项或有误" / "a field of the subscription is missing or not valid" ; "按提示更正后重新提交" / "mend the field named and send again"
    SUBSCRIPTIONS_FULL = 437 "subscriptions_full" 409
        "订阅数量已达上限" / "there are as many subscriptions as may be" ; "删除不用的订阅" / "remove those that nobody needs"
    NOT_DEAD = 438 "not_dead" 409
        "只有发送失败且已放弃的消息可以重发" / "only a message that was given up can be sent again" ; "刷新后查看消息状态；已停用的订阅请先启用" / "reload and look at its state; a stopped subscription must be started first"
    TRAINING_UNDER_WAY = 445 "training_under_way" 409
        "正在学习，请等它完成" / "learning is under way already; wait until it has ended" ; "完成后可再次开始" / "begin again when it has ended"
    TOO_FEW_TO_LEARN = 446 "too_few_to_learn" 409
        "可供学习的已结案件太少" / "there are too few closed cases to learn from" ; "至少需要 200 件写有描述、按立案标准立案的已结案件，分属两个以上类型" / "it takes 200 closed cases with words, filed under the standard, of two types or more"
    LOG_STOPPED = 450 "log_stopped" 503
        "存证日志已停止" / "the proof log stands still" ; "按服务日志中的原因处理：核对数据目录与数据库，运行 chengmai verify" / "see the reason in the program's log: compare data folder and database with chengmai verify"
    NOT_IN_LOG = 451 "not_in_log" 404
        "存证日志中没有这一部分" / "the proof log has no such part" ; "先取最新检查点，编号和大小不得超过它" / "ask for the newest checkpoint first; numbers and sizes end there"
    NO_CHECKPOINT = 452 "no_checkpoint" 422
        "不是本日志签名的检查点" / "this is no checkpoint that this log signed" ; "原样发送取得的检查点，并在末尾加上见证签名" / "send the checkpoint as it was given, with the cosignature at its end"
    UNKNOWN_WITNESS = 453 "unknown_witness" 403
        "没有已登记见证方的有效签名" / "there is no valid signature of a known witness on it" ; "请管理员用 --witnesses 登记见证方的公钥" / "have the operator name the witness's public key with --witnesses"
    FORKED_LOG = 454 "forked_log" 409
        "检查点与本日志不一致" / "the checkpoint is not one of this log's past" ; "保存该检查点：它证明日志曾被替换。请立即报告监督单位" / "keep that checkpoint: it proves that the log was replaced. Tell the supervisor at once"
    STA_PATH = 460 "sta_path" 404
        "没有这个 SensorThings 地址" / "this SensorThings address leads nowhere" ; "从 /sta/v1.1 开始，沿 navigationLink 走" / "begin at /sta/v1.1 and follow the navigation links"
    STA_QUERY = 461 "sta_query" 400
        "SensorThings 查询选项有误" / "a query option of SensorThings is not understood" ; "按所标位置更正；见 SensorThings 指南" / "mend it at the place named; see the guide on SensorThings"
    STA_BODY = 462 "sta_body" 400
        "SensorThings 实体有误或不完整" / "a SensorThings entity is wrong or not complete" ; "按所述补齐或更正" / "add or mend what is named"
    STA_TOO_MUCH = 463 "sta_too_much" 422
        "该查询需遍历的实体过多" / "the question would go through too many entities" ; "从某个 Thing 或 Datastream 查起，或按 id、name、时间筛选" / "ask from a Thing or a Datastream, or filter by id, name or time"
    STA_OTHER_DOOR = 464 "sta_other_door" 409
        "该实体由设备登记管理，不能在此更改" / "this entity is the device registry's and is not changed here" ; "用 /api/v1/devices 更改设备；或新建自己的实体" / "change the device through /api/v1/devices, or make an entity of your own"
    STA_TOPIC = 465 "sta_topic" 400
        "该主题不能订阅" / "this topic cannot be followed" ; "主题为 v1.1/ 加集合、实体或属性的地址，见 SensorThings 指南" / "a topic is v1.1/ and the address of a set, an entity or a property; see the guide on SensorThings"
    STA_TOPICS = 466 "sta_topics" 429
        "订阅过多" / "too many topics are followed" ; "取消不再需要的订阅，或按 Datastream 订阅" / "unsubscribe from what is not needed, or follow single Datastreams"
    STA_LINK = 467 "sta_link" 409
        "该关联不能这样更改" / "this link cannot be changed so" ; "必需的关联只能改指，不能去掉" / "a link that an entity cannot be without is pointed elsewhere, not taken away"
    STA_CHANGE_SET = 468 "sta_change_set" 424
        "变更集未执行：其中一个请求失败" / "nothing of the change set was done: one of its requests failed" ; "更正所述请求，再发送整个变更集" / "mend the request named and send the whole set again"
    FEATURE_PARAMETER = 470 "feature_parameter" 400
        "查询参数未知或无效" / "a query parameter is unknown or not valid" ; "参数列表见 /api/openapi.json；可按属性查询的名称见该集合的 queryables" / "parameters are listed in /api/openapi.json, properties to ask by in the collection's queryables"
    FEATURE_FILTER = 471 "feature_filter" 400
        "过滤条件不成立" / "the filter is not well formed, or does not fit the collection" ; "按所标位置更正；语法为 CQL2，属性见该集合的 queryables" / "mend it at the place named; the language is CQL2, the properties are in the collection's queryables"
    FILTER_TOO_LARGE = 472 "filter_too_large" 400
        "过滤条件过长、过深或点数过多" / "the filter is too long, too deep or has too many points" ; "拆成多个查询，或简化几何" / "ask in several queries, or simplify the geometry"
    FEATURE_CRS = 473 "feature_crs" 400
        "不支持这个坐标参考系" / "this coordinate reference system is not supported" ; "可用的坐标参考系列在集合的 crs 中" / "those supported are in the collection's `crs`"
    TILE_ADDRESS = 474 "tile_address" 404
        "没有这个图层或瓦片" / "there is no such layer or tile" ; "图层与级别见 /tiles/{layer}.json" / "layers and their zooms are in /tiles/{layer}.json"
    DEVICE_ACCOUNT = 480 "device_account" 403
        "证书中的名称不是只发送读数的账号" / "the certificate names no account that only sends readings" ; "请管理员建立同名账号，且只给 ingest 一种角色" / "ask an administrator for an account of that name whose only role is ingest"
    ALERT_XML = 481 "alert_xml" 400
        "不是可读取的 CAP 1.2 报文" / "this is no CAP 1.2 message that can be read" ; "按所标位置更正；须为 UTF-8，不得含 DTD、实体或处理指令" / "mend it at the place named; UTF-8 only, without a DTD, entities or processing instructions"
    ALERT_FIELD = 482 "alert_field" 422
        "报文的某一项缺失或无效" / "an element of the message is missing or not valid" ; "按所标的元素更正；各项取值见 CAP 1.2" / "mend the element named; what it may hold is in CAP 1.2"
    ALERT_TOO_LARGE = 483 "alert_too_large" 413
        "报文过大" / "the message is too large" ; "至多 256 KiB、5000 个元素、10000 个坐标点；拆成多条或简化边界" / "at most 256 KiB, 5,000 elements and 10,000 points: split it, or simplify outlines"
    ALERT_KIND = 484 "alert_kind" 422
        "不接收这种报文" / "messages of this sort are not taken" ; "只接收状态为 Actual、Exercise 或 Test 的 Alert、Update、Cancel" / "only Alert, Update and Cancel with the status Actual, Exercise or Test"
    ALERT_AREA = 485 "alert_area" 422
        "报文所指区域不在本市或不在您的辖区" / "the message names no area of this city, or one outside yours" ; "以 geocode 给出区划代码，或以 polygon、circle 给出范围" / "give an area code as geocode, or a polygon or circle"
    ALERT_REFERENCE = 486 "alert_reference" 409
        "所引用的报文未曾收到" / "the message refers to none that was taken" ; "先发送被引用的报文；references 为“发送者,标识,时间”" / "send the message it refers to first; references are `sender,identifier,sent`"
    MCP_TOKEN = 490 "mcp_token" 401
        "助手须用自己的令牌连接" / "an assistant comes with a token of its own" ; "在“我的账号”或“用户”页建立令牌，放在 Authorization: Bearer 里；登录会话不能用" / "make a token and send it as `Authorization: Bearer`; a session of a browser is not taken here"
    FOREIGN_HOST = 491 "foreign_host" 403
        "请求所用的主机名不是本城的" / "the request names a host that is not this city's" ; "用 IP 地址、localhost，或 --public-url 中的主机名" / "use an IP address, localhost, or the host of --public-url"
    MCP_MESSAGE = 492 "mcp_message" 400
        "不是合规的 JSON-RPC 消息" / "this is no JSON-RPC message as the protocol has it" ; "每个请求一条消息，写明 jsonrpc、id、method；批量只在 2025-03-26 版中有" / "one message a request, with jsonrpc, id and method; batches exist in version 2025-03-26 only"
    MCP_VERSION = 493 "mcp_version" 400
        "不支持这个 MCP 协议版本" / "this version of MCP is not spoken here" ; "可用版本列在 error.data.supported" / "those spoken are in error.data.supported"
    MCP_HEADERS = 494 "mcp_headers" 400
        "请求头与消息内容不一致" / "the headers do not say what the message says" ; "MCP-Protocol-Version、Mcp-Method、Mcp-Name 须与消息一致" / "MCP-Protocol-Version, Mcp-Method and Mcp-Name must be those of the message"
    MCP_ARGUMENT = 495 "mcp_argument" 400
        "没有这个方法或工具，或参数不对" / "there is no such method or tool, or an argument does not fit" ; "工具及其参数列在 tools/list" / "tools and their arguments are in tools/list"
    MCP_ANSWER = 496 "mcp_answer" 422
        "答案太长，助手读不完" / "the answer is longer than an assistant can read" ; "缩小区域或时间，减小 limit，或用 SQL 汇总" / "ask for a smaller area or time, a smaller limit, or sum it up in SQL"
    DRAFT_ENDED = 497 "draft_ended" 409
        "这条拟办已经办结、退回或失效" / "this draft was approved, declined or has lapsed" ; "刷新列表" / "load the list again"
    DRAFTS_FULL = 498 "drafts_full" 429
        "等待审批的拟办太多" / "too many drafts wait already" ; "等有人审批，或缩小范围" / "wait until somebody has decided on some"
    DRAFT_BY_PERSON = 499 "draft_by_person" 403
        "拟办只能由登录的人审批" / "only a person who is signed in decides on drafts" ; "请登录网页审批" / "sign in to the screens to decide"
    SIGN_IN = 501 "sign_in" 401
        "请先登录" / "sign in first" ; "登录或携带有效令牌" / "sign in, or send a valid token"
    BAD_CREDENTIALS = 502 "bad_credentials" 401
        "用户名或密码不正确" / "name or password is not right" ; "重新输入；多次失败会暂时锁定" / "try again; repeated failures lock the account for a while"
    FORBIDDEN = 503 "forbidden" 403
        "您没有这项权限" / "you do not have this permission" ; "请联系管理员授权" / "ask an administrator to grant it"
    LOCKED = 504 "locked" 429
        "失败次数过多，已暂时锁定" / "too many failures; locked for a while" ; "请在十五分钟后重试" / "try again in fifteen minutes"
    FOREIGN_ORIGIN = 505 "foreign_origin" 403
        "请求来自其他网站" / "the request comes from another site" ; "请从本站页面操作" / "use this site's own pages"
    WEAK_PASSWORD = 506 "weak_password" 422
        "密码太容易被猜到" / "the password is too easy to guess" ; "至少十个字符，不用常见词、键盘序列或自己的名字；几个不相干的词连在一起最好记" / "ten characters or more; no common words, no rows of keys, not your name. A few words that have nothing to do with each other are easiest to remember"
    SECOND_FACTOR = 507 "second_factor" 401
        "还需要动态验证码" / "a code of your authenticator is needed too" ; "输入验证器上的六位数字，或一个恢复码" / "type the six digits of your authenticator, or a recovery code"
    WRONG_CODE = 508 "wrong_code" 401
        "动态验证码不正确，或已用过" / "the code is not right, or was used before" ; "等下一个验证码；检查手机时间是否准确" / "wait for the next code; see that your phone's clock is right"
    ENROL_FIRST = 509 "enrol_first" 403
        "您的角色须先设置双因子" / "your role needs a second factor first" ; "在“我的账号”中设置验证器，然后重新登录" / "set up an authenticator under My account, then sign in again"
    TOO_MANY_REQUESTS = 510 "too_many_requests" 429
        "请求过于频繁" / "too many requests" ; "放慢速度；程序请批量查询" / "slow down; programs should ask for more at a time"
    PURPOSE_NEEDED = 511 "purpose_needed" 422
        "须说明用途" / "a purpose must be given" ; "选择用途：handle 办理、review 复核、law 依法调取、statistics 统计；将记录在案" / "choose one: handle, review, law, statistics. It is put on record"
    NOT_WIDER = 512 "not_wider" 422
        "应急授权须覆盖本辖区的上级区域，写明理由，且不超过四小时" / "access in an emergency is to an area above your own, with a reason, for four hours at most" ; "选择上级区域，写明理由和时长" / "choose an area above your own, say why and how long"
    TOKEN_SCOPE = 513 "token_scope" 422
        "令牌范围无效" / "a token cannot be limited to that" ; "权限、区域、设备须在该账号范围之内" / "permissions, area and device must lie within the account's own"
    PROVIDER_OFF = 514 "provider_off" 404
        "本系统没有接入统一身份认证" / "this city has no identity provider" ; "用用户名和密码登录；接入方法见《账号与权限》" / "sign in with name and password; the guide on access says how one is connected"
    PROVIDER_FAILED = 515 "provider_failed" 502
        "统一身份认证平台没有正常应答" / "the identity provider did not answer as it should" ; "稍后再试，或用用户名和密码登录；管理员请核对 --oidc 各项设置" / "try again later, or sign in with name and password; administrators: check the --oidc settings"
    PROVIDER_ANSWER = 516 "provider_answer" 401
        "统一身份认证的结果不能采信" / "the answer of the identity provider cannot be taken" ; "请重新登录" / "sign in again"
    NO_ACCOUNT = 517 "no_account" 403
        "您在这里还没有账号，或账号尚未关联" / "you have no account here, or it is not linked yet" ; "有账号：先用密码登录，在“我的账号”中关联；没有账号：请管理员建立" / "if you have one: sign in with its password and link it under My account; if not: ask an administrator"
    WEAK_SIGN_IN = 518 "weak_sign_in" 403
        "您的账号须双因子，统一身份认证没有验证第二因子" / "your account needs a second factor, and the identity provider asked for none" ; "用密码和动态验证码登录" / "sign in with your password and a code"
    LINKED_ALREADY = 519 "linked_already" 409
        "这个身份或账号已关联到别处" / "this person or this account is linked to another one already" ; "先解除原来的关联；管理员可在“用户”中解除" / "take the other link away first; administrators can do so under Users"
    NGSI_REQUEST = 520 "ngsi_request" 400
        "NGSI-LD 请求的参数、请求头或 JSON 有误" / "a parameter, a header or the JSON of an NGSI-LD request is not right" ; "按所述更正；参数见 NGSI-LD 指南" / "mend what is named; the guide on NGSI-LD lists the parameters"
    NGSI_BODY = 521 "ngsi_body" 400
        "NGSI-LD 实体、订阅或上下文有误" / "an NGSI-LD entity, subscription or context is not right" ; "按所述的属性更正" / "mend the attribute named"
    NGSI_QUERY = 522 "ngsi_query" 400
        "NGSI-LD 查询条件不成立" / "an NGSI-LD query is not well formed" ; "按所标位置更正；语法见 NGSI-LD 指南" / "mend it at the place named; the guide on NGSI-LD has the grammar"
    NGSI_EXISTS = 523 "ngsi_exists" 409
        "已有这个编号的实体、订阅或上下文" / "there is one of this id already" ; "用 PATCH 更改，或换一个编号" / "change it with PATCH, or choose another id"
    NGSI_NOT_SUPPORTED = 524 "ngsi_not_supported" 422
        "这里不支持这个操作" / "this is not done here" ; "区域、预警、案件只读；设备不删除；不接入其他上下文源" / "areas, warnings and cases are read only, devices stay, and no other context sources are asked"
    NGSI_CONTEXT = 525 "ngsi_context" 503
        "没有这个 @context，程序从不到网络上取" / "this @context is not here, and is never fetched from the network" ; "把它的文本 POST 到 /ngsi-ld/v1/jsonldContexts?url=它的地址" / "POST its text to /ngsi-ld/v1/jsonldContexts?url= and its address"
    NGSI_TENANT = 526 "ngsi_tenant" 404
        "没有这个租户：这里只有一座城市" / "there is no such tenant: this is one city" ; "去掉 NGSILD-Tenant 请求头" / "leave out the header NGSILD-Tenant"
    NGSI_TOO_MUCH = 527 "ngsi_too_much" 403
        "该查询需遍历的实体或读数过多" / "the query would go through too many entities or readings" ; "给出类型、编号或更短的时间" / "name a type, ids, or a shorter time"
    NGSI_MEDIA = 528 "ngsi_media" 415
        "不支持这种 Content-Type" / "this Content-Type is not taken" ; "用 application/json 或 application/ld+json" / "send application/json or application/ld+json"
    NGSI_ACCEPT = 529 "ngsi_accept" 406
        "无法以所要求的格式作答" / "there is no answer in the format asked for" ; "接受 application/json、application/ld+json 或 application/geo+json" / "accept application/json, application/ld+json or application/geo+json"
    SECRET_IN_ADDRESS = 530 "secret_in_address" 400
        "请求地址中带有用户名或密码" / "the address holds a name or a password" ; "改用请求头：HTTP Basic（密码为令牌）、Authorization: Token 名称:令牌 或 Bearer 令牌；写进地址的令牌请作废" / "send them in a header: HTTP Basic with the token as the password, `Authorization: Token name:token`, or `Bearer`; end a token that stood in an address"
    INFLUX_QUESTION = 531 "influx_question" 400
        "这里不回答 InfluxQL 查询" / "InfluxQL is not answered here" ; "只应答 CREATE DATABASE；读数用 /api/v1、SensorThings 或 SQL 查询" / "only CREATE DATABASE is; ask for readings by /api/v1, SensorThings or SQL"
    TRANSIT_MESSAGE = 532 "transit_message" 400
        "不是可读取的 GTFS-Realtime 报文" / "this is no GTFS-Realtime message that can be read" ; "按所标字节更正；须为 FeedMessage 的 protobuf 编码，版本 1.0 或 2.0" / "mend it at the byte named; a FeedMessage of version 1.0 or 2.0 in protobuf"
    TRANSIT_TOO_LARGE = 533 "transit_too_large" 413
        "报文过大" / "the message is too large" ; "至多 16 MiB、50000 个实体；分成多个数据源" / "at most 16 MiB and 50,000 entities: split the feed"
    TRANSIT_ENTITY = 534 "transit_entity" 422
        "实体缺少必要内容或取值无效" / "an entity lacks something, or says what cannot be" ; "车辆须有编号、经纬度与合理的时间" / "a vehicle needs an id, a longitude and latitude, and a time that can be"
    TRANSIT_FEED = 535 "transit_feed" 404
        "没有这个公交数据源" / "there is no such transit feed here" ; "在场景包的 feeds.toml 中声明，或以 --register-unknown 启动；也可能不在您的辖区" / "declare it in a pack's feeds.toml, or start with --register-unknown; or it is outside your area"
    TRANSIT_VEHICLES = 536 "transit_vehicles" 422
        "一个数据源的新车辆太多" / "a feed names too many new vehicles" ; "核对车辆编号是否稳定；每个数据源每次启动后至多登记 20000 辆" / "see that ids of vehicles stay the same; 20,000 of a feed are registered between two starts"
    GTFS_FILE = 537 "gtfs_file" 422
        "GTFS 文件有误" / "a GTFS file is not right" ; "按所标的文件和行更正" / "mend it at the file and line named"
    STOPPED = 601 "stopped" 503
        "磁盘写入失败，已停止接收读数" / "a disk write failed; readings are not taken any more" ; "磁盘已满：腾出空间后自动恢复；其他故障：修好磁盘后重启。已确认的读数都在" / "a full disk: make room, it goes on by itself; anything else: mend the disk and restart. All acknowledged readings are safe"
    OVERLOADED = 602 "overloaded" 429
        "队列已满，请稍后重发" / "the queue is full; send again later" ; "放慢发送速度" / "send more slowly"
    INTERNAL = 603 "internal" 500
        "程序内部错误" / "an error inside the program" ; "请把编号和时间告诉管理员" / "tell the administrator the number and the time"
    SQL_SYNTAX = 701 "sql_syntax" 400
        "SQL 语法有误" / "this is not well-formed SQL" ; "看所标的行和列" / "look at the line and column named"
    SQL_NOT_ALLOWED = 702 "sql_not_allowed" 400
        "只能查询，不能做这个操作" / "only reading is allowed here" ; "一次一条 SELECT、WITH、EXPLAIN、SHOW TABLES 或 DESCRIBE" / "one SELECT, WITH, EXPLAIN, SHOW TABLES or DESCRIBE at a time"
    SQL_UNKNOWN = 703 "sql_unknown" 400
        "没有这个表、列或函数" / "there is no such table, column or function" ; "用 SHOW TABLES 和 DESCRIBE 查看" / "SHOW TABLES and DESCRIBE list what there is"
    SQL_SENSELESS = 704 "sql_senseless" 400
        "查询的类型或分组不成立" / "types or groups of the query do not fit" ; "检查所标位置的类型；未聚合的列要写进 GROUP BY" / "check the types at the place named; columns that are not aggregated belong in GROUP BY"
    SQL_TOO_SLOW = 705 "sql_too_slow" 422
        "查询超过时限" / "the query takes longer than allowed" ; "缩短时间范围，或加上类型、区域条件" / "ask for a shorter time, or name kinds and areas"
    SQL_MEMORY = 706 "sql_memory" 422
        "查询所需内存超过上限" / "the query needs more memory than allowed" ; "先过滤或聚合，再排序或连接" / "filter or aggregate before sorting or joining"
    SQL_ANSWER = 707 "sql_answer" 422
        "结果超过上限" / "the answer is longer than allowed" ; "减少列或行，或用 Parquet 格式" / "ask for fewer columns or rows, or for Parquet"
    SQL_BUSY = 708 "sql_busy" 429
        "同时查询的人太多，请稍后再试" / "too many are asking; try again shortly" ; "稍后再试" / "try again shortly"
    SQL_FAILED = 709 "sql_failed" 422
        "有一行无法计算" / "a row cannot be worked out" ; "检查除数、类型转换和取值范围" / "check divisors, conversions and ranges"
    SQL_FORMAT = 710 "sql_format" 400
        "格式或行数无效" / "format or limit is not valid" ; "格式为 json、csv、arrow、parquet；行数 1 至 1000000" / "formats are json, csv, arrow, parquet; limits 1 to 1000000"
    SHELF_TARGET = 721 "shelf_target" 422
        "没有说明搁置什么" / "nothing to shelve is named" ; "指定一条规则或一个设备，可再限定区域" / "name a rule or a device, and an area if you like"
    SHELF_TIME = 722 "shelf_time" 422
        "搁置时间无效" / "the time of the shelf is not valid" ; "给出将来的结束时间，且不超过本市规定的最长时间" / "give an end in the future, not later than the city allows"
    SHELF_WORST = 723 "shelf_worst" 403
        "只有市级可以搁置四级（红色）预警" / "only the city may shelve severity 4 (red)" ; "请市级中心操作，或只搁置三级及以下" / "ask the city's centre, or shelve severity 3 and below"
    SHELF_RULE = 724 "shelf_rule" 422
        "没有这条规则" / "there is no such rule" ; "从规则列表中选择" / "choose one from the list of rules"
    RULE_FAULTY = 741 "rule_faulty" 422
        "规则有误" / "the rule has faults" ; "按行号与改法更正后重试" / "mend the lines named and try again"
    RULE_NOT_TRIED = 742 "rule_not_tried" 409
        "最近七天内没有用这份规则文本回测过全市至少一天的历史" / "this very text was not tried within a week on at least a day of the whole city's history" ; "先回测，看过结果再启用" / "run the backtest and look at its result first"
    RULE_FLOODS = 743 "rule_floods" 409
        "回测显示预警量超过值守人员可承受的上限" / "the backtest shows more warnings than an operator can manage" ; "调整阈值或延时；确需启用请写明理由" / "change thresholds or delays; to enable it all the same give a reason"
    BACKTEST_BUSY = 744 "backtest_busy" 429
        "正在进行的回测过多" / "too many backtests are under way" ; "等其中一个完成，或取消自己的" / "wait for one to end, or cancel your own"
    RULE_WHOLE_CITY = 745 "rule_whole_city" 403
        "规则对全市生效，须由全市范围的账号启用" / "a rule holds in the whole city: an account of the whole city must enable it" ; "请市级中心启用" / "ask the city's centre to enable it"
    TASK_OWNER = 746 "task_owner" 422
        "改进任务须有一个责任单位或责任人" / "a task needs one owner: an agency or a person" ; "选择责任单位或责任人" / "choose an agency or a person"
    NOT_TASK_OWNER = 747 "not_task_owner" 403
        "该任务不由您办理" / "this task is not yours" ; "由责任单位、责任人或其上级中心完成" / "its owner, or a centre that reviews, must close it"
}

#[cfg(test)]
mod tests {
    use super::ALL;

    #[test]
    fn numbers_and_names_are_unique_and_in_order() {
        assert!(ALL.windows(2).all(|pair| pair[0].number < pair[1].number));
        let mut names: Vec<_> = ALL.iter().map(|e| e.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), ALL.len());
    }
}
