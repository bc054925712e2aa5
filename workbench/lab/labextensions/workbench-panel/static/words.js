// Every word of the panel, Japanese and English. What the server tells has both already.
"use strict";

export const WORDS = {
  title: ["データセット", "Datasets"],
  meter: ["今日、画面に出た量", "Shown on screen today"],
  meterOf: ["{shown}（警告 {limit}、上限 {most}）", "{shown} (warning at {limit}, no more after {most})"],
  datasets: ["使えるデータセット", "Admitted datasets"],
  none: ["まだありません。", "None yet."],
  rows: ["{count} 行", "{count} rows"],
  until: ["有効期限 {date}（あと {days} 日）", "Valid until {date} ({days} days)"],
  expired: ["期限が切れました", "Expired"],
  revoked: ["失効しました", "Revoked"],
  later: ["次に開いたときから使えます", "Available from your next session"],
  sensitive: ["機微な項目 {count}", "Sensitive items: {count}"],
  insert: ["ノートブックに入れる", "Insert into notebook"],
  report: ["匿名性確認報告書", "Anonymity report"],
  budget: ["プライバシー予算", "Privacy budget"],
  budgetLeft: ["残り ε {left}／付与 {granted}", "ε {left} left of {granted}"],
  submitted: ["提出した判定モデル", "Models submitted"],
  wanted: ["データの依頼", "Requests for data"],
  withdraw: ["取り下げる", "Withdraw"],
  ask: ["データを依頼する", "Ask for data"],
  kind: ["依頼の種類", "What kind"],
  dataset: ["対象のデータセット", "Which dataset"],
  about: ["ほしいもの", "What is wanted"],
  why: ["理由（分析の目的との関係）", "Why (for the purpose of the analysis)"],
  account: ["合言葉・認証アプリを変える", "Change passphrase or authenticator"],
  send: ["依頼を送る", "Send"],
  sent: ["依頼 {request} を送りました。", "Request {request} was sent."],
  failed: ["表示できませんでした。しばらくしてからやり直してください。", "This could not be shown; try again later."],
  notice: ["分析を始める前に", "Before you begin"],
  noticeProject: ["利用目的：{title}", "Purpose of use: {title}"],
  noticeItems: ["{id}：機微な項目 {count}（{items}）", "{id}, sensitive items: {count} ({items})"],
  noticeMore: ["ほか", "and others"],
  noticeOk: ["確認しました", "I have read this"],
};

// "{count} rows" with its values, in the language of the page.
export const say = (language, key, values = {}) =>
  fill(WORDS[key][language === "ja" ? 0 : 1], values);

const fill = (text, values) => text.replace(/\{(\w+)\}/g, (_, name) => String(values[name]));
