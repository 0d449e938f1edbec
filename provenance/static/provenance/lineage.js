/* Draws the lineage that the page carries as JSON, and fetches it anew for the day that the slider
   names; asks nobody but this service for anything. */
(function () {
  "use strict";
  var shapes = { dataset: "round-rectangle", run: "ellipse", model: "hexagon" };
  var fills = { dataset: "--tm-teal-pale", run: "--tm-soft", model: "--tm-amber-pale" };
  var DAY = 86400000;

  function styles() {
    var style = getComputedStyle(document.documentElement);
    var colour = function (name) { return style.getPropertyValue(name).trim(); };
    return [
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
    ];
  }

  function draw() {
    var source = document.getElementById("tm-lineage-data");
    var place = document.getElementById("tm-lineage");
    if (!source || !place || !window.cytoscape) return;
    var data = JSON.parse(source.textContent);
    var nodes = data.nodes.map(function (node) {
      return { data: { id: node.id, name: node.name, kind: node.kind, centre: node.centre,
        masked: node.masked } };
    });
    var graph = window.cytoscape({
      container: place,
      elements: nodes.concat(data.edges.map(function (edge) { return { data: edge }; })),
      maxZoom: 1.6,
      minZoom: 0.1,
      wheelSensitivity: 0.3,
      style: styles(),
      layout: { name: "dagre", rankDir: "LR", nodeSep: 50, rankSep: 110, fit: true, padding: 40 }
    });
    graph.on("tap", "node", function (event) {
      var address = new URL(window.location.href);
      address.searchParams.delete("to");
      address.searchParams.append("open", event.target.id());
      window.location.assign(address);
    });
    place.dataset.nodes = String(graph.nodes().length);
  }

  /* The slider stands for the field beside it; its last place is now. */
  function slide() {
    var box = document.getElementById("tm-as-of");
    var field = document.getElementById("id_as_of");
    if (!box || !field) return;
    var range = box.querySelector("input");
    var shown = box.querySelector("output");
    var first = Date.parse(box.dataset.first + "T00:00:00Z");
    var waiting = 0;
    var asked = 0;
    function day() {
      if (range.value === range.max) return "";
      return new Date(first + Number(range.value) * DAY).toISOString().slice(0, 10);
    }
    function say() {
      shown.textContent = day() || shown.dataset.now;
      range.setAttribute("aria-valuetext", shown.textContent);
    }
    function follow() {
      var address = new URL(window.location.href);
      var number = asked += 1;
      if (day()) address.searchParams.set("as_of", day());
      else address.searchParams.delete("as_of");
      fetch(address, { credentials: "same-origin" })
        .then(function (answer) {
          if (!answer.ok) throw new Error(String(answer.status));
          return answer.text();
        })
        .then(function (text) {
          if (number !== asked) return;
          var page = new DOMParser().parseFromString(text, "text/html");
          document.getElementById("tm-lineage-result")
            .replaceWith(page.getElementById("tm-lineage-result"));
          window.history.replaceState(null, "", address);
          draw();
        })
        .catch(function () { if (number === asked) window.location.assign(address); });
    }
    range.addEventListener("input", function () {
      field.value = day();
      say();
      window.clearTimeout(waiting);
      waiting = window.setTimeout(follow, 200);
    });
    say();
    box.hidden = false;
  }

  draw();
  slide();
})();
