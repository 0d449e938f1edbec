/* Lets the keyboard scroll what scrolls: a table or a text that is wider than its place. */
(function () {
  "use strict";
  var PLACES = ".tm-scroll, .tm pre, .tm-text, .result-list-wrapper .overflow-x-auto";
  function reach() {
    document.querySelectorAll(PLACES).forEach(function (place) {
      var scrolls = place.scrollWidth > place.clientWidth || place.scrollHeight > place.clientHeight;
      if (scrolls) place.setAttribute("tabindex", "0");
      else place.removeAttribute("tabindex");
    });
  }
  window.addEventListener("load", reach);
  window.addEventListener("resize", reach);
})();
