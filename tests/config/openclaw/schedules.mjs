// Asks OpenClaw's own code when its schedules are due next. Usage: node schedules.mjs DIST > schedules.json
const dist = process.argv[2];
const { t: next } = await import(`${dist}/schedule-hP3FjCPW.mjs`);
const { n: stagger } = await import(`${dist}/stagger-wESOTFE0.mjs`);
const zones = ["UTC", "Europe/Berlin", "America/Los_Angeles", "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata", "Pacific/Auckland", "America/Sao_Paulo"];
const exprs = [
  "*/30 * * * *", "*/5 * * * *", "15 * * * *", "30 6 * * 1-5", "0 7 * * *", "30 2 * * *", "15 3 * * 0", "0 0 1 * *",
  "0 12 13 * 5", "0 0 1,15 * 1", "45 23 31 * *", "0 9 29 2 *", "10,40 8-18 * * MON-FRI", "0 18 * JAN-MAR,DEC FRI", "0 8 * * 7",
  "5 4 * * SUN,3", "59 23 28-31 * *", "20 */6 * * *", "7 1-23/2 * * *", "0 */4 * * *", "*/20 8-20 * * *", "0 22 * * 1-5",
  "15 10 1-7 * 1", "0 6 * 2,8 *", "30 1 * * *",
];
const special = [
  ["0 9 L * *", "Europe/Berlin"], ["0 9 L-2 * *", "UTC"], ["0 9 * * 5L", "UTC"], ["0 9 * * FRI#2", "UTC"], ["0 9 15W * *", "UTC"], ["0 9 LW * *", "UTC"],
  ["0 9 ? * 1", "UTC"], ["0 9 1 * ?", "UTC"], ["0 9 */2 * 1", "UTC"], ["0 9 1-31 * 1", "UTC"], ["0 9 1 * +1", "UTC"], ["0 9 1 * */2", "UTC"],
  ["0 0 9 * * *", "Europe/Berlin"], ["30 */10 * * * *", "UTC"], ["15 0 * * * *", "UTC"], ["@daily", "UTC"], ["@hourly", "UTC"], ["0 9 * * 1#1,3#2", "UTC"],
  ["0 9 L,15 * *", "UTC"], ["0 9 * * L", "UTC"], ["0 0 0 1 1 * 2028", "UTC"], ["0 9 * * 0-7", "UTC"], ["0 9 * * 6-1", "UTC"], ["5/15 * * * *", "UTC"], ["0 24 * * *", "UTC"], ["60 * * * *", "UTC"],
  ["0 9 31 2 *", "UTC"], ["*/7 * * * *", "Europe/Berlin"], ["*/90 * * * *", "UTC"], ["0 2-3 * * *", "Europe/Berlin"], ["*/15 2 * * *", "Europe/Berlin"], ["0 2 * * *", "Europe/Berlin"], ["* 2 * * *", "America/New_York"],
  ["0 */3 * * *", "Europe/Berlin"], ["0 * * * *", "Europe/Berlin"], ["30 * * * *", "Australia/Lord_Howe"],
];
const instants = ["2026-03-28T20:15:00Z", "2026-10-24T21:40:00Z", "2026-11-01T03:59:59Z", "2026-12-01T10:00:00Z", "2027-03-13T22:00:30Z"].map(Date.parse);
const rows = [];
const ask = (schedule, after) => {
  const row = { schedule, after, next: [] };
  try {
    let at = after;
    for (let i = 0; i < 6; i++) { at = next(schedule, at); if (at === undefined) break; row.next.push(at); }
    if (schedule.kind === "cron") row.stagger = stagger(schedule);
  } catch (error) { row.error = String(error.message ?? error).slice(0, 120); }
  rows.push(row);
};
let turn = 0;
for (const expr of exprs) for (const tz of zones) { ask({ kind: "cron", expr, tz }, instants[turn++ % instants.length]); }
for (const [expr, tz] of special) { ask({ kind: "cron", expr, tz }, instants[0]); ask({ kind: "cron", expr, tz }, instants[1]); }
for (const everyMs of [60000, 900000, 1800000, 2700000, 3600000, 86400000, 90061000]) {
  ask({ kind: "every", everyMs, anchorMs: 0 }, instants[3]);
  ask({ kind: "every", everyMs, anchorMs: 1764547200000 + 123456 }, instants[3]);
}
for (const at of ["2026-12-24T18:00:00Z", "2026-12-24T18:00:00", "2026-12-24", "2026-12-24T18:00:00+01:00", "1798131600000", "2026-01-01T00:00:00Z"]) ask({ kind: "at", at }, instants[3]);
const seconds = (ms) => ms / 1000;
console.log(JSON.stringify({ openclaw: "2026.9.6", croner: "10.0.1", rows: rows.map((r) => ({ ...r, after: seconds(r.after), next: r.next.map(seconds) })) }).replaceAll('{"schedule"', '\n{"schedule"'));
