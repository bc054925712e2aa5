// The server's answers about this session. What it refuses, it says in a sentence of its own.
"use strict";

export const room = ({ ServerConnection, URLExt }) => {
  const settings = ServerConnection.makeSettings();
  const url = path => URLExt.join(settings.baseUrl, "workbench", path);

  const ask = async (path, body) => {
    const init = body === undefined ? {} : { method: "POST", body: JSON.stringify(body) };
    const response = await ServerConnection.makeRequest(url(path), init, settings);
    const told = await response.json();
    if (!response.ok) {
      throw Object.assign(new Error(told.en), { words: told.ja ? told : undefined });
    }
    return told;
  };

  return {
    panel: () => ask("panel"),
    meter: () => ask("meter"),
    acknowledge: () => ask("notice", {}),
    want: asked => ask("requests", asked),
    withdraw: request => ask(`requests/${encodeURIComponent(request)}/withdraw`, {}),
    account: URLExt.join(settings.baseUrl, "account"),
    report: mount => url(`report/${encodeURIComponent(mount)}`),
  };
};
