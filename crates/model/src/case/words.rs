//! The words of cases: states, stages, lights, sources, levels, kinds of photos. What they mean for a
//! case is decided in `engine::case`.

words! {
    /// Where a case stands.
    CaseState {
        /// 上报: waits for acceptance.
        Reported = "reported" "已上报，待受理" / "Reported, to be accepted",
        /// 受理: waits for somebody to look.
        Accepted = "accepted" "已受理，待核实" / "Accepted, to be verified",
        /// 核实属实: waits for filing.
        Verified = "verified" "核实属实，待立案" / "Verified, to be filed",
        /// 核实不实, or nobody could look: waits for the centre's word.
        Unverified = "unverified" "核实不实，待定" / "Not found on site, to be decided",
        /// 不予立案.
        NotAccepted = "not_accepted" "不予立案" / "Not accepted",
        /// 已立案: waits for dispatch.
        Filed = "filed" "已立案，待派遣" / "Filed, to be dispatched",
        /// 已派遣: lies with the agency.
        Dispatched = "dispatched" "已派遣，待处置" / "Dispatched, to be handled",
        /// 处置中: the agency is at it.
        Handling = "handling" "处置中" / "Being handled",
        /// 挂账: the clock stands still until a day on record.
        Suspended = "suspended" "挂账" / "Suspended",
        /// 已回退: the agency gave it back; waits for dispatch.
        Returned = "returned" "已回退，待重新派遣" / "Returned, to be dispatched again",
        /// 处置完成: waits for the check.
        Handled = "handled" "处置完成，待核查" / "Handled, to be checked",
        /// 核查中: somebody is on the way to look.
        Checking = "checking" "核查中" / "Being checked",
        /// 返工: failed the check; back with the same agency.
        Rework = "rework" "返工" / "Rework",
        /// 核查通过: waits for closing.
        Checked = "checked" "核查通过，待结案" / "Checked, to be closed",
        /// 已并入: goes on as part of another case.
        Merged = "merged" "已并入其他案件" / "Merged into another case",
        /// 已结案.
        Closed = "closed" "已结案" / "Closed",
        /// 强制结案.
        ForcedClosed = "forced_closed" "强制结案" / "Closed by force",
        /// 作废.
        Cancelled = "cancelled" "已作废" / "Cancelled",
    }
}

impl CaseState {
    /// True when nothing is awaited any more.
    pub const fn is_end(self) -> bool {
        matches!(self, Self::NotAccepted | Self::Closed | Self::ForcedClosed | Self::Cancelled)
    }

    /// True before the case is filed.
    pub const fn is_before_filing(self) -> bool {
        matches!(
            self,
            Self::Reported | Self::Accepted | Self::Verified | Self::Unverified | Self::NotAccepted
        )
    }
}

words! {
    /// Which clock runs. Each limit is its own; a case's whole limit is their sum from filing on.
    Stage {
        /// 受理.
        Accept = "accept" "受理" / "Acceptance",
        /// 核实.
        Verify = "verify" "核实" / "Verification",
        /// 立案.
        File = "file" "立案" / "Filing",
        /// 派遣.
        Dispatch = "dispatch" "派遣" / "Dispatch",
        /// 处置.
        Handle = "handle" "处置" / "Handling",
        /// 挂账复核: until the review date.
        Review = "review" "挂账复核" / "Review of a suspension",
        /// 核查.
        Check = "check" "核查" / "Check",
        /// 结案.
        Close = "close" "结案" / "Closing",
        /// 随主案: until the case's own deadline, while another case carries it.
        Follow = "follow" "随主案" / "Following another case",
    }
}

words! {
    /// Colour of a clock.
    Light {
        /// Less than 80 % of the limit used.
        Green = "green" "正常" / "In time",
        /// 80 % or more used.
        Yellow = "yellow" "将超期" / "Due soon",
        /// Overdue.
        Red = "red" "超期" / "Overdue",
    }
}

words! {
    /// Where a case came from.
    CaseSource {
        /// A warning, confirmed by a person or filed by rule.
        Warning = "warning" "物联感知" / "A warning",
        /// A duty officer.
        DutyOfficer = "duty_officer" "值班员" / "A duty officer",
        /// A grid worker on patrol 采集员上报.
        GridWorker = "grid_worker" "网格员上报" / "A grid worker",
        /// A citizen, by our own page.
        Public = "public" "公众举报" / "A citizen",
        /// A citizen, by another system that speaks Open311.
        Open311 = "open311" "第三方应用" / "Another app (Open311)",
        /// Camera analysis.
        Video = "video" "视频智能" / "Video analysis",
        /// A leader's instruction.
        Leader = "leader" "领导批示" / "A leader's instruction",
        /// Passed on by an agency.
        Agency = "agency" "部门批转" / "An agency",
        /// Press.
        Media = "media" "媒体" / "The press",
        /// A file of another system's cases.
        Import = "import" "导入" / "Imported",
    }
}

impl CaseSource {
    /// Whether somebody must look before it is filed: nobody on duty has seen it.
    pub const fn is_public(self) -> bool {
        matches!(self, Self::Public | Self::Open311 | Self::Media)
    }
}

words! {
    /// 事件等级 by law: Ⅰ is the worst.
    EventLevel {
        /// 特别重大.
        One = "I" "特别重大（Ⅰ级）" / "Level I, extraordinary",
        /// 重大.
        Two = "II" "重大（Ⅱ级）" / "Level II, major",
        /// 较大.
        Three = "III" "较大（Ⅲ级）" / "Level III, serious",
        /// 一般.
        Four = "IV" "一般（Ⅳ级）" / "Level IV, ordinary",
    }
}

words! {
    /// In which form an emergency is reported upwards.
    ReportForm {
        /// 电话.
        Phone = "phone" "电话报告" / "By telephone",
        /// 书面.
        Written = "written" "书面报告" / "In writing",
    }
}

words! {
    /// What a photo shows.
    PhotoKind {
        /// 近景.
        Near = "near" "近景" / "Close-up",
        /// 远景.
        Far = "far" "远景" / "From afar",
        /// 参照.
        Reference = "reference" "参照" / "With a landmark",
        /// 处置前.
        Before = "before" "处置前" / "Before",
        /// 处置后.
        After = "after" "处置后" / "After",
    }
}
