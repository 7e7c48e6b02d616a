//! What can be asked of a case, and what goes on record when it is done: one step for each command.

use super::words::{EventLevel, PhotoKind, ReportForm, Stage};
use super::{CaseId, Level};
use crate::calendar::Limit;
use crate::{AreaPath, Timestamp};

/// Declares commands with the step that each puts on record.
macro_rules! acts {
    ($($(#[$doc:meta])* $command:ident = $ask:literal, $step:ident = $done:literal $zh:literal / $en:literal,)+) => {
        words! {
            /// What can be asked of a case, in the order shown to people.
            CommandKind { $($(#[$doc])* $command = $ask $zh / $en,)+ }
        }
        words! {
            /// What happened to a case.
            CaseStep {
                /// 上报: the first event of a case that is not filed yet.
                Reported = "reported" "上报" / "Reported",
                /// 区划变更: the codes of its areas are new; nothing else is.
                Recoded = "recoded" "区划代码变更" / "Area codes changed",
                $($(#[$doc])* $step = $done $zh / $en,)+
            }
        }
        impl CommandKind {
            /// What goes on record when it is done.
            pub const fn step(self) -> CaseStep {
                match self { $(Self::$command => CaseStep::$step,)+ }
            }
        }
    };
}

acts! {
    /// 受理.
    Accept = "accept", Accepted = "accepted" "受理" / "Accept",
    /// 核实属实.
    VerifyPass = "verify_pass", VerifyPassed = "verify_passed" "核实属实" / "Verified",
    /// 核实不实或无法核实.
    VerifyFail = "verify_fail", VerifyFailed = "verify_failed" "核实不实" / "Not found on site",
    /// 立案, citing a row of the filing standard.
    File = "file", Filed = "filed" "立案" / "File",
    /// 不予立案.
    Refuse = "refuse", Refused = "refused" "不予立案" / "Refuse",
    /// 派遣: give it to an agency.
    Dispatch = "dispatch", Dispatched = "dispatched" "派遣" / "Dispatch",
    /// 开始处置.
    Start = "start", Started = "started" "开始处置" / "Start",
    /// 处置完成.
    Finish = "finish", Finished = "finished" "处置完成" / "Handled",
    /// 回退: the agency gives it back.
    Return = "return", Returned = "returned" "回退" / "Return",
    /// 接核查.
    TakeCheck = "take_check", CheckTaken = "check_taken" "接核查" / "Take the check",
    /// 核查通过.
    CheckPass = "check_pass", CheckPassed = "check_passed" "核查通过" / "Check passed",
    /// 核查不通过, back for rework 返工.
    CheckFail = "check_fail", CheckFailed = "check_failed" "核查不通过，返工" / "Check failed, rework",
    /// 结案.
    Close = "close", Closed = "closed" "结案" / "Close",
    /// 强制结案.
    ForceClose = "force_close", ForceClosed = "force_closed" "强制结案" / "Close by force",
    /// 作废.
    Cancel = "cancel", Cancelled = "cancelled" "作废" / "Cancel",
    /// 申请延期.
    AskDelay = "ask_delay", DelayAsked = "delay_asked" "申请延期" / "Ask for delay",
    /// 申请挂账.
    AskSuspend = "ask_suspend", SuspendAsked = "suspend_asked" "申请挂账" / "Ask to suspend",
    /// 批准 what was asked for.
    Grant = "grant", Granted = "granted" "批准" / "Grant",
    /// 不批准.
    Deny = "deny", Denied = "denied" "不批准" / "Deny",
    /// 恢复 a suspended case.
    Resume = "resume", Resumed = "resumed" "恢复处置" / "Resume",
    /// 督办.
    Supervise = "supervise", Supervised = "supervised" "督办" / "Supervise",
    /// 催办.
    Urge = "urge", Urged = "urged" "催办" / "Urge",
    /// 上报, or taken over by a higher centre 提级.
    HandUp = "hand_up", HandedUp = "handed_up" "上报" / "Hand up",
    /// 交办 to a lower centre.
    HandDown = "hand_down", HandedDown = "handed_down" "交办" / "Hand down",
    /// 横向分拨 to a neighbouring centre or to another agency.
    HandSideways = "hand_sideways", HandedSideways = "handed_sideways" "横向分拨" / "Hand sideways",
    /// 准入: a task outside an agency's list of duties is admitted.
    Admit = "admit", Admitted = "admitted" "准入" / "Admit a task",
    /// 多跨协同: another agency gets a part.
    Involve = "involve", Involved = "involved" "协同派单" / "Involve an agency",
    /// An agency begins its part.
    StartPart = "start_part", PartStarted = "part_started" "协同开始" / "Part started",
    /// An agency finishes its part.
    FinishPart = "finish_part", PartFinished = "part_finished" "协同完成" / "Part done",
    /// An agency refuses its part, with evidence.
    RefusePart = "refuse_part", PartRefused = "part_refused" "拒绝协同" / "Part refused",
    /// The centre takes a part back.
    DropPart = "drop_part", PartDropped = "part_dropped" "撤销协同" / "Part dropped",
    /// 争议: the agency says, with evidence, that it is not its task.
    Dispute = "dispute", Disputed = "disputed" "提出权责争议" / "Dispute",
    /// 裁定 of the centre above.
    Arbitrate = "arbitrate", Arbitrated = "arbitrated" "裁定" / "Arbitrate",
    /// 申诉 against a breach on record.
    Appeal = "appeal", Appealed = "appealed" "申诉" / "Appeal",
    /// 申诉成立, in the review at hand.
    UpholdAppeal = "uphold_appeal", AppealUpheld = "appeal_upheld" "申诉成立" / "Uphold the appeal",
    /// 申诉不成立.
    RejectAppeal = "reject_appeal", AppealRejected = "appeal_rejected" "申诉不成立" / "Reject the appeal",
    /// 定级 Ⅰ-Ⅳ.
    Grade = "grade", Graded = "graded" "定级" / "Set the level",
    /// 报送 to the centre above, by telephone or in writing.
    ReportUp = "report_up", ReportedUp = "reported_up" "报送" / "Report upwards",
    /// 启动预案, peace to emergency.
    FirePlan = "fire_plan", PlanFired = "plan_fired" "启动预案" / "Fire a plan",
    /// 解除预案, emergency to peace.
    StandDown = "stand_down", StoodDown = "stood_down" "解除预案" / "Stand down",
    /// 并入 another case.
    Merge = "merge", MergedInto = "merged_into" "并案" / "Merge",
    /// 撤销并案.
    Unmerge = "unmerge", Unmerged = "unmerged" "撤销并案" / "Undo the merge",
    /// 附议: one more person reports the same.
    Join = "join", Joined = "joined" "附议" / "Add yourself",
    /// 补充 words or photos.
    Remark = "remark", Remarked = "remarked" "补充" / "Add a remark",
    /// 评价 by the reporter.
    Rate = "rate", Rated = "rated" "评价" / "Rate",
    /// 未解决: the reporter says it is not fixed.
    Reopen = "reopen", Reopened = "reopened" "反映未解决" / "Not fixed",
}

/// A photo that goes with a step. The picture itself is kept by its hash, without camera data.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Photo {
    /// What it shows.
    pub kind: PhotoKind,
    /// SHA-256 of the picture, in hex.
    pub hash: String,
    /// When it was taken, as the sender says.
    pub at: Option<Timestamp>,
    /// Where it was taken: longitude and latitude in degrees.
    pub position: Option<[f64; 2]>,
}

/// A step asked for, with what was said along with it. Which parts a kind needs is in the procedure's
/// table (`engine::case`).
#[derive(Debug, Clone, PartialEq)]
pub struct Command {
    /// What is asked.
    pub kind: CommandKind,
    /// A remark.
    pub note: Option<String>,
    /// Why; some kinds are refused without.
    pub reason: Option<String>,
    /// To, from or of which agency. The caller checks that it exists.
    pub agency: Option<String>,
    /// For `hand_up` and `hand_down`: to which level; one up or down if absent.
    pub level: Option<Level>,
    /// For `hand_down` and `hand_sideways`: to the centre of which area. The caller looks it up.
    pub area: Option<AreaPath>,
    /// For `file`: case type; the reported one if absent.
    pub type_id: Option<String>,
    /// For `file`: row of the type's standard, from 0.
    pub row: Option<usize>,
    /// For `ask_delay` and `involve`: how long.
    pub limit: Option<Limit>,
    /// For `ask_suspend`: when it is looked at again.
    pub until: Option<Timestamp>,
    /// For `grade`.
    pub event_level: Option<EventLevel>,
    /// For `report_up`.
    pub form: Option<ReportForm>,
    /// For `fire_plan`; the case type's own if absent.
    pub plan: Option<String>,
    /// For `merge`: into which case. The caller checks that it is open and seen.
    pub other: Option<CaseId>,
    /// For `appeal`: against the breach of which stage.
    pub stage: Option<Stage>,
    /// For `rate`: 1 to 5.
    pub stars: Option<u8>,
    /// Photos that go with it.
    pub photos: Vec<Photo>,
}

impl Command {
    /// A command with nothing said along with it.
    pub const fn new(kind: CommandKind) -> Self {
        Self {
            kind,
            note: None,
            reason: None,
            agency: None,
            level: None,
            area: None,
            type_id: None,
            row: None,
            limit: None,
            until: None,
            event_level: None,
            form: None,
            plan: None,
            other: None,
            stage: None,
            stars: None,
            photos: Vec::new(),
        }
    }
}
