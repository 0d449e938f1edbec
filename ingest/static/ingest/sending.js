/* Shows how much of a file has been sent; without this script the form works all the same. */
document.addEventListener("DOMContentLoaded", function () {
  "use strict";
  var input = document.querySelector("[data-tm-file]");
  if (!input || !window.FormData) return;
  var form = input.form;
  form.addEventListener("submit", function (event) {
    if (!input.files.length) return;
    event.preventDefault();
    var bar = document.createElement("div");
    bar.className = "tm-progress";
    bar.setAttribute("role", "progressbar");
    bar.setAttribute("aria-label", "Sending the file");
    var fill = document.createElement("i");
    bar.appendChild(fill);
    var words = document.createElement("p");
    words.textContent = "Sending the file…";
    form.append(words, bar);
    form.querySelectorAll("button").forEach(function (button) { button.disabled = true; });
    var request = new XMLHttpRequest();
    request.open("POST", form.action);
    request.upload.addEventListener("progress", function (progress) {
      if (progress.lengthComputable) fill.style.width = (100 * progress.loaded / progress.total) + "%";
    });
    request.addEventListener("load", function () {
      if (request.status < 400) { window.location.assign(request.responseURL); return; }
      document.open();
      document.write(request.responseText);
      document.close();
    });
    request.addEventListener("error", function () {
      words.textContent = "The connection broke. Nothing was registered; try again.";
      form.querySelectorAll("button").forEach(function (button) { button.disabled = false; });
    });
    request.send(new FormData(form));
  });
});
