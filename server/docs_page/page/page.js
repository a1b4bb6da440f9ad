"use strict";

// Marks the operations that answer 501, which `apis.json` lists by API as "METHOD /path".
function markNotBuilt(apis) {
  const notBuilt = new Map(apis.map((api) => [api.url, new Set(api.not_built)]));
  return () => ({
    wrapComponents: {
      OperationSummary: (Original, system) => (props) => {
        const operation = `${props.operationProps.get("method").toUpperCase()} ${props.operationProps.get("path")}`;
        const shown = notBuilt.get(system.specSelectors.url());
        const summary = system.React.createElement(Original, props);
        if (!shown || !shown.has(operation)) return summary;
        const badge = system.React.createElement("span", { className: "not-built" }, "not built yet: 501");
        return system.React.createElement(system.React.Fragment, null, badge, summary);
      },
    },
  });
}

// Leaves out the tags that no operation has: Llama Stack's document has one for each of its schemas.
const withoutEmptyTags = () => ({
  statePlugins: {
    spec: {
      wrapSelectors: {
        taggedOperations: (original) => (state, ...rest) =>
          original(state, ...rest).filter((tag) => tag.get("operations")?.size),
      },
    },
  },
});

async function show() {
  const apis = await (await fetch("apis.json")).json();
  window.docs = SwaggerUIBundle({
    dom_id: "#docs",
    urls: apis.map((api) => ({ name: api.name, url: api.url })),
    layout: "StandaloneLayout",
    deepLinking: true,
    docExpansion: "list",
    validatorUrl: null,
    presets: [SwaggerUIBundle.presets.apis, SwaggerUIStandalonePreset],
    plugins: [SwaggerUIBundle.plugins.DownloadUrl, markNotBuilt(apis), withoutEmptyTags],
  });
}

show();
