// The panel: what it is told, as elements. Nothing that comes from the server is ever read as HTML.
"use strict";

export const el = (tag, properties = {}, ...children) => {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children.filter(child => child !== null));
  return made;
};

const button = (text, onclick, className = "") =>
  el("button", { type: "button", className: `workbench-button ${className}`, textContent: text, onclick });

const section = (title, ...children) =>
  el("section", {}, el("h3", { textContent: title }), ...children);

const megabytes = amount => `${(amount / 1e6).toLocaleString(undefined, { maximumFractionDigits: 2 })} MB`;

// The meter of the day, in bytes: `limit` is the amount above which the manager is told, `notice` what is said then.
export const meter = (say, language, told) => {
  const values = { shown: megabytes(told.shown), limit: megabytes(told.limit), most: megabytes(told.most) };
  return section(
    say("meter"),
    el("meter", { min: 0, max: told.limit, value: told.shown, high: told.limit * 0.8, optimum: 0 }),
    el("p", { className: "workbench-small", textContent: say("meterOf", values) }),
    told.notice
      ? el("p", { className: "workbench-warning", role: "alert", textContent: told.notice[language] })
      : null,
  );
};

export const datasets = (say, language, told, acts) =>
  section(
    say("datasets"),
    ...(told.length ? told.map(one => card(say, language, one, acts)) : [nothing(say)]),
  );

const nothing = say => el("p", { className: "workbench-small", textContent: say("none") });

const card = (say, language, one, acts) => {
  const usable = one.here && one.status === "valid";
  return el(
    "article",
    { className: "workbench-card" },
    el("h4", { textContent: one.id }),
    el(
      "p",
      { className: "workbench-badges" },
      el("span", { className: "workbench-badge", textContent: one.protection[language] }),
      one.sensitive.length
        ? el("span", {
            className: "workbench-badge workbench-care",
            textContent: say("sensitive", { count: one.sensitive.length }),
            title: one.sensitive.map(label => label[language]).join("\n"),
          })
        : null,
      one.rows
        ? el("span", { className: "workbench-small", textContent: say("rows", { count: one.rows.toLocaleString() }) })
        : null,
    ),
    el("ul", {}, ...one.guarantee.map(words => el("li", { textContent: words[language] }))),
    el("p", { className: "workbench-small", textContent: standing(say, one) }),
    usable
      ? el(
          "p",
          {},
          button(say("insert"), () => acts.insert(one), "workbench-insert"),
          button(say("report"), () => acts.report(one), "workbench-report"),
        )
      : null,
  );
};

const standing = (say, one) => {
  if (one.status !== "valid") {
    return say(one.status);
  }
  const until = say("until", { date: one.valid_until, days: one.days_left });
  return one.here ? until : `${say("later")} · ${until}`;
};

export const budget = (say, told) =>
  section(
    say("budget"),
    el("meter", { min: 0, max: told.granted, value: told.remaining }),
    el("p", {
      className: "workbench-small",
      textContent: `${told.dataset} · ${say("budgetLeft", { left: told.remaining, granted: told.granted })}`,
    }),
  );

export const submitted = (say, language, told) =>
  section(
    say("submitted"),
    ...(told.length
      ? told.map(one => line(`${one.request} ${one.name}@${one.version}`, one.standing[language]))
      : [nothing(say)]),
  );

export const wanted = (say, language, told, acts) =>
  section(
    say("wanted"),
    ...(told.length
      ? told.map(one =>
          line(
            `${one.request} ${one.kind[language]}${one.dataset ? ` · ${one.dataset}` : ""}${one.about ? ` · ${one.about}` : ""}`,
            one.standing[language] + (one.answer ? ` · ${one.answer}` : ""),
            one.can_withdraw ? button(say("withdraw"), () => acts.withdraw(one.request)) : null,
          ),
        )
      : [nothing(say)]),
  );

export const account = (say, url) =>
  el(
    "p",
    { className: "workbench-small" },
    el("a", { className: "workbench-account", href: url, target: "_blank", rel: "noopener", textContent: say("account") }),
  );

const line = (what, where, more = null) =>
  el(
    "p",
    { className: "workbench-line" },
    el("span", { textContent: what }),
    el("span", { className: "workbench-badge", textContent: where }),
    more,
  );

// The form: an item or a refresh is of a dataset, a refresh needs no words on what is wanted.
export const form = (say, language, told, acts) => {
  const names = [...new Set(told.datasets.map(one => one.name))];
  const kinds = Object.entries(told.kinds).filter(([kind]) => kind === "dataset" || names.length);
  const kind = el("select", { name: "kind" }, ...kinds.map(([value, words]) => option(value, words[language])));
  const dataset = el("select", { name: "dataset" }, ...names.map(name => option(name, name)));
  const about = el("input", { name: "about", maxLength: 1000, required: true });
  const why = el("input", { name: "why", maxLength: 1000, required: true });
  const said = el("p", { className: "workbench-small", role: "status" });
  const fields = [
    field(say("kind"), kind),
    field(say("dataset"), dataset),
    field(say("about"), about),
    field(say("why"), why),
  ];
  const suit = () => {
    fields[1].hidden = kind.value === "dataset";
    fields[2].hidden = about.disabled = kind.value === "refresh";
  };
  kind.onchange = suit;
  suit();
  const send = async event => {
    event.preventDefault();
    said.textContent = await acts.want({
      kind: kind.value,
      why: why.value,
      ...(kind.value === "dataset" ? {} : { dataset: dataset.value }),
      ...(kind.value === "refresh" ? {} : { about: about.value }),
    });
  };
  return section(
    say("ask"),
    el(
      "form",
      { className: "workbench-form", onsubmit: send },
      ...fields,
      el("button", { className: "workbench-button", textContent: say("send") }),
      said,
    ),
  );
};

const option = (value, text) => el("option", { value, textContent: text });

const field = (name, input) => el("label", {}, el("span", { textContent: name }), input);

// What is said once when a session begins.
export const notice = (say, language, told) =>
  el(
    "div",
    { className: "workbench-notice" },
    el("p", { textContent: say("noticeProject", { title: told.project[language] }) }),
    el(
      "ul",
      {},
      ...told.notice[language].map(text => el("li", { textContent: text })),
    ),
    ...told.datasets
      .filter(one => one.sensitive.length)
      .map(one => el("p", { className: "workbench-small", textContent: sensitive(say, language, one) })),
  );

const FEW = 6;

const sensitive = (say, language, one) => {
  const labels = one.sensitive.map(label => label[language]);
  const few = labels.slice(0, FEW).concat(labels.length > FEW ? [say("noticeMore")] : []);
  return say("noticeItems", { id: one.id, count: labels.length, items: few.join(language === "ja" ? "、" : ", ") });
};
