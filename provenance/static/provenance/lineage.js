/* Draws the lineage that the page carries as JSON; asks nobody for anything. */
(function () {
  "use strict";
  var source = document.getElementById("tm-lineage-data");
  var place = document.getElementById("tm-lineage");
  if (!source || !place || !window.cytoscape) return;
  var data = JSON.parse(source.textContent);
  var style = getComputedStyle(document.documentElement);
  var colour = function (name) { return style.getPropertyValue(name).trim(); };
  var shapes = { dataset: "round-rectangle", run: "ellipse", model: "hexagon" };
  var fills = { dataset: "--tm-teal-pale", run: "--tm-soft", model: "--tm-amber-pale" };
  var elements = data.nodes.map(function (node) {
    return { data: { id: node.id, name: node.name, kind: node.kind, centre: node.centre,
      masked: node.masked } };
  }).concat(data.edges.map(function (edge) { return { data: edge }; }));
  var graph = window.cytoscape({
    container: place,
    elements: elements,
    maxZoom: 1.6,
    minZoom: 0.1,
    wheelSensitivity: 0.3,
    style: [
      { selector: "node", style: {
        "shape": function (n) { return shapes[n.data("kind")]; },
        "background-color": function (n) { return colour(fills[n.data("kind")]); },
        "border-width": function (n) { return n.data("centre") ? 3 : 1; },
        "border-color": colour("--tm-teal"),
        "border-style": function (n) { return n.data("masked") ? "dashed" : "solid"; },
        "label": "data(name)", "color": colour("--tm-ink"), "font-size": 11,
        "text-valign": "bottom", "text-margin-y": 6, "text-wrap": "ellipsis", "text-max-width": 150,
        "width": 40, "height": 30 } },
      { selector: "edge", style: {
        "curve-style": "bezier", "width": 1.5, "line-color": colour("--tm-line"),
        "target-arrow-shape": "triangle", "target-arrow-color": colour("--tm-faint") } }
    ],
    layout: { name: "dagre", rankDir: "LR", nodeSep: 50, rankSep: 110, fit: true, padding: 40 }
  });
  graph.on("tap", "node", function (event) {
    var address = new URL(window.location.href);
    address.searchParams.delete("to");
    address.searchParams.append("open", event.target.id());
    window.location.assign(address);
  });
  place.dataset.nodes = String(graph.nodes().length);
})();
