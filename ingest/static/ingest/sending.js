/* Shows how much of a file has been sent; without this script the form works all the same. */
document.addEventListener("DOMContentLoaded", function () {
  "use strict";

  function bar(form) {
    var words = document.createElement("p");
    words.textContent = "Sending the file…";
    var track = document.createElement("div");
    track.className = "tm-progress";
    track.setAttribute("role", "progressbar");
    track.setAttribute("aria-label", "Sending the file");
    var fill = document.createElement("i");
    track.appendChild(fill);
    form.append(words, track);
    return { words: words, fill: fill };
  }

  function enable(form, isEnabled) {
    form.querySelectorAll("button").forEach(function (button) { button.disabled = !isEnabled; });
  }

  /* What was refused comes back as a page: its content takes the place of ours. */
  function show(text) {
    var answer = new DOMParser().parseFromString(text, "text/html");
    var theirs = answer.getElementById("content");
    var ours = document.getElementById("content");
    if (!theirs || !ours) { window.location.reload(); return; }
    ours.replaceWith(theirs);
    prepare();
    window.scrollTo(0, 0);
  }

  function prepare() {
    var input = document.querySelector("[data-tm-file]");
    if (!input) return;
    // Unfold would write the file's name into the nearest text field: our forms have others there.
    input.hasChangeListener = true;
    var form = input.form;
    form.addEventListener("submit", function (event) {
      if (!input.files.length) return;
      event.preventDefault();
      var data = new FormData(form);
      var shown = bar(form);
      enable(form, false);
      var request = new XMLHttpRequest();
      request.open("POST", form.action);
      request.upload.addEventListener("progress", function (sent) {
        if (sent.lengthComputable) shown.fill.style.width = (100 * sent.loaded / sent.total) + "%";
      });
      request.addEventListener("load", function () {
        if (request.status < 400) window.location.assign(request.responseURL);
        else show(request.responseText);
      });
      request.addEventListener("error", function () {
        shown.words.textContent = "The connection broke. Nothing was registered; try again.";
        enable(form, true);
      });
      request.send(data);
    });
  }

  prepare();
});
