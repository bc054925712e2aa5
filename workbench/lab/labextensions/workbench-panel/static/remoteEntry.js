// The container by which JupyterLab takes in this extension: `init` is handed the libraries that Lab shares,
// `get` gives the one module. It is written by hand, as what a bundler would write for four small files is
// larger than the files; what runs is what is in the repository.
"use strict";

(() => {
  const place = new URL(".", document.currentScript.src);
  let shared = {};

  // Lab offers one version of each of its libraries.
  const library = async name => (await Object.values(shared[name])[0].get())();

  const containers = (window._JUPYTERLAB = window._JUPYTERLAB || {});
  containers["workbench-panel"] = {
    init: scope => {
      shared = scope;
    },
    get: async () => {
      const [{ plugins }, ...loaded] = await Promise.all([
        import(new URL("plugins.js", place)),
        ...["@jupyterlab/application", "@jupyterlab/apputils", "@jupyterlab/coreutils", "@jupyterlab/notebook",
            "@jupyterlab/services", "@jupyterlab/translation", "@jupyterlab/ui-components",
            "@lumino/widgets"].map(library),
      ]);
      const extension = { __esModule: true, default: plugins(Object.assign({}, ...loaded), place) };
      return () => extension;
    },
  };
})();
