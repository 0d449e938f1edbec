/* What the frame of each page does: the theme, the navigation, where it scrolls. */
document.addEventListener("alpine:init", function () {
  "use strict";
  // Alpine's build for strict policies finds only what is registered; unfold's are plain functions.
  window.Alpine.data("theme", window.theme);
  window.Alpine.data("searchForm", window.searchForm);
  window.Alpine.data("frame", function () {
    return {
      activeTab: "general",
      sidebarMobileOpen: false,
      sidebarDesktopOpen: window.localStorage.getItem("sidebarDesktopOpen") !== "0",
      toggleDesktop() {
        this.sidebarDesktopOpen = !this.sidebarDesktopOpen;
        window.localStorage.setItem("sidebarDesktopOpen", this.sidebarDesktopOpen ? "1" : "0");
      },
    };
  });
});
/* unfold writes a chosen file's name into the nearest text field, which is another one in our
   forms: it leaves those alone that it believes to have seen. */
document.addEventListener("DOMContentLoaded", function () {
  "use strict";
  document.querySelectorAll("input[type=file]").forEach(function (input) {
    input.hasChangeListener = true;
  });
});
