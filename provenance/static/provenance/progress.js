/* Fetches where an upload stands while it is worked on, and loads the page when that changes. */
(function () {
  "use strict";
  var place = document.querySelector("[data-tm-progress]");
  if (!place) return;
  var every = 700;
  function standing() { return place.querySelector("[data-tm-state]"); }
  function again() {
    var now = standing();
    if (!now || !now.dataset.tmWorking) return;
    var before = now.dataset.tmState;
    fetch(place.dataset.tmProgress, { credentials: "same-origin" })
      .then(function (answer) { return answer.ok ? answer.text() : null; })
      .then(function (text) {
        if (text !== null) place.innerHTML = text;
        var after = standing();
        if (after && !after.dataset.tmWorking && after.dataset.tmState !== before) {
          window.location.reload();
          return;
        }
        window.setTimeout(again, every);
      })
      .catch(function () { window.setTimeout(again, 3000); });
  }
  window.setTimeout(again, every);
})();
