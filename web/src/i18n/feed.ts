// The words about feeds of public transport, in both languages side by side.
export default {
  zh: {
    title: "公交数据源",
    name: "数据源",
    from: "来自",
    sent: "推送",
    taken: "最近接收",
    never: "尚未收到",
    fails: "未能接收：",
    vehicles: "车辆",
    again: "重复与过时",
    refused: "拒收",
  },
  en: {
    title: "Feeds of public transport",
    name: "Feed",
    from: "From",
    sent: "sent to us",
    taken: "Taken last",
    never: "nothing yet",
    fails: "It does not come:",
    vehicles: "Vehicles",
    again: "Repeated, outdated",
    refused: "Refused",
  },
};
