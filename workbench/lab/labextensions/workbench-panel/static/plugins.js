// What this extension adds to JupyterLab: the panel, the notice of a session, and silence on what is forbidden.
"use strict";

import * as view from "./panel.js";
import { room as roomOf } from "./room.js";
import { say as sayIn } from "./words.js";

// Milliseconds between looks at the meter and at what was answered, and until a look after a cell has run.
const EVERY = 60000;
const SOON = 1000;

export const plugins = (lab, place) => [absent(lab), datasets(lab, place)];

// A command of a closed door is in no menu, in no palette and on no key. The server refuses it in any case.
const absent = ({ PageConfig }) => ({
  id: "workbench-panel:absent",
  autoStart: true,
  activate: ({ commands }) => {
    const closed = new Set(JSON.parse(PageConfig.getOption("workbenchAbsent") || "[]"));
    for (const question of ["isVisible", "isEnabled"]) {
      const asked = commands[question].bind(commands);
      commands[question] = (id, args) => !closed.has(id) && asked(id, args);
    }
  },
});

const datasets = (lab, place) => ({
  id: "workbench-panel:datasets",
  autoStart: true,
  requires: [lab.INotebookTracker, lab.ITranslator],
  optional: [lab.ILayoutRestorer],
  activate: (app, tracker, translator, restorer) => {
    document.head.append(view.el("link", { rel: "stylesheet", href: new URL("panel.css", place).href }));
    const language = translator.languageCode.startsWith("ja") ? "ja" : "en";
    const say = (key, values) => sayIn(language, key, values);
    const room = roomOf(lab);
    const widget = new lab.Widget();
    widget.id = "workbench-panel";
    widget.addClass("workbench-panel");
    widget.title.caption = say("title");
    widget.title.icon = new lab.LabIcon({ name: "workbench:datasets", svgstr: ICON });

    const sentence = error => (error.words ? error.words[language] : say("failed"));
    let last = null;
    let soon = 0;

    const draw = async () => {
      try {
        const [told, meter] = await Promise.all([room.panel(), room.meter()]);
        const now = JSON.stringify([told, meter]);
        if (now !== last) {
          last = now;
          widget.node.replaceChildren(...sections(told, meter));
        }
        return told;
      } catch (error) {
        last = null;
        widget.node.replaceChildren(view.el("p", { className: "workbench-warning", textContent: sentence(error) }));
        return null;
      }
    };

    const acts = {
      insert: one => insert(app, lab, tracker, one.code),
      report: one => open(app, lab, `${say("report")} ${one.id}`, room.report(one.mount)),
      withdraw: async request => {
        await room.withdraw(request).catch(error => lab.Notification.error(sentence(error), { autoClose: 5000 }));
        await draw();
      },
      want: async asked => {
        try {
          const { request } = await room.want(asked);
          last = null;
          await draw();
          lab.Notification.success(say("sent", { request }), { autoClose: 5000 });
          return "";
        } catch (error) {
          return sentence(error);
        }
      },
    };

    const sections = (told, meter) => [
      view.meter(say, language, meter),
      view.datasets(say, language, told.datasets, acts),
      ...(told.budget ? [view.budget(say, told.budget)] : []),
      view.wanted(say, language, told.wanted, acts),
      view.form(say, language, told, acts),
      view.submitted(say, language, told.submitted),
      ...(told.account ? [view.account(say, room.account)] : []),
    ];

    app.shell.add(widget, "left", { rank: 50 });
    if (restorer) {
      restorer.add(widget, widget.id);
    }
    const timer = setInterval(() => document.hidden || busy(widget.node) || draw(), EVERY);
    lab.NotebookActions.executed.connect(() => {
      clearTimeout(soon);
      soon = setTimeout(() => busy(widget.node) || draw(), SOON);
    });
    widget.disposed.connect(() => clearInterval(timer));
    void app.restored.then(async () => {
      const told = await draw();
      if (told && !told.noticed) {
        app.shell.activateById(widget.id);
        await notify(lab, say, view.notice(say, language, told));
        await room.acknowledge();
        if (tracker.currentWidget) {
          app.shell.activateById(tracker.currentWidget.id);
        }
      }
    });
  },
});

// Nothing is drawn anew while somebody writes.
const busy = node => node.contains(document.activeElement) && document.activeElement.matches("input, select");

// The lines go below the active cell of the open notebook; without one, a new notebook is opened for them.
const insert = async (app, { NotebookActions }, tracker, code) => {
  const panel = tracker.currentWidget || (await app.commands.execute("notebook:create-new", { kernelName: "workbench" }));
  await panel.context.ready;
  const notebook = panel.content;
  const cell = notebook.activeCell;
  if (!cell || cell.model.type !== "code" || cell.model.sharedModel.getSource().trim()) {
    NotebookActions.insertBelow(notebook);
  }
  notebook.activeCell.model.sharedModel.setSource(code);
  app.shell.activateById(panel.id);
};

const open = (app, { IFrame, MainAreaWidget }, label, url) => {
  const id = `workbench-report-${url.split("/").pop()}`;
  const there = Array.from(app.shell.widgets("main")).find(widget => widget.id === id);
  if (!there) {
    const content = new IFrame({ sandbox: [] });
    content.url = url;
    const widget = new MainAreaWidget({ content });
    widget.id = id;
    widget.title.label = label;
    widget.title.closable = true;
    app.shell.add(widget, "main");
  }
  app.shell.activateById(id);
};

const notify = ({ Dialog, Widget }, say, node) =>
  new Dialog({
    title: say("notice"),
    body: new Widget({ node }),
    buttons: [Dialog.okButton({ label: say("noticeOk") })],
    hasClose: false,
  }).launch().then(result => (result.button.accept ? result : notify({ Dialog, Widget }, say, node)));

const ICON =
  '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 24 24" width="16"><g class="jp-icon3" fill="none" ' +
  'stroke="#616161" stroke-width="2"><ellipse cx="12" cy="5.5" rx="7.5" ry="3"/>' +
  '<path d="M4.5 5.5v13c0 1.7 3.4 3 7.5 3s7.5-1.3 7.5-3v-13M4.5 12c0 1.7 3.4 3 7.5 3s7.5-1.3 7.5-3"/></g></svg>';
