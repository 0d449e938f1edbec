/* Says on the page what a browser that uses no security key would say to nobody. */
(function () {
  "use strict";
  document.addEventListener("allauth.error", function (event) {
    var said = document.getElementById("tm-key-failed");
    if (!said) return;
    event.preventDefault();
    said.hidden = false;
    said.scrollIntoView({ block: "nearest" });
  });
})();
