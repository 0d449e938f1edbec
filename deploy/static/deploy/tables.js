/* Names each cell by its column, so that a narrow page can show a row as a card. */
(function () {
  "use strict";
  var FEWEST_COLUMNS = 3;
  function role(all, name) {
    all.forEach(function (one) { if (!one.hasAttribute("role")) one.setAttribute("role", name); });
  }
  function name(table) {
    var heads = Array.prototype.map.call(table.querySelectorAll("thead th"), function (head) {
      return head.textContent.trim();
    });
    if (heads.length < FEWEST_COLUMNS || table.classList.contains("tm-cells")) return;
    table.querySelectorAll("tbody tr, tfoot tr").forEach(function (row) {
      var at = 0;
      Array.prototype.forEach.call(row.cells, function (cell) {
        if (cell.colSpan === 1 && heads[at]) cell.dataset.label = heads[at];
        at += cell.colSpan;
      });
    });
    /* As blocks they would be no table any more for those who hear the page. */
    role([table], "table");
    role(table.querySelectorAll("thead, tbody, tfoot"), "rowgroup");
    role(table.querySelectorAll("tr"), "row");
    role(table.querySelectorAll("th"), "columnheader");
    role(table.querySelectorAll("td"), "cell");
    table.classList.add("tm-named");
  }
  document.querySelectorAll(".tm-table").forEach(name);
})();
